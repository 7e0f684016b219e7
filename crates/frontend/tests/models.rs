//! Bundled models: accuracy against expected floats, output policies, refusals.

#[path = "common/bundled.rs"]
mod bundled;
mod common;

use bundled::{bytes, cases};
use common::{infer, relative_error};
use proveil_frontend::{FrontendError, Model, Native, Options, OutputPolicy, Reveal, Tensor, compile};

fn samples(name: &str) -> Vec<Vec<Tensor>> {
    cases(name).into_iter().map(|(inputs, _)| inputs).collect()
}

fn matches(name: &str) {
    let model = compile(&bytes(name), &samples(name), &Options::default()).expect("the model compiles");
    for (inputs, expected) in cases(name).iter().take(2) {
        for (got, want) in infer(&model, inputs).iter().zip(expected) {
            let error = relative_error(got, &want.data);
            assert!(error < 0.01, "{name}: relative error {error}");
        }
    }
}

#[test]
fn matches_reference_outputs_of_dense_models() {
    matches("digits_mlp");
    matches("t_mlp_tanh_bn1d");
}

#[test]
fn matches_reference_labels_and_scores_of_decision_trees() {
    let name = "digits_decision_tree";
    let model = compile(&bytes(name), &samples(name)[..2], &Options::default()).expect("the model compiles");
    for (inputs, expected) in cases(name) {
        let got = infer(&model, &inputs);
        assert_eq!(got[0], expected[0].data, "labels are exact");
        assert!(relative_error(&got[1], &expected[1].data) < 1e-4);
    }
}

/// Boosted trees on values of which a fifth is missing, where default directions decide.
#[test]
fn matches_reference_labels_and_scores_of_rows_with_missing_values() {
    let name = "wine_boosting_missing";
    let model = compile(&bytes(name), &samples(name)[..15], &Options::default()).expect("the model compiles");
    assert_eq!(model.inputs[0].missing, [vec![true; 12], vec![false]].concat());
    for (inputs, expected) in cases(name) {
        let got = infer(&model, &inputs);
        assert_eq!(got[0], expected[0].data, "labels are exact");
        assert!(relative_error(&got[1], &expected[1].data) < 0.005);
    }
}

/// Trained layers with a weighted loss behind them: digits and their labels are inputs, some of which are ignored.
#[test]
fn matches_reference_losses_of_labelled_digits() {
    let model = compile(&bytes("digits_loss"), &samples("digits_loss")[..2], &Options::default()).expect("compiles");
    assert_eq!((model.inputs[1].range.lo, model.inputs[1].range.hi), (-1, 9));
    for (inputs, expected) in cases("digits_loss") {
        assert!(relative_error(&infer(&model, &inputs)[0], &expected[0].data) < 0.01);
    }
}

#[test]
fn matches_reference_outputs_of_convolutional_models() {
    matches("digits_cnn");
    matches("t_dwconv_group");
    matches("t_pool_mix");
}

/// The file's own integers: what comes out differs by one unit at most, and rarely.
#[test]
fn matches_reference_outputs_of_a_quantised_file() {
    let name = "digits_cnn_qdq_int8";
    let model = compile(&bytes(name), &samples(name), &Options::default()).expect("the model compiles");
    let (mut off, mut all) = (0, 0);
    for (inputs, expected) in &cases(name) {
        let got = infer(&model, inputs).remove(0);
        // The last scale of the file.
        let unit = 0.105_677_8;
        for (g, w) in got.iter().zip(&expected[0].data) {
            let units = ((g - w) / unit).round().abs();
            assert!(units <= 1.0, "got {g}, want {w}");
            off += units as usize;
            all += 1;
        }
    }
    assert!(off * 10 <= all, "{off} of {all} logits are one unit off");
}

#[test]
fn matches_reference_outputs_of_attention_and_softmax() {
    matches("t_causal_attention");
    matches("t_softmax_mix");
}

#[test]
fn matches_reference_outputs_of_normalisation() {
    matches("t_norms");
}

#[test]
fn matches_reference_outputs_of_embeddings() {
    matches("t_embedding_mean");
}

#[test]
fn matches_reference_outputs_of_inputs_that_calibration_did_not_see() {
    for name in ["digits_mlp", "t_mlp_tanh_bn1d", "t_softmax_mix", "t_norms", "t_dwconv_group", "t_pool_mix"] {
        let all = cases(name);
        for judged in 1..=2 {
            let samples: Vec<Vec<Tensor>> = all[judged..].iter().map(|(inputs, _)| inputs.clone()).collect();
            let model = compile(&bytes(name), &samples, &Options::default()).expect("the model compiles");
            for (inputs, expected) in &all[..judged] {
                for (got, want) in infer(&model, inputs).iter().zip(expected) {
                    let error = relative_error(got, &want.data);
                    assert!(error < 0.02, "{name}, {judged} judged: relative error {error}");
                }
            }
        }
    }
}

#[test]
fn matches_reference_engine() {
    let (inputs, _) = &cases("digits_cnn")[0];
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape.clone()).collect();
    let native = Native::load(&bytes("digits_cnn"), &shapes).expect("the float engine loads it");
    let model = compile(&bytes("digits_cnn"), &samples("digits_cnn"), &Options::default()).expect("compiles");
    let float = native.run(inputs).expect("the float engine runs it");
    assert!(relative_error(&infer(&model, inputs)[0], &float[0].data) < 0.01);
}

#[test]
fn accepts_every_output_policy() {
    let name = "digits_cnn";
    let (inputs, expected) = cases(name).remove(0);
    let want = &expected[0].data;
    let mut order: Vec<usize> = (0..want.len()).collect();
    order.sort_by(|&a, &b| want[b].total_cmp(&want[a]));
    let with = |policy: OutputPolicy| {
        let mut options = Options::default();
        options.reveal = vec![policy.into()];
        let model = compile(&bytes(name), &samples(name), &options).expect("the policy compiles");
        infer(&model, &inputs).remove(0)
    };
    assert_eq!(with(OutputPolicy::ArgMax), [order[0] as f64]);
    assert_eq!(with(OutputPolicy::TopK(2)), [order[0] as f64, order[1] as f64]);
    let edge = (want[order[0]] + want[order[1]]) / 2.0;
    let bits: Vec<f64> = want.iter().map(|&v| f64::from(u8::from(v >= edge))).collect();
    assert_eq!(with(OutputPolicy::Threshold(edge)), bits);
    let low = want[order[9]] - 100.0;
    assert_eq!(with(OutputPolicy::Bucket(vec![low, edge])), bits.iter().map(|b| b + 1.0).collect::<Vec<_>>());
}

/// A classifier publishes label and probabilities: a policy shows what it says and nothing beside it.
#[test]
fn accepts_policies_by_name_and_leaves_out_other_outputs() {
    let reveal = |entries: &[(Option<&str>, OutputPolicy)]| {
        let entry = |(output, policy): &(Option<&str>, OutputPolicy)| Reveal {
            output: output.map(str::to_owned),
            policy: policy.clone(),
        };
        let mut options = Options::default();
        options.reveal = entries.iter().map(entry).collect();
        compile(&bytes("digits_mlp"), &samples("digits_mlp"), &options)
    };
    let names = |m: &Model| m.outputs.iter().map(|o| o.name.clone()).collect::<Vec<_>>();
    let (inputs, expected) = cases("digits_mlp").remove(0);
    let class = expected[0].data[0];
    // The only output of real numbers is meant; the label goes, and with it what only it needs.
    let whole = reveal(&[]).expect("compiles");
    let model = reveal(&[(None, OutputPolicy::ArgMax)]).expect("compiles");
    assert_eq!((names(&model), &model.report.left_out[..]), (vec!["probabilities".into()], &["label".to_string()][..]));
    assert_eq!(infer(&model, &inputs), [[class]]);
    assert!(model.graph.nodes.len() < whole.graph.nodes.len());
    assert_eq!(names(&reveal(&[(None, OutputPolicy::Full)]).expect("compiles")), names(&whole));
    let label = reveal(&[(Some("label"), OutputPolicy::Full)]).expect("compiles");
    assert_eq!((names(&label), infer(&label, &inputs)), (vec!["label".into()], vec![vec![class]]));
    // Both, each by its own policy, in the order of the file.
    let both = reveal(&[(None, OutputPolicy::TopK(2)), (Some("label"), OutputPolicy::Full)]).expect("compiles");
    assert_eq!((names(&both), both.report.left_out.len()), (names(&whole), 0));
    assert_eq!(infer(&both, &inputs)[1].len(), 2);
    for (entries, told) in [
        (vec![(Some("scores"), OutputPolicy::ArgMax)], "`scores` is no output; there are `label`, `probabilities`"),
        (vec![(None, OutputPolicy::ArgMax), (Some("probabilities"), OutputPolicy::Full)], "`probabilities` has two"),
        (vec![(None, OutputPolicy::TopK(11))], "top-11 of 10 cells"),
    ] {
        let got = reveal(&entries).expect_err(told).to_string();
        assert!(got.contains(told), "{got}");
    }
}

#[test]
fn accepts_the_same_file_twice_with_the_same_result() {
    let compiled = || compile(&bytes("digits_mlp"), &samples("digits_mlp"), &Options::default()).expect("compiles");
    let (a, b) = (compiled(), compiled());
    assert!(a.graph == b.graph && a.params == b.params);
}

#[test]
fn rejects_inputs_of_wrong_shape_and_value() {
    let name = "digits_cnn";
    let model = compile(&bytes(name), &samples(name), &Options::default()).expect("compiles");
    let spec = &model.inputs[0];
    assert!(matches!(spec.quantise(&[0.0; 3]), Err(FrontendError::InputShape { .. })));
    let mut cells = vec![0.0; spec.shape.iter().product()];
    cells[5] = f64::NAN;
    assert!(matches!(spec.quantise(&cells), Err(FrontendError::NotFinite { index: 5, .. })));
    cells[5] = 1e30;
    let (encoded, saturated) = spec.encode(&cells).expect("saturates");
    assert_eq!((encoded[5], saturated), (spec.range.hi, 1));
    let short = vec![vec![Tensor::floats(vec![1], vec![0.0]).expect("dense")]];
    assert!(compile(&bytes(name), &short, &Options::default()).is_err());
}

#[test]
fn rejects_mutated_bytes_without_panic() {
    let good = bytes("t_mlp_tanh_bn1d");
    let mut state = 7u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..200 {
        let mut bad = good.clone();
        for _ in 0..1 + next(4) {
            let at = next(bad.len());
            bad[at] = next(256) as u8;
        }
        // Many mutations only change a weight; what counts is that every one is answered.
        let _ = compile(&bad, &[], &Options::default());
    }
    for cut in [0, 1, 10, good.len() / 2, good.len() - 1] {
        assert!(compile(&good[..cut], &[], &Options::default()).is_err(), "{cut} bytes were accepted");
    }
}

#[test]
fn rejects_widths_that_are_not_told_apart() {
    let with = |set: &dyn Fn(&mut Options)| {
        let mut options = Options::default();
        set(&mut options);
        compile(&bytes("digits_mlp"), &samples("digits_mlp"), &options).map(|_| ())
    };
    for bits in [0, 7, 17, 64] {
        let got = with(&|o| o.weight_bits = Some(bits)).expect_err("no such width").to_string();
        assert!(got.contains(&format!("{bits} bits of weights; give 8 to 16")), "{got}");
        let got = with(&|o| o.activation_bits = Some(bits)).expect_err("no such width").to_string();
        assert!(got.contains(&format!("{bits} bits of activations; give 8 to 14")), "{got}");
        with(&|o| o.table_bits = Some(bits)).expect_err("no such width");
    }
    with(&|o| (o.weight_bits, o.activation_bits) = (Some(16), Some(14))).expect("the widest");
}
