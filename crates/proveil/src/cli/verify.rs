//! `verify`: accepts or rejects a proof file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use proveil::io::read_limited;
use proveil::proof::{hex, read_key};
use proveil::{Error, ProofFile, RefreshFile, RegistrationFile};
use proveil_relation::key::IoValue;
use proveil_verifier::PreparedKey;
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::VerifyArgs;
use super::commit::read_public;
use super::failure::{Failure, NOT_ACCEPTED};
use super::prove::unhex;
use super::ui::{Ui, seconds, values};

/// Reads and prepares a key file.
pub fn load_key(path: &Path) -> Result<PreparedKey, Failure> {
    read_key(&read_limited(path, FILE_LIMIT)?).map_err(|e| Failure::from(e).at(path))
}

/// Reads a proof file.
pub fn load_proof(path: &Path) -> Result<ProofFile, Failure> {
    ProofFile::from_bytes(&read_limited(path, FILE_LIMIT)?).map_err(|e| Failure::from(e).at(path))
}

/// The key with a chain of refreshes in force.
fn refreshed(key: PreparedKey, paths: &[PathBuf]) -> Result<PreparedKey, Failure> {
    paths.iter().try_fold(key, |key, path| {
        let read = read_limited(path, FILE_LIMIT)?;
        let step = |bytes: &[u8]| proveil::verify_refreshes(key, &[RefreshFile::from_bytes(bytes)?]);
        step(&read).map_err(|e| Failure::from(e).at(path))
    })
}

/// Runs the command.
pub fn run(a: &VerifyArgs, ui: &Ui) -> Result<(), Failure> {
    let context = a.context.as_deref().map(unhex).transpose()?;
    let key = refreshed(load_key(&a.vk)?, &a.refresh)?;
    let file = load_proof(&a.proof)?;
    ui.stage("verify");
    let bits = proveil::security::proven_bits(&key).map_err(Error::from)?;
    if bits < a.min_security {
        let message = format!(
            "proofs under this key have {bits} bits of proven security, {} are asked for; see --min-security",
            a.min_security
        );
        return Err(Failure::new(NOT_ACCEPTED, message).at(&a.vk));
    }
    let start = Instant::now();
    let results = proveil::verify(&key, &file).map_err(|e| Failure::from(e).at(&a.proof))?;
    let took = start.elapsed().as_secs_f64();
    if context.is_some_and(|c| c != file.statement.context) {
        let got = hex(&file.statement.context);
        return Err(Failure::new(NOT_ACCEPTED, format!("the proof is bound to the context '{got}'")).at(&a.proof));
    }
    if let Some(path) = &a.registration {
        let read = read_limited(path, FILE_LIMIT)?;
        let check = |bytes: &[u8]| proveil::verify_registration(&key, &RegistrationFile::from_bytes(bytes)?);
        check(&read).map_err(|e| Failure::from(e).at(path))?;
    }
    if let Some(path) = &a.commitment {
        for c in read_public(path)? {
            let same = matches!(file.statement.inputs.get(c.input as usize),
                Some(IoValue::Committed(root, nonce)) if hex(root) == c.root && hex(nonce) == c.nonce);
            if !same {
                let message = format!("the proof is not about the commitment to input '{}'", c.name);
                return Err(Failure::new(NOT_ACCEPTED, message).at(&a.proof));
            }
        }
    }
    let mut text = format!(
        "accepted         in {}\nmodel id         {}\nsecurity         {bits} bits proven\n",
        seconds(took),
        results.model_id
    );
    let mut outputs = serde_json::Map::new();
    for (name, v) in &results.outputs {
        text += &format!("output '{name}' {}\n", v.as_ref().map_or("hidden".to_string(), |v| values(v)));
        outputs.insert(name.clone(), json!(v));
    }
    let inputs: Vec<Value> = file.statement.inputs.iter().map(described).collect();
    for (k, i) in inputs.iter().enumerate() {
        text += &format!("input {k} {}\n", i["visibility"].as_str().unwrap_or_default());
    }
    let value = json!({
        "accepted": true, "verify_s": took, "model_id": results.model_id, "security_bits": bits,
        "outputs": outputs, "inputs": inputs, "context": hex(&file.statement.context),
    });
    ui.result(&text, &value);
    Ok(())
}

/// A statement's word on an input or output.
pub fn described(v: &IoValue) -> Value {
    match v {
        IoValue::Public(v) => json!({ "visibility": "public", "integers": v }),
        IoValue::Private => json!({ "visibility": "private" }),
        IoValue::Committed(root, nonce) => json!({ "visibility": "committed", "root": hex(root), "nonce": hex(nonce) }),
    }
}
