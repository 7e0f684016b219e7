//! The exact operators (linear, reshape, contraction) as views: substituted into whatever reads them, so that they
//! cost no witness. Where substitution is impossible the operand is copied into the trace and pinned to its value.

use proveil_graph::{self as graph, Contract, Node, Piece, TensorId};
use proveil_relation::{Access, Affine, Coef, Expr, Guard, Home, Linear, Product};

use crate::error::LowerError;
use crate::lowering::{LIMIT, Lowering, ONE, wrap};
use crate::plan::{Step, Value};
use crate::view::{self, Fail, Read, Space, View};
use crate::{form, tables};

/// A contraction whose operands distribute to more products than this has an operand copied first.
const MAX_PRODUCTS: usize = 8;

/// A view of more linear terms than this is copied, so that reading it does not multiply them.
const MAX_TERMS: usize = 64;

/// A form of the integer graph over the variables of a space.
fn expand(name: &str, form: &graph::Affine, variables: &[Affine]) -> Result<Affine, LowerError> {
    let mut out = Affine::constant(form.offset);
    for &(var, coef) in &form.terms {
        let undefined = || LowerError::Undefined { name: name.to_owned(), what: "variable", index: var };
        let by = variables.get(var).ok_or_else(undefined)?;
        form::add_scaled(&mut out, by, coef).ok_or_else(|| wrap(name, "an index", LIMIT))?;
    }
    Ok(out)
}

impl Lowering<'_> {
    /// The view of a linear operator's output.
    pub fn linear(&mut self, node: &Node, pieces: &[Piece], constant: i64) -> Result<View, LowerError> {
        let shape = self.shape(&node.name, node.out)?;
        let outer = shape.len();
        let mut space = Space::new(shape, outer);
        'again: loop {
            let mut expr = view::constant(constant);
            for piece in pieces {
                match self.piece(node, piece, &space)? {
                    Ok(part) => {
                        view::add(&mut expr, &part, piece.coef)
                            .ok_or_else(|| wrap(&node.name, "a coefficient", LIMIT))?;
                    }
                    Err(fail) => {
                        self.repair(&node.name, piece.access.tensor, fail, &mut space)?;
                        continue 'again;
                    }
                }
            }
            let large = expr.linear.len() > MAX_TERMS || expr.products.len() > MAX_PRODUCTS;
            let out = View { factors: space.logical, expr };
            if large {
                self.define(node.out, out);
                self.copy(&node.name, node.out)?;
                return self.view(&node.name, node.out).cloned();
            }
            return Ok(out);
        }
    }

    /// One summand of a linear operator over the output's variables, without its coefficient.
    fn piece(&mut self, node: &Node, piece: &Piece, out: &Space) -> Result<Result<Expr, Fail>, LowerError> {
        let name = &node.name;
        let id = piece.access.tensor;
        if !piece.sum.is_empty() && !self.view(name, id)?.expr.products.is_empty() {
            self.copy(name, id)?;
        }
        let shape = self.shape(name, node.out)?;
        let mut space = out.clone();
        let sums = crate::lowering::lengths(name, &piece.sum)?;
        space.logical.extend(Space::new(sums, 0).logical);
        loop {
            let (mut variables, extents) = (space.forms(), space.extents());
            let mut guards = Vec::new();
            for (a, &len) in shape.iter().enumerate() {
                let (start, extent) = box_axis(name, piece, a)?;
                variables[a].offset -= start;
                if start != 0 || extent != u64::from(len) {
                    guards.push(Guard { form: variables[a].clone(), bound: extent });
                }
            }
            let axes = piece.access.axes.iter().map(|f| expand(name, f, &variables));
            let forms = axes.collect::<Result<Vec<_>, _>>()?;
            let outer = space.outer_vars();
            let at = Read { forms: &forms, extents: &extents, outer, guards: &guards, one: ONE };
            match self.read(name, id, &at)? {
                Err(Fail::Split { var, at }) if var as usize >= outer && space.split(var, at) => {}
                result => return Ok(result),
            }
        }
    }

    /// The view of the same cells in another shape.
    pub fn reshape(&mut self, node: &Node, x: TensorId) -> Result<View, LowerError> {
        let shape = self.shape(&node.name, node.out)?;
        let view = self.view(&node.name, x)?;
        let old: Vec<u32> = view.factors.concat();
        if let Some((factors, by)) = regroup(&old, &shape) {
            let expr = substitute(&view.expr, &by, factors.concat().len());
            let expr = expr.ok_or_else(|| wrap(&node.name, "an index", LIMIT))?;
            return Ok(View { factors, expr });
        }
        let cells = shape.iter().product();
        let flat = self.copy_to(&node.name, x, &[cells])?;
        let irregular = || LowerError::Irregular {
            name: node.name.clone(),
            tensor: self.relation.tensors[flat as usize].name.clone(),
        };
        let (factors, by) = regroup(&[cells], &shape).ok_or_else(irregular)?;
        let read = view::single(Access { tensor: flat, axes: vec![Affine::var(0)], guards: Vec::new() });
        let expr = substitute(&read, &by, factors.concat().len()).ok_or_else(irregular)?;
        Ok(View { factors, expr })
    }

    /// The view of a sum of products.
    pub fn contract(&mut self, node: &Node, c: &Contract) -> Result<View, LowerError> {
        let name = &node.name;
        for id in [c.lhs.tensor, c.rhs.tensor] {
            if !self.view(name, id)?.expr.products.is_empty() {
                self.copy(name, id)?;
            }
        }
        let order: Vec<usize> =
            c.out.iter().copied().chain((0..c.extents.len()).filter(|v| !c.out.contains(v))).collect();
        let undefined = |index| LowerError::Undefined { name: name.clone(), what: "variable", index };
        let extent = |&v: &usize| c.extents.get(v).copied().ok_or_else(|| undefined(v));
        let extents = order.iter().map(extent).collect::<Result<Vec<_>, _>>()?;
        let mut space = Space::new(crate::lowering::lengths(name, &extents)?, c.out.len());
        loop {
            let sides = [self.side(node, &c.lhs, &order, &space)?, self.side(node, &c.rhs, &order, &space)?];
            let (lhs, rhs) = match sides {
                [Ok(lhs), Ok(rhs)] => (lhs, rhs),
                [Err(fail), _] => {
                    self.repair(name, c.lhs.tensor, fail, &mut space)?;
                    continue;
                }
                [_, Err(fail)] => {
                    self.repair(name, c.rhs.tensor, fail, &mut space)?;
                    continue;
                }
            };
            if lhs.linear.len() * rhs.linear.len() > MAX_PRODUCTS {
                let wide = if lhs.linear.len() > rhs.linear.len() { c.lhs.tensor } else { c.rhs.tensor };
                self.copy(name, wide)?;
                continue;
            }
            let outer = space.outer_vars();
            let extents = space.extents();
            let expr = multiply(&lhs, &rhs, &extents, outer).ok_or_else(|| wrap(name, "a coefficient", LIMIT))?;
            let expr = self.tidy(name, expr, &extents[..outer])?;
            return Ok(View { factors: space.logical[..space.outer].to_vec(), expr });
        }
    }

    /// One operand of a contraction over all its variables.
    fn side(
        &mut self,
        node: &Node,
        access: &graph::Access,
        order: &[usize],
        space: &Space,
    ) -> Result<Result<Expr, Fail>, LowerError> {
        let forms = space.forms();
        let mut variables = vec![Affine::default(); forms.len()];
        for (form, &v) in forms.into_iter().zip(order) {
            variables[v] = form;
        }
        let axes = access.axes.iter().map(|f| expand(&node.name, f, &variables)).collect::<Result<Vec<_>, _>>()?;
        let extents = space.extents();
        let at = Read { forms: &axes, extents: &extents, outer: extents.len(), guards: &[], one: ONE };
        self.read(&node.name, access.tensor, &at)
    }

    /// Commits a copy of a virtual tensor, pinned cell by cell, and reads it from now on.
    pub fn copy(&mut self, name: &str, id: TensorId) -> Result<(), LowerError> {
        let View { factors, .. } = self.view(name, id)?.clone();
        let tensor = self.copy_to(name, id, &factors.concat())?;
        let expr = crate::lowering::cells(tensor, factors.concat().len());
        self.define(id, View { factors, expr });
        Ok(())
    }

    /// Commits a copy whose axes are those of the graph's tensor, uncut, so that every affine read composes.
    pub fn flatten(&mut self, name: &str, id: TensorId) -> Result<(), LowerError> {
        let shape = self.shape(name, id)?;
        let space = Space::new(shape.iter().copied(), shape.len());
        let view = self.view(name, id)?;
        if view.factors == space.logical && is_committed(&view.expr) {
            let tensor = self.graph.tensors[id.0 as usize].name.clone();
            return Err(LowerError::Irregular { name: name.to_owned(), tensor });
        }
        let tensor = self.copy_to(name, id, &space.extents())?;
        let expr = crate::lowering::cells(tensor, space.extents().len());
        self.define(id, View { factors: space.logical, expr });
        Ok(())
    }

    /// Commits the cells of a tensor under a shape whose axes are products of consecutive factors of its view.
    fn copy_to(&mut self, name: &str, id: TensorId, shape: &[u32]) -> Result<u32, LowerError> {
        let View { factors, expr } = self.view(name, id)?.clone();
        let space = factors.concat();
        let irregular =
            || LowerError::Irregular { name: name.to_owned(), tensor: self.graph.tensors[id.0 as usize].name.clone() };
        let merged = merge(&space, shape).ok_or_else(irregular)?;
        let label = format!("{}/copy", self.graph.tensors[id.0 as usize].name);
        let tensor = self.declare(&label, shape.to_vec(), Home::Trace);
        let read = view::single(Access { tensor, axes: merged, guards: Vec::new() });
        let mut gap = expr;
        view::add(&mut gap, &read, -1).ok_or_else(|| wrap(name, "a coefficient", LIMIT))?;
        let zero = self.table("zero", tables::range(1));
        let lookup = self.lookup(&label, &space, zero, vec![gap]);
        self.plan.copies.push((tensor, id));
        let cells = space.iter().map(|&n| n as usize).product();
        self.plan.steps.push(Step::range(Value::Zero { cells }, lookup, 1));
        Ok(tensor)
    }
}

/// Whether the expression is a plain read of one tensor.
fn is_committed(expr: &Expr) -> bool {
    let plain = |l: &Linear| {
        let axes = l.access.axes.iter().zip(0..).all(|(a, v)| *a == Affine::var(v));
        axes && l.coef == Coef::int(1) && l.sum.is_empty() && l.access.guards.is_empty()
    };
    expr.constant.num == 0 && expr.products.is_empty() && matches!(&expr.linear[..], [l] if plain(l))
}

/// First index and length of a piece's box along an axis.
fn box_axis(name: &str, piece: &Piece, a: usize) -> Result<(i64, u64), LowerError> {
    let undefined = || LowerError::Undefined { name: name.to_owned(), what: "axis of a box", index: a };
    let start = piece.start.get(a).copied().and_then(|s| i64::try_from(s).ok()).ok_or_else(undefined)?;
    Ok((start, *piece.extents.get(a).ok_or_else(undefined)? as u64))
}

/// Forms of the axes of `shape` over row-major factors that refine it.
fn merge(factors: &[u32], shape: &[u32]) -> Option<Vec<Affine>> {
    let mut out = Vec::with_capacity(shape.len());
    let mut at = 0;
    for &n in shape {
        let (first, mut len) = (at, 1u64);
        while len < u64::from(n) {
            len *= u64::from(*factors.get(at)?);
            at += 1;
        }
        if len != u64::from(n) {
            return None;
        }
        let group = Space { logical: vec![factors[first..at].to_vec()], outer: 1 };
        let mut form = group.forms().pop()?;
        form.terms.iter_mut().for_each(|t| t.0 += first as u32);
        out.push(form);
    }
    (at == factors.len()).then_some(out)
}

/// Cuts row-major factors so that they refine another shape: the new factors of its axes, and each old factor as a
/// form over them. `None` where axes overlap without one length dividing the other.
fn regroup(old: &[u32], shape: &[u32]) -> Option<(Vec<Vec<u32>>, Vec<Affine>)> {
    let mut rest = old.iter().copied();
    let mut front = 1;
    let mut pieces: Vec<Vec<u32>> = Vec::new();
    let mut axes = Vec::with_capacity(shape.len());
    for &n in shape {
        let (mut need, mut axis) = (n, Vec::new());
        while need > 1 {
            if front == 1 {
                front = rest.next()?;
                pieces.push(Vec::new());
            }
            let take = if need % front == 0 { front } else { need };
            if front % take != 0 {
                return None;
            }
            axis.push(take);
            pieces.last_mut()?.push(take);
            need /= take;
            front /= take;
        }
        axes.push(axis);
    }
    let forms = Space { outer: 0, logical: pieces }.forms();
    (front == 1 && rest.next().is_none()).then_some((axes, forms))
}

/// An expression with its space variables replaced; summation variables follow the `vars` new ones.
pub fn substitute(expr: &Expr, by: &[Affine], vars: usize) -> Option<Expr> {
    let place = |access: &Access, sum: &[u32]| {
        let mut by = by.to_vec();
        by.extend((0..sum.len()).map(|i| Affine::var((vars + i) as u32)));
        form::substitute_access(access, &by)
    };
    let mut out = expr.clone();
    for l in &mut out.linear {
        l.access = place(&l.access, &l.sum)?;
    }
    for p in &mut out.products {
        (p.lhs, p.rhs) = (place(&p.lhs, &p.sum)?, place(&p.rhs, &p.sum)?);
    }
    Some(out)
}

/// The product of two linear expressions, summed over the variables from `outer` on.
fn multiply(lhs: &Expr, rhs: &Expr, extents: &[u32], outer: usize) -> Option<Expr> {
    let all = extents.len() as u32;
    let summed = &extents[outer..];
    let mut out = view::zero();
    for l in &lhs.linear {
        for r in &rhs.linear {
            let mut to: Vec<u32> = (0..all).collect();
            to.extend((0..r.sum.len()).map(|i| all + (l.sum.len() + i) as u32));
            let rhs = form::renumber(&r.access, &to)?;
            let coef = Coef::int(l.coef.num.checked_mul(r.coef.num)?);
            out.products.push(Product { coef, sum: [summed, &l.sum, &r.sum].concat(), lhs: l.access.clone(), rhs });
        }
    }
    for (terms, factor) in [(&lhs.linear, rhs.constant.num), (&rhs.linear, lhs.constant.num)] {
        for l in terms.iter().filter(|_| factor != 0) {
            let coef = Coef::int(l.coef.num.checked_mul(factor)?);
            out.linear.push(Linear { coef, sum: [summed, &l.sum].concat(), access: l.access.clone() });
        }
    }
    let terms = summed.iter().try_fold(1i64, |n, &len| n.checked_mul(i64::from(len)))?;
    out.constant.num = lhs.constant.num.checked_mul(rhs.constant.num)?.checked_mul(terms)?;
    Some(out)
}
