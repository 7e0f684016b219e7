//! Row weights that are a tensor product of two vectors, and their inner products without the product itself.

use alloc::vec::Vec;

use proveil_algebra::{Challenge, dot, scale};

use super::RowWeights;

/// Length from which on a line is worked on as a whole; of shorter ones, all cells at one place of the line.
const LONG: usize = 8;

/// Row weights that are a tensor product.
#[derive(Clone, Copy, Debug)]
pub struct ProductRows<'a, E: Clone> {
    /// First row with a weight.
    pub first: usize,
    /// Weights of the slow index.
    pub slow: &'a RowWeights<'a, E>,
    /// Weights of the fast one.
    pub fast: &'a [E],
}

/// Weights of whole lines of the last axis, each of `chunks` granules: cell `j` of line `first + i` has weight
/// `slow[i] cells[j - (from << granule)]`, cells before and after those given none.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a, E: Clone> {
    /// Granules of a line.
    pub chunks: usize,
    /// First line with a weight.
    pub first: usize,
    /// Weights of lines.
    pub slow: &'a RowWeights<'a, E>,
    /// First granule of a line with a weight.
    pub from: usize,
    /// Weights inside a line, whole granules of them.
    pub cells: &'a [E],
}

/// Inner product of the `eq.len()` weights from number `from` on of the tensor product of `slow` and `fast` with `eq`; `spare`
/// is memory.
pub fn dot_product<E: Challenge>(slow: &[E], fast: &[E], from: usize, eq: &[E], spare: &mut Vec<E>) -> E {
    let (n, end) = (fast.len().max(1), from + eq.len());
    if n >= LONG {
        let line = |i: usize| {
            let (start, stop) = ((i * n).max(from), ((i + 1) * n).min(end));
            let own = fast.get(start - i * n..stop - i * n).unwrap_or_default();
            let weight = slow.get(i).copied().unwrap_or(E::ZERO);
            weight * dot(own, eq.get(start - from..).unwrap_or_default())
        };
        return (from / n..end.div_ceil(n)).fold(E::ZERO, |sum, i| sum + line(i));
    }
    let mut sum = E::ZERO;
    for (j, y) in fast.iter().enumerate().filter(|(_, y)| !y.is_zero()) {
        let i = from.saturating_sub(j).div_ceil(n);
        spare.clear();
        spare.extend(eq.iter().skip(i * n + j - from).step_by(n));
        sum += *y * dot(slow.get(i..).unwrap_or_default(), spare);
    }
    sum
}

/// Appends `slow[i] fast[j]`, `j` counting fastest.
pub(super) fn outer_product<E: Challenge>(slow: &[E], fast: &[E], product: &mut Vec<E>) {
    let begin = product.len();
    if fast.len() >= LONG {
        for x in slow {
            let at = product.len();
            product.extend_from_slice(fast);
            scale(product.get_mut(at..).unwrap_or_default(), *x);
        }
        return;
    }
    product.resize(begin + slow.len() * fast.len(), E::ZERO);
    let mut scaled = Vec::with_capacity(slow.len());
    for (j, y) in fast.iter().enumerate().filter(|(_, y)| !y.is_zero()) {
        scaled.clear();
        scaled.extend_from_slice(slow);
        scale(&mut scaled, *y);
        product.iter_mut().skip(begin + j).step_by(fast.len()).zip(&scaled).for_each(|(p, x)| *p = *x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proveil_algebra::{E, F, PrimeCharacteristicRing};

    #[test]
    fn matches_reference_dot_with_the_product() {
        let e = |v: usize| E::from(F::from_u64(v as u64 * 77 + 5)) * E::from_u64(1 << 40);
        for (m, n) in [(1, 1), (20, 3), (3, 20), (9, 8), (40, 1), (1, 40)] {
            let slow: Vec<E> = (0..m).map(e).collect();
            let fast: Vec<E> = (0..n).map(|j| if n == 3 && j == 1 { E::ZERO } else { e(100 + j) }).collect();
            let mut product = vec![E::ONE];
            outer_product(&slow, &fast, &mut product);
            let expected: Vec<E> = slow.iter().flat_map(|x| fast.iter().map(|y| *x * *y)).collect();
            assert_eq!(product[1..], expected);
            for from in 0..m * n {
                for len in [0, 1, 2, 7, 13].into_iter().filter(|l| from + l <= m * n) {
                    let eq: Vec<E> = (200..200 + len).map(e).collect();
                    assert_eq!(dot_product(&slow, &fast, from, &eq, &mut vec![E::ONE]), dot(&expected[from..], &eq));
                }
            }
        }
    }
}
