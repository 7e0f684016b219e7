//! Runs a compiled model on floats and measures its error.

use proveil_frontend::{Model, Tensor};

/// Decoded outputs of the slow interpreter.
pub fn infer(model: &Model, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    let cells: Vec<Vec<i64>> = model
        .inputs
        .iter()
        .zip(inputs)
        .map(|(spec, t)| spec.quantise(&t.data).expect("the input is in range"))
        .collect();
    let all = proveil_graph::interpret::run(&model.graph, &model.params, &cells).expect("the graph runs");
    let outputs = model.graph.outputs.iter().zip(&model.outputs);
    outputs.map(|(id, spec)| spec.dequantise(&all[id.0 as usize])).collect()
}

/// Largest error over largest expected value.
pub fn relative_error(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let top = want.iter().fold(0f64, |m, v| m.max(v.abs()));
    got.iter().zip(want).fold(0f64, |m, (g, w)| m.max((g - w).abs())) / top.max(1e-12)
}
