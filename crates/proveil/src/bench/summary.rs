//! What a run of `bench` says in all: the worst of every figure over its models, with the name of the model.

use std::fmt::Write;

use serde_json::Value;

/// A largest relative error that is called small.
const SMALL: f64 = 0.01;
/// A miss of a prediction that is called small.
const NEAR: f64 = 1.3;

/// The summary of several records; nothing of less than two.
pub fn of(records: &[Value]) -> Option<String> {
    let proven: Vec<&Value> = records.iter().filter(|r| r["status"] == "ok").collect();
    if records.len() < 2 {
        return None;
    }
    let mut out = format!("\nproven and verified: {} of {}", proven.len(), records.len());
    let names: Vec<&str> = records.iter().filter(|r| r["status"] != "ok").map(name).collect();
    if !names.is_empty() {
        let _ = write!(out, "; not: {}", names.join(", "));
    }
    out.push('\n');
    let mut say = |title: &str, text: Option<String>| {
        if let Some(text) = text {
            let _ = writeln!(out, "{title}: {text}");
        }
    };
    let figure = |key: &'static str| figures(&proven, move |r| r[key].as_f64());
    let errors = figure("rel_error");
    let small = errors.iter().filter(|e| e.0 < SMALL).count();
    let tail = format!("; under {} % in {small} of {}", 100.0 * SMALL, errors.len());
    say("largest error over largest output", errors.last().map(|e| percent(e) + &tail));
    say("label agreement, least", figure("label_agreement").first().map(percent));
    let loss = figures(&proven, |r| Some(r["float_accuracy"].as_f64()? - r["accuracy"].as_f64()?));
    let points =
        |(x, n): &(f64, &str)| format!("{:+.2} points ({n}), {} models with test sets", 0.0 - 100.0 * x, loss.len());
    say("accuracy against float, worst", loss.last().map(points));
    let cut: f64 = figure("saturated").iter().map(|f| f.0).sum();
    say("inputs cut to their range", (cut > 0.0).then(|| format!("{cut}")));
    say("hidden over plain", spread(&figure("hidden_over_plain")));
    say("verify, longest", figure("verify_s").last().map(|(s, n)| format!("{:.1} ms ({n})", 1e3 * s)));
    let predicted = figures(&proven, |r| Some(r["predicted_s"].as_f64()? / r["prove_s"].as_f64()?));
    let near = predicted.iter().filter(|p| (1.0 / NEAR..=NEAR).contains(&p.0)).count();
    let tail = format!("; within 30 %: {near} of {}", predicted.len());
    say("predicted over measured time", spread(&predicted).map(|s| s + &tail));
    Some(out)
}

fn name(r: &Value) -> &str {
    r["name"].as_str().unwrap_or_default()
}

/// A figure of every record that has it, in increasing order.
fn figures<'a>(records: &[&'a Value], f: impl Fn(&Value) -> Option<f64>) -> Vec<(f64, &'a str)> {
    let mut all: Vec<_> = records.iter().filter_map(|r| Some((f(r)?, name(r)))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

fn percent((x, name): &(f64, &str)) -> String {
    format!("{:.2} % ({name})", 100.0 * x)
}

/// Least, middle and largest.
fn spread(sorted: &[(f64, &str)]) -> Option<String> {
    let (first, last) = (sorted.first()?, sorted.last()?);
    Some(format!(
        "{:.2} ({}) to {:.2} ({}), median {:.2}",
        first.0,
        first.1,
        last.0,
        last.1,
        sorted[sorted.len() / 2].0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_the_worst_of_each_figure() {
        let ok = |name: &str, error: f64, accuracy: f64, prove: f64| {
            json!({ "name": name, "status": "ok", "rel_error": error, "accuracy": accuracy, "float_accuracy": 0.9,
                "prove_s": prove, "predicted_s": 1.0, "verify_s": 0.002 * prove, "saturated": 0 })
        };
        let failed = json!({ "name": "c", "status": "unsupported" });
        let text = of(&[ok("a", 0.02, 0.91, 1.0), ok("b", 0.001, 0.89, 2.0), failed]).expect("several");
        for line in [
            "proven and verified: 2 of 3; not: c",
            "largest error over largest output: 2.00 % (a); under 1 % in 1 of 2",
            "accuracy against float, worst: -1.00 points (b), 2 models with test sets",
            "verify, longest: 4.0 ms (b)",
            "predicted over measured time: 0.50 (b) to 1.00 (a), median 1.00; within 30 %: 1 of 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("label agreement") && !text.contains("cut"), "{text}");
        assert_eq!(of(&[ok("a", 0.02, 0.91, 1.0)]), None);
    }
}
