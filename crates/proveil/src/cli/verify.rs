//! `verify`: accepts or rejects a proof file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use proveil::io::read_limited;
use proveil::proof::{hex, read_key};
use proveil::succinct::{BITS, FULL_KEY_MAGIC, FullKey, KeyFile, SHORT_KEY_MAGIC, verify_batch};
use proveil::{Error, ProofFile, RefreshFile, RegistrationFile, Results};
use proveil_protocol::merkle::Commitment;
use proveil_relation::key::IoValue;
use proveil_succinct::{BatchError, ShortKey};
use proveil_verifier::PreparedKey;
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::VerifyArgs;
use super::commit::read_public;
use super::contract::{label, name_set_up, require_secure, set_up};
use super::failure::{BAD_FILE, Failure, NOT_ACCEPTED};
use super::prove::unhex;
use super::ui::{Ui, seconds, texts, values};

/// A key of either backend.
pub enum AnyKey {
    /// Of the transparent backend.
    Transparent(Box<PreparedKey>),
    /// What a contract knows.
    Short(Box<KeyFile>),
    /// What the short key is made from.
    Full(Box<FullKey>),
}

/// Reads a key file of any kind, preparing a verifying key.
pub fn read_key_file(path: &Path) -> Result<AnyKey, Failure> {
    let bytes = read_limited(path, FILE_LIMIT)?;
    let read = || {
        Ok(match bytes.get(..8) {
            Some(m) if m == SHORT_KEY_MAGIC => AnyKey::Short(Box::new(KeyFile::from_bytes(&bytes)?)),
            Some(m) if m == FULL_KEY_MAGIC => AnyKey::Full(Box::new(FullKey::from_bytes(&bytes)?)),
            _ => AnyKey::Transparent(Box::new(read_key(&bytes)?)),
        })
    };
    read().map_err(|e: Error| Failure::from(e).at(path))
}

/// Reads a proof file.
pub fn load_proof(path: &Path) -> Result<ProofFile, Failure> {
    ProofFile::from_bytes(&read_limited(path, FILE_LIMIT)?).map_err(|e| Failure::from(e).at(path))
}

/// The key with a refresh in force.
fn refreshed(key: PreparedKey, path: &Path) -> Result<PreparedKey, Failure> {
    let read = read_limited(path, FILE_LIMIT)?;
    let step = |bytes: &[u8]| proveil::verify_refreshes(key, &[RefreshFile::from_bytes(bytes)?]);
    step(&read).map_err(|e| Failure::from(e).at(path))
}

/// Accepts a registration of the commitment in force or of one before it, from which refreshes lead there.
fn registered_by_then(in_force: &PreparedKey, before: &[PreparedKey], path: &Path) -> Result<(), Failure> {
    let read = read_limited(path, FILE_LIMIT)?;
    let check = |key: &PreparedKey| proveil::verify_registration(key, &RegistrationFile::from_bytes(&read)?);
    match check(in_force) {
        Err(e) if !before.iter().any(|key| check(key).is_ok()) => Err(Failure::from(e).at(path)),
        _ => Ok(()),
    }
}

/// What a key says of a proof.
struct Verdict {
    results: Results,
    took: f64,
    bits: u32,
    /// In words.
    security: String,
}

/// One key and one proof, with the other options.
struct Given<'a> {
    a: &'a VerifyArgs,
    vk: &'a Path,
    proof: &'a Path,
}

/// Runs the command.
pub fn run(a: &VerifyArgs, ui: &Ui) -> Result<(), Failure> {
    let ([vk], [proof]) = (&a.vk[..], &a.proof[..]) else { return several(a, ui) };
    let context = a.context.as_deref().map(unhex).transpose()?;
    let key = read_key_file(vk)?;
    let file = load_proof(proof)?;
    let given = Given { a, vk, proof };
    ui.stage("verify");
    let (verdict, short) = match key {
        AnyKey::Transparent(key) => (transparent(&given, *key, &file)?, None),
        AnyKey::Short(key) => (succinct(&given, &key, &file)?, Some(key.short)),
        AnyKey::Full(key) => {
            let set_up = set_up(a.srs.as_deref())?;
            let prepared = key.prepare(&set_up).map_err(|e| Failure::from(e).at(vk))?;
            let key = FullKey::short_file(&prepared);
            let verdict = succinct(&given, &key, &file)?;
            // What the short key's list says of the relation is computed from the relation too.
            let whole = proveil_succinct::verify(&prepared, &file.statement, &file.proof).map_err(Error::from);
            whole.map_err(|e| Failure::from(e).at(proof))?;
            (verdict, Some(key.short))
        }
    };
    if context.is_some_and(|c| c != file.statement.context) {
        let got = hex(&file.statement.context);
        return Err(Failure::new(NOT_ACCEPTED, format!("the proof is bound to the context '{got}'")).at(proof));
    }
    if let Some(path) = &a.commitment {
        for c in read_public(path)? {
            let (input, name) = c.input();
            if !file.statement.inputs.get(input as usize).is_some_and(|v| c.is(v)) {
                let message = format!("the proof is not about the commitment to input '{name}'");
                return Err(Failure::new(NOT_ACCEPTED, message).at(proof));
            }
        }
    }
    let (text, value) = report(&verdict, &file, short.as_ref());
    ui.result(&text, &value);
    Ok(())
}

/// Several proofs for contracts at once, each under the key of its model.
fn several(a: &VerifyArgs, ui: &Ui) -> Result<(), Failure> {
    let single = [a.context.is_some(), a.commitment.is_some(), a.registration.is_some(), a.srs.is_some()];
    if single.contains(&true) || !a.refresh.is_empty() {
        let message =
            "--context, --commitment, --registration, --refresh and --srs are about one proof: verify it by itself";
        return Err(Failure::usage(message));
    }
    let keys = ShortKeys::read(&a.vk)?;
    for (key, path) in keys.0.iter().zip(&a.vk) {
        require_secure(key.short.srs.insecure, a.insecure_set_up).map_err(|f| f.at(path))?;
        require_bits(a, path, BITS)?;
    }
    let mut files = Vec::new();
    for path in &a.proof {
        let file = load_proof(path)?;
        let which = keys.of(&file).map_err(|f| f.at(path))?;
        files.push((which, file));
    }
    let pairs: Vec<_> = files.iter().filter_map(|(which, file)| Some((keys.0.get(*which)?, file))).collect();
    ui.stage("verify");
    let start = Instant::now();
    let all = verify_batch(&pairs).map_err(|e| match numbered(&e).and_then(|i| a.proof.get(i)) {
        Some(path) => Failure::from(e).at(path),
        None => Failure::from(e),
    })?;
    let took = start.elapsed().as_secs_f64();
    let (mut text, mut list) = (String::new(), Vec::new());
    for ((results, (key, file)), path) in all.into_iter().zip(pairs).zip(&a.proof) {
        let (one, mut value) =
            report(&Verdict { results, took, bits: BITS, security: label() }, file, Some(&key.short));
        text += &format!("{}\n{one}", path.display());
        value["proof"] = json!(path);
        list.push(value);
    }
    text += &format!("{} proofs accepted at once\n", list.len());
    ui.result(&text, &json!({ "accepted": true, "verify_s": took, "proofs": list }));
    Ok(())
}

/// The number of the proof that an error names.
fn numbered(e: &Error) -> Option<usize> {
    match e {
        Error::VerifyBatch(BatchError::Proof { index, .. } | BatchError::SetUp { index }) => Some(*index),
        _ => None,
    }
}

/// Short keys, of which each proof picks the one of its model.
pub struct ShortKeys(pub Vec<KeyFile>);

impl ShortKeys {
    /// Reads files of short keys.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let one = |path: &PathBuf| match read_key_file(path)? {
            AnyKey::Short(key) => Ok(*key),
            _ => {
                Err(Failure::new(BAD_FILE, "is no short key, which this needs: see `proveil compile --short-key`")
                    .at(path))
            }
        };
        paths.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// The number of the key of a proof's model.
    pub fn of(&self, file: &ProofFile) -> Result<usize, Failure> {
        let own = self.0.iter().position(|key| key.short.id() == file.model_id);
        own.ok_or_else(|| {
            let id = hex(&file.model_id);
            Failure::new(
                NOT_ACCEPTED,
                format!("the proof is of the model {id}, whose short key is not given: add it to --key"),
            )
        })
    }
}

/// The verifier of the transparent backend, with registration and refreshes.
fn transparent(given: &Given<'_>, key: PreparedKey, file: &ProofFile) -> Result<Verdict, Failure> {
    let a = given.a;
    let (mut key, mut before) = (key, Vec::new());
    for path in &a.refresh {
        if a.registration.is_some() {
            before.push(key.clone());
        }
        key = refreshed(key, path)?;
    }
    let bits = proveil::security::proven_bits(&key).map_err(Error::from)?;
    require_bits(a, given.vk, bits)?;
    let start = Instant::now();
    let results = proveil::verify(&key, file).map_err(|e| Failure::from(e).at(given.proof))?;
    let took = start.elapsed().as_secs_f64();
    if let Some(path) = &a.registration {
        registered_by_then(&key, &before, path)?;
    }
    Ok(Verdict { results, took, bits, security: format!("{bits} bits proven") })
}

/// What a contract does.
fn succinct(given: &Given<'_>, key: &KeyFile, file: &ProofFile) -> Result<Verdict, Failure> {
    let a = given.a;
    if !a.refresh.is_empty() {
        return Err(Failure::usage("--refresh belongs to the transparent backend: commitments on the curve need none"));
    }
    require_secure(key.short.srs.insecure, a.insecure_set_up).map_err(|f| f.at(given.vk))?;
    require_bits(a, given.vk, BITS)?;
    let start = Instant::now();
    let results = key.verify(file).map_err(|e| Failure::from(e).at(given.proof))?;
    let took = start.elapsed().as_secs_f64();
    if let Some(path) = &a.registration {
        registered(key, &read_limited(path, FILE_LIMIT)?).map_err(|e| Failure::from(e).at(path))?;
    }
    Ok(Verdict { results, took, bits: BITS, security: label() })
}

/// Accepts a registration of a key's model.
fn registered(key: &KeyFile, bytes: &[u8]) -> Result<(), Error> {
    let file = RegistrationFile::from_bytes(bytes)?;
    key.verify_registration(&KeyFile::from_bytes(&file.key)?, &ProofFile::from_bytes(&file.proof)?)
}

fn require_bits(a: &VerifyArgs, vk: &Path, bits: u32) -> Result<(), Failure> {
    if bits >= a.min_security {
        return Ok(());
    }
    let asked = a.min_security;
    let message =
        format!("proofs under this key have {bits} bits of proven security, {asked} are asked for; see --min-security");
    Err(Failure::new(NOT_ACCEPTED, message).at(vk))
}

fn report(verdict: &Verdict, file: &ProofFile, short: Option<&ShortKey>) -> (String, Value) {
    let Verdict { results, took, bits, security } = verdict;
    let mut text = format!(
        "accepted         in {}\nmodel id         {}\nsecurity         {security}\n",
        seconds(*took),
        results.model_id
    );
    let mut value = json!({
        "accepted": true, "backend": "transparent", "verify_s": took, "model_id": results.model_id, "security_bits": bits,
        "context": hex(&file.statement.context),
    });
    if let Some(key) = short {
        name_set_up(key, &mut text, &mut value);
    }
    let mut outputs = serde_json::Map::new();
    for (name, v) in &results.outputs {
        let named = results.output_texts.iter().find(|t| t.0 == *name).map(|t| texts(&t.1));
        let shown = named.or_else(|| v.as_ref().map(|v| values(v)));
        text += &format!("output '{name}' {}\n", shown.unwrap_or_else(|| "hidden".into()));
        outputs.insert(name.clone(), json!(v));
    }
    let inputs: Vec<Value> = file.statement.inputs.iter().map(described).collect();
    for (k, i) in inputs.iter().enumerate() {
        text += &format!("input {k} {}\n", i["visibility"].as_str().unwrap_or_default());
    }
    for (name, cells) in &results.input_texts {
        text += &format!("input '{name}' {}\n", texts(cells));
    }
    for (key, list) in [("input_texts", &results.input_texts), ("output_texts", &results.output_texts)] {
        if !list.is_empty() {
            let shown = |(name, cells): &(String, Vec<Option<String>>)| (name.clone(), json!(cells));
            value[key] = list.iter().map(shown).collect::<serde_json::Map<_, _>>().into();
        }
    }
    value["outputs"] = outputs.into();
    value["inputs"] = inputs.into();
    (text, value)
}

/// A statement's word on an input or output.
pub fn described(v: &IoValue) -> Value {
    match v {
        IoValue::Public(v) => json!({ "visibility": "public", "integers": v }),
        IoValue::Private => json!({ "visibility": "private" }),
        IoValue::Committed(c) => {
            let Commitment { root, nonce } = &c.commitment;
            let sample = hex(&c.value_bytes());
            json!({ "visibility": "committed", "root": hex(root), "nonce": hex(nonce), "sample": sample })
        }
    }
}
