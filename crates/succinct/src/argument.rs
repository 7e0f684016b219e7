//! The evaluation argument: that the values of functionals in a proof are those of the list that the key commits to. One
//! sumcheck over entries and rows of the tables that entries read; what it ends in is opened with everything else.
//!
//! # Soundness
//! `(10 * 2^d + 5 d + S + 10 + 2 G) / r` for `2^d` rows, `S` values and `G` geometries; `spec/succinct.md`, section 7.
//! # Source
//! Products of equality polynomials read from tables: Setty 2019/550. Look-ups by sums of fractions: Haboeck 2022/1530.
//! The four pieces, monomials and sums over cubes: ours.

use alloc::vec::Vec;

use proveil_algebra::{PrimeCharacteristicRing, Scalar, eq_points, eq_table};
use proveil_kzg::Point;
use proveil_kzg::mercury::Evaluation;
use proveil_protocol::channel::{Channel, ProofError};

use crate::short::{LIST_STACKS, ShortKey};
use crate::tables::{Challenges, STACKED, TABLES, Tables};
use crate::verify::{VerifyError, label};

/// Columns, in the order of their values: `a_0 .. a_3`, `w`, `m`, `e_0 .. e_3`, `A`, `B`, `C`, `P`.
pub const COLUMNS: usize = 2 * TABLES + 6;
/// How many of them each stack has: two stacks of the key, values read, helpers.
pub const STACKS: [usize; LIST_STACKS + 2] = [TABLES, 2, TABLES, 4];
/// Degree of the sumcheck.
pub const DEGREE: usize = 4;

/// Values of all that the sumcheck multiplies, at one row or point.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// `w`.
    pub weight: Scalar,
    /// `e_0 .. e_3`.
    pub values: [Scalar; TABLES],
    /// `D_0 .. D_3`.
    pub reads: [Scalar; TABLES],
    /// `D_T`.
    pub row: Scalar,
    /// How often a row is read.
    pub count: Scalar,
    /// `A`, `B`, `C`.
    pub fractions: [Scalar; 3],
    /// `P`.
    pub product: Scalar,
    /// `eq(s, .)`.
    pub eq: Scalar,
}

impl Row {
    /// The summand.
    pub fn summand(&self, omega: Scalar) -> Scalar {
        let [a, b, c] = self.fractions;
        let [d0, d1, d2, d3] = self.reads;
        let [e0, e1, e2, e3] = self.values;
        let first = a * d0 * d1 - d0 - d1;
        let second = b * d2 * d3 - d2 - d3;
        let third = c * self.row - self.count;
        let fourth = self.product - e0 * e1;
        let equations = omega * (first + omega * (second + omega * (third + omega * fourth)));
        self.weight * self.product * e2 * e3 + omega * (a + b - c + self.eq * equations)
    }
}

/// Challenges after the values read are committed.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint {
    /// Constant term.
    pub x: Scalar,
    /// Factor of a value.
    pub y: Scalar,
}

impl Fingerprint {
    /// `x - index - y value`.
    pub fn denominator(&self, index: Scalar, value: Scalar) -> Scalar {
        self.x - index - self.y * value
    }
}

fn read_point(ch: &mut Channel<'_, Scalar>, what: &'static str) -> Result<Point, VerifyError> {
    let bytes = ch.commitment(what)?.to_bytes();
    Point::from_bytes(&bytes).map_err(|source| VerifyError::Point { what, source })
}

/// Weight of the first combination of columns among the equations: behind the sum of fractions and the equations of rows.
pub const FIRST_COMBINATION: u64 = 6;

/// `eq(point, .)` at `sigma` for a polynomial that is zero behind the cells of its point: what each of its blocks of `2^d`
/// cells counts, `d` the length of `sigma`.
pub fn eq_blocks(point: &[Scalar], sigma: &[Scalar]) -> Vec<Scalar> {
    let (low, high) = point.split_at(point.len().min(sigma.len()));
    let (inside, above) = sigma.split_at(low.len());
    let eq = above.iter().fold(eq_points(low, inside), |a, x| a * (Scalar::ONE - *x));
    eq_table(high).into_iter().map(|block| block * eq).collect()
}

/// What is left of a claim after a round: `sent` are the coefficients of the round's polynomial but the linear one.
pub fn after_round(claim: Scalar, sent: &[Scalar; DEGREE], r: Scalar) -> Scalar {
    let [constant, higher @ ..] = sent;
    let linear = higher.iter().fold(claim - constant.double(), |a, c| a - *c);
    let above = higher.iter().rev().fold(Scalar::ZERO, |a, c| a * r + *c);
    (above * r + linear) * r + *constant
}

/// The combination of stacks at `(sigma, corner)` from their columns' values at `sigma`, by powers of `xi`.
pub fn combined<'a>(stacks: impl Iterator<Item = &'a [Scalar]>, corner: &[Scalar], xi: Scalar) -> Scalar {
    let eq = eq_table(corner);
    let at = |columns: &[Scalar]| columns.iter().zip(&eq).fold(Scalar::ZERO, |a, (v, e)| a + *v * *e);
    stacks.zip(xi.powers()).fold(Scalar::ZERO, |a, (columns, power)| a + power * at(columns))
}

/// Cuts a list of columns' values into stacks.
pub fn stacked(values: &[Scalar; COLUMNS]) -> impl Iterator<Item = &[Scalar]> {
    let mut from = 0;
    STACKS.iter().map(move |n| {
        from += n;
        values.get(from - n..from).unwrap_or_default()
    })
}

/// Verifies that `values` are those of the list at the challenges and that all of `opened` hold; leaves one evaluation
/// to be opened.
///
/// # Errors
/// `Decode`, `Point`, `Check`; `Degenerate` where a challenge has no inverse.
pub fn verify(
    ch: &mut Channel<'_, Scalar>,
    key: &ShortKey,
    challenges: &Challenges,
    values: &[Scalar],
    opened: &[Evaluation],
) -> Result<Evaluation, VerifyError> {
    let chi = ch.challenge(label::CHI);
    let challenges = Challenges { chi, ..challenges.clone() };
    let mut points: Vec<Point> = key.list.to_vec();
    points.push(read_point(ch, label::READS)?);
    let f = Fingerprint { x: ch.challenge(label::LIST_FINGERPRINT), y: ch.challenge(label::LIST_FINGERPRINT) };
    points.push(read_point(ch, label::FRACTIONS)?);
    let rounds = key.sizes.domain;
    let s = ch.challenges(label::LIST_POINT, rounds);
    let omega = ch.challenge(label::LIST_WEIGHT);
    let mut claim = values.iter().rev().fold(Scalar::ZERO, |a, v| a * chi + *v);
    let weights: Vec<Scalar> = omega.shifted_powers(omega.exp_u64(FIRST_COMBINATION)).take(opened.len()).collect();
    claim += opened.iter().zip(&weights).fold(Scalar::ZERO, |a, (e, w)| a + e.value * *w);
    let mut sigma = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let mut message = [Scalar::ZERO; DEGREE];
        for c in &mut message {
            *c = ch.clear(label::LIST_ROUND)?;
        }
        let r = ch.challenge(label::LIST_ROUND);
        claim = after_round(claim, &message, r);
        sigma.push(r);
    }
    let mut at = [Scalar::ZERO; COLUMNS];
    for v in &mut at {
        *v = ch.clear(label::LIST_VALUE)?;
    }
    let tables = Tables::new(&key.sizes, &key.monos, &key.lows, &challenges)
        .ok_or(ProofError::Degenerate { check: "functionals" })?;
    let row = row_at(&at, &f, &sigma, tables.extension(&sigma), eq_points(&s, &sigma));
    let mut sum = row.summand(omega);
    let mut blocks = Vec::new();
    for (e, w) in opened.iter().zip(&weights) {
        let mut own = Vec::new();
        for eq in eq_blocks(&e.point, &sigma) {
            let v = ch.clear(label::LIST_VALUE)?;
            sum += *w * v * eq;
            own.push(v);
        }
        points.push(e.commitment);
        blocks.push(own);
    }
    if sum != claim {
        return Err(ProofError::Check { check: "functionals" }.into());
    }
    let corner = ch.challenges(label::LIST_CORNER, STACKED);
    let xi = ch.challenge(label::LIST_COMBINATION);
    let value = combined(stacked(&at).chain(blocks.iter().map(Vec::as_slice)), &corner, xi);
    let powers: Vec<Scalar> = xi.powers().take(points.len()).collect();
    sigma.extend(corner);
    Ok(Evaluation { commitment: Point::combine(&points, &powers), point: sigma, value })
}

/// All factors at `sigma` from the columns' values there.
fn row_at(at: &[Scalar; COLUMNS], f: &Fingerprint, sigma: &[Scalar], table: Scalar, eq: Scalar) -> Row {
    let [a0, a1, a2, a3, weight, count, e0, e1, e2, e3, a, b, c, product] = *at;
    let id = sigma.iter().rev().fold(Scalar::ZERO, |a, x| a.double() + *x);
    let reads = [(a0, e0), (a1, e1), (a2, e2), (a3, e3)].map(|(i, e)| f.denominator(i, e));
    let (values, row) = ([e0, e1, e2, e3], f.denominator(id, table));
    Row { weight, values, reads, row, count, fractions: [a, b, c], product, eq }
}
