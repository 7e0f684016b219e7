//! Builds small ONNX files.

use prost::Message;
use proveil_frontend::{Options, Result, Tensor, compile};
use tract_onnx::pb;

/// Element types by their code in the file.
pub const FLOAT: i32 = 1;
pub const U8: i32 = 2;
pub const I8: i32 = 3;
pub const I32: i32 = 6;
pub const I64: i32 = 7;
pub const TEXT: i32 = 8;
pub const BOOL: i32 = 9;

/// An attribute value.
pub enum Attr {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
    Floats(Vec<f32>),
    Str(&'static str),
    Strs(Vec<&'static str>),
    Graph(Box<pb::GraphProto>),
    /// Floats, which need not be finite.
    Tensor(Vec<f32>),
}

/// A model in the making; nodes are of the domain that was named last.
pub struct File {
    graph: pb::GraphProto,
    domains: Vec<(&'static str, i64)>,
}

fn info(name: &str, elem_type: i32, shape: &[i64]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |&d: &i64| Dimension { value: Some(Value::DimValue(d)), ..Default::default() };
    let shape = pb::TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type, shape: Some(shape) };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    let r#type = Some(pb::TypeProto { value, ..Default::default() });
    pb::ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

impl File {
    /// A file with the given outputs, whose types it does not declare.
    pub fn new(domain: &'static str, opset: i64, outputs: &[&str]) -> Self {
        let output = outputs.iter().map(|o| pb::ValueInfoProto { name: (*o).into(), ..Default::default() }).collect();
        Self { graph: pb::GraphProto { output, ..Default::default() }, domains: vec![(domain, opset)] }
    }

    /// Another domain, for the nodes that follow.
    pub fn domain(mut self, domain: &'static str, opset: i64) -> Self {
        self.domains.retain(|d| d.0 != domain);
        self.domains.push((domain, opset));
        self
    }

    pub fn input(mut self, name: &str, elem_type: i32, shape: &[i64]) -> Self {
        self.graph.input.push(info(name, elem_type, shape));
        self
    }

    /// A constant of any element type.
    pub fn weight(mut self, name: &str, data_type: i32, dims: &[i64], data: &[f64]) -> Self {
        let mut t = pb::TensorProto { name: name.into(), dims: dims.to_vec(), data_type, ..Default::default() };
        match data_type {
            FLOAT => t.float_data = data.iter().map(|&v| v as f32).collect(),
            I64 => t.int64_data = data.iter().map(|&v| v as i64).collect(),
            _ => t.int32_data = data.iter().map(|&v| v as i32).collect(),
        }
        self.graph.initializer.push(t);
        self
    }

    /// A list of texts.
    pub fn texts(mut self, name: &str, texts: &[&str]) -> Self {
        let string_data = texts.iter().map(|t| t.as_bytes().to_vec()).collect();
        let dims = vec![texts.len() as i64];
        let t = pb::TensorProto { name: name.into(), dims, data_type: TEXT, string_data, ..Default::default() };
        self.graph.initializer.push(t);
        self
    }

    /// One text, which may be none.
    pub fn bytes_of_text(mut self, name: &str, text: &[u8]) -> Self {
        self = self.texts(name, &[""]);
        self.graph.initializer.last_mut().into_iter().for_each(|t| t.string_data = vec![text.to_vec()]);
        self
    }

    pub fn node(mut self, op: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Attr)]) -> Self {
        let attribute = attributes.iter().map(|(name, a)| attribute(name, a)).collect();
        self.graph.node.push(pb::NodeProto {
            name: format!("the_{op}"),
            op_type: op.into(),
            domain: self.domains.last().map_or("", |d| d.0).into(),
            input: inputs.iter().map(|s| (*s).into()).collect(),
            output: outputs.iter().map(|s| (*s).into()).collect(),
            attribute,
            ..Default::default()
        });
        self
    }

    /// The graph alone, as the body of a loop or a condition.
    pub fn body(self) -> pb::GraphProto {
        self.graph
    }

    pub fn bytes(self) -> Vec<u8> {
        let import = |d: &(&str, i64)| pb::OperatorSetIdProto { version: d.1, domain: d.0.into() };
        let opset_import = self.domains.iter().map(import).collect();
        pb::ModelProto { ir_version: 8, graph: Some(self.graph), opset_import, ..Default::default() }.encode_to_vec()
    }

    /// Compiles with the inputs as the only sample and runs the slow interpreter.
    pub fn run(self, inputs: &[Tensor]) -> Result<Vec<Vec<f64>>> {
        let model = compile(&self.bytes(), &[inputs.to_vec()], &Options::default())?;
        Ok(super::common::infer(&model, inputs))
    }
}

fn attribute(name: &str, a: &Attr) -> pb::AttributeProto {
    let mut p = pb::AttributeProto { name: name.into(), ..Default::default() };
    match a {
        Attr::Int(i) => (p.i, p.r#type) = (*i, 2),
        Attr::Ints(v) => (p.ints, p.r#type) = (v.clone(), 7),
        Attr::Float(f) => (p.f, p.r#type) = (*f, 1),
        Attr::Floats(v) => (p.floats, p.r#type) = (v.clone(), 6),
        Attr::Str(s) => (p.s, p.r#type) = (s.as_bytes().to_vec(), 3),
        Attr::Graph(g) => (p.g, p.r#type) = (Some((**g).clone()), 5),
        Attr::Tensor(v) => {
            let (dims, data) = (vec![v.len() as i64], v.clone());
            let t = pb::TensorProto { dims, data_type: FLOAT, float_data: data, ..Default::default() };
            (p.t, p.r#type) = (Some(t), 4);
        }
        Attr::Strs(v) => (p.strings, p.r#type) = (v.iter().map(|s| s.as_bytes().to_vec()).collect(), 8),
    }
    p
}
