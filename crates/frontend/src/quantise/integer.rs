//! Integers that a file prescribes: requantisation by an integer factor and one look-up that shifts, rounds and
//! clamps, and quotients rounded to the nearest integer.

use proveil_graph::{Access, Piece, TensorId};

use super::narrow::MAX_SHIFT;
use super::{Quantiser, Rep, bit_range, bits_of, exponent};
use crate::error::Result;
use crate::real::{Requantise, identity};

/// Bits of an integer factor, if the operand leaves room for them below [`WIDEST`].
const FACTOR_BITS: i32 = 20;
/// Bits of a scaled operand.
const WIDEST: i32 = 52;
/// Bits by which an operand of a look-up may exceed table and shift.
const HEAD_BITS: u32 = 15;
/// Bits of an operand of a quotient, or of a maximum that leads to one, that is not rounded: each level of a tree of
/// maxima adds to the bound, not to the values.
pub(super) const QUOTIENT_BITS: u32 = 24;
/// Widest table.
const MAX_TABLE: u32 = 16;

impl Quantiser<'_> {
    /// `clamp(round(x * factor) + offset)`: the offset joins the sum, so that the table is the clamp alone.
    pub(super) fn requantise_to(&mut self, r: &Requantise) -> Result<Rep> {
        let mut x = self.rep(r.x)?;
        if bits_of(self.range(x.id)) > 40 {
            x = self.narrow(r.x, MAX_TABLE)?;
        }
        let units: Vec<f64> = r.factors.iter().map(|f| f * x.step).collect();
        let top = units.iter().fold(0f64, |m, u| m.max(u.abs()));
        let room = FACTOR_BITS.min(WIDEST - bits_of(self.range(x.id)) as i32);
        let most = (room - exponent(top)).clamp(0, MAX_SHIFT as i32);
        let whole = |k: i32| units.iter().all(|u| (u * 2f64.powi(k)).fract() == 0.0);
        let shift = (0..most).find(|&k| whole(k)).unwrap_or(most) as u32;
        let factors: Vec<i64> = units.iter().map(|u| (u * 2f64.powi(shift as i32)).round() as i64).collect();
        let name = self.name("scaled");
        let sum = self.scaled(&name, x.id, &factors, r.offset << shift)?;
        // The table holds the clamped range; a wide operand needs a wider table to be decomposed.
        let signed = r.lo < 0;
        let own = if signed { bits_of(proveil_graph::Range { lo: r.lo, hi: r.hi }) } else { top_bits(r.hi) };
        let needed = bits_of(self.range(sum)).saturating_sub(shift + HEAD_BITS);
        let bits = own.max(needed).max(1);
        if bits > MAX_TABLE {
            return Err(self.refuse(format!("a number of {} bits is clamped", bits_of(self.range(sum)))));
        }
        let range = bit_range(bits, signed);
        let values = (range.lo..=range.hi).map(|v| v.clamp(r.lo, r.hi)).collect();
        let table = self.b.table(&format!("clamp_{}_{}", r.lo, r.hi), range.lo, values)?;
        let name = self.name("");
        Ok(Rep { id: self.b.lookup(&name, sum, shift, table, 0)?, step: 1.0 })
    }

    /// `x` times one factor, or a factor for each cell of the last axis, plus a constant.
    fn scaled(&mut self, name: &str, x: TensorId, factors: &[i64], constant: i64) -> Result<TensorId> {
        if let [one] = factors {
            return Ok(self.b.combine(name, &[(*one, x)], constant, 0)?);
        }
        let shape = self.b.tensor(x)?.shape.clone();
        let last = shape.len() - 1;
        let (mut pieces, mut at) = (Vec::new(), 0);
        while at < factors.len() {
            let len = factors[at..].iter().take_while(|f| **f == factors[at]).count();
            let (mut start, mut extents) = (vec![0; shape.len()], shape.clone());
            (start[last], extents[last]) = (at, len);
            let mut axes = identity(shape.len());
            axes[last].offset = at as i64;
            pieces.push(Piece {
                start,
                extents,
                sum: Vec::new(),
                coef: factors[at],
                access: Access { tensor: x, axes },
            });
            at += len;
        }
        Ok(self.b.linear(name, &shape, pieces, constant, 0)?)
    }

    /// `round(times * num / den)` for divisors from 0 on; a divisor of 0 counts as the least one.
    pub(super) fn round_div(&mut self, num: TensorId, den: TensorId, times: i64) -> Result<Rep> {
        self.slack = QUOTIENT_BITS;
        let operands = (self.narrow(num, MAX_TABLE), self.narrow(den, MAX_TABLE));
        self.slack = 0;
        let (n, d) = (operands.0?, operands.1?);
        let reach = self.span(den).reach() * self.set.margin;
        let wanted = exponent(reach / d.step + 1.0).max(1) as u32;
        let bits = wanted.min(MAX_TABLE);
        // What is wider than a table loses its last bits, not its first.
        let shift = wanted - bits;
        let positive = (0..1i64 << bits).map(|v| v.max(1)).collect();
        let table = self.b.table(&format!("at_least_one_u{bits}"), 0, positive)?;
        let step = d.step * 2f64.powi(shift as i32);
        let name = self.name("divisor");
        let divisor = self.b.lookup(&name, d.id, shift, table, Self::scale_of(step))?;
        // Both in one unit: q = floor((2 times n + d) / 2 d).
        let unit = n.step.min(step);
        let (kn, kd) = ((n.step / unit).round() as i64, (step / unit).round() as i64);
        let name = self.name("numerator");
        let top = self.b.combine(&name, &[(2 * times * kn, n.id), (kd, divisor)], 0, 0)?;
        let name = self.name("denominator");
        let bottom = self.b.combine(&name, &[(2 * kd, divisor)], 0, 0)?;
        let name = self.name("");
        Ok(Rep { id: self.b.div(&name, top, bottom, 0)?, step: 1.0 })
    }
}

/// Bits of an unsigned number.
fn top_bits(v: i64) -> u32 {
    64 - v.max(1).leading_zeros()
}
