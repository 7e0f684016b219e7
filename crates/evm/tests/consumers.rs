//! Contracts that act on proofs, in a real machine with real proofs.
#![forbid(unsafe_code)]

mod machine;
#[path = "../../succinct/tests/setup/mod.rs"]
mod setup;
#[path = "../../prover/tests/support/mod.rs"]
mod support;

use machine::{Machine, Outcome, account};
use proveil_evm::abi::Abi;
use proveil_evm::{Artifact, export};
use proveil_protocol::transcript::{Digest, keccak256};
use proveil_relation::key::IoVisibility;
use proveil_succinct::prove::Deviation;
use revm::primitives::{Address, U256};
use setup::{Setup, setup};
use support::{Mode, relations};

macro_rules! artifact {
    ($name:literal) => {
        Artifact::parse(include_str!(concat!("../../../contracts/out/", $name, ".json"))).unwrap()
    };
}

fn word(a: Address) -> Abi {
    Abi::Word(a.into_word().0)
}

/// The name of a custom error of any of the contracts.
fn refused(o: &Outcome, artifacts: &[&Artifact]) -> String {
    let e = o.result.as_ref().expect_err("accepted");
    artifacts.iter().find_map(|a| a.error(e)).unwrap_or("no custom error").to_owned()
}

struct World {
    machine: Machine,
    verifier: Address,
    artifact: Artifact,
    setup: Setup,
    key: Address,
}

impl World {
    fn new(input: IoVisibility) -> Self {
        let (mut machine, artifact) = (Machine::new(), artifact!("InsecureDevelopmentVerifier"));
        let verifier = machine.deploy(&artifact).0;
        let setup = setup(&relations::dense(), &Mode { input, ..Mode::secret(true) });
        let key = machine.deploy_code(&export::key_account(&setup.key.short.to_bytes())).0;
        Self { machine, verifier, artifact, setup, key }
    }

    fn id(&self) -> Abi {
        Abi::Word(self.setup.key.short.id())
    }

    /// A proof for a context, as contracts take it, and the public data in it.
    fn prove(&self, context: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let p = self.setup.prove_for(&context, Deviation::default()).unwrap();
        let public = self.setup.key.short.public_data(&p.statement).unwrap();
        (export::proof(self.key.into_array(), &public, &p.bytes), public)
    }
}

fn bytes(b: &[u8]) -> Abi {
    Abi::Bytes(b.to_vec())
}

/// What a number of a declared range is as a word, sign included.
fn signed(v: i64) -> Abi {
    let mut w = [if v < 0 { 255 } else { 0 }; 32];
    w[24..].copy_from_slice(&v.to_be_bytes());
    Abi::Word(w)
}

const SIGNER: u8 = 0x33;
const BORROWER: u8 = 0x22;

/// A world with a lender who takes risks up to a threshold.
fn lender(w: &mut World, threshold: i64) -> (Address, Artifact) {
    let lending = artifact!("CreditLending");
    let score = &w.setup.key.short.outputs[0];
    let arguments = [
        word(w.verifier),
        w.id(),
        Abi::uint(score.width() as u64),
        signed(score.lo),
        signed(threshold),
        word(account(SIGNER)),
        Abi::uint(1000),
    ];
    (w.machine.caller, w.machine.value) = (account(0x11), U256::from(5000));
    let at = w.machine.deploy_with(&lending, &arguments);
    w.machine.value = U256::ZERO;
    (at, lending)
}

fn context(chain: u64, contract: Address, sender: Address, nonce: u64) -> Vec<u8> {
    let words = [Abi::uint(chain), word(contract), word(sender), Abi::uint(nonce)];
    proveil_evm::abi::encode(&words)
}

#[test]
fn accepts_the_story_of_credit_gated_lending() {
    let mut w = World::new(IoVisibility::Committed);
    let (at, lending) = lender(&mut w, i64::MAX);
    let all = [&lending, &w.artifact.clone()];
    let (proof, public) = w.prove(context(1, at, account(BORROWER), 7));
    let (point, values) = (public[32..96].to_vec(), public[96..].to_vec());
    let loan = |nonce| [bytes(&proof), Abi::uint(nonce), bytes(&point), bytes(&values)];
    let commit = |who: u8| [word(account(who)), bytes(&point)];
    // Nobody but the signer vouches for data, and without that there is no loan.
    w.machine.caller = account(BORROWER);
    assert_eq!(refused(&w.machine.send(at, &lending, "commitTo", &commit(BORROWER)), &all), "NotSigner");
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &loan(7)), &all), "UnknownData");
    w.machine.caller = account(SIGNER);
    w.machine.send(at, &lending, "commitTo", &commit(BORROWER)).result.unwrap();
    w.machine.send(at, &lending, "commitTo", &commit(0x11)).result.unwrap();
    // Another sender, number or value is another statement.
    w.machine.caller = account(0x11);
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &loan(7)), &all), "WrongPublicData");
    w.machine.caller = account(BORROWER);
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &loan(8)), &all), "WrongPublicData");
    let mut other = values.clone();
    other[0] ^= 1;
    let lie = [bytes(&proof), Abi::uint(7), bytes(&point), bytes(&other)];
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &lie), &all), "WrongPublicData");
    // Another chain, another lender.
    w.machine.set_chain(5);
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &loan(7)), &all), "WrongPublicData");
    w.machine.set_chain(1);
    let o = w.machine.send(at, &lending, "borrow", &loan(7));
    o.result.unwrap();
    println!("a loan: {} gas", o.gas);
    // Once.
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &loan(7)), &all), "NoLoan");
    w.machine.value = U256::from(1000);
    w.machine.send(at, &lending, "repay", &[]).result.unwrap();
    w.machine.value = U256::ZERO;
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &loan(7)), &all), "NonceUsed");
}

#[test]
fn rejects_loans_for_a_high_risk() {
    let mut w = World::new(IoVisibility::Committed);
    let lo = w.setup.key.short.outputs[0].lo;
    let (at, lending) = lender(&mut w, lo - 1);
    let all = [&lending, &w.artifact.clone()];
    let (proof, public) = w.prove(context(1, at, account(BORROWER), 0));
    w.machine.caller = account(SIGNER);
    let commit = [word(account(BORROWER)), bytes(&public[32..96])];
    w.machine.send(at, &lending, "commitTo", &commit).result.unwrap();
    w.machine.caller = account(BORROWER);
    let loan = [bytes(&proof), Abi::uint(0), bytes(&public[32..96]), bytes(&public[96..])];
    assert_eq!(refused(&w.machine.send(at, &lending, "borrow", &loan), &all), "RiskTooHigh");
}

#[test]
fn accepts_registered_models_while_they_are_in_force() {
    let mut w = World::new(IoVisibility::Private);
    let registry = artifact!("ModelRegistry");
    let all = [&registry, &w.artifact.clone()];
    let arguments = [word(account(0x11)), word(account(0x22)), Abi::uint(100)];
    let at = w.machine.deploy_with(&registry, &arguments);
    let (proof, public) = w.prove(b"registry".to_vec());
    let name = Abi::Word([9; 32]);
    let none = word(Address::ZERO);
    let digest: Digest = keccak256(&[&public]);
    let verify = |version| [name.clone(), Abi::uint(version), bytes(&proof), Abi::Word(digest)];
    let announce = |id, second| [name.clone(), id, word(w.verifier), second];
    let (mine, zero) = (announce(w.id(), none.clone()), announce(Abi::Word([0; 32]), none));
    let m = &mut w.machine;
    m.caller = account(0x33);
    assert_eq!(refused(&m.send(at, &registry, "announce", &mine), &all), "OwnableUnauthorizedAccount");
    assert_eq!(refused(&m.send(at, &registry, "pause", core::slice::from_ref(&name)), &all), "NotGuardian");
    m.caller = account(0x11);
    assert_eq!(refused(&m.send(at, &registry, "announce", &zero), &all), "BadVersion");
    m.send(at, &registry, "announce", &mine).result.unwrap();
    assert_eq!(refused(&m.send(at, &registry, "verify", &verify(0)), &all), "NotInForce");
    assert_eq!(refused(&m.send(at, &registry, "verify", &verify(1)), &all), "NotInForce");
    m.wait(100);
    m.send(at, &registry, "verify", &verify(0)).result.unwrap();
    // The guardian stops, the owner goes on.
    m.caller = account(0x22);
    m.send(at, &registry, "pause", core::slice::from_ref(&name)).result.unwrap();
    assert_eq!(refused(&m.send(at, &registry, "verify", &verify(0)), &all), "Paused");
    assert_eq!(
        refused(&m.send(at, &registry, "resume", core::slice::from_ref(&name)), &all),
        "OwnableUnauthorizedAccount"
    );
    m.caller = account(0x11);
    m.send(at, &registry, "resume", core::slice::from_ref(&name)).result.unwrap();
    // A verifier that failed, with another one to take over and without.
    let second = [name.clone(), Abi::Word(w.setup.key.short.id()), word(at), word(w.verifier)];
    m.send(at, &registry, "announce", &second).result.unwrap();
    m.wait(100);
    assert!(m.send(at, &registry, "verify", &verify(1)).result.is_err());
    m.caller = account(0x22);
    for version in [0, 1] {
        let mark = [name.clone(), Abi::uint(version), Abi::uint(1)];
        m.send(at, &registry, "failOver", &mark).result.unwrap();
        let back = [name.clone(), Abi::uint(version), Abi::uint(0)];
        assert_eq!(refused(&m.send(at, &registry, "failOver", &back), &all), "NotGuardian");
    }
    assert_eq!(refused(&m.send(at, &registry, "verify", &verify(0)), &all), "NotInForce");
    m.send(at, &registry, "verify", &verify(1)).result.unwrap();
    assert_eq!(m.send(at, &registry, "current", core::slice::from_ref(&name)).result.unwrap()[31], 1);
    m.caller = account(0x11);
    m.send(at, &registry, "deprecate", &[name.clone(), Abi::uint(1)]).result.unwrap();
    assert_eq!(refused(&m.send(at, &registry, "verify", &verify(1)), &all), "Deprecated");
    assert_eq!(refused(&m.send(at, &registry, "current", core::slice::from_ref(&name)), &all), "NotInForce");
}

#[test]
fn matches_reference_truth_values_and_batches() {
    let mut w = World::new(IoVisibility::Private);
    let adapter = artifact!("BooleanVerifier");
    let at = w.machine.deploy_with(&adapter, &[word(w.verifier)]);
    let (proof, public) = w.prove(b"batch".to_vec());
    let digest = Abi::Word(keccak256(&[&public]));
    let mut bad = proof.clone();
    *bad.last_mut().unwrap() ^= 1;
    for (p, expected) in [(&proof, 1), (&bad, 0)] {
        let o = w.machine.send(at, &adapter, "isValid", &[bytes(p), w.id(), digest.clone()]);
        assert_eq!(o.result.unwrap()[31], expected);
    }
    let batch = |proofs: &[&[u8]], ids: usize, id: Abi| {
        let list = |x: &Abi, n: usize| Abi::List(vec![x.clone(); n]);
        [Abi::List(proofs.iter().map(|p| bytes(p)).collect()), list(&id, ids), list(&digest, proofs.len())]
    };
    let all = [&adapter, &w.artifact.clone()];
    let id = w.id();
    let o = w.machine.send(at, &adapter, "verifyAll", &batch(&[&proof, &proof], 2, id.clone()));
    o.result.unwrap();
    println!("two proofs: {} gas", o.gas);
    let o = w.machine.send(at, &adapter, "verifyAll", &batch(&[&proof, &bad], 2, id.clone()));
    assert!(o.result.is_err());
    let o = w.machine.send(at, &adapter, "verifyAll", &batch(&[&proof], 2, id));
    assert_eq!(refused(&o, &all), "LengthMismatch");
}
