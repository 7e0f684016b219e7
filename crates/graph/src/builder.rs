//! Builds graphs: each method adds one operator (or a few, for the conveniences), works out shape and range of
//! the result, and refuses what the checker would refuse.
//!
//! The raw operators are here; the modules `views`, `products` and `maxima` add what is made of them.
//!
//! Names are made unique by a suffix (`relu`, `relu_1`, ...); a node and its output tensor have one name.

mod maxima;
mod products;
mod trees;
mod views;

use std::collections::{HashMap, HashSet};

pub use maxima::PoolSpec;
pub use products::ConvSpec;
pub use trees::ForestSpec;

use crate::bounds;
use crate::check;
use crate::error::GraphError;
use crate::ir::{Contract, Graph, Node, NodeId, Op, Origin, Params, Piece, Range, Table, TableId, Tensor, TensorId};
use crate::shape;

/// A graph under construction.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    graph: Graph,
    params: Params,
    /// Names taken, of tensors and tables together.
    names: HashSet<String>,
    /// Next suffix to try for a name.
    suffixes: HashMap<String, usize>,
    /// Tables by content.
    tables: HashMap<(i64, Vec<i64>), TableId>,
    /// For each tensor, whether it is made of parameters and constants only, with at least one parameter.
    weights: Vec<bool>,
}

impl Builder {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The parameter values so far.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The tensor with this number.
    ///
    /// # Errors
    /// `UnknownTensor`.
    pub fn tensor(&self, id: TensorId) -> Result<&Tensor, GraphError> {
        self.graph.tensor("builder", id)
    }

    /// Adds an input; inputs are ordered as they are added. `range` is enforced by the proof.
    ///
    /// # Errors
    /// A zero axis, an empty or too wide range.
    pub fn input(&mut self, name: &str, shape: &[usize], range: Range, scale: i32) -> Result<TensorId, GraphError> {
        let id = self.define(name, shape, range, scale, Origin::Input)?;
        self.graph.inputs.push(id);
        Ok(id)
    }

    /// Adds a parameter with its row-major values. `range` is enforced by the proof.
    ///
    /// # Errors
    /// `CellCount`, `ValueOutOfRange`; a zero axis, an empty or too wide range.
    pub fn param(
        &mut self,
        name: &str,
        shape: &[usize],
        range: Range,
        scale: i32,
        values: Vec<i64>,
    ) -> Result<TensorId, GraphError> {
        let tensor = Tensor { name: name.to_owned(), shape: shape.to_vec(), range, scale, origin: Origin::Param };
        check::tensor(&tensor)?;
        check::values(&tensor, &values)?;
        let id = self.define(name, shape, range, scale, Origin::Param)?;
        self.weights[id.0 as usize] = true;
        self.params.values.insert(id, values);
        Ok(id)
    }

    /// Adds a public constant; its range is the hull of its values.
    ///
    /// # Errors
    /// `CellCount`, `ZeroAxis`, `Unbounded`.
    pub fn constant(
        &mut self,
        name: &str,
        shape: &[usize],
        values: Vec<i64>,
        scale: i32,
    ) -> Result<TensorId, GraphError> {
        let lo = values.iter().copied().min().unwrap_or(0);
        let hi = values.iter().copied().max().unwrap_or(0);
        self.define(name, shape, Range { lo, hi }, scale, Origin::Const(values.into()))
    }

    /// Makes a tensor an output; outputs are ordered as they are named.
    ///
    /// # Errors
    /// `UnknownTensor`.
    pub fn output(&mut self, id: TensorId) -> Result<TensorId, GraphError> {
        self.graph.tensor("outputs", id)?;
        self.graph.outputs.push(id);
        Ok(id)
    }

    /// Adds a table, or finds the equal one that is there already (whatever its name).
    ///
    /// # Errors
    /// `TableLength`, `TableStart`, `Unbounded`.
    pub fn table(&mut self, name: &str, lo: i64, values: Vec<i64>) -> Result<TableId, GraphError> {
        let key = (lo, values);
        if let Some(&id) = self.tables.get(&key) {
            return Ok(id);
        }
        let mut table = Table { name: name.to_owned(), lo, values: key.1.as_slice().into() };
        check::table(&table)?;
        table.name = self.fresh(name);
        let id = TableId(self.graph.tables.len() as u32);
        self.graph.tables.push(table);
        self.tables.insert(key, id);
        Ok(id)
    }

    /// Checks the graph and gives it away with its parameters.
    ///
    /// # Errors
    /// The first broken invariant of [`crate::check`].
    pub fn finish(self) -> Result<(Graph, Params), GraphError> {
        check::check(&self.graph)?;
        check::check_params(&self.graph, &self.params)?;
        Ok((self.graph, self.params))
    }

    /// Adds [`Op::Linear`] with an output of the given shape.
    ///
    /// # Errors
    /// See [`check::operator`] and [`bounds::output_range`]; so for all operators below.
    pub fn linear(
        &mut self,
        name: &str,
        shape: &[usize],
        pieces: Vec<Piece>,
        constant: i64,
        scale: i32,
    ) -> Result<TensorId, GraphError> {
        self.node(name, Op::Linear { pieces, constant }, shape, scale)
    }

    /// Adds [`Op::Reshape`]; the scale is kept.
    ///
    /// # Errors
    /// `Shape` when the number of cells differs.
    pub fn reshape(&mut self, name: &str, x: TensorId, shape: &[usize]) -> Result<TensorId, GraphError> {
        let scale = self.graph.tensor(name, x)?.scale;
        self.node(name, Op::Reshape(x), shape, scale)
    }

    /// Adds [`Op::Contract`]; scales add.
    ///
    /// # Errors
    /// `Variable`, `Affine`, `Unbounded` and the other errors of [`check::operator`].
    pub fn contract(&mut self, name: &str, contract: Contract) -> Result<TensorId, GraphError> {
        let lhs = self.graph.tensor(name, contract.lhs.tensor)?.scale;
        let scale = lhs.saturating_add(self.graph.tensor(name, contract.rhs.tensor)?.scale);
        let length = |&var: &usize| {
            let (place, count) = ("the output", contract.extents.len());
            let missing = || GraphError::Variable { name: name.to_owned(), place, var, count };
            contract.extents.get(var).copied().ok_or_else(missing)
        };
        let shape: Vec<usize> = contract.out.iter().map(length).collect::<Result<_, _>>()?;
        self.node(name, Op::Contract(contract), &shape, scale)
    }

    /// Adds [`Op::Lookup`]. `scale` is that of the table's values.
    ///
    /// # Errors
    /// `Shift`, `UnknownTable`.
    pub fn lookup(
        &mut self,
        name: &str,
        x: TensorId,
        shift: u32,
        table: TableId,
        scale: i32,
    ) -> Result<TensorId, GraphError> {
        let shape = self.graph.tensor(name, x)?.shape.clone();
        self.node(name, Op::Lookup { x, shift, table }, &shape, scale)
    }

    /// Adds [`Op::Div`].
    ///
    /// # Errors
    /// `Shape` when the operands differ in shape, `Domain` when `den` can be 0 or negative.
    pub fn div(&mut self, name: &str, num: TensorId, den: TensorId, scale: i32) -> Result<TensorId, GraphError> {
        let shape = self.graph.tensor(name, num)?.shape.clone();
        self.node(name, Op::Div { num, den }, &shape, scale)
    }

    /// Adds [`Op::Sqrt`].
    ///
    /// # Errors
    /// `Domain` when `x` can be negative.
    pub fn sqrt(&mut self, name: &str, x: TensorId, scale: i32) -> Result<TensorId, GraphError> {
        let shape = self.graph.tensor(name, x)?.shape.clone();
        self.node(name, Op::Sqrt(x), &shape, scale)
    }

    /// Adds [`Op::ArgMaxOneHot`]; the scale is 0.
    ///
    /// # Errors
    /// `Rank` when `x` is a scalar.
    pub fn arg_max_one_hot(&mut self, name: &str, x: TensorId) -> Result<TensorId, GraphError> {
        let shape = self.graph.tensor(name, x)?.shape.clone();
        self.node(name, Op::ArgMaxOneHot(x), &shape, 0)
    }

    /// Adds [`Op::OneHot`]; the scale is 0.
    ///
    /// # Errors
    /// `Domain` when `x` can leave `0 .. depth`.
    pub fn one_hot(&mut self, name: &str, x: TensorId, depth: usize) -> Result<TensorId, GraphError> {
        let shape = [&self.graph.tensor(name, x)?.shape[..], &[depth]].concat();
        self.node(name, Op::OneHot { x, depth }, &shape, 0)
    }

    /// Adds [`Op::Gather`]; the scale is that of the data.
    ///
    /// # Shapes
    /// `data [n, w..]`, `index [i..]` give `[i.., w..]`.
    /// # Errors
    /// `Rank` when `data` is a scalar, `Domain` when `index` can leave `0 .. n`.
    pub fn gather(&mut self, name: &str, data: TensorId, index: TensorId) -> Result<TensorId, GraphError> {
        let rows = self.graph.tensor(name, data)?;
        let (scale, row) = (rows.scale, rows.shape.get(1..).unwrap_or_default());
        let shape = [&self.graph.tensor(name, index)?.shape[..], row].concat();
        self.node(name, Op::Gather { data, index }, &shape, scale)
    }

    /// Whether a tensor is made of parameters (and constants) only.
    fn is_weight(&self, id: TensorId) -> bool {
        self.weights.get(id.0 as usize).copied().unwrap_or(false)
    }

    fn node(&mut self, name: &str, op: Op, shape: &[usize], scale: i32) -> Result<TensorId, GraphError> {
        check::operator(&self.graph, name, &op, shape)?;
        let range = bounds::output_range(&self.graph, name, &op, shape)?;
        let operands = shape::operands(&op);
        let constant = |id: &TensorId| matches!(self.graph.get(*id).map(|t| &t.origin), Some(Origin::Const(_)));
        let weight = operands.iter().any(|&id| self.is_weight(id))
            && operands.iter().all(|id| self.is_weight(*id) || constant(id));
        let node = NodeId(self.graph.nodes.len() as u32);
        let out = self.define(name, shape, range, scale, Origin::Node(node))?;
        self.weights[out.0 as usize] = weight;
        let name = self.graph.tensors[out.0 as usize].name.clone();
        self.graph.nodes.push(Node { name, op, out });
        Ok(out)
    }

    fn define(
        &mut self,
        name: &str,
        shape: &[usize],
        range: Range,
        scale: i32,
        origin: Origin,
    ) -> Result<TensorId, GraphError> {
        let mut tensor = Tensor { name: name.to_owned(), shape: shape.to_vec(), range, scale, origin };
        check::tensor(&tensor)?;
        tensor.name = self.fresh(name);
        let id = TensorId(self.graph.tensors.len() as u32);
        self.graph.tensors.push(tensor);
        self.weights.push(false);
        Ok(id)
    }

    fn fresh(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        while !self.names.insert(unique.clone()) {
            let suffix = self.suffixes.entry(name.to_owned()).or_insert(0);
            *suffix += 1;
            unique = format!("{name}_{suffix}");
        }
        unique
    }
}
