//! Losses by label, with labels that are inputs and labels of the file, against sums worked out here.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File, I64};
use proveil_frontend::{FrontendError, Kind, Model, Options, Result, Tensor, compile};

const ROWS: usize = 6;
const CLASSES: usize = 5;
const WEIGHTS: [f64; CLASSES] = [0.5, 2.0, 1.0, 0.25, 1.5];
const LABELS: [i64; ROWS] = [4, 0, 3, 1, 1, 2];

fn scores() -> Tensor {
    let cell = |i: usize| ((i * 37 + 11) % 101) as f64 / 16.0 - 7.0;
    Tensor::floats(vec![ROWS, CLASSES], (0..ROWS * CLASSES).map(cell).collect()).expect("dense")
}

fn ids(cells: &[i64]) -> Tensor {
    Tensor::new(vec![cells.len()], Kind::Int, cells.iter().map(|&v| v as f64).collect()).expect("dense")
}

/// A loss in the making.
struct Case {
    op: &'static str,
    reduction: &'static str,
    ignored: Option<i64>,
    weighted: bool,
}

impl Case {
    /// The file up to the labels.
    fn file(&self) -> File {
        let file = File::new("", 13, &["loss"]).input("x", FLOAT, &[ROWS as i64, CLASSES as i64]);
        if self.weighted { file.weight("w", FLOAT, &[CLASSES as i64], &WEIGHTS) } else { file }
    }

    fn loss(&self, file: File) -> File {
        let mut attributes = vec![("reduction", Attr::Str(self.reduction))];
        attributes.extend(self.ignored.map(|label| ("ignore_index", Attr::Int(label))));
        file.node(self.op, if self.weighted { &["x", "t", "w"] } else { &["x", "t"] }, &["loss"], &attributes)
    }

    fn compile(&self, labels: &[i64]) -> Result<Model> {
        let file = self.loss(self.file().input("t", I64, &[ROWS as i64]));
        compile(&file.bytes(), &[vec![scores(), ids(labels)]], &Options::default())
    }

    fn want(&self, labels: &[i64]) -> Vec<f64> {
        let (mut losses, mut total) = (Vec::new(), 0.0);
        for (row, &label) in scores().data.chunks(CLASSES).zip(labels) {
            if self.ignored == Some(label) {
                losses.push(0.0);
                continue;
            }
            let share = if self.weighted { WEIGHTS[label as usize] } else { 1.0 };
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            let log = if self.op == "SoftmaxCrossEntropyLoss" { sum.ln() } else { 0.0 };
            losses.push(share * (log - row[label as usize]));
            total += share;
        }
        let sum: f64 = losses.iter().sum();
        match self.reduction {
            "none" => losses,
            "sum" => vec![sum],
            _ => vec![sum / total],
        }
    }
}

fn every(mut check: impl FnMut(&Case)) {
    for op in ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"] {
        for reduction in ["none", "sum", "mean"] {
            for ignored in [None, Some(1), Some(-1), Some(-100), Some(255), Some(-(1 << 29))] {
                for weighted in [false, true] {
                    check(&Case { op, reduction, ignored, weighted });
                }
            }
        }
    }
}

fn close(got: &[f64], want: &[f64], case: &Case) {
    let Case { op, reduction, ignored, weighted } = case;
    let error = relative_error(got, want);
    assert!(error < 0.004, "{op} {reduction} {ignored:?} {weighted}: got {got:?}, want {want:?}");
}

/// The labels of the only sample ignore nothing where the ignored label is no class: others that do are as good.
#[test]
fn matches_reference_losses_of_labels_that_are_inputs() {
    every(|case| {
        let model = case.compile(&LABELS).expect("compiles");
        let mut other = [0, 1, 4, 4, 3, 2];
        for labels in [LABELS, other] {
            close(&infer(&model, &[scores(), ids(&labels)])[0], &case.want(&labels), case);
        }
        if let Some(label) = case.ignored {
            (other[0], other[4]) = (label, label);
            close(&infer(&model, &[scores(), ids(&other)])[0], &case.want(&other), case);
            // And where the sample has it.
            let model = case.compile(&other).expect("compiles");
            close(&infer(&model, &[scores(), ids(&other)])[0], &case.want(&other), case);
        }
    });
}

#[test]
fn matches_reference_losses_of_labels_of_the_file() {
    every(|case| {
        let mut labels = LABELS;
        labels[2] = case.ignored.unwrap_or(labels[2]);
        let file = case.file().weight("t", I64, &[ROWS as i64], &labels.map(|v| v as f64));
        close(&case.loss(file).run(&[scores()]).expect("runs")[0], &case.want(&labels), case);
    });
}

/// Whatever an input of labels cannot hold, no proof is about.
#[test]
fn rejects_labels_that_are_no_classes() {
    every(|case| {
        let mut seen = LABELS;
        seen[1] = case.ignored.unwrap_or(seen[1]);
        for sample in [LABELS, seen] {
            let model = case.compile(&sample).expect("compiles");
            let ends = [case.ignored.unwrap_or(0).min(0), case.ignored.unwrap_or(0).max(CLASSES as i64 - 1)];
            let range = model.inputs[1].range;
            assert_eq!([range.lo, range.hi], ends);
            for bad in [ends[0] - 1, ends[1] + 1] {
                let cells = LABELS.map(|v| if v == 3 { bad as f64 } else { v as f64 });
                let refused = model.inputs[1].quantise(&cells);
                assert!(matches!(refused, Err(FrontendError::InputRange { index: 2, .. })), "{refused:?}");
            }
        }
    });
}

#[test]
fn matches_reference_mean_over_no_labels_as_the_table_of_operators_has_it() {
    for weighted in [false, true] {
        let case = Case { op: "SoftmaxCrossEntropyLoss", reduction: "mean", ignored: Some(-1), weighted };
        let model = case.compile(&LABELS).expect("compiles");
        assert_eq!(infer(&model, &[scores(), ids(&[-1; ROWS])])[0], [0.0]);
    }
}

/// From one label in twelve to all of them, where samples have both.
#[test]
fn matches_reference_means_over_few_labels_where_samples_have_few() {
    let rows = 12;
    let batch = |kept: usize, seed: usize| {
        let cell = |i: usize| ((i * 37 + seed * 11) % 101) as f64 / 16.0 - 3.0;
        let x = Tensor::floats(vec![rows, CLASSES], (0..rows * CLASSES).map(cell).collect()).expect("dense");
        let label = |i: usize| if i < kept { ((i + seed) % CLASSES) as i64 } else { -1 };
        (x, (0..rows).map(label).collect::<Vec<i64>>())
    };
    let attributes = [("ignore_index", Attr::Int(-1))];
    let file = File::new("", 13, &["loss"]).input("x", FLOAT, &[12, CLASSES as i64]).input("t", I64, &[12]);
    let bytes = file.node("SoftmaxCrossEntropyLoss", &["x", "t"], &["loss"], &attributes).bytes();
    let sample = |(x, labels): (Tensor, Vec<i64>)| vec![x, ids(&labels)];
    let samples = vec![sample(batch(1, 0)), sample(batch(rows, 1))];
    let model = compile(&bytes, &samples, &Options::default()).expect("compiles");
    for kept in 1..=rows {
        let (x, labels) = batch(kept, 7);
        let log = |row: &[f64]| row.iter().map(|v| v.exp()).sum::<f64>().ln();
        let pairs = x.data.chunks(CLASSES).zip(&labels).take(kept);
        let mean = pairs.map(|(row, l)| log(row) - row[*l as usize]).sum::<f64>() / kept as f64;
        let got = infer(&model, &[x.clone(), ids(&labels)])[0][0];
        assert!((got - mean).abs() < 0.01 * mean, "{kept} of {rows}: got {got}, want {mean}");
    }
}

#[test]
fn matches_reference_losses_of_one_class_and_of_one_row() {
    for (rows, classes, labels) in [(3, 1, vec![0, 0, 0]), (1, 4, vec![2]), (1, 1, vec![0])] {
        let cells: Vec<f64> = (0..rows * classes).map(|i| i as f64 * 0.75 - 1.0).collect();
        let x = Tensor::floats(vec![rows, classes, 1], cells.clone()).expect("dense");
        let t = Tensor::new(vec![rows, 1], Kind::Int, labels.iter().map(|&v| f64::from(v)).collect()).expect("dense");
        let file = File::new("", 13, &["loss", "log"])
            .input("x", FLOAT, &[rows as i64, classes as i64, 1])
            .input("t", I64, &[rows as i64, 1])
            .node("SoftmaxCrossEntropyLoss", &["x", "t"], &["loss", "log"], &[]);
        let logs: Vec<f64> = cells
            .chunks(classes)
            .flat_map(|row| row.iter().map(|v| v - row.iter().map(|v| v.exp()).sum::<f64>().ln()))
            .collect();
        let mean = labels.iter().enumerate().map(|(i, &l)| -logs[i * classes + l as usize]).sum::<f64>() / rows as f64;
        let got = file.run(&[x, t]).expect("runs");
        let near = |got: &[f64], want: &[f64]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.004);
        assert!(near(&got[0], &[mean]) && near(&got[1], &logs), "{got:?}, want {mean} and {logs:?}");
    }
}

#[test]
fn rejects_losses_that_are_none() {
    let refusal = |file: File, inputs: &[Tensor], word: &str| {
        let message = file.run(inputs).expect_err("no loss").to_string();
        assert!(message.contains("the_NegativeLogLikelihoodLoss") && message.contains(word), "{message}");
    };
    let case = |ignored| Case { op: "NegativeLogLikelihoodLoss", reduction: "mean", ignored, weighted: false };
    let labels = |c: &Case, list: &[f64]| c.file().weight("t", I64, &[list.len() as i64], list);
    let plain = case(None);
    for list in [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, -1.0]] {
        refusal(plain.loss(labels(&plain, &list)), &[scores()], "is none of 5 classes");
    }
    refusal(plain.loss(labels(&plain, &[0.0, 1.0])), &[scores()], "do not fit");
    for label in [1 << 30, -(1 << 30) - 1, i64::MIN] {
        let wide = case(Some(label));
        refusal(wide.loss(labels(&wide, &[0.0; ROWS])), &[scores()], "31 bits");
    }
    let other = Case { reduction: "median", ..case(None) };
    refusal(other.loss(labels(&other, &[0.0; ROWS])), &[scores()], "none, mean or sum");
    let floats = plain.file().input("t", FLOAT, &[ROWS as i64]);
    let t = Tensor::floats(vec![ROWS], vec![0.0; ROWS]).expect("dense");
    refusal(plain.loss(floats), &[scores(), t], "cast them");
    let weights = plain.file().weight("t", I64, &[ROWS as i64], &[0.0; ROWS]).weight("w", FLOAT, &[2], &[1.0, 2.0]);
    refusal(weights.node(plain.op, &["x", "t", "w"], &["loss"], &[]), &[scores()], "do not fit");
}
