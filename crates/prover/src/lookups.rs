//! Phase 1, the prover's half: multiplicities, denominators, helpers and the zerocheck.

use proveil_algebra::{Challenge, E, F, PrimeCharacteristicRing, eq_table};
use proveil_relation::claims::table_id;
use proveil_relation::decl::Relation;
use proveil_relation::layout::{Block, Layout};
use proveil_relation::table::{Column, Table};
use rayon::prelude::*;

use crate::ProveError;
use crate::packed;
use crate::talk::Talk;

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

/// The fractions of both lanes: denominators and numerators by address, of the used length.
pub struct Fractions {
    /// Denominators of lanes 0 and 1.
    pub den: [Vec<E>; 2],
    /// Numerators of lanes 0 and 1.
    pub num: [Vec<F>; 2],
}

/// Fills both lanes. `rows` are the values of committed rows: `[table][column][row]`.
#[must_use]
pub fn fractions(
    relation: &Relation,
    layout: &Layout,
    tuples: &[Vec<Vec<F>>],
    rows: &[Vec<Vec<F>>],
    multiplicities: &[Vec<i64>],
    alpha: E,
    beta: E,
) -> Fractions {
    let fill = layout.tensors[layout.helper(relation)].dims.last;
    let mut den = [vec![alpha; fill], vec![alpha; fill]];
    let mut num = [vec![F::ZERO; fill], vec![F::ZERO; fill]];
    let width = relation.tables.iter().map(Table::width).max().unwrap_or(0) as u64;
    let powers: Vec<E> = (1..=width).map(|i| beta.exp_u64(i)).collect();
    for (i, (l, block)) in relation.lookups.iter().zip(&layout.blocks).enumerate() {
        let base = alpha - table_id::<E>(l.table as usize);
        fill_block(block, &mut den, &mut num, |cell| {
            let w = tuples[i].iter().zip(&powers).fold(base, |a, (c, p)| a - *p * c[cell]);
            (w, F::ONE)
        });
    }
    let tables = relation.tables.iter().zip(multiplicities).enumerate();
    for ((t, (table, m)), block) in tables.zip(layout.blocks.iter().skip(relation.lookups.len())) {
        let base = alpha - table_id::<E>(t);
        if table.expressions().is_some() {
            fill_block(block, &mut den, &mut num, |cell| {
                let number = base - powers[0] * F::from_u64(cell as u64);
                let w = rows[t].iter().zip(&powers[1..]).fold(number, |a, (c, p)| a - *p * c[cell]);
                (w, -E::base_from_int(m[cell]))
            });
            continue;
        }
        let rows = table.materialise();
        fill_block(block, &mut den, &mut num, |cell| {
            let w = rows[cell].iter().zip(&powers).fold(base, |a, (v, p)| a - *p * E::base_from_int(*v));
            (w, -E::base_from_int(m[cell]))
        });
    }
    Fractions { den, num }
}

fn fill_block(block: &Block, den: &mut [Vec<E>; 2], num: &mut [Vec<F>; 2], cell: impl Fn(usize) -> (E, F) + Sync) {
    let d = &block.dims;
    let (g, chunks) = (d.granule, d.chunks());
    for s in &block.segments {
        let range = s.start..s.start + (s.rows << g);
        let rows = den[s.lane][range.clone()].par_chunks_mut(1 << g).zip(num[s.lane][range].par_chunks_mut(1 << g));
        rows.enumerate().with_min_len(256 >> g.min(8)).for_each(|(r, (den, num))| {
            let (line, chunk) = ((s.row + r) / chunks, (s.row + r) % chunks);
            let from = chunk << g;
            for j in 0..(1 << g).min(d.last - from) {
                (den[j], num[j]) = cell(line * d.last + from + j);
            }
        });
    }
}

/// `h = N0/D0 + N1/D1` by batch inversion.
///
/// # Errors
/// `Pole` when a denominator is zero (probability below 2^-160): prove again.
pub fn helpers(f: &Fractions) -> Result<Vec<E>, ProveError> {
    let [d0, d1] = &f.den;
    let [n0, n1] = &f.num;
    packed::sums_of_fractions([d0, d1], [n0, n1]).ok_or(ProveError::Pole)
}

/// Numerators of both lanes: base-field elements until the first challenge.
enum Numerators {
    Base([Vec<F>; 2]),
    Ext([Vec<E>; 2]),
}

impl Numerators {
    fn view(&self) -> packed::Numerators<'_> {
        match self {
            Self::Base([a, b]) => packed::Numerators::Base([a, b]),
            Self::Ext([a, b]) => packed::Numerators::Ext([a, b]),
        }
    }

    fn fold(self, r: E) -> Self {
        Self::Ext(match self {
            Self::Ext(lanes) => lanes.map(|v| packed::fold(&v, r, E::ZERO)),
            Self::Base(lanes) => lanes.map(|v| packed::fold_base(&v, r)),
        })
    }

    fn first(&self) -> [E; 2] {
        match self {
            Self::Base([a, b]) => [E::from(a[0]), E::from(b[0])],
            Self::Ext([a, b]) => [a[0], b[0]],
        }
    }
}

/// Runs the zerocheck; returns the point and `h, D0, D1, N0, N1` there. Vectors may be shorter than `2^rounds`: the
/// missing cells have denominators `alpha`, numerators and helpers zero, and contribute nothing.
pub fn zerocheck(
    talk: &mut Talk<'_>,
    label: &'static str,
    rho0: &[E],
    alpha: E,
    helper: Vec<E>,
    f: Fractions,
) -> (Vec<E>, [E; 5]) {
    let Fractions { den: [d0, d1], num } = f;
    let mut n = Numerators::Base(num);
    let mut v = [helper, d0, d1];
    let pads = [E::ZERO, alpha, alpha];
    let mut point = Vec::with_capacity(rho0.len());
    for i in 0..rho0.len() {
        let eq = eq_table(&rho0[i + 1..]);
        let tables = packed::Fractions { helper: &v[0], den: [&v[1], &v[2]], alpha };
        let s = packed::fraction_round(&eq, &tables, &n.view());
        for x in s {
            talk.message(label, x);
        }
        let r = talk.transcript.challenge(label);
        for (k, v) in v.iter_mut().enumerate() {
            *v = packed::fold(v, r, pads[k]);
        }
        n = n.fold(r);
        point.push(r);
    }
    let [h, d0, d1] = v.map(|v| v[0]);
    let [n0, n1] = n.first();
    (point, [h, d0, d1, n0, n1])
}
