//! Pooling: maxima as trees of two, averages as sums.

use proveil_graph::{Access, Affine, TensorId};

use super::Importer;
use super::conv::{Window, to_first, to_last, window};
use crate::error::Result;
use crate::onnx::Node;
use crate::real::expr::{Bin, Expr, Un};
use crate::real::{RealOp, RealPiece};
use crate::tensor::Kind;

const KNOWN: [&str; 6] = ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "MaxPool", "AveragePool", "LpPool"];

pub(super) fn import(im: &mut Importer, n: &Node) -> Result<Option<Vec<TensorId>>> {
    if !n.domain.is_empty() || !KNOWN.contains(&n.op.as_str()) {
        return Ok(None);
    }
    let x = im.arg(n, 0)?;
    let shape = im.g.shape(x).to_vec();
    if shape.len() < 3 {
        return Err(n.malformed(format!("input {shape:?} has no spatial axes; give [n, c, ..]")));
    }
    let spatial = shape[2..].to_vec();
    let xl = to_last(im, x);
    let win = match n.op.as_str() {
        "GlobalAveragePool" => {
            let axes: Vec<usize> = (1..=spatial.len()).collect();
            let y = im.g.sum(xl, &axes, true, 1.0 / spatial.iter().product::<usize>() as f64);
            return Ok(Some(vec![to_first(im, y)]));
        }
        "GlobalMaxPool" => {
            let whole = Window {
                kernel: spatial.clone(),
                strides: spatial.clone(),
                dilations: vec![1; spatial.len()],
                before: vec![0; spatial.len()],
                after: vec![0; spatial.len()],
                out: vec![1; spatial.len()],
            };
            let y = maxima(im, xl, &whole);
            return Ok(Some(vec![to_first(im, y)]));
        }
        "GlobalLpPool" => {
            let y = global_norm(im, n, xl)?;
            return Ok(Some(vec![to_first(im, y)]));
        }
        "MaxPool" | "AveragePool" | "LpPool" => {
            let kernel = n.ints("kernel_shape")?.unwrap_or_default();
            if kernel.len() != spatial.len() || kernel.iter().any(|&k| !(1..1 << 20).contains(&k)) {
                return Err(n.malformed(format!("attribute `kernel_shape` is {kernel:?} for input {shape:?}")));
            }
            window(n, &spatial, &kernel.iter().map(|&k| k as usize).collect::<Vec<_>>())?
        }
        _ => return Ok(None),
    };
    let y = if n.op == "MaxPool" {
        if n.outputs.len() > 1 && !n.outputs[1].is_empty() {
            return Err(n.unsupported("the indices of the maxima are used", "use the first output only"));
        }
        maxima(im, xl, &win)
    } else if n.op == "LpPool" {
        let p = n.int("p")?.unwrap_or(2);
        let powers = powers(im, n, xl, p)?;
        let sum = sums(im, powers, &win, &spatial, None);
        root(im, sum, p)
    } else {
        sums(im, xl, &win, &spatial, Some(n.int("count_include_pad")? == Some(1)))
    };
    Ok(Some(vec![to_first(im, y)]))
}

/// Maxima along one spatial axis after the other: `k + k` cells of work instead of `k * k`.
fn maxima(im: &mut Importer, x: TensorId, win: &Window) -> TensorId {
    let mut y = x;
    for a in 0..win.kernel.len() {
        let len = im.g.shape(y)[a + 1] as i64;
        let at = |o: usize, k: usize| (o * win.strides[a] + k * win.dilations[a]) as i64 - win.before[a] as i64;
        // Cells outside the input repeat a cell of the same window, which changes no maximum.
        let inside = |o: usize| (0..win.kernel[a]).map(|k| at(o, k)).find(|i| (0..len).contains(i)).unwrap_or(0);
        let mut level: Vec<TensorId> = (0..win.kernel[a])
            .map(|k| {
                let index = |o: usize| if (0..len).contains(&at(o, k)) { at(o, k) } else { inside(o) };
                let indices: Vec<usize> = (0..win.out[a]).map(|o| index(o) as usize).collect();
                im.g.take(y, a + 1, &indices)
            })
            .collect();
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| match *pair {
                    [l, r] => {
                        let (shape, kind) = (im.g.shape(l).to_vec(), im.g.kind(l));
                        im.g.op(shape, kind, RealOp::Max(l, r))
                    }
                    _ => pair[0],
                })
                .collect();
        }
        y = level[0];
    }
    y
}

/// Runs of output positions with equal divisors along one axis: `(first, length, divisor)`.
fn divisors(win: &Window, a: usize, len: usize, with_pad: bool) -> Vec<(usize, usize, usize)> {
    let (from, to) =
        if with_pad { (0, len + win.before[a] + win.after[a]) } else { (win.before[a], win.before[a] + len) };
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for o in 0..win.out[a] {
        let count = (0..win.kernel[a])
            .filter(|k| (from..to).contains(&(o * win.strides[a] + k * win.dilations[a])))
            .count()
            .max(1);
        match runs.last_mut() {
            Some((_, n, c)) if *c == count => *n += 1,
            _ => runs.push((o, 1, count)),
        }
    }
    runs
}

/// The norm over all positions of a channel-last image.
fn global_norm(im: &mut Importer, n: &Node, x: TensorId) -> Result<TensorId> {
    let p = n.int("p")?.unwrap_or(2);
    let axes: Vec<usize> = (1..im.g.shape(x).len() - 1).collect();
    let powers = powers(im, n, x, p)?;
    let sum = im.g.sum(powers, &axes, true, 1.0);
    Ok(root(im, sum, p))
}

/// `|x|^p`.
fn powers(im: &mut Importer, n: &Node, x: TensorId, p: i64) -> Result<TensorId> {
    let f = match p {
        1 => Expr::un(Un::Abs, Expr::X),
        2 => Expr::bin(Bin::Mul, Expr::X, Expr::X),
        p if p > 2 => Expr::bin(Bin::Pow, Expr::un(Un::Abs, Expr::X), Expr::Const(p as f64)),
        p => return Err(n.malformed(format!("attribute `p` is {p}; give a positive number"))),
    };
    Ok(im.g.map(x, f, Kind::Float))
}

/// `x^(1/p)`.
fn root(im: &mut Importer, x: TensorId, p: i64) -> TensorId {
    match p {
        1 => x,
        2 => im.g.un(Un::Sqrt, x),
        p => im.g.map(x, Expr::bin(Bin::Pow, Expr::X, Expr::Const(1.0 / p as f64)), Kind::Float),
    }
}

/// Sums over windows; averages if it is said whether padding counts.
fn sums(im: &mut Importer, x: TensorId, win: &Window, spatial: &[usize], average: Option<bool>) -> TensorId {
    let dims = spatial.len();
    let shape = im.g.shape(x).to_vec();
    let mut out = vec![shape[0]];
    out.extend(&win.out);
    out.push(shape[dims + 1]);
    let mut boxes = vec![(vec![0], vec![shape[0]], 1.0)];
    for (a, &len) in spatial.iter().enumerate() {
        let runs = match average {
            Some(with_pad) => divisors(win, a, len, with_pad),
            None => vec![(0, win.out[a], 1)],
        };
        boxes = boxes
            .iter()
            .flat_map(|(s, e, c)| {
                runs.iter().map(move |&(first, n, count)| {
                    ([&s[..], &[first]].concat(), [&e[..], &[n]].concat(), c / count as f64)
                })
            })
            .collect();
    }
    let pieces = boxes
        .into_iter()
        .map(|(mut start, mut extents, coef)| {
            let mut axes = vec![Affine::var(0)];
            for a in 0..dims {
                let offset = (start[a + 1] * win.strides[a]) as i64 - win.before[a] as i64;
                let terms = [(a + 1, win.strides[a] as i64), (dims + 2 + a, win.dilations[a] as i64)];
                axes.push(Affine::new(&terms, offset));
            }
            axes.push(Affine::var(dims + 1));
            start.push(0);
            extents.push(shape[dims + 1]);
            RealPiece { start, extents, sum: win.kernel.clone(), coef, access: Access { tensor: x, axes } }
        })
        .collect();
    im.g.op(out, Kind::Float, RealOp::Linear { pieces, constant: 0.0 })
}
