//! The verifier's half of every generic protocol: transcript, proof codec, channel, sumcheck, commitment opening,
//! parameters and soundness accounting. `no_std`, no unsafe, no panics on untrusted bytes.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod channel;
pub mod codec;
pub mod merkle;
pub mod opening;
pub mod pads;
pub mod params;
pub mod sample;
#[cfg(feature = "std")]
pub mod soundness;
pub mod sumcheck;
pub mod transcript;
