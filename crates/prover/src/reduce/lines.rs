//! Columns whose cells have entered the sumcheck, at the bound variables, with their dense weights.

use proveil_algebra::{E, Planes, PrimeCharacteristicRing, eq_table, eq_table_scaled};
use proveil_relation::layout::{Layout, MAX_GRANULE};
use rayon::prelude::*;

use super::pieces::Piece;
use super::{Cells, Weighted, add};
use crate::limbs::{dot, narrow, planes};
use crate::packed;

/// Limbs of many elements, plane by plane.
type Limbs = [Vec<i32>; 6];

/// Values that one task computes.
const TASK: usize = 1 << 8;

/// One column.
struct Line<'a> {
    column: Cells<'a>,
    /// Number of rounds it takes part in.
    rounds: usize,
    /// Round in which its cells enter.
    enters: usize,
    /// Values at the bound variables; empty before they enter.
    cells: Vec<E>,
    /// Weights; empty if none have come.
    omega: Vec<E>,
}

/// All value columns, by tree.
pub(super) struct Lines<'a> {
    lines: Vec<Line<'a>>,
    /// First line of each tree.
    first: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(layout: &Layout, columns: &[Vec<Cells<'a>>], pieces: &[Piece]) -> Self {
        let (mut lines, mut first) = (Vec::new(), Vec::new());
        for (plan, columns) in layout.trees.iter().zip(columns) {
            first.push(lines.len());
            let rounds = layout.heights[plan.group];
            let enters = MAX_GRANULE.min(rounds);
            let line = |c: &Cells<'a>| Line { column: *c, rounds, enters, cells: Vec::new(), omega: Vec::new() };
            lines.extend(columns.iter().map(line));
        }
        let mut out = Self { lines, first };
        for p in pieces {
            let placed = &layout.tensors[p.tensor];
            for run in p.runs(placed) {
                let line = out.at(placed.tree.unwrap_or_default(), run.column);
                line.enters = line.enters.min(p.granule);
            }
        }
        out
    }

    /// Adds a tree's sample: one more column, combined of the tree's own, whose every cell has a weight from the start.
    /// It comes behind all trees, which are found by their first lines.
    pub(super) fn add(&mut self, s: &Weighted<'a>) {
        let (cells, omega) = (s.cells.to_vec(), eq_table_scaled(s.at, s.weight));
        self.lines.push(Line { column: Cells::Ext(s.cells), rounds: s.at.len(), enters: 0, cells, omega });
    }

    fn at(&mut self, tree: usize, column: usize) -> &mut Line<'a> {
        &mut self.lines[self.first[tree] + column]
    }

    /// Before round `i`: the columns that are due enter.
    pub(super) fn enter(&mut self, i: usize, point: &[E]) {
        let due = |l: &Line<'_>| l.enters == i && l.cells.is_empty();
        if !self.lines.iter().any(due) {
            return;
        }
        let eq = eq_table(point);
        let dense = (planes(&eq), Planes::new(&eq));
        self.lines.par_iter_mut().filter(|l| due(l)).for_each(|l| {
            l.cells = match l.column {
                Cells::Base(f) => base_values(f, &eq, &dense),
                Cells::Ext(f) => f
                    .par_chunks(eq.len())
                    .with_min_len(TASK)
                    .map(|x| x.iter().zip(&eq).fold(E::ZERO, |a, (x, w)| a + *w * *x))
                    .collect(),
            };
        });
    }

    /// Adds the weights of a piece whose granule is bound.
    pub(super) fn weigh(&mut self, layout: &Layout, p: &Piece) {
        let placed = &layout.tensors[p.tensor];
        let low = p.low.first().copied().unwrap_or(E::ZERO);
        for run in p.runs(placed) {
            let line = self.at(placed.tree.unwrap_or_default(), run.column);
            if line.omega.is_empty() {
                line.omega = vec![E::ZERO; line.cells.len()];
            }
            let to = &mut line.omega[run.at..run.at + run.rows];
            let from = &p.rows[run.row..run.row + run.rows];
            to.iter_mut().zip(from).filter(|x| *x.1 != E::ZERO).for_each(|(o, r)| *o += low * *r);
        }
    }

    /// What the columns that have entered contribute to round `i`.
    pub(super) fn round(&self, i: usize, point: &[E]) -> [E; 2] {
        let one = |l: &Line<'_>| match l.omega.is_empty() {
            true => [E::ZERO; 2],
            false if l.rounds > i => packed::round_with_two(&l.omega, &l.cells),
            false => tail(l, point),
        };
        self.lines.par_iter().map(one).reduce(|| [E::ZERO; 2], add)
    }

    /// Binds variable `i`.
    pub(super) fn fold(&mut self, i: usize, r: E) {
        self.lines.par_iter_mut().filter(|l| l.rounds > i && l.enters <= i).for_each(|l| {
            l.omega = packed::fold(&l.omega, r, E::ZERO);
            l.cells = packed::fold(&l.cells, r, E::ZERO);
        });
    }

    /// Every column's value and weight at its part of the point, by tree.
    pub(super) fn finish(self, columns: &[Vec<Cells<'_>>]) -> [Vec<Vec<E>>; 2] {
        let by_tree = |of: &dyn Fn(&Line<'_>) -> Option<E>| {
            let mut all = self.lines.iter().map(|l| of(l).unwrap_or(E::ZERO));
            columns.iter().map(|c| all.by_ref().take(c.len()).collect()).collect()
        };
        [by_tree(&|l| l.cells.first().copied()), by_tree(&|l| l.omega.first().copied())]
    }
}

/// A shorter column after its last round: its claim times `prod (1 - x_i)` over the further variables.
fn tail(l: &Line<'_>, point: &[E]) -> [E; 2] {
    let (Some(w), Some(f)) = (l.omega.first(), l.cells.first()) else { return [E::ZERO; 2] };
    let c = point[l.rounds..].iter().fold(*w * *f, |a, x| a * (E::ONE - *x));
    [c, -c]
}

/// `sum_j eq[j] cell(r, j)` for every granule `r`.
fn base_values(f: &[proveil_algebra::F], eq: &[E], (limbs, dense): &(Limbs, Planes<E>)) -> Vec<E> {
    let n = eq.len();
    let mut out = vec![E::ZERO; f.len() / n];
    out.par_chunks_mut(TASK).zip(f.par_chunks(TASK * n)).for_each(|(out, f)| {
        let mut small = Vec::with_capacity(n);
        for (o, x) in out.iter_mut().zip(f.chunks_exact(n)) {
            *o = if n >= 8 && narrow(x, &mut small) {
                dot(limbs, &small)
            } else if n >= 64 {
                // Random cells are not small.
                dense.dot(0, x)
            } else {
                x.iter().zip(eq).fold(E::ZERO, |a, (x, w)| a + *w * *x)
            };
        }
    });
    out
}
