//! Proof of work before positions are drawn: the least nonce that the verifier's check accepts, searched many at a time.

use proveil_protocol::transcript::Transcript;
use rayon::prelude::*;

use crate::merkle::lanes::{LANES, hash};

/// Nonces tried by one task before it looks whether another task was luckier.
const TASK: u64 = 1 << 9;
/// Tasks of one sweep; a sweep that finds nothing is followed by the next.
const TASKS: u64 = 1 << 6;

/// The least nonce with `bits` bits of proof of work on the present state of `t`.
pub(crate) fn grind(t: &Transcript, bits: u32) -> u64 {
    // Also ends the search at once under a scripted transcript, where every nonce is good.
    if t.check_nonce(0, bits) {
        return 0;
    }
    let state = t.state();
    let task = |start: u64| (start..start + TASK).step_by(LANES).find_map(|n| first_good(&state, n, bits));
    let sweep = |n: u64| (0..TASKS).into_par_iter().find_map_first(|k| task((n * TASKS + k) * TASK));
    (0..u64::MAX / (TASK * TASKS)).find_map(sweep).unwrap_or_default()
}

/// The first good nonce among the [`LANES`] from `first` on.
fn first_good(state: &[u8; 32], first: u64, bits: u32) -> Option<u64> {
    const LEN: usize = 40;
    let mut messages = [0; LANES * LEN];
    for (nonce, message) in (first..).zip(messages.chunks_exact_mut(LEN)) {
        message[..32].copy_from_slice(state);
        message[32..].copy_from_slice(&nonce.to_le_bytes());
    }
    let zeros = |digest: &[u8; 32]| {
        digest.iter().take(8).fold(0, |acc, byte| acc << 8 | u64::from(*byte)).leading_zeros() >= bits
    };
    let found = hash(&messages, LEN).iter().position(zeros)?;
    Some(first + found as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_search() {
        for (label, bits) in [("a", 0), ("b", 1), ("c", 5), ("d", 11), ("e", 14)] {
            let t = Transcript::new(label);
            let slow = (0..).find(|n| t.check_nonce(*n, bits)).unwrap();
            assert_eq!(grind(&t, bits), slow, "{bits} bits");
        }
    }
}
