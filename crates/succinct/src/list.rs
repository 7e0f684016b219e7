//! The functionals of all claims as one list that a key commits to: what a relation contributes to the claims is, for
//! every value that a contract would need, a sum of products of equality polynomials, one summand a cell. Equal
//! summands are added, cubes of summands joined; what is left is short.
//!
//! Symbols: `rho` the point of phase 1, `kappa` that of phase 2, `tau` the common point of phase 3; `alpha`, `beta`,
//! `gamma`, `delta` as in `relation::claims`; `chi` weighs the values.

mod build;
mod cubes;

use proveil_algebra::{Challenge, PrimeCharacteristicRing, Scalar, log2_ceil};

pub(crate) use build::reads;
pub use build::{ListError, build};

use proveil_kzg::Point;
use proveil_kzg::commit::{Committed, commit_ints};
use proveil_kzg::srs::{Srs, SrsError};
use proveil_protocol::transcript::Digest;
use proveil_relation::layout::Layout;

use crate::short::LIST_STACKS;
use crate::tables::{Challenges, Low, Mono, Sizes, TABLES, Tables, integer};

/// One product of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which rows of the four tables.
    pub rows: [u32; 4],
    /// Constant factor.
    pub weight: Scalar,
}

/// The list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Sizes of everything.
    pub sizes: Sizes,
    /// Number of values.
    pub outputs: usize,
    /// Monomials that entries use.
    pub monos: Vec<Mono>,
    /// Sums over cubes that entries use.
    pub lows: Vec<Low>,
    /// Entries in ascending order of `(mono, low, address, index, cell)`.
    pub entries: Vec<Entry>,
}

/// A product before monomials and sums are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub mono: Mono,
    pub low: Low,
    /// Address, index of phase 2, cell.
    pub at: [u32; 3],
}

impl List {
    /// Numbers and cuts products, which are in ascending order and different.
    fn number(products: &[(Key, Scalar)], points: [usize; 3], outputs: usize) -> Self {
        let mut monos: Vec<Mono> = products.iter().map(|p| p.0.mono).collect();
        monos.dedup();
        let mut lows: Vec<Low> = products.iter().map(|p| p.0.low).collect();
        lows.sort_unstable();
        lows.dedup();
        let sizes = Sizes::new([log2_ceil(monos.len()), log2_ceil(lows.len())], points, products.len());
        let find = |k: &Key| [monos.partition_point(|m| *m < k.mono), lows.partition_point(|l| *l < k.low)];
        let entries = products
            .iter()
            .map(|(k, weight)| {
                let [mono, low] = find(k).map(|i| i as u128);
                let mut whole = mono | low << sizes.mono_bits;
                let mut at = sizes.mono_bits + sizes.low_bits;
                for (index, bits) in k.at.into_iter().zip(points) {
                    whole |= u128::from(index) << at;
                    at += bits;
                }
                let mask = (1u128 << sizes.piece) - 1;
                let rows = core::array::from_fn(|j| {
                    let piece = whole.checked_shr((j * sizes.piece) as u32).unwrap_or(0) & mask;
                    (j << sizes.piece) as u32 + piece as u32
                });
                Entry { rows, weight: *weight }
            })
            .collect();
        Self { sizes, outputs, monos, lows, entries }
    }
}

impl List {
    /// A list of no entries with the sizes that lists usually have under a layout: 26 monomials, 34 sums, entries that fit
    /// between the rows of the tables. For figures that need not be exact.
    pub(crate) fn assumed(layout: &Layout) -> Self {
        let (points, outputs) = build::sizes(layout);
        let (monos, lows) = (vec![Mono::default(); 26], vec![Low::default(); 34]);
        let sizes = Sizes::new([log2_ceil(monos.len()), log2_ceil(lows.len())], points, 0);
        Self { sizes, outputs, monos, lows, entries: Vec::new() }
    }

    /// The columns of the list, stacked: the four rows of every entry; weights and how often each row is read.
    fn columns(&self) -> (Vec<i64>, Vec<Scalar>) {
        let rows = 1usize << self.sizes.domain;
        let mut counts = vec![0; rows];
        let mut indices = Vec::with_capacity(TABLES * rows);
        for j in 0..TABLES {
            indices.extend(self.entries.iter().map(|e| i64::from(e.rows[j])));
            // Rows behind the last entry read the first row of each table.
            indices.resize((j + 1) * rows, (j << self.sizes.piece) as i64);
            indices[j * rows..].iter().for_each(|r| counts[*r as usize] += 1);
        }
        let mut weights: Vec<Scalar> = self.entries.iter().map(|e| e.weight).collect();
        weights.resize(rows, Scalar::ZERO);
        weights.extend(counts.into_iter().map(integer));
        (indices, weights)
    }

    /// Commits to the columns of the list.
    ///
    /// # Errors
    /// `TooSmall`.
    pub fn commit(&self, srs: &Srs) -> Result<Vec<Committed>, SrsError> {
        let (indices, weights) = self.columns();
        let rows = Committed { point: commit_ints(srs, &indices)?, ..integers(&indices) };
        Ok(vec![rows, Committed::new(srs, weights, Scalar::ZERO)?])
    }

    /// What [`List::commit`] makes, where its points are known.
    #[must_use]
    pub fn with_points(&self, points: [Point; LIST_STACKS]) -> Vec<Committed> {
        let (indices, weights) = self.columns();
        let weights = Committed { coefficients: weights, ..Committed::default() };
        [integers(&indices), weights].into_iter().zip(points).map(|(c, point)| Committed { point, ..c }).collect()
    }

    /// Hash of all that is committed to, so that points that were kept are known to be of this list.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut h = blake3::Hasher::new_derive_key("proveil list of functionals");
        let mut bytes = Vec::with_capacity(48);
        for e in &self.entries {
            bytes.clear();
            e.rows.iter().for_each(|r| bytes.extend(r.to_be_bytes()));
            e.weight.write(&mut bytes);
            h.update(&bytes);
        }
        h.update(&[self.sizes.domain as u8, self.sizes.piece as u8]);
        *h.finalize().as_bytes()
    }

    /// The values `V_s` at challenges, whose `chi` counts for nothing; `None` where an inverse does not exist.
    #[must_use]
    pub fn values(&self, challenges: &Challenges) -> Option<Vec<Scalar>> {
        let tables =
            Tables::new(&self.sizes, &self.monos, &self.lows, &Challenges { chi: Scalar::ONE, ..challenges.clone() })?;
        let rows: Vec<Vec<Scalar>> = (0..TABLES).map(|j| tables.rows(j)).collect();
        let mut out = vec![Scalar::ZERO; self.outputs];
        let (monos, rest) = ((1 << self.sizes.mono_bits) - 1, (1 << self.sizes.piece) - 1);
        for e in &self.entries {
            let read = rows.iter().zip(e.rows).map(|(t, r)| t[r as usize & rest]);
            out[usize::from(self.monos[e.rows[0] as usize & monos].output)] += read.fold(e.weight, |a, x| a * x);
        }
        Some(out)
    }
}

/// Integers to be committed without a blind.
fn integers(cells: &[i64]) -> Committed {
    Committed { coefficients: cells.iter().map(|v| integer(*v)).collect(), ..Committed::default() }
}
