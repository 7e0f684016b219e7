//! A proof taken apart: its messages by kind, and the challenges that its verifier draws.

use proveil_algebra::{Challenge, E, F, InTurn, PrimeCharacteristicRing, read_base};
use proveil_protocol::channel::{Channel, ProofError};
use proveil_protocol::codec::Leaf;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::opening::{self, Combination, TreeShape};
use proveil_protocol::pads;
use proveil_protocol::transcript::{Drawn, Transcript};
use proveil_prover::Proof;
use proveil_relation::key::Statement;
use proveil_relation::layout::TreeKind;
use proveil_verifier::phases::{self, End};
use proveil_verifier::{PreparedKey, PublicValues, tree_coefficients};

/// What a verifier draws while it accepts a proof.
pub struct Challenges {
    pub end: End<E>,
    pub all: Vec<Drawn>,
    /// Positions of the rows of each geometry.
    pub rows: Vec<Vec<u64>>,
    pub fingerprint: [E; 2],
    pub triples: E,
    pub epsilon: E,
    pub pad_rows: Vec<u64>,
}

pub fn element(d: &Drawn) -> E {
    match d {
        Drawn::Element(b) => E::read(b).unwrap(),
        Drawn::Positions(_) => panic!("positions where an element is drawn"),
    }
}

pub fn positions(d: &[Drawn]) -> Vec<u64> {
    let first = d.iter().find_map(|d| match d {
        Drawn::Positions(p) => Some(p.clone()),
        Drawn::Element(_) => None,
    });
    first.unwrap()
}

impl Challenges {
    /// From a verifier's draws, those of each geometry's opening beginning at `groups`, the inner claim's at `inner`.
    pub fn new(end: End<E>, all: Vec<Drawn>, groups: &[usize], inner: usize) -> Self {
        let rows = groups.iter().map(|at| positions(&all[*at..])).collect();
        let fingerprint = [element(&all[0]), element(&all[1])];
        let (triples, epsilon) = (element(&all[inner]), element(&all[inner + 2]));
        let pad_rows = positions(&all[inner + 3..]);
        Self { end, all, rows, fingerprint, triples, epsilon, pad_rows }
    }
}

fn shape(key: &PreparedKey, public: &PublicValues<'_>, end: &End<E>, group: usize) -> (Vec<TreeShape>, Vec<E>) {
    let mut out = (Vec::new(), Vec::new());
    for (t, plan) in key.layout.trees.iter().enumerate().filter(|(_, p)| p.group == group) {
        let commitment: Option<Commitment> = match plan.kind {
            TreeKind::Model | TreeKind::Input(_) | TreeKind::Output(_) => {
                public.sampled(plan.kind).map(|s| s.commitment)
            }
            _ => end.commitments[t],
        };
        out.0.push(TreeShape { commitment: commitment.unwrap(), width: plan.base_columns() });
        out.1.extend(tree_coefficients(plan, &end.alpha[t]));
    }
    out
}

/// Runs the verifier and keeps its challenges.
pub fn challenges(
    key: &PreparedKey,
    statement: &Statement,
    proof: &[u8],
    transcript: Transcript,
) -> Result<Challenges, ProofError> {
    let public = PublicValues::new(key, statement).unwrap();
    let mut transcript = transcript;
    transcript.record();
    let mut ch = Channel::<E>::new(transcript, proof, true);
    let end = phases::walk(&mut ch, key, &public, &InTurn)?;
    let mut groups = Vec::new();
    for (group, height) in key.layout.heights.iter().enumerate() {
        groups.push(ch.transcript.drawn().len());
        let (trees, coeffs) = shape(key, &public, &end, group);
        let (t, Some(reader)) = ch.parts() else { panic!("no reader") };
        let combination = Combination { trees: &trees, coeffs: &coeffs };
        let value = opening::verify(&InTurn, t, reader, &key.key.params, *height, &combination, &end.tau[..*height])?;
        end.tie(&mut ch, group, value)?;
    }
    let inner = ch.transcript.drawn().len();
    pads::verify(&InTurn, &mut ch, &key.key.params)?;
    let all = ch.transcript.drawn().to_vec();
    ch.finish()?;
    Ok(Challenges::new(end, all, &groups, inner))
}

/// Labels of what is sent in the clear although it is computed from secrets, and is uniform by a mask.
pub const MASKED: [&str; 7] = [
    opening::label::POLYNOMIAL,
    opening::label::CLAIM,
    opening::label::OUT_OF_DOMAIN,
    opening::label::ROUND,
    "triple reveal",
    "inner claim mask",
    "masked pads",
];

/// Labels of hashes and nonces.
pub const HASHES: [&str; 9] = [
    phases::label::TRACE,
    phases::label::MASK,
    phases::label::HELPER,
    "pads",
    opening::label::ROOT,
    opening::label::NONCE,
    "pad nonce",
    "merkle salt",
    "merkle sibling",
];

/// Labels of rows of codewords.
pub const ROWS: [&str; 2] = [opening::label::ROWS, opening::label::LEAVES];

/// Whether a message carries a pad.
pub fn is_padded(leaf: &Leaf) -> bool {
    let label = leaf.label.as_str();
    !MASKED.contains(&label) && !HASHES.contains(&label) && !ROWS.contains(&label)
}

/// Messages of one proof by kind.
pub struct Parts {
    pub padded: Vec<E>,
    /// The combination of each geometry, where it is sent as it is.
    pub combinations: Vec<Vec<E>>,
    pub reveals: Vec<E>,
    pub masked_pads: Vec<E>,
    /// Opened rows by tree.
    pub rows: Vec<Vec<Vec<F>>>,
    pub pad_rows: Vec<Vec<F>>,
}

pub fn bytes<'a>(proof: &'a Proof, leaf: &Leaf) -> &'a [u8] {
    &proof.bytes[leaf.offset..leaf.offset + leaf.len]
}

impl Parts {
    pub fn new(key: &PreparedKey, proof: &Proof) -> Self {
        let of = |keep: &dyn Fn(&Leaf) -> bool| -> Vec<E> {
            proof.leaves.iter().filter(|l| keep(l)).map(|l| E::read(bytes(proof, l)).unwrap()).collect()
        };
        let mut polynomials = of(&|l| l.label == opening::label::POLYNOMIAL).into_iter();
        let cells = |b: &[u8]| b.chunks(8).map(|c| read_base(c).unwrap()).collect::<Vec<F>>();
        let mut all = proof.leaves.iter().filter(|l| l.label == opening::label::ROWS).map(|l| cells(bytes(proof, l)));
        let mut rows = vec![Vec::new(); key.layout.trees.len()];
        let mut combinations = Vec::new();
        for (group, height) in key.layout.heights.iter().enumerate() {
            let schedule = key.key.params.schedule(*height).unwrap();
            combinations.push(polynomials.by_ref().take(1 << schedule.final_log_size).collect());
            for (t, _) in key.layout.trees.iter().enumerate().filter(|(_, p)| p.group == group) {
                rows[t] = all.by_ref().take(schedule.rows.count).collect();
            }
        }
        let pad_rows = all.collect();
        Self {
            padded: of(&is_padded),
            combinations,
            reveals: of(&|l| l.label == "triple reveal"),
            masked_pads: of(&|l| l.label == "masked pads"),
            rows,
            pad_rows,
        }
    }
}

/// First message in which two proofs differ, hashes, salts and nonces aside.
pub fn difference(a: &Proof, b: &Proof) -> Option<String> {
    if a.leaves != b.leaves {
        return Some("shape".into());
    }
    let shown = a.leaves.iter().filter(|l| !HASHES.contains(&l.label.as_str()));
    let mut different = shown.filter(|l| bytes(a, l) != bytes(b, l));
    different.next().map(|l| l.label.clone())
}

/// `sum_i cells_i x^i`.
pub fn horner(cells: &[E], x: F) -> E {
    cells.iter().rev().fold(E::ZERO, |acc, c| acc * x + *c)
}
