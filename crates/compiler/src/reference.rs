//! Slow, literal meaning of a relation: what every faster evaluation is compared with.
//!
//! Two readings. [`expr_at`] is over the integers and demands that every division by a power of two is exact, as it
//! is for an honest witness. [`check`] is over the field of `2^64 - 2^32 + 1` elements, as the proof is: there a
//! division is always possible, and a forged witness may use any field element, written as the signed integer of
//! least absolute value.

use std::collections::HashSet;

use proveil_relation::{Access, Coef, Expr, Home, Relation};

/// Number of elements of the field that [`check`] computes in.
pub const PRIME: u64 = 0xffff_ffff_0000_0001;

/// Why an evaluation or a check fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A tuple that is no row of its table.
    #[error("look-up `{lookup}`: cell {cell} holds {tuple:?}, which is no row of its table")]
    Unsatisfied {
        /// Look-up.
        lookup: String,
        /// Row-major position in its space.
        cell: usize,
        /// The tuple, as signed integers of least absolute value.
        tuple: Vec<i128>,
    },
    /// An output outside its declared interval.
    #[error("output `{output}`: cell {cell} is {value}, outside its declared interval")]
    OutputRange {
        /// Output.
        output: String,
        /// Row-major position.
        cell: usize,
        /// The value, as the signed integer of least absolute value.
        value: i128,
    },
    /// A division that leaves a remainder, or a value beyond 128 bits.
    #[error("cell {cell}: the value is no integer of 128 bits")]
    Inexact {
        /// Row-major position in the space.
        cell: usize,
    },
    /// A tensor that is missing or has the wrong number of cells, or a table or column that is missing.
    #[error("{what} {index} does not fit the relation; pass the witness of this relation")]
    Malformed {
        /// `tensor`, `table` or `look-up`.
        what: &'static str,
        /// The number.
        index: usize,
    },
}

/// Arithmetic that an expression can be evaluated in.
trait Number: Copy {
    fn int(x: i64) -> Self;
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// Division by a power of two.
    fn halve(self, times: u32) -> Self;
}

/// An integer, or nothing once 128 bits did not suffice or a division left a remainder.
#[derive(Clone, Copy)]
struct Exact(Option<i128>);

impl Number for Exact {
    fn int(x: i64) -> Self {
        Self(Some(i128::from(x)))
    }
    fn add(self, other: Self) -> Self {
        Self(self.0.zip(other.0).and_then(|(a, b)| a.checked_add(b)))
    }
    fn mul(self, other: Self) -> Self {
        Self(self.0.zip(other.0).and_then(|(a, b)| a.checked_mul(b)))
    }
    fn halve(self, times: u32) -> Self {
        Self(self.0.filter(|x| *x == 0 || x.trailing_zeros() >= times).map(|x| x >> times.min(127)))
    }
}

/// An element of the field, canonical.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Element(u64);

impl Number for Element {
    fn int(x: i64) -> Self {
        Self(i128::from(x).rem_euclid(i128::from(PRIME)) as u64)
    }
    fn add(self, other: Self) -> Self {
        Self(((u128::from(self.0) + u128::from(other.0)) % u128::from(PRIME)) as u64)
    }
    fn mul(self, other: Self) -> Self {
        Self((u128::from(self.0) * u128::from(other.0) % u128::from(PRIME)) as u64)
    }
    fn halve(self, times: u32) -> Self {
        (0..times).fold(self, |x, _| x.mul(Self(PRIME / 2 + 1)))
    }
}

impl Element {
    fn signed(self) -> i128 {
        let x = i128::from(self.0);
        if self.0 > PRIME / 2 { x - i128::from(PRIME) } else { x }
    }
}

/// Values of an expression over a space, row-major, as integers.
///
/// # Errors
/// `Inexact` when a division leaves a remainder; `Malformed` for tensors of another relation.
pub fn expr_at(
    relation: &Relation,
    tensors: &[Vec<i64>],
    expr: &Expr,
    space: &[u32],
) -> Result<Vec<i128>, ReferenceError> {
    let cells: Vec<Exact> = evaluate(relation, tensors, expr, space)?;
    cells.into_iter().enumerate().map(|(cell, x)| x.0.ok_or(ReferenceError::Inexact { cell })).collect()
}

/// Values of all outputs, as integers.
///
/// # Errors
/// As [`expr_at`].
pub fn outputs(relation: &Relation, tensors: &[Vec<i64>]) -> Result<Vec<Vec<i128>>, ReferenceError> {
    relation.outputs.iter().map(|o| expr_at(relation, tensors, &o.expr, &o.space)).collect()
}

/// Whether tensors satisfy a relation, in the field.
///
/// # Errors
/// The first tuple that is no row of its table, or output outside its interval; `Malformed` for tensors of another
/// relation.
pub fn check(relation: &Relation, tensors: &[Vec<i64>]) -> Result<(), ReferenceError> {
    let tables = relation.tables.iter().map(|t| rows(relation, tensors, t)).collect::<Result<Vec<_>, _>>()?;
    for (index, lookup) in relation.lookups.iter().enumerate() {
        let rows = tables.get(lookup.table as usize).ok_or(ReferenceError::Malformed { what: "look-up", index })?;
        let columns = lookup.tuple.iter().map(|e| evaluate::<Element>(relation, tensors, e, &lookup.space));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for cell in 0..size(&lookup.space) {
            let tuple: Vec<Element> = columns.iter().map(|c| c[cell]).collect();
            if !rows.contains(&tuple) {
                let tuple = tuple.into_iter().map(Element::signed).collect();
                return Err(ReferenceError::Unsatisfied { lookup: lookup.name.clone(), cell, tuple });
            }
        }
    }
    for output in &relation.outputs {
        let cells: Vec<Element> = evaluate(relation, tensors, &output.expr, &output.space)?;
        for (cell, value) in cells.into_iter().map(Element::signed).enumerate() {
            if value < i128::from(output.lo) || value > i128::from(output.hi) {
                return Err(ReferenceError::OutputRange { output: output.name.clone(), cell, value });
            }
        }
    }
    Ok(())
}

/// The rows of a table, of committed rows behind their numbers.
fn rows(
    relation: &Relation,
    tensors: &[Vec<i64>],
    table: &proveil_relation::table::Table,
) -> Result<HashSet<Vec<Element>>, ReferenceError> {
    let Some((space, columns)) = table.expressions() else {
        return Ok(table.materialise().into_iter().map(|row| row.into_iter().map(Element::int).collect()).collect());
    };
    let columns = columns.iter().map(|e| evaluate::<Element>(relation, tensors, e, space));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let row = |r: usize| std::iter::once(Element::int(r as i64)).chain(columns.iter().map(|c| c[r])).collect();
    Ok((0..size(space)).map(row).collect())
}

fn size(space: &[u32]) -> usize {
    space.iter().map(|&n| n as usize).product()
}

fn evaluate<N: Number>(
    relation: &Relation,
    tensors: &[Vec<i64>],
    expr: &Expr,
    space: &[u32],
) -> Result<Vec<N>, ReferenceError> {
    let shifts = expr.linear.iter().map(|l| l.coef.shift).chain(expr.products.iter().map(|p| p.coef.shift));
    let shift = shifts.max().unwrap_or(0).max(expr.constant.shift);
    let scaled = |c: Coef| (0..shift - c.shift).fold(N::int(c.num), |x, _| x.add(x));
    let mut out = vec![scaled(expr.constant); size(space)];
    for l in &expr.linear {
        let read = Reader::new(relation, tensors, &l.access)?;
        for_each(space, &l.sum, |cell, idx| out[cell] = out[cell].add(scaled(l.coef).mul(N::int(read.at(idx)))));
    }
    for p in &expr.products {
        let (lhs, rhs) = (Reader::new(relation, tensors, &p.lhs)?, Reader::new(relation, tensors, &p.rhs)?);
        for_each(space, &p.sum, |cell, idx| {
            let value = N::int(lhs.at(idx)).mul(N::int(rhs.at(idx)));
            out[cell] = out[cell].add(scaled(p.coef).mul(value));
        });
    }
    Ok(out.into_iter().map(|x| x.halve(shift)).collect())
}

/// One access with the cells it reads.
struct Reader<'a> {
    access: &'a Access,
    shape: &'a [u32],
    cells: &'a [i64],
}

impl<'a> Reader<'a> {
    fn new(relation: &'a Relation, tensors: &'a [Vec<i64>], access: &'a Access) -> Result<Self, ReferenceError> {
        let index = access.tensor as usize;
        let malformed = || ReferenceError::Malformed { what: "tensor", index };
        let decl = relation.tensors.get(index).ok_or_else(malformed)?;
        let cells = match &decl.home {
            Home::Public(cells) => cells,
            _ => tensors.get(index).ok_or_else(malformed)?,
        };
        if cells.len() != decl.cells() || access.axes.len() != decl.shape.len() {
            return Err(malformed());
        }
        Ok(Self { access, shape: &decl.shape, cells })
    }

    fn at(&self, idx: &[usize]) -> i64 {
        let inside = |x: i64, n: u64| x >= 0 && (x as u64) < n;
        if !self.access.guards.iter().all(|g| inside(g.form.at(idx), g.bound)) {
            return 0;
        }
        let mut cell = 0;
        for (axis, &n) in self.access.axes.iter().zip(self.shape) {
            let x = axis.at(idx);
            if !inside(x, u64::from(n)) {
                return 0;
            }
            cell = cell * n as usize + x as usize;
        }
        self.cells[cell]
    }
}

/// Visits every setting of space and summation variables with the row-major cell of the space.
fn for_each(space: &[u32], sum: &[u32], mut visit: impl FnMut(usize, &[usize])) {
    let inner = size(sum);
    let extents = [space, sum].concat();
    let mut idx = vec![0usize; extents.len()];
    for step in 0..size(space) * inner {
        visit(step / inner, &idx);
        for (i, &n) in idx.iter_mut().zip(&extents).rev() {
            *i += 1;
            if *i < n as usize {
                break;
            }
            *i = 0;
        }
    }
}
