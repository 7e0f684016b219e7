//! ONNX operators to real operators, one file for each family.

mod activation;
mod arrange;
mod attention;
mod bits;
mod classic;
mod control;
mod conv;
mod coupling;
mod deconv;
mod elementwise;
mod encode;
mod fused;
mod logic;
mod loss;
mod normalise;
mod pick;
mod policy;
mod pool;
mod products;
mod quantised;
mod raw;
mod recurrent;
mod reduce;
mod resize;
mod rotary;
mod scatter;
mod select;
mod shape;
mod svm;
mod text;
mod trees;
mod weights;

pub(crate) use policy::{reaches, reaches_hidden, top_k};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proveil_graph::TensorId;

use crate::error::{FrontendError, Result};
use crate::onnx::{DType, Limits, Node, OnnxModel, Texts, limit};
use crate::operators::{knows, why_absent};
use crate::real::missing::{Reached, split};
use crate::real::{RealGraph, Source};
use crate::tensor::{Kind, Tensor};

/// Operators of the real graph for each node that the limits allow.
const UNROLLED: u64 = 16;

/// State of an import: the graph so far and the tensors by ONNX name.
pub(crate) struct Importer<'a> {
    pub g: RealGraph,
    env: HashMap<String, TensorId>,
    /// Element types by ONNX name, as far as the file says.
    types: HashMap<String, DType>,
    /// Float tensors with known integers behind them.
    quantised: HashMap<TensorId, quantised::Quantised>,
    /// How rows were made that trees may read.
    made: HashMap<TensorId, raw::Made>,
    /// Names of the classes that cells number, or that columns belong to. Texts have [`Kind::Text`] instead.
    labels: HashMap<TensorId, Arc<Vec<String>>>,
    /// What codes of texts count through.
    texts: Arc<Texts>,
    /// Bodies of loops and conditions around the node.
    depth: usize,
    /// Cells of constants that nodes made.
    computed: u64,
    /// Tensors that were looked at for it.
    counted: usize,
    limits: &'a Limits,
}

/// A real graph with the names and kinds of its outputs.
pub(crate) struct Imported {
    pub graph: RealGraph,
    pub outputs: Vec<(String, Kind)>,
    /// Names of classes for each output; empty where there are none.
    pub labels: Vec<Vec<String>>,
    /// What codes of texts count through.
    pub texts: Arc<Texts>,
}

/// Imports a whole model. `missing` says of each input whether cells may be missing, by place of the last axis; what is
/// empty, or not there, misses none.
///
/// # Errors
/// `Unsupported` and `Malformed`, naming the node.
pub(crate) fn import(model: &OnnxModel, limits: &Limits, missing: &[Vec<bool>]) -> Result<Imported> {
    let mut im = Importer::start(model, limits, missing);
    im.nodes(&model.nodes)?;
    im.finish(model, true)
}

/// Refuses constants that came out as no numbers where they were computed from others: by a division by 0, say. Those
/// that wait are made of numbers by sums and products: with `all`, overflows are looked for too.
fn finite(g: &RealGraph, all: bool) -> Result<()> {
    let live = g.live();
    for (t, _) in g.tensors.iter().zip(live).filter(|(_, live)| *live) {
        let Source::Const { data, .. } = &t.source else { continue };
        if data.wait() && !all {
            continue;
        }
        if let Some(index) = data.iter().position(|v| !v.is_finite()) {
            let hint = "it is computed from constants alone: repair them".into();
            return Err(FrontendError::NotFinite { tensor: t.name.clone(), index, value: data[index], hint });
        }
    }
    Ok(())
}

/// Error for a missing value where none can be.
fn unexpected(model: &OnnxModel, reached: Reached) -> FrontendError {
    let (what, hint) = ("a missing value would reach it", "impute it before");
    match reached {
        Reached::Node(name) => match model.nodes.iter().find(|n| n.name == name) {
            Some(n) => n.unsupported(what, hint),
            None => FrontendError::malformed(format!("node `{name}`"), format!("{what}; {hint}")),
        },
        Reached::Output(k) => {
            let name = model.outputs.get(k).map_or("", |o| &o.0);
            FrontendError::malformed(format!("output `{name}`"), format!("{what}; {hint}"))
        }
    }
}

/// Imports every node that can be: positions and errors of those that cannot, and how many read what those make.
///
/// # Errors
/// Where all nodes can be, what is wrong with the outputs, with constants computed from others or with the number of cells.
pub(crate) fn survey(model: &OnnxModel, limits: &Limits) -> Result<(Vec<(usize, FrontendError)>, usize)> {
    let mut im = Importer::start(model, limits, &[]);
    let (mut failed, mut unchecked, mut lost) = (Vec::new(), 0, HashSet::new());
    for (at, node) in model.nodes.iter().enumerate() {
        let blocked = node.reads().iter().any(|name| lost.contains(*name));
        match blocked {
            true if knows(&node.domain, &node.op) => unchecked += 1,
            true => failed.push((at, unknown(node))),
            false => match im.define(node) {
                Ok(()) => continue,
                Err(e) => failed.push((at, e)),
            },
        }
        lost.extend(node.outputs.iter().cloned());
    }
    if failed.is_empty() {
        let imported = im.finish(model, false)?;
        limit_inference(&imported.graph, &imported.graph.live(), limits)?;
    }
    Ok((failed, unchecked))
}

/// Refuses a model of which one inference has too many cells, constants apart: those are counted where they are made.
///
/// # Errors
/// `TooLarge`.
pub(crate) fn limit_inference(g: &RealGraph, live: &[bool], limits: &Limits) -> Result<()> {
    let computed = g.tensors.iter().zip(live).filter(|(t, live)| **live && !matches!(t.source, Source::Const { .. }));
    let cells: usize = computed.map(|(t, _)| t.cells()).sum();
    limit("the number of cells that one inference computes", cells as u64, limits.inference)
}

/// Error for an operator that no family knows.
fn unknown(n: &Node) -> FrontendError {
    let why = why_absent(&n.domain, &n.op);
    n.unsupported(format!("the operator is not supported: {}", why.reason), why.instead)
}

impl<'a> Importer<'a> {
    /// An import with inputs and constants, before the first node.
    fn start(model: &OnnxModel, limits: &'a Limits, missing: &[Vec<bool>]) -> Self {
        let types = model.types.clone();
        let mut im = Importer {
            g: RealGraph { defers: true, texts: model.texts.list().len(), ..RealGraph::default() },
            env: HashMap::new(),
            types,
            quantised: HashMap::new(),
            made: HashMap::new(),
            labels: HashMap::new(),
            texts: model.texts.clone(),
            depth: 0,
            computed: 0,
            counted: 0,
            limits,
        };
        for (k, decl) in model.inputs.iter().enumerate() {
            let id = im.g.input(&decl.name, decl.shape.clone(), decl.dtype.kind());
            let width = decl.shape.last().copied().unwrap_or(1);
            let columns = missing.get(k).filter(|c| c.len() == width && c.contains(&true));
            if let (Kind::Float, Some(columns)) = (im.g.kind(id), columns) {
                im.g.missing.insert(id, columns.clone());
            }
            im.env.insert(decl.name.clone(), id);
        }
        let mut names: Vec<_> = model.constants.iter().collect();
        names.sort_by_key(|(name, _)| name.as_str());
        for (name, constant) in names {
            im.g.scope = name.clone();
            let id = im.g.stored(constant);
            im.labels.extend(model.strings.get(name).map(|names| (id, Arc::new(names.clone()))));
            im.env.insert(name.clone(), id);
        }
        // The file's own constants are there already.
        im.counted = im.g.tensors.len();
        im
    }

    /// Imports a node and gives its outputs their names.
    ///
    /// # Errors
    /// Those of the node's family, and `TooLarge` with the node's name.
    fn define(&mut self, node: &Node) -> Result<()> {
        self.g.scope = node.name.clone();
        let named = |e: FrontendError| match e {
            FrontendError::TooLarge { what, got, limit } if !what.starts_with("node ") => {
                FrontendError::TooLarge { what: format!("{}: {what}", node.place()), got, limit }
            }
            other => other,
        };
        let outputs = self.node(node).map_err(named)?;
        self.count_computed().map_err(named)?;
        for (name, id) in node.outputs.iter().zip(outputs) {
            self.limits.cells(name, self.g.shape(id)).map_err(named)?;
            raw::note(self, node, id);
            self.env.insert(name.clone(), id);
        }
        Ok(())
    }

    /// Counts the cells of constants that nodes made: a small file may ask for any number of large ones.
    fn count_computed(&mut self) -> Result<()> {
        let made = self.g.tensors.get(self.counted..).unwrap_or_default().iter();
        let cells = made.filter(|t| matches!(t.source, Source::Const { .. })).map(|t| t.cells() as u64);
        self.computed = self.computed.saturating_add(cells.sum());
        self.counted = self.g.tensors.len();
        let (got, limit) = (self.computed, self.limits.cells);
        if got > limit {
            let what = "the number of cells that are computed from constants".into();
            return Err(FrontendError::TooLarge { what, got, limit });
        }
        Ok(())
    }
}

impl Importer<'_> {
    /// The graph with its outputs, after the last node; with `whole`, its constants are there.
    fn finish(mut self, model: &OnnxModel, whole: bool) -> Result<Imported> {
        let (mut outputs, mut labels) = (Vec::new(), Vec::new());
        for (name, dtype) in &model.outputs {
            let id = self.env.get(name).copied().ok_or_else(|| {
                FrontendError::malformed(format!("output `{name}`"), "is defined by no node; export the model again")
            })?;
            self.g.outputs.push(id);
            let texts = self.g.kind(id) == Kind::Text;
            labels.push(match self.labels.get(&id) {
                _ if texts => self.texts.list().to_vec(),
                names => names.map(|names| names.to_vec()).unwrap_or_default(),
            });
            let declared = dtype.filter(|_| !texts).map(crate::onnx::DType::kind);
            outputs.push((name.clone(), declared.unwrap_or(self.g.kind(id))));
        }
        if outputs.is_empty() {
            return Err(FrontendError::malformed("graph", "has no output; declare at least one"));
        }
        finite(&self.g, whole)?;
        let mut graph = self.g;
        graph.defers = false;
        if graph.has_gaps() {
            graph = split(&graph).map_err(|reached| unexpected(model, reached))?;
        }
        Ok(Imported { graph, outputs, labels, texts: self.texts })
    }

    fn nodes(&mut self, nodes: &[Node]) -> Result<()> {
        for node in nodes {
            self.define(node)?;
            let (got, limit) = (self.g.tensors.len() as u64, self.limits.nodes.saturating_mul(UNROLLED));
            if got > limit {
                let what = "the number of operators after unrolling loops".into();
                return Err(FrontendError::TooLarge { what, got, limit });
            }
        }
        Ok(())
    }

    fn node(&mut self, n: &Node) -> Result<Vec<TensorId>> {
        let families = [
            fused::import,
            quantised::import,
            elementwise::import,
            logic::import,
            products::import,
            conv::import,
            deconv::import,
            recurrent::import,
            resize::import,
            scatter::import,
            pool::import,
            reduce::import,
            loss::import,
            shape::import,
            select::import,
            normalise::import,
            classic::import,
            svm::import,
            encode::import,
            bits::import,
            arrange::import,
            attention::import,
            rotary::import,
            control::import,
            trees::import,
        ];
        let n = &*text::with_codes(self, n)?;
        weights::hide(self, n);
        for family in families {
            if let Some(outputs) = family(self, n)? {
                text::checked(self, n, &outputs)?;
                self.hand_labels_on(n, &outputs)?;
                return Ok(outputs);
            }
        }
        Err(unknown(n))
    }

    /// Names of classes stay with what is only moved.
    fn hand_labels_on(&mut self, n: &Node, outputs: &[TensorId]) -> Result<()> {
        let names = self.opt(n, 0)?.and_then(|x| self.labels.get(&x)).cloned();
        if let (true, Some(names), Some(&y)) = (encode::keeps_labels(n), names, outputs.first()) {
            self.labels.insert(y, names);
        }
        Ok(())
    }

    /// Input `i` of a node, which must be there.
    fn arg(&self, n: &Node, i: usize) -> Result<TensorId> {
        self.opt(n, i)?.ok_or_else(|| n.malformed(format!("input {i} is missing; export the model again")))
    }

    /// Input `i` of a node, if it is given.
    fn opt(&self, n: &Node, i: usize) -> Result<Option<TensorId>> {
        match n.inputs.get(i).filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(name) => self.env.get(name).copied().map(Some).ok_or_else(|| {
                n.malformed(format!(
                    "input `{name}` is defined by no node, or by one that needs this node's results; export the model again"
                ))
            }),
        }
    }

    /// Cells of input `i`, which must be constant.
    fn const_arg(&self, n: &Node, i: usize) -> Result<Option<Vec<f64>>> {
        let Some(id) = self.opt(n, i)? else { return Ok(None) };
        match self.g.as_const(id) {
            Some(data) => Ok(Some(data.to_vec())),
            None => Err(n.unsupported(
                format!("input {i} (`{}`) depends on the model's inputs", n.inputs[i]),
                "make it a constant, or export with fixed shapes",
            )),
        }
    }

    fn const_ints(&self, n: &Node, i: usize) -> Result<Option<Vec<i64>>> {
        Ok(self.const_arg(n, i)?.map(|v| v.iter().map(|&x| x as i64).collect()))
    }

    /// A list that older opsets have as an attribute and newer ones as an input.
    fn ints(&self, n: &Node, attribute: &str, input: usize) -> Result<Option<Vec<i64>>> {
        match n.ints(attribute)? {
            Some(v) => Ok(Some(v)),
            None => self.const_ints(n, input),
        }
    }

    /// Axis number as an index below `rank`.
    fn axis(&self, n: &Node, axis: i64, rank: usize) -> Result<usize> {
        let shifted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        usize::try_from(shifted)
            .ok()
            .filter(|&a| a < rank)
            .ok_or_else(|| n.malformed(format!("axis {axis} is not an axis of a tensor with {rank} axes")))
    }

    fn axes(&self, n: &Node, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
        let mut out = axes.iter().map(|&a| self.axis(n, a, rank)).collect::<Result<Vec<_>>>()?;
        out.sort_unstable();
        out.dedup();
        Ok(out)
    }

    fn clash(&self, n: &Node, a: TensorId, b: TensorId) -> FrontendError {
        n.malformed(format!(
            "shapes {:?} and {:?} do not fit; export the model with fixed shapes",
            self.g.shape(a),
            self.g.shape(b)
        ))
    }

    /// A constant tensor that follows from shapes and attributes alone.
    fn public(&mut self, shape: Vec<usize>, kind: Kind, data: Vec<f64>) -> TensorId {
        self.g.public(shape, kind, data)
    }

    /// A constant tensor made by the importer.
    fn fresh(&mut self, shape: Vec<usize>, kind: Kind, data: Vec<f64>) -> TensorId {
        self.g.constant(&Tensor { shape, kind, data })
    }
}

#[cfg(test)]
mod names;

#[cfg(test)]
mod tests {
    use super::names::NAMES;
    use super::*;

    #[test]
    fn matches_the_table_of_operators() {
        let (limits, empty) = (Limits::default(), OnnxModel::default());
        let known = |domain: &str, name: &str| {
            let node = Node::bare(domain, name);
            let got = Importer::start(&empty, &limits, &[]).node(&node).err().map(|e| e.to_string());
            got != Some(unknown(&node).to_string())
        };
        let names: Vec<_> = NAMES.iter().flat_map(|(domain, names)| names.iter().map(move |n| (*domain, *n))).collect();
        let wrong: Vec<_> = names.iter().filter(|(domain, name)| known(domain, name) != knows(domain, name)).collect();
        assert!(wrong.is_empty(), "importer and `operators.rs` disagree: {wrong:?}");
        let absent = crate::operators::ABSENT.iter().flat_map(|a| a.names.iter().map(move |n| (a.domain, *n)));
        let absent: Vec<_> = absent.collect();
        let both: Vec<_> = names.iter().filter(|n| absent.contains(n) == knows(n.0, n.1)).collect();
        assert!(both.is_empty(), "in both tables of `operators.rs`, or in none: {both:?}");
        assert!(absent.iter().all(|n| names.contains(n)), "ONNX does not define all of {absent:?}");
        for o in crate::operators::OPERATORS {
            assert!(known(o.domain, o.name), "{}.{} is in `operators.rs` only", o.domain, o.name);
        }
    }
}
