//! `encode`: the tree file of a package, made again or removed.

use std::path::Path;
use std::time::Instant;

use proveil::tree::{self, Keep};
use proveil::{Engine, Error};
use serde_json::{Value, json};

use super::args::EncodeArgs;
use super::commit::read_package;
use super::failure::{BAD_FILE, Failure};
use super::ui::{Ui, seconds, size};

/// Runs the command.
pub fn run(a: &EncodeArgs, ui: &Ui) -> Result<(), Failure> {
    ui.stage("load");
    let package = read_package(&a.package)?;
    let start = Instant::now();
    let (mut text, mut value) = (String::new(), json!({ "package": a.package }));
    match a.tree.keep() {
        None => {
            tree::remove(&a.package)?;
            text += "no tree file: proofs encode the model again\n";
            value["tree"] = Value::Null;
        }
        Some(keep) => {
            ui.stage("encode");
            let bad = |e: Error| Failure { code: BAD_FILE, ..Failure::from(e).at(&a.package) };
            let engine = Engine::load(package).map_err(bad)?;
            write(&a.package, &engine, keep, &mut text, &mut value)?;
            let took = start.elapsed().as_secs_f64();
            text += &format!("made in          {}\n", seconds(took));
            value["encode_s"] = json!(took);
        }
    }
    ui.result(&text, &value);
    Ok(())
}

/// Writes the tree file of a package and adds it to a result.
pub fn write(package: &Path, engine: &Engine, keep: Keep, text: &mut String, value: &mut Value) -> Result<(), Failure> {
    let path = tree::beside(package);
    let Some(bytes) = tree::write(package, engine, keep)? else { return Ok(()) };
    *text += &format!("tree             {} ({}; keep it secret)\n", path.display(), size(bytes as usize));
    value["tree"] = json!(path);
    value["tree_bytes"] = json!(bytes);
    Ok(())
}
