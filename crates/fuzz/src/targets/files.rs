//! Targets that read the files of commands: keys, proofs and openings of the succinct backend, set-ups.

use std::sync::OnceLock;

use proveil::succinct::{FullKey, KeyFile, SetUp};
use proveil::{CommitmentFile, ProofFile};
use proveil_kzg::srs::Srs;
use proveil_relation::key::Statement;
use proveil_succinct::{ShortKey, verify_short};

use super::SMALL;

/// Bytes with the checksum at their end made right, so that what stands before it is looked at.
fn summed(bytes: &[u8]) -> Vec<u8> {
    let (body, _) = bytes.split_at(bytes.len().saturating_sub(32));
    [body, blake3::hash(body).as_bytes()].concat()
}

/// A short key: what decodes encodes to the same bytes, and verifies in bounded time.
///
/// # Panics
/// When the encoding is not canonical.
#[must_use]
pub fn short_key(bytes: &[u8]) -> bool {
    let Ok(key) = ShortKey::from_bytes(bytes) else { return false };
    assert_eq!(key.to_bytes(), bytes, "a short key has two encodings");
    assert!(verify_short(&key, &Statement::default(), &[]).is_err(), "no proof is accepted");
    true
}

/// The file of a short key.
///
/// # Panics
/// When the encoding is not canonical.
#[must_use]
pub fn key_file(bytes: &[u8]) -> bool {
    let Ok(file) = KeyFile::from_bytes(bytes) else { return false };
    assert_eq!(file.to_bytes(), bytes, "a short key's file has two encodings");
    true
}

/// The file of a full key: what decodes encodes to the same bytes, and a small one can be prepared.
///
/// # Panics
/// When the encoding is not canonical.
#[must_use]
pub fn full_key(bytes: &[u8]) -> bool {
    static POWERS: OnceLock<SetUp> = OnceLock::new();
    let Ok(key) = FullKey::decode(bytes, &SMALL) else { return false };
    assert_eq!(key.to_bytes(), bytes, "a full key has two encodings");
    let set_up = POWERS.get_or_init(|| Srs::dev(12).map_or(SetUp::Dev, SetUp::Powers));
    let _ = key.prepare(set_up);
    true
}

/// A proof file of either backend: what decodes encodes to the same bytes.
///
/// # Panics
/// When the encoding is not canonical.
#[must_use]
pub fn proof_file(bytes: &[u8]) -> bool {
    let Ok(file) = ProofFile::from_bytes(bytes) else { return false };
    assert_eq!(file.to_bytes(), bytes, "a proof file has two encodings");
    true
}

/// The messages of a proof for contracts: no bytes but the known ones are accepted for its statement.
///
/// # Panics
/// When other bytes are accepted.
#[must_use]
pub fn messages(bytes: &[u8], key: &ShortKey, statement: &Statement, known: &[u8]) -> bool {
    let accepted = verify_short(key, statement, bytes).is_ok();
    assert!(!accepted || bytes == known, "other proof bytes are accepted");
    accepted
}

/// A commitment opening, its checksum made right.
#[must_use]
pub fn opening(bytes: &[u8]) -> bool {
    CommitmentFile::from_bytes(&summed(bytes)).is_ok()
}

/// A set-up, its checksum made right.
#[must_use]
pub fn set_up(bytes: &[u8]) -> bool {
    Srs::decode(&summed(bytes), None).is_ok()
}
