//! Functionals on tensors. Every claim of the argument is `sum over cells of weight * cell`, where the weight is a
//! product of equality polynomials of the index variables pushed through an access. The push is done at the coarsest
//! granule of `2^g` consecutive cells of the last axis for which weights factor as `rows[r] * low[j]`.
//!
//! Symbols: `rows` has one entry for each aligned granule of the tensor's padded layout, `low` one for each cell of it.

mod diagonals;
mod product;
mod push;
mod rewrite;
mod runs;
mod whole;

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, eq_points, eq_table, eq_table_scaled};

use crate::decl::{Access, Affine};
use crate::layout::Dims;

pub use diagonals::Diagonals;
pub use product::{Lines, ProductRows, dot_product};
pub use push::{push, push_runs};
pub use rewrite::spelled_out;
pub use runs::{RowWeights, Run, dense, dot_lines, eq_runs, is_closed};

use product::outer_product;

/// `eq(pt, start + x)` for `x < len`, in O(len + pt.len()) field operations. Zero where `start + x >= 2^pt.len()`.
pub fn eq_segment<E: Challenge>(pt: &[E], start: usize, len: usize) -> Vec<E> {
    let mut out = Vec::with_capacity(len);
    eq_segment_into(pt, start, len, E::ONE, &mut out);
    out
}

/// `sum of eq(pt, x)` over `x < len`, in O(pt.len()) field operations.
pub fn eq_sum<E: Challenge>(pt: &[E], len: usize) -> E {
    if len >> pt.len() != 0 {
        return E::ONE;
    }
    // Those that begin like `len` and have a 0 where it has a 1.
    let (mut sum, mut same) = (E::ZERO, E::ONE);
    for (i, x) in pt.iter().enumerate().rev() {
        let one = same * *x;
        if len >> i & 1 == 1 {
            sum += same - one;
            same = one;
        } else {
            same -= one;
        }
    }
    sum
}

/// `sum of x eq(pt, x)` over `x < len`, in O(pt.len()) field operations.
pub fn eq_moment<E: Challenge>(pt: &[E], len: usize) -> E {
    let len = len.min(1 << pt.len());
    // What `x` below `2^i` are on average.
    let mut mean: Vec<E> = Vec::with_capacity(pt.len() + 1);
    mean.push(E::ZERO);
    for (i, x) in pt.iter().enumerate() {
        mean.push(*x * E::from_int(1 << i) + mean.last().copied().unwrap_or(E::ZERO));
    }
    if len >> pt.len() != 0 {
        return mean.last().copied().unwrap_or(E::ZERO);
    }
    // Those that begin like `len` and have a 0 where it has a 1.
    let (mut sum, mut same) = (E::ZERO, E::ONE);
    for (i, (x, mean)) in pt.iter().zip(mean).enumerate().rev() {
        let one = same * *x;
        if len >> i & 1 == 1 {
            let above = (len >> (i + 1) << (i + 1)) as i64;
            sum += (same - one) * (E::from_int(above) + mean);
            same = one;
        } else {
            same -= one;
        }
    }
    sum
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
        rows: RowWeights<'a, E>,
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
        /// The weights.
        rows: RowWeights<'a, E>,
    },
}

/// A weight vector on one tensor: cell `(first + r) * 2^granule + j` of its padded layout has weight
/// `rows[r] * low[j]`; rows before and after weigh nothing.
#[derive(Clone, Debug)]
pub struct Entry<E> {
    /// Index in the layout's tensor list.
    pub tensor: usize,
    /// Power of two.
    pub granule: usize,
    /// First row with a weight.
    pub first: usize,
    /// Row weights.
    pub rows: Vec<E>,
    /// Weights inside a row (zero on padding cells).
    pub low: Vec<E>,
}

/// Row weights of a functional, from its first row on.
pub type Rows<'a, E> = (usize, Cow<'a, [E]>);

/// Weights inside a row.
#[derive(Clone, Debug)]
pub enum Low<'a, E: Clone> {
    /// `scale * eq(p_0, j) eq(p_1, j) ..` for `j < valid`, zero behind.
    Eq {
        /// The points, as long as the granule; at least one.
        points: Vec<&'a [E]>,
        /// The scale.
        scale: E,
        /// Cells that weigh something.
        valid: usize,
    },
    /// `scale * eq(point, j - at)` for `at <= j < at + len`, zero elsewhere.
    Run {
        /// The point, of any length.
        point: &'a [E],
        /// The scale.
        scale: E,
        /// First cell that weighs something.
        at: usize,
        /// Cells that weigh something.
        len: usize,
        /// Cells of a row, as a power of two.
        granule: usize,
    },
    /// Dense.
    Cells(Cow<'a, [E]>),
}

impl<'a, E: Challenge> Low<'a, E> {
    /// `eq(point, j)` on a whole row.
    #[must_use]
    pub fn eq(point: &'a [E]) -> Self {
        Self::Eq { valid: 1 << point.len(), points: vec![point], scale: E::ONE }
    }

    /// All weights.
    #[must_use]
    pub fn cells(self) -> Vec<E> {
        match self {
            Self::Eq { points, scale, valid } => {
                let mut points = points.into_iter();
                let mut cells = eq_table_scaled(points.next().unwrap_or_default(), scale);
                for p in points {
                    cells.iter_mut().zip(eq_table(p)).for_each(|(c, x)| *c *= x);
                }
                cells.iter_mut().skip(valid).for_each(|x| *x = E::ZERO);
                cells
            }
            Self::Run { point, scale, at, len, granule } => {
                let mut cells = vec![E::ZERO; at];
                eq_segment_into(point, 0, len, scale, &mut cells);
                cells.resize(1 << granule, E::ZERO);
                cells
            }
            Self::Cells(cells) => cells.into_owned(),
        }
    }

    /// The same weights times a factor.
    #[must_use]
    pub fn scaled(self, by: E) -> Self {
        match self {
            Self::Eq { points, scale, valid } => Self::Eq { points, scale: scale * by, valid },
            Self::Run { point, scale, at, len, granule } => Self::Run { point, scale: scale * by, at, len, granule },
            Self::Cells(cells) => {
                let mut cells = cells.into_owned();
                proveil_algebra::scale(&mut cells, by);
                Self::Cells(cells.into())
            }
        }
    }

    /// The same weights on the first cells, zero behind.
    #[must_use]
    pub fn cut(self, cells: usize) -> Self {
        match self {
            Self::Eq { points, scale, valid } => Self::Eq { points, scale, valid: valid.min(cells) },
            Self::Run { point, scale, at, len, granule } => {
                Self::Run { point, scale, at, len: len.min(cells.saturating_sub(at)), granule }
            }
            Self::Cells(all) => {
                let mut all = all.into_owned();
                all.iter_mut().skip(cells).for_each(|x| *x = E::ZERO);
                Self::Cells(all.into())
            }
        }
    }
}

/// `sum of eq(a, x) eq(b_0, x) eq(b_1, x) ..` over `x < len`, in O(a.len()) field operations. The points are of one length.
pub fn eq_points_below<E: Challenge>(a: &[E], others: &[&[E]], len: usize) -> E {
    if let [b] = others
        && len >> a.len() != 0
    {
        return eq_points(a, b);
    }
    // From the lowest bit on: the sum over the bits so far, and over those of them that are below the same bits of `len`.
    let (mut all, mut below) = (E::ONE, E::ZERO);
    for (i, x) in a.iter().enumerate() {
        let (mut one, mut zero) = (*x, E::ONE - *x);
        for y in others.iter().filter_map(|b| b.get(i)) {
            one *= *y;
            zero *= E::ONE - *y;
        }
        below = if len >> i & 1 == 1 { zero * all + one * below } else { zero * below };
        all *= zero + one;
    }
    if len >> a.len() != 0 { all } else { below }
}

/// Where functionals go: into a list, or to what follows from them.
pub trait Sink<E: Clone> {
    /// Whether functionals on this tensor are wanted; others need not be computed.
    fn wants(&self, tensor: usize) -> bool;
    /// Whether the next functional is this sink's, of several that share the work. Asked once for each, in an order that
    /// does not depend on the answers.
    fn turn(&mut self) -> bool {
        true
    }
    /// Takes a functional: the fields of an [`Entry`].
    fn take(&mut self, tensor: usize, granule: usize, rows: Rows<'_, E>, low: Low<'_, E>);
    /// Takes a functional whose row weights are `slow[i] fast[j]`, `j` counting fastest.
    fn take_product(&mut self, tensor: usize, granule: usize, rows: ProductRows<'_, E>, low: Low<'_, E>)
    where
        E: Challenge,
    {
        let mut product = self.spare();
        outer_product(&rows.slow.dense(), rows.fast, &mut product);
        self.take(tensor, granule, (rows.first, product.into()), low);
    }
    /// Takes a functional on whole lines of the last axis.
    fn take_lines(&mut self, tensor: usize, granule: usize, lines: Lines<'_, E>)
    where
        E: Challenge,
    {
        let slow = lines.slow.dense();
        for (k, cells) in lines.cells.chunks(1 << granule).enumerate() {
            let mut rows = self.spare();
            rows.resize((slow.len().max(1) - 1) * lines.chunks + 1, E::ZERO);
            rows.iter_mut().step_by(lines.chunks.max(1)).zip(&*slow).for_each(|(r, w)| *r = *w);
            let first = lines.first * lines.chunks + lines.from + k;
            self.take(tensor, granule, (first, rows.into()), Low::Cells(cells.into()));
        }
    }
    /// A vector whose memory may be used for row weights.
    fn spare(&mut self) -> Vec<E> {
        Vec::new()
    }
}

impl<E: Challenge> Sink<E> for Vec<Entry<E>> {
    fn wants(&self, _: usize) -> bool {
        true
    }

    fn take(&mut self, tensor: usize, granule: usize, (first, rows): Rows<'_, E>, low: Low<'_, E>) {
        self.push(Entry { tensor, granule, first, rows: rows.into_owned(), low: low.cells() });
    }
}

/// How an access is walked: which variable is split into (chunk, low) and the low weights.
#[derive(Clone, Debug)]
pub struct Walk<'f, E: Clone> {
    /// Granule of rows visited.
    pub granule: usize,
    /// The split variable, if any.
    pub var: Option<usize>,
    /// Low weights of a full row.
    pub low: Low<'f, E>,
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

/// Chooses the split variable of an access and the granule, and prepares the low weights.
pub fn plan_walk<'f, E: Challenge>(
    extents: &[usize],
    factors: &'f [Factor<'_, E>],
    access: &Access,
    dims: &Dims,
) -> Walk<'f, E> {
    match split(extents, factors, access, dims) {
        Some((v, g)) => {
            let n = extents.get(v).copied().unwrap_or(1);
            Walk { granule: g, var: Some(v), low: low_weights(v, g, factors), partial: n & ((1 << g) - 1) }
        }
        None => Walk { granule: 0, var: None, low: Low::eq(&[]), partial: 0 },
    }
}

/// The split variable of an access and the granule; `None` where cells are walked one by one.
fn split<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    access: &Access,
    dims: &Dims,
) -> Option<(usize, usize)> {
    let Affine { terms, offset } = access.axes.last()?;
    let alone = |v: usize| {
        access.axes.iter().rev().skip(1).all(|a| !a.uses(v)) && access.guards.iter().all(|g| !g.form.uses(v))
    };
    let length = |v: u32| extents.get(v as usize).copied().unwrap_or(1) as i128;
    let v = terms.iter().find(|t| t.1 == 1 && length(t.0) > 1).or(terms.first()).map(|t| t.0 as usize)?;
    // Whatever else moves the row moves it by whole granules, and no setting leaves the axis.
    let mut units = *offset;
    for (w, c) in terms {
        units |= if *w as usize == v || length(*w) == 1 { 0 } else { *c };
    }
    let inside = reach(access.axes.last()?, extents, dims).is_some();
    if !alone(v) || !inside || terms.iter().any(|t| t.0 as usize == v && t.1 != 1) {
        return None;
    }
    let mut g = dims.granule.min(if units == 0 { 63 } else { units.trailing_zeros() as usize });
    for f in factors {
        match f {
            Factor::Eq { var, pt } if *var == v => g = g.min(pt.len()),
            Factor::Line { var, cells } if *var == v && cells.len() > 1 << g => return None,
            Factor::Space { vars, granule, .. } if vars.last() == Some(&v) => g = g.min(*granule),
            Factor::Space { vars, .. } | Factor::Outer { vars, .. } if vars.contains(&v) => return None,
            _ => {}
        }
    }
    if g == 0 && terms.len() > 1 { None } else { Some((v, g)) }
}

/// Least and greatest value of the form of the last axis; `None` if any is outside the axis.
fn reach(form: &Affine, extents: &[usize], dims: &Dims) -> Option<(usize, usize)> {
    let (mut lo, mut hi) = (i128::from(form.offset), i128::from(form.offset));
    for (w, c) in &form.terms {
        let top = i128::from(*c) * (extents.get(*w as usize).copied().unwrap_or(1) as i128 - 1);
        (lo, hi) = (lo + top.min(0), hi + top.max(0));
    }
    (hi < dims.last as i128).then_some((usize::try_from(lo).ok()?, usize::try_from(hi).ok()?))
}

/// The product of the factors of variable `v` inside a row of `2^g` cells.
fn low_weights<'f, E: Challenge>(v: usize, g: usize, factors: &'f [Factor<'_, E>]) -> Low<'f, E> {
    let (mut points, mut lines) = (Vec::new(), Vec::new());
    for f in factors {
        match f {
            Factor::Line { var, cells } if *var == v => lines.push(cells),
            Factor::Eq { var, pt } if *var == v => points.push(pt.get(..g).unwrap_or(pt)),
            Factor::Space { vars, low, .. } if vars.last() == Some(&v) => points.push(low.get(..g).unwrap_or(low)),
            _ => {}
        }
    }
    if lines.is_empty() && !points.is_empty() {
        return Low::Eq { points, scale: E::ONE, valid: 1 << g };
    }
    let mut low = vec![E::ONE; 1 << g];
    let tables = points.into_iter().map(|p| Cow::Owned(eq_table(p)));
    for table in tables.chain(lines.into_iter().map(|cells| Cow::Borrowed(&cells[..]))) {
        low.iter_mut().zip(table.iter()).for_each(|(l, t)| *l *= *t);
    }
    Low::Cells(low.into())
}

fn prepare<'f, E: Challenge>(factor: &'f Factor<'_, E>, extents: &[usize], walk: &Walk<'_, E>) -> Table<'f, E> {
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
        Factor::Outer { vars, rows } => Table { cells: rows.dense(), strides: dense(vars, 1) },
        Factor::Space { vars, granule, rows, low } => {
            let Some((last, outer)) = vars.split_last() else {
                return Table { cells: rows.dense(), strides: vec![] };
            };
            let drop = if walk.var == Some(*last) { g.min(*granule) } else { 0 };
            let n = length(*last);
            let (coarse, chunks) = (n.div_ceil(1 << granule).max(1), n.div_ceil(1 << drop));
            let fine = eq_table(low.get(drop..).unwrap_or_default());
            let rows = rows.dense();
            let cells: Cow<'f, [E]> = if fine.len() == 1 {
                rows
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
    walk: &Walk<'_, E>,
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
        walk: &Walk<'_, E>,
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
