//! Whole proofs in a real machine.
#![forbid(unsafe_code)]

mod machine;
mod numbers;
#[path = "../../succinct/tests/setup/mod.rs"]
mod setup;
#[path = "../../prover/tests/support/mod.rs"]
mod support;

use machine::{Address, Deployed, Machine, Rules};
use proveil_evm::abi::{Abi, encode};
use proveil_evm::{Artifact, export};
use proveil_kzg::mercury::OpeningError;
use proveil_protocol::channel::ProofError;
use proveil_protocol::codec::DecodeError;
use proveil_protocol::transcript::{Digest, keccak256};
use proveil_relation::key::{IoVisibility, ModelVisibility, Statement};
use proveil_succinct::{ShortKey, VerifyError, verify_short};
use setup::{Setup, setup};
use support::{Mode, relations};

fn artifact() -> Artifact {
    Artifact::parse(include_str!("../../../contracts/out/InsecureDevelopmentVerifier.json")).unwrap()
}

/// The verifier in a machine.
fn deployed() -> Deployed {
    Deployed::of(artifact())
}

impl Deployed {
    fn key(&mut self, key: &ShortKey) -> Address {
        self.machine.deploy_code(&export::key_account(&key.to_bytes())).0
    }

    fn submit(&mut self, id: Digest, public: Digest, proof: Vec<u8>) -> (Result<(), String>, u64) {
        let (result, gas) = self.call("verify", &[Abi::Bytes(proof), Abi::Word(id), Abi::Word(public)]);
        (result.map(|b| assert!(b.is_empty())), gas)
    }

    /// A proof's messages under a key and a statement.
    fn verify(
        &mut self,
        key: &ShortKey,
        account: Address,
        statement: &Statement,
        messages: &[u8],
    ) -> (Result<(), String>, u64) {
        let public = key.public_data(statement).unwrap();
        let proof = export::proof(account.into_array(), &public, messages);
        self.submit(key.id(), keccak256(&[&public]), proof)
    }
}

#[test]
fn accepts_every_relation_in_every_mode() {
    use IoVisibility::{Committed, Private, Public};
    let mut d = deployed();
    for (name, case) in relations::all() {
        for (input, output) in [(Public, Public), (Private, Public), (Committed, Committed), (Public, Private)] {
            for model in [ModelVisibility::Public, ModelVisibility::Private] {
                let s = setup(&case, &Mode { model, input, output, ..Mode::secret(true) });
                let proof = s.honest();
                let account = d.key(&s.key.short);
                let (result, gas) = d.verify(&s.key.short, account, &proof.statement, &proof.bytes);
                println!("{name}: {} bytes, {gas} gas", proof.bytes.len());
                assert_eq!(result, Ok(()), "{name} {model:?} {input:?} {output:?}");
            }
        }
    }
}

/// Gas of whole transactions: a change of contracts, compiler or protocol shows here.
#[test]
fn matches_the_gas_snapshot() {
    let mut d = deployed();
    let deployed = d.machine.deploy(&d.artifact).1;
    let mut lines = vec![format!("verifier: {} bytes, {deployed} gas to deploy", d.artifact.runtime.len())];
    // Then relations that differ in their number of layers only.
    let deep = [("2 layers", 2), ("4 layers", 4), ("8 layers", 8), ("16 layers", 16)];
    let deep = deep.into_iter().map(|(name, n)| (name, relations::deep(n)));
    for (name, case) in relations::all().into_iter().chain(deep) {
        let s = setup(&case, &Mode::secret(true));
        let proof = s.honest();
        let account = d.key(&s.key.short);
        let (result, gas) = d.verify(&s.key.short, account, &proof.statement, &proof.bytes);
        assert_eq!(result, Ok(()));
        lines.push(format!("proof of {name}: {} bytes, {gas} gas", proof.bytes.len()));
    }
    assert!(d.artifact.runtime.len() <= 24_576);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/gas.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let expected: Vec<&str> = text.lines().filter(|l| l.starts_with("proof") || l.starts_with("verifier")).collect();
    assert_eq!(lines, expected, "put the left side into contracts/gas.txt");
}

/// Stages are all that a transaction costs, under either rules; precompiles are called as often as the protocol says.
#[test]
fn matches_gas_by_stage() {
    let s = setup(&relations::dense(), &Mode::secret(true));
    let p = s.honest();
    let public = s.key.short.public_data(&p.statement).unwrap();
    for rules in [Rules::Today, Rules::Draft] {
        let mut machine = Machine::with_rules(rules);
        let verifier = machine.deploy(&artifact()).0;
        let account = machine.deploy_code(&export::key_account(&s.key.short.to_bytes())).0;
        let proof = Abi::Bytes(export::proof(account.into_array(), &public, &p.bytes));
        let arguments = [proof, Abi::Word(s.key.short.id()), Abi::Word(keccak256(&[&public]))];
        let data = [&artifact().function("verify").unwrap()[..], &encode(&arguments)].concat();
        let gas = machine.call(verifier, data.clone()).gas;
        let (outcome, stages) = machine.measure(verifier, data, verifier, &artifact());
        assert!(outcome.result.is_ok());
        assert_eq!(outcome.gas, gas);
        assert_eq!(stages.iter().map(|s| s.gas).sum::<u64>(), gas, "{stages:?}");
        let of = |name: &str| stages.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{name}: {stages:?}"));
        assert_eq!((of("pairing").gas, of("pairing").calls), (113_100, 1));
        assert_eq!(of("multiples of points").gas, 6_100 * of("multiples of points").calls);
        for name in ["Key", "PublicData", "Phases", "Evaluation", "Lists", "InnerClaim", "Mercury"] {
            assert!(of(name).gas > 1_000, "{name}: {stages:?}");
        }
    }
}

fn private() -> Setup {
    setup(&relations::dense(), &Mode::secret(true))
}

/// What the other verifier says of messages.
fn other(s: &Setup, statement: &Statement, messages: &[u8]) -> bool {
    verify_short(&s.key.short, statement, messages).is_ok()
}

/// Errors that messages of the right length are refused with.
const REFUSALS: [&str; 4] = ["NonCanonicalScalar", "InvalidPoint", "FunctionalsRejected", "OpeningRejected"];

#[test]
fn rejects_every_changed_word_as_the_other_verifier_does() {
    let mut d = deployed();
    let s = private();
    let p = s.honest();
    let account = d.key(&s.key.short);
    for i in 0..p.bytes.len() / 32 {
        let mut messages = p.bytes.clone();
        let at = 32 * i + (7 * i) % 32;
        messages[at] ^= 1 << (i % 8);
        assert!(!other(&s, &p.statement, &messages), "byte {at}");
        let (result, _) = d.verify(&s.key.short, account, &p.statement, &messages);
        let e = result.expect_err("accepted");
        assert!(REFUSALS.contains(&&*e), "byte {at}: {e}");
    }
}

/// Memory that is not zero changes nothing: honest proofs are accepted, changed ones refused by the same name.
#[test]
fn matches_reference_with_dirtied_memory() {
    let dirty = Artifact::parse(include_str!("../../../contracts/out/DirtyMemoryVerifier.json")).unwrap();
    let (mut clean, mut dirty) = (deployed(), Deployed::of(dirty));
    for (name, case) in relations::all() {
        let modes = [Mode::secret(true), Mode { input: IoVisibility::Public, ..Mode::secret(true) }];
        for mode in modes {
            let s = setup(&case, &mode);
            let p = s.honest();
            let accounts = [&mut clean, &mut dirty].map(|d| d.key(&s.key.short));
            let mut both = |messages: &[u8]| {
                let [a, b] = [(&mut clean, accounts[0]), (&mut dirty, accounts[1])]
                    .map(|(d, account)| d.verify(&s.key.short, account, &p.statement, messages).0);
                assert_eq!(a, b, "{name}");
                a
            };
            assert_eq!(both(&p.bytes), Ok(()), "{name}");
            for at in (31..p.bytes.len()).step_by(32 * 23) {
                let mut messages = p.bytes.clone();
                messages[at] ^= 1;
                assert!(both(&messages).is_err(), "{name}: byte {at}");
            }
        }
    }
}

/// Numbers for random changes, by a linear recurrence.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// The name of the contract's error for what the other verifier says.
fn name_of(e: &VerifyError) -> &'static str {
    match e {
        VerifyError::Proof(ProofError::Check { .. }) => "FunctionalsRejected",
        VerifyError::Proof(ProofError::Degenerate { .. }) => "DegenerateChallenge",
        VerifyError::Proof(ProofError::Decode(DecodeError::Truncated { .. } | DecodeError::Trailing { .. })) => {
            "ProofLength"
        }
        VerifyError::Opening(OpeningError::Pairing) => "OpeningRejected",
        VerifyError::Point { .. } | VerifyError::Commitment { .. } => "InvalidPoint",
        _ => "NonCanonicalScalar",
    }
}

/// One or two random changes of any kind: both verifiers refuse, by the same name. A point that is none is found by the
/// contract where it is multiplied, behind checks of scalars; a scalar is found where it is read.
#[test]
fn rejects_random_changes_by_the_same_name() {
    let mut d = deployed();
    let mut random = Random(7);
    for case in [relations::dense(), relations::deep(2)] {
        let s = setup(&case, &Mode::secret(true));
        let p = s.honest();
        let account = d.key(&s.key.short);
        let words = p.bytes.len() / 32;
        for _ in 0..150 {
            let (mut m, mut reduced) = (p.bytes.clone(), true);
            for _ in 0..=random.below(2) {
                let at = 32 * random.below(words);
                let other = 32 * random.below(words);
                let kind = random.below(6);
                reduced &= kind != 2 && kind != 4;
                match kind {
                    0 => m[at + random.below(32)] ^= 1 << random.below(8),
                    1 => m[at..at + 32].fill(0),
                    2 => m[at..at + 32].fill(255),
                    3 => m.copy_within(other..other + 32, at),
                    4 => numbers::add(&mut m[at..at + 32], &numbers::SCALARS),
                    _ => m[at + 31] = m[at + 31].wrapping_add(1),
                }
            }
            if m == p.bytes {
                continue;
            }
            let own = verify_short(&s.key.short, &p.statement, &m).expect_err("accepted by the other verifier");
            let there = d.verify(&s.key.short, account, &p.statement, &m).0.expect_err("accepted by the contract");
            let expected = name_of(&own);
            // The contract reads all scalars before it checks anything, and looks at points last.
            let of_point =
                !reduced || matches!(expected, "InvalidPoint" | "NonCanonicalScalar") || there == "InvalidPoint";
            assert!(there == expected || (of_point && REFUSALS.contains(&&*there)), "{own}: {there}");
        }
    }
}

#[test]
fn rejects_other_encodings_with_the_error_of_the_check() {
    let mut d = deployed();
    let s = private();
    let p = s.honest();
    let account = d.key(&s.key.short);
    for l in &p.leaves {
        let mut expect = |change: &dyn Fn(&mut [u8]), expected: &[&str]| {
            let mut messages = p.bytes.clone();
            change(&mut messages[l.offset..l.offset + l.len]);
            assert!(!other(&s, &p.statement, &messages), "{}", l.label);
            let e = d.verify(&s.key.short, account, &p.statement, &messages).0.expect_err("accepted");
            assert!(expected.contains(&&*e), "{}: {e}", l.label);
        };
        if l.len == 32 {
            expect(&|b| b.fill(255), &["NonCanonicalScalar"]);
            expect(&|b| numbers::add(b, &numbers::SCALARS), &["NonCanonicalScalar"]);
        } else {
            // What follows from other challenges may be refused first.
            expect(&|b| b[..32].fill(255), &["InvalidPoint", "FunctionalsRejected"]);
            expect(&|b| numbers::add(&mut b[..32], &numbers::COORDINATES), &["InvalidPoint", "FunctionalsRejected"]);
            expect(&|b| b[63] ^= 1, &["InvalidPoint", "FunctionalsRejected"]);
            expect(&|b| b.fill(0), &["OpeningRejected", "FunctionalsRejected"]);
        }
    }
}

#[test]
fn rejects_other_lengths_keys_and_statements() {
    let mut d = deployed();
    let s = private();
    let p = s.honest();
    let account = d.key(&s.key.short);
    let (id, public) = (s.key.short.id(), s.key.short.public_data(&p.statement).unwrap());
    let digest = keccak256(&[&public]);
    let whole = export::proof(account.into_array(), &public, &p.bytes);
    assert_eq!(d.submit(id, digest, whole.clone()).0, Ok(()));
    for n in [0, 3, 23, 24, 24 + public.len() - 1, whole.len() - 1] {
        let e = d.submit(id, digest, whole[..n].to_vec()).0.expect_err("accepted");
        assert!(["WrongSelector", "ProofLength"].contains(&&*e), "{n} bytes: {e}");
    }
    assert_eq!(d.submit(id, digest, [&whole[..], &[0]].concat()).0, Err("ProofLength".into()));
    let changed = |at: usize| {
        let mut w = whole.clone();
        w[at] ^= 1;
        w
    };
    assert_eq!(d.submit(id, digest, changed(0)).0, Err("WrongSelector".into()));
    assert_eq!(d.submit(id, digest, changed(5)).0, Err("WrongKey".into()));
    assert_eq!(d.submit(id, digest, changed(24)).0, Err("WrongPublicData".into()));
    assert_eq!(d.submit([1; 32], digest, whole.clone()).0, Err("WrongKey".into()));
    assert_eq!(d.submit(id, [1; 32], whole.clone()).0, Err("WrongPublicData".into()));
    // Other public data, honestly named: another context, another value.
    for at in [24, 24 + public.len() - 1] {
        let w = changed(at);
        let named = keccak256(&[&w[24..24 + public.len()]]);
        let e = d.submit(id, named, w).0.expect_err("accepted");
        assert!(REFUSALS.contains(&&*e) || e == "ValueOutOfRange", "{e}");
    }
    // A proof of another key, of the same key and another statement.
    let t = setup(&relations::deep(2), &Mode::secret(true));
    let (q, there) = (t.honest(), d.key(&t.key.short));
    assert!(d.verify(&t.key.short, there, &q.statement, &p.bytes).0.is_err());
    assert_eq!(d.verify(&t.key.short, there, &q.statement, &q.bytes).0, Ok(()));
}

/// Values outside the declared range coincide with others modulo the number of points, so they are refused.
#[test]
fn rejects_public_values_outside_their_range() {
    let mut d = deployed();
    let s = private();
    let p = s.honest();
    let account = d.key(&s.key.short);
    let mut public = s.key.short.public_data(&p.statement).unwrap();
    public[32..].fill(255);
    let whole = export::proof(account.into_array(), &public, &p.bytes);
    let e = d.submit(s.key.short.id(), keccak256(&[&public]), whole).0.unwrap_err();
    assert_eq!(e, "ValueOutOfRange");
}

/// Proofs without zero knowledge show what their keys do not say is public.
#[test]
fn rejects_keys_whose_proofs_do_not_hide() {
    let mut d = deployed();
    let s = private();
    let p = s.honest();
    let key = ShortKey { hiding: false, ..s.key.short.clone() };
    let account = d.key(&key);
    let public = s.key.short.public_data(&p.statement).unwrap();
    let whole = export::proof(account.into_array(), &public, &p.bytes);
    assert_eq!(d.submit(key.id(), keccak256(&[&public]), whole).0, Err("KeyNotHiding".into()));
}

/// The verifier for production knows the mark of development set-ups, in front of everything else that a proof is.
#[test]
fn rejects_keys_of_insecure_set_ups_in_production() {
    let artifact = Artifact::parse(include_str!("../../../contracts/out/ProveilVerifier.json")).unwrap();
    let mut machine = Machine::new();
    let (at, _) = machine.deploy(&artifact);
    let mut d = Deployed { machine, at, artifact };
    assert!(d.artifact.runtime.len() <= 24_576);
    let s = private();
    let p = s.honest();
    assert!(s.key.short.srs.insecure);
    let account = d.key(&s.key.short);
    let refused = d.verify(&s.key.short, account, &p.statement, &p.bytes).0;
    assert_eq!(refused, Err("InsecureSetUp".into()));
    // Without the mark it is another key, hence another statement.
    let mut unmarked = s.key.short.clone();
    unmarked.srs.insecure = false;
    let account = d.key(&unmarked);
    let refused = d.verify(&unmarked, account, &p.statement, &p.bytes).0.unwrap_err();
    assert!(REFUSALS.contains(&&*refused), "{refused}");
}
