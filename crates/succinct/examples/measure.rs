//! Times and sizes of a proof of a compiled package, input and model private, output public:
//! `cargo run --release -p proveil-succinct --example measure -- model.pkg [bits of committed digits]`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Instant;

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_compiler::{Options, lower};
use proveil_kzg::srs::Srs;
use proveil_prover::Witness;
use proveil_prover::coins::Coins;
use proveil_relation::groups::Side;
use proveil_relation::key::{IoVisibility, ModelVisibility, Visibility};
use proveil_relation::layout::Layout;
use proveil_relation::weights::{Factor, plan_walk, walk_rows};
use proveil_succinct::prove::{Inputs, key_for, prove};
use proveil_succinct::verify;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("give a package")?;
    let package = proveil::Package::from_bytes(&std::fs::read(&path)?)?;
    let limb_bits = std::env::args().nth(2).map(|b| b.parse()).transpose()?.or(package.limb_bits);
    let lowered = lower(&package.graph, &Options { limb_bits })?;
    let relation = lowered.relation;
    let mut seed = 1u64;
    let mut next = |lo: i64, hi: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lo + ((seed >> 33) % (hi - lo + 1) as u64) as i64
    };
    let cells = |t: u32| relation.tensors[t as usize].cells();
    let inputs: Vec<Vec<i64>> =
        relation.inputs.iter().map(|i| (0..cells(i.tensor)).map(|_| next(i.lo, i.hi)).collect()).collect();
    let values = proveil_graph::run(&package.graph, &package.params, &inputs)?;
    let w = lowered.plan.witness(&package.graph, &values)?;
    let witness = Witness { tensors: w.tensors, tuples: w.tuples, tables: w.tables, outputs: w.outputs };
    let visibility = Visibility {
        zero_knowledge: true,
        model: ModelVisibility::Private,
        inputs: vec![IoVisibility::Private; relation.inputs.len()],
        outputs: vec![IoVisibility::Public; relation.outputs.len()],
    };
    let srs = Srs::dev(19)?;
    let coins = Coins::fresh(&[]);
    let start = Instant::now();
    let (key, model) = key_for(relation, visibility, &srs, &witness.tensors, &coins)?;
    let compile = start.elapsed();
    let given = Inputs { model: model.as_ref(), ..Inputs::default() };
    let start = Instant::now();
    let proof = prove(&key, &srs, &witness, &given)?;
    let proving = start.elapsed();
    let start = Instant::now();
    verify(&key, &proof.statement, &proof.bytes)?;
    let verifying = start.elapsed();
    let layout = &key.inner.layout;
    println!(
        "{path}: nv {} nk {} heights {:?}, {} pads; key {compile:?}, prove {proving:?}, verify {verifying:?}, {} bytes",
        layout.nv,
        layout.nk,
        layout.heights,
        key.shape().pads,
        proof.bytes.len()
    );
    println!("entries of the sparse form, products and linear terms: {:?}", entries(layout));
    let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
    proof.leaves.iter().for_each(|l| *labels.entry(&l.label).or_default() += l.len);
    println!("{labels:?}");
    Ok(())
}

/// How many entries the list of functionals would have: steps of every distinct walk of phase 2's operands, and rows of
/// every linear term with what it sums over.
fn entries(layout: &Layout) -> (usize, usize) {
    let one = |n: usize| vec![Scalar::ONE; n];
    let mut products = 0;
    for (i, g) in layout.groups.iter().enumerate() {
        for side in [Side::Lhs, Side::Rhs].into_iter().filter(|s| g.first[s.index()] == i) {
            let term = &layout.products[g.term];
            let (rows, low) = (one(term.dims.rows()), one(term.dims.granule));
            let mut factors = g.side_factors(side, &term.dims, &rows, &low);
            for (var, bits) in &g.kappa {
                factors.push(Factor::Eq { var: *var, pt: one(*bits) });
            }
            let access = g.access(side);
            let dims = &layout.tensors[access.tensor as usize].dims;
            let extents = g.side_extents(side);
            let walk = plan_walk(&extents, &factors, access, dims);
            let strides = vec![0; extents.len()];
            walk_rows(&extents, &factors, Scalar::ONE, access, dims, &walk, &strides, None, &mut |_| products += 1);
        }
    }
    let linear = layout.linears.iter().map(|t| {
        let sums: usize = t.linear.sum.iter().map(|n| *n as usize).product();
        t.dims.rows() * sums
    });
    (products, linear.sum())
}
