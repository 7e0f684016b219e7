//! Bounded runs of the targets that read files of the succinct backend.
#![cfg(feature = "files")]

mod support;

use proveil::commitment::Opening;
use proveil::succinct::{FullKey, KeyFile};
use proveil::{Backend, CommitmentFile, IoMeta, Meta, ProofFile};
use proveil_fuzz::{iterations, run, targets::files};
use proveil_kzg::srs::Srs;
use proveil_prover::coins::Coins;
use proveil_relation::key::{IoVisibility, ModelVisibility, Visibility};
use proveil_succinct::prove::{Inputs, Proof, commit_model, prove};
use proveil_succinct::{Key, PreparedKey};

struct Subject {
    full: FullKey,
    key: PreparedKey,
    proof: Proof,
}

fn described(name: &str, shape: &[usize]) -> IoMeta {
    let (name, shape, dtype) = (name.into(), shape.to_vec(), "float32".into());
    IoMeta { name, shape, dtype, scale: 3, columns: Vec::new(), calibrated: None, missing: None, labels: Vec::new() }
}

fn subject() -> Subject {
    let (relation, witness, srs) = (support::relation(), support::witness(), Srs::dev(12).unwrap());
    let visibility = Visibility {
        zero_knowledge: true,
        model: ModelVisibility::Private,
        inputs: vec![IoVisibility::Private],
        outputs: vec![IoVisibility::Public],
    };
    let meta = Meta {
        name: "subject".into(),
        inputs: vec![described("x", &[4])],
        outputs: vec![described("y", &[2])],
        registration: None,
    };
    let coins = Coins::from_seed([5; 32], &[]);
    let model = commit_model(&relation, &visibility, &srs, &witness.tensors, &coins).unwrap();
    let point = model.as_ref().map(|m| m.point);
    let key = Key { relation, visibility, model: point, srs: srs.key(), meta: meta.to_bytes() };
    let full = FullKey(key.clone());
    let key = PreparedKey::new(key, &srs).unwrap();
    let proof = prove(&key, &srs, &witness, &Inputs { model: model.as_ref(), ..Inputs::default() }).unwrap();
    Subject { full, key, proof }
}

fn check(name: &str, seed: Vec<u8>, times: usize, target: impl Fn(&[u8]) -> bool) {
    assert!(target(&seed), "{name}: an honest file");
    let seen = run(name, &[seed], iterations(times), target);
    println!("{name}: {seen:?}");
    assert!(seen.accepted >= 1 && seen.accepted < seen.tried);
}

#[test]
fn rejects_or_survives_keys() {
    let s = subject();
    let file: KeyFile = FullKey::short_file(&s.key);
    check("short key", s.key.short.to_bytes(), 3_000, files::short_key);
    check("short key file", file.to_bytes(), 3_000, files::key_file);
    check("full key", s.full.to_bytes(), 3_000, files::full_key);
}

#[test]
fn rejects_changed_proofs_for_contracts() {
    let s = subject();
    let target = |b: &[u8]| files::messages(b, &s.key.short, &s.proof.statement, &s.proof.bytes);
    check("messages", s.proof.bytes.clone(), 300, target);
    let (model_id, statement, proof) = (s.key.short.id(), s.proof.statement.clone(), s.proof.bytes.clone());
    for backend in [Backend::Transparent, Backend::Succinct] {
        let (statement, proof) = (statement.clone(), proof.clone());
        let file = ProofFile { backend, model_id, statement, proof };
        check("proof file", file.to_bytes(), 2_000, files::proof_file);
    }
}

#[test]
fn rejects_or_survives_openings_and_set_ups() {
    let opening = Opening {
        input: 0,
        name: "x".into(),
        seed: [1; 32],
        root: [2; 32],
        nonce: [3; 32],
        sample: [4; 24],
        cells: vec![-8, 7, 3, 0],
    };
    let file = CommitmentFile { backend: Backend::Succinct, openings: vec![opening] };
    check("opening", file.to_bytes(), 5_000, files::opening);
    check("set-up", Srs::dev(2).unwrap().encode(), 2_000, files::set_up);
}
