//! Public data of a statement, checked against the key before anything is proved about it.

use alloc::string::String;

use proveil_algebra::{InTurn, Tasks};
use proveil_protocol::sample::Sampled;
use proveil_relation::claims::PublicCells;
use proveil_relation::decl::Home;
use proveil_relation::key::{Bounds, Epoch, IoValue, IoVisibility, Statement};
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
        Self::on(&InTurn, key, statement)
    }

    /// [`Self::new`] with long values looked through by `tasks`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn on(tasks: &impl Tasks, key: &'a PreparedKey, statement: &'a Statement) -> Result<Self, StatementError> {
        Self::bounded(tasks, key, statement, &[])
    }

    /// [`Self::on`] where the bounds of the first public values are known.
    pub(crate) fn bounded(
        tasks: &impl Tasks,
        key: &'a PreparedKey,
        statement: &'a Statement,
        bounds: &[Bounds],
    ) -> Result<Self, StatementError> {
        let r = &key.key.relation;
        let mut bounds = bounds.iter().copied();
        let mut known = |v: &IoValue| if let IoValue::Public(_) = v { bounds.next() } else { None };
        let counts =
            [("inputs", r.inputs.len(), statement.inputs.len()), ("outputs", r.outputs.len(), statement.outputs.len())];
        for (what, expected, got) in counts {
            if expected != got {
                return Err(StatementError::Count { what, expected, got });
            }
        }
        for (k, (decl, v)) in r.inputs.iter().zip(&statement.inputs).enumerate() {
            let cells = r.tensors.get(decl.tensor as usize).map_or(0, |t| t.cells());
            let allowed = Allowed { visibility: key.key.visibility.input(k as u32), cells, lo: decl.lo, hi: decl.hi };
            allowed.check(tasks, "input", k, (v, known(v)))?;
        }
        for (k, (decl, v)) in r.outputs.iter().zip(&statement.outputs).enumerate() {
            let cells = decl.space.iter().map(|n| *n as usize).product();
            let allowed = Allowed { visibility: key.key.visibility.output(k as u32), cells, lo: decl.lo, hi: decl.hi };
            allowed.check(tasks, "output", k, (v, known(v)))?;
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

/// What a key allows an input or output to be.
struct Allowed {
    visibility: IoVisibility,
    cells: usize,
    lo: i64,
    hi: i64,
}

impl Allowed {
    fn check(
        &self,
        tasks: &impl Tasks,
        what: &'static str,
        index: usize,
        (value, bounds): (&IoValue, Option<Bounds>),
    ) -> Result<(), StatementError> {
        let Self { lo, hi, .. } = *self;
        match (value, self.visibility) {
            (IoValue::Private, IoVisibility::Private) | (IoValue::Committed(..), IoVisibility::Committed) => Ok(()),
            (IoValue::Public(v), IoVisibility::Public) => {
                if v.len() != self.cells {
                    return Err(StatementError::Length { what, index, expected: self.cells, got: v.len() });
                }
                if bounds.is_some_and(|[least, greatest]| lo <= least && greatest <= hi) {
                    return Ok(());
                }
                match first_outside(tasks, v, lo, hi) {
                    Some((cell, value)) => Err(StatementError::OutOfRange { what, index, cell, value, lo, hi }),
                    None => Ok(()),
                }
            }
            (_, expected) => Err(StatementError::Visibility { what, index, expected }),
        }
    }
}

/// The first value outside `[lo, hi]`, with its place.
fn first_outside(tasks: &impl Tasks, values: &[i64], lo: i64, hi: i64) -> Option<(usize, i64)> {
    /// Values that are looked at together, without a branch.
    const BLOCK: usize = 1 << 10;
    let shares = tasks.shares_of(values.len());
    let share = values.len().div_ceil(shares).max(1);
    let outside = |x: &i64| *x < lo || *x > hi;
    let first = |k: usize| {
        let own = values.chunks(share).nth(k)?;
        let block = own.chunks(BLOCK).position(|b| b.iter().fold(false, |any, x| any | outside(x)))?;
        let at = block * BLOCK + own.chunks(BLOCK).nth(block)?.iter().position(outside)?;
        Some((k * share + at, *own.get(at)?))
    };
    tasks.map(shares, first).into_iter().flatten().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proveil_protocol::params::Params;
    use proveil_relation::key::{Geometry, ModelVisibility, VerifyingKey, Visibility};
    use proveil_relation::{Coef, Expr, Input, Output, Relation, TensorDecl};

    /// Shares in the order of a machine that ends the last one first.
    struct Thirds;

    impl Tasks for Thirds {
        fn shares(&self) -> usize {
            3
        }

        fn map<T: Send>(&self, n: usize, task: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
            let mut done: Vec<T> = (0..n).rev().map(task).collect();
            done.reverse();
            done
        }
    }

    /// Inputs and outputs of which the first and the last are public, each with a narrower range than the one before: the
    /// bounds of the next one's values are inside it.
    fn key(cells: usize) -> PreparedKey {
        let home = |k: u32| TensorDecl { name: "x".into(), shape: vec![cells as u32], home: Home::Input(k) };
        let output = |k: i64| {
            let expr = Expr { constant: Coef::int(0), linear: vec![], products: vec![] };
            Output { name: "y".into(), space: vec![cells as u32], expr, lo: k - 7, hi: 6 - k }
        };
        let shown = vec![IoVisibility::Public, IoVisibility::Private, IoVisibility::Public];
        PreparedKey::new(VerifyingKey {
            params: Params::standard(40).with_grinding(2),
            geometry: Geometry {
                log_height: 10,
                model_top: 64,
                trace_top: 64,
                io_top: 64,
                inputs: vec![10; 3],
                outputs: vec![10; 3],
            },
            visibility: Visibility {
                zero_knowledge: true,
                model: ModelVisibility::Private,
                inputs: shown.clone(),
                outputs: shown,
            },
            relation: Relation {
                tensors: (0..3).map(home).collect(),
                tables: vec![],
                lookups: vec![],
                inputs: (0..3)
                    .map(|k| Input { tensor: k, lo: i64::from(k) - 300, hi: 70_000 - i64::from(k) })
                    .collect(),
                outputs: (0..3).map(output).collect(),
            },
            model: None,
            meta: vec![],
        })
    }

    #[test]
    fn rejects_public_values_outside_by_bounds_that_hashing_finds() {
        // More than two pieces of hashing.
        let n = (1 << 15) + 3;
        let key = key(n);
        // `cell` of the input or output that `at` names is `value`; all others are as far as they may.
        let check = |(list, at): (usize, usize), cell: usize, value: i64| {
            let of = |this: usize, (lo, hi): (i64, i64), k: usize| {
                let mut values = vec![lo; n];
                values.iter_mut().skip(1).step_by(2).for_each(|x| *x = hi);
                if (list, at) == (this, k) {
                    values[cell] = value;
                }
                if k == 1 { IoValue::Private } else { IoValue::Public(values) }
            };
            let r = &key.key.relation;
            let statement = Statement {
                inputs: r.inputs.iter().enumerate().map(|(k, i)| of(0, (i.lo, i.hi), k)).collect(),
                outputs: r.outputs.iter().enumerate().map(|(k, o)| of(1, (o.lo, o.hi), k)).collect(),
                ..Statement::default()
            };
            let bounds = statement.digest_and_bounds(&Thirds).1;
            PublicValues::bounded(&Thirds, &key, &statement, &bounds).map(|_| ())
        };
        for (list, what) in [(0, "input"), (1, "output")] {
            for index in [0, 2] {
                let r = &key.key.relation;
                let of_input = (r.inputs[index].lo, r.inputs[index].hi);
                let (lo, hi) = if list == 0 { of_input } else { (r.outputs[index].lo, r.outputs[index].hi) };
                assert_eq!(check((list, index), 0, lo), Ok(()));
                for cell in [0, (1 << 14) - 1, 1 << 14, n - 1] {
                    for value in [lo - 1, hi + 1, i64::MIN, i64::MAX] {
                        let expected = StatementError::OutOfRange { what, index, cell, value, lo, hi };
                        assert_eq!(check((list, index), cell, value), Err(expected));
                    }
                }
            }
        }
    }

    #[test]
    fn rejects_too_few_and_too_many_values() {
        let key = key(4);
        for (what, list) in [("input", 0), ("output", 1)] {
            for got in [0, 3, 5] {
                let of = |this: usize| {
                    let shown = |n: usize| IoValue::Public(vec![0; n]);
                    vec![shown(4), IoValue::Private, shown(if this == list { got } else { 4 })]
                };
                let statement = Statement { inputs: of(0), outputs: of(1), ..Statement::default() };
                let error = PublicValues::new(&key, &statement).unwrap_err();
                assert_eq!(error, StatementError::Length { what, index: 2, expected: 4, got });
            }
        }
    }

    #[test]
    fn rejects_the_first_value_outside_whoever_finds_it() {
        let n = 20_001;
        for bad in [vec![0], vec![n - 1], vec![6666, 6667, 20_000], vec![13_333, 13_400], vec![1023, 1024], vec![]] {
            let mut values = vec![-7i64; n];
            values.iter_mut().step_by(2).for_each(|x| *x = 9);
            bad.iter().for_each(|i| values[*i] = if i % 2 == 0 { 10 } else { i64::MIN });
            let expected = bad.first().map(|i| (*i, values[*i]));
            assert_eq!(first_outside(&Thirds, &values, -7, 9), expected);
            assert_eq!(first_outside(&InTurn, &values, -7, 9), expected);
        }
        assert_eq!(first_outside(&Thirds, &[], 0, 0), None);
    }
}
