//! The prover's half of an opening.

use proveil_algebra::{PrimeCharacteristicRing, Scalar, dot, eq_table};
use proveil_protocol::codec::Writer;
use proveil_protocol::transcript::Transcript;
use rayon::prelude::*;

use super::{Batch, Claims, Fixed, OpeningError, label, split};
use crate::commit::commit;
use crate::srs::{Srs, SrsError};

/// Why no opening was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The set-up is too small.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// No claim, or a challenge without an inverse.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// Not one list of coefficients for each claim, or one longer than its point's table.
    #[error("claim {claim}: give one list of at most {most} coefficients for it")]
    Shape {
        /// Claim: values at points, then inner products.
        claim: usize,
        /// Most coefficients.
        most: usize,
    },
}

/// Alters a polynomial, known by its message's name, before it is committed and used; how a test's prover cheats.
pub type Alter<'a> = &'a dyn Fn(&'static str, &mut Vec<Scalar>);

/// One opening in the making.
struct Run<'a> {
    t: &'a mut Transcript,
    w: &'a mut Writer,
    srs: &'a Srs,
    alter: Option<Alter<'a>>,
}

impl Run<'_> {
    fn commit(&mut self, label: &'static str, f: &mut Vec<Scalar>) -> Result<(), SrsError> {
        if let Some(alter) = self.alter {
            alter(label, f);
        }
        let bytes = commit(self.srs, f)?.to_bytes();
        self.w.bytes(label, &bytes);
        self.t.absorb_words(label, &bytes);
        Ok(())
    }

    fn value(&mut self, x: Scalar) {
        self.w.element(label::VALUE, &x);
        self.t.absorb_elements(label::VALUE, &[x]);
    }

    fn challenge(&mut self) -> Scalar {
        self.t.challenge(label::CHALLENGE)
    }
}

/// Writes an opening of `claims` to `w`: `polynomials` are the coefficients of all values at points, then of all inner
/// products, blinds taken off. What is opened is what the coefficients say; a false claim gives a proof that
/// [`super::verify`] refuses.
///
/// # Errors
/// [`ProveError`].
pub fn prove(
    t: &mut Transcript,
    w: &mut Writer,
    srs: &Srs,
    claims: &Claims,
    polynomials: &[&[Scalar]],
) -> Result<(), ProveError> {
    prove_with(t, w, srs, claims, polynomials, None)
}

/// [`prove`] by a prover that may cheat, for tests.
///
/// # Errors
/// [`ProveError`].
pub fn prove_with(
    t: &mut Transcript,
    w: &mut Writer,
    srs: &Srs,
    claims: &Claims,
    polynomials: &[&[Scalar]],
    alter: Option<Alter<'_>>,
) -> Result<(), ProveError> {
    check_shape(claims, polynomials)?;
    let num = claims.evaluations.len();
    let low = claims.low();
    let (opened, short) = polynomials.split_at(num);
    let mut run = Run { t, w, srs, alter };

    let points: Vec<_> = claims.evaluations.iter().map(|e| split(&e.point, low)).collect();
    let rows = opened.iter().zip(&points).map(|(f, (first, _))| row_products(f, first, low));
    let mut h: Vec<Vec<Scalar>> = rows.collect();
    h.iter_mut().try_for_each(|h| run.commit(label::H, h))?;
    let alpha = run.challenge();
    let mut divided: Vec<(Vec<Scalar>, Vec<Scalar>)> = opened.iter().map(|f| divide_rows(f, alpha, low)).collect();
    divided.iter_mut().try_for_each(|(_, g)| run.commit(label::G, g))?;
    let gamma = run.challenge();
    let mut q = batch(divided.iter().map(|(q, _)| &q[..]), gamma);
    let g: Vec<&[Scalar]> = divided.iter().map(|(_, g)| &g[..]).collect();
    let mut s = inner_products(&products(claims, &g, &h, &points, short), gamma);
    let mut d = batch(g.iter().copied(), gamma);
    d.resize(1 << low, Scalar::ZERO);
    d.reverse();
    run.commit(label::Q, &mut q)?;
    run.commit(label::S, &mut s)?;
    run.commit(label::D, &mut d)?;
    let fixed = Fixed::new(alpha, gamma, run.challenge(), low)?;

    let (x, y) = (fixed.zeta, fixed.inverse);
    for (g, h) in g.iter().zip(&h) {
        [evaluate(g, x), evaluate(g, y), evaluate(h, x), evaluate(h, y), evaluate(h, alpha)]
            .into_iter()
            .for_each(|v| run.value(v));
    }
    short.iter().for_each(|p| [evaluate(p, x), evaluate(p, y)].into_iter().for_each(|v| run.value(v)));
    run.value(evaluate(&s, x));
    let eta = run.challenge();
    let last: Vec<Polynomial<'_>> = g
        .iter()
        .map(|g| (*g, 2))
        .chain(h.iter().map(|h| (&h[..], 3)))
        .chain(short.iter().map(|p| (*p, 2)))
        .chain([(&s[..], 2), (&d[..], 1)])
        .collect();
    let mut quotient = quotient(&last, eta, [x, y, alpha]);
    run.commit(label::W, &mut quotient)?;
    let at = Batch::new(&fixed, run.challenge())?;
    // The identity of the division at z.
    let mut identity = batch(opened.iter().copied(), gamma);
    let k = alpha - at.z.exp_power_of_2(low);
    identity.resize(identity.len().max(q.len()).max(1 << low), Scalar::ZERO);
    identity.par_iter_mut().zip(&q).for_each(|(f, q)| *f += k * *q);
    for (g, weight) in g.iter().zip(gamma.powers()) {
        if identity.len() < g.len() {
            identity.resize(g.len(), Scalar::ZERO);
        }
        identity.iter_mut().zip(*g).for_each(|(f, g)| *f -= weight * *g);
    }
    run.commit(label::W_CHECK, &mut check_quotient(identity, &last, eta, &quotient, &at))?;
    Ok(())
}

fn check_shape(claims: &Claims, polynomials: &[&[Scalar]]) -> Result<(), ProveError> {
    if claims.evaluations.is_empty() {
        return Err(OpeningError::Empty.into());
    }
    let most =
        claims.evaluations.iter().map(|e| 1usize << e.point.len()).chain(claims.inner.iter().map(|_| usize::MAX));
    let mut given = polynomials.iter();
    for (claim, most) in most.enumerate() {
        if given.next().is_none_or(|f| f.len() > most) {
            return Err(ProveError::Shape { claim, most });
        }
    }
    if given.next().is_some() {
        return Err(ProveError::Shape { claim: claims.evaluations.len() + claims.inner.len(), most: 0 });
    }
    Ok(())
}

/// `<f_i, eq(u')>` for every row `f_i`.
fn row_products(f: &[Scalar], point: &[Scalar], low: usize) -> Vec<Scalar> {
    let weights = eq_table(point);
    f.par_chunks(1 << low).map(|row| dot(row, &weights)).collect()
}

/// Quotient and remainder of `f` by `X^b - alpha`.
fn divide_rows(f: &[Scalar], alpha: Scalar, low: usize) -> (Vec<Scalar>, Vec<Scalar>) {
    let b = 1usize << low;
    let rows = f.len().div_ceil(b);
    let mut q = vec![Scalar::ZERO; rows.saturating_sub(1) << low];
    let mut carry = vec![Scalar::ZERO; b];
    for (i, row) in f.chunks(b).enumerate().rev() {
        if let Some(place) = i.checked_mul(b).and_then(|at| q.get_mut(at..at + b)) {
            place.copy_from_slice(&carry);
        }
        carry.iter_mut().for_each(|c| *c *= alpha);
        carry.iter_mut().zip(row).for_each(|(c, x)| *c += *x);
    }
    (q, carry)
}

/// `sum_k weight^k p_k`.
fn batch<'a>(polynomials: impl Iterator<Item = &'a [Scalar]>, weight: Scalar) -> Vec<Scalar> {
    let mut out: Vec<Scalar> = Vec::new();
    let mut power = Scalar::ONE;
    for p in polynomials {
        if out.len() < p.len() {
            out.resize(p.len(), Scalar::ZERO);
        }
        out.par_iter_mut().zip(p).for_each(|(o, x)| *o += power * *x);
        power *= weight;
    }
    out
}

type Pair<'a> = (&'a [Scalar], Vec<Scalar>);

/// Factors of all inner products, in the order of the powers of `gamma`.
fn products<'a>(
    claims: &Claims,
    g: &[&'a [Scalar]],
    h: &'a [Vec<Scalar>],
    points: &[(&[Scalar], &[Scalar])],
    short: &[&'a [Scalar]],
) -> Vec<Pair<'a>> {
    let mut out: Vec<Pair<'a>> = Vec::new();
    for ((g, h), (first, rest)) in g.iter().zip(h).zip(points) {
        out.push((g, eq_table(first)));
        out.push((h, eq_table(rest)));
    }
    out.extend(short.iter().zip(&claims.inner).map(|(p, i)| (*p, i.weights.clone())));
    out
}

/// `S`: coefficient `d - 1` is `sum_i gamma^i sum_l (a_l b_(l+d) + a_(l+d) b_l)`.
fn inner_products(pairs: &[Pair<'_>], gamma: Scalar) -> Vec<Scalar> {
    let longest = pairs.iter().map(|(a, b)| a.len().max(b.len())).max().unwrap_or(0);
    (1..longest)
        .into_par_iter()
        .map(|d| {
            let shifted = |a: &[Scalar], b: &[Scalar]| b.get(d..).map_or(Scalar::ZERO, |b| dot(a, b));
            pairs.iter().rev().fold(Scalar::ZERO, |acc, (a, b)| acc * gamma + shifted(a, b) + shifted(b, a))
        })
        .collect()
}

fn evaluate(f: &[Scalar], x: Scalar) -> Scalar {
    super::horner(f, x)
}

/// Quotient of `f` by `X - x`, the remainder dropped.
fn divide(f: &mut Vec<Scalar>, x: Scalar) {
    let mut carry = Scalar::ZERO;
    for c in f.iter_mut().rev() {
        carry = carry * x + *c;
        *c = carry;
    }
    // Now entry i is the quotient's coefficient i - 1, entry 0 the remainder.
    if !f.is_empty() {
        _ = f.remove(0);
    }
}

/// A polynomial of step 5 and how many of the three points it has values at.
type Polynomial<'a> = (&'a [Scalar], usize);

/// `W = sum_i eta^(1 + i) (p_i - r_i) / Z_i`.
fn quotient(polynomials: &[Polynomial<'_>], eta: Scalar, points: [Scalar; 3]) -> Vec<Scalar> {
    let part = |(p, at): &Polynomial<'_>| {
        let mut p = p.to_vec();
        points.iter().take(*at).for_each(|x| divide(&mut p, *x));
        p
    };
    let parts: Vec<Vec<Scalar>> = polynomials.par_iter().map(part).collect();
    let mut out = batch(parts.iter().map(|p| &p[..]), eta);
    out.iter_mut().for_each(|x| *x *= eta);
    out
}

/// `W' = (identity + sum_i eta^(1 + i) m_i p_i - Z W) / (X - z)`, constants dropped.
fn check_quotient(
    identity: Vec<Scalar>,
    polynomials: &[Polynomial<'_>],
    eta: Scalar,
    w: &[Scalar],
    at: &Batch,
) -> Vec<Scalar> {
    let mut out = identity;
    let longest = polynomials.iter().map(|(p, _)| p.len()).chain([w.len()]).max().unwrap_or(0);
    out.resize(out.len().max(longest), Scalar::ZERO);
    let mut weight = eta;
    for (p, points) in polynomials {
        let m = at.gaps.iter().skip(*points).fold(weight, |a, g| a * *g);
        out.iter_mut().zip(*p).for_each(|(o, x)| *o += m * *x);
        weight *= eta;
    }
    let vanishing = at.vanishing();
    out.iter_mut().zip(w).for_each(|(o, x)| *o -= vanishing * *x);
    divide(&mut out, at.z);
    out
}
