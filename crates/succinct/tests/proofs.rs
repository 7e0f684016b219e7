//! The relations of the transparent backend's tests, proved here: the same witnesses are accepted and refused.
#![forbid(unsafe_code)]

mod setup;
#[path = "../../prover/tests/support/mod.rs"]
mod support;

use proveil_algebra::{Challenge, Field, PrimeCharacteristicRing, Scalar};
use proveil_kzg::mercury::OpeningError;
use proveil_protocol::channel::ProofError;
use proveil_prover::AlterCounts;
use proveil_prover::coins::Coins;
use proveil_relation::check::Limits;
use proveil_relation::key::{IoVisibility, ModelVisibility, Statement, VerifyingKey};
use proveil_relation::{Access, Coef, Expr, Home, Relation};
use proveil_succinct::prove::{Deviation, Inputs, Proof, prove_with};
use proveil_succinct::{Key, PreparedKey, ShortKey, VerifyError, verify};
use setup::{Setup, setup, srs};
use support::{Case, Mode, change_output, relations, settings};

impl Setup {
    fn verify(&self, p: &Proof) -> Result<(), VerifyError> {
        verify(&self.key, &p.statement, &p.bytes)
    }
}

#[test]
fn accepts_every_relation_in_every_mode() {
    use IoVisibility::{Committed, Private, Public};
    for (name, case) in relations::all() {
        for zero_knowledge in [false, true] {
            for (input, output) in [(Public, Public), (Private, Public), (Committed, Committed), (Public, Private)] {
                for model in [ModelVisibility::Public, ModelVisibility::Private] {
                    let s = setup(&case, &Mode { model, input, output, ..Mode::secret(zero_knowledge) });
                    let (proof, short) = (s.honest(), &s.key.short);
                    s.verify(&proof).unwrap_or_else(|e| panic!("{name} {zero_knowledge} {input:?} {output:?}: {e}"));
                    assert_eq!(short.proof_bytes(), proof.bytes.len(), "{name} {zero_knowledge} {input:?} {output:?}");
                    let VerifyingKey { relation, visibility, .. } = s.key.inner.key.clone();
                    let draft = |most| {
                        PreparedKey::draft(relation.clone(), visibility.clone(), short.srs, most).expect("a key")
                    };
                    let ((exact, made), (assumed, not)) = (draft(u64::MAX), draft(0));
                    let same = ShortKey { digest: exact.digest, list: exact.list, model: exact.model, ..short.clone() };
                    assert!(made && exact == same, "{name} {zero_knowledge} {input:?} {output:?}");
                    assert!(!not && assumed.proof_bytes().abs_diff(proof.bytes.len()) < proof.bytes.len() / 4);
                }
            }
        }
    }
}

fn coefficient(c: Coef) -> Scalar {
    <Scalar as Challenge>::from_int(c.num) * Scalar::TWO.inverse().exp_u64(u64::from(c.shift))
}

fn read(relation: &Relation, tensors: &[Vec<i64>], a: &Access, idx: &[usize]) -> Scalar {
    let outside = |v: i64, n: i64| v < 0 || v >= n;
    if a.guards.iter().any(|g| outside(g.form.at(idx), g.bound as i64)) {
        return Scalar::ZERO;
    }
    let d = &relation.tensors[a.tensor as usize];
    let mut at = 0;
    for (form, n) in a.axes.iter().zip(&d.shape) {
        let v = form.at(idx);
        if outside(v, i64::from(*n)) {
            return Scalar::ZERO;
        }
        at = at * *n as usize + v as usize;
    }
    let cells = if let Home::Public(v) = &d.home { v } else { &tensors[a.tensor as usize] };
    <Scalar as Challenge>::from_int(cells[at])
}

/// Values of an expression over its space, straight from its definition.
fn evaluate(relation: &Relation, tensors: &[Vec<i64>], space: &[u32], e: &Expr) -> Vec<Scalar> {
    let at = |idx: &Vec<usize>| {
        let mut v = coefficient(e.constant);
        for l in &e.linear {
            for s in settings(&l.sum) {
                v += coefficient(l.coef) * read(relation, tensors, &l.access, &[&idx[..], &s].concat());
            }
        }
        for p in &e.products {
            for s in settings(&p.sum) {
                let all = [&idx[..], &s].concat();
                let product = read(relation, tensors, &p.lhs, &all) * read(relation, tensors, &p.rhs, &all);
                v += coefficient(p.coef) * product;
            }
        }
        v
    };
    settings(space).iter().map(at).collect()
}

/// Tuples of look-ups and committed rows of tables, as the cells have them.
fn values(case: &Case) -> [Vec<Vec<Vec<Scalar>>>; 2] {
    let tensors = case.witness().tensors;
    let r = &case.relation;
    let of = |space: &[u32], list: &[Expr]| list.iter().map(|e| evaluate(r, &tensors, space, e)).collect();
    let tuples = r.lookups.iter().map(|l| of(&l.space, &l.tuple)).collect();
    let tables = r.tables.iter().map(|t| t.expressions().map_or_else(Vec::new, |(s, c)| of(s, c))).collect();
    [tuples, tables]
}

/// A proof of a witness that need not satisfy anything; the check that refuses it.
fn forge(case: &Case, mode: &Mode, deviation: Deviation<'_>) -> VerifyError {
    let s = setup(case, mode);
    let [tuples, tables] = values(case);
    let (tuples, tables) = (deviation.tuples.unwrap_or(&tuples), deviation.tables.unwrap_or(&tables));
    let deviation = Deviation { forgive: true, tuples: Some(tuples), tables: Some(tables), ..deviation };
    let proof = s.prove(deviation).expect("the cheating prover finishes");
    s.verify(&proof).expect_err("a forged proof is accepted")
}

fn expect(zero_knowledge: bool, check: &'static str, e: &VerifyError, what: &str) {
    let expected = if zero_knowledge {
        VerifyError::Opening(OpeningError::Pairing)
    } else {
        VerifyError::Proof(ProofError::Check { check })
    };
    assert_eq!(*e, expected, "{what}");
}

/// The case, its tensors in the order of cells: every committed cell by one.
#[test]
fn rejects_wrong_cells_anywhere() {
    for (name, case) in relations::all() {
        for d in &case.relation.tensors {
            // Of inputs and weights other values may be right as well.
            if d.home != Home::Trace {
                continue;
            }
            for zero_knowledge in [false, true] {
                let wrong = case.with(&d.name, d.cells() / 2, 1);
                let e = forge(&wrong, &Mode::secret(zero_knowledge), Deviation::default());
                expect(zero_knowledge, "claims at the common point", &e, &format!("{name}: {}", d.name));
            }
        }
    }
}

#[test]
fn rejects_tuples_that_are_not_of_the_committed_cells() {
    let honest = relations::dense();
    let [tuples, tables] = values(&honest);
    for zero_knowledge in [false, true] {
        let d = &honest.relation.tensors.iter().find(|d| d.home == Home::Trace).unwrap().name;
        let wrong = honest.with(d, 0, 1);
        let deviation = Deviation { tuples: Some(&tuples), tables: Some(&tables), ..Deviation::default() };
        let e = forge(&wrong, &Mode::secret(zero_knowledge), deviation);
        assert!(matches!(e, VerifyError::Proof(ProofError::Check { .. }) | VerifyError::Opening(_)), "{e}");
    }
}

#[test]
fn rejects_forged_multiplicities() {
    let changes: [AlterCounts<'_>; 3] =
        [&|m| m[0][0] += 1, &|m| m[0][1] -= 1, &|m| m.iter_mut().for_each(|t| t.rotate_left(1))];
    for change in changes {
        for zero_knowledge in [false, true] {
            let d = Deviation { multiplicities: Some(change), ..Deviation::default() };
            let e = forge(&relations::dense(), &Mode::secret(zero_knowledge), d);
            expect(zero_knowledge, "claims at the common point", &e, "multiplicities");
        }
    }
}

#[test]
fn rejects_altered_messages_at_the_named_check() {
    let messages = [
        ("look-up round", "look-up zerocheck"),
        ("helper", "look-up zerocheck"),
        ("denominator 0", "product of denominators"),
        ("denominator 1", "product of denominators"),
        ("numerator 0", "look-up zerocheck"),
        ("numerator 1", "look-up zerocheck"),
        ("denominators", "product of denominators"),
        ("product round", "products"),
        ("left operand", "products"),
        ("right operand", "products"),
        ("claim round", "claims at the common point"),
        ("column", "claims at the common point"),
    ];
    for (name, check) in messages {
        for zero_knowledge in [false, true] {
            let hits = std::cell::Cell::new(0);
            let cheat = |label: &str, _: usize, x: Scalar| {
                if label != name || hits.replace(hits.get() + 1) > 0 {
                    return x;
                }
                x + Scalar::from_u64(3)
            };
            let d = Deviation { cheat: Some(&cheat), ..Deviation::default() };
            let e = forge(&relations::dense(), &Mode::secret(zero_knowledge), d);
            assert!(hits.get() > 0, "{name} was never sent");
            expect(zero_knowledge, check, &e, name);
        }
    }
}

#[test]
fn rejects_false_outputs_and_other_statements() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let honest = s.honest();
        let mut false_one = honest.statement.clone();
        change_output(&mut false_one, 0, 0, 1);
        assert!(verify(&s.key, &false_one, &honest.bytes).is_err());
        let forged = s.prove(Deviation { statement: Some(&false_one), ..Deviation::default() }).unwrap();
        expect(zero_knowledge, "products", &s.verify(&forged).unwrap_err(), "false output");
        let context = Statement { context: b"another".to_vec(), ..honest.statement.clone() };
        assert!(verify(&s.key, &context, &honest.bytes).is_err());
        let other = setup(&relations::conv(), &Mode::secret(zero_knowledge));
        assert!(verify(&other.key, &honest.statement, &honest.bytes).is_err());
    }
}

#[test]
fn rejects_another_model_input_or_output_commitment() {
    let mode = Mode { input: IoVisibility::Committed, output: IoVisibility::Committed, ..Mode::secret(true) };
    let mut s = setup(&relations::dense(), &mode);
    let honest = s.honest();
    s.verify(&honest).unwrap();
    let weights = s.case.relation.tensors.iter().find(|d| d.home == Home::Model).unwrap().name.clone();
    let other = setup(&s.case.with(&weights, 0, 1), &mode);
    assert_ne!(s.key.inner.digest, other.key.inner.digest);
    // The key of one model, the commitment of another.
    s.model = other.model;
    let e = s.verify(&s.honest()).unwrap_err();
    assert_eq!(e, VerifyError::Opening(OpeningError::Pairing));
}

#[test]
fn rejects_every_changed_byte() {
    for zero_knowledge in [false, true] {
        let s = setup(&relations::dense(), &Mode::secret(zero_knowledge));
        let p = s.honest();
        for i in (0..p.bytes.len()).step_by(if zero_knowledge { 7 } else { 5 }) {
            let mut bytes = p.bytes.clone();
            bytes[i] ^= 1 << (i % 8);
            assert!(verify(&s.key, &p.statement, &bytes).is_err(), "byte {i}");
        }
        for bytes in [&p.bytes[..p.bytes.len() - 1], &[&p.bytes[..], &[0]].concat(), &[]] {
            assert!(matches!(verify(&s.key, &p.statement, bytes), Err(VerifyError::Proof(ProofError::Decode(_)))));
        }
    }
}

/// Lengths follow from the key; two proofs of one witness share nothing but public commitments.
#[test]
fn accepts_proofs_without_common_messages() {
    let s = setup(&relations::dense(), &Mode::secret(true));
    let inputs = Inputs { model: s.model.as_ref(), context: b"test".to_vec(), ..Inputs::default() };
    let make = |seed| {
        let coins = Coins::from_seed([seed; 32], &[]);
        prove_with(&s.key, srs(), &s.case.witness(), &inputs, &coins, Deviation::default()).unwrap()
    };
    let (a, b) = (make(1), make(2));
    assert_eq!(a.bytes.len(), b.bytes.len());
    for (l, m) in a.leaves.iter().zip(&b.leaves) {
        assert_eq!((&l.label, l.offset, l.len), (&m.label, m.offset, m.len));
        let at = l.offset..l.offset + l.len;
        // The argument about the list is about public data; a constant column has one value everywhere.
        if l.label.starts_with("list") {
            continue;
        }
        assert_ne!(a.bytes[at.clone()], b.bytes[at], "{}", l.label);
    }
    println!("{} bytes", a.bytes.len());
}

#[test]
fn accepts_keys_of_every_relation_and_their_least_heights() {
    for (name, case) in relations::all() {
        for visibility in [IoVisibility::Private, IoVisibility::Committed] {
            let mode = Mode { input: visibility, output: visibility, ..Mode::secret(true) };
            let s = setup(&case, &mode);
            let layout = &s.key.inner.layout;
            assert!(layout.trees.iter().all(|t| t.columns <= 1), "{name}");
            let cells = |tree: usize| -> usize {
                let own = layout.tensors.iter().filter(|t| t.tree == Some(tree));
                own.map(|t| t.dims.padded_cells()).sum()
            };
            // A column of half the height has no room for some tree.
            for (g, height) in layout.heights.iter().enumerate() {
                let of_group = layout.trees.iter().enumerate().filter(|(_, t)| t.group == g);
                let largest = of_group.map(|(t, _)| cells(t)).max().unwrap();
                assert!(*height == 3 || 4 * largest > 1 << height, "{name}: group {g}, {largest} cells, 2^{height}");
            }
        }
    }
}

#[test]
fn rejects_keys_that_make_no_sense() {
    let s = setup(&relations::dense(), &Mode::secret(true));
    let key = Key {
        relation: s.case.relation.clone(),
        visibility: s.key.inner.key.visibility.clone(),
        model: s.model.as_ref().map(|m| m.point),
        srs: s.key.short.srs,
        meta: vec![],
    };
    let limits = Limits::default();
    key.check(&limits).unwrap();
    let refused = |f: &dyn Fn(&mut Key)| {
        let mut other = key.clone();
        f(&mut other);
        other.check(&limits).unwrap_err().field()
    };
    assert_eq!(refused(&|k| k.model = None), "model commitment");
    assert_eq!(refused(&|k| k.visibility.inputs.clear()), "inputs");
    assert_eq!(refused(&|k| k.relation.lookups[0].table = 99), "table");
    let huge = |k: &mut Key| k.relation.lookups[0].space = vec![1 << 20; 4];
    let _ = refused(&huge);
    let large = |k: &mut Key| k.relation.tensors.iter_mut().for_each(|t| t.shape = vec![1 << 16, 1 << 15]);
    let _ = refused(&large);
}
