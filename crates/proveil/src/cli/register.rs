//! `register`: proves once that a hidden model's weights are in their declared ranges.

use std::time::Instant;

use proveil::budget::{FileStore, folder};
use proveil::io::write_atomic;
use proveil::{Engine, Error, RegistrationFile, succinct};
use serde_json::{Value, json};

use super::args::RegisterArgs;
use super::contract::{Loaded, set_up};
use super::failure::Failure;
use super::ui::{Ui, seconds, size};

/// Runs the command.
pub fn run(a: &RegisterArgs, ui: &Ui) -> Result<(), Failure> {
    ui.stage("load");
    let engine = Loaded::read(&a.package, &a.backend)?;
    ui.stage("register");
    let start = Instant::now();
    let (file, own) = match &engine {
        Loaded::Transparent(e) => (transparent(a, e)?, json!({})),
        Loaded::Succinct(e) => succinct(a, e)?,
    };
    let took = start.elapsed().as_secs_f64();
    let bytes = file.to_bytes();
    write_atomic(&a.output, &bytes, false)?;
    let mut text = format!(
        "registration     {} ({})\nproved in        {}\n",
        a.output.display(),
        size(bytes.len()),
        seconds(took)
    );
    let mut value = json!({ "registration": a.output, "registration_bytes": bytes.len(), "prove_s": took });
    if let (Value::Object(value), Value::Object(own)) = (&mut value, own) {
        value.extend(own);
    }
    if let Some(id) = value["registration_id"].as_str() {
        text += &format!("model id         {id}\n");
    }
    engine.name_set_up(&mut text, &mut value);
    ui.result(&text, &value);
    Ok(())
}

/// Registers with hashes; counted, so it is done once.
fn transparent(a: &RegisterArgs, engine: &Engine) -> Result<RegistrationFile, Failure> {
    if a.short_key.is_some() || a.proof.is_some() {
        return Err(Failure::usage("--short-key and --proof belong to the succinct backend"));
    }
    let store = FileStore::new(folder(&a.package)).map_err(Error::from)?;
    let file = engine.register(&store)?;
    proveil::verify_registration(&engine.key, &file)?;
    Ok(file)
}

/// Registers for contracts: a key and a proof, as files of their own too.
fn succinct(a: &RegisterArgs, engine: &succinct::Engine) -> Result<(RegistrationFile, Value), Failure> {
    let (key, proof) = engine.register(&set_up(a.backend.srs.as_deref())?)?;
    engine.key_file().verify_registration(&key, &proof)?;
    let file = RegistrationFile { key: key.to_bytes(), proof: proof.to_bytes() };
    for (path, bytes) in [(&a.short_key, &file.key), (&a.proof, &file.proof)] {
        if let Some(path) = path {
            write_atomic(path, bytes, false)?;
        }
    }
    Ok((file, json!({ "registration_id": proveil::proof::hex(&key.short.id()) })))
}
