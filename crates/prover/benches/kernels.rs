//! The prover's kernels beside naive versions of the same and, for a dense layer, plain inference.
#![forbid(unsafe_code)]
#![allow(missing_docs, dead_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use proveil_algebra::{E, F, InTurn, PrimeCharacteristicRing, base_from_i64, eq_table};
use proveil_protocol::transcript::Transcript;
use proveil_prover::commit::Tree;
use proveil_prover::lookups::{Fractions, Values, multiplicities, zerocheck};
use proveil_prover::packed;
use proveil_prover::products::{self, Cells};
use proveil_prover::talk::Talk;
use proveil_relation::claims::{AddressWeights, Point};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, Visibility};
use proveil_relation::layout::Layout;
use proveil_relation::{Coef, Expr, Home, Input, Product, Relation};
use support::Rng;
use support::relations::{at, cells, lookup, ramp, tensor};

/// Width of the dense layer.
const WIDTH: u32 = 512;
/// log2 of the vectors' length.
const LOG_LEN: usize = 16;
/// log2 of the columns' height, their number and rate.
const TREE: (usize, usize, usize) = (13, 16, 1);

fn elements(rng: &mut Rng, n: usize) -> Vec<E> {
    (0..n).map(|_| rng.element()).collect()
}

fn point(rng: &mut Rng, layout: &Layout) -> Point<E> {
    let rho = elements(rng, layout.nv.max(layout.out_vars));
    Point { alpha: rng.element(), beta: rng.element(), rho, delta: rng.element() }
}

fn geometry(relation: &Relation) -> (Layout, Visibility) {
    let geometry =
        Geometry { log_height: 12, model_top: 32, trace_top: 32, io_top: 32, inputs: vec![12], outputs: vec![] };
    let visibility = Visibility {
        zero_knowledge: true,
        model: ModelVisibility::Private,
        inputs: vec![IoVisibility::Private],
        outputs: vec![],
    };
    (Layout::new(relation, &geometry, &visibility), visibility)
}

/// A dense layer without activation: `[[ W x ]]` in a ramp.
fn layer(rng: &mut Rng) -> (Relation, Vec<Vec<i64>>) {
    let n = WIDTH;
    let product = Product { coef: Coef::int(1), sum: vec![n], lhs: at(0, &[0, 1]), rhs: at(1, &[1]) };
    let expr = Expr { constant: Coef::int(0), linear: vec![], products: vec![product] };
    let relation = Relation {
        tensors: vec![tensor("w", &[n, n], Home::Model), tensor("x", &[n], Home::Input(0))],
        tables: vec![ramp("sum", -(1 << 15), 1 << 16), ramp("byte", -128, 256)],
        lookups: vec![lookup("y", &[n], 0, vec![expr]), lookup("x", &[n], 1, vec![cells(at(1, &[0]))])],
        inputs: vec![Input { tensor: 1, lo: -128, hi: 127 }],
        outputs: vec![],
    };
    let n = n as usize;
    (relation, vec![rng.many(n * n, -8, 7), rng.many(n, -8, 7)])
}

fn integer_products(c: &mut Criterion) {
    let mut rng = Rng(1);
    let (relation, values) = layer(&mut rng);
    let (layout, visibility) = geometry(&relation);
    let p = point(&mut rng, &layout);
    let weights = AddressWeights::new(&relation, &layout, &visibility, &p, &InTurn);
    let mut views: Vec<Cells<'_>> = values.iter().map(|v| Cells::new(v)).collect();
    let counts: Vec<Vec<i64>> = relation.tables.iter().map(|t| vec![0; t.num_rows()]).collect();
    views.extend(counts.iter().map(|v| Cells::new(v)));
    let n = WIDTH as usize;
    let rows = elements(&mut rng, n);
    let mut g = c.benchmark_group(format!("dense layer {n} x {n}"));
    g.bench_function("operands of phase 2", |b| b.iter(|| products::operands(&layout, &p, &weights, &views)));
    g.bench_function("operands, naive", |b| {
        b.iter(|| {
            let mut out = vec![E::ZERO; n];
            for (row, w) in values[0].chunks(n).zip(&rows) {
                out.iter_mut().zip(row).for_each(|(o, x)| *o += *w * base_from_i64(*x));
            }
            out
        });
    });
    g.bench_function("plain inference", |b| {
        b.iter(|| -> Vec<i64> {
            let dot = |row: &[i64]| row.iter().zip(&values[1]).map(|(w, x)| w * x).sum();
            values[0].chunks(n).map(|row| dot(black_box(row))).collect()
        });
    });
    g.finish();
}

fn folds(c: &mut Criterion) {
    let mut rng = Rng(2);
    let (a, b, r) = (elements(&mut rng, 1 << LOG_LEN), elements(&mut rng, 1 << LOG_LEN), rng.element());
    let mut g = c.benchmark_group(format!("2^{LOG_LEN} extension elements"));
    g.bench_function("fold", |x| x.iter(|| packed::fold(&a, r, E::ZERO)));
    g.bench_function("fold, naive", |x| {
        x.iter(|| a.chunks(2).map(|p| p[0] + r * (p[1] - p[0])).collect::<Vec<E>>());
    });
    g.bench_function("inner product", |x| x.iter(|| packed::dot(&a, &b)));
    g.bench_function("inner product, naive", |x| {
        x.iter(|| a.iter().zip(&b).fold(E::ZERO, |s, (p, q)| s + *p * *q));
    });
    g.bench_function("round of an inner-product sumcheck", |x| x.iter(|| packed::round_with_two(&a, &b)));
    g.bench_function("round of an inner-product sumcheck, naive", |x| {
        x.iter(|| {
            let pairs = a.chunks(2).zip(b.chunks(2));
            pairs.fold([E::ZERO; 2], |s, (p, q)| {
                [s[0] + p[0] * q[0], s[1] + (p[1].double() - p[0]) * (q[1].double() - q[0])]
            })
        });
    });
    g.finish();
}

/// A space of looked-up cells and one table.
fn look_ups(rng: &mut Rng) -> (Relation, Vec<Vec<Vec<i64>>>) {
    let side = 1u32 << (LOG_LEN / 2);
    let relation = Relation {
        tensors: vec![tensor("x", &[side, side], Home::Input(0))],
        tables: vec![ramp("digit", 0, 1 << 10)],
        lookups: vec![lookup("x", &[side, side], 0, vec![cells(at(0, &[0, 1]))])],
        inputs: vec![Input { tensor: 0, lo: 0, hi: 1023 }],
        outputs: vec![],
    };
    (relation, vec![vec![rng.many(1 << LOG_LEN, 0, 1023)]])
}

/// The messages of the rounds, term by term.
fn naive_rounds(rho: &[E], mut v: [Vec<E>; 5], alpha: E, r: E) -> Vec<[E; 3]> {
    let two = E::ONE.double();
    let mut out = Vec::new();
    for i in 0..rho.len() {
        let eq = eq_table(&rho[i + 1..]);
        let cell = |v: &[Vec<E>; 5], k: usize, j: usize| {
            v[k].get(j).copied().unwrap_or(if k == 1 || k == 2 { alpha } else { E::ZERO })
        };
        let mut message = [E::ZERO; 3];
        for (j, w) in eq.iter().enumerate().take(v[0].len().div_ceil(2)) {
            for (m, t) in message.iter_mut().zip([E::ZERO, two, two + E::ONE]) {
                let x: [E; 5] = std::array::from_fn(|k| {
                    let (lo, hi) = (cell(&v, k, 2 * j), cell(&v, k, 2 * j + 1));
                    lo + t * (hi - lo)
                });
                *m += *w * (x[0] * x[1] * x[2] - x[3] * x[2] - x[4] * x[1]);
            }
        }
        out.push(message);
        v = std::array::from_fn(|k| {
            (0..v[k].len().div_ceil(2))
                .map(|j| cell(&v, k, 2 * j) + r * (cell(&v, k, 2 * j + 1) - cell(&v, k, 2 * j)))
                .collect()
        });
    }
    out
}

fn look_up_rounds(c: &mut Criterion) {
    let mut rng = Rng(3);
    let (relation, tuples) = look_ups(&mut rng);
    let (layout, _) = geometry(&relation);
    let rows: Vec<Vec<Vec<i64>>> = vec![vec![]];
    let counts = multiplicities(&relation, &tuples, &rows, false).expect("every tuple is a row");
    let challenges = [rng.element(), rng.element()];
    let all = || {
        let (tuples, rows) = (Values::Integers(&tuples), Values::Integers(&rows));
        Fractions::new(&relation, &layout, tuples, rows, &counts, challenges)
    };
    let fractions = all();
    let helper = fractions.helpers().expect("no pole");
    let rho = elements(&mut rng, layout.nv);
    let mut g = c.benchmark_group(format!("look-ups of 2^{LOG_LEN} cells"));
    g.bench_function("helpers", |b| b.iter(|| all().helpers()));
    g.bench_function("zerocheck", |b| {
        b.iter_batched(
            || (Talk::new(Transcript::new("bench"), None), helper.clone()),
            |(mut talk, helper)| zerocheck(&mut talk, "round", &rho, helper, &fractions),
            BatchSize::LargeInput,
        );
    });
    let [(d0, n0), (d1, n1)] = fractions.dense();
    let lift = |v: &[F]| v.iter().map(|x| E::from(*x)).collect::<Vec<E>>();
    let vectors = [helper.clone(), d0, d1, lift(&n0), lift(&n1)];
    g.bench_function("zerocheck, naive", |b| {
        b.iter_batched(
            || vectors.clone(),
            |v| naive_rounds(&rho, v, challenges[0], challenges[1]),
            BatchSize::LargeInput,
        );
    });
    g.finish();
}

fn leaves(c: &mut Criterion) {
    let (log_height, width, rate) = TREE;
    let mut rng = Rng(4);
    let cells: Vec<Vec<i64>> = (0..width).map(|_| rng.many(1 << log_height, 0, 1 << 20)).collect();
    let columns: Vec<Vec<F>> = cells.iter().map(|c| c.iter().map(|x| base_from_i64(*x)).collect()).collect();
    // As many rows of as many bytes; what they hold does not matter.
    let rows: Vec<Vec<u8>> = (0..1usize << (log_height + rate))
        .map(|j| cells.iter().flat_map(|c| c[j % c.len()].to_le_bytes()).collect())
        .collect();
    let mut g = c.benchmark_group(format!("{width} columns of 2^{log_height} cells at rate 2^-{rate}"));
    g.bench_function("encode and hash", |b| {
        b.iter_batched(|| columns.clone(), |c| Tree::commit(c, rate, Some([7; 32])), BatchSize::LargeInput);
    });
    g.bench_function("hash rows only, naive", |b| {
        b.iter(|| rows.iter().map(|r| blake3::hash(r).as_bytes()[0]).fold(0u8, u8::wrapping_add));
    });
    g.finish();
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(20);
    targets = integer_products, folds, look_up_rounds, leaves
}
criterion_main!(kernels);
