//! Where claims go. The prover lists them; the verifier needs what public tensors contribute before the last sumcheck, and
//! afterwards each claim's value at the common point, for which no functional is kept.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use proveil_algebra::{Challenge, IntegerWeights, dot, eq_table};

use crate::layout::{Dims, Layout, Placed, Segment};
use crate::weights::{
    Diagonals, Entry, Lines, Low, ProductRows, RowWeights, Rows, Run, Sink, dot_lines, dot_product, eq_points_below,
    eq_runs, eq_segment_into, is_closed,
};

/// Takes claims one after the other: each begins, then its functionals follow.
pub trait ClaimSink<E: Clone>: Sink<E> {
    /// Begins a claim with a constant.
    fn begin(&mut self, name: &'static str, constant: &dyn Fn() -> E);
}

/// A linear claim: `public + sum of entries on committed cells = value`.
#[derive(Clone, Debug)]
pub struct Claim<E> {
    /// Name of the check.
    pub name: &'static str,
    /// What public tensors and constants contribute.
    pub public: E,
    /// Functional on committed tensors.
    pub entries: Vec<Entry<E>>,
}

/// Values of tensors that are public: constants of the key and public inputs and outputs.
pub trait PublicCells {
    /// Row-major cells of a tensor, if it is public.
    fn cells(&self, tensor: usize) -> Option<&[i64]>;
}

/// What public tensors and constants contribute to every claim.
pub struct PublicParts<'a, E> {
    layout: &'a Layout,
    public: &'a dyn PublicCells,
    /// One for each claim so far.
    pub values: Vec<E>,
}

impl<'a, E: Challenge> PublicParts<'a, E> {
    /// Of no claim.
    pub fn new(layout: &'a Layout, public: &'a dyn PublicCells) -> Self {
        Self { layout, public, values: Vec::new() }
    }
}

impl<E: Challenge> Sink<E> for PublicParts<'_, E> {
    fn wants(&self, tensor: usize) -> bool {
        self.layout.tensors.get(tensor).is_some_and(|p| p.tree.is_none())
    }

    fn take(&mut self, tensor: usize, granule: usize, (first, rows): Rows<'_, E>, low: Low<'_, E>) {
        let placed = self.layout.tensors.get(tensor);
        if let (Some(p), Some(cells), Some(v)) = (placed, self.public.cells(tensor), self.values.last_mut()) {
            *v += dot_public(&p.dims, granule, first, &rows, &low.cells(), cells);
        }
    }
}

impl<E: Challenge> ClaimSink<E> for PublicParts<'_, E> {
    fn begin(&mut self, _: &'static str, constant: &dyn Fn() -> E) {
        self.values.push(constant());
    }
}

/// All claims with all they say of committed tensors.
pub struct List<'a, E> {
    parts: PublicParts<'a, E>,
    claims: Vec<(&'static str, Vec<Entry<E>>)>,
}

impl<'a, E: Challenge> List<'a, E> {
    /// No claim.
    pub fn new(layout: &'a Layout, public: &'a dyn PublicCells) -> Self {
        Self { parts: PublicParts::new(layout, public), claims: Vec::new() }
    }

    /// The claims taken.
    #[must_use]
    pub fn finish(self) -> Vec<Claim<E>> {
        let all = self.claims.into_iter().zip(self.parts.values);
        all.map(|((name, entries), public)| Claim { name, public, entries }).collect()
    }
}

impl<E: Challenge> Sink<E> for List<'_, E> {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn take(&mut self, tensor: usize, granule: usize, rows: Rows<'_, E>, low: Low<'_, E>) {
        if self.parts.wants(tensor) {
            self.parts.take(tensor, granule, rows, low);
        } else if let Some((_, entries)) = self.claims.last_mut() {
            entries.take(tensor, granule, rows, low);
        }
    }
}

impl<E: Challenge> ClaimSink<E> for List<'_, E> {
    fn begin(&mut self, name: &'static str, constant: &dyn Fn() -> E) {
        self.parts.begin(name, constant);
        self.claims.push((name, Vec::new()));
    }
}

/// `sum weight * cell` over row-major cells.
fn dot_public<E: Challenge>(dims: &Dims, granule: usize, first: usize, rows: &[E], low: &[E], cells: &[i64]) -> E {
    let low = IntegerWeights::new(low);
    let mut acc = E::ZERO;
    for (r, weight) in rows.iter().enumerate().filter(|(_, w)| !w.is_zero()) {
        let row = cells.get(dims.row_cells(first + r, granule)).unwrap_or_default();
        acc += *weight * low.dot(row);
    }
    acc
}

/// Rows of `2^granule` cells of a tensor.
#[derive(Clone, Copy)]
struct Place {
    tensor: usize,
    granule: usize,
    first: usize,
    len: usize,
}

/// Rows `from .. to` of a tensor that follow each other in a column, from its row `start` on.
struct Stretch {
    column: usize,
    from: usize,
    to: usize,
    start: usize,
}

/// The columns that hold a tensor.
#[derive(Clone, Copy)]
struct Columns {
    tree: usize,
    height: usize,
}

impl Place {
    /// Where the rows lie.
    fn segments(self, placed: &Placed) -> impl Iterator<Item = Stretch> {
        let fine = placed.dims.granule - self.granule;
        let own = move |s: &Segment| {
            let row = s.row << fine;
            let (from, to) = (row.max(self.first), ((s.row + s.rows) << fine).min(self.first + self.len));
            let start = (s.start >> self.granule) + from.saturating_sub(row);
            (from < to).then_some(Stretch { column: s.column, from, to, start })
        };
        placed.segments.iter().filter_map(own)
    }
}

/// Who takes which functional: of those who share them, the first to come to it. Whoever comes late does what is left.
#[derive(Debug, Default)]
pub struct Turns(AtomicUsize);

impl Turns {
    /// Whether nobody has taken functional number `own`; all before it are taken.
    fn take(&self, own: usize) -> bool {
        self.0.compare_exchange(own, own + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Values at a point of the functionals that claims, weighted by powers of `gamma`, induce on the columns of all trees.
pub struct AtPoint<'a, E> {
    layout: &'a Layout,
    tau: &'a [E],
    gamma: E,
    /// Weight of the present claim.
    weight: E,
    claims: usize,
    /// `eq(tau, j)` for cells of a row, by granule.
    low: BTreeMap<usize, Vec<E>>,
    /// By height of the column and granule: rows weighted so far, and `eq(tau, r)` of all rows once these are many.
    high: BTreeMap<(usize, usize), (usize, Vec<E>)>,
    /// Sums of runs at the point.
    diagonals: Diagonals<E>,
    spare: Vec<E>,
    segment: Vec<E>,
    memory: Vec<E>,
    /// With whom the functionals are shared, and how many there were so far.
    turns: Option<&'a Turns>,
    asked: usize,
    out: Vec<Vec<E>>,
}

impl<'a, E: Challenge> AtPoint<'a, E> {
    /// No claim.
    pub fn new(layout: &'a Layout, tau: &'a [E], gamma: E) -> Self {
        Self::share(layout, tau, gamma, None)
    }

    /// No claim; of the functionals it will take those that no other taker of the same turns has taken.
    pub fn share(layout: &'a Layout, tau: &'a [E], gamma: E, turns: Option<&'a Turns>) -> Self {
        let out = layout.trees.iter().map(|t| vec![E::ZERO; t.columns]).collect();
        Self {
            layout,
            tau,
            gamma,
            weight: E::ONE,
            claims: 0,
            low: BTreeMap::new(),
            high: BTreeMap::new(),
            diagonals: Diagonals::new(),
            spare: Vec::new(),
            segment: Vec::new(),
            memory: Vec::new(),
            turns,
            asked: 0,
            out,
        }
    }

    /// Adds a functional of so many rows of a tensor from a first one on, each of which weighs `inner` at the point; `rows`
    /// gives the inner product of row weights, from one of them on, with a vector that is as long as it says, and may use
    /// memory.
    fn add(&mut self, place: Place, inner: E, rows: impl Fn(usize, &[E], &mut Vec<E>) -> E) {
        let Some((placed, column)) = self.placed(place.tensor) else { return };
        let above = self.split(column.height, place.granule).1;
        let inner = inner * self.weight;
        let (used, table) = self.high.entry((column.height, place.granule)).or_default();
        *used += place.len;
        // Where rows are many, one table serves all.
        if table.is_empty() && *used >= 1 << above.len() {
            *table = eq_table(above);
        }
        for s in place.segments(placed) {
            let (start, n) = (s.start, s.to - s.from);
            let eq = if table.is_empty() {
                self.segment.clear();
                eq_segment_into(above, start, n, E::ONE, &mut self.segment);
                &self.segment
            } else {
                table.get(start..start + n).unwrap_or_default()
            };
            if let Some(o) = self.out.get_mut(column.tree).and_then(|c| c.get_mut(s.column)) {
                *o += inner * rows(s.from - place.first, eq, &mut self.memory);
            }
        }
    }

    /// [`AtPoint::add`] of lines whose weights are runs.
    fn add_lines(&mut self, place: Place, inner: E, runs: &[Run<'_, E>], fast: &[E]) {
        let Some((placed, column)) = self.placed(place.tensor) else { return };
        let above = self.split(column.height, place.granule).1;
        let inner = inner * self.weight;
        let Some(out) = self.out.get_mut(column.tree) else { return };
        for r in runs {
            let mut pair = self.diagonals.pair(r, fast, above);
            for s in place.segments(placed) {
                let rows = (s.from - place.first, s.to - place.first);
                let own = match &mut pair {
                    Some(pair) => pair.dot(r, rows, s.start),
                    None => dot_lines(&[*r], fast, rows, above, s.start),
                };
                out.iter_mut().skip(s.column).take(1).for_each(|o| *o += inner * own);
            }
        }
    }

    /// A tensor's place, its tree and the height of its columns; `None` if no tree holds it.
    fn placed(&self, tensor: usize) -> Option<(&'a Placed, Columns)> {
        let placed = self.layout.tensors.get(tensor)?;
        let tree = placed.tree?;
        let group = self.layout.trees.get(tree).map_or(0, |t| t.group);
        let height = self.layout.heights.get(group).copied().unwrap_or(0).min(self.tau.len());
        Some((placed, Columns { tree, height }))
    }

    /// The point, inside rows of `2^granule` cells and above.
    fn split(&self, height: usize, granule: usize) -> (&'a [E], &'a [E]) {
        self.tau.get(..height).unwrap_or_default().split_at(granule.min(height))
    }

    /// What the weights inside a row amount to at the point.
    fn inner(&mut self, tensor: usize, granule: usize, low: &Low<'_, E>) -> E {
        let Some((_, column)) = self.placed(tensor) else { return E::ZERO };
        let inside = self.split(column.height, granule).0;
        match low {
            Low::Eq { points, scale, valid } => eq_points_below(inside, points, *valid) * *scale,
            Low::Run { point, scale, at, len, .. } => eq_runs((point, 0), (inside, *at), *len) * *scale,
            Low::Cells(cells) => dot(self.low.entry(granule).or_insert_with(|| eq_table(inside)), cells),
        }
    }

    /// Adds a functional whose row weights are a tensor product.
    fn add_product(&mut self, (tensor, granule): (usize, usize), inner: E, rows: ProductRows<'_, E>) {
        let ProductRows { first, slow, fast } = rows;
        let place = Place { tensor, granule, first, len: slow.count() * fast.len() };
        match slow {
            RowWeights::Runs { runs, .. } if is_closed(runs, fast.len()) => self.add_lines(place, inner, runs, fast),
            _ => {
                let slow = slow.dense();
                self.add(place, inner, |from, eq, spare| dot_product(&slow, fast, from, eq, spare));
            }
        }
    }

    /// `[tree][column]`.
    #[must_use]
    pub fn finish(self) -> Vec<Vec<E>> {
        self.out
    }
}

impl<E: Challenge> Sink<E> for AtPoint<'_, E> {
    fn wants(&self, tensor: usize) -> bool {
        self.layout.tensors.get(tensor).is_some_and(|p| p.tree.is_some())
    }

    fn turn(&mut self) -> bool {
        let own = self.asked;
        self.asked += 1;
        self.turns.is_none_or(|t| t.take(own))
    }

    fn take(&mut self, tensor: usize, granule: usize, (first, rows): Rows<'_, E>, low: Low<'_, E>) {
        let place = Place { tensor, granule, first, len: rows.len() };
        let inner = self.inner(tensor, granule, &low);
        self.add(place, inner, |from, eq, _| dot(rows.get(from..).unwrap_or_default(), eq));
        if let Cow::Owned(rows) = rows
            && rows.capacity() > self.spare.capacity()
        {
            self.spare = rows;
        }
    }

    fn take_product(&mut self, tensor: usize, granule: usize, rows: ProductRows<'_, E>, low: Low<'_, E>) {
        let inner = self.inner(tensor, granule, &low);
        self.add_product((tensor, granule), inner, rows);
    }

    fn take_lines(&mut self, tensor: usize, granule: usize, lines: Lines<'_, E>) {
        let eq = self.low.entry(granule).or_insert_with(|| eq_table(self.tau.get(..granule).unwrap_or(self.tau)));
        let own = lines.cells.chunks(1 << granule).map(|cells| dot(eq, cells));
        // Several lines are one product with the granules of a whole line.
        let alone = lines.slow.count() == 1;
        let (before, after) = if alone { (0, 0) } else { (lines.from, lines.chunks) };
        let mut fast: Vec<E> = core::iter::repeat_n(E::ZERO, before).chain(own).collect();
        fast.resize(fast.len().max(after), E::ZERO);
        let first = lines.first * lines.chunks + if alone { lines.from } else { 0 };
        let rows = ProductRows { first, slow: lines.slow, fast: &fast };
        // What is inside a row is in `fast`.
        self.add_product((tensor, granule), E::ONE, rows);
    }

    fn spare(&mut self) -> Vec<E> {
        let mut out = core::mem::take(&mut self.spare);
        out.clear();
        out
    }
}

impl<E: Challenge> ClaimSink<E> for AtPoint<'_, E> {
    fn begin(&mut self, _: &'static str, _: &dyn Fn() -> E) {
        self.weight = if self.claims == 0 { E::ONE } else { self.weight * self.gamma };
        self.claims += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_each_turn_once_from_whoever_comes_first() {
        let turns = Turns::default();
        // The second one is late, then ahead.
        let asked =
            [(0, true), (1, true), (0, false), (1, false), (2, true), (2, false), (3, true), (4, true), (3, false)];
        for (own, first) in asked {
            assert_eq!(turns.take(own), first, "{own}");
        }
    }
}
