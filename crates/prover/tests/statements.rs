//! Proofs held against another statement or another key: swapped outputs, inputs, models and architectures.

mod support;

use proveil_algebra::{E, PrimeCharacteristicRing};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::sample::Sampled;
use proveil_prover::{Deviation, Proof};
use proveil_relation::key::{Epoch, IoValue, IoVisibility, ModelVisibility, Statement, VerifyingKey, Visibility};
use proveil_relation::table::{Column, Part, Rows};
use proveil_verifier::{PreparedKey, StatementError, VerifyError, verify};
use support::{Case, Mode, Setup, dense_proof, relations, setup, setup_with};

/// The proof is refused for a changed statement, by its own equations or by the statement's check.
fn refuse_statement(s: &Setup, proof: &Proof, change: impl Fn(&mut Statement)) -> VerifyError {
    let mut statement = proof.statement.clone();
    change(&mut statement);
    assert_ne!(statement, proof.statement, "the change does nothing");
    verify(&s.key, &statement, &proof.bytes).expect_err("the statement must be refused")
}

fn public(values: &mut [IoValue]) -> &mut Vec<i64> {
    let IoValue::Public(v) = &mut values[0] else { panic!("public values") };
    v
}

fn is_proof_error(e: &VerifyError) -> bool {
    matches!(e, VerifyError::Proof(_))
}

fn shown(zero_knowledge: bool) -> (Setup, Proof) {
    let s = setup(&relations::dense(), &Mode::shown(zero_knowledge));
    let p = s.honest();
    (s, p)
}

fn committed(zero_knowledge: bool) -> (Setup, Proof) {
    let s = setup(&relations::dense(), &Mode::committed(zero_knowledge));
    let p = s.honest();
    (s, p)
}

/// A change of the statement, in the clear and hidden.
macro_rules! changed_statements {
    ($($name:ident: $setup:ident, $kind:pat, $change:expr;)*) => {
        $(
            mod $name {
                use super::*;

                fn refuse(zero_knowledge: bool) {
                    let (s, p) = $setup(zero_knowledge);
                    let change: fn(&mut Statement) = $change;
                    let error = refuse_statement(&s, &p, change);
                    assert!(matches!(&error, $kind), "{error:?}");
                }

                #[test]
                fn rejects_in_the_clear() {
                    refuse(false);
                }

                #[test]
                fn rejects_when_hidden() {
                    refuse(true);
                }
            }
        )*
    };
}

/// A commitment that nobody made.
fn somewhere() -> Sampled {
    Sampled::binding(Commitment { root: [1; 32], nonce: [2; 32] })
}

use StatementError as S;
use VerifyError::{Proof as P, Statement as T};

changed_statements! {
    output_first_cell_plus_one: shown, P(_), |s| public(&mut s.outputs)[0] += 1;
    output_first_cell_minus_one: shown, P(_), |s| public(&mut s.outputs)[0] -= 1;
    output_last_cell_plus_one: shown, P(_), |s| public(&mut s.outputs)[2] += 1;
    output_sign: shown, P(_), |s| public(&mut s.outputs).iter_mut().for_each(|v| *v = -*v - 1);
    output_all_zero: shown, P(_), |s| public(&mut s.outputs).fill(0);
    output_permuted: shown, P(_), |s| public(&mut s.outputs).rotate_left(1);
    output_above_range: shown, T(S::OutOfRange { .. }), |s| public(&mut s.outputs)[1] = 100_001;
    output_below_range: shown, T(S::OutOfRange { .. }), |s| public(&mut s.outputs)[1] = -100_001;
    output_that_wraps_the_field: shown, T(S::OutOfRange { .. }),
        |s| { let v = public(&mut s.outputs); v[0] = v[0].wrapping_add(0xffff_ffff_0000_0001_u64 as i64) };
    output_smallest_integer: shown, T(S::OutOfRange { .. }), |s| public(&mut s.outputs)[0] = i64::MIN;
    output_too_short: shown, T(S::Length { .. }), |s| public(&mut s.outputs).truncate(2);
    output_too_long: shown, T(S::Length { .. }), |s| public(&mut s.outputs).push(0);
    output_empty: shown, T(S::Length { .. }), |s| public(&mut s.outputs).clear();
    output_hidden: shown, T(S::Visibility { .. }), |s| s.outputs[0] = IoValue::Private;
    output_as_commitment: shown, T(S::Visibility { .. }), |s| s.outputs[0] = IoValue::Committed(somewhere());
    output_missing: shown, T(S::Count { .. }), |s| s.outputs.clear();
    output_twice: shown, T(S::Count { .. }), |s| s.outputs.push(s.outputs[0].clone());
    input_first_cell: shown, P(_), |s| { let v = public(&mut s.inputs); v[0] = if v[0] < 7 { v[0] + 1 } else { v[0] - 1 } };
    input_last_cell: shown, P(_), |s| { let v = public(&mut s.inputs); v[4] = if v[4] < 7 { v[4] + 1 } else { v[4] - 1 } };
    input_permuted: shown, P(_), |s| public(&mut s.inputs).rotate_left(2);
    input_all_zero: shown, P(_), |s| public(&mut s.inputs).fill(0);
    input_above_range: shown, T(S::OutOfRange { .. }), |s| public(&mut s.inputs)[0] = 8;
    input_below_range: shown, T(S::OutOfRange { .. }), |s| public(&mut s.inputs)[0] = -9;
    input_largest_integer: shown, T(S::OutOfRange { .. }), |s| public(&mut s.inputs)[0] = i64::MAX;
    input_too_short: shown, T(S::Length { .. }), |s| public(&mut s.inputs).truncate(4);
    input_too_long: shown, T(S::Length { .. }), |s| public(&mut s.inputs).extend([0; 1000]);
    input_hidden: shown, T(S::Visibility { .. }), |s| s.inputs[0] = IoValue::Private;
    input_missing: shown, T(S::Count { .. }), |s| s.inputs.clear();
    inputs_and_outputs_exchanged: shown, T(S::Length { .. }), |s| std::mem::swap(&mut s.inputs, &mut s.outputs);
    context_changed: shown, P(_), |s| s.context = b"tesu".to_vec();
    context_empty: shown, P(_), |s| s.context.clear();
    context_extended: shown, P(_), |s| s.context.push(0);
    epoch_that_nobody_set: shown, T(S::Epoch { expected: None, got: Some(1) }),
        |s| s.epoch = Some(Epoch { number: 1, model: somewhere() });
    input_root: committed, P(_), |s| { let IoValue::Committed(c) = &mut s.inputs[0] else { return }; c.commitment.root[0] ^= 1 };
    input_nonce: committed, P(_), |s| { let IoValue::Committed(c) = &mut s.inputs[0] else { return }; c.commitment.nonce[31] ^= 128 };
    input_without_nonce: committed, P(_), |s| { let IoValue::Committed(c) = &mut s.inputs[0] else { return }; c.commitment.nonce = [0; 32] };
    input_sample: committed, P(_), |s| { let IoValue::Committed(c) = &mut s.inputs[0] else { return }; c.value += E::ONE };
    output_root: committed, P(_), |s| { let IoValue::Committed(c) = &mut s.outputs[0] else { return }; c.commitment.root[7] ^= 1 };
    output_nonce: committed, P(_), |s| { let IoValue::Committed(c) = &mut s.outputs[0] else { return }; c.commitment.nonce[0] ^= 1 };
    output_sample: committed, P(_), |s| { let IoValue::Committed(c) = &mut s.outputs[0] else { return }; c.value = -c.value };
    commitments_exchanged: committed, P(_), |s| std::mem::swap(&mut s.inputs[0], &mut s.outputs[0]);
    committed_input_hidden: committed, T(S::Visibility { .. }), |s| s.inputs[0] = IoValue::Private;
    committed_output_shown: committed, T(S::Visibility { .. }), |s| s.outputs[0] = IoValue::Public(vec![0; 3]);
}

/// A proof under one key held against a key that was changed afterwards.
macro_rules! changed_keys {
    ($($name:ident: $change:expr;)*) => {
        $(
            mod $name {
                use super::*;

                fn refuse(zero_knowledge: bool) {
                    let (s, p) = dense_proof(zero_knowledge);
                    let mut key = s.key.key.clone();
                    let change: fn(&mut VerifyingKey) = $change;
                    change(&mut key);
                    let key = PreparedKey::new(key);
                    assert_ne!(key.digest, s.key.digest, "every part of the key is in its digest");
                    assert!(verify(&key, &p.statement, &p.bytes).is_err());
                }

                #[test]
                fn rejects_in_the_clear() {
                    refuse(false);
                }

                #[test]
                fn rejects_when_hidden() {
                    refuse(true);
                }
            }
        )*
    };
}

/// The parts of a table of public rows.
fn parts(k: &mut VerifyingKey, table: usize) -> &mut Vec<Part> {
    let Rows::Public(parts) = &mut k.relation.tables[table].rows else { panic!("public rows") };
    parts
}

changed_keys! {
    key_with_another_table_value: |k| {
        let Column::Values(v) = &mut parts(k, 2)[1].columns[1] else { return };
        v[30] += 1;
    };
    key_with_another_table_start: |k| parts(k, 0)[0].columns[0] = Column::Ramp(-7);
    key_with_a_longer_table: |k| parts(k, 1)[0].len = 9;
    key_with_another_shape: |k| k.relation.tensors[3].shape = vec![2, 2];
    key_with_another_coefficient: |k| k.relation.lookups[2].tuple[0].products[0].coef.num = 3;
    key_with_another_constant: |k| k.relation.outputs[0].expr.constant.num = 8;
    key_without_a_lookup: |k| drop(k.relation.lookups.remove(1));
    key_without_the_bias: |k| drop(k.relation.lookups[2].tuple[0].linear.remove(0));
    key_with_another_table_in_a_lookup: |k| k.relation.lookups[1].table = 0;
    key_with_operands_exchanged: |k| {
        let p = &mut k.relation.outputs[0].expr.products[0];
        std::mem::swap(&mut p.lhs, &mut p.rhs);
    };
    key_with_another_output_range: |k| k.relation.outputs[0].hi += 1;
    key_with_another_name: |k| k.relation.tensors[0].name.push('x');
    key_with_another_meta: |k| k.meta.push(1);
    key_with_another_model: |k| k.model.as_mut().unwrap().commitment.root[0] ^= 1;
    key_with_another_model_nonce: |k| k.model.as_mut().unwrap().commitment.nonce[9] ^= 1;
    key_with_another_model_sample: |k| k.model.as_mut().unwrap().value += E::ONE;
    key_with_higher_columns: |k| k.geometry.log_height = 8;
    key_with_more_random_cells: |k| k.geometry.trace_top = 64;
    key_with_another_model_top: |k| k.geometry.model_top = 64;
    key_with_other_committed_heights: |k| k.geometry.inputs[0] = 7;
    key_with_another_target: |k| k.params.security_bits = 39;
    key_with_less_grinding: |k| k.params.grinding_bits = 1;
    key_with_another_rate: |k| k.params.log_inv_rate = 2;
    key_with_another_combination_rate: |k| k.params.combination_log_inv_rate = 5;
    key_with_another_fold: |k| k.params.first_fold = 3;
    key_with_another_final_size: |k| k.params.final_log_size = 5;
    key_with_another_pad_rate: |k| k.params.pad_log_inv_rate = 3;
    key_with_the_other_mode: |k| k.visibility.zero_knowledge = !k.visibility.zero_knowledge;
    key_with_a_public_model: |k| k.visibility.model = ModelVisibility::Public;
    key_with_a_public_input: |k| k.visibility.inputs[0] = IoVisibility::Public;
    key_with_a_private_output: |k| k.visibility.outputs[0] = IoVisibility::Private;
}

/// Another model of the same shape.
fn other_weights() -> Case {
    let mut case = relations::dense();
    case.tensors[5].iter_mut().for_each(|w| *w = -*w + 1);
    case
}

#[test]
fn rejects_model_swap() {
    for zero_knowledge in [false, true] {
        let honest = setup(&relations::dense(), &Mode::shown(zero_knowledge));
        let other = setup(&other_weights(), &Mode::shown(zero_knowledge));
        let p = other.honest();
        other.verify(&p).unwrap();
        assert!(is_proof_error(&verify(&honest.key, &p.statement, &p.bytes).unwrap_err()));
        // The other model's tree and witness, proved under the honest key's name.
        let cheat = Setup { key: honest.key.clone(), ..other };
        let p = cheat.honest();
        assert!(is_proof_error(&honest.verify(&p).unwrap_err()));
        // The honest model's tree below the other model's witness.
        let p = honest.prove_witness(&cheat.case.witness(), &cheat.case, Deviation::default()).unwrap();
        assert!(is_proof_error(&honest.verify(&p).unwrap_err()));
    }
}

#[test]
fn rejects_model_swap_by_epoch() {
    for zero_knowledge in [false, true] {
        let honest = setup(&relations::dense(), &Mode::shown(zero_knowledge));
        let other = setup(&other_weights(), &Mode::shown(zero_knowledge));
        let epoch = Epoch { number: 1, model: other.model.as_ref().unwrap().sampled() };
        // The thief's prover names its own root as a refresh.
        let cheat = Setup { key: honest.key.clone().with_epoch(epoch.clone()), ..other };
        let p = cheat.honest();
        cheat.verify(&p).expect("nothing but the caller's consent stands against a root of another model");
        let error = honest.verify(&p).unwrap_err();
        assert_eq!(error, VerifyError::Statement(StatementError::Epoch { expected: None, got: Some(1) }));
        // Another root or number than those in force.
        let mut next = epoch.clone();
        next.number = 2;
        let next = honest.key.clone().with_epoch(next);
        assert!(verify(&next, &p.statement, &p.bytes).is_err());
        assert!(verify(&next, &honest.statement(), &honest.honest().bytes).is_err());
        let mut root = epoch;
        root.model.commitment.root[0] ^= 1;
        assert!(verify(&honest.key.clone().with_epoch(root), &p.statement, &p.bytes).is_err());
    }
}

#[test]
fn rejects_input_swap() {
    for zero_knowledge in [false, true] {
        let mode = Mode::committed(zero_knowledge);
        let honest = setup(&relations::outer(), &mode);
        let mut case = relations::outer();
        case.tensors[1] = case.tensors[1].iter().map(|x| 1 - x).collect();
        let other = setup(&case, &mode);
        assert_eq!(honest.key.digest, other.key.digest);
        let p = other.honest();
        other.verify(&p).unwrap();
        let mut statement = p.statement.clone();
        statement.inputs = honest.statement().inputs;
        assert!(verify(&honest.key, &statement, &p.bytes).is_err());
        // The honest input's commitment and tree below another input's witness.
        let mixed = Setup { inputs: honest.inputs.clone(), ..other };
        assert!(honest.verify(&mixed.honest()).is_err());
    }
}

#[test]
fn rejects_architecture_swap() {
    let cases = relations::all();
    for zero_knowledge in [false, true] {
        let made: Vec<(Setup, Proof)> = cases
            .iter()
            .map(|(_, c)| setup(c, &Mode::secret(zero_knowledge)))
            .map(|s| {
                let p = s.honest();
                (s, p)
            })
            .collect();
        for (i, (s, _)) in made.iter().enumerate() {
            for (_, p) in made.iter().enumerate().filter(|(j, _)| *j != i).map(|x| x.1) {
                assert!(s.verify(p).is_err());
            }
        }
    }
}

#[test]
fn rejects_another_activation_of_the_same_shape() {
    for zero_knowledge in [false, true] {
        let mode = Mode::shown(zero_knowledge);
        let honest = setup(&relations::dense(), &mode);
        // Leaky: negative values map to -1.
        let mut case = relations::dense();
        let Rows::Public(parts) = &mut case.relation.tables[2].rows else { panic!("public rows") };
        parts[0].columns[1] = Column::Constant(-1);
        case.tensors[4].iter_mut().for_each(|z| *z = if *z == 0 { -1 } else { *z });
        let other = setup(&case, &mode);
        if let Ok(p) = other.prove(Deviation::default()) {
            assert!(verify(&honest.key, &p.statement, &p.bytes).is_err());
        }
        let p = other.prove(Deviation { forgive: true, ..Deviation::default() }).unwrap();
        assert!(verify(&honest.key, &p.statement, &p.bytes).is_err());
    }
}

#[test]
fn rejects_proof_of_one_output_for_every_other() {
    let (s, p) = shown(false);
    for cell in 0..3 {
        for by in [-1, 1, 2, -1000] {
            refuse_statement(&s, &p, |s| public(&mut s.outputs)[cell] += by);
        }
    }
}

#[test]
fn rejects_exchanged_outputs_of_a_model_of_two() {
    for zero_knowledge in [false, true] {
        let mut case = relations::dense();
        let mut second = case.relation.outputs[0].clone();
        second.name = "y2".into();
        second.expr.constant.num = 9;
        case.relation.outputs.push(second);
        let s = setup(&case, &Mode::shown(zero_knowledge));
        let p = s.honest();
        s.verify(&p).unwrap();
        assert!(is_proof_error(&refuse_statement(&s, &p, |s| s.outputs.swap(0, 1))));
        // Errors that cancel between the outputs.
        assert!(is_proof_error(&refuse_statement(&s, &p, |s| {
            support::change_output(s, 0, 0, 1);
            support::change_output(s, 1, 0, -1);
        })));
        // The same as a prover who knows of them.
        let mut statement = p.statement.clone();
        support::change_output(&mut statement, 0, 0, 1);
        support::change_output(&mut statement, 1, 0, -1);
        let forged = s.prove(Deviation { statement: Some(&statement), ..Deviation::default() }).unwrap();
        assert!(s.verify(&forged).is_err());
    }
}

#[test]
fn accepts_the_same_key_read_from_bytes() {
    for zero_knowledge in [false, true] {
        let (s, p) = dense_proof(zero_knowledge);
        let key = PreparedKey::new(VerifyingKey::decode(&s.key.key.encode()).unwrap());
        let statement = Statement::decode(&p.statement.encode()).unwrap();
        verify(&key, &statement, &p.bytes).unwrap();
    }
}

#[test]
fn rejects_statement_bytes_that_are_not_canonical() {
    let bytes = dense_proof(false).1.statement.encode();
    for n in 0..bytes.len() {
        assert!(Statement::decode(&bytes[..n]).is_err());
    }
    assert!(Statement::decode(&[&bytes[..], &[0]].concat()).is_err());
    let mut rng = support::Rng(9);
    for _ in 0..5000 {
        let mut b = bytes.clone();
        let at = rng.below(b.len());
        b[at] = rng.below(256) as u8;
        if let Ok(other) = Statement::decode(&b) {
            assert_eq!(other.encode(), b);
            // Whatever it says, holding the proof against it neither passes nor panics.
            let (s, p) = dense_proof(false);
            assert!(b == bytes || verify(&s.key, &other, &p.bytes).is_err());
        }
    }
}

#[test]
fn rejects_hostile_keys_without_panicking() {
    let mut rng = support::Rng(10);
    for (name, case) in relations::all() {
        let s = setup(&case, &Mode::committed(true));
        let p = s.honest();
        let bytes = s.key.key.encode();
        let mut tried = 0;
        for _ in 0..1000 {
            let mut b = bytes.clone();
            for _ in 0..1 + rng.below(2) {
                let at = rng.below(b.len());
                b[at] = if rng.below(2) == 0 { rng.below(256) as u8 } else { b[at] ^ (1 << rng.below(8)) };
            }
            let Ok(key) = VerifyingKey::decode(&b) else { continue };
            if b != bytes {
                tried += 1;
                assert!(verify(&PreparedKey::new(key), &p.statement, &p.bytes).is_err());
            }
        }
        assert!(tried > 20, "{name}: {tried}");
    }
}

#[test]
fn rejects_statements_of_a_key_without_its_model() {
    let (s, p) = dense_proof(true);
    let mut key = s.key.key.clone();
    key.model = None;
    let error = verify(&PreparedKey::new(key), &p.statement, &p.bytes).unwrap_err();
    assert!(matches!(error, VerifyError::Statement(StatementError::Model { .. })));
}

#[test]
fn rejects_visibility_of_another_key() {
    for zero_knowledge in [false, true] {
        let s = setup_with(&relations::dense(), &Mode::secret(zero_knowledge), |_| {});
        let p = s.honest();
        for input in [IoVisibility::Public, IoVisibility::Committed] {
            let v = Visibility { inputs: vec![input], ..s.key.key.visibility.clone() };
            let key = PreparedKey::new(VerifyingKey { visibility: v, ..s.key.key.clone() });
            let error = verify(&key, &p.statement, &p.bytes).unwrap_err();
            assert!(matches!(error, VerifyError::Statement(StatementError::Visibility { .. })));
        }
    }
}
