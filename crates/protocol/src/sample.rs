//! Out-of-domain samples: what makes the root of a tree that several proofs open stand for one codeword.
//!
//! In the Johnson regime the opening binds a root to a short *list* of codewords, and nothing says that two proofs use
//! the same member. So a commitment that outlives a proof comes with one more field element, the value
//! `sum_c weight^c f_c(at)` of its columns at a point that follows from root, nonce and sizes. Every proof that opens
//! the tree shows that its columns have this value, which one member of the list has at most.
//!
//! # Soundness
//! Two members that differ agree at the point with probability `(log_height + columns - 1) / |E|`;
//! `soundness::sample_row` counts the pairs.
//!
//! # Zero knowledge
//! The value is uniform whatever the hidden cells are, and independent of `R` opened rows, where three columns or more
//! have `R + 1` random cells each (`spec/zero-knowledge.md`, section 5).
//!
//! # Source
//! Ben-Sasson, Goldberg, Kopparty, Saraf, *DEEP-FRI*, 2019/336; here once for each commitment, not once for each proof.

use alloc::vec::Vec;

use proveil_algebra::{Challenge, E, PrimeCharacteristicRing, eq_points};

use crate::merkle::Commitment;
use crate::transcript::Transcript;

/// Name of the transcript that the point is drawn from.
const NAME: &str = "proveil/out-of-domain sample/1";

/// Fewest columns of a hidden tree that has a sample: three random cells make its value uniform.
pub const LEAST_COLUMNS: usize = 3;

/// A commitment to a tree that several proofs open, with its value at the point that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Root and nonce.
    pub commitment: Commitment,
    /// Value of the columns at [`Point::of`] the commitment.
    pub value: E,
}

/// Length of [`Sampled::to_bytes`] in bytes.
pub const SAMPLED_BYTES: usize = 64 + E::BYTES;

impl Sampled {
    /// A commitment that binds to one polynomial as it is, a point of a curve, has value 0 and no claim of it.
    #[must_use]
    pub fn binding(commitment: Commitment) -> Self {
        Self { commitment, value: E::ZERO }
    }

    /// Root, nonce, value.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.commitment.to_bytes()[..], &self.value_bytes()].concat()
    }

    /// The value's canonical encoding.
    #[must_use]
    pub fn value_bytes(&self) -> [u8; E::BYTES] {
        let mut out = Vec::with_capacity(E::BYTES);
        self.value.write(&mut out);
        out.try_into().unwrap_or([0; E::BYTES])
    }

    /// Reads [`Sampled::to_bytes`]; `None` for another length or a value that is not reduced.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (root, rest) = bytes.split_first_chunk::<32>()?;
        let (nonce, value) = rest.split_first_chunk::<32>()?;
        Some(Self { commitment: Commitment { root: *root, nonce: *nonce }, value: E::read(value)? })
    }

    /// The value in a field that reads the same encoding, which is [`E`]; zero in any other.
    #[must_use]
    pub fn value_in<K: Challenge>(&self) -> K {
        K::read(&self.value_bytes()).unwrap_or(K::ZERO)
    }
}

/// Where a commitment is sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point<K> {
    /// Column `c` counts `weight^c` times.
    pub weight: K,
    /// The point, lowest variable first.
    pub at: Vec<K>,
}

impl<K: Challenge> Point<K> {
    /// The point of a commitment to `columns` base-field columns of `2^log_height` cells.
    #[must_use]
    pub fn of(commitment: &Commitment, log_height: usize, columns: usize) -> Self {
        let mut t = Transcript::new(NAME);
        t.absorb("tree", &commitment.to_bytes());
        for size in [log_height, columns] {
            t.absorb("size", &(size as u64).to_le_bytes());
        }
        Self { weight: t.challenge("column weight"), at: t.challenges("point", log_height) }
    }

    /// Weights of the columns' values at `tau` in the sample's claim: `weight^c eq(at, tau)`.
    ///
    /// # Shapes
    /// `tau` has `log_height` coordinates, lowest variable first.
    pub fn column_weights(&self, tau: &[K]) -> impl Iterator<Item = K> {
        let weight = self.weight;
        core::iter::successors(Some(eq_points(&self.at, tau)), move |w| Some(*w * weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    const C: Commitment = Commitment { root: [1; 32], nonce: [2; 32] };

    #[test]
    fn roundtrips_bytes() {
        let s = Sampled { commitment: C, value: E::from_int(-7) };
        assert_eq!(s.to_bytes().len(), SAMPLED_BYTES);
        assert_eq!(Sampled::from_bytes(&s.to_bytes()), Some(s));
        assert_eq!(s.value_in::<E>(), s.value);
    }

    #[test]
    fn rejects_other_lengths_and_values_that_are_not_reduced() {
        let bytes = Sampled { commitment: C, value: E::ONE }.to_bytes();
        for n in 0..bytes.len() {
            assert_eq!(Sampled::from_bytes(&bytes[..n]), None);
        }
        assert_eq!(Sampled::from_bytes(&[&bytes[..], &[0]].concat()), None);
        let large = [&bytes[..80], &[255; 8]].concat();
        assert_eq!(Sampled::from_bytes(&large), None);
    }

    #[test]
    fn matches_reference_weights_and_depends_on_all_that_is_bound() {
        let p = Point::<E>::of(&C, 3, 4);
        let tau: Vec<E> = (2..5).map(E::from_int).collect();
        let w: Vec<E> = p.column_weights(&tau).take(4).collect();
        assert_eq!(w[0], eq_points(&p.at, &tau));
        assert_eq!(w[3], w[0] * p.weight * p.weight * p.weight);
        let others = [
            p,
            Point::of(&Commitment { root: [3; 32], ..C }, 3, 4),
            Point::of(&Commitment { nonce: [3; 32], ..C }, 3, 4),
            Point::of(&C, 3, 5),
            Point::of(&C, 2, 4),
        ];
        let bytes = |p: &Point<E>| {
            let mut out = Vec::new();
            p.weight.write(&mut out);
            out
        };
        assert_eq!(others.iter().map(bytes).collect::<BTreeSet<_>>().len(), others.len());
    }
}
