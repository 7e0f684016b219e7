//! The integer graph: what a compiled model *is*. Operators with exact integer semantics, a builder, a slow
//! interpreter that is the truth everything else is compared with, a checker of invariants, bounds from
//! declared ranges and shapes only, and text and picture dumps.
//!
//! No floating-point type appears in this crate, and it imports no other crate of the workspace.
#![forbid(unsafe_code)]

pub mod bounds;
pub mod builder;
pub mod check;
pub mod dump;
pub mod error;
pub mod eval;
pub mod identities;
pub mod interpret;
pub mod ir;
pub mod shape;
pub mod stats;

pub use builder::{Builder, ConvSpec, PoolSpec};
pub use error::{EvalError, GraphError};
pub use eval::run_fast;
pub use interpret::run;
pub use ir::*;
pub use stats::Stats;
