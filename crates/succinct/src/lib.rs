//! The succinct backend: the same relations and the same phases over the scalars of BN254, with a keccak transcript, one
//! commitment on the curve for each tree, and one Mercury opening.
//!
//! Of the argument nothing is written twice: [`verify()`] runs `verifier::phases::walk`, `protocol::channel` and the
//! claims of `relation` over another field; [`prove`] answers it. What is new is where the columns end: one
//! combination for each geometry, opened together with the inner claim about the pads.
//!
//! What a relation contributes to the claims is proved from a list that the key commits to (`spec/succinct.md`,
//! sections 6 and 7), so that [`verify_short`] knows sizes and commitments only, as a contract does; [`verify()`] also
//! computes it from the relation.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod argument;
mod batch;
mod functionals;
mod key;
#[cfg(feature = "std")]
pub mod list;
#[cfg(feature = "std")]
mod prepared;
#[cfg(feature = "std")]
pub mod prove;
#[cfg(feature = "std")]
pub mod registration;
mod short;
pub mod tables;
mod verify;

pub use batch::{BATCH_PROTOCOL, BatchError, Item, verify_batch};
pub use key::{Key, PROTOCOL, key_digest};
#[cfg(feature = "std")]
pub use prepared::{PrepareError, PreparedKey};
pub use short::{Io, LIST_STACKS, ShortKey};
#[cfg(feature = "std")]
pub use verify::verify;
pub use verify::{Reduced, VerifyError, begin, reduce_short, verify_short, verify_short_with};
