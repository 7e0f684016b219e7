//! Registration of a hidden model: a proof of another relation over the same commitment.
//!
//! A key's proofs take two things about the model for granted. Its cells lie in their declared ranges, which need to be
//! proved once only; and its root stands for *one* codeword, where a proof alone binds it to a short list. The
//! *registration key* has the relation of the ranges, the same model tensors in the same places, and parameters that
//! open [`Params::registration_queries`] rows ([`Params::for_registration`]). Both keys come from one compilation.
//!
//! # Soundness
//! After an accepted registration every codeword but one agrees with the committed word on fewer positions than any
//! later proof accepts, but for probability `(1 - a + rho)^q_reg 2^-w`.

use alloc::string::String;
use alloc::vec::Vec;

use proveil_protocol::params::Params;
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
    /// The registration key opens too few rows.
    #[error("registration key: {got} rows are opened, {expected} are needed; make it with `Params::for_registration`")]
    Rows {
        /// Needed rows.
        expected: usize,
        /// Rows that the key opens.
        got: usize,
    },
    /// The proof is refused.
    #[error("registration {0}")]
    Proof(#[from] VerifyError),
}

/// The registration key of a key, from the relation of its model's ranges: the rows it needs, and as many random cells
/// in the columns of the proof itself.
#[must_use]
pub fn key(key: &VerifyingKey, relation: Relation) -> VerifyingKey {
    let rows = u32::try_from(key.params.registration_rows()).unwrap_or(u32::MAX);
    let trace_top = key.geometry.trace_top.max(rows);
    VerifyingKey {
        params: key.params.clone().for_registration(),
        geometry: Geometry { trace_top, inputs: Vec::new(), outputs: Vec::new(), ..key.geometry.clone() },
        visibility: Visibility { inputs: Vec::new(), outputs: Vec::new(), ..key.visibility.clone() },
        relation,
        model: key.model,
        meta: Vec::new(),
    }
}

/// Whether `registration` registers the model of `key`: equal commitment, equal tensors in equal places, equal
/// parameters but for the rows.
///
/// # Errors
/// `Differs`, `Tensor`, `Rows`.
pub fn check_keys(key: &PreparedKey, registration: &PreparedKey) -> Result<(), RegistrationError> {
    let same = |what, equal: bool| if equal { Ok(()) } else { Err(RegistrationError::Differs { what }) };
    let (k, r) = (&key.key, &registration.key);
    same("the model commitment", k.model.is_some() && k.model == r.model)?;
    same("the model's visibility", k.visibility.model == r.visibility.model)?;
    same("zero knowledge", k.visibility.zero_knowledge == r.visibility.zero_knowledge)?;
    let base = |p: &Params| Params { min_row_queries: 0, ..p.clone() };
    same("a parameter", base(&k.params) == base(&r.params))?;
    same("the column height", k.geometry.log_height == r.geometry.log_height)?;
    same("the number of random cells", k.geometry.model_top == r.geometry.model_top)?;
    same("the model's tree", plan(key) == plan(registration))?;
    if let Some((index, name)) = differing_tensor(key, registration) {
        return Err(RegistrationError::Tensor { index, name });
    }
    let (expected, got) = (k.params.registration_queries(), usize::from(r.params.min_row_queries));
    if got < expected { Err(RegistrationError::Rows { expected, got }) } else { Ok(()) }
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
