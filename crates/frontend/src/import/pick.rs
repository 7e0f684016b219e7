//! Reading at computed places: rows of a tensor by number, or a product with a one-hot vector, whichever is cheaper.

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::Importer;
use crate::error::Result;
use crate::onnx::Node;
use crate::real::{RealOp, Source, identity};
use crate::tensor::{Kind, strides};

/// Largest number of rows that a one-hot vector can choose from.
const MAX_DEPTH: usize = 1 << 16;
/// Largest number of rows that can be numbered.
const MAX_ROWS: usize = 1 << 24;
/// Most columns of a row in one row of a table; see `spec/operators/gather.md`.
const COLUMNS: usize = 16;
/// Cost of one more cell that is looked up and committed, of a row of a table, of a cell committed alone.
const COST: (usize, usize, usize) = (3, 3, 1);

/// Whether numbered rows are cheaper than one-hot vectors, by sizes alone: `count` rows of `row` cells out of `rows`.
fn numbered_is_cheaper(count: usize, rows: usize, row: usize) -> bool {
    let columns = (1..=COLUMNS.min(row.max(1))).rev().find(|c| row.is_multiple_of(*c)).unwrap_or(1);
    let each = row / columns;
    let (looked, table, cell) = COST;
    let numbered = looked * count * each + table * rows.saturating_mul(each) + cell * count * row;
    let hot = looked.saturating_mul(count).saturating_mul(rows.saturating_add(2));
    numbered < hot || rows > MAX_DEPTH
}

fn refuse(n: &Node, rows: usize) -> crate::FrontendError {
    let reason = format!("an index computed from the inputs chooses among {rows} rows");
    n.unsupported(reason, format!("use 1 to {MAX_ROWS} rows"))
}

/// Row numbers below `len` for indices that may count from the end.
pub(super) fn index(im: &mut Importer, n: &Node, ids: TensorId, len: usize) -> Result<TensorId> {
    if len == 0 || len > MAX_ROWS {
        return Err(refuse(n, len));
    }
    let shape = im.g.shape(ids).to_vec();
    Ok(im.g.op(shape, Kind::Int, RealOp::Index { x: ids, len }))
}

/// A vector for each index that is 1 at its row and 0 elsewhere.
pub(super) fn hot(im: &mut Importer, n: &Node, ids: TensorId, depth: usize) -> Result<TensorId> {
    if depth > MAX_DEPTH || depth == 0 {
        return Err(refuse(n, depth));
    }
    let mut shape = im.g.shape(ids).to_vec();
    shape.push(depth);
    Ok(im.g.op(shape, Kind::Bool, RealOp::OneHot { x: ids, depth }))
}

/// Rows of `data [rows, cells..]` by number.
fn numbered(im: &mut Importer, data: TensorId, numbers: TensorId) -> TensorId {
    let data = hidden(im, data);
    let shape = [im.g.shape(numbers), &im.g.shape(data)[1..]].concat();
    let kind = im.g.kind(data);
    im.g.op(shape, kind, RealOp::Gather { data, index: numbers })
}

/// Whole numbers of the file that computed indices choose from are weights, not part of the architecture.
fn hidden(im: &mut Importer, data: TensorId) -> TensorId {
    let t = im.g.get(data);
    let (Kind::Int, Source::Const { data: cells, secret: false }) = (t.kind, &t.source) else { return data };
    let top = cells.iter().fold(0f64, |m, v| m.max(v.abs()));
    let bits = top.log2().floor().max(0.0) as u32 + 2;
    let (shape, cells) = (t.shape.clone(), cells.to_vec());
    if bits > 40 { data } else { im.g.int_weight(shape, cells, bits) }
}

/// `Gather` along an axis.
pub(super) fn gather(im: &mut Importer, n: &Node, x: TensorId, ids: TensorId, axis: usize) -> Result<TensorId> {
    let (shape, id_shape) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    let (rows, count) = (shape[axis], im.g.get(ids).cells());
    let row = im.g.get(x).cells() / rows.max(1);
    if numbered_is_cheaper(count, rows, row) {
        let mut perm: Vec<usize> = (0..shape.len()).filter(|a| *a != axis).collect();
        perm.insert(0, axis);
        let data = im.g.permute(x, &perm);
        let numbers = index(im, n, ids, rows)?;
        let y = numbered(im, data, numbers);
        // Axes are those of the indices, those before and those after.
        let (i, b) = (id_shape.len(), axis);
        let order: Vec<usize> = (i..i + b).chain(0..i).chain(i + b..i + shape.len() - 1).collect();
        return Ok(im.g.permute(y, &order));
    }
    // hot[ids.., v] * x[before.., v, after..]
    let hot = hot(im, n, ids, rows)?;
    let (b, i) = (axis, id_shape.len());
    let after = shape.len() - axis - 1;
    let v = b + i + after;
    let mut extents = [&shape[..axis], &id_shape, &shape[axis + 1..]].concat();
    extents.push(rows);
    let mut ax: Vec<Affine> = (0..b).map(Affine::var).collect();
    ax.push(Affine::var(v));
    ax.extend((b + i..b + i + after).map(Affine::var));
    let ah = (b..b + i).chain([v]).map(Affine::var).collect();
    let lhs = Access { tensor: x, axes: ax };
    let rhs = Access { tensor: hot, axes: ah };
    Ok(im.g.contract(Contract { extents, out: (0..v).collect(), lhs, rhs }))
}

/// `GatherElements` along an axis.
pub(super) fn elements(im: &mut Importer, n: &Node, x: TensorId, ids: TensorId, axis: usize) -> Result<TensorId> {
    let (shape, out) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    let (cells, count) = (im.g.get(x).cells(), im.g.get(ids).cells());
    if cells <= MAX_ROWS && numbered_is_cheaper(count, cells, 1) && !one_hot_is_cheaper(count, shape[axis], cells) {
        let own = index(im, n, ids, shape[axis])?;
        let (steps, from) = (strides(&out), strides(&shape));
        let base = |i: usize| {
            let others = (0..out.len()).filter(|a| *a != axis);
            others.map(|a| from[a] * (i / steps[a] % out[a])).sum::<usize>() as f64
        };
        let base = im.fresh(out.clone(), Kind::Int, (0..count).map(base).collect());
        let numbers = im.g.combine(&out, Kind::Int, &[(from[axis] as f64, own), (1.0, base)], 0.0);
        let data = im.g.reshape(x, vec![cells]);
        return Ok(numbered(im, data, numbers));
    }
    let hot = hot(im, n, ids, shape[axis])?;
    let v = out.len();
    let mut extents = out.clone();
    extents.push(shape[axis]);
    let ax = (0..v).map(|a| Affine::var(if a == axis { v } else { a })).collect();
    let lhs = Access { tensor: x, axes: ax };
    let rhs = Access { tensor: hot, axes: identity(v + 1) };
    Ok(im.g.contract(Contract { extents, out: (0..v).collect(), lhs, rhs }))
}

/// Whether vectors along the axis alone are cheaper than numbers of all cells.
fn one_hot_is_cheaper(count: usize, depth: usize, cells: usize) -> bool {
    let (looked, table, cell) = COST;
    depth <= MAX_DEPTH && looked * count * (depth + 2) <= (looked + cell) * count + table * cells
}

/// `GatherND` with `batch` axes in common.
pub(super) fn nd(im: &mut Importer, n: &Node, x: TensorId, ids: TensorId, batch: usize) -> Result<TensorId> {
    let (shape, is) = (im.g.shape(x).to_vec(), im.g.shape(ids).to_vec());
    let depth = is.last().copied().unwrap_or(0);
    let end = batch + depth;
    let rows: usize = shape[..end].iter().product();
    let inner: usize = shape[end..].iter().product();
    if rows > MAX_ROWS {
        return Err(refuse(n, rows));
    }
    let tuples = im.g.get(ids).cells() / depth;
    let flat = im.g.reshape(ids, vec![tuples, depth]);
    let steps = strides(&shape[..end]);
    let mut terms = Vec::new();
    for a in 0..depth {
        let column = im.g.take(flat, 1, &[a]);
        let column = index(im, n, column, shape[batch + a])?;
        terms.push((steps[batch + a] as f64, column));
    }
    let each = tuples / is[..batch].iter().product::<usize>().max(1);
    let each_rows: usize = shape[batch..end].iter().product();
    if batch > 0 {
        let base = (0..tuples).map(|t| (t / each.max(1) * each_rows) as f64).collect();
        let base = im.fresh(vec![tuples, 1], Kind::Int, base);
        terms.push((1.0, base));
    }
    let numbers = im.g.combine(&[tuples, 1], Kind::Int, &terms, 0.0);
    let numbers = im.g.reshape(numbers, vec![tuples]);
    let data = im.g.reshape(x, vec![rows, inner]);
    let y = numbered(im, data, numbers);
    Ok(im.g.reshape(y, [&is[..is.len() - 1], &shape[end..]].concat()))
}
