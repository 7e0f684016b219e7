//! The loop: a fixed number of mutations, the same on every machine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mutate::{Rng, mutate};

/// What a run saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Inputs tried, starting points included.
    pub tried: usize,
    /// Inputs that the target took for well-formed.
    pub accepted: usize,
}

/// Mutations of a run: `PROVEIL_FUZZ_ITERATIONS` if it is set to a number, else `default`.
#[must_use]
pub fn iterations(default: usize) -> usize {
    std::env::var("PROVEIL_FUZZ_ITERATIONS").ok().and_then(|s| s.parse().ok()).unwrap_or(default)
}

/// Feeds the starting points and `iterations` mutations of them to `target`, which says whether it took its input for
/// well-formed. A mutation that is taken becomes a starting point too (up to 64 more).
///
/// # Panics
/// When the target does; the message then holds the offending bytes, to be put into the corpus.
pub fn run(name: &str, seeds: &[Vec<u8>], iterations: usize, target: impl Fn(&[u8]) -> bool) -> Outcome {
    let mut pool = seeds.to_vec();
    let mut outcome = Outcome::default();
    let mut rng = Rng::new(name.bytes().fold(1, |a, b| a * 31 + u64::from(b)));
    let most = pool.len() + 64;
    for i in 0..seeds.len() + iterations {
        let input = match seeds.get(i) {
            Some(seed) => seed.clone(),
            None if pool.is_empty() => Vec::new(),
            None => {
                let (a, b) = (rng.below(pool.len()), rng.below(pool.len()));
                mutate(&pool[a], &pool[b], &mut rng)
            }
        };
        let taken = catch_unwind(AssertUnwindSafe(|| target(&input)));
        let Ok(taken) = taken else { panic!("{name}: input {i} fails, {} bytes: {}", input.len(), hex(&input)) };
        outcome.tried += 1;
        outcome.accepted += usize::from(taken);
        if taken && i >= seeds.len() && pool.len() < most {
            pool.push(input);
        }
    }
    outcome
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
