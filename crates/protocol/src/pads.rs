//! The inner claim: `<c, p> = t` for the committed pads `p`, with a committed uniform mask `m`.
//!
//! Messages: `d1, d2` of every triple; `zeta` is drawn; `mu = <c, m>`; `epsilon` is drawn; `v = m + epsilon p` in the
//! clear; grinding nonce; rows of the pad tree at random positions. The tree has six base columns: the coordinates of
//! `p`, then those of `m`; the top cells of `p` are random, `m` is random everywhere.
//!
//! # Soundness
//! `(n + 1)/|E|` for `epsilon` and `((1 + rho)/2)^q 2^-w` for the positions, at unique-decoding distance.

use alloc::vec::Vec;

use proveil_algebra::{E, F, Planes, PrimeCharacteristicRing, Tasks, TwoAdicField, dot, ext_from_coords, log2_ceil};

use crate::channel::{Channel, ProofError};
use crate::merkle::{Opened, read_rows};
use crate::params::Params;

/// Base columns of the pad tree.
pub const WIDTH: usize = 6;

/// log2 of the height of the pad columns: pads, then at least as many random cells as openings.
#[must_use]
pub fn log_height(pads: usize, params: &Params) -> usize {
    log2_ceil(pads + params.pad_queries())
}

/// The verifier's half; does nothing on the plain channel.
///
/// # Errors
/// `Decode`, `Opening`, `Check { "inner claim" }`, `Check { "pad row" }`.
pub fn verify(tasks: &impl Tasks, ch: &mut Channel<'_, E>, params: &Params) -> Result<(), ProofError> {
    let Some(commitment) = ch.pads() else { return Ok(()) };
    ch.triples(|ch, _| ch.clear("triple reveal"))?;
    let (c, t) = ch.combine();
    let mu = ch.clear("inner claim mask")?;
    let epsilon = ch.challenge("inner claim");
    let log_n = log_height(c.len(), params);
    let (transcript, Some(reader)) = ch.parts() else { return Ok(()) };
    let v: Vec<E> = reader.elements("masked pads", 1 << log_n)?;
    transcript.absorb_elements("masked pads", &v);
    if dot(&c, &v) != mu + epsilon * t {
        return Err(ProofError::Check { check: "inner claim" });
    }
    let round = params.pad_query_round(log_n);
    if round.grinding_bits > 0 {
        let nonce = reader.u64("pad nonce")?;
        if !transcript.absorb_nonce(nonce, round.grinding_bits) {
            return Err(ProofError::Check { check: "pad nonce" });
        }
    }
    let log_domain = log_n + usize::from(params.pad_log_inv_rate);
    let positions = transcript.positions("pad positions", log_domain, round.count);
    let opened = Opened { commitment: &commitment, log_leaves: log_domain, width: WIDTH };
    let rows = read_rows(tasks, reader, &opened, &positions, "pad rows", <[F]>::to_vec)?;
    let omega = F::two_adic_generator(log_domain);
    let masked = Polynomial { len: v.len(), planes: Planes::new(&v) };
    let fits = |(i, row): (&u64, &Vec<F>)| {
        let at = |k: usize| row.get(k).copied().unwrap_or(F::ZERO);
        let p = ext_from_coords([at(0), at(1), at(2)]);
        let m = ext_from_coords([at(3), at(4), at(5)]);
        masked.value(omega.exp_u64(*i)) == m + epsilon * p
    };
    let shares = tasks.shares_of(positions.len() << log_n);
    let share = |k: usize| positions.iter().zip(&rows).skip(k).step_by(shares).all(fits);
    if !tasks.map(shares, share).into_iter().all(|fit| fit) {
        return Err(ProofError::Check { check: "pad row" });
    }
    Ok(())
}

/// A polynomial of the extension, for values at points of the base field.
struct Polynomial {
    len: usize,
    planes: Planes<E>,
}

impl Polynomial {
    /// The value, by parts of so many coefficients that all have the same powers: an inner product each, which a vector unit
    /// takes many coefficients at a time.
    fn value(&self, z: F) -> E {
        const PART: usize = 128;
        let powers: Vec<F> = core::iter::successors(Some(F::ONE), |p| Some(*p * z)).take(PART).collect();
        let step = z.exp_u64(PART as u64);
        let parts = (0..self.len).step_by(PART).rev();
        parts.fold(E::ZERO, |a, from| a * step + self.planes.dot(from, &powers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_one_power_after_the_other() {
        let e = |i: u64| {
            ext_from_coords([i * 3 + 1, i + 7, i * i].map(|x| F::from_u64(x.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
        };
        for len in [0, 1, 7, 127, 128, 129, 1000, 2048] {
            let v: Vec<E> = (0..len).map(e).collect();
            let polynomial = Polynomial { len: v.len(), planes: Planes::new(&v) };
            for z in [F::ZERO, F::ONE, -F::ONE, F::from_u64(0x1234_5678_9abc), F::two_adic_generator(13)] {
                assert_eq!(polynomial.value(z), v.iter().rev().fold(E::ZERO, |a, c| a * z + *c), "{len} {z}");
            }
        }
    }
}
