//! Support vector machines of the `ai.onnx.ml` domain: kernels of the input with all support vectors at once, then
//! one product for all decision functions. Pairs of classes vote as in libsvm.

use proveil_graph::TensorId;

use super::Importer;
use super::classic::{as_rows, post_transform, relabel};
use super::coupling::couple;
use super::products::matmul;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::tensor::{Kind, Tensor};

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    match (n.domain.as_str(), n.op.as_str()) {
        ("ai.onnx.ml", "SVMClassifier") => classifier(im, n).map(Some),
        ("ai.onnx.ml", "SVMRegressor") => regressor(im, n).map(|y| Some(vec![y])),
        _ => Ok(None),
    }
}

fn add(im: &mut Importer, n: &Node, a: TensorId, b: TensorId) -> Result<TensorId> {
    im.g.binary(Bin::Add, a, b).ok_or_else(|| im.clash(n, a, b))
}

/// `x W^T` with rows of weights.
fn product(im: &mut Importer, n: &Node, x: TensorId, rows: usize, weights: Vec<f64>) -> Result<TensorId> {
    let width = im.g.shape(x).last().copied().unwrap_or(0);
    if rows == 0 || weights.len() != rows * width {
        return Err(n.malformed(format!("{} numbers do not make {rows} rows of {width}", weights.len())));
    }
    let w = im.g.weight(vec![rows, width], weights);
    let w = im.g.permute(w, &[1, 0]);
    matmul(im, n, x, w)
}

/// Kernel of every row of `x` with every support vector `[rows, count]`.
fn kernels(im: &mut Importer, n: &Node, x: TensorId, vectors: Vec<f64>, count: usize) -> Result<TensorId> {
    let params = n.floats("kernel_params")?.unwrap_or_default();
    let at = |i: usize| params.get(i).copied().unwrap_or(0.0);
    let (gamma, coef, degree) = (at(0), at(1), at(2).trunc());
    let kind = n.string("kernel_type")?.unwrap_or_else(|| "LINEAR".into()).to_uppercase();
    let width = vectors.len() / count.max(1);
    let lengths: Vec<f64> = vectors.chunks(width.max(1)).map(|v| v.iter().map(|c| c * c).sum()).collect();
    let dot = product(im, n, x, count, vectors)?;
    let inner = Expr::affine(gamma, coef);
    Ok(match kind.as_str() {
        "LINEAR" => dot,
        "POLY" => im.g.map(dot, Expr::bin(Bin::Pow, inner, Expr::Const(degree)), Kind::Float),
        "SIGMOID" => im.g.map(dot, Expr::un(Un::Tanh, inner), Kind::Float),
        "RBF" => {
            // |x - v|^2 = |x|^2 - 2 x v + |v|^2.
            let square = im.g.map(x, Expr::bin(Bin::Mul, Expr::X, Expr::X), Kind::Float);
            let own = im.g.sum(square, &[1], true, 1.0);
            let other = im.g.weight(vec![count], lengths);
            let shape = im.g.shape(dot).to_vec();
            let distance = im.g.combine(&shape, Kind::Float, &[(1.0, own), (-2.0, dot), (1.0, other)], 0.0);
            im.g.map(distance, Expr::un(Un::Exp, Expr::affine(-gamma, 0.0)), Kind::Float)
        }
        other => return Err(n.unsupported(format!("kernel `{other}`"), "use LINEAR, POLY, RBF or SIGMOID")),
    })
}

fn regressor(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = as_rows(im, n)?;
    let coefficients = n.floats("coefficients")?.unwrap_or_default();
    let rho = n.floats("rho")?.unwrap_or_default();
    let supports = usize::try_from(n.int("n_supports")?.unwrap_or(0)).unwrap_or(0);
    let k = match supports {
        0 => x,
        count => kernels(im, n, x, n.floats("support_vectors")?.unwrap_or_default(), count)?,
    };
    let y = product(im, n, k, 1, coefficients)?;
    let y = im.g.map(y, Expr::affine(1.0, rho.first().copied().unwrap_or(0.0)), Kind::Float);
    if n.int("one_class")? == Some(1) {
        // 1 where the value is above 0, else -1.
        let below = im.g.map(y, Expr::un(Un::NonNegative, Expr::affine(-1.0, 0.0)), Kind::Int);
        return Ok(im.g.map(below, Expr::affine(-2.0, 1.0), Kind::Int));
    }
    post_transform(im, n, y)
}

/// Names or numbers of the classes, in order.
pub(super) fn classes(n: &Node) -> Result<(Vec<i64>, Option<Vec<String>>)> {
    let names = n.strings("classlabels_strings")?.filter(|l| !l.is_empty());
    let ints = n.ints("classlabels_ints")?.filter(|l| !l.is_empty());
    match (ints, names) {
        (_, Some(names)) => Ok(((0..names.len() as i64).collect(), Some(names))),
        (Some(ints), None) => Ok((ints, None)),
        (None, None) => Err(n.malformed("has no class labels; export the model again")),
    }
}

/// Pairs of classes in libsvm's order.
fn pairs(count: usize) -> Vec<(usize, usize)> {
    (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j))).collect()
}

/// Outputs are the label and the scores.
fn classifier(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let x = as_rows(im, n)?;
    let (labels, names) = classes(n)?;
    let per_class: Vec<usize> = n
        .ints("vectors_per_class")?
        .unwrap_or_default()
        .iter()
        .map(|&v| usize::try_from(v).map_err(|_| n.malformed(format!("{v} vectors of a class"))))
        .collect::<Result<_>>()?;
    let rho = n.floats("rho")?.unwrap_or_default();
    let coefficients = n.floats("coefficients")?.unwrap_or_default();
    if let Some(v) = per_class.iter().find(|v| **v > coefficients.len()) {
        return Err(n.malformed(format!("{v} vectors of a class for {} coefficients", coefficients.len())));
    }
    let total: usize = per_class.iter().sum();
    let (hot_source, scores, coupled) = if total == 0 {
        let y = product(im, n, x, labels.len(), coefficients)?;
        let y = im.g.map(y, Expr::affine(1.0, rho.first().copied().unwrap_or(0.0)), Kind::Float);
        (y, y, false)
    } else {
        if per_class.len() != labels.len() || coefficients.len() != total * (labels.len().max(2) - 1) {
            let reason = format!("{} coefficients for {total} vectors of {} classes", coefficients.len(), labels.len());
            return Err(n.malformed(reason));
        }
        let k = kernels(im, n, x, n.floats("support_vectors")?.unwrap_or_default(), total)?;
        let scores = decisions(im, n, k, &per_class, &coefficients, rho)?;
        let votes = votes(im, n, scores, labels.len())?;
        match probabilities(im, n, scores, labels.len())? {
            Some(p) => (votes, p, true),
            None => (votes, scores, false),
        }
    };
    let rows = im.g.shape(hot_source)[0];
    let index = super::reduce::arg_max_last(im, hot_source);
    let label = im.g.reshape(index, vec![rows]);
    let label = relabel(im, label, &labels, names);
    Ok(vec![label, written(im, n, scores, coupled)?])
}

/// Values of the decision functions of all pairs `[rows, pairs]`, positive for the first class.
fn decisions(
    im: &mut Importer,
    n: &Node,
    kernels: TensorId,
    per_class: &[usize],
    coefficients: &[f64],
    rho: Vec<f64>,
) -> Result<TensorId> {
    let (count, total) = (per_class.len(), per_class.iter().sum::<usize>());
    let start: Vec<usize> = (0..count).map(|c| per_class[..c].iter().sum()).collect();
    // Counted before the list is made: the file may claim any number of classes.
    if rho.len() as u64 != count as u64 * (count as u64 - 1) / 2 {
        return Err(n.malformed(format!("{} thresholds for the pairs of {count} classes", rho.len())));
    }
    let list = pairs(count);
    im.limits.cells(&n.name, &[list.len(), total.max(count)])?;
    let mut weights = vec![0.0; list.len() * total];
    for (row, &(i, j)) in weights.chunks_mut(total).zip(&list) {
        for v in start[i]..start[i] + per_class[i] {
            row[v] = coefficients[(j - 1) * total + v];
        }
        for v in start[j]..start[j] + per_class[j] {
            row[v] = coefficients[i * total + v];
        }
    }
    let sums = product(im, n, kernels, list.len(), weights)?;
    let rho = im.g.weight(vec![rho.len()], rho);
    add(im, n, sums, rho)
}

/// How many pairs each class wins: the first where the value is above 0.
fn votes(im: &mut Importer, n: &Node, scores: TensorId, count: usize) -> Result<TensorId> {
    let list = pairs(count);
    // 1 where the second class wins.
    let second = im.g.map(scores, Expr::un(Un::NonNegative, Expr::affine(-1.0, 0.0)), Kind::Int);
    let mut cells = vec![0.0; list.len() * count];
    let mut base = vec![0.0; count];
    for (row, &(i, j)) in cells.chunks_mut(count).zip(&list) {
        (row[i], row[j]) = (-1.0, 1.0);
        base[i] += 1.0;
    }
    let matrix = im.fresh(vec![list.len(), count], Kind::Int, cells);
    let moved = matmul(im, n, second, matrix)?;
    let base = im.fresh(vec![count], Kind::Int, base);
    add(im, n, moved, base)
}

/// Probabilities of the classes, where the node has the parameters of the pairs' sigmoids.
fn probabilities(im: &mut Importer, n: &Node, scores: TensorId, count: usize) -> Result<Option<TensorId>> {
    let Some(a) = n.floats("prob_a")?.filter(|a| !a.is_empty()) else { return Ok(None) };
    let b = n.floats("prob_b")?.unwrap_or_default();
    let pairs = im.g.shape(scores)[1];
    if a.len() != pairs || b.len() != pairs {
        return Err(n.malformed(format!("{} and {} sigmoid parameters for {pairs} pairs", a.len(), b.len())));
    }
    let (a, b) = (im.g.weight(vec![pairs], a), im.g.weight(vec![pairs], b));
    let scaled = im.g.binary(Bin::Mul, scores, a).ok_or_else(|| im.clash(n, scores, a))?;
    let inner = add(im, n, scaled, b)?;
    // The first of the pair has 1 - sigmoid(a s + b).
    let first = im.g.map(inner, Expr::un(Un::Sigmoid, Expr::affine(-1.0, 0.0)), Kind::Float);
    couple(im, n, first, count).map(Some)
}

/// Scores as the node gives them out: one value of two classes becomes two.
fn written(im: &mut Importer, n: &Node, scores: TensorId, coupled: bool) -> Result<TensorId> {
    let shape = im.g.shape(scores).to_vec();
    if shape[1] != 1 || coupled {
        return post_transform(im, n, scores);
    }
    if n.string("post_transform")?.as_deref() == Some("PROBIT") {
        return post_transform(im, n, scores);
    }
    let sign = Tensor { shape: vec![1, 2], kind: Kind::Int, data: vec![-1.0, 1.0] };
    let sign = im.g.constant(&sign);
    let both = im.g.binary(Bin::Mul, scores, sign).ok_or_else(|| im.clash(n, scores, sign))?;
    post_transform(im, n, both)
}
