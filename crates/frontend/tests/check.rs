//! Checks of files without calibration data, and the document made from the table of operators.

#[path = "common/file.rs"]
mod file;

use file::{File, row};
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

#[test]
fn matches_the_document_of_operators() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operators.md");
    let document = std::fs::read_to_string(path).expect("docs/operators.md is there");
    assert!(document == operators_markdown(), "write docs/operators.md anew: see the example `operators`");
}
