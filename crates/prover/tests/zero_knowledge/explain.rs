//! Coins under which the honest prover, given another witness, sends the messages of a given proof.
//!
//! They exist for every proof of a correct prover, which shows that each message has the same distribution for every
//! witness. Message comparison alone would miss joint dependencies.

use proveil_algebra::{E, F, Field, PrimeCharacteristicRing, TwoAdicField, eval_mle, ext_coords, ext_from_coords};
use proveil_protocol::channel::Shape;
use proveil_protocol::pads;
use proveil_protocol::sample::{Point, Sampled};
use proveil_prover::coins::{Chosen, Coins};
use proveil_prover::columns::{base_columns, coordinates, ext_columns};
use proveil_prover::lookups::{Fractions, Values};
use proveil_prover::{Committed, Deviation, Proof, Witness, lookups, prove_with};
use proveil_relation::decl::Home;
use proveil_relation::key::VerifyingKey;
use proveil_relation::layout::{Layout, TreeKind};
use proveil_verifier::{PreparedKey, begin, tree_coefficients};

use crate::replay::{Challenges, Parts, challenges};
use crate::simulator::script;
use crate::toy::World;

/// A mistake of the prover: what it does to its coins.
pub type Mistake<'a> = &'a dyn Fn(&mut Chosen);

/// No mistake.
pub fn none(_: &mut Chosen) {}

/// Rows that a column must have, by position.
pub type Wanted = Vec<(u64, Vec<F>)>;

/// Why a column cannot be explained.
#[derive(Debug, PartialEq, Eq)]
pub struct Determined {
    pub openings: usize,
    pub random: usize,
}

/// Random cells of a column so that its codeword has the wanted values, the others left to `coins`.
///
/// The column is `low(z) + z^from r(z)` with `r` of degree below `top`: `r` interpolates, plus a random multiple of the
/// polynomial that vanishes at the positions.
pub fn solve(
    low: &[F],
    from: usize,
    top: usize,
    wanted: &[(F, F)],
    coins: &Coins,
    name: &str,
) -> Result<Vec<F>, Determined> {
    if wanted.len() > top {
        return Err(Determined { openings: wanted.len(), random: top });
    }
    let at = |cells: &[F], z: F| cells.iter().rev().fold(F::ZERO, |a, c| a * z + *c);
    let (mut r, mut vanishing) = (vec![F::ZERO; top], vec![F::ONE]);
    for (z, value) in wanted {
        let target = (*value - at(&low[..from], *z)) * z.exp_u64(from as u64).inverse();
        let scale = (target - at(&r, *z)) * at(&vanishing, *z).inverse();
        r.iter_mut().zip(&vanishing).for_each(|(r, v)| *r += scale * *v);
        vanishing.insert(0, F::ZERO);
        for i in 0..vanishing.len() - 1 {
            let up = vanishing[i + 1];
            vanishing[i] -= *z * up;
        }
    }
    let mut free = vec![F::ZERO; top - wanted.len()];
    coins.stream(name, 0).fill(&mut free);
    for (i, s) in free.iter().enumerate() {
        vanishing.iter().enumerate().for_each(|(j, v)| r[i + j] += *s * *v);
    }
    Ok(r)
}

/// Random cells of all columns of a tree.
fn solve_tree(
    columns: &[Vec<F>],
    top: usize,
    rate: usize,
    wanted: &Wanted,
    coins: &Coins,
    name: &str,
) -> Result<Vec<Vec<F>>, Determined> {
    let height = columns.first().map_or(1, Vec::len);
    let omega = F::two_adic_generator(height.ilog2() as usize + rate);
    let column = |(c, cells): (usize, &Vec<F>)| {
        let at: Vec<(F, F)> = wanted.iter().map(|(i, row)| (omega.exp_u64(*i), row[c])).collect();
        solve(cells, height - top, top, &at, coins, &format!("{name} {c}"))
    };
    columns.iter().enumerate().map(column).collect()
}

/// Multiples of the polynomial that vanishes at the opened places, added to the random cells of three columns so that
/// the tree has the wanted sample.
fn fit_sample(columns: &mut [Vec<F>], top: usize, places: &[F], wanted: &Sampled) {
    let height = columns[0].len();
    let point = Point::<E>::of(&wanted.commitment, height.ilog2() as usize, columns.len());
    let at = |cells: &[F]| eval_mle(&cells.iter().map(|x| E::from(*x)).collect::<Vec<E>>(), &point.at);
    let mut vanishing = vec![F::ZERO; height];
    vanishing[height - top] = F::ONE;
    for z in places {
        for i in (height - top..height).rev() {
            let below = if i == height - top { F::ZERO } else { vanishing[i - 1] };
            vanishing[i] = below - *z * vanishing[i];
        }
    }
    let value = columns.iter().rev().fold(E::ZERO, |a, c| a * point.weight + at(c));
    // missing = t0 + t1 s + t2 s^2 in coordinates.
    let missing = ext_coords(&((wanted.value - value) * at(&vanishing).inverse()));
    let (s, q) = (ext_coords(&point.weight), ext_coords(&(point.weight * point.weight)));
    let inverse = (s[1] * q[2] - s[2] * q[1]).inverse();
    let t1 = (missing[1] * q[2] - missing[2] * q[1]) * inverse;
    let t2 = (s[1] * missing[2] - s[2] * missing[1]) * inverse;
    let t0 = missing[0] - t1 * s[0] - t2 * q[0];
    for (column, t) in columns.iter_mut().zip([t0, t1, t2]) {
        column.iter_mut().zip(&vanishing).for_each(|(x, v)| *x += t * *v);
    }
}

/// A proof with its challenges and messages.
pub struct Target {
    pub proof: Proof,
    pub drawn: Challenges,
    pub parts: Parts,
    /// The pads with which it was made, random cells included.
    pub pads: Vec<E>,
    /// Model, input and output as they were committed.
    given: [Option<Committed>; 3],
}

impl Target {
    /// Proves, with a mistake if there is one, and replays the verifier.
    pub fn new(world: &World, seed: u8, mistake: Mistake<'_>) -> Self {
        let coins = Coins::from_seed([seed; 32], &[b"target"]);
        let mut chosen = uniform(&world.key, &coins);
        mistake(&mut chosen);
        let pads = chosen[&("pads".to_string(), 0)].chunks(3).map(|c| ext_from_coords([c[0], c[1], c[2]])).collect();
        let coins = coins.choosing(chosen);
        let proof = prove_with(&world.key, &world.witness, &world.inputs(), &coins, Deviation::default()).unwrap();
        let start = begin(&world.key.digest, &proof.statement);
        let drawn = challenges(&world.key, &proof.statement, &proof.bytes, start).unwrap();
        let parts = Parts::new(&world.key, &proof);
        let given = [&world.model, &world.input, &world.output].map(Clone::clone);
        Self { proof, drawn, parts, pads, given }
    }

    /// The messages without their pads.
    pub fn bare(&self, key: &PreparedKey) -> Vec<E> {
        let pads = key.shape().message_pads;
        self.parts.padded.iter().zip(pads).map(|(sent, i)| *sent - self.pads[i as usize]).collect()
    }

    /// Rows of a tree with their positions.
    pub fn wanted(&self, key: &PreparedKey, tree: usize) -> Wanted {
        let group = key.layout.trees[tree].group;
        self.drawn.rows[group].iter().copied().zip(self.parts.rows[tree].iter().cloned()).collect()
    }
}

/// Uniform choices for every stream that a mistake may touch.
fn uniform(key: &PreparedKey, coins: &Coins) -> Chosen {
    let layout = &key.layout;
    let mut chosen = Chosen::new();
    let mut put = |label: String, index: usize, len: usize| {
        let mut v = vec![F::ZERO; len];
        coins.stream(&format!("uniform {label}"), index).fill(&mut v);
        chosen.insert((label, index), v);
    };
    let height = 1usize << pads::log_height(key.shape().pads, &key.key.params);
    put("pads".into(), 0, 3 * height);
    put("pad mask".into(), 0, 3 * height);
    for (t, plan) in layout.trees.iter().enumerate() {
        let top = plan.top.unwrap_or(0);
        match plan.kind {
            TreeKind::Trace => (0..plan.columns).for_each(|c| put(format!("tree {t}"), c, top)),
            TreeKind::Helper => (0..plan.columns).for_each(|c| put("helper".into(), c, 3 * top)),
            _ => {}
        }
        if plan.mask {
            (0..3).for_each(|k| put(format!("mask {t}"), k, 1 << layout.heights[plan.group]));
        }
    }
    chosen
}

/// The search for coins.
pub struct Explanation<'a> {
    pub target: &'a Target,
    pub witness: &'a Witness,
    /// Further rows of the model that were opened in other proofs.
    pub model_rows: &'a Wanted,
}

fn flatten(v: &[E]) -> Vec<F> {
    v.iter().flat_map(ext_coords).collect()
}

fn indexed(label: &str, columns: Vec<Vec<F>>) -> Chosen {
    columns.into_iter().enumerate().map(|(i, c)| ((label.to_string(), i), c)).collect()
}

impl Explanation<'_> {
    /// The world of the other witness, the proof that a prover with `mistake` makes there, and its bare messages.
    pub fn run(&self, key: &PreparedKey, mistake: Mistake<'_>) -> Result<(World, Proof, Vec<E>), Determined> {
        let world = self.world(key)?;
        let mut chosen = self.traces(&world)?;
        self.masks(&world, &mut chosen);
        let height = 1usize << pads::log_height(key.shape().pads, &key.key.params);
        chosen.insert(("pads".into(), 0), vec![F::ZERO; 3 * height]);
        let bare = Parts::new(key, &self.prove(&world, chosen.clone())).padded;
        self.pads(key, &bare, height, &mut chosen)?;
        mistake(&mut chosen);
        let proof = self.prove(&world, chosen);
        Ok((world, proof, bare))
    }

    fn prove(&self, world: &World, chosen: Chosen) -> Proof {
        let oracle = script(&self.target.drawn.all);
        let deviation = Deviation { transcript: Some(&oracle), ..Deviation::default() };
        let coins = Coins::from_seed([77; 32], &[]).choosing(chosen);
        prove_with(&world.key, self.witness, &world.inputs(), &coins, deviation).unwrap()
    }

    /// Commitments of model, input and output with the roots of the target, on an oracle that was programmed so: opened
    /// rows and samples are those of the target, the other leaves nobody sees.
    fn world(&self, key: &PreparedKey) -> Result<World, Determined> {
        let kinds = [TreeKind::Model, TreeKind::Input(0), TreeKind::Output(0)];
        let mut given = Vec::new();
        for (kind, target) in kinds.into_iter().zip(&self.target.given) {
            let t = key.layout.trees.iter().position(|p| p.kind == kind && p.top.is_some());
            given.push(match (t, target) {
                (Some(t), Some(target)) => Some(self.committed(key, t, target)?),
                _ => target.clone(),
            });
        }
        let mut given = given.into_iter();
        let [model, input, output] = std::array::from_fn(|_| given.next().flatten());
        Ok(World { key: key.clone(), witness: self.witness.clone(), model, input, output })
    }

    /// A tree of this witness with the root, the opened rows and the sample of the target's.
    fn committed(&self, key: &PreparedKey, t: usize, target: &Committed) -> Result<Committed, Determined> {
        let (layout, plan) = (&key.layout, &key.layout.trees[t]);
        let mut wanted = self.target.wanted(key, t);
        if plan.kind == TreeKind::Model {
            wanted.extend(self.model_rows.iter().cloned());
            wanted.sort_by_key(|(i, _)| *i);
            wanted.dedup_by_key(|(i, _)| *i);
        }
        let top = plan.top.unwrap();
        if wanted.len() == top {
            // The sample would be determined.
            return Err(Determined { openings: top + 1, random: top });
        }
        let mut columns = base_columns(layout, t, &self.witness.tensors);
        let tops = self.tree(layout, &key.key, t, &self.witness.tensors, &wanted)?;
        for (column, random) in columns.iter_mut().zip(tops) {
            let from = column.len() - top;
            column[from..].copy_from_slice(&random);
        }
        let omega = F::two_adic_generator(target.tree.log_leaves());
        let places: Vec<F> = wanted.iter().map(|(i, _)| omega.exp_u64(*i)).collect();
        fit_sample(&mut columns, top, &places, &target.sampled());
        let fitted = Committed::new(target.tree.with_columns(columns));
        assert_eq!(fitted.sampled(), target.sampled());
        Ok(fitted)
    }

    fn tree(
        &self,
        layout: &Layout,
        key: &VerifyingKey,
        tree: usize,
        cells: &[Vec<i64>],
        wanted: &Wanted,
    ) -> Result<Vec<Vec<F>>, Determined> {
        let top = layout.trees[tree].top.unwrap();
        let coins = Coins::from_seed([55; 32], &[&[tree as u8]]);
        let columns = base_columns(layout, tree, cells);
        solve_tree(&columns, top, usize::from(key.params.log_inv_rate), wanted, &coins, "column")
    }

    /// Random cells of trace and helpers.
    fn traces(&self, world: &World) -> Result<Chosen, Determined> {
        let (key, layout) = (&world.key.key, &world.key.layout);
        let counts = lookups::multiplicities(&key.relation, &self.witness.tuples, &self.witness.tables, false).unwrap();
        let own = |(cells, d): (&Vec<i64>, &proveil_relation::TensorDecl)| match &d.home {
            Home::Public(v) => v.clone(),
            _ => cells.clone(),
        };
        let mut cells: Vec<Vec<i64>> = self.witness.tensors.iter().zip(&key.relation.tensors).map(own).collect();
        cells.extend(counts.clone());
        let find = |k| layout.trees.iter().position(|p| p.kind == k).unwrap();
        let trace = find(TreeKind::Trace);
        let tops = self.tree(layout, key, trace, &cells, &self.target.wanted(&world.key, trace))?;
        let mut chosen = indexed(&format!("tree {trace}"), tops);

        let helper = find(TreeKind::Helper);
        let columns = self.helper_columns(world, &counts, helper);
        let wanted = self.target.wanted(&world.key, helper);
        let top = layout.trees[helper].top.unwrap();
        let coins = Coins::from_seed([56; 32], &[]);
        let tops = solve_tree(&columns, top, usize::from(key.params.log_inv_rate), &wanted, &coins, "helper")?;
        let join = |c: &[Vec<F>]| (0..top).flat_map(|i| [c[0][i], c[1][i], c[2][i]]).collect();
        chosen.extend(indexed("helper", tops.chunks(3).map(join).collect()));
        Ok(chosen)
    }

    fn helper_columns(&self, world: &World, counts: &[Vec<i64>], tree: usize) -> Vec<Vec<F>> {
        let (relation, layout) = (&world.key.key.relation, &world.key.layout);
        let (tuples, rows) = (Values::Integers(&self.witness.tuples), Values::Integers(&self.witness.tables));
        let fractions = Fractions::new(relation, layout, tuples, rows, counts, self.target.drawn.fingerprint);
        let cells = fractions.helpers().unwrap();
        coordinates(&ext_columns(layout, tree, layout.helper(relation), &cells))
    }

    /// Masks that make up for the other columns in the combination. The trees of this witness are made with their
    /// random cells by a proof without masks.
    fn masks(&self, world: &World, chosen: &mut Chosen) {
        let layout = &world.key.layout;
        for (t, plan) in layout.trees.iter().enumerate().filter(|(_, p)| p.mask) {
            let mut mask = self.target.parts.combinations[plan.group].clone();
            for (u, other) in layout.trees.iter().enumerate().filter(|(_, p)| p.group == plan.group) {
                let coeffs = tree_coefficients(other, &self.target.drawn.end.alpha[u]);
                for (column, coeff) in self.columns(world, chosen, u).iter().zip(coeffs) {
                    mask.iter_mut().zip(column).for_each(|(m, x)| *m -= coeff * *x);
                }
            }
            for k in 0..3 {
                chosen.insert((format!("mask {t}"), k), mask.iter().map(|x| ext_coords(x)[k]).collect());
            }
        }
    }

    /// Value columns of a tree with the random cells chosen for them.
    fn columns(&self, world: &World, chosen: &Chosen, tree: usize) -> Vec<Vec<F>> {
        let (relation, layout) = (&world.key.key.relation, &world.key.layout);
        let given = |c: &Option<proveil_prover::Committed>| c.as_ref().unwrap().tree.columns().to_vec();
        let counts = lookups::multiplicities(relation, &self.witness.tuples, &self.witness.tables, false).unwrap();
        match layout.trees[tree].kind {
            TreeKind::Model => given(&world.model),
            TreeKind::Input(_) => given(&world.input),
            TreeKind::Output(_) => given(&world.output),
            TreeKind::Mask => Vec::new(),
            TreeKind::Trace => {
                let mut cells = self.witness.tensors.clone();
                cells.extend(counts);
                let mut columns = base_columns(layout, tree, &cells);
                columns.iter_mut().enumerate().for_each(|(c, cells)| {
                    let top = &chosen[&(format!("tree {tree}"), c)];
                    let from = cells.len() - top.len();
                    cells[from..].copy_from_slice(top);
                });
                columns
            }
            TreeKind::Helper => {
                let mut columns = self.helper_columns(world, &counts, tree);
                columns.iter_mut().enumerate().for_each(|(c, cells)| {
                    let top = &chosen[&("helper".to_string(), c / 3)];
                    let from = cells.len() - top.len() / 3;
                    cells[from..].iter_mut().enumerate().for_each(|(i, x)| *x = top[3 * i + c % 3]);
                });
                columns
            }
        }
    }

    /// Pads that turn this witness's bare messages into those sent, and the pads' mask.
    fn pads(&self, key: &PreparedKey, bare: &[E], height: usize, chosen: &mut Chosen) -> Result<(), Determined> {
        let (shape, parts, drawn) = (key.shape(), &self.target.parts, &self.target.drawn);
        let mut p = pads_of(self.target, &shape, bare, height);
        let columns: Vec<Vec<F>> = (0..3).map(|k| p.iter().map(|x| ext_coords(x)[k]).collect()).collect();
        let wanted = drawn.pad_rows.iter().copied().zip(parts.pad_rows.iter().cloned()).collect();
        let coins = Coins::from_seed([57; 32], &[]);
        let rate = usize::from(key.key.params.pad_log_inv_rate);
        let tops = solve_tree(&columns, height - shape.pads, rate, &wanted, &coins, "pads")?;
        (0..height - shape.pads).for_each(|i| {
            p[shape.pads + i] = ext_from_coords([tops[0][i], tops[1][i], tops[2][i]]);
        });
        let mask: Vec<E> = parts.masked_pads.iter().zip(&p).map(|(v, p)| *v - drawn.epsilon * *p).collect();
        chosen.insert(("pads".into(), 0), flatten(&p));
        chosen.insert(("pad mask".into(), 0), flatten(&mask));
        Ok(())
    }
}

/// The pads that a proof has if its bare messages are as given, random cells zero.
pub fn pads_of(target: &Target, shape: &Shape, bare: &[E], height: usize) -> Vec<E> {
    let mut p = vec![E::ZERO; height];
    for (i, (sent, bare)) in shape.message_pads.iter().zip(target.parts.padded.iter().zip(bare)) {
        p[*i as usize] = *sent - *bare;
    }
    for (k, d) in shape.products.iter().zip(target.parts.reveals.chunks(2)) {
        p[k.x as usize] = target.drawn.triples * p[k.a as usize] - d[0];
        p[k.y as usize] = p[k.b as usize] - d[1];
        p[k.ab as usize] = p[k.a as usize] * p[k.b as usize];
        p[k.z as usize] = p[k.x as usize] * p[k.y as usize];
    }
    p
}
