//! Linear models and scalers of the `ai.onnx.ml` domain.

use std::sync::Arc;

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::RealOp;
use crate::real::expr::{Bin, Expr, Un};
use crate::tensor::Kind;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if n.domain != "ai.onnx.ml" {
        return Ok(None);
    }
    Ok(Some(match n.op.as_str() {
        "Scaler" => vec![scaler(im, n)?],
        "Normalizer" => vec![normalizer(im, n)?],
        "LinearRegressor" => vec![regressor(im, n)?],
        "LinearClassifier" => classifier(im, n)?,
        "Binarizer" => {
            let x = im.arg(n, 0)?;
            let threshold = n.float("threshold")?.unwrap_or(0.0);
            let at_most = Expr::un(Un::NonNegative, Expr::affine(-1.0, threshold));
            let below = im.g.map(x, at_most, Kind::Bool);
            vec![im.g.not(below)]
        }
        _ => return Ok(None),
    }))
}

pub(super) fn both(im: &mut Importer, n: &Node, f: Bin, a: TensorId, b: TensorId) -> Result<TensorId> {
    im.g.binary(f, a, b).ok_or_else(|| im.clash(n, a, b))
}

fn scaler(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let (offset, scale) = (n.floats("offset")?.unwrap_or(vec![0.0]), n.floats("scale")?.unwrap_or(vec![1.0]));
    let width = offset.len().max(scale.len());
    let wide = |v: &[f64]| -> Vec<f64> { (0..width).map(|i| v[i.min(v.len() - 1)]).collect() };
    if offset.is_empty() || scale.is_empty() {
        return Err(n.malformed("offset or scale is empty"));
    }
    let (offset, scale) = (wide(&offset), wide(&scale));
    let shift: Vec<f64> = offset.iter().zip(&scale).map(|(o, s)| -o * s).collect();
    let s = im.g.weight(vec![width], scale);
    let t = im.g.weight(vec![width], shift);
    let y = both(im, n, Bin::Mul, x, s)?;
    both(im, n, Bin::Add, y, t)
}

fn normalizer(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let axis = im.g.shape(x).len().saturating_sub(1);
    match n.string("norm")?.as_deref() {
        Some("L1") => super::normalise::normalise_by(im, n, x, axis, true),
        Some("L2") => super::normalise::normalise_by(im, n, x, axis, false),
        _ => {
            // The largest cell, not the largest size: so the standard has it, and onnxruntime.
            let (row, back) = im.g.axis_last(x, axis);
            let top = im.g.max_last(row);
            let top = im.g.permute(top, &back);
            both(im, n, Bin::Div, x, top)
        }
    }
}

/// The input as rows.
pub(super) fn as_rows(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    match *im.g.shape(x) {
        [len] => Ok(im.g.reshape(x, vec![1, len])),
        [_, _] => Ok(x),
        ref other => Err(n.malformed(format!("input {other:?} has not one row for each sample"))),
    }
}

/// `x W^T + b` with rows of coefficients.
fn scores(im: &mut Importer, n: &Node, rows: usize) -> Result<TensorId> {
    let x = as_rows(im, n)?;
    let coefficients = n.floats("coefficients")?.unwrap_or_default();
    let width = im.g.shape(x).last().copied().unwrap_or(0);
    if rows == 0 || coefficients.len() != rows * width {
        return Err(n.malformed(format!("{} coefficients for {rows} rows of {width}", coefficients.len())));
    }
    let w = im.g.weight(vec![rows, width], coefficients);
    let w = im.g.permute(w, &[1, 0]);
    let y = super::products::matmul(im, n, x, w)?;
    match n.floats("intercepts")? {
        Some(b) if !b.is_empty() => {
            let b = im.g.weight(vec![b.len()], b);
            both(im, n, Bin::Add, y, b)
        }
        _ => Ok(y),
    }
}

/// What the attribute `post_transform` makes of scores `[rows, classes]`.
pub(super) fn post_transform(im: &mut Importer, n: &Node, y: TensorId) -> Result<TensorId> {
    let name = n.string("post_transform")?.unwrap_or_else(|| "NONE".into());
    transform(im, n, y, &name)
}

/// The transform of that name.
pub(super) fn transform(im: &mut Importer, n: &Node, y: TensorId, name: &str) -> Result<TensorId> {
    let shape = im.g.shape(y).to_vec();
    match name {
        "NONE" => Ok(y),
        "LOGISTIC" => Ok(im.g.un(Un::Sigmoid, y)),
        "SOFTMAX" => Ok(im.g.op(shape, Kind::Float, RealOp::Softmax(y))),
        "SOFTMAX_ZERO" => {
            // Scores of 0 stay 0, the others share the whole.
            let p = im.g.op(shape, Kind::Float, RealOp::Softmax(y));
            let zero = im.g.map(y, Expr::un(Un::IsZero, Expr::X), Kind::Bool);
            let kept = im.g.not(zero);
            let p = both(im, n, Bin::Mul, p, kept)?;
            let sum = im.g.sum(p, &[1], true, 1.0);
            both(im, n, Bin::Div, p, sum)
        }
        "PROBIT" => Ok(im.g.map(y, probit(), Kind::Float)),
        other => {
            let hint = "use NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO or PROBIT";
            Err(n.unsupported(format!("post_transform {other}"), hint))
        }
    }
}

/// Inverse of the normal distribution function, by the approximation of the inverse error function that the
/// standard's reference takes.
///
/// # Source
/// Winitzki, "A handy approximation for the error function and its inverse" (2008).
fn probit() -> Expr {
    const A: f64 = 0.147;
    let (c, mul) = (Expr::Const, |a, b| Expr::bin(Bin::Mul, a, b));
    let x = || Expr::affine(2.0, -1.0);
    let log = || Expr::un(Un::Log, Expr::bin(Bin::Sub, c(1.0), mul(x(), x())));
    let half = || Expr::bin(Bin::Add, mul(c(0.5), log()), c(2.0 / (std::f64::consts::PI * A)));
    let inner = Expr::bin(Bin::Sub, mul(half(), half()), mul(c(1.0 / A), log()));
    let root = Expr::un(Un::Sqrt, Expr::bin(Bin::Sub, Expr::un(Un::Sqrt, inner), half()));
    mul(c(std::f64::consts::SQRT_2), mul(Expr::un(Un::Sign, x()), root))
}

fn regressor(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let y = scores(im, n, n.int("targets")?.unwrap_or(1).max(1) as usize)?;
    post_transform(im, n, y)
}

/// Outputs are the label and the scores.
fn classifier(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let (labels, names) = super::svm::classes(n)?;
    let x = as_rows(im, n)?;
    let width = im.g.shape(x)[1].max(1);
    let rows = n.floats("coefficients")?.unwrap_or_default().len() / width;
    let mut y = scores(im, n, rows)?;
    if rows == 1 && labels.len() == 2 {
        let other = im.g.map(y, Expr::affine(-1.0, 0.0), Kind::Float);
        y = im.g.concat(&[other, y], 1);
    }
    let count = im.g.shape(y)[0];
    let scores = post_transform(im, n, y)?;
    if im.g.shape(y)[1] == 1 {
        // The only class, or none: its number where the score is large enough, else 0.
        let none = matches!(n.string("post_transform")?.as_deref(), None | Some("NONE"));
        let reached = Expr::un(Un::NonNegative, Expr::affine(1.0, if none { 0.0 } else { -0.5 }));
        let reached = im.g.map(scores, reached, Kind::Int);
        let label = im.g.map(reached, Expr::affine(labels[0] as f64, 0.0), Kind::Int);
        return Ok(vec![im.g.reshape(label, vec![count]), scores]);
    }
    if im.g.shape(y)[1] != labels.len() {
        return Err(n.malformed(format!("{} scores for {} labels", im.g.shape(y)[1], labels.len())));
    }
    let index = super::reduce::arg_max_last(im, y);
    let label = im.g.reshape(index, vec![count]);
    Ok(vec![relabel(im, label, &labels, names), scores])
}

/// Class numbers for positions; names are noted beside the tensor.
pub(super) fn relabel(im: &mut Importer, index: TensorId, labels: &[i64], names: Option<Vec<String>>) -> TensorId {
    use proveil_graph::{Access, Affine, Contract};
    if let Some(names) = names {
        // A tensor of its own, since the position may have other readers.
        let shape = im.g.shape(index).to_vec();
        let label = im.g.combine(&shape, Kind::Int, &[(1.0, index)], 0.0);
        im.labels.insert(label, Arc::new(names));
        return label;
    }
    if labels.iter().copied().eq(0..labels.len() as i64) {
        return index;
    }
    let list = im.fresh(vec![labels.len()], Kind::Int, labels.iter().map(|&l| l as f64).collect());
    let mut shape = im.g.shape(index).to_vec();
    let (v, depth) = (shape.len(), labels.len());
    shape.push(depth);
    let hot = im.g.op(shape.clone(), Kind::Bool, RealOp::OneHot { x: index, depth });
    let lhs = Access { tensor: list, axes: vec![Affine::var(v)] };
    let rhs = Access { tensor: hot, axes: crate::real::identity(v + 1) };
    im.g.contract(Contract { extents: shape, out: (0..v).collect(), lhs, rhs })
}
