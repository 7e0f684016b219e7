//! Loans for who proves a low risk.

use proveil_evm::abi::Abi;
use proveil_relation::key::IoVisibility;

use crate::machine::account;
use crate::world::{Contract, Door, Model, World, bytes, real, word};

const OWNER: u8 = 0x11;
const BORROWER: u8 = 0x22;
const SIGNER: u8 = 0x33;
/// The time until which data count.
const UNTIL: u64 = 1000;

/// A lender who takes risks up to a threshold.
fn lender(w: &mut World, m: &Model, threshold: f64) -> Contract {
    let arguments =
        [word(w.verifier), m.id(), m.output(0).abi(), real(threshold), word(account(SIGNER)), Abi::uint(1000)];
    w.deploy(OWNER, 5000, artifact!("CreditLending"), &arguments)
}

/// The cases with the lowest and the highest risk, and a threshold between.
fn low_and_high(m: &Model) -> (usize, usize, f64) {
    let mut cases: Vec<(f64, usize)> = (0..m.cases.len()).map(|c| (m.real(c, 0)[0], c)).collect();
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (low, high) = (cases[0], cases[cases.len() - 1]);
    (low.1, high.1, f64::midpoint(low.0, high.0))
}

fn loan(proof: &[u8], nonce: u64) -> Vec<Abi> {
    vec![bytes(proof), Abi::uint(nonce)]
}

#[test]
fn accepts_the_story_of_credit_gated_lending() {
    let mut w = World::new();
    let m = w.model("diabetes_mlp_regressor", IoVisibility::Committed);
    let other = w.model("app_price_stats", IoVisibility::Committed);
    let (low, _, threshold) = low_and_high(&m);
    let lending = lender(&mut w, &m, threshold);
    let data = m.commit(low);
    let prove = |context: &[u8]| m.prove(&m.cases[low], Some(&data), context);
    let proof = prove(&lending.context(BORROWER, 7));
    // Nobody but the signer vouches for data, and without that there is no loan.
    let commit = |who: u8| [word(account(who)), bytes(&data.point.to_bytes()), Abi::uint(UNTIL)];
    assert_eq!(w.refuses(BORROWER, &lending, "commitTo", &commit(BORROWER)), "NotSigner");
    assert_eq!(w.refuses(BORROWER, &lending, "borrow", &loan(&proof, 7)), "UnknownData");
    w.accepts(SIGNER, &lending, "commitTo", &commit(BORROWER));
    w.accepts(SIGNER, &lending, "commitTo", &commit(OWNER));
    let door = Door { contract: &lending, function: "borrow", sender: BORROWER, arguments: &loan, prove: &prove };
    w.refuses_what_is_foreign(&door, &other, 7);
    // A lower risk than was proved.
    w.refuses_changed_data(&door, 7, |data| data[64] = 0);
    // Somebody else takes the proof from the pool.
    assert_eq!(w.refuses(OWNER, &lending, "borrow", &loan(&proof, 7)), "WrongContext");
    let outcome = w.send(BORROWER, &lending, "borrow", &loan(&proof, 7));
    println!("a loan: {} gas", outcome.gas);
    outcome.result.unwrap();
    // Once: a second loan, and the same number after the first is paid back, also with another proof of the same statement.
    assert_eq!(w.refuses(BORROWER, &lending, "borrow", &loan(&proof, 7)), "NoLoan");
    w.pay(BORROWER, 1000, &lending, "repay", &[]).result.unwrap();
    let again = prove(&lending.context(BORROWER, 7));
    assert_ne!(again, proof);
    for p in [&proof, &again] {
        assert_eq!(w.refuses(BORROWER, &lending, "borrow", &loan(p, 7)), "NonceUsed");
    }
}

#[test]
fn rejects_loans_on_other_data_and_for_high_risks() {
    let mut w = World::new();
    let m = w.model("diabetes_mlp_regressor", IoVisibility::Committed);
    let (low, high, threshold) = low_and_high(&m);
    let lending = lender(&mut w, &m, threshold);
    let commit = |case: usize| [word(account(BORROWER)), bytes(&m.commit(case).point.to_bytes()), Abi::uint(UNTIL)];
    w.accepts(SIGNER, &lending, "commitTo", &commit(high));
    // The borrower's own data give too high a risk.
    let own = m.prove(&m.cases[high], Some(&m.commit(high)), &lending.context(BORROWER, 0));
    assert_eq!(w.refuses(BORROWER, &lending, "borrow", &loan(&own, 0)), "RiskTooHigh");
    // Better ones, which the borrower committed to.
    let better = m.prove(&m.cases[low], Some(&m.commit(low)), &lending.context(BORROWER, 0));
    assert_eq!(w.refuses(BORROWER, &lending, "borrow", &loan(&better, 0)), "UnknownData");
    // The signer's, when they are too old.
    w.accepts(SIGNER, &lending, "commitTo", &commit(low));
    w.machine.wait(UNTIL + 1);
    assert_eq!(w.refuses(BORROWER, &lending, "borrow", &loan(&better, 0)), "UnknownData");
}
