//! One small hand-made ONNX file for each operator family, against values worked out in the test; and refusals.

mod common;
#[path = "common/file.rs"]
mod file;

use common::infer;
use file::{Attr, File, row};
use proveil_frontend::{FrontendError, Kind, Options, OutputPolicy, Result, Tensor, compile};

trait Run {
    fn run(self, inputs: &[Tensor]) -> Result<Vec<f64>>;
}

impl Run for File {
    fn run(self, inputs: &[Tensor]) -> Result<Vec<f64>> {
        let model = compile(&self.bytes(), &[inputs.to_vec()], &Options::default())?;
        Ok(infer(&model, inputs).remove(0))
    }
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

#[test]
fn matches_reference_comparisons_exactly() {
    let a = [-1.5, 0.25, 2.0, 3.0, 1.0 / 3.0, -0.7, 0.0, 1.001];
    let b = [-1.5, 0.5, -2.0, 2.999, 0.34, -0.7, -0.001, 1.0];
    for (op, f) in [
        ("Equal", (|a, b| a == b) as fn(f64, f64) -> bool),
        ("Greater", |a, b| a > b),
        ("GreaterOrEqual", |a, b| a >= b),
        ("Less", |a, b| a < b),
        ("LessOrEqual", |a, b| a <= b),
    ] {
        let file = File::new(&[("a", &[1, 8]), ("b", &[1, 8])]).node(op, &["a", "b"], "y", &[]);
        let want: Vec<f64> = a.iter().zip(b).map(|(&a, b)| f64::from(u8::from(f(a, b)))).collect();
        assert_eq!(file.run(&[row(&a), row(&b)]).expect(op), want, "{op}");
    }
}

#[test]
fn matches_reference_equality_with_a_rounded_value() {
    let file = File::new(&[("x", &[1, 6])]).node("Round", &["x"], "r", &[]).node("Equal", &["x", "r"], "y", &[]);
    let y = file.run(&[row(&[-1.5, 1.0, 0.0, 0.25, -3.0, 2.5])]).expect("runs");
    assert_eq!(y, [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn matches_reference_one_hot_with_negative_and_outside_indices() {
    let file = File::new(&[("x", &[1, 4])])
        .weight("depth", &[1], &[3.0])
        .weight("values", &[2], &[-1.0, 2.0])
        .node("Cast", &["x"], "i", &[("to", Attr::Int(7))])
        .node("OneHot", &["i", "depth", "values"], "y", &[]);
    let y = file.run(&[row(&[1.0, -1.0, 5.0, -4.0])]).expect("runs");
    let off = -1.0;
    assert_eq!(y, [off, 2.0, off, off, off, 2.0, off, off, off, off, off, off]);
}

#[test]
fn matches_reference_normalisation_before_a_product() {
    let gamma = [0.5, 2.0, -1.0, 1.5];
    let beta = [0.25, -0.5, 1.0, 0.0];
    let w = [1.0, 0.5, -1.0, 2.0, 0.0, 1.0, 0.25, -0.5];
    let build = || {
        File::new(&[("x", &[1, 4])])
            .weight("g", &[4], &gamma)
            .weight("b", &[4], &beta)
            .weight("w", &[4, 2], &w)
            .node("LayerNormalization", &["x", "g", "b"], "n", &[("axis", Attr::Int(-1))])
            .node("MatMul", &["n", "w"], "y", &[])
    };
    let mean = X.iter().sum::<f64>() / 4.0;
    let deviation = (X.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0 + 1e-5).sqrt();
    let n: Vec<f64> = (0..4).map(|i| (X[i] - mean) / deviation * f64::from(gamma[i]) + f64::from(beta[i])).collect();
    let want: Vec<f64> = (0..2).map(|j| (0..4).map(|i| n[i] * f64::from(w[2 * i + j])).sum()).collect();
    close(&build().run(&[row(&X)]).expect("runs"), &want);
    // The affine end is part of the weights: only the centred and the normalised row are rounded.
    let model = compile(&build().bytes(), &[vec![row(&X)]], &Options::default()).expect("compiles");
    let rounded = model.graph.nodes.iter().filter(|n| matches!(n.op, proveil_graph::Op::Lookup { .. }));
    let wide = rounded.filter(|n| model.graph.tensors[n.out.0 as usize].cells() == 4).count();
    assert!(wide <= 2, "{wide} look-ups of a whole row");
}

fn attention(rows: &[[f64; 3]]) -> (Vec<f64>, Vec<f64>) {
    let flat: Vec<f64> = rows.iter().flatten().copied().collect();
    let x = Tensor::floats(vec![rows.len(), 3], flat).expect("dense");
    let v = Tensor::floats(vec![3, 2], vec![1.0, -2.0, 0.5, 3.0, -1.5, 0.25]).expect("dense");
    let file = File::new(&[("x", &[rows.len() as i64, 3]), ("v", &[3, 2])])
        .node("Softmax", &["x"], "p", &[("axis", Attr::Int(-1))])
        .node("MatMul", &["p", "v"], "y", &[]);
    let mut want = Vec::new();
    for row in rows {
        let total: f64 = row.iter().map(|s| s.exp()).sum();
        for j in 0..2 {
            want.push((0..3).map(|i| row[i].exp() / total * v.data[2 * i + j]).sum());
        }
    }
    (file.run(&[x, v]).expect("runs"), want)
}

#[test]
fn matches_reference_attention_with_even_and_uneven_rows() {
    let (got, want) = attention(&[[0.1, 0.5, -0.3], [0.0, 0.2, 0.4]]);
    close(&got, &want);
    // Row maxima that are far apart need to be subtracted row by row.
    let (got, want) = attention(&[[20.0, 19.0, 5.0], [-20.0, -21.0, -19.5]]);
    close(&got, &want);
}

#[test]
fn accepts_open_dimensions_closed_by_samples_or_batch() {
    let bytes = || File::new(&[("x", &[-1, 4])]).node("Relu", &["x"], "y", &[]).bytes();
    let two = Tensor::floats(vec![2, 4], [X, X].concat()).expect("dense");
    let model = compile(&bytes(), &[vec![two]], &Options::default()).expect("samples close it");
    assert_eq!(model.inputs[0].shape, [2, 4]);
    let mut options = Options::default();
    options.batch = Some(5);
    assert_eq!(compile(&bytes(), &[], &options).expect("batch closes it").inputs[0].shape, [5, 4]);
}

#[test]
fn accepts_a_hidden_threshold_that_is_a_parameter() {
    let with = |threshold: f64| {
        let mut options = Options::default();
        options.reveal = vec![OutputPolicy::PrivateThreshold(threshold).into()];
        let bytes = File::new(&[("x", &[1, 4])]).node("Tanh", &["x"], "y", &[]).bytes();
        compile(&bytes, &[vec![row(&X)]], &options).expect("compiles")
    };
    let (low, high) = (with(0.1), with(0.97));
    assert_eq!(infer(&low, &[row(&X)])[0], [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(infer(&high, &[row(&X)])[0], [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(low.graph, high.graph);
    assert_ne!(low.params, high.params);
}

#[test]
fn rejects_thresholds_and_samples_that_are_not_numbers() {
    let bytes = File::new(&[("x", &[1, 4])]).node("Tanh", &["x"], "y", &[]).bytes();
    for policy in [
        OutputPolicy::Threshold(f64::NAN),
        OutputPolicy::PrivateThreshold(f64::INFINITY),
        OutputPolicy::Bucket(vec![0.0, f64::NAN]),
    ] {
        let mut options = Options::default();
        options.reveal = vec![policy.into()];
        assert!(matches!(compile(&bytes, &[], &options), Err(FrontendError::Malformed { .. })));
    }
    let bad = row(&[0.0, f64::INFINITY, 0.0, 0.0]);
    let got = compile(&bytes, &[vec![bad]], &Options::default());
    assert!(matches!(got, Err(FrontendError::NotFinite { index: 1, .. })));
}

#[test]
fn rejects_hostile_graphs_without_panic() {
    let huge = File::new(&[("x", &[1 << 20, 1 << 20, 1 << 20])]).node("Relu", &["x"], "y", &[]);
    assert!(matches!(compile(&huge.bytes(), &[], &Options::default()), Err(FrontendError::TooLarge { .. })));
    let cycle = File::new(&[("x", &[1, 4])]).node("Add", &["x", "y"], "y", &[]);
    assert!(cycle.run(&[row(&X)]).is_err());
    let short = File::new(&[("x", &[1, 4])]).weight("w", &[2, 4], &[1.0]).node("Add", &["x", "w"], "y", &[]);
    assert!(short.run(&[row(&X)]).is_err());
    let negative = File::new(&[("x", &[1, 4])]).weight("w", &[-4], &[1.0]).node("Add", &["x", "w"], "y", &[]);
    assert!(negative.run(&[row(&X)]).is_err());
    let axis = File::new(&[("x", &[1, 4])]).node("Softmax", &["x"], "y", &[("axis", Attr::Int(i64::MIN))]);
    assert!(axis.run(&[row(&X)]).is_err());
    let perm = File::new(&[("x", &[1, 4])]).node("Transpose", &["x"], "y", &[("perm", Attr::Ints(vec![0, 0]))]);
    assert!(perm.run(&[row(&X)]).is_err());
    // A slope that is not a number, and a division by zero, have some answer; what counts is that there is one.
    for slope in [f32::NAN, f32::INFINITY, f32::MAX] {
        let _ = File::new(&[("x", &[1, 4])])
            .node("LeakyRelu", &["x"], "y", &[("alpha", Attr::Float(slope))])
            .run(&[row(&X)]);
    }
    let log = File::new(&[("x", &[1, 4])]).node("Log", &["x"], "l", &[]).node("Exp", &["l"], "y", &[]);
    let _ = log.run(&[row(&X)]);
}

/// Numbers that are none, computed from constants: found before anything is quantised, and by `check` too.
#[test]
fn rejects_constants_that_come_out_as_no_numbers() {
    let zero = || File::new(&[("x", &[1, 4])]).weight("z", &[2], &[1.0, 0.0]).node("Div", &["z", "z"], "q", &[]);
    let root = || File::new(&[("x", &[1, 4])]).weight("z", &[2], &[-1.0, 4.0]).node("Sqrt", &["z"], "q", &[]);
    for (place, file) in [(1, zero()), (0, root())] {
        let file = file.node("ReduceSum", &["q"], "s", &[]).node("Add", &["x", "s"], "y", &[]);
        let bytes = file.bytes();
        let message = compile(&bytes, &[vec![row(&X)]], &Options::default()).expect_err("no number").to_string();
        assert!(message.contains("computed from constants"), "{place}: {message}");
        assert!(proveil_frontend::check(&bytes, &Options::default()).is_err());
    }
    // What nothing reads is no matter.
    assert!(zero().node("Relu", &["x"], "y", &[]).run(&[row(&X)]).is_ok());
}

#[test]
fn rejects_names_that_are_defined_twice() {
    let start = || File::new(&[("x", &[1, 4])]).weight("w", &[4], &[1.0, 2.0, 3.0, 4.0]);
    let again = start().node("Relu", &["x"], "a", &[]).node("Exp", &["x"], "a", &[]).node("Add", &["a", "w"], "y", &[]);
    let input = start().node("Relu", &["x"], "x", &[]).node("Exp", &["x"], "y", &[]);
    let constant = start().node("Relu", &["x"], "w", &[]).node("Add", &["x", "w"], "y", &[]);
    for (name, file) in [("a", again), ("x", input), ("w", constant)] {
        let message = compile(&file.bytes(), &[], &Options::default()).expect_err("defined twice").to_string();
        assert!(message.contains(&format!("`{name}`")) && message.contains("defined twice"), "{message}");
    }
}

/// Samples on which the float model has no result: said so, and the error is that of the others.
#[test]
fn accepts_samples_without_a_result_with_a_warning() {
    let bytes = File::new(&[("x", &[1, 4])]).node("Sqrt", &["x"], "y", &[]).bytes();
    let samples = [vec![row(&[1.0, 2.0, 3.0, 4.0])], vec![row(&[1.0, -2.0, 3.0, 4.0])]];
    let model = compile(&bytes, &samples, &Options::default()).expect("compiles");
    let warning = model.report.warnings.iter().find(|w| w.contains("no finite number on 1 of 2"));
    assert!(warning.is_some(), "{:?}", model.report.warnings);
    assert!(model.report.outputs[0].mean.is_finite(), "{:?}", model.report.outputs);
}
