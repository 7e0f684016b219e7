//! Functions as tables: argument scale, domain and output scale from calibrated ranges.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use proveil_graph::TensorId;

use super::interpolate::Curve;
use super::{Quantiser, Rep, Span, bit_range, bits_of, exponent};
use crate::error::Result;
use crate::real::{RealGraph, RealOp, Source};
use crate::tensor::Kind;

/// Points at which a function is tested for saturation.
const PROBES: usize = 256;

/// Slopes up to so many times the mean one are not steep.
const STEEP: f64 = 8.0;

/// Functions whose calibrated ranges differ by no more than this many bits share one table.
const ALIKE: i32 = 1;
/// Bits of results that are not negative, at most.
const POSITIVE_BITS: i32 = 16;

/// What is known of the results of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    /// Calibrated range.
    pub to: Span,
    pub kind: Kind,
    /// Whether it jumps, so that its arguments must not be rounded without need.
    pub sharp: bool,
    /// Cells that the function is applied to, in all of the model.
    pub cells: usize,
    /// Calibrated range of all arguments of the function, if it is about that of these.
    pub shared: Span,
    /// The tensor whose function it is, if it is one of the real graph.
    pub of: Option<TensorId>,
}

/// A function, by tensor, with bits, sign and unit of its arguments.
type Asked = (TensorId, u32, bool, u64);

/// Values of functions on domains, kept from one attempt of the search to the next: most ask for the same ones.
#[derive(Debug, Default)]
pub(crate) struct Values {
    known: RefCell<HashMap<Asked, Rc<[f64]>>>,
    cells: Cell<usize>,
}

impl Values {
    /// Cells that are kept.
    const MOST: usize = 1 << 23;

    /// `f` at all arguments of a domain with this unit; `of` names the function.
    pub(super) fn of(&self, of: Option<TensorId>, domain: Domain, unit: f64, f: &dyn Fn(f64) -> f64) -> Rc<[f64]> {
        let range = bit_range(domain.bits, domain.signed);
        let work = || (range.lo..=range.hi).map(|u| f(u as f64 * unit)).collect::<Rc<[f64]>>();
        let Some(of) = of else { return work() };
        let key = (of, domain.bits, domain.signed, unit.to_bits());
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let values = work();
        if self.cells.get() + values.len() <= Self::MOST {
            self.cells.set(self.cells.get() + values.len());
            self.known.borrow_mut().insert(key, values.clone());
        }
        values
    }
}

/// The integers that a function is tabulated on, and how many bits of the argument are dropped before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Domain {
    pub bits: u32,
    pub signed: bool,
    pub shift: u32,
}

/// How one function is spread over a model: cells, range of the arguments and range of the results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    cells: usize,
    from: Span,
    to: Span,
}

/// The spread of the function of every tensor that one defines.
pub(super) fn spreads(g: &RealGraph, live: &[bool], spans: &[Span]) -> Vec<Option<Spread>> {
    let mut all: Vec<(usize, Spread)> = Vec::new();
    let map = |i: usize| match &g.tensors[i].source {
        Source::Op(RealOp::Map { x, f }) => Some((*x, f)),
        _ => None,
    };
    let alike = |i: usize, j: usize| {
        g.tensors[i].kind == g.tensors[j].kind && map(i).zip(map(j)).is_some_and(|(a, b)| a.1 == b.1)
    };
    let mut own = vec![None; g.tensors.len()];
    for i in (0..own.len()).filter(|i| live[*i]) {
        let Some((x, _)) = map(i) else { continue };
        let one = Spread { cells: g.tensors[i].cells(), from: spans[x.0 as usize], to: spans[i] };
        let at = all.iter().position(|(j, _)| alike(i, *j));
        match at.map(|at| &mut all[at].1) {
            Some(s) => *s = Spread { cells: s.cells + one.cells, from: s.from.join(one.from), to: s.to.join(one.to) },
            None => all.push((i, one)),
        }
        own[i] = Some(at.unwrap_or(all.len() - 1));
    }
    own.into_iter().map(|at| at.map(|at: usize| all[at].1)).collect()
}

impl Quantiser<'_> {
    /// The function of a tensor by a table, the same one wherever the function has about the same range.
    pub(super) fn function(&mut self, id: TensorId, x: TensorId, sharp: bool, f: &dyn Fn(f64) -> f64) -> Result<Rep> {
        let (rep, kind) = (self.rep(x)?, self.g.kind(id));
        let (from, to) = (self.span(x), self.span(id));
        let cells = self.g.get(id).cells();
        let near = |all: Span, own: Span| exponent(all.reach()) - exponent(own.reach()) <= ALIKE;
        let image = match self.spreads[id.0 as usize] {
            // Results have bits to spare, arguments of tables of all of them have not.
            Some(s) if kind == Kind::Float && near(s.from, from) && near(s.to, to) => {
                Image { to: s.to, kind, sharp, cells: s.cells, shared: s.from, of: Some(id) }
            }
            _ => Image { to, kind, sharp, cells, shared: from, of: Some(id) },
        };
        self.table_of(rep, from, image, f)
    }

    /// A look-up of `f` on values that reach `from`.
    pub(super) fn table_of(&mut self, x: Rep, from: Span, image: Image, f: &dyn Fn(f64) -> f64) -> Result<Rep> {
        let Image { kind, sharp, cells, shared, of, .. } = image;
        if self.is_relu(from, kind, f) {
            let bits = self.set.activation_bits;
            let reach = self.room(x, from.hi.max(0.0), self.margin(from));
            let shift = self.shift_for(x, reach, bits, false)?;
            let table = self.identity_table(bits, false)?;
            let step = x.step * 2f64.powi(shift as i32);
            let name = self.name("");
            return Ok(Rep { id: self.b.lookup(&name, x.id, shift, table, Self::scale_of(step))?, step });
        }
        if kind == Kind::Float && !sharp {
            let domain = self.domain(x, shared, image, f)?;
            let (raw, step, limit) = self.results(x, domain, image, f);
            let curve = Curve { f, of, domain, step, limit: limit.1 * step, cells, ends: false };
            if let Some(rep) = self.interpolated(x, &curve)? {
                let (least, most) = raw.iter().fold((f64::MAX, 0f64), |(l, m), v| (l.min(*v), m.max(*v)));
                let bits = exponent(most / step + 1.0).clamp(1, POSITIVE_BITS) as u32;
                // What follows may need to know that there is nothing below 0.
                return if least >= 0.0 { self.positive(rep, step, bits) } else { Ok(rep) };
            }
        }
        let domain = self.domain(x, from, image, f)?;
        let (raw, step, limit) = self.results(x, domain, image, f);
        let lo = bit_range(domain.bits, domain.signed).lo;
        let values = raw.iter().map(|v| (v / step).round().clamp(limit.0, limit.1) as i64).collect();
        let table = self.b.table(&format!("table{}", self.b.graph().tables.len()), lo, values)?;
        let name = self.name("");
        Ok(Rep { id: self.b.lookup(&name, x.id, domain.shift, table, Self::scale_of(step))?, step })
    }

    /// Values of a function at all arguments of a domain, with their unit and limits.
    fn results(&self, x: Rep, domain: Domain, image: Image, f: &dyn Fn(f64) -> f64) -> (Vec<f64>, f64, (f64, f64)) {
        let unit = x.step * 2f64.powi(domain.shift as i32);
        let raw = finite(self.values.of(image.of, domain, unit, f).to_vec());
        let (step, limit) = self.output_unit(image.to, image.kind, &raw);
        (raw, step, limit)
    }

    /// The domain of a table of all arguments.
    fn domain(&self, x: Rep, from: Span, image: Image, f: &dyn Fn(f64) -> f64) -> Result<Domain> {
        let margin = self.margin(from);
        let (bound, own) = (self.range(x.id), |v: f64| v * x.step);
        let lo = from.lo.min(from.lo * margin).max(own(bound.lo as f64).min(from.lo));
        let hi = from.hi.max(from.hi * margin).min(own(bound.hi as f64).max(from.hi));
        let wide = Span::new(lo, hi);
        // Between two probes a step function can do anything.
        let domain = if image.sharp { wide } else { trim(wide, image.to, f) };
        let seen = Span::new(domain.lo.max(from.lo.min(domain.hi)), domain.hi.min(from.hi.max(domain.lo)));
        let most = if image.sharp { 16 } else { self.steepness(seen, image.to, f) };
        let signed = domain.lo < 0.0;
        let own = bits_of(bound) - u32::from(bound.lo >= 0);
        if own <= most.max(8) && (bound.lo >= 0) != signed {
            return Ok(Domain { bits: own.max(1), signed: bound.lo < 0, shift: 0 });
        }
        self.domain_for(x, domain.reach(), most, signed)
    }

    /// Bits of the argument of a function: more than others have where it is so steep that one step of the argument
    /// would show in the results.
    fn steepness(&self, from: Span, to: Span, f: &dyn Fn(f64) -> f64) -> u32 {
        let width = from.hi - from.lo;
        let at = |i: usize| f(from.lo + width * i as f64 / PROBES as f64);
        let rise = (0..PROBES).map(|i| (at(i + 1) - at(i)).abs()).filter(|v| v.is_finite()).fold(0.0, f64::max);
        // Largest slope over the mean one of a function that crosses its image once.
        let ratio = rise * PROBES as f64 / to.reach().max(1e-30);
        let extra = exponent((ratio / STEEP).max(1.0)) as u32;
        (self.set.table_bits + extra).min(16).max(self.set.table_bits)
    }

    /// Unit and limits of results: values of a table may have more bits than its arguments, at no cost. The unit
    /// follows from what calibration saw and what the table can reach at all; the limits leave what room there is.
    fn output_unit(&self, to: Span, kind: Kind, values: &[f64]) -> (f64, (f64, f64)) {
        let widest = bit_range(16, true);
        let limit = (widest.lo as f64, widest.hi as f64);
        if kind != Kind::Float {
            return (1.0, limit);
        }
        let bits = (self.set.activation_bits + 2).min(15);
        let room = bit_range(bits, to.lo < 0.0).hi as f64;
        let top = values.iter().fold(0.0, |m: f64, v| m.max(v.abs())).min(to.reach() * self.margin(to));
        (2f64.powi(exponent(top.max(1e-30) / room)), limit)
    }

    fn is_relu(&self, from: Span, kind: Kind, f: &dyn Fn(f64) -> f64) -> bool {
        let top = from.reach() * self.margin(from) * 2.0;
        // Evenly over the whole range, and ever closer to 0: smooth functions differ from this one there only.
        let even = (0..=PROBES).map(|i| top * (i as f64 / PROBES as f64 * 2.0 - 1.0));
        let close = (0..PROBES as i32).map(|i| top * 2f64.powf(f64::from(-i) / 8.0) * f64::from(1 - 2 * (i % 2)));
        kind == Kind::Float && from.hi > 0.0 && even.chain(close).all(|v| f(v) == v.max(0.0))
    }
}

/// Cuts off the ends of a domain on which the function is flat; a table saturates there anyway.
fn trim(domain: Span, to: Span, f: &dyn Fn(f64) -> f64) -> Span {
    let flat = (to.hi - to.lo).abs() * 1e-5;
    let at = |i: usize| domain.lo + (domain.hi - domain.lo) * i as f64 / PROBES as f64;
    let same = |a: f64, b: f64| (f(a) - f(b)).abs() <= flat;
    let mut first = 0;
    while first < PROBES / 2 && same(at(first + 1), domain.lo) {
        first += 1;
    }
    let mut last = PROBES;
    while last > PROBES / 2 && same(at(last - 1), domain.hi) {
        last -= 1;
    }
    Span::new(at(first), at(last))
}

/// Replaces what a function leaves undefined by its nearest defined value.
pub(super) fn finite(mut values: Vec<f64>) -> Vec<f64> {
    let mut last = values.iter().rev().copied().find(|v| v.is_finite()).unwrap_or(0.0);
    for v in values.iter_mut().rev() {
        if v.is_nan() || *v == f64::NEG_INFINITY || *v == f64::INFINITY {
            *v = last;
        } else {
            last = *v;
        }
    }
    values
}
