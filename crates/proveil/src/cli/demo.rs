//! `demo`: the whole path on a bundled model, and two forgeries that are rejected.

use std::time::Instant;

use proveil::io::{ModelTexts, Npz, encode, input_specs};
use proveil::{CompileOptions, Engine, Error, Meta, ProofFile, compile_onnx};
use proveil_frontend::{Kind, Options, OutputSpec};
use proveil_relation::key::IoValue;
use serde_json::{Value, json};

use super::args::{DemoArgs, DemoModel};
use super::compile::{accuracy_json, accuracy_text};
use super::failure::{Failure, INTERNAL, NOT_ACCEPTED};
use super::ui::{Ui, seconds, size, values};
use crate::bench::testset::TestSet;

/// Test rows that calibrate; the rest measures.
const CALIBRATION: usize = 64;

/// A bundled model.
struct Bundle {
    name: &'static str,
    onnx: &'static [u8],
    test: &'static [u8],
    meta: &'static [u8],
    cases: &'static [u8],
}

macro_rules! bundle {
    ($name:literal) => {
        Bundle {
            name: $name,
            onnx: include_bytes!(concat!("../../../../models/", $name, "/model.onnx")),
            test: include_bytes!(concat!("../../../../models/", $name, "/test.npz")),
            meta: include_bytes!(concat!("../../../../models/", $name, "/meta.json")),
            cases: include_bytes!(concat!("../../../../models/", $name, "/cases.npz")),
        }
    };
}

/// How outputs are decoded, from a key's description.
pub fn output_specs(meta: &Meta) -> Vec<OutputSpec> {
    let kind = |d: &str| match d {
        "int64" => Kind::Int,
        "bool" => Kind::Bool,
        _ => Kind::Float,
    };
    let one = |m: &proveil::IoMeta| OutputSpec {
        name: m.name.clone(),
        shape: m.shape.clone(),
        dtype: kind(&m.dtype),
        scale: m.scale,
        labels: m.labels.clone(),
    };
    meta.outputs.iter().map(one).collect()
}

/// Runs the command.
pub fn run(a: &DemoArgs, ui: &Ui) -> Result<(), Failure> {
    let bundle = match a.model {
        DemoModel::DigitsCnn => bundle!("digits_cnn"),
        DemoModel::DigitsMlp => bundle!("digits_mlp"),
    };
    let internal = |e: String| Failure::new(INTERNAL, format!("bundled model: {e}"));
    let test =
        TestSet::read(bundle.test.to_vec(), Some(bundle.meta), &ModelTexts::of(bundle.onnx)).map_err(internal)?;
    ui.stage("compile and commit");
    let start = Instant::now();
    let samples = &test.rows[..CALIBRATION.min(test.rows.len())];
    let options = CompileOptions { name: bundle.name.into(), ..CompileOptions::default() };
    let compiled = compile_onnx(bundle.onnx, samples, &Options::default(), &options)?;
    let report = compiled.report;
    let package_bytes = compiled.package.to_bytes().len();
    let vk_bytes = compiled.package.key.encode().len();
    let engine = Engine::with_model(compiled.package, compiled.model)?;
    let compile_s = start.elapsed().as_secs_f64();
    let meta = Meta::from_bytes(&engine.package.key.meta).map_err(Error::from)?;
    let specs = input_specs(&meta, &engine.package.graph);
    ui.stage("accuracy");
    let score = test.score(&engine, &specs, &output_specs(&meta), CALIBRATION).map_err(internal)?;
    ui.stage("prove");
    let input = Npz::open(bundle.cases.to_vec(), 1 << 20).and_then(|mut z| z.array("c0_in0")).map_err(internal)?;
    let input = encode(&specs, &[input.tensor()])?;
    let start = Instant::now();
    let proved = engine.prove(&input, b"")?;
    let prove_s = start.elapsed().as_secs_f64();
    let bytes = proved.file.to_bytes();
    ui.stage("verify");
    let start = Instant::now();
    let results = proveil::verify(&engine.key, &ProofFile::from_bytes(&bytes)?)?;
    let verify_s = start.elapsed().as_secs_f64();
    ui.stage("forge");
    let forged = forgeries(&engine, &proved.file)?;
    let bits = proveil::security::proven_bits(&engine.key).map_err(Error::from)?;
    let stats = proveil_graph::Stats::of(&engine.package.graph);
    let value = json!({
        "model": bundle.name, "params": stats.params, "macs": stats.macs, "accuracy_report": accuracy_json(&report),
        "test": score, "compile_s": compile_s, "prove_s": prove_s, "verify_s": verify_s, "proof_bytes": bytes.len(),
        "package_bytes": package_bytes, "vk_bytes": vk_bytes, "security_bits": bits, "outputs": results.outputs,
        "hidden": ["weights", "input"], "altered_proof": forged[0], "wrong_result": forged[1],
    });
    ui.result(&text(&value, &accuracy_text(&report, false)), &value);
    Ok(())
}

/// The result in words.
fn text(v: &Value, accuracy: &str) -> String {
    let percent = |key: &str| v["test"][key].as_f64().map_or("unknown".into(), |v| format!("{:.2} %", v * 100.0));
    let time = |key: &str| seconds(v[key].as_f64().unwrap_or_default());
    let bytes = |key: &str| size(v[key].as_u64().unwrap_or_default() as usize);
    let word = |key: &str| v[key].as_str().unwrap_or_default();
    let mut text = format!(
        "model            {}: {} parameters, {} multiplications\n{accuracy}",
        word("model"),
        v["params"],
        v["macs"]
    );
    text += &format!(
        "test set         {} rows: accuracy {} (float {}), same label as float {}\n",
        v["test"]["rows"],
        percent("accuracy"),
        percent("float_accuracy"),
        percent("label_agreement")
    );
    let (package, vk) = (bytes("package_bytes"), bytes("vk_bytes"));
    text += &format!("compile, commit  {}; package {package}, verifying key {vk}\n", time("compile_s"));
    text += &format!("prove            {}; proof {}\n", time("prove_s"), bytes("proof_bytes"));
    text +=
        &format!("verify           {}: accepted, {} bits of proven security\n", time("verify_s"), v["security_bits"]);
    for o in v["outputs"].as_array().into_iter().flatten() {
        let cells: Vec<f64> = o[1].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        text += &format!("proven output    {} {}\n", o[0], values(&cells));
    }
    text += "hidden           the weights (committed) and the input; public: architecture, output, sizes\n";
    let (altered, wrong) = (word("altered_proof"), word("wrong_result"));
    text + &format!("altered proof    rejected: {altered}\nwrong result     rejected: {wrong}\n")
}

/// Reasons for which an altered proof and a wrong result are rejected.
fn forgeries(engine: &Engine, file: &ProofFile) -> Result<[String; 2], Failure> {
    let mut altered = file.clone();
    let middle = altered.proof.len() / 2;
    if let Some(b) = altered.proof.get_mut(middle) {
        *b ^= 1;
    }
    let mut wrong = file.clone();
    if let Some(IoValue::Public(v)) = wrong.statement.outputs.first_mut()
        && let Some(x) = v.first_mut()
    {
        *x += 1;
    }
    let reject = |f: &ProofFile, what: &str| match proveil::verify(&engine.key, f) {
        Ok(_) => Err(Failure::new(NOT_ACCEPTED, format!("{what} was accepted"))),
        Err(e) => Ok(e.to_string()),
    };
    Ok([reject(&altered, "an altered proof")?, reject(&wrong, "a wrong result")?])
}
