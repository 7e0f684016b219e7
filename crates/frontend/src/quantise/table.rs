//! Functions as tables: argument scale, domain and output scale from calibrated ranges.

use super::{Quantiser, Rep, Span, bit_range, bits_of, exponent};
use crate::error::Result;
use crate::tensor::Kind;

/// Points at which a function is tested for saturation.
const PROBES: usize = 256;

/// Slopes up to so many times the mean one are not steep.
const STEEP: f64 = 8.0;

/// What is known of the results of a function.
pub(super) struct Image {
    /// Calibrated range.
    pub to: Span,
    pub kind: Kind,
    /// Whether it jumps, so that its arguments must not be rounded without need.
    pub sharp: bool,
}

impl Quantiser<'_> {
    /// A look-up of `f` on values that reach `from`.
    pub(super) fn table_of(&mut self, x: Rep, from: Span, image: Image, f: &dyn Fn(f64) -> f64) -> Result<Rep> {
        let Image { to, kind, sharp } = image;
        if self.is_relu(from, kind, f) {
            let bits = self.set.activation_bits;
            let reach = self.room(x, from.hi.max(0.0), self.margin(from));
            let shift = self.shift_for(x, reach, bits, false)?;
            let table = self.identity_table(bits, false)?;
            let step = x.step * 2f64.powi(shift as i32);
            let name = self.name("");
            return Ok(Rep { id: self.b.lookup(&name, x.id, shift, table, Self::scale_of(step))?, step });
        }
        let margin = self.margin(from);
        let (bound, own) = (self.range(x.id), |v: f64| v * x.step);
        let lo = from.lo.min(from.lo * margin).max(own(bound.lo as f64).min(from.lo));
        let hi = from.hi.max(from.hi * margin).min(own(bound.hi as f64).max(from.hi));
        let wide = Span::new(lo, hi);
        // Between two probes a step function can do anything.
        let domain = if sharp { wide } else { trim(wide, to, f) };
        let most = if sharp { 16 } else { self.steepness(from, to, f) };
        let signed = domain.lo < 0.0;
        let declared = self.range(x.id);
        let own = bits_of(declared) - u32::from(declared.lo >= 0);
        let needed = exponent(domain.reach() / x.step + 1.0).max(0) as u32 + u32::from(signed);
        let whole_domain = own <= most.max(8) && (declared.lo >= 0) != signed;
        let bits = if whole_domain { own } else { most.min(needed) }.max(1);
        let signed = if whole_domain { declared.lo < 0 } else { signed };
        let shift = if whole_domain { 0 } else { self.shift_for(x, domain.reach(), bits, signed)? };
        let unit = x.step * 2f64.powi(shift as i32);
        let range = bit_range(bits, signed);
        let raw = finite((range.lo..=range.hi).map(|u| f(u as f64 * unit)).collect());
        let (step, limit) = self.output_unit(to, kind, &raw);
        let values = raw.iter().map(|v| (v / step).round().clamp(limit.0, limit.1) as i64).collect();
        let table = self.b.table(&format!("table{}", self.b.graph().tables.len()), range.lo, values)?;
        let name = self.name("");
        Ok(Rep { id: self.b.lookup(&name, x.id, shift, table, Self::scale_of(step))?, step })
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
fn finite(mut values: Vec<f64>) -> Vec<f64> {
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
