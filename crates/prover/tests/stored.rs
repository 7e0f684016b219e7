//! Trees kept in files: the same proofs as without them, and no row that was not committed to.

mod support;

use std::fs::File;
use std::io::{Read, Seek, Write};

use proveil_prover::coins::Coins;
use proveil_prover::stored::{StoredError, StoredTree};
use proveil_prover::{Committed, Deviation, ProveError, adopt_model};
use support::relations::{conv, dense, gather};
use support::{Case, Mode, Setup, setup};

/// Bytes before the leaves, as `spec/formats.md` has it.
const HEADER: usize = 112;

/// The file of a tree.
fn bytes_of(tree: &Committed, codeword: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    tree.tree.store(codeword, &mut bytes).unwrap();
    bytes
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// The model of a set-up, as a file has it.
fn adopted(s: &Setup, file: File) -> Result<Committed, ProveError> {
    adopted_with(s, file, [7; 32])
}

fn adopted_with(s: &Setup, file: File, seed: [u8; 32]) -> Result<Committed, ProveError> {
    let rate = usize::from(s.key.key.params.log_inv_rate);
    let stored = StoredTree::open(file)?;
    adopt_model(&s.key.layout, &s.case.witness().tensors, rate, &Coins::from_seed(seed, &[]), stored)
}

fn stored_error(result: Result<Committed, ProveError>) -> StoredError {
    match result {
        Err(ProveError::Stored(e)) => e,
        Err(e) => panic!("another error: {e}"),
        Ok(_) => panic!("no error"),
    }
}

fn setups() -> Vec<(Case, Mode)> {
    let modes = [Mode::secret(true), Mode::shown(false), Mode::committed(true)];
    [dense(), conv(), gather()].into_iter().flat_map(|c| modes.clone().map(|m| (c.clone(), m))).collect()
}

#[test]
fn matches_reference_proofs() {
    let mut seen = 0;
    for (case, mode) in setups() {
        let mut s = setup(&case, &mode);
        let Some(model) = s.model.take() else { continue };
        let without = {
            s.model = Some(model.clone());
            s.honest().bytes
        };
        for codeword in [true, false] {
            let bytes = bytes_of(&model, codeword);
            let read = adopted(&s, file(&bytes)).unwrap();
            assert_eq!(read.commitment(), model.commitment());
            // What was read is written again as it was, from the file or from the columns.
            assert_eq!(bytes_of(&read, codeword), bytes);
            assert_eq!(bytes_of(&read, true), bytes_of(&model, true));
            s.model = Some(read);
            let proof = s.honest();
            assert!(proof.bytes == without, "another proof");
            s.verify(&proof).unwrap();
            seen += 1;
        }
    }
    assert!(seen >= 12, "{seen} models");
}

#[test]
fn rejects_damaged_headers_and_leaves() {
    for mode in [Mode::secret(true), Mode::shown(false)] {
        let s = setup(&dense(), &mode);
        let model = s.model.as_ref().unwrap();
        let good = bytes_of(model, false);
        assert_eq!(good.len(), HEADER + (32 << model.tree.log_leaves()));
        for i in (0..HEADER).chain((HEADER..good.len()).step_by(37)) {
            let mut bad = good.clone();
            bad[i] ^= 1;
            stored_error(adopted(&s, file(&bad)));
        }
        for len in [0, 7, 8, HEADER - 1, HEADER, good.len() - 1] {
            stored_error(adopted(&s, file(&good[..len])));
        }
        let longer = [&good[..], &[0]].concat();
        let (expected, got) = (good.len() as u64, longer.len() as u64);
        assert_eq!(stored_error(adopted(&s, file(&longer))), StoredError::Length { expected, got });
        let mut leaf = good.clone();
        leaf[HEADER] ^= 1;
        assert_eq!(stored_error(adopted(&s, file(&leaf))), StoredError::Leaves);
        assert!(adopted(&s, file(&good)).is_ok());
    }
}

#[test]
fn rejects_huge_sizes_in_headers() {
    let s = setup(&dense(), &Mode::secret(true));
    let good = bytes_of(s.model.as_ref().unwrap(), true);
    for (at, value) in [(8, 32), (8, 33), (8, 255), (9, 200), (10, 2), (11, 1), (12, 0), (15, 255)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(StoredTree::open(file(&bad)).is_err(), "byte {at} is {value}");
    }
}

#[test]
fn rejects_files_of_other_models_and_commitments() {
    for mode in [Mode::secret(true), Mode::shown(false)] {
        let s = setup(&dense(), &mode);
        let good = bytes_of(s.model.as_ref().unwrap(), true);
        // Other coins.
        if mode.zero_knowledge {
            let error = stored_error(adopted_with(&s, file(&good), [8; 32]));
            assert_eq!(error, StoredError::Other { what: "the nonce" });
        }
        // Other weights of the same shapes.
        let mut case = dense();
        let model = s.key.key.relation.tensors.iter().position(|t| t.home == proveil_relation::Home::Model).unwrap();
        case.tensors[model][0] += 1;
        let other = Setup { case, ..setup(&dense(), &mode) };
        let what = if mode.zero_knowledge { "the nonce" } else { "the hash of the cells" };
        assert_eq!(stored_error(adopted(&other, file(&good))), StoredError::Other { what });
        // Another model.
        let error = stored_error(adopted(&setup(&conv(), &mode), file(&good)));
        assert!(matches!(error, StoredError::Other { .. }), "{error}");
    }
}

#[test]
fn rejects_damaged_codewords_when_rows_are_opened() {
    for mode in [Mode::secret(true), Mode::shown(false)] {
        let mut s = setup(&dense(), &mode);
        let model = s.model.take().unwrap();
        let good = bytes_of(&model, true);
        let codeword = HEADER + (32 << model.tree.log_leaves());
        // A cell changed to another one, and to no field element at all.
        for change in [1, 0xff] {
            let mut bad = good.clone();
            bad[codeword..].chunks_exact_mut(8).for_each(|c| if change == 1 { c[0] ^= 1 } else { c.fill(change) });
            s.model = Some(adopted(&s, file(&bad)).expect("leaves are whole"));
            let error = s.prove(Deviation::default()).unwrap_err();
            assert!(matches!(error, ProveError::Stored(StoredError::Row { .. })), "{error}");
        }
    }
}

#[test]
fn rejects_files_that_change_under_a_proof() {
    let mut s = setup(&dense(), &Mode::secret(true));
    let good = bytes_of(s.model.as_ref().unwrap(), true);
    let open = file(&good);
    let mut other_end = open.try_clone().unwrap();
    s.model = Some(adopted(&s, open).unwrap());
    assert!(s.verify(&s.honest()).is_ok());
    other_end.set_len(good.len() as u64 / 2).unwrap();
    let error = s.prove(Deviation::default()).unwrap_err();
    assert!(matches!(error, ProveError::Stored(StoredError::Read { .. })), "{error}");
    // Zeros where the codeword was.
    other_end.set_len(good.len() as u64).unwrap();
    assert!(matches!(s.prove(Deviation::default()), Err(ProveError::Stored(StoredError::Row { .. }))));
    // Whole again.
    other_end.rewind().unwrap();
    other_end.write_all(&good).unwrap();
    assert!(s.verify(&s.honest()).is_ok());
    other_end.rewind().unwrap();
    let mut now = Vec::new();
    other_end.read_to_end(&mut now).unwrap();
    assert_eq!(now, good);
}
