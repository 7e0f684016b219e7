//! The search for widths: the cheapest numbers whose measured errors are small enough.

use proveil_graph::{Graph, Op};

use crate::accuracy::{Measured, Pass, keep_bounds, measure, warnings};
use crate::error::{FrontendError, Result};
use crate::import::Imported;
use crate::model::{Model, OutputError, OutputSpec};
use crate::options::Options;
use crate::quantise::{Quantised, Setting, Span, Values, Widths, fitted, quantise};
use crate::real::{RealOp, Source};

/// Widths that the search tries, cheapest first: weights, activations, tables.
const SEARCH: [(u32, u32, u32); 7] =
    [(8, 10, 10), (10, 12, 12), (12, 13, 13), (14, 14, 14), (16, 14, 14), (16, 15, 15), (16, 16, 16)];
/// Wider activations than this need tables that cost more than the cells looked up in them: they are tried only where
/// nothing narrower fits, by this factor where cells are not few, and up to so many cells.
pub(crate) const MAX_ACTIVATION_BITS: u32 = 14;
const WIDE_FIT: f64 = 2.0;
const WIDE_CELLS: usize = 1 << 15;
/// A model with at least this many products starts at the third entry: rounding errors add up along the way.
const DEEP: usize = 30;
const DEEP_START: usize = 2;
/// Where the search starts if trees read what functions gave: rounding takes the wrong branch of few rows only, which those
/// that are measured need not be.
const BRANCHING_START: usize = 3;
/// Settings whose mean errors are within this factor of the least one are alike, and the cheapest of them is taken. The
/// mean of many errors tells settings apart where the largest one, of one cell, is chance; but it must not be larger by
/// more than chance either.
const ALIKE: f64 = 1.1;
const CHANCE: f64 = 1.5;
/// So many errors of an output are many. The mean of fewer is chance too, and wider numbers are taken for the better ones,
/// unless they are worse by a factor.
const MANY_ERRORS: usize = 256;
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
pub(crate) const MAX_WEIGHT_BITS: u32 = 16;
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
    /// Values of functions that were tabulated.
    pub values: Values,
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

/// What is known of a setting that was tried.
#[derive(Clone, Copy, Debug)]
struct Tried {
    set: Setting,
    /// How well it fits: 1 where its errors are just what they may be.
    fit: f64,
    /// The same without small inputs.
    usual: f64,
    /// Largest and mean relative error of the outputs.
    worst: f64,
    mean: f64,
    /// How many errors of an output there are at least.
    errors: usize,
    /// Whether it keeps to the bounds that were set; none does where none was set.
    within: bool,
    looked_up: usize,
    few: bool,
}

impl Search<'_> {
    /// The model of the first setting that fits, or of the one that fits best.
    pub fn run(&self) -> Result<Model> {
        let settings = settings(self.imported, self.live, self.options);
        let mut best = self.best_of(&settings, Pass::Quick)?;
        let labels = self.options.min_agreement.is_some();
        if best.fit > 1.0 && (labels || best.looked_up <= WIDE_CELLS) {
            // Errors of one sample and of all of them do not compare.
            best = self.best_of(&settings, Pass::Full)?;
        }
        self.finish(best.set)
    }

    /// The first setting that fits well, or the cheapest of the best ones.
    fn best_of(&self, settings: &[Setting], pass: Pass) -> Result<Tried> {
        let (mut all, mut last_error): (Vec<Tried>, _) = (Vec::new(), None);
        for &set in settings {
            let wide = set.activation_bits > MAX_ACTIVATION_BITS;
            let enough = |t: Tried| t.looked_up > WIDE_CELLS || t.usual <= if t.few { 1.0 } else { WIDE_FIT };
            // A bound that is missed is a reason to try what costs more than it usually gains.
            let enough = |t: Tried| enough(t) && (!self.options.is_bounded() || t.within);
            if wide && best_known(&all, self.options.is_bounded()).is_some_and(enough) {
                break;
            }
            match self.attempt(set, pass) {
                Ok(tried) => {
                    let goal = if tried.few && !wide { FEW_TARGET * self.options.target() } else { f64::INFINITY };
                    if tried.fit <= 1.0 && tried.worst <= goal {
                        return Ok(tried);
                    }
                    all.push(tried);
                }
                Err(e) => last_error = Some(e),
            }
        }
        match (best_known(&all, self.options.is_bounded()), last_error) {
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
        let mut q = quantise(&self.imported.graph, self.live, self.spans, set, (&widths, &self.values))?;
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
            q = quantise(&self.imported.graph, self.live, self.spans, set, (&widths, &self.values))?;
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
            return Ok(self.judged(&model, set, (fit, fit), false));
        }
        set.weight_bits = self.options.weight_bits.unwrap_or(MAX_WEIGHT_BITS);
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
        Ok(self.judged(&model, set, (usual.max(least.min(MAX_SMALL)), usual), true))
    }

    /// What is kept of a model that was tried.
    fn judged(&self, model: &Model, set: Setting, (fit, usual): (f64, f64), few: bool) -> Tried {
        let mean = model.report.outputs.iter().map(OutputError::relative_mean).fold(0.0, f64::max);
        let cells = |spec: &OutputSpec| spec.shape.iter().product::<usize>();
        let errors = model.report.samples * model.outputs.iter().map(cells).min().unwrap_or(0);
        let (worst, looked_up) = (worst(model), looked_up(&model.graph));
        Tried { set, fit, usual, worst, mean, errors, within: self.within(model), looked_up, few }
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

/// Of settings from the cheapest on, the best one; `bounded` tells whether a bound was set.
fn best_known(all: &[Tried], bounded: bool) -> Option<Tried> {
    if all.iter().all(|t| t.errors >= MANY_ERRORS) { cheapest(all, bounded) } else { widest(all) }
}

/// The first one of which many errors show that it is as good as any.
fn cheapest(all: &[Tried], bounded: bool) -> Option<Tried> {
    let class = |t: &Tried| (t.within, t.fit <= 1.0);
    let top = all.iter().map(class).max()?;
    let best = all.iter().filter(|t| class(t) == top);
    // A model that is refused is told the least error that it can have.
    let chance = if bounded && !top.0 { 1.0 } else { CHANCE };
    let most = chance * best.clone().map(|t| t.fit).fold(f64::INFINITY, f64::min);
    let mut close = best.filter(|t| t.fit <= most);
    let mean = close.clone().map(|t| t.mean).fold(f64::INFINITY, f64::min);
    close.find(|t| t.mean <= ALIKE * mean).copied()
}

/// The last one that is no worse than those before.
fn widest(all: &[Tried]) -> Option<Tried> {
    all.iter().copied().reduce(|best, next| match next.within == best.within {
        true if next.fit < best.fit * NO_WORSE => next,
        false if next.within => next,
        _ => best,
    })
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
        let a = options.activation_bits.unwrap_or(a);
        let set = Setting {
            weight_bits: options.weight_bits.unwrap_or(w),
            activation_bits: a,
            table_bits: options.table_bits.unwrap_or(t.max(a)),
            input_bits,
            margin: options.margin.max(1.0),
        };
        if !out.contains(&set) {
            out.push(set);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings from the cheapest on, with these fits and mean errors.
    fn tried(list: &[(f64, f64)]) -> Vec<Tried> {
        let one = |(i, &(fit, mean)): (usize, &(f64, f64))| {
            let table_bits = 10 + i as u32;
            let set = Setting { weight_bits: 8, activation_bits: 10, table_bits, input_bits: 16, margin: 1.0 };
            let (errors, looked_up) = (MANY_ERRORS, 1);
            Tried { set, fit, usual: fit, worst: fit, mean, errors, within: false, looked_up, few: false }
        };
        list.iter().enumerate().map(one).collect()
    }

    fn taken(all: &[Tried], bounded: bool) -> Option<u32> {
        best_known(all, bounded).map(|t| t.set.table_bits)
    }

    #[test]
    fn accepts_the_cheapest_of_settings_that_chance_tells_apart() {
        // As measured: 10 bits are too few, and more than 11 change nothing but which cell is the worst.
        let all = tried(&[(5.4, 386.0), (5.8, 311.0), (3.9, 302.0), (4.5, 304.0), (6.5, 309.0), (6.6, 317.0)]);
        assert_eq!(taken(&all, false), Some(11));
        let all = tried(&[(2.6, 270.0), (4.7, 265.0), (3.1, 260.0), (3.6, 262.0)]);
        assert_eq!(taken(&all, false), Some(10));
        assert_eq!(taken(&[], false), None);
    }

    #[test]
    fn accepts_the_widest_where_few_errors_are_known() {
        let mut all = tried(&[(1.6, 9.0), (1.5, 9.0), (1.6, 9.0), (1.7, 9.0)]);
        assert_eq!(taken(&all, false), Some(10));
        all[2].errors = MANY_ERRORS - 1;
        assert_eq!(taken(&all, false), Some(13));
        all[1].within = true;
        assert_eq!(taken(&all, true), Some(11));
    }

    #[test]
    fn rejects_cheaper_settings_that_are_worse() {
        // By the mean, by more than chance, and because others fit.
        assert_eq!(taken(&tried(&[(1.4, 12.0), (1.3, 9.0), (1.3, 9.1)]), false), Some(11));
        assert_eq!(taken(&tried(&[(4.0, 9.0), (2.0, 9.0)]), false), Some(11));
        assert_eq!(taken(&tried(&[(1.1, 9.0), (0.9, 9.0), (1.2, 5.0)]), false), Some(11));
        // Next to a bound that none keeps, the least error is named.
        let mut all = tried(&[(2.1, 9.0), (2.0, 9.0), (2.2, 9.0)]);
        assert_eq!((taken(&all, false), taken(&all, true)), (Some(10), Some(11)));
        all[2].within = true;
        assert_eq!(taken(&all, true), Some(12));
    }
}
