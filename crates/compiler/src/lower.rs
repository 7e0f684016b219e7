//! From an integer graph to a relation and a witness plan, node after node.

use std::sync::Arc;

use proveil_graph::{Graph, Node, Op, Origin, Tensor, TensorId, stats};
use proveil_relation::{Home, Input, Output, Relation, TensorDecl};

use crate::error::LowerError;
use crate::lowering::{Lowering, lengths, read_tensors};
use crate::plan::WitnessPlan;
use crate::view::{self, Space, View};
use crate::{ops, scalars};

/// What the caller may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Largest width in bits of a committed digit and of the tables made for it, 1 to 16. By default it follows
    /// the number of looked-up cells, so that tables are not longer than what is looked up in them.
    pub limb_bits: Option<u32>,
}

/// A relation and how to fill its witness.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The statement family.
    pub relation: Relation,
    /// The prover's recipe.
    pub plan: WitnessPlan,
}

impl Lowered {
    /// Declares a committed tensor for each of the given outputs (numbers that do not exist or that have a tensor
    /// already are left alone); the witness then holds its cells.
    ///
    /// # Shapes
    /// The tensor of output `k` has the shape of the output's space.
    pub fn commit_outputs(&mut self, outputs: impl IntoIterator<Item = u32>) {
        for k in outputs {
            let declared = self.relation.tensors.iter().any(|t| t.home == Home::Output(k));
            let at = k as usize;
            let (Some(output), Some(&id)) = (self.relation.outputs.get(at), self.plan.outputs.get(at)) else {
                continue;
            };
            if declared {
                continue;
            }
            let name = format!("output {k} {}", output.name);
            let decl = TensorDecl { name, shape: output.space.clone(), home: Home::Output(k) };
            self.plan.copies.push((self.relation.tensors.len() as u32, id));
            self.relation.tensors.push(decl);
        }
        self.plan.finish(&self.relation);
    }
}

/// Lowers a graph that the graph crate's checker accepts.
///
/// Inputs come first among the relation's tensors, then parameters, both in the order of the graph.
///
/// # Errors
/// [`LowerError`] for a graph that refers to what it does not define, or whose values could leave the field.
pub fn lower(graph: &Graph, options: &Options) -> Result<Lowered, LowerError> {
    let mut l = Lowering::new(graph, limb_bits(graph, options)?);
    let read = read_tensors(graph);
    inputs(&mut l)?;
    params(&mut l)?;
    input_ranges(&mut l)?;
    for (i, t) in graph.tensors.iter().enumerate() {
        let id = TensorId(i as u32);
        if let (Origin::Const(cells), true) = (&t.origin, read.contains(&id)) {
            public(&mut l, id, t, cells)?;
        }
    }
    for node in &graph.nodes {
        let view = operator(&mut l, node)?;
        l.define(node.out, view);
    }
    for &id in &graph.outputs {
        output(&mut l, id)?;
    }
    scalars::give_axes(&mut l.relation);
    l.plan.finish(&l.relation);
    Ok(Lowered { relation: l.relation, plan: l.plan })
}

/// The relation that claims only that every parameter cell lies in its declared range; its model tensors are those
/// of [`lower`], in the same order. The plan takes the same graph values (only those of parameters are read).
///
/// # Errors
/// As [`lower`].
pub fn registration(graph: &Graph, options: &Options) -> Result<Lowered, LowerError> {
    let mut l = Lowering::new(graph, limb_bits(graph, options)?);
    params(&mut l)?;
    for (tensor, id) in l.plan.copies.clone() {
        let t = &graph.tensors[id.0 as usize];
        ops::range::declared(&mut l, &t.name, id, tensor, t.range)?;
    }
    scalars::give_axes(&mut l.relation);
    l.plan.finish(&l.relation);
    Ok(Lowered { relation: l.relation, plan: l.plan })
}

fn limb_bits(graph: &Graph, options: &Options) -> Result<u32, LowerError> {
    match options.limb_bits {
        Some(got @ 1..=16) => Ok(got),
        Some(got) => Err(LowerError::Option { option: "limb_bits", got, lo: 1, hi: 16 }),
        None => Ok(stats::digit_bits(graph)),
    }
}

fn inputs(l: &mut Lowering) -> Result<(), LowerError> {
    let graph = l.graph;
    for (k, &id) in graph.inputs.iter().enumerate() {
        let shape = l.shape("inputs", id)?;
        let t = &graph.tensors[id.0 as usize];
        let space = Space::new(shape, 0);
        let tensor = l.commit_as(id, &t.name, &space.logical, Home::Input(k as u32));
        l.relation.inputs.push(Input { tensor, lo: t.range.lo, hi: t.range.hi });
    }
    Ok(())
}

fn input_ranges(l: &mut Lowering) -> Result<(), LowerError> {
    let graph = l.graph;
    for (tensor, &id) in graph.inputs.iter().enumerate() {
        let t = &graph.tensors[id.0 as usize];
        ops::range::declared(l, &t.name, id, tensor as u32, t.range)?;
    }
    Ok(())
}

fn params(l: &mut Lowering) -> Result<(), LowerError> {
    let graph = l.graph;
    for (i, t) in graph.tensors.iter().enumerate() {
        if matches!(t.origin, Origin::Param) {
            let space = Space::new(lengths(&t.name, &t.shape)?, 0);
            l.commit_as(TensorId(i as u32), &t.name, &space.logical, Home::Model);
        }
    }
    Ok(())
}

/// A public constant: folded into expressions if all its cells are equal, else a public tensor.
fn public(l: &mut Lowering, id: TensorId, t: &Tensor, cells: &Arc<[i64]>) -> Result<(), LowerError> {
    let factors = Space::new(lengths(&t.name, &t.shape)?, 0).logical;
    match cells.first() {
        Some(&first) if cells.iter().all(|c| *c == first) => {
            l.define(id, View { factors, expr: view::constant(first) });
        }
        _ => {
            let tensor = l.declare(&t.name, factors.concat(), Home::Public(cells.to_vec()));
            let expr = crate::lowering::cells(tensor, factors.concat().len());
            l.define(id, View { factors, expr });
        }
    }
    Ok(())
}

fn operator(l: &mut Lowering, node: &Node) -> Result<View, LowerError> {
    match &node.op {
        Op::Linear { pieces, constant } => l.linear(node, pieces, *constant),
        Op::Reshape(x) => l.reshape(node, *x),
        Op::Contract(c) => l.contract(node, c),
        Op::Lookup { x, shift, table } => ops::rescale::lower(l, node, *x, *shift, *table),
        Op::Div { num, den } => ops::div::lower(l, node, *num, *den),
        Op::Sqrt(x) => ops::sqrt::lower(l, node, *x),
        Op::ArgMaxOneHot(x) => ops::argmax::lower(l, node, *x),
        Op::Gather { data, index } => ops::gather::lower(l, node, *data, *index),
        Op::OneHot { x, depth } => ops::onehot::lower(l, node, *x, *depth),
    }
}

fn output(l: &mut Lowering, id: TensorId) -> Result<(), LowerError> {
    let View { factors, expr } = l.view("outputs", id)?.clone();
    let t = &l.graph.tensors[id.0 as usize];
    let (name, range) = (t.name.clone(), t.range);
    l.relation.outputs.push(Output { name, space: factors.concat(), expr, lo: range.lo, hi: range.hi });
    l.plan.outputs.push(id);
    Ok(())
}
