//! Weights on granules with the sums of cells that they need until their granule is bound.

use std::collections::BTreeMap;

use proveil_algebra::{E, PrimeCharacteristicRing};
use proveil_relation::claims::Claim;
use proveil_relation::layout::{Layout, Placed};
use proveil_relation::weights::Entry;
use rayon::prelude::*;

use super::Cells;
use crate::limbs::{Accumulator, narrow};
use crate::packed;

/// Cells that one task passes over.
const TASK: usize = 1 << 16;
/// Cells that are narrowed at a time.
const BLOCK: usize = 1 << 12;

/// All entries on one tensor with the same weights inside a granule.
pub(super) struct Piece {
    /// Index in the layout's tensor list.
    pub tensor: usize,
    /// Cells of a granule, as a power of two.
    pub granule: usize,
    /// First granule with a weight.
    first: usize,
    /// Weight of each granule from the first one on.
    pub rows: Vec<E>,
    /// Weights inside a granule, at the bound variables.
    pub low: Vec<E>,
    /// Weighted sums of the granules' cells, at the bound variables.
    sums: Vec<E>,
}

impl Piece {
    /// Where the granules of the piece lie; rows are counted from its first one.
    pub(super) fn runs(&self, placed: &Placed) -> impl Iterator<Item = Run> {
        let (fine, granule) = (placed.dims.granule - self.granule, self.granule);
        let (first, end) = (self.first, self.first + self.rows.len());
        placed.segments.iter().filter_map(move |s| {
            let (from, to) = ((s.row << fine).max(first), ((s.row + s.rows) << fine).min(end));
            let at = (s.start >> granule) + from.saturating_sub(s.row << fine);
            (from < to).then(|| Run { column: s.column, at, row: from - first, rows: to - from })
        })
    }

    pub(super) fn round(&self) -> [E; 2] {
        packed::round_with_two(&self.low, &self.sums)
    }

    pub(super) fn fold(&mut self, r: E) {
        self.low = packed::fold(&self.low, r, E::ZERO);
        self.sums = packed::fold(&self.sums, r, E::ZERO);
    }
}

/// Consecutive granules of a piece in one column.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Column of the tree.
    pub column: usize,
    /// First granule in the column.
    pub at: usize,
    /// First granule of the piece.
    pub row: usize,
    /// Number of granules.
    pub rows: usize,
}

/// Entries of one tensor and granule, each with the weight of its claim.
type Weighted<'a> = Vec<(E, &'a Entry<E>)>;

/// The pieces of all claims, each claim scaled by its weight.
pub(super) fn pieces(layout: &Layout, weighted: &[(E, &Claim<E>)], columns: &[Vec<Cells<'_>>]) -> Vec<Piece> {
    let mut places: BTreeMap<(usize, usize), Weighted<'_>> = BTreeMap::new();
    for (weight, claim) in weighted {
        for e in claim.entries.iter().filter(|e| layout.tensors[e.tensor].tree.is_some()) {
            places.entry((e.tensor, e.granule)).or_default().push((*weight, e));
        }
    }
    let places: Vec<_> = places.into_iter().collect();
    let mut out: Vec<Piece> = places.into_par_iter().flat_map_iter(|(_, entries)| merge(entries)).collect();
    sum(layout, columns, &mut out);
    out
}

/// Joins entries of one tensor and one granule that have the same weights inside a granule. A piece is as long as its
/// entries reach: many speak of a few rows of a long table.
fn merge(entries: Weighted<'_>) -> Vec<Piece> {
    let mut same: Vec<Weighted<'_>> = Vec::new();
    for (weight, e) in entries {
        match same.iter_mut().find(|list| list.first().is_some_and(|(_, p)| p.low == e.low)) {
            Some(list) => list.push((weight, e)),
            None => same.push(vec![(weight, e)]),
        }
    }
    let join = |list: Weighted<'_>| {
        let (_, e) = list.first()?;
        let first = list.iter().map(|(_, e)| e.first).min()?;
        let end = list.iter().map(|(_, e)| e.first + e.rows.len()).max()?;
        let mut rows = vec![E::ZERO; end - first];
        for (weight, e) in &list {
            proveil_algebra::add_scaled(&mut rows[e.first - first..][..e.rows.len()], &e.rows, *weight);
        }
        Some(Piece { tensor: e.tensor, granule: e.granule, first, rows, low: e.low.clone(), sums: Vec::new() })
    };
    same.into_iter().filter_map(join).collect()
}

/// Fills the sums of all pieces that have low variables.
fn sum(layout: &Layout, columns: &[Vec<Cells<'_>>], pieces: &mut [Piece]) {
    let mut tasks = Vec::new();
    for (i, p) in pieces.iter().enumerate().filter(|(_, p)| p.granule > 0) {
        let step = (TASK >> p.granule).max(1);
        for run in p.runs(&layout.tensors[p.tensor]) {
            for from in (0..run.rows).step_by(step) {
                let rows = step.min(run.rows - from);
                tasks.push((i, Run { at: run.at + from, row: run.row + from, rows, ..run }));
            }
        }
    }
    let shared = &*pieces;
    let parts: Vec<(usize, Vec<E>)> = tasks
        .into_par_iter()
        .map(|(i, run)| {
            let p = &shared[i];
            let column = &columns[layout.tensors[p.tensor].tree.unwrap_or_default()][run.column];
            (i, part(p, column, run))
        })
        .collect();
    for p in pieces.iter_mut().filter(|p| p.granule > 0) {
        p.sums = vec![E::ZERO; 1 << p.granule];
    }
    for (i, part) in parts {
        pieces[i].sums.iter_mut().zip(part).for_each(|(s, x)| *s += x);
    }
}

/// The sums over one run.
fn part(p: &Piece, column: &Cells<'_>, run: Run) -> Vec<E> {
    let g = p.granule;
    let mut acc = Accumulator::new(1 << g);
    let weights = &p.rows[run.row..run.row + run.rows];
    let cells = (run.at << g)..((run.at + run.rows) << g);
    match column {
        Cells::Base(f) => {
            let step = (BLOCK >> g).max(1);
            let mut small = Vec::with_capacity(step << g);
            for (w, x) in weights.chunks(step).zip(f[cells].chunks(step << g)) {
                if w.iter().all(|w| *w == E::ZERO) {
                    continue;
                }
                if narrow(x, &mut small) {
                    acc.add_rows(w, &small);
                } else {
                    w.iter().zip(x.chunks(1 << g)).for_each(|(w, x)| acc.add_large(w, x));
                }
            }
        }
        Cells::Ext(f) => {
            weights.iter().zip(f[cells].chunks(1 << g)).for_each(|(w, x)| acc.add_extension(w, x));
        }
    }
    acc.finish()
}
