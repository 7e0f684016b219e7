//! The succinct backend: the same relations and the same phases over the scalars of BN254, with a keccak transcript, one
//! commitment on the curve for each tree, and one Mercury opening.
//!
//! Of the argument nothing is written twice: [`verify()`] runs `verifier::phases::walk`, `protocol::channel` and the
//! claims of `relation` over another field; [`prove`] answers it. What is new is where the columns end: one
//! combination for each geometry, opened together with the inner claim about the pads.
//!
//! The verifier here evaluates the functionals of phase 3 in time linear in granules, as the transparent one does.
//! Contracts will not; the specification says how their values are proved instead (`spec/succinct.md`, section 6).
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

mod key;
#[cfg(feature = "std")]
pub mod prove;
mod verify;

pub use key::{Key, PROTOCOL, PreparedKey};
pub use verify::{VerifyError, begin, verify};
