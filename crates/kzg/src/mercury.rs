//! Mercury: opens multilinear polynomials at points with a constant number of messages, here several at once together
//! with inner products of short polynomials with public vectors.
//!
//! With `b = 2^low` a list of coefficients is a matrix of rows of length `b`: `f(X) = sum_i X^(b i) f_i(X)`. For a point
//! `u`, its first `low` coordinates `u'`, the others `u''`:
//!
//! | step | message | meaning |
//! | --- | --- | --- |
//! | 1 | `h` | `h_i = <f_i, eq(u')>`, so that the value is `<h, eq(u'')>` |
//! | | `alpha` drawn | |
//! | 2 | `g` | the remainder of `f` by `X^b - alpha`, so that `<g, eq(u')> = h(alpha)` |
//! | | `gamma` drawn | |
//! | 3 | `q`, `S`, `D` | quotient; all inner products; `D = X^(b-1) g(1/X)`, which bounds the degree of `g` |
//! | | `zeta` drawn | |
//! | 4 | values | `g`, `h` at `zeta` and its inverse, `h(alpha)`, `S(zeta)` |
//! | | `eta` drawn | |
//! | 5 | `W` | the values of step 4, many polynomials at many points; with them, at `zeta`, that `f - (X^b - alpha) q - g` is zero |
//! | | `z` drawn | |
//! | 6 | `W'` | the same at `z` |
//!
//! `<a, b> = t` is the coefficient of `X^0` in `a(X) b(1/X)`: with the polynomial `S`, `a(X) b(1/X) + a(1/X) b(X) = 2 t +
//! X S(X) + S(1/X) / X`. Polynomials that are opened are numbered; `gamma` batches them in step 3, `eta` everything in
//! step 5. What is divided is not opened at `zeta`: the identity of step 5 is checked at `z` alone, where it is linear in
//! the commitments, so that `W` stays short and there is one pairing equation.
//!
//! # Soundness
//! Knowledge soundness in the algebraic group model, `(6 n + 8 N) / r` besides the discrete logarithm of `tau`. A
//! polynomial with more coefficients than its point has cells counts as cut off there. With blinded commitments: the
//! caller takes off the blind that was revealed; any other multiple of the blinding base is refused like a wrong value.
//! # Source
//! Eagen, Gabizon 2025/385. Opening of many polynomials: Boneh, Drake, Fisch, Gabizon 2020/081. Several points and
//! inner products with public vectors under one set of messages: ours.

#[cfg(feature = "std")]
mod prove;

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, Field, PrimeCharacteristicRing, Scalar};
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::transcript::Transcript;

use crate::curve::{POINT_BYTES, Point, SrsKey, read_scalar};

#[cfg(feature = "std")]
pub use prove::{Alter, ProveError, prove, prove_with};

/// Names of messages and challenges.
pub mod label {
    /// Statement, where the caller has not absorbed it.
    pub const STATEMENT: &str = "opening statement";
    /// Inner products of rows.
    pub const H: &str = "opening rows";
    /// Remainders.
    pub const G: &str = "opening remainder";
    /// Quotient by `X^b - alpha`.
    pub const Q: &str = "opening quotient";
    /// Inner products.
    pub const S: &str = "opening inner products";
    /// Degree bound.
    pub const D: &str = "opening degree";
    /// Values at `zeta` and related points.
    pub const VALUE: &str = "opening value";
    /// Quotient of all values.
    pub const W: &str = "opening batch";
    /// Its check at a random point.
    pub const W_CHECK: &str = "opening batch check";
    /// All challenges.
    pub const CHALLENGE: &str = "opening challenge";
}

/// The claim that a committed polynomial, as a table, has a value at a point.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Commitment, blind taken off.
    pub commitment: Point,
    /// The point, lowest variable first.
    pub point: Vec<Scalar>,
    /// The value.
    pub value: Scalar,
}

/// The claim that a committed polynomial's first coefficients have an inner product with a public vector.
#[derive(Clone, Debug)]
pub struct Inner {
    /// Commitment, blind taken off.
    pub commitment: Point,
    /// The vector.
    pub weights: Vec<Scalar>,
    /// The inner product.
    pub value: Scalar,
}

/// What one opening shows.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// Values at points; at least one.
    pub evaluations: Vec<Evaluation>,
    /// Inner products.
    pub inner: Vec<Inner>,
}

/// Why an opening is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// Malformed bytes, or a point that is none.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Nothing to open; a mistake of the caller.
    #[error("an opening needs at least one value at a point")]
    Empty,
    /// A challenge hit a value for which no proof exists (probability below 2^-240): prove again.
    #[error("an opening challenge has no inverse: prove again")]
    Degenerate,
    /// The pairing equation does not hold.
    #[error("check 'opening' failed: the commitments do not have these values")]
    Pairing,
}

impl Claims {
    /// Variables of a row: half of those of the longest point.
    #[must_use]
    pub fn low(&self) -> usize {
        self.evaluations.iter().map(|e| e.point.len()).max().unwrap_or(0).div_ceil(2)
    }

    /// Absorbs all claims: for callers whose transcript does not yet fix them.
    pub fn absorb(&self, t: &mut Transcript) {
        for e in &self.evaluations {
            t.absorb_words(label::STATEMENT, &e.commitment.to_bytes());
            t.absorb_elements(label::STATEMENT, &e.point);
            t.absorb_elements(label::STATEMENT, &[e.value]);
        }
        for i in &self.inner {
            t.absorb_words(label::STATEMENT, &i.commitment.to_bytes());
            t.absorb_elements(label::STATEMENT, &i.weights);
            t.absorb_elements(label::STATEMENT, &[i.value]);
        }
    }

    /// Bytes of an opening of so many values at points and inner products.
    #[must_use]
    pub fn proof_bytes(evaluations: usize, inner: usize) -> usize {
        (2 * evaluations + 5) * POINT_BYTES + (5 * evaluations + 2 * inner + 1) * Scalar::BYTES
    }
}

/// Point and rest of the variables; short points stand for longer ones that end in zeros.
fn split(point: &[Scalar], low: usize) -> (&[Scalar], &[Scalar]) {
    point.split_at(low.min(point.len()))
}

/// `sum_i eq(u, i) x^i = prod_k (1 - u_k + u_k x^(2^k))`.
fn eq_polynomial(u: &[Scalar], x: Scalar) -> Scalar {
    let step = |(acc, power): (Scalar, Scalar), u: &Scalar| (acc * (Scalar::ONE - *u + *u * power), power.square());
    u.iter().fold((Scalar::ONE, x), step).0
}

fn horner(coefficients: &[Scalar], x: Scalar) -> Scalar {
    coefficients.iter().rev().fold(Scalar::ZERO, |acc, c| acc * x + *c)
}

/// Values of one opened polynomial of step 1 and 2.
#[derive(Clone, Copy, Debug)]
struct Values {
    /// `g` at `zeta` and its inverse.
    g: [Scalar; 2],
    /// `h` at `zeta`, its inverse and `alpha`.
    h: [Scalar; 3],
}

/// Challenges up to the values, and what follows from them.
#[derive(Clone, Copy, Debug)]
struct Fixed {
    alpha: Scalar,
    gamma: Scalar,
    zeta: Scalar,
    inverse: Scalar,
    /// `zeta^b`.
    power: Scalar,
    low: usize,
}

impl Fixed {
    fn new(alpha: Scalar, gamma: Scalar, zeta: Scalar, low: usize) -> Result<Self, OpeningError> {
        let inverse = zeta.try_inverse().ok_or(OpeningError::Degenerate)?;
        let mut power = zeta;
        (0..low).for_each(|_| power = power.square());
        Ok(Self { alpha, gamma, zeta, inverse, power, low })
    }

    /// Weight of inner product `i` in `S`: two of every opened polynomial, those of `g` and of `h`, then the claimed ones.
    fn weight(&self, i: usize) -> Scalar {
        self.gamma.exp_u64(i as u64)
    }

    /// `S(1 / zeta)`, from the identity of all inner products.
    fn s_inverse(&self, claims: &Claims, values: &[Values], inner: &[[Scalar; 2]], s: Scalar) -> Scalar {
        let (x, y) = (self.zeta, self.inverse);
        let mut sum = -(x * s);
        let mut add = |i: usize, a: [Scalar; 2], b: [Scalar; 2], product: Scalar| {
            sum += self.weight(i) * (a[0] * b[1] + a[1] * b[0] - product.double());
        };
        for (k, (e, v)) in claims.evaluations.iter().zip(values).enumerate() {
            let (first, rest) = split(&e.point, self.low);
            let [gx, gy, ha] = [v.g[0], v.g[1], v.h[2]];
            add(2 * k, [gx, gy], [eq_polynomial(first, x), eq_polynomial(first, y)], ha);
            add(2 * k + 1, [v.h[0], v.h[1]], [eq_polynomial(rest, x), eq_polynomial(rest, y)], e.value);
        }
        let first = 2 * claims.evaluations.len();
        for (j, (c, v)) in claims.inner.iter().zip(inner).enumerate() {
            add(first + j, *v, [horner(&c.weights, x), horner(&c.weights, y)], c.value);
        }
        x * sum
    }

    /// `D(zeta) = zeta^(b - 1) sum_k gamma^k g_k(1 / zeta)`.
    fn degree(&self, values: &[Values]) -> Scalar {
        let sum = values.iter().rev().fold(Scalar::ZERO, |acc, v| acc * self.gamma + v.g[1]);
        self.power * self.inverse * sum
    }
}

/// The points of step 5, in front of the polynomials that have values there.
#[derive(Clone, Copy, Debug)]
struct Batch {
    z: Scalar,
    /// `z - zeta`, `z - 1 / zeta`, `z - alpha`.
    gaps: [Scalar; 3],
    /// Lagrange weights at `z`: of `zeta, 1/zeta`, then of `zeta, 1/zeta, alpha`.
    line: [Scalar; 2],
    parabola: [Scalar; 3],
}

impl Batch {
    fn new(f: &Fixed, z: Scalar) -> Result<Self, OpeningError> {
        let (x, y, a) = (f.zeta, f.inverse, f.alpha);
        let gaps @ [gx, gy, ga] = [z - x, z - y, z - a];
        let invert = |d: Scalar| d.try_inverse().ok_or(OpeningError::Degenerate);
        let (xy, xa, ya) = (invert(x - y)?, invert(x - a)?, invert(y - a)?);
        let line = [gy * xy, -(gx * xy)];
        let parabola = [gy * ga * xy * xa, -(gx * ga * xy * ya), gx * gy * xa * ya];
        Ok(Self { z, gaps, line, parabola })
    }

    /// The polynomial that vanishes at all three points.
    fn vanishing(&self) -> Scalar {
        self.gaps[0] * self.gaps[1] * self.gaps[2]
    }
}

/// What an opening comes down to: all claims hold if [`SrsKey::check`] says so of these points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Equation {
    /// What goes with the generator of the second group.
    pub left: Point,
    /// What goes with `tau`.
    pub right: Point,
}

/// Verifies an opening.
///
/// # Transcript
/// `t` must already fix all claims, by what was absorbed or by [`Claims::absorb`]; messages are those of the module's
/// page, in the order of the polynomials.
/// # Errors
/// `Decode`, `Empty`, `Degenerate`, `Pairing`.
pub fn verify(t: &mut Transcript, r: &mut Reader<'_>, key: &SrsKey, claims: &Claims) -> Result<(), OpeningError> {
    let e = reduce(t, r, claims)?;
    if key.check(&e.left, &e.right) { Ok(()) } else { Err(OpeningError::Pairing) }
}

/// [`verify`] but for the equation that is left, for who checks several at once.
///
/// # Transcript
/// As [`verify`]; behind it the last message is absorbed.
/// # Errors
/// `Decode`, `Empty`, `Degenerate`.
pub fn reduce(t: &mut Transcript, r: &mut Reader<'_>, claims: &Claims) -> Result<Equation, OpeningError> {
    let num = claims.evaluations.len();
    if num == 0 {
        return Err(OpeningError::Empty);
    }
    let h = read_points(t, r, label::H, num)?;
    let alpha = t.challenge(label::CHALLENGE);
    let g = read_points(t, r, label::G, num)?;
    let gamma = t.challenge(label::CHALLENGE);
    let [q, s, d] = [read_point(t, r, label::Q)?, read_point(t, r, label::S)?, read_point(t, r, label::D)?];
    let fixed = Fixed::new(alpha, gamma, t.challenge(label::CHALLENGE), claims.low())?;
    let mut values = Vec::with_capacity(num);
    for _ in 0..num {
        let mut next = || read_value(t, r);
        values.push(Values { g: [next()?, next()?], h: [next()?, next()?, next()?] });
    }
    let mut inner = Vec::with_capacity(claims.inner.len());
    for _ in &claims.inner {
        inner.push([read_value(t, r)?, read_value(t, r)?]);
    }
    let at_s = read_value(t, r)?;
    let eta: Scalar = t.challenge(label::CHALLENGE);
    let w = read_point(t, r, label::W)?;
    let batch = Batch::new(&fixed, t.challenge(label::CHALLENGE))?;
    let w_check = read_point(t, r, label::W_CHECK)?;

    let mut left = Sum::default();
    // sum_k gamma^k (f_k - g_k) - (z^b - alpha) q.
    for ((e, g), weight) in claims.evaluations.iter().zip(&g).zip(gamma.powers()) {
        left.add(e.commitment, weight);
        left.add(*g, -weight);
    }
    left.add(q, alpha - batch.z.exp_power_of_2(fixed.low));
    let opened = Opened { g: &g, h: &h, s, d, claims };
    let at_s = [at_s, fixed.s_inverse(claims, &values, &inner, at_s)];
    opened.add(&mut left, &batch, eta, &values, &inner, at_s, fixed.degree(&values));
    left.add(w, -batch.vanishing());
    left.add(w_check, batch.z);
    Ok(Equation { left: left.total(), right: w_check })
}

/// A linear combination of points, the generator apart.
#[derive(Default)]
struct Sum {
    points: Vec<Point>,
    scalars: Vec<Scalar>,
    constant: Scalar,
}

impl Sum {
    fn add(&mut self, p: Point, k: Scalar) {
        self.points.push(p);
        self.scalars.push(k);
    }

    fn total(mut self) -> Point {
        self.add(Point::generator(), self.constant);
        Point::combine(&self.points, &self.scalars)
    }
}

/// The polynomials of step 5, in the order of the powers of `eta`: all `g`, all `h`, inner products, `S`, `D`.
struct Opened<'a> {
    g: &'a [Point],
    h: &'a [Point],
    s: Point,
    d: Point,
    claims: &'a Claims,
}

impl Opened<'_> {
    /// Adds `sum_i eta^(1 + i) m_i ([p_i] - r_i(z))`, `m_i` vanishing where `p_i` has no value and `r_i` through its
    /// values.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &self,
        sum: &mut Sum,
        at: &Batch,
        eta: Scalar,
        values: &[Values],
        inner: &[[Scalar; 2]],
        s: [Scalar; 2],
        d: Scalar,
    ) {
        let [_, gy, ga] = at.gaps;
        let line = |v: &[Scalar; 2]| v[0] * at.line[0] + v[1] * at.line[1];
        let mut weight = eta;
        let mut add = |p: Point, m: Scalar, r: Scalar| {
            sum.add(p, weight * m);
            sum.constant -= weight * m * r;
            weight *= eta;
        };
        for (p, v) in self.g.iter().zip(values) {
            add(*p, ga, line(&v.g));
        }
        for (p, v) in self.h.iter().zip(values) {
            let r = v.h.iter().zip(&at.parabola).fold(Scalar::ZERO, |a, (v, l)| a + *v * *l);
            add(*p, Scalar::ONE, r);
        }
        for (i, v) in self.claims.inner.iter().zip(inner) {
            add(i.commitment, ga, line(v));
        }
        add(self.s, ga, line(&s));
        add(self.d, gy * ga, d);
    }
}

fn read_point(t: &mut Transcript, r: &mut Reader<'_>, label: &'static str) -> Result<Point, DecodeError> {
    let p = Point::read(r, label)?;
    t.absorb_words(label, &p.to_bytes());
    Ok(p)
}

fn read_points(
    t: &mut Transcript,
    r: &mut Reader<'_>,
    label: &'static str,
    n: usize,
) -> Result<Vec<Point>, DecodeError> {
    let mut out = vec![];
    for _ in 0..n {
        out.push(read_point(t, r, label)?);
    }
    Ok(out)
}

fn read_value(t: &mut Transcript, r: &mut Reader<'_>) -> Result<Scalar, DecodeError> {
    let x = read_scalar(r, label::VALUE)?;
    t.absorb_elements(label::VALUE, &[x]);
    Ok(x)
}
