//! Output policies: what is revealed of a tensor, as operators of the graph.

use proveil_graph::TensorId;

use crate::real::expr::{Bin, Expr, Un};
use crate::real::{RealGraph, RealOp};
use crate::tensor::Kind;

/// Positions of the `k` largest cells along the last axis, best first.
pub(crate) fn top_k(g: &mut RealGraph, x: TensorId, k: usize) -> TensorId {
    largest(g, x, k).1
}

/// 1 at the first largest cell along the last axis.
pub(crate) fn first_largest(g: &mut RealGraph, x: TensorId) -> TensorId {
    let (shape, row) = (g.shape(x).to_vec(), g.ordered_as(x));
    g.op(shape, Kind::Bool, RealOp::ArgMaxOneHot(row))
}

/// Values and positions of the `k` largest cells along the last axis, best first: each by an arg-max over what is left.
pub(crate) fn largest(g: &mut RealGraph, x: TensorId, k: usize) -> (TensorId, TensorId) {
    let mut shape = g.shape(x).to_vec();
    if shape.is_empty() {
        shape.push(1);
    }
    let last = shape.len() - 1;
    let x = g.reshape(x, shape.clone());
    let order = g.ordered_as(x);
    let ramp = g.public(vec![shape[last]], Kind::Int, (0..shape[last]).map(|v| v as f64).collect());
    let (mut values, mut places, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..k {
        let rest = match out.is_empty() {
            true => order,
            false => g.op(shape.clone(), g.kind(order), RealOp::Without { x: order, out: out.clone() }),
        };
        let hot = g.op(shape.clone(), Kind::Bool, RealOp::ArgMaxOneHot(rest));
        let placed = g.multiply(ramp, hot, &shape);
        places.push(g.sum(placed, &[last], true, 1.0));
        let picked = g.multiply(hot, x, &shape);
        values.push(g.sum(picked, &[last], true, 1.0));
        out.push(hot);
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
