//! Sums of tensors of different units: integer factors that bring all of them to one unit.

use proveil_graph::{Access, Piece, TensorId};

use super::{Quantiser, Rep, bits_of, exponent};
use crate::error::Result;
use crate::onnx::MASK;
use crate::real::{RealPiece, Source};
use crate::tensor::Kind;

/// Calibrated values of an accumulator stay below this many units, so that one look-up can round it.
const ACC_BITS: i32 = 36;

impl Quantiser<'_> {
    pub(super) fn linear(&mut self, id: TensorId, pieces: &[RealPiece], constant: f64) -> Result<Rep> {
        let used: Vec<&RealPiece> = pieces.iter().filter(|p| p.coef != 0.0).collect();
        let mut reps = Vec::new();
        for p in &used {
            let x = p.access.tensor;
            reps.push(if self.g.as_const(x).is_some() { None } else { Some(self.rep(x)?) });
        }
        let mut span = self.span(id);
        if span.lo <= MASK / 2.0 && span.row_top > MASK / 2.0 {
            // How far masked cells are pushed down says nothing about the others.
            span.lo = span.row_top.min(0.0);
        }
        let reach = span.reach().max(constant.abs()) * self.set.margin;
        let fine = 2f64.powi(exponent(reach) - ACC_BITS);
        let mut unit = common_unit(&used, &reps);
        // Too fine: round wide operands, the finest first, until it is not.
        let mut rounded = vec![false; used.len()];
        while unit < fine {
            let wide = |i: &usize| !rounded[*i] && reps[*i].is_some_and(|r| bits_of(self.range(r.id)) > 17);
            let size = |i: usize| reps[i].map_or(f64::INFINITY, |r| (used[i].coef * r.step).abs());
            let finest = (0..used.len()).filter(wide).min_by(|&i, &j| size(i).total_cmp(&size(j)));
            let Some(i) = finest else { break };
            let rep = self.narrow(used[i].access.tensor, self.set.table_bits)?;
            (reps[i], rounded[i]) = (Some(rep), true);
            unit = common_unit(&used, &reps);
        }
        unit = unit.max(fine);
        if reps.iter().all(Option::is_none) {
            unit = 2f64.powi(exponent(reach) - 15);
        }
        unit = self.settled(id, unit, reach, &used, constant);
        let mut out = Vec::new();
        for (p, rep) in used.iter().zip(&reps) {
            let terms = match rep {
                Some(r) => vec![((p.coef * r.step / unit).round() as i64, r.id)],
                None => self.addend(p.access.tensor, p.coef, unit, reach)?,
            };
            for (coef, tensor) in terms.into_iter().filter(|(c, _)| *c != 0) {
                out.push(Piece {
                    start: p.start.clone(),
                    extents: p.extents.clone(),
                    sum: p.sum.clone(),
                    coef,
                    access: Access { tensor, axes: p.access.axes.clone() },
                });
            }
        }
        let name = self.name("");
        let shape = &self.g.get(id).shape;
        let constant = (constant / unit).round() as i64;
        Ok(Rep { id: self.b.linear(&name, shape, out, constant, Self::scale_of(unit))?, step: unit })
    }
}

impl Quantiser<'_> {
    /// A finer unit if the constants are no multiples of this one: 3 x - 1 has unit 1, not 3. Weights have no say,
    /// since the unit is public: next to them it is always fine.
    fn settled(&self, id: TensorId, unit: f64, reach: f64, pieces: &[&RealPiece], constant: f64) -> f64 {
        let enough = reach * 2f64.powi(-16);
        let fits = |unit: f64| {
            let whole = |v: f64| (v / unit - (v / unit).round()).abs() < 1e-9 * (v / unit).abs().max(1.0);
            let cells = |p: &&RealPiece| match &self.g.get(p.access.tensor).source {
                Source::Const { data, secret } => !secret && data.iter().all(|&v| whole(v * p.coef)),
                _ => true,
            };
            whole(constant) && pieces.iter().all(cells)
        };
        // Whole numbers stay whole, however many there are: they may be places.
        if self.g.kind(id) != Kind::Float && unit.fract() == 0.0 && !fits(unit) && fits(1.0) {
            return 1.0;
        }
        if unit <= enough || fits(unit) {
            return unit;
        }
        let halves = (1..=20).map(|k| 2f64.powi(-k));
        let parts = (2..=12).map(|d| 1.0 / f64::from(d));
        let finer = parts.chain(halves).map(|f| unit * f).find(|&u| fits(u));
        finer.filter(|&u| u > enough).unwrap_or_else(|| unit * 2f64.powi(exponent(enough / unit)))
    }
}

/// A unit of which all terms are whole multiples, exactly if there is one among them, else to 12 bits.
fn common_unit(pieces: &[&RealPiece], reps: &[Option<Rep>]) -> f64 {
    let terms: Vec<f64> = pieces.iter().zip(reps).filter_map(|(p, r)| r.map(|r| (p.coef * r.step).abs())).collect();
    let least = terms.iter().copied().fold(f64::INFINITY, f64::min);
    if !least.is_finite() {
        return 1.0;
    }
    let whole = |unit: f64| terms.iter().all(|t| (t / unit - (t / unit).round()).abs() < 1e-9 * (t / unit));
    if whole(least) {
        return least;
    }
    (2..=12).map(|d| least / f64::from(d)).find(|&u| whole(u)).unwrap_or(least / 4096.0)
}
