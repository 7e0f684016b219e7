//! An accepted proof from the key's relation and the statement alone, on a programmed oracle.
//!
//! The commitments to model, input and output are sampled by the simulator too: a root that somebody else made cannot
//! be opened without its leaves, so the definition of zero knowledge has them inside the experiment.

use proveil_algebra::{E, F, InTurn, PrimeCharacteristicRing, TwoAdicField, ext_coords, ext_from_coords};
use proveil_protocol::channel::Channel;
use proveil_protocol::codec::Writer;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::pads;
use proveil_protocol::params::Params;
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::{Drawn, Transcript};
use proveil_prover::coins::Coins;
use proveil_prover::commit::Tree;
use proveil_prover::opening;
use proveil_relation::key::{IoValue, Statement, VerifyingKey};
use proveil_relation::layout::{TreeKind, TreePlan};
use proveil_verifier::phases;
use proveil_verifier::{PreparedKey, PublicValues, tree_coefficients};

use crate::replay::{Challenges, horner};

/// A simulated commitment and proof.
pub struct Simulated {
    pub key: PreparedKey,
    pub statement: Statement,
    pub proof: Vec<u8>,
    pub script: Vec<Drawn>,
}

struct Simulator {
    key: PreparedKey,
    statement: Statement,
    coins: Coins,
    trees: Vec<Tree>,
    pads: SimulatedPads,
    /// The commitment to a model that everybody knows.
    public: Option<Sampled>,
}

/// Rows of zeros under `columns`, salted.
pub fn placeholder(columns: Vec<Vec<F>>, rate: usize, seed: [u8; 32]) -> Tree {
    let rows = vec![F::ZERO; (columns[0].len() << rate) * columns.len()];
    Tree::commit(columns.clone(), rate, None).unwrap().with_rows(&rows, columns, Some(seed))
}

/// The simulated pads.
pub struct SimulatedPads {
    pub tree: Tree,
    coins: Coins,
    params: Params,
}

impl SimulatedPads {
    /// For proofs with the given number of pads.
    pub fn new(pads: usize, params: &Params, coins: &Coins) -> Self {
        let columns = vec![vec![F::ZERO; 1 << pads::log_height(pads, params)]; pads::WIDTH];
        let tree = placeholder(columns, usize::from(params.pad_log_inv_rate), coins.bytes("pad salts"));
        Self { tree, coins: coins.clone(), params: params.clone() }
    }

    /// Reveals and masked pads are uniform, the mask's part of the inner claim is what fits.
    pub fn inner_claim(&self, ch: &mut Channel<'_, E>, w: &mut Writer) {
        let mut s = self.coins.stream("reveals", 0);
        let reveal = |ch: &mut Channel<'_, E>, _| {
            let d = s.ext();
            w.element("triple reveal", &d);
            ch.transcript.absorb_elements("triple reveal", &[d]);
            Ok(d)
        };
        ch.triples(reveal).unwrap();
        let (c, t) = ch.combine();
        let epsilon: E = ch.transcript.challenge("inner claim");
        let v = self.masked_pads();
        let mu = c.iter().zip(&v).fold(-epsilon * t, |a, (x, y)| a + *x * *y);
        w.element("inner claim mask", &mu);
        v.iter().for_each(|x| w.element("masked pads", x));
        let params = &self.params;
        let log_height = pads::log_height(c.len(), params);
        let round = params.pad_query_round(log_height);
        if round.grinding_bits > 0 {
            w.bytes("pad nonce", &[0; 8]);
        }
        let log_domain = log_height + usize::from(params.pad_log_inv_rate);
        let positions = ch.transcript.positions("pad positions", log_domain, round.count);
        self.tree.open(&positions, &self.tree.rows(&positions), w);
    }

    fn masked_pads(&self) -> Vec<E> {
        let mut s = self.coins.stream("masked pads", 0);
        (0..1 << self.tree.log_height()).map(|_| s.ext()).collect()
    }

    /// Rows of the pads are uniform, rows of their mask are what fits.
    pub fn fill(&mut self, positions: &[u64], epsilon: E) {
        let v = self.masked_pads();
        let omega = F::two_adic_generator(self.tree.log_leaves());
        let mut rows = vec![F::ZERO; pads::WIDTH << self.tree.log_leaves()];
        let mut s = self.coins.stream("pad rows", 0);
        for i in positions {
            let p = s.ext();
            let m = horner(&v, omega.exp_u64(*i)) - epsilon * p;
            let row = &mut rows[*i as usize * pads::WIDTH..][..pads::WIDTH];
            row[..3].copy_from_slice(&ext_coords(&p));
            row[3..].copy_from_slice(&ext_coords(&m));
        }
        self.tree = self.tree.with_rows(&rows, self.tree.columns().to_vec(), Some(self.coins.bytes("pad salts")));
    }
}

impl Simulator {
    /// Columns of zeros but for the masks, which are uniform: the combination is then uniform.
    fn new(key: VerifyingKey, statement: Statement, public_model: Option<&Tree>, seed: u8) -> Self {
        let key = PreparedKey::new(key);
        let coins = Coins::from_seed([seed; 32], &[b"simulator"]);
        let params = &key.key.params;
        let tree = |(t, plan): (usize, &TreePlan)| match (plan.kind, public_model) {
            (TreeKind::Model, Some(tree)) => tree.clone(),
            _ => {
                let height = 1 << key.layout.heights[plan.group];
                let mut columns = vec![vec![F::ZERO; height]; plan.base_columns()];
                if plan.mask {
                    (0..3).for_each(|k| coins.stream("mask", 3 * t + k).fill(&mut columns[plan.columns + k]));
                }
                placeholder(columns, usize::from(params.log_inv_rate), coins.bytes(&format!("salts {t}")))
            }
        };
        let trees = key.layout.trees.iter().enumerate().map(tree).collect();
        let pads = SimulatedPads::new(key.shape().pads, params, &coins);
        Self { key, statement, coins, trees, pads, public: None }
    }

    /// Commitments and padded messages, which are uniform.
    fn head(&self) -> Writer {
        let mut w = Writer::new();
        let roots = |w: &mut Writer, kinds: &[TreeKind]| {
            for (tree, plan) in self.trees.iter().zip(&self.key.layout.trees) {
                if kinds.contains(&plan.kind) {
                    w.bytes("root", &tree.commitment().to_bytes());
                }
            }
        };
        roots(&mut w, &[TreeKind::Mask, TreeKind::Trace]);
        w.bytes("root", &self.pads.tree.commitment().to_bytes());
        roots(&mut w, &[TreeKind::Helper]);
        let mut s = self.coins.stream("messages", 0);
        (0..self.key.shape().messages).for_each(|_| w.element("message", &s.ext()));
        w
    }

    /// One pass over the protocol: proof bytes and what was drawn.
    fn pass(&self, mut transcript: Transcript) -> (Vec<u8>, Challenges) {
        transcript.record();
        let mut w = self.head();
        let head = w.as_bytes().to_vec();
        let public = PublicValues::new(&self.key, &self.statement).unwrap();
        let mut ch = Channel::<E>::new(transcript, &head, true);
        let end = phases::walk(&mut ch, &self.key, &public, &InTurn).unwrap();
        let mut groups = Vec::new();
        for (group, height) in self.key.layout.heights.iter().enumerate() {
            groups.push(ch.transcript.drawn().len());
            let (trees, coeffs) = self.group(&end.alpha, group);
            let params = &self.key.key.params;
            let tau = &end.tau[..*height];
            let v = opening::prove(&mut ch.transcript, &mut w, params, *height, &trees, &coeffs, tau).unwrap();
            end.tie(&mut ch, group, v).unwrap();
        }
        let inner = ch.transcript.drawn().len();
        self.pads.inner_claim(&mut ch, &mut w);
        let all = ch.transcript.drawn().to_vec();
        (w.as_bytes().to_vec(), Challenges::new(end, all, &groups, inner))
    }

    fn group(&self, alpha: &[Vec<E>], group: usize) -> (Vec<&Tree>, Vec<E>) {
        let plans = self.key.layout.trees.iter().enumerate().filter(|(_, p)| p.group == group);
        let mut out = (Vec::new(), Vec::new());
        plans.for_each(|(t, plan)| {
            out.0.push(&self.trees[t]);
            out.1.extend(tree_coefficients(plan, &alpha[t]));
        });
        out
    }

    /// Puts uniform rows into every hidden tree, and rows of the masks that fit the combination.
    fn fill_rows(&mut self, drawn: &Challenges) {
        let plans = self.key.layout.trees.clone();
        let mut rows: Vec<Vec<F>> = Vec::new();
        for (t, tree) in self.trees.iter().enumerate() {
            let mut all = vec![F::ZERO; tree.columns().len() << tree.log_leaves()];
            self.coins.stream("rows", t).fill(&mut all);
            rows.push(all);
        }
        for (t, plan) in plans.iter().enumerate().filter(|(_, p)| p.mask) {
            let columns = &self.trees[t].columns()[plan.columns..];
            let cells = |i: usize| ext_from_coords([columns[0][i], columns[1][i], columns[2][i]]);
            let mask: Vec<E> = (0..columns[0].len()).map(cells).collect();
            let omega = F::two_adic_generator(self.trees[t].log_leaves());
            for i in &drawn.rows[plan.group] {
                let mut value = horner(&mask, omega.exp_u64(*i));
                for (u, other) in plans.iter().enumerate().filter(|(_, p)| p.group == plan.group) {
                    let hidden = other.kind != TreeKind::Model || other.top.is_some();
                    let width = other.base_columns();
                    let own = if other.mask { other.columns } else { width };
                    let row = &rows[u][*i as usize * width..][..if hidden { own } else { 0 }];
                    let coeffs = tree_coefficients(other, &drawn.end.alpha[u]);
                    value -= row.iter().zip(coeffs).fold(E::ZERO, |a, (x, c)| a + c * *x);
                }
                let at = *i as usize * plan.base_columns() + plan.columns;
                rows[t][at..at + 3].copy_from_slice(&ext_coords(&value));
            }
        }
        for ((t, plan), rows) in plans.iter().enumerate().zip(rows) {
            if plan.kind != TreeKind::Model || plan.top.is_some() {
                let columns = self.trees[t].columns().to_vec();
                self.trees[t] = self.trees[t].with_rows(&rows, columns, Some(self.coins.bytes(&format!("salts {t}"))));
            }
        }
    }

    /// Puts the sampled commitments into key and statement.
    fn publish(&mut self) {
        let find = |kind| {
            let t = self.key.layout.trees.iter().position(|p| p.kind == kind);
            let value = |t| self.coins.stream("samples", t).ext();
            t.map(|t| Sampled { commitment: self.trees[t].commitment(), value: value(t) })
        };
        let put = |values: &mut Vec<IoValue>, kind: fn(u32) -> TreeKind| {
            for (k, v) in values.iter_mut().enumerate() {
                if let (IoValue::Committed(_), Some(sampled)) = (&v, find(kind(k as u32))) {
                    *v = IoValue::Committed(sampled);
                }
            }
        };
        put(&mut self.statement.inputs, TreeKind::Input);
        put(&mut self.statement.outputs, TreeKind::Output);
        let model = self.public.or(find(TreeKind::Model));
        self.key = PreparedKey::new(VerifyingKey { model, ..self.key.key.clone() });
    }
}

/// Simulates; commitments in `key` and `statement` are replaced by sampled ones.
pub fn simulate(key: VerifyingKey, statement: Statement, public_model: Option<&Tree>, seed: u8) -> Simulated {
    let public = key.model.filter(|_| public_model.is_some());
    let key = VerifyingKey { model: Some(Sampled::binding(Commitment::plain([0; 32]))), ..key };
    let mut s = Simulator::new(key, statement, public_model, seed);
    s.public = public;
    let mut oracle = Transcript::new("programmed oracle");
    oracle.absorb("seed", &[seed]);
    let (_, drawn) = s.pass(oracle);
    s.fill_rows(&drawn);
    s.pads.fill(&drawn.pad_rows, drawn.epsilon);
    s.publish();
    let (proof, _) = s.pass(script(&drawn.all));
    Simulated { key: s.key, statement: s.statement, proof, script: drawn.all }
}

/// A transcript that draws what is given.
pub fn script(drawn: &[Drawn]) -> Transcript {
    Transcript::scripted(proveil_relation::key::PROTOCOL, drawn.to_vec())
}
