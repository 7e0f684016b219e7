//! The file of a short key: what a contract knows of a model, with the description that people need. The model id, a hash
//! of the short key, binds the description too: the key's digest is made again from it when the file is read.

use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::transcript::Digest;
use proveil_relation::key::IoValue;
use proveil_succinct::{Io, Item, ShortKey, key_digest, verify_short};

use super::BITS;
use crate::error::Error;
use crate::meta::{IoMeta, Meta};
use crate::proof::{Backend, ProofFile, Results, hex};

/// Bytes that open the file of a short key: name and format version.
pub const SHORT_KEY_MAGIC: [u8; 8] = *b"PVSHORT\x01";

/// A short key with its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The short key.
    pub short: ShortKey,
    /// Hash of the full key without description and set-up.
    pub claim: Digest,
    /// The description, [`Meta`] as JSON.
    pub meta: Vec<u8>,
}

impl KeyFile {
    /// Names, shapes and scales.
    ///
    /// # Errors
    /// `Meta`.
    pub fn meta(&self) -> Result<Meta, Error> {
        Ok(Meta::from_bytes(&self.meta)?)
    }

    /// Canonical bytes: magic, claim, length of the short key (u32 little-endian), short key, description.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let short = self.short.to_bytes();
        let mut out = SHORT_KEY_MAGIC.to_vec();
        out.extend(self.claim);
        out.extend((short.len() as u32).to_le_bytes());
        out.extend(&short);
        out.extend(&self.meta);
        out
    }

    /// Reads the file of a short key.
    ///
    /// # Errors
    /// `Decode` with the byte offset, also when the description is not the one that the key binds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let read = || -> Result<Self, DecodeError> {
            let mut r = Reader::new(bytes);
            if r.take("short key magic", 8)? != SHORT_KEY_MAGIC {
                return Err(DecodeError::Invalid { what: "short key magic", offset: 0 });
            }
            let claim = r.digest("claim")?;
            let len = r.take("short key length", 4)?.iter().rev().fold(0usize, |a, b| a << 8 | usize::from(*b));
            let short = ShortKey::from_bytes(r.take("short key", len)?)?;
            let offset = r.offset();
            let meta = r.take("description", r.remaining())?.to_vec();
            let fits = key_digest(&claim, &meta, &short.srs) == short.digest;
            let fits = fits && Meta::from_bytes(&meta).is_ok_and(|m| describes(&m, &short));
            if !fits {
                return Err(DecodeError::Invalid { what: "description", offset });
            }
            Ok(Self { short, claim, meta })
        };
        read().map_err(|source| Error::Decode { what: "short key", source })
    }

    /// Refuses keys of development set-ups.
    ///
    /// # Errors
    /// `InsecureSetUp`.
    pub fn require_secure(&self) -> Result<(), Error> {
        if self.short.srs.insecure { Err(Error::InsecureSetUp) } else { Ok(()) }
    }

    /// Checks a proof file as a contract does and returns what it shows. Keys of insecure set-ups are the caller's
    /// business: see [`KeyFile::require_secure`].
    ///
    /// # Errors
    /// `Mismatch` for a proof of the other backend or of another model; `VerifyShort` with the failed check.
    pub fn verify(&self, file: &ProofFile) -> Result<Results, Error> {
        self.require_own(file)?;
        tracing::info_span!("verify").in_scope(|| verify_short(&self.short, &file.statement, &file.proof))?;
        self.results(file)
    }

    /// Refuses proofs of the other backend or of another model.
    fn require_own(&self, file: &ProofFile) -> Result<(), Error> {
        file.require(Backend::Succinct)?;
        if file.model_id == self.short.id() {
            return Ok(());
        }
        let hint = "verify with the short key of the model it was made for";
        Err(Error::Mismatch { what: "the proof", with: "the short key", hint })
    }

    /// What an accepted proof shows.
    fn results(&self, file: &ProofFile) -> Result<Results, Error> {
        let meta = self.meta()?;
        let real = |(v, m): (&IoValue, &IoMeta)| match v {
            IoValue::Public(v) => (m.name.clone(), Some(m.real(v))),
            _ => (m.name.clone(), None),
        };
        let outputs = file.statement.outputs.iter().zip(&meta.outputs).map(real).collect();
        Ok(Results {
            model_id: hex(&file.model_id),
            outputs,
            input_texts: Meta::shown(&meta.inputs, &file.statement.inputs),
            output_texts: Meta::shown(&meta.outputs, &file.statement.outputs),
            security_bits: BITS,
        })
    }
}

/// Checks several proofs at once as the contract `BatchVerifier` does, each under its key, and returns what they show. Faster
/// than one by one by a pairing for each proof but one.
///
/// # Errors
/// Those of [`KeyFile::verify`], but `VerifyBatch` with the proof's number, if one is found out, in place of `VerifyShort`.
pub fn verify_batch(proofs: &[(&KeyFile, &ProofFile)]) -> Result<Vec<Results>, Error> {
    proofs.iter().try_for_each(|(key, file)| key.require_own(file))?;
    let items: Vec<_> = proofs
        .iter()
        .map(|(key, file)| Item { key: &key.short, statement: &file.statement, proof: &file.proof })
        .collect();
    tracing::info_span!("verify").in_scope(|| proveil_succinct::verify_batch(&items))?;
    proofs.iter().map(|(key, file)| key.results(file)).collect()
}

/// Whether a description speaks of as many inputs, outputs and cells as a key.
fn describes(meta: &Meta, key: &ShortKey) -> bool {
    let fits = |list: &[IoMeta], ios: &[Io]| {
        let cells = |m: &IoMeta| m.shape.iter().try_fold(1u64, |a, n| a.checked_mul(*n as u64));
        let same = |(m, io): (&IoMeta, &Io)| cells(m) == Some(u64::from(io.lines) * u64::from(io.cells));
        list.len() == ios.len() && list.iter().zip(ios).all(same)
    };
    fits(&meta.inputs, &key.inputs) && fits(&meta.outputs, &key.outputs)
}
