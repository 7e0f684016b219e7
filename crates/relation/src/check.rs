//! What a verifying key must satisfy before anything is computed from it. A key comes from whoever wants to convince,
//! so every index is checked, every size is bounded, and nothing here is needed twice: layout, claims and opening may
//! take a checked key's numbers at face value.
//!
//! Three steps, each of which makes the next one safe to run: declarations (`terms`), geometry and parameters
//! (`sizes`), and what the layout then costs a verifier.

use alloc::string::String;

use proveil_protocol::params::{Params, ParamsError};

use crate::decl::Relation;
use crate::key::{Geometry, Visibility};

mod sizes;
mod terms;

/// Largest numbers that a verifier is willing to work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Cells of one tensor or space.
    pub cells: u64,
    /// Rows of all tables together.
    pub table_rows: u64,
    /// Look-ups' cells and table rows together, padding included. Below the field's characteristic, so that a
    /// multiplicity cannot wrap.
    pub fractions: u64,
    /// Contractions of phase 2.
    pub groups: u64,
    /// Columns of all trees.
    pub columns: u64,
    /// Row weights held at once: 24 bytes each.
    pub weights: u64,
    /// Settings of index variables that the claims walk through.
    pub steps: u64,
    /// Positions opened in one query round.
    pub queries: u64,
    /// Height of a column, as a power of two.
    pub log_height: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cells: 1 << 32,
            table_rows: 1 << 26,
            fractions: 1 << 30,
            groups: 1 << 18,
            columns: 1 << 14,
            weights: 1 << 27,
            steps: 1 << 34,
            queries: 1 << 12,
            log_height: 26,
        }
    }
}

/// Why a key is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A reference to something that does not exist.
    #[error("{path}: {field} {index} does not exist, there are {len}: the key is damaged, compile the model again")]
    Index {
        /// What is referred to.
        field: &'static str,
        /// Where.
        path: String,
        /// The reference.
        index: u64,
        /// Number of things there are.
        len: u64,
    },
    /// A list of the wrong length.
    #[error("{path}: {field} has {got} entries, needed are {expected}: the key is damaged, compile the model again")]
    Length {
        /// Which list.
        field: &'static str,
        /// Where.
        path: String,
        /// Needed.
        expected: u64,
        /// Found.
        got: u64,
    },
    /// A number outside its allowed range.
    #[error("{path}: {field} is {value}, allowed are {min} to {max}: compile the model with other sizes")]
    Range {
        /// Which number.
        field: &'static str,
        /// Where.
        path: String,
        /// Its value.
        value: i128,
        /// Smallest allowed.
        min: i128,
        /// Largest allowed.
        max: i128,
    },
    /// Something that contradicts another declaration.
    #[error("{path}: {field} {problem}: the key is damaged, compile the model again")]
    Conflict {
        /// Which declaration.
        field: &'static str,
        /// Where.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Parameters that no opening can be run with.
    #[error("parameters: {0}")]
    Params(#[from] ParamsError),
}

impl KeyError {
    /// The declaration at fault.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Index { field, .. }
            | Self::Length { field, .. }
            | Self::Range { field, .. }
            | Self::Conflict { field, .. } => field,
            Self::Params(_) => "parameters",
        }
    }
}

/// Checks that a relation and its geometry are well-formed and not too large to verify.
///
/// # Errors
/// See [`KeyError`]; the first violation in the order of declarations is named.
pub fn check(
    relation: &Relation,
    geometry: &Geometry,
    visibility: &Visibility,
    params: &Params,
    limits: &Limits,
) -> Result<(), KeyError> {
    terms::check(relation, visibility, limits)?;
    sizes::geometry(relation, geometry, visibility, params, limits)?;
    sizes::costs(relation, geometry, visibility, limits)
}

/// The part of [`check`] that no geometry and no parameters matter to: declarations refer to what exists, and terms and
/// shapes are in bounds.
///
/// # Errors
/// See [`KeyError`].
pub fn check_terms(relation: &Relation, visibility: &Visibility, limits: &Limits) -> Result<(), KeyError> {
    terms::check(relation, visibility, limits)
}

/// The part of [`check`] that bounds what a relation of checked terms costs under a geometry.
///
/// # Errors
/// See [`KeyError`].
pub fn check_costs(
    relation: &Relation,
    geometry: &Geometry,
    visibility: &Visibility,
    limits: &Limits,
) -> Result<(), KeyError> {
    sizes::costs(relation, geometry, visibility, limits)
}

fn range(field: &'static str, path: impl Into<String>, value: i128, min: i128, max: i128) -> Result<(), KeyError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(KeyError::Range { field, path: path.into(), value, min, max })
    }
}

fn length(field: &'static str, path: impl Into<String>, expected: usize, got: usize) -> Result<(), KeyError> {
    let (path, expected, got) = (path.into(), expected as u64, got as u64);
    if expected == got { Ok(()) } else { Err(KeyError::Length { field, path, expected, got }) }
}

fn index(field: &'static str, path: impl Into<String>, index: u32, len: usize) -> Result<(), KeyError> {
    let (path, index, len) = (path.into(), u64::from(index), len as u64);
    if index < len { Ok(()) } else { Err(KeyError::Index { field, path, index, len }) }
}

fn product(shape: impl IntoIterator<Item = u32>) -> u128 {
    shape.into_iter().fold(1, |a, n| a.saturating_mul(u128::from(n)))
}
