//! `estimate`: what proofs of a model will cost on this machine, without proving it.

use std::path::Path;

use proveil::estimate::{Estimate, Machine};
use proveil::io::{read_limited, write_atomic};
use proveil::onnx::describe;
use proveil::package::CompileOptions;
use serde_json::{Value, json};

use super::args::EstimateArgs;
use super::compile::{ModelFile, read_model};
use super::failure::{BAD_FILE, Failure};
use super::ui::{Ui, seconds, size};

/// Largest file with a machine's speed.
const MACHINE_LIMIT: u64 = 1 << 16;

/// Runs the command.
pub fn run(a: &EstimateArgs, ui: &Ui) -> Result<(), Failure> {
    let ModelFile { name, onnx, samples, options, mut front } =
        read_model(&a.model, a.samples.as_deref(), &a.building)?;
    front.batch = samples.is_empty().then_some(1);
    ui.stage("self-test");
    let machine = machine(a.machine.as_deref())?;
    if let Some(file) = &a.save_machine {
        write_atomic(file, json!(machine).to_string().as_bytes(), false)?;
    }
    ui.stage("compile");
    let model = proveil_frontend::compile(&onnx, &samples, &front).map_err(|e| Failure::from(e).at(&a.model))?;
    let e = Estimate::of_graph(&model.graph, &describe(&model, &name), &options, &machine)?;
    let value = json!({
        "name": name, "batch": front.inferences, "machine": machine, "prove_s": e.prove_s,
        "stages": e.stages.iter().map(|(n, s)| ((*n).to_string(), json!(s))).collect::<serde_json::Map<_, _>>(),
        "peak_mib": e.peak_bytes / 1_048_576.0, "proof_bytes": e.proof_bytes.round(), "vk_bytes": e.vk_bytes,
        "work": e.work, "on_chain": on_chain(&e),
    });
    ui.result(&text(&e, &options), &value);
    Ok(())
}

/// A machine's speed: read, or measured now.
pub fn machine(file: Option<&Path>) -> Result<Machine, Failure> {
    let Some(file) = file else { return Ok(Machine::measure()?) };
    let bad = |m: String| Failure::new(BAD_FILE, format!("{m}: write it with `estimate --save-machine`")).at(file);
    let machine: Machine =
        serde_json::from_slice(&read_limited(file, MACHINE_LIMIT)?).map_err(|e| bad(e.to_string()))?;
    let fits = machine.fixed_s >= 0.0 && machine.scale > 0.0 && (machine.fixed_s + machine.scale).is_finite();
    if fits { Ok(machine) } else { Err(bad("fixed_s or scale is negative or not a number".into())) }
}

fn text(e: &Estimate, options: &CompileOptions) -> String {
    let w = &e.work;
    let mut out = format!(
        "model            {} multiplications, {} parameters\nlook-ups         {} cells, tables of {} rows\n",
        w.macs, w.model_cells, w.lookup_cells, w.table_rows
    );
    out += &format!("cells            trace {}, granules {}\n", w.trace_cells, w.granules);
    out += &format!("prove            about {} at {} bits\n", seconds(e.prove_s), options.params.security_bits);
    for (name, s) in &e.stages {
        out += &format!("  {name:<14} {}\n", seconds(*s));
    }
    out += &format!("peak memory      about {}\n", size(e.peak_bytes as usize));
    out += &format!("proof            about {}\n", size(e.proof_bytes as usize));
    out += &format!("verifying key    {}\n", size(e.vk_bytes));
    out + &match &e.on_chain {
        Ok(c) => format!(
            "on a chain       about {:.0} gas a proof of {}, {:.0} gas to deploy the key of {}; set-up of 2^{} powers{}\n",
            c.gas,
            size(c.proof_bytes),
            c.key_deploy_gas,
            size(c.key_bytes),
            c.powers_of_tau,
            if c.exact { "" } else { " or more" }
        ),
        Err(why) => format!("on a chain       not possible: {why}\n"),
    }
}

/// What a contract's verification costs, or why there is none.
fn on_chain(e: &Estimate) -> Value {
    match &e.on_chain {
        Ok(c) => json!(c),
        Err(why) => json!({ "refused": why }),
    }
}
