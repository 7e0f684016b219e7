//! Linear models and scalers of the `ai.onnx.ml` domain.

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

fn both(im: &mut Importer, n: &Node, f: Bin, a: TensorId, b: TensorId) -> Result<TensorId> {
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
    let s = im.fresh(vec![width], Kind::Float, scale);
    let t = im.fresh(vec![width], Kind::Float, shift);
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
            let size = im.g.map(x, Expr::un(Un::Abs, Expr::X), Kind::Float);
            let (row, back) = im.g.axis_last(size, axis);
            let top = im.g.max_last(row);
            let top = im.g.permute(top, &back);
            both(im, n, Bin::Div, x, top)
        }
    }
}

/// `x W^T + b` with rows of coefficients.
fn scores(im: &mut Importer, n: &Node, rows: usize) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let x = if im.g.shape(x).len() == 1 {
        let len = im.g.shape(x)[0];
        im.g.reshape(x, vec![1, len])
    } else {
        x
    };
    let coefficients = n.floats("coefficients")?.unwrap_or_default();
    let width = im.g.shape(x).last().copied().unwrap_or(0);
    if rows == 0 || coefficients.len() != rows * width {
        return Err(n.malformed(format!("{} coefficients for {rows} rows of {width}", coefficients.len())));
    }
    let w = im.fresh(vec![rows, width], Kind::Float, coefficients);
    let w = im.g.permute(w, &[1, 0]);
    let y = super::products::matmul(im, n, x, w)?;
    match n.floats("intercepts")? {
        Some(b) if !b.is_empty() => {
            let b = im.fresh(vec![b.len()], Kind::Float, b);
            both(im, n, Bin::Add, y, b)
        }
        _ => Ok(y),
    }
}

fn transform(im: &mut Importer, n: &Node, y: TensorId) -> Result<TensorId> {
    let shape = im.g.shape(y).to_vec();
    match n.string("post_transform")?.as_deref() {
        None | Some("NONE") => Ok(y),
        Some("LOGISTIC") => Ok(im.g.un(Un::Sigmoid, y)),
        Some("SOFTMAX") => Ok(im.g.op(shape, Kind::Float, RealOp::Softmax(y))),
        Some(other) => Err(n.unsupported(format!("post_transform {other}"), "use NONE, LOGISTIC or SOFTMAX")),
    }
}

fn regressor(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let y = scores(im, n, n.int("targets")?.unwrap_or(1).max(1) as usize)?;
    transform(im, n, y)
}

/// Outputs are the label and the scores.
fn classifier(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let Some(labels) = n.ints("classlabels_ints")?.filter(|l| !l.is_empty()) else {
        return Err(n.unsupported("its labels are strings", "convert the labels to integers"));
    };
    let rows = n.floats("intercepts")?.map_or(0, |b| b.len());
    let rows = if rows == 0 { labels.len() } else { rows };
    let mut y = scores(im, n, rows)?;
    if rows == 1 && labels.len() == 2 {
        let other = im.g.map(y, Expr::affine(-1.0, 0.0), Kind::Float);
        let rank = im.g.shape(y).len();
        y = im.g.concat(&[other, y], rank - 1);
    }
    let index = super::reduce::arg_max_last(im, y);
    let rows_shape: Vec<usize> = im.g.shape(y)[..1].to_vec();
    let mut label = im.g.reshape(index, rows_shape);
    if !labels.iter().copied().eq(0..labels.len() as i64) {
        let list = im.fresh(vec![labels.len()], Kind::Int, labels.iter().map(|&l| l as f64).collect());
        label = relabel(im, label, list, labels.len());
    }
    let scores = transform(im, n, y)?;
    Ok(vec![label, scores])
}

fn relabel(im: &mut Importer, index: TensorId, list: TensorId, depth: usize) -> TensorId {
    use proveil_graph::{Access, Affine, Contract};
    let mut shape = im.g.shape(index).to_vec();
    let v = shape.len();
    shape.push(depth);
    let hot = im.g.op(shape.clone(), Kind::Bool, RealOp::OneHot { x: index, depth });
    let lhs = Access { tensor: list, axes: vec![Affine::var(v)] };
    let rhs = Access { tensor: hot, axes: crate::real::identity(v + 1) };
    im.g.contract(Contract { extents: shape, out: (0..v).collect(), lhs, rhs })
}
