//! Sumcheck, the verifier's half, over the channel.
//!
//! A round polynomial `s` of degree `d` is sent as its values at `0, 2, 3, .., d`; `s(1)` follows from the running
//! claim. In the *weighted* variant the summand is `eq(point, x) q(x)` and `q`'s round polynomial is sent: the claim is
//! kept divided by the equality factor, and `s(0) (1 - point_i) + s(1) point_i` is the running claim.
//!
//! # Soundness
//! `degree / |E|` a round (one more in the weighted variant).
//! # Source
//! Lund, Fortnow, Karloff, Nisan 1992; the factored equality polynomial: Gruen 2024/108.

use alloc::vec::Vec;

use proveil_algebra::Challenge;

use crate::channel::{Channel, ProofError, Value};

/// One remaining evaluation claim.
#[must_use = "the remaining claim must be proved"]
#[derive(Clone, Debug)]
pub struct Remaining<E> {
    /// The point, lowest variable first.
    pub point: Vec<E>,
    /// Claimed value of the summand there (without the equality factor in the weighted variant).
    pub value: Value<E>,
}

/// Lagrange coefficients at `r` for nodes `0 ..= degree`: node `i` has `prod (r - j) / (i - j)` over all others, and
/// `prod (i - j) = (-1)^(degree - i) degree! / binomial(degree, i)`, so that one inverse serves all.
pub fn lagrange<E: Challenge>(degree: usize, r: E) -> Vec<E> {
    let integer = |i: usize| E::from_int(i as i64);
    let factorial = (2..=degree).fold(E::ONE, |a, i| a * integer(i));
    let mut scale = factorial.try_inverse().unwrap_or(E::ZERO);
    if degree % 2 == 1 {
        scale = -scale;
    }
    let mut binomial = 1;
    let mut out = Vec::with_capacity(degree + 1);
    for i in 0..=degree {
        let others = (0..=degree).filter(|j| *j != i);
        out.push(others.fold(scale * integer(binomial), |a, j| a * (r - integer(j))));
        binomial = binomial * (degree - i) / (i + 1);
        scale = -scale;
    }
    out
}

/// Checks a sumcheck; `weight` is the point of the equality factor in the weighted variant.
///
/// # Errors
/// `Decode`; `Degenerate` when a weight coordinate is zero.
pub fn verify<E: Challenge>(
    ch: &mut Channel<'_, E>,
    label: &'static str,
    rounds: usize,
    degree: usize,
    weight: Option<&[E]>,
    claim: Value<E>,
) -> Result<Remaining<E>, ProofError> {
    let mut claim = claim;
    let mut point = Vec::with_capacity(rounds);
    for i in 0..rounds {
        let at_zero = ch.message(label)?.value();
        let at_one = match weight {
            None => claim - at_zero.clone(),
            Some(w) => {
                let w = w.get(i).copied().unwrap_or(E::ZERO);
                let inv = w.try_inverse().ok_or(ProofError::Degenerate { check: label })?;
                (claim - at_zero.clone() * (E::ONE - w)) * inv
            }
        };
        let mut values = alloc::vec![at_zero, at_one];
        for _ in 2..=degree {
            values.push(ch.message(label)?.value());
        }
        let r = ch.challenge(label);
        claim = Value::known(E::ZERO);
        for (v, l) in values.iter().zip(lagrange(degree, r)) {
            claim.add_scaled(v, l);
        }
        point.push(r);
    }
    Ok(Remaining { point, value: claim })
}
