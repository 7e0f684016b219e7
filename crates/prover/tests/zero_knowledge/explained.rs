//! Every proof is explained by every witness; proofs of a careless prover are not.

use proveil_algebra::{E, F, Field, PrimeCharacteristicRing, TwoAdicField, ext_from_coords};
use proveil_protocol::pads::log_height;
use proveil_prover::coins::Chosen;
use proveil_relation::key::{IoVisibility, Visibility};
use proveil_relation::layout::TreeKind;
use proveil_verifier::verify_with;

use crate::explain::{Determined, Explanation, Mistake, Target, Wanted, none, pads_of};
use crate::replay::{difference, horner};
use crate::simulator::script;
use crate::toy::{self, Outer, World, in_the_clear, twin, visibilities};

fn world(v: &Visibility) -> World {
    World::new(v, &in_the_clear(), toy::witness(11), &Outer::new(5))
}

/// Where the explanation of a proof by another witness fails, and where bare messages of the two differ.
struct Outcome {
    failure: Option<String>,
    secret: Vec<bool>,
}

/// Explains a proof of `w` by the witness of seed `seed`; 11 is its own.
fn explained(w: &World, seed: u64, mistake: Mistake<'_>) -> Outcome {
    let target = Target::new(w, 1, mistake);
    let witness = match seed {
        11 => w.witness.clone(),
        _ => twin(seed, &w.witness, &w.key.key.visibility),
    };
    let e = Explanation { target: &target, witness: &witness, model_rows: &Wanted::new() };
    let (other, proof, bare) = e.run(&w.key, mistake).unwrap();
    let failure = difference(&target.proof, &proof);
    if failure.is_none() {
        let oracle = script(&target.drawn.all);
        verify_with(&other.key, &proof.statement, &proof.bytes, oracle).unwrap();
        let columns = |w: &World| w.model.as_ref().unwrap().tree.columns().to_vec();
        assert_ne!(columns(&other), columns(w), "another model behind the same messages");
    }
    let secret = target.bare(&w.key).iter().zip(&bare).map(|(a, b)| a != b).collect();
    Outcome { failure, secret }
}

/// Messages before those that depend on random cells: the rounds of phases 1 and 2 and the values after them.
fn early(w: &World) -> usize {
    3 * w.key.layout.nv + 6 + 2 * w.key.layout.nk + 2
}

#[test]
fn accepts_every_witness_as_the_source_of_every_proof() {
    for v in visibilities() {
        let w = world(&v);
        for seed in [20, 21] {
            assert_eq!(explained(&w, seed, &none).failure, None, "{v:?}");
        }
    }
}

fn private() -> World {
    world(&toy::hiding(IoVisibility::Private, IoVisibility::Public))
}

fn set(chosen: &mut Chosen, label: &str, at: usize, value: [F; 3]) {
    let v = chosen.get_mut(&(label.to_string(), 0)).unwrap();
    v[3 * at..3 * at + 3].copy_from_slice(&value);
}

#[test]
fn rejects_proofs_with_a_message_without_pad() {
    let w = private();
    let shape = w.key.shape();
    let secret = explained(&w, 20, &none).secret;
    // What every witness shares: the first round at 0, the denominators and numerators of a lane of table rows, ...
    assert!(secret.iter().filter(|s| **s).count() > shape.messages / 2);
    for (message, secret) in secret.into_iter().enumerate() {
        let dropped = |c: &mut Chosen| set(c, "pads", shape.message_pads[message] as usize, [F::ZERO; 3]);
        let found = explained(&w, 20, &dropped).failure;
        assert_eq!(found.is_some(), secret, "message {message}: {found:?}");
        if message < early(&w) {
            assert_eq!(explained(&w, 11, &dropped).failure, None, "message {message}: its own witness explains it");
        }
    }
}

#[test]
fn rejects_proofs_with_a_pad_used_twice() {
    let w = private();
    let shape = w.key.shape();
    let last = early(&w) - 1;
    for (a, b) in [(1, 2), (3, last), (last - 1, last), (2, shape.messages - 1)] {
        let (pa, pb) = (shape.message_pads[a] as usize, shape.message_pads[b] as usize);
        let reused = |c: &mut Chosen| {
            let v = c[&("pads".to_string(), 0)][3 * pa..3 * pa + 3].to_vec();
            set(c, "pads", pb, [v[0], v[1], v[2]]);
        };
        assert!(explained(&w, 20, &reused).failure.is_some(), "{a} {b}");
        if b < early(&w) {
            assert_eq!(explained(&w, 11, &reused).failure, None, "{a} {b}");
        }
    }
}

#[test]
fn rejects_proofs_with_a_triple_pad_missing() {
    let w = private();
    let shape = w.key.shape();
    let secret = explained(&w, 20, &none).secret;
    let is_secret = |pad: u32| secret[shape.message_pads.iter().position(|p| *p == pad).unwrap()];
    let mut failures = 0;
    for k in &shape.products {
        for (pad, operand) in [(k.x, k.a), (k.y, k.b)] {
            let dropped = |c: &mut Chosen| set(c, "pads", pad as usize, [F::ZERO; 3]);
            assert_eq!(explained(&w, 11, &dropped).failure, None);
            let found = explained(&w, 20, &dropped).failure.is_some();
            assert_eq!(found, is_secret(operand), "{k:?}");
            failures += usize::from(found);
        }
    }
    assert!(failures > shape.products.len());
}

/// If the mask of the pads spares their random cells, the opened vector shows those, and the opened rows confirm a
/// guess of all bare messages.
#[test]
fn rejects_a_pad_mask_that_spares_the_random_cells() {
    let w = private();
    let shape = w.key.shape();
    let height = 1usize << log_height(shape.pads, &w.key.key.params);
    let lazy = |c: &mut Chosen| (shape.pads..height).for_each(|i| set(c, "pad mask", i, [F::ZERO; 3]));
    for (mistake, confirmed) in [(&none as Mistake<'_>, false), (&lazy, true)] {
        let target = Target::new(&w, 1, mistake);
        let omega = F::two_adic_generator(height.ilog2() as usize + usize::from(w.key.key.params.pad_log_inv_rate));
        let consistent = |bare: &[E]| {
            let mut p = pads_of(&target, &shape, bare, height);
            let scale = target.drawn.epsilon.inverse();
            (shape.pads..height).for_each(|i| p[i] = target.parts.masked_pads[i] * scale);
            let mut rows = target.drawn.pad_rows.iter().zip(&target.parts.pad_rows);
            rows.all(|(i, row)| ext_from_coords([row[0], row[1], row[2]]) == horner(&p, omega.exp_u64(*i)))
        };
        let mut bare = target.bare(&w.key);
        assert_eq!(consistent(&bare), confirmed);
        bare[1] += E::ONE;
        assert!(!consistent(&bare));
    }
}

#[test]
fn rejects_proofs_without_random_cells_or_column_masks() {
    let w = private();
    let layout = &w.key.layout;
    for (t, plan) in layout.trees.iter().enumerate() {
        let label = match plan.kind {
            TreeKind::Trace => format!("tree {t}"),
            TreeKind::Helper => "helper".to_string(),
            _ => continue,
        };
        let bare = |c: &mut Chosen| {
            c.iter_mut().filter(|((l, _), _)| *l == label).for_each(|(_, v)| v.fill(F::ZERO));
        };
        assert!(explained(&w, 20, &bare).failure.is_some(), "{label}");
    }
    let unmasked = |c: &mut Chosen| {
        c.iter_mut().filter(|((l, _), _)| l.starts_with("mask ")).for_each(|(_, v)| v.fill(F::ZERO));
    };
    assert!(explained(&w, 20, &unmasked).failure.is_some());
    // The mask must cover the cells of the other columns: sparing one of them shows a combination of those.
    let spared = |c: &mut Chosen| {
        c.iter_mut().filter(|((l, _), _)| l.starts_with("mask ")).for_each(|(_, v)| v[0] = F::ZERO);
    };
    assert!(explained(&w, 20, &spared).failure.is_some());
}

/// Explains the first `n` proofs on one model commitment by one other model; whether its columns are the same in all.
fn jointly(w: &World, n: u8) -> Result<bool, Determined> {
    let targets: Vec<Target> = (0..n).map(|i| Target::new(w, 30 + i, &none)).collect();
    let model = w.key.layout.trees.iter().position(|t| t.kind == TreeKind::Model).unwrap();
    let all: Wanted = targets.iter().flat_map(|t| t.wanted(&w.key, model)).collect();
    let witness = twin(20, &w.witness, &w.key.key.visibility);
    let mut models = Vec::new();
    for target in &targets {
        let e = Explanation { target, witness: &witness, model_rows: &all };
        let (other, proof, _) = e.run(&w.key, &none)?;
        assert_eq!(difference(&target.proof, &proof), None);
        models.push(other.model.unwrap().tree.columns().to_vec());
    }
    Ok(models.iter().all(|m| *m == models[0]))
}

#[test]
fn accepts_joint_explanations_up_to_the_budget_and_no_further() {
    let w = private();
    let (queries, random) = (w.key.key.params.row_queries(), w.key.key.geometry.model_top as usize);
    let most = random / queries;
    assert_eq!(jointly(&w, most as u8), Ok(true));
    // Some positions coincide, so one proof more may still fit; with three more the columns are determined.
    let beyond = jointly(&w, most as u8 + 3).unwrap_err();
    assert!(beyond.openings > random && beyond.random == random);
}
