//! `bench` as a user runs it, and several inferences in one proof.

use std::process::Command;

use proveil::{CompileOptions, Engine, compile_onnx, verify};
use proveil_frontend::Options;
use proveil_protocol::params::Params;
use serde_json::Value;

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");

fn records(args: &[&str]) -> Vec<Value> {
    let out = Command::new(env!("CARGO_BIN_EXE_proveil")).args(["--quiet", "--json", "bench"]).args(args).output();
    let out = out.expect("the command runs");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines().map(|l| serde_json::from_str(l).expect("one object a line")).collect()
}

/// Peak memory of compiling, proving and verifying in a process of its own, in MiB: a third above what was measured.
#[test]
fn accepts_peak_memory_of_bundled_models() {
    for (model, most) in [("digits_mlp", 160.0), ("digits_cnn", 130.0), ("t_causal_attention", 160.0)] {
        let peak = records(&["--cases", "1", &format!("{MODELS}/{model}")])[0]["peak_mib"].as_f64().unwrap();
        assert!((20.0..most).contains(&peak), "{model}: {peak:.0} MiB, the limit is {most} MiB");
    }
}

#[test]
fn accepts_stages_with_time_and_picture() {
    let dir = tempfile::tempdir().expect("a folder");
    let svg = dir.path().join("flame.svg");
    let model = format!("{MODELS}/digits_mlp");
    let flags = ["--no-plain", "--cases", "1", "--security", "40", "--stages", "--speed-up", "--flamegraph"];
    let record = &records(&[&flags[..], &[svg.to_str().expect("text"), &model]].concat())[0];
    let spans = record["spans"].as_array().expect("spans");
    let stages: Vec<&str> = spans.iter().filter(|s| s["stage"] == true).filter_map(|s| s["name"].as_str()).collect();
    let from = stages.iter().position(|s| *s == "inference").expect("the proof begins with inference");
    let expected = [&["inference"], &proveil_prover::STAGES[..], &["verify"]].concat();
    assert_eq!(stages[from..], expected);
    assert!(spans.iter().all(|s| s["seconds"].as_f64().is_some_and(|t| t > 0.0)));
    let speed_ups = record["stage_speed_ups"].as_object().expect("speed-ups");
    assert_eq!(speed_ups.len(), expected.len() - 1, "all but the verification: {speed_ups:?}");
    let ratio = record["one_thread_s"].as_f64().expect("seconds") / record["speed_up"].as_f64().expect("a ratio");
    assert!(ratio > 0.0 && speed_ups.values().all(|s| s.as_f64().is_some_and(|s| s > 0.0)), "{record}");
    let picture = std::fs::read_to_string(svg).expect("the picture");
    assert!(expected.iter().all(|s| picture.contains(&format!("<title>{s}: "))));
}

#[test]
fn accepts_batches_of_every_family() {
    // Dense, convolution, attention, embedding: files with an open first axis and with a fixed one.
    for name in ["digits_mlp", "digits_cnn", "t_causal_attention", "t_embedding_mean"] {
        let model = format!("{MODELS}/{name}");
        let runs = records(&["--no-plain", "--cases", "1", "--security", "40", "--batches", "1,3", &model]);
        let number = |r: &Value, key: &str| r[key].as_f64().unwrap_or_else(|| panic!("{name}: no {key} in {r}"));
        assert_eq!(runs.iter().map(|r| number(r, "batch")).collect::<Vec<_>>(), [1.0, 3.0], "{name}");
        // What one proof holds: three inferences with one set of parameters.
        assert_eq!(number(&runs[1], "params"), number(&runs[0], "params"), "{name}");
        assert_eq!(number(&runs[1], "macs"), 3.0 * number(&runs[0], "macs"), "{name}");
        assert!(runs.iter().all(|r| number(r, "rel_error") < 0.03), "{name}: {runs:?}");
    }
}

#[test]
fn matches_reference_of_single_inferences() {
    let onnx = std::fs::read(format!("{MODELS}/digits_mlp/model.onnx")).expect("bundled");
    let mut front = Options::default();
    (front.batch, front.inferences) = (Some(1), 3);
    let options = CompileOptions { params: Params::fast(40), ..CompileOptions::default() };
    let large = compile_onnx(&onnx, &[], &front, &options).expect("compiles");
    front.inferences = 1;
    let small = compile_onnx(&onnx, &[], &front, &options).expect("compiles");
    let (large, small) = (Engine::load(large.package).expect("loads"), Engine::load(small.package).expect("loads"));
    let range = small.package.graph.tensors[small.package.graph.inputs[0].0 as usize].range;
    let row = |k: i64| (0..64).map(|i| (i * 37 + k * 11).rem_euclid(range.hi + 1)).collect::<Vec<i64>>();
    let proved = large.prove(&[(0..3).flat_map(row).collect()], b"").expect("proves");
    verify(&large.key, &proved.file).expect("verifies");
    let single: Vec<Vec<Vec<i64>>> = (0..3).map(|k| small.prove(&[row(k)], b"").expect("proves").outputs).collect();
    for (j, got) in proved.outputs.iter().enumerate() {
        let want: Vec<i64> = single.iter().flat_map(|s| s[j].clone()).collect();
        assert_eq!(got, &want, "output {j}");
    }
}

fn estimate(args: &[&str]) -> (i32, Value) {
    let model = format!("{MODELS}/digits_cnn/model.onnx");
    let mut command = Command::new(env!("CARGO_BIN_EXE_proveil"));
    let out = command.args(["--quiet", "--json", "estimate", &model]).args(args).output().expect("the command runs");
    (out.status.code().unwrap_or(-1), serde_json::from_slice(&out.stdout).unwrap_or_default())
}

#[test]
fn accepts_estimates_with_a_kept_machine() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("machine.json");
    std::fs::write(&file, r#"{"fixed_s":0.002,"scale":0.5}"#).expect("writes");
    let file = file.to_str().expect("text");
    let (code, one) = estimate(&["--machine", file]);
    assert_eq!(code, 0);
    assert_eq!((one["machine"]["scale"].as_f64(), one["batch"].as_u64()), (Some(0.5), Some(1)));
    let stages = one["stages"].as_object().expect("stages");
    assert!(proveil_prover::STAGES.iter().all(|s| stages[*s].as_f64().is_some_and(|t| t > 0.0)), "{one}");
    let (_, many) = estimate(&["--machine", file, "--batch", "16"]);
    let time = |v: &Value| v["prove_s"].as_f64().expect("seconds");
    assert!(time(&many) > time(&one) && time(&many) < 16.0 * time(&one), "{one} {many}");
}

#[test]
fn rejects_machines_that_are_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("machine.json");
    for text in [r#"{"fixed_s":0.0,"scale":0.0}"#, r#"{"fixed_s":-1.0,"scale":1.0}"#, "{}", "fast"] {
        std::fs::write(&file, text).expect("writes");
        assert_eq!(estimate(&["--machine", file.to_str().expect("text")]).0, 3, "{text}");
    }
}

#[test]
fn accepts_proofs_for_contracts_with_gas_and_depth() {
    let model = format!("{MODELS}/digits_mlp");
    let all = records(&["--evm", "--depth=1,2", "--cases", "1", &model]);
    assert_eq!((all.len(), &all[0]["layers"], &all[2]["name"]), (3, &1.into(), &"digits_mlp".into()));
    for r in &all {
        assert_eq!((&r["status"], &r["insecure_set_up"]), (&"ok".into(), &true.into()), "{r}");
        let n = |key: &str| r[key].as_u64().unwrap_or_else(|| panic!("{key}: {r}"));
        // The stages are all that the transaction costs.
        let stages = r["gas_by_stage"].as_array().expect("stages");
        assert_eq!(stages.iter().filter_map(|s| s["gas"].as_u64()).sum::<u64>(), n("verify_gas"));
        assert!(n("code_bytes") <= 24_576 && n("deploy_gas") > n("code_bytes") * 200 && n("key_deploy_gas") > 100_000);
        assert!(n("calldata_bytes") > n("proof_bytes") && n("rounds") > 20 && n("commitments") > 5);
        assert!((200_000..230_000).contains(&n("groth16_gas")) && n("verify_gas_draft") > 100_000);
        assert!(r["prove_s"].as_f64() > Some(0.0) && r["verify_s"].as_f64() > Some(0.0));
    }
    assert!(all[2]["rel_error"].as_f64().expect("an error") < 0.05);
    // Twice the layers are far from twice the gas.
    let gas = |i: usize| all[i]["verify_gas"].as_f64().expect("gas");
    assert!(gas(1) < 1.2 * gas(0), "{} for {}", gas(1), gas(0));
}
