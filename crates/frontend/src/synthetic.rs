//! Model files made to measure: layers of equal shape, of any width, depth and length, with drawn weights.
//!
//! Benchmarks grow one axis at a time with them, and estimates calibrate on them; no file is needed for either.

use prost::Message;
use tract_onnx::pb;

/// A family of networks with the lengths that grow. All have one input, `x`, and one output, `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synthetic {
    /// `layers` dense layers from `width` to `width` cells, each with a ReLU.
    Dense {
        /// Cells of every layer.
        width: usize,
        /// Number of layers.
        layers: usize,
    },
    /// `layers` convolutions of 3x3 with padding, each with a ReLU, on `side` x `side` cells.
    Conv {
        /// Channels of every layer.
        channels: usize,
        /// Height and width.
        side: usize,
        /// Number of layers.
        layers: usize,
    },
    /// `layers` layers of single-headed self-attention with a residual.
    Attention {
        /// Cells of a position.
        width: usize,
        /// Positions.
        sequence: usize,
        /// Number of layers.
        layers: usize,
    },
    /// A recurrent layer (LSTM) over a sequence; the output is its last state.
    Recurrent {
        /// Cells of a position and of the state.
        width: usize,
        /// Positions.
        sequence: usize,
    },
    /// Dense layers from each width to the next one, a ReLU between them.
    Perceptron {
        /// Cells of the input, then of every layer.
        widths: &'static [usize],
    },
    /// The shape of LeNet on 28 x 28 cells: two convolutions of 5x5 with ReLU and maxima of 2x2, then three dense layers.
    LeNet,
    /// A sum of full binary trees.
    Forest {
        /// Number of trees.
        trees: usize,
        /// Comparisons on every path.
        depth: usize,
        /// Cells of the input.
        features: usize,
    },
}

/// A file in the making.
struct File {
    graph: pb::GraphProto,
    state: u64,
}

fn info(name: &str, shape: &[usize]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dim = |&d: &usize| Dimension { value: Some(Value::DimValue(d as i64)), ..Default::default() };
    let shape = pb::TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: 1, shape: Some(shape) };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    let r#type = Some(pb::TypeProto { value, ..Default::default() });
    pb::ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

impl File {
    fn new(input: &[usize]) -> Self {
        let output = vec![pb::ValueInfoProto { name: "y".into(), ..Default::default() }];
        let graph = pb::GraphProto { input: vec![info("x", input)], output, ..Default::default() };
        Self { graph, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Uniform between -1 and 1.
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
    }

    /// Weights of mean 0 and variance `2 / inputs`, so that layers keep the size of their values.
    fn weight(&mut self, name: &str, dims: &[usize], inputs: usize) {
        let reach = (6.0 / inputs as f64).sqrt();
        let float_data = (0..dims.iter().product::<usize>()).map(|_| (self.draw() * reach) as f32).collect();
        let dims = dims.iter().map(|d| *d as i64).collect();
        let tensor = pb::TensorProto { name: name.into(), dims, data_type: 1, float_data, ..Default::default() };
        self.graph.initializer.push(tensor);
    }

    fn node(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<pb::AttributeProto>) {
        self.graph.node.push(pb::NodeProto {
            name: format!("{op}_{}", self.graph.node.len()),
            op_type: op.into(),
            input: inputs.iter().map(|s| (*s).into()).collect(),
            output: outputs.iter().map(|s| (*s).into()).collect(),
            attribute,
            ..Default::default()
        });
    }

    fn bytes(self) -> Vec<u8> {
        let set = |domain: &str, version| pb::OperatorSetIdProto { domain: domain.into(), version };
        let opset_import = vec![set("", 13), set("ai.onnx.ml", 2)];
        pb::ModelProto { ir_version: 7, graph: Some(self.graph), opset_import, ..Default::default() }.encode_to_vec()
    }

    /// Name of a layer's result: the last one is the output.
    fn name(layer: usize, layers: usize) -> String {
        if layer + 1 == layers { "y".into() } else { format!("h{layer}") }
    }
}

fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), ints: values.to_vec(), r#type: 7, ..Default::default() }
}

fn int(name: &str, value: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), i: value, r#type: 2, ..Default::default() }
}

fn floats(name: &str, values: Vec<f32>) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), floats: values, r#type: 6, ..Default::default() }
}

impl Synthetic {
    /// The model file.
    #[must_use]
    pub fn onnx(&self) -> Vec<u8> {
        match *self {
            Self::Dense { width, layers } => dense(width, layers.max(1)),
            Self::Conv { channels, side, layers } => conv(channels, side, layers.max(1)),
            Self::Attention { width, sequence, layers } => attention(width, sequence, layers.max(1)),
            Self::Recurrent { width, sequence } => recurrent(width, sequence),
            Self::Perceptron { widths } => perceptron(widths),
            Self::LeNet => lenet(),
            Self::Forest { trees, depth, features } => forest(trees.max(1), depth, features.max(1)),
        }
    }
}

fn dense(width: usize, layers: usize) -> Vec<u8> {
    let mut f = File::new(&[1, width]);
    let mut x = "x".to_string();
    for k in 0..layers {
        let (w, b, h, y) = (format!("w{k}"), format!("b{k}"), format!("a{k}"), File::name(k, layers));
        f.weight(&w, &[width, width], width);
        f.weight(&b, &[width], 100 * width);
        f.node("Gemm", &[&x, &w, &b], &[&h], vec![]);
        f.node("Relu", &[&h], &[&y], vec![]);
        x = y;
    }
    f.bytes()
}

fn conv(channels: usize, side: usize, layers: usize) -> Vec<u8> {
    let mut f = File::new(&[1, channels, side, side]);
    let mut x = "x".to_string();
    for k in 0..layers {
        let (w, b, h, y) = (format!("w{k}"), format!("b{k}"), format!("a{k}"), File::name(k, layers));
        f.weight(&w, &[channels, channels, 3, 3], 9 * channels);
        f.weight(&b, &[channels], 900 * channels);
        f.node("Conv", &[&x, &w, &b], &[&h], vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])]);
        f.node("Relu", &[&h], &[&y], vec![]);
        x = y;
    }
    f.bytes()
}

fn attention(width: usize, sequence: usize, layers: usize) -> Vec<u8> {
    let mut f = File::new(&[1, sequence, width]);
    let mut x = "x".to_string();
    for k in 0..layers {
        let n = |part: &str| format!("{part}{k}");
        for part in ["q", "k", "v"] {
            // A third of the usual variance keeps scores in the range that soft-max tells apart.
            f.weight(&n(&format!("w{part}")), &[width, width], 6 * width);
            f.node("MatMul", &[&x, &n(&format!("w{part}"))], &[&n(part)], vec![]);
        }
        f.node("Transpose", &[&n("k")], &[&n("t")], vec![ints("perm", &[0, 2, 1])]);
        f.node("MatMul", &[&n("q"), &n("t")], &[&n("s")], vec![]);
        f.node("Softmax", &[&n("s")], &[&n("p")], vec![int("axis", -1)]);
        f.node("MatMul", &[&n("p"), &n("v")], &[&n("m")], vec![]);
        let y = File::name(k, layers);
        f.node("Add", &[&n("m"), &x], &[&y], vec![]);
        x = y;
    }
    f.bytes()
}

fn recurrent(width: usize, sequence: usize) -> Vec<u8> {
    let mut f = File::new(&[sequence, 1, width]);
    f.weight("w", &[1, 4 * width, width], 2 * width);
    f.weight("r", &[1, 4 * width, width], 2 * width);
    f.node("LSTM", &["x", "w", "r"], &["", "y"], vec![int("hidden_size", width as i64)]);
    f.bytes()
}

impl File {
    /// Dense layers from `x`, a ReLU between them; the last one is the output.
    fn layers(&mut self, mut x: String, widths: &[usize]) {
        let layers = widths.len().saturating_sub(1);
        for (k, pair) in widths.windows(2).enumerate() {
            let (w, b, y) = (format!("w{k}"), format!("b{k}"), File::name(k, layers));
            self.weight(&w, pair, pair[0]);
            self.weight(&b, &pair[1..], 100 * pair[0]);
            if k + 1 == layers {
                self.node("Gemm", &[&x, &w, &b], &[&y], vec![]);
            } else {
                self.node("Gemm", &[&x, &w, &b], &[&format!("a{k}")], vec![]);
                self.node("Relu", &[&format!("a{k}")], &[&y], vec![]);
            }
            x = y;
        }
    }
}

fn perceptron(widths: &[usize]) -> Vec<u8> {
    let mut f = File::new(&[1, widths.first().copied().unwrap_or(1)]);
    f.layers("x".into(), widths);
    f.bytes()
}

fn lenet() -> Vec<u8> {
    let mut f = File::new(&[1, 1, 28, 28]);
    let mut x = "x".to_string();
    for (k, [from, to]) in [[1, 6], [6, 16]].into_iter().enumerate() {
        let n = |part: &str| format!("{part}{k}");
        f.weight(&n("k"), &[to, from, 5, 5], 25 * from);
        f.weight(&n("kb"), &[to], 2500 * from);
        f.node("Conv", &[&x, &n("k"), &n("kb")], &[&n("c")], vec![ints("kernel_shape", &[5, 5])]);
        f.node("Relu", &[&n("c")], &[&n("r")], vec![]);
        let halves = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        f.node("MaxPool", &[&n("r")], &[&n("m")], halves);
        x = n("m");
    }
    f.node("Flatten", &[&x], &["flat"], vec![int("axis", 1)]);
    f.layers("flat".into(), &[256, 120, 84, 10]);
    f.bytes()
}

/// Children of node `n` are `2n + 1` and `2n + 2`; the nodes of the last level are leaves.
fn forest(trees: usize, depth: usize, features: usize) -> Vec<u8> {
    let mut f = File::new(&[1, features]);
    let (inner, all) = ((1usize << depth) - 1, (2usize << depth) - 1);
    let each = |of: &dyn Fn(usize, usize) -> i64| -> Vec<i64> {
        (0..trees).flat_map(|t| (0..all).map(move |n| (t, n))).map(|(t, n)| of(t, n)).collect()
    };
    let child = |n: usize, side: usize| if n < inner { (2 * n + side) as i64 } else { 0 };
    let modes = each(&|_, n| i64::from(n < inner));
    let modes = modes.iter().map(|m| [&b"LEAF"[..], b"BRANCH_LEQ"][*m as usize].to_vec()).collect();
    let chosen: Vec<i64> = (0..trees * all).map(|_| ((f.draw() + 1.0) / 2.0 * features as f64) as i64).collect();
    let thresholds = (0..trees * all).map(|_| f.draw() as f32).collect();
    let leaves = trees * (all - inner);
    let weights = (0..leaves).map(|_| f.draw() as f32).collect();
    let of_leaf = |of: &dyn Fn(usize) -> usize| (0..leaves).map(|l| of(l) as i64).collect::<Vec<i64>>();
    let attributes = vec![
        ints("nodes_treeids", &each(&|t, _| t as i64)),
        ints("nodes_nodeids", &each(&|_, n| n as i64)),
        ints("nodes_featureids", &chosen),
        ints("nodes_truenodeids", &each(&|_, n| child(n, 1))),
        ints("nodes_falsenodeids", &each(&|_, n| child(n, 2))),
        pb::AttributeProto { name: "nodes_modes".into(), strings: modes, r#type: 8, ..Default::default() },
        floats("nodes_values", thresholds),
        ints("target_treeids", &of_leaf(&|l| l / (all - inner))),
        ints("target_nodeids", &of_leaf(&|l| inner + l % (all - inner))),
        ints("target_ids", &vec![0; leaves]),
        floats("target_weights", weights),
        int("n_targets", 1),
    ];
    f.node("TreeEnsembleRegressor", &["x"], &["y"], attributes);
    if let Some(node) = f.graph.node.last_mut() {
        node.domain = "ai.onnx.ml".into();
    }
    f.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Native, Options, Tensor, compile};

    #[test]
    fn matches_reference_of_the_float_engine() {
        let all = [
            (Synthetic::Dense { width: 12, layers: 3 }, vec![1, 12], 3 * 13 * 12),
            (Synthetic::Conv { channels: 3, side: 5, layers: 2 }, vec![1, 3, 5, 5], 2 * (81 + 3)),
            (Synthetic::Attention { width: 8, sequence: 6, layers: 2 }, vec![1, 6, 8], 2 * 3 * 64),
            (Synthetic::Recurrent { width: 6, sequence: 4 }, vec![4, 1, 6], 2 * 4 * 36),
            (Synthetic::Perceptron { widths: &[16, 32, 16, 1] }, vec![1, 16], 544 + 528 + 17),
            (Synthetic::LeNet, vec![1, 1, 28, 28], 156 + 2416 + 30840 + 10164 + 850),
        ];
        for (family, shape, params) in all {
            let onnx = family.onnx();
            let model = compile(&onnx, &[], &Options::default()).unwrap_or_else(|e| panic!("{family:?}: {e}"));
            assert_eq!(proveil_graph::Stats::of(&model.graph).params, params, "{family:?}");
            assert!(model.report.outputs[0].relative < 0.02, "{family:?}: {:?}", model.report.outputs);
            let data: Vec<f64> =
                (0..shape.iter().product::<usize>()).map(|i| f64::from((i as f32 * 0.7).sin())).collect();
            let cells = model.inputs[0].quantise(&data).expect("in range");
            let all = proveil_graph::run(&model.graph, &model.params, &[cells]).expect("runs");
            let got = model.outputs[0].dequantise(&all[model.graph.outputs[0].0 as usize]);
            let native = Native::load(&onnx, std::slice::from_ref(&shape)).expect("loads");
            let want = native.run(&[Tensor::floats(shape, data).expect("dense")]).expect("runs");
            let top = want[0].data.iter().fold(0f64, |m, v| m.max(v.abs()));
            assert!(top > 0.01 && got.len() == want[0].data.len(), "{family:?}");
            assert!(got.iter().zip(&want[0].data).all(|(g, w)| (g - w).abs() < 0.03 * top), "{family:?}");
        }
    }

    #[test]
    fn matches_reference_of_walked_trees() {
        let (trees, depth, features) = (5, 3, 4);
        let onnx = Synthetic::Forest { trees, depth, features }.onnx();
        let file = pb::ModelProto::decode(&onnx[..]).expect("decodes");
        let node = &file.graph.as_ref().expect("a graph").node[0];
        let of = |name: &str| node.attribute.iter().find(|a| a.name == name).expect("the attribute");
        let model = compile(&onnx, &[], &Options::default()).expect("compiles");
        let mut seen = Vec::new();
        for k in 0..8 {
            let x: Vec<f64> = (0..features).map(|i| f64::from(((i + 4 * k) as f32 * 0.7).sin())).collect();
            let mut sum = 0.0;
            for t in 0..trees {
                let mut n = 0;
                for _ in 0..depth {
                    let at = t * 15 + n;
                    let left = x[of("nodes_featureids").ints[at] as usize] <= f64::from(of("nodes_values").floats[at]);
                    n = of(["nodes_falsenodeids", "nodes_truenodeids"][usize::from(left)]).ints[at] as usize;
                }
                let leaf = t * 8 + n - 7;
                assert_eq!(of("target_nodeids").ints[leaf], n as i64);
                sum += f64::from(of("target_weights").floats[leaf]);
            }
            let cells = model.inputs[0].quantise(&x).expect("in range");
            let all = proveil_graph::run(&model.graph, &model.params, &[cells]).expect("runs");
            let got = model.outputs[0].dequantise(&all[model.graph.outputs[0].0 as usize])[0];
            assert!((got - sum).abs() < 0.01, "{got} {sum}");
            seen.push(got.to_bits());
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 4, "samples take different paths");
    }
}
