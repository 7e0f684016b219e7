//! Decision trees: nodes and leaf values as parameters; see `proveil_graph::ForestSpec` for the paths. Comparisons go
//! as in real numbers wherever the operand is a whole number of units.

use proveil_graph::{Access, ForestSpec, Piece, TensorId};

use super::{Quantiser, Rep, Span, bit_range, bits_of, exponent};
use crate::error::Result;
use crate::real::forest::{Branch, Forest};
use crate::real::{Missing, RealGraph, RealOp, Source, identity};

/// Bits of a leaf's value, with its sign.
const VALUE_BITS: u32 = 20;
/// Bits of a leaf's value where the largest of several is taken: their difference is then looked up as it is.
pub(super) const EXTREME_BITS: u32 = 15;
/// Bits of an input that trees compare, with its sign: differences with thresholds take two digits.
const WIDE_BITS: u32 = 31;
/// Bits of such an input where coarse steps are exact: differences take one digit.
const NARROW_BITS: u32 = 15;
/// Bits below the steps that calibration saw.
const SPARE_BITS: i32 = 2;
/// Values that show the steps of an input.
const STEPS_KNOWN: usize = 64;
/// Wider operands are rounded before they are compared.
const MAX_OPERAND: u32 = 44;
/// Bits more where thresholds are that much larger than what calibration saw.
const MORE_BITS: i32 = 12;
/// Thresholds farther out than this factor times the calibrated values are beyond all of them.
const BEYOND: f64 = 1048576.0;
/// Room beyond the outermost threshold.
const BORDER: f64 = 1.001;
/// Relative error with which leaf values count as multiples of one.
const SAME: f64 = 1e-6;

impl Quantiser<'_> {
    /// Values of the leaves reached, `[rows, trees, columns]`.
    pub(super) fn trees(
        &mut self,
        id: TensorId,
        x: TensorId,
        missing: Option<&Missing>,
        forest: &Forest,
    ) -> Result<Rep> {
        let mut rep = self.rep(x)?;
        if bits_of(self.range(rep.id)) > MAX_OPERAND {
            rep = self.narrow(x, super::SHARP_BITS)?;
        }
        let range = self.range(rep.id);
        let near = self.wide_inputs(x);
        let operand = missing.map_or(Ok(rep.id), |m| self.beyond(rep.id, m))?;
        let most = self.range(operand).hi;
        // A leaf keeps whatever comes; a threshold parts the numbers, and leaves missing cells beyond either end.
        let threshold = |(at, n): (usize, &Branch)| match n.first == at {
            true => most,
            false => whole_threshold(n, rep.step, near).clamp(range.lo as f64 - 1.0, range.hi as f64) as i64,
        };
        // A column that may miss cells is there twice; the second time its missing cells go to first children.
        let feature = |n: &Branch| match missing.map(|m| m.columns.binary_search(&n.feature)) {
            Some(Ok(place)) if n.missing_first => forest.features + place,
            _ => n.feature,
        };
        let spec = ForestSpec {
            trees: forest.trees,
            depth: forest.depth,
            features: &forest.nodes.iter().map(feature).collect::<Vec<_>>(),
            thresholds: &forest.nodes.iter().enumerate().map(threshold).collect::<Vec<_>>(),
            children: &forest.nodes.iter().map(|n| n.first).collect::<Vec<_>>(),
        };
        let name = self.name("path");
        let leaves = self.b.paths(&name, operand, &spec)?;
        let bits = if self.extreme[id.0 as usize] { EXTREME_BITS } else { VALUE_BITS };
        let (step, mut values) = leaf_values(&forest.values, bits);
        values.resize(values.len() + forest.columns, 0);
        let name = self.name("leaf");
        let shape = [forest.nodes.len() + 1, forest.columns];
        let table = self.b.param(&name, &shape, bit_range(bits, true), Self::scale_of(step), values)?;
        let name = self.name("");
        Ok(Rep { id: self.b.gather(&name, table, leaves)?, step })
    }

    /// The columns of an operand, missing cells above all numbers; then those that may miss cells again, missing cells
    /// below all numbers.
    fn beyond(&mut self, x: TensorId, missing: &Missing) -> Result<TensorId> {
        let (range, flags) = (self.range(x), self.rep(missing.flags)?.id);
        let far = range.hi - range.lo + 1;
        let tensor = self.b.tensor(x)?;
        let (mut shape, scale) = (tensor.shape.clone(), tensor.scale);
        let [rows, width] = shape[..] else { return Err(self.refuse("rows of features are expected".into())) };
        shape[1] += missing.columns.len();
        let piece = |tensor: TensorId, coef: i64, from: usize, to: usize, len: usize| {
            let mut axes = identity(2);
            axes[1].offset = from as i64;
            Piece {
                start: vec![0, to],
                extents: vec![rows, len],
                sum: Vec::new(),
                coef,
                access: Access { tensor, axes },
            }
        };
        let mut pieces = vec![piece(x, 1, 0, 0, width), piece(flags, far, 0, 0, width)];
        let (mut at, columns) = (width, &missing.columns[..]);
        for run in columns.chunk_by(|a, b| a + 1 == *b) {
            pieces.push(piece(x, 1, run[0], at, run.len()));
            pieces.push(piece(flags, -far, run[0], at, run.len()));
            at += run.len();
        }
        let name = self.name("columns");
        Ok(self.b.linear(&name, &shape, pieces, 0, scale)?)
    }

    /// Whether a tensor is leaf values, or sums, views and maxima of them.
    pub(super) fn is_of_trees(&self, id: TensorId) -> bool {
        match &self.g.get(id).source {
            Source::Op(RealOp::Trees { .. }) => true,
            Source::Op(op @ (RealOp::Linear { .. } | RealOp::Reshape(_) | RealOp::Max(..))) => {
                op.operands().iter().any(|x| self.is_of_trees(*x))
            }
            _ => false,
        }
    }

    /// Bits, signed or not, and step of a real input that trees read as it is.
    pub(super) fn compared_input(&self, id: TensorId) -> Option<(u32, bool, f64)> {
        let span = self.span(id);
        let (lo, hi) = thresholds(self.g, id, span.reach() * BEYOND)?;
        // Cells beyond all thresholds saturate on the right side of each of them.
        let top = span.reach().max(lo.abs()).max(hi.abs()) * BORDER;
        let top = if top > 0.0 { top } else { 1.0 };
        let signed = span.signed() || lo < 0.0;
        // The largest integer may be no number.
        let none = f64::from(u8::from(self.g.missing.contains_key(&id)));
        let room = |bits: u32| (1u64 << (bits - u32::from(signed))) as f64 - 1.0 - none;
        let coarse = span.seen >= STEPS_KNOWN && span.grain > 0.0 && top / span.grain < room(NARROW_BITS);
        let bits = if coarse {
            let own = exponent(top / span.grain) + SPARE_BITS + i32::from(signed);
            own.clamp(2, NARROW_BITS as i32) as u32
        } else {
            let seen = if span.reach() > 0.0 { span.reach() } else { top };
            WIDE_BITS + exponent(top / seen).clamp(0, MORE_BITS) as u32
        };
        Some((bits, signed, 2f64.powi(exponent(top / room(bits)))))
    }

    /// Whether a tensor is an input with steps finer than its values': whose values lie between steps, as thresholds
    /// do, and are rounded.
    fn wide_inputs(&self, x: TensorId) -> bool {
        let input = self.g.inputs.iter().find(|id| self.g.reads_unchanged(x, **id));
        input.is_some_and(|id| self.rep(*id).is_ok_and(|r| bits_of(self.range(r.id)) >= WIDE_BITS))
    }
}

impl RealGraph {
    /// Which tensors a maximum reads, directly or through multiples, views and other maxima.
    pub(super) fn extreme(&self, live: &[bool]) -> Vec<bool> {
        let mut marked = vec![false; self.tensors.len()];
        for i in (0..self.tensors.len()).rev() {
            let (true, Source::Op(op)) = (live[i], &self.tensors[i].source) else { continue };
            let one = matches!(op, RealOp::Linear { pieces, .. } if pieces.len() == 1 && pieces[0].sum.is_empty());
            let through = one || matches!(op, RealOp::Reshape(_));
            if matches!(op, RealOp::Max(..)) || (through && marked[i]) {
                op.operands().iter().for_each(|x| marked[x.0 as usize] = true);
            }
        }
        marked
    }
}

/// The largest number of units that still goes to the first child. Where values are whole numbers of units this is
/// exact. Where they are rounded (`near`) the threshold is rounded like them, so that what is equal stays equal, and
/// what is not zero does not become it.
fn whole_threshold(n: &Branch, step: f64, near: bool) -> f64 {
    let units = n.threshold / step;
    let vanishes = units != 0.0 && units.abs() < 0.5;
    match (n.inclusive, near && !vanishes) {
        (true, true) => units.round(),
        (false, true) => units.round() - 1.0,
        (true, false) => units.floor(),
        (false, false) => units.ceil() - 1.0,
    }
}

/// Least and largest threshold up to `far` that trees compare an input with; `None` if no tree reads it unchanged.
fn thresholds(g: &RealGraph, id: TensorId, far: f64) -> Option<(f64, f64)> {
    let readers = g.tensors.iter().filter_map(|t| match &t.source {
        Source::Op(RealOp::Trees { x, forest, .. }) if g.reads_unchanged(*x, id) => Some(forest),
        _ => None,
    });
    readers.fold(None, |ends, forest| {
        let near = forest.nodes.iter().map(|n| n.threshold).filter(|t| t.abs() <= far);
        Some(near.fold(ends.unwrap_or((0.0, 0.0)), |(lo, hi): (f64, f64), t| (lo.min(t), hi.max(t))))
    })
}

/// Leaf values in a common unit: where all are multiples of the least, sums that are equal stay equal.
fn leaf_values(values: &[f64], bits: u32) -> (f64, Vec<i64>) {
    let room = bit_range(bits, true).hi as f64;
    let sizes = || values.iter().map(|v| v.abs()).filter(|v| *v > 0.0);
    let top = sizes().fold(0.0, f64::max);
    let least = sizes().fold(f64::INFINITY, f64::min);
    let multiple = |v: f64| (v / least - (v / least).round()).abs() <= SAME;
    let step = if top == 0.0 {
        1.0
    } else if top / least <= room && sizes().all(multiple) {
        least * 2f64.powi(exponent(top / least / room))
    } else {
        2f64.powi(exponent(top / room))
    };
    (step, values.iter().map(|v| (v / step).round() as i64).collect())
}

impl Span {
    /// With the largest power of two of which all values are multiples.
    pub fn with_grain(self, data: &[f64]) -> Self {
        let own = |v: f64| {
            let bits = v.to_bits() & ((1 << 52) - 1) | 1 << 52;
            let power = (v.to_bits() >> 52 & 0x7ff) as i32 - 1023 - 52 + bits.trailing_zeros() as i32;
            2f64.powi(power)
        };
        let grain = data.iter().filter(|v| **v != 0.0).fold(self.grain, |g, v| g.min(own(*v)));
        Self { grain, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_grains() {
        let grain = |data: &[f64]| Span::EMPTY.with_grain(data).grain;
        assert_eq!(grain(&[3.0, -8.0, 0.0]), 1.0);
        assert_eq!(grain(&[12.0, 8.0]), 4.0);
        assert_eq!(grain(&[0.0625, 1.0]), 0.0625);
        assert_eq!(grain(&[f64::from(0.1f32)]), 2f64.powi(-27));
        assert_eq!(grain(&[]), f64::INFINITY);
    }

    #[test]
    fn matches_reference_comparisons_on_the_grid_and_at_equality() {
        let node = |threshold: f64, inclusive: bool| Branch {
            feature: 0,
            threshold,
            inclusive,
            missing_first: false,
            first: 0,
        };
        let first = |n: &Branch, v: f64| if n.inclusive { v <= n.threshold } else { v < n.threshold };
        for inclusive in [true, false] {
            for quarters in -30..30 {
                let n = node(f64::from(quarters) * 0.25, inclusive);
                // Values on the grid, thresholds anywhere.
                for v in -8..8 {
                    assert_eq!(f64::from(v) <= whole_threshold(&n, 1.0, false), first(&n, f64::from(v)), "{n:?} {v}");
                }
                // Values off the grid: equal ones, those a unit away, and zero.
                for v in [n.threshold, n.threshold + 1.0, n.threshold - 1.0, 0.0] {
                    let equal = v == n.threshold && n.threshold.abs() >= 0.5;
                    let apart = (v - n.threshold).abs() >= 1.0 || equal || v == 0.0;
                    let goes = v.round() <= whole_threshold(&n, 1.0, true);
                    assert!(!apart || goes == first(&n, v), "{n:?} {v}");
                }
            }
        }
    }

    #[test]
    fn matches_reference_units_of_leaf_values() {
        let (step, cells) = leaf_values(&[0.0, 0.3, 0.1, 0.2], VALUE_BITS);
        assert_eq!((cells[1], cells[3]), (3 * cells[2], 2 * cells[2]));
        assert!((cells[2] as f64 * step - 0.1).abs() < 1e-12 && cells[1] >= 1 << 17 && cells[1] < 1 << 19);
        let (step, cells) = leaf_values(&[-1.0, 0.7310], VALUE_BITS);
        assert_eq!(step, 2f64.powi(-18));
        assert_eq!(cells, [-(1 << 18), (0.7310 * f64::from(1 << 18)).round() as i64]);
        assert_eq!(leaf_values(&[0.0, 0.0], VALUE_BITS), (1.0, vec![0, 0]));
    }
}
