//! `verify(key, statement, proof)`: decode, walk the phases, discharge every claim once.
//!
//! Links `algebra`, `protocol` and `relation` only: no prover code, no graph, no ONNX. `no_std`, no unsafe; hostile
//! bytes give an error, never a panic.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod phases;
pub mod refresh;
pub mod registration;
mod statement;

use alloc::vec::Vec;

use phases::{Computed, End};
use proveil_algebra::{E, InTurn, PrimeCharacteristicRing, Tasks, ext_from_coords};
use proveil_protocol::channel::{Channel, ProofError, Shape};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::opening::{self, Combination, TreeShape};
use proveil_protocol::pads;
use proveil_protocol::transcript::{Digest, Transcript};
use proveil_relation::key::{Epoch, PROTOCOL, Statement, VerifyingKey};
use proveil_relation::layout::{Layout, TreeKind, TreePlan};

pub use statement::{PublicValues, StatementError};

/// Why a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The statement does not fit the key.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// The proof is refused.
    #[error("proof: {0}")]
    Proof(#[from] ProofError),
}

/// A verifying key with what follows from it, computed once.
#[derive(Clone, Debug)]
pub struct PreparedKey {
    /// The key.
    pub key: VerifyingKey,
    /// Its layout.
    pub layout: Layout,
    /// Its digest (`modelId`).
    pub digest: Digest,
    /// The refresh in force, which the caller has checked; statements must name it. `None`: the key's own commitment.
    pub epoch: Option<Epoch>,
}

impl PreparedKey {
    /// Derives layout and digest of a key that was checked: [`VerifyingKey::decode`] does so, a key made in memory
    /// needs [`VerifyingKey::check`] before it is trusted to be small and well-formed.
    #[must_use]
    pub fn new(key: VerifyingKey) -> Self {
        let layout = Layout::new(&key.relation, &key.geometry, &key.visibility);
        let digest = key.digest();
        Self { key, layout, digest, epoch: None }
    }

    /// The same key after a refresh whose proof the caller has checked: a root that nobody tied to the key's own
    /// would be any model at all.
    #[must_use]
    pub fn with_epoch(self, epoch: Epoch) -> Self {
        Self { epoch: Some(epoch), ..self }
    }

    /// Shape of every proof under this key: pads, messages, products.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let mut ch = Channel::<E>::dry(self.key.visibility.hiding());
        let public = PublicValues::empty();
        // A dry run cannot fail: every message reads as zero and nothing is checked.
        if let Ok(end) = phases::walk(&mut ch, self, &public, &InTurn) {
            let _ = end.tie(&mut ch, 0, E::ZERO);
        }
        let _ = ch.triples(|_, _| Ok(E::ZERO));
        ch.shape().clone()
    }
}

/// Starts the transcript: protocol, key digest, statement.
#[must_use]
pub fn begin(digest: &Digest, statement: &Statement) -> Transcript {
    begin_on(&InTurn, digest, statement)
}

/// [`begin`] with long work lent to `tasks`.
#[must_use]
pub fn begin_on(tasks: &impl Tasks, digest: &Digest, statement: &Statement) -> Transcript {
    begin_with(digest, &statement.digest(tasks))
}

fn begin_with(digest: &Digest, statement: &Digest) -> Transcript {
    let mut t = Transcript::new(PROTOCOL);
    bind_digests(&mut t, digest, statement);
    t
}

/// Absorbs what is bound before the first message: the statement's digest between two times the key's. A public output may have a
/// million cells, which the hash takes in parallel and the transcript one block after the other.
pub fn bind(tasks: &impl Tasks, t: &mut Transcript, digest: &Digest, statement: &Statement) {
    bind_digests(t, digest, &statement.digest(tasks));
}

fn bind_digests(t: &mut Transcript, digest: &Digest, statement: &Digest) {
    t.absorb("verifying key", digest);
    t.absorb("statement", statement);
    t.absorb("verifying key", digest);
}

/// Accepts exactly the proofs of `statement` under `key`.
///
/// # Errors
/// `Statement` when public data do not fit the key, `Proof` with the failed check otherwise.
pub fn verify(key: &PreparedKey, statement: &Statement, proof: &[u8]) -> Result<(), VerifyError> {
    verify_on(&InTurn, key, statement, proof)
}

/// [`verify`] with long work lent to `tasks`, threads for example.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(
    tasks: &impl Tasks,
    key: &PreparedKey,
    statement: &Statement,
    proof: &[u8],
) -> Result<(), VerifyError> {
    let (digest, bounds) = statement.digest_and_bounds(tasks);
    let public = PublicValues::bounded(tasks, key, statement, &bounds)?;
    check(tasks, key, &public, proof, begin_with(&key.digest, &digest))
}

/// [`verify`] on a transcript that is already bound to key and statement (tests pass scripted ones).
///
/// # Errors
/// As [`verify`].
pub fn verify_with(
    key: &PreparedKey,
    statement: &Statement,
    proof: &[u8],
    transcript: Transcript,
) -> Result<(), VerifyError> {
    check(&InTurn, key, &PublicValues::new(key, statement)?, proof, transcript)
}

fn check(
    tasks: &impl Tasks,
    key: &PreparedKey,
    public: &PublicValues<'_>,
    proof: &[u8],
    transcript: Transcript,
) -> Result<(), VerifyError> {
    let mut ch = Channel::<E>::new(transcript, proof, key.key.visibility.hiding());
    let outline = key.layout.outline();
    let mut functionals = Computed::on(tasks, key, public);
    let claims = phases::reduce_claims(&mut ch, &outline, &mut functionals)?;
    // Nothing that is read from here on depends on the weights of columns; only what is checked does.
    let tau = claims.tau.clone();
    let opened = || {
        let end = End::read(&mut ch, &outline, claims)?;
        let mut values = Vec::new();
        for group in 0..key.layout.heights.len() {
            let value = open_group(tasks, &mut ch, key, public, &end, group);
            let refused = value.is_err();
            values.push(value);
            if refused {
                break;
            }
        }
        Ok::<_, ProofError>((end, values))
    };
    let (omega, opened) = tasks.join(|| functionals.weights(&tau), opened);
    let (end, values) = opened?;
    end.settle(&mut ch, &outline, &mut functionals, &omega)?;
    for (group, value) in values.into_iter().enumerate() {
        end.tie(&mut ch, group, value?)?;
    }
    pads::verify(tasks, &mut ch, &key.key.params)?;
    ch.finish()?;
    Ok(())
}

/// Opens the combination of one geometry; returns its claimed value at the point.
fn open_group(
    tasks: &impl Tasks,
    ch: &mut Channel<'_, E>,
    key: &PreparedKey,
    public: &PublicValues<'_>,
    end: &phases::End<E>,
    group: usize,
) -> Result<E, ProofError> {
    let mut trees = Vec::new();
    let mut coeffs = Vec::new();
    for (i, plan) in key.layout.trees.iter().enumerate().filter(|(_, t)| t.group == group) {
        let commitment = end.commitment(public, plan.kind, i).unwrap_or(Commitment::plain([0; 32]));
        trees.push(TreeShape { commitment, width: plan.base_columns() });
        coeffs.extend(tree_coefficients(plan, end.alpha.get(i).map_or(&[][..], Vec::as_slice)));
    }
    let height = key.layout.heights.get(group).copied().unwrap_or(0);
    let tau = end.tau.get(..height).unwrap_or_default();
    let (transcript, Some(reader)) = ch.parts() else { return Ok(E::ZERO) };
    Ok(opening::verify(
        tasks,
        transcript,
        reader,
        &key.key.params,
        height,
        &Combination { trees: &trees, coeffs: &coeffs },
        tau,
    )?)
}

/// Coefficients of a tree's base columns in the combination: those of an extension column times the basis `1, X, X^2`;
/// the mask has coefficient 1.
#[must_use]
pub fn tree_coefficients(plan: &TreePlan, alpha: &[E]) -> Vec<E> {
    use proveil_algebra::F;
    let basis =
        [[F::ONE, F::ZERO, F::ZERO], [F::ZERO, F::ONE, F::ZERO], [F::ZERO, F::ZERO, F::ONE]].map(ext_from_coords);
    let mut out = Vec::with_capacity(plan.base_columns());
    for a in alpha {
        if plan.kind == TreeKind::Helper {
            out.extend(basis.iter().map(|b| *a * *b));
        } else {
            out.push(*a);
        }
    }
    if plan.mask {
        out.extend(basis);
    }
    out
}
