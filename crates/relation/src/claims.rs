//! The claims that phases 1 and 2 leave for phase 3, as functionals on tensors; one piece of code for both parties.
//!
//! Symbols: `alpha`, `beta` fingerprint challenges; fraction `x` of lane `j` has denominator
//! `D_j(x) = alpha - W_j(x)`, `W = id + beta v1 + beta^2 v2 + ..`, and numerator 1 (look-up), `-m` (table row) or
//! 0 (unused address); `rho` the point of phase 1, extended for wide outputs; `delta` weighs lanes and outputs:
//! lane 0, lane 1, output 0, ... have weights 1, delta, delta^2, ...; `kappa` the point of phase 2.

mod sink;

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, Tasks, add_scaled, eq_index, eq_table};

use crate::decl::{Access, Affine, Coef, Expr, Home, Relation};
use crate::groups::{Group, Side};
use crate::key::{IoVisibility, Visibility};
use crate::layout::{Block, Dims, LaneSegment, Layout};
use crate::table::{Column, Part, Table};
use crate::terms::{LinearTerm, Source};
use crate::weights::{Factor, RowWeights, Run, Sink, dense, eq_sum, push, push_runs};

pub use sink::{AtPoint, Claim, ClaimSink, List, PublicCells, PublicParts, Turns};

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
    E::from_int(c.num).div_2exp_u64(u64::from(c.shift))
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
    fn block_runs<'p>(
        &'p self,
        layout: &Layout,
        block: &'p Block,
        lane: impl Fn(&LaneSegment) -> E,
    ) -> impl Iterator<Item = Run<'p, E>> {
        let (point, inside) = (self.rho_nv(layout), block.dims.granule);
        block.segments.iter().map(move |s| Run {
            point,
            inside,
            row: s.row,
            rows: s.rows,
            start: s.start >> inside,
            weight: lane(s),
        })
    }

    /// Row weights of a source's space times a scale.
    fn runs<'p>(&'p self, layout: &'p Layout, source: Source, scale: E, out: &mut Vec<Run<'p, E>>) {
        match source {
            Source::Block(i, _) => {
                let own = layout.blocks.get(i).map(|b| self.block_runs(layout, b, |s| scale * self.weight(s.lane)));
                out.extend(own.into_iter().flatten());
            }
            Source::Output(o) => out.extend(layout.outputs.get(o).map(|dims| {
                let weight = scale * self.weight(2 + o);
                Run { point: &self.rho, inside: dims.granule, row: 0, rows: dims.rows(), start: 0, weight }
            })),
        }
    }

    /// Address weights of a source's space.
    fn space(&self, layout: &Layout, dims: &Dims, source: Source) -> SpaceWeights<E> {
        let mut runs = Vec::new();
        self.runs(layout, source, E::ONE, &mut runs);
        SpaceWeights { rows: dense(&runs, dims.rows()), low: self.low(dims) }
    }

    /// Scale of tuple column `c`.
    fn column(&self, c: usize) -> E {
        self.beta.exp_u64(c as u64 + 1)
    }
}

/// Sum of the weights of the valid cells of a block, by lane.
fn block_totals<E: Challenge>(layout: &Layout, p: &Point<E>, b: &Block) -> [E; 2] {
    let (d, low) = (&b.dims, p.low(&b.dims));
    let tail = d.last & ((1 << d.granule) - 1);
    let own = |lane: usize| move |s: &LaneSegment| if s.lane == lane { E::ONE } else { E::ZERO };
    if tail != 0 && d.chunks() > 1 {
        let of = |lane: usize| {
            let runs: Vec<_> = p.block_runs(layout, b, own(lane)).collect();
            total(d, &SpaceWeights { rows: dense(&runs, d.rows()), low: low.clone() })
        };
        return [0, 1].map(of);
    }
    // All granules hold the same number of cells.
    let cells = if tail == 0 { E::ONE } else { eq_sum(&low, tail) };
    let high = p.rho_nv(layout).get(d.granule..).unwrap_or_default();
    let mut totals = [E::ZERO; 2];
    for s in &b.segments {
        let start = s.start >> d.granule;
        let sum = (eq_sum(high, start + s.rows) - eq_sum(high, start)) * cells;
        totals.iter_mut().skip(s.lane).take(1).for_each(|t| *t += sum);
    }
    totals
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

/// Sum of the weights of all valid cells, and that of each times the cell's row-major number.
pub fn moments<E: Challenge>(dims: &Dims, runs: &[Run<'_, E>], low: &[E]) -> [E; 2] {
    let low = eq_table(low);
    // Sum, and sum of cells times their numbers, inside a row of so many cells.
    let inside = |cells: usize| {
        let weighed = low.iter().take(cells).enumerate();
        weighed.fold([E::ZERO; 2], |[a, b], (j, x)| [a + *x, b + *x * E::from_int(j as i64)])
    };
    let (step, chunks) = (1usize << dims.granule, dims.chunks().max(1));
    let tail = dims.last - (chunks - 1) * step;
    if chunks == 1 || tail == step {
        // Every row has as many cells as any other.
        let [sum, moment] = inside(tail);
        let rows = runs.iter().map(Run::moments).fold([E::ZERO; 2], |[a, b], [x, y]| [a + x, b + y]);
        return [rows[0] * sum, rows[1] * E::from_int(tail as i64) * sum + rows[0] * moment];
    }
    let (full, part) = (inside(step), inside(tail));
    let (mut out, mut at) = ([E::ZERO; 2], 0);
    for (i, r) in dense(runs, dims.rows()).iter().enumerate() {
        let ([sum, moment], cells) = if (i + 1) % chunks == 0 { (part, tail) } else { (full, step) };
        out = [out[0] + *r * sum, out[1] + *r * (sum * E::from_int(at) + moment)];
        at += cells as i64;
    }
    out
}

/// The numerator of lane `j` at `rho`: the indicator of look-ups less the multiplicities.
fn numerator<E: Challenge>(
    (name, lane): (&'static str, usize),
    relation: &Relation,
    layout: &Layout,
    (p, weights): (&Point<E>, &AddressWeights<E>),
    out: &mut impl ClaimSink<E>,
) {
    let pick = |s: &LaneSegment| if s.lane == lane { E::ONE } else { E::ZERO };
    let here = |b: &Block| b.segments.iter().any(|s| s.lane == lane);
    let num = relation.lookups.len();
    let totals = || weights.totals.iter().filter_map(|t| t.get(lane));
    out.begin(name, &|| totals().fold(E::ZERO, |a, t| a + *t));
    for (t, b) in layout.blocks.iter().skip(num).enumerate().filter(|(_, b)| here(b)) {
        let multiplicity = layout.multiplicity(relation, t);
        if out.wants(multiplicity) && out.turn() {
            let runs: Vec<_> = p.block_runs(layout, b, pick).collect();
            let access = identity(multiplicity, b.dims.shape.len());
            push_runs(&b.dims, (&runs, &p.low(&b.dims)), -E::ONE, &access, &b.dims, out);
        }
    }
}

/// Reads cell after cell of a tensor with so many axes.
fn identity(tensor: usize, rank: usize) -> Access {
    Access { tensor: tensor as u32, axes: (0..rank as u32).map(Affine::var).collect(), guards: vec![] }
}

/// Claims of phase 1: helper at rho, sum of all fractions, numerators of both lanes.
pub fn phase1<E: Challenge>(
    relation: &Relation,
    layout: &Layout,
    p: &Point<E>,
    weights: &AddressWeights<E>,
    out: &mut impl ClaimSink<E>,
) {
    let h = layout.helper(relation);
    if let Some(t) = layout.tensors.get(h) {
        out.begin("look-up helper", &|| E::ZERO);
        if out.turn() {
            // A cell's place is its address.
            let (point, inside, rows) = (p.rho_nv(layout), t.dims.granule, t.dims.rows());
            let run = Run { point, inside, row: 0, rows, start: 0, weight: E::ONE };
            push_runs(&t.dims, (&[run], &p.low(&t.dims)), E::ONE, &identity(h, 1), &t.dims, out);
        }
        out.begin("look-up sum", &|| E::ZERO);
        if out.turn() {
            push(&[t.dims.last], &[], E::ONE, &identity(h, 1), &t.dims, out);
        }
    }
    for lane in [("look-up numerator, lane 0", 0), ("look-up numerator, lane 1", 1)] {
        numerator(lane, relation, layout, (p, weights), out);
    }
}

/// Address weights of outputs and of the spaces of products, computed once and used by several steps.
#[derive(Clone, Debug)]
pub struct AddressWeights<E> {
    /// One for each output; `None` for a private output, about which nothing is claimed.
    pub outputs: Vec<Option<SpaceWeights<E>>>,
    /// One for each block of the layout that is the only source of a product term.
    blocks: Vec<Option<SpaceWeights<E>>>,
    /// One for each product term of the layout that several sources share.
    sums: Vec<Option<SpaceWeights<E>>>,
    /// Sum of the weights of all cells of each look-up, by lane.
    totals: Vec<[E; 2]>,
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
        let shown = |o: usize| visibility.output(o as u32) != IoVisibility::Private;
        let output = |o: usize| {
            let dims = layout.outputs.get(o).filter(|_| shown(o))?;
            Some(p.space(layout, dims, Source::Output(o)))
        };
        let outputs = (0..relation.outputs.len()).map(output).collect();
        let mut lone = vec![false; layout.blocks.len()];
        for t in &layout.products {
            if let [(Source::Block(i, _), _)] = &t.sources[..] {
                lone.iter_mut().skip(*i).take(1).for_each(|l| *l = true);
            }
        }
        let block = |i: usize| {
            let b = layout.blocks.get(i).filter(|_| lone.get(i) == Some(&true))?;
            Some(p.space(layout, &b.dims, Source::Block(i, 0)))
        };
        let blocks = tasks.map(layout.blocks.len(), block);
        let looked = layout.blocks.get(..relation.lookups.len()).unwrap_or_default();
        let all = |i: usize| looked.get(i).map_or([E::ZERO; 2], |b| block_totals(layout, p, b));
        let totals = tasks.map(looked.len(), all);
        let mut out = Self { outputs, blocks, sums: Vec::new(), totals };
        let sum = |i: usize| {
            let term = layout.products.get(i).filter(|t| t.sources.len() > 1)?;
            let runs = out.runs(layout, p, &term.sources, E::ONE);
            Some(SpaceWeights { rows: dense(&runs, term.dims.rows()), low: p.low(&term.dims) })
        };
        out.sums = tasks.map(layout.products.len(), sum);
        out
    }

    /// The scale of a source's column; `None` when nothing is claimed there.
    fn column(&self, p: &Point<E>, source: Source) -> Option<E> {
        match source {
            Source::Block(_, c) => Some(p.column(c)),
            Source::Output(o) => self.outputs.get(o)?.as_ref().map(|_| E::ONE),
        }
    }

    /// The weights of terms that read the same, times their coefficients and a scale; none when nothing is claimed of any.
    fn runs<'p>(&self, layout: &'p Layout, p: &'p Point<E>, sources: &[(Source, Coef)], scale: E) -> Vec<Run<'p, E>> {
        let mut out = Vec::with_capacity(sources.len());
        for (source, c) in sources {
            if let Some(column) = self.column(p, *source) {
                p.runs(layout, *source, scale * column * coef::<E>(*c), &mut out);
            }
        }
        out
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
                let (source, c) = term.sources.first()?;
                let own = match source {
                    Source::Block(i, _) => self.blocks.get(*i),
                    Source::Output(o) => self.outputs.get(*o),
                };
                Some((own?.as_ref()?, &term.dims, self.column(p, *source)? * coef::<E>(*c)))
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
        let (l, [first, second]) = (relation.lookups.get(i)?, weights.totals.get(i)?);
        Some((*first + p.delta * *second) * constants(l.table as usize, 0, &l.tuple))
    };
    let of_output = |o: usize| {
        let (output, d) = (relation.outputs.get(o)?, layout.outputs.get(o)?);
        Some(total(d, weights.outputs.get(o)?.as_ref()?) * coef::<E>(output.expr.constant))
    };
    let of_table = |t: usize| {
        let (table, at) = (relation.tables.get(t)?, relation.lookups.len() + t);
        let b = layout.blocks.get(at)?;
        if let Some((_, columns)) = table.expressions() {
            let mut runs = Vec::new();
            p.runs(layout, Source::Block(at, 0), E::ONE, &mut runs);
            let [sum, numbers] = moments(&b.dims, &runs, &p.low(&b.dims));
            return Some(sum * constants(t, 1, columns) + numbers * p.column(0));
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
        if !*turns.entry(unit).or_insert_with(|| out.turn()) {
            continue;
        }
        let mut factors = space.map_or_else(Vec::new, |(w, dims, _)| g.side_factors(side, dims, &w.rows, &w.low));
        let same = match (g.joint.get(side.index()), factors.first_mut()) {
            (Some(Some(j)), Some(Factor::Outer { rows, .. })) => Some((*j, rows.dense().into_owned())),
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
            *rows = sum.into();
        }
        pushed(g, &factors, E::ONE, out);
    }
}

/// The scale of a term rides on the operand that carries the row weights.
pub fn side_scale<E: Challenge>(g: &Group, side: Side, scale: E) -> E {
    if g.rows_to == side { scale } else { E::ONE }
}

/// Pushes a linear term whose space has the weights of some runs, or a series of them: member `k` is scaled by `scales[k]`
/// and reads `k step` cells further along the last axis.
fn push_linear<E: Challenge>(
    layout: &Layout,
    (runs, low): (&[Run<'_, E>], &[E]),
    term: &LinearTerm,
    scales: Option<&[E]>,
    out: &mut impl Sink<E>,
) {
    let (dims, l) = (&term.dims, &term.linear);
    let Some(t) = layout.tensors.get(l.access.tensor as usize) else { return };
    if l.sum.is_empty() && scales.is_none() {
        return push_runs(dims, (runs, low), E::ONE, &l.access, &t.dims, out);
    }
    let mut extents: Vec<usize> = dims.shape.iter().copied().chain(l.sum.iter().map(|n| *n as usize)).collect();
    let vars = (0..dims.shape.len()).collect();
    let rows = RowWeights::Runs { len: dims.rows(), runs: runs.to_vec() };
    let mut factors = vec![Factor::Space { vars, granule: dims.granule, rows, low }];
    let mut access = l.access.clone();
    if let Some(scales) = scales {
        if let Some(last) = access.axes.last_mut() {
            last.terms.push((extents.len() as u32, term.step));
        }
        factors.push(Factor::Outer { vars: vec![extents.len()], rows: scales.into() });
        extents.push(scales.len());
    }
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
        if !out.turn() {
            continue;
        }
        let low = p.low(&term.dims);
        if term.step == 0 {
            let runs = weights.runs(layout, p, &term.sources, scale);
            if !runs.is_empty() {
                push_linear(layout, (&runs, &low), term, None, out);
            }
            continue;
        }
        // A series is of one block.
        let Some((Source::Block(i, _), _)) = term.sources.first() else { continue };
        let own = |(s, c): &(Source, Coef)| weights.column(p, *s).map(|k| scale * k * coef::<E>(*c));
        let scales: Vec<E> = term.sources.iter().filter_map(own).collect();
        let mut runs = Vec::new();
        p.runs(layout, Source::Block(*i, 0), E::ONE, &mut runs);
        push_linear(layout, (&runs, &low), term, Some(&scales), out);
    }
    for (t, decl) in relation.tensors.iter().enumerate() {
        let Home::Output(o) = decl.home else { continue };
        let Some(dims) = layout.outputs.get(o as usize) else { continue };
        if visibility.output(o) != IoVisibility::Committed || !out.turn() {
            continue;
        }
        if let Some(placed) = layout.tensors.get(t) {
            let mut runs = Vec::new();
            p.runs(layout, Source::Output(o as usize), -scale, &mut runs);
            let access = identity(t, dims.shape.len());
            push_runs(dims, (&runs, &p.low(dims)), E::ONE, &access, &placed.dims, out);
        }
    }
}
