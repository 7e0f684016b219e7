//! A package made ready: lowered, laid out, its model committed. Runs inputs and proves results.

use proveil_compiler::{Lowered, WitnessPlan};
use proveil_graph::{run_fast, run_shared};
use proveil_protocol::merkle::Commitment;
use proveil_prover::budget::{self, Store, prove_counted};
use proveil_prover::coins::Coins;
use proveil_prover::stored::{StoredError, StoredTree};
use proveil_prover::{Committed, Inputs, Proof, ProveError, Witness, commit_io, prove};
use proveil_relation::key::IoVisibility;
use proveil_relation::layout::TreeKind;
use proveil_verifier::{PreparedKey, refresh};

use crate::budget::Fresh;
use crate::error::Error;
use crate::package::{Package, adopt, commit, lower_for};
use crate::proof::{Backend, ProofFile};
use crate::workers::on_workers;

/// A prepared package.
pub struct Engine {
    /// The package.
    pub package: Package,
    /// The verifying key with its layout.
    pub key: PreparedKey,
    plan: WitnessPlan,
    model: Option<Committed>,
}

/// A committed input or output: public commitment and the coins that open it.
#[derive(Clone, Debug)]
pub struct IoCommitment {
    /// The tree.
    pub committed: Committed,
}

/// A proof with the values it is about.
pub struct Proved {
    /// Statement and proof.
    pub file: ProofFile,
    /// Output integers, public or not, for the prover's eyes.
    pub outputs: Vec<Vec<i64>>,
    /// Seconds by stage.
    pub stages: Vec<(&'static str, f64)>,
    /// The raw proof with its layout.
    pub proof: Proof,
}

impl Engine {
    /// Prepares a package, committing to its model again with its own coins.
    ///
    /// # Errors
    /// `Lower`, `Prove`; `Mismatch` when the package's parts contradict each other.
    pub fn load(package: Package) -> Result<Self, Error> {
        Self::with_model(package, None)
    }

    /// Prepares a package with the tree of its model that a file keeps: nothing is encoded or hashed but the cells, and
    /// proofs are the same as those of [`Engine::load`].
    ///
    /// # Errors
    /// As [`Engine::load`]; `Prove` with `Stored` when the tree is another one.
    pub fn load_stored(package: Package, stored: StoredTree) -> Result<Self, Error> {
        Self::prepare(package, |package, key| {
            if Some(stored.commitment()) != refresh::current(key).map(|c| c.commitment) {
                return Err(ProveError::from(StoredError::Other { what: "the root" }).into());
            }
            let tensors = package.model_tensors();
            on_workers(|| adopt(&key.layout, &tensors, &package.key.params, package.seed, stored)).map(Some)
        })
    }

    /// As [`Engine::load`], with the commitment that [`crate::compile_graph`] has just made.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn with_model(package: Package, model: Option<Committed>) -> Result<Self, Error> {
        Self::prepare(package, |package, key| match model {
            Some(m) => Ok(Some(m)),
            None => {
                let tensors = package.model_tensors();
                on_workers(|| commit(&key.layout, &tensors, &package.key.params, package.seed))
            }
        })
    }

    fn prepare(
        package: Package,
        model: impl FnOnce(&Package, &PreparedKey) -> Result<Option<Committed>, Error>,
    ) -> Result<Self, Error> {
        let committed = package.key.visibility.outputs.contains(&IoVisibility::Committed);
        let Lowered { relation, plan } = lower_for(&package.graph, package.limb_bits, committed)?;
        if relation != package.key.relation {
            return Err(Error::Mismatch {
                what: "the package's graph",
                with: "its key",
                hint: "compile the model again",
            });
        }
        let mut key = PreparedKey::new(package.key.clone());
        if let Some(epoch) = &package.epoch {
            key = key.with_epoch(epoch.clone());
        }
        let model = model(&package, &key)?;
        if model.as_ref().map(Committed::sampled) != refresh::current(&key) {
            return Err(Error::Mismatch {
                what: "the package's weights",
                with: "the model commitment in force under its key",
                hint: "compile the model again",
            });
        }
        Ok(Self { package, key, plan, model })
    }

    /// The model's commitment with its coins.
    #[must_use]
    pub fn model(&self) -> Option<&Committed> {
        self.model.as_ref()
    }

    /// Integer values of every tensor of the graph.
    ///
    /// # Errors
    /// `Eval` for a wrong number, length or range of inputs.
    pub fn run(&self, inputs: &[Vec<i64>]) -> Result<Vec<Vec<i64>>, Error> {
        Ok(run_fast(&self.package.graph, &self.package.params, inputs)?)
    }

    /// The witness for given inputs; weights are in the model's commitment.
    ///
    /// # Errors
    /// `Eval`, `Witness`.
    pub fn witness(&self, inputs: &[Vec<i64>]) -> Result<Witness, Error> {
        let values = run_shared(&self.package.graph, &self.package.params, inputs)?;
        // The package has the cells of a committed model.
        let w = match &self.model {
            Some(_) => self.plan.trace(&self.package.graph, &values)?,
            None => self.plan.witness(&self.package.graph, &values)?,
        };
        Ok(Witness { tensors: w.tensors, tuples: w.tuples, tables: w.tables, outputs: w.outputs })
    }

    /// Commits an input on its own with coins from `seed`.
    ///
    /// # Errors
    /// `Eval`, `Prove`.
    pub fn commit_input(&self, k: usize, inputs: &[Vec<i64>], seed: [u8; 32]) -> Result<IoCommitment, Error> {
        let mut tensors = vec![Vec::new(); self.package.key.relation.tensors.len()];
        if let Some(i) = self.package.key.relation.inputs.get(k) {
            tensors[i.tensor as usize] = inputs.get(k).cloned().unwrap_or_default();
        }
        self.commit_tree(TreeKind::Input(k as u32), &tensors, seed)
    }

    fn commit_tree(&self, kind: TreeKind, tensors: &[Vec<i64>], seed: [u8; 32]) -> Result<IoCommitment, Error> {
        let coins = Coins::from_seed(seed, &[b"io commitment"]);
        let rate = usize::from(self.package.key.params.log_inv_rate);
        Ok(IoCommitment { committed: on_workers(|| commit_io(&self.key.layout, kind, tensors, rate, &coins))? })
    }

    /// Runs the model on integer inputs and proves the result. Committed inputs and outputs that are not given are
    /// committed with fresh coins.
    ///
    /// # Errors
    /// `Eval`, `Witness`, `Prove`.
    pub fn prove(&self, inputs: &[Vec<i64>], context: &[u8]) -> Result<Proved, Error> {
        self.prove_with(inputs, &[], &[], context)
    }

    /// [`Engine::prove`] with commitments made before.
    ///
    /// # Errors
    /// As [`Engine::prove`].
    pub fn prove_with(
        &self,
        inputs: &[Vec<i64>],
        given_inputs: &[Option<&IoCommitment>],
        given_outputs: &[Option<&IoCommitment>],
        context: &[u8],
    ) -> Result<Proved, Error> {
        on_workers(|| self.make(inputs, given_inputs, given_outputs, context, None))
    }

    /// [`Engine::prove_with`], counting one use of every hidden commitment in `store` before the proof is returned.
    /// Commitments made here for this proof alone are not kept in the store.
    ///
    /// # Errors
    /// As [`Engine::prove`]; `Budget` when a commitment has none left or is not in the store.
    pub fn prove_counted(
        &self,
        inputs: &[Vec<i64>],
        given_inputs: &[Option<&IoCommitment>],
        context: &[u8],
        store: &dyn Store,
    ) -> Result<Proved, Error> {
        on_workers(|| self.make(inputs, given_inputs, &[], context, Some(store)))
    }

    /// Begins the count of the model's commitment, once, when the package is made.
    ///
    /// # Errors
    /// `Budget` when it is there already or cannot be written.
    pub fn open_budget(&self, store: &dyn Store) -> Result<(), Error> {
        let Some(model) = &self.model else { return Ok(()) };
        self.open_budget_of(&model.commitment(), store)
    }

    /// Begins the count of a commitment to the model.
    pub(crate) fn open_budget_of(&self, model: &Commitment, store: &dyn Store) -> Result<(), Error> {
        Ok(budget::open(store, &self.key, TreeKind::Model, model)?)
    }

    /// The commitment to the weights, if the model has any.
    #[must_use]
    pub fn model_commitment(&self) -> Option<Commitment> {
        self.model.as_ref().map(Committed::commitment)
    }

    fn make(
        &self,
        inputs: &[Vec<i64>],
        given_inputs: &[Option<&IoCommitment>],
        given_outputs: &[Option<&IoCommitment>],
        context: &[u8],
        store: Option<&dyn Store>,
    ) -> Result<Proved, Error> {
        let span = tracing::info_span!("inference").entered();
        let clock = std::time::Instant::now();
        let witness = self.witness(inputs)?;
        let mut own_inputs = Vec::new();
        for k in 0..self.package.key.relation.inputs.len() {
            let need = self.package.key.visibility.input(k as u32) == IoVisibility::Committed
                && given_inputs.get(k).copied().flatten().is_none();
            own_inputs.push(if need { Some(self.commit_input(k, inputs, rand::random())?) } else { None });
        }
        let mut own_outputs = Vec::new();
        for k in 0..self.package.key.relation.outputs.len() {
            let need = self.package.key.visibility.output(k as u32) == IoVisibility::Committed
                && given_outputs.get(k).copied().flatten().is_none();
            let kind = TreeKind::Output(k as u32);
            own_outputs.push(if need { Some(self.commit_tree(kind, &witness.tensors, rand::random())?) } else { None });
        }
        let pick = |own: &'_ [Option<IoCommitment>], given: &[Option<&IoCommitment>], k: usize| -> Option<Committed> {
            given.get(k).copied().flatten().or(own[k].as_ref()).map(|c| c.committed.clone())
        };
        let inputs_c: Vec<_> = (0..own_inputs.len()).map(|k| pick(&own_inputs, given_inputs, k)).collect();
        let outputs_c: Vec<_> = (0..own_outputs.len()).map(|k| pick(&own_outputs, given_outputs, k)).collect();
        let all = Inputs {
            model: self.model.as_ref(),
            tensors: self.package.model_tensors(),
            inputs: inputs_c.iter().map(Option::as_ref).collect(),
            outputs: outputs_c.iter().map(Option::as_ref).collect(),
            context: context.to_vec(),
        };
        let inference = clock.elapsed().as_secs_f64();
        drop(span);
        let proof = match store {
            Some(store) => {
                let own = own_inputs.iter().chain(&own_outputs).flatten().map(|c| c.committed.commitment());
                let store = Fresh { store, own: own.collect() };
                prove_counted(&self.key, &witness, &all, &store)?
            }
            None => prove(&self.key, &witness, &all)?,
        };
        let (model_id, statement) = (self.key.digest, proof.statement.clone());
        let file = ProofFile { backend: Backend::Transparent, model_id, statement, proof: proof.bytes.clone() };
        let mut stages = vec![("inference", inference)];
        stages.extend(proof.stages.iter().copied());
        Ok(Proved { file, outputs: witness.outputs, stages, proof })
    }
}
