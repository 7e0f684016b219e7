//! Samples: what binds all proofs under one commitment to one codeword.

use proveil_algebra::{E, F, PrimeCharacteristicRing};
use proveil_protocol::channel::ProofError;
use proveil_protocol::params::Params;
use proveil_protocol::sample::Sampled;
use proveil_prover::coins::Coins;
use proveil_prover::commit::Tree;
use proveil_prover::{Committed, Deviation, Inputs, prove, prove_with};
use proveil_relation::key::{IoValue, IoVisibility, Statement, VerifyingKey, Visibility};
use proveil_relation::layout::TreeKind;
use proveil_verifier::{PreparedKey, VerifyError, verify};

use crate::toy::{self, Outer, World, folding};

fn visibility() -> Visibility {
    toy::hiding(IoVisibility::Committed, IoVisibility::Committed)
}

/// What a proof of `world` gives under a statement and a key with other samples. The prover binds what the verifier is told,
/// so that it is the claim that fails and not the transcript.
fn refused(world: &World, alter_key: impl Fn(&mut VerifyingKey), alter: impl Fn(&mut Statement)) -> VerifyError {
    let mut key = world.key.key.clone();
    alter_key(&mut key);
    let key = PreparedKey::new(key);
    let mut statement = prove(&key, &world.witness, &world.inputs()).unwrap().statement;
    alter(&mut statement);
    let deviation = Deviation { statement: Some(&statement), ..Deviation::default() };
    let coins = Coins::from_seed([5; 32], &[]);
    let proof = prove_with(&key, &world.witness, &world.inputs(), &coins, deviation).unwrap();
    verify(&key, &statement, &proof.bytes).unwrap_err()
}

#[test]
fn rejects_other_samples_of_model_input_and_output() {
    let world = World::new(&visibility(), &folding(), toy::witness(21), &Outer::new(9));
    let proof = prove(&world.key, &world.witness, &world.inputs()).unwrap();
    verify(&world.key, &proof.statement, &proof.bytes).unwrap();
    let shift = |v: &mut IoValue| {
        if let IoValue::Committed(c) = v {
            c.value += E::ONE;
        }
    };
    let model = |k: &mut VerifyingKey| k.model.as_mut().unwrap().value += E::ONE;
    let all = [
        refused(&world, model, |_| {}),
        refused(&world, |_| {}, |s| shift(&mut s.inputs[0])),
        refused(&world, |_| {}, |s| shift(&mut s.outputs[0])),
    ];
    for e in all {
        let VerifyError::Proof(ProofError::Check { check }) = e else { panic!("{e}") };
        assert_eq!(check, "inner claim", "the equation of phase 3 is one on pads");
    }
}

/// Rows of `a` at even positions and of `b` at odd ones, under one root.
fn mixed(a: &Tree, b: &Tree) -> [Tree; 2] {
    let rows = 1u64 << a.log_leaves();
    let one = |p: u64| if p.is_multiple_of(2) { a.rows(&[p]) } else { b.rows(&[p]) };
    let rows: Vec<F> = (0..rows).flat_map(one).flatten().collect();
    [a, b].map(|t| t.with_rows(&rows, t.columns().to_vec(), Some([7; 32])))
}

#[test]
fn rejects_a_second_model_behind_one_root() {
    // Two rows are opened: a proof of either model hits rows of that model only with probability 1/4.
    let few = Params { security_bits: 2, ..folding() }.with_grinding(0);
    assert_eq!(few.row_queries(), 2);
    let v = visibility();
    let [first, second] = [11, 12].map(|seed| World::new(&v, &few, toy::witness(seed), &Outer::new(3)));
    let trees = [&first, &second].map(|w| &w.model.as_ref().unwrap().tree);
    let [a, b] = mixed(trees[0], trees[1]);
    let (a, b) = (Committed::new(a), Committed::new(b));
    assert_eq!(a.commitment(), b.commitment());
    assert_ne!(a.sampled(), b.sampled());
    // How many of forty proofs are accepted for a model, under a key with the root of both and a sample.
    let accepted = |w: &World, model: &Committed, sample: Sampled| {
        let key = PreparedKey::new(VerifyingKey { model: Some(sample), ..w.key.key.clone() });
        let tries = (0..40u8).filter(|i| {
            let inputs = Inputs { model: Some(model), context: vec![*i], ..w.inputs() };
            let coins = Coins::from_seed([*i; 32], &[]);
            let proof = prove_with(&key, &w.witness, &inputs, &coins, Deviation::default()).unwrap();
            verify(&key, &proof.statement, &proof.bytes).is_ok()
        });
        tries.count()
    };
    assert!(first.key.layout.trees.iter().any(|t| t.kind == TreeKind::Model && t.sampled));
    let [own, foreign] = [accepted(&first, &a, a.sampled()), accepted(&second, &b, a.sampled())];
    assert!(own > 0, "the root can be used for the model that the sample is of");
    assert!(accepted(&second, &b, b.sampled()) > 0, "without the sample the other would do as well");
    assert_eq!(foreign, 0);
}

#[test]
fn matches_reference_fewest_columns_of_hidden_trees() {
    let world = World::new(&visibility(), &folding(), toy::witness(21), &Outer::new(9));
    for t in world.key.layout.trees.iter().filter(|t| t.sampled) {
        assert!(t.columns >= 3 && t.top.is_some(), "{:?}", t.kind);
    }
    assert_eq!(world.key.layout.trees.iter().filter(|t| t.sampled).count(), 3);
}
