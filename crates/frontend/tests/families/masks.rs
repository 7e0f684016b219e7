//! Very negative constants: where they only mask, how negative they are shows nowhere; where they show, they are numbers
//! like all others.

use super::common::{infer, relative_error};
use super::file::{Attr, FLOAT, File, I64};
use proveil_frontend::{Options, Tensor, compile};

const INFINITE: f64 = f64::NEG_INFINITY;

fn floats(shape: &[usize], data: &[f64]) -> Tensor {
    Tensor::floats(shape.to_vec(), data.to_vec()).expect("dense")
}

/// Numbers between -1 and 1 that look random.
fn noise(count: usize) -> Vec<f64> {
    (0..count).map(|i| (i as f64 + 5.0).sin() * 43758.5453 % 1.0).collect()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let e: Vec<f64> = row.iter().map(|v| v.exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|v| v / sum).collect()
}

fn close(what: &str, got: &[f64], want: &[f64]) {
    assert!(relative_error(got, want) < 0.01, "{what}: got {got:?}, want {want:?}");
}

#[test]
fn matches_reference_numbers_of_any_size_that_show() {
    let (x, x_large) = (noise(4), noise(4).iter().map(|v| v * 9000.0).collect::<Vec<_>>());
    let start = || File::new("", 17, &["y"]).input("x", FLOAT, &[1, 4]);
    let (one, uneven) = ([-50000.0], [-50000.0, -20000.0, -30000.0, -60000.0]);
    let file = start().weight("b", FLOAT, &[1], &one).node("Add", &["x", "b"], &["y"], &[]);
    let want: Vec<f64> = x.iter().map(|v| v - 50000.0).collect();
    close("an addend", &file.run(&[floats(&[1, 4], &x)]).expect("runs")[0], &want);
    let file = start().weight("b", FLOAT, &[], &[-3e38]).node("Clip", &["x", "b"], &["y"], &[]);
    close("a bound", &file.run(&[floats(&[1, 4], &x_large)]).expect("runs")[0], &x_large);
    let file = start().weight("b", FLOAT, &[4], &uneven).node("Add", &["x", "b"], &["s"], &[]).node(
        "ReduceMax",
        &["s"],
        &["y"],
        &[("axes", Attr::Ints(vec![1]))],
    );
    close("below a maximum", &file.run(&[floats(&[1, 4], &x)]).expect("runs")[0], &[x[1] - 20000.0]);
    let shift: Vec<f64> = x.iter().zip(&uneven).map(|(v, u)| v - u).collect();
    let file = start().weight("b", FLOAT, &[4], &uneven).node("Add", &["x", "b"], &["s"], &[]);
    let file = file.node("Softmax", &["s"], &["y"], &[]);
    // Many samples, so that inputs get fine units next to their size.
    let samples = vec![vec![floats(&[1, 4], &shift)]; 64];
    let mut options = Options::default();
    options.margin = 1.0;
    let model = compile(&file.bytes(), &samples, &options).expect("compiles");
    close("under a soft-max", &infer(&model, &samples[0])[0], &softmax(&x));
    // A filling that is read by a soft-max and shown too.
    let file = File::new("", 17, &["y", "s"])
        .input("x", FLOAT, &[1, 4])
        .weight("b", FLOAT, &[4], &[0.0, -20000.0, 0.0, 0.0])
        .node("Add", &["x", "b"], &["s"], &[])
        .node("Softmax", &["s"], &["y"], &[]);
    let got = file.run(&[floats(&[1, 4], &x)]).expect("runs");
    close("also shown", &got[0], &softmax(&[x[0], INFINITE, x[2], x[3]]));
    close("also shown", &got[1], &[x[0], x[1] - 20000.0, x[2], x[3]]);
}

/// A causal mask with a bias, stored in one piece, and cut, moved, scaled and chosen from on its way.
#[test]
fn matches_reference_masks_on_their_way_to_a_soft_max() {
    let x: Vec<f64> = noise(9).iter().map(|v| 2.0 * v).collect();
    let mask: Vec<f64> = (0..16).map(|i| if i % 4 > i / 4 { INFINITE } else { 0.5 * (i % 4) as f64 }).collect();
    let row = |r: usize| -> Vec<f64> { (0..3).map(|c| x[r * 3 + c] + mask[(r + 1) * 4 + c]).collect() };
    let want: Vec<f64> = (0..3).flat_map(|r| softmax(&row(r))).collect();
    let file = File::new("", 17, &["y"])
        .input("x", FLOAT, &[1, 3, 3])
        .weight("m", FLOAT, &[16], &mask)
        .weight("shape", I64, &[3], &[1.0, 4.0, 4.0])
        .weight("from", I64, &[2], &[1.0, 0.0])
        .weight("to", I64, &[2], &[4.0, 3.0])
        .weight("axes", I64, &[2], &[1.0, 2.0])
        .weight("wide", I64, &[3], &[1.0, 3.0, 3.0])
        .weight("floor", FLOAT, &[], &[-f64::from(f32::MAX)])
        .node("Reshape", &["m", "shape"], &["m1"], &[])
        .node("Slice", &["m1", "from", "to", "axes"], &["m2"], &[])
        .node("Expand", &["m2", "wide"], &["m3"], &[])
        .node("Add", &["x", "m3"], &["z"], &[])
        .node("Max", &["z", "floor"], &["c"], &[])
        .node("Softmax", &["c"], &["y"], &[]);
    close("moved", &file.run(&[floats(&[1, 3, 3], &x)]).expect("runs")[0], &want);
    // One filling, chosen where the row of a number is less: in the outer graph, and in the branch of a condition.
    let choose = |file: File| {
        file.node("Constant", &[], &["fill"], &[("value_float", Attr::Float(f32::NEG_INFINITY))])
            .node("Less", &["x", "bound"], &["small"], &[])
            .node("Where", &["small", "fill", "x"], &["z"], &[])
    };
    let x = [0.5, 1.25, -0.5];
    let start = |outputs: &[&'static str]| {
        File::new("", 17, outputs).input("x", FLOAT, &[1, 3]).weight("bound", FLOAT, &[], &[0.0])
    };
    let want = softmax(&[0.5, 1.25, INFINITE]);
    let file = choose(start(&["y"])).node("Softmax", &["z"], &["y"], &[]);
    close("chosen", &file.run(&[floats(&[1, 3], &x)]).expect("runs")[0], &want);
    let body = choose(File::new("", 17, &["z"])).body();
    let branches = [("then_branch", Attr::Graph(Box::new(body.clone()))), ("else_branch", Attr::Graph(Box::new(body)))];
    let file = start(&["y"])
        .weight("yes", super::file::BOOL, &[], &[1.0])
        .node("If", &["yes"], &["r"], &branches)
        .node("Softmax", &["r"], &["y"], &[]);
    close("in a branch", &file.run(&[floats(&[1, 3], &x)]).expect("runs")[0], &want);
}

/// Minus infinity that shows is no number, whatever else the tensor masks.
#[test]
fn rejects_infinity_that_shows() {
    let x = floats(&[1, 3], &[0.5, 1.0, -0.5]);
    let start = || File::new("", 17, &["y"]).input("x", FLOAT, &[1, 3]).weight("m", FLOAT, &[3], &[0.0, 0.0, INFINITE]);
    let refused = |file: File| file.run(std::slice::from_ref(&x)).expect_err("shows").to_string();
    let sum = start().node("Add", &["x", "m"], &["y"], &[]);
    let product = start().weight("w", FLOAT, &[3, 1], &[1.0; 3]).node("Add", &["x", "m"], &["s"], &[]);
    let product = product.node("MatMul", &["s", "w"], &["y"], &[]);
    let turned = start().node("Sub", &["x", "m"], &["s"], &[]).node("Softmax", &["s"], &["y"], &[]);
    for (what, file) in [("an output", sum), ("a product", product), ("subtracted", turned)] {
        let message = refused(file);
        assert!(message.contains("`m`: element 2 is -inf") && message.contains("soft-max"), "{what}: {message}");
    }
    let masked = start().node("Add", &["x", "m"], &["s"], &[]).node("Softmax", &["s"], &["y"], &[]);
    masked.run(std::slice::from_ref(&x)).expect("masks");
}
