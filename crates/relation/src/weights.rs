//! Functionals on tensors. Every claim of the argument is `sum over cells of weight * cell`, where the weight is a
//! product of equality polynomials of the index variables pushed through an access. The push is done at the coarsest
//! granule of `2^g` consecutive cells of the last axis for which weights factor as `rows[r] * low[j]`.
//!
//! Symbols: `rows` has one entry for each aligned granule of the tensor's padded layout, `low` one for each cell of it.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, eq_index, eq_table};

use crate::decl::{Access, Affine};
use crate::layout::Dims;

/// `eq(pt, start + x)` for `x < len`, in O(len + pt.len()) field operations. Zero where `start + x >= 2^pt.len()`.
pub fn eq_segment<E: Challenge>(pt: &[E], start: usize, len: usize) -> Vec<E> {
    let k = proveil_algebra::log2_ceil(len).min(pt.len());
    let (low, high) = pt.split_at(k);
    let table = eq_table(low);
    let mut out = Vec::with_capacity(len);
    let mut at = start;
    while out.len() < len {
        let w = eq_index(high, (at >> k) as u64);
        let from = at & ((1 << k) - 1);
        let take = ((1 << k) - from).min(len - out.len());
        out.extend(table.iter().skip(from).take(take).map(|e| *e * w));
        at += take;
    }
    out
}

/// A weight on some index variables.
#[derive(Clone, Debug)]
pub enum Factor<'a, E> {
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
        rows: &'a [E],
        /// Point for the cell inside a row.
        low: &'a [E],
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

struct Step {
    var: usize,
    count: usize,
    scale: usize,
}

struct Walker<'a, 'f, E: Clone> {
    steps: Vec<Step>,
    extents: &'a [usize],
    dims: &'a Dims,
    access: &'a Access,
    granule: usize,
    split: Option<usize>,
    strides: &'a [usize],
    /// For each step: factors that are complete once this step is set.
    due: Vec<Vec<Table<'f, E>>>,
}

/// A factor prepared for row-wise evaluation.
enum Table<'f, E: Clone> {
    One { var: usize, table: Vec<E>, shift: usize },
    Rows { vars: Vec<usize>, dims: Vec<usize>, last: Option<(usize, usize)>, rows: alloc::borrow::Cow<'f, [E]> },
}

impl<E: Challenge> Table<'_, E> {
    fn at(&self, idx: &[usize]) -> E {
        let read = |v: usize| idx.get(v).copied().unwrap_or(0);
        match self {
            Self::One { var, table, shift } => table.get(read(*var) >> shift).copied().unwrap_or(E::ZERO),
            Self::Rows { vars, dims, last, rows } => {
                let mut i = vars.iter().zip(dims).fold(0, |acc, (v, n)| acc * n + read(*v));
                if let Some((v, shift)) = last {
                    let chunks = dims.last().copied().unwrap_or(1);
                    i = i * chunks + (read(*v) >> shift);
                }
                rows.get(i).copied().unwrap_or(E::ZERO)
            }
        }
    }
    fn vars(&self) -> Vec<usize> {
        match self {
            Self::One { var, .. } => vec![*var],
            Self::Rows { vars, last, .. } => vars.iter().copied().chain(last.map(|l| l.0)).collect(),
        }
    }
}

/// Chooses the split variable of an access and the granule, and prepares the low weights.
pub fn plan_walk<E: Challenge>(extents: &[usize], factors: &[Factor<'_, E>], access: &Access, dims: &Dims) -> Walk<E> {
    let none = Walk { granule: 0, var: None, low: vec![E::ONE], partial: 0 };
    let Some(Affine { terms, offset }) = access.axes.last() else { return none };
    let [(v, 1)] = terms.as_slice() else { return none };
    let v = *v as usize;
    let n = extents.get(v).copied().unwrap_or(1);
    let alone = access.axes.iter().rev().skip(1).all(|a| !a.uses(v)) && access.guards.iter().all(|g| !g.form.uses(v));
    let Ok(off) = usize::try_from(*offset) else { return none };
    if !alone || off + n > dims.last {
        return none;
    }
    let mut g = dims.granule.min(if off == 0 { 63 } else { off.trailing_zeros() as usize });
    for f in factors {
        match f {
            Factor::Eq { var, pt } if *var == v => g = g.min(pt.len()),
            Factor::Space { vars, granule, .. } if vars.last() == Some(&v) => g = g.min(*granule),
            Factor::Space { vars, .. } | Factor::Outer { vars, .. } if vars.contains(&v) => return none,
            _ => {}
        }
    }
    let mut low = vec![E::ONE; 1 << g];
    for f in factors {
        let pt: &[E] = match f {
            Factor::Eq { var, pt } if *var == v => pt,
            Factor::Space { vars, low, .. } if vars.last() == Some(&v) => low,
            _ => continue,
        };
        let table = eq_table(pt.get(..g).unwrap_or(pt));
        low.iter_mut().zip(&table).for_each(|(l, t)| *l *= *t);
    }
    Walk { granule: g, var: Some(v), low, partial: n & ((1 << g) - 1) }
}

fn prepare<'f, E: Challenge>(factor: &Factor<'f, E>, extents: &[usize], walk: &Walk<E>) -> Table<'f, E> {
    let dims = |vars: &[usize]| vars.iter().map(|v| extents.get(*v).copied().unwrap_or(1)).collect::<Vec<_>>();
    let g = walk.granule;
    match factor {
        Factor::Eq { var, pt } if walk.var == Some(*var) => {
            Table::One { var: *var, table: eq_table(pt.get(g..).unwrap_or_default()), shift: g }
        }
        Factor::Eq { var, pt } => Table::One { var: *var, table: eq_table(pt), shift: 0 },
        Factor::Outer { vars, rows } => {
            Table::Rows { vars: vars.clone(), dims: dims(vars), last: None, rows: rows.clone().into() }
        }
        Factor::Space { vars, granule, rows, low } => {
            let Some((last, outer)) = vars.split_last() else {
                return Table::Rows { vars: vec![], dims: vec![], last: None, rows: (*rows).into() };
            };
            let to = if walk.var == Some(*last) { g.min(*granule) } else { 0 };
            let fine = eq_table(low.get(to..).unwrap_or_default());
            let n = extents.get(*last).copied().unwrap_or(1);
            let (coarse, chunks) = (n.div_ceil(1 << granule), n.div_ceil(1 << to));
            let rows: alloc::borrow::Cow<'f, [E]> = if fine.len() == 1 {
                (*rows).into()
            } else {
                let mut out = Vec::with_capacity(rows.len() / coarse.max(1) * chunks);
                for line in rows.chunks(coarse.max(1)) {
                    out.extend((0..chunks).map(|c| {
                        let r = line.get(c >> (granule - to)).copied().unwrap_or(E::ZERO);
                        r * fine.get(c & (fine.len() - 1)).copied().unwrap_or(E::ZERO)
                    }));
                }
                out.into()
            };
            let mut d = dims(outer);
            d.push(chunks);
            Table::Rows { vars: outer.to_vec(), dims: d, last: Some((*last, to)), rows }
        }
    }
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
    visit: &mut dyn FnMut(Visit<E>),
) {
    let g = walk.granule;
    let steps: Vec<Step> = extents
        .iter()
        .enumerate()
        .map(|(v, n)| {
            let split = walk.var == Some(v);
            Step { var: v, count: if split { n.div_ceil(1 << g) } else { *n }, scale: if split { 1 << g } else { 1 } }
        })
        .collect();
    let mut due: Vec<Vec<Table<'_, E>>> = (0..=steps.len()).map(|_| Vec::new()).collect();
    for f in factors {
        let t = prepare(f, extents, walk);
        let at = t.vars().iter().map(|v| v + 1).max().unwrap_or(0);
        if let Some(d) = due.get_mut(at) {
            d.push(t);
        }
    }
    let w = Walker { steps, extents, dims, access, granule: g, split: walk.var, strides, due };
    let mut idx = vec![0usize; extents.len()];
    let scale = w.apply(0, scale, &idx);
    w.descend(0, scale, 0, &mut idx, range, visit);
}

impl<E: Challenge> Walker<'_, '_, E> {
    fn apply(&self, depth: usize, weight: E, idx: &[usize]) -> E {
        self.due.get(depth).map_or(weight, |d| d.iter().fold(weight, |w, t| w * t.at(idx)))
    }

    fn descend(
        &self,
        depth: usize,
        weight: E,
        target: usize,
        idx: &mut Vec<usize>,
        range: Option<(usize, usize, usize)>,
        visit: &mut dyn FnMut(Visit<E>),
    ) {
        let Some(step) = self.steps.get(depth) else {
            if let Some((row, valid)) = self.leaf(idx) {
                visit(Visit { weight, row, valid, target });
            }
            return;
        };
        let (from, to) = range.filter(|r| r.0 == step.var).map_or((0, step.count), |r| (r.1, r.2));
        let stride = self.strides.get(step.var).copied().unwrap_or(0);
        for i in from..to.min(step.count) {
            let value = i * step.scale;
            if let Some(x) = idx.get_mut(step.var) {
                *x = value;
            }
            let w = self.apply(depth + 1, weight, idx);
            self.descend(depth + 1, w, target + stride * value, idx, range, visit);
        }
    }

    /// The row read at this setting and its number of valid cells.
    fn leaf(&self, idx: &[usize]) -> Option<(usize, usize)> {
        for g in &self.access.guards {
            let v = g.form.at(idx);
            if v < 0 || v as u64 >= g.bound {
                return None;
            }
        }
        let mut outer = 0usize;
        let mut last = 0usize;
        let axes = &self.access.axes;
        for (a, form) in axes.iter().enumerate() {
            let v = usize::try_from(form.at(idx)).ok()?;
            let n = self.dims.shape.get(a).copied()?;
            if v >= n {
                return None;
            }
            if a + 1 == axes.len() {
                last = v;
            } else {
                outer = outer * n + v;
            }
        }
        let per = self.dims.padded_last() >> self.granule;
        let row = outer * per + (last >> self.granule);
        let valid = match self.split {
            Some(v) => {
                let n = self.extents.get(v).copied().unwrap_or(1);
                n.saturating_sub(idx.get(v).copied().unwrap_or(0)).min(1 << self.granule)
            }
            None => 1,
        };
        Some((row, valid))
    }
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
    let walk = plan_walk(extents, factors, access, dims);
    let num_rows = dims.padded_cells() >> walk.granule;
    let mut full = vec![E::ZERO; num_rows];
    let mut partial = if walk.partial == 0 { Vec::new() } else { vec![E::ZERO; num_rows] };
    let (mut any_full, mut any_partial) = (false, false);
    walk_rows(extents, factors, scale, access, dims, &walk, &[], None, &mut |v| {
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
