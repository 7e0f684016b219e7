//! What commands share about the succinct backend: set-ups, packages of either backend, words about set-ups.

use std::path::Path;

use proveil::io::read_limited;
use proveil::succinct::{self, BITS, FullKey, KeyFile, SetUp, security_rows};
use proveil::{Engine, Error, Package};
use proveil_kzg::srs::Srs;
use proveil_succinct::ShortKey;
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::{Backend, BackendArgs};
use super::commit::{prepare, read_package};
use super::failure::{BAD_FILE, Failure};
use super::ui::size;

/// What outputs say about keys of development set-ups.
pub const INSECURE: &str = "INSECURE: for development only, everybody knows its secret and can forge proofs";

/// Reads a set-up; `dev` is the development set-up.
pub fn set_up(srs: Option<&Path>) -> Result<SetUp, Failure> {
    powers(srs, None)
}

/// [`set_up`], of whose file at most `2^log_size` powers are read.
fn powers(srs: Option<&Path>, log_size: Option<u8>) -> Result<SetUp, Failure> {
    let Some(path) = srs else {
        return Err(Failure::usage(
            "the succinct backend needs a set-up: --srs FILE (see `proveil srs`), or --srs dev for development and tests",
        ));
    };
    if path == Path::new("dev") {
        return Ok(SetUp::Dev);
    }
    let bytes = read_limited(path, FILE_LIMIT)?;
    let read = log_size.map_or_else(|| SetUp::from_bytes(&bytes), |n| SetUp::from_bytes_up_to(&bytes, n));
    read.map_err(|e| Failure::from(e).at(path))
}

/// A package made ready for one backend.
pub enum Loaded {
    /// Hashes only.
    Transparent(Box<Engine>),
    /// For contracts.
    Succinct(Box<succinct::Engine>),
}

impl Loaded {
    /// Reads and prepares a package for the backend that is asked for, or that it was compiled for.
    pub fn read(path: &Path, a: &BackendArgs) -> Result<Self, Failure> {
        let package = read_package(path)?;
        let own = if package.contract.is_some() { Backend::Succinct } else { Backend::Transparent };
        match a.backend.unwrap_or(own) {
            Backend::Transparent => Ok(Self::Transparent(Box::new(prepare(package, path)?))),
            Backend::Succinct => {
                let Some(keys) = &package.contract else { return Err(Failure::from(Error::NoContractKeys).at(path)) };
                let need = u8::try_from(keys.short.log_size()).ok();
                let engine = succinct::Engine::load(package, &powers(a.srs.as_deref(), need)?);
                Ok(Self::Succinct(Box::new(engine.map_err(|e| Failure::from(e).at(path))?)))
            }
        }
    }

    /// The package.
    pub fn package(&self) -> &Package {
        match self {
            Self::Transparent(e) => &e.package,
            Self::Succinct(e) => &e.package,
        }
    }

    /// Adds backend and set-up to a result.
    pub fn name_set_up(&self, text: &mut String, value: &mut Value) {
        match self {
            Self::Transparent(_) => value["backend"] = json!("transparent"),
            Self::Succinct(e) => name_set_up(&e.key.short, text, value),
        }
    }
}

/// Adds the backend, and what there is to know of a key's set-up, to a result.
pub fn name_set_up(key: &ShortKey, text: &mut String, value: &mut Value) {
    value["backend"] = json!("succinct");
    value["insecure_set_up"] = json!(key.srs.insecure);
    if key.srs.insecure {
        *text += &format!("set-up           {INSECURE}\n");
    }
}

/// Refuses development set-ups where nobody asked for one.
pub fn require_secure(insecure: bool, allowed: bool) -> Result<(), Failure> {
    if insecure && !allowed { Err(Error::InsecureSetUp.into()) } else { Ok(()) }
}

/// The words for security that every output uses.
pub fn label() -> String {
    format!("about {BITS} bits against classical machines (BN254), none against quantum ones")
}

/// `inspect` of the file of a short key.
pub fn describe_short(kind: &str, file: &KeyFile) -> Result<(String, Value), Failure> {
    let (key, meta) = (&file.short, file.meta()?);
    let id = proveil::proof::hex(&key.id());
    let mut text = format!("kind             {kind} of '{}'\nmodel id         {id}\n", meta.name);
    let mut value = json!({ "kind": kind, "name": meta.name, "model_id": id });
    name_set_up(key, &mut text, &mut value);
    let (model, hiding) = (key.model.is_some(), key.hiding);
    text += &format!("security         {}\nzero knowledge   {hiding}\n", label());
    let ios = meta.inputs.iter().zip(&key.inputs).map(|p| ("input", p));
    for (what, (m, io)) in ios.chain(meta.outputs.iter().zip(&key.outputs).map(|p| ("output", p))) {
        let columns = if m.columns.is_empty() { String::new() } else { format!(" times 2^{:?} by column", m.columns) };
        text += &format!(
            "{what:<16} '{}' {:?} {}{}, unit 2^{}{columns}{}, {:?}, {} bytes a cell from {}\n",
            m.name,
            m.shape,
            m.dtype,
            super::inspect::known_texts(m),
            -m.scale,
            super::inspect::missing(m),
            io.visibility,
            io.width(),
            io.lo
        );
    }
    let (o, s) = (&key.outline, &key.sizes);
    let heights = &o.heights;
    text += &format!(
        "sizes            look-ups 2 x 2^{}, products 2^{}, columns 2^{heights:?}, argument 2^{}\nshort key        {}\n",
        o.nv,
        o.nk,
        s.domain,
        size(key.to_bytes().len())
    );
    let ios = |list: &[proveil_succinct::Io], metas: &[proveil::IoMeta]| -> Vec<Value> {
        let one = |(io, m): (&proveil_succinct::Io, &proveil::IoMeta)| {
            json!({
                "name": m.name, "shape": m.shape, "dtype": m.dtype, "scale": m.scale, "columns": m.columns, "missing": m.missing, "labels": m.labels,
                "visibility": io.visibility, "bytes": io.width(), "lo": io.lo, "hi": io.lo.wrapping_add(io.range as i64),
            })
        };
        list.iter().zip(metas).map(one).collect()
    };
    value["security_bits"] = json!(BITS);
    value["zero_knowledge"] = json!(hiding);
    value["model_hidden"] = json!(model);
    value["inputs"] = ios(&key.inputs, &meta.inputs).into();
    value["outputs"] = ios(&key.outputs, &meta.outputs).into();
    value["short_key_bytes"] = json!(key.to_bytes().len());
    value["sizes"] = json!({ "nv": o.nv, "nk": o.nk, "heights": heights, "argument": s.domain });
    Ok((text, value))
}

/// `inspect` of the file of a full key.
pub fn describe_full(key: &FullKey) -> Result<(String, Value), Failure> {
    let meta = proveil::Meta::from_bytes(&key.0.meta).map_err(Error::from)?;
    let stats = proveil_compiler::stats::stats(&key.0.relation);
    let v = &key.0.visibility;
    let mut text = format!("kind             full key of '{}'\n", meta.name);
    let mut value = json!({
        "kind": "full key", "name": meta.name, "backend": "succinct", "insecure_set_up": key.0.srs.insecure,
        "visibility": v, "inputs": meta.inputs, "outputs": meta.outputs, "lookup_cells": stats.lookup_cells,
        "model_cells": stats.model_cells, "trace_cells": stats.trace_cells,
    });
    if key.0.srs.insecure {
        text += &format!("set-up           {INSECURE}\n");
    }
    text += &format!(
        "visibility       zero knowledge {}, model {:?}, inputs {:?}, outputs {:?}\n{stats}\n",
        v.zero_knowledge, v.model, v.inputs, v.outputs
    );
    value["model_commitment"] = json!(key.0.model.map(|p| proveil::proof::hex(&p.to_bytes())));
    Ok((text, value))
}

/// `inspect` of a set-up.
pub fn describe_srs(bytes: &[u8], path: &Path) -> Result<(String, Value), Failure> {
    let srs = Srs::decode(bytes, None).map_err(|e| Failure::new(BAD_FILE, e.to_string()).at(path))?;
    let (insecure, log_size) = (srs.key().insecure, srs.log_size());
    let note = if insecure { INSECURE } else { "imported from a ceremony" };
    let text = format!("kind             set-up\npowers of tau    2^{log_size}\nsecurity         {note}\n");
    Ok((text, json!({ "kind": "set-up", "log_size": log_size, "insecure": insecure })))
}

/// `security` of a short key.
pub fn security(file: &KeyFile) -> (String, Value) {
    let rows = security_rows(&file.short);
    let mut text = format!("{:<44} {:>7}  {}\n", "challenge", "bits", "theorem");
    for r in &rows {
        text += &format!("{:<44} {:>7.2}  {}\n", r.challenge, r.bits, r.theorem);
    }
    text += &format!("\nlabel: {}\n", label());
    let mut value = json!({ "rows": rows, "security_bits": BITS, "target_bits": BITS, "classical": true });
    if file.short.srs.insecure {
        text += "The set-up is one for development: the secret that the rows assume unknown is public.\n";
    }
    text += "Model: random oracle, algebraic group model, a set-up whose secret nobody knows.\n";
    name_set_up(&file.short, &mut text, &mut value);
    (text, value)
}
