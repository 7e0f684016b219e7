//! Operators that jump: exact on what the input encodes, ties included, whatever calibration saw.

mod common;
#[path = "common/file.rs"]
mod file;

use common::{infer, relative_error};
use file::{File, row};
use proveil_frontend::{Options, compile};

/// Ties, values next to them, whole numbers, and values far smaller than the largest.
const X: [f64; 12] = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.4995, -0.4995, 3.0, -7.0, 0.002, -0.002];

fn check(op: &str, f: impl Fn(f64) -> f64) {
    let bytes = File::new(&[("x", &[1, 12])]).node(op, &["x"], "y", &[]).bytes();
    let model = compile(&bytes, &[vec![row(&X)]], &Options::default()).expect(op);
    let wide = X.map(|v| v * 2.0);
    for x in [X, wide] {
        let want: Vec<f64> = x.iter().map(|&v| f(v)).collect();
        let error = relative_error(&infer(&model, &[row(&x)])[0], &want);
        assert_eq!(error, 0.0, "{op} of {x:?}");
    }
}

#[test]
fn matches_reference_of_rounding_to_even() {
    check("Round", f64::round_ties_even);
}

#[test]
fn matches_reference_of_floor_and_ceiling() {
    check("Floor", f64::floor);
    check("Ceil", f64::ceil);
}

#[test]
fn matches_reference_of_inputs_beyond_the_calibrated_range() {
    let file = File::new(&[("x", &[1, 12])]).node("Relu", &["x"], "h", &[]).node("Neg", &["h"], "y", &[]);
    let model = compile(&file.bytes(), &[vec![row(&X)]], &Options::default()).expect("compiles");
    let far = X.map(|v| v * -3.0);
    let got = &infer(&model, &[row(&far)])[0];
    for (x, y) in far.iter().zip(got) {
        assert!((y + x.max(0.0)).abs() < 0.05, "{x}: {y}");
    }
}
