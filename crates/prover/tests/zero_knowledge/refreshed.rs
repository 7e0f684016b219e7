//! A model keeps its name while its commitment changes.

use std::collections::BTreeSet;

use proveil_algebra::{Challenge, E, F, PrimeCharacteristicRing, TwoAdicField, eq_table, ext_coords, ext_from_coords};
use proveil_protocol::channel::Channel;
use proveil_protocol::codec::Writer;
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::{Drawn, Transcript};
use proveil_prover::budget::{self, FileStore, Store, Use};
use proveil_prover::coins::Coins;
use proveil_prover::commit::Tree;
use proveil_prover::opening;
use proveil_prover::refresh::{RenewError, prove, prove_with};
use proveil_prover::{Committed, Inputs, commit_model};
use proveil_relation::key::{Epoch, IoVisibility, VerifyingKey};
use proveil_relation::layout::TreeKind;
use proveil_verifier::PreparedKey;
use proveil_verifier::refresh::{RefreshError, Sizes, verify, verify_chain, verify_with, walk};

use crate::replay::{HASHES, element, horner, positions};
use crate::simulator::{SimulatedPads, placeholder, script};
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
    let mut plain = r.epoch.clone();
    plain.model.commitment.nonce = [0; 32];
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
    let sizes = Sizes { log_height: 5, top: 8, columns: 1 };
    let point = |from: i64| -> Vec<E> { (from..from + 5).map(|v| E::from_int(v * v + 3)).collect() };
    let (r, tau) = (point(2), point(20));
    let (a, b) = (eq_table(&r), eq_table(&tau));
    let direct = a.iter().zip(&b).take(24).fold(E::ZERO, |s, (x, y)| s + *x * *y);
    assert_eq!(sizes.weight_at(&r, &tau), direct);
}

/// A refresh from sizes and parameters alone: both commitments are sampled too.
struct Simulator {
    key: PreparedKey,
    sizes: Sizes,
    coins: Coins,
    /// Old, new, mask.
    trees: Vec<Tree>,
    pads: SimulatedPads,
}

impl Simulator {
    fn new(key: &PreparedKey) -> Self {
        let (sizes, coins) = (Sizes::new(key).unwrap(), Coins::from_seed([9; 32], &[]));
        let height = 1usize << sizes.log_height;
        let tree = |t: usize| {
            let mut columns = vec![vec![F::ZERO; height]; if t < 2 { sizes.columns } else { 3 }];
            if t == 2 {
                columns.iter_mut().enumerate().for_each(|(k, c)| coins.stream("mask", k).fill(c));
            }
            placeholder(columns, 3, [t as u8; 32])
        };
        let trees = (0..3).map(tree).collect();
        let pads = SimulatedPads::new(sizes.shape().pads, &key.key.params, &coins);
        Self { key: key.clone(), sizes, trees, pads, coins }
    }

    /// Both commitments with uniform samples.
    fn sampled(&self) -> [Sampled; 2] {
        let mut s = self.coins.stream("samples", 0);
        [0, 1].map(|t| Sampled { commitment: self.trees[t].commitment(), value: s.ext() })
    }

    fn pass(&self, mut transcript: Transcript) -> (Vec<u8>, Vec<E>, Vec<Drawn>, usize) {
        transcript.record();
        let mut w = Writer::new();
        w.bytes("root", &self.trees[2].commitment().to_bytes());
        w.bytes("root", &self.pads.tree.commitment().to_bytes());
        let mut s = self.coins.stream("messages", 0);
        (0..self.sizes.shape().messages).for_each(|_| w.element("message", &s.ext()));
        let head = w.as_bytes().to_vec();
        let mut ch = Channel::<E>::new(transcript, &head, true);
        let end = walk(&mut ch, &self.sizes, self.sampled()).unwrap();
        let coeffs = self.sizes.coefficients(&end.alpha);
        let trees: Vec<&Tree> = self.trees.iter().collect();
        let (params, height) = (&self.key.key.params, self.sizes.log_height);
        let v = opening::prove(&mut ch.transcript, &mut w, params, height, &trees, &coeffs, &end.tau).unwrap();
        end.tie(&mut ch, v).unwrap();
        let inner = ch.transcript.drawn().len();
        self.pads.inner_claim(&mut ch, &mut w);
        (w.as_bytes().to_vec(), coeffs, ch.transcript.drawn().to_vec(), inner)
    }

    /// Uniform rows of both models; rows of the mask are what fits.
    fn fill(&mut self, coeffs: &[E], positions: &[u64]) {
        let omega = F::two_adic_generator(self.trees[2].log_leaves());
        let mut rows: Vec<Vec<F>> = Vec::new();
        for (t, tree) in self.trees.iter().enumerate() {
            let mut all = vec![F::ZERO; tree.columns().len() << tree.log_leaves()];
            self.coins.stream("rows", t).fill(&mut all);
            rows.push(all);
        }
        let (n, c) = (self.sizes.columns, self.trees[2].columns());
        let mask: Vec<E> = (0..c[0].len()).map(|i| ext_from_coords([c[0][i], c[1][i], c[2][i]])).collect();
        for i in positions {
            let at = |t: usize| &rows[t][*i as usize * n..][..n];
            let other = at(0).iter().chain(at(1)).zip(coeffs).fold(E::ZERO, |a, (x, k)| a + *k * *x);
            let value = ext_coords(&(horner(&mask, omega.exp_u64(*i)) - other));
            rows[2][3 * *i as usize..][..3].copy_from_slice(&value);
        }
        for (t, rows) in rows.into_iter().enumerate() {
            self.trees[t] = self.trees[t].with_rows(&rows, self.trees[t].columns().to_vec(), Some([t as u8; 32]));
        }
    }
}

#[test]
fn accepts_simulated_refreshes() {
    let w = world();
    let mut s = Simulator::new(&w.key);
    let (_, coeffs, drawn, inner) = s.pass(Transcript::new("programmed oracle"));
    s.fill(&coeffs, &positions(&drawn));
    s.pads.fill(&positions(&drawn[inner + 3..]), element(&drawn[inner + 2]));
    let (proof, ..) = s.pass(script(&drawn));
    let [old, new] = s.sampled();
    let key = VerifyingKey { model: Some(old), ..w.key.key.clone() };
    let next = Epoch { number: 1, model: new };
    verify_with(&PreparedKey::new(key.clone()), &next, &proof, script(&drawn)).unwrap();
    assert!(verify(&PreparedKey::new(key), &next, &proof).is_err(), "only on the programmed oracle");
}
