//! The passes over large tables: combination of columns, weights of the row constraints, sumcheck rounds.

use proveil_algebra::{E, F, Field, PackedValue, PrimeCharacteristicRing, ext_coords, ext_from_coords};
use rayon::prelude::*;

type Packed = <F as Field>::Packing;

/// Cells whose three accumulators stay in the first-level cache.
const BLOCK: usize = 512;

/// `sum_c coeffs[c] * columns[c]`, cell by cell.
///
/// # Shapes
/// Every column has `cells` cells.
pub(crate) fn combine(columns: &[&[F]], coeffs: &[E], cells: usize) -> Vec<E> {
    let mut out = vec![E::ZERO; cells];
    out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
        let start = block * BLOCK;
        let end = start + out.len();
        let terms = columns.iter().zip(coeffs).map(|(column, c)| (&column[start..end], *c));
        add_combination(out, terms);
    });
    out
}

/// Adds `sum_i coeffs[i] * points[i]^x` to cell `x`.
pub(super) fn add_powers(table: &mut [E], points: &[F], coeffs: &[E]) {
    let block = BLOCK.min(table.len());
    let low: Vec<Vec<F>> = points.par_iter().map(|x| powers(*x, block)).collect();
    let steps = table.len().div_ceil(block.max(1));
    let high: Vec<Vec<F>> = points.par_iter().map(|x| powers(x.exp_u64(block as u64), steps)).collect();
    table.par_chunks_mut(block.max(1)).enumerate().for_each(|(b, out)| {
        let scaled = coeffs.iter().zip(&high).map(|(c, h)| *c * h[b]);
        add_combination(out, low.iter().map(Vec::as_slice).zip(scaled));
    });
}

fn powers(x: F, n: usize) -> Vec<F> {
    let mut out = Vec::with_capacity(n);
    let mut power = F::ONE;
    for _ in 0..n {
        out.push(power);
        power *= x;
    }
    out
}

/// Adds an extension combination of base slices, coordinate by coordinate in packed arithmetic.
fn add_combination<'a>(out: &mut [E], terms: impl Iterator<Item = (&'a [F], E)>) {
    let mut sums = [[F::ZERO; BLOCK]; 3];
    let packed = out.len() - out.len() % Packed::WIDTH;
    for (column, coeff) in terms {
        let (head, tail) = column.split_at(packed);
        for (sum, c) in sums.iter_mut().zip(ext_coords(&coeff)) {
            let (sum_head, sum_tail) = sum.split_at_mut(packed);
            let c_packed = Packed::from(c);
            let cells = Packed::pack_slice(head).iter();
            Packed::pack_slice_mut(sum_head).iter_mut().zip(cells).for_each(|(s, x)| *s += c_packed * *x);
            sum_tail.iter_mut().zip(tail).for_each(|(s, x)| *s += c * *x);
        }
    }
    for (i, o) in out.iter_mut().enumerate() {
        *o += ext_from_coords([sums[0][i], sums[1][i], sums[2][i]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::element;

    #[test]
    fn matches_reference_combination_and_powers() {
        for cells in [1usize, 4, 8, 64, 2048] {
            let columns: Vec<Vec<F>> =
                (0..7).map(|c| (0..cells).map(|i| ext_coords(&element((c * cells + i) as u64))[0]).collect()).collect();
            let coeffs: Vec<E> = (0..7).map(|i| element(900 + i)).collect();
            let slices: Vec<&[F]> = columns.iter().map(Vec::as_slice).collect();
            let combined = combine(&slices, &coeffs, cells);
            let points: Vec<F> = (0..7).map(|i| ext_coords(&element(i))[1]).collect();
            let mut table = combined.clone();
            add_powers(&mut table, &points, &coeffs);
            for i in 0..cells {
                let sum = |xs: &mut dyn Iterator<Item = F>| xs.zip(&coeffs).fold(E::ZERO, |a, (x, c)| a + *c * x);
                assert_eq!(combined[i], sum(&mut columns.iter().map(|c| c[i])));
                assert_eq!(table[i] - combined[i], sum(&mut points.iter().map(|x| x.exp_u64(i as u64))));
            }
        }
    }
}
