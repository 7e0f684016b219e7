//! Compositions whose range is known better than interval arithmetic would have it.
//!
//! - *Maximum*: `a + relu(b - a)` lies between the larger lower ends and the larger upper ends of `a` and `b`.
//! - *Choice*: `b + c * (a - b)` with `c` in `0 ..= 1` lies in the hull of `a` and `b`.
//! - *Selection*: a contraction of a one-hot axis with a tensor picks one cell of that tensor.
//! - *Column*: a cell at a constant place of gathered rows comes from that place of the data; where the data is put
//!   together of parts, it has the range of its part.
//!
//! Without them the range would double with each maximum of a tree, and grow with the depth of each one-hot
//! axis. They are read off the operators, never off values: every operator is enforced exactly, so what
//! follows from the operators alone is guaranteed for every cell.

use crate::bounds::{Wide, read};
use crate::ir::{Access, Affine, Contract, Graph, Op, Origin, Piece, Range, TensorId};

/// The interval of an operator's output if the operator completes one of the compositions.
pub fn refine(graph: &Graph, op: &Op, out: &[usize]) -> Option<(i128, i128)> {
    match op {
        Op::Linear { pieces, constant: 0 } if pieces.len() == 1 => column(graph, &pieces[0], out),
        Op::Linear { pieces, constant: 0 } => {
            let [x, y] = &pieces[..] else { return None };
            rise(graph, x, y, out).or_else(|| rise(graph, y, x, out))
        }
        Op::Contract(contract) => {
            let Contract { lhs, rhs, .. } = contract;
            selection(graph, contract, lhs, rhs).or_else(|| selection(graph, contract, rhs, lhs))
        }
        _ => None,
    }
}

fn op_of(graph: &Graph, id: TensorId) -> Option<&Op> {
    match graph.get(id)?.origin {
        Origin::Node(node) => graph.nodes.get(node.0 as usize).map(|node| &node.op),
        _ => None,
    }
}

fn is_identity(axes: &[Affine]) -> bool {
    axes.iter().enumerate().all(|(i, form)| *form == Affine::var(i))
}

/// Whether a piece adds `coef *` one read to each cell of an output of this shape.
fn covers(piece: &Piece, coef: i64, out: &[usize]) -> bool {
    piece.coef == coef && piece.sum.is_empty() && piece.extents == out && piece.start.iter().all(|&s| s == 0)
}

/// Range of `base + rise`, where `rise` is made of the difference of something and `base`.
fn rise(graph: &Graph, base: &Piece, rise: &Piece, out: &[usize]) -> Option<Wide> {
    if !covers(base, 1, out) || !covers(rise, 1, out) || !is_identity(&rise.access.axes) {
        return None;
    }
    let (low, high) = match op_of(graph, rise.access.tensor)? {
        Op::Lookup { x, shift: 0, table } => {
            let other = minuend(graph, *x, &base.access, out)?;
            let values = graph.tables.get(table.0 as usize)?;
            let Range { lo, hi } = graph.get(*x)?.range;
            let value = |v: i64| values.values.get(usize::try_from(v - values.lo).ok()?).copied();
            let inside = value(lo).is_some() && value(hi).is_some();
            if !inside || !(lo..=hi).all(|v| value(v) == Some(v.max(0))) {
                return None;
            }
            let (a, b) = (read(graph, "", &base.access, out).ok()?, read(graph, "", other, out).ok()?);
            (a.0.max(b.0), a.1.max(b.1))
        }
        Op::Contract(Contract { extents, out: axes, lhs, rhs }) => {
            if extents != out || !axes.iter().copied().eq(0..out.len()) {
                return None;
            }
            let weighs = |id: TensorId| graph.get(id).is_some_and(|t| t.range.lo >= 0 && t.range.hi <= 1);
            let chosen = |condition: &Access, step: &Access| {
                let fits = weighs(condition.tensor) && is_identity(&step.axes);
                fits.then(|| minuend(graph, step.tensor, &base.access, out)).flatten()
            };
            let other = chosen(lhs, rhs).or_else(|| chosen(rhs, lhs))?;
            let (a, b) = (read(graph, "", &base.access, out).ok()?, read(graph, "", other, out).ok()?);
            (a.0.min(b.0), a.1.max(b.1))
        }
        _ => return None,
    };
    Some((low, high))
}

/// If the tensor is `other - base` cell by cell, with an output of this shape, gives the access `other`.
fn minuend<'a>(graph: &'a Graph, difference: TensorId, base: &Access, out: &[usize]) -> Option<&'a Access> {
    let Op::Linear { pieces, constant: 0 } = op_of(graph, difference)? else { return None };
    let [x, y] = &pieces[..] else { return None };
    let (plus, minus) = if y.coef == -1 { (x, y) } else { (y, x) };
    let fits = graph.get(difference)?.shape == out && covers(plus, 1, out) && covers(minus, -1, out);
    (fits && minus.access == *base).then_some(&plus.access)
}

/// Range of a contraction whose only summed variable runs along the one-hot axis of `hot`.
fn selection(graph: &Graph, contract: &Contract, hot: &Access, other: &Access) -> Option<Wide> {
    let (Op::ArgMaxOneHot(_) | Op::OneHot { .. }) = op_of(graph, hot.tensor)? else { return None };
    let shape = &graph.get(hot.tensor)?.shape;
    let (last, lead) = hot.axes.split_last()?;
    let var = last.terms.first()?.0;
    let summed = (0..contract.extents.len()).filter(|v| !contract.out.contains(v));
    let alone = summed.eq([var]) && *last == Affine::var(var) && shape.last() == contract.extents.get(var);
    if !alone || lead.iter().any(|form| form.terms.iter().any(|term| term.0 == var)) {
        return None;
    }
    let (lo, hi) = read(graph, "", other, &contract.extents).ok()?;
    Some(if hot.leaves(shape, &contract.extents) { (lo.min(0), hi.max(0)) } else { (lo, hi) })
}

/// Range of a read of gathered rows that stays, in the axes of a row, inside one part of the data.
fn column(graph: &Graph, piece: &Piece, out: &[usize]) -> Option<Wide> {
    let rows = graph.get(piece.access.tensor)?;
    if !covers(piece, 1, out) || piece.access.leaves(&rows.shape, out) {
        return None;
    }
    let Op::Gather { data, index } = op_of(graph, piece.access.tensor)? else { return None };
    let Op::Linear { pieces: parts, constant } = op_of(graph, *data)? else { return None };
    let lead = graph.get(*index)?.shape.len();
    let whole = (0i128, *graph.get(*data)?.shape.first()? as i128 - 1);
    let inner = piece.access.axes.get(lead..)?.iter().map(|form| form.interval(out));
    let reach: Vec<(i128, i128)> = std::iter::once(whole).chain(inner).collect();
    let spans = |part: &Piece| -> Vec<(i128, i128)> {
        let span = |(&s, &n): (&usize, &usize)| (s as i128, (s + n) as i128 - 1);
        part.start.iter().zip(&part.extents).map(span).collect()
    };
    let mut touched = parts.iter().filter(|part| spans(part).iter().zip(&reach).all(|(s, r)| s.0 <= r.1 && r.0 <= s.1));
    let part = touched.next().filter(|_| touched.next().is_none())?;
    let inside = spans(part).iter().zip(&reach).all(|(s, r)| s.0 <= r.0 && r.1 <= s.1);
    if !inside || !part.sum.is_empty() {
        return None;
    }
    let (lo, hi) = read(graph, "", &part.access, &part.extents).ok()?;
    let ends = [lo, hi].map(|x| x * i128::from(part.coef) + i128::from(*constant));
    Some((ends[0].min(ends[1]), ends[0].max(ends[1])))
}
