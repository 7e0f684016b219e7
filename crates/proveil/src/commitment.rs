//! Commitments to inputs that are made before any proof: the secret opening file and its public counterpart.

use proveil_protocol::codec::{DecodeError, Reader};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::sample::Sampled;
use proveil_relation::key::{IoValue, IoVisibility};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, IoCommitment};
use crate::error::Error;
use crate::package::Package;
use crate::proof::{Backend, hex};

/// Bytes that open a commitment file: name and format version.
pub const COMMITMENT_MAGIC: [u8; 8] = *b"PVCOMM\0\x02";
/// The same for commitments on the curve.
pub const CURVE_COMMITMENT_MAGIC: [u8; 8] = *b"PVSCOM\0\x02";

/// One committed input with everything that opens it. Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Index of the input.
    pub input: u32,
    /// Its name.
    pub name: String,
    /// Seed of random cells and salts.
    pub seed: [u8; 32],
    /// Root of the tree, or the point's `x`.
    pub root: [u8; 32],
    /// Nonce of the tree, or the point's `y`.
    pub nonce: [u8; 32],
    /// Out-of-domain value of the tree, zero for a point.
    pub sample: [u8; 24],
    /// Committed integers, row-major.
    pub cells: Vec<i64>,
}

impl Opening {
    /// Whether it is of this commitment.
    fn is_of(&self, c: &Sampled) -> bool {
        (self.commitment(), self.sample) == (c.commitment, c.value_bytes())
    }

    /// Root and nonce.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment { root: self.root, nonce: self.nonce }
    }
}

/// The secret file: openings of all committed inputs of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitmentFile {
    /// Which backend's proofs are about them.
    pub backend: Backend,
    /// In order of inputs.
    pub openings: Vec<Opening>,
}

/// What is published of a commitment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PublicCommitment {
    /// Of the transparent backend.
    Tree(PublicTree),
    /// Of the succinct backend.
    Point(PublicPoint),
}

/// A tree as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicTree {
    /// Index of the input.
    pub input: u32,
    /// Its name.
    pub name: String,
    /// Root in hexadecimal.
    pub root: String,
    /// Nonce in hexadecimal.
    pub nonce: String,
    /// Out-of-domain value in hexadecimal.
    pub sample: String,
}

/// A point as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicPoint {
    /// Index of the input.
    pub input: u32,
    /// Its name.
    pub name: String,
    /// Coordinates `x` and `y` in hexadecimal, 64 bytes, as contracts take them.
    pub point: String,
}

impl PublicCommitment {
    /// Index and name of the input.
    #[must_use]
    pub fn input(&self) -> (u32, &str) {
        match self {
            Self::Tree(PublicTree { input, name, .. }) | Self::Point(PublicPoint { input, name, .. }) => (*input, name),
        }
    }

    /// The commitment in hexadecimal.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Tree(t) => format!("root {}", t.root),
            Self::Point(p) => format!("point {}", p.point),
        }
    }

    /// Whether a statement's input is this commitment.
    #[must_use]
    pub fn is(&self, value: &IoValue) -> bool {
        match (self, value) {
            (Self::Tree(t), IoValue::Committed(c)) => {
                hex(&c.to_bytes()) == [t.root.as_str(), t.nonce.as_str(), t.sample.as_str()].concat()
            }
            (Self::Point(p), IoValue::Committed(c)) => hex(&c.commitment.to_bytes()) == p.point,
            _ => false,
        }
    }
}

impl CommitmentFile {
    /// Commits to every input that is committed under the engine's key.
    ///
    /// # Errors
    /// `Mismatch` when there is none; `Prove`.
    pub fn make(engine: &Engine, inputs: &[Vec<i64>]) -> Result<Self, Error> {
        let commit = |k, seed| Ok(engine.commit_input(k, inputs, seed)?.committed.sampled());
        Self::make_with(Backend::Transparent, &engine.package, inputs, commit)
    }

    /// [`CommitmentFile::make`] by any commitment scheme: `commit` takes the input's number and a seed.
    ///
    /// # Errors
    /// `Mismatch` when there is nothing to commit to; those of `commit`.
    pub fn make_with(
        backend: Backend,
        package: &Package,
        inputs: &[Vec<i64>],
        commit: impl Fn(usize, [u8; 32]) -> Result<Sampled, Error>,
    ) -> Result<Self, Error> {
        let mut openings = Vec::new();
        for (k, cells) in inputs.iter().enumerate() {
            if package.key.visibility.input(k as u32) != IoVisibility::Committed {
                continue;
            }
            let seed = rand::random();
            let c = commit(k, seed)?;
            let input = k as u32;
            let name = package.key.relation.inputs[k].tensor;
            let name = package.key.relation.tensors[name as usize].name.clone();
            let cells = cells.clone();
            let (Commitment { root, nonce }, sample) = (c.commitment, c.value_bytes());
            openings.push(Opening { input, name, seed, root, nonce, sample, cells });
        }
        if openings.is_empty() {
            let hint = "compile with --visibility input=committed";
            return Err(Error::Mismatch { what: "the commitment", with: "a key without committed inputs", hint });
        }
        Ok(Self { backend, openings })
    }

    /// Makes the commitments again and compares roots; the result has one entry for each input of the model.
    ///
    /// # Errors
    /// `Mismatch` when a root is not the stored one or `inputs` are not the committed values.
    pub fn reopen(&self, engine: &Engine, inputs: &[Vec<i64>]) -> Result<Vec<Option<IoCommitment>>, Error> {
        self.reopen_with(Backend::Transparent, &engine.package, inputs, |k, seed| {
            let made = engine.commit_input(k, inputs, seed)?;
            Ok((made.committed.sampled(), made))
        })
    }

    /// [`CommitmentFile::reopen`] by any commitment scheme: `commit` takes the input's number and a seed and gives the
    /// commitment with whatever proofs need of it.
    ///
    /// # Errors
    /// As [`CommitmentFile::reopen`], `Mismatch` for the other backend's file too; those of `commit`.
    pub fn reopen_with<C: Clone>(
        &self,
        backend: Backend,
        package: &Package,
        inputs: &[Vec<i64>],
        commit: impl Fn(usize, [u8; 32]) -> Result<(Sampled, C), Error>,
    ) -> Result<Vec<Option<C>>, Error> {
        let mismatch = |with, hint| Error::Mismatch { what: "the commitment file", with, hint };
        if self.backend != backend {
            return Err(mismatch("the backend of the proof", "commit with the same --backend that proves"));
        }
        let mut out: Vec<Option<C>> = vec![None; package.key.relation.inputs.len()];
        for o in &self.openings {
            let k = o.input as usize;
            let committed = package.key.visibility.input(o.input) == IoVisibility::Committed;
            let Some(slot) = out.get_mut(k).filter(|_| committed) else {
                return Err(mismatch("the inputs that this model commits to", "commit again with this package"));
            };
            if inputs.get(k) != Some(&o.cells) {
                return Err(mismatch("the input", "give the input that was committed to, or commit to this one"));
            }
            let (c, made) = commit(k, o.seed)?;
            if !o.is_of(&c) {
                return Err(mismatch("its own root", "restore the file, or commit again with this package"));
            }
            *slot = Some(made);
        }
        Ok(out)
    }

    /// What may be published.
    #[must_use]
    pub fn public(&self) -> Vec<PublicCommitment> {
        let one = |o: &Opening| {
            let (input, name) = (o.input, o.name.clone());
            match self.backend {
                Backend::Transparent => {
                    let (root, nonce, sample) = (hex(&o.root), hex(&o.nonce), hex(&o.sample));
                    PublicCommitment::Tree(PublicTree { input, name, root, nonce, sample })
                }
                Backend::Succinct => {
                    PublicCommitment::Point(PublicPoint { input, name, point: hex(&[o.root, o.nonce].concat()) })
                }
            }
        };
        self.openings.iter().map(one).collect()
    }

    /// Canonical bytes: magic, openings, checksum.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = magic(self.backend).to_vec();
        out.extend(postcard::to_allocvec(&self.openings).unwrap_or_default());
        let check = blake3::hash(&out);
        out.extend(check.as_bytes());
        out
    }

    /// Reads what [`CommitmentFile::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Decode` with the byte offset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let read = || -> Result<Self, DecodeError> {
            let mut r = Reader::new(bytes);
            let first = r.take("commitment magic", 8)?;
            let backend = [Backend::Transparent, Backend::Succinct].into_iter().find(|b| magic(*b) == first);
            let backend = backend.ok_or(DecodeError::Invalid { what: "commitment magic", offset: 0 })?;
            let n = r.remaining().saturating_sub(32);
            let body = r.take("openings", n)?;
            let check = r.take("commitment checksum", 32)?;
            if blake3::hash(&bytes[..8 + n]).as_bytes() != check {
                return Err(DecodeError::Invalid { what: "commitment checksum", offset: 8 + n });
            }
            let bad = |_| DecodeError::Invalid { what: "openings", offset: 8 };
            Ok(Self { backend, openings: postcard::from_bytes(body).map_err(bad)? })
        };
        read().map_err(|source| Error::Decode { what: "commitment file", source })
    }
}

fn magic(backend: Backend) -> [u8; 8] {
    match backend {
        Backend::Transparent => COMMITMENT_MAGIC,
        Backend::Succinct => CURVE_COMMITMENT_MAGIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roundtrips_and_rejects_every_flipped_byte() {
        let opening = Opening {
            input: 1,
            name: "x".into(),
            seed: [1; 32],
            root: [2; 32],
            nonce: [3; 32],
            sample: [4; 24],
            cells: vec![-4, 5],
        };
        for backend in [Backend::Transparent, Backend::Succinct] {
            let file = CommitmentFile { backend, openings: vec![opening.clone()] };
            let bytes = file.to_bytes();
            assert_eq!(CommitmentFile::from_bytes(&bytes).unwrap(), file);
            for i in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[i] ^= 1;
                assert!(CommitmentFile::from_bytes(&bad).is_err(), "{i}");
                assert!(CommitmentFile::from_bytes(&bytes[..i]).is_err(), "{i}");
            }
        }
    }
}
