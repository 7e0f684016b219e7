//! The tree file: leaves and codeword of the model's tree, beside the package, so that processes that prove need neither
//! encode nor hash the model, nor hold its codeword in memory. As secret as the package; worth nothing without it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::engine::Engine;
use crate::error::Error;
use crate::io::{IoError, write_atomic_with};

pub use proveil_prover::stored::{StoredError, StoredTree, TREE_MAGIC};

/// What a tree file keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Leaves and codeword: nothing is encoded again.
    Codeword,
    /// Leaves only: the model is encoded again for each proof, but not hashed.
    Leaves,
}

/// The tree file of a package: its path with `.tree` appended.
#[must_use]
pub fn beside(package: &Path) -> PathBuf {
    let mut name = package.as_os_str().to_owned();
    name.push(".tree");
    name.into()
}

/// Opens the tree file of a package, if there is one.
///
/// # Errors
/// `Io`; `Prove` with `Stored` when it is not a whole tree file.
pub fn open(package: &Path) -> Result<Option<StoredTree>, Error> {
    let path = beside(package);
    match File::open(&path) {
        Ok(file) => Ok(Some(StoredTree::open(file).map_err(proveil_prover::ProveError::from)?)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IoError::Read { path, source }.into()),
    }
}

/// What the tree file of a package keeps, if there is one; whether it is of this package is not looked at.
#[must_use]
pub fn kept(package: &Path) -> Option<Keep> {
    let stored = open(package).ok()??;
    Some(if stored.has_codeword() { Keep::Codeword } else { Keep::Leaves })
}

/// Removes the tree file of a package, if there is one: the first step where the package is replaced.
///
/// # Errors
/// `Io`.
pub fn remove(package: &Path) -> Result<(), Error> {
    let path = beside(package);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(IoError::Write { path, source: e }.into()),
        _ => Ok(()),
    }
}

/// Writes the tree file of a package that an engine was made of; returns its length, or nothing for a model without
/// weights, which needs none.
///
/// # Errors
/// `Io`; the temporary file is removed then.
pub fn write(package: &Path, engine: &Engine, keep: Keep) -> Result<Option<u64>, Error> {
    let Some(model) = engine.model() else { return Ok(None) };
    let path = beside(package);
    write_atomic_with(&path, true, |out| model.tree.store(keep == Keep::Codeword, out))?;
    let length = std::fs::metadata(&path).map_err(|source| IoError::Read { path, source })?.len();
    Ok(Some(length))
}
