//! `export`: what goes on a chain.

use std::path::Path;

use proveil::io::{IoError, read_limited, write_atomic};
use proveil::proof::hex;
use proveil::succinct::KeyFile;
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::{CalldataArgs, ExportArgs, ExportWhat, SolidityArgs};
use super::contract::{INSECURE, name_set_up, require_secure};
use super::failure::{BAD_FILE, Failure};
use super::prove::fixed;
use super::ui::Ui;
use super::verify::load_proof;

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
