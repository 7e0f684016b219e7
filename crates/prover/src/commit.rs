//! Commitments to columns: Reed-Solomon codewords, one row of all columns for each point of the domain.
//!
//! Cell `i` of a column is the coefficient of `z^i`; row `j` of the codeword holds the columns' values at `omega^j`,
//! `omega` the generator of the subgroup of order `2^(log_height + log_inv_rate)`.

use std::sync::LazyLock;

use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_matrix::dense::RowMajorMatrix;
use proveil_algebra::{F, Field, PackedValue, PrimeCharacteristicRing, TwoAdicField};
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::opening::{TreeShape, label};
use proveil_protocol::params::MAX_LOG_DOMAIN;
use rayon::prelude::*;

use crate::merkle::MerkleTree;

/// Twiddle factors are computed once in a process.
static DFT: LazyLock<Radix2DFTSmallBatch<F>> = LazyLock::new(Radix2DFTSmallBatch::default);

/// Columns that cannot be committed together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// A tree without columns.
    #[error("a tree needs at least one column")]
    Empty,
    /// A column of another length.
    #[error("column {column} has {got} cells, column 0 has {expected}: pad all columns to one height")]
    Ragged {
        /// Index of the column.
        column: usize,
        /// Cells of column 0.
        expected: usize,
        /// Cells of this column.
        got: usize,
    },
    /// The height is no power of two or the domain exceeds the field's subgroup.
    #[error("columns of {cells} cells at rate 2^-{log_inv_rate}: the height must be a power of two, the domain 2^32")]
    Domain {
        /// Cells of a column.
        cells: usize,
        /// Logarithm of the inverse rate.
        log_inv_rate: usize,
    },
}

/// Committed columns with everything needed to open them.
#[derive(Clone, Debug)]
pub struct Tree {
    columns: Vec<Vec<F>>,
    log_height: usize,
    merkle: MerkleTree,
}

impl Tree {
    /// Commits columns, whose random cells are already filled in.
    ///
    /// # Shapes
    /// Every column has `2^l` cells. Memory: `8 * 2^(l + log_inv_rate)` bytes a column beyond the input, and 64
    /// bytes a row.
    /// # Errors
    /// `Empty`, `Ragged`, `Domain`.
    pub fn commit(columns: Vec<Vec<F>>, log_inv_rate: usize, seed: Option<[u8; 32]>) -> Result<Self, CommitError> {
        let cells = columns.first().ok_or(CommitError::Empty)?.len();
        if let Some((column, c)) = columns.iter().enumerate().find(|(_, c)| c.len() != cells) {
            return Err(CommitError::Ragged { column, expected: cells, got: c.len() });
        }
        if !cells.is_power_of_two() || cells.ilog2() as usize + log_inv_rate > MAX_LOG_DOMAIN {
            return Err(CommitError::Domain { cells, log_inv_rate });
        }
        let width = columns.len();
        let rows = encode_columns(&columns, log_inv_rate);
        let merkle = MerkleTree::build(rows, width, seed);
        Ok(Self { columns, log_height: cells.ilog2() as usize, merkle })
    }

    /// Root and nonce.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.merkle.commitment()
    }

    /// The committed columns.
    #[must_use]
    pub fn columns(&self) -> &[Vec<F>] {
        &self.columns
    }

    /// Logarithm of the number of cells of a column.
    #[must_use]
    pub fn log_height(&self) -> usize {
        self.log_height
    }

    /// Logarithm of the number of rows.
    #[must_use]
    pub fn log_leaves(&self) -> usize {
        self.merkle.log_leaves()
    }

    /// What the verifier knows of the tree.
    #[must_use]
    pub fn shape(&self) -> TreeShape {
        TreeShape { commitment: self.commitment(), width: self.columns.len() }
    }

    /// One row of the codeword.
    pub fn row(&self, index: usize) -> &[F] {
        self.merkle.row(index)
    }

    /// Writes rows of the codeword; see [`MerkleTree::open`].
    pub fn open(&self, positions: &[u64], writer: &mut Writer) {
        self.merkle.open(positions, writer, label::ROWS);
    }

    /// The given columns above rows that need not be their codeword, for simulators and attack tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_rows(&self, rows: Vec<F>, columns: Vec<Vec<F>>, seed: Option<[u8; 32]>) -> Self {
        let merkle = MerkleTree::build(rows, columns.len(), seed);
        Self { columns, log_height: self.log_height, merkle }
    }
}

/// The codeword of columns, row after row.
fn encode_columns(columns: &[Vec<F>], log_inv_rate: usize) -> Vec<F> {
    let cells = columns.first().map_or(0, Vec::len);
    encode(cells, columns.len(), log_inv_rate, |first, rows| {
        for (c, column) in columns.iter().enumerate() {
            rows.iter_mut().skip(c).step_by(columns.len()).zip(&column[first..]).for_each(|(o, x)| *o = *x);
        }
    })
}

/// Values of `width` polynomials on the whole domain, row after row.
///
/// `fill(i, rows)` writes coefficients `i ..` of all polynomials, one row of `width` for each power.
///
/// The point `omega^(c + j / rho)` is `omega^c` times a point of the small subgroup, so that one transform of height
/// `num_coeffs` over the polynomials `f(omega^c z)`, all `c` side by side, gives the rows in natural order: no layers
/// are spent on zeros.
pub(crate) fn encode(
    num_coeffs: usize,
    width: usize,
    log_inv_rate: usize,
    fill: impl Fn(usize, &mut [F]) + Sync,
) -> Vec<F> {
    const BLOCK: usize = 32;
    let wide = width << log_inv_rate;
    let omega = F::two_adic_generator(num_coeffs.max(1).ilog2() as usize + log_inv_rate);
    let mut rows = F::zero_vec(num_coeffs * wide);
    rows.par_chunks_mut(BLOCK * wide.max(1)).enumerate().for_each(|(block, out)| {
        let first = block * BLOCK;
        let mut coefficients = F::zero_vec(out.len() >> log_inv_rate);
        fill(first, &mut coefficients);
        let mut step = omega.exp_u64(first as u64);
        for (row, coefficients) in out.chunks_exact_mut(wide).zip(coefficients.chunks_exact(width)) {
            let mut scale = F::ONE;
            for copy in row.chunks_exact_mut(width) {
                write_scaled(copy, coefficients, scale);
                scale *= step;
            }
            step *= omega;
        }
    });
    DFT.dft_batch(RowMajorMatrix::new(rows, wide)).values
}

fn write_scaled(out: &mut [F], cells: &[F], scale: F) {
    type Packed = <F as Field>::Packing;
    let packed = out.len() - out.len() % Packed::WIDTH;
    let (out_head, out_tail) = out.split_at_mut(packed);
    let (head, tail) = cells.split_at(packed);
    let wide_scale = Packed::from(scale);
    let pairs = Packed::pack_slice_mut(out_head).iter_mut().zip(Packed::pack_slice(head));
    pairs.for_each(|(o, x)| *o = wide_scale * *x);
    out_tail.iter_mut().zip(tail).for_each(|(o, x)| *o = scale * *x);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_polynomial_values() {
        let columns: Vec<Vec<F>> = (0..5).map(|c| (0..8).map(|i| F::from_u64(i * i + 10 * c)).collect()).collect();
        let tree = Tree::commit(columns.clone(), 2, None).unwrap();
        let omega = F::two_adic_generator(5);
        for j in 0..32 {
            let x = omega.exp_u64(j);
            let values = columns.iter().map(|c| c.iter().rev().fold(F::ZERO, |acc, v| acc * x + *v));
            assert_eq!(tree.merkle.row(j as usize), values.collect::<Vec<_>>());
        }
    }

    #[test]
    fn rejects_columns_of_no_common_height() {
        let column = |n: usize| vec![F::ONE; n];
        assert_eq!(Tree::commit(vec![], 1, None).unwrap_err(), CommitError::Empty);
        let ragged = Tree::commit(vec![column(4), column(8)], 1, None).unwrap_err();
        assert_eq!(ragged, CommitError::Ragged { column: 1, expected: 4, got: 8 });
        assert!(matches!(Tree::commit(vec![column(6)], 1, None).unwrap_err(), CommitError::Domain { .. }));
        assert!(matches!(Tree::commit(vec![column(2)], 32, None).unwrap_err(), CommitError::Domain { .. }));
        assert!(matches!(Tree::commit(vec![column(0)], 1, None).unwrap_err(), CommitError::Domain { .. }));
    }
}
