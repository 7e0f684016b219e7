//! Tensors committed outside a proof: a model, or inputs and outputs on their own.

use std::sync::Arc;

use proveil_protocol::merkle::Commitment;
use proveil_protocol::sample::Sampled;
use proveil_relation::layout::{Layout, TreeKind};

use crate::ProveError;
use crate::coins::Coins;
use crate::columns::{adopt_tensors, commit_tensors};
use crate::commit::Tree;
use crate::sample::Sample;
use crate::stored::{StoredError, StoredTree};

/// A tensor group committed outside a proof, with everything needed to open it.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The tree.
    pub tree: Tree,
    pub(crate) sample: Arc<Sample>,
}

impl Committed {
    /// Takes the sample of a tree, in time linear in cells.
    #[must_use]
    pub fn new(tree: Tree) -> Self {
        let sample = Arc::new(Sample::new(&tree));
        Self { tree, sample }
    }

    /// Root, nonce and sample: what statements and keys have of the tree.
    #[must_use]
    pub fn sampled(&self) -> Sampled {
        Sampled { commitment: self.commitment(), value: self.sample.value }
    }

    /// Root and nonce.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.tree.commitment()
    }
}

/// Commits the model tensors of a layout.
///
/// # Errors
/// `Commit`.
pub fn commit_model<V: AsRef<[i64]>>(
    layout: &Layout,
    tensors: &[V],
    log_inv_rate: usize,
    coins: &Coins,
) -> Result<Option<Committed>, ProveError> {
    let Some(tree) = layout.trees.iter().position(|t| t.kind == TreeKind::Model) else { return Ok(None) };
    let hidden = layout.trees[tree].top.is_some();
    let tree = commit_tensors(layout, tree, tensors, log_inv_rate, hidden.then_some(coins))?;
    Ok(Some(Committed::new(tree)))
}

/// [`commit_model`] with the tree that a file keeps of the same tensors and coins.
///
/// # Errors
/// `Commit`; `Stored`, with `Other` too when the layout has no model.
pub fn adopt_model<V: AsRef<[i64]>>(
    layout: &Layout,
    tensors: &[V],
    log_inv_rate: usize,
    coins: &Coins,
    stored: StoredTree,
) -> Result<Committed, ProveError> {
    let Some(tree) = layout.trees.iter().position(|t| t.kind == TreeKind::Model) else {
        return Err(StoredError::Other { what: "a model" }.into());
    };
    let hidden = layout.trees[tree].top.is_some();
    let tree = adopt_tensors(layout, tree, tensors, log_inv_rate, hidden.then_some(coins), stored)?;
    Ok(Committed::new(tree))
}

/// Commits one input or output on its own.
///
/// # Errors
/// `Commit`; `MissingCommitment` when the layout has no such tree.
pub fn commit_io(
    layout: &Layout,
    kind: TreeKind,
    tensors: &[Vec<i64>],
    log_inv_rate: usize,
    coins: &Coins,
) -> Result<Committed, ProveError> {
    let Some(tree) = layout.trees.iter().position(|t| t.kind == kind) else {
        return Err(ProveError::MissingCommitment { what: format!("{kind:?}") });
    };
    let tree = commit_tensors(layout, tree, tensors, log_inv_rate, Some(coins))?;
    Ok(Committed::new(tree))
}
