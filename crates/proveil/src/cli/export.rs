//! `export`: what goes on a chain.

use std::path::Path;

use proveil::io::{IoError, read_limited, write_atomic};
use proveil::proof::hex;
use proveil::succinct::{Call, KeyFile, batch_calldata};
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::{CalldataArgs, ExportArgs, ExportWhat, SolidityArgs};
use super::contract::{INSECURE, name_set_up, require_secure};
use super::failure::{BAD_FILE, Failure, NOT_ACCEPTED};
use super::prove::fixed;
use super::ui::Ui;
use super::verify::{ShortKeys, load_proof};

/// Runs the command.
pub fn run(a: &ExportArgs, ui: &Ui) -> Result<(), Failure> {
    match &a.what {
        ExportWhat::Calldata(a) => calldata(a, ui),
        ExportWhat::Solidity(a) => solidity(a, ui),
    }
}

/// Runs `export solidity`.
fn solidity(a: &SolidityArgs, ui: &Ui) -> Result<(), Failure> {
    let key = read_short(&a.key)?;
    require_secure(key.short.srs.insecure, a.insecure_set_up).map_err(|f| f.at(&a.key))?;
    let files = key.solidity().map_err(|e| Failure::from(e).at(&a.key))?;
    write_folder(&a.output, &files)?;
    let mut text = format!("folder           {} ({} files)\n", a.output.display(), files.len());
    let deployment = files.iter().find(|(name, _)| name == "deployment.json");
    let deployment: Value = deployment.and_then(|(_, bytes)| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    text += &format!(
        "model id         {}\nverifier         {}, {} bytes of code\nkey              {} bytes\nnext             see {}\n",
        deployment["model_id"].as_str().unwrap_or_default(),
        deployment["verifier"]["contract"].as_str().unwrap_or_default(),
        deployment["verifier"]["code_bytes"],
        deployment["key"]["bytes"],
        a.output.join("README.md").display()
    );
    let mut value = json!({ "folder": a.output, "deployment": deployment });
    value["files"] = files.iter().map(|(name, _)| name.as_str()).collect();
    name_set_up(&key.short, &mut text, &mut value);
    ui.result(&text, &value);
    Ok(())
}

/// Writes a folder that was not there, all of it or nothing.
fn write_folder(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::new(BAD_FILE, "is there already: name a folder that is not").at(folder));
    }
    let write = |source| Failure::from(IoError::Write { path: folder.into(), source });
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::tempdir_in(parent).map_err(write)?;
    for (name, bytes) in files {
        let path = made.path().join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(write)?;
        std::fs::write(path, bytes).map_err(write)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(made.path(), std::fs::Permissions::from_mode(0o755)).map_err(write)?;
    }
    std::fs::rename(made.path(), folder).map_err(write)
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
    let keys = ShortKeys::read(&a.key)?;
    if a.account.len() != keys.0.len() {
        let message =
            format!("{} keys and {} accounts: give one --account for each --key", keys.0.len(), a.account.len());
        return Err(Failure::usage(message));
    }
    let accounts = a.account.iter().map(|text| fixed(text)).collect::<Result<Vec<_>, _>>()?;
    ui.stage("verify");
    let (mut calls, mut insecure) = (Vec::new(), false);
    for path in &a.proof {
        let file = load_proof(path)?;
        let which = keys.of(&file).map_err(|f| f.at(path))?;
        let (Some(key), Some(account)) = (keys.0.get(which), accounts.get(which)) else { continue };
        calls.push(key.call(&file, *account).map_err(|e| Failure::from(e).at(path))?);
        insecure |= key.short.srs.insecure;
    }
    let (whole, mut value) = match &calls[..] {
        [call] if !a.batch => {
            let mut value = pieces(call);
            value["function"] = json!("verify(bytes,bytes32,bytes32)");
            (call.calldata(), value)
        }
        calls => {
            require_one_set_up(&keys)?;
            let list: Vec<Value> = calls.iter().map(pieces).collect();
            let value = json!({ "proofs": list, "function": "verifyBatch(bytes[],bytes32[],bytes32[])" });
            (batch_calldata(calls), value)
        }
    };
    value["calldata"] = json!(prefixed(&whole));
    value["calldata_bytes"] = json!(whole.len());
    value["selector"] = json!(prefixed(&whole[..4]));
    value["insecure_set_up"] = json!(insecure);
    if insecure {
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

/// Keys of one batch are of one set-up, or the contract refuses it.
fn require_one_set_up(keys: &ShortKeys) -> Result<(), Failure> {
    let mut points = keys.0.iter().map(|key| key.short.srs.tau);
    let first = points.next();
    if points.all(|p| Some(p) == first) {
        return Ok(());
    }
    let message = "the keys are of different set-ups: a contract checks their proofs in different batches";
    Err(Failure::new(NOT_ACCEPTED, message))
}

/// What a contract is given for a proof, piece by piece.
fn pieces(call: &Call) -> Value {
    let all: [(&str, &[u8]); 7] = [
        ("proof", &call.proof),
        ("model_id", &call.model_id),
        ("public_digest", &call.public_digest),
        ("public_data", &call.public_data),
        ("points", &call.points),
        ("values", &call.values),
        ("context", &call.context),
    ];
    let named = all.iter().map(|(name, bytes)| ((*name).to_string(), Value::from(prefixed(bytes))));
    Value::Object(named.collect())
}
