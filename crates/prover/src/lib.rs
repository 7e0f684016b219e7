//! The prover: from a witness of a relation to proof bytes. Mirrors `verifier`: [`prove`] is a list of the same phases.
//!
//! A model is committed once ([`commit_model`]) and opened in many proofs; inputs and outputs may be committed on their
//! own ([`commit_io`]). Plain and zero-knowledge proofs run the same code; the plain one has no pads and no masks.
#![forbid(unsafe_code)]

pub mod budget;
mod codeword;
pub mod coins;
pub mod columns;
pub mod commit;
mod committed;
mod grind;
mod known;
mod limbs;
pub mod lookups;
mod merkle;
pub mod opening;
pub mod packed;
mod pads;
pub mod products;
pub mod reduce;
pub mod reference;
pub mod refresh;
pub mod registration;
mod sample;
#[cfg(test)]
mod sampling;
mod stages;
pub mod stored;
pub mod talk;
mod threads;
mod witness;

use std::borrow::Cow;

use proveil_algebra::{Challenge, E, F, PrimeCharacteristicRing};
use proveil_protocol::channel::{Channel, ProofError};
use proveil_protocol::codec::Leaf;
use proveil_protocol::opening::OpeningError;
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::Transcript;
use proveil_relation::claims::{self, AddressWeights, Point, PublicCells};
use proveil_relation::decl::Home;
use proveil_relation::key::{IoValue, IoVisibility, Statement};
use proveil_relation::layout::TreeKind;
use proveil_verifier::phases::{self, label};
use proveil_verifier::{PreparedKey, PublicValues, StatementError, begin_on, tree_coefficients};
use rayon::prelude::*;

use coins::Coins;
use columns::{base_columns, coordinates, ext_columns, randomise};
use commit::{CommitError, Tree};
use known::Known;
use lookups::{Fractions, Values};
use products::Cells;
use stages::{part, stage};
use stored::StoredError;
use talk::{Cheat, Talk};
use witness::{cells_of, check_witness};

pub use committed::{Committed, adopt_model, commit_io, commit_model};
pub use stages::STAGES;
pub use threads::Threads;
pub use witness::Witness;

/// Why no proof was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The witness does not satisfy the relation.
    #[error("look-up '{path}', cell {cell}: the values {tuple:?} are in no row of its table")]
    Unsatisfied {
        /// Name of the look-up: node and check.
        path: String,
        /// Row-major cell of its space.
        cell: usize,
        /// The values.
        tuple: Vec<i64>,
    },
    /// Wrong number of tensors, cells or tuples.
    #[error("{what}: expected {expected}, got {got}: make the witness with the plan of the same key")]
    Shape {
        /// What is counted.
        what: String,
        /// Needed.
        expected: usize,
        /// Given.
        got: usize,
    },
    /// The key needs a commitment that was not given.
    #[error("{what} is committed under this key: commit it first and pass the commitment")]
    MissingCommitment {
        /// `model`, `input k` or `output k`.
        what: String,
    },
    /// A tree has fewer random cells than one proof opens rows: its rows would show its cells.
    #[error("{tree}: {cells} random cells a column, but a proof opens {openings} rows: compile with a larger geometry")]
    RandomCells {
        /// Which tree.
        tree: String,
        /// Random cells of a column.
        cells: usize,
        /// Rows that one proof opens.
        openings: usize,
    },
    /// A fingerprint challenge hit a denominator (probability below 2^-160).
    #[error("a look-up denominator is zero: prove again")]
    Pole,
    /// Columns cannot be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A stored tree cannot be used.
    #[error("tree file: {0}; make it again with `proveil encode`, or remove it")]
    Stored(#[from] StoredError),
    /// The opening cannot be run.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The statement does not fit the key.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The prover's own run of the verifier failed.
    #[error("own check: {0}")]
    OwnCheck(#[from] ProofError),
}

/// What goes into a proof besides key and witness.
#[derive(Clone, Default)]
pub struct Inputs<'a> {
    /// The model's commitment, if the relation has model tensors.
    pub model: Option<&'a Committed>,
    /// Cells by relation tensor of the model's tensors, where the witness does not repeat them.
    pub tensors: Vec<&'a [i64]>,
    /// Commitments of inputs that the key says are committed, by input.
    pub inputs: Vec<Option<&'a Committed>>,
    /// Commitments of outputs that the key says are committed, by output.
    pub outputs: Vec<Option<&'a Committed>>,
    /// Bytes to bind.
    pub context: Vec<u8>,
}

/// Alters multiplicities: `[table][row]`.
pub type AlterCounts<'a> = &'a dyn Fn(&mut Vec<Vec<i64>>);
/// Alters the columns of a tree.
pub type AlterColumns<'a> = &'a dyn Fn(TreeKind, &mut Vec<Vec<F>>);
/// Alters the helpers, given the fingerprint challenges.
pub type AlterHelper<'a> = &'a dyn Fn(E, E, &mut Vec<E>);
/// Alters the helper columns.
pub type AlterHelperColumns<'a> = &'a dyn Fn(&mut Vec<Vec<E>>);

/// Test hooks: how a cheating prover deviates. The honest prover uses the default.
#[derive(Clone, Copy, Default)]
pub struct Deviation<'a> {
    /// Alters messages.
    pub cheat: Option<Cheat<'a>>,
    /// Tuple values as field elements, where the witness's own integers are not what is committed.
    pub tuples: Option<&'a [Vec<Vec<F>>]>,
    /// Values of committed table rows, likewise.
    pub tables: Option<&'a [Vec<Vec<F>>]>,
    /// Keep going when a tuple is in no table row.
    pub forgive: bool,
    /// Alters the multiplicities: `[table][row]`.
    pub multiplicities: Option<AlterCounts<'a>>,
    /// Alters the columns of a tree of this proof, before random cells and masks are put in.
    pub columns: Option<AlterColumns<'a>>,
    /// Alters the helpers, given with the fingerprint challenges.
    pub helper: Option<AlterHelper<'a>>,
    /// Alters the helper columns, cells that no claim reads among them.
    pub helper_columns: Option<AlterHelperColumns<'a>>,
    /// Replaces the bound transcript.
    pub transcript: Option<&'a Transcript>,
    /// Replaces the statement before proving.
    pub statement: Option<&'a Statement>,
}

/// A finished proof.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The statement it is of.
    pub statement: Statement,
    /// Proof bytes.
    pub bytes: Vec<u8>,
    /// Where each message is.
    pub leaves: Vec<Leaf>,
    /// Seconds by stage, in order.
    pub stages: Vec<(&'static str, f64)>,
}

/// Proves that the witness satisfies the relation of `key`.
///
/// # Errors
/// See [`ProveError`]; nothing is released on an error.
pub fn prove(key: &PreparedKey, witness: &Witness, inputs: &Inputs<'_>) -> Result<Proof, ProveError> {
    let coins = Coins::fresh(&[&key.digest, &inputs.context]);
    prove_with(key, witness, inputs, &coins, Deviation::default())
}

/// [`prove`] with given coins and deviations, for tests.
///
/// # Errors
/// As [`prove`].
pub fn prove_with(
    key: &PreparedKey,
    witness: &Witness,
    inputs: &Inputs<'_>,
    coins: &Coins,
    deviation: Deviation<'_>,
) -> Result<Proof, ProveError> {
    let mut stages = Vec::new();
    let (statement, coins) = stage!(stages, "check", {
        check_witness(&key.key.relation, witness, inputs)?;
        let statement = match deviation.statement {
            Some(s) => s.clone(),
            None => {
                let given = |list: &[Option<&Committed>]| list.iter().map(|c| c.map(Committed::sampled)).collect();
                let [i, o]: [Vec<_>; 2] = [given(&inputs.inputs), given(&inputs.outputs)];
                statement(key, witness, [&i, &o], &inputs.context)?
            }
        };
        budget::check_random_cells(key)?;
        let coins = bind_coins(coins, key, witness, &statement);
        (statement, coins)
    });
    let mut run = stage!(stages, "witness", Run::new(key, witness, inputs, &statement, &coins, deviation))?;
    stage!(stages, "commit", run.commit_trace())?;
    let (point, helper) = stage!(stages, "look-ups", run.lookups())?;
    let (weights, kappa) = stage!(stages, "products", run.products(&point));
    let end = stage!(stages, "claims", run.claims(&point, &weights, &kappa, &helper));
    let values = stage!(stages, "opening", run.open(&end))?;
    stage!(stages, "pads", run.pads(&values, end.weights))?;
    let (bytes, leaves) = run.talk.writer.finish();
    Ok(Proof { statement, bytes, leaves, stages })
}

/// Coins of one witness. Weights are in them through the commitment in the key. Cells are hashed in parts of a length that
/// does not depend on the number of threads.
fn bind_coins(coins: &Coins, key: &PreparedKey, witness: &Witness, statement: &Statement) -> Coins {
    let own = |d: &proveil_relation::TensorDecl| d.home != Home::Model || key.key.model.is_none();
    let tensors = key.key.relation.tensors.iter().zip(&witness.tensors).filter(|(d, _)| own(d));
    let parts: Vec<&[i64]> = tensors.flat_map(|(_, t)| t.chunks(1 << 13)).collect();
    let hash = |part: &[i64]| {
        let bytes: Vec<u8> = part.iter().flat_map(|v| v.to_le_bytes()).collect();
        *blake3::hash(&bytes).as_bytes()
    };
    let parts: Vec<[u8; 32]> = parts.into_par_iter().with_min_len(4).map(hash).collect();
    coins.derive("proof", &[&key.digest, parts.as_flattened(), &statement.digest(&Threads)])
}

/// The statement of a witness, with the commitments of committed inputs and outputs, by number.
///
/// # Errors
/// `MissingCommitment`; `Shape` when the witness lacks an input.
pub fn statement(
    key: &PreparedKey,
    witness: &Witness,
    [inputs, outputs]: [&[Option<Sampled>]; 2],
    context: &[u8],
) -> Result<Statement, ProveError> {
    let (relation, visibility) = (&key.key.relation, &key.key.visibility);
    let io = |what: &str, k: usize, visibility, values: &[i64], given: &[Option<Sampled>]| match visibility {
        IoVisibility::Public => Ok::<_, ProveError>(IoValue::Public(values.to_vec())),
        IoVisibility::Private => Ok(IoValue::Private),
        IoVisibility::Committed => {
            let missing = || ProveError::MissingCommitment { what: format!("{what} {k}") };
            let c = given.get(k).copied().flatten().ok_or_else(missing)?;
            Ok(IoValue::Committed(c))
        }
    };
    let mut s = Statement { context: context.to_vec(), epoch: key.epoch.clone(), ..Statement::default() };
    for (k, decl) in relation.inputs.iter().enumerate() {
        let missing = || ProveError::Shape { what: "tensors".into(), expected: relation.tensors.len(), got: k };
        let values = witness.tensors.get(decl.tensor as usize).ok_or_else(missing)?;
        s.inputs.push(io("input", k, visibility.input(k as u32), values, inputs)?);
    }
    for (k, values) in witness.outputs.iter().enumerate() {
        s.outputs.push(io("output", k, visibility.output(k as u32), values, outputs)?);
    }
    Ok(s)
}

/// One proof in the making.
struct Run<'a> {
    key: &'a PreparedKey,
    public: PublicValues<'a>,
    witness: &'a Witness,
    inputs: &'a Inputs<'a>,
    coins: &'a Coins,
    deviation: Deviation<'a>,
    start: Transcript,
    talk: Talk<'a>,
    /// Cells by layout tensor: relation tensors, then multiplicities.
    cells: Vec<Cow<'a, [i64]>>,
    /// Multiplicities by table.
    counts: Vec<Vec<i64>>,
    /// Trees made in this proof, by tree.
    trees: Vec<Option<Tree>>,
    pads: Option<pads::Pads>,
}

/// Phase 3's end: common point, combination coefficients, and the weights of columns in the claims on tensors, by tree.
struct End {
    tau: Vec<E>,
    alpha: Vec<Vec<E>>,
    weights: Vec<Vec<E>>,
}

impl<'a> Run<'a> {
    fn new(
        key: &'a PreparedKey,
        witness: &'a Witness,
        inputs: &'a Inputs<'a>,
        statement: &'a Statement,
        coins: &'a Coins,
        deviation: Deviation<'a>,
    ) -> Result<Self, ProveError> {
        let public = PublicValues::on(&Threads, key, statement)?;
        let relation = &key.key.relation;
        let mut counts = lookups::multiplicities(relation, &witness.tuples, &witness.tables, deviation.forgive)?;
        if let Some(f) = deviation.multiplicities {
            f(&mut counts);
        }
        let own = |(t, d): (usize, &'a proveil_relation::TensorDecl)| match &d.home {
            Home::Public(v) => Cow::Borrowed(&v[..]),
            home => Cow::Borrowed(cells_of(witness, inputs, home, t)),
        };
        let mut cells: Vec<Cow<'a, [i64]>> = relation.tensors.iter().enumerate().map(own).collect();
        cells.extend(counts.iter().cloned().map(Cow::Owned));
        let start = deviation.transcript.cloned().unwrap_or_else(|| begin_on(&Threads, &key.digest, statement));
        Ok(Self {
            key,
            public,
            witness,
            inputs,
            coins,
            deviation,
            talk: Talk::new(start.clone(), deviation.cheat),
            start,
            cells,
            counts,
            trees: vec![None; key.layout.trees.len()],
            pads: None,
        })
    }

    /// Phase 0: masks, trace and pads.
    fn commit_trace(&mut self) -> Result<(), ProveError> {
        let key = self.key;
        let (hiding, plans) = (key.key.visibility.hiding(), &key.layout.trees);
        let label = |kind: TreeKind| match kind {
            TreeKind::Mask => Some(label::MASK),
            TreeKind::Trace => Some(label::TRACE),
            _ => None,
        };
        let columns: Vec<Option<Vec<Vec<F>>>> =
            plans.iter().enumerate().map(|(t, plan)| label(plan.kind).map(|_| self.own_columns(t))).collect();
        // Small trees leave threads idle, so the pads' grows beside them.
        let coins = self.coins;
        let tree = |(t, columns): (usize, Option<Vec<Vec<F>>>)| {
            let seed = hiding.then(|| coins.bytes(&format!("salts {t}")));
            columns.map(|c| Tree::commit_once(c, usize::from(key.key.params.log_inv_rate), seed)).transpose()
        };
        let trees = || columns.into_iter().enumerate().map(tree).collect::<Result<Vec<_>, _>>();
        let pads = || hiding.then(|| pads::Pads::new(key.shape(), &key.key.params, coins)).transpose();
        let (trees, pads) = part!("trees", if hiding { rayon::join(trees, pads) } else { (trees(), Ok(None)) });
        for (t, tree) in trees?.into_iter().enumerate() {
            if let Some((tree, label)) = tree.zip(label(plans[t].kind)) {
                self.talk.commitment(label, &tree.commitment());
                self.trees[t] = Some(tree);
            }
        }
        self.pads = pads?;
        if let Some(pads) = &self.pads {
            self.talk.commitment("pads", &pads.tree.commitment());
        }
        Ok(())
    }

    /// The columns of a mask tree or of the trace, with random cells and masks.
    fn own_columns(&self, t: usize) -> Vec<Vec<F>> {
        let layout = &self.key.layout;
        let plan = &layout.trees[t];
        let mut columns = base_columns(layout, t, &self.cells);
        if let Some(f) = self.deviation.columns {
            f(plan.kind, &mut columns);
        }
        randomise(&mut columns, plan, self.coins, &format!("tree {t}"));
        if plan.mask {
            let height = 1 << layout.heights[plan.group];
            columns.par_extend((0..3usize).into_par_iter().map(|k| {
                let mut c = vec![coins::ZERO; height];
                self.coins.stream(&format!("mask {t}"), k).fill(&mut c);
                c
            }));
        }
        columns
    }

    /// Phase 1. Returns the point and the helper's columns.
    fn lookups(&mut self) -> Result<(Point<E>, Vec<Vec<E>>), ProveError> {
        let (layout, relation) = (&self.key.layout, &self.key.key.relation);
        let alpha: E = self.talk.transcript.challenge(label::FINGERPRINT);
        let beta: E = self.talk.transcript.challenge(label::FINGERPRINT);
        let (tuples, rows) = (&self.witness.tuples, &self.witness.tables);
        let tuples = self.deviation.tuples.map_or(Values::Integers(tuples), Values::Field);
        let rows = self.deviation.tables.map_or(Values::Integers(rows), Values::Field);
        let counts = std::mem::take(&mut self.counts);
        let fractions = part!("fractions", Fractions::new(relation, layout, tuples, rows, &counts, [alpha, beta]));
        let mut helper = part!("helper", fractions.helpers())?;
        if let Some(f) = self.deviation.helper {
            f(alpha, beta, &mut helper);
        }
        let tree = layout.trees.iter().position(|t| t.kind == TreeKind::Helper).unwrap_or(0);
        let columns = part!("commit helper", self.commit_helper(tree, &helper))?;

        let rho0: Vec<E> = self.talk.transcript.challenges(label::ZEROCHECK, layout.nv);
        if let Some(p) = &self.pads {
            // Borrowed for the rest of the proof: the pads outlive every message.
            self.talk.hide(p.shared(), p.shape());
        }
        let (mut rho, [h, d0, d1, n0, n1]) =
            part!("zerocheck", lookups::zerocheck(&mut self.talk, label::PHASE1, &rho0, helper, &fractions));
        for (name, x) in label::VALUES.into_iter().zip([h, d0, d1, n0, n1, d0 * d1]) {
            self.talk.message(name, x);
        }
        let more = layout.out_vars.saturating_sub(layout.nv);
        rho.extend(self.talk.transcript.challenges::<E>(label::OUTPUT_POINT, more));
        let delta = self.talk.transcript.challenge(label::DELTA);
        Ok((Point { alpha, beta, rho, delta }, columns))
    }

    fn commit_helper(&mut self, tree: usize, helper: &[E]) -> Result<Vec<Vec<E>>, ProveError> {
        let layout = &self.key.layout;
        let plan = &layout.trees[tree];
        let mut columns = ext_columns(layout, tree, layout.helper(&self.key.key.relation), helper);
        if let Some(f) = self.deviation.helper_columns {
            f(&mut columns);
        }
        if let Some(top) = plan.top {
            columns.par_iter_mut().enumerate().for_each(|(i, c)| {
                let from = c.len() - top;
                let mut s = self.coins.stream("helper", i);
                c[from..].iter_mut().for_each(|x| *x = s.ext());
            });
        }
        let seed = self.key.key.visibility.hiding().then(|| self.coins.bytes("helper salts"));
        let t = Tree::commit_once(coordinates(&columns), usize::from(self.key.key.params.log_inv_rate), seed)?;
        self.talk.commitment(label::HELPER, &t.commitment());
        self.trees[tree] = Some(t);
        Ok(columns)
    }

    /// Phase 2. Returns the address weights and the point.
    fn products(&mut self, point: &Point<E>) -> (AddressWeights<E>, Vec<E>) {
        let (layout, relation) = (&self.key.layout, &self.key.key.relation);
        let visibility = &self.key.key.visibility;
        let weights = part!("weights", AddressWeights::new(relation, layout, visibility, point, &Threads));
        let cells: Vec<Cells<'_>> = self.cells.iter().map(|c| Cells::new(c)).collect();
        let mut operands = part!("operands", products::operands(layout, point, &weights, &cells));
        let mut entries = Vec::new();
        part!("linear", {
            claims::linear_side(relation, layout, visibility, point, &weights, E::ONE, &mut entries);
            operands[0][layout.linear_at] = E::ONE;
            operands[1][layout.linear_at] = products::linear_value(layout, &entries, &cells);
        });
        let sumcheck = products::inner_product;
        let (kappa, ends) = part!("inner product", sumcheck(&mut self.talk, label::PHASE2, layout.nk, operands));
        label::OPERANDS.into_iter().zip(ends).for_each(|(l, x)| self.talk.message(l, x));
        (weights, kappa)
    }

    /// Phase 3.
    fn claims(&mut self, point: &Point<E>, weights: &AddressWeights<E>, kappa: &[E], helper: &[Vec<E>]) -> End {
        let layout = &self.key.layout;
        let claims = phases::Claims { key: self.key, public: &self.public, point, weights: Some(weights), kappa };
        let list = part!("linear claims", claims.list());
        let gamma: E = self.talk.transcript.challenge(label::GAMMA);
        let mut power = E::ONE;
        let mut weighted = Vec::with_capacity(list.len());
        for c in &list {
            weighted.push((power, c));
            power *= gamma;
        }
        let mut talk = std::mem::replace(&mut self.talk, Talk::new(Transcript::new("moved"), None));
        let columns: Vec<Vec<reduce::Cells<'_>>> = (0..layout.trees.len())
            .map(|t| {
                if reduce::is_extension(layout.trees[t].kind) {
                    return helper.iter().map(|c| reduce::Cells::Ext(c)).collect();
                }
                let values = self.tree(t).map_or(&[][..], Tree::columns);
                values.iter().take(layout.trees[t].columns).map(|c| reduce::Cells::Base(c)).collect()
            })
            .collect();
        let samples = phases::samples(layout, &self.public);
        let samples: Vec<reduce::Weighted<'_>> = samples
            .iter()
            .filter_map(|s| {
                let weight = power;
                power *= gamma;
                let cells = self.committed(s.tree)?.sample.cells.as_slice();
                Some(reduce::Weighted { weight, at: &s.point.at, cells })
            })
            .collect();
        let list = reduce::Claims { linear: &weighted, samples: &samples };
        let reduced = part!("reduction", reduce::reduce(&mut talk, label::PHASE3, layout, &list, &columns));
        let reduce::Reduced { tau, values, weights } = reduced;
        self.talk = talk;
        for (t, (plan, values)) in layout.trees.iter().zip(values).enumerate() {
            values.into_iter().for_each(|x| self.talk.message(label::COLUMN, x));
            if plan.mask {
                let x = self.mask_at(t, &tau[..layout.heights[plan.group]]);
                self.talk.message(label::MASK_VALUE, x);
            }
        }
        let alpha = layout.trees.iter().map(|t| self.talk.transcript.challenges(label::ALPHA, t.columns)).collect();
        End { tau, alpha, weights }
    }

    fn mask_at(&self, tree: usize, tau: &[E]) -> E {
        let Some(t) = self.tree(tree) else { return E::ZERO };
        let eq = proveil_algebra::eq_table(tau);
        let basis = tree_coefficients(
            &proveil_relation::layout::TreePlan { columns: 0, ..self.key.layout.trees[tree].clone() },
            &[],
        );
        let columns = &t.columns()[self.key.layout.trees[tree].columns..];
        columns.iter().zip(basis).fold(E::ZERO, |a, (c, b)| {
            let v = c.par_iter().zip(&eq).with_min_len(1 << 10).map(|(x, e)| *e * *x).reduce(|| E::ZERO, |p, q| p + q);
            a + b * v
        })
    }

    /// A tree by number: made in this proof or given.
    fn tree(&self, t: usize) -> Option<&Tree> {
        if let Some(tree) = self.trees[t].as_ref() {
            return Some(tree);
        }
        self.committed(t).map(|c| &c.tree)
    }

    /// A tree by number, if it was given.
    fn committed(&self, t: usize) -> Option<&'a Committed> {
        let given = |list: &[Option<&'a Committed>], k: u32| list.get(k as usize).copied().flatten();
        match self.key.layout.trees[t].kind {
            TreeKind::Model => self.inputs.model,
            TreeKind::Input(k) => given(&self.inputs.inputs, k),
            TreeKind::Output(k) => given(&self.inputs.outputs, k),
            _ => None,
        }
    }

    /// Opens the combination of every geometry; returns their values at the point.
    fn open(&mut self, end: &End) -> Result<Vec<E>, ProveError> {
        let layout = &self.key.layout;
        let mut values = Vec::new();
        let mut talk = std::mem::replace(&mut self.talk, Talk::new(Transcript::new("moved"), None));
        for (group, height) in layout.heights.iter().enumerate() {
            let mut trees = Vec::new();
            let mut coeffs = Vec::new();
            for (t, plan) in layout.trees.iter().enumerate().filter(|(_, p)| p.group == group) {
                let missing = || ProveError::MissingCommitment { what: format!("{:?}", plan.kind) };
                trees.push(self.tree(t).ok_or_else(missing)?);
                coeffs.extend(tree_coefficients(plan, &end.alpha[t]));
            }
            let params = &self.key.key.params;
            let tau = &end.tau[..*height];
            let v = opening::prove(&mut talk.transcript, &mut talk.writer, params, *height, &trees, &coeffs, tau)?;
            values.push(v);
        }
        self.talk = talk;
        Ok(values)
    }

    /// The inner claim, from the verifier's own equations. Given the weights of all columns at the common point, in the
    /// claims on tensors.
    fn pads(&mut self, values: &[E], weights: Vec<Vec<E>>) -> Result<(), ProveError> {
        let Some(pads) = &self.pads else { return Ok(()) };
        let so_far = self.talk.writer.as_bytes().to_vec();
        let mut ch = Channel::<E>::new(self.start.clone(), &so_far, true);
        let layout = &self.key.layout;
        let mut known = Known::new(layout, phases::samples(layout, &self.public), weights);
        let end = part!("walk", phases::walk_with(&mut ch, &layout.outline(), &mut known))?;
        for (group, v) in values.iter().enumerate() {
            end.tie(&mut ch, group, *v)?;
        }
        ch.transcript = self.talk.transcript.clone();
        pads.prove(ch, &mut self.talk.writer, &self.key.key.params);
        Ok(())
    }
}

/// Whether a witness has the shapes of a relation.
///
/// # Errors
/// `Shape`.
pub fn check_witness_shape(relation: &proveil_relation::Relation, witness: &Witness) -> Result<(), ProveError> {
    check_witness(relation, witness, &Inputs::default())
}

/// Public cells of a statement, for callers that evaluate relations.
#[must_use]
pub fn public_cells<'a>(public: &'a PublicValues<'_>, tensor: usize) -> Option<&'a [i64]> {
    public.cells(tensor)
}

/// Integers as base-field elements.
#[must_use]
pub fn lift(values: &[i64]) -> Vec<F> {
    values.iter().map(|v| <E as Challenge>::base_from_int(*v)).collect()
}
