//! Opening of committed columns: the prover's half of `proveil_protocol::opening`, which has the message order.
//!
//! The weights of all claims are kept as one dense table beside the polynomial. Row constraints enter it as powers
//! split into a low and a high part, so that they cost one pass of base-field products over the table.

use proveil_algebra::{E, F, PrimeCharacteristicRing, TwoAdicField, eq_table, ext_from_coords};
use proveil_protocol::codec::Writer;
use proveil_protocol::opening::{OpeningError, absorb_statement, check_shape, label};
use proveil_protocol::params::{Level, Params, Queries, Schedule};
use proveil_protocol::transcript::Transcript;

use crate::ProveError;
use crate::codeword::{Codeword, Source};
use crate::commit::Tree;
use crate::grind::grind;
use crate::merkle::MerkleTree;
use crate::packed;
use crate::stages::part;
use crate::stored::StoredError;

pub(crate) use kernel::combine;

mod kernel;
#[cfg(test)]
mod tests;

/// Proves the value of the combination `sum_c coeffs[c] * column_c` at `tau` and returns it.
///
/// # Shapes
/// As `proveil_protocol::opening::verify`: `coeffs` has one element for each base column, trees in order and columns
/// in order; `tau` has `log_height` coordinates, lowest variable first.
/// # Transcript
/// As the verifier's; the messages go to `w`.
/// # Errors
/// `Opening` with `Params` and `Shape` for arguments that do not fit together; `Stored` when rows cannot be read.
pub fn prove(
    t: &mut Transcript,
    w: &mut Writer,
    params: &Params,
    log_height: usize,
    trees: &[&Tree],
    coeffs: &[E],
    tau: &[E],
) -> Result<E, ProveError> {
    let widths = trees.iter().map(|x| x.columns().len());
    let schedule = check_shape(params, log_height, widths, coeffs.len(), tau.len())?;
    for tree in trees {
        check_tree(tree, log_height, schedule.rows.log_leaves)?;
    }
    let shapes: Vec<_> = trees.iter().map(|x| x.shape()).collect();
    absorb_statement(t, params, log_height, &shapes, coeffs, tau);
    let columns: Vec<&[F]> = trees.iter().flat_map(|x| x.columns()).map(Vec::as_slice).collect();
    let table = part!("combine", kernel::combine(&columns, coeffs, 1 << log_height));
    Ok(part!("folds", prove_polynomial(&mut Session { t, w }, &schedule, trees, coeffs, table, tau))?)
}

fn check_tree(tree: &Tree, log_height: usize, log_leaves: usize) -> Result<(), OpeningError> {
    if tree.log_height() != log_height {
        return Err(OpeningError::Shape {
            what: "variables of a column",
            expected: log_height,
            got: tree.log_height(),
        });
    }
    if tree.log_leaves() != log_leaves {
        return Err(OpeningError::Shape { what: "tree layers", expected: log_leaves, got: tree.log_leaves() });
    }
    Ok(())
}

/// Where messages go.
struct Session<'a> {
    t: &'a mut Transcript,
    w: &'a mut Writer,
}

/// Proves `table`, which an honest caller has combined from the trees' columns.
fn prove_polynomial(
    s: &mut Session,
    schedule: &Schedule,
    trees: &[&Tree],
    coeffs: &[E],
    table: Vec<E>,
    tau: &[E],
) -> Result<E, StoredError> {
    let weight = eq_table(tau);
    let value = packed::dot(&weight, &table);
    let Some(first) = schedule.levels.first() else {
        s.polynomial(&table);
        s.query_trees(&schedule.rows, trees, coeffs)?;
        return Ok(value);
    };
    let mut committed = s.commit(first, &table);
    s.elements(label::CLAIM, &[value]);
    let points = s.query_trees(&schedule.rows, trees, coeffs)?;
    let mut running = Running { table, weight };
    running.batch(s, &committed, &points);
    for (index, level) in schedule.levels.iter().enumerate() {
        let challenges = running.fold(s, level.folds);
        match schedule.levels.get(index + 1) {
            Some(following) => {
                let folded = s.commit(following, &running.table);
                let points = s.query_level(level, &committed, &challenges);
                running.batch(s, &folded, &points);
                committed = folded;
            }
            None => {
                s.polynomial(&running.table);
                s.query_level(level, &committed, &challenges);
            }
        }
    }
    Ok(value)
}

/// A committed polynomial with the equality table of its out-of-domain point.
struct Committed {
    rows: Codeword,
    merkle: MerkleTree,
    out_of_domain: Vec<E>,
}

impl Session<'_> {
    fn elements(&mut self, label: &str, xs: &[E]) {
        xs.iter().for_each(|x| self.w.element(label, x));
        self.t.absorb_elements(label, xs);
    }

    fn polynomial(&mut self, table: &[E]) {
        self.elements(label::POLYNOMIAL, table);
    }

    fn commit(&mut self, level: &Level, table: &[E]) -> Committed {
        let mut strips = Vec::new();
        Source::Table(table, level.folds).encode(level.log_inv_rate, |made| strips.append(made));
        let rows = Codeword::new(level.width(), strips);
        let merkle = MerkleTree::build(&rows, level.queries.log_leaves, None);
        let root = merkle.commitment().root;
        self.w.bytes(label::ROOT, &root);
        self.t.absorb(label::ROOT, &root);
        let point: Vec<E> = self.t.challenges(label::OUT_OF_DOMAIN, level.log_size);
        let out_of_domain = eq_table(&point);
        self.elements(label::OUT_OF_DOMAIN, &[packed::dot(&out_of_domain, table)]);
        Committed { rows, merkle, out_of_domain }
    }

    fn positions(&mut self, queries: &Queries, label: &str) -> Vec<u64> {
        if queries.grinding_bits != 0 {
            let nonce = grind(self.t, queries.grinding_bits);
            self.w.bytes(label::NONCE, &nonce.to_le_bytes());
            // The nonce was found by the same check, so the result is known.
            let _ = self.t.absorb_nonce(nonce, queries.grinding_bits);
        }
        self.t.positions(label, queries.log_leaves, queries.count)
    }

    fn query_trees(&mut self, queries: &Queries, trees: &[&Tree], coeffs: &[E]) -> Result<Vec<F>, StoredError> {
        let positions = self.positions(queries, label::ROWS);
        let mut values = vec![E::ZERO; positions.len()];
        let mut rest = coeffs;
        for tree in trees {
            let rows = tree.read_rows(&positions)?;
            tree.open(&positions, &rows, self.w);
            let (own, others) = rest.split_at(tree.columns().len());
            for (value, row) in values.iter_mut().zip(&rows) {
                *value += own.iter().zip(row).fold(E::ZERO, |acc, (c, x)| acc + *c * *x);
            }
            rest = others;
        }
        Ok(self.finish_query(queries, &positions, &values))
    }

    fn query_level(&mut self, level: &Level, committed: &Committed, challenges: &[E]) -> Vec<F> {
        let positions = self.positions(&level.queries, label::LEAVES);
        let rows: Vec<Vec<F>> = positions.iter().map(|p| committed.rows.row(*p as usize)).collect();
        committed.merkle.open(&positions, &rows, self.w, label::LEAVES);
        let weights = eq_table(challenges);
        let fold = |row: &Vec<F>| {
            let values = row.chunks_exact(3).zip(&weights);
            values.fold(E::ZERO, |acc, (c, w)| acc + ext_from_coords([c[0], c[1], c[2]]) * *w)
        };
        let values: Vec<E> = rows.iter().map(fold).collect();
        self.finish_query(&level.queries, &positions, &values)
    }

    /// Absorbs what the verifier computes from the rows; returns the queried points.
    fn finish_query(&mut self, queries: &Queries, positions: &[u64], values: &[E]) -> Vec<F> {
        self.t.absorb_elements(label::BATCH, values);
        let generator = F::two_adic_generator(queries.log_leaves);
        positions.iter().map(|p| generator.exp_u64(*p)).collect()
    }
}

/// The polynomial and the weight of the running claim.
struct Running {
    table: Vec<E>,
    weight: Vec<E>,
}

impl Running {
    fn batch(&mut self, s: &mut Session, committed: &Committed, points: &[F]) {
        let gamma: E = s.t.challenge(label::BATCH);
        packed::add_scaled(&mut self.weight, gamma, &committed.out_of_domain);
        let mut power = gamma;
        let coeffs: Vec<E> = points
            .iter()
            .map(|_| {
                power *= gamma;
                power
            })
            .collect();
        kernel::add_powers(&mut self.weight, points, &coeffs);
    }

    fn fold(&mut self, s: &mut Session, folds: usize) -> Vec<E> {
        let mut round = |_| {
            s.elements(label::ROUND, &packed::round_with_lead(&self.table, &self.weight));
            let x: E = s.t.challenge(label::ROUND);
            self.table = packed::fold(&self.table, x, E::ZERO);
            self.weight = packed::fold(&self.weight, x, E::ZERO);
            x
        };
        (0..folds).map(&mut round).collect()
    }
}
