//! The state of a lowering: the relation and the plan as they grow, and what every operator needs of them.

use std::collections::BTreeSet;

use proveil_graph::{Graph, Node, Op, Range, TensorId};
use proveil_relation::table::{Part, Rows, Table};
use proveil_relation::{Access, Affine, Expr, Home, Linear, Lookup, Product, Relation, TensorDecl};

use crate::error::LowerError;
use crate::plan::{Limb, RangePlan, Step, Value, WitnessPlan};
use crate::view::{self, Fail, Read, Space, View};
use crate::{form, tables};

/// Stands for the public scalar 1 until a term that needs it is kept.
pub const ONE: u32 = u32::MAX;

/// Virtual values stay below this in absolute value, so that field equality is integer equality.
pub const LIMIT: i128 = 1 << 62;

/// The relation and the plan as they grow.
pub struct Lowering<'g> {
    /// What is lowered.
    pub graph: &'g Graph,
    /// The relation so far.
    pub relation: Relation,
    /// The plan so far.
    pub plan: WitnessPlan,
    /// Largest width of a committed digit.
    pub limb_bits: u32,
    views: Vec<Option<View>>,
    one: Option<u32>,
    /// Names taken, of tensors (`false`) and of look-ups (`true`).
    names: BTreeSet<(bool, String)>,
}

impl<'g> Lowering<'g> {
    /// Nothing lowered yet.
    pub fn new(graph: &'g Graph, limb_bits: u32) -> Self {
        Self {
            graph,
            relation: Relation::default(),
            plan: WitnessPlan::new(graph),
            limb_bits,
            views: vec![None; graph.tensors.len()],
            one: None,
            names: BTreeSet::new(),
        }
    }

    /// Declares a tensor whose cells are those of a graph tensor, and makes it that tensor's view.
    pub fn commit_as(&mut self, id: TensorId, name: &str, factors: &[Vec<u32>], home: Home) -> u32 {
        let tensor = self.declare(name, factors.concat(), home);
        self.plan.copies.push((tensor, id));
        self.views[id.0 as usize] = Some(View { factors: factors.to_vec(), expr: identity(tensor, factors) });
        tensor
    }

    /// Declares a tensor.
    pub fn declare(&mut self, name: &str, shape: Vec<u32>, home: Home) -> u32 {
        let name = self.unique(false, name);
        self.relation.tensors.push(TensorDecl { name, shape, home });
        self.relation.tensors.len() as u32 - 1
    }

    /// Declares a tensor of the trace commitment.
    pub fn commit(&mut self, name: &str, factors: &[Vec<u32>]) -> u32 {
        self.declare(name, factors.concat(), Home::Trace)
    }

    fn unique(&mut self, lookup: bool, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut n = 2;
        while !self.names.insert((lookup, unique.clone())) {
            unique = format!("{name}#{n}");
            n += 1;
        }
        unique
    }

    /// Index of a table with these rows, new or not.
    pub fn table(&mut self, name: &str, parts: Vec<Part>) -> u32 {
        self.rows(name, Rows::Public(parts)).0
    }

    /// Index of a table with these rows, and whether it is new.
    pub fn rows(&mut self, name: &str, rows: Rows) -> (u32, bool) {
        if let Some(at) = self.relation.tables.iter().position(|t| t.rows == rows) {
            return (at as u32, false);
        }
        self.relation.tables.push(Table { name: name.to_owned(), rows });
        (self.relation.tables.len() as u32 - 1, true)
    }

    /// Index of the table `0 .. rows`.
    pub fn range_table(&mut self, rows: u32) -> u32 {
        self.table(&format!("range {rows}"), tables::range(rows))
    }

    /// Adds a look-up over a space.
    pub fn lookup(&mut self, name: &str, space: &[u32], table: u32, tuple: Vec<Expr>) -> u32 {
        let name = self.unique(true, name);
        self.relation.lookups.push(Lookup { name, space: space.to_vec(), table, tuple });
        self.relation.lookups.len() as u32 - 1
    }

    /// Claims that an integer expression lies in `0 .. 2^bits` in every cell.
    ///
    /// All limbs but the top one are committed; the top one is what the others leave, divided.
    pub fn in_bits(
        &mut self,
        name: &str,
        space: &[u32],
        expr: Expr,
        bits: u32,
        value: Value,
    ) -> Result<(), LowerError> {
        let mut rest = expr;
        let mut limbs = Vec::new();
        let mut offset = 0;
        while bits - offset > self.limb_bits {
            let limb = self.digit(&format!("{name}{offset}"), space, offset, self.limb_bits);
            self.subtract(name, &mut rest, limb.tensor, space.len(), 1 << offset)?;
            limbs.push(limb);
            offset += self.limb_bits;
        }
        let table = self.range_table(1 << (bits - offset));
        let top = self.lookup(name, space, table, vec![view::divide(rest, offset)]);
        self.plan.steps.push(Step::Range { value, plan: RangePlan { limbs, top, offset, rows: 1 << (bits - offset) } });
        Ok(())
    }

    /// Claims that an integer expression lies in `0 .. rows` in every cell.
    pub fn in_rows(&mut self, name: &str, space: &[u32], expr: Expr, rows: u32, value: Value) {
        let table = self.range_table(rows);
        let top = self.lookup(name, space, table, vec![expr]);
        let plan = RangePlan { limbs: Vec::new(), top, offset: 0, rows: u64::from(rows) };
        self.plan.steps.push(Step::Range { value, plan });
    }

    /// Commits a digit of `bits` bits at bit `offset` of some value and ranges it.
    pub fn digit(&mut self, name: &str, space: &[u32], offset: u32, bits: u32) -> Limb {
        let tensor = self.declare(name, space.to_vec(), Home::Trace);
        let table = self.range_table(1 << bits);
        let lookup = self.lookup(name, space, table, vec![cells(tensor, space.len())]);
        Limb { tensor, lookup, offset, bits }
    }

    /// `expr -= factor * tensor`, cell by cell.
    pub fn subtract(
        &self,
        name: &str,
        expr: &mut Expr,
        tensor: u32,
        vars: usize,
        factor: i64,
    ) -> Result<(), LowerError> {
        view::add(expr, &cells(tensor, vars), -factor).ok_or_else(|| wrap(name, "a coefficient", LIMIT))
    }

    /// The view of a tensor that is defined already.
    pub fn view(&self, name: &str, id: TensorId) -> Result<&View, LowerError> {
        let index = id.0 as usize;
        let undefined = || LowerError::Undefined { name: name.to_owned(), what: "tensor", index };
        self.views.get(index).and_then(Option::as_ref).ok_or_else(undefined)
    }

    /// Defines the view of a tensor.
    pub fn define(&mut self, id: TensorId, view: View) {
        if let Some(slot) = self.views.get_mut(id.0 as usize) {
            *slot = Some(view);
        }
    }

    /// Range of a tensor of the graph.
    pub fn range(&self, name: &str, id: TensorId) -> Result<Range, LowerError> {
        let index = id.0 as usize;
        let undefined = || LowerError::Undefined { name: name.to_owned(), what: "tensor", index };
        self.graph.tensors.get(index).map(|t| t.range).ok_or_else(undefined)
    }

    /// Axis lengths of a tensor of the graph.
    pub fn shape(&self, name: &str, id: TensorId) -> Result<Vec<u32>, LowerError> {
        let index = id.0 as usize;
        let undefined = || LowerError::Undefined { name: name.to_owned(), what: "tensor", index };
        lengths(name, &self.graph.tensors.get(index).ok_or_else(undefined)?.shape)
    }

    /// What one read of a tensor sees, tidied.
    pub fn read(&mut self, name: &str, id: TensorId, at: &Read<'_>) -> Result<Result<Expr, Fail>, LowerError> {
        match view::read(self.view(name, id)?, at) {
            Ok(expr) => Ok(Ok(self.tidy(name, expr, &at.extents[..at.outer])?)),
            Err(fail) => Ok(Err(fail)),
        }
    }

    /// Reads tensors of one shape cell by cell: their common factors and their values.
    pub fn operands(&mut self, name: &str, ids: &[TensorId]) -> Result<(Vec<Vec<u32>>, Vec<Expr>), LowerError> {
        let shape = self.shape(name, *ids.first().unwrap_or(&TensorId(u32::MAX)))?;
        let outer = shape.len();
        let mut space = Space::new(shape, outer);
        'again: loop {
            let (forms, extents) = (space.forms(), space.extents());
            let mut out = Vec::with_capacity(ids.len());
            for &id in ids {
                let at = Read { forms: &forms, extents: &extents, outer: extents.len(), guards: &[], one: ONE };
                match self.read(name, id, &at)? {
                    Ok(expr) => out.push(expr),
                    Err(fail) => {
                        self.repair(name, id, fail, &mut space)?;
                        continue 'again;
                    }
                }
            }
            return Ok((space.logical, out));
        }
    }

    /// Makes a failed read possible: cuts a variable of the reader, or copies the tensor read.
    pub fn repair(&mut self, name: &str, id: TensorId, fail: Fail, space: &mut Space) -> Result<(), LowerError> {
        match fail {
            Fail::Split { var, at } if space.split(var, at) => Ok(()),
            _ => self.flatten(name, id),
        }
    }

    /// Removes from an expression what has no effect, and names the public scalar 1 if it is used.
    pub fn tidy(&mut self, name: &str, expr: Expr, space: &[u32]) -> Result<Expr, LowerError> {
        let mut out = view::zero();
        out.constant = expr.constant;
        let too_large = || wrap(name, "a coefficient", LIMIT);
        for mut l in expr.linear {
            self.name_one(&mut l.access);
            if self.tidy_linear(&mut l, space).ok_or_else(too_large)? {
                view::push_linear(&mut out, l).ok_or_else(too_large)?;
            }
        }
        for mut p in expr.products {
            self.name_one(&mut p.lhs);
            self.name_one(&mut p.rhs);
            if self.tidy_product(&mut p, space).ok_or_else(too_large)? {
                out.products.push(p);
            }
        }
        Ok(out)
    }

    fn name_one(&mut self, access: &mut Access) {
        if access.tensor == ONE {
            access.tensor = self.public_one();
        }
    }

    /// The public tensor `0, 1, .., len - 1`.
    pub fn ramp(&mut self, len: u32) -> u32 {
        let home = Home::Public((0..i64::from(len)).collect());
        if let Some(at) = self.relation.tensors.iter().position(|t| t.home == home && t.shape == [len]) {
            return at as u32;
        }
        self.declare(&format!("ramp {len}"), vec![len], home)
    }

    fn public_one(&mut self) -> u32 {
        if let Some(one) = self.one {
            return one;
        }
        let one = self.declare("one", Vec::new(), Home::Public(vec![1]));
        *self.one.insert(one)
    }

    /// Whether the term can be other than 0; `None` when its coefficient leaves 64 bits.
    fn tidy_linear(&self, l: &mut Linear, space: &[u32]) -> Option<bool> {
        let extents = [space, &l.sum].concat();
        if l.coef.num == 0 || !self.simplify(&mut l.access, &extents) {
            return Some(false);
        }
        let (to, sum, factor) = used(space.len(), &l.sum, |v| l.access.uses(v));
        l.access = form::renumber(&l.access, &to)?;
        l.coef.num = l.coef.num.checked_mul(factor?)?;
        l.sum = sum;
        Some(true)
    }

    /// Whether the term can be other than 0; `None` when its coefficient leaves 64 bits.
    fn tidy_product(&self, p: &mut Product, space: &[u32]) -> Option<bool> {
        let extents = [space, &p.sum].concat();
        let lives = self.simplify(&mut p.lhs, &extents) && self.simplify(&mut p.rhs, &extents);
        if p.coef.num == 0 || !lives {
            return Some(false);
        }
        p.rhs.guards.retain(|g| !p.lhs.guards.contains(g));
        let (to, sum, factor) = used(space.len(), &p.sum, |v| p.lhs.uses(v) || p.rhs.uses(v));
        p.lhs = form::renumber(&p.lhs, &to)?;
        p.rhs = form::renumber(&p.rhs, &to)?;
        p.coef.num = p.coef.num.checked_mul(factor?)?;
        p.sum = sum;
        Some(true)
    }

    fn simplify(&self, access: &mut Access, extents: &[u32]) -> bool {
        let shape = self.relation.tensors.get(access.tensor as usize).map_or(&[][..], |t| &t.shape);
        form::simplify(access, shape, extents)
    }
}

/// Which summation variables matter: the new number of each variable, the lengths kept, and the product of the rest.
fn used(space: usize, sum: &[u32], uses: impl Fn(usize) -> bool) -> (Vec<u32>, Vec<u32>, Option<i64>) {
    let mut to: Vec<u32> = (0..space as u32).collect();
    let (mut kept, mut factor) = (Vec::new(), Some(1i64));
    for (i, &n) in sum.iter().enumerate() {
        to.push((space + kept.len()) as u32);
        if uses(space + i) {
            kept.push(n);
        } else {
            factor = factor.and_then(|f| f.checked_mul(i64::from(n)));
        }
    }
    (to, kept, factor)
}

/// The read of every cell of a tensor over its own variables.
pub fn cells(tensor: u32, vars: usize) -> Expr {
    view::single(Access { tensor, axes: (0..vars as u32).map(Affine::var).collect(), guards: Vec::new() })
}

fn identity(tensor: u32, factors: &[Vec<u32>]) -> Expr {
    cells(tensor, factors.iter().map(Vec::len).sum())
}

/// Axis lengths as the relation stores them.
pub fn lengths(name: &str, shape: &[usize]) -> Result<Vec<u32>, LowerError> {
    let fit = |&len: &usize| match u32::try_from(len) {
        Ok(n) if (1..1 << 31).contains(&n) => Ok(n),
        _ => Err(LowerError::TooLarge { name: name.to_owned(), len }),
    };
    shape.iter().map(fit).collect()
}

/// The refusal of a value of some size.
pub fn wrap(name: &str, what: &'static str, size: i128) -> LowerError {
    LowerError::Wrap { name: name.to_owned(), what, bits: 128 - size.unsigned_abs().leading_zeros() }
}

/// Number of bits of a number from 0 on: the smallest `m` with `x < 2^m`.
pub fn bit_length(x: i128) -> u32 {
    128 - x.max(0).leading_zeros()
}

/// Tensors that some node or output reads.
pub fn read_tensors(graph: &Graph) -> BTreeSet<TensorId> {
    let mut out: BTreeSet<TensorId> = graph.outputs.iter().copied().collect();
    for Node { op, .. } in &graph.nodes {
        match op {
            Op::Linear { pieces, .. } => out.extend(pieces.iter().map(|p| p.access.tensor)),
            Op::Contract(c) => out.extend([c.lhs.tensor, c.rhs.tensor]),
            Op::Reshape(x) | Op::Sqrt(x) | Op::ArgMaxOneHot(x) => _ = out.insert(*x),
            Op::Lookup { x, .. } | Op::OneHot { x, .. } => _ = out.insert(*x),
            Op::Div { num, den } => out.extend([*num, *den]),
            Op::Gather { data, index } => out.extend([*data, *index]),
        }
    }
    out
}
