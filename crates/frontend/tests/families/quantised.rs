//! Files that are quantised already: the integers of the file, bit for bit.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File, I8, I32, U8};
use proveil_frontend::{FrontendError, Kind, Options, Tensor, compile};

/// Whole numbers from `lo` to `hi` that look random.
fn integers(seed: f64, count: usize, lo: f64, hi: f64) -> Vec<f64> {
    let unit = |i: usize| (((i as f64 + seed) * 78.233).sin() * 43758.5453).rem_euclid(1.0);
    (0..count).map(|i| (lo + unit(i) * (hi - lo + 1.0)).floor()).collect()
}

fn bytes(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::new(shape.to_vec(), Kind::Int, data.to_vec()).expect("dense")
}

/// `clamp(round(v) + offset)`, and whether `v` is close to a tie.
fn requantised(v: f64, offset: f64, lo: f64, hi: f64) -> f64 {
    (v.round_ties_even() + offset).clamp(lo, hi)
}

#[test]
fn matches_reference_matmul_integer_exactly() {
    let (a, b) = (integers(1.0, 12, 0.0, 255.0), integers(2.0, 8, -128.0, 127.0));
    let offsets = [3.0, -5.0];
    let file = File::new("", 13, &["y"])
        .input("a", U8, &[3, 4])
        .weight("b", I8, &[4, 2], &b)
        .weight("za", U8, &[], &[117.0])
        .weight("zb", I8, &[2], &offsets)
        .node("MatMulInteger", &["a", "b", "za", "zb"], &["y"], &[]);
    let want: Vec<f64> = (0..6)
        .map(|i| (0..4).map(|k| (a[i / 2 * 4 + k] - 117.0) * (b[k * 2 + i % 2] - offsets[i % 2])).sum())
        .collect();
    assert_eq!(file.run(&[bytes(&[3, 4], &a)]).expect("runs")[0], want);
}

#[test]
fn matches_reference_conv_integer_exactly() {
    let (x, w) = (integers(3.0, 16, 0.0, 255.0), integers(4.0, 9, 0.0, 255.0));
    let file = File::new("", 10, &["y"])
        .input("x", U8, &[1, 1, 4, 4])
        .weight("w", U8, &[1, 1, 3, 3], &w)
        .weight("zx", U8, &[], &[100.0])
        .weight("zw", U8, &[], &[131.0])
        .node("ConvInteger", &["x", "w", "zx", "zw"], &["y"], &[("auto_pad", Attr::Str("SAME_UPPER"))]);
    let mut want = Vec::new();
    for (i, j) in (0..16i32).map(|c| (c / 4, c % 4)) {
        let inside = |v: i32| (0..4).contains(&v);
        let cell = |k: i32| {
            let (r, c) = (i + k / 3 - 1, j + k % 3 - 1);
            let x = if inside(r) && inside(c) { x[(r * 4 + c) as usize] - 100.0 } else { 0.0 };
            x * (w[k as usize] - 131.0)
        };
        want.push((0..9).map(cell).sum::<f64>());
    }
    assert_eq!(file.run(&[bytes(&[1, 1, 4, 4], &x)]).expect("runs")[0], want);
}

/// Cells that differ from the expected ones, none by more than 1.
fn one_off(got: &[f64], want: &[f64]) -> usize {
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 1.0), "got {got:?}, want {want:?}");
    got.iter().zip(want).filter(|(g, w)| g != w).count()
}

#[test]
fn matches_reference_qlinear_matmul_up_to_rounding() {
    let (a, b) = (integers(5.0, 200, -128.0, 127.0), integers(6.0, 100, -128.0, 127.0));
    let file = File::new("", 13, &["y"])
        .input("a", I8, &[20, 10])
        .weight("sa", FLOAT, &[], &[0.0123])
        .weight("za", I8, &[], &[7.0])
        .weight("b", I8, &[10, 10], &b)
        .weight("sb", FLOAT, &[], &[0.031])
        .weight("zb", I8, &[], &[0.0])
        .weight("sy", FLOAT, &[], &[0.07])
        .weight("zy", I8, &[], &[-11.0])
        .node("QLinearMatMul", &["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], &["y"], &[]);
    let factor = f64::from(0.0123f32) * f64::from(0.031f32) / f64::from(0.07f32);
    let sum = |i: usize| (0..10).map(|k| (a[i / 10 * 10 + k] - 7.0) * b[k * 10 + i % 10]).sum::<f64>();
    let want: Vec<f64> = (0..200).map(|i| requantised(sum(i) * factor, -11.0, -128.0, 127.0)).collect();
    let got = file.run(&[bytes(&[20, 10], &a)]).expect("runs").remove(0);
    assert!(one_off(&got, &want) <= 2, "{} of 200 cells are one off", one_off(&got, &want));
}

/// Quantise, dequantise, convolve with a scale for each channel, apply `Relu`, quantise.
#[test]
fn matches_reference_quantised_convolution_with_scales_of_channels() {
    let (x, w, b) = (integers(7.0, 50, 0.0, 255.0), integers(8.0, 54, -127.0, 127.0), [4000.0, -70000.0, 120.0]);
    let (sx, sw, sy) = (0.05, [0.02, 0.0031, 0.011], 1.7);
    let products: Vec<f64> = sw.iter().map(|s| f64::from((s * sx) as f32)).collect();
    let file = File::new("", 13, &["y"])
        .input("x", FLOAT, &[1, 2, 5, 5])
        .weight("sx", FLOAT, &[], &[sx])
        .weight("zx", U8, &[], &[128.0])
        .weight("w", I8, &[3, 2, 3, 3], &w)
        .weight("sw", FLOAT, &[3], &sw)
        .weight("b", I32, &[3], &b)
        .weight("sb", FLOAT, &[3], &products)
        .weight("sy", FLOAT, &[], &[sy])
        .weight("zy", U8, &[], &[3.0])
        .node("QuantizeLinear", &["x", "sx", "zx"], &["xq"], &[])
        .node("DequantizeLinear", &["xq", "sx", "zx"], &["xf"], &[])
        .node("DequantizeLinear", &["w", "sw"], &["wf"], &[("axis", Attr::Int(0))])
        .node("DequantizeLinear", &["b", "sb"], &["bf"], &[("axis", Attr::Int(0))])
        .node("Conv", &["xf", "wf", "bf"], &["c"], &[])
        .node("Relu", &["c"], &["r"], &[])
        .node("QuantizeLinear", &["r", "sy", "zy"], &["y"], &[]);
    // Inputs that are whole multiples of the scale, as bytes less the offset.
    let real: Vec<f64> = x.iter().map(|q| (q - 128.0) * f64::from(sx as f32)).collect();
    let mut want = Vec::new();
    for (c, p) in (0..27).map(|i| (i / 9, i % 9)) {
        let cell = |k: usize| {
            let (input, r, s) = (k / 9, p / 3 + k % 9 / 3, p % 3 + k % 3);
            (x[input * 25 + r * 5 + s] - 128.0) * w[c * 18 + k]
        };
        let acc = (0..18).map(cell).sum::<f64>() + b[c];
        let factor = f64::from(sx as f32) * f64::from(sw[c] as f32) / f64::from(sy as f32);
        want.push(requantised((acc * factor).max(0.0), 3.0, 0.0, 255.0));
    }
    let x = Tensor::floats(vec![1, 2, 5, 5], real).expect("dense");
    let got = file.run(&[x]).expect("runs").remove(0);
    assert!(one_off(&got, &want) <= 1, "got {got:?}, want {want:?}");
}

#[test]
fn matches_reference_dynamic_quantisation_of_every_input() {
    let file = File::new("", 11, &["y", "s", "z"]).input("x", FLOAT, &[8]);
    let file = file.node("DynamicQuantizeLinear", &["x"], &["y", "s", "z"], &[]);
    let x = |scale: f64| -> Vec<f64> { integers(scale, 8, -1000.0, 700.0).iter().map(|v| v / 500.0 * scale).collect() };
    let samples: Vec<Vec<Tensor>> =
        [1.0, 0.6, 0.3].iter().map(|&s| vec![Tensor::floats(vec![8], x(s)).expect("dense")]).collect();
    let model = compile(&file.bytes(), &samples, &Options::default()).expect("compiles");
    for sample in &samples {
        let data = &sample[0].data;
        let (lo, hi) = data.iter().fold((0f64, 0f64), |(l, h), v| (l.min(*v), h.max(*v)));
        let scale = (hi - lo) / 255.0;
        let offset = (-lo / scale).round_ties_even();
        let want: Vec<f64> = data.iter().map(|v| requantised(v / scale, offset, 0.0, 255.0)).collect();
        let got = infer(&model, sample);

        assert_eq!(got[2], [offset]);
        assert!(one_off(&got[0], &want) <= 1, "got {:?}, want {want:?}", got[0]);
        assert!(relative_error(&got[1], &[scale]) < 0.01);
    }
}

#[test]
fn rejects_scales_and_types_that_do_not_fit() {
    let refuse = |scale: f64, dims: &[i64], list: &[f64], attributes: &[(&str, Attr)]| {
        let file = File::new("", 21, &["y"])
            .input("x", FLOAT, &[2, 3])
            .weight("s", FLOAT, &[], &[scale])
            .weight("l", FLOAT, dims, list)
            .node("QuantizeLinear", &["x", if list.is_empty() { "s" } else { "l" }], &["y"], attributes);
        match compile(&file.bytes(), &[], &Options::default()) {
            Err(e @ (FrontendError::Unsupported { .. } | FrontendError::Malformed { .. })) => e.to_string(),
            other => panic!("expected a refusal, got {:?}", other.map(|m| m.outputs)),
        }
    };
    assert!(refuse(0.0, &[0], &[], &[]).contains("scale 0 is not positive"));
    assert!(refuse(1.0, &[2], &[1.0, 2.0], &[("axis", Attr::Int(1))]).contains("2 scales for axis 1"));
    assert!(refuse(1.0, &[0], &[], &[("block_size", Attr::Int(2))]).contains("blocks"));
    assert!(refuse(1.0, &[0], &[], &[("output_dtype", Attr::Int(7))]).contains("type"));
}

/// Tensors of two scales put beside each other: each is rounded from its own integers.
#[test]
fn matches_reference_rows_of_two_scales_rounded_to_a_third_exactly() {
    let (own, token, out) = (0.0337f32, 0.0129f32, 0.0211f32);
    let ints: Vec<f64> = (-128..128).map(f64::from).collect();
    let start = integers(6.0, 8, -128.0, 127.0);
    let scale = |v: f32| [f64::from(v)];
    let file = File::new("", 13, &["y"])
        .input("q", I8, &[256])
        .weight("token", I8, &[8], &start)
        .weight("own", FLOAT, &[], &scale(own))
        .weight("other", FLOAT, &[], &scale(token))
        .weight("out", FLOAT, &[], &scale(out))
        .weight("z", I8, &[], &[3.0])
        .node("DequantizeLinear", &["q", "own"], &["x"], &[])
        .node("DequantizeLinear", &["token", "other"], &["t"], &[])
        .node("Concat", &["t", "x"], &["c"], &[("axis", Attr::Int(0))])
        .node("QuantizeLinear", &["c", "out", "z"], &["y"], &[]);
    let rounded = |v: &f64, s: f32| requantised(v * f64::from(s) / f64::from(out), 3.0, -128.0, 127.0);
    let want: Vec<f64> = start.iter().map(|v| rounded(v, token)).chain(ints.iter().map(|v| rounded(v, own))).collect();
    assert_eq!(file.run(&[bytes(&[256], &ints)]).expect("runs")[0], want);
}
