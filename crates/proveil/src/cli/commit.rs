//! `commit` and `open`: commitments to inputs before any proof.

use std::path::Path;

use proveil::budget::{FileStore, folder};
use proveil::commitment::PublicCommitment;
use proveil::io::{InputFile, input_specs, read_limited, write_atomic};
use proveil::{CommitmentFile, Engine, Error, Meta, Package};
use proveil_protocol::merkle::Commitment;
use proveil_prover::budget::open as open_budget;
use proveil_relation::layout::TreeKind;
use serde_json::json;

use super::FILE_LIMIT;
use super::args::{CommitArgs, OpenArgs};
use super::failure::{BAD_FILE, Failure, NOT_ACCEPTED};
use super::ui::Ui;

/// Reads and prepares a package.
pub fn load(path: &Path) -> Result<Engine, Failure> {
    let at = |e: Error| Failure::from(e).at(path);
    // A package that contradicts itself is a bad file.
    let bad = |e: Error| Failure { code: BAD_FILE, ..at(e) };
    Engine::load(Package::from_bytes(&read_limited(path, FILE_LIMIT)?).map_err(bad)?).map_err(bad)
}

/// Reads the integers of one input file.
pub fn read_input(engine: &Engine, path: &Path, case: usize) -> Result<Vec<Vec<i64>>, Failure> {
    let meta = Meta::from_bytes(&engine.package.key.meta).map_err(Error::from)?;
    let specs = input_specs(&meta, &engine.package.graph);
    Ok(InputFile::read(path, case)?.encode(&specs)?)
}

/// Reads a secret opening file.
pub fn read_commitment(path: &Path) -> Result<CommitmentFile, Failure> {
    CommitmentFile::from_bytes(&read_limited(path, FILE_LIMIT)?).map_err(|e| Failure::from(e).at(path))
}

/// Reads a public commitment.
pub fn read_public(path: &Path) -> Result<Vec<PublicCommitment>, Failure> {
    let bytes = read_limited(path, 1 << 20)?;
    serde_json::from_slice(&bytes).map_err(|e| Failure::new(BAD_FILE, format!("not a public commitment: {e}")).at(path))
}

/// Roots in a file.
pub fn roots(file: &CommitmentFile) -> Vec<Commitment> {
    file.openings.iter().map(|o| Commitment { root: o.root, nonce: o.nonce }).collect()
}

/// Runs `commit`.
pub fn commit(a: &CommitArgs, ui: &Ui) -> Result<(), Failure> {
    ui.stage("load");
    let engine = load(&a.package)?;
    let input = read_input(&engine, &a.input, a.case)?;
    ui.stage("commit");
    let file = CommitmentFile::make(&engine, &input)?;
    write_atomic(&a.output, &file.to_bytes(), true)?;
    let store = FileStore::new(folder(&a.output)).map_err(Error::from)?;
    for (o, c) in file.openings.iter().zip(roots(&file)) {
        open_budget(&store, &engine.key, TreeKind::Input(o.input), &c).map_err(Error::from)?;
    }
    let public = file.public();
    let list = serde_json::to_value(&public).map_err(Error::from)?;
    write_atomic(&a.public, list.to_string().as_bytes(), false)?;
    let mut text =
        format!("opening          {} (keep it secret)\npublic           {}\n", a.output.display(), a.public.display());
    for p in &public {
        text += &format!("input {}          {} root {}\n", p.input, p.name, p.root);
    }
    ui.result(&text, &json!({ "commitment": a.output, "public": a.public, "inputs": list }));
    Ok(())
}

/// Runs `open`.
pub fn open(a: &OpenArgs, ui: &Ui) -> Result<(), Failure> {
    ui.stage("load");
    let engine = load(&a.package)?;
    let file = read_commitment(&a.commitment)?;
    let input = read_input(&engine, &a.input, a.case)?;
    ui.stage("open");
    file.reopen(&engine, &input)?;
    if let Some(path) = &a.public
        && read_public(path)? != file.public()
    {
        return Err(Failure::new(NOT_ACCEPTED, "the published commitment is another one").at(path));
    }
    let list = serde_json::to_value(file.public()).map_err(Error::from)?;
    ui.result("the commitment holds exactly these data", &json!({ "opens": true, "inputs": list }));
    Ok(())
}
