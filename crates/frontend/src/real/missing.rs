//! Missing values. A file's operators hand NaN on as floats do, and integers have none. Here a graph of which some inputs
//! have cells that may be missing becomes one where numbers and flags travel apart: a tensor with missing cells is a
//! tensor of finite numbers and one of flags, 1 where a cell is missing. Views act on both; trees, [`RealOp::Fill`] and
//! [`RealOp::IsMissing`] read the flags; whatever else a missing value would reach is refused.
//!
//! Functions that have no value for some arguments, such as logarithms of negative numbers, are sources of missing cells
//! too where a fill reads what comes of them.
//!
//! The number at a missing cell starts as 0. As long as it only depends on constants it is known as a constant, the filler,
//! and filling is a sum: `x + flags * (fill - filler)`.

use std::sync::Arc;

use proveil_graph::{Access, Affine, Contract, TensorId};

use super::expr::{Bin, Expr, Un};
use super::{Missing, RealGraph, RealOp, RealPiece, RealTensor, Source};
use crate::tensor::Kind;

/// What a missing value would reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// An operator that has no meaning for it: the node's name.
    Node(String),
    /// An output, by position.
    Output(usize),
}

/// What is known of the missing cells of a tensor.
#[derive(Clone, Copy, Debug)]
struct Gaps {
    /// 1 where a cell is missing.
    flags: TensorId,
    /// A constant: 1 where a cell may be missing.
    possible: TensorId,
    /// A constant: the number that a missing cell has, if it is one for all inputs.
    filler: Option<TensorId>,
}

/// A tensor of the new graph; finite, with missing cells beside it.
#[derive(Clone, Copy, Debug)]
struct Made {
    id: TensorId,
    gaps: Option<Gaps>,
}

/// The rewriting under way.
struct Splitter {
    new: RealGraph,
    /// For each old tensor the new one; nothing for what no output depends on.
    made: Vec<Option<Made>>,
}

impl RealGraph {
    /// Whether cells of a tensor may be missing, as far as the operators before it tell.
    pub fn may_miss(&self, x: TensorId) -> bool {
        let (mut open, mut seen) = (vec![x], std::collections::HashSet::new());
        while let (false, Some(x)) = (self.missing.is_empty(), open.pop()) {
            match &self.get(x).source {
                Source::Input if self.missing.contains_key(&x) => return true,
                Source::Op(RealOp::IsMissing(_) | RealOp::Fill { .. } | RealOp::Trees { .. }) => {}
                Source::Op(op) if seen.insert(x) => open.extend(op.operands()),
                _ => {}
            }
        }
        false
    }

    /// Whether cells of a computed tensor may have no value, so that the file's operators give NaN.
    pub fn may_lack_value(&self, x: TensorId) -> bool {
        let (mut open, mut seen) = (vec![x], std::collections::HashSet::new());
        while let Some(x) = open.pop() {
            match &self.get(x).source {
                Source::Op(RealOp::Map { f, .. }) if !f.bounded().is_empty() => return true,
                Source::Op(op) if hands_through(op) && seen.insert(x) => open.extend(op.operands()),
                _ => {}
            }
        }
        false
    }

    /// Functions whose arguments may have no value, where what they lack is filled in later.
    fn partial(&self, live: &[bool]) -> Vec<bool> {
        let (mut filled, mut out) = (vec![false; self.tensors.len()], vec![false; self.tensors.len()]);
        for i in (0..self.tensors.len()).rev().filter(|i| live[*i]) {
            match &self.tensors[i].source {
                Source::Op(RealOp::Fill { x, .. }) => filled[x.0 as usize] = true,
                Source::Op(op) if filled[i] && hands_through(op) => {
                    out[i] = matches!(op, RealOp::Map { f, .. } if !f.bounded().is_empty());
                    op.operands().iter().for_each(|x| filled[x.0 as usize] = true);
                }
                _ => {}
            }
        }
        out
    }

    /// Whether there is anything to split off.
    pub fn has_gaps(&self) -> bool {
        !self.missing.is_empty() || self.tensors.iter().any(|t| matches!(t.source, Source::Op(RealOp::Fill { .. })))
    }

    /// Whether `flags` says of every cell of `x` that it is missing.
    pub fn tells_missing(&self, flags: TensorId, x: TensorId) -> bool {
        match (&self.get(flags).source, &self.get(x).source) {
            (Source::Op(RealOp::IsMissing(of)), _) if *of == x => true,
            (Source::Op(RealOp::Reshape(f)), Source::Op(RealOp::Reshape(y))) => {
                self.shape(flags) == self.shape(x) && self.shape(*f) == self.shape(*y) && self.tells_missing(*f, *y)
            }
            (
                Source::Op(RealOp::Linear { pieces: f, constant: 0.0 }),
                Source::Op(RealOp::Linear { pieces: y, constant: 0.0 }),
            ) => match (&f[..], &y[..]) {
                ([f], [y]) => {
                    let view = |p: &RealPiece| p.coef == 1.0 && p.sum.is_empty();
                    let alike = (&f.start, &f.extents, &f.access.axes) == (&y.start, &y.extents, &y.access.axes);
                    let (f_of, y_of) = (f.access.tensor, y.access.tensor);
                    let shapes = self.shape(flags) == self.shape(x) && self.shape(f_of) == self.shape(y_of);
                    view(f) && view(y) && alike && shapes && self.tells_missing(f_of, y_of)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The truth values that `x` is the negation of, if it is one.
    pub fn as_not(&self, x: TensorId) -> Option<TensorId> {
        let Source::Op(RealOp::Linear { pieces, constant: 1.0 }) = &self.get(x).source else { return None };
        let [p] = &pieces[..] else { return None };
        let of = p.access.tensor;
        let whole = p.extents == self.shape(x) && self.shape(of) == self.shape(x) && p.sum.is_empty();
        let same = p
            .access
            .axes
            .iter()
            .enumerate()
            .all(|(a, form)| *form == Affine::var(a) || (p.extents[a] == 1 && *form == Affine::default()));
        (p.coef == -1.0 && whole && same).then_some(of)
    }
}

/// The graph in which flags travel beside numbers.
///
/// # Errors
/// What a missing value would reach.
pub(crate) fn split(old: &RealGraph) -> Result<RealGraph, Reached> {
    let mut s = Splitter { new: RealGraph { texts: old.texts, ..RealGraph::default() }, made: Vec::new() };
    let live = old.live();
    let partial = old.partial(&live);
    for (i, t) in old.tensors.iter().enumerate() {
        let id = TensorId(i as u32);
        s.new.scope.clone_from(&t.name);
        let made = match &t.source {
            Source::Input => Some(s.input(t, old.missing.get(&id))),
            Source::Const { .. } => {
                let new = s.new.push(t.shape.clone(), t.kind, t.source.clone());
                s.new.int_bits.extend(old.int_bits.get(&id).map(|bits| (new, *bits)));
                Some(Made { id: new, gaps: None })
            }
            Source::Op(RealOp::Map { x, f }) if partial[i] && s.made(*x).is_some_and(|m| m.gaps.is_none()) => {
                s.made(*x).map(|m| s.defined(t, m.id, f))
            }
            Source::Op(op) if live[i] => Some(s.op(t, op).ok_or_else(|| Reached::Node(t.name.clone()))?),
            Source::Op(_) => None,
        };
        s.made.push(made);
    }
    s.finish(old)
}

/// Whether an operator may hand NaN on.
fn hands_through(op: &RealOp) -> bool {
    matches!(op, RealOp::Linear { .. } | RealOp::Reshape(_) | RealOp::Contract(_) | RealOp::Map { .. })
}

/// Whether NaN stays NaN under a function, whatever the function's implementation.
fn hands_on(f: &Expr) -> bool {
    match f {
        Expr::X | Expr::Const(_) => true,
        Expr::Un(f, e) => !matches!(f, Un::Sign | Un::NonNegative | Un::IsZero) && hands_on(e),
        Expr::Bin(f, a, b) => !matches!(f, Bin::Max | Bin::Min | Bin::Pow) && hands_on(a) && hands_on(b),
        Expr::Select(..) => false,
    }
}

impl Splitter {
    fn finish(mut self, old: &RealGraph) -> Result<RealGraph, Reached> {
        for (k, id) in old.outputs.iter().enumerate() {
            match self.made(*id) {
                Some(Made { id, gaps: None }) => self.new.outputs.push(id),
                _ => return Err(Reached::Output(k)),
            }
        }
        for (role, group) in &old.shared {
            let group: Vec<TensorId> = group.iter().filter_map(|id| self.made(*id)).map(|m| m.id).collect();
            self.new.shared.insert(role.clone(), group);
        }
        for (out, (from, perm)) in &old.turned {
            if let (Some(out), Some(from)) = (self.made(*out), self.made(*from)) {
                self.new.turned.insert(out.id, (from.id, perm.clone()));
            }
        }
        self.new.scope.clear();
        Ok(self.new)
    }

    fn made(&self, id: TensorId) -> Option<Made> {
        self.made.get(id.0 as usize).copied().flatten()
    }

    fn input(&mut self, t: &RealTensor, columns: Option<&Vec<bool>>) -> Made {
        let id = self.new.input(&t.name, t.shape.clone(), t.kind);
        let Some(columns) = columns else { return Made { id, gaps: None } };
        self.new.missing.insert(id, columns.clone());
        let may = columns.iter().cycle().take(t.cells()).map(|may| f64::from(u8::from(*may))).collect();
        let possible = self.new.public(t.shape.clone(), Kind::Bool, may);
        let filler = self.new.public(t.shape.clone(), t.kind, vec![0.0; t.cells()]);
        self.new.scope = format!("{}/missing", t.name);
        let flags = self.new.op(t.shape.clone(), Kind::Bool, RealOp::IsMissing(id));
        self.new.scope = format!("{}/known", t.name);
        let known = self.new.op(t.shape.clone(), t.kind, RealOp::Known { x: id, flags });
        Made { id: known, gaps: Some(Gaps { flags, possible, filler: Some(filler) }) }
    }

    /// A function that has no value for some arguments: 0 there, and flags that say where.
    fn defined(&mut self, t: &RealTensor, x: TensorId, f: &Arc<Expr>) -> Made {
        let (mut has, mut flags) = (Expr::Const(1.0), Vec::new());
        for (arg, positive) in f.bounded() {
            let at_least = |e: Expr| Expr::un(Un::NonNegative, e);
            let up_to_zero = || at_least(Expr::bin(Bin::Mul, Expr::Const(-1.0), arg.clone()));
            let (fine, lacks) = if positive {
                let lacks = self.new.map(x, up_to_zero(), Kind::Bool);
                (Expr::bin(Bin::Sub, Expr::Const(1.0), up_to_zero()), lacks)
            } else {
                let fine = self.new.map(x, at_least(arg.clone()), Kind::Bool);
                (at_least(arg), self.new.not(fine))
            };
            has = Expr::bin(Bin::Mul, has, fine);
            flags.push(lacks);
        }
        let flags = match flags[..] {
            [one] => one,
            _ => {
                let terms: Vec<_> = flags.iter().map(|x| (1.0, *x)).collect();
                let count = self.new.combine(&t.shape, Kind::Int, &terms, 0.0);
                self.new.map(count, Expr::un(Un::NonNegative, Expr::affine(1.0, -1.0)), Kind::Bool)
            }
        };
        let guarded = Arc::new(Expr::select(has, (**f).clone(), Expr::Const(0.0)));
        let id = self.new.op(t.shape.clone(), t.kind, RealOp::Map { x, f: guarded });
        let possible = self.new.public(t.shape.clone(), Kind::Bool, vec![1.0; t.cells()]);
        let filler = self.new.public(t.shape.clone(), t.kind, vec![0.0; t.cells()]);
        Made { id, gaps: Some(Gaps { flags, possible, filler: Some(filler) }) }
    }

    /// What becomes of an operator; `None` if a missing value must not reach it.
    fn op(&mut self, t: &RealTensor, op: &RealOp) -> Option<Made> {
        let operands = op.operands().iter().map(|x| self.made(*x)).collect::<Option<Vec<Made>>>()?;
        let ids: Vec<TensorId> = operands.iter().map(|m| m.id).collect();
        let plain = |id: TensorId| Some(Made { id, gaps: None });
        if operands.iter().all(|m| m.gaps.is_none()) {
            return plain(match op {
                RealOp::IsMissing(_) => self.new.public(t.shape.clone(), t.kind, vec![0.0; t.cells()]),
                RealOp::Fill { .. } => ids[0],
                _ => self.new.op(t.shape.clone(), t.kind, op.on(&ids)),
            });
        }
        let first = operands[0];
        match (op, first.gaps) {
            (RealOp::Reshape(_), Some(g)) => {
                let mut to = |x: TensorId| self.new.reshape(x, t.shape.clone());
                let (id, flags, possible) = (to(first.id), to(g.flags), to(g.possible));
                let gaps = Gaps { flags, possible, filler: g.filler.map(to) };
                Some(Made { id, gaps: Some(gaps) })
            }
            (RealOp::Linear { pieces, constant }, _) => self.linear(t, pieces, *constant, &operands),
            (RealOp::Contract(c), _) => self.product(t, c, &operands),
            (RealOp::Map { f, .. }, Some(g)) => self.map(t, f, first.id, g),
            (RealOp::Trees { forest, .. }, Some(g)) => {
                let columns = Arc::new(self.columns(g.possible));
                let missing = Some(Missing { flags: g.flags, columns });
                let trees = RealOp::Trees { x: first.id, missing, forest: forest.clone() };
                plain(self.new.op(t.shape.clone(), t.kind, trees))
            }
            (RealOp::IsMissing(_), Some(g)) => plain(g.flags),
            (RealOp::Fill { .. }, Some(g)) if operands[1].gaps.is_none() => {
                self.fill(t, first.id, g, operands[1].id).and_then(plain)
            }
            _ => None,
        }
    }

    /// Places of the last axis at which cells may be missing.
    fn columns(&self, possible: TensorId) -> Vec<usize> {
        let width = self.new.shape(possible).last().copied().unwrap_or(1).max(1);
        let cells = self.new.as_const(possible).map_or(&[][..], |c| c);
        (0..width).filter(|c| cells.iter().skip(*c).step_by(width).any(|v| *v != 0.0)).collect()
    }

    /// The tensor with its gaps, if it can have any.
    fn with(&self, id: TensorId, gaps: Gaps) -> Made {
        let any = self.new.as_const(gaps.possible).is_none_or(|cells| cells.iter().any(|v| *v != 0.0));
        Made { id, gaps: any.then_some(gaps) }
    }

    /// Flags of what reads tensors with missing cells, a piece for each: 1 where any of them has 1.
    fn flags(&mut self, shape: &[usize], read: &[(RealPiece, Gaps)]) -> (TensorId, TensorId, bool) {
        let apart = |i: usize| read[i + 1..].iter().all(|(p, _)| read[i].0.apart_from(p));
        let apart = (0..read.len()).all(apart);
        let mut sum = |of: fn(&Gaps) -> TensorId| {
            let pieces = read.iter().map(|(p, g)| {
                let access = Access { tensor: of(g), axes: p.access.axes.clone() };
                RealPiece { coef: 1.0, access, ..p.clone() }
            });
            let op = RealOp::Linear { pieces: pieces.collect(), constant: 0.0 };
            let kind = if apart { Kind::Bool } else { Kind::Int };
            let id = self.new.op(shape.to_vec(), kind, op);
            if apart { id } else { self.new.map(id, Expr::un(Un::NonNegative, Expr::affine(1.0, -1.0)), Kind::Bool) }
        };
        (sum(|g| g.flags), sum(|g| g.possible), apart)
    }

    fn linear(&mut self, t: &RealTensor, pieces: &[RealPiece], constant: f64, operands: &[Made]) -> Option<Made> {
        let on = |id: TensorId, p: &RealPiece| {
            let access = Access { tensor: id, axes: p.access.axes.clone() };
            RealPiece { access, ..p.clone() }
        };
        let pairs = || pieces.iter().zip(operands);
        let read: Vec<(RealPiece, Gaps)> = pairs().filter_map(|(p, m)| m.gaps.map(|g| (p.clone(), g))).collect();
        if t.kind != Kind::Float || read.iter().any(|(p, _)| !p.sum.is_empty()) {
            return None;
        }
        let values = pairs().map(|(p, m)| on(m.id, p)).collect();
        let id = self.new.op(t.shape.clone(), t.kind, RealOp::Linear { pieces: values, constant });
        let (flags, possible, apart) = self.flags(&t.shape, &read);
        let known = |(p, m): (&RealPiece, &Made)| match m.gaps {
            Some(g) => g.filler.map(|filler| on(filler, p)),
            None => self.new.as_const(m.id).map(|_| on(m.id, p)),
        };
        let fillers: Option<Vec<RealPiece>> = pairs().map(known).collect();
        let filler = fillers
            .filter(|_| apart)
            .map(|pieces| self.new.op(t.shape.clone(), t.kind, RealOp::Linear { pieces, constant }));
        Some(self.with(id, Gaps { flags, possible, filler }))
    }

    fn product(&mut self, t: &RealTensor, c: &Contract, operands: &[Made]) -> Option<Made> {
        if c.out.len() < c.extents.len() || t.kind != Kind::Float {
            return None;
        }
        let on = |ids: [TensorId; 2]| {
            let side = |access: &Access, tensor| Access { tensor, axes: access.axes.clone() };
            RealOp::Contract(Contract { lhs: side(&c.lhs, ids[0]), rhs: side(&c.rhs, ids[1]), ..c.clone() })
        };
        let id = self.new.op(t.shape.clone(), t.kind, on([operands[0].id, operands[1].id]));
        // The axes of the result are the variables, in another order.
        let place = |v: usize| c.out.iter().position(|o| *o == v);
        let moved = |form: &Affine| {
            let terms = form.terms.iter().map(|(v, k)| place(*v).map(|v| (v, *k))).collect::<Option<Vec<_>>>()?;
            Some(Affine::new(&terms, form.offset))
        };
        let mut read = Vec::new();
        for (access, m) in [&c.lhs, &c.rhs].into_iter().zip(operands) {
            let Some(gaps) = m.gaps else { continue };
            let axes = access.axes.iter().map(moved).collect::<Option<Vec<_>>>()?;
            let (start, access) = (vec![0; t.shape.len()], Access { tensor: m.id, axes });
            read.push((RealPiece { start, extents: t.shape.clone(), sum: Vec::new(), coef: 1.0, access }, gaps));
        }
        let (flags, possible, apart) = self.flags(&t.shape, &read);
        let known = |m: &Made| match m.gaps {
            Some(g) => g.filler,
            None => self.new.as_const(m.id).map(|_| m.id),
        };
        let sides = known(&operands[0]).zip(known(&operands[1])).filter(|_| apart);
        let filler = sides.map(|(a, b)| self.new.op(t.shape.clone(), t.kind, on([a, b])));
        Some(self.with(id, Gaps { flags, possible, filler }))
    }

    fn map(&mut self, t: &RealTensor, f: &Arc<Expr>, x: TensorId, g: Gaps) -> Option<Made> {
        let mut of = |x: TensorId| self.new.op(t.shape.clone(), t.kind, RealOp::Map { x, f: f.clone() });
        if t.kind != Kind::Float || !hands_on(f) {
            return None;
        }
        let (filler, id) = (of(g.filler?), of(x));
        let finite = self.new.as_const(filler).is_some_and(|cells| cells.iter().all(|v| v.is_finite()));
        finite.then_some(Made { id, gaps: Some(Gaps { filler: Some(filler), ..g }) })
    }

    /// The cells of `x`, or those of `with` where they are missing.
    fn fill(&mut self, t: &RealTensor, x: TensorId, g: Gaps, with: TensorId) -> Option<TensorId> {
        let new = &mut self.new;
        let Some(filler) = g.filler else {
            let rest = new.not(g.flags);
            let (kept, put) = (new.multiply(rest, x, &t.shape), new.multiply(g.flags, with, &t.shape));
            return Some(new.combine(&t.shape, t.kind, &[(1.0, kept), (1.0, put)], 0.0));
        };
        // Zeros that everybody knows need not be taken off.
        let gains = match new.as_uniform(filler) {
            Some(0.0) => with,
            _ => new.binary(Bin::Sub, with, filler)?,
        };
        if new.as_const(gains).is_none() {
            let put = new.multiply(g.flags, gains, &t.shape);
            return Some(new.combine(&t.shape, t.kind, &[(1.0, x), (1.0, put)], 0.0));
        }
        let own: Vec<usize> = new.shape(gains).iter().copied().skip_while(|len| *len == 1).collect();
        let gains = if t.shape.ends_with(&own) { gains } else { new.broadcast(gains, &t.shape) };
        Some(new.op(t.shape.clone(), t.kind, RealOp::AddAt { x, flags: g.flags, gains }))
    }
}
