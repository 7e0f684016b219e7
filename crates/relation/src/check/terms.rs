//! Declarations: every reference exists, every list is as long as it must be, every integer stays an integer.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use super::{KeyError, Limits, index, length, product, range};
use crate::decl::{Access, Affine, Coef, Expr, Home, Relation};
use crate::key::{IoVisibility, Visibility};
use crate::table::{Column, Part, Rows, Table};

/// Values must stay below this in absolute value, so that equality in the field is equality of integers.
const BOUND: i128 = (1 << 62) - 1;
/// Largest number of columns of a table.
const MAX_WIDTH: usize = 17;

pub(super) fn check(relation: &Relation, visibility: &Visibility, limits: &Limits) -> Result<(), KeyError> {
    length("visibility", "inputs", relation.inputs.len(), visibility.inputs.len())?;
    length("visibility", "outputs", relation.outputs.len(), visibility.outputs.len())?;
    for t in &relation.tensors {
        let path = || format!("tensor '{}'", t.name);
        shape("tensor shape", path, &t.shape, limits)?;
        if let Home::Public(cells) = &t.home {
            length("public cells", path(), t.cells(), cells.len())?;
            cells.iter().try_for_each(|c| value("public cell", path, *c))?;
        }
    }
    homes(relation, visibility)?;
    tables(relation, visibility, limits)?;
    for l in &relation.lookups {
        let path = || format!("look-up '{}'", l.name);
        shape("look-up space", path, &l.space, limits)?;
        index("table", path(), l.table, relation.tables.len())?;
        let width = relation.tables.get(l.table as usize).map_or(0, Table::width);
        length("tuple", path(), width, l.tuple.len())?;
        for (c, e) in l.tuple.iter().enumerate() {
            expr(relation, visibility, &format!("{}, column {c}", path()), &l.space, e, limits)?;
        }
    }
    for o in &relation.outputs {
        let path = || format!("output '{}'", o.name);
        shape("output space", path, &o.space, limits)?;
        expr(relation, visibility, &path(), &o.space, &o.expr, limits)?;
        interval("output range", path, o.lo, o.hi)?;
    }
    Ok(())
}

fn value(field: &'static str, path: impl Fn() -> String, v: i64) -> Result<(), KeyError> {
    if i128::from(v).abs() <= BOUND { Ok(()) } else { range(field, path(), v.into(), -BOUND, BOUND) }
}

fn interval(field: &'static str, path: impl Fn() -> String, lo: i64, hi: i64) -> Result<(), KeyError> {
    value(field, &path, lo)?;
    value(field, &path, hi)?;
    range(field, path(), lo.into(), -BOUND, hi.into())
}

fn shape(field: &'static str, path: impl Fn() -> String, shape: &[u32], limits: &Limits) -> Result<(), KeyError> {
    range(field, path(), shape.len() as i128, 1, 64)?;
    shape.iter().try_for_each(|n| range(field, path(), (*n).into(), 1, u32::MAX.into()))?;
    range(field, path(), product(shape.iter().copied()) as i128, 1, limits.cells.into())
}

/// Every input and every committed output has exactly one tensor, of its own shape.
fn homes(relation: &Relation, visibility: &Visibility) -> Result<(), KeyError> {
    let mut inputs = vec![0u32; relation.inputs.len()];
    let mut outputs = vec![0u32; relation.outputs.len()];
    for (i, t) in relation.tensors.iter().enumerate() {
        let path = || format!("tensor '{}'", t.name);
        match t.home {
            Home::Input(k) => {
                index("input", path(), k, inputs.len())?;
                inputs.get_mut(k as usize).into_iter().for_each(|n| *n += 1);
                if relation.inputs.get(k as usize).is_some_and(|d| d.tensor as usize != i) {
                    return Err(conflict("input tensor", path(), "is not the one that the input's declaration names"));
                }
            }
            Home::Output(k) => {
                index("output", path(), k, outputs.len())?;
                outputs.get_mut(k as usize).into_iter().for_each(|n| *n += 1);
                if relation.outputs.get(k as usize).is_some_and(|o| o.space != t.shape) {
                    return Err(conflict("output tensor", path(), "has another shape than the output's space"));
                }
            }
            _ => {}
        }
    }
    for (k, (n, d)) in inputs.iter().zip(&relation.inputs).enumerate() {
        let path = || format!("input {k}");
        range("input tensor", path(), (*n).into(), 1, 1)?;
        index("input tensor", path(), d.tensor, relation.tensors.len())?;
        interval("input range", path, d.lo, d.hi)?;
    }
    for (k, n) in outputs.iter().enumerate() {
        let committed = visibility.output(k as u32) == IoVisibility::Committed;
        range("output tensor", format!("output {k}"), (*n).into(), committed.into(), 1)?;
    }
    Ok(())
}

fn conflict(field: &'static str, path: String, problem: &'static str) -> KeyError {
    KeyError::Conflict { field, path, problem }
}

fn tables(relation: &Relation, visibility: &Visibility, limits: &Limits) -> Result<(), KeyError> {
    let mut rows = 0i128;
    for t in &relation.tables {
        let path = || format!("table '{}'", t.name);
        match &t.rows {
            Rows::Public(parts) => {
                range("table parts", path(), parts.len() as i128, 1, i128::MAX)?;
                range("table width", path(), t.width() as i128, 1, MAX_WIDTH as i128)?;
                parts.iter().try_for_each(|p| part(path, t.width(), p))?;
                rows += parts.iter().map(|p| i128::from(p.len)).sum::<i128>();
            }
            Rows::Committed { space, columns } => {
                // At least one column behind the number: a table of numbers alone is a ramp.
                range("table width", path(), t.width() as i128, 2, MAX_WIDTH as i128)?;
                shape("table space", path, space, limits)?;
                rows = rows.saturating_add(product(space.iter().copied()) as i128);
                for (c, e) in columns.iter().enumerate() {
                    expr(relation, visibility, &format!("{}, column {}", path(), c + 1), space, e, limits)?;
                }
            }
        }
    }
    range("table rows", "all tables", rows, 0, limits.table_rows.into())
}

fn part(path: impl Fn() -> String, width: usize, p: &Part) -> Result<(), KeyError> {
    range("part length", path(), p.len.into(), 1, u32::MAX.into())?;
    length("part columns", path(), width, p.columns.len())?;
    for c in &p.columns {
        match c {
            Column::Ramp(s) => {
                let end = i128::from(*s) + i128::from(p.len) - 1;
                value("ramp", &path, *s)?;
                range("ramp", path(), end, -BOUND, BOUND)?;
            }
            Column::Constant(k) => value("constant column", &path, *k)?,
            Column::Values(v) => {
                length("value column", path(), p.len as usize, v.len())?;
                v.iter().try_for_each(|x| value("value column", &path, *x))?;
            }
        }
    }
    Ok(())
}

fn expr(
    relation: &Relation,
    visibility: &Visibility,
    path: &str,
    space: &[u32],
    e: &Expr,
    limits: &Limits,
) -> Result<(), KeyError> {
    coef(path, e.constant)?;
    let walk = |sum: &[u32], what: &str, i: usize| {
        let path = format!("{path}, {what} {i}");
        sum.iter().try_for_each(|n| range("summation length", path.as_str(), (*n).into(), 1, u32::MAX.into()))?;
        range("summation variables", path.as_str(), sum.len() as i128, 0, 64)?;
        let all = space.iter().chain(sum).copied();
        // Rounded up to powers of two, as the index space of phase 2 needs them.
        let padded = all.clone().fold(1u128, |a, n| a.saturating_mul(u128::from(n).next_power_of_two()));
        let most = i128::from(limits.steps) << 16;
        range("summation size", path.as_str(), i128::try_from(padded).unwrap_or(i128::MAX), 1, most)?;
        Ok::<_, KeyError>((path, all.collect::<alloc::vec::Vec<u32>>()))
    };
    for (i, l) in e.linear.iter().enumerate() {
        let (path, extents) = walk(&l.sum, "linear term", i)?;
        coef(&path, l.coef)?;
        access(relation, visibility, &path, &extents, &l.access)?;
    }
    for (i, p) in e.products.iter().enumerate() {
        let (path, extents) = walk(&p.sum, "product", i)?;
        coef(&path, p.coef)?;
        access(relation, visibility, &format!("{path}, left"), &extents, &p.lhs)?;
        access(relation, visibility, &format!("{path}, right"), &extents, &p.rhs)?;
    }
    Ok(())
}

fn coef(path: &str, c: Coef) -> Result<(), KeyError> {
    range("coefficient shift", path, c.shift.into(), 0, 63)
}

fn access(
    relation: &Relation,
    visibility: &Visibility,
    path: &str,
    extents: &[u32],
    a: &Access,
) -> Result<(), KeyError> {
    index("tensor", path, a.tensor, relation.tensors.len())?;
    let Some(t) = relation.tensors.get(a.tensor as usize) else { return Ok(()) };
    length("axes", path, t.shape.len(), a.axes.len())?;
    if let Home::Output(k) = t.home
        && visibility.output(k) != IoVisibility::Committed
    {
        // Its cells are in no tree and in no statement: they would read as zero.
        return Err(conflict("tensor", path.into(), "is an output that is not committed"));
    }
    a.axes.iter().try_for_each(|f| form(path, extents, f))?;
    a.guards.iter().try_for_each(|g| form(path, extents, &g.form))
}

fn form(path: &str, extents: &[u32], f: &Affine) -> Result<(), KeyError> {
    let mut reach = i128::from(f.offset).abs();
    for (i, (v, c)) in f.terms.iter().enumerate() {
        index("variable", path, *v, extents.len())?;
        if f.terms.iter().take(i).any(|(w, _)| w == v) {
            return Err(conflict("variable", path.into(), "occurs twice in one form"));
        }
        let n = extents.get(*v as usize).copied().unwrap_or(1);
        // One more than the last index, as a cut axis starts there.
        reach = reach.saturating_add(i128::from(*c).abs().saturating_mul(n.into()));
    }
    range("form", path, reach, 0, BOUND)
}
