//! Honest witnesses of every relation are accepted in every mode; wrong ones are refused, whoever commits to them.

mod support;

use proveil_protocol::channel::ProofError;
use proveil_prover::{Deviation, ProveError};
use proveil_relation::key::{IoVisibility, ModelVisibility};
use proveil_verifier::VerifyError;
use support::relations::{self, all};
use support::{Case, Mode, forge, setup};

#[test]
fn accepts_every_relation_in_every_mode() {
    use IoVisibility::{Committed, Private, Public};
    for (name, case) in all() {
        for zero_knowledge in [false, true] {
            for (input, output) in [(Public, Public), (Private, Public), (Committed, Committed), (Public, Private)] {
                let mode = Mode { input, output, ..Mode::shown(zero_knowledge) };
                let s = setup(&case, &mode);
                s.verify(&s.honest()).unwrap_or_else(|e| panic!("{name} {zero_knowledge} {input:?} {output:?}: {e}"));
            }
        }
    }
}

#[test]
fn accepts_every_geometry() {
    for (name, case) in all() {
        for zero_knowledge in [false, true] {
            for log_height in [6, 8, 9, 11] {
                let mode = Mode { log_height, model: ModelVisibility::Public, ..Mode::secret(zero_knowledge) };
                let s = setup(&case, &mode);
                s.verify(&s.honest()).unwrap_or_else(|e| panic!("{name} {zero_knowledge} {log_height}: {e}"));
            }
        }
    }
}

/// The check that refuses a proof.
fn refused(result: Result<(), VerifyError>) -> &'static str {
    match result {
        Err(VerifyError::Proof(ProofError::Check { check })) => check,
        other => panic!("{other:?}"),
    }
}

/// With the tuples of the committed cells, no multiplicities make the fractions cancel.
fn refuse_true_tuples(case: &Case, zero_knowledge: bool) {
    let check = refused(forge(case, &Mode::secret(zero_knowledge), Deviation::default()));
    assert_eq!(check, if zero_knowledge { "inner claim" } else { "claims at the common point" });
}

/// With the tuples of an honest witness, the look-ups hold but are not about the committed cells.
fn refuse_honest_tuples(case: &Case, honest: &Case, zero_knowledge: bool) {
    let mode = Mode::secret(zero_knowledge);
    let s = setup(case, &mode);
    let mut witness = honest.witness();
    witness.tensors = case.witness().tensors;
    let proof = s.prove_witness(&witness, honest, Deviation::default()).unwrap();
    let check = refused(s.verify(&proof));
    assert_eq!(check, if zero_knowledge { "inner claim" } else { "products" });
}

macro_rules! wrong_cells {
    ($($name:ident: $case:ident, $tensor:literal, $cell:literal, $by:literal;)*) => {
        $(
            mod $name {
                use super::*;

                fn pair() -> (Case, Case) {
                    let honest = relations::$case();
                    (honest.with($tensor, $cell, $by), honest)
                }

                #[test]
                fn rejects_in_the_clear() {
                    refuse_true_tuples(&pair().0, false);
                }

                #[test]
                fn rejects_when_hidden() {
                    refuse_true_tuples(&pair().0, true);
                }

                #[test]
                fn rejects_with_honest_tuples_in_the_clear() {
                    let (case, honest) = pair();
                    refuse_honest_tuples(&case, &honest, false);
                }

                #[test]
                fn rejects_with_honest_tuples_when_hidden() {
                    let (case, honest) = pair();
                    refuse_honest_tuples(&case, &honest, true);
                }

                #[test]
                fn rejects_as_an_honest_prover() {
                    let s = setup(&pair().0, &Mode::secret(true));
                    let error = s.prove(Deviation::default()).unwrap_err();
                    assert!(matches!(error, ProveError::Unsatisfied { .. }), "{error}");
                }
            }
        )*
    };
}

wrong_cells! {
    dense_remainder_too_high: dense, "r", 0, 1;
    dense_remainder_too_low: dense, "r", 3, -1;
    dense_remainder_out_of_range: dense, "r", 1, 8;
    dense_result_too_high: dense, "z", 0, 1;
    dense_result_too_low: dense, "z", 2, -1;
    dense_input_out_of_range: dense, "x", 4, 64;
    dense_weight: dense, "w1", 19, 1;
    dense_bias: dense, "b1", 2, -1;
    conv_remainder: conv, "r", 13, 1;
    conv_corner: conv, "r", 0, -1;
    conv_result: conv, "z", 26, 1;
    conv_input_out_of_range: conv, "x", 59, 8;
    conv_weight: conv, "w", 17, 1;
    batch_product: batch, "v", 7, 1;
    batch_last_product: batch, "v", 14, -1;
    batch_gate: batch, "g", 4, 1;
    batch_input: batch, "x", 3, 16;
    wide_result: wide, "z", 5, 1;
    wide_first_result: wide, "z", 0, -1;
    wide_input: wide, "x", 2, 5;
    outer_input_above_range: outer, "x", 6, 2;
    outer_input_below_range: outer, "x", 0, -2;
    deep_first_layer: deep3, "z0", 1, 1;
    deep_middle_layer: deep3, "r1", 2, 1;
    deep_last_layer: deep3, "z2", 3, 1;
    gather_cell_too_high: gather, "z", 7, 1;
    gather_cell_of_second_chunk: gather, "z", 29, -1;
    gather_index_too_high: gather, "x", 1, 1;
    gather_index_too_low: gather, "x", 2, -1;
    gather_index_out_of_range: gather, "x", 0, 1;
    gather_index_negative: gather, "x", 1, -1;
    gather_table: gather, "d", 20, 1;
    gather_product_index: gather, "k", 1, 1;
    gather_product_index_out_of_range: gather, "k", 0, 1;
    gather_product: gather, "v", 0, 1;
    gather_product_factor: gather, "w", 4, 1;
}

#[test]
fn rejects_wrong_cells_of_a_committed_input() {
    for zero_knowledge in [false, true] {
        let case = relations::outer().with("x", 0, -3);
        assert!(forge(&case, &Mode::committed(zero_knowledge), Deviation::default()).is_err());
    }
}

#[test]
fn accepts_weights_out_of_range_without_registration() {
    // Ranges of a committed model are shown once, when it is registered; a proof about a layer says nothing of them.
    let mut case = relations::outer();
    case.tensors[0][0] = 1 << 40;
    case.relation.outputs[0].hi = 1 << 41;
    for zero_knowledge in [false, true] {
        assert_eq!(forge(&case, &Mode::secret(zero_knowledge), Deviation::default()), Ok(()));
    }
}

/// Without the look-up that a witness violates, the same witness is accepted; with it, it is refused.
fn refuse_only_by(case: &Case, name: &str) {
    for zero_knowledge in [false, true] {
        let mode = Mode::secret(zero_knowledge);
        assert!(forge(case, &mode, Deviation::default()).is_err());
        let mut without = case.clone();
        without.relation.lookups.retain(|l| l.name != name);
        assert_eq!(forge(&without, &mode, Deviation::default()), Ok(()), "{name}");
    }
}

#[test]
fn rejects_input_only_by_its_range_check() {
    let mut case = relations::outer().with("x", 3, 5);
    case.relation.lookups.push(relations::lookup("w/any", &[9], 1, vec![relations::cells(relations::at(0, &[0]))]));
    case.relation.tables.push(relations::ramp("any", -90, 181));
    refuse_only_by(&case, "x/range");
}

#[test]
fn rejects_remainder_only_by_its_range_check() {
    // One more in the remainder and the quotient of the next multiple of 8: still r + 8 u = acc.
    let honest = relations::dense();
    let cell = (0..4).find(|i| honest.tensors[4][*i] > 0).expect("an active cell");
    let mut case = honest.with("r", cell, 8);
    case.tensors[4][cell] -= 1;
    refuse_only_by(&case, "relu/digit");
}

#[test]
fn rejects_activation_only_by_its_table() {
    refuse_only_by(&relations::dense().with("z", 1, 3), "relu/table");
}

#[test]
fn rejects_products_only_by_their_check() {
    refuse_only_by(&relations::batch().with("v", 2, 1), "v/equal");
}

#[test]
fn rejects_pairs_only_by_their_table() {
    let mut case = relations::wide().with("z", 2, 1);
    case.relation.lookups.push(relations::lookup("z/any", &[6], 1, vec![relations::cells(relations::at(1, &[0]))]));
    case.relation.tables.push(relations::ramp("any", -90, 181));
    refuse_only_by(&case, "pair");
}

#[test]
fn rejects_a_row_mixed_of_two() {
    // The first half of row 0 with the second half of row 1: every cell occurs in the table, in its own column.
    let mut case = relations::gather();
    let (d, z) = (case.tensors[0].clone(), case.tensor("z"));
    case.tensors[z][6 + 3..12].copy_from_slice(&d[6 + 3..12]);
    for zero_knowledge in [false, true] {
        refuse_true_tuples(&case, zero_knowledge);
        refuse_honest_tuples(&case, &relations::gather(), zero_knowledge);
    }
    refuse_only_by(&case, "z/row");
}

/// Refused whatever the prover does to the multiplicities of the table of committed rows.
fn refuse_counts(case: &Case, alter: fn(&mut Vec<i64>)) {
    for zero_knowledge in [false, true] {
        let counts = |counts: &mut Vec<Vec<i64>>| alter(&mut counts[1]);
        let result = forge(
            case,
            &Mode::secret(zero_knowledge),
            Deviation { multiplicities: Some(&counts), ..Deviation::default() },
        );
        assert_eq!(refused(result), if zero_knowledge { "inner claim" } else { "claims at the common point" });
    }
}

#[test]
fn rejects_forged_multiplicities_of_committed_rows() {
    let honest = relations::gather();
    refuse_counts(&honest, |m| m[0] += 1);
    // A look-up counted at another row, and more and less of two rows that cancel in number.
    refuse_counts(&honest, |m| (m[0], m[1]) = (m[0] - 1, m[1] + 1));
    refuse_counts(&honest, |m| (m[2], m[5]) = (m[2] + 7, m[5] - 7));
    refuse_counts(&honest, |m| m.fill(0));
    // A wrong cell, counted at the row of its number or nowhere.
    let wrong = honest.with("z", 0, 1);
    refuse_counts(&wrong, |m| m[9] += 1);
    refuse_counts(&wrong, |m| m[9] -= 1);
}
