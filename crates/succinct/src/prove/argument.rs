//! The prover's half of the evaluation argument.

use p3_field::batch_multiplicative_inverse;
use proveil_algebra::{Field, PrimeCharacteristicRing, Scalar, eq_table};
use proveil_kzg::commit::{Committed, commit_repeated};
use proveil_kzg::mercury::Evaluation;
use proveil_kzg::srs::Srs;
use proveil_prover::talk::Talk;
use rayon::prelude::*;

use super::rounds::{fold, sum};
use super::{ProveError, as_commitment};
use crate::argument::{COLUMNS, DEGREE, FIRST_COMBINATION, Fingerprint, Row, combined, stacked};
use crate::prepared::{PreparedKey, scalar};
use crate::tables::{Challenges, STACKED, TABLES, Tables};
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
const VECTORS: usize = 16;

fn row(v: &[Scalar; VECTORS]) -> Row {
    let [weight, e0, e1, e2, e3, d0, d1, d2, d3, row, count, a, b, c, product, eq] = *v;
    let (values, reads, fractions) = ([e0, e1, e2, e3], [d0, d1, d2, d3], [a, b, c]);
    Row { weight, values, reads, row, count, fractions, product, eq }
}

/// Proves that the functionals sent are those of the list, and the values of `opened`, blinds taken off, at their
/// points; returns the claim about the combination of all stacks at the point where the argument ends, and the
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
    let n = 1usize << short.sizes.domain;
    let mut own = columns(key);
    if let Some(f) = alter.columns {
        f(&mut own);
    }
    let (mut reads, mut table) = read(key, &tables);
    if let Some(f) = alter.reads {
        f(&mut reads, &table);
    }
    let mut committed = key.stacks.clone();
    committed.push(send(talk, srs, label::READS, &reads)?);
    let mut challenge = |name| talk.transcript.challenge::<Scalar>(name);
    let f = Fingerprint { x: challenge(label::LIST_FINGERPRINT), y: challenge(label::LIST_FINGERPRINT) };
    let denominators: Vec<Vec<Scalar>> = reads.iter().zip(&own[1..]).map(|(e, a)| form(&f, a, e)).collect();
    table.resize(n, Scalar::ZERO);
    let rows: Vec<Scalar> = table.iter().enumerate().map(|(i, t)| f.denominator(scalar(i as i64), *t)).collect();
    let mut helpers = fractions(&denominators, &rows, &own[1 + TABLES])?;
    helpers.push(reads[0].iter().zip(&reads[1]).map(|(x, y)| *x * *y).collect());
    if let Some(f) = alter.fractions {
        f(&mut helpers);
    }
    committed.push(send(talk, srs, label::FRACTIONS, &helpers)?);
    let s: Vec<Scalar> = talk.transcript.challenges(label::LIST_POINT, short.sizes.domain);
    let omega: Scalar = talk.transcript.challenge(label::LIST_WEIGHT);
    let counts = own.pop().unwrap_or_default();
    own.truncate(1);
    let vectors: Vec<Vec<Scalar>> =
        [own, reads, denominators, vec![rows, counts], helpers, vec![eq_table(&s)]].concat();
    let mut more = Vec::new();
    let mut weight = omega.exp_u64(FIRST_COMBINATION);
    for (f, point) in opened {
        more.push(combination(&f.coefficients, point, n, weight));
        weight *= omega;
    }
    let (sigma, ends) = rounds(talk, vectors, more, omega, alter);
    let [w, e0, e1, e2, e3, d0, d1, d2, d3, _, count, a, b, c, product, _] = ends;
    // Indices from the denominators, which are linear in them.
    let [a0, a1, a2, a3] = [(d0, e0), (d1, e1), (d2, e2), (d3, e3)].map(|(d, e)| f.denominator(d, e));
    let at: [Scalar; COLUMNS] = [a0, a1, a2, a3, w, count, e0, e1, e2, e3, a, b, c, product];
    let eq = eq_table(&sigma);
    let of_blocks = |f: &Committed| f.coefficients.par_chunks(n).map(|b| proveil_algebra::dot(b, &eq)).collect();
    let blocks: Vec<Vec<Scalar>> = opened.iter().map(|(f, _)| of_blocks(f)).collect();
    for (i, v) in at.iter().chain(blocks.iter().flatten()).enumerate() {
        talk.clear(label::LIST_VALUE, alter.message.map_or(*v, |f| f(label::LIST_VALUE, i, *v)));
    }
    let corner: Vec<Scalar> = talk.transcript.challenges(label::LIST_CORNER, STACKED);
    let xi: Scalar = talk.transcript.challenge(label::LIST_COMBINATION);
    let value = combined(stacked(&at).chain(blocks.iter().map(Vec::as_slice)), &corner, xi);
    let all = committed.iter().chain(opened.iter().map(|(f, _)| f));
    let terms: Vec<(Scalar, &Committed)> = xi.powers().zip(all).collect();
    let all = Committed::combine(&terms);
    let point = [sigma, corner].concat();
    Ok((Evaluation { commitment: all.point, point, value }, all.coefficients))
}

/// The columns of the list from their stacks: weights, indices, multiplicities.
fn columns(key: &PreparedKey) -> Vec<Vec<Scalar>> {
    let mut cut = key.stacks.iter().map(|c| c.coefficients.chunks(1 << key.short.sizes.domain));
    let indices: Vec<&[Scalar]> = cut.next().into_iter().flatten().collect();
    let mut rest = cut.next().into_iter().flatten();
    let (weights, counts) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
    [weights].into_iter().chain(indices).chain([counts]).map(<[Scalar]>::to_vec).collect()
}

/// What the sumcheck multiplies for a combination of columns: its blocks of `n` cells, weighted as the coordinates of its
/// point above them say, and the equality polynomial of the others.
fn combination(f: &[Scalar], point: &[Scalar], n: usize, weight: Scalar) -> [Vec<Scalar>; 2] {
    let (low, high) = point.split_at(point.len().min(n.trailing_zeros() as usize));
    let mut sum = vec![Scalar::ZERO; n];
    for (block, k) in f.chunks(n).zip(eq_table(high)) {
        sum.par_iter_mut().zip(block).for_each(|(s, x)| *s += k * *x);
    }
    let mut eq = eq_table(low);
    eq.iter_mut().for_each(|x| *x *= weight);
    eq.resize(n, Scalar::ZERO);
    [sum, eq]
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

/// `A = 1/D_0 + 1/D_1`, `B = 1/D_2 + 1/D_3` and `C = m/D_T`.
fn fractions(reads: &[Vec<Scalar>], rows: &[Scalar], counts: &[Scalar]) -> Result<Vec<Vec<Scalar>>, ProveError> {
    if reads.iter().flatten().chain(rows).any(|d| *d == Scalar::ZERO) {
        return Err(ProveError::Pole);
    }
    let inverse: Vec<Vec<Scalar>> = reads.par_iter().map(|d| batch_multiplicative_inverse(d)).collect();
    let row = batch_multiplicative_inverse(rows);
    let pair = |a: &[Scalar], b: &[Scalar]| a.iter().zip(b).map(|(x, y)| *x + *y).collect();
    let third = row.iter().zip(counts).map(|(x, m)| *x * *m).collect();
    Ok(vec![pair(&inverse[0], &inverse[1]), pair(&inverse[2], &inverse[3]), third])
}

/// Commits to columns as one stack.
fn send(
    talk: &mut Talk<'_, Scalar>,
    srs: &Srs,
    label: &'static str,
    columns: &[Vec<Scalar>],
) -> Result<Committed, ProveError> {
    let coefficients = columns.concat();
    let point = commit_repeated(srs, &coefficients)?;
    let c = Committed { coefficients, blind: Scalar::ZERO, point };
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
) -> (Vec<Scalar>, [Scalar; VECTORS]) {
    let mut point = Vec::new();
    while vectors[0].len() > 1 {
        let mut values = message(&vectors, omega);
        for [f, eq] in &more {
            values.iter_mut().zip(products(f, eq)).for_each(|(m, p)| *m += p);
        }
        let [constant, _, higher @ ..] = coefficients(values);
        let mut message = [constant; DEGREE];
        message[1..].copy_from_slice(&higher);
        if let Some(f) = alter.message {
            message[0] = f(label::LIST_ROUND, point.len(), message[0]);
        }
        message.iter().for_each(|x| talk.clear(label::LIST_ROUND, *x));
        let r: Scalar = talk.transcript.challenge(label::LIST_ROUND);
        vectors.par_iter_mut().chain(more.par_iter_mut().flatten()).for_each(|v| fold(v, r));
        point.push(r);
    }
    (point, core::array::from_fn(|i| vectors[i][0]))
}

/// Coefficients of the polynomial with these values at `0, 1, ..`: divided differences, then one factor after the other.
fn coefficients(mut values: [Scalar; DEGREE + 1]) -> [Scalar; DEGREE + 1] {
    for k in 1..=DEGREE {
        let inverse = scalar(k as i64).inverse();
        for i in (k..=DEGREE).rev() {
            values[i] = (values[i] - values[i - 1]) * inverse;
        }
    }
    for k in (0..DEGREE).rev() {
        for i in k..DEGREE {
            let above = values[i + 1];
            values[i] -= above * scalar(k as i64);
        }
    }
    values
}

/// What a product of two vectors adds to a round's values.
fn products(f: &[Scalar], eq: &[Scalar]) -> [Scalar; DEGREE + 1] {
    let own = |x: usize| {
        let (mut a, mut b) = (f[2 * x], eq[2 * x]);
        let (da, db) = (f[2 * x + 1] - a, eq[2 * x + 1] - b);
        core::array::from_fn(|_| {
            let v = a * b;
            (a, b) = (a + da, b + db);
            v
        })
    };
    sum(f.len() / 2, own)
}

/// A round's polynomial: its values at 0, 1, 2, 3, 4.
fn message(vectors: &[Vec<Scalar>], omega: Scalar) -> [Scalar; DEGREE + 1] {
    let own = |x: usize| {
        let mut at: [Scalar; VECTORS] = core::array::from_fn(|k| vectors[k][2 * x]);
        let step: [Scalar; VECTORS] = core::array::from_fn(|k| vectors[k][2 * x + 1] - at[k]);
        core::array::from_fn(|_| {
            let v = row(&at).summand(omega);
            at.iter_mut().zip(step).for_each(|(a, s)| *a += s);
            v
        })
    };
    sum(vectors[0].len() / 2, own)
}
