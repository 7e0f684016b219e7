//! A two-layer net written by hand as a relation: accepted in every visibility, plain and hiding.

use proveil_protocol::params::Params;
use proveil_prover::coins::Coins;
use proveil_prover::{Inputs, Witness, commit_io, commit_model, prove};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, VerifyingKey, Visibility};
use proveil_relation::layout::{Layout, TreeKind};
use proveil_relation::table::{Column, Part, Table};
use proveil_relation::{
    Access, Affine, Coef, Expr, Home, Input, Linear, Lookup, Output, Product, Relation, TensorDecl,
};
use proveil_verifier::{PreparedKey, verify};

const N_IN: usize = 6;
const N_MID: usize = 5;
const N_OUT: usize = 3;

fn access(tensor: u32, vars: &[u32]) -> Access {
    Access { tensor, axes: vars.iter().map(|v| Affine::var(*v)).collect(), guards: vec![] }
}

fn one(coef: Coef, access: Access) -> Linear {
    Linear { coef, sum: vec![], access }
}

fn plain(access: Access) -> Expr {
    Expr { constant: Coef::int(0), linear: vec![one(Coef::int(1), access)], products: vec![] }
}

fn relation() -> Relation {
    let t = |name: &str, shape: &[usize], home| TensorDecl {
        name: name.into(),
        shape: shape.iter().map(|n| *n as u32).collect(),
        home,
    };
    let ramp = |name: &str, start, len| Table::public(name, vec![Part { len, columns: vec![Column::Ramp(start)] }]);
    // acc + 4 = r + 8 u, z = relu(u)
    let rounded = Expr {
        constant: Coef { num: 4, shift: 3 },
        linear: vec![one(Coef { num: 1, shift: 3 }, access(1, &[0])), one(Coef { num: -1, shift: 3 }, access(3, &[0]))],
        products: vec![Product {
            coef: Coef { num: 1, shift: 3 },
            sum: vec![N_IN as u32],
            lhs: access(0, &[0, 1]),
            rhs: access(2, &[1]),
        }],
    };
    let lookup = |name: &str, n: usize, table, tuple| Lookup { name: name.into(), space: vec![n as u32], table, tuple };
    Relation {
        tensors: vec![
            t("w1", &[N_MID, N_IN], Home::Model),
            t("b1", &[N_MID], Home::Model),
            t("x", &[N_IN], Home::Input(0)),
            t("r", &[N_MID], Home::Trace),
            t("z", &[N_MID], Home::Trace),
            t("w2", &[N_OUT, N_MID], Home::Model),
            t("y", &[N_OUT], Home::Output(0)),
        ],
        tables: vec![
            ramp("input", -8, 16),
            ramp("digit", 0, 8),
            Table::public(
                "relu",
                vec![Part {
                    len: 256,
                    columns: vec![Column::Ramp(-128), Column::Values((-128..128).map(|v: i64| v.max(0)).collect())],
                }],
            ),
        ],
        lookups: vec![
            lookup("x/range", N_IN, 0, vec![plain(access(2, &[0]))]),
            lookup("relu/digit", N_MID, 1, vec![plain(access(3, &[0]))]),
            lookup("relu/table", N_MID, 2, vec![rounded, plain(access(4, &[0]))]),
        ],
        inputs: vec![Input { tensor: 2, lo: -8, hi: 7 }],
        outputs: vec![Output {
            name: "y".into(),
            space: vec![N_OUT as u32],
            expr: Expr {
                constant: Coef::int(7),
                linear: vec![],
                products: vec![Product {
                    coef: Coef::int(1),
                    sum: vec![N_MID as u32],
                    lhs: access(5, &[0, 1]),
                    rhs: access(4, &[1]),
                }],
            },
            lo: -100_000,
            hi: 100_000,
        }],
    }
}

fn witness(seed: i64) -> Witness {
    let mut s = seed;
    let mut rnd = |n: i64| {
        s = (s * 6_364_136_223_846_793_005i64.wrapping_add(0)).wrapping_add(1_442_695_040_888_963_407);
        (s >> 33).rem_euclid(n) - n / 2
    };
    let w1: Vec<i64> = (0..N_MID * N_IN).map(|_| rnd(16)).collect();
    let b1: Vec<i64> = (0..N_MID).map(|_| rnd(64)).collect();
    let x: Vec<i64> = (0..N_IN).map(|_| rnd(16)).collect();
    let w2: Vec<i64> = (0..N_OUT * N_MID).map(|_| rnd(16)).collect();
    let acc: Vec<i64> = (0..N_MID).map(|i| b1[i] + (0..N_IN).map(|k| w1[i * N_IN + k] * x[k]).sum::<i64>()).collect();
    let u: Vec<i64> = acc.iter().map(|a| (a + 4).div_euclid(8)).collect();
    let r: Vec<i64> = acc.iter().map(|a| (a + 4).rem_euclid(8)).collect();
    let z: Vec<i64> = u.iter().map(|u| (*u).max(0)).collect();
    let y: Vec<i64> = (0..N_OUT).map(|i| 7 + (0..N_MID).map(|k| w2[i * N_MID + k] * z[k]).sum::<i64>()).collect();
    Witness {
        tuples: vec![vec![x.clone()], vec![r.clone()], vec![u, z.clone()]],
        tables: vec![vec![]; 3],
        tensors: vec![w1, b1, x, r, z, w2, y.clone()],
        outputs: vec![y],
    }
}

fn key(visibility: Visibility, w: &Witness) -> (PreparedKey, Option<proveil_prover::Committed>) {
    let relation = relation();
    let params = Params::standard(40).with_grinding(2);
    let io = Geometry::standard_io_height(N_IN, 128);
    let geometry =
        Geometry { log_height: 9, model_top: 64, trace_top: 64, io_top: 128, inputs: vec![io], outputs: vec![io] };
    let layout = Layout::new(&relation, &geometry, &visibility);
    let coins = Coins::from_seed([7; 32], &[]);
    let model = commit_model(&layout, &w.tensors, usize::from(params.log_inv_rate), &coins).unwrap();
    let commitment = model.as_ref().map(|m| m.sampled());
    let key = VerifyingKey { params, geometry, visibility, relation, model: commitment, meta: vec![] };
    assert_eq!(VerifyingKey::decode(&key.encode()).unwrap(), key);
    (PreparedKey::new(key), model)
}

#[test]
fn accepts_every_visibility() {
    use IoVisibility::{Committed, Private, Public};
    for zero_knowledge in [false, true] {
        for input in [Public, Private, Committed] {
            for output in [Public, Private, Committed] {
                for model in [ModelVisibility::Public, ModelVisibility::Private] {
                    let v = Visibility { zero_knowledge, model, inputs: vec![input], outputs: vec![output] };
                    let w = witness(11);
                    let (key, model_tree) = key(v.clone(), &w);
                    let rate = usize::from(key.key.params.log_inv_rate);
                    let coins = Coins::from_seed([9; 32], &[]);
                    let io = |k: TreeKind| commit_io(&key.layout, k, &w.tensors, rate, &coins).ok();
                    let (ci, co) = (io(TreeKind::Input(0)), io(TreeKind::Output(0)));
                    let inputs = Inputs {
                        model: model_tree.as_ref(),
                        tensors: Vec::new(),
                        inputs: vec![ci.as_ref()],
                        outputs: vec![co.as_ref()],
                        context: vec![],
                    };
                    let proof = prove(&key, &w, &inputs).unwrap_or_else(|e| panic!("{v:?}: {e}"));
                    verify(&key, &proof.statement, &proof.bytes).unwrap_or_else(|e| panic!("{v:?}: {e}"));
                }
            }
        }
    }
}
