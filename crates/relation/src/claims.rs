//! The claims that phases 1 and 2 leave for phase 3, as functionals on tensors; one piece of code for both parties.
//!
//! Symbols: `alpha`, `beta` fingerprint challenges; fraction `x` of lane `j` has denominator
//! `D_j(x) = alpha - W_j(x)`, `W = id + beta v1 + beta^2 v2 + ..`, and numerator 1 (look-up), `-m` (table row) or
//! 0 (unused address); `rho` the point of phase 1, extended for wide outputs; `delta` weighs lanes and outputs:
//! lane 0, lane 1, output 0, ... have weights 1, delta, delta^2, ...; `kappa` the point of phase 2.

mod sink;

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, Tasks, add_scaled, eq_index, eq_table};

use crate::decl::{Access, Affine, Coef, Expr, Home, Relation};
use crate::groups::{Group, Side};
use crate::key::{IoVisibility, Visibility};
use crate::layout::{Block, Dims, LaneSegment, Layout};
use crate::table::{Column, Part, Table};
use crate::terms::{LinearTerm, ProductTerm, Source};
use crate::weights::{Factor, Sink, eq_segment_into, eq_sum, push};

pub use sink::{AtPoint, Claim, ClaimSink, List, PublicCells, PublicParts};

/// Address weights of a space: cell weight is `rows[row] * eq(low, cell in row)`.
#[derive(Clone, Debug)]
pub struct SpaceWeights<E> {
    /// One for each granule.
    pub rows: Vec<E>,
    /// Point for the cell inside a granule.
    pub low: Vec<E>,
}

/// The coefficient as a field element.
pub fn coef<E: Challenge>(c: Coef) -> E {
    let half = E::ONE.halve();
    E::from_int(c.num) * half.exp_u64(u64::from(c.shift))
}

/// Everything the later phases need to know about a run, public on both sides.
#[derive(Clone, Debug)]
pub struct Point<E> {
    /// Fingerprint challenge.
    pub alpha: E,
    /// Tuple challenge.
    pub beta: E,
    /// Point of phase 1, `max(nv, out_vars)` coordinates.
    pub rho: Vec<E>,
    /// Lane and output weight.
    pub delta: E,
}

impl<E: Challenge> Point<E> {
    /// Weights of lane 0, lane 1, output 0, output 1, ...
    fn weight(&self, k: usize) -> E {
        self.delta.exp_u64(k as u64)
    }

    fn low(&self, dims: &Dims) -> Vec<E> {
        self.rho.get(..dims.granule).unwrap_or_default().to_vec()
    }

    fn rho_nv(&self, layout: &Layout) -> &[E] {
        self.rho.get(..layout.nv).unwrap_or_default()
    }

    /// Row weights of a block, lanes weighted by `lane`.
    fn block_rows(&self, layout: &Layout, block: &Block, lane: impl Fn(&LaneSegment) -> E) -> Vec<E> {
        let g = block.dims.granule;
        let mut rows = vec![E::ZERO; block.dims.rows()];
        for s in &block.segments {
            let w = lane(s);
            let high = self.rho_nv(layout).get(g..).unwrap_or_default();
            let mut eq = Vec::with_capacity(s.rows);
            eq_segment_into(high, s.start >> g, s.rows, w, &mut eq);
            rows.iter_mut().skip(s.row).zip(eq).for_each(|(r, e)| *r = e);
        }
        rows
    }

    /// Address weights of a look-up or table block, lanes weighted 1 and delta.
    pub fn block(&self, layout: &Layout, block: &Block) -> SpaceWeights<E> {
        let rows = self.block_rows(layout, block, |s| self.weight(s.lane));
        SpaceWeights { rows, low: self.low(&block.dims) }
    }

    /// Address weights of an output.
    pub fn output(&self, layout: &Layout, o: usize) -> SpaceWeights<E> {
        let Some(dims) = layout.outputs.get(o) else { return SpaceWeights { rows: vec![], low: vec![] } };
        let high = self.rho.get(dims.granule..).unwrap_or_default();
        let w = self.weight(2 + o);
        let mut rows = Vec::with_capacity(dims.rows());
        eq_segment_into(high, 0, dims.rows(), w, &mut rows);
        SpaceWeights { rows, low: self.low(dims) }
    }

    /// Scale of tuple column `c`.
    fn column(&self, c: usize) -> E {
        self.beta.exp_u64(c as u64 + 1)
    }
}

/// Sum of the weights of the valid cells of a block, lanes weighted by `lane`.
fn block_total<E: Challenge>(layout: &Layout, p: &Point<E>, b: &Block, lane: impl Fn(&LaneSegment) -> E) -> E {
    let (d, low) = (&b.dims, p.low(&b.dims));
    let tail = d.last & ((1 << d.granule) - 1);
    if tail != 0 && d.chunks() > 1 {
        let rows = p.block_rows(layout, b, lane);
        return total(d, &SpaceWeights { rows, low });
    }
    // All granules hold the same number of cells.
    let cells = if tail == 0 { E::ONE } else { eq_sum(&low, tail) };
    let high = p.rho_nv(layout).get(d.granule..).unwrap_or_default();
    let sum = |s: &LaneSegment| {
        let start = s.start >> d.granule;
        lane(s) * (eq_sum(high, start + s.rows) - eq_sum(high, start))
    };
    b.segments.iter().fold(E::ZERO, |a, s| a + sum(s)) * cells
}

/// Sum of the weights of all valid cells.
pub fn total<E: Challenge>(dims: &Dims, w: &SpaceWeights<E>) -> E {
    let low = eq_table(&w.low);
    let full = low.iter().fold(E::ZERO, |a, x| a + *x);
    let tail = dims.last & ((1 << dims.granule) - 1);
    let part = if tail == 0 { full } else { low.iter().take(tail).fold(E::ZERO, |a, x| a + *x) };
    let chunks = dims.chunks().max(1);
    let sum = |rows: &mut dyn Iterator<Item = &E>| rows.fold(E::ZERO, |a, r| a + *r);
    let (all, ends) = (sum(&mut w.rows.iter()), sum(&mut w.rows.iter().skip(chunks - 1).step_by(chunks)));
    (all - ends) * full + ends * part
}

/// Sum of the weights of all valid cells, each times the cell's row-major number.
pub fn numbers<E: Challenge>(dims: &Dims, w: &SpaceWeights<E>) -> E {
    let low = eq_table(&w.low);
    let moments = |cells: usize| {
        let weighed = low.iter().take(cells).enumerate();
        weighed.fold((E::ZERO, E::ZERO), |(a, b), (j, x)| (a + *x, b + *x * E::from_int(j as i64)))
    };
    let (step, chunks) = (1usize << dims.granule, dims.chunks().max(1));
    let tail = dims.last - (chunks - 1) * step;
    let (full, part) = (moments(step), moments(tail));
    let (mut acc, mut at) = (E::ZERO, 0);
    for (i, r) in w.rows.iter().enumerate() {
        let ((sum, moment), cells) = if (i + 1) % chunks == 0 { (part, tail) } else { (full, step) };
        acc += *r * (sum * E::from_int(at) + moment);
        at += cells as i64;
    }
    acc
}

/// The numerator of lane `j` at `rho`: the indicator of look-ups less the multiplicities.
fn numerator<E: Challenge>(
    (name, lane): (&'static str, usize),
    relation: &Relation,
    layout: &Layout,
    p: &Point<E>,
    out: &mut impl ClaimSink<E>,
) {
    let pick = |s: &LaneSegment| if s.lane == lane { E::ONE } else { E::ZERO };
    let weights = |b: &Block| SpaceWeights { rows: p.block_rows(layout, b, pick), low: p.low(&b.dims) };
    let here = |b: &Block| b.segments.iter().any(|s| s.lane == lane);
    let num = relation.lookups.len();
    let lookups = layout.blocks.iter().take(num).filter(|b| here(b));
    out.begin(name, &|| lookups.clone().fold(E::ZERO, |a, b| a + block_total(layout, p, b, pick)));
    for (t, b) in layout.blocks.iter().skip(num).enumerate().filter(|(_, b)| here(b)) {
        let multiplicity = layout.multiplicity(relation, t);
        if out.wants(multiplicity) && out.turn(cost(&b.dims.shape, &b.dims)) {
            let w = weights(b);
            let vars = (0..b.dims.shape.len()).collect();
            let f = [Factor::Space { vars, granule: b.dims.granule, rows: (&w.rows[..]).into(), low: &w.low }];
            push(&b.dims.shape, &f, -E::ONE, &identity(multiplicity, b.dims.shape.len()), &b.dims, out);
        }
    }
}

/// What pushing weights of variables of these lengths through an access costs: about as much as so many rows.
fn cost(extents: &[usize], tensor: &Dims) -> usize {
    /// Rows that take as long as what every access costs.
    const ACCESS: usize = 128;
    ACCESS + (extents.iter().fold(1, |n: usize, x| n.saturating_mul(*x)) >> tensor.granule)
}

/// Reads cell after cell of a tensor with so many axes.
fn identity(tensor: usize, rank: usize) -> Access {
    Access { tensor: tensor as u32, axes: (0..rank as u32).map(Affine::var).collect(), guards: vec![] }
}

/// Claims of phase 1: helper at rho, sum of all fractions, numerators of both lanes.
pub fn phase1<E: Challenge>(relation: &Relation, layout: &Layout, p: &Point<E>, out: &mut impl ClaimSink<E>) {
    let h = layout.helper(relation);
    if let Some(t) = layout.tensors.get(h) {
        out.begin("look-up helper", &|| E::ZERO);
        if out.turn(cost(&[t.dims.last], &t.dims)) {
            let f = [Factor::Eq { var: 0, pt: p.rho_nv(layout).to_vec() }];
            push(&[t.dims.last], &f, E::ONE, &identity(h, 1), &t.dims, out);
        }
        out.begin("look-up sum", &|| E::ZERO);
        if out.turn(cost(&[t.dims.last], &t.dims)) {
            push(&[t.dims.last], &[], E::ONE, &identity(h, 1), &t.dims, out);
        }
    }
    for lane in [("look-up numerator, lane 0", 0), ("look-up numerator, lane 1", 1)] {
        numerator(lane, relation, layout, p, out);
    }
}

/// Address weights of every look-up, table of committed rows and output, computed once and used by several steps.
#[derive(Clone, Debug)]
pub struct AddressWeights<E> {
    /// One for each block of the layout; `None` for public tables, whose rows have closed forms.
    pub blocks: Vec<Option<SpaceWeights<E>>>,
    /// One for each output; `None` for a private output, about which nothing is claimed.
    pub outputs: Vec<Option<SpaceWeights<E>>>,
    /// One for each product term of the layout that several sources share.
    sums: Vec<Option<SpaceWeights<E>>>,
}

impl<E: Challenge> AddressWeights<E> {
    /// At a point.
    pub fn new(
        relation: &Relation,
        layout: &Layout,
        visibility: &Visibility,
        p: &Point<E>,
        tasks: &impl Tasks,
    ) -> Self {
        let looked = relation.lookups.len();
        let dense = |i: usize| i < looked || relation.tables.get(i - looked).is_some_and(|t| t.expressions().is_some());
        let block = |i: usize| layout.blocks.get(i).filter(|_| dense(i)).map(|b| p.block(layout, b));
        let blocks = tasks.map(layout.blocks.len(), block);
        let shown = |o: usize| visibility.output(o as u32) != IoVisibility::Private;
        let outputs = (0..relation.outputs.len()).map(|o| shown(o).then(|| p.output(layout, o))).collect();
        let mut out = Self { blocks, outputs, sums: Vec::new() };
        let own = |t: &ProductTerm| match out.sum(p, &t.sources) {
            Some((Cow::Owned(w), _)) => Some(w),
            _ => None,
        };
        out.sums = tasks.map(layout.products.len(), |i| layout.products.get(i).and_then(own));
        out
    }

    /// Weights of a source's space with the scale of its column; `None` when nothing is claimed there.
    fn of(&self, p: &Point<E>, source: Source) -> Option<(&SpaceWeights<E>, E)> {
        match source {
            Source::Block(i, c) => Some((self.blocks.get(i)?.as_ref()?, p.column(c))),
            Source::Output(o) => Some((self.outputs.get(o)?.as_ref()?, E::ONE)),
        }
    }

    /// The weights of terms that read the same, times their coefficients, added up: those of the only one with a scale,
    /// or a sum. `None` when nothing is claimed of any.
    fn sum(&self, p: &Point<E>, sources: &[(Source, Coef)]) -> Option<(Cow<'_, SpaceWeights<E>>, E)> {
        let mut claimed = sources.iter().filter_map(|(s, c)| self.of(p, *s).map(|(w, k)| (w, k * coef::<E>(*c))));
        let (first, scale) = claimed.next()?;
        let Some(second) = claimed.next() else { return Some((Cow::Borrowed(first), scale)) };
        let mut out = first.clone();
        proveil_algebra::scale(&mut out.rows, scale);
        for (w, k) in [second].into_iter().chain(claimed) {
            add_scaled(&mut out.rows, &w.rows, k);
        }
        Some((Cow::Owned(out), E::ONE))
    }

    /// Address weights of a group's term with their scale; `None` when nothing is claimed there.
    pub fn term<'a>(
        &'a self,
        layout: &'a Layout,
        p: &Point<E>,
        g: &Group,
    ) -> Option<(&'a SpaceWeights<E>, &'a Dims, E)> {
        let term = layout.products.get(g.term)?;
        match self.sums.get(g.term)? {
            Some(w) => Some((w, &term.dims, E::ONE)),
            None => {
                let mut claimed = term.sources.iter().filter_map(|(s, c)| Some((self.of(p, *s)?, *c)));
                let ((w, k), c) = claimed.next()?;
                Some((w, &term.dims, k * coef::<E>(c)))
            }
        }
    }
}

/// What the phase 2 claim contains besides products and linear terms: table ids, constants, table rows.
pub fn phase2_public<E: Challenge>(
    relation: &Relation,
    layout: &Layout,
    p: &Point<E>,
    weights: &AddressWeights<E>,
    tasks: &impl Tasks,
) -> E {
    /// Terms of a share that takes longer than handing it over.
    const LEAST: usize = 32;
    let constants = |table: usize, first: usize, tuple: &[Expr]| {
        let columns = tuple.iter().enumerate();
        columns.fold(table_id::<E>(table), |a, (c, e)| a + p.column(first + c) * coef::<E>(e.constant))
    };
    let of_lookup = |i: usize| {
        let (l, b) = (relation.lookups.get(i)?, layout.blocks.get(i)?);
        weights.blocks.get(i)?.as_ref()?;
        Some(block_total(layout, p, b, |s| p.weight(s.lane)) * constants(l.table as usize, 0, &l.tuple))
    };
    let of_output = |o: usize| {
        let (output, d) = (relation.outputs.get(o)?, layout.outputs.get(o)?);
        Some(total(d, weights.outputs.get(o)?.as_ref()?) * coef::<E>(output.expr.constant))
    };
    let of_table = |t: usize| {
        let (table, at) = (relation.tables.get(t)?, relation.lookups.len() + t);
        let b = layout.blocks.get(at)?;
        if let Some((_, columns)) = table.expressions() {
            let w = weights.blocks.get(at)?.as_ref()?;
            return Some(total(&b.dims, w) * constants(t, 1, columns) + numbers(&b.dims, w) * p.column(0));
        }
        let powers: Vec<E> = (0..table.width()).map(|c| p.column(c)).collect();
        let part = |s: &LaneSegment| {
            // A table block may be cut between lanes; rows are then evaluated as a sub-table.
            let (from, to) = (s.row << b.dims.granule, ((s.row + s.rows) << b.dims.granule).min(b.dims.last));
            let rows = sub_table(table.parts(), from, to);
            p.weight(s.lane) * rows.evaluate(p.rho_nv(layout), s.start, table_id(t), &powers)
        };
        Some(b.segments.iter().fold(E::ZERO, |a, s| a + part(s)))
    };
    let (lookups, outputs) = (relation.lookups.len(), relation.outputs.len());
    let term = |i: usize| match i {
        i if i < lookups => of_lookup(i),
        i if i < lookups + outputs => of_output(i - lookups),
        i => of_table(i - lookups - outputs),
    };
    let all = lookups + outputs + relation.tables.len();
    let shares = tasks.shares().min(all / LEAST).max(1);
    let share = |k: usize| (k..all).step_by(shares).filter_map(term).fold(E::ZERO, |a, x| a + x);
    tasks.map(shares, share).into_iter().fold(E::ZERO, |a, x| a + x)
}

fn sub_table(rows: &[Part], from: usize, to: usize) -> Table {
    let mut parts = Vec::new();
    let mut at = 0;
    for p in rows {
        let n = p.len as usize;
        let (a, b) = (from.clamp(at, at + n) - at, to.clamp(at, at + n) - at);
        if a < b {
            let cut = |c: &Column| match c {
                Column::Ramp(s) => Column::Ramp(s + a as i64),
                Column::Constant(k) => Column::Constant(*k),
                Column::Values(v) => Column::Values(v.get(a..b).unwrap_or_default().to_vec()),
            };
            parts.push(Part { len: (b - a) as u32, columns: p.columns.iter().map(cut).collect() });
        }
        at += n;
    }
    Table::public("", parts)
}

/// The additive id of table `t`.
pub fn table_id<E: Challenge>(t: usize) -> E {
    E::from_int(t as i64 + 1)
}

/// A group, the sum of the weights of outer variables of all that differ by these only, and its factors.
type Joint<'a, E> = (&'a Group, Vec<E>, Vec<Factor<'a, E>>);

/// The functional of one side of phase 2 at `kappa`.
pub fn product_side<E: Challenge>(
    layout: &Layout,
    p: &Point<E>,
    weights: &AddressWeights<E>,
    kappa: &[E],
    side: Side,
    out: &mut impl Sink<E>,
) {
    // Operands that differ by their scale only are pushed once.
    let mut scales = vec![E::ZERO; layout.groups.len()];
    for g in layout.groups.iter().filter(|g| out.wants(g.access(side).tensor as usize)) {
        let Some((_, _, scale)) = weights.term(layout, p, g) else { continue };
        let block = eq_index(kappa.get(g.bits()..).unwrap_or_default(), (g.offset >> g.bits()) as u64);
        let first = g.first.get(side.index()).copied().unwrap_or_default();
        if let Some(s) = scales.get_mut(first) {
            *s += block * side_scale(g, side, scale);
        }
    }
    // Operands that differ by the weights of outer variables only are pushed once, with the sum of these.
    let mut joint: BTreeMap<usize, Joint<'_, E>> = BTreeMap::new();
    let mut turns: BTreeMap<usize, bool> = BTreeMap::new();
    let pushed = |g: &Group, factors: &[Factor<'_, E>], scale, out: &mut _| {
        let access = g.access(side);
        if let Some(t) = layout.tensors.get(access.tensor as usize) {
            push(&g.side_extents(side), factors, scale, access, &t.dims, out);
        }
    };
    for ((i, g), scale) in layout.groups.iter().enumerate().zip(scales) {
        let tensor = g.access(side).tensor as usize;
        if scale.is_zero() || g.first.get(side.index()) != Some(&i) || !out.wants(tensor) {
            continue;
        }
        // An operand that carries no weights of the space may stand for others though nothing is claimed of its own.
        let space = weights.term(layout, p, g);
        let unit = g.joint.get(side.index()).copied().flatten().filter(|_| space.is_some()).unwrap_or(i);
        let Some(t) = layout.tensors.get(tensor) else { continue };
        if !*turns.entry(unit).or_insert_with(|| out.turn(cost(&g.side_extents(side), &t.dims))) {
            continue;
        }
        let mut factors = space.map_or_else(Vec::new, |(w, dims, _)| g.side_factors(side, dims, &w.rows, &w.low));
        let same = match (g.joint.get(side.index()), factors.first_mut()) {
            (Some(Some(j)), Some(Factor::Outer { rows, .. })) => Some((*j, core::mem::take(rows))),
            _ => None,
        };
        if let Some((j, rows)) = &same
            && let Some((_, sum, _)) = joint.get_mut(j)
        {
            add_scaled(sum, rows, scale);
            continue;
        }
        let mut at = 0;
        for (var, bits) in &g.kappa {
            factors.push(Factor::Eq { var: *var, pt: kappa.get(at..at + bits).unwrap_or_default().to_vec() });
            at += bits;
        }
        match same {
            Some((j, mut rows)) => {
                proveil_algebra::scale(&mut rows, scale);
                joint.insert(j, (g, rows, factors));
            }
            None => pushed(g, &factors, scale, out),
        }
    }
    for (g, sum, mut factors) in joint.into_values() {
        if let Some(Factor::Outer { rows, .. }) = factors.first_mut() {
            *rows = sum;
        }
        pushed(g, &factors, E::ONE, out);
    }
}

/// The scale of a term rides on the operand that carries the row weights.
pub fn side_scale<E: Challenge>(g: &Group, side: Side, scale: E) -> E {
    if g.rows_to == side { scale } else { E::ONE }
}

/// Pushes linear terms of one weight, or a series of them: member `k` is scaled by `scales[k]` and reads `k step` cells
/// further along the last axis.
fn push_linear<E: Challenge>(
    layout: &Layout,
    w: &SpaceWeights<E>,
    term: &LinearTerm,
    scales: &[E],
    out: &mut impl Sink<E>,
) {
    let (dims, l) = (&term.dims, &term.linear);
    let Some(t) = layout.tensors.get(l.access.tensor as usize) else { return };
    let mut extents: Vec<usize> = dims.shape.iter().copied().chain(l.sum.iter().map(|n| *n as usize)).collect();
    let vars = (0..dims.shape.len()).collect();
    let mut factors = vec![Factor::Space { vars, granule: dims.granule, rows: (&w.rows[..]).into(), low: &w.low }];
    if let [scale] = scales {
        return push(&extents, &factors, *scale, &l.access, &t.dims, out);
    }
    let mut access = l.access.clone();
    if let Some(last) = access.axes.last_mut() {
        last.terms.push((extents.len() as u32, term.step));
    }
    factors.push(Factor::Outer { vars: vec![extents.len()], rows: scales.to_vec() });
    extents.push(scales.len());
    push(&extents, &factors, E::ONE, &access, &t.dims, out);
}

/// Linear terms of all expressions, and committed outputs, as one functional.
pub fn linear_side<E: Challenge>(
    relation: &Relation,
    layout: &Layout,
    visibility: &Visibility,
    p: &Point<E>,
    weights: &AddressWeights<E>,
    scale: E,
    out: &mut impl Sink<E>,
) {
    for term in layout.linears.iter().filter(|t| out.wants(t.linear.access.tensor as usize)).collect::<Vec<_>>() {
        let Some(t) = layout.tensors.get(term.linear.access.tensor as usize) else { continue };
        if !out.turn(cost(&term.dims.shape, &t.dims).saturating_mul(term.sources.len())) {
            continue;
        }
        if term.step == 0 {
            if let Some((w, k)) = weights.sum(p, &term.sources) {
                push_linear(layout, &w, term, &[scale * k], out);
            }
            continue;
        }
        let own = |(s, c): &(Source, Coef)| weights.of(p, *s).map(|(w, k)| (w, scale * k * coef::<E>(*c)));
        let (spaces, scales): (Vec<_>, Vec<E>) = term.sources.iter().filter_map(own).unzip();
        // A series is of one block.
        if let Some(w) = spaces.first() {
            push_linear(layout, w, term, &scales, out);
        }
    }
    for (t, decl) in relation.tensors.iter().enumerate() {
        let Home::Output(o) = decl.home else { continue };
        let (Some(Some(w)), Some(dims)) = (weights.outputs.get(o as usize), layout.outputs.get(o as usize)) else {
            continue;
        };
        if visibility.output(o) != IoVisibility::Committed || !out.turn(cost(&dims.shape, dims)) {
            continue;
        }
        let vars: Vec<usize> = (0..dims.shape.len()).collect();
        let axes = vars.iter().map(|v| Affine::var(*v as u32)).collect();
        let f = [Factor::Space { vars, granule: dims.granule, rows: (&w.rows[..]).into(), low: &w.low }];
        if let Some(placed) = layout.tensors.get(t) {
            let access = Access { tensor: t as u32, axes, guards: vec![] };
            push(&dims.shape, &f, -scale, &access, &placed.dims, out);
        }
    }
}
