//! One node test of the ONNX standard: reads its files and judges the integer model against its expected outputs.

use std::path::Path;

use prost::Message;
use proveil_frontend::{FrontendError, Kind, Model, Options, Tensor, compile};
use tract_onnx::pb;

/// Largest error of a float output, relative to its largest expected value.
const TOLERANCE: f64 = 0.01;

/// What became of a case.
pub enum Outcome {
    /// With a note on constants that had to be made of inputs.
    Passed(String),
    Failed(String),
    Unsupported(String),
    /// The case holds what no integer model has: other element types, values that are not finite, empty tensors.
    Skipped(String),
}

/// Which inputs become constants.
type Fixed = fn(usize, &Tensor) -> bool;

/// A case: the model, its inputs and its expected outputs.
pub struct Case {
    /// The operator under test, or a list of operators.
    pub operator: String,
    model: pb::ModelProto,
    inputs: Vec<(pb::TensorProto, Tensor)>,
    outputs: Vec<Tensor>,
}

impl Case {
    /// Reads a case folder.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(folder.join("model.onnx")).map_err(|e| e.to_string())?;
        let model = pb::ModelProto::decode(&bytes[..]).map_err(|e| e.to_string())?;
        let nodes = model.graph.as_ref().map(|g| &g.node[..]).unwrap_or_default();
        let operator = match nodes {
            [one] if one.domain.is_empty() => one.op_type.clone(),
            [one] => format!("{}.{}", one.domain, one.op_type),
            _ => "composed".into(),
        };
        let data = folder.join("test_data_set_0");
        let protos = |side: &str| -> Result<Vec<pb::TensorProto>, String> {
            (0..)
                .map_while(|i| std::fs::read(data.join(format!("{side}_{i}.pb"))).ok())
                .map(|b| pb::TensorProto::decode(&b[..]).map_err(|e| e.to_string()))
                .collect()
        };
        let inputs = protos("input")?.into_iter().map(|p| tensor(&p).map(|t| (p, t))).collect::<Result<_, _>>()?;
        let outputs = protos("output")?.iter().map(tensor).collect::<Result<_, _>>()?;
        Ok(Self { operator, model, inputs, outputs })
    }

    /// The file with some inputs turned into constants, and the inputs that are left.
    fn with_constants(&self, fixed: Fixed) -> (Vec<u8>, Vec<Tensor>, usize) {
        let mut model = self.model.clone();
        let (mut left, mut count) = (Vec::new(), 0);
        if let Some(graph) = &mut model.graph {
            let names: Vec<String> = graph.input.iter().map(|v| v.name.clone()).collect();
            for (i, (proto, t)) in self.inputs.iter().enumerate() {
                let Some(name) = names.get(i) else { continue };
                if fixed(i, t) {
                    graph.initializer.push(pb::TensorProto { name: name.clone(), ..proto.clone() });
                    graph.input.retain(|v| &v.name != name);
                    count += 1;
                } else {
                    left.push(t.clone());
                }
            }
        }
        (model.encode_to_vec(), left, count)
    }
}

/// A tensor of the case's files; all of them hold raw little-endian bytes.
fn tensor(p: &pb::TensorProto) -> Result<Tensor, String> {
    let shape: Vec<usize> = p.dims.iter().map(|&d| d as usize).collect();
    let raw = &p.raw_data;
    fn cells<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.chunks_exact(N).filter_map(|c| c.try_into().ok()).map(f).collect()
    }
    let (kind, data) = match p.data_type {
        1 => (Kind::Float, cells(raw, |b| f64::from(f32::from_le_bytes(b)))),
        11 => (Kind::Float, cells(raw, f64::from_le_bytes)),
        10 => (Kind::Float, cells(raw, |b| half(u16::from_le_bytes(b)))),
        16 => (Kind::Float, cells(raw, |b| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)))),
        2 => (Kind::Int, cells(raw, |b: [u8; 1]| f64::from(b[0]))),
        3 => (Kind::Int, cells(raw, |b: [u8; 1]| f64::from(b[0] as i8))),
        4 => (Kind::Int, cells(raw, |b| f64::from(u16::from_le_bytes(b)))),
        5 => (Kind::Int, cells(raw, |b| f64::from(i16::from_le_bytes(b)))),
        6 => (Kind::Int, cells(raw, |b| f64::from(i32::from_le_bytes(b)))),
        7 => (Kind::Int, cells(raw, |b| i64::from_le_bytes(b) as f64)),
        12 => (Kind::Int, cells(raw, |b| f64::from(u32::from_le_bytes(b)))),
        13 => (Kind::Int, cells(raw, |b| u64::from_le_bytes(b) as f64)),
        9 => (Kind::Bool, cells(raw, |b: [u8; 1]| f64::from(b[0]))),
        code => return Err(format!("element type {code}")),
    };
    if data.is_empty() || shape.contains(&0) {
        return Err("an empty tensor".into());
    }
    Tensor::new(shape, kind, data).ok_or_else(|| "a tensor that is not dense".into())
}

/// A binary16: with its exponent read as one of eight bits it is a binary32 whose unit is 2^112 times finer.
fn half(bits: u16) -> f64 {
    let (sign, rest) = (u32::from(bits >> 15) << 31, u32::from(bits & 0x7fff) << 13);
    match bits >> 10 & 31 {
        31 => f64::from(f32::from_bits(sign | rest | 0x7f80_0000)),
        _ => f64::from(f32::from_bits(sign | rest)) * 2f64.powi(112),
    }
}

/// Compiles and runs a case; constants are made of as few inputs as possible.
pub fn judge(case: &Case) -> Outcome {
    let all = case.inputs.iter().map(|i| &i.1).chain(&case.outputs);
    if all.clone().any(|t| t.data.iter().any(|v| !v.is_finite())) {
        return Outcome::Skipped("values that are not finite".into());
    }
    let attempts: [(&str, Fixed); 4] = [
        ("", |_, _| false),
        ("whole numbers after the first input", |i, t| i > 0 && t.kind != Kind::Float),
        ("all inputs but the first", |i, _| i > 0),
        ("all inputs", |_, _| true),
    ];
    let mut first: Option<Outcome> = None;
    let mut done = Vec::new();
    for (what, fixed) in attempts {
        let (bytes, inputs, count) = case.with_constants(fixed);
        if done.contains(&count) {
            continue;
        }
        done.push(count);
        let outcome = match compile(&bytes, std::slice::from_ref(&inputs), &Options::default()) {
            Ok(model) => match run(&model, &inputs, &case.outputs) {
                Ok(()) if what.is_empty() => return Outcome::Passed(String::new()),
                Ok(()) => return Outcome::Passed(format!("constants: {what}")),
                Err(why) => Outcome::Failed(why),
            },
            Err(e @ FrontendError::Unsupported { .. }) => Outcome::Unsupported(e.to_string()),
            Err(e) => Outcome::Failed(e.to_string()),
        };
        // What is said about the file as it is counts, unless a later attempt gets farther.
        let farther = matches!((&first, &outcome), (Some(Outcome::Unsupported(_)), Outcome::Failed(_)));
        if first.is_none() || farther {
            first = Some(outcome);
        }
    }
    first.unwrap_or(Outcome::Failed("no attempt was made".into()))
}

fn run(model: &Model, inputs: &[Tensor], expected: &[Tensor]) -> Result<(), String> {
    let cells = model.inputs.iter().zip(inputs).map(|(spec, t)| spec.quantise(&t.data));
    let cells = cells.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    let all = proveil_graph::interpret::run(&model.graph, &model.params, &cells).map_err(|e| e.to_string())?;
    for ((id, spec), want) in model.graph.outputs.iter().zip(&model.outputs).zip(expected) {
        let got = spec.dequantise(&all[id.0 as usize]);
        if spec.shape != want.shape {
            return Err(format!("output `{}` has shape {:?}, expected {:?}", spec.name, spec.shape, want.shape));
        }
        let top = want.data.iter().fold(0f64, |m, v| m.max(v.abs()));
        let room = if want.kind == Kind::Float { TOLERANCE * top.max(1e-6) } else { 0.0 };
        let worst = got.iter().zip(&want.data).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
        if worst > room {
            return Err(format!("output `{}` is off by {worst:.5} of {top:.5}", spec.name));
        }
    }
    Ok(())
}
