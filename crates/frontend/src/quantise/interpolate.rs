//! Smooth functions of few cells, by pieces of a line: a table has a row for each piece instead of one for each
//! argument.
//!
//! `u` is the argument in a domain of `2^bits` integers from `lo` on, `p = floor((u - lo) / 2^s)` its piece and `t` how far
//! `u` lies from the middle of that piece. Two short tables hold the line of each piece, so that the result is
//! `2^k base(p) + slope(p) t`: look-ups, a sum and a product that the integer graph has anyway. More look-ups for each
//! cell, thousands of rows fewer for each function.

use proveil_graph::TensorId;

use super::table::{Domain, finite};
use super::{Quantiser, Rep, bit_range};
use crate::error::Result;

/// Look-ups that a cell takes beyond those of a table of all arguments.
const EXTRA: usize = 8;
/// Bits of the number of pieces, at least and at most.
const PIECES: (u32, u32) = (4, 10);
/// Bits of the argument beyond those of a table of all arguments: they cost nothing.
const FINER: u32 = 2;
/// Bits of an argument at most.
const MAX_BITS: u32 = 16;
/// Error of a line, in steps between neighbouring rows of the table of all arguments.
const TOLERANCE: f64 = 0.25;
/// Bits of slopes, with their sign.
const SLOPE_BITS: u32 = 16;

/// A function on its domain, and what its results are made of.
pub(super) struct Curve<'a> {
    pub f: &'a dyn Fn(f64) -> f64,
    /// The tensor whose function it is, if it is one of the real graph.
    pub of: Option<TensorId>,
    /// The domain of a table of all arguments.
    pub domain: Domain,
    /// Unit of its values.
    pub step: f64,
    /// Size beyond which results saturate; that is beyond what calibration saw, and need not be exact.
    pub limit: f64,
    /// Cells that look up this function, in all of the model.
    pub cells: usize,
    /// Whether the last argument of the domain stands for all beyond it, whose value is 0.
    pub ends: bool,
}

/// Lines by piece, in units of results.
struct Lines {
    /// Arguments of a piece, as a power of two.
    piece_bits: u32,
    /// Bits of results beyond the unit of the bases.
    more: u32,
    base: Vec<i64>,
    slope: Vec<i64>,
}

impl Quantiser<'_> {
    /// The function by pieces, where that is cheaper and close enough; the result keeps all of its bits.
    pub(super) fn interpolated(&mut self, x: Rep, curve: &Curve<'_>) -> Result<Option<Rep>> {
        let direct = curve.domain;
        let rows = 1usize << direct.bits;
        if EXTRA * curve.cells + (2 << PIECES.0) >= rows {
            return Ok(None);
        }
        let finer = FINER.min(MAX_BITS - direct.bits.min(MAX_BITS)).min(direct.shift);
        let domain = Domain { bits: direct.bits + finer, shift: direct.shift - finer, ..direct };
        let unit = x.step * 2f64.powi(domain.shift as i32);
        let cheaper = |h: &u32| EXTRA * curve.cells + (2 << h) < rows;
        let most = (PIECES.0..=PIECES.1.min(domain.bits - 1)).rev().find(cheaper).unwrap_or(PIECES.0);
        let clamped = |v: &f64| v.clamp(-curve.limit, curve.limit);
        let values = finite(self.values.of(curve.of, domain, unit, curve.f).iter().map(clamped).collect());
        let Some(lines) = (PIECES.0..=most).find_map(|h| lines(curve, &values, domain.bits - h, finer)) else {
            return Ok(None);
        };
        let u = self.cut_to(x, domain)?;
        self.along(u, domain, curve.step, &lines).map(Some)
    }

    /// The argument as an integer of the domain.
    fn cut_to(&mut self, x: Rep, domain: Domain) -> Result<TensorId> {
        let (own, range) = (self.range(x.id), bit_range(domain.bits, domain.signed));
        if domain.shift == 0 && own.lo >= range.lo && own.hi <= range.hi {
            return Ok(x.id);
        }
        let table = self.identity_table(domain.bits, domain.signed)?;
        let name = self.name("argument");
        let scale = Self::scale_of(x.step) - domain.shift as i32;
        Ok(self.b.lookup(&name, x.id, domain.shift, table, scale)?)
    }

    fn along(&mut self, u: TensorId, domain: Domain, step: f64, lines: &Lines) -> Result<Rep> {
        let (s, lo) = (lines.piece_bits, bit_range(domain.bits, domain.signed).lo);
        let half = 1i64 << (s - 1);
        // Look-ups round half up: half a piece less makes that floor.
        let name = self.name("from middle");
        let below = self.b.combine(&name, &[(1, u)], -lo - half, 0)?;
        let pieces = self.identity_table(domain.bits - s, false)?;
        let name = self.name("piece");
        let piece = self.b.lookup(&name, below, s, pieces, 0)?;
        let name = self.name("offset");
        let offset = self.b.combine(&name, &[(1, below), (-(1i64 << s), piece)], 0, 0)?;
        let (coarse, fine) = (Self::scale_of(step), Self::scale_of(step) + lines.more as i32);
        let table = self.b.table(&format!("base{}", self.b.graph().tables.len()), 0, lines.base.clone())?;
        let name = self.name("base");
        let base = self.b.lookup(&name, piece, 0, table, coarse)?;
        let table = self.b.table(&format!("slope{}", self.b.graph().tables.len()), 0, lines.slope.clone())?;
        let name = self.name("slope");
        let slope = self.b.lookup(&name, piece, 0, table, fine)?;
        let name = self.name("rise");
        let rise = self.b.mul(&name, slope, offset)?;
        let name = self.name("line");
        let id = self.b.combine(&name, &[(1i64 << lines.more, base), (1, rise)], 0, fine)?;
        Ok(Rep { id, step: step / 2f64.powi(lines.more as i32) })
    }

    /// The result of [`Self::interpolated`] rounded to a number of few bits that is not negative.
    pub(super) fn positive(&mut self, x: Rep, step: f64, bits: u32) -> Result<Rep> {
        let table = self.identity_table(bits, false)?;
        let shift = (step / x.step).log2().round().max(0.0) as u32;
        let name = self.name("rounded");
        let step = x.step * 2f64.powi(shift as i32);
        Ok(Rep { id: self.b.lookup(&name, x.id, shift, table, Self::scale_of(step))?, step })
    }
}

/// Lines over pieces of `2^s` arguments; `None` if one is too far from the function. `finer` is how many more bits
/// the arguments have than those of the table of all of them.
fn lines(curve: &Curve<'_>, values: &[f64], s: u32, finer: u32) -> Option<Lines> {
    if s == 0 {
        return None;
    }
    let (len, half) = (1usize << s, 1i64 << (s - 1));
    let rough = 1usize << finer;
    let jump = values.iter().step_by(rough).zip(values.iter().skip(rough).step_by(rough));
    let jump = jump.map(|(a, b)| (b - a).abs()).fold(0.0, f64::max);
    let tolerance = (TOLERANCE * jump).max(curve.step);
    let last = values.len() / len - 1;
    let line = |(i, cells): (usize, &[f64])| {
        if curve.ends && i == last {
            return (0.0, 0.0);
        }
        let slope = (cells[len - 1] - cells[0]) / (len - 1) as f64;
        let secant = cells[0] + slope * half as f64;
        // Halfway between the secant and the curve at the middle: the least error of a bent piece.
        ((secant + cells[half as usize]) / 2.0, slope)
    };
    let real: Vec<(f64, f64)> = values.chunks_exact(len).enumerate().map(line).collect();
    let steepest = real.iter().fold(0.0, |m: f64, l| m.max(l.1.abs())) / curve.step;
    let room = f64::from((1u32 << (SLOPE_BITS - 1)) - 1);
    let more = (0..=s).rev().find(|k| steepest * f64::from(1u32 << k) < room)?;
    let scale = f64::from(1u32 << more) / curve.step;
    let lines = Lines {
        piece_bits: s,
        more,
        base: real.iter().map(|l| (l.0 / curve.step).round() as i64).collect(),
        slope: real.iter().map(|l| (l.1 * scale).round() as i64).collect(),
    };
    let fits = lines.base.iter().all(|b| b.abs() < 1 << (SLOPE_BITS - 1));
    let error = |(i, cells): (usize, &[f64])| {
        let at = |j: usize| ((lines.base[i] << more) + lines.slope[i] * (j as i64 - half)) as f64 / scale;
        // A piece in which results begin to saturate is bent there.
        let bent = cells.iter().any(|v| v.abs() >= curve.limit);
        let most = if bent { curve.limit / 2.0 } else { curve.limit };
        let judged = cells.iter().enumerate().step_by(rough).filter(|(_, v)| v.abs() < most);
        judged.map(|(j, v)| (at(j) - v).abs()).fold(0.0, f64::max)
    };
    let judged = values.chunks_exact(len).enumerate().filter(|(i, _)| !(curve.ends && *i == last));
    (fits && judged.map(error).all(|e| e <= tolerance)).then_some(lines)
}
