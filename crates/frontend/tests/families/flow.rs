//! Loops and conditions, bit operations, and other operators that the sample of node tests leaves out.

use super::common::relative_error;
use super::file::{Attr, BOOL, FLOAT, File, I32, I64, U8};
use proveil_frontend::{FrontendError, Kind, Options, Tensor, compile};

const X: [f64; 4] = [-1.5, 0.25, 2.0, 3.0];

fn x() -> Tensor {
    Tensor::floats(vec![4], X.to_vec()).expect("dense")
}

fn close(got: &[f64], want: &[f64]) {
    assert!(relative_error(got, want) < 0.01, "got {got:?}, want {want:?}");
}

fn refusal(file: File, inputs: &[Tensor]) -> String {
    match compile(&file.bytes(), &[inputs.to_vec()], &Options::default()) {
        Err(e @ (FrontendError::Unsupported { .. } | FrontendError::Malformed { .. })) => e.to_string(),
        other => panic!("expected a refusal, got {:?}", other.map(|m| m.outputs)),
    }
}

/// A loop body: the state grows by half of the input `x` of the outer graph, and each state is given out.
fn growing(condition: &'static str) -> Attr {
    let body = File::new("", 13, &["go", "after", "each"])
        .input("i", I64, &[])
        .input("old", BOOL, &[])
        .input("before", FLOAT, &[4])
        .weight("half", FLOAT, &[], &[0.5])
        .node("Mul", &["x", "half"], &["step"], &[])
        .node("Add", &["before", "step"], &["after"], &[])
        .node("ReduceMax", &["after"], &["top"], &[("keepdims", Attr::Int(0))])
        .node("Less", &["top", "half"], &["small"], &[])
        .node("Identity", &[condition], &["go"], &[])
        .node("Identity", &["after"], &["each"], &[]);
    Attr::Graph(Box::new(body.body()))
}

fn looped(condition: &'static str) -> File {
    File::new("", 13, &["last", "all"])
        .input("x", FLOAT, &[4])
        .weight("trips", I64, &[], &[3.0])
        .weight("go", BOOL, &[], &[1.0])
        .node("Loop", &["trips", "go", "x"], &["last", "all"], &[("body", growing(condition))])
}

#[test]
fn matches_reference_loop_with_outer_names() {
    let got = looped("old").run(&[x()]).expect("runs");
    close(&got[0], &X.map(|v| 2.5 * v));
    close(&got[1], &[1.5, 2.0, 2.5].map(|f| X.map(|v| f * v)).concat());
}

#[test]
fn rejects_loops_whose_end_depends_on_the_input() {
    assert!(refusal(looped("small"), &[x()]).contains("condition depends on the inputs"));
    let long = File::new("", 13, &["last", "all"]).input("x", FLOAT, &[4]).weight("trips", I64, &[], &[1e6]).node(
        "Loop",
        &["trips", "", "x"],
        &["last", "all"],
        &[("body", growing("old"))],
    );
    assert!(refusal(long, &[x()]).contains("more than 4096"));
}

fn branches(condition: f64) -> Vec<f64> {
    let arm = |op: &str| {
        let file = File::new("", 13, &["z"]).node(op, &["x"], &["z"], &[]);
        Attr::Graph(Box::new(file.body()))
    };
    let file = File::new("", 13, &["y"]).input("x", FLOAT, &[4]).input("c", BOOL, &[1]).node(
        "If",
        &["c"],
        &["y"],
        &[("then_branch", arm("Abs")), ("else_branch", arm("Neg"))],
    );
    let c = Tensor::new(vec![1], Kind::Bool, vec![condition]).expect("dense");
    file.run(&[x(), c]).expect("runs").remove(0)
}

#[test]
fn matches_reference_condition_that_is_an_input() {
    close(&branches(1.0), &X.map(f64::abs));
    close(&branches(0.0), &X.map(|v| -v));
}

#[test]
fn matches_reference_bit_operations_exactly() {
    let (a, b) = ([12.0, 255.0, 0.0, 170.0], [10.0, 129.0, 7.0, 85.0]);
    let of = |v: [f64; 4]| Tensor::new(vec![4], Kind::Int, v.to_vec()).expect("dense");
    let both = |op: &str, f: fn(u8, u8) -> u8| {
        let file = File::new("", 18, &["y"]).input("a", U8, &[4]).input("b", U8, &[4]);
        let got = file.node(op, &["a", "b"], &["y"], &[]).run(&[of(a), of(b)]).expect("runs");
        let want: Vec<f64> = a.iter().zip(&b).map(|(a, b)| f64::from(f(*a as u8, *b as u8))).collect();
        assert_eq!(got[0], want, "{op}");
    };
    both("BitwiseAnd", |a, b| a & b);
    both("BitwiseOr", |a, b| a | b);
    both("BitwiseXor", |a, b| a ^ b);
    let signed = [-7.0, 100.0, -1.0, 0.0];
    let file = File::new("", 18, &["y"]).input("a", I32, &[4]).weight("b", I32, &[], &[20.0]);
    let got = file.node("BitwiseAnd", &["a", "b"], &["y"], &[]).run(&[of(signed)]).expect("runs");
    assert_eq!(got[0], signed.map(|v| f64::from(v as i32 & 20)));
    let shifted = |direction: &'static str| {
        let file = File::new("", 11, &["y"]).input("a", U8, &[4]).weight("b", U8, &[4], &[1.0, 3.0, 2.0, 0.0]);
        let file = file.node("BitShift", &["a", "b"], &["y"], &[("direction", Attr::Str(direction))]);
        file.run(&[of(a)]).expect("runs").remove(0)
    };
    assert_eq!(shifted("LEFT"), [24.0, 248.0, 0.0, 170.0]);
    assert_eq!(shifted("RIGHT"), [6.0, 31.0, 0.0, 170.0]);
}

#[test]
fn matches_reference_einsum_with_an_ellipsis() {
    let a: Vec<f64> = (0..12).map(|i| f64::from(i) / 6.0 - 1.0).collect();
    let b = [0.5, -1.0, 2.0];
    let file = File::new("", 13, &["y"]).input("a", FLOAT, &[2, 2, 3]).weight("b", FLOAT, &[3], &b);
    let file = file.node("Einsum", &["a", "b"], &["y"], &[("equation", Attr::Str("...k, k -> ..."))]);
    let got = file.run(&[Tensor::floats(vec![2, 2, 3], a.clone()).expect("dense")]).expect("runs");
    let want: Vec<f64> = a.chunks(3).map(|r| r.iter().zip(&b).map(|(a, b)| a * b).sum()).collect();
    close(&got[0], &want);
}

#[test]
fn rejects_operators_that_no_graph_can_hold() {
    let file = |op: &str| File::new("", 13, &["y"]).input("x", FLOAT, &[4]).node(op, &["x"], &["y"], &[]);
    for op in ["Unique", "NonZero", "Bernoulli"] {
        let message = refusal(file(op), &[x()]);
        assert!(message.contains(op) && message.contains("not supported"), "{message}");
    }
}

/// Lengths that only the file claims must not be believed.
#[test]
fn rejects_hostile_lengths_without_panic() {
    let image =
        || File::new("", 13, &["y"]).input("x", FLOAT, &[1, 1, 2, 2]).weight("w", FLOAT, &[1, 1, 2, 2], &[1.0; 4]);
    let pixels = Tensor::floats(vec![1, 1, 2, 2], X.to_vec()).expect("dense");
    for (name, list) in [
        ("dilations", vec![1 << 19, 1 << 19]),
        ("strides", vec![1 << 19, 1 << 19]),
        ("output_shape", vec![1 << 19, 1 << 19]),
        ("pads", vec![-1, 0, 0, 0]),
        ("strides", vec![0, i64::MAX]),
    ] {
        let file = image().node("ConvTranspose", &["x", "w"], &["y"], &[(name, Attr::Ints(list.clone()))]);
        assert!(file.run(std::slice::from_ref(&pixels)).is_err(), "{name} {list:?}");
    }
    for scales in [[1.0, 1.0, 1e12, 1.0], [1.0, 1.0, 0.0, 1.0], [1.0, 1.0, -2.0, 1.0]] {
        let file = image().weight("s", FLOAT, &[4], &scales).node("Resize", &["x", "", "s"], &["y"], &[]);
        assert!(file.run(std::slice::from_ref(&pixels)).is_err(), "{scales:?}");
    }
    let empty = image().weight("one", FLOAT, &[], &[1.0]).weight("none", U8, &[0], &[]);
    // An empty offset is none.
    let _ = empty.node("QuantizeLinear", &["x", "one", "none"], &["y"], &[]).run(std::slice::from_ref(&pixels));
    let huge = vec![i64::MAX, i64::MAX, 3];
    let file = File::new("ai.onnx.ml", 3, &["l", "s"]).input("x", FLOAT, &[1, 2]).node(
        "SVMClassifier",
        &["x"],
        &["l", "s"],
        &[
            ("classlabels_ints", Attr::Ints(vec![0, 1, 2])),
            ("vectors_per_class", Attr::Ints(huge)),
            ("coefficients", Attr::Floats(vec![1.0; 6])),
            ("support_vectors", Attr::Floats(vec![1.0; 6])),
            ("rho", Attr::Floats(vec![0.0; 3])),
        ],
    );
    assert!(file.run(&[Tensor::floats(vec![1, 2], vec![0.5, 1.0]).expect("dense")]).is_err());
}
