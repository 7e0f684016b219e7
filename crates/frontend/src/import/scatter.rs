//! Writing at indices: constant indices are views and sums, computed ones are one-hot products.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::real::{RealOp, RealPiece, identity};
use crate::tensor::{Kind, strides};

/// Cells of a one-hot product that computed indices may need.
const MAX_HOT: usize = 1 << 22;

/// How an update meets what is there.
#[derive(Clone, Copy, PartialEq)]
enum Reduction {
    None,
    Add,
    Other(Bin),
}

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() {
        return Ok(None);
    }
    let out = match n.op.as_str() {
        "ScatterElements" | "Scatter" => elements(im, n)?,
        "ScatterND" => nd(im, n)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

fn reduction(n: &Node) -> Result<Reduction> {
    Ok(match n.string("reduction")?.as_deref() {
        None | Some("none") => Reduction::None,
        Some("add") => Reduction::Add,
        Some("mul") => Reduction::Other(Bin::Mul),
        Some("max") => Reduction::Other(Bin::Max),
        Some("min") => Reduction::Other(Bin::Min),
        Some(other) => return Err(n.unsupported(format!("reduction `{other}`"), "use none, add, mul, max or min")),
    })
}

fn index(n: &Node, v: f64, len: usize) -> Result<usize> {
    let at = if v < 0.0 { v + len as f64 } else { v };
    if at < 0.0 || at >= len as f64 {
        return Err(n.malformed(format!("index {v} is outside an axis of length {len}")));
    }
    Ok(at as usize)
}

fn elements(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (x, ids, updates) = (im.arg(n, 0)?, im.arg(n, 1)?, im.arg(n, 2)?);
    let (shape, own) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    let axis = im.axis(n, n.int("axis")?.unwrap_or(0), shape.len())?;
    let fits = own.len() == shape.len() && (0..own.len()).all(|a| a == axis || own[a] <= shape[a]);
    if !fits || im.g.shape(updates) != own {
        return Err(im.clash(n, x, ids));
    }
    let reduction = reduction(n)?;
    let Some(list) = im.g.as_const(ids).cloned() else {
        let hot = hot(im, n, ids, shape[axis])?;
        // Variables: the indices' axes, then the row; out reads every axis but `axis` and the row in its place.
        let rank = own.len();
        let out: Vec<usize> = (0..rank).map(|a| if a == axis { rank } else { a }).collect();
        let mut extents = own.clone();
        extents.push(shape[axis]);
        let place = |im: &mut Importer, lhs: Access| {
            let rhs = Access { tensor: hot, axes: identity(rank + 1) };
            let y = im.g.contract(Contract { extents: extents.clone(), out: out.clone(), lhs, rhs });
            let after: Vec<usize> = shape.iter().zip(im.g.shape(y)).map(|(s, o)| s - o).collect();
            im.g.pad(y, &vec![0; rank], &after, 0.0)
        };
        let written = place(im, Access { tensor: updates, axes: identity(rank) });
        return computed(im, n, x, written, reduction, |im| {
            let one = im.g.scalar(1.0, Kind::Int);
            place(im, Access { tensor: one, axes: Vec::new() })
        });
    };
    let (steps, from) = (strides(&own), strides(&shape));
    let places = list
        .iter()
        .enumerate()
        .map(|(i, &v)| {
            let row = index(n, v, shape[axis])?;
            let at = |a: usize| if a == axis { row } else { i / steps[a] % own[a] };
            Ok((0..own.len()).map(|a| from[a] * at(a)).sum())
        })
        .collect::<Result<Vec<usize>>>()?;
    write(im, n, x, &places, updates, reduction)
}

fn nd(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (x, ids, updates) = (im.arg(n, 0)?, im.arg(n, 1)?, im.arg(n, 2)?);
    let (shape, own) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    let depth = own.last().copied().unwrap_or(0);
    if depth == 0 || depth > shape.len() {
        return Err(im.clash(n, x, ids));
    }
    if im.g.shape(updates) != [&own[..own.len() - 1], &shape[depth..]].concat() {
        return Err(im.clash(n, ids, updates));
    }
    let reduction = reduction(n)?;
    let (from, inner) = (strides(&shape), shape[depth..].iter().product::<usize>());
    let Some(list) = im.g.as_const(ids).cloned() else {
        return nd_computed(im, n, (x, ids, updates), depth, reduction);
    };
    let mut places = Vec::new();
    for tuple in list.chunks(depth) {
        let mut base = 0;
        for (a, &v) in tuple.iter().enumerate() {
            base += from[a] * index(n, v, shape[a])?;
        }
        places.extend(base..base + inner);
    }
    write(im, n, x, &places, updates, reduction)
}

/// Index tuples become row numbers, which become one-hot rows `[tuples, rows]`.
fn nd_computed(
    im: &mut Importer,
    n: &Node,
    (x, ids, updates): (TensorId, TensorId, TensorId),
    depth: usize,
    reduction: Reduction,
) -> Result<TensorId> {
    let (shape, own) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    let tuples: usize = own[..own.len() - 1].iter().product();
    let (rows, inner): (usize, usize) = (shape[..depth].iter().product(), shape[depth..].iter().product());
    let flat = im.g.reshape(ids, vec![tuples, depth]);
    let row_steps = strides(&shape[..depth]);
    let mut terms = Vec::new();
    for a in 0..depth {
        let mut column = im.g.take(flat, 1, &[a]);
        if depth > 1 {
            let negative = Expr::affine(1.0, shape[a] as f64);
            let wrap = Expr::select(Expr::un(Un::NonNegative, Expr::X), Expr::X, negative);
            column = im.g.map(column, wrap, Kind::Int);
        }
        terms.push((row_steps[a] as f64, column));
    }
    let number = im.g.combine(&[tuples, 1], Kind::Int, &terms, 0.0);
    let number = im.g.reshape(number, vec![tuples]);
    let hot = hot(im, n, number, rows)?;
    let updates = im.g.reshape(updates, vec![tuples, inner]);
    let place = |im: &mut Importer, lhs: Access, inner: usize| {
        let rhs = Access { tensor: hot, axes: vec![Affine::var(2), Affine::var(0)] };
        im.g.contract(Contract { extents: vec![rows, inner, tuples], out: vec![0, 1], lhs, rhs })
    };
    let written = place(im, Access { tensor: updates, axes: vec![Affine::var(2), Affine::var(1)] }, inner);
    let flat = im.g.reshape(x, vec![rows, inner]);
    let y = computed(im, n, flat, written, reduction, |im| {
        let one = im.g.scalar(1.0, Kind::Int);
        place(im, Access { tensor: one, axes: Vec::new() }, 1)
    })?;
    Ok(im.g.reshape(y, shape))
}

fn hot(im: &mut Importer, n: &Node, ids: TensorId, depth: usize) -> Result<TensorId> {
    let mut shape = im.g.shape(ids).to_vec();
    shape.push(depth);
    if depth == 0 || shape.iter().product::<usize>() > MAX_HOT {
        let hint = format!("make the indices constants, or keep indices times rows at most {MAX_HOT}");
        return Err(n.unsupported(format!("indices computed from the inputs choose among {depth} rows"), hint));
    }
    Ok(im.g.op(shape, Kind::Bool, RealOp::OneHot { x: ids, depth }))
}

/// Joins updates that lie in place already: `x + written`, or `x (1 - marked) + written`.
fn computed(
    im: &mut Importer,
    n: &Node,
    x: TensorId,
    written: TensorId,
    reduction: Reduction,
    marked: impl FnOnce(&mut Importer) -> TensorId,
) -> Result<TensorId> {
    let kept = match reduction {
        Reduction::Add => x,
        Reduction::None => {
            let marked = marked(im);
            let free = im.g.not(marked);
            im.g.binary(Bin::Mul, x, free).ok_or_else(|| im.clash(n, x, free))?
        }
        Reduction::Other(_) => {
            let hint = "make the indices constants, or use the reductions none and add";
            return Err(n.unsupported("a reduction other than none and add at computed indices", hint));
        }
    };
    im.g.binary(Bin::Add, kept, written).ok_or_else(|| im.clash(n, kept, written))
}

/// Updates at constant row-major places of `x`, in the order of the updates.
fn write(
    im: &mut Importer,
    n: &Node,
    x: TensorId,
    places: &[usize],
    updates: TensorId,
    reduction: Reduction,
) -> Result<TensorId> {
    let shape = im.g.shape(x).to_vec();
    let cells: usize = shape.iter().product();
    let flat = im.g.reshape(x, vec![cells]);
    let new = im.g.reshape(updates, vec![places.len()]);
    let y = match reduction {
        Reduction::Add => added(im, flat, new, places),
        Reduction::None => {
            let mut source: Vec<usize> = (0..cells).collect();
            places.iter().enumerate().for_each(|(i, &p)| source[p] = cells + i);
            let both = im.g.concat(&[flat, new], 0);
            im.g.take(both, 0, &source)
        }
        Reduction::Other(f) => {
            // Each round takes at most one update for each cell; cells without one keep their value.
            let mut rounds: Vec<Vec<Option<usize>>> = Vec::new();
            let mut seen = vec![0; cells];
            for (i, &p) in places.iter().enumerate() {
                if seen[p] == rounds.len() {
                    rounds.push(vec![None; cells]);
                }
                rounds[seen[p]][p] = Some(i);
                seen[p] += 1;
            }
            let mut y = flat;
            for round in rounds {
                let (kind, all) = (im.g.kind(x), im.g.concat(&[y, new], 0));
                let one = im.g.scalar(1.0, kind);
                let one = im.g.reshape(one, vec![1]);
                let all = im.g.concat(&[all, one], 0);
                let idle = |p: usize| if f == Bin::Mul { cells + places.len() } else { p };
                let source: Vec<usize> =
                    round.iter().enumerate().map(|(p, u)| u.map_or(idle(p), |i| cells + i)).collect();
                let other = im.g.take(all, 0, &source);
                y = im.g.binary(f, y, other).ok_or_else(|| im.clash(n, y, other))?;
            }
            y
        }
    };
    Ok(im.g.reshape(y, shape))
}

/// `x` plus the updates at their places; runs of places become one piece.
fn added(im: &mut Importer, x: TensorId, updates: TensorId, places: &[usize]) -> TensorId {
    let cells = im.g.get(x).cells();
    let whole = Access { tensor: x, axes: identity(1) };
    let mut pieces =
        vec![RealPiece { start: vec![0], extents: vec![cells], sum: Vec::new(), coef: 1.0, access: whole }];
    let mut at = 0;
    while at < places.len() {
        let mut len = 1;
        while at + len < places.len() && places[at + len] == places[at] + len {
            len += 1;
        }
        let access = Access { tensor: updates, axes: vec![Affine::new(&[(0, 1)], at as i64)] };
        let (start, extents) = (vec![places[at]], vec![len]);
        pieces.push(RealPiece { start, extents, sum: Vec::new(), coef: 1.0, access });
        at += len;
    }
    let kind = im.g.kind(x);
    im.g.op(vec![cells], kind, RealOp::Linear { pieces, constant: 0.0 })
}
