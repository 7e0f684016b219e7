//! Reductions, arg-max, soft-max.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::RealOp;
use crate::real::expr::{Bin, Expr, Un};
use crate::tensor::Kind;

/// Longest product that is unrolled.
const MAX_PRODUCT: usize = 64;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() {
        return Ok(None);
    }
    let out = match n.op.as_str() {
        "Softmax" | "LogSoftmax" => softmax(im, n)?,
        "ArgMax" | "ArgMin" => arg_max(im, n)?,
        "Hardmax" => {
            let x = im.arg(n, 0)?;
            let rank = im.g.shape(x).len();
            let axis = im.axis(n, n.int("axis")?.unwrap_or(-1), rank)?;
            let (row, back) = im.g.axis_last(x, axis);
            let hot = super::policy::first_largest(&mut im.g, row);
            im.g.permute(hot, &back)
        }
        "TopK" => return top_k(im, n).map(Some),
        "CumSum" => cum_sum(im, n)?,
        "CumProd" => cum_prod(im, n)?,
        op if op.starts_with("Reduce") => return reduce(im, n).map(|x| x.map(|x| vec![x])),
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

fn reduce(im: &mut Importer, n: &Node) -> Result<Option<TensorId>> {
    let x = im.arg(n, 0)?;
    let rank = im.g.shape(x).len();
    let given = im.ints(n, "axes", 1)?.unwrap_or_default();
    if given.is_empty() && n.int("noop_with_empty_axes")? == Some(1) {
        return Ok(Some(x));
    }
    let axes = if given.is_empty() { (0..rank).collect() } else { im.axes(n, &given, rank)? };
    let keep = n.int("keepdims")?.unwrap_or(1) == 1;
    let count: usize = axes.iter().map(|&a| im.g.shape(x)[a]).product();
    let square = |im: &mut Importer, x| {
        let kind = im.g.kind(x);
        im.g.map(x, Expr::bin(Bin::Mul, Expr::X, Expr::X), kind)
    };
    let minus = Expr::affine(-1.0, 0.0);
    Ok(Some(match n.op.as_str() {
        "ReduceSum" => im.g.sum(x, &axes, keep, 1.0),
        "ReduceMean" => im.g.sum(x, &axes, keep, 1.0 / count as f64),
        "ReduceSumSquare" => {
            let s = square(im, x);
            im.g.sum(s, &axes, keep, 1.0)
        }
        "ReduceL2" => {
            let s = square(im, x);
            let sum = im.g.sum(s, &axes, keep, 1.0);
            im.g.un(Un::Sqrt, sum)
        }
        "ReduceL1" => {
            let kind = im.g.kind(x);
            let s = im.g.map(x, Expr::un(Un::Abs, Expr::X), kind);
            im.g.sum(s, &axes, keep, 1.0)
        }
        "ReduceLogSum" => {
            let s = im.g.sum(x, &axes, keep, 1.0);
            im.g.un(Un::Log, s)
        }
        "ReduceMax" => along(im, x, &axes, keep, |im, row| im.g.max_last(row)),
        "ReduceMin" => along(im, x, &axes, keep, |im, row| {
            let kind = im.g.kind(row);
            let negative = im.g.map(row, minus.clone(), kind);
            let top = im.g.max_last(negative);
            im.g.map(top, minus.clone(), kind)
        }),
        "ReduceLogSumExp" => along(im, x, &axes, keep, log_sum_exp),
        "ReduceProd" if count <= MAX_PRODUCT => along(im, x, &axes, keep, product),
        "ReduceProd" => {
            return Err(n.unsupported(format!("a product of {count} cells"), format!("multiply at most {MAX_PRODUCT}")));
        }
        _ => return Ok(None),
    }))
}

/// Applies `f` to the reduced axes, gathered in one last axis that `f` leaves with length 1.
fn along(
    im: &mut Importer,
    x: TensorId,
    axes: &[usize],
    keep: bool,
    f: impl Fn(&mut Importer, TensorId) -> TensorId,
) -> TensorId {
    let from = im.g.shape(x).to_vec();
    let kept: Vec<usize> = (0..from.len()).filter(|a| !axes.contains(a)).collect();
    let perm = [&kept[..], axes].concat();
    let turned = im.g.permute(x, &perm);
    let mut flat: Vec<usize> = kept.iter().map(|&a| from[a]).collect();
    flat.push(axes.iter().map(|&a| from[a]).product());
    let row = im.g.reshape(turned, flat);
    let y = f(im, row);
    let out = (0..from.len())
        .filter(|a| keep || !axes.contains(a))
        .map(|a| if axes.contains(&a) { 1 } else { from[a] })
        .collect();
    im.g.reshape(y, out)
}

fn product(im: &mut Importer, row: TensorId) -> TensorId {
    let shape = im.g.shape(row).to_vec();
    let (rank, len) = (shape.len(), shape[shape.len() - 1]);
    let mut parts: Vec<TensorId> = (0..len).map(|i| im.g.take(row, rank - 1, &[i])).collect();
    while parts.len() > 1 {
        parts = parts
            .chunks(2)
            .map(|pair| match *pair {
                [a, b] => {
                    let shape = im.g.shape(a).to_vec();
                    im.g.multiply(a, b, &shape)
                }
                _ => pair[0],
            })
            .collect();
    }
    parts[0]
}

fn softmax(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let from = im.g.shape(x).to_vec();
    let old = n.opset < 13;
    let axis = im.axis(n, n.int("axis")?.unwrap_or(if old { 1 } else { -1 }), from.len())?;
    // Before opset 13 the axes from `axis` on were one.
    let (row, back, shape) = if old && axis + 1 < from.len() {
        let flat = vec![from[..axis].iter().product(), from[axis..].iter().product()];
        (im.g.reshape(x, flat), vec![0, 1], from.clone())
    } else {
        let (row, back) = im.g.axis_last(x, axis);
        (row, back, from.clone())
    };
    let full = im.g.shape(row).to_vec();
    let y = if n.op == "Softmax" {
        im.g.op(full, Kind::Float, RealOp::Softmax(row))
    } else {
        let lse = log_sum_exp(im, row);
        im.g.combine(&full, Kind::Float, &[(1.0, row), (-1.0, lse)], 0.0)
    };
    let y = im.g.permute(y, &back);
    Ok(im.g.reshape(y, shape))
}

/// Logarithm of the sum of exponentials along the last axis, which keeps length 1.
pub(super) fn log_sum_exp(im: &mut Importer, row: TensorId) -> TensorId {
    let mut one = im.g.shape(row).to_vec();
    if let Some(last) = one.last_mut() {
        *last = 1;
    }
    im.g.op(one, Kind::Float, RealOp::LogSumExp(row))
}

fn arg_max(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let last = n.int("select_last_index")? == Some(1);
    let x = im.arg(n, 0)?;
    let rank = im.g.shape(x).len();
    let axis = im.axis(n, n.int("axis")?.unwrap_or(0), rank)?;
    let kind = im.g.kind(x);
    let x = if n.op == "ArgMin" { im.g.map(x, Expr::affine(-1.0, 0.0), kind) } else { x };
    let (row, back) = im.g.axis_last(x, axis);
    let len = im.g.shape(row)[rank - 1];
    // Of equal cells the first one counts, hence the last one in reverse.
    let row = if last { im.g.take(row, rank - 1, &(0..len).rev().collect::<Vec<_>>()) } else { row };
    let index = arg_max_last(im, row);
    let index = if last { im.g.map(index, Expr::affine(-1.0, len as f64 - 1.0), Kind::Int) } else { index };
    let y = im.g.permute(index, &back);
    if n.int("keepdims")?.unwrap_or(1) == 1 {
        return Ok(y);
    }
    let mut shape = im.g.shape(y).to_vec();
    shape.remove(axis);
    Ok(im.g.reshape(y, shape))
}

/// Values and positions of the largest (or smallest) cells, each by an arg-max over what is left.
fn top_k(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let x = im.arg(n, 0)?;
    let k = match n.int("k")? {
        Some(k) => k,
        None => im.const_ints(n, 1)?.and_then(|v| v.first().copied()).unwrap_or(0),
    };
    let axis = im.axis(n, n.int("axis")?.unwrap_or(-1), im.g.shape(x).len())?;
    let len = im.g.shape(x)[axis];
    let Some(k) = usize::try_from(k).ok().filter(|&k| (1..=len.min(64)).contains(&k)) else {
        return Err(n.unsupported(format!("the {k} largest of {len} cells"), "ask for 1 to 64 cells of the axis"));
    };
    let kind = im.g.kind(x);
    let minus = Expr::affine(-1.0, 0.0);
    let smallest = n.int("largest")? == Some(0);
    let (row, back) = im.g.axis_last(x, axis);
    let row = if smallest { im.g.map(row, minus.clone(), kind) } else { row };
    let (values, places) = super::policy::largest(&mut im.g, row, k);
    let values = if smallest { im.g.map(values, minus, kind) } else { values };
    Ok(vec![im.g.permute(values, &back), im.g.permute(places, &back)])
}

/// Running sums as a product with a triangle of ones.
fn cum_sum(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let axis = im.const_ints(n, 1)?.and_then(|v| v.first().copied()).unwrap_or(0);
    let axis = im.axis(n, axis, im.g.shape(x).len())?;
    let (exclusive, reverse) = (n.int("exclusive")? == Some(1), n.int("reverse")? == Some(1));
    let (row, back) = im.g.axis_last(x, axis);
    let shape = im.g.shape(row).to_vec();
    let last = shape.len() - 1;
    let len = shape[last];
    let counts = |o: usize, i: usize| match (reverse, exclusive) {
        (false, false) => i <= o,
        (false, true) => i < o,
        (true, false) => i >= o,
        (true, true) => i > o,
    };
    let cells = (0..len * len).map(|c| f64::from(u8::from(counts(c / len, c % len)))).collect();
    let triangle = im.fresh(vec![len, len], Kind::Int, cells);
    let mut extents = shape.clone();
    extents.push(len);
    let lhs = Access { tensor: triangle, axes: vec![Affine::var(last), Affine::var(last + 1)] };
    let mut axes = crate::real::identity(last + 1);
    axes[last] = Affine::var(last + 1);
    let rhs = Access { tensor: row, axes };
    let y = im.g.contract(Contract { extents, out: (0..=last).collect(), lhs, rhs });
    Ok(im.g.permute(y, &back))
}

/// Running products, one after the other.
fn cum_prod(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let axis = im.const_ints(n, 1)?.and_then(|v| v.first().copied()).unwrap_or(0);
    let axis = im.axis(n, axis, shape.len())?;
    let len = shape[axis];
    if len == 0 || len > MAX_PRODUCT {
        return Err(n.unsupported(format!("a product of {len} cells"), format!("multiply at most {MAX_PRODUCT}")));
    }
    let (exclusive, reverse) = (n.int("exclusive")? == Some(1), n.int("reverse")? == Some(1));
    let order: Vec<usize> = if reverse { (0..len).rev().collect() } else { (0..len).collect() };
    let mut one = shape.clone();
    one[axis] = 1;
    let ones = im.public(one.clone(), im.g.kind(x), vec![1.0; one.iter().product()]);
    let mut parts: Vec<TensorId> = Vec::new();
    let mut so_far: Option<TensorId> = None;
    for &i in &order {
        if exclusive {
            parts.push(so_far.unwrap_or(ones));
        }
        let cell = im.g.take(x, axis, &[i]);
        let next = so_far.map_or(cell, |p| im.g.multiply(p, cell, &one));
        if !exclusive {
            parts.push(next);
        }
        so_far = Some(next);
    }
    if reverse {
        parts.reverse();
    }
    Ok(im.g.concat(&parts, axis))
}

/// Position of the first largest cell along the last axis, which keeps length 1.
pub(super) fn arg_max_last(im: &mut Importer, row: TensorId) -> TensorId {
    let shape = im.g.shape(row).to_vec();
    let hot = super::policy::first_largest(&mut im.g, row);
    let last = shape.len() - 1;
    let ramp = im.fresh(vec![shape[last]], Kind::Int, (0..shape[last]).map(|i| i as f64).collect());
    let mut out: Vec<usize> = (0..last).collect();
    let mut extents = shape.clone();
    extents.push(1);
    out.push(last + 1);
    let lhs = Access { tensor: ramp, axes: vec![Affine::var(last)] };
    let rhs = Access { tensor: hot, axes: crate::real::identity(last + 1) };
    im.g.contract(Contract { extents, out, lhs, rhs })
}
