//! Decision trees: paths are those of a walk by hand, and forged ones are refused by the look-up that is there to
//! refuse them.

mod common;

use common::{Case, Rng, range};
use proveil_graph::{Builder, ForestSpec, Range};

const FEATURES: usize = 3;
const ROWS: usize = 2;
/// Leaves hold their own numbers, times this.
const UNIT: i64 = 10;

/// Two trees, of depth 2 and 1, on 3 features: node, (feature, threshold, first child).
const NODES: [(usize, i64, usize); 8] = [
    (1, 4, 2),  // root of tree 0: 2, 3
    (2, -3, 6), // root of tree 1: 6, 7
    (0, 0, 4),  // 4, 5
    (0, 100, 3),
    (0, 100, 4),
    (0, 100, 5),
    (0, 100, 6),
    (0, 100, 7),
];

fn forest(cells: Vec<i64>, r: Range, limb_bits: Option<u32>) -> Case {
    let mut b = Builder::new();
    let x = b.input("x", &[ROWS, FEATURES], r, 0).expect("an input");
    let spec = ForestSpec {
        trees: 2,
        depth: 2,
        features: &NODES.map(|n| n.0),
        thresholds: &NODES.map(|n| n.1.min(r.hi)),
        children: &NODES.map(|n| n.2),
    };
    let leaf = b.paths("path", x, &spec).expect("paths");
    let values = (0..=NODES.len() as i64).map(|v| v * UNIT).collect();
    let values = b.param("values", &[NODES.len() + 1, 1], range(-99, 99), 0, values).expect("values");
    let value = b.gather("leaf", values, leaf).expect("a gather");
    let sum = b.sum("sum", value, &[1], false).expect("a sum");
    b.output(sum).expect("an output");
    let (graph, params) = b.finish().expect("a well-formed graph");
    let case = Case::new(graph, &params, &[cells], limb_bits);
    case.accept();
    case
}

/// Row 0 ends in leaves 5 and 6, row 1 in leaves 3 and 7.
fn case() -> Case {
    let c = forest(vec![1, 4, -3, -5, 5, 0], range(-100, 100), Some(4));
    assert_eq!(c.witness.outputs[0], [5 + 6, 3 + 7].map(|v| v * UNIT));
    c
}

fn walk(x: &[i64], tree: usize) -> usize {
    (0..2).fold(tree, |k, _| {
        let (f, t, child) = NODES[k];
        child + usize::from(x[f] > t && child != k)
    })
}

#[test]
fn matches_reference_walks() {
    let mut rng = Rng(9);
    for r in [range(-100, 100), range(-7, 8), range(-(1 << 30), (1 << 30) - 1)] {
        for limb_bits in [Some(4), Some(9), None] {
            let cells: Vec<i64> = rng.cells(ROWS * FEATURES, r).iter().map(|v| *v.clamp(&-9, &9)).collect();
            let c = forest(cells.clone(), r, limb_bits);
            for (row, sum) in cells.chunks(FEATURES).zip(&c.witness.outputs[0]) {
                assert_eq!(*sum, UNIT * (walk(row, 0) + walk(row, 1)) as i64);
            }
        }
    }
}

#[test]
fn accepts_trees_without_a_decision() {
    let mut b = Builder::new();
    let x = b.input("x", &[2, 1], range(0, 3), 0).expect("an input");
    let spec = ForestSpec { trees: 2, depth: 0, features: &[0, 0], thresholds: &[3, 3], children: &[0, 1] };
    let leaf = b.paths("path", x, &spec).expect("paths");
    let values = b.param("values", &[3, 2], range(-9, 9), 0, vec![1, 2, 3, 4, 0, 0]).expect("values");
    let value = b.gather("leaf", values, leaf).expect("a gather");
    b.output(value).expect("an output");
    let (graph, params) = b.finish().expect("a well-formed graph");
    let c = Case::new(graph, &params, &[vec![1, 2]], None);
    c.accept();
    assert_eq!(c.witness.outputs[0], [1, 2, 3, 4, 1, 2, 3, 4]);
}

#[test]
fn rejects_forests_that_do_not_fit() {
    let build = |features: &[usize], thresholds: &[i64], children: &[usize], trees: usize| {
        let mut b = Builder::new();
        let x = b.input("x", &[2, 3], range(0, 7), 0).expect("an input");
        b.paths("path", x, &ForestSpec { trees, depth: 1, features, thresholds, children }).is_err()
    };
    assert!(!build(&[0, 0, 0], &[1, 7, 7], &[1, 1, 2], 1));
    assert!(build(&[3, 0, 0], &[1, 7, 7], &[1, 1, 2], 1), "a feature that does not exist");
    assert!(build(&[0, 0, 0], &[8, 7, 7], &[1, 1, 2], 1), "a threshold beyond the range");
    assert!(build(&[0, 0, 0], &[1, 7, 7], &[3, 1, 2], 1), "a child that does not exist");
    assert!(build(&[0, 0], &[1, 7, 7], &[1, 1, 2], 1), "lists of different lengths");
    assert!(build(&[0, 0, 0], &[1, 7, 7], &[1, 1, 2], 4), "more trees than nodes");
}

/// The fields of node `from` in the place of those read in step 1 for tree `tree` of row `row`.
fn node(c: &Case, row: usize, tree: usize, from: usize) -> Vec<(&'static str, usize, i64)> {
    let at = (row * 2 + tree) * 3;
    let fields = ["path/feature", "path/threshold", "path/child"];
    (0..3).map(|k| ("path/1/node", at + k, c.cell(fields[k], from))).collect()
}

#[test]
fn rejects_wrong_children() {
    let c = case();
    // Row 0 passes the root of tree 0 with 4 <= 4: to the left.
    assert_eq!(c.cell("path/0/second", 0), 0);
    assert!(c.forge(&[("path/0/second", 0, 1)]).expect("refused").starts_with("path/0/second"));
    assert_eq!(c.forge(&node(&c, 0, 0, 3)).as_deref(), Some("path/1/node/row"));
    // Even with all that follows: the sign refuses.
    let mut forged = node(&c, 0, 0, 3);
    forged.extend([("path/0/second", 0, 1), ("path/1/second", 0, 0), ("leaf", 0, 3 * UNIT)]);
    assert!(c.forge(&forged).expect("refused").starts_with("path/0/second"));
    assert!(c.forge(&[("path/0/second", 0, 2)]).expect("refused").starts_with("path/0/second"));
}

#[test]
fn rejects_thresholds_off_by_one() {
    let c = case();
    // 1 > 0 in node 2: with threshold 1 the path would go left.
    let at = 1;
    let threshold = c.cell("path/1/node", at);
    let forged = [("path/1/node", at, threshold + 1), ("path/1/second", 0, 0), ("leaf", 0, 4 * UNIT)];
    assert!(c.forge(&forged).is_some());
    for by in [-1, 1] {
        assert_eq!(c.forge(&[("path/1/node", at, threshold + by)]).as_deref(), Some("path/1/node/row"));
    }
    // In the committed table: the path that the sign allows is another one.
    assert!(c.forge(&[("path/threshold", 0, 3)]).expect("refused").starts_with("path/0/second"));
}

#[test]
fn rejects_other_features() {
    let c = case();
    // The number of another feature, and the cell of another feature or of another row.
    assert_eq!(c.forge(&[("path/1/node", 0, 1)]).as_deref(), Some("path/1/node/row"));
    for (cell, other) in [(0, 1), (0, -3), (0, 5), (3, -3)] {
        assert_ne!(c.cell("path/0/value", cell), other);
        assert_eq!(c.forge(&[("path/0/value", cell, other)]).as_deref(), Some("path/0/value/row"));
    }
    let swapped = [("path/1/node", 0, 1), ("path/1/value", 0, c.cell("x", 1))];
    assert_eq!(c.forge(&swapped).as_deref(), Some("path/1/node/row"));
}

#[test]
fn rejects_nodes_of_other_trees() {
    let c = case();
    for from in [1, 6, 7] {
        assert_eq!(c.forge(&node(&c, 0, 0, from)).as_deref(), Some("path/1/node/row"), "node {from}");
    }
    // The whole rest of the path in the other tree.
    let mut forged = node(&c, 0, 0, 6);
    forged.extend([("path/1/second", 0, 0), ("leaf", 0, 6 * UNIT)]);
    assert_eq!(c.forge(&forged).as_deref(), Some("path/1/node/row"));
}

#[test]
fn rejects_values_of_other_leaves() {
    let c = case();
    for other in (0..9).filter(|v| *v != 5) {
        assert_eq!(c.forge(&[("leaf", 0, other * UNIT)]).as_deref(), Some("leaf/row"), "leaf {other}");
    }
    assert_eq!(c.forge(&[("leaf", 0, 5 * UNIT + 1)]).as_deref(), Some("leaf/row"));
    // The values of two trees exchanged: the sum is the same.
    assert_eq!(c.forge(&[("leaf", 0, 6 * UNIT), ("leaf", 1, 5 * UNIT)]).as_deref(), Some("leaf/row"));
}

#[test]
fn rejects_paths_cut_short() {
    let c = case();
    // Node 2 taken for a leaf: it has a row among the values, which the path does not lead to.
    assert_eq!(c.forge(&[("leaf", 0, 2 * UNIT)]).as_deref(), Some("leaf/row"));
    // A node that points to itself, as a leaf does.
    let stays = [("path/1/node", 1, 100), ("path/1/node", 2, 2), ("path/1/second", 0, 0), ("leaf", 0, 2 * UNIT)];
    assert_eq!(c.forge(&stays).as_deref(), Some("path/1/node/row"));
}

#[test]
fn rejects_children_that_do_not_exist() {
    let c = case();
    // Beyond the table, and before it: the declared range of the column.
    for child in [NODES.len() as i64, -1] {
        assert!(c.lowered.relation.tensors.iter().any(|t| t.name == "path/child"));
        assert!(c.forge(&[("path/child", 2, child), ("path/1/node", 2, child)]).is_some());
    }
}
