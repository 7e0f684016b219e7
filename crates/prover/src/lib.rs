//! proveil prover
