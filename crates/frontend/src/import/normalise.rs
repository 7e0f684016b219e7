//! Normalisation layers, as primitives.

use proveil_graph::{Access, Affine, TensorId};

use super::Importer;
use super::conv::{to_first, to_last};
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::real::{RealOp, RealPiece};
use crate::tensor::Kind;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    let out = match n.op.as_str() {
        "BatchNormalization" if n.domain.is_empty() => batch(im, n)?,
        "LayerNormalization" => return layer(im, n).map(Some),
        "SimplifiedLayerNormalization" | "RMSNormalization" => rms(im, n)?,
        "InstanceNormalization" if n.domain.is_empty() => instance(im, n)?,
        "GroupNormalization" if n.domain.is_empty() => group(im, n)?,
        "LpNormalization" if n.domain.is_empty() => lp(im, n)?,
        "MeanVarianceNormalization" if n.domain.is_empty() => {
            let x = im.arg(n, 0)?;
            let given = n.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
            let axes = im.axes(n, &given, im.g.shape(x).len())?;
            standardise(im, n, x, &axes, 1e-9)?
        }
        "LRN" if n.domain.is_empty() => local_response(im, n)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

fn batch(im: &mut Importer, n: &Node) -> Result<TensorId> {
    if n.int("training_mode")? == Some(1) {
        return Err(n.unsupported("it is in training mode", "export the model in evaluation mode"));
    }
    let x = im.arg(n, 0)?;
    let lists = (1..5)
        .map(|i| im.const_arg(n, i)?.ok_or_else(|| n.malformed(format!("input {i} is missing"))))
        .collect::<Result<Vec<_>>>()?;
    let channels = im.g.shape(x).get(1).copied().unwrap_or(0);
    if lists.iter().any(|l| l.len() != channels) {
        return Err(n.malformed(format!("has {channels} channels but parameters of other lengths")));
    }
    let eps = n.float("epsilon")?.unwrap_or(1e-5);
    let factor: Vec<f64> = (0..channels).map(|c| lists[0][c] / (lists[3][c] + eps).sqrt()).collect();
    if let Some(c) = factor.iter().position(|f| !f.is_finite()) {
        return Err(n.malformed(format!("variance of channel {c} is not positive; repair the model")));
    }
    let shift: Vec<f64> = (0..channels).map(|c| lists[1][c] - lists[2][c] * factor[c]).collect();
    let xl = to_last(im, x);
    let (f, s) = (im.g.weight(vec![channels], factor), im.g.weight(vec![channels], shift));
    let y = mul(im, n, xl, f)?;
    let y = im.g.binary(Bin::Add, y, s).ok_or_else(|| im.clash(n, y, s))?;
    Ok(to_first(im, y))
}

fn mul(im: &mut Importer, n: &Node, a: TensorId, b: TensorId) -> Result<TensorId> {
    im.g.binary(Bin::Mul, a, b).ok_or_else(|| im.clash(n, a, b))
}

fn add(im: &mut Importer, n: &Node, a: TensorId, b: TensorId) -> Result<TensorId> {
    im.g.binary(Bin::Add, a, b).ok_or_else(|| im.clash(n, a, b))
}

/// `x / sqrt(mean(x^2) + eps)` over axes.
fn by_root_mean_square(im: &mut Importer, n: &Node, x: TensorId, axes: &[usize], eps: f64) -> Result<TensorId> {
    let inverse = inverse_root_mean_square(im, x, axes, eps);
    mul(im, n, x, inverse)
}

/// `1 / sqrt(mean(x^2) + eps)` over axes, which keep length 1.
fn inverse_root_mean_square(im: &mut Importer, x: TensorId, axes: &[usize], eps: f64) -> TensorId {
    let count: usize = axes.iter().map(|&a| im.g.shape(x)[a]).product();
    let square = im.g.map(x, Expr::bin(Bin::Mul, Expr::X, Expr::X), Kind::Float);
    let mean = im.g.sum(square, axes, true, 1.0 / count as f64);
    let variance = im.g.map(mean, Expr::affine(1.0, eps), Kind::Float);
    let deviation = im.g.un(Un::Sqrt, variance);
    im.g.un(Un::Recip, deviation)
}

/// `(x - mean) / sqrt(var + eps)` over axes.
fn standardise(im: &mut Importer, n: &Node, x: TensorId, axes: &[usize], eps: f64) -> Result<TensorId> {
    let (_, centred) = centre(im, x, axes);
    by_root_mean_square(im, n, centred, axes, eps)
}

/// Mean over axes, which keep length 1, and the difference from it.
fn centre(im: &mut Importer, x: TensorId, axes: &[usize]) -> (TensorId, TensorId) {
    let shape = im.g.shape(x).to_vec();
    let count: usize = axes.iter().map(|&a| shape[a]).product();
    let mean = im.g.sum(x, axes, true, 1.0 / count as f64);
    (mean, im.g.combine(&shape, Kind::Float, &[(1.0, x), (-1.0, mean)], 0.0))
}

fn affine(im: &mut Importer, n: &Node, y: TensorId, scale: usize, bias: usize) -> Result<TensorId> {
    let mut y = y;
    if let Some(gamma) = im.opt(n, scale)? {
        y = mul(im, n, y, gamma)?;
    }
    if let Some(beta) = im.opt(n, bias)? {
        y = add(im, n, y, beta)?;
    }
    Ok(y)
}

/// Outputs are the result, the means and the inverse deviations.
fn layer(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let x = im.arg(n, 0)?;
    let rank = im.g.shape(x).len();
    let first = im.axis(n, n.int("axis")?.unwrap_or(-1), rank)?;
    let axes: Vec<usize> = (first..rank).collect();
    let (mean, centred) = centre(im, x, &axes);
    let inverse = inverse_root_mean_square(im, centred, &axes, n.float("epsilon")?.unwrap_or(1e-5));
    let y = mul(im, n, centred, inverse)?;
    Ok(vec![affine(im, n, y, 1, 2)?, mean, inverse])
}

fn rms(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let rank = im.g.shape(x).len();
    let first = im.axis(n, n.int("axis")?.unwrap_or(-1), rank)?;
    let axes: Vec<usize> = (first..rank).collect();
    let y = by_root_mean_square(im, n, x, &axes, n.float("epsilon")?.unwrap_or(1e-5))?;
    affine(im, n, y, 1, 2)
}

/// Gives a list over channels the axes `[c, 1, ..]` of a channel-first tensor.
fn per_channel(im: &mut Importer, n: &Node, input: usize, rank: usize) -> Result<TensorId> {
    let list = im.arg(n, input)?;
    let mut shape = vec![im.g.shape(list).iter().product()];
    shape.extend(vec![1; rank.saturating_sub(2)]);
    Ok(im.g.reshape(list, shape))
}

fn instance(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let rank = im.g.shape(x).len();
    if rank < 3 {
        return Err(n.malformed("the input has no spatial axes"));
    }
    let axes: Vec<usize> = (2..rank).collect();
    let y = standardise(im, n, x, &axes, n.float("epsilon")?.unwrap_or(1e-5))?;
    let (scale, bias) = (per_channel(im, n, 1, rank)?, per_channel(im, n, 2, rank)?);
    let y = mul(im, n, y, scale)?;
    add(im, n, y, bias)
}

fn group(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let groups = n.int("num_groups")?.unwrap_or(1).max(1) as usize;
    if shape.len() < 3 || !shape[1].is_multiple_of(groups) {
        return Err(n.malformed(format!("{groups} groups do not fit input {shape:?}")));
    }
    let per = shape[1..].iter().product::<usize>() / groups;
    let row = im.g.reshape(x, vec![shape[0], groups, per]);
    let y = standardise(im, n, row, &[2], n.float("epsilon")?.unwrap_or(1e-5))?;
    let y = im.g.reshape(y, shape.clone());
    let spread = |im: &mut Importer, input: usize| -> Result<TensorId> {
        let list = per_channel(im, n, input, shape.len())?;
        // Opset 18 has one entry for each group.
        let each = shape[1] / im.g.shape(list)[0].max(1);
        let indices: Vec<usize> = (0..shape[1]).map(|c| c / each.max(1)).collect();
        Ok(im.g.take(list, 0, &indices))
    };
    let (scale, bias) = (spread(im, 1)?, spread(im, 2)?);
    let y = mul(im, n, y, scale)?;
    add(im, n, y, bias)
}

/// `x / (bias + alpha / size * sum of squares over neighbouring channels)^beta`.
fn local_response(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let size = n.int("size")?.and_then(|s| usize::try_from(s).ok()).filter(|s| (1..1 << 16).contains(s));
    let Some(size) = size.filter(|_| shape.len() >= 2) else {
        return Err(n.malformed(format!("attribute `size` is missing or does not fit input {shape:?}")));
    };
    let (alpha, beta) = (n.float("alpha")?.unwrap_or(1e-4), n.float("beta")?.unwrap_or(0.75));
    let xl = to_last(im, x);
    let square = im.g.map(xl, Expr::bin(Bin::Mul, Expr::X, Expr::X), Kind::Float);
    let from = im.g.shape(xl).to_vec();
    let last = from.len() - 1;
    let mut axes = crate::real::identity(last + 1);
    axes[last] = Affine::new(&[(last, 1), (last + 1, 1)], -(((size - 1) / 2) as i64));
    let piece = RealPiece {
        start: vec![0; last + 1],
        extents: from.clone(),
        sum: vec![size],
        coef: alpha / size as f64,
        access: Access { tensor: square, axes },
    };
    let constant = n.float("bias")?.unwrap_or(1.0);
    let sum = im.g.op(from, Kind::Float, RealOp::Linear { pieces: vec![piece], constant });
    let factor = im.g.map(sum, Expr::bin(Bin::Pow, Expr::X, Expr::Const(-beta)), Kind::Float);
    let y = mul(im, n, xl, factor)?;
    Ok(to_first(im, y))
}

fn lp(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let axis = im.axis(n, n.int("axis")?.unwrap_or(-1), im.g.shape(x).len())?;
    normalise_by(im, n, x, axis, n.int("p")?.unwrap_or(2) == 1)
}

/// Divides by the sum of absolute values or the Euclidean length along an axis.
pub(super) fn normalise_by(im: &mut Importer, n: &Node, x: TensorId, axis: usize, l1: bool) -> Result<TensorId> {
    let f = if l1 { Expr::un(Un::Abs, Expr::X) } else { Expr::bin(Bin::Mul, Expr::X, Expr::X) };
    let each = im.g.map(x, f, Kind::Float);
    let sum = im.g.sum(each, &[axis], true, 1.0);
    let norm = if l1 { sum } else { im.g.un(Un::Sqrt, sum) };
    im.g.binary(Bin::Div, x, norm).ok_or_else(|| im.clash(n, x, norm))
}
