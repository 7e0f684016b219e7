//! The refresh file: before a model's commitment has spent its proofs, its owner commits to the same model with fresh
//! coins and shows that both hold the same weights. The model keeps its id, the digest of the verifying key.

use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::sample::{SAMPLED_BYTES, Sampled};
use proveil_prover::budget::{Store, Use};
use proveil_prover::refresh as prover;
use proveil_relation::key::Epoch;
use proveil_verifier::{PreparedKey, refresh as verifier};

use crate::engine::Engine;
use crate::error::Error;
use crate::package::{Package, commit};
use crate::workers::on_workers;

/// Bytes that open a refresh file: name and format version.
pub const REFRESH_MAGIC: [u8; 8] = *b"PVFRESH\x02";

/// A new commitment to the model with the proof that it holds the weights of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshFile {
    /// The new commitment and its number, 1 for the first refresh.
    pub epoch: Epoch,
    /// Proof bytes.
    pub proof: Vec<u8>,
}

impl Engine {
    /// Commits to the model again with fresh coins and proves that the weights are the same. Returns the package to go
    /// on with. The count of the new commitment is begun in `store`, and one refresh of both is counted there.
    ///
    /// # Errors
    /// `Prove` for the commitment; `Budget`; `Renew` when the model is not hidden or its commitment has no refresh left.
    pub fn refresh(&self, store: &dyn Store) -> Result<(Package, RefreshFile), Error> {
        let p = &self.package;
        verifier::Sizes::new(&self.key).map_err(prover::RenewError::from)?;
        if let Some(old) = self.model_commitment() {
            // Before a count is begun for a commitment that would never be used.
            store.read(&old)?.spend(&old, Use::Refresh)?;
        }
        let seed = rand::random();
        let tensors = p.model_tensors();
        let new = on_workers(|| commit(&self.key.layout, &tensors, &p.key.params, seed))?;
        let (Some(old), Some(new)) = (self.model(), new) else {
            return Err(prover::RenewError::from(verifier::RefreshError::NoModel).into());
        };
        self.open_budget_of(&new.commitment(), store)?;
        let made = on_workers(|| prover::prove(&self.key, old, &new, store))?;
        let package = Package { seed, epoch: Some(made.epoch.clone()), ..p.clone() };
        Ok((package, RefreshFile { epoch: made.epoch, proof: made.bytes }))
    }
}

/// The key with the last of a chain of refreshes in force, in order from the key's own commitment on.
///
/// # Errors
/// `Refresh` at the first one that is not accepted.
pub fn verify_refreshes(key: PreparedKey, chain: &[RefreshFile]) -> Result<PreparedKey, Error> {
    let chain: Vec<_> = chain.iter().map(|f| (f.epoch.clone(), f.proof.clone())).collect();
    Ok(verifier::verify_chain(key, &chain)?)
}

impl RefreshFile {
    /// Canonical bytes: magic, number (u32 little-endian), root, nonce, sample, proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = REFRESH_MAGIC.to_vec();
        out.extend(self.epoch.number.to_le_bytes());
        out.extend(self.epoch.model.to_bytes());
        out.extend(&self.proof);
        out
    }

    /// Reads a refresh file.
    ///
    /// # Errors
    /// `Decode` with the byte offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let read = || -> Result<Self, DecodeError> {
            let mut r = Reader::new(bytes);
            if r.take("refresh magic", 8)? != REFRESH_MAGIC {
                return Err(DecodeError::Invalid { what: "refresh magic", offset: 0 });
            }
            let number = r.take("refresh number", 4)?.iter().rev().fold(0u32, |a, b| a << 8 | u32::from(*b));
            let offset = r.offset();
            let model = Sampled::from_bytes(r.take("refresh commitment", SAMPLED_BYTES)?);
            let model = model.ok_or(DecodeError::Invalid { what: "refresh commitment", offset })?;
            let proof = r.take("refresh proof", r.remaining())?.to_vec();
            Ok(Self { epoch: Epoch { number, model }, proof })
        };
        read().map_err(|source| Error::Decode { what: "refresh file", source })
    }
}
