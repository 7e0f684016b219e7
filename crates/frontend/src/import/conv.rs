//! Convolutions, computed channel-last.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::Bin;

/// Attributes shared by convolution and pooling, one entry for each spatial axis.
pub(super) struct Window {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub dilations: Vec<usize>,
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    /// Output lengths.
    pub out: Vec<usize>,
}

/// Reads the attributes for an input with the given spatial lengths.
pub(super) fn window(n: &Node, spatial: &[usize], kernel: &[usize]) -> Result<Window> {
    let dims = spatial.len();
    let list = |name: &str, default: usize| -> Result<Vec<usize>> {
        match n.ints(name)? {
            None => Ok(vec![default; dims]),
            Some(v) if v.len() == dims && v.iter().all(|&x| x >= 1) => Ok(v.iter().map(|&x| x as usize).collect()),
            Some(v) => Err(n.malformed(format!("attribute `{name}` is {v:?}; give {dims} positive numbers"))),
        }
    };
    let (strides, dilations) = (list("strides", 1)?, list("dilations", 1)?);
    let span: Vec<usize> = (0..dims).map(|a| dilations[a].saturating_mul(kernel[a] - 1).saturating_add(1)).collect();
    let (mut before, mut after) = (vec![0; dims], vec![0; dims]);
    match n.string("auto_pad")?.as_deref() {
        Some(mode @ ("SAME_UPPER" | "SAME_LOWER")) => {
            for a in 0..dims {
                let positions = spatial[a].div_ceil(strides[a]);
                let total = ((positions - 1) * strides[a] + span[a]).saturating_sub(spatial[a]);
                before[a] = if mode == "SAME_UPPER" { total / 2 } else { total.div_ceil(2) };
                after[a] = total - before[a];
            }
        }
        Some("VALID") => {}
        _ => {
            if let Some(pads) = n.ints("pads")? {
                if pads.len() != 2 * dims || pads.iter().any(|&p| !(0..1 << 20).contains(&p)) {
                    return Err(n.malformed(format!("attribute `pads` is {pads:?}; give {} numbers from 0", 2 * dims)));
                }
                before = pads[..dims].iter().map(|&p| p as usize).collect();
                after = pads[dims..].iter().map(|&p| p as usize).collect();
            }
        }
    }
    let ceil = n.int("ceil_mode")? == Some(1);
    let mut out = Vec::new();
    for a in 0..dims {
        let padded = spatial[a] + before[a] + after[a];
        let room = padded.checked_sub(span[a]).ok_or_else(|| {
            n.malformed(format!("the kernel spans {} cells but axis {a} has {padded}; use a smaller kernel", span[a]))
        })?;
        let mut positions = (if ceil { room.div_ceil(strides[a]) } else { room / strides[a] }) + 1;
        if ceil && (positions - 1) * strides[a] >= spatial[a] + before[a] {
            positions -= 1;
        }
        out.push(positions);
    }
    Ok(Window { kernel: kernel.to_vec(), strides, dilations, before, after, out })
}

/// `[n, c, ..]` to `[n, .., c]`.
pub(super) fn to_last(im: &mut Importer, x: TensorId) -> TensorId {
    let rank = im.g.shape(x).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.remove(1);
    perm.push(1);
    im.g.permute(x, &perm)
}

/// `[n, .., c]` to `[n, c, ..]`.
pub(super) fn to_first(im: &mut Importer, x: TensorId) -> TensorId {
    let rank = im.g.shape(x).len();
    let mut perm: Vec<usize> = (0..rank - 1).collect();
    perm.insert(1, rank - 1);
    im.g.permute(x, &perm)
}

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if n.op != "Conv" || !n.domain.is_empty() {
        return Ok(None);
    }
    let (x, w) = (im.arg(n, 0)?, im.arg(n, 1)?);
    let (sx, sw) = (im.g.shape(x).to_vec(), im.g.shape(w).to_vec());
    let groups = usize::try_from(n.int("group")?.unwrap_or(1)).unwrap_or(0);
    if groups == 0
        || sx.len() < 3
        || sw.len() != sx.len()
        || sw.contains(&0)
        || sw[0] % groups != 0
        || sw[1].checked_mul(groups) != Some(sx[1])
    {
        return Err(n.malformed(format!("input {sx:?} and kernel {sw:?} with {groups} groups do not fit")));
    }
    let win = window(n, &sx[2..], &sw[2..])?;
    let dims = sx.len() - 2;
    let mut perm: Vec<usize> = (2..sw.len()).collect();
    perm.extend([0, 1]);
    let (xl, wl) = (to_last(im, x), im.g.permute(w, &perm));
    let (per_out, per_in) = (sw[0] / groups, sw[1]);
    // Variables: image, positions, group, channel of the group | kernel cell, input channel of the group.
    let mut extents = vec![sx[0]];
    extents.extend(&win.out);
    extents.extend([groups, per_out]);
    extents.extend(&win.kernel);
    extents.push(per_in);
    let (group, out, cell, inner) = (dims + 1, dims + 2, dims + 3, 2 * dims + 3);
    let mut ax = vec![Affine::var(0)];
    let mut aw = Vec::new();
    for a in 0..dims {
        let terms = [(a + 1, win.strides[a] as i64), (cell + a, win.dilations[a] as i64)];
        ax.push(Affine::new(&terms, -(win.before[a] as i64)));
        aw.push(Affine::var(cell + a));
    }
    let channel = |var: usize, per: usize| {
        let mut terms = Vec::new();
        if groups > 1 {
            terms.push((group, per as i64));
        }
        if per > 1 || groups == 1 {
            terms.push((var, 1));
        }
        Affine::new(&terms, 0)
    };
    ax.push(channel(inner, per_in));
    aw.extend([channel(out, per_out), Affine::var(inner)]);
    let lhs = Access { tensor: wl, axes: aw };
    let rhs = Access { tensor: xl, axes: ax };
    // One of group and channel is enough where the other has length 1.
    let mut axes: Vec<usize> = (0..=out).collect();
    if groups == 1 {
        axes.retain(|&v| v != group);
    } else if per_out == 1 {
        axes.retain(|&v| v != out);
    }
    let mut y = im.g.contract(Contract { extents, out: axes, lhs, rhs });
    let mut shape = vec![sx[0]];
    shape.extend(&win.out);
    shape.push(sw[0]);
    y = im.g.reshape(y, shape);
    if let Some(bias) = im.opt(n, 2)? {
        y = im.g.binary(Bin::Add, y, bias).ok_or_else(|| im.clash(n, y, bias))?;
    }
    Ok(Some(vec![to_first(im, y)]))
}
