//! Proof files: a statement and the proof of it, and their verification.

use proveil_protocol::codec::{DecodeError, Reader};
use proveil_relation::key::{IoValue, Statement, VerifyingKey};
use proveil_verifier::PreparedKey;

use crate::error::Error;
use crate::meta::Meta;

/// Bytes that open a proof file: name and format version.
pub const PROOF_MAGIC: [u8; 8] = *b"PVPROOF\x01";

/// A statement with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// Digest of the verifying key it was made for.
    pub model_id: [u8; 32],
    /// Public data.
    pub statement: Statement,
    /// Proof bytes.
    pub proof: Vec<u8>,
}

impl ProofFile {
    /// Canonical bytes: magic, model id, statement length (u32 little-endian), statement, proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let s = self.statement.encode();
        let mut out = PROOF_MAGIC.to_vec();
        out.extend(self.model_id);
        out.extend((s.len() as u32).to_le_bytes());
        out.extend(&s);
        out.extend(&self.proof);
        out
    }

    /// Reads a proof file.
    ///
    /// # Errors
    /// `Decode` with the byte offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let read = || -> Result<Self, DecodeError> {
            let mut r = Reader::new(bytes);
            if r.take("proof magic", 8)? != PROOF_MAGIC {
                return Err(DecodeError::Invalid { what: "proof magic", offset: 0 });
            }
            let model_id = r.digest("model id")?;
            let len = r.take("statement length", 4)?.iter().rev().fold(0usize, |a, b| a << 8 | usize::from(*b));
            let statement = Statement::decode(r.take("statement", len)?)?;
            let proof = r.take("proof", r.remaining())?.to_vec();
            Ok(Self { model_id, statement, proof })
        };
        read().map_err(|source| Error::Decode { what: "proof file", source })
    }
}

/// What a verified proof says, in real units.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Results {
    /// Digest of the verifying key, in hexadecimal.
    pub model_id: String,
    /// Public outputs by name: integers and real values; `None` for hidden ones.
    pub outputs: Vec<(String, Option<Vec<f64>>)>,
    /// Proven security in bits.
    pub security_bits: u32,
}

/// Checks a proof file against a verifying key and returns what it shows.
///
/// # Errors
/// `Mismatch` for another model's proof, `Verify` with the failed check.
pub fn verify(key: &PreparedKey, file: &ProofFile) -> Result<Results, Error> {
    if file.model_id != key.digest {
        return Err(Error::Mismatch {
            what: "the proof",
            with: "the verifying key",
            hint: "verify with the key of the model it was made for",
        });
    }
    tracing::info_span!("verify").in_scope(|| proveil_verifier::verify(key, &file.statement, &file.proof))?;
    let meta = Meta::from_bytes(&key.key.meta)?;
    let outputs = file
        .statement
        .outputs
        .iter()
        .zip(&meta.outputs)
        .map(|(v, m)| match v {
            IoValue::Public(v) => (m.name.clone(), Some(m.real(v))),
            _ => (m.name.clone(), None),
        })
        .collect();
    Ok(Results { model_id: hex(&key.digest), outputs, security_bits: key.key.params.security_bits })
}

/// Reads and prepares a verifying key.
///
/// # Errors
/// `Decode` with the byte offset.
pub fn read_key(bytes: &[u8]) -> Result<PreparedKey, Error> {
    let key = VerifyingKey::decode(bytes).map_err(|source| Error::Decode { what: "verifying key", source })?;
    Ok(PreparedKey::new(key))
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
