//! Tree ensembles against walks by hand, for all modes, aggregates and shapes of the operators.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File};
use proveil_frontend::{Kind, Model, Options, Tensor, compile};

/// Tree, node, target and weight.
type Weight = (usize, usize, usize, f64);

pub const ML: &str = "ai.onnx.ml";
pub const FEATURES: usize = 3;
const ROWS: usize = 4;

/// Numbers that look random and are the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// A multiple of `unit` between -8 and 8 units.
    pub fn value(&mut self, unit: f64) -> f64 {
        (self.next(17) as f64 - 8.0) * unit
    }
}

/// A node as the file lists it; leaves have a value for each column.
#[derive(Clone)]
pub struct Node {
    pub mode: &'static str,
    pub feature: usize,
    pub threshold: f64,
    pub yes: usize,
    pub no: usize,
    pub values: Vec<f64>,
}

pub const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

/// Thresholds are off the grid of inputs by `shift`.
fn grow(
    dice: &mut Dice,
    nodes: &mut Vec<Node>,
    modes: &[&'static str],
    depth: usize,
    columns: usize,
    shift: f64,
) -> usize {
    let at = nodes.len();
    nodes.push(Node { mode: "LEAF", feature: 0, threshold: 0.0, yes: 0, no: 0, values: Vec::new() });
    if depth == 0 || dice.next(5) == 0 {
        nodes[at].values = (0..columns).map(|_| dice.value(0.25)).collect();
        return at;
    }
    let mode = modes[dice.next(modes.len() as u64) as usize];
    let (feature, threshold) = (dice.next(FEATURES as u64) as usize, dice.value(1.0) + shift);
    let yes = grow(dice, nodes, modes, depth - 1, columns, shift);
    let no = grow(dice, nodes, modes, depth - 1, columns, shift);
    nodes[at] = Node { mode, feature, threshold, yes, no, values: Vec::new() };
    at
}

pub fn forest(seed: u64, modes: &[&'static str], columns: usize, shift: f64) -> Vec<Vec<Node>> {
    let mut dice = Dice(seed);
    let tree = |dice: &mut Dice| {
        let mut nodes = Vec::new();
        grow(dice, &mut nodes, modes, 4, columns, shift);
        nodes
    };
    (0..5).map(|_| tree(&mut dice)).collect()
}

pub fn walk<'a>(tree: &'a [Node], x: &[f64]) -> &'a [f64] {
    let mut n = &tree[0];
    while n.mode != "LEAF" {
        let (v, t) = (x[n.feature], n.threshold);
        let yes = match n.mode {
            "BRANCH_LEQ" => v <= t,
            "BRANCH_LT" => v < t,
            "BRANCH_GTE" => v >= t,
            "BRANCH_GT" => v > t,
            "BRANCH_EQ" => v == t,
            _ => v != t,
        };
        n = &tree[if yes { n.yes } else { n.no }];
    }
    &n.values
}

pub fn floats(list: impl Iterator<Item = f64>) -> Attr {
    Attr::Floats(list.map(|v| v as f32).collect())
}

/// Attributes of the nodes, and of the leaf values under a prefix.
pub fn attributes(trees: &[Vec<Node>], names: [&'static str; 4]) -> Vec<(&'static str, Attr)> {
    let all: Vec<(usize, usize, &Node)> =
        trees.iter().enumerate().flat_map(|(t, nodes)| nodes.iter().enumerate().map(move |(i, n)| (t, i, n))).collect();
    let ints = |f: &dyn Fn(&(usize, usize, &Node)) -> usize| Attr::Ints(all.iter().map(|n| f(n) as i64).collect());
    let values: Vec<Weight> = all
        .iter()
        .flat_map(|(t, i, n)| n.values.iter().enumerate().map(move |(c, v)| (*t, *i, c, *v)))
        .filter(|v| !v.3.is_nan())
        .collect();
    let each = |f: fn(&Weight) -> usize| Attr::Ints(values.iter().map(|v| f(v) as i64).collect());
    vec![
        ("nodes_treeids", ints(&|n| n.0)),
        ("nodes_nodeids", ints(&|n| n.1)),
        ("nodes_featureids", ints(&|n| n.2.feature)),
        ("nodes_truenodeids", ints(&|n| n.2.yes)),
        ("nodes_falsenodeids", ints(&|n| n.2.no)),
        ("nodes_modes", Attr::Strs(all.iter().map(|n| n.2.mode).collect())),
        ("nodes_values", floats(all.iter().map(|n| n.2.threshold))),
        (names[0], each(|v| v.0)),
        (names[1], each(|v| v.1)),
        (names[2], each(|v| v.2)),
        (names[3], floats(values.iter().map(|v| v.3))),
    ]
}

pub const TARGET: [&str; 4] = ["target_treeids", "target_nodeids", "target_ids", "target_weights"];
const CLASS: [&str; 4] = ["class_treeids", "class_nodeids", "class_ids", "class_weights"];

fn samples(unit: f64) -> Vec<Tensor> {
    let mut dice = Dice(77);
    let rows = |dice: &mut Dice| (0..ROWS * FEATURES).map(|_| dice.value(unit)).collect();
    (0..8).map(|_| Tensor::floats(vec![ROWS, FEATURES], rows(&mut dice)).expect("dense")).collect()
}

fn compiled(file: File, samples: &[Tensor]) -> Model {
    let calibration: Vec<Vec<Tensor>> = samples.iter().map(|t| vec![t.clone()]).collect();
    compile(&file.bytes(), &calibration, &Options::default()).expect("compiles")
}

fn regressor(trees: &[Vec<Node>], aggregate: &'static str) -> File {
    let mut all = attributes(trees, TARGET);
    all.push(("n_targets", Attr::Int(2)));
    all.push(("aggregate_function", Attr::Str(aggregate)));
    all.push(("base_values", floats([0.5, -1.0].into_iter())));
    File::new(ML, 3, &["y"]).input("x", FLOAT, &[ROWS as i64, FEATURES as i64]).node(
        "TreeEnsembleRegressor",
        &["x"],
        &["y"],
        &all,
    )
}

#[test]
fn matches_reference_walks_in_every_mode() {
    // Inputs on the grid of the thresholds, where equality is common; beside it; and on one too fine for it.
    for (seed, unit, shift) in [(1, 1.0, 0.0), (2, 1.0, 0.3), (3, 0.3, 0.0), (4, 0.3, 0.1)] {
        let trees = forest(seed, &MODES, 2, shift);
        let samples: Vec<Tensor> = samples(f64::from(unit as f32));
        let model = compiled(regressor(&trees, "SUM"), &samples[..4]);
        for x in &samples {
            let row = |x: &[f64]| {
                let sum = |c: usize| trees.iter().map(|t| walk(t, x)[c]).sum::<f64>();
                [sum(0) + 0.5, sum(1) - 1.0]
            };
            let want: Vec<f64> = x.data.chunks(FEATURES).flat_map(row).collect();
            // Leaf values are multiples of one: sums are exact.
            assert!(relative_error(&infer(&model, std::slice::from_ref(x))[0], &want) < 1e-4, "{unit} {shift}");
        }
    }
}

#[test]
fn matches_reference_aggregates() {
    let (trees, samples) = (forest(5, &MODES[..1], 2, 0.5), samples(1.0));
    for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"] {
        let model = compiled(regressor(&trees, aggregate), &samples[..4]);
        for x in &samples {
            let row = |x: &[f64]| {
                let one = |c: usize| {
                    let all = trees.iter().map(|t| walk(t, x)[c]);
                    match aggregate {
                        "SUM" => all.sum(),
                        "AVERAGE" => all.sum::<f64>() / trees.len() as f64,
                        "MIN" => all.fold(f64::INFINITY, f64::min),
                        _ => all.fold(f64::NEG_INFINITY, f64::max),
                    }
                };
                [one(0) + 0.5, one(1) - 1.0]
            };
            let want: Vec<f64> = x.data.chunks(FEATURES).flat_map(row).collect();
            let error = relative_error(&infer(&model, std::slice::from_ref(x))[0], &want);
            assert!(error < 1e-4, "{aggregate}: {error}");
        }
    }
}

/// Thresholds lie on what the scaler makes of inputs, to the last bit: a scaler that rounds otherwise shows.
#[test]
fn matches_reference_walks_behind_a_scaler() {
    let (offset, scale) = ([0.1f32, -3.3, 7.77], [0.37f32, -1.9, 0.013]);
    let scaled = |j: usize, v: f64| f64::from((v as f32 - offset[j]) * scale[j]);
    for seed in 11..15 {
        let mut trees = forest(seed, &MODES[..4], 2, 0.0);
        trees.iter_mut().flatten().for_each(|n| n.threshold = scaled(n.feature, n.threshold));
        let mut all = attributes(&trees, TARGET);
        all.extend([("n_targets", Attr::Int(2)), ("aggregate_function", Attr::Str("SUM"))]);
        let list = |v: &[f32]| Attr::Floats(v.to_vec());
        let file = File::new(ML, 3, &["y"])
            .input("x", FLOAT, &[ROWS as i64, FEATURES as i64])
            .node("Scaler", &["x"], &["s"], &[("offset", list(&offset)), ("scale", list(&scale))])
            .node("TreeEnsembleRegressor", &["s"], &["y"], &all);
        let samples = samples(1.0);
        let model = compiled(file, &samples[..4]);
        for x in &samples {
            let row = |x: &[f64]| {
                let x: Vec<f64> = x.iter().enumerate().map(|(j, v)| scaled(j, *v)).collect();
                [0, 1].map(|c| trees.iter().map(|t| walk(t, &x)[c]).sum::<f64>())
            };
            let want: Vec<f64> = x.data.chunks(FEATURES).flat_map(row).collect();
            assert!(relative_error(&infer(&model, std::slice::from_ref(x))[0], &want) < 1e-4, "{seed}");
        }
    }
}

/// Samples lie far from all thresholds, and would do with functions of few digits; what is judged lies close to them.
#[test]
fn matches_reference_walks_behind_a_function() {
    let threshold = |k: usize| -0.9 + 0.12 * k as f64;
    let inner = |k: usize| {
        let threshold = f64::from(threshold(k).tanh() as f32);
        Node { mode: "BRANCH_LEQ", feature: 0, threshold, yes: 2 * k + 1, no: 2 * k + 2, values: Vec::new() }
    };
    let leaf = |v: f64| Node { mode: "LEAF", feature: 0, threshold: 0.0, yes: 0, no: 0, values: vec![v] };
    // Each threshold has a leaf below it.
    let mut ladder: Vec<Node> = (0..16).flat_map(|k| [inner(k), leaf(k as f64)]).collect();
    ladder.push(leaf(16.0));
    let mut all = attributes(&[ladder], TARGET);
    all.extend([("n_targets", Attr::Int(1)), ("aggregate_function", Attr::Str("SUM"))]);
    let file = File::new("", 13, &["y"])
        .domain(ML, 3)
        .domain("", 13)
        .input("x", FLOAT, &[1, 1])
        .node("Tanh", &["x"], &["t"], &[])
        .domain(ML, 3)
        .node("TreeEnsembleRegressor", &["t"], &["y"], &all);
    let row = |v: f64| Tensor::floats(vec![1, 1], vec![v]).expect("dense");
    let samples: Vec<Tensor> = (0..16).map(|k| row(threshold(k) + 0.06)).collect();
    let model = compiled(file, &samples);
    for k in 0..16 {
        for (beside, want) in [(-0.002, k as f64), (0.002, k as f64 + 1.0)] {
            let got = infer(&model, &[row(threshold(k) + beside)]).remove(0);
            assert!((got[0] - want).abs() < 1e-3, "{k}: {got:?}, want {want}");
        }
    }
}

/// Each tree counts for one class, as in boosting.
#[test]
fn matches_reference_classifiers_boosted_class_by_class() {
    let mut trees = forest(6, &MODES[..2], 1, 0.0);
    trees.push(trees[1].clone());
    for (t, tree) in trees.iter_mut().enumerate() {
        for n in tree.iter_mut().filter(|n| n.mode == "LEAF") {
            let value = n.values[0];
            n.values = (0..3).map(|c| if c == t % 3 { value + 0.1 * t as f64 } else { f64::NAN }).collect();
        }
    }
    let mut all = attributes(&trees, CLASS);
    all.push(("classlabels_strings", Attr::Strs(vec!["ant", "bee", "cow"])));
    let file = File::new(ML, 1, &["label", "scores"]).input("x", FLOAT, &[ROWS as i64, FEATURES as i64]);
    let samples = samples(1.0);
    let model = compiled(file.node("TreeEnsembleClassifier", &["x"], &["label", "scores"], &all), &samples[..4]);
    assert_eq!(model.outputs[0].labels, ["ant", "bee", "cow"]);
    for x in &samples {
        let row =
            |x: &[f64]| [0, 1, 2].map(|c| (0..6).filter(|t| t % 3 == c).map(|t| walk(&trees[t], x)[c]).sum::<f64>());
        let want: Vec<[f64; 3]> = x.data.chunks(FEATURES).map(row).collect();
        let got = infer(&model, std::slice::from_ref(x));
        assert!(relative_error(&got[1], &want.concat()) < 1e-4);
        for (label, scores) in got[0].iter().zip(want) {
            assert!(scores.iter().all(|s| *s <= scores[*label as usize]));
        }
    }
}

#[test]
fn matches_reference_classifiers_with_one_column() {
    let samples = samples(1.0);
    for (post, positive) in [("NONE", true), ("LOGISTIC", false)] {
        let mut trees = forest(7, &MODES[..1], 1, 0.0);
        if positive {
            let turn = |v: &mut f64| *v = v.abs() / 8.0;
            trees.iter_mut().flatten().flat_map(|n| &mut n.values).for_each(turn);
        }
        let mut all = attributes(&trees, CLASS);
        all.push(("classlabels_int64s", Attr::Ints(vec![7, 3])));
        all.push(("post_transform", Attr::Str(post)));
        let file = File::new(ML, 1, &["label", "scores"]).input("x", FLOAT, &[ROWS as i64, FEATURES as i64]);
        let model = compiled(file.node("TreeEnsembleClassifier", &["x"], &["label", "scores"], &all), &samples[..4]);
        for x in &samples {
            let sum = |x: &[f64]| trees.iter().map(|t| walk(t, x)[0]).sum::<f64>();
            let sums: Vec<f64> = x.data.chunks(FEATURES).map(sum).collect();
            let got = infer(&model, std::slice::from_ref(x));
            let logistic = |v: f64| 1.0 / (1.0 + (-v).exp());
            let pair = |v: &f64| if positive { [1.0 - v, *v] } else { [logistic(-v), logistic(*v)] };
            assert!(relative_error(&got[1], &sums.iter().flat_map(pair).collect::<Vec<_>>()) < 0.005);
            // A tie goes to the first class.
            let border = if positive { 0.5 } else { 0.0 };
            assert_eq!(got[0], sums.iter().map(|v| if *v > border { 3.0 } else { 7.0 }).collect::<Vec<_>>());
        }
    }
}

/// Nodes and leaves in lists of their own, with sets of members as a seventh mode.
#[test]
fn matches_reference_walks_of_ensembles_with_sets() {
    let trees = forest(8, &["BRANCH_LEQ", "BRANCH_LT", "BRANCH_EQ", "BRANCH_GT"], 1, 0.0);
    // What was a test of equality is one of membership.
    let set = |n: &Node| [n.threshold, n.threshold + 3.0, -5.0];
    let (mut places, mut count, mut values) = (Vec::new(), 0, Vec::new());
    for tree in &trees {
        let place = |n: &Node| {
            let leaf = n.mode == "LEAF";
            values.extend(n.values.iter().copied());
            count += usize::from(!leaf);
            if leaf { (values.len() - 1, 1) } else { (count - 1, 0) }
        };
        places.push(tree.iter().map(place).collect::<Vec<(usize, i64)>>());
    }
    let inner: Vec<(usize, &Node)> = trees
        .iter()
        .enumerate()
        .flat_map(|(t, ns)| ns.iter().map(move |n| (t, n)))
        .filter(|n| n.1.mode != "LEAF")
        .collect();
    let ints = |f: &dyn Fn(&(usize, &Node)) -> i64| Attr::Ints(inner.iter().map(f).collect());
    let number = |n: &&(usize, &Node)| match n.1.mode {
        "BRANCH_LEQ" => 0.0,
        "BRANCH_LT" => 1.0,
        "BRANCH_GT" => 3.0,
        _ => 6.0,
    };
    let members: Vec<f32> = inner
        .iter()
        .filter(|n| n.1.mode == "BRANCH_EQ")
        .flat_map(|n| set(n.1).into_iter().chain([f64::NAN]))
        .map(|v| v as f32)
        .collect();
    let roots = trees.iter().enumerate().filter(|(_, t)| t[0].mode != "LEAF").map(|(t, _)| places[t][0].0 as i64);
    let attributes = [
        ("nodes_featureids", ints(&|n| n.1.feature as i64)),
        ("nodes_modes", Attr::Tensor(inner.iter().map(|n| number(&n)).collect())),
        ("nodes_splits", Attr::Tensor(inner.iter().map(|n| n.1.threshold as f32).collect())),
        ("nodes_truenodeids", ints(&|n| places[n.0][n.1.yes].0 as i64)),
        ("nodes_trueleafs", ints(&|n| places[n.0][n.1.yes].1)),
        ("nodes_falsenodeids", ints(&|n| places[n.0][n.1.no].0 as i64)),
        ("nodes_falseleafs", ints(&|n| places[n.0][n.1.no].1)),
        ("leaf_targetids", Attr::Ints(vec![0; values.len()])),
        ("leaf_weights", Attr::Tensor(values.iter().map(|&v| v as f32).collect())),
        ("membership_values", Attr::Tensor(members)),
        ("tree_roots", Attr::Ints(roots.collect())),
    ];
    let file = File::new(ML, 5, &["y"]).input("x", FLOAT, &[ROWS as i64, FEATURES as i64]);
    let samples = samples(1.0);
    let model = compiled(file.node("TreeEnsemble", &["x"], &["y"], &attributes), &samples[..4]);
    for x in &samples {
        let reach = |tree: &Vec<Node>, x: &[f64]| {
            let mut n = &tree[0];
            while n.mode != "LEAF" {
                let (v, t) = (x[n.feature], n.threshold);
                let yes = match n.mode {
                    "BRANCH_LEQ" => v <= t,
                    "BRANCH_LT" => v < t,
                    "BRANCH_GT" => v > t,
                    _ => set(n).contains(&v),
                };
                n = &tree[if yes { n.yes } else { n.no }];
            }
            n.values[0]
        };
        let grown = || trees.iter().filter(|t| t[0].mode != "LEAF");
        let want: Vec<f64> = x.data.chunks(FEATURES).map(|x| grown().map(|t| reach(t, x)).sum()).collect();
        assert!(relative_error(&infer(&model, std::slice::from_ref(x))[0], &want) < 1e-4);
    }
}

#[test]
fn accepts_the_same_layout_for_trees_of_other_values() {
    // As many nodes, other depths of single trees, thresholds, features and children.
    let leaf = |v: f64| Node { mode: "LEAF", feature: 0, threshold: 0.0, yes: 0, no: 0, values: vec![v, -v] };
    let branch = |feature: usize, threshold: f64, yes: usize, no: usize| Node {
        mode: "BRANCH_LEQ",
        feature,
        threshold,
        yes,
        no,
        values: Vec::new(),
    };
    let a = vec![
        vec![branch(0, 1.0, 1, 2), leaf(1.0), branch(1, 2.0, 3, 4), leaf(0.5), leaf(0.25)],
        vec![branch(1, 0.0, 1, 2), leaf(-1.0), branch(0, 3.0, 3, 4), leaf(0.75), leaf(0.5)],
    ];
    let b = vec![
        vec![
            branch(2, -3.0, 1, 2),
            branch(0, 4.0, 3, 4),
            branch(1, 2.0, 5, 6),
            leaf(0.5),
            leaf(0.25),
            leaf(1.0),
            leaf(0.0),
        ],
        vec![branch(0, 2.0, 1, 2), leaf(-1.0), leaf(0.125)],
    ];
    let samples = samples(1.0);
    let graph = |trees: &[Vec<Node>]| compiled(regressor(trees, "SUM"), &samples).graph;
    assert_eq!(graph(&a), graph(&b));
}

#[test]
fn rejects_trees_that_are_none() {
    let x = Tensor::new(vec![ROWS, FEATURES], Kind::Float, vec![0.0; ROWS * FEATURES]).expect("dense");
    let refuse = |change: &dyn Fn(&mut Vec<Node>)| {
        let mut trees = forest(1, &MODES[..1], 2, 0.0);
        change(&mut trees[0]);
        compile(&regressor(&trees, "SUM").bytes(), &[vec![x.clone()]], &Options::default())
            .expect_err("refused")
            .to_string()
    };
    assert!(refuse(&|t| t[0].yes = 0).contains("leads back"));
    assert!(refuse(&|t| t[0].yes = 999).contains("no node 999"));
    assert!(refuse(&|t| t[0].feature = FEATURES).contains("feature 3"));
    assert!(refuse(&|t| t[0].threshold = f64::NAN).contains("not a number"));
    assert!(refuse(&|t| t[0].mode = "BRANCH_UP").contains("BRANCH_UP"));
    let deep = |t: &mut Vec<Node>| {
        let leaf = Node { mode: "LEAF", feature: 0, threshold: 0.0, yes: 0, no: 0, values: vec![1.0, 2.0] };
        let step = |i: usize| Node { mode: "BRANCH_LEQ", yes: i + 1, no: 600, values: Vec::new(), ..leaf.clone() };
        *t = (0..600).map(step).chain([leaf.clone()]).collect();
    };
    assert!(refuse(&deep).contains("600 steps"));
}
