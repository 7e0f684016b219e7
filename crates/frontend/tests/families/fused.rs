//! What onnxruntime's optimiser and quantiser write, against the definitions of its operators.

use super::common::relative_error;
use super::file::{Attr, FLOAT, File, I8, I32, U8};
use proveil_frontend::{FrontendError, Kind, Tensor};

const DOMAIN: &str = "com.microsoft";

fn floats(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::floats(shape.to_vec(), data.to_vec()).expect("dense")
}

fn bytes(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::new(shape.to_vec(), Kind::Int, data.to_vec()).expect("dense")
}

fn close(got: &[f64], want: &[f64]) {
    assert!(relative_error(got, want) < 0.01, "got {got:?}, want {want:?}");
}

/// Operator, attributes, real result, scale and offset of the result.
type Case = (&'static str, Vec<(&'static str, Attr)>, Vec<f64>, (f64, f64));

/// A quantised tensor of the tests: bytes, scale and offset.
struct Q {
    cells: Vec<f64>,
    scale: f64,
    offset: f64,
}

impl Q {
    fn new(seed: f64, count: usize, scale: f64, offset: f64) -> Self {
        let unit = |i: usize| (((i as f64 + seed) * 78.233).sin() * 43758.5453).rem_euclid(1.0);
        let cells = (0..count).map(|i| (unit(i) * 256.0).floor()).collect();
        Self { cells, scale: f64::from(scale as f32), offset }
    }

    fn real(&self) -> Vec<f64> {
        self.cells.iter().map(|q| (q - self.offset) * self.scale).collect()
    }
}

/// Reals as bytes.
fn quantised(real: &[f64], scale: f64, offset: f64) -> Vec<f64> {
    real.iter().map(|v| ((v / f64::from(scale as f32)).round_ties_even() + offset).clamp(0.0, 255.0)).collect()
}

/// A file with a quantised input `x` and the parameters of a result `y`.
fn file(x: &Q, shape: &[i64], y: (f64, f64)) -> File {
    File::new(DOMAIN, 1, &["y"])
        .input("x", U8, shape)
        .weight("sx", FLOAT, &[], &[x.scale])
        .weight("zx", U8, &[], &[x.offset])
        .weight("sy", FLOAT, &[], &[y.0])
        .weight("zy", U8, &[], &[y.1])
}

/// All cells within one unit, and few that differ: the last digit of a quotient of scales is rounded.
fn same(name: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{name}");
    let off = got.iter().zip(want).filter(|(g, w)| g != w).count();
    let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 1.0);
    assert!(near && off * 8 <= want.len(), "{name}: got {got:?}, want {want:?}");
}

#[test]
fn matches_reference_functions_and_means_of_quantised_tensors() {
    let x = Q::new(1.0, 32, 0.05, 120.0);
    let real = x.real();
    let soft: Vec<f64> = real
        .chunks(4)
        .flat_map(|r| {
            let sum: f64 = r.iter().map(|v| v.exp()).sum();
            r.iter().map(move |v| v.exp() / sum).collect::<Vec<_>>()
        })
        .collect();
    let mean = |len: usize| real.chunks(len).map(|r| r.iter().sum::<f64>() / len as f64).collect::<Vec<_>>();
    let pooled: Vec<f64> =
        real.chunks(16).flat_map(|p| [0, 2, 8, 10].map(|i| (p[i] + p[i + 1] + p[i + 4] + p[i + 5]) / 4.0)).collect();
    let axes = |list: Vec<i64>| vec![("axes", Attr::Ints(list)), ("keepdims", Attr::Int(1))];
    let window = vec![("kernel_shape", Attr::Ints(vec![2, 2])), ("strides", Attr::Ints(vec![2, 2]))];
    let cases: Vec<Case> = vec![
        ("QLinearSigmoid", vec![], real.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect(), (0.004, 1.0)),
        (
            "QLinearLeakyRelu",
            vec![("alpha", Attr::Float(0.25))],
            real.iter().map(|v| if *v < 0.0 { 0.25 * v } else { *v }).collect(),
            (0.04, 60.0),
        ),
        ("QLinearSoftmax", vec![("axis", Attr::Int(-1)), ("opset", Attr::Int(13))], soft, (1.0 / 256.0, 0.0)),
        ("QLinearGlobalAveragePool", vec![], mean(16), (0.02, 100.0)),
        ("QLinearReduceMean", axes(vec![3]), mean(4), (0.02, 100.0)),
        ("QLinearAveragePool", window, pooled, (0.02, 100.0)),
    ];
    for (op, attributes, want, y) in cases {
        let file = file(&x, &[1, 2, 4, 4], y).node(op, &["x", "sx", "zx", "sy", "zy"], &["y"], &attributes);
        let got = file.run(&[bytes(&[1, 2, 4, 4], &x.cells)]).expect(op).remove(0);
        same(op, &got, &quantised(&want, y.0, y.1));
    }
    let last = file(&x, &[1, 2, 4, 4], (0.02, 100.0));
    let last = last.node(
        "QLinearGlobalAveragePool",
        &["x", "sx", "zx", "sy", "zy"],
        &["y"],
        &[("channels_last", Attr::Int(1))],
    );
    let error = last.run(&[bytes(&[1, 2, 4, 4], &x.cells)]).expect_err("channels are last");
    assert!(matches!(error, FrontendError::Unsupported { .. }), "{error}");
}

#[test]
fn matches_reference_arithmetic_of_quantised_tensors() {
    let (a, b) = (Q::new(2.0, 12, 0.05, 120.0), Q::new(3.0, 12, 0.013, 3.0));
    let pairs = |f: fn(f64, f64) -> f64| a.real().into_iter().zip(b.real()).map(|(a, b)| f(a, b)).collect::<Vec<_>>();
    let both = |y| {
        file(&a, &[3, 4], y).input("b", U8, &[3, 4]).weight("sb", FLOAT, &[], &[b.scale]).weight(
            "zb",
            U8,
            &[],
            &[b.offset],
        )
    };
    let inputs = [bytes(&[3, 4], &a.cells), bytes(&[3, 4], &b.cells)];
    let operands = ["x", "sx", "zx", "b", "sb", "zb", "sy", "zy"];
    for (op, want, y) in
        [("QLinearAdd", pairs(|a, b| a + b), (0.06, 90.0)), ("QLinearMul", pairs(|a, b| a * b), (0.15, 110.0))]
    {
        let got = both(y).node(op, &operands, &["y"], &[]).run(&inputs).expect(op).remove(0);
        same(op, &got, &quantised(&want, y.0, y.1));
    }
    let y = (0.06, 90.0);
    let joined = ["sy", "zy", "x", "sx", "zx", "b", "sb", "zb"];
    let got =
        both(y).node("QLinearConcat", &joined, &["y"], &[("axis", Attr::Int(0))]).run(&inputs).expect("runs").remove(0);
    same("QLinearConcat", &got, &quantised(&[a.real(), b.real()].concat(), y.0, y.1));
}

/// With scales for each column, a bias, a factor, and the second operand either way round; without a scale of the
/// result it is real.
#[test]
fn matches_reference_products_of_quantised_matrices() {
    let x = Q::new(4.0, 12, 0.05, 120.0);
    let w: Vec<f64> = Q::new(5.0, 20, 1.0, 0.0).cells.iter().map(|q| q - 128.0).collect();
    let (scales, bias) = ([0.02, 0.005, 0.01, 0.03, 0.015], [500.0, -900.0, 20.0, 7.0, -3000.0]);
    for (turned, factor, real) in [(true, 1.0, false), (false, 0.5, false), (true, 0.5, true)] {
        let y = (0.4, 100.0);
        let at = |k: usize, j: usize| if turned { w[j * 4 + k] } else { w[k * 5 + j] };
        let want: Vec<f64> = (0..15)
            .map(|c| {
                let (i, j) = (c / 5, c % 5);
                let acc: f64 = (0..4).map(|k| (x.cells[i * 4 + k] - x.offset) * at(k, j)).sum::<f64>() + bias[j];
                acc * factor * x.scale * f64::from(scales[j] as f32)
            })
            .collect();
        let shape: &[i64] = if turned { &[5, 4] } else { &[4, 5] };
        let names = ["x", "sx", "zx", "w", "sw", "zw", "c", "sy", "zy"];
        let file = file(&x, &[3, 4], y)
            .weight("w", I8, shape, &w)
            .weight("sw", FLOAT, &[5], &scales)
            .weight("zw", I8, &[5], &[0.0; 5])
            .weight("c", I32, &[5], &bias)
            .node(
                "QGemm",
                &names[..if real { 7 } else { 9 }],
                &["y"],
                &[("transB", Attr::Int(i64::from(turned))), ("alpha", Attr::Float(factor as f32))],
            );
        let got = file.run(&[bytes(&[3, 4], &x.cells)]).expect("runs").remove(0);
        if real {
            close(&got, &want);
        } else {
            same("QGemm", &got, &quantised(&want, y.0, y.1));
        }
    }
}

#[test]
fn matches_reference_fused_convolutions_and_products() {
    let (x, z) = ([0.5, -1.0, 2.0, 0.25, -0.75, 1.5, -2.0, 1.0, 0.1], [1.0, -2.0, 0.5, -3.0]);
    let w = [0.3, -0.7, 1.1, 0.2];
    let plain: Vec<f64> =
        [0, 1, 3, 4].iter().map(|i| (0..4).map(|k| w[k] * x[i + k / 2 * 3 + k % 2]).sum::<f64>() + 0.1).collect();
    let leaky = |v: f64| if v < 0.0 { 0.1 * v } else { v };
    type Function = (&'static str, Vec<f32>, fn(f64) -> f64);
    let functions: [Function; 5] = [
        ("Relu", vec![], |v| v.max(0.0)),
        ("LeakyRelu", vec![0.1], |v| if v < 0.0 { 0.1 * v } else { v }),
        ("Clip", vec![-0.5, 1.25], |v| v.clamp(-0.5, 1.25)),
        ("Clip", vec![0.25, f32::INFINITY], |v| v.max(0.25)),
        ("Tanh", vec![], f64::tanh),
    ];
    for residual in [false, true] {
        for (name, numbers, f) in &functions {
            let names: &[&str] = if residual { &["x", "w", "b", "z"] } else { &["x", "w", "b"] };
            let file = File::new(DOMAIN, 1, &["y"])
                .input("x", FLOAT, &[1, 1, 3, 3])
                .input("z", FLOAT, &[1, 1, 2, 2])
                .weight("w", FLOAT, &[1, 1, 2, 2], &w)
                .weight("b", FLOAT, &[1], &[0.1])
                .node(
                    "FusedConv",
                    names,
                    &["y"],
                    &[("activation", Attr::Str(name)), ("activation_params", Attr::Floats(numbers.clone()))],
                );
            let got = file.run(&[floats(&[1, 1, 3, 3], &x), floats(&[1, 1, 2, 2], &z)]).expect("runs").remove(0);
            let want: Vec<f64> = plain.iter().zip(z).map(|(v, z)| f(v + if residual { z } else { 0.0 })).collect();
            close(&got, &want);
        }
    }
    let file = File::new(DOMAIN, 1, &["y"])
        .input("x", FLOAT, &[3, 3])
        .weight("w", FLOAT, &[2, 3], &[0.5, -1.0, 0.25, 1.0, 0.75, -0.5])
        .weight("c", FLOAT, &[2], &[0.2, -0.4])
        .node(
            "FusedGemm",
            &["x", "w", "c"],
            &["y"],
            &[
                ("transB", Attr::Int(1)),
                ("alpha", Attr::Float(2.0)),
                ("activation", Attr::Str("LeakyRelu")),
                ("activation_alpha", Attr::Float(0.1)),
            ],
        );
    let rows = [[0.5, -1.0, 0.25], [1.0, 0.75, -0.5]];
    let cell = |c: usize| 2.0 * (0..3).map(|k| x[c / 2 * 3 + k] * rows[c % 2][k]).sum::<f64>() + [0.2, -0.4][c % 2];
    let want: Vec<f64> = (0..6).map(|c| leaky(cell(c))).collect();
    close(&file.run(&[floats(&[3, 3], &x)]).expect("runs")[0], &want);
    let odd = File::new(DOMAIN, 1, &["y"]).input("x", FLOAT, &[3, 3]).node(
        "FusedGemm",
        &["x", "x"],
        &["y"],
        &[("activation", Attr::Str("Mystery"))],
    );
    let error = odd.run(&[floats(&[3, 3], &x)]).expect_err("no such function");
    assert!(error.to_string().contains("activation Mystery"), "{error}");
}

#[test]
fn matches_reference_sums_that_are_normalised_and_gelu_of_sums() {
    let (x, skip) = ([0.5, -1.0, 2.0, 0.25, -0.75, 1.5, -2.0, 1.0], [0.25, 1.0, -1.0, 0.5, 2.0, -0.5, 0.75, -0.1]);
    let (gamma, beta, bias) = ([1.0, 0.5, 2.0, -1.0], [0.1, 0.2, -0.3, 0.0], [0.3, -0.2, 0.1, 0.4]);
    let sum: Vec<f64> = (0..8).map(|i| x[i] + skip[i] + bias[i % 4]).collect();
    let start = |outputs: &[&str]| {
        File::new(DOMAIN, 1, outputs)
            .input("x", FLOAT, &[2, 4])
            .input("skip", FLOAT, &[2, 4])
            .weight("gamma", FLOAT, &[4], &gamma)
            .weight("beta", FLOAT, &[4], &beta)
            .weight("bias", FLOAT, &[4], &bias)
    };
    let inputs = [floats(&[2, 4], &x), floats(&[2, 4], &skip)];
    for (op, centred, names) in [
        ("SkipLayerNormalization", true, &["x", "skip", "gamma", "beta", "bias"][..]),
        ("SkipSimplifiedLayerNormalization", false, &["x", "skip", "gamma", "bias"]),
    ] {
        let want: Vec<f64> = sum
            .chunks(4)
            .flat_map(|r| {
                let mean = if centred { r.iter().sum::<f64>() / 4.0 } else { 0.0 };
                let deviation = (r.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 4.0).sqrt();
                let one = move |(i, v): (usize, &f64)| {
                    (v - mean) / deviation * gamma[i] + if centred { beta[i] } else { 0.0 }
                };
                r.iter().enumerate().map(one).collect::<Vec<_>>()
            })
            .collect();
        let got = start(&["y", "s"]).node(op, names, &["y", "", "", "s"], &[]).run(&inputs).expect(op);
        close(&got[0], &want);
        close(&got[1], &sum);
    }
    let erf = |v: f64| {
        // Simpson's rule on the integral that defines it.
        let n = 400;
        let h = v / f64::from(n);
        let f = |t: f64| (-t * t).exp();
        let inner: f64 = (1..n).map(|i| f(h * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        (f(0.0) + inner + f(v)) * h / 3.0 * std::f64::consts::FRAC_2_SQRT_PI
    };
    for op in ["BiasGelu", "FastGelu"] {
        let want: Vec<f64> =
            (0..8).map(|i| x[i] + bias[i % 4]).map(|v| 0.5 * v * (1.0 + erf(v / std::f64::consts::SQRT_2))).collect();
        close(&start(&["y"]).node(op, &["x", "bias"], &["y"], &[]).run(&inputs).expect(op)[0], &want);
    }
}

/// Operands with the rows of their matrices as first axis, turned as well or not.
#[test]
fn matches_reference_products_over_moved_axes() {
    let (batch, rows, inner, cols) = (2, 3, 4, 2);
    let (a, b) = (
        |i: usize, r: usize, k: usize| ((i * 50 + r * 7 + k) as f64).sin(),
        |i: usize, k: usize, c: usize| ((i * 60 + k * 11 + c) as f64).cos(),
    );
    let all = |n: [usize; 3], f: &dyn Fn(usize, usize, usize) -> f64| -> Tensor {
        let cells = (0..n[0] * n[1] * n[2]).map(|at| f(at / n[2] / n[1], at / n[2] % n[1], at % n[2]));
        floats(&n, &cells.collect::<Vec<f64>>())
    };
    let product = |i: usize, r: usize, c: usize| (0..inner).map(|k| a(i, r, k) * b(i, k, c)).sum::<f64>() * 0.5;
    let want = all([batch, rows, cols], &product).data;
    for turned in [false, true] {
        let (left, right) = if turned {
            (all([inner, batch, rows], &|k, i, r| a(i, r, k)), all([cols, batch, inner], &|c, i, k| b(i, k, c)))
        } else {
            (all([rows, batch, inner], &|r, i, k| a(i, r, k)), all([inner, batch, cols], &|k, i, c| b(i, k, c)))
        };
        let dims = |t: &Tensor| t.shape.iter().map(|d| *d as i64).collect::<Vec<_>>();
        let flag = |name| (name, Attr::Int(1));
        let mut attributes = vec![flag("transBatchA"), flag("transBatchB"), ("alpha", Attr::Float(0.5))];
        if turned {
            attributes.extend([flag("transA"), flag("transB")]);
        }
        let file = File::new(DOMAIN, 1, &["y"]).input("a", FLOAT, &dims(&left)).input("b", FLOAT, &dims(&right));
        let file = file.node("FusedMatMul", &["a", "b"], &["y"], &attributes);
        close(&file.run(&[left, right]).expect("runs")[0], &want);
    }
}

/// A product with bytes whose scales come at the end, of bytes or of a real tensor that is quantised on the way.
#[test]
fn matches_reference_products_of_bytes_with_real_results() {
    let x = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5];
    let w = [100.0, -50.0, 20.0, 7.0, -90.0, 64.0];
    let (scale, bias) = ([0.02, 0.01], [0.3, -0.6]);
    let real = |rows: &[f64]| -> Vec<f64> {
        (0..4)
            .map(|c| (0..3).map(|k| rows[c / 2 * 3 + k] * w[k * 2 + c % 2]).sum::<f64>() * scale[c % 2] + bias[c % 2])
            .collect()
    };
    let start = |kind: i32| {
        File::new(DOMAIN, 1, &["y"])
            .input("x", kind, &[2, 3])
            .weight("w", I8, &[3, 2], &w)
            .weight("sx", FLOAT, &[], &[0.05])
            .weight("zx", U8, &[], &[120.0])
            .weight("sw", FLOAT, &[2], &scale)
            .weight("zw", I8, &[2], &[0.0, 0.0])
            .weight("bias", FLOAT, &[2], &bias)
    };
    let cells = [130.0, 20.0, 255.0, 0.0, 120.0, 77.0];
    let rows: Vec<f64> = cells.iter().map(|q| (q - 120.0) * 0.05).collect();
    let file = start(U8).node("MatMulIntegerToFloat", &["x", "w", "sx", "sw", "zx", "zw", "bias"], &["y"], &[]);
    close(&file.run(&[bytes(&[2, 3], &cells)]).expect("runs")[0], &real(&rows));
    let file = start(FLOAT).node("DynamicQuantizeMatMul", &["x", "w", "sw", "zw", "bias"], &["y"], &[]);
    let got = file.run(&[floats(&[2, 3], &x)]).expect("runs").remove(0);
    let want = real(&x);
    assert!(relative_error(&got, &want) < 0.02, "got {got:?}, want {want:?}");
}
