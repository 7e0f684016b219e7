//! What goes on a chain: a model's key as an account, and proofs as contracts take them.

use proveil_evm::export;
use proveil_protocol::transcript::{Digest, keccak256};
use proveil_relation::key::IoValue;

use super::KeyFile;
use crate::error::Error;
use crate::proof::ProofFile;

/// A proof as contracts take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// First argument of `verify`: version, account of the key, public data, messages.
    pub proof: Vec<u8>,
    /// Second argument: names the model.
    pub model_id: Digest,
    /// Third argument: hash of the public data.
    pub public_digest: Digest,
    /// The public data: hash of the context, points, values.
    pub public_data: Vec<u8>,
    /// Points of committed inputs, then outputs, 64 bytes each.
    pub points: Vec<u8>,
    /// Public inputs, then outputs, packed.
    pub values: Vec<u8>,
    /// The context.
    pub context: Vec<u8>,
}

impl Call {
    /// The whole call, from the function's name on.
    #[must_use]
    pub fn calldata(&self) -> Vec<u8> {
        export::verify_call(&self.proof, self.model_id, self.public_digest)
    }
}

/// The whole call of `verifyBatch` of the contract `BatchVerifier`, from the function's name on.
#[must_use]
pub fn batch_calldata(calls: &[Call]) -> Vec<u8> {
    let items: Vec<_> = calls.iter().map(|c| (&c.proof[..], c.model_id, c.public_digest)).collect();
    export::verify_batch_call(&items)
}

/// Contracts take no proofs that show what is private.
pub(super) fn require_hiding(hiding: bool) -> Result<(), Error> {
    if hiding {
        return Ok(());
    }
    let hint = "compile without --plain";
    Err(Error::Mismatch { what: "a key without zero knowledge", with: "the contract, which refuses it", hint })
}

impl KeyFile {
    /// Refuses keys whose proofs show what is private: contracts take none of them.
    ///
    /// # Errors
    /// `Mismatch`.
    pub fn require_hiding(&self) -> Result<(), Error> {
        require_hiding(self.short.hiding)
    }

    /// Code that deploys the account that holds the model's key.
    #[must_use]
    pub fn account_code(&self) -> Vec<u8> {
        export::key_account(&self.short.to_bytes())
    }

    /// A proof as contracts take it, for the account that holds the key. The proof is verified first.
    ///
    /// # Errors
    /// Those of [`KeyFile::verify`] and [`KeyFile::require_hiding`].
    pub fn call(&self, file: &ProofFile, account: [u8; 20]) -> Result<Call, Error> {
        self.require_hiding()?;
        self.verify(file)?;
        let statement = &file.statement;
        let public_data = self.short.public_data(statement).map_err(proveil_succinct::VerifyError::from)?;
        let committed = |v: &IoValue| match v {
            IoValue::Committed(c) => c.commitment.to_bytes().to_vec(),
            _ => Vec::new(),
        };
        let points: Vec<u8> = statement.inputs.iter().chain(&statement.outputs).flat_map(committed).collect();
        // The hash of the context and the points stand in front of the values.
        let values = public_data.iter().skip(32 + points.len()).copied().collect();
        Ok(Call {
            proof: export::proof(account, &public_data, &file.proof),
            model_id: self.short.id(),
            public_digest: keccak256(&[&public_data]),
            public_data,
            points,
            values,
            context: statement.context.clone(),
        })
    }
}
