//! The relation's vocabulary: tensors, accesses, expressions, look-ups, outputs.
//!
//! Meaning. A witness is an integer (field element) for every cell of every tensor. It satisfies the relation when
//! for every look-up and every cell of its space the tuple of expression values is a row of the look-up's table, and
//! every output equals its expression. Nothing else is claimed; ranges are look-ups into range tables.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::table::Table;

/// An affine function of index variables: `offset + sum coef * var`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Affine {
    /// Pairs (variable, coefficient), each variable at most once.
    pub terms: Vec<(u32, i64)>,
    /// Constant part.
    pub offset: i64,
}

impl Affine {
    /// The form that is just variable `v`.
    #[must_use]
    pub fn var(v: u32) -> Self {
        Self { terms: alloc::vec![(v, 1)], offset: 0 }
    }

    /// The constant form.
    #[must_use]
    pub fn constant(offset: i64) -> Self {
        Self { terms: Vec::new(), offset }
    }

    /// Value at an index setting; variables without an entry count as 0.
    #[must_use]
    pub fn at(&self, idx: &[usize]) -> i64 {
        self.terms.iter().fold(self.offset, |acc, (v, c)| {
            acc.wrapping_add(c.wrapping_mul(idx.get(*v as usize).copied().unwrap_or(0) as i64))
        })
    }

    /// Whether variable `v` occurs.
    #[must_use]
    pub fn uses(&self, v: usize) -> bool {
        self.terms.iter().any(|(w, _)| *w as usize == v)
    }
}

/// A condition `0 <= form < bound` under which an access reads its cell; otherwise it reads 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Guard {
    /// The tested form.
    pub form: Affine,
    /// Exclusive upper bound.
    pub bound: u64,
}

/// Reads one cell of a tensor for each setting of the index variables; 0 outside the tensor or a guard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Access {
    /// Index in [`Relation::tensors`].
    pub tensor: u32,
    /// One form for each axis.
    pub axes: Vec<Affine>,
    /// Further conditions.
    pub guards: Vec<Guard>,
}

impl Access {
    /// Whether variable `v` occurs in an axis or a guard.
    #[must_use]
    pub fn uses(&self, v: usize) -> bool {
        self.axes.iter().any(|a| a.uses(v)) || self.guards.iter().any(|g| g.form.uses(v))
    }
}

/// The rational coefficient `num / 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coef {
    /// Numerator.
    pub num: i64,
    /// Power of two in the denominator.
    pub shift: u32,
}

impl Coef {
    /// The integer `num`.
    #[must_use]
    pub const fn int(num: i64) -> Self {
        Self { num, shift: 0 }
    }
}

/// `coef * sum over s of access(i, s)`; variables after the space's are the summation variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linear {
    /// Factor.
    pub coef: Coef,
    /// Lengths of the summation variables.
    pub sum: Vec<u32>,
    /// What is read.
    pub access: Access,
}

/// `coef * sum over s of lhs(i, s) * rhs(i, s)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Factor.
    pub coef: Coef,
    /// Lengths of the summation variables.
    pub sum: Vec<u32>,
    /// Left operand (weights, by convention).
    pub lhs: Access,
    /// Right operand.
    pub rhs: Access,
}

/// A virtual tensor over a space of index variables: constant + linear + bilinear terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expr {
    /// Added to every cell.
    pub constant: Coef,
    /// Linear terms.
    pub linear: Vec<Linear>,
    /// Products.
    pub products: Vec<Product>,
}

/// Who holds a tensor's cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Home {
    /// Model commitment.
    Model,
    /// Input number k: public, in the trace commitment, or in its own commitment, by visibility.
    Input(u32),
    /// Per-proof trace commitment.
    Trace,
    /// Public constant of the key, row-major.
    Public(Vec<i64>),
    /// Output number k, when outputs are committed.
    Output(u32),
}

/// A tensor of the witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorDecl {
    /// Name for messages.
    pub name: String,
    /// Axis lengths, row-major, none 0.
    pub shape: Vec<u32>,
    /// Who holds it.
    pub home: Home,
}

impl TensorDecl {
    /// Number of cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.shape.iter().map(|n| *n as usize).product()
    }
}

/// For every cell of `space`: the tuple of expression values is a row of `table`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Path for messages: node and check, e.g. `conv1/relu/digit`.
    pub name: String,
    /// Lengths of the index variables.
    pub space: Vec<u32>,
    /// Index in [`Relation::tables`].
    pub table: u32,
    /// One expression for each column of the table.
    pub tuple: Vec<Expr>,
}

/// A result: the values of `expr` over `space`, row-major.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Name.
    pub name: String,
    /// Lengths of the index variables (the tensor's shape).
    pub space: Vec<u32>,
    /// Its value.
    pub expr: Expr,
    /// Smallest possible value; a public value outside is refused (x and x - p coincide in the field).
    pub lo: i64,
    /// Largest possible value.
    pub hi: i64,
}

/// An input with its declared range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The tensor.
    pub tensor: u32,
    /// Smallest allowed value.
    pub lo: i64,
    /// Largest allowed value.
    pub hi: i64,
}

/// A whole statement family: everything public about a compiled model but its commitment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Tensors.
    pub tensors: Vec<TensorDecl>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Look-ups.
    pub lookups: Vec<Lookup>,
    /// Inputs in order.
    pub inputs: Vec<Input>,
    /// Outputs in order.
    pub outputs: Vec<Output>,
}
