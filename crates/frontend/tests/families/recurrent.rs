//! Recurrent layers against cell-by-cell loops, with the options that the standard's node tests leave out.

use super::common::relative_error;
use super::file::{Attr, FLOAT, File, I8, I32, I64};
use proveil_frontend::{FrontendError, Kind, Model, Options, Tensor, compile};

const STEPS: usize = 3;
const FEATURES: usize = 2;
const HIDDEN: usize = 2;

/// Numbers between -1 and 1 that look random.
fn numbers(seed: f64, count: usize) -> Vec<f64> {
    (0..count).map(|i| ((i as f64 + seed) * 12.9898).sin() * 0.9).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

struct Weights {
    w: Vec<f64>,
    r: Vec<f64>,
    b: Vec<f64>,
    gates: usize,
}

impl Weights {
    fn new(gates: usize) -> Self {
        let rows = gates * HIDDEN;
        let (w, r, b) = (numbers(1.0, rows * FEATURES), numbers(40.0, rows * HIDDEN), numbers(80.0, 2 * rows));
        Self { w, r, b, gates }
    }

    /// Input product of a gate's unit with its bias.
    fn input(&self, gate: usize, unit: usize, x: &[f64]) -> f64 {
        let row = gate * HIDDEN + unit;
        (0..FEATURES).map(|k| self.w[row * FEATURES + k] * x[k]).sum::<f64>() + self.b[row]
    }

    /// State product of a gate's unit with its bias.
    fn state(&self, gate: usize, unit: usize, h: &[f64]) -> f64 {
        let row = gate * HIDDEN + unit;
        (0..HIDDEN).map(|k| self.r[row * HIDDEN + k] * h[k]).sum::<f64>() + self.b[self.gates * HIDDEN + row]
    }

    fn file(&self, outputs: &[&str], initial: &[f64]) -> File {
        let rows = (self.gates * HIDDEN) as i64;
        File::new("", 14, outputs)
            .input("x", FLOAT, &[STEPS as i64, 1, FEATURES as i64])
            .weight("w", FLOAT, &[1, rows, FEATURES as i64], &self.w)
            .weight("r", FLOAT, &[1, rows, HIDDEN as i64], &self.r)
            .weight("b", FLOAT, &[1, 2 * rows], &self.b)
            .weight("lengths", I32, &[1], &[STEPS as f64])
            .weight("h", FLOAT, &[1, 1, HIDDEN as i64], initial)
    }
}

fn sequence() -> Tensor {
    Tensor::floats(vec![STEPS, 1, FEATURES], numbers(7.0, STEPS * FEATURES)).expect("dense")
}

fn close(got: &[f64], want: &[f64]) {
    assert!(relative_error(got, want) < 0.01, "got {got:?}, want {want:?}");
}

#[test]
fn matches_reference_gru_with_reset_before_and_after_the_product() {
    let (weights, initial) = (Weights::new(3), [0.4, -0.7]);
    for before in [false, true] {
        let (x, mut h, mut want) = (sequence(), initial.to_vec(), Vec::new());
        for t in 0..STEPS {
            let x = &x.data[t * FEATURES..][..FEATURES];
            let gate = |g: usize, u: usize| sigmoid(weights.input(g, u, x) + weights.state(g, u, &h));
            let kept: Vec<f64> = (0..HIDDEN).map(|u| gate(1, u) * h[u]).collect();
            let new = |u: usize| {
                let state = if before { gate(1, u) * weights.state(2, u, &h) } else { weights.state(2, u, &kept) };
                (weights.input(2, u, x) + state).tanh()
            };
            h = (0..HIDDEN).map(|u| (1.0 - gate(0, u)) * new(u) + gate(0, u) * h[u]).collect();
            want.extend(h.clone());
        }
        let attributes = [("hidden_size", Attr::Int(2)), ("linear_before_reset", Attr::Int(before.into()))];
        let inputs = ["x", "w", "r", "b", "lengths", "h"];
        let file = weights.file(&["y", "last"], &initial).node("GRU", &inputs, &["y", "last"], &attributes);
        let got = file.run(&[x]).expect("runs");
        close(&got[0], &want);
        close(&got[1], &h);
    }
}

#[test]
fn matches_reference_lstm_with_clip_peepholes_and_named_functions() {
    let (weights, peep, clip) = (Weights::new(4), numbers(3.0, 3 * HIDDEN), 0.8);
    let (x, mut h, mut c) = (sequence(), vec![0.0; HIDDEN], vec![0.0; HIDDEN]);
    let cut = |v: f64| v.clamp(-clip, clip);
    let hard = |v: f64| (0.3 * cut(v) + 0.4).clamp(0.0, 1.0);
    let mut want = vec![Vec::new(); STEPS];
    // Backwards over the sequence.
    for t in (0..STEPS).rev() {
        let x = &x.data[t * FEATURES..][..FEATURES];
        let sum = |g: usize, u: usize| weights.input(g, u, x) + weights.state(g, u, &h);
        let cell: Vec<f64> = (0..HIDDEN)
            .map(|u| {
                let input = hard(sum(0, u) + peep[u] * c[u]);
                let forget = hard(sum(2, u) + peep[2 * HIDDEN + u] * c[u]);
                forget * c[u] + input * cut(sum(3, u)).tanh()
            })
            .collect();
        let state = |u: usize| hard(sum(1, u) + peep[HIDDEN + u] * cell[u]) * cut(cell[u]).max(0.0);
        h = (0..HIDDEN).map(state).collect();
        c = cell;
        want[t] = h.clone();
    }
    let attributes = [
        ("hidden_size", Attr::Int(2)),
        ("direction", Attr::Str("reverse")),
        ("activations", Attr::Strs(vec!["HardSigmoid", "Tanh", "Relu"])),
        ("activation_alpha", Attr::Floats(vec![0.3])),
        ("activation_beta", Attr::Floats(vec![0.4])),
        ("clip", Attr::Float(0.8)),
    ];
    let inputs = ["x", "w", "r", "b", "", "h", "", "p"];
    let file = weights.file(&["y", "last", "cell"], &[0.0, 0.0]);
    let file = file.weight("p", FLOAT, &[1, 3 * HIDDEN as i64], &peep);
    let got = file.node("LSTM", &inputs, &["y", "last", "cell"], &attributes).run(&[x]).expect("runs");
    close(&got[0], &want.concat());
    close(&got[2], &c);
}

#[test]
fn accepts_one_copy_of_the_weights_for_all_steps() {
    let inputs = ["x", "w", "r", "b", "lengths", "h"];
    let file = Weights::new(4).file(&["y"], &[0.0, 0.0]).node("LSTM", &inputs, &["y"], &[]);
    let model: Model = compile(&file.bytes(), &[vec![sequence()]], &Options::default()).expect("compiles");
    let cells: usize = model.params.values.values().map(Vec::len).sum();
    // Weights and recurrent weights, and biases of at most two digits.
    let rows = 4 * HIDDEN;
    assert!(cells <= rows * (FEATURES + HIDDEN) + 2 * rows, "{cells} parameters");
}

fn refusal(file: File) -> String {
    match compile(&file.bytes(), &[vec![sequence()]], &Options::default()) {
        Err(e @ (FrontendError::Unsupported { .. } | FrontendError::Malformed { .. })) => e.to_string(),
        other => panic!("expected a refusal, got {:?}", other.map(|m| m.outputs)),
    }
}

#[test]
fn rejects_recurrent_layers_that_do_not_fit() {
    let inputs = ["x", "w", "r", "b", "lengths", "h"];
    let with = |attributes: &[(&str, Attr)]| {
        refusal(Weights::new(1).file(&["y"], &[0.0, 0.0]).node("RNN", &inputs, &["y"], attributes))
    };
    assert!(with(&[("activations", Attr::Strs(vec!["Cube"]))]).contains("`Cube`"));
    assert!(with(&[("activations", Attr::Strs(vec!["Tanh", "Tanh"]))]).contains("2 names, expected 1"));
    assert!(with(&[("direction", Attr::Str("sideways"))]).contains("`sideways`"));
    assert!(with(&[("hidden_size", Attr::Int(3))]).contains("the_RNN"));
    assert!(with(&[("hidden_size", Attr::Int(-1))]).contains("the_RNN"));
    let long = Weights::new(1).file(&["y"], &[0.0, 0.0]).weight("four", I64, &[1], &[4.0]);
    let long = long.node("RNN", &["x", "w", "r", "b", "four"], &["y"], &[]);
    assert!(refusal(long).contains("sequence lengths"));
    let lists = Weights::new(1).file(&["y"], &[0.0, 0.0]).weight("two", I64, &[2], &[3.0, 3.0]);
    let lists = lists.node("RNN", &["x", "w", "r", "b", "two"], &["y"], &[]);
    assert!(refusal(lists).contains("sequence lengths"));
    let state = Weights::new(1).file(&["y"], &[0.0, 0.0]).weight("wide", FLOAT, &[1, 1, 3], &[0.0; 3]);
    let state = state.node("RNN", &["x", "w", "r", "b", "", "wide"], &["y"], &[]);
    assert!(refusal(state).contains("initial state"));
}

/// A batch of sequences of different lengths is the sequences one by one, cut to their lengths: as an input or as a
/// constant, with an initial state or without.
#[test]
fn matches_reference_sequences_of_different_lengths() {
    let (batch, lengths) = (3, [2.0, 3.0, 1.0]);
    let x = numbers(7.0, STEPS * batch * FEATURES);
    let initial = numbers(9.0, 2 * batch * HIDDEN);
    for (op, gates, outputs) in [("RNN", 1, 2), ("GRU", 3, 2), ("LSTM", 4, 3)] {
        for (direction, dirs) in [("forward", 1), ("reverse", 1), ("bidirectional", 2)] {
            for (constant, state) in [(false, false), (false, true), (true, true)] {
                let rows = gates * HIDDEN;
                let names = ["y", "h", "c"];
                let state_of = |which: &[usize]| -> Vec<f64> {
                    let cells = (0..dirs).flat_map(|d| which.iter().map(move |b| (d * batch + b) * HIDDEN));
                    cells.flat_map(|at| initial[at..at + HIDDEN].to_vec()).collect()
                };
                let file = |steps: usize, which: &[usize]| {
                    let (d, g) = (dirs as i64, rows as i64);
                    let shape = [d, which.len() as i64, HIDDEN as i64];
                    File::new("", 14, &names[..outputs])
                        .input("x", FLOAT, &[steps as i64, which.len() as i64, FEATURES as i64])
                        .weight("w", FLOAT, &[d, g, FEATURES as i64], &numbers(1.0, dirs * rows * FEATURES))
                        .weight("r", FLOAT, &[d, g, HIDDEN as i64], &numbers(40.0, dirs * rows * HIDDEN))
                        .weight("b", FLOAT, &[d, 2 * g], &numbers(80.0, dirs * 2 * rows))
                        .weight("s", FLOAT, &shape, &state_of(which))
                };
                let node = |file: File, lengths: &'static str| {
                    let all = ["x", "w", "r", "b", lengths, "s", "s"];
                    let count = if state { 3 + outputs + 1 } else { 5 };
                    let given = &all[..count.min(if op == "LSTM" { 7 } else { 6 })];
                    file.node(
                        op,
                        given,
                        &names[..outputs],
                        &[("hidden_size", Attr::Int(HIDDEN as i64)), ("direction", Attr::Str(direction))],
                    )
                };
                let whole = Tensor::floats(vec![STEPS, batch, FEATURES], x.clone()).expect("dense");
                let (all, list) = ([0, 1, 2], Tensor::new(vec![batch], Kind::Int, lengths.to_vec()).expect("dense"));
                let got = if constant {
                    let file = file(STEPS, &all).weight("lengths", I32, &[batch as i64], &lengths);
                    node(file, "lengths").run(&[whole]).expect("runs")
                } else {
                    let file = file(STEPS, &all).input("lengths", I32, &[batch as i64]);
                    node(file, "lengths").run(&[whole, list]).expect("runs")
                };
                for (b, len) in lengths.iter().enumerate() {
                    let len = *len as usize;
                    let row = |t: usize| x[(t * batch + b) * FEATURES..][..FEATURES].to_vec();
                    let own = Tensor::floats(vec![len, 1, FEATURES], (0..len).flat_map(row).collect()).expect("dense");
                    let want = node(file(len, &[b]), "").run(&[own]).expect("runs");
                    for t in 0..STEPS {
                        for d in 0..dirs {
                            let at = ((t * dirs + d) * batch + b) * HIDDEN;
                            let expected = match t < len {
                                true => want[0][(t * dirs + d) * HIDDEN..][..HIDDEN].to_vec(),
                                false => vec![0.0; HIDDEN],
                            };
                            let off = got[0][at..at + HIDDEN].iter().zip(&expected).map(|(g, w)| (g - w).abs());
                            let off = off.fold(0.0, f64::max);
                            assert!(off < 0.01, "{op} {direction}: step {t} of sequence {b} is {off} off");
                        }
                    }
                    for k in 1..outputs {
                        for d in 0..dirs {
                            let own = &got[k][(d * batch + b) * HIDDEN..][..HIDDEN];
                            let off = own.iter().zip(&want[k][d * HIDDEN..]).map(|(g, w)| (g - w).abs());
                            let off = off.fold(0.0, f64::max);
                            assert!(off < 0.01, "{op} {direction}: last state {k} of sequence {b} is {off} off");
                        }
                    }
                }
            }
        }
    }
}

/// Bytes with scales and offsets of directions, or of gates, are the weights of an ordinary layer.
#[test]
fn matches_reference_layers_with_bytes_for_weights() {
    let (dirs, rows) = (2, 4 * HIDDEN);
    let x = Tensor::floats(vec![STEPS, 1, FEATURES], numbers(7.0, STEPS * FEATURES)).expect("dense");
    let bytes = |seed: f64, inner: usize| -> Vec<f64> {
        numbers(seed, dirs * inner * rows).iter().map(|v| (v * 120.0).round()).collect()
    };
    for per_gate in [false, true] {
        let count = if per_gate { dirs * rows } else { dirs };
        let list = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..count).map(f).collect() };
        let (scales, offsets) = (list(&|i| (1.0 + i as f64) / 1024.0), list(&|i| (i % 5) as f64 - 2.0));
        let real = |cells: &[f64], inner: usize| -> Vec<f64> {
            let cell = |d: usize, g: usize, j: usize| {
                let k = if per_gate { d * rows + g } else { d };
                (cells[(d * inner + j) * rows + g] - offsets[k]) * scales[k]
            };
            (0..dirs * rows * inner).map(|i| cell(i / inner / rows, i / inner % rows, i % inner)).collect()
        };
        let (w, r, b) = (bytes(1.0, FEATURES), bytes(40.0, HIDDEN), numbers(80.0, dirs * 2 * rows));
        let attributes = [("hidden_size", Attr::Int(HIDDEN as i64)), ("direction", Attr::Str("bidirectional"))];
        let (d, g, inputs, hidden) = (dirs as i64, rows as i64, FEATURES as i64, HIDDEN as i64);
        let start = |domain| {
            File::new(domain, if domain.is_empty() { 14 } else { 1 }, &["y", "h", "c"])
                .input("x", FLOAT, &[STEPS as i64, 1, FEATURES as i64])
                .weight("b", FLOAT, &[d, 2 * g], &b)
        };
        let shape: &[i64] = if per_gate { &[d, g] } else { &[d] };
        let file = start("com.microsoft")
            .weight("w", I8, &[d, inputs, g], &w)
            .weight("r", I8, &[d, hidden, g], &r)
            .weight("s", FLOAT, shape, &scales)
            .weight("z", I8, shape, &offsets)
            .node(
                "DynamicQuantizeLSTM",
                &["x", "w", "r", "b", "", "", "", "", "s", "z", "s", "z"],
                &["y", "h", "c"],
                &attributes,
            );
        let got = file.run(std::slice::from_ref(&x)).expect("runs");
        let plain = start("")
            .weight("w", FLOAT, &[d, g, inputs], &real(&w, FEATURES))
            .weight("r", FLOAT, &[d, g, hidden], &real(&r, HIDDEN))
            .node("LSTM", &["x", "w", "r", "b"], &["y", "h", "c"], &attributes);
        let want = plain.run(std::slice::from_ref(&x)).expect("runs");
        for (got, want) in got.iter().zip(&want) {
            close(got, want);
        }
    }
}
