//! Proofs for contracts of models that are made here: one shape with more and more layers, and models to compare with that are
//! not bundled.

use proveil::svg::{Series, plot};
use proveil_frontend::synthetic::Synthetic;
use serde_json::{Value, json};

use super::evm::{OnChain, finished, on_model};
use super::print::Printer;
use super::report::Report;
use crate::cli::args::{BenchArgs, Generated};
use crate::cli::failure::{Failure, NOT_ACCEPTED};
use crate::cli::ui::Ui;

/// Cells of every layer of the models that grow in depth.
const WIDTH: usize = 16;

/// Measures what the options name, before any path.
pub fn run(a: &BenchArgs, ui: &Ui, all: &mut Report) -> Result<(), Failure> {
    let mut printer = Printer::new(ui.json, OnChain { stages: a.stages });
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
    for g in &a.generated {
        let (name, family) = match g {
            Generated::Credit => ("perceptron 16-32-16-1", Synthetic::Perceptron { widths: &[16, 32, 16, 1] }),
            Generated::Lenet => ("LeNet 28x28, 44 k weights", Synthetic::LeNet),
        };
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
    printer: &mut Printer<OnChain>,
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
