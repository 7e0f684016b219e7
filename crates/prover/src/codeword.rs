//! Reed-Solomon codewords of many columns, kept in strips: neighbouring columns, transformed and hashed together.
//!
//! A strip is as wide as a block of the leaf hash. Its transform stays in the cache where that of all columns side by
//! side does not, and a long codeword need not be in memory at once: it is made, hashed and forgotten strip by strip,
//! and made again when rows of it are opened.

use std::ops::Range;
use std::sync::LazyLock;

use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_matrix::dense::RowMajorMatrix;
use proveil_algebra::{E, F, Field, PackedValue, PrimeCharacteristicRing, TwoAdicField, ext_coords};
use rayon::prelude::*;

/// Columns of a strip: as many as fill a block of the leaf hash.
pub(crate) const STRIP: usize = 8;
/// Bytes of strips that are made before they are hashed.
const AT_ONCE: usize = 8 << 20;

/// Twiddle factors are computed once in a process.
static DFT: LazyLock<Radix2DFTSmallBatch<F>> = LazyLock::new(Radix2DFTSmallBatch::default);

/// Polynomials to encode.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// One polynomial a column; cell `i` is the coefficient of `z^i`.
    Columns(&'a [Vec<F>]),
    /// Cell `c + 2^folds i` is the coefficient of `z^i` of the polynomials `3 c ..`, the cell's three coordinates.
    Table(&'a [E], usize),
}

impl Source<'_> {
    /// Number of polynomials.
    pub fn width(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.len(),
            Self::Table(_, folds) => 3 << folds,
        }
    }

    /// Coefficients of a polynomial.
    fn height(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.first().map_or(0, Vec::len),
            Self::Table(table, folds) => table.len() >> folds,
        }
    }

    /// Writes coefficients `first ..` of some polynomials, one row for each power.
    fn fill(&self, columns: &Range<usize>, first: usize, rows: &mut [F]) {
        let width = columns.len();
        match self {
            Self::Columns(all) => {
                for (c, column) in all[columns.clone()].iter().enumerate() {
                    rows.iter_mut().skip(c).step_by(width).zip(&column[first..]).for_each(|(o, x)| *o = *x);
                }
            }
            Self::Table(table, folds) => {
                for (row, cells) in rows.chunks_exact_mut(width).zip(table[first << folds..].chunks_exact(1 << folds)) {
                    row.iter_mut().zip(columns.clone()).for_each(|(o, c)| *o = ext_coords(&cells[c / 3])[c % 3]);
                }
            }
        }
    }

    fn strips(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        strips(self.width())
    }

    /// Makes the strips of the codeword, a few at a time, and hands them to `take` in order.
    pub fn encode(&self, log_inv_rate: usize, mut take: impl FnMut(&mut Vec<Vec<F>>)) {
        let ranges: Vec<_> = self.strips().collect();
        let bytes = (self.height() << log_inv_rate) * STRIP * size_of::<F>();
        let group = (AT_ONCE / bytes.max(1)).max(rayon::current_num_threads());
        let mut spare: Vec<Vec<F>> = Vec::new();
        for ranges in ranges.chunks(group) {
            spare.resize(ranges.len(), Vec::new());
            let strips = spare.par_drain(..).zip(ranges).map(|(buffer, range)| self.strip(range, log_inv_rate, buffer));
            let mut strips: Vec<Vec<F>> = strips.collect();
            take(&mut strips);
            // What was not taken is room for the next strips.
            spare = strips;
        }
    }

    /// Values of some polynomials on the whole domain, row after row, in `buffer` if it is long enough.
    ///
    /// The point `omega^(c + j / rho)` is `omega^c` times a point of the small subgroup, so that one transform of the
    /// height of the columns over the polynomials `f(omega^c z)`, all `c` side by side, gives the rows in natural
    /// order: no layers are spent on zeros.
    fn strip(&self, columns: &Range<usize>, log_inv_rate: usize, mut buffer: Vec<F>) -> Vec<F> {
        const BLOCK: usize = 32;
        let (height, width) = (self.height(), columns.len());
        let wide = width << log_inv_rate;
        let omega = F::two_adic_generator(height.max(1).ilog2() as usize + log_inv_rate);
        buffer.resize(height * wide, F::ZERO);
        let steps: Vec<F> = omega.powers().take(1 << log_inv_rate).collect();
        buffer.par_chunks_mut(BLOCK * wide.max(1)).enumerate().with_min_len(16).for_each_init(
            || (F::zero_vec(BLOCK * width), F::zero_vec(wide)),
            |(coefficients, spread), (block, out)| {
                let first = block * BLOCK;
                let coefficients = &mut coefficients[..out.len() >> log_inv_rate];
                self.fill(columns, first, coefficients);
                // Of copy `c`, the power of `omega^c` that the row has.
                let mut scales: Vec<F> = omega.exp_u64(first as u64).powers().take(steps.len()).collect();
                for (row, coefficients) in out.chunks_exact_mut(wide).zip(coefficients.chunks_exact(width)) {
                    write_copies(row, coefficients, &scales, spread);
                    multiply(&mut scales, &steps);
                }
            },
        );
        DFT.dft_batch(RowMajorMatrix::new(buffer, wide)).values
    }

    /// Some rows of the codeword.
    pub fn rows(&self, log_inv_rate: usize, positions: &[u64]) -> Vec<Vec<F>> {
        let mut rows = vec![Vec::with_capacity(self.width()); positions.len()];
        let mut widths = self.strips().map(|r| r.len());
        self.encode(log_inv_rate, |strips| {
            for (strip, width) in strips.iter().zip(&mut widths) {
                let take = rows.iter_mut().zip(positions);
                take.for_each(|(row, p)| row.extend_from_slice(&strip[*p as usize * width..][..width]));
            }
        });
        rows
    }
}

/// The columns of each strip.
pub(crate) fn strips(width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..width).step_by(STRIP).map(move |from| from..(from + STRIP).min(width))
}

/// Writes the cells once for each scale, times it; `spread` is as long as all copies.
fn write_copies(out: &mut [F], cells: &[F], scales: &[F], spread: &mut [F]) {
    type Packed = <F as Field>::Packing;
    let copies = out.chunks_exact_mut(cells.len()).zip(scales);
    if cells.len().is_multiple_of(Packed::WIDTH) {
        let cells = Packed::pack_slice(cells);
        for (copy, scale) in copies {
            let scale = Packed::from(*scale);
            Packed::pack_slice_mut(copy).iter_mut().zip(cells).for_each(|(o, x)| *o = scale * *x);
        }
        return;
    }
    // Copies that end within a vector: spread out first, then multiplied all at once.
    for ((copy, scale), spread) in copies.zip(spread.chunks_exact_mut(cells.len())) {
        copy.copy_from_slice(cells);
        spread.fill(*scale);
    }
    multiply(out, spread);
}

/// Multiplies one element after the other.
fn multiply(out: &mut [F], by: &[F]) {
    type Packed = <F as Field>::Packing;
    let whole = out.len() - out.len() % Packed::WIDTH;
    let ((out, tail), (by, by_tail)) = (out.split_at_mut(whole), by.split_at(whole));
    Packed::pack_slice_mut(out).iter_mut().zip(Packed::pack_slice(by)).for_each(|(o, x)| *o *= *x);
    tail.iter_mut().zip(by_tail).for_each(|(o, x)| *o *= *x);
}

/// A codeword in memory.
#[derive(Clone, Debug)]
pub(crate) struct Codeword {
    width: usize,
    strips: Vec<Vec<F>>,
}

impl Codeword {
    pub fn new(width: usize, strips: Vec<Vec<F>>) -> Self {
        Self { width, strips }
    }

    /// The rows that follow each other in `rows`.
    pub fn from_rows(rows: &[F], width: usize) -> Self {
        let strip = |r: Range<usize>| rows.chunks_exact(width).flat_map(|row| row[r.clone()].iter().copied()).collect();
        Self { width, strips: strips(width).map(strip).collect() }
    }

    /// The strips, in order.
    pub fn strips(&self) -> &[Vec<F>] {
        &self.strips
    }

    /// The strips of some columns, which begin and end where strips do.
    pub fn strips_of(&self, columns: &Range<usize>) -> &[Vec<F>] {
        &self.strips[columns.start / STRIP..columns.end.div_ceil(STRIP)]
    }

    /// Elements in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row.
    pub fn row(&self, index: usize) -> Vec<F> {
        let pieces = self.strips.iter().zip(strips(self.width));
        pieces.flat_map(|(strip, r)| strip[index * r.len()..][..r.len()].iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_algebra::ext_from_coords;

    fn columns(width: usize, log_height: usize) -> Vec<Vec<F>> {
        let cell =
            |c: usize, i: usize| F::from_u64((c as u64 + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (i as u64) << 9);
        (0..width).map(|c| (0..1 << log_height).map(|i| cell(c, i)).collect()).collect()
    }

    fn all(source: &Source<'_>, rate: usize) -> Codeword {
        let mut strips = Vec::new();
        source.encode(rate, |s| strips.append(s));
        Codeword::new(source.width(), strips)
    }

    #[test]
    fn matches_reference_polynomial_values() {
        for (width, log_height, rate) in [(1, 0, 0), (1, 3, 1), (5, 3, 2), (8, 4, 1), (21, 5, 3)] {
            let columns = columns(width, log_height);
            let source = Source::Columns(&columns);
            let word = all(&source, rate);
            let omega = F::two_adic_generator(log_height + rate);
            for j in 0..1u64 << (log_height + rate) {
                let x = omega.exp_u64(j);
                let values = columns.iter().map(|c| c.iter().rev().fold(F::ZERO, |acc, v| acc * x + *v));
                assert_eq!(word.row(j as usize), values.collect::<Vec<_>>(), "{width} {log_height} {rate} {j}");
            }
        }
    }

    #[test]
    fn matches_reference_rows_made_again() {
        let columns = columns(37, 6);
        let source = Source::Columns(&columns);
        let word = all(&source, 2);
        let positions = [0, 1, 77, 255];
        let rows: Vec<Vec<F>> = positions.iter().map(|p| word.row(*p as usize)).collect();
        assert_eq!(source.rows(2, &positions), rows);
        let flat: Vec<F> = (0..256).flat_map(|j| word.row(j)).collect();
        assert_eq!(Codeword::from_rows(&flat, 37).strips(), word.strips());
    }

    #[test]
    fn matches_reference_coordinates_of_a_table() {
        let parts = columns(12, 4);
        let cell = |i: usize| {
            let (c, i) = (i % 4, i / 4);
            ext_from_coords([parts[3 * c][i], parts[3 * c + 1][i], parts[3 * c + 2][i]])
        };
        let table: Vec<E> = (0..64).map(cell).collect();
        let word = all(&Source::Table(&table, 2), 1);
        assert_eq!(word.strips(), all(&Source::Columns(&parts), 1).strips());
    }
}
