//! Runs the node tests of the ONNX standard through the integer interpreter. A folder holds one folder for each case:
//! `model.onnx` and `test_data_set_0` with `input_*.pb` and `output_*.pb`.
//!
//!     cargo run --release -p proveil-frontend --example conformance -- FOLDER [--json FILE] [--markdown FILE] [--only PART]
//!
//! Each case is calibrated on its own input. Whole numbers and truth values must agree exactly, floats within
//! one hundredth of the largest expected value. Inputs that the importer needs as constants become constants. Cases of
//! supported operators that do not pass are listed with a reason; one that is not in the list ends the run with 1.

#[path = "../tests/common/node_case.rs"]
mod node_case;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use node_case::{Case, Outcome, judge};

/// Cases of supported operators that do not pass, by the beginnings of their names, and why.
const LISTED: [(&[&str], &str); 5] = [
    (
        &["test_sequence_", "test_optional_", "test_loop16_seq_none"],
        "an input is a sequence or an optional value, not a tensor: refused by name",
    ),
    (
        &[
            "test_bitwise_and_i32",
            "test_bitwise_and_ui64",
            "test_bitwise_or_i32",
            "test_bitwise_or_ui64",
            "test_bitwise_xor_ui64",
        ],
        "random words of 32 and 64 bits; whole numbers have 31 bits at most, those that bit operations read 16: refused by name",
    ),
    (
        &["test_attention_4d_causal_padded_kv_bf16_expanded"],
        "queries of which a computed mask hides all keys; the standard gives zeros there, and no row of a soft-max is all zeros \
         (the operator itself, not expanded, passes)",
    ),
    (
        &["test_dynamicquantizelinear_expanded"],
        "one cell is off by one of 255: the scale is rounded where the file computes it in steps (the operator itself passes)",
    ),
    (
        &["test_resize_downsample_scales_linear_align_corners", "test_resize_downsample_scales_cubic_align_corners"],
        "the standard's text divides by the rounded length less one, and so do we; its expected values divide by the length before rounding",
    ),
];

/// Why a case that does not pass is known not to.
fn reason(name: &str) -> Option<&'static str> {
    LISTED.iter().find(|(names, _)| names.iter().any(|n| name.starts_with(n))).map(|l| l.1)
}

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
    let (mut folder, mut json, mut markdown, mut only) = (None, None, None, String::new());
    while let Some(a) = args.next() {
        match a.as_str() {
            "--json" => json = args.next(),
            "--markdown" => markdown = args.next(),
            "--only" => only = args.next().unwrap_or_default(),
            _ => folder = Some(PathBuf::from(a)),
        }
    }
    let Some(folder) = folder else {
        println!("usage: conformance FOLDER [--json FILE] [--markdown FILE] [--only PART]");
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
            Outcome::Failed(why) => (if reason(&name).is_some() { "listed" } else { "FAIL" }, why),
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
    if let Some(path) = markdown
        && let Err(e) = std::fs::write(&path, chapter(&by_operator))
    {
        println!("cannot write {path}: {e}");
    }
    let unlisted = by_operator.values().flat_map(|t| &t.failed).filter(|name| reason(name).is_none()).count();
    if unlisted > 0 {
        println!("{unlisted} cases fail without a reason");
        std::process::exit(1);
    }
}

/// The chapter of the book: counts by operator, and what does not pass with its reason.
fn chapter(tallies: &BTreeMap<String, Tally>) -> String {
    let sum = |of: &dyn Fn(&Tally) -> usize| tallies.values().map(of).sum::<usize>();
    let (passed, failed) = (sum(&|t| t.passed), sum(&|t| t.failed.len()));
    let (unsupported, skipped) = (sum(&|t| t.unsupported), sum(&|t| t.skipped));
    let mut out = format!(
        "# Node tests of the standard\n\n\
         Written by `cargo run --release -p proveil-frontend --example conformance -- FOLDER --markdown docs/node-tests.md`, where the\n\
         folder is `onnx/backend/test/data/node` of the ONNX project. Every case goes through the integer interpreter, calibrated on its own\n\
         input: whole numbers and truth values must agree exactly, floats within a hundredth of the largest expected value. The sample\n\
         in `crates/frontend/tests/node` runs with the tests.\n\n\
         {passed} cases pass. {failed} cases of supported operators do not, for the reasons below. {unsupported} are of operators or of uses of\n\
         them that are refused by name (`proveil check` says which), {skipped} have values that the runner does not read (empty tensors, what is not\n\
         finite, text, types of eight bits and less).\n\n## What does not pass\n\n| Cases | Why |\n| --- | --- |\n"
    );
    for (names, why) in LISTED {
        let of = |f: &&String| names.iter().any(|n| f.starts_with(n));
        let cases: Vec<String> =
            tallies.values().flat_map(|t| &t.failed).filter(of).map(|n| format!("`{n}`")).collect();
        if !cases.is_empty() {
            out += &format!("| {} | {why} |\n", cases.join(" "));
        }
    }
    out += "\n## By operator\n\n*Refused* are cases of uses outside the limits of [the table of operators](operators.md).\n\n\
            | Operator | Pass | Listed above | Refused | Not read |\n| --- | --- | --- | --- | --- |\n";
    for (name, t) in tallies {
        out += &format!("| {name} | {} | {} | {} | {} |\n", t.passed, t.failed.len(), t.unsupported, t.skipped);
    }
    out
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
