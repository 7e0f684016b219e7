//! Hand-made ONNX files.

use prost::Message;
use proveil_frontend::Tensor;
use tract_onnx::pb;

/// Value of an attribute.
#[allow(dead_code)]
pub enum Attr {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
}

/// A model in the making; its output is `y`.
pub struct File {
    pub graph: pb::GraphProto,
}

impl File {
    pub fn new(inputs: &[(&str, &[i64])]) -> Self {
        use pb::tensor_shape_proto::{Dimension, dimension::Value};
        let info = |name: &str, shape: &[i64]| {
            let dim = |&d: &i64| {
                let value = if d < 0 { Value::DimParam("rows".into()) } else { Value::DimValue(d) };
                Dimension { value: Some(value), ..Default::default() }
            };
            let shape = pb::TensorShapeProto { dim: shape.iter().map(dim).collect() };
            let tensor = pb::type_proto::Tensor { elem_type: 1, shape: Some(shape) };
            let value = Some(pb::type_proto::Value::TensorType(tensor));
            let r#type = Some(pb::TypeProto { value, ..Default::default() });
            pb::ValueInfoProto { name: name.into(), r#type, ..Default::default() }
        };
        let input = inputs.iter().map(|(n, s)| info(n, s)).collect();
        let output = vec![pb::ValueInfoProto { name: "y".into(), ..Default::default() }];
        Self { graph: pb::GraphProto { input, output, ..Default::default() } }
    }

    #[allow(dead_code)]
    pub fn weight(mut self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        let (dims, float_data) = (dims.to_vec(), data.to_vec());
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            dims,
            data_type: 1,
            float_data,
            ..Default::default()
        });
        self
    }

    pub fn node(mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attr)]) -> Self {
        let attribute = attributes
            .iter()
            .map(|(name, a)| {
                let mut p = pb::AttributeProto { name: (*name).into(), ..Default::default() };
                match a {
                    Attr::Int(i) => (p.i, p.r#type) = (*i, 2),
                    Attr::Ints(v) => (p.ints, p.r#type) = (v.clone(), 7),
                    Attr::Float(f) => (p.f, p.r#type) = (*f, 1),
                }
                p
            })
            .collect();
        let input = inputs.iter().map(|s| (*s).into()).collect();
        let node = pb::NodeProto {
            name: format!("the_{op}"),
            op_type: op.into(),
            input,
            output: vec![output.into()],
            attribute,
            ..Default::default()
        };
        self.graph.node.push(node);
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        let opset_import = vec![pb::OperatorSetIdProto { version: 13, ..Default::default() }];
        pb::ModelProto { ir_version: 7, graph: Some(self.graph), opset_import, ..Default::default() }.encode_to_vec()
    }
}

/// A tensor of one row.
#[allow(dead_code)]
pub fn row(values: &[f64]) -> Tensor {
    Tensor::floats(vec![1, values.len()], values.to_vec()).expect("dense")
}
