//! Reads ONNX bytes into plain structures: nodes with typed attributes, constants as float tensors, and
//! inputs with concrete shapes. Nothing here knows what an operator means.

mod attributes;
mod masks;
mod order;
mod tensors;
mod texts;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use prost::Message;
use tract_onnx::pb;

use crate::cells::Cells;
use crate::error::{FrontendError, Result};
use crate::tensor::{Kind, Tensor};

pub(crate) use attributes::Node;
pub(crate) use masks::MASK;
pub(crate) use texts::Texts;

/// Upper limits on what is read from a file, so that a hostile one cannot exhaust memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Nodes of the graph.
    pub nodes: u64,
    /// Cells of one tensor, and of all that are computed from constants.
    pub cells: u64,
    /// Cells of inputs and of all that one inference computes: some 50 bytes each while a model is calibrated, 100 while it is proved.
    pub inference: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 2 << 30, nodes: 200_000, cells: 1 << 28, inference: 1 << 27 }
    }
}

impl Limits {
    /// Number of cells of a shape, if every axis has a length and the tensor is not too large.
    pub(crate) fn cells(&self, name: &str, shape: &[usize]) -> Result<usize> {
        let mut cells = 1u64;
        for &d in shape {
            cells = cells.saturating_mul(d as u64);
        }
        if cells > self.cells {
            return Err(FrontendError::TooLarge {
                what: format!("the number of cells of tensor `{name}`"),
                got: cells,
                limit: self.cells,
            });
        }
        Ok(cells as usize)
    }
}

/// Element type of an input or output, as declared in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// Any floating-point type.
    Float,
    /// An integer type with its smallest and largest value (as far as 53 bits reach).
    Int {
        /// Bits of the type.
        bits: u32,
        /// Whether it has a sign.
        signed: bool,
    },
    /// Truth values.
    Bool,
    /// Texts.
    Text,
}

impl DType {
    /// What the cells mean.
    pub fn kind(self) -> Kind {
        match self {
            Self::Float => Kind::Float,
            Self::Int { .. } => Kind::Int,
            Self::Bool => Kind::Bool,
            Self::Text => Kind::Text,
        }
    }

    /// Of the types of numbers.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            1 | 10 | 11 | 16 => Self::Float,
            2 => Self::Int { bits: 8, signed: false },
            3 => Self::Int { bits: 8, signed: true },
            4 => Self::Int { bits: 16, signed: false },
            5 => Self::Int { bits: 16, signed: true },
            6 => Self::Int { bits: 32, signed: true },
            7 => Self::Int { bits: 64, signed: true },
            12 => Self::Int { bits: 32, signed: false },
            13 => Self::Int { bits: 64, signed: false },
            9 => Self::Bool,
            _ => return None,
        })
    }
}

/// A graph input with its concrete shape.
#[derive(Clone, Debug)]
pub(crate) struct InputDecl {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<usize>,
}

/// A constant of the file.
#[derive(Debug)]
pub(crate) struct Constant {
    pub shape: Vec<usize>,
    pub kind: Kind,
    pub data: Cells,
}

impl From<Tensor> for Constant {
    fn from(t: Tensor) -> Self {
        Self { shape: t.shape, kind: t.kind, data: t.data.into() }
    }
}

/// A parsed model.
#[derive(Debug, Default)]
pub(crate) struct OnnxModel {
    pub nodes: Vec<Node>,
    pub constants: HashMap<String, Constant>,
    pub inputs: Vec<InputDecl>,
    /// Name and declared type, where the file declares one.
    pub outputs: Vec<(String, Option<DType>)>,
    /// Element types of constants and inputs by name.
    pub types: HashMap<String, DType>,
    /// Text constants by name; their tensors hold positions.
    pub strings: HashMap<String, Vec<String>>,
    /// What codes of texts count through.
    pub texts: Arc<Texts>,
}

/// Type code of text.
const TEXT: i32 = 8;

/// What all nodes of a file know.
#[derive(Debug, Default)]
struct Shared {
    /// Versions of all domains.
    opsets: HashMap<String, i64>,
    shown: masks::Shown,
}

/// The body of a loop or a condition.
#[derive(Debug)]
pub(crate) struct Subgraph {
    pub nodes: Vec<Node>,
    pub constants: HashMap<String, Tensor>,
    /// Element types of the constants.
    pub types: HashMap<String, DType>,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// How open dimensions are closed, and how far to read.
pub(crate) struct ReadOptions<'a> {
    pub batch: Option<usize>,
    pub dims: &'a BTreeMap<String, usize>,
    pub limits: &'a Limits,
    pub external_data: Option<&'a std::path::Path>,
    /// Shapes of sample inputs, which close dimensions that nothing else does.
    pub sample_shapes: Option<Vec<Vec<usize>>>,
}

/// Reads a model.
///
/// # Errors
/// `Decode` for bytes that are no model, `Malformed`, `TooLarge`, `OpenDimension` and `NotFinite` for what
/// is wrong in it.
pub(crate) fn read(bytes: &[u8], options: &ReadOptions) -> Result<OnnxModel> {
    build(decode(bytes, options.limits)?, options)
}

/// The message that a file holds.
///
/// # Errors
/// `Decode` and `TooLarge`.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<pb::ModelProto> {
    limit("the size of the file in bytes", bytes.len() as u64, limits.bytes)?;
    pb::ModelProto::decode(bytes).map_err(|e| FrontendError::Decode { reason: e.to_string() })
}

/// The model that a message describes.
///
/// # Errors
/// As [`read`].
pub(crate) fn build(model: pb::ModelProto, options: &ReadOptions) -> Result<OnnxModel> {
    let graph = model.graph.ok_or_else(|| FrontendError::Decode { reason: "the message holds no graph".into() })?;
    limit("the number of nodes", graph.node.len() as u64, options.limits.nodes)?;
    let opsets: HashMap<String, i64> =
        model.opset_import.iter().map(|o| (canonical_domain(&o.domain), o.version)).collect();
    let shared = Arc::new(Shared { opsets, shown: masks::Shown::of(&graph) });
    if graph.node.is_empty() && graph.output.is_empty() {
        return Err(FrontendError::Decode { reason: "the graph has neither nodes nor outputs".into() });
    }
    let texts = Arc::new(Texts::of(&graph)?);
    let (mut constants, mut types, mut strings) = (HashMap::new(), HashMap::new(), HashMap::new());
    constants_once(&graph.initializer)?;
    for proto in graph.initializer {
        let name = proto.name.clone();
        if proto.data_type == TEXT {
            let (positions, names) = tensors::text(&proto, options)?;
            constants.insert(name.clone(), positions.into());
            strings.insert(name, names);
            continue;
        }
        types.extend(DType::from_code(proto.data_type).map(|t| (name.clone(), t)));
        let low = shared.shown.low(&name);
        constants.insert(name, tensors::stored(proto, options, low)?);
    }
    let nodes =
        graph.node.into_iter().enumerate().map(|(i, n)| Node::from_proto(i, n, &shared)).collect::<Result<Vec<_>>>()?;
    let nodes = order::sorted(nodes);
    defined_once(&graph.input, &nodes, &constants)?;
    let inputs = input_decls(&graph.input, |name| constants.contains_key(name), options)?;
    types.extend(inputs.iter().map(|d| (d.name.clone(), d.dtype)));
    let outputs = graph
        .output
        .iter()
        .map(|v| (v.name.clone(), declared_type(v).and_then(|t| DType::from_code(t.elem_type))))
        .collect();
    Ok(OnnxModel { nodes, constants, inputs, outputs, types, strings, texts })
}

/// Refuses names that two things have, of which the rest of the file could mean either. A constant may be the default of
/// an input of its name.
fn defined_once(inputs: &[pb::ValueInfoProto], nodes: &[Node], constants: &HashMap<String, Constant>) -> Result<()> {
    let mut seen = HashSet::new();
    let outputs = nodes.iter().flat_map(|n| n.outputs.iter().map(String::as_str)).filter(|name| !name.is_empty());
    let made: Vec<&str> = outputs.collect();
    let twice = inputs.iter().map(|v| v.name.as_str()).chain(made.iter().copied()).find(|name| !seen.insert(*name));
    let twice = twice.or_else(|| made.into_iter().find(|name| constants.contains_key(*name)));
    twice.map_or(Ok(()), |name| Err(defined_twice(name)))
}

/// Refuses names that two constants have: readers differ in which of them counts.
fn constants_once(constants: &[pb::TensorProto]) -> Result<()> {
    let mut seen = HashSet::new();
    let twice = constants.iter().find(|c| !seen.insert(c.name.as_str()));
    twice.map_or(Ok(()), |c| Err(defined_twice(&c.name)))
}

fn defined_twice(name: &str) -> FrontendError {
    let reason = "is defined twice; give each input, constant and result a name of its own";
    FrontendError::malformed(format!("tensor `{name}`"), reason)
}

/// Reads a graph held in an attribute of a node.
fn subgraph(graph: &pb::GraphProto, shared: &Arc<Shared>, place: &str, limits: &Limits) -> Result<Subgraph> {
    limit("the number of nodes", graph.node.len() as u64, limits.nodes)?;
    let (mut constants, mut types) = (HashMap::new(), HashMap::new());
    constants_once(&graph.initializer)?;
    for proto in &graph.initializer {
        types.extend(DType::from_code(proto.data_type).map(|t| (proto.name.clone(), t)));
        constants.insert(proto.name.clone(), constant(proto, place, limits, shared.shown.low(&proto.name))?);
    }
    let nodes = graph.node.iter().enumerate().map(|(i, n)| Node::from_proto(i, n.clone(), shared));
    let names = |list: &[pb::ValueInfoProto]| list.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    let inputs = names(&graph.input).into_iter().filter(|n| !constants.contains_key(n)).collect();
    Ok(Subgraph {
        nodes: order::sorted(nodes.collect::<Result<_>>()?),
        inputs,
        outputs: names(&graph.output),
        constants,
        types,
    })
}

/// Reads a constant held in an attribute.
fn constant(proto: &pb::TensorProto, place: &str, limits: &Limits, low: Option<f64>) -> Result<Tensor> {
    let dims = BTreeMap::new();
    let options = ReadOptions { batch: None, dims: &dims, limits, external_data: None, sample_shapes: None };
    tensors::from_proto(proto, place, &options, low)
}

/// Reads texts held in an attribute.
fn text(proto: &pb::TensorProto, limits: &Limits) -> Result<(Tensor, Vec<String>)> {
    let dims = BTreeMap::new();
    let options = ReadOptions { batch: None, dims: &dims, limits, external_data: None, sample_shapes: None };
    tensors::text(proto, &options)
}

/// Numbers of a tensor attribute, which need not be finite.
fn numbers(proto: &pb::TensorProto, place: &str, limits: &Limits) -> Result<Vec<f64>> {
    let dims = BTreeMap::new();
    let options = ReadOptions { batch: None, dims: &dims, limits, external_data: None, sample_shapes: None };
    tensors::unchecked(proto, place, &options).map(|t| t.data)
}

pub(crate) fn limit(what: &str, got: u64, limit: u64) -> Result<()> {
    if got > limit {
        return Err(FrontendError::TooLarge { what: what.into(), got, limit });
    }
    Ok(())
}

fn canonical_domain(domain: &str) -> String {
    if domain == "ai.onnx" { String::new() } else { domain.to_string() }
}

fn declared_type(value: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    match value.r#type.as_ref()?.value.as_ref()? {
        pb::type_proto::Value::TensorType(t) => Some(t),
    }
}

/// The inputs of a model with their shapes; constants may be listed among them.
fn input_decls(
    values: &[pb::ValueInfoProto],
    is_constant: impl Fn(&str) -> bool,
    options: &ReadOptions,
) -> Result<Vec<InputDecl>> {
    let shapes = options.sample_shapes.as_deref().unwrap_or_default();
    let inputs = values.iter().filter(|v| !is_constant(&v.name)).enumerate();
    inputs.map(|(k, value)| input_decl(value, options, shapes.get(k))).collect()
}

/// What an input leaves open, if the options do not close it: tensor, axis and name of the dimension.
pub(crate) fn open_dimension(model: &pb::ModelProto, options: &ReadOptions) -> Option<(String, usize, String)> {
    let graph = model.graph.as_ref()?;
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    match input_decls(&graph.input, |name| constants.contains(name), options) {
        Err(FrontendError::OpenDimension { tensor, axis, symbol }) => Some((tensor, axis, symbol)),
        _ => None,
    }
}

fn input_decl(value: &pb::ValueInfoProto, options: &ReadOptions, sample: Option<&Vec<usize>>) -> Result<InputDecl> {
    let place = || format!("input `{}`", value.name);
    let t = declared_type(value)
        .ok_or_else(|| FrontendError::malformed(place(), "is not a tensor; export tensors, not sequences or maps"))?;
    let dtype = match t.elem_type {
        TEXT => DType::Text,
        code => DType::from_code(code).ok_or_else(|| {
            FrontendError::malformed(
                place(),
                format!("element type {code} is neither numeric nor text; encode it as numbers"),
            )
        })?,
    };
    let shape = match &t.shape {
        Some(s) => s
            .dim
            .iter()
            .enumerate()
            .map(|(axis, d)| dimension(&value.name, axis, d, options, sample))
            .collect::<Result<Vec<_>>>()?,
        None => sample.cloned().ok_or_else(|| FrontendError::OpenDimension {
            tensor: value.name.clone(),
            axis: 0,
            symbol: "?".into(),
        })?,
    };
    options.limits.cells(&value.name, &shape)?;
    if shape.contains(&0) {
        return Err(FrontendError::malformed(place(), "has an axis of length 0; give every axis at least one cell"));
    }
    Ok(InputDecl { name: value.name.clone(), dtype, shape })
}

fn dimension(
    tensor: &str,
    axis: usize,
    dim: &pb::tensor_shape_proto::Dimension,
    options: &ReadOptions,
    sample: Option<&Vec<usize>>,
) -> Result<usize> {
    use pb::tensor_shape_proto::dimension::Value;
    let symbol = match &dim.value {
        Some(Value::DimValue(v)) if *v > 0 => return Ok(*v as usize),
        Some(Value::DimValue(0)) => return Ok(0),
        Some(Value::DimParam(s)) => s.clone(),
        _ => "?".to_string(),
    };
    let batch = if axis == 0 { options.batch } else { None };
    options
        .dims
        .get(&symbol)
        .copied()
        .or(batch)
        .or_else(|| sample.and_then(|s| s.get(axis).copied()))
        .ok_or(FrontendError::OpenDimension { tensor: tensor.into(), axis, symbol })
}
