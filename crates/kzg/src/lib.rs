//! Polynomial commitments on the curve BN254 for proofs that contracts verify: powers of tau, blinded commitments, and
//! the multilinear opening *Mercury* at several points at once.
//!
//! A polynomial is its list of coefficients, `f(X) = sum_i f_i X^i`, commitment `f(tau) G + blind H`; the same list is
//! the table of a multilinear polynomial, lowest variable in the lowest bit, and that is what is opened. `H` is a hash
//! to the curve, so nobody knows its logarithm.
//!
//! Without the feature `std` the crate is the verifier's half: no standard library, threads or randomness. Hostile
//! bytes give an error, never a panic.
//!
//! # Security
//! About 100 bits against classical machines (the embedding field of BN254), none against quantum ones, and a set-up
//! whose secret `tau` must be unknown to everybody: see [`srs`].
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

#[cfg(feature = "std")]
pub mod commit;
pub mod curve;
pub mod mercury;
#[cfg(feature = "std")]
mod msm;
#[cfg(feature = "std")]
pub mod ptau;
#[cfg(feature = "std")]
pub mod srs;

pub use curve::{Point, PointError, SrsKey, TauPoint, blinding_base};
