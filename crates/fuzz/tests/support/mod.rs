//! A small relation with every kind of part, proved afresh: starting points that fit the present proof format.
#![allow(dead_code)]

use proveil_protocol::params::Params;
use proveil_prover::coins::Coins;
use proveil_prover::{Inputs, Witness, commit_model, prove};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, Statement, VerifyingKey, Visibility};
use proveil_relation::layout::Layout;
use proveil_relation::table::{Column, Part, Table};
use proveil_relation::{
    Access, Affine, Coef, Expr, Home, Input, Linear, Lookup, Output, Product, Relation, TensorDecl,
};
use proveil_verifier::PreparedKey;

/// Cells of the input.
const N: usize = 4;

/// A key with an honest statement and proof.
pub struct Subject {
    /// The key.
    pub key: PreparedKey,
    /// The statement.
    pub statement: Statement,
    /// The proof.
    pub proof: Vec<u8>,
}

fn cell(tensor: u32, vars: &[u32]) -> Access {
    Access { tensor, axes: vars.iter().map(|v| Affine::var(*v)).collect(), guards: vec![] }
}

/// `y(i) = sum_k w(i, k) z(k)`, `z = table(x)`.
pub fn relation() -> Relation {
    let tensor = |name: &str, shape: &[u32], home| TensorDecl { name: name.into(), shape: shape.to_vec(), home };
    let read = |t: u32| Expr {
        constant: Coef::int(0),
        linear: vec![Linear { coef: Coef::int(1), sum: vec![], access: cell(t, &[0]) }],
        products: vec![],
    };
    let product = Product { coef: Coef::int(1), sum: vec![N as u32], lhs: cell(0, &[0, 1]), rhs: cell(2, &[1]) };
    let columns = vec![Column::Ramp(-8), Column::Values((-8..8).map(|v: i64| v.max(0)).collect())];
    Relation {
        tensors: vec![
            tensor("w", &[2, N as u32], Home::Model),
            tensor("x", &[N as u32], Home::Input(0)),
            tensor("z", &[N as u32], Home::Trace),
        ],
        tables: vec![Table::public("relu", vec![Part { len: 16, columns }])],
        lookups: vec![Lookup { name: "relu".into(), space: vec![N as u32], table: 0, tuple: vec![read(1), read(2)] }],
        inputs: vec![Input { tensor: 1, lo: -8, hi: 7 }],
        outputs: vec![Output {
            name: "y".into(),
            space: vec![2],
            expr: Expr { constant: Coef::int(1), linear: vec![], products: vec![product] },
            lo: -1000,
            hi: 1000,
        }],
    }
}

/// Integers that satisfy it.
pub fn witness() -> Witness {
    let w = vec![3, -1, 4, 1, -5, 9, 2, -6];
    let x = vec![-8, 7, 3, 0];
    let z: Vec<i64> = x.iter().map(|v: &i64| (*v).max(0)).collect();
    let y: Vec<i64> = (0..2).map(|i| 1 + (0..N).map(|k| w[i * N + k] * z[k]).sum::<i64>()).collect();
    let tuples = vec![vec![x.clone(), z.clone()]];
    Witness { tuples, tables: vec![vec![]], tensors: vec![w, x, z], outputs: vec![y] }
}

/// Proves the relation, plain or hiding, with a public or a private input.
pub fn subject(zero_knowledge: bool, input: IoVisibility) -> Subject {
    let (relation, w) = (relation(), witness());
    let visibility = Visibility {
        zero_knowledge,
        model: ModelVisibility::Private,
        inputs: vec![input],
        outputs: vec![IoVisibility::Public],
    };
    let params = Params::standard(40).with_grinding(2);
    let geometry =
        Geometry { log_height: 9, model_top: 64, trace_top: 64, io_top: 128, inputs: vec![8], outputs: vec![8] };
    let layout = Layout::new(&relation, &geometry, &visibility);
    let coins = Coins::from_seed([5; 32], &[]);
    let model = commit_model(&layout, &w.tensors, usize::from(params.log_inv_rate), &coins).expect("a small model");
    let commitment = model.as_ref().map(|m| m.sampled());
    let key = VerifyingKey { params, geometry, visibility, relation, model: commitment, meta: b"{}".to_vec() };
    let key = PreparedKey::new(key);
    let inputs = Inputs {
        model: model.as_ref(),
        tensors: Vec::new(),
        inputs: vec![None],
        outputs: vec![None],
        context: b"fuzz".to_vec(),
    };
    let made = prove(&key, &w, &inputs).expect("an honest witness");
    Subject { key, statement: made.statement, proof: made.bytes }
}
