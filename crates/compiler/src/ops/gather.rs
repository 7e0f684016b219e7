//! Rows of a tensor at computed places: a look-up into a table of committed rows. See `spec/operators/gather.md`.

use proveil_graph::{Node, TensorId};
use proveil_relation::table::Rows;
use proveil_relation::{Affine, Coef, Expr, Home, Linear};

use crate::compose::substitute;
use crate::error::LowerError;
use crate::lowering::{LIMIT, Lowering, cells, wrap};
use crate::plan::{RowPlan, Step};
use crate::view::{self, Space, View};

/// Largest number of columns behind the row number: a longer row takes several rows of the table.
const MAX_COLUMNS: u32 = 16;

/// The rows of a table over the factors of the data.
struct Data {
    table: u32,
    /// Factors of a row's axes.
    row: Vec<Vec<u32>>,
    /// The variables of a row: all factors of its axes but the last, which is cut.
    lead: Vec<u32>,
    /// Whether there is a factor to cut: a row may be one cell.
    last: bool,
    /// Columns, and cells of the last factor in each of them.
    columns: u32,
    step: u32,
}

/// Lowers the node and returns the view of its output.
pub fn lower(l: &mut Lowering, node: &Node, data: TensorId, index: TensorId) -> Result<View, LowerError> {
    let name = &node.name;
    let num_rows = l.shape(name, data)?.first().copied().unwrap_or(0);
    let range = l.range(name, index)?;
    if range.lo < 0 || range.hi >= i64::from(num_rows) {
        let needs = "clamp the indices to the rows of the data";
        return Err(LowerError::Domain { name: name.clone(), lo: range.lo, hi: range.hi, needs });
    }
    let rows = table(l, name, data)?;
    let (mut factors, places) = l.operands(name, &[index])?;
    let outer = factors.concat();
    factors.extend(rows.row.iter().cloned());
    let out = l.commit_as(node.out, name, &factors, Home::Trace);
    let inner: Vec<u32> = rows.lead.iter().copied().chain((rows.step > 1).then_some(rows.step)).collect();
    let space = [&outer[..], &inner].concat();
    let mut tuple = vec![number(l, name, &places[0], &outer, &inner)?];
    let own = cells(out, factors.concat().len());
    for c in 0..rows.columns {
        let by = cut(outer.len() + rows.lead.len(), &rows, c);
        tuple.push(substitute(&own, &by, space.len()).ok_or_else(|| wrap(name, "an index", LIMIT))?);
    }
    let lookup = l.lookup(&format!("{name}/row"), &space, rows.table, tuple);
    let each = inner.iter().map(|&n| n as usize).product();
    let plan = RowPlan { columns: rows.columns as usize, step: rows.step as usize };
    l.plan.steps.push(Step::Gather { index, out: node.out, lookup, each, plan });
    l.view(name, node.out).cloned()
}

/// The table of a tensor's rows, new or not.
fn table(l: &mut Lowering, name: &str, data: TensorId) -> Result<Data, LowerError> {
    let (factors, exprs) = l.operands(name, &[data])?;
    let (numbers, row) = (factors.first().cloned().unwrap_or_default(), factors.get(1..).unwrap_or_default().to_vec());
    let mut lead = row.concat();
    let cut_factor = lead.pop();
    let last = cut_factor.unwrap_or(1);
    let columns = (1..=MAX_COLUMNS.min(last)).rev().find(|c| last % c == 0).unwrap_or(1);
    let mut rows = Data { table: 0, row, lead, last: cut_factor.is_some(), columns, step: last / columns };
    let space = [&numbers[..], &rows.lead, if rows.step > 1 { std::slice::from_ref(&rows.step) } else { &[] }].concat();
    let mut out = Vec::with_capacity(columns as usize);
    for c in 0..columns {
        let by = cut(numbers.len() + rows.lead.len(), &rows, c);
        let expr = substitute(&exprs[0], &by, space.len()).ok_or_else(|| wrap(name, "an index", LIMIT))?;
        out.push(l.tidy(name, expr, &space)?);
    }
    let label = l.graph.tensors[data.0 as usize].name.clone();
    let (table, new) = l.rows(&label, Rows::Committed { space, columns: out });
    if new {
        l.plan.tables.push((table, data, RowPlan { columns: columns as usize, step: rows.step as usize }));
    }
    rows.table = table;
    Ok(rows)
}

/// The variables of a tensor in terms of those of a look-up or table, where the last one is at column `c`.
fn cut(lead: usize, rows: &Data, c: u32) -> Vec<Affine> {
    let mut by: Vec<Affine> = (0..lead as u32).map(Affine::var).collect();
    let offset = i64::from(c) * i64::from(rows.step);
    if rows.last {
        by.push(if rows.step > 1 { Affine { offset, ..Affine::var(lead as u32) } } else { Affine::constant(offset) });
    }
    by
}

/// `place * M + m`: number of the table's row for row `place` of the data and the `m`-th of `M` inner cells.
fn number(l: &mut Lowering, name: &str, place: &Expr, outer: &[u32], inner: &[u32]) -> Result<Expr, LowerError> {
    let too_large = || wrap(name, "a row number", LIMIT);
    let vars = outer.len() + inner.len();
    let by: Vec<Affine> = (0..outer.len() as u32).map(Affine::var).collect();
    let place = substitute(place, &by, vars).ok_or_else(too_large)?;
    let each = inner.iter().try_fold(1i64, |m, &n| m.checked_mul(i64::from(n))).ok_or_else(too_large)?;
    let mut out = view::zero();
    view::add(&mut out, &place, each).ok_or_else(too_large)?;
    if each > 1 {
        let ramp = l.ramp(u32::try_from(each).map_err(|_| too_large())?);
        let mut form = Space { logical: vec![inner.to_vec()], outer: 1 }.forms().pop().unwrap_or_default();
        form.terms.iter_mut().for_each(|t| t.0 += outer.len() as u32);
        let access = proveil_relation::Access { tensor: ramp, axes: vec![form], guards: Vec::new() };
        out.linear.push(Linear { coef: Coef::int(1), sum: Vec::new(), access });
    }
    Ok(out)
}
