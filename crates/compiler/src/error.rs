//! What can stop a lowering, and what can be wrong with the values that a witness is made from.

/// A graph that cannot be lowered to a relation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A reference to a tensor, table or node that the graph does not have or that is not defined yet.
    #[error("`{name}` refers to {what} {index}, which is not defined at that point; run the graph's checker first")]
    Undefined {
        /// Node or list that refers to it.
        name: String,
        /// `tensor`, `table` or `variable`.
        what: &'static str,
        /// The number.
        index: usize,
    },
    /// A virtual value that could reach the size of the field, so that field equality is not integer equality.
    #[error("`{name}`: {what} can reach 2^{bits}, beyond the 2^62 that the proof keeps exact; requantise the operands")]
    Wrap {
        /// Node.
        name: String,
        /// The value.
        what: &'static str,
        /// Its size in bits.
        bits: u32,
    },
    /// A tensor or an index variable longer than 2^31.
    #[error("`{name}`: an axis of length {len} does not fit in 31 bits; split the model")]
    TooLarge {
        /// Tensor or node.
        name: String,
        /// The length.
        len: usize,
    },
    /// An operand whose range is outside the operator's domain.
    #[error("`{name}`: operand range [{lo}, {hi}] is outside the operator's domain; {needs}")]
    Domain {
        /// Node.
        name: String,
        /// Smallest operand value.
        lo: i64,
        /// Largest operand value.
        hi: i64,
        /// What would fit.
        needs: &'static str,
    },
    /// An index form that is not affine in the variables even after the tensor read was copied.
    #[error("`{name}`: the read of `{tensor}` has no affine form even from a copy; rewrite the node as plain reads")]
    Irregular {
        /// Node.
        name: String,
        /// Tensor read.
        tensor: String,
    },
    /// An option outside its domain.
    #[error("option `{option}` is {got}; it must lie in {lo} to {hi}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Value given.
        got: u32,
        /// Smallest value allowed.
        lo: u32,
        /// Largest value allowed.
        hi: u32,
    },
}

/// Values that a witness cannot be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// Another number of tensors than the graph that was lowered has.
    #[error("values for {got} tensors given, but the graph has {expected}; pass the values of all tensors")]
    TensorCount {
        /// Tensors of the graph.
        expected: usize,
        /// Value lists given.
        got: usize,
    },
    /// A tensor with another number of cells than its shape has.
    #[error("tensor `{name}` has {got} values, but its shape has {expected} cells; run the graph on this input first")]
    CellCount {
        /// Tensor.
        name: String,
        /// Cells of the shape.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// A value that no row of the look-up's table allows: the values are not a run of the graph.
    #[error("look-up `{lookup}`: cell {cell} needs {value}, which is outside its table; check the operands' ranges")]
    Unprovable {
        /// Look-up.
        lookup: String,
        /// Row-major position in the look-up's space.
        cell: usize,
        /// The value.
        value: i64,
    },
}
