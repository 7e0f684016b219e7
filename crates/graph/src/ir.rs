//! The integer graph: tensors, the nine operators, and their exact meaning.
//!
//! Everything is a 64-bit signed integer here; there is no floating point. `scale` is a note for people and
//! for reports only: the real value that a tensor stands for is `integer * 2^-scale`. No operator reads it.
//!
//! All tensors are row-major. Convolutional data is stored channel-last (`[n, h, w, c]`), so that the last
//! axis is the one that products run over; the front end permutes.

use std::sync::Arc;

/// Index of a tensor in [`Graph::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TensorId(pub u32);

/// Index of a node in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct NodeId(pub u32);

/// Index of a table in [`Graph::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TableId(pub u32);

/// Inclusive integer interval `[lo, hi]` that every cell of a tensor is guaranteed to lie in.
///
/// For inputs and parameters it is the *declared* range (the proof enforces it); for computed tensors it
/// follows from the ranges and shapes of the operands only, never from values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Range {
    /// Smallest possible value.
    pub lo: i64,
    /// Largest possible value.
    pub hi: i64,
}

/// Where the cells of a tensor come from.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Origin {
    /// Given at proving time; the position in [`Graph::inputs`].
    Input,
    /// Part of the model (weights, biases): values live in [`Params`], never in the graph.
    Param,
    /// Public constant, part of the architecture (index ramps, masks). Row-major cells.
    Const(Arc<[i64]>),
    /// Output of a node.
    Node(NodeId),
}

/// One tensor of the graph.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tensor {
    /// Name for messages, unique in the graph.
    pub name: String,
    /// Axis lengths, highest stride first (row-major); a scalar has no axes. No axis is 0.
    pub shape: Vec<usize>,
    /// Guaranteed interval of every cell.
    pub range: Range,
    /// Real value = integer * 2^-scale. For people and reports.
    pub scale: i32,
    /// Where the cells come from.
    pub origin: Origin,
}

/// An affine function of index variables: `offset + sum coef * var`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Affine {
    /// Pairs (variable, coefficient); each variable at most once, no zero coefficient, sorted by variable.
    pub terms: Vec<(usize, i64)>,
    /// Constant part.
    pub offset: i64,
}

/// Reads one cell of a tensor for each setting of the index variables: axis `a` is read at `axes[a]`.
///
/// A setting for which any axis index is outside `0..shape[a]` reads 0 (this is how padding is written).
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Access {
    /// The tensor read.
    pub tensor: TensorId,
    /// One affine form for each axis of the tensor.
    pub axes: Vec<Affine>,
}

/// One summand of a linear operator: for every index `i` of the box `start .. start + extents` of the output
/// and every setting `s` of the summation variables,
/// `out[start + i] += coef * access(i, s)`.
///
/// Variables `0 .. extents.len()` are the box indices `i` (counted from 0 at `start`), the next `sum.len()`
/// variables are `s`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Piece {
    /// First output index of the box, one entry for each output axis.
    pub start: Vec<usize>,
    /// Box lengths, one for each output axis.
    pub extents: Vec<usize>,
    /// Lengths of the summation variables (empty for a plain view).
    pub sum: Vec<usize>,
    /// Integer factor.
    pub coef: i64,
    /// What is read.
    pub access: Access,
}

/// A sum of products of two operands over index variables (matrix product, convolution, element-wise product):
/// `out[o] = sum over the other variables of lhs * rhs`, where `o` are the variables listed in `out`.
///
/// Convention: the operand that holds weights is `lhs`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Contract {
    /// Length of each index variable.
    pub extents: Vec<usize>,
    /// The variables that are the output axes, in order.
    pub out: Vec<usize>,
    /// Left operand.
    pub lhs: Access,
    /// Right operand.
    pub rhs: Access,
}

/// The operators. The first three are exact and cost the proof no witness; the others are committed.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Op {
    /// `out = constant + sum of pieces`: add, subtract, scale, broadcast, transpose, slice, concatenate, pad,
    /// tile, sum over axes, gather at constant indices. Cells that no piece covers hold `constant`.
    Linear {
        /// The summands; boxes may overlap (they add).
        pieces: Vec<Piece>,
        /// Added to every cell.
        constant: i64,
    },
    /// The same cells in row-major order under another shape.
    Reshape(TensorId),
    /// Sum of products.
    Contract(Contract),
    /// `u = floor((x + 2^(shift-1)) / 2^shift)` (just `x` when `shift = 0`): rounds half up;
    /// `out = table[clamp(u, table.lo, table.hi)]`: saturates, then looks up.
    Lookup {
        /// Operand.
        x: TensorId,
        /// Bits dropped with rounding.
        shift: u32,
        /// The table.
        table: TableId,
    },
    /// `out = floor(num / den)` cell by cell, same shapes. The range of `den` must be positive.
    Div {
        /// Numerator.
        num: TensorId,
        /// Denominator, at least 1.
        den: TensorId,
    },
    /// `out = floor(sqrt(x))`. The range of `x` must not be negative.
    Sqrt(TensorId),
    /// Along the last axis: 1 at the first largest cell, 0 elsewhere (ties go to the lowest index).
    ArgMaxOneHot(TensorId),
    /// `out[.., v] = 1` if `x[..] = v` else 0, for `v` in `0 .. depth`. The range of `x` must lie in `[0, depth)`.
    OneHot {
        /// Integer indices.
        x: TensorId,
        /// Length of the new last axis.
        depth: usize,
    },
    /// `out[i.., w..] = data[index[i..], w..]`: rows of `data` (its first axis) at computed places. The range of
    /// `index` must lie in `[0, n)`, `n` the length of `data`'s first axis.
    Gather {
        /// What is read; at least one axis.
        data: TensorId,
        /// Row numbers.
        index: TensorId,
    },
}

/// An operator with its output tensor.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Node {
    /// Path for messages, e.g. `block3/softmax/exp`. Starts with the name of the ONNX node it came from.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The tensor it defines.
    pub out: TensorId,
}

/// A function on `lo ..= hi` by its values.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Table {
    /// Name for messages, e.g. `relu8`.
    pub name: String,
    /// First argument. The domain is `lo ..= lo + values.len() - 1`; its length is a power of two
    /// (1 to 2^16) and, unless `values.len() == 1`, `lo = -(len/2)` or `lo = 0`.
    pub lo: i64,
    /// Values for `lo`, `lo + 1`, ...
    pub values: Arc<[i64]>,
}

/// An integer program. Public: the architecture, shapes, scales, tables. Secret parts are in [`Params`].
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Graph {
    /// All tensors.
    pub tensors: Vec<Tensor>,
    /// Nodes in execution order.
    pub nodes: Vec<Node>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Input tensors in the order of the model file.
    pub inputs: Vec<TensorId>,
    /// Output tensors in the order of the model file (after the output policy).
    pub outputs: Vec<TensorId>,
}

/// Values of the `Param` tensors, row-major, by tensor.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Params {
    /// Cells of each parameter tensor.
    pub values: std::collections::BTreeMap<TensorId, Vec<i64>>,
}
