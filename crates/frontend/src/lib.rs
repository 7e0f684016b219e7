//! proveil frontend
