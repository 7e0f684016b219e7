//! Nothing about the value of a weight shows in the form of the graph: models of equal shapes and very different
//! weights have the same operators on tensors of the same shapes, and parameters of the same declared ranges.

#[path = "common/file.rs"]
mod file;

use file::{File, row};
use proveil_frontend::{Model, Options, Tensor, compile};
use proveil_graph::{Op, Origin, Range};

/// Node names with their kind, shapes, and declared ranges of parameters.
type Form = (Vec<(String, u8, Vec<usize>)>, Vec<(String, Range)>);

fn form(model: &Model) -> Form {
    let kind = |op: &Op| match op {
        Op::Linear { pieces, .. } => 10 + pieces.len() as u8,
        Op::Contract(_) => 1,
        Op::Lookup { .. } => 2,
        _ => 3,
    };
    let node =
        |n: &proveil_graph::Node| (n.name.clone(), kind(&n.op), model.graph.tensors[n.out.0 as usize].shape.clone());
    let tensors = model.graph.tensors.iter().filter(|t| t.origin == Origin::Param);
    (model.graph.nodes.iter().map(node).collect(), tensors.map(|t| (t.name.clone(), t.range)).collect())
}

fn options() -> Options {
    let mut options = Options::default();
    (options.weight_bits, options.activation_bits, options.table_bits) = (Some(12), Some(12), Some(12));
    (options.max_error, options.margin) = (Some(1e9), 4.0);
    options
}

fn compiled(file: File) -> Form {
    let samples: Vec<Vec<Tensor>> = (0..4).map(|i| vec![row(&[0.5, -1.0, 1.0 + 0.1 * i as f64, -0.25])]).collect();
    form(&compile(&file.bytes(), &samples, &options()).expect("compiles"))
}

#[test]
fn matches_the_form_of_a_model_with_equal_weights() {
    let file = |gamma: &[f32; 4], slope: &[f32; 4]| {
        let w: Vec<f32> = (0..16).map(|i| ((i * 7 + 3) % 11) as f32 / 11.0 - 0.4).collect();
        File::new(&[("x", &[1, 4])])
            .weight("w", &[4, 4], &w)
            .weight("gamma", &[4], gamma)
            .weight("slope", &[4], slope)
            .node("MatMul", &["x", "w"], "h", &[])
            .node("PRelu", &["h", "slope"], "p", &[])
            .node("Sigmoid", &["p"], "s", &[])
            .node("Mul", &["s", "gamma"], "y", &[])
    };
    let plain = compiled(file(&[1.0; 4], &[0.25; 4]));
    assert_eq!(plain, compiled(file(&[0.9, 1.0, 1.1, 0.8], &[0.2, 0.25, 0.25, 0.1])));
    assert_eq!(plain, compiled(file(&[0.0; 4], &[0.0; 4])));
}

#[test]
fn matches_the_form_of_a_model_with_large_biases() {
    let file = |b: f32| {
        File::new(&[("x", &[1, 4])])
            .weight("w", &[4, 1], &[0.5, -0.25, 0.125, 1.0])
            .weight("b", &[1], &[b])
            .node("MatMul", &["x", "w"], "h", &[])
            .node("Add", &["h", "b"], "y", &[])
    };
    let plain = compiled(file(0.1));
    assert_eq!(plain.1.len(), 2, "the one bias is hidden: {:?}", plain.1);
    // The declared range of a bias follows from the calibrated sum, which a bias as large as that changes.
    for b in [0.0, 0.07, -0.05] {
        assert_eq!(plain, compiled(file(b)), "bias {b}");
    }
    assert_eq!(plain.0, compiled(file(300.0)).0);
}

#[test]
fn matches_the_form_of_a_model_with_other_exponents() {
    let file = |e: &[f32; 4]| {
        File::new(&[("x", &[1, 4])]).weight("e", &[4], e).node("Abs", &["x"], "a", &[]).node(
            "Pow",
            &["a", "e"],
            "y",
            &[],
        )
    };
    let plain = compiled(file(&[0.5, 1.2, 0.7, 2.0]));
    assert_eq!(plain, compiled(file(&[0.6, 1.0, 0.7, 1.9])));
    assert_eq!(plain.1.len(), 4, "exponents are hidden: {:?}", plain.1);
}
