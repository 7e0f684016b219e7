//! Results that turn on small differences: near ties, small counts, logits much larger than what they differ by.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File, I64};
use proveil_frontend::{Kind, Options, Tensor, compile};

fn floats(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::floats(shape.to_vec(), data.to_vec()).expect("dense")
}

/// Numbers between -1 and 1 that look random.
fn noise(seed: usize, count: usize) -> Vec<f64> {
    (0..count).map(|i| ((seed * 1000 + i) as f64 * 78.233).sin() * 43758.5453 % 1.0).collect()
}

/// Distances 2 and 2.0003 next to one of 15: under the root they are one number of 16 bits.
#[test]
fn matches_reference_nearest_neighbours_below_the_square_root() {
    let squares = [225.0, 4.0012, 4.0, 9.0, 100.0, 4.002];
    for op in ["Sqrt", "Log"] {
        let file = File::new("", 13, &["places"])
            .input("x", FLOAT, &[1, 6])
            .weight("k", I64, &[1], &[6.0])
            .node(op, &["x"], &["r"], &[])
            .node("TopK", &["r", "k"], &["values", "places"], &[("largest", Attr::Int(0))]);
        let got = file.run(&[floats(&[1, 6], &squares)]).expect("runs").remove(0);
        assert_eq!(got, [2.0, 1.0, 5.0, 3.0, 4.0, 0.0], "{op}");
    }
}

/// Probabilities that a table rounds to the same number have logits that differ.
#[test]
fn matches_reference_classes_below_functions_that_grow() {
    let row = [9.0, 9.003, -20.0, 8.9];
    for chain in [&["Softmax"][..], &["LogSoftmax"], &["Sigmoid"], &["Softmax", "Exp"], &["Sigmoid", "Log"], &["Atan"]]
    {
        let mut file = File::new("", 13, &["y"]).input("x", FLOAT, &[1, 4]);
        let mut last = "x".to_string();
        for op in chain {
            let next = format!("{last}/{op}");
            file = file.node(op, &[&last], &[&next], &[]);
            last = next;
        }
        let file = file.node("ArgMax", &[&last], &["y"], &[("axis", Attr::Int(1))]);
        assert_eq!(file.run(&[floats(&[1, 4], &row)]).expect("runs")[0], [1.0], "{chain:?}");
    }
    // Functions that fall turn the order round, and what does not grow strictly has ties.
    for (op, want) in [("Acos", 0.0), ("Neg", 0.0), ("Relu", 1.0)] {
        let file = File::new("", 13, &["y"]).input("x", FLOAT, &[1, 3]).node(op, &["x"], &["f"], &[]).node(
            "ArgMax",
            &["f"],
            &["y"],
            &[("axis", Attr::Int(1))],
        );
        assert_eq!(file.run(&[floats(&[1, 3], &[-0.5, 0.25, 0.1])]).expect("runs")[0], [want], "{op}");
    }
    let file = File::new("", 13, &["y"]).input("x", FLOAT, &[1, 3]).node("Relu", &["x"], &["f"], &[]).node(
        "ArgMax",
        &["f"],
        &["y"],
        &[("axis", Attr::Int(1))],
    );
    assert_eq!(file.run(&[floats(&[1, 3], &[-0.5, -0.25, -0.1])]).expect("runs")[0], [0.0], "the first of equal cells");
}

/// A mean over the marked cells: the divisor is a small whole number that may be 0.
#[test]
fn matches_reference_quotients_by_counts() {
    let (values, marks) = ([4.0, -1.0, 2.5, 8.0, 3.0, -6.0], [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    let file = File::new("", 13, &["y"])
        .input("x", FLOAT, &[6])
        .input("m", I64, &[6])
        .node("Cast", &["m"], &["mf"], &[("to", Attr::Int(1))])
        .node("Mul", &["x", "mf"], &["p"], &[])
        .node("ReduceSum", &["p"], &["s"], &[])
        .node("ReduceSum", &["mf"], &["n"], &[])
        .node("Div", &["s", "n"], &["y"], &[]);
    let marked = Tensor::new(vec![6], Kind::Int, marks.to_vec()).expect("dense");
    let got = file.run(&[floats(&[6], &values), marked]).expect("runs").remove(0);
    assert!((got[0] - 14.5 / 3.0).abs() < 0.01, "got {got:?}");
}

/// Logits in the thousands: one table of their range has steps of about 1.
#[test]
fn matches_reference_soft_max_of_large_logits() {
    for op in ["Softmax", "ReduceLogSumExp"] {
        let attributes: &[(&str, Attr)] = if op == "Softmax" { &[] } else { &[("axes", Attr::Ints(vec![1]))] };
        let file = File::new("", 13, &["y"])
            .input("x", FLOAT, &[1, 3])
            .weight("w", FLOAT, &[3], &[5000.0, 5000.0, 8000.0])
            .node("Mul", &["x", "w"], &["z"], &[])
            .node(op, &["z"], &["y"], attributes)
            .bytes();
        let samples: Vec<Vec<Tensor>> = (0..16)
            .map(|i| {
                let z = [4000.0 + 10.0 * i as f64, 4000.7 + 9.9 * i as f64, -8000.0 + 100.0 * i as f64];
                vec![floats(&[1, 3], &[z[0] / 5000.0, z[1] / 5000.0, z[2] / 8000.0])]
            })
            .collect();
        let model = compile(&file, &samples, &Options::default()).expect("compiles");
        for sample in &samples {
            let x = &sample[0].data;
            let z = [x[0] * 5000.0, x[1] * 5000.0, x[2] * 8000.0];
            let top = z[0].max(z[1]);
            let sum: f64 = z.iter().map(|v| (v - top).exp()).sum();
            let got = infer(&model, sample).remove(0);
            if op == "Softmax" {
                let want: Vec<f64> = z.iter().map(|v| (v - top).exp() / sum).collect();
                assert!(relative_error(&got, &want) < 0.02, "got {got:?}, want {want:?}");
            } else {
                assert!((got[0] - top - sum.ln()).abs() < 2.0, "got {got:?}, want {}", top + sum.ln());
            }
        }
    }
}

/// The difference of two large numbers decides, but not in the first sample that settings are measured on: what a
/// setting does there says little about the others.
#[test]
fn accepts_the_widths_that_are_best_on_all_samples() {
    let file = File::new("", 13, &["y"])
        .input("x", FLOAT, &[1, 2])
        .weight("a", FLOAT, &[2, 2], &[300.0, 0.0, 0.0, 300.0])
        .weight("b", FLOAT, &[2, 2], &[1.0, 0.0, -1.0, 0.0])
        .node("MatMul", &["x", "a"], &["h"], &[])
        .node("Relu", &["h"], &["r"], &[])
        .node("MatMul", &["r", "b"], &["z"], &[])
        .node("Softmax", &["z"], &["y"], &[])
        .bytes();
    for first in [4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0] {
        let sample = |i: usize| {
            let size = 1.0 + noise(i, 1)[0];
            let z = if i == 24 { first } else { 2.0 * noise(i + 90, 1)[0] };
            vec![floats(&[1, 2], &[size + z / 300.0, size])]
        };
        let samples: Vec<Vec<Tensor>> = (0..32).map(sample).collect();
        let model = compile(&file, &samples, &Options::default()).expect("compiles");
        let (error, bits) = (model.report.outputs[0].relative, model.report.bits);
        assert!(error < 0.05, "{first}: widths {bits:?} have an error of {error}");
    }
}

/// Scores less distances, and nothing from later places: masks with infinity beside finite numbers.
#[test]
fn matches_reference_masks_with_biases() {
    let mask: Vec<f64> =
        (0..16).map(|i| if i % 4 > i / 4 { f64::NEG_INFINITY } else { -0.5 * (i / 4 - i % 4) as f64 }).collect();
    let x: Vec<f64> = noise(5, 16).iter().map(|v| 2.0 * v).collect();
    let file = File::new("", 13, &["y"])
        .input("x", FLOAT, &[4, 4])
        .weight("m", FLOAT, &[4, 4], &mask)
        .node("Add", &["x", "m"], &["z"], &[])
        .node("Softmax", &["z"], &["y"], &[]);
    let got = file.run(&[floats(&[4, 4], &x)]).expect("runs").remove(0);
    let want: Vec<f64> = (0..4)
        .flat_map(|r| {
            let e: Vec<f64> = (0..4).map(|c| (x[r * 4 + c] + mask[r * 4 + c]).exp()).collect();
            let sum: f64 = e.iter().sum();
            e.into_iter().map(move |v| v / sum).collect::<Vec<_>>()
        })
        .collect();
    assert!(relative_error(&got, &want) < 0.01, "got {got:?}, want {want:?}");
    // Other infinities are refused as before.
    let odd = File::new("", 13, &["y"]).input("x", FLOAT, &[2]).weight("m", FLOAT, &[2], &[1.0, f64::NEG_INFINITY]);
    assert!(odd.node("Add", &["x", "m"], &["y"], &[]).run(&[floats(&[2], &x[..2])]).is_err());
}

/// A mixture of which one part is a thousand times narrower than the others: where it says -1e5, those differ by 1.
#[test]
fn matches_reference_parts_of_a_mixture_of_different_widths() {
    let file = File::new("", 13, &["y"])
        .input("x", FLOAT, &[1, 2])
        .weight("narrow", FLOAT, &[2, 3], &[350.0, 0.0, 0.0, -340.0, 9.0, 7.0])
        .weight("at", FLOAT, &[3], &[20.0, -11.0, -3.0])
        .weight("wide", FLOAT, &[2, 2], &[1.5, 0.5, -0.5, 2.0])
        .node("MatMul", &["x", "narrow"], &["na"], &[])
        .node("Add", &["na", "at"], &["nb"], &[])
        .node("ReduceSumSquare", &["nb"], &["n"], &[("axes", Attr::Ints(vec![1]))])
        .node("MatMul", &["x", "wide"], &["w"], &[])
        .node("Mul", &["w", "w"], &["q"], &[])
        .node("Concat", &["n", "q"], &["all"], &[("axis", Attr::Int(1))])
        .node("Neg", &["all"], &["z"], &[])
        .node("Softmax", &["z"], &["y"], &[])
        .bytes();
    let sample = |i: usize| vec![floats(&[1, 2], &noise(i + 7, 2))];
    let samples: Vec<Vec<Tensor>> = (0..64).map(sample).collect();
    let model = compile(&file, &samples[..32], &Options::default()).expect("compiles");
    for x in &samples[32..] {
        let (a, b) = (x[0].data[0], x[0].data[1]);
        let n = (350.0 * a - 340.0 * b + 20.0).powi(2) + (9.0 * b - 11.0).powi(2) + (7.0 * b - 3.0).powi(2);
        let z = [n, (1.5 * a - 0.5 * b).powi(2), (0.5 * a + 2.0 * b).powi(2)];
        let least = z.iter().copied().fold(f64::INFINITY, f64::min);
        let e = z.map(|v| (least - v).exp());
        let want = e.map(|v| v / e.iter().sum::<f64>());
        let got = infer(&model, x).remove(0);
        assert!(relative_error(&got, &want) < 0.02, "got {got:?}, want {want:?}");
    }
}

/// Squares over variances: those of a few outliers are a thousand times the others.
#[test]
fn matches_reference_distances_beside_outliers() {
    let weights = [0.5, 2.0, 1.0, 0.25];
    let file = File::new("", 13, &["y"])
        .input("x", FLOAT, &[1, 4])
        .weight("w", FLOAT, &[4], &weights)
        .node("Mul", &["x", "x"], &["q"], &[])
        .node("Mul", &["q", "w"], &["d"], &[])
        .node("ReduceSum", &["d"], &["y"], &[])
        .bytes();
    let sample = |i: usize| {
        let size = if i % 8 == 3 { 40.0 } else { 1.0 };
        vec![floats(&[1, 4], &noise(i + 31, 4).iter().map(|v| v * size).collect::<Vec<_>>())]
    };
    let samples: Vec<Vec<Tensor>> = (0..64).map(sample).collect();
    let model = compile(&file, &samples[..32], &Options::default()).expect("compiles");
    for x in samples[32..].iter().enumerate().filter(|(i, _)| i % 8 != 3).map(|(_, x)| x) {
        let want: f64 = x[0].data.iter().zip(weights).map(|(v, w)| w * v * v).sum();
        let got = infer(&model, x)[0][0];
        assert!((got - want).abs() < 0.1, "got {got}, want {want}");
    }
}

/// Edges of bins that nothing reaches, as columns of one value have.
#[test]
fn matches_reference_comparisons_with_bounds_beyond_all_numbers() {
    let x = [0.5, -3.0, 0.0, 2.0];
    for bound in [3.4e38, -3.4e38] {
        for (op, want) in [("Less", bound > 0.0), ("Greater", bound < 0.0), ("Equal", false)] {
            let file = File::new("", 13, &["y"]).input("x", FLOAT, &[1, 4]).weight("bound", FLOAT, &[1], &[bound]);
            let got = file.node(op, &["x", "bound"], &["y"], &[]).run(&[floats(&[1, 4], &x)]).expect("runs").remove(0);
            assert_eq!(got, [f64::from(u8::from(want)); 4], "{op} {bound}");
        }
    }
}
