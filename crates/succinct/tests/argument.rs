//! Cheating with the list of functionals: every way is refused, by the named check.
#![forbid(unsafe_code)]

mod setup;
#[path = "../../prover/tests/support/mod.rs"]
mod support;

use proveil_algebra::{PrimeCharacteristicRing, Scalar, eq_index};
use proveil_kzg::mercury::OpeningError;
use proveil_protocol::channel::ProofError;
use proveil_succinct::prove::{Alter, Deviation};
use proveil_succinct::tables::{Challenges, TABLES};
use proveil_succinct::{ShortKey, VerifyError, verify, verify_short};
use setup::{Setup, setup, srs};
use support::{Mode, change_output, relations};

impl Setup {
    fn refused(&self, deviation: Deviation<'_>) -> VerifyError {
        let p = self.prove(deviation).expect("the prover finishes");
        verify_short(&self.key.short, &p.statement, &p.bytes).expect_err("a forged proof is accepted")
    }
}

fn check(check: &'static str) -> VerifyError {
    VerifyError::Proof(ProofError::Check { check })
}

#[test]
fn accepts_honest_proofs_from_short_keys_alone() {
    for zero_knowledge in [false, true] {
        for (name, case) in relations::all() {
            let s = setup(&case, &Mode::secret(zero_knowledge));
            let p = s.honest();
            let short = ShortKey::from_bytes(&s.key.short.to_bytes()).unwrap();
            verify_short(&short, &p.statement, &p.bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// A false output, made up for in the value of phase 2's public part: all else is true.
#[test]
fn rejects_functionals_that_make_up_for_a_false_output() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let mut statement = s.honest().statement;
        change_output(&mut statement, 0, 0, 1);
        let forge = |i: usize, v: Scalar, c: &Challenges| {
            if i == 0 { v + c.delta.square() * eq_index(&c.points[0], 0) } else { v }
        };
        let d = Deviation { functionals: Some(&forge), statement: Some(&statement), ..Deviation::default() };
        let p = s.prove(d).unwrap();
        let e = verify_short(&s.key.short, &p.statement, &p.bytes).unwrap_err();
        assert_eq!(e, check("functionals"));
        assert_eq!(verify(&s.key, &p.statement, &p.bytes).unwrap_err(), check("functional"));
    }
}

#[test]
fn rejects_every_false_functional() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        for number in 0..s.key.list.outputs {
            let hits = std::cell::Cell::new(0);
            let forge = |i: usize, v: Scalar, _: &Challenges| {
                if i != number {
                    return v;
                }
                hits.set(hits.get() + 1);
                v + Scalar::ONE
            };
            let d = Deviation { functionals: Some(&forge), ..Deviation::default() };
            let p = s.prove(d).unwrap();
            assert_eq!(hits.get(), 1);
            assert_eq!(verify(&s.key, &p.statement, &p.bytes).unwrap_err(), check("functional"), "{number}");
            let e = verify_short(&s.key.short, &p.statement, &p.bytes).unwrap_err();
            // A plain proof's equations hold the value before the argument does.
            let earlier = [check("products"), check("claims at the common point")];
            assert!(e == check("functionals") || (!zero_knowledge && earlier.contains(&e)), "{number}: {e}");
        }
    }
}

/// Values that are in no table, with fractions that are right for them; then with a sum that cancels.
#[test]
fn rejects_values_read_that_are_no_rows() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        for j in 0..TABLES {
            for i in [0, s.key.list.entries.len()] {
                let wrong = |reads: &mut [Vec<Scalar>], _: &[Scalar]| reads[j][i] += Scalar::ONE;
                let list = Alter { reads: Some(&wrong), ..Alter::default() };
                assert_eq!(s.refused(Deviation { list, ..Deviation::default() }), check("functionals"), "{j} {i}");
                let cancel = |f: &mut [Vec<Scalar>]| {
                    let sum = |c: &[Scalar]| c.iter().fold(Scalar::ZERO, |a, x| a + *x);
                    let all = sum(&f[0]) + sum(&f[1]) - sum(&f[2]);
                    f[0][i] -= all;
                };
                let list = Alter { reads: Some(&wrong), fractions: Some(&cancel), ..Alter::default() };
                assert_eq!(s.refused(Deviation { list, ..Deviation::default() }), check("functionals"), "{j} {i}");
            }
        }
    }
}

/// Another row than the key's index names, with value and multiplicities of that row: all equations hold, of columns
/// that are not those of the key.
#[test]
fn rejects_rows_that_the_key_does_not_name() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let unused = s.key.list.entries.len();
        for j in 0..TABLES {
            let from = j << s.key.short.sizes.piece;
            let columns = |c: &mut [Vec<Scalar>]| {
                c[1 + j][unused] += Scalar::ONE;
                c[1 + TABLES][from] -= Scalar::ONE;
                c[1 + TABLES][from + 1] += Scalar::ONE;
            };
            let reads = |e: &mut [Vec<Scalar>], rows: &[Scalar]| e[j][unused] = rows[from + 1];
            let list = Alter { columns: Some(&columns), reads: Some(&reads), ..Alter::default() };
            let e = s.refused(Deviation { list, ..Deviation::default() });
            assert_eq!(e, VerifyError::Opening(OpeningError::Pairing), "{j}");
        }
    }
}

#[test]
fn rejects_forged_multiplicities_weights_and_fractions() {
    let s = setup(&relations::dense(), &Mode::secret(true));
    for column in 0..2 + TABLES {
        let columns = |c: &mut [Vec<Scalar>]| c[column][0] += Scalar::ONE;
        let list = Alter { columns: Some(&columns), ..Alter::default() };
        assert_eq!(s.refused(Deviation { list, ..Deviation::default() }), check("functionals"), "{column}");
    }
    for fraction in 0..4 {
        let fractions = |f: &mut [Vec<Scalar>]| {
            f[fraction][0] += Scalar::ONE;
            f[fraction][1] -= Scalar::ONE;
        };
        let list = Alter { fractions: Some(&fractions), ..Alter::default() };
        assert_eq!(s.refused(Deviation { list, ..Deviation::default() }), check("functionals"), "{fraction}");
    }
}

#[test]
fn rejects_altered_rounds_and_values() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        for (name, count) in [("list round", s.key.short.sizes.domain), ("list column", 15)] {
            for place in 0..count {
                let message =
                    |label: &str, i: usize, x: Scalar| if (label, i) == (name, place) { x + Scalar::ONE } else { x };
                let list = Alter { message: Some(&message), ..Alter::default() };
                let e = s.refused(Deviation { list, ..Deviation::default() });
                assert_eq!(e, check("functionals"), "{name} {place}");
            }
        }
    }
}

/// A key that commits to another list is another key, and the full key shows it.
#[test]
fn rejects_keys_of_another_list() {
    for zero_knowledge in [false, true] {
        let honest = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let first = |output: u8| {
            let mask = (1 << honest.key.short.sizes.mono_bits) - 1;
            let own =
                |e: &&proveil_succinct::list::Entry| honest.key.list.monos[e.rows[0] as usize & mask].output == output;
            honest.key.list.entries.iter().position(|e| own(&e)).unwrap()
        };
        for output in [0, 1, 2] {
            let mut forged = setup(&relations::dense(), &Mode::secret(zero_knowledge));
            forged.key.list.entries[first(output)].weight += Scalar::ONE;
            forged.key.stacks = forged.key.list.commit(srs()).unwrap();
            forged.key.short.list[1] = forged.key.stacks[1].point;
            assert_ne!(forged.key.short.id(), honest.key.short.id());
            let p = forged.honest();
            assert_eq!(verify(&forged.key, &p.statement, &p.bytes).unwrap_err(), check("functional"), "{output}");
            assert!(verify_short(&honest.key.short, &p.statement, &p.bytes).is_err());
        }
    }
}

#[test]
fn rejects_every_short_key_but_the_own() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let p = s.honest();
        let bytes = s.key.short.to_bytes();
        let mut decoded = 0;
        for i in 0..bytes.len() {
            let mut other = bytes.clone();
            other[i] ^= 1 << (i % 3);
            let Ok(key) = ShortKey::from_bytes(&other) else { continue };
            decoded += 1;
            assert_eq!(key.to_bytes(), other, "byte {i}");
            assert!(verify_short(&key, &p.statement, &p.bytes).is_err(), "byte {i}");
        }
        assert!(decoded > 32, "{decoded} keys make sense");
        let other = setup(&relations::conv(), &Mode::secret(zero_knowledge));
        assert!(verify_short(&other.key.short, &p.statement, &p.bytes).is_err());
    }
}

/// Every message of a proof counts.
#[test]
fn rejects_every_changed_message() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let p = s.honest();
        for l in &p.leaves {
            for at in (l.offset..l.offset + l.len).step_by(32) {
                let mut bytes = p.bytes.clone();
                bytes[at + 31] ^= 1;
                assert!(verify_short(&s.key.short, &p.statement, &bytes).is_err(), "{} at {at}", l.label);
            }
        }
    }
}
