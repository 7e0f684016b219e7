//! Proves one ONNX file under the geometries that the cost model likes best and prints predictions beside measurements:
//! `geometries MODEL.onnx [zk|plain]`.

use proveil::package::{claim, compile_choice};
use proveil::profile::{Profile, Wish};
use proveil::{CompileOptions, Engine, Meta};
use proveil_frontend::Options;
use proveil_protocol::params::Params;

/// Proofs under each geometry.
const RUNS: usize = 7;
/// Geometries compared: those that the cost model likes best.
const MOST: usize = 24;

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
    let mut likely = wish.candidates(None);
    likely.sort_by(|a, b| wish.score(&a.cost).total_cmp(&wish.score(&b.cost)));
    likely.truncate(MOST);
    let engines = likely
        .iter()
        .map(|choice| {
            let (graph, values) = (model.graph.clone(), model.params.clone());
            let (package, tree) = compile_choice(graph, values, &Meta::default(), &options, choice)?;
            Engine::with_model(package, tree)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // In turns, so that whatever else the machine does reaches all of them.
    let mut measured = vec![(f64::MAX, 0); engines.len()];
    for _ in 0..RUNS {
        for (engine, (least, size)) in engines.iter().zip(&mut measured) {
            let clock = std::time::Instant::now();
            *size = rayon::scope(|_| engine.prove(&inputs, b""))?.file.proof.len();
            *least = least.min(clock.elapsed().as_secs_f64());
        }
    }
    println!("height rate fold work columns   predicted ms, KiB   measured ms (least of {RUNS}), KiB   score");
    for (choice, (least, size)) in likely.iter().zip(measured) {
        let (p, c) = (&choice.params, &choice.cost);
        println!(
            "{:>6} {:>4} {:>4} {:>4} {:>3}+{:<3}  {:>8.1} {:>6.0} {:>19.1} {:>6} {:>10.1}",
            choice.geometry.log_height,
            p.log_inv_rate,
            p.first_fold,
            p.grinding_bits,
            c.model_columns,
            c.proof_columns,
            c.millis,
            c.bytes / 1024.0,
            least * 1e3,
            size / 1024,
            wish.score(c),
        );
    }
    Ok(())
}
