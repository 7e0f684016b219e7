//! Yes or no, several proofs at once, and what a proof can be changed into.

use proveil_evm::abi::Abi;
use proveil_protocol::transcript::keccak256;
use proveil_relation::key::IoVisibility;

use crate::machine::account;
use crate::world::{DATA, World, bytes, number, word};

#[test]
fn matches_reference_truth_values_and_batches() {
    let mut w = World::new();
    let m = w.model("app_price_stats", IoVisibility::Private);
    let arguments = [word(w.verifier)];
    let adapter = w.deploy(0x11, 0, artifact!("BooleanVerifier"), &arguments);
    let of = |case: usize| {
        let proof = m.prove(&m.cases[case], None, b"batch");
        let digest = keccak256(&[m.public_data(&proof)]);
        (proof, digest)
    };
    let (a, b) = (of(0), of(1));
    let mut bad = a.clone();
    *bad.0.last_mut().unwrap() ^= 1;
    // The proof of one statement for the digest of another.
    let swapped = (a.0.clone(), b.1);
    for ((proof, digest), expected) in [(&a, 1), (&b, 1), (&bad, 0), (&swapped, 0)] {
        let returned = w.accepts(0x11, &adapter, "isValid", &[bytes(proof), m.id(), Abi::Word(*digest)]);
        assert_eq!(returned[31], expected);
    }
    let batch = |items: &[&(Vec<u8>, [u8; 32])], ids: usize| {
        let proofs = items.iter().map(|(p, _)| bytes(p)).collect();
        let digests = items.iter().map(|(_, d)| Abi::Word(*d)).collect();
        [Abi::List(proofs), Abi::List(vec![m.id(); ids]), Abi::List(digests)]
    };
    let outcome = w.send(0x11, &adapter, "verifyAll", &batch(&[&a, &b], 2));
    println!("two proofs: {} gas", outcome.gas);
    outcome.result.unwrap();
    w.accepts(0x11, &adapter, "verifyAll", &batch(&[], 0));
    // One bad one spoils all, wherever it is.
    for (items, error) in
        [([&a, &bad], "NonCanonicalScalar"), ([&bad, &b], "NonCanonicalScalar"), ([&swapped, &b], "WrongPublicData")]
    {
        let e = w.refuses(0x11, &adapter, "verifyAll", &batch(&items, 2));
        assert!(e == error || e == "InvalidPoint" || e == "OpeningRejected", "{e}");
    }
    assert_eq!(w.refuses(0x11, &adapter, "verifyAll", &batch(&[&a], 2)), "LengthMismatch");
}

/// The example of `docs/contracts.md`: many cases in one call, or none of them.
#[test]
fn accepts_and_rejects_several_verdicts_in_one_call() {
    let mut w = World::new();
    let m = w.model("app_price_stats", IoVisibility::Private);
    let batch = {
        let v = word(w.verifier);
        w.deploy(0x11, 0, artifact!("BatchVerifier"), &[v])
    };
    let (form, size) = (m.output(0), (0..m.meta.outputs.len()).map(|k| m.output(k).size()).sum::<usize>());
    let arguments = [word(batch.at), m.id(), form.abi(), Abi::uint(size as u64)];
    let c = w.deploy(0x11, 0, artifact!("Verdicts"), &arguments);
    let proofs: Vec<_> = (0..3).map(|case| m.prove(&m.cases[case], None, &c.context(0x22, case as u64))).collect();
    let all = |proofs: &[&[u8]], cases: &[u64]| {
        let proofs = proofs.iter().map(|p| bytes(p)).collect();
        [Abi::List(proofs), Abi::List(cases.iter().map(|n| Abi::uint(*n)).collect())]
    };
    let [p, q, r] = [0, 1, 2].map(|i| &proofs[i][..]);
    let mut bad = q.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    type Row<'a> = (&'a [&'a [u8]], &'a [u64], &'a str);
    let refusals: [Row<'_>; 6] = [
        (&[p, &bad], &[0, 1], "ProofRejected"),
        (&[p, q], &[0], "NonceMissing"),
        (&[p, p], &[0, 0], "NonceUsed"),
        (&[p, q], &[1, 0], "WrongContext"),
        (&[p, &q[..60]], &[0, 1], "NoPublicData"),
        (&[], &[], "EmptyBatch"),
    ];
    for (proofs, cases, error) in refusals {
        let e = w.send(0x22, &c, "settleAll", &all(proofs, cases)).result.expect_err(error);
        assert_eq!(c.artifact.error(&e).or_else(|| batch.artifact.error(&e)), Some(error));
    }
    assert_eq!(w.refuses(0x33, &c, "settleAll", &all(&[p], &[0])), "WrongContext");
    let alone = w.send(0x22, &c, "settle", &[bytes(r), Abi::uint(2)]);
    let both = w.send(0x22, &c, "settleAll", &all(&[p, q], &[0, 1]));
    println!("one verdict: {} gas, two: {}", alone.gas, both.gas);
    assert!(alone.result.is_ok() && both.result.is_ok() && both.gas < 2 * alone.gas);
    for case in 0..3 {
        let arguments = [word(account(0x22)), Abi::uint(case as u64)];
        let verdict = w.accepts(0x11, &c, "verdicts", &arguments);
        let value = number(&verdict, 0) as f64 / 64f64.exp2();
        assert!((value - m.real(case, 0)[0]).abs() < 1e-9, "case {case}: {value}");
    }
    assert_eq!(w.refuses(0x22, &c, "settleAll", &all(&[p, q], &[0, 1])), "NonceUsed");
}

/// Whoever sees a proof can change neither what it says nor whom it is for, and not even its bytes.
#[test]
fn rejects_every_changed_byte_before_the_messages_and_every_other_encoding() {
    let mut w = World::new();
    let m = w.model("app_price_stats", IoVisibility::Committed);
    let c = m.commit(0);
    let proof = m.prove(&m.cases[0], Some(&c), b"bytes");
    let adapter = {
        let v = word(w.verifier);
        w.deploy(0x11, 0, artifact!("BooleanVerifier"), &[v])
    };
    let size = m.public_data(&proof).len();
    let mut valid = |p: &[u8]| {
        // The digest of what is now there: a contract that takes the data from the proof.
        let digest = Abi::Word(keccak256(&[&p[24..24 + size]]));
        w.accepts(0x11, &adapter, "isValid", &[bytes(p), m.id(), digest])[31] == 1
    };
    assert!(valid(&proof));
    for at in 0..24 + size {
        let mut p = proof.clone();
        p[at] ^= 1 << (at % 8);
        assert!(!valid(&p), "byte {at}");
    }
    // The same numbers in other words: a scalar plus the modulus, and the other point of the same abscissa.
    let order = hex("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001");
    let prime = hex("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47");
    let messages = 24 + size;
    assert_eq!(DATA, 56);
    for at in (messages..proof.len()).step_by(32) {
        let old: [u8; 32] = proof[at..at + 32].try_into().unwrap();
        for other in [plus(&old, &order), minus(&prime, &old)].into_iter().flatten() {
            let mut p = proof.clone();
            p[at..at + 32].copy_from_slice(&other);
            assert!(!valid(&p), "word at {at}");
        }
    }
}

fn hex(text: &str) -> [u8; 32] {
    core::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

fn plus(a: &[u8; 32], b: &[u8; 32]) -> Option<[u8; 32]> {
    let (mut out, mut carry) = ([0; 32], 0u16);
    for i in (0..32).rev() {
        let v = u16::from(a[i]) + u16::from(b[i]) + carry;
        (out[i], carry) = (v as u8, v >> 8);
    }
    (carry == 0).then_some(out)
}

fn minus(a: &[u8; 32], b: &[u8; 32]) -> Option<[u8; 32]> {
    let complement = b.map(|v| !v);
    let one: [u8; 32] = core::array::from_fn(|i| u8::from(i == 31));
    let negated = plus(&complement, &one)?;
    (a >= b).then(|| {
        let (mut out, mut carry) = ([0; 32], 0u16);
        for i in (0..32).rev() {
            let v = u16::from(a[i]) + u16::from(negated[i]) + carry;
            (out[i], carry) = (v as u8, v >> 8);
        }
        out
    })
}
