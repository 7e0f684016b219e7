//! Tampered proof bytes: every message of a proof is altered in several ways, and so are its bytes at large.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use proveil_algebra::F;
use proveil_protocol::channel::ProofError;
use proveil_protocol::codec::{DecodeError, Leaf};
use proveil_protocol::opening::OpeningError;
use proveil_prover::Proof;
use proveil_verifier::{VerifyError, verify};
use support::{Mode, Rng, Setup, dense_proof, relations, setup};

/// The check that refuses, without the numbers in the message.
fn cause(result: Result<(), VerifyError>) -> String {
    let VerifyError::Proof(error) = result.expect_err("a tampered proof must be refused") else {
        return "statement".into();
    };
    match error {
        ProofError::Check { check } => check.into(),
        ProofError::Decode(e) | ProofError::Opening(OpeningError::Decode(e)) => match e {
            DecodeError::NonCanonical { .. } => "non-canonical".into(),
            DecodeError::Truncated { .. } => "truncated".into(),
            DecodeError::Trailing { .. } => "trailing".into(),
            _ => "malformed".into(),
        },
        ProofError::Opening(OpeningError::Root { .. }) => "root".into(),
        ProofError::Opening(OpeningError::Grinding { .. }) => "grinding".into(),
        ProofError::Opening(OpeningError::FinalPolynomial { .. }) => "polynomial".into(),
        ProofError::Opening(OpeningError::FinalClaim) => "claim".into(),
        e => format!("{e:?}"),
    }
}

/// Where a change of each message is noticed: in the clear, and when the equations are hidden. An altered message
/// that is absorbed changes everything that is drawn after it, so it is noticed by the next thing that depends on a
/// challenge: an equation in the clear, else opened rows, a nonce or a polynomial. "-" says that no proof of this
/// kind has the message.
///
/// "drawn" stands for what the opening notices once its positions have moved: rows of another root, a nonce without
/// its work, or a proof that is too short for the siblings of other positions. Where two checks are named, the second
/// one is for the exchange with another message.
const MANIFEST: &[(&str, &str, &str)] = &[
    ("trace root", "look-up zerocheck", "drawn"),
    ("mask root", "-", "drawn"),
    ("pads", "-", "drawn"),
    ("helper root", "look-up zerocheck", "drawn"),
    ("look-up round", "look-up zerocheck", "drawn"),
    ("helper", "look-up zerocheck, product of denominators", "drawn"),
    ("denominator 0", "product of denominators, look-up zerocheck", "drawn"),
    ("denominator 1", "product of denominators", "drawn"),
    ("numerator 0", "look-up zerocheck", "drawn"),
    ("numerator 1", "look-up zerocheck, product of denominators", "drawn"),
    ("denominators", "product of denominators", "drawn"),
    ("product round", "products", "drawn"),
    ("left operand", "products, claims at the common point", "drawn"),
    ("right operand", "products", "drawn"),
    ("claim round", "claims at the common point", "drawn"),
    ("column", "claims at the common point", "drawn"),
    ("mask", "-", "drawn"),
    ("opening root", "drawn", "drawn"),
    ("opening out-of-domain value", "drawn", "drawn"),
    ("opening claim", "drawn", "drawn"),
    ("opening round", "drawn polynomial claim", "drawn polynomial claim"),
    ("opening polynomial", "drawn polynomial claim", "drawn polynomial claim"),
    ("opening nonce", "drawn", "drawn"),
    ("opening rows", "root", "root"),
    ("opening leaves", "root", "root"),
    ("merkle salt", "root", "root"),
    ("merkle sibling", "root", "root"),
    ("triple reveal", "-", "inner claim"),
    ("inner claim mask", "-", "inner claim"),
    ("masked pads", "-", "inner claim, pad nonce, drawn"),
    ("pad nonce", "-", "pad nonce, drawn"),
];

/// Ways to alter one message.
fn alterations(proof: &Proof, leaf: usize, rng: &mut Rng) -> Vec<Vec<u8>> {
    let Leaf { label, offset, len } = &proof.leaves[leaf];
    let (offset, len) = (*offset, *len);
    let mut flipped = proof.bytes.clone();
    flipped[offset + rng.below(len)] ^= 1 << rng.below(8);
    let mut replaced = proof.bytes.clone();
    for word in replaced[offset..offset + len].chunks_mut(8) {
        // A canonical field element, a nonce or part of a digest alike.
        let x = (rng.below(1 << 31) as u64) << 30 | rng.below(1 << 30) as u64;
        word.copy_from_slice(&x.to_le_bytes()[..word.len()]);
    }
    let mut out = vec![flipped, replaced];
    let later = proof.leaves.iter().skip(leaf + 1);
    let of_length = |l: &&Leaf| l.len == len && proof.bytes[l.offset..][..len] != proof.bytes[offset..][..len];
    // Nearby if there is one, else anywhere.
    if let Some(other) =
        later.clone().find(|l| l.label == *label && of_length(l)).or_else(|| later.clone().find(of_length))
    {
        let mut swapped = proof.bytes.clone();
        swapped[offset..offset + len].copy_from_slice(&proof.bytes[other.offset..][..len]);
        swapped[other.offset..other.offset + len].copy_from_slice(&proof.bytes[offset..][..len]);
        out.push(swapped);
    }
    out
}

/// Alters every message of a proof; returns where each kind was noticed.
fn tamper(s: &Setup, proof: &Proof) -> BTreeMap<String, BTreeSet<String>> {
    s.verify(proof).expect("the proof is accepted as it is");
    let covered: usize = proof.leaves.iter().map(|l| l.len).sum();
    assert_eq!(covered, proof.bytes.len(), "every byte belongs to a message");
    let mut rng = Rng(1);
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for i in 0..proof.leaves.len() {
        for bytes in alterations(proof, i, &mut rng) {
            if bytes == proof.bytes {
                continue;
            }
            let seen = cause(verify(&s.key, &proof.statement, &bytes));
            out.entry(proof.leaves[i].label.clone()).or_default().insert(seen);
        }
    }
    out
}

fn check_manifest(s: &Setup, proof: &Proof) {
    let hiding = s.key.key.visibility.hiding();
    let mut wrong = Vec::new();
    for (label, causes) in tamper(s, proof) {
        let Some((_, plain, hidden)) = MANIFEST.iter().find(|m| m.0 == label) else {
            panic!("the manifest does not know '{label}', noticed by {causes:?}");
        };
        let expected = if hiding { hidden } else { plain };
        // Any message may also stop being a field element.
        let drawn = |c: &str| expected.contains("drawn") && ["root", "grinding", "truncated"].contains(&c);
        let known = |c: &String| c == "non-canonical" || expected.contains(c.as_str()) || drawn(c);
        if !causes.iter().all(known) {
            wrong.push(format!("{label}: {causes:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

macro_rules! manifests {
    ($($name:ident: $case:ident, $mode:ident, $hiding:literal;)*) => {
        $(
            #[test]
            fn $name() {
                let s = setup(&relations::$case(), &Mode::$mode($hiding));
                check_manifest(&s, &s.honest());
            }
        )*
    };
}

manifests! {
    rejects_every_altered_message_dense: dense, secret, false;
    rejects_every_altered_message_dense_hidden: dense, secret, true;
    rejects_every_altered_message_dense_shown: dense, shown, false;
    rejects_every_altered_message_dense_shown_hidden: dense, shown, true;
    rejects_every_altered_message_conv: conv, shown, false;
    rejects_every_altered_message_conv_hidden: conv, shown, true;
    rejects_every_altered_message_batch: batch, secret, false;
    rejects_every_altered_message_batch_hidden: batch, secret, true;
    rejects_every_altered_message_wide: wide, shown, false;
    rejects_every_altered_message_wide_hidden: wide, shown, true;
    rejects_every_altered_message_outer: outer, secret, false;
    rejects_every_altered_message_outer_hidden: outer, secret, true;
    rejects_every_altered_message_committed: dense, committed, false;
    rejects_every_altered_message_committed_hidden: dense, committed, true;
}

#[test]
fn accepts_manifest_without_idle_lines() {
    let mut seen = BTreeSet::new();
    for hiding in [false, true] {
        let modes = [Mode::secret(hiding), Mode::committed(hiding)];
        for mode in modes {
            seen.extend(setup(&relations::dense(), &mode).honest().leaves.into_iter().map(|l| l.label));
        }
    }
    for (label, ..) in MANIFEST {
        assert!(seen.contains(*label), "no proof has a message '{label}'");
    }
}

/// Verifies without unwinding.
fn refuse(s: &Setup, proof: &Proof, bytes: &[u8]) -> VerifyError {
    let result = catch_unwind(AssertUnwindSafe(|| verify(&s.key, &proof.statement, bytes)));
    result.expect("no panic").expect_err("a tampered proof must be refused")
}

macro_rules! in_both_modes {
    ($($name:ident: $check:expr;)*) => {
        $(
            mod $name {
                use super::*;

                #[test]
                fn rejects_in_the_clear() {
                    let (s, proof) = dense_proof(false);
                    $check(s, proof);
                }

                #[test]
                fn rejects_when_hidden() {
                    let (s, proof) = dense_proof(true);
                    $check(s, proof);
                }
            }
        )*
    };
}

in_both_modes! {
    truncated_at_every_length: |s: &Setup, p: &Proof| {
        let step = (p.bytes.len() / 1500).max(1);
        for n in (0..p.bytes.len()).step_by(step).chain(p.bytes.len() - 200..p.bytes.len()) {
            refuse(s, p, &p.bytes[..n]);
        }
    };
    truncated_at_every_message: |s: &Setup, p: &Proof| {
        for leaf in p.leaves.iter().step_by(3) {
            refuse(s, p, &p.bytes[..leaf.offset]);
            refuse(s, p, &p.bytes[..leaf.offset + 1]);
        }
    };
    extended: |s: &Setup, p: &Proof| {
        for extra in [&[0u8][..], &[0xff], &[0; 8], &[0; 24], &[7; 4096]] {
            let error = refuse(s, p, &[&p.bytes[..], extra].concat());
            assert_eq!(cause(Err(error)), "trailing");
        }
    };
    doubled: |s: &Setup, p: &Proof| {
        let error = refuse(s, p, &[&p.bytes[..], &p.bytes[..]].concat());
        assert_eq!(cause(Err(error)), "trailing");
    };
    empty: |s: &Setup, p: &Proof| assert_eq!(cause(Err(refuse(s, p, &[]))), "truncated");
    random_bytes: |s: &Setup, p: &Proof| {
        let mut rng = Rng(3);
        for n in [1, 31, 64, 500, p.bytes.len(), p.bytes.len() + 1] {
            for _ in 0..20 {
                let bytes: Vec<u8> = (0..n).map(|_| rng.below(256) as u8).collect();
                refuse(s, p, &bytes);
            }
        }
    };
    constant_bytes: |s: &Setup, p: &Proof| {
        for b in [0u8, 1, 0x7f, 0xff] {
            refuse(s, p, &vec![b; p.bytes.len()]);
        }
    };
    elements_equal_to_the_modulus: |s: &Setup, p: &Proof| {
        // Zero written as p: every coordinate of every element must be reduced.
        use p3_field::PrimeField64;
        for leaf in p.leaves.iter().filter(|l| l.len == 24 || l.label == "opening rows") {
            for at in (leaf.offset..leaf.offset + leaf.len).step_by(8) {
                let mut bytes = p.bytes.clone();
                bytes[at..at + 8].copy_from_slice(&F::ORDER_U64.to_le_bytes());
                assert_eq!(cause(Err(refuse(s, p, &bytes))), "non-canonical", "{}", leaf.label);
            }
        }
    };
    largest_words: |s: &Setup, p: &Proof| {
        for leaf in p.leaves.iter().filter(|l| l.len == 24) {
            let mut bytes = p.bytes.clone();
            bytes[leaf.offset..leaf.offset + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            assert_eq!(cause(Err(refuse(s, p, &bytes))), "non-canonical", "{}", leaf.label);
        }
    };
    bit_flips_at_random_offsets: |s: &Setup, p: &Proof| {
        let mut rng = Rng(4);
        for _ in 0..3000 {
            let mut bytes = p.bytes.clone();
            let at = rng.below(bytes.len());
            bytes[at] ^= 1 << rng.below(8);
            refuse(s, p, &bytes);
        }
    };
    several_changes_at_once: |s: &Setup, p: &Proof| {
        let mut rng = Rng(6);
        for _ in 0..1500 {
            let mut bytes = p.bytes.clone();
            for _ in 0..2 + rng.below(6) {
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 + rng.below(255) as u8;
            }
            if bytes != p.bytes {
                refuse(s, p, &bytes);
            }
        }
    };
    shifted_by_some_bytes: |s: &Setup, p: &Proof| {
        let mut rng = Rng(7);
        for _ in 0..300 {
            let at = rng.below(p.bytes.len());
            let mut bytes = p.bytes.clone();
            bytes.remove(at);
            refuse(s, p, &bytes);
            bytes.insert(at, !p.bytes[at]);
            refuse(s, p, &bytes);
            bytes.insert(at, 0);
            refuse(s, p, &bytes);
        }
    };
    blocks_moved: |s: &Setup, p: &Proof| {
        let mut rng = Rng(8);
        for _ in 0..500 {
            let n = 8 * (1 + rng.below(12));
            let (a, b) = (rng.below(p.bytes.len() - n), rng.below(p.bytes.len() - n));
            let mut bytes = p.bytes.clone();
            bytes.copy_within(a..a + n, b);
            if bytes != p.bytes {
                refuse(s, p, &bytes);
            }
        }
    };
}

#[test]
fn rejects_a_plain_proof_under_a_hiding_key() {
    let (hiding, hidden) = dense_proof(true);
    let (plain, shown) = dense_proof(false);
    assert!(verify(&hiding.key, &shown.statement, &shown.bytes).is_err());
    assert!(verify(&plain.key, &hidden.statement, &hidden.bytes).is_err());
}

#[test]
fn accepts_only_the_pads_of_this_proof() {
    // Two proofs of one statement with other coins: no message of one fits into the other.
    let s = setup(&relations::dense(), &Mode::secret(true));
    let coins = proveil_prover::coins::Coins::from_seed([77; 32], &[]);
    let inputs = proveil_prover::Inputs {
        model: s.model.as_ref(),
        tensors: Vec::new(),
        inputs: vec![None],
        outputs: vec![None],
        context: b"test".to_vec(),
    };
    let w = s.case.witness();
    let other = proveil_prover::prove_with(&s.key, &w, &inputs, &coins, Default::default()).unwrap();
    let first = s.honest();
    s.verify(&other).unwrap();
    assert_eq!(first.statement, other.statement);
    let shared = |l: &&Leaf| first.bytes[l.offset..][..l.len] == other.bytes[l.offset..][..l.len];
    // Nonces of proofs of work are short and may coincide.
    let messages: Vec<&Leaf> = first.leaves.iter().take(80).filter(|l| !l.label.ends_with("nonce")).collect();
    assert!(messages.len() > 70);
    assert_eq!(messages.iter().filter(|l| shared(l)).count(), 0);
    for leaf in messages {
        let mut bytes = first.bytes.clone();
        bytes[leaf.offset..][..leaf.len].copy_from_slice(&other.bytes[leaf.offset..][..leaf.len]);
        assert!(verify(&s.key, &first.statement, &bytes).is_err(), "{}", leaf.label);
    }
}
