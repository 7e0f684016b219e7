//! Tables whose columns have different sizes: incomes next to rates.

mod common;
#[path = "common/file.rs"]
mod file;

use common::{infer, relative_error};
use file::{Attr, File, row};
use proveil_frontend::{Model, Options, Tensor, compile};

const MEAN: [f32; 5] = [5e4, 40.0, 3e-4, -2e5, 1.0];
const SIZE: [f32; 5] = [2e4, 12.0, 1e-4, 7e4, 0.25];
const WEIGHTS: [f32; 10] = [0.5, -1.0, 2.0, 0.75, -0.5, 1.5, 0.25, -0.75, 1.0, -2.0];

/// Typical rows: the mean plus up to two sizes.
fn rows(count: usize) -> Vec<Vec<Tensor>> {
    let mut state = 1u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31) * 4.0 - 2.0
    };
    let one = |_| vec![row(&(0..5).map(|j| f64::from(MEAN[j]) + f64::from(SIZE[j]) * next()).collect::<Vec<_>>())];
    (0..count).map(one).collect()
}

fn standard(x: &[f64]) -> Vec<f64> {
    (0..5).map(|j| (x[j] - f64::from(MEAN[j])) / f64::from(SIZE[j])).collect()
}

fn compiled(file: File, samples: &[Vec<Tensor>]) -> Model {
    compile(&file.bytes(), samples, &Options::default()).expect("compiles")
}

fn worst(model: &Model, samples: &[Vec<Tensor>], want: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    let pairs: Vec<_> = samples.iter().map(|s| (infer(model, s)[0].clone(), want(&s[0].data))).collect();
    let (got, want): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    relative_error(&got.concat(), &want.concat())
}

fn table() -> File {
    File::new(&[("x", &[1, 5])]).weight("mean", &[5], &MEAN).weight("size", &[5], &SIZE)
}

#[test]
fn matches_reference_of_a_scaler_before_a_linear_model() {
    let file = table()
        .weight("w", &[5, 2], &WEIGHTS)
        .node("Sub", &["x", "mean"], "c", &[])
        .node("Div", &["c", "size"], "s", &[])
        .node("MatMul", &["s", "w"], "y", &[]);
    let all = rows(64);
    let (samples, unseen) = all.split_at(32);
    let model = compiled(file, samples);
    assert!(model.inputs[0].columns.iter().any(|l| *l < -20), "{:?}", model.inputs[0].columns);
    let want = |x: &[f64]| {
        let s = standard(x);
        (0..2).map(|k| (0..5).map(|j| s[j] * f64::from(WEIGHTS[2 * j + k])).sum()).collect()
    };
    assert!(worst(&model, unseen, want) < 0.01);
}

#[test]
fn matches_reference_of_distances_with_a_variance_for_each_column() {
    let inverse: Vec<f32> = SIZE.iter().map(|s| 1.0 / (s * s)).collect();
    let file = table()
        .weight("inverse", &[5], &inverse)
        .node("Sub", &["x", "mean"], "c", &[])
        .node("Mul", &["c", "c"], "q", &[])
        .node("Mul", &["q", "inverse"], "d", &[])
        .node("ReduceSum", &["d"], "y", &[("axes", Attr::Ints(vec![1]))]);
    let samples = rows(64);
    let model = compiled(file, &samples[..32]);
    let want = |x: &[f64]| vec![standard(x).iter().map(|v| v * v).sum()];
    assert!(worst(&model, &samples[32..], want) < 0.01);
}

#[test]
fn matches_reference_of_columns_taken_apart_and_put_together() {
    let part = |from: i64, to: i64| {
        vec![("axes", Attr::Ints(vec![1])), ("starts", Attr::Ints(vec![from])), ("ends", Attr::Ints(vec![to]))]
    };
    let file = table()
        .node("Slice", &["x"], "a", &part(0, 2))
        .node("Slice", &["x"], "b", &part(2, 5))
        .node("Concat", &["b", "a"], "z", &[("axis", Attr::Int(1))])
        .node("Abs", &["z"], "p", &[])
        .weight("size2", &[5], &[SIZE[2], SIZE[3], SIZE[4], SIZE[0], SIZE[1]])
        .node("Div", &["p", "size2"], "y", &[]);
    let samples = rows(64);
    let model = compiled(file, &samples[..32]);
    let want = |x: &[f64]| [2, 3, 4, 0, 1].map(|j: usize| x[j].abs() / f64::from(SIZE[j])).to_vec();
    assert!(worst(&model, &samples[32..], want) < 0.01);
}

#[test]
fn matches_reference_of_products_of_columns_taken_apart() {
    let pairs = [(0, 1), (2, 4), (3, 3), (2, 2), (1, 4)];
    let size = |(a, b): (usize, usize)| MEAN[a] * MEAN[b];
    let (mut file, mut products) = (table(), Vec::new());
    for j in 0..5 {
        let ends = [("starts", j), ("ends", j + 1)].map(|(name, at)| (name, Attr::Ints(vec![at])));
        let part: Vec<_> = ends.into_iter().chain([("axes", Attr::Ints(vec![1]))]).collect();
        file = file.node("Slice", &["x"], &format!("x{j}"), &part);
    }
    for (a, b) in pairs {
        products.push(format!("p{a}{b}"));
        file = file.node("Mul", &[&format!("x{a}"), &format!("x{b}")], &format!("p{a}{b}"), &[]);
    }
    let names: Vec<&str> = products.iter().map(String::as_str).collect();
    let file = file
        .node("Concat", &names, "z", &[("axis", Attr::Int(1))])
        .weight("sizes", &[5], &pairs.map(size))
        .weight("w", &[5, 2], &WEIGHTS)
        .node("Div", &["z", "sizes"], "s", &[])
        .node("MatMul", &["s", "w"], "y", &[]);
    let samples = rows(64);
    let model = compiled(file, &samples[..32]);
    let want = |x: &[f64]| {
        let term = |k: usize, j: usize| {
            let (a, b) = pairs[j];
            x[a] * x[b] / f64::from(size(pairs[j])) * f64::from(WEIGHTS[2 * j + k])
        };
        (0..2).map(|k| (0..5).map(|j| term(k, j)).sum()).collect()
    };
    let error = worst(&model, &samples[32..], want);
    assert!(error < 0.01, "{error}");
}

#[test]
fn matches_reference_of_rows_divided_by_the_sum_of_their_sizes() {
    let file = table().weight("w", &[5, 2], &WEIGHTS).node("LpNormalization", &["x"], "n", &[("p", Attr::Int(1))]);
    let file = file.node("MatMul", &["n", "w"], "y", &[]);
    let samples = rows(64);
    let model = compiled(file, &samples[..32]);
    let want = |x: &[f64]| {
        let norm: f64 = x.iter().map(|v| v.abs()).sum();
        (0..2).map(|k| (0..5).map(|j| x[j] / norm * f64::from(WEIGHTS[2 * j + k])).sum()).collect()
    };
    let error = worst(&model, &samples[32..], want);
    assert!(error < 0.01, "{error}");
}

#[test]
fn matches_reference_of_a_function_of_columns_of_different_sizes() {
    let file = table().node("Abs", &["x"], "p", &[]).node("Log", &["p"], "y", &[]);
    let samples = rows(64);
    let model = compiled(file, &samples[..32]);
    let want = |x: &[f64]| x.iter().map(|v| v.abs().ln()).collect();
    let error = worst(&model, &samples[32..], want);
    assert!(error < 0.01, "{error}");
}

#[test]
fn accepts_columns_of_one_size_with_one_unit() {
    let file = File::new(&[("x", &[1, 5])]).node("Neg", &["x"], "y", &[]);
    let samples: Vec<_> = rows(32).iter().map(|r| vec![row(&standard(&r[0].data))]).collect();
    assert!(compiled(file, &samples).inputs[0].columns.is_empty());
}

#[test]
fn accepts_columns_that_are_nearly_always_zero_with_the_common_unit() {
    let file = File::new(&[("x", &[1, 2])]).node("Neg", &["x"], "y", &[]);
    let samples: Vec<_> =
        (0..40).map(|i| vec![row(&[100.0 + f64::from(i), if i == 7 { 0.01 } else { 0.0 }])]).collect();
    let model = compiled(file, &samples);
    assert!(model.inputs[0].columns.is_empty());
    let got = &infer(&model, &[row(&[50.0, 120.0])])[0];
    assert!((got[1] + 120.0).abs() < 1.0, "{got:?}");
}
