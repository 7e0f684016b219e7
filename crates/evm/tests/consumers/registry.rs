//! Models by name, admitted with a registration of their weights.

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_evm::abi::Abi;
use proveil_evm::export;
use proveil_kzg::srs::Srs;
use proveil_protocol::transcript::keccak256;
use proveil_relation::key::IoVisibility;
use proveil_succinct::ShortKey;
use revm::primitives::Address;

use crate::machine::account;
use crate::world::{Contract, Model, Registration, World, bytes, word};

const OWNER: u8 = 0x11;
const GUARDIAN: u8 = 0x22;
const STRANGER: u8 = 0x33;
const DELAY: u64 = 100;

fn name() -> Abi {
    Abi::Word([9; 32])
}

fn registry(w: &mut World) -> Contract {
    let arguments = [word(account(OWNER)), word(account(GUARDIAN)), Abi::uint(DELAY)];
    w.deploy(OWNER, 0, artifact!("ModelRegistry"), &arguments)
}

/// What is announced; `second` may be zero.
fn announce(m: &Model, verifier: Address, second: Address, r: &Registration) -> [Abi; 3] {
    let parts = vec![m.id(), word(m.account), word(verifier), word(second), Abi::Word(r.id)];
    [name(), Abi::Tuple(parts), bytes(&r.proof)]
}

/// A proof of the first case, and a call that has the registry check it.
fn checked(m: &Model, version: u64) -> [Abi; 4] {
    let proof = m.prove(&m.cases[0], None, b"registry");
    let data = m.public_data(&proof);
    [name(), Abi::uint(version), bytes(&proof), Abi::Word(keccak256(&[data]))]
}

#[test]
fn accepts_registered_models_while_they_are_in_force() {
    let mut w = World::new();
    let m = w.model("diabetes_mlp_regressor", IoVisibility::Private);
    let r = w.registration(&m);
    let at = registry(&mut w);
    let verifier = w.verifier;
    let mine = announce(&m, verifier, Address::ZERO, &r);
    let verify = |version| checked(&m, version);
    assert_eq!(w.refuses(STRANGER, &at, "announce", &mine), "OwnableUnauthorizedAccount");
    assert_eq!(w.refuses(STRANGER, &at, "pause", &[name()]), "NotGuardian");
    let no_verifier = announce(&m, account(0x99), Address::ZERO, &r);
    assert_eq!(w.refuses(OWNER, &at, "announce", &no_verifier), "BadVersion");
    let outcome = w.send(OWNER, &at, "announce", &mine);
    println!("an announcement with its registration: {} gas", outcome.gas);
    outcome.result.unwrap();
    assert_eq!(w.refuses(OWNER, &at, "verify", &verify(0)), "NotInForce");
    assert_eq!(w.refuses(OWNER, &at, "verify", &verify(1)), "NotInForce");
    w.machine.wait(DELAY);
    w.accepts(OWNER, &at, "verify", &verify(0));
    // The guardian stops, the owner goes on.
    w.accepts(GUARDIAN, &at, "pause", &[name()]);
    assert_eq!(w.refuses(OWNER, &at, "verify", &verify(0)), "Paused");
    assert_eq!(w.refuses(GUARDIAN, &at, "resume", &[name()]), "OwnableUnauthorizedAccount");
    w.accepts(OWNER, &at, "resume", &[name()]);
    // A verifier that failed, with another one to take over and without.
    let spare = w.machine.deploy(&artifact!("InsecureDevelopmentVerifier")).0;
    w.accepts(OWNER, &at, "announce", &announce(&m, verifier, spare, &r));
    w.machine.wait(DELAY);
    for version in [0, 1] {
        w.accepts(GUARDIAN, &at, "failOver", &[name(), Abi::uint(version), Abi::uint(1)]);
        let back = [name(), Abi::uint(version), Abi::uint(0)];
        assert_eq!(w.refuses(GUARDIAN, &at, "failOver", &back), "NotGuardian");
    }
    assert_eq!(w.refuses(OWNER, &at, "verify", &verify(0)), "NotInForce");
    w.accepts(OWNER, &at, "verify", &verify(1));
    assert_eq!(w.accepts(OWNER, &at, "current", &[name()])[31], 1);
    w.accepts(OWNER, &at, "deprecate", &[name(), Abi::uint(1)]);
    assert_eq!(w.refuses(OWNER, &at, "verify", &verify(1)), "Deprecated");
    assert_eq!(w.refuses(OWNER, &at, "current", &[name()]), "NotInForce");
}

#[test]
fn rejects_models_without_their_own_registration() {
    let mut w = World::new();
    let m = w.model("diabetes_mlp_regressor", IoVisibility::Private);
    let other = w.model("digits_logistic_regression", IoVisibility::Private);
    // The same weights, committed once more: another point.
    let again = w.model("diabetes_mlp_regressor", IoVisibility::Private);
    let (own, foreign, twin) = (w.registration(&m), w.registration(&other), w.registration(&again));
    let at = registry(&mut w);
    let verifier = w.verifier;
    let try_with = |r: &Registration| announce(&m, verifier, Address::ZERO, r);
    let none = Registration { id: [0; 32], proof: Vec::new() };
    for r in [&none, &foreign, &twin] {
        assert_eq!(w.refuses(OWNER, &at, "announce", &try_with(r)), "OtherRegistration");
    }
    // A proof of the model itself is about the same commitment, but is no registration.
    let inference = m.prove(&m.cases[0], None, b"");
    let posing = Registration { id: m.engine.key.short.id(), proof: inference };
    assert_eq!(w.refuses(OWNER, &at, "announce", &try_with(&posing)), "OtherRegistration");
    // A key whose set-up is another one, with the same point.
    let spun = other_set_up(&mut w, &own);
    assert_eq!(w.refuses(OWNER, &at, "announce", &try_with(&spun)), "OtherRegistration");
    // The proof of another registration, and a changed one.
    let mixed = Registration { id: own.id, proof: [&own.proof[..24], &twin.proof[24..]].concat() };
    let e = w.refuses(OWNER, &at, "announce", &try_with(&mixed));
    assert!(["OpeningRejected", "FunctionalsRejected"].contains(&&*e), "{e}");
    let bound = Registration { id: own.id, proof: [&own.proof[..24], &[1; 32], &own.proof[56..]].concat() };
    assert_eq!(w.refuses(OWNER, &at, "announce", &try_with(&bound)), "WrongPublicData");
    w.accepts(OWNER, &at, "announce", &try_with(&own));
    // A model without weights has none.
    let free = w.model("app_price_stats", IoVisibility::Private);
    let with = announce(&free, verifier, Address::ZERO, &own);
    assert_eq!(w.refuses(OWNER, &at, "announce", &with), "OtherRegistration");
    w.accepts(OWNER, &at, "announce", &announce(&free, verifier, Address::ZERO, &none));
}

/// A registration whose key names other powers of tau.
fn other_set_up(w: &mut World, r: &Registration) -> Registration {
    let code = w.machine.code(Address::from_slice(&r.proof[4..24]));
    let mut key = ShortKey::from_bytes(&code[1..]).unwrap();
    let other = Srs::with_tau(Scalar::from_u64(3), 3).unwrap().key();
    assert_ne!(key.srs.tau, other.tau);
    key.srs.tau = other.tau;
    let at = w.machine.deploy_code(&export::key_account(&key.to_bytes())).0;
    Registration { id: key.id(), proof: [&r.proof[..4], at.as_slice(), &r.proof[24..]].concat() }
}
