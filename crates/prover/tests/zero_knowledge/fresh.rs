//! Freshness and unlinkability: what two proofs have in common, and what the messages in the clear are.

use std::collections::BTreeSet;

use proveil_algebra::{F, PrimeCharacteristicRing, TwoAdicField, base_from_i64};
use proveil_protocol::codec::{Leaf, Writer};
use proveil_protocol::merkle::Commitment;
use proveil_prover::coins::{Chosen, Coins};
use proveil_prover::columns::base_columns;
use proveil_prover::commit::Tree;
use proveil_prover::{Deviation, Proof, commit_io, prove, prove_with};
use proveil_relation::key::{IoVisibility, Visibility};
use proveil_relation::layout::TreeKind;
use proveil_verifier::begin;

use crate::explain::solve;
use crate::replay::{HASHES, MASKED, ROWS, bytes, challenges, is_padded};
use crate::simulator::script;
use crate::toy::{self, Outer, World, folding, twin, visibilities};

fn world(v: &Visibility, seed: u64) -> World {
    World::new(v, &folding(), toy::witness(seed), &Outer::new(6))
}

fn private() -> Visibility {
    toy::hiding(IoVisibility::Private, IoVisibility::Public)
}

/// 8-byte words of the messages that depend on secrets and are made afresh in every proof.
fn words(w: &World, proof: &Proof) -> BTreeSet<Vec<u8>> {
    let mut rows = proof.leaves.iter().filter(|l| l.label == ROWS[0]);
    let mut outer = Vec::new();
    for (group, height) in w.key.layout.heights.iter().enumerate() {
        let count = w.key.key.params.schedule(*height).unwrap().rows.count;
        for plan in w.key.layout.trees.iter().filter(|t| t.group == group) {
            let own = rows.by_ref().take(count).map(|l| l.offset);
            match plan.kind {
                TreeKind::Model | TreeKind::Input(_) | TreeKind::Output(_) => outer.extend(own),
                _ => own.for_each(drop),
            }
        }
    }
    // Rows of commitments that are opened in both proofs repeat where a position does, and so do their salts.
    let fresh = |l: &&Leaf| match l.label.as_str() {
        "merkle salt" | "merkle sibling" => false,
        _ => !outer.contains(&l.offset),
    };
    // Nonces are small numbers, computed from what else is sent.
    let long = proof.leaves.iter().filter(fresh).filter(|l| !l.label.ends_with("nonce"));
    long.flat_map(|l| bytes(proof, l).chunks(8)).map(<[u8]>::to_vec).collect()
}

fn salts(proof: &Proof) -> Vec<Vec<u8>> {
    proof.leaves.iter().filter(|l| l.label == "merkle salt").map(|l| bytes(proof, l).to_vec()).collect()
}

#[test]
fn accepts_no_common_word_in_two_proofs_of_one_witness() {
    for v in visibilities() {
        let w = world(&v, 12);
        let [a, b] = [(); 2].map(|()| prove(&w.key, &w.witness, &w.inputs()).unwrap());
        let (x, y) = (words(&w, &a), words(&w, &b));
        assert!(x.len() > 1000);
        assert_eq!(x.intersection(&y).count(), 0, "{v:?}");
        // The same coins twice would show: the comparison sees what is shared.
        let coins = Coins::from_seed([1; 32], &[]);
        let again = || prove_with(&w.key, &w.witness, &w.inputs(), &coins, Deviation::default()).unwrap();
        assert_eq!(words(&w, &again()), words(&w, &again()));
    }
}

#[test]
fn accepts_restored_coins_on_another_witness_without_a_common_word() {
    let w = world(&private(), 12);
    let other = World::new(&private(), &folding(), twin(13, &w.witness, &private()), &Outer::new(6));
    assert_ne!(w.key.key.model, other.key.key.model);
    let coins = Coins::from_seed([1; 32], &[]);
    let make =
        |w: &World| words(w, &prove_with(&w.key, &w.witness, &w.inputs(), &coins, Deviation::default()).unwrap());
    assert_eq!(make(&w).intersection(&make(&other)).count(), 0);
}

#[test]
fn rejects_equal_salts_in_and_between_proofs() {
    let v = toy::hiding(IoVisibility::Committed, IoVisibility::Committed);
    let w = world(&v, 12);
    let proof = prove(&w.key, &w.witness, &w.inputs()).unwrap();
    let all = salts(&proof);
    assert!(all.len() > 100);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    // Another commitment to the same cells shares no salt, even from the same coins for another tree.
    let nonces: BTreeSet<_> = [&w.model, &w.input, &w.output].map(|c| c.as_ref().unwrap().commitment().nonce).into();
    assert_eq!(nonces.len(), 3);
    let same = Coins::from_seed([5; 32], &[]);
    let make = |k| commit_io(&w.key.layout, k, &w.witness.tensors, 3, &same).unwrap();
    let (a, b) = (make(TreeKind::Input(0)), make(TreeKind::Output(0)));
    assert_ne!(a.commitment().nonce, b.commitment().nonce);
    let last = |c: &proveil_prover::Committed| *c.tree.columns()[0].last().unwrap();
    assert_ne!(last(&a), last(&b));
}

#[test]
fn matches_reference_lengths_whatever_the_witness() {
    for v in visibilities() {
        let w = world(&v, 12);
        let first = prove(&w.key, &w.witness, &w.inputs()).unwrap();
        let drawn = challenges(&w.key, &first.statement, &first.bytes, begin(&w.key.digest, &first.statement)).unwrap();
        let oracle = script(&drawn.all);
        for seed in 13..17 {
            let other = World::new(&v, &folding(), twin(seed, &w.witness, &v), &Outer::new(7));
            // On the same positions every message has the same place; siblings are left out only by positions.
            let deviation = Deviation { transcript: Some(&oracle), ..Deviation::default() };
            let coins = Coins::from_seed([2; 32], &[]);
            let proof = prove_with(&other.key, &other.witness, &other.inputs(), &coins, deviation).unwrap();
            assert_eq!(proof.leaves, first.leaves, "{v:?}");
        }
    }
}

#[test]
fn rejects_messages_in_the_clear_beyond_the_list() {
    for v in visibilities() {
        let w = world(&v, 12);
        let proof = prove(&w.key, &w.witness, &w.inputs()).unwrap();
        let shape = w.key.shape();
        let padded: Vec<_> = proof.leaves.iter().filter(|l| is_padded(l)).collect();
        assert_eq!(padded.len(), shape.messages);
        let labels: BTreeSet<_> = proof.leaves.iter().filter(|l| !is_padded(l)).map(|l| l.label.as_str()).collect();
        let listed = MASKED.iter().chain(&HASHES).chain(&ROWS).copied().collect();
        assert!(labels.is_subset(&listed), "{labels:?}");
        // Every message has a pad of its own, and no pad of a message serves in a triple.
        let triples = shape.products.iter().flat_map(|p| [p.ab, p.x, p.y, p.z]);
        let pads: Vec<u32> = shape.message_pads.iter().copied().chain(triples).collect();
        assert_eq!(pads.iter().collect::<BTreeSet<_>>().len(), pads.len());
        assert_eq!(pads.len(), shape.pads);
    }
}

/// Chi-square statistic of the top bits of every padded message over many proofs on the same challenges, summed over
/// messages, with its degrees of freedom. On fixed challenges a message without its pad is nearly constant.
fn statistic(w: &World, runs: u8, chosen: &Chosen) -> (f64, f64) {
    const BINS: usize = 8;
    let first = prove(&w.key, &w.witness, &w.inputs()).unwrap();
    let drawn = challenges(&w.key, &first.statement, &first.bytes, begin(&w.key.digest, &first.statement)).unwrap();
    let oracle = script(&drawn.all);
    let mut counts = vec![[0u32; BINS]; w.key.shape().messages];
    for run in 0..runs {
        let coins = Coins::from_seed([run; 32], &[b"statistic"]).choosing(chosen.clone());
        let deviation = Deviation { transcript: Some(&oracle), ..Deviation::default() };
        let proof = prove_with(&w.key, &w.witness, &w.inputs(), &coins, deviation).unwrap();
        let padded = proof.leaves.iter().filter(|l| is_padded(l));
        for (c, l) in counts.iter_mut().zip(padded) {
            c[usize::from(bytes(&proof, l)[7] >> 5)] += 1;
        }
    }
    let expected = f64::from(runs) / BINS as f64;
    let sum = counts.iter().flatten().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
    (sum, (counts.len() * (BINS - 1)) as f64)
}

#[test]
fn accepts_uniform_messages_of_two_witnesses() {
    let w = world(&private(), 12);
    let other = World::new(&private(), &folding(), twin(13, &w.witness, &private()), &Outer::new(6));
    for w in [&w, &other] {
        let (x, freedom) = statistic(w, 250, &Chosen::new());
        // Mean `freedom`, deviation sqrt(2 freedom).
        assert!((x - freedom).abs() < 6.0 * (2.0 * freedom).sqrt(), "{x} at {freedom}");
    }
    let bare = Chosen::from([(("pads".to_string(), 0), vec![F::ZERO; 3 * w.key.shape().pads])]);
    let (x, freedom) = statistic(&w, 60, &bare);
    assert!(x > 10.0 * freedom, "{x} at {freedom}");
}

/// Columns of an input of one unknown digit.
fn guesses(w: &World) -> Vec<Vec<Vec<F>>> {
    let tree = w.key.layout.trees.iter().position(|t| t.kind == TreeKind::Input(0)).unwrap();
    let guess = |digit: i64| {
        let mut tensors = w.witness.tensors.clone();
        tensors[2] = vec![digit, 0, 0, 0, 0, 0];
        base_columns(&w.key.layout, tree, &tensors)
    };
    (-8..8).map(guess).collect()
}

/// Digits that do not contradict the opened rows, if the column has `top` random cells.
fn consistent(guesses: &[Vec<Vec<F>>], rows: &[(F, F)], top: usize) -> Vec<usize> {
    let coins = Coins::from_seed([0; 32], &[]);
    let fits = |columns: &Vec<Vec<F>>| {
        let (from, n) = (columns[0].len() - top, rows.len().min(top));
        let Ok(random) = solve(&columns[0], from, top, &rows[..n], &coins, "guess") else { return false };
        let cells: Vec<F> = columns[0][..from].iter().copied().chain(random).collect();
        // The first rows determine the random cells; the others then confirm or refute.
        rows.iter().all(|(z, v)| cells.iter().rev().fold(F::ZERO, |a, c| a * *z + *c) == *v)
    };
    (0..guesses.len()).filter(|i| fits(&guesses[*i])).collect()
}

#[test]
fn rejects_confirmation_of_a_commitment_by_dictionary() {
    let v = toy::hiding(IoVisibility::Committed, IoVisibility::Public);
    let secret = [5, 0, 0, 0, 0, 0];
    let w = World::new(&v, &folding(), toy::witness_of(12, Some(&secret), None), &Outer::new(8));
    let proof = prove(&w.key, &w.witness, &w.inputs()).unwrap();
    let drawn = challenges(&w.key, &proof.statement, &proof.bytes, begin(&w.key.digest, &proof.statement)).unwrap();
    let tree = &w.input.as_ref().unwrap().tree;
    let group = w.key.layout.trees.iter().find(|t| t.kind == TreeKind::Input(0)).unwrap().group;
    let omega = F::two_adic_generator(tree.log_leaves());
    let row = |i: &u64| (omega.exp_u64(*i), tree.rows(&[*i])[0][0]);
    let rows: Vec<(F, F)> = drawn.rows[group].iter().map(row).collect();
    let guesses = guesses(&w);
    let top = w.key.key.geometry.io_top as usize;
    // What a proof opens excludes no digit; more rows than random cells leave the true one.
    assert_eq!(consistent(&guesses, &rows, top), (0..16).collect::<Vec<_>>());
    let more: Vec<(F, F)> = (0..=top as u64).map(|i| row(&i)).collect();
    assert_eq!(consistent(&guesses, &more, top), vec![13]);

    // Roots: without the salts and random cells no guess gives the root, with them only the true one does.
    let root = |columns: &Vec<Vec<F>>, seed| Tree::commit(columns.clone(), 3, seed).unwrap().commitment().root;
    let target: Commitment = tree.commitment();
    for columns in &guesses {
        for seed in [None, Some([0; 32]), Some(target.nonce)] {
            assert_ne!(root(columns, seed), target.root);
        }
    }
    let again = |digit: i64| {
        let mut tensors = w.witness.tensors.clone();
        tensors[2][0] = digit;
        commit_io(&w.key.layout, TreeKind::Input(0), &tensors, 3, &Outer::new(8).input).unwrap().commitment()
    };
    assert_eq!(again(5), target);
    assert_ne!(again(4), target);
}

#[test]
fn matches_reference_salted_leaves() {
    // A plain tree of a guessed row would be confirmed by a sibling: hidden trees are never plain.
    let v = toy::hiding(IoVisibility::Committed, IoVisibility::Committed);
    let w = world(&v, 12);
    let proof = prove(&w.key, &w.witness, &w.inputs()).unwrap();
    let drawn = challenges(&w.key, &proof.statement, &proof.bytes, begin(&w.key.digest, &proof.statement)).unwrap();
    assert!(drawn.end.commitments.iter().flatten().all(|c| !c.is_plain()));
    let mut plain = Writer::new();
    let open = Tree::commit(vec![vec![base_from_i64(1); 8]], 1, None).unwrap();
    open.open(&[0], &open.rows(&[0]), &mut plain);
    assert!(plain.finish().1.iter().all(|l| l.label != "merkle salt"));
}
