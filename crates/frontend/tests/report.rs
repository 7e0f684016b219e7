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
fn accepts_a_target_out_of_reach_with_a_warning_unless_it_is_a_bound() {
    // Rounding to six bits cannot be undone by wider numbers elsewhere.
    let step = |file: File| file.node("Round", &["h"], "r", &[]).node("MatMul", &["r", "w"], "y", &[]);
    let w: Vec<f32> = (0..16).map(|i| ((i * 5 + 1) % 13) as f32 / 13.0 - 0.5).collect();
    let file =
        step(File::new(&[("x", &[1, 4])]).weight("w", &[4, 4], &w).node("MatMul", &["x", "w"], "h", &[])).bytes();
    let mut options = Options::default();
    (options.weight_bits, options.activation_bits) = (Some(8), Some(8));
    let model = compile(&file, &samples(40, 9.0), &options).expect("without a bound it compiles");
    let (error, agree) = (model.report.outputs[0].relative, model.report.outputs[0].label_agreement);
    assert!(
        error > 0.005
            && warned(&model, &format!("output `y` to the error 0.005 that is aimed at; this one has {error:.5}"))
    );
    assert!(agree > 0.0);
    options.max_error = Some(error / 2.0);
    let told = compile(&file, &samples(40, 9.0), &options).expect_err("the bound is missed").to_string();
    assert!(told.contains(&format!("`y`: its relative error is {error:.5}")), "{told}");
    assert!(told.contains("operator `the_MatMul` adds most, "), "{told}");
    assert!(told.contains("allow more bits") && !told.contains("more samples"), "{told}");
    options.max_error = Some(error * 1.01);
    let model = compile(&file, &samples(40, 9.0), &options).expect("the bound is kept");
    assert!(model.report.warnings.is_empty(), "{:?}", model.report.warnings);
}

#[test]
fn rejects_labels_that_agree_too_seldom_and_bounds_that_are_no_numbers() {
    let mut options = Options::default();
    options.min_agreement = Some(0.9);
    let model = built(&samples(300, 1.0), &options);
    assert_eq!(model.report.samples, 64, "{:?}", model.report.warnings);
    // Two columns that differ by less than eight bits tell.
    let near = File::new(&[("x", &[1, 4])]).weight("w", &[4, 2], &[0.5, 0.5001, -0.3, -0.3, 0.1, 0.1, 0.2, 0.2]);
    let near = near.node("MatMul", &["x", "w"], "h", &[]).node("Tanh", &["h"], "y", &[]).bytes();
    (options.weight_bits, options.min_agreement) = (Some(8), Some(1.0));
    let told = compile(&near, &samples(300, 1.0), &options).expect_err("labels disagree").to_string();
    assert!(told.contains("`y`: the largest cell") && told.contains("below the 1 that was asked for"), "{told}");
    for (error, share) in [(Some(f64::NAN), None), (Some(-0.1), None), (None, Some(f64::NAN)), (None, Some(1.5))] {
        (options.max_error, options.min_agreement) = (error, share);
        assert!(compile(&near, &[], &options).is_err(), "{error:?} {share:?}");
    }
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
