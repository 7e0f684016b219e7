//! proveil relation
