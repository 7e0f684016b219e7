//! Fuzz targets for everything that reads bytes from strangers, and a deterministic engine that runs on stable Rust.
//!
//! A *target* takes bytes and must return, whatever they are: no panic, no unbounded work. Where more is known it is
//! asserted: what decodes encodes to the same bytes, and no changed proof or statement is accepted. A run is a fixed
//! number of mutations of a corpus, the same on every machine; `PROVEIL_FUZZ_ITERATIONS` asks for more.
#![forbid(unsafe_code)]

mod corpus;
mod engine;
mod mutate;
pub mod targets;

pub use corpus::corpus;
pub use engine::{Outcome, iterations, run};
pub use mutate::{Rng, mutate};
