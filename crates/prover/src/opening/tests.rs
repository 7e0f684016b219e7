//! Round trips, tampering and cheating provers.

use proveil_algebra::{E, F, InTurn, PrimeCharacteristicRing, eq_table, eval_mle, ext_from_coords};
use proveil_protocol::codec::{Leaf, Reader, Writer};
use proveil_protocol::opening::{Combination, OpeningError, TreeShape, absorb_statement, label, verify};
use proveil_protocol::params::Params;
use proveil_protocol::transcript::{Drawn, Transcript};

use crate::ProveError;

use super::{Running, Session, kernel, prove, prove_polynomial};
use crate::codeword::Source;
use crate::commit::Tree;

/// Deterministic cells, uniform enough for a test.
fn cell(seed: u64) -> F {
    let digest = blake3::hash(&seed.to_le_bytes());
    let mut low = [0; 8];
    low.copy_from_slice(&digest.as_bytes()[..8]);
    F::from_u64(u64::from_le_bytes(low) >> 1)
}

fn element(seed: u64) -> E {
    ext_from_coords([cell(3 * seed), cell(3 * seed + 1), cell(3 * seed + 2)])
}

fn columns(width: usize, log_height: usize, seed: u64) -> Vec<Vec<F>> {
    let cells = 1u64 << log_height;
    (0..width as u64).map(|c| (0..cells).map(|i| cell(((seed * 64 + c) << 24) + i)).collect()).collect()
}

/// Low targets and no long grinding: every step runs, quickly.
fn quick() -> Params {
    Params { final_log_size: 3, first_fold: 2, fold: 2, rate_step: 1, ..Params::standard(32).with_grinding(6) }
}

struct Case {
    params: Params,
    log_height: usize,
    trees: Vec<Tree>,
    coeffs: Vec<E>,
    tau: Vec<E>,
}

impl Case {
    fn new(params: Params, log_height: usize, widths: &[usize]) -> Self {
        let rate = params.log_inv_rate.into();
        let tree = |(i, width): (usize, &usize)| {
            let seed = (i != 1).then_some([i as u8; 32]);
            Tree::commit(columns(*width, log_height, i as u64), rate, seed).unwrap()
        };
        let trees = widths.iter().enumerate().map(tree).collect();
        let coeffs = (0..widths.iter().sum::<usize>() as u64).map(|i| element(1000 + i)).collect();
        let tau = (0..log_height as u64).map(|i| element(2000 + i)).collect();
        Self { params, log_height, trees, coeffs, tau }
    }

    fn shapes(&self) -> Vec<TreeShape> {
        self.trees.iter().map(Tree::shape).collect()
    }

    fn table(&self) -> Vec<E> {
        let columns: Vec<&[F]> = self.trees.iter().flat_map(Tree::columns).map(Vec::as_slice).collect();
        kernel::combine(&columns, &self.coeffs, 1 << self.log_height)
    }

    fn prove(&self) -> (E, Vec<u8>, Vec<Leaf>, Vec<Drawn>) {
        let (mut t, mut w) = (Transcript::new("test"), Writer::new());
        t.record();
        let trees: Vec<&Tree> = self.trees.iter().collect();
        let value = prove(&mut t, &mut w, &self.params, self.log_height, &trees, &self.coeffs, &self.tau).unwrap();
        let (bytes, leaves) = w.finish();
        (value, bytes, leaves, t.drawn().to_vec())
    }

    /// A proof of `table` in place of the combination.
    fn prove_other(&self, table: Vec<E>) -> Vec<u8> {
        let (mut t, mut w) = (Transcript::new("test"), Writer::new());
        absorb_statement(&mut t, &self.params, self.log_height, &self.shapes(), &self.coeffs, &self.tau);
        let trees: Vec<&Tree> = self.trees.iter().collect();
        let schedule = self.params.schedule(self.log_height).unwrap();
        let mut session = Session { t: &mut t, w: &mut w };
        let _ = prove_polynomial(&mut session, &schedule, &trees, &self.coeffs, table, &self.tau);
        w.finish().0
    }

    fn verify_with(&self, mut t: Transcript, shapes: &[TreeShape], bytes: &[u8]) -> Result<E, OpeningError> {
        let mut r = Reader::new(bytes);
        let combination = Combination { trees: shapes, coeffs: &self.coeffs };
        let value = verify(&InTurn, &mut t, &mut r, &self.params, self.log_height, &combination, &self.tau)?;
        r.finish()?;
        Ok(value)
    }

    fn verify(&self, bytes: &[u8]) -> Result<E, OpeningError> {
        self.verify_with(Transcript::new("test"), &self.shapes(), bytes)
    }
}

#[test]
fn roundtrips_every_height_and_profile() {
    let profiles = [
        Params::standard(40).with_grinding(4),
        Params::fast(40).with_grinding(3),
        Params::unique_decoding(40).with_grinding(0),
        quick(),
        Params { regime: proveil_protocol::params::Regime::UniqueDecoding, ..quick() },
    ];
    for params in profiles {
        for log_height in 0..=14 {
            let case = Case::new(params.clone(), log_height, &[5, 1, 8]);
            let (value, bytes, _, _) = case.prove();
            assert_eq!(value, eval_mle(&case.table(), &case.tau));
            assert_eq!(case.verify(&bytes).unwrap(), value, "{params:?} height 2^{log_height}");
        }
    }
}

/// Every row and leaf is opened, so no nonces are sent.
fn exhaustive() -> Case {
    let params = Params { security_bits: 192, final_log_size: 2, ..quick() };
    Case::new(params, 4, &[3, 2])
}

#[test]
fn roundtrips_when_every_position_is_opened() {
    let case = exhaustive();
    let schedule = case.params.schedule(4).unwrap();
    assert_eq!((schedule.rows.count, schedule.rows.grinding_bits), (1 << 7, 0));
    assert_eq!((schedule.levels[0].queries.count, schedule.levels[0].queries.grinding_bits), (1 << 6, 0));
    let (value, bytes, _, _) = case.prove();
    assert_eq!(case.verify(&bytes).unwrap(), value);
}

#[test]
fn rejects_every_tampered_message() {
    for case in [Case::new(quick(), 3, &[3, 2]), Case::new(quick(), 8, &[3, 2]), exhaustive()] {
        let (_, bytes, leaves, _) = case.prove();
        assert_eq!(leaves.iter().map(|l| l.len).sum::<usize>(), bytes.len());
        for leaf in &leaves {
            for at in [leaf.offset, leaf.offset + leaf.len - 1] {
                let mut bad = bytes.clone();
                bad[at] ^= 1;
                assert!(case.verify(&bad).is_err(), "2^{}: {} at byte {at}", case.log_height, leaf.label);
            }
        }
    }
}

#[test]
fn rejects_every_truncation_and_extensions() {
    let case = Case::new(quick(), 6, &[2]);
    let (_, bytes, _, _) = case.prove();
    for len in 0..bytes.len() {
        assert!(matches!(case.verify(&bytes[..len]), Err(OpeningError::Decode(_))), "{len} bytes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(case.verify(&longer), Err(OpeningError::Decode(_))));
}

#[test]
fn rejects_random_bytes() {
    let case = Case::new(quick(), 8, &[3, 2]);
    let (_, bytes, leaves, drawn) = case.prove();
    let mut stream = blake3::Hasher::new().update(b"random bytes").finalize_xof();
    for leaf in leaves.iter().step_by(5) {
        // An honest beginning, then noise: every reader gets some.
        let mut bad = bytes.clone();
        stream.fill(&mut bad[leaf.offset..]);
        assert!(case.verify(&bad).is_err());
        let replay = Transcript::scripted("test", drawn.clone());
        assert!(case.verify_with(replay, &case.shapes(), &bad).is_err());
    }
}

#[test]
fn rejects_noncanonical_elements() {
    let case = Case::new(quick(), 8, &[3, 2]);
    let (_, bytes, leaves, _) = case.prove();
    for name in [label::ROWS, label::LEAVES, label::CLAIM, label::ROUND, label::POLYNOMIAL, label::OUT_OF_DOMAIN] {
        let leaf = leaves.iter().find(|l| l.label == name).unwrap();
        let mut bad = bytes.clone();
        bad[leaf.offset..leaf.offset + 8].fill(0xff);
        let expected = proveil_protocol::codec::DecodeError::NonCanonical { what: name, offset: leaf.offset };
        assert_eq!(case.verify(&bad).unwrap_err(), OpeningError::Decode(expected));
    }
}

/// The same challenges whatever is absorbed: the equations themselves must refuse a false statement.
#[test]
fn rejects_other_statements_under_the_same_challenges() {
    for log_height in [3, 8] {
        let mut case = Case::new(quick(), log_height, &[3, 2]);
        let (value, bytes, _, drawn) = case.prove();
        let replay = || Transcript::scripted("test", drawn.clone());
        assert_eq!(case.verify_with(replay(), &case.shapes(), &bytes).unwrap(), value);

        case.coeffs[4] += E::ONE;
        let error = case.verify_with(replay(), &case.shapes(), &bytes).unwrap_err();
        assert!(matches!(error, OpeningError::FinalClaim | OpeningError::FinalPolynomial { round: 0, .. }));
        case.coeffs[4] -= E::ONE;

        case.tau[log_height - 1] += E::ONE;
        match case.verify_with(replay(), &case.shapes(), &bytes) {
            Ok(other) => assert!(log_height == 3 && other != value),
            Err(error) => assert_eq!(error, OpeningError::FinalClaim),
        }
        case.tau[log_height - 1] -= E::ONE;

        for tree in 0..2 {
            let mut shapes = case.shapes();
            shapes[tree].commitment.root[5] ^= 8;
            let error = case.verify_with(replay(), &shapes, &bytes).unwrap_err();
            assert_eq!(error, OpeningError::Root { label: label::ROWS });
        }
    }
}

#[test]
fn rejects_other_statements() {
    let mut case = Case::new(quick(), 8, &[3, 2]);
    let (_, bytes, _, _) = case.prove();
    case.coeffs.swap(0, 1);
    assert!(case.verify(&bytes).is_err());
    case.coeffs.swap(0, 1);
    case.tau.swap(0, 1);
    assert!(case.verify(&bytes).is_err());
    case.tau.swap(0, 1);
    let shapes = case.shapes();
    let swapped = [shapes[1], shapes[0]];
    assert!(case.verify_with(Transcript::new("test"), &swapped, &bytes).is_err());
    assert!(case.verify_with(Transcript::new("other"), &shapes, &bytes).is_err());
    assert!(case.verify(&bytes).is_ok());
}

#[test]
fn rejects_false_claims_under_the_same_challenges() {
    let case = Case::new(quick(), 8, &[3, 2]);
    let (_, bytes, leaves, drawn) = case.prove();
    for name in [label::CLAIM, label::ROUND, label::OUT_OF_DOMAIN, label::POLYNOMIAL] {
        for leaf in leaves.iter().filter(|l| l.label == name) {
            let mut bad = bytes.clone();
            bad[leaf.offset] ^= 1;
            let error = case.verify_with(Transcript::scripted("test", drawn.clone()), &case.shapes(), &bad);
            let error = error.unwrap_err();
            assert!(
                matches!(error, OpeningError::FinalClaim | OpeningError::FinalPolynomial { .. }),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn rejects_a_polynomial_that_is_not_the_combination() {
    for log_height in [3, 8] {
        let case = Case::new(quick(), log_height, &[3, 2]);
        let mut table = case.table();
        assert!(case.verify(&case.prove_other(table.clone())).is_ok());
        table[1] += E::ONE;
        let error = case.verify(&case.prove_other(table)).unwrap_err();
        assert!(matches!(error, OpeningError::FinalClaim | OpeningError::FinalPolynomial { .. }), "{error}");
    }
}

#[test]
fn rejects_a_column_changed_after_commitment() {
    for log_height in [3, 8] {
        let mut case = Case::new(quick(), log_height, &[3, 2]);
        let committed = &case.trees[0];
        let mut changed = committed.columns().to_vec();
        changed[2][0] += F::ONE;
        let positions: Vec<u64> = (0..1 << committed.log_leaves()).collect();
        case.trees[0] = committed.with_rows(&committed.rows(&positions).concat(), changed, Some([0; 32]));
        assert!(case.verify(&case.prove().1).is_err());
    }
}

#[test]
fn rejects_a_column_of_high_degree() {
    for log_height in [3, 8] {
        let mut case = Case::new(quick(), log_height, &[3, 2]);
        let committed = &case.trees[0];
        // Column 1 gets one coefficient above the height; the word is a codeword of no smaller rate.
        let mut longer = committed.columns().to_vec();
        longer.iter_mut().for_each(|c| c.resize(1 << committed.log_leaves(), F::ZERO));
        longer[1][1 << log_height] = F::ONE;
        let positions: Vec<u64> = (0..1 << committed.log_leaves()).collect();
        let rows = Source::Columns(&longer).rows(0, &positions).concat();
        case.trees[0] = committed.with_rows(&rows, committed.columns().to_vec(), Some([0; 32]));
        assert!(case.verify(&case.prove().1).is_err());
    }
}

/// The root of `F` is that of another polynomial; everything else is honest.
#[test]
fn rejects_a_root_of_another_polynomial() {
    let case = Case::new(quick(), 5, &[3]);
    let schedule = case.params.schedule(5).unwrap();
    let [level] = schedule.levels[..] else { panic!("one level expected") };
    let prove = |committed_table: &[E]| {
        let (mut t, mut w) = (Transcript::new("test"), Writer::new());
        absorb_statement(&mut t, &case.params, 5, &case.shapes(), &case.coeffs, &case.tau);
        let mut s = Session { t: &mut t, w: &mut w };
        let committed = s.commit(&level, committed_table);
        let mut running = Running { table: case.table(), weight: eq_table(&case.tau) };
        s.elements(label::CLAIM, &[eval_mle(&running.table, &case.tau)]);
        let points = s.query_trees(&schedule.rows, &[&case.trees[0]], &case.coeffs).unwrap();
        running.batch(&mut s, &committed, &points);
        let challenges = running.fold(&mut s, level.folds);
        s.polynomial(&running.table);
        s.query_level(&level, &committed, &challenges);
        w.finish().0
    };
    let mut table = case.table();
    assert!(case.verify(&prove(&table)).is_ok());
    table[7] += E::ONE;
    let error = case.verify(&prove(&table)).unwrap_err();
    assert!(matches!(error, OpeningError::FinalPolynomial { round: 1, .. }), "{error}");
}

#[test]
fn rejects_arguments_that_do_not_fit() {
    let case = Case::new(quick(), 5, &[3]);
    let trees: Vec<&Tree> = case.trees.iter().collect();
    let run = |params: &Params, log_height: usize, coeffs: &[E], tau: &[E]| match prove(
        &mut Transcript::new("t"),
        &mut Writer::new(),
        params,
        log_height,
        &trees,
        coeffs,
        tau,
    ) {
        Err(ProveError::Opening(error)) => error,
        other => panic!("{other:?}"),
    };
    let params = &case.params;
    assert!(matches!(run(params, 5, &case.coeffs[1..], &case.tau), OpeningError::Shape { expected: 3, got: 2, .. }));
    assert!(matches!(run(params, 5, &case.coeffs, &case.tau[1..]), OpeningError::Shape { expected: 5, got: 4, .. }));
    assert!(matches!(run(params, 4, &case.coeffs, &case.tau[1..]), OpeningError::Shape { expected: 4, got: 5, .. }));
    let other = Params { log_inv_rate: 4, ..params.clone() };
    assert!(matches!(run(&other, 5, &case.coeffs, &case.tau), OpeningError::Shape { expected: 9, got: 8, .. }));
    let invalid = Params { fold: 0, ..params.clone() };
    assert!(matches!(run(&invalid, 5, &case.coeffs, &case.tau), OpeningError::Params(_)));
    let shapes = case.shapes();
    let none = Combination { trees: &shapes, coeffs: &[] };
    let few = verify(&InTurn, &mut Transcript::new("t"), &mut Reader::new(&[]), params, 5, &none, &case.tau);
    assert!(matches!(few.unwrap_err(), OpeningError::Shape { expected: 3, got: 0, .. }));
}
