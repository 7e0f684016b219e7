//! Comparison with a hidden threshold: nothing public may depend on its value, so its unit follows from what it is
//! compared with.

use proveil_graph::{Access, Piece, TensorId};

use super::{Quantiser, Rep, bit_range, exponent};
use crate::error::Result;
use crate::real::{broadcast_axes, identity};

/// Bits of the parameter that holds the threshold.
const BITS: u32 = 16;

impl Quantiser<'_> {
    /// 1 where a cell is at least the threshold. Thresholds outside twice the calibrated range saturate there.
    pub(super) fn reaches(&mut self, x: TensorId, threshold: f64) -> Result<Rep> {
        let rep = if self.g.as_const(x).is_some() { self.operand(x, BITS, None)? } else { self.rep(x)? };
        let range = bit_range(BITS, true);
        let top = 2.0 * self.span(x).reach().max(rep.step);
        // Units of the parameter in units of x, or the other way round, whichever is whole.
        let power = exponent(top / range.hi as f64 / rep.step).max(-20);
        let (own, edge) = if power >= 0 { (1, 1i64 << power.min(40)) } else { (1i64 << -power, 1) };
        let step = rep.step / own as f64;
        let cell = (threshold / (step * edge as f64)).round().clamp(range.lo as f64, range.hi as f64);
        let shape = self.g.get(x).shape.clone();
        let ones = vec![1; shape.len()];
        let name = self.name("threshold");
        let unit = Self::scale_of(step * edge as f64);
        let parameter = self.b.param(&name, &ones, range, unit, vec![cell as i64])?;
        let vars: Vec<usize> = (0..shape.len()).collect();
        let piece = |coef: i64, access: Access| Piece {
            start: vec![0; shape.len()],
            extents: shape.clone(),
            sum: Vec::new(),
            coef,
            access,
        };
        let pieces = vec![
            piece(own, Access { tensor: rep.id, axes: identity(shape.len()) }),
            piece(-edge, Access { tensor: parameter, axes: broadcast_axes(&ones, &vars) }),
        ];
        let name = self.name("above");
        let above = self.b.linear(&name, &shape, pieces, 0, Self::scale_of(step))?;
        self.compare(Rep { id: above, step }, 1.0, 0.0, false)
    }
}
