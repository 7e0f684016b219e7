//! From tensors to committed columns, coins, and functionals spread over columns.

use proveil_algebra::{PrimeCharacteristicRing, Scalar, scalar_from_limbs};
use proveil_kzg::Point;
use proveil_kzg::commit::{Committed, blinded, commit_ints};
use proveil_kzg::srs::{Srs, SrsError};
use proveil_prover::coins::Coins;
use proveil_prover::columns::for_runs;
use proveil_relation::Relation;
use proveil_relation::claims::Claim;
use proveil_relation::key::Visibility;
use proveil_relation::layout::{Layout, TreeKind};
use rayon::prelude::*;

use super::ProveError;
use crate::key::{Key, geometry};
use crate::prepared::{PrepareError, PreparedKey, layout};

/// Uniform scalars for one purpose; 512 bits each are reduced.
pub fn scalars(coins: &Coins, label: &str, n: usize) -> Vec<Scalar> {
    let mut uniform = blake3::Hasher::new_keyed(&coins.bytes(label)).finalize_xof();
    let mut bytes = vec![0; 64 * n];
    uniform.fill(&mut bytes);
    let half = |b: &[u8]| {
        let mut limbs = [0; 4];
        for (l, b) in limbs.iter_mut().zip(b.chunks_exact(8)) {
            *l = u64::from_le_bytes(b.try_into().unwrap_or_default());
        }
        scalar_from_limbs(limbs)
    };
    let shift = Scalar::TWO.exp_power_of_2(8);
    bytes.par_chunks_exact(64).map(|b| half(&b[..32]) + shift * half(&b[32..])).collect()
}

/// One uniform scalar.
pub fn scalar(coins: &Coins, label: &str) -> Scalar {
    scalars(coins, label, 1).first().copied().unwrap_or_default()
}

/// The integer column of a tree; `values[t]` are the cells of layout tensor `t`.
pub fn column<V: AsRef<[i64]>>(layout: &Layout, tree: usize, values: &[V]) -> Vec<i64> {
    let plan = &layout.trees[tree];
    let mut out = vec![0; 1 << layout.heights[plan.group]];
    for (placed, cells) in layout.tensors.iter().zip(values).filter(|(p, _)| p.tree == Some(tree)) {
        let cells = cells.as_ref();
        for_runs(placed, |_, at, from, len| out[at..at + len].copy_from_slice(&cells[from..from + len]));
    }
    out
}

/// The helper column.
pub fn helper(layout: &Layout, tree: usize, tensor: usize, cells: &[Scalar]) -> Vec<Scalar> {
    let mut out = vec![Scalar::ZERO; 1 << layout.heights[layout.trees[tree].group]];
    for_runs(&layout.tensors[tensor], |_, at, from, len| {
        out[at..at + len].copy_from_slice(&cells[from..from + len]);
    });
    out
}

/// Commits an integer column.
pub fn commit(srs: &Srs, cells: &[i64], blind: Scalar) -> Result<Committed, SrsError> {
    let point = blinded(commit_ints(srs, cells)?, blind);
    Ok(Committed { coefficients: cells.par_iter().map(|v| crate::prepared::scalar(*v)).collect(), blind, point })
}

/// Coins of one commitment: no two columns share a blind.
fn bind(coins: &Coins, kind: TreeKind, cells: &[i64]) -> Coins {
    let mut h = blake3::Hasher::new();
    cells.iter().for_each(|v| _ = h.update(&v.to_le_bytes()));
    coins.derive("commitment", &[format!("{kind:?}").as_bytes(), h.finalize().as_bytes()])
}

fn commit_tree<V: AsRef<[i64]>>(
    layout: &Layout,
    with: impl FnOnce(&[i64], Scalar) -> Result<Committed, SrsError>,
    kind: TreeKind,
    tensors: &[V],
    coins: Option<&Coins>,
) -> Result<Option<Committed>, ProveError> {
    let Some(tree) = layout.trees.iter().position(|t| t.kind == kind) else { return Ok(None) };
    let columns = layout.trees[tree].columns;
    if columns > 1 {
        return Err(PrepareError::Columns { tree: kind, columns }.into());
    }
    let cells = column(layout, tree, tensors);
    let blind = coins.map_or(Scalar::ZERO, |c| scalar(&bind(c, kind, &cells), "blind"));
    Ok(Some(with(&cells, blind)?))
}

/// The layout of a relation under this backend, before there is a key.
fn layout_of(relation: &Relation, visibility: &Visibility) -> Layout {
    layout(relation, &geometry(relation, visibility), visibility)
}

/// Commits the model tensors of a relation; a public model without a blind, so that anyone can do it again.
///
/// # Errors
/// `Srs`, `Columns`.
pub fn commit_model<V: AsRef<[i64]>>(
    relation: &Relation,
    visibility: &Visibility,
    srs: &Srs,
    tensors: &[V],
    coins: &Coins,
) -> Result<Option<Committed>, ProveError> {
    let hidden = visibility.model_hidden().then_some(coins);
    let with = |cells: &[i64], blind| commit(srs, cells, blind);
    commit_tree(&layout_of(relation, visibility), with, TreeKind::Model, tensors, hidden)
}

/// What [`commit_model`] makes, where its point is known. Whoever keeps the point keeps a hash of cells and blind with it.
///
/// # Errors
/// `Columns`.
pub fn known_model<V: AsRef<[i64]>>(
    relation: &Relation,
    visibility: &Visibility,
    point: Point,
    tensors: &[V],
    coins: &Coins,
) -> Result<Option<Committed>, ProveError> {
    let hidden = visibility.model_hidden().then_some(coins);
    let with = |cells: &[i64], blind| {
        Ok(Committed { coefficients: cells.iter().map(|v| crate::prepared::scalar(*v)).collect(), blind, point })
    };
    commit_tree(&layout_of(relation, visibility), with, TreeKind::Model, tensors, hidden)
}

/// Commits one input or output on its own.
///
/// # Errors
/// `Srs`, `Columns`; `MissingCommitment` when the key says that it is not committed.
pub fn commit_io(
    key: &PreparedKey,
    srs: &Srs,
    kind: TreeKind,
    tensors: &[Vec<i64>],
    coins: &Coins,
) -> Result<Committed, ProveError> {
    let missing = || ProveError::MissingCommitment { what: format!("{kind:?}") };
    let with = |cells: &[i64], blind| commit(srs, cells, blind);
    commit_tree(&key.inner.layout, with, kind, tensors, Some(coins))?.ok_or_else(missing)
}

/// A key for a relation, with the model's commitment.
///
/// # Errors
/// Those of [`commit_model`].
pub fn key_for(
    relation: Relation,
    visibility: Visibility,
    srs: &Srs,
    tensors: &[Vec<i64>],
    coins: &Coins,
) -> Result<(PreparedKey, Option<Committed>), ProveError> {
    let model = commit_model(&relation, &visibility, srs, tensors, coins)?;
    let point = model.as_ref().map(|m| m.point);
    let key = Key { relation, visibility, model: point, srs: srs.key(), meta: Vec::new() };
    Ok((PreparedKey::new(key, srs)?, model))
}

/// `sum_j gamma^j omega_j` spread over the column of each tree; nothing for trees without a column.
pub fn functionals(layout: &Layout, claims: &[Claim<Scalar>], gamma: Scalar) -> Vec<Vec<Scalar>> {
    let mut out: Vec<Vec<Scalar>> = layout
        .trees
        .iter()
        .map(|t| if t.columns == 0 { Vec::new() } else { vec![Scalar::ZERO; 1 << layout.heights[t.group]] })
        .collect();
    for (power, claim) in gamma.powers().zip(claims) {
        for e in &claim.entries {
            let Some((placed, tree)) = layout.tensors.get(e.tensor).and_then(|p| Some((p, p.tree?))) else { continue };
            let fine = placed.dims.granule - e.granule;
            for s in &placed.segments {
                // Rows of the functional that lie in this segment.
                let (from, to) = (s.row << fine, (s.row + s.rows) << fine);
                let (begin, end) = (from.max(e.first), to.min(e.first + e.rows.len()));
                if begin >= end {
                    continue;
                }
                let rows = &e.rows[begin - e.first..end - e.first];
                let cells = &mut out[tree][s.start + ((begin - from) << e.granule)..];
                for (cells, r) in cells.chunks_mut(1 << e.granule).zip(rows) {
                    let k = power * *r;
                    cells.iter_mut().zip(&e.low).for_each(|(c, l)| *c += k * *l);
                }
            }
        }
    }
    out
}
