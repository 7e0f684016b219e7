//! What is claimed, as data. A compiled model is a [`Relation`]: committed tensors, look-ups whose arguments are
//! linear and bilinear images of those tensors, tables and outputs. From it follow, by one piece of code that prover
//! and verifier share, the layout ([`layout`]), the claims of every phase ([`claims`]) and the verifying key ([`key`]).
//!
//! The crate knows neither ONNX nor the integer graph, and holds no prover code.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod check;
pub mod claims;
pub mod decl;
pub mod groups;
pub mod key;
pub mod layout;
pub mod table;
pub mod terms;
pub mod weights;

pub use decl::*;
