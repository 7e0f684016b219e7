//! The driver: read, import, calibrate; then the search for widths.

mod columns;
mod declared;

use std::borrow::Cow;

use proveil_graph::TensorId;

use crate::accuracy::Measured;
use crate::error::{FrontendError, Result};
use crate::import::{Imported, import, limit_inference};
use crate::model::{InputSpec, Model};
use crate::onnx::{ReadOptions, read};
use crate::options::Options;
use crate::quantise::{Span, Values};
use crate::real::{RealGraph, eval};
use crate::reveal::reveal;
use crate::search::{Samples, Search};
use crate::tensor::{Kind, Tensor};

/// Factor of the sample that stands for small inputs.
const SMALL: f64 = 0.0625;
/// Samples that every setting is measured on.
const MEASURED: usize = 8;
/// And where labels must agree: a share of few says little.
const LABELLED: usize = 64;
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
    options.check()?;
    let (mut imported, left_out) = load(onnx, samples, options)?;
    let mut live = imported.graph.live();
    let random = samples.is_empty();
    let drawn = if random { draw(&imported.graph, options.seed) } else { Vec::new() };
    let samples = if random {
        &drawn[..]
    } else {
        check_samples(&imported.graph, samples)?;
        samples
    };
    limit_inference(&imported.graph, &live, &options.limits)?;
    let per_sample: usize = imported.graph.tensors.iter().zip(&live).filter(|(_, l)| **l).map(|(t, _)| t.cells()).sum();
    let count = samples.len().min((CELL_BUDGET / per_sample.max(1)).max(2));
    let samples = &samples[..count.min(samples.len())];
    // The last quarter is held out to measure, as soon as there are enough; nothing is learnt from holding out noise.
    let held = if samples.len() >= 8 && !random { samples.len() / 4 } else { 0 };
    let (mut columns, ranged) = (Vec::new(), samples.len() - held);
    let mut samples = Cow::Borrowed(samples);
    if !random {
        let centred = columns::centred(&imported.graph, &live, &samples[..ranged])?;
        let mixed = centred.is_some();
        if let Some(graph) = centred {
            (live, imported.graph) = (graph.live(), graph);
        }
        if let Some(l) = columns::levelled(&imported.graph, &live, &samples, (ranged, mixed))? {
            (imported.graph, columns, samples) = (l.graph, l.levels, Cow::Owned(l.samples));
        }
    }
    let samples = &samples[..];
    let (g, live) = (&imported.graph, imported.graph.live());
    let mut spans = vec![Span::EMPTY; g.tensors.len()];
    let mut measured = Vec::new();
    let most = if options.min_agreement.is_some() { LABELLED } else { MEASURED };
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
        if plain && (held == 0 || i >= samples.len() - held) && measured.len() < most {
            measured.push((sample.clone(), values));
        }
    }
    declared::spans(g, &mut spans);
    for group in g.shared.values() {
        let joint = group.iter().fold(Span::EMPTY, |s, id| s.join(spans[id.0 as usize]));
        group.iter().for_each(|id| spans[id.0 as usize] = joint);
    }
    let options = &Options { margin: widened(options.margin, samples.len() - held), ..options.clone() };
    let small = measured.first().map(|(sample, _)| shrunk(g, &live, sample)).into_iter().collect();
    let samples = Samples { drawn: random, ranged: samples.len() - held, held };
    let mut model = Search {
        imported: &imported,
        live: &live,
        spans: &spans,
        options,
        measured,
        small,
        samples,
        values: Values::default(),
    }
    .run()?;
    model.report.left_out = left_out;
    model.inputs.iter_mut().zip(columns).for_each(|(spec, levels)| spec.columns = levels);
    let texts = |spec: &&mut InputSpec| spec.dtype == Kind::Text;
    model.inputs.iter_mut().filter(texts).for_each(|spec| spec.texts = imported.texts.list().to_vec());
    model.batched(options.inferences)
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

/// The real graph of what is published, and the names of outputs that are not.
fn load(onnx: &[u8], samples: &[Vec<Tensor>], options: &Options) -> Result<(Imported, Vec<String>)> {
    let read_options = ReadOptions {
        batch: options.batch,
        dims: &options.dims,
        limits: &options.limits,
        external_data: options.external_data.as_deref(),
        sample_shapes: samples.first().map(|s| s.iter().map(|t| t.shape.clone()).collect()),
    };
    let model = read(onnx, &read_options)?;
    let mut imported = import(&model, &options.limits, &missing(samples))?;
    let left_out = reveal(&mut imported, &options.reveal)?;
    Ok((imported, left_out))
}

/// For each input the places of the last axis at which samples miss cells; nothing where they miss none.
fn missing(samples: &[Vec<Tensor>]) -> Vec<Vec<bool>> {
    let mut out: Vec<Vec<bool>> = Vec::new();
    for sample in samples {
        out.resize(out.len().max(sample.len()), Vec::new());
        for (t, columns) in sample.iter().zip(&mut out) {
            let width = t.shape.last().copied().unwrap_or(1).max(1);
            for (i, _) in t.data.iter().enumerate().filter(|(_, v)| v.is_nan()) {
                columns.resize(width, false);
                // The last axis of what is no table may be a place.
                match t.shape.len() <= columns::TABLE_AXES {
                    true => columns[i % width] = true,
                    false => columns.fill(true),
                }
            }
        }
    }
    out
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
            let is_text = |kind| kind == Kind::Text;
            if is_text(t.kind) != is_text(decl.kind) {
                return Err(crate::model::text_or_number(&tensor, is_text(decl.kind)));
            }
            let missing = g.missing.contains_key(&id);
            if let Some(index) = t.data.iter().position(|v| v.is_infinite() || (v.is_nan() && !missing)) {
                let (value, width) = (t.data[index], decl.shape.last().copied());
                return Err(crate::model::not_finite(&tensor, index, value, width));
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
        let top = match t.kind {
            Kind::Text => g.texts + 1,
            _ => depth(id).unwrap_or(2),
        } as f64;
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
