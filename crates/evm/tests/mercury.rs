//! Openings and sumchecks in a real machine: the contract accepts and refuses what the other verifier does.
#![forbid(unsafe_code)]

mod machine;

use machine::{Deployed, Machine};
use proveil_algebra::{Challenge, PrimeCharacteristicRing, Scalar, dot, eq_table, eval_mle};
use proveil_evm::abi::Abi;
use proveil_evm::{Artifact, artifact};
use proveil_kzg::mercury::{self, Claims, Evaluation, Inner};
use proveil_kzg::srs::Srs;
use proveil_protocol::channel::{Channel, Value};
use proveil_protocol::codec::{Reader, Writer};
use proveil_protocol::sumcheck;
use proveil_protocol::transcript::{Drawn, Hash, Transcript};
use proveil_succinct::argument::after_round;
use sha2::{Digest as _, Sha256};

fn harness() -> Artifact {
    Artifact::parse(include_str!("../../../contracts/out/Harness.json")).unwrap()
}

fn deployed() -> Deployed {
    Deployed::of(harness())
}

impl Deployed {
    fn open(&mut self, c: &Case, proof: &[u8]) -> (Result<Vec<u8>, String>, u64) {
        let word = |x: &Scalar| Abi::Word(bytes(x));
        let coordinates = |p: &proveil_kzg::Point| {
            let b = p.to_bytes();
            [Abi::Word(b[..32].try_into().unwrap()), Abi::Word(b[32..].try_into().unwrap())]
        };
        let claim = |p, list: &[Scalar], value| {
            let [x, y] = coordinates(p);
            Abi::Tuple(vec![x, y, Abi::List(list.iter().map(word).collect()), word(value)])
        };
        let claims = c.claims.evaluations.iter().map(|e| claim(&e.commitment, &e.point, &e.value)).collect();
        let inner = c.claims.inner.iter().map(|i| claim(&i.commitment, &i.weights, &i.value)).collect();
        let tau = c.srs.key().tau.to_bytes();
        let tau = tau.chunks_exact(32).map(|w| Abi::Word(w.try_into().unwrap())).collect();
        let state = Abi::Word(c.begin().state());
        self.call("open", &[Abi::Bytes(proof.to_vec()), state, Abi::List(claims), Abi::List(inner), Abi::Tuple(tau)])
    }
}

fn bytes(x: &Scalar) -> [u8; 32] {
    let mut out = Vec::new();
    x.write(&mut out);
    out.try_into().unwrap()
}

struct Case {
    srs: Srs,
    claims: Claims,
    polynomials: Vec<Vec<Scalar>>,
}

impl Case {
    fn new(variables: &[usize], inner: &[usize]) -> Self {
        let mut t = Transcript::new("case");
        let srs = Srs::dev(variables.iter().copied().max().unwrap_or(0).max(6) as u8).unwrap();
        let commit = |f: &[Scalar]| proveil_kzg::commit::commit(&srs, f).unwrap();
        let (mut claims, mut polynomials) = (Claims::default(), Vec::new());
        for n in variables {
            let (f, point): (Vec<Scalar>, Vec<Scalar>) = (t.challenges("f", 1 << n), t.challenges("u", *n));
            let (commitment, value) = (commit(&f), eval_mle(&f, &point));
            claims.evaluations.push(Evaluation { commitment, value, point });
            polynomials.push(f);
        }
        for n in inner {
            let (f, weights): (Vec<Scalar>, Vec<Scalar>) = (t.challenges("p", n + 2), t.challenges("c", *n));
            let value = f.iter().zip(&weights).fold(Scalar::ZERO, |a, (x, w)| a + *x * *w);
            claims.inner.push(Inner { commitment: commit(&f), weights, value });
            polynomials.push(f);
        }
        Self { srs, claims, polynomials }
    }

    /// A transcript that nothing waits in: its state is all that the contract needs.
    fn begin(&self) -> Transcript {
        let mut t = Transcript::with_hash(Hash::Keccak, "contract");
        self.claims.absorb(&mut t);
        let _: Scalar = t.challenge("claims are fixed");
        t
    }

    fn prove(&self) -> Writer {
        let (mut t, mut w) = (self.begin(), Writer::new());
        let lists: Vec<&[Scalar]> = self.polynomials.iter().map(Vec::as_slice).collect();
        mercury::prove(&mut t, &mut w, &self.srs, &self.claims, &lists).unwrap();
        w
    }

    /// The other verifier; the state behind the opening.
    fn verify(&self, proof: &[u8]) -> Option<[u8; 32]> {
        let (mut t, mut r) = (self.begin(), Reader::new(proof));
        mercury::verify(&mut t, &mut r, &self.srs.key(), &self.claims).ok()?;
        r.finish().ok()?;
        Some(t.state())
    }
}

#[test]
fn matches_the_sources_of_the_artifacts() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let mut hash = Sha256::new();
    for folder in ["examples", "generated", "src", "test"] {
        let mut names: Vec<String> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.ends_with(".sol"))
            .collect();
        names.sort();
        for n in names {
            let path = format!("{folder}/{n}");
            let text = std::fs::read(root.join(&path)).unwrap();
            hash.update(path.as_bytes());
            hash.update([0]);
            hash.update(text);
            hash.update([0]);
        }
    }
    let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(harness().sources, hex, "run `npm ci && npm run compile` in contracts/");
}

#[test]
fn accepts_openings_with_the_same_challenges() {
    let mut d = deployed();
    for (variables, inner) in
        [(&[6][..], &[][..]), (&[7], &[]), (&[0], &[]), (&[1], &[]), (&[5, 2], &[]), (&[6, 3], &[9]), (&[4], &[1, 30])]
    {
        let c = Case::new(variables, inner);
        let proof = c.prove().finish().0;
        let state = c.verify(&proof).unwrap();
        let (result, gas) = d.open(&c, &proof);
        assert_eq!(result, Ok(state.to_vec()), "{variables:?} {inner:?}");
        println!("{variables:?} {inner:?}: {} bytes, {gas} gas", proof.len());
    }
}

/// Gas of whole transactions, arguments included: a change of contracts or compiler shows here.
#[test]
fn matches_the_gas_snapshot() {
    let (artifact, mut machine) = (harness(), Machine::new());
    let (_, price) = machine.deploy(&artifact);
    let mut lines = vec![format!("harness: {} bytes, {price} gas to deploy", artifact.runtime.len())];
    let mut d = deployed();
    for (variables, inner) in [(&[12][..], &[][..]), (&[12, 12], &[]), (&[12, 12], &[200])] {
        let c = Case::new(variables, inner);
        let proof = c.prove().finish().0;
        let (result, gas) = d.open(&c, &proof);
        assert!(result.is_ok());
        lines.push(format!("open {variables:?} {inner:?}: {} bytes of proof, {gas} gas", proof.len()));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/gas.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let expected: Vec<&str> = text.lines().filter(|l| l.starts_with("harness") || l.starts_with("open")).collect();
    assert_eq!(lines, expected, "put the left side into contracts/gas.txt");
}

#[test]
fn rejects_every_changed_byte_as_the_other_verifier_does() {
    let mut d = deployed();
    let c = Case::new(&[3, 2], &[2]);
    let proof = c.prove().finish().0;
    for i in 0..proof.len() {
        let mut p = proof.clone();
        p[i] ^= 1 << (i % 8);
        assert_eq!(c.verify(&p), None, "byte {i}");
        let (result, _) = d.open(&c, &p);
        let e = result.expect_err("accepted");
        assert!(["NonCanonicalScalar", "InvalidPoint", "OpeningRejected"].contains(&&*e), "byte {i}: {e}");
    }
}

#[test]
fn rejects_other_encodings_with_the_error_of_the_check() {
    let mut d = deployed();
    let c = Case::new(&[3], &[]);
    let (proof, leaves) = c.prove().finish();
    for l in &leaves {
        let at = |word: [u8; 32]| {
            let mut p = proof.clone();
            p[l.offset..l.offset + 32].copy_from_slice(&word);
            p
        };
        let expected = if l.len == 32 { "NonCanonicalScalar" } else { "InvalidPoint" };
        for p in [at([0xff; 32]), at(modulus(l.len == 32))] {
            assert_eq!(d.open(&c, &p).0, Err(expected.into()), "{}", l.label);
        }
        if l.len == 64 {
            let mut p = proof.clone();
            p[l.offset..l.offset + 64].fill(0);
            assert_eq!(d.open(&c, &p).0, Err("OpeningRejected".into()), "{} at infinity", l.label);
            p[l.offset + 63] = 1;
            assert_eq!(d.open(&c, &p).0, Err("InvalidPoint".into()), "{} off the curve", l.label);
        } else {
            let value = Scalar::read(&proof[l.offset..l.offset + 32]).unwrap();
            let p = at(plus_modulus(&bytes(&value)));
            assert_eq!(d.open(&c, &p).0, Err("NonCanonicalScalar".into()), "{} plus the modulus", l.label);
        }
    }
    for p in [&proof[..proof.len() - 1], &[&proof[..], &[0]].concat(), &[]] {
        assert_eq!(d.open(&c, p).0, Err("ProofLength".into()));
    }
}

/// The modulus of scalars, or that of coordinates.
fn modulus(scalar: bool) -> [u8; 32] {
    if scalar {
        return plus_modulus(&[0; 32]);
    }
    let mut p = plus_modulus(&[0; 32]);
    p[16..].copy_from_slice(&[
        0x97, 0x81, 0x6a, 0x91, 0x68, 0x71, 0xca, 0x8d, 0x3c, 0x20, 0x8c, 0x16, 0xd8, 0x7c, 0xfd, 0x47,
    ]);
    p
}

/// The other encoding of a scalar.
fn plus_modulus(x: &[u8; 32]) -> [u8; 32] {
    let limbs = proveil_algebra::SCALAR_MODULUS.iter().rev().flat_map(|l| l.to_be_bytes());
    let (mut out, mut carry) = (*x, 0u16);
    for (o, m) in out.iter_mut().rev().zip(limbs.collect::<Vec<_>>().iter().rev()) {
        let sum = u16::from(*o) + u16::from(*m) + carry;
        (*o, carry) = (sum as u8, sum >> 8);
    }
    out
}

#[test]
fn rejects_false_claims_and_other_states() {
    let mut d = deployed();
    let c = Case::new(&[4, 3], &[3]);
    let proof = c.prove().finish().0;
    let mut altered = |f: &dyn Fn(&mut Claims)| {
        let mut claims = c.claims.clone();
        f(&mut claims);
        let other = Case { srs: c.srs.clone(), claims, polynomials: c.polynomials.clone() };
        let own = other.prove().finish().0;
        assert_eq!(d.open(&other, &own).0, Err("OpeningRejected".into()));
        assert_eq!(d.open(&other, &proof).0, Err("OpeningRejected".into()));
    };
    altered(&|c| c.evaluations[0].value += Scalar::ONE);
    altered(&|c| c.evaluations[1].value += Scalar::ONE);
    altered(&|c| c.evaluations[0].point[3] += Scalar::ONE);
    altered(&|c| c.evaluations[1].point[0] += Scalar::ONE);
    altered(&|c| c.inner[0].value += Scalar::ONE);
    altered(&|c| c.inner[0].weights[2] += Scalar::ONE);
    altered(&|c| c.inner[0].commitment = proveil_kzg::Point::generator());
    let other = Case { srs: Srs::with_tau(Scalar::from_u64(5), 4).unwrap(), ..c };
    assert_eq!(d.open(&other, &proof).0, Err("OpeningRejected".into()));
}

/// Rounds of either kind: random messages, which the verifier of sumchecks takes as they come.
#[test]
fn matches_reference_sumchecks() {
    let mut d = deployed();
    for (count, weighted) in [(1, false), (7, false), (1, true), (9, true)] {
        let per = if weighted { 3 } else { 2 };
        let mut coins = Transcript::new("rounds");
        let messages: Vec<Scalar> = coins.challenges("messages", per * count);
        let claim: Scalar = coins.challenge("claim");
        let weights: Vec<Scalar> = if weighted { coins.challenges("weights", count) } else { vec![] };
        let proof: Vec<u8> = messages.iter().flat_map(bytes).collect();
        let mut t = Transcript::with_hash(Hash::Keccak, "rounds");
        let _: Scalar = t.challenge("begin");
        let state = t.state();
        t.record();
        let mut ch = Channel::<Scalar>::new(t, &proof, false);
        let weight = weighted.then_some(&weights[..]);
        let degree = if weighted { 3 } else { 2 };
        let end = sumcheck::verify(&mut ch, "round", count, degree, weight, Value::known(claim)).unwrap();
        assert_eq!(ch.transcript.drawn().len(), count);
        assert!(ch.transcript.drawn().iter().all(|d| matches!(d, Drawn::Element(_))));

        let list = |v: &[Scalar]| Abi::List(v.iter().map(|x| Abi::Word(bytes(x))).collect());
        let arguments = |proof: &[u8]| {
            [
                Abi::Bytes(proof.to_vec()),
                Abi::Word(state),
                Abi::Word(bytes(&claim)),
                list(&weights),
                Abi::uint(count as u64),
            ]
        };
        let (result, _) = d.call("rounds", &arguments(&proof));
        // Claim, offset, length, challenges.
        let expected: Vec<u8> = [end.value.c, Scalar::from_u64(64), Scalar::from_u64(count as u64)]
            .iter()
            .chain(&end.point)
            .flat_map(bytes)
            .collect();
        assert_eq!(result, Ok(expected), "{count} rounds, weighted: {weighted}");
        for i in 0..messages.len() {
            let mut p = proof.clone();
            let word: [u8; 32] = p[32 * i..32 * i + 32].try_into().unwrap();
            p[32 * i..32 * i + 32].copy_from_slice(&plus_modulus(&word));
            assert_eq!(d.call("rounds", &arguments(&p)).0, Err("NonCanonicalScalar".into()));
        }
    }
}

/// Rounds of the evaluation argument, sent as coefficients.
#[test]
fn matches_reference_sumchecks_by_coefficients() {
    let mut d = deployed();
    for count in [1, 6] {
        let mut coins = Transcript::new("coefficient rounds");
        let messages: Vec<[Scalar; 4]> =
            (0..count).map(|_| std::array::from_fn(|_| coins.challenge("message"))).collect();
        let claim: Scalar = coins.challenge("claim");
        let proof: Vec<u8> = messages.iter().flatten().flat_map(bytes).collect();
        let mut t = Transcript::with_hash(Hash::Keccak, "rounds");
        let _: Scalar = t.challenge("begin");
        let state = t.state();
        let (mut left, mut point) = (claim, Vec::new());
        for m in &messages {
            t.absorb_elements("round", m);
            let r = t.challenge("round");
            left = after_round(left, m, r);
            point.push(r);
        }
        let arguments = |proof: &[u8]| {
            [Abi::Bytes(proof.to_vec()), Abi::Word(state), Abi::Word(bytes(&claim)), Abi::uint(count as u64)]
        };
        let head = [left, Scalar::from_u64(64), Scalar::from_u64(count as u64)];
        let expected: Vec<u8> = head.iter().chain(&point).flat_map(bytes).collect();
        assert_eq!(d.call("coefficientRounds", &arguments(&proof)).0, Ok(expected));
        for i in 0..4 * count {
            let mut p = proof.clone();
            let word: [u8; 32] = p[32 * i..32 * i + 32].try_into().unwrap();
            p[32 * i..32 * i + 32].copy_from_slice(&plus_modulus(&word));
            assert_eq!(d.call("coefficientRounds", &arguments(&p)).0, Err("NonCanonicalScalar".into()));
        }
    }
}

/// What messages count in the claim that is left, against the expressions in pads that the hiding channel collects.
#[test]
fn matches_reference_coefficients_of_messages() {
    let mut d = deployed();
    for (count, weighted) in [(1, false), (8, false), (1, true), (6, true)] {
        let degree = if weighted { 3 } else { 2 };
        let mut coins = Transcript::new("coefficients");
        let messages: Vec<Scalar> = coins.challenges("messages", degree * count);
        let [claim, scale]: [Scalar; 2] = [coins.challenge("claim"), coins.challenge("scale")];
        let weights: Vec<Scalar> = if weighted { coins.challenges("weights", count) } else { vec![] };
        let proof: Vec<u8> = messages.iter().flat_map(bytes).collect();
        let left = |claim: Scalar| {
            let t = Transcript::with_hash(Hash::Keccak, "coefficients");
            let mut ch = Channel::<Scalar>::new(t, &proof, true);
            let weight = weighted.then_some(&weights[..]);
            sumcheck::verify(&mut ch, "round", count, degree, weight, Value::known(claim)).unwrap()
        };
        let (end, next) = (left(claim), left(claim + Scalar::ONE));
        // A message is what was sent minus its pad.
        let mut expected: Vec<Scalar> = end.value.terms.values().map(|k| -*k * scale).collect();
        assert_eq!(expected.len(), messages.len());
        expected.push((next.value.c - end.value.c) * scale);

        let list = |v: &[Scalar]| Abi::List(v.iter().map(|x| Abi::Word(bytes(x))).collect());
        let (result, gas) = d.call("coefficients", &[list(&end.point), list(&weights), Abi::Word(bytes(&scale))]);
        let head = [Scalar::from_u64(32), Scalar::from_u64(expected.len() as u64)];
        let expected: Vec<u8> = head.iter().chain(&expected).flat_map(bytes).collect();
        assert_eq!(result, Ok(expected), "{count} rounds, weighted: {weighted}");
        println!("{count} rounds, weighted {weighted}: {gas} gas");
    }
}

/// Functionals on the first addresses, against sums over all of them.
#[test]
fn matches_reference_sums_over_the_first_addresses() {
    let mut d = deployed();
    let mut coins = Transcript::new("prefixes");
    let list = |v: &[Scalar]| Abi::List(v.iter().map(|x| Abi::Word(bytes(x))).collect());
    for count in [0, 1, 5] {
        let (rho, tau): (Vec<Scalar>, Vec<Scalar>) = (coins.challenges("rho", count), coins.challenges("tau", count));
        let (a, b) = (eq_table(&rho), eq_table(&tau));
        for n in 0..=1usize << count {
            let (result, _) = d.call("prefixes", &[Abi::uint(n as u64), list(&rho), list(&tau)]);
            let sum = b[..n].iter().fold(Scalar::ZERO, |s, x| s + *x);
            let expected = [sum, dot(&a[..n], &b[..n])].iter().flat_map(bytes).collect();
            assert_eq!(result, Ok(expected), "{n} of 2^{count}");
        }
        let long = Abi::uint((1 << count) + 1);
        assert_eq!(d.call("prefixes", &[long, list(&rho), list(&tau)]).0, Err("PrefixTooLong".into()));
    }
}

#[test]
fn rejects_unknown_functions() {
    let a = harness();
    assert!(matches!(a.function("close"), Err(artifact::ArtifactError::NoFunction { .. })));
}
