//! Sums of many multiples of points, by buckets whose points are added in affine coordinates.
//!
//! Scalars are cut into signed digits. For each digit's place, points are sorted by digit; then neighbours with the same
//! digit are added pairwise, all pairs of a round with one shared inversion, until each digit has one point left. Such an
//! addition costs about six products, two thirds of one in projective coordinates. Places are independent, and are shared
//! out among threads.
//!
//! Time depends on the scalars: whoever can time a prover learns about zeros and sizes among them, as from the rest of
//! the prover.
//! # Source
//! Buckets: Pippenger 1976; affine additions by rounds: ours, after the usual batching of inversions.

use ark_bn254::{Fq, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, PrimeField, batch_inversion};
use rayon::prelude::*;
use std::collections::HashMap;

/// A scalar as sign and magnitude.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    /// Whether the scalar is the magnitude's negative.
    pub negative: bool,
    /// Least significant limb first.
    pub magnitude: BigInt<4>,
}

impl Signed {
    /// An integer.
    pub fn of_int(v: i64) -> Self {
        Self { negative: v < 0, magnitude: BigInt::from(v.unsigned_abs()) }
    }

    /// A scalar, as itself or as the negative of a smaller one.
    pub fn of_scalar(x: ark_bn254::Fr) -> Self {
        let (plus, minus) = (x.into_bigint(), (-x).into_bigint());
        if plus <= minus {
            Self { negative: false, magnitude: plus }
        } else {
            Self { negative: true, magnitude: minus }
        }
    }
}

/// `sum_i k_i P_i`; the shorter length counts.
pub fn sum(points: &[G1Affine], scalars: &[Signed]) -> G1Projective {
    let n = points.len().min(scalars.len());
    let (points, scalars) = (&points[..n], &scalars[..n]);
    let bits = scalars.par_iter().map(|s| s.magnitude.num_bits()).max().unwrap_or(0) as usize;
    if bits == 0 {
        return G1Projective::ZERO;
    }
    let width = width(n, bits);
    let digits = Digits::new(scalars, width, bits);
    let places: Vec<G1Projective> =
        (0..digits.places).into_par_iter().map(|p| weigh(buckets(points, digits.of(p), width))).collect();
    places.into_iter().rev().fold(G1Projective::ZERO, |mut acc, p| {
        (0..width).for_each(|_| _ = acc.double_in_place());
        acc + p
    })
}

/// [`affine_sum`] where many scalars are equal: points with the same scalar are added first.
pub fn repeated_sum(points: &[G1Affine], scalars: &[Signed]) -> G1Affine {
    let n = points.len().min(scalars.len());
    let (points, scalars) = (&points[..n], &scalars[..n]);
    let mut numbers: HashMap<[u64; 4], i32> = HashMap::new();
    let mut different = Vec::new();
    let mut number = |s: &Signed| {
        let next = different.len() as i32 + 1;
        let own = *numbers.entry(s.magnitude.0).or_insert(next);
        if own == next {
            different.push(Signed { negative: false, ..*s });
        }
        if s.negative { -own } else { own }
    };
    let digits: Vec<i32> = scalars.iter().map(|s| if s.magnitude.is_zero() { 0 } else { number(s) }).collect();
    if different.len() * 2 > n {
        return affine_sum(points, scalars);
    }
    let width = different.len().next_power_of_two().trailing_zeros() as usize + 1;
    affine_sum(&buckets(points, &digits, width), &different)
}

/// The cheapest width of digits, in bits: an addition in a bucket against the two that a bucket costs at the end, each
/// of which is about five times as dear.
fn width(n: usize, bits: usize) -> usize {
    let cost = |w: &usize| (bits + 1).div_ceil(*w) * (n + (10 << (w - 1)));
    (2..=16).min_by_key(cost).unwrap_or(2)
}

/// Signed digits of all scalars, place by place.
struct Digits {
    /// `[place * n + i]`, from `-2^(width - 1)` to `2^(width - 1)`.
    list: Vec<i32>,
    places: usize,
    n: usize,
}

impl Digits {
    fn new(scalars: &[Signed], width: usize, bits: usize) -> Self {
        let (n, places) = (scalars.len(), (bits + 1).div_ceil(width));
        let (base, half) = (1i32 << width, 1i32 << (width - 1));
        let mut list = vec![0; places * n];
        for (i, s) in scalars.iter().enumerate() {
            let mut carry = 0;
            for p in 0..places {
                let raw = window(&s.magnitude, p * width, width) + carry;
                carry = i32::from(raw > half);
                let digit = raw - carry * base;
                list[p * n + i] = if s.negative { -digit } else { digit };
            }
        }
        Self { list, places, n }
    }

    fn of(&self, place: usize) -> &[i32] {
        &self.list[place * self.n..(place + 1) * self.n]
    }
}

/// `width` bits from bit `from` on.
fn window(x: &BigInt<4>, from: usize, width: usize) -> i32 {
    let limb = |i: usize| x.0.get(i).copied().unwrap_or(0);
    let (i, shift) = (from / 64, from % 64);
    let low = limb(i) >> shift;
    let high = if shift == 0 { 0 } else { limb(i + 1) << (64 - shift) };
    ((low | high) & ((1 << width) - 1)) as i32
}

/// The sum of the points with each digit from 1 on; negative digits count with negated points.
fn buckets(points: &[G1Affine], digits: &[i32], width: usize) -> Vec<G1Affine> {
    let num = 1usize << (width - 1);
    // Sort by digit: lengths, beginnings, points.
    let mut ends = vec![0usize; num + 1];
    digits.iter().filter(|d| **d != 0).for_each(|d| ends[d.unsigned_abs() as usize] += 1);
    let mut lengths = ends.clone();
    let mut total = 0;
    for e in &mut ends {
        (*e, total) = (total, total + *e);
    }
    let mut sorted = vec![G1Affine::identity(); total];
    for (p, d) in points.iter().zip(digits).filter(|(_, d)| **d != 0) {
        let at = &mut ends[d.unsigned_abs() as usize];
        sorted[*at] = if *d < 0 { -*p } else { *p };
        *at += 1;
    }
    let mut scratch = Scratch::default();
    while lengths.iter().any(|n| *n > 1) {
        scratch.round(&mut sorted, &mut lengths);
    }
    let mut left = sorted.into_iter();
    let mut one = |n: &usize| if *n == 0 { G1Affine::identity() } else { left.next().unwrap_or_default() };
    lengths.iter().skip(1).map(&mut one).collect()
}

/// `sum_d d * bucket_d`, `d` from 1.
fn weigh(buckets: Vec<G1Affine>) -> G1Projective {
    let (mut running, mut total) = (G1Projective::ZERO, G1Projective::ZERO);
    for b in buckets.into_iter().rev() {
        running += b;
        total += running;
    }
    total
}

#[derive(Default)]
struct Scratch {
    denominators: Vec<Fq>,
}

impl Scratch {
    /// Adds neighbours of each run pairwise; the runs move together.
    fn round(&mut self, points: &mut Vec<G1Affine>, lengths: &mut [usize]) {
        self.denominators.clear();
        let mut at = 0;
        for n in lengths.iter() {
            for pair in points[at..at + n].chunks_exact(2) {
                self.denominators.push(denominator(&pair[0], &pair[1]));
            }
            at += n;
        }
        batch_inversion(&mut self.denominators);
        let (mut read, mut write, mut inverses) = (0, 0, self.denominators.iter());
        for n in lengths.iter_mut() {
            for i in 0..*n / 2 {
                let (a, b) = (points[read + 2 * i], points[read + 2 * i + 1]);
                points[write] = add(&a, &b, inverses.next().copied().unwrap_or_default());
                write += 1;
            }
            if *n % 2 == 1 {
                points[write] = points[read + *n - 1];
                write += 1;
            }
            read += *n;
            *n = n.div_ceil(2);
        }
        points.truncate(write);
    }
}

/// What the slope of the line through two points is divided by; 1 where there is no line.
fn denominator(a: &G1Affine, b: &G1Affine) -> Fq {
    if a.is_zero() || b.is_zero() {
        return Fq::ONE;
    }
    if a.x != b.x {
        return b.x - a.x;
    }
    if a.y == b.y { a.y.double() } else { Fq::ONE }
}

/// The sum of two points, given the inverse of their denominator. No point of this curve has order 2.
fn add(a: &G1Affine, b: &G1Affine, inverse: Fq) -> G1Affine {
    if a.is_zero() {
        return *b;
    }
    if b.is_zero() {
        return *a;
    }
    let slope = if a.x != b.x {
        (b.y - a.y) * inverse
    } else if a.y == b.y {
        let square = a.x.square();
        (square.double() + square) * inverse
    } else {
        return G1Affine::identity();
    };
    let x = slope.square() - a.x - b.x;
    G1Affine::new_unchecked(x, slope * (a.x - x) - a.y)
}

/// [`sum`] as an affine point.
pub fn affine_sum(points: &[G1Affine], scalars: &[Signed]) -> G1Affine {
    sum(points, scalars).into_affine()
}

#[cfg(test)]
mod tests {
    use ark_bn254::Fr;

    use super::*;

    fn naive(points: &[G1Affine], scalars: &[Fr]) -> G1Projective {
        points.iter().zip(scalars).map(|(p, s)| *p * *s).sum()
    }

    fn compare(points: &[G1Affine], scalars: &[Fr]) {
        let signed: Vec<Signed> = scalars.iter().map(|s| Signed::of_scalar(*s)).collect();
        assert_eq!(sum(points, &signed), naive(points, scalars));
        assert_eq!(repeated_sum(points, &signed), naive(points, scalars));
    }

    fn points(n: u64) -> Vec<G1Affine> {
        (1..=n).map(|i| (G1Affine::generator() * Fr::from(i * i + 7)).into_affine()).collect()
    }

    #[test]
    fn matches_reference_of_full_scalars() {
        let p = points(100);
        let s: Vec<Fr> = (0..100u64).map(|i| Fr::from(i + 3).pow([0xffff_ffff_ffff_fff1 + i % 7, 3])).collect();
        for n in [0, 1, 2, 3, 31, 100] {
            compare(&p[..n], &s[..n]);
        }
        compare(&p, &[Fr::from(-1), Fr::from(0), Fr::from(1), -Fr::from(1u128 << 127), Fr::from(u128::MAX)]);
    }

    #[test]
    fn matches_reference_of_equal_and_opposite_points() {
        let g = G1Affine::generator();
        let s: Vec<Fr> = [5, 5, 5, -5, 5, 5, -5, 1, 0, 7, 5].iter().map(|v| Fr::from(*v)).collect();
        compare(&[g; 11], &s);
        let mixed: Vec<G1Affine> = (0..11).map(|i| if i % 3 == 0 { -g } else { g }).collect();
        compare(&mixed, &s);
        compare(&[g, G1Affine::identity(), G1Affine::identity(), -g], &[Fr::from(3); 4]);
        compare(&[g, -g], &[Fr::from(3); 2]);
    }

    #[test]
    fn matches_reference_of_integers() {
        let p = points(64);
        for bound in [1i64, 2, 255, 40_000, i64::MAX] {
            let ints: Vec<i64> =
                (0..64).map(|i| if i % 2 == 0 { bound - i % bound } else { -(bound / (1 + i)) }).collect();
            let signed: Vec<Signed> = ints.iter().map(|v| Signed::of_int(*v)).collect();
            let scalars: Vec<Fr> = ints.iter().map(|v| Fr::from(*v)).collect();
            assert_eq!(sum(&p, &signed), naive(&p, &scalars));
        }
        assert_eq!(sum(&p, &[Signed::of_int(i64::MIN)]), p[0] * Fr::from(i64::MIN));
    }
}
