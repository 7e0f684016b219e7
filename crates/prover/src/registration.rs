//! Registration of a hidden model, the prover's half of `verifier::registration`: the same prover over the relation of
//! the model's ranges, opening more rows.

use proveil_relation::layout::TreeKind;
use proveil_verifier::PreparedKey;
use proveil_verifier::registration::{RegistrationError, check_keys};

use crate::budget::{BudgetError, Store, Use};
use crate::{Committed, Inputs, Proof, ProveError, Witness, prove as prove_relation};

/// Why no registration was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The registration key is not of the model of the key.
    #[error(transparent)]
    Keys(#[from] RegistrationError),
    /// The model is already registered, or its count is not known.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// A cell is out of range, or the proof failed otherwise.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// Proves that every cell of the committed model is in its declared range.
///
/// The witness has the registration relation's tensors and look-ups; `model` is the commitment in both keys. A use is
/// counted in `store` before the proof is returned: a model is registered once.
///
/// # Errors
/// `Keys`; `Budget`; `Prove`.
pub fn prove(
    key: &PreparedKey,
    registration: &PreparedKey,
    witness: &Witness,
    model: &Committed,
    store: &dyn Store,
) -> Result<Proof, RegisterError> {
    check_keys(key, registration)?;
    let commitment = model.commitment();
    let hidden = key.layout.trees.iter().any(|t| t.kind == TreeKind::Model && t.top.is_some());
    if hidden {
        store.read(&commitment)?.spend(&commitment, Use::Registration)?;
    }
    let inputs = Inputs { model: Some(model), ..Inputs::default() };
    let proof = prove_relation(registration, witness, &inputs)?;
    if hidden {
        store.spend(&commitment, Use::Registration)?;
    }
    Ok(proof)
}
