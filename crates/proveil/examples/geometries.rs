//! Proves one ONNX file under every geometry that the cost model considers and prints predictions beside measurements:
//! `geometries MODEL.onnx [zk|plain]`.

use proveil::package::{claim, compile_choice};
use proveil::profile::{Choice, Profile, Wish};
use proveil::{CompileOptions, Engine, Meta};
use proveil_frontend::Options;
use proveil_protocol::params::Params;

const RUNS: usize = 7;

/// As in the command-line tool.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: geometries MODEL.onnx [zk|plain]")?;
    let mut import = Options::default();
    import.batch = Some(1);
    let model = proveil_frontend::compile(&std::fs::read(&path)?, &[], &import)?;
    let inputs: Vec<Vec<i64>> =
        model.inputs.iter().map(|i| vec![i.range.lo.max(0); i.shape.iter().product()]).collect();
    let options = CompileOptions {
        zero_knowledge: std::env::args().nth(2).as_deref() != Some("plain"),
        params: Params::fast(128),
        ..CompileOptions::default()
    };
    let (relation, visibility) = claim(&model.graph, &options)?;
    let wish = Wish { relation: &relation, params: &options.params, visibility: &visibility, profile: Profile::Fast };
    let chosen = wish.choose(None);
    println!("chosen {chosen:?}");
    println!("height rate fold work columns   predicted ms, KiB   measured ms (least of {RUNS}), KiB");
    let likely = |c: &Choice| c.geometry.log_height <= chosen.as_ref().map_or(0, |c| c.geometry.log_height) + 1;
    for choice in wish.candidates(None).into_iter().filter(likely) {
        let (package, tree) =
            compile_choice(model.graph.clone(), model.params.clone(), &Meta::default(), &options, &choice)?;
        let engine = Engine::with_model(package, tree)?;
        let (mut least, mut size) = (f64::MAX, 0);
        for _ in 0..RUNS {
            let clock = std::time::Instant::now();
            size = rayon::scope(|_| engine.prove(&inputs, b""))?.file.proof.len();
            least = least.min(clock.elapsed().as_secs_f64());
        }
        let (p, c) = (&choice.params, &choice.cost);
        println!(
            "{:>6} {:>4} {:>4} {:>4} {:>3}+{:<3}  {:>8.1} {:>6.0} {:>19.1} {:>6}",
            choice.geometry.log_height,
            p.log_inv_rate,
            p.first_fold,
            p.grinding_bits,
            c.model_columns,
            c.proof_columns,
            c.millis,
            c.bytes / 1024.0,
            least * 1e3,
            size / 1024
        );
    }
    Ok(())
}
