//! The main path as a library: an ONNX file becomes a package, an input a proof, and the key alone checks it.
//!
//!     cargo run --release -p proveil --example prove_and_verify

use std::error::Error;

use proveil::io::{Npz, encode, input_specs};
use proveil::proof::read_key;
use proveil::{CompileOptions, Engine, Meta, ProofFile, compile_onnx, verify};
use proveil_frontend::Options;

const MODEL: &[u8] = include_bytes!("../../../models/digits_mlp/model.onnx");
const CASES: &[u8] = include_bytes!("../../../models/digits_mlp/cases.npz");

fn main() -> Result<(), Box<dyn Error>> {
    let mut cases = Npz::open(CASES.to_vec(), 1 << 20)?;
    let x = |k: usize, cases: &mut Npz| cases.array(&format!("c{k}_in0")).map(|a| vec![a.tensor()]);
    let samples = [x(1, &mut cases)?, x(2, &mut cases)?, x(3, &mut cases)?];

    // The model's owner compiles once. The package is secret, the key is public.
    let options = CompileOptions { name: "digits".into(), ..CompileOptions::default() };
    let compiled = compile_onnx(MODEL, &samples, &Options::default(), &options)?;
    let key_file = compiled.package.key.encode();
    let engine = Engine::with_model(compiled.package, compiled.model)?;

    // For each input: run, prove. Weights and input stay hidden.
    let meta = Meta::from_bytes(&engine.package.key.meta)?;
    let specs = input_specs(&meta, &engine.package.graph);
    let input = encode(&specs, &x(0, &mut cases)?)?;
    let proof_file = engine.prove(&input, b"request 17")?.file.to_bytes();

    // Anyone verifies with the two files.
    let results = verify(&read_key(&key_file)?, &ProofFile::from_bytes(&proof_file)?)?;
    println!("key {} bytes, proof {} bytes", key_file.len(), proof_file.len());
    for (name, values) in results.outputs {
        println!("{name}: {:?}", values.unwrap_or_default());
    }
    Ok(())
}
