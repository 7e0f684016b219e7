//! Less common operators that move cells by constant rules, and constants made of lengths.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::Result;
use crate::onnx::{DType, Node};
use crate::tensor::{Kind, strides};

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() {
        return Ok(None);
    }
    Ok(Some(vec![match n.op.as_str() {
        "EyeLike" => eye_like(im, n)?,
        "ReverseSequence" => reverse_sequence(im, n)?,
        "CenterCropPad" => center_crop_pad(im, n)?,
        "Compress" => compress(im, n)?,
        "HannWindow" => window(im, n, &[0.5, -0.5])?,
        "HammingWindow" => window(im, n, &[25.0 / 46.0, -21.0 / 46.0])?,
        "BlackmanWindow" => window(im, n, &[0.42, -0.5, 0.08])?,
        _ => return Ok(None),
    }]))
}

fn eye_like(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let &[rows, cols] = im.g.shape(x) else {
        return Err(n.malformed(format!("input {:?} is no matrix", im.g.shape(x))));
    };
    let k = n.int("k")?.unwrap_or(0);
    let kind = match n.int("dtype")? {
        Some(code) => DType::from_code(code as i32).map_or(im.g.kind(x), DType::kind),
        None => im.g.kind(x),
    };
    let one = |i: usize| (i % cols) as i64 - (i / cols) as i64 == k;
    Ok(im.public(vec![rows, cols], kind, (0..rows * cols).map(|i| f64::from(u8::from(one(i)))).collect()))
}

/// The first cells of each sequence in reverse order.
fn reverse_sequence(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let lengths = im.const_ints(n, 1)?.unwrap_or_default();
    let batch = im.axis(n, n.int("batch_axis")?.unwrap_or(1), shape.len())?;
    let time = im.axis(n, n.int("time_axis")?.unwrap_or(0), shape.len())?;
    let fits = |&l: &i64| usize::try_from(l).is_ok_and(|l| l <= shape[time]);
    if batch == time || lengths.len() != shape[batch] || !lengths.iter().all(fits) {
        return Err(n.malformed(format!("sequence lengths {lengths:?} do not fit {shape:?}")));
    }
    let steps = strides(&shape);
    let cells: usize = shape.iter().product();
    let source = |i: usize| {
        let (b, t) = (i / steps[batch] % shape[batch], i / steps[time] % shape[time]);
        let len = lengths[b] as usize;
        if t < len { i - t * steps[time] + (len - 1 - t) * steps[time] } else { i }
    };
    let places: Vec<usize> = (0..cells).map(source).collect();
    Ok(im.g.take_flat(x, &places, shape))
}

/// Cuts or pads axes around their middle.
fn center_crop_pad(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let from = im.g.shape(x).to_vec();
    let want = im.const_ints(n, 1)?.unwrap_or_default();
    let axes = match n.ints("axes")? {
        Some(a) => a.iter().map(|&a| im.axis(n, a, from.len())).collect::<Result<Vec<_>>>()?,
        None => (0..from.len()).collect(),
    };
    if want.len() != axes.len() || want.iter().any(|&w| w < 1) {
        return Err(n.malformed(format!("lengths {want:?} do not fit {} axes; give positive ones", axes.len())));
    }
    let mut to = from.clone();
    axes.iter().zip(&want).for_each(|(&a, &w)| to[a] = w as usize);
    im.limits.cells(&n.name, &to)?;
    let less = |a: usize, b: usize| a.saturating_sub(b);
    let starts: Vec<usize> = (0..from.len()).map(|a| less(from[a], to[a]) / 2).collect();
    let kept: Vec<usize> = (0..from.len()).map(|a| from[a].min(to[a])).collect();
    let y = im.g.slice(x, &starts, &kept, &vec![1; from.len()]);
    let before: Vec<usize> = (0..from.len()).map(|a| less(to[a], from[a]) / 2).collect();
    let after: Vec<usize> = (0..from.len()).map(|a| less(to[a], from[a]) - before[a]).collect();
    Ok(im.g.pad(y, &before, &after, 0.0))
}

/// Keeps the cells that a constant condition names.
fn compress(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let mut shape = im.g.shape(x).to_vec();
    let condition = im.const_arg(n, 1)?.unwrap_or_default();
    let (x, axis) = match n.int("axis")? {
        Some(a) => (x, im.axis(n, a, shape.len())?),
        None => {
            shape = vec![shape.iter().product()];
            (im.g.reshape(x, shape.clone()), 0)
        }
    };
    let kept: Vec<usize> = (0..condition.len()).filter(|&i| condition[i] != 0.0).collect();
    if kept.last().is_some_and(|&l| l >= shape[axis]) || kept.is_empty() {
        let reason = format!("a condition of {} cells for an axis of length {}", condition.len(), shape[axis]);
        return Err(n.malformed(reason + "; keep at least one cell"));
    }
    Ok(im.g.take(x, axis, &kept))
}

/// Sums of cosines over a constant length.
fn window(im: &mut Importer, n: &Node, terms: &[f64]) -> Result<TensorId> {
    let size = im.const_ints(n, 0)?.and_then(|v| v.first().copied()).unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(0);
    im.limits.cells(&n.name, &[size])?;
    let period = if n.int("periodic")?.unwrap_or(1) == 1 { size } else { size.saturating_sub(1) }.max(1);
    let cell = |i: usize| -> f64 {
        let turn = std::f64::consts::TAU * i as f64 / period as f64;
        terms.iter().enumerate().map(|(k, c)| c * (turn * k as f64).cos()).sum()
    };
    Ok(im.public(vec![size], Kind::Float, (0..size).map(cell).collect()))
}
