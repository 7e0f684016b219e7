//! proveil verifier
