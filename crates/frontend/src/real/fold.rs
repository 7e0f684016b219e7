//! Folds a per-channel factor into the weights that produced a tensor (batch normalisation after a convolution or
//! a matrix product).

use std::sync::Arc;

use proveil_graph::{Affine, Contract, TensorId};

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

    /// Scales the constant operand of a contraction if the factor varies only along axes that it has.
    fn scale_contract(&mut self, c: &Contract, factor: TensorId) -> Option<TensorId> {
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
        let mut at = vec![0; from.len()];
        let mut data = Vec::with_capacity(weights.len());
        for (i, w) in weights.iter().enumerate() {
            let mut rest = i;
            for a in (0..from.len()).rev() {
                at[a] = rest % from[a];
                rest /= from[a];
            }
            let f: usize = along.iter().zip(&at).map(|(s, i)| s * i).sum();
            data.push(w * values[f]);
        }
        let id = self.constant(&crate::tensor::Tensor { shape: from, kind: Kind::Float, data: Vec::new() });
        self.tensors[id.0 as usize].source = Source::Const { data: Arc::new(data), secret: true };
        let mut scaled = c.clone();
        scaled.lhs.tensor = id;
        Some(self.contract(scaled))
    }
}
