//! Attention in one node: products of queries and keys, masks, soft-max, products with values.

use proveil_graph::TensorId;

use super::Importer;
use super::products::matmul;
use crate::error::Result;
use crate::onnx::{MASK, Node};
use crate::real::RealOp;
use crate::real::expr::{Bin, Expr, Un};
use crate::tensor::Kind;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    match (n.domain.as_str(), n.op.as_str()) {
        ("", "Attention") => standard(im, n).map(Some),
        _ => Ok(None),
    }
}

/// Queries, keys and values `[batch, heads, places, features]`, and what becomes of their scores.
struct Attention {
    queries: TensorId,
    keys: TensorId,
    values: TensorId,
    scale: f64,
    /// Scores beyond this are bent towards it; 0 for none.
    cap: f64,
    /// What is added to the scores, each broadcast to `[batch, heads, queries, keys]`.
    biases: Vec<TensorId>,
}

/// What attention leaves, with the axes of [`Attention`].
struct Attended {
    result: TensorId,
    /// After the cap.
    scores: TensorId,
    biased: TensorId,
    weights: TensorId,
}

fn standard(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let flat = im.g.shape(im.arg(n, 0)?).len() == 3;
    let queries = with_heads(im, n, 0, "q_num_heads")?;
    let (mut keys, mut values) = (with_heads(im, n, 1, "kv_num_heads")?, with_heads(im, n, 2, "kv_num_heads")?);
    let mut past = 0;
    if let (Some(k), Some(v)) = (im.opt(n, 4)?, im.opt(n, 5)?) {
        past = im.g.shape(k).get(2).copied().unwrap_or(0);
        (keys, values) = (joined(im, n, k, keys)?, joined(im, n, v, values)?);
    }
    let lengths = im.opt(n, 6)?;
    if lengths.is_some() && past > 0 {
        return Err(n.malformed("has earlier keys and lengths of keys; give one of them"));
    }
    let places = (im.g.shape(queries)[2], im.g.shape(keys)[2]);
    let scale = n.float("scale")?.unwrap_or(1.0 / (im.g.shape(queries)[3].max(1) as f64).sqrt());
    let mut biases = masks(im, n, places, past, lengths)?;
    let hides = !biases.is_empty();
    if let Some(mask) = im.opt(n, 3)? {
        biases.push(mask_bias(im, n, mask, places.1)?);
    }
    let a = Attention { queries, keys, values, scale, cap: n.float("softcap")?.unwrap_or(0.0), biases };
    let out = attend(im, n, &a)?;
    let result = if flat { without_heads(im, out.result) } else { out.result };
    let shown = match n.int("qk_matmul_output_mode")?.unwrap_or(0) {
        2 if hides && n.outputs.get(3).is_some_and(|name| !name.is_empty()) => {
            return Err(n.unsupported("its masked scores are read", "export the model without this output"));
        }
        2 => out.biased,
        3 => out.weights,
        _ => out.scores,
    };
    Ok(vec![result, keys, values, shown])
}

/// Input `i` as `[batch, heads, places, features]`: without an axis of heads, it has as many as the attribute says.
fn with_heads(im: &mut Importer, n: &Node, i: usize, attribute: &str) -> Result<TensorId> {
    let x = im.arg(n, i)?;
    let shape = im.g.shape(x).to_vec();
    let &[batch, places, features] = &shape[..] else {
        return match shape.len() {
            4 => Ok(x),
            _ => Err(n.malformed(format!("input {i} {shape:?} has neither three nor four axes"))),
        };
    };
    let heads = n.int(attribute)?.and_then(|h| usize::try_from(h).ok()).filter(|h| *h > 0);
    let heads = heads.filter(|h| features.is_multiple_of(*h));
    let heads =
        heads.ok_or_else(|| n.malformed(format!("attribute `{attribute}` does not fit input {i} {shape:?}")))?;
    Ok(split_heads(im, x, [batch, places, heads, features / heads]))
}

/// `[batch, places, heads * features]` to `[batch, heads, places, features]`.
fn split_heads(im: &mut Importer, x: TensorId, [batch, places, heads, features]: [usize; 4]) -> TensorId {
    let y = im.g.reshape(x, vec![batch, places, heads, features]);
    im.g.permute(y, &[0, 2, 1, 3])
}

/// The other way round.
fn without_heads(im: &mut Importer, x: TensorId) -> TensorId {
    let y = im.g.permute(x, &[0, 2, 1, 3]);
    let shape = im.g.shape(y).to_vec();
    im.g.reshape(y, vec![shape[0], shape[1], shape[2] * shape[3]])
}

/// Earlier places before those of now.
fn joined(im: &mut Importer, n: &Node, past: TensorId, now: TensorId) -> Result<TensorId> {
    let (a, b) = (im.g.shape(past).to_vec(), im.g.shape(now).to_vec());
    if a.len() != 4 || (0..4).any(|axis| axis != 2 && a[axis] != b[axis]) {
        return Err(im.clash(n, past, now));
    }
    Ok(if a[2] == 0 { now } else { im.g.concat(&[past, now], 2) })
}

/// What the attributes and the lengths of the keys hide, as biases.
fn masks(
    im: &mut Importer,
    n: &Node,
    places: (usize, usize),
    past: usize,
    lengths: Option<TensorId>,
) -> Result<Vec<TensorId>> {
    let window = |name: &str| n.int(name).map(|v| v.filter(|w| *w >= 0).map(|w| w as f64));
    // Query `i` is at place `i + first`, or `i - queries + length` where lengths are given.
    let (rows, first) = (places.0 as f64, past as f64);
    let shift = if lengths.is_some() { -rows } else { first };
    let mut out = Vec::new();
    if n.int("is_causal")? == Some(1) {
        out.extend(hidden_unless(im, n, places, (lengths, 1.0), |i, j| i + shift - j)?);
    }
    if let Some(left) = window("left_window_size")? {
        out.extend(hidden_unless(im, n, places, (lengths, -1.0), |i, j| left - i - shift + j)?);
    }
    if let Some(right) = window("right_window_size")? {
        out.extend(hidden_unless(im, n, places, (lengths, 1.0), |i, j| right + i + shift - j)?);
    }
    if lengths.is_some() {
        out.extend(hidden_unless(im, n, places, (lengths, 1.0), |_, j| -1.0 - j)?);
    }
    Ok(out)
}

/// A bias that hides key `j` from query `i` unless `room(i, j) + sign * length` reaches 0.
fn hidden_unless(
    im: &mut Importer,
    n: &Node,
    (queries, keys): (usize, usize),
    (lengths, sign): (Option<TensorId>, f64),
    room: impl Fn(f64, f64) -> f64,
) -> Result<Option<TensorId>> {
    let cells = (0..queries * keys).map(|at| room((at / keys) as f64, (at % keys) as f64)).collect();
    let mut room = im.public(vec![queries, keys], Kind::Int, cells);
    if let Some(lengths) = lengths {
        let batch = im.g.get(lengths).cells();
        let column = im.g.reshape(lengths, vec![batch, 1, 1, 1]);
        let signed = im.g.map(column, Expr::affine(sign, 0.0), Kind::Int);
        room = im.g.binary(Bin::Add, signed, room).ok_or_else(|| im.clash(n, lengths, room))?;
    }
    let seen = im.g.map(room, Expr::un(Un::NonNegative, Expr::X), Kind::Bool);
    let all = im.g.as_const(seen).is_some_and(|cells| cells.iter().all(|v| *v == 1.0));
    Ok((!all).then(|| im.g.map(seen, Expr::affine(-MASK, MASK), Kind::Float)))
}

/// The mask that the file gives: truth values say what is seen, numbers are added, and what it does not reach is hidden.
fn mask_bias(im: &mut Importer, n: &Node, mask: TensorId, keys: usize) -> Result<TensorId> {
    let bias = match im.g.kind(mask) {
        Kind::Bool => im.g.map(mask, Expr::affine(-MASK, MASK), Kind::Float),
        _ => mask,
    };
    let shape = im.g.shape(bias).to_vec();
    match shape.last() {
        Some(&own) if own > 1 && own < keys => {
            let mut after = vec![0; shape.len()];
            after[shape.len() - 1] = keys - own;
            Ok(im.g.pad(bias, &vec![0; shape.len()], &after, MASK))
        }
        Some(&own) if own == keys || own == 1 => Ok(bias),
        _ => Err(n.malformed(format!("the mask {shape:?} does not fit {keys} keys; export the model again"))),
    }
}

/// Attention over heads. Where queries have more heads than keys, neighbouring ones share keys.
fn attend(im: &mut Importer, n: &Node, a: &Attention) -> Result<Attended> {
    let (q, k, v) = (im.g.shape(a.queries).to_vec(), im.g.shape(a.keys).to_vec(), im.g.shape(a.values).to_vec());
    let fit = q[0] == k[0] && k[..3] == v[..3] && q[3] == k[3] && k[1] > 0 && q[1].is_multiple_of(k[1]);
    if !fit {
        return Err(n.malformed(format!("queries {q:?}, keys {k:?} and values {v:?} do not fit")));
    }
    let (batch, heads, rows, shared) = (q[0], q[1], q[2], q[1] / k[1]);
    // Heads that share keys have an axis of their own.
    let grouped = |own: usize, rest: [usize; 2]| match shared {
        1 => vec![batch, heads, rest[0], rest[1]],
        _ => vec![batch, k[1], own, rest[0], rest[1]],
    };
    let queries = im.g.reshape(a.queries, grouped(shared, [rows, q[3]]));
    let keys = im.g.permute(a.keys, &[0, 1, 3, 2]);
    let keys = im.g.reshape(keys, grouped(1, [k[3], k[2]]));
    let values = im.g.reshape(a.values, grouped(1, [v[2], v[3]]));
    let scores = matmul(im, n, queries, keys)?;
    let mut scores = im.g.map(scores, Expr::affine(a.scale, 0.0), Kind::Float);
    if a.cap > 0.0 {
        let bent = Expr::un(Un::Tanh, Expr::affine(1.0 / a.cap, 0.0));
        scores = im.g.map(scores, Expr::bin(Bin::Mul, Expr::Const(a.cap), bent), Kind::Float);
    }
    let (mut biased, mut seen) = (scores, None);
    if let Some(bias) = sum(im, n, &a.biases)? {
        let bias = over_heads(im, n, bias, heads, shared)?;
        biased = im.g.binary(Bin::Add, scores, bias).ok_or_else(|| im.clash(n, scores, bias))?;
        seen = rows_seen(im, bias);
    }
    if im.g.shape(biased) != im.g.shape(scores) {
        return Err(im.clash(n, scores, biased));
    }
    let shape = im.g.shape(biased).to_vec();
    let mut weights = im.g.op(shape.clone(), Kind::Float, RealOp::Softmax(biased));
    if let Some(seen) = seen {
        weights = im.g.multiply(weights, seen, &shape);
    }
    let result = matmul(im, n, weights, values)?;
    let apart = |im: &mut Importer, x: TensorId, last: usize| im.g.reshape(x, vec![batch, heads, rows, last]);
    Ok(Attended {
        result: apart(im, result, v[3]),
        scores: apart(im, scores, k[2]),
        biased: apart(im, biased, k[2]),
        weights: apart(im, weights, k[2]),
    })
}

fn sum(im: &mut Importer, n: &Node, biases: &[TensorId]) -> Result<Option<TensorId>> {
    let Some((&first, rest)) = biases.split_first() else { return Ok(None) };
    let mut sum = first;
    for &bias in rest {
        sum = im.g.binary(Bin::Add, sum, bias).ok_or_else(|| im.clash(n, sum, bias))?;
    }
    Ok(Some(sum))
}

/// A bias of `[batch, heads, queries, keys]`, of which the first axes may be missing, with the axes of grouped scores.
fn over_heads(im: &mut Importer, n: &Node, bias: TensorId, heads: usize, shared: usize) -> Result<TensorId> {
    let from = im.g.shape(bias).to_vec();
    if from.len() > 4 {
        return Err(n.malformed(format!("the mask {from:?} has more than four axes")));
    }
    let mut shape = vec![1; 4 - from.len()];
    shape.extend(&from);
    if shared > 1 {
        let (groups, own) = if shape[1] == heads { (heads / shared, shared) } else { (1, shape[1]) };
        shape.splice(1..2, [groups, own]);
    }
    Ok(im.g.reshape(bias, shape))
}

/// 1 for queries that a constant bias leaves a key, 0 for the others, whose result is 0; none where all have one.
fn rows_seen(im: &mut Importer, bias: TensorId) -> Option<TensorId> {
    let mut shape = im.g.shape(bias).to_vec();
    let row = shape.pop()?.max(1);
    let cells: Vec<f64> =
        im.g.as_const(bias)?.chunks(row).map(|r| r.iter().any(|v| *v > MASK / 2.0)).map(f64::from).collect();
    shape.push(1);
    cells.contains(&0.0).then(|| im.public(shape, Kind::Bool, cells))
}
