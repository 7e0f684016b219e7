//! Files: reading with limits, writing in one step, arrays and inputs in the usual formats.

mod array;
mod error;
mod files;
mod inputs;
mod json;
mod texts;

pub use array::{Array, Npz, parse_npy};
pub use error::IoError;
pub use files::{read_limited, write_atomic, write_atomic_with};
pub(crate) use inputs::kind_name;
pub use inputs::{Cases, InputFile, encode, input_specs, read_cases};
pub use texts::{Codes, ModelTexts};
