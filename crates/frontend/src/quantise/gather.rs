//! Rows of a tensor at computed places.

use proveil_graph::{Range, TensorId};

use super::{Port, Quantiser, Rep, Span, bit_range, exponent};
use crate::error::Result;
use crate::real::expr::{Expr, Un};
use crate::real::{RealGraph, RealOp, Source};

/// Bits of weights that a comparison reads.
const SHARP_WEIGHT_BITS: u32 = 28;
/// Bits of a table of indices.
const MAX_TABLE: u32 = 16;
/// Whole numbers from here on are no cells of inputs.
const MOST: f64 = (1u64 << 30) as f64;

impl Quantiser<'_> {
    /// Row numbers below `len`: indices from the end are wrapped, and indices outside are moved to the nearest end.
    pub(super) fn index(&mut self, x: TensorId, len: usize) -> Result<Rep> {
        let ids = self.rep(x)?;
        let (r, end) = (self.range(ids.id), len as i64);
        if r.lo >= 0 && r.hi < end {
            return Ok(ids);
        }
        // Bounds may be loose: beyond either end of the table it saturates, at the row that is wanted there.
        let bits = exponent((r.hi + 1).max(-r.lo).min(end) as f64).max(1) as u32 + u32::from(r.lo < 0);
        if bits > MAX_TABLE {
            return Err(self.refuse(format!("indices from {} to {} into {len} rows", r.lo, r.hi)));
        }
        let domain = bit_range(bits, r.lo < 0);
        let place = |v: i64| if v < 0 { (v + end).max(0) } else { v.min(end - 1) };
        let table = self.b.table(&format!("row_of_{len}"), domain.lo, (domain.lo..=domain.hi).map(place).collect())?;
        let name = self.name("index");
        Ok(Rep { id: self.b.lookup(&name, ids.id, 0, table, 0)?, step: 1.0 })
    }

    /// Rows of `data` by number; `out` is the result.
    pub(super) fn gather(&mut self, out: TensorId, data: TensorId, index: TensorId) -> Result<Rep> {
        let numbers = self.rep(index)?;
        let rows = match &self.g.get(data).source {
            Source::Const { secret: true, .. } if self.sharp[out.0 as usize] => self.sharp_weight(data)?,
            Source::Const { .. } => self.operand(data, self.set.activation_bits, None)?,
            _ => self.rep(data)?,
        };
        let name = self.name("");
        Ok(Rep { id: self.b.gather(&name, rows.id, numbers.id)?, step: rows.step })
    }

    /// Weights that a comparison reads, with more digits than others.
    fn sharp_weight(&mut self, id: TensorId) -> Result<Rep> {
        if self.g.int_bits.contains_key(&id) {
            return self.operand(id, self.set.activation_bits, None);
        }
        let t = self.g.get(id);
        let cells = self.g.as_const(id).cloned().unwrap_or_default();
        let range = bit_range(SHARP_WEIGHT_BITS, true);
        let top = Span::of(&cells, 1).reach();
        let step = 2f64.powi(exponent(if top > 0.0 { top } else { 1.0 } / range.hi as f64));
        let values = cells.iter().map(|v| (v / step).round() as i64).collect();
        let name = self.name("rows");
        Ok(Rep { id: self.b.param(&name, &t.shape, range, Self::scale_of(step), values)?, step })
    }

    /// An input of whole numbers all of which are row numbers: the range is that of the rows, and as much before 0 if
    /// the samples count from the end. Numbers that cells are compared for may stand for no row, and are in it too.
    pub(super) fn row_input(&mut self, id: TensorId, signed: bool) -> Result<Option<Port>> {
        let readers = self.g.index_readers(id);
        let Some(len) = readers.iter().map(|r| r.0 as i64).max().filter(|_| readers.iter().all(|r| r.1 && r.2)) else {
            return Ok(None);
        };
        let others = self.g.equalled(id);
        // A least number that stands for no row counts from no end.
        let signed = signed && !others.iter().any(|v| *v as f64 == self.span(id).lo);
        let rows = Range { lo: if signed { -len } else { 0 }, hi: len - 1 };
        let range = others.iter().fold(rows, |r, v| Range { lo: r.lo.min(*v), hi: r.hi.max(*v) });
        self.whole_input(id, range).map(Some)
    }

    /// An input of texts: its range is that of all codes, whatever samples hold.
    pub(super) fn text_input(&mut self, id: TensorId) -> Result<Port> {
        self.whole_input(id, Range { lo: 0, hi: self.g.texts as i64 })
    }

    fn whole_input(&mut self, id: TensorId, range: Range) -> Result<Port> {
        let t = self.g.get(id);
        let name = self.name("");
        let int = self.b.input(&name, &t.shape, range, 0)?;
        self.reps[id.0 as usize] = Some(Rep { id: int, step: 1.0 });
        let missing = Vec::new();
        Ok(Port { name: t.name.clone(), kind: t.kind, shape: t.shape.clone(), scale: 0, range, missing })
    }
}

impl RealGraph {
    /// Whether `x` is the tensor `id` in another arrangement, but for missing cells.
    pub fn reads_unchanged(&self, mut x: TensorId, id: TensorId) -> bool {
        loop {
            match &self.get(x).source {
                _ if x == id => return true,
                Source::Op(RealOp::Reshape(inner) | RealOp::Known { x: inner, .. }) => x = *inner,
                Source::Op(RealOp::Linear { pieces, constant: 0.0 }) => match &pieces[..] {
                    [p] if p.coef == 1.0 && p.sum.is_empty() => x = p.access.tensor,
                    _ => return false,
                },
                _ => return false,
            }
        }
    }

    /// Numbers of rows that cells of a tensor choose from, directly or through views; whether all cells do; and whether
    /// there must be such a row.
    pub fn index_readers(&self, id: TensorId) -> Vec<(usize, bool, bool)> {
        let read = |t: &crate::real::RealTensor| match &t.source {
            Source::Op(RealOp::Index { x, len }) if self.reads_unchanged(*x, id) => {
                Some((*len, self.get(*x).cells() == self.get(id).cells(), true))
            }
            Source::Op(RealOp::OneHot { x, depth }) if *x == id => Some((*depth, true, false)),
            _ => None,
        };
        self.tensors.iter().filter_map(read).collect()
    }

    /// Whole numbers for which cells of a tensor are compared, directly or through views.
    fn equalled(&self, id: TensorId) -> Vec<i64> {
        let number = |t: &crate::real::RealTensor| {
            let Source::Op(RealOp::Map { x, f }) = &t.source else { return None };
            let Expr::Un(Un::IsZero, e) = &**f else { return None };
            let (a, c) = e.as_affine().filter(|(a, _)| *a != 0.0)?;
            let v = -c / a;
            (v.fract() == 0.0 && v.abs() < MOST && self.reads_unchanged(*x, id)).then_some(v as i64)
        };
        self.tensors.iter().filter_map(number).collect()
    }
}
