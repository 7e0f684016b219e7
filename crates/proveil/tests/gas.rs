//! The report of gas and sizes in the repository is what the code does now.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A model whose calibration rounds otherwise on another machine has other commitments, hence other bytes: then figures that
/// count zero bytes may differ by this part.
const SLACK: f64 = 0.02;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a figure depends on how many bytes of a key or of calldata happen to be zero.
fn counts_zeros(field: &str) -> bool {
    let prices = ["verify_gas", "batch_gas", "calldata_", "key_deploy_gas", "model_id"];
    prices.iter().any(|p| field.starts_with(p))
        && field != "calldata_bytes"
        && !field.starts_with("calldata_floor_draft")
}

/// Appends what differs, by path.
fn compare(path: &str, known: &Value, got: &Value, loose: bool, out: &mut Vec<String>) {
    let field = path.rsplit('/').next().unwrap_or_default();
    match (known, got) {
        (Value::Object(a), Value::Object(b)) => {
            let loose = loose || a.get("model_id") != b.get("model_id");
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let at = |m: &serde_json::Map<String, Value>, k: &str| m.get(k).cloned().unwrap_or_default();
            keys.into_iter().for_each(|k| compare(&format!("{path}/{k}"), &at(a, k), &at(b, k), loose, out));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let name = |v: &Value, i: usize| v["name"].as_str().map_or(i.to_string(), str::to_owned);
            (0..a.len()).for_each(|i| compare(&format!("{path}/{}", name(&a[i], i)), &a[i], &b[i], loose, out));
        }
        _ if known == got => {}
        _ => {
            let near = match (known.as_f64(), got.as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() <= SLACK * a || field == "calldata_zeros",
                _ => known.is_string() && got.is_string(),
            };
            if !(loose && near && (counts_zeros(field) || field == "transaction, calldata")) {
                out.push(format!("{path}: {got}, the report says {known}"));
            }
        }
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the report")).expect("JSON")
}

#[test]
fn matches_the_report_of_gas_and_sizes() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("bash");
    command.arg(root().join(".ci/gas")).arg(dir.path()).env("PROVEIL", env!("CARGO_BIN_EXE_proveil"));
    let run = command.output().expect("bash runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let (known, got) = (json(&root().join("contracts/gas.json")), json(&dir.path().join("gas.json")));
    let mut differences = Vec::new();
    compare("", &known, &got, false, &mut differences);
    assert!(differences.is_empty(), "if the change is meant, run .ci/gas: {differences:#?}");
    // Tables and picture are made from the same figures.
    if known == got {
        for name in ["gas.md", "gas-depth.svg"] {
            let read = |folder: &Path| std::fs::read_to_string(folder.join(name)).expect("text");
            assert_eq!(read(dir.path()), read(&root().join("docs")), "run .ci/gas");
        }
    }
    let models = got["models"].as_array().expect("models");
    for r in models.iter().chain(got["depth"].as_array().expect("depth")) {
        for rules in ["", "_draft"] {
            let n = |key: &str| r[format!("{key}{rules}")].as_u64().expect("a number");
            let stages = r[format!("gas_by_stage{rules}")].as_object().expect("stages");
            assert_eq!(stages.values().filter_map(Value::as_u64).sum::<u64>(), n("verify_gas"), "{r}");
            assert!(n("batch_gas_8") < 8 * n("verify_gas") && n("batch_gas_2") < 2 * n("verify_gas"), "{r}");
            assert!(n("verify_gas") > n("calldata_floor") && n("calldata_floor") > n("calldata_gas"), "{r}");
        }
    }
}

#[test]
fn rejects_a_report_of_another_stage_size_or_model() {
    let known = json(&root().join("contracts/gas.json"));
    let differs = |change: &dyn Fn(&mut Value)| {
        let (mut got, mut out) = (known.clone(), Vec::new());
        change(&mut got);
        compare("", &known, &got, false, &mut out);
        out.len()
    };
    let add = |v: &mut Value, n: u64| *v = (v.as_u64().expect("a number") + n).into();
    assert_eq!(differs(&|_| ()), 0);
    assert_eq!(differs(&|r| add(&mut r["models"][1]["gas_by_stage"]["Lists"], 1)), 1);
    assert_eq!(differs(&|r| add(&mut r["models"][1]["gas_by_stage"]["transaction, calldata"], 12)), 1);
    assert_eq!(differs(&|r| add(&mut r["contracts"][0]["code_bytes"], 1)), 1);
    assert_eq!(differs(&|r| add(&mut r["depth"][3]["verify_gas"], 1)), 1);
    assert_eq!(differs(&|r| _ = r["models"].as_array_mut().expect("models").pop()), 1);
    // With other commitments only what depends on them may differ, and not by much.
    let other = |change: &dyn Fn(&mut Value)| {
        differs(&|r| {
            r["models"][1]["model_id"] = "other".into();
            change(&mut r["models"][1]);
        })
    };
    assert_eq!(other(&|m| add(&mut m["verify_gas"], 100)), 0);
    assert_eq!(other(&|m| add(&mut m["verify_gas"], 50_000)), 1);
    assert_eq!(other(&|m| add(&mut m["gas_by_stage"]["Lists"], 1)), 1);
    assert_eq!(other(&|m| add(&mut m["calldata_bytes"], 32)), 1);
}

fn proveil(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proveil"));
    let run = command.args(["--quiet", "--json"]).args(args).output().expect("proveil runs");
    assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

/// What `estimate` says of contracts is so: sizes exactly, gas within two hundredths (five with commitments of their own).
#[test]
fn matches_predictions_from_the_graph() {
    let models =
        ["digits_cnn", "t_norms", "app_price_stats", "wine_boosting_missing"].map(|m| root().join("models").join(m));
    let paths = models.each_ref().map(|m| m.to_str().expect("a path"));
    let few = [&["bench", "--evm", "--predict", "--once", "--cases", "1"], &paths[..]].concat();
    let all = [&few[..], &["--visibility", "input=committed,model=private,output=committed"]].concat();
    for (args, slack) in [(few, 0.02), (all, 0.05)] {
        let records: Vec<Value> = proveil(&args).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        assert_eq!(records.len(), models.len());
        for r in &records {
            let (on_chain, n) = (&r["on_chain"], |v: &Value| v.as_f64().unwrap_or_else(|| panic!("no number: {r}")));
            for exact in ["key_bytes", "proof_bytes", "calldata_bytes", "powers_of_tau"] {
                assert_eq!(n(&on_chain[exact]), n(&r[exact]), "{exact} of {}", r["name"]);
            }
            for (predicted, got) in [("gas", "verify_gas"), ("key_deploy_gas", "key_deploy_gas")] {
                let ratio = n(&on_chain[predicted]) / n(&r[got]);
                assert!((ratio - 1.0).abs() < slack, "{predicted} of {}: {ratio}", r["name"]);
            }
        }
    }
    let machine = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(machine.path(), r#"{"fixed_s":0,"scale":1}"#).expect("writes");
    let (model, speed) = (models[0].join("model.onnx"), machine.path().to_str().expect("a path"));
    let args = ["estimate", model.to_str().expect("a path"), "--machine", speed];
    let whole: Value = serde_json::from_str(&proveil(&args)).expect("JSON");
    assert!(whole["on_chain"]["gas"].as_f64().is_some_and(|g| (5e5..7e5).contains(&g)), "{whole}");
    let plain: Value = serde_json::from_str(&proveil(&[&args[..], &["--plain"]].concat())).expect("JSON");
    assert!(plain["on_chain"]["refused"].as_str().is_some_and(|w| w.contains("--plain")), "{plain}");
}
