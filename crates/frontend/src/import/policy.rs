//! Output policies: what is revealed of a tensor, as operators of the graph.

use proveil_graph::TensorId;

use crate::real::expr::{Bin, Expr, Un};
use crate::real::{RealGraph, RealOp};
use crate::tensor::{Kind, Tensor};

/// Positions of the `k` largest cells along the last axis, best first.
pub(crate) fn top_k(g: &mut RealGraph, x: TensorId, k: usize) -> TensorId {
    largest(g, x, k).1
}

/// Values and positions of the `k` largest cells along the last axis, best first.
pub(crate) fn largest(g: &mut RealGraph, x: TensorId, k: usize) -> (TensorId, TensorId) {
    let mut shape = g.shape(x).to_vec();
    if shape.is_empty() {
        shape.push(1);
    }
    let last = shape.len() - 1;
    let (mut values, mut places) = (Vec::new(), Vec::new());
    let mut rest = g.reshape(x, shape.clone());
    // Winners move down by the spread of the row and 1, which is below everything.
    let top = g.max_last(rest);
    let negative = g.map(rest, Expr::affine(-1.0, 0.0), g.kind(rest));
    let bottom = g.max_last(negative);
    let one = g.shape(top).to_vec();
    let spread = g.combine(&one, g.kind(rest), &[(1.0, top), (1.0, bottom)], 1.0);
    for i in 0..k {
        let hot = g.op(shape.clone(), Kind::Bool, RealOp::ArgMaxOneHot(rest));
        let data = (0..shape[last]).map(|v| v as f64).collect();
        let ramp = g.constant(&Tensor { shape: vec![shape[last]], kind: Kind::Int, data });
        let placed = g.multiply(ramp, hot, &shape);
        places.push(g.sum(placed, &[last], true, 1.0));
        let picked = g.multiply(hot, rest, &shape);
        values.push(g.sum(picked, &[last], true, 1.0));
        if i + 1 < k {
            let push = g.multiply(hot, spread, &shape);
            rest = g.combine(&shape, g.kind(rest), &[(1.0, rest), (-1.0, push)], 0.0);
        }
    }
    (g.concat(&values, last), g.concat(&places, last))
}

/// 1 where a cell reaches a threshold that counts as a weight.
pub(crate) fn reaches_hidden(g: &mut RealGraph, x: TensorId, threshold: f64) -> TensorId {
    let shape = g.shape(x).to_vec();
    g.op(shape, Kind::Bool, RealOp::Reaches { x, threshold })
}

/// How many of the edges each cell reaches.
pub(crate) fn reaches(g: &mut RealGraph, x: TensorId, edges: &[f64]) -> TensorId {
    let shape = g.shape(x).to_vec();
    let steps: Vec<TensorId> = edges
        .iter()
        .map(|&e| g.map(x, Expr::un(Un::NonNegative, Expr::bin(Bin::Sub, Expr::X, Expr::Const(e))), Kind::Bool))
        .collect();
    let terms: Vec<(f64, TensorId)> = steps.into_iter().map(|s| (1.0, s)).collect();
    g.combine(&shape, Kind::Int, &terms, 0.0)
}
