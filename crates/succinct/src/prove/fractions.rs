//! The fractions of phase 1, dense.

use p3_field::batch_multiplicative_inverse;
use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_prover::Witness;
use proveil_relation::Relation;
use proveil_relation::claims::table_id;
use proveil_relation::layout::{Block, Layout};

use super::ProveError;
use crate::prepared::scalar;

/// Tuples of look-ups and committed rows of tables: the witness's integers, or what a test gives.
pub struct Tuples<'a> {
    witness: &'a Witness,
    tuples: Option<&'a [Vec<Vec<Scalar>>]>,
    tables: Option<&'a [Vec<Vec<Scalar>>]>,
}

impl<'a> Tuples<'a> {
    /// Of a witness, unless others are given.
    pub fn new(
        witness: &'a Witness,
        tuples: Option<&'a [Vec<Vec<Scalar>>]>,
        tables: Option<&'a [Vec<Vec<Scalar>>]>,
    ) -> Self {
        Self { witness, tuples, tables }
    }

    fn lookup(&self, l: usize, column: usize, cell: usize) -> Scalar {
        match self.tuples {
            Some(t) => t[l][column][cell],
            None => scalar(self.witness.tuples[l][column][cell]),
        }
    }

    fn row(&self, t: usize, column: usize, row: usize) -> Scalar {
        match self.tables {
            Some(rows) => rows[t][column][row],
            None => scalar(self.witness.tables[t][column][row]),
        }
    }
}

/// Visits the cells of a block, row-major number first, with lane and address.
fn addresses(b: &Block, mut visit: impl FnMut(usize, usize, usize)) {
    let (g, chunks) = (b.dims.granule, b.dims.chunks());
    for s in &b.segments {
        for row in s.row..s.row + s.rows {
            let (line, chunk) = (row / chunks, row % chunks);
            let from = chunk << g;
            for j in 0..(1usize << g).min(b.dims.last - from) {
                visit(line * b.dims.last + from + j, s.lane, s.start + ((row - s.row) << g) + j);
            }
        }
    }
}

/// `h, D_0, D_1, N_0, N_1` at all `2^nv` addresses.
pub fn tables(
    relation: &Relation,
    layout: &Layout,
    tuples: &Tuples<'_>,
    counts: &[Vec<i64>],
    alpha: Scalar,
    beta: Scalar,
) -> Result<[Vec<Scalar>; 5], ProveError> {
    let n = 1usize << layout.nv;
    let mut den = [vec![alpha; n], vec![alpha; n]];
    let mut num = [vec![Scalar::ZERO; n], vec![Scalar::ZERO; n]];
    let powers: Vec<Scalar> = beta.powers().skip(1).take(64).collect();
    let (looked, rows) = layout.blocks.split_at(relation.lookups.len());
    for (l, (decl, b)) in relation.lookups.iter().zip(looked).enumerate() {
        let id = table_id::<Scalar>(decl.table as usize);
        addresses(b, |cell, lane, x| {
            let columns = powers.iter().take(decl.tuple.len()).enumerate();
            den[lane][x] -= columns.fold(id, |w, (c, p)| w + *p * tuples.lookup(l, c, cell));
            num[lane][x] = Scalar::ONE;
        });
    }
    for (t, (table, b)) in relation.tables.iter().zip(rows).enumerate() {
        let id = table_id::<Scalar>(t);
        let public = table.materialise();
        let committed = table.expressions().map_or(0, |(_, columns)| columns.len());
        addresses(b, |row, lane, x| {
            let w = if committed > 0 {
                let first = id + powers[0] * scalar(row as i64);
                (0..committed).fold(first, |w, c| w + powers[c + 1] * tuples.row(t, c, row))
            } else {
                public[row].iter().zip(&powers).fold(id, |w, (v, p)| w + *p * scalar(*v))
            };
            den[lane][x] -= w;
            num[lane][x] = -scalar(counts[t][row]);
        });
    }
    if den.iter().flatten().any(|d| *d == Scalar::ZERO) {
        return Err(ProveError::Pole);
    }
    let [d0, d1] = den;
    let [n0, n1] = num;
    let (i0, i1) = (batch_multiplicative_inverse(&d0), batch_multiplicative_inverse(&d1));
    let h = (0..n).map(|x| n0[x] * i0[x] + n1[x] * i1[x]).collect();
    Ok([h, d0, d1, n0, n1])
}
