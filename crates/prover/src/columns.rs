//! From tensors to the columns of a commitment tree and back.

use proveil_algebra::{E, F, base_from_i64, ext_coords};
use proveil_relation::layout::{Layout, Placed, TreePlan};
use rayon::prelude::*;

use crate::ProveError;
use crate::coins::{Coins, ZERO};
use crate::commit::{CommitError, Tree, hash_cells};
use crate::stored::StoredTree;

/// Runs `f(column cell, tensor cell, length)` for every run of consecutive cells of a placed tensor.
pub fn for_runs(placed: &Placed, mut f: impl FnMut(usize, usize, usize, usize)) {
    let d = &placed.dims;
    let (g, chunks) = (d.granule, d.chunks());
    for s in &placed.segments {
        let mut row = s.row;
        while row < s.row + s.rows {
            // All granules of one line of the last axis that lie in this segment are consecutive on both sides.
            let (line, chunk) = (row / chunks, row % chunks);
            let take = (chunks - chunk).min(s.row + s.rows - row);
            let from = chunk << g;
            let len = (take << g).min(d.last - from);
            f(s.column, s.start + ((row - s.row) << g), line * d.last + from, len);
            row += take;
        }
    }
}

/// Base-field columns of a tree holding integer tensors; `values[t]` are the cells of layout tensor `t`.
#[must_use]
pub fn base_columns<V: AsRef<[i64]>>(layout: &Layout, tree: usize, values: &[V]) -> Vec<Vec<F>> {
    let Some(plan) = layout.trees.get(tree) else { return Vec::new() };
    let height = 1usize << layout.heights[plan.group];
    let mut columns = vec![vec![ZERO; height]; plan.columns];
    for (t, placed) in layout.tensors.iter().enumerate().filter(|(_, p)| p.tree == Some(tree)) {
        let Some(cells) = values.get(t).map(AsRef::as_ref) else { continue };
        for_runs(placed, |column, at, from, len| {
            let src = &cells[from..from + len];
            columns[column][at..at + len].iter_mut().zip(src).for_each(|(o, v)| *o = base_from_i64(*v));
        });
    }
    columns
}

/// Extension columns of the helper tree.
#[must_use]
pub fn ext_columns(layout: &Layout, tree: usize, tensor: usize, cells: &[E]) -> Vec<Vec<E>> {
    let Some(plan) = layout.trees.get(tree) else { return Vec::new() };
    let height = 1usize << layout.heights[plan.group];
    let mut columns = vec![vec![E::default(); height]; plan.columns];
    for_runs(&layout.tensors[tensor], |column, at, from, len| {
        columns[column][at..at + len].copy_from_slice(&cells[from..from + len]);
    });
    columns
}

/// Fills the random cells of base columns.
pub fn randomise(columns: &mut [Vec<F>], plan: &TreePlan, coins: &Coins, label: &str) {
    let Some(top) = plan.top else { return };
    columns.par_iter_mut().enumerate().for_each(|(i, c)| {
        let from = c.len() - top;
        coins.stream(label, i).fill(&mut c[from..]);
    });
}

/// The three coordinate columns of extension columns.
#[must_use]
pub fn coordinates(columns: &[Vec<E>]) -> Vec<Vec<F>> {
    columns
        .par_iter()
        .flat_map_iter(|c| (0..3).map(move |k| c.iter().map(|x| ext_coords(x)[k]).collect::<Vec<F>>()))
        .collect()
}

/// The columns of an integer tree (model, input, output) that is committed on its own, with the seed of its salts.
fn own_columns<V: AsRef<[i64]>>(
    layout: &Layout,
    tree: usize,
    values: &[V],
    coins: Option<&Coins>,
) -> (Vec<Vec<F>>, Option<[u8; 32]>) {
    let mut columns = base_columns(layout, tree, values);
    let Some((coins, plan)) = coins.zip(layout.trees.get(tree)) else { return (columns, None) };
    let coins = bind(coins, plan, &columns);
    randomise(&mut columns, plan, &coins, "random cells");
    (columns, Some(coins.bytes("salts")))
}

/// Commits an integer tree (model, input, output) on its own.
///
/// # Errors
/// Those of [`Tree::commit`].
pub fn commit_tensors<V: AsRef<[i64]>>(
    layout: &Layout,
    tree: usize,
    values: &[V],
    log_inv_rate: usize,
    coins: Option<&Coins>,
) -> Result<Tree, CommitError> {
    let (columns, seed) = own_columns(layout, tree, values, coins);
    Tree::commit(columns, log_inv_rate, seed)
}

/// [`commit_tensors`] with the tree that a file keeps of the same tensors and coins.
///
/// # Errors
/// Those of [`Tree::adopt`].
pub fn adopt_tensors<V: AsRef<[i64]>>(
    layout: &Layout,
    tree: usize,
    values: &[V],
    log_inv_rate: usize,
    coins: Option<&Coins>,
    stored: StoredTree,
) -> Result<Tree, ProveError> {
    let (columns, seed) = own_columns(layout, tree, values, coins);
    Tree::adopt(columns, log_inv_rate, seed, stored)
}

/// Coins of one tree: two trees made from the same coins, or one tree with other cells, share no random cell and no
/// salt. The difference of two columns with equal random cells would show the difference of their secrets.
fn bind(coins: &Coins, plan: &TreePlan, columns: &[Vec<F>]) -> Coins {
    coins.derive("commitment", &[format!("{:?}", plan.kind).as_bytes(), &hash_cells(columns)])
}
