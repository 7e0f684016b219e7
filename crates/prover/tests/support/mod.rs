//! Hand-written relations, an evaluator that knows nothing of layouts or claims, and proofs of them for attack tests.
#![allow(dead_code)]

pub mod relations;
pub mod steps;

use std::sync::OnceLock;

use proveil_algebra::{E, F, PrimeCharacteristicRing, base_from_i64, base_to_i64};
use proveil_protocol::params::Params;
use proveil_prover::coins::Coins;
use proveil_prover::{Committed, Deviation, Inputs, Proof, ProveError, Witness, commit_io, commit_model, prove_with};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, Statement, VerifyingKey, Visibility};
use proveil_relation::layout::{Layout, TreeKind};
use proveil_relation::{Access, Coef, Expr, Home, Relation};
use proveil_verifier::{PreparedKey, VerifyError, verify};

/// A relation with cells that satisfy it; the cells of output tensors are filled in by [`Case::witness`].
#[derive(Clone)]
pub struct Case {
    pub relation: Relation,
    pub tensors: Vec<Vec<i64>>,
}

/// A small deterministic generator.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    pub fn within(&mut self, lo: i64, hi: i64) -> i64 {
        lo + self.below((hi - lo + 1) as usize) as i64
    }

    pub fn many(&mut self, n: usize, lo: i64, hi: i64) -> Vec<i64> {
        (0..n).map(|_| self.within(lo, hi)).collect()
    }

    pub fn element(&mut self) -> E {
        (0..3).fold(E::ZERO, |a, _| a * E::from_u64(1 << 40) + E::from_u64(self.below(1 << 30) as u64))
            * proveil_algebra::ext_from_coords([F::from_u64(5), F::from_u64(self.0 >> 3), F::from_u64(self.0 >> 9)])
    }
}

/// All settings of index variables, the last one fastest.
pub fn settings(extents: &[u32]) -> Vec<Vec<usize>> {
    extents.iter().fold(vec![vec![]], |all, n| {
        all.iter().flat_map(|s| (0..*n as usize).map(move |i| [&s[..], &[i]].concat())).collect()
    })
}

fn coefficient(c: Coef) -> F {
    base_from_i64(c.num) * F::ONE.halve().exp_u64(u64::from(c.shift))
}

/// What an access reads, straight from its definition.
fn read(relation: &Relation, tensors: &[Vec<F>], a: &Access, idx: &[usize]) -> F {
    if a.guards.iter().any(|g| g.form.at(idx) < 0 || g.form.at(idx) >= g.bound as i64) {
        return F::ZERO;
    }
    let mut at = 0;
    for (form, n) in a.axes.iter().zip(&relation.tensors[a.tensor as usize].shape) {
        let v = form.at(idx);
        if v < 0 || v >= i64::from(*n) {
            return F::ZERO;
        }
        at = at * *n as usize + v as usize;
    }
    tensors[a.tensor as usize][at]
}

/// An expression's values over its space.
pub fn evaluate(relation: &Relation, tensors: &[Vec<F>], space: &[u32], e: &Expr) -> Vec<F> {
    settings(space)
        .iter()
        .map(|idx| {
            let mut v = coefficient(e.constant);
            for l in &e.linear {
                let inner = settings(&l.sum)
                    .iter()
                    .fold(F::ZERO, |a, s| a + read(relation, tensors, &l.access, &[&idx[..], s].concat()));
                v += coefficient(l.coef) * inner;
            }
            for p in &e.products {
                let inner = settings(&p.sum).iter().fold(F::ZERO, |a, s| {
                    let all = [&idx[..], s].concat();
                    a + read(relation, tensors, &p.lhs, &all) * read(relation, tensors, &p.rhs, &all)
                });
                v += coefficient(p.coef) * inner;
            }
            v
        })
        .collect()
}

impl Case {
    fn cells(&self) -> Vec<Vec<F>> {
        let own = |(t, d): (&Vec<i64>, &proveil_relation::TensorDecl)| match &d.home {
            Home::Public(v) => v.iter().map(|x| base_from_i64(*x)).collect(),
            _ => t.iter().map(|x| base_from_i64(*x)).collect(),
        };
        self.tensors.iter().zip(&self.relation.tensors).map(own).collect()
    }

    /// Tuples as field elements, by look-up and column.
    pub fn tuples(&self) -> Vec<Vec<Vec<F>>> {
        let cells = self.cells();
        let of = |l: &proveil_relation::Lookup| {
            l.tuple.iter().map(|e| evaluate(&self.relation, &cells, &l.space, e)).collect()
        };
        self.relation.lookups.iter().map(of).collect()
    }

    /// Values of committed table rows as field elements, by table and column behind the number.
    pub fn rows(&self) -> Vec<Vec<Vec<F>>> {
        let cells = self.cells();
        let of = |t: &proveil_relation::table::Table| {
            let (space, columns) = t.expressions().unwrap_or_default();
            columns.iter().map(|e| evaluate(&self.relation, &cells, space, e)).collect()
        };
        self.relation.tables.iter().map(of).collect()
    }

    /// The witness; values that are no small integers become ones that are in no table.
    pub fn witness(&self) -> Witness {
        let cells = self.cells();
        let int = |x: &F| base_to_i64(*x).unwrap_or(i64::MAX);
        let outputs: Vec<Vec<i64>> = self
            .relation
            .outputs
            .iter()
            .map(|o| evaluate(&self.relation, &cells, &o.space, &o.expr).iter().map(int).collect())
            .collect();
        let ints = |values: Vec<Vec<Vec<F>>>| -> Vec<Vec<Vec<i64>>> {
            values.iter().map(|l| l.iter().map(|c| c.iter().map(int).collect()).collect()).collect()
        };
        let (tuples, tables) = (ints(self.tuples()), ints(self.rows()));
        let mut tensors = self.tensors.clone();
        for (t, d) in tensors.iter_mut().zip(&self.relation.tensors) {
            match d.home {
                Home::Output(k) => t.clone_from(&outputs[k as usize]),
                Home::Public(_) => t.clear(),
                _ => {}
            }
        }
        Witness { tensors, tuples, tables, outputs }
    }

    /// Index of a tensor.
    pub fn tensor(&self, name: &str) -> usize {
        self.relation.tensors.iter().position(|t| t.name == name).expect("a tensor of this name")
    }

    /// The same with one cell changed.
    pub fn with(&self, name: &str, cell: usize, by: i64) -> Self {
        let mut out = self.clone();
        out.tensors[self.tensor(name)][cell] += by;
        out
    }
}

/// How a case is proved.
#[derive(Clone)]
pub struct Mode {
    pub zero_knowledge: bool,
    pub model: ModelVisibility,
    pub input: IoVisibility,
    pub output: IoVisibility,
    pub log_height: u8,
    pub params: Params,
}

/// Parameters small enough for thousands of verifications.
pub fn tiny() -> Params {
    Params { final_log_size: 4, ..Params::standard(40).with_grinding(2) }
}

impl Mode {
    /// Public input and output.
    pub fn shown(zero_knowledge: bool) -> Self {
        Self {
            zero_knowledge,
            model: ModelVisibility::Private,
            input: IoVisibility::Public,
            output: IoVisibility::Public,
            log_height: 7,
            params: tiny(),
        }
    }

    /// Private input, public output.
    pub fn secret(zero_knowledge: bool) -> Self {
        Self { input: IoVisibility::Private, ..Self::shown(zero_knowledge) }
    }

    /// Everything committed on its own.
    pub fn committed(zero_knowledge: bool) -> Self {
        Self { input: IoVisibility::Committed, output: IoVisibility::Committed, ..Self::shown(zero_knowledge) }
    }
}

/// A case under a key, with its commitments.
pub struct Setup {
    pub key: PreparedKey,
    pub case: Case,
    pub model: Option<Committed>,
    pub inputs: Vec<Option<Committed>>,
    pub outputs: Vec<Option<Committed>>,
}

/// Makes the key and all commitments.
pub fn setup(case: &Case, mode: &Mode) -> Setup {
    setup_with(case, mode, |_| {})
}

/// [`setup`] of a key that is changed before it is used.
pub fn setup_with(case: &Case, mode: &Mode, change: impl Fn(&mut VerifyingKey)) -> Setup {
    let relation = case.relation.clone();
    let (inputs, outputs) = (relation.inputs.len(), relation.outputs.len());
    let mut key = VerifyingKey {
        params: mode.params.clone(),
        geometry: Geometry {
            log_height: mode.log_height,
            model_top: 32,
            trace_top: 32,
            io_top: 32,
            inputs: vec![6; inputs],
            outputs: vec![8; outputs],
        },
        visibility: Visibility {
            zero_knowledge: mode.zero_knowledge,
            model: mode.model,
            inputs: vec![mode.input; inputs],
            outputs: vec![mode.output; outputs],
        },
        relation,
        model: None,
        meta: vec![],
    };
    change(&mut key);
    let layout = Layout::new(&key.relation, &key.geometry, &key.visibility);
    let rate = usize::from(key.params.log_inv_rate);
    let coins = Coins::from_seed([7; 32], &[]);
    let tensors = case.witness().tensors;
    let model = commit_model(&layout, &tensors, rate, &coins).expect("the model commits");
    key.model = model.as_ref().map(Committed::sampled);
    let io = |k: TreeKind| commit_io(&layout, k, &tensors, rate, &coins).ok();
    key.check(&proveil_relation::check::Limits::default()).expect("a well-formed key");
    Setup {
        key: PreparedKey::new(key),
        case: case.clone(),
        model,
        inputs: (0..inputs as u32).map(|k| io(TreeKind::Input(k))).collect(),
        outputs: (0..outputs as u32).map(|k| io(TreeKind::Output(k))).collect(),
    }
}

impl Setup {
    /// Proves with a deviation; the tuples are those of the committed cells unless the deviation has others.
    pub fn prove(&self, deviation: Deviation<'_>) -> Result<Proof, ProveError> {
        self.prove_witness(&self.case.witness(), &self.case, deviation)
    }

    /// [`Setup::prove`] of another witness than the one committed, with the tuples and rows of a case.
    pub fn prove_witness(
        &self,
        witness: &Witness,
        values: &Case,
        deviation: Deviation<'_>,
    ) -> Result<Proof, ProveError> {
        let inputs = Inputs {
            model: self.model.as_ref(),
            tensors: Vec::new(),
            inputs: self.inputs.iter().map(Option::as_ref).collect(),
            outputs: self.outputs.iter().map(Option::as_ref).collect(),
            context: b"test".to_vec(),
        };
        let (tuples, rows) = (values.tuples(), values.rows());
        let tuples = deviation.tuples.unwrap_or(&tuples);
        let tables = deviation.tables.unwrap_or(&rows);
        let coins = Coins::from_seed([9; 32], &[]);
        prove_with(
            &self.key,
            witness,
            &inputs,
            &coins,
            Deviation { tuples: Some(tuples), tables: Some(tables), ..deviation },
        )
    }

    /// An honest proof.
    pub fn honest(&self) -> Proof {
        self.prove(Deviation::default()).expect("an honest proof")
    }

    /// Verifies.
    pub fn verify(&self, proof: &Proof) -> Result<(), VerifyError> {
        verify(&self.key, &proof.statement, &proof.bytes)
    }

    /// The statement of an honest proof.
    pub fn statement(&self) -> Statement {
        self.honest().statement
    }
}

/// Adds to one cell of a public output.
pub fn change_output(statement: &mut Statement, k: usize, cell: usize, by: i64) {
    let proveil_relation::key::IoValue::Public(v) = &mut statement.outputs[k] else { panic!("a public output") };
    v[cell] += by;
}

/// A proof of a witness that need not satisfy anything.
pub fn forge(case: &Case, mode: &Mode, deviation: Deviation<'_>) -> Result<(), VerifyError> {
    let s = setup(case, mode);
    let proof = s.prove(Deviation { forgive: true, ..deviation }).expect("the cheating prover finishes");
    s.verify(&proof)
}

/// The dense case, proved once in each mode.
pub fn dense_proof(zero_knowledge: bool) -> &'static (Setup, Proof) {
    static PLAIN: OnceLock<(Setup, Proof)> = OnceLock::new();
    static HIDING: OnceLock<(Setup, Proof)> = OnceLock::new();
    let make = || {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let p = s.honest();
        (s, p)
    };
    if zero_knowledge { HIDING.get_or_init(make) } else { PLAIN.get_or_init(make) }
}
