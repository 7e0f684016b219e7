//! `commit` and `open`: commitments to inputs before any proof.

use std::path::Path;

use proveil::budget::{FileStore, folder};
use proveil::commitment::{Opening, PublicCommitment};
use proveil::io::{InputFile, input_specs, read_limited, write_atomic};
use proveil::{CommitmentFile, Engine, Error, Meta, Package, tree};
use proveil_protocol::merkle::Commitment;
use proveil_prover::ProveError;
use proveil_prover::budget::open as open_budget;
use proveil_relation::layout::TreeKind;
use serde_json::json;

use super::FILE_LIMIT;
use super::args::{CommitArgs, OpenArgs};
use super::contract::Loaded;
use super::failure::{BAD_FILE, Failure, NOT_ACCEPTED};
use super::ui::Ui;

/// Reads a package.
pub fn read_package(path: &Path) -> Result<Package, Failure> {
    let bad = |e: Error| Failure { code: BAD_FILE, ..Failure::from(e).at(path) };
    Package::from_bytes(&read_limited(path, FILE_LIMIT)?).map_err(bad)
}

/// Reads and prepares a package.
pub fn load(path: &Path) -> Result<Engine, Failure> {
    prepare(read_package(path)?, path)
}

/// Prepares a package of a file, with the tree file beside it if there is one.
pub fn prepare(package: Package, path: &Path) -> Result<Engine, Failure> {
    // A package that contradicts itself is a bad file.
    let bad = |path: &Path, e: Error| Failure { code: BAD_FILE, ..Failure::from(e).at(path) };
    match tree::open(path).map_err(|e| bad(&tree::beside(path), e))? {
        None => Engine::load(package).map_err(|e| bad(path, e)),
        Some(stored) => Engine::load_stored(package, stored).map_err(|e| match e {
            Error::Prove(ProveError::Stored(_)) => bad(&tree::beside(path), e),
            e => bad(path, e),
        }),
    }
}

/// Reads the integers of one input file, and what to know of its texts.
pub fn read_input(package: &Package, path: &Path, case: usize) -> Result<(Vec<Vec<i64>>, Vec<String>), Failure> {
    let meta = Meta::from_bytes(&package.key.meta).map_err(Error::from)?;
    let specs = input_specs(&meta, &package.graph);
    let file = InputFile::read(path, case)?;
    Ok((file.encode(&specs)?, file.unknown(&specs)))
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
    file.openings.iter().map(Opening::commitment).collect()
}

/// Runs `commit`.
pub fn commit(a: &CommitArgs, ui: &Ui) -> Result<(), Failure> {
    ui.stage("load");
    let engine = Loaded::read(&a.package, &a.backend)?;
    let (input, warnings) = read_input(engine.package(), &a.input, a.case)?;
    ui.stage("commit");
    let file = match &engine {
        Loaded::Transparent(e) => CommitmentFile::make(e, &input)?,
        Loaded::Succinct(e) => e.commit_inputs(&input)?,
    };
    write_atomic(&a.output, &file.to_bytes(), true)?;
    // Commitments on the curve allow any number of proofs.
    if let Loaded::Transparent(engine) = &engine {
        let store = FileStore::new(folder(&a.output)).map_err(Error::from)?;
        for (o, c) in file.openings.iter().zip(roots(&file)) {
            open_budget(&store, &engine.key, TreeKind::Input(o.input), &c).map_err(Error::from)?;
        }
    }
    let public = file.public();
    let list = serde_json::to_value(&public).map_err(Error::from)?;
    write_atomic(&a.public, list.to_string().as_bytes(), false)?;
    let mut text =
        format!("opening          {} (keep it secret)\npublic           {}\n", a.output.display(), a.public.display());
    for p in &public {
        let (input, name) = p.input();
        text += &format!("input {input}          {name} {}\n", p.shown());
    }
    for w in &warnings {
        text += &format!("warning          {w}\n");
    }
    let mut value = json!({ "commitment": a.output, "public": a.public, "inputs": list, "warnings": warnings });
    engine.name_set_up(&mut text, &mut value);
    ui.result(&text, &value);
    Ok(())
}

/// Runs `open`.
pub fn open(a: &OpenArgs, ui: &Ui) -> Result<(), Failure> {
    ui.stage("load");
    let engine = Loaded::read(&a.package, &a.backend)?;
    let file = read_commitment(&a.commitment)?;
    let (input, _) = read_input(engine.package(), &a.input, a.case)?;
    ui.stage("open");
    let reopened = match &engine {
        Loaded::Transparent(e) => file.reopen(e, &input).map(drop),
        Loaded::Succinct(e) => e.reopen(&file, &input).map(drop),
    };
    reopened.map_err(|e| Failure::from(e).at(&a.commitment))?;
    if let Some(path) = &a.public
        && read_public(path)? != file.public()
    {
        return Err(Failure::new(NOT_ACCEPTED, "the published commitment is another one").at(path));
    }
    let list = serde_json::to_value(file.public()).map_err(Error::from)?;
    let (mut text, mut value) =
        ("the commitment holds exactly these data\n".to_string(), json!({ "opens": true, "inputs": list }));
    engine.name_set_up(&mut text, &mut value);
    ui.result(&text, &value);
    Ok(())
}
