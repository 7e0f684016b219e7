//! `bench --evm`: proofs for contracts, verified by the contract in a real machine, beside a Groth16 verification there.

use std::path::Path;
use std::time::Instant;

use proveil::io::{Cases, encode, input_specs};
use proveil::onnx::describe;
use proveil::proof::hex;
use proveil::succinct::{self, BITS, OnChain, SetUp, add_keys_from, batch_calldata};
use proveil::{Error, IoMeta, Meta, compile_graph};
use proveil_evm::abi::{Abi, encode as encode_arguments};
use proveil_evm::machine::{Address, Machine, Rules};
use proveil_evm::stages::Stage;
use proveil_evm::{ArtifactError, export, groth16};
use proveil_frontend::Model;
use serde_json::{Map, Value, json};

use super::folder::{name_of, read};
use super::measure::{drawn, errors, front, median, timed_with_first};
use super::print::{Table, number};
use crate::cli::args::BenchArgs;
use crate::cli::contract::{INSECURE, set_up};
use crate::cli::failure::{Failure, INTERNAL, NOT_ACCEPTED, UNSUPPORTED};
use crate::cli::ui::size;

/// Coins of all keys and proofs that are measured, so that figures come out the same.
const SEED: [u8; 32] = *b"coins of measurements, known to ";

/// Numbers of proofs in one call.
pub const BATCHES: [usize; 4] = [1, 2, 4, 8];

/// Rules with what is put behind the names of their figures.
pub const RULES: [(Rules, &str); 2] = [(Rules::Today, ""), (Rules::Draft, "_draft")];

/// Measures a path; a failure is a record too.
pub fn record(path: &Path, a: &BenchArgs) -> Value {
    finished(&name_of(path), |out| measure(path, a, out))
}

pub fn finished(name: &str, work: impl FnOnce(&mut Map<String, Value>) -> Result<(), Failure>) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), json!(name));
    out.insert("backend".into(), json!("succinct"));
    out.insert("status".into(), json!("ok"));
    out.insert("message".into(), json!(""));
    if let Err(f) = work(&mut out) {
        out.insert("status".into(), json!(if f.code == UNSUPPORTED { "unsupported" } else { "error" }));
        out.insert("message".into(), json!(f.message));
    }
    out.into()
}

fn powers(a: &BenchArgs) -> Result<SetUp, Failure> {
    set_up(Some(a.srs.as_deref().unwrap_or(Path::new("dev"))))
}

fn measure(path: &Path, a: &BenchArgs, out: &mut Map<String, Value>) -> Result<(), Failure> {
    let batch = a.building.inferences();
    let subject = read(path, a.cases, batch)?;
    let (model, compile_s) = front(&subject, a)?;
    out.insert("compile_s".into(), json!(compile_s));
    on_model(&model, &subject.name, subject.judged, a, out)
}

/// Measures a model that the front end has read, on the given cases, or on drawn inputs if there are none.
pub fn on_model(
    model: &Model,
    name: &str,
    given: Cases,
    a: &BenchArgs,
    out: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let engine = keyed(model, name, a, out)?;
    let seconds = |key: &str| out.get(key).and_then(Value::as_f64).unwrap_or_default();
    out.insert("compile_s".into(), json!(seconds("compile_s") + seconds("keys_s")));
    let meta = Meta::from_bytes(&engine.package.key.meta).map_err(Error::from)?;
    let specs = input_specs(&meta, &engine.package.graph);
    let judged = if given.is_empty() { drawn(&meta, &specs, a.cases) } else { given };
    let cases: Result<Vec<_>, Failure> = judged.iter().map(|(inputs, _)| Ok(encode(&specs, inputs)?)).collect();
    let outputs = prove_all(&engine, &meta, &cases?, a.once || a.report.is_some(), out)?;
    if a.building.output_policy.is_empty() && judged.iter().all(|(_, o)| !o.is_empty()) {
        errors(&meta.outputs, &outputs, &judged, None, out);
    }
    Ok(())
}

/// The package of a model with its keys for contracts; the compilation's lasting figures go to `out`.
fn keyed(model: &Model, name: &str, a: &BenchArgs, out: &mut Map<String, Value>) -> Result<succinct::Engine, Failure> {
    let (options, set_up) = (a.building.package(name)?, powers(a)?);
    let start = Instant::now();
    let meta = describe(model, &options.name);
    let (package, _) = compile_graph(model.graph.clone(), model.params.clone(), &meta, &options)?;
    let engine = add_keys_from(package, &set_up, SEED)?;
    let (stats, key) = (proveil_graph::Stats::of(&engine.package.graph), &engine.key.short);
    let fields = json!({
        "keys_s": start.elapsed().as_secs_f64(), "params": stats.params, "macs": stats.macs, "lookups": stats.lookups,
        "security_bits": BITS, "insecure_set_up": key.srs.insecure, "key_bytes": key.to_bytes().len(),
        "list_entries": engine.key.list.entries.len(), "powers_of_tau": engine.key.log_size(),
        "model_id": hex(&key.id()), "pads": key.shape().pads, "nv": key.outline.nv, "nk": key.outline.nk,
        "height": key.sizes.points[2], "domain": key.sizes.domain,
    });
    if a.predict {
        out.insert("on_chain".into(), json!(OnChain::of_key(key)));
    }
    if let Value::Object(fields) = fields {
        out.extend(fields);
    }
    Ok(engine)
}

/// Proves and verifies all cases here, and the last one on a chain; real values by case and output.
fn prove_all(
    engine: &succinct::Engine,
    meta: &Meta,
    cases: &[Vec<Vec<i64>>],
    once: bool,
    out: &mut Map<String, Value>,
) -> Result<Vec<Vec<Vec<f64>>>, Failure> {
    let key = engine.key_file();
    let (mut prove_s, mut verify_s, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for cells in cases {
        let prove = || Ok(engine.prove_from(cells, &[], b"", SEED)?);
        let (proved, s, first) = timed_with_first((!once).then_some(0.0), prove)?;
        out.entry("prove_first_s").or_insert(json!(first));
        prove_s.push(s);
        let verify = || Ok(key.verify(&proved.file)?);
        verify_s.push(timed_with_first((!once).then_some(0.0), verify)?.1);
        let real = |(m, cells): (&IoMeta, &Vec<i64>)| m.real(cells);
        outputs.push(meta.outputs.iter().zip(&proved.outputs).map(real).collect());
        on_chain(engine, &proved, out)?;
    }
    out.insert("cases".into(), json!(cases.len()));
    out.insert("prove_s".into(), json!(median(prove_s)));
    out.insert("verify_s".into(), json!(median(verify_s)));
    Ok(outputs)
}

/// Verifies a proof by the contract under today's rules and the next fork's draft.
fn on_chain(engine: &succinct::Engine, proved: &succinct::Proved, out: &mut Map<String, Value>) -> Result<(), Failure> {
    let internal = |e: &dyn std::fmt::Display| Failure::new(INTERNAL, e.to_string());
    let key = engine.key_file();
    let artifact = export::verifier(key.short.srs.insecure).map_err(|e| internal(&e))?;
    let code = key.account_code();
    for (rules, suffix) in RULES {
        let mut machine = Machine::with_rules(rules);
        let (verifier, deploy) = machine.deploy(&artifact);
        let (account, key_deploy) = machine.deploy_code(&code);
        let call = key.call(&proved.file, account.into_array())?.calldata();
        let priced = rules.calldata(&call);
        let (outcome, stages) = machine.measure(verifier, call, verifier, &artifact);
        if let Err(e) = &outcome.result {
            let name = artifact.error(e).unwrap_or("no custom error");
            return Err(Failure::new(NOT_ACCEPTED, format!("the contract refuses the proof: {name}")));
        }
        let other = groth16::cost(rules).map_err(|e| internal(&e))?;
        let mut put = |name: &str, value: Value| out.insert(format!("{name}{suffix}"), value);
        let named = |s: &Stage| json!({ "name": s.name, "gas": s.gas, "calls": s.calls });
        put("verify_gas", json!(outcome.gas));
        put("deploy_gas", json!(deploy));
        put("key_deploy_gas", json!(key_deploy));
        put("groth16_gas", json!(other.gas));
        put("groth16_ratio", json!(outcome.gas as f64 / other.gas as f64));
        put("calldata_gas", json!(priced.gas));
        put("calldata_floor", json!(priced.floor));
        put("gas_by_stage", stages.iter().map(named).collect());
        let (batch, _) = deploy_batch(&mut machine, verifier).map_err(|e| internal(&e))?;
        let one = key.call(&proved.file, account.into_array())?;
        for n in BATCHES {
            let outcome = machine.call(batch, batch_calldata(&vec![one.clone(); n]));
            if outcome.result.is_err() {
                return Err(Failure::new(NOT_ACCEPTED, format!("the contract refuses {n} proofs in one call")));
            }
            put(&format!("batch_gas_{n}"), json!(outcome.gas));
        }
        out.insert("calldata_bytes".into(), json!(priced.bytes));
        out.insert("calldata_zeros".into(), json!(priced.zeros));
    }
    let (o, s) = (&key.short.outline, &key.short.sizes);
    let rounds = o.nv + o.nk + s.points.last().copied().unwrap_or_default() + s.domain;
    let points = proved.leaves.iter().filter(|l| l.len == 64).count();
    out.insert("code_bytes".into(), json!(artifact.runtime.len()));
    out.insert("proof_bytes".into(), json!(proved.file.proof.len()));
    out.insert("rounds".into(), json!(rounds));
    out.insert("commitments".into(), json!(points));
    Ok(())
}

/// Deploys the contract for several proofs with the verifier behind it; returns its address and the gas.
pub fn deploy_batch(machine: &mut Machine, verifier: Address) -> Result<(Address, u64), ArtifactError> {
    let arguments = encode_arguments(&[Abi::Word(verifier.into_word().0)]);
    Ok(machine.deploy_code(&[export::batch_verifier()?.bytecode, arguments].concat()))
}

/// Proofs for contracts; with the gas of their stages if asked for.
pub struct EvmTable {
    /// Whether stages are printed.
    pub stages: bool,
}

impl Table for EvmTable {
    fn head(&self, r: &Value) -> String {
        let n = |key: &str| number(r, key, 1.0, 0);
        let code = r["code_bytes"].as_u64().unwrap_or_default() as usize;
        let mut out = format!(
            "verifier: {} of code, {} gas to deploy ({} in the next fork's draft); Groth16, 1 public input: {} gas ({})\n",
            size(code),
            n("deploy_gas"),
            n("deploy_gas_draft"),
            n("groth16_gas"),
            n("groth16_gas_draft")
        );
        if r["insecure_set_up"] == true {
            out += &format!("set-up: {INSECURE}\n");
        }
        let heads = [
            "params",
            "gas",
            "x Groth16",
            "draft gas",
            "key gas",
            "calldata",
            "proof B",
            "rounds",
            "points",
            "gas of 8",
        ];
        out += &format!("{:<30}", "model");
        heads.iter().for_each(|h| out += &format!(" {h:>9}"));
        out + &format!(" {:>9} {:>9} {:>9}\n", "prove ms", "verify ms", "error %")
    }

    fn line(&self, r: &Value) -> String {
        let n = |key: &str, scale: f64, digits: usize| number(r, key, scale, digits);
        let columns = [
            n("params", 1.0, 0),
            n("verify_gas", 1.0, 0),
            n("groth16_ratio", 1.0, 2),
            n("verify_gas_draft", 1.0, 0),
            n("key_deploy_gas", 1.0, 0),
            n("calldata_bytes", 1.0, 0),
            n("proof_bytes", 1.0, 0),
            n("rounds", 1.0, 0),
            n("commitments", 1.0, 0),
            n("batch_gas_8", 0.125, 0),
            n("prove_s", 1e3, 1),
            n("verify_s", 1e3, 2),
            n("rel_error", 100.0, 3),
        ];
        let mut out = format!("{:<30}", r["name"].as_str().unwrap_or_default());
        columns.iter().for_each(|c| out += &format!(" {c:>9}"));
        out.push('\n');
        if let Some(predicted) = r["on_chain"]["gas"].as_f64() {
            let factor = |name: &str, measured: &str| {
                r["on_chain"][name].as_f64().unwrap_or(0.0) / r[measured].as_f64().unwrap_or(f64::INFINITY)
            };
            let (gas, key) = (factor("gas", "verify_gas"), factor("key_deploy_gas", "key_deploy_gas"));
            out += &format!("    predicted: {predicted:.0} gas ({gas:.3} of measured), key {key:.3} of measured\n");
        }
        if self.stages {
            for s in r["gas_by_stage"].as_array().into_iter().flatten() {
                let calls = s["calls"].as_u64().filter(|n| *n > 0).map_or(String::new(), |n| format!(", {n} calls"));
                let name = s["name"].as_str().unwrap_or_default();
                out += &format!("    {name:<26} {:>9} gas{calls}\n", s["gas"]);
            }
        }
        out
    }
}
