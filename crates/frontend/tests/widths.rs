//! Weights are as fine as the results of their products can tell, channel by channel, and cost no further digit.

#[path = "common/file.rs"]
mod file;

use file::{Attr, File};
use proveil_frontend::{Model, Options, Tensor, compile};
use proveil_graph::{Op, Origin, Range, stats};

const CHANNELS: usize = 4;
const SIDE: usize = 40;

/// Size of a channel: the last is `spread^3` times as large as the first.
fn size(spread: f64, c: usize) -> f64 {
    spread.powi(c as i32)
}

/// Some number between -1 and 1.
fn drawn(i: usize) -> f64 {
    f64::from(((i as f32 + 1.0) * 12.9898).sin()) * 0.7 + 0.3 * f64::from(((i as f32) * 0.77).cos())
}

/// A convolution of each channel by itself whose weights even out the sizes of the channels, as a normalisation leaves
/// them when it is folded; then a rectifier, so that the results are rounded.
fn depthwise(weight: impl Fn(usize, usize) -> f64) -> Vec<u8> {
    let w: Vec<f32> = (0..CHANNELS * 9).map(|i| weight(i / 9, i % 9) as f32).collect();
    let c = CHANNELS as i64;
    File::new(&[("x", &[1, c, SIDE as i64, SIDE as i64])])
        .weight("w", &[c, 1, 3, 3], &w)
        .node(
            "Conv",
            &["x", "w"],
            "h",
            &[("group", Attr::Int(c)), ("pads", Attr::Ints(vec![1; 4])), ("kernel_shape", Attr::Ints(vec![3; 2]))],
        )
        .node("Relu", &["h"], "y", &[])
        .bytes()
}

fn samples(spread: f64) -> Vec<Vec<Tensor>> {
    let per = SIDE * SIDE;
    let cell = |s: usize, i: usize| drawn(s * 31 + i * 7) * size(spread, i / per);
    let one =
        |s: usize| Tensor::floats(vec![1, CHANNELS, SIDE, SIDE], (0..CHANNELS * per).map(|i| cell(s, i)).collect());
    (0..16).map(|s| vec![one(s).expect("dense")]).collect()
}

fn options(weight_bits: Option<u32>) -> Options {
    let mut options = Options::default();
    (options.weight_bits, options.activation_bits, options.table_bits) = (weight_bits, Some(12), Some(12));
    options
}

fn built(spread: f64, weight_bits: Option<u32>) -> Model {
    let onnx = depthwise(|c, k| drawn(c * 9 + k) / size(spread, c));
    compile(&onnx, &samples(spread), &options(weight_bits)).expect("compiles")
}

fn error(model: &Model) -> f64 {
    model.report.outputs[0].relative
}

/// Bits that the one look-up drops.
fn dropped(model: &Model) -> u32 {
    let shift = |op: &Op| if let Op::Lookup { shift, .. } = op { Some(*shift) } else { None };
    model.graph.nodes.iter().filter_map(|n| shift(&n.op)).max().expect("a look-up")
}

#[test]
fn accepts_channels_of_very_different_size() {
    let (fixed, fitted) = (built(4.0, Some(8)), built(4.0, None));
    assert!(error(&fixed) > 4.0 * error(&fitted), "{} {}", error(&fixed), error(&fitted));
    assert!(fitted.report.bits.0 > 12, "{:?}", fitted.report.bits);
    let digit = stats::digit_bits(&fitted.graph);
    assert!(dropped(&fixed) < dropped(&fitted) && dropped(&fitted) <= digit, "{} of {digit}", dropped(&fitted));
}

#[test]
fn accepts_equal_channels_with_fewer_bits() {
    let model = built(1.0, None);
    assert!(error(&model) < 0.003, "{}", error(&model));
    assert!(model.report.bits.0 + 4 < built(4.0, None).report.bits.0, "{:?}", model.report.bits);
}

#[test]
fn rejects_widths_that_follow_single_channels() {
    let form = |weight: &dyn Fn(usize, usize) -> f64| -> Vec<(String, Range)> {
        let model = compile(&depthwise(weight), &samples(4.0), &options(None)).expect("compiles");
        let hidden = model.graph.tensors.iter().filter(|t| t.origin == Origin::Param);
        hidden
            .map(|t| (t.name.clone(), t.range))
            .chain([("dropped".into(), Range { lo: 0, hi: dropped(&model).into() })])
            .collect()
    };
    // The weights of the first channel and the results of the last are the largest; what the others hold is hidden.
    let all = form(&|c, k| drawn(c * 9 + k) / size(4.0, c));
    for held in [0.0, 0.9] {
        let other = form(&|c, k| drawn(c * 9 + k) / size(4.0, c) * if c == 1 || c == 2 { held } else { 1.0 });
        assert_eq!(all, other, "{held}");
    }
}

/// A product with a matrix of so many columns and a rectifier.
fn dense(columns: usize) -> Model {
    const ROWS: usize = 1024;
    let w: Vec<f32> = (0..ROWS * columns).map(|i| drawn(i) as f32).collect();
    let onnx = File::new(&[("x", &[1, ROWS as i64])])
        .weight("w", &[ROWS as i64, columns as i64], &w)
        .node("MatMul", &["x", "w"], "h", &[])
        .node("Relu", &["h"], "y", &[])
        .bytes();
    let one = |s: usize| Tensor::floats(vec![1, ROWS], (0..ROWS).map(|i| drawn(s * 31 + i * 7)).collect());
    let samples: Vec<_> = (0..16).map(|s| vec![one(s).expect("dense")]).collect();
    let mut options = options(None);
    (options.activation_bits, options.table_bits) = (Some(14), Some(14));
    compile(&onnx, &samples, &options).expect("compiles")
}

#[test]
fn accepts_matrices_of_many_cells_with_cheap_widths() {
    let (few, many) = (dense(16), dense(64));
    assert!(few.report.bits.0 > 17 && many.report.bits.0 == 17, "{:?} {:?}", few.report.bits, many.report.bits);
    assert!(error(&many) < 0.001, "{}", error(&many));
}
