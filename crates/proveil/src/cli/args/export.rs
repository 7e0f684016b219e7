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
    /// The short key; for several proofs those of their models.
    #[arg(long, required = true, num_args = 1..)]
    pub key: Vec<PathBuf>,
    /// The proof, which is verified first; or several, for one call of a `BatchVerifier`.
    #[arg(long, required = true, num_args = 1..)]
    pub proof: Vec<PathBuf>,
    /// Address of the account that holds the model's key; of several keys one each, in their order.
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1..)]
    pub account: Vec<String>,
    /// Make the call of a `BatchVerifier` for one proof too.
    #[arg(long)]
    pub batch: bool,
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
