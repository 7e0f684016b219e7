//! Smooth functions of few cells are looked up by pieces of a line: short tables, the same results.

#[path = "common/file.rs"]
mod file;

use std::collections::BTreeMap;

use file::File;
use proveil_frontend::synthetic::Synthetic;
use proveil_frontend::{Model, Options, Tensor, compile};
use proveil_graph::{Op, Table};

const CELLS: usize = 24;

/// Inputs from `-reach` to `reach`.
fn samples(reach: f64) -> Vec<Vec<Tensor>> {
    let cell = |s: usize, i: usize| reach * ((s * CELLS + i) as f64 / (16 * CELLS - 1) as f64 * 2.0 - 1.0);
    let one = |s: usize| Tensor::floats(vec![1, CELLS], (0..CELLS).map(|i| cell(s, i)).collect());
    (0..16).map(|s| vec![one(s).expect("dense")]).collect()
}

fn chain(operators: &[&str]) -> Vec<u8> {
    let mut f = File::new(&[("x", &[1, CELLS as i64])]);
    let mut x = "x".to_string();
    for (i, op) in operators.iter().enumerate() {
        let y = if i + 1 == operators.len() { "y".into() } else { format!("h{i}") };
        f = f.node(op, &[&x], &y, &[]);
        x = y;
    }
    f.bytes()
}

fn options(bits: u32) -> Options {
    let mut options = Options::default();
    (options.weight_bits, options.activation_bits, options.table_bits) = (Some(bits), Some(bits), Some(bits));
    options
}

fn rows(model: &Model) -> usize {
    model.graph.tables.iter().filter(|t| !t.name.starts_with("clamp")).map(|t| t.values.len()).sum()
}

fn run(model: &Model, data: &[f64]) -> Vec<f64> {
    let cells = model.inputs[0].quantise(data).expect("in range");
    let all = proveil_graph::run(&model.graph, &model.params, &[cells]).expect("runs");
    model.outputs[0].dequantise(&all[model.graph.outputs[0].0 as usize])
}

#[test]
fn matches_reference_of_functions_by_pieces() {
    type Function = fn(f64) -> f64;
    let functions: [(&str, f64, Function); 7] = [
        ("Sigmoid", 6.0, |x| 1.0 / (1.0 + (-x).exp())),
        ("Tanh", 4.0, f64::tanh),
        ("Softplus", 5.0, |x| x.exp().ln_1p()),
        ("LeakyRelu", 3.0, |x| if x < 0.0 { 0.01 * x } else { x }),
        ("Elu", 3.0, |x| if x < 0.0 { x.exp_m1() } else { x }),
        ("Exp", 2.0, f64::exp),
        ("Sin", 4.0, f64::sin),
    ];
    for (op, reach, f) in functions {
        let model = compile(&chain(&[op]), &samples(reach), &options(13)).unwrap_or_else(|e| panic!("{op}: {e}"));
        assert!(rows(&model) <= 2048, "{op}: {} rows", rows(&model));
        for sample in samples(reach) {
            let (got, top) = (run(&model, &sample[0].data), f(reach).abs().max(f(-reach).abs()).max(1.0));
            for (x, y) in sample[0].data.iter().zip(got) {
                assert!((y - f(*x)).abs() < 1.5e-3 * top, "{op}({x}) = {y}, not {}", f(*x));
            }
        }
    }
}

#[test]
fn matches_reference_beyond_the_calibrated_range() {
    let model = compile(&chain(&["Tanh"]), &samples(1.0), &options(12)).expect("compiles");
    let far = run(&model, &[1.4; CELLS]);
    assert!(far.iter().all(|y| (y - 1.4f64.tanh()).abs() < 3e-3), "{far:?}");
}

#[test]
fn accepts_one_table_for_ranges_that_are_alike() {
    // Neg keeps the two functions from being fused into one.
    let model = compile(&chain(&["Tanh", "Neg", "Tanh"]), &samples(1.5), &options(13)).expect("compiles");
    let mut bases = BTreeMap::new();
    for node in &model.graph.nodes {
        if let Op::Lookup { table, .. } = node.op {
            let name = &model.graph.tables[table.0 as usize].name;
            *bases.entry(name.split(char::is_numeric).next().unwrap_or_default().to_string()).or_insert(0) += 1;
        }
    }
    let tables = |of: &str| model.graph.tables.iter().filter(|t| t.name.starts_with(of)).count();
    assert!(tables("base") <= 1 && tables("table") <= 1, "{bases:?}");
}

/// Tables that are no ranges, each with its rows and the cells looked up in it.
fn functions(model: &Model) -> Vec<(&Table, usize)> {
    let graph = &model.graph;
    let cells = |i: usize| {
        let reads = |op: &Op| matches!(op, Op::Lookup { table, .. } if table.0 as usize == i);
        let nodes = graph.nodes.iter().filter(|n| reads(&n.op));
        nodes.map(|n| graph.tensors[n.out.0 as usize].cells()).sum()
    };
    let all = graph.tables.iter().enumerate().filter(|(_, t)| !t.name.starts_with("clamp"));
    all.map(|(i, t)| (t, cells(i))).collect()
}

#[test]
fn accepts_no_table_that_outweighs_its_look_ups() {
    let of = |width, sequence| Synthetic::Attention { width, sequence, layers: 2 };
    let lstm = |sequence| Synthetic::Recurrent { width: 8, sequence };
    let mut coarse = Options::default();
    (coarse.weight_bits, coarse.activation_bits) = (Some(8), Some(10));
    let some = [of(16, 4), of(16, 8), of(16, 16), of(16, 32), lstm(4), lstm(16), lstm(32)];
    let all = some.map(|family| (family, Options::default()));
    for (family, options) in all.into_iter().chain((4..=9).map(|n| (of(32, n), coarse.clone()))) {
        let model = compile(&family.onnx(), &[], &options).expect("compiles");
        for (table, cells) in functions(&model) {
            let len = table.values.len();
            assert!(len <= 8 * cells + 1024, "{family:?}: '{}' has {len} rows for {cells} cells", table.name);
        }
    }
}

#[test]
fn accepts_no_table_of_which_most_is_out_of_reach() {
    // One unit of the input is a seventh: exponentials of about 70 arguments are not 0.
    let model = compile(&chain(&["Softmax"]), &samples(1000.0), &options(13)).expect("compiles");
    let all = functions(&model);
    let (exponentials, cells) = all.iter().find(|f| f.0.name.starts_with("exp")).expect("one table of all arguments");
    let zeros = exponentials.values.iter().rev().take_while(|v| **v == 0).count();
    assert_eq!(*cells, CELLS);
    assert!(2 * zeros <= exponentials.values.len(), "{zeros} of {} rows are 0", exponentials.values.len());
    for sample in samples(1000.0) {
        let data = &sample[0].data;
        let top = data.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = data.iter().map(|x| (x - top).exp()).sum();
        for (x, y) in data.iter().zip(run(&model, data)) {
            assert!((y - (x - top).exp() / sum).abs() < 0.02, "{x}: {y}");
        }
    }
}
