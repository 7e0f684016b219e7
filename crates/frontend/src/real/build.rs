//! Adds tensors to a real graph: constants are folded as they appear, transpositions cancel.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::{RealGraph, RealOp, RealPiece, RealTensor, Source, eval};
use crate::cells::Cells;
use crate::onnx::Constant;
use crate::tensor::{Kind, Tensor, strides};

/// The identity access of a tensor with the given number of axes.
pub(crate) fn identity(rank: usize) -> Vec<Affine> {
    (0..rank).map(Affine::var).collect()
}

impl RealGraph {
    /// Adds a tensor as it is.
    pub(super) fn push(&mut self, shape: Vec<usize>, kind: Kind, source: Source) -> TensorId {
        let id = TensorId(self.tensors.len() as u32);
        self.tensors.push(RealTensor { name: self.scope.clone(), shape, kind, source });
        id
    }

    pub fn input(&mut self, name: &str, shape: Vec<usize>, kind: Kind) -> TensorId {
        let id = self.push(shape, kind, Source::Input);
        self.tensors[id.0 as usize].name = name.to_string();
        self.inputs.push(id);
        id
    }

    /// A constant; float tensors of more than one cell count as weights.
    pub fn constant(&mut self, t: &Tensor) -> TensorId {
        let secret = t.kind == Kind::Float && t.data.len() > 1;
        let source = Source::Const { data: t.data.clone().into(), secret };
        self.push(t.shape.clone(), t.kind, source)
    }

    /// A constant of the file; as [`RealGraph::constant`].
    pub fn stored(&mut self, c: &Constant) -> TensorId {
        let secret = c.kind == Kind::Float && c.shape.iter().product::<usize>() > 1;
        self.push(c.shape.clone(), c.kind, Source::Const { data: c.data.clone(), secret })
    }

    /// A constant that everybody may know.
    pub fn public(&mut self, shape: Vec<usize>, kind: Kind, data: Vec<f64>) -> TensorId {
        self.push(shape, kind, Source::Const { data: data.into(), secret: false })
    }

    /// A constant that counts as a weight whatever its size.
    pub fn weight(&mut self, shape: Vec<usize>, data: Vec<f64>) -> TensorId {
        self.push(shape, Kind::Float, Source::Const { data: data.into(), secret: true })
    }

    pub fn scalar(&mut self, value: f64, kind: Kind) -> TensorId {
        self.constant(&Tensor::scalar(value, kind))
    }

    /// Adds an operator, or evaluates it now if its operands are constants.
    pub fn op(&mut self, shape: Vec<usize>, kind: Kind, op: RealOp) -> TensorId {
        let operands = op.operands();
        if operands.iter().any(|&x| self.as_const(x).is_none()) {
            return self.push(shape, kind, Source::Op(op));
        }
        let mut secret = false;
        for &x in &operands {
            if let Source::Const { secret: s, .. } = &self.get(x).source {
                secret |= *s;
            }
        }
        let bits = match (&op, &operands[..]) {
            (RealOp::Linear { pieces, constant: 0.0 }, [x]) if pieces[0].coef == 1.0 && pieces[0].sum.is_empty() => {
                self.int_bits.get(x).copied()
            }
            _ => None,
        };
        let data = self.evaluated(&op, &operands, &shape);
        let id = self.push(shape, kind, Source::Const { data, secret });
        self.int_bits.extend(bits.map(|b| (id, b)));
        id
    }

    /// Cells of an operator of constants.
    fn evaluated(&self, op: &RealOp, operands: &[TensorId], shape: &[usize]) -> Cells {
        let sums = matches!(op, RealOp::Linear { .. } | RealOp::Contract(_) | RealOp::Gather { .. });
        let tensors = operands.iter().map(|&x| RealTensor { name: String::new(), ..self.get(x).clone() }).collect();
        let apart = Self { tensors, ..Self::default() };
        let op = op.on(&(0..operands.len() as u32).map(TensorId).collect::<Vec<_>>());
        let shape = shape.to_vec();
        let work = move || {
            let empty: &[f64] = &[];
            // Read here, because threads that wait for one of them may be given work that reads it.
            let cells: Vec<&[f64]> = (0..apart.tensors.len() as u32)
                .map(|i| apart.as_const(TensorId(i)).map_or(empty, |data| &data[..]))
                .collect();
            eval::apply(&apart, &op, &shape, &|id| cells[id.0 as usize])
        };
        match sums {
            true => self.sums(operands, work),
            false => work().into(),
        }
    }

    /// Sums and products of the cells of constants: at once, or when they are read. Those that wait are made of finite
    /// numbers.
    pub(super) fn sums(&self, operands: &[TensorId], work: impl FnOnce() -> Vec<f64> + Send + 'static) -> Cells {
        let reads: Vec<&Cells> = operands.iter().filter_map(|&x| self.as_const(x)).collect();
        let finite = |c: &&Cells| c.wait() || c.iter().all(|v| v.is_finite());
        match self.defers && reads.iter().all(finite) {
            true => Cells::later(&reads, work),
            false => work().into(),
        }
    }

    /// Integers of the file that count as weights, with the bits of their element type (signed).
    pub fn int_weight(&mut self, shape: Vec<usize>, data: Vec<f64>, bits: u32) -> TensorId {
        let id = self.push(shape, Kind::Int, Source::Const { data: data.into(), secret: true });
        self.int_bits.insert(id, bits);
        id
    }

    /// One full-box piece reading `x` through `axes`.
    pub fn view(&mut self, x: TensorId, shape: Vec<usize>, axes: Vec<Affine>) -> TensorId {
        let kind = self.kind(x);
        let piece = RealPiece {
            start: vec![0; shape.len()],
            extents: shape.clone(),
            sum: Vec::new(),
            coef: 1.0,
            access: Access { tensor: x, axes },
        };
        self.op(shape, kind, RealOp::Linear { pieces: vec![piece], constant: 0.0 })
    }

    pub fn reshape(&mut self, x: TensorId, shape: Vec<usize>) -> TensorId {
        if self.shape(x) == shape {
            return x;
        }
        let kind = self.kind(x);
        if let Source::Const { data, secret } = &self.get(x).source {
            let source = Source::Const { data: data.clone(), secret: *secret };
            let id = self.push(shape, kind, source);
            let bits = self.int_bits.get(&x).copied();
            self.int_bits.extend(bits.map(|b| (id, b)));
            return id;
        }
        if let Source::Op(RealOp::Reshape(inner)) = &self.get(x).source {
            let inner = *inner;
            return self.reshape(inner, shape);
        }
        self.op(shape, kind, RealOp::Reshape(x))
    }

    /// `out` axis `i` is axis `perm[i]` of `x`.
    pub fn permute(&mut self, x: TensorId, perm: &[usize]) -> TensorId {
        if perm.iter().enumerate().all(|(i, &p)| i == p) {
            return x;
        }
        if let Some((inner, first)) = self.as_permute(x).or_else(|| self.turned.get(&x).cloned()) {
            let both: Vec<usize> = perm.iter().map(|&p| first[p]).collect();
            return self.permute(inner, &both);
        }
        let shape: Vec<usize> = perm.iter().map(|&p| self.shape(x)[p]).collect();
        // Moving axes of length 1 only is a reshape, which keeps the order of the cells.
        let long = |list: &[usize]| list.iter().copied().filter(|&p| self.shape(x)[p] > 1).collect::<Vec<_>>();
        if long(perm).windows(2).all(|w| w[0] < w[1]) {
            return self.reshape(x, shape);
        }
        let mut axes = vec![Affine::default(); perm.len()];
        for (i, &p) in perm.iter().enumerate() {
            axes[p] = Affine::var(i);
        }
        let out = self.view(x, shape, axes);
        if self.as_const(x).is_some() {
            self.turned.insert(out, (x, perm.to_vec()));
        }
        out
    }

    /// `(source, perm)` if `x` is a transposition of a computed tensor.
    pub fn as_permute(&self, x: TensorId) -> Option<(TensorId, Vec<usize>)> {
        let Source::Op(RealOp::Linear { pieces, constant }) = &self.get(x).source else { return None };
        let [p] = &pieces[..] else { return None };
        if *constant != 0.0 || p.coef != 1.0 || !p.sum.is_empty() || p.extents != self.get(x).shape {
            return None;
        }
        let mut perm = vec![usize::MAX; p.extents.len()];
        if p.access.axes.len() != perm.len() {
            return None;
        }
        for (axis, form) in p.access.axes.iter().enumerate() {
            match form.terms[..] {
                [(v, 1)] if form.offset == 0 && perm[v] == usize::MAX => perm[v] = axis,
                _ => return None,
            }
        }
        let source = p.access.tensor;
        perm.iter().enumerate().all(|(i, &a)| self.shape(x)[i] == self.shape(source)[a]).then_some((source, perm))
    }

    /// Repeats `x` to a larger shape by the broadcasting rules.
    pub fn broadcast(&mut self, x: TensorId, shape: &[usize]) -> TensorId {
        if self.shape(x) == shape {
            return x;
        }
        let vars: Vec<usize> = (0..shape.len()).collect();
        let axes = broadcast_axes(self.shape(x), &vars);
        self.view(x, shape.to_vec(), axes)
    }

    /// Sum of terms `coef * x` plus a constant, broadcast to a common shape.
    pub fn combine(&mut self, shape: &[usize], kind: Kind, terms: &[(f64, TensorId)], constant: f64) -> TensorId {
        let vars: Vec<usize> = (0..shape.len()).collect();
        let pieces = terms
            .iter()
            .map(|&(coef, x)| RealPiece {
                start: vec![0; shape.len()],
                extents: shape.to_vec(),
                sum: Vec::new(),
                coef,
                access: Access { tensor: x, axes: broadcast_axes(self.shape(x), &vars) },
            })
            .collect();
        self.op(shape.to_vec(), kind, RealOp::Linear { pieces, constant })
    }

    /// `coef * sum over axes`, which stay with length 1 if `keep`.
    pub fn sum(&mut self, x: TensorId, axes: &[usize], keep: bool, coef: f64) -> TensorId {
        let from = self.shape(x).to_vec();
        let kind = if coef == 1.0 { self.kind(x) } else { Kind::Float };
        let out: Vec<usize> = (0..from.len())
            .filter(|a| keep || !axes.contains(a))
            .map(|a| if axes.contains(&a) { 1 } else { from[a] })
            .collect();
        let (mut next, mut sum, mut forms) = (0, Vec::new(), Vec::new());
        for (axis, &len) in from.iter().enumerate() {
            if axes.contains(&axis) {
                forms.push(Affine::var(out.len() + sum.len()));
                sum.push(len);
                next += usize::from(keep);
            } else {
                forms.push(Affine::var(next));
                next += 1;
            }
        }
        let access = Access { tensor: x, axes: forms };
        let piece = RealPiece { start: vec![0; out.len()], extents: out.clone(), sum, coef, access };
        self.op(out, kind, RealOp::Linear { pieces: vec![piece], constant: 0.0 })
    }

    /// Cells `start, start + step, ..` along each axis.
    pub fn slice(&mut self, x: TensorId, starts: &[usize], extents: &[usize], steps: &[i64]) -> TensorId {
        if extents == self.shape(x) && steps.iter().all(|&s| s == 1) {
            return x;
        }
        let axes = (0..starts.len()).map(|a| Affine::new(&[(a, steps[a])], starts[a] as i64)).collect();
        self.view(x, extents.to_vec(), axes)
    }

    /// Joins tensors along an axis.
    pub fn concat(&mut self, parts: &[TensorId], axis: usize) -> TensorId {
        let mut shape = self.shape(parts[0]).to_vec();
        let kind =
            if parts.iter().all(|&p| self.kind(p) == self.kind(parts[0])) { self.kind(parts[0]) } else { Kind::Float };
        shape[axis] = 0;
        let mut pieces = Vec::new();
        for &p in parts {
            let extents = self.shape(p).to_vec();
            let mut start = vec![0; shape.len()];
            start[axis] = shape[axis];
            shape[axis] += extents[axis];
            if extents[axis] > 0 {
                let access = Access { tensor: p, axes: identity(extents.len()) };
                pieces.push(RealPiece { start, extents, sum: Vec::new(), coef: 1.0, access });
            }
        }
        self.op(shape, kind, RealOp::Linear { pieces, constant: 0.0 })
    }

    /// Pads with a value.
    pub fn pad(&mut self, x: TensorId, before: &[usize], after: &[usize], value: f64) -> TensorId {
        let from = self.shape(x).to_vec();
        let kind = self.kind(x);
        let shape = (0..from.len()).map(|a| before[a] + from[a] + after[a]).collect();
        let shifted = if value == 0.0 { x } else { self.combine(&from, kind, &[(1.0, x)], -value) };
        let piece = RealPiece {
            start: before.to_vec(),
            access: Access { tensor: shifted, axes: identity(from.len()) },
            extents: from,
            sum: Vec::new(),
            coef: 1.0,
        };
        self.op(shape, kind, RealOp::Linear { pieces: vec![piece], constant: value })
    }

    /// Cells at constant indices along an axis; runs of equal step become one piece.
    pub fn take(&mut self, x: TensorId, axis: usize, indices: &[usize]) -> TensorId {
        let mut shape = self.shape(x).to_vec();
        if indices.iter().copied().eq(0..shape[axis]) {
            return x;
        }
        let kind = self.kind(x);
        shape[axis] = indices.len();
        let (mut pieces, mut at) = (Vec::new(), 0);
        while at < indices.len() {
            let step = indices.get(at + 1).map_or(1, |&n| n as i64 - indices[at] as i64);
            let mut len = 1;
            while at + len < indices.len() && indices[at + len] as i64 - indices[at + len - 1] as i64 == step {
                len += 1;
            }
            let (mut start, mut extents) = (vec![0; shape.len()], shape.clone());
            (start[axis], extents[axis]) = (at, len);
            let mut axes = identity(shape.len());
            axes[axis] = Affine::new(&[(axis, step)], indices[at] as i64);
            pieces.push(RealPiece { start, extents, sum: Vec::new(), coef: 1.0, access: Access { tensor: x, axes } });
            at += len;
        }
        self.op(shape, kind, RealOp::Linear { pieces, constant: 0.0 })
    }

    /// Cells at constant row-major positions, under a new shape.
    pub fn take_flat(&mut self, x: TensorId, positions: &[usize], shape: Vec<usize>) -> TensorId {
        let flat = self.reshape(x, vec![self.get(x).cells()]);
        let taken = self.take(flat, 0, positions);
        self.reshape(taken, shape)
    }

    /// A contraction; the kind follows the operands. Summation variables of length 1 are dropped.
    pub fn contract(&mut self, mut c: Contract) -> TensorId {
        let keep: Vec<usize> = (0..c.extents.len()).filter(|v| c.extents[*v] != 1 || c.out.contains(v)).collect();
        if keep.len() < c.extents.len() {
            let place = |v: usize| keep.iter().position(|&k| k == v);
            for form in c.lhs.axes.iter_mut().chain(&mut c.rhs.axes) {
                form.terms = form.terms.iter().filter_map(|&(v, k)| place(v).map(|v| (v, k))).collect();
            }
            c.out = c.out.iter().filter_map(|&v| place(v)).collect();
            c.extents = keep.iter().map(|&v| c.extents[v]).collect();
        }
        if let Some(out) = self.absorb_affine(&c) {
            return out;
        }
        let whole = self.kind(c.lhs.tensor) != Kind::Float && self.kind(c.rhs.tensor) != Kind::Float;
        let shape = c.out.iter().map(|&v| c.extents[v]).collect();
        self.op(shape, if whole { Kind::Int } else { Kind::Float }, RealOp::Contract(c))
    }

    /// Moves an axis to the end; the second value undoes it.
    pub fn axis_last(&mut self, x: TensorId, axis: usize) -> (TensorId, Vec<usize>) {
        let rank = self.shape(x).len();
        let mut perm: Vec<usize> = (0..rank).filter(|&a| a != axis).collect();
        perm.push(axis);
        let mut back = vec![0; rank];
        for (i, &p) in perm.iter().enumerate() {
            back[p] = i;
        }
        (self.permute(x, &perm), back)
    }

    /// Balanced tree of maxima along the last axis, which keeps length 1.
    pub fn max_last(&mut self, x: TensorId) -> TensorId {
        let mut row = x;
        loop {
            let shape = self.shape(row).to_vec();
            let (rank, len) = (shape.len(), shape.last().copied().unwrap_or(1));
            if len <= 1 {
                return row;
            }
            let half = len / 2;
            let part = |g: &mut Self, from: usize, count: usize| {
                let (mut starts, mut extents) = (vec![0; rank], shape.clone());
                (starts[rank - 1], extents[rank - 1]) = (from, count);
                g.slice(row, &starts, &extents, &vec![1; rank])
            };
            let (a, b) = (part(self, 0, half), part(self, half, half));
            let kind = self.kind(x);
            let out = self.shape(a).to_vec();
            let top = self.op(out, kind, RealOp::Max(a, b));
            row = if len % 2 == 1 {
                let odd = part(self, len - 1, 1);
                self.concat(&[top, odd], rank - 1)
            } else {
                top
            };
        }
    }

    /// Reads below a transposition of a computed tensor.
    pub fn untransposed(&self, access: Access) -> Access {
        match self.as_permute(access.tensor) {
            Some((tensor, perm)) => {
                let mut axes = vec![Affine::default(); perm.len()];
                for (form, p) in access.axes.into_iter().zip(perm) {
                    axes[p] = form;
                }
                Access { tensor, axes }
            }
            None => access,
        }
    }

    /// The same cells with another meaning.
    pub fn retyped(&mut self, x: TensorId, kind: Kind) -> TensorId {
        if self.kind(x) == kind {
            return x;
        }
        if let Source::Const { data, secret } = &self.get(x).source {
            let source = Source::Const { data: data.clone(), secret: *secret };
            return self.push(self.shape(x).to_vec(), kind, source);
        }
        let shape = self.shape(x).to_vec();
        self.combine(&shape, kind, &[(1.0, x)], 0.0)
    }

    /// Row-major strides of a tensor.
    pub fn strides(&self, x: TensorId) -> Vec<usize> {
        strides(self.shape(x))
    }
}

/// How a tensor is read when it is broadcast to axes that are the variables `vars`.
pub(crate) fn broadcast_axes(from: &[usize], vars: &[usize]) -> Vec<Affine> {
    let skip = vars.len() - from.len();
    from.iter()
        .enumerate()
        .map(|(a, &len)| if len == 1 { Affine::default() } else { Affine::var(vars[a + skip]) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::expr::Bin;

    /// A transposition, a product and a difference of constants, one behind the other.
    fn folded(defers: bool, by: f64) -> Vec<Cells> {
        let mut g = RealGraph { defers, ..RealGraph::default() };
        let w = g.weight(vec![2, 3], vec![1.0, -2.0, 0.5, 4.0, 0.0, 3.0]);
        let factors = g.weight(vec![2], vec![2.0, by]);
        let turned = g.permute(w, &[1, 0]);
        let rows = g.view(turned, vec![2], vec![Affine::default(), Affine::var(0)]);
        let quotient = g.binary(Bin::Div, rows, factors).unwrap();
        let pair = g.view(quotient, vec![2, 2], vec![Affine::var(1)]);
        [turned, rows, quotient, pair].map(|x| g.as_const(x).unwrap().clone()).to_vec()
    }

    #[test]
    fn sums_of_constants_wait_while_a_file_is_imported() {
        let waiting = folded(true, 4.0);
        assert_eq!(waiting.iter().map(Cells::wait).collect::<Vec<_>>(), [true, true, false, true]);
        let at_once = folded(false, 4.0);
        assert!(at_once.iter().all(|c| !c.wait()));
        for (a, b) in waiting.iter().zip(&at_once) {
            assert_eq!(a[..], b[..]);
        }
    }

    #[test]
    fn what_is_not_finite_does_not_wait() {
        let cells = folded(true, 0.0);
        assert!(cells[2][1].is_infinite() && !cells[3].wait());
    }
}
