//! Three arrangements of the same look-ups, timed side by side: `arrangements [LOG_CELLS...]`.
//!
//! *Committed fractions*, the one in use: the sums of two fractions each are committed, one zerocheck ties them to their
//! denominators. *A tree of fractions* (Papini, Haböck 2023/1284): nothing is committed, every layer of the tree of sums
//! is a sumcheck of its own. *One-hot columns*: a column of zeros and ones for each table row; its commitment alone is
//! timed here, the check that cells are 0 or 1 comes on top.
#![forbid(unsafe_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use proveil_algebra::{E, F, Field, PrimeCharacteristicRing, eq_table, eval_mle};
use proveil_protocol::transcript::Transcript;
use proveil_prover::commit::Tree;
use proveil_prover::lookups::{Fractions, Values, multiplicities, zerocheck};
use proveil_prover::packed::{self, load, total};
use proveil_prover::talk::Talk;
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, Visibility};
use proveil_relation::layout::Layout;
use proveil_relation::{Home, Input, Relation};
use rayon::prelude::*;
use support::Rng;
use support::relations::{at, cells, lookup, ramp, tensor};

/// Rows of the table.
const ROWS: u32 = 1 << 10;
/// Rows of the small table of the one-hot columns.
const SMALL: usize = 16;
/// log2 of the inverse rate and of the columns' height.
const RATE: usize = 2;
const LOG_HEIGHT: usize = 14;
const RUNS: usize = 9;

/// Pairs that one task takes.
const TASK: usize = 512;

fn main() {
    let logs: Vec<u32> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let logs = if logs.is_empty() { vec![14, 16, 18] } else { logs };
    println!("least of {RUNS} runs in ms; {} threads; rate 2^-{RATE}", rayon::current_num_threads());
    println!(
        "log2 cells  committed: sums + tree + zerocheck = all, messages   tree of fractions: all, messages   one-hot"
    );
    for log in logs {
        rayon::scope(|_| compare(log));
    }
}

fn compare(log: u32) {
    let mut rng = Rng(7);
    let (side, other) = (1u32 << (log / 2), 1u32 << log.div_ceil(2));
    let relation = Relation {
        tensors: vec![tensor("x", &[side, other], Home::Input(0))],
        tables: vec![ramp("digit", 0, ROWS)],
        lookups: vec![lookup("x", &[side, other], 0, vec![cells(at(0, &[0, 1]))])],
        inputs: vec![Input { tensor: 0, lo: 0, hi: i64::from(ROWS) - 1 }],
        outputs: vec![],
    };
    let tuples = vec![vec![rng.many(1 << log, 0, i64::from(ROWS) - 1)]];
    let geometry = Geometry {
        log_height: LOG_HEIGHT as u8,
        model_top: 32,
        trace_top: 32,
        io_top: 32,
        inputs: vec![12],
        outputs: vec![],
    };
    let visibility = Visibility {
        zero_knowledge: true,
        model: ModelVisibility::Private,
        inputs: vec![IoVisibility::Private],
        outputs: vec![],
    };
    let layout = Layout::new(&relation, &geometry, &visibility);
    let rows: Vec<Vec<Vec<i64>>> = vec![vec![]];
    let counts = multiplicities(&relation, &tuples, &rows, false).expect("every tuple is a row");
    let challenges = [rng.element(), rng.element()];
    let rho: Vec<E> = (0..layout.nv).map(|_| rng.element()).collect();
    let fractions = || {
        let (tuples, rows) = (Values::Integers(&tuples), Values::Integers(&rows));
        Fractions::new(&relation, &layout, tuples, rows, &counts, challenges)
    };
    let mut least = [f64::MAX; 5];
    let mut messages = [0; 2];
    for _ in 0..RUNS {
        let (sums, helper) = timed(|| fractions().helpers().expect("no pole"));
        let columns = columns(&helper);
        let (tree, _) = timed(|| Tree::commit_once(columns, RATE, Some([7; 32])).expect("one height"));
        let mut talk = Talk::new(Transcript::new("committed"), None);
        let (check, _) = timed(|| zerocheck(&mut talk, "round", &rho, helper, &fractions()));
        messages[0] = 3 * rho.len();
        let (layers, sent) = timed(|| fraction_tree(&fractions()));
        messages[1] = sent;
        let hot = one_hot(&tuples[0][0]);
        let (hot, _) = timed(|| Tree::commit_once(hot, RATE, Some([7; 32])).expect("one height"));
        for (l, t) in least.iter_mut().zip([sums, tree, check, layers, hot]) {
            *l = l.min(t);
        }
    }
    let [sums, tree, check, layers, hot] = least;
    let all = sums + tree + check;
    println!(
        "{log:>10}  {sums:>9.2} + {tree:.2} + {check:.2} = {all:.2}, {}   {layers:>24.2}, {}   {hot:>10.2}",
        messages[0], messages[1]
    );
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let clock = Instant::now();
    let out = work();
    (clock.elapsed().as_secs_f64() * 1e3, out)
}

/// Coordinates of the helper, cut into columns.
fn columns(helper: &[E]) -> Vec<Vec<F>> {
    let column = |part: &[E], c: usize| {
        let mut column: Vec<F> = part.iter().map(|x| proveil_algebra::ext_coords(x)[c]).collect();
        column.resize(1 << LOG_HEIGHT, F::ZERO);
        column
    };
    helper.chunks(1 << LOG_HEIGHT).flat_map(|part| [0, 1, 2].map(|c| column(part, c))).collect()
}

/// A column for each of [`SMALL`] rows.
fn one_hot(cells: &[i64]) -> Vec<Vec<F>> {
    let column = |part: &[i64], row: usize| {
        let mut out: Vec<F> = part.iter().map(|x| F::from_bool(*x as usize % SMALL == row)).collect();
        out.resize(1 << LOG_HEIGHT, F::ZERO);
        out
    };
    cells.chunks(1 << LOG_HEIGHT).flat_map(|p| (0..SMALL).map(|r| column(p, r)).collect::<Vec<_>>()).collect()
}

/// Numerators and denominators of one layer: even places, then odd ones.
struct Layer {
    num: [Vec<E>; 2],
    den: [Vec<E>; 2],
}

impl Layer {
    /// The sums of pairs.
    fn above(&self) -> (Vec<E>, Vec<E>) {
        let ([n0, n1], [d0, d1]) = (&self.num, &self.den);
        let task = |i: usize| {
            let range = i * TASK..n0.len().min((i + 1) * TASK);
            let (mut num, mut den) = (vec![E::ZERO; range.len()], vec![E::ZERO; range.len()]);
            let w = packed::WIDTH;
            for at in (0..range.len()).step_by(w) {
                if at + w > range.len() {
                    for k in at..range.len() {
                        let j = range.start + k;
                        (num[k], den[k]) = (n0[j] * d1[j] + n1[j] * d0[j], d0[j] * d1[j]);
                    }
                    break;
                }
                let [a, b, c, d] = [n0, n1, d0, d1].map(|v| load(&v[range.start + at..], 1));
                packed::store(&(a * d + b * c), &mut num[at..]);
                packed::store(&(c * d), &mut den[at..]);
            }
            (num, den)
        };
        let parts: Vec<_> = (0..n0.len().div_ceil(TASK)).into_par_iter().map(task).collect();
        let (num, den): (Vec<Vec<E>>, Vec<Vec<E>>) = parts.into_iter().unzip();
        (num.concat(), den.concat())
    }

    fn of(num: &[E], den: &[E]) -> Self {
        let split = |v: &[E]| [0, 1].map(|k| v.iter().skip(k).step_by(2).copied().collect::<Vec<E>>());
        Self { num: split(num), den: split(den) }
    }
}

/// Proves that all fractions add up to 0 layer by layer; returns the number of elements sent. The last claims are compared
/// with the leaves.
fn fraction_tree(f: &Fractions<'_>) -> usize {
    let [(d0, n0), (d1, n1)] = f.dense();
    let size = (2 * f.len).next_power_of_two();
    let mut num: Vec<E> = n0.iter().chain(&n1).map(|x| E::from(*x)).collect();
    let mut den: Vec<E> = d0.into_iter().chain(d1).collect();
    num.resize(size, E::ZERO);
    den.resize(size, E::ONE);
    let leaves = (num.clone(), den.clone());
    let mut layers = Vec::new();
    while num.len() > 1 {
        let layer = Layer::of(&num, &den);
        (num, den) = layer.above();
        layers.push(layer);
    }
    assert!(num[0].is_zero() && !den[0].is_zero(), "all look-ups are answered");
    let mut transcript = Transcript::new("tree of fractions");
    let (mut point, mut claim, mut sent) = (Vec::new(), [num[0], den[0]], 1);
    for layer in layers.into_iter().rev() {
        let weight: E = transcript.challenge("weight");
        let (mut next, ends) = layer_sumcheck(&mut transcript, layer, weight, &point, claim);
        sent += 3 * point.len() + 4;
        let r: E = transcript.challenge("place");
        let at = |v: [E; 2]| v[0] + r * (v[1] - v[0]);
        claim = [at([ends[0], ends[1]]), at([ends[2], ends[3]])];
        next.insert(0, r);
        point = next;
    }
    assert_eq!(claim, [eval_mle(&leaves.0, &point), eval_mle(&leaves.1, &point)]);
    sent
}

/// One layer: `sum eq(point, i) (n0 d1 + n1 d0 + weight d0 d1) = claim`. Returns the new point and `n0, n1, d0, d1` there.
fn layer_sumcheck(
    transcript: &mut Transcript,
    layer: Layer,
    weight: E,
    point: &[E],
    claim: [E; 2],
) -> (Vec<E>, [E; 4]) {
    let Layer { num: [mut n0, mut n1], den: [mut d0, mut d1] } = layer;
    // (n0 + weight d0) d1 + n1 d0
    packed::add_scaled(&mut n0, weight, &d0);
    let (mut claim, mut scale, mut challenges) = (claim[0] + weight * claim[1], E::ONE, Vec::new());
    for (i, x) in point.iter().enumerate() {
        let eq = eq_table(&point[i + 1..]);
        let [zero, lead] = round(&eq, &n0, &n1, &d0, &d1).map(|y| y * scale);
        // The polynomial is (1 - x + (2 x - 1) X) times one of degree 2, of which value at 0 and leading coefficient are sent.
        let at_one = (claim - (E::ONE - *x) * zero) * x.inverse();
        transcript.absorb_elements("round", &[zero, lead]);
        let r: E = transcript.challenge("round");
        let inner = zero + r * (at_one - zero - lead + r * lead);
        let factor = E::ONE - *x - r + (*x * r).double();
        (claim, scale) = (inner * factor, scale * factor);
        for v in [&mut n0, &mut n1, &mut d0, &mut d1] {
            *v = packed::fold(v, r, E::ZERO);
        }
        challenges.push(r);
    }
    let ends = [n0[0] - weight * d0[0], n1[0], d0[0], d1[0]];
    assert_eq!(claim, scale * (n0[0] * d1[0] + n1[0] * d0[0]), "the layer's claim");
    transcript.absorb_elements("ends", &ends);
    (challenges, ends)
}

/// `sum eq (n0 d1 + n1 d0)(X)` at 0 and its leading coefficient.
fn round(eq: &[E], n0: &[E], n1: &[E], d0: &[E], d1: &[E]) -> [E; 2] {
    let w = packed::WIDTH;
    let task = |k: usize| {
        let (from, to) = (k * TASK, eq.len().min((k + 1) * TASK));
        let whole = from + (to - from) / w * w;
        let (mut zero, mut lead) = (packed::Pack::ZERO, packed::Pack::ZERO);
        for at in (from..whole).step_by(w) {
            let lo = [n0, n1, d0, d1].map(|v| load(&v[2 * at..], 2));
            let hi = [n0, n1, d0, d1].map(|v| load(&v[2 * at + 1..], 2));
            let dif = [hi[0] - lo[0], hi[1] - lo[1], hi[2] - lo[2], hi[3] - lo[3]];
            let e = load(&eq[at..], 1);
            zero += e * (lo[0] * lo[3] + lo[1] * lo[2]);
            lead += e * (dif[0] * dif[3] + dif[1] * dif[2]);
        }
        let mut out = [total(&zero), total(&lead)];
        for at in whole..to {
            let lo = [n0, n1, d0, d1].map(|v| v[2 * at]);
            let dif = [n0, n1, d0, d1].map(|v| v[2 * at + 1] - v[2 * at]);
            out[0] += eq[at] * (lo[0] * lo[3] + lo[1] * lo[2]);
            out[1] += eq[at] * (dif[0] * dif[3] + dif[1] * dif[2]);
        }
        out
    };
    let add = |a: [E; 2], b: [E; 2]| [a[0] + b[0], a[1] + b[1]];
    (0..eq.len().div_ceil(TASK)).into_par_iter().map(task).reduce(|| [E::ZERO; 2], add)
}
