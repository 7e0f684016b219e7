//! Sums of extension elements times small integers without field products: an element is cut into six signed 32-bit
//! limbs, limb times integer sums stay in 64 bits, and field elements are made of the sums once at the end.

use p3_field::PrimeField64;
use proveil_algebra::{E, F, PrimeCharacteristicRing, base_from_i64, ext_coords, ext_from_coords};

/// Integers in `-BOUND ..= BOUND` are small.
pub const BOUND: i64 = 1 << 16;
/// Sums of so many products of a limb and a small integer stay below `2^62`.
pub const MAX_ADDS: usize = 1 << 15;

/// Limbs of the three coordinates, low ones first: `coordinate = low + 2^32 high` in the field.
#[inline]
#[must_use]
pub fn split(x: &E) -> [i32; 6] {
    let mut out = [0; 6];
    for (pair, c) in out.chunks_exact_mut(2).zip(ext_coords(x)) {
        let c = c.as_canonical_u64();
        // Of `c` and `c - p` one has a signed high limb; at `2^63 - 2^31`, just above the middle, it is the second.
        let c = if c >= (1 << 63) - (1 << 31) { c.wrapping_sub(F::ORDER_U64) as i64 } else { c as i64 };
        let low = c as i32;
        pair.copy_from_slice(&[low, ((c - i64::from(low)) >> 32) as i32]);
    }
    out
}

/// The element with the given sums of limbs.
#[inline]
pub fn join(l: [i64; 6]) -> E {
    let two32 = F::from_u64(1 << 32);
    let c = |lo: i64, hi: i64| base_from_i64(lo) + base_from_i64(hi) * two32;
    ext_from_coords([c(l[0], l[1]), c(l[2], l[3]), c(l[4], l[5])])
}

/// The representative nearest zero.
#[inline]
#[must_use]
pub fn centre(x: &F) -> i64 {
    let c = x.as_canonical_u64();
    if c > F::ORDER_U64 / 2 { c.wrapping_sub(F::ORDER_U64) as i64 } else { c as i64 }
}

/// Writes the integers that cells stand for; `false`, and rubbish, unless all are small.
pub fn narrow(cells: &[F], out: &mut Vec<i32>) -> bool {
    out.clear();
    // One pass without branches, eight cells at a time.
    let mut large = 0;
    out.extend(cells.iter().map(|x| {
        let c = centre(x);
        large |= u64::from(c.unsigned_abs() > BOUND as u64);
        c as i32
    }));
    large == 0
}

/// Limbs of many elements, plane by plane.
pub fn planes(xs: &[E]) -> [Vec<i32>; 6] {
    let mut out: [Vec<i32>; 6] = std::array::from_fn(|_| Vec::with_capacity(xs.len()));
    for x in xs {
        out.iter_mut().zip(split(x)).for_each(|(p, l)| p.push(l));
    }
    out
}

/// `sum_j w_j x_j`; `x` is small, shorter than [`MAX_ADDS`] and no longer than the planes of `w`.
#[inline]
pub fn dot(w: &[Vec<i32>; 6], x: &[i32]) -> E {
    join(std::array::from_fn(|k| w[k].iter().zip(x).map(|(l, x)| i64::from(*l) * i64::from(*x)).sum()))
}

/// A vector of sums of element times small integers.
pub struct Accumulator {
    out: Vec<E>,
    planes: [Vec<i64>; 6],
    adds: usize,
}

impl Accumulator {
    /// Zeros.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { out: vec![E::ZERO; len], planes: std::array::from_fn(|_| vec![0; len]), adds: 0 }
    }

    /// `out[j] += w x[j]` for each weight and row of `x`; the rows follow each other and are as long as the vector.
    pub fn add_rows(&mut self, weights: &[E], x: &[i32]) {
        let n = self.out.len();
        for (w, x) in weights.chunks(ROWS).zip(x.chunks(ROWS * n)) {
            let l: Vec<[i32; 6]> = w.iter().map(split).collect();
            for (k, plane) in self.planes.iter_mut().enumerate() {
                match (l.as_slice(), x.len() == ROWS * n) {
                    ([a, b, c, d], true) => {
                        let (x01, x23) = x.split_at(2 * n);
                        let ((x0, x1), (x2, x3)) = (x01.split_at(n), x23.split_at(n));
                        let [a, b, c, d] = [a[k], b[k], c[k], d[k]].map(i64::from);
                        let rows = x0.iter().zip(x1).zip(x2.iter().zip(x3));
                        for (p, ((x0, x1), (x2, x3))) in plane.iter_mut().zip(rows) {
                            *p += a * i64::from(*x0) + b * i64::from(*x1) + c * i64::from(*x2) + d * i64::from(*x3);
                        }
                    }
                    _ => {
                        for (l, x) in l.iter().zip(x.chunks_exact(n)) {
                            let l = i64::from(l[k]);
                            plane.iter_mut().zip(x).for_each(|(p, x)| *p += l * i64::from(*x));
                        }
                    }
                }
            }
            self.adds += ROWS;
            if self.adds + ROWS > MAX_ADDS {
                self.flush();
            }
        }
    }

    /// `out[j] += w x[j]` for cells of any size.
    pub fn add_large(&mut self, w: &E, x: &[F]) {
        self.out.iter_mut().zip(x).for_each(|(o, x)| *o += *w * *x);
    }

    /// `out[j] += w x[j]` for extension cells.
    pub fn add_extension(&mut self, w: &E, x: &[E]) {
        self.out.iter_mut().zip(x).for_each(|(o, x)| *o += *w * *x);
    }

    fn flush(&mut self) {
        for (i, o) in self.out.iter_mut().enumerate() {
            *o += join(std::array::from_fn(|k| std::mem::take(&mut self.planes[k][i])));
        }
        self.adds = 0;
    }

    /// The sums.
    #[must_use]
    pub fn finish(mut self) -> Vec<E> {
        self.flush();
        self.out
    }
}

/// Rows added in one pass over the sums.
const ROWS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::element;

    #[test]
    fn roundtrips_limbs() {
        let p = F::ORDER_U64;
        let edge =
            [0, 1, p - 1, p / 2, p / 2 + 1, p / 2 - 1, (1 << 63) - (1 << 31), (1 << 63) - 1, 1 << 63, 1 << 31, 1 << 32];
        for a in edge {
            let x = ext_from_coords([F::from_u64(a), F::from_u64(p - a), F::from_u64(a / 3)]);
            assert_eq!(join(split(&x).map(i64::from)), x, "{a}");
        }
    }

    #[test]
    fn matches_reference_sums() {
        for (n, rows) in [(1usize, 9usize), (8, 4), (16, 7), (64, 40000)] {
            let x: Vec<i32> = (0..n * rows).map(|i| ((i * 7919) % 131_073) as i32 - 65536).collect();
            let w: Vec<E> = (0..rows as u64).map(element).collect();
            let mut acc = Accumulator::new(n);
            acc.add_rows(&w, &x);
            let got = acc.finish();
            for (j, got) in got.iter().enumerate() {
                let sum = w.iter().zip(x.iter().skip(j).step_by(n));
                assert_eq!(*got, sum.fold(E::ZERO, |a, (w, x)| a + *w * base_from_i64(i64::from(*x))));
            }
            let few = &x[..n.min(rows)];
            let direct = few.iter().zip(&w).fold(E::ZERO, |a, (x, w)| a + *w * base_from_i64(i64::from(*x)));
            assert_eq!(dot(&planes(&w[..few.len()]), few), direct);
        }
    }

    #[test]
    fn rejects_large_cells_as_small() {
        let mut out = Vec::new();
        let ok: Vec<F> = [0, 5, -BOUND, BOUND].map(base_from_i64).to_vec();
        assert!(narrow(&ok, &mut out));
        assert_eq!(out, [0, 5, -(BOUND as i32), BOUND as i32]);
        for bad in [BOUND + 1, -BOUND - 1, 1 << 40, i64::MAX] {
            assert!(!narrow(&[F::ONE, base_from_i64(bad)], &mut out), "{bad}");
        }
    }
}
