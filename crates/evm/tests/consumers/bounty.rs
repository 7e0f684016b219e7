//! A prize for the model that predicts best, whose weights nobody sees.

use std::path::PathBuf;

use proveil::io::{Npz, encode, input_specs};
use proveil_evm::Form;
use proveil_evm::abi::Abi;
use proveil_frontend::Tensor;
use proveil_protocol::transcript::keccak256;
use proveil_relation::key::IoVisibility;

use crate::machine::account;
use crate::world::{Contract, Door, Model, Registration, World, bytes, number, word};

const ORGANISER: u8 = 0x11;
const FIRST: u8 = 0x22;
const SECOND: u8 = 0x33;
const IDLE: u8 = 0x44;
const ROWS: usize = 8;
const PRIZE: u64 = 10_000;
const ENTER: u64 = 100;
const REVEAL: u64 = 200;
const PROVE: u64 = 300;

/// The test: rows of the digits' test set, with labels.
struct Test {
    integers: Vec<i64>,
    labels: Vec<u8>,
    packed: Vec<u8>,
}

/// The integers of `ROWS` rows of the test set, from the given one.
fn rows(m: &Model, from: usize) -> (Vec<i64>, Vec<u8>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/digits_mlp/test.npz");
    let mut set = Npz::open(std::fs::read(path).unwrap(), 1 << 24).unwrap();
    let [x, y] = ["X", "y"].map(|name| set.array(name).unwrap().tensor());
    let specs = input_specs(&m.meta, &m.engine.package.graph);
    let cells = x.data[64 * from..64 * (from + ROWS)].to_vec();
    let tensor = Tensor { shape: m.meta.inputs[0].shape.clone(), data: cells, ..x.clone() };
    let integers = encode(&specs, &[tensor]).unwrap().remove(0);
    (integers, y.data[from..from + ROWS].iter().map(|v| *v as u8).collect())
}

/// How many rows a model has right.
fn correct(m: &Model, integers: &[i64], labels: &[u8]) -> usize {
    let predicted = &m.outputs(&[integers.to_vec()])[0];
    predicted.iter().zip(labels).filter(|(p, l)| **p == i64::from(**l)).count()
}

impl Test {
    /// Rows of which the first model has more right than the second.
    fn that_tells(a: &Model, b: &Model) -> Self {
        let find = |from: &usize| {
            let (integers, labels) = rows(a, *from);
            correct(a, &integers, &labels) > correct(b, &integers, &labels)
        };
        let from = (0..440).step_by(ROWS).find(find).expect("rows that tell the models apart");
        let (integers, labels) = rows(a, from);
        let io = &a.engine.key.short.inputs[0];
        let pack = |v: &i64| (v - io.lo).to_be_bytes()[8 - io.width()..].to_vec();
        let packed = integers.iter().flat_map(pack).collect();
        Self { integers, labels, packed }
    }

    fn hash(&self, salt: [u8; 32]) -> Abi {
        Abi::Word(keccak256(&[&salt, &self.labels, &self.packed]))
    }

    fn reveal(&self, salt: [u8; 32]) -> [Abi; 3] {
        [Abi::Word(salt), bytes(&self.labels), bytes(&self.packed)]
    }
}

const SALT: [u8; 32] = [5; 32];

fn bounty(w: &mut World, test: &Test, form: Form) -> Contract {
    let test = vec![
        test.hash(SALT),
        form.abi(),
        Abi::uint(ROWS as u64),
        Abi::uint(ENTER),
        Abi::uint(REVEAL),
        Abi::uint(PROVE),
    ];
    w.deploy(ORGANISER, PRIZE, artifact!("PredictionBounty"), &[word(w.verifier), Abi::Tuple(test)])
}

fn enter(m: &Model, r: &Registration) -> [Abi; 4] {
    [m.id(), word(m.account), Abi::Word(r.id), bytes(&r.proof)]
}

fn proof(p: &[u8], nonce: u64) -> Vec<Abi> {
    vec![bytes(p), Abi::uint(nonce)]
}

#[test]
fn accepts_the_story_of_the_bounty() {
    let mut w = World::new();
    let a = w.model_of("digits_mlp", IoVisibility::Public, ROWS);
    let b = w.model_of("digits_logistic_regression", IoVisibility::Public, ROWS);
    let (of_a, of_b) = (w.registration(&a), w.registration(&b));
    let test = Test::that_tells(&a, &b);
    let bounty = bounty(&mut w, &test, a.input());
    let prove =
        |m: &Model, who: u8, nonce| m.prove(std::slice::from_ref(&test.integers), None, &bounty.context(who, nonce));
    // Entries: with a registration of their own weights, once.
    assert_eq!(w.refuses(FIRST, &bounty, "enter", &enter(&a, &of_b)), "OtherRegistration");
    let outcome = w.send(SECOND, &bounty, "enter", &enter(&b, &of_b));
    println!("an entry with its registration: {} gas", outcome.gas);
    outcome.result.unwrap();
    w.accepts(FIRST, &bounty, "enter", &enter(&a, &of_a));
    assert_eq!(w.refuses(FIRST, &bounty, "enter", &enter(&b, &of_b)), "NoEntry");
    w.accepts(IDLE, &bounty, "enter", &enter(&b, &of_b));
    // Nothing is revealed while models may enter.
    assert_eq!(w.refuses(ORGANISER, &bounty, "reveal", &test.reveal(SALT)), "WrongTime");
    w.machine.wait(ENTER + 1);
    assert_eq!(w.refuses(0x55, &bounty, "enter", &enter(&a, &of_a)), "WrongTime");
    assert_eq!(w.refuses(FIRST, &bounty, "approve", &[word(account(FIRST))]), "NotOrganiser");
    for who in [FIRST, SECOND] {
        w.accepts(ORGANISER, &bounty, "approve", &[word(account(who))]);
    }
    let early = prove(&b, SECOND, 0);
    assert_eq!(w.refuses(SECOND, &bounty, "prove", &proof(&early, 0)), "WrongTime");
    // The test that was fixed, and no other.
    assert_eq!(w.refuses(ORGANISER, &bounty, "reveal", &test.reveal([6; 32])), "OtherTest");
    w.accepts(ORGANISER, &bounty, "reveal", &test.reveal(SALT));
    assert_eq!(w.refuses(ORGANISER, &bounty, "approve", &[word(account(IDLE))]), "WrongTime");
    for (m, who) in [(&b, SECOND), (&a, FIRST)] {
        let outcome = w.send(who, &bounty, "prove", &proof(&prove(m, who, 0), 0));
        println!("a proof of {ROWS} predictions: {} gas", outcome.gas);
        outcome.result.unwrap();
        let entry = w.accepts(who, &bounty, "entries", &[word(account(who))]);
        assert_eq!(number(&entry, 5) as usize, correct(m, &test.integers, &test.labels));
    }
    // Nobody who was not approved, and nobody twice.
    assert_eq!(w.refuses(IDLE, &bounty, "prove", &proof(&prove(&b, IDLE, 0), 0)), "NoEntry");
    assert_eq!(w.refuses(FIRST, &bounty, "prove", &proof(&prove(&a, FIRST, 1), 1)), "NoEntry");
    assert_eq!(w.refuses(FIRST, &bounty, "pay", &[]), "WrongTime");
    w.machine.wait(PROVE);
    let before = w.machine.balance(account(FIRST));
    w.accepts(SECOND, &bounty, "pay", &[]);
    assert_eq!(w.machine.balance(account(FIRST)) - before, revm::primitives::U256::from(PRIZE));
    assert_eq!(w.refuses(SECOND, &bounty, "pay", &[]), "NothingToPay");
}

#[test]
fn rejects_other_models_tests_and_keys() {
    let mut w = World::new();
    let a = w.model_of("digits_mlp", IoVisibility::Public, ROWS);
    let b = w.model_of("digits_logistic_regression", IoVisibility::Public, ROWS);
    let test = Test::that_tells(&a, &b);
    let bounty = bounty(&mut w, &test, a.input());
    // Inputs that are not public, another number of rows, another range.
    for m in [
        w.model_of("digits_mlp", IoVisibility::Private, ROWS),
        w.model_of("digits_mlp", IoVisibility::Committed, ROWS),
        w.model_of("digits_mlp", IoVisibility::Public, ROWS + 1),
        w.model("app_price_stats", IoVisibility::Public),
    ] {
        let none = Registration { id: [0; 32], proof: Vec::new() };
        assert_eq!(w.refuses(FIRST, &bounty, "enter", &enter(&m, &none)), "UnfitKey");
    }
    let r = w.registration(&a);
    w.accepts(FIRST, &bounty, "enter", &enter(&a, &r));
    w.machine.wait(ENTER + 1);
    w.accepts(ORGANISER, &bounty, "approve", &[word(account(FIRST))]);
    w.accepts(ORGANISER, &bounty, "reveal", &test.reveal(SALT));
    let prove = |context: &[u8]| a.prove(std::slice::from_ref(&test.integers), None, context);
    let door = Door { contract: &bounty, function: "prove", sender: FIRST, arguments: &proof, prove: &prove };
    w.refuses_what_is_foreign(&door, &b, 0);
    // Another prediction than was proved, and the proof of a better model.
    let behind = test.packed.len();
    w.refuses_changed_data(&door, 0, |data| data[behind] ^= 1);
    let better = b.prove(std::slice::from_ref(&test.integers), None, &bounty.context(FIRST, 0));
    assert_eq!(w.refuses(FIRST, &bounty, "prove", &proof(&better, 0)), "WrongKey");
    // Easier inputs.
    let mut easy = test.integers.clone();
    easy[0] ^= 1;
    let p = a.prove(&[easy], None, &bounty.context(FIRST, 0));
    assert_eq!(w.refuses(FIRST, &bounty, "prove", &proof(&p, 0)), "OtherTest");
    w.accepts(FIRST, &bounty, "prove", &proof(&prove(&bounty.context(FIRST, 0)), 0));
}

#[test]
fn accepts_shares_when_nothing_was_revealed() {
    let mut w = World::new();
    let a = w.model_of("digits_mlp", IoVisibility::Public, ROWS);
    let b = w.model_of("digits_logistic_regression", IoVisibility::Public, ROWS);
    let test = Test::that_tells(&a, &b);
    let bounty = bounty(&mut w, &test, a.input());
    let r = w.registration(&a);
    for who in [FIRST, SECOND] {
        w.accepts(who, &bounty, "enter", &enter(&a, &r));
    }
    assert_eq!(w.refuses(FIRST, &bounty, "share", &[]), "WrongTime");
    w.machine.wait(REVEAL + 1);
    assert_eq!(w.refuses(ORGANISER, &bounty, "reveal", &test.reveal(SALT)), "WrongTime");
    assert_eq!(w.refuses(IDLE, &bounty, "share", &[]), "NothingToPay");
    for who in [FIRST, SECOND] {
        let before = w.machine.balance(account(who));
        w.accepts(who, &bounty, "share", &[]);
        assert_eq!(w.machine.balance(account(who)) - before, revm::primitives::U256::from(PRIZE / 2));
        assert_eq!(w.refuses(who, &bounty, "share", &[]), "NothingToPay");
    }
    w.machine.wait(PROVE);
    assert_eq!(w.refuses(FIRST, &bounty, "pay", &[]), "NothingToPay");
}
