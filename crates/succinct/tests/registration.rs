//! The compiler's registration relation registers the model of the key it belongs to, on the curve.

use proveil_algebra::{PrimeCharacteristicRing, Scalar};
use proveil_compiler::{Lowered, Options, lower, registration};
use proveil_graph::{Builder, Graph, Range, run};
use proveil_kzg::commit::Committed;
use proveil_kzg::srs::Srs;
use proveil_prover::Witness;
use proveil_prover::coins::Coins;
use proveil_relation::key::{IoVisibility, ModelVisibility, Statement, Visibility};
use proveil_succinct::prove::{Deviation, Inputs, key_for, prove_with};
use proveil_succinct::registration::{
    RegistrationError, check_keys, register, registration_digest, registration_key, resized, verify_registration,
};
use proveil_succinct::{Key, PreparedKey, verify_short};

/// Two products, with parameters whose ranges need one digit or several.
fn graph(rows: i64) -> (Graph, Vec<Vec<i64>>) {
    let range = |lo, hi| Range { lo, hi };
    let mut b = Builder::new();
    let x = b.input("x", &[6], range(-8, 7), 0).unwrap();
    let cells = |n: i64, m: i64| (0..n).map(|i| (i * 37 + 11).rem_euclid(2 * m) - m).collect::<Vec<i64>>();
    let w = b.param("w", &[rows as usize, 6], range(-100, 99), 0, cells(6 * rows, 90)).unwrap();
    let h = b.matmul("h", w, x).unwrap();
    let big = b.param("big", &[3, rows as usize], range(-2_000_000, 1_999_999), 0, cells(3 * rows, 1_500_000)).unwrap();
    let y = b.matmul("y", big, h).unwrap();
    b.output(y).unwrap();
    let (graph, params) = b.finish().unwrap();
    let values = run(&graph, &params, &[vec![1, -2, 3, -4, 5, -6]]).unwrap();
    (graph, values)
}

fn witness(l: &Lowered, graph: &Graph, values: &[Vec<i64>]) -> Witness {
    let w = l.plan.witness(graph, values).unwrap();
    Witness { tensors: w.tensors, tuples: w.tuples, tables: w.tables, outputs: w.outputs }
}

/// A key with the model committed, and its registration key.
struct Model {
    srs: Srs,
    key: PreparedKey,
    registration: PreparedKey,
    model: Committed,
    witness: Witness,
}

impl Model {
    fn new(rows: i64, limb_bits: Option<u32>, zero_knowledge: bool, change: impl Fn(&mut Vec<Vec<i64>>)) -> Self {
        let srs = Srs::dev(15).unwrap();
        let (graph, values) = graph(rows);
        let options = Options { limb_bits };
        let (whole, ranges) = (lower(&graph, &options).unwrap(), registration(&graph, &options).unwrap());
        let visibility = Visibility {
            zero_knowledge,
            model: ModelVisibility::Private,
            inputs: vec![IoVisibility::Private],
            outputs: vec![IoVisibility::Public],
        };
        let mut tensors = witness(&whole, &graph, &values).tensors;
        change(&mut tensors);
        let (key, model) =
            key_for(whole.relation, visibility, &srs, &tensors, &Coins::from_seed([1; 32], &[])).unwrap();
        let registration = registration_key(&key, ranges.relation.clone(), b"ranges".to_vec(), &srs).unwrap();
        Self { srs, key, registration, model: model.unwrap(), witness: witness(&ranges, &graph, &values) }
    }

    fn honest(limb_bits: Option<u32>, zero_knowledge: bool) -> Self {
        Self::new(5, limb_bits, zero_knowledge, |_| ())
    }
}

/// Number of the tensor with the narrow parameters.
fn narrow(m: &PreparedKey) -> usize {
    m.inner.key.relation.tensors.iter().position(|t| t.name == "w").unwrap()
}

#[test]
fn accepts_compiled_registrations() {
    for limb_bits in [Some(4), Some(8), None] {
        for zero_knowledge in [false, true] {
            let m = Model::honest(limb_bits, zero_knowledge);
            let p = register(&m.key, &m.registration, &m.srs, &m.witness, &m.model).unwrap();
            verify_registration(&m.key, &m.registration, &p.bytes).unwrap();
            // A contract sees short keys with one point.
            verify_short(&m.registration.short, &Statement::default(), &p.bytes).unwrap();
            assert_eq!(m.registration.short.model, m.key.short.model);
            // The key can name the registration before it is made.
            let inner = &m.key.inner.key;
            let (relation, visibility) = (inner.relation.clone(), inner.visibility.clone());
            let own = Key { relation, visibility, model: m.key.short.model, srs: m.key.short.srs, meta: vec![] };
            let ranges = m.registration.inner.key.relation.clone();
            assert_eq!(registration_digest(&own, ranges, b"ranges".to_vec()), m.registration.short.digest);
        }
    }
}

#[test]
fn rejects_weights_out_of_range() {
    // One above the range, one below, a multiple of the digits' size away.
    for cell in [100, -101, 100 + 256, i64::MAX] {
        let m = Model::new(5, Some(8), true, |tensors| {
            tensors[0..].iter_mut().filter(|t| t.len() == 30).for_each(|t| t[3] = cell)
        });
        let t = narrow(&m.registration);
        let mut w = m.witness.clone();
        let old = w.tensors[t][3];
        w.tensors[t][3] = cell;
        // The digits of the old value, and those that the new one would have.
        let shifted: Vec<Vec<Vec<Scalar>>> = (w.tuples.iter())
            .map(|columns| columns.iter().map(|c| c.iter().map(|v| scalar(*v)).collect()).collect())
            .map(|mut columns: Vec<Vec<Scalar>>| {
                if columns[0].len() == 30 {
                    columns[0][3] += scalar(cell) - scalar(old);
                }
                columns
            })
            .collect();
        for tuples in [None, Some(&shifted[..])] {
            let model = resized(&m.model, &m.registration);
            let inputs = Inputs { model: Some(&model), ..Inputs::default() };
            let deviation = Deviation { forgive: true, tuples, ..Deviation::default() };
            let coins = Coins::from_seed([2; 32], &[]);
            let p = prove_with(&m.registration, &m.srs, &w, &inputs, &coins, deviation);
            let Ok(p) = p else { continue };
            let e = verify_registration(&m.key, &m.registration, &p.bytes).expect_err("accepted");
            assert!(matches!(e, RegistrationError::Proof(_)), "{e}");
        }
    }
}

fn scalar(v: i64) -> Scalar {
    if v < 0 { -Scalar::from_u64(v.unsigned_abs()) } else { Scalar::from_u64(v as u64) }
}

#[test]
fn rejects_registrations_of_other_models() {
    let m = Model::honest(None, true);
    // The same cells under another blind or value, other shapes, another table of digits.
    let twin = Model::new(5, None, true, |t| t.iter_mut().filter(|t| t.len() == 30).for_each(|t| t[0] += 1));
    let taller = Model::new(7, None, true, |_| ());
    for other in [&twin, &taller] {
        assert!(matches!(check_keys(&m.key, &other.registration), Err(RegistrationError::Differs { .. })));
    }
    let p = register(
        &twin.key,
        &twin.registration,
        &twin.srs,
        &{
            let mut w = twin.witness.clone();
            let t = narrow(&twin.registration);
            w.tensors[t][0] += 1;
            w
        },
        &twin.model,
    );
    assert!(p.is_err() || verify_registration(&m.key, &m.registration, &p.unwrap().bytes).is_err());
    // The point of this model under the shapes of the other.
    let (inner, point) = (taller.registration.inner.key.clone(), m.key.short.model);
    let key =
        Key { relation: inner.relation, visibility: inner.visibility, model: point, srs: m.srs.key(), meta: vec![] };
    let posing = PreparedKey::new(key, &m.srs).unwrap();
    assert!(matches!(check_keys(&m.key, &posing), Err(RegistrationError::Tensor { index: 0, .. })));
    // The model itself is no registration: it shows outputs.
    assert!(matches!(check_keys(&m.key, &m.key), Err(RegistrationError::Differs { .. })));
}
