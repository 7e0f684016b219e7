//! Small models of several layers: lowering, witness, literal evaluation and interpreter agree.

mod common;

use common::{Case, Rng, accept, identity, range, relu};
use proveil_compiler::stats::stats;
use proveil_compiler::{Options, reference, registration};
use proveil_graph::{Builder, ConvSpec, Graph, GraphError, Params, PoolSpec, Range, TensorId, run};
use proveil_relation::Home;

fn param(b: &mut Builder, rng: &mut Rng, name: &str, shape: &[usize], r: Range) -> Result<TensorId, GraphError> {
    let values = rng.cells(shape.iter().product(), r);
    b.param(name, shape, r, 0, values)
}

fn network(b: &mut Builder, x: TensorId, rng: &mut Rng) -> Result<Vec<TensorId>, GraphError> {
    let weights = range(-8, 7);
    let w = param(b, rng, "w", &[3, 3, 4, 2], weights)?;
    let bias = param(b, rng, "b", &[4], range(-100, 100))?;
    let spec = ConvSpec { pads_before: vec![1; 2], pads_after: vec![1; 2], ..ConvSpec::unit(2) };
    let y = b.conv("conv", x, w, &spec)?;
    let y = b.combine("biased", &[(1, y), (1, bias)], 0, 0)?;
    let table = b.table("relu", -128, relu(-128, 256, 100))?;
    let z = b.lookup("relu", y, 3, table, 0)?;
    let z = b.max_pool("pool", z, &PoolSpec::tiling(&[2, 2]))?;
    let flat = b.reshape("flat", z, &[1, 36])?;
    let w2 = param(b, rng, "w2", &[36, 8], weights)?;
    let y = b.matmul("dense", flat, w2)?;
    let h = b.lookup("relu2", y, 4, table, 0)?;
    let w3 = param(b, rng, "w3", &[8, 3], weights)?;
    let y = b.matmul("head", h, w3)?;
    Ok(vec![y, b.arg_max_one_hot("label", y)?])
}

#[test]
fn accepts_a_convolutional_network() {
    let case = accept(&[1, 6, 6, 2], range(0, 255), 21, network);
    let copies: Vec<_> =
        case.lowered.relation.tensors.iter().filter(|t| t.name.ends_with("/copy")).map(|t| &t.name[..]).collect();
    assert_eq!(copies, ["head/copy"]);
}

fn softmax(b: &mut Builder, x: TensorId) -> Result<TensorId, GraphError> {
    let axis = b.tensor(x)?.shape.len() - 1;
    let max = b.reduce_max("max", x, &[axis], true)?;
    let below = b.combine("below", &[(1, x), (-1, max)], 0, 0)?;
    let exp: Vec<i64> = (-256..0i32).map(|d| (f64::from(d + 1) / 16.0).exp2().mul_add(1024.0, 0.5) as i64).collect();
    let mut values = exp;
    values.extend([1024; 256]);
    let table = b.table("exp", -256, values)?;
    let e = b.lookup("exp", below, 0, table, 10)?;
    let sum = b.sum("total", e, &[axis], true)?;
    let sum = b.combine("positive", &[(1, sum)], 1, 10)?;
    let shape = b.tensor(x)?.shape.clone();
    let sum = b.broadcast("spread", sum, &shape)?;
    let num = b.combine("num", &[(256, e)], 0, 18)?;
    b.div("softmax", num, sum, 8)
}

#[test]
fn accepts_attention() {
    accept(&[4, 6], range(-8, 7), 22, |b, x, rng| {
        let table = b.table("clip", -32, identity(-32, 64))?;
        let mut heads = Vec::new();
        for name in ["q", "k", "v"] {
            let w = param(b, rng, name, &[6, 6], range(-8, 7))?;
            let y = b.matmul(&format!("{name}_proj"), x, w)?;
            let y = b.lookup(&format!("{name}_act"), y, 3, table, 0)?;
            let y = b.reshape(&format!("{name}_heads"), y, &[4, 2, 3])?;
            heads.push(b.transpose(&format!("{name}_t"), y, &[1, 0, 2])?);
        }
        let k = b.transpose("k_tt", heads[1], &[0, 2, 1])?;
        let scores = b.matmul("scores", heads[0], k)?;
        let scores = b.lookup("scaled", scores, 4, table, 0)?;
        let p = softmax(b, scores)?;
        let mixed = b.matmul("mixed", p, heads[2])?;
        let mixed = b.lookup("mixed_act", mixed, 8, table, 0)?;
        let joined = b.transpose("joined", mixed, &[1, 0, 2])?;
        let joined = b.reshape("merged", joined, &[4, 6])?;
        let w = param(b, rng, "o", &[6, 6], range(-8, 7))?;
        let y = b.matmul("out", joined, w)?;
        let y = b.lookup("out_act", y, 3, table, 0)?;
        Ok(vec![b.combine("residual", &[(1, x), (1, y)], 0, 0)?])
    });
}

#[test]
fn accepts_layer_norm() {
    accept(&[3, 8], range(-128, 127), 23, |b, x, rng| {
        let sum = b.sum("sum", x, &[1], true)?;
        let centred = b.combine("centred", &[(8, x), (-1, sum)], 0, 0)?;
        let square = b.mul("square", centred, centred)?;
        let variance = b.sum("variance", square, &[1], true)?;
        let root = b.sqrt("deviation", variance, 0)?;
        let root = b.combine("positive", &[(1, root)], 1, 0)?;
        let spread = b.broadcast("spread", root, &[3, 8])?;
        let num = b.combine("num", &[(128, centred)], 0, 0)?;
        let normal = b.div("normal", num, spread, 0)?;
        let gain = param(b, rng, "gain", &[8], range(-128, 127))?;
        let scaled = b.mul("scaled", normal, gain)?;
        let table = b.table("clip", -64, identity(-64, 128))?;
        Ok(vec![b.lookup("out", scaled, 7, table, 0)?])
    });
}

#[test]
fn accepts_registration_of_parameters() {
    let mut b = Builder::new();
    let mut rng = Rng(77);
    let x = b.input("x", &[3], range(0, 3), 0).expect("input");
    let w = param(&mut b, &mut rng, "w", &[3, 2], range(-128, 127)).expect("w");
    let c = param(&mut b, &mut rng, "c", &[2], range(-70_000, 1)).expect("c");
    let y = b.matmul("y", x, w).expect("y");
    let y = b.combine("z", &[(1, y), (1, c)], 0, 0).expect("z");
    b.output(y).expect("output");
    let (graph, params) = b.finish().expect("graph");
    let values = run(&graph, &params, &[vec![1, 2, 3]]).expect("run");
    let lowered = registration(&graph, &Options { limb_bits: Some(8) }).expect("registration");
    let witness = lowered.plan.witness(&graph, &values).expect("witness");
    reference::check(&lowered.relation, &witness.tensors).expect("in range");
    let whole = Case::new(graph, &params, &[vec![1, 2, 3]], Some(8));
    let model = |r: &proveil_relation::Relation| -> Vec<_> {
        r.tensors.iter().filter(|t| t.home == Home::Model).cloned().collect()
    };
    assert_eq!(model(&lowered.relation), model(&whole.lowered.relation));
    let refuse = |cells: &[(&str, usize, i64)]| {
        let mut forged = witness.tensors.clone();
        for &(name, cell, value) in cells {
            let at = lowered.relation.tensors.iter().position(|t| t.name == name).expect("a tensor");
            forged[at][cell] = value;
        }
        common::refusal(&lowered, &forged)
    };
    assert_eq!(refuse(&[("w", 1, 128)]).as_deref(), Some("w/range"));
    assert_eq!(refuse(&[("w", 1, -129)]).as_deref(), Some("w/range"));
    let digits = |v: i64| [("c/at_least0", 0, v + 70_000), ("c/at_most0", 0, 1 - v)];
    let limbs = |v: i64| {
        let low = digits(v).map(|(name, _, d)| (name, 0, d.rem_euclid(256)));
        let high = digits(v).map(|(_, _, d)| (d >> 8).rem_euclid(256));
        let high = [("c/at_least8", 0, high[0]), ("c/at_most8", 0, high[1])];
        [&[("c", 0, v)], &low[..], &high[..]].concat()
    };
    assert_eq!(refuse(&limbs(1)), None);
    assert_eq!(refuse(&limbs(2)).as_deref(), Some("c/at_most"));
    assert_eq!(refuse(&limbs(-70_001)).as_deref(), Some("c/at_least"));
}

#[test]
fn accepts_committed_outputs() {
    let mut case = accept(&[1, 6, 6, 2], range(0, 255), 24, network);
    let before = case.lowered.relation.tensors.len();
    case.lowered.commit_outputs([1, 1, 7]);
    let added = &case.lowered.relation.tensors[before..];
    assert_eq!(
        added.iter().map(|t| (t.home.clone(), t.shape.clone())).collect::<Vec<_>>(),
        [(Home::Output(1), vec![3])]
    );
    case.witness = case.lowered.plan.witness(&case.graph, &case.values).expect("a witness");
    case.accept();
    assert_eq!(case.witness.tensors[before], case.witness.outputs[1]);
}

#[test]
fn rejects_widths_of_digits_that_no_table_has() {
    let case = accept(&[2], range(0, 3), 25, |b, x, _| Ok(vec![b.combine("y", &[(1, x)], 0, 0)?]));
    for limb_bits in [Some(0), Some(17)] {
        assert!(proveil_compiler::lower(&case.graph, &Options { limb_bits }).is_err());
    }
}

/// A graph as deep as a large model, with many activations.
fn large() -> (Graph, Params, Vec<i64>) {
    let mut b = Builder::new();
    let mut rng = Rng(5);
    let mut x = b.input("x", &[1, 32, 32, 8], range(0, 255), 0).expect("input");
    let table = b.table("relu", -256, relu(-256, 512, 255)).expect("table");
    let spec = ConvSpec { pads_before: vec![1; 2], pads_after: vec![1; 2], ..ConvSpec::unit(2) };
    for i in 0..6 {
        let w = param(&mut b, &mut rng, &format!("w{i}"), &[3, 3, 8, 8], range(-128, 127)).expect("w");
        let y = b.conv(&format!("conv{i}"), x, w, &spec).expect("conv");
        x = b.lookup(&format!("relu{i}"), y, 6, table, 0).expect("relu");
    }
    b.output(x).expect("output");
    let (graph, params) = b.finish().expect("graph");
    (graph, params, rng.cells(32 * 32 * 8, range(0, 255)))
}

#[test]
fn matches_reference_counts_of_a_deep_network() {
    let (graph, params, input) = large();
    let values = proveil_graph::run_fast(&graph, &params, &[input]).expect("run");
    let lowered = proveil_compiler::lower(&graph, &Options::default()).expect("lowered");
    let witness = lowered.plan.witness(&graph, &values).expect("witness");
    let stats = stats(&lowered.relation);
    // Each activation: one remainder, its table cell, the sign and the low part.
    assert_eq!(stats.trace_cells, 6 * 4 * 8192);
    assert_eq!(stats.lookup_cells, 8192 + 6 * 3 * 8192);
    assert_eq!(stats.products, 6);
    assert_eq!(witness.tensors.iter().map(Vec::len).sum::<usize>(), 8192 + 6 * 576 + stats.trace_cells);
}
