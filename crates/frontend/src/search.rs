//! The search for widths: the cheapest numbers whose measured errors are small enough.

use proveil_graph::{Graph, Op};

use crate::accuracy::{Measured, Pass, keep_bounds, measure, warnings};
use crate::error::{FrontendError, Result};
use crate::import::Imported;
use crate::model::Model;
use crate::options::Options;
use crate::quantise::{Quantised, Setting, Span, Widths, fitted, quantise};
use crate::real::{RealOp, Source};

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
const DEEP_START: usize = 2;
/// Where the search starts if trees read what functions gave: rounding takes the wrong branch of few rows only, which those
/// that are measured need not be.
const BRANCHING_START: usize = 3;
/// Wider numbers replace narrower ones that miss the target as well, unless they are worse by this factor.
const NO_WORSE: f64 = 1.1;
/// Bits of real inputs with their sign, and of those of models with many input cells, where fewer are enough.
const INPUT_BITS: u32 = 16;
const FEW_INPUT_BITS: u32 = 12;
/// Bits of real inputs at most.
const WIDEST_INPUT_BITS: u32 = 18;
/// Where few cells are looked up: values that differ by little from large ones, as years do.
const FINEST_INPUT_BITS: u32 = 26;
/// Input cells from which fewer bits are tried.
const MANY_INPUTS: usize = 1024;
/// Relative error that the sample which stands for small inputs may have.
const SMALL_ERROR: f64 = 0.01;
/// Where few cells are looked up, wider tables cost nearly nothing: the target is tighter by a factor.
const FEW_CELLS: usize = 4096;
const FEW_TARGET: f64 = 0.5;
/// That error may be so much larger than the one of all samples.
const OWN_TARGET: f64 = 0.5;
/// Small inputs count for no more than this much of a misfit: some models cannot do better, and the usual ones come
/// first.
const MAX_SMALL: f64 = 2.0;
/// Wider inputs are taken if they lower the error of small ones to this share.
const WORTH_IT: f64 = 0.7;
/// Misfit of a model whose labels agree with the float model's in none of the rows, where agreement is asked for.
const DISAGREES: f64 = 20.0;
/// Bits of weights at most, before their widths are fitted.
const MAX_WEIGHT_BITS: u32 = 16;
/// Times that widths are fitted: a product that drops nothing shows only then how much it lacks.
const FITTINGS: usize = 3;

/// What is searched for, and what settings are judged on.
pub(crate) struct Search<'a> {
    pub imported: &'a Imported,
    pub live: &'a [bool],
    pub spans: &'a [Span],
    pub options: &'a Options,
    pub measured: Vec<Measured>,
    /// One sample, much smaller than it was: inputs of that size must keep some digits too.
    pub small: Vec<Measured>,
    pub samples: Samples,
}

/// Where the ranges come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples {
    /// No samples were given.
    pub drawn: bool,
    /// Samples that set the ranges.
    pub ranged: usize,
    /// Samples that were kept to measure.
    pub held: usize,
}

/// A model that was tried, and how well it fits: 1 where its errors are just what they may be.
struct Tried {
    model: Model,
    set: Setting,
    fit: f64,
    /// The same without small inputs.
    usual: f64,
    few: bool,
}

impl Search<'_> {
    /// The model of the first setting that fits, or of the one that fits best.
    pub fn run(&self) -> Result<Model> {
        let settings = settings(self.imported, self.live, self.options);
        let mut best = self.best_of(&settings, Pass::Quick)?;
        let labels = self.options.min_agreement.is_some();
        if best.fit > 1.0 && (labels || looked_up(&best.model.graph) <= WIDE_CELLS) {
            // Errors of one sample and of all of them do not compare.
            best = self.best_of(&settings, Pass::Full)?;
        }
        self.finish(best.set)
    }

    fn best_of(&self, settings: &[Setting], pass: Pass) -> Result<Tried> {
        let (mut best, mut last_error): (Option<Tried>, _) = (None, None);
        for &set in settings {
            let wide = set.activation_bits > MAX_ACTIVATION_BITS;
            let enough =
                |t: &Tried| looked_up(&t.model.graph) > WIDE_CELLS || t.usual <= if t.few { 1.0 } else { WIDE_FIT };
            // A bound that is missed is a reason to try what costs more than it usually gains.
            let enough = |t: &Tried| enough(t) && (!self.options.is_bounded() || self.within(&t.model));
            if wide && best.as_ref().is_some_and(enough) {
                break;
            }
            match self.attempt(set, pass) {
                Ok(tried) => {
                    let goal = if tried.few && !wide { FEW_TARGET * self.options.target() } else { f64::INFINITY };
                    let done = tried.fit <= 1.0 && worst(&tried.model) <= goal;
                    let better = |b: &Tried| match (self.within(&tried.model), self.within(&b.model)) {
                        (now, then) if now != then => now,
                        _ => tried.fit < b.fit * NO_WORSE,
                    };
                    if best.as_ref().is_none_or(better) {
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
            (Some(tried), _) => Ok(tried),
            (None, Some(e)) => Err(e),
            (None, None) => Err(FrontendError::malformed("options", "no setting was tried; widen the bit widths")),
        }
    }

    fn tried(&self, set: Setting, on: &[Measured], pass: Pass) -> Result<(Model, f64)> {
        measure(self.imported, self.quantised(set)?, set, on, self.options, pass)
    }

    /// The integer graph of a setting, with weights as fine as their results can tell unless their bits were asked for.
    fn quantised(&self, set: Setting) -> Result<Quantised> {
        let mut widths = Widths::new();
        let mut q = quantise(&self.imported.graph, self.live, self.spans, set, &widths)?;
        if self.options.weight_bits.is_some() {
            return Ok(q);
        }
        for _ in 0..FITTINGS {
            let now = |id| widths.get(&id).copied().unwrap_or(set.weight_bits);
            let wider = fitted(&q, &now, looked_up(&q.graph) <= FEW_CELLS);
            if wider.is_empty() {
                break;
            }
            widths.extend(wider);
            q = quantise(&self.imported.graph, self.live, self.spans, set, &widths)?;
        }
        Ok(q)
    }

    /// Tries one setting; more digits are taken where they are nearly free, or where small inputs need them.
    fn attempt(&self, set: Setting, pass: Pass) -> Result<Tried> {
        let small = |set| self.tried(set, &self.small, pass).map_or(f64::INFINITY, |(m, _)| worst(&m) / SMALL_ERROR);
        let target = self.options.target().max(f64::MIN_POSITIVE);
        let (mut set, (mut model, _)) = (set, self.tried(set, &self.measured, pass)?);
        if looked_up(&model.graph) > FEW_CELLS {
            if set.input_bits < INPUT_BITS && small(set) > 1.0 {
                set.input_bits = INPUT_BITS;
                (model, _) = self.tried(set, &self.measured, pass)?;
            }
            let fit = (worst(&model) / target).max(self.disagreement(&model));
            return Ok(Tried { model, set, fit, usual: fit, few: false });
        }
        set.weight_bits = self.options.weight_bits.unwrap_or(MAX_WEIGHT_BITS).clamp(8, 16);
        set.input_bits = INPUT_BITS;
        let mut least = small(set);
        if least > 1.0 {
            let wide = Setting { input_bits: WIDEST_INPUT_BITS, ..set };
            let other = small(wide);
            (set, least) = if other < least * WORTH_IT { (wide, other) } else { (set, least) };
        }
        let misfit = |model: &Model, own: f64| {
            (worst(model) / target).max(own / target * OWN_TARGET).max(self.disagreement(model))
        };
        let (mut model, own) = self.tried(set, &self.measured, pass)?;
        let mut usual = misfit(&model, own);
        let fine = Setting { input_bits: FINEST_INPUT_BITS, ..set };
        if usual > 1.0
            && let Ok((other, own)) = self.tried(fine, &self.measured, pass)
        {
            let better = misfit(&other, own);
            if better < usual * WORTH_IT {
                (set, model, usual) = (fine, other, better);
            }
        }
        Ok(Tried { model, set, fit: usual.max(least.min(MAX_SMALL)), usual, few: true })
    }

    /// Whether a model keeps to the bounds that were set; none does where none was set.
    fn within(&self, model: &Model) -> bool {
        self.options.is_bounded()
            && self.options.max_error.is_none_or(|most| worst(model) <= most)
            && self.options.min_agreement.is_none_or(|least| agreement(model) >= least)
    }

    /// Misfit of the labels: above 1 where they agree less often than is asked for, else 0.
    fn disagreement(&self, model: &Model) -> f64 {
        let short = self.options.min_agreement.map_or(0.0, |least| least - agreement(model));
        if short > 0.0 { 1.0 + DISAGREES * short } else { 0.0 }
    }

    /// The chosen setting with its whole report.
    ///
    /// # Errors
    /// `ErrorBound`, `AgreementBound` where it misses what was asked for.
    fn finish(&self, set: Setting) -> Result<Model> {
        let (mut model, _) = self.tried(set, &self.measured, Pass::Thorough)?;
        let spans = self.imported.graph.inputs.iter().map(|id| self.spans[id.0 as usize]);
        model.report.inputs = model.inputs.iter().zip(spans).map(|(spec, span)| span.cells(spec)).collect();
        keep_bounds(&model, self.samples, self.options)?;
        model.report.warnings = warnings(&model, self.samples, (&self.imported.graph, &self.measured), self.options);
        Ok(model)
    }
}

/// Least share of rows of an output whose largest cell is where the float model has it.
pub(crate) fn agreement(model: &Model) -> f64 {
    model.report.outputs.iter().map(|o| o.label_agreement).fold(1.0, f64::min)
}

/// Largest relative error of a model's outputs.
pub(crate) fn worst(model: &Model) -> f64 {
    model.report.outputs.iter().map(|o| o.relative).fold(0.0, f64::max)
}

fn looked_up(graph: &Graph) -> usize {
    let looked = graph.nodes.iter().filter(|n| matches!(n.op, Op::Lookup { .. }));
    looked.map(|n| graph.tensors[n.out.0 as usize].cells()).sum()
}

/// The settings worth trying for a model, each once, cheapest first.
fn settings(imported: &Imported, live: &[bool], options: &Options) -> Vec<Setting> {
    let g = &imported.graph;
    let products =
        g.tensors.iter().zip(live).filter(|(t, l)| **l && matches!(t.source, Source::Op(RealOp::Contract(_))));
    let cells: usize = g.inputs.iter().map(|&id| g.get(id).cells()).sum();
    let input_bits = if cells >= MANY_INPUTS { FEW_INPUT_BITS } else { INPUT_BITS };
    let mut out: Vec<Setting> = Vec::new();
    let start = match g.has_trees_behind_functions(live) {
        true => BRANCHING_START,
        false if products.count() >= DEEP => DEEP_START,
        false => 0,
    };
    for (w, a, t) in SEARCH.into_iter().skip(start) {
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
