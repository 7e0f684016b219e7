//! Imports model folders (`model.onnx`, `cases.npz`, `meta.json`) and prints how well the integer model agrees with
//! the expected outputs.
//!
//!     cargo run --release -p proveil-frontend --example zoo -- FOLDER...

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use ndarray_npy::NpzReader;
use proveil_frontend::{Kind, Model, Options, Tensor, compile};

#[path = "common/mod.rs"]
mod common;
use common::{Cases, cases, tensor};

fn main() {
    for folder in std::env::args().skip(1) {
        let name = Path::new(&folder).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let start = Instant::now();
        match judge(Path::new(&folder)) {
            Ok(line) => println!("{name:32} ok    {line} {:.1}s", start.elapsed().as_secs_f64()),
            Err(e) => println!("{name:32} FAIL  {e}"),
        }
    }
}

fn judge(folder: &Path) -> Result<String, String> {
    let onnx = std::fs::read(folder.join("model.onnx")).map_err(|e| e.to_string())?;
    let cases = cases(folder).unwrap_or_default();
    // Calibrate on the second half, judge on the first.
    let cut = if cases.len() >= 6 { cases.len() / 2 } else { 0 };
    let samples: Vec<Vec<Tensor>> = cases[cut..].iter().map(|(i, _)| i.clone()).collect();
    let drawn = std::env::var("DRAWN").is_ok();
    let samples = if drawn {
        Vec::new()
    } else if samples.len() < 8 {
        [samples, labelled(folder, &cases)].concat()
    } else {
        samples
    };
    let mut options = Options::default();
    if cases.is_empty() || drawn {
        options.batch = Some(1);
    }
    if let Some(bits) = std::env::var("BITS").ok().and_then(|b| b.parse().ok()) {
        (options.weight_bits, options.activation_bits, options.table_bits) = (Some(bits), Some(bits), Some(bits));
    }
    let model = compile(&onnx, &samples, &options).map_err(|e| e.to_string())?;
    if std::env::var("LAYERS").is_ok() {
        for l in &model.report.layers {
            println!("    {:.5} ({:.5} of its own) {}", l.relative, l.added, l.name);
        }
    }
    let judged = if cut > 0 { &cases[..cut] } else { &cases[..] };
    let (error, agree) = compare(&model, judged)?;
    let own = model.report.outputs.iter().map(|o| o.relative).fold(0.0, f64::max);
    let rows: usize = model.graph.tables.iter().map(|t| t.values.len()).sum();
    let (mut lookups, mut others) = (0, 0);
    let mut by_part: BTreeMap<String, usize> = BTreeMap::new();
    for node in &model.graph.nodes {
        let cells = model.graph.tensors[node.out.0 as usize].cells();
        match node.op {
            proveil_graph::Op::Lookup { .. } => {
                lookups += cells;
                if std::env::var("LOOKUPS").is_ok_and(|v| v == "all") {
                    println!("    {cells:8} {}", node.name);
                }
                let short = node.name.rsplit('/').next().unwrap_or_default().split(['~', '_']).next();
                *by_part.entry(short.unwrap_or_default().to_string()).or_default() += cells;
            }
            proveil_graph::Op::Linear { .. } | proveil_graph::Op::Reshape(_) | proveil_graph::Op::Contract(_) => {}
            _ => others += cells,
        }
    }
    if std::env::var("LABELS").is_ok() {
        label_accuracy(&model, &onnx, folder)?;
    }
    if std::env::var("LOOKUPS").is_ok() {
        println!("    look-ups by last part of the name: {by_part:?}");
    }
    Ok(format!(
        "rel {error:.5} (own {own:.5}) agree {agree:.2} bits {:?} rows {rows} lookups {lookups} others {others}",
        model.report.bits
    ))
}

fn compare(model: &Model, cases: &[(Vec<Tensor>, Vec<Tensor>)]) -> Result<(f64, f64), String> {
    let (mut worst, mut rows, mut same) = (0f64, 0usize, 0usize);
    let count = cases.first().map_or(0, |c| c.1.len());
    for k in 0..count {
        let (mut max, mut top) = (0f64, 0f64);
        for (inputs, expected) in cases.iter().take(8) {
            let cells = model
                .inputs
                .iter()
                .zip(inputs)
                .map(|(spec, t)| spec.quantise(&t.data))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| e.to_string())?;
            let all = proveil_graph::eval::run_fast(&model.graph, &model.params, &cells).map_err(|e| e.to_string())?;
            let got = model.outputs[k].dequantise(&all[model.graph.outputs[k].0 as usize]);
            let want = &expected[k];
            if got.len() != want.data.len() {
                return Err(format!("output {k} has {} cells, expected {:?}", got.len(), want.shape));
            }
            for (g, w) in got.iter().zip(&want.data).filter(|(_, w)| w.is_finite()) {
                max = max.max((g - w).abs());
                top = top.max(w.abs());
            }
            let row = want.shape.last().copied().unwrap_or(1).max(1);
            for (g, w) in got.chunks(row).zip(want.data.chunks(row)) {
                rows += 1;
                same += usize::from(first_largest(g) == first_largest(w));
            }
        }
        worst = worst.max(if top > 0.0 { max / top } else { max });
    }
    Ok((worst, same as f64 / rows.max(1) as f64))
}

fn first_largest(row: &[f64]) -> usize {
    (0..row.len()).rev().fold(row.len() - 1, |best, i| if row[i] >= row[best] { i } else { best })
}

/// Prints the share of right labels over the labelled test set: integer model, float model; and how often they agree.
fn label_accuracy(model: &Model, onnx: &[u8], folder: &Path) -> Result<(), String> {
    let Ok(file) = std::fs::File::open(folder.join("test.npz")) else { return Ok(()) };
    let mut npz = NpzReader::new(file).map_err(|e| e.to_string())?;
    let x = tensor(&mut npz, "X")?;
    let labels = tensor(&mut npz, "y").ok();
    let outputs: Vec<Tensor> =
        (0..model.outputs.len()).map_while(|i| tensor(&mut npz, &format!("out{i}")).ok()).collect();
    let (spec, rows) = (&model.inputs[0], x.shape[0]);
    let label = |row: &[f64], kind: Kind| match (kind, row) {
        (Kind::Float, [score]) => f64::from(u8::from(*score > 0.5)),
        (Kind::Float, row) => first_largest(row) as f64,
        (_, row) => row[0],
    };
    let at = outputs.iter().position(|o| o.kind != Kind::Float).unwrap_or(0);
    let width = outputs[at].data.len() / rows;
    let (mut right, mut float_right, mut same, mut square, mut float_square) = (0, 0, 0, 0.0, 0.0);
    for (i, row) in x.data.chunks(x.data.len() / rows).enumerate() {
        let cells = spec.quantise(row).map_err(|e| e.to_string())?;
        let all = proveil_graph::eval::run_fast(&model.graph, &model.params, &[cells]).map_err(|e| e.to_string())?;
        let got = model.outputs[at].dequantise(&all[model.graph.outputs[at].0 as usize]);
        let want = &outputs[at].data[i * width..(i + 1) * width];
        let (a, b) = (label(&got, outputs[at].kind), label(want, outputs[at].kind));
        same += usize::from(a == b);
        if let Some(y) = labels.as_ref().map(|y| y.data[i]) {
            right += usize::from(a == y);
            float_right += usize::from(b == y);
            square += (got[0] - y).powi(2);
            float_square += (want[0] - y).powi(2);
        }
    }
    let share = |n: usize| 100.0 * n as f64 / rows as f64;
    let root = |s: f64| (s / rows as f64).sqrt();
    println!(
        "    labels right: {:.2} % (float {:.2} %), same as float {:.2} %; \
         root mean square {:.4} (float {:.4}) [{rows} rows, {} bytes]",
        share(right),
        share(float_right),
        share(same),
        root(square),
        root(float_square),
        onnx.len()
    );
    Ok(())
}

/// Rows of the labelled test set in the shape of the first case, for calibration.
fn labelled(folder: &Path, cases: &Cases) -> Vec<Vec<Tensor>> {
    let Some([like]) = cases.first().map(|(inputs, _)| &inputs[..]) else { return Vec::new() };
    let Ok(file) = std::fs::File::open(folder.join("test.npz")) else { return Vec::new() };
    let Some(all) = NpzReader::new(file).ok().and_then(|mut npz| tensor(&mut npz, "X").ok()) else { return Vec::new() };
    let rows = all.data.chunks_exact(like.data.len()).take(32);
    rows.map(|r| vec![Tensor { shape: like.shape.clone(), kind: like.kind, data: r.to_vec() }]).collect()
}
