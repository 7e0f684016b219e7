//! The prover's half of the evaluation argument.

use p3_field::batch_multiplicative_inverse;
use proveil_algebra::{PrimeCharacteristicRing, Scalar, eq_table};
use proveil_kzg::commit::{Committed, commit_repeated};
use proveil_kzg::mercury::Evaluation;
use proveil_kzg::srs::Srs;
use proveil_prover::talk::Talk;
use rayon::prelude::*;

use super::rounds::{fold, sum};
use super::{ProveError, as_commitment};
use crate::argument::{COLUMNS, DEGREE, FIRST_COMBINATION, Fingerprint, Row};
use crate::prepared::{PreparedKey, scalar};
use crate::tables::{Challenges, TABLES, Tables};
use crate::verify::label;

/// Alters columns.
pub type AlterColumns<'a> = &'a dyn Fn(&mut [Vec<Scalar>]);
/// Alters columns, given all rows of the tables.
pub type AlterReads<'a> = &'a dyn Fn(&mut [Vec<Scalar>], &[Scalar]);
/// Alters messages by label and place.
pub type AlterMessage<'a> = &'a dyn Fn(&str, usize, Scalar) -> Scalar;

/// How a cheating prover of the list deviates.
#[derive(Clone, Copy, Default)]
pub struct Alter<'a> {
    /// Alters the columns of the list that it works with: weights, indices, multiplicities.
    pub columns: Option<AlterColumns<'a>>,
    /// Alters the values read, by table, given all rows.
    pub reads: Option<AlterReads<'a>>,
    /// Alters the sums of fractions.
    pub fractions: Option<AlterColumns<'a>>,
    /// Alters messages by label and place.
    pub message: Option<AlterMessage<'a>>,
}

/// Number of vectors that the sumcheck folds.
const VECTORS: usize = 14;

fn row(v: &[Scalar; VECTORS]) -> Row {
    let [w, e0, e1, e2, e3, d0, d1, d2, d3, row, count, a, b, eq] = *v;
    Row { product: [w, e0, e1, e2, e3], reads: [d0, d1, d2, d3], row, count, fractions: [a, b], eq }
}

/// Proves that the functionals sent are those of the list, and the values of `opened`, blinds taken off, at their
/// points; returns the claim about the combination of all columns at the point where the argument ends, and the
/// combination.
pub fn prove(
    talk: &mut Talk<'_, Scalar>,
    srs: &Srs,
    key: &PreparedKey,
    challenges: &Challenges,
    opened: &[(Committed, Vec<Scalar>)],
    alter: &Alter<'_>,
) -> Result<(Evaluation, Vec<Scalar>), ProveError> {
    let chi: Scalar = talk.transcript.challenge(label::CHI);
    let challenges = Challenges { chi, ..challenges.clone() };
    let short = &key.short;
    let tables = Tables::new(&short.sizes, &short.monos, &short.lows, &challenges).ok_or(ProveError::Pole)?;
    let mut own: Vec<Vec<Scalar>> = key.columns.iter().map(|c| c.coefficients.clone()).collect();
    if let Some(f) = alter.columns {
        f(&mut own);
    }
    let (mut reads, mut table) = read(key, &tables);
    if let Some(f) = alter.reads {
        f(&mut reads, &table);
    }
    let mut committed = key.columns.clone();
    for e in &reads {
        committed.push(send(talk, srs, label::READS, e)?);
    }
    let mut challenge = |name| talk.transcript.challenge::<Scalar>(name);
    let f = Fingerprint { x: challenge(label::LIST_FINGERPRINT), y: challenge(label::LIST_FINGERPRINT) };
    let denominators: Vec<Vec<Scalar>> = reads.iter().zip(&own[1..]).map(|(e, a)| form(&f, a, e)).collect();
    table.resize(own[0].len(), Scalar::ZERO);
    let rows: Vec<Scalar> = table.iter().enumerate().map(|(i, t)| f.denominator(scalar(i as i64), *t)).collect();
    let mut fractions = fractions(&denominators, &rows, &own[1 + TABLES])?;
    if let Some(f) = alter.fractions {
        f(&mut fractions);
    }
    for h in &fractions {
        committed.push(send(talk, srs, label::FRACTIONS, h)?);
    }
    let s: Vec<Scalar> = talk.transcript.challenges(label::LIST_POINT, short.sizes.domain);
    let omega: Scalar = talk.transcript.challenge(label::LIST_WEIGHT);
    let [weights, _, _, _, _, counts] = own.try_into().unwrap_or_default();
    let vectors: Vec<Vec<Scalar>> =
        [vec![weights], reads, denominators, vec![rows, counts], fractions, vec![eq_table(&s)]].concat();
    let mut more = Vec::new();
    let mut weight = omega.exp_u64(FIRST_COMBINATION);
    for (f, point) in opened {
        let mut pair = [f.coefficients.clone(), eq_table(point)];
        pair[1].iter_mut().for_each(|x| *x *= weight);
        pair.iter_mut().for_each(|v| v.resize(1 << short.sizes.domain, Scalar::ZERO));
        more.push(pair);
        weight *= omega;
    }
    let (sigma, ends, last) = rounds(talk, vectors, more, omega, alter);
    let [w, e0, e1, e2, e3, d0, d1, d2, d3, _, count, a, b, _] = ends;
    // Indices from the denominators, which are linear in them.
    let [a0, a1, a2, a3] = [(d0, e0), (d1, e1), (d2, e2), (d3, e3)].map(|(d, e)| f.denominator(d, e));
    let at: [Scalar; COLUMNS] = [w, a0, a1, a2, a3, count, e0, e1, e2, e3, a, b];
    let at: Vec<Scalar> = at.into_iter().chain(last).collect();
    for (i, v) in at.iter().enumerate() {
        talk.clear(label::LIST_VALUE, alter.message.map_or(*v, |f| f(label::LIST_VALUE, i, *v)));
    }
    let xi: Scalar = talk.transcript.challenge(label::LIST_COMBINATION);
    let all = committed.iter().chain(opened.iter().map(|(f, _)| f));
    let terms: Vec<(Scalar, &Committed)> = xi.powers().take(at.len()).zip(all).collect();
    let all = Committed::combine(&terms);
    let value = terms.iter().zip(&at).fold(Scalar::ZERO, |a, ((p, _), v)| a + *p * *v);
    Ok((Evaluation { commitment: all.point, point: sigma, value }, all.coefficients))
}

/// The values that entries read, by table, and all tables' rows.
fn read(key: &PreparedKey, tables: &Tables) -> (Vec<Vec<Scalar>>, Vec<Scalar>) {
    let sizes = &key.short.sizes;
    let (mask, n) = ((1 << sizes.piece) - 1, 1usize << sizes.domain);
    let (mut out, mut all) = (Vec::new(), Vec::new());
    for j in 0..TABLES {
        let rows = tables.rows(j);
        let mut values: Vec<Scalar> = key.list.entries.iter().map(|e| rows[e.rows[j] as usize & mask]).collect();
        values.resize(n, rows[0]);
        out.push(values);
        all.extend(rows);
    }
    (out, all)
}

fn form(f: &Fingerprint, index: &[Scalar], value: &[Scalar]) -> Vec<Scalar> {
    index.par_iter().zip(value).map(|(a, e)| f.denominator(*a, *e)).collect()
}

/// `A = 1/D_0 + 1/D_1 + 1/D_2` and `B = 1/D_3 - m/D_T`.
fn fractions(reads: &[Vec<Scalar>], rows: &[Scalar], counts: &[Scalar]) -> Result<Vec<Vec<Scalar>>, ProveError> {
    if reads.iter().flatten().chain(rows).any(|d| *d == Scalar::ZERO) {
        return Err(ProveError::Pole);
    }
    let inverse: Vec<Vec<Scalar>> = reads.par_iter().map(|d| batch_multiplicative_inverse(d)).collect();
    let row = batch_multiplicative_inverse(rows);
    let a = (0..rows.len()).map(|i| inverse[0][i] + inverse[1][i] + inverse[2][i]).collect();
    let b = (0..rows.len()).map(|i| inverse[3][i] - counts[i] * row[i]).collect();
    Ok(vec![a, b])
}

fn send(
    talk: &mut Talk<'_, Scalar>,
    srs: &Srs,
    label: &'static str,
    cells: &[Scalar],
) -> Result<Committed, ProveError> {
    let point = commit_repeated(srs, cells)?;
    let c = Committed { coefficients: cells.to_vec(), blind: Scalar::ZERO, point };
    talk.commitment(label, &as_commitment(&c.point));
    Ok(c)
}

/// The sumcheck; returns the point and what every vector ends as.
fn rounds(
    talk: &mut Talk<'_, Scalar>,
    mut vectors: Vec<Vec<Scalar>>,
    mut more: Vec<[Vec<Scalar>; 2]>,
    omega: Scalar,
    alter: &Alter<'_>,
) -> (Vec<Scalar>, [Scalar; VECTORS], Vec<Scalar>) {
    let mut point = Vec::new();
    while vectors[0].len() > 1 {
        let mut message = message(&vectors, omega);
        for [f, eq] in &more {
            message.iter_mut().zip(products(f, eq)).for_each(|(m, p)| *m += p);
        }
        if let Some(f) = alter.message {
            message[0] = f(label::LIST_ROUND, point.len(), message[0]);
        }
        message.iter().for_each(|x| talk.clear(label::LIST_ROUND, *x));
        let r: Scalar = talk.transcript.challenge(label::LIST_ROUND);
        vectors.par_iter_mut().chain(more.par_iter_mut().flatten()).for_each(|v| fold(v, r));
        point.push(r);
    }
    (point, core::array::from_fn(|i| vectors[i][0]), more.iter().map(|[f, _]| f[0]).collect())
}

/// What a product of two vectors adds to a round's message.
fn products(f: &[Scalar], eq: &[Scalar]) -> [Scalar; DEGREE] {
    let own = |x: usize| {
        let (mut a, mut b) = (f[2 * x], eq[2 * x]);
        let (da, db) = (f[2 * x + 1] - a, eq[2 * x + 1] - b);
        let mut out = [a * b; DEGREE];
        (a, b) = (a + da, b + db);
        for o in &mut out[1..] {
            (a, b) = (a + da, b + db);
            *o = a * b;
        }
        out
    };
    sum(f.len() / 2, own)
}

/// A round's message: values at 0, 2, 3, 4, 5.
fn message(vectors: &[Vec<Scalar>], omega: Scalar) -> [Scalar; DEGREE] {
    let own = |x: usize| {
        let mut at: [Scalar; VECTORS] = core::array::from_fn(|k| vectors[k][2 * x]);
        let step: [Scalar; VECTORS] = core::array::from_fn(|k| vectors[k][2 * x + 1] - at[k]);
        let mut out = [row(&at).summand(omega); DEGREE];
        at.iter_mut().zip(step).for_each(|(a, s)| *a += s);
        for o in &mut out[1..] {
            at.iter_mut().zip(step).for_each(|(a, s)| *a += s);
            *o = row(&at).summand(omega);
        }
        out
    };
    sum(vectors[0].len() / 2, own)
}
