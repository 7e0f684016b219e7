//! The registration file: shown once beside a verifying key, it proves that every weight of a hidden model is in its
//! declared range and that its commitment stands for one model only.
//!
//! The key's description names the digest of the registration key, so the ranges are those of the compilation that made
//! the key, and a registration of other ranges is refused.

use proveil_compiler::{Options as LowerOptions, registration};
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_prover::budget::Store;
use proveil_prover::{Witness, registration as prover};
use proveil_relation::Home;
use proveil_relation::key::VerifyingKey;
use proveil_verifier::{PreparedKey, registration as verifier};

use crate::engine::Engine;
use crate::error::Error;
use crate::meta::Meta;
use crate::package::model_tensors;
use crate::proof::hex;
use crate::workers::on_workers;

/// Bytes that open a registration file: name and format version.
pub const REGISTRATION_MAGIC: [u8; 8] = *b"PVREG\0\0\x01";

/// A registration key with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationFile {
    /// Canonical bytes of the registration key.
    pub key: Vec<u8>,
    /// Proof bytes.
    pub proof: Vec<u8>,
}

/// The registration key that belongs to a key; `None` when there is nothing to register.
///
/// # Errors
/// `Lower`.
pub fn registration_key(
    graph: &proveil_graph::Graph,
    key: &VerifyingKey,
    limb_bits: Option<u32>,
) -> Result<Option<VerifyingKey>, Error> {
    if !key.relation.tensors.iter().any(|t| t.home == Home::Model) {
        return Ok(None);
    }
    let lowered = registration(graph, &LowerOptions { limb_bits })?;
    Ok(Some(verifier::key(key, lowered.relation)))
}

impl Engine {
    /// Proves the registration of the model; counted in `store`, so it is made once.
    ///
    /// # Errors
    /// `Mismatch` when the model has no weights; `Lower`, `Witness`, `Register`.
    pub fn register(&self, store: &dyn Store) -> Result<RegistrationFile, Error> {
        let p = &self.package;
        let none = Error::Mismatch {
            what: "a registration",
            with: "a model without weights",
            hint: "nothing needs to be registered",
        };
        let (Some(key), Some(model)) = (registration_key(&p.graph, &p.key, p.limb_bits)?, self.model()) else {
            return Err(none);
        };
        let lowered = registration(&p.graph, &LowerOptions { limb_bits: p.limb_bits })?;
        let inputs: Vec<Vec<i64>> = p.graph.inputs.iter().map(|id| lowest(&p.graph, *id)).collect();
        let w = lowered.plan.witness(&p.graph, &self.run(&inputs)?)?;
        let tensors = model_tensors(&p.graph, &key.relation, &p.params);
        let tensors =
            w.tensors.into_iter().zip(tensors).map(|(a, b)| if b.is_empty() { a } else { b.to_vec() }).collect();
        let witness = Witness { tensors, tuples: w.tuples, tables: w.tables, outputs: w.outputs };
        let bytes = key.encode();
        let prepared = in_force(PreparedKey::new(key), &self.key);
        let proof = on_workers(|| prover::prove(&self.key, &prepared, &witness, model, store))?;
        Ok(RegistrationFile { key: bytes, proof: proof.bytes })
    }
}

/// A registration key with the refresh in force under a key.
fn in_force(registration: PreparedKey, key: &PreparedKey) -> PreparedKey {
    match &key.epoch {
        Some(epoch) => registration.with_epoch(epoch.clone()),
        None => registration,
    }
}

/// An input of least values: the ranges of weights do not depend on it.
pub(crate) fn lowest(graph: &proveil_graph::Graph, id: proveil_graph::TensorId) -> Vec<i64> {
    let t = &graph.tensors[id.0 as usize];
    vec![t.range.lo; t.shape.iter().product()]
}

/// Accepts a registration of the model of `key`.
///
/// # Errors
/// `Decode`; `Mismatch` when the key names another registration; `Registration`.
pub fn verify_registration(key: &PreparedKey, file: &RegistrationFile) -> Result<(), Error> {
    let decode = |source| Error::Decode { what: "registration key", source };
    let registration = in_force(PreparedKey::new(VerifyingKey::decode(&file.key).map_err(decode)?), key);
    let meta = Meta::from_bytes(&key.key.meta)?;
    if meta.registration.as_deref() != Some(hex(&registration.digest).as_str()) {
        return Err(Error::Mismatch {
            what: "the registration",
            with: "the verifying key",
            hint: "use the registration that was made with this package",
        });
    }
    Ok(verifier::verify(key, &registration, &file.proof)?)
}

impl RegistrationFile {
    /// Canonical bytes: magic, key length (u32 little-endian), key, proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = REGISTRATION_MAGIC.to_vec();
        out.extend((self.key.len() as u32).to_le_bytes());
        out.extend(&self.key);
        out.extend(&self.proof);
        out
    }

    /// Reads a registration file.
    ///
    /// # Errors
    /// `Decode` with the byte offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let read = || -> Result<Self, DecodeError> {
            let mut r = Reader::new(bytes);
            if r.take("registration magic", 8)? != REGISTRATION_MAGIC {
                return Err(DecodeError::Invalid { what: "registration magic", offset: 0 });
            }
            let len = r.take("key length", 4)?.iter().rev().fold(0usize, |a, b| a << 8 | usize::from(*b));
            let key = r.take("registration key", len)?.to_vec();
            let proof = r.take("registration proof", r.remaining())?.to_vec();
            Ok(Self { key, proof })
        };
        read().map_err(|source| Error::Decode { what: "registration file", source })
    }
}
