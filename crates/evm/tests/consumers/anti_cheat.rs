//! Stakes in a game, judged by a hidden model.

use proveil_evm::abi::Abi;
use proveil_relation::key::IoVisibility;

use crate::machine::account;
use crate::world::{Contract, Door, Model, World, bytes, number, real, word};

const STUDIO: u8 = 0x11;
const FAIR: u8 = 0x22;
const CHEAT: u8 = 0x33;
const SERVER: u8 = 0x44;
const STAKE: u64 = 1000;

fn game(w: &mut World, m: &Model, least_error: f64) -> Contract {
    let outputs = Abi::Tuple(vec![m.output(0).abi(), m.output(1).abi()]);
    let people = Abi::Tuple(vec![word(account(STUDIO)), word(account(SERVER))]);
    let arguments = [word(w.verifier), m.id(), outputs, real(least_error), people, Abi::uint(STAKE), Abi::uint(1000)];
    w.deploy(STUDIO, 0, artifact!("AntiCheat"), &arguments)
}

/// A case whose flag is not set, and one whose flag is.
fn fair_and_cheat(m: &Model) -> (usize, usize) {
    let find = |flag: f64| (0..m.cases.len()).find(|c| m.real(*c, 1)[0] == flag).unwrap();
    (find(0.0), find(1.0))
}

fn record(m: &Model, player: u8, case: usize) -> [Abi; 2] {
    [word(account(player)), bytes(&m.commit(case).point.to_bytes())]
}

fn judge(proof: &[u8], nonce: u64, player: u8) -> Vec<Abi> {
    vec![bytes(proof), Abi::uint(nonce), word(account(player))]
}

#[test]
fn accepts_the_story_of_fair_play() {
    let mut w = World::new();
    let m = w.model("digits_autoencoder_anomaly", IoVisibility::Committed);
    let (fair, cheat) = fair_and_cheat(&m);
    let game = game(&mut w, &m, 0.0);
    let prove = |case: usize, nonce| m.prove(&m.cases[case], Some(&m.commit(case)), &game.context(STUDIO, nonce));
    let proofs = [prove(fair, 1), prove(cheat, 2)];
    for player in [FAIR, CHEAT] {
        w.pay(player, STAKE, &game, "enter", &[]).result.unwrap();
    }
    // Nobody is judged on what the server did not record, and only the server records, once.
    assert_eq!(w.refuses(STUDIO, &game, "judge", &judge(&proofs[1], 2, FAIR)), "NoRecord");
    assert_eq!(w.refuses(STUDIO, &game, "record", &record(&m, FAIR, cheat)), "AccessControlUnauthorizedAccount");
    w.accepts(SERVER, &game, "record", &record(&m, FAIR, fair));
    w.accepts(SERVER, &game, "record", &record(&m, CHEAT, cheat));
    assert_eq!(w.refuses(SERVER, &game, "record", &record(&m, FAIR, cheat)), "NoRecord");
    assert_eq!(w.refuses(FAIR, &game, "withdraw", &[]), "NotClean");
    // Nobody is judged by another player's record.
    assert_eq!(w.refuses(STUDIO, &game, "judge", &judge(&proofs[1], 2, FAIR)), "NoRecord");
    let outcome = w.send(STUDIO, &game, "judge", &judge(&proofs[0], 1, FAIR));
    println!("a verdict: {} gas", outcome.gas);
    outcome.result.unwrap();
    w.accepts(STUDIO, &game, "judge", &judge(&proofs[1], 2, CHEAT));
    for (player, verdict) in [(FAIR, 1), (CHEAT, 2)] {
        assert_eq!(number(&w.accepts(STUDIO, &game, "verdicts", &[word(account(player))]), 0), verdict);
    }
    w.accepts(FAIR, &game, "withdraw", &[]);
    assert_eq!(w.refuses(FAIR, &game, "withdraw", &[]), "NoStake");
    assert_eq!(w.refuses(CHEAT, &game, "withdraw", &[]), "NotClean");
    assert_eq!(w.refuses(STUDIO, &game, "forfeit", &[word(account(FAIR))]), "NotClean");
    w.accepts(STUDIO, &game, "forfeit", &[word(account(CHEAT))]);
    assert_eq!(w.refuses(STUDIO, &game, "forfeit", &[word(account(CHEAT))]), "NoStake");
    assert_eq!(w.refuses(STUDIO, &game, "judge", &judge(&proofs[1], 2, CHEAT)), "NoStake");
}

#[test]
fn rejects_foreign_verdicts_and_late_ones() {
    let mut w = World::new();
    let m = w.model("digits_autoencoder_anomaly", IoVisibility::Committed);
    let other = w.model("app_price_stats", IoVisibility::Committed);
    let (_, cheat) = fair_and_cheat(&m);
    let error = m.real(cheat, 0)[0];
    // A verdict against a player needs a large error, whatever the flag says.
    for (least, expected) in [(error * 1.01, Some("DoubtfulVerdict")), (error * 0.99, None)] {
        let game = game(&mut w, &m, least);
        w.pay(CHEAT, STAKE, &game, "enter", &[]).result.unwrap();
        w.accepts(SERVER, &game, "record", &record(&m, CHEAT, cheat));
        let prove = |context: &[u8]| m.prove(&m.cases[cheat], Some(&m.commit(cheat)), context);
        let arguments = |proof: &[u8], nonce: u64| judge(proof, nonce, CHEAT);
        let door = Door { contract: &game, function: "judge", sender: STUDIO, arguments: &arguments, prove: &prove };
        let proof = prove(&game.context(STUDIO, 0));
        if let Some(e) = expected {
            assert_eq!(w.refuses(STUDIO, &game, "judge", &arguments(&proof, 0)), e);
            continue;
        }
        w.refuses_what_is_foreign(&door, &other, 0);
        // The other flag.
        w.refuses_changed_data(&door, 0, |data| data[64 + m.output(0).width()] ^= 1);
        w.machine.wait(1001);
        assert_eq!(w.refuses(STUDIO, &game, "judge", &arguments(&proof, 0)), "WrongTime");
        // Without a verdict in time the player is clean.
        w.accepts(CHEAT, &game, "withdraw", &[]);
        assert_eq!(w.refuses(STUDIO, &game, "forfeit", &[word(account(CHEAT))]), "NotClean");
    }
}
