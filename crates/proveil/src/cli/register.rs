//! `register`: proves once that a hidden model's weights are in their declared ranges.

use std::time::Instant;

use proveil::Error;
use proveil::budget::{FileStore, folder};
use proveil::io::write_atomic;
use serde_json::json;

use super::args::RegisterArgs;
use super::commit::load;
use super::failure::Failure;
use super::ui::{Ui, seconds, size};

/// Runs the command.
pub fn run(a: &RegisterArgs, ui: &Ui) -> Result<(), Failure> {
    ui.stage("load");
    let engine = load(&a.package)?;
    let store = FileStore::new(folder(&a.package)).map_err(Error::from)?;
    ui.stage("register");
    let start = Instant::now();
    let file = engine.register(&store)?;
    let took = start.elapsed().as_secs_f64();
    ui.stage("verify");
    proveil::verify_registration(&engine.key, &file)?;
    let bytes = file.to_bytes();
    write_atomic(&a.output, &bytes, false)?;
    let text = format!(
        "registration     {} ({})\nproved in        {}\n",
        a.output.display(),
        size(bytes.len()),
        seconds(took)
    );
    ui.result(&text, &json!({ "registration": a.output, "registration_bytes": bytes.len(), "prove_s": took }));
    Ok(())
}
