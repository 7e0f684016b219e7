//! Executable checks of zero knowledge: a simulator, the explanation of proofs by other witnesses, and freshness.

mod counted;
mod explain;
mod explained;
mod fresh;
mod refreshed;
mod registered;
mod replay;
mod sampled;
mod simulator;
mod toy;

use proveil_protocol::merkle::Commitment;
use proveil_protocol::sample::Sampled;
use proveil_prover::coins::Coins;
use proveil_prover::{Deviation, prove, prove_with};
use proveil_relation::key::{IoValue, IoVisibility, ModelVisibility, Statement, VerifyingKey, Visibility};
use proveil_verifier::{begin, verify, verify_with};

use simulator::{script, simulate};
use toy::{Outer, World, bare_key, folding, in_the_clear, visibilities};

/// The statement of a visibility, from public data alone.
fn statement(v: &Visibility, input: &[i64], output: &[i64]) -> Statement {
    let io = |v: IoVisibility, values: &[i64]| match v {
        IoVisibility::Public => IoValue::Public(values.to_vec()),
        IoVisibility::Private => IoValue::Private,
        IoVisibility::Committed => IoValue::Committed(Sampled::binding(Commitment::plain([0; 32]))),
    };
    Statement { inputs: vec![io(v.inputs[0], input)], outputs: vec![io(v.outputs[0], output)], ..Statement::default() }
}

#[test]
fn accepts_simulated_proofs_of_every_visibility() {
    for params in [folding(), in_the_clear()] {
        for (i, v) in visibilities().into_iter().enumerate() {
            let key = bare_key(&v, &params);
            let st = statement(&v, &[1, -2, 3, -4, 5, -6], &[9, -4, 70_000]);
            let s = simulate(key, st, None, i as u8);
            let accepted = verify_with(&s.key, &s.statement, &s.proof, script(&s.script));
            accepted.unwrap_or_else(|e| panic!("{v:?}: {e}"));
            // Only the programmed oracle makes it pass.
            assert!(verify(&s.key, &s.statement, &s.proof).is_err());
            // And it is of its statement: another public value falsifies an equation.
            if v.outputs[0] == IoVisibility::Public {
                let outputs = vec![IoValue::Public(vec![9, -4, 70_001])];
                let other = Statement { outputs, ..s.statement.clone() };
                assert!(verify_with(&s.key, &other, &s.proof, script(&s.script)).is_err());
            }
        }
    }
}

#[test]
fn accepts_simulated_proofs_on_a_public_model() {
    for (i, v) in visibilities().into_iter().enumerate() {
        let v = Visibility { model: ModelVisibility::Public, ..v };
        let world = World::new(&v, &folding(), toy::witness(3), &Outer::new(1));
        let st = statement(&v, &[1, 2, 3, 4, 5, 6], &[1, 2, 3]);
        let model = &world.model.as_ref().unwrap().tree;
        let s = simulate(world.key.key.clone(), st, Some(model), i as u8);
        assert_eq!(s.key.key.model, world.key.key.model);
        verify_with(&s.key, &s.statement, &s.proof, script(&s.script)).unwrap_or_else(|e| panic!("{v:?}: {e}"));
    }
}

#[test]
fn matches_reference_length_of_honest_proofs_on_the_simulators_challenges() {
    for (i, v) in visibilities().into_iter().enumerate() {
        let world = World::new(&v, &folding(), toy::witness(4), &Outer::new(2));
        let st = statement(&v, &world.witness.tensors[2], &world.witness.outputs[0]);
        let s = simulate(world.key.key.clone(), st, None, i as u8);
        let oracle = script(&s.script);
        let deviation = Deviation { transcript: Some(&oracle), ..Deviation::default() };
        let coins = Coins::from_seed([3; 32], &[]);
        let proof = prove_with(&world.key, &world.witness, &world.inputs(), &coins, deviation).unwrap();
        verify_with(&world.key, &proof.statement, &proof.bytes, script(&s.script)).unwrap();
        assert_eq!(proof.bytes.len(), s.proof.len(), "{v:?}");
    }
}

#[test]
fn rejects_simulated_openings_of_a_foreign_commitment() {
    let v = toy::hiding(IoVisibility::Private, IoVisibility::Public);
    let world = World::new(&v, &folding(), toy::witness(5), &Outer::new(3));
    let s = simulate(world.key.key.clone(), statement(&v, &[], &[9, -4, 5]), None, 7);
    let foreign: Option<Sampled> = world.key.key.model;
    let key = proveil_verifier::PreparedKey::new(VerifyingKey { model: foreign, ..s.key.key.clone() });
    let refused = verify_with(&key, &s.statement, &s.proof, script(&s.script)).unwrap_err();
    assert!(refused.to_string().contains("not those of the committed root"), "{refused}");
}

#[test]
fn accepts_replayed_honest_proofs() {
    let v = toy::hiding(IoVisibility::Committed, IoVisibility::Committed);
    let world = World::new(&v, &folding(), toy::witness(6), &Outer::new(4));
    let proof = prove(&world.key, &world.witness, &world.inputs()).unwrap();
    let start = begin(&world.key.digest, &proof.statement);
    let drawn = replay::challenges(&world.key, &proof.statement, &proof.bytes, start).unwrap();
    assert_eq!(drawn.rows.len(), world.key.layout.heights.len());
    let parts = replay::Parts::new(&world.key, &proof);
    assert_eq!(parts.padded.len(), world.key.shape().messages);
    assert_eq!(parts.pad_rows.len(), drawn.pad_rows.len());
}
