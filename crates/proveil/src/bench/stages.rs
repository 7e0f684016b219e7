//! Time and memory by stage, from the spans of one compilation, proof and verification.

use std::fmt::Write;

use proveil::onnx::describe;
use proveil::trace::{Measure, Span, record};
use proveil::{CompileOptions, Engine, compile_graph, verify};
use proveil_frontend::Model;
use serde_json::{Value, json};

use crate::cli::failure::Failure;

/// Spans of one run: times from a run of their own, since taking down memory costs time.
pub fn traced(model: &Model, options: &CompileOptions, cells: &[Vec<i64>]) -> Result<Vec<Span>, Failure> {
    let run = || -> Result<(), Failure> {
        let meta = describe(model, &options.name);
        let (package, committed) = compile_graph(model.graph.clone(), model.params.clone(), &meta, options)?;
        let engine = Engine::with_model(package, committed)?;
        let proved = engine.prove(cells, b"")?;
        verify(&engine.key, &proved.file)?;
        Ok(())
    };
    let (done, usage) = record(Measure::Usage, run);
    done?;
    let (done, mut spans) = record(Measure::Time, run);
    done?;
    // The spans of a model do not depend on the run.
    spans.iter_mut().zip(usage).for_each(|(s, u)| (s.cpu, s.peak) = (u.cpu, u.peak));
    Ok(spans)
}

/// Spans as data.
pub fn json(spans: &[Span]) -> Value {
    let mib = |p: u64| p as f64 / 1_048_576.0;
    let one = |s: &Span| {
        json!({ "name": s.name, "depth": s.depth, "stage": s.stage, "start_s": s.start, "seconds": s.seconds,
            "cpu_s": s.cpu, "peak_mib": s.peak.map(mib) })
    };
    spans.iter().map(one).collect::<Vec<_>>().into()
}

/// A table of spans: name, time, share of all stages, peak of memory.
pub fn table(spans: &Value) -> String {
    let list = spans.as_array().map_or(&[][..], Vec::as_slice);
    let seconds = |s: &Value| s["seconds"].as_f64().unwrap_or_default();
    let total: f64 = list.iter().filter(|s| s["depth"] == 0).map(seconds).sum();
    let mut out = format!("    {:<24} {:>10} {:>8} {:>10} {:>10}\n", "stage", "ms", "share %", "cpu ms", "peak MiB");
    for s in list {
        let indent = 2 * s["depth"].as_u64().unwrap_or_default() as usize;
        let name = format!("{:indent$}{}", "", s["name"].as_str().unwrap_or_default());
        let share = seconds(s) / total.max(1e-12) * 100.0;
        let peak = s["peak_mib"].as_f64().map_or("-".into(), |p| format!("{p:.1}"));
        let cpu = s["cpu_s"].as_f64().map_or("-".into(), |c| format!("{:.3}", c * 1e3));
        let _ = writeln!(out, "    {name:<24} {:>10.3} {share:>8.1} {cpu:>10} {peak:>10}", seconds(s) * 1e3);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_shares() {
        let span = |name, depth, seconds| {
            let parent = (depth > 0).then_some(0);
            Span {
                name,
                parent,
                depth,
                stage: depth == 0,
                start: 0.0,
                seconds,
                cpu: (depth > 0).then_some(0.002),
                peak: (depth == 0).then_some(2 << 20),
            }
        };
        let text = table(&json(&[span("a", 0, 0.003), span("b", 1, 0.001), span("c", 0, 0.001)]));
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split_whitespace().collect()).collect();
        let expected = [
            ["a", "3.000", "75.0", "-", "2.0"],
            ["b", "1.000", "25.0", "2.000", "-"],
            ["c", "1.000", "25.0", "-", "2.0"],
        ];
        assert_eq!(rows, expected);
    }
}
