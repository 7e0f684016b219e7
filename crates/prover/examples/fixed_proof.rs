//! Prints the digests of proofs for fixed randomness: the same for every build and every number of threads.
#![forbid(unsafe_code)]
#![allow(dead_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use support::relations::{batch, conv, deep3, dense, gather, outer, wide};
use support::{Mode, setup};

fn main() {
    for case in [dense(), conv(), batch(), wide(), outer(), deep3(), gather()] {
        for mode in [Mode::secret(true), Mode::shown(false), Mode::committed(true)] {
            println!("{}", blake3::hash(&setup(&case, &mode).honest().bytes).to_hex());
        }
    }
}
