//! Float tensors that samples, weights and reference values travel in.

/// What the cells of a tensor mean, as far as rounding is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Real numbers: quantised with a scale.
    Float,
    /// Whole numbers: kept exactly.
    Int,
    /// 0 or 1.
    Bool,
    /// Texts, by their places in the model's list of texts; how many that has stands for any other text.
    Text,
}

/// A dense row-major tensor of finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Axis lengths; a scalar has none.
    pub shape: Vec<usize>,
    /// Meaning of the cells.
    pub kind: Kind,
    /// Cells in row-major order; whole numbers up to 2^53 are exact.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor from its parts; `None` when the number of cells is not the product of the axis lengths.
    pub fn new(shape: Vec<usize>, kind: Kind, data: Vec<f64>) -> Option<Self> {
        (shape.iter().product::<usize>() == data.len()).then_some(Self { shape, kind, data })
    }

    /// A float tensor; `None` as in [`Tensor::new`].
    pub fn floats(shape: Vec<usize>, data: Vec<f64>) -> Option<Self> {
        Self::new(shape, Kind::Float, data)
    }

    /// A scalar.
    pub fn scalar(value: f64, kind: Kind) -> Self {
        Self { shape: Vec::new(), kind, data: vec![value] }
    }
}

/// Row-major strides of a shape.
pub(crate) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for a in (0..shape.len().saturating_sub(1)).rev() {
        out[a] = out[a + 1] * shape[a + 1];
    }
    out
}

/// Shape of an element-wise operation under the broadcasting rules of ONNX; `None` when the shapes clash.
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| if i + s.len() >= rank { s[i + s.len() - rank] } else { 1 };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}
