//! Runs the node tests of the ONNX standard through the integer interpreter. A folder holds one folder for each case:
//! `model.onnx` and `test_data_set_0` with `input_*.pb` and `output_*.pb`.
//!
//!     cargo run --release -p proveil-frontend --example conformance -- FOLDER [--json FILE] [--only PART]
//!
//! Each case is calibrated on its own input. Whole numbers and truth values must agree exactly, floats within
//! one hundredth of the largest expected value. Inputs that the importer needs as constants become constants.

#[path = "../tests/common/node_case.rs"]
mod node_case;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use node_case::{Case, Outcome, judge};

/// Counts of one operator.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
    unsupported: usize,
    skipped: usize,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut folder, mut json, mut only) = (None, None, String::new());
    while let Some(a) = args.next() {
        match a.as_str() {
            "--json" => json = args.next(),
            "--only" => only = args.next().unwrap_or_default(),
            _ => folder = Some(PathBuf::from(a)),
        }
    }
    let Some(folder) = folder else {
        println!("usage: conformance FOLDER [--json FILE] [--only PART]");
        return;
    };
    let mut by_operator: BTreeMap<String, Tally> = BTreeMap::new();
    let mut cases = BTreeMap::new();
    for (name, path) in folders(&folder).into_iter().filter(|(n, _)| n.contains(&only)) {
        let (operator, outcome) = match Case::read(&path) {
            Ok(case) => {
                // A case that panics is a failure of its own kind, and the others still run.
                let outcome = std::panic::catch_unwind(|| judge(&case)).unwrap_or(Outcome::Failed("panics".into()));
                (case.operator.clone(), outcome)
            }
            Err(reason) => ("unread".to_string(), Outcome::Skipped(reason)),
        };
        let tally = by_operator.entry(operator).or_default();
        let (word, detail) = match &outcome {
            Outcome::Passed(note) => ("pass", note),
            Outcome::Failed(why) => ("FAIL", why),
            Outcome::Unsupported(why) => ("unsupported", why),
            Outcome::Skipped(why) => ("skipped", why),
        };
        match outcome {
            Outcome::Passed(_) => tally.passed += 1,
            Outcome::Failed(_) => tally.failed.push(name.clone()),
            Outcome::Unsupported(_) => tally.unsupported += 1,
            Outcome::Skipped(_) => tally.skipped += 1,
        }
        println!("{word:12} {name}: {detail}");
        cases.insert(name, serde_json::json!({ "result": word, "detail": detail }));
    }
    report(&by_operator, cases, json.as_deref());
}

fn folders(root: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut out: Vec<(String, PathBuf)> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.join("model.onnx").exists())
        .filter_map(|p| p.file_name().map(|n| (n.to_string_lossy().into_owned(), p.clone())))
        .collect();
    out.sort();
    out
}

fn report(tallies: &BTreeMap<String, Tally>, cases: BTreeMap<String, serde_json::Value>, json: Option<&str>) {
    println!("\n{:34} {:>5} {:>5} {:>12} {:>8}", "operator", "pass", "fail", "unsupported", "skipped");
    let mut sums = [0; 4];
    let mut operators = BTreeMap::new();
    for (name, t) in tallies {
        let row = [t.passed, t.failed.len(), t.unsupported, t.skipped];
        println!("{name:34} {:>5} {:>5} {:>12} {:>8}", row[0], row[1], row[2], row[3]);
        (0..4).for_each(|i| sums[i] += row[i]);
        let value = serde_json::json!({
            "pass": row[0], "fail": row[1], "unsupported": row[2], "skipped": row[3], "failed": t.failed,
        });
        operators.insert(name, value);
    }
    println!("{:34} {:>5} {:>5} {:>12} {:>8}", "all", sums[0], sums[1], sums[2], sums[3]);
    if let Some(path) = json {
        let total = serde_json::json!({
            "pass": sums[0], "fail": sums[1], "unsupported": sums[2], "skipped": sums[3],
        });
        let all = serde_json::json!({ "total": total, "operators": operators, "cases": cases });
        if let Err(e) = std::fs::write(path, format!("{all:#}\n")) {
            println!("cannot write {path}: {e}");
        }
    }
}
