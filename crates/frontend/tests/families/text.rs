//! Inputs that are texts, as codes: encoders, moves, comparisons, and what is refused.

use super::common::infer;
use super::file::{Attr, FLOAT, File, I64, TEXT};
use proveil_frontend::{Kind, Model, Options, Result, Tensor, compile, texts};

const ML: &str = "ai.onnx.ml";

/// A row of codes; what the file does not know has the code after the last.
fn codes(bytes: &[u8], row: &[&str]) -> Tensor {
    let known = texts(bytes).expect("reads");
    let code = |t: &&str| known.iter().position(|k| k == t).unwrap_or(known.len()) as f64;
    Tensor::new(vec![1, row.len()], Kind::Text, row.iter().map(code).collect()).expect("dense")
}

/// Compiles with one row as the only sample and runs another one.
fn run(file: File, sample: &[&str], row: &[&str]) -> (Model, Vec<Vec<f64>>) {
    let bytes = file.bytes();
    let model = compile(&bytes, &[vec![codes(&bytes, sample)]], &Options::default()).expect("compiles");
    let got = infer(&model, &[codes(&bytes, row)]);
    (model, got)
}

fn strs(list: &[&'static str]) -> Attr {
    Attr::Strs(list.to_vec())
}

/// What no sample holds is encoded like all else, and what the file does not know is known not to be.
#[test]
fn matches_reference_encoders_of_texts_that_no_sample_holds() {
    let file = || File::new(ML, 4, &["y"]).input("x", TEXT, &[1, 4]);
    let row = ["b", "castle", "a", "Möbel"];
    let hot = file().node("OneHotEncoder", &["x"], &["y"], &[("cats_strings", strs(&["Möbel", "a", "b"]))]);
    let (model, got) = run(hot, &["b"; 4], &row);
    assert_eq!(got[0], [0., 0., 1., 0., 0., 0., 0., 1., 0., 1., 0., 0.]);
    assert_eq!(model.inputs[0].texts, ["Möbel", "a", "b"]);
    assert_eq!((model.inputs[0].range.lo, model.inputs[0].range.hi), (0, 3));
    let keys = || ("keys_strings", strs(&["b", "a", "Möbel"]));
    let reals = [keys(), ("values_floats", Attr::Floats(vec![0.5, 900.0, -7.0])), ("default_float", Attr::Float(-3.0))];
    let (_, got) = run(file().node("LabelEncoder", &["x"], &["y"], &reals), &["b"; 4], &row);
    let close = |got: &[f64], want: &[f64]| got.iter().zip(want).all(|(g, w)| (g - w).abs() < 0.1);
    assert!(close(&got[0], &[0.5, -3.0, 900.0, -7.0]), "{:?}", got[0]);
    let names: Vec<&'static str> = (0..9000).map(|i| &*i.to_string().leak()).collect();
    let many =
        [("keys_strings", strs(&names)), ("values_int64s", Attr::Ints((0..9000).map(|i| i * i % 701).collect()))];
    let (_, got) = run(file().node("LabelEncoder", &["x"], &["y"], &many), &["3"; 4], &["0", "8999", "9000", "256"]);
    assert_eq!(got[0], [0.0, f64::from(8999 * 8999 % 701), -1.0, f64::from(256 * 256 % 701)]);
    // All but one on a line, which says nothing about that one.
    let value = |i: i64| if i == 256 { 9000.0 } else { i as f32 };
    let many = [("keys_strings", strs(&names)), ("values_floats", Attr::Floats((0..9000).map(value).collect()))];
    let row = ["17", "8998", "other", "256"];
    let (_, got) = run(file().node("LabelEncoder", &["x"], &["y"], &many), &["3"; 4], &row);
    let want = [17, 8998, 0, 256].map(|i| f64::from(value(i)));
    assert!(got[0].iter().zip(want).all(|(g, w)| (g - w).abs() < 20.0), "{:?} {want:?}", got[0]);
    let row = ["b", "castle", "a", "Möbel"];
    let whole = [keys(), ("values_int64s", Attr::Ints(vec![4, 0, 9])), ("default_int64", Attr::Int(-1))];
    let (_, got) = run(file().node("LabelEncoder", &["x"], &["y"], &whole), &["a"; 4], &row);
    assert_eq!(got[0], [4.0, -1.0, 0.0, 9.0]);
    // Texts for texts count through the values, of which the last one stands for all else.
    let names = [keys(), ("values_strings", strs(&["B", "A", "M"])), ("default_string", Attr::Str("?"))];
    let (model, got) = run(file().node("LabelEncoder", &["x"], &["y"], &names), &["a"; 4], &row);
    assert_eq!(
        (&got[0][..], &model.outputs[0].labels[..]),
        (&[0.0, 3.0, 1.0, 2.0][..], &["B", "A", "M", "?"].map(String::from)[..])
    );
}

#[test]
fn matches_reference_of_texts_that_are_moved_and_compared() {
    let file = File::new("", 13, &["moved", "equal", "chosen"])
        .input("x", TEXT, &[1, 3])
        .texts("known", &["own", "rent"])
        .texts("other", &["other"])
        .weight("places", I64, &[2], &[2.0, 0.0])
        .weight("axes", I64, &[1], &[0.0])
        .node("Gather", &["x", "places"], &["picked"], &[("axis", Attr::Int(1))])
        .node("Unsqueeze", &["known", "axes"], &["row"], &[])
        .node("Concat", &["picked", "row"], &["joined"], &[("axis", Attr::Int(1))])
        .node("Transpose", &["joined"], &["moved"], &[])
        .node("Equal", &["picked", "known"], &["equal"], &[])
        .node("Where", &["equal", "picked", "other"], &["chosen"], &[]);
    let (model, got) = run(file, &["own"; 3], &["castle", "own", "hut"]);
    assert_eq!(model.outputs[0].labels, ["own", "rent", "other"]);
    assert_eq!((model.outputs[0].dtype, &model.outputs[0].shape[..]), (Kind::Text, &[4, 1][..]));
    assert_eq!(got[0], [3.0, 3.0, 0.0, 1.0]);
    assert_eq!((&got[1][..], &got[2][..]), (&[0.0, 0.0][..], &[2.0, 2.0][..]));
    let infer = |cells: Vec<f64>| infer(&model, &[Tensor::new(vec![1, 3], Kind::Text, cells).expect("dense")]);
    assert_eq!(infer(vec![1.0, 0.0, 0.0])[1..], [vec![1.0, 1.0], vec![0.0, 1.0]]);
}

/// Passes that rewrite a graph for the sake of its other inputs know as many texts as before.
#[test]
fn matches_reference_of_texts_beside_powers_that_hardly_vary() {
    let values = [("keys_strings", strs(&["a", "b", "c"])), ("values_floats", Attr::Floats(vec![1.0, 2.0, 3.0]))];
    let bytes = File::new("", 13, &["y", "z"])
        .domain(ML, 4)
        .input("x", FLOAT, &[1, 2])
        .input("t", TEXT, &[1, 1])
        .weight("rate", FLOAT, &[2], &[0.02, 0.03])
        .weight("far", FLOAT, &[2], &[100.0, 100.0])
        .weight("mean", FLOAT, &[2], &[102.7, 104.4])
        .node("LabelEncoder", &["t"], &["z"], &values)
        .domain("", 13)
        .node("Mul", &["x", "rate"], &["rx"], &[])
        .node("Exp", &["rx"], &["power"], &[])
        .node("Add", &["power", "far"], &["moved"], &[])
        .node("Sub", &["moved", "mean"], &["y"], &[])
        .bytes();
    let sample = |v: f64, text: &str| {
        vec![Tensor::floats(vec![1, 2], vec![49.0 + 2.0 * v, 49.0 + v]).expect("dense"), codes(&bytes, &[text])]
    };
    let samples: Vec<_> = (0..16).map(|i| sample(f64::from(i) / 16.0, "a")).collect();
    let model = compile(&bytes, &samples, &Options::default()).expect("compiles");
    let got = infer(&model, &sample(0.5, "c"));
    let want = [(0.02 * 50.0f64).exp() - 2.7, (0.03 * 49.5f64).exp() - 4.4];
    assert!(got[0].iter().zip(want).all(|(g, w)| (g - w).abs() < 2e-3), "{:?} {want:?}", got[0]);
    assert!((got[1][0] - 3.0).abs() < 0.01, "{:?}", got[1]);
}

#[test]
fn rejects_what_codes_do_not_tell_by_name() {
    let refused = |file: File, sample: Result<Vec<Tensor>>| {
        let samples = sample.map_or(Vec::new(), |s| vec![s]);
        compile(&file.bytes(), &samples, &Options::default()).expect_err("is refused").to_string()
    };
    let none = || Err(proveil_frontend::FrontendError::Native { reason: String::new() });
    let two = || File::new("", 13, &["y"]).input("a", TEXT, &[2]).input("b", TEXT, &[2]).texts("t", &["u"]);
    for (file, reason) in [
        (two().node("Equal", &["a", "b"], &["y"], &[]), "two texts that depend on the inputs"),
        (two().node("Add", &["a", "b"], &["y"], &[]), "input 0 (`a`) is text"),
        (two().node("Cast", &["a"], &["y"], &[("to", Attr::Int(1))]), "texts as numbers"),
        (two().node("Gather", &["t", "a"], &["y"], &[]), "input 1 (`a`) is text"),
        (two().node("StringNormalizer", &["a"], &["y"], &[]), "the operator is not supported"),
        (
            two().weight("n", FLOAT, &[2], &[1.0, 2.0]).node("Concat", &["a", "n"], &["y"], &[("axis", Attr::Int(0))]),
            "is no text",
        ),
        (
            two().domain(ML, 4).node(
                "LabelEncoder",
                &["a"],
                &["y"],
                &[("keys_int64s", Attr::Ints(vec![1])), ("values_int64s", Attr::Ints(vec![2]))],
            ),
            "looks numbers up",
        ),
        (
            two().domain(ML, 4).node("OneHotEncoder", &["a"], &["y"], &[("cats_int64s", Attr::Ints(vec![1]))]),
            "looks numbers up",
        ),
    ] {
        let got = refused(file, none());
        assert!(got.contains(reason) && got.contains("the_"), "{got}");
    }
    let same =
        || File::new("", 13, &["y"]).input("a", TEXT, &[1]).texts("t", &["u"]).node("Equal", &["a", "t"], &["y"], &[]);
    let number = Tensor::floats(vec![1], vec![0.0]).expect("dense");
    assert!(refused(same(), Ok(vec![number])).contains("input `a`: takes texts"));
    let text = Tensor::new(vec![1], Kind::Text, vec![0.0]).expect("dense");
    let plain = File::new("", 13, &["y"]).input("a", FLOAT, &[1]).node("Abs", &["a"], &["y"], &[]);
    assert!(refused(plain, Ok(vec![text])).contains("input `a`: takes numbers"));
}

#[test]
fn rejects_texts_that_are_none_and_too_many() {
    let file = |text: &'static [u8]| {
        let file = File::new("", 13, &["y"]).input("a", TEXT, &[1]).bytes_of_text("t", text);
        file.node("Equal", &["a", "t"], &["y"], &[]).bytes()
    };
    assert_eq!(texts(&file(b"own")).expect("is text"), ["own"]);
    let refused = compile(&file(b"ow\xff"), &[], &Options::default()).expect_err("no text").to_string();
    assert!(refused.contains("tensor `t`") && refused.contains("UTF-8"), "{refused}");
    let names: Vec<String> = (0..16_385).map(|i| i.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = |count: usize| {
        let file = File::new("", 13, &["y"]).input("a", TEXT, &[1]).texts("t", &names[..count]);
        texts(&file.node("Equal", &["a", "t"], &["y"], &[]).bytes())
    };
    assert_eq!(many(16_384).expect("fits").len(), 16_384);
    assert!(many(16_385).expect_err("too many").to_string().contains("number of texts"));
}
