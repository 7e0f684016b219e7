//! Powers with a list of exponents, and the scalers that are made of them, against values worked out here.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File};
use proveil_frontend::{FrontendError, Options, Tensor, compile};

const ML: &str = "ai.onnx.ml";
/// Columns of several sizes; the last two have both signs.
const SIZE: [f64; 4] = [3e4, 12.0, 5.0, 0.7];
const LAMBDA: [f64; 4] = [0.02, 0.7, 1.4, -0.5];

fn rows(count: usize) -> Vec<Vec<Tensor>> {
    let mut state = 7u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    let cell = |j: usize, v: f64| SIZE[j] * if j < 2 { 0.1 + v } else { 2.0 * v - 1.0 };
    (0..count).map(|_| vec![row((0..4).map(|j| cell(j, next())).collect())]).collect()
}

fn row(cells: Vec<f64>) -> Tensor {
    Tensor::floats(vec![1, cells.len()], cells).expect("dense")
}

fn worst(file: File, want: impl Fn(usize, f64) -> f64) -> f64 {
    let all = rows(96);
    let model = compile(&file.bytes(), &all[..64], &Options::default()).expect("compiles");
    let one = |x: &Vec<Tensor>| {
        let want: Vec<f64> = x[0].data.iter().enumerate().map(|(j, v)| want(j, *v)).collect();
        relative_error(&infer(&model, x)[0], &want)
    };
    all[64..].iter().map(one).fold(0.0, f64::max)
}

/// `((x + 1)^l - 1) / l` above 0, `(1 - (1 - x)^(2 - l)) / (2 - l)` below.
fn yeo_johnson(l: f64, x: f64) -> f64 {
    if x >= 0.0 { ((x + 1.0).powf(l) - 1.0) / l } else { (1.0 - (1.0 - x).powf(2.0 - l)) / (2.0 - l) }
}

/// The graph that exporters write, scaled.
fn transformer() -> File {
    let scale: Vec<f64> = (0..4).map(|j| 1.0 / yeo_johnson(LAMBDA[j], SIZE[j])).collect();
    unscaled(&LAMBDA).weight("scale", FLOAT, &[4], &scale).domain("", 15).node("Mul", &["sum", "scale"], &["y"], &[])
}

/// Powers of negative numbers are NaN, put right by imputers and by truth values; exponents of 0 have logarithms.
fn unscaled(lambda: &[f64; 4]) -> File {
    let fill = |value: f32| {
        vec![("imputed_value_floats", Attr::Floats(vec![0.0])), ("replaced_value_float", Attr::Float(value))]
    };
    let upper = lambda.map(|l| 2.0 - l);
    File::new("", 15, &["y"])
        .domain(ML, 1)
        .domain("", 15)
        .input("x", FLOAT, &[1, 4])
        .weight("l", FLOAT, &[4], lambda)
        .weight("u", FLOAT, &[4], &upper)
        .weight("zeros", FLOAT, &[4], &[0.0; 4])
        .node("Div", &["x", "x"], &["one"], &[])
        .node("Sub", &["x", "x"], &["zero"], &[])
        .node("Add", &["x", "one"], &["above"], &[])
        .node("Sub", &["one", "x"], &["below"], &[])
        .node("Less", &["x", "zero"], &["negative"], &[])
        .node("Not", &["negative"], &["positive"], &[])
        .node("Cast", &["negative"], &["n"], &[("to", Attr::Int(1))])
        .node("Cast", &["positive"], &["p"], &[("to", Attr::Int(1))])
        .node("Pow", &["above", "l"], &["ap"], &[])
        .node("Pow", &["below", "u"], &["bp"], &[])
        .node("Sub", &["ap", "one"], &["ad"], &[])
        .node("Sub", &["one", "bp"], &["bd"], &[])
        .node("Div", &["ad", "l"], &["aq"], &[])
        .node("Div", &["bd", "u"], &["bq"], &[])
        .node("Log", &["above"], &["al"], &[])
        .node("Mul", &["al", "zeros"], &["az"], &[])
        .domain(ML, 1)
        .node("Imputer", &["aq"], &["ai"], &fill(f32::INFINITY))
        .node("Imputer", &["bq"], &["bi"], &fill(f32::INFINITY))
        .domain("", 15)
        .node("Add", &["ai", "az"], &["at"], &[])
        .domain(ML, 1)
        .node("Imputer", &["at"], &["af"], &fill(f32::NAN))
        .node("Imputer", &["bi"], &["bf"], &fill(f32::NAN))
        .domain("", 15)
        .node("Mul", &["af", "p"], &["am"], &[])
        .node("Mul", &["bf", "n"], &["bm"], &[])
        .node("Add", &["am", "bm"], &["sum"], &[])
}

/// Mean and standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
}

/// The largest error of powers less their mean, over their standard deviation, and the largest value of those.
fn error_of_scaled(lambda: [f64; 4], middle: [f64; 4], around: [f64; 4]) -> (f64, f64) {
    let to = |j: usize, v: f64| middle[j] + around[j] * v;
    let all: Vec<_> = rows(96)
        .iter()
        .map(|x| vec![row((0..4).map(|j| to(j, x[0].data[2 + j % 2] / SIZE[2 + j % 2])).collect())])
        .collect();
    let power = |j: usize, x: f64| yeo_johnson(lambda[j], x);
    let column = |j: usize| all.iter().map(|x| power(j, x[0].data[j])).collect::<Vec<f64>>();
    let fitted: Vec<(f64, f64)> = (0..4).map(|j| spread(&column(j))).collect();
    let offset = fitted.iter().map(|f| f.0 as f32).collect();
    let scale = fitted.iter().map(|f| (1.0 / f.1) as f32).collect();
    let file = unscaled(&lambda).domain(ML, 1).node(
        "Scaler",
        &["sum"],
        &["y"],
        &[("offset", Attr::Floats(offset)), ("scale", Attr::Floats(scale))],
    );
    let model = compile(&file.bytes(), &all[..64], &Options::default()).expect("compiles");
    let (mut error, mut top) = (0f64, 0f64);
    for x in &all[64..] {
        for (j, got) in infer(&model, x)[0].iter().enumerate() {
            let want = (power(j, x[0].data[j]) - f64::from(fitted[j].0 as f32)) / fitted[j].1;
            (error, top) = (error.max((got - want).abs()), top.max(want.abs()));
        }
    }
    (error, top)
}

#[test]
fn matches_reference_what_is_left_of_powers_that_hardly_vary() {
    // As fitted to bedrooms, longitudes, alcohol and magnesium: what varies is down to 1e-5 of the numbers.
    let (middle, around) = ([1.1, -120.0, 13.0, 100.0], [0.05, 2.0, 0.8, 14.0]);
    let (error, top) = error_of_scaled([-10.5, 2.5, -0.2, -2.4], middle, around);
    assert!(error < 0.02 * top, "{error} of {top}");
}

#[test]
fn matches_reference_powers_of_years() {
    // Up to 2^99, which is beyond any level that numbers usually have. The argument of the table says no more of them.
    let (error, top) = error_of_scaled([9.0, 0.7, 1.4, -0.5], [2005.0, 20.0, 1.0, 1.0], [15.0, 8.0, 0.5, 0.5]);
    assert!(error < 0.15 * top, "{error} of {top}");
}

#[test]
fn matches_reference_a_power_transformer() {
    let error = worst(transformer(), |j, x| yeo_johnson(LAMBDA[j], x) / yeo_johnson(LAMBDA[j], SIZE[j]));
    assert!(error < 0.01, "{error}");
}

#[test]
fn matches_reference_values_put_in_where_there_is_no_logarithm() {
    let fill = vec![("imputed_value_floats", Attr::Floats(vec![-7.0]))];
    let file = File::new("", 15, &["y"])
        .domain(ML, 1)
        .domain("", 15)
        .input("x", FLOAT, &[1, 4])
        .weight("w", FLOAT, &[4], &[0.5, -1.0, 2.0, 0.25])
        .node("Log", &["x"], &["l"], &[])
        .node("Mul", &["l", "w"], &["s"], &[])
        .domain(ML, 1)
        .node("Imputer", &["s"], &["y"], &fill);
    let want = |j: usize, x: f64| if x > 0.0 { x.ln() * [0.5, -1.0, 2.0, 0.25][j] } else { -7.0 };
    let error = worst(file, want);
    assert!(error < 0.01, "{error}");
}

#[test]
fn matches_reference_powers_with_a_list_of_exponents() {
    let exponents = [0.5, 1.5, 2.0, 0.75];
    let file = File::new("", 15, &["y"])
        .input("x", FLOAT, &[1, 4])
        .weight("e", FLOAT, &[4], &exponents)
        .weight("s", FLOAT, &[4], &[0, 1, 2, 3].map(|j: usize| SIZE[j].powf(-exponents[j])))
        .node("Abs", &["x"], &["a"], &[])
        .node("Pow", &["a", "e"], &["p"], &[])
        .node("Mul", &["p", "s"], &["y"], &[]);
    let error = worst(file, |j, x| (x.abs() / SIZE[j]).powf(exponents[j]));
    assert!(error < 0.01, "{error}");
}

#[test]
fn rejects_exponents_that_vary_along_several_axes() {
    let file = File::new("", 15, &["y"])
        .input("x", FLOAT, &[2, 2])
        .weight("e", FLOAT, &[2, 2], &[0.5, 1.5, 2.0, 0.25])
        .node("Pow", &["x", "e"], &["y"], &[]);
    let x = Tensor::floats(vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]).expect("dense");
    let got = file.run(&[x]);
    assert!(matches!(&got, Err(FrontendError::Unsupported { .. })), "{got:?}");
}
