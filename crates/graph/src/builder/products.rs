//! Conveniences made of one contraction: element-wise products, matrix products, convolutions.

use super::Builder;
use super::views::expect_len;
use crate::error::GraphError;
use crate::ir::{Access, Affine, Contract, TensorId};
use crate::shape;

/// Attributes of a convolution, one entry of each list for each spatial axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Steps between outputs, in input cells; at least 1.
    pub strides: Vec<usize>,
    /// Steps between kernel cells, in input cells; at least 1.
    pub dilations: Vec<usize>,
    /// Zeros in front of the input.
    pub pads_before: Vec<usize>,
    /// Zeros behind the input.
    pub pads_after: Vec<usize>,
    /// Number of groups; divides the input and output channels.
    pub groups: usize,
}

impl ConvSpec {
    /// Stride 1, no dilation, no padding, one group, for the given number of spatial axes.
    pub fn unit(spatial: usize) -> Self {
        let (ones, zeros) = (vec![1; spatial], vec![0; spatial]);
        Self { strides: ones.clone(), dilations: ones, pads_before: zeros.clone(), pads_after: zeros, groups: 1 }
    }
}

/// How a window slides over one spatial axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub len: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    pub before: usize,
    pub after: usize,
}

impl Window {
    /// Number of window positions.
    ///
    /// # Errors
    /// `Attribute` when a step is 0 or the window is longer than the padded input.
    pub fn positions(&self, name: &str) -> Result<usize, GraphError> {
        let bad = |what, got: i128, needs| {
            let got = got.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            Err(GraphError::Attribute { name: name.to_owned(), what, got, needs })
        };
        if self.kernel == 0 {
            return bad("kernel length", 0, "give at least 1");
        }
        if self.stride == 0 || self.dilation == 0 {
            return bad("stride or dilation", 0, "give at least 1");
        }
        let largest = [self.kernel, self.stride, self.dilation, self.before, self.after].into_iter().max();
        if let Some(largest) = largest.filter(|&x| x > shape::MAX_CELLS) {
            return bad("kernel, stride, dilation or padding", largest as i128, "keep it at most 2^48");
        }
        let padded = self.len as i128 + self.before as i128 + self.after as i128;
        let reach = (self.kernel as i128 - 1) * self.dilation as i128 + 1;
        if padded < reach {
            return bad("padded input length", padded, "make it at least as long as the dilated kernel");
        }
        Ok(((padded - reach) / self.stride as i128 + 1) as usize)
    }

    /// Input index read at window position `out` and kernel index `kernel` (variables).
    pub fn form(&self, out: usize, kernel: usize) -> Affine {
        let terms = [(out, self.stride as i64), (kernel, self.dilation as i64)];
        Affine::new(&terms, -(self.before as i64))
    }
}

impl Builder {
    /// Element-wise product with numpy's broadcasting; scales add.
    ///
    /// # Errors
    /// `Broadcast`, `Unbounded`.
    pub fn mul(&mut self, name: &str, a: TensorId, b: TensorId) -> Result<TensorId, GraphError> {
        let (lhs, rhs) = self.weights_first(a, b);
        let (left, right) = (&self.graph.tensor(name, lhs)?.shape, &self.graph.tensor(name, rhs)?.shape);
        let extents = shape::broadcast(name, left, right)?;
        let vars: Vec<usize> = (0..extents.len()).collect();
        let lhs = Access { tensor: lhs, axes: shape::broadcast_axes(left, &extents, &vars) };
        let rhs = Access { tensor: rhs, axes: shape::broadcast_axes(right, &extents, &vars) };
        self.contract(name, Contract { extents, out: vars, lhs, rhs })
    }

    /// Matrix product with numpy's rules: the last axis of `a` against the one but last of `b`, leading axes
    /// broadcast, operands with one axis are a row (`a`) or a column (`b`) whose axis the result drops. Scales add.
    ///
    /// # Errors
    /// `Rank` for a scalar operand, `Shape` when the contracted lengths differ, `Broadcast`, `Unbounded`.
    pub fn matmul(&mut self, name: &str, a: TensorId, b: TensorId) -> Result<TensorId, GraphError> {
        let (left, right) = (&self.graph.tensor(name, a)?.shape, &self.graph.tensor(name, b)?.shape);
        for shape in [left, right] {
            if shape.is_empty() {
                return Err(GraphError::Rank { name: name.to_owned(), what: "operand axes", expected: 1, got: 0 });
            }
        }
        let inner = left[left.len() - 1];
        let mut expected = right.clone();
        expected[right.len().saturating_sub(2)] = inner;
        if expected != *right {
            return Err(GraphError::Shape { name: name.to_owned(), expected, got: right.clone() });
        }
        let (left_batch, right_batch) = (&left[..left.len().max(2) - 2], &right[..right.len().max(2) - 2]);
        let mut extents = shape::broadcast(name, left_batch, right_batch)?;
        let batch: Vec<usize> = (0..extents.len()).collect();
        let mut left_axes = shape::broadcast_axes(left_batch, &extents, &batch);
        let mut right_axes = shape::broadcast_axes(right_batch, &extents, &batch);
        if left.len() > 1 {
            left_axes.push(Affine::var(extents.len()));
            extents.push(left[left.len() - 2]);
        }
        let column = extents.len();
        if right.len() > 1 {
            extents.push(right[right.len() - 1]);
        }
        let summed = extents.len();
        extents.push(inner);
        left_axes.push(Affine::var(summed));
        right_axes.push(Affine::var(summed));
        if right.len() > 1 {
            right_axes.push(Affine::var(column));
        }
        let out = (0..summed).collect();
        let (mut lhs, mut rhs) = (Access { tensor: a, axes: left_axes }, Access { tensor: b, axes: right_axes });
        if self.weights_first(a, b).0 != a {
            std::mem::swap(&mut lhs, &mut rhs);
        }
        self.contract(name, Contract { extents, out, lhs, rhs })
    }

    /// Convolution (cross-correlation) over any number of spatial axes; scales add.
    ///
    /// # Shapes
    /// `x: [n, spatial.., c]`, `w: [kernel.., out_c, c / groups]`, result `[n, positions.., out_c]`. Output
    /// channel `g * out_c / groups + o` belongs to group `g`. With more than one group the contraction has the
    /// group as an axis of its own and a reshape follows.
    /// # Errors
    /// `Rank`, `Shape` when channels do not fit, `Attribute` for steps of 0, groups that do not divide, or a
    /// kernel longer than the padded input; `Unbounded`.
    pub fn conv(&mut self, name: &str, x: TensorId, w: TensorId, spec: &ConvSpec) -> Result<TensorId, GraphError> {
        let ((from, _), (kernel, _)) = (self.shape_and_scale(name, x)?, self.shape_and_scale(name, w)?);
        let windows = windows(name, &from, kernel.get(..from.len().saturating_sub(2)).unwrap_or(&[]), spec)?;
        expect_len(name, "kernel axes", from.len(), kernel.len())?;
        let (spatial, groups) = (windows.len(), spec.groups);
        let (out_c, in_c) = (kernel[spatial], kernel[spatial + 1]);
        if groups == 0 || out_c % groups != 0 {
            let (got, needs) = (groups as i64, "it must divide the output channels");
            return Err(GraphError::Attribute { name: name.to_owned(), what: "groups", got, needs });
        }
        if in_c.checked_mul(groups) != from.last().copied() {
            let mut expected = kernel.clone();
            expected[spatial + 1] = from[spatial + 1] / groups;
            return Err(GraphError::Shape { name: name.to_owned(), expected, got: kernel });
        }
        let out_per_group = out_c / groups;
        let mut extents = vec![from[0]];
        for window in &windows {
            extents.push(window.positions(name)?);
        }
        let mut result = extents.clone();
        result.push(out_c);
        let group = (groups > 1).then_some(extents.len());
        extents.extend(group.map(|_| groups));
        let out_var = extents.len();
        extents.push(out_per_group);
        let (first_kernel, in_var) = (extents.len(), extents.len() + spatial);
        extents.extend(&kernel[..spatial]);
        extents.push(in_c);
        let grouped = |var: usize, each: usize| match group {
            Some(group) => Affine::new(&[(var, 1), (group, each as i64)], 0),
            None => Affine::var(var),
        };
        let mut x_axes = vec![Affine::var(0)];
        x_axes.extend(windows.iter().enumerate().map(|(i, window)| window.form(1 + i, first_kernel + i)));
        x_axes.push(grouped(in_var, in_c));
        let mut w_axes: Vec<Affine> = (0..spatial).map(|i| Affine::var(first_kernel + i)).collect();
        w_axes.extend([grouped(out_var, out_per_group), Affine::var(in_var)]);
        let (lhs, rhs) = (Access { tensor: w, axes: w_axes }, Access { tensor: x, axes: x_axes });
        let product = self.contract(name, Contract { extents, out: (0..=out_var).collect(), lhs, rhs })?;
        if group.is_some() { self.reshape(&format!("{name}/groups"), product, &result) } else { Ok(product) }
    }

    /// The operands with the one that holds weights in front.
    fn weights_first(&self, a: TensorId, b: TensorId) -> (TensorId, TensorId) {
        if self.is_weight(b) && !self.is_weight(a) { (b, a) } else { (a, b) }
    }
}

fn windows(name: &str, from: &[usize], kernel: &[usize], spec: &ConvSpec) -> Result<Vec<Window>, GraphError> {
    let lists = [&spec.strides, &spec.dilations, &spec.pads_before, &spec.pads_after];
    slide(name, from, kernel, lists.map(|list| &list[..]))
}

/// The windows over the spatial axes of `[n, spatial.., c]`; `lists` are strides, dilations, padding before, after.
pub(super) fn slide(
    name: &str,
    from: &[usize],
    kernel: &[usize],
    lists: [&[usize]; 4],
) -> Result<Vec<Window>, GraphError> {
    if from.len() < 2 {
        return Err(GraphError::Rank { name: name.to_owned(), what: "operand axes", expected: 2, got: from.len() });
    }
    let spatial = from.len() - 2;
    expect_len(name, "kernel", spatial, kernel.len())?;
    for (what, list) in ["strides", "dilations", "padding before", "padding after"].into_iter().zip(lists) {
        expect_len(name, what, spatial, list.len())?;
    }
    let [strides, dilations, before, after] = lists;
    let window = |i: usize| Window {
        len: from[i + 1],
        kernel: kernel[i],
        stride: strides[i],
        dilation: dilations[i],
        before: before[i],
        after: after[i],
    };
    Ok((0..spatial).map(window).collect())
}
