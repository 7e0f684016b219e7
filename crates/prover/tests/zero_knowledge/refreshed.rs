//! A model keeps its name while its commitment changes.

use std::collections::BTreeSet;

use proveil_algebra::{Challenge, E, PrimeCharacteristicRing, eq_table};
use proveil_prover::budget::{self, FileStore, Store, Use};
use proveil_prover::coins::Coins;
use proveil_prover::refresh::{RenewError, prove, prove_with};
use proveil_prover::{Committed, Inputs, commit_model};
use proveil_relation::key::{Epoch, IoVisibility};
use proveil_relation::layout::TreeKind;
use proveil_verifier::refresh::{RefreshError, Sizes, verify, verify_chain};

use crate::replay::HASHES;
use crate::toy::{self, Outer, World, folding};

fn world() -> World {
    let v = toy::hiding(IoVisibility::Private, IoVisibility::Public);
    World::of(toy::roomy_key(&v, &folding()), toy::witness(12), &Outer::new(6))
}

fn again(w: &World, tensors: &[Vec<i64>], seed: u8) -> Committed {
    commit_model(&w.key.layout, tensors, 3, &Coins::from_seed([seed; 32], &[])).unwrap().unwrap()
}

#[test]
fn accepts_a_chain_of_refreshes_and_proofs_under_it() {
    let w = world();
    let dir = std::env::temp_dir().join(format!("proveil-refreshed-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let store = FileStore::new(&dir).unwrap();
    let models: Vec<Committed> = (0..2).map(|i| again(&w, &w.witness.tensors, 40 + i)).collect();
    let all = [w.model.as_ref().unwrap(), &models[0], &models[1]];
    all.iter().for_each(|c| budget::open(&store, &w.key, TreeKind::Model, &c.commitment()).unwrap());
    let mut key = w.key.clone();
    let mut chain: Vec<(Epoch, Vec<u8>)> = Vec::new();
    for pair in all.windows(2) {
        let r = prove(&key, pair[0], pair[1], &store).unwrap();
        chain.push((r.epoch, r.bytes));
        key = verify_chain(w.key.clone(), &chain).unwrap();
    }
    let used = all.map(|c| store.read(&c.commitment()).unwrap().left(Use::Refresh));
    assert_eq!(used, [1, 0, 1]);
    assert!(matches!(prove(&w.key, all[1], all[2], &store), Err(RenewError::NotInForce)));
    assert_eq!((key.digest, key.epoch.as_ref().unwrap().number), (w.key.digest, 2));

    let inputs = Inputs { model: Some(all[2]), ..w.inputs() };
    let proof = proveil_prover::prove(&key, &w.witness, &inputs).unwrap();
    proveil_verifier::verify(&key, &proof.statement, &proof.bytes).unwrap();
    assert!(proveil_verifier::verify(&w.key, &proof.statement, &proof.bytes).is_err(), "the refresh must be checked");

    let swapped = [chain[1].clone(), chain[0].clone()];
    assert!(matches!(verify_chain(w.key.clone(), &swapped), Err(RefreshError::Number { expected: 1, got: 2 })));
    let skipped = [(Epoch { number: 1, ..chain[1].0.clone() }, chain[1].1.clone())];
    assert!(matches!(verify_chain(w.key.clone(), &skipped), Err(RefreshError::Proof { number: 1, .. })));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn rejects_another_model() {
    let w = world();
    let old = w.model.as_ref().unwrap();
    for (tensor, cell) in [(0, 0), (0, 29), (1, 4), (6, 2)] {
        let mut tensors = w.witness.tensors.clone();
        tensors[tensor][cell] += 1;
        let new = again(&w, &tensors, 41);
        let coins = Coins::from_seed([3; 32], &[]);
        let r = prove_with(&w.key, old, &new, &coins).unwrap();
        let refused = verify(&w.key, &r.epoch, &r.bytes).unwrap_err();
        assert!(matches!(refused, RefreshError::Proof { number: 1, .. }), "{refused}");
        let dir = std::env::temp_dir();
        let store = FileStore::new(dir).unwrap();
        assert!(matches!(prove(&w.key, old, &new, &store), Err(RenewError::Differs { .. })));
    }
}

#[test]
fn rejects_every_altered_message() {
    let w = world();
    let new = again(&w, &w.witness.tensors, 42);
    let r = prove_with(&w.key, w.model.as_ref().unwrap(), &new, &Coins::from_seed([3; 32], &[])).unwrap();
    verify(&w.key, &r.epoch, &r.bytes).unwrap();
    for leaf in &r.leaves {
        let mut bad = r.bytes.clone();
        bad[leaf.offset] ^= 1;
        assert!(verify(&w.key, &r.epoch, &bad).is_err(), "{}", leaf.label);
    }
    let longer: Vec<u8> = r.bytes.iter().copied().chain([0]).collect();
    assert!(verify(&w.key, &r.epoch, &longer).is_err());
    let plain = Epoch { nonce: [0; 32], ..r.epoch.clone() };
    assert_eq!(verify(&w.key, &plain, &r.bytes), Err(RefreshError::Plain { number: 1 }));
}

#[test]
fn accepts_no_common_word_in_two_refreshes() {
    let w = world();
    let new = again(&w, &w.witness.tensors, 43);
    let words = |seed: u8| -> BTreeSet<Vec<u8>> {
        let coins = Coins::from_seed([seed; 32], &[]);
        let r = prove_with(&w.key, w.model.as_ref().unwrap(), &new, &coins).unwrap();
        let shown = |l: &&proveil_protocol::codec::Leaf| {
            // Rows of the two models repeat where a position does.
            !HASHES.contains(&l.label.as_str()) && (l.label != "opening rows" || l.len == 24 || l.len == 48)
        };
        let pieces = r.leaves.iter().filter(shown).flat_map(|l| r.bytes[l.offset..l.offset + l.len].chunks(8));
        pieces.map(<[u8]>::to_vec).collect()
    };
    let (a, b) = (words(1), words(2));
    assert!(a.len() > 500 && a.intersection(&b).count() == 0);
    let shape = Sizes::new(&w.key).unwrap().shape();
    assert_eq!((shape.pads, shape.num_products), (shape.messages, 0));
}

#[test]
fn matches_reference_weight_of_the_valid_cells() {
    let sizes = Sizes { log_height: 5, log_top: 3, columns: 1 };
    let point = |from: i64| -> Vec<E> { (from..from + 5).map(|v| E::from_int(v * v + 3)).collect() };
    let (r, tau) = (point(2), point(20));
    let (a, b) = (eq_table(&r), eq_table(&tau));
    let direct = a.iter().zip(&b).take(24).fold(E::ZERO, |s, (x, y)| s + *x * *y);
    assert_eq!(sizes.weight_at(&r, &tau), direct);
}
