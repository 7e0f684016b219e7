//! A board whose posts were looked at by a model.

use proveil_evm::abi::Abi;
use proveil_relation::key::IoVisibility;

use crate::machine::account;
use crate::world::{Contract, Door, Model, World, bytes, number, point_hash, real, word};

const ADMIN: u8 = 0x11;
const AUTHOR: u8 = 0x22;
const PUBLISHED: i128 = 2;

fn board(w: &mut World, m: &Model, margin: f64, banned: u64) -> Contract {
    let arguments =
        [word(w.verifier), m.id(), m.output(0).abi(), real(margin), Abi::uint(banned), word(account(ADMIN))];
    w.deploy(ADMIN, 0, artifact!("Moderation"), &arguments)
}

/// The class that a case belongs to, the runner-up, and how far apart they are.
fn classes(m: &Model, case: usize) -> (usize, usize, f64) {
    let scores = m.real(case, 0);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    (order[0], order[1], scores[order[0]] - scores[order[1]])
}

fn post(proof: &[u8], nonce: u64) -> Vec<Abi> {
    vec![bytes(proof), Abi::uint(nonce)]
}

#[test]
fn accepts_the_story_of_the_board() {
    let mut w = World::new();
    let m = w.model("digits_cnn", IoVisibility::Committed);
    let other = w.model("app_price_stats", IoVisibility::Committed);
    let (top, second, gap) = classes(&m, 0);
    let c = m.commit(0);
    let prove = |context: &[u8]| m.prove(&m.cases[0], Some(&c), context);
    let id = point_hash(&c);
    let status = |w: &mut World, b: &Contract| number(&w.accepts(AUTHOR, b, "status", std::slice::from_ref(&id)), 0);
    // Its class is banned.
    let strict = board(&mut w, &m, 0.0, 1 << top);
    let proof = prove(&strict.context(AUTHOR, 0));
    assert_eq!(w.refuses(AUTHOR, &strict, "post", &post(&proof, 0)), "Banned");
    // The runner-up is banned and close: people decide.
    let near = board(&mut w, &m, gap * 1.1, 1 << second);
    w.accepts(AUTHOR, &near, "post", &post(&prove(&near.context(AUTHOR, 0)), 0));
    let decide = [id.clone(), Abi::uint(1)];
    assert_eq!(w.refuses(AUTHOR, &near, "decide", &decide), "AccessControlUnauthorizedAccount");
    w.accepts(ADMIN, &near, "decide", &decide);
    assert_eq!(status(&mut w, &near), PUBLISHED);
    assert_eq!(w.refuses(ADMIN, &near, "decide", &decide), "NotWaiting");
    // It is banned and far away.
    let far = board(&mut w, &m, gap * 0.9, 1 << second);
    let door = Door { contract: &far, function: "post", sender: AUTHOR, arguments: &post, prove: &prove };
    w.refuses_what_is_foreign(&door, &other, 0);
    w.refuses_changed_data(&door, 0, |data| data[64] ^= 1);
    let outcome = w.send(AUTHOR, &far, "post", &post(&prove(&far.context(AUTHOR, 0)), 0));
    println!("a post: {} gas", outcome.gas);
    outcome.result.unwrap();
    assert_eq!(status(&mut w, &far), PUBLISHED);
    // The same picture once, by whomever.
    let again = m.prove(&m.cases[0], Some(&c), &far.context(ADMIN, 0));
    assert_eq!(w.refuses(ADMIN, &far, "post", &post(&again, 0)), "Decided");
    let proof = prove(&far.context(AUTHOR, 0));
    assert_eq!(w.refuses(AUTHOR, &far, "post", &post(&proof, 0)), "NonceUsed");
}

#[test]
fn rejects_another_picture_behind_a_commitment() {
    let mut w = World::new();
    let m = w.model("digits_cnn", IoVisibility::Committed);
    let (top, ..) = classes(&m, 0);
    let board = board(&mut w, &m, 0.0, 1 << top);
    // A proof about a harmless picture, with the commitment to the banned one put into its place.
    let harmless = (1..m.cases.len()).find(|c| classes(&m, *c).0 != top).unwrap();
    let mut proof = m.prove(&m.cases[harmless], Some(&m.commit(harmless)), &board.context(AUTHOR, 0));
    proof[56..120].copy_from_slice(&m.commit(0).point.to_bytes());
    let e = w.refuses(AUTHOR, &board, "post", &post(&proof, 0));
    assert!(["OpeningRejected", "FunctionalsRejected"].contains(&&*e), "{e}");
    // Classes that people ban later.
    let set = [Abi::uint(u64::from(u16::MAX))];
    assert_eq!(w.refuses(AUTHOR, &board, "setBanned", &set), "AccessControlUnauthorizedAccount");
    w.accepts(ADMIN, &board, "setBanned", &set);
    let honest = m.prove(&m.cases[harmless], Some(&m.commit(harmless)), &board.context(AUTHOR, 0));
    assert_eq!(w.refuses(AUTHOR, &board, "post", &post(&honest, 0)), "Banned");
}
