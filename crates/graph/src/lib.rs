//! The integer graph: what a compiled model *is*. Operators with exact integer semantics, a builder, a slow
//! interpreter that is the truth everything else is compared with, a checker of invariants, bounds from
//! declared ranges and shapes only, and text and picture dumps.
//!
//! # Key items
//! - [`Builder`] makes a [`Graph`] and its [`Params`]; [`check::check`] lists and checks what holds of them.
//! - [`run`] is the meaning of a graph; [`run_fast`] gives the same results quickly.
//! - [`bounds::output_range`] and [`identities`] say how ranges follow from operators.
//! - [`dump`] draws and prints, [`Stats`] counts.
//!
//! # Example
//! ```
//! use proveil_graph::{Builder, Range, run};
//!
//! let mut b = Builder::new();
//! let x = b.input("x", &[1, 2], Range { lo: -128, hi: 127 }, 7)?;
//! let w = b.param("w", &[2, 3], Range { lo: -8, hi: 7 }, 3, vec![1, 2, 3, 4, 5, 6])?;
//! let y = b.matmul("dense", x, w)?;
//! b.output(y)?;
//! let (graph, params) = b.finish()?;
//! let cells = run(&graph, &params, &[vec![10, -1]]).expect("one input of two cells");
//! assert_eq!(cells[y.0 as usize], [6, 15, 24]);
//! # Ok::<(), proveil_graph::GraphError>(())
//! ```
//!
//! No floating-point type appears in this crate, and it imports no other crate of the workspace.
#![forbid(unsafe_code)]

pub mod batch;
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

pub use batch::batched;
pub use builder::{Builder, ConvSpec, ForestSpec, PoolSpec};
pub use error::{EvalError, GraphError};
pub use eval::{run_fast, run_shared};
pub use interpret::run;
pub use ir::*;
pub use stats::Stats;
