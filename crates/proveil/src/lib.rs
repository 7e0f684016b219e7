//! proveil proveil
