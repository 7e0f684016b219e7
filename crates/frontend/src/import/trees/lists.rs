//! Tree ensembles as files list them: nodes by tree and number, or (`TreeEnsemble`) decisions and leaves apart.

use std::collections::HashMap;

use crate::error::Result;
use crate::import::Importer;
use crate::onnx::Node;
use crate::real::forest::{Decision, Next, Plan, Test};

/// Numbers of an attribute that is a list of floats, or a tensor under another name in newer versions.
pub(super) fn numbers(im: &Importer, n: &Node, name: &str) -> Result<Vec<f64>> {
    let tensor = n.tensor_numbers(&format!("{name}_as_tensor"), im.limits)?;
    if tensor.is_empty() { Ok(n.floats_or_infinite(name)?.unwrap_or_default()) } else { Ok(tensor) }
}

fn same_lengths(n: &Node, what: &str, lengths: &[usize]) -> Result<()> {
    if lengths.windows(2).all(|w| w[0] == w[1]) {
        return Ok(());
    }
    Err(n.malformed(format!("the lists of {what} have {lengths:?} entries; export the model again")))
}

fn feature(n: &Node, number: i64, features: usize) -> Result<usize> {
    let outside = || n.malformed(format!("feature {number} is not one of {features}"));
    usize::try_from(number).ok().filter(|f| *f < features).ok_or_else(outside)
}

/// A test with the outcomes in the order (true, false) of the file. A missing value compares as false, and is not equal to
/// anything; `tracks` sends it to the true branch all the same.
fn decision(
    n: &Node,
    mode: &str,
    feature: usize,
    value: f64,
    (yes, no): (Next, Next),
    tracks: bool,
) -> Result<Decision> {
    if value.is_nan() {
        return Err(n.malformed("a threshold is not a number; export the model again"));
    }
    let (test, swap) = match mode {
        "BRANCH_LEQ" => (Test::AtMost(value), false),
        "BRANCH_LT" => (Test::Below(value), false),
        "BRANCH_GT" => (Test::AtMost(value), true),
        "BRANCH_GTE" => (Test::Below(value), true),
        "BRANCH_EQ" => (Test::OneOf(vec![value]), false),
        "BRANCH_NEQ" => (Test::OneOf(vec![value]), true),
        other => {
            let hint = "use BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ or LEAF";
            return Err(n.unsupported(format!("mode {other}"), hint));
        }
    };
    let missing = if tracks || mode == "BRANCH_NEQ" { yes } else { no };
    let (yes, no) = if swap { (no, yes) } else { (yes, no) };
    Ok(Decision { feature, test, yes, no, missing })
}

/// For each node whether a missing value takes the true branch.
fn tracks(n: &Node, nodes: usize) -> Result<Vec<bool>> {
    let list = n.ints("nodes_missing_value_tracks_true")?.unwrap_or_default();
    if list.is_empty() {
        return Ok(vec![false; nodes]);
    }
    same_lengths(n, "nodes and of missing values", &[nodes, list.len()])?;
    Ok(list.iter().map(|v| *v != 0).collect())
}

/// The trees of `TreeEnsembleRegressor` and `TreeEnsembleClassifier`. `prefix` names the lists of leaf values,
/// `column` gives the column of a target or class.
pub(super) fn by_tree(
    im: &Importer,
    n: &Node,
    prefix: &str,
    features: usize,
    column: &dyn Fn(i64) -> Option<usize>,
) -> Result<Plan> {
    let ints = |name: &str| n.ints(name).map(Option::unwrap_or_default);
    let (trees, ids, tested) = (ints("nodes_treeids")?, ints("nodes_nodeids")?, ints("nodes_featureids")?);
    let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let modes = n.strings("nodes_modes")?.unwrap_or_default();
    let values = numbers(im, n, "nodes_values")?;
    let lengths = [trees.len(), ids.len(), tested.len(), yes.len(), no.len(), modes.len(), values.len()];
    same_lengths(n, "nodes", &lengths)?;
    let tracks = tracks(n, trees.len())?;
    let mut places: HashMap<(i64, i64), Next> = HashMap::new();
    let (mut decisions, mut leaves, mut roots) = (0, 0, Vec::new());
    let mut known = std::collections::HashSet::new();
    for (i, mode) in modes.iter().enumerate() {
        let counter = if mode == "LEAF" { &mut leaves } else { &mut decisions };
        let place = if mode == "LEAF" { Next::Leaf(*counter) } else { Next::Node(*counter) };
        *counter += 1;
        if places.insert((trees[i], ids[i]), place).is_some() {
            return Err(n.malformed(format!("tree {} has two nodes {}; export the model again", trees[i], ids[i])));
        }
        // The first node of a tree is its root.
        if known.insert(trees[i]) {
            roots.push(place);
        }
    }
    let mut plan = Plan { decisions: Vec::new(), roots, leaves: vec![Vec::new(); leaves] };
    for i in (0..modes.len()).filter(|&i| modes[i] != "LEAF") {
        let of = |id: i64| {
            let missing = || n.malformed(format!("tree {} has no node {id}; export the model again", trees[i]));
            places.get(&(trees[i], id)).copied().ok_or_else(missing)
        };
        let next = (of(yes[i])?, of(no[i])?);
        plan.decisions.push(decision(n, &modes[i], feature(n, tested[i], features)?, values[i], next, tracks[i])?);
    }
    let list = |what: &str| ints(&format!("{prefix}_{what}"));
    let (trees, ids, targets) = (list("treeids")?, list("nodeids")?, list("ids")?);
    let weights = numbers(im, n, &format!("{prefix}_weights"))?;
    same_lengths(n, "leaf values", &[trees.len(), ids.len(), targets.len(), weights.len()])?;
    for i in 0..trees.len() {
        let (Some(Next::Leaf(leaf)), Some(c)) = (places.get(&(trees[i], ids[i])), column(targets[i])) else {
            let (tree, id, target) = (trees[i], ids[i], targets[i]);
            return Err(
                n.malformed(format!("a value for {target} at node {id} of tree {tree}: no such leaf or column"))
            );
        };
        push_value(n, &mut plan.leaves[*leaf], c, weights[i])?;
    }
    Ok(plan)
}

fn push_value(n: &Node, leaf: &mut Vec<(usize, f64)>, column: usize, weight: f64) -> Result<()> {
    if !weight.is_finite() {
        return Err(n.malformed(format!("a leaf value is {weight}; repair the value")));
    }
    leaf.push((column, weight));
    Ok(())
}

const MODES: [&str; 7] =
    ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER"];

/// The trees of `TreeEnsemble`, whose leaves have lists of their own.
pub(super) fn by_place(im: &Importer, n: &Node, features: usize, columns: usize) -> Result<Plan> {
    let ints = |name: &str| n.ints(name).map(Option::unwrap_or_default);
    let tensor = |name: &str| n.tensor_numbers(name, im.limits);
    let (tested, modes, splits) = (ints("nodes_featureids")?, tensor("nodes_modes")?, tensor("nodes_splits")?);
    let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let (yes_leaf, no_leaf) = (ints("nodes_trueleafs")?, ints("nodes_falseleafs")?);
    let (targets, weights) = (ints("leaf_targetids")?, tensor("leaf_weights")?);
    let lengths = [tested.len(), modes.len(), splits.len(), yes.len(), no.len(), yes_leaf.len(), no_leaf.len()];
    same_lengths(n, "nodes", &lengths)?;
    let tracks = tracks(n, tested.len())?;
    same_lengths(n, "leaf values", &[targets.len(), weights.len()])?;
    let next = |place: i64, leaf: i64| {
        let count = if leaf == 1 { targets.len() } else { tested.len() };
        let missing = || n.malformed(format!("place {place} is none of {count} nodes or leaves"));
        let place = usize::try_from(place).ok().filter(|p| *p < count).ok_or_else(missing)?;
        Ok::<_, crate::FrontendError>(if leaf == 1 { Next::Leaf(place) } else { Next::Node(place) })
    };
    let mut plan = Plan::default();
    // Members of all sets, one after the other, each set ended by something that is not a number.
    let members = tensor("membership_values")?;
    let mut sets = members.split(|v| v.is_nan());
    for i in 0..tested.len() {
        let outcomes = (next(yes[i], yes_leaf[i])?, next(no[i], no_leaf[i])?);
        let feature = feature(n, tested[i], features)?;
        let mode = MODES.get(modes[i].max(0.0) as usize).copied().unwrap_or("an unknown number");
        plan.decisions.push(if mode == "BRANCH_MEMBER" {
            let mut list = sets.next().unwrap_or_default().to_vec();
            list.sort_by(f64::total_cmp);
            list.dedup();
            if list.is_empty() {
                return Err(n.malformed("a node has no set of members; export the model again"));
            }
            let (yes, no) = outcomes;
            Decision { feature, test: Test::OneOf(list), yes, no, missing: if tracks[i] { yes } else { no } }
        } else {
            decision(n, mode, feature, splits[i], outcomes, tracks[i])?
        });
    }
    for (target, weight) in targets.iter().zip(&weights) {
        let outside = || n.malformed(format!("target {target} is not one of {columns}"));
        let column = usize::try_from(*target).ok().filter(|c| *c < columns).ok_or_else(outside)?;
        let mut leaf = Vec::new();
        push_value(n, &mut leaf, column, *weight)?;
        plan.leaves.push(leaf);
    }
    plan.roots = ints("tree_roots")?.iter().map(|r| next(*r, 0)).collect::<Result<_>>()?;
    Ok(plan)
}
