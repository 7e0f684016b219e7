//! Files that are quantised already: the integer graph follows their integers. A tensor that came out of
//! `DequantizeLinear` is remembered with the integers behind it, so that products, maxima and moves of cells work on
//! these, and `QuantizeLinear` becomes one requantisation by the quotient of the scales.

use std::sync::Arc;

use proveil_graph::{Access, TensorId};

use super::Importer;
use crate::error::Result;
use crate::onnx::{DType, Node};
use crate::real::expr::{Bin, Expr};
use crate::real::{RealOp, RealPiece, Requantise};
use crate::tensor::Kind;

/// Scales closer than this, relatively, are one scale: they are single-precision numbers.
const SAME: f64 = 1e-6;
/// As [`SAME`], for a bias, whose scale is a product of two.
const SAME_BIAS: f64 = 1e-4;

/// The integers behind a float tensor: `value = scale * clamp(ints)`.
#[derive(Clone, Debug)]
pub(crate) struct Quantised {
    /// Integers less the offset.
    pub ints: TensorId,
    /// One scale, or one for each cell of an axis.
    scales: Vec<f64>,
    axis: usize,
    /// Limits of the value that an activation function has set.
    clip: (f64, f64),
    /// Smallest and largest integer, where the file says so.
    range: Option<(i64, i64)>,
}

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() && n.domain != "com.microsoft" {
        return Ok(None);
    }
    Ok(Some(match n.op.as_str() {
        "QuantizeLinear" => vec![quantise(im, n)?],
        "DequantizeLinear" => vec![dequantise(im, n)?],
        "DynamicQuantizeLinear" => dynamic(im, n)?,
        "ConvInteger" => {
            let x = less_offset(im, n, 0, 2, None)?;
            let w = less_offset(im, n, 1, 3, Some(0))?;
            vec![product(im, n, "Conv", &[x, w])?]
        }
        "MatMulInteger" => {
            // A list of offsets belongs to the rows of the first and the columns of the second operand.
            let rank = im.g.shape(im.arg(n, 0)?).len();
            let a = less_offset(im, n, 0, 2, Some(rank.saturating_sub(2)))?;
            let rank = im.g.shape(im.arg(n, 1)?).len();
            let b = less_offset(im, n, 1, 3, Some(rank.saturating_sub(1)))?;
            vec![product(im, n, "MatMul", &[a, b])?]
        }
        "QLinearConv" => vec![linear(im, n, "Conv", Some(8), 6)?],
        "QLinearMatMul" => vec![linear(im, n, "MatMul", None, 6)?],
        "QGemm" => vec![linear(im, n, "Gemm", Some(6), 7)?],
        "Conv" | "MatMul" | "Gemm" if n.domain.is_empty() => match on_integers(im, n)? {
            Some(y) => vec![y],
            None => return Ok(None),
        },
        _ if n.domain.is_empty() => return moved(im, n),
        _ => return Ok(None),
    }))
}

/// Smallest and largest value, and bits, of an integer type.
fn limits(n: &Node, dtype: DType) -> Result<(i64, i64, u32)> {
    match dtype {
        DType::Int { bits, signed: true } if bits <= 32 => Ok((-(1 << (bits - 1)), (1 << (bits - 1)) - 1, bits)),
        DType::Int { bits, signed: false } if bits <= 32 => Ok((0, (1 << bits) - 1, bits + 1)),
        _ => Err(n.unsupported(format!("a quantised type {dtype:?}"), "use 8, 16 or 32 bit integers")),
    }
}

fn type_of(im: &Importer, n: &Node, input: usize) -> Option<DType> {
    n.inputs.get(input).and_then(|name| im.types.get(name)).copied()
}

/// Scales or offsets: constants, one or a list.
fn list(im: &Importer, n: &Node, input: usize) -> Result<Option<Vec<f64>>> {
    Ok(im.const_arg(n, input)?.filter(|v| !v.is_empty()))
}

fn scales(im: &Importer, n: &Node, input: usize) -> Result<Vec<f64>> {
    let s = list(im, n, input)?.ok_or_else(|| n.malformed("the scale is missing"))?;
    match s.iter().find(|v| **v <= 0.0) {
        Some(v) => Err(n.malformed(format!("scale {v} is not positive; repair the model"))),
        None => Ok(s),
    }
}

/// The axis of per-axis parameters with `len` entries.
fn axis_of(im: &Importer, n: &Node, x: TensorId, len: usize) -> Result<usize> {
    let shape = im.g.shape(x).to_vec();
    if n.int("block_size")?.unwrap_or(0) != 0 {
        return Err(n.unsupported("scales of blocks", "quantise per tensor or per axis"));
    }
    if len == 1 {
        return Ok(0);
    }
    let axis = im.axis(n, n.int("axis")?.unwrap_or(1), shape.len())?;
    if shape[axis] != len {
        return Err(n.malformed(format!("{len} scales for axis {axis} of {shape:?}; export the model again")));
    }
    Ok(axis)
}

/// A list along an axis of a tensor, as a constant that is broadcast to it.
fn along(im: &mut Importer, values: Vec<f64>, axis: usize, rank: usize, kind: Kind) -> TensorId {
    let mut shape = vec![1; rank];
    if let (true, Some(d)) = (values.len() > 1, shape.get_mut(axis)) {
        *d = values.len();
    }
    im.fresh(shape, kind, values)
}

/// `q - offset`; a constant becomes a weight of its type's width.
fn shifted(
    im: &mut Importer,
    n: &Node,
    q: TensorId,
    dtype: Option<DType>,
    offsets: &[f64],
    axis: usize,
) -> Result<TensorId> {
    let shape = im.g.shape(q).to_vec();
    let zero = offsets.iter().all(|&z| z == 0.0);
    if let Some(data) = im.g.as_const(q).cloned() {
        let bits = dtype.map_or(Ok(33), |d| limits(n, d).map(|l| l.2))? + u32::from(!zero);
        let step = crate::tensor::strides(&shape).get(axis).copied().unwrap_or(1);
        let at = |i: usize| offsets[i / step % offsets.len()];
        let cells = data.iter().enumerate().map(|(i, v)| v - at(i)).collect();
        return Ok(im.g.int_weight(shape, cells, bits));
    }
    let q = im.g.retyped(q, Kind::Int);
    if zero {
        return Ok(q);
    }
    if let [z] = offsets {
        return Ok(im.g.map(q, Expr::affine(1.0, -z), Kind::Int));
    }
    let z = along(im, offsets.to_vec(), axis, shape.len(), Kind::Int);
    im.g.binary(Bin::Sub, q, z).ok_or_else(|| im.clash(n, q, z))
}

/// Float form of integers, which is remembered.
fn scaled(im: &mut Importer, n: &Node, form: Quantised) -> Result<TensorId> {
    let shape = im.g.shape(form.ints).to_vec();
    let y = match form.scales[..] {
        [s] => im.g.map(form.ints, Expr::affine(s, 0.0), Kind::Float),
        _ => {
            let list = along(im, form.scales.clone(), form.axis, shape.len(), Kind::Float);
            im.g.binary(Bin::Mul, form.ints, list).ok_or_else(|| im.clash(n, form.ints, list))?
        }
    };
    let y = im.g.retyped(y, Kind::Float);
    im.quantised.insert(y, form);
    Ok(y)
}

fn dequantise(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let q = im.arg(n, 0)?;
    let scales = scales(im, n, 1)?;
    let axis = axis_of(im, n, q, scales.len())?;
    let offsets = list(im, n, 2)?.unwrap_or_else(|| vec![0.0]);
    if offsets.len() != 1 && offsets.len() != scales.len() {
        return Err(n.malformed(format!("{} offsets for {} scales", offsets.len(), scales.len())));
    }
    let dtype = type_of(im, n, 0).or_else(|| type_of(im, n, 2));
    let ints = shifted(im, n, q, dtype, &offsets, axis)?;
    let range = match (dtype, &offsets[..]) {
        (Some(d), [z]) => limits(n, d).ok().map(|(lo, hi, _)| (lo - *z as i64, hi - *z as i64)),
        _ => None,
    };
    scaled(im, n, Quantised { ints, scales, axis, clip: NO_CLIP, range })
}

const NO_CLIP: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Type of the result: of the offset, else of the attribute, else unsigned bytes.
fn target(im: &Importer, n: &Node, offset: usize) -> Result<DType> {
    let by_code = n.int("output_dtype")?.filter(|c| *c != 0);
    match (type_of(im, n, offset), by_code) {
        (Some(t), _) => Ok(t),
        (None, Some(code)) => DType::from_code(code as i32)
            .ok_or_else(|| n.unsupported(format!("output type code {code}"), "use 8 or 16 bit integers")),
        (None, None) => Ok(DType::Int { bits: 8, signed: false }),
    }
}

fn quantise(im: &mut Importer, n: &Node) -> Result<TensorId> {
    let x = im.arg(n, 0)?;
    let scales = scales(im, n, 1)?;
    let axis = axis_of(im, n, x, scales.len())?;
    let offsets = list(im, n, 2)?.unwrap_or_else(|| vec![0.0]);
    let dtype = target(im, n, 2)?;
    let y = to_type(im, n, x, (&scales, axis), &offsets, dtype)?;
    im.types.extend(n.outputs.first().map(|name| (name.clone(), dtype)));
    Ok(y)
}

/// `clamp(round(x / scale) + offset)`, from the integers behind `x` where there are any.
fn to_type(
    im: &mut Importer,
    n: &Node,
    x: TensorId,
    (scales, axis): (&[f64], usize),
    offsets: &[f64],
    dtype: DType,
) -> Result<TensorId> {
    let (lo, hi, bits) = limits(n, dtype)?;
    let &[offset] = offsets else {
        if offsets.windows(2).any(|w| w[0] != w[1]) {
            return Err(n.unsupported("offsets that differ along an axis", "use symmetric per-axis quantisation"));
        }
        return to_type(im, n, x, (scales, axis), &offsets[..1], dtype);
    };
    if bits > 17 {
        return Err(n.unsupported(format!("quantisation to {bits} bits"), "use 8 or 16 bit integers"));
    }
    let offset = offset as i64;
    if let Some(y) = constant(im, x, (scales, axis), (offset, lo, hi), bits) {
        return Ok(y);
    }
    let Some(form) = im.quantised.get(&x).cloned() else {
        if let (Some(parts), [_]) = (im.g.joined(x), scales) {
            // Each part has a scale of its own, and its rounding is exact; a unit for all would turn ties.
            let mut pieces = Vec::new();
            for p in parts {
                let tensor = to_type(im, n, p.access.tensor, (scales, 0), offsets, dtype)?;
                pieces.push(RealPiece { access: Access { tensor, ..p.access }, ..p });
            }
            let shape = im.g.shape(x).to_vec();
            return Ok(im.g.op(shape, Kind::Int, RealOp::Linear { pieces, constant: 0.0 }));
        }
        if let (true, [s]) = (im.g.is_function(x), scales) {
            // A function of integers and its rounding are one table.
            let scaled = Expr::un(crate::real::expr::Un::RoundEven, Expr::affine(1.0 / s, 0.0));
            let whole = Expr::bin(Bin::Add, scaled, Expr::Const(offset as f64));
            let low = Expr::bin(Bin::Max, whole, Expr::Const(lo as f64));
            return Ok(im.g.map(x, Expr::bin(Bin::Min, low, Expr::Const(hi as f64)), Kind::Int));
        }
        let factors = scales.iter().map(|s| 1.0 / s).collect();
        return Ok(requantise(im, x, factors, axis, (offset, lo, hi)));
    };
    let lists = form.scales.len().max(scales.len());
    if form.scales.len() > 1 && scales.len() > 1 && form.axis != axis {
        return Err(n.unsupported("scales along two axes", "quantise the operand per tensor"));
    }
    let at = |v: &[f64], i: usize| v[i.min(v.len() - 1)];
    let factors: Vec<f64> = (0..lists).map(|i| at(&form.scales, i) / at(scales, i)).collect();
    let axis = if form.scales.len() > 1 { form.axis } else { axis };
    // What an activation function has cut off is cut off by the clamp.
    let cut = |v: f64, other: i64| {
        if v.is_finite() { ((v / scales[0]).round_ties_even() as i64 + offset).clamp(lo, hi) } else { other }
    };
    if scales.len() > 1 && form.clip != NO_CLIP && form.clip != (0.0, f64::INFINITY) {
        return Err(n.unsupported("per-axis scales after a clip", "quantise the activations per tensor"));
    }
    let (low, high) = (cut(form.clip.0, lo), cut(form.clip.1, hi));
    let one = factors.len() == 1 && (factors[0] - 1.0).abs() < SAME;
    let inside = form.range.is_some_and(|(a, b)| a + offset >= low && b + offset <= high);
    if one && inside {
        return Ok(im.g.map(form.ints, Expr::affine(1.0, offset as f64), Kind::Int));
    }
    let factors = if one { vec![1.0] } else { factors };
    Ok(requantise(im, form.ints, factors, axis, (offset, low, high)))
}

/// A constant, quantised now.
fn constant(
    im: &mut Importer,
    x: TensorId,
    (scales, axis): (&[f64], usize),
    (offset, lo, hi): (i64, i64, i64),
    bits: u32,
) -> Option<TensorId> {
    let data = im.g.as_const(x)?.clone();
    let shape = im.g.shape(x).to_vec();
    let step = crate::tensor::strides(&shape).get(axis).copied().unwrap_or(1);
    let cell = |(i, v): (usize, &f64)| {
        ((v / scales[i / step % scales.len()]).round_ties_even() + offset as f64).clamp(lo as f64, hi as f64)
    };
    Some(im.g.int_weight(shape, data.iter().enumerate().map(cell).collect(), bits))
}

/// The operator on the tensor that is moved, where `x` is a transposition: per-axis factors need the last axis.
fn requantise(im: &mut Importer, x: TensorId, factors: Vec<f64>, axis: usize, limits: (i64, i64, i64)) -> TensorId {
    if let Some((inner, perm)) = im.g.as_permute(x) {
        let at = perm.get(axis).copied().unwrap_or(0);
        let y = requantise(im, inner, factors, at, limits);
        return im.g.permute(y, &perm);
    }
    let (row, back) = if factors.len() > 1 { im.g.axis_last(x, axis) } else { (x, (0..im.g.shape(x).len()).collect()) };
    let shape = im.g.shape(row).to_vec();
    let (offset, lo, hi) = limits;
    let op = RealOp::Requantise(Requantise { x: row, factors: Arc::new(factors), offset, lo, hi });
    let y = im.g.op(shape, Kind::Int, op);
    im.g.permute(y, &back)
}

/// Input `i` less the offset in input `z`, which may vary; a list of offsets lies along `axis`.
fn less_offset(im: &mut Importer, n: &Node, i: usize, z: usize, axis: Option<usize>) -> Result<TensorId> {
    let q = im.arg(n, i)?;
    let dtype = type_of(im, n, i);
    let Some(offset) = im.opt(n, z)? else { return shifted(im, n, q, dtype, &[0.0], 0) };
    let axis = axis.unwrap_or(0);
    match im.g.as_const(offset).cloned() {
        Some(list) if list.len() == 1 || im.g.shape(q).get(axis) == Some(&list.len()) => {
            shifted(im, n, q, dtype, &list, axis)
        }
        Some(list) => Err(n.malformed(format!("{} offsets for {:?}", list.len(), im.g.shape(q)))),
        None => {
            let q = shifted(im, n, q, dtype, &[0.0], 0)?;
            im.g.binary(Bin::Sub, q, offset).ok_or_else(|| im.clash(n, q, offset))
        }
    }
}

/// The node's attributes applied to other operands by the importer of `op`.
fn product(im: &mut Importer, n: &Node, op: &str, operands: &[TensorId]) -> Result<TensorId> {
    let names: Vec<String> = (0..operands.len()).map(|i| format!("{}/integers{i}", n.name)).collect();
    for (name, &id) in names.iter().zip(operands) {
        im.env.insert(name.clone(), id);
    }
    // Factors of the real product belong to its scale.
    let node = n.with_inputs(names).renamed(op).without(&["alpha", "beta"]);
    let out = match op {
        "Conv" => super::conv::import(im, &node)?,
        _ => super::products::import(im, &node)?,
    };
    out.and_then(|v| v.first().copied()).ok_or_else(|| n.malformed("has no result"))
}

/// `QLinearConv`, `QLinearMatMul` and `QGemm`: operands with their scales and offsets, then from input `result` on those
/// of the result, which without a scale is real.
fn linear(im: &mut Importer, n: &Node, op: &str, bias: Option<usize>, result: usize) -> Result<TensorId> {
    let rank = im.g.shape(im.arg(n, 3)?).len();
    let (a, sa) = (less_offset(im, n, 0, 2, Some(0))?, scales(im, n, 1)?);
    let rows = op == "Conv" || op == "Gemm" && n.int("transB")? == Some(1);
    let along = if rows { 0 } else { rank.saturating_sub(1) };
    let (b, sb) = (less_offset(im, n, 3, 5, Some(along))?, scales(im, n, 4)?);
    let mut operands = vec![a, b];
    if let Some(c) = bias
        && let Some(c) = im.opt(n, c)?
    {
        operands.push(shifted(im, n, c, Some(DType::Int { bits: 32, signed: true }), &[0.0], 0)?);
    }
    let [sa] = sa[..] else {
        return Err(n.unsupported("several scales of the first operand", "quantise activations per tensor"));
    };
    let ints = product(im, n, op, &operands)?;
    let rank = im.g.shape(ints).len();
    let axis = if op == "Conv" { 1 } else { rank.saturating_sub(1) };
    let alpha = if op == "Gemm" { n.float("alpha")?.unwrap_or(1.0) } else { 1.0 };
    if alpha <= 0.0 {
        return Err(n.unsupported(format!("alpha is {alpha}"), "quantise the product with a positive factor"));
    }
    let scales_out: Vec<f64> = sb.iter().map(|s| s * sa * alpha).collect();
    if scales_out.len() > 1 && im.g.shape(ints).get(axis) != Some(&scales_out.len()) {
        return Err(n.malformed(format!("{} scales for a result {:?}", scales_out.len(), im.g.shape(ints))));
    }
    let x = scaled(im, n, Quantised { ints, scales: scales_out, axis, clip: NO_CLIP, range: None })?;
    if op == "Gemm" && im.opt(n, result)?.is_none() {
        return Ok(x);
    }
    let scale = scales(im, n, result)?;
    let offsets = list(im, n, result + 1)?.unwrap_or_else(|| vec![0.0]);
    let dtype = target(im, n, result + 1)?;
    let y = to_type(im, n, x, (&scale[..1], 0), &offsets, dtype)?;
    im.types.extend(n.outputs.first().map(|name| (name.clone(), dtype)));
    Ok(y)
}

/// A product of dequantised tensors as a product of their integers; one operand may be a plain float.
fn on_integers(im: &mut Importer, n: &Node) -> Result<Option<TensorId>> {
    let gemm = n.op == "Gemm";
    let plain = n.float("alpha")?.unwrap_or(1.0) == 1.0 && n.float("beta")?.unwrap_or(1.0) == 1.0;
    let form = |im: &Importer, x: TensorId| im.quantised.get(&x).filter(|f| f.clip == NO_CLIP).cloned();
    let (a, b) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let Some(fb) = form(im, b) else { return Ok(None) };
    let fa = form(im, a).filter(|f| f.scales.len() == 1);
    let rank = im.g.shape(b).len();
    // Scales of weights must belong to output channels.
    let channel = match n.op.as_str() {
        "Conv" => 0,
        "Gemm" if n.int("transB")? == Some(1) => 0,
        _ => rank.saturating_sub(1),
    };
    let weights = im.g.as_const(fb.ints).is_some();
    if !plain || (fb.scales.len() > 1 && fb.axis != channel) || (fa.is_none() && !weights) {
        return Ok(None);
    }
    let (left, sa) = fa.map_or((a, 1.0), |f| (f.ints, f.scales[0]));
    let scales: Vec<f64> = fb.scales.iter().map(|s| s * sa).collect();
    let mut operands = vec![left, fb.ints];
    let bias = if n.op == "MatMul" { None } else { im.opt(n, 2)? };
    let mut rest = None;
    if let Some(c) = bias {
        let fits = |f: &Quantised| {
            let at = |v: &[f64], i: usize| v[i.min(v.len() - 1)];
            (0..scales.len().max(f.scales.len())).all(|i| (at(&f.scales, i) / at(&scales, i) - 1.0).abs() < SAME_BIAS)
        };
        match form(im, c).filter(|f| fits(f) && im.g.kind(left) != Kind::Float) {
            Some(f) => operands.push(f.ints),
            None => rest = Some(c),
        }
    }
    let ints = product(im, n, &n.op.clone(), &operands)?;
    let rank = im.g.shape(ints).len();
    let axis = if n.op == "Conv" { 1 } else { rank.saturating_sub(1) };
    let y = scaled(im, n, Quantised { ints, scales, axis, clip: NO_CLIP, range: None })?;
    let Some(c) = rest else { return Ok(Some(y)) };
    let c = if gemm || rank < 3 {
        c
    } else {
        let mut shape = vec![im.g.get(c).cells()];
        shape.extend(vec![1; rank - 2]);
        im.g.reshape(c, shape)
    };
    im.g.binary(Bin::Add, y, c).map(Some).ok_or_else(|| im.clash(n, y, c))
}

/// Operators that commute with a positive scale, on the integers behind their operand.
fn moved(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    let Some(form) = im.opt(n, 0)?.and_then(|x| im.quantised.get(&x).cloned()) else { return Ok(None) };
    let x = im.arg(n, 0)?;
    let clip = match n.op.as_str() {
        "Relu" => Some((0.0, f64::INFINITY)),
        "Clip" => {
            let bound = |name: &str, i: usize| -> Result<Option<f64>> {
                Ok(n.float(name)?.or(im.const_arg(n, i)?.and_then(|v| v.first().copied())))
            };
            Some((bound("min", 1)?.unwrap_or(NO_CLIP.0), bound("max", 2)?.unwrap_or(NO_CLIP.1)))
        }
        _ => None,
    };
    if let Some((lo, hi)) = clip {
        let float = Expr::bin(Bin::Min, Expr::bin(Bin::Max, Expr::X, Expr::Const(lo)), Expr::Const(hi));
        let float = if hi.is_finite() { float } else { Expr::bin(Bin::Max, Expr::X, Expr::Const(lo)) };
        let y = im.g.map(x, float, Kind::Float);
        let clip = (form.clip.0.max(lo), form.clip.1.min(hi));
        im.quantised.insert(y, Quantised { clip, ..form });
        return Ok(Some(vec![y]));
    }
    let moves =
        ["MaxPool", "GlobalMaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Identity"];
    if !moves.contains(&n.op.as_str()) || form.scales.len() != 1 || form.clip != NO_CLIP || n.outputs.len() > 1 {
        return Ok(None);
    }
    let name = format!("{}/integers", n.name);
    im.env.insert(name.clone(), form.ints);
    let mut names = n.inputs.clone();
    names[0] = name;
    let node = n.with_inputs(names);
    let families = [super::pool::import, super::shape::import, super::elementwise::import];
    for family in families {
        if let Some(out) = family(im, &node)? {
            let Some(&ints) = out.first() else { return Ok(None) };
            return scaled(im, n, Quantised { ints, ..form }).map(|y| Some(vec![y]));
        }
    }
    Ok(None)
}

/// Outputs are the bytes, the scale and the offset; the scale is the spread of the input, with 0, over 255.
fn dynamic(im: &mut Importer, n: &Node) -> Result<Vec<TensorId>> {
    let x = im.arg(n, 0)?;
    let cells = im.g.get(x).cells();
    let shape = im.g.shape(x).to_vec();
    let row = im.g.reshape(x, vec![cells]);
    let zero = im.fresh(vec![1], Kind::Float, vec![0.0]);
    let minus = Expr::affine(-1.0, 0.0);
    let below = im.g.map(row, minus.clone(), Kind::Float);
    let mut top = |row: TensorId| {
        let with_zero = im.g.concat(&[row, zero], 0);
        im.g.max_last(with_zero)
    };
    let (high, low) = (top(row), top(below));
    let spread = im.g.combine(&[1], Kind::Float, &[(1.0, high), (1.0, low)], 0.0);
    let divide = |im: &mut Importer, num: TensorId| {
        let shape = im.g.shape(num).to_vec();
        let den = im.g.broadcast(spread, &shape);
        im.g.op(shape, Kind::Int, RealOp::RoundDiv { num, den, times: 255 })
    };
    let offset = divide(im, low);
    let offset = requantise(im, offset, vec![1.0], 0, (0, 0, 255));
    let parts = divide(im, row);
    let sum = im.g.binary(Bin::Add, parts, offset).ok_or_else(|| im.clash(n, parts, offset))?;
    let bytes = requantise(im, sum, vec![1.0], 0, (0, 0, 255));
    let scale = im.g.map(spread, Expr::affine(1.0 / 255.0, 0.0), Kind::Float);
    for name in n.outputs.iter().step_by(2) {
        im.types.insert(name.clone(), DType::Int { bits: 8, signed: false });
    }
    Ok(vec![im.g.reshape(bytes, shape), im.g.reshape(scale, Vec::new()), im.g.reshape(offset, Vec::new())])
}
