//! A graph and its rewriting compute the same.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::{Columns, Levels, level, width};
use crate::real::expr::{Bin, Expr, Un};
use crate::real::forest::{Branch, Forest};
use crate::real::{RealGraph, RealOp, eval};
use crate::tensor::Kind;

const LEVELS: [i32; 4] = [0, -20, -6, -20];
const CELLS: [f64; 8] = [3e5, 0.125, -4e3, -0.5, -1e5, 0.25, 2e3, 0.75];

/// Runs both and compares all outputs, bit for bit: factors are powers of two.
fn same(g: &RealGraph) -> RealGraph {
    let live = g.live();
    let values = eval::run(g, &live, &[&CELLS]);
    let mut columns = vec![Columns::default(); g.tensors.len()];
    for ((t, columns), cells) in g.tensors.iter().zip(&mut columns).zip(&values) {
        columns.see(cells, width(t));
    }
    let (new, _) = level(g, &[LEVELS.to_vec()], &columns).expect("rewritten");
    let cells: Vec<f64> = CELLS.iter().enumerate().map(|(i, v)| v * 2f64.powi(-LEVELS[i % 4])).collect();
    let got = eval::run(&new, &new.live(), &[&cells]);
    for (a, b) in g.outputs.iter().zip(&new.outputs) {
        assert_eq!(g.shape(*a), new.shape(*b));
        assert_eq!(eval::cells(g, &values, *a), eval::cells(&new, &got, *b), "{:?}", g.get(*a).source);
    }
    new
}

fn start() -> (RealGraph, TensorId) {
    let mut g = RealGraph::default();
    let x = g.input("x", vec![2, 4], Kind::Float);
    (g, x)
}

#[test]
fn matches_reference_of_functions_sums_and_views() {
    let (mut g, x) = start();
    let shift = g.weight(vec![4], vec![1e4, 0.5, -3.0, 0.25]);
    let c = g.binary(Bin::Sub, x, shift).expect("fits");
    let q = g.map(c, Expr::bin(Bin::Mul, Expr::X, Expr::X), Kind::Float);
    let s = g.sum(q, &[1], true, 0.5);
    let r = g.sum(x, &[0], false, 1.0);
    let turned = g.permute(x, &[1, 0]);
    let flat = g.reshape(x, vec![8]);
    let taken = g.take(x, 1, &[3, 1, 0]);
    let both = g.concat(&[taken, c], 1);
    let padded = g.pad(x, &[0, 1], &[0, 1], 2.0);
    let abs = g.un(Un::Abs, taken);
    let above = g.map(taken, Expr::un(Un::NonNegative, Expr::affine(-2.0, 0.25)), Kind::Bool);
    let wave = g.un(Un::Sin, taken);
    let relu = g.map(both, Expr::bin(Bin::Max, Expr::X, Expr::Const(0.0)), Kind::Float);
    let moved = g.map(x, Expr::affine(2.0, 3.0), Kind::Float);
    g.outputs = vec![s, r, turned, flat, both, padded, abs, above, wave, relu, moved];
    same(&g);
}

#[test]
fn matches_reference_of_products_and_trees() {
    let (mut g, x) = start();
    let w = g.weight(vec![4, 3], (0..12).map(|i| f64::from(i) - 5.5).collect());
    let by_row = |tensor, v| Access { tensor, axes: vec![Affine::var(0), Affine::var(v)] };
    let weights = Access { tensor: w, axes: vec![Affine::var(2), Affine::var(1)] };
    let product = g.contract(Contract { extents: vec![2, 3, 4], out: vec![0, 1], lhs: weights, rhs: by_row(x, 2) });
    let size = g.weight(vec![4], vec![1e-5, 4.0, 1e-3, 2.0]);
    let scaled = g.multiply(x, size, &[2, 4]);
    let own = g.multiply(x, x, &[2, 4]);
    let gram = Contract { extents: vec![2, 2, 4], out: vec![0, 1], lhs: by_row(x, 2), rhs: by_row(x, 2) };
    let gram =
        g.contract(Contract { rhs: Access { axes: vec![Affine::var(1), Affine::var(2)], ..gram.rhs.clone() }, ..gram });
    let node = |feature, threshold, first| Branch { feature, threshold, inclusive: true, missing_first: false, first };
    let nodes = vec![node(1, 0.2, 1), node(0, f64::INFINITY, 1), node(3, -0.1, 3), node(0, 9.0, 3), node(0, 9.0, 4)];
    let forest = Forest { features: 4, trees: 1, depth: 2, nodes, columns: 1, values: vec![0.0, 1.0, 0.0, 2.0, 3.0] };
    let leaves = g.op(vec![2, 1, 1], Kind::Float, RealOp::Trees { x, missing: None, forest: forest.into() });
    g.outputs = vec![product, scaled, own, gram, leaves];
    let new = same(&g);
    // The weights took the factors over: no piece brings them back.
    let sums = |t: &crate::real::RealTensor| matches!(&t.source, crate::real::Source::Op(RealOp::Linear { .. }));
    assert_eq!(new.tensors.iter().filter(|t| sums(t)).count(), 2, "of `own`, and of `gram`'s operand");
}

#[test]
fn matches_reference_of_levels() {
    let mut columns = Columns::default();
    (0..20).for_each(|_| columns.see(&[1e6, 1e5, 1e2, -1e-3, 0.0], 5));
    assert_eq!(columns.levels(), vec![0, 0, -10, -26, 0] as Levels);
    let mut few = Columns::default();
    few.see(&[1e6, 1e5, 1e2, -1e-3], 4);
    assert_eq!(few.levels(), vec![0, 0, -6, -22] as Levels);
}
