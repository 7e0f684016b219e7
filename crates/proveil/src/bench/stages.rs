//! Time and memory by stage, from the spans of compilations, proofs and verifications.

use std::fmt::Write;
use std::time::Instant;

use proveil::onnx::describe;
use proveil::trace::{Measure, Span, record};
use proveil::{CompileOptions, Engine, compile_graph, verify};
use proveil_frontend::Model;
use serde_json::{Value, json};

use crate::cli::failure::Failure;

/// Seconds after which runs are not repeated, and how many there are at most: what disturbs a run only adds to it, so
/// the quietest of several says what a stage costs.
const ENOUGH: f64 = 1.0;
const MOST_RUNS: usize = 15;

/// Spans of a model: times of the quietest of several runs, and usage from a run of its own, since taking down memory
/// costs time.
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
    let start = Instant::now();
    for _ in 1..MOST_RUNS {
        if start.elapsed().as_secs_f64() > ENOUGH {
            break;
        }
        let (done, again) = record(Measure::Time, run);
        done?;
        spans.iter_mut().zip(again).for_each(|(s, a)| s.seconds = s.seconds.min(a.seconds));
    }
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

/// A table of spans: name, time, share of all stages, peak of memory; and the time of the same stage without zero
/// knowledge, if that was measured.
pub fn table(spans: &Value, plain: &Value) -> String {
    let list = spans.as_array().map_or(&[][..], Vec::as_slice);
    let seconds = |s: &Value| s["seconds"].as_f64().unwrap_or_default();
    let total: f64 = list.iter().filter(|s| s["depth"] == 0).map(seconds).sum();
    let mut out = format!(
        "    {:<24} {:>10} {:>8} {:>10} {:>10} {:>10}\n",
        "stage", "ms", "share %", "cpu ms", "peak MiB", "plain ms"
    );
    let mut rest = plain.as_array().map_or(&[][..], Vec::as_slice);
    for s in list {
        let indent = 2 * s["depth"].as_u64().unwrap_or_default() as usize;
        let name = format!("{:indent$}{}", "", s["name"].as_str().unwrap_or_default());
        let share = seconds(s) / total.max(1e-12) * 100.0;
        let peak = s["peak_mib"].as_f64().map_or("-".into(), |p| format!("{p:.1}"));
        let cpu = s["cpu_s"].as_f64().map_or("-".into(), |c| format!("{:.3}", c * 1e3));
        // Both lists have the same order; some stages are missing without zero knowledge.
        let same = rest.iter().position(|p| p["name"] == s["name"] && p["depth"] == s["depth"]);
        let without = same.map_or("-".into(), |at| format!("{:.3}", seconds(&rest[at]) * 1e3));
        rest = &rest[same.map_or(0, |at| at + 1)..];
        let _ =
            writeln!(out, "    {name:<24} {:>10.3} {share:>8.1} {cpu:>10} {peak:>10} {without:>10}", seconds(s) * 1e3);
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
        let spans = json(&[span("a", 0, 0.003), span("b", 1, 0.001), span("c", 0, 0.001)]);
        let text = table(&spans, &json(&[span("a", 0, 0.002), span("c", 0, 0.004)]));
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split_whitespace().collect()).collect();
        let expected = [
            ["a", "3.000", "75.0", "-", "2.0", "2.000"],
            ["b", "1.000", "25.0", "2.000", "-", "-"],
            ["c", "1.000", "25.0", "-", "2.0", "4.000"],
        ];
        assert_eq!(rows, expected);
    }
}
