//! Transposed convolutions. With stride `s`, output cell `s q + r` reads input cell `q - m` through kernel cell
//! `r + s m`: for each phase `r` a plain convolution, and all phases are one contraction.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::Importer;
use super::conv::{to_first, to_last};
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::Bin;
use crate::real::{RealOp, RealPiece};

/// Upper limit of attributes that are lengths.
const MAX_LENGTH: i64 = 1 << 20;

/// Attributes, one entry for each spatial axis.
struct Window {
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// Cells cut off before the output.
    before: Vec<usize>,
    out: Vec<usize>,
}

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if n.op != "ConvTranspose" || !n.domain.is_empty() {
        return Ok(None);
    }
    let (x, w) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let (sx, sw) = (im.g.shape(x).to_vec(), im.g.shape(w).to_vec());
    let groups = usize::try_from(n.int("group")?.unwrap_or(1)).unwrap_or(0);
    let fits = sx.len() >= 3 && sw.len() == sx.len() && sw[0] == sx[1] && !sw.contains(&0) && !sx.contains(&0);
    if !fits || groups == 0 || !sw[0].is_multiple_of(groups) {
        return Err(n.malformed(format!("input {sx:?} and kernel {sw:?} with {groups} groups do not fit")));
    }
    if let Some(k) = n.ints("kernel_shape")?
        && !k.iter().copied().eq(sw[2..].iter().map(|&v| v as i64))
    {
        return Err(n.malformed(format!("attribute `kernel_shape` is {k:?} for a kernel {sw:?}")));
    }
    let win = window(n, &sx[2..], &sw[2..])?;
    let shape = [&[sx[0], sw[1].saturating_mul(groups)], &win.out[..]].concat();
    im.limits.cells(&n.name, &shape)?;
    // What is made on the way may be larger than the result.
    let wide = |base: &[usize], length: &dyn Fn(usize) -> usize| -> Vec<usize> {
        base.iter().copied().chain((0..sx.len() - 2).map(length)).collect()
    };
    im.limits.cells(&n.name, &wide(&sw[..2], &|a| sw[a + 2].saturating_mul(win.dilations[a])))?;
    let full = |a: usize| (win.before[a].saturating_add(win.out[a])).saturating_add(win.strides[a]);
    im.limits.cells(&n.name, &wide(&shape[..2], &full))?;
    let w = dilated(im, w, &win.dilations);
    let mut y = products(im, x, w, groups, &win);
    if let Some(bias) = im.opt(n, 2)? {
        y = im.g.binary(Bin::Add, y, bias).ok_or_else(|| im.clash(n, y, bias))?;
    }
    Ok(Some(vec![to_first(im, y)]))
}

fn window(n: &Node, spatial: &[usize], kernel: &[usize]) -> Result<Window> {
    let dims = spatial.len();
    let list = |name: &str, count: usize, least: i64, default: usize| -> Result<Vec<usize>> {
        match n.ints(name)? {
            None => Ok(vec![default; count]),
            Some(v) if v.len() == count && v.iter().all(|x| (least..MAX_LENGTH).contains(x)) => {
                Ok(v.iter().map(|&x| x as usize).collect())
            }
            Some(v) => {
                Err(n.malformed(format!("attribute `{name}` is {v:?}; give {count} numbers of at least {least}")))
            }
        }
    };
    let (strides, dilations) = (list("strides", dims, 1, 1)?, list("dilations", dims, 1, 1)?);
    let more = list("output_padding", dims, 0, 0)?;
    let pads = list("pads", 2 * dims, 0, 0)?;
    let mode = n.string("auto_pad")?.unwrap_or_else(|| "NOTSET".into());
    let wanted = match n.ints("output_shape")?.filter(|v| !v.is_empty()) {
        Some(v) if v.len() >= dims && v.iter().all(|x| (1..MAX_LENGTH).contains(x)) => {
            Some(v[v.len() - dims..].iter().map(|&x| x as usize).collect::<Vec<_>>())
        }
        Some(v) => return Err(n.malformed(format!("attribute `output_shape` is {v:?}; give {dims} positive numbers"))),
        None if mode.starts_with("SAME") => Some((0..dims).map(|a| spatial[a] * strides[a]).collect()),
        None => None,
    };
    let (mut before, mut out) = (Vec::new(), Vec::new());
    for a in 0..dims {
        let span = (kernel[a] - 1).saturating_mul(dilations[a]).saturating_add(1);
        let full = (spatial[a] - 1).saturating_mul(strides[a]).saturating_add(span).saturating_add(more[a]);
        let (cut, length) = match &wanted {
            Some(w) => {
                let total = full.saturating_sub(w[a]);
                (if mode == "SAME_UPPER" { total / 2 } else { total.div_ceil(2) }, w[a])
            }
            None if mode == "VALID" => (0, full),
            None => {
                let length = full.checked_sub(pads[a] + pads[dims + a]).filter(|&l| l > 0);
                let length = length.ok_or_else(|| n.malformed(format!("the pads leave nothing of axis {a}")))?;
                (pads[a], length)
            }
        };
        before.push(cut);
        out.push(length);
    }
    Ok(Window { strides, dilations, before, out })
}

/// The kernel `[c, m, ..]` with zeros between its cells.
fn dilated(im: &mut Importer, w: TensorId, dilations: &[usize]) -> TensorId {
    let mut w = w;
    for (i, &d) in dilations.iter().enumerate().filter(|(_, d)| **d > 1) {
        // One row of `d` for each cell, of which the last row is cut to its first cell.
        let (axis, from) = (i + 2, im.g.shape(w).to_vec());
        let mut wide = from.clone();
        wide.insert(axis + 1, d);
        let mut extents = from.clone();
        extents.insert(axis + 1, 1);
        let axes = (0..from.len()).map(|a| Affine::var(if a > axis { a + 1 } else { a })).collect();
        let piece = RealPiece {
            start: vec![0; wide.len()],
            extents,
            sum: Vec::new(),
            coef: 1.0,
            access: Access { tensor: w, axes },
        };
        let kind = im.g.kind(w);
        let spread = im.g.op(wide, kind, RealOp::Linear { pieces: vec![piece], constant: 0.0 });
        let mut flat = from.clone();
        flat[axis] *= d;
        let spread = im.g.reshape(spread, flat.clone());
        flat[axis] -= d - 1;
        w = im.g.slice(spread, &vec![0; flat.len()], &flat, &vec![1; flat.len()]);
    }
    w
}

/// The products, channel-last, cut to the output.
fn products(im: &mut Importer, x: TensorId, w: TensorId, groups: usize, win: &Window) -> TensorId {
    let (sx, sw) = (im.g.shape(x).to_vec(), im.g.shape(w).to_vec());
    let dims = sx.len() - 2;
    let (per_in, per_out) = (sw[0] / groups, sw[1]);
    let mut perm: Vec<usize> = (2..sw.len()).collect();
    perm.extend([1, 0]);
    let (xl, wl) = (to_last(im, x), im.g.permute(w, &perm));
    // Variables: image, quotient and phase of each position, group, channel of the group | kernel cell, inner channel.
    let (group, out) = (1 + 2 * dims, 2 + 2 * dims);
    let (cell, inner) = (out + 1, out + 1 + dims);
    let mut extents = vec![sx[0]];
    let (mut ax, mut aw) = (vec![Affine::var(0)], Vec::new());
    let mut lengths = Vec::new();
    for a in 0..dims {
        let (q, r, m) = (1 + 2 * a, 2 + 2 * a, cell + a);
        let s = win.strides[a];
        let quotients = (win.before[a] + win.out[a]).div_ceil(s);
        extents.extend([quotients, s]);
        lengths.push(quotients * s);
        ax.push(Affine::new(&[(q, 1), (m, -1)], 0));
        let terms = if s > 1 { vec![(r, 1), (m, s as i64)] } else { vec![(m, 1)] };
        aw.push(Affine::new(&terms, 0));
    }
    extents.extend([groups, per_out]);
    extents.extend((0..dims).map(|a| sw[2 + a].div_ceil(win.strides[a])));
    extents.push(per_in);
    ax.push(Affine::new(&[(group, per_in as i64), (inner, 1)], 0));
    aw.push(Affine::var(out));
    aw.push(Affine::new(&[(group, per_in as i64), (inner, 1)], 0));
    let lhs = Access { tensor: wl, axes: aw };
    let rhs = Access { tensor: xl, axes: ax };
    let y = im.g.contract(Contract { extents, out: (0..=out).collect(), lhs, rhs });
    let channels = groups * per_out;
    let y = im.g.reshape(y, [&[sx[0]], &lengths[..], &[channels]].concat());
    let starts = [&[0], &win.before[..], &[0]].concat();
    let extents = [&[sx[0]], &win.out[..], &[channels]].concat();
    im.g.slice(y, &starts, &extents, &vec![1; dims + 2])
}
