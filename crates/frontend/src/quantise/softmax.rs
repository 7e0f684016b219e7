//! Soft-max: differences to the largest cell, exponentials by table, one reciprocal a row.

use proveil_graph::{Access, Contract, TensorId};

use super::interpolate::Curve;
use super::table::{Domain, Image};
use super::{Quantiser, Rep, Span, bit_range, bits_of, exponent};
use crate::error::Result;
use crate::real::{RealGraph, RealOp, RealTensor, Source, broadcast_axes, identity};

/// Bits of the exponentials after the point.
pub(super) const EXP_BITS: i32 = 15;
/// Arguments below minus this have an exponential of 0.
const EXP_DOMAIN: f64 = 10.5;
/// Logarithm of the factor by which rows may leave their calibrated range before they saturate.
const HEADROOM: f64 = 1.0;

/// Row maxima may leave their calibrated range by this much before they saturate: a row of a test set may have its
/// largest cell anywhere, and the scale of exponents is absolute.
const TOP_HEADROOM: f64 = 3.0;

/// How far the row maxima, and the sums of exponentials, may spread (as logarithms) before every row needs its own
/// largest cell subtracted.
const FLAT: f64 = 4.0;
/// Rows that must have been seen before that spread is believed.
const FLAT_ROWS: usize = 64;

/// Largest cells whose unit is no more than this are fine enough.
const FINE_MAX: f64 = 0.125;
/// Cells among which the largest ones are found without rounding, and their bits at most.
const FEW_MAXIMA: usize = 1024;
const WIDE_MAX: u32 = 56;

/// Parts that soft-max and log-sum-exp share.
#[derive(Clone)]
pub(crate) struct Row {
    /// `exp(x - top)`, with 15 bits after the point.
    pub exps: TensorId,
    /// Their sums, last axis of length 1.
    pub sums: TensorId,
    /// What is subtracted: the largest cells, last axis of length 1.
    max: Option<Rep>,
    pub shape: Vec<usize>,
    /// Range of the sums.
    pub reach: Span,
}

/// Whether exponentials are safe with one constant for all rows.
pub(super) fn is_flat(span: Span, row: usize) -> bool {
    let (lo, hi) = span.log_sum;
    span.seen / row.max(1) >= FLAT_ROWS && lo.is_finite() && hi - lo <= FLAT && span.hi - span.row_top <= FLAT
}

/// Cells of all tensors whose exponentials are taken.
pub(super) fn exponents(g: &RealGraph, live: &[bool]) -> usize {
    let operand = |(t, live): (&RealTensor, &bool)| match &t.source {
        Source::Op(RealOp::Softmax(x) | RealOp::LogSumExp(x)) if *live => Some(g.get(*x).cells()),
        _ => None,
    };
    g.tensors.iter().zip(live).filter_map(operand).sum()
}

impl Quantiser<'_> {
    /// The exponentials of a tensor, once for all that read them.
    pub(super) fn row_of(&mut self, x: TensorId) -> Result<Row> {
        if let Some(row) = self.rows.get(&x.0) {
            return Ok(row.clone());
        }
        let len = self.g.shape(x).last().copied().unwrap_or(1);
        let row = if is_flat(self.span(x), len) { self.flat_exponentials(x)? } else { self.exponentials(x)? };
        self.rows.insert(x.0, row.clone());
        Ok(row)
    }

    /// Exponentials less one constant for all rows, which calibration shows to be safe.
    fn flat_exponentials(&mut self, x: TensorId) -> Result<Row> {
        let (acc, span) = (self.rep(x)?, self.span(x));
        let shape = self.g.get(x).shape.clone();
        // Rows that calibration did not see may reach a little higher; beyond that they saturate.
        let top = span.hi + HEADROOM;
        let units = (top / acc.step).round() as i64;
        let name = self.name("below");
        let below = self.b.combine(&name, &[(-1, acc.id)], units, Self::scale_of(acc.step))?;
        let exps = self.exp_table(Rep { id: below, step: acc.step }, EXP_DOMAIN + FLAT)?;
        let name = self.name("sum");
        let sums = self.b.sum(&name, exps, &[shape.len() - 1], true)?;
        let (lo, hi) = span.log_sum;
        let reach = Span::new((lo - top - HEADROOM).exp(), (hi - top + HEADROOM).exp());
        Ok(Row { exps, sums, max: None, shape, reach })
    }

    /// `exp(-x)` on `0 .. domain`, 0 beyond.
    fn exp_table(&mut self, x: Rep, domain: f64) -> Result<TensorId> {
        let reach = self.domain_for(x, domain, self.set.table_bits, false)?;
        let Domain { bits, shift, .. } = reach;
        let step = 2f64.powi(-EXP_BITS);
        let f = |v: f64| (-v).exp();
        let curve =
            Curve { f: &f, of: None, domain: reach, step, limit: f64::INFINITY, cells: self.exponents, ends: true };
        if let Some(line) = self.interpolated(x, &curve)? {
            return Ok(self.positive(line, step, EXP_BITS as u32)?.id);
        }
        let unit = x.step * 2f64.powi(shift as i32);
        let r = bit_range(bits, false);
        let one = f64::from(1u32 << EXP_BITS);
        let mut values: Vec<i64> = (r.lo..=r.hi).map(|u| ((-(u as f64) * unit).exp() * one).round() as i64).collect();
        if let Some(end) = values.last_mut() {
            *end = 0;
        }
        let table = self.b.table(&format!("exp{}", self.b.graph().tables.len()), 0, values)?;
        let name = self.name("exp");
        Ok(self.b.lookup(&name, x.id, shift, table, EXP_BITS)?)
    }

    fn exponentials(&mut self, x: TensorId) -> Result<Row> {
        let acc = self.rep(x)?;
        let shape = self.g.get(x).shape.clone();
        let last = shape.len() - 1;
        // Only row maxima must be told apart: masked cells may saturate.
        let span = self.span(x);
        let widest = span.row_top.abs().max(span.hi.abs());
        let reach = (widest * self.margin(span)).max(widest + TOP_HEADROOM);
        let tops = Span::new(if span.lo >= 0.0 && !span.signed() { 0.0 } else { -reach }, reach);
        let max = match self.largest_of_few(acc, &shape, 2.0 * reach)? {
            Some(max) => max,
            None => {
                let narrow = self.requantise(acc, tops, self.set.table_bits, false)?;
                self.max_row(narrow, &shape, Span::new(-reach, reach))?
            }
        };
        // The exact accumulator less the rounded maximum: rounding the maximum cancels in the quotient.
        let ratio = max.step / acc.step;
        let (fine, k) = if ratio >= 1.0 { (acc.step, ratio.round() as i64) } else { (max.step, 1) };
        let own = (acc.step / fine).round() as i64;
        let name = self.name("below");
        let below = self.b.combine(&name, &[(k, max.id), (-own, acc.id)], 0, Self::scale_of(fine))?;
        let exps = self.exp_table(Rep { id: below, step: fine }, EXP_DOMAIN)?;
        let name = self.name("sum");
        let sums = self.b.sum(&name, exps, &[last], true)?;
        let reach = Span::new(0.98, shape[last] as f64);
        Ok(Row { exps, sums, max: Some(max), shape, reach })
    }

    /// Largest cells along the last axis as they are, where there are few and a table is too coarse for them: below a
    /// largest cell that is rounded down, exponentials are cut off at 1.
    fn largest_of_few(&mut self, x: Rep, shape: &[usize], spread: f64) -> Result<Option<Rep>> {
        let coarse = spread * 2f64.powi(-(self.set.table_bits as i32)) > FINE_MAX;
        let few = shape.iter().product::<usize>() <= FEW_MAXIMA && bits_of(self.range(x.id)) <= WIDE_MAX;
        let (Some(last), true) = (shape.len().checked_sub(1), coarse && few) else { return Ok(None) };
        let name = self.name("first");
        let hot = self.b.arg_max_one_hot(&name, x.id)?;
        let mut extents = shape.to_vec();
        // The axis that is summed, then one of length 1 in its place.
        extents.push(1);
        let all = |tensor| Access { tensor, axes: identity(last + 1) };
        let out = (0..last).chain([last + 1]).collect();
        let name = self.name("max");
        let max = self.b.contract(&name, Contract { extents, out, lhs: all(hot), rhs: all(x.id) })?;
        Ok(Some(Rep { id: max, step: x.step }))
    }

    /// Largest cell along the last axis by a tree of `a + max(b - a, 0)`.
    fn max_row(&mut self, x: Rep, shape: &[usize], span: Span) -> Result<Rep> {
        let reach = (span.hi - span.lo).max(0.0);
        let width = (exponent(reach / x.step + 1.0).max(1) as u32).min(self.set.table_bits);
        let table = self.identity_table(width, false)?;
        let scale = Self::scale_of(x.step);
        let (last, mut row, mut len) = (shape.len() - 1, x.id, shape[shape.len() - 1]);
        while len > 1 {
            let half = len / 2;
            let part = |q: &mut Self, from: usize, count: usize| -> Result<TensorId> {
                let (mut starts, mut extents) = (vec![0; last + 1], shape.to_vec());
                (starts[last], extents[last]) = (from, count);
                let name = q.name("part");
                Ok(q.b.slice(&name, row, &starts, &extents, &vec![1; last + 1])?)
            };
            let (a, b) = (part(self, 0, half)?, part(self, half, half)?);
            let odd = if len % 2 == 1 { Some(part(self, len - 1, 1)?) } else { None };
            let name = self.name("max/difference");
            let d = self.b.combine(&name, &[(1, b), (-1, a)], 0, scale)?;
            let name = self.name("max/rise");
            let rise = self.b.lookup(&name, d, 0, table, scale)?;
            let name = self.name("max");
            row = self.b.combine(&name, &[(1, a), (1, rise)], 0, scale)?;
            if let Some(odd) = odd {
                let name = self.name("max/odd");
                row = self.b.concat(&name, &[row, odd], last)?;
            }
            len = len.div_ceil(2);
        }
        Ok(Rep { id: row, step: x.step })
    }

    pub(super) fn softmax(&mut self, x: TensorId) -> Result<Rep> {
        let row = self.row_of(x)?;
        let one = 2f64.powi(-EXP_BITS);
        let inverse = self.reciprocal(Rep { id: row.sums, step: one }, row.reach)?;
        let vars: Vec<usize> = (0..row.shape.len()).collect();
        let mut ones = row.shape.clone();
        if let Some(l) = ones.last_mut() {
            *l = 1;
        }
        let lhs = Access { tensor: inverse.id, axes: broadcast_axes(&ones, &vars) };
        let rhs = Access { tensor: row.exps, axes: identity(vars.len()) };
        let name = self.name("");
        let c = Contract { extents: row.shape, out: vars, lhs, rhs };
        Ok(Rep { id: self.b.contract(&name, c)?, step: inverse.step * one })
    }

    pub(super) fn log_sum_exp(&mut self, id: TensorId, x: TensorId) -> Result<Rep> {
        let row = self.exponentials(x)?;
        let max = row.max.ok_or_else(|| self.refuse("a row without its largest cell".into()))?;
        let one = 2f64.powi(-EXP_BITS);
        let len = row.shape[row.shape.len() - 1] as f64;
        let sums = Rep { id: row.sums, step: one };
        let (from, to) = (Span::new(1.0, len.max(1.5)), Span::new(0.0, len.ln().max(0.5)));
        let (kind, cells) = (crate::Kind::Float, self.g.get(id).cells());
        let image = Image { to, kind, sharp: false, cells, shared: from, of: None };
        let log = self.table_of(sums, from, image, &|v| v.max(0.5).ln())?;
        debug_assert_eq!(self.b.tensor(log.id)?.shape, self.g.get(id).shape);
        let step = log.step.min(max.step);
        let (a, b) = ((log.step / step).round() as i64, (max.step / step).round() as i64);
        let name = self.name("");
        let sum = self.b.combine(&name, &[(a, log.id), (b, max.id)], 0, Self::scale_of(step))?;
        Ok(Rep { id: sum, step })
    }
}
