//! Comparisons and truth values.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::{MASK, Node};
use crate::real::RealOp;
use crate::real::expr::{Bin, Expr};
use crate::tensor::{Kind, broadcast_shape};

/// Fillings from here down hide scores from a soft-max.
const LOW_SCORE: f64 = -1000.0;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() {
        return Ok(None);
    }
    let two =
        matches!(n.op.as_str(), "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor");
    if two {
        let (a, b) = (im.arg(n, 0)?, im.arg(n, 1)?);
        return binary(im, n, a, b).map(|x| Some(vec![x]));
    }
    let out = match n.op.as_str() {
        "Not" => {
            let x = im.arg(n, 0)?;
            im.g.not(x)
        }
        "Where" => choose(im, n)?,
        "IsNaN" | "IsInf" => {
            let x = im.arg(n, 0)?;
            let shape = im.g.shape(x).to_vec();
            if n.op == "IsNaN" && im.g.may_miss(x) {
                return Ok(Some(vec![im.g.op(shape, Kind::Bool, RealOp::IsMissing(x))]));
            }
            // Every other number here is finite.
            let zeros = vec![0.0; shape.iter().product()];
            im.fresh(shape, Kind::Bool, zeros)
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

fn binary(im: &mut Importer, n: &Node, a: TensorId, b: TensorId) -> Result<TensorId> {
    let clash = im.clash(n, a, b);
    let out = match n.op.as_str() {
        "Equal" => im.g.equal(a, b),
        "GreaterOrEqual" => im.g.at_least(a, b),
        "LessOrEqual" => im.g.at_least(b, a),
        "Greater" => im.g.at_least(b, a).map(|x| im.g.not(x)),
        "Less" => im.g.at_least(a, b).map(|x| im.g.not(x)),
        "And" => im.g.binary(Bin::Mul, a, b),
        // a + b - ab and a + b - 2ab.
        op => im.g.binary(Bin::Mul, a, b).and_then(|both| {
            let sum = im.g.binary(Bin::Add, a, b)?;
            let twice = im.g.map(both, Expr::affine(if op == "Xor" { 2.0 } else { 1.0 }, 0.0), Kind::Int);
            im.g.binary(Bin::Sub, sum, twice)
        }),
    };
    let out = out.ok_or(clash)?;
    Ok(im.g.retyped(out, Kind::Bool))
}

/// `Where(c, a, b) = c a + (1 - c) b`; a constant mask becomes a sum.
fn choose(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (cond, a, b) = (im.arg(n, 0)?, im.arg(n, 1)?, im.arg(n, 2)?);
    let clash = im.clash(n, a, b);
    let full = broadcast_shape(im.g.shape(a), im.g.shape(b))
        .and_then(|s| broadcast_shape(&s, im.g.shape(cond)))
        .ok_or(clash)?;
    let kind = if im.g.kind(a) == im.g.kind(b) { im.g.kind(a) } else { Kind::Float };
    let is_const = |im: &Importer, x| im.g.as_const(x).is_some();
    if is_const(im, cond) && is_const(im, a) && is_const(im, b) {
        return fold(im, cond, a, b, &full, kind);
    }
    if let Some(out) = filled(im, (cond, a, b), &full) {
        return Ok(out);
    }
    // How far below the others does not matter where only differences count.
    let fills = |v: f64| v == MASK || n.is_compared() && v <= LOW_SCORE;
    let hidden = |im: &Importer, x| im.g.as_uniform(x).is_some_and(fills);
    if is_const(im, cond) && (hidden(im, a) || hidden(im, b)) {
        let (keep, mask) = if hidden(im, a) { (b, cond) } else { (a, im.g.not(cond)) };
        let push = im.g.map(mask, Expr::affine(MASK, 0.0), Kind::Float);
        return im.g.binary(Bin::Add, keep, push).ok_or_else(|| im.clash(n, keep, push));
    }
    if let Some(out) = im.g.select_same_root(cond, a, b, kind) {
        return Ok(out);
    }
    let (wa, wb) = (im.g.broadcast(a, &full), im.g.broadcast(b, &full));
    let other = im.g.not(cond);
    let first = im.g.multiply(cond, wa, &full);
    let second = im.g.multiply(other, wb, &full);
    let out = im.g.binary(Bin::Add, first, second).ok_or_else(|| im.clash(n, wa, wb))?;
    Ok(im.g.retyped(out, kind))
}

/// `Where(IsNaN(x), c, x)`, or with the arms the other way round.
fn filled(im: &mut Importer, (cond, a, b): (TensorId, TensorId, TensorId), full: &[usize]) -> Option<TensorId> {
    let (cond, with, x) = match im.g.as_not(cond) {
        Some(inner) => (inner, b, a),
        None => (cond, a, b),
    };
    let whole = im.g.shape(cond) == full && im.g.shape(x) == full && im.g.kind(with) == Kind::Float;
    if !whole || !im.g.may_miss(x) || !im.g.tells_missing(cond, x) {
        return None;
    }
    Some(im.g.op(full.to_vec(), Kind::Float, RealOp::Fill { x, with }))
}

fn fold(im: &mut Importer, cond: TensorId, a: TensorId, b: TensorId, full: &[usize], kind: Kind) -> Result<TensorId> {
    let wide = [cond, a, b].map(|x| im.g.broadcast(x, full));
    let cells = wide.map(|x| im.g.as_const(x).map(|d| d.to_vec()).unwrap_or_default());
    let data = (0..cells[0].len()).map(|i| if cells[0][i] != 0.0 { cells[1][i] } else { cells[2][i] }).collect();
    Ok(im.fresh(full.to_vec(), kind, data))
}
