//! Look-up tables, of two kinds. *Public* rows are written in parts whose columns are ramps, constants or values, so
//! that ranges, signs and saturated halves have closed forms and only true function values cost linear time.
//! *Committed* rows are expressions over committed tensors, like the tuples that are looked up in them, behind a public
//! row number: a tuple whose first entry is a number can equal one row only, so a look-up reads a cell at a hidden place.

use alloc::vec::Vec;

use proveil_algebra::{Challenge, Planes, eq_table};
use serde::{Deserialize, Serialize};

use crate::decl::Expr;
use crate::weights::eq_segment;

/// One column of a part of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// `start, start + 1, ...`
    Ramp(i64),
    /// The same value in every row.
    Constant(i64),
    /// Explicit values.
    Values(Vec<i64>),
}

/// Consecutive rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Number of rows.
    pub len: u32,
    /// The columns; every part of a table has as many.
    pub columns: Vec<Column>,
}

/// A table. Public rows need not be distinct; committed rows are, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Name for messages.
    pub name: alloc::string::String,
    /// What its rows are.
    pub rows: Rows,
}

/// The rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rows {
    /// Integers of the key, part after part.
    Public(Vec<Part>),
    /// For every cell of a space: its row-major number, then the values of the expressions there.
    Committed {
        /// Lengths of the index variables.
        space: Vec<u32>,
        /// The columns behind the number.
        columns: Vec<Expr>,
    },
}

impl Table {
    /// A table of public rows.
    #[must_use]
    pub fn public(name: impl Into<alloc::string::String>, parts: Vec<Part>) -> Self {
        Self { name: name.into(), rows: Rows::Public(parts) }
    }

    /// A table of committed rows.
    #[must_use]
    pub fn committed(name: impl Into<alloc::string::String>, space: Vec<u32>, columns: Vec<Expr>) -> Self {
        Self { name: name.into(), rows: Rows::Committed { space, columns } }
    }

    /// The parts of public rows; none for committed rows.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        match &self.rows {
            Rows::Public(parts) => parts,
            Rows::Committed { .. } => &[],
        }
    }

    /// Space and expressions of committed rows.
    #[must_use]
    pub fn expressions(&self) -> Option<(&[u32], &[Expr])> {
        match &self.rows {
            Rows::Public(_) => None,
            Rows::Committed { space, columns } => Some((space, columns)),
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        match &self.rows {
            Rows::Public(parts) => parts.iter().map(|p| p.len as usize).sum(),
            Rows::Committed { space, .. } => space.iter().map(|n| *n as usize).product(),
        }
    }

    /// The rows' space: one axis for public rows.
    #[must_use]
    pub fn space(&self) -> Vec<u32> {
        match &self.rows {
            Rows::Public(_) => alloc::vec![self.num_rows() as u32],
            Rows::Committed { space, .. } => space.clone(),
        }
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        match &self.rows {
            Rows::Public(parts) => parts.first().map_or(0, |p| p.columns.len()),
            Rows::Committed { columns, .. } => 1 + columns.len(),
        }
    }

    /// Public rows as integers, row after row; none for committed rows.
    #[must_use]
    pub fn materialise(&self) -> Vec<Vec<i64>> {
        let mut out = Vec::new();
        for p in self.parts() {
            for i in 0..p.len as usize {
                out.push(p.columns.iter().map(|c| c.at(i)).collect());
            }
        }
        out
    }

    /// Of public rows: `sum over rows x of eq(pt, start + x) * (one + sum_c powers[c] * column_c(x))`.
    pub fn evaluate<E: Challenge>(&self, pt: &[E], start: usize, one: E, powers: &[E]) -> E {
        let mut acc = E::ZERO;
        let mut at = start;
        let mut dense = None;
        for p in self.parts() {
            let len = p.len as usize;
            let (s0, s1) = segment_moments(pt, at, len);
            acc += s0 * one;
            for (c, w) in p.columns.iter().zip(powers) {
                acc += *w
                    * match c {
                        Column::Ramp(s) => s1 + s0 * E::from_int(*s),
                        Column::Constant(k) => s0 * E::from_int(*k),
                        Column::Values(v) => dense.get_or_insert_with(|| Dense::new(pt)).sum(at, v),
                    };
            }
            at += len;
        }
        acc
    }
}

/// Sums of dense columns, by blocks of addresses: small integers times one vector of base-field coordinates.
struct Dense<'a, E: Challenge> {
    low: Planes<E>,
    bits: usize,
    high: &'a [E],
}

impl<'a, E: Challenge> Dense<'a, E> {
    fn new(pt: &'a [E]) -> Self {
        let (low, high) = pt.split_at(pt.len().min(8));
        Self { low: Planes::new(&eq_table(low)), bits: low.len(), high }
    }

    /// `sum_x eq(pt, start + x) values[x]`.
    fn sum(&self, start: usize, values: &[i64]) -> E {
        let block = 1 << self.bits;
        let first = start % block;
        let high = eq_segment(self.high, start >> self.bits, (first + values.len()).div_ceil(block));
        let (head, rest) = values.split_at((block - first).min(values.len()));
        let blocks = [head].into_iter().chain(rest.chunks(block)).zip(high).enumerate();
        blocks.fold(E::ZERO, |a, (i, (part, h))| {
            let part: Vec<E::Base> = part.iter().map(|v| E::base_from_int(*v)).collect();
            a + self.low.dot(if i == 0 { first } else { 0 }, &part) * h
        })
    }
}

impl Column {
    fn at(&self, i: usize) -> i64 {
        match self {
            Self::Ramp(s) => s.wrapping_add(i as i64),
            Self::Constant(k) => *k,
            Self::Values(v) => v.get(i).copied().unwrap_or(0),
        }
    }
}

/// `(sum_x eq(pt, start + x), sum_x x eq(pt, start + x))` over `x < len`, in O(log^2) field operations.
pub fn segment_moments<E: Challenge>(pt: &[E], start: usize, len: usize) -> (E, E) {
    let (mut s0, mut s1) = (E::ZERO, E::ZERO);
    let mut at = start;
    let end = start + len;
    while at < end {
        let mut k = (at.trailing_zeros() as usize).min(pt.len());
        while k > 0 && at + (1 << k) > end {
            k -= 1;
        }
        let (low, high) = pt.split_at(k.min(pt.len()));
        let w = proveil_algebra::eq_index(high, (at >> k) as u64);
        let ramp = low.iter().enumerate().fold(E::ZERO, |a, (i, x)| a + *x * E::from_int(1i64 << i));
        s0 += w;
        s1 += w * (ramp + E::from_int((at - start) as i64));
        at += 1 << k;
    }
    (s0, s1)
}
