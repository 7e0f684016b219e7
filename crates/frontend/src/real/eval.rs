//! Evaluates real operators in double precision, for constant folding and calibration.

use proveil_graph::{Access, Contract, TensorId};
use rayon::prelude::*;

use super::{RealGraph, RealOp, RealPiece, Source};
use crate::tensor::strides;

/// Values of all live tensors for one sample; empty vectors for the others.
pub(crate) fn run(graph: &RealGraph, live: &[bool], inputs: &[&[f64]]) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); graph.tensors.len()];
    for (id, data) in graph.inputs.iter().zip(inputs) {
        values[id.0 as usize] = data.to_vec();
    }
    for (i, t) in graph.tensors.iter().enumerate() {
        if let (true, Source::Op(op)) = (live[i], &t.source) {
            values[i] = apply(graph, op, &t.shape, &|id| cells(graph, &values, id));
        }
    }
    values
}

/// Cells of a tensor: a constant's own, otherwise those computed.
pub(crate) fn cells<'a>(graph: &'a RealGraph, values: &'a [Vec<f64>], id: TensorId) -> &'a [f64] {
    match graph.as_const(id) {
        Some(data) => data,
        None => &values[id.0 as usize],
    }
}

/// Result of one operator.
pub(crate) fn apply<'a>(
    graph: &RealGraph,
    op: &RealOp,
    shape: &[usize],
    get: &(dyn Fn(TensorId) -> &'a [f64] + Sync),
) -> Vec<f64> {
    let row = |x: TensorId| graph.shape(x).last().copied().unwrap_or(1).max(1);
    match op {
        RealOp::Linear { pieces, constant } => linear(graph, pieces, *constant, shape, get),
        RealOp::Reshape(x) => get(*x).to_vec(),
        RealOp::Contract(c) => contract(graph, c, get),
        RealOp::Map { x, f } => get(*x).par_iter().with_min_len(1024).map(|&v| f.at(v)).collect(),
        RealOp::Max(a, b) => get(*a).iter().zip(get(*b)).map(|(a, b)| a.max(*b)).collect(),
        RealOp::IntDiv { num, den } => get(*num).iter().zip(get(*den)).map(|(a, b)| (a / b).trunc()).collect(),
        RealOp::Requantise(r) => {
            let each = |(i, v): (usize, &f64)| {
                let scaled = (v * r.factors[i % r.factors.len()]).round_ties_even() + r.offset as f64;
                scaled.clamp(r.lo as f64, r.hi as f64)
            };
            get(r.x).iter().enumerate().map(each).collect()
        }
        RealOp::RoundDiv { num, den, times } => {
            let each = |(a, b): (&f64, &f64)| if *b > 0.0 { (a * *times as f64 / b).round_ties_even() } else { 0.0 };
            get(*num).iter().zip(get(*den)).map(each).collect()
        }
        RealOp::ArgMaxOneHot(x) => get(*x).chunks(row(*x)).flat_map(one_hot_row).collect(),
        RealOp::Without { x, out } => {
            let marked = |i: usize| out.iter().any(|hot| get(*hot)[i] != 0.0);
            let least = get(*x).iter().copied().fold(f64::INFINITY, f64::min);
            get(*x).iter().enumerate().map(|(i, v)| if marked(i) { least - 1.0 } else { *v }).collect()
        }
        RealOp::OneHot { x, depth } => {
            let wrap = |v: f64| if v < 0.0 { v + *depth as f64 } else { v };
            get(*x).iter().flat_map(|&v| (0..*depth).map(move |d| f64::from(u8::from(wrap(v) == d as f64)))).collect()
        }
        RealOp::Index { x, len } => {
            let end = *len as f64;
            get(*x).iter().map(|&v| if v < 0.0 { (v + end).max(0.0) } else { v.min(end - 1.0) }).collect()
        }
        RealOp::Gather { data, index } => {
            let (cells, rows) = (get(*data), graph.shape(*data)[0].max(1));
            let row = cells.len() / rows;
            get(*index).iter().flat_map(|&i| &cells[(i as usize).min(rows - 1) * row..][..row]).copied().collect()
        }
        RealOp::Reaches { x, threshold } => get(*x).iter().map(|v| f64::from(u8::from(v >= threshold))).collect(),
        RealOp::Trees { x, missing, forest } => forest.run(get(*x), missing.as_ref().map_or(&[], |m| get(m.flags))),
        RealOp::IsMissing(x) => get(*x).iter().map(|v| f64::from(u8::from(v.is_nan()))).collect(),
        RealOp::Fill { x, with } => {
            let cells = get(*x).iter().zip(get(*with).iter().cycle());
            cells.map(|(v, with)| if v.is_nan() { *with } else { *v }).collect()
        }
        RealOp::Known { x, .. } => get(*x).iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect(),
        RealOp::AddAt { x, flags, gains } => {
            let cells = get(*x).iter().zip(get(*flags)).zip(get(*gains).iter().cycle());
            cells.map(|((v, flag), gain)| v + flag * gain).collect()
        }
        RealOp::Softmax(x) => get(*x)
            .chunks(row(*x))
            .flat_map(|r| {
                let lse = log_sum_exp(r);
                r.iter().map(move |v| (v - lse).exp())
            })
            .collect(),
        RealOp::LogSumExp(x) => get(*x).chunks(row(*x)).map(log_sum_exp).collect(),
    }
}

fn one_hot_row(row: &[f64]) -> Vec<f64> {
    let mut best = 0;
    for (i, v) in row.iter().enumerate() {
        if *v > row[best] {
            best = i;
        }
    }
    (0..row.len()).map(|i| f64::from(u8::from(i == best))).collect()
}

pub(crate) fn log_sum_exp(row: &[f64]) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + row.iter().map(|v| (v - max).exp()).sum::<f64>().ln()
}

fn linear<'a>(
    graph: &RealGraph,
    pieces: &[RealPiece],
    constant: f64,
    shape: &[usize],
    get: &(dyn Fn(TensorId) -> &'a [f64] + Sync),
) -> Vec<f64> {
    let mut out = vec![constant; shape.iter().product()];
    let out_strides = strides(shape);
    for p in pieces {
        let rank = p.extents.len();
        let sums: Vec<usize> = (rank..rank + p.sum.len()).collect();
        let outs: Vec<usize> = (0..rank).collect();
        let extents = [&p.extents[..], &p.sum].concat();
        let x = Operand::new(&p.access, graph.shape(p.access.tensor), get(p.access.tensor), &extents);
        let mut at = vec![0; extents.len()];
        for i in 0..p.extents.iter().product::<usize>() {
            unravel(i, &outs, &extents, &mut at);
            let to: usize = (0..rank).map(|a| (p.start[a] + at[a]) * out_strides[a]).sum();
            out[to] += p.coef * sum_products(&mut at, &sums, &extents, &x, None);
        }
    }
    out
}

fn contract<'a>(graph: &RealGraph, c: &Contract, get: &(dyn Fn(TensorId) -> &'a [f64] + Sync)) -> Vec<f64> {
    let mut sums: Vec<usize> = (0..c.extents.len()).filter(|v| !c.out.contains(v)).collect();
    // The longest summation runs innermost.
    sums.sort_by_key(|&v| c.extents[v]);
    let lhs = Operand::new(&c.lhs, graph.shape(c.lhs.tensor), get(c.lhs.tensor), &c.extents);
    let rhs = Operand::new(&c.rhs, graph.shape(c.rhs.tensor), get(c.rhs.tensor), &c.extents);
    let cells: usize = c.out.iter().map(|&v| c.extents[v]).product();
    let mut out = vec![0.0; cells];
    let chunk = cells.div_ceil(16).max(256);
    out.par_chunks_mut(chunk).enumerate().for_each(|(n, part)| {
        let mut at = vec![0; c.extents.len()];
        for (i, cell) in part.iter_mut().enumerate() {
            unravel(n * chunk + i, &c.out, &c.extents, &mut at);
            *cell = sum_products(&mut at, &sums, &c.extents, &lhs, Some(&rhs));
        }
    });
    out
}

fn unravel(mut i: usize, vars: &[usize], extents: &[usize], at: &mut [usize]) {
    for &v in vars.iter().rev() {
        at[v] = i % extents[v];
        i /= extents[v];
    }
}

/// An access with its strides worked out; only axes that can be left are checked.
struct Operand<'a> {
    data: &'a [f64],
    base: i64,
    stride: Vec<i64>,
    checks: Vec<(i64, Vec<i64>, i64)>,
}

impl<'a> Operand<'a> {
    fn new(access: &Access, shape: &[usize], data: &'a [f64], extents: &[usize]) -> Self {
        let mut out = Self { data, base: 0, stride: vec![0; extents.len()], checks: Vec::new() };
        for ((form, &len), step) in access.axes.iter().zip(shape).zip(strides(shape)) {
            out.base += form.offset * step as i64;
            let mut coefs = vec![0; extents.len()];
            for &(v, c) in &form.terms {
                coefs[v] += c;
                out.stride[v] += c * step as i64;
            }
            let (lo, hi) = form.interval(extents);
            if lo < 0 || hi >= len as i128 {
                out.checks.push((form.offset, coefs, len as i64));
            }
        }
        out
    }

    fn offset(&self, at: &[usize]) -> i64 {
        self.base + self.stride.iter().zip(at).map(|(s, &i)| s * i as i64).sum::<i64>()
    }

    /// Settings of variable `v` in `from .. to` for which every checked axis is inside.
    fn clip(&self, at: &[usize], v: usize, mut from: i64, mut to: i64) -> (i64, i64) {
        for (offset, coefs, len) in &self.checks {
            let rest: i64 =
                coefs.iter().zip(at).enumerate().filter(|(i, _)| *i != v).map(|(_, (c, &i))| c * i as i64).sum();
            let (start, c) = (offset + rest, coefs[v]);
            if c == 0 {
                if start < 0 || start >= *len {
                    return (0, 0);
                }
            } else if c > 0 {
                from = from.max((-start + c - 1).div_euclid(c));
                to = to.min((len - 1 - start).div_euclid(c) + 1);
            } else {
                from = from.max((start - len + 1 - c - 1).div_euclid(-c));
                to = to.min(start.div_euclid(-c) + 1);
            }
        }
        (from, to)
    }
}

/// Sum over the summation variables of the product of the operands at a setting of the others.
fn sum_products(at: &mut [usize], sums: &[usize], extents: &[usize], a: &Operand, b: Option<&Operand>) -> f64 {
    let (outer, inner) = match sums.split_last() {
        Some((last, outer)) => (outer, Some(*last)),
        None => (sums, None),
    };
    let count: usize = outer.iter().map(|&v| extents[v]).product();
    let mut total = 0.0;
    for i in 0..count {
        unravel(i, outer, extents, at);
        total += run_inner(at, inner, extents, a, b);
    }
    total
}

fn run_inner(at: &mut [usize], inner: Option<usize>, extents: &[usize], a: &Operand, b: Option<&Operand>) -> f64 {
    // Without a summation variable, variable 0 runs over its present value only: one code path for the bounds.
    let (v, mut from, mut to) = match inner {
        Some(v) => (v, 0, extents[v] as i64),
        None if at.is_empty() => (usize::MAX, 0, 1),
        None => (0, at[0] as i64, at[0] as i64 + 1),
    };
    if v != usize::MAX {
        (from, to) = a.clip(at, v, from, to);
        if let Some(b) = b {
            (from, to) = b.clip(at, v, from, to);
        }
        if from >= to {
            return 0.0;
        }
        at[v] = from as usize;
    }
    let n = (to - from) as usize;
    let step = |x: &Operand| if v == usize::MAX { 0 } else { x.stride[v] };
    let (oa, sa) = (a.offset(at), step(a));
    match b {
        None => (0..n as i64).map(|t| a.data[(oa + sa * t) as usize]).sum(),
        Some(b) => dot(a.data, oa, sa, b.data, b.offset(at), step(b), n),
    }
}

fn dot(a: &[f64], oa: i64, sa: i64, b: &[f64], ob: i64, sb: i64, n: usize) -> f64 {
    if sa == 1 && sb == 1 {
        let (a, b) = (&a[oa as usize..oa as usize + n], &b[ob as usize..ob as usize + n]);
        let mut lanes = [0.0f64; 8];
        let (ca, cb) = (a.chunks_exact(8), b.chunks_exact(8));
        let tail: f64 = ca.remainder().iter().zip(cb.remainder()).map(|(x, y)| x * y).sum();
        for (x, y) in ca.zip(cb) {
            for l in 0..8 {
                lanes[l] += x[l] * y[l];
            }
        }
        return lanes.iter().sum::<f64>() + tail;
    }
    (0..n as i64).map(|t| a[(oa + sa * t) as usize] * b[(ob + sb * t) as usize]).sum()
}
