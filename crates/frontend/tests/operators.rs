//! One small hand-made ONNX file for each operator family, against values worked out in the test; and refusals.

mod common;

use common::infer;
use prost::Message;
use proveil_frontend::{FrontendError, Kind, Options, Result, Tensor, compile};
use tract_onnx::pb;

enum Attr {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
}

struct File {
    graph: pb::GraphProto,
}

impl File {
    fn new(inputs: &[(&str, &[i64])]) -> Self {
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

    fn weight(mut self, name: &str, dims: &[i64], data: &[f32]) -> Self {
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

    fn node(mut self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attr)]) -> Self {
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

    fn bytes(self) -> Vec<u8> {
        let opset_import = vec![pb::OperatorSetIdProto { version: 13, ..Default::default() }];
        pb::ModelProto { ir_version: 7, graph: Some(self.graph), opset_import, ..Default::default() }.encode_to_vec()
    }

    fn run(self, inputs: &[Tensor]) -> Result<Vec<f64>> {
        let model = compile(&self.bytes(), &[inputs.to_vec()], &Options::default())?;
        Ok(infer(&model, inputs).remove(0))
    }
}

fn row(values: &[f64]) -> Tensor {
    Tensor::floats(vec![1, values.len()], values.to_vec()).expect("dense")
}

fn close(got: &[f64], want: &[f64]) {
    let error = common::relative_error(got, want);
    assert!(error < 0.01, "got {got:?}, want {want:?}");
}

const X: [f64; 4] = [-1.5, 0.25, 2.0, 3.0];

fn unary(op: &str, attributes: &[(&str, Attr)], f: impl Fn(f64) -> f64) {
    let y = File::new(&[("x", &[1, 4])]).node(op, &["x"], "y", attributes).run(&[row(&X)]).expect(op);
    close(&y, &X.map(f));
}

#[test]
fn matches_reference_activations() {
    unary("Relu", &[], |v| v.max(0.0));
    unary("LeakyRelu", &[("alpha", Attr::Float(0.25))], |v| if v > 0.0 { v } else { 0.25 * v });
    unary("Sigmoid", &[], |v| 1.0 / (1.0 + (-v).exp()));
    unary("Tanh", &[], f64::tanh);
    unary("Exp", &[], f64::exp);
    unary("Abs", &[], f64::abs);
    unary("HardSwish", &[], |v| v * (v / 6.0 + 0.5).clamp(0.0, 1.0));
}

#[test]
fn matches_reference_gemm_with_bias() {
    let file = File::new(&[("x", &[1, 4])])
        .weight("w", &[2, 4], &[1.0, 0.5, -1.0, 2.0, 0.0, 1.0, 0.25, -0.5])
        .weight("b", &[2], &[0.5, -3.0])
        .node("Gemm", &["x", "w", "b"], "y", &[("transB", Attr::Int(1))]);
    close(&file.run(&[row(&X)]).expect("runs"), &[-1.5 + 0.125 - 2.0 + 6.0 + 0.5, 0.25 + 0.5 - 1.5 - 3.0]);
}

#[test]
fn matches_reference_convolution_with_padding() {
    let x = Tensor::floats(vec![1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]).expect("dense");
    let file = File::new(&[("x", &[1, 1, 2, 2])])
        .weight("w", &[1, 1, 3, 3], &[0.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 0.0])
        .node("Conv", &["x", "w"], "y", &[("pads", Attr::Ints(vec![1, 1, 1, 1]))]);
    close(&file.run(&[x]).expect("runs"), &[7.0, 9.0, 11.0, 13.0]);
}

#[test]
fn matches_reference_pooling() {
    let x = Tensor::floats(vec![1, 1, 1, 4], X.to_vec()).expect("dense");
    let attributes = || {
        let (kernel, pads) = (Attr::Ints(vec![1, 2]), Attr::Ints(vec![0, 1, 0, 0]));
        [("kernel_shape", kernel), ("pads", pads), ("strides", Attr::Ints(vec![1, 2]))]
    };
    let pool = |op: &str| File::new(&[("x", &[1, 1, 1, 4])]).node(op, &["x"], "y", &attributes());
    close(&pool("MaxPool").run(std::slice::from_ref(&x)).expect("runs"), &[-1.5, 2.0]);
    close(&pool("AveragePool").run(&[x]).expect("runs"), &[-1.5, 1.125]);
}

#[test]
fn matches_reference_arithmetic_between_inputs() {
    let other = [2.0, 4.0, 0.5, 1.0];
    for (op, f) in [
        ("Add", (|a, b| a + b) as fn(f64, f64) -> f64),
        ("Mul", |a, b| a * b),
        ("Div", |a, b| a / b),
        ("Max", f64::max),
        ("Min", f64::min),
    ] {
        let file = File::new(&[("a", &[1, 4]), ("b", &[1, 4])]).node(op, &["a", "b"], "y", &[]);
        let want: Vec<f64> = X.iter().zip(other).map(|(&a, b)| f(a, b)).collect();
        close(&file.run(&[row(&X), row(&other)]).expect(op), &want);
    }
}

#[test]
fn matches_reference_reductions_and_softmax() {
    let over = || [("axes", Attr::Ints(vec![1]))];
    let reduce = |op: &str| File::new(&[("x", &[1, 4])]).node(op, &["x"], "y", &over()).run(&[row(&X)]).expect(op);
    close(&reduce("ReduceMean"), &[0.9375]);
    close(&reduce("ReduceMax"), &[3.0]);
    close(&reduce("ReduceMin"), &[-1.5]);
    close(&reduce("ReduceL2"), &[X.iter().map(|v| v * v).sum::<f64>().sqrt()]);
    let total: f64 = X.iter().map(|v| v.exp()).sum();
    unary("Softmax", &[], |v| v.exp() / total);
    unary("LogSoftmax", &[], |v| v - total.ln());
    let arg = [("axis", Attr::Int(1))];
    let place = File::new(&[("x", &[1, 4])]).node("ArgMax", &["x"], "y", &arg).run(&[row(&X)]).expect("runs");
    assert_eq!(place, [3.0]);
}

#[test]
fn matches_reference_comparison_and_choice() {
    let zero = File::new(&[("x", &[1, 4])]).weight("zero", &[1], &[0.0]).weight("half", &[1], &[-0.5]);
    let file = zero.node("Greater", &["x", "zero"], "c", &[]).node("Where", &["c", "x", "half"], "y", &[]);
    close(&file.run(&[row(&X)]).expect("runs"), &[-0.5, 0.25, 2.0, 3.0]);
}

#[test]
fn matches_reference_views() {
    let file = File::new(&[("x", &[1, 4])])
        .node("Transpose", &["x"], "t", &[])
        .node("Concat", &["t", "t"], "c", &[("axis", Attr::Int(1))])
        .node("Flatten", &["c"], "y", &[("axis", Attr::Int(0))]);
    close(&file.run(&[row(&X)]).expect("runs"), &[-1.5, -1.5, 0.25, 0.25, 2.0, 2.0, 3.0, 3.0]);
}

#[test]
fn rejects_a_weight_that_is_not_a_number() {
    let file = File::new(&[("x", &[1, 2])]).weight("w", &[2], &[1.0, f32::NAN]).node("Mul", &["x", "w"], "y", &[]);
    match file.run(&[row(&[1.0, 2.0])]) {
        Err(FrontendError::NotFinite { tensor, index: 1, .. }) => assert_eq!(tensor, "w"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rejects_an_unknown_operator_by_node_name() {
    let file = File::new(&[("x", &[1, 4])]).node("Mystery", &["x"], "y", &[]);
    match file.run(&[row(&X)]) {
        Err(FrontendError::Unsupported { node, op, .. }) => {
            assert_eq!((node.as_str(), op.as_str()), ("the_Mystery", "Mystery"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rejects_an_open_dimension_unless_it_is_set() {
    let bytes = || File::new(&[("x", &[-1, 4])]).node("Relu", &["x"], "y", &[]).bytes();
    match compile(&bytes(), &[], &Options::default()) {
        Err(FrontendError::OpenDimension { tensor, axis: 0, symbol }) => {
            assert_eq!((tensor.as_str(), symbol.as_str()), ("x", "rows"))
        }
        other => panic!("{other:?}"),
    }
    let mut options = Options::default();
    options.dims.insert("rows".into(), 3);
    assert_eq!(compile(&bytes(), &[], &options).expect("compiles").inputs[0].shape, [3, 4]);
}

#[test]
fn rejects_samples_of_another_shape_or_with_fractions() {
    let bytes = File::new(&[("x", &[1, 4])]).node("Relu", &["x"], "y", &[]).bytes();
    let wrong = compile(&bytes, &[vec![row(&[1.0])]], &Options::default());
    assert!(matches!(wrong, Err(FrontendError::InputShape { .. })));
    let none = compile(&bytes, &[vec![]], &Options::default());
    assert!(matches!(none, Err(FrontendError::InputCount { expected: 1, got: 0 })));
    assert_eq!(Tensor::new(vec![2], Kind::Int, vec![1.0]), None);
}
