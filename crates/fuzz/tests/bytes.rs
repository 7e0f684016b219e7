//! Bounded runs of the targets that the verifier meets. More: `PROVEIL_FUZZ_ITERATIONS=1000000 cargo test ...`.

mod support;

use proveil_fuzz::{Rng, corpus, iterations, mutate, run, targets};
use proveil_relation::key::IoVisibility;
use support::{Subject, subject};

fn both() -> [Subject; 2] {
    [subject(false, IoVisibility::Public), subject(true, IoVisibility::Private)]
}

#[test]
fn accepts_honest_starting_points() {
    for s in both() {
        assert!(targets::key(&s.key.key.encode()));
        assert!(targets::statement(&s.statement.encode(), &s.key, &s.statement, &s.proof));
        assert!(targets::proof(&s.proof, &s.key, &s.statement, std::slice::from_ref(&s.proof)));
    }
}

#[test]
fn rejects_or_survives_key_bytes() {
    let mut seeds = corpus("key").unwrap();
    seeds.extend(both().map(|s| s.key.key.encode()));
    let seen = run("key", &seeds, iterations(20_000), targets::key);
    println!("{seen:?}");
    assert!(seen.accepted >= 2 && seen.accepted < seen.tried);
}

#[test]
fn rejects_changed_statement_bytes() {
    for s in both() {
        let mut seeds = corpus("statement").unwrap();
        seeds.push(s.statement.encode());
        let target = |b: &[u8]| targets::statement(b, &s.key, &s.statement, &s.proof);
        let seen = run("statement", &seeds, iterations(5_000), target);
        println!("{seen:?}");
        assert!(seen.accepted > 1 && seen.accepted < seen.tried);
    }
}

#[test]
fn rejects_changed_proof_bytes() {
    for s in both() {
        let mut seeds = corpus("proof").unwrap();
        seeds.push(s.proof.clone());
        let target = |b: &[u8]| targets::proof(b, &s.key, &s.statement, &seeds);
        let seen = run("proof", &seeds, iterations(2_000), target);
        println!("{seen:?}");
        assert!(seen.accepted >= 1 && seen.accepted < seen.tried);
    }
}

/// One proof of another shape must not pass for this one.
#[test]
fn rejects_proofs_of_the_other_kind() {
    let [plain, hiding] = both();
    assert!(!targets::proof(&plain.proof, &hiding.key, &hiding.statement, &[]));
    assert!(!targets::proof(&hiding.proof, &plain.key, &plain.statement, &[]));
}

#[test]
fn matches_reference_of_itself() {
    let bytes: Vec<u8> = (0..200).collect();
    let go = || (0..50).scan(Rng::new(9), |r, _| Some(mutate(&bytes, &[7; 30], r))).collect::<Vec<_>>();
    assert_eq!(go(), go());
    assert!(go().iter().any(|m| m.len() < bytes.len()) && go().iter().any(|m| m.len() > bytes.len()));
}

#[test]
fn rejects_silence_about_a_panic() {
    let bad = std::panic::catch_unwind(|| run("panicking", &[vec![1, 2, 3]], 50, |b| b.len() > 2 || panic!("short")));
    let text = bad.expect_err("the engine passes panics on");
    let text = text.downcast_ref::<String>().expect("a formatted message");
    assert!(text.starts_with("panicking: input ") && text.contains("fails"), "{text}");
}
