//! Arguments of `encode`, and what tree files keep.

use std::path::PathBuf;

use clap::ValueEnum;
use proveil::tree::Keep;

/// Options of `encode`.
#[derive(clap::Args)]
pub struct EncodeArgs {
    /// The package.
    pub package: PathBuf,
    /// What is kept: codeword (proofs start at once), leaves (a small file; each proof encodes the model) or none.
    #[arg(long, default_value = "codeword")]
    pub tree: TreeArg,
}

/// What a tree file keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TreeArg {
    /// Leaves and codeword.
    Codeword,
    /// Leaves.
    Leaves,
    /// No file.
    None,
}

impl TreeArg {
    /// What is written, if anything is.
    pub fn keep(self) -> Option<Keep> {
        match self {
            Self::Codeword => Some(Keep::Codeword),
            Self::Leaves => Some(Keep::Leaves),
            Self::None => None,
        }
    }
}
