//! Arithmetic of shapes, strides and affine accesses: what the builder, the checker and the interpreters share.

use crate::error::GraphError;
use crate::ir::{Access, Affine, Graph, Op, Range, Tensor, TensorId};

/// Largest number of cells of a tensor, of terms of an operator, and bound of any index that is computed.
pub const MAX_CELLS: usize = 1 << 48;

impl Graph {
    /// The tensor with this number, if there is one.
    pub fn get(&self, id: TensorId) -> Option<&Tensor> {
        self.tensors.get(id.0 as usize)
    }

    /// The tensor with this number.
    ///
    /// # Errors
    /// `UnknownTensor`, blaming `name`.
    pub fn tensor(&self, name: &str, id: TensorId) -> Result<&Tensor, GraphError> {
        let count = self.tensors.len();
        self.get(id).ok_or_else(|| GraphError::UnknownTensor { name: name.to_owned(), tensor: id, count })
    }
}

impl Tensor {
    /// Number of cells (1 for a scalar). Meaningful for shapes that the checker accepts.
    pub fn cells(&self) -> usize {
        self.shape.iter().fold(1, |n, &len| n.saturating_mul(len))
    }
}

impl Range {
    /// Both ends hold the same value.
    pub fn exactly(value: i64) -> Self {
        Self { lo: value, hi: value }
    }

    /// Whether `value` lies in the interval.
    pub fn contains(&self, value: i64) -> bool {
        self.lo <= value && value <= self.hi
    }
}

impl Affine {
    /// The constant form.
    pub fn constant(offset: i64) -> Self {
        Self { terms: Vec::new(), offset }
    }

    /// The form that is one variable.
    pub fn var(var: usize) -> Self {
        Self { terms: vec![(var, 1)], offset: 0 }
    }

    /// The form `offset + sum coef * var`; zero coefficients are dropped and terms are sorted.
    pub fn new(terms: &[(usize, i64)], offset: i64) -> Self {
        let mut terms: Vec<_> = terms.iter().copied().filter(|&(_, coef)| coef != 0).collect();
        terms.sort_unstable();
        Self { terms, offset }
    }

    /// Value at a setting of the variables.
    pub fn at(&self, vars: &[usize]) -> i64 {
        self.terms.iter().fold(self.offset, |sum, &(var, coef)| sum + coef * vars[var] as i64)
    }

    /// Smallest and largest value over all settings with variable `v` in `0 .. extents[v]`.
    pub fn interval(&self, extents: &[usize]) -> (i128, i128) {
        let mut interval = (i128::from(self.offset), i128::from(self.offset));
        for &(var, coef) in &self.terms {
            let reach = i128::from(coef) * (extents[var] as i128 - 1);
            interval = (interval.0 + reach.min(0), interval.1 + reach.max(0));
        }
        interval
    }
}

impl Access {
    /// Whether some setting of the variables reads outside the tensor of this shape, and so reads 0.
    pub fn leaves(&self, shape: &[usize], extents: &[usize]) -> bool {
        self.axes.iter().zip(shape).any(|(axis, &len)| {
            let (lo, hi) = axis.interval(extents);
            lo < 0 || hi >= len as i128
        })
    }
}

/// Product of lengths, if it stays at most [`MAX_CELLS`].
///
/// # Errors
/// `TooLarge`, blaming `name` and saying `what` was counted.
pub fn product(name: &str, what: &'static str, extents: &[usize]) -> Result<usize, GraphError> {
    let cells = extents.iter().try_fold(1usize, |n, &len| n.checked_mul(len)).filter(|&n| n <= MAX_CELLS);
    cells.ok_or_else(|| GraphError::TooLarge { name: name.to_owned(), what, extents: extents.to_vec() })
}

/// Row-major strides of a shape.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Common shape of two operands by numpy's broadcasting rules.
///
/// # Errors
/// `Broadcast` when two axes differ and neither is 1.
pub fn broadcast(name: &str, a: &[usize], b: &[usize]) -> Result<Vec<usize>, GraphError> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(GraphError::Broadcast { name: name.to_owned(), a: a.to_vec(), b: b.to_vec() }),
        })
        .collect()
}

/// Axes of an access that reads a tensor of shape `from` broadcast to the shape `to`, whose variables are
/// numbered by `vars`.
pub fn broadcast_axes(from: &[usize], to: &[usize], vars: &[usize]) -> Vec<Affine> {
    let skip = to.len() - from.len();
    from.iter()
        .zip(to[skip..].iter().zip(&vars[skip..]))
        .map(|(&len, (&wide, &var))| if len == 1 && wide != 1 { Affine::constant(0) } else { Affine::var(var) })
        .collect()
}

/// Tensors that an operator reads, in order, with repetitions.
pub fn operands(op: &Op) -> Vec<TensorId> {
    match op {
        Op::Linear { pieces, .. } => pieces.iter().map(|piece| piece.access.tensor).collect(),
        Op::Reshape(x) | Op::Sqrt(x) | Op::ArgMaxOneHot(x) => vec![*x],
        Op::Contract(contract) => vec![contract.lhs.tensor, contract.rhs.tensor],
        Op::Lookup { x, .. } | Op::OneHot { x, .. } => vec![*x],
        Op::Div { num, den } => vec![*num, *den],
        Op::Gather { data, index } => vec![*data, *index],
    }
}

/// Calls `visit` for every setting of variables with the given lengths, last variable fastest.
pub fn for_each_index(extents: &[usize], mut visit: impl FnMut(&[usize])) {
    if extents.contains(&0) {
        return;
    }
    let mut index = vec![0; extents.len()];
    loop {
        visit(&index);
        let Some(axis) = (0..extents.len()).rev().find(|&axis| index[axis] + 1 < extents[axis]) else { return };
        index[axis] += 1;
        index[axis + 1..].fill(0);
    }
}
