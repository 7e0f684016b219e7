//! Joins two ONNX files: what the first one makes feeds the second one. Preprocessing then belongs to the model, so
//! that a proof covers it.

mod names;
mod versions;

use std::collections::{HashMap, HashSet};

use prost::Message;
use tract_onnx::pb;

use crate::error::{FrontendError, Result};
use crate::onnx::Limits;

/// What was joined.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Composed {
    /// Bytes of the joined file.
    pub onnx: Vec<u8>,
    /// Outputs of the first file with the inputs of the second one that they feed.
    pub joined: Vec<(String, String)>,
    /// Inputs of the joined file.
    pub inputs: Vec<String>,
    /// Outputs of the joined file: those of the second one, then those of the first one that feed nothing.
    pub outputs: Vec<String>,
}

/// Joins two files. `pairs` names outputs of the first file and the inputs of the second one that they feed; without
/// any, tensors of equal name are joined, and if there are none, tensors at equal positions. Inputs of the second file
/// that nothing feeds stay inputs. Names of the second file that the first one has too get a number behind them.
///
/// # Errors
/// `Decode` and `TooLarge` for files that cannot be read; `Malformed` for tensors that are not there or do not fit in
/// type or shape, for parts of a file that would be lost, and for operators that mean something else in the version of
/// the other file.
pub fn compose(first: &[u8], second: &[u8], pairs: &[(String, String)]) -> Result<Composed> {
    let (mut a, mut b) = (decode("the first file", first)?, decode("the second file", second)?);
    let opsets = versions::reconcile(&a, &b)?;
    let (ga, gb) = (graph(&mut a)?, graph(&mut b)?);
    let pairs = matched(&ga, &gb, pairs)?;
    for (from, to) in &pairs {
        fits(value(&ga.output, from)?, value(&gb.input, to)?, &declared(&ga, from))?;
    }
    let feeds: HashMap<String, String> = pairs.iter().map(|(from, to)| (to.clone(), from.clone())).collect();
    let renamed = names::unique(&ga, &gb, &feeds);
    let fed: HashSet<&String> = pairs.iter().map(|(from, _)| from).collect();
    let mut gb = gb;
    gb.input.retain(|i| !feeds.contains_key(&i.name));
    gb.value_info.retain(|v| !feeds.contains_key(&v.name));
    names::rename(&mut gb, &renamed);
    let mut joined = ga;
    joined.name = format!("{}_{}", named(&joined.name, "first"), named(&gb.name, "second"));
    joined.output.retain(|o| !fed.contains(&o.name));
    let rest = std::mem::replace(&mut joined.output, gb.output);
    joined.output.extend(rest);
    joined.node.extend(gb.node);
    joined.initializer.extend(gb.initializer);
    joined.input.extend(gb.input);
    joined.value_info.extend(gb.value_info);
    let constants: HashSet<&String> = joined.initializer.iter().map(|t| &t.name).collect();
    let inputs = joined.input.iter().map(|v| &v.name).filter(|n| !constants.contains(n)).cloned().collect();
    let outputs = joined.output.iter().map(|v| v.name.clone()).collect();
    let have: HashSet<String> = a.metadata_props.iter().map(|p| p.key.clone()).collect();
    a.metadata_props.extend(b.metadata_props.into_iter().filter(|p| !have.contains(&p.key)));
    let model = pb::ModelProto {
        ir_version: a.ir_version.max(b.ir_version),
        opset_import: opsets,
        producer_name: "proveil".into(),
        producer_version: String::new(),
        graph: Some(joined),
        ..a
    };
    Ok(Composed { onnx: model.encode_to_vec(), joined: pairs, inputs, outputs })
}

fn named<'a>(name: &'a str, other: &'a str) -> &'a str {
    if name.is_empty() { other } else { name }
}

fn decode(place: &str, bytes: &[u8]) -> Result<pb::ModelProto> {
    let (got, limit) = (bytes.len() as u64, Limits::default().bytes);
    if got > limit {
        return Err(FrontendError::TooLarge { what: format!("the size of {place} in bytes"), got, limit });
    }
    // Parts that the messages here do not know would be dropped without a word.
    for (field, what) in [(20, "training information"), (25, "functions of its own")] {
        if has_field(bytes, field) {
            return Err(FrontendError::malformed(
                place,
                format!("has {what}, which joining would lose; export it without"),
            ));
        }
    }
    let model = pb::ModelProto::decode(bytes).map_err(|e| FrontendError::Decode { reason: format!("{place}: {e}") })?;
    let Some(graph) = &model.graph else {
        return Err(FrontendError::Decode { reason: format!("{place} holds no graph") });
    };
    if let Some(t) = graph.initializer.iter().find(|t| t.data_location.unwrap_or(0) != 0) {
        let reason = "lies in another file; save the model with its tensors inside";
        return Err(FrontendError::malformed(format!("tensor `{}` of {place}", t.name), reason));
    }
    Ok(model)
}

/// Whether the outermost message of some bytes has a field.
fn has_field(mut bytes: &[u8], wanted: u64) -> bool {
    let number = |bytes: &mut &[u8]| prost::encoding::decode_varint(bytes).ok();
    while let Some(key) = number(&mut bytes) {
        if key >> 3 == wanted {
            return true;
        }
        let skip = match key & 7 {
            0 => number(&mut bytes).map(|_| 0),
            1 => Some(8),
            2 => number(&mut bytes),
            5 => Some(4),
            _ => None,
        };
        match skip.and_then(|n| usize::try_from(n).ok()).and_then(|n| bytes.get(n..)) {
            Some(rest) => bytes = rest,
            None => return false,
        }
    }
    false
}

fn graph(model: &mut pb::ModelProto) -> Result<pb::GraphProto> {
    model.graph.take().ok_or_else(|| FrontendError::Decode { reason: "the message holds no graph".into() })
}

/// Which output feeds which input.
fn matched(a: &pb::GraphProto, b: &pb::GraphProto, pairs: &[(String, String)]) -> Result<Vec<(String, String)>> {
    let constants: HashSet<&String> = b.initializer.iter().map(|t| &t.name).collect();
    let inputs: Vec<&String> = b.input.iter().map(|v| &v.name).filter(|n| !constants.contains(n)).collect();
    if !pairs.is_empty() {
        let mut seen = HashSet::new();
        for (from, to) in pairs {
            value(&a.output, from)?;
            value(&b.input, to)?;
            if !seen.insert(to) || constants.contains(to) {
                let reason = "is fed twice, or is a constant; name each input of the second file once";
                return Err(FrontendError::malformed(format!("input `{to}` of the second file"), reason));
            }
        }
        return Ok(pairs.to_vec());
    }
    let outputs: HashSet<&String> = a.output.iter().map(|v| &v.name).collect();
    let same = |n: &String| (n.clone(), n.clone());
    let by_name: Vec<_> = inputs.iter().copied().filter(|n| outputs.contains(n)).map(same).collect();
    if !by_name.is_empty() {
        return Ok(by_name);
    }
    let by_place: Vec<_> = a.output.iter().zip(inputs).map(|(o, i)| (o.name.clone(), i.clone())).collect();
    if by_place.is_empty() {
        let reason = "no output of the first file and no input of the second one to join; check the order of the files";
        return Err(FrontendError::malformed("graph", reason));
    }
    Ok(by_place)
}

fn value<'a>(list: &'a [pb::ValueInfoProto], name: &str) -> Result<&'a pb::ValueInfoProto> {
    list.iter().find(|v| v.name == name).ok_or_else(|| {
        let known: Vec<&str> = list.iter().map(|v| v.name.as_str()).collect();
        FrontendError::malformed(
            format!("tensor `{name}`"),
            format!("is not there; choose one of {}", known.join(", ")),
        )
    })
}

fn tensor(v: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    match v.r#type.as_ref()?.value.as_ref()? {
        pb::type_proto::Value::TensorType(t) => Some(t),
    }
}

/// What else a graph says about a tensor.
fn declared(g: &pb::GraphProto, name: &str) -> Option<pb::ValueInfoProto> {
    g.value_info.iter().chain(&g.input).find(|v| v.name == name).cloned()
}

/// Types and shapes, as far as both files declare them.
fn fits(from: &pb::ValueInfoProto, to: &pb::ValueInfoProto, other: &Option<pb::ValueInfoProto>) -> Result<()> {
    let place = || format!("output `{}` of the first file, input `{}` of the second one", from.name, to.name);
    let (Some(x), Some(y)) = (tensor(from).or_else(|| other.as_ref().and_then(tensor)), tensor(to)) else {
        return Ok(());
    };
    if x.elem_type != y.elem_type && x.elem_type != 0 && y.elem_type != 0 {
        let reason = format!("element types {} and {} differ; add a Cast to one of them", x.elem_type, y.elem_type);
        return Err(FrontendError::malformed(place(), reason));
    }
    let (Some(x), Some(y)) = (&x.shape, &y.shape) else { return Ok(()) };
    let length = |d: &pb::tensor_shape_proto::Dimension| match d.value {
        Some(pb::tensor_shape_proto::dimension::Value::DimValue(v)) if v > 0 => Some(v),
        _ => None,
    };
    let (x, y): (Vec<_>, Vec<_>) = (x.dim.iter().map(length).collect(), y.dim.iter().map(length).collect());
    let clash = |(a, b): (&Option<i64>, &Option<i64>)| matches!((a, b), (Some(a), Some(b)) if a != b);
    if x.len() != y.len() || x.iter().zip(&y).any(clash) {
        let show = |s: &[Option<i64>]| {
            let all: Vec<String> = s.iter().map(|d| d.map_or("?".into(), |v| v.to_string())).collect();
            format!("[{}]", all.join(", "))
        };
        let reason = format!("shapes {} and {} differ; add a Reshape to one of them", show(&x), show(&y));
        return Err(FrontendError::malformed(place(), reason));
    }
    Ok(())
}
