//! The file of a full key: the relation with everything public about a compiled model. The short key follows from it and
//! from the set-up, so whoever is given a short key by somebody else makes it again and compares.

use proveil_kzg::{Point, SrsKey, TauPoint};
use proveil_protocol::codec::{DecodeError, Reader};
use proveil_relation::Relation;
use proveil_relation::check::Limits;
use proveil_relation::key::Visibility;
use proveil_succinct::prove::ProveError;
use proveil_succinct::{Key, PreparedKey};
use serde::{Deserialize, Serialize};

use super::engine::FIRST;
use super::{KeyFile, SetUp, as_commitment};
use crate::error::Error;
use crate::workers::on_workers;

/// Bytes that open the file of a full key: name and format version.
pub const FULL_KEY_MAGIC: [u8; 8] = *b"PVFULL\0\x01";

/// A full key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullKey(pub Key);

#[derive(Serialize, Deserialize)]
struct Body {
    visibility: Visibility,
    relation: Relation,
    model: Option<([u8; 32], [u8; 32])>,
    meta: Vec<u8>,
}

impl FullKey {
    /// Canonical bytes: magic, mark of an insecure set-up, `tau` in the second group, body.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Key { relation, visibility, model, srs, meta } = &self.0;
        let model = model.as_ref().map(as_commitment).map(|c| (c.root, c.nonce));
        let body = Body { visibility: visibility.clone(), relation: relation.clone(), model, meta: meta.clone() };
        let mut out = FULL_KEY_MAGIC.to_vec();
        out.push(u8::from(srs.insecure));
        out.extend(srs.tau.to_bytes());
        out.extend(postcard::to_allocvec(&body).unwrap_or_default());
        out
    }

    /// Reads canonical bytes and checks that the key makes sense and is not too large.
    ///
    /// # Errors
    /// `Decode` with the byte offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::decode(bytes, &Limits::default())
    }

    /// [`FullKey::from_bytes`] with given limits.
    ///
    /// # Errors
    /// As there.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let read = || -> Result<Self, DecodeError> {
            let mut r = Reader::new(bytes);
            let invalid = |what, offset| DecodeError::Invalid { what, offset };
            if r.take("full key magic", 8)? != FULL_KEY_MAGIC {
                return Err(invalid("full key magic", 0));
            }
            let insecure = match r.take("mark of the set-up", 1)? {
                [b @ (0 | 1)] => *b == 1,
                _ => return Err(invalid("mark of the set-up", 8)),
            };
            let tau = TauPoint::from_bytes(r.take("set-up", 128)?).map_err(|_| invalid("set-up", 9))?;
            let offset = r.offset();
            let rest = r.take("full key body", r.remaining())?;
            let body: Body = postcard::from_bytes(rest).map_err(|_| invalid("full key body", offset))?;
            let point = |(x, y): ([u8; 32], [u8; 32])| Point::from_bytes(&[x, y].concat());
            let model = body.model.map(point).transpose().map_err(|_| invalid("model commitment", offset))?;
            let Body { visibility, relation, meta, .. } = body;
            let key = Self(Key { relation, visibility, model, srs: SrsKey { tau, insecure }, meta });
            if key.to_bytes() != bytes {
                return Err(invalid("full key body (not canonical)", offset));
            }
            key.0.check(limits).map_err(|e| invalid(e.field(), offset))?;
            Ok(key)
        };
        read().map_err(|source| Error::Decode { what: "full key", source })
    }

    /// Derives the short key and everything else that follows.
    ///
    /// # Errors
    /// `SetUp` for one that is too small, `Mismatch` for another one, `Contract` when the key does not fit the backend.
    pub fn prepare(&self, set_up: &SetUp) -> Result<PreparedKey, Error> {
        if set_up.key()? != self.0.srs {
            let hint = "give the set-up that the key was made with";
            return Err(Error::Mismatch { what: "the set-up", with: "the full key", hint });
        }
        let made = set_up.run(FIRST, |srs| {
            let key = on_workers(|| PreparedKey::new(self.0.clone(), srs)).map_err(ProveError::from)?;
            let size = key.log_size() as u8;
            Ok((key, size))
        });
        Ok(made?.0)
    }

    /// The file of the short key that belongs to a prepared full key.
    #[must_use]
    pub fn short_file(key: &PreparedKey) -> KeyFile {
        KeyFile { short: key.short.clone(), claim: key.claim, meta: key.inner.key.meta.clone() }
    }
}
