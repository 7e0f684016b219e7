//! The phases, from the first commitment to the claims about columns; mirrored by `prover::phases`.

use alloc::vec;
use alloc::vec::Vec;

use proveil_algebra::{Challenge, InTurn, IntegerWeights, Tasks, eq_index, eq_table};
use proveil_protocol::channel::{Channel, Message, ProofError, Value};
use proveil_protocol::merkle::Commitment;
use proveil_protocol::{sample, sumcheck};
use proveil_relation::claims::{
    self, AddressWeights, AtPoint, Claim, ClaimSink, List, Point, PublicCells, PublicParts, Turns,
};
use proveil_relation::groups::Side;
use proveil_relation::layout::{Dims, Layout, Outline, TreeKind, TreePlan};
use proveil_relation::weights::eq_segment;

use crate::{PreparedKey, PublicValues};

/// Names of messages and challenges, shared with the prover.
pub mod label {
    /// Mask of a further geometry.
    pub const MASK: &str = "mask root";
    /// Per-proof columns.
    pub const TRACE: &str = "trace root";
    /// Fingerprint challenges.
    pub const FINGERPRINT: &str = "fingerprint";
    /// Helper columns.
    pub const HELPER: &str = "helper root";
    /// Point of the zerocheck.
    pub const ZEROCHECK: &str = "zerocheck point";
    /// Rounds of phase 1.
    pub const PHASE1: &str = "look-up round";
    /// Look-up values at the point.
    pub const VALUES: [&str; 6] =
        ["helper", "denominator 0", "denominator 1", "numerator 0", "numerator 1", "denominators"];
    /// More coordinates for wide outputs.
    pub const OUTPUT_POINT: &str = "output point";
    /// Lane and output weight.
    pub const DELTA: &str = "delta";
    /// Rounds of phase 2.
    pub const PHASE2: &str = "product round";
    /// Operands at the point of phase 2.
    pub const OPERANDS: [&str; 2] = ["left operand", "right operand"];
    /// Claim weight.
    pub const GAMMA: &str = "gamma";
    /// Rounds of phase 3.
    pub const PHASE3: &str = "claim round";
    /// A column at the common point.
    pub const COLUMN: &str = "column";
    /// A mask at the common point.
    pub const MASK_VALUE: &str = "mask";
    /// Combination coefficient.
    pub const ALPHA: &str = "combination";
}

/// Values of phase 1 at `rho`.
#[derive(Clone, Copy, Debug)]
pub struct LookupValues<E> {
    /// `h, D_0, D_1, N_0, N_1, D_0 D_1`.
    pub messages: [Message<E>; 6],
}

/// Where the phases end: one claim about the combination of each geometry.
#[derive(Clone, Debug)]
pub struct End<E> {
    /// Commitments read from the proof, by tree.
    pub commitments: Vec<Option<Commitment>>,
    /// The common point, lowest variable first.
    pub tau: Vec<E>,
    /// Combination coefficients by tree and value column.
    pub alpha: Vec<Vec<E>>,
    /// Columns at the point, by tree, mask last.
    evaluations: Vec<Vec<Message<E>>>,
    groups: Vec<usize>,
    /// What the columns there, times their weights, add up to.
    value: Value<E>,
}

impl<E: Challenge> End<E> {
    /// Reads the columns at the common point; draws the combination challenges.
    ///
    /// # Errors
    /// `Decode`.
    pub fn read(ch: &mut Channel<'_, E>, outline: &Outline, claims: Claimed<E>) -> Result<Self, ProofError> {
        let Claimed { commitments, tau, value } = claims;
        let mut evaluations = Vec::with_capacity(outline.trees.len());
        for plan in &outline.trees {
            let columns = if plan.public { 0 } else { plan.columns };
            let mut list = Vec::with_capacity(columns + 1);
            for _ in 0..columns {
                list.push(ch.message(label::COLUMN)?);
            }
            if plan.mask {
                list.push(ch.message(label::MASK_VALUE)?);
            }
            evaluations.push(list);
        }
        let own = outline.trees.iter().map(|t| if t.public { 0 } else { t.columns });
        let alpha = own.map(|columns| ch.challenges(label::ALPHA, columns)).collect();
        let groups = outline.trees.iter().map(|t| t.group).collect();
        Ok(Self { commitments, tau, alpha, evaluations, groups, value })
    }

    /// The equation of phase 3: columns times their weights `omega`, by tree, are what all claims come to.
    ///
    /// # Errors
    /// `Check { "claims at the common point" }`.
    pub fn settle(
        &self,
        ch: &mut Channel<'_, E>,
        outline: &Outline,
        functionals: &mut impl Functionals<E>,
        omega: &[Vec<E>],
    ) -> Result<(), ProofError> {
        let mut sum = self.value.clone() * -E::ONE;
        let weights = |tree: usize| omega.get(tree).map_or(&[][..], Vec::as_slice);
        for (tree, _) in outline.trees.iter().enumerate().filter(|(_, plan)| plan.public) {
            let weight = weights(tree).first().copied().unwrap_or(E::ZERO);
            sum.c += weight * functionals.public_column(tree, &self.tau);
        }
        let columns = outline.trees.iter().zip(&self.evaluations).enumerate().filter(|(_, (plan, _))| !plan.public);
        sum.add_messages(columns.flat_map(|(tree, (_, messages))| messages.iter().zip(weights(tree).iter().copied())));
        ch.zero(sum, "claims at the common point")
    }

    /// The commitment to a tree of the layout: of key and statement, or read from the proof.
    #[must_use]
    pub fn commitment(&self, public: &PublicValues<'_>, kind: TreeKind, tree: usize) -> Option<Commitment> {
        match kind {
            TreeKind::Model | TreeKind::Input(_) | TreeKind::Output(_) => public.sampled(kind).map(|s| s.commitment),
            TreeKind::Mask | TreeKind::Trace | TreeKind::Helper => self.commitments.get(tree).copied().flatten(),
        }
    }

    /// The tie of one geometry: its combination's value is the combination of the columns' values.
    ///
    /// # Errors
    /// `Check { "combination" }`.
    pub fn tie(&self, ch: &mut Channel<'_, E>, group: usize, value: E) -> Result<(), ProofError> {
        let mut sum = Value::known(-value);
        let own = self.groups.iter().enumerate().filter(|(_, g)| **g == group).flat_map(|(tree, _)| {
            let alpha = self.alpha.get(tree).map_or(&[][..], Vec::as_slice);
            let messages = self.evaluations.get(tree).map_or(&[][..], Vec::as_slice);
            // The mask has weight one.
            messages.iter().zip(alpha.iter().copied().chain(core::iter::repeat(E::ONE)))
        });
        sum.add_messages(own);
        ch.zero(sum, "combination")
    }
}

/// What a relation contributes to the claims of the phases: computed from it ([`Computed`]), or read from a proof that
/// proves it.
pub trait Functionals<E: Challenge> {
    /// What the claim of phase 2 contains besides the two denominators: less ids, constants and public rows, and public
    /// outputs.
    ///
    /// # Errors
    /// Those of reading.
    fn products(&mut self, ch: &mut Channel<'_, E>, point: &Point<E>) -> Result<E, ProofError>;

    /// The parts of the claims of phase 3 that no column holds, weighted by powers of `gamma`.
    ///
    /// # Errors
    /// Those of reading.
    fn claims(&mut self, ch: &mut Channel<'_, E>, kappa: &[E], gamma: E) -> Result<E, ProofError>;

    /// The weight of every column at the common point, by tree, zeros behind lower columns included.
    ///
    /// # Errors
    /// Those of reading.
    fn columns(&mut self, ch: &mut Channel<'_, E>, tau: &[E]) -> Result<Vec<Vec<E>>, ProofError>;

    /// The value of the column of a tree that is public.
    fn public_column(&mut self, tree: usize, tau: &[E]) -> E;
}

/// Runs all phases up to the combination challenges, the functionals computed from the key.
///
/// # Errors
/// `Decode`, and on the plain channel `Check`.
pub fn walk<E: Challenge>(
    ch: &mut Channel<'_, E>,
    key: &PreparedKey,
    public: &PublicValues<'_>,
    tasks: &impl Tasks,
) -> Result<End<E>, ProofError> {
    walk_with(ch, &key.layout.outline(), &mut Computed::on(tasks, key, public))
}

/// [`walk`] with functionals from elsewhere.
///
/// # Errors
/// As [`walk`].
pub fn walk_with<E: Challenge>(
    ch: &mut Channel<'_, E>,
    outline: &Outline,
    functionals: &mut impl Functionals<E>,
) -> Result<End<E>, ProofError> {
    let claims = reduce_claims(ch, outline, functionals)?;
    let omega = functionals.columns(ch, &claims.tau)?;
    let end = End::read(ch, outline, claims)?;
    end.settle(ch, outline, functionals, &omega)?;
    Ok(end)
}

/// Every claim reduced to one about the columns at the common point.
pub struct Claimed<E> {
    commitments: Vec<Option<Commitment>>,
    /// The common point, lowest variable first.
    pub tau: Vec<E>,
    /// What the columns there, times their weights, add up to.
    value: Value<E>,
}

/// All phases up to the common point of all claims.
///
/// # Errors
/// As [`walk`].
pub fn reduce_claims<E: Challenge>(
    ch: &mut Channel<'_, E>,
    outline: &Outline,
    functionals: &mut impl Functionals<E>,
) -> Result<Claimed<E>, ProofError> {
    let mut commitments = vec![None; outline.trees.len()];
    read_commitments(ch, outline, &mut commitments, &[TreeKind::Mask, TreeKind::Trace])?;
    ch.pads_commitment()?;
    let (alpha, beta) = (ch.challenge(label::FINGERPRINT), ch.challenge(label::FINGERPRINT));
    read_commitments(ch, outline, &mut commitments, &[TreeKind::Helper])?;

    let (rho, values) = lookups(ch, outline)?;
    let delta = ch.challenge(label::DELTA);
    let point = Point { alpha, beta, rho, delta };
    let (kappa, operands) = products(ch, outline, functionals, &point, &values)?;
    let end = reduce(ch, outline, functionals, &kappa, &targets(&values, &operands))?;
    Ok(Claimed { commitments, tau: end.point, value: end.value })
}

/// Phase 0: reads the roots of the given kinds of trees.
fn read_commitments<E: Challenge>(
    ch: &mut Channel<'_, E>,
    layout: &Outline,
    commitments: &mut [Option<Commitment>],
    kinds: &[TreeKind],
) -> Result<(), ProofError> {
    for (slot, plan) in commitments.iter_mut().zip(&layout.trees).filter(|(_, p)| kinds.contains(&p.kind)) {
        let label = match plan.kind {
            TreeKind::Mask => label::MASK,
            TreeKind::Helper => label::HELPER,
            _ => label::TRACE,
        };
        *slot = Some(ch.commitment(label)?);
    }
    Ok(())
}

/// Phase 1: `sum eq(rho0, x) (h D0 D1 - N0 D1 - N1 D0) = 0`; returns the point (extended for wide outputs).
fn lookups<E: Challenge>(ch: &mut Channel<'_, E>, layout: &Outline) -> Result<(Vec<E>, LookupValues<E>), ProofError> {
    let rho0 = ch.challenges(label::ZEROCHECK, layout.nv);
    let end = sumcheck::verify(ch, label::PHASE1, layout.nv, 3, Some(&rho0), Value::known(E::ZERO))?;
    let [h, d0, d1, n0, n1, dd] = label::VALUES;
    let m = [ch.message(h)?, ch.message(d0)?, ch.message(d1)?, ch.message(n0)?, ch.message(n1)?, ch.message(dd)?];
    let [h, d0, d1, n0, n1, dd] = &m;
    let denominators = ch.product(d0, d1) - dd.value();
    ch.zero(denominators, "product of denominators")?;
    let fractions = ch.product(h, dd) - ch.product(n0, d1) - ch.product(n1, d0);
    ch.zero(fractions - end.value, "look-up zerocheck")?;
    let mut rho = end.point;
    rho.extend(ch.challenges(label::OUTPUT_POINT, layout.out_vars.saturating_sub(layout.nv)));
    Ok((rho, LookupValues { messages: m }))
}

/// Phase 2: all products of all layers, and the outputs.
fn products<E: Challenge>(
    ch: &mut Channel<'_, E>,
    outline: &Outline,
    functionals: &mut impl Functionals<E>,
    point: &Point<E>,
    values: &LookupValues<E>,
) -> Result<(Vec<E>, [Message<E>; 2]), ProofError> {
    let [_, d0, d1, ..] = &values.messages;
    let mut claim = Value::known(point.alpha * (E::ONE + point.delta));
    claim.add_scaled(&d0.value(), -E::ONE);
    claim.add_scaled(&d1.value(), -point.delta);
    claim.c += functionals.products(ch, point)?;
    let end = sumcheck::verify(ch, label::PHASE2, outline.nk, 2, None, claim)?;
    let [a, b] = label::OPERANDS;
    let operands = [ch.message(a)?, ch.message(b)?];
    let [a, b] = &operands;
    let product = ch.product(a, b);
    ch.zero(product - end.value, "products")?;
    Ok((end.point, operands))
}

/// The weighted sum of a public output's values.
pub fn output_at<E: Challenge>(
    layout: &Layout,
    o: usize,
    w: &claims::SpaceWeights<E>,
    values: &[i64],
    tasks: &impl Tasks,
) -> E {
    layout.outputs.get(o).map_or(E::ZERO, |dims| lines_at(dims, w, values, tasks))
}

/// The weighted sum of a space's values.
fn lines_at<E: Challenge>(dims: &Dims, w: &claims::SpaceWeights<E>, values: &[i64], tasks: &impl Tasks) -> E {
    let chunks = dims.chunks().max(1);
    let low = IntegerWeights::new(&eq_table(&w.low));
    let lines: Vec<&[i64]> = values.chunks(dims.last.max(1)).collect();
    let shares = tasks.shares_of(values.len());
    let share = |k: usize| {
        let mut acc = E::ZERO;
        for (i, line) in lines.iter().enumerate().skip(k).step_by(shares) {
            for (c, row) in line.chunks(1 << dims.granule).enumerate() {
                acc += w.rows.get(i * chunks + c).copied().unwrap_or(E::ZERO) * low.dot(row);
            }
        }
        acc
    };
    tasks.map(shares, share).into_iter().fold(E::ZERO, |a, x| a + x)
}

/// Linear claims that phases 1 and 2 leave; those of samples come behind them.
pub const LINEAR_CLAIMS: usize = 6;

/// Claimed values of the linear claims that phases 1 and 2 leave.
fn targets<E: Challenge>(values: &LookupValues<E>, operands: &[Message<E>; 2]) -> [Value<E>; LINEAR_CLAIMS] {
    let [h, _, _, n0, n1, _] = &values.messages;
    let [a, b] = operands;
    [h.value(), Value::known(E::ZERO), n0.value(), n1.value(), a.value(), b.value()]
}

/// The linear claims, as functionals; shared with the prover.
pub struct Claims<'a, E> {
    /// Layout and relation.
    pub key: &'a PreparedKey,
    /// Public tensors.
    pub public: &'a PublicValues<'a>,
    /// Challenges of phases 1 and 2.
    pub point: &'a Point<E>,
    /// Address weights; `None` in a dry run, which has no claims.
    pub weights: Option<&'a AddressWeights<E>>,
    /// The point of phase 2.
    pub kappa: &'a [E],
}

impl<E: Challenge> Claims<'_, E> {
    /// Hands on the claims in order.
    pub fn give(&self, out: &mut impl ClaimSink<E>) {
        let (layout, relation, kappa) = (&self.key.layout, &self.key.key.relation, self.kappa);
        let Some(weights) = self.weights else { return };
        claims::phase1(relation, layout, self.point, weights, out);
        let linear = eq_index(kappa, layout.linear_at as u64);
        out.begin("left operand", &|| linear);
        claims::product_side(layout, self.point, weights, kappa, Side::Lhs, out);
        out.begin("right operand", &|| E::ZERO);
        claims::product_side(layout, self.point, weights, kappa, Side::Rhs, out);
        claims::linear_side(relation, layout, &self.key.key.visibility, self.point, weights, linear, out);
    }

    /// The claims as a list.
    #[must_use]
    pub fn list(&self) -> Vec<Claim<E>> {
        let mut out = List::new(&self.key.layout, self.public);
        self.give(&mut out);
        out.finish()
    }
}

/// A claim of phase 3 that a commitment's out-of-domain value makes.
#[derive(Clone, Debug)]
pub struct SampleClaim<E> {
    /// The tree.
    pub tree: usize,
    /// Where it is sampled.
    pub point: sample::Point<E>,
    /// The claimed value.
    pub value: E,
}

/// The claims of all samples, in the order of their trees; shared with the prover.
#[must_use]
pub fn samples<E: Challenge>(layout: &Layout, public: &PublicValues<'_>) -> Vec<SampleClaim<E>> {
    let of = |(tree, plan): (usize, &TreePlan)| {
        let sampled = public.sampled(plan.kind).filter(|_| plan.sampled)?;
        let height = layout.heights.get(plan.group).copied().unwrap_or(0);
        let point = sample::Point::of(&sampled.commitment, height, plan.columns);
        Some(SampleClaim { tree, point, value: sampled.value_in() })
    };
    layout.trees.iter().enumerate().filter_map(of).collect()
}

/// The functionals computed from relation and layout, in time linear in granules; nothing is read.
pub struct Computed<'a, E, T = InTurn> {
    tasks: &'a T,
    key: &'a PreparedKey,
    public: &'a PublicValues<'a>,
    /// Point and weights, once they are known and unless the run is dry.
    point: Option<(Point<E>, AddressWeights<E>)>,
    kappa: Vec<E>,
    gamma: E,
    samples: Vec<SampleClaim<E>>,
}

impl<'a, E: Challenge> Computed<'a, E> {
    /// Of a key and a statement's public data.
    #[must_use]
    pub fn new(key: &'a PreparedKey, public: &'a PublicValues<'a>) -> Self {
        Self::on(&InTurn, key, public)
    }
}

impl<'a, E: Challenge, T: Tasks> Computed<'a, E, T> {
    /// [`Computed::new`] with the work done by `tasks`.
    #[must_use]
    pub fn on(tasks: &'a T, key: &'a PreparedKey, public: &'a PublicValues<'a>) -> Self {
        let samples = samples(&key.layout, public);
        Self { tasks, key, public, point: None, kappa: Vec::new(), gamma: E::ZERO, samples }
    }

    fn list(&self) -> Option<Claims<'_, E>> {
        let (point, weights) = self.point.as_ref()?;
        Some(Claims { key: self.key, public: self.public, point, weights: Some(weights), kappa: &self.kappa })
    }

    /// The weight of every column at the common point, by tree, zeros behind lower columns included.
    pub fn weights(&self, tau: &[E]) -> Vec<Vec<E>> {
        let layout = &self.key.layout;
        let rows: usize = layout.tensors.iter().map(|t| t.dims.rows()).sum();
        let (shares, turns) = (self.tasks.shares_of(rows), Turns::default());
        let share = |_| {
            let mut own = AtPoint::share(layout, tau, self.gamma, Some(&turns));
            self.list().iter().for_each(|c| c.give(&mut own));
            own.finish()
        };
        let mut all = self.tasks.map(shares, share).into_iter();
        let mut omega = all.next().unwrap_or_default();
        for own in all {
            let pairs = omega.iter_mut().flatten().zip(own.iter().flatten());
            pairs.for_each(|(sum, w)| *sum += *w);
        }
        column_weights(layout, &self.samples, self.gamma, tau, &mut omega);
        omega
    }
}

impl<E: Challenge, T: Tasks> Functionals<E> for Computed<'_, E, T> {
    fn products(&mut self, ch: &mut Channel<'_, E>, point: &Point<E>) -> Result<E, ProofError> {
        if ch.is_dry() {
            return Ok(E::ZERO);
        }
        let (layout, relation) = (&self.key.layout, &self.key.key.relation);
        let weights = AddressWeights::new(relation, layout, &self.key.key.visibility, point, self.tasks);
        let mut out = -claims::phase2_public(relation, layout, point, &weights, self.tasks);
        for (o, w) in weights.outputs.iter().enumerate() {
            if let (Some(w), Some(values)) = (w, self.public.output(o)) {
                out += output_at(layout, o, w, values, self.tasks);
            }
        }
        self.point = Some((point.clone(), weights));
        Ok(out)
    }

    fn claims(&mut self, _: &mut Channel<'_, E>, kappa: &[E], gamma: E) -> Result<E, ProofError> {
        (self.kappa, self.gamma) = (kappa.to_vec(), gamma);
        let mut public = PublicParts::new(&self.key.layout, self.public);
        self.list().iter().for_each(|c| c.give(&mut public));
        // A sample's target is known: it is taken from the other side.
        let samples = self.samples.iter().rev().fold(E::ZERO, |a, s| a * gamma + s.value);
        let public = public.values.iter().rev().fold(E::ZERO, |a, v| a * gamma + *v);
        Ok(public - gamma.exp_u64(LINEAR_CLAIMS as u64) * samples)
    }

    fn columns(&mut self, _: &mut Channel<'_, E>, tau: &[E]) -> Result<Vec<Vec<E>>, ProofError> {
        Ok(self.weights(tau))
    }

    fn public_column(&mut self, tree: usize, tau: &[E]) -> E {
        let (layout, relation) = (&self.key.layout, &self.key.key.relation);
        let own = relation.tensors.iter().zip(&layout.tensors).enumerate().filter(|(_, (_, p))| p.tree == Some(tree));
        own.fold(E::ZERO, |a, (t, (_, placed))| {
            let height = layout.trees.get(tree).and_then(|p| layout.heights.get(p.group)).copied().unwrap_or(0);
            let point = tau.get(..height).unwrap_or_default();
            a + padded_at(&placed.dims, point, PublicCells::cells(self.public, t).unwrap_or_default(), self.tasks)
        })
    }
}

/// Of the weights of columns in the claims on tensors, each at its part of `tau`, those in all claims: samples are added,
/// and lower columns continued by zeros. Shared with the prover.
pub fn column_weights<E: Challenge>(
    layout: &Layout,
    samples: &[SampleClaim<E>],
    gamma: E,
    tau: &[E],
    omega: &mut [Vec<E>],
) {
    let mut power = gamma.exp_u64(LINEAR_CLAIMS as u64);
    for s in samples {
        let own = s.point.column_weights(tau.get(..s.point.at.len()).unwrap_or_default());
        omega.get_mut(s.tree).into_iter().flatten().zip(own).for_each(|(sum, w)| *sum += power * w);
        power *= gamma;
    }
    for (w, plan) in omega.iter_mut().zip(&layout.trees) {
        let height = layout.heights.get(plan.group).copied().unwrap_or(0);
        let above = tau.get(height..).unwrap_or_default().iter().fold(E::ONE, |a, x| a * (E::ONE - *x));
        w.iter_mut().for_each(|w| *w *= above);
    }
}

/// `sum eq(point, place) value` over values whose lines are padded to whole granules, the first at place 0.
fn padded_at<E: Challenge>(dims: &Dims, point: &[E], values: &[i64], tasks: &impl Tasks) -> E {
    let (low, high) = point.split_at(dims.granule.min(point.len()));
    let w = claims::SpaceWeights { rows: eq_segment(high, 0, dims.rows()), low: low.to_vec() };
    lines_at(dims, &w, values, tasks)
}

/// Phase 3: every claim to one point.
fn reduce<E: Challenge>(
    ch: &mut Channel<'_, E>,
    outline: &Outline,
    functionals: &mut impl Functionals<E>,
    kappa: &[E],
    targets: &[Value<E>],
) -> Result<sumcheck::Remaining<E>, ProofError> {
    let gamma = ch.challenge(label::GAMMA);
    let mut total = Value::known(-functionals.claims(ch, kappa, gamma)?);
    let mut power = E::ONE;
    for t in targets {
        total.add_scaled(t, power);
        power *= gamma;
    }
    let rounds = outline.heights.iter().copied().max().unwrap_or(0);
    sumcheck::verify(ch, label::PHASE3, rounds, 2, None, total)
}
