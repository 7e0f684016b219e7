//! Operators of `com.microsoft` that stand for several standard ones: what onnxruntime's optimiser and quantiser write.
//! Each becomes the nodes that it was made of. A quantised one is the operator on dequantised operands, quantised again,
//! which is what its definition says; `quantised` works on the integers.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;

/// Attributes that a part takes over under the same name.
const GEMM: [&str; 4] = ["alpha", "beta", "transA", "transB"];
const CONV: [&str; 6] = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
const POOL: [&str; 7] = ["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"];
const RECURRENT: [&str; 7] =
    ["activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "input_forget"];
/// What onnxruntime adds to the variance where the file says nothing.
const EPSILON: f64 = 1e-12;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if n.domain != "com.microsoft" {
        return Ok(None);
    }
    let mut p = Parts { im, n, made: 0 };
    let out = match n.op.as_str() {
        "FusedConv" => {
            let y = p.step("Conv", &inputs(n, 0..3), &CONV)?;
            let y = p.plus(y, 3)?;
            p.activation(y, true)?
        }
        "FusedGemm" => {
            let y = p.step("Gemm", &inputs(n, 0..3), &GEMM)?;
            p.activation(y, false)?
        }
        "BiasGelu" => {
            let y = p.step("Add", &inputs(n, 0..2), &[])?;
            p.step("Gelu", &[y], &[])?
        }
        "FastGelu" if has(n, 1) => {
            let y = p.step("Add", &inputs(n, 0..2), &[])?;
            p.step("FastGelu", &[y], &[])?
        }
        "SkipLayerNormalization" => return p.skip_normalisation("LayerNormalization", 2..4, 4).map(Some),
        "SkipSimplifiedLayerNormalization" => {
            return p.skip_normalisation("SimplifiedLayerNormalization", 2..3, 3).map(Some);
        }
        "MatMulIntegerToFloat" => {
            let [a, b, sa, sb, za, zb, bias] = [0, 1, 2, 3, 4, 5, 6].map(|i| input(n, i));
            p.matrix_product([a, b, sa, sb, za, zb, bias])?
        }
        "DynamicQuantizeMatMul" => {
            let [x, b, sb, zb, bias] = [0, 1, 2, 3, 4].map(|i| input(n, i));
            let [a, sa, za] = p.dynamically(x)?;
            p.matrix_product([a, b, sa, sb, za, zb, bias])?
        }
        "DynamicQuantizeLSTM" => return p.recurrent().map(Some),
        "QLinearAdd" => p.quantised("Add", 2, &[])?,
        "QLinearMul" => p.quantised("Mul", 2, &[])?,
        "QLinearSigmoid" => p.quantised("Sigmoid", 1, &[])?,
        "QLinearLeakyRelu" => p.quantised("LeakyRelu", 1, &["alpha"])?,
        "QLinearSoftmax" => p.quantised("Softmax", 1, &["axis"])?,
        "QLinearReduceMean" => p.quantised("ReduceMean", 1, &["axes", "keepdims"])?,
        "QLinearGlobalAveragePool" => p.quantised("GlobalAveragePool", 1, &[])?,
        "QLinearAveragePool" => p.quantised("AveragePool", 1, &POOL)?,
        "QLinearConcat" => {
            let parts = (2..n.inputs.len()).step_by(3).map(|i| p.real(i)).collect::<Result<Vec<_>>>()?;
            let y = p.step("Concat", &parts, &["axis"])?;
            p.step("QuantizeLinear", &[y, input(n, 0), input(n, 1)], &[])?
        }
        "QLinearWhere" => {
            let (a, b) = (p.real(1)?, p.real(4)?);
            let y = p.step("Where", &[input(n, 0), a, b], &[])?;
            p.step("QuantizeLinear", &[y, input(n, 7), input(n, 8)], &[])?
        }
        _ => return Ok(None),
    };
    p.result(&out).map(|y| Some(vec![y]))
}

/// Name of input `i`, empty where it is not given.
fn input(n: &Node, i: usize) -> String {
    n.inputs.get(i).cloned().unwrap_or_default()
}

fn has(n: &Node, i: usize) -> bool {
    n.inputs.get(i).is_some_and(|name| !name.is_empty())
}

fn inputs(n: &Node, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|i| input(n, i)).collect()
}

/// The parts of one node, made one after the other.
struct Parts<'a, 'b> {
    im: &'a mut Importer<'b>,
    n: &'a Node,
    made: usize,
}

impl Parts<'_, '_> {
    /// Makes a part, and gives the name of its first output.
    fn step(&mut self, op: &str, inputs: &[String], keep: &[&str]) -> Result<String> {
        let kept: Vec<(&str, &str)> = keep.iter().map(|name| (*name, *name)).collect();
        let node = self.n.part(op, inputs.to_vec(), &kept);
        self.put(node, 1).map(|mut names| names.remove(0))
    }

    /// Makes a part with `count` outputs, and gives their names.
    fn put(&mut self, mut node: Node, count: usize) -> Result<Vec<String>> {
        self.made += 1;
        node.name = format!("{}/{}", self.n.name, node.op);
        node.outputs = (0..count).map(|i| format!("{}~{}~{i}", node.name, self.made)).collect();
        self.im.define(&node)?;
        Ok(node.outputs)
    }

    /// The tensor of a name, with what is known of its type.
    fn result(&mut self, name: &str) -> Result<TensorId> {
        let known = self.im.types.get(name).copied().zip(self.n.outputs.first());
        self.im.types.extend(known.map(|(t, own)| (own.clone(), t)));
        let missing = || self.n.malformed("has no result; export the model again");
        self.im.env.get(name).copied().ok_or_else(missing)
    }

    /// The sum with input `i`, if that is given.
    fn plus(&mut self, y: String, i: usize) -> Result<String> {
        if has(self.n, i) { self.step("Add", &[y, input(self.n, i)], &[]) } else { Ok(y) }
    }

    /// The activation function that the node ends in: its numbers are one list or attributes of their own.
    fn activation(&mut self, y: String, list: bool) -> Result<String> {
        let n = self.n;
        let Some(op) = n.string("activation")?.filter(|op| !op.is_empty()) else { return Ok(y) };
        let names: &[&str] = match op.as_str() {
            "Relu" | "Tanh" | "Sigmoid" | "Softplus" | "Softsign" => &[],
            "LeakyRelu" | "Elu" | "ThresholdedRelu" => &["alpha"],
            "HardSigmoid" => &["alpha", "beta"],
            "Clip" if list => &["min", "max"],
            _ => return Err(n.unsupported(format!("activation {op}"), "save the model without this optimisation")),
        };
        let given = if list { n.floats_or_infinite("activation_params")?.unwrap_or_default() } else { Vec::new() };
        let mut node = n.part(&op, vec![y], &[]);
        for (i, name) in names.iter().enumerate() {
            let value = if list { given.get(i).copied() } else { n.float(&format!("activation_{name}"))? };
            if let Some(v) = value {
                // Bounds that bound nothing.
                node = node.with_float(name, v.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)));
            }
        }
        self.put(node, 1).map(|mut names| names.remove(0))
    }

    /// The normalised sum of two tensors and a bias; outputs are the result, means, inverse deviations and the sum.
    fn skip_normalisation(&mut self, op: &str, factors: std::ops::Range<usize>, bias: usize) -> Result<Vec<TensorId>> {
        let n = self.n;
        let sum = self.step("Add", &inputs(n, 0..2), &[])?;
        let sum = self.plus(sum, bias)?;
        let mut operands = vec![sum.clone()];
        operands.extend(inputs(n, factors));
        let node = n.part(op, operands, &[]).with_float("epsilon", n.float("epsilon")?.unwrap_or(EPSILON));
        let full = op == "LayerNormalization";
        let names = self.put(node, if full { 3 } else { 1 })?;
        let of = |p: &mut Self, i: usize| p.result(names.get(i).unwrap_or(&names[0]));
        if !full && (1..3).any(|i| n.outputs.get(i).is_some_and(|name| !name.is_empty())) {
            return Err(n.unsupported("its means are read", "export the model without these outputs"));
        }
        Ok(vec![of(self, 0)?, of(self, 1)?, of(self, 2)?, self.result(&sum)?])
    }

    /// The real numbers of the operand at input `i`, which its scale and its offset follow.
    fn real(&mut self, i: usize) -> Result<String> {
        self.step("DequantizeLinear", &inputs(self.n, i..i + 3), &[])
    }

    /// An operator on `count` quantised operands, with a quantised result.
    fn quantised(&mut self, op: &str, count: usize, keep: &[&str]) -> Result<String> {
        let n = self.n;
        if n.int("channels_last")? == Some(1) {
            return Err(n.unsupported("channels are last", "quantise the model with channels first"));
        }
        let operands = (0..count).map(|k| self.real(3 * k)).collect::<Result<Vec<_>>>()?;
        let kept: Vec<(&str, &str)> = keep.iter().map(|name| (*name, *name)).collect();
        let mut node = n.part(op, operands, &kept);
        // Soft-max says itself which definition it means.
        node.opset = n.int("opset")?.unwrap_or(node.opset);
        let y = self.put(node, 1)?.remove(0);
        self.step("QuantizeLinear", &[y, input(n, 3 * count), input(n, 3 * count + 1)], &[])
    }

    /// Bytes, scale and offset of a real tensor.
    fn dynamically(&mut self, x: String) -> Result<[String; 3]> {
        let node = self.n.part("DynamicQuantizeLinear", vec![x], &[]);
        let names = self.put(node, 3)?;
        <[String; 3]>::try_from(names).map_err(|_| self.n.malformed("has no result; export the model again"))
    }

    /// `sa sb (a - za) (b - zb) + bias`.
    fn matrix_product(&mut self, [a, b, sa, sb, za, zb, bias]: [String; 7]) -> Result<String> {
        let y = self.step("MatMulInteger", &[a, b, za, zb], &[])?;
        let node = self.n.part("Cast", vec![y], &[]).with_int("to", 1);
        let y = self.put(node, 1)?.remove(0);
        let scale = self.step("Mul", &[sa, sb], &[])?;
        let y = self.step("Mul", &[y, scale], &[])?;
        if bias.is_empty() { Ok(y) } else { self.step("Add", &[y, bias], &[]) }
    }

    /// A recurrent layer with bytes for weights. Inputs and states are real: that its definition rounds them to bytes
    /// before each product is an approximation of this.
    fn recurrent(&mut self) -> Result<Vec<TensorId>> {
        let n = self.n;
        let (w, r) = (self.bytes_as_rows(1, 8)?, self.bytes_as_rows(2, 10)?);
        let operands = vec![input(n, 0), w, r, input(n, 3), input(n, 4), input(n, 5), input(n, 6), input(n, 7)];
        let kept = RECURRENT.map(|name| (name, name));
        let names = self.put(n.part("LSTM", operands, &kept), 3)?;
        names.iter().map(|name| self.result(name)).collect()
    }

    /// Constant bytes `[directions, inputs, gates]` of input `i`, with scales and offsets of directions or gates from input
    /// `scale` on, as real numbers `[directions, gates, inputs]`; gives their name.
    fn bytes_as_rows(&mut self, i: usize, scale: usize) -> Result<String> {
        let n = self.n;
        let given = self.im.arg(n, i)?;
        let shape = self.im.g.shape(given).to_vec();
        let list =
            |im: &Importer, i: usize| im.const_arg(n, i)?.ok_or_else(|| n.malformed(format!("input {i} is missing")));
        let (bytes, scales, offsets) = (list(self.im, i)?, list(self.im, scale)?, list(self.im, scale + 1)?);
        let &[dirs, inner, gates] = &shape[..] else {
            return Err(n.malformed(format!("weights {shape:?} have not three axes; export the model again")));
        };
        let fits = |v: &[f64]| v.len() == dirs || v.len() == dirs * gates;
        if !fits(&scales) || !fits(&offsets) {
            let reason = format!("{} scales and {} offsets for weights {shape:?}", scales.len(), offsets.len());
            return Err(n.malformed(format!("{reason}; export the model again")));
        }
        let at = |v: &[f64], d: usize, g: usize| v[if v.len() == dirs { d } else { d * gates + g }];
        let cell = |k: usize| {
            let (d, g, j) = (k / inner / gates, k / inner % gates, k % inner);
            (bytes[(d * inner + j) * gates + g] - at(&offsets, d, g)) * at(&scales, d, g)
        };
        let data = (0..bytes.len()).map(cell).collect();
        let id = self.im.g.weight(vec![dirs, gates, inner], data);
        let name = format!("{}/weights~{i}", n.name);
        self.im.env.insert(name.clone(), id);
        Ok(name)
    }
}
