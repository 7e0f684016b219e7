//! The measurement of one model, start to end.

use std::path::Path;
use std::time::Instant;

use proveil::estimate::Work;
use proveil::io::{Cases, encode, input_specs, write_atomic};
use proveil::onnx::describe;
use proveil::trace::peak_bytes;
use proveil::{CompileOptions, Engine, Error, IoMeta, Meta, Package, compile_graph};
use proveil_frontend::{FrontendError, InputSpec, Kind, Model, Native, Tensor};
use serde_json::{Map, Value, json};

use super::folder::{Subject, name_of, read, split, stack};
use super::{stages, turns};
use crate::cli::args::BenchArgs;
use crate::cli::demo::output_specs;
use crate::cli::failure::{Failure, INTERNAL, UNSUPPORTED};

/// Runs of anything of which each takes less than [`SHORT`] seconds.
pub const RUNS: usize = 3;
/// Seconds below which a single run says little: the first one also pays for fresh memory.
pub const SHORT: f64 = 5.0;
/// Seconds below which a first proof is made a second time, for the same reason.
const WARM: f64 = 60.0;
/// Seconds after which no more short runs are added, and how many there are at most.
pub const ENOUGH: f64 = 0.4;
pub const MOST_RUNS: usize = 41;

/// Measures a path; a failure is a record too.
pub fn record(path: &Path, a: &BenchArgs) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), json!(name_of(path)));
    out.insert("status".into(), json!("ok"));
    out.insert("message".into(), json!(""));
    if let Err(f) = measure(path, a, &mut out) {
        let status = if f.code == UNSUPPORTED { "unsupported" } else { "error" };
        out.insert("status".into(), json!(status));
        out.insert("message".into(), json!(f.message));
    }
    out.into()
}

fn measure(path: &Path, a: &BenchArgs, out: &mut Map<String, Value>) -> Result<(), Failure> {
    let batch = a.building.inferences();
    let subject = read(path, a.cases, batch)?;
    out.insert("batch".into(), json!(batch));
    let options = a.building.package(&subject.name)?;
    let (model, compile_s) = front(&subject, a)?;
    let (engine, build_s) = build(&model, &options)?;
    let meta = Meta::from_bytes(&engine.package.key.meta).map_err(Error::from)?;
    let specs = input_specs(&meta, &engine.package.graph);
    let judged = if subject.judged.is_empty() { drawn(&meta, &specs, a.cases) } else { subject.judged.clone() };
    describe_model(&engine, &subject, compile_s + build_s, out)?;
    let times = prove_all(&engine, &specs, &judged, a.once, out)?;
    out.insert("prove_each_s".into(), json!(out["prove_s"].as_f64().map(|s| s / batch as f64)));
    out.insert("peak_mib".into(), json!(peak_bytes().map(|b| b as f64 / 1_048_576.0)));
    if a.stages || a.flamegraph.is_some() {
        let cells = encode(&specs, &judged[0].0)?;
        let spans = stages::traced(&model, &options, &cells)?;
        out.insert("spans".into(), stages::json(&spans));
        if !a.no_plain {
            let plain = CompileOptions { zero_knowledge: false, ..options.clone() };
            out.insert("plain_spans".into(), stages::json(&stages::traced(&model, &plain, &cells)?));
        }
        if let Some(file) = &a.flamegraph {
            write_atomic(file, proveil::svg::flame(&subject.name, &spans).as_bytes(), false)?;
        }
    }
    let native = guarded(|| native(&subject.onnx, &judged, batch, a.once));
    // What a policy shows is not what the cases expect.
    if a.building.output_policy.is_empty() {
        errors(&meta.outputs, &times.outputs, &judged, native.as_ref().ok().map(|n| &n.0), out);
    }
    match native {
        Ok((_, s)) => {
            out.insert("prove_over_float".into(), json!(out["prove_s"].as_f64().map(|proof| proof / s)));
            out.insert("native_s".into(), json!(s))
        }
        Err(e) => out.insert("native_message".into(), json!(e.message)),
    };
    if let Some((test, used)) = subject.test.as_ref().filter(|_| a.building.output_policy.is_empty()) {
        let score = test.score(&engine, &specs, &output_specs(&meta), *used);
        match score.and_then(|s| serde_json::to_value(s).map_err(|e| e.to_string())) {
            Ok(Value::Object(s)) => {
                out.extend(s.into_iter().map(|(k, v)| (if k == "rows" { "test_rows".into() } else { k }, v)))
            }
            Ok(_) => {}
            Err(e) => {
                out.insert("test_message".into(), json!(e));
            }
        }
    }
    let input = encode(&specs, &judged[0].0)?;
    if a.speed_up {
        turns::one_thread(&engine, &input, out)?;
    }
    if !a.no_plain {
        let (plain, _) = build(&model, &CompileOptions { zero_knowledge: false, ..options })?;
        turns::without_hiding(&engine, &plain, &input, out)?;
    }
    Ok(())
}

/// The front end's part. Where held-out calibration cannot even encode the judged inputs, they are added.
pub fn front(s: &Subject, a: &BenchArgs) -> Result<(Model, f64), Failure> {
    let mut options = a.building.front()?;
    options.external_data = Some(s.dir.clone());
    if s.samples.is_empty() {
        options.batch = Some(1);
    }
    let (model, time) = timed(|| Ok(proveil_frontend::compile(&s.onnx, &s.samples, &options)?))?;
    let refused =
        |(i, _): &(Vec<Tensor>, Vec<Tensor>)| matches!(encode(&model.inputs, i), Err(FrontendError::InputRange { .. }));
    if !s.judged.iter().any(refused) {
        return Ok((model, time));
    }
    let judged = s.judged.iter().flat_map(|(i, _)| split(i, options.inferences));
    let samples: Vec<Vec<Tensor>> = s.samples.iter().cloned().chain(judged).collect();
    timed(|| Ok(proveil_frontend::compile(&s.onnx, &samples, &options)?))
}

fn build(model: &Model, options: &CompileOptions) -> Result<(Engine, f64), Failure> {
    let meta = describe(model, &options.name);
    timed(|| {
        let (package, committed) = compile_graph(model.graph.clone(), model.params.clone(), &meta, options)?;
        Ok(Engine::with_model(package, committed)?)
    })
}

fn describe_model(engine: &Engine, s: &Subject, compile_s: f64, out: &mut Map<String, Value>) -> Result<(), Failure> {
    let package: &Package = &engine.package;
    let stats = proveil_graph::Stats::of(&package.graph);
    let relation = proveil_compiler::stats::stats(&package.key.relation);
    let bits = proveil::security::proven_bits(&engine.key).map_err(Error::from)?;
    let work = Work::of(&engine.key, &package.graph);
    let fields = json!({
        "params": stats.params, "macs": stats.macs, "lookups": relation.lookup_cells, "table_rows": relation.table_rows,
        "nodes": stats.nodes, "compile_s": compile_s, "vk_bytes": package.key.encode().len(),
        "package_bytes": package.to_bytes().len(), "security_bits": bits, "samples": s.samples.len(),
        "calibrated_on_judged": s.calibrated_on_judged, "column_height": package.key.geometry.log_height,
        "reference_s": work.seconds(), "predicted_proof_bytes": work.proof_bytes().round(),
        "predicted_peak_mib": work.peak_bytes() / 1_048_576.0, "work": work,
    });
    if let Value::Object(fields) = fields {
        out.extend(fields);
    }
    Ok(())
}

/// What the proofs say.
struct Proven {
    /// Real values by case and output.
    outputs: Vec<Vec<Vec<f64>>>,
}

fn prove_all(
    engine: &Engine,
    specs: &[InputSpec],
    judged: &Cases,
    once: bool,
    out: &mut Map<String, Value>,
) -> Result<Proven, Failure> {
    let meta = Meta::from_bytes(&engine.package.key.meta).map_err(Error::from)?;
    let (mut prove_s, mut verify_s, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    let mut cut = 0;
    for (inputs, _) in judged {
        let cells = encode(specs, inputs)?;
        cut += specs.iter().zip(inputs).filter_map(|(s, t)| s.encode(&t.data).ok()).map(|r| r.1).sum::<usize>();
        let mut stages = Vec::new();
        let (proved, s, first) = timed_with_first((!once).then_some(WARM), || {
            let proved = engine.prove(&cells, b"")?;
            stages.push(proved.stages.clone());
            Ok(proved)
        })?;
        // The first of several is left out here too.
        out.insert("stages".into(), medians(&stages[usize::from(stages.len() > 1)..]).into());
        out.entry("prove_first_s").or_insert(json!(first));
        prove_s.push(s);
        let verify = || Ok(proveil::verify(&engine.key, &proved.file)?);
        let (results, s, _) = timed_with_first((!once).then_some(0.0), verify)?;
        verify_s.push(s);
        let real = |k: usize, m: &IoMeta| {
            let public = results.outputs.get(k).and_then(|o| o.1.clone());
            public.unwrap_or_else(|| m.real(proved.outputs.get(k).map_or(&[][..], Vec::as_slice)))
        };
        outputs.push(meta.outputs.iter().enumerate().map(|(k, m)| real(k, m)).collect());
        out.insert("proof_bytes".into(), json!(proved.file.to_bytes().len()));
    }
    out.insert("cases".into(), json!(judged.len()));
    out.insert("saturated".into(), json!(cut));
    out.insert("prove_s".into(), json!(median(prove_s)));
    out.insert("verify_s".into(), json!(median(verify_s)));
    Ok(Proven { outputs })
}

/// Errors of proven outputs: largest absolute, and largest absolute over the largest expected value of that output.
pub fn errors(
    names: &[IoMeta],
    got: &[Vec<Vec<f64>>],
    judged: &Cases,
    native: Option<&Vec<Vec<Tensor>>>,
    out: &mut Map<String, Value>,
) {
    let given = judged.iter().all(|(_, o)| !o.is_empty());
    let expected: Option<Vec<&Vec<Tensor>>> =
        if given { Some(judged.iter().map(|c| &c.1).collect()) } else { native.map(|n| n.iter().collect()) };
    let Some(expected) = expected else { return };
    let (mut largest, mut relative) = (0f64, 0f64);
    let mut outputs = Vec::new();
    for (k, m) in names.iter().enumerate() {
        let (mut error, mut top, mut wrong, mut cells) = (0f64, 0f64, 0usize, 0usize);
        for (g, e) in got.iter().zip(&expected) {
            let (g, Some(e)) = (&g[k], e.get(k).filter(|e| e.data.len() == g[k].len())) else {
                let message = format!("output '{}' has {} values, expected another number", m.name, g[k].len());
                out.insert("error_message".into(), json!(message));
                return;
            };
            for (g, e) in g.iter().zip(&e.data).filter(|(_, e)| e.is_finite()) {
                error = error.max((g - e).abs());
                top = top.max(e.abs());
                cells += 1;
                wrong += usize::from((g - e).abs() > 0.01 * e.abs().max(1e-3));
            }
        }
        // Expected texts are no numbers.
        if cells == 0 {
            continue;
        }
        let rel = if top > 0.0 { error / top } else { error };
        (largest, relative) = (largest.max(error), relative.max(rel));
        let off = wrong as f64 / cells as f64;
        outputs
            .push(json!({ "name": m.name, "max_abs_error": error, "rel_error": rel, "cells_off_by_1_percent": off }));
    }
    out.insert("outputs".into(), outputs.into());
    out.insert("max_abs_error".into(), json!(largest));
    out.insert("rel_error".into(), json!(relative));
    out.insert("expected_by".into(), json!(if given { "cases" } else { "tract" }));
}

/// Inputs for a model without cases: standard normal, or whole numbers like those that set the ranges.
pub fn drawn(meta: &Meta, specs: &[InputSpec], cases: usize) -> Cases {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let mut one = |(k, s): (usize, &InputSpec)| {
        let (lo, hi) = meta.inputs.get(k).and_then(|m| m.calibrated).unwrap_or((s.range.lo, s.range.hi));
        let (lo, width) = (lo as f64, (hi - lo) as f64 + 1.0);
        let data = (0..s.shape.iter().product::<usize>())
            .map(|_| match s.dtype {
                Kind::Float => (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos(),
                _ => (lo + (uniform() * width).floor()).max(lo),
            })
            .collect();
        Tensor { shape: s.shape.clone(), kind: s.dtype, data }
    };
    (0..cases.max(1)).map(|_| (specs.iter().enumerate().map(&mut one).collect(), Vec::new())).collect()
}

/// Outputs and median time of plain inference, of all inferences of a case one after the other.
fn native(onnx: &[u8], judged: &Cases, batch: usize, once: bool) -> Result<(Vec<Vec<Tensor>>, f64), Failure> {
    let singles: Vec<Vec<Vec<Tensor>>> = judged.iter().map(|(inputs, _)| split(inputs, batch)).collect();
    let shapes: Vec<Vec<usize>> = singles[0][0].iter().map(|t| t.shape.clone()).collect();
    let native = Native::load(onnx, &shapes)?;
    let mut outputs = Vec::new();
    let mut times = Vec::new();
    for inputs in &singles {
        let run = || inputs.iter().map(|x| Ok(native.run(x)?)).collect::<Result<Vec<_>, Failure>>();
        let (o, s, _) = timed_with_first((!once).then_some(0.0), run)?;
        outputs.push(stack(&o, |t| t));
        times.push(s);
    }
    Ok((outputs, median(times)))
}

/// Runs something whose panics are not ours to prevent.
fn guarded<T>(f: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err(Failure::new(INTERNAL, "the float engine panicked")))
}

/// The last result and the median time of one run, of three short ones, or of as many as [`ENOUGH`] takes. The first
/// run of several is left out: it pays for memory that the process has never touched, several times its own work on
/// a virtual machine, and whatever is measured before something else would look dearer for it.
pub fn timed<T>(f: impl FnMut() -> Result<T, Failure>) -> Result<(T, f64), Failure> {
    timed_with_first(Some(0.0), f).map(|(value, s, _)| (value, s))
}

/// [`timed`] with the time of the first run, which is made a second time if it took less than `warm` seconds; once without.
pub fn timed_with_first<T>(
    warm: Option<f64>,
    mut f: impl FnMut() -> Result<T, Failure>,
) -> Result<(T, f64, f64), Failure> {
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        let value = f()?;
        times.push(start.elapsed().as_secs_f64());
        let Some(warm) = warm else { return Ok((value, times[0], times[0])) };
        let (long, cold_only) = (times.iter().any(|s| *s > SHORT), times.len() == 1 && times[0] < warm);
        let enough = times.len() > RUNS && times.iter().sum::<f64>() > ENOUGH;
        if enough || times.len() > MOST_RUNS || (long && !cold_only) {
            let (first, cold) = (times[0], usize::from(times.len() > 1));
            return Ok((value, median(times.split_off(cold)), first));
        }
    }
}

/// The median time of each stage of several proofs.
pub fn medians(proofs: &[Vec<(&'static str, f64)>]) -> Map<String, Value> {
    let times = |stage: usize| proofs.iter().map(|proof| proof[stage].1).collect();
    proofs[0].iter().enumerate().map(|(i, (name, _))| ((*name).to_string(), json!(median(times(i))))).collect()
}

/// The middle one.
pub fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or_default()
}
