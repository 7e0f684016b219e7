//! Real graph and calibrated ranges to the integer graph.
//!
//! Sums and products are exact and keep their full width; a look-up rounds, saturates and applies a function in
//! one step. `step` is the real value of one unit of a tensor; it is a power of two wherever the file has no
//! other factor.

mod attention;
mod emit;
mod gather;
mod hidden;
mod integer;
mod interpolate;
mod linear;
mod missing;
mod narrow;
mod ranked;
mod rounding;
mod softmax;
mod table;
mod trees;
mod widths;

use std::collections::HashMap;

use proveil_graph::{Builder, Graph, Params, Range, TensorId};

use crate::error::{FrontendError, Result};
use crate::real::{RealGraph, Source};
use crate::tensor::Kind;
pub(crate) use table::Values;
pub(crate) use widths::{Widths, fitted};

/// Widths of one attempt of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    pub weight_bits: u32,
    pub activation_bits: u32,
    pub table_bits: u32,
    /// Bits of real inputs, with their sign.
    pub input_bits: u32,
    pub margin: f64,
}

/// Smallest and largest calibrated value of a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub lo: f64,
    pub hi: f64,
    /// Smallest of the row maxima (along the last axis): what a row-wise maximum has to tell apart.
    pub row_top: f64,
    /// Smallest and largest logarithm of the sum of a row's exponentials; infinite unless a soft-max reads it.
    pub log_sum: (f64, f64),
    /// How many values were seen; `usize::MAX` for a range that holds of itself.
    pub seen: usize,
    /// Largest power of two of which all values seen are multiples; 0 unless it was asked for.
    pub grain: f64,
}

/// Fewer values than this do not show which sign a tensor has.
const SIGN_KNOWN: usize = 64;

impl Span {
    const NO_ROWS: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);
    pub const EMPTY: Span = Span {
        lo: f64::INFINITY,
        hi: f64::NEG_INFINITY,
        row_top: f64::INFINITY,
        log_sum: Self::NO_ROWS,
        seen: 0,
        grain: f64::INFINITY,
    };

    pub fn new(lo: f64, hi: f64) -> Self {
        Self { lo, hi, row_top: lo, log_sum: Self::NO_ROWS, seen: usize::MAX, grain: 0.0 }
    }

    pub fn of(data: &[f64], row: usize) -> Self {
        data.chunks(row.max(1)).fold(Self::EMPTY, |s, r| {
            let (lo, hi) = r.iter().fold((s.lo, f64::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)));
            Self { lo, hi: s.hi.max(hi), row_top: s.row_top.min(hi), seen: s.seen + r.len(), ..s }
        })
    }

    /// With the logarithms of the sums of exponentials of its rows.
    pub fn with_log_sums(self, data: &[f64], row: usize) -> Self {
        let sums = data.chunks(row.max(1)).map(crate::real::eval::log_sum_exp);
        let log_sum = sums.fold(self.log_sum, |(lo, hi), v| (lo.min(v), hi.max(v)));
        Self { log_sum, ..self }
    }

    pub fn join(self, other: Self) -> Self {
        Self {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
            row_top: self.row_top.min(other.row_top),
            log_sum: (self.log_sum.0.min(other.log_sum.0), self.log_sum.1.max(other.log_sum.1)),
            seen: self.seen.saturating_add(other.seen),
            grain: self.grain.min(other.grain),
        }
    }

    /// Whether values below 0 must be expected. Zero as the least value is taken for a bound; a few positive
    /// values are not.
    pub fn signed(self) -> bool {
        self.lo < 0.0 || (self.lo > 0.0 && self.seen < SIGN_KNOWN)
    }

    /// The integers of an input between which the values lie.
    pub fn cells(self, spec: &crate::model::InputSpec) -> Range {
        let unit = 2f64.powi(-spec.scale);
        let (lo, hi) = ((self.lo / unit).floor() as i64, (self.hi / unit).ceil() as i64);
        Range { lo: lo.clamp(spec.range.lo, spec.range.hi), hi: hi.clamp(spec.range.lo, spec.range.hi) }
    }

    /// Largest absolute value.
    pub fn reach(self) -> f64 {
        let r = self.lo.abs().max(self.hi.abs());
        if r.is_finite() { r } else { 1.0 }
    }
}

/// Bits of a real input that a comparison or a rounding operator reads, with its sign.
const SHARP_BITS: u32 = 20;
/// Bits of whole numbers that are only read as real ones, with their sign.
const CAST_BITS: u32 = 31;
/// Bits more of an input whose columns have powers of two of their own.
const LEVELLED_BITS: u32 = 4;
/// Inputs are given more room than what is computed from them, unless many values were seen.
const INPUT_MARGIN: f64 = 1.5;
/// Values that tell the range of a tensor well, and the largest margin that it is then given.
const RANGE_KNOWN: usize = 4096;
const KNOWN_MARGIN: f64 = 2.0;

/// An integer tensor that stands for a real one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rep {
    pub id: TensorId,
    /// Real value of one unit.
    pub step: f64,
}

/// An input or output of the integer graph.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub name: String,
    pub kind: Kind,
    pub shape: Vec<usize>,
    pub scale: i32,
    pub range: Range,
    /// Of an input: whether cells may be missing, for each place of the last axis; empty where none may.
    pub missing: Vec<bool>,
}

/// What quantisation makes.
pub(crate) struct Quantised {
    pub graph: Graph,
    pub params: Params,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// Integer tensor of each live real tensor, with its step.
    pub reps: Vec<Option<Rep>>,
    /// Weights of products whose width is open: the real constant and the integer tensor.
    pub weights: Vec<(TensorId, TensorId)>,
}

pub(crate) struct Quantiser<'a> {
    g: &'a RealGraph,
    spans: &'a [Span],
    set: Setting,
    b: Builder,
    reps: Vec<Option<Rep>>,
    narrowed: HashMap<(u32, u32), Rep>,
    weights: HashMap<(u32, u64), Rep>,
    /// Weights whose unit follows from their width.
    open: Vec<(TensorId, TensorId)>,
    widths: &'a Widths,
    used: HashMap<String, usize>,
    scope: String,
    /// Tensors that a step function reads, directly or through sums and views.
    sharp: Vec<bool>,
    /// Tensors that a quotient of whole numbers reads: their maxima are exact.
    divided: Vec<bool>,
    /// Tensors of which a maximum is taken, directly or through multiples and views.
    extreme: Vec<bool>,
    /// Operands of up to this many bits are taken as they are, whatever width is asked for.
    slack: u32,
    /// Soft-max tensors that exist only inside products.
    deferred: Vec<bool>,
    /// Values of functions, from this attempt and those before.
    values: &'a Values,
    /// How the function of each tensor is spread over the model.
    spreads: Vec<Option<table::Spread>>,
    /// Cells of all tensors whose exponentials are taken.
    exponents: usize,
    /// Exponentials by soft-max operand.
    rows: HashMap<u32, softmax::Row>,
}

/// Builds the integer graph for one setting; `widths` overrides its bits of single weights, and
/// `values` keeps those of functions.
///
/// # Errors
/// `Quantise` where a tensor has no representation within the limits, and whatever the graph refuses.
pub(crate) fn quantise(
    g: &RealGraph,
    live: &[bool],
    spans: &[Span],
    set: Setting,
    (widths, values): (&Widths, &Values),
) -> Result<Quantised> {
    let mut q = Quantiser {
        g,
        spans,
        set,
        b: Builder::new(),
        reps: vec![None; g.tensors.len()],
        narrowed: HashMap::new(),
        weights: HashMap::new(),
        open: Vec::new(),
        widths,
        values,
        used: HashMap::new(),
        scope: String::new(),
        sharp: g.sharp(live),
        divided: g.divided(live),
        extreme: g.extreme(live),
        slack: 0,
        deferred: attention::deferred(g, live, spans),
        spreads: table::spreads(g, live, spans),
        exponents: softmax::exponents(g, live),
        rows: HashMap::new(),
    };
    let mut inputs = Vec::new();
    for &id in &g.inputs {
        inputs.push(q.input(id)?);
    }
    for (i, t) in g.tensors.iter().enumerate() {
        if let (true, false, Source::Op(op)) = (live[i], q.deferred[i], &t.source) {
            q.scope = t.name.clone();
            let rep = q.emit(TensorId(i as u32), op)?;
            q.reps[i] = Some(rep);
        }
    }
    let mut outputs = Vec::new();
    for &id in &g.outputs {
        outputs.push(q.output(id)?);
    }
    let (graph, params) = q.b.finish()?;
    Ok(Quantised { graph, params, inputs, outputs, reps: q.reps, weights: q.open })
}

/// Smallest power of two (as an exponent) that is at least `x`.
pub(crate) fn exponent(x: f64) -> i32 {
    if x > 0.0 && x.is_finite() { (x.log2() - 1e-9).ceil() as i32 } else { 0 }
}

/// Range of `bits` bits, signed or not.
pub(crate) fn bit_range(bits: u32, signed: bool) -> Range {
    if signed {
        Range { lo: -(1 << (bits - 1)), hi: (1 << (bits - 1)) - 1 }
    } else {
        Range { lo: 0, hi: (1 << bits) - 1 }
    }
}

/// Bits that hold a range as signed numbers.
pub(crate) fn bits_of(r: Range) -> u32 {
    let top = r.hi.max(-(r.lo + 1)).max(0);
    65 - top.leading_zeros()
}

impl Quantiser<'_> {
    fn name(&mut self, part: &str) -> String {
        let base = if part.is_empty() { self.scope.clone() } else { format!("{}/{part}", self.scope) };
        let n = self.used.entry(base.clone()).or_insert(0);
        *n += 1;
        if *n == 1 { base } else { format!("{base}~{n}") }
    }

    fn span(&self, id: TensorId) -> Span {
        self.spans[id.0 as usize]
    }

    fn range(&self, id: TensorId) -> Range {
        self.b.tensor(id).map(|t| t.range).unwrap_or(Range { lo: 0, hi: 0 })
    }

    /// Factor by which the calibrated range of a tensor is widened.
    fn margin(&self, span: Span) -> f64 {
        match span.seen {
            usize::MAX => 1.0,
            RANGE_KNOWN.. => self.set.margin.min(KNOWN_MARGIN),
            _ => self.set.margin,
        }
    }

    fn scale_of(step: f64) -> i32 {
        (-step.log2()).round() as i32
    }

    fn refuse(&self, reason: String) -> FrontendError {
        FrontendError::Quantise {
            tensor: self.scope.clone(),
            reason,
            hint: "give sample inputs of the usual size, or rescale the model's inputs".into(),
        }
    }

    /// Integer form of a computed tensor or input.
    fn rep(&self, id: TensorId) -> Result<Rep> {
        self.reps[id.0 as usize].ok_or_else(|| self.refuse(format!("tensor {} has no integer form yet", id.0)))
    }

    fn input(&mut self, id: TensorId) -> Result<Port> {
        let (t, span) = (self.g.get(id), self.span(id));
        let missing = self.g.missing.get(&id).cloned().unwrap_or_default();
        self.scope = t.name.clone();
        let signed = if t.kind == Kind::Float { span.signed() } else { span.lo < 0.0 };
        let (bits, signed, step) = match t.kind {
            Kind::Text => return self.text_input(id),
            Kind::Bool => (1, false, 1.0),
            Kind::Int => {
                if let Some(port) = self.row_input(id, signed)? {
                    return Ok(port);
                }
                let readers = self.g.index_readers(id);
                let seen = span.reach() * self.set.margin + 1.0;
                // What reads a part of the cells says nothing about the others.
                let rest = if readers.iter().all(|r| r.1) { 0.0 } else { seen };
                let top = readers.iter().map(|r| r.0 as f64).fold(rest, f64::max);
                let top = if top > 0.0 { top } else { seen };
                ((exponent(top) as u32 + u32::from(signed)).max(1), signed, 1.0)
            }
            Kind::Float if let Some(compared) = self.compared_input(id) => compared,
            Kind::Float => {
                // Rounding an operand of a comparison can turn its result: differences are kept as far as possible.
                let sharp = self.sharp[id.0 as usize];
                // Columns may fill a part of the range only.
                let levelled = if self.g.levelled.contains(&id) { LEVELLED_BITS } else { 0 };
                let bits = if sharp {
                    SHARP_BITS.max(self.set.input_bits)
                } else {
                    self.set.input_bits.max((self.set.input_bits + levelled).min(SHARP_BITS))
                };
                let bits = bits - u32::from(!signed);
                let room = f64::from(if signed { 1u32 << (bits - 1) } else { 1 << bits }) - 1.0;
                // The largest integer may be no number.
                let room = room - f64::from(u8::from(!missing.is_empty()));
                let spare = if span.seen < RANGE_KNOWN { INPUT_MARGIN } else { 1.0 };
                let top = span.reach() * self.margin(span) * spare;
                (bits, signed, 2f64.powi(exponent(if top > 0.0 { top } else { 1.0 } / room)))
            }
        };
        let most = if self.g.is_cast_only(id) { CAST_BITS } else { 16 };
        if bits > most && t.kind != Kind::Float {
            return Err(self.refuse(format!("whole numbers need {bits} bits, more than the {most} of an input")));
        }
        let range = bit_range(bits, signed);
        let scale = Self::scale_of(step);
        let name = self.name("");
        let int = self.b.input(&name, &t.shape, range, scale)?;
        self.reps[id.0 as usize] = Some(Rep { id: int, step });
        Ok(Port { name: t.name.clone(), kind: t.kind, shape: t.shape.clone(), scale, range, missing })
    }

    /// Makes an output whose unit is a power of two.
    fn output(&mut self, id: TensorId) -> Result<Port> {
        let t = self.g.get(id);
        self.scope = format!("{}/output", t.name);
        let rep = match self.g.as_const(id) {
            Some(data) => {
                let span = Span::of(data, 1);
                let step = if t.kind == Kind::Float { 2f64.powi(exponent(span.reach().max(1e-30)) - 20) } else { 1.0 };
                let cells = data.iter().map(|v| (v / step).round() as i64).collect();
                let name = self.name("value");
                Rep { id: self.b.constant(&name, &t.shape, cells, Self::scale_of(step))?, step }
            }
            None => self.rep(id)?,
        };
        let exact = (rep.step.log2() - rep.step.log2().round()).abs() < 1e-12;
        let (coef, scale) = if exact {
            (1, Self::scale_of(rep.step))
        } else {
            let scale = 14 - rep.step.log2().floor() as i32;
            ((rep.step * 2f64.powi(scale)).round() as i64, scale)
        };
        let copy = self.b.graph().inputs.contains(&rep.id) || self.b.graph().outputs.contains(&rep.id);
        let named = matches!(t.source, Source::Const { .. });
        let out = if coef != 1 || copy || named {
            let name = self.name("");
            self.b.combine(&name, &[(coef, rep.id)], 0, scale)?
        } else {
            rep.id
        };
        self.b.output(out)?;
        let (range, missing) = (self.range(out), Vec::new());
        Ok(Port { name: t.name.clone(), kind: t.kind, shape: t.shape.clone(), scale, range, missing })
    }
}
