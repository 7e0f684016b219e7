//! Registration of a hidden model for contracts: a proof of another relation over the same commitment on the curve.
//!
//! Proofs under a key take for granted that the model's cells lie in their declared ranges: a committed cell may be any
//! scalar. The *registration key* has the relation of the ranges (`compiler::registration`), no inputs, no outputs, the same
//! model tensors in the same cells, and the same point. One accepted proof under it settles the ranges for that point, which
//! binds to one model; there is nothing to refresh.
//!
//! # Soundness
//! An opening reads a polynomial's first coefficients only (`spec/succinct.md`, section 3), so heights may differ between both
//! keys; what must not differ is where tensors lie, which [`check_keys`] compares.

use proveil_kzg::commit::Committed;
use proveil_kzg::srs::Srs;
use proveil_protocol::transcript::Digest;
use proveil_prover::Witness;
use proveil_relation::decl::Relation;
use proveil_relation::key::{Statement, VerifyingKey, Visibility};

use proveil_verifier::registration::differing_tensor;

use crate::key::{Key, geometry};
use crate::prepared::{Bound, PrepareError, PreparedKey};
use crate::prove::{Inputs, Proof, ProveError, prove};
use crate::verify::{VerifyError, verify};

/// Why a registration does not stand for a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The keys are not about one model.
    #[error("registration key: {what} differs from the key's; compile both from one model with one set-up")]
    Differs {
        /// What differs.
        what: &'static str,
    },
    /// A model tensor is declared or placed otherwise.
    #[error("registration key: model tensor {index} ('{name}') differs from the key's; compile both from one model")]
    Tensor {
        /// Number among the model tensors.
        index: usize,
        /// Its name in the key, or in the registration key if the key has fewer.
        name: String,
    },
    /// The key cannot be prepared.
    #[error(transparent)]
    Key(#[from] PrepareError),
    /// No proof was made.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The proof is refused.
    #[error("registration {0}")]
    Proof(#[from] VerifyError),
}

/// The registration key of a key from the relation of its model's ranges, and the least height of its columns.
fn draft(key: &Key, relation: Relation, meta: Vec<u8>) -> (Key, u8) {
    let visibility = Visibility { inputs: Vec::new(), outputs: Vec::new(), ..key.visibility.clone() };
    let height = geometry(&key.relation, &key.visibility).log_height;
    (Key { relation, visibility, model: key.model, srs: key.srs, meta }, height)
}

/// Digest of the registration key that belongs to a key, whose own description it does not depend on: so that the
/// description can name it.
#[must_use]
pub fn registration_digest(key: &Key, relation: Relation, meta: Vec<u8>) -> Digest {
    let (own, height) = draft(key, relation, meta);
    Bound::new(own, height).digest
}

/// The registration key of a key, from the relation of its model's ranges, with a description of its own.
///
/// # Errors
/// `Key`; those of [`check_keys`].
pub fn registration_key(
    key: &PreparedKey,
    relation: Relation,
    meta: Vec<u8>,
    setup: &Srs,
) -> Result<PreparedKey, RegistrationError> {
    let VerifyingKey { relation: main, visibility, .. } = key.inner.key.clone();
    let (model, srs) = (key.short.model, key.short.srs);
    let (own, height) = draft(&Key { relation: main, visibility, model, srs, meta: Vec::new() }, relation, meta);
    let registration = PreparedKey::with_height(own, setup, height)?;
    check_keys(key, &registration)?;
    Ok(registration)
}

/// Whether `registration` can register the model of `key`: one point, one set-up, equal tensors in equal cells, nothing shown.
///
/// That its relation is the one of this model's ranges is a matter of compilation, like the key itself.
///
/// # Errors
/// `Differs`, `Tensor`.
pub fn check_keys(key: &PreparedKey, registration: &PreparedKey) -> Result<(), RegistrationError> {
    let same = |what, equal: bool| if equal { Ok(()) } else { Err(RegistrationError::Differs { what }) };
    let (k, r) = (&key.inner.key, &registration.inner.key);
    same("the model's point", key.short.model.is_some() && key.short.model == registration.short.model)?;
    same("the set-up", key.short.srs == registration.short.srs)?;
    same("the model's visibility", k.visibility.model == r.visibility.model)?;
    same("zero knowledge", k.visibility.zero_knowledge == r.visibility.zero_knowledge)?;
    let nothing = r.relation.inputs.is_empty() && r.relation.outputs.is_empty();
    same("the list of inputs and outputs", nothing)?;
    match differing_tensor(&key.inner, &registration.inner) {
        Some((index, name)) => Err(RegistrationError::Tensor { index, name }),
        None => Ok(()),
    }
}

/// The model's commitment with as many cells as the registration's columns have; the point is the same.
#[must_use]
pub fn resized(model: &Committed, registration: &PreparedKey) -> Committed {
    let mut own = model.clone();
    own.coefficients.resize(1 << registration.inner.key.geometry.log_height, Default::default());
    own
}

/// Proves that every cell of the committed model is in its declared range. The witness has the registration relation's tensors
/// and look-ups; `model` is the commitment in both keys.
///
/// # Errors
/// Those of [`check_keys`]; `Prove`.
pub fn register(
    key: &PreparedKey,
    registration: &PreparedKey,
    setup: &Srs,
    witness: &Witness,
    model: &Committed,
) -> Result<Proof, RegistrationError> {
    check_keys(key, registration)?;
    let own = resized(model, registration);
    Ok(prove(registration, setup, witness, &Inputs { model: Some(&own), ..Inputs::default() })?)
}

/// Accepts a registration of the model of `key`.
///
/// # Errors
/// Those of [`check_keys`]; `Proof`.
pub fn verify_registration(
    key: &PreparedKey,
    registration: &PreparedKey,
    proof: &[u8],
) -> Result<(), RegistrationError> {
    check_keys(key, registration)?;
    Ok(verify(registration, &Statement::default(), proof)?)
}
