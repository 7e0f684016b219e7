//! Inner products with integers that are small as a rule: weights are cut into signed halves of 32 bits, whose products with
//! cells are summed in machine words.

use alloc::vec::Vec;

use crate::{Challenge, Planes, PrimeCharacteristicRing};

/// Cells whose products are summed in 64 bits.
const BLOCK: usize = 128;
/// Cells of less than `2^SMALL` are small: [`BLOCK`] products of these with halves are below `2^63`.
const SMALL: u32 = 25;

/// A vector for inner products with integers.
#[derive(Clone, Debug)]
pub struct IntegerWeights<K: Challenge> {
    planes: Planes<K>,
    /// For each coordinate its halves, lower ones first; empty where the field has none.
    halves: Vec<[Vec<i32>; 2]>,
}

impl<K: Challenge> IntegerWeights<K> {
    /// Of elements.
    #[must_use]
    pub fn new(v: &[K]) -> Self {
        let of = |c: usize| {
            let at = |x: &K| x.as_basis_coefficients_slice().get(c).and_then(|x| K::halves(*x));
            let all: Option<Vec<[i32; 2]>> = v.iter().map(at).collect();
            all.map(|all| [0, 1].map(|k| all.iter().map(|h| if k == 0 { h[0] } else { h[1] }).collect()))
        };
        let halves: Option<Vec<[Vec<i32>; 2]>> = (0..K::DIMENSION).map(of).collect();
        Self { planes: Planes::new(v), halves: halves.unwrap_or_default() }
    }

    /// `sum_i v_i cells_i`; the shorter length counts.
    #[must_use]
    pub fn dot(&self, cells: &[i64]) -> K {
        let wide = |x: &i64| x.wrapping_add(1 << (SMALL - 1)) as u64 >> SMALL;
        if self.halves.is_empty() || cells.iter().fold(0, |w, x| w | wide(x)) != 0 {
            let cells: Vec<K::Base> = cells.iter().map(|x| K::base_from_int(*x)).collect();
            return self.planes.dot(0, &cells);
        }
        let mut sums = [[0i128; 2]; 4];
        for (b, block) in cells.chunks(BLOCK).enumerate() {
            for (sum, halves) in sums.iter_mut().zip(&self.halves) {
                for (sum, half) in sum.iter_mut().zip(halves) {
                    let half = half.get(b * BLOCK..).unwrap_or_default();
                    let products = half.iter().zip(block).map(|(h, x)| i64::from(*h) * i64::from(*x as i32));
                    *sum += i128::from(products.sum::<i64>());
                }
            }
        }
        let base =
            |x: i128| K::base_from_int((x & 0xffff_ffff) as i64) + K::base_from_int((x >> 32) as i64).mul_2exp_u64(32);
        K::from_basis_coefficients_fn(|c| {
            sums.get(c).map_or(K::Base::ZERO, |s| base(s[0]) + base(s[1]).mul_2exp_u64(32))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{E, F, Scalar, ext_from_coords};

    fn matches<K: Challenge>(weights: &[K], cells: &[i64]) {
        let expected = weights.iter().zip(cells).fold(K::ZERO, |s, (w, c)| s + *w * K::from_int(*c));
        assert_eq!(IntegerWeights::new(weights).dot(cells), expected);
    }

    #[test]
    fn matches_reference_one_by_one() {
        let top = -F::ONE;
        let half = top.halve();
        let edges =
            [F::ZERO, F::ONE, top, half, half + F::ONE, half - F::ONE, F::from_u64(1 << 31), F::from_u64(1 << 63)];
        let edge = |i: usize| edges[i % edges.len()];
        let weights: Vec<E> = (0..1100).map(|i| ext_from_coords([edge(i), edge(i / 8), edge(i / 64)])).collect();
        let scalars: Vec<Scalar> = (0..1100).map(|i| Scalar::from_int(i * 12_345)).collect();
        let small = (1 << (SMALL - 1)) - 1;
        for n in [0, 1, 7, 63, 64, 65, 127, 128, 129, 300, 1100] {
            for top in [1, small, small + 1, small + 2, i64::MAX / 2] {
                let cells: Vec<i64> = (0..n).map(|i| if i % 3 == 0 { -top } else { top - i % 2 }).collect();
                matches(&weights, &cells);
                matches(&weights[..n as usize / 2], &cells);
                matches(&scalars, &cells);
                matches(&weights, &vec![top; n as usize]);
                matches(&weights, &vec![-top; n as usize]);
            }
        }
        // The least half and the least small cell, as many as there may be.
        let least: Vec<E> = vec![ext_from_coords([F::from_u64(1 << 31), F::ZERO, F::ZERO]); 1100];
        matches(&least, &vec![-small - 1; 1100]);
        matches(&weights, &[i64::MIN / 2, i64::MAX / 2]);
    }
}
