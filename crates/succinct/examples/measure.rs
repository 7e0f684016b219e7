//! Times and sizes of a proof of a compiled package, input and model private, output public:
//! `cargo run --release -p proveil-succinct --example measure -- model.pkg [bits of committed digits]`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Instant;

use proveil_compiler::{Options, lower};
use proveil_kzg::srs::Srs;
use proveil_prover::Witness;
use proveil_prover::coins::Coins;
use proveil_relation::key::{IoVisibility, ModelVisibility, Visibility};
use proveil_succinct::prove::{Inputs, key_for, prove};
use proveil_succinct::{verify, verify_short};

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
    verify_short(&key.short, &proof.statement, &proof.bytes)?;
    let verifying = start.elapsed();
    verify(&key, &proof.statement, &proof.bytes)?;
    let layout = &key.inner.layout;
    println!(
        "{path}: nv {} nk {} heights {:?}, {} pads; key {compile:?}, prove {proving:?}, verify {verifying:?}, {} bytes",
        layout.nv,
        layout.nk,
        layout.heights,
        key.shape().pads,
        proof.bytes.len()
    );
    let (list, sizes) = (&key.list, key.short.sizes);
    let (entries, monos, lows) = (list.entries.len(), list.monos.len(), list.lows.len());
    println!(
        "list: {entries} entries, {monos} monomials, {lows} sums, {sizes:?}; short key {} bytes",
        key.short.to_bytes().len()
    );
    let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
    proof.leaves.iter().for_each(|l| *labels.entry(&l.label).or_default() += l.len);
    println!("{labels:?}");
    Ok(())
}
