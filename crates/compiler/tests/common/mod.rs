//! Lowers graphs, compares the plan with literal evaluation, and forges witnesses.
#![allow(dead_code, reason = "each test file uses a part of it")]

use proveil_compiler::reference::{self, ReferenceError};
use proveil_compiler::{Lowered, Options, Witness, lower};
use proveil_graph::{Builder, Graph, Params, Range, TensorId, run};

/// A small pseudo-random generator, so that every run sees the same values.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn within(&mut self, r: Range) -> i64 {
        r.lo + (self.next() % (r.hi - r.lo + 1) as u64) as i64
    }

    pub fn cells(&mut self, n: usize, r: Range) -> Vec<i64> {
        (0..n).map(|_| self.within(r)).collect()
    }
}

pub const fn range(lo: i64, hi: i64) -> Range {
    Range { lo, hi }
}

/// A lowered graph with an honest run.
pub struct Case {
    pub graph: Graph,
    pub values: Vec<Vec<i64>>,
    pub lowered: Lowered,
    pub witness: Witness,
}

impl Case {
    pub fn new(graph: Graph, params: &Params, inputs: &[Vec<i64>], limb_bits: Option<u32>) -> Self {
        let values = run(&graph, params, inputs).expect("the graph runs");
        let lowered = lower(&graph, &Options { limb_bits }).expect("the graph lowers");
        let witness = lowered.plan.witness(&graph, &values).expect("the run has a witness");
        Self { graph, values, lowered, witness }
    }

    /// The honest witness satisfies, and the plan's tuples and outputs are those of literal evaluation.
    pub fn accept(&self) {
        let (relation, tensors) = (&self.lowered.relation, &self.witness.tensors);
        reference::check(relation, tensors).expect("the honest witness satisfies");
        for (lookup, tuple) in relation.lookups.iter().zip(&self.witness.tuples) {
            for (expr, column) in lookup.tuple.iter().zip(tuple) {
                let expect = reference::expr_at(relation, tensors, expr, &lookup.space).expect("integers");
                let got: Vec<i128> = column.iter().map(|v| i128::from(*v)).collect();
                assert_eq!(got, expect, "look-up {}", lookup.name);
            }
        }
        assert_eq!(relation.tables.len(), self.witness.tables.len());
        for (table, columns) in relation.tables.iter().zip(&self.witness.tables) {
            let (space, exprs) = table.expressions().unwrap_or_default();
            assert_eq!(exprs.len(), columns.len(), "table {}", table.name);
            for (expr, column) in exprs.iter().zip(columns) {
                let expect = reference::expr_at(relation, tensors, expr, space).expect("integers");
                let got: Vec<i128> = column.iter().map(|v| i128::from(*v)).collect();
                assert_eq!(got, expect, "table {}", table.name);
            }
        }
        let outputs = reference::outputs(relation, tensors).expect("integers");
        for ((id, got), planned) in self.graph.outputs.iter().zip(&outputs).zip(&self.witness.outputs) {
            let expect: Vec<i128> = self.values[id.0 as usize].iter().map(|v| i128::from(*v)).collect();
            assert_eq!(got, &expect);
            assert_eq!(planned, &self.values[id.0 as usize]);
        }
    }

    pub fn tensor(&self, name: &str) -> usize {
        let found = self.lowered.relation.tensors.iter().position(|t| t.name == name);
        found.unwrap_or_else(|| panic!("no tensor {name} in\n{}", self.text()))
    }

    pub fn text(&self) -> String {
        proveil_compiler::text::to_text(&self.lowered.relation)
    }

    /// The check that refuses the witness with some cells replaced, by name; `None` if it is accepted.
    pub fn forge(&self, cells: &[(&str, usize, i64)]) -> Option<String> {
        let mut tensors = self.witness.tensors.clone();
        for &(name, cell, value) in cells {
            tensors[self.tensor(name)][cell] = value;
        }
        refusal(&self.lowered, &tensors)
    }

    pub fn cell(&self, name: &str, cell: usize) -> i64 {
        self.witness.tensors[self.tensor(name)][cell]
    }
}

/// The check that refuses tensors, by name.
pub fn refusal(lowered: &Lowered, tensors: &[Vec<i64>]) -> Option<String> {
    match reference::check(&lowered.relation, tensors) {
        Ok(()) => None,
        Err(ReferenceError::Unsatisfied { lookup, .. }) => Some(lookup),
        Err(ReferenceError::OutputRange { output, .. }) => Some(output),
        Err(other) => panic!("{other}"),
    }
}

/// Builds a graph with one input and accepts it under several digit widths; returns the default one.
pub fn accept(
    shape: &[usize],
    r: Range,
    seed: u64,
    build: impl Fn(&mut Builder, TensorId, &mut Rng) -> Result<Vec<TensorId>, proveil_graph::GraphError>,
) -> Case {
    let mut rng = Rng(seed | 1);
    let mut b = Builder::new();
    let x = b.input("x", shape, r, 0).expect("an input");
    let outs = build(&mut b, x, &mut rng).expect("the graph builds");
    for id in outs {
        b.output(id).expect("an output");
    }
    let (graph, params) = b.finish().expect("a well-formed graph");
    let mut inputs = vec![rng.cells(shape.iter().product(), r)];
    for extreme in [r.lo, r.hi] {
        inputs.push(vec![extreme; shape.iter().product()]);
    }
    for input in &inputs {
        for limb_bits in [Some(2), Some(5), Some(16), None] {
            Case::new(graph.clone(), &params, std::slice::from_ref(input), limb_bits).accept();
        }
    }
    Case::new(graph, &params, &inputs[..1], None)
}

/// Values of a rectifier that saturates at `hi`, on `lo .. lo + len`.
pub fn relu(lo: i64, len: i64, hi: i64) -> Vec<i64> {
    (lo..lo + len).map(|x| x.clamp(0, hi)).collect()
}

/// Values of the identity on `lo .. lo + len`.
pub fn identity(lo: i64, len: i64) -> Vec<i64> {
    (lo..lo + len).collect()
}
