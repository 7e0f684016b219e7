//! Models that are made here: one shape with more and more layers, for contracts, and models to compare with that are not
//! bundled.

use std::path::PathBuf;

use clap::ValueEnum;
use proveil::svg::{Series, plot};
use proveil_frontend::synthetic::Synthetic;
use serde_json::{Value, json};

use super::evm::{EvmTable, finished, on_model};
use super::print::Printer;
use super::report::Report;
use crate::cli::args::{BenchArgs, Generated};
use crate::cli::failure::{Failure, INTERNAL, NOT_ACCEPTED};
use crate::cli::ui::Ui;

/// Cells of every layer of the models that grow in depth.
const WIDTH: usize = 16;

/// Files of the models that the options name, to be measured like any other, for as long as the folder is kept.
pub fn files(a: &BenchArgs) -> Result<Option<(tempfile::TempDir, Vec<PathBuf>)>, Failure> {
    if a.on_chain() || a.generated.is_empty() {
        return Ok(None);
    }
    let told = |e: std::io::Error| Failure::new(INTERNAL, format!("writing generated models: {e}"));
    let dir = tempfile::tempdir().map_err(told)?;
    let mut paths = Vec::new();
    for g in &a.generated {
        let name = g.to_possible_value().map_or_else(String::new, |v| v.get_name().to_string());
        let path = dir.path().join(format!("{name}.onnx"));
        std::fs::write(&path, family(*g).1.onnx()).map_err(told)?;
        paths.push(path);
    }
    Ok(Some((dir, paths)))
}

/// A name for people, and what the model is.
fn family(g: Generated) -> (&'static str, Synthetic) {
    match g {
        Generated::Credit => ("perceptron 16-32-16-1", Synthetic::Perceptron { widths: &[16, 32, 16, 1] }),
        Generated::Lenet => ("LeNet 28x28, 44 k weights", Synthetic::LeNet),
        Generated::Forest => ("128 trees of depth 9", Synthetic::Forest { trees: 128, depth: 9, features: 64 }),
    }
}

/// Measures proofs for contracts of what the options name, before any path.
pub fn run(a: &BenchArgs, ui: &Ui, all: &mut Report) -> Result<(), Failure> {
    let mut printer = Printer::new(ui.json, EvmTable { stages: a.stages });
    let a = BenchArgs { cases: 1, ..a.clone() };
    for layers in a.depth.iter().map(|n| usize::from(*n)) {
        let name = format!("dense, {layers} layers of {WIDTH}");
        let family = Synthetic::Dense { width: WIDTH, layers };
        all.depth.push(one(&name, family, Some(layers), &a, ui, &mut printer)?);
    }
    if let Some(file) = &a.plot {
        let panels = [("verify_gas", "gas of a verification"), ("calldata_bytes", "bytes of calldata")];
        let panels = panels.map(|(key, what)| series(&all.depth, key, what));
        proveil::io::write_atomic(file, plot(&panels, 2).as_bytes(), false)?;
    }
    for g in a.generated.iter().filter(|_| a.on_chain()) {
        let (name, family) = family(*g);
        all.models.push(one(name, family, None, &a, ui, &mut printer)?);
    }
    Ok(())
}

fn one(
    name: &str,
    family: Synthetic,
    layers: Option<usize>,
    a: &BenchArgs,
    ui: &Ui,
    printer: &mut Printer<EvmTable>,
) -> Result<Value, Failure> {
    ui.stage(name);
    let record = finished(name, |out| {
        if let Some(n) = layers {
            out.insert("layers".into(), json!(n));
        }
        let model = proveil_frontend::compile(&family.onnx(), &[], &a.building.front()?)?;
        on_model(&model, name, Vec::new(), a, out)
    });
    ui.done();
    printer.record(&record);
    match record["status"] == "ok" {
        true => Ok(record),
        false => Err(Failure::new(NOT_ACCEPTED, format!("{name}: {}", record["message"]))),
    }
}

/// A figure by the number of layers.
fn series(depth: &[Value], key: &str, what: &str) -> Series {
    let n = |r: &Value, key: &str| r[key].as_f64().unwrap_or_default();
    Series {
        title: format!("dense layers of {WIDTH} cells"),
        x_label: "layers".into(),
        y_label: what.into(),
        points: depth.iter().map(|r| (n(r, "layers"), n(r, key))).collect(),
    }
}
