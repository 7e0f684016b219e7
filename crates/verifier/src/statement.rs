//! Public data of a statement, checked against the key before anything is proved about it.

use alloc::string::String;

use proveil_protocol::sample::Sampled;
use proveil_relation::claims::PublicCells;
use proveil_relation::decl::Home;
use proveil_relation::key::{Epoch, IoValue, IoVisibility, Statement};
use proveil_relation::layout::TreeKind;

use crate::PreparedKey;

/// A statement that cannot be about this key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Wrong number of inputs or outputs.
    #[error("{what}: the key has {expected}, the statement {got}")]
    Count {
        /// `inputs` or `outputs`.
        what: &'static str,
        /// In the key.
        expected: usize,
        /// In the statement.
        got: usize,
    },
    /// The statement shows what the key hides, or the other way round.
    #[error("{what} {index}: the key says {expected:?}; make the statement with the same key")]
    Visibility {
        /// `input` or `output`.
        what: &'static str,
        /// Which one.
        index: usize,
        /// By the key.
        expected: IoVisibility,
    },
    /// Wrong number of values.
    #[error("{what} {index}: expected {expected} values, got {got}")]
    Length {
        /// `input` or `output`.
        what: &'static str,
        /// Which one.
        index: usize,
        /// By the key.
        expected: usize,
        /// In the statement.
        got: usize,
    },
    /// A public value outside its declared range; in the field it would coincide with another integer.
    #[error("{what} {index}, cell {cell}: {value} is outside [{lo}, {hi}]")]
    OutOfRange {
        /// `input` or `output`.
        what: &'static str,
        /// Which one.
        index: usize,
        /// Which cell, row-major.
        cell: usize,
        /// The value.
        value: i64,
        /// Smallest allowed.
        lo: i64,
        /// Largest allowed.
        hi: i64,
    },
    /// A commitment that is a point of a curve comes with an out-of-domain value, which nothing would check.
    #[error("{what} {index}: the commitment has a sample; name a commitment made for this backend")]
    Sample {
        /// `input` or `output`.
        what: &'static str,
        /// Which one.
        index: usize,
    },
    /// The statement names another model commitment than the one in force.
    #[error(
        "epoch: {expected:?} is in force, the statement names {got:?}; check the refreshes up to that one, in order, first"
    )]
    Epoch {
        /// Number of the refresh in force.
        expected: Option<u32>,
        /// Number in the statement; the same number may come with another root.
        got: Option<u32>,
    },
    /// The key lacks a model commitment, or has one that it does not need.
    #[error("the key's model commitment does not fit its relation ({name})")]
    Model {
        /// What is wrong.
        name: String,
    },
}

/// Public values by tensor, and commitments, of one statement.
#[derive(Clone, Copy, Debug)]
pub struct PublicValues<'a> {
    key: Option<(&'a PreparedKey, &'a Statement)>,
}

impl<'a> PublicValues<'a> {
    /// For dry runs.
    #[must_use]
    pub fn empty() -> Self {
        Self { key: None }
    }

    /// Checks a statement against the key.
    ///
    /// # Errors
    /// `Count`, `Visibility`, `Length`, `OutOfRange`, `Epoch`, `Model`.
    pub fn new(key: &'a PreparedKey, statement: &'a Statement) -> Result<Self, StatementError> {
        let r = &key.key.relation;
        let counts =
            [("inputs", r.inputs.len(), statement.inputs.len()), ("outputs", r.outputs.len(), statement.outputs.len())];
        for (what, expected, got) in counts {
            if expected != got {
                return Err(StatementError::Count { what, expected, got });
            }
        }
        for (k, (decl, v)) in r.inputs.iter().zip(&statement.inputs).enumerate() {
            let cells = r.tensors.get(decl.tensor as usize).map_or(0, |t| t.cells());
            check("input", k, v, key.key.visibility.input(k as u32), cells, decl.lo, decl.hi)?;
        }
        for (k, (decl, v)) in r.outputs.iter().zip(&statement.outputs).enumerate() {
            let cells = decl.space.iter().map(|n| *n as usize).product();
            check("output", k, v, key.key.visibility.output(k as u32), cells, decl.lo, decl.hi)?;
        }
        if key.epoch != statement.epoch {
            let number = |e: &Option<Epoch>| e.as_ref().map(|e| e.number);
            return Err(StatementError::Epoch { expected: number(&key.epoch), got: number(&statement.epoch) });
        }
        let needs_model = r.tensors.iter().any(|t| t.home == Home::Model);
        if needs_model != key.key.model.is_some() {
            return Err(StatementError::Model { name: if needs_model { "missing" } else { "unused" }.into() });
        }
        Ok(Self { key: Some((key, statement)) })
    }

    /// The model commitment in force.
    #[must_use]
    pub fn model(&self) -> Option<Sampled> {
        let (key, statement) = self.key?;
        statement.epoch.as_ref().map(|e| e.model).or(key.key.model)
    }

    /// Commitment of input `k`.
    #[must_use]
    pub fn input_commitment(&self, k: u32) -> Option<Sampled> {
        committed(self.key?.1.inputs.get(k as usize)?)
    }

    /// Commitment of output `k`.
    #[must_use]
    pub fn output_commitment(&self, k: u32) -> Option<Sampled> {
        committed(self.key?.1.outputs.get(k as usize)?)
    }

    /// The commitment of a tree that outlives this proof.
    #[must_use]
    pub fn sampled(&self, kind: TreeKind) -> Option<Sampled> {
        match kind {
            TreeKind::Model => self.model(),
            TreeKind::Input(k) => self.input_commitment(k),
            TreeKind::Output(k) => self.output_commitment(k),
            TreeKind::Mask | TreeKind::Trace | TreeKind::Helper => None,
        }
    }

    /// Values of output `k`, if public.
    #[must_use]
    pub fn output(&self, k: usize) -> Option<&'a [i64]> {
        match self.key?.1.outputs.get(k)? {
            IoValue::Public(v) => Some(v),
            _ => None,
        }
    }
}

fn committed(v: &IoValue) -> Option<Sampled> {
    match v {
        IoValue::Committed(c) => Some(*c),
        _ => None,
    }
}

impl PublicCells for PublicValues<'_> {
    fn cells(&self, tensor: usize) -> Option<&[i64]> {
        let (key, statement) = self.key?;
        match &key.key.relation.tensors.get(tensor)?.home {
            Home::Public(v) => Some(v),
            Home::Input(k) => match statement.inputs.get(*k as usize)? {
                IoValue::Public(v) => Some(v),
                _ => None,
            },
            _ => None,
        }
    }
}

fn check(
    what: &'static str,
    index: usize,
    value: &IoValue,
    expected: IoVisibility,
    cells: usize,
    lo: i64,
    hi: i64,
) -> Result<(), StatementError> {
    match (value, expected) {
        (IoValue::Private, IoVisibility::Private) | (IoValue::Committed(..), IoVisibility::Committed) => Ok(()),
        (IoValue::Public(v), IoVisibility::Public) => {
            if v.len() != cells {
                return Err(StatementError::Length { what, index, expected: cells, got: v.len() });
            }
            match v.iter().enumerate().find(|(_, x)| **x < lo || **x > hi) {
                Some((cell, value)) => Err(StatementError::OutOfRange { what, index, cell, value: *value, lo, hi }),
                None => Ok(()),
            }
        }
        _ => Err(StatementError::Visibility { what, index, expected }),
    }
}
