//! proveil compiler
