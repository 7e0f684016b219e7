//! The driver: read, import, calibrate, search for widths, report.

use proveil_graph::{Op, TensorId};

use crate::error::{FrontendError, Result};
use crate::import::{Imported, import};
use crate::model::{InputSpec, Model, OutputError, OutputSpec, Report};
use crate::onnx::{ReadOptions, read};
use crate::options::{Options, OutputPolicy};
use crate::quantise::{Quantised, Setting, Span, quantise};
use crate::real::{RealGraph, RealOp, Source, eval};
use crate::tensor::{Kind, Tensor};

/// Widths that the search tries, cheapest first: weights, activations, tables.
const SEARCH: [(u32, u32, u32); 7] =
    [(8, 10, 10), (10, 12, 12), (12, 13, 13), (14, 14, 14), (16, 14, 14), (16, 15, 15), (16, 16, 16)];
/// Wider activations than this need tables that cost more than the cells looked up in them: they are tried only where
/// nothing narrower fits, by this factor where cells are not few, and up to so many cells.
const MAX_ACTIVATION_BITS: u32 = 14;
const WIDE_FIT: f64 = 2.0;
const WIDE_CELLS: usize = 1 << 15;
/// A model with at least this many products starts at the third entry: rounding errors add up along the way.
const DEEP: usize = 30;
/// Wider numbers replace narrower ones that miss the target as well, unless they are worse by this factor.
const NO_WORSE: f64 = 1.1;
/// Bits of real inputs with their sign, and of those of models with many input cells, where fewer are enough.
const INPUT_BITS: u32 = 16;
const FEW_INPUT_BITS: u32 = 12;
/// Bits of real inputs at most.
const WIDEST_INPUT_BITS: u32 = 18;
/// Input cells from which fewer bits are tried.
const MANY_INPUTS: usize = 1024;
/// Factor of the sample that stands for small inputs, and the relative error that it may have.
const SMALL: f64 = 0.0625;
const SMALL_ERROR: f64 = 0.01;
/// Where few cells are looked up, wider tables cost nearly nothing: the target is tighter by a factor.
const FEW_CELLS: usize = 4096;
const FEW_TARGET: f64 = 0.5;
/// Where few cells are looked up, errors are relative to each sample's own largest value, unless that is smaller than
/// this share of all samples' largest.
const OWN_FLOOR: f64 = 0.1;
/// That error may be so much larger than the one of all samples.
const OWN_TARGET: f64 = 0.5;
/// Small inputs count for no more than this much of a misfit: some models cannot do better, and the usual ones come
/// first.
const MAX_SMALL: f64 = 2.0;
/// Wider inputs are taken if they lower the error of small ones to this share.
const WORTH_IT: f64 = 0.7;
/// Bits of weights at most.
const MAX_WEIGHT_BITS: u32 = 16;
/// Samples that every setting is measured on.
const MEASURED: usize = 8;
/// Samples drawn when none are given.
const DRAWN: usize = 16;
/// Standard deviation of every other drawn sample: real inputs have longer tails than a few normal draws.
const WIDE_DRAW: f64 = 2.0;
/// Cells of all tensors of all samples that calibration may hold.
const CELL_BUDGET: usize = 40_000_000;

/// Compiles an ONNX file to an integer model.
///
/// `samples` are typical inputs, one tensor for each input of the file; without any, random ones are drawn
/// (normal, or 0 and 1 for whole numbers that are no indices).
///
/// # Errors
/// Everything in [`FrontendError`]; never panics on hostile bytes.
pub fn compile(onnx: &[u8], samples: &[Vec<Tensor>], options: &Options) -> Result<Model> {
    let imported = load(onnx, samples, options)?;
    let g = &imported.graph;
    let live = g.live();
    let random = samples.is_empty();
    let drawn = if random { draw(g, options.seed) } else { Vec::new() };
    let samples = if random {
        &drawn[..]
    } else {
        check_samples(g, samples)?;
        samples
    };
    let per_sample: usize = g.tensors.iter().zip(&live).filter(|(_, l)| **l).map(|(t, _)| t.cells()).sum();
    let count = samples.len().min((CELL_BUDGET / per_sample.max(1)).max(2));
    let samples = &samples[..count.min(samples.len())];
    // The last quarter is held out to measure, as soon as there are enough; nothing is learnt from holding out noise.
    let held = if samples.len() >= 8 && !random { samples.len() / 4 } else { 0 };
    let mut spans = vec![Span::EMPTY; g.tensors.len()];
    let mut measured = Vec::new();
    let rows = g.softmax_operands();
    for (i, sample) in samples.iter().enumerate() {
        let inputs: Vec<&[f64]> = sample.iter().map(|t| t.data.as_slice()).collect();
        let values = eval::run(g, &live, &inputs);
        if i < samples.len() - held {
            for (j, span) in spans.iter_mut().enumerate() {
                let row = g.tensors[j].shape.last().copied().unwrap_or(1);
                let cells = eval::cells(g, &values, TensorId(j as u32));
                let own = Span::of(cells, row);
                let own = if g.inputs.contains(&TensorId(j as u32)) { own.with_grain(cells) } else { own };
                *span = span.join(if rows[j] { own.with_log_sums(cells, row) } else { own });
            }
        }
        // Errors are relative to the largest value, which the wide draws would flatter.
        let plain = !(random && is_wide(i));
        if plain && (held == 0 || i >= samples.len() - held) && measured.len() < MEASURED {
            measured.push((sample.clone(), values));
        }
    }
    for group in g.shared.values() {
        let joint = group.iter().fold(Span::EMPTY, |s, id| s.join(spans[id.0 as usize]));
        group.iter().for_each(|id| spans[id.0 as usize] = joint);
    }
    let options = &Options { margin: widened(options.margin, samples.len() - held), ..options.clone() };
    let small = measured.first().map(|(sample, _)| shrunk(g, &live, sample)).into_iter().collect();
    search(&imported, &live, &spans, &Trials { measured, small }, options)?.batched(options.inferences)
}

/// A sample with its real inputs scaled down.
fn shrunk(g: &RealGraph, live: &[bool], sample: &[Tensor]) -> Measured {
    let mut sample = sample.to_vec();
    for t in sample.iter_mut().filter(|t| t.kind == Kind::Float) {
        t.data.iter_mut().for_each(|v| *v *= SMALL);
    }
    let inputs: Vec<&[f64]> = sample.iter().map(|t| t.data.as_slice()).collect();
    let values = eval::run(g, live, &inputs);
    (sample, values)
}

/// Few samples say little about the range: the margin grows as their number falls.
fn widened(margin: f64, samples: usize) -> f64 {
    margin.max(1.0) * (1.0 + 3.0 / (samples.max(1) as f64).sqrt())
}

fn load(onnx: &[u8], samples: &[Vec<Tensor>], options: &Options) -> Result<Imported> {
    let read_options = ReadOptions {
        batch: options.batch,
        dims: &options.dims,
        limits: &options.limits,
        external_data: options.external_data.as_deref(),
        sample_shapes: samples.first().map(|s| s.iter().map(|t| t.shape.clone()).collect()),
    };
    let model = read(onnx, &read_options)?;
    let mut imported = import(&model, &options.limits)?;
    apply_policy(&mut imported, &options.output)?;
    Ok(imported)
}

fn check_samples(g: &RealGraph, samples: &[Vec<Tensor>]) -> Result<()> {
    for sample in samples {
        if sample.len() != g.inputs.len() {
            return Err(FrontendError::InputCount { expected: g.inputs.len(), got: sample.len() });
        }
        for (&id, t) in g.inputs.iter().zip(sample) {
            let decl = g.get(id);
            let (tensor, expected) = (decl.name.clone(), decl.shape.clone());
            if t.shape != decl.shape || t.data.len() != decl.cells() {
                return Err(FrontendError::InputShape { tensor, expected, got: t.shape.clone() });
            }
            if let Some(index) = t.data.iter().position(|v| !v.is_finite()) {
                return Err(FrontendError::NotFinite { tensor, index, value: t.data[index] });
            }
            let fraction = t.data.iter().position(|v| v.fract() != 0.0);
            if let (Some(index), true) = (fraction, decl.kind != Kind::Float) {
                let (value, hint) = (t.data[index], "give whole numbers to an integer input".into());
                return Err(FrontendError::InputRange {
                    tensor,
                    index,
                    value,
                    lo: -2f64.powi(53),
                    hi: 2f64.powi(53),
                    hint,
                });
            }
        }
    }
    Ok(())
}

/// Replaces the first output by what the policy reveals of it.
fn apply_policy(imported: &mut Imported, policy: &OutputPolicy) -> Result<()> {
    let g = &mut imported.graph;
    let Some(&x) = g.outputs.first() else { return Ok(()) };
    let numbers: &[f64] = match policy {
        OutputPolicy::Threshold(t) | OutputPolicy::PrivateThreshold(t) => std::slice::from_ref(t),
        OutputPolicy::Bucket(edges) => edges,
        _ => &[],
    };
    if let Some(v) = numbers.iter().find(|v| !v.is_finite()) {
        return Err(FrontendError::malformed("output policy", format!("{v} is no threshold; give finite numbers")));
    }
    g.scope = "output_policy".into();
    let out = match policy {
        OutputPolicy::Full => return Ok(()),
        OutputPolicy::ArgMax => crate::import::top_k(g, x, 1),
        OutputPolicy::TopK(k) => {
            let len = g.shape(x).last().copied().unwrap_or(1);
            if *k == 0 || *k > len {
                return Err(FrontendError::malformed(
                    "output policy",
                    format!("top-{k} of {len} cells; choose 1 to {len}"),
                ));
            }
            crate::import::top_k(g, x, *k)
        }
        OutputPolicy::Threshold(t) => crate::import::reaches(g, x, &[*t]),
        OutputPolicy::PrivateThreshold(t) => crate::import::reaches_hidden(g, x, *t),
        OutputPolicy::Bucket(edges) => crate::import::reaches(g, x, edges),
    };
    g.outputs[0] = out;
    imported.outputs[0].1 = Kind::Int;
    Ok(())
}

/// Whether a drawn sample has the wider distribution.
fn is_wide(i: usize) -> bool {
    i % 2 == 1
}

/// Random samples: normal for floats, any row for indices, 0 and 1 (masks, counts) otherwise.
fn draw(g: &RealGraph, seed: u64) -> Vec<Vec<Tensor>> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let depth = |id: TensorId| g.index_readers(id).iter().map(|r| r.0).min();
    let mut one = |id: TensorId, deviation: f64| {
        let t = g.get(id);
        let top = depth(id).unwrap_or(2) as f64;
        let data = (0..t.cells())
            .map(|_| match t.kind {
                Kind::Float => deviation * (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos(),
                _ => (uniform() * top).floor(),
            })
            .collect();
        Tensor { shape: t.shape.clone(), kind: t.kind, data }
    };
    let deviation = |i: usize| if is_wide(i) { WIDE_DRAW } else { 1.0 };
    (0..DRAWN).map(|i| g.inputs.iter().map(|&id| one(id, deviation(i))).collect()).collect()
}

/// A sample with the float value of every tensor.
type Measured = (Vec<Tensor>, Vec<Vec<f64>>);

/// What settings are judged on.
struct Trials {
    measured: Vec<Measured>,
    /// One sample, much smaller than it was: inputs of that size must keep some digits too.
    small: Vec<Measured>,
}

/// A model that was tried, and how well it fits: 1 where its errors are just what they may be.
struct Tried {
    model: Model,
    fit: f64,
    /// The same without small inputs.
    usual: f64,
    few: bool,
}

/// Tries one setting; more digits are taken where they are nearly free, or where small inputs need them.
fn attempt(
    imported: &Imported,
    live: &[bool],
    spans: &[Span],
    trials: &Trials,
    options: &Options,
    set: Setting,
) -> Result<Tried> {
    let tried = |set: Setting, on: &[Measured]| {
        quantise(&imported.graph, live, spans, set).and_then(|q| report(imported, q, set, on, options))
    };
    let small = |set| tried(set, &trials.small).map_or(f64::INFINITY, |(m, _)| worst(&m) / SMALL_ERROR);
    let target = options.max_error.max(f64::MIN_POSITIVE);
    let (mut model, _) = tried(set, &trials.measured)?;
    if looked_up(&model) > FEW_CELLS {
        if set.input_bits < INPUT_BITS && small(set) > 1.0 {
            (model, _) = tried(Setting { input_bits: INPUT_BITS, ..set }, &trials.measured)?;
        }
        let fit = worst(&model) / target;
        return Ok(Tried { model, fit, usual: fit, few: false });
    }
    let weight_bits = options.weight_bits.unwrap_or(MAX_WEIGHT_BITS).clamp(8, 16);
    let mut set = Setting { weight_bits, input_bits: INPUT_BITS, ..set };
    let mut least = small(set);
    if least > 1.0 {
        let wide = Setting { input_bits: WIDEST_INPUT_BITS, ..set };
        let other = small(wide);
        (set, least) = if other < least * WORTH_IT { (wide, other) } else { (set, least) };
    }
    let (model, own) = tried(set, &trials.measured)?;
    let usual = (worst(&model) / target).max(own / target * OWN_TARGET);
    Ok(Tried { model, fit: usual.max(least.min(MAX_SMALL)), usual, few: true })
}

fn search(imported: &Imported, live: &[bool], spans: &[Span], trials: &Trials, options: &Options) -> Result<Model> {
    let (mut best, mut last_error): (Option<Tried>, _) = (None, None);
    for set in settings(imported, live, options) {
        let wide = set.activation_bits > MAX_ACTIVATION_BITS;
        let enough = |t: &Tried| looked_up(&t.model) > WIDE_CELLS || t.usual <= if t.few { 1.0 } else { WIDE_FIT };
        if wide && best.as_ref().is_some_and(enough) {
            break;
        }
        match attempt(imported, live, spans, trials, options, set) {
            Ok(tried) => {
                let goal = if tried.few && !wide { FEW_TARGET * options.max_error } else { f64::INFINITY };
                let done = tried.fit <= 1.0 && worst(&tried.model) <= goal;
                if best.as_ref().is_none_or(|b| tried.fit < b.fit * NO_WORSE) {
                    best = Some(tried);
                }
                if done {
                    break;
                }
            }
            Err(e) => last_error = Some(e),
        }
    }
    match (best, last_error) {
        (Some(tried), _) => Ok(tried.model),
        (None, Some(e)) => Err(e),
        (None, None) => Err(FrontendError::malformed("options", "no setting was tried; widen the bit widths")),
    }
}

/// Largest relative error of a model's outputs.
fn worst(model: &Model) -> f64 {
    model.report.outputs.iter().map(|o| o.relative).fold(0.0, f64::max)
}

fn looked_up(model: &Model) -> usize {
    let looked = model.graph.nodes.iter().filter(|n| matches!(n.op, Op::Lookup { .. }));
    looked.map(|n| model.graph.tensors[n.out.0 as usize].cells()).sum()
}

/// The settings worth trying for a model, each once, cheapest first.
fn settings(imported: &Imported, live: &[bool], options: &Options) -> Vec<Setting> {
    let g = &imported.graph;
    let products =
        g.tensors.iter().zip(live).filter(|(t, l)| **l && matches!(t.source, Source::Op(RealOp::Contract(_))));
    let cells: usize = g.inputs.iter().map(|&id| g.get(id).cells()).sum();
    let input_bits = if cells >= MANY_INPUTS { FEW_INPUT_BITS } else { INPUT_BITS };
    let mut out: Vec<Setting> = Vec::new();
    for (w, a, t) in SEARCH.into_iter().skip(if products.count() >= DEEP { 2 } else { 0 }) {
        let a = options.activation_bits.map_or(a, |a| a.clamp(8, MAX_ACTIVATION_BITS));
        let set = Setting {
            weight_bits: options.weight_bits.unwrap_or(w).clamp(8, 16),
            activation_bits: a,
            table_bits: options.table_bits.map_or(t.max(a), |t| t.clamp(8, MAX_ACTIVATION_BITS)),
            input_bits,
            margin: options.margin.max(1.0),
        };
        if !out.contains(&set) {
            out.push(set);
        }
    }
    out
}

/// The model for one setting with its measured accuracy, and the error that each sample has by itself, next to its own
/// largest value; a setting that fails the first sample meets no other.
fn report(
    imported: &Imported,
    q: Quantised,
    set: Setting,
    measured: &[Measured],
    options: &Options,
) -> Result<(Model, f64)> {
    let g = &imported.graph;
    let inputs: Vec<InputSpec> = q.inputs.into_iter().map(|p| InputSpec::new(p, options.refuse_beyond)).collect();
    let outputs: Vec<OutputSpec> = q
        .outputs
        .into_iter()
        .zip(imported.outputs.iter().zip(&imported.labels))
        .map(|(p, ((name, kind), labels))| OutputSpec::new(p, name.clone(), *kind, labels.clone()))
        .collect();
    let mut pairs = vec![Vec::new(); outputs.len()];
    let (mut errors, mut layers): (Vec<OutputError>, _) = (Vec::new(), Vec::new());
    let (mut saturated, mut strict) = (0, 0f64);
    let top =
        |id: &TensorId| measured.iter().map(|(_, v)| Span::of(eval::cells(g, v, *id), 1).reach()).fold(0.0, f64::max);
    let tops: Vec<f64> = g.outputs.iter().map(top).collect();
    for (i, (sample, values)) in measured.iter().enumerate() {
        let mut cells = Vec::new();
        for (spec, t) in inputs.iter().zip(sample) {
            // Whole numbers that the held-out samples alone reach are clamped here, not refused.
            let (lo, hi) = (spec.range.lo as f64, spec.range.hi as f64);
            let data: Vec<f64> = if spec.dtype == Kind::Float {
                t.data.clone()
            } else {
                t.data.iter().map(|v| v.clamp(lo, hi)).collect()
            };
            let open = InputSpec { refuse_beyond: None, ..spec.clone() };
            let (list, count) = open.encode(&data)?;
            saturated += count;
            cells.push(list);
        }
        let tensors = proveil_graph::eval::run_fast(&q.graph, &q.params, &cells).map_err(|e| {
            FrontendError::Quantise { tensor: "model".into(), reason: e.to_string(), hint: "report this model".into() }
        })?;
        for (k, spec) in outputs.iter().enumerate() {
            let got = spec.dequantise(&tensors[q.graph.outputs[k].0 as usize]);
            let want = eval::cells(g, values, g.outputs[k]).to_vec();
            let own = Span::of(&want, 1).reach().max(tops[k] * OWN_FLOOR);
            let off = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
            strict = strict.max(if own > 0.0 { off / own } else { off });
            pairs[k].push((got, want));
        }
        errors = outputs.iter().zip(&pairs).zip(&tops).map(|((o, p), top)| OutputError::of(o, p, *top)).collect();
        if i == 0 {
            layers = layer_errors(g, &q.reps, &tensors, values);
            if errors.iter().any(|e| e.relative > options.max_error) {
                break;
            }
        }
    }
    let bits = (set.weight_bits, set.activation_bits, set.table_bits);
    let report = Report { samples: pairs.first().map_or(0, Vec::len), bits, outputs: errors, layers, saturated };
    Ok((Model { graph: q.graph, params: q.params, inputs, outputs, report }, strict))
}

fn layer_errors(
    g: &RealGraph,
    reps: &[Option<crate::quantise::Rep>],
    tensors: &[Vec<i64>],
    values: &[Vec<f64>],
) -> Vec<(String, f64)> {
    let mut out = Vec::new();
    for (i, rep) in reps.iter().enumerate() {
        let (Some(rep), Source::Op(_)) = (rep, &g.tensors[i].source) else { continue };
        let (mut worst, mut top) = (0f64, 0f64);
        for (&cell, &want) in tensors[rep.id.0 as usize].iter().zip(&values[i]) {
            worst = worst.max((cell as f64 * rep.step - want).abs());
            top = top.max(want.abs());
        }
        out.push((g.tensors[i].name.clone(), if top > 0.0 { worst / top } else { worst }));
    }
    out
}
