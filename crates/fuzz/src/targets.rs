//! The targets. Each takes bytes and says whether they were well-formed.

use proveil_relation::check::Limits;
use proveil_relation::key::{Statement, VerifyingKey};
use proveil_verifier::{PreparedKey, verify};

#[cfg(feature = "files")]
pub mod files;

/// Limits under which a key is small enough to prepare in a loop.
const SMALL: Limits = Limits {
    cells: 1 << 12,
    table_rows: 1 << 12,
    fractions: 1 << 14,
    groups: 1 << 8,
    columns: 1 << 8,
    weights: 1 << 14,
    steps: 1 << 16,
    queries: 1 << 10,
    log_height: 14,
};

/// A verifying key: what decodes encodes to the same bytes, and a small one can be prepared.
///
/// # Panics
/// When the encoding is not canonical.
#[must_use]
pub fn key(bytes: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::decode(bytes) else { return false };
    assert_eq!(key.encode(), bytes, "a key has two encodings");
    if key.check(&SMALL).is_ok() {
        let prepared = PreparedKey::new(key);
        let _ = prepared.shape();
        let _ = verify(&prepared, &Statement::default(), &[]);
    }
    true
}

/// A statement: what decodes encodes to the same bytes, and no other statement than `honest` is accepted with its proof.
///
/// # Panics
/// When the encoding is not canonical or a changed statement is accepted.
#[must_use]
pub fn statement(bytes: &[u8], key: &PreparedKey, honest: &Statement, proof: &[u8]) -> bool {
    let Ok(s) = Statement::decode(bytes) else { return false };
    assert_eq!(s.encode(), bytes, "a statement has two encodings");
    assert_eq!(verify(key, &s, proof).is_ok(), s == *honest, "another statement is accepted");
    true
}

/// A proof: no bytes but those of the `known` proofs are accepted for its statement.
///
/// # Panics
/// When other bytes are accepted.
#[must_use]
pub fn proof(bytes: &[u8], key: &PreparedKey, statement: &Statement, known: &[Vec<u8>]) -> bool {
    let accepted = verify(key, statement, bytes).is_ok();
    assert!(!accepted || known.iter().any(|k| k == bytes), "other proof bytes are accepted");
    accepted
}

/// An ONNX file, up to the integer graph, with small limits and without a search for widths.
#[cfg(feature = "onnx")]
#[must_use]
pub fn onnx(bytes: &[u8]) -> bool {
    let mut options = proveil_frontend::Options::default();
    options.weight_bits = Some(8);
    options.activation_bits = Some(8);
    options.table_bits = Some(8);
    options.batch = Some(1);
    options.limits = proveil_frontend::Limits { bytes: 1 << 16, nodes: 64, cells: 1 << 12, inference: 1 << 18 };
    proveil_frontend::compile(bytes, &[], &options).is_ok()
}
