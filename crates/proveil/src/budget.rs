//! Where the counts of uses are kept: in a folder beside the file that holds the coins.

use std::path::{Path, PathBuf};

use proveil_protocol::merkle::Commitment;
use proveil_prover::budget::{BudgetError, Store, Use};

pub use proveil_prover::budget::{Budget, FileStore};

/// The folder of counts of a package or a commitment file: its path with `.budget` appended.
#[must_use]
pub fn folder(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".budget");
    name.into()
}

/// Two stores behind one: the model's count beside the package, inputs' counts beside their opening file.
pub struct Beside {
    /// Beside the package.
    pub package: FileStore,
    /// Beside the opening file, with the roots that it holds.
    pub inputs: Option<(FileStore, Vec<Commitment>)>,
}

impl Beside {
    fn of(&self, c: &Commitment) -> &FileStore {
        match &self.inputs {
            Some((store, roots)) if roots.contains(c) => store,
            _ => &self.package,
        }
    }
}

impl Store for Beside {
    fn open(&self, commitment: &Commitment, budget: &Budget) -> Result<(), BudgetError> {
        self.of(commitment).open(commitment, budget)
    }

    fn read(&self, commitment: &Commitment) -> Result<Budget, BudgetError> {
        self.of(commitment).read(commitment)
    }

    fn spend(&self, commitment: &Commitment, what: Use) -> Result<Budget, BudgetError> {
        self.of(commitment).spend(commitment, what)
    }
}

/// A store that lets commitments of this proof alone pass: their coins are forgotten with it.
pub(crate) struct Fresh<'a> {
    /// Everything else.
    pub store: &'a dyn Store,
    /// Made for this proof.
    pub own: Vec<Commitment>,
}

impl Fresh<'_> {
    fn once(&self, commitment: &Commitment) -> Option<Budget> {
        let once = Budget { limit: [1, 0, 0], used: [0; 3] };
        self.own.contains(commitment).then_some(once)
    }
}

impl Store for Fresh<'_> {
    fn open(&self, commitment: &Commitment, budget: &Budget) -> Result<(), BudgetError> {
        self.store.open(commitment, budget)
    }

    fn read(&self, commitment: &Commitment) -> Result<Budget, BudgetError> {
        self.once(commitment).map_or_else(|| self.store.read(commitment), Ok)
    }

    fn spend(&self, commitment: &Commitment, what: Use) -> Result<Budget, BudgetError> {
        self.once(commitment).map_or_else(|| self.store.spend(commitment, what), Ok)
    }
}
