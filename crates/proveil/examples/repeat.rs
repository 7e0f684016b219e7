//! Proves one ONNX file, or verifies a proof of it, many times, for profiling: `repeat MODEL.onnx prove|plain|verify [TIMES]`.

use std::time::Instant;

use proveil::onnx::describe;
use proveil::{CompileOptions, Engine, compile_graph};
use proveil_frontend::Options;
use proveil_protocol::params::Params;

/// As in the command-line tool.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: repeat MODEL.onnx prove|plain|verify [TIMES]";
    let path = std::env::args().nth(1).ok_or(usage)?;
    let what = std::env::args().nth(2).filter(|w| ["prove", "plain", "verify"].contains(&w.as_str())).ok_or(usage)?;
    let times: usize = std::env::args().nth(3).map_or(Ok(100), |t| t.parse())?;
    let mut import = Options::default();
    import.batch = Some(1);
    let model = proveil_frontend::compile(&std::fs::read(&path)?, &[], &import)?;
    let inputs: Vec<Vec<i64>> =
        model.inputs.iter().map(|i| vec![i.range.lo.max(0); i.shape.iter().product()]).collect();
    let options =
        CompileOptions { zero_knowledge: what != "plain", params: Params::fast(128), ..CompileOptions::default() };
    let meta = describe(&model, &path);
    let (package, tree) = compile_graph(model.graph, model.params, &meta, &options)?;
    let engine = Engine::with_model(package, tree)?;
    let clock = Instant::now();
    let proof = engine.prove(&inputs, b"")?;
    println!("first proof {:.3} ms", clock.elapsed().as_secs_f64() * 1e3);
    let mut seconds = Vec::new();
    for _ in 0..times {
        let clock = Instant::now();
        match what.as_str() {
            "verify" => drop(proveil::verify(&engine.key, &proof.file)?),
            _ => drop(engine.prove(&inputs, b"")?),
        }
        seconds.push(clock.elapsed().as_secs_f64() * 1e3);
    }
    seconds.sort_by(f64::total_cmp);
    println!("{what}: least {:.3} ms, median {:.3} ms", seconds[0], seconds[times / 2]);
    Ok(())
}
