//! Probabilities of classes from those of pairs: the second method of Wu, Lin and Weng, "Probability estimates for
//! multi-class classification by pairwise coupling" (2004), which libsvm iterates. Here it is solved: the
//! probabilities are proportional to the row sums of an adjugate, in which hardly anything cancels.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr};
use crate::tensor::Kind;

/// Probabilities of pairs stay this far from 0 and 1.
const EDGE: f64 = 1e-7;

/// Probabilities `[rows, count]` from those of the first class of each pair `[rows, pairs]`.
pub(super) fn couple(im: &mut Importer, n: &Node, first: TensorId, count: usize) -> Result<TensorId> {
    let clamp = Expr::bin(Bin::Min, Expr::bin(Bin::Max, Expr::X, Expr::Const(EDGE)), Expr::Const(1.0 - EDGE));
    let first = im.g.map(first, clamp, Kind::Float);
    let second = im.g.map(first, Expr::affine(-1.0, 1.0), Kind::Float);
    match count {
        2 => Ok(im.g.concat(&[first, second], 1)),
        3 => three(im, n, first, second),
        _ => Err(n.unsupported(
            format!("probabilities of {count} classes, which come out of an iteration"),
            "export the classifier with its decision function instead of probabilities, or use 2 or 3 classes",
        )),
    }
}

/// With `r[i, j]` the probability that `i` wins against `j`, the matrix has `q[i] = sum over j of r[j, i]^2` on its
/// diagonal and `- m[i, j] = - r[i, j] r[j, i]` elsewhere. Pairs are in the order 01, 02, 12.
fn three(im: &mut Importer, n: &Node, first: TensorId, second: TensorId) -> Result<TensorId> {
    let square = Expr::bin(Bin::Mul, Expr::X, Expr::X);
    let squares = [im.g.map(first, square.clone(), Kind::Float), im.g.map(second, square.clone(), Kind::Float)];
    let squares = im.g.concat(&squares, 1);
    let both =
        |im: &mut Importer, f: Bin, a: TensorId, b: TensorId| im.g.binary(f, a, b).ok_or_else(|| im.clash(n, a, b));
    // Each of two lists of columns, joined.
    let pick = |im: &mut Importer, f: Bin, x: TensorId, a: [usize; 3], b: [usize; 3]| {
        let (a, b) = (im.g.take(x, 1, &a), im.g.take(x, 1, &b));
        im.g.binary(f, a, b).ok_or_else(|| im.clash(n, a, b))
    };
    let q = pick(im, Bin::Add, squares, [3, 0, 1], [4, 5, 2])?;
    let m = both(im, Bin::Mul, first, second)?;
    // Cofactors on the diagonal: q1 q2 - m12^2 and so on.
    let turned = im.g.take(m, 1, &[2, 1, 0]);
    let turned = im.g.map(turned, square, Kind::Float);
    let products = pick(im, Bin::Mul, q, [1, 0, 0], [2, 2, 1])?;
    let diagonal = both(im, Bin::Sub, products, turned)?;
    // Cofactors of pairs: m01 q2 + m02 m12 and so on.
    let back = im.g.take(q, 1, &[2, 1, 0]);
    let direct = both(im, Bin::Mul, m, back)?;
    let around = pick(im, Bin::Mul, m, [1, 0, 0], [2, 2, 1])?;
    let pairs = both(im, Bin::Add, direct, around)?;
    let sums = pick(im, Bin::Add, pairs, [0, 0, 1], [1, 2, 2])?;
    let parts = both(im, Bin::Add, diagonal, sums)?;
    let whole = im.g.sum(parts, &[1], true, 1.0);
    both(im, Bin::Div, parts, whole)
}
