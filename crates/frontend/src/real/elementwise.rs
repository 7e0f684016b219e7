//! Element-wise operators: functions of one tensor are fused into one, transpositions are moved behind them,
//! everything else becomes a sum, a product or a maximum.

use std::borrow::Cow;
use std::sync::Arc;

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::build::broadcast_axes;
use super::expr::{Bin, Expr, Un};
use super::{RealGraph, RealOp, RealPiece, Source};
use crate::tensor::{Kind, broadcast_shape};

/// Fused expressions stop growing here.
const MAX_EXPR: usize = 200;

impl RealGraph {
    /// `f` of every cell.
    pub fn map(&mut self, x: TensorId, f: Expr, kind: Kind) -> TensorId {
        if let Some((inner, perm)) = self.as_permute(x) {
            let y = self.map(inner, f, kind);
            return self.permute(y, &perm);
        }
        if f == Expr::un(Un::Exp, Expr::X)
            && let Some(row) = self.less_log_sum_exp(x)
        {
            return self.op(self.shape(x).to_vec(), kind, RealOp::Softmax(row));
        }
        if let Some(parts) = self.exponentials(x).filter(|_| f.as_affine().is_some_and(|(_, c)| c != 0.0)) {
            // A table of `exp(x) - 1` keeps the digits that the difference of two tables loses.
            let mut pieces = Vec::new();
            for p in parts {
                let tensor = self.map(p.access.tensor, f.clone(), kind);
                pieces.push(RealPiece { access: Access { tensor, ..p.access }, ..p });
            }
            let shape = self.shape(x).to_vec();
            return self.op(shape, kind, RealOp::Linear { pieces, constant: 0.0 });
        }
        if let Some((a, c)) = f.as_affine().filter(|&(a, _)| a != 0.0) {
            let shape = self.shape(x).to_vec();
            return if (a, c) == (1.0, 0.0) && kind == self.kind(x) {
                x
            } else {
                self.combine(&shape, kind, &[(a, x)], c)
            };
        }
        let (root, inner) = self.root(x);
        let whole = f.of(&inner);
        let (x, f) = if whole.size() > MAX_EXPR { (x, f) } else { (root, whole) };
        let shape = self.shape(x).to_vec();
        self.op(shape, kind, RealOp::Map { x, f: Arc::new(f) })
    }

    /// The tensor of which `x` is the logarithm of the soft-max along the last axis, if it is one.
    pub(super) fn less_log_sum_exp(&self, x: TensorId) -> Option<TensorId> {
        let Source::Op(RealOp::Linear { pieces, constant: 0.0 }) = &self.get(x).source else { return None };
        let [a, b] = &pieces[..] else { return None };
        let (row, sum, shape) = (a.access.tensor, b.access.tensor, self.shape(x));
        let vars: Vec<usize> = (0..shape.len()).collect();
        let plain = |p: &RealPiece, coef: f64| {
            let axes = broadcast_axes(self.shape(p.access.tensor), &vars);
            p.coef == coef && p.sum.is_empty() && p.extents == shape && p.access.axes == axes
        };
        let mut column = shape.to_vec();
        *column.last_mut()? = 1;
        let inner = match &self.get(sum).source {
            Source::Op(RealOp::Reshape(inner)) => *inner,
            _ => sum,
        };
        let of = matches!(&self.get(inner).source, Source::Op(RealOp::LogSumExp(r)) if *r == row);
        let fits = plain(a, 1.0) && plain(b, -1.0) && self.shape(row) == shape && self.shape(sum) == column;
        (of && fits).then_some(row)
    }

    /// The parts of a tensor that puts whole tensors beside each other.
    pub fn joined(&self, x: TensorId) -> Option<Vec<RealPiece>> {
        let Source::Op(RealOp::Linear { pieces, constant: 0.0 }) = &self.get(x).source else { return None };
        let whole = |p: &RealPiece| {
            let axes = crate::real::identity(p.extents.len());
            let all = self.shape(p.access.tensor) == p.extents;
            p.coef == 1.0 && p.sum.is_empty() && p.access.axes == axes && all
        };
        let apart = |(i, p): (usize, &RealPiece)| pieces[i + 1..].iter().all(|other| p.apart_from(other));
        let cells: usize = pieces.iter().map(|p| p.extents.iter().product::<usize>()).sum();
        let joined = pieces.len() > 1 && pieces.iter().all(whole) && cells == self.get(x).cells();
        (joined && pieces.iter().enumerate().all(apart)).then(|| pieces.clone())
    }

    /// The parts of a tensor that puts exponentials beside each other.
    fn exponentials(&self, x: TensorId) -> Option<Vec<RealPiece>> {
        let exp = |p: &RealPiece| match &self.get(p.access.tensor).source {
            Source::Op(RealOp::Map { f, .. }) => matches!(**f, Expr::Un(Un::Exp, _)),
            _ => false,
        };
        self.joined(x).filter(|parts| parts.iter().all(exp))
    }

    /// A named function of every cell, as a float tensor.
    pub fn un(&mut self, f: Un, x: TensorId) -> TensorId {
        self.map(x, Expr::un(f, Expr::X), Kind::Float)
    }

    /// Whether `x` is a function of each cell of another tensor, other than a multiple of it plus a constant.
    pub fn is_function(&self, x: TensorId) -> bool {
        let x = self.as_permute(x).map_or(x, |(inner, _)| inner);
        matches!(self.get(self.root(x).0).source, Source::Op(_) | Source::Input) && self.root(x).1.as_affine().is_none()
    }

    /// The tensor that `x` is a cell-by-cell function of, and the function, as far as it may be fused: a file may put
    /// any number of functions one behind the other.
    fn root(&self, x: TensorId) -> (TensorId, Expr) {
        let (mut x, mut f) = (x, Expr::X);
        while let Some((inner, g)) = self.last_function(x) {
            if f.size() + g.size() > MAX_EXPR {
                break;
            }
            let whole = f.of(&g);
            if whole.size() > MAX_EXPR {
                break;
            }
            (x, f) = (inner, whole);
        }
        (x, f)
    }

    /// The tensor that the operator of `x` takes a function of, cell by cell, and the function.
    fn last_function(&self, x: TensorId) -> Option<(TensorId, Cow<'_, Expr>)> {
        match &self.get(x).source {
            Source::Op(RealOp::Map { x: inner, f }) => Some((*inner, Cow::Borrowed(f))),
            Source::Op(RealOp::Linear { pieces, constant }) if pieces.len() == 1 => {
                let p = &pieces[0];
                let plain =
                    p.sum.is_empty()
                        && p.extents == self.get(x).shape
                        && self.shape(p.access.tensor) == p.extents
                        && p.access.axes.iter().enumerate().all(|(a, form)| {
                            *form == Affine::var(a) || (p.extents[a] == 1 && *form == Affine::default())
                        });
                plain.then(|| (p.access.tensor, Cow::Owned(Expr::affine(p.coef, *constant))))
            }
            _ => None,
        }
    }

    /// An element-wise operator of two tensors with broadcasting; `None` when the shapes clash.
    pub fn binary(&mut self, f: Bin, a: TensorId, b: TensorId) -> Option<TensorId> {
        let shape = broadcast_shape(self.shape(a), self.shape(b))?;
        let whole = self.kind(a) != Kind::Float && self.kind(b) != Kind::Float;
        let kind = if whole { Kind::Int } else { Kind::Float };
        if self.as_const(a).is_some() && self.as_const(b).is_some() {
            return Some(self.fold_binary(f, a, b, &shape, kind));
        }
        if let Some(out) = self.through_transpose(f, a, b, &shape) {
            return Some(out);
        }
        if let Some(c) = self.as_uniform(b).filter(|_| self.shape(a) == shape) {
            return Some(self.with_scalar(f, a, c, false, kind));
        }
        if let Some(c) = self.as_uniform(a).filter(|_| self.shape(b) == shape) {
            return Some(self.with_scalar(f, b, c, true, kind));
        }
        if let Some(out) = self.same_root(f, a, b, kind) {
            return Some(out);
        }
        self.of_tensors(f, a, b, &shape, kind)
    }

    fn fold_binary(&mut self, f: Bin, a: TensorId, b: TensorId, shape: &[usize], kind: Kind) -> TensorId {
        let (wa, wb) = (self.broadcast(a, shape), self.broadcast(b, shape));
        let secret = |g: &Self, x: TensorId| matches!(g.get(x).source, Source::Const { secret: true, .. });
        let is_secret = secret(self, wa) || secret(self, wb);
        let int_div = f == Bin::Div && kind == Kind::Int;
        let value = |x: f64, y: f64| if int_div { (x / y).trunc() } else { f.at(x, y) };
        let empty = crate::cells::Cells::default();
        let (da, db) = (self.as_const(wa).unwrap_or(&empty), self.as_const(wb).unwrap_or(&empty));
        let data: Vec<f64> = da.iter().zip(db.iter()).map(|(&x, &y)| value(x, y)).collect();
        let id = self.constant(&crate::tensor::Tensor { shape: shape.to_vec(), kind, data });
        if let Source::Const { secret, .. } = &mut self.tensors[id.0 as usize].source {
            *secret = is_secret;
        }
        id
    }

    /// Works below a transposition, so that channel-last tensors stay channel-last.
    fn through_transpose(&mut self, f: Bin, a: TensorId, b: TensorId, shape: &[usize]) -> Option<TensorId> {
        let (pa, pb) = (self.as_permute(a), self.as_permute(b));
        let perm = match (&pa, &pb) {
            (Some((_, p)), Some((_, q))) if p == q => p.clone(),
            (Some((_, p)), None) if self.as_const(b).is_some() && self.shape(a) == shape => p.clone(),
            (None, Some((_, q))) if self.as_const(a).is_some() && self.shape(b) == shape => q.clone(),
            _ => return None,
        };
        let mut back = vec![0; perm.len()];
        for (i, &p) in perm.iter().enumerate() {
            back[p] = i;
        }
        let below = |g: &mut Self, x: TensorId, seen: Option<(TensorId, Vec<usize>)>| match seen {
            Some((inner, _)) => inner,
            None => {
                let mut full = vec![1; perm.len() - g.shape(x).len()];
                full.extend_from_slice(g.shape(x));
                let wide = g.reshape(x, full);
                g.permute(wide, &back)
            }
        };
        let (xa, xb) = (below(self, a, pa), below(self, b, pb));
        let y = self.binary(f, xa, xb)?;
        Some(self.permute(y, &perm))
    }

    fn with_scalar(&mut self, f: Bin, x: TensorId, c: f64, scalar_first: bool, kind: Kind) -> TensorId {
        let (l, r) = if scalar_first { (Expr::Const(c), Expr::X) } else { (Expr::X, Expr::Const(c)) };
        let e = match f {
            Bin::Div if kind == Kind::Int => Expr::un(Un::Trunc, Expr::bin(f, l, r)),
            Bin::Div if scalar_first => Expr::bin(Bin::Mul, Expr::Const(c), Expr::un(Un::Recip, Expr::X)),
            Bin::Pow if !scalar_first && c == 1.0 => Expr::X,
            Bin::Pow if !scalar_first && c == 2.0 => Expr::bin(Bin::Mul, Expr::X, Expr::X),
            Bin::Pow if !scalar_first && c == 0.5 => Expr::un(Un::Sqrt, Expr::X),
            Bin::Pow if !scalar_first && c == -1.0 => Expr::un(Un::Recip, Expr::X),
            _ => Expr::bin(f, l, r),
        };
        let whole = kind == Kind::Int && (f != Bin::Pow || c >= 0.0) && c == c.trunc();
        self.map(x, e, if whole { Kind::Int } else { Kind::Float })
    }

    /// Two functions of one tensor are one function of it.
    fn same_root(&mut self, f: Bin, a: TensorId, b: TensorId, kind: Kind) -> Option<TensorId> {
        let ((ra, ea), (rb, eb)) = (self.root(a), self.root(b));
        if ra != rb || self.shape(a) != self.shape(b) || ea.size() + eb.size() > MAX_EXPR {
            return None;
        }
        // What takes a tensor to itself is a constant; at 0, a quotient has no value that another one could contradict.
        if ea == eb && matches!(f, Bin::Sub | Bin::Div) && !self.may_miss(ra) {
            let shape = self.shape(a).to_vec();
            let cells = vec![f64::from(u8::from(f == Bin::Div)); self.get(a).cells()];
            return Some(self.public(shape, kind, cells));
        }
        let linear = matches!(f, Bin::Add | Bin::Sub) && ea.as_affine().is_some() && eb.as_affine().is_some();
        let shape = self.shape(ra).to_vec();
        let e = match f {
            Bin::Div if kind == Kind::Int => Expr::un(Un::Trunc, Expr::bin(f, ea, eb)),
            _ => Expr::bin(f, ea, eb),
        };
        Some(match e.as_affine().filter(|_| linear) {
            Some((s, c)) => self.combine(&shape, kind, &[(s, ra)], c),
            None => self.op(shape, kind, RealOp::Map { x: ra, f: Arc::new(e) }),
        })
    }

    fn of_tensors(&mut self, f: Bin, a: TensorId, b: TensorId, shape: &[usize], kind: Kind) -> Option<TensorId> {
        match f {
            Bin::Add => Some(self.combine(shape, kind, &[(1.0, a), (1.0, b)], 0.0)),
            Bin::Sub => Some(self.combine(shape, kind, &[(1.0, a), (-1.0, b)], 0.0)),
            Bin::Mul => Some(self.multiply(a, b, shape)),
            Bin::Div if kind == Kind::Int => {
                let (num, den) = (self.broadcast(a, shape), self.broadcast(b, shape));
                Some(self.op(shape.to_vec(), kind, RealOp::IntDiv { num, den }))
            }
            Bin::Div => {
                let r = self.un(Un::Recip, b);
                self.binary(Bin::Mul, a, r)
            }
            Bin::Max => {
                let (a, b) = (self.broadcast(a, shape), self.broadcast(b, shape));
                Some(self.op(shape.to_vec(), kind, RealOp::Max(a, b)))
            }
            Bin::Min => {
                let minus = Expr::affine(-1.0, 0.0);
                let (na, nb) = (self.map(a, minus.clone(), kind), self.map(b, minus.clone(), kind));
                let top = self.binary(Bin::Max, na, nb)?;
                Some(self.map(top, minus, kind))
            }
            Bin::Mod | Bin::Fmod if kind == Kind::Int => {
                // a - b * trunc(a / b); the sign correction of `Mod` adds b where the signs differ.
                let q = self.binary(Bin::Div, a, b)?;
                let back = self.binary(Bin::Mul, b, q)?;
                let r = self.binary(Bin::Sub, a, back)?;
                if f == Bin::Fmod {
                    return Some(r);
                }
                let signs = self.binary(Bin::Mul, r, b)?;
                let wrong = self.map(signs, Expr::un(Un::NonNegative, Expr::affine(-1.0, -1.0)), Kind::Bool);
                let fix = self.binary(Bin::Mul, wrong, b)?;
                self.binary(Bin::Add, r, fix)
            }
            Bin::Pow | Bin::Mod | Bin::Fmod => None,
        }
    }

    /// Cell-by-cell product with broadcasting; a constant factor is folded into weights where that is possible.
    pub fn multiply(&mut self, a: TensorId, b: TensorId, shape: &[usize]) -> TensorId {
        let (lhs, rhs) = if self.as_const(b).is_some() { (b, a) } else { (a, b) };
        if self.as_const(lhs).is_some()
            && self.shape(rhs) == shape
            && let Some(folded) = self.scale_weights(rhs, lhs)
        {
            return folded;
        }
        let (lhs, rhs) = match self.square_root(rhs) {
            // Squares of outliers leave no digits for the others: `w x^2` is `(w x) x`.
            Some(x) if self.as_const(lhs).is_some() && self.shape(x) == shape => (self.multiply(lhs, x, shape), x),
            _ => (lhs, rhs),
        };
        let vars: Vec<usize> = (0..shape.len()).collect();
        let lhs = Access { tensor: lhs, axes: broadcast_axes(self.shape(lhs), &vars) };
        let rhs = Access { tensor: rhs, axes: broadcast_axes(self.shape(rhs), &vars) };
        self.contract(Contract { extents: shape.to_vec(), out: vars, lhs, rhs })
    }

    /// The tensor whose cells `x` is the squares of, if it is.
    fn square_root(&self, x: TensorId) -> Option<TensorId> {
        match &self.get(x).source {
            Source::Op(RealOp::Map { x, f }) if **f == Expr::bin(Bin::Mul, Expr::X, Expr::X) => Some(*x),
            _ => None,
        }
    }

    /// A choice between functions of one tensor, by a function of the same tensor; constants fit any tensor.
    pub fn select_same_root(&mut self, cond: TensorId, a: TensorId, b: TensorId, kind: Kind) -> Option<TensorId> {
        let (root, c) = self.root(cond);
        let shape = self.shape(root).to_vec();
        let arm = |g: &Self, x: TensorId| match g.as_uniform(x) {
            Some(v) => Some(Expr::Const(v)),
            None => Some(g.root(x)).filter(|(r, _)| *r == root).map(|(_, e)| e),
        };
        let (ea, eb) = (arm(self, a)?, arm(self, b)?);
        let fits = self.as_const(root).is_none() && self.shape(cond) == shape && ea.size() + eb.size() < MAX_EXPR;
        let f = Arc::new(Expr::select(c, ea, eb));
        fits.then(|| self.op(shape, kind, RealOp::Map { x: root, f }))
    }

    /// 1 where `a >= b`.
    pub fn at_least(&mut self, a: TensorId, b: TensorId) -> Option<TensorId> {
        let d = self.binary(Bin::Sub, a, b)?;
        Some(self.map(d, Expr::un(Un::NonNegative, Expr::X), Kind::Bool))
    }

    /// 1 where `a = b`.
    pub fn equal(&mut self, a: TensorId, b: TensorId) -> Option<TensorId> {
        let d = self.binary(Bin::Sub, a, b)?;
        Some(self.map(d, Expr::un(Un::IsZero, Expr::X), Kind::Bool))
    }

    /// `1 - x` for truth values.
    pub fn not(&mut self, x: TensorId) -> TensorId {
        self.map(x, Expr::affine(-1.0, 1.0), Kind::Bool)
    }
}
