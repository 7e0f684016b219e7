//! Classical models of the `ai.onnx.ml` domain against values worked out here, as the standard defines them.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File, I64};
use proveil_frontend::{FrontendError, Kind, Options, Tensor, compile};

const ML: &str = "ai.onnx.ml";
const X: [[f64; 2]; 4] = [[0.5, -1.0], [1.5, 0.25], [-0.75, 0.5], [0.1, 2.0]];
/// Support vectors of three classes: two, one and one.
const VECTORS: [[f64; 2]; 4] = [[1.0, 0.5], [0.25, -1.0], [-1.0, 0.75], [0.5, 1.5]];
const COEFFICIENTS: [f64; 8] = [0.9, 0.4, -1.1, -0.8, 0.3, 1.2, 0.7, -0.6];
const RHO: [f64; 3] = [0.1, -0.2, 0.05];

fn rows() -> Tensor {
    Tensor::floats(vec![4, 2], X.concat()).expect("dense")
}

fn close(got: &[f64], want: &[f64]) {
    assert!(relative_error(got, want) < 0.01, "got {got:?}, want {want:?}");
}

fn floats(list: &[f64]) -> Attr {
    Attr::Floats(list.iter().map(|&v| v as f32).collect())
}

type Kernel = fn(&[f64; 2], &[f64; 2]) -> f64;

fn dot(a: &[f64; 2], b: &[f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

const KERNELS: [(&str, Kernel); 4] = [
    ("LINEAR", dot),
    ("POLY", |a, b| (0.4 * dot(a, b) + 0.3).powi(3)),
    ("RBF", |a, b| (-0.4 * ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2))).exp()),
    ("SIGMOID", |a, b| (0.4 * dot(a, b) + 0.3).tanh()),
];

/// Decision functions of the pairs 01, 02, 12.
fn decisions(kernel: Kernel, x: &[f64; 2]) -> [f64; 3] {
    let k = VECTORS.map(|v| kernel(x, &v));
    let c = |row: usize, v: usize| COEFFICIENTS[row * 4 + v] * k[v];
    [c(0, 0) + c(0, 1) + c(0, 2) + RHO[0], c(1, 0) + c(1, 1) + c(0, 3) + RHO[1], c(1, 2) + c(1, 3) + RHO[2]]
}

fn svc(kernel: &'static str, more: Vec<(&'static str, Attr)>) -> File {
    let mut attributes = vec![
        ("kernel_type", Attr::Str(kernel)),
        ("kernel_params", floats(&[0.4, 0.3, 3.0])),
        ("coefficients", floats(&COEFFICIENTS)),
        ("support_vectors", floats(&VECTORS.concat())),
        ("vectors_per_class", Attr::Ints(vec![2, 1, 1])),
        ("rho", floats(&RHO)),
    ];
    attributes.extend(more);
    let file = File::new(ML, 3, &["label", "scores"]).input("x", FLOAT, &[4, 2]);
    file.node("SVMClassifier", &["x"], &["label", "scores"], &attributes)
}

#[test]
fn matches_reference_support_vector_classifiers_of_every_kernel() {
    for (name, kernel) in KERNELS {
        let file = svc(name, vec![("classlabels_ints", Attr::Ints(vec![7, 3, 5]))]);
        let got = file.run(&[rows()]).expect("runs");
        let scores: Vec<[f64; 3]> = X.iter().map(|x| decisions(kernel, x)).collect();
        close(&got[1], &scores.concat());
        let winner = |s: &[f64; 3]| {
            let mut votes = [0; 3];
            for (v, (i, j)) in s.iter().zip([(0, 1), (0, 2), (1, 2)]) {
                votes[if *v > 0.0 { i } else { j }] += 1;
            }
            let best = (0..3).rev().fold(2, |b, i| if votes[i] >= votes[b] { i } else { b });
            [7.0, 3.0, 5.0][best]
        };
        assert_eq!(got[0], scores.iter().map(winner).collect::<Vec<_>>(), "{name}");
    }
}

/// libsvm's iteration, carried on until nothing changes.
fn coupled(r: [f64; 3]) -> [f64; 3] {
    let won = |i: usize, j: usize| match (i, j) {
        (0, 1) => r[0],
        (0, 2) => r[1],
        (1, 2) => r[2],
        (1, 0) => 1.0 - r[0],
        (2, 0) => 1.0 - r[1],
        _ => 1.0 - r[2],
    };
    let q = |i: usize, j: usize| {
        if i == j { (0..3).filter(|&k| k != i).map(|k| won(k, i).powi(2)).sum::<f64>() } else { -won(i, j) * won(j, i) }
    };
    let mut p = [1.0 / 3.0; 3];
    for t in (0..600).map(|i| i % 3) {
        let qp = |i: usize| (0..3).map(|j| q(i, j) * p[j]).sum::<f64>();
        let total: f64 = (0..3).map(|i| p[i] * qp(i)).sum();
        let change = (total - qp(t)) / q(t, t);
        p[t] += change;
        p = p.map(|v| v / (1.0 + change));
    }
    p
}

#[test]
fn matches_reference_probabilities_of_three_classes() {
    let (a, b) = ([-1.5, -0.8, -2.0], [0.1, -0.2, 0.0]);
    let names = vec!["ant", "bee", "cow"];
    let more = vec![("classlabels_strings", Attr::Strs(names)), ("prob_a", floats(&a)), ("prob_b", floats(&b))];
    let model = compile(&svc("RBF", more).bytes(), &[vec![rows()]], &Options::default()).expect("compiles");
    assert_eq!(model.outputs[0].labels, ["ant", "bee", "cow"]);
    let mut want = Vec::new();
    for x in &X {
        let s = decisions(KERNELS[2].1, x);
        want.extend(coupled([0, 1, 2].map(|i| 1.0 / (1.0 + (a[i] * s[i] + b[i]).exp()))));
    }
    close(&infer(&model, &[rows()])[1], &want);
}

#[test]
fn matches_reference_support_vector_regression() {
    for one_class in [0, 1] {
        let file = File::new(ML, 3, &["y"]).input("x", FLOAT, &[4, 2]).node(
            "SVMRegressor",
            &["x"],
            &["y"],
            &[
                ("kernel_type", Attr::Str("RBF")),
                ("kernel_params", floats(&[0.4, 0.0, 3.0])),
                ("coefficients", floats(&COEFFICIENTS[..4])),
                ("support_vectors", floats(&VECTORS.concat())),
                ("n_supports", Attr::Int(4)),
                ("rho", floats(&[-0.3])),
                ("one_class", Attr::Int(one_class)),
            ],
        );
        let value = |x: &[f64; 2]| {
            (0..4).map(|v| COEFFICIENTS[v] * KERNELS[2].1(x, &VECTORS[v])).sum::<f64>() + f64::from(-0.3f32)
        };
        let value = |x: &[f64; 2]| if one_class == 1 { value(x).signum() } else { value(x) };
        close(&file.run(&[rows()]).expect("runs")[0], &X.iter().map(value).collect::<Vec<_>>());
    }
}

#[test]
fn matches_reference_linear_classifiers_after_every_transform() {
    let (w, b) = ([0.5, -1.0, -0.25, 0.75, 1.0, 0.5], [0.1, -0.2, 0.3]);
    let scores = |x: &[f64; 2]| [0, 1, 2].map(|c| w[2 * c] * x[0] + w[2 * c + 1] * x[1] + b[c]);
    let softmax = |s: [f64; 3]| {
        let sum: f64 = s.iter().map(|v| v.exp()).sum();
        s.map(|v| v.exp() / sum)
    };
    for post in ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"] {
        let attributes = [
            ("coefficients", floats(&w)),
            ("intercepts", floats(&b)),
            ("classlabels_strings", Attr::Strs(vec!["a", "b", "c"])),
            ("post_transform", Attr::Str(post)),
        ];
        let file = File::new(ML, 1, &["l", "s"]).input("x", FLOAT, &[4, 2]);
        let got = file.node("LinearClassifier", &["x"], &["l", "s"], &attributes).run(&[rows()]).expect("runs");
        let want = X.map(|x| match post {
            "NONE" => scores(&x),
            "LOGISTIC" => scores(&x).map(|v| 1.0 / (1.0 + (-v).exp())),
            _ => softmax(scores(&x)),
        });
        close(&got[1], &want.concat());
        let best = X.map(|x| {
            let s = scores(&x);
            (0..3).rev().fold(2, |b, i| if s[i] >= s[b] { i } else { b }) as f64
        });
        assert_eq!(got[0], best);
    }
}

#[test]
fn matches_reference_encoders_exactly() {
    let ids = Tensor::new(vec![1, 4], Kind::Int, vec![3.0, 9.0, 5.0, 4.0]).expect("dense");
    let file = |op: &str, attributes: &[(&str, Attr)]| {
        let file = File::new(ML, 2, &["y"]).input("x", I64, &[1, 4]).node(op, &["x"], &["y"], attributes);
        file.run(std::slice::from_ref(&ids)).expect("runs").remove(0)
    };
    let keys = ("keys_int64s", Attr::Ints(vec![3, 4, 5]));
    let got = file(
        "LabelEncoder",
        &[keys, ("values_int64s", Attr::Ints(vec![30, -40, 50])), ("default_int64", Attr::Int(7))],
    );
    assert_eq!(got, [30.0, 7.0, 50.0, -40.0]);
    let got = file("OneHotEncoder", &[("cats_int64s", Attr::Ints(vec![5, 3]))]);
    assert_eq!(got, [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    let imputed = [("imputed_value_int64s", Attr::Ints(vec![8])), ("replaced_value_int64", Attr::Int(9))];
    assert_eq!(file("Imputer", &imputed), [3.0, 8.0, 5.0, 4.0]);
}

#[test]
fn rejects_classical_models_that_do_not_fit() {
    let refuse = |file: File| match compile(&file.bytes(), &[vec![rows()]], &Options::default()) {
        Err(e @ (FrontendError::Unsupported { .. } | FrontendError::Malformed { .. })) => e.to_string(),
        other => panic!("expected a refusal, got {:?}", other.map(|m| m.outputs)),
    };
    let ints = |count: i64| ("classlabels_ints", Attr::Ints((0..count).collect()));
    assert!(refuse(svc("CUBIC", vec![ints(3)])).contains("`CUBIC`"));
    assert!(refuse(svc("RBF", vec![ints(4)])).contains("4 classes"));
    assert!(refuse(svc("RBF", vec![])).contains("class labels"));
    assert!(refuse(svc("RBF", vec![ints(3), ("prob_a", floats(&[1.0]))])).contains("sigmoid parameters"));
    assert!(refuse(svc("RBF", vec![ints(3), ("post_transform", Attr::Str("CUBE"))])).contains("CUBE"));
    let encoder = File::new(ML, 2, &["y"]).input("x", FLOAT, &[4, 2]).node(
        "LabelEncoder",
        &["x"],
        &["y"],
        &[("keys_strings", Attr::Strs(vec!["a"])), ("values_int64s", Attr::Ints(vec![1]))],
    );
    assert!(refuse(encoder).contains("text"));
}

#[test]
fn matches_reference_encoders_of_whole_numbers_kept_as_floats() {
    let x = Tensor::floats(vec![1, 5], vec![3.0, 9.0, 5.0, 4.0, 3.5]).expect("dense");
    let encoded = |keys: &[f32]| {
        let attributes = [
            ("keys_floats", Attr::Floats(keys.to_vec())),
            ("values_floats", Attr::Floats(vec![30.0, -40.0, 50.0, 60.0])),
            ("default_float", Attr::Float(7.0)),
        ];
        let file = File::new(ML, 2, &["y"]).input("x", FLOAT, &[1, 5]);
        file.node("LabelEncoder", &["x"], &["y"], &attributes).run(std::slice::from_ref(&x))
    };
    // Of equal keys the first one counts.
    close(&encoded(&[3.0, 4.0, 5.0, 3.0]).expect("runs")[0], &[30.0, 7.0, 50.0, -40.0, 7.0]);
    let refused = encoded(&[3.0, 4.0, 5.5, 6.0]).expect_err("a fraction");
    assert!(refused.to_string().contains("its keys are fractions"), "{refused}");
}

#[test]
fn matches_reference_probabilities_by_their_logarithms() {
    let axis = [("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(1))];
    let x = [Tensor::floats(vec![1, 4], vec![-120.0, -121.5, -119.0, -140.0]).expect("dense")];
    let file = || File::new("", 13, &["y"]).input("x", FLOAT, &[1, 4]);
    let model = |file: File| compile(&file.bytes(), &[x.to_vec()], &Options::default()).expect("compiles");
    let naive = file().node("ReduceLogSumExp", &["x"], &["s"], &axis).node("Sub", &["x", "s"], &["l"], &[]).node(
        "Exp",
        &["l"],
        &["y"],
        &[],
    );
    let ops = |m: &proveil_frontend::Model| format!("{:?}", m.graph.nodes.iter().map(|n| &n.op).collect::<Vec<_>>());
    let (naive, plain) = (model(naive), model(file().node("Softmax", &["x"], &["y"], &[("axis", Attr::Int(1))])));
    assert_eq!(ops(&naive), ops(&plain));
    assert_eq!(infer(&naive, &x), infer(&plain, &x));
    // Less anything else it is a soft-max no more.
    let other = file().node("ReduceLogSumExp", &["x"], &["s"], &axis).node("Add", &["x", "s"], &["l"], &[]).node(
        "Exp",
        &["l"],
        &["y"],
        &[],
    );
    assert_ne!(ops(&model(other)), ops(&plain));
}

#[test]
fn matches_reference_bounds_and_whole_numbers_that_are_computed_from() {
    let row = |v: &[f64]| Tensor::floats(vec![1, v.len()], v.to_vec()).expect("dense");
    let file = || File::new("", 13, &["y"]).input("x", FLOAT, &[1, 4]).input("b", FLOAT, &[1]);
    let inputs = [row(&[-3.0, -0.5, 0.25, 2.0]), Tensor::floats(vec![1], vec![0.5]).expect("dense")];
    let got = file().node("Clip", &["x", "b"], &["y"], &[]).run(&inputs).expect("runs");
    close(&got[0], &[0.5, 0.5, 0.5, 2.0]);
    let got = file().node("Clip", &["x", "", "b"], &["y"], &[]).run(&inputs).expect("runs");
    close(&got[0], &[-3.0, -0.5, 0.25, 0.5]);
    // Wider than a table, but read as real numbers only.
    let ids = Tensor::new(vec![1, 3], Kind::Int, vec![3e6, -1.5e7, 12.0]).expect("dense");
    let wide = || File::new("", 13, &["y"]).input("x", I64, &[1, 3]);
    let cast = wide().weight("w", FLOAT, &[1], &[1e-6]).node("Cast", &["x"], &["f"], &[("to", Attr::Int(1))]);
    let got = cast.node("Mul", &["f", "w"], &["y"], &[]).run(std::slice::from_ref(&ids)).expect("runs");
    close(&got[0], &[3.0, -15.0, 1.2e-5]);
    let refused = wide().node("Abs", &["x"], &["y"], &[]).run(&[ids]).expect_err("too wide");
    assert!(refused.to_string().contains("more than the 16 of an input"), "{refused}");
}

/// The largest cell divides, not the largest size, as the standard says.
#[test]
fn matches_reference_normalisers() {
    let x = [[3.0, -4.0, 1.0], [0.5, 0.25, -2.0], [1.0, 2.0, -0.5]];
    type Norm = fn(&[f64; 3]) -> f64;
    let norms: [(&str, Norm); 3] = [
        ("L1", |r| r.iter().map(|v| v.abs()).sum()),
        ("L2", |r| r.iter().map(|v| v * v).sum::<f64>().sqrt()),
        ("MAX", |r| r.iter().copied().fold(f64::MIN, f64::max)),
    ];
    for (name, norm) in norms {
        let file = File::new(ML, 1, &["y"]).input("x", FLOAT, &[3, 3]);
        let file = file.node("Normalizer", &["x"], &["y"], &[("norm", Attr::Str(name))]);
        let got = file.run(&[Tensor::floats(vec![3, 3], x.concat()).expect("dense")]).expect("runs");
        close(&got[0], &x.iter().flat_map(|r| r.map(|v| v / norm(r))).collect::<Vec<_>>());
    }
}
