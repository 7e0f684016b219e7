//! What the report of a compilation says, and when it warns.

#[path = "common/file.rs"]
mod file;

use file::{File, row};
use proveil_frontend::{Model, Options, Tensor, compile};

fn file() -> Vec<u8> {
    let w: Vec<f32> = (0..16).map(|i| ((i * 5 + 1) % 13) as f32 / 13.0 - 0.5).collect();
    let file = File::new(&[("x", &[1, 4])]).weight("w", &[4, 4], &w).node("MatMul", &["x", "w"], "h", &[]);
    file.node("Tanh", &["h"], "t", &[]).node("MatMul", &["t", "w"], "y", &[]).bytes()
}

fn samples(n: usize, size: f64) -> Vec<Vec<Tensor>> {
    let cell = |i: usize, j: usize| size * (((i * 7 + j * 3 + 1) % 11) as f64 / 5.5 - 1.0);
    (0..n).map(|i| vec![row(&[cell(i, 0), cell(i, 1), cell(i, 2), cell(i, 3)])]).collect()
}

fn built(samples: &[Vec<Tensor>], options: &Options) -> Model {
    compile(&file(), samples, options).expect("compiles")
}

fn warned(model: &Model, part: &str) -> bool {
    model.report.warnings.iter().any(|w| w.contains(part))
}

#[test]
fn accepts_enough_samples_without_a_warning() {
    let model = built(&samples(40, 1.0), &Options::default());
    assert!(model.report.warnings.is_empty(), "{:?}", model.report.warnings);
    assert_eq!(model.report.samples, 8);
    let (lo, hi) = (model.report.inputs[0].lo, model.report.inputs[0].hi);
    let unit = 2f64.powi(-model.inputs[0].scale);
    assert!((lo as f64 * unit + 1.0).abs() < 0.01 && (hi as f64 * unit - 9.0 / 11.0).abs() < 0.01, "{lo} {hi}");
    assert!(model.inputs[0].range.lo < lo && hi < model.inputs[0].range.hi);
}

#[test]
fn accepts_few_samples_with_warnings() {
    let model = built(&samples(3, 1.0), &Options::default());
    assert!(warned(&model, "3 samples") && warned(&model, "measured on the samples"), "{:?}", model.report.warnings);
    assert!(warned(&built(&[], &Options::default()), "no samples were given"));
}

#[test]
fn accepts_targets_out_of_reach_with_warnings() {
    let mut options = Options::default();
    options.max_error = 1e-9;
    assert!(warned(&built(&samples(40, 1.0), &options), "no setting reaches the error"));
    (options.max_error, options.min_agreement) = (0.005, Some(1.5));
    assert!(warned(&built(&samples(40, 1.0), &options), "no setting reaches the agreement"));
    options.min_agreement = Some(0.9);
    let model = built(&samples(300, 1.0), &options);
    assert!(!warned(&model, "agreement") && model.report.samples == 64, "{:?}", model.report.warnings);
}

#[test]
fn matches_reference_of_where_errors_come_from() {
    let model = built(&samples(40, 1.0), &Options::default());
    let layers = &model.report.layers;
    let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    // One operator after the other: what is there after one is at most what was there before, times the slope, plus
    // what it adds; each adds something, since weights and tables are rounded.
    assert!(layers.iter().all(|l| l.relative > 0.0 && l.relative < 0.02 && l.added < 0.02), "{layers:?}");
    assert!(layers[1].added > 0.0);
}

#[test]
fn accepts_saturation_and_counts_it() {
    // The last quarter is kept to measure, and is five times as large as what set the ranges.
    let mut all = samples(30, 1.0);
    all.extend(samples(10, 5.0));
    let mut options = Options::default();
    options.margin = 1.0;
    let model = built(&all, &options);
    assert!(model.report.saturated > 0 && warned(&model, "input cells lie outside"), "{:?}", model.report);
}
