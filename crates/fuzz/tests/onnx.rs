//! Bounded run of the target that reads model files.
#![cfg(feature = "onnx")]

use proveil_fuzz::{corpus, iterations, run, targets};

#[test]
fn rejects_or_survives_onnx_bytes() {
    let seeds = corpus("onnx").unwrap();
    assert!(seeds.len() >= 5);
    let seen = run("onnx", &seeds, iterations(1_500), targets::onnx);
    println!("{seen:?}");
    assert!(seen.accepted > 0 && seen.accepted < seen.tried);
}
