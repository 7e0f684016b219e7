//! Selection by index: constant indices are views, for computed ones see `pick`.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr};
use crate::tensor::Kind;

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    let out = match (n.domain.as_str(), n.op.as_str()) {
        ("", "Gather") => gather(im, n, n.int("axis")?.unwrap_or(0))?,
        ("ai.onnx.ml", "ArrayFeatureExtractor") => {
            let x = im.arg(n, 0)?;
            let picked = gather(im, n, -1)?;
            // The result always has two axes.
            let cells = im.g.get(picked).cells();
            let rows = im.g.get(x).cells() / im.g.shape(x).last().copied().unwrap_or(1).max(1);
            im.g.reshape(picked, vec![rows, cells / rows.max(1)])
        }
        ("", "GatherElements") => gather_elements(im, n)?,
        ("", "GatherND") => gather_nd(im, n)?,
        ("", "OneHot") => one_hot(im, n)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

fn index(n: &Node, v: f64, len: usize) -> Result<usize> {
    let at = if v < 0.0 { v + len as f64 } else { v };
    if at < 0.0 || at >= len as f64 {
        return Err(n.malformed(format!("index {v} is outside an axis of length {len}")));
    }
    Ok(at as usize)
}

fn gather(im: &mut Importer, n: &Node, axis: i64) -> Result<TensorId> {
    let (x, ids) = (im.arg(n, 0)?, im.arg(n, 1)?);
    gather_rows(im, n, x, ids, axis)
}

/// Rows of `x` along an axis, by number.
pub(super) fn gather_rows(im: &mut Importer, n: &Node, x: TensorId, ids: TensorId, axis: i64) -> Result<TensorId> {
    let shape = im.g.shape(x).to_vec();
    let axis = im.axis(n, axis, shape.len())?;
    let id_shape = im.g.shape(ids).to_vec();
    let out: Vec<usize> = [&shape[..axis], &id_shape, &shape[axis + 1..]].concat();
    im.limits.cells(&n.name, &out)?;
    if let Some(list) = im.g.as_const(ids).cloned() {
        let list = list.iter().map(|&v| index(n, v, shape[axis])).collect::<Result<Vec<_>>>()?;
        let y = im.g.take(x, axis, &list);
        return Ok(im.g.reshape(y, out));
    }
    super::pick::gather(im, n, x, ids, axis)
}

fn gather_elements(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (x, ids) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let axis = im.axis(n, n.int("axis")?.unwrap_or(0), im.g.shape(x).len())?;
    elements(im, n, x, ids, axis)
}

/// Cells of `x`, each at its own number along an axis.
pub(super) fn elements(im: &mut Importer, n: &Node, x: TensorId, ids: TensorId, axis: usize) -> Result<TensorId> {
    let (shape, out) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    if out.len() != shape.len() || (0..out.len()).any(|a| a != axis && out[a] > shape[a]) {
        return Err(im.clash(n, x, ids));
    }
    if let Some(list) = im.g.as_const(ids).cloned() {
        let steps = crate::tensor::strides(&out);
        let from = im.g.strides(x);
        let flat = list
            .iter()
            .enumerate()
            .map(|(i, &v)| {
                let at = |a: usize| i / steps[a] % out[a];
                let own = index(n, v, shape[axis])?;
                Ok((0..out.len()).map(|a| from[a] * if a == axis { own } else { at(a) }).sum())
            })
            .collect::<Result<Vec<usize>>>()?;
        return Ok(im.g.take_flat(x, &flat, out));
    }
    super::pick::elements(im, n, x, ids, axis)
}

fn gather_nd(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let (x, ids) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let (shape, is) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    let batch = usize::try_from(n.int("batch_dims")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let depth = is.last().copied().unwrap_or(0);
    let fits = batch < is.len() && depth > 0 && batch.checked_add(depth).is_some_and(|end| end <= shape.len());
    if !fits || is[..batch] != shape[..batch] {
        return Err(im.clash(n, x, ids));
    }
    let (end, from) = (batch + depth, im.g.strides(x));
    let inner: usize = shape[end..].iter().product();
    let out = [&is[..is.len() - 1], &shape[end..]].concat();
    im.limits.cells(&n.name, &out)?;
    let Some(list) = im.g.as_const(ids).cloned() else {
        return super::pick::nd(im, n, x, ids, batch);
    };
    let tuples = list.len() / depth;
    let batches: usize = shape[..batch].iter().product();
    let own: usize = shape[batch..].iter().product();
    let mut flat = Vec::new();
    for (t, tuple) in list.chunks(depth).enumerate() {
        let mut base = t / (tuples / batches.max(1)).max(1) * own;
        for (a, &v) in tuple.iter().enumerate() {
            base += from[batch + a] * index(n, v, shape[batch + a])?;
        }
        flat.extend(base..base + inner);
    }
    Ok(im.g.take_flat(x, &flat, out))
}

fn one_hot(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let ids = im.arg(n, 0)?;
    let depth = im.const_arg(n, 1)?.and_then(|v| v.first().copied()).unwrap_or(0.0).max(0.0) as usize;
    let values =
        im.const_arg(n, 2)?.filter(|v| v.len() == 2).ok_or_else(|| n.malformed("values must be two numbers"))?;
    let ids = match im.g.as_const(ids).cloned() {
        Some(list) => {
            let shape = im.g.shape(ids).to_vec();
            im.fresh(shape, Kind::Int, list.iter().map(|&v| if v < 0.0 { v + depth as f64 } else { v }).collect())
        }
        None => ids,
    };
    let hot = super::pick::hot(im, n, ids, depth)?;
    let rank = im.g.shape(hot).len();
    let axis = im.axis(n, n.int("axis")?.unwrap_or(-1), rank)?;
    let mut perm: Vec<usize> = (0..rank - 1).collect();
    perm.insert(axis, rank - 1);
    let y = im.g.permute(hot, &perm);
    let kind = im.g.kind(im.arg(n, 2)?);
    let scaled = im.g.map(y, Expr::affine(values[1] - values[0], 0.0), kind);
    let off = im.g.scalar(values[0], kind);
    im.g.binary(Bin::Add, scaled, off).ok_or_else(|| im.clash(n, scaled, off))
}
