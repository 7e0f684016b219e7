//! Contracts that are made for a model, in a real machine. The verifier behind them here accepts everything: what is looked at
//! is what they make of accepted bytes.
#![forbid(unsafe_code)]

use proveil_evm::abi::Abi;
use proveil_evm::machine::{Address, Machine, Outcome};
use proveil_evm::{Artifact, export};
use proveil_protocol::transcript::keccak256;

struct World {
    machine: Machine,
    artifact: Artifact,
    at: Address,
}

impl World {
    fn new() -> Self {
        let artifact = Artifact::parse(include_str!("../../../contracts/out/Weather7DaysExample.json")).unwrap();
        let mut machine = Machine::new();
        // An account whose code stops at once answers every call.
        let (stop, _) = machine.deploy_code(&export::key_account(&[]));
        let at = machine.deploy_with(&artifact, &[Abi::Word(stop.into_word().0)]);
        Self { machine, artifact, at }
    }

    /// A proof of these public data for the caller.
    fn proof(&self, nonce: u8, shown: &[u8]) -> Vec<u8> {
        let mut number = [0; 32];
        number[31] = nonce;
        let context = export::context(1, self.at.into_array(), self.machine.caller.into_array(), number);
        [&[0; 24][..], &keccak256(&[&context]), shown].concat()
    }

    fn submit(&mut self, proof: Vec<u8>, nonce: u8) -> Outcome {
        let arguments = [Abi::Bytes(proof), Abi::uint(nonce.into())];
        self.machine.send(self.at, &self.artifact, "submit", &arguments)
    }

    fn get(&mut self, name: &str) -> Vec<u8> {
        self.machine.send(self.at, &self.artifact, name, &[]).result.unwrap()
    }
}

/// Two points, then six pressures of two bytes, four winds of three, a class, a storm, another wind.
fn shown() -> Vec<u8> {
    let winds = [0u32, 500_000, 500_001, 1_000_000];
    let winds = winds.iter().flat_map(|w| w.to_be_bytes()[1..].to_vec());
    [vec![9; 128], vec![0; 12], winds.collect(), vec![1, 1, 128]].concat()
}

#[test]
fn matches_reference_of_what_proofs_show() {
    let mut w = World::new();
    assert_eq!(w.get("MODEL_ID"), keccak256(&[b"weather"]));
    assert_eq!(w.get("SHOWN")[31], 155);
    let proof = w.proof(7, &shown());
    let o = w.submit(proof.clone(), 7);
    o.result.unwrap();
    let data = &o.logs[0];
    let word = |i: usize| i128::from_be_bytes(data[32 * i + 16..32 * i + 32].try_into().unwrap());
    // The place of the list, the class, whether there is a storm, the other wind in halves; then the winds, times four.
    assert_eq!((word(0), word(1), word(2), word(3)), (128, 1, 1, 1 << 63));
    let winds: Vec<i128> = (5..9).map(|i| word(i) >> 64).collect();
    assert_eq!((word(4), winds), (4, vec![-2_000_000, 0, 4, 2_000_000]));
    let again = w.submit(proof, 7);
    assert_eq!(w.artifact.error(&again.result.unwrap_err()), Some("NonceUsed"));
}

#[test]
fn rejects_short_data_and_other_contexts() {
    let mut w = World::new();
    let short = w.proof(1, &shown()[..154]);
    let e = w.submit(short, 1).result.unwrap_err();
    assert_eq!(w.artifact.error(&e), Some("NoPublicData"));
    let other = w.proof(2, &shown());
    let e = w.submit(other, 1).result.unwrap_err();
    assert_eq!(w.artifact.error(&e), Some("WrongContext"));
}
