//! Pushing weights through an access: the functional on a tensor that a product of factors on index variables induces.
//! Variables that nothing reads are summed over first, lines of several variables are joined, and where every variable
//! has an axis of its own the row weights are a tensor product; only what is left is walked row by row.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, eq_table, eq_table_scaled};

use super::{
    Factor, Low, ProductRows, Sink, Table, Walk, eq_segment, eq_segment_into, outer_product, plan_walk, prepare,
    walk_rows,
};
use crate::decl::{Access, Affine};
use crate::layout::Dims;

/// An access that stays inside one granule of the last axis reads whole granules of which most cells weigh nothing: without
/// this, every row would be one cell, or as long as the range is aligned.
fn confine<'f, E: Challenge>(
    extents: &mut Vec<usize>,
    factors: &mut Vec<Factor<'f, E>>,
    access: &Access,
    dims: &Dims,
) -> Option<Access> {
    let (last, outer) = access.axes.split_last()?;
    let at = usize::try_from(last.offset).ok()?;
    let (first, end) = (at >> dims.granule << dims.granule, ((at >> dims.granule) + 1) << dims.granule);
    let var = match last.terms.as_slice() {
        [] => None,
        [(v, 1)] => Some(*v as usize),
        _ => return None,
    };
    let n = var.map_or(Some(1), |v| extents.get(v).copied())?;
    let aligned = at == first && (n == end - first || n == dims.last.saturating_sub(first));
    let used = |v: usize| outer.iter().any(|a| a.uses(v)) || access.guards.iter().any(|g| g.form.uses(v));
    if dims.granule == 0 || aligned || at + n > end.min(dims.last) || var.is_some_and(used) {
        return None;
    }
    let own = |f: &Factor<'_, E>| var.is_some_and(|v| f.on(v));
    let line = |f: &Factor<'f, E>| var.filter(|v| f.on(*v)).map(|v| f.line(v, n));
    let parts: Vec<Vec<E>> = factors.iter().filter_map(line).collect::<Option<_>>()?;
    let mut cells = vec![E::ZERO; end - first];
    for (x, cell) in cells.iter_mut().skip(at - first).take(n).enumerate() {
        *cell = parts.iter().fold(E::ONE, |w, part| w * part.get(x).copied().unwrap_or(E::ZERO));
    }
    factors.retain(|f| matches!(f, Factor::Space { vars, .. } if vars.len() > 1) || !own(f));
    for f in factors.iter_mut().filter(|f| own(f)) {
        if let Factor::Space { vars, rows, .. } = f {
            let vars = vars.split_last().map(|v| v.1.to_vec()).unwrap_or_default();
            *f = Factor::Outer { vars, rows: rows.to_vec() };
        }
    }
    let var = var.unwrap_or_else(|| {
        extents.push(1);
        extents.len() - 1
    });
    *extents.get_mut(var)? = end.min(dims.last) - first;
    factors.push(Factor::Line { var, cells });
    let mut access = access.clone();
    *access.axes.last_mut()? = Affine { terms: vec![(var as u32, 1)], offset: first as i64 };
    Some(access)
}

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

    /// The weights of variable `v` of length `n`, those of a space inside its only row; `None` where they are not a factor
    /// of their own.
    fn line(&self, v: usize, n: usize) -> Option<Vec<E>> {
        match self {
            Self::Eq { pt, .. } => Some(eq_segment(pt, 0, n)),
            Self::Line { cells, .. } => Some(cells.clone()),
            Self::Outer { vars, rows } => (vars.len() == 1).then(|| rows.clone()),
            Self::Space { vars, granule, rows, low } => {
                if vars.last() != Some(&v) || n > 1 << granule {
                    return None;
                }
                let scale = if vars.len() == 1 { rows.first().copied()? } else { E::ONE };
                let mut cells = Vec::with_capacity(n);
                eq_segment_into(low, 0, n, scale, &mut cells);
                Some(cells)
            }
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
fn push_identity<E: Challenge>(rows: &[E], low: &[E], scale: E, tensor: usize, dims: &Dims, out: &mut impl Sink<E>) {
    let granule = dims.granule;
    let point = low.get(..granule).unwrap_or(low);
    let tail = dims.last & ((1 << granule) - 1);
    if tail == 0 {
        return out.take(tensor, granule, (0, rows.into()), Low::Eq { point, scale });
    }
    // The last granule of every line is partial.
    let low = eq_table_scaled(point, scale);
    let mut cut = low.clone();
    cut.iter_mut().skip(tail).for_each(|x| *x = E::ZERO);
    let chunks = dims.chunks().max(1);
    if chunks == 1 {
        return out.take(tensor, granule, (0, rows.into()), Low::Cells(cut.into()));
    }
    let mut full = out.spare();
    full.extend_from_slice(rows);
    let mut partial = vec![E::ZERO; full.len()];
    let ends = full.iter_mut().zip(&mut partial).skip(chunks - 1).step_by(chunks);
    ends.for_each(|(f, p)| core::mem::swap(f, p));
    out.take(tensor, granule, (0, partial.into()), Low::Cells(cut.into()));
    out.take(tensor, granule, (0, full.into()), Low::Cells(low.into()));
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
    out: &mut impl Sink<E>,
) -> bool {
    let Some((start, mut axes)) = own_axes(extents, factors, access, dims, walk) else { return false };
    let Some(last) = axes.pop() else { return false };
    // Rows in a step of the outermost axis.
    let step = axes.iter().skip(1).map(Vec::len).product::<usize>() * if axes.is_empty() { 1 } else { last.len() };
    // Variables of one value that nothing reads.
    let lone = factors.iter().filter(|f| !(0..extents.len()).any(|v| f.on(v) && access.uses(v)));
    let first = |f| prepare(f, extents, walk).cells.first().copied().unwrap_or(E::ZERO);
    let scale = lone.fold(scale, |s, f| s * first(f));
    let mut low = walk.low.clone();
    proveil_algebra::scale(&mut low, scale);
    let tensor = access.tensor as usize;
    let mut add = |last: Vec<E>, low: Vec<E>| {
        let (first, low) = (start * step, Low::Cells(low.into()));
        let Some((slow, inner)) = axes.split_first() else {
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
    let first = if axes.is_empty() { 0 } else { offset };
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

/// The weights along every axis, the last one by rows, the outermost one from its first weight on, which is returned
/// too; `None` unless they are independent of each other.
fn own_axes<E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'_, E>],
    access: &Access,
    dims: &Dims,
    walk: &Walk<E>,
) -> Option<(usize, Vec<Vec<E>>)> {
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
    let (mut start, mut out) = (0, Vec::with_capacity(access.axes.len()));
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
        out.push(axis);
    }
    Some((start, out))
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
    let confined = confine(&mut extents, &mut factors, access, dims);
    let access = confined.as_ref().unwrap_or(access);
    let walk = plan_walk(&extents, &factors, access, dims);
    if push_product(&extents, &factors, scale, access, dims, &walk, out) {
        return;
    }
    let num_rows = dims.padded_cells() >> walk.granule;
    let mut full = out.spare();
    full.resize(num_rows, E::ZERO);
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
        out.take(tensor, walk.granule, (0, partial.into()), Low::Cells(low.into()));
    }
    if any_full {
        out.take(tensor, walk.granule, (0, full.into()), Low::Cells(walk.low.into()));
    }
}
