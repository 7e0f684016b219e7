//! Pushing weights through an access: the functional on a tensor that a product of factors on index variables induces.
//! Variables that nothing reads are summed over first, what can be read in longer rows is rewritten so, and where every
//! variable has an axis of its own the row weights are a tensor product; only what is left is walked row by row.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, eq_table};

use super::rewrite::{Unrolled, fuse, merge, unroll};
use super::whole::whole_rows;
use super::{
    Factor, Lines, Low, ProductRows, RowWeights, Run, Sink, Table, Walk, dense, eq_segment, eq_sum, outer_product,
    plan_walk, prepare, walk_rows,
};
use crate::decl::{Access, Affine};
use crate::layout::Dims;

impl<'a, E: Challenge> Factor<'a, E> {
    /// The weights of its only variable, of length `n`, as runs.
    fn runs<'f>(&'f self, n: usize) -> Option<Vec<Run<'f, E>>>
    where
        'a: 'f,
    {
        match self {
            Self::Eq { pt, .. } => Some(vec![Run { point: pt, inside: 0, row: 0, rows: n, start: 0, weight: E::ONE }]),
            Self::Outer { vars, rows: RowWeights::Runs { runs, .. } } if vars.len() == 1 => Some(runs.clone()),
            // Cells of lines without padding follow each other.
            Self::Space { vars, granule, rows: RowWeights::Runs { runs, .. }, .. }
                if vars.len() == 1 && n & ((1 << granule) - 1) == 0 =>
            {
                Some(runs.iter().map(Run::cells).collect())
            }
            _ => None,
        }
    }
}

impl<E: Challenge> Factor<'_, E> {
    /// The factor summed over variable `v`, which it depends on.
    fn marginal(&self, v: usize, extents: &[usize]) -> Self {
        let length = |w: &usize| extents.get(*w).copied().unwrap_or(1);
        let after = |vars: &[usize]| vars.iter().skip_while(|w| **w != v).skip(1).map(length).product::<usize>();
        let others = |vars: &[usize]| vars.iter().copied().filter(|w| *w != v).collect::<Vec<_>>();
        match self {
            Self::Eq { pt, .. } => {
                let sum = eq_segment(pt, 0, length(&v)).into_iter().fold(E::ZERO, |a, x| a + x);
                Self::Outer { vars: vec![], rows: vec![sum].into() }
            }
            Self::Line { cells, .. } => {
                Self::Outer { vars: vec![], rows: vec![cells.iter().fold(E::ZERO, |a, x| a + *x)].into() }
            }
            Self::Outer { vars, rows } => {
                Self::Outer { vars: others(vars), rows: sum_axis(&rows.dense(), length(&v), after(vars)).into() }
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
                Self::Outer {
                    vars: others(vars),
                    rows: rows.dense().chunks(chunks).map(line).collect::<Vec<_>>().into(),
                }
            }
            Self::Space { vars, granule, rows, low } => {
                let last = vars.last().map_or(1, length);
                let after = after(vars) / last.max(1) * last.div_ceil(1 << granule);
                let rows = sum_axis(&rows.dense(), length(&v), after).into();
                Self::Space { vars: others(vars), granule: *granule, rows, low }
            }
        }
    }
}

/// Whether the access reads cell `i` of its tensor at index `i` of a space of the same shape.
fn is_identity(space: &Dims, access: &Access, dims: &Dims) -> bool {
    space.shape == dims.shape
        && access.guards.is_empty()
        && access.axes.len() == space.shape.len()
        && run_through(&access.axes)
}

/// Whether each axis is read at the variable of its number.
fn run_through(axes: &[Affine]) -> bool {
    let own = |(v, a): (usize, &Affine)| a.offset == 0 && matches!(a.terms.as_slice(), [(w, 1)] if *w as usize == v);
    axes.iter().enumerate().all(own)
}

/// Hands on a functional whose row weights are runs.
fn take_runs<E: Challenge>(
    tensor: usize,
    granule: usize,
    (len, runs): (usize, &[Run<'_, E>]),
    low: Low<'_, E>,
    out: &mut impl Sink<E>,
) {
    let slow = RowWeights::Runs { len, runs: runs.to_vec() };
    out.take_product(tensor, granule, ProductRows { first: 0, slow: &slow, fast: &[E::ONE] }, low);
}

/// [`push_runs`] through the identity: the weights of the space are those of the tensor.
fn push_identity<E: Challenge>(
    runs: &[Run<'_, E>],
    low: &[E],
    scale: E,
    tensor: usize,
    dims: &Dims,
    out: &mut impl Sink<E>,
) {
    let granule = dims.granule;
    let point = low.get(..granule).unwrap_or(low);
    let tail = dims.last & ((1 << granule) - 1);
    let low = Low::eq(point).scaled(scale);
    if tail == 0 {
        return take_runs(tensor, granule, (dims.rows(), runs), low, out);
    }
    // The last granule of every line is partial.
    let cut = low.clone().cut(tail);
    let chunks = dims.chunks().max(1);
    if chunks == 1 {
        return take_runs(tensor, granule, (dims.rows(), runs), cut, out);
    }
    let mut full = dense(runs, dims.rows());
    let mut partial = vec![E::ZERO; full.len()];
    let ends = full.iter_mut().zip(&mut partial).skip(chunks - 1).step_by(chunks);
    ends.for_each(|(f, p)| core::mem::swap(f, p));
    out.take(tensor, granule, (0, partial.into()), cut);
    out.take(tensor, granule, (0, full.into()), low);
}

/// [`push_runs`] of the weights of a space that are one to a row of the tensor: its outer axes run through those of the
/// tensor, and the last axis is read inside its only granule, or at one cell, then by all variables of the space too; or
/// all axes but the space's last one run through those of the tensor. `false`, and nothing done, elsewhere.
fn push_cells<E: Challenge>(
    space: &Dims,
    (runs, low): (&[Run<'_, E>], &[E]),
    scale: E,
    access: &Access,
    dims: &Dims,
    out: &mut impl Sink<E>,
) -> bool {
    let (Some((last, outer)), Some((n, leading))) = (access.axes.split_last(), space.shape.split_last()) else {
        return false;
    };
    let (tensor, granule, rows) = (access.tensor as usize, dims.granule, dims.rows());
    // A tensor without padding that has a cell for every line of the space.
    let lines = access.guards.is_empty()
        && space.chunks() == 1
        && leading == dims.shape
        && leading.len() == access.axes.len()
        && dims.last & ((1 << granule) - 1) == 0
        && run_through(&access.axes);
    if lines {
        let low = Low::Run { point: &[], scale: scale * eq_sum(low, *n), at: 0, len: 1, granule: 0 };
        take_runs(tensor, 0, (dims.padded_cells(), runs), low, out);
        return true;
    }
    let lead = dims.shape.get(..outer.len()).unwrap_or_default();
    let aligned = access.guards.is_empty()
        && space.shape.get(..outer.len()) == Some(lead)
        && run_through(outer)
        && access.axes.len() == dims.shape.len()
        && (dims.chunks(), space.chunks()) == (1, 1);
    let Some(at) = usize::try_from(last.offset).ok().filter(|at| aligned && *at < dims.last) else { return false };
    let one = |scale| Low::Run { point: &[], scale, at, len: 1, granule };
    match last.terms.as_slice() {
        [(v, 1)] if *v as usize == outer.len() && leading.len() == outer.len() && at + n <= dims.last => {
            let low = Low::Run { point: low, scale, at, len: *n, granule };
            take_runs(tensor, granule, (rows, runs), low, out);
        }
        [] if leading.len() == outer.len() => {
            take_runs(tensor, granule, (rows, runs), one(scale * eq_sum(low, *n)), out);
        }
        [] if space.shape.len() == outer.len() && *n == 1 << space.granule => {
            // The addresses of the cells of a space without padding follow each other.
            let fine: Vec<_> = runs.iter().map(Run::cells).collect();
            take_runs(tensor, granule, (rows, &fine), one(scale), out);
        }
        [] if space.shape.len() == outer.len() => {
            let (slow, fast) = (dense(runs, space.rows()).into(), eq_segment(low, 0, *n));
            let rows = ProductRows { first: 0, slow: &slow, fast: &fast };
            out.take_product(tensor, granule, rows, one(scale));
        }
        _ => return false,
    }
    true
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
            None => factors.push(Factor::Outer { vars: vec![], rows: vec![E::from_int(n as i64)].into() }),
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
    walk: &Walk<'_, E>,
    out: &mut impl Sink<E>,
) -> bool {
    let Some(Axes { start, slow, mut inner }) = own_axes(extents, factors, access, dims, walk) else { return false };
    let Some(last) = inner.pop() else { return false };
    // Rows in a step of the outermost axis.
    let step = inner.iter().map(Vec::len).product::<usize>() * if slow.is_none() { 1 } else { last.len() };
    let low = walk.low.clone().scaled(scale * unread(extents, factors, access, walk));
    let tensor = access.tensor as usize;
    let mut add = |last: Vec<E>, low: Low<'_, E>| {
        let first = start * step;
        let Some(slow) = &slow else {
            return out.take(tensor, walk.granule, (first, last.into()), low);
        };
        let fast = inner.iter().rev().fold(last, |fast, axis| {
            let mut product = out.spare();
            outer_product(axis, &fast, &mut product);
            product
        });
        out.take_product(tensor, walk.granule, ProductRows { first, slow, fast: &fast }, low);
    };
    if walk.partial == 0 {
        add(last, low);
        return true;
    }
    // The row that is not full is the last one that carries weight.
    let n = walk.var.and_then(|v| extents.get(v)).copied().unwrap_or(1);
    let offset = access.axes.last().map_or(0, |a| a.offset as usize) >> walk.granule;
    let first = if slow.is_none() { 0 } else { offset };
    let end = first + (n >> walk.granule);
    let cut = low.clone().cut(walk.partial);
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

/// The product of the weights of variables of one value that nothing reads.
fn unread<E: Challenge>(extents: &[usize], factors: &[Factor<'_, E>], access: &Access, walk: &Walk<'_, E>) -> E {
    let lone = factors.iter().filter(|f| !(0..extents.len()).any(|v| f.on(v) && access.uses(v)));
    let first = |f| prepare(f, extents, walk).cells.first().copied().unwrap_or(E::ZERO);
    lone.fold(E::ONE, |s, f| s * first(f))
}

/// [`push`] of a functional whose lines are spelled out, where the weights of a line are a tensor product. `false`, and
/// nothing done, elsewhere, and where most granules of many lines have no weights.
fn push_lines<E: Challenge>(unrolled: &Unrolled<'_, E>, scale: E, dims: &Dims, out: &mut impl Sink<E>) -> bool {
    /// Granules of a line to one that has weights, at most.
    const SPARSE: usize = 4;
    let (granule, chunks) = (dims.granule, dims.chunks());
    let merged = merge(&unrolled.rest.extents, &unrolled.rest.factors, &unrolled.rest.access, dims);
    let (rest, dims) = merged.as_ref().map_or((&unrolled.rest, dims), |(r, d)| (r, d));
    let walk = Walk { granule, var: None, low: Low::eq(&[]), partial: 0 };
    let Some(Axes { start, slow, mut inner }) = own_axes(&rest.extents, &rest.factors, &rest.access, dims, &walk)
    else {
        return false;
    };
    // All lines begin at the first granule, whose weight is one.
    inner.pop();
    let step = inner.iter().map(Vec::len).product::<usize>();
    let slow = inner.into_iter().fold(slow.unwrap_or_else(|| vec![E::ONE].into()), |slow, axis| {
        let mut product = Vec::new();
        outer_product(&slow.dense(), &axis, &mut product);
        product.into()
    });
    if slow.count() > 1 && chunks > SPARSE * (unrolled.cells.len() >> granule) {
        return false;
    }
    let mut cells = unrolled.cells.clone();
    proveil_algebra::scale(&mut cells, scale * unread(&rest.extents, &rest.factors, &rest.access, &walk));
    let lines = Lines { chunks, first: start * step, slow: &slow, from: unrolled.first, cells: &cells };
    out.take_lines(rest.access.tensor as usize, granule, lines);
    true
}

/// Weights along every axis.
struct Axes<'f, E: Clone> {
    /// First place of the outermost axis that has a weight.
    start: usize,
    /// Weights along the outermost axis from there on, unless it is the only one.
    slow: Option<RowWeights<'f, E>>,
    /// Those along the others, the last one by rows.
    inner: Vec<Vec<E>>,
}

/// The weights along every axis; `None` unless they are independent of each other.
fn own_axes<'f, E: Challenge>(
    extents: &[usize],
    factors: &'f [Factor<'_, E>],
    access: &Access,
    dims: &Dims,
    walk: &Walk<'_, E>,
) -> Option<Axes<'f, E>> {
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
    let (mut start, mut slow, mut inner) = (0, None, Vec::with_capacity(access.axes.len()));
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
        let (from, steps) = (offset >> granule, n.div_ceil(1 << granule));
        let mut own = factors.iter().filter(|f| var.is_some_and(|v| f.on(v)));
        let outermost = a == 0 && access.axes.len() > 1;
        if outermost
            && let (Some(f), None) = (own.next(), own.next())
            && let Some(runs) = f.runs(n)
        {
            (start, slow) = (from, Some(RowWeights::Runs { len: n, runs }));
            continue;
        }
        let mut axis = vec![E::ZERO; if a == 0 { steps } else { length >> granule }];
        let own = axis.iter_mut().skip(if a == 0 { 0 } else { from }).take(steps);
        start = if a == 0 { from } else { start };
        let tables: Vec<_> =
            factors.iter().filter(|f| var.is_some_and(|v| f.on(v))).map(|f| prepare(f, extents, walk)).collect();
        if let [Table { cells, .. }] = &tables[..]
            && cells.len() >= steps
        {
            own.zip(cells.iter()).for_each(|(o, x)| *o = *x);
        } else {
            // A table without strides is a constant.
            let at = |t: &Table<'_, E>, x: usize| {
                t.cells.get(if t.strides.is_empty() { 0 } else { x }).copied().unwrap_or(E::ZERO)
            };
            own.enumerate().for_each(|(x, o)| *o = tables.iter().fold(E::ONE, |w, t| w * at(t, x)));
        }
        if outermost { slow = Some(axis.into()) } else { inner.push(axis) }
    }
    Some(Axes { start, slow, inner })
}

/// [`push`] of the address weights of a space: runs of its rows, and the point for the cell inside a row. The variables are
/// the axes of the space. Row weights are not spelled out where the access reads what has the shape of the space, or inside
/// one granule of every row.
pub fn push_runs<E: Challenge>(
    space: &Dims,
    (runs, low): (&[Run<'_, E>], &[E]),
    scale: E,
    access: &Access,
    dims: &Dims,
    out: &mut impl Sink<E>,
) {
    if !out.wants(access.tensor as usize) {
        return;
    }
    if space.granule == dims.granule && is_identity(space, access, dims) {
        return push_identity(runs, low, scale, access.tensor as usize, dims, out);
    }
    if push_cells(space, (runs, low), scale, access, dims, out) {
        return;
    }
    let rows = RowWeights::Runs { len: space.rows(), runs: runs.to_vec() };
    let vars = (0..space.shape.len()).collect();
    push(&space.shape, &[Factor::Space { vars, granule: space.granule, rows, low }], scale, access, dims, out);
}

/// The functional `T -> scale * sum over settings of (product of factors) * access`.
pub fn push<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    scale: E,
    access: &Access,
    dims: &Dims,
    out: &mut impl Sink<E>,
) {
    if !out.wants(access.tensor as usize) {
        return;
    }
    let mut extents = extents.to_vec();
    let mut factors = marginalise(&mut extents, factors, access);
    let fused = fuse(&mut extents, &mut factors, access, dims);
    let access = fused.as_ref().unwrap_or(access);
    match unroll(&extents, &factors, access, dims) {
        Some(lines) if push_lines(&lines, scale, dims, out) => {}
        Some(lines) => {
            let pieces = lines.pieces(dims);
            pieces.iter().for_each(|p| push_rows(&p.extents, &p.factors, scale, &p.access, dims, out));
        }
        None => push_rows(&extents, &factors, scale, access, dims, out),
    }
}

/// [`push`] of what is not rewritten any more but for its outer axes.
fn push_rows<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    scale: E,
    access: &Access,
    dims: &Dims,
    out: &mut impl Sink<E>,
) {
    if let Some((merged, dims)) = merge(extents, factors, access, dims) {
        let walk = plan_walk(&merged.extents, &merged.factors, &merged.access, &dims);
        if push_product(&merged.extents, &merged.factors, scale, &merged.access, &dims, &walk, out) {
            return;
        }
    }
    let walk = plan_walk(extents, factors, access, dims);
    if push_product(extents, factors, scale, access, dims, &walk, out) {
        return;
    }
    let num_rows = dims.padded_cells() >> walk.granule;
    if let Some(rows) = whole_rows(extents, factors, scale, access, dims, &walk) {
        return out.take(access.tensor as usize, walk.granule, (0, rows.into()), walk.low);
    }
    let mut full = out.spare();
    full.resize(num_rows, E::ZERO);
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
        out.take(tensor, walk.granule, (0, partial.into()), walk.low.clone().cut(walk.partial));
    }
    if any_full {
        out.take(tensor, walk.granule, (0, full.into()), walk.low);
    }
}
