//! `prove`: runs the model, counts the use of hidden commitments, writes the proof.

use std::path::Path;
use std::time::Instant;

use proveil::budget::{Beside, FileStore, folder};
use proveil::io::write_atomic;
use proveil::{Engine, Error, IoMeta, Meta, ProofFile, succinct};
use proveil_graph::Graph;
use serde_json::{Value, json};

use super::args::ProveArgs;
use super::commit::{read_commitment, read_input, roots};
use super::contract::Loaded;
use super::failure::Failure;
use super::ui::{Ui, seconds, size, texts, values};

/// Bytes from hexadecimal.
pub fn unhex(text: &str) -> Result<Vec<u8>, Failure> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    match digits {
        Some(d) if d.len() % 2 == 0 => Ok(d.chunks(2).map(|p| (p[0] * 16 + p[1]) as u8).collect()),
        _ => Err(Failure::usage(format!("'{text}' is not hexadecimal: give two digits for each byte"))),
    }
}

/// Bytes of a fixed number from hexadecimal, `0x` in front or not.
pub fn fixed<const N: usize>(text: &str) -> Result<[u8; N], Failure> {
    let bytes = unhex(text.strip_prefix("0x").unwrap_or(text))?;
    let n = bytes.len();
    bytes.try_into().map_err(|_| Failure::usage(format!("'{text}' has {n} bytes, not {N}")))
}

/// The context of `--bind`.
fn bound(text: &str) -> Result<Vec<u8>, Failure> {
    let bad = |what| Failure::usage(format!("--bind: {what} in '{text}': give CHAIN,CONTRACT,SENDER,NONCE"));
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [chain, contract, sender, nonce] = parts[..] else { return Err(bad("not four parts")) };
    let chain = chain.parse().map_err(|_| bad("no chain id"))?;
    let number: u128 = nonce.parse().map_err(|_| bad("no number"))?;
    let mut nonce = [0; 32];
    nonce.iter_mut().skip(16).zip(number.to_be_bytes()).for_each(|(n, b)| *n = b);
    Ok(proveil_evm::export::context(chain, fixed(contract)?, fixed(sender)?, nonce))
}

/// A range of integers in real units.
fn between(m: &IoMeta, lo: i64, hi: i64) -> String {
    let unit = (-f64::from(m.scale)).exp2();
    let columns = if m.columns.is_empty() { "" } else { " in units of their columns" };
    format!("{} ..= {}{columns}", lo as f64 * unit, hi as f64 * unit)
}

/// How an input differs from the samples that set the ranges.
fn unlike(meta: &Meta, graph: &Graph, input: &[Vec<i64>]) -> Vec<String> {
    let mut out = Vec::new();
    for ((m, cells), &id) in meta.inputs.iter().zip(input).zip(&graph.inputs) {
        let range = graph.tensors.get(id.0 as usize).map(|t| t.range);
        let number = |(i, c): &(usize, &i64)| !m.is_missing(*i, **c);
        let numbers = || cells.iter().enumerate().filter(number);
        let count = |outside: &dyn Fn(i64) -> bool| numbers().filter(|(_, c)| outside(**c)).count();
        if let (Some(r), "float32") = (range, m.dtype.as_str()) {
            // A range from 0 on is that of tensors without negative values: 0 is a value like others there.
            let cut = count(&|c| c >= r.hi || (c <= r.lo && r.lo < 0));
            if cut > 0 {
                let ends = between(m, r.lo, r.hi);
                out.push(format!(
                    "input '{}': {cut} of {} cells lie at or beyond {ends}, the most that the package holds, and \
                     are cut: the outputs may be wrong; compile with samples like this one",
                    m.name,
                    cells.len()
                ));
                continue;
            }
        }
        // Every text is as good as those of the samples.
        if let Some((lo, hi)) = m.calibrated.filter(|_| !m.is_text()) {
            let beyond = count(&|c| c < lo || c > hi);
            if beyond > 0 {
                let ends = between(m, lo, hi);
                out.push(format!(
                    "input '{}': {beyond} of {} cells lie outside {ends}, where the samples that set the ranges \
                     were: compare the outputs with the float model's",
                    m.name,
                    cells.len()
                ));
            }
        }
    }
    out
}

/// What either backend made.
struct Made {
    file: ProofFile,
    outputs: Vec<Vec<i64>>,
    stages: Vec<(&'static str, f64)>,
    took: f64,
}

/// Runs the command.
pub fn run(a: &ProveArgs, ui: &Ui) -> Result<(), Failure> {
    let context = match &a.bind {
        Some(text) => bound(text)?,
        None => unhex(&a.context)?,
    };
    ui.stage("load");
    let engine = Loaded::read(&a.package, &a.backend)?;
    let (input, mut warnings) = read_input(engine.package(), &a.input, a.case)?;
    let made = match &engine {
        Loaded::Transparent(e) => transparent(a, e, &input, &context, ui)?,
        Loaded::Succinct(e) => succinct(a, e, &input, &context, ui)?,
    };
    let bytes = made.file.to_bytes();
    ui.stage("verify");
    let results = match &engine {
        Loaded::Transparent(e) => proveil::verify(&e.key, &made.file)?,
        Loaded::Succinct(e) => e.key_file().verify(&made.file)?,
    };
    write_atomic(&a.output, &bytes, false)?;
    let took = made.took;
    let mut text = format!(
        "proof            {} ({})\nproved in        {}\n",
        a.output.display(),
        size(bytes.len()),
        seconds(took)
    );
    let meta = Meta::from_bytes(&engine.package().key.meta).map_err(Error::from)?;
    warnings.extend(unlike(&meta, &engine.package().graph, &input));
    for w in &warnings {
        text += &format!("warning          {w}\n");
    }
    let mut outputs = serde_json::Map::new();
    for ((name, public), (m, cells)) in results.outputs.iter().zip(meta.outputs.iter().zip(&made.outputs)) {
        let real = m.real(cells);
        let who = if public.is_some() { "public" } else { "hidden, shown to the prover only" };
        let named = m.is_named().then(|| m.texts(cells));
        let shown = named.as_ref().map_or_else(|| values(&real), |named| texts(named));
        text += &format!("output '{name}' ({who}) {shown}\n");
        outputs.insert(name.clone(), json!({ "values": real, "public": public.is_some() }));
        if let Some(named) = named {
            outputs[name]["texts"] = json!(named);
        }
    }
    let stages: Value =
        made.stages.iter().map(|(n, s)| ((*n).to_string(), json!(s))).collect::<serde_json::Map<_, _>>().into();
    let mut value = json!({
        "proof": a.output, "proof_bytes": bytes.len(), "prove_s": took, "model_id": results.model_id,
        "outputs": outputs, "stages": stages, "warnings": warnings,
    });
    engine.name_set_up(&mut text, &mut value);
    ui.result(&text, &value);
    Ok(())
}

/// Proves with hashes and counts the use of hidden commitments.
fn transparent(a: &ProveArgs, engine: &Engine, input: &[Vec<i64>], context: &[u8], ui: &Ui) -> Result<Made, Failure> {
    let open = |path: &Path| FileStore::new(folder(path)).map_err(Error::from);
    let mut opened = Vec::new();
    let mut inputs = None;
    if let Some(path) = &a.commitment {
        let file = read_commitment(path)?;
        opened = file.reopen(engine, input).map_err(|e| Failure::from(e).at(path))?;
        inputs = Some((open(path)?, roots(&file)));
    }
    // Nothing to count where nothing that lasts is hidden; the package's folder may then be read-only.
    let counted = engine.package.key.visibility.model_hidden() || inputs.is_some();
    let store = if counted { Some(Beside { package: open(&a.package)?, inputs }) } else { None };
    let given: Vec<_> = opened.iter().map(Option::as_ref).collect();
    ui.stage("prove");
    let start = Instant::now();
    let proved = match &store {
        Some(store) => engine.prove_counted(input, &given, context, store)?,
        None => engine.prove(input, context)?,
    };
    let took = start.elapsed().as_secs_f64();
    Ok(Made { file: proved.file, outputs: proved.outputs, stages: proved.stages, took })
}

/// Proves for contracts; commitments on the curve allow any number of proofs.
fn succinct(
    a: &ProveArgs,
    engine: &succinct::Engine,
    input: &[Vec<i64>],
    context: &[u8],
    ui: &Ui,
) -> Result<Made, Failure> {
    let mut opened = Vec::new();
    if let Some(path) = &a.commitment {
        opened = engine.reopen(&read_commitment(path)?, input).map_err(|e| Failure::from(e).at(path))?;
    }
    let given: Vec<_> = opened.iter().map(Option::as_ref).collect();
    ui.stage("prove");
    let start = Instant::now();
    let proved = engine.prove(input, &given, context)?;
    let took = start.elapsed().as_secs_f64();
    Ok(Made { file: proved.file, outputs: proved.outputs, stages: Vec::new(), took })
}
