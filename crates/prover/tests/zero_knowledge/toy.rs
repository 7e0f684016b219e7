//! A two-layer net written by hand as a relation, with keys in every visibility and pairs of witnesses of one output.

use proveil_protocol::params::Params;
use proveil_prover::coins::Coins;
use proveil_prover::{Committed, Inputs, Witness, commit_io, commit_model};
use proveil_relation::key::{Geometry, IoVisibility, ModelVisibility, VerifyingKey, Visibility};
use proveil_relation::layout::{Layout, TreeKind};
use proveil_relation::table::{Column, Part, Table};
use proveil_relation::{
    Access, Affine, Coef, Expr, Home, Input, Linear, Lookup, Output, Product, Relation, TensorDecl,
};
use proveil_verifier::PreparedKey;

pub const N_IN: usize = 6;
pub const N_MID: usize = 5;
pub const N_OUT: usize = 3;

fn access(tensor: u32, vars: &[u32]) -> Access {
    Access { tensor, axes: vars.iter().map(|v| Affine::var(*v)).collect(), guards: vec![] }
}

fn linear(coef: Coef, tensor: u32) -> Linear {
    Linear { coef, sum: vec![], access: access(tensor, &[0]) }
}

fn cell(tensor: u32) -> Expr {
    Expr { constant: Coef::int(0), linear: vec![linear(Coef::int(1), tensor)], products: vec![] }
}

/// The integers `start .. start + len`.
pub fn ramp(name: &str, start: i64, len: u32) -> Table {
    Table::public(name, vec![Part { len, columns: vec![Column::Ramp(start)] }])
}

/// Every cell of a tensor is in table 0.
pub fn range_lookup(tensor: u32, decl: &TensorDecl) -> Lookup {
    let axes: Vec<u32> = (0..decl.shape.len() as u32).collect();
    let read = Linear { coef: Coef::int(1), sum: vec![], access: access(tensor, &axes) };
    let tuple = vec![Expr { constant: Coef::int(0), linear: vec![read], products: vec![] }];
    Lookup { name: format!("{}/range", decl.name), space: decl.shape.clone(), table: 0, tuple }
}

fn tables() -> Vec<Table> {
    let relu = Column::Values((-128..128).map(|v: i64| v.max(0)).collect());
    vec![
        ramp("input", -8, 16),
        ramp("digit", 0, 8),
        Table::public("relu", vec![Part { len: 256, columns: vec![Column::Ramp(-128), relu] }]),
    ]
}

/// `z = relu(round((w1 x + b1) / 8))`, `y = w2 z + b2`.
pub fn relation() -> Relation {
    let t = |name: &str, shape: &[usize], home| TensorDecl {
        name: name.into(),
        shape: shape.iter().map(|n| *n as u32).collect(),
        home,
    };
    let product = |coef, n: usize, lhs, rhs| Product {
        coef,
        sum: vec![n as u32],
        lhs: access(lhs, &[0, 1]),
        rhs: access(rhs, &[1]),
    };
    let eighth = |num| Coef { num, shift: 3 };
    let rounded = Expr {
        constant: eighth(4),
        linear: vec![linear(eighth(1), 1), linear(eighth(-1), 3)],
        products: vec![product(eighth(1), N_IN, 0, 2)],
    };
    let lookup = |name: &str, n: usize, table, tuple| Lookup { name: name.into(), space: vec![n as u32], table, tuple };
    let result = Expr {
        constant: Coef::int(0),
        linear: vec![linear(Coef::int(1), 6)],
        products: vec![product(Coef::int(1), N_MID, 5, 4)],
    };
    Relation {
        tensors: vec![
            t("w1", &[N_MID, N_IN], Home::Model),
            t("b1", &[N_MID], Home::Model),
            t("x", &[N_IN], Home::Input(0)),
            t("r", &[N_MID], Home::Trace),
            t("z", &[N_MID], Home::Trace),
            t("w2", &[N_OUT, N_MID], Home::Model),
            t("b2", &[N_OUT], Home::Model),
            t("y", &[N_OUT], Home::Output(0)),
        ],
        tables: tables(),
        lookups: vec![
            lookup("x/range", N_IN, 0, vec![cell(2)]),
            lookup("relu/digit", N_MID, 1, vec![cell(3)]),
            lookup("relu/table", N_MID, 2, vec![rounded, cell(4)]),
        ],
        inputs: vec![Input { tensor: 2, lo: -8, hi: 7 }],
        outputs: vec![Output { name: "y".into(), space: vec![N_OUT as u32], expr: result, lo: -100_000, hi: 100_000 }],
    }
}

/// Small uniform integers from a seed.
fn draw(seed: u64) -> impl FnMut(usize, i64) -> Vec<i64> {
    let mut s = seed;
    move |n, range| {
        let mut next = || {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((s >> 33) as i64).rem_euclid(range) - range / 2
        };
        (0..n).map(|_| next()).collect()
    }
}

fn rows_times(w: &[i64], v: &[i64]) -> Vec<i64> {
    w.chunks(v.len()).map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
}

/// The witness of a random model on a random input; `input` and `output` fix those, the output by the last bias.
pub fn witness_of(seed: u64, input: Option<&[i64]>, output: Option<&[i64]>) -> Witness {
    let mut rnd = draw(seed);
    let (w1, b1, w2) = (rnd(N_MID * N_IN, 16), rnd(N_MID, 64), rnd(N_OUT * N_MID, 16));
    let (x, mut b2) = (rnd(N_IN, 16), rnd(N_OUT, 64));
    let x = input.map_or(x, <[i64]>::to_vec);
    let acc: Vec<i64> = rows_times(&w1, &x).iter().zip(&b1).map(|(a, b)| a + b + 4).collect();
    let u: Vec<i64> = acc.iter().map(|a| a.div_euclid(8)).collect();
    let r: Vec<i64> = acc.iter().map(|a| a.rem_euclid(8)).collect();
    let z: Vec<i64> = u.iter().map(|u| (*u).max(0)).collect();
    let bare = rows_times(&w2, &z);
    if let Some(y) = output {
        b2 = y.iter().zip(&bare).map(|(y, b)| y - b).collect();
    }
    let y: Vec<i64> = bare.iter().zip(&b2).map(|(a, b)| a + b).collect();
    Witness {
        tuples: vec![vec![x.clone()], vec![r.clone()], vec![u, z.clone()]],
        tables: vec![vec![]; 3],
        tensors: vec![w1, b1, x, r, z, w2, b2, y.clone()],
        outputs: vec![y],
    }
}

pub fn witness(seed: u64) -> Witness {
    witness_of(seed, None, None)
}

/// Another model and another input (where it is hidden) with the output of `w`.
pub fn twin(seed: u64, w: &Witness, v: &Visibility) -> Witness {
    let input = (v.inputs[0] == IoVisibility::Public).then_some(&w.tensors[2][..]);
    witness_of(seed, input, Some(&w.outputs[0]))
}

pub fn hiding(input: IoVisibility, output: IoVisibility) -> Visibility {
    Visibility { zero_knowledge: true, model: ModelVisibility::Private, inputs: vec![input], outputs: vec![output] }
}

/// All combinations of visibilities with a hidden model.
pub fn visibilities() -> Vec<Visibility> {
    use IoVisibility::{Committed, Private, Public};
    let all = [Public, Private, Committed];
    all.iter().flat_map(|i| all.iter().map(|o| hiding(*i, *o))).collect()
}

/// Parameters under which the combination is folded.
pub fn folding() -> Params {
    Params::standard(40).with_grinding(2)
}

/// Parameters under which the combination is sent as it is: everything that the folded one shows is computed from it.
pub fn in_the_clear() -> Params {
    Params { final_log_size: 9, ..folding() }
}

/// The key of a visibility without a model commitment.
pub fn bare_key(visibility: &Visibility, params: &Params) -> VerifyingKey {
    let io = Geometry::standard_io_height(N_IN, 128);
    let geometry =
        Geometry { log_height: 9, model_top: 64, trace_top: 64, io_top: 128, inputs: vec![io], outputs: vec![io] };
    let visibility = visibility.clone();
    VerifyingKey { params: params.clone(), geometry, visibility, relation: relation(), model: None, meta: vec![] }
}

/// The same with random cells for a budget of a few proofs.
pub fn roomy_key(visibility: &Visibility, params: &Params) -> VerifyingKey {
    let key = bare_key(visibility, params);
    let io = Geometry::standard_io_height(N_IN, 256);
    let geometry = Geometry { model_top: 256, io_top: 256, inputs: vec![io], outputs: vec![io], ..key.geometry };
    VerifyingKey { geometry, ..key }
}

/// A key with everything committed outside proofs.
pub struct World {
    pub key: PreparedKey,
    pub witness: Witness,
    pub model: Option<Committed>,
    pub input: Option<Committed>,
    pub output: Option<Committed>,
}

/// Coins of the three commitments that outlive a proof.
pub struct Outer {
    pub model: Coins,
    pub input: Coins,
    pub output: Coins,
}

impl Outer {
    pub fn new(seed: u8) -> Self {
        let c = |k: u8| Coins::from_seed([seed; 32], &[&[k]]);
        Self { model: c(0), input: c(1), output: c(2) }
    }
}

impl World {
    pub fn new(visibility: &Visibility, params: &Params, witness: Witness, coins: &Outer) -> Self {
        Self::of(bare_key(visibility, params), witness, coins)
    }

    /// The world of a key whose model is not committed yet.
    pub fn of(mut key: VerifyingKey, witness: Witness, coins: &Outer) -> Self {
        let layout = Layout::new(&key.relation, &key.geometry, &key.visibility);
        let rate = usize::from(key.params.log_inv_rate);
        let model = commit_model(&layout, &witness.tensors, rate, &coins.model).unwrap();
        let io = |k, c| commit_io(&layout, k, &witness.tensors, rate, c).ok();
        let (input, output) = (io(TreeKind::Input(0), &coins.input), io(TreeKind::Output(0), &coins.output));
        key.model = model.as_ref().map(Committed::sampled);
        Self { key: PreparedKey::new(key), witness, model, input, output }
    }

    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            model: self.model.as_ref(),
            tensors: Vec::new(),
            inputs: vec![self.input.as_ref()],
            outputs: vec![self.output.as_ref()],
            context: vec![],
        }
    }
}
