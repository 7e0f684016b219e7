//! The succinct backend as a user runs it.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use proveil::succinct::{ContractKeys, Engine, KeyFile, SetUp};
use proveil::{Error, Package};
use proveil_evm::machine::Machine;
use proveil_evm::{Abi, export};
use proveil_kzg::srs::Srs;
use serde_json::Value;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/digits_cnn");
const ACCOUNT: &str = "0x00000000000000000000000000000000000000aa";

fn proveil(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proveil")).args(["--quiet", "--json"]).args(args).output().unwrap()
}

fn refused(args: &[&str]) -> (i32, String) {
    let out = proveil(args);
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn json(args: &[&str]) -> Value {
    let out = proveil(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Powers for the model whose file says that nobody knows their secret, as an imported one would.
fn unmarked() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut bytes = Srs::dev(16).unwrap().encode();
        bytes[8] = 0;
        let end = bytes.len() - 32;
        let digest = blake3::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(digest.as_bytes());
        bytes
    })
}

/// A folder with a model compiled for contracts.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn new(extra: &[&str]) -> Self {
        let f = Self::empty();
        assert_eq!(f.compile("dev", &[&["--insecure-set-up"], extra].concat()), (0, String::new()));
        f
    }

    fn compile(&self, srs: &str, extra: &[&str]) -> (i32, String) {
        let files = [self.at("m.pkg"), self.at("m.key"), self.at("m.full"), self.at("m.vk")];
        let (model, samples) = (format!("{MODEL}/model.onnx"), format!("{MODEL}/cases.npz"));
        let mut args = vec!["compile", &model, "--samples", &samples, "--backend", "succinct", "--srs", srs];
        for (option, file) in ["-o", "--short-key", "--full-key", "--vk"].into_iter().zip(&files) {
            args.extend([option, file]);
        }
        args.extend(extra);
        refused(&args)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(self.dir.path()).unwrap().count()
    }

    fn prove(&self, extra: &[&str]) -> (i32, String) {
        let (package, proof, input) = (self.at("m.pkg"), self.at("m.proof"), format!("{MODEL}/input.json"));
        refused(&[&["prove", &package, "--input", &input, "-o", &proof], extra].concat())
    }

    fn verify(&self, key: &str, extra: &[&str]) -> (i32, String) {
        let (key, proof) = (self.at(key), self.at("m.proof"));
        refused(&[&["verify", "--vk", &key, "--proof", &proof], extra].concat())
    }

    fn proved(extra: &[&str]) -> Self {
        let f = Self::new(extra);
        assert_eq!(f.prove(&["--srs", "dev"]), (0, String::new()));
        f
    }
}

const DEV: &[&str] = &["--insecure-set-up"];

#[test]
fn roundtrips_every_privacy_scenario() {
    let expected: Value = serde_json::from_slice(&std::fs::read(format!("{MODEL}/expected.json")).unwrap()).unwrap();
    let want = expected["output_data"][0][0].as_f64().unwrap();
    for (visibility, model, input) in [
        ("input=private,model=private", true, "private"),
        ("input=public,model=private", true, "public"),
        ("input=private,model=public", true, "private"),
        ("input=public,model=public", true, "public"),
    ] {
        let f = Folder::proved(&["--visibility", visibility]);
        let (key, proof) = (f.at("m.key"), f.at("m.proof"));
        let said = json(&["verify", "--key", &key, "--proof", &proof, "--insecure-set-up"]);
        assert_eq!((&said["backend"], &said["insecure_set_up"]), (&"succinct".into(), &true.into()));
        assert_eq!((&said["security_bits"], &said["inputs"][0]["visibility"]), (&100.into(), &input.into()));
        let got = said["outputs"]["logits"][0].as_f64().unwrap();
        assert!((got - want).abs() < 0.1, "{visibility}: {got} for {want}");
        // The full key says the same, and gives the same short key.
        let full = f.at("m.full");
        let whole = json(&["verify", "--vk", &full, "--srs", "dev", "--proof", &proof, "--insecure-set-up"]);
        assert_eq!(whole["model_id"], said["model_id"]);
        let shown = json(&["inspect", &key]);
        assert_eq!((&shown["model_id"], &shown["model_hidden"]), (&said["model_id"], &model.into()));
        assert_eq!(shown["insecure_set_up"], true);
    }
}

#[test]
fn roundtrips_commitments_on_the_curve() {
    let f = Folder::new(&["--visibility", "input=committed,output=committed"]);
    let (package, opening, public) = (f.at("m.pkg"), f.at("x.open"), f.at("x.json"));
    let (input, other) = (format!("{MODEL}/input.json"), format!("{MODEL}/cases.npz"));
    let of = |i: &str| -> Vec<String> {
        ["commit", &package, "--srs", "dev", "--input", i, "-o", &opening, "--public", &public].map(String::from).into()
    };
    let words = of(&input);
    json(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let list: Value = serde_json::from_slice(&f.read("x.json")).unwrap();
    assert_eq!(list[0]["point"].as_str().map(str::len), Some(128));
    let open = ["open", &package, "--srs", "dev", "--commitment", &opening, "--input"];
    assert_eq!(json(&[&open[..], &[&input]].concat())["opens"], true);
    let (code, message) = refused(&[&open[..], &[&other, "--case", "1"]].concat());
    assert!(code == 1 && message.contains("does not match the input"), "{code} {message}");
    assert_eq!(f.prove(&["--srs", "dev", "--commitment", &opening]), (0, String::new()));
    assert_eq!(f.verify("m.key", &["--insecure-set-up", "--commitment", &public]).0, 0);
    // Contracts get the points of input and output.
    let pieces = ["export", "calldata", "--key", &f.at("m.key"), "--proof", &f.at("m.proof"), "--account", ACCOUNT];
    let call = json(&pieces);
    assert!(call["points"].as_str().unwrap().contains(list[0]["point"].as_str().unwrap()));
    assert_eq!((call["points"].as_str().map(str::len), call["values"].as_str()), (Some(2 + 4 * 64), Some("0x")));
    // A fresh commitment to the same data is another one.
    json(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, message) = f.verify("m.key", &["--insecure-set-up", "--commitment", &public]);
    assert!(code == 1 && message.contains("not about the commitment"), "{code} {message}");
    // The other backend's commitment is none of this one's.
    let mut words = of(&input);
    words.extend(["--backend".into(), "transparent".into()]);
    json(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, message) = f.prove(&["--srs", "dev", "--commitment", &opening]);
    assert!(code == 1 && message.contains("--backend"), "{code} {message}");
}

#[test]
fn matches_reference_of_calldata() {
    let f = Folder::new(&[]);
    let bind = format!("31337,{ACCOUNT},{ACCOUNT},7");
    assert_eq!(f.prove(&["--srs", "dev", "--bind", &bind]), (0, String::new()));
    let (key, proof, out) = (f.at("m.key"), f.at("m.proof"), f.at("call.json"));
    let call = json(&["export", "calldata", "--key", &key, "--proof", &proof, "--account", ACCOUNT, "-o", &out]);
    assert_eq!(serde_json::from_slice::<Value>(&f.read("call.json")).unwrap(), call);
    let bytes = |name: &str| -> Vec<u8> {
        let text = call[name].as_str().unwrap().strip_prefix("0x").unwrap();
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    let (context, public, values) = (bytes("context"), bytes("public_data"), bytes("values"));
    assert_eq!((context.len(), context[31], context[127]), (128, 0x69, 7));
    let hash = |b: &[u8]| proveil_protocol::transcript::keccak256(&[b]);
    assert_eq!(public, [&hash(&context)[..], &values].concat());
    assert_eq!(hash(&public)[..], bytes("public_digest"));
    assert_eq!(bytes("calldata")[4 + 32..4 + 64], bytes("model_id"));
    let whole = bytes("proof");
    assert_eq!((&whole[4..24], &whole[24..24 + public.len()]), (&[&[0; 19][..], &[0xaa]].concat()[..], &public[..]));
    // A proof that is not accepted is not exported, nor is one for another key.
    let mut bad = f.read("m.proof");
    *bad.last_mut().unwrap() ^= 1;
    f.write("m.proof", &bad);
    let calldata = ["export", "calldata", "--key", &key, "--proof", &proof, "--account"];
    assert_eq!(refused(&[&calldata[..], &[ACCOUNT]].concat()).0, 1);
    assert_eq!(refused(&[&calldata[..], &["0x12"]].concat()).0, 2);
}

#[test]
fn accepts_set_ups_without_the_mark_in_production() {
    let f = Folder::empty();
    f.write("ceremony.srs", unmarked());
    let srs = f.at("ceremony.srs");
    assert_eq!(f.compile(&srs, &[]), (0, String::new()));
    assert_eq!(f.prove(&["--srs", &srs]), (0, String::new()));
    assert_eq!(f.verify("m.key", &[]), (0, String::new()));
    let (key, rows) = (f.at("m.key"), |v: &Value| v["rows"].as_array().map(Vec::len));
    let table = json(&["security", "--key", &key]);
    assert_eq!((&table["security_bits"], &table["insecure_set_up"]), (&100.into(), &false.into()));
    assert!(rows(&table).unwrap() >= 10);
    assert_eq!(json(&["inspect", &srs])["log_size"], 16);
    // The same package serves the other backend.
    assert_eq!(f.prove(&["--backend", "transparent"]), (0, String::new()));
    assert_eq!(f.verify("m.vk", &[]).0, 0);
}

#[test]
fn rejects_insecure_set_ups_unless_asked_for() {
    let f = Folder::empty();
    let (code, message) = f.compile("dev", &[]);
    assert!(code == 1 && message.contains("--insecure-set-up"), "{code} {message}");
    assert_eq!(f.entries(), 0);
    let f = Folder::proved(&[]);
    let (code, message) = f.verify("m.key", &[]);
    assert!(code == 1 && message.contains("forge"), "{code} {message}");
    assert_eq!(f.verify("m.key", DEV).0, 0);
    let (code, message) = f.verify("m.key", &["--insecure-set-up", "--min-security", "128"]);
    assert!(code == 1 && message.contains("100 bits"), "{code} {message}");
}

#[test]
fn rejects_set_ups_that_are_small_other_or_broken() {
    let f = Folder::empty();
    let (small, other) = (f.at("small.srs"), f.at("other.srs"));
    json(&["srs", "dev", "--log-size", "8", "-o", &small]);
    f.write("other.srs", &Srs::with_tau(proveil_algebra::PrimeCharacteristicRing::from_u64(5), 16).unwrap().encode());
    let (code, message) = f.compile(&small, DEV);
    assert!(code == 3 && message.contains("2^16") && message.contains("2^8"), "{code} {message}");
    f.write("cut.srs", &unmarked()[..5000]);
    assert_eq!(f.compile(&f.at("cut.srs"), DEV).0, 3);
    let ceremony = concat!(env!("CARGO_MANIFEST_DIR"), "/../kzg/tests/ceremony.ptau");
    let (code, message) = f.compile(ceremony, DEV);
    assert!(code == 3 && message.contains("srs import"), "{code} {message}");
    assert_eq!(f.compile("no/such.srs", DEV).0, 3);
    assert_eq!(f.entries(), 3);
    assert_eq!(f.compile("dev", DEV).0, 0);
    let (code, message) = f.prove(&["--srs", &other]);
    assert!(code == 1 && message.contains("set-up"), "{code} {message}");
    let (code, message) = f.prove(&["--srs", &small]);
    assert!(code == 3 && message.contains("2^16"), "{code} {message}");
    let (code, message) = f.prove(&[]);
    assert!(code == 2 && message.contains("--srs"), "{code} {message}");
    assert_eq!(f.prove(&["--srs", "dev"]).0, 0);
    assert_eq!(f.verify("m.full", &["--insecure-set-up", "--srs", &other]).0, 1);
    assert_eq!(f.verify("m.full", &["--insecure-set-up"]).0, 2);
}

#[test]
fn rejects_files_of_the_other_backend_and_of_other_models() {
    let f = Folder::proved(&[]);
    let (code, message) = f.verify("m.vk", &[]);
    assert!(code == 1 && message.contains("short key"), "{code} {message}");
    let mine = f.read("m.proof");
    assert_eq!(f.prove(&["--backend", "transparent"]).0, 0);
    let (code, message) = f.verify("m.key", DEV);
    assert!(code == 1 && message.contains("transparent"), "{code} {message}");
    f.write("m.proof", &mine);
    // A key of the same model, made again, commits to it anew.
    let other = Folder::new(&[]);
    f.write("other.key", &other.read("m.key"));
    let (code, message) = f.verify("other.key", DEV);
    assert!(code == 1 && message.contains("model"), "{code} {message}");
    // A package of the transparent backend alone.
    let (model, package) = (format!("{MODEL}/model.onnx"), f.at("t.pkg"));
    json(&["compile", &model, "-o", &package, "--samples", &format!("{MODEL}/cases.npz")]);
    let input = format!("{MODEL}/input.json");
    let prove = ["prove", &package, "--input", &input, "-o", &f.at("t.proof"), "--backend", "succinct", "--srs", "dev"];
    let (code, message) = refused(&prove);
    assert!(code == 1 && message.contains("--backend succinct"), "{code} {message}");
    assert_eq!(refused(&["compile", &model, "-o", &package, "--srs", "dev"]).0, 2);
    assert_eq!(f.verify("m.key", &["--insecure-set-up", "--refresh", "x"]).0, 2);
}

#[test]
fn rejects_altered_and_truncated_files() {
    let f = Folder::proved(&[]);
    for (name, accepted) in [("m.proof", &[1, 3][..]), ("m.key", &[1, 3]), ("m.full", &[1, 3])] {
        let whole = f.read(name);
        let key = if name == "m.full" { "m.full" } else { "m.key" };
        let verify = || f.verify(key, &["--insecure-set-up", "--srs", "dev"]);
        let n = whole.len();
        for at in [0, 7, 12, 45, n / 3, n / 2, n - 1] {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            f.write(name, &bad);
            let (code, message) = verify();
            assert!(accepted.contains(&code), "{name}, byte {at}: {code} {message}");
            f.write(name, &whole[..at]);
            let (code, message) = verify();
            assert!(accepted.contains(&code), "{name} of {at} bytes: {code} {message}");
        }
        f.write(name, &[&whole[..], &[0]].concat());
        assert!(accepted.contains(&verify().0), "{name} and a byte");
        f.write(name, &whole);
        assert_eq!(verify().0, 0);
    }
    let mut package = f.read("m.pkg");
    let at = package.len() / 2;
    package[at] ^= 1;
    f.write("m.pkg", &package);
    assert_eq!(f.prove(&["--srs", "dev"]).0, 3);
}

/// Points are kept in the package and not made again: what they commit to is compared.
#[test]
fn rejects_packages_whose_points_are_of_something_else() {
    let f = Folder::new(&[]);
    let package = Package::from_bytes(&f.read("m.pkg")).unwrap();
    let engine = Engine::load(package.clone(), &SetUp::Dev).unwrap();
    // Every point is the one that a commitment makes.
    let made = engine.key.list.commit(&Srs::dev(engine.key.log_size() as u8).unwrap()).unwrap();
    assert_eq!(made.iter().map(|c| c.point).collect::<Vec<_>>(), engine.key.short.list);
    let loads = |change: &dyn Fn(&mut ContractKeys)| {
        let mut other = package.clone();
        change(other.contract.as_mut().unwrap());
        Engine::load(other, &SetUp::Dev).map(drop)
    };
    assert!(loads(&|_| ()).is_ok());
    let changes: [&dyn Fn(&mut ContractKeys); 6] = [
        &|c| c.behind[0] ^= 1,
        &|c| c.short.list.swap(0, 1),
        &|c| c.short.model = Some(c.short.list[0]),
        &|c| c.short.model = None,
        &|c| c.seed[0] ^= 1,
        &|c| c.short.digest[0] ^= 1,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        assert!(matches!(loads(change), Err(Error::Mismatch { .. })), "change {i}");
    }
}

#[test]
fn rejects_proofs_without_zero_knowledge_for_contracts() {
    let f = Folder::proved(&["--plain"]);
    assert_eq!(f.verify("m.key", DEV).0, 0);
    let (key, proof) = (f.at("m.key"), f.at("m.proof"));
    let (code, message) = refused(&["export", "calldata", "--key", &key, "--proof", &proof, "--account", ACCOUNT]);
    assert!(code == 1 && message.contains("--plain"), "{code} {message}");
}

/// Three proofs of two models: verified at once, and in one call of the contracts that the folder of `export solidity` has.
#[test]
fn accepts_and_rejects_several_proofs_at_once() {
    let (f, g) = (Folder::new(&[]), Folder::new(&["--visibility", "input=public,model=private"]));
    for (from, context, name) in [(&f, "01", "a.proof"), (&f, "02", "b.proof"), (&g, "03", "x.proof")] {
        assert_eq!(from.prove(&["--srs", "dev", "--context", context]), (0, String::new()));
        f.write(name, &from.read("m.proof"));
    }
    f.write("other.key", &g.read("m.key"));
    let [a, b, x, key, other] = ["a.proof", "b.proof", "x.proof", "m.key", "other.key"].map(|n| f.at(n));
    let verify = ["verify", "--key", &key, &other, "--insecure-set-up", "--proof", &a, &x, &b];
    let said = json(&verify);
    let ids: Vec<_> = said["proofs"].as_array().unwrap().iter().map(|p| &p["model_id"]).collect();
    assert_eq!(
        (said["accepted"].as_bool(), ids.len(), ids[0] == ids[2], ids[0] == ids[1]),
        (Some(true), 3, true, false)
    );
    assert!(said["proofs"][1]["outputs"]["logits"][0].is_number());
    // Every proof looks for the key of its own model; options about one proof are refused.
    let (code, message) = refused(&["verify", "--key", &key, "--insecure-set-up", "--proof", &a, &x]);
    assert!(code == 1 && message.contains("x.proof") && message.contains("--key"), "{code} {message}");
    assert_eq!(refused(&[&verify[..], &["--context", "01"]].concat()).0, 2);
    assert_eq!(refused(&["verify", "--key", &key, "--proof", &a, &b]).0, 1);
    assert_eq!(refused(&["verify", "--key", &f.at("m.vk"), "--insecure-set-up", "--proof", &a, &b]).0, 3);
    // One call of the contracts.
    let mut machine = Machine::new();
    let verifier = machine.deploy(&export::verifier(true).unwrap()).0;
    let batch = machine.deploy_with(&export::batch_verifier().unwrap(), &[Abi::Word(verifier.into_word().0)]);
    let mut account = |key: &[u8]| {
        let code = KeyFile::from_bytes(key).unwrap().account_code();
        format!("{:?}", machine.deploy_code(&code).0)
    };
    let (mine, theirs) = (account(&f.read("m.key")), account(&f.read("other.key")));
    let export = ["export", "calldata", "--key", &key, &other, "--account", &mine, &theirs, "--proof", &a, &x, &b];
    let call = json(&export);
    assert_eq!(
        (&call["function"], call["proofs"].as_array().map(Vec::len)),
        (&"verifyBatch(bytes[],bytes32[],bytes32[])".into(), Some(3))
    );
    let bytes = |v: &Value| -> Vec<u8> {
        let text = v.as_str().unwrap().strip_prefix("0x").unwrap();
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    };
    assert_eq!(machine.call(batch, bytes(&call["calldata"])).result, Ok(vec![]));
    let alone = json(&["export", "calldata", "--key", &other, "--account", &theirs, "--proof", &x]);
    assert_eq!(
        (&alone["proof"], &alone["function"]),
        (&call["proofs"][1]["proof"], &"verify(bytes,bytes32,bytes32)".into())
    );
    assert_eq!(machine.call(verifier, bytes(&alone["calldata"])).result, Ok(vec![]));
    let one = json(&["export", "calldata", "--batch", "--key", &other, "--account", &theirs, "--proof", &x]);
    assert_eq!(machine.call(batch, bytes(&one["calldata"])).result, Ok(vec![]));
    assert_eq!(refused(&["export", "calldata", "--key", &key, &other, "--account", &mine, "--proof", &a, &x]).0, 2);
    // A proof that is not accepted is named, by file.
    let mut bad = f.read("b.proof");
    *bad.last_mut().unwrap() ^= 1;
    f.write("b.proof", &bad);
    for command in [&verify[..], &export] {
        let (code, message) = refused(command);
        assert!(code == 1 && message.contains("b.proof"), "{code} {message}");
    }
}

#[test]
fn accepts_a_folder_to_deploy_from() {
    let f = Folder::new(&["--visibility", "input=committed,output=public"]);
    let (key, out) = (f.at("m.key"), f.at("contracts"));
    let export = ["export", "solidity", "--key", &key, "-o", &out];
    let (code, message) = refused(&export);
    assert!(code == 1 && message.contains("--insecure-set-up") && !f.path("contracts").exists(), "{code} {message}");
    let said = json(&[&export[..], DEV].concat());
    let text = |name: &str| String::from_utf8(f.read(&format!("contracts/{name}"))).unwrap();
    let deployment: Value = serde_json::from_str(&text("deployment.json")).unwrap();
    assert_eq!(said["deployment"], deployment);
    let verifier = &deployment["verifier"];
    assert_eq!(
        (&verifier["contract"], &deployment["insecure_set_up"]),
        (&"InsecureDevelopmentVerifier".into(), &true.into())
    );
    // The key's account is the short key behind a zero byte.
    let id = json(&["inspect", &key])["model_id"].as_str().unwrap().to_owned();
    let hex = text("key.hex");
    let bytes: Vec<u8> =
        (1..hex.trim().len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let short = &bytes[bytes.len() - deployment["key"]["bytes"].as_u64().unwrap() as usize..];
    assert_eq!(proveil::proof::hex(&proveil_protocol::transcript::keccak256(&[short])), id);
    let model = text("model/InsecureDevelopmentDigitsCnnModel.sol");
    assert!(model.contains(&id) && model.contains("OUTPUT_LOGITS") && model.contains("_pointInputInput"));
    assert!(text("README.md").contains("Anybody can forge") && text("verifier.hex").starts_with("0x6"));
    assert!(text("src/InsecureDevelopmentVerifier.sol").contains("contract"));
    // Several proofs in one call.
    assert!(text("batch.hex").starts_with("0x6") && text("src/BatchConsumer.sol").contains("BatchVerifier"));
    let batch: Value = serde_json::from_str(&text("batch.json")).unwrap();
    assert_eq!(batch["sources"]["src/BatchVerifier.sol"]["content"], text("src/BatchVerifier.sol"));
    assert_eq!(deployment["batch"]["contract"], "BatchVerifier");
    // What makes the verifier's bytes again: the same settings for Foundry and for the compiler itself.
    let input: Value = serde_json::from_str(&text("verifier.json")).unwrap();
    let steps = input["settings"]["optimizer"]["details"]["yulDetails"]["optimizerSteps"].as_str().unwrap();
    assert!(text("foundry.toml").contains(steps) && text("README.md").contains("FOUNDRY_PROFILE=verifier"));
    assert_eq!(input["sources"]["src/Mercury.sol"]["content"], text("src/Mercury.sol"));
    // What is there stays.
    assert_eq!(refused(&[&export[..], DEV].concat()).0, 3);
    // A key for production gets the verifier for production.
    f.write("ceremony.srs", unmarked());
    assert_eq!(f.compile(&f.at("ceremony.srs"), &[]).0, 0);
    let out = f.at("production");
    let said = json(&["export", "solidity", "--key", &key, "-o", &out]);
    assert_eq!(said["deployment"]["verifier"]["contract"], "ProveilVerifier");
    assert!(f.path("production/model/DigitsCnnModel.sol").exists());
    // Contracts take no proofs that show what is private.
    assert_eq!(f.compile("dev", &["--insecure-set-up", "--plain"]).0, 0);
    let plain = f.at("plain");
    assert_eq!(refused(&["export", "solidity", "--key", &key, "-o", &plain, "--insecure-set-up"]).0, 1);
}

#[test]
fn accepts_and_rejects_registrations() {
    let (f, other) = (Folder::proved(&[]), Folder::new(&[]));
    let register = |f: &Folder| {
        let (package, out, key, proof) = (f.at("m.pkg"), f.at("m.reg"), f.at("r.key"), f.at("r.proof"));
        json(&["register", &package, "--srs", "dev", "-o", &out, "--short-key", &key, "--proof", &proof])
    };
    let said = register(&f);
    register(&other);
    let with = |path: &str| f.verify("m.key", &["--insecure-set-up", "--registration", path]);
    assert_eq!(with(&f.at("m.reg")), (0, String::new()));
    // Registration key and proof are files like others, and name no input and no output.
    let own = json(&["verify", "--key", &f.at("r.key"), "--proof", &f.at("r.proof"), "--insecure-set-up"]);
    assert_eq!(
        (&own["model_id"], &own["inputs"], &own["outputs"]),
        (&said["registration_id"], &serde_json::json!([]), &serde_json::json!({}))
    );
    // That of the same model with another commitment, and a changed proof.
    let (code, message) = with(&other.at("m.reg"));
    assert!(code == 1 && message.contains("the registration"), "{code}: {message}");
    let mut bytes = f.read("m.reg");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    f.write("bad.reg", &bytes);
    let (code, message) = with(&f.at("bad.reg"));
    assert!(code == 1 || code == 3, "{code}: {message}");
}
