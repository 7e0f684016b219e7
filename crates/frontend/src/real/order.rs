//! What the order of cells can be read from. A tensor that grows with another one has its cells in the same order, and
//! the other one is exact, or finer, where the function between them is a table: distances are compared below their
//! square root, classes below the soft-max.

use proveil_graph::{Affine, TensorId};

use super::expr::Expr;
use super::{RealGraph, RealOp, RealPiece, Source};

/// A tensor to compare in place of another one.
#[derive(Clone, Copy)]
struct Below {
    id: TensorId,
    /// Whether cells of different rows are in the other tensor's order too.
    across: bool,
}

impl RealGraph {
    /// A tensor of the same shape with the cells of every row of its last axis in the order of those of `x`, and equal
    /// where they are.
    pub fn ordered_as(&mut self, x: TensorId) -> TensorId {
        self.below(x).id
    }

    fn below(&mut self, x: TensorId) -> Below {
        let own = Below { id: x, across: true };
        if let Some(row) = self.less_log_sum_exp(x) {
            return Below { across: false, ..self.below(row) };
        }
        let Source::Op(op) = self.get(x).source.clone() else { return own };
        match op {
            RealOp::Softmax(row) => Below { across: false, ..self.below(row) },
            RealOp::Map { x: inner, f } => match f.grows() {
                Some(true) => self.below(inner),
                Some(false) => {
                    let below = self.below(inner);
                    let kind = self.kind(below.id);
                    Below { id: self.map(below.id, Expr::affine(-1.0, 0.0), kind), ..below }
                }
                None => own,
            },
            RealOp::Reshape(inner) => {
                let below = self.below(inner);
                let same = self.shape(inner).last() == self.shape(x).last();
                match below.id != inner && (below.across || same) {
                    true => Below { id: self.reshape(below.id, self.shape(x).to_vec()), ..below },
                    false => own,
                }
            }
            RealOp::Linear { pieces, .. } => match &pieces[..] {
                [p] if self.is_choice(x, p) => self.below_choice(x, p),
                _ => own,
            },
            _ => own,
        }
    }

    /// Whether every cell of `x` is one cell of the piece's operand, times a factor, plus a constant.
    fn is_choice(&self, x: TensorId, p: &RealPiece) -> bool {
        let shape = self.shape(p.access.tensor);
        let inside = |(form, &len): (&Affine, &usize)| {
            let (lo, hi) = form.interval(&p.extents);
            lo >= 0 && hi < len as i128
        };
        p.coef != 0.0 && p.sum.is_empty() && p.extents == self.shape(x) && p.access.axes.iter().zip(shape).all(inside)
    }

    fn below_choice(&mut self, x: TensorId, p: &RealPiece) -> Below {
        let own = Below { id: x, across: true };
        let below = self.below(p.access.tensor);
        let shape = self.shape(x).to_vec();
        let Some(last) = shape.len().checked_sub(1) else { return own };
        // Rows of the result must be rows of the operand.
        let axes = p.access.axes.split_last();
        let rows = axes.is_some_and(|(own, others)| {
            *own == Affine::var(last) && others.iter().all(|form| form.terms.iter().all(|t| t.0 != last))
        });
        if below.id == p.access.tensor || !(below.across || rows) {
            return own;
        }
        let mut piece = RealPiece { coef: p.coef.signum(), ..p.clone() };
        piece.access.tensor = below.id;
        let kind = self.kind(below.id);
        Below { id: self.op(shape, kind, RealOp::Linear { pieces: vec![piece], constant: 0.0 }), ..below }
    }
}
