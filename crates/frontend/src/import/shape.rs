//! Operators that move cells, and the constants that shape arithmetic is made of.

use proveil_graph::TensorId;

use super::Importer;
use crate::error::{FrontendError, Result};
use crate::onnx::Node;
use crate::tensor::{Kind, broadcast_shape, strides};

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() {
        return Ok(None);
    }
    let out = match n.op.as_str() {
        "Constant" => {
            im.types.extend(n.tensor_type("value").zip(n.outputs.first()).map(|(t, name)| (name.clone(), t)));
            constant(im, n)?
        }
        "Shape" => shape_of(im, n)?,
        "Size" => {
            let x = im.arg(n, 0)?;
            let cells = im.g.get(x).cells() as f64;
            im.g.scalar(cells, Kind::Int)
        }
        "ConstantOfShape" => constant_of_shape(im, n)?,
        "Range" => range(im, n)?,
        "Reshape" => reshape(im, n)?,
        "Flatten" => {
            let x = im.arg(n, 0)?;
            let shape = im.g.shape(x).to_vec();
            let axis = n.int("axis")?.unwrap_or(1);
            let axis = if axis == shape.len() as i64 { shape.len() } else { im.axis(n, axis, shape.len())? };
            im.g.reshape(x, vec![shape[..axis].iter().product(), shape[axis..].iter().product()])
        }
        "Squeeze" => squeeze(im, n)?,
        "Unsqueeze" => unsqueeze(im, n)?,
        "Transpose" => {
            let x = im.arg(n, 0)?;
            let rank = im.g.shape(x).len();
            let perm = match n.ints("perm")? {
                Some(p) => p.iter().map(|&a| im.axis(n, a, rank)).collect::<Result<Vec<_>>>()?,
                None => (0..rank).rev().collect(),
            };
            let mut sorted = perm.clone();
            sorted.sort_unstable();
            if !sorted.iter().copied().eq(0..rank) {
                return Err(n.malformed(format!("attribute `perm` is {perm:?} for {rank} axes")));
            }
            im.g.permute(x, &perm)
        }
        "Concat" => concat(im, n)?,
        "Split" => return split(im, n).map(Some),
        "Slice" => slice(im, n)?,
        "Pad" => pad(im, n)?,
        "Expand" => {
            let x = im.arg(n, 0)?;
            let to = lengths(n, &im.const_ints(n, 1)?.unwrap_or_default())?;
            let shape = broadcast_shape(im.g.shape(x), &to)
                .ok_or_else(|| n.malformed(format!("{:?} does not expand to {to:?}", im.g.shape(x))))?;
            im.limits.cells(&n.name, &shape)?;
            im.g.broadcast(x, &shape)
        }
        "Tile" => tile(im, n)?,
        "DepthToSpace" => depth_to_space(im, n)?,
        "SpaceToDepth" => space_to_depth(im, n)?,
        "Trilu" => trilu(im, n)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![out]))
}

fn lengths(n: &Node, list: &[i64]) -> Result<Vec<usize>> {
    list.iter().map(|&d| usize::try_from(d).map_err(|_| n.malformed(format!("axis length {d} is negative")))).collect()
}

fn constant(im: &mut Importer, n: &Node) -> Result<TensorId> {
    if let Some(texts) = super::text::constant(im, n)? {
        return Ok(texts);
    }
    if let Some(t) = n.tensor("value", im.limits)? {
        return Ok(im.g.constant(&t));
    }
    if let Some(v) = n.float_or_nan("value_float")? {
        return n.floats_or_mask(Vec::new(), vec![v]).map(|t| im.g.constant(&t));
    }
    if let Some(v) = n.int("value_int")? {
        return Ok(im.g.scalar(v as f64, Kind::Int));
    }
    if let Some(v) = n.floats_or_infinite("value_floats")? {
        return n.floats_or_mask(vec![v.len()], v).map(|t| im.g.constant(&t));
    }
    if let Some(v) = n.ints("value_ints")? {
        return Ok(im.fresh(vec![v.len()], Kind::Int, v.iter().map(|&x| x as f64).collect()));
    }
    Err(n.unsupported("the constant is neither a dense tensor nor a number", "store it as a dense tensor"))
}

fn shape_of(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let rank = shape.len() as i64;
    let clip = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (from, to) = (clip(n.int("start")?.unwrap_or(0)), clip(n.int("end")?.unwrap_or(rank)));
    let list: Vec<f64> = shape[from..to.max(from)].iter().map(|&d| d as f64).collect();
    Ok(im.fresh(vec![list.len()], Kind::Int, list))
}

fn constant_of_shape(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let shape = lengths(n, &im.const_ints(n, 0)?.unwrap_or_default())?;
    let cells = im.limits.cells(&n.name, &shape)?;
    let value = n.tensor("value", im.limits)?;
    let (v, kind) = value.and_then(|t| t.data.first().map(|&v| (v, t.kind))).unwrap_or((0.0, Kind::Float));
    Ok(im.public(shape, kind, vec![v; cells]))
}

fn range(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let mut list = Vec::new();
    for i in 0..3 {
        let v = im.const_arg(n, i)?.and_then(|v| v.first().copied());
        list.push(v.ok_or_else(|| n.malformed(format!("input {i} is missing")))?);
    }
    let (start, limit, step) = (list[0], list[1], list[2]);
    let count = ((limit - start) / step).ceil().max(0.0);
    if step == 0.0 || !count.is_finite() || count > im.limits.cells as f64 {
        return Err(n.malformed(format!("range {start} .. {limit} by {step} has no usable length")));
    }
    let kind = im.g.kind(im.arg(n, 0)?);
    let data: Vec<f64> = (0..count as usize).map(|i| start + i as f64 * step).collect();
    Ok(im.fresh(vec![data.len()], kind, data))
}

fn reshape(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let want = im.ints(n, "shape", 1)?.ok_or_else(|| n.malformed("the new shape is missing"))?;
    let from = im.g.shape(x).to_vec();
    let cells: usize = from.iter().product();
    let zero = n.int("allowzero")? != Some(1);
    let mut shape = Vec::new();
    let mut open = None;
    for (i, &d) in want.iter().enumerate() {
        match d {
            0 if zero => {
                shape.push(from.get(i).copied().ok_or_else(|| n.malformed("copies an axis that is not there"))?)
            }
            -1 if open.is_none() => {
                open = Some(i);
                shape.push(1);
            }
            d => shape.push(usize::try_from(d).map_err(|_| n.malformed(format!("axis length {d} is negative")))?),
        }
    }
    let known = im.limits.cells(&n.name, &shape)?;
    if let Some(i) = open.filter(|_| known > 0) {
        shape[i] = cells / known;
    }
    if shape.iter().product::<usize>() != cells {
        return Err(n.malformed(format!("{from:?} does not reshape to {want:?}")));
    }
    Ok(im.g.reshape(x, shape))
}

fn squeeze(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let axes = match im.ints(n, "axes", 1)? {
        Some(a) => im.axes(n, &a, shape.len())?,
        None => (0..shape.len()).filter(|&a| shape[a] == 1).collect(),
    };
    if let Some(a) = axes.iter().find(|&&a| shape[a] != 1) {
        return Err(n.malformed(format!("axis {a} of {shape:?} has not length 1")));
    }
    let out = (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a]).collect();
    Ok(im.g.reshape(x, out))
}

fn unsqueeze(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let given = im.ints(n, "axes", 1)?.ok_or_else(|| n.malformed("the axes are missing"))?;
    let rank = im.g.shape(x).len() + given.len();
    let axes = im.axes(n, &given, rank)?;
    let mut old = im.g.shape(x).to_vec().into_iter();
    let out = (0..rank).map(|a| if axes.contains(&a) { 1 } else { old.next().unwrap_or(1) }).collect();
    Ok(im.g.reshape(x, out))
}

fn concat(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let all = (0..n.inputs.len()).map(|i| im.arg(n, i)).collect::<Result<Vec<_>>>()?;
    let Some(&first) = all.first() else { return Err(n.malformed("has no inputs")) };
    let shape = im.g.shape(first).to_vec();
    let axis = im.axis(n, n.int("axis")?.unwrap_or(0), shape.len())?;
    for &x in &all {
        let s = im.g.shape(x);
        if s.len() != shape.len() || (0..s.len()).any(|a| a != axis && s[a] != shape[a]) {
            return Err(im.clash(n, first, x));
        }
    }
    let parts: Vec<TensorId> = all.iter().copied().filter(|&x| im.g.shape(x)[axis] > 0).collect();
    Ok(if parts.is_empty() { first } else { im.g.concat(&parts, axis) })
}

fn split(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let axis = im.axis(n, n.int("axis")?.unwrap_or(0), shape.len())?;
    let parts = match im.ints(n, "split", 1)? {
        Some(s) => lengths(n, &s)?,
        None => {
            let count = n.int("num_outputs")?.unwrap_or(n.outputs.len() as i64).max(1) as usize;
            let each = shape[axis].div_ceil(count);
            (0..count).map(|i| each.min(shape[axis].saturating_sub(i * each))).collect()
        }
    };
    if parts.iter().sum::<usize>() != shape[axis] {
        return Err(n.malformed(format!("parts {parts:?} do not make up axis {axis} of {shape:?}")));
    }
    let mut at = 0;
    Ok(parts
        .iter()
        .map(|&len| {
            let (mut starts, mut extents) = (vec![0; shape.len()], shape.clone());
            (starts[axis], extents[axis]) = (at, len);
            at += len;
            im.g.slice(x, &starts, &extents, &vec![1; shape.len()])
        })
        .collect())
}

fn slice(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let need = |v: Option<Vec<i64>>, what: &str| v.ok_or_else(|| n.malformed(format!("the {what} are missing")));
    let from = need(im.ints(n, "starts", 1)?, "starts")?;
    let to = need(im.ints(n, "ends", 2)?, "ends")?;
    let axes = im.ints(n, "axes", 3)?.unwrap_or_else(|| (0..from.len() as i64).collect());
    let steps = im.const_ints(n, 4)?.unwrap_or_else(|| vec![1; from.len()]);
    if to.len() != from.len() || axes.len() != from.len() || steps.len() != from.len() {
        return Err(n.malformed("starts, ends, axes and steps have different lengths"));
    }
    let (mut starts, mut extents, mut all) = (vec![0; shape.len()], shape.clone(), vec![1i64; shape.len()]);
    for i in 0..from.len() {
        let a = im.axis(n, axes[i], shape.len())?;
        let (len, step) = (shape[a] as i64, steps[i]);
        if step == 0 {
            return Err(n.malformed("a step is 0"));
        }
        let wrap = |v: i64| if v < 0 { v.saturating_add(len) } else { v };
        let (lo, hi) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let (s, e) = (wrap(from[i]).clamp(lo.max(0), hi), wrap(to[i]).clamp(lo, hi));
        let span = if step > 0 { e - s } else { s - e };
        extents[a] = usize::try_from(span.max(0)).unwrap_or(0).div_ceil(step.unsigned_abs() as usize);
        starts[a] = s.max(0) as usize;
        all[a] = step;
    }
    Ok(im.g.slice(x, &starts, &extents, &all))
}

fn pad(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let given = im.ints(n, "pads", 1)?.ok_or_else(|| n.malformed("the pads are missing"))?;
    let axes = match im.const_ints(n, 3)? {
        Some(a) => a.iter().map(|&v| im.axis(n, v, shape.len())).collect::<Result<Vec<_>>>()?,
        None => (0..shape.len()).collect(),
    };
    if given.len() != 2 * axes.len() || given.iter().any(|p| !(-(1 << 20)..1 << 20).contains(p)) {
        return Err(n.malformed(format!("pads {given:?} do not fit {} axes", axes.len())));
    }
    let mode = n.string("mode")?.unwrap_or_else(|| "constant".into());
    let value = match n.float("value")? {
        Some(v) => v,
        None => im.const_arg(n, 2)?.and_then(|v| v.first().copied()).unwrap_or(0.0),
    };
    let mut y = x;
    for (i, &a) in axes.iter().enumerate() {
        let (before, after) = (given[i], given[i + axes.len()]);
        let len = shape[a] as i64;
        if before == 0 && after == 0 {
            continue;
        }
        if mode == "constant" {
            // Negative pads cut cells off.
            let kept: Vec<usize> = ((-before).max(0)..len.min(len + after)).map(|i| i as usize).collect();
            if kept.is_empty() {
                return Err(n.malformed(format!("pads {before}, {after} leave nothing of an axis of length {len}")));
            }
            y = im.g.take(y, a, &kept);
            let (mut b, mut f) = (vec![0; shape.len()], vec![0; shape.len()]);
            (b[a], f[a]) = (before.max(0) as usize, after.max(0) as usize);
            y = im.g.pad(y, &b, &f, value);
            continue;
        }
        let indices = (-before..len + after).map(|i| source_index(&mode, i, len)).collect::<Option<Vec<_>>>();
        let hint = "use constant, reflect, edge or wrap with pads shorter than the axis";
        let indices = indices.filter(|v| !v.is_empty());
        y = match indices {
            Some(list) => im.g.take(y, a, &list),
            None => return Err(n.unsupported(format!("mode `{mode}` with pads {before}, {after}"), hint)),
        };
    }
    Ok(y)
}

fn source_index(mode: &str, i: i64, len: i64) -> Option<usize> {
    let at = match mode {
        "reflect" if len > 1 => {
            let period = 2 * (len - 1);
            let r = i.rem_euclid(period);
            r.min(period - r)
        }
        "edge" => i.clamp(0, len - 1),
        "wrap" => i.rem_euclid(len),
        _ => i,
    };
    usize::try_from(at).ok().filter(|&v| v < len as usize)
}

fn tile(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let repeats = lengths(n, &im.const_ints(n, 1)?.unwrap_or_default())?;
    if repeats.len() != shape.len() || repeats.contains(&0) {
        return Err(n.malformed(format!("repeats {repeats:?} do not fit {shape:?}")));
    }
    let out: Vec<usize> = shape.iter().zip(&repeats).map(|(a, b)| a.saturating_mul(*b)).collect();
    im.limits.cells(&n.name, &out)?;
    let mut y = x;
    for (a, &times) in repeats.iter().enumerate().filter(|(_, t)| **t > 1) {
        y = im.g.concat(&vec![y; times], a);
    }
    Ok(y)
}

fn depth_to_space(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let s = im.g.shape(x).to_vec();
    let b = n.int("blocksize")?.unwrap_or(1).max(1) as usize;
    if s.len() != 4 || !s[1].is_multiple_of(b * b) {
        return Err(n.malformed(format!("block size {b} does not fit {s:?}")));
    }
    let c = s[1] / (b * b);
    let crd = n.string("mode")?.as_deref() == Some("CRD");
    let split = if crd { vec![s[0], c, b, b, s[2], s[3]] } else { vec![s[0], b, b, c, s[2], s[3]] };
    let y = im.g.reshape(x, split);
    let y = im.g.permute(y, if crd { &[0, 1, 4, 2, 5, 3] } else { &[0, 3, 4, 1, 5, 2] });
    Ok(im.g.reshape(y, vec![s[0], c, s[2] * b, s[3] * b]))
}

fn space_to_depth(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let s = im.g.shape(x).to_vec();
    let b = n.int("blocksize")?.unwrap_or(1).max(1) as usize;
    if s.len() != 4 || !s[2].is_multiple_of(b) || !s[3].is_multiple_of(b) {
        return Err(n.malformed(format!("block size {b} does not fit {s:?}")));
    }
    let crd = n.string("mode")?.as_deref() == Some("CRD");
    let y = im.g.reshape(x, vec![s[0], s[1], s[2] / b, b, s[3] / b, b]);
    let y = im.g.permute(y, if crd { &[0, 1, 3, 5, 2, 4] } else { &[0, 3, 5, 1, 2, 4] });
    Ok(im.g.reshape(y, vec![s[0], s[1] * b * b, s[2] / b, s[3] / b]))
}

fn trilu(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    let rank = shape.len();
    if rank < 2 {
        return Err(FrontendError::malformed(&n.name, "needs at least two axes"));
    }
    let k = im.const_ints(n, 1)?.and_then(|v| v.first().copied()).unwrap_or(0);
    let upper = n.int("upper")?.unwrap_or(1) == 1;
    let (rows, cols) = (shape[rank - 2], shape[rank - 1]);
    let keep = |i: usize| {
        let d = (i % cols) as i64 - (i / cols) as i64;
        if upper { d >= k } else { d <= k }
    };
    let cells: Vec<f64> = (0..rows * cols).map(|i| f64::from(u8::from(keep(i)))).collect();
    if let Some(data) = im.g.as_const(x) {
        let plane = strides(&shape)[rank - 2] * rows;
        let data = data.iter().enumerate().map(|(i, v)| v * cells[i % plane]).collect();
        let kind = im.g.kind(x);
        return Ok(im.fresh(shape, kind, data));
    }
    let mask = im.fresh(vec![rows, cols], Kind::Bool, cells);
    Ok(im.g.multiply(x, mask, &shape))
}
