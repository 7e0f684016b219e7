//! Rotary embeddings: pairs of features turned by angles that grow with their place.

use proveil_graph::TensorId;

use super::Importer;
use super::select::gather_rows;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr};
use crate::tensor::Kind;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if (n.domain.as_str(), n.op.as_str()) != ("", "RotaryEmbedding") {
        return Ok(None);
    }
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    // The axes of heads and places are axes 1 and 2, or 2 and 1.
    let (split, heads_first) = match shape[..] {
        [_, _, _, _] => (shape.clone(), true),
        [batch, places, features] => {
            let heads = n.int("num_heads")?.and_then(|h| usize::try_from(h).ok()).filter(|h| *h > 0);
            let heads = heads.filter(|h| features.is_multiple_of(*h));
            let heads = heads.ok_or_else(|| n.malformed(format!("attribute `num_heads` does not fit {shape:?}")))?;
            (vec![batch, places, heads, features / heads], false)
        }
        _ => return Err(n.malformed(format!("input {shape:?} has neither three nor four axes"))),
    };
    let x = im.g.reshape(x, split.clone());
    let given = n.int("rotary_embedding_dim")?.unwrap_or(0);
    let turned = if given == 0 { split[3] } else { usize::try_from(given).unwrap_or(usize::MAX) };
    if turned > split[3] || !turned.is_multiple_of(2) {
        return Err(n.malformed(format!("{given} of {} features cannot be turned in pairs", split[3])));
    }
    let part = |im: &mut Importer, from: usize, count: usize| {
        let mut extents = split.clone();
        extents[3] = count;
        im.g.slice(x, &[0, 0, 0, from], &extents, &[1; 4])
    };
    let (own, rest) = (part(im, 0, turned), part(im, turned, split[3] - turned));
    let interleaved = n.int("interleaved")? == Some(1);
    let places = split[if heads_first { 2 } else { 1 }];
    let angle = |im: &mut Importer, i: usize| -> Result<TensorId> {
        let cache = angles(im, n, i, [split[0], places, turned / 2])?;
        let batch = im.g.shape(cache)[0];
        let axes = if heads_first { vec![batch, 1, places] } else { vec![batch, places, 1] };
        Ok(doubled(im, cache, axes, interleaved))
    };
    let (cos, sin) = (angle(im, 1)?, angle(im, 2)?);
    let across = swapped(im, own, interleaved);
    let first = im.g.binary(Bin::Mul, own, cos).ok_or_else(|| im.clash(n, own, cos))?;
    let second = im.g.binary(Bin::Mul, across, sin).ok_or_else(|| im.clash(n, across, sin))?;
    let y = im.g.binary(Bin::Add, first, second).ok_or_else(|| im.clash(n, first, second))?;
    let y = if turned < split[3] { im.g.concat(&[y, rest], 3) } else { y };
    Ok(Some(vec![im.g.reshape(y, shape)]))
}

/// Sines or cosines of all places `[batch or 1, places, pairs]`: rows of a list where the places are given.
fn angles(im: &mut Importer, n: &Node, i: usize, [batch, places, pairs]: [usize; 3]) -> Result<TensorId> {
    let cache = im.arg(n, i)?;
    let cache = match im.opt(n, 3)? {
        Some(ids) => gather_rows(im, n, cache, ids, 0)?,
        None => cache,
    };
    let shape = im.g.shape(cache);
    let fits = shape.len() == 3 && (shape[0] == batch || shape[0] == 1) && shape[1..] == [places, pairs];
    if !fits {
        let want = [batch, places, pairs];
        return Err(n.malformed(format!("input {i} gives angles {shape:?}, expected {want:?}; export the model again")));
    }
    Ok(cache)
}

/// Each angle for both features of its pair, under the axes of the input.
fn doubled(im: &mut Importer, cache: TensorId, mut axes: Vec<usize>, interleaved: bool) -> TensorId {
    let shape = im.g.shape(cache).to_vec();
    let pairs = shape[2];
    axes.push(2 * pairs);
    let both = if interleaved {
        let apart = im.g.reshape(cache, vec![shape[0], shape[1], pairs, 1]);
        im.g.broadcast(apart, &[shape[0], shape[1], pairs, 2])
    } else {
        im.g.concat(&[cache, cache], 2)
    };
    im.g.reshape(both, axes)
}

/// `-b, a` in place of each pair `a, b`.
fn swapped(im: &mut Importer, x: TensorId, interleaved: bool) -> TensorId {
    let shape = im.g.shape(x).to_vec();
    let half = shape[3] / 2;
    let (last, step) = if interleaved { (1, 2) } else { (half, 1) };
    let mut extents = shape.clone();
    extents[3] = half;
    let a = im.g.slice(x, &[0; 4], &extents, &[1, 1, 1, step]);
    let b = im.g.slice(x, &[0, 0, 0, last], &extents, &[1, 1, 1, step]);
    let b = im.g.map(b, Expr::affine(-1.0, 0.0), Kind::Float);
    if !interleaved {
        return im.g.concat(&[b, a], 3);
    }
    extents.push(1);
    let (a, b) = (im.g.reshape(a, extents.clone()), im.g.reshape(b, extents));
    let pairs = im.g.concat(&[b, a], 4);
    im.g.reshape(pairs, shape)
}
