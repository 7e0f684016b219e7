//! Which constants only mask: their very negative cells hide other cells from a soft-max or a maximum, and how negative
//! they are shows nowhere. A number of any size that a result shows is read as it is.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb;

use super::canonical_domain;
use crate::tensor::{Kind, Tensor};

/// Stand-in for minus infinity in attention masks: `exp` of it is 0 in every precision that tables have.
pub(crate) const MASK: f64 = -4096.0;

/// Numbers below this mask what a soft-max reads: it does not change when all of its cells do by the same.
const LOW_BESIDE_OTHERS: f64 = -1e4;
/// And what a maximum or an exponential reads.
const LOW: f64 = -1e8;
/// Largest size of a number beside masked cells: scores that differ by what is left decide nothing.
const BIAS: f64 = 1024.0;
/// Fillings closer than this, relatively, are one: a bias was added to them.
const SAME: f64 = 0.01;

/// What becomes of an operand's size.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// Only differences within a row count, or nothing but shape and type.
    Compared,
    /// Numbers far below all others count no more.
    Cut,
    /// Looked for: no number of another tensor is equal to infinity.
    Sought,
    /// Cells are moved, or added to others.
    Kept,
    /// As before, times others.
    Scaled,
    Shown,
}

/// Names of tensors whose cells show, by how they do.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Beside others that are cut below.
    cut: HashSet<String>,
    /// Beside others that are found.
    finite: HashSet<String>,
    entirely: HashSet<String>,
}

impl Shown {
    /// What the nodes of a graph, and of the bodies in it, do with each name.
    pub fn of(graph: &pb::GraphProto) -> Self {
        let mut flow = Flow::default();
        flow.graph(graph);
        flow.shown.extend(graph.output.iter().map(|o| o.name.clone()));
        let mut seen = flow.shown.clone();
        let entirely = flow.sources_of(seen.clone());
        seen.extend(flow.sought.iter().cloned());
        let finite = flow.sources_of(seen.clone());
        seen.extend(flow.cut.iter().cloned());
        Self { cut: flow.sources_of(seen), finite, entirely }
    }

    /// Whether only differences within rows of a tensor count.
    pub fn is_compared(&self, name: &str) -> bool {
        !self.cut.contains(name)
    }

    /// Below which number a constant of that name masks; none if its size shows.
    pub fn low(&self, name: &str) -> Option<f64> {
        match name {
            _ if self.entirely.contains(name) => None,
            _ if self.finite.contains(name) => Some(f64::MIN),
            _ if self.cut.contains(name) => Some(LOW),
            _ => Some(LOW_BESIDE_OTHERS),
        }
    }
}

/// What names are made of, and which are read in a way that shows them.
#[derive(Default)]
struct Flow {
    sources: HashMap<String, Vec<String>>,
    shown: Vec<String>,
    cut: Vec<String>,
    sought: Vec<String>,
}

impl Flow {
    fn made_of(&mut self, output: &str, input: &str) {
        self.sources.entry(output.to_string()).or_default().push(input.to_string());
    }

    fn graph(&mut self, graph: &pb::GraphProto) {
        for node in &graph.node {
            self.node(node);
            for (role, body) in node.attribute.iter().filter_map(|a| a.g.as_ref().map(|g| (a.name.as_str(), g))) {
                self.graph(body);
                self.body(node, role, body);
            }
        }
    }

    fn node(&mut self, node: &pb::NodeProto) {
        for (i, input) in node.input.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            match usage(node, i) {
                Use::Compared => {}
                Use::Cut => self.cut.push(input.clone()),
                Use::Sought => self.sought.push(input.clone()),
                Use::Scaled => {
                    self.cut.push(input.clone());
                    node.output.iter().for_each(|output| self.made_of(output, input));
                }
                Use::Kept => node.output.iter().for_each(|output| self.made_of(output, input)),
                Use::Shown => self.shown.push(input.clone()),
            }
        }
    }

    /// What goes into a body and what comes out of it; bodies of other nodes show everything.
    fn body(&mut self, node: &pb::NodeProto, role: &str, body: &pb::GraphProto) {
        let outputs = body.output.iter().map(|o| o.name.as_str());
        let inputs = body.input.iter().map(|i| i.name.as_str());
        match (node.op_type.as_str(), role) {
            ("If", "then_branch" | "else_branch") => {
                node.output.iter().zip(outputs).for_each(|(y, x)| self.made_of(y, x));
            }
            // The first result says whether to go on; what a step leaves is what the next one finds.
            ("Loop", "body") => {
                node.output.iter().zip(outputs.clone().skip(1)).for_each(|(y, x)| self.made_of(y, x));
                inputs.clone().skip(2).zip(outputs.clone().skip(1)).for_each(|(y, x)| self.made_of(y, x));
                inputs.zip(&node.input).for_each(|(y, x)| self.made_of(y, x));
                self.shown.extend(outputs.take(1).map(String::from));
            }
            _ => self.shown.extend(outputs.map(String::from)),
        }
    }

    /// Everything that names are made of, with the names.
    fn sources_of(&self, mut open: Vec<String>) -> HashSet<String> {
        let mut found = HashSet::new();
        while let Some(name) = open.pop() {
            if let Some(sources) = self.sources.get(&name).filter(|_| !found.contains(&name)) {
                open.extend(sources.iter().cloned());
            }
            found.insert(name);
        }
        found
    }
}

/// What a node does with the size of input `i`.
fn usage(node: &pb::NodeProto, i: usize) -> Use {
    let domain = canonical_domain(&node.domain);
    if !domain.is_empty() {
        return Use::Shown;
    }
    match (node.op_type.as_str(), i) {
        ("Softmax" | "LogSoftmax" | "ArgMax" | "Hardmax", _) => Use::Compared,
        ("Attention", 3) => Use::Compared,
        ("Shape" | "Size", 0) | ("CastLike", 1) => Use::Compared,
        ("ReduceMax" | "MaxPool" | "GlobalMaxPool" | "TopK" | "Exp" | "ReduceLogSumExp", 0) => Use::Cut,
        ("Add" | "Sum" | "Min" | "Max" | "Concat" | "Identity" | "Transpose" | "Flatten" | "Cast", _) => Use::Kept,
        ("Sub" | "Reshape" | "Squeeze" | "Unsqueeze" | "Expand" | "Slice" | "Gather" | "GatherND", 0) => Use::Kept,
        ("GatherElements" | "Split" | "Tile" | "CastLike" | "Trilu" | "Dropout" | "DepthToSpace", 0) => Use::Kept,
        ("Equal", _) => Use::Sought,
        ("Mul", _) | ("Div", 0) => Use::Scaled,
        ("Where", 1 | 2) | ("Pad" | "ScatterND" | "ScatterElements" | "Scatter", 0 | 2) => Use::Kept,
        ("Loop", 2..) => Use::Kept,
        _ => Use::Shown,
    }
}

/// Puts the stand-in where cells mask, below the limit of what the constant is used for.
pub(super) fn replaced(t: &mut Tensor, low: f64) {
    let (hidden, rest): (Vec<f64>, Vec<f64>) = t.data.iter().partition(|v| **v < low);
    let finite = || hidden.iter().copied().filter(|v| v.is_finite());
    let (lo, hi) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    // Beside nothing else, numbers that differ are numbers.
    let one_filling = lo > hi || hi - lo <= if rest.is_empty() { 0.0 } else { SAME * lo.abs() };
    let infinite = hidden.contains(&f64::NEG_INFINITY);
    let plain = rest.iter().all(|v| *v == 0.0) || infinite && rest.iter().all(|v| v.abs() <= BIAS);
    if t.kind == Kind::Float && one_filling && plain {
        t.data.iter_mut().filter(|v| **v < low).for_each(|v| *v = MASK);
    }
}
