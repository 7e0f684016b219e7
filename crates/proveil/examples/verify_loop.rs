//! Proves one ONNX file once and verifies the proof many times, for profiling: `verify_loop MODEL.onnx [TIMES]`.

use proveil::{CompileOptions, Engine, Meta, compile_graph};
use proveil_frontend::Options;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: verify_loop MODEL.onnx [TIMES]")?;
    let times: u32 = std::env::args().nth(2).map_or(Ok(100), |t| t.parse())?;
    let model = proveil_frontend::compile(&std::fs::read(&path)?, &[], &Options::default())?;
    let inputs: Vec<Vec<i64>> =
        model.inputs.iter().map(|i| vec![i.range.lo.max(0); i.shape.iter().product()]).collect();
    let (package, tree) = compile_graph(model.graph, model.params, &Meta::default(), &CompileOptions::default())?;
    let engine = Engine::with_model(package, tree)?;
    let proof = engine.prove(&inputs, b"")?;
    let clock = std::time::Instant::now();
    for _ in 0..times {
        proveil_verifier::verify(&engine.key, &proof.file.statement, &proof.file.proof)?;
    }
    println!("{:.3} ms", clock.elapsed().as_secs_f64() * 1e3 / f64::from(times));
    Ok(())
}
