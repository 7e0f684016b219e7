//! Other ways of writing a functional that let it be read in longer rows: variables that count through the last axis joined
//! into one, the last axis with its weights spelled out, outer axes merged into one. Each gives the same functional.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use proveil_algebra::{Challenge, eq_table};

use super::{Factor, RowWeights, Run, eq_segment, eq_segment_into, reach, refine, split};
use crate::decl::{Access, Affine};
use crate::layout::Dims;

/// A functional written anew.
#[derive(Clone)]
pub struct Rewritten<'f, E: Clone> {
    /// Lengths of the variables.
    pub extents: Vec<usize>,
    /// Weights.
    pub factors: Vec<Factor<'f, E>>,
    /// Where it reads.
    pub access: Access,
}

/// Whether variable `v` occurs in an axis but the last, or in a guard.
fn outside(access: &Access, v: usize) -> bool {
    access.axes.iter().rev().skip(1).any(|a| a.uses(v)) || access.guards.iter().any(|g| g.form.uses(v))
}

/// Gives variable `v` another length.
fn set(extents: &mut [usize], v: usize, length: usize) {
    if let Some(n) = extents.get_mut(v) {
        *n = length;
    }
}

/// Joins variables that together count through consecutive cells of the last axis (a flattened tensor, the columns of a
/// table) into one, where their weights factor and all lengths but the highest one's are powers of two. Rows can then
/// be longer than the lowest variable.
pub fn fuse<E: Challenge>(
    extents: &mut [usize],
    factors: &mut Vec<Factor<'_, E>>,
    access: &Access,
    dims: &Dims,
) -> Option<Access> {
    let terms = &access.axes.last()?.terms;
    let (mut chain, mut parts, mut length) = (Vec::new(), Vec::new(), 1usize);
    while length.is_power_of_two() {
        let Some((v, _)) = terms.iter().find(|t| usize::try_from(t.1) == Ok(length)) else { break };
        let v = *v as usize;
        let n = extents.get(v).copied().unwrap_or(1);
        let mut own = factors.iter().filter(|f| f.on(v));
        let (Some(factor), None) = (own.next(), own.next()) else { break };
        let Some(part) = factor.part(v, n).filter(|_| n > 1 && !chain.contains(&v) && !outside(access, v)) else {
            break;
        };
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
            *f = Factor::Outer { vars, rows: rows.clone() };
        }
    }
    factors.push(join(*first, parts));
    others.iter().for_each(|v| set(extents, *v, 1));
    set(extents, *first, length);
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

/// The granules of the last axis that an access read in rows of `2^granule` cells is better read in, if there are any.
pub fn spelled_out(extents: &[usize], access: &Access, dims: &Dims, granule: usize) -> Option<Range<usize>> {
    let last = access.axes.last()?;
    let (lo, hi) = reach(last, extents, dims)?;
    let granules = lo >> dims.granule..(hi >> dims.granule) + 1;
    let own = || last.terms.iter().map(|t| t.0 as usize);
    let settings = own().filter_map(|v| extents.get(v)).fold(1usize, |n, x| n.saturating_mul(*x));
    let shorter = 2 * granules.len() <= 1 << dims.granule.saturating_sub(granule);
    let once = own().enumerate().all(|(i, v)| !own().skip(i + 1).any(|w| w == v));
    let dense = settings >> dims.granule <= 4 * granules.len();
    (shorter && once && dense && !own().any(|v| outside(access, v))).then_some(granules)
}

/// A functional with the weights along the last axis spelled out.
pub struct Unrolled<'f, E: Clone> {
    /// The rest of it, at the first cell of every line.
    pub rest: Rewritten<'f, E>,
    /// First granule of a line that has weights.
    pub first: usize,
    /// Weights from there on, whole granules of them.
    pub cells: Vec<E>,
}

impl<'f, E: Challenge> Unrolled<'f, E> {
    /// The same as one functional for each granule of a line.
    pub fn pieces(&self, dims: &Dims) -> Vec<Rewritten<'f, E>> {
        let piece = |(k, cells): (usize, &[E])| {
            let at = (self.first + k) << dims.granule;
            let Rewritten { mut extents, mut factors, mut access } = self.rest.clone();
            let var = extents.len();
            extents.push(cells.len().min(dims.last - at));
            factors.push(Factor::Line { var, cells: cells.to_vec() });
            if let Some(last) = access.axes.last_mut() {
                *last = Affine { terms: vec![(var as u32, 1)], offset: at as i64 };
            }
            Rewritten { extents, factors, access }
        };
        self.cells.chunks(1 << dims.granule).enumerate().map(piece).collect()
    }
}

/// Spells out the weights along the last axis, of all variables that move on it, to be read granule by granule: an access
/// that begins inside a granule, or whose variables count in steps that are no granules, would be read in short rows
/// otherwise. `None` where nothing is won.
pub fn unroll<'f, E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'f, E>],
    access: &Access,
    dims: &Dims,
) -> Option<Unrolled<'f, E>> {
    let last = access.axes.last()?;
    let length = |v: usize| extents.get(v).copied().unwrap_or(1);
    let own: Vec<usize> = last.terms.iter().map(|t| t.0 as usize).collect();
    let granule = split(extents, factors, access, dims).map_or(0, |s| s.1);
    let Range { start: first, end } = spelled_out(extents, access, dims, granule)?;
    // Weights of all settings, and where they read, from the first granule on.
    let mut read = vec![(last.offset - ((first << dims.granule) as i64), E::ONE)];
    for (v, step) in &last.terms {
        let (v, n) = (*v as usize, length(*v as usize));
        let lines: Vec<Vec<E>> = factors.iter().filter(|f| f.on(v)).map(|f| f.line(v, n)).collect::<Option<_>>()?;
        let weight = |x: usize| lines.iter().fold(E::ONE, |w, l| w * l.get(x).copied().unwrap_or(E::ZERO));
        let line: Vec<E> = (0..n).map(weight).collect();
        let cells = |(at, w): &(i64, E)| {
            let (at, w) = (*at, *w);
            line.iter().enumerate().map(move |(x, l)| (at + step * x as i64, w * *l)).collect::<Vec<_>>()
        };
        read = read.iter().flat_map(cells).collect();
    }
    let mut cells = vec![E::ZERO; (end - first) << dims.granule];
    for (at, w) in read {
        *cells.get_mut(usize::try_from(at).ok()?)? += w;
    }
    // A space keeps its row weights: a line is one row of it.
    let rest = |f: &Factor<'f, E>| match f {
        f if !own.iter().any(|v| f.on(*v)) => Some(f.clone()),
        Factor::Space { vars, rows, .. } if vars.len() > 1 => {
            let vars = vars.split_last().map(|v| v.1.to_vec()).unwrap_or_default();
            Some(Factor::Outer { vars, rows: rows.clone() })
        }
        _ => None,
    };
    let rest: Vec<Factor<'f, E>> = factors.iter().filter_map(rest).collect();
    let (mut extents, mut access) = (extents.to_vec(), access.clone());
    own.iter().for_each(|v| set(&mut extents, *v, 1));
    if let Some(last) = access.axes.last_mut() {
        *last = Affine::default();
    }
    Some(Unrolled { rest: Rewritten { extents, factors: rest, access }, first, cells })
}

/// Merges the outermost axes into one where the access runs through all of them in order and they share a table of
/// weights; the tensor with its axes merged comes with it.
pub fn merge<'f, E: Challenge>(
    extents: &[usize],
    factors: &[Factor<'f, E>],
    access: &Access,
    dims: &Dims,
) -> Option<(Rewritten<'f, E>, Dims)> {
    let whole = |(a, n): (&Affine, &usize)| match a.terms.as_slice() {
        [(v, 1)] if a.offset == 0 && extents.get(*v as usize) == Some(n) => Some(*v as usize),
        _ => None,
    };
    let outer = access.axes.len().saturating_sub(1);
    let lead: Vec<usize> = access.axes.iter().zip(&dims.shape).take(outer).map_while(whole).collect();
    let dense = |f: &&Factor<'f, E>| match f {
        Factor::Outer { vars, .. } | Factor::Space { vars, .. } => vars.len() > 1 && lead.starts_with(vars),
        _ => false,
    };
    let table = factors.iter().find(dense)?;
    let (Factor::Outer { vars, .. } | Factor::Space { vars, .. }) = table else { return None };
    let axes = |v: usize| access.axes.iter().filter(|a| a.uses(v)).count();
    let on = |f: &Factor<'f, E>| vars.iter().any(|v| f.on(*v));
    let several = |f: &Factor<'f, E>| match f {
        Factor::Space { vars, .. } | Factor::Outer { vars, .. } => vars.len() > 1,
        _ => false,
    };
    let others = || factors.iter().filter(|f| on(f) && !core::ptr::eq(*f, table));
    if vars.iter().any(|v| axes(*v) != 1) || !access.guards.is_empty() || others().any(several) {
        return None;
    }
    let last = vars.last().and_then(|v| extents.get(*v)).copied()?;
    let mut cells: RowWeights<'f, E> = match table {
        // Cells of lines without padding follow each other.
        Factor::Space { granule, rows: RowWeights::Runs { len, runs }, .. } if last & ((1 << granule) - 1) == 0 => {
            RowWeights::Runs { len: len << granule, runs: runs.iter().map(Run::cells).collect() }
        }
        Factor::Space { granule, rows, low, .. } => {
            let fine = eq_table(low);
            let line = |line: &[E]| refine(line, &fine, *granule, last);
            rows.dense().chunks(last.div_ceil(1 << granule).max(1)).flat_map(line).collect::<Vec<_>>().into()
        }
        Factor::Outer { rows, .. } => rows.clone(),
        _ => return None,
    };
    // What else weighs these axes is multiplied in.
    for f in others() {
        let (i, v) = vars.iter().enumerate().find(|(_, v)| f.on(**v))?;
        let n = extents.get(*v).copied()?;
        let line = f.line(*v, n)?;
        let after: usize = vars.iter().skip(i + 1).filter_map(|w| extents.get(*w)).product();
        let mut product = cells.dense().into_owned();
        for (k, part) in product.chunks_mut(after.max(1)).enumerate() {
            proveil_algebra::scale(part, line.get(k % n).copied().unwrap_or(E::ZERO));
        }
        cells = product.into();
    }
    let (first, others) = vars.split_first()?;
    let mut written = Rewritten {
        extents: extents.to_vec(),
        factors: factors.iter().filter(|f| !on(f)).cloned().collect(),
        access: access.clone(),
    };
    set(&mut written.extents, *first, cells.count());
    others.iter().for_each(|v| set(&mut written.extents, *v, 1));
    let shape = [cells.count()].into_iter().chain(dims.shape.iter().skip(vars.len()).copied()).collect();
    written.access.axes.drain(1..vars.len());
    written.factors.push(Factor::Outer { vars: vec![*first], rows: cells });
    Some((written, Dims { shape, ..dims.clone() }))
}

impl<E: Challenge> Factor<'_, E> {
    /// The weights of variable `v` of length `n`, if they are a factor of their own.
    fn part(&self, v: usize, n: usize) -> Option<Part<E>> {
        match self {
            Self::Eq { pt, .. } => (pt.len() == proveil_algebra::log2_ceil(n)).then(|| Part::Point(pt.clone())),
            Self::Outer { vars, rows } if *vars == [v] => Some(Part::Cells(rows.dense().into_owned())),
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
            Self::Outer { vars, rows } => (vars.len() == 1).then(|| rows.dense().into_owned()),
            Self::Space { vars, granule, rows, low } => {
                if vars.last() != Some(&v) || n > 1 << granule {
                    return None;
                }
                let scale = if vars.len() == 1 { rows.dense().first().copied()? } else { E::ONE };
                let mut cells = Vec::with_capacity(n);
                eq_segment_into(low, 0, n, scale, &mut cells);
                Some(cells)
            }
        }
    }
}
