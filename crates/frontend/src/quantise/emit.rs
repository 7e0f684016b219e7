//! One real operator to integer operators.

use proveil_graph::{Access, Contract, TensorId};

use super::{Quantiser, Rep, Span, bits_of, exponent};
use crate::error::Result;
use crate::real::expr::{Bin, Expr, Un};
use crate::real::{RealOp, identity};
use crate::tensor::Kind;

/// Bits of an operand of a maximum.
const MAX_OPERAND: u32 = super::integer::QUOTIENT_BITS;
/// Bits of a number that is squared as it is.
const SQUARE_BITS: u32 = 20;
/// Bits of a divisor of one unit more, so that this unit is next to nothing.
const DIVISOR_BITS: i32 = 16;
/// Bits of a divisor that was rounded, and of its first digit.
const WIDE_DIVISOR: u32 = 21;
const DIVISOR_DIGIT: u32 = 15;
/// Bits of a divisor and its quotient that the check of a division can hold.
const QUOTIENT_ROOM: i32 = 61;
/// Bits of the rise of a maximum, at least.
const RISE_BITS: u32 = 12;

impl Quantiser<'_> {
    pub(super) fn emit(&mut self, id: TensorId, op: &RealOp) -> Result<Rep> {
        match op {
            RealOp::Linear { pieces, constant } => self.linear(id, pieces, *constant),
            RealOp::Reshape(x) => {
                let inner = self.rep(*x)?;
                let name = self.name("");
                Ok(Rep { id: self.b.reshape(&name, inner.id, &self.g.get(id).shape)?, step: inner.step })
            }
            RealOp::Contract(c) => self.contraction(c),
            RealOp::Map { x, f } => self.map(id, *x, f),
            RealOp::Max(a, b) => self.maximum(id, *a, *b),
            RealOp::ArgMaxOneHot(x) => {
                let row = self.ranked(*x)?;
                let name = self.name("");
                Ok(Rep { id: self.b.arg_max_one_hot(&name, row.id)?, step: 1.0 })
            }
            RealOp::Without { x, out } => self.without(*x, out),
            RealOp::Index { x, len } => self.index(*x, *len),
            RealOp::Gather { data, index } => self.gather(id, *data, *index),
            RealOp::OneHot { x, depth } => self.one_hot(*x, *depth),
            RealOp::Reaches { x, threshold } => self.reaches(*x, *threshold),
            RealOp::Trees { x, missing, forest } => self.trees(id, *x, missing.as_ref(), forest),
            RealOp::IsMissing(x) => self.is_missing(*x),
            RealOp::Known { x, flags } => self.known(*x, *flags),
            RealOp::AddAt { x, flags, gains } => self.add_at(id, *x, *flags, *gains),
            RealOp::Fill { .. } => Err(self.refuse("missing values were not split off".into())),
            RealOp::Softmax(x) => self.softmax(*x),
            RealOp::LogSumExp(x) => self.log_sum_exp(id, *x),
            RealOp::IntDiv { num, den } => self.int_div(*num, *den),
            RealOp::Requantise(r) => self.requantise_to(r),
            RealOp::RoundDiv { num, den, times } => self.round_div(*num, *den, *times),
        }
    }

    fn contraction(&mut self, c: &Contract) -> Result<Rep> {
        if let Some(rep) = self.attend(c)? {
            return Ok(rep);
        }
        let bits = self.set.activation_bits;
        let rhs = self.operand(c.rhs.tensor, bits, None)?;
        let lhs = self.operand(c.lhs.tensor, bits, Some(rhs))?;
        let mut int = c.clone();
        (int.lhs.tensor, int.rhs.tensor) = (lhs.id, rhs.id);
        let name = self.name("");
        Ok(Rep { id: self.b.contract(&name, int)?, step: lhs.step * rhs.step })
    }

    fn square(&mut self, x: TensorId) -> Result<Rep> {
        // A square costs no look-up, however wide its operand is.
        self.slack = SQUARE_BITS;
        let rep = self.narrow(x, (self.set.activation_bits + 2).min(self.set.activation_bits.max(14)));
        self.slack = 0;
        let rep = rep?;
        let shape = self.g.get(x).shape.clone();
        let all = Access { tensor: rep.id, axes: identity(shape.len()) };
        let out = (0..shape.len()).collect();
        let name = self.name("square");
        let c = Contract { extents: shape, out, lhs: all.clone(), rhs: all };
        Ok(Rep { id: self.b.contract(&name, c)?, step: rep.step * rep.step })
    }

    fn map(&mut self, id: TensorId, x: TensorId, f: &Expr) -> Result<Rep> {
        let rep = self.rep(x)?;
        if let Expr::Bin(Bin::Mul, a, b) = f
            && **a == Expr::X
            && **b == Expr::X
        {
            return self.square(x);
        }
        if let Expr::Un(u @ (Un::NonNegative | Un::IsZero), e) = f
            && let Some((a, c)) = e.as_affine()
            && a != 0.0
        {
            return self.compare(rep, a, c, *u == Un::IsZero);
        }
        let span = self.span(x);
        if let Some(out) = self.rounded(rep, span, f)? {
            return Ok(out);
        }
        if let Some(out) = self.exact(rep, span, f)? {
            return Ok(out);
        }
        // Codes of texts that are near each other stand for texts that are not.
        let sharp = self.g.kind(id) != Kind::Float || self.g.kind(x) == Kind::Text || f.jumps();
        self.function(id, x, sharp, &|v| f.at(v))
    }

    /// Square roots and reciprocals by exact operators, whatever their dynamic range.
    fn exact(&mut self, rep: Rep, span: Span, f: &Expr) -> Result<Option<Rep>> {
        Ok(match f {
            Expr::X => Some(rep),
            Expr::Un(Un::Sqrt, e) => {
                let inner = image(e, span);
                if inner.lo < 0.0 {
                    return Ok(None);
                }
                match self.exact(rep, span, e)? {
                    Some(x) if self.range(x.id).lo >= 0 => Some(self.root(x, inner)?),
                    _ => None,
                }
            }
            Expr::Un(Un::Recip, e) => {
                let inner = image(e, span);
                if inner.lo <= 0.0 {
                    return Ok(None);
                }
                match self.exact(rep, span, e)? {
                    Some(x) if self.range(x.id).lo >= 0 => Some(self.reciprocal(x, inner)?),
                    _ => None,
                }
            }
            Expr::Bin(Bin::Mul, a, b) | Expr::Bin(Bin::Mul, b, a) if matches!(**a, Expr::Const(c) if c > 0.0) => {
                let Expr::Const(c) = **a else { return Ok(None) };
                self.exact(rep, span, b)?.map(|r| Rep { id: r.id, step: r.step * c })
            }
            Expr::Bin(Bin::Add, a, b) if matches!(**b, Expr::Const(_)) => {
                let Expr::Const(c) = **b else { return Ok(None) };
                match self.exact(rep, span, a)? {
                    Some(r) => {
                        // A positive addend never rounds to nothing: it is what keeps a divisor away from 0.
                        let units = (c / r.step).round() as i64;
                        let units = if c > 0.0 { units.max(1) } else { units };
                        let name = self.name("plus");
                        let sum = self.b.combine(&name, &[(1, r.id)], units, Self::scale_of(r.step))?;
                        Some(Rep { id: sum, step: r.step })
                    }
                    None => None,
                }
            }
            _ => None,
        })
    }

    /// `sqrt` with a result of some 16 bits.
    fn root(&mut self, x: Rep, span: Span) -> Result<Rep> {
        // Squares of 2 (16 - bits of the result) more bits, as far as the bound allows.
        let bits = bits_of(self.range(x.id)) as i32;
        let have = exponent((span.hi / x.step).max(1.0));
        let k = ((34 - have + 1).min(59 - bits) / 2).max(0);
        let step = x.step / 4f64.powi(k);
        let name = self.name("scaled");
        let wide = self.b.combine(&name, &[(1i64 << (2 * k), x.id)], 0, Self::scale_of(step))?;
        let name = self.name("sqrt");
        let out = step.sqrt();
        Ok(Rep { id: self.b.sqrt(&name, wide, Self::scale_of(out))?, step: out })
    }

    /// `1 / x` for positive `x`, with a result of some 16 bits at the largest divisor's scale.
    pub(super) fn reciprocal(&mut self, x: Rep, span: Span) -> Result<Rep> {
        let mut x = self.divisor(x, span)?;
        if self.range(x.id).lo < 1 {
            // A divisor of 0 becomes one unit; finer units make that unit small next to the other divisors.
            let bits = bits_of(self.range(x.id)) as i32;
            let fits = |spare: &i32| bits + spare + quotient_bits(span, x.step / 2f64.powi(*spare)) <= QUOTIENT_ROOM;
            let wanted = DIVISOR_BITS - exponent((span.lo / x.step).max(1.0));
            let spare = (1..=wanted).rev().find(fits).unwrap_or(0);
            x.step /= 2f64.powi(spare);
            let name = self.name("positive");
            x.id = self.b.combine(&name, &[(1 << spare, x.id)], 1, Self::scale_of(x.step))?;
        }
        let k = quotient_bits(span, x.step);
        let shape = self.b.tensor(x.id)?.shape.clone();
        let name = self.name("one");
        let cells = vec![1i64 << k; shape.iter().product()];
        let one = self.b.constant(&name, &shape, cells, k)?;
        let step = 2f64.powi(-k) / x.step;
        let name = self.name("reciprocal");
        let quotient = Rep { id: self.b.div(&name, one, x.id, Self::scale_of(step))?, step };
        if bits_of(self.range(quotient.id)) <= 26 {
            return Ok(quotient);
        }
        // The bound allows divisors that calibration never saw: saturate.
        let top = Span { seen: span.seen, ..Span::new(0.0, 1.0 / span.lo) };
        // The smallest quotient needs digits too.
        let ratio = exponent(span.hi / span.lo).clamp(0, 16) as u32;
        let bits = (10 + ratio).clamp(self.set.table_bits.clamp(12, 15), 15);
        self.requantise(quotient, top, bits, false)
    }

    /// A divisor that a division can hold: a sum of many units is rounded to what its quotient can tell.
    fn divisor(&mut self, x: Rep, span: Span) -> Result<Rep> {
        let bits = bits_of(self.range(x.id)) as i32;
        if bits <= WIDE_DIVISOR as i32 || bits + quotient_bits(span, x.step) <= QUOTIENT_ROOM {
            return Ok(x);
        }
        // Two digits, both rounded down and so never negative: a table has no row for every divisor.
        let reach = self.room(x, span.reach(), self.margin(span));
        let shift = self.shift_for(x, reach, DIVISOR_DIGIT, false)?;
        let low_shift = shift.saturating_sub(WIDE_DIVISOR - DIVISOR_DIGIT);
        let half = if shift > 0 { 1i64 << (shift - 1) } else { 0 };
        let scale = Self::scale_of(x.step);
        let name = self.name("below");
        let below = self.b.combine(&name, &[(1, x.id)], -half, scale)?;
        let table = self.identity_table(DIVISOR_DIGIT, false)?;
        let name = self.name("high");
        let high = self.b.lookup(&name, below, shift, table, scale - shift as i32)?;
        let name = self.name("rest");
        let rest = self.b.combine(&name, &[(1, x.id), (-(1i64 << shift), high)], 0, scale)?;
        let table = self.identity_table(shift - low_shift + 1, false)?;
        let name = self.name("low");
        let low = self.b.lookup(&name, rest, low_shift, table, scale - low_shift as i32)?;
        let name = self.name("divisor");
        let id =
            self.b.combine(&name, &[(1i64 << (shift - low_shift), high), (1, low)], 0, scale - low_shift as i32)?;
        Ok(Rep { id, step: x.step * 2f64.powi(low_shift as i32) })
    }

    /// 1 where `a x + c >= 0`, or where it is 0; exact for the integers that stand for `x`.
    pub(super) fn compare(&mut self, rep: Rep, a: f64, c: f64, zero: bool) -> Result<Rep> {
        if zero && bits_of(self.range(rep.id)) > 16 {
            // x = 0 exactly where both x >= 0 and -x >= 0.
            let (up, down) = (self.compare(rep, a, c, false)?, self.compare(rep, -a, -c, false)?);
            let name = self.name("both");
            return Ok(Rep { id: self.b.combine(&name, &[(1, up.id), (1, down.id)], -1, 0)?, step: 1.0 });
        }
        let sign = if a < 0.0 { -1 } else { 1 };
        let bound = -c / a.abs() / rep.step;
        let threshold = if zero { bound.round() } else { (bound - 1e-6).ceil() } as i64;
        let r = self.range(rep.id);
        let (lo, hi) = if sign < 0 { (-r.hi, -r.lo) } else { (r.lo, r.hi) };
        // A bound that no number reaches is as good as one just beyond them.
        let threshold = threshold.clamp(lo - 1, hi + 1);
        let bits = bits_of(proveil_graph::Range { lo: r.lo.min(-r.hi), hi: r.hi.max(-r.lo) + threshold.abs() });
        let shift = if zero { 0 } else { bits.saturating_sub(16) };
        if shift > super::narrow::MAX_SHIFT {
            return Err(self.refuse(format!("a comparison of {bits} bits")));
        }
        // Rounding is half up: half a step less makes it floor, which keeps the sign.
        let half = if shift > 0 { 1i64 << (shift - 1) } else { 0 };
        let name = self.name("difference");
        let d = self.b.combine(&name, &[(sign, rep.id)], -threshold - half, Self::scale_of(rep.step))?;
        let table = if zero {
            self.b.table("is_zero", -2, vec![0, 0, 1, 0])?
        } else {
            self.b.table("at_least_zero", -1, vec![0, 1])?
        };
        let name = self.name("");
        Ok(Rep { id: self.b.lookup(&name, d, shift, table, 0)?, step: 1.0 })
    }

    /// `a + max(b - a, 0)`. The difference alone is rounded, so that operands need not be narrow.
    fn maximum(&mut self, id: TensorId, a: TensorId, b: TensorId) -> Result<Rep> {
        let whole = self.g.kind(id) != Kind::Float;
        let (ra, rb) = match (self.g.as_const(a).is_some(), self.g.as_const(b).is_some()) {
            (true, _) => {
                let y = self.max_operand(b)?;
                (self.like(a, y)?, y)
            }
            (_, true) => {
                let y = self.max_operand(a)?;
                (y, self.like(b, y)?)
            }
            _ => (self.max_operand(a)?, self.max_operand(b)?),
        };
        let step =
            if (ra.step / rb.step).log2().fract() == 0.0 { ra.step.min(rb.step) } else { ra.step.min(rb.step) / 64.0 };
        let (ka, kb) = ((ra.step / step).round() as i64, (rb.step / step).round() as i64);
        let (sa, sb) = (self.span(a), self.span(b));
        let scale = Self::scale_of(step);
        let name = self.name("difference");
        let d = Rep { id: self.b.combine(&name, &[(kb, rb.id), (-ka, ra.id)], 0, scale)?, step };
        let seen = (sb.hi.max(sa.hi) - sa.lo.min(sb.lo)).max(0.0);
        // Leaf values are made to fit: all of their range is kept.
        let fits = bits_of(self.range(d.id)) <= super::trees::EXTREME_BITS + 2;
        let leaves = fits && self.is_of_trees(a) && self.is_of_trees(b);
        let margin = if leaves { f64::INFINITY } else { self.margin(sa.join(sb)) };
        let top = self.room(d, seen.max(f64::MIN_POSITIVE), margin);
        let needed = exponent(top / step + 1.0).max(1) as u32;
        let exact = whole || leaves || self.divided[id.0 as usize];
        let most = if exact { 16 } else { (self.set.table_bits + 2).clamp(RISE_BITS, self.set.table_bits.max(14)) };
        let width = needed.min(most);
        let shift = if whole { 0 } else { self.shift_for(d, top, width, false)? };
        let table = self.identity_table(width, false)?;
        let name = self.name("rise");
        let rise = self.b.lookup(&name, d.id, shift, table, scale - shift as i32)?;
        let name = self.name("");
        Ok(Rep { id: self.b.combine(&name, &[(ka, ra.id), (1 << shift, rise)], 0, scale)?, step })
    }

    /// An operand of a maximum: as it is unless it is an accumulator. The bound of a maximum of maxima grows although
    /// its values do not.
    fn max_operand(&mut self, x: TensorId) -> Result<Rep> {
        self.slack = MAX_OPERAND;
        let rep = self.narrow(x, self.set.activation_bits);
        self.slack = 0;
        rep
    }

    /// A constant in the units of another tensor.
    fn like(&mut self, id: TensorId, other: Rep) -> Result<Rep> {
        let t = self.g.get(id);
        let data = self.g.as_const(id).cloned().unwrap_or_default();
        let range = super::bit_range(16, true);
        // Wide enough for what it holds: a bound beyond the other tensor's range is a bound all the same.
        let spare = exponent(Span::of(&data, 1).reach() / other.step / range.hi as f64).max(0);
        let step = other.step * 2f64.powi(spare);
        let cells = data.iter().map(|v| (v / step).round() as i64).collect();
        let name = self.name("constant");
        Ok(Rep { id: self.b.param(&name, &t.shape, range, Self::scale_of(step), cells)?, step })
    }

    fn one_hot(&mut self, x: TensorId, depth: usize) -> Result<Rep> {
        let mut ids = self.rep(x)?;
        let r = self.range(ids.id);
        let end = depth as i64;
        if r.lo >= 0 && r.hi < end {
            let name = self.name("");
            return Ok(Rep { id: self.b.one_hot(&name, ids.id, depth)?, step: 1.0 });
        }
        // One more column takes the indices outside, and is cut off: the table saturates at an index outside.
        let len = (depth + 1).next_power_of_two() as i64;
        let (lo, len) = if r.lo < 0 { (-len, 2 * len) } else { (0, len) };
        if len > 1 << 16 {
            return Err(self.refuse(format!("indices from {} to {} into {depth} rows", r.lo, r.hi)));
        }
        let place = |v: i64| if v < -end || v >= end { end } else { v.rem_euclid(end) };
        let sign = if lo < 0 { "s" } else { "u" };
        let table = self.b.table(&format!("index_{sign}{depth}"), lo, (lo..lo + len).map(place).collect())?;
        let name = self.name("index");
        ids.id = self.b.lookup(&name, ids.id, 0, table, 0)?;
        let name = self.name("wide");
        let wide = self.b.one_hot(&name, ids.id, depth + 1)?;
        let mut shape = self.b.tensor(ids.id)?.shape.clone();
        shape.push(depth);
        let name = self.name("");
        let steps = vec![1; shape.len()];
        Ok(Rep { id: self.b.slice(&name, wide, &vec![0; shape.len()], &shape, &steps)?, step: 1.0 })
    }

    /// Quotient rounded towards zero: signs apart, then the exact floor of absolute values.
    fn int_div(&mut self, num: TensorId, den: TensorId) -> Result<Rep> {
        let (n, d) = (self.operand(num, 16, None)?, self.operand(den, 16, None)?);
        let mut parts = Vec::new();
        for rep in [n, d] {
            let bits = bits_of(self.range(rep.id)).min(12);
            let half = 1i64 << (bits - 1);
            let size = self.b.table(&format!("abs{bits}"), -half, (-half..half).map(i64::abs).collect())?;
            let sign = self.b.table("sign", -2, vec![-1, -1, 0, 1])?;
            let name = self.name("abs");
            let abs = self.b.lookup(&name, rep.id, 0, size, 0)?;
            let name = self.name("sign");
            parts.push((abs, self.b.lookup(&name, rep.id, 0, sign, 0)?));
        }
        let name = self.name("divisor");
        let positive = self.b.table("at_least_one", 0, (0..4096).map(|v: i64| v.max(1)).collect())?;
        let divisor = self.b.lookup(&name, parts[1].0, 0, positive, 0)?;
        let name = self.name("quotient");
        let q = self.b.div(&name, parts[0].0, divisor, 0)?;
        let name = self.name("signs");
        let signs = self.b.mul(&name, parts[0].1, parts[1].1)?;
        let name = self.name("");
        Ok(Rep { id: self.b.mul(&name, signs, q)?, step: 1.0 })
    }
}

/// Bits of the numerator over a divisor with that step: 12 good ones at the largest divisor, at most 20 at the smallest.
fn quotient_bits(span: Span, step: f64) -> i32 {
    let (small, large) = (exponent((span.lo / step).max(1.0)), exponent((span.hi / step).max(1.0)));
    (large + 13).min(small + 20).max(small + 15).min(58)
}

/// Image of an interval under a monotone function.
fn image(f: &Expr, span: Span) -> Span {
    let (a, b) = (f.at(span.lo), f.at(span.hi));
    Span { seen: span.seen, ..Span::new(a.min(b), a.max(b)) }
}
