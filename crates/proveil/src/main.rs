//! The `proveil` command. Exit codes: 0 done, 1 not accepted or a check failed, 2 usage, 3 bad input file,
//! 4 unsupported model, 5 internal failure.
#![forbid(unsafe_code)]

mod bench;
mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
