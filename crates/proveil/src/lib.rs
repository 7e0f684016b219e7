//! Proveil: proofs that a published result is what a committed machine-learning model computes on an input.
//!
//! The path: [`compile_graph`] turns an integer graph into a [`Package`]; [`Engine::load`] prepares it; [`Engine::prove`] runs the
//! model and proves the result; [`verify`] checks a proof with the verifying key alone.

pub mod engine;
pub mod error;
pub mod meta;
pub mod package;
pub mod profile;
pub mod proof;

pub use engine::{Engine, IoCommitment};
pub use error::Error;
pub use meta::{IoMeta, Meta};
pub use package::{CompileOptions, Package, compile_graph};
pub use proof::{ProofFile, Results, verify};
