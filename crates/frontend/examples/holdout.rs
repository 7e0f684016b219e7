//! Accuracy on inputs that calibration has not seen: judges the first one, two or three cases by a model that was
//! calibrated on the others, and prints the relative error; then the worst of the other ways to divide the cases.
//!
//!     cargo run --release -p proveil-frontend --example holdout -- FOLDER...

use std::path::Path;

use proveil_frontend::{Model, Options, Tensor, compile};

#[path = "common/mod.rs"]
mod common;

/// Numbers of judged cases.
const COUNTS: [usize; 3] = [1, 2, 3];

fn main() {
    for folder in std::env::args().skip(1) {
        let name = Path::new(&folder).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        match judge(Path::new(&folder)) {
            Ok(line) => println!("{name:32} {line}"),
            Err(e) => println!("{name:32} FAIL  {e}"),
        }
    }
}

fn judge(folder: &Path) -> Result<String, String> {
    let onnx = std::fs::read(folder.join("model.onnx")).map_err(|e| e.to_string())?;
    let cases = common::cases(folder)?;
    let mut line = String::new();
    for judged in COUNTS {
        // The first cases are judged, the others calibrate; then the same for the other ways to cut the ring.
        let plain = split(&onnx, &cases, 0, judged)?;
        let mut worst = (0f64, 0);
        for first in 1..cases.len().min(4) {
            let other = split(&onnx, &cases, first, judged)?;
            worst = if other.error > worst.0 { (other.error, first) } else { worst };
        }
        line += &format!(
            "| {judged}: {:.5} output {} refused {} look-ups {} bits {} else {:.5} at {} ",
            plain.error, plain.output, plain.refused, plain.lookups, plain.bits, worst.0, worst.1
        );
    }
    Ok(line)
}

#[derive(Default)]
struct Judged {
    error: f64,
    output: usize,
    refused: usize,
    lookups: usize,
    bits: u32,
}

/// Judges `count` cases from `first` on, in a ring, by a model that was calibrated on the others.
fn split(onnx: &[u8], cases: &common::Cases, first: usize, count: usize) -> Result<Judged, String> {
    let judged: Vec<usize> = (0..count).map(|i| (first + i) % cases.len()).collect();
    let samples: Vec<Vec<Tensor>> =
        (0..cases.len()).filter(|i| !judged.contains(i)).map(|i| cases[i].0.clone()).collect();
    let model = compile(onnx, &samples, &Options::default()).map_err(|e| e.to_string())?;
    let mut out = Judged { lookups: cells_looked_up(&model), bits: model.report.bits.1, ..Judged::default() };
    for k in 0..model.outputs.len() {
        let (mut max, mut top) = (0f64, 0f64);
        for &i in &judged {
            match error(&model, &cases[i], k)? {
                Some((m, t)) => (max, top) = (max.max(m), top.max(t)),
                None => out.refused += 1,
            }
        }
        let relative = if top > 0.0 { max / top } else { max };
        if relative > out.error {
            (out.error, out.output) = (relative, k);
        }
    }
    Ok(out)
}

fn cells_looked_up(model: &Model) -> usize {
    let looked = model.graph.nodes.iter().filter(|n| matches!(n.op, proveil_graph::Op::Lookup { .. }));
    looked.map(|n| model.graph.tensors[n.out.0 as usize].cells()).sum()
}

/// Largest error and largest expected value of one output; `None` if an input is refused.
fn error(model: &Model, case: &(Vec<Tensor>, Vec<Tensor>), k: usize) -> Result<Option<(f64, f64)>, String> {
    let cells: Result<Vec<_>, _> = model.inputs.iter().zip(&case.0).map(|(s, t)| s.quantise(&t.data)).collect();
    let Ok(cells) = cells else { return Ok(None) };
    let all = proveil_graph::eval::run_fast(&model.graph, &model.params, &cells).map_err(|e| e.to_string())?;
    let got = model.outputs[k].dequantise(&all[model.graph.outputs[k].0 as usize]);
    let pairs = got.iter().zip(&case.1[k].data).filter(|(_, w)| w.is_finite());
    Ok(Some(pairs.fold((0f64, 0f64), |(m, t), (g, w)| (m.max((g - w).abs()), t.max(w.abs())))))
}
