//! Provers that deviate from the protocol: altered messages, multiplicities, helpers and columns.

mod support;

use std::cell::{Cell, RefCell};

use proveil_algebra::{E, F, PrimeCharacteristicRing, base_from_i64};
use proveil_protocol::channel::ProofError;
use proveil_prover::{Deviation, Proof};
use proveil_relation::layout::TreeKind;
use proveil_verifier::VerifyError;
use support::{Case, Mode, Rng, Setup, forge, relations, setup};

/// The check that refuses what a deviating prover makes of an honest witness.
fn refused(zero_knowledge: bool, deviation: Deviation<'_>) -> &'static str {
    match forge(&relations::dense(), &Mode::secret(zero_knowledge), deviation) {
        Err(VerifyError::Proof(ProofError::Check { check })) => check,
        other => panic!("{other:?}"),
    }
}

/// One test for each message: it is altered, everything else follows the protocol on the altered transcript.
macro_rules! altered_messages {
    ($($name:ident: $label:literal, $nth:literal, $check:literal;)*) => {
        $(
            mod $name {
                use super::*;

                fn refuse(zero_knowledge: bool) -> &'static str {
                    let (seen, hits) = (Cell::new(0), Cell::new(0));
                    let cheat = |label: &str, _: usize, x: E| {
                        if label != $label {
                            return x;
                        }
                        seen.set(seen.get() + 1);
                        if seen.get() != $nth + 1 {
                            return x;
                        }
                        hits.set(hits.get() + 1);
                        x + E::from_u64(3)
                    };
                    let check = refused(zero_knowledge, Deviation { cheat: Some(&cheat), ..Deviation::default() });
                    assert_eq!(hits.get(), 1, "the message was never sent");
                    check
                }

                #[test]
                fn rejects_in_the_clear() {
                    assert_eq!(refuse(false), $check);
                }

                #[test]
                fn rejects_when_hidden() {
                    assert_eq!(refuse(true), "inner claim");
                }
            }
        )*
    };
}

altered_messages! {
    // The running claim stays consistent with the first message of a round whatever it is: s(1) is derived.
    lookup_round_value_at_zero: "look-up round", 0, "look-up zerocheck";
    lookup_round_value_at_two: "look-up round", 1, "look-up zerocheck";
    lookup_round_value_at_three: "look-up round", 2, "look-up zerocheck";
    lookup_second_round: "look-up round", 3, "look-up zerocheck";
    helper: "helper", 0, "look-up zerocheck";
    denominator_0: "denominator 0", 0, "product of denominators";
    denominator_1: "denominator 1", 0, "product of denominators";
    numerator_0: "numerator 0", 0, "look-up zerocheck";
    numerator_1: "numerator 1", 0, "look-up zerocheck";
    denominators: "denominators", 0, "product of denominators";
    product_round_value_at_zero: "product round", 0, "products";
    product_round_value_at_two: "product round", 1, "products";
    product_second_round: "product round", 2, "products";
    left_operand: "left operand", 0, "products";
    right_operand: "right operand", 0, "products";
    claim_round_value_at_zero: "claim round", 0, "claims at the common point";
    claim_round_value_at_two: "claim round", 1, "claims at the common point";
    claim_last_round: "claim round", 13, "claims at the common point";
    first_column: "column", 0, "claims at the common point";
    second_column: "column", 1, "claims at the common point";
}

#[test]
fn rejects_altered_mask_value() {
    let cheat = |label: &str, _: usize, x: E| if label == "mask" { x + E::ONE } else { x };
    assert_eq!(refused(true, Deviation { cheat: Some(&cheat), ..Deviation::default() }), "inner claim");
}

/// Two column values altered so that phase 3's last equation still holds.
fn shifted_columns(s: &Setup) -> Proof {
    // Weights of the columns are fixed by the transcript up to them, so they can be measured first: the equation is
    // linear in the values, and the columns of the helper tree have the same weight in every proof.
    let columns = RefCell::new(Vec::new());
    let watch = |label: &str, _: usize, x: E| {
        if label == "column" {
            columns.borrow_mut().push(x);
        }
        x
    };
    s.prove(Deviation { cheat: Some(&watch), ..Deviation::default() }).unwrap();
    // A column that no claim reads at this point would have weight zero; here two values are swapped instead.
    let (values, at) = (columns.into_inner(), Cell::new(0));
    let swap = |label: &str, _: usize, x: E| {
        if label != "column" {
            return x;
        }
        let i = at.replace(at.get() + 1);
        match i {
            0 => values[1],
            1 => values[0],
            _ => x,
        }
    };
    s.prove(Deviation { cheat: Some(&swap), ..Deviation::default() }).unwrap()
}

#[test]
fn rejects_swapped_column_values() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        assert!(matches!(s.verify(&shifted_columns(&s)), Err(VerifyError::Proof(ProofError::Check { .. }))));
    }
}

macro_rules! multiplicities {
    ($($name:ident: $change:expr;)*) => {
        $(
            mod $name {
                use super::*;

                fn refuse(case: &Case, zero_knowledge: bool) {
                    let change: fn(&mut Vec<Vec<i64>>) = $change;
                    let d = Deviation { multiplicities: Some(&change), ..Deviation::default() };
                    let error = forge(case, &Mode::secret(zero_knowledge), d).unwrap_err();
                    let check = if zero_knowledge { "inner claim" } else { "claims at the common point" };
                    assert_eq!(error, VerifyError::Proof(ProofError::Check { check }));
                }

                #[test]
                fn rejects_in_the_clear() {
                    refuse(&relations::dense(), false);
                    refuse(&relations::conv(), false);
                }

                #[test]
                fn rejects_when_hidden() {
                    refuse(&relations::dense(), true);
                    refuse(&relations::conv(), true);
                }

                #[test]
                fn rejects_for_a_wrong_witness() {
                    refuse(&relations::dense().with("z", 0, 1), false);
                    refuse(&relations::dense().with("z", 0, 1), true);
                }
            }
        )*
    };
}

multiplicities! {
    one_too_many: |m| m[0][0] += 1;
    one_too_few: |m| m[2][0] -= 1;
    negated: |m| m.iter_mut().flatten().for_each(|v| *v = -*v);
    all_zero: |m| m.iter_mut().flatten().for_each(|v| *v = 0);
    moved_to_the_next_row: |m| m[1].rotate_right(1);
    moved_to_another_table: |m| {
        let from = m[0].iter().position(|v| *v > 0).unwrap();
        m[0][from] -= 1;
        m[1][0] += 1;
    };
    huge: |m| m[0][3] = i64::MAX;
    wrapped_to_minus_one: |m| m[2][5] = -1;
    doubled: |m| m.iter_mut().flatten().for_each(|v| *v *= 2);
}

/// Forged helpers: cells that do not solve the zerocheck, or do not sum to zero.
macro_rules! helpers {
    ($($name:ident: $change:expr, $check:literal;)*) => {
        $(
            mod $name {
                use super::*;

                fn refuse(case: &Case, zero_knowledge: bool) -> VerifyError {
                    let change: fn(&mut Vec<E>) = $change;
                    let helper = |_: E, _: E, h: &mut Vec<E>| change(h);
                    let d = Deviation { helper: Some(&helper), ..Deviation::default() };
                    forge(case, &Mode::secret(zero_knowledge), d).unwrap_err()
                }

                #[test]
                fn rejects_in_the_clear() {
                    let error = refuse(&relations::dense(), false);
                    assert_eq!(error, VerifyError::Proof(ProofError::Check { check: $check }));
                }

                #[test]
                fn rejects_when_hidden() {
                    let error = refuse(&relations::dense(), true);
                    assert_eq!(error, VerifyError::Proof(ProofError::Check { check: "inner claim" }));
                }

                #[test]
                fn rejects_for_a_wrong_witness() {
                    for zero_knowledge in [false, true] {
                        refuse(&relations::dense().with("r", 1, 1), zero_knowledge);
                    }
                }
            }
        )*
    };
}

helpers! {
    helper_cell_too_high: |h| h[0] += E::ONE, "look-up zerocheck";
    helper_moved_between_cells: |h| { h[3] += E::ONE; h[4] -= E::ONE }, "look-up zerocheck";
    helper_all_zero: |h| h.fill(E::ZERO), "look-up zerocheck";
    helper_rotated: |h| h.rotate_left(1), "look-up zerocheck";
    helper_doubled: |h| h.iter_mut().for_each(|x| *x += *x), "look-up zerocheck";
    helper_with_the_sum_taken_away: |h| { let s = h.iter().fold(E::ZERO, |a, x| a + *x); h[1] -= s + E::ONE; h[2] += E::ONE }, "look-up zerocheck";
}

#[test]
fn rejects_other_helper_cells_than_those_proved() {
    for zero_knowledge in [false, true] {
        let change = |c: &mut Vec<Vec<E>>| c[0][0] += E::ONE;
        let check = refused(zero_knowledge, Deviation { helper_columns: Some(&change), ..Deviation::default() });
        assert_eq!(check, if zero_knowledge { "inner claim" } else { "claims at the common point" });
    }
}

#[test]
fn rejects_other_trace_cells_than_those_proved() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let trace = s.key.layout.trees.iter().position(|t| t.kind == TreeKind::Trace).unwrap();
        // Every cell that holds a tensor's cell is read by some claim.
        for placed in s.key.layout.tensors.iter().filter(|p| p.tree == Some(trace)) {
            let at = placed.segments[0];
            let change = |kind: TreeKind, c: &mut Vec<Vec<F>>| {
                if kind == TreeKind::Trace {
                    c[at.column][at.start] += F::ONE;
                }
            };
            let p = s.prove(Deviation { columns: Some(&change), ..Deviation::default() }).unwrap();
            assert!(s.verify(&p).is_err(), "{at:?}");
        }
    }
}

/// Cells of a tree's columns that hold no tensor cell, below the random ones.
fn unused(s: &Setup, tree: usize) -> Vec<(usize, usize)> {
    let layout = &s.key.layout;
    let plan = &layout.trees[tree];
    let height = 1usize << layout.heights[plan.group];
    let room = height - plan.top.unwrap_or(0);
    let mut used = vec![vec![false; room]; plan.columns];
    for p in layout.tensors.iter().filter(|p| p.tree == Some(tree)) {
        proveil_prover::columns::for_runs(p, |column, at, _, len| used[column][at..at + len].fill(true));
    }
    let free = |(c, u): (usize, &Vec<bool>)| {
        u.iter().enumerate().filter(|(_, x)| !**x).map(|(i, _)| (c, i)).collect::<Vec<_>>()
    };
    used.iter().enumerate().flat_map(free).collect()
}

#[test]
fn accepts_garbage_in_padding_and_unused_cells() {
    let mut seen = [0; 2];
    for (name, case) in relations::all() {
        for zero_knowledge in [false, true] {
            let s = setup(&case, &Mode::secret(zero_knowledge));
            let find = |k: TreeKind| s.key.layout.trees.iter().position(|t| t.kind == k).unwrap();
            let (trace, helper) = (unused(&s, find(TreeKind::Trace)), unused(&s, find(TreeKind::Helper)));
            seen = [seen[0] + trace.len(), seen[1] + helper.len()];
            let columns = |kind: TreeKind, c: &mut Vec<Vec<F>>| {
                if kind == TreeKind::Trace {
                    trace.iter().for_each(|(column, i)| c[*column][*i] = base_from_i64(12_345 + *i as i64));
                }
            };
            let helpers = |c: &mut Vec<Vec<E>>| {
                let mut rng = Rng(5);
                helper.iter().for_each(|(column, i)| c[*column][*i] = rng.element());
            };
            let d = Deviation { columns: Some(&columns), helper_columns: Some(&helpers), ..Deviation::default() };
            let p = s.prove(d).unwrap();
            s.verify(&p).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
}

#[test]
fn rejects_a_false_output_with_an_honest_trace() {
    for (name, case) in relations::all() {
        for zero_knowledge in [false, true] {
            let s = setup(&case, &Mode::secret(zero_knowledge));
            let mut statement = s.statement();
            support::change_output(&mut statement, 0, 0, 1);
            let p = s.prove(Deviation { statement: Some(&statement), ..Deviation::default() }).unwrap();
            let check = if zero_knowledge { "inner claim" } else { "products" };
            assert_eq!(s.verify(&p), Err(VerifyError::Proof(ProofError::Check { check })), "{name}");
        }
    }
}

#[test]
fn rejects_a_false_committed_output() {
    for zero_knowledge in [false, true] {
        let mode = Mode::committed(zero_knowledge);
        let mut s = setup(&relations::dense(), &mode);
        // Another output's commitment, of cells that are off by one.
        let mut other = s.case.witness().tensors;
        let y = s.case.tensor("y");
        other[y][1] += 1;
        let coins = proveil_prover::coins::Coins::from_seed([4; 32], &[]);
        let tree = proveil_prover::commit_io(&s.key.layout, TreeKind::Output(0), &other, 3, &coins).unwrap();
        s.outputs = vec![Some(tree)];
        let p = s.honest();
        let check = if zero_knowledge { "inner claim" } else { "claims at the common point" };
        assert_eq!(s.verify(&p), Err(VerifyError::Proof(ProofError::Check { check })));
    }
}
