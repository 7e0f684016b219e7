//! Everything that can go wrong between an ONNX file and an integer graph.

use proveil_graph::GraphError;

/// Why a model cannot be imported, calibrated or quantised, or an input cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontendError {
    /// The bytes are not an ONNX protobuf message.
    #[error("not an ONNX model: {reason}; export the model again with a current exporter")]
    Decode {
        /// What the decoder met.
        reason: String,
    },
    /// The file is well-formed protobuf but not a usable model.
    #[error("{place}: {reason}")]
    Malformed {
        /// Node, tensor or graph that is at fault.
        place: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The model is larger than the importer accepts.
    #[error(
        "{what} is {got}, above the limit of {limit}; use a smaller batch or shorter axes (`--batch`, `--dim`), or raise `Options::limits` from Rust"
    )]
    TooLarge {
        /// What is counted.
        what: String,
        /// The count.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// An operator, or a use of it, that the importer does not know.
    #[error("node `{node}` ({op}, opset {opset}): {reason}; {hint}")]
    Unsupported {
        /// Node name, or its position when it has none.
        node: String,
        /// Operator with its domain.
        op: String,
        /// Opset version of the operator's domain.
        opset: i64,
        /// What is not supported.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// An axis of an input has no fixed length.
    #[error(
        "input `{tensor}`: dimension {axis} (`{symbol}`) is open; give it a length (`--dim NAME=LENGTH`; from Rust `Options::dims` or `Options::batch`)"
    )]
    OpenDimension {
        /// Input name.
        tensor: String,
        /// Axis, from 0.
        axis: usize,
        /// Symbol in the file, or `?`.
        symbol: String,
    },
    /// A weight or an input value is NaN or infinite.
    #[error("tensor `{tensor}`: element {index} is {value}, not a finite number; {hint}")]
    NotFinite {
        /// Tensor name.
        tensor: String,
        /// Row-major position.
        index: usize,
        /// The value.
        value: f64,
        /// What to do.
        hint: String,
    },
    /// A tensor handed in has another shape or length than the model declares.
    #[error("input `{tensor}`: expected shape {expected:?}, got {got:?}; reshape the input")]
    InputShape {
        /// Input name.
        tensor: String,
        /// Declared shape.
        expected: Vec<usize>,
        /// Shape or length handed in.
        got: Vec<usize>,
    },
    /// Wrong number of input tensors.
    #[error("the model has {expected} inputs, got {got}; give one tensor for each input in file order")]
    InputCount {
        /// Inputs of the model.
        expected: usize,
        /// Inputs handed in.
        got: usize,
    },
    /// A value does not fit the declared type or the calibrated range of an input.
    #[error("input `{tensor}`: element {index} is {value}, outside {lo} ..= {hi}; {hint}")]
    InputRange {
        /// Input name.
        tensor: String,
        /// Row-major position.
        index: usize,
        /// The value.
        value: f64,
        /// Smallest accepted value.
        lo: f64,
        /// Largest accepted value.
        hi: f64,
        /// What to do.
        hint: String,
    },
    /// No setting of the search reached the requested accuracy, or a tensor cannot be represented.
    #[error("`{tensor}`: {reason}; {hint}")]
    Quantise {
        /// Tensor or node.
        tensor: String,
        /// What is not representable.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// No setting of the search brings an output within the error that was asked for.
    #[error(
        "output `{output}`: its relative error is {got:.5} in the best setting, above the {asked} that was asked for; \
         operator `{operator}` adds most, {added:.5} of its largest value; {hint}"
    )]
    ErrorBound {
        /// Output name.
        output: String,
        /// Error reached.
        got: f64,
        /// Error asked for.
        asked: f64,
        /// Result of the operator that adds most.
        operator: String,
        /// What it adds, relative to its own largest value.
        added: f64,
        /// What to do.
        hint: String,
    },
    /// No setting of the search has an output's largest cells where the float model has them as often as asked for.
    #[error(
        "output `{output}`: the largest cell is where the float model has it in a share of {got:.4} of the rows in the \
         best setting, below the {asked} that was asked for; operator `{operator}` adds most of the error, {added:.5} of \
         its largest value; {hint}"
    )]
    AgreementBound {
        /// Output name.
        output: String,
        /// Share reached.
        got: f64,
        /// Share asked for.
        asked: f64,
        /// Result of the operator that adds most.
        operator: String,
        /// What it adds, relative to its own largest value.
        added: f64,
        /// What to do.
        hint: String,
    },
    /// The integer graph refused a node.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The float engine refused the model.
    #[error("float engine: {reason}; timings and the cross-check are not available for this model")]
    Native {
        /// Its message.
        reason: String,
    },
}

impl FrontendError {
    /// A [`FrontendError::Malformed`].
    pub(crate) fn malformed(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { place: place.into(), reason: reason.into() }
    }
}

/// Result of the front end.
pub type Result<T> = std::result::Result<T, FrontendError>;
