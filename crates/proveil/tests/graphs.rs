//! Integer graphs of every operator, from lowering to a verified proof.

use proveil::package::{claim, compile_choice};
use proveil::profile::Wish;
use proveil::{CompileOptions, Engine, Error, Meta, compile_graph, verify};
use proveil_graph::builder::{Builder, ConvSpec, PoolSpec};
use proveil_graph::{GraphError, Range, TensorId};
use proveil_protocol::params::Params;
use proveil_relation::check::KeyError;
use proveil_relation::key::{IoVisibility, ModelVisibility};

struct Rng(u64);

impl Rng {
    fn next(&mut self, r: Range) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        r.lo + ((self.0 >> 33) as i64).rem_euclid(r.hi - r.lo + 1)
    }
    fn cells(&mut self, shape: &[usize], r: Range) -> Vec<i64> {
        (0..shape.iter().product::<usize>()).map(|_| self.next(r)).collect()
    }
}

const BYTE: Range = Range { lo: -128, hi: 127 };

fn param(b: &mut Builder, rng: &mut Rng, name: &str, shape: &[usize]) -> Result<TensorId, GraphError> {
    let values = rng.cells(shape, BYTE);
    b.param(name, shape, BYTE, 7, values)
}

fn relu(b: &mut Builder, name: &str, x: TensorId, shift: u32) -> Result<TensorId, GraphError> {
    let t = b.table("relu", -256, (-256..256).map(|v: i64| v.clamp(0, 255)).collect())?;
    b.lookup(name, x, shift, t, 0)
}

fn prove_graph(name: &str, inputs: &[(&[usize], Range)], build: impl Fn(&mut Builder, &mut Rng, &[TensorId])) {
    let visibilities = [
        (true, ModelVisibility::Private, IoVisibility::Private, IoVisibility::Public),
        (false, ModelVisibility::Public, IoVisibility::Public, IoVisibility::Public),
        (true, ModelVisibility::Private, IoVisibility::Committed, IoVisibility::Committed),
        (true, ModelVisibility::Public, IoVisibility::Private, IoVisibility::Private),
    ];
    for (zero_knowledge, model, input, output) in visibilities {
        let mut rng = Rng(name.len() as u64 * 77);
        let mut b = Builder::new();
        let ids: Vec<TensorId> =
            inputs.iter().enumerate().map(|(i, (s, r))| b.input(&format!("x{i}"), s, *r, 0).unwrap()).collect();
        build(&mut b, &mut rng, &ids);
        let (graph, params) = b.finish().unwrap();
        let options = CompileOptions {
            params: Params::standard(30).with_grinding(0),
            zero_knowledge,
            model,
            input,
            output,
            budget: Some(4),
            ..CompileOptions::default()
        };
        let meta = Meta::default();
        let (package, model) = compile_graph(graph, params, &meta, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
        let engine = Engine::with_model(package, model).unwrap_or_else(|e| panic!("{name}: {e}"));
        let x: Vec<Vec<i64>> = inputs.iter().map(|(s, r)| rng.cells(s, *r)).collect();
        let p = engine.prove(&x, b"").unwrap_or_else(|e| panic!("{name} {zero_knowledge}: {e}"));
        verify(&engine.key, &p.file).unwrap_or_else(|e| panic!("{name} {zero_knowledge} {input:?}: {e}"));
    }
}

#[test]
fn rejects_what_would_give_a_key_that_nothing_reads() {
    let mut b = Builder::new();
    let x = b.input("x", &[2, 3], BYTE, 0).unwrap();
    let w = param(&mut b, &mut Rng(5), "w", &[3, 4]).unwrap();
    let y = b.matmul("y", x, w).unwrap();
    b.output(y).unwrap();
    let (graph, params) = b.finish().unwrap();
    let options = CompileOptions { params: Params::standard(30).with_grinding(0), ..CompileOptions::default() };
    let (relation, visibility) = claim(&graph, &options).unwrap();
    let wish = Wish { relation: &relation, params: &options.params, visibility: &visibility, profile: options.profile };
    let mut choice = wish.choose(None).unwrap();
    choice.geometry.log_height = 27;
    let refused = compile_choice(graph, params, &Meta::default(), &options, &choice).err().unwrap();
    assert!(matches!(refused, Error::Key(KeyError::Range { field: "log_height", value: 27, .. })), "{refused}");
}

#[test]
fn accepts_dense_relu_dense() {
    prove_graph("dense", &[(&[2, 10], BYTE)], |b, r, x| {
        let w = param(b, r, "w1", &[7, 10]).unwrap();
        let wt = b.transpose("w1t", w, &[1, 0]).unwrap();
        let y = b.matmul("fc1", x[0], wt).unwrap();
        let bias = param(b, r, "b1", &[7]).unwrap();
        let y = b.combine("bias", &[(1, y), (64, bias)], 0, 7).unwrap();
        let z = relu(b, "relu", y, 7).unwrap();
        let w2 = param(b, r, "w2", &[7, 3]).unwrap();
        let o = b.matmul("fc2", z, w2).unwrap();
        b.output(o).unwrap();
    });
}

/// The widest shift that the front end makes: the operand has 56 bits, all of which count.
#[test]
fn accepts_shifts_by_48_bits() {
    prove_graph("shift", &[(&[3, 5], BYTE), (&[3, 5], BYTE), (&[3, 5], BYTE)], |b, _, x| {
        let wide = b.combine("wide", &[(1 << 48, x[0]), (1 << 41, x[1]), (1, x[2])], 3, 7).unwrap();
        let z = relu(b, "relu", wide, 48).unwrap();
        b.output(z).unwrap();
        let table = b.table("square", -4, (-4..4).map(|u: i64| u * u - 3).collect()).unwrap();
        let cut = b.lookup("cut", wide, 48, table, 0).unwrap();
        b.output(cut).unwrap();
    });
}

#[test]
fn accepts_convolutional_net() {
    prove_graph("conv", &[(&[1, 8, 8, 3], BYTE)], |b, r, x| {
        let w = param(b, r, "w1", &[3, 3, 10, 3]).unwrap();
        let spec = ConvSpec {
            strides: vec![1, 1],
            dilations: vec![1, 1],
            pads_before: vec![1, 1],
            pads_after: vec![1, 1],
            groups: 1,
        };
        let y = b.conv("conv1", x[0], w, &spec).unwrap();
        let z = relu(b, "relu1", y, 8).unwrap();
        let m = b.max_pool("pool", z, &PoolSpec::tiling(&[2, 2])).unwrap();
        let w2 = param(b, r, "w2", &[3, 3, 8, 5]).unwrap();
        let spec2 = ConvSpec { strides: vec![2, 2], groups: 2, ..spec };
        let y = b.conv("conv2", m, w2, &spec2).unwrap();
        let z = relu(b, "relu2", y, 9).unwrap();
        let t = b.transpose("nchw", z, &[0, 3, 1, 2]).unwrap();
        let f = b.reshape("flat", t, &[1, 32]).unwrap();
        let w3 = param(b, r, "w3", &[32, 4]).unwrap();
        let o = b.matmul("fc", f, w3).unwrap();
        b.output(o).unwrap();
        let s = b.arg_max_one_hot("best", o).unwrap();
        let i = b.one_hot_index("index", s).unwrap();
        b.output(i).unwrap();
    });
}

#[test]
fn accepts_attention() {
    prove_graph("attention", &[(&[1, 6, 8], BYTE)], |b, r, x| {
        let w = param(b, r, "wqkv", &[8, 24]).unwrap();
        let y = b.matmul("qkv", x[0], w).unwrap();
        let id = b.table("id", -256, (-256..256).collect()).unwrap();
        let y = b.lookup("round", y, 9, id, 0).unwrap();
        let y = b.reshape("split", y, &[1, 6, 3, 2, 4]).unwrap();
        let y = b.transpose("heads", y, &[2, 0, 3, 1, 4]).unwrap();
        let part = |b: &mut Builder, i: usize| {
            let s = b.slice(&format!("part{i}"), y, &[i, 0, 0, 0, 0], &[1, 1, 2, 6, 4], &[1; 5]).unwrap();
            b.reshape(&format!("part{i}r"), s, &[1, 2, 6, 4]).unwrap()
        };
        let (q, k, v) = (part(b, 0), part(b, 1), part(b, 2));
        let kt = b.transpose("kt", k, &[0, 1, 3, 2]).unwrap();
        let s = b.matmul("scores", q, kt).unwrap();
        let e = b.table("exp", -256, (-256..256).map(|v: i64| (v + 256) / 2).collect()).unwrap();
        let s = b.lookup("exp", s, 8, e, 0).unwrap();
        let sum = b.sum("sum", s, &[3], true).unwrap();
        let sum = b.combine("sum1", &[(1, sum)], 1, 0).unwrap();
        let one = b.constant("one", &[1, 2, 6, 1], vec![1 << 16; 12], 16).unwrap();
        let inv = b.div("inv", one, sum, 16).unwrap();
        let p = b.mul("p", s, inv).unwrap();
        let p = b.lookup("pr", p, 10, id, 0).unwrap();
        let o = b.matmul("mix", p, v).unwrap();
        let o = b.lookup("mr", o, 4, id, 0).unwrap();
        let o = b.transpose("back", o, &[0, 2, 1, 3]).unwrap();
        let o = b.reshape("merge", o, &[1, 6, 8]).unwrap();
        let w = param(b, r, "wo", &[8, 8]).unwrap();
        let o = b.matmul("proj", o, w).unwrap();
        let o = b.combine("residual", &[(1, o), (128, x[0])], 0, 7).unwrap();
        b.output(o).unwrap();
    });
}

#[test]
fn accepts_embedding_and_sqrt() {
    prove_graph("embed", &[(&[5], Range { lo: 0, hi: 15 }), (&[5, 4], BYTE)], |b, r, x| {
        let h = b.one_hot("onehot", x[0], 16).unwrap();
        let t = param(b, r, "table", &[16, 4]).unwrap();
        let e = b.matmul("embed", h, t).unwrap();
        let d = b.combine("sum", &[(1, e), (1, x[1])], 0, 0).unwrap();
        let id = b.table("id", -256, (-256..256).collect()).unwrap();
        let d = b.lookup("round", d, 0, id, 0).unwrap();
        let q = b.mul("square", d, d).unwrap();
        let s = b.sum("ss", q, &[1], false).unwrap();
        let n = b.sqrt("norm", s, 0).unwrap();
        b.output(n).unwrap();
        b.output(d).unwrap();
    });
}

#[test]
fn accepts_gathers_and_quotients() {
    let row = Range { lo: 0, hi: 6 };
    prove_graph("gather", &[(&[4, 2], row), (&[7, 3], BYTE)], |b, r, x| {
        let data = param(b, r, "data", &[7, 3]).unwrap();
        let hidden = b.gather("hidden", data, x[0]).unwrap();
        let computed = b.combine("computed", &[(3, x[1])], 1, 0).unwrap();
        let own = b.gather("own", computed, x[0]).unwrap();
        let square = b.mul("square", hidden, hidden).unwrap();
        let divisor = b.combine("divisor", &[(1, square)], 1, 0).unwrap();
        let ratio = b.div("ratio", own, divisor, 0).unwrap();
        b.output(ratio).unwrap();
        b.output(own).unwrap();
    });
}

#[test]
fn accepts_and_rejects_registrations() {
    use proveil::budget::FileStore;
    use proveil::{RegistrationFile, verify_registration};
    let dir = tempfile::tempdir().unwrap();
    let make = |seed: u64, folder: &str| {
        let mut rng = Rng(seed);
        let mut b = Builder::new();
        let x = b.input("x", &[2, 6], BYTE, 0).unwrap();
        let w = param(&mut b, &mut rng, "w", &[6, 5]).unwrap();
        let y = b.matmul("y", x, w).unwrap();
        b.output(y).unwrap();
        let (graph, params) = b.finish().unwrap();
        let options = CompileOptions {
            params: Params::standard(30).with_grinding(0),
            budget: Some(4),
            ..CompileOptions::default()
        };
        let (package, model) = compile_graph(graph, params, &Meta::default(), &options).unwrap();
        let engine = Engine::with_model(package, model).unwrap();
        let store = FileStore::new(dir.path().join(folder)).unwrap();
        engine.open_budget(&store).unwrap();
        let file = engine.register(&store).unwrap();
        assert!(engine.register(&store).is_err(), "a model is registered once");
        (engine, file)
    };
    let (engine, file) = make(5, "a");
    let (_, other) = make(6, "b");
    let read = RegistrationFile::from_bytes(&file.to_bytes()).unwrap();
    verify_registration(&engine.key, &read).unwrap();
    assert!(verify_registration(&engine.key, &other).is_err(), "another model's registration");
    for at in [0, file.proof.len() / 2, file.proof.len() - 1] {
        let mut forged = file.clone();
        forged.proof[at] ^= 1;
        assert!(verify_registration(&engine.key, &forged).is_err(), "bit flipped at {at}");
    }
    assert!(RegistrationFile::from_bytes(&file.to_bytes()[..20]).is_err());
}
