//! Proofs are counted before they are released.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use proveil_protocol::merkle::Commitment;
use proveil_prover::budget::{self, Budget, BudgetError, CountedError, Store, Use, prove_counted};
use proveil_prover::{ProveError, prove};
use proveil_relation::key::{Geometry, IoVisibility};
use proveil_relation::layout::TreeKind;
use proveil_verifier::verify;

use crate::toy::{self, Outer, World, folding};

/// A store in memory that can fail after it has counted.
#[derive(Default)]
struct Memory {
    budgets: Mutex<Vec<(Commitment, Budget)>>,
    crash: AtomicBool,
}

impl Memory {
    fn change<T>(
        &self,
        c: &Commitment,
        f: impl FnOnce(&mut Budget) -> Result<T, BudgetError>,
    ) -> Result<T, BudgetError> {
        let mut all = self.budgets.lock().unwrap();
        match all.iter_mut().find(|(d, _)| c == d) {
            Some((_, b)) => f(b),
            None => Err(BudgetError::Unknown { commitment: budget::hex(c) }),
        }
    }
}

impl Store for Memory {
    fn open(&self, c: &Commitment, b: &Budget) -> Result<(), BudgetError> {
        self.budgets.lock().unwrap().push((*c, *b));
        Ok(())
    }

    fn read(&self, c: &Commitment) -> Result<Budget, BudgetError> {
        self.change(c, |b| Ok(*b))
    }

    fn spend(&self, c: &Commitment, what: Use) -> Result<Budget, BudgetError> {
        let after = self.change(c, |b| b.spend(c, what).map(|()| *b))?;
        match self.crash.load(Ordering::Relaxed) {
            true => Err(BudgetError::Io { path: "memory".into(), action: "go on", reason: "crash".into() }),
            false => Ok(after),
        }
    }
}

#[test]
fn rejects_proofs_beyond_the_budget_and_counts_before_release() {
    let v = toy::hiding(IoVisibility::Committed, IoVisibility::Public);
    let w = World::of(toy::roomy_key(&v, &folding()), toy::witness(12), &Outer::new(6));
    let (model, input) = (w.key.key.model.unwrap().commitment, w.input.as_ref().unwrap().commitment());
    let store = Memory::default();
    let prove = || prove_counted(&w.key, &w.witness, &w.inputs(), &store);
    assert!(matches!(prove(), Err(CountedError::Budget(BudgetError::Unknown { .. }))));
    budget::open(&store, &w.key, TreeKind::Model, &model).unwrap();
    budget::open(&store, &w.key, TreeKind::Input(0), &input).unwrap();
    let limit = store.read(&model).unwrap().left(Use::Proof).min(store.read(&input).unwrap().left(Use::Proof));
    assert!(limit >= 2);

    store.crash.store(true, Ordering::Relaxed);
    assert!(matches!(prove(), Err(CountedError::Budget(BudgetError::Io { .. }))), "nothing is released");
    assert_eq!(store.read(&model).unwrap().used[0], 1, "but counted");
    store.crash.store(false, Ordering::Relaxed);

    for _ in 1..limit {
        let proof = prove().unwrap();
        verify(&w.key, &proof.statement, &proof.bytes).unwrap();
    }
    assert!(matches!(prove(), Err(CountedError::Budget(BudgetError::Exhausted { .. }))));
    let used = store.read(&model).unwrap().used[0];
    assert_eq!(used, limit);

    // A witness that cannot be proved costs nothing.
    let mut bad = w.witness.clone();
    bad.tuples[0][0][0] = 99;
    let again = World::of(toy::roomy_key(&v, &folding()), toy::witness(13), &Outer::new(9));
    budget::open(&store, &again.key, TreeKind::Model, &again.key.key.model.unwrap().commitment).unwrap();
    budget::open(&store, &again.key, TreeKind::Input(0), &again.input.as_ref().unwrap().commitment()).unwrap();
    let failed = prove_counted(&again.key, &bad, &again.inputs(), &store);
    assert!(matches!(failed, Err(CountedError::Prove(_))));
    assert_eq!(store.read(&again.key.key.model.unwrap().commitment).unwrap().used, [0; 3]);
}

#[test]
fn rejects_trees_with_fewer_random_cells_than_openings() {
    let v = toy::hiding(IoVisibility::Committed, IoVisibility::Public);
    let refused = |change: &dyn Fn(&mut Geometry)| {
        let mut key = toy::bare_key(&v, &folding());
        change(&mut key.geometry);
        let w = World::of(key, toy::witness(12), &Outer::new(6));
        match prove(&w.key, &w.witness, &w.inputs()) {
            Err(ProveError::RandomCells { tree, cells, openings }) => Some((tree, cells, openings)),
            other => other.map(|_| None).unwrap(),
        }
    };
    assert_eq!(refused(&|_| {}), None);
    assert_eq!(refused(&|g| g.trace_top = 32), None);
    assert_eq!(refused(&|g| g.trace_top = 16), Some(("Trace".into(), 16, 29)));
    assert_eq!(refused(&|g| g.model_top = 16), Some(("Model".into(), 16, 30)));
    assert_eq!(refused(&|g| g.io_top = 16), Some(("Input(0)".into(), 16, 30)));
}
