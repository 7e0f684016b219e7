//! Proofs that a commitment may still appear in.
//!
//! A proof opens `q` rows of every committed tree, and rows stay uniform only while no more of them are opened than
//! each column has random cells. So every hidden commitment has a budget, counted where it outlives the process: a use
//! is durable *before* its proof is released. A crash in between costs one use and hides nothing less. A store that is
//! restored from a backup forgets uses: keep it with the random cells, or refresh the model after a restore.
//!
//! Limits follow from `T >= (proofs + 3) q + 1`: the proofs, one registration, two refreshes (one as the new commitment,
//! one as the old), and the sample.

mod file;

use proveil_protocol::merkle::Commitment;
use proveil_protocol::opening::OpeningError;
use proveil_protocol::params::Params;
use proveil_relation::layout::{TreeKind, TreePlan};
use proveil_verifier::PreparedKey;

use crate::{Committed, Inputs, Proof, ProveError, Witness, prove};

pub use file::FileStore;

/// What a commitment is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// An ordinary proof.
    Proof,
    /// The proof that its cells are in range.
    Registration,
    /// The proof that two commitments hold the same cells.
    Refresh,
}

impl Use {
    /// All uses, in the order in which stores keep them.
    pub const ALL: [Self; 3] = [Self::Proof, Self::Registration, Self::Refresh];

    /// Name in messages and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proof => "proofs",
            Self::Registration => "registrations",
            Self::Refresh => "refreshes",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Proof => 0,
            Self::Registration => 1,
            Self::Refresh => 2,
        }
    }
}

/// Why a use was refused or not counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// The budget is spent.
    #[error("commitment {commitment}: all {limit} {what} are used; refresh the commitment and prove under the new one")]
    Exhausted {
        /// Root in hexadecimal.
        commitment: String,
        /// Which use.
        what: &'static str,
        /// The limit.
        limit: u32,
    },
    /// Nothing is known of the commitment, so it may have been used.
    #[error("commitment {commitment} has no count in the store: open its budget when it is made, and only then")]
    Unknown {
        /// Root in hexadecimal.
        commitment: String,
    },
    /// The commitment is already counted.
    #[error("commitment {commitment} already has a count: go on with it")]
    Exists {
        /// Root in hexadecimal.
        commitment: String,
    },
    /// The store holds something else than a count.
    #[error("{path}, line {line}: not a count of uses; restore the file or refresh the commitment")]
    Malformed {
        /// File.
        path: String,
        /// Line, from 1.
        line: usize,
    },
    /// The store cannot be read or written.
    #[error("{path}: cannot {action}: {reason}")]
    Io {
        /// File.
        path: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        reason: String,
    },
}

/// Why no counted proof was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CountedError {
    /// The budget does not allow it.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The proof failed; nothing was counted.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// Limits and uses of one commitment, by [`Use`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most uses.
    pub limit: [u32; 3],
    /// Uses so far.
    pub used: [u32; 3],
}

impl Budget {
    /// The budget of columns with `random_cells` random cells each. Columns without room for a registration and two
    /// refreshes are for proofs only.
    #[must_use]
    pub fn new(params: &Params, random_cells: usize) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let q = params.row_queries().max(1);
        let openings = random_cells.saturating_sub(1) / q;
        let limit = match openings.checked_sub(3) {
            Some(rest) => [count(rest), 1, 2],
            None => [count(openings), 0, 0],
        };
        Self { limit, used: [0; 3] }
    }

    /// Uses that are left.
    #[must_use]
    pub fn left(&self, what: Use) -> u32 {
        self.limit[what.index()].saturating_sub(self.used[what.index()])
    }

    /// Counts one use.
    ///
    /// # Errors
    /// `Exhausted`.
    pub fn spend(&mut self, commitment: &Commitment, what: Use) -> Result<(), BudgetError> {
        if self.left(what) == 0 {
            let limit = self.limit[what.index()];
            return Err(BudgetError::Exhausted { commitment: hex(commitment), what: what.name(), limit });
        }
        self.used[what.index()] += 1;
        Ok(())
    }
}

/// Keeps budgets by commitment.
pub trait Store: Sync {
    /// Begins the budget of a new commitment.
    ///
    /// # Errors
    /// `Exists`; `Io`.
    fn open(&self, commitment: &Commitment, budget: &Budget) -> Result<(), BudgetError>;

    /// The budget as stored.
    ///
    /// # Errors
    /// `Unknown`, `Malformed`, `Io`.
    fn read(&self, commitment: &Commitment) -> Result<Budget, BudgetError>;

    /// Counts one use with no other use in between, durably when this returns.
    ///
    /// # Errors
    /// `Exhausted`, `Unknown`, `Malformed`, `Io`; the use is then not allowed, though it may have been counted.
    fn spend(&self, commitment: &Commitment, what: Use) -> Result<Budget, BudgetError>;
}

/// Root in hexadecimal.
#[must_use]
pub fn hex(c: &Commitment) -> String {
    c.root.iter().map(|b| format!("{b:02x}")).collect()
}

/// Opens the budget of a commitment in the role `kind` under a key's geometry and parameters.
///
/// # Errors
/// `Exists`, `Io`.
pub fn open(store: &dyn Store, key: &PreparedKey, kind: TreeKind, c: &Commitment) -> Result<(), BudgetError> {
    let plan = key.layout.trees.iter().find(|t| t.kind == kind);
    match plan.and_then(|t| t.top) {
        Some(top) => store.open(c, &Budget::new(&key.key.params, top)),
        None => Ok(()),
    }
}

/// Refuses geometries under which one proof already opens more rows than a secret tree has random cells.
pub(crate) fn check_random_cells(key: &PreparedKey) -> Result<(), ProveError> {
    for plan in key.layout.trees.iter().filter(|t| key.key.visibility.hiding() && t.columns > 0) {
        let openings = key.key.params.schedule(key.layout.heights[plan.group]).map_err(OpeningError::from)?.rows.count;
        // The sample of a commitment is one more thing that its random cells hide.
        let openings = openings + usize::from(plan.sampled);
        match plan.top {
            Some(cells) if cells < openings => {
                return Err(ProveError::RandomCells { tree: format!("{:?}", plan.kind), cells, openings });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Hidden commitments that a proof under `key` opens.
fn spent(key: &PreparedKey, inputs: &Inputs<'_>) -> Vec<Commitment> {
    let given =
        |list: &[Option<&Committed>], k: u32| list.get(k as usize).copied().flatten().map(Committed::commitment);
    let of = |plan: &TreePlan| match plan.kind {
        TreeKind::Model => inputs.model.map(Committed::commitment),
        TreeKind::Input(k) => given(&inputs.inputs, k),
        TreeKind::Output(k) => given(&inputs.outputs, k),
        _ => None,
    };
    key.layout.trees.iter().filter(|t| t.top.is_some()).filter_map(of).collect()
}

/// [`prove`], counting a use of every hidden commitment before the proof is returned.
///
/// # Errors
/// `Budget` when a use is refused or cannot be made durable; the proof is then dropped. `Prove` as [`prove`].
pub fn prove_counted(
    key: &PreparedKey,
    witness: &Witness,
    inputs: &Inputs<'_>,
    store: &dyn Store,
) -> Result<Proof, CountedError> {
    let spent = spent(key, inputs);
    for c in &spent {
        // Refuses before the work; the count below decides.
        store.read(c)?.spend(c, Use::Proof)?;
    }
    let proof = prove(key, witness, inputs)?;
    for c in &spent {
        store.spend(c, Use::Proof)?;
    }
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_limits() {
        let p = Params::standard(128).with_grinding(20);
        for log in [12, 13, 14, 15] {
            assert_eq!(Budget::new(&p, 1 << log).limit, [p.budget(1 << log) as u32, 1, 2]);
        }
        assert_eq!(Budget::new(&p, 4 * 82 + 1).limit, [1, 1, 2]);
        assert_eq!(Budget::new(&p, 4 * 82).limit, [0, 1, 2]);
        assert_eq!(Budget::new(&p, 3 * 82).limit, [2, 0, 0]);
        assert_eq!(Budget::new(&p, 82).limit, [0, 0, 0]);
    }

    #[test]
    fn accepts_no_more_openings_than_random_cells() {
        for p in [Params::standard(128), Params::fast(100), Params::unique_decoding(128)] {
            for cells in (0..5000).step_by(37) {
                let [proofs, registrations, refreshes] = Budget::new(&p, cells).limit.map(|n| n as usize);
                let rows = (proofs + refreshes + registrations) * p.row_queries();
                assert!(rows == 0 || rows < cells);
            }
        }
    }
}
