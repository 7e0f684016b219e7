//! Openings: honest ones are accepted, and no other.
#![forbid(unsafe_code)]

use proveil_algebra::{Challenge, Field, PrimeCharacteristicRing, Scalar, eq_table, eval_mle};
use proveil_kzg::commit::Committed;
use proveil_kzg::mercury::{self, Claims, Evaluation, Inner, OpeningError, label};
use proveil_kzg::srs::Srs;
use proveil_kzg::{Point, blinding_base};
use proveil_protocol::codec::{Reader, Writer};
use proveil_protocol::transcript::{Hash, Transcript};

/// Reproducible scalars.
struct Scalars(Transcript);

impl Scalars {
    fn new(name: &str) -> Self {
        Self(Transcript::new(name))
    }

    fn next(&mut self) -> Scalar {
        self.0.challenge("scalar")
    }

    fn many(&mut self, n: usize) -> Vec<Scalar> {
        self.0.challenges("scalars", n)
    }
}

struct Case {
    srs: Srs,
    claims: Claims,
    polynomials: Vec<Vec<Scalar>>,
}

/// Values at points of so many variables, and inner products of so many terms.
fn case(variables: &[usize], inner: &[usize]) -> Case {
    let mut s = Scalars::new("case");
    let srs = Srs::dev(variables.iter().copied().max().unwrap_or(0).max(4) as u8).unwrap();
    let (mut claims, mut polynomials) = (Claims::default(), Vec::new());
    for n in variables {
        let (f, point) = (s.many(1 << n), s.many(*n));
        let commitment = commit(&srs, &f);
        claims.evaluations.push(Evaluation { commitment, value: eval_mle(&f, &point), point });
        polynomials.push(f);
    }
    for n in inner {
        // Cells behind the weighted ones, as blinded vectors have.
        let (f, weights) = (s.many(n + 2), s.many(*n));
        let value = f.iter().zip(&weights).fold(Scalar::ZERO, |a, (x, w)| a + *x * *w);
        claims.inner.push(Inner { commitment: commit(&srs, &f), weights, value });
        polynomials.push(f);
    }
    Case { srs, claims, polynomials }
}

fn commit(srs: &Srs, f: &[Scalar]) -> Point {
    proveil_kzg::commit::commit(srs, f).unwrap()
}

fn transcript(hash: Hash, claims: &Claims) -> Transcript {
    let mut t = Transcript::with_hash(hash, "openings");
    claims.absorb(&mut t);
    t
}

impl Case {
    fn prove_with(&self, alter: Option<mercury::Alter<'_>>) -> Writer {
        let (mut t, mut w) = (transcript(Hash::Keccak, &self.claims), Writer::new());
        let lists: Vec<&[Scalar]> = self.polynomials.iter().map(Vec::as_slice).collect();
        mercury::prove_with(&mut t, &mut w, &self.srs, &self.claims, &lists, alter).unwrap();
        w
    }

    fn prove(&self) -> Vec<u8> {
        self.prove_with(None).finish().0
    }

    fn verify(&self, proof: &[u8]) -> Result<(), OpeningError> {
        verify(&self.srs, &self.claims, proof)
    }
}

fn verify(srs: &Srs, claims: &Claims, proof: &[u8]) -> Result<(), OpeningError> {
    let mut r = Reader::new(proof);
    mercury::verify(&mut transcript(Hash::Keccak, claims), &mut r, &srs.key(), claims)?;
    Ok(r.finish()?)
}

#[test]
fn accepts_openings_of_every_shape() {
    for n in 0..=9 {
        let c = case(&[n], &[]);
        assert_eq!(c.verify(&c.prove()), Ok(()), "{n} variables");
    }
    for (variables, inner) in [(&[7, 7][..], &[][..]), (&[6, 3, 0], &[]), (&[5], &[9]), (&[2, 6], &[1, 11])] {
        let c = case(variables, inner);
        let proof = c.prove();
        assert_eq!(proof.len(), Claims::proof_bytes(variables.len(), inner.len()));
        assert_eq!(c.verify(&proof), Ok(()), "{variables:?} {inner:?}");
    }
}

#[test]
fn accepts_openings_on_either_transcript_and_goes_on_alike() {
    let c = case(&[5], &[]);
    for hash in [Hash::Blake3, Hash::Keccak] {
        let (mut t, mut w) = (transcript(hash, &c.claims), Writer::new());
        mercury::prove(&mut t, &mut w, &c.srs, &c.claims, &[&c.polynomials[0]]).unwrap();
        let mut u = transcript(hash, &c.claims);
        mercury::verify(&mut u, &mut Reader::new(w.as_bytes()), &c.srs.key(), &c.claims).unwrap();
        assert_eq!(t.state(), u.state());
    }
}

#[test]
fn accepts_short_lists_of_coefficients() {
    let mut c = case(&[6], &[]);
    c.polynomials[0].truncate(19);
    let f = &c.polynomials[0];
    let e = &mut c.claims.evaluations[0];
    e.commitment = proveil_kzg::commit::commit(&c.srs, f).unwrap();
    e.value = eval_mle(f, &e.point);
    assert_eq!(c.verify(&c.prove()), Ok(()));
}

/// With a known `tau` every commitment of the proof is compared with the definition of what it commits to.
#[test]
fn matches_reference_by_trapdoor() {
    let mut s = Scalars::new("trapdoor");
    let tau = s.next();
    let srs = Srs::with_tau(tau, 6).unwrap();
    let (f, point) = (s.many(64), s.many(6));
    let value = eval_mle(&f, &point);
    let at = |p: &[Scalar]| Point::generator() * p.iter().rev().fold(Scalar::ZERO, |a, c| a * tau + *c);
    let commitment = commit(&srs, &f);
    assert_eq!(commitment, at(&f));
    let claims = Claims { evaluations: vec![Evaluation { commitment, point: point.clone(), value }], inner: vec![] };
    let (mut t, mut w) = (transcript(Hash::Keccak, &claims), Writer::new());
    t.record();
    mercury::prove(&mut t, &mut w, &srs, &claims, &[&f]).unwrap();
    let drawn: Vec<Scalar> = t
        .drawn()
        .iter()
        .map(|d| match d {
            proveil_protocol::transcript::Drawn::Element(b) => Scalar::read(b).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    let [alpha, gamma] = drawn[..2] else { panic!("challenges") };
    let (first, rest) = (eq_table(&point[..3]), eq_table(&point[3..]));
    let row = |i: usize| (0..8).fold(Scalar::ZERO, |a, j| a + f[8 * i + j] * first[j]);
    let h: Vec<Scalar> = (0..8).map(row).collect();
    let g: Vec<Scalar> =
        (0..8).map(|j| (0..8).fold(Scalar::ZERO, |a, i| a + alpha.exp_u64(i) * f[8 * i as usize + j])).collect();
    // X S(X) + S(1/X) / X is what the products have besides the constant term.
    let lags = |a: &[Scalar], b: &[Scalar], d: usize| {
        (0..8 - d).fold(Scalar::ZERO, |s, l| s + a[l] * b[l + d] + a[l + d] * b[l])
    };
    let s: Vec<Scalar> = (1..8).map(|d| lags(&g, &first, d) + gamma * lags(&h, &rest, d)).collect();
    let quotient = {
        let top = at(&f) - at(&g);
        top * (tau.exp_u64(8) - alpha).inverse()
    };
    let d: Vec<Scalar> = g.iter().rev().copied().collect();
    let (bytes, leaves) = w.finish();
    let point_of = |name: &str| {
        let l = leaves.iter().find(|l| l.label == name).unwrap();
        Point::from_bytes(&bytes[l.offset..l.offset + l.len]).unwrap()
    };
    assert_eq!(point_of(label::H), at(&h));
    assert_eq!(point_of(label::G), at(&g));
    assert_eq!(point_of(label::Q), quotient);
    assert_eq!(point_of(label::S), at(&s));
    assert_eq!(point_of(label::D), at(&d));
    let inner = h.iter().zip(&rest).fold(Scalar::ZERO, |a, (x, y)| a + *x * *y);
    assert_eq!(inner, value);
}

#[test]
fn rejects_false_claims() {
    let c = case(&[5, 3], &[4]);
    let proof = c.prove();
    let altered = |f: &dyn Fn(&mut Claims)| {
        let mut claims = c.claims.clone();
        f(&mut claims);
        // The false claim with its own honest transcript, and with the messages of the true one.
        let other = Case { srs: c.srs.clone(), claims, polynomials: c.polynomials.clone() };
        assert_eq!(other.verify(&other.prove()), Err(OpeningError::Pairing));
        assert_eq!(other.verify(&proof), Err(OpeningError::Pairing));
    };
    for k in 0..2 {
        altered(&|c| c.evaluations[k].value += Scalar::ONE);
        altered(&|c| c.evaluations[k].point[1] += Scalar::ONE);
        altered(&|c| c.evaluations[k].point[0] = Scalar::ZERO);
        altered(&|c| c.evaluations[k].commitment = c.evaluations[k].commitment + Point::generator());
    }
    altered(&|c| c.inner[0].value += Scalar::ONE);
    altered(&|c| c.inner[0].weights[2] += Scalar::ONE);
    altered(&|c| c.inner[0].commitment = Point::INFINITY);
    altered(&|c| {
        let first = c.evaluations[0].commitment;
        c.evaluations[0].commitment = c.evaluations[1].commitment;
        c.evaluations[1].commitment = first;
    });
}

/// A prover that goes on consistently after a false polynomial, at every step and coefficient.
#[test]
fn rejects_false_polynomials_at_every_step() {
    let c = case(&[4, 3], &[3]);
    let steps = [label::H, label::G, label::Q, label::S, label::D, label::W, label::W_CHECK];
    for step in steps {
        for place in [0, 1, 3] {
            let alter = |l: &'static str, f: &mut Vec<Scalar>| {
                if l == step {
                    f.resize(f.len().max(place + 1), Scalar::ZERO);
                    f[place] += Scalar::ONE;
                }
            };
            let proof = c.prove_with(Some(&alter)).finish().0;
            assert_eq!(c.verify(&proof), Err(OpeningError::Pairing), "{step} {place}");
        }
    }
}

/// The remainder plus a multiple of `X^b - alpha`: the division still holds, the degree does not.
#[test]
fn rejects_remainders_of_too_high_degree() {
    let c = case(&[4], &[]);
    let alpha = std::cell::Cell::new(Scalar::ZERO);
    let alter = |l: &'static str, f: &mut Vec<Scalar>| {
        if l == label::G {
            // alpha follows from the transcript up to h, which an honest prover sends alike.
            f.push(Scalar::ONE);
            f[0] -= alpha.get();
        }
        if l == label::Q {
            f[0] -= Scalar::ONE;
        }
    };
    let mut t = transcript(Hash::Keccak, &c.claims);
    let honest = c.prove();
    t.absorb_words(label::H, &honest[..64]);
    alpha.set(t.challenge(label::CHALLENGE));
    let proof = c.prove_with(Some(&alter)).finish().0;
    assert_eq!(c.verify(&proof), Err(OpeningError::Pairing));
    assert_eq!(c.verify(&honest), Ok(()));
}

#[test]
fn rejects_every_changed_byte_of_an_opening() {
    let c = case(&[3, 2], &[2]);
    let proof = c.prove();
    for i in 0..proof.len() {
        let mut p = proof.clone();
        p[i] ^= 1 << (i % 8);
        assert!(c.verify(&p).is_err(), "byte {i}");
    }
}

#[test]
fn rejects_other_encodings_and_lengths() {
    let c = case(&[3], &[]);
    let proof = c.prove();
    for n in [0, 1, 63, 64, proof.len() - 1] {
        assert!(matches!(c.verify(&proof[..n]), Err(OpeningError::Decode(_))), "{n} bytes");
    }
    let long = [&proof[..], &[0]].concat();
    assert!(matches!(c.verify(&long), Err(OpeningError::Decode(_))));
    let (_, leaves) = c.prove_with(None).finish();
    for l in leaves {
        for (filling, word) in [("ones", [0xff; 32]), ("modulus", modulus())] {
            let mut p = proof.clone();
            p[l.offset..l.offset + 32].copy_from_slice(&word);
            assert!(matches!(c.verify(&p), Err(OpeningError::Decode(_))), "{} {filling}", l.label);
        }
        if l.len == 64 {
            let mut p = proof.clone();
            p[l.offset..l.offset + 64].fill(0);
            assert_eq!(c.verify(&p), Err(OpeningError::Pairing), "{} at infinity", l.label);
        }
    }
}

/// The larger modulus, that of coordinates, is none of either field's elements.
fn modulus() -> [u8; 32] {
    let mut b = (-Scalar::ONE).as_bytes_be();
    // p is 2^256's share 0x30644e72e131a029 b85045b68181585d 97816a916871ca8d 3c208c16d87cfd47.
    b[16..].copy_from_slice(&[
        0x97, 0x81, 0x6a, 0x91, 0x68, 0x71, 0xca, 0x8d, 0x3c, 0x20, 0x8c, 0x16, 0xd8, 0x7c, 0xfd, 0x47,
    ]);
    b
}

trait Bytes {
    fn as_bytes_be(&self) -> [u8; 32];
}

impl Bytes for Scalar {
    fn as_bytes_be(&self) -> [u8; 32] {
        let mut out = Vec::new();
        self.write(&mut out);
        out.try_into().unwrap()
    }
}

#[test]
fn rejects_openings_with_another_blind() {
    let mut c = case(&[4], &[]);
    let blind = Scalar::from_u64(77);
    let f = Committed::new(&c.srs, c.polynomials[0].clone(), blind).unwrap();
    assert_ne!(f.point, c.claims.evaluations[0].commitment);
    c.claims.evaluations[0].commitment = f.point - blinding_base() * blind;
    assert_eq!(c.verify(&c.prove()), Ok(()));
    c.claims.evaluations[0].commitment = f.point - blinding_base() * (blind + Scalar::ONE);
    assert_eq!(c.verify(&c.prove()), Err(OpeningError::Pairing));
    c.claims.evaluations[0].commitment = f.point;
    assert_eq!(c.verify(&c.prove()), Err(OpeningError::Pairing));
}

#[test]
fn rejects_another_set_up_and_nothing_to_open() {
    let c = case(&[3], &[]);
    let proof = c.prove();
    let other = Srs::with_tau(Scalar::from_u64(9), 4).unwrap();
    assert_eq!(verify(&other, &c.claims, &proof), Err(OpeningError::Pairing));
    assert_eq!(verify(&c.srs, &Claims::default(), &proof), Err(OpeningError::Empty));
    let mut w = Writer::new();
    let mut t = transcript(Hash::Keccak, &c.claims);
    assert!(mercury::prove(&mut t, &mut w, &c.srs, &c.claims, &[]).is_err());
    let long = vec![Scalar::ONE; 9];
    assert!(mercury::prove(&mut t, &mut w, &c.srs, &c.claims, &[&long]).is_err());
    assert!(mercury::prove(&mut t, &mut w, &c.srs, &c.claims, &[&long[..8], &long]).is_err());
}
