//! Resizing: along each axis every output cell is a fixed weighted sum of a few input cells.

use proveil_graph::{Access, Affine, TensorId};

use super::Importer;
use super::conv::{to_first, to_last};
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::Expr;
use crate::real::{RealOp, RealPiece};
use crate::tensor::Kind;

/// One output cell: input cells with their weights; none where the extrapolation value stands.
type Taps = Vec<(usize, f64)>;

/// Longest period of the pattern of taps that is looked for.
const MAX_PERIOD: usize = 16;

#[derive(Clone, Copy, PartialEq)]
enum Filter {
    Nearest,
    Linear,
    Cubic(f64),
}

/// What a node says about all its axes.
struct Method {
    filter: Filter,
    /// How positions of the output are mapped to the input.
    coordinates: String,
    /// How a position between cells chooses one.
    nearest: String,
    antialias: bool,
    exclude_outside: bool,
    extrapolation: f64,
}

/// Lengths of one axis, and the factor between them.
struct Axis {
    from: usize,
    to: usize,
    scale: f64,
    /// Start and end of the region for `tf_crop_and_resize`.
    region: (f64, f64),
}

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() || !matches!(n.op.as_str(), "Resize" | "Upsample") {
        return Ok(None);
    }
    let x = im.arg(n, 0)?;
    let method = method(n)?;
    let axes = axes(im, n, x, &method)?;
    let to: Vec<usize> = axes.iter().map(|a| a.to).collect();
    im.limits.cells(&n.name, &to)?;
    let shift = method.extrapolation;
    let moved = axes.iter().any(|a| taps(a, &method).iter().any(Vec::is_empty)) && shift != 0.0;
    let kind = im.g.kind(x);
    let mut y = if moved { im.g.map(x, Expr::affine(1.0, -shift), kind) } else { x };
    // Images are kept channel-last.
    let rank = axes.len();
    let images = rank >= 3 && axes[1].from == axes[1].to;
    if images {
        y = to_last(im, y);
    }
    let kind = if method.filter == Filter::Nearest { kind } else { Kind::Float };
    for (a, axis) in axes.iter().enumerate() {
        let place = match (images, a) {
            (true, 1) => rank - 1,
            (true, a) if a > 1 => a - 1,
            _ => a,
        };
        y = resample(im, y, place, &taps(axis, &method), kind);
    }
    if images {
        y = to_first(im, y);
    }
    let y = if moved { im.g.map(y, Expr::affine(1.0, shift), kind) } else { y };
    Ok(Some(vec![y]))
}

fn method(n: &Node) -> Result<Method> {
    let old = n.op == "Upsample" || n.opset < 11;
    let text = |name: &str, default: &str| {
        Ok::<String, crate::FrontendError>(n.string(name)?.unwrap_or_else(|| default.into()))
    };
    let filter = match text("mode", "nearest")?.as_str() {
        "nearest" => Filter::Nearest,
        "linear" | "bilinear" => Filter::Linear,
        "cubic" => Filter::Cubic(n.float("cubic_coeff_a")?.unwrap_or(-0.75)),
        other => return Err(n.unsupported(format!("mode `{other}`"), "use nearest, linear or cubic")),
    };
    let coordinates = if old { "asymmetric".into() } else { text("coordinate_transformation_mode", "half_pixel")? };
    let known = [
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_half_pixel_for_nn",
        "tf_crop_and_resize",
    ];
    if !known.contains(&coordinates.as_str()) {
        let reason = format!("coordinate_transformation_mode `{coordinates}`");
        return Err(n.unsupported(reason, format!("use one of {}", known.join(", "))));
    }
    let nearest = if old { "floor".into() } else { text("nearest_mode", "round_prefer_floor")? };
    if !["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].contains(&nearest.as_str()) {
        let hint = "use round_prefer_floor, round_prefer_ceil, floor or ceil";
        return Err(n.unsupported(format!("nearest_mode `{nearest}`"), hint));
    }
    Ok(Method {
        filter,
        coordinates,
        nearest,
        antialias: n.int("antialias")? == Some(1),
        exclude_outside: n.int("exclude_outside")? == Some(1),
        extrapolation: n.float("extrapolation_value")?.unwrap_or(0.0),
    })
}

/// Lengths from scales or sizes, for the axes that the node names.
fn axes(im: &Importer, n: &Node, x: TensorId, method: &Method) -> Result<Vec<Axis>> {
    let shape = im.g.shape(x).to_vec();
    let rank = shape.len();
    let named: Vec<usize> = match n.ints("axes")? {
        Some(v) => v.iter().map(|&a| im.axis(n, a, rank)).collect::<Result<_>>()?,
        None => (0..rank).collect(),
    };
    let newer = n.op == "Resize" && n.opset >= 11;
    let some = |v: Option<Vec<f64>>| v.filter(|v| !v.is_empty());
    let scales = match n.floats("scales")? {
        Some(v) => Some(v),
        None => some(im.const_arg(n, if newer { 2 } else { 1 })?),
    };
    let sizes = if newer { some(im.const_arg(n, 3)?) } else { None };
    let region = if newer && method.coordinates == "tf_crop_and_resize" { some(im.const_arg(n, 1)?) } else { None };
    let fits = |v: &[f64], times: usize, what: &str| {
        let good = v.len() == times * named.len() && v.iter().all(|s| s.is_finite());
        if good { Ok(()) } else { Err(n.malformed(format!("the {what} {v:?} do not fit {} axes", named.len()))) }
    };
    let mut out: Vec<Axis> =
        shape.iter().map(|&len| Axis { from: len, to: len, scale: 1.0, region: (0.0, 1.0) }).collect();
    if let Some(r) = &region {
        fits(r, 2, "regions")?;
        named.iter().enumerate().for_each(|(i, &a)| out[a].region = (r[i], r[i + named.len()]));
    }
    match (scales, sizes) {
        (_, Some(sizes)) => {
            fits(&sizes, 1, "sizes")?;
            let factors: Vec<f64> = named.iter().zip(&sizes).map(|(&a, s)| s / shape[a] as f64).collect();
            let common = match n.string("keep_aspect_ratio_policy")?.as_deref() {
                Some("not_larger") => Some(factors.iter().copied().fold(f64::INFINITY, f64::min)),
                Some("not_smaller") => Some(factors.iter().copied().fold(0.0, f64::max)),
                _ => None,
            };
            for (i, &a) in named.iter().enumerate() {
                out[a].scale = common.unwrap_or(factors[i]);
                let to = common.map_or(sizes[i], |c| (c * shape[a] as f64 + 0.5).floor());
                out[a].to = to.max(0.0) as usize;
            }
        }
        (Some(scales), None) => {
            fits(&scales, 1, "scales")?;
            for (i, &a) in named.iter().enumerate() {
                let (start, end) = out[a].region;
                out[a].scale = scales[i];
                // Scales are single-precision numbers: 4.2 times 5 is meant to be 21.
                let length = shape[a] as f64 * (end - start) * scales[i];
                out[a].to = (length + 1e-5 * length.abs().max(1e-3)).floor().max(0.0) as usize;
            }
        }
        (None, None) => return Err(n.malformed("has neither scales nor sizes; export the model again")),
    }
    if out.iter().any(|a| a.to == 0 || a.from == 0 || a.scale <= 0.0) {
        return Err(n.malformed("an axis of the result has no cells; give scales and sizes above 0"));
    }
    Ok(out)
}

/// Position in the input of an output cell.
fn position(o: usize, axis: &Axis, mode: &str) -> f64 {
    let (o, from, to) = (o as f64, axis.from as f64, axis.to as f64);
    let half = (o + 0.5) / axis.scale - 0.5;
    match mode {
        "asymmetric" => o / axis.scale,
        "align_corners" if axis.to == 1 => 0.0,
        "align_corners" => o * (from - 1.0) / (to - 1.0),
        "pytorch_half_pixel" if axis.to == 1 => 0.0,
        "tf_half_pixel_for_nn" => (o + 0.5) / axis.scale,
        "half_pixel_symmetric" => {
            let adjustment = to / (axis.scale * from);
            from / 2.0 * (1.0 - adjustment) + half
        }
        "tf_crop_and_resize" => {
            let (start, end) = axis.region;
            if axis.to > 1 {
                start * (from - 1.0) + o * (end - start) * (from - 1.0) / (to - 1.0)
            } else {
                0.5 * (start + end) * (from - 1.0)
            }
        }
        _ => half,
    }
}

fn kernel(filter: Filter, distance: f64) -> f64 {
    let t = distance.abs();
    match filter {
        Filter::Cubic(a) if t <= 1.0 => ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
        Filter::Cubic(a) if t < 2.0 => ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a,
        Filter::Cubic(_) => 0.0,
        _ => (1.0 - t).max(0.0),
    }
}

fn taps(axis: &Axis, method: &Method) -> Vec<Taps> {
    if axis.from == axis.to && axis.scale == 1.0 && axis.region == (0.0, 1.0) {
        return (0..axis.to).map(|o| vec![(o, 1.0)]).collect();
    }
    (0..axis.to).map(|o| cell_taps(position(o, axis, &method.coordinates), axis, method)).collect()
}

fn cell_taps(at: f64, axis: &Axis, method: &Method) -> Taps {
    let last = axis.from as i64 - 1;
    // Positions are quotients of small numbers: what is this close to a whole number or a half is meant to be one.
    let at = if (at * 2.0 - (at * 2.0).round()).abs() < 1e-6 { (at * 2.0).round() / 2.0 } else { at };
    if method.coordinates == "tf_crop_and_resize" && (at < 0.0 || at > last as f64) {
        return Vec::new();
    }
    let clamp = |i: i64| i.clamp(0, last) as usize;
    if method.filter == Filter::Nearest {
        let i = match method.nearest.as_str() {
            "floor" => at.floor(),
            "ceil" => at.ceil(),
            "round_prefer_ceil" => (at + 0.5).floor(),
            _ => (at - 0.5).ceil(),
        };
        return vec![(clamp(i as i64), 1.0)];
    }
    let narrow = if method.antialias { axis.scale.min(1.0) } else { 1.0 };
    let reach = if matches!(method.filter, Filter::Linear) { 1.0 } else { 2.0 } / narrow;
    let mut out: Taps = Vec::new();
    let (from, to) = ((at - reach).floor() as i64, (at + reach).ceil() as i64);
    for i in from..=to {
        let w = kernel(method.filter, (i as f64 - at) * narrow);
        if w == 0.0 || (method.exclude_outside && !(0..=last).contains(&i)) {
            continue;
        }
        match out.iter_mut().find(|(j, _)| *j == clamp(i)) {
            Some((_, sum)) => *sum += w,
            None => out.push((clamp(i), w)),
        }
    }
    let total: f64 = out.iter().map(|t| t.1).sum();
    out.iter().map(|&(i, w)| (i, w / total)).collect()
}

/// A box of output cells `period * j + phase` that read their `k`-th tap at a constant step with one weight.
struct Piece {
    phase: usize,
    first: usize,
    len: usize,
    at: usize,
    step: i64,
    weight: f64,
}

fn pieces(rows: &[Taps], period: usize) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let depth = rows.iter().map(Vec::len).max().unwrap_or(0);
    for phase in 0..period {
        for k in 0..depth {
            let mut open: Option<Piece> = None;
            for (j, row) in rows.iter().skip(phase).step_by(period).enumerate() {
                let Some(&(at, weight)) = row.get(k) else {
                    out.extend(open.take());
                    continue;
                };
                if let Some(p) = &mut open {
                    let last = p.at as i64 + p.step * (p.len as i64 - 1);
                    let step = at as i64 - last;
                    if (p.weight - weight).abs() < 1e-7 && (p.len == 1 || p.step == step) {
                        (p.step, p.len) = (step, p.len + 1);
                        continue;
                    }
                }
                out.extend(open.replace(Piece { phase, first: j, len: 1, at, step: 0, weight }));
            }
            out.extend(open);
        }
    }
    out
}

/// Replaces an axis by weighted sums of its cells. Strided boxes of outputs become boxes by splitting the axis.
fn resample(im: &mut Importer, x: TensorId, axis: usize, rows: &[Taps], kind: Kind) -> TensorId {
    let from = im.g.shape(x).to_vec();
    let same = rows.len() == from[axis] && rows.iter().enumerate().all(|(o, r)| r[..] == [(o, 1.0)]);
    if same {
        return x;
    }
    let periods = (1..=MAX_PERIOD).filter(|p| rows.len().is_multiple_of(*p));
    let Some(period) = periods.min_by_key(|&p| pieces(rows, p).len()) else { return x };
    let mut shape = from.clone();
    shape[axis] = rows.len() / period;
    shape.insert(axis + 1, period);
    let list = pieces(rows, period)
        .into_iter()
        .map(|p| {
            let (mut start, mut extents) = (vec![0; shape.len()], shape.clone());
            (start[axis], extents[axis]) = (p.first, p.len);
            (start[axis + 1], extents[axis + 1]) = (p.phase, 1);
            let axes = (0..from.len())
                .map(|a| match a.cmp(&axis) {
                    std::cmp::Ordering::Less => Affine::var(a),
                    std::cmp::Ordering::Equal if p.step == 0 => Affine { terms: Vec::new(), offset: p.at as i64 },
                    std::cmp::Ordering::Equal => Affine::new(&[(a, p.step)], p.at as i64),
                    std::cmp::Ordering::Greater => Affine::var(a + 1),
                })
                .collect();
            let access = Access { tensor: x, axes };
            RealPiece { start, extents, sum: Vec::new(), coef: p.weight, access }
        })
        .collect();
    let y = im.g.op(shape, kind, RealOp::Linear { pieces: list, constant: 0.0 });
    let mut out = from;
    out[axis] = rows.len();
    im.g.reshape(y, out)
}
