//! Requantisation: a wide accumulator becomes a number of few bits by one look-up; weights become parameters.

use proveil_graph::{Access, Piece, Range, TensorId};

use super::table::Domain;
use super::{Quantiser, Rep, SHARP_BITS, Span, bit_range, bits_of, exponent};
use crate::error::Result;
use crate::real::{RealOp, Source};
use crate::tensor::Kind;

/// Bits of the head digit of a look-up on a wide operand.
const HEAD_BITS: u32 = 15;
/// Bits by which a unit may be coarser than what its table could tell before a head gets more digits.
const COARSER: u32 = 3;
/// Cells whose look-ups may have heads of several digits, and the bits of operands that these can hold.
const FEW_HEADS: usize = 1024;
const WIDE_HEAD: u32 = 58;
/// Bits of a factor that is not worth a look-up to shorten.
const PRODUCT_BITS: u32 = 16;
/// Bits more that the bound of an input has once its missing cells are filled.
const FILLED_BITS: u32 = 2;
/// Bits of a weight that is added, at most, and by how much it may exceed the calibrated sum before its last ones go.
const ADDEND_BITS: u32 = 24;
const ADDEND_ROOM: f64 = 4.0;
/// Bits of a public number that is added, at most.
const PUBLIC_BITS: i32 = 30;
/// Largest shift of a look-up.
pub(super) const MAX_SHIFT: u32 = 48;

impl Quantiser<'_> {
    /// Identity table of `bits` bits, signed or not.
    pub(super) fn identity_table(&mut self, bits: u32, signed: bool) -> Result<proveil_graph::TableId> {
        let r = bit_range(bits, signed);
        let sign = if signed { "s" } else { "u" };
        Ok(self.b.table(&format!("clamp_{sign}{bits}"), r.lo, (r.lo..=r.hi).collect())?)
    }

    /// Shift at which `reach` fits the table and the operand's bound fits the head.
    pub(super) fn shift_for(&self, rep: Rep, reach: f64, bits: u32, signed: bool) -> Result<u32> {
        let room = f64::from(if signed { 1u32 << (bits - 1) } else { 1 << bits }) - 0.5;
        let fit = exponent(reach / (rep.step * room)).max(0) as u32;
        let own = bits_of(self.range(rep.id));
        // A head of more digits costs a look-up for each; a unit that is much coarser than it could be costs accuracy.
        let cells: usize = self.b.tensor(rep.id)?.shape.iter().product();
        let one_digit = own.saturating_sub(bits + HEAD_BITS);
        let wide = one_digit > fit + COARSER && cells <= FEW_HEADS && own <= WIDE_HEAD;
        let shift = fit.max(if wide { own.saturating_sub(bits + 3 * HEAD_BITS) } else { one_digit });
        if shift > MAX_SHIFT {
            return Err(self.refuse(format!("the accumulator needs a shift of {shift} bits, more than {MAX_SHIFT}")));
        }
        Ok(shift)
    }

    /// The domain of a table with at most `bits` bits, and no row that `reach` does not need: one for every argument within
    /// it is enough where the operand is coarser than the table could tell.
    pub(super) fn domain_for(&self, rep: Rep, reach: f64, bits: u32, signed: bool) -> Result<Domain> {
        let shift = self.shift_for(rep, reach, bits, signed)?;
        let needed = exponent(reach / (rep.step * 2f64.powi(shift as i32)) + 1.0).max(1) as u32 + u32::from(signed);
        // What is above the table must not need a longer head.
        let below_head = bits_of(self.range(rep.id)).saturating_sub(shift + HEAD_BITS);
        Ok(Domain { bits: bits.min(needed.max(below_head)), signed, shift })
    }

    /// Absolute real values that must survive: the calibrated ones with their margin, but no more than the integers
    /// can reach at all.
    pub(super) fn room(&self, rep: Rep, reach: f64, margin: f64) -> f64 {
        let r = self.range(rep.id);
        let bound = (r.hi as f64).max(-(r.lo as f64)) * rep.step;
        (reach * margin).min(bound.max(rep.step))
    }

    /// At most `bits` bits of an integer tensor whose real values reach `span`.
    pub(super) fn requantise(&mut self, rep: Rep, span: Span, bits: u32, whole: bool) -> Result<Rep> {
        let range = self.range(rep.id);
        if bits_of(range) <= bits.max(self.slack)
            || (range.lo >= 0 && bits_of(range) <= bits + 1)
            || (whole && bits_of(range) <= 17)
        {
            return Ok(rep);
        }
        let signed = range.lo < 0 && span.signed();
        let reach = self.room(rep, span.reach(), self.margin(span));
        // Whole numbers that fit a table are kept; wider ones are rounded rather than cut off.
        let own = (exponent(reach / rep.step + 1.0) as u32 + u32::from(signed)).max(1);
        let (bits, whole) = if whole && own <= 16 { (own, true) } else { (if whole { 16 } else { bits }, false) };
        let shift = if whole { 0 } else { self.shift_for(rep, reach, bits, signed)? };
        let table = self.identity_table(bits, signed)?;
        let step = rep.step * 2f64.powi(shift as i32);
        let name = self.name("requantise");
        Ok(Rep { id: self.b.lookup(&name, rep.id, shift, table, Self::scale_of(step))?, step })
    }

    /// A real tensor with at most `bits` bits; views are taken of the narrow source.
    pub(super) fn narrow(&mut self, id: TensorId, bits: u32) -> Result<Rep> {
        let key = (id.0, bits);
        if let Some(rep) = (bits..=bits.max(self.slack)).find_map(|b| self.narrowed.get(&(id.0, b))) {
            return Ok(*rep);
        }
        let t = self.g.get(id);
        let whole = t.kind != Kind::Float;
        let rep = match &t.source {
            Source::Op(RealOp::Reshape(x)) => {
                let inner = self.narrow(*x, bits)?;
                let name = self.name("view");
                Rep { id: self.b.reshape(&name, inner.id, &t.shape)?, step: inner.step }
            }
            Source::Op(RealOp::Linear { pieces, constant }) if *constant == 0.0 && self.is_view(id, pieces, bits) => {
                let p = &pieces[0];
                let inner = self.narrow(p.access.tensor, bits)?;
                let piece = Piece {
                    start: p.start.clone(),
                    extents: p.extents.clone(),
                    sum: Vec::new(),
                    coef: 1,
                    access: Access { tensor: inner.id, axes: p.access.axes.clone() },
                };
                let name = self.name("view");
                let view = self.b.linear(&name, &t.shape, vec![piece], 0, Self::scale_of(inner.step))?;
                Rep { id: view, step: inner.step }
            }
            _ => {
                let rep = self.rep(id)?;
                self.requantise(rep, self.span(id), bits, whole)?
            }
        };
        self.narrowed.insert(key, rep);
        Ok(rep)
    }

    /// Whether a tensor is a plain view whose source is better narrowed than the view itself.
    fn is_view(&self, id: TensorId, pieces: &[crate::real::RealPiece], bits: u32) -> bool {
        let [p] = pieces else { return false };
        let source = p.access.tensor;
        let computed = self.g.as_const(source).is_none();
        let shared = self.narrowed.contains_key(&(source.0, bits));
        let small = self.g.get(source).cells() <= self.g.get(id).cells();
        p.coef == 1.0 && p.sum.is_empty() && computed && (small || shared)
    }

    /// Operand of a product: weights become parameters, everything else is narrowed.
    pub(super) fn operand(&mut self, id: TensorId, bits: u32, other: Option<Rep>) -> Result<Rep> {
        if self.g.as_const(id).is_some() {
            return self.weight(id, other.map_or(1.0, |r| r.step));
        }
        // What is narrow enough already, or was rounded for another consumer, is not rounded again.
        let filled = self.g.filled_input(id);
        let is_input = filled.is_some() || self.g.inputs.contains(&id);
        let input = if is_input { self.set.input_bits } else { 0 };
        let sharp = self.sharp[id.0 as usize] || self.g.levelled.contains(&filled.unwrap_or(id));
        self.slack = if sharp { SHARP_BITS } else { PRODUCT_BITS }.max(input);
        self.slack += if filled.is_some() { FILLED_BITS } else { 0 };
        let rep = self.narrow(id, bits);
        self.slack = 0;
        rep
    }

    /// Weights for a product with an operand of the given unit. Their own unit makes the product's a power of two,
    /// so that sums of products need no common multiple.
    fn weight(&mut self, id: TensorId, other: f64) -> Result<Rep> {
        // Units that are powers of two ask for the same weights.
        let other = if other.log2().fract() == 0.0 { 1.0 } else { other };
        let key = (id.0, other.to_bits());
        if let Some(rep) = self.weights.get(&key) {
            return Ok(*rep);
        }
        let t = self.g.get(id);
        let Source::Const { data, secret } = &t.source else { return self.rep(id) };
        let reach = Span::of(data, 1).reach();
        let whole = data.iter().all(|v| v.fract() == 0.0) && reach < 32768.0;
        let own = self.g.int_bits.get(&id).copied();
        let bits = own.or_else(|| self.widths.get(&id).copied()).unwrap_or(self.set.weight_bits);
        // Hidden real numbers get the range of their size even if all are whole: a bound that they are far from would cost
        // the digits of what they are added to. Zeros have that of ones.
        let real = *secret && t.kind == Kind::Float;
        let reach = if real && reach == 0.0 { 1.0 } else { reach };
        let fixed = own.is_some() || whole && !real && (!secret || reach < f64::from(1u32 << (bits - 1)));
        let step =
            if fixed { 1.0 } else { 2f64.powi(exponent(reach / f64::from((1u32 << (bits - 1)) - 1) * other)) / other };
        let cells: Vec<i64> = data.iter().map(|v| (v / step).round() as i64).collect();
        let scale = Self::scale_of(step);
        let scope = std::mem::replace(&mut self.scope, t.name.clone());
        let name = self.name("weight");
        let int = if *secret {
            self.b.param(&name, &t.shape, bit_range(bits, true), scale, cells)?
        } else {
            self.b.constant(&name, &t.shape, cells, scale)?
        };
        self.scope = scope;
        let rep = Rep { id: int, step };
        self.weights.insert(key, rep);
        self.open.extend((!fixed).then_some((id, int)));
        Ok(rep)
    }

    /// A constant addend in units of `unit`: tensors with their integer factors. How many there are, and how wide,
    /// follows from types and from the calibrated `reach` of the sum; only the scale of weights follows from their
    /// size.
    pub(super) fn addend(&mut self, id: TensorId, factor: f64, unit: f64, reach: f64) -> Result<Vec<(i64, TensorId)>> {
        let t = self.g.get(id);
        let Source::Const { data, secret } = &t.source else { return Ok(vec![(1, self.rep(id)?.id)]) };
        let typed = self.g.int_bits.get(&id).copied();
        let top = Span::of(data, 1).reach() * factor.abs() / unit;
        let spare = |bits: u32| exponent(top / bit_range(bits, true).hi as f64).max(0);
        let bits = (exponent(ADDEND_ROOM * reach / unit) + 1).clamp(16, ADDEND_BITS as i32) as u32;
        let (bits, spare) = match (typed, *secret) {
            (Some(_), _) => (16, 0),
            (None, true) => (bits, spare(bits)),
            // Public numbers are as wide as they need to be, unless they are there to push others away.
            (None, false) if t.kind != Kind::Float || top < 2f64.powi(PUBLIC_BITS) => (16, 0),
            (None, false) => (16, spare(16)),
        };
        let name = self.name("addend");
        let scale = Self::scale_of(unit);
        let mut add = |part: &str, range: Range, cells: Vec<i64>| -> Result<TensorId> {
            let name = format!("{name}{part}");
            Ok(match secret {
                true => self.b.param(&name, &t.shape, range, scale, cells)?,
                false => self.b.constant(&name, &t.shape, cells, scale)?,
            })
        };
        let in_units = |step: f64| data.iter().map(|v| (v * factor / step).round() as i64).collect::<Vec<i64>>();
        if typed.is_some_and(|bits| bits > 16) {
            // Integers of the file get as many digits as their type needs, whatever their size.
            let wide = in_units(unit);
            let low = add("/low", bit_range(15, false), wide.iter().map(|v| v & 0x7fff).collect())?;
            let high = add("/high", bit_range(16, true), wide.iter().map(|v| v >> 15).collect())?;
            return Ok(vec![(1, low), (1 << 15, high)]);
        }
        let cells = in_units(unit * 2f64.powi(spare));
        Ok(vec![(1 << spare, add("", bit_range(bits, true), cells)?)])
    }
}
