//! Several proofs in one call in a real machine, beside the verifier in Rust.
#![forbid(unsafe_code)]

mod machine;
mod numbers;
#[path = "../../succinct/tests/setup/mod.rs"]
mod setup;
#[path = "../../prover/tests/support/mod.rs"]
mod support;

use std::sync::OnceLock;

use machine::{Address, Deployed, Machine};
use proveil_algebra::{Challenge, PrimeCharacteristicRing, Scalar};
use proveil_evm::abi::Abi;
use proveil_evm::{Artifact, export};
use proveil_kzg::mercury::Equation;
use proveil_kzg::srs::Srs;
use proveil_kzg::{Point, blinding_base};
use proveil_protocol::transcript::keccak256;
use proveil_relation::key::{IoVisibility, Statement};
use proveil_succinct::prove::Deviation;
use proveil_succinct::{BatchError, Item, ShortKey, reduce_short, verify_batch, verify_short};
use setup::{Setup, setup, setup_on};
use support::{Mode, relations};

macro_rules! artifact {
    ($name:literal) => {
        Artifact::parse(include_str!(concat!("../../../contracts/out/", $name, ".json"))).unwrap()
    };
}

/// A proof with everything that says what it is about.
#[derive(Clone)]
struct Proved {
    key: ShortKey,
    statement: Statement,
    messages: Vec<u8>,
}

impl Proved {
    fn new(s: &Setup, context: &[u8]) -> Self {
        let p = s.prove_for(context, Deviation::default()).unwrap();
        Self { key: s.key.short.clone(), statement: p.statement, messages: p.bytes }
    }

    /// With a byte changed.
    fn changed(&self, at: usize) -> Self {
        let mut p = self.clone();
        p.messages[at] ^= 1;
        p
    }

    fn item(&self) -> Item<'_> {
        Item { key: &self.key, statement: &self.statement, proof: &self.messages }
    }
}

/// What a contract is given for a proof.
#[derive(Clone)]
struct Given {
    proof: Vec<u8>,
    id: [u8; 32],
    digest: [u8; 32],
}

/// Why a call is refused: the error's name; of a proof that is refused also its number and the name of the check.
type Refused = (String, Option<(usize, String)>);

/// A machine with a verifier and the contract for several proofs.
struct Chain {
    batch: Deployed,
    verifier: Address,
    errors: Artifact,
}

impl Chain {
    fn new(errors: Artifact) -> Self {
        let mut machine = Machine::new();
        let verifier = machine.deploy(&errors).0;
        let artifact = artifact!("BatchVerifier");
        let at = machine.deploy_with(&artifact, &[Abi::Word(verifier.into_word().0)]);
        Self { batch: Deployed { machine, at, artifact }, verifier, errors }
    }

    fn development() -> Self {
        Self::new(artifact!("InsecureDevelopmentVerifier"))
    }

    fn give(&mut self, p: &Proved) -> Given {
        let account = self.batch.machine.deploy_code(&export::key_account(&p.key.to_bytes())).0;
        let public = p.key.public_data(&p.statement).unwrap();
        let proof = export::proof(account.into_array(), &public, &p.messages);
        Given { proof, id: p.key.id(), digest: keccak256(&[&public]) }
    }

    fn send(&mut self, data: Vec<u8>) -> (Result<(), Refused>, u64) {
        let outcome = self.batch.machine.call(self.batch.at, data);
        (outcome.result.map(|b| assert!(b.is_empty())).map_err(|e| self.read(&e)), outcome.gas)
    }

    fn read(&self, e: &[u8]) -> Refused {
        let name = self.batch.artifact.error(e).unwrap_or("no custom error").to_owned();
        let number = |at: usize| u64::from_be_bytes(e[at + 24..at + 32].try_into().unwrap()) as usize;
        let inner = (name == "ProofRejected").then(|| {
            // Number, place of the reason, its length, its bytes.
            let reason = &e[100..100 + number(68)];
            (number(4), self.errors.error(reason).unwrap_or("no custom error").to_owned())
        });
        let inner = inner.or_else(|| (name == "OtherSetUp").then(|| (number(4), String::new())));
        (name, inner)
    }

    fn verify(&mut self, items: &[Given]) -> (Result<(), Refused>, u64) {
        let items: Vec<_> = items.iter().map(|g| (&g.proof[..], g.id, g.digest)).collect();
        self.send(export::verify_batch_call(&items))
    }

    /// What both verifiers say of proofs, once they are seen to agree: with each other, and with what the verifier of single
    /// proofs says of each.
    fn both(&mut self, proofs: &[&Proved]) -> Result<(), Refused> {
        let given: Vec<_> = proofs.iter().map(|p| self.give(p)).collect();
        let there = self.verify(&given).0;
        let items: Vec<_> = proofs.iter().map(|p| p.item()).collect();
        let own = verify_batch(&items);
        let alone: Vec<_> = proofs.iter().map(|p| verify_short(&p.key, &p.statement, &p.messages)).collect();
        assert_eq!(own.is_ok(), alone.iter().all(Result::is_ok), "{own:?} {alone:?}");
        match (&own, &there) {
            (Ok(()), Ok(())) => {}
            (Err(BatchError::Openings), Err((name, None))) => assert_eq!(name, "BatchRejected"),
            (Err(BatchError::Proof { index, .. }), Err((_, Some((i, _))))) => {
                assert_eq!(i, index);
                assert!(alone[*index].is_err() && alone[..*index].iter().all(Result::is_ok));
            }
            _ => panic!("{own:?}, but the contract: {there:?}"),
        }
        there
    }
}

fn rejected(i: usize, check: &str) -> Result<(), Refused> {
    Err(("ProofRejected".into(), Some((i, check.into()))))
}

fn named(error: &str) -> Result<(), Refused> {
    Err((error.into(), None))
}

/// Two proofs of one model and one of each of two others, which differ in sizes and in what is public.
fn proofs() -> &'static [Proved; 4] {
    static PROOFS: OnceLock<[Proved; 4]> = OnceLock::new();
    PROOFS.get_or_init(|| {
        let dense = setup(&relations::dense(), &Mode::secret(true));
        let conv = setup(&relations::conv(), &Mode { input: IoVisibility::Public, ..Mode::secret(true) });
        let deep = setup(&relations::deep(2), &Mode::committed(true));
        let of = |s: &Setup, context: &[u8]| Proved::new(s, context);
        [of(&dense, b"first"), of(&dense, b"second"), of(&conv, b"third"), of(&deep, b"fourth")]
    })
}

#[test]
fn accepts_proofs_of_one_model_and_of_several() {
    let mut c = Chain::development();
    let [a, b, x, y] = proofs();
    let lists: [&[&Proved]; 9] =
        [&[a], &[x], &[a, b], &[a, x], &[a, b, x], &[a, x, b], &[y, a, x, b], &[a, a], &[x, x, x, b, a, y, y]];
    for list in lists {
        assert_eq!(c.both(list), Ok(()), "{} proofs", list.len());
    }
}

/// The equation that the verifier leaves of a proof, added up, is the one of the other verifier, and so is the transcript.
#[test]
fn matches_reference_equations() {
    let mut c = Chain::development();
    for p in proofs() {
        let g = c.give(p);
        let (transcript, equation) = reduced(&mut c, &g);
        let own = reduce_short(&p.key, &p.statement, &p.messages).unwrap();
        assert_eq!((transcript, equation), (own.transcript, own.equation));
        assert!(p.key.srs.check(&equation.left, &equation.right));
    }
}

/// What `reduce` returns, with the points that it leaves to be added.
fn reduced(c: &mut Chain, g: &Given) -> ([u8; 32], Equation) {
    let arguments = [Abi::Bytes(g.proof.clone()), Abi::Word(g.id), Abi::Word(g.digest)];
    let out = c.batch.machine.send(c.verifier, &c.errors, "reduce", &arguments).result.unwrap();
    assert_eq!(out.len(), 0x220);
    let word = |i: usize| -> [u8; 32] { out[32 * i..32 * (i + 1)].try_into().unwrap() };
    let point = |i: usize| Point::from_bytes(&out[32 * i..32 * (i + 2)]).unwrap();
    let factor = |i: usize| Scalar::read(&word(i)).unwrap();
    let mut left = point(1) - Point::generator() * factor(5) - blinding_base() * factor(6) + point(9) * factor(7);
    if factor(8) != Scalar::ZERO {
        left = left + point(11) * factor(8);
    }
    (word(0), Equation { left, right: point(3) })
}

/// A changed word of any proof of three is refused as in a proof by itself: by its number and check, or by the sum of all
/// openings, which names none.
#[test]
fn rejects_changed_proofs_in_every_place_as_the_other_verifier_does() {
    let mut c = Chain::development();
    let [a, b, x, _] = proofs();
    for place in 0..3 {
        let honest = [a, x, b];
        let mut seen = [false; 2];
        let words = honest[place].messages.len() / 32;
        for i in (place..words).step_by(3) {
            let bad = honest[place].changed(32 * i + (7 * i) % 32);
            let mut list = honest;
            list[place] = &bad;
            match c.both(&list) {
                Err((name, None)) if name == "BatchRejected" => seen[0] = true,
                Err((_, Some((number, check)))) => {
                    let checks = ["NonCanonicalScalar", "InvalidPoint", "FunctionalsRejected"];
                    assert!(number == place && checks.contains(&&*check), "{number} {check}");
                    seen[1] = true;
                }
                other => panic!("word {i}: {other:?}"),
            }
        }
        assert_eq!(seen, [true; 2], "both kinds of refusals");
    }
    // Alone, a false opening is named.
    let last = a.messages.len() - 1;
    let bad = (0..last)
        .step_by(32)
        .map(|at| a.changed(at + 31))
        .find(|p| matches!(c.both(&[p]), Err((_, Some((0, check)))) if check == "OpeningRejected"));
    assert!(bad.is_some());
}

/// Two last messages are moved so that what one equation lacks the other one has too much: a sum without weights would accept.
#[test]
fn rejects_errors_that_cancel_each_other() {
    let mut c = Chain::development();
    let [a, b, x, y] = proofs();
    for (p, q) in [(a, b), (a, x), (y, x)] {
        // The challenge behind `W`, times the generator: what the left side gains if `W'` grows by the generator.
        let mut z = |p: &Proved| {
            let [here, there] = [p.clone(), moved(p, Point::generator())].map(|p| {
                let g = c.give(&p);
                reduced(&mut c, &g).1
            });
            there.left - here.left
        };
        let (z_p, z_q) = (z(p), z(q));
        let tau = Point::generator() * dev_tau();
        // Errors (z_p - tau) (z_q - tau) and its negative.
        let (p, q) = (moved(p, z_q - tau), moved(q, tau - z_p));
        let [e, f] = [&p, &q].map(|p| {
            let g = c.give(p);
            reduced(&mut c, &g).1
        });
        let srs = p.key.srs;
        assert!(!srs.check(&e.left, &e.right) && !srs.check(&f.left, &f.right));
        assert!(srs.check(&(e.left + f.left), &(e.right + f.right)), "the sum without weights holds");
        assert_eq!(c.both(&[&p, &q]), named("BatchRejected"));
        assert_eq!(c.both(&[&q, &p]), named("BatchRejected"));
        assert_eq!(c.both(&[&p, a, &q]), named("BatchRejected"));
        assert_eq!(c.both(&[&p]), rejected(0, "OpeningRejected"));
    }
}

/// The secret of the development set-up, which is a published hash.
fn dev_tau() -> Scalar {
    let hash = keccak256(&[proveil_kzg::srs::DEV_LABEL]);
    let limbs = std::array::from_fn(|i| u64::from_be_bytes(hash[8 * i..8 * i + 8].try_into().unwrap()));
    proveil_algebra::scalar_from_limbs(limbs)
}

/// With the last message moved by a point.
fn moved(p: &Proved, by: Point) -> Proved {
    let mut p = p.clone();
    let at = p.messages.len() - 64;
    let last = Point::from_bytes(&p.messages[at..]).unwrap();
    p.messages[at..].copy_from_slice(&(last + by).to_bytes());
    p
}

/// The same proofs in every order: one bad one is found where it is, and the others' memory changes nothing.
#[test]
fn matches_reference_in_every_order_with_clean_and_dirtied_memory() {
    let [a, b, x, y] = proofs();
    let late = a.changed(a.messages.len() - 200);
    let early = x.changed(64 * 6 + 31);
    for artifact in [artifact!("InsecureDevelopmentVerifier"), artifact!("DirtyMemoryVerifier")] {
        let mut c = Chain::new(artifact);
        for (list, expected) in [([a, b, x, y], None), ([&late, b, x, y], None), ([a, b, &early, y], Some(2))] {
            for order in orders() {
                let verdict = c.both(&order.map(|i| list[i]));
                match (expected, &verdict) {
                    (Some(bad), Err((_, Some((number, _))))) => assert_eq!(order[*number], bad),
                    (None, Ok(())) => assert_eq!(list[0].messages, a.messages),
                    (None, Err((name, None))) => {
                        assert!(name == "BatchRejected" && list[0].messages != a.messages);
                    }
                    _ => panic!("{order:?}: {verdict:?}"),
                }
            }
        }
    }
}

/// All orders of four.
fn orders() -> Vec<[usize; 4]> {
    let all = (0..256).map(|n| [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6]);
    all.filter(|o| (0..4).all(|i| o.contains(&i))).collect()
}

#[test]
fn rejects_lists_that_are_empty_or_of_different_lengths() {
    let mut c = Chain::development();
    let g = c.give(&proofs()[0]);
    assert_eq!(c.verify(&[]).0, named("EmptyBatch"));
    assert_eq!(verify_batch(&[]), Err(BatchError::Empty));
    let selector = c.batch.artifact.function("verifyBatch").unwrap();
    for lengths in [[2, 1, 1], [1, 2, 1], [1, 1, 2], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0]] {
        let pieces = [Abi::Bytes(g.proof.clone()), Abi::Word(g.id), Abi::Word(g.digest)];
        let lists: Vec<_> = pieces.into_iter().zip(lengths).map(|(p, n)| Abi::List(vec![p; n])).collect();
        let data = [&selector[..], &proveil_evm::abi::encode(&lists)].concat();
        let expected = if lengths[0] == 0 { "EmptyBatch" } else { "LengthMismatch" };
        assert_eq!(c.send(data).0, named(expected), "{lengths:?}");
    }
    // Calldata that end early are refused by the compiler's checks, without a name.
    let whole = export::verify_batch_call(&[(&g.proof, g.id, g.digest)]);
    for n in [4, 36, 100, whole.len() - 33, whole.len() - 100] {
        assert_eq!(c.send(whole[..n].to_vec()).0, named("no custom error"), "{n} bytes");
    }
}

#[test]
fn rejects_swapped_digests_proofs_and_malformed_items_by_number() {
    let mut c = Chain::development();
    let [a, b, x] = [0, 1, 2].map(|i| c.give(&proofs()[i]));
    let mut expect = |items: &[Given], i: usize, check: &str| assert_eq!(c.verify(items).0, rejected(i, check));
    let with = |g: &Given, change: &dyn Fn(&mut Given)| {
        let mut g = g.clone();
        change(&mut g);
        g
    };
    // Digests of each other's statements; model ids of each other; whole proofs in each other's place.
    let (swapped_a, swapped_b) = (with(&a, &|g| g.digest = b.digest), with(&b, &|g| g.digest = a.digest));
    expect(&[swapped_a.clone(), swapped_b.clone()], 0, "WrongPublicData");
    expect(&[x.clone(), a.clone(), swapped_b], 2, "WrongPublicData");
    expect(&[a.clone(), with(&x, &|g| g.id = a.id)], 1, "WrongKey");
    expect(&[with(&a, &|g| g.proof.clone_from(&x.proof)), with(&x, &|g| g.proof.clone_from(&a.proof))], 0, "WrongKey");
    expect(&[with(&a, &|g| g.proof.clone_from(&b.proof)), b.clone()], 0, "WrongPublicData");
    // Messages of another statement of the same model.
    let head = a.proof.len() - proofs()[0].messages.len();
    let foreign = with(&a, &|g| g.proof[head..].copy_from_slice(&b.proof[head..]));
    expect(&[b.clone(), foreign], 1, "FunctionalsRejected");
    for place in 0..3 {
        let mut malformed = |change: &dyn Fn(&mut Given), check: &str| {
            let mut items = [a.clone(), x.clone(), b.clone()];
            change(&mut items[place]);
            expect(&items, place, check);
        };
        malformed(&|g| g.proof[0] ^= 1, "WrongSelector");
        malformed(&|g| g.proof.truncate(3), "WrongSelector");
        malformed(&|g| g.proof.clear(), "WrongSelector");
        malformed(&|g| g.proof[5] ^= 1, "WrongKey");
        malformed(&|g| g.id = [0; 32], "WrongKey");
        malformed(&|g| g.proof.push(0), "ProofLength");
        malformed(&|g| g.proof.truncate(g.proof.len() - 1), "ProofLength");
        malformed(&|g| g.proof.truncate(24), "ProofLength");
        malformed(&|g| g.digest[31] ^= 1, "WrongPublicData");
        // The last message, with a coordinate that is not reduced.
        let add = |g: &mut Given| {
            let at = g.proof.len() - 64;
            numbers::add(&mut g.proof[at..at + 32], &numbers::COORDINATES);
        };
        malformed(&add, "InvalidPoint");
    }
}

/// Powers with another secret.
fn other_powers() -> &'static Srs {
    static SRS: OnceLock<Srs> = OnceLock::new();
    SRS.get_or_init(|| Srs::with_tau(<Scalar as Challenge>::from_int(123_456_789), 14).unwrap())
}

/// One pairing serves one set-up: proofs under different ones are refused by name although each is right.
#[test]
fn rejects_keys_of_different_set_ups_in_one_batch() {
    let mut c = Chain::development();
    let [a, b, ..] = proofs();
    let other = Proved::new(&setup_on(other_powers(), &relations::dense(), &Mode::secret(true)), b"first");
    assert_eq!(c.both(&[&other, &other]), Ok(()));
    assert_ne!(other.key.srs.tau, a.key.srs.tau);
    for list in [[a, &other, b], [a, b, &other], [&other, a, b]] {
        let given: Vec<_> = list.iter().map(|p| c.give(p)).collect();
        let index = (1..3).find(|i| list[*i].key.srs.tau != list[0].key.srs.tau).unwrap();
        assert_eq!(c.verify(&given).0, Err(("OtherSetUp".into(), Some((index, String::new())))));
        let items: Vec<_> = list.iter().map(|p| p.item()).collect();
        assert_eq!(verify_batch(&items), Err(BatchError::SetUp { index }));
    }
}

/// The verifier behind the batch decides: the one for production takes no keys of development set-ups, in any place.
#[test]
fn rejects_keys_of_insecure_set_ups_in_production() {
    let mut c = Chain::new(artifact!("ProveilVerifier"));
    // The same powers, in a file without the mark, as a ceremony's would be.
    static UNMARKED: OnceLock<Srs> = OnceLock::new();
    let unmarked = UNMARKED.get_or_init(|| {
        let mut bytes = setup::srs().encode();
        bytes[8] = 0;
        let end = bytes.len() - 32;
        let digest = blake3(&bytes[..end]);
        bytes[end..].copy_from_slice(&digest);
        Srs::decode(&bytes, None).unwrap()
    });
    let secure = Proved::new(&setup_on(unmarked, &relations::dense(), &Mode::secret(true)), b"first");
    let [secure, insecure] = [&secure, &proofs()[0]].map(|p| c.give(p));
    assert_eq!(c.verify(&[secure.clone(), secure.clone()]).0, Ok(()));
    assert_eq!(c.verify(std::slice::from_ref(&insecure)).0, rejected(0, "InsecureSetUp"));
    assert_eq!(c.verify(&[insecure.clone(), secure.clone()]).0, rejected(0, "InsecureSetUp"));
    assert_eq!(c.verify(&[secure.clone(), secure, insecure]).0, rejected(2, "InsecureSetUp"));
}

fn blake3(bytes: &[u8]) -> [u8; 32] {
    proveil_protocol::transcript::blake3(bytes)
}

/// What has another interface accepts nothing.
#[test]
fn rejects_contracts_that_are_no_verifiers() {
    let mut c = Chain::new(artifact!("Groth16"));
    let g = c.give(&proofs()[0]);
    assert_eq!(c.verify(&[g]).0, rejected(0, "no custom error"));
    // Nor does an account that answers everything with nothing.
    let mut machine = Machine::new();
    let silent = machine.deploy_code(&export::key_account(&[])).0;
    let artifact = artifact!("BatchVerifier");
    let at = machine.deploy_with(&artifact, &[Abi::Word(silent.into_word().0)]);
    c.batch = Deployed { machine, at, artifact };
    let g = c.give(&proofs()[0]);
    assert_eq!(c.verify(&[g]).0, rejected(0, "no custom error"));
    // An account without code is not taken at all: the machine panics where nothing is deployed.
    let deploy = || c.batch.machine.deploy_with(&c.batch.artifact, &[Abi::Word([0; 32])]);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(deploy)).is_err());
}

/// Gas of whole transactions with 1, 2, 4 and 8 proofs of one model, and with four of two models.
#[test]
fn matches_the_gas_snapshot() {
    let mut c = Chain::development();
    let size = c.batch.artifact.runtime.len();
    let mut lines = vec![format!("batch verifier: {size} bytes")];
    let [a, b, x, _] = proofs();
    let [a, b, x] = [a, b, x].map(|p| c.give(p));
    let single = {
        let call = export::verify_call(&a.proof, a.id, a.digest);
        c.batch.machine.call(c.verifier, call).gas
    };
    for n in [1, 2, 4, 8] {
        let items: Vec<_> = [&a, &b].into_iter().cycle().take(n).cloned().collect();
        let (result, gas) = c.verify(&items);
        assert_eq!(result, Ok(()));
        assert!(n == 1 || gas < single * n as u64);
        lines.push(format!("batch of {n} proofs of dense: {gas} gas, {} a proof", gas / n as u64));
    }
    for (name, items) in [("in turn", [&a, &x, &b, &x]), ("apart", [&a, &b, &x, &x])] {
        let (result, gas) = c.verify(&items.map(Clone::clone));
        assert_eq!(result, Ok(()));
        lines.push(format!("batch of 4 proofs of dense and conv, {name}: {gas} gas, {} a proof", gas / 4));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/gas.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let expected: Vec<&str> = text.lines().filter(|l| l.starts_with("batch")).collect();
    assert_eq!(lines, expected, "put the left side into contracts/gas.txt");
}
