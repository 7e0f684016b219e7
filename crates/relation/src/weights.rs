//! Functionals on tensors. Every claim of the argument is `sum over cells of weight * cell`, where the weight is a
//! product of equality polynomials of the index variables pushed through an access. The push is done at the coarsest
//! granule of `2^g` consecutive cells of the last axis for which weights factor as `rows[r] * low[j]`.
//!
//! Symbols: `rows` has one entry for each aligned granule of the tensor's padded layout, `low` one for each cell of it.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, eq_table, eq_table_scaled};

use crate::decl::{Access, Affine};
use crate::layout::Dims;

/// `eq(pt, start + x)` for `x < len`, in O(len + pt.len()) field operations. Zero where `start + x >= 2^pt.len()`.
pub fn eq_segment<E: Challenge>(pt: &[E], start: usize, len: usize) -> Vec<E> {
    let mut out = Vec::with_capacity(len);
    eq_segment_into(pt, start, len, E::ONE, &mut out);
    out
}

/// Appends `scale * eq(pt, start + x)` for `x < len`.
pub fn eq_segment_into<E: Challenge>(pt: &[E], start: usize, len: usize, scale: E, out: &mut Vec<E>) {
    let end = out.len() + len;
    let inside = len.min((1usize << pt.len()).saturating_sub(start));
    eq_range(pt, start, inside, scale, out);
    out.resize(end, E::ZERO);
}

/// [`eq_segment_into`] for a range inside the table: halves until a whole half is in the range.
fn eq_range<E: Challenge>(pt: &[E], start: usize, len: usize, scale: E, out: &mut Vec<E>) {
    if len == 0 {
        return;
    }
    match pt.split_last() {
        Some((top, low)) if len < 1 << pt.len() => {
            let half = 1usize << low.len();
            let one = scale * *top;
            let below = half.saturating_sub(start).min(len);
            eq_range(low, start, below, scale - one, out);
            eq_range(low, start.saturating_sub(half), len - below, one, out);
        }
        _ => out.extend(eq_table_scaled(pt, scale)),
    }
}

/// A weight on some index variables.
#[derive(Clone, Debug)]
pub enum Factor<'a, E: Clone> {
    /// `eq(pt, var)`.
    Eq {
        /// The variable.
        var: usize,
        /// The point.
        pt: Vec<E>,
    },
    /// `rows[outer * chunks + (last >> granule)] * eq(low, last mod 2^granule)`: the address weight of a laid-out space.
    Space {
        /// All variables of the space in order; the last one is the split axis. May be empty (one cell).
        vars: Vec<usize>,
        /// Cells of the last axis in a row, as a power of two.
        granule: usize,
        /// Row weights.
        rows: Cow<'a, [E]>,
        /// Point for the cell inside a row.
        low: &'a [E],
    },
    /// `cells[var]`, which a row of the tensor holds whole.
    Line {
        /// The variable.
        var: usize,
        /// Dense weights, a power of two of them.
        cells: Vec<E>,
    },
    /// `rows[vars]`, row-major over the variables.
    Outer {
        /// The variables.
        vars: Vec<usize>,
        /// Dense weights.
        rows: Vec<E>,
    },
}

/// A weight vector on one tensor: cell `r * 2^granule + j` of its padded layout has weight `rows[r] * low[j]`.
#[derive(Clone, Debug)]
pub struct Entry<E> {
    /// Index in the layout's tensor list.
    pub tensor: usize,
    /// Power of two.
    pub granule: usize,
    /// Row weights.
    pub rows: Vec<E>,
    /// Weights inside a row (zero on padding cells).
    pub low: Vec<E>,
}

/// How an access is walked: which variable is split into (chunk, low) and the low weights.
#[derive(Clone, Debug)]
pub struct Walk<E> {
    /// Granule of rows visited.
    pub granule: usize,
    /// The split variable, if any.
    pub var: Option<usize>,
    /// Low weights of a full row.
    pub low: Vec<E>,
    /// Cells in the last, partial row of the split variable (0: none is partial).
    pub partial: usize,
}

/// One visited row.
#[derive(Clone, Copy, Debug)]
pub struct Visit<E> {
    /// Product of the weights outside the row.
    pub weight: E,
    /// Row index in the tensor's padded layout, in units of `2^granule` cells.
    pub row: usize,
    /// Cells of the row that count.
    pub valid: usize,
    /// `sum strides[v] * value of v` with the split variable at the first cell of the row.
    pub target: usize,
}

/// A dense factor whose index is a linear form of the step counters.
struct Table<'f, E: Clone> {
    cells: Cow<'f, [E]>,
    /// Variables with the stride of their value in the table, and the bits that the value drops first.
    strides: Vec<(usize, usize, usize)>,
}

/// A form that stays valid while `0 <= form < bound`.
struct Bounded {
    slot: usize,
    bound: i64,
}

/// All linear forms of the walk live in slots that are stepped incrementally.
struct Walker<'f, E: Clone> {
    counts: Vec<usize>,
    /// For each variable: slots it moves and by how much a step.
    deltas: Vec<Vec<(usize, i64)>>,
    /// For each depth: tables complete once the variables before it are set, with their slots.
    due: Vec<Vec<(Table<'f, E>, usize)>>,
    checks: Vec<Bounded>,
    granule: usize,
    /// Split variable and its length.
    split: Option<(usize, usize)>,
}

/// Slots with a fixed meaning.
const ROW: usize = 0;
const TARGET: usize = 1;
const SPLIT: usize = 2;

/// Joins variables that together count through consecutive cells of the last axis (a flattened tensor, the columns of a
/// table) into one, where their weights factor and all lengths but the highest one's are powers of two. Rows can then
/// be longer than the lowest variable.
fn fuse<E: Challenge>(
    extents: &mut [usize],
    factors: &mut Vec<Factor<'_, E>>,
    access: &Access,
    dims: &Dims,
) -> Option<Access> {
    let outside =
        |v: usize| access.axes.iter().rev().skip(1).any(|a| a.uses(v)) || access.guards.iter().any(|g| g.form.uses(v));
    let terms = &access.axes.last()?.terms;
    let (mut chain, mut parts, mut length) = (Vec::new(), Vec::new(), 1usize);
    while length.is_power_of_two() {
        let Some((v, _)) = terms.iter().find(|t| usize::try_from(t.1) == Ok(length)) else { break };
        let v = *v as usize;
        let n = extents.get(v).copied().unwrap_or(1);
        let mut own = factors.iter().filter(|f| f.on(v));
        let (Some(factor), None) = (own.next(), own.next()) else { break };
        let Some(part) = factor.part(v, n).filter(|_| n > 1 && !chain.contains(&v) && !outside(v)) else { break };
        let (dense, long) = (parts.iter().chain([&part]).any(Part::is_dense), length.saturating_mul(n));
        if dense && (!long.is_power_of_two() || long > 1 << dims.granule) {
            break;
        }
        chain.push(v);
        parts.push(part);
        length = long;
    }
    let (first, others) = chain.split_first().filter(|c| !c.1.is_empty())?;
    factors.retain(|f| matches!(f, Factor::Space { .. }) || !chain.iter().any(|v| f.on(*v)));
    for f in factors.iter_mut() {
        // The weights inside a row go to the line; the row weights stay.
        if let Factor::Space { vars, rows, .. } = f
            && vars.last().is_some_and(|v| chain.contains(v))
        {
            let vars = vars.split_last().map(|v| v.1.to_vec()).unwrap_or_default();
            *f = Factor::Outer { vars, rows: rows.to_vec() };
        }
    }
    factors.push(join(*first, parts));
    others.iter().filter_map(|v| extents.get_mut(*v).map(|n| *n = 1)).for_each(drop);
    if let Some(n) = extents.get_mut(*first) {
        *n = length;
    }
    let mut access = access.clone();
    if let Some(last) = access.axes.last_mut() {
        last.terms.retain(|t| !others.contains(&(t.0 as usize)));
    }
    Some(access)
}

/// The weights of one variable of a line.
enum Part<E> {
    Point(Vec<E>),
    Cells(Vec<E>),
}

impl<E> Part<E> {
    fn is_dense(&self) -> bool {
        matches!(self, Self::Cells(_))
    }
}

/// The factor of several variables in one, the first counting fastest.
fn join<'a, E: Challenge>(var: usize, parts: Vec<Part<E>>) -> Factor<'a, E> {
    if !parts.iter().any(Part::is_dense) {
        let points = parts.into_iter().map(|p| match p {
            Part::Point(pt) | Part::Cells(pt) => pt,
        });
        return Factor::Eq { var, pt: points.flatten().collect() };
    }
    let mut cells = vec![E::ONE];
    for part in parts {
        let own = match part {
            Part::Point(pt) => eq_table(&pt),
            Part::Cells(cells) => cells,
        };
        cells = own.iter().flat_map(|x| cells.iter().map(|y| *x * *y)).collect();
    }
    Factor::Line { var, cells }
}

impl<E: Clone> Factor<'_, E> {
    /// Whether the weight depends on variable `v`.
    #[must_use]
    pub fn on(&self, v: usize) -> bool {
        match self {
            Self::Eq { var, .. } | Self::Line { var, .. } => *var == v,
            Self::Space { vars, .. } | Self::Outer { vars, .. } => vars.contains(&v),
        }
    }
}

impl<E: Challenge> Factor<'_, E> {
    /// The weights of variable `v` of length `n`, if they are a factor of their own.
    fn part(&self, v: usize, n: usize) -> Option<Part<E>> {
        match self {
            Self::Eq { pt, .. } => (pt.len() == proveil_algebra::log2_ceil(n)).then(|| Part::Point(pt.clone())),
            Self::Outer { vars, rows } if *vars == [v] => Some(Part::Cells(rows.clone())),
            Self::Space { vars, granule, low, .. } if vars.last() == Some(&v) && n == 1 << granule => {
                Some(Part::Point(low.get(..*granule)?.to_vec()))
            }
            _ => None,
        }
    }

    /// The factor summed over variable `v`, which it depends on.
    fn marginal(&self, v: usize, extents: &[usize]) -> Self {
        let length = |w: &usize| extents.get(*w).copied().unwrap_or(1);
        let after = |vars: &[usize]| vars.iter().skip_while(|w| **w != v).skip(1).map(length).product::<usize>();
        let others = |vars: &[usize]| vars.iter().copied().filter(|w| *w != v).collect::<Vec<_>>();
        match self {
            Self::Eq { pt, .. } => {
                let sum = eq_segment(pt, 0, length(&v)).into_iter().fold(E::ZERO, |a, x| a + x);
                Self::Outer { vars: vec![], rows: vec![sum] }
            }
            Self::Line { cells, .. } => {
                Self::Outer { vars: vec![], rows: vec![cells.iter().fold(E::ZERO, |a, x| a + *x)] }
            }
            Self::Outer { vars, rows } => {
                Self::Outer { vars: others(vars), rows: sum_axis(rows, length(&v), after(vars)) }
            }
            Self::Space { vars, granule, rows, low } if vars.last() == Some(&v) => {
                let (n, eq) = (length(&v), eq_table(low));
                let chunks = n.div_ceil(1 << granule);
                let sum = |cells: usize| eq.iter().take(cells).fold(E::ZERO, |a, x| a + *x);
                let (full, part) = (sum(1 << granule), sum(n - ((chunks - 1) << granule)));
                let line = |line: &[E]| match line.split_last() {
                    Some((end, whole)) => whole.iter().fold(E::ZERO, |a, x| a + *x) * full + *end * part,
                    None => E::ZERO,
                };
                Self::Outer { vars: others(vars), rows: rows.chunks(chunks).map(line).collect() }
            }
            Self::Space { vars, granule, rows, low } => {
                let last = vars.last().map_or(1, length);
                let after = after(vars) / last.max(1) * last.div_ceil(1 << granule);
                let rows = sum_axis(rows, length(&v), after).into();
                Self::Space { vars: others(vars), granule: *granule, rows, low }
            }
        }
    }
}

/// Chooses the split variable of an access and the granule, and prepares the low weights.
pub fn plan_walk<E: Challenge>(extents: &[usize], factors: &[Factor<'_, E>], access: &Access, dims: &Dims) -> Walk<E> {
    let none = Walk { granule: 0, var: None, low: vec![E::ONE], partial: 0 };
    let Some(Affine { terms, offset }) = access.axes.last() else { return none };
    let alone = |v: usize| {
        access.axes.iter().rev().skip(1).all(|a| !a.uses(v)) && access.guards.iter().all(|g| !g.form.uses(v))
    };
    let length = |v: u32| extents.get(v as usize).copied().unwrap_or(1) as i128;
    let Some(v) = terms.iter().find(|t| t.1 == 1 && length(t.0) > 1).or(terms.first()).map(|t| t.0 as usize) else {
        return none;
    };
    // Whatever else moves the row moves it by whole granules, and no setting leaves the axis.
    let (mut lo, mut hi, mut units) = (i128::from(*offset), i128::from(*offset), *offset);
    for (w, c) in terms {
        let top = i128::from(*c) * (length(*w) - 1);
        (lo, hi) = (lo + top.min(0), hi + top.max(0));
        units |= if *w as usize == v || length(*w) == 1 { 0 } else { *c };
    }
    if !alone(v) || lo < 0 || hi >= dims.last as i128 || terms.iter().any(|t| t.0 as usize == v && t.1 != 1) {
        return none;
    }
    let mut g = dims.granule.min(if units == 0 { 63 } else { units.trailing_zeros() as usize });
    for f in factors {
        match f {
            Factor::Eq { var, pt } if *var == v => g = g.min(pt.len()),
            Factor::Line { var, cells } if *var == v && cells.len() > 1 << g => return none,
            Factor::Space { vars, granule, .. } if vars.last() == Some(&v) => g = g.min(*granule),
            Factor::Space { vars, .. } | Factor::Outer { vars, .. } if vars.contains(&v) => return none,
            _ => {}
        }
    }
    if g == 0 && terms.len() > 1 {
        return none;
    }
    let n = extents.get(v).copied().unwrap_or(1);
    let mut low = vec![E::ONE; 1 << g];
    for f in factors {
        let pt: &[E] = match f {
            Factor::Line { var, cells } if *var == v => {
                low.iter_mut().zip(cells).for_each(|(l, t)| *l *= *t);
                continue;
            }
            Factor::Eq { var, pt } if *var == v => pt,
            Factor::Space { vars, low, .. } if vars.last() == Some(&v) => low,
            _ => continue,
        };
        let table = eq_table(pt.get(..g).unwrap_or(pt));
        low.iter_mut().zip(&table).for_each(|(l, t)| *l *= *t);
    }
    Walk { granule: g, var: Some(v), low, partial: n & ((1 << g) - 1) }
}

fn prepare<'f, E: Challenge>(factor: &'f Factor<'_, E>, extents: &[usize], walk: &Walk<E>) -> Table<'f, E> {
    let length = |v: usize| extents.get(v).copied().unwrap_or(1);
    let dense = |vars: &[usize], unit: usize| {
        let mut stride = unit;
        let mut out = Vec::with_capacity(vars.len() + 1);
        for v in vars.iter().rev() {
            out.push((*v, stride, 0));
            stride *= length(*v);
        }
        out
    };
    let g = walk.granule;
    match factor {
        Factor::Eq { var, pt } => {
            let drop = if walk.var == Some(*var) { g } else { 0 };
            let cells = eq_table(pt.get(drop..).unwrap_or_default()).into();
            Table { cells, strides: vec![(*var, 1, drop)] }
        }
        // A row holds the whole line.
        Factor::Line { var, .. } if walk.var == Some(*var) => Table { cells: vec![E::ONE].into(), strides: vec![] },
        Factor::Line { var, cells } => Table { cells: cells.as_slice().into(), strides: vec![(*var, 1, 0)] },
        Factor::Outer { vars, rows } => Table { cells: rows.as_slice().into(), strides: dense(vars, 1) },
        Factor::Space { vars, granule, rows, low } => {
            let Some((last, outer)) = vars.split_last() else {
                return Table { cells: rows.as_ref().into(), strides: vec![] };
            };
            let drop = if walk.var == Some(*last) { g.min(*granule) } else { 0 };
            let n = length(*last);
            let (coarse, chunks) = (n.div_ceil(1 << granule).max(1), n.div_ceil(1 << drop));
            let fine = eq_table(low.get(drop..).unwrap_or_default());
            let cells: Cow<'f, [E]> = if fine.len() == 1 {
                rows.as_ref().into()
            } else {
                let line = |line: &[E]| refine(line, &fine, granule - drop, chunks);
                rows.chunks(coarse).flat_map(line).collect::<Vec<E>>().into()
            };
            let mut strides = dense(outer, chunks);
            strides.push((*last, 1, drop));
            Table { cells, strides }
        }
    }
}

/// Rows of one line at a finer granule.
fn refine<E: Challenge>(line: &[E], fine: &[E], bits: usize, chunks: usize) -> Vec<E> {
    let mut out = Vec::with_capacity(chunks);
    for r in line {
        out.extend(fine.iter().take((chunks - out.len()).min(1 << bits)).map(|f| *r * *f));
    }
    out
}

/// Visits every row that the access reads, with the product of all weights but the low ones. Settings that read
/// outside the tensor or a guard are skipped. `strides` gives each variable's step in [`Visit::target`].
/// `range = (variable, from, to)` restricts one variable (in granules for the split one), so that callers can share the
/// work among threads.
#[allow(clippy::too_many_arguments)]
pub fn walk_rows<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    scale: E,
    access: &Access,
    dims: &Dims,
    walk: &Walk<E>,
    strides: &[usize],
    range: Option<(usize, usize, usize)>,
    visit: &mut impl FnMut(Visit<E>),
) {
    let mut slots = Vec::new();
    let w = Walker::new(extents, factors, access, dims, walk, strides, &mut slots);
    let scale = w.weigh(0, scale, &slots);
    w.descend(0, scale, &mut slots, range, visit);
}

impl<'f, E: Challenge> Walker<'f, E> {
    fn new(
        extents: &[usize],
        factors: &'f [Factor<'_, E>],
        access: &Access,
        dims: &Dims,
        walk: &Walk<E>,
        strides: &[usize],
        slots: &mut Vec<i64>,
    ) -> Self {
        let g = walk.granule;
        let step = |v: usize| if walk.var == Some(v) { 1usize << g } else { 1 };
        let counts = extents.iter().enumerate().map(|(v, n)| n.div_ceil(step(v))).collect();
        let split = walk.var.map(|v| (v, extents.get(v).copied().unwrap_or(1)));
        let mut w = Self {
            counts,
            deltas: vec![Vec::new(); extents.len()],
            due: Vec::new(),
            checks: vec![],
            granule: g,
            split,
        };
        w.due.resize_with(extents.len() + 1, Vec::new);
        slots.extend([0; 3]);
        for v in 0..extents.len() {
            w.moves(v, TARGET, (strides.get(v).copied().unwrap_or(0) * step(v)) as i64);
        }
        if let Some((v, _)) = split {
            w.moves(v, SPLIT, step(v) as i64);
        }
        let per = dims.padded_last() >> g;
        let mut row_stride = 1i64;
        for (a, form) in access.axes.iter().enumerate().rev() {
            let last = a + 1 == access.axes.len();
            let n = dims.shape.get(a).copied().unwrap_or(0);
            // The last axis counts granules: its form is the split variable plus a multiple of the granule, or g = 0.
            let shift = if last { g } else { 0 };
            w.row_form(form, row_stride, shift, &step, slots);
            w.check(form, n as i64, extents, &step, slots);
            row_stride *= if last { per as i64 } else { n as i64 };
        }
        for guard in &access.guards {
            w.check(&guard.form, i64::try_from(guard.bound).unwrap_or(i64::MAX), extents, &step, slots);
        }
        for f in factors {
            let t = prepare(f, extents, walk);
            let slot = slots.len();
            slots.push(0);
            let mut at = 0;
            for (v, stride, drop) in &t.strides {
                w.moves(*v, slot, (stride * (step(*v) >> drop)) as i64);
                at = at.max(v + 1);
            }
            if let Some(d) = w.due.get_mut(at) {
                d.push((t, slot));
            }
        }
        w
    }

    fn moves(&mut self, v: usize, slot: usize, by: i64) {
        if let Some(d) = self.deltas.get_mut(v).filter(|_| by != 0) {
            d.push((slot, by));
        }
    }

    /// Adds `(form >> shift) * stride` to the row slot.
    fn row_form(&mut self, form: &Affine, stride: i64, shift: usize, step: &dyn Fn(usize) -> usize, slots: &mut [i64]) {
        if let Some(s) = slots.get_mut(ROW) {
            *s = s.wrapping_add((form.offset >> shift).wrapping_mul(stride));
        }
        for (v, c) in &form.terms {
            let by = (c.wrapping_mul(step(*v as usize) as i64) >> shift).wrapping_mul(stride);
            self.moves(*v as usize, ROW, by);
        }
    }

    /// A form that must stay in `0 .. bound`; left out when it cannot leave.
    fn check(
        &mut self,
        form: &Affine,
        bound: i64,
        extents: &[usize],
        step: &dyn Fn(usize) -> usize,
        slots: &mut Vec<i64>,
    ) {
        let (mut lo, mut hi) = (i128::from(form.offset), i128::from(form.offset));
        for (v, c) in &form.terms {
            let top = i128::from(*c) * (extents.get(*v as usize).copied().unwrap_or(1) as i128 - 1);
            (lo, hi) = (lo + top.min(0), hi + top.max(0));
        }
        if lo >= 0 && hi < i128::from(bound) {
            return;
        }
        let slot = slots.len();
        slots.push(form.offset);
        for (v, c) in &form.terms {
            self.moves(*v as usize, slot, c.wrapping_mul(step(*v as usize) as i64));
        }
        self.checks.push(Bounded { slot, bound });
    }

    fn weigh(&self, depth: usize, weight: E, slots: &[i64]) -> E {
        self.due.get(depth).map_or(weight, |d| {
            d.iter().fold(weight, |w, (t, slot)| {
                let at = slots.get(*slot).copied().unwrap_or(0) as usize;
                w * t.cells.get(at).copied().unwrap_or(E::ZERO)
            })
        })
    }

    fn descend(
        &self,
        depth: usize,
        weight: E,
        slots: &mut Vec<i64>,
        range: Option<(usize, usize, usize)>,
        visit: &mut impl FnMut(Visit<E>),
    ) {
        let (Some(count), Some(deltas)) = (self.counts.get(depth), self.deltas.get(depth)) else {
            self.leaf(weight, slots, visit);
            return;
        };
        let (from, to) = range.filter(|r| r.0 == depth).map_or((0, *count), |r| (r.1, r.2.min(*count)));
        let advance = |slots: &mut Vec<i64>, times: i64| {
            for (slot, by) in deltas {
                if let Some(s) = slots.get_mut(*slot) {
                    *s = s.wrapping_add(by.wrapping_mul(times));
                }
            }
        };
        advance(slots, from as i64);
        for _ in from..to {
            let w = self.weigh(depth + 1, weight, slots);
            self.descend(depth + 1, w, slots, range, visit);
            advance(slots, 1);
        }
        advance(slots, -(to.max(from) as i64));
    }

    fn leaf(&self, weight: E, slots: &[i64], visit: &mut impl FnMut(Visit<E>)) {
        let at = |slot: usize| slots.get(slot).copied().unwrap_or(0);
        if self.checks.iter().any(|c| !(0..c.bound).contains(&at(c.slot))) {
            return;
        }
        let valid = match self.split {
            Some((_, n)) => n.saturating_sub(at(SPLIT) as usize).min(1 << self.granule),
            None => 1,
        };
        visit(Visit { weight, row: at(ROW) as usize, valid, target: at(TARGET) as usize });
    }
}

/// Whether the access reads cell `i` of its tensor at index `i` of a space of the same shape.
fn is_identity(extents: &[usize], vars: &[usize], access: &Access, dims: &Dims) -> bool {
    let own = |(v, a): (usize, &Affine)| a.offset == 0 && matches!(a.terms.as_slice(), [(w, 1)] if *w as usize == v);
    extents == dims.shape
        && access.guards.is_empty()
        && access.axes.len() == vars.len()
        && vars.iter().enumerate().all(|(i, v)| i == *v)
        && access.axes.iter().enumerate().all(own)
}

/// [`push`] through the identity: the weights of the space are those of the tensor.
fn push_identity<E: Challenge>(rows: &[E], low: &[E], scale: E, tensor: usize, dims: &Dims, out: &mut Vec<Entry<E>>) {
    let granule = dims.granule;
    // The scale rides on the few weights inside a row.
    let mut low = eq_table_scaled(low.get(..granule).unwrap_or(low), scale);
    let mut full = rows.to_vec();
    let tail = dims.last & ((1 << granule) - 1);
    if tail != 0 {
        // The last granule of every line is partial.
        let chunks = dims.chunks().max(1);
        if chunks == 1 {
            low.iter_mut().skip(tail).for_each(|x| *x = E::ZERO);
            out.push(Entry { tensor, granule, rows: full, low });
            return;
        }
        let mut partial = vec![E::ZERO; full.len()];
        let ends = full.iter_mut().zip(&mut partial).skip(chunks - 1).step_by(chunks);
        ends.for_each(|(f, p)| core::mem::swap(f, p));
        let mut cut = low.clone();
        cut.iter_mut().skip(tail).for_each(|x| *x = E::ZERO);
        out.push(Entry { tensor, granule, rows: partial, low: cut });
    }
    low.truncate(1 << granule);
    out.push(Entry { tensor, granule, rows: full, low });
}

/// Sums the weights over every variable that the access does not read.
fn marginalise<'f, E: Challenge>(
    extents: &mut [usize],
    factors: &[Factor<'f, E>],
    access: &Access,
) -> Vec<Factor<'f, E>> {
    let mut factors = factors.to_vec();
    for v in 0..extents.len() {
        let n = extents.get(v).copied().unwrap_or(1);
        let mut own = factors.iter_mut().filter(|f| f.on(v));
        let (first, second) = (own.next(), own.next());
        if n == 1 || access.uses(v) || second.is_some() {
            continue;
        }
        match first {
            Some(f) => *f = f.marginal(v, extents),
            None => factors.push(Factor::Outer { vars: vec![], rows: vec![E::from_int(n as i64)] }),
        }
        if let Some(n) = extents.get_mut(v) {
            *n = 1;
        }
    }
    factors
}

/// Sums a row-major table over one axis, `after` cells a step.
fn sum_axis<E: Challenge>(cells: &[E], n: usize, after: usize) -> Vec<E> {
    let mut out = Vec::with_capacity(cells.len() / n.max(1));
    for block in cells.chunks((n * after).max(1)) {
        let at = out.len();
        out.resize(at + after.min(block.len()), E::ZERO);
        for line in block.chunks(after.max(1)) {
            out.iter_mut().skip(at).zip(line).for_each(|(o, x)| *o += *x);
        }
    }
    out
}

/// [`push`] where every variable has an axis of its own and factors of its own: the row weights are a tensor product.
/// `false`, and nothing done, elsewhere.
fn push_product<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    scale: E,
    access: &Access,
    dims: &Dims,
    walk: &Walk<E>,
    out: &mut Vec<Entry<E>>,
) -> bool {
    let Some(mut axes) = own_axes(extents, factors, access, dims, walk) else { return false };
    let Some(last) = axes.pop() else { return false };
    // Variables of one value that nothing reads.
    let lone = factors.iter().filter(|f| !(0..extents.len()).any(|v| f.on(v) && access.uses(v)));
    let first = |f| prepare(f, extents, walk).cells.first().copied().unwrap_or(E::ZERO);
    let scale = lone.fold(scale, |s, f| s * first(f));
    let mut low = walk.low.clone();
    proveil_algebra::scale(&mut low, scale);
    let tensor = access.tensor as usize;
    let mut add = |last: Vec<E>, low: Vec<E>| {
        let rows = axes.iter().rev().fold(last, |rows, axis| {
            let mut out = Vec::with_capacity(axis.len() * rows.len());
            for x in axis {
                let at = out.len();
                out.extend_from_slice(&rows);
                proveil_algebra::scale(out.get_mut(at..).unwrap_or_default(), *x);
            }
            out
        });
        out.push(Entry { tensor, granule: walk.granule, rows, low });
    };
    if walk.partial == 0 {
        add(last, low);
        return true;
    }
    // The row that is not full is the last one that carries weight.
    let n = walk.var.and_then(|v| extents.get(v)).copied().unwrap_or(1);
    let first = access.axes.last().map_or(0, |a| a.offset as usize) >> walk.granule;
    let end = first + (n >> walk.granule);
    let mut cut = low.clone();
    cut.iter_mut().skip(walk.partial).for_each(|x| *x = E::ZERO);
    let mut partial = vec![E::ZERO; last.len()];
    let mut full = last;
    if let (Some(p), Some(f)) = (partial.get_mut(end), full.get_mut(end)) {
        core::mem::swap(p, f);
    }
    add(partial, cut);
    if end > first {
        add(full, low);
    }
    true
}

/// The weights along every axis, the last one by rows; `None` unless they are independent of each other.
fn own_axes<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    access: &Access,
    dims: &Dims,
    walk: &Walk<E>,
) -> Option<Vec<Vec<E>>> {
    let single = |f: &Factor<'_, E>| match f {
        Factor::Eq { .. } | Factor::Line { .. } => true,
        Factor::Space { vars, .. } | Factor::Outer { vars, .. } => vars.len() <= 1,
    };
    let used = |v: usize| access.axes.iter().filter(|a| a.uses(v)).count();
    let separate = access.guards.is_empty()
        && factors.iter().all(single)
        && extents.iter().enumerate().all(|(v, n)| if *n > 1 { used(v) == 1 } else { used(v) <= 1 })
        && access.axes.len() == dims.shape.len();
    if !separate {
        return None;
    }
    let mut out = Vec::with_capacity(access.axes.len());
    for (a, form) in access.axes.iter().enumerate() {
        let granule = if a + 1 == access.axes.len() { walk.granule } else { 0 };
        let length = if a + 1 == access.axes.len() { dims.padded_last() } else { dims.shape.get(a).copied()? };
        let offset = usize::try_from(form.offset).ok()?;
        let (var, n) = match form.terms.as_slice() {
            [] => (None, 1),
            [(v, 1)] => (Some(*v as usize), extents.get(*v as usize).copied()?),
            _ => return None,
        };
        if offset + n > dims.shape.get(a).copied()? || (granule > 0 && walk.var != var) {
            return None;
        }
        let mut axis = vec![E::ZERO; length >> granule];
        let own = axis.iter_mut().skip(offset >> granule).take(n.div_ceil(1 << granule));
        let tables: Vec<_> =
            factors.iter().filter(|f| var.is_some_and(|v| f.on(v))).map(|f| prepare(f, extents, walk)).collect();
        // A table without strides is a constant.
        let at = |t: &Table<'_, E>, x: usize| {
            t.cells.get(if t.strides.is_empty() { 0 } else { x }).copied().unwrap_or(E::ZERO)
        };
        own.enumerate().for_each(|(x, o)| *o = tables.iter().fold(E::ONE, |w, t| w * at(t, x)));
        out.push(axis);
    }
    Some(out)
}

/// The functional `T -> scale * sum over settings of (product of factors) * access`.
pub fn push<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    scale: E,
    access: &Access,
    dims: &Dims,
    out: &mut Vec<Entry<E>>,
) {
    if let [Factor::Space { vars, granule, rows, low }] = factors
        && *granule == dims.granule
        && is_identity(extents, vars, access, dims)
    {
        push_identity(rows, low, scale, access.tensor as usize, dims, out);
        return;
    }
    let mut extents = extents.to_vec();
    let mut factors = marginalise(&mut extents, factors, access);
    let fused = fuse(&mut extents, &mut factors, access, dims);
    let access = fused.as_ref().unwrap_or(access);
    let walk = plan_walk(&extents, &factors, access, dims);
    if push_product(&extents, &factors, scale, access, dims, &walk, out) {
        return;
    }
    let num_rows = dims.padded_cells() >> walk.granule;
    let mut full = vec![E::ZERO; num_rows];
    let mut partial = if walk.partial == 0 { Vec::new() } else { vec![E::ZERO; num_rows] };
    let (mut any_full, mut any_partial) = (false, false);
    walk_rows(&extents, &factors, scale, access, dims, &walk, &[], None, &mut |v| {
        let (rows, any) =
            if v.valid == 1 << walk.granule { (&mut full, &mut any_full) } else { (&mut partial, &mut any_partial) };
        *any = true;
        if let Some(r) = rows.get_mut(v.row) {
            *r += v.weight;
        }
    });
    let tensor = access.tensor as usize;
    if any_partial {
        let mut low = walk.low.clone();
        low.iter_mut().skip(walk.partial).for_each(|x| *x = E::ZERO);
        out.push(Entry { tensor, granule: walk.granule, rows: partial, low });
    }
    if any_full {
        out.push(Entry { tensor, granule: walk.granule, rows: full, low: walk.low });
    }
}
