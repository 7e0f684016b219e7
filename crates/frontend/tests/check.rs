//! Checks of files without calibration data, and the document made from the table of operators.

#[path = "common/file.rs"]
mod file;

use file::{Attr, File, row};
use proveil_frontend::{FrontendError, Options, check, compile, operators_markdown};

#[test]
fn accepts_a_file_that_imports_and_counts_its_operators() {
    let file = File::new(&[("x", &[-1, 4])]).node("Relu", &["x"], "h", &[]).node("Relu", &["h"], "y", &[]);
    let survey = check(&file.bytes(), &Options::default()).expect("reads");
    assert!(survey.problems.is_empty(), "{:?}", survey.problems);
    assert_eq!((survey.nodes, survey.operators["Relu"], survey.unchecked), (2, 2, 0));
    assert_eq!(survey.assumed, ["`rows`"]);
    assert_eq!(survey.inputs[0].1, [1, 4]);
}

#[test]
fn rejects_every_node_that_does_not_import() {
    let file = File::new(&[("x", &[1, 4])])
        .node("NonZero", &["x"], "a", &[])
        .node("Relu", &["x"], "h", &[])
        .node("Relu", &["a"], "b", &[])
        .node("Det", &["b"], "c", &[])
        .node("MatMul", &["h"], "d", &[])
        .node("Add", &["d", "c"], "y", &[]);
    let bytes = file.bytes();
    let survey = check(&bytes, &Options::default()).expect("reads");
    let names: Vec<&str> = survey.problems.iter().map(|p| p.node.as_str()).collect();
    assert_eq!(names, ["the_NonZero", "the_Det", "the_MatMul"]);
    assert!(survey.problems[0].message.contains("opset 13"), "{}", survey.problems[0].message);
    assert_eq!(survey.unchecked, 2);
    let first = compile(&bytes, &[vec![row(&[1.0; 4])]], &Options::default());
    assert!(matches!(first, Err(FrontendError::Unsupported { node, .. }) if node == "the_NonZero"));
}

#[test]
fn rejects_bytes_that_are_no_model() {
    let e = check(b"not a model", &Options::default());
    assert!(matches!(e, Err(FrontendError::Decode { .. } | FrontendError::Malformed { .. })), "{e:?}");
}

/// Messages of all problems of a file.
fn problems(file: File, options: &Options) -> String {
    let survey = check(&file.bytes(), options).expect("reads");
    survey.problems.iter().map(|p| format!("{}: {}\n", p.node, p.message)).collect()
}

#[test]
fn accepts_functions_in_a_long_row() {
    // Each is fused with some before it, never with all of them: the work and the depth stay small.
    let mut file = File::new(&[("x", &[1, 4])]);
    for i in 0..20_000 {
        let (from, to) = (if i == 0 { "x".to_string() } else { format!("t{i}") }, format!("t{}", i + 1));
        file = file.node("Relu", &[&from], &to, &[]);
    }
    assert_eq!(problems(file.node("Relu", &["t20000"], "y", &[]), &Options::default()), "");
}

#[test]
fn rejects_cycles_groups_and_loops_by_node() {
    let start = || File::new(&[("x", &[1, 4])]);
    let cycle =
        start().node("Add", &["x", "b"], "a", &[]).node("Relu", &["a"], "b", &[]).node("Tanh", &["b"], "y", &[]);
    let told = problems(cycle, &Options::default());
    assert!(told.contains("node `the_Add` (Add, opset 13): input `b`") && told.contains("needs this node's"), "{told}");
    let image = File::new(&[("x", &[1, 1, 4, 4])]).weight("k", &[1, 1, 3, 3], &[1.0; 9]);
    let told = problems(image.node("Conv", &["x", "k"], "y", &[("group", Attr::Int(-3))]), &Options::default());
    assert!(told.contains("node `the_Conv` (Conv, opset 13)"), "{told}");
}

#[test]
fn rejects_constants_with_one_name() {
    let file = File::new(&[("x", &[1, 2])]).weight("w", &[2, 2], &[1.0; 4]).weight("w", &[2, 2], &[2.0; 4]);
    let told =
        check(&file.node("MatMul", &["x", "w"], "y", &[]).bytes(), &Options::default()).expect_err("two of them");
    assert!(told.to_string().contains("tensor `w`: is defined twice"), "{told}");
}

#[test]
fn rejects_small_files_with_many_cells() {
    let mut options = Options::default();
    options.limits.cells = 1000;
    let file = || File::new(&[("x", &[1, 900])]).weight("c", &[900], &[0.5; 900]);
    // What constants are computed to counts together, by node.
    let sines = file().node("Sin", &["c"], "a", &[]).node("Sin", &["a"], "b", &[]).node("Add", &["x", "b"], "y", &[]);
    let told = problems(sines, &options);
    assert!(told.contains("node `the_Sin` (Sin, opset 13): the number of cells that are computed"), "{told}");
    assert_eq!(problems(file().node("Sin", &["c"], "a", &[]).node("Add", &["x", "a"], "y", &[]), &options), "");
    // And so does what an inference computes.
    let sine = || File::new(&[("x", &[1, 900])]).node("Sin", &["x"], "y", &[]).bytes();
    compile(&sine(), &[], &options).expect("few cells");
    options.limits.inference = 1000;
    let told = compile(&sine(), &[], &options).expect_err("too many").to_string();
    assert!(told.contains("that one inference computes is"), "{told}");
    // Constants are not among it.
    options.limits.inference = 2000;
    compile(&file().node("Add", &["x", "c"], "y", &[]).bytes(), &[], &options).expect("few cells but constants");
    // Two gigabytes of one tensor are refused without being asked to, before anything of that size is there.
    let wide = |n: i64| {
        let file = File::new(&[("x", &[n, 1])]).weight("c", &[1, n], &vec![0.5; n as usize]);
        file.node("Add", &["x", "c"], "y", &[]).bytes()
    };
    let told = compile(&wide(16_000), &[], &Options::default()).expect_err("too many").to_string();
    assert!(told.contains("one inference computes is 256016000, above the limit of 134217728"), "{told}");
    assert_eq!(check(&wide(16_000), &Options::default()).expect_err("too many").to_string(), told);
    compile(&wide(40), &[], &Options::default()).expect("few cells");
}

#[test]
fn matches_the_document_of_operators() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operators.md");
    let document = std::fs::read_to_string(path).expect("docs/operators.md is there");
    assert!(document == operators_markdown(), "write docs/operators.md anew: see the example `operators`");
}
