//! Registration for contracts: a key and a proof of their own, over the same commitment, show once that every hidden weight
//! lies in its declared range. Both are files like others: contracts and commands check them as any proof.

use proveil_compiler::{Lowered, Options as LowerOptions};
use proveil_protocol::transcript::Digest;
use proveil_prover::Witness;
use proveil_relation::Home;
use proveil_succinct::Key;
use proveil_succinct::registration as succinct;

use super::engine::FIRST;
use super::{Engine, KeyFile, SetUp};
use crate::error::Error;
use crate::meta::Meta;
use crate::package::{Package, model_tensors};
use crate::proof::{Backend, ProofFile, hex};
use crate::registration::lowest;
use crate::workers::on_workers;

/// The description of a registration key.
fn description(of: &Meta) -> Vec<u8> {
    Meta { name: format!("registration of {}", of.name), ..Meta::default() }.to_bytes()
}

fn lowered(package: &Package) -> Result<Lowered, Error> {
    Ok(proveil_compiler::registration(&package.graph, &LowerOptions { limb_bits: package.limb_bits })?)
}

/// Digest of the registration key of a package whose key for contracts is `key`; `None` when there are no weights.
pub(super) fn digest(package: &Package, key: &Key, meta: &Meta) -> Result<Option<Digest>, Error> {
    if !key.relation.tensors.iter().any(|t| t.home == Home::Model) {
        return Ok(None);
    }
    Ok(Some(succinct::registration_digest(key, lowered(package)?.relation, description(meta))))
}

impl Engine {
    /// Proves that all weights of the model are in their declared ranges; returns the registration key and the proof.
    ///
    /// # Errors
    /// `Mismatch` when the model has no weights; `SetUp`, `Lower`, `Witness`, `ContractRegistration`.
    pub fn register(&self, set_up: &SetUp) -> Result<(KeyFile, ProofFile), Error> {
        let p = &self.package;
        let Some(model) = &self.model else {
            let hint = "nothing needs to be registered";
            return Err(Error::Mismatch { what: "a registration", with: "a model without weights", hint });
        };
        let Lowered { relation, plan } = lowered(p)?;
        let inputs: Vec<Vec<i64>> = p.graph.inputs.iter().map(|id| lowest(&p.graph, *id)).collect();
        let values = proveil_graph::run_fast(&p.graph, &p.params, &inputs)?;
        let w = plan.witness(&p.graph, &values)?;
        let weights = model_tensors(&p.graph, &relation, &p.params);
        let tensors =
            w.tensors.into_iter().zip(weights).map(|(a, b)| if b.is_empty() { a } else { b.to_vec() }).collect();
        let witness = Witness { tensors, tuples: w.tuples, tables: w.tables, outputs: w.outputs };
        let meta = description(&Meta::from_bytes(&self.key.inner.key.meta)?);
        let (key, proof) = on_workers(|| {
            let (key, srs) = set_up.run(FIRST, |srs| {
                let key = succinct::registration_key(&self.key, relation.clone(), meta.clone(), srs)?;
                let size = key.log_size() as u8;
                Ok((key, size))
            })?;
            let proof = succinct::register(&self.key, &key, &srs, &witness, model)?;
            Ok::<_, Error>((key, proof))
        })?;
        let file = KeyFile { short: key.short.clone(), claim: key.claim, meta };
        let (model_id, statement) = (key.short.id(), proof.statement);
        let proof = ProofFile { backend: Backend::Succinct, model_id, statement, proof: proof.bytes };
        Ok((file, proof))
    }
}

impl KeyFile {
    /// Accepts a registration of this key's model: that of the compilation that made the key, over the same commitment.
    ///
    /// # Errors
    /// `Mismatch` when the key names another registration or the commitments differ; those of [`KeyFile::verify`].
    pub fn verify_registration(&self, registration: &KeyFile, proof: &ProofFile) -> Result<(), Error> {
        let named = self.meta()?.registration;
        let same = self.short.model.is_some()
            && self.short.model == registration.short.model
            && self.short.srs == registration.short.srs;
        if named.as_deref() != Some(hex(&registration.short.digest).as_str()) || !same {
            let hint = "use the registration that was made with this package";
            return Err(Error::Mismatch { what: "the registration", with: "the short key", hint });
        }
        registration.verify(proof).map(|_| ())
    }
}
