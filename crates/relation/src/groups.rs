//! Contractions of phase 2: every product term of every expression becomes one or more groups, each of which sums
//! `lhs * rhs` over the variables that both operands use. The address weight of the term's space must split into a
//! part for each operand; where it does not, the term is cut along an axis until it does.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, log2_ceil};

use crate::decl::{Access, Affine, Product};
use crate::layout::Dims;
use crate::terms::{ProductTerm, Source};
use crate::weights::Factor;

/// Which axes are cut where a term's weights do not split between its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// The shortest: fewest groups. Groups that differ by outer weights only cost nothing in walks over granules.
    Shortest,
    /// Those of one operand, the one that leaves fewest cells read by all groups: a list has an entry for each.
    Cheapest,
}

/// An operand of a contraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Left.
    Lhs,
    /// Right.
    Rhs,
}

impl Side {
    /// 0 for the left one, 1 for the right one.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Lhs => 0,
            Self::Rhs => 1,
        }
    }
}

/// What an operand depends on besides its scale: what is read, over which variables, at which coordinates of `kappa`,
/// and, where it carries weights of the space, which ones.
type OperandKey =
    (Access, Vec<usize>, Vec<(usize, usize)>, Option<(Space, Side, Side, Vec<(usize, usize)>, Option<usize>)>);

/// What is read, over which variables, at which coordinates of `kappa`; number of variables of the space and, where the
/// operand carries the weights inside a granule, the granule.
type JointKey = (Access, Vec<usize>, Vec<(usize, usize)>, (usize, Option<usize>));

/// Which address weights a term has, up to their scale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Space {
    /// Those of one block or output.
    Of(Source),
    /// A sum of its own.
    Term(usize),
}

/// One contraction.
#[derive(Clone, Debug)]
pub struct Group {
    /// The term of [`crate::layout::Layout::products`] that this is of.
    pub term: usize,
    /// Number of space variables; the others are summation variables.
    pub space: usize,
    /// Lengths of all variables after cutting.
    pub extents: Vec<usize>,
    /// Variables cut to one value, with that value.
    pub fixed: Vec<(usize, usize)>,
    /// The granule of the space's last axis that this group covers, if the axis is cut.
    pub chunk: Option<usize>,
    /// Left operand, cut.
    pub lhs: Access,
    /// Right operand, cut.
    pub rhs: Access,
    /// Operand that carries the row weights of the space.
    pub rows_to: Side,
    /// Operand that carries the weights inside a row.
    pub low_to: Side,
    /// Variables of the index space, lowest first, with their number of bits.
    pub kappa: Vec<(usize, usize)>,
    /// First index.
    pub offset: usize,
    /// For each side, the first group whose operand is the same up to its scale; often the group itself.
    pub first: [usize; 2],
    /// For each side with weights of the space's outer variables, the first group whose operand differs by these only.
    pub joint: [Option<usize>; 2],
}

impl Group {
    /// log2 of the group's part of the index space.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.kappa.iter().map(|k| k.1).sum()
    }

    /// The operand of a side.
    #[must_use]
    pub fn access(&self, side: Side) -> &Access {
        match side {
            Side::Lhs => &self.lhs,
            Side::Rhs => &self.rhs,
        }
    }

    /// Variable lengths as one side walks them: variables that belong to the other side only count as 1.
    #[must_use]
    pub fn side_extents(&self, side: Side) -> Vec<usize> {
        let other = self.access(match side {
            Side::Lhs => Side::Rhs,
            Side::Rhs => Side::Lhs,
        });
        let own = self.access(side);
        let walks = |v: usize| own.uses(v) || (!other.uses(v) && self.rows_to == side);
        self.extents.iter().enumerate().map(|(v, n)| if walks(v) { *n } else { 1 }).collect()
    }

    fn operand_key(&self, side: Side, terms: &[ProductTerm]) -> OperandKey {
        let weighted = self.rows_to == side || self.low_to == side;
        let space = match terms.get(self.term).map(|t| &t.sources[..]) {
            Some([(Source::Block(i, _), _)]) => Space::Of(Source::Block(*i, 0)),
            Some([(output, _)]) => Space::Of(*output),
            _ => Space::Term(self.term),
        };
        let weights = weighted.then(|| (space, self.rows_to, self.low_to, self.fixed.clone(), self.chunk));
        (self.access(side).clone(), self.side_extents(side), self.kappa.clone(), weights)
    }

    /// What an operand depends on besides the weights of the space's outer variables, if it carries these as a factor
    /// of their own.
    fn joint_key(&self, side: Side, terms: &[ProductTerm]) -> Option<JointKey> {
        let own = self.rows_to == side && (self.low_to != side || !self.fixed.is_empty());
        let granule = terms.get(self.term)?.dims.granule;
        let low = (self.low_to == side).then_some(granule);
        own.then(|| (self.access(side).clone(), self.side_extents(side), self.kappa.clone(), (self.space, low)))
    }

    /// Address weights of the space that a side carries. `rows` and `low` are those of the whole space.
    pub fn side_factors<'a, E: Challenge>(
        &self,
        side: Side,
        dims: &Dims,
        rows: &'a [E],
        low: &'a [E],
    ) -> Vec<Factor<'a, E>> {
        let vars: Vec<usize> = (0..self.space).collect();
        if self.rows_to == self.low_to {
            if self.rows_to != side {
                return Vec::new();
            }
            if self.fixed.is_empty() {
                return vec![Factor::Space { vars, granule: dims.granule, rows: rows.into(), low }];
            }
        }
        let mut out = Vec::new();
        let Some((last, outer)) = vars.split_last() else { return out };
        if self.rows_to == side {
            out.push(Factor::Outer { vars: outer.to_vec(), rows: self.cut_rows(dims, rows).into() });
        }
        if self.low_to == side {
            out.push(Factor::Eq { var: *last, pt: low.to_vec() });
        }
        out
    }

    /// Row weights at the cut, row-major over the outer variables.
    fn cut_rows<E: Challenge>(&self, dims: &Dims, rows: &[E]) -> Vec<E> {
        let chunks = dims.chunks();
        let chunk = self.chunk.unwrap_or(0);
        let outer = self.space.saturating_sub(1);
        let mut at = vec![chunk];
        for v in 0..outer {
            let n = dims.shape.get(v).copied().unwrap_or(1);
            let pinned = self.fixed.iter().find(|f| f.0 == v).map(|f| f.1);
            let stride = dims.shape.get(v + 1..outer).unwrap_or_default().iter().product::<usize>() * chunks;
            let values = pinned.map_or(0..n, |p| p..p + 1);
            at = at.iter().flat_map(|a| values.clone().map(move |i| a + i * stride)).collect();
        }
        at.iter().map(|i| rows.get(*i).copied().unwrap_or(E::ZERO)).collect()
    }
}

fn shift(access: &Access, v: usize, by: usize, drop: bool) -> Access {
    let fix = |a: &Affine| {
        let mut a = a.clone();
        if let Some(c) = a.terms.iter().find(|t| t.0 as usize == v).map(|t| t.1) {
            a.offset += c * by as i64;
            if drop {
                a.terms.retain(|t| t.0 as usize != v);
            }
        }
        a
    };
    let mut out = access.clone();
    out.axes = access.axes.iter().map(fix).collect();
    out.guards.iter_mut().for_each(|g| g.form = fix(&g.form));
    out
}

/// Turns product term number `term` into groups (without offsets).
pub fn split(term: usize, dims: &Dims, p: &Product, cuts: Cuts) -> Vec<Group> {
    let space = dims.shape.len();
    let extents: Vec<usize> = dims.shape.iter().copied().chain(p.sum.iter().map(|n| *n as usize)).collect();
    let base = Group {
        term,
        space,
        extents,
        fixed: vec![],
        chunk: None,
        lhs: p.lhs.clone(),
        rhs: p.rhs.clone(),
        rows_to: Side::Rhs,
        low_to: Side::Rhs,
        kappa: vec![],
        offset: 0,
        first: [0; 2],
        joint: [None; 2],
    };
    let mut out = Vec::new();
    assign(base, dims, cuts, &mut out);
    out.iter_mut().for_each(|g| number_kappa(g, cuts));
    out
}

fn assign(mut g: Group, dims: &Dims, cuts: Cuts, out: &mut Vec<Group>) {
    let last = g.space.saturating_sub(1);
    let live = |v: &usize| g.extents.get(*v).is_some_and(|n| *n > 1);
    let only = |a: &Access, b: &Access| {
        (0..g.space).filter(live).filter(|v| a.uses(*v) && !b.uses(*v)).collect::<Vec<usize>>()
    };
    let (l, r) = (only(&g.lhs, &g.rhs), only(&g.rhs, &g.lhs));
    let whole = g.fixed.is_empty();
    let sides = if l.is_empty() && whole {
        Some((Side::Rhs, Side::Rhs))
    } else if r.is_empty() && whole {
        Some((Side::Lhs, Side::Lhs))
    } else if l.iter().all(|v| *v == last) {
        Some((Side::Rhs, if g.lhs.uses(last) { Side::Lhs } else { Side::Rhs }))
    } else if r.iter().all(|v| *v == last) {
        Some((Side::Lhs, if g.rhs.uses(last) { Side::Rhs } else { Side::Lhs }))
    } else {
        None
    };
    if let Some((rows_to, low_to)) = sides {
        (g.rows_to, g.low_to) = (rows_to, low_to);
        if rows_to == low_to && whole {
            out.push(g);
            return;
        }
        let step = 1usize << dims.granule;
        for chunk in 0..dims.chunks() {
            let mut c = g.clone();
            c.chunk = Some(chunk);
            c.lhs = shift(&g.lhs, last, chunk * step, false);
            c.rhs = shift(&g.rhs, last, chunk * step, false);
            if let Some(n) = c.extents.get_mut(last) {
                *n = step.min(dims.last - chunk * step);
            }
            out.push(c);
        }
        return;
    }
    let (l, r) = match cuts {
        Cuts::Shortest => (l, r),
        Cuts::Cheapest if cheaper_left(&g, dims, &l, &r) => (l, Vec::new()),
        Cuts::Cheapest => (Vec::new(), r),
    };
    let Some(v) = shortest(&l, &r, last, &g.extents) else { return };
    for i in 0..g.extents.get(v).copied().unwrap_or(1) {
        let mut c = g.clone();
        c.fixed.push((v, i));
        c.lhs = shift(&g.lhs, v, i, true);
        c.rhs = shift(&g.rhs, v, i, true);
        if let Some(n) = c.extents.get_mut(v) {
            *n = 1;
        }
        assign(c, dims, cuts, out);
    }
}

/// Most pieces that a term is cut into for the sake of fewer cells.
const MOST_CUTS: u128 = 1 << 12;

/// Whether all groups read fewer cells when the left operand's own axes are cut than when the right one's are: cutting
/// one operand's axes repeats the other for every index.
fn cheaper_left(g: &Group, dims: &Dims, l: &[usize], r: &[usize]) -> bool {
    let last = g.space.saturating_sub(1);
    let length = |v: usize| g.extents.get(v).copied().unwrap_or(1) as u128;
    let own = |axes: &[usize]| axes.iter().filter(|v| **v != last).fold(1, |n: u128, v| n.saturating_mul(length(*v)));
    // An operand without the last axis is read again for every granule of it.
    let cells = |a: &Access| {
        let read = (0..g.extents.len()).filter(|v| a.uses(*v)).fold(1, |n: u128, v| n.saturating_mul(length(v)));
        read.saturating_mul(if a.uses(last) { 1 } else { dims.chunks() as u128 })
    };
    let (left, right) = (cells(&g.lhs), cells(&g.rhs));
    if own(l).max(own(r)) > MOST_CUTS {
        return own(l) <= own(r);
    }
    right.saturating_mul(own(l)).saturating_add(left) <= left.saturating_mul(own(r)).saturating_add(right)
}

/// Number of groups that [`split`] with the shortest cuts makes of a term, without making them.
#[must_use]
pub fn count(dims: &Dims, p: &Product) -> u64 {
    let last = dims.shape.len().saturating_sub(1);
    let chunks = dims.chunks().max(1) as u64;
    let live = |v: &usize| dims.shape.get(*v).is_some_and(|n| *n > 1);
    let only = |a: &Access, b: &Access| (0..=last).filter(live).filter(|v| a.uses(*v) && !b.uses(*v)).collect();
    let (mut l, mut r): (Vec<usize>, Vec<usize>) = (only(&p.lhs, &p.rhs), only(&p.rhs, &p.lhs));
    let mut out = 1u64;
    let mut whole = true;
    loop {
        if whole && (l.is_empty() || r.is_empty()) {
            return out;
        }
        if l.iter().all(|v| *v == last) || r.iter().all(|v| *v == last) {
            return out.saturating_mul(chunks);
        }
        let Some(v) = shortest(&l, &r, last, &dims.shape) else { return out };
        out = out.saturating_mul(dims.shape.get(v).copied().unwrap_or(1) as u64);
        l.retain(|w| *w != v);
        r.retain(|w| *w != v);
        whole = false;
    }
}

/// The shortest outer axis that keeps the operands from splitting.
fn shortest(l: &[usize], r: &[usize], last: usize, extents: &[usize]) -> Option<usize> {
    let candidates = l.iter().chain(r).copied().filter(|v| *v != last);
    candidates.min_by_key(|v| extents.get(*v).copied().unwrap_or(1))
}

/// How far apart an operand reads when a variable steps: the axis, from the last one on, and the coefficient there.
fn stride(a: &Access, v: usize) -> (usize, u64) {
    let of = |(axis, form): (usize, &Affine)| {
        let c = form.terms.iter().find(|t| t.0 as usize == v)?.1;
        Some((axis, c.unsigned_abs()))
    };
    a.axes.iter().rev().enumerate().find_map(of).unwrap_or((usize::MAX, 0))
}

/// The index space of a group: variables that both operands use, the weights' last axis lowest; for fewest entries of a
/// list in the order in which the operand that reads more cells has them.
fn number_kappa(g: &mut Group, cuts: Cuts) {
    let last_var = |a: &Access| match a.axes.last().map(|f| f.terms.as_slice()) {
        Some([(v, 1)]) => Some(*v as usize),
        _ => None,
    };
    let both: Vec<usize> = (0..g.extents.len())
        .filter(|v| g.extents.get(*v).is_some_and(|n| *n > 1) && g.lhs.uses(*v) && g.rhs.uses(*v))
        .collect();
    let mut order: Vec<usize> = [last_var(&g.lhs), last_var(&g.rhs)].into_iter().flatten().collect();
    order.retain(|v| both.contains(v));
    order.dedup();
    order.extend(both.iter().rev().copied().filter(|v| !order.contains(v)).collect::<Vec<_>>());
    if cuts == Cuts::Cheapest {
        let cells = |s: Side| g.side_extents(s).iter().fold(1, |n: u128, x| n.saturating_mul(*x as u128));
        let own = g.access(if cells(Side::Lhs) >= cells(Side::Rhs) { Side::Lhs } else { Side::Rhs });
        order.sort_by_key(|v| stride(own, *v));
    }
    g.kappa = order.iter().map(|v| (*v, log2_ceil(g.extents.get(*v).copied().unwrap_or(1)))).collect();
}

/// All groups with their places: (groups, log2 of the index space, place of the linear entry).
pub fn plan(terms: &[ProductTerm], cuts: Cuts) -> (Vec<Group>, usize, usize) {
    let all = terms.iter().enumerate();
    let mut groups: Vec<Group> = all.flat_map(|(i, t)| split(i, &t.dims, &t.product, cuts)).collect();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|i| (core::cmp::Reverse(groups.get(*i).map_or(0, Group::bits)), *i));
    let mut at = 0;
    for i in order {
        if let Some(g) = groups.get_mut(i) {
            g.offset = at;
            at += 1 << g.bits();
        }
    }
    for side in [Side::Lhs, Side::Rhs] {
        let (mut seen, mut joint) = (BTreeMap::new(), BTreeMap::new());
        for (i, g) in groups.iter_mut().enumerate() {
            let key = g.operand_key(side, terms);
            let joined = g.joint_key(side, terms).map(|k| *joint.entry(k).or_insert(i));
            if let (Some(f), Some(j)) = (g.first.get_mut(side.index()), g.joint.get_mut(side.index())) {
                *f = *seen.entry(key).or_insert(i);
                *j = joined;
            }
        }
    }
    (groups, log2_ceil(at + 1), at)
}
