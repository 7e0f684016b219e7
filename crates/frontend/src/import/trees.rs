//! Tree ensembles of the `ai.onnx.ml` domain: leaves by [`RealOp::Trees`], then sums, labels and transforms as for
//! other models.

mod lists;

use std::sync::Arc;

use proveil_graph::TensorId;

use super::Importer;
use super::classic::{as_rows, both, post_transform, relabel};
use crate::error::Result;
use crate::onnx::Node;
use crate::real::RealOp;
use crate::real::expr::{Bin, Expr};
use crate::real::forest::Plan;
use crate::tensor::Kind;

/// Steps of a path at most.
const MAX_DEPTH: usize = 512;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    Ok(Some(match (n.domain.as_str(), n.op.as_str()) {
        ("ai.onnx.ml", "TreeEnsembleRegressor") => vec![regressor(im, n)?],
        ("ai.onnx.ml", "TreeEnsembleClassifier") => classifier(im, n)?,
        ("ai.onnx.ml", "TreeEnsemble") => vec![ensemble(im, n)?],
        _ => return Ok(None),
    }))
}

/// How the trees' values become one.
#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

fn width(im: &Importer, x: TensorId) -> usize {
    im.g.shape(x)[1]
}

/// Values of all trees brought together, `[rows, columns]`.
fn aggregated(im: &mut Importer, n: &Node, x: TensorId, plan: Plan, columns: usize, f: Aggregate) -> Result<TensorId> {
    let (x, mut plan) = super::raw::of_origin(im, x, plan);
    let (rows, features) = (im.g.shape(x)[0], width(im, x));
    let cyclic = || n.malformed("a node leads back to itself; export the model again");
    let depth = plan.depth().ok_or_else(cyclic)?;
    if plan.roots.is_empty() || features == 0 || columns == 0 {
        return Err(n.malformed("has no trees, features or columns; export the model again"));
    }
    if depth > MAX_DEPTH {
        let hint = format!("limit the trees to {MAX_DEPTH} steps");
        return Err(n.unsupported(format!("a path of {depth} steps"), hint));
    }
    let trees = plan.roots.len();
    im.limits.cells(&n.name, &[rows, trees, depth.max(columns)])?;
    if matches!(f, Aggregate::Min | Aggregate::Max) && !reaches_every(&plan, columns) {
        // Implementations differ: the reference keeps the largest float there, others write zero.
        let hint = "give every target a value in each leaf of at least one tree, or use SUM or AVERAGE";
        return Err(n.unsupported("MIN or MAX over targets that a sample may reach in no tree", hint));
    }
    let kept = by_column(&mut plan, columns);
    let missing = missing(&plan, if kept > 1 { 1 } else { columns }, f);
    let forest = plan.forest(features, missing.len(), depth, &missing);
    im.limits.cells(&n.name, &[forest.nodes.len(), forest.columns])?;
    let shape = vec![rows, trees, forest.columns];
    let leaves = im.g.op(shape, Kind::Float, RealOp::Trees { x, missing: None, forest: Arc::new(forest) });
    let leaves = if kept > 1 {
        im.g.reshape(leaves, vec![rows, columns, trees / columns])
    } else {
        im.g.permute(leaves, &[0, 2, 1])
    };
    Ok(match f {
        Aggregate::Sum => im.g.sum(leaves, &[2], false, 1.0),
        Aggregate::Average => im.g.sum(leaves, &[2], false, 1.0 / trees as f64),
        Aggregate::Min | Aggregate::Max => {
            let sign = if f == Aggregate::Min { -1.0 } else { 1.0 };
            let turned = im.g.map(leaves, Expr::affine(sign, 0.0), Kind::Float);
            let top = im.g.max_last(turned);
            let top = im.g.map(top, Expr::affine(sign, 0.0), Kind::Float);
            im.g.reshape(top, vec![rows, columns])
        }
    })
}

/// Whether every sample reaches a value of every column.
fn reaches_every(plan: &Plan, columns: usize) -> bool {
    let whole = |leaf: &Vec<(usize, f64)>| (0..columns).all(|c| leaf.iter().any(|v| v.0 == c));
    let single = || plan.single_columns().is_some_and(|of| (0..columns).all(|c| of.contains(&c)));
    plan.leaves.iter().all(whole) || single()
}

/// Where every tree counts for one column and all columns have equally many, as boosting makes them, the trees are
/// put in the order of the columns and keep one value each. Gives the number of columns in that case, else 1.
fn by_column(plan: &mut Plan, columns: usize) -> usize {
    let Some(of) = plan.single_columns().filter(|_| columns > 1) else { return 1 };
    let count = |c: usize| of.iter().filter(|o| **o == c).count();
    if (0..columns).any(|c| count(c) != count(0)) {
        return 1;
    }
    let mut order: Vec<usize> = (0..of.len()).collect();
    order.sort_by_key(|&i| of[i]);
    plan.roots = order.iter().map(|&i| plan.roots[i]).collect();
    plan.leaves.iter_mut().flatten().for_each(|v| v.0 = 0);
    columns
}

/// Values of leaves that have none, by column: what changes neither sum nor extremum.
fn missing(plan: &Plan, columns: usize, f: Aggregate) -> Vec<f64> {
    let extreme = |c: usize| {
        let all = plan.leaves.iter().flatten().filter(|v| v.0 == c).map(|v| v.1);
        let ends = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
        let end = if f == Aggregate::Max { ends.0 } else { ends.1 };
        if end.is_finite() { end } else { 0.0 }
    };
    (0..columns).map(|c| if matches!(f, Aggregate::Min | Aggregate::Max) { extreme(c) } else { 0.0 }).collect()
}

fn add_base(im: &mut Importer, n: &Node, y: TensorId, columns: usize) -> Result<TensorId> {
    let base = lists::numbers(im, n, "base_values")?;
    if base.is_empty() {
        return Ok(y);
    }
    if base.len() != columns || base.iter().any(|b| !b.is_finite()) {
        return Err(n.malformed(format!("{} base values for {columns} columns", base.len())));
    }
    let base = im.g.weight(vec![columns], base);
    both(im, n, Bin::Add, y, base)
}

fn targets(n: &Node) -> Result<usize> {
    let count = n.int("n_targets")?.unwrap_or(1);
    usize::try_from(count).ok().filter(|c| *c > 0).ok_or_else(|| n.malformed(format!("{count} targets")))
}

fn regressor(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = as_rows(im, n)?;
    let columns = targets(n)?;
    im.limits.cells(&n.name, &[columns])?;
    let column = |c: i64| usize::try_from(c).ok().filter(|c| *c < columns);
    let plan = lists::by_tree(im, n, "target", width(im, x), &column)?;
    let f = match n.string("aggregate_function")?.as_deref() {
        None | Some("SUM") => Aggregate::Sum,
        Some("AVERAGE") => Aggregate::Average,
        Some("MIN") => Aggregate::Min,
        Some("MAX") => Aggregate::Max,
        Some(other) => {
            return Err(n.unsupported(format!("aggregate_function {other}"), "use SUM, AVERAGE, MIN or MAX"));
        }
    };
    let y = aggregated(im, n, x, plan, columns, f)?;
    let y = add_base(im, n, y, columns)?;
    post_transform(im, n, y)
}

/// `TreeEnsemble`, whose choices are numbers.
fn ensemble(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = as_rows(im, n)?;
    let columns = targets(n)?;
    im.limits.cells(&n.name, &[columns])?;
    let plan = lists::by_place(im, n, width(im, x), columns)?;
    let list = [Aggregate::Average, Aggregate::Sum, Aggregate::Min, Aggregate::Max];
    let choice = n.int("aggregate_function")?.unwrap_or(1);
    let unknown = || n.unsupported(format!("aggregate_function {choice}"), "use 0 to 3");
    let f = usize::try_from(choice).ok().and_then(|c| list.get(c)).copied().ok_or_else(unknown)?;
    let y = aggregated(im, n, x, plan, columns, f)?;
    let names = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
    let choice = n.int("post_transform")?.unwrap_or(0);
    let unknown = || n.unsupported(format!("post_transform {choice}"), "use 0 to 4");
    let name = usize::try_from(choice).ok().and_then(|c| names.get(c)).ok_or_else(unknown)?;
    super::classic::transform(im, n, y, name)
}

/// Names or numbers of the classes, in order.
fn classes(n: &Node) -> Result<(Vec<i64>, Option<Vec<String>>)> {
    let names = n.strings("classlabels_strings")?.filter(|l| !l.is_empty());
    let ints = n.ints("classlabels_int64s")?.filter(|l| !l.is_empty());
    match (names, ints) {
        (Some(names), _) => Ok(((0..names.len() as i64).collect(), Some(names))),
        (None, Some(ints)) => Ok((ints, None)),
        (None, None) => Err(n.malformed("has no class labels; export the model again")),
    }
}

/// Outputs are the label and the scores.
fn classifier(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let x = as_rows(im, n)?;
    let (labels, names) = classes(n)?;
    let rows = im.g.shape(x)[0];
    let ids = n.ints("class_ids")?.unwrap_or_default();
    let single = labels.len() == 2 && ids.first().is_some_and(|c| ids.iter().all(|d| d == c));
    let (scores, written) = if single {
        one_column(im, n, x)?
    } else {
        let columns = labels.len();
        let column = |c: i64| usize::try_from(c).ok().filter(|c| *c < columns);
        let plan = lists::by_tree(im, n, "class", width(im, x), &column)?;
        let y = aggregated(im, n, x, plan, columns, Aggregate::Sum)?;
        let y = add_base(im, n, y, columns)?;
        (y, post_transform(im, n, y)?)
    };
    let index = super::reduce::arg_max_last(im, scores);
    let label = im.g.reshape(index, vec![rows]);
    Ok(vec![relabel(im, label, &labels, names), written])
}

/// Scores of two classes of which the leaves hold one, as they are compared and as they are given out: a probability
/// if no leaf is negative, else a margin that is 0 on the border.
fn one_column(im: &mut Importer, n: &Node, x: TensorId) -> Result<(TensorId, TensorId)> {
    let plan = lists::by_tree(im, n, "class", width(im, x), &|_| Some(0))?;
    let probability = plan.leaves.iter().flatten().all(|v| v.1 >= 0.0);
    let mut y = aggregated(im, n, x, plan, 1, Aggregate::Sum)?;
    if let Some(&base) = lists::numbers(im, n, "base_values")?.first() {
        let base = im.g.weight(vec![1], vec![base]);
        y = both(im, n, Bin::Add, y, base)?;
    }
    let other = im.g.map(y, Expr::affine(-1.0, if probability { 1.0 } else { 0.0 }), Kind::Float);
    let scores = im.g.concat(&[other, y], 1);
    let written = if probability { scores } else { post_transform(im, n, scores)? };
    Ok((scores, written))
}
