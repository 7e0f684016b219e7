//! Sums of runs against equality polynomials, many of the same two points: `sum of eq(a, x) fast[j] eq(b, m x + j + d)` over a
//! range of `m x + j`. Ranges differ by the distance `d` and by their ends, so what a digit of `d` makes of a digit of `x` is
//! summed once and kept. Most weights of a large model are such sums: a tensor lies in a thousand columns, each of which ends
//! a range.
//!
//! Symbols: `m` rows of a line, `K` lines of a block, the digits of places have base `K`. Rows of a block that lie before
//! place `c K` of the other polynomial's digit, and not before `(c - 1) K`, have carry `c`, of `0 ..= m`.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, eq_table, multiply};

use super::Run;

/// Most rows of a line.
pub const MOST_ROWS: usize = 8;
/// Most pairs of points that sums are kept of.
const MOST_PAIRS: usize = 64;
/// `log2 K`.
const BITS: usize = 5;
const K: usize = 1 << BITS;

/// What the rows so far of one block weigh, by the carry into the digits that are left.
type Carries<E> = [E; MOST_ROWS + 1];

/// Sums of pairs of points that occurred.
#[derive(Clone, Debug, Default)]
pub struct Diagonals<E> {
    pairs: Vec<Pair<E>>,
}

/// Sums of two points and the weights inside a line.
#[derive(Clone, Debug)]
pub struct Pair<E> {
    point: Vec<E>,
    fast: Vec<E>,
    other: Vec<E>,
    digits: Vec<Digit<E>>,
}

/// One digit of the places of both polynomials.
#[derive(Clone, Debug)]
struct Digit<E> {
    /// Weights of the own polynomial's digit; of the lowest digit times those inside a line.
    own: Vec<E>,
    /// Weights of the other polynomial's digit.
    other: Vec<E>,
    /// How far the other polynomial's place moves with each of the own weights.
    step: usize,
    /// By the digit of the distance plus the carry, once it occurred: sums of the products of the first so many weights.
    sums: Vec<Vec<E>>,
}

impl<E: Challenge> Diagonals<E> {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self { pairs: Vec::new() }
    }

    /// The sums of a run's point with another, where lines weigh `fast`; `None` where lines are too long, or pairs too many.
    pub fn pair(&mut self, run: &Run<'_, E>, fast: &[E], other: &[E]) -> Option<&mut Pair<E>> {
        let same = |p: &Pair<E>| p.fast == fast && p.point == run.point() && p.other == other;
        let at = self.pairs.iter().position(same).unwrap_or(self.pairs.len());
        if at == self.pairs.len() && at < MOST_PAIRS && (1..=MOST_ROWS).contains(&fast.len()) {
            self.pairs.push(Pair::new(run.point(), fast, other));
        }
        self.pairs.get_mut(at)
    }
}

impl<E: Challenge> Pair<E> {
    fn new(point: &[E], fast: &[E], other: &[E]) -> Self {
        // Behind a point, only zeros weigh.
        let digit = |p: &[E], k: usize| {
            let mut own = eq_table(p.chunks(BITS).nth(k).unwrap_or_default());
            own.resize(K, E::ZERO);
            own
        };
        let count = point.len().max(other.len()).div_ceil(BITS).max(1);
        let digits = (0..count).map(|k| {
            let (own, other) = (digit(point, k), digit(other, k));
            if k > 0 {
                return Digit { own, other, step: fast.len(), sums: vec![Vec::new(); K + fast.len()] };
            }
            let own = own.iter().flat_map(|x| fast.iter().map(|f| *x * *f)).collect();
            Digit { own, other, step: 1, sums: vec![Vec::new(); K] }
        });
        Self { point: point.to_vec(), fast: fast.to_vec(), other: other.to_vec(), digits: digits.collect() }
    }

    /// The inner product of rows `from .. to` with `eq(other, at + i)`, `i` counting from `from` on, where row `m x + j` weighs
    /// `fast[j]` times what a run of this pair gives to `x`.
    pub fn dot(&mut self, run: &Run<'_, E>, (from, to): (usize, usize), at: usize) -> E {
        let m = self.fast.len();
        let (first, end) = (from.max(m * run.row), to.min(m * (run.row + run.rows)));
        if first >= end {
            return E::ZERO;
        }
        let line = |row: usize| (row - m * run.row) as u64 + m as u64 * run.start as u64;
        let distance = (at + first - from) as i64 - line(first) as i64;
        run.weight * self.range((line(first), line(end)), distance)
    }

    /// `sum of eq(point, x) fast[j] eq(other, m x + j + distance)` over `m x + j` of a range that is not empty.
    fn range(&mut self, (from, to): (u64, u64), distance: i64) -> E {
        let Some((lowest, digits)) = self.digits.split_first_mut() else { return E::ZERO };
        let split = |d: i64| (d.rem_euclid(K as i64) as usize, d.div_euclid(K as i64));
        let (block, last) = ((self.fast.len() * K) as u64, to - 1);
        let (mut first, mut end) = (from / block, last / block);
        let (shift, mut rest) = split(distance);
        let mut span = |from: usize, to: usize| {
            let mut out = [E::ZERO; MOST_ROWS + 1];
            lowest.span(shift, from..to, E::ONE, &mut out);
            out
        };
        let (inside, behind, block) = ((from % block) as usize, (last % block) as usize + 1, block as usize);
        let mut head = span(inside, if first == end { behind } else { block });
        // Rows of the last block, and of every one between it and the first.
        let mut tail = if first == end { [E::ZERO; MOST_ROWS + 1] } else { span(0, behind) };
        let mut all = if first + 1 < end { span(0, block) } else { [E::ZERO; MOST_ROWS + 1] };
        for digit in digits {
            let (shift, high) = split(rest);
            let (x, y) = ((first % K as u64) as usize, (end % K as u64) as usize);
            let (above, above_end) = (first / K as u64, end / K as u64);
            let mut next = [E::ZERO; MOST_ROWS + 1];
            digit.place(shift, x, &head, &mut next);
            if first != end {
                let (mut last, mut between) = ([E::ZERO; MOST_ROWS + 1], [E::ZERO; MOST_ROWS + 1]);
                if above == above_end {
                    digit.spans(shift, x + 1..y, &all, &mut next);
                    digit.place(shift, y, &tail, &mut next);
                } else {
                    digit.spans(shift, x + 1..K, &all, &mut next);
                    digit.spans(shift, 0..y, &all, &mut last);
                    digit.place(shift, y, &tail, &mut last);
                    if above + 1 < above_end {
                        digit.spans(shift, 0..K, &all, &mut between);
                    }
                }
                (tail, all) = (last, between);
            }
            (head, first, end, rest) = (next, above, above_end, high);
        }
        // Behind both points, only zeros weigh.
        let carry = usize::try_from(-rest).ok().filter(|_| first == 0);
        carry.and_then(|c| head.get(c)).copied().unwrap_or(E::ZERO)
    }
}

impl<E: Challenge> Digit<E> {
    /// Adds what the places of a range of this digit weigh, with `scale`, by their carry.
    fn span(&mut self, shift: usize, places: core::ops::Range<usize>, scale: E, out: &mut Carries<E>) {
        if places.is_empty() {
            return;
        }
        let Self { own, other, step, sums } = self;
        let Some(sums) = sums.get_mut(shift) else { return };
        if sums.is_empty() {
            let place = |x: usize| other.get((step.wrapping_mul(x) + shift) % K).copied().unwrap_or(E::ZERO);
            let mut products: Vec<E> = (0..own.len()).map(place).collect();
            multiply(&mut products, own);
            sums.reserve_exact(own.len() + 1);
            sums.push(E::ZERO);
            sums.extend(products.iter().scan(E::ZERO, |sum, x| {
                *sum += *x;
                Some(*sum)
            }));
        }
        let before = |x: usize| sums.get(x).copied().unwrap_or(E::ZERO);
        let (mut x, mut carry) = (places.start, (*step * places.start + shift) / K);
        while x < places.end {
            let end = ((carry + 1) * K - shift).div_ceil(*step).min(places.end);
            if let Some(o) = out.get_mut(carry) {
                let own = before(end) - before(x);
                *o += if scale.is_one() { own } else { scale * own };
            }
            (x, carry) = (end, carry + 1);
        }
    }

    /// [`Digit::span`] where blocks weigh `all`, by the carry from the digits below.
    fn spans(&mut self, shift: usize, places: core::ops::Range<usize>, all: &Carries<E>, out: &mut Carries<E>) {
        for (c, weight) in all.iter().enumerate().take(self.step + 1).filter(|(_, w)| !w.is_zero()) {
            self.span(shift + c, places.clone(), *weight, out);
        }
    }

    /// The same for one place.
    fn place(&self, shift: usize, x: usize, weights: &Carries<E>, out: &mut Carries<E>) {
        let Some(own) = self.own.get(x) else { return };
        for (c, weight) in weights.iter().enumerate().take(self.step + 1).filter(|(_, w)| !w.is_zero()) {
            let place = self.step * x + shift + c;
            if let (Some(o), Some(other)) = (out.get_mut(place / K), self.other.get(place % K))
                && !other.is_zero()
            {
                *o += *weight * *own * *other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{dense, eq_segment};
    use proveil_algebra::{E, F, PrimeCharacteristicRing, dot};

    fn point(n: usize, seed: u64) -> Vec<E> {
        let e = |i: usize| E::from(F::from_u64(seed * 1000 + i as u64 * 77 + 5)) * E::from_u64(1 << 40);
        (0..n).map(e).collect()
    }

    /// Parts of a run against its rows spelled out.
    fn matches(own: &[E], fast: &[E], other: &[E], run: &Run<'_, E>, parts: &[(usize, usize)], at: usize) {
        let (m, mut all) = (fast.len(), Diagonals::new());
        let rows = dense(&[*run], run.row + run.rows);
        let rows: Vec<E> = rows.iter().flat_map(|r| fast.iter().map(move |f| *r * *f)).collect();
        for (from, to) in parts {
            let expected = dot(&rows[*from..(*to).min(rows.len())], &eq_segment(other, at, to - from));
            let sum = all.pair(run, fast, other).unwrap().dot(run, (*from, *to), at);
            assert_eq!(sum, expected, "{} {m} {} {from} {to} {at} {run:?}", own.len(), other.len());
        }
    }

    #[test]
    fn matches_reference_parts_of_short_runs_with_their_rows() {
        for m in [1, 2, 3, 8] {
            let fast = point(m, 5);
            for (bits, others) in [(0, 0), (1, 6), (5, 5), (6, 3), (7, 11)] {
                let (a, b) = (point(bits, 1), point(others, 2));
                for (row, rows, start) in [(0, 1, 0), (0, 9, 3), (2, 40, 31), (1, 33, 64), (3, 70, 120)] {
                    let ends = [0, 1, m, 2 * m + 1, 31 * m, 33 * m, 40 * m + 1, 72 * m];
                    let ends = ends.into_iter().filter(|e| *e <= m * (row + rows));
                    let parts: Vec<_> =
                        ends.clone().flat_map(|f| ends.clone().filter(move |t| f < *t).map(move |t| (f, t))).collect();
                    let behind = (0, m * (row + rows) + 3);
                    let parts: Vec<_> = parts.into_iter().chain([behind]).collect();
                    for at in [0, 1, 17, 31, 63, 2000] {
                        let run = Run { point: &a, inside: 0, row, rows, start, weight: E::from_u64(7) };
                        matches(&a, &fast, &b, &run, &parts, at);
                    }
                }
            }
        }
    }

    #[test]
    fn matches_reference_parts_of_long_runs_with_their_rows() {
        let (a, b) = (point(13, 1), point(14, 2));
        for m in [1, 3] {
            let fast = point(m, 5);
            for start in [0, 1, 1000, 1023, 3333] {
                let run = Run { point: &a, inside: 0, row: 5, rows: 4000, start, weight: E::from_u64(7) };
                let parts = [(0, 4005 * m), (5 * m, 6 * m + 1), (7, 1100 * m), (1029 * m - 1, 3000 * m), (3999, 4001)];
                for at in [0, 31, 1024, 5001] {
                    matches(&a, &fast, &b, &run, &parts, at);
                }
            }
        }
    }

    #[test]
    fn matches_reference_of_pairs_that_differ_in_one_point_only() {
        let mut all = Diagonals::new();
        for (own, inside, above) in [(1, 2, 3), (4, 2, 3), (1, 4, 3), (1, 2, 4), (1, 2, 3)] {
            let (a, fast, b) = (point(7, own), point(2, inside), point(8, above));
            let run = Run { point: &a, inside: 0, row: 0, rows: 90, start: 3, weight: E::ONE };
            let rows = dense(&[run], 90);
            let rows: Vec<E> = rows.iter().flat_map(|r| fast.iter().map(move |f| *r * *f)).collect();
            let sum = all.pair(&run, &fast, &b).unwrap().dot(&run, (0, 180), 9);
            assert_eq!(sum, dot(&rows, &eq_segment(&b, 9, 180)), "{own} {inside} {above}");
        }
    }

    #[test]
    fn rejects_lines_too_long_and_pairs_too_many() {
        let (a, mut all) = (point(3, 1), Diagonals::new());
        let run = Run { point: &a, inside: 0, row: 0, rows: 8, start: 0, weight: E::ONE };
        assert!(all.pair(&run, &point(MOST_ROWS + 1, 2), &a).is_none());
        assert!(all.pair(&run, &[], &a).is_none());
        for i in 0..MOST_PAIRS as u64 {
            assert!(all.pair(&run, &a, &point(2, 3 + i)).is_some());
        }
        assert!(all.pair(&run, &a, &point(2, 2)).is_none());
        assert!(all.pair(&run, &a, &point(2, 3)).is_some());
    }
}
