//! Phase 3, the prover's half: `sum_j gamma^j <omega_j, f_j>` over the cells of a column, all columns at once.

use proveil_algebra::{E, F, PrimeCharacteristicRing};
use proveil_relation::claims::Claim;
use proveil_relation::layout::{Layout, TreeKind};
use proveil_relation::weights::Entry;
use rayon::prelude::*;

use crate::columns::for_runs;
use crate::talk::Talk;

/// A column's cells.
pub enum Cells<'a> {
    /// Base-field column.
    Base(&'a [F]),
    /// Extension column.
    Ext(&'a [E]),
}

/// One column in the sumcheck.
struct Line {
    omega: Vec<E>,
    cells: Vec<E>,
    /// Number of rounds it takes part in.
    rounds: usize,
}

/// Adds an entry's weights to the dense weights of a tree's columns.
fn scatter(layout: &Layout, e: &Entry<E>, weight: E, omega: &mut [Vec<E>]) {
    let placed = &layout.tensors[e.tensor];
    let d = &placed.dims;
    let per = d.padded_last() >> e.granule;
    let low: Vec<E> = e.low.iter().map(|x| *x * weight).collect();
    for_runs(placed, |column, at, from, len| {
        let (line, inside) = (from / d.last, from % d.last);
        let out = &mut omega[column];
        if out.is_empty() {
            out.resize(1 << layout.heights[layout.trees[placed.tree.unwrap_or(0)].group], E::ZERO);
        }
        let first = line * per + (inside >> e.granule);
        for (r, chunk) in out[at..at + len].chunks_mut(1 << e.granule).enumerate() {
            let w = e.rows[first + r];
            if w != E::ZERO {
                chunk.iter_mut().zip(&low).for_each(|(o, l)| *o += w * *l);
            }
        }
    });
}

/// Dense weights of every column by tree; an empty vector is all zero.
fn dense(layout: &Layout, weighted: &[(E, &Claim<E>)]) -> Vec<Vec<Vec<E>>> {
    (0..layout.trees.len())
        .into_par_iter()
        .map(|t| {
            let mut omega = vec![Vec::new(); layout.trees[t].columns];
            for (w, claim) in weighted {
                let here = claim.entries.iter().filter(|e| layout.tensors[e.tensor].tree == Some(t));
                here.for_each(|e| scatter(layout, e, *w, &mut omega));
            }
            omega
        })
        .collect()
}

/// First round on base cells is folded together with the lift to the extension.
fn round(line: &Line) -> [E; 2] {
    if line.omega.is_empty() {
        return [E::ZERO; 2];
    }
    line.omega
        .chunks_exact(2)
        .zip(line.cells.chunks_exact(2))
        .fold([E::ZERO; 2], |acc, (w, f)| [acc[0] + w[0] * f[0], acc[1] + (w[1] + w[1] - w[0]) * (f[1] + f[1] - f[0])])
}

fn fold(v: &mut Vec<E>, r: E) {
    let half = v.len() / 2;
    for i in 0..half {
        v[i] = v[2 * i] + r * (v[2 * i + 1] - v[2 * i]);
    }
    v.truncate(half);
}

fn first_round(omega: &[E], cells: &Cells<'_>) -> [E; 2] {
    match cells {
        _ if omega.is_empty() => [E::ZERO; 2],
        Cells::Base(f) => omega.chunks_exact(2).zip(f.chunks_exact(2)).fold([E::ZERO; 2], |acc, (w, f)| {
            [acc[0] + w[0] * f[0], acc[1] + (w[1] + w[1] - w[0]) * (f[1] + f[1] - f[0])]
        }),
        Cells::Ext(f) => omega.chunks_exact(2).zip(f.chunks_exact(2)).fold([E::ZERO; 2], |acc, (w, f)| {
            [acc[0] + w[0] * f[0], acc[1] + (w[1] + w[1] - w[0]) * (f[1] + f[1] - f[0])]
        }),
    }
}

fn first_fold(cells: &Cells<'_>, r: E) -> Vec<E> {
    match cells {
        Cells::Base(f) => f.chunks_exact(2).map(|p| r * (p[1] - p[0]) + p[0]).collect(),
        Cells::Ext(f) => f.chunks_exact(2).map(|p| p[0] + r * (p[1] - p[0])).collect(),
    }
}

/// Runs the sumcheck; returns the point and every value column's evaluation at its part of the point, by tree.
pub fn reduce(
    talk: &mut Talk<'_>,
    label: &'static str,
    layout: &Layout,
    weighted: &[(E, &Claim<E>)],
    columns: &[Vec<Cells<'_>>],
) -> (Vec<E>, Vec<Vec<E>>) {
    let rounds = layout.heights.iter().copied().max().unwrap_or(0);
    let omega = dense(layout, weighted);
    let mut flat: Vec<(Vec<E>, &Cells<'_>, usize)> = Vec::new();
    for (t, (omega, columns)) in omega.into_iter().zip(columns).enumerate() {
        let height = layout.heights[layout.trees[t].group];
        flat.extend(omega.into_iter().zip(columns).map(|(o, c)| (o, c, height)));
    }
    let add = |a: [E; 2], b: [E; 2]| [a[0] + b[0], a[1] + b[1]];
    let s = flat.par_iter().map(|(o, c, _)| first_round(o, c)).reduce(|| [E::ZERO; 2], add);
    s.into_iter().for_each(|x| talk.message(label, x));
    let mut r: E = talk.transcript.challenge(label);
    let mut point = vec![r];
    let mut lines: Vec<Line> = flat
        .into_par_iter()
        .map(|(mut omega, c, rounds)| {
            fold(&mut omega, r);
            Line { omega, cells: first_fold(c, r), rounds }
        })
        .collect();
    for i in 1..rounds {
        let s = lines
            .par_iter()
            .map(|l| if l.rounds > i { round(l) } else { tail(l, &point) })
            .reduce(|| [E::ZERO; 2], add);
        s.into_iter().for_each(|x| talk.message(label, x));
        r = talk.transcript.challenge(label);
        lines.par_iter_mut().filter(|l| l.rounds > i).for_each(|l| {
            fold(&mut l.omega, r);
            fold(&mut l.cells, r);
        });
        point.push(r);
    }
    let mut values = lines.into_iter().map(|l| l.cells[0]);
    let out = columns.iter().map(|c| values.by_ref().take(c.len()).collect()).collect();
    (point, out)
}

/// A shorter column after its last round: its claim times `prod (1 - x_i)` over the further variables.
fn tail(l: &Line, point: &[E]) -> [E; 2] {
    let Some(w) = l.omega.first() else { return [E::ZERO; 2] };
    let c = point[l.rounds..].iter().fold(*w * l.cells[0], |a, x| a * (E::ONE - *x));
    [c, -c]
}

/// Whether a tree's value columns are extension columns.
#[must_use]
pub fn is_extension(kind: TreeKind) -> bool {
    kind == TreeKind::Helper
}
