//! The compiler's registration relation registers the model of the key it belongs to.

use proveil_compiler::{Lowered, Options, lower, registration};
use proveil_graph::{Builder, Graph, Range, run};
use proveil_protocol::params::Params;
use proveil_prover::budget::{self, FileStore};
use proveil_prover::coins::Coins;
use proveil_prover::registration::prove;
use proveil_prover::{Committed, Witness, commit_model};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, VerifyingKey, Visibility};
use proveil_relation::layout::{Layout, TreeKind};
use proveil_verifier::PreparedKey;
use proveil_verifier::registration::{key as registration_key, verify};

/// Two products, with parameters whose ranges need one digit or several.
fn graph() -> (Graph, Vec<Vec<i64>>) {
    let range = |lo, hi| Range { lo, hi };
    let mut b = Builder::new();
    let x = b.input("x", &[6], range(-8, 7), 0).unwrap();
    let cells = |n: i64, m: i64| (0..n).map(|i| (i * 37 + 11).rem_euclid(2 * m) - m).collect::<Vec<i64>>();
    let w = b.param("w", &[5, 6], range(-100, 99), 0, cells(30, 90)).unwrap();
    let h = b.matmul("h", w, x).unwrap();
    let big = b.param("big", &[3, 5], range(-2_000_000, 1_999_999), 0, cells(15, 1_500_000)).unwrap();
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

/// The same with one cell of the first parameter replaced.
fn witness_with(l: &Lowered, graph: &Graph, values: &[Vec<i64>], cell: i64) -> Witness {
    let mut w = witness(l, graph, values);
    let t = l.relation.tensors.iter().position(|t| t.name == "w").unwrap();
    w.tensors[t][3] = cell;
    w
}

fn main_key(l: &Lowered, tensors: &[Vec<i64>]) -> (PreparedKey, Committed) {
    let visibility = Visibility {
        zero_knowledge: true,
        model: ModelVisibility::Private,
        inputs: vec![IoVisibility::Private],
        outputs: vec![IoVisibility::Public],
    };
    let (params, relation) = (Params::standard(40).with_grinding(2), l.relation.clone());
    let geometry =
        Geometry { log_height: 10, model_top: 256, trace_top: 64, io_top: 256, inputs: vec![9], outputs: vec![9] };
    let layout = Layout::new(&relation, &geometry, &visibility);
    let model = commit_model(&layout, tensors, 3, &Coins::fresh(&[])).unwrap().unwrap();
    let commitment = Some(model.sampled());
    let key = VerifyingKey { params, geometry, visibility, relation, model: commitment, meta: vec![] };
    (PreparedKey::new(key), model)
}

#[test]
fn accepts_compiled_registrations() {
    let (graph, values) = graph();
    for limb_bits in [Some(4), Some(8), None] {
        let options = Options { limb_bits };
        let (whole, ranges) = (lower(&graph, &options).unwrap(), registration(&graph, &options).unwrap());
        let (key, model) = main_key(&whole, &witness(&whole, &graph, &values).tensors);
        let registration = PreparedKey::new(registration_key(&key.key, ranges.relation.clone()));
        let dir = std::env::temp_dir().join(format!("proveil-compiled-{}-{limb_bits:?}", std::process::id()));
        let store = FileStore::new(&dir).unwrap();
        budget::open(&store, &key, TreeKind::Model, &model.commitment()).unwrap();
        let w = witness(&ranges, &graph, &values);
        let proof = prove(&key, &registration, &w, &model, &store).unwrap();
        verify(&key, &registration, &proof.bytes).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        // A parameter outside its range.
        let mut bad = values.clone();
        let w = graph.tensors.iter().position(|t| t.name == "w").unwrap();
        bad[w][3] = 100;
        assert!(ranges.plan.witness(&graph, &bad).is_err());
        // Nor is it proved by a prover who keeps the digits of another value.
        let (forged, _) = main_key(&whole, &witness_with(&whole, &graph, &values, 100).tensors);
        let other = PreparedKey::new(VerifyingKey { model: forged.key.model, ..registration.key.clone() });
        assert!(verify(&forged, &other, &proof.bytes).is_err());
    }
}
