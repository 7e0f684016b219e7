//! `inspect`: what a file is and what is in it.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use proveil::budget::{FileStore, folder};
use proveil::commitment::{COMMITMENT_MAGIC, CURVE_COMMITMENT_MAGIC};
use proveil::io::{read_limited, write_atomic};
use proveil::package::PACKAGE_MAGIC;
use proveil::profile::{Choice, Profile, Wish, origin};
use proveil::proof::{PROOF_MAGIC, SUCCINCT_PROOF_MAGIC, hex};
use proveil::refresh::REFRESH_MAGIC;
use proveil::registration::REGISTRATION_MAGIC;
use proveil::succinct::{FULL_KEY_MAGIC, FullKey, KeyFile, SHORT_KEY_MAGIC};
use proveil::tree::{StoredTree, TREE_MAGIC};
use proveil::{Backend, CommitmentFile, Error, Meta, Package, ProofFile, RefreshFile, RegistrationFile};
use proveil_prover::budget::{Store, Use};
use proveil_relation::key::{KEY_MAGIC, VerifyingKey};
use proveil_relation::{Home, TensorDecl};
use proveil_verifier::PreparedKey;
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::{Drawing, InspectArgs};
use super::contract;
use super::failure::{BAD_FILE, Failure};
use super::ui::{Ui, size, texts};
use super::verify::described;

/// Runs the command.
pub fn run(a: &InspectArgs, ui: &Ui) -> Result<(), Failure> {
    if a.graph.is_none()
        && let Some((text, value)) = describe_tree(&a.file)?
    {
        ui.result(&text, &value);
        return Ok(());
    }
    let bytes = read_limited(&a.file, FILE_LIMIT)?;
    let at = |e: Error| Failure::from(e).at(&a.file);
    let magic = bytes.get(..8).unwrap_or_default();
    let package = magic == PACKAGE_MAGIC;
    if a.graph.is_some() && !package {
        return Err(Failure::usage("--graph needs a package"));
    }
    let (mut text, value) = if package {
        let package = Package::from_bytes(&bytes).map_err(at)?;
        if let (Some(kind), Some(out)) = (a.graph, &a.output) {
            let drawing = match kind {
                Drawing::Dot => proveil_graph::dump::to_dot(&package.graph),
                Drawing::Svg => proveil_graph::dump::to_svg(&package.graph),
                Drawing::Text => proveil_graph::dump::to_text(&package.graph),
            };
            write_atomic(out, drawing.as_bytes(), false)?;
        }
        describe_package(a, package)?
    } else if magic == KEY_MAGIC {
        let key = VerifyingKey::decode(&bytes).map_err(|source| at(Error::Decode { what: "verifying key", source }))?;
        describe_key("verifying key", &PreparedKey::new(key))?
    } else if magic == SHORT_KEY_MAGIC {
        contract::describe_short("short key", &KeyFile::from_bytes(&bytes).map_err(at)?)?
    } else if magic == FULL_KEY_MAGIC {
        contract::describe_full(&FullKey::from_bytes(&bytes).map_err(at)?)?
    } else if magic == proveil_kzg::srs::MAGIC {
        contract::describe_srs(&bytes, &a.file)?
    } else if magic == PROOF_MAGIC || magic == SUCCINCT_PROOF_MAGIC {
        describe_proof(&ProofFile::from_bytes(&bytes).map_err(at)?)
    } else if magic == COMMITMENT_MAGIC || magic == CURVE_COMMITMENT_MAGIC {
        describe_commitment(&CommitmentFile::from_bytes(&bytes).map_err(at)?)
    } else if magic == REFRESH_MAGIC {
        describe_refresh(&RefreshFile::from_bytes(&bytes).map_err(at)?)
    } else if magic == REGISTRATION_MAGIC {
        describe_registration(&RegistrationFile::from_bytes(&bytes).map_err(at)?).map_err(at)?
    } else {
        let message = "not a package, key, proof, commitment, refresh, registration, tree or set-up of this version";
        return Err(Failure::new(BAD_FILE, message).at(&a.file));
    };
    text = format!("size             {}\n{text}", size(bytes.len()));
    let mut value = value;
    value["bytes"] = json!(bytes.len());
    ui.result(&text, &value);
    Ok(())
}

/// A tree file, of which no more is read than header and leaves.
fn describe_tree(path: &Path) -> Result<Option<(String, Value)>, Failure> {
    let bad = |e: String| Failure::new(BAD_FILE, e).at(path);
    let mut magic = Vec::new();
    // A pipe is none, and cannot be read twice.
    if !path.is_file() {
        return Ok(None);
    }
    let read =
        |mut file: File| file.by_ref().take(8).read_to_end(&mut magic).and_then(|_| file.rewind().map(|()| file));
    let file = File::open(path).and_then(read).map_err(|e| bad(e.to_string()))?;
    if magic != TREE_MAGIC {
        return Ok(None);
    }
    let length = file.metadata().map_err(|e| bad(e.to_string()))?.len();
    let tree = StoredTree::open(file).map_err(|e| bad(e.to_string()))?;
    let (root, codeword) = (hex(&tree.commitment().root), tree.has_codeword());
    let (rows, width) = (1u64 << tree.log_leaves(), tree.width());
    let text = format!(
        "size             {}\nkind             tree of a model (secret)\nmodel commitment root {root}\nrows             {rows}          of {width} cells, codeword {codeword}\n",
        size(length as usize)
    );
    let value = json!({
        "kind": "tree of a model (secret)", "root": root, "codeword": codeword, "rows": rows, "width": width,
        "bytes": length,
    });
    Ok(Some((text, value)))
}

fn describe_package(a: &InspectArgs, package: Package) -> Result<(String, Value), Failure> {
    let stats = proveil_graph::Stats::of(&package.graph);
    let model = package.epoch.as_ref().map(|e| e.model).or(package.key.model).map(|m| m.commitment);
    let epoch = package.epoch.as_ref().map(|e| e.number);
    let contract = package.contract.map(|c| c.short);
    let key = PreparedKey::new(package.key);
    let (mut text, mut value) = describe_key("package (secret)", &key)?;
    text += &format!(
        "graph            {} nodes, {} parameters, {} multiplications\n",
        stats.nodes, stats.params, stats.macs
    );
    if let Some(short) = &contract {
        text += &format!("for contracts    model id {}\n", hex(&short.id()));
        contract::name_set_up(short, &mut text, &mut value);
        value["contract_model_id"] = json!(hex(&short.id()));
    }
    if let Some(number) = epoch {
        text += &format!("refresh          {number} is in force\n");
    }
    value["epoch"] = json!(epoch);
    value["graph"] = json!({ "nodes": stats.nodes, "params": stats.params, "macs": stats.macs });
    // The folder is made by `compile`; looking must not make it.
    let dir = folder(&a.file);
    if let (Some(c), true) = (model, dir.is_dir())
        && let Ok(b) = FileStore::new(dir).and_then(|s| s.read(&c))
    {
        text += &format!("proofs left      {} of {}\n", b.left(Use::Proof), b.limit[0]);
        value["proofs_left"] = json!(b.left(Use::Proof));
    }
    Ok((text, value))
}

/// The texts that an input or output may hold.
pub fn known_texts(m: &proveil::IoMeta) -> String {
    let list = || m.labels.iter().cloned().map(Some).collect::<Vec<_>>();
    if m.is_text() { format!(" {}, {} for any other", texts(&list()), m.labels.len()) } else { String::new() }
}

/// How missing cells of an input are told.
pub fn missing(m: &proveil::IoMeta) -> String {
    let Some(missing) = &m.missing else { return String::new() };
    let places: Vec<String> =
        missing.columns.iter().enumerate().filter(|(_, may)| **may).map(|(place, _)| place.to_string()).collect();
    format!(", {} where a cell of column {} is missing", missing.code, places.join(", "))
}

fn describe_key(kind: &str, key: &PreparedKey) -> Result<(String, Value), Failure> {
    let (k, layout) = (&key.key, &key.layout);
    let meta = Meta::from_bytes(&k.meta).map_err(Error::from)?;
    let stats = proveil_compiler::stats::stats(&k.relation);
    let mut text = format!("kind             {kind} of '{}'\nmodel id         {}\n", meta.name, hex(&key.digest));
    let v = &k.visibility;
    text += &format!(
        "visibility       zero knowledge {}, model {:?}, inputs {:?}, outputs {:?}\n",
        v.zero_knowledge, v.model, v.inputs, v.outputs
    );
    let ios = meta.inputs.iter().map(|m| ("input", m)).chain(meta.outputs.iter().map(|m| ("output", m)));
    for (what, m) in ios {
        let columns = if m.columns.is_empty() { String::new() } else { format!(" times 2^{:?} by column", m.columns) };
        let missing = missing(m);
        let (texts, unit) = (known_texts(m), -m.scale);
        text += &format!("{what:<16} '{}' {:?} {}{texts}, unit 2^{unit}{columns}{missing}\n", m.name, m.shape, m.dtype);
    }
    text += &format!("{stats}\n");
    text += &format!("index spaces     look-ups 2 x 2^{}, products 2^{}\n", layout.nv, layout.nk);
    for t in &layout.trees {
        let top = t.top.map_or("public".into(), |l| format!("{l} random cells a column"));
        let height = layout.heights[t.group];
        text += &format!("tree             {:?}: {} columns of 2^{height}, {top}\n", t.kind, t.base_columns());
    }
    for t in &k.relation.tables {
        text += &format!("table            '{}': {} rows of {}\n", t.name, t.num_rows(), t.width());
    }
    let budget = k.params.budget(k.geometry.model_top as usize);
    text += &format!("proofs allowed   {budget} for each commitment\n");
    let mut costs = Vec::new();
    let base = origin(&k.params);
    let wish = Wish { relation: &k.relation, params: &base, visibility: v, profile: Profile::Fast };
    let chosen = |c: &Choice| c.geometry.log_height == k.geometry.log_height && c.params == k.params;
    for choice in wish.compared(Some(budget), chosen) {
        let mark = if chosen(&choice) { " <- chosen" } else { "" };
        let Choice { params, geometry, cost } = choice;
        let (height, rate, fold) = (geometry.log_height, params.log_inv_rate, params.first_fold);
        let work = params.grinding_bits;
        text += &format!(
            "column height    2^{height}, rate 2^-{rate}, first fold {fold}, {work} bits of work: about {}, {:.1} ms that depend on it{mark}\n",
            size(cost.bytes as usize),
            cost.millis
        );
        costs.push(json!({
            "log_height": height, "log_inv_rate": rate, "first_fold": fold, "grinding_bits": work, "bytes": cost.bytes, "millis": cost.millis
        }));
    }
    let trees: Vec<Value> = layout
        .trees
        .iter()
        .map(|t| json!({ "kind": format!("{:?}", t.kind), "columns": t.base_columns(), "log_height": layout.heights[t.group], "random_cells": t.top }))
        .collect();
    let tables: Vec<Value> =
        k.relation.tables.iter().map(|t| json!({ "name": t.name, "rows": t.num_rows(), "width": t.width() })).collect();
    let value = json!({
        "kind": kind, "name": meta.name, "model_id": hex(&key.digest), "visibility": v, "inputs": meta.inputs,
        "outputs": meta.outputs, "lookups": stats.lookups, "lookup_cells": stats.lookup_cells,
        "table_rows": stats.table_rows, "model_cells": stats.model_cells, "trace_cells": stats.trace_cells,
        "multiplications": stats.multiplications, "trees": trees, "tables": tables, "budget": budget,
        "heights": costs, "security_target": k.params.security_bits,
    });
    Ok((text, value))
}

fn describe_proof(p: &ProofFile) -> (String, Value) {
    let inputs: Vec<Value> = p.statement.inputs.iter().map(described).collect();
    let outputs: Vec<Value> = p.statement.outputs.iter().map(described).collect();
    let backend = if p.backend == Backend::Succinct { "succinct" } else { "transparent" };
    let mut text = format!(
        "kind             proof, {backend} backend\nmodel id         {}\nproof            {}\n",
        hex(&p.model_id),
        size(p.proof.len())
    );
    for (what, list) in [("input", &inputs), ("output", &outputs)] {
        for (k, v) in list.iter().enumerate() {
            text += &format!("{what} {k:<10} {v}\n");
        }
    }
    text += &format!("context          {}\n", hex(&p.statement.context));
    let value = json!({
        "kind": "proof", "backend": backend, "model_id": hex(&p.model_id), "proof_bytes": p.proof.len(), "inputs": inputs,
        "outputs": outputs, "context": hex(&p.statement.context),
    });
    (text, value)
}

fn describe_refresh(f: &RefreshFile) -> (String, Value) {
    let (e, proof) = (&f.epoch, f.proof.len());
    let text = format!(
        "kind             refresh\nnumber           {}\ncommitment       {}\nproof            {}\n",
        e.number,
        hex(&e.model.commitment.root),
        size(proof)
    );
    let value = json!({
        "kind": "refresh", "epoch": e.number, "root": hex(&e.model.commitment.root),
        "nonce": hex(&e.model.commitment.nonce), "sample": hex(&e.model.value_bytes()), "proof_bytes": proof,
    });
    (text, value)
}

fn describe_registration(f: &RegistrationFile) -> Result<(String, Value), Error> {
    let decode = |source| Error::Decode { what: "registration key", source };
    let key = VerifyingKey::decode(&f.key).map_err(decode)?;
    let (digest, proof) = (hex(&key.digest()), f.proof.len());
    let weights: usize = key.relation.tensors.iter().filter(|t| t.home == Home::Model).map(TensorDecl::cells).sum();
    let text = format!(
        "kind             registration\nregistration key {digest}\nweights          {weights} in their declared ranges\nproof            {}\n",
        size(proof)
    );
    let value = json!({ "kind": "registration", "key": digest, "weights": weights, "proof_bytes": proof });
    Ok((text, value))
}

fn describe_commitment(c: &CommitmentFile) -> (String, Value) {
    let mut text = "kind             commitment opening (secret)\n".to_string();
    for o in &c.openings {
        text += &format!("input {:<10} '{}', {} cells\n", o.input, o.name, o.cells.len());
    }
    for p in c.public() {
        text += &format!("input {:<10} {}\n", p.input().0, p.shown());
    }
    (text, json!({ "kind": "commitment", "inputs": c.public() }))
}
