//! Commitments to columns: Reed-Solomon codewords, one row of all columns for each point of the domain.
//!
//! Cell `i` of a column is the coefficient of `z^i`; row `j` of the codeword holds the columns' values at `omega^j`,
//! `omega` the generator of the subgroup of order `2^(log_height + log_inv_rate)`.

use std::io::{self, Write};
use std::sync::Arc;

use proveil_algebra::{F, write_base};
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::opening::{TreeShape, label};
use proveil_protocol::params::MAX_LOG_DOMAIN;
use proveil_protocol::transcript::Digest;

use crate::ProveError;
use crate::codeword::{Codeword, Source};
use crate::merkle::{Leaves, MerkleTree};
use crate::stored::{self, Header, StoredError, StoredRows, StoredTree};

/// Longest codeword, in bytes, that a tree made for one proof keeps: a longer one is made again when it is opened.
pub const KEPT_BYTES: usize = 128 << 20;

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
    log_inv_rate: usize,
    codeword: Kept,
    merkle: MerkleTree,
}

/// Where rows come from.
#[derive(Clone, Debug)]
enum Kept {
    Memory(Codeword),
    File(Arc<StoredRows>),
    /// The codeword is made again for each opening.
    Nowhere,
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
        Self::commit_keeping(columns, log_inv_rate, seed, usize::MAX)
    }

    /// [`Self::commit`] of columns that will be opened once: a long codeword is not kept.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_once(columns: Vec<Vec<F>>, log_inv_rate: usize, seed: Option<[u8; 32]>) -> Result<Self, CommitError> {
        Self::commit_keeping(columns, log_inv_rate, seed, KEPT_BYTES)
    }

    fn commit_keeping(
        columns: Vec<Vec<F>>,
        log_inv_rate: usize,
        seed: Option<[u8; 32]>,
        kept_bytes: usize,
    ) -> Result<Self, CommitError> {
        let log_height = common_height(&columns, log_inv_rate)?;
        let keep = columns.len().saturating_mul(size_of::<F>() << (log_height + log_inv_rate)) <= kept_bytes;
        let mut strips = Vec::new();
        let mut leaves = Leaves::new(log_height + log_inv_rate, columns.len(), seed);
        Source::Columns(&columns).encode(log_inv_rate, |made| {
            leaves.absorb(made);
            if keep {
                strips.append(made);
            }
        });
        let codeword = if keep { Kept::Memory(Codeword::new(columns.len(), strips)) } else { Kept::Nowhere };
        Ok(Self { columns, log_height, log_inv_rate, codeword, merkle: leaves.finish() })
    }

    /// The tree of columns that a file keeps: [`Self::commit`] of the same columns and seed, without encoding or hashing
    /// the codeword.
    ///
    /// # Soundness
    /// A salted tree's seed is a hash of its cells, and the nonce one of the seed, so that equal nonces mean equal cells; a
    /// plain tree's file names the hash of its cells.
    /// # Errors
    /// `Commit` as [`Self::commit`]; `Stored` with `Other` when the tree is not that of the columns.
    pub fn adopt(
        columns: Vec<Vec<F>>,
        log_inv_rate: usize,
        seed: Option<[u8; 32]>,
        stored: StoredTree,
    ) -> Result<Self, ProveError> {
        let log_height = common_height(&columns, log_inv_rate)?;
        let header = &stored.rows.header;
        let other = |what| StoredError::Other { what };
        let sizes = (log_height + log_inv_rate, log_inv_rate, columns.len());
        if sizes != (header.log_leaves, header.log_inv_rate, header.width) {
            return Err(other("the tree's size").into());
        }
        let merkle = stored.merkle.with_seed(seed).ok_or(other("the nonce"))?;
        if header.cells != named_cells(&merkle.commitment(), &columns) {
            return Err(other("the hash of the cells").into());
        }
        let codeword = if header.has_codeword { Kept::File(stored.rows) } else { Kept::Nowhere };
        Ok(Self { columns, log_height, log_inv_rate, codeword, merkle })
    }

    /// Writes the tree as [`StoredTree::open`] reads it, with its codeword or without. A codeword that is not in memory is
    /// made again, a band at a time.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn store(&self, with_codeword: bool, out: &mut dyn Write) -> io::Result<()> {
        let commitment = self.commitment();
        let header = Header {
            log_leaves: self.log_leaves(),
            log_inv_rate: self.log_inv_rate,
            has_codeword: with_codeword,
            width: self.columns.len(),
            commitment,
            cells: named_cells(&commitment, &self.columns),
        };
        stored::write_leaves(&header, &self.merkle, out)?;
        let rows = 1 << self.log_leaves();
        for band in stored::bands(self.columns.len()).filter(|_| with_codeword) {
            match &self.codeword {
                Kept::Memory(word) => stored::write_band(word.strips_of(&band), rows, out)?,
                _ => {
                    let mut strips = Vec::new();
                    Source::Columns(&self.columns[band]).encode(self.log_inv_rate, |made| strips.append(made));
                    stored::write_band(&strips, rows, out)?;
                }
            }
        }
        Ok(())
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

    /// Rows of the codeword, made again where they are not in memory.
    ///
    /// # Shapes
    /// `positions` are below `2^log_leaves`.
    #[must_use]
    pub fn rows(&self, positions: &[u64]) -> Vec<Vec<F>> {
        match &self.codeword {
            Kept::Memory(word) => positions.iter().map(|p| word.row(*p as usize)).collect(),
            _ => Source::Columns(&self.columns).rows(self.log_inv_rate, positions),
        }
    }

    /// [`Self::rows`], read from the file where there is one.
    ///
    /// # Errors
    /// `Read`; `Row` when a row is not the one that was committed to.
    pub fn read_rows(&self, positions: &[u64]) -> Result<Vec<Vec<F>>, StoredError> {
        match &self.codeword {
            Kept::File(file) => file.read(positions, &self.merkle),
            _ => Ok(self.rows(positions)),
        }
    }

    /// Writes rows of the codeword, which [`Self::rows`] gives, as `proveil_protocol::merkle::read_rows` reads them.
    ///
    /// # Shapes
    /// `positions` are strictly ascending and below `2^log_leaves`.
    pub fn open(&self, positions: &[u64], rows: &[Vec<F>], writer: &mut Writer) {
        self.merkle.open(positions, rows, writer, label::ROWS);
    }

    /// Other columns above the same rows, for explanations of proofs: only the opened rows need be their codeword's.
    #[doc(hidden)]
    #[must_use]
    pub fn with_columns(&self, columns: Vec<Vec<F>>) -> Self {
        Self { columns, ..self.clone() }
    }

    /// The given columns above rows that need not be their codeword, for simulators and attack tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_rows(&self, rows: &[F], columns: Vec<Vec<F>>, seed: Option<[u8; 32]>) -> Self {
        let word = Codeword::from_rows(rows, columns.len());
        let merkle = MerkleTree::build(&word, self.log_leaves(), seed);
        Self { columns, codeword: Kept::Memory(word), merkle, ..*self }
    }
}

/// Logarithm of the height that all columns have.
fn common_height(columns: &[Vec<F>], log_inv_rate: usize) -> Result<usize, CommitError> {
    let cells = columns.first().ok_or(CommitError::Empty)?.len();
    if let Some((column, c)) = columns.iter().enumerate().find(|(_, c)| c.len() != cells) {
        return Err(CommitError::Ragged { column, expected: cells, got: c.len() });
    }
    if !cells.is_power_of_two() || cells.ilog2() as usize + log_inv_rate > MAX_LOG_DOMAIN {
        return Err(CommitError::Domain { cells, log_inv_rate });
    }
    Ok(cells.ilog2() as usize)
}

/// What a file says of the cells: nothing beside a nonce, which says as much and no hash that a guess could be held
/// against.
fn named_cells(commitment: &Commitment, columns: &[Vec<F>]) -> Digest {
    if commitment.is_plain() { hash_cells(columns) } else { [0; 32] }
}

/// Blake3 of all cells, column after column, eight bytes each.
pub(crate) fn hash_cells(columns: &[Vec<F>]) -> Digest {
    let mut h = blake3::Hasher::new();
    let mut bytes = Vec::new();
    for column in columns {
        bytes.clear();
        column.iter().for_each(|x| write_base(*x, &mut bytes));
        h.update(&bytes);
    }
    *h.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_algebra::PrimeCharacteristicRing;

    #[test]
    fn matches_reference_kept_codewords() {
        let columns: Vec<Vec<F>> = (0..13).map(|c| (0..64).map(|i| F::from_u64(i * i + 10 * c)).collect()).collect();
        let kept = Tree::commit(columns.clone(), 2, Some([1; 32])).unwrap();
        let forgotten = Tree::commit_keeping(columns, 2, Some([1; 32]), 0).unwrap();
        assert!(matches!((&kept.codeword, &forgotten.codeword), (Kept::Memory(_), Kept::Nowhere)));
        assert_eq!(kept.commitment(), forgotten.commitment());
        assert_eq!(kept.rows(&[0, 9, 255]), forgotten.rows(&[0, 9, 255]));
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
