//! Between Rust and contracts: compiled artifacts and the encoding of calls.
//!
//! Contracts are in `contracts/`, compiled by a pinned compiler; what it makes is checked in under `contracts/out` and
//! compared byte for byte when contracts change, so that nothing here needs the compiler. The tests of this crate run
//! the contracts in a real machine ([`machine`]), which also says what the stages of a verification cost ([`stages`]).
#![forbid(unsafe_code)]

pub mod abi;
pub mod artifact;
pub mod export;
pub mod form;
#[cfg(feature = "machine")]
pub mod groth16;
#[cfg(feature = "machine")]
pub mod machine;
pub mod rebuild;
pub mod solidity;
pub mod sources;
#[cfg(feature = "machine")]
pub mod stages;

pub use abi::Abi;
pub use artifact::{Artifact, ArtifactError};
pub use form::Form;
