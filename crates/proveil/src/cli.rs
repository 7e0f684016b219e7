//! The command line: arguments to library calls, results to text or JSON.

pub mod args;
mod check;
mod commit;
mod compile;
mod compose;
pub mod contract;
pub mod demo;
mod encode;
pub mod estimate;
mod export;
pub mod failure;
mod inspect;
mod plot;
mod prove;
mod refresh;
mod register;
mod security;
mod srs;
pub mod ui;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use failure::{Failure, USAGE};
use ui::Ui;

/// Largest package, key, proof or model file that is read, in bytes.
pub const FILE_LIMIT: u64 = 8 << 30;

/// Parses arguments, runs the command, reports failures.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { USAGE } else { 0 });
        }
    };
    let ui = Ui::new(args.json, args.quiet);
    if let Some(n) = args.threads.filter(|n| *n > 0)
        && let Err(e) = rayon::ThreadPoolBuilder::new().num_threads(n).build_global()
    {
        ui.note(&format!("threads: {e}"));
    }
    match run(&args, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(f) => {
            ui.failure(&f);
            ExitCode::from(f.code)
        }
    }
}

fn run(args: &Args, ui: &Ui) -> Result<(), Failure> {
    match &args.command {
        Command::Demo(a) => demo::run(a, ui),
        Command::Check(a) => check::run(a, ui),
        Command::Compose(a) => compose::run(a, ui),
        Command::Compile(a) => compile::run(a, ui),
        Command::Estimate(a) => estimate::run(a, ui),
        Command::Encode(a) => encode::run(a, ui),
        Command::Commit(a) => commit::commit(a, ui),
        Command::Open(a) => commit::open(a, ui),
        Command::Prove(a) => prove::run(a, ui),
        Command::Register(a) => register::run(a, ui),
        Command::Refresh(a) => refresh::run(a, ui),
        Command::Verify(a) => verify::run(a, ui),
        Command::Security(a) => security::run(a, ui),
        Command::Inspect(a) => inspect::run(a, ui),
        Command::Export(a) => export::run(a, ui),
        Command::Srs(a) => srs::run(a, ui),
        Command::Bench(a) => crate::bench::run(a, args, ui),
    }
}
