//! The checker: everything that the rest of the workspace may take for granted about a graph.
//!
//! # Invariants
//! Of the graph:
//! 1. every tensor, node and table number is in range;
//! 2. names of tensors, of nodes and of tables are unique among their kind;
//! 3. each tensor is defined exactly once, where its origin says: by its node, by one place in `inputs`, or by
//!    itself (parameters, constants);
//! 4. nodes are in execution order: operands are defined before they are read;
//! 5. there is at least one output.
//!
//! Of a tensor:
//!
//! 6. no axis is 0, and it has at most 2^48 cells;
//! 7. its range is not empty and lies within `|x| < 2^61`;
//! 8. a constant has one value for each cell, all inside its range;
//! 9. a computed tensor has the shape that its operator gives and exactly the range of [`crate::bounds`].
//!
//! Of an operator:
//!
//! 10. each access has one affine form for each axis of the tensor; its terms are sorted by variable, each
//!     variable exists and occurs once, no coefficient is 0, and all indices stay within `|index| < 2^48`;
//! 11. boxes of a linear operator lie inside the output and are not empty; no coefficient of a piece is 0;
//! 12. output variables of a contraction exist and are distinct; no variable has length 0;
//! 13. reshape keeps the number of cells; division has two equal shapes; the operands of arg-max
//!     and the data of a gather have at least one axis;
//! 14. a shift is at most 60; denominators are at least 1; square roots are of ranges that are not negative;
//!     one-hot indices lie in `0 .. depth`, indices of a gather in the first axis of its data.
//!
//! Of a table:
//!
//! 15. its length is a power of two between 1 and 2^16; unless the length is 1 it starts at 0 or at minus half
//!     its length; its domain and its values lie within `|x| < 2^61`.
//!
//! Of parameters:
//!
//! 16. exactly the parameter tensors have values, one for each cell, all inside the declared range.

use std::collections::HashSet;

use crate::bounds::{self, LIMIT};
use crate::error::GraphError;
use crate::ir::{Access, Contract, Graph, NodeId, Op, Origin, Params, Piece, Range, Table, Tensor, TensorId};
use crate::shape;

/// Largest shift of a look-up, in bits.
pub const MAX_SHIFT: u32 = 60;

/// Largest number of values in a table.
pub const MAX_TABLE: usize = 1 << 16;

/// Checks invariants 1 to 15.
///
/// # Errors
/// The first invariant that is broken.
pub fn check(graph: &Graph) -> Result<(), GraphError> {
    unique("tensor", graph.tensors.iter().map(|t| &t.name))?;
    unique("node", graph.nodes.iter().map(|n| &n.name))?;
    unique("table", graph.tables.iter().map(|t| &t.name))?;
    graph.tables.iter().try_for_each(table)?;
    graph.tensors.iter().try_for_each(tensor)?;
    definitions(graph)?;
    execution_order(graph)?;
    for node in &graph.nodes {
        let out = graph.tensor(&node.name, node.out)?;
        operator(graph, &node.name, &node.op, &out.shape)?;
        let range = bounds::output_range(graph, &node.name, &node.op, &out.shape)?;
        if range != out.range {
            let (expected, got) = ((range.lo, range.hi), (out.range.lo, out.range.hi));
            return Err(GraphError::RangeMismatch { name: out.name.clone(), expected, got });
        }
    }
    Ok(())
}

/// Checks invariant 16, for a graph that [`check`] accepts.
///
/// # Errors
/// `UnknownTensor`, `UnexpectedParam`, `MissingParam`, `CellCount`, `ValueOutOfRange`.
pub fn check_params(graph: &Graph, params: &Params) -> Result<(), GraphError> {
    for &id in params.values.keys() {
        let tensor = graph.tensor("params", id)?;
        if tensor.origin != Origin::Param {
            return Err(GraphError::UnexpectedParam { name: tensor.name.clone() });
        }
    }
    for (i, tensor) in graph.tensors.iter().enumerate() {
        if tensor.origin == Origin::Param {
            let given = params.values.get(&TensorId(i as u32));
            let given = given.ok_or_else(|| GraphError::MissingParam { name: tensor.name.clone() })?;
            values(tensor, given)?;
        }
    }
    Ok(())
}

/// Checks invariants 6 to 8 of one tensor.
///
/// # Errors
/// `ZeroAxis`, `TooLarge`, `EmptyRange`, `Unbounded`, `CellCount`, `ValueOutOfRange`.
pub fn tensor(tensor: &Tensor) -> Result<(), GraphError> {
    dimensions(&tensor.name, "cells", &tensor.shape)?;
    let Range { lo, hi } = tensor.range;
    if lo > hi {
        return Err(GraphError::EmptyRange { name: tensor.name.clone(), lo, hi });
    }
    bounds::narrow(&tensor.name, (i128::from(lo), i128::from(hi)))?;
    match &tensor.origin {
        Origin::Const(cells) => values(tensor, cells),
        _ => Ok(()),
    }
}

/// Checks that values fit a tensor: one for each cell, inside its range.
///
/// # Errors
/// `CellCount`, `ValueOutOfRange`.
pub fn values(tensor: &Tensor, values: &[i64]) -> Result<(), GraphError> {
    let name = || tensor.name.clone();
    let (expected, got) = (tensor.cells(), values.len());
    if expected != got {
        return Err(GraphError::CellCount { name: name(), expected, got });
    }
    let Range { lo, hi } = tensor.range;
    match values.iter().position(|&v| v < lo || v > hi) {
        Some(cell) => Err(GraphError::ValueOutOfRange { name: name(), cell, value: values[cell], lo, hi }),
        None => Ok(()),
    }
}

/// Checks invariant 15 of one table.
///
/// # Errors
/// `TableLength`, `TableStart`, `Unbounded`.
pub fn table(table: &Table) -> Result<(), GraphError> {
    let (len, lo) = (table.values.len(), table.lo);
    if !len.is_power_of_two() || len > MAX_TABLE {
        return Err(GraphError::TableLength { table: table.name.clone(), len });
    }
    if len > 1 && lo != 0 && lo != -(len as i64 / 2) {
        return Err(GraphError::TableStart { table: table.name.clone(), lo, len });
    }
    let cells = table.values.iter().chain([&lo]);
    match cells.map(|&v| i128::from(v)).find(|v| v.abs() >= i128::from(LIMIT)) {
        Some(v) => Err(GraphError::Unbounded { name: table.name.clone(), lo: v, hi: v }),
        None => Ok(()),
    }
}

/// Checks invariants 1 and 10 to 13, and the shift, of one operator with the given output shape. (The domains of
/// invariant 14 are checked by [`bounds::output_range`].)
///
/// # Errors
/// The first invariant that is broken.
pub fn operator(graph: &Graph, name: &str, op: &Op, out: &[usize]) -> Result<(), GraphError> {
    dimensions(name, "cells", out)?;
    let expected = match op {
        Op::Linear { pieces, .. } => {
            return pieces.iter().enumerate().try_for_each(|(i, p)| piece(graph, name, i, p, out));
        }
        Op::Reshape(x) => {
            let from = &graph.tensor(name, *x)?.shape;
            if shape::product(name, "cells", from)? == shape::product(name, "cells", out)? {
                return Ok(());
            }
            from.clone()
        }
        Op::Contract(contract) => contraction(graph, name, contract)?,
        Op::Lookup { x, shift, table } => {
            if *shift > MAX_SHIFT {
                return Err(GraphError::Shift { name: name.to_owned(), shift: *shift });
            }
            if graph.tables.len() <= table.0 as usize {
                let count = graph.tables.len();
                return Err(GraphError::UnknownTable { name: name.to_owned(), table: *table, count });
            }
            graph.tensor(name, *x)?.shape.clone()
        }
        Op::Div { num, den } => {
            let (num, den) = (graph.tensor(name, *num)?, graph.tensor(name, *den)?);
            same_shape(name, &num.shape, &den.shape)?;
            num.shape.clone()
        }
        Op::Sqrt(x) => graph.tensor(name, *x)?.shape.clone(),
        Op::ArgMaxOneHot(x) => {
            let x = graph.tensor(name, *x)?;
            if x.shape.is_empty() {
                return Err(GraphError::Rank { name: name.to_owned(), what: "operand axes", expected: 1, got: 0 });
            }
            x.shape.clone()
        }
        Op::Gather { data, index } => {
            let (data, index) = (graph.tensor(name, *data)?, graph.tensor(name, *index)?);
            let Some((_, row)) = data.shape.split_first() else {
                return Err(GraphError::Rank { name: name.to_owned(), what: "data axes", expected: 1, got: 0 });
            };
            [&index.shape[..], row].concat()
        }
        Op::OneHot { x, depth } => [&graph.tensor(name, *x)?.shape[..], &[*depth]].concat(),
    };
    same_shape(name, &expected, out)
}

fn same_shape(name: &str, expected: &[usize], got: &[usize]) -> Result<(), GraphError> {
    if expected == got {
        return Ok(());
    }
    Err(GraphError::Shape { name: name.to_owned(), expected: expected.to_vec(), got: got.to_vec() })
}

fn dimensions(name: &str, what: &'static str, extents: &[usize]) -> Result<(), GraphError> {
    match extents.iter().position(|&len| len == 0) {
        Some(axis) => Err(GraphError::ZeroAxis { name: name.to_owned(), axis }),
        None => shape::product(name, what, extents).map(|_| ()),
    }
}

fn count(name: &str, what: &'static str, expected: usize, got: usize) -> Result<(), GraphError> {
    if expected == got {
        return Ok(());
    }
    Err(GraphError::Rank { name: name.to_owned(), what, expected, got })
}

fn piece(graph: &Graph, name: &str, index: usize, piece: &Piece, out: &[usize]) -> Result<(), GraphError> {
    count(name, "piece start", out.len(), piece.start.len())?;
    count(name, "piece extents", out.len(), piece.extents.len())?;
    if piece.coef == 0 {
        let (what, needs) = ("coefficient of a piece", "leave the piece out");
        return Err(GraphError::Attribute { name: name.to_owned(), what, got: 0, needs });
    }
    for (axis, &len) in out.iter().enumerate() {
        let end = piece.start[axis].saturating_add(piece.extents[axis]);
        if end > len {
            return Err(GraphError::PieceBox { name: name.to_owned(), piece: index, axis, end, len });
        }
    }
    let extents = [&piece.extents[..], &piece.sum].concat();
    dimensions(name, "terms of a piece", &extents)?;
    access(graph, name, &piece.access, &extents)
}

/// Checks a contraction and gives the shape of its output.
fn contraction(graph: &Graph, name: &str, contract: &Contract) -> Result<Vec<usize>, GraphError> {
    let Contract { extents, out, lhs, rhs } = contract;
    dimensions(name, "terms of a contraction", extents)?;
    for (i, &var) in out.iter().enumerate() {
        if var >= extents.len() || out[..i].contains(&var) {
            let (place, count) = ("the output", extents.len());
            return Err(GraphError::Variable { name: name.to_owned(), place, var, count });
        }
    }
    access(graph, name, lhs, extents)?;
    access(graph, name, rhs, extents)?;
    Ok(out.iter().map(|&var| extents[var]).collect())
}

fn access(graph: &Graph, name: &str, access: &Access, extents: &[usize]) -> Result<(), GraphError> {
    let tensor = graph.tensor(name, access.tensor)?;
    count(name, "access", tensor.shape.len(), access.axes.len())?;
    for (axis, form) in access.axes.iter().enumerate() {
        let mut least = 0;
        for &(var, _) in &form.terms {
            if var >= extents.len() || var < least {
                let (place, count) = ("an access", extents.len());
                return Err(GraphError::Variable { name: name.to_owned(), place, var, count });
            }
            least = var + 1;
        }
        let limit = shape::MAX_CELLS as i128;
        let wide = |x: i64| i128::from(x).abs() >= limit;
        let (lo, hi) = form.interval(extents);
        let bad_term = form.terms.iter().any(|&(_, coef)| coef == 0 || wide(coef));
        // Every term alone stays small too, so that partial sums of an index cannot overflow.
        let reach: i128 = form.terms.iter().map(|&(v, c)| i128::from(c).abs() * (extents[v] as i128 - 1)).sum();
        if bad_term || wide(form.offset) || lo <= -limit || hi >= limit || reach >= limit {
            return Err(GraphError::Affine { name: name.to_owned(), tensor: tensor.name.clone(), axis });
        }
    }
    Ok(())
}

fn unique<'a>(kind: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), GraphError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(GraphError::DuplicateName { kind, name: name.clone() });
        }
    }
    Ok(())
}

fn definitions(graph: &Graph) -> Result<(), GraphError> {
    let mut found = vec![0usize; graph.tensors.len()];
    let mut matching = vec![0usize; graph.tensors.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        let out = graph.tensor(&node.name, node.out)?;
        found[node.out.0 as usize] += 1;
        matching[node.out.0 as usize] += usize::from(out.origin == Origin::Node(NodeId(i as u32)));
    }
    for &id in &graph.inputs {
        let input = graph.tensor("inputs", id)?;
        found[id.0 as usize] += 1;
        matching[id.0 as usize] += usize::from(input.origin == Origin::Input);
    }
    for (i, tensor) in graph.tensors.iter().enumerate() {
        let expected = usize::from(matches!(tensor.origin, Origin::Input | Origin::Node(_)));
        if found[i] != expected || matching[i] != expected {
            let count = if found[i] == expected { matching[i] } else { found[i] };
            return Err(GraphError::Definitions { tensor: tensor.name.clone(), count, expected });
        }
    }
    if graph.outputs.is_empty() {
        return Err(GraphError::NoOutputs);
    }
    graph.outputs.iter().try_for_each(|&id| graph.tensor("outputs", id).map(|_| ()))
}

fn execution_order(graph: &Graph) -> Result<(), GraphError> {
    for (i, node) in graph.nodes.iter().enumerate() {
        for id in shape::operands(&node.op) {
            let operand = graph.tensor(&node.name, id)?;
            if matches!(operand.origin, Origin::Node(NodeId(def)) if def as usize >= i) {
                return Err(GraphError::NotYetDefined { name: node.name.clone(), tensor: operand.name.clone() });
            }
        }
    }
    Ok(())
}
