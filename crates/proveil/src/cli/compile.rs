//! `compile`: an ONNX file to a package and a verifying key.

use std::path::{Path, PathBuf};
use std::time::Instant;

use proveil::budget::{FileStore, folder};
use proveil::io::{InputFile, ModelTexts, read_cases, read_limited, write_atomic};
use proveil::succinct::{self, BITS, SetUp};
use proveil::{CompileOptions, Engine, compile_onnx, tree};
use proveil_frontend::{LayerError, Options, Report, Tensor, check};
use proveil_graph::Stats;
use serde_json::{Value, json};

use super::FILE_LIMIT;
use super::args::{Backend, Building, CompileArgs, TreeArg};
use super::contract::{label, name_set_up, require_secure, set_up};
use super::encode;
use super::failure::{BAD_FILE, Failure};
use super::plot;
use super::ui::{Ui, seconds, size};
use crate::bench::{name_of, testset::TestSet};

/// Rows of a test set that calibrate.
const MAX_SAMPLES: usize = 256;

/// Operators that are named as the largest sources of error.
const SHOWN: usize = 3;

/// Runs the command.
pub fn run(a: &CompileArgs, ui: &Ui) -> Result<(), Failure> {
    let ModelFile { name, onnx, samples, options, mut front } =
        read_model(&a.model, a.samples.as_deref(), &a.building)?;
    // Samples tell the length of an open first axis.
    front.batch = (samples.is_empty() && a.building.batch.is_some()).then_some(1);
    let set_up = chosen_set_up(a)?;
    ui.stage("compile");
    let start = Instant::now();
    let mut compiled = compile_onnx(&onnx, &samples, &front, &options).map_err(|e| Failure::from(e).at(&a.model))?;
    let mut keys = None;
    if let Some(set_up) = &set_up {
        ui.stage("keys for contracts");
        let engine = succinct::add_keys(compiled.package, set_up).map_err(|e| Failure::from(e).at(&a.model))?;
        keys = Some((engine.key_file(), engine.full_key()));
        compiled.package = engine.package;
    }
    let bytes = compiled.package.to_bytes();
    let key = compiled.package.key.encode();
    if let Some(path) = &a.error_plot {
        write_atomic(path, plot::svg(&name, &compiled.report.layers).as_bytes(), false)?;
    }
    ui.stage("check");
    let stats = Stats::of(&compiled.package.graph);
    let engine = Engine::with_model(compiled.package, compiled.model)?;
    let bits = proveil::security::proven_bits(&engine.key).map_err(proveil::Error::from)?;
    // A tree file of an earlier package would be refused.
    tree::remove(&a.output)?;
    write_atomic(&a.output, &bytes, true)?;
    // A package without a count cannot prove, so a crash between the two is safe.
    engine.open_budget(&FileStore::new(folder(&a.output)).map_err(proveil::Error::from)?)?;
    if let Some(vk) = &a.vk {
        write_atomic(vk, &key, false)?;
    }
    if let Some((short, full)) = &keys {
        a.short_key.iter().try_for_each(|path| write_atomic(path, &short.to_bytes(), false))?;
        a.full_key.iter().try_for_each(|path| write_atomic(path, &full.to_bytes(), false))?;
    }
    let own = if a.backend == Backend::Succinct { TreeArg::None } else { TreeArg::Codeword };
    let (mut tree_text, mut tree_value) = (String::new(), json!({}));
    if let Some(keep) = a.tree.unwrap_or(own).keep() {
        ui.stage("tree");
        encode::write(&a.output, &engine, keep, &mut tree_text, &mut tree_value)?;
    }
    let took = start.elapsed().as_secs_f64();
    let id = proveil::proof::hex(&engine.key.digest);
    let mut text = format!("model id         {id}\n");
    text += &format!("package          {} ({}; keep it secret)\n", a.output.display(), size(bytes.len()));
    text += &tree_text;
    if let Some(vk) = &a.vk {
        text += &format!("verifying key    {} ({})\n", vk.display(), size(key.len()));
    }
    text += &format!(
        "model            {} parameters, {} multiplications, {} looked-up cells\nsecurity         {bits} bits proven\ncompiled in      {}\n",
        stats.params,
        stats.macs,
        stats.lookups,
        seconds(took)
    );
    text += &accuracy_text(&compiled.report, samples.is_empty());
    let mut value = json!({
        "backend": "transparent", "model_id": id, "package": a.output, "package_bytes": bytes.len(), "vk": a.vk, "vk_bytes": key.len(),
        "params": stats.params, "macs": stats.macs, "lookups": stats.lookups, "security_bits": bits,
        "compile_s": took, "accuracy": accuracy_json(&compiled.report),
    });
    if let (Value::Object(value), Value::Object(tree)) = (&mut value, tree_value) {
        value.extend(tree);
    }
    if let Some((short, _)) = &keys {
        let (id, bytes) = (proveil::proof::hex(&short.short.id()), short.short.to_bytes().len());
        text += &format!("for contracts    model id {id}, short key {}, {}\n", size(bytes), label());
        value["contract"] = json!({
            "model_id": id, "short_key": a.short_key, "short_key_bytes": bytes, "full_key": a.full_key,
            "security_bits": BITS,
        });
        name_set_up(&short.short, &mut text, &mut value);
    }
    ui.result(&text, &value);
    Ok(())
}

/// The set-up that keys for contracts are made with; nothing for the transparent backend alone.
fn chosen_set_up(a: &CompileArgs) -> Result<Option<SetUp>, Failure> {
    if a.backend == Backend::Transparent {
        if a.srs.is_some() || a.short_key.is_some() || a.full_key.is_some() {
            return Err(Failure::usage("--srs, --short-key and --full-key belong to --backend succinct"));
        }
        return Ok(None);
    }
    let set_up = set_up(a.srs.as_deref())?;
    require_secure(set_up.key()?.insecure, a.insecure_set_up)?;
    Ok(Some(set_up))
}

/// A model file with what it is compiled with.
pub struct ModelFile {
    /// Name of the model.
    pub name: String,
    /// Bytes of the file.
    pub onnx: Vec<u8>,
    /// Calibration inputs; may be none.
    pub samples: Vec<Vec<Tensor>>,
    /// What is made of the graph.
    pub options: CompileOptions,
    /// What is made of the file.
    pub front: Options,
}

/// Reads a model file and its calibration inputs.
pub fn read_model(model: &Path, samples: Option<&Path>, building: &Building) -> Result<ModelFile, Failure> {
    let name = name_of(model);
    let options = building.package(&name)?;
    let mut front = building.front()?;
    let onnx = read_limited(model, FILE_LIMIT)?;
    front.external_data = folder_of(model);
    let samples = samples.map_or(Ok(Vec::new()), |path| read_samples(path, &onnx, &front))?;
    Ok(ModelFile { name, onnx, samples, options, front })
}

/// Where a model file's external data may lie.
pub fn folder_of(model: &Path) -> Option<PathBuf> {
    model.parent().map(|p| if p.as_os_str().is_empty() { ".".into() } else { p.into() })
}

/// Calibration inputs: all cases of an archive, the first rows of a test set (`X`, `X1`, ..), or one input.
fn read_samples(path: &Path, onnx: &[u8], front: &Options) -> Result<Vec<Vec<Tensor>>, Failure> {
    let texts = ModelTexts::of(onnx);
    if path.extension().is_some_and(|e| e == "npz") {
        let cases = read_cases(path, &texts)?;
        if !cases.is_empty() {
            return Ok(cases.into_iter().map(|(i, _)| i).collect());
        }
        let bad = |e| Failure::new(BAD_FILE, e).at(path);
        let test = TestSet::read(read_limited(path, FILE_LIMIT)?, None, &texts).map_err(bad)?;
        if !test.rows.is_empty() {
            return Ok(test.rows.into_iter().take(MAX_SAMPLES).collect());
        }
    }
    let file = InputFile::read(path, 0)?;
    let names = match file.arrays() {
        // What is wrong with the model is said when it is compiled.
        2.. => check(onnx, front).map_or(Vec::new(), |s| s.inputs.into_iter().map(|i| i.0).collect()),
        _ => Vec::new(),
    };
    Ok(vec![file.tensors(&names, &texts)?])
}

/// The accuracy report in words.
pub fn accuracy_text(r: &Report, drawn: bool) -> String {
    let (w, a, t) = r.bits;
    let origin = if drawn { "random samples: pass --samples for a meaningful report" } else { "samples" };
    let mut text = format!("accuracy         {} {origin}; weights {w}, activations {a}, tables {t} bits\n", r.samples);
    for o in &r.outputs {
        text += &format!(
            "  output '{}': largest error {:.6} ({:.4} % of the largest value), mean {:.6}, same largest cell {:.1} %\n",
            o.name,
            o.max,
            o.relative * 100.0,
            o.mean,
            o.label_agreement * 100.0
        );
    }
    if !r.left_out.is_empty() {
        text += &format!("  not published: {}\n", r.left_out.join(", "));
    }
    let mut layers: Vec<&LayerError> = r.layers.iter().filter(|l| l.added > 0.0).collect();
    layers.sort_by(|a, b| b.added.total_cmp(&a.added));
    for l in layers.iter().take(SHOWN) {
        let (added, after) = (l.added * 100.0, l.relative * 100.0);
        text += &format!("  operator '{}': adds {added:.4} %, {after:.4} % after it\n", l.name);
    }
    for w in &r.warnings {
        text += &format!("  warning: {w}\n");
    }
    text
}

/// The accuracy report as data.
pub fn accuracy_json(r: &Report) -> Value {
    let outputs: Vec<Value> = r
        .outputs
        .iter()
        .map(|o| json!({ "name": o.name, "max_abs_error": o.max, "mean_abs_error": o.mean, "rel_error": o.relative, "label_agreement": o.label_agreement }))
        .collect();
    let layers = r.layers.iter().map(|l| json!({ "name": l.name, "rel_error": l.relative, "added": l.added }));
    let saturations = r.saturations.iter().map(|s| json!({ "name": s.name, "cells": s.cells }));
    json!({
        "samples": r.samples, "bits": [r.bits.0, r.bits.1, r.bits.2], "outputs": outputs,
        "left_out": r.left_out, "layers": layers.collect::<Vec<Value>>(), "saturated": r.saturated,
        "saturations": saturations.collect::<Vec<Value>>(), "warnings": r.warnings,
    })
}
