//! Texts as inputs, as a user has them: a credit model of scikit-learn (standard scaler, one-hot encoder, logistic regression,
//! trained on made-up data, exported by skl2onnx), and what onnxruntime says of its cases. The first has one text that the
//! model does not know, the second two.

use std::process::{Command, Output};

use proveil::io::{Npz, read_limited};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/text");

fn proveil(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proveil")).args(["--quiet", "--json"]).args(args).output().unwrap()
}

fn json(args: &[&str]) -> Value {
    let out = proveil(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn refused(args: &[&str]) -> String {
    let out = proveil(args);
    assert!(!out.status.success(), "{args:?}");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn matches_reference_of_onnxruntime_and_binds_the_texts() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (model, cases) = (format!("{FOLDER}/credit.onnx"), format!("{FOLDER}/cases.npz"));
    let (package, vk, proof) = (at("m.pkg"), at("m.vk"), at("m.proof"));
    let public = "input=public,model=private,output=public";
    let compile = ["compile", &model, "-o", &package, "--vk", &vk, "--samples", &cases];
    json(&[&compile[..], &["--security", "100", "--visibility", public]].concat());
    let mut npz = Npz::open(read_limited(cases.as_ref(), 1 << 20).unwrap(), 1 << 20).unwrap();
    for case in 0..5 {
        let number = case.to_string();
        let proved = json(&["prove", &package, "-o", &proof, "--input", &cases, "--case", &number]);
        let warnings = proved["warnings"].to_string();
        assert_eq!(warnings.contains("\\\"castle\\\" in cell 0"), case == 0, "{warnings}");
        assert_eq!(warnings.contains("\\\"furniture\\\" in cell 0"), case == 1, "{warnings}");
        assert_eq!(warnings.contains("does not know"), case < 2, "{warnings}");
        let said = json(&["verify", "--vk", &vk, "--proof", &proof]);
        let want = npz.array(&format!("c{case}_out1")).unwrap().data;
        for (k, want) in want.iter().enumerate() {
            assert!((said["outputs"]["probabilities"][k].as_f64().unwrap() - want).abs() < 0.01, "{said}");
        }
        let label = npz.array(&format!("c{case}_out0")).unwrap().texts[0] == "good";
        assert_eq!(said["outputs"]["label"][0].as_f64(), Some(f64::from(u8::from(label))));
        let named = ["bad", "good"][usize::from(label)];
        assert_eq!(
            (said["output_texts"]["label"][0].as_str(), &said["output_texts"]["probabilities"]),
            (Some(named), &().into())
        );
        assert_eq!(proved["outputs"]["label"]["texts"][0], *named);
        for (k, name) in ["housing", "job", "purpose"].into_iter().enumerate() {
            let text = npz.array(&format!("c{case}_in{k}")).unwrap().texts[0].clone();
            let shown = &said["input_texts"][name][0];
            let known = !["castle", "furniture", "Skilled"].contains(&text.as_str());
            assert_eq!(shown.as_str(), known.then_some(text.as_str()), "{said}");
        }
    }
    // A key with two texts exchanged is another key.
    let mut key = std::fs::read(&vk).unwrap();
    let places = |key: &[u8], text: &[u8]| key.windows(text.len()).position(|w| w == text).unwrap();
    let (free, rent) = (places(&key, b"\"free\""), places(&key, b"\"rent\""));
    key[free..free + 6].copy_from_slice(b"\"rent\"");
    key[rent..rent + 6].copy_from_slice(b"\"free\"");
    std::fs::write(at("other.vk"), key).unwrap();
    assert!(refused(&["verify", "--vk", &at("other.vk"), "--proof", &proof]).contains("does not match"));
    let input = |housing: &str| {
        format!(r#"{{"housing": [{housing}], "job": ["none"], "purpose": ["car"], "age": [30], "amount": [900]}}"#)
    };
    std::fs::write(at("bad.json"), input("1")).unwrap();
    assert!(refused(&["prove", &package, "-o", &proof, "--input", &at("bad.json")]).contains("input 'housing'"));
    std::fs::write(at("good.json"), input("\"own\"")).unwrap();
    json(&["prove", &package, "-o", &proof, "--input", &at("good.json")]);
    let shown = json(&["inspect", &vk]);
    assert_eq!(shown["kind"], "verifying key");
}
