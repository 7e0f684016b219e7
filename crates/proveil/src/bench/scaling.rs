//! `bench --scaling`: cost of generated models while one length grows, with the cliffs named.

use std::fmt::Write;
use std::time::Instant;

use proveil::estimate::Work;
use proveil::onnx::describe;
use proveil::svg::{Series, plot};
use proveil::trace::cpu_seconds;
use proveil::{CompileOptions, Engine, compile_graph, verify};
use proveil_frontend::Options;
use proveil_frontend::synthetic::Synthetic;
use proveil_verifier::phases::LINEAR_CLAIMS;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::args::BenchArgs;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

/// Bits that are the same at every point, so that the choice of bits is no part of what is seen.
const BITS: (u32, u32) = (8, 10);
/// Cost may grow faster than the size by this factor from one point to the next before it is called a cliff.
const CLIFF: f64 = 1.3;
/// Runs of each point; the least time counts.
const RUNS: usize = 5;

/// One length that grows.
struct Axis {
    name: &'static str,
    what: &'static str,
    /// Model, inferences and length of each point.
    points: Vec<(Synthetic, usize, usize)>,
}

/// One measured model.
#[derive(Clone, Debug, Serialize)]
struct Point {
    /// The length that grows.
    length: usize,
    /// Weights and biases.
    params: u64,
    /// Multiplications.
    macs: u64,
    /// Looked-up cells.
    lookups: f64,
    /// Rows of all tables.
    table_rows: f64,
    /// Cells of inputs, outputs and trace.
    trace: f64,
    /// Cells of all columns that are committed, of the model too.
    committed: f64,
    /// Linear claims that end in the opening.
    claims: usize,
    /// Products of two hidden values.
    products: f64,
    /// Rounds of the three sumchecks.
    rounds: usize,
    /// Contractions of phase 2.
    contractions: f64,
    /// Bytes of the proof.
    proof_bytes: usize,
    /// Bytes of the verifying key.
    vk_bytes: usize,
    /// Least seconds to prove.
    prove_s: f64,
    /// Least processor seconds to prove, where the system tells them.
    cpu_s: Option<f64>,
    /// Least seconds to verify.
    verify_s: f64,
}

fn axes() -> Vec<Axis> {
    let dense = |width, layers| Synthetic::Dense { width, layers };
    let axis = |name, what, points: Vec<(Synthetic, usize, usize)>| Axis { name, what, points };
    let of = |list: &[usize], f: &dyn Fn(usize) -> (Synthetic, usize)| -> Vec<(Synthetic, usize, usize)> {
        list.iter().map(|n| (f(*n).0, f(*n).1, *n)).collect()
    };
    // Lengths on both sides of powers of two, where padding would show.
    let widths = [32, 33, 48, 64, 65, 96, 128, 129, 192, 256, 257, 384, 512];
    let channels = [4, 5, 8, 9, 12, 16, 17, 24, 32];
    let steps = [4, 8, 9, 16, 17, 24, 32, 33, 48, 64];
    vec![
        axis("width", "4 dense layers", of(&widths, &|n| (dense(n, 4), 1))),
        axis("depth", "dense layers of 64 cells", of(&[2, 4, 8, 16, 32], &|n| (dense(64, n), 1))),
        axis(
            "channels",
            "2 convolutions on 16 x 16 cells",
            of(&channels, &|n| (Synthetic::Conv { channels: n, side: 16, layers: 2 }, 1)),
        ),
        axis(
            "batch",
            "inferences of 4 dense layers of 64 cells",
            of(&[1, 2, 4, 8, 9, 16, 32, 64], &|n| (dense(64, 4), n)),
        ),
        axis(
            "sequence",
            "positions of 2 attention layers of 32 cells",
            of(&steps, &|n| (Synthetic::Attention { width: 32, sequence: n, layers: 2 }, 1)),
        ),
        axis(
            "steps",
            "steps of a recurrent layer of 16 cells",
            of(&[2, 4, 8, 16, 32], &|n| (Synthetic::Recurrent { width: 16, sequence: n }, 1)),
        ),
    ]
}

/// Runs the command.
pub fn run(a: &BenchArgs, ui: &Ui) -> Result<(), Failure> {
    let options = a.building.package("scaling")?;
    let mut panels = Vec::new();
    for axis in axes().iter().filter(|x| a.axes.is_empty() || a.axes.iter().any(|n| n == x.name)) {
        let mut points = Vec::new();
        for (family, batch, length) in &axis.points {
            ui.stage(&format!("{} {length}", axis.name));
            points.push(measure(*family, *batch, *length, &options)?);
        }
        let cliffs = cliffs(&points);
        ui.result(
            &table(axis, &points, &cliffs),
            &json!({ "axis": axis.name, "of": axis.what, "points": points, "cliffs": cliffs }),
        );
        panels.push(series(axis, &points));
    }
    if panels.is_empty() {
        return Err(Failure::usage("--axes: give some of width, depth, channels, batch, sequence, steps"));
    }
    match &a.plot {
        Some(file) => Ok(proveil::io::write_atomic(file, plot(&panels, 3).as_bytes(), false)?),
        None => Ok(()),
    }
}

fn measure(family: Synthetic, batch: usize, length: usize, options: &CompileOptions) -> Result<Point, Failure> {
    let mut front = Options::default();
    (front.weight_bits, front.activation_bits) = (Some(BITS.0), Some(BITS.1));
    front.inferences = batch;
    let model = proveil_frontend::compile(&family.onnx(), &[], &front)?;
    let meta = describe(&model, &options.name);
    let (package, committed) = compile_graph(model.graph.clone(), model.params.clone(), &meta, options)?;
    let engine = Engine::with_model(package, committed)?;
    let inputs: Vec<Vec<i64>> = model
        .inputs
        .iter()
        .map(|s| {
            let width = (s.range.hi - s.range.lo).max(1) / 4;
            (0..s.shape.iter().product::<usize>()).map(|i| (i as i64 * 7919).rem_euclid(width) - width / 2).collect()
        })
        .collect();
    let (mut prove_s, mut verify_s, mut proof_bytes) = (f64::MAX, f64::MAX, 0);
    let mut cpu_s: Option<f64> = None;
    for _ in 0..RUNS {
        let (clock, before) = (Instant::now(), cpu_seconds());
        let proved = engine.prove(&inputs, b"")?;
        prove_s = prove_s.min(clock.elapsed().as_secs_f64());
        if let (Some(a), Some(b)) = (before, cpu_seconds()) {
            cpu_s = Some(cpu_s.unwrap_or(f64::MAX).min((b - a).max(0.0)));
        }
        let clock = Instant::now();
        verify(&engine.key, &proved.file)?;
        verify_s = verify_s.min(clock.elapsed().as_secs_f64());
        proof_bytes = proved.file.proof.len();
    }
    let (layout, work) = (&engine.key.layout, Work::of(&engine.key, &engine.package.graph));
    let stats = proveil_graph::Stats::of(&engine.package.graph);
    let trees = layout.trees.iter().map(|t| (t.base_columns() << layout.heights[t.group]) as f64);
    Ok(Point {
        length,
        params: stats.params,
        macs: stats.macs,
        lookups: work.lookup_cells,
        table_rows: work.table_rows,
        trace: work.trace_cells,
        committed: trees.sum(),
        claims: LINEAR_CLAIMS + layout.trees.iter().filter(|t| t.sampled).count(),
        products: work.hidden_products,
        rounds: layout.nv + layout.nk + layout.heights.iter().max().copied().unwrap_or(0),
        contractions: work.contractions,
        proof_bytes,
        vk_bytes: engine.package.key.encode().len(),
        prove_s,
        cpu_s,
        verify_s,
    })
}

/// What a point's cost should grow with at most: the larger growth of weights and of everything that is looked up.
fn growth(a: &Point, b: &Point) -> f64 {
    let ratio = |x: f64, y: f64| y / x.max(1.0);
    ratio(a.params as f64, b.params as f64).max(ratio(a.lookups, b.lookups)).max(1.0)
}

/// Steps at which time or committed cells grow faster than the size.
fn cliffs(points: &[Point]) -> Vec<Value> {
    let mut out = Vec::new();
    for (a, b) in points.iter().zip(points.iter().skip(1)) {
        let size = growth(a, b);
        // Other work on the machine shows in time, hardly in processor time.
        let time = match (a.cpu_s, b.cpu_s) {
            (Some(x), Some(y)) => ("cpu_s", x, y),
            _ => ("prove_s", a.prove_s, b.prove_s),
        };
        let costs = [time, ("committed", a.committed, b.committed)];
        for (what, x, y) in costs {
            let factor = y / x.max(1e-12) / size;
            if factor > CLIFF {
                out.push(json!({ "from": a.length, "to": b.length, "of": what, "factor": factor }));
            }
        }
    }
    out
}

fn table(axis: &Axis, points: &[Point], cliffs: &[Value]) -> String {
    let mut out = format!("{} of {}\n", axis.name, axis.what);
    let _ = writeln!(
        out,
        "{:>8} {:>9} {:>10} {:>9} {:>9} {:>10} {:>7} {:>8} {:>7} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "length",
        "params",
        "macs",
        "look-ups",
        "tables",
        "committed",
        "claims",
        "products",
        "rounds",
        "contract",
        "proof K",
        "key K",
        "prove ms",
        "cpu ms",
        "verify ms"
    );
    for p in points {
        let _ = writeln!(
            out,
            "{:>8} {:>9} {:>10} {:>9} {:>9} {:>10} {:>7} {:>8} {:>7} {:>8} {:>8.1} {:>9.1} {:>9.2} {:>9.2} {:>9.3}",
            p.length,
            p.params,
            p.macs,
            p.lookups,
            p.table_rows,
            p.committed,
            p.claims,
            p.products,
            p.rounds,
            p.contractions,
            p.proof_bytes as f64 / 1024.0,
            p.vk_bytes as f64 / 1024.0,
            p.prove_s * 1e3,
            p.cpu_s.map_or(f64::NAN, |s| s * 1e3),
            p.verify_s * 1e3
        );
    }
    for c in cliffs {
        let factor = c["factor"].as_f64().unwrap_or_default();
        let name = c["of"].as_str().unwrap_or_default();
        let _ = writeln!(
            out,
            "cliff: {name} grows {factor:.2} times as fast as the size from {} to {}",
            c["from"], c["to"]
        );
    }
    out
}

fn series(axis: &Axis, points: &[Point]) -> Series {
    Series {
        title: axis.what.into(),
        x_label: axis.name.into(),
        y_label: "processor milliseconds to prove".into(),
        points: points.iter().map(|p| (p.length as f64, p.cpu_s.unwrap_or(p.prove_s) * 1e3)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(length: usize, lookups: f64, prove_s: f64, committed: f64) -> Point {
        Point {
            length,
            params: 100,
            macs: 1,
            lookups,
            table_rows: 0.0,
            trace: 0.0,
            committed,
            claims: 6,
            products: 7.0,
            rounds: 30,
            contractions: 1.0,
            proof_bytes: 1,
            vk_bytes: 1,
            prove_s,
            cpu_s: None,
            verify_s: 1.0,
        }
    }

    #[test]
    fn matches_reference_cliffs() {
        let smooth = [point(1, 10.0, 1.0, 100.0), point(2, 20.0, 2.5, 200.0), point(4, 40.0, 3.0, 200.0)];
        assert!(cliffs(&smooth).is_empty());
        let steep = [point(1, 10.0, 1.0, 100.0), point(2, 20.0, 2.0, 300.0), point(3, 20.0, 2.7, 300.0)];
        let found: Vec<(String, u64)> = cliffs(&steep)
            .iter()
            .map(|c| (c["of"].as_str().unwrap_or_default().into(), c["to"].as_u64().unwrap_or_default()))
            .collect();
        assert_eq!(found, [("committed".into(), 2), ("prove_s".into(), 3)]);
    }

    #[test]
    fn accepts_depth_without_more_claims_or_products() {
        let options =
            CompileOptions { params: proveil_protocol::params::Params::fast(40), ..CompileOptions::default() };
        let deep = |layers| measure(Synthetic::Dense { width: 16, layers }, 1, layers, &options);
        let points: Vec<Point> = [2, 4, 8].map(deep).into_iter().filter_map(Result::ok).collect();
        assert_eq!(points.len(), 3);
        for (a, b) in points.iter().zip(&points[1..]) {
            assert_eq!((a.claims, a.products), (b.claims, b.products));
            assert!(b.rounds <= a.rounds + 3, "{a:?} {b:?}");
        }
    }

    #[test]
    fn accepts_positions_without_cliffs_of_committed_cells() {
        let options =
            CompileOptions { params: proveil_protocol::params::Params::fast(40), ..CompileOptions::default() };
        let of = |sequence| measure(Synthetic::Attention { width: 32, sequence, layers: 2 }, 1, sequence, &options);
        let points: Vec<Point> = [4, 5, 8, 9, 16, 17, 32, 33].map(of).into_iter().filter_map(Result::ok).collect();
        assert_eq!(points.len(), 8);
        let found: Vec<Value> = cliffs(&points).into_iter().filter(|c| c["of"] == "committed").collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
