//! How well an integer model agrees with the float model that it was made from: of every output, where along the way
//! errors arise, and which values do not fit their ranges.

use proveil_graph::{Graph, Op, TensorId};

use crate::error::{FrontendError, Result};
use crate::import::Imported;
use crate::model::{InputSpec, LayerError, Model, OutputError, OutputSpec, Report, Saturation};
use crate::options::Options;
use crate::quantise::{Quantised, Rep, Setting, Span, bits_of};
use crate::real::{RealGraph, Source, eval};
use crate::search::Samples;
use crate::tensor::Kind;

/// A sample with the float value of every tensor.
pub(crate) type Measured = (Vec<crate::Tensor>, Vec<Vec<f64>>);

/// Fewer samples than this say little about ranges.
const FEW_SAMPLES: usize = 16;
/// Errors are relative to each sample's own largest value, unless that is smaller than this share of all samples'
/// largest.
const OWN_FLOOR: f64 = 0.1;

/// How far a setting is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pass {
    /// A setting that fails the first sample meets no other: its error is that of one sample.
    Quick,
    /// On all samples.
    Full,
    /// On all samples, with the errors along the way.
    Thorough,
}

/// The model for one setting with its measured accuracy, and the error that each sample has by itself, next to its own
/// largest value.
pub(crate) fn measure(
    imported: &Imported,
    q: Quantised,
    set: Setting,
    measured: &[Measured],
    options: &Options,
    pass: Pass,
) -> Result<(Model, f64)> {
    let g = &imported.graph;
    let inputs: Vec<InputSpec> = q.inputs.into_iter().map(|p| InputSpec::new(p, options.refuse_beyond)).collect();
    let outputs: Vec<OutputSpec> = q
        .outputs
        .into_iter()
        .zip(imported.outputs.iter().zip(&imported.labels))
        .map(|(p, ((name, kind), labels))| OutputSpec::new(p, name.clone(), *kind, labels.clone()))
        .collect();
    let widths = q.weights.iter().map(|(_, int)| bits_of(q.graph.tensors[int.0 as usize].range));
    let bits = (widths.max().unwrap_or(set.weight_bits), set.activation_bits, set.table_bits);
    let mut report = Report { bits, ..Report::default() };
    let mut pairs = vec![Vec::new(); outputs.len()];
    let mut cut = vec![0; q.graph.nodes.len()];
    let mut own = 0f64;
    let top =
        |id: &TensorId| measured.iter().map(|(_, v)| Span::of(eval::cells(g, v, *id), 1).reach()).fold(0.0, f64::max);
    let tops: Vec<f64> = g.outputs.iter().map(top).collect();
    for (i, (sample, values)) in measured.iter().enumerate() {
        let cells = encoded(&inputs, sample, &mut report)?;
        let tensors = proveil_graph::eval::run_fast(&q.graph, &q.params, &cells).map_err(|e| {
            FrontendError::Quantise { tensor: "model".into(), reason: e.to_string(), hint: "report this model".into() }
        })?;
        for (k, spec) in outputs.iter().enumerate() {
            let got = spec.dequantise(&tensors[q.graph.outputs[k].0 as usize]);
            let want = eval::cells(g, values, g.outputs[k]).to_vec();
            let size = Span::of(&want, 1).reach().max(tops[k] * OWN_FLOOR);
            let off = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
            own = own.max(if size > 0.0 { off / size } else { off });
            pairs[k].push((got, want));
        }
        report.outputs = outputs.iter().zip(&pairs).zip(&tops).map(|((o, p), t)| OutputError::of(o, p, *t)).collect();
        if pass == Pass::Thorough {
            saturations(&q.graph, &tensors, &mut cut);
            if i == 0 {
                report.layers = layer_errors(g, &q.reps, &tensors, values);
            }
        } else if pass == Pass::Quick && i == 0 && report.outputs.iter().any(|e| e.relative > options.target()) {
            break;
        }
    }
    report.samples = pairs.first().map_or(0, Vec::len);
    let named = q.graph.nodes.iter().zip(cut).filter(|(_, cells)| *cells > 0);
    report.saturations = named.map(|(n, cells)| Saturation { name: n.name.clone(), cells }).collect();
    Ok((Model { graph: q.graph, params: q.params, inputs, outputs, report }, own))
}

/// Integers of a sample. Whole numbers that the held-out samples alone reach are clamped here, not refused.
fn encoded(inputs: &[InputSpec], sample: &[crate::Tensor], report: &mut Report) -> Result<Vec<Vec<i64>>> {
    let mut cells = Vec::new();
    for (spec, t) in inputs.iter().zip(sample) {
        let (lo, hi) = (spec.range.lo as f64, spec.range.hi as f64);
        let data: Vec<f64> = match spec.dtype {
            Kind::Float => t.data.clone(),
            _ => t.data.iter().map(|v| v.clamp(lo, hi)).collect(),
        };
        let open = InputSpec { refuse_beyond: None, ..spec.clone() };
        let (list, count) = open.encode(&data)?;
        report.saturated += count;
        cells.push(list);
    }
    Ok(cells)
}

/// Adds for each look-up how many operands lie beyond an end of its table where the table still rises or falls. A
/// table that starts at 0 cuts off negative numbers on purpose, and those that tell -1 from 0 or 0 from others compare.
fn saturations(graph: &Graph, tensors: &[Vec<i64>], cut: &mut [usize]) {
    for (node, cut) in graph.nodes.iter().zip(cut) {
        let Op::Lookup { x, shift, table } = node.op else { continue };
        let table = &graph.tables[table.0 as usize];
        let v = &table.values;
        let (lo, hi) = (table.lo, table.lo + v.len() as i64 - 1);
        if [(-1, &[0, 1][..]), (-2, &[0, 0, 1, 0])].contains(&(table.lo, &v[..])) {
            continue;
        }
        let below = v.len() > 1 && lo < 0 && v[0] != v[1];
        let above = v.len() > 1 && v[v.len() - 1] != v[v.len() - 2];
        let half = if shift > 0 { 1i64 << (shift - 1) } else { 0 };
        let outside = |x: &&i64| {
            let u = x.saturating_add(half) >> shift;
            (below && u < lo) || (above && u > hi)
        };
        *cut += tensors[x.0 as usize].iter().filter(outside).count();
    }
}

/// Errors after every operator, and what each adds: its float meaning on the integers that it reads, next to the
/// integers that it makes.
fn layer_errors(g: &RealGraph, reps: &[Option<Rep>], tensors: &[Vec<i64>], values: &[Vec<f64>]) -> Vec<LayerError> {
    let inputs = |i: usize| g.missing.contains_key(&TensorId(i as u32));
    let decoded = |(i, (rep, value)): (usize, (&Option<Rep>, &Vec<f64>))| match rep {
        // The integers of missing cells are no numbers.
        _ if inputs(i) => value.clone(),
        Some(rep) => tensors[rep.id.0 as usize].iter().map(|&c| c as f64 * rep.step).collect(),
        None => value.clone(),
    };
    let got: Vec<Vec<f64>> = reps.iter().zip(values).enumerate().map(decoded).collect();
    let worst = |a: &[f64], b: &[f64]| {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).filter(|d| d.is_finite()).fold(0.0, f64::max)
    };
    let mut out = Vec::new();
    for (i, t) in g.tensors.iter().enumerate() {
        let (Some(_), Source::Op(op)) = (reps[i], &t.source) else { continue };
        let ideal = eval::apply(g, op, &t.shape, &|id| eval::cells(g, &got, id));
        let top = Span::of(&values[i], 1).reach();
        let size = if top > 0.0 { top } else { 1.0 };
        out.push(LayerError {
            name: t.name.clone(),
            relative: worst(&got[i], &values[i]) / size,
            added: worst(&got[i], &ideal) / size,
        });
    }
    out
}

/// Refuses a model that misses a bound which its caller set.
pub(crate) fn keep_bounds(model: &Model, samples: Samples, options: &Options) -> Result<()> {
    let r = &model.report;
    let most = r.layers.iter().max_by(|a, b| a.added.total_cmp(&b.added));
    let (operator, added) = most.map_or(("none".into(), 0.0), |l| (l.name.clone(), l.added));
    let hint = |other: String| {
        let mut hints = Vec::new();
        if samples.drawn {
            hints.push("give typical inputs as samples".to_string());
        } else if samples.ranged < FEW_SAMPLES || samples.held == 0 {
            hints.push("give more samples".into());
        }
        if r.saturated > 0 || !r.saturations.is_empty() {
            hints.push("raise the margin".into());
        }
        if options.weight_bits.is_some() || options.activation_bits.is_some() || options.table_bits.is_some() {
            hints.push("allow more bits, or leave them to the search".into());
        }
        hints.push(other);
        hints.join(", or ")
    };
    if let Some(asked) = options.max_error
        && let Some(o) = r.outputs.iter().max_by(|a, b| a.relative.total_cmp(&b.relative))
        && o.relative > asked
    {
        let (output, got) = (o.name.clone(), o.relative);
        let hint = hint(format!("ask for an error of {:.5} or more", rounded_up(got)));
        return Err(FrontendError::ErrorBound { output, got, asked, operator, added, hint });
    }
    if let Some(asked) = options.min_agreement
        && let Some(o) = r.outputs.iter().min_by(|a, b| a.label_agreement.total_cmp(&b.label_agreement))
        && o.label_agreement < asked
    {
        let (output, got) = (o.name.clone(), o.label_agreement);
        let hint = hint(format!("ask for an agreement of {:.4} or less", (got * 1e4).floor() / 1e4));
        return Err(FrontendError::AgreementBound { output, got, asked, operator, added, hint });
    }
    Ok(())
}

/// With five digits behind the point, and no less.
fn rounded_up(error: f64) -> f64 {
    (error * 1e5).ceil() / 1e5
}

/// What a reader of the report should know before trusting it.
pub(crate) fn warnings(
    model: &Model,
    samples: Samples,
    (g, measured): (&RealGraph, &[Measured]),
    options: &Options,
) -> Vec<String> {
    let (r, mut out) = (&model.report, Vec::new());
    for (id, spec) in g.outputs.iter().zip(&model.outputs) {
        let odd = |(_, values): &&Measured| eval::cells(g, values, *id).iter().any(|v| !v.is_finite());
        let (bad, all) = (measured.iter().filter(odd).count(), measured.len());
        if bad > 0 {
            let hint = "give samples that it has results for";
            out.push(format!(
                "the float model's `{}` is no finite number on {bad} of {all} samples: {hint}",
                spec.name
            ));
        }
    }
    if samples.drawn {
        out.push("no samples were given: ranges come from random inputs; give typical ones".into());
    } else {
        if samples.ranged < FEW_SAMPLES {
            let n = samples.ranged;
            out.push(format!("{n} samples say little about ranges: give {FEW_SAMPLES} or more typical inputs"));
        }
        if samples.held == 0 {
            out.push(
                "errors are measured on the samples that set the ranges: give 8 or more, and the last are kept".into(),
            );
        }
    }
    for o in r.outputs.iter().filter(|o| o.relative > options.target()) {
        let (name, error, aim) = (&o.name, o.relative, options.target());
        out.push(format!(
            "no setting brings output `{name}` to the error {aim} that is aimed at; this one has {error:.5}"
        ));
    }
    if r.saturated > 0 {
        out.push(format!("{} input cells lie outside the range and were cut", r.saturated));
    }
    if let Some(top) = r.saturations.iter().max_by_key(|s| s.cells) {
        let (n, name, cells) = (r.saturations.len(), &top.name, top.cells);
        out.push(format!(
            "values of {n} tensors exceed their range, most in `{name}` ({cells} cells): raise the margin"
        ));
    }
    out
}
