//! Proof files: a statement and the proof of it, and their verification.

use proveil_protocol::codec::{DecodeError, Reader};
use proveil_prover::Threads;
use proveil_relation::key::{IoValue, Statement, VerifyingKey};
use proveil_verifier::PreparedKey;

use crate::error::Error;
use crate::meta::{IoMeta, Meta};
use crate::workers::on_workers;

/// Bytes that open a proof file of the transparent backend: name and format version.
pub const PROOF_MAGIC: [u8; 8] = *b"PVPROOF\x02";
/// Bytes that open a proof file of the succinct backend.
pub const SUCCINCT_PROOF_MAGIC: [u8; 8] = *b"PVSPRF\0\x02";

/// Commitment schemes under the same relations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Hashes only, no set-up.
    #[default]
    Transparent,
    /// Points of a curve, for proofs that contracts verify; needs a set-up.
    Succinct,
}

/// A statement with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// Which backend made it.
    pub backend: Backend,
    /// The model id: digest of the verifying key it was made for, or hash of the short key.
    pub model_id: [u8; 32],
    /// Public data.
    pub statement: Statement,
    /// Proof bytes.
    pub proof: Vec<u8>,
}

impl Backend {
    fn proof_magic(self) -> [u8; 8] {
        match self {
            Self::Transparent => PROOF_MAGIC,
            Self::Succinct => SUCCINCT_PROOF_MAGIC,
        }
    }
}

impl ProofFile {
    /// Refuses proofs of the other backend.
    ///
    /// # Errors
    /// `Mismatch`.
    pub fn require(&self, backend: Backend) -> Result<(), Error> {
        let (with, hint) = match backend {
            _ if self.backend == backend => return Ok(()),
            Backend::Transparent => {
                ("the verifying key", "it is a proof of the succinct backend: verify it with the model's short key")
            }
            Backend::Succinct => {
                ("the short key", "it is a proof of the transparent backend: verify it with the model's verifying key")
            }
        };
        Err(Error::Mismatch { what: "the proof", with, hint })
    }

    /// Canonical bytes: magic, model id, statement length (u32 little-endian), statement, proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let s = self.statement.encode();
        let mut out = self.backend.proof_magic().to_vec();
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
            let magic = r.take("proof magic", 8)?;
            let backend = [Backend::Transparent, Backend::Succinct].into_iter().find(|b| b.proof_magic() == magic);
            let backend = backend.ok_or(DecodeError::Invalid { what: "proof magic", offset: 0 })?;
            let model_id = r.digest("model id")?;
            let len = r.take("statement length", 4)?.iter().rev().fold(0usize, |a, b| a << 8 | usize::from(*b));
            let statement = Statement::decode(r.take("statement", len)?)?;
            let proof = r.take("proof", r.remaining())?.to_vec();
            Ok(Self { backend, model_id, statement, proof })
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
    /// Public inputs that are texts, by name; `None` for a text that the model does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub input_texts: Vec<(String, Vec<Option<String>>)>,
    /// Public outputs that are texts, or labels whose classes have names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_texts: Vec<(String, Vec<Option<String>>)>,
    /// Proven security in bits.
    pub security_bits: u32,
}

/// Checks a proof file against a verifying key and returns what it shows.
///
/// # Errors
/// `Mismatch` for a proof of the other backend or of another model, `Verify` with the failed check.
pub fn verify(key: &PreparedKey, file: &ProofFile) -> Result<Results, Error> {
    file.require(Backend::Transparent)?;
    if file.model_id != key.digest {
        return Err(Error::Mismatch {
            what: "the proof",
            with: "the verifying key",
            hint: "verify with the key of the model it was made for",
        });
    }
    let check = || proveil_verifier::verify_on(&Threads, key, &file.statement, &file.proof);
    // Results may be millions of numbers: whichever thread has nothing to check makes them, and nobody sees them before all
    // is checked.
    let outputs = || {
        let meta = Meta::from_bytes(&key.key.meta)?;
        let real = |(v, m): (&IoValue, &IoMeta)| match v {
            IoValue::Public(v) => (m.name.clone(), Some(m.real(v))),
            _ => (m.name.clone(), None),
        };
        let s = &file.statement;
        let texts = (Meta::shown(&meta.inputs, &s.inputs), Meta::shown(&meta.outputs, &s.outputs));
        Ok::<_, Error>((s.outputs.iter().zip(&meta.outputs).map(real).collect(), texts))
    };
    let work = || rayon::join(check, outputs);
    let (checked, outputs) = tracing::info_span!("verify").in_scope(|| on_workers(work));
    checked?;
    let (outputs, (input_texts, output_texts)) = outputs?;
    let (model_id, security_bits) = (hex(&key.digest), key.key.params.security_bits);
    Ok(Results { model_id, outputs, input_texts, output_texts, security_bits })
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
