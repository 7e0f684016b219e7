//! One check for each kernel: fast and slow must agree on every value, message and weight.

use proveil_algebra::{Challenge, E, F, InTurn, PrimeCharacteristicRing, base_from_i64, ext_coords};
use proveil_protocol::transcript::Transcript;
use proveil_prover::lookups::{Fractions, Values, zerocheck as zerocheck_of};
use proveil_prover::reference::{Combination, Reference, claim_round, eq, extension, round};
use proveil_prover::talk::Talk;
use proveil_prover::{columns as spread, products as contraction, reduce};
use proveil_relation::claims::{
    self as functionals, AddressWeights, AtPoint, Claim, ClaimSink, List, Point, PublicCells, PublicParts, Turns,
};
use proveil_relation::groups::Side;
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, Visibility};
use proveil_relation::layout::{Layout, TreeKind};
use proveil_relation::table::{Table, segment_moments};
use proveil_relation::terms::Source;
use proveil_relation::weights::{Entry, Low};
use proveil_relation::{Home, Relation};
use proveil_verifier::phases::output_at;

use crate::support::Rng;

/// Cell weights of every tensor.
pub type Weights = Vec<Vec<E>>;

/// A relation in a layout, with cells that satisfy nothing and a point.
pub struct Trial {
    pub name: String,
    pub relation: Relation,
    pub geometry: Geometry,
    pub visibility: Visibility,
    pub layout: Layout,
    /// `[tensor][cell]`, then multiplicities.
    pub values: Vec<Vec<i64>>,
    pub cells: Vec<Vec<F>>,
    pub point: Point<E>,
    pub seed: u64,
}

/// Public tensors of a trial.
struct Shown<'a>(&'a Trial);

impl PublicCells for Shown<'_> {
    fn cells(&self, tensor: usize) -> Option<&[i64]> {
        let shown = match self.0.relation.tensors.get(tensor)?.home {
            Home::Public(_) => true,
            Home::Input(k) => self.0.visibility.input(k) == IoVisibility::Public,
            _ => false,
        };
        shown.then(|| &self.0.values[tensor][..])
    }
}

impl Trial {
    /// Random cells of at most `size`, the visibilities repeated for as many inputs and outputs as there are.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        name: &str,
        relation: &Relation,
        log_height: u8,
        zero_knowledge: bool,
        inputs: &[IoVisibility],
        outputs: &[IoVisibility],
        seed: u64,
        size: i64,
    ) -> Self {
        let mut rng = Rng(seed);
        let visibility = Visibility {
            zero_knowledge,
            model: ModelVisibility::Private,
            inputs: inputs.iter().cycle().take(relation.inputs.len()).copied().collect(),
            outputs: outputs.iter().cycle().take(relation.outputs.len()).copied().collect(),
        };
        // Heights below, at and above the main one.
        let io = |n: usize| (0..n).map(|k| [6, log_height, log_height + 2][(k + seed as usize) % 3]).collect();
        let geometry = Geometry {
            log_height,
            model_top: 32,
            trace_top: 16,
            io_top: 32,
            inputs: io(relation.inputs.len()),
            outputs: io(relation.outputs.len()),
        };
        let layout = Layout::new(relation, &geometry, &visibility);
        let mut values: Vec<Vec<i64>> = Vec::new();
        for t in &relation.tensors {
            values.push(match &t.home {
                Home::Public(v) => v.clone(),
                _ => rng.many(t.cells(), -size, size),
            });
        }
        values.extend(relation.tables.iter().map(|t| rng.many(t.num_rows(), 0, 50)));
        let rho = (0..layout.nv.max(layout.out_vars)).map(|_| rng.element()).collect();
        let point = Point { alpha: rng.element(), beta: rng.element(), rho, delta: rng.element() };
        let (name, relation) = (name.into(), relation.clone());
        let mut out = Self { name, relation, geometry, visibility, layout, values, cells: vec![], point, seed };
        out.lift();
        out
    }

    /// Makes the field elements from the integers.
    pub fn lift(&mut self) {
        self.cells = self.values.iter().map(|t| t.iter().map(|v| base_from_i64(*v)).collect()).collect();
    }

    fn reference(&self) -> Reference<'_> {
        Reference::new(&self.relation, &self.geometry, &self.visibility)
    }

    fn counts(&self) -> &[Vec<i64>] {
        &self.values[self.relation.tensors.len()..]
    }

    /// Tuples and committed table rows, by the slow reference.
    fn looked_up(&self, r: &Reference<'_>) -> [Vec<Vec<Vec<F>>>; 2] {
        let base = |v: &Combination| {
            let [c, rest @ ..] = ext_coords(&v.total());
            assert_eq!(rest, [F::ZERO; 2]);
            c
        };
        let of = |l: &proveil_relation::Lookup| -> Vec<Vec<F>> {
            l.tuple.iter().map(|e| r.values(&self.cells, e, &l.space).iter().map(base).collect()).collect()
        };
        let rows = |t: &Table| -> Vec<Vec<F>> {
            let (space, columns) = t.expressions().unwrap_or_default();
            columns.iter().map(|e| r.values(&self.cells, e, space).iter().map(base).collect()).collect()
        };
        [self.relation.lookups.iter().map(of).collect(), self.relation.tables.iter().map(rows).collect()]
    }

    fn fractions<'a>(&'a self, [tuples, rows]: &'a [Vec<Vec<Vec<F>>>; 2]) -> Fractions<'a> {
        let Point { alpha, beta, .. } = self.point;
        let (tuples, rows) = (Values::Field(tuples), Values::Field(rows));
        Fractions::new(&self.relation, &self.layout, tuples, rows, self.counts(), [alpha, beta])
    }

    fn address_weights(&self) -> AddressWeights<E> {
        AddressWeights::new(&self.relation, &self.layout, &self.visibility, &self.point, &InTurn)
    }

    /// Weights of entries on every cell; nothing may lie on padding.
    fn dense(&self, r: &Reference<'_>, entries: &[Entry<E>]) -> Weights {
        let mut out = r.no_weights();
        for e in entries {
            let d = &self.layout.tensors[e.tensor].dims;
            for (i, row) in e.rows.iter().enumerate() {
                for (j, low) in e.low.iter().enumerate() {
                    let at = ((e.first + i) << e.granule) + j;
                    let (line, inside) = (at / d.padded_last(), at % d.padded_last());
                    match inside < d.last {
                        true => out[e.tensor][line * d.last + inside] += *row * *low,
                        false => assert_eq!(*row * *low, E::ZERO, "{}: padding", self.name),
                    }
                }
            }
        }
        out
    }
}

/// `sum weight * cell`.
fn inner(weights: &[Vec<E>], cells: &[Vec<F>]) -> E {
    weights.iter().zip(cells).flat_map(|(w, c)| w.iter().zip(c)).fold(E::ZERO, |a, (w, c)| a + *w * *c)
}

/// A vector continued to `2^bits` cells.
fn padded(v: &[E], bits: usize, pad: E) -> Vec<E> {
    let mut out = v.to_vec();
    out.resize(1 << bits, pad);
    out
}

fn talk() -> Talk<'static> {
    Talk::new(Transcript::new("reference"), None)
}

/// The challenges that follow messages sent so many a round.
fn replay(messages: &[E], degree: usize) -> Vec<E> {
    let mut t = Transcript::new("reference");
    let mut next = |s: &[E]| {
        s.iter().for_each(|x| t.absorb_elements("m", &[*x]));
        t.challenge("m")
    };
    messages.chunks(degree).map(&mut next).collect()
}

pub fn columns(t: &Trial) {
    let r = t.reference();
    let (name, l) = (&t.name, &t.layout);
    assert_eq!(l.trees.iter().map(|p| (p.kind, l.heights[p.group])).collect::<Vec<_>>(), r.trees, "{name}");
    assert_eq!(l.trees.iter().map(|p| p.columns).collect::<Vec<_>>(), r.columns, "{name}");
    assert_eq!((l.nv, l.tensors[l.helper(&t.relation)].dims.last), (r.nv, r.fill), "{name}");
    let mut rng = Rng(t.seed);
    let helper: Vec<E> = (0..r.fill).map(|_| rng.element()).collect();
    let mut extension = vec![Vec::new(); t.values.len()];
    extension.push(helper.clone());
    for (tree, plan) in l.trees.iter().enumerate() {
        if plan.kind == TreeKind::Helper {
            let fast = spread::ext_columns(l, tree, l.helper(&t.relation), &helper);
            assert_eq!(fast, r.spread(tree, &extension), "{name}, helpers");
        } else {
            assert_eq!(spread::base_columns(l, tree, &t.values), r.spread(tree, &t.cells), "{name}, tree {tree}");
        }
    }
}

pub fn fractions(t: &Trial) {
    let r = t.reference();
    let slow = r.fractions(&t.cells, t.counts(), t.point.alpha, t.point.beta);
    let looked_up = t.looked_up(&r);
    let fast = t.fractions(&looked_up);
    for (lane, (den, num)) in fast.dense().into_iter().enumerate() {
        assert_eq!(padded(&den, r.nv, t.point.alpha), slow.den[lane], "{}, lane {lane}", t.name);
        let num: Vec<E> = num.iter().map(|x| E::from(*x)).collect();
        assert_eq!(padded(&num, r.nv, E::ZERO), slow.num[lane], "{}, lane {lane}", t.name);
    }
    let helper = fast.helpers().expect("no pole");
    assert_eq!(padded(&helper, r.nv, E::ZERO), slow.helper, "{}", t.name);
}

pub fn zerocheck(t: &Trial) {
    let r = t.reference();
    let slow = r.fractions(&t.cells, t.counts(), t.point.alpha, t.point.beta);
    let looked_up = t.looked_up(&r);
    let fast = t.fractions(&looked_up);
    let mut rng = Rng(t.seed ^ 5);
    // A wrong helper as well: every message of the right one is zero at 0.
    let mut helper = fast.helpers().expect("no pole");
    helper.iter_mut().step_by(3).for_each(|h| *h += rng.element());
    let rho0: Vec<E> = (0..r.nv).map(|_| rng.element()).collect();
    let mut talk = talk();
    let (rho, ends) = zerocheck_of(&mut talk, "m", &rho0, helper.clone(), &fast);
    let helper = padded(&helper, r.nv, E::ZERO);
    let [d0, d1] = &slow.den;
    let [n0, n1] = &slow.num;
    let all: [&[E]; 5] = [&helper, d0, d1, n0, n1];
    assert_eq!(rho, replay(talk.raw(), 3), "{}", t.name);
    for (i, sent) in talk.raw().chunks(3).enumerate() {
        let term = |v: &[E], x: usize| eq(&rho0[i + 1..], x) * (v[0] * v[1] * v[2] - v[3] * v[2] - v[4] * v[1]);
        assert_eq!(sent, round(&all, &rho[..i], &[0, 2, 3], term), "{}, round {i}", t.name);
    }
    assert_eq!((rho.len(), ends), (r.nv, all.map(|v| extension(v, &rho))), "{}", t.name);
}

pub fn products(t: &Trial) {
    let r = t.reference();
    let (name, l, p) = (&t.name, &t.layout, &t.point);
    let weights = t.address_weights();
    let cells: Vec<contraction::Cells<'_>> = t.values.iter().map(|v| contraction::Cells::new(v)).collect();
    let mut fast = contraction::operands(l, p, &weights, &cells);
    let [a, b] = r.operands(p, l, &t.cells);
    assert!(fast[0] == a, "{name}: left operands differ");
    assert!(fast[1] == b, "{name}: right operands differ");
    let sum = r.combination(p, &t.cells);
    assert_eq!(a.iter().zip(&b).fold(E::ZERO, |s, (a, b)| s + *a * *b), sum.products, "{name}");

    let mut entries = Vec::new();
    functionals::linear_side(&t.relation, l, &t.visibility, p, &weights, E::ONE, &mut entries);
    let linear = contraction::linear_value(l, &entries, &cells);
    let slow = r.linear(p);
    assert!(t.dense(&r, &entries) == slow, "{name}: linear weights differ");
    assert_eq!(linear, inner(&slow, &t.cells), "{name}");
    assert_eq!(functionals::phase2_public(&t.relation, l, p, &weights, &InTurn), sum.public, "{name}");
    whole(t, &r, &weights, linear, &sum);

    fast[0][l.linear_at] = E::ONE;
    fast[1][l.linear_at] = linear;
    let [a, b] = [padded(&fast[0], l.nk, E::ZERO), padded(&fast[1], l.nk, E::ZERO)];
    let mut talk = talk();
    let (kappa, ends) = contraction::inner_product(&mut talk, "m", l.nk, fast);
    assert_eq!(kappa, replay(talk.raw(), 2), "{name}");
    for (i, sent) in talk.raw().chunks(2).enumerate() {
        assert_eq!(sent, round(&[&a, &b], &kappa[..i], &[0, 2], |v, _| v[0] * v[1]), "{name}, round {i}");
    }
    assert_eq!((kappa.len(), ends), (l.nk, [extension(&a, &kappa), extension(&b, &kappa)]), "{name}");
}

/// The parts of the combination against the whole: fingerprints at `rho` and values of outputs.
fn whole(t: &Trial, r: &Reference<'_>, weights: &AddressWeights<E>, linear: E, sum: &Combination) {
    let (name, p) = (&t.name, &t.point);
    let f = r.fractions(&t.cells, t.counts(), p.alpha, p.beta);
    let [d0, d1] = f.den.each_ref().map(|d| extension(d, &p.rho[..r.nv]));
    let mut claim = p.alpha * (E::ONE + p.delta) - d0 - p.delta * d1;
    let mut committed = E::ZERO;
    for (o, d) in t.relation.outputs.iter().enumerate() {
        let Some(slow) = r.address_weights(p, Source::Output(o)) else {
            assert!(weights.outputs[o].is_none(), "{name}, output {o}");
            continue;
        };
        let values = r.values(&t.cells, &d.expr, &d.space);
        claim += slow.iter().zip(&values).fold(E::ZERO, |a, (w, v)| a + *w * v.total());
        let fast = weights.outputs[o].as_ref().expect("weights of an output that is not private");
        let shown = Rng(t.seed + o as u64).many(slow.len(), -1000, 1000);
        let expected = slow.iter().zip(&shown).fold(E::ZERO, |a, (w, v)| a + *w * E::from_int(*v));
        assert_eq!(output_at(&t.layout, o, fast, &shown, &InTurn), expected, "{name}, output {o}");
        for (i, tensor) in t.relation.tensors.iter().enumerate() {
            if tensor.home == Home::Output(o as u32) && t.visibility.outputs[o] == IoVisibility::Committed {
                committed += inner(std::slice::from_ref(&slow), &t.cells[i..]);
            }
        }
    }
    assert_eq!(claim, sum.total(), "{name}");
    assert_eq!(linear + committed, sum.linear, "{name}");
}

/// Settles entries and compares public part and weights with those of all cells.
fn settled(t: &Trial, r: &Reference<'_>, constant: E, entries: Vec<Entry<E>>, slow: &mut Weights) -> Claim<E> {
    let shown = Shown(t);
    let (mut list, mut parts) = (List::new(&t.layout, &shown), PublicParts::new(&t.layout, &shown));
    give("claim", constant, &entries, &mut list);
    give("claim", constant, &entries, &mut parts);
    let claim = list.finish().remove(0);
    assert_eq!(parts.values, [claim.public], "{}", t.name);
    let mut public = constant;
    for (i, w) in slow.iter_mut().enumerate().take(t.relation.tensors.len()) {
        if r.places[i].is_empty() && Shown(t).cells(i).is_some() {
            public += inner(&[std::mem::replace(w, vec![E::ZERO; w.len()])], &t.cells[i..]);
        }
    }
    assert_eq!(claim.public, public, "{}", t.name);
    assert!(t.dense(r, &claim.entries) == *slow, "{}: settled weights differ", t.name);
    claim
}

/// Hands a claim on.
fn give(name: &'static str, constant: E, entries: &[Entry<E>], out: &mut impl ClaimSink<E>) {
    out.begin(name, &|| constant);
    let wanted = |e: &&Entry<E>| out.wants(e.tensor);
    let entries: Vec<&Entry<E>> = entries.iter().filter(wanted).collect();
    entries
        .into_iter()
        .for_each(|e| out.take(e.tensor, e.granule, (e.first, (&e.rows).into()), Low::Cells((&e.low).into())));
}

/// All claims of phases 1 and 2 with their weights on cells.
fn both(t: &Trial, r: &Reference<'_>, rng: &mut Rng) -> Vec<(Claim<E>, Weights)> {
    let (name, l, p) = (&t.name, &t.layout, &t.point);
    let mut out = Vec::new();
    let shown = Shown(t);
    let mut fast = List::new(l, &shown);
    let weights = t.address_weights();
    functionals::phase1(&t.relation, l, p, &weights, &mut fast);
    let fast = fast.finish();
    let slow = r.phase1(p);
    assert_eq!(fast.len(), slow.len(), "{name}");
    for (claim, (public, weights)) in fast.into_iter().zip(slow) {
        assert_eq!(claim.public, public, "{name}, {}", claim.name);
        assert!(t.dense(r, &claim.entries) == weights, "{name}, {}: weights differ", claim.name);
        out.push((claim, weights));
    }
    let kappa: Vec<E> = (0..l.nk).map(|_| rng.element()).collect();
    for side in [Side::Lhs, Side::Rhs] {
        let mut entries = Vec::new();
        functionals::product_side(l, p, &weights, &kappa, side, &mut entries);
        let mut slow = r.operand_weights(p, l, &kappa, side);
        assert!(t.dense(r, &entries) == slow, "{name}, {side:?}: weights differ");
        if side == Side::Rhs {
            let scale = eq(&kappa, l.linear_at);
            functionals::linear_side(&t.relation, l, &t.visibility, p, &weights, scale, &mut entries);
            let linear = r.linear(p);
            slow.iter_mut().flatten().zip(linear.iter().flatten()).for_each(|(a, b)| *a += scale * *b);
        }
        let claim = settled(t, r, rng.element(), entries, &mut slow);
        out.push((claim, slow));
    }
    out
}

/// Weights of every column of every tree when claims are weighted.
fn omega(r: &Reference<'_>, claims: &[(Claim<E>, Weights)], gamma: &[E]) -> Vec<Vec<Vec<E>>> {
    let mut sum = r.no_weights();
    for ((_, w), g) in claims.iter().zip(gamma) {
        sum.iter_mut().flatten().zip(w.iter().flatten()).for_each(|(a, b)| *a += *g * *b);
    }
    (0..r.trees.len()).map(|t| r.spread(t, &sum)).collect()
}

pub fn claims(t: &Trial) {
    let r = t.reference();
    let mut rng = Rng(t.seed ^ 7);
    let claims = both(t, &r, &mut rng);
    let gamma: E = rng.element();
    let powers: Vec<E> = (0..claims.len() as u64).map(|i| gamma.exp_u64(i)).collect();
    let tau: Vec<E> = (0..t.layout.heights.iter().copied().max().unwrap_or(0)).map(|_| rng.element()).collect();
    let mut fast = AtPoint::new(&t.layout, &tau, gamma);
    claims.iter().for_each(|(c, _)| give(c.name, c.public, &c.entries, &mut fast));
    let at = |(tree, columns): (usize, &Vec<Vec<E>>)| -> Vec<E> {
        columns.iter().map(|c| extension(c, &tau[..r.trees[tree].1])).collect()
    };
    let slow: Vec<Vec<E>> = omega(&r, &claims, &powers).iter().enumerate().map(at).collect();
    assert_eq!(fast.finish(), slow, "{}", t.name);
}

/// Shares of the functionals add up to all of them, each taken once.
/// All that the claims of phases 1 and 2 say of tensors.
fn all(t: &Trial, weights: &AddressWeights<E>, kappa: &[E], scale: E, out: &mut impl ClaimSink<E>) {
    functionals::phase1(&t.relation, &t.layout, &t.point, weights, out);
    for side in [Side::Lhs, Side::Rhs] {
        out.begin("operand", &|| E::ZERO);
        functionals::product_side(&t.layout, &t.point, weights, kappa, side, out);
    }
    functionals::linear_side(&t.relation, &t.layout, &t.visibility, &t.point, weights, scale, out);
}

pub fn shares(t: &Trial) {
    let mut rng = Rng(t.seed ^ 11);
    let (gamma, scale) = (rng.element(), rng.element());
    let weights = t.address_weights();
    let kappa: Vec<E> = (0..t.layout.nk).map(|_| rng.element()).collect();
    let tau: Vec<E> = (0..t.layout.heights.iter().copied().max().unwrap_or(0)).map(|_| rng.element()).collect();
    let share = |turns: Option<&Turns>| {
        let mut out = AtPoint::share(&t.layout, &tau, gamma, turns);
        all(t, &weights, &kappa, scale, &mut out);
        out.finish()
    };
    let whole = share(None);
    // Products and whole lines are evaluated without their rows, which a list has.
    let shown = Shown(t);
    let (mut list, mut listed) = (List::new(&t.layout, &shown), AtPoint::new(&t.layout, &tau, gamma));
    all(t, &weights, &kappa, scale, &mut list);
    list.finish().iter().for_each(|c| give(c.name, c.public, &c.entries, &mut listed));
    assert_eq!(listed.finish(), whole, "{}", t.name);
    for shares in [1, 2, 3] {
        let turns = Turns::default();
        let parts: Vec<Vec<Vec<E>>> = std::thread::scope(|s| {
            let own: Vec<_> = (0..shares).map(|_| s.spawn(|| share(Some(&turns)))).collect();
            own.into_iter().map(|t| t.join().unwrap()).collect()
        });
        // Whoever comes when all is done has nothing to do.
        assert!(share(Some(&turns)).concat().iter().all(|x| *x == E::ZERO), "{}", t.name);
        let mut sum = vec![E::ZERO; whole.concat().len()];
        parts.iter().for_each(|p| sum.iter_mut().zip(p.concat()).for_each(|(s, x)| *s += x));
        assert_eq!(sum, whole.concat(), "{}, {shares} shares", t.name);
    }
}

/// The sample of a tree with random weights, and what it adds to the weights of the tree's cells.
struct DenseSample {
    weight: E,
    power: E,
    at: Vec<E>,
    cells: Vec<E>,
}

impl DenseSample {
    fn new(height: usize, columns: &[Vec<E>], rng: &mut Rng) -> Self {
        let (weight, power) = (rng.element(), rng.element());
        let at = (0..height).map(|_| rng.element()).collect();
        let cell = |i: usize| columns.iter().rev().fold(E::ZERO, |a, c| a * power + c[i]);
        Self { weight, power, at, cells: (0..1 << height).map(cell).collect() }
    }

    fn claim(&self) -> reduce::Weighted<'_> {
        reduce::Weighted { weight: self.weight, at: &self.at, cells: &self.cells }
    }

    fn weigh(&self, columns: &mut [Vec<E>]) {
        let mut scale = self.weight;
        for c in columns {
            c.iter_mut().enumerate().take(self.cells.len()).for_each(|(i, w)| *w += scale * eq(&self.at, i));
            scale *= self.power;
        }
    }
}

pub fn reduction(t: &Trial) {
    let r = t.reference();
    let mut rng = Rng(t.seed ^ 9);
    let claims = both(t, &r, &mut rng);
    let gamma: Vec<E> = claims.iter().map(|_| rng.element()).collect();
    let weighted: Vec<(E, &Claim<E>)> = gamma.iter().copied().zip(claims.iter().map(|c| &c.0)).collect();
    let mut base: Vec<Vec<Vec<F>>> = Vec::new();
    let mut ext: Vec<Vec<Vec<E>>> = Vec::new();
    for ((kind, height), n) in r.trees.iter().zip(&r.columns) {
        let mut column = || (0..1 << height).map(|_| rng.element()).collect::<Vec<E>>();
        let elements: Vec<Vec<E>> = (0..*n).map(|_| column()).collect();
        let first = |c: &Vec<E>| c.iter().map(|x| ext_coords(x)[0]).collect();
        base.push(elements.iter().map(first).collect());
        ext.push(if *kind == TreeKind::Helper { elements } else { Vec::new() });
    }
    for ((kind, _), (b, e)) in r.trees.iter().zip(base.iter().zip(&mut ext)) {
        if *kind != TreeKind::Helper {
            *e = b.iter().map(|c| c.iter().map(|x| E::from(*x)).collect()).collect();
        }
    }
    let mut cells: Vec<Vec<reduce::Cells<'_>>> = Vec::new();
    for ((kind, _), (b, e)) in r.trees.iter().zip(base.iter().zip(&ext)) {
        cells.push(match kind {
            TreeKind::Helper => e.iter().map(|c| reduce::Cells::Ext(c)).collect(),
            _ => b.iter().map(|c| reduce::Cells::Base(c)).collect(),
        });
    }
    let sample =
        |((_, height), columns): (&(TreeKind, usize), &Vec<Vec<E>>)| DenseSample::new(*height, columns, &mut rng);
    let samples: Vec<DenseSample> = r.trees.iter().zip(&ext).map(sample).collect();
    let list: Vec<reduce::Weighted<'_>> = samples.iter().map(DenseSample::claim).collect();
    let mut talk = talk();
    let list = reduce::Claims { linear: &weighted, samples: &list };
    let reduce::Reduced { tau, values, weights } = reduce::reduce(&mut talk, "m", &t.layout, &list, &cells);
    drop(cells);
    assert_eq!(tau, replay(talk.raw(), 2), "{}", t.name);
    assert_eq!(tau.len(), r.trees.iter().map(|p| p.1).max().unwrap_or(0), "{}", t.name);
    let mut omega = omega(&r, &claims, &gamma);
    let at = |(c, p): (&Vec<Vec<E>>, &(TreeKind, usize))| -> Vec<E> {
        c.iter().map(|c| extension(c, &tau[..p.1])).collect()
    };
    assert_eq!(weights, omega.iter().zip(&r.trees).map(at).collect::<Vec<_>>(), "{}", t.name);
    omega.iter_mut().zip(&samples).for_each(|(weights, s)| s.weigh(weights));
    assert_eq!(values, ext.iter().zip(&r.trees).map(at).collect::<Vec<_>>(), "{}", t.name);
    let lines: Vec<(Vec<E>, Vec<E>)> = omega.into_iter().flatten().zip(ext.into_iter().flatten()).collect();
    for (i, sent) in talk.raw().chunks(2).enumerate() {
        assert_eq!(sent, claim_round(&lines, &tau[..i]), "{}, round {i}", t.name);
    }
}

pub fn tables(relation: &Relation) {
    let mut rng = Rng(41);
    for t in relation.tables.iter().filter(|t| t.expressions().is_none()) {
        let bits = proveil_algebra::log2_ceil(t.num_rows()) + 2;
        let pt: Vec<E> = (0..bits).map(|_| rng.element()).collect();
        let one = rng.element();
        let powers: Vec<E> = (0..t.width()).map(|_| rng.element()).collect();
        for _ in 0..4 {
            let start = rng.below((1 << bits) - t.num_rows());
            let row = |(i, row): (usize, &Vec<i64>)| {
                let w = row.iter().zip(&powers).fold(one, |a, (v, p)| a + *p * E::from_int(*v));
                eq(&pt, start + i) * w
            };
            let slow = t.materialise().iter().enumerate().map(row).sum::<E>();
            assert_eq!(t.evaluate(&pt, start, one, &powers), slow, "{} from {start}", t.name);
            let moments = (0..t.num_rows()).fold((E::ZERO, E::ZERO), |(a, b), i| {
                let e = eq(&pt, start + i);
                (a + e, b + e * E::from_int(i as i64))
            });
            assert_eq!(segment_moments(&pt, start, t.num_rows()), moments, "{} from {start}", t.name);
        }
    }
}
