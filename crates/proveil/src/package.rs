//! Compilation and the model package: what the model's owner keeps. It holds secrets (weights, commitment coins).

use proveil_compiler::{Lowered, Options as LowerOptions, lower};
use proveil_graph::{Graph, Origin, Params as ModelParams, TensorId};
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::params::Params;
use proveil_protocol::sample::Sampled;
use proveil_prover::coins::Coins;
use proveil_prover::stored::StoredTree;
use proveil_prover::{Committed, adopt_model, commit_model};
use proveil_relation::check::{Limits, check};
use proveil_relation::key::{Epoch, IoVisibility, ModelVisibility, VerifyingKey, Visibility};
use proveil_relation::layout::Layout;
use proveil_relation::{Home, Relation, TensorDecl};
use proveil_succinct::ShortKey;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::meta::Meta;
use crate::profile::{Choice, Profile, Wish};
use crate::proof::hex;
use crate::registration::registration_key;
use crate::succinct::ContractKeys;
use crate::workers::on_workers;

/// Bytes that open a package: name and format version.
pub const PACKAGE_MAGIC: [u8; 8] = *b"PVPACK\0\x04";

/// How to compile.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Name for people.
    pub name: String,
    /// Security and opening parameters.
    pub params: Params,
    /// What proofs should be good at.
    pub profile: Profile,
    /// Whether proofs hide at all.
    pub zero_knowledge: bool,
    /// Who sees the model.
    pub model: ModelVisibility,
    /// Who sees the inputs.
    pub input: IoVisibility,
    /// Who sees the outputs.
    pub output: IoVisibility,
    /// Proofs that one commitment must allow; chosen by cost when absent.
    pub budget: Option<usize>,
    /// Width of committed digits; chosen by size when absent.
    pub limb_bits: Option<u32>,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            name: "model".into(),
            params: Params::standard(128),
            profile: Profile::Fast,
            zero_knowledge: true,
            model: ModelVisibility::Private,
            input: IoVisibility::Private,
            output: IoVisibility::Public,
            budget: None,
            limb_bits: None,
        }
    }
}

/// A compiled model.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// The verifying key.
    pub key: VerifyingKey,
    /// The integer program.
    pub graph: Graph,
    /// Weights. Secret unless the model is public.
    pub params: ModelParams,
    /// Seed of the commitment's random cells and salts. Secret.
    pub seed: [u8; 32],
    /// Width of committed digits.
    pub limb_bits: Option<u32>,
    /// The refresh in force, whose coins `seed` makes; `None`: the key's own commitment.
    pub epoch: Option<Epoch>,
    /// Keys for contracts, if it was compiled for the succinct backend too.
    pub contract: Option<ContractKeys>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    key: Vec<u8>,
    graph: Graph,
    params: ModelParams,
    seed: [u8; 32],
    limb_bits: Option<u32>,
    epoch: Option<Epoch>,
    contract: Option<([u8; 32], Vec<u8>, [u8; 32])>,
}

/// Compiles an integer graph: lowers it, chooses the geometry, commits to the model.
///
/// # Errors
/// `Graph`, `Lower`, `Params`, `Geometry`, `Prove` (commitment).
pub fn compile_graph(
    graph: Graph,
    params: ModelParams,
    meta: &Meta,
    options: &CompileOptions,
) -> Result<(Package, Option<Committed>), Error> {
    proveil_graph::check::check(&graph)?;
    proveil_graph::check::check_params(&graph, &params)?;
    options.params.validate()?;
    let (relation, visibility) = claim(&graph, options)?;
    let wish = Wish { relation: &relation, params: &options.params, visibility: &visibility, profile: options.profile };
    let budget = options.budget.unwrap_or(crate::profile::LEAST_BUDGET);
    let choice = tracing::info_span!("geometry").in_scope(|| wish.choose(options.budget));
    let choice = choice.ok_or(Error::Geometry { budget })?;
    compile_choice(graph, params, meta, options, &choice)
}

/// [`compile_graph`] with a given choice of parameters and heights.
///
/// # Errors
/// As [`compile_graph`], and `Key` before anything is committed where the key would be too large to be read.
pub fn compile_choice(
    graph: Graph,
    params: ModelParams,
    meta: &Meta,
    options: &CompileOptions,
    choice: &Choice,
) -> Result<(Package, Option<Committed>), Error> {
    let (relation, visibility) = claim(&graph, options)?;
    check(&relation, &choice.geometry, &visibility, &choice.params, &Limits::default())?;
    let layout = Layout::new(&relation, &choice.geometry, &visibility);
    let seed = rand::random();
    let tensors = model_tensors(&graph, &relation, &params);
    let span = tracing::info_span!("commit model").entered();
    let model = on_workers(|| commit(&layout, &tensors, &choice.params, seed))?;
    drop(span);
    let commitment = model.as_ref().map(Committed::sampled);
    let key = draft_key(&graph, meta, options, choice, commitment)?;
    let package = Package { key, graph, params, seed, limb_bits: options.limb_bits, epoch: None, contract: None };
    Ok((package, model))
}

/// The verifying key of a graph for a choice of geometry and a model commitment, whatever that commits to.
///
/// # Errors
/// `Lower`.
pub fn draft_key(
    graph: &Graph,
    meta: &Meta,
    options: &CompileOptions,
    choice: &Choice,
    model: Option<Sampled>,
) -> Result<VerifyingKey, Error> {
    let (relation, visibility) = claim(graph, options)?;
    let (params, geometry) = (choice.params.clone(), choice.geometry.clone());
    let mut key = VerifyingKey { params, geometry, visibility, relation, model, meta: meta.to_bytes() };
    // The registration key does not depend on the description, which can therefore name it.
    if let Some(registration) = registration_key(graph, &key, options.limb_bits)? {
        let registration = Some(hex(&registration.digest()));
        key.meta = Meta { registration, ..meta.clone() }.to_bytes();
    }
    Ok(key)
}

/// The relation of a graph and who sees what of it.
///
/// # Errors
/// `Lower`.
pub fn claim(graph: &Graph, options: &CompileOptions) -> Result<(Relation, Visibility), Error> {
    let span = tracing::info_span!("lower").entered();
    let Lowered { relation, .. } = lower_for(graph, options.limb_bits, options.output == IoVisibility::Committed)?;
    drop(span);
    let visibility = Visibility {
        zero_knowledge: options.zero_knowledge,
        model: options.model,
        inputs: vec![options.input; relation.inputs.len()],
        outputs: vec![options.output; relation.outputs.len()],
    };
    Ok((relation, visibility))
}

/// Lowers a graph, with a tensor for each output when outputs are committed.
pub(crate) fn lower_for(graph: &Graph, limb_bits: Option<u32>, commit_outputs: bool) -> Result<Lowered, Error> {
    let mut lowered = lower(graph, &LowerOptions { limb_bits })?;
    if commit_outputs {
        lowered.commit_outputs(0..graph.outputs.len() as u32);
    }
    Ok(lowered)
}

/// Cells of the relation's model tensors: the graph's parameters in order.
pub(crate) fn model_tensors<'a>(graph: &Graph, relation: &Relation, params: &'a ModelParams) -> Vec<&'a [i64]> {
    let ids = (0u32..).map(TensorId).zip(&graph.tensors).filter(|(_, t)| t.origin == Origin::Param);
    let mut cells = ids.map(|(id, _)| params.values.get(&id).map_or(&[][..], Vec::as_slice));
    let own = |t: &TensorDecl| if t.home == Home::Model { cells.next().unwrap_or_default() } else { &[] };
    relation.tensors.iter().map(own).collect()
}

/// Commits the model tensors with the package's coins.
pub(crate) fn commit(
    layout: &Layout,
    tensors: &[&[i64]],
    params: &Params,
    seed: [u8; 32],
) -> Result<Option<Committed>, Error> {
    Ok(commit_model(layout, tensors, usize::from(params.log_inv_rate), &model_coins(seed))?)
}

/// [`commit`] with the tree that a file keeps.
pub(crate) fn adopt(
    layout: &Layout,
    tensors: &[&[i64]],
    params: &Params,
    seed: [u8; 32],
    stored: StoredTree,
) -> Result<Committed, Error> {
    Ok(adopt_model(layout, tensors, usize::from(params.log_inv_rate), &model_coins(seed), stored)?)
}

fn model_coins(seed: [u8; 32]) -> Coins {
    Coins::from_seed(seed, &[b"model commitment"])
}

impl Package {
    /// Cells of the relation's model tensors.
    pub(crate) fn model_tensors(&self) -> Vec<&[i64]> {
        model_tensors(&self.graph, &self.key.relation, &self.params)
    }

    /// Canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = Body {
            key: self.key.encode(),
            graph: self.graph.clone(),
            params: self.params.clone(),
            seed: self.seed,
            limb_bits: self.limb_bits,
            epoch: self.epoch.clone(),
            contract: self.contract.as_ref().map(|c| (c.seed, c.short.to_bytes(), c.behind)),
        };
        let mut out = PACKAGE_MAGIC.to_vec();
        out.extend(postcard::to_allocvec(&body).unwrap_or_default());
        let check = blake3::hash(&out);
        out.extend(check.as_bytes());
        out
    }

    /// Reads a package; a flipped bit anywhere is noticed.
    ///
    /// # Errors
    /// `Decode` with the byte offset; `Graph` when the program is not valid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |source| Error::Decode { what: "package", source };
        let mut r = Reader::new(bytes);
        let magic = r.take("package magic", 8).map_err(bad)?;
        if magic != PACKAGE_MAGIC {
            return Err(bad(DecodeError::Invalid { what: "package magic", offset: 0 }));
        }
        let n = r.remaining().saturating_sub(32);
        let body = r.take("package body", n).map_err(bad)?;
        let check = r.take("package checksum", 32).map_err(bad)?;
        if blake3::hash(&bytes[..8 + n]).as_bytes() != check {
            return Err(bad(DecodeError::Invalid { what: "package checksum", offset: 8 + n }));
        }
        let body: Body =
            postcard::from_bytes(body).map_err(|_| bad(DecodeError::Invalid { what: "package body", offset: 8 }))?;
        let key = VerifyingKey::decode(&body.key).map_err(|source| Error::Decode { what: "package key", source })?;
        proveil_graph::check::check(&body.graph)?;
        proveil_graph::check::check_params(&body.graph, &body.params)?;
        let short = |bytes: &[u8]| {
            ShortKey::from_bytes(bytes).map_err(|source| Error::Decode { what: "package's short key", source })
        };
        let contract = match &body.contract {
            Some((seed, bytes, behind)) => Some(ContractKeys { seed: *seed, short: short(bytes)?, behind: *behind }),
            None => None,
        };
        let Body { graph, params, seed, limb_bits, epoch, .. } = body;
        Ok(Self { key, graph, params, seed, limb_bits, epoch, contract })
    }
}
