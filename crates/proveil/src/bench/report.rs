//! Gas and sizes of everything that a run of `bench --evm` measured, as a file that tests compare and as tables to read.

use std::fmt::Write;

use proveil::io::write_atomic;
use proveil_evm::machine::Machine;
use proveil_evm::{ArtifactError, export};
use serde_json::{Map, Value, json};

use super::evm::{BATCHES, RULES, deploy_batch};
use crate::cli::args::BenchArgs;
use crate::cli::failure::{Failure, INTERNAL};

/// Figures of a record that come out the same whenever they are taken.
const SIZES: [&str; 14] = [
    "model_id",
    "params",
    "nv",
    "nk",
    "height",
    "domain",
    "list_entries",
    "pads",
    "rounds",
    "commitments",
    "key_bytes",
    "proof_bytes",
    "calldata_bytes",
    "calldata_zeros",
];
/// Figures of each rules.
const PRICES: [&str; 8] = [
    "verify_gas",
    "calldata_gas",
    "calldata_floor",
    "key_deploy_gas",
    "batch_gas_1",
    "batch_gas_2",
    "batch_gas_4",
    "batch_gas_8",
];

/// Records by what they are of.
#[derive(Default)]
pub struct Report {
    /// Generated models by their number of layers.
    pub depth: Vec<Value>,
    /// All others.
    pub models: Vec<Value>,
}

impl Report {
    /// Writes the files that the options name.
    pub fn write(&self, a: &BenchArgs) -> Result<(), Failure> {
        let Some(file) = &a.report else { return Ok(()) };
        let contracts = contracts()?;
        let list = |records: &[Value]| records.iter().map(figures).collect::<Vec<_>>();
        let all = json!({
            "protocol": proveil_succinct::PROTOCOL, "contracts": contracts, "models": list(&self.models),
            "depth": list(&self.depth),
        });
        let text = serde_json::to_string_pretty(&all).map_err(|e| Failure::new(INTERNAL, e.to_string()))? + "\n";
        write_atomic(file, text.as_bytes(), false)?;
        match &a.tables {
            Some(file) => Ok(write_atomic(file, tables(&all).as_bytes(), false)?),
            None => Ok(()),
        }
    }
}

/// Code and price of the verifiers.
fn contracts() -> Result<Vec<Value>, Failure> {
    let internal = |e: ArtifactError| Failure::new(INTERNAL, e.to_string());
    let one = |insecure: bool| {
        let artifact = export::verifier(insecure).map_err(internal)?;
        let [today, draft] = RULES.map(|(rules, _)| Machine::with_rules(rules).deploy(&artifact).1);
        Ok(json!({
            "name": artifact.contract, "code_bytes": artifact.runtime.len(), "deploy_gas": today,
            "deploy_gas_draft": draft,
        }))
    };
    let mut all = [false, true].into_iter().map(one).collect::<Result<Vec<_>, Failure>>()?;
    let (artifact, verifier) =
        (export::batch_verifier().map_err(internal)?, export::verifier(false).map_err(internal)?);
    let mut record = json!({ "name": artifact.contract, "code_bytes": artifact.runtime.len() });
    for (rules, suffix) in RULES {
        let mut machine = Machine::with_rules(rules);
        let at = machine.deploy(&verifier).0;
        record[format!("deploy_gas{suffix}")] = json!(deploy_batch(&mut machine, at).map_err(internal)?.1);
    }
    all.push(record);
    Ok(all)
}

/// What the file says of a record.
fn figures(r: &Value) -> Value {
    let mut out = Map::new();
    for key in ["name", "layers"].into_iter().chain(SIZES).filter(|k| !r[*k].is_null()) {
        out.insert(key.into(), r[key].clone());
    }
    for (_, suffix) in RULES {
        for key in PRICES.map(|k| format!("{k}{suffix}")) {
            out.insert(key.clone(), r[&key].clone());
        }
        let key = format!("gas_by_stage{suffix}");
        let stages = r[&key].as_array().into_iter().flatten();
        let stages: Map<String, Value> = stages.map(|s| (text(s, "name").into(), s["gas"].clone())).collect();
        out.insert(key, stages.into());
    }
    out.into()
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or_default()
}

/// A number with its thousands apart.
fn number(v: &Value) -> String {
    let digits = v.as_u64().unwrap_or_default().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A table of some fields of some records.
fn table(out: &mut String, first: (&str, &str), columns: &[(&str, &str)], records: &[Value]) {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    *out += &line([first.1].into_iter().chain(columns.iter().map(|c| c.1)).map(str::to_owned).collect());
    *out += &line((0..=columns.len()).map(|i| if i == 0 { "---" } else { "---:" }.to_owned()).collect());
    for r in records {
        let name = r[first.0].as_str().map_or_else(|| number(&r[first.0]), str::to_owned);
        *out += &line([name].into_iter().chain(columns.iter().map(|c| number(&r[c.0]))).collect());
    }
    out.push('\n');
}

/// Stages of one of the rules, the dearest ones of the first record first.
fn stages(out: &mut String, key: &str, records: &[Value]) {
    let Some(Value::Object(first)) = records.first().map(|r| &r[key]) else { return };
    let mut names: Vec<(&String, u64)> = first.iter().map(|(n, g)| (n, g.as_u64().unwrap_or_default())).collect();
    names.sort_by_key(|(name, gas)| (std::cmp::Reverse(*gas), *name));
    let columns: Vec<(&str, &str)> = names.iter().map(|(n, _)| (n.as_str(), n.as_str())).collect();
    let rows: Vec<Value> = records
        .iter()
        .map(|r| {
            let mut row = r[key].clone();
            row["name"] = r["name"].clone();
            row
        })
        .collect();
    table(out, ("name", "model"), &columns, &rows);
}

fn list(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

/// The document.
fn tables(all: &Value) -> String {
    let mut out = format!(
        "# Gas and sizes\n\n\
         Written by `.ci/gas`, as `contracts/gas.json`; a test compares both with what the code does. Protocol `{}`. Whole\n\
         transactions of `verify` in a real machine, under today's rules (Osaka, with EIP-7623) and the next fork's draft (Amsterdam,\n\
         with EIP-7976). Zero knowledge, input and model private, output public, fixed coins.\n\n\
         ## The verifiers\n\nOne for all models, and a small one for several proofs in one call.\n\n",
        text(all, "protocol")
    );
    let deploy = [("code_bytes", "bytes of code"), ("deploy_gas", "gas to deploy"), ("deploy_gas_draft", "draft")];
    table(&mut out, ("name", "contract"), &deploy, list(&all["contracts"]));
    let models = list(&all["models"]);
    out += "## Models\n\n`nv`, `nk`, height and `d` are the rounds of the four sumchecks (`spec/succinct.md`).\n\n";
    let sizes = [
        ("params", "weights"),
        ("nv", "`nv`"),
        ("nk", "`nk`"),
        ("height", "height"),
        ("domain", "`d`"),
        ("list_entries", "list"),
        ("pads", "pads"),
        ("commitments", "commitments"),
        ("proof_bytes", "bytes of proof"),
        ("verify_gas", "**gas**"),
        ("verify_gas_draft", "**draft**"),
    ];
    table(&mut out, ("name", "model"), &sizes, models);
    out += "## Keys and calldata\n\n\
            Calldata cost 4 gas for a zero byte and 16 for another one. A transaction costs at least the floor and what every transaction\n\
            costs (21,000; 12,000 and the account called in the draft): 10 and 40 gas a byte today, 64 in the draft.\n\n";
    let calldata = [
        ("key_bytes", "bytes of key"),
        ("key_deploy_gas", "gas to deploy it"),
        ("key_deploy_gas_draft", "draft"),
        ("calldata_bytes", "bytes of calldata"),
        ("calldata_zeros", "zeros"),
        ("calldata_gas", "gas"),
        ("calldata_floor", "floor"),
        ("calldata_floor_draft", "floor, draft"),
    ];
    table(&mut out, ("name", "model"), &calldata, models);
    batches(&mut out, models);
    out += "## Gas by stage, today\n\n\
            Every instruction counts for the source file that it is from, calls of precompiles apart.\n\n";
    stages(&mut out, "gas_by_stage", models);
    out += "## Gas by stage, draft\n\n";
    stages(&mut out, "gas_by_stage_draft", models);
    by_depth(&mut out, list(&all["depth"]));
    out
}

/// The part about several proofs in one call.
fn batches(out: &mut String, models: &[Value]) {
    *out += "## Several proofs in one call\n\n\
            Gas a proof of a transaction of `BatchVerifier.verifyBatch` with so many proofs of one model, today and under the draft; in\n\
            front of them what `verify` takes. A further proof has neither a transaction nor a pairing of its own, and shares four\n\
            multiples of points with the others.\n\n";
    let mut columns = Vec::new();
    for (_, suffix) in RULES {
        let title = if suffix.is_empty() { "today: `verify`" } else { "draft: `verify`" };
        columns.push((format!("verify_gas{suffix}"), title.to_owned(), 1));
        columns.extend(BATCHES.map(|n| (format!("batch_gas_{n}{suffix}"), n.to_string(), n as u64)));
    }
    let a_proof = |r: &Value| {
        let mut row = json!({ "name": r["name"] });
        columns.iter().for_each(|(key, _, n)| row[key] = json!(r[key].as_u64().unwrap_or_default() / n));
        row
    };
    let rows: Vec<Value> = models.iter().map(a_proof).collect();
    let columns: Vec<(&str, &str)> = columns.iter().map(|(key, title, _)| (key.as_str(), title.as_str())).collect();
    table(out, ("name", "model"), &columns, &rows);
}

/// The part about depth, if it was measured.
fn by_depth(out: &mut String, depth: &[Value]) {
    if depth.is_empty() {
        return;
    }
    *out += "## Depth\n\n\
            Generated models of equal dense layers, each with a ReLU. Rounds grow with the logarithms of sizes, nothing with the\n\
            number of layers.\n\n";
    let columns = [
        ("params", "weights"),
        ("rounds", "rounds"),
        ("commitments", "commitments"),
        ("proof_bytes", "bytes of proof"),
        ("verify_gas", "gas"),
        ("verify_gas_draft", "draft"),
    ];
    table(out, ("layers", "layers"), &columns, depth);
    let _ =
        writeln!(out, "![Gas of a verification and bytes of its calldata against the number of layers](gas-depth.svg)");
}
