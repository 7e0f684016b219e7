//! Maxima, pooling and selection.
//!
//! A maximum of two is `a + relu(b - a)`: exact, and one look-up a cell. A maximum of many is a balanced tree of
//! such maxima.

use super::Builder;
use super::products::{Window, slide};
use super::views::{expect_axes, identity, view};
use crate::check::MAX_TABLE;
use crate::error::GraphError;
use crate::ir::{Access, Affine, Contract, Piece, Range, TableId, TensorId};
use crate::shape;

/// Largest number of cells in the window of a maximum: each is a node.
const MAX_WINDOW: usize = 1 << 12;

/// Attributes of a pooling operator, one entry of each list for each spatial axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Window lengths.
    pub kernel: Vec<usize>,
    /// Steps between windows, in input cells; at least 1.
    pub strides: Vec<usize>,
    /// Steps between cells of a window, in input cells; at least 1.
    pub dilations: Vec<usize>,
    /// Padding in front of the input.
    pub pads_before: Vec<usize>,
    /// Padding behind the input.
    pub pads_after: Vec<usize>,
}

impl PoolSpec {
    /// Windows that tile the input: strides equal to the kernel, no dilation, no padding.
    pub fn tiling(kernel: &[usize]) -> Self {
        let zeros = vec![0; kernel.len()];
        Self {
            kernel: kernel.to_vec(),
            strides: kernel.to_vec(),
            dilations: vec![1; kernel.len()],
            pads_before: zeros.clone(),
            pads_after: zeros,
        }
    }

    fn windows(&self, name: &str, from: &[usize]) -> Result<Vec<Window>, GraphError> {
        let lists = [&self.strides, &self.dilations, &self.pads_before, &self.pads_after];
        slide(name, from, &self.kernel, lists.map(|list| &list[..]))
    }
}

impl Builder {
    /// Element-wise maximum with numpy's broadcasting, as `a + relu(b - a)`.
    ///
    /// # Errors
    /// `Scale` when the scales differ, `Broadcast`, and `MaximumTooWide` when `b - a` needs a table of more than
    /// 2^16 entries.
    pub fn max(&mut self, name: &str, a: TensorId, b: TensorId) -> Result<TensorId, GraphError> {
        let scale = self.same_scale(name, a, b)?;
        let step = self.combine(&format!("{name}/step"), &[(1, b), (-1, a)], 0, scale)?;
        let table = self.relu_table(name, self.graph.tensor(name, step)?.range)?;
        let rise = self.lookup(&format!("{name}/rise"), step, 0, table, scale)?;
        self.combine(name, &[(1, a), (1, rise)], 0, scale)
    }

    /// Largest cell over axes, which are dropped or kept with length 1, as a balanced tree of maxima.
    ///
    /// # Errors
    /// `Axis`, `MaximumTooWide`.
    pub fn reduce_max(
        &mut self,
        name: &str,
        x: TensorId,
        axes: &[usize],
        keep_dims: bool,
    ) -> Result<TensorId, GraphError> {
        let (from, _) = self.shape_and_scale(name, x)?;
        expect_axes(name, axes, from.len())?;
        let kept: Vec<usize> = (0..from.len()).filter(|axis| !axes.contains(axis)).collect();
        let kept_shape: Vec<usize> = kept.iter().map(|&axis| from[axis]).collect();
        let count: usize = axes.iter().map(|&axis| from[axis]).product();
        let mut row = x;
        if kept.iter().enumerate().any(|(i, &axis)| i != axis) {
            row = self.transpose(&format!("{name}/last"), x, &[&kept[..], axes].concat())?;
        }
        let flat = [&kept_shape[..], &[count]].concat();
        if self.graph.tensor(name, row)?.shape != flat {
            row = self.reshape(&format!("{name}/flat"), row, &flat)?;
        }
        let mut len = count;
        while len > 1 {
            row = self.halve(&format!("{name}/max{len}"), row, &kept_shape, len)?;
            len = len.div_ceil(2);
        }
        let keep = |axis: usize| if axes.contains(&axis) { 1 } else { from[axis] };
        let out = if keep_dims { (0..from.len()).map(keep).collect() } else { kept_shape };
        if self.graph.tensor(name, row)?.shape == out { Ok(row) } else { self.reshape(name, row, &out) }
    }

    /// Largest cell of each window; padding never wins.
    ///
    /// Cells outside the input read 0, so where there is padding the input is first shifted up to be at least 0.
    ///
    /// # Shapes
    /// `x: [n, spatial.., c]`, result `[n, positions.., c]`.
    /// # Errors
    /// `Rank`, `Attribute`, `MaximumTooWide`.
    pub fn max_pool(&mut self, name: &str, x: TensorId, spec: &PoolSpec) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        let windows = spec.windows(name, &from)?;
        let out = pooled(name, &from, &windows)?;
        let lo = self.graph.tensor(name, x)?.range.lo;
        let padded = spec.pads_before.iter().chain(&spec.pads_after).any(|&pad| pad > 0);
        let shift = if padded && lo != 0 { lo } else { 0 };
        let base = if shift == 0 { x } else { self.combine(&format!("{name}/lift"), &[(1, x)], -shift, scale)? };
        let mut cells = Vec::new();
        let count = shape::product(name, "cells of a window", &spec.kernel)?;
        if count > MAX_WINDOW {
            let (got, needs) = (count as i64, "take at most 4096, or use `reduce_max`");
            return Err(GraphError::Attribute { name: name.to_owned(), what: "number of window cells", got, needs });
        }
        shape::for_each_index(&spec.kernel, |at| cells.push(at.to_vec()));
        let mut level = Vec::with_capacity(cells.len());
        for at in &cells {
            let mut axes = identity(from.len());
            for (i, window) in windows.iter().enumerate() {
                let offset = (at[i] * window.dilation) as i64 - window.before as i64;
                axes[i + 1] = Affine::new(&[(i + 1, window.stride as i64)], offset);
            }
            let piece = view(vec![0; out.len()], out.clone(), 1, base, axes);
            level.push(self.linear(&format!("{name}/cell"), &out, vec![piece], 0, scale)?);
        }
        while level.len() > 1 {
            let is_last = level.len() == 2 && shift == 0;
            let label = if is_last { name.to_owned() } else { format!("{name}/max") };
            let pairs: Vec<Vec<TensorId>> = level.chunks(2).map(<[_]>::to_vec).collect();
            level.clear();
            for pair in pairs {
                level.push(if let [a, b] = pair[..] { self.max(&label, a, b)? } else { pair[0] });
            }
        }
        if shift == 0 { Ok(level[0]) } else { self.combine(name, &[(1, level[0])], shift, scale) }
    }

    /// Sum of each window; padding counts as 0.
    ///
    /// # Shapes
    /// `x: [n, spatial.., c]`, result `[n, positions.., c]`.
    /// # Errors
    /// `Rank`, `Attribute`, `Unbounded`.
    pub fn sum_pool(&mut self, name: &str, x: TensorId, spec: &PoolSpec) -> Result<TensorId, GraphError> {
        let (from, scale) = self.shape_and_scale(name, x)?;
        let windows = spec.windows(name, &from)?;
        let out = pooled(name, &from, &windows)?;
        let mut axes = identity(from.len());
        for (i, window) in windows.iter().enumerate() {
            axes[i + 1] = window.form(i + 1, out.len() + i);
        }
        let access = Access { tensor: x, axes };
        let piece =
            Piece { start: vec![0; out.len()], extents: out.clone(), sum: spec.kernel.clone(), coef: 1, access };
        self.linear(name, &out, vec![piece], 0, scale)
    }

    /// Position of the 1 along the last axis of a one-hot tensor: the sum of `i * onehot[.., i]`. The scale is 0.
    ///
    /// # Errors
    /// `Rank` for a scalar.
    pub fn one_hot_index(&mut self, name: &str, one_hot: TensorId) -> Result<TensorId, GraphError> {
        let (extents, _) = self.shape_and_scale(name, one_hot)?;
        let Some(last) = extents.len().checked_sub(1) else {
            return Err(GraphError::Rank { name: name.to_owned(), what: "operand axes", expected: 1, got: 0 });
        };
        let depth = extents[last];
        let ramp = self.constant(&format!("{name}/ramp"), &[depth], (0..depth as i64).collect(), 0)?;
        let lhs = Access { tensor: ramp, axes: vec![Affine::var(last)] };
        let rhs = Access { tensor: one_hot, axes: identity(extents.len()) };
        self.contract(name, Contract { extents, out: (0..last).collect(), lhs, rhs })
    }

    /// `a` where `cond` is 1 and `b` where it is 0, with numpy's broadcasting: `b + cond * (a - b)`.
    ///
    /// # Errors
    /// `Domain` when `cond` can leave 0 and 1; `Scale`, `Broadcast`, `Unbounded`.
    pub fn select(&mut self, name: &str, cond: TensorId, a: TensorId, b: TensorId) -> Result<TensorId, GraphError> {
        let scale = self.same_scale(name, a, b)?;
        let condition = self.graph.tensor(name, cond)?;
        let Range { lo, hi } = condition.range;
        if lo < 0 || hi > 1 {
            let (operand, needs) = (condition.name.clone(), "values of 0 and 1".to_owned());
            return Err(GraphError::Domain { name: name.to_owned(), operand, lo, hi, needs });
        }
        let step = self.combine(&format!("{name}/step"), &[(1, a), (-1, b), (0, cond)], 0, scale)?;
        let chosen = self.mul(&format!("{name}/chosen"), cond, step)?;
        self.combine(name, &[(1, b), (1, chosen)], 0, scale)
    }

    /// Maxima of neighbours along the last axis of `[kept.., len]`: the first half against the second, and the
    /// cell in the middle, if there is one, on its own.
    fn halve(&mut self, name: &str, row: TensorId, kept: &[usize], len: usize) -> Result<TensorId, GraphError> {
        let half = len / 2;
        let mut part = |from: usize, count: usize| {
            let starts = [&vec![0; kept.len()][..], &[from]].concat();
            self.slice(&format!("{name}/half"), row, &starts, &[kept, &[count]].concat(), &vec![1; kept.len() + 1])
        };
        let (a, b) = (part(0, half)?, part(half, half)?);
        let rest = if len % 2 == 1 { Some(part(len - 1, 1)?) } else { None };
        let larger = self.max(name, a, b)?;
        match rest {
            Some(rest) => self.concat(&format!("{name}/odd"), &[larger, rest], kept.len()),
            None => Ok(larger),
        }
    }

    fn same_scale(&self, name: &str, a: TensorId, b: TensorId) -> Result<i32, GraphError> {
        let (a, b) = (self.graph.tensor(name, a)?.scale, self.graph.tensor(name, b)?.scale);
        if a == b { Ok(a) } else { Err(GraphError::Scale { name: name.to_owned(), a, b }) }
    }

    /// The smallest table of `max(x, 0)` whose domain contains the range.
    fn relu_table(&mut self, name: &str, range: Range) -> Result<TableId, GraphError> {
        let mut half = 1i64;
        while range.lo < -half || range.hi >= half {
            half *= 2;
            if 2 * half > MAX_TABLE as i64 {
                return Err(GraphError::MaximumTooWide { name: name.to_owned(), lo: range.lo, hi: range.hi });
            }
        }
        let values = (-half..half).map(|x| x.max(0)).collect();
        self.table(&format!("relu{}", half.trailing_zeros() + 1), -half, values)
    }
}

/// Shape of a pooled tensor.
fn pooled(name: &str, from: &[usize], windows: &[Window]) -> Result<Vec<usize>, GraphError> {
    let mut out = from.to_vec();
    for (i, window) in windows.iter().enumerate() {
        out[i + 1] = window.positions(name)?;
    }
    Ok(out)
}
