//! Products with a soft-max: the exponentials are multiplied first and the few results divided by the row sums, so
//! that the many weights of attention are never rounded on their own.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::softmax::is_flat;
use super::{Quantiser, Rep, Span, bits_of};
use crate::error::Result;
use crate::real::{RealGraph, RealOp, Source};

/// Bits of an accumulator that one look-up can still round: table, head and shift together.
const WIDEST: u32 = 54;
/// Sums of exponentials below 1 of this many cells still have a reciprocal of enough bits.
const LONG_ROW: usize = 128;

/// Which soft-max tensors are read by such products only.
pub(super) fn deferred(g: &RealGraph, live: &[bool], spans: &[Span]) -> Vec<bool> {
    let row = |x: &TensorId| g.shape(*x).last().copied().unwrap_or(1);
    let mut out: Vec<bool> = (0..g.tensors.len())
        .map(|i| match &g.tensors[i].source {
            Source::Op(RealOp::Softmax(x)) => live[i] && (is_flat(spans[x.0 as usize], row(x)) || row(x) <= LONG_ROW),
            _ => false,
        })
        .collect();
    for id in &g.outputs {
        out[id.0 as usize] = false;
    }
    for (t, _) in g.tensors.iter().zip(live).filter(|(_, l)| **l) {
        let Source::Op(op) = &t.source else { continue };
        for x in op.operands() {
            let fits = matches!(op, RealOp::Contract(c) if sides(c, x).is_some());
            out[x.0 as usize] &= fits;
        }
    }
    out
}

/// The access of a soft-max and the other one, if the product runs over whole rows of it and of nothing else.
fn sides(c: &Contract, softmax: TensorId) -> Option<(&Access, &Access)> {
    let (own, other) = match (c.lhs.tensor == softmax, c.rhs.tensor == softmax) {
        (true, false) => (&c.lhs, &c.rhs),
        (false, true) => (&c.rhs, &c.lhs),
        _ => return None,
    };
    let (last, before) = own.axes.split_last()?;
    let summed = |v: usize| !c.out.contains(&v);
    let var = |form: &Affine| match form.terms[..] {
        [(v, 1)] if form.offset == 0 => Some(v),
        _ => None,
    };
    let plain = before.iter().all(|form| *form == Affine::default() || var(form).is_some_and(|v| !summed(v)));
    (plain && var(last).is_some_and(summed)).then_some((own, other))
}

impl Quantiser<'_> {
    /// The product of a deferred soft-max with another tensor; `None` if neither operand is one.
    pub(super) fn attend(&mut self, c: &Contract) -> Result<Option<Rep>> {
        let softmax = [c.lhs.tensor, c.rhs.tensor].into_iter().find(|x| self.deferred[x.0 as usize]);
        let Some((x, own, other)) = softmax.and_then(|id| match &self.g.get(id).source {
            Source::Op(RealOp::Softmax(x)) => sides(c, id).map(|(own, other)| (*x, own, other)),
            _ => None,
        }) else {
            return Ok(None);
        };
        let row = self.row_of(x)?;
        let value = self.operand(other.tensor, self.set.activation_bits, None)?;
        let one = 2f64.powi(-super::softmax::EXP_BITS);
        let mut product = c.clone();
        product.lhs = Access { tensor: value.id, axes: other.axes.clone() };
        product.rhs = Access { tensor: row.exps, axes: own.axes.clone() };
        let name = self.name("weighted");
        let weighted = self.b.contract(&name, product)?;
        let bits = bits_of(self.range(weighted));
        let inverse = self.reciprocal(Rep { id: row.sums, step: one }, row.reach)?;
        let room = WIDEST.saturating_sub(bits).clamp(10, 16);
        let inverse = self.requantise(inverse, Span::new(0.0, 1.0 / row.reach.lo), room, false)?;
        let extents: Vec<usize> = c.out.iter().map(|&v| c.extents[v]).collect();
        let mut axes: Vec<Affine> = own.axes.iter().map(|form| renumbered(form, &c.out)).collect();
        if let Some(last) = axes.last_mut() {
            *last = Affine::default();
        }
        let vars: Vec<usize> = (0..extents.len()).collect();
        let lhs = Access { tensor: inverse.id, axes };
        let rhs = Access { tensor: weighted, axes: crate::real::identity(vars.len()) };
        let name = self.name("");
        let id = self.b.contract(&name, Contract { extents, out: vars, lhs, rhs })?;
        Ok(Some(Rep { id, step: value.step * one * inverse.step }))
    }
}

/// A form on variables of a product as a form on the axes of its result.
fn renumbered(form: &Affine, out: &[usize]) -> Affine {
    let terms: Vec<(usize, i64)> =
        form.terms.iter().filter_map(|&(v, k)| out.iter().position(|&o| o == v).map(|at| (at, k))).collect();
    Affine::new(&terms, form.offset)
}
