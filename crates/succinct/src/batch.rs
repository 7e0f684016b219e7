//! Several proofs at once, as the contract `BatchVerifier` checks them: of each proof one equation between points is left, and
//! the sum of all, weighted by powers of a challenge, is checked by one pairing (`spec/succinct.md`, section 9).
//!
//! # Soundness
//! The challenge is drawn from the transcripts of all proofs, behind their last messages. What an equation lacks is a number
//! (to the base `G`), fixed by the transcript; if one is not zero, the sum is a polynomial in the challenge that is not
//! zero, of degree below the number of proofs: `(N - 1) / r` for `N` proofs.

use alloc::vec::Vec;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_kzg::Point;
use proveil_kzg::mercury::OpeningError;
use proveil_protocol::transcript::{Hash, Transcript};
use proveil_relation::key::Statement;

use crate::short::ShortKey;
use crate::verify::{Reduced, VerifyError, reduce_short};

/// What the transcript of a batch begins with.
pub const BATCH_PROTOCOL: &str = "proveil/batch/1";

/// A proof with what it is about.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The model's short key.
    pub key: &'a ShortKey,
    /// The statement.
    pub statement: &'a Statement,
    /// The messages.
    pub proof: &'a [u8],
}

/// Why several proofs are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Nothing to check.
    #[error("a batch without proofs shows nothing: give at least one")]
    Empty,
    /// A proof is refused.
    #[error("proof {index} (from 0): {source}")]
    Proof {
        /// Which one, from 0.
        index: usize,
        /// Why.
        source: VerifyError,
    },
    /// Keys of different set-ups.
    #[error(
        "the key of proof {index} (from 0) is of another set-up than the first one: verify them in different batches"
    )]
    SetUp {
        /// Whose key, from 0.
        index: usize,
    },
    /// The sum of all equations does not hold.
    #[error("check 'opening' failed for at least one proof: verify them one by one")]
    Openings,
}

/// Accepts exactly the lists of proofs of which each is accepted by [`crate::verify_short`] and whose keys have the same set-up.
///
/// # Errors
/// [`BatchError`]; `Proof` names the first proof that is refused before the openings.
pub fn verify_batch(items: &[Item<'_>]) -> Result<(), BatchError> {
    let first = items.first().ok_or(BatchError::Empty)?;
    let mut t = Transcript::with_hash(Hash::Keccak, BATCH_PROTOCOL);
    let mut all: Vec<Reduced> = Vec::with_capacity(items.len());
    for (index, i) in items.iter().enumerate() {
        let reduced =
            reduce_short(i.key, i.statement, i.proof).map_err(|source| BatchError::Proof { index, source })?;
        if i.key.srs.tau != first.key.srs.tau {
            return Err(BatchError::SetUp { index });
        }
        t.absorb_words("transcript", &reduced.transcript);
        all.push(reduced);
    }
    let rho: Scalar = t.challenge("weight of proofs");
    let weights: Vec<Scalar> = rho.powers().take(all.len()).collect();
    let sum = |side: fn(&Reduced) -> Point| {
        let points: Vec<Point> = all.iter().map(side).collect();
        Point::combine(&points, &weights)
    };
    if first.key.srs.check(&sum(|r| r.equation.left), &sum(|r| r.equation.right)) {
        Ok(())
    } else if all.len() == 1 {
        Err(BatchError::Proof { index: 0, source: VerifyError::Opening(OpeningError::Pairing) })
    } else {
        Err(BatchError::Openings)
    }
}
