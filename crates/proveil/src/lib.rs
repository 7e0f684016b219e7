//! Proveil: proofs that a published result is what a committed machine-learning model computes on an input.
//!
//! The path: [`compile_onnx`] (or [`compile_graph`]) turns a model into a [`Package`]; [`Engine::load`] prepares it;
//! [`Engine::prove`] runs the model and proves the result; [`verify`] checks a proof with the verifying key alone.
#![forbid(unsafe_code)]

pub mod budget;
pub mod commitment;
pub mod engine;
pub mod error;
pub mod estimate;
pub mod io;
pub mod meta;
pub mod onnx;
pub mod package;
pub mod profile;
pub mod proof;
pub mod refresh;
pub mod registration;
pub mod security;
pub mod succinct;
pub mod svg;
pub mod trace;
pub mod tree;
mod workers;

pub use budget::Budget;
pub use commitment::CommitmentFile;
pub use engine::{Engine, IoCommitment};
pub use error::Error;
pub use meta::{IoMeta, Meta, Missing};
pub use onnx::{Compiled, compile_onnx};
pub use package::{CompileOptions, Package, compile_graph};
pub use proof::{Backend, ProofFile, Results, verify};
pub use refresh::{RefreshFile, verify_refreshes};
pub use registration::{RegistrationFile, verify_registration};
