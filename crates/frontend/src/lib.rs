//! ONNX to the integer graph: reading, shape arithmetic, calibration, quantisation, an accuracy report, and the
//! codecs between floats and the graph's integers. Floating point ends here.
//!
//! Start at [`compile`].
#![forbid(unsafe_code)]

mod accuracy;
mod cells;
mod check;
mod compile;
mod compose;
mod error;
mod import;
mod model;
mod native;
mod onnx;
mod operators;
mod options;
mod quantise;
mod real;
mod reveal;
mod search;
pub mod synthetic;
mod tensor;

pub use check::{Problem, Survey, check, texts};
pub use compile::compile;
pub use compose::{Composed, compose};
pub use error::{FrontendError, Result};
pub use model::{InputSpec, LayerError, Model, OutputError, OutputSpec, Report, Saturation, units};
pub use native::Native;
pub use onnx::{DType, Limits};
pub use operators::{ABSENT, Absent, OPERATORS, Operator, operators_markdown};
pub use options::{Options, OutputPolicy, Reveal};
pub use tensor::{Kind, Tensor};
