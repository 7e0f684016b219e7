//! What the opening of blinded columns shows: a combination that one uniform mask makes uniform, its blind, and
//! nothing else.
#![forbid(unsafe_code)]

use proveil_algebra::{Field, PrimeCharacteristicRing, Scalar, eval_mle};
use proveil_kzg::commit::Committed;
use proveil_kzg::mercury::{self, Claims, Evaluation};
use proveil_kzg::srs::Srs;
use proveil_kzg::{Point, blinding_base};
use proveil_protocol::codec::{Reader, Writer};
use proveil_protocol::transcript::{Hash, Transcript};

const VARIABLES: usize = 5;

fn scalars(name: &str, n: usize) -> Vec<Scalar> {
    Transcript::new(name).challenges("scalars", n)
}

/// Columns, mask last, with their commitments; then the opening of the combination, blind first.
struct Opened {
    commitments: Vec<Point>,
    blind: Scalar,
    value: Scalar,
    proof: Vec<u8>,
}

fn begin(commitments: &[Point]) -> (Transcript, Scalar, Vec<Scalar>) {
    let mut t = Transcript::with_hash(Hash::Keccak, "hiding");
    commitments.iter().for_each(|c| t.absorb_words("commitment", &c.to_bytes()));
    let epsilon = t.challenge("combination");
    let point = t.challenges("point", VARIABLES);
    (t, epsilon, point)
}

fn open(srs: &Srs, columns: &[Committed]) -> Opened {
    let commitments: Vec<Point> = columns.iter().map(|c| c.point).collect();
    let (mut t, epsilon, point) = begin(&commitments);
    let (mask, rest) = columns.split_last().unwrap();
    let mut terms = vec![(Scalar::ONE, mask)];
    terms.extend(epsilon.powers().skip(1).zip(rest));
    let f = Committed::combine(&terms);
    let value = eval_mle(&f.coefficients, &point);
    t.absorb_elements("blind", &[f.blind]);
    t.absorb_elements("value", &[value]);
    let commitment = f.point - blinding_base() * f.blind;
    let claims = Claims { evaluations: vec![Evaluation { commitment, point, value }], inner: vec![] };
    let mut w = Writer::new();
    mercury::prove(&mut t, &mut w, srs, &claims, &[&f.coefficients]).unwrap();
    Opened { commitments, blind: f.blind, value, proof: w.finish().0 }
}

fn accepts(srs: &Srs, o: &Opened) -> bool {
    let (mut t, epsilon, point) = begin(&o.commitments);
    let (mask, rest) = o.commitments.split_last().unwrap();
    let commitment = rest.iter().zip(epsilon.powers().skip(1)).fold(*mask, |a, (c, e)| a + *c * e);
    t.absorb_elements("blind", &[o.blind]);
    t.absorb_elements("value", &[o.value]);
    let commitment = commitment - blinding_base() * o.blind;
    let claims = Claims { evaluations: vec![Evaluation { commitment, point, value: o.value }], inner: vec![] };
    mercury::verify(&mut t, &mut Reader::new(&o.proof), &srs.key(), &claims).is_ok()
}

fn columns(srs: &Srs, secret: &str, coins: &str) -> Vec<Committed> {
    let cells = scalars(secret, 2 << VARIABLES);
    let blinds = scalars(&format!("{coins} blinds"), 3);
    let mask = scalars(&format!("{coins} mask"), 1 << VARIABLES);
    let lists = [cells[..1 << VARIABLES].to_vec(), cells[1 << VARIABLES..].to_vec(), mask];
    lists.into_iter().zip(blinds).map(|(c, b)| Committed::new(srs, c, b).unwrap()).collect()
}

#[test]
fn accepts_openings_of_masked_combinations() {
    let srs = Srs::dev(VARIABLES as u8).unwrap();
    let o = open(&srs, &columns(&srs, "secret", "coins"));
    assert!(accepts(&srs, &o));
    assert!(!accepts(&srs, &Opened { blind: o.blind + Scalar::ONE, ..o }));
}

/// For every proof and every other secret there are coins with which that secret gives the same commitments, hence the
/// same challenges and the same bytes: the proof says nothing of the secret. The coins need the logarithm of the
/// blinding base, so the secret's columns are compared in the exponent, with a base of known logarithm in its place.
#[test]
fn matches_reference_explanation_by_another_secret() {
    let srs = Srs::dev(VARIABLES as u8).unwrap();
    let (k, tau) = (scalars("logarithm", 1)[0], scalars("tau", 1)[0]);
    // Exponents of commitments: f(tau) + k blind.
    let at = |f: &[Scalar]| f.iter().rev().fold(Scalar::ZERO, |a, c| a * tau + *c);
    let exponent = |f: &[Scalar], blind: Scalar| at(f) + k * blind;
    let real = columns(&srs, "secret", "coins");
    let (_, epsilon, _) = begin(&real.iter().map(|c| c.point).collect::<Vec<_>>());
    let combine = |c: &[Vec<Scalar>], i: usize| c[2][i] + epsilon * c[0][i] + epsilon.square() * c[1][i];
    let lists: Vec<Vec<Scalar>> = real.iter().map(|c| c.coefficients.clone()).collect();
    let opened: Vec<Scalar> = (0..1 << VARIABLES).map(|i| combine(&lists, i)).collect();
    let opened_blind = real[2].blind + epsilon * real[0].blind + epsilon.square() * real[1].blind;

    let mut other: Vec<Vec<Scalar>> =
        columns(&srs, "another secret", "unused").iter().map(|c| c.coefficients.clone()).collect();
    // The mask that makes the same combination of the other secret.
    other[2] =
        (0..1 << VARIABLES).map(|i| opened[i] - epsilon * other[0][i] - epsilon.square() * other[1][i]).collect();
    let inverse = k.inverse();
    let blinds: Vec<Scalar> =
        real.iter().zip(&other).map(|(c, f)| (exponent(&c.coefficients, c.blind) - at(f)) * inverse).collect();
    for ((c, f), b) in real.iter().zip(&other).zip(&blinds) {
        assert_eq!(exponent(f, *b), exponent(&c.coefficients, c.blind));
        assert_ne!(f, &c.coefficients);
    }
    assert_eq!(blinds[2] + epsilon * blinds[0] + epsilon.square() * blinds[1], opened_blind);
}

/// Without its own mask a second opening of the same columns gives their values away.
#[test]
fn rejects_secrecy_of_masks_used_twice() {
    let srs = Srs::dev(VARIABLES as u8).unwrap();
    let real = columns(&srs, "secret", "coins");
    let list = |e: Scalar| -> Vec<Scalar> {
        let c: Vec<_> = real.iter().map(|c| &c.coefficients).collect();
        (0..1 << VARIABLES).map(|i| c[2][i] + e * c[0][i]).collect()
    };
    let (a, b) = (Scalar::from_u64(3), Scalar::from_u64(5));
    let found: Vec<Scalar> = list(a).iter().zip(list(b)).map(|(x, y)| (y - *x) * (b - a).inverse()).collect();
    assert_eq!(found, real[0].coefficients);
}
