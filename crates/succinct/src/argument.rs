//! The evaluation argument: that the values of functionals in a proof are those of the list that the key commits to. One
//! sumcheck over entries and rows of the tables that entries read; what it ends in is opened with everything else.
//!
//! # Soundness
//! `(10 * 2^d + 6 d + S + 14) / r` for `2^d` rows and `S` values; `spec/succinct.md`, section 7.
//! # Source
//! Products of equality polynomials read from tables: Setty 2019/550. Look-ups by sums of fractions: Haboeck 2022/1530.
//! The four pieces, monomials and sums over cubes: ours.

use alloc::vec::Vec;

use proveil_algebra::{PrimeCharacteristicRing, Scalar, eq_points};
use proveil_kzg::Point;
use proveil_kzg::mercury::Evaluation;
use proveil_protocol::channel::{Channel, ProofError};
use proveil_protocol::sumcheck::lagrange;

use crate::short::{LIST_COLUMNS, ShortKey};
use crate::tables::{Challenges, TABLES, Tables};
use crate::verify::{VerifyError, label};

/// Committed columns: those of the list, values read, two of fractions.
pub const COLUMNS: usize = LIST_COLUMNS + TABLES + 2;
/// Degree of the sumcheck.
pub const DEGREE: usize = 5;

/// Values of all that the sumcheck multiplies, at one row or point.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// `w, e_0 .. e_3`.
    pub product: [Scalar; 1 + TABLES],
    /// `D_0 .. D_3`.
    pub reads: [Scalar; TABLES],
    /// `D_T`.
    pub row: Scalar,
    /// How often a row is read.
    pub count: Scalar,
    /// `A`, `B`.
    pub fractions: [Scalar; 2],
    /// `eq(s, .)`.
    pub eq: Scalar,
}

impl Row {
    /// The summand.
    pub fn summand(&self, omega: Scalar) -> Scalar {
        let [a, b] = self.fractions;
        let [d0, d1, d2, d3] = self.reads;
        let product = self.product.iter().fold(Scalar::ONE, |p, x| p * *x);
        let d12 = d1 * d2;
        let first = a * d0 * d12 - d12 - d0 * (d1 + d2);
        let second = b * d3 * self.row - self.row + self.count * d3;
        product + omega * (a + b + self.eq * omega * (first + omega * second))
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

/// Weight of the first combination of columns among the equations: behind the sum of fractions and their equations.
pub const FIRST_COMBINATION: u64 = 4;

/// `eq(point, .)` at `sigma` for a polynomial that is zero behind the cells of its point.
pub fn eq_cut(point: &[Scalar], sigma: &[Scalar]) -> Scalar {
    let (inside, above) = sigma.split_at(point.len().min(sigma.len()));
    above.iter().fold(eq_points(point, inside), |a, x| a * (Scalar::ONE - *x))
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
    for _ in 0..TABLES {
        points.push(read_point(ch, label::READS)?);
    }
    let f = Fingerprint { x: ch.challenge(label::LIST_FINGERPRINT), y: ch.challenge(label::LIST_FINGERPRINT) };
    for _ in 0..2 {
        points.push(read_point(ch, label::FRACTIONS)?);
    }
    let rounds = key.sizes.domain;
    let s = ch.challenges(label::LIST_POINT, rounds);
    let omega = ch.challenge(label::LIST_WEIGHT);
    let mut claim = values.iter().rev().fold(Scalar::ZERO, |a, v| a * chi + *v);
    let weights: Vec<Scalar> = omega.shifted_powers(omega.exp_u64(FIRST_COMBINATION)).take(opened.len()).collect();
    claim += opened.iter().zip(&weights).fold(Scalar::ZERO, |a, (e, w)| a + e.value * *w);
    let mut sigma = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let first = ch.clear(label::LIST_ROUND)?;
        let mut message = alloc::vec![first, claim - first];
        for _ in 2..=DEGREE {
            message.push(ch.clear(label::LIST_ROUND)?);
        }
        let r = ch.challenge(label::LIST_ROUND);
        claim = message.iter().zip(lagrange(DEGREE, r)).fold(Scalar::ZERO, |a, (v, l)| a + *v * l);
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
    let mut all = at.to_vec();
    for (e, w) in opened.iter().zip(&weights) {
        let v = ch.clear(label::LIST_VALUE)?;
        sum += *w * v * eq_cut(&e.point, &sigma);
        points.push(e.commitment);
        all.push(v);
    }
    if sum != claim {
        return Err(ProofError::Check { check: "functionals" }.into());
    }
    let xi = ch.challenge(label::LIST_COMBINATION);
    let powers: Vec<Scalar> = xi.powers().take(all.len()).collect();
    let value = all.iter().zip(&powers).fold(Scalar::ZERO, |a, (v, p)| a + *v * *p);
    Ok(Evaluation { commitment: Point::combine(&points, &powers), point: sigma, value })
}

/// All factors at `sigma` from the columns' values there.
fn row_at(at: &[Scalar; COLUMNS], f: &Fingerprint, sigma: &[Scalar], table: Scalar, eq: Scalar) -> Row {
    let [w, a0, a1, a2, a3, count, e0, e1, e2, e3, a, b] = *at;
    let id = sigma.iter().rev().fold(Scalar::ZERO, |a, x| a.double() + *x);
    let reads = [(a0, e0), (a1, e1), (a2, e2), (a3, e3)].map(|(i, e)| f.denominator(i, e));
    Row { product: [w, e0, e1, e2, e3], reads, row: f.denominator(id, table), count, fractions: [a, b], eq }
}
