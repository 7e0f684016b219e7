//! Folds a per-channel factor into the weights that produced a tensor (batch normalisation after a convolution or
//! a matrix product).

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::{RealGraph, RealOp, Source};
use crate::tensor::Kind;

impl RealGraph {
    /// `x * factor` (broadcast to the shape of `x`) by scaling constants; `None` where `x` is not made that way.
    pub(super) fn scale_weights(&mut self, x: TensorId, factor: TensorId) -> Option<TensorId> {
        let Source::Op(op) = self.get(x).source.clone() else { return None };
        match op {
            RealOp::Contract(c) => self.scale_contract(&c, factor),
            RealOp::Linear { pieces, constant: 0.0 } => {
                let shape = self.shape(x).to_vec();
                let mut terms = Vec::new();
                for p in &pieces {
                    let t = p.access.tensor;
                    let vars: Vec<usize> = (0..shape.len()).collect();
                    let full = p.extents == shape && p.sum.is_empty();
                    if !full || p.access.axes != super::build::broadcast_axes(self.shape(t), &vars) {
                        return None;
                    }
                    let scaled = if self.as_const(t).is_some() {
                        self.binary(super::expr::Bin::Mul, t, factor)?
                    } else if self.shape(t) == shape {
                        self.scale_weights(t, factor)?
                    } else {
                        return None;
                    };
                    terms.push((p.coef, scaled));
                }
                Some(self.combine(&shape, Kind::Float, &terms, 0.0))
            }
            _ => None,
        }
    }

    /// A product of weights with `gamma * y + beta`, both constant along all but the last axis (the end of a layer
    /// normalisation), as a product of scaled weights with `y` plus a constant; `None` where it is not one, and where
    /// the weights are read elsewhere too (an embedding that is also the last layer): a second copy costs more.
    pub(super) fn absorb_affine(&mut self, c: &Contract) -> Option<TensorId> {
        self.as_const(c.lhs.tensor).filter(|_| !self.int_bits.contains_key(&c.lhs.tensor))?;
        let x = c.rhs.tensor;
        let (core, beta) = self.plus_row(x).unwrap_or((x, None));
        let (gamma, y) = self.times_row(core)?;
        let (last, rest) = c.rhs.axes.split_last()?;
        let simple = |form: &Affine| form.offset == 0 && matches!(form.terms[..], [] | [(_, 1)]);
        let [(k, 1)] = last.terms[..] else { return None };
        if c.out.contains(&k) || !simple(last) || !rest.iter().all(simple) || c.extents[k] != *self.shape(x).last()? {
            return None;
        }
        if self.is_read(c.lhs.tensor) {
            return None;
        }
        let column = |tensor: TensorId| Access { tensor, axes: vec![Affine::var(k)] };
        let scaled = self.along(c, column(gamma))?;
        let mut product = c.clone();
        (product.lhs.tensor, product.rhs.tensor) = (scaled, y);
        let product = self.contract(product);
        let Some(beta) = beta else { return Some(product) };
        // The constant is the same wherever only `x` varies.
        let mut shift = c.clone();
        shift.rhs = column(beta);
        for v in 0..shift.extents.len() {
            let in_weights = shift.lhs.axes.iter().any(|form| form.terms.iter().any(|t| t.0 == v));
            if !in_weights && v != k {
                shift.extents[v] = 1;
            }
        }
        let shift = self.contract(shift);
        let shape = self.shape(product).to_vec();
        Some(self.combine(&shape, Kind::Float, &[(1.0, product), (1.0, shift)], 0.0))
    }

    /// Weights times a list over one variable of their contraction.
    fn along(&mut self, c: &Contract, list: Access) -> Option<TensorId> {
        let (k, shape) = (list.axes[0].terms[0].0, self.shape(c.lhs.tensor).to_vec());
        let axis = c.lhs.axes.iter().position(|form| *form == Affine::var(k))?;
        let (weights, factors) = (self.as_const(c.lhs.tensor)?.clone(), self.as_const(list.tensor)?.clone());
        let (stride, len) = (self.strides(c.lhs.tensor)[axis], shape[axis]);
        let work = move || weights.iter().enumerate().map(|(i, w)| w * factors[i / stride % len]).collect();
        let data = self.sums(&[c.lhs.tensor, list.tensor], work);
        Some(self.push(shape, Kind::Float, Source::Const { data, secret: true }))
    }

    /// `(y, beta)` if a tensor is `y + beta` with a constant that is a list over the last axis.
    fn plus_row(&self, x: TensorId) -> Option<(TensorId, Option<TensorId>)> {
        let Source::Op(RealOp::Linear { pieces, constant: 0.0 }) = &self.get(x).source else { return None };
        let [a, b] = &pieces[..] else { return None };
        let shape = self.shape(x);
        let vars: Vec<usize> = (0..shape.len()).collect();
        let plain = |p: &super::RealPiece| {
            let axes = super::build::broadcast_axes(self.shape(p.access.tensor), &vars);
            p.coef == 1.0 && p.sum.is_empty() && p.extents == shape && p.access.axes == axes
        };
        let (y, list) = if self.is_row(b.access.tensor, shape) { (a, b) } else { (b, a) };
        let fits = plain(a) && plain(b) && self.is_row(list.access.tensor, shape);
        (fits && self.shape(y.access.tensor) == shape).then_some((y.access.tensor, Some(list.access.tensor)))
    }

    /// `(gamma, y)` if a tensor is `gamma * y` cell by cell, with a constant that is a list over the last axis.
    fn times_row(&self, x: TensorId) -> Option<(TensorId, TensorId)> {
        let Source::Op(RealOp::Contract(c)) = &self.get(x).source else { return None };
        let (shape, rank) = (self.shape(x), c.extents.len());
        let vars: Vec<usize> = (0..rank).collect();
        let own = c.out == vars && c.rhs.axes == super::build::broadcast_axes(shape, &vars);
        let row = rank > 0 && c.lhs.axes == [Affine::var(rank - 1)];
        (own && row && self.is_row(c.lhs.tensor, shape) && self.shape(c.rhs.tensor) == shape)
            .then_some((c.lhs.tensor, c.rhs.tensor))
    }

    /// Whether a tensor is a constant list as long as the last axis of a shape.
    fn is_row(&self, x: TensorId, shape: &[usize]) -> bool {
        self.as_const(x).is_some() && self.shape(x).len() == 1 && self.shape(x).last() == shape.last()
    }

    /// Scales the constant operand of a contraction if the factor varies only along axes that it has.
    fn scale_contract(&mut self, c: &Contract, factor: TensorId) -> Option<TensorId> {
        if self.int_bits.contains_key(&c.lhs.tensor) {
            return None;
        }
        let weights = self.as_const(c.lhs.tensor)?.clone();
        let values = self.as_const(factor)?.clone();
        let (shape, from) = (self.shape(factor).to_vec(), self.shape(c.lhs.tensor).to_vec());
        let steps = self.strides(factor);
        let skip = c.out.len().checked_sub(shape.len())?;
        // For each axis of the weights, the stride of the factor along it.
        let mut along = vec![0; from.len()];
        for (a, &len) in shape.iter().enumerate().filter(|(_, len)| **len > 1) {
            let var = c.out[a + skip];
            let axis = c.lhs.axes.iter().position(|form| *form == Affine::var(var))?;
            (along[axis], _) = (steps[a], len);
        }
        let lengths = from.clone();
        let work = move || {
            let mut at = vec![0; lengths.len()];
            let mut data = Vec::with_capacity(weights.len());
            for (i, w) in weights.iter().enumerate() {
                let mut rest = i;
                for a in (0..lengths.len()).rev() {
                    at[a] = rest % lengths[a];
                    rest /= lengths[a];
                }
                let f: usize = along.iter().zip(&at).map(|(s, i)| s * i).sum();
                data.push(w * values[f]);
            }
            data
        };
        let data = self.sums(&[c.lhs.tensor, factor], work);
        let id = self.push(from, Kind::Float, Source::Const { data, secret: true });
        let mut scaled = c.clone();
        scaled.lhs.tensor = id;
        Some(self.contract(scaled))
    }
}
