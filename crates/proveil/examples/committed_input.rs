//! An input is committed to first; two proofs about it are then known to be about the same data.
//!
//!     cargo run --release -p proveil --example committed_input

use std::error::Error;

use proveil::io::{Npz, encode, input_specs};
use proveil::{CommitmentFile, CompileOptions, Engine, Meta, compile_onnx, verify};
use proveil_frontend::Options;
use proveil_relation::key::IoVisibility;

const MODEL: &[u8] = include_bytes!("../../../models/digits_cnn/model.onnx");
const CASES: &[u8] = include_bytes!("../../../models/digits_cnn/cases.npz");

fn main() -> Result<(), Box<dyn Error>> {
    let x = Npz::open(CASES.to_vec(), 1 << 20)?.array("c0_in0")?.tensor();
    let options = CompileOptions { input: IoVisibility::Committed, ..CompileOptions::default() };
    let compiled = compile_onnx(MODEL, &[vec![x.clone()]], &Options::default(), &options)?;
    let engine = Engine::with_model(compiled.package, compiled.model)?;
    let meta = Meta::from_bytes(&engine.package.key.meta)?;
    let input = encode(&input_specs(&meta, &engine.package.graph), &[x])?;

    // The opening stays with the data's owner; the public part is published before any proof.
    let opening = CommitmentFile::make(&engine, &input)?;
    let public = opening.public();
    for request in ["first", "second"] {
        let given = opening.reopen(&engine, &input)?;
        let given: Vec<_> = given.iter().map(Option::as_ref).collect();
        let proved = engine.prove_with(&input, &given, &[], request.as_bytes())?;
        verify(&engine.key, &proved.file)?;
        println!("{request}: about {} {}", public[0].input().1, public[0].is(&proved.file.statement.inputs[0]));
    }
    Ok(())
}
