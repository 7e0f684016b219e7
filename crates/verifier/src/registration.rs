//! Registration of a hidden model: a proof of another relation over the same commitment.
//!
//! A key's proofs take for granted that the model's cells lie in their declared ranges, which needs to be proved once
//! only. The *registration key* has the relation of the ranges and the same model tensors in the same places. Both keys
//! come from one compilation.
//!
//! # Soundness
//! As of every proof; that the codeword is the one of all later proofs is what the commitment's sample is for
//! (`proveil_protocol::sample`).

use alloc::string::String;
use alloc::vec::Vec;

use proveil_relation::decl::{Home, Relation};
use proveil_relation::key::{Geometry, Statement, VerifyingKey, Visibility};
use proveil_relation::layout::{Placed, TreeKind, TreePlan};

use crate::{PreparedKey, VerifyError};

/// Why a registration does not stand for a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The keys are not about one model.
    #[error("registration key: {what} differs from the key's; compile both from one model and one geometry")]
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
    /// The proof is refused.
    #[error("registration {0}")]
    Proof(#[from] VerifyError),
}

/// The registration key of a key, from the relation of its model's ranges.
#[must_use]
pub fn key(key: &VerifyingKey, relation: Relation) -> VerifyingKey {
    VerifyingKey {
        params: key.params.clone(),
        geometry: Geometry { inputs: Vec::new(), outputs: Vec::new(), ..key.geometry.clone() },
        visibility: Visibility { inputs: Vec::new(), outputs: Vec::new(), ..key.visibility.clone() },
        relation,
        model: key.model,
        meta: Vec::new(),
    }
}

/// Whether `registration` registers the model of `key`: equal commitment, equal tensors in equal places, equal
/// parameters.
///
/// # Errors
/// `Differs`, `Tensor`.
pub fn check_keys(key: &PreparedKey, registration: &PreparedKey) -> Result<(), RegistrationError> {
    let same = |what, equal: bool| if equal { Ok(()) } else { Err(RegistrationError::Differs { what }) };
    let (k, r) = (&key.key, &registration.key);
    same("the model commitment", k.model.is_some() && k.model == r.model)?;
    same("the model's visibility", k.visibility.model == r.visibility.model)?;
    same("zero knowledge", k.visibility.zero_knowledge == r.visibility.zero_knowledge)?;
    same("a parameter", k.params == r.params)?;
    same("the column height", k.geometry.log_height == r.geometry.log_height)?;
    same("the number of random cells", k.geometry.model_top == r.geometry.model_top)?;
    same("the model's tree", plan(key) == plan(registration))?;
    match differing_tensor(key, registration) {
        Some((index, name)) => Err(RegistrationError::Tensor { index, name }),
        None => Ok(()),
    }
}

fn plan(key: &PreparedKey) -> Option<&TreePlan> {
    key.layout.trees.iter().find(|t| t.kind == TreeKind::Model)
}

/// Number and name of the first model tensor that two keys declare or place differently.
#[must_use]
pub fn differing_tensor(key: &PreparedKey, registration: &PreparedKey) -> Option<(usize, String)> {
    let (mut ours, mut theirs) = (model(key), model(registration));
    let mut index = 0;
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return None,
            (a, b) if a == b => index += 1,
            (a, b) => return Some((index, a.or(b).map_or("", |(name, ..)| name).into())),
        }
    }
}

/// Model tensors in order: name, shape, place.
fn model(key: &PreparedKey) -> impl Iterator<Item = (&str, &[u32], &Placed)> {
    let tensors = key.key.relation.tensors.iter().zip(&key.layout.tensors);
    tensors.filter(|(d, _)| d.home == Home::Model).map(|(d, p)| (d.name.as_str(), d.shape.as_slice(), p))
}

/// The statement of a registration: nothing is shown beside the key.
#[must_use]
pub fn statement(registration: &PreparedKey) -> Statement {
    Statement { epoch: registration.epoch.clone(), ..Statement::default() }
}

/// Accepts a registration of the model of `key`.
///
/// # Errors
/// Those of [`check_keys`]; `Differs` when the registration key has inputs or outputs; `Proof`.
pub fn verify(key: &PreparedKey, registration: &PreparedKey, proof: &[u8]) -> Result<(), RegistrationError> {
    check_keys(key, registration)?;
    let r = &registration.key.relation;
    if !r.inputs.is_empty() || !r.outputs.is_empty() || !registration.key.visibility.inputs.is_empty() {
        return Err(RegistrationError::Differs { what: "the list of inputs and outputs" });
    }
    if key.epoch != registration.epoch {
        return Err(RegistrationError::Differs { what: "the epoch" });
    }
    Ok(crate::verify(registration, &statement(registration), proof)?)
}
