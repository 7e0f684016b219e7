//! `refresh`: commits to a hidden model again before its proofs are spent, and proves that it is the same model.

use std::time::Instant;

use proveil::budget::{FileStore, folder};
use proveil::io::write_atomic;
use proveil::{Engine, Error, tree};
use serde_json::json;

use super::args::RefreshArgs;
use super::commit::load;
use super::failure::Failure;
use super::ui::{Ui, seconds, size};

/// Runs the command.
pub fn run(a: &RefreshArgs, ui: &Ui) -> Result<(), Failure> {
    if a.output.exists() {
        let message = "exists: proofs under an earlier refresh need it; give a new name";
        return Err(Failure::usage(message).at(&a.output));
    }
    ui.stage("load");
    let engine = load(&a.package)?;
    let store = FileStore::new(folder(&a.package)).map_err(Error::from)?;
    ui.stage("refresh");
    let start = Instant::now();
    let (package, file) = engine.refresh(&store)?;
    let took = start.elapsed().as_secs_f64();
    ui.stage("verify");
    proveil_verifier::refresh::verify(&engine.key, &file.epoch, &file.proof).map_err(Error::from)?;
    let renewed = package.to_bytes();
    let engine = Engine::load(package)?;
    // The refresh first: a package in a new epoch is worth nothing without it.
    let bytes = file.to_bytes();
    write_atomic(&a.output, &bytes, false)?;
    // The tree file is of the old commitment: without one, the package proves too.
    let keep = tree::kept(&a.package);
    tree::remove(&a.package)?;
    write_atomic(&a.package, &renewed, true)?;
    if let Some(keep) = keep {
        tree::write(&a.package, &engine, keep)?;
    }
    let number = file.epoch.number;
    let text = format!(
        "refresh          {} ({}), number {number}\npackage          {} proves under it from now on\nproved in        {}\n",
        a.output.display(),
        size(bytes.len()),
        a.package.display(),
        seconds(took)
    );
    let value = json!({
        "refresh": a.output, "refresh_bytes": bytes.len(), "package": a.package, "epoch": number, "prove_s": took,
    });
    ui.result(&text, &value);
    Ok(())
}
