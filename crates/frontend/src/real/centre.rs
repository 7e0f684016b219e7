//! Numbers that vary little around a large constant travel as their differences from it.
//!
//! A table has some 16 bits for its results. Where a later sum takes a constant off that is a thousand times larger than
//! what varies, ten of them are lost: scaled powers, as transformers to normal distributions have them, end that way. Here
//! tables of exponentials, logarithms and powers hold `f - m` for a public `m` in the middle of the calibrated range, or
//! `f` where it varies enough, and what is added later travels beside the numbers through sums, views and products with
//! constants, as a real number, until an operator needs the whole; there it is added in the units of what is left of it.
//!
//! Whether a graph is rewritten, and every `m`, follow from calibrated ranges, which are public. Constants that travel are
//! as hidden as the weights that they are made of, and stand in no table.

use std::collections::HashMap;
use std::sync::Arc;

use proveil_graph::{Access, Contract, TensorId};

use super::expr::{Bin, Expr, Un};
use super::{RealGraph, RealOp, RealPiece, RealTensor, Source};
use crate::error::{FrontendError, Result};
use crate::real::broadcast_axes;
use crate::tensor::Kind;

/// What varies is smaller than the largest number by this factor, at least, to be worth a constant of its own.
const NARROW: f64 = 4.0;
/// A column that varies less than this part of its size is worth the rewriting.
const STAYS: f64 = 16.0;
/// So many values tell where the middle is.
const KNOWN: usize = 8;

/// What samples show of the columns of a tensor: smallest and largest value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    columns: Vec<(f64, f64)>,
    rows: usize,
}

impl Seen {
    /// Takes in the rows of one sample.
    pub fn see(&mut self, cells: &[f64], width: usize) {
        self.columns.resize(width, (f64::INFINITY, f64::NEG_INFINITY));
        for row in cells.chunks_exact(width.max(1)) {
            self.rows += 1;
            for (v, (lo, hi)) in row.iter().zip(&mut self.columns) {
                (*lo, *hi) = (lo.min(*v), hi.max(*v));
            }
        }
    }

    /// A number in the middle of all columns if they vary little around it, to about as many digits as that takes.
    fn middle(&self) -> Option<f64> {
        let join = |a: (f64, f64), b: &(f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let (lo, hi) = self.columns.iter().fold((f64::INFINITY, f64::NEG_INFINITY), join);
        let (spread, reach) = (hi - lo, lo.abs().max(hi.abs()));
        if self.rows < KNOWN || !reach.is_finite() || spread <= 0.0 || spread * NARROW > reach {
            return None;
        }
        let grid = 2f64.powi(spread.log2().floor() as i32 - 2);
        Some((f64::midpoint(lo, hi) / grid).round() * grid)
    }

    /// 1 for each column that never was anything else, as truth values that keep a number are; else 0.
    fn kept(&self) -> Vec<f64> {
        self.columns.iter().map(|range| f64::from(u8::from(*range == (1.0, 1.0)))).collect()
    }

    /// Whether a column varies by next to nothing of its size.
    fn stays(&self) -> bool {
        let little = |(lo, hi): &(f64, f64)| hi > lo && (hi - lo) * STAYS < lo.abs().max(hi.abs());
        self.rows >= KNOWN && self.columns.iter().any(little)
    }
}

/// A tensor of the new graph: what varies, and a constant of the same shape that belongs to it.
#[derive(Clone, Copy)]
struct Made {
    id: TensorId,
    offset: Option<TensorId>,
}

struct Centrer<'a> {
    old: &'a RealGraph,
    seen: &'a [Seen],
    new: RealGraph,
    made: Vec<Made>,
    /// New tensors with their constants added, by old number.
    whole: HashMap<u32, TensorId>,
    /// Whether anything varies by next to nothing of its size.
    worth: bool,
}

/// The graph that computes the same with constants apart, if any column hardly varies; `seen` says what samples
/// show of every tensor.
///
/// # Errors
/// `Malformed` if an operand stands after its reader.
pub(crate) fn centre(old: &RealGraph, live: &[bool], seen: &[Seen]) -> Result<Option<RealGraph>> {
    let new = RealGraph { texts: old.texts, ..RealGraph::default() };
    let mut c = Centrer { old, seen, new, made: Vec::new(), whole: HashMap::new(), worth: false };
    for (i, t) in old.tensors.iter().enumerate() {
        c.new.scope.clone_from(&t.name);
        let plain = |id| Made { id, offset: None };
        let made = match &t.source {
            Source::Input => {
                let id = c.new.input(&t.name, t.shape.clone(), t.kind);
                c.new.missing.extend(old.missing.get(&TensorId(i as u32)).map(|columns| (id, columns.clone())));
                plain(id)
            }
            Source::Const { .. } => {
                let id = c.new.push(t.shape.clone(), t.kind, t.source.clone());
                c.new.int_bits.extend(old.int_bits.get(&TensorId(i as u32)).map(|bits| (id, *bits)));
                plain(id)
            }
            Source::Op(op) if live[i] => c.rewritten(i, t, op)?,
            // Nothing is known of what no output depends on.
            Source::Op(_) => plain(c.new.public(t.shape.clone(), t.kind, vec![0.0; t.cells()])),
        };
        c.made.push(made);
    }
    c.finish()
}

impl Centrer<'_> {
    fn finish(mut self) -> Result<Option<RealGraph>> {
        if !self.worth {
            return Ok(None);
        }
        for id in &self.old.outputs {
            let out = self.whole(*id)?;
            self.new.outputs.push(out);
        }
        for (role, group) in &self.old.shared {
            let group = group.iter().map(|id| self.made(*id).map(|m| m.id)).collect::<Result<_>>()?;
            self.new.shared.insert(role.clone(), group);
        }
        for (out, (from, perm)) in &self.old.turned {
            let (out, from) = (self.made(*out)?.id, self.made(*from)?.id);
            self.new.turned.insert(out, (from, perm.clone()));
        }
        self.new.scope.clear();
        Ok(Some(self.new))
    }

    fn made(&self, id: TensorId) -> Result<Made> {
        let missing = || FrontendError::malformed(format!("tensor {}", id.0), "is read before it is made");
        self.made.get(id.0 as usize).copied().ok_or_else(missing)
    }

    /// The new tensor that has the old one's values.
    fn whole(&mut self, id: TensorId) -> Result<TensorId> {
        let made = self.made(id)?;
        let Some(offset) = made.offset else { return Ok(made.id) };
        if let Some(known) = self.whole.get(&id.0) {
            return Ok(*known);
        }
        let (name, shape) = (self.new.get(made.id).name.clone(), self.new.shape(made.id).to_vec());
        let scope = std::mem::replace(&mut self.new.scope, name);
        let out = self.new.combine(&shape, Kind::Float, &[(1.0, made.id), (1.0, offset)], 0.0);
        self.new.scope = scope;
        self.whole.insert(id.0, out);
        Ok(out)
    }

    fn rewritten(&mut self, i: usize, t: &RealTensor, op: &RealOp) -> Result<Made> {
        let operands = op.operands().iter().map(|x| self.made(*x)).collect::<Result<Vec<_>>>()?;
        let moved = operands.iter().any(|m| m.offset.is_some());
        match op {
            RealOp::Map { x, f } if t.kind == Kind::Float && has_table(f) => return self.map(i, t, *x, f),
            RealOp::Linear { pieces, constant } if moved && t.kind == Kind::Float => {
                return Ok(self.linear(i, t, pieces, *constant, &operands));
            }
            RealOp::Reshape(_) if moved => {
                let mut to = |x: TensorId| self.new.reshape(x, t.shape.clone());
                return Ok(Made { id: to(operands[0].id), offset: operands[0].offset.map(to) });
            }
            RealOp::Contract(c) if moved => {
                if let Some(made) = self.product(t, c, &operands) {
                    return Ok(made);
                }
            }
            RealOp::AddAt { flags, gains, .. } if moved => {
                let (flags, gains) = (self.whole(*flags)?, self.whole(*gains)?);
                let id = self.push(t, RealOp::AddAt { x: operands[0].id, flags, gains });
                return Ok(Made { id, offset: operands[0].offset });
            }
            _ => {}
        }
        let ids = op.operands().into_iter().map(|x| self.whole(x)).collect::<Result<Vec<_>>>()?;
        Ok(Made { id: self.push(t, op.on(&ids)), offset: None })
    }

    fn push(&mut self, t: &RealTensor, op: RealOp) -> TensorId {
        self.new.push(t.shape.clone(), t.kind, Source::Op(op))
    }

    /// A function of differences, less a constant; one of 0 catches what is added to what varies a lot.
    fn map(&mut self, i: usize, t: &RealTensor, x: TensorId, f: &Arc<Expr>) -> Result<Made> {
        let (mut arg, mut f) = (self.whole(x)?, (**f).clone());
        let middle = |id: usize| self.seen.get(id).and_then(Seen::middle);
        let (from, to) = (middle(x.0 as usize), middle(i));
        if let Some(m) = from {
            arg = self.new.combine(&t.shape, Kind::Float, &[(1.0, arg)], -m);
            f = f.of(&Expr::affine(1.0, m));
        }
        let f = Arc::new(Expr::bin(Bin::Sub, f, Expr::Const(to.unwrap_or(0.0))));
        let id = self.push(t, RealOp::Map { x: arg, f });
        let offset = self.new.public(t.shape.clone(), Kind::Float, vec![to.unwrap_or(0.0); t.cells()]);
        Ok(Made { id, offset: Some(offset) })
    }

    /// A sum of what varies, and the same sum of constants.
    fn linear(&mut self, i: usize, t: &RealTensor, pieces: &[RealPiece], constant: f64, operands: &[Made]) -> Made {
        let on = |p: &RealPiece, tensor: TensorId| RealPiece {
            access: Access { tensor, axes: p.access.axes.clone() },
            ..p.clone()
        };
        let (mut vary, mut fixed) = (Vec::new(), Vec::new());
        for (p, m) in pieces.iter().zip(operands) {
            if self.new.as_const(m.id).is_some() {
                fixed.push(on(p, m.id));
                continue;
            }
            vary.push(on(p, m.id));
            fixed.extend(m.offset.map(|offset| on(p, offset)));
        }
        self.worth |= self.seen[i].stays();
        let mut sum = |pieces, constant| self.new.op(t.shape.clone(), t.kind, RealOp::Linear { pieces, constant });
        let (id, offset) = (sum(vary, 0.0), sum(fixed, constant));
        Made { id, offset: Some(offset) }
    }

    /// A product with a constant, or cell by cell with numbers that hardly vary.
    fn product(&mut self, t: &RealTensor, c: &Contract, operands: &[Made]) -> Option<Made> {
        let of = |lhs: TensorId, rhs: TensorId| {
            let side = |access: &Access, tensor| Access { tensor, axes: access.axes.clone() };
            RealOp::Contract(Contract { lhs: side(&c.lhs, lhs), rhs: side(&c.rhs, rhs), ..c.clone() })
        };
        let [a, b] = [operands.first()?, operands.get(1)?];
        if self.new.as_const(a.id).is_some() {
            let id = self.push(t, of(a.id, b.id));
            return Some(Made { id, offset: Some(self.new.op(t.shape.clone(), t.kind, of(a.id, b.offset?))) });
        }
        let cells: Vec<usize> = (0..t.shape.len()).collect();
        let plain = |access: &Access, x: TensorId| {
            self.new.shape(x) == t.shape && access.axes == broadcast_axes(&t.shape, &cells)
        };
        if c.out != cells || c.extents != t.shape || !plain(&c.lhs, a.id) || !plain(&c.rhs, b.id) {
            return None;
        }
        // `(x + c) q = x q + c (q - k) + c k`: the middle term is 0 where q is what it always was.
        let (x, offset, q, old) = match (a.offset, b.offset) {
            (Some(offset), None) => (a.id, offset, b.id, c.rhs.tensor),
            (None, Some(offset)) => (b.id, offset, a.id, c.lhs.tensor),
            _ => return None,
        };
        let k = self.seen.get(old.0 as usize)?.kept();
        let k = k.iter().copied().cycle().take(t.cells()).collect::<Vec<f64>>();
        let k = self.new.public(t.shape.clone(), Kind::Float, k);
        let rest = self.new.combine(&t.shape, Kind::Float, &[(1.0, q), (-1.0, k)], 0.0);
        let (varies, strays) = (self.push(t, of(x, q)), self.push(t, of(offset, rest)));
        let id = self.new.combine(&t.shape, t.kind, &[(1.0, varies), (1.0, strays)], 0.0);
        Some(Made { id, offset: Some(self.new.op(t.shape.clone(), t.kind, of(offset, k))) })
    }
}

/// Whether any live function may be tabulated less a constant.
pub(crate) fn has_tables(g: &RealGraph, live: &[bool]) -> bool {
    let fits = |t: &RealTensor| matches!(&t.source, Source::Op(RealOp::Map { f, .. }) if has_table(f));
    g.tensors.iter().zip(live).any(|(t, live)| *live && fits(t))
}

/// Whether a function is tabulated wherever it stands, and so may be tabulated less a constant.
fn has_table(f: &Expr) -> bool {
    let any = |is: &dyn Fn(&Expr) -> bool| f.any(is);
    let steep = any(&|e| matches!(e, Expr::Un(Un::Exp | Un::Log, _) | Expr::Bin(Bin::Pow, _, _)));
    steep && !f.jumps() && !any(&|e| matches!(e, Expr::Un(Un::Sqrt | Un::Recip, _)))
}

#[cfg(test)]
mod tests;
