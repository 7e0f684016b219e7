//! Several inferences in one graph: every tensor that depends on an input gets a leading axis, parameters and tables
//! stay as they are.
//!
//! The number of nodes does not grow (but for the few that line up an operand that all inferences share), so neither
//! does the number of kinds of look-ups; what is paid once for a proof is shared by all inferences.

use std::sync::Arc;

use crate::bounds;
use crate::error::GraphError;
use crate::ir::{Access, Affine, Contract, Graph, Node, NodeId, Op, Origin, Piece, Range, Tensor, TensorId};

/// Most inferences in one graph.
pub const MAX_COUNT: usize = 1 << 24;

/// The graph of `count` independent inferences, for the same parameters.
///
/// # Shapes
/// Inputs and outputs have one more axis, the first, of length `count`; an input's cells are those of all inferences,
/// one after the other. Numbers of tensors that were there stay, so [`crate::Params`] fit both graphs.
/// # Errors
/// `ZeroAxis` for a count of 0; `TooLarge` and `Unbounded` when the larger graph leaves the limits of the checker.
pub fn batched(graph: &Graph, count: usize) -> Result<Graph, GraphError> {
    if count == 0 {
        return Err(GraphError::ZeroAxis { name: "batch".into(), axis: 0 });
    }
    if count > MAX_COUNT {
        return Err(GraphError::TooLarge { name: "batch".into(), what: "inferences", extents: vec![count] });
    }
    let mut own = vec![false; graph.tensors.len()];
    graph.inputs.iter().for_each(|id| own[id.0 as usize] = true);
    for node in &graph.nodes {
        own[node.out.0 as usize] = crate::shape::operands(&node.op).iter().any(|id| own[id.0 as usize]);
    }
    let mut b = Batcher { out: Graph { nodes: Vec::new(), ..graph.clone() }, own, count };
    for i in 0..b.own.len() {
        if b.own[i] {
            let t = &mut b.out.tensors[i];
            t.shape.insert(0, count);
            crate::shape::product(&t.name, "cells", &t.shape)?;
        }
    }
    for node in &graph.nodes {
        b.node(node)?;
    }
    for k in 0..graph.outputs.len() {
        let id = b.own_copy("batch/output", graph.outputs[k])?;
        b.out.outputs[k] = id;
    }
    crate::check::check(&b.out)?;
    Ok(b.out)
}

struct Batcher {
    out: Graph,
    /// Which tensors have an axis of inferences.
    own: Vec<bool>,
    count: usize,
}

/// Numbers variables one higher, so that 0 is the inference.
fn shifted(axes: &[Affine]) -> Vec<Affine> {
    let one = |a: &Affine| Affine { terms: a.terms.iter().map(|(v, c)| (v + 1, *c)).collect(), offset: a.offset };
    axes.iter().map(one).collect()
}

impl Batcher {
    fn has(&self, id: TensorId) -> bool {
        self.own[id.0 as usize]
    }

    fn shape(&self, id: TensorId) -> Vec<usize> {
        self.out.tensors[id.0 as usize].shape.clone()
    }

    fn access(&self, a: &Access) -> Access {
        let mut axes = shifted(&a.axes);
        if self.has(a.tensor) {
            axes.insert(0, Affine::var(0));
        }
        Access { tensor: a.tensor, axes }
    }

    /// Appends a node that computes a tensor of the graph.
    fn push(&mut self, name: &str, op: Op, out: TensorId) -> Result<(), GraphError> {
        let shape = self.shape(out);
        let range = bounds::output_range(&self.out, name, &op, &shape)?;
        let tensor = &mut self.out.tensors[out.0 as usize];
        (tensor.range, tensor.origin) = (range, Origin::Node(NodeId(self.out.nodes.len() as u32)));
        self.out.nodes.push(Node { name: name.to_owned(), op, out });
        Ok(())
    }

    /// A name that no node and no tensor has.
    fn fresh(&self, name: &str) -> String {
        let taken =
            |n: &str| self.out.tensors.iter().any(|t| t.name == n) || self.out.nodes.iter().any(|x| x.name == n);
        let mut name = name.to_owned();
        while taken(&name) {
            name.push('\'');
        }
        name
    }

    fn tensor(&mut self, name: &str, shape: Vec<usize>, origin: Origin, range: Range, own: bool) -> TensorId {
        self.out.tensors.push(Tensor { name: name.to_owned(), shape, range, scale: 0, origin });
        self.own.push(own);
        TensorId(self.out.tensors.len() as u32 - 1)
    }

    /// Appends a node with a tensor of its own.
    fn add(&mut self, name: &str, op: Op, shape: Vec<usize>) -> Result<TensorId, GraphError> {
        let name = self.fresh(name);
        let out = self.tensor(&name, shape, Origin::Node(NodeId(0)), Range::exactly(0), true);
        self.push(&name, op, out)?;
        Ok(out)
    }

    /// A tensor with an axis of inferences: itself, or a view that repeats it.
    fn own_copy(&mut self, name: &str, id: TensorId) -> Result<TensorId, GraphError> {
        if self.has(id) {
            return Ok(id);
        }
        let shape = [&[self.count], &self.shape(id)[..]].concat();
        let axes = (1..shape.len()).map(Affine::var).collect();
        let piece = Piece {
            start: vec![0; shape.len()],
            extents: shape.clone(),
            sum: Vec::new(),
            coef: 1,
            access: Access { tensor: id, axes },
        };
        let scale = self.out.tensors[id.0 as usize].scale;
        let out = self.add(name, Op::Linear { pieces: vec![piece], constant: 0 }, shape)?;
        self.out.tensors[out.0 as usize].scale = scale;
        Ok(out)
    }

    fn node(&mut self, node: &Node) -> Result<(), GraphError> {
        if !self.has(node.out) {
            return self.push(&node.name, node.op.clone(), node.out);
        }
        let op = match &node.op {
            Op::Linear { pieces, constant } => {
                let pieces = pieces.iter().map(|p| self.piece(p)).collect();
                Op::Linear { pieces, constant: *constant }
            }
            Op::Contract(c) => Op::Contract(Contract {
                extents: [&[self.count], &c.extents[..]].concat(),
                out: std::iter::once(0).chain(c.out.iter().map(|v| v + 1)).collect(),
                lhs: self.access(&c.lhs),
                rhs: self.access(&c.rhs),
            }),
            Op::Div { num, den } => {
                let num = self.own_copy(&format!("{}/batch", node.name), *num)?;
                Op::Div { num, den: self.own_copy(&format!("{}/batch", node.name), *den)? }
            }
            Op::Gather { data, index } if self.has(*data) => self.gather(&node.name, *data, *index)?,
            // Cell by cell, or along the last axis: one more leading axis changes nothing.
            Op::Reshape(_)
            | Op::Lookup { .. }
            | Op::Sqrt(_)
            | Op::ArgMaxOneHot(_)
            | Op::OneHot { .. }
            | Op::Gather { .. } => node.op.clone(),
        };
        self.push(&node.name, op, node.out)
    }

    fn piece(&self, p: &Piece) -> Piece {
        Piece {
            start: [&[0], &p.start[..]].concat(),
            extents: [&[self.count], &p.extents[..]].concat(),
            sum: p.sum.clone(),
            coef: p.coef,
            access: self.access(&p.access),
        }
    }

    /// Each inference reads its own rows: the data of all lie one behind the other, row numbers are moved accordingly.
    fn gather(&mut self, name: &str, data: TensorId, index: TensorId) -> Result<Op, GraphError> {
        let shape = self.shape(data);
        let rows = shape.get(1).copied().unwrap_or(1);
        let joined = [&[self.count * rows], shape.get(2..).unwrap_or_default()].concat();
        let data = self.add(&format!("{name}/batch data"), Op::Reshape(data), joined)?;
        let starts: Arc<[i64]> = (0..self.count).map(|b| (b * rows) as i64).collect();
        let range = Range { lo: 0, hi: ((self.count - 1) * rows) as i64 };
        let own = self.fresh(&format!("{name}/batch rows"));
        let starts = self.tensor(&own, vec![self.count], Origin::Const(starts), range, false);
        let given = self.shape(index);
        let shape = if self.has(index) { given } else { [&[self.count], &given[..]].concat() };
        let skip = usize::from(!self.has(index));
        let view = |tensor, axes: Vec<Affine>| Piece {
            start: vec![0; shape.len()],
            extents: shape.clone(),
            sum: Vec::new(),
            coef: 1,
            access: Access { tensor, axes },
        };
        let pieces =
            vec![view(index, (skip..shape.len()).map(Affine::var).collect()), view(starts, vec![Affine::var(0)])];
        let index = self.add(&format!("{name}/batch index"), Op::Linear { pieces, constant: 0 }, shape.clone())?;
        Ok(Op::Gather { data, index })
    }
}
