//! `bench`: measures models one by one, each in a process of its own so that a crash ends one line only and the peak
//! of memory is the model's own, and judges the proven outputs.

mod child;
mod evm;
mod folder;
mod generated;
mod measure;
mod print;
mod report;
mod scaling;
mod stages;
mod summary;
pub mod testset;
mod turns;

pub use folder::name_of;

use proveil::estimate::{Machine, SelfTest};
use serde_json::{Value, json};

use crate::cli::args::{Args, BenchArgs, Building};
use crate::cli::failure::{Failure, NOT_ACCEPTED};
use crate::cli::ui::Ui;

/// Predicts times, by the speed of this machine before and after they were measured: it may change from minute to minute where
/// others use its processor.
struct Forecast {
    test: SelfTest,
    before: Machine,
}

impl Forecast {
    fn new(ui: &Ui) -> Result<Self, Failure> {
        ui.stage("self-test");
        let test = SelfTest::new()?;
        Ok(Self { before: test.run()?, test })
    }

    fn predict(&mut self, record: &mut Value) -> Result<(), Failure> {
        let after = self.test.run()?;
        let machine = std::mem::replace(&mut self.before, after).between(after);
        if let (Some(s), Some(fields)) = (record["reference_s"].as_f64(), record.as_object_mut()) {
            fields.insert("predicted_s".into(), machine.seconds(s).into());
            fields.insert("machine".into(), json!(machine));
        }
        Ok(())
    }
}

/// Runs the command.
pub fn run(a: &BenchArgs, args: &Args, ui: &Ui) -> Result<(), Failure> {
    // Wrong options end the run before any model is measured.
    a.building.package("")?;
    a.building.front()?;
    if a.child {
        let path = a.paths.first().ok_or_else(|| Failure::usage("--child needs a path"))?;
        println!("{}", if a.on_chain() { evm::record(path, a) } else { measure::record(path, a) });
        return Ok(());
    }
    if a.scaling {
        return scaling::run(a, ui);
    }
    if a.plot.is_some() && a.depth.is_empty() {
        return Err(Failure::usage("--plot draws what --scaling or --evm --depth measures: give one of them"));
    }
    let mut all = report::Report::default();
    generated::run(a, ui, &mut all)?;
    let mut forecast = if a.predict && !a.on_chain() { Some(Forecast::new(ui)?) } else { None };
    let mut failed = 0;
    let mut measured = Vec::new();
    let mut printer = print::Printer::new(ui.json, print::Measured { stages: a.stages });
    let mut on_chain = print::Printer::new(ui.json, evm::EvmTable { stages: a.stages });
    let batches =
        if a.batches.is_empty() { vec![a.building.batch] } else { a.batches.iter().map(|k| Some(*k)).collect() };
    let made = generated::files(a)?;
    let paths: Vec<_> = a.paths.iter().chain(made.iter().flat_map(|m| &m.1)).collect();
    for path in &paths {
        for batch in &batches {
            ui.stage(&path.display().to_string());
            let building = Building { batch: *batch, ..a.building.clone() };
            let own = BenchArgs { building, ..a.clone() };
            let mut record = child::run(path, &own, args);
            if let Some(forecast) = &mut forecast {
                forecast.predict(&mut record)?;
            }
            ui.done();
            failed += usize::from(record.get("status") != Some(&Value::from("ok")));
            if a.on_chain() {
                on_chain.record(&record);
                all.models.push(record);
            } else {
                printer.record(&record);
                measured.push(record);
            }
        }
    }
    if let Some(text) = summary::of(&measured).filter(|_| !ui.json) {
        println!("{text}");
    }
    match failed {
        0 => all.write(a),
        n => Err(Failure::new(NOT_ACCEPTED, format!("{n} of {} runs were not proven", paths.len() * batches.len()))),
    }
}
