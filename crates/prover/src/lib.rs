//! proveil prover
pub mod commit;
pub mod merkle;
pub mod opening;
