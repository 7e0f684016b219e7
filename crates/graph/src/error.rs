//! What can be wrong with a graph, and what can be wrong with the values given to one.
//!
//! Every message names the node or the tensor, the bound that was missed, and what to do next.

use crate::ir::{TableId, TensorId};

/// A graph, or a request to the builder, that breaks an invariant of [`crate::check`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The cells of a tensor can leave `|x| < 2^61`.
    #[error("`{name}`: cells can reach [{lo}, {hi}], outside |x| < 2^61; requantise the operands to fewer bits")]
    Unbounded {
        /// Node or tensor.
        name: String,
        /// Smallest possible value.
        lo: i128,
        /// Largest possible value.
        hi: i128,
    },
    /// A tensor number that the graph does not have.
    #[error("`{name}` refers to tensor {}, but the graph has {count} tensors; define the tensor first", tensor.0)]
    UnknownTensor {
        /// Node, or the list (`inputs`, `outputs`, `params`) that refers to it.
        name: String,
        /// The number.
        tensor: TensorId,
        /// Tensors in the graph.
        count: usize,
    },
    /// A table number that the graph does not have.
    #[error("`{name}` refers to table {}, but the graph has {count} tables; add the table first", table.0)]
    UnknownTable {
        /// Node.
        name: String,
        /// The number.
        table: TableId,
        /// Tables in the graph.
        count: usize,
    },
    /// A node reads a tensor that a later node, or the node itself, defines.
    #[error("`{name}` reads `{tensor}` before it is computed; put the nodes in execution order")]
    NotYetDefined {
        /// Node.
        name: String,
        /// Tensor read.
        tensor: String,
    },
    /// The origin of a tensor and the lists of nodes and inputs do not agree on exactly one definition.
    #[error(
        "`{tensor}` is defined {count} times by the nodes and inputs, but its origin asks for {expected}; \
             give each tensor one node, one place in the inputs, or values"
    )]
    Definitions {
        /// Tensor.
        tensor: String,
        /// Definitions found.
        count: usize,
        /// Definitions that the origin asks for.
        expected: usize,
    },
    /// Two tensors, nodes or tables have one name.
    #[error("two {kind}s are named `{name}`; rename one")]
    DuplicateName {
        /// `tensor`, `node` or `table`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The graph has no output.
    #[error("the graph has no output; name at least one with `Builder::output`")]
    NoOutputs,
    /// Two shapes that must agree do not.
    #[error("`{name}`: expected shape {expected:?}, got {got:?}; reshape or broadcast the operand")]
    Shape {
        /// Node or tensor.
        name: String,
        /// Shape that fits.
        expected: Vec<usize>,
        /// Shape found.
        got: Vec<usize>,
    },
    /// Shapes that numpy's rules cannot broadcast together.
    #[error("`{name}`: shapes {a:?} and {b:?} do not broadcast; axes must agree or be 1")]
    Broadcast {
        /// Node.
        name: String,
        /// First shape.
        a: Vec<usize>,
        /// Second shape.
        b: Vec<usize>,
    },
    /// A list with one entry per axis has another length, or an operand has another number of axes.
    #[error("`{name}`: {what} has {got} entries, expected {expected}; give one for each axis")]
    Rank {
        /// Node.
        name: String,
        /// What is counted.
        what: &'static str,
        /// Entries that fit.
        expected: usize,
        /// Entries found.
        got: usize,
    },
    /// An axis number that the operand does not have, or that is named twice.
    #[error("`{name}`: axis {axis} is repeated or not an axis of a tensor with {rank} axes; count from 0")]
    Axis {
        /// Node.
        name: String,
        /// The axis.
        axis: usize,
        /// Axes of the operand.
        rank: usize,
    },
    /// A tensor with an axis of length zero.
    #[error("`{name}`: axis {axis} has length 0; every axis needs at least one cell")]
    ZeroAxis {
        /// Node or tensor.
        name: String,
        /// The axis.
        axis: usize,
    },
    /// A tensor, or the terms of one operator, beyond what the crate counts.
    #[error("`{name}`: {what} of extents {extents:?} exceed 2^48; split the model")]
    TooLarge {
        /// Node or tensor.
        name: String,
        /// What is counted.
        what: &'static str,
        /// Lengths whose product is too large.
        extents: Vec<usize>,
    },
    /// A declared range with `lo > hi`.
    #[error("`{name}`: range [{lo}, {hi}] is empty; give lo <= hi")]
    EmptyRange {
        /// Tensor.
        name: String,
        /// Declared lower end.
        lo: i64,
        /// Declared upper end.
        hi: i64,
    },
    /// The range written on a computed tensor is not the one that its operands imply.
    #[error("`{name}`: range is [{}, {}], but the operands imply [{}, {}]; recompute it with `bounds`", got.0, got.1, expected.0, expected.1)]
    RangeMismatch {
        /// Tensor.
        name: String,
        /// Range implied (lo, hi).
        expected: (i64, i64),
        /// Range written (lo, hi).
        got: (i64, i64),
    },
    /// The range of an operand is outside the domain of the operator.
    #[error("`{name}`: operand `{operand}` has range [{lo}, {hi}], but the operator needs {needs}")]
    Domain {
        /// Node.
        name: String,
        /// Operand.
        operand: String,
        /// Its lower end.
        lo: i64,
        /// Its upper end.
        hi: i64,
        /// What would fit.
        needs: String,
    },
    /// A value outside its declared range.
    #[error("`{name}`: cell {cell} holds {value}, outside its declared range [{lo}, {hi}]; widen the range")]
    ValueOutOfRange {
        /// Tensor.
        name: String,
        /// Row-major position.
        cell: usize,
        /// Value found.
        value: i64,
        /// Declared lower end.
        lo: i64,
        /// Declared upper end.
        hi: i64,
    },
    /// A list of values of another length than the tensor has cells.
    #[error("`{name}`: {got} values for {expected} cells; check the shape")]
    CellCount {
        /// Tensor.
        name: String,
        /// Cells of the tensor.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// A table whose length is not a power of two in `1 ..= 2^16`.
    #[error("table `{table}` has {len} values; a power of two of at most 65536 is needed, so extend or split it")]
    TableLength {
        /// Table.
        table: String,
        /// Its length.
        len: usize,
    },
    /// A table whose first argument is neither 0 nor minus half its length.
    #[error("table `{table}` of {len} values starts at {lo}; it must start at 0 or at -{len}/2")]
    TableStart {
        /// Table.
        table: String,
        /// First argument.
        lo: i64,
        /// Its length.
        len: usize,
    },
    /// A shift of more than 60 bits.
    #[error("`{name}`: shift of {shift} bits; at most 60 are possible, so rescale in two steps")]
    Shift {
        /// Node.
        name: String,
        /// The shift.
        shift: u32,
    },
    /// An index variable that the operator does not have, has twice, or that is out of order.
    #[error(
        "`{name}`: {place} uses variable {var} of {count} out of order, twice, or beyond the last; \
             sort the terms and use each variable once"
    )]
    Variable {
        /// Node.
        name: String,
        /// Where it is used.
        place: &'static str,
        /// The variable.
        var: usize,
        /// Variables of the operator.
        count: usize,
    },
    /// A zero coefficient, or an affine form whose values leave `|x| < 2^48`.
    #[error(
        "`{name}`: axis {axis} of the access to `{tensor}` has a zero coefficient or leaves |index| < 2^48; \
             drop the term or shorten the axis"
    )]
    Affine {
        /// Node.
        name: String,
        /// Tensor read.
        tensor: String,
        /// Axis read.
        axis: usize,
    },
    /// A box of a linear operator that reaches beyond the output.
    #[error("`{name}`: piece {piece} covers axis {axis} up to {end}, but the output has {len} there; shorten the box")]
    PieceBox {
        /// Node.
        name: String,
        /// Position of the piece.
        piece: usize,
        /// Axis.
        axis: usize,
        /// First index beyond the box.
        end: usize,
        /// Axis length.
        len: usize,
    },
    /// Operands of an operator that carries the scale have different scales.
    #[error("`{name}`: operands have scales {a} and {b}; bring them to one scale first")]
    Scale {
        /// Node.
        name: String,
        /// Scale of the first operand.
        a: i32,
        /// Scale of another operand.
        b: i32,
    },
    /// An attribute that the operator cannot have.
    #[error("`{name}`: {what} is {got}; {needs}")]
    Attribute {
        /// Node.
        name: String,
        /// Attribute.
        what: &'static str,
        /// Value found.
        got: i64,
        /// What would fit.
        needs: &'static str,
    },
    /// The difference of two operands of a maximum needs more than 2^16 table entries.
    #[error(
        "`{name}`: the difference of the operands has range [{lo}, {hi}], more than a table of 65536 entries \
         holds; requantise the operands to fewer bits"
    )]
    MaximumTooWide {
        /// Node.
        name: String,
        /// Smallest difference.
        lo: i64,
        /// Largest difference.
        hi: i64,
    },
    /// A parameter tensor without values.
    #[error("parameter `{name}` has no values; add them to the parameters")]
    MissingParam {
        /// Tensor.
        name: String,
    },
    /// Values for a tensor that is no parameter.
    #[error("values are given for `{name}`, which is not a parameter; remove them")]
    UnexpectedParam {
        /// Tensor.
        name: String,
    },
}

/// Why a graph cannot be evaluated on the given values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The graph or its parameters break an invariant.
    #[error("the graph is not well formed: {0}")]
    Graph(#[from] GraphError),
    /// Another number of inputs than the graph has.
    #[error("{got} inputs given, but the graph has {expected}; give one list of cells for each input")]
    InputCount {
        /// Inputs of the graph.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An input with another number of cells than its shape has.
    #[error("input `{name}` has {got} cells, but its shape has {expected}; flatten it in row-major order")]
    InputLength {
        /// Tensor.
        name: String,
        /// Cells of the shape.
        expected: usize,
        /// Cells given.
        got: usize,
    },
    /// An input cell outside the declared range.
    #[error("input `{name}`: cell {cell} is {value}, outside [{lo}, {hi}]; clamp it or recalibrate the model")]
    InputRange {
        /// Tensor.
        name: String,
        /// Row-major position.
        cell: usize,
        /// Value found.
        value: i64,
        /// Declared lower end.
        lo: i64,
        /// Declared upper end.
        hi: i64,
    },
}
