//! A graph and its rewriting compute the same, and tables hold what varies.

use super::{Seen, centre, has_tables};
use crate::real::expr::{Bin, Expr, Un};
use crate::real::level::width;
use crate::real::{RealGraph, RealOp, Source, eval};
use crate::tensor::Kind;

const ROWS: usize = 12;

fn sample(i: usize) -> [f64; 3] {
    let v = i as f64 / ROWS as f64;
    [1.0 + 0.1 * v, 50.0 + v, 2.0 * v - 1.0]
}

/// The rewriting of a graph of three inputs, if there is any; all outputs agree for numbers beyond the samples too.
fn rewritten(g: &RealGraph) -> Option<RealGraph> {
    let live = g.live();
    let mut seen = vec![Seen::default(); g.tensors.len()];
    for i in 0..ROWS {
        let values = eval::run(g, &live, &[&sample(i)]);
        for ((t, seen), cells) in g.tensors.iter().zip(&mut seen).zip(&values) {
            seen.see(cells, width(t));
        }
    }
    let new = centre(g, &live, &seen).expect("rewritten")?;
    for i in 0..3 * ROWS {
        let (values, got) = (eval::run(g, &live, &[&sample(i)]), eval::run(&new, &new.live(), &[&sample(i)]));
        for (a, b) in g.outputs.iter().zip(&new.outputs) {
            assert_eq!(g.shape(*a), new.shape(*b));
            for (want, got) in eval::cells(g, &values, *a).iter().zip(eval::cells(&new, &got, *b)) {
                assert!((want - got).abs() <= 1e-9 * want.abs().max(1.0), "{want} {got}");
            }
        }
    }
    Some(new)
}

/// `exp(w x)` of the first two columns, `k exp(w x) - c` and the like behind it.
fn start() -> (RealGraph, proveil_graph::TensorId) {
    let mut g = RealGraph::default();
    let x = g.input("x", vec![1, 3], Kind::Float);
    let w = g.weight(vec![3], vec![-7.5, 0.02, 0.5]);
    let wx = g.multiply(w, x, &[1, 3]);
    let powers = g.un(Un::Exp, wx);
    (g, powers)
}

fn standardised() -> RealGraph {
    let (mut g, powers) = start();
    let mean = g.weight(vec![3], vec![4e-4, 2.735, 1.1]);
    let scale = g.weight(vec![3], vec![1e4, 50.0, 1.0]);
    let one = g.scalar(1.0, Kind::Float);
    let less = g.binary(Bin::Sub, powers, one).expect("fits");
    let first = g.slice(less, &[0, 0], &[1, 2], &[1, 1]);
    let (m, s) = (g.slice(mean, &[0], &[2], &[1]), g.slice(scale, &[0], &[2], &[1]));
    let centred = g.binary(Bin::Sub, first, m).expect("fits");
    let (one_m, rest) = (g.scalar(1.0, Kind::Float), centred);
    let moved = g.binary(Bin::Add, rest, one_m).expect("fits");
    let scaled = g.multiply(s, moved, &[1, 2]);
    let flat = g.reshape(scaled, vec![2]);
    let total = g.sum(scaled, &[1], true, 1.0);
    // Readers of whole numbers, and masks that never vary, that do, and that begin to beyond the samples.
    let squares = g.multiply(powers, powers, &[1, 3]);
    let always = g.map(powers, Expr::un(Un::NonNegative, Expr::X), Kind::Bool);
    let late = g.map(powers, Expr::un(Un::NonNegative, Expr::affine(-1.0, 2.74)), Kind::Bool);
    let often = g.map(powers, Expr::un(Un::NonNegative, Expr::affine(1.0, -1.0)), Kind::Bool);
    g.outputs = vec![flat, total, squares];
    for mask in [always, late, often] {
        let shown = g.multiply(less, mask, &[1, 3]);
        g.outputs.push(shown);
    }
    g
}

#[test]
fn matches_reference_of_sums_products_views_and_masks() {
    assert!(rewritten(&standardised()).is_some());
}

#[test]
fn accepts_only_graphs_in_which_something_hardly_varies() {
    let (mut g, powers) = start();
    g.outputs = vec![powers];
    assert!(rewritten(&g).is_none(), "nothing is added");
    let third = g.slice(powers, &[0, 2], &[1, 1], &[1, 1]);
    let half = g.weight(vec![1], vec![0.5]);
    let less = g.binary(Bin::Sub, third, half).expect("fits");
    g.outputs = vec![less];
    assert!(rewritten(&g).is_none(), "it varies enough");
    let mut g = RealGraph::default();
    let x = g.input("x", vec![1, 3], Kind::Float);
    let y = g.un(Un::Tanh, x);
    g.outputs = vec![y];
    assert!(!has_tables(&g, &g.live()));
}

#[test]
fn matches_the_range_that_a_table_holds() {
    // One column around 2.7 that varies by 0.05, of which 0.5 is taken off.
    let mut g = RealGraph::default();
    let x = g.input("x", vec![1, 3], Kind::Float);
    let second = g.slice(x, &[0, 1], &[1, 1], &[1, 1]);
    let w = g.weight(vec![1], vec![0.02]);
    let wx = g.multiply(w, second, &[1, 1]);
    let power = g.un(Un::Exp, wx);
    let mean = g.weight(vec![1], vec![0.5]);
    let y = g.binary(Bin::Sub, power, mean).expect("fits");
    g.outputs = vec![y];
    let new = rewritten(&g).expect("hardly varies");
    let values = eval::run(&new, &new.live(), &[&sample(3)]);
    let tables: Vec<f64> = (0..new.tensors.len())
        .filter(|i| matches!(new.tensors[*i].source, Source::Op(RealOp::Map { .. })))
        .map(|i| values[i][0])
        .collect();
    assert!(tables.len() == 1 && tables[0].abs() < 0.1, "{tables:?}");
    let hidden = |t: &crate::real::RealTensor| match &t.source {
        Source::Const { data, secret: false } => data.iter().any(|v| (v - 0.5).abs() < 1e-9),
        _ => false,
    };
    assert!(!new.tensors.iter().any(hidden), "the mean is a weight");
}
