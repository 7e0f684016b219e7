//! Phase 1, the prover's half: multiplicities, denominators, helpers and the zerocheck.

use proveil_algebra::{Challenge, E, F, PrimeCharacteristicRing, eq_table};
use proveil_relation::claims::table_id;
use proveil_relation::decl::Relation;
use proveil_relation::layout::{Block, Layout};
use proveil_relation::table::{Column, Table};
use rayon::prelude::*;

use crate::ProveError;
use crate::talk::Talk;

/// Row of a table that equals a tuple, if any.
#[must_use]
pub fn find_row(table: &Table, tuple: &[i64]) -> Option<usize> {
    let mut at = 0usize;
    for part in &table.parts {
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

/// How often each table row is looked up, by table.
///
/// # Errors
/// `Unsatisfied` names the look-up, cell and tuple that is in no row; with `forgive`, such tuples are not counted.
pub fn multiplicities(
    relation: &Relation,
    tuples: &[Vec<Vec<i64>>],
    forgive: bool,
) -> Result<Vec<Vec<i64>>, ProveError> {
    let mut out: Vec<Vec<i64>> = relation.tables.iter().map(|t| vec![0; t.rows()]).collect();
    let counted: Result<Vec<(usize, Vec<usize>)>, ProveError> = relation
        .lookups
        .par_iter()
        .zip(tuples)
        .map(|(l, columns)| {
            let table = &relation.tables[l.table as usize];
            let cells = columns.first().map_or(0, Vec::len);
            let mut rows = Vec::with_capacity(cells);
            let mut tuple = vec![0; columns.len()];
            for cell in 0..cells {
                tuple.iter_mut().zip(columns).for_each(|(t, c)| *t = c[cell]);
                match find_row(table, &tuple) {
                    Some(r) => rows.push(r),
                    None if forgive => {}
                    None => {
                        return Err(ProveError::Unsatisfied { path: l.name.clone(), cell, tuple: tuple.clone() });
                    }
                }
            }
            Ok((l.table as usize, rows))
        })
        .collect();
    for (table, rows) in counted? {
        rows.iter().for_each(|r| out[table][*r] += 1);
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

/// Fills both lanes.
#[must_use]
pub fn fractions(
    relation: &Relation,
    layout: &Layout,
    tuples: &[Vec<Vec<F>>],
    multiplicities: &[Vec<i64>],
    alpha: E,
    beta: E,
) -> Fractions {
    let fill = layout.tensors[layout.helper(relation)].dims.last;
    let mut den = [vec![alpha; fill], vec![alpha; fill]];
    let mut num = [vec![F::ZERO; fill], vec![F::ZERO; fill]];
    let powers: Vec<E> = (1..=8).map(|i| beta.exp_u64(i)).collect();
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
    let n = f.den[0].len();
    let mut out = vec![E::ZERO; n];
    let size = 1 << 10;
    let ok = out.par_chunks_mut(size).enumerate().all(|(k, out)| {
        let at = k * size;
        // Prefix products, one inversion, then backwards.
        let mut prefix = Vec::with_capacity(out.len());
        let mut acc = E::ONE;
        let both = |i: usize| f.den[0][at + i] * f.den[1][at + i];
        for i in 0..out.len() {
            prefix.push(acc);
            acc *= both(i);
        }
        let Some(mut inv) = proveil_algebra_inverse(acc) else { return false };
        for i in (0..out.len()).rev() {
            let (d0, d1) = (f.den[0][at + i], f.den[1][at + i]);
            let sum = d1 * f.num[0][at + i] + d0 * f.num[1][at + i];
            out[i] = sum * inv * prefix[i];
            inv *= both(i);
        }
        true
    });
    if ok { Ok(out) } else { Err(ProveError::Pole) }
}

fn proveil_algebra_inverse(x: E) -> Option<E> {
    use p3_field::Field;
    x.try_inverse()
}

/// `lo + r (hi - lo)` of each pair; a missing upper cell counts as `pad`.
fn fold_into(v: &[E], r: E, pad: E) -> Vec<E> {
    v.par_chunks(2)
        .with_min_len(1 << 10)
        .map(|p| {
            let hi = p.get(1).copied().unwrap_or(pad);
            p[0] + r * (hi - p[0])
        })
        .collect()
}

/// Numerators: base-field elements until the first challenge.
enum Numerators {
    Base(Vec<F>),
    Ext(Vec<E>),
}

impl Numerators {
    /// Lower value and difference of pair `x`.
    fn line(&self, x: usize) -> (E, E) {
        match self {
            Self::Base(v) => {
                let (lo, hi) = (v[2 * x], v.get(2 * x + 1).copied().unwrap_or(F::ZERO));
                (E::from(lo), E::from(hi - lo))
            }
            Self::Ext(v) => {
                let (lo, hi) = (v[2 * x], v.get(2 * x + 1).copied().unwrap_or(E::ZERO));
                (lo, hi - lo)
            }
        }
    }

    fn fold(self, r: E) -> Self {
        Self::Ext(match self {
            Self::Ext(v) => fold_into(&v, r, E::ZERO),
            Self::Base(v) => v
                .par_chunks(2)
                .with_min_len(1 << 10)
                .map(|p| r * (p.get(1).copied().unwrap_or(F::ZERO) - p[0]) + p[0])
                .collect(),
        })
    }

    fn first(&self) -> E {
        match self {
            Self::Base(v) => E::from(v[0]),
            Self::Ext(v) => v[0],
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
    let mut n = num.map(Numerators::Base);
    let mut v = [helper, d0, d1];
    let pads = [E::ZERO, alpha, alpha];
    let mut point = Vec::with_capacity(rho0.len());
    for i in 0..rho0.len() {
        let eq = eq_table(&rho0[i + 1..]);
        let pairs = v[0].len().div_ceil(2);
        let s = (0..pairs)
            .into_par_iter()
            .with_min_len(1 << 8)
            .map(|x| {
                let line = |k: usize| {
                    let lo = v[k][2 * x];
                    let hi = v[k].get(2 * x + 1).copied().unwrap_or(pads[k]);
                    (lo, hi - lo)
                };
                round_values(eq[x], [line(0), line(1), line(2), n[0].line(x), n[1].line(x)])
            })
            .reduce(|| [E::ZERO; 3], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
        for x in s {
            talk.message(label, x);
        }
        let r = talk.transcript.challenge(label);
        for (k, v) in v.iter_mut().enumerate() {
            *v = fold_into(v, r, pads[k]);
        }
        n = n.map(|n| n.fold(r));
        point.push(r);
    }
    let [h, d0, d1] = v.map(|v| v[0]);
    let [n0, n1] = n.map(|n| n.first());
    (point, [h, d0, d1, n0, n1])
}

/// `e (h D0 D1 - N0 D1 - N1 D0)` at 0, 2 and 3, from the lines of the five factors.
#[inline]
fn round_values(e: E, mut lines: [(E, E); 5]) -> [E; 3] {
    let value = |l: &[(E, E); 5]| {
        let [h, d0, d1, n0, n1] = l.map(|p| p.0);
        e * (d1 * (h * d0 - n0) - n1 * d0)
    };
    let advance = |l: &mut [(E, E); 5]| l.iter_mut().for_each(|p| p.0 += p.1);
    let at0 = value(&lines);
    advance(&mut lines);
    advance(&mut lines);
    let at2 = value(&lines);
    advance(&mut lines);
    [at0, at2, value(&lines)]
}
