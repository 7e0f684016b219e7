//! Lowers an integer graph to a relation and a recipe for its witness.
//!
//! The exact operators (linear, reshape, contraction) become expressions over committed tensors and cost no witness;
//! the others commit their results and pin them by look-ups so that exactly one value satisfies, as argued operator
//! by operator in `spec/operators`. No value of a model or an input influences the relation: it follows from shapes,
//! declared ranges and tables only.
//!
//! Entry points: [`lower`], [`registration`], [`WitnessPlan::witness`]; [`mod@reference`] evaluates a relation literally.
#![forbid(unsafe_code)]

mod compose;
mod error;
mod form;
mod lower;
mod lowering;
mod ops;
mod plan;
pub mod reference;
mod scalars;
pub mod stats;
mod tables;
pub mod text;
mod view;

pub use error::{LowerError, WitnessError};
pub use lower::{Lowered, Options, lower, registration};
pub use plan::{Witness, WitnessPlan};
