//! An oracle of statistics that stops a market in a storm.

use k256::ecdsa::SigningKey;
use proveil_evm::abi::Abi;
use proveil_kzg::commit::Committed;
use proveil_protocol::transcript::keccak256;
use proveil_relation::key::IoVisibility;
use revm::primitives::Address;

use crate::machine::account;
use crate::world::{Contract, Door, Model, World, bytes, number, point_hash, word};

const ADMIN: u8 = 0x11;
const REPORTER: u8 = 0x22;

/// An exchange with a key of its own.
struct Exchange(SigningKey);

impl Exchange {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    fn address(&self) -> Address {
        let point = self.0.verifying_key().to_encoded_point(false);
        Address::from_slice(&keccak256(&[&point.as_bytes()[1..]])[12..])
    }

    /// Signs what the contract says is to be signed.
    fn sign(&self, w: &mut World, breaker: &Contract, window: u64, c: &Committed) -> Vec<u8> {
        let digest = w.accepts(REPORTER, breaker, "digestOf", &[Abi::uint(window), point_hash(c)]);
        let (signature, id) = self.0.sign_prehash_recoverable(&digest).unwrap();
        [&signature.to_bytes()[..], &[27 + id.to_byte()]].concat()
    }
}

/// A breaker that trips when the range is above `limit` percent of the mean.
fn breaker(w: &mut World, m: &Model, exchange: &Exchange, limit: u64) -> Contract {
    let outputs = Abi::Tuple((0..3).map(|k| m.output(k).abi()).collect());
    let arguments =
        [word(w.verifier), m.id(), outputs, word(exchange.address()), Abi::uint(limit), word(account(ADMIN))];
    w.deploy(ADMIN, 0, artifact!("VolatilityBreaker"), &arguments)
}

/// The calmest and the wildest case, and a limit in percent between them.
fn calm_and_wild(m: &Model) -> (usize, usize, u64) {
    let percent = |c: usize| 100.0 * m.real(c, 2)[0] / m.real(c, 0)[0];
    let mut cases: Vec<usize> = (0..m.cases.len()).collect();
    cases.sort_by(|a, b| percent(*a).total_cmp(&percent(*b)));
    let (calm, wild) = (cases[0], cases[cases.len() - 1]);
    let limit = percent(calm).ceil();
    assert!(limit < percent(wild));
    (calm, wild, limit as u64)
}

#[test]
fn accepts_the_story_of_the_circuit_breaker() {
    let mut w = World::new();
    let m = w.model("app_price_stats", IoVisibility::Committed);
    let exchange = Exchange::new(7);
    let (calm, wild, limit) = calm_and_wild(&m);
    let breaker = breaker(&mut w, &m, &exchange, limit);
    assert_eq!(w.refuses(REPORTER, &breaker, "price", &[]), "NoPrice");
    let report = |w: &mut World, case: usize, window: u64| {
        let c = m.commit(case);
        let signature = exchange.sign(w, &breaker, window, &c);
        let proof = m.prove(&m.cases[case], Some(&c), &breaker.context(REPORTER, window));
        let arguments = [bytes(&proof), Abi::uint(window), Abi::uint(window), bytes(&signature)];
        let outcome = w.send(REPORTER, &breaker, "report", &arguments);
        println!("a report: {} gas", outcome.gas);
        outcome.result.unwrap();
    };
    report(&mut w, calm, 1);
    // The price in real units, rounded down.
    let price = number(&w.accepts(REPORTER, &breaker, "price", &[]), 0);
    let expected = m.real(calm, 0)[0];
    assert!((price as f64 / 1e18 - expected).abs() < 1e-9, "{price} for {expected}");
    report(&mut w, wild, 2);
    assert_eq!(w.refuses(REPORTER, &breaker, "price", &[]), "EnforcedPause");
    // A calm window does not end a stop, people do.
    report(&mut w, calm, 3);
    assert_eq!(w.refuses(REPORTER, &breaker, "price", &[]), "EnforcedPause");
    assert_eq!(w.refuses(REPORTER, &breaker, "resume", &[]), "AccessControlUnauthorizedAccount");
    w.accepts(ADMIN, &breaker, "resume", &[]);
    assert_eq!(number(&w.accepts(REPORTER, &breaker, "price", &[]), 0), price);
}

#[test]
fn rejects_reports_that_the_exchange_did_not_sign_and_foreign_proofs() {
    let mut w = World::new();
    let m = w.model("app_price_stats", IoVisibility::Committed);
    let other = w.model("diabetes_mlp_regressor", IoVisibility::Committed);
    let (exchange, stranger) = (Exchange::new(7), Exchange::new(8));
    let (calm, wild, limit) = calm_and_wild(&m);
    let breaker = breaker(&mut w, &m, &exchange, limit);
    let (c, storm) = (m.commit(calm), m.commit(wild));
    let good = exchange.sign(&mut w, &breaker, 5, &c);
    let prove = |context: &[u8]| m.prove(&m.cases[calm], Some(&c), context);
    let proof = prove(&breaker.context(REPORTER, 0));
    let arguments = |window: u64, signature: &[u8]| [bytes(&proof), Abi::uint(0), Abi::uint(window), bytes(signature)];
    let forged = stranger.sign(&mut w, &breaker, 5, &c);
    let of_storm = exchange.sign(&mut w, &breaker, 5, &storm);
    for signature in [&forged, &of_storm] {
        assert_eq!(w.refuses(REPORTER, &breaker, "report", &arguments(5, signature)), "NotSigned");
    }
    // Signed for another window.
    assert_eq!(w.refuses(REPORTER, &breaker, "report", &arguments(6, &good)), "NotSigned");
    // The other signature of the same message that the curve allows.
    let mut high = good.clone();
    let order = hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let s: [u8; 32] = good[32..64].try_into().unwrap();
    high[32..64].copy_from_slice(&subtract(&order, &s));
    high[64] ^= 27 ^ 28;
    assert_eq!(w.refuses(REPORTER, &breaker, "report", &arguments(5, &high)), "ECDSAInvalidSignatureS");
    let call = |proof: &[u8], nonce: u64| vec![bytes(proof), Abi::uint(nonce), Abi::uint(5), bytes(&good)];
    let door = Door { contract: &breaker, function: "report", sender: REPORTER, arguments: &call, prove: &prove };
    w.refuses_what_is_foreign(&door, &other, 0);
    // A smaller range than was proved.
    let end: usize = 64 + (0..3).map(|k| m.output(k).width()).sum::<usize>();
    w.refuses_changed_data(&door, 0, |data| data[end - 1] ^= 1);
    w.accepts(REPORTER, &breaker, "report", &call(&proof, 0));
    assert_eq!(w.refuses(REPORTER, &breaker, "report", &call(&proof, 0)), "OldWindow");
}

fn hex(text: &str) -> [u8; 32] {
    core::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

/// `a - b` for `a > b`, most significant byte first.
fn subtract(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let (mut out, mut borrow) = ([0; 32], 0i16);
    for i in (0..32).rev() {
        let v = i16::from(a[i]) - i16::from(b[i]) - borrow;
        (out[i], borrow) = (v.rem_euclid(256) as u8, i16::from(v < 0));
    }
    out
}
