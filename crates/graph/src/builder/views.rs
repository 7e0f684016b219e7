//! Conveniences made of one linear operator: sums of tensors, and other arrangements of the cells of a tensor.

use super::Builder;
use crate::error::GraphError;
use crate::ir::{Access, Affine, Piece, TensorId};
use crate::shape;

/// A piece without summation that covers the box `start .. start + extents`.
pub(super) fn view(start: Vec<usize>, extents: Vec<usize>, coef: i64, tensor: TensorId, axes: Vec<Affine>) -> Piece {
    Piece { start, extents, sum: Vec::new(), coef, access: Access { tensor, axes } }
}

/// Axes of an access that reads a tensor of this rank as it lies.
pub(super) fn identity(rank: usize) -> Vec<Affine> {
    (0..rank).map(Affine::var).collect()
}

pub(super) fn expect_len(name: &str, what: &'static str, expected: usize, got: usize) -> Result<(), GraphError> {
    if expected == got {
        return Ok(());
    }
    Err(GraphError::Rank { name: name.to_owned(), what, expected, got })
}

/// Checks that axes exist and are distinct.
pub(super) fn expect_axes(name: &str, axes: &[usize], rank: usize) -> Result<(), GraphError> {
    for (i, &axis) in axes.iter().enumerate() {
        if axis >= rank || axes[..i].contains(&axis) {
            return Err(GraphError::Axis { name: name.to_owned(), axis, rank });
        }
    }
    Ok(())
}

impl Builder {
    /// `constant + sum coef * tensor` with numpy's broadcasting. Terms with coefficient 0 only count for the
    /// shape. The scale of the result is `scale`; the caller brings the operands to it by the coefficients.
    ///
    /// # Errors
    /// `Broadcast`, `Unbounded`, `UnknownTensor`.
    pub fn combine(
        &mut self,
        name: &str,
        terms: &[(i64, TensorId)],
        constant: i64,
        scale: i32,
    ) -> Result<TensorId, GraphError> {
        let mut out = Vec::new();
        for &(_, x) in terms {
            out = shape::broadcast(name, &out, &self.graph.tensor(name, x)?.shape)?;
        }
        let vars: Vec<usize> = (0..out.len()).collect();
        let mut pieces = Vec::with_capacity(terms.len());
        for &(coef, x) in terms.iter().filter(|term| term.0 != 0) {
            let axes = shape::broadcast_axes(&self.graph.tensor(name, x)?.shape, &out, &vars);
            pieces.push(view(vec![0; out.len()], out.clone(), coef, x, axes));
        }
        self.linear(name, &out, pieces, constant, scale)
    }

    /// Permutes axes: axis `i` of the result is axis `perm[i]` of `x`.
    ///
    /// # Errors
    /// `Rank`, `Axis` when `perm` is no permutation of the axes.
    pub fn transpose(&mut self, name: &str, x: TensorId, perm: &[usize]) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        expect_len(name, "permutation", from.len(), perm.len())?;
        expect_axes(name, perm, from.len())?;
        let mut axes = identity(from.len());
        for (i, &axis) in perm.iter().enumerate() {
            axes[axis] = Affine::var(i);
        }
        let out: Vec<usize> = perm.iter().map(|&axis| from[axis]).collect();
        let piece = view(vec![0; out.len()], out.clone(), 1, x, axes);
        self.linear(name, &out, vec![piece], 0, scale)
    }

    /// Takes `extents[a]` cells along each axis `a`: those at `starts[a] + i * steps[a]`. Steps may be negative.
    ///
    /// # Errors
    /// `Rank`; `Attribute` when a slice leaves the tensor; `ZeroAxis` when one is empty.
    pub fn slice(
        &mut self,
        name: &str,
        x: TensorId,
        starts: &[usize],
        extents: &[usize],
        steps: &[i64],
    ) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        expect_len(name, "slice starts", from.len(), starts.len())?;
        expect_len(name, "slice extents", from.len(), extents.len())?;
        expect_len(name, "slice steps", from.len(), steps.len())?;
        let mut axes = Vec::with_capacity(from.len());
        for axis in 0..from.len() {
            if extents[axis] == 0 {
                return Err(GraphError::ZeroAxis { name: name.to_owned(), axis });
            }
            let end = starts[axis] as i128 + (extents[axis] as i128 - 1) * i128::from(steps[axis]);
            if starts[axis] >= from[axis] || end < 0 || end >= from[axis] as i128 {
                let (got, needs) = (end.clamp(i64::MIN.into(), i64::MAX.into()) as i64, "keep it inside the axis");
                return Err(GraphError::Attribute { name: name.to_owned(), what: "last index of a slice", got, needs });
            }
            let step = if extents[axis] == 1 { 0 } else { steps[axis] };
            axes.push(Affine::new(&[(axis, step)], starts[axis] as i64));
        }
        let piece = view(vec![0; from.len()], extents.to_vec(), 1, x, axes);
        self.linear(name, extents, vec![piece], 0, scale)
    }

    /// Joins tensors along an axis.
    ///
    /// # Errors
    /// `Axis`; `Shape` when other axes differ; `Scale` when scales differ; `Attribute` for an empty list.
    pub fn concat(&mut self, name: &str, parts: &[TensorId], axis: usize) -> Result<TensorId, GraphError> {
        let Some(&first) = parts.first() else {
            let (what, needs) = ("number of tensors to join", "give at least one");
            return Err(GraphError::Attribute { name: name.to_owned(), what, got: 0, needs });
        };
        let (mut out, scale) = self.shape_and_scale(name, first)?;
        expect_axes(name, &[axis], out.len())?;
        out[axis] = 0;
        let mut pieces = Vec::with_capacity(parts.len());
        for &part in parts {
            let (extents, other) = self.shape_and_scale(name, part)?;
            let mut expected = out.clone();
            expected[axis] = extents.get(axis).copied().unwrap_or(1);
            if extents != expected {
                return Err(GraphError::Shape { name: name.to_owned(), expected, got: extents });
            }
            if other != scale {
                return Err(GraphError::Scale { name: name.to_owned(), a: scale, b: other });
            }
            let mut start = vec![0; out.len()];
            start[axis] = out[axis];
            out[axis] += extents[axis];
            pieces.push(view(start, extents, 1, part, identity(out.len())));
        }
        self.linear(name, &out, pieces, 0, scale)
    }

    /// Surrounds a tensor with zeros: `before[a]` of them in front along axis `a` and `after[a]` behind.
    ///
    /// # Errors
    /// `Rank`, `TooLarge`.
    pub fn pad(&mut self, name: &str, x: TensorId, before: &[usize], after: &[usize]) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        expect_len(name, "padding before", from.len(), before.len())?;
        expect_len(name, "padding after", from.len(), after.len())?;
        let widen = |axis: usize| from[axis].saturating_add(before[axis]).saturating_add(after[axis]);
        let out: Vec<usize> = (0..from.len()).map(widen).collect();
        let axes = identity(from.len());
        self.linear(name, &out, vec![view(before.to_vec(), from, 1, x, axes)], 0, scale)
    }

    /// Repeats a tensor to a shape by numpy's rules.
    ///
    /// # Errors
    /// `Broadcast` when `x` does not broadcast to `to`.
    pub fn broadcast(&mut self, name: &str, x: TensorId, to: &[usize]) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        if shape::broadcast(name, &from, to)? != to {
            return Err(GraphError::Broadcast { name: name.to_owned(), a: from, b: to.to_vec() });
        }
        let vars: Vec<usize> = (0..to.len()).collect();
        let piece = view(vec![0; to.len()], to.to_vec(), 1, x, shape::broadcast_axes(&from, to, &vars));
        self.linear(name, to, vec![piece], 0, scale)
    }

    /// Sums over axes, which are dropped or kept with length 1.
    ///
    /// # Errors
    /// `Axis`, `Unbounded`.
    pub fn sum(&mut self, name: &str, x: TensorId, axes: &[usize], keep_dims: bool) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        expect_axes(name, axes, from.len())?;
        let kept = |axis: &usize| keep_dims || !axes.contains(axis);
        let out: Vec<usize> =
            (0..from.len()).filter(kept).map(|a| if axes.contains(&a) { 1 } else { from[a] }).collect();
        let (mut next_out, mut sum, mut forms) = (0, Vec::new(), Vec::new());
        for (axis, &len) in from.iter().enumerate() {
            if axes.contains(&axis) {
                forms.push(Affine::var(out.len() + sum.len()));
                sum.push(len);
                next_out += usize::from(keep_dims);
            } else {
                forms.push(Affine::var(next_out));
                next_out += 1;
            }
        }
        let access = Access { tensor: x, axes: forms };
        let piece = Piece { start: vec![0; out.len()], extents: out.clone(), sum, coef: 1, access };
        self.linear(name, &out, vec![piece], 0, scale)
    }

    /// Picks slices of `x` along an axis: slice `i` of the result is slice `indices[i]` of `x`.
    ///
    /// # Errors
    /// `Axis`; `Attribute` when an index is beyond the axis; `ZeroAxis` when there is no index.
    pub fn gather_const(
        &mut self,
        name: &str,
        x: TensorId,
        axis: usize,
        indices: &[usize],
    ) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        expect_axes(name, &[axis], from.len())?;
        if let Some(&bad) = indices.iter().find(|&&i| i >= from[axis]) {
            let (got, needs) = (bad as i64, "keep it below the length of the axis");
            return Err(GraphError::Attribute { name: name.to_owned(), what: "gathered index", got, needs });
        }
        let mut out = from.clone();
        out[axis] = indices.len();
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < indices.len() {
            let (run, step) = progression(&indices[done..]);
            let (mut start, mut extents, mut axes) = (vec![0; from.len()], from.clone(), identity(from.len()));
            (start[axis], extents[axis]) = (done, run);
            axes[axis] = Affine::new(&[(axis, step)], indices[done] as i64);
            pieces.push(view(start, extents, 1, x, axes));
            done += run;
        }
        self.linear(name, &out, pieces, 0, scale)
    }

    pub(super) fn shape_and_scale(&self, name: &str, x: TensorId) -> Result<(Vec<usize>, i32), GraphError> {
        let tensor = self.graph.tensor(name, x)?;
        Ok((tensor.shape.clone(), tensor.scale))
    }
}

/// Length and step of the longest arithmetic progression at the front of a list that is not empty.
fn progression(indices: &[usize]) -> (usize, i64) {
    let step = |i: usize| indices[i + 1] as i64 - indices[i] as i64;
    if indices.len() < 2 {
        return (1, 0);
    }
    let run = (1..indices.len() - 1).take_while(|&i| step(i) == step(0)).count() + 2;
    // A run of two is often the tail of nothing: `0 5 6 7` is better cut as `0`, `5 6 7`.
    if run == 2 && indices.len() > 2 { (1, 0) } else { (run, step(0)) }
}
