//! Phase 3, the prover's half: one sumcheck of `sum_j gamma^j <omega_j, f_j>` over the cells of a column, all columns at
//! once.
//!
//! A weight is `rows x low` on granules of `2^g` cells, and the low variables are bound first. Until round `g` an
//! entry therefore needs `low` and the sums `A[j] = sum over rows r of rows[r] cell(r, j)` only, `2^g` elements each,
//! which one pass over the integers gives. At round `g` the cells enter as their values at the bound variables, one for
//! each granule, given by another such pass. Dense tables of extension elements are as long as the granules, not the
//! cells.

mod lines;
mod pieces;

use proveil_algebra::{E, F, PrimeCharacteristicRing};
use proveil_relation::claims::Claim;
use proveil_relation::layout::{Layout, TreeKind};
use rayon::prelude::*;

use crate::talk::Talk;
use lines::Lines;
use pieces::{Piece, pieces};

/// A column's cells.
#[derive(Clone, Copy)]
pub enum Cells<'a> {
    /// Base-field column.
    Base(&'a [F]),
    /// Extension column.
    Ext(&'a [E]),
}

fn add(a: [E; 2], b: [E; 2]) -> [E; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

/// What is claimed of columns.
pub struct Claims<'a> {
    /// Functionals on tensors, each with its weight.
    pub linear: &'a [(E, &'a Claim<E>)],
    /// Samples of trees.
    pub samples: &'a [Weighted<'a>],
}

/// The sample of a tree as a claim: `weight <eq(at), cells>`.
#[derive(Clone, Copy)]
pub struct Weighted<'a> {
    /// Weight of the claim.
    pub weight: E,
    /// The point, as long as the tree's columns have variables.
    pub at: &'a [E],
    /// The tree's columns, combined.
    pub cells: &'a [E],
}

/// Where the sumcheck ends.
pub struct Reduced {
    /// The common point.
    pub tau: Vec<E>,
    /// Every value column at its part of the point, by tree.
    pub values: Vec<Vec<E>>,
    /// Every column's weight there in the claims on tensors, by tree.
    pub weights: Vec<Vec<E>>,
}

/// Runs the sumcheck.
pub fn reduce(
    talk: &mut Talk<'_>,
    label: &'static str,
    layout: &Layout,
    claims: &Claims<'_>,
    columns: &[Vec<Cells<'_>>],
) -> Reduced {
    let rounds = layout.heights.iter().copied().max().unwrap_or(0);
    let mut pieces = pieces(layout, claims.linear, columns);
    let mut lines = Lines::new(layout, columns, &pieces);
    claims.samples.iter().for_each(|s| lines.add(s));
    let mut point = Vec::with_capacity(rounds);
    for i in 0..rounds {
        lines.enter(i, &point);
        let (due, rest): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(|p| p.granule == i);
        due.iter().for_each(|p| lines.weigh(layout, p));
        pieces = rest;
        let of_pieces = pieces.par_iter().map(Piece::round).reduce(|| [E::ZERO; 2], add);
        let s = add(lines.round(i, &point), of_pieces);
        s.into_iter().for_each(|x| talk.message(label, x));
        let r: E = talk.transcript.challenge(label);
        pieces.par_iter_mut().for_each(|p| p.fold(r));
        lines.fold(i, r);
        point.push(r);
    }
    lines.enter(rounds, &point);
    let [values, weights] = lines.finish(columns);
    Reduced { tau: point, values, weights }
}

/// Whether a tree's value columns are extension columns.
#[must_use]
pub fn is_extension(kind: TreeKind) -> bool {
    kind == TreeKind::Helper
}
