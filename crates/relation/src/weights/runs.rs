//! Row weights that are runs of equality polynomials, as the address weights of spaces are, and their sums against another
//! equality polynomial in time that grows with the number of bits, not of rows.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, dot, eq_index, log2_ceil};

use super::diagonals::MOST_ROWS;
use super::{eq_moment, eq_segment, eq_segment_into, eq_sum};

/// Weights of rows, or of the settings of some variables.
#[derive(Clone, Debug)]
pub enum RowWeights<'a, E: Clone> {
    /// All of them.
    Dense(Cow<'a, [E]>),
    /// The sum of runs.
    Runs {
        /// How many weights these are.
        len: usize,
        /// The runs.
        runs: Vec<Run<'a, E>>,
    },
}

impl<E: Challenge> RowWeights<'_, E> {
    /// All of them.
    #[must_use]
    pub fn dense(&self) -> Cow<'_, [E]> {
        match self {
            Self::Dense(rows) => Cow::Borrowed(rows),
            Self::Runs { len, runs } => dense(runs, *len).into(),
        }
    }

    /// How many weights these are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Dense(rows) => rows.len(),
            Self::Runs { len, .. } => *len,
        }
    }
}

impl<E: Clone> From<Vec<E>> for RowWeights<'_, E> {
    fn from(rows: Vec<E>) -> Self {
        Self::Dense(rows.into())
    }
}

impl<'a, E: Clone> From<&'a [E]> for RowWeights<'a, E> {
    fn from(rows: &'a [E]) -> Self {
        Self::Dense(rows.into())
    }
}

/// Rows `row + i` for `i < rows` weigh `weight * eq(point, start + i)`, where `point` is without its first `inside`
/// coordinates.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a, E> {
    /// The point, those coordinates that belong to cells inside a row first.
    pub point: &'a [E],
    /// How many these are.
    pub inside: usize,
    /// First row.
    pub row: usize,
    /// Number of rows.
    pub rows: usize,
    /// What the first row is to the equality polynomial.
    pub start: usize,
    /// The weight.
    pub weight: E,
}

impl<'a, E: Challenge> Run<'a, E> {
    /// The same weights times those of the cells inside a row, of which each is a row.
    #[must_use]
    pub fn cells(&self) -> Self {
        let fine = |x: usize| x << self.inside;
        Self { inside: 0, row: fine(self.row), rows: fine(self.rows), start: fine(self.start), ..*self }
    }

    /// The coordinates that belong to rows.
    pub(super) fn point(&self) -> &'a [E] {
        self.point.get(self.inside..).unwrap_or_default()
    }

    /// The weight of a row.
    fn at(&self, row: usize) -> E {
        match row.checked_sub(self.row).filter(|i| *i < self.rows) {
            Some(i) => self.weight * eq_index(self.point(), (self.start + i) as u64),
            None => E::ZERO,
        }
    }

    /// Sum of the weights, and that of each times its row.
    pub fn moments(&self) -> [E; 2] {
        let (point, end) = (self.point(), self.start + self.rows);
        let sum = eq_sum(point, end) - eq_sum(point, self.start);
        let moment = eq_moment(point, end) - eq_moment(point, self.start);
        let shift = E::from_int(self.row as i64 - self.start as i64);
        [self.weight * sum, self.weight * (moment + shift * sum)]
    }

    /// Field operations that [`dot_lines`] takes for lines of so many rows, about.
    fn cost(&self, lines: usize) -> usize {
        let carries = (lines + 1) * if self.start == 0 { 1 } else { 2 };
        8 * carries * log2_ceil(self.rows) + lines + 2 * self.point.len()
    }
}

/// Whether [`dot_lines`], or a sum that is kept, takes less time than one operation on each row.
pub fn is_closed<E: Challenge>(runs: &[Run<'_, E>], lines: usize) -> bool {
    if lines <= MOST_ROWS {
        return true;
    }
    // Operations on whole vectors take two thirds of the time of one alone.
    2 * runs.iter().map(|r| r.cost(lines)).sum::<usize>() < 3 * runs.iter().map(|r| r.rows * lines).sum::<usize>()
}

/// The inner product of rows `from .. to` with `eq(other, at + i)`, `i` counting from `from` on, where row `m x + j` weighs
/// `fast[j]`, of `m`, times what the runs give to `x`.
pub fn dot_lines<E: Challenge>(
    runs: &[Run<'_, E>],
    fast: &[E],
    (from, to): (usize, usize),
    other: &[E],
    at: usize,
) -> E {
    let m = fast.len().max(1);
    // Rows of one line.
    let part = |start: usize, end: usize| {
        if start >= end {
            return E::ZERO;
        }
        let (x, j) = (start / m, start % m);
        let own = fast.get(j..j + end - start).unwrap_or_default();
        let line = dot(own, &eq_segment(other, at + start - from, end - start));
        runs.iter().fold(E::ZERO, |a, r| a + r.at(x)) * line
    };
    let (first, end) = (from.div_ceil(m), to / m);
    if first > end {
        return part(from, to);
    }
    let whole = |r: &Run<'_, E>| {
        let (first, end) = (first.max(r.row), end.min(r.row + r.rows));
        if first >= end {
            return E::ZERO;
        }
        let (s, t) = (r.start + first - r.row, at + first * m - from);
        r.weight * eq_lines((r.point(), s), (other, t), end - first, fast)
    };
    runs.iter().fold(part(from, first * m) + part(end * m, to), |a, r| a + whole(r))
}

/// The weights of all rows, those of several runs added up.
pub fn dense<E: Challenge>(runs: &[Run<'_, E>], rows: usize) -> Vec<E> {
    let mut out = vec![E::ZERO; rows];
    let mut own = Vec::new();
    for r in runs {
        own.clear();
        eq_segment_into(r.point(), r.start, r.rows, r.weight, &mut own);
        out.iter_mut().skip(r.row).zip(&own).for_each(|(o, w)| *o += *w);
    }
    out
}

/// `sum of eq(a, s + x) eq(b, t + x)` over `x < len`, in O(a.len() + b.len()) field operations.
pub fn eq_runs<E: Challenge>(a: (&[E], usize), b: (&[E], usize), len: usize) -> E {
    eq_lines(a, b, len, &[E::ONE])
}

/// `sum of eq(a, s + x) fast[j] eq(b, t + m x + j)` over `x < len` and `j < m = fast.len()`, in
/// O(m log(len) + a.len() + b.len()) field operations.
///
/// From the lowest bit of `x` on, one sum for each pair of carries into the next bits of `s + x` and of `t + m x + j`, with
/// `j` as the first carry: over all settings of the bits so far, and over those that are below the same bits of `len`.
fn eq_lines<E: Challenge>((a, s): (&[E], usize), (b, t): (&[E], usize), len: usize, fast: &[E]) -> E {
    if len == 0 {
        return E::ZERO;
    }
    // Weights of a 0 and a 1 at bit `i`: behind the point, only zeros weigh.
    let at = |p: &[E], i: usize| p.get(i).map_or((E::ONE, E::ZERO), |x| (E::ONE - *x, *x));
    let (m, bits) = (fast.len(), log2_ceil(len));
    // The carry of `t + m x + j` is at most `m`; with a carry of `s + x`, it is in the second half.
    let half = m + 1;
    let (mut all, mut below) = (vec![E::ZERO; 2 * half], vec![E::ZERO; 2 * half]);
    all.iter_mut().zip(fast).for_each(|(c, x)| *c = *x);
    let (mut next, mut next_below) = (all.clone(), below.clone());
    for i in 0..bits {
        let ((_, x), (zero, y)) = (at(a, i), at(b, i));
        let both = x * y;
        let pairs = [zero - x + both, y - both, x - both, both];
        let bit = |n: usize| n >> i & 1;
        next.fill(E::ZERO);
        next_below.fill(E::ZERO);
        for (carry, (sum, part)) in
            all.iter().zip(&below).enumerate().filter(|(_, (x, y))| !x.is_zero() || !y.is_zero())
        {
            let (high, carry) = if carry < half { (0, carry) } else { (1, carry - half) };
            for r in 0..2 {
                let (u, v) = (bit(s) + r + high, bit(t) + m * r + carry);
                let weight = pairs.get((u & 1) << 1 | v & 1).copied().unwrap_or(E::ZERO);
                let own = weight * *sum;
                let own_below = match (r, bit(len)) {
                    (0, 1) => own,
                    (1, 0) => E::ZERO,
                    _ => weight * *part,
                };
                let to = (u >> 1) * half + (v >> 1);
                if let (Some(n), Some(b)) = (next.get_mut(to), next_below.get_mut(to)) {
                    *n += own;
                    *b += own_below;
                }
            }
        }
        core::mem::swap(&mut all, &mut next);
        core::mem::swap(&mut below, &mut next_below);
    }
    let ends = if len == 1 << bits { all } else { below };
    let rest = |p: &[E], start: usize, n: usize| eq_segment(p.get(bits..).unwrap_or_default(), start >> bits, n);
    let (without, with) = ends.split_at(half);
    let other =
        rest(b, t, half - with.iter().zip(without).rev().take_while(|(x, y)| x.is_zero() && y.is_zero()).count());
    let own = rest(a, s, if with.iter().all(E::is_zero) { 1 } else { 2 });
    own.iter().zip([without, with]).fold(E::ZERO, |sum, (x, carries)| sum + *x * dot(carries, &other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::eq_segment;
    use proveil_algebra::{E, F, PrimeCharacteristicRing, dot};

    fn point(n: usize, seed: u64) -> Vec<E> {
        let e = |i: usize| E::from(F::from_u64(seed * 1000 + i as u64 * 77 + 5)) * E::from_u64(1 << 40);
        (0..n).map(e).collect()
    }

    #[test]
    fn matches_reference_runs_with_their_tables() {
        for (m, n) in [(0, 0), (0, 3), (1, 1), (3, 3), (5, 5), (5, 3), (3, 6)] {
            let (a, b) = (point(m, 1), point(n, 2));
            for s in 0..=(1 << m) {
                for t in [0, 1, 2, 3, 5, 7, 12, 31, 63].into_iter().filter(|t| *t <= 1 << n) {
                    for len in 0..=34 {
                        let expected = dot(&eq_segment(&a, s, len), &eq_segment(&b, t, len));
                        assert_eq!(eq_runs((&a, s), (&b, t), len), expected, "{m} {n} {s} {t} {len}");
                    }
                }
            }
        }
    }

    #[test]
    fn matches_reference_parts_of_runs_with_their_rows() {
        let (p, q) = (point(6, 3), point(7, 4));
        let run =
            |row, rows, start, weight| Run { point: &p, inside: 0, row, rows, start, weight: E::from_u64(weight) };
        let runs = [run(0, 9, 14, 3), run(9, 4, 40, 5), run(2, 7, 0, 11)];
        let rows = dense(&runs, 14);
        for from in 0..14 {
            for to in from..=14 {
                for lines in 1..6 {
                    let fast = &p[..lines];
                    let rows: Vec<E> = rows.iter().flat_map(|r| fast.iter().map(move |f| *r * *f)).collect();
                    let (from, to) = (from * lines + lines / 3, (to * lines + lines / 2).min(rows.len()));
                    let expected = rows.get(from..to).map_or(E::ZERO, |r| dot(r, &eq_segment(&q, 3, to - from)));
                    let sum = if from < to { dot_lines(&runs, fast, (from, to), &q, 3) } else { E::ZERO };
                    assert_eq!(sum, expected, "{from} {to} {lines}");
                }
            }
        }
    }

    #[test]
    fn matches_reference_moments_with_all_rows() {
        let p = point(5, 3);
        for (row, rows, start) in [(0, 32, 0), (3, 1, 31), (2, 7, 5), (0, 40, 0), (1, 9, 27), (4, 3, 40)] {
            let run = Run { point: &p, inside: 0, row, rows, start, weight: E::from_u64(9) };
            let all = dense(&[run], row + rows);
            let number = |(i, r): (usize, &E)| *r * E::from_u64(i as u64);
            let expected = [all.iter().copied().sum::<E>(), all.iter().enumerate().map(number).sum()];
            assert_eq!(run.moments(), expected, "{row} {rows} {start}");
        }
    }

    #[test]
    fn matches_reference_cells_of_runs_with_rows_times_what_is_inside() {
        let p = point(6, 3);
        let run = Run { point: &p, inside: 2, row: 1, rows: 5, start: 7, weight: E::from_u64(9) };
        let inside = eq_segment(&p[..2], 0, 4);
        let expected: Vec<E> = dense(&[run], 7).iter().flat_map(|r| inside.iter().map(move |x| *r * *x)).collect();
        assert_eq!(dense(&[run.cells()], 28), expected);
    }
}
