//! The inner claim: `<c, p> = t` for the committed pads `p`, with a committed uniform mask `m`.
//!
//! Messages: `d1, d2` of every triple; `zeta` is drawn; `mu = <c, m>`; `epsilon` is drawn; `v = m + epsilon p` in the
//! clear; grinding nonce; rows of the pad tree at random positions. The tree has six base columns: the coordinates of
//! `p`, then those of `m`; the top cells of `p` are random, `m` is random everywhere.
//!
//! # Soundness
//! `(n + 1)/|E|` for `epsilon` and `((1 + rho)/2)^q 2^-w` for the positions, at unique-decoding distance.

use proveil_algebra::{E, F, PrimeCharacteristicRing, Tasks, TwoAdicField, ext_from_coords, log2_ceil};

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
    let v: alloc::vec::Vec<E> = reader.elements("masked pads", 1 << log_n)?;
    transcript.absorb_elements("masked pads", &v);
    let sum = c.iter().zip(&v).fold(E::ZERO, |a, (x, y)| a + *x * *y);
    if sum != mu + epsilon * t {
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
    let fits = |(i, row): (&u64, &alloc::vec::Vec<F>)| {
        let at = |k: usize| row.get(k).copied().unwrap_or(F::ZERO);
        let p = ext_from_coords([at(0), at(1), at(2)]);
        let m = ext_from_coords([at(3), at(4), at(5)]);
        value(&v, omega.exp_u64(*i)) == m + epsilon * p
    };
    let shares = tasks.shares_of(positions.len() << log_n);
    let share = |k: usize| positions.iter().zip(&rows).skip(k).step_by(shares).all(fits);
    if !tasks.map(shares, share).into_iter().all(|fit| fit) {
        return Err(ProofError::Check { check: "pad row" });
    }
    Ok(())
}

/// The polynomial's value, by chains of products that do not wait for each other.
fn value(coefficients: &[E], z: F) -> E {
    const CHAINS: usize = 4;
    let step = z.exp_u64(CHAINS as u64);
    let mut sums = [E::ZERO; CHAINS];
    for part in coefficients.chunks(CHAINS).rev() {
        sums.iter_mut().for_each(|s| *s *= step);
        sums.iter_mut().zip(part).for_each(|(s, c)| *s += *c);
    }
    sums.iter().rev().fold(E::ZERO, |a, s| a * z + *s)
}
