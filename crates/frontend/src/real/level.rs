//! Columns of different sizes. A table's features may be incomes next to rates: with one unit for all, the small ones
//! vanish. Here every column of such an input gets a power of two of its own, and the graph is rewritten so that it
//! computes the same from the levelled columns: factors move into weights and thresholds as far as they can, and come
//! back by exact sums where they cannot.
//!
//! In the rewritten graph a tensor may stand for another one: `real[.., c] = levelled[.., c] * 2^levels[c]`. Every power
//! follows from calibrated ranges, which are public; factors are powers of two, so that no float is rounded.

mod linear;
mod product;

use std::collections::HashMap;
use std::sync::Arc;

use proveil_graph::TensorId;

use super::expr::{Bin, Expr, Un};
use super::forest::{Branch, Forest};
use super::{Missing, RealGraph, RealOp, RealPiece, RealTensor, Source};
use crate::error::{FrontendError, Result};
use crate::tensor::Kind;

/// Powers of two of columns; empty where all are 0.
pub(crate) type Levels = Vec<i32>;

/// A column this much smaller than the largest one (as a power of two) shares its unit: the room that values beyond the
/// samples have. Few rows ask for more.
const SPARE: i32 = 2;
/// So many rows are few no longer.
const ROWS_KNOWN: usize = 16;
/// No column is more than this much smaller, as a power of two.
const DEEPEST: i32 = -128;
/// A column of which more than this part is zero does not show its size.
const MOSTLY_ZERO: f64 = 0.75;
/// Axes of a tensor of rows, at most.
const ROW_AXES: usize = 2;
/// Runs of columns of one size, at most, that have tables of their own.
const MAX_RUNS: usize = 32;
/// Longest last axis whose cells are features.
const MAX_COLUMNS: usize = 4096;

/// What samples show of the columns of a tensor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    top: Vec<f64>,
    zeros: Vec<usize>,
    rows: usize,
}

impl Columns {
    /// Takes in the rows of one sample.
    pub fn see(&mut self, cells: &[f64], width: usize) {
        self.top.resize(width, 0.0);
        self.zeros.resize(width, 0);
        for row in cells.chunks_exact(width.max(1)) {
            self.rows += 1;
            for ((v, top), zeros) in row.iter().zip(&mut self.top).zip(&mut self.zeros) {
                *top = top.max(v.abs());
                *zeros += usize::from(*v == 0.0);
            }
        }
    }

    /// Size of the largest column.
    pub fn top(&self) -> f64 {
        self.top.iter().copied().fold(0.0, f64::max)
    }

    /// The powers of two that bring small columns near the largest one.
    pub fn levels(&self) -> Levels {
        self.levels_below(self.top())
    }

    /// The powers of two that bring small columns near a size.
    pub fn levels_below(&self, top: f64) -> Levels {
        if top <= 0.0 || !top.is_finite() || self.top.len() > MAX_COLUMNS {
            return Levels::new();
        }
        let known = |zeros: usize| zeros as f64 <= MOSTLY_ZERO * self.rows as f64;
        let spare = SPARE + ROWS_KNOWN.div_ceil(self.rows.max(1)).ilog2() as i32;
        // Even powers make fewer runs of equal ones, and have roots.
        let one = |(own, zeros): (&f64, &usize)| match known(*zeros) && *own > 0.0 {
            true => (((own / top).log2().ceil() as i32 + spare + 1) & !1).clamp(DEEPEST, 0),
            false => 0,
        };
        tidy(self.top.iter().zip(&self.zeros).map(one).collect())
    }
}

/// Nothing where every power is 0.
fn tidy(levels: Levels) -> Levels {
    if levels.iter().all(|l| *l == 0) { Levels::new() } else { levels }
}

/// Columns of a tensor: cells of its last axis.
pub(crate) fn width(t: &RealTensor) -> usize {
    t.shape.last().copied().unwrap_or(1)
}

/// The graph that computes the same from inputs whose columns were divided by `2^levels`. `columns` says what samples
/// show of every tensor of the old graph.
///
/// # Errors
/// `Malformed` if an operand stands after its reader.
///
/// The second value tells of each input whether its own values came back by sums, for readers that cannot take factors.
pub(crate) fn level(old: &RealGraph, inputs: &[Levels], columns: &[Columns]) -> Result<(RealGraph, Vec<bool>)> {
    let new = RealGraph { texts: old.texts, ..RealGraph::default() };
    let mut l = Leveller { old, columns, new, made: Vec::new(), plain: HashMap::new() };
    for (i, t) in old.tensors.iter().enumerate() {
        l.new.scope = t.name.clone();
        let made = match &t.source {
            Source::Input => {
                let place = old.inputs.iter().position(|id| id.0 as usize == i);
                let id = l.new.input(&t.name, t.shape.clone(), t.kind);
                let levels = place.and_then(|k| inputs.get(k)).cloned().unwrap_or_default();
                if !levels.is_empty() {
                    l.new.levelled.insert(id);
                }
                l.new.missing.extend(old.missing.get(&TensorId(i as u32)).map(|columns| (id, columns.clone())));
                (id, levels)
            }
            Source::Const { .. } => {
                let id = l.new.push(t.shape.clone(), t.kind, t.source.clone());
                l.new.int_bits.extend(old.int_bits.get(&TensorId(i as u32)).map(|bits| (id, *bits)));
                (id, Levels::new())
            }
            Source::Op(op) => l.rewritten(i, op)?,
        };
        l.made.push(made);
    }
    l.finish()
}

/// The rewriting under way.
struct Leveller<'a> {
    old: &'a RealGraph,
    columns: &'a [Columns],
    new: RealGraph,
    /// For each old tensor the new one, and what its columns must be multiplied with.
    made: Vec<(TensorId, Levels)>,
    /// New tensors without levels of their own, by old number.
    plain: HashMap<u32, TensorId>,
}

impl Leveller<'_> {
    fn finish(mut self) -> Result<(RealGraph, Vec<bool>)> {
        for id in &self.old.outputs {
            let out = self.plain(*id)?;
            self.new.outputs.push(out);
        }
        for (role, group) in &self.old.shared {
            let group = group.iter().map(|id| self.made(*id).map(|m| m.0)).collect::<Result<_>>()?;
            self.new.shared.insert(role.clone(), group);
        }
        for (out, (from, perm)) in &self.old.turned {
            let (out, from) = (self.made(*out)?.0, self.made(*from)?.0);
            self.new.turned.insert(out, (from, perm.clone()));
        }
        self.new.scope.clear();
        let back = self.old.inputs.iter().map(|id| self.plain.contains_key(&id.0)).collect();
        Ok((self.new, back))
    }

    fn made(&self, id: TensorId) -> Result<&(TensorId, Levels)> {
        let missing = || FrontendError::malformed(format!("tensor {}", id.0), "is read before it is made");
        self.made.get(id.0 as usize).ok_or_else(missing)
    }

    /// The new tensor that has the old one's values.
    fn plain(&mut self, id: TensorId) -> Result<TensorId> {
        let (new, levels) = self.made(id)?.clone();
        if levels.is_empty() {
            return Ok(new);
        }
        if let Some(known) = self.plain.get(&id.0) {
            return Ok(*known);
        }
        let t = self.new.get(new);
        let (name, shape, kind) = (t.name.clone(), t.shape.clone(), t.kind);
        let scope = std::mem::replace(&mut self.new.scope, name);
        let pieces = linear::runs(&levels).map(|(at, len, power)| {
            let mut piece = linear::whole(new, &shape);
            linear::cut_out(&mut piece, shape.len().checked_sub(1), at, len);
            piece.coef = 2f64.powi(power);
            piece
        });
        let op = RealOp::Linear { pieces: pieces.collect(), constant: 0.0 };
        let out = self.new.push(shape, kind, Source::Op(op));
        self.new.scope = scope;
        self.plain.insert(id.0, out);
        Ok(out)
    }

    fn rewritten(&mut self, i: usize, op: &RealOp) -> Result<(TensorId, Levels)> {
        let t = self.old.get(TensorId(i as u32)).clone();
        let operands = op.operands().iter().map(|x| self.made(*x).cloned()).collect::<Result<Vec<_>>>()?;
        let plain = operands.iter().all(|(_, levels)| levels.is_empty());
        match op {
            RealOp::Linear { pieces, constant } if !plain || self.joins(i, &t, pieces) => {
                return self.linear(i, &t, pieces, *constant);
            }
            _ if plain => {}
            RealOp::Contract(c) => return self.contraction(i, &t, c),
            RealOp::Reshape(x) if width(self.old.get(*x)) == width(&t) => {
                let id = self.push(&t, RealOp::Reshape(operands[0].0));
                return Ok((id, operands[0].1.clone()));
            }
            RealOp::Map { f, .. } => {
                if let Some(done) = self.map(&t, &operands[0], f).or_else(|| self.by_runs(i, &t, &operands[0], f)) {
                    return Ok(done);
                }
            }
            RealOp::Max(..) if operands[0].1 == operands[1].1 => {
                let id = self.push(&t, RealOp::Max(operands[0].0, operands[1].0));
                return Ok((id, operands[0].1.clone()));
            }
            RealOp::Trees { missing, forest, .. } => {
                let forest = Arc::new(levelled_forest(forest, &operands[0].1));
                let missing = match missing {
                    Some(m) => Some(Missing { flags: self.plain(m.flags)?, ..m.clone() }),
                    None => None,
                };
                let id = self.push(&t, RealOp::Trees { x: operands[0].0, missing, forest });
                return Ok((id, Levels::new()));
            }
            RealOp::IsMissing(_) => return Ok((self.push(&t, RealOp::IsMissing(operands[0].0)), Levels::new())),
            RealOp::Known { flags, .. } => {
                let flags = self.plain(*flags)?;
                return Ok((self.push(&t, RealOp::Known { x: operands[0].0, flags }), operands[0].1.clone()));
            }
            RealOp::AddAt { flags, gains, .. } => {
                let (x, levels) = operands[0].clone();
                let flags = self.plain(*flags)?;
                if let Some(gains) = self.columns_of(*gains, &levels)? {
                    let id = self.push(&t, RealOp::AddAt { x, flags, gains });
                    return Ok(self.raised(i, &t, id, levels));
                }
            }
            _ => {}
        }
        let ids = op.operands().into_iter().map(|x| self.plain(x)).collect::<Result<Vec<_>>>()?;
        Ok((self.push(&t, op.on(&ids)), Levels::new()))
    }

    /// Whether rows are put together from computed columns of different sizes, each from one place: products of columns
    /// that were taken apart.
    fn joins(&self, i: usize, t: &RealTensor, pieces: &[RealPiece]) -> bool {
        let Some(last) = t.shape.len().checked_sub(1).filter(|last| *last < ROW_AXES) else { return false };
        let computed = pieces.iter().filter(|p| self.old.as_const(p.access.tensor).is_none()).count();
        let mut spans: Vec<_> = pieces.iter().map(|p| (p.start[last], p.start[last] + p.extents[last])).collect();
        spans.sort_unstable();
        let apart = spans.windows(2).all(|w| w[0].1 <= w[1].0);
        t.kind == Kind::Float && computed > 1 && apart && self.columns.get(i).is_some_and(|c| !c.levels().is_empty())
    }

    /// A tensor with higher levels for columns that became much larger than their levels say.
    fn raised(&mut self, i: usize, t: &RealTensor, id: TensorId, levels: Levels) -> (TensorId, Levels) {
        let mut wanted = self.columns.get(i).map(Columns::levels).unwrap_or_default();
        wanted.resize(levels.len(), 0);
        let own = levels.iter().zip(&wanted);
        let higher: Levels = own.map(|(own, wanted)| if *wanted > own + SPARE { *wanted } else { *own }).collect();
        if higher == levels {
            return (id, levels);
        }
        let rest: Levels = levels.iter().zip(&higher).map(|(own, higher)| own - higher).collect();
        let pieces = linear::runs(&rest).map(|(at, len, power)| {
            let mut piece = linear::whole(id, &t.shape);
            linear::cut_out(&mut piece, t.shape.len().checked_sub(1), at, len);
            piece.coef = 2f64.powi(power);
            piece
        });
        let op = RealOp::Linear { pieces: pieces.collect(), constant: 0.0 };
        (self.push(t, op), tidy(higher))
    }

    /// A constant with a number for each column, divided like columns with these levels.
    fn columns_of(&mut self, id: TensorId, levels: &Levels) -> Result<Option<TensorId>> {
        let (new, width) = (self.made(id)?.0, levels.len());
        let shape = self.new.shape(new).to_vec();
        let Some((last, lead)) = shape.split_last() else { return Ok(None) };
        let wide = match *last {
            own if own == width => new,
            1 if width > 0 => self.new.broadcast(new, &[lead, &[width]].concat()),
            _ => return Ok(None),
        };
        Ok(self.scaled(wide, lead.len(), &|i| levels.get(i).map_or(0, |l| -l)))
    }

    fn push(&mut self, t: &RealTensor, op: RealOp) -> TensorId {
        self.new.push(t.shape.clone(), t.kind, Source::Op(op))
    }

    /// Any other function: columns of one size have a table of their own.
    fn by_runs(
        &mut self,
        i: usize,
        t: &RealTensor,
        x: &(TensorId, Levels),
        f: &Arc<Expr>,
    ) -> Option<(TensorId, Levels)> {
        let last = t.shape.len().checked_sub(1).filter(|last| *last < ROW_AXES)?;
        let runs: Vec<_> = linear::runs(&x.1).collect();
        if runs.len() > MAX_RUNS {
            return None;
        }
        let mut pieces = Vec::new();
        for (at, len, power) in runs {
            let (mut shape, mut starts) = (t.shape.clone(), vec![0; t.shape.len()]);
            (shape[last], starts[last]) = (len, at);
            let part = self.new.slice(x.0, &starts, &shape, &vec![1; shape.len()]);
            let f = Arc::new(f.of(&Expr::affine(2f64.powi(power), 0.0)));
            let made = self.new.op(shape.clone(), t.kind, RealOp::Map { x: part, f });
            pieces.push(RealPiece { start: starts, ..linear::whole(made, &shape) });
        }
        Some(self.beside(i, t, pieces))
    }

    /// Functions that do something simple with a factor.
    fn map(&mut self, t: &RealTensor, x: &(TensorId, Levels), f: &Arc<Expr>) -> Option<(TensorId, Levels)> {
        let own = |f: &Arc<Expr>| RealOp::Map { x: x.0, f: f.clone() };
        let is = |e: &Expr, v: &Expr| e == v;
        Some(match &**f {
            Expr::Bin(Bin::Mul, a, b) if is(a, &Expr::X) && is(b, &Expr::X) => {
                (self.push(t, own(f)), x.1.iter().map(|l| 2 * l).collect())
            }
            Expr::Un(Un::Abs, e) if is(e, &Expr::X) => (self.push(t, own(f)), x.1.clone()),
            Expr::Bin(Bin::Max | Bin::Min, a, b) if is(a, &Expr::X) && is(b, &Expr::Const(0.0)) => {
                (self.push(t, own(f)), x.1.clone())
            }
            Expr::Un(sign @ (Un::NonNegative | Un::IsZero), e) => {
                let (a, c) = e.as_affine().filter(|(a, _)| *a != 0.0)?;
                let inner = RealTensor { kind: Kind::Float, ..t.clone() };
                let mut piece = linear::whole(x.0, &t.shape);
                piece.coef = a;
                let (pieces, levels) = self.with_constant(&t.shape, vec![piece], c, x.1.clone());
                let moved = self.push(&inner, RealOp::Linear { pieces, constant: if levels.1 { 0.0 } else { c } });
                (self.push(t, RealOp::Map { x: moved, f: Arc::new(Expr::un(*sign, Expr::X)) }), Levels::new())
            }
            _ => return None,
        })
    }
}

/// Thresholds for levelled features: dividing both sides of a comparison by a power of two changes none.
fn levelled_forest(forest: &Forest, levels: &Levels) -> Forest {
    let own = |n: &Branch| match levels.get(n.feature) {
        Some(level) => Branch { threshold: n.threshold * 2f64.powi(-level), ..*n },
        None => *n,
    };
    Forest { nodes: forest.nodes.iter().map(own).collect(), ..forest.clone() }
}

#[cfg(test)]
mod tests;
