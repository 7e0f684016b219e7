//! The `proveil` command. Exit codes: 0 done, 1 not accepted or a check failed, 2 usage, 3 bad input file,
//! 4 unsupported model, 5 internal failure.
#![forbid(unsafe_code)]

mod bench;
mod cli;

/// Keeps what a proof frees for the next stage: fresh pages cost more than the arithmetic done in them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
