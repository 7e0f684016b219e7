//! The verifying key and the statement: everything that is bound before the first challenge.

mod statement;

use alloc::vec::Vec;

use proveil_algebra::Tasks;
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::params::{PARAMS_BYTES, Params};
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::{Digest, Transcript};
use serde::{Deserialize, Serialize};

use crate::check::{KeyError, Limits, check};
use crate::decl::{Home, Relation};
use crate::layout::TreeKind;

pub use statement::Bounds;

/// Name and version of the protocol; first thing absorbed. Any change of proof bytes, transcript or key changes it.
pub const PROTOCOL: &str = "proveil/transparent/4";

/// Bytes that open a serialised verifying key.
pub const KEY_MAGIC: [u8; 8] = *b"PVKEY\0\0\x03";

/// Who sees an input or an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoVisibility {
    /// Its values are in the statement.
    Public,
    /// Nobody learns it.
    #[default]
    Private,
    /// Private, with a salted commitment in the statement.
    Committed,
}

/// Who sees the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelVisibility {
    /// Weights are public; anyone can recompute the commitment.
    Public,
    /// Weights are hidden; the commitment is in the key.
    #[default]
    Private,
    /// As private; other proofs and contracts refer to the commitment.
    Committed,
}

/// Who sees what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visibility {
    /// Whether proofs hide what is not public. `false` proves the same statement in the clear.
    pub zero_knowledge: bool,
    /// The model.
    pub model: ModelVisibility,
    /// Each input.
    pub inputs: Vec<IoVisibility>,
    /// Each output.
    pub outputs: Vec<IoVisibility>,
}

impl Visibility {
    /// Visibility of input `k`.
    #[must_use]
    pub fn input(&self, k: u32) -> IoVisibility {
        self.inputs.get(k as usize).copied().unwrap_or_default()
    }

    /// Visibility of output `k`.
    #[must_use]
    pub fn output(&self, k: u32) -> IoVisibility {
        self.outputs.get(k as usize).copied().unwrap_or_default()
    }

    /// Whether messages are padded and columns masked.
    #[must_use]
    pub fn hiding(&self) -> bool {
        self.zero_knowledge
    }

    /// Whether the model's tree is salted and randomised.
    #[must_use]
    pub fn model_hidden(&self) -> bool {
        self.zero_knowledge && self.model != ModelVisibility::Public
    }
}

/// Heights of columns, as powers of two, and numbers of random cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Column height of model, trace and helpers.
    pub log_height: u8,
    /// Random cells in each model column: bounds the number of proofs.
    pub model_top: u32,
    /// Random cells in each per-proof column.
    pub trace_top: u32,
    /// Random cells in each column of a committed input or output.
    pub io_top: u32,
    /// Column heights of committed inputs.
    pub inputs: Vec<u8>,
    /// Column heights of committed outputs.
    pub outputs: Vec<u8>,
}

impl Geometry {
    /// Column height of an input's or output's own tree.
    #[must_use]
    pub fn io_log_height(&self, kind: TreeKind) -> u8 {
        let list = match kind {
            TreeKind::Input(k) => self.inputs.get(k as usize),
            TreeKind::Output(k) => self.outputs.get(k as usize),
            _ => None,
        };
        list.copied().unwrap_or(self.log_height)
    }

    /// The standard height for an input or output of `cells` cells, the same in every model.
    #[must_use]
    pub fn standard_io_height(cells: usize, io_top: u32) -> u8 {
        let room = (cells >> 3).max(1).saturating_add(io_top as usize);
        let least = io_top.checked_next_power_of_two().map_or(32, u32::ilog2) + 1;
        proveil_algebra::log2_ceil(room).max(least as usize) as u8
    }
}

/// Everything public and fixed about a compiled model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// Parameters of the opening.
    pub params: Params,
    /// Heights.
    pub geometry: Geometry,
    /// Who sees what.
    pub visibility: Visibility,
    /// The claim.
    pub relation: Relation,
    /// Commitment to the model's tensors, if it has any.
    pub model: Option<Sampled>,
    /// What people need to read inputs and outputs (names, scales); bound, not interpreted.
    pub meta: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    geometry: Geometry,
    visibility: Visibility,
    relation: Relation,
    #[serde(with = "optional")]
    model: Option<Sampled>,
    meta: Vec<u8>,
}

impl VerifyingKey {
    /// Canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = KEY_MAGIC.to_vec();
        out.extend(self.params.encode());
        let body = Body {
            geometry: self.geometry.clone(),
            visibility: self.visibility.clone(),
            relation: self.relation.clone(),
            model: self.model,
            meta: self.meta.clone(),
        };
        out.extend(postcard::to_allocvec(&body).unwrap_or_default());
        out
    }

    /// Reads canonical bytes and checks that the key makes sense.
    ///
    /// # Errors
    /// `DecodeError` at the first byte that is not as [`VerifyingKey::encode`] writes it; `Invalid` with the field's
    /// name when [`VerifyingKey::check`] refuses the key.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.take("key magic", KEY_MAGIC.len())? != KEY_MAGIC {
            return Err(DecodeError::Invalid { what: "key magic", offset: 0 });
        }
        let offset = r.offset();
        let params = Params::decode(&mut Reader::new(r.take("parameters", PARAMS_BYTES)?))
            .map_err(|_| DecodeError::Invalid { what: "parameters", offset })?;
        let offset = r.offset();
        let rest = r.take("key body", r.remaining())?;
        let body: Body = postcard::from_bytes(rest).map_err(|_| DecodeError::Invalid { what: "key body", offset })?;
        let key = Self {
            params,
            geometry: body.geometry,
            visibility: body.visibility,
            relation: body.relation,
            model: body.model,
            meta: body.meta,
        };
        if key.encode() != bytes {
            return Err(DecodeError::Invalid { what: "key body (not canonical)", offset });
        }
        key.check(&Limits::default()).map_err(|e| DecodeError::Invalid { what: e.field(), offset })?;
        Ok(key)
    }

    /// Checks that the key makes sense and is not too large to verify; [`VerifyingKey::decode`] does so with the
    /// default limits.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn check(&self, limits: &Limits) -> Result<(), KeyError> {
        check(&self.relation, &self.geometry, &self.visibility, &self.params, limits)?;
        let needed = self.relation.tensors.iter().any(|t| t.home == Home::Model);
        match (needed, self.model.is_some()) {
            (true, false) => Err(model("is missing")),
            (false, true) => Err(model("is not needed")),
            _ => Ok(()),
        }
    }

    /// The digest that names the compiled model (`modelId`).
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut t = Transcript::new(PROTOCOL);
        t.absorb("verifying key", &self.encode());
        t.state()
    }
}

fn model(problem: &'static str) -> KeyError {
    KeyError::Conflict { field: "model commitment", path: "key".into(), problem }
}

/// A commitment with its sample on the wire: root, nonce and 24 bytes.
mod sampled {
    use super::{Digest, Sampled};
    use proveil_algebra::{Challenge, E};
    use proveil_protocol::merkle::Commitment;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    type Wire = (Digest, Digest, [u8; E::BYTES]);

    pub(super) fn serialize<S: Serializer>(s: &Sampled, to: S) -> Result<S::Ok, S::Error> {
        (s.commitment.root, s.commitment.nonce, s.value_bytes()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Sampled, D::Error> {
        let (root, nonce, value) = Wire::deserialize(from)?;
        let value = E::read(&value).ok_or_else(|| D::Error::custom("the sample is not reduced"))?;
        Ok(Sampled { commitment: Commitment { root, nonce }, value })
    }
}

/// The same where there may be none.
mod optional {
    use super::{Sampled, sampled};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Wire(#[serde(with = "sampled")] Sampled);

    pub(super) fn serialize<S: Serializer>(s: &Option<Sampled>, to: S) -> Result<S::Ok, S::Error> {
        s.map(Wire).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Sampled>, D::Error> {
        Ok(Option::<Wire>::deserialize(from)?.map(|w| w.0))
    }
}

/// What the statement says about an input or an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoValue {
    /// Its integers, row-major.
    Public(Vec<i64>),
    /// Nothing.
    Private,
    /// Its commitment.
    Committed(#[serde(with = "sampled")] Sampled),
}

/// A later root of the same model, after a refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// 1 for the first refresh.
    pub number: u32,
    /// The present commitment.
    #[serde(with = "sampled")]
    pub model: Sampled,
}

/// The public part of one proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Each input.
    pub inputs: Vec<IoValue>,
    /// Each output.
    pub outputs: Vec<IoValue>,
    /// Current commitment of a refreshed model; `None` while the key's own is in use.
    pub epoch: Option<Epoch>,
    /// Bytes that the prover wants bound (a nonce, a chain id); may be empty.
    pub context: Vec<u8>,
}

impl Statement {
    /// Canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        statement::encode(self)
    }

    /// Binds all that [`Statement::encode`] holds, by Blake3; the work is lent to `tasks`.
    #[must_use]
    pub fn digest(&self, tasks: &impl Tasks) -> Digest {
        self.digest_and_bounds(tasks).0
    }

    /// [`Statement::digest`] with the least and the greatest cell of every public input, then of every public output, which
    /// are found in passing.
    #[must_use]
    pub fn digest_and_bounds(&self, tasks: &impl Tasks) -> (Digest, Vec<Bounds>) {
        statement::digest(self, tasks)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// `DecodeError::Invalid` when they are not as [`Statement::encode`] writes them.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bad = DecodeError::Invalid { what: "statement", offset: 0 };
        let s: Self = postcard::from_bytes(bytes).map_err(|_| bad.clone())?;
        if s.encode() == bytes { Ok(s) } else { Err(bad) }
    }
}
