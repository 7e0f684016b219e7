//! The prover: from a witness to proof bytes, by straightforward code over any number of cells that a contract's proofs
//! have. Mirrors [`crate::verify()`].

mod argument;
mod columns;
mod fractions;
mod operands;
mod rounds;

use std::borrow::Cow;
use std::sync::Arc;

use proveil_algebra::{PrimeCharacteristicRing, Scalar, eq_table};
use proveil_kzg::commit::Committed;
use proveil_kzg::mercury::{self, Claims, Inner};
use proveil_kzg::srs::{Srs, SrsError};
use proveil_protocol::channel::{Channel, ProofError, Shape, Value};
use proveil_protocol::codec::Leaf;
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::Transcript;
use proveil_prover::coins::Coins;
use proveil_prover::talk::{Cheat, Talk};
use proveil_prover::{AlterCounts, Threads, Witness, lookups};
use proveil_relation::claims::{self, AddressWeights, Point};
use proveil_relation::decl::Home;
use proveil_relation::key::Statement;
use proveil_relation::layout::TreeKind;
use proveil_verifier::phases::{self, label};
use proveil_verifier::{PublicValues, StatementError};

use crate::functionals::Sent;
use crate::key::as_commitment;
use crate::prepared::{PrepareError, PreparedKey};
use crate::tables::Challenges;
use crate::verify::{begin, label as own};

pub use argument::{Alter, AlterColumns, AlterMessage, AlterReads};
pub use columns::{commit_io, commit_model, key_for, known_model};

/// Why no proof was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The witness does not satisfy the relation, or has another shape.
    #[error(transparent)]
    Witness(#[from] proveil_prover::ProveError),
    /// The set-up is too small.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The key cannot be prepared.
    #[error(transparent)]
    Key(#[from] PrepareError),
    /// The key needs a commitment that was not given.
    #[error("{what} is committed under this key: commit it first and pass the commitment")]
    MissingCommitment {
        /// `model`, `input k` or `output k`.
        what: String,
    },
    /// A fingerprint challenge hit a denominator (probability below 2^-230).
    #[error("a look-up denominator is zero: prove again")]
    Pole,
    /// The opening cannot be made.
    #[error(transparent)]
    Opening(#[from] mercury::ProveError),
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
    /// Commitments of committed inputs, by input.
    pub inputs: Vec<Option<&'a Committed>>,
    /// Commitments of committed outputs, by output.
    pub outputs: Vec<Option<&'a Committed>>,
    /// Bytes to bind.
    pub context: Vec<u8>,
}

/// Alters a functional, given its number and the challenges so far.
pub type AlterFunctional<'a> = &'a dyn Fn(usize, Scalar, &Challenges) -> Scalar;

/// Test hooks: how a cheating prover deviates. The honest prover uses the default.
#[derive(Clone, Copy, Default)]
pub struct Deviation<'a> {
    /// Alters messages.
    pub cheat: Option<Cheat<'a, Scalar>>,
    /// Tuple values where the witness's own integers are not what is committed: `[look-up][column][cell]`.
    pub tuples: Option<&'a [Vec<Vec<Scalar>>]>,
    /// Values of committed table rows, likewise.
    pub tables: Option<&'a [Vec<Vec<Scalar>>]>,
    /// Keep going when a tuple is in no table row.
    pub forgive: bool,
    /// Alters the multiplicities: `[table][row]`.
    pub multiplicities: Option<AlterCounts<'a>>,
    /// Alters functionals, by number.
    pub functionals: Option<AlterFunctional<'a>>,
    /// Alters the evaluation argument.
    pub list: argument::Alter<'a>,
    /// Replaces the transcript, which is bound to key and statement.
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
}

/// Proves that the witness satisfies the relation of `key`.
///
/// # Errors
/// See [`ProveError`]; nothing is released on an error.
pub fn prove(key: &PreparedKey, srs: &Srs, witness: &Witness, inputs: &Inputs<'_>) -> Result<Proof, ProveError> {
    let coins = Coins::fresh(&[&key.inner.digest, &inputs.context]);
    prove_with(key, srs, witness, inputs, &coins, Deviation::default())
}

/// [`prove`] with given coins and deviations, for tests.
///
/// # Errors
/// As [`prove`].
pub fn prove_with(
    key: &PreparedKey,
    srs: &Srs,
    witness: &Witness,
    inputs: &Inputs<'_>,
    coins: &Coins,
    deviation: Deviation<'_>,
) -> Result<Proof, ProveError> {
    let statement = match deviation.statement {
        Some(s) => s.clone(),
        None => {
            let own = |c: &Committed| Sampled::binding(as_commitment(&c.point));
            let given = |list: &[Option<&Committed>]| list.iter().map(|c| c.map(own)).collect();
            let [i, o]: [Vec<_>; 2] = [given(&inputs.inputs), given(&inputs.outputs)];
            proveil_prover::statement(&key.inner, witness, [&i, &o], &inputs.context)?
        }
    };
    let mut run = Run::new(key, srs, witness, inputs, &statement, coins, deviation)?;
    run.commit_trace()?;
    let point = run.lookups()?;
    let (weights, kappa) = run.products(&point)?;
    let (tau, alpha) = run.claims(&point, &weights, &kappa)?;
    run.open(&tau, &alpha)?;
    let (bytes, leaves) = run.talk.writer.finish();
    Ok(Proof { statement, bytes, leaves })
}

/// The pads of one proof with their mask.
struct Pads {
    values: Committed,
    mask: Committed,
}

/// One proof in the making.
struct Run<'a> {
    key: &'a PreparedKey,
    srs: &'a Srs,
    public: PublicValues<'a>,
    statement: &'a Statement,
    witness: &'a Witness,
    inputs: &'a Inputs<'a>,
    coins: Coins,
    deviation: Deviation<'a>,
    start: Transcript,
    talk: Talk<'a, Scalar>,
    /// Cells by layout tensor: relation tensors, then multiplicities.
    cells: Vec<Cow<'a, [i64]>>,
    counts: Vec<Vec<i64>>,
    /// Columns made in this proof, by tree.
    trees: Vec<Option<Committed>>,
    pads: Option<Pads>,
    shape: Arc<Shape>,
    /// How many functionals are sent, and what they are functions of.
    functionals: usize,
    challenges: Challenges,
}

impl<'a> Run<'a> {
    fn new(
        key: &'a PreparedKey,
        srs: &'a Srs,
        witness: &'a Witness,
        inputs: &'a Inputs<'a>,
        statement: &'a Statement,
        coins: &Coins,
        deviation: Deviation<'a>,
    ) -> Result<Self, ProveError> {
        let relation = &key.inner.key.relation;
        proveil_prover::check_witness_shape(relation, witness)?;
        if let Some(t) = key.inner.layout.trees.iter().find(|t| t.columns > 1) {
            return Err(PrepareError::Columns { tree: t.kind, columns: t.columns }.into());
        }
        let public = PublicValues::new(&key.inner, statement)?;
        let mut counts = lookups::multiplicities(relation, &witness.tuples, &witness.tables, deviation.forgive)?;
        if let Some(f) = deviation.multiplicities {
            f(&mut counts);
        }
        let mut cells: Vec<Cow<'a, [i64]>> = Vec::new();
        for (d, own) in relation.tensors.iter().zip(&witness.tensors) {
            cells.push(match &d.home {
                Home::Public(v) => Cow::Borrowed(&v[..]),
                _ => Cow::Borrowed(&own[..]),
            });
        }
        cells.extend(counts.iter().cloned().map(Cow::Owned));
        let real = begin(&key.short.id(), &key.short.public_data(statement)?);
        let start = deviation.transcript.cloned().unwrap_or(real);
        let mut bound = blake3::Hasher::new();
        cells.iter().flat_map(|c| c.iter()).for_each(|v| _ = bound.update(&v.to_le_bytes()));
        let coins =
            coins.derive("succinct proof", &[&key.inner.digest, bound.finalize().as_bytes(), &statement.encode()]);
        Ok(Self {
            key,
            srs,
            public,
            statement,
            witness,
            inputs,
            coins,
            deviation,
            talk: Talk::new(start.clone(), deviation.cheat),
            start,
            cells,
            counts,
            trees: vec![None; key.inner.layout.trees.len()],
            pads: None,
            shape: Arc::new(key.shape()),
            functionals: 0,
            challenges: Challenges::default(),
        })
    }

    fn hiding(&self) -> bool {
        self.key.inner.key.visibility.hiding()
    }

    fn blind(&self, name: &str) -> Scalar {
        if self.hiding() { columns::scalar(&self.coins, name) } else { Scalar::ZERO }
    }

    fn send(&mut self, label: &'static str, c: &Committed) {
        self.talk.commitment(label, &as_commitment(&c.point));
    }

    /// Phase 0: pads' mask, masks, trace, pads.
    fn commit_trace(&mut self) -> Result<(), ProveError> {
        if self.hiding() {
            let pads = self.make_pads()?;
            self.send(own::PADS_MASK, &pads.mask);
            self.pads = Some(pads);
        }
        let layout = &self.key.inner.layout;
        for (t, plan) in layout.trees.iter().enumerate() {
            let (label, c) = match plan.kind {
                TreeKind::Mask => {
                    let n = 1usize << layout.heights[plan.group];
                    let cells = columns::scalars(&self.coins, &format!("mask {t}"), n);
                    (label::MASK, Committed::new(self.srs, cells, self.blind(&format!("mask blind {t}")))?)
                }
                TreeKind::Trace => {
                    let cells = columns::column(layout, t, &self.cells);
                    (label::TRACE, columns::commit(self.srs, &cells, self.blind("trace blind"))?)
                }
                _ if plan.public => {
                    let cells = columns::column(layout, t, &self.cells);
                    let coefficients = cells.iter().map(|v| crate::prepared::scalar(*v)).collect();
                    self.trees[t] = Some(Committed { coefficients, ..Committed::default() });
                    continue;
                }
                _ => continue,
            };
            self.send(label, &c);
            self.trees[t] = Some(c);
        }
        if let Some(p) = &self.pads {
            let c = as_commitment(&p.values.point);
            self.talk.commitment("pads", &c);
        }
        Ok(())
    }

    fn make_pads(&self) -> Result<Pads, ProveError> {
        let mut values = columns::scalars(&self.coins, "pads", self.shape.pads);
        for p in &self.shape.products {
            values[p.ab as usize] = values[p.a as usize] * values[p.b as usize];
            values[p.z as usize] = values[p.x as usize] * values[p.y as usize];
        }
        let mask = columns::scalars(&self.coins, "pads mask", self.shape.pads);
        Ok(Pads {
            values: Committed::new(self.srs, values, self.blind("pads blind"))?,
            mask: Committed::new(self.srs, mask, self.blind("pads mask blind"))?,
        })
    }

    /// Phase 1.
    fn lookups(&mut self) -> Result<Point<Scalar>, ProveError> {
        let (layout, relation) = (&self.key.inner.layout, &self.key.inner.key.relation);
        let alpha: Scalar = self.talk.transcript.challenge(label::FINGERPRINT);
        let beta: Scalar = self.talk.transcript.challenge(label::FINGERPRINT);
        let tuples = fractions::Tuples::new(self.witness, self.deviation.tuples, self.deviation.tables);
        let mut tables = fractions::tables(relation, layout, &tuples, &self.counts, alpha, beta)?;
        let tree = layout.trees.iter().position(|t| t.kind == TreeKind::Helper).unwrap_or(0);
        let column = columns::helper(layout, tree, layout.helper(relation), &tables[0]);
        let helper = Committed::new(self.srs, column, self.blind("helper blind"))?;
        self.send(label::HELPER, &helper);
        self.trees[tree] = Some(helper);
        let rho0: Vec<Scalar> = self.talk.transcript.challenges(label::ZEROCHECK, layout.nv);
        if let Some(p) = &self.pads {
            self.talk.hide(p.values.coefficients.clone().into(), Arc::clone(&self.shape));
        }
        let mut rho = rounds::zerocheck(&mut self.talk, label::PHASE1, &rho0, &mut tables);
        let [h, d0, d1, n0, n1] = tables.each_ref().map(|t| t[0]);
        for (name, x) in label::VALUES.into_iter().zip([h, d0, d1, n0, n1, d0 * d1]) {
            self.talk.message(name, x);
        }
        let more = layout.out_vars.saturating_sub(layout.nv);
        rho.extend(self.talk.transcript.challenges::<Scalar>(label::OUTPUT_POINT, more));
        let delta = self.talk.transcript.challenge(label::DELTA);
        Ok(Point { alpha, beta, rho, delta })
    }

    /// Sends the functionals from the next one up to number `end`.
    fn send_functionals(&mut self, end: usize) -> Result<(), ProveError> {
        let values = self.key.list.values(&self.challenges).ok_or(ProveError::Pole)?;
        for (i, v) in values.into_iter().enumerate().take(end).skip(self.functionals) {
            let v = self.deviation.functionals.map_or(v, |f| f(i, v, &self.challenges));
            self.talk.clear(own::FUNCTIONAL, v);
            self.functionals += 1;
        }
        Ok(())
    }

    /// Phase 2. Returns the address weights and the point.
    fn products(&mut self, point: &Point<Scalar>) -> Result<(AddressWeights<Scalar>, Vec<Scalar>), ProveError> {
        // Functionals sent early do not read the points that are not known yet.
        let [_, kappa, tau] = self.key.short.sizes.points.map(|n| vec![Scalar::ZERO; n]);
        let (beta, delta) = (point.beta, point.delta);
        self.challenges = Challenges { beta, delta, points: [point.rho.clone(), kappa, tau], ..Challenges::default() };
        self.send_functionals(1)?;
        let (layout, key) = (&self.key.inner.layout, &self.key.inner.key);
        let weights = AddressWeights::new(&key.relation, layout, &key.visibility, point, &Threads);
        let mut operands = operands::operands(layout, point, &weights, &self.cells);
        let mut entries = Vec::new();
        claims::linear_side(&key.relation, layout, &key.visibility, point, &weights, Scalar::ONE, &mut entries);
        operands[0][layout.linear_at] = Scalar::ONE;
        operands[1][layout.linear_at] = operands::linear_value(layout, &entries, &self.cells);
        let kappa = rounds::inner_product(&mut self.talk, label::PHASE2, layout.nk, &mut operands);
        label::OPERANDS.into_iter().zip(&operands).for_each(|(l, v)| self.talk.message(l, v[0]));
        Ok((weights, kappa))
    }

    /// Phase 3. Returns the common point and the combination's coefficients.
    fn claims(
        &mut self,
        point: &Point<Scalar>,
        weights: &AddressWeights<Scalar>,
        kappa: &[Scalar],
    ) -> Result<(Vec<Scalar>, Vec<Vec<Scalar>>), ProveError> {
        let layout = &self.key.inner.layout;
        let claims =
            phases::Claims { key: &self.key.inner, public: &self.public, point, weights: Some(weights), kappa };
        let list = claims.list();
        let gamma: Scalar = self.talk.transcript.challenge(label::GAMMA);
        self.challenges.gamma = gamma;
        self.challenges.points[1] = kappa.to_vec();
        self.send_functionals(2)?;
        let functionals = columns::functionals(layout, &list, gamma);
        let mut pairs = Vec::new();
        for (t, (plan, omega)) in layout.trees.iter().zip(functionals).enumerate() {
            let cells = if plan.columns == 0 { Vec::new() } else { self.tree(t)?.coefficients.clone() };
            pairs.push((layout.heights[plan.group], omega, cells));
        }
        let tau = rounds::reduce(&mut self.talk, label::PHASE3, &mut pairs);
        self.challenges.points[2].clone_from(&tau);
        self.send_functionals(usize::MAX)?;
        for (t, (plan, (_, _, cells))) in layout.trees.iter().zip(&pairs).enumerate() {
            if plan.columns > 0 && !plan.public {
                self.talk.message(label::COLUMN, cells[0]);
            }
            if plan.mask {
                let eq = eq_table(&tau[..layout.heights[plan.group]]);
                let x = proveil_algebra::dot(&self.tree(t)?.coefficients, &eq);
                self.talk.message(label::MASK_VALUE, x);
            }
        }
        let own = layout.trees.iter().map(|t| if t.public { 0 } else { t.columns });
        let alpha = own.map(|columns| self.talk.transcript.challenges(label::ALPHA, columns)).collect();
        Ok((tau, alpha))
    }

    /// A tree by number: made in this proof or given.
    fn tree(&self, t: usize) -> Result<&Committed, ProveError> {
        let given = |list: &[Option<&'a Committed>], k: u32| list.get(k as usize).copied().flatten();
        let kind = self.key.inner.layout.trees[t].kind;
        let found = match kind {
            TreeKind::Model => self.inputs.model,
            TreeKind::Input(k) => given(&self.inputs.inputs, k),
            TreeKind::Output(k) => given(&self.inputs.outputs, k),
            _ => self.trees[t].as_ref(),
        };
        let found = self.trees[t].as_ref().or(found);
        found.ok_or_else(|| ProveError::MissingCommitment { what: format!("{kind:?}") })
    }

    /// Combinations, inner claim, opening.
    fn open(&mut self, tau: &[Scalar], alpha: &[Vec<Scalar>]) -> Result<(), ProveError> {
        let layout = &self.key.inner.layout;
        let (mut combined, mut values) = (Vec::new(), Vec::new());
        for group in self.key.short.groups() {
            let height = &layout.heights[group];
            let mut terms = Vec::new();
            for (t, _) in layout.trees.iter().enumerate().filter(|(_, p)| p.group == group) {
                let k = alpha[t].first().copied().unwrap_or(Scalar::ONE);
                terms.push((k, self.tree(t)?));
            }
            let f = Committed::combine(&terms);
            let point = tau[..*height].to_vec();
            let value = proveil_algebra::eval_mle(&f.coefficients, &point);
            self.talk.clear(own::COMBINATION, value);
            self.talk.clear(own::BLIND, f.blind);
            let commitment = f.point - proveil_kzg::blinding_base() * f.blind;
            values.push((group, value));
            combined.push((Committed { blind: Scalar::ZERO, point: commitment, ..f }, point));
        }
        let (talk, list) = (&mut self.talk, &self.deviation.list);
        let (one, coefficients) = argument::prove(talk, self.srs, self.key, &self.challenges, &combined, list)?;
        let mut claims = Claims { evaluations: vec![one], ..Claims::default() };
        let mut opened = vec![coefficients];
        if self.pads.is_some() {
            let (inner, v) = self.inner_claim(&values)?;
            claims.inner.push(inner);
            opened.push(v);
        }
        let lists: Vec<&[Scalar]> = opened.iter().map(Vec::as_slice).collect();
        mercury::prove(&mut self.talk.transcript, &mut self.talk.writer, self.srs, &claims, &lists)?;
        Ok(())
    }

    /// The inner claim, from the verifier's own equations; with the masked pads.
    fn inner_claim(&mut self, values: &[(usize, Scalar)]) -> Result<(Inner, Vec<Scalar>), ProveError> {
        let so_far = self.talk.writer.as_bytes().to_vec();
        let mut ch = Channel::<Scalar>::new(self.start.clone(), &so_far, true);
        ch.commitment(own::PADS_MASK)?;
        let mut sent = Sent::new(&self.key.short, Some(self.statement), None);
        let end = phases::walk_with(&mut ch, &self.key.short.outline, &mut sent)?;
        for (group, v) in values {
            end.tie(&mut ch, *group, *v)?;
        }
        ch.transcript = self.talk.transcript.clone();
        let Some(pads) = &self.pads else { return Err(ProveError::MissingCommitment { what: "pads".into() }) };
        let p = &pads.values.coefficients;
        let at = |v: &Value<Scalar>| v.terms.iter().fold(v.c, |a, (i, k)| a + *k * p[*i as usize]);
        let writer = &mut self.talk.writer;
        let mut send = |ch: &mut Channel<'_, Scalar>, label, x: Scalar| {
            writer.element(label, &x);
            ch.transcript.absorb_elements(label, &[x]);
        };
        ch.triples(|ch, v| {
            let d = at(&v);
            send(ch, own::TRIPLE, d);
            Ok(d)
        })?;
        let (weights, target) = ch.combine();
        let mu = proveil_algebra::dot(&weights, &pads.mask.coefficients);
        send(&mut ch, own::MASK_PRODUCT, mu);
        let epsilon: Scalar = ch.transcript.challenge(own::INNER);
        let v = Committed::combine(&[(Scalar::ONE, &pads.mask), (epsilon, &pads.values)]);
        send(&mut ch, own::PADS_BLIND, v.blind);
        self.talk.transcript = ch.transcript;
        let commitment = v.point - proveil_kzg::blinding_base() * v.blind;
        Ok((Inner { commitment, weights, value: mu + epsilon * target }, v.coefficients))
    }
}
