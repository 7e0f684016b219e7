//! Two files joined into one: the joined model computes what both do one after the other.

mod common;
#[path = "common/file.rs"]
mod file;

use common::infer;
use file::{File, row};
use prost::Message;
use proveil_frontend::{Composed, FrontendError, Options, check, compile, compose};
use tract_onnx::pb;

/// `y = max(x * w, 0)`, whose tensors have the names that everybody uses; `z` where the input is `y`.
fn affine(input: &str, width: i64, w: &[f32; 4]) -> File {
    let mut file = File::new(&[(input, &[1, width])])
        .weight("w", &[width], &w[..width as usize])
        .node("Mul", &[input, "w"], "h", &[])
        .node("Relu", &["h"], "y", &[]);
    if input == "y" {
        file.graph.node[1].output[0] = "z".into();
        file.graph.output[0].name = "z".into();
    }
    let shape = pb::TensorShapeProto { dim: file.graph.input[0].r#type.iter().flat_map(dims).collect() };
    let tensor = pb::type_proto::Tensor { elem_type: 1, shape: Some(shape) };
    let value = Some(pb::type_proto::Value::TensorType(tensor));
    file.graph.output[0].r#type = Some(pb::TypeProto { value, ..Default::default() });
    file
}

fn dims(t: &pb::TypeProto) -> Vec<pb::tensor_shape_proto::Dimension> {
    let Some(pb::type_proto::Value::TensorType(t)) = &t.value else { return Vec::new() };
    t.shape.iter().flat_map(|s| s.dim.clone()).collect()
}

const W: [f32; 4] = [2.0, -1.0, 0.5, 3.0];
const V: [f32; 4] = [0.25, 4.0, -2.0, 1.0];
const X: [f64; 4] = [1.0, -2.0, 0.5, -1.5];

fn join(first: File, second: File, pairs: &[(&str, &str)]) -> Result<Composed, FrontendError> {
    let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_string(), (*b).to_string())).collect();
    compose(&first.bytes(), &second.bytes(), &pairs)
}

fn agrees(joined: &Composed) {
    let want: Vec<f64> = (0..4).map(|i| (((X[i] * f64::from(W[i])).max(0.0)) * f64::from(V[i])).max(0.0)).collect();
    let model = compile(&joined.onnx, &[vec![row(&X)]], &Options::default()).expect("compiles");
    let got = infer(&model, &[row(&X)]).remove(0);
    assert!(common::relative_error(&got, &want) < 0.01, "{got:?} {want:?}");
}

#[test]
fn matches_reference_by_position_with_clashing_names() {
    let joined = join(affine("x", 4, &W), affine("x", 4, &V), &[]).expect("joins");
    assert_eq!(joined.joined, [("y".to_string(), "x".to_string())]);
    assert_eq!((joined.inputs.as_slice(), joined.outputs.len()), (["x".to_string()].as_slice(), 1));
    agrees(&joined);
    let model = pb::ModelProto::decode(&joined.onnx[..]).expect("decodes").graph.expect("a graph");
    let mut made: Vec<&String> = model.node.iter().flat_map(|n| &n.output).collect();
    made.extend(model.initializer.iter().map(|t| &t.name));
    let all = made.len();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), all, "names are unique");
}

#[test]
fn matches_reference_by_name_and_by_pair() {
    agrees(&join(affine("x", 4, &W), affine("y", 4, &V), &[]).expect("by name"));
    agrees(&join(affine("x", 4, &W), affine("z", 4, &V), &[("y", "z")]).expect("by pair"));
}

#[test]
fn accepts_inputs_and_outputs_that_feed_nothing() {
    let mut first = affine("x", 4, &W);
    first.graph.output.push(pb::ValueInfoProto { name: "h".into(), ..Default::default() });
    let mut second = affine("y", 4, &V);
    let mut other = second.graph.input[0].clone();
    other.name = "h".into();
    second.graph.input.push(other);
    second.graph.node[0].output[0] = "g".into();
    second.graph.node[1].input = vec!["g".into()];
    let joined = join(first, second, &[("y", "y")]).expect("joins");
    assert_eq!(joined.inputs, ["x", "h_2"]);
    assert_eq!(joined.outputs, ["z", "h"]);
    assert!(check(&joined.onnx, &Options::default()).expect("reads").problems.is_empty());
}

fn refused(result: Result<Composed, FrontendError>, part: &str) {
    let message = result.expect_err("is refused").to_string();
    assert!(message.contains(part), "{message}");
}

#[test]
fn rejects_tensors_that_do_not_fit() {
    refused(join(affine("x", 4, &W), affine("x", 3, &V), &[]), "shapes [1, 4] and [1, 3] differ");
    let mut whole = affine("x", 4, &V);
    if let Some(pb::type_proto::Value::TensorType(t)) =
        whole.graph.input[0].r#type.as_mut().and_then(|t| t.value.as_mut())
    {
        t.elem_type = 7;
    }
    refused(join(affine("x", 4, &W), whole, &[]), "element types 1 and 7 differ");
    refused(join(affine("x", 4, &W), affine("x", 4, &V), &[("q", "x")]), "choose one of y");
    refused(join(affine("x", 4, &W), affine("x", 4, &V), &[("y", "x"), ("y", "x")]), "fed twice");
    refused(join(affine("x", 4, &W), affine("x", 4, &V), &[("y", "w")]), "is not there");
}

/// A file with another version of the standard domain.
fn version(file: File, version: i64) -> Vec<u8> {
    let mut model = pb::ModelProto::decode(&file.bytes()[..]).expect("decodes");
    model.opset_import[0].version = version;
    model.encode_to_vec()
}

#[test]
fn accepts_versions_in_which_nothing_changed_and_rejects_others() {
    let joined = compose(&version(affine("x", 4, &W), 11), &affine("x", 4, &V).bytes(), &[]).expect("joins");
    let model = pb::ModelProto::decode(&joined.onnx[..]).expect("decodes");
    assert_eq!(model.opset_import.iter().map(|o| o.version).collect::<Vec<_>>(), [13]);
    agrees(&joined);
    let soft = || File::new(&[("x", &[1, 4])]).node("Softmax", &["x"], "y", &[]);
    refused(
        compose(&version(soft(), 11), &affine("x", 4, &V).bytes(), &[]),
        "Softmax means something else in version 13",
    );
    refused(compose(&affine("x", 4, &V).bytes(), &version(affine("x", 4, &V), 6), &[]), "of the second file");
}

#[test]
fn rejects_files_of_which_parts_would_be_lost() {
    let mut bytes = affine("x", 4, &W).bytes();
    // Field 25, a message of no bytes.
    bytes.extend([0xca, 0x01, 0x00]);
    refused(compose(&bytes, &affine("x", 4, &V).bytes(), &[]), "functions of its own");
    refused(compose(b"no model", &affine("x", 4, &V).bytes(), &[]), "the first file");
    let mut outside = affine("x", 4, &V);
    outside.graph.initializer[0].data_location = Some(1);
    refused(join(affine("x", 4, &W), outside, &[]), "lies in another file");
}
