//! Phase 1, the prover's half: multiplicities, fractions and helpers, the zerocheck.

mod fractions;
mod zerocheck;

use proveil_relation::decl::Relation;
use proveil_relation::table::{Column, Table};
use rayon::prelude::*;

use crate::ProveError;

pub use fractions::{Fractions, Values};
pub use zerocheck::zerocheck;

/// Addresses that one task takes; their fractions stay in the cache.
const CHUNK: usize = 1 << 10;

/// Row of a table that equals a tuple, if any. `columns` are the values of committed rows behind their numbers.
#[must_use]
pub fn find_row(table: &Table, columns: &[Vec<i64>], tuple: &[i64]) -> Option<usize> {
    if table.expressions().is_some() {
        let (number, values) = tuple.split_first()?;
        let row = usize::try_from(*number).ok().filter(|r| *r < table.num_rows())?;
        let equal = values.len() == columns.len() && columns.iter().zip(values).all(|(c, v)| c.get(row) == Some(v));
        return equal.then_some(row);
    }
    let mut at = 0usize;
    for part in table.parts() {
        let len = part.len as usize;
        let ramp = part.columns.iter().zip(tuple).find_map(|(c, v)| match c {
            Column::Ramp(s) => Some(v.wrapping_sub(*s)),
            _ => None,
        });
        let equal = |i: usize| {
            part.columns.iter().zip(tuple).all(|(c, v)| match c {
                Column::Ramp(s) => s.wrapping_add(i as i64) == *v,
                Column::Constant(k) => k == v,
                Column::Values(x) => x.get(i) == Some(v),
            })
        };
        let found = match ramp {
            Some(i) => usize::try_from(i).ok().filter(|i| *i < len && equal(*i)),
            None => (0..len).find(|i| equal(*i)),
        };
        if let Some(i) = found {
            return Some(at + i);
        }
        at += len;
    }
    None
}

/// How often each table row is looked up, by table. `rows` are the values of committed rows: `[table][column][row]`.
///
/// # Errors
/// `Unsatisfied` names the look-up, cell and tuple that is in no row; with `forgive`, such tuples are not counted.
pub fn multiplicities(
    relation: &Relation,
    tuples: &[Vec<Vec<i64>>],
    rows: &[Vec<Vec<i64>>],
    forgive: bool,
) -> Result<Vec<Vec<i64>>, ProveError> {
    let mut out: Vec<Vec<i64>> = relation.tables.iter().map(|t| vec![0; t.num_rows()]).collect();
    let counted: Result<Vec<(usize, Vec<usize>)>, ProveError> = relation
        .lookups
        .par_iter()
        .zip(tuples)
        .map(|(l, columns)| {
            let table = &relation.tables[l.table as usize];
            let own = rows.get(l.table as usize).map_or(&[][..], Vec::as_slice);
            let cells = columns.first().map_or(0, Vec::len);
            let mut found = Vec::with_capacity(cells);
            let mut tuple = vec![0; columns.len()];
            for cell in 0..cells {
                tuple.iter_mut().zip(columns).for_each(|(t, c)| *t = c[cell]);
                match find_row(table, own, &tuple) {
                    Some(r) => found.push(r),
                    None if forgive => {}
                    None => {
                        return Err(ProveError::Unsatisfied { path: l.name.clone(), cell, tuple: tuple.clone() });
                    }
                }
            }
            Ok((l.table as usize, found))
        })
        .collect();
    for (table, found) in counted? {
        found.iter().for_each(|r| out[table][*r] += 1);
    }
    Ok(out)
}
