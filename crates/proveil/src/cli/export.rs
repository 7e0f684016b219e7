//! `export`: what goes on a chain.

use std::path::Path;

use proveil::io::{read_limited, write_atomic};
use proveil::proof::hex;
use proveil::succinct::KeyFile;
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::{CalldataArgs, ExportArgs, ExportWhat};
use super::contract::INSECURE;
use super::failure::Failure;
use super::prove::fixed;
use super::ui::Ui;
use super::verify::load_proof;

/// Runs the command.
pub fn run(a: &ExportArgs, ui: &Ui) -> Result<(), Failure> {
    match &a.what {
        ExportWhat::Calldata(a) => calldata(a, ui),
    }
}

/// Reads the file of a short key.
fn read_short(path: &Path) -> Result<KeyFile, Failure> {
    KeyFile::from_bytes(&read_limited(path, FILE_LIMIT)?).map_err(|e| Failure::from(e).at(path))
}

/// Bytes as the tools of chains write them.
fn prefixed(bytes: &[u8]) -> String {
    format!("0x{}", hex(bytes))
}

/// Runs `export calldata`.
fn calldata(a: &CalldataArgs, ui: &Ui) -> Result<(), Failure> {
    let key = read_short(&a.key)?;
    let account = fixed(&a.account)?;
    let file = load_proof(&a.proof)?;
    ui.stage("verify");
    let call = key.call(&file, account).map_err(|e| Failure::from(e).at(&a.proof))?;
    let whole = call.calldata();
    let mut value = json!({
        "calldata": prefixed(&whole), "calldata_bytes": whole.len(), "function": "verify(bytes,bytes32,bytes32)",
        "selector": prefixed(&whole[..4]), "insecure_set_up": key.short.srs.insecure,
    });
    let pieces: [(&str, &[u8]); 7] = [
        ("proof", &call.proof),
        ("model_id", &call.model_id),
        ("public_digest", &call.public_digest),
        ("public_data", &call.public_data),
        ("points", &call.points),
        ("values", &call.values),
        ("context", &call.context),
    ];
    pieces.iter().for_each(|(name, bytes)| value[*name] = Value::from(prefixed(bytes)));
    if key.short.srs.insecure {
        ui.note(INSECURE);
    }
    let text = prefixed(&whole);
    if let Some(path) = &a.output {
        let content = if ui.json { value.to_string() } else { text.clone() };
        write_atomic(path, content.as_bytes(), false)?;
    }
    ui.result(&text, &value);
    Ok(())
}
