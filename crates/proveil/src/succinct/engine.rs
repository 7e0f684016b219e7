//! A package made ready for proofs for contracts: lowered, laid out, its model committed on the curve.

use std::borrow::Cow;

use proveil_algebra::Challenge;
use proveil_compiler::{Lowered, WitnessPlan};
use proveil_graph::run_fast;
use proveil_kzg::SrsKey;
use proveil_kzg::commit::Committed;
use proveil_kzg::srs::Srs;
use proveil_protocol::codec::Leaf;
use proveil_protocol::transcript::Digest;
use proveil_prover::Witness;
use proveil_prover::coins::Coins;
use proveil_relation::key::IoVisibility;
use proveil_relation::layout::TreeKind;
use proveil_succinct::prove::{Deviation, Inputs, ProveError, commit_io, commit_model, known_model, prove_with};
use proveil_succinct::{Key, PreparedKey, ShortKey};

use super::{ContractKeys, KeyFile, SetUp, commitment, registration};
use crate::error::Error;
use crate::meta::Meta;
use crate::package::{Package, lower_for, model_tensors};
use crate::proof::{Backend, ProofFile, hex};
use crate::workers::on_workers;

/// Powers that a first try is made with, as a power of two.
pub(super) const FIRST: u8 = 12;

/// A prepared package.
pub struct Engine {
    /// The package.
    pub package: Package,
    /// The full key with what follows from it.
    pub key: PreparedKey,
    srs: Srs,
    plan: WitnessPlan,
    pub(super) model: Option<Committed>,
}

/// A proof with the values it is about.
pub struct Proved {
    /// Statement and proof.
    pub file: ProofFile,
    /// Output integers, public or not, for the prover's eyes.
    pub outputs: Vec<Vec<i64>>,
    /// Where each message of the proof is.
    pub leaves: Vec<Leaf>,
}

/// Gives a package its keys for contracts.
///
/// # Errors
/// `SetUp` with the size that is needed when the set-up is too small; `Contract` when the model does not fit the backend.
pub fn add_keys(package: Package, set_up: &SetUp) -> Result<Engine, Error> {
    add_keys_from(package, set_up, rand::random())
}

/// [`add_keys`] with the coins of a seed: the same keys for the same package. Who knows the seed can look for the model
/// behind its commitment.
///
/// # Errors
/// As [`add_keys`].
pub fn add_keys_from(package: Package, set_up: &SetUp, seed: [u8; 32]) -> Result<Engine, Error> {
    let (Keyed { key, model }, srs) = on_workers(|| make(&package, set_up, seed))?;
    let (short, behind) = (key.short.clone(), behind(&key, model.as_ref()));
    let package = Package { contract: Some(ContractKeys { seed, short, behind }), ..package };
    Engine::with(package, key, srs.into_owned(), model)
}

/// Variables of the longest polynomial of proofs under a key.
pub(super) fn log_size(key: &ShortKey) -> u8 {
    key.log_size().min(usize::from(u8::MAX)) as u8
}

/// A key with the model's commitment.
struct Keyed {
    key: PreparedKey,
    model: Option<Committed>,
}

/// The key of a package under a set-up with the model's commitment.
fn make<'a>(package: &Package, set_up: &'a SetUp, seed: [u8; 32]) -> Result<(Keyed, Cow<'a, Srs>), Error> {
    let first = package.contract.as_ref().map_or(FIRST, |keys| log_size(&keys.short));
    set_up.run(first, |srs| {
        let (relation, visibility) = (&package.key.relation, &package.key.visibility);
        let tensors = model_tensors(&package.graph, relation, &package.params);
        let coins = model_coins(seed);
        let model = commit_model(relation, visibility, srs, &tensors, &coins)?;
        let key = full_key(package, srs.key(), model.as_ref())?;
        let key = PreparedKey::new(key, srs).map_err(ProveError::from)?;
        let size = key.log_size() as u8;
        Ok((Keyed { key, model }, size))
    })
}

/// Coins of a model's commitment.
fn model_coins(seed: [u8; 32]) -> Coins {
    Coins::from_seed(seed, &[b"model commitment on the curve"])
}

/// What [`make`] makes, from the points that the package holds: nothing is committed to.
fn known(package: &Package, keys: &ContractKeys) -> Result<Keyed, Error> {
    let (relation, visibility) = (&package.key.relation, &package.key.visibility);
    let tensors = model_tensors(&package.graph, relation, &package.params);
    let model = match keys.short.model {
        Some(point) => known_model(relation, visibility, point, &tensors, &model_coins(keys.seed))?,
        None => None,
    };
    let key = full_key(package, keys.short.srs, model.as_ref())?;
    let key = PreparedKey::with_points(key, keys.short.list).map_err(ProveError::from)?;
    Ok(Keyed { key, model })
}

/// Hash of a key's points and of what they commit to. Secret as the blind is.
fn behind(key: &PreparedKey, model: Option<&Committed>) -> Digest {
    let mut h = blake3::Hasher::new_derive_key("proveil behind the points of a short key");
    h.update(&key.list.digest());
    let mut bytes = Vec::new();
    key.stacks.iter().chain(model).for_each(|c| bytes.extend(c.point.to_bytes()));
    if let Some(m) = model {
        m.coefficients.iter().chain([&m.blind]).for_each(|x| x.write(&mut bytes));
    }
    h.update(&bytes);
    *h.finalize().as_bytes()
}

/// The full key of a package. Its description names the registration of the hidden model under the same set-up.
fn full_key(package: &Package, srs: SrsKey, model: Option<&Committed>) -> Result<Key, Error> {
    let meta = Meta { registration: None, ..Meta::from_bytes(&package.key.meta)? };
    let (relation, visibility) = (package.key.relation.clone(), package.key.visibility.clone());
    let mut key = Key { relation, visibility, model: model.map(|m| m.point), srs, meta: Vec::new() };
    let registration = registration::digest(package, &key, &meta)?;
    key.meta = Meta { registration: registration.map(|d| hex(&d)), ..meta }.to_bytes();
    Ok(key)
}

impl Engine {
    /// Prepares a package with the set-up that its keys were made with. Its points are taken as they are, once what they
    /// commit to is seen to be the same.
    ///
    /// # Errors
    /// `NoContractKeys`; `Mismatch` for another set-up or a package that contradicts itself; `SetUp`, `Contract`, `Lower`.
    pub fn load(package: Package, set_up: &SetUp) -> Result<Self, Error> {
        let Some(keys) = package.contract.clone() else { return Err(Error::NoContractKeys) };
        if set_up.key()? != keys.short.srs {
            let hint = "give the set-up that the package was compiled with";
            return Err(Error::Mismatch { what: "the set-up", with: "the package's keys for contracts", hint });
        }
        let need = log_size(&keys.short);
        let (Keyed { key, model }, srs) = on_workers(|| {
            let powers = set_up.run(need, |_| Ok(((), need)))?.1;
            Ok::<_, Error>((known(&package, &keys)?, powers))
        })?;
        if key.short != keys.short || behind(&key, model.as_ref()) != keys.behind {
            let hint = "compile the model again";
            return Err(Error::Mismatch { what: "the package's model", with: "its keys for contracts", hint });
        }
        Self::with(package, key, srs.into_owned(), model)
    }

    fn with(package: Package, key: PreparedKey, srs: Srs, model: Option<Committed>) -> Result<Self, Error> {
        let committed = package.key.visibility.outputs.contains(&IoVisibility::Committed);
        let Lowered { relation, plan } = lower_for(&package.graph, package.limb_bits, committed)?;
        if relation != package.key.relation {
            let hint = "compile the model again";
            return Err(Error::Mismatch { what: "the package's graph", with: "its key", hint });
        }
        Ok(Self { package, key, srs, plan, model })
    }

    /// What verifiers and contracts need: the short key with its description.
    #[must_use]
    pub fn key_file(&self) -> KeyFile {
        let (claim, meta) = (self.key.claim, self.key.inner.key.meta.clone());
        KeyFile { short: self.key.short.clone(), claim, meta }
    }

    /// What the short key is made from.
    #[must_use]
    pub fn full_key(&self) -> super::FullKey {
        let key = &self.key.inner.key;
        let (relation, visibility, meta) = (key.relation.clone(), key.visibility.clone(), key.meta.clone());
        super::FullKey(Key { relation, visibility, model: self.key.short.model, srs: self.key.short.srs, meta })
    }

    /// The witness for given inputs.
    ///
    /// # Errors
    /// `Eval` for a wrong number, length or range of inputs; `Witness`.
    pub fn witness(&self, inputs: &[Vec<i64>]) -> Result<Witness, Error> {
        let values = run_fast(&self.package.graph, &self.package.params, inputs)?;
        let w = self.plan.witness(&self.package.graph, &values)?;
        Ok(Witness { tensors: w.tensors, tuples: w.tuples, tables: w.tables, outputs: w.outputs })
    }

    /// Commits an input on its own with coins from `seed`.
    ///
    /// # Errors
    /// `Contract` when the key says that it is not committed.
    pub fn commit_input(&self, k: usize, inputs: &[Vec<i64>], seed: [u8; 32]) -> Result<Committed, Error> {
        let mut tensors = vec![Vec::new(); self.package.key.relation.tensors.len()];
        if let Some(i) = self.package.key.relation.inputs.get(k) {
            tensors[i.tensor as usize] = inputs.get(k).cloned().unwrap_or_default();
        }
        self.commit_tree(TreeKind::Input(k as u32), &tensors, seed)
    }

    fn commit_tree(&self, kind: TreeKind, tensors: &[Vec<i64>], seed: [u8; 32]) -> Result<Committed, Error> {
        let coins = Coins::from_seed(seed, &[b"io commitment on the curve"]);
        Ok(on_workers(|| commit_io(&self.key, &self.srs, kind, tensors, &coins))?)
    }

    /// Runs the model on integer inputs and proves the result. Committed inputs that are not given, and committed
    /// outputs, are committed with fresh coins.
    ///
    /// # Errors
    /// `Eval`, `Witness`, `Contract`.
    pub fn prove(&self, inputs: &[Vec<i64>], given: &[Option<&Committed>], context: &[u8]) -> Result<Proved, Error> {
        self.prove_from(inputs, given, context, rand::random())
    }

    /// [`Engine::prove`] with the coins of a seed: the same bytes for the same inputs, for figures that come out the same
    /// whenever they are taken. Who knows the seed of a proof can look for what it hides.
    ///
    /// # Errors
    /// As [`Engine::prove`].
    pub fn prove_from(
        &self,
        inputs: &[Vec<i64>],
        given: &[Option<&Committed>],
        context: &[u8],
        seed: [u8; 32],
    ) -> Result<Proved, Error> {
        let own_seed = |what: &str, k: usize| *blake3::keyed_hash(&seed, format!("{what} {k}").as_bytes()).as_bytes();
        let witness = tracing::info_span!("inference").in_scope(|| self.witness(inputs))?;
        let visibility = &self.package.key.visibility;
        let mut own = Vec::new();
        for k in 0..self.package.key.relation.inputs.len() {
            let need =
                visibility.input(k as u32) == IoVisibility::Committed && given.get(k).copied().flatten().is_none();
            own.push(if need { Some(self.commit_input(k, inputs, own_seed("input", k))?) } else { None });
        }
        let mut outputs = Vec::new();
        for k in 0..self.package.key.relation.outputs.len() as u32 {
            let need = visibility.output(k) == IoVisibility::Committed;
            let seed = own_seed("output", k as usize);
            let make = || self.commit_tree(TreeKind::Output(k), &witness.tensors, seed);
            outputs.push(if need { Some(make()?) } else { None });
        }
        let pick = |(k, own): (usize, &'_ Option<Committed>)| given.get(k).copied().flatten().or(own.as_ref()).cloned();
        let picked: Vec<_> = own.iter().enumerate().map(pick).collect();
        let all = Inputs {
            model: self.model.as_ref(),
            inputs: picked.iter().map(Option::as_ref).collect(),
            outputs: outputs.iter().map(Option::as_ref).collect(),
            context: context.to_vec(),
        };
        let coins = Coins::from_seed(seed, &[b"proof for contracts", &self.key.inner.digest, context]);
        let proof = on_workers(|| prove_with(&self.key, &self.srs, &witness, &all, &coins, Deviation::default()))?;
        let (model_id, statement) = (self.key.short.id(), proof.statement);
        let file = ProofFile { backend: Backend::Succinct, model_id, statement, proof: proof.bytes };
        Ok(Proved { file, outputs: witness.outputs, leaves: proof.leaves })
    }

    /// [`crate::CommitmentFile::make_with`] on the curve.
    ///
    /// # Errors
    /// As there.
    pub fn commit_inputs(&self, inputs: &[Vec<i64>]) -> Result<crate::CommitmentFile, Error> {
        let commit = |k, seed| Ok(commitment(&self.commit_input(k, inputs, seed)?));
        crate::CommitmentFile::make_with(Backend::Succinct, &self.package, inputs, commit)
    }

    /// [`crate::CommitmentFile::reopen_with`] on the curve.
    ///
    /// # Errors
    /// As there.
    pub fn reopen(&self, file: &crate::CommitmentFile, inputs: &[Vec<i64>]) -> Result<Vec<Option<Committed>>, Error> {
        file.reopen_with(Backend::Succinct, &self.package, inputs, |k, seed| {
            let c = self.commit_input(k, inputs, seed)?;
            Ok((commitment(&c), c))
        })
    }
}
