//! Floor, ceiling and rounding to the nearest whole number: exact shifts of the operand, whatever its width.
//!
//! A table would have to round its argument first, and so move it across the very edges that matter.

use super::narrow::MAX_SHIFT;
use super::{Quantiser, Rep, Span, exponent};
use crate::error::Result;
use crate::real::expr::{Expr, Un};

/// Bits of the largest whole number.
const WHOLE_BITS: u32 = 14;

impl Quantiser<'_> {
    /// The whole numbers near `f`'s argument, if that is the operand plus a constant and its unit a power of two.
    pub(super) fn rounded(&mut self, x: Rep, span: Span, f: &Expr) -> Result<Option<Rep>> {
        let Expr::Un(un @ (Un::Floor | Un::Ceil | Un::RoundEven), inner) = f else { return Ok(None) };
        let Some((a, c)) = inner.as_affine() else { return Ok(None) };
        let step = a.abs() * x.step;
        let shift = -step.log2();
        if a == 0.0 || shift.fract() != 0.0 || !(1.0..=f64::from(MAX_SHIFT)).contains(&shift) {
            return Ok(None);
        }
        let offset = c / step;
        if offset.fract() != 0.0 || offset.abs() > 2f64.powi(40) {
            return Ok(None);
        }
        let at = Whole { x, sign: if a < 0.0 { -1 } else { 1 }, offset: offset as i64, shift: shift as u32 };
        let reach = (self.room(x, span.reach(), self.margin(span)) * a.abs() + c.abs()) + 1.0;
        let bits = (exponent(reach) as u32 + 1).clamp(2, WHOLE_BITS);
        let half = 1i64 << (at.shift - 1);
        let id = match un {
            Un::Floor => self.nearest(&at, 1, -half, bits)?,
            Un::Ceil => {
                let down = self.nearest(&at, -1, -half, bits)?;
                let name = self.name("ceiling");
                self.b.combine(&name, &[(-1, down)], 0, 0)?
            }
            _ => {
                // Both directions at a tie differ by 1, and then their sum is odd: the even one of the two is taken.
                let (up, down) = (self.nearest(&at, 1, 0, bits)?, self.nearest(&at, -1, 0, bits)?);
                let name = self.name("both");
                let both = self.b.combine(&name, &[(1, up), (-1, down)], 0, 0)?;
                let end = 1i64 << (bits + 1);
                let even = |s: i64| {
                    if s % 2 == 0 { s / 2 } else { s.div_euclid(4) * 2 + if s.rem_euclid(4) == 3 { 2 } else { 0 } }
                };
                let table = self.b.table(&format!("even{bits}"), -end, (-end..end).map(even).collect())?;
                let name = self.name("");
                self.b.lookup(&name, both, 0, table, 0)?
            }
        };
        Ok(Some(Rep { id, step: 1.0 }))
    }

    /// `sign * argument + extra`, rounded to the nearest whole number, half up.
    fn nearest(&mut self, at: &Whole, sign: i64, extra: i64, bits: u32) -> Result<proveil_graph::TensorId> {
        let scale = Self::scale_of(at.x.step);
        let name = self.name("argument");
        let sum = self.b.combine(&name, &[(sign * at.sign, at.x.id)], sign * at.offset + extra, scale)?;
        let table = self.identity_table(bits, true)?;
        let name = self.name("whole");
        Ok(self.b.lookup(&name, sum, at.shift, table, 0)?)
    }
}

/// An argument `sign * x + offset` in units of `2^-shift`.
struct Whole {
    x: Rep,
    sign: i64,
    offset: i64,
    shift: u32,
}
