//! What a proof of a compiled package costs on a chain, input and model private, output public:
//! `cargo run --release -p proveil-evm --example gas -- model.pkg..`.
#![forbid(unsafe_code)]

use proveil_compiler::{Options, lower};
use proveil_evm::abi::{Abi, encode};
use proveil_evm::machine::{Machine, Rules};
use proveil_evm::{Artifact, export};
use proveil_kzg::srs::Srs;
use proveil_protocol::transcript::keccak256;
use proveil_prover::Witness;
use proveil_prover::coins::Coins;
use proveil_relation::key::{IoVisibility, ModelVisibility, Visibility};
use proveil_succinct::prove::{Inputs, key_for, prove};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let artifact = Artifact::parse(include_str!("../../../contracts/out/InsecureDevelopmentVerifier.json"))?;
    let mut machine = Machine::new();
    let (verifier, deployed) = machine.deploy(&artifact);
    println!("verifier: {} bytes of code, {deployed} gas to deploy", artifact.runtime.len());
    // The same transactions in both machines, so that accounts are the same.
    let mut draft = Machine::with_rules(Rules::Draft);
    draft.deploy(&artifact);
    let srs = Srs::dev(19)?;
    for path in std::env::args().skip(1) {
        let package = proveil::Package::from_bytes(&std::fs::read(&path)?)?;
        let lowered = lower(&package.graph, &Options { limb_bits: package.limb_bits })?;
        let relation = lowered.relation;
        let cells = |t: u32| relation.tensors[t as usize].cells() as i64;
        let inputs: Vec<Vec<i64>> = (relation.inputs.iter())
            .map(|i| (0..cells(i.tensor)).map(|k| i.lo + (k * 7919) % (i.hi - i.lo + 1)).collect())
            .collect();
        let values = proveil_graph::run(&package.graph, &package.params, &inputs)?;
        let w = lowered.plan.witness(&package.graph, &values)?;
        let witness = Witness { tensors: w.tensors, tuples: w.tuples, tables: w.tables, outputs: w.outputs };
        let visibility = Visibility {
            zero_knowledge: true,
            model: ModelVisibility::Private,
            inputs: vec![IoVisibility::Private; relation.inputs.len()],
            outputs: vec![IoVisibility::Public; relation.outputs.len()],
        };
        let (key, model) = key_for(relation, visibility, &srs, &witness.tensors, &Coins::fresh(&[]))?;
        let proof = prove(&key, &srs, &witness, &Inputs { model: model.as_ref(), ..Inputs::default() })?;
        let short = key.short.to_bytes();
        let (account, registered) = machine.deploy_code(&export::key_account(&short));
        let public = key.short.public_data(&proof.statement)?;
        let bytes = export::proof(account.into_array(), &public, &proof.bytes);
        let arguments = [Abi::Bytes(bytes), Abi::Word(key.short.id()), Abi::Word(keccak256(&[&public]))];
        let data = [&artifact.function("verify")?[..], &encode(&arguments)].concat();
        let calldata = data.len();
        draft.deploy_code(&export::key_account(&short));
        let next = draft.call(verifier, data.clone());
        let (outcome, stages) = machine.measure(verifier, data, verifier, &artifact);
        let (o, s) = (&key.short.outline, &key.short.sizes);
        println!(
            "{path}: {} gas ({} under the next fork's draft), {calldata} bytes of calldata, proof {}; key {} bytes, {registered} gas; nv {} nk {} heights {:?} \
             argument {} monomials {} sums {}; accepted: {}",
            outcome.gas,
            next.gas,
            proof.bytes.len(),
            short.len(),
            o.nv,
            o.nk,
            o.heights,
            s.domain,
            key.short.monos.len(),
            key.short.lows.len(),
            outcome.result.is_ok() && next.result.is_ok()
        );
        for s in stages {
            println!(
                "  {:22} {:7} gas{}",
                s.name,
                s.gas,
                if s.calls > 0 { format!(", {} calls", s.calls) } else { String::new() }
            );
        }
    }
    Ok(())
}
