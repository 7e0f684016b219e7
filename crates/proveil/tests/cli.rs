//! The command as a user runs it: files in, files out, exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");

fn proveil(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proveil")).args(["--quiet", "--json"]).args(args).output().unwrap()
}

fn code(args: &[&str]) -> (i32, String) {
    let out = proveil(args);
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn json(args: &[&str]) -> serde_json::Value {
    let out = proveil(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A folder with a compiled model.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(extra: &[&str]) -> Self {
        Self::of("digits_mlp", extra)
    }

    fn of(name: &str, extra: &[&str]) -> Self {
        let b = Self { dir: tempfile::tempdir().unwrap() };
        let (model, samples) = (format!("{MODELS}/{name}/model.onnx"), format!("{MODELS}/{name}/cases.npz"));
        let (package, vk) = (b.at("m.pkg"), b.at("m.vk"));
        let mut args = vec!["compile", &model, "-o", &package, "--vk", &vk, "--samples", &samples];
        args.extend(["--security", "100"]);
        let plot = b.at("errors.svg");
        args.extend(extra.iter().map(|a| if *a == "FILE" { plot.as_str() } else { a }));
        json(&args);
        b
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn prove(&self, extra: &[&str]) -> (i32, String) {
        let (package, proof) = (self.at("m.pkg"), self.at("m.proof"));
        let mut args = vec!["prove", &package, "-o", &proof];
        args.extend(extra);
        code(&args)
    }

    fn verify(&self, extra: &[&str]) -> (i32, String) {
        let (vk, proof) = (self.at("m.vk"), self.at("m.proof"));
        let mut args = vec!["verify", "--vk", &vk, "--proof", &proof];
        args.extend(extra);
        code(&args)
    }

    /// Flips one bit of a file and returns the old content.
    fn flip(&self, name: &str, at: impl Fn(usize) -> usize) -> Vec<u8> {
        let old = std::fs::read(self.path(name)).unwrap();
        let mut new = old.clone();
        new[at(old.len())] ^= 1;
        std::fs::write(self.path(name), new).unwrap();
        old
    }
}

fn input() -> String {
    format!("{MODELS}/digits_mlp/input.json")
}

fn cases() -> String {
    format!("{MODELS}/digits_mlp/cases.npz")
}

fn entries(dir: &Path) -> Vec<String> {
    let mut list: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    list.sort();
    list
}

#[test]
fn accepts_demo() {
    let out = json(&["demo"]);
    assert_eq!(out["security_bits"], 128);
    assert!(out["test"]["label_agreement"].as_f64().unwrap() > 0.99);
    assert!(out["altered_proof"].is_string() && out["wrong_result"].is_string());
}

#[test]
fn roundtrips_compile_prove_verify_of_a_decision_tree() {
    let name = "digits_decision_tree";
    let b = Bench::of(name, &[]);
    let cases = format!("{MODELS}/{name}/cases.npz");
    let known = proveil::io::read_cases(Path::new(&cases), &proveil::io::ModelTexts::of(&[])).unwrap();
    for (case, (_, expected)) in known.iter().enumerate().take(3) {
        assert_eq!(b.prove(&["--input", &cases, "--case", &case.to_string()]).0, 0);
        let said = json(&["verify", "--vk", &b.at("m.vk"), "--proof", &b.at("m.proof")]);
        let (label, scores) = (&expected[0].data, &expected[1].data);
        assert_eq!(said["outputs"]["label"][0].as_f64(), Some(label[0]));
        for (got, want) in said["outputs"]["probabilities"].as_array().unwrap().iter().zip(scores) {
            assert!((got.as_f64().unwrap() - want).abs() < 1e-4, "{got} for {want}");
        }
    }
}

/// The loss of a hidden model on hidden digits and labels; what is no label is refused by name.
#[test]
fn roundtrips_compile_prove_verify_of_a_loss() {
    let name = "digits_loss";
    let b = Bench::of(name, &[]);
    let cases = format!("{MODELS}/{name}/cases.npz");
    let known = proveil::io::read_cases(Path::new(&cases), &proveil::io::ModelTexts::of(&[])).unwrap();
    for (case, (inputs, expected)) in known.iter().enumerate().take(3) {
        assert_eq!(b.prove(&["--input", &cases, "--case", &case.to_string()]).0, 0);
        let said = json(&["verify", "--vk", &b.at("m.vk"), "--proof", &b.at("m.proof")]);
        let (got, want) = (said["outputs"]["loss"][0].as_f64().unwrap(), expected[0].data[0]);
        assert!((got - want).abs() < 0.01 * want, "{got} for {want}");
        let labels: Vec<i64> = inputs[1].data.iter().map(|v| if *v == 9.0 { 10 } else { *v as i64 }).collect();
        let text = serde_json::json!({ "input_data": [inputs[0].data, labels] }).to_string();
        std::fs::write(b.path("input.json"), text).unwrap();
        let (code, said) = b.prove(&["--input", &b.at("input.json")]);
        assert!(code == 3 && said.contains("labels") && said.contains("10"), "{code}: {said}");
    }
}

#[test]
fn roundtrips_compile_prove_verify() {
    let b = Bench::new(&[]);
    assert_eq!(b.prove(&["--input", &input(), "--context", "0a0b"]), (0, String::new()));
    assert_eq!(b.verify(&["--context", "0a0b"]).0, 0);
    assert_eq!(b.verify(&["--context", "0a0c"]).0, 1);
    assert_eq!(b.verify(&["--min-security", "128"]).0, 1);
    let (vk, proof) = (b.at("m.vk"), b.at("m.proof"));
    let said = json(&["verify", "--vk", &vk, "--proof", &proof]);
    // The bundled expectation of this case.
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{MODELS}/digits_mlp/expected.json")).unwrap()).unwrap();
    assert_eq!(said["outputs"]["label"][0].as_f64(), expected["output_data"][0][0].as_f64());
    assert_eq!(said["inputs"][0]["visibility"], "private");
    assert_eq!(said["security_bits"].as_u64().map(|b| b >= 100), Some(true));
    // The same input from an archive, then another case.
    assert_eq!(b.prove(&["--input", &cases(), "--case", "1"]).0, 0);
    assert_eq!(b.verify(&[]).0, 0);
    assert_eq!(b.prove(&["--input", &cases(), "--case", "99"]).0, 3);
    for file in ["m.pkg", "m.vk", "m.proof"] {
        assert!(json(&["inspect", &b.at(file)])["bytes"].as_u64().unwrap() > 100, "{file}");
    }
    let rows = json(&["security", "--vk", &vk]);
    let bits: Vec<f64> = rows["rows"].as_array().unwrap().iter().map(|r| r["bits"].as_f64().unwrap()).collect();
    assert_eq!(rows["proven_bits"].as_f64().unwrap(), bits.into_iter().fold(f64::MAX, f64::min));
    for kind in ["dot", "svg", "text"] {
        json(&["inspect", &b.at("m.pkg"), "--graph", kind, "-o", &b.at("drawing")]);
        assert!(std::fs::metadata(b.path("drawing")).unwrap().len() > 100);
    }
}

#[test]
fn rejects_wrong_key_and_altered_files() {
    let b = Bench::new(&[]);
    assert_eq!(b.prove(&["--input", &input()]).0, 0);
    let other = Bench::new(&[]);
    let (vk, proof) = (other.at("m.vk"), b.at("m.proof"));
    assert_eq!(code(&["verify", "--vk", &vk, "--proof", &proof]).0, 1);
    for at in [|n: usize| n / 2, |n: usize| n - 1, |n: usize| n / 3, |_| 10] {
        let old = b.flip("m.proof", at);
        assert_eq!(b.verify(&[]).0, 1);
        std::fs::write(b.path("m.proof"), old).unwrap();
    }
    let old = b.flip("m.vk", |n| n - 40);
    assert_ne!(b.verify(&[]).0, 0);
    std::fs::write(b.path("m.vk"), old).unwrap();
    assert_eq!(b.verify(&[]).0, 0);
    b.flip("m.pkg", |n| n / 2);
    let (code, message) = b.prove(&["--input", &input()]);
    assert_eq!(code, 3);
    assert!(message.contains("checksum") && message.contains("m.pkg"), "{message}");
}

#[test]
fn rejects_truncated_files() {
    let b = Bench::new(&[]);
    assert_eq!(b.prove(&["--input", &input()]).0, 0);
    let proof = std::fs::read(b.path("m.proof")).unwrap();
    for n in [0, 7, 8, 41, 60, proof.len() / 2, proof.len() - 1] {
        std::fs::write(b.path("m.proof"), &proof[..n]).unwrap();
        let code = b.verify(&[]).0;
        assert!(code == 1 || code == 3, "{n}: {code}");
    }
    let longer = [&proof[..], &[0]].concat();
    std::fs::write(b.path("m.proof"), longer).unwrap();
    assert_eq!(b.verify(&[]).0, 1);
    std::fs::write(b.path("m.proof"), proof).unwrap();
    let vk = std::fs::read(b.path("m.vk")).unwrap();
    for n in [0, 8, 27, vk.len() / 2, vk.len() - 1] {
        std::fs::write(b.path("m.vk"), &vk[..n]).unwrap();
        assert_eq!(b.verify(&[]).0, 3, "{n}");
    }
    let package = std::fs::read(b.path("m.pkg")).unwrap();
    for n in [0, 8, 39, package.len() / 2, package.len() - 1] {
        std::fs::write(b.path("m.pkg"), &package[..n]).unwrap();
        assert_eq!(b.prove(&["--input", &input()]).0, 3, "{n}");
        assert_eq!(code(&["inspect", &b.at("m.pkg")]).0, 3, "{n}");
    }
}

#[test]
fn accepts_missing_values_where_samples_have_some() {
    let row = |cell: &str, last: &str| {
        format!(
            r#"{{"input_data": [[11.82, 1.72, 1.88, 19.5, 86, 2.5, 1.64, 0.37, {cell}, 2.06, 0.94, 2.44, {last}]]}}"#
        )
    };
    for visibility in ["input=public", "input=private"] {
        let b = Bench::of("wine_boosting_missing", &["--visibility", visibility]);
        for cell in ["null", "1.42"] {
            std::fs::write(b.path("in.json"), row(cell, "415")).unwrap();
            let (code, message) = b.prove(&["--input", &b.at("in.json")]);
            assert_eq!(code, 0, "{message}");
            let (vk, proof) = (b.at("m.vk"), b.at("m.proof"));
            let said = json(&["verify", "--vk", &vk, "--proof", &proof]);
            assert_eq!(said["outputs"]["label"], serde_json::json!([1.0]), "{said}");
            // Whether a value is missing shows where the input does.
            let shown = &said["inputs"][0]["integers"][8];
            let code = (1i64 << 32) - 1;
            match visibility {
                "input=public" => assert_eq!(shown == &serde_json::json!(code), cell == "null", "{said}"),
                _ => assert!(shown.is_null(), "{said}"),
            }
        }
        // The last column misses nothing in any sample.
        std::fs::write(b.path("in.json"), row("null", "null")).unwrap();
        let (code, message) = b.prove(&["--input", &b.at("in.json")]);
        assert_eq!(code, 3);
        assert!(message.contains("'X'") || message.contains("`X`"), "{message}");
        assert!(message.contains("column 12") && message.contains("in.json"), "{message}");
        let said = json(&["inspect", &b.at("m.vk")])["inputs"][0]["missing"].clone();
        assert_eq!(
            (&said["code"], &said["columns"][11], &said["columns"][12]),
            (&(u32::MAX.into()), &true.into(), &false.into())
        );
    }
}

#[test]
fn rejects_bad_inputs_by_name() {
    let b = Bench::new(&[]);
    let cell = |v: &str| vec![v; 64].join(",");
    let bad = [
        (format!(r#"{{"input_data": [[{}]]}}"#, vec!["1"; 63].join(",")), "shape"),
        (format!(r#"{{"input_data": [[{}]], "input_shapes": [[8, 8]]}}"#, cell("1")), "shape"),
        (format!(r#"{{"input_data": [[{}]]}}"#, cell("true")), "expected float32"),
        (r#"{"input_data": []}"#.to_string(), "no values for input"),
        (format!(r#"{{"input_data": [[{}]]}}"#, cell("NaN")), "line 1"),
        (format!(r#"{{"input_data": [[{}]], "input_names": []}}"#, cell("1")), "input_names"),
        ("{".to_string(), "line 1"),
    ];
    for (text, needle) in bad {
        std::fs::write(b.path("in.json"), text).unwrap();
        let (code, message) = b.prove(&["--input", &b.at("in.json")]);
        assert_eq!(code, 3, "{needle}: {message}");
        assert!(message.contains(needle) && message.contains("in.json"), "{needle}: {message}");
    }
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 64), }";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    (0..64).for_each(|i| npy.extend(if i == 7 { f32::NAN } else { 0.0 }.to_le_bytes()));
    std::fs::write(b.path("in.npy"), &npy).unwrap();
    let (code, message) = b.prove(&["--input", &b.at("in.npy")]);
    assert_eq!(code, 3);
    assert!(message.contains("element 7") && message.contains("in.npy"), "{message}");
    std::fs::write(b.path("in.npy"), &npy[..npy.len() - 1]).unwrap();
    assert_eq!(b.prove(&["--input", &b.at("in.npy")]).0, 3);
    assert_eq!(b.prove(&["--input", &b.at("nothing.npy")]).0, 3);
    assert_eq!(b.prove(&["--input", &b.at("m.vk")]).0, 3);
    assert!(!b.path("m.proof").exists());
}

#[test]
fn rejects_unwritable_outputs_without_leftovers() {
    let b = Bench::new(&[]);
    std::fs::create_dir(b.path("full")).unwrap();
    std::fs::write(b.path("full/keep"), b"x").unwrap();
    let before = entries(b.dir.path());
    let package = b.at("m.pkg");
    for target in [b.at("full"), b.at("no/such/place")] {
        let (code, message) = code(&["prove", &package, "--input", &input(), "-o", &target]);
        assert_eq!(code, 5, "{message}");
        assert!(message.contains("cannot write"), "{message}");
    }
    assert_eq!(entries(b.dir.path()), before);
    assert_eq!(entries(&b.path("full")), ["keep"]);
}

#[test]
fn rejects_proofs_beyond_the_budget() {
    let b = Bench::new(&["--budget", "1"]);
    let dir = b.path("m.pkg.budget");
    let count = entries(&dir).into_iter().find(|n| n.ends_with(".budget")).unwrap();
    let text = std::fs::read_to_string(dir.join(&count)).unwrap();
    let limit: u32 = text.split(" of ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(limit >= 1);
    std::fs::write(dir.join(&count), text.replace("proofs 0 of", &format!("proofs {} of", limit - 1))).unwrap();
    assert_eq!(b.prove(&["--input", &input()]).0, 0);
    std::fs::remove_file(b.path("m.proof")).unwrap();
    let (code, message) = b.prove(&["--input", &input()]);
    assert_eq!(code, 1);
    assert!(message.contains(&format!("all {limit} proofs are used")), "{message}");
    assert!(!b.path("m.proof").exists());
    std::fs::remove_file(dir.join(&count)).unwrap();
    assert_eq!(b.prove(&["--input", &input()]).0, 3);
}

#[test]
fn roundtrips_refreshes_and_rejects_them_out_of_order() {
    let b = Bench::new(&[]);
    let package = b.at("m.pkg");
    let verify = |files: &[&str]| {
        let paths: Vec<String> = files.iter().map(|f| b.at(f)).collect();
        let refreshes = paths.iter().flat_map(|p| ["--refresh", p.as_str()]);
        b.verify(&refreshes.collect::<Vec<_>>())
    };
    json(&["register", &package, "-o", &b.at("first.reg")]);
    for (number, chain) in [(1, vec!["r1"]), (2, vec!["r1", "r2"])] {
        let made = json(&["refresh", &package, "-o", &b.at(&format!("r{number}"))]);
        assert_eq!(made["epoch"], number);
        assert_eq!(b.prove(&["--input", &input()]).0, 0);
        assert_eq!(verify(&chain).0, 0);
        let (code, message) = verify(&chain[..number - 1]);
        assert_eq!(code, 1);
        assert!(message.contains("refreshes up to that one"), "{message}");
    }
    let kept = std::fs::read(b.path("r1")).unwrap();
    assert_eq!(code(&["refresh", &package, "-o", &b.at("r1")]).0, 2);
    assert_eq!(std::fs::read(b.path("r1")).unwrap(), kept);
    let (code, message) = verify(&["r2"]);
    assert_eq!(code, 1);
    assert!(message.contains("comes epoch 1"), "{message}");
    // A registration of the first commitment speaks of all later ones, a later one of the model too.
    json(&["register", &package, "-o", &b.at("m.reg")]);
    let chain = |reg: &str| {
        let paths = [b.at("r1"), b.at("r2"), b.at(reg)];
        let [first, second, reg] = paths.each_ref().map(String::as_str);
        b.verify(&["--refresh", first, "--refresh", second, "--registration", reg])
    };
    assert_eq!(chain("first.reg").0, 0);
    assert_eq!(chain("m.reg").0, 0);
    let mut forged = std::fs::read(b.path("first.reg")).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    std::fs::write(b.path("forged.reg"), forged).unwrap();
    assert_eq!(chain("forged.reg").0, 1);
    for (file, kind) in [("r2", "refresh"), ("m.reg", "registration"), ("m.pkg", "package (secret)")] {
        assert_eq!(json(&["inspect", &b.at(file)])["kind"], kind);
    }
    assert_eq!(json(&["inspect", &package])["epoch"], 2);
    // The tree file is made again with each refresh, and keeps what it kept.
    assert_eq!(json(&["inspect", &b.at("m.pkg.tree")])["codeword"], true);
    let epoch = proveil::Package::from_bytes(&std::fs::read(&package).unwrap()).unwrap().epoch.unwrap();
    assert_eq!(json(&["inspect", &b.at("m.pkg.tree")])["root"], proveil::proof::hex(&epoch.model.commitment.root));
    // A refresh of another model, and an altered one.
    let other = Bench::new(&[]);
    json(&["refresh", &other.at("m.pkg"), "-o", &b.at("foreign")]);
    assert_eq!(verify(&["foreign"]).0, 1);
    b.flip("r1", |n| n / 2);
    assert_eq!(verify(&["r1", "r2"]).0, 1);
}

/// Proofs that the package has left.
fn left(b: &Bench) -> serde_json::Value {
    json(&["inspect", &b.at("m.pkg")])["proofs_left"].clone()
}

#[test]
fn roundtrips_tree_files() {
    let b = Bench::new(&[]);
    let tree = b.path("m.pkg.tree");
    let whole = std::fs::read(&tree).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&tree).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let prove = || {
        assert_eq!(b.prove(&["--input", &input()]), (0, String::new()));
        assert_eq!(b.verify(&[]), (0, String::new()));
    };
    prove();
    for (keep, length) in [("leaves", Some(whole.len() / 2)), ("none", None), ("codeword", Some(whole.len()))] {
        let said = json(&["encode", &b.at("m.pkg"), "--tree", keep]);
        let found = std::fs::metadata(&tree).ok().map(|m| m.len());
        assert_eq!(said["tree_bytes"].as_u64(), found);
        assert!(found.is_none() == length.is_none() && found <= length.map(|n| n as u64), "{keep}");
        prove();
    }
    // One package has one file.
    assert!(std::fs::read(&tree).unwrap() == whole);
    let said = json(&["inspect", &b.at("m.pkg.tree")]);
    assert_eq!((said["codeword"].as_bool(), said["bytes"].as_u64()), (Some(true), Some(whole.len() as u64)));
}

#[test]
fn rejects_stale_and_damaged_tree_files() {
    let (b, other) = (Bench::new(&[]), Bench::new(&[]));
    let (tree, package) = (b.path("m.pkg.tree"), b.at("m.pkg"));
    let whole = std::fs::read(&tree).unwrap();
    let (before, input) = (left(&b), input());
    let refused = |bytes: &[u8], why: &str| {
        std::fs::write(&tree, bytes).unwrap();
        let (code, error) = b.prove(&["--input", &input]);
        assert!(code == 3 && error.contains(why) && error.contains("proveil encode"), "{code}: {error}");
        assert!(!b.path("m.proof").exists());
    };
    refused(&std::fs::read(other.path("m.pkg.tree")).unwrap(), "m.pkg.tree: proving: tree file: the root is not");
    refused(&whole[..whole.len() - 1], "truncated");
    refused(&[], "tree magic");
    let mut leaf = whole.clone();
    leaf[112] ^= 1;
    refused(&leaf, "damaged");
    let mut codeword = whole.clone();
    let from = whole.len() / 2;
    codeword[from..].iter_mut().for_each(|x| *x ^= 1);
    refused(&codeword, "row");
    // Nothing was proved, nothing is counted; without the file, or with a new one, all is well.
    assert_eq!(left(&b), before);
    assert!(before.as_u64() > Some(0));
    json(&["encode", &package]);
    assert!(std::fs::read(&tree).unwrap() == whole);
    assert_eq!(b.prove(&["--input", &input]).0, 0);
}

#[test]
fn roundtrips_commitments_and_rejects_other_data() {
    let b = Bench::new(&["--visibility", "input=committed"]);
    let (package, opening, public) = (b.at("m.pkg"), b.at("x.open"), b.at("x.json"));
    json(&["commit", &package, "--input", &input(), "-o", &opening, "--public", &public]);
    json(&["open", &package, "--commitment", &opening, "--input", &input(), "--public", &public]);
    let other = cases();
    assert_eq!(code(&["open", &package, "--commitment", &opening, "--input", &other, "--case", "1"]).0, 1);
    assert_eq!(b.prove(&["--input", &other, "--case", "1", "--commitment", &opening]).0, 1);
    assert_eq!(b.prove(&["--input", &input(), "--commitment", &opening]).0, 0);
    assert_eq!(b.verify(&["--commitment", &public]).0, 0);
    // A proof about a commitment of its own.
    assert_eq!(b.prove(&["--input", &input()]).0, 0);
    assert_eq!(b.verify(&[]).0, 0);
    assert_eq!(b.verify(&["--commitment", &public]).0, 1);
    assert_eq!(json(&["inspect", &opening])["kind"], "commitment");
    b.flip("x.open", |n| n / 2);
    assert_eq!(b.prove(&["--input", &input(), "--commitment", &opening]).0, 3);
}

#[test]
fn rejects_bad_models_and_usage() {
    let dir = tempfile::tempdir().unwrap();
    let at = |n: &str| dir.path().join(n).to_string_lossy().into_owned();
    std::fs::write(dir.path().join("m.onnx"), b"not a model").unwrap();
    assert_eq!(code(&["compile", &at("m.onnx"), "-o", &at("p")]).0, 3);
    assert_eq!(code(&["compile", &at("none.onnx"), "-o", &at("p")]).0, 3);
    let model = format!("{MODELS}/digits_mlp/model.onnx");
    for extra in
        [["--visibility", "input=secret"], ["--output-policy", "topk:x"], ["--dim", "n"], ["--security", "300"]]
    {
        assert_eq!(code(&["compile", &model, "-o", &at("p"), extra[0], extra[1]]).0, 2, "{extra:?}");
    }
    assert_eq!(code(&["nonsense"]).0, 2);
    assert_eq!(code(&["inspect", &at("m.onnx")]).0, 3);
    assert_eq!(entries(dir.path()), ["m.onnx"]);
}

#[test]
fn accepts_plots_and_warns_of_unlike_inputs() {
    let b = Bench::new(&["--error-plot", "FILE", "--min-agreement", "0.9"]);
    let plot = std::fs::read_to_string(b.path("errors.svg")).unwrap();
    assert!(plot.starts_with("<svg") && plot.contains("added by it"), "{plot}");
    let package = b.at("m.pkg");
    let proved = |name: &str, change: &dyn Fn(f64) -> f64| {
        let mut file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(input()).unwrap()).unwrap();
        for v in file["input_data"][0].as_array_mut().unwrap() {
            *v = change(v.as_f64().unwrap()).into();
        }
        std::fs::write(b.path(name), file.to_string()).unwrap();
        json(&["prove", &package, "-o", &b.at("m.proof"), "--input", &b.at(name)])["warnings"].to_string()
    };
    assert_eq!(proved("usual.json", &|v| v), "[]");
    assert!(proved("larger.json", &|v| v * 1.2).contains("where the samples that set the ranges were"));
    assert!(proved("huge.json", &|v| v * 1e4).contains("are cut"));
    let (status, text) = code(&["compile", "m.onnx", "-o", "x", "--min-agreement", "2"]);
    assert!(status == 2 && text.contains("from 0 to 1"), "{text}");
}

#[test]
fn rejects_models_beyond_the_error_that_was_asked_for_and_warns_of_the_usual_one() {
    let dir = tempfile::tempdir().unwrap();
    let at = |n: &str| dir.path().join(n).to_string_lossy().into_owned();
    let (model, samples) = (format!("{MODELS}/digits_mlp/model.onnx"), format!("{MODELS}/digits_mlp/cases.npz"));
    let (package, vk, plot) = (at("m.pkg"), at("m.vk"), at("m.svg"));
    let files = ["compile", &model, "-o", &package, "--vk", &vk, "--samples", &samples, "--error-plot", &plot];
    let with = |extra: &[&str]| proveil(&[&files[..], extra].concat());
    let out = with(&["--max-error", "1e-9"]);
    let told: serde_json::Value = serde_json::from_slice(&out.stderr).unwrap();
    let text = told["error"].as_str().unwrap();
    for part in ["model.onnx: output `probabilities`", "above the 0.000000001", "adds most", "ask for an error of"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!((out.status.code(), told["exit_code"].as_u64(), out.stdout.len()), (Some(1), Some(1), 0));
    assert!(entries(dir.path()).is_empty());
    // Bits that are too few to reach the usual error: a warning, unless that error was asked for.
    let few = ["--weight-bits", "8", "--activation-bits", "8"];
    let value: serde_json::Value = serde_json::from_slice(&with(&few).stdout).unwrap();
    let (error, warnings) =
        (value["accuracy"]["outputs"][1]["rel_error"].as_f64().unwrap(), &value["accuracy"]["warnings"]);
    let warning = format!("output `probabilities` to the error 0.005 that is aimed at; this one has {error:.5}");
    assert!(error > 0.005 && warnings.to_string().contains(&warning), "{value}");
    let (status, text) = code(&[&files[..], &few, &["--max-error", "0.005"]].concat());
    assert!(status == 1 && text.contains("allow more bits"), "{text}");
    assert!(with(&[&few[..], &["--max-error", "0.5"]].concat()).status.success());
    let (status, text) = code(&["compile", "m.onnx", "-o", "x", "--max-error", "nan"]);
    assert!(status == 2 && text.contains("from 0 on"), "{text}");
}

#[test]
fn accepts_two_files_joined_and_rejects_others() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("joined.onnx").to_string_lossy().into_owned();
    let model = format!("{MODELS}/digits_mlp/model.onnx");
    // Ten scores are no 64 pixels.
    let (status, text) = code(&["compose", &model, &model, "-o", &out]);
    assert!(status == 4 && text.contains("differ"), "{status} {text}");
    let (status, text) = code(&["compose", &model, &model, "-o", &out, "--connect", "nothing"]);
    assert!(status == 2 && text.contains("output=input"), "{status} {text}");
    assert!(entries(dir.path()).is_empty());
}

#[test]
fn accepts_and_rejects_files_in_a_check() {
    let model = format!("{MODELS}/digits_cnn/model.onnx");
    let value = json(&["check", &model]);
    assert_eq!((&value["imports"], &value["problems"]), (&true.into(), &serde_json::json!([])));
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.onnx");
    // The same file with one operator renamed.
    let mut bytes = std::fs::read(&model).unwrap();
    let at = bytes.windows(4).position(|w| w == b"Relu").unwrap();
    bytes[at..at + 4].copy_from_slice(b"Nope");
    std::fs::write(&bad, &bytes).unwrap();
    let out = proveil(&["check", &bad.to_string_lossy()]);
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), &value["imports"]), (Some(4), &false.into()));
    assert_eq!(value["problems"].as_array().unwrap().len(), 1);
    std::fs::write(&bad, b"nothing").unwrap();
    assert_eq!(code(&["check", &bad.to_string_lossy()]).0, 3);
}

#[test]
fn accepts_bench_of_a_folder_and_reports_failures() {
    let dir = tempfile::tempdir().unwrap();
    let bare = format!("{MODELS}/digits_cnn/model.onnx");
    let bad = dir.path().join("bad.onnx");
    std::fs::write(&bad, b"not a model").unwrap();
    let out = proveil(&[
        "bench",
        &format!("{MODELS}/digits_mlp"),
        &bare,
        &bad.to_string_lossy(),
        "--cases",
        "1",
        "--security",
        "100",
    ]);
    assert_eq!(out.status.code(), Some(1));
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["status"], &lines[2]["status"]), (3, &"ok".into(), &"error".into()));
    assert_eq!((&lines[1]["name"], &lines[1]["expected_by"]), (&"digits_cnn".into(), &"tract".into()));
    assert!(lines[1]["rel_error"].as_f64().unwrap() < 0.05, "{}", lines[1]);
    for key in [
        "params",
        "macs",
        "lookups",
        "compile_s",
        "prove_s",
        "prove_plain_s",
        "verify_s",
        "proof_bytes",
        "vk_bytes",
        "package_bytes",
        "peak_mib",
        "native_s",
        "max_abs_error",
        "rel_error",
        "label_agreement",
        "accuracy",
        "security_bits",
    ] {
        assert!(lines[0][key].is_number(), "{key}: {}", lines[0]);
    }
    assert!(lines[0]["stages"].is_object());
    assert!(lines[0]["rel_error"].as_f64().unwrap() < 0.05, "{}", lines[0]);
}
