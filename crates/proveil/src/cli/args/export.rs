//! Arguments of `export`.

use std::path::PathBuf;

use clap::Subcommand;

/// Options of `export`.
#[derive(clap::Args)]
pub struct ExportArgs {
    /// What.
    #[command(subcommand)]
    pub what: ExportWhat,
}

/// What goes on a chain.
#[derive(Subcommand)]
pub enum ExportWhat {
    /// A folder to deploy from: the verifier, the model's key, a typed contract for the model, what to do next.
    Solidity(SolidityArgs),
    /// The bytes that a verifier is called with, or their pieces (--json).
    Calldata(CalldataArgs),
}

/// Options of `export calldata`.
#[derive(clap::Args)]
pub struct CalldataArgs {
    /// The short key.
    #[arg(long)]
    pub key: PathBuf,
    /// The proof; it is verified first.
    #[arg(long)]
    pub proof: PathBuf,
    /// Address of the account that holds the model's key.
    #[arg(long, value_name = "ADDRESS")]
    pub account: String,
    /// Where the result goes too: hexadecimal, or with --json the pieces.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

/// Options of `export solidity`.
#[derive(clap::Args)]
pub struct SolidityArgs {
    /// The short key.
    #[arg(long)]
    pub key: PathBuf,
    /// Export a key of a development set-up, with a verifier that takes it and says so in its name.
    #[arg(long)]
    pub insecure_set_up: bool,
    /// The folder; it must not be there yet.
    #[arg(short, long)]
    pub output: PathBuf,
}
