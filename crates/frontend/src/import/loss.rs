//! Losses by label: how much the logarithm of the probability of the labelled class is short of 0.
//!
//! Labels may be inputs. They choose along the axis of classes as the indices of a gather do, and the range of such an
//! input is the classes with the label that is ignored.

use proveil_graph::{Access, Contract, TensorId};

use super::Importer;
use super::classic::both;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::real::identity;
use crate::tensor::Kind;

/// Ignored labels have no more bits than other whole numbers.
const LABELS: std::ops::Range<i64> = -(1 << 30)..1 << 30;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    match (n.domain.as_str(), n.op.as_str()) {
        ("", "NegativeLogLikelihoodLoss") => {
            let labels = Labels::read(im, n)?;
            let picked = labels.pick(im, n)?;
            let each = im.g.map(picked, Expr::affine(-1.0, 0.0), Kind::Float);
            Ok(Some(vec![labels.reduce(im, n, each)?]))
        }
        ("", "SoftmaxCrossEntropyLoss") => {
            let labels = Labels::read(im, n)?;
            // The cell that a label chooses is a score, which is exact, rather than a logarithm, which is rounded.
            let picked = labels.pick(im, n)?;
            let lse = super::reduce::log_sum_exp(im, labels.rows);
            let sums = im.g.reshape(lse, im.g.shape(labels.ids).to_vec());
            let each = both(im, n, Bin::Sub, sums, picked)?;
            let loss = labels.reduce(im, n, each)?;
            let log = both(im, n, Bin::Sub, labels.rows, lse)?;
            Ok(Some(vec![loss, im.g.permute(log, &labels.back)]))
        }
        _ => Ok(None),
    }
}

/// Operands of a loss.
struct Labels {
    /// The first operand with the classes in the last axis.
    rows: TensorId,
    /// The permutation that undoes it.
    back: Vec<usize>,
    /// Class of each label; what is ignored has any.
    ids: TensorId,
    /// What each label counts; none where all count 1.
    shares: Option<TensorId>,
}

impl Labels {
    fn read(im: &mut Importer, n: &Node) -> Result<Self> {
        let (x, labels) = (im.arg(n, 0)?, im.arg(n, 1)?);
        let shape = im.g.shape(x).to_vec();
        let fits = shape.len() >= 2 && [&shape[..1], &shape[2..]].concat() == im.g.shape(labels);
        if !fits || shape.contains(&0) {
            return Err(im.clash(n, x, labels));
        }
        if im.g.kind(labels) == Kind::Float {
            return Err(n.malformed("its labels are not whole numbers; cast them to int64"));
        }
        let ignored = n.int("ignore_index")?;
        if let Some(label) = ignored.filter(|label| !LABELS.contains(label)) {
            return Err(n.unsupported(format!("ignore_index {label}"), "ignore a label of at most 31 bits"));
        }
        if let Some(list) = im.g.as_const(labels) {
            let known = |v: f64| (0.0..shape[1] as f64).contains(&v) || ignored == Some(v as i64);
            if let Some(v) = list.iter().find(|v| !known(**v)) {
                return Err(n.malformed(format!("label {v} is none of {} classes; repair the constant", shape[1])));
            }
        }
        let ids = super::pick::index(im, n, labels, shape[1])?;
        let mut shares = None;
        if let Some(weights) = im.opt(n, 2)? {
            if im.g.shape(weights) != [shape[1]] {
                return Err(im.clash(n, x, weights));
            }
            shares = Some(super::select::gather_rows(im, n, weights, ids, 0)?);
        }
        if let Some(label) = ignored {
            let is_it = im.g.map(labels, Expr::un(Un::IsZero, Expr::affine(1.0, -label as f64)), Kind::Bool);
            let counts = im.g.map(is_it, Expr::affine(-1.0, 1.0), Kind::Int);
            shares = Some(match shares {
                Some(shares) => both(im, n, Bin::Mul, shares, counts)?,
                None => counts,
            });
        }
        let (rows, back) = im.g.axis_last(x, 1);
        Ok(Self { rows, back, ids, shares })
    }

    /// The cell of the labelled class in each row.
    fn pick(&self, im: &mut Importer, n: &Node) -> Result<TensorId> {
        let shape = im.g.shape(self.ids).to_vec();
        let ids = im.g.reshape(self.ids, [&shape[..], &[1]].concat());
        let picked = super::select::elements(im, n, self.rows, ids, shape.len())?;
        Ok(im.g.reshape(picked, shape))
    }

    /// What the attribute `reduction` makes of the losses of single labels.
    fn reduce(&self, im: &mut Importer, n: &Node, each: TensorId) -> Result<TensorId> {
        let axes: Vec<usize> = (0..im.g.shape(each).len()).collect();
        let (mean, coef) = match n.string("reduction")?.as_deref() {
            Some("none") => {
                return self.shares.map_or(Ok(each), |shares| both(im, n, Bin::Mul, each, shares));
            }
            Some("sum") => (false, 1.0),
            None | Some("mean") => (true, 1.0 / im.g.get(each).cells() as f64),
            Some(other) => return Err(n.unsupported(format!("reduction {other}"), "use none, mean or sum")),
        };
        let Some(mut shares) = self.shares else { return Ok(im.g.sum(each, &axes, false, coef)) };
        if mean {
            // Shares of the whole have about the same size in every sample; the sum of losses has not, and is not rounded.
            // They saturate where a few labels are the whole, unless samples show it.
            let whole = im.g.sum(shares, &axes, false, 1.0);
            let whole = im.g.retyped(whole, Kind::Float);
            shares = both(im, n, Bin::Div, shares, whole)?;
        }
        let all = |tensor| Access { tensor, axes: identity(axes.len()) };
        let extents = im.g.shape(each).to_vec();
        Ok(im.g.contract(Contract { extents, out: Vec::new(), lhs: all(each), rhs: all(shares) }))
    }
}
