//! The chapter: what is said in words is in `page.txt`; its tables are made here from what the command does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use proveil_frontend::synthetic::Synthetic;
use proveil_frontend::{ABSENT, Limits, OPERATORS, Options};
use serde_json::Value;

const WORDS: &str = include_str!("page.txt");

/// Families with the bundled models that stand for them; every bundled model is in one.
const FAMILIES: [(&str, &[&str]); 18] = [
    ("Dense nets", &["digits_mlp", "diabetes_mlp_regressor", "t_mlp_tanh_bn1d"]),
    ("Convolutional nets", &["digits_cnn"]),
    ("Depthwise and grouped convolutions", &["t_dwconv_group"]),
    ("Pooling", &["t_pool_mix"]),
    ("Resizing and cropping of images", &["t_upsample_mix"]),
    ("Normalisation", &["t_norms"]),
    ("Softmax and its kin", &["t_softmax_mix"]),
    ("Attention, transformers", &["t_causal_attention", "t_encoder_layer"]),
    ("Recurrent nets", &["t_lstm_seq"]),
    ("Embeddings", &["t_embedding_mean"]),
    ("Decision trees, forests, boosting", &["digits_decision_tree", "diabetes_xgboost"]),
    ("Boosting with missing values", &["wine_boosting_missing"]),
    ("Linear models, support vectors", &["digits_logistic_regression", "digits_linear_svc"]),
    ("Clustering", &["digits_kmeans"]),
    ("Anomaly scores, statistics of data", &["digits_autoencoder_anomaly", "app_price_stats"]),
    ("Gather and scatter", &["h_gather_scatter_nd"]),
    ("Losses against labels", &["digits_loss"]),
    ("Files that are quantised already", &["digits_cnn_qdq_int8"]),
];

/// Who sees what, in which every bundled model is proved.
const VISIBILITIES: [&str; 3] = [
    "input=private,model=private,output=public",
    "input=private,model=public,output=public",
    "input=public,model=public,output=public",
];

/// Who sees what, with what the verifier learns besides the outputs.
const SCENARIOS: [(&str, &str); 6] = [
    ("input=private,model=private", "architecture, shapes and ranges"),
    ("input=private,model=public", "the model"),
    ("input=public,model=private", "the input; of the model architecture, shapes and ranges"),
    ("input=public,model=public", "everything: the proof spares the computation"),
    ("input=committed,model=private", "that it is the input of a commitment that was given before"),
    ("input=committed,model=committed", "the same, and that the model is one that was registered"),
];

/// What may be said of a classifier's scores, by option.
const POLICIES: [(&str, &str); 7] = [
    ("The scores and the label, as they are", "full"),
    ("Only the label of the file", "label=full"),
    ("Only which class is the largest", "argmax"),
    ("Only the three largest, best first", "topk:3"),
    ("Only which scores reach a threshold", "threshold:0.5"),
    ("The same, and the threshold is hidden too", "private-threshold:0.5"),
    ("Only in which bracket each score lies", "bucket:0.01,0.1,0.5"),
];

/// Errors are told as the first of these percentages that they are below.
const ERRORS: [f64; 5] = [0.01, 0.1, 0.5, 1.0, 5.0];

/// The whole chapter.
///
/// # Errors
/// What failed, if anything that the chapter says does not hold.
pub fn page(proveil: &Path, models: &Path) -> Result<String, String> {
    let tool = Tool { proveil, models };
    let tables = [
        ("families", tool.families()?),
        ("scenarios", tool.scenarios()?),
        ("policies", tool.policies()?),
        ("limits", limits()?),
        ("operators", OPERATORS.len().to_string()),
        ("absent", ABSENT.iter().map(|a| a.names.len()).sum::<usize>().to_string()),
    ];
    let text =
        tables.iter().fold(WORDS.to_string(), |text, (name, table)| text.replace(&format!("{{{{{name}}}}}"), table));
    match text.find("{{") {
        Some(at) => Err(format!("page.txt asks for a table that there is not: {:.40}", &text[at..])),
        None => Ok(text),
    }
}

/// The command and the bundled models.
struct Tool<'a> {
    proveil: &'a Path,
    models: &'a Path,
}

impl Tool<'_> {
    fn model(&self, name: &str) -> String {
        self.models.join(name).join("model.onnx").to_string_lossy().into_owned()
    }

    /// What a command says, a record a line.
    fn run(&self, args: &[&str]) -> Result<Vec<Value>, String> {
        let out = Command::new(self.proveil).args(["--quiet", "--json"]).args(args).output();
        let out = out.map_err(|e| format!("{}: {e}; build it first", self.proveil.display()))?;
        if !out.status.success() {
            return Err(format!("proveil {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr)));
        }
        let lines = String::from_utf8_lossy(&out.stdout).into_owned();
        lines.lines().map(|l| serde_json::from_str(l).map_err(|e| format!("proveil {}: {e}", args.join(" ")))).collect()
    }

    /// Compiles, proves and verifies models; their records by name.
    fn bench(&self, visibility: &str, names: &[&str], more: &[&str]) -> Result<BTreeMap<String, Value>, String> {
        let folders: Vec<String> = names.iter().map(|n| self.models.join(n).to_string_lossy().into_owned()).collect();
        let mut args = [&["bench", "--visibility", visibility], more].concat();
        args.extend(folders.iter().map(String::as_str));
        Ok(self.run(&args)?.into_iter().map(|r| (text(&r, "name"), r)).collect())
    }

    fn families(&self) -> Result<String, String> {
        let names: Vec<&str> = FAMILIES.iter().flat_map(|f| f.1).copied().collect();
        let bundled = std::fs::read_dir(self.models).map_err(|e| e.to_string())?.filter_map(|e| e.ok());
        let bundled: BTreeSet<String> =
            bundled.filter(|e| e.path().is_dir()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        let listed: BTreeSet<String> = names.iter().map(|n| (*n).to_string()).collect();
        if bundled != listed {
            return Err(format!("bundled models and families differ: {:?}", bundled.symmetric_difference(&listed)));
        }
        let runs: Result<Vec<_>, _> =
            VISIBILITIES.iter().map(|v| self.bench(v, &names, &["--no-plain", "--once", "--cases", "2"])).collect();
        let runs = runs?;
        let mut out = String::from("| Family | Bundled example | Operators in its file | Weights | Largest error |\n");
        out += "| --- | --- | --- | ---: | ---: |\n";
        for (family, names) in FAMILIES {
            for (i, name) in names.iter().enumerate() {
                let records: Vec<&Value> = runs.iter().filter_map(|r| r.get(*name)).collect();
                if records.len() != VISIBILITIES.len() {
                    return Err(format!("{name} was not proved in each of {VISIBILITIES:?}"));
                }
                let error =
                    records.iter().map(|r| r["rel_error"].as_f64().unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
                let bound = ERRORS.iter().find(|e| 100.0 * error < **e);
                let bound = bound.ok_or_else(|| format!("{name}: an error of {error}"))?;
                let family = if i == 0 { family } else { "" };
                let (operators, weights) = (self.operators(name)?, &records[0]["params"]);
                out += &format!("| {family} | `{name}` | {operators} | {weights} | < {bound} % |\n");
            }
        }
        Ok(out)
    }

    /// The operators of a file that do something, as `check` counts them.
    fn operators(&self, name: &str) -> Result<String, String> {
        let survey = self.run(&["check", &self.model(name)])?.remove(0);
        if survey["imports"] != true {
            return Err(format!("check refuses {name}: {survey}"));
        }
        let idle = ["Cast", "Constant", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze"];
        let all = survey["operators"].as_object().map_or_else(Vec::new, |o| o.keys().collect());
        let names = all.into_iter().map(|o| o.rsplit('.').next().unwrap_or(o)).filter(|o| !idle.contains(o));
        Ok(names.collect::<Vec<_>>().join(", "))
    }

    fn scenarios(&self) -> Result<String, String> {
        let model = ["digits_mlp"];
        let mut out = String::from(
            "| `--visibility` | Who verifies learns, besides the result | Transparent | For contracts |\n",
        );
        out += "| --- | --- | --- | --- |\n";
        for (visibility, learns) in SCENARIOS {
            let mut bits = Vec::new();
            for more in [&["--no-plain", "--once", "--cases", "1"][..], &["--evm", "--once", "--cases", "1"]] {
                let record = self.bench(visibility, &model, more)?.remove(model[0]).ok_or("no record")?;
                bits.push(format!("proved, {} bits", record["security_bits"]));
            }
            out += &format!("| `{visibility}` | {learns} | {} | {} |\n", bits[0], bits[1]);
        }
        Ok(out)
    }

    fn policies(&self) -> Result<String, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut out =
            String::from("| To be said | `--output-policy` | Published for the bundled digit |\n| --- | --- | --- |\n");
        for (i, (said, policy)) in POLICIES.iter().enumerate() {
            let at = |kind: &str| dir.path().join(format!("{i}.{kind}")).to_string_lossy().into_owned();
            let (package, key, proof, model) = (at("package"), at("key"), at("proof"), self.model("digits_mlp"));
            let file = |name: &str| self.models.join("digits_mlp").join(name).to_string_lossy().into_owned();
            let (samples, input) = (file("cases.npz"), file("input.json"));
            let compile =
                ["compile", &model, "--samples", &samples, "--output-policy", policy, "-o", &package, "--vk", &key];
            self.run(&compile)?;
            self.run(&["prove", &package, "--input", &input, "-o", &proof])?;
            let verified = self.run(&["verify", "--vk", &key, "--proof", &proof])?.remove(0);
            let outputs = verified["outputs"].as_object().filter(|_| verified["accepted"] == true);
            let outputs = outputs.ok_or_else(|| format!("{policy}: {verified}"))?;
            let shown = outputs.iter().map(|(name, v)| format!("{name}: {}", cells(v)));
            out += &format!("| {said} | `{policy}` | {} |\n", shown.collect::<Vec<_>>().join("; "));
        }
        Ok(out)
    }
}

fn text(r: &Value, key: &str) -> String {
    r[key].as_str().unwrap_or_default().to_string()
}

/// Cells with two decimals, or none where all are whole.
fn cells(v: &Value) -> String {
    let list: Vec<f64> = v.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let digits = if list.iter().all(|v| v.fract() == 0.0) { 0 } else { 2 };
    list.iter().map(|v| format!("{v:.digits$}")).collect::<Vec<_>>().join(" ")
}

/// Widths that are accepted, between a smallest and a largest.
fn widths(set: impl Fn(&mut Options, u32)) -> Result<String, String> {
    let family = Synthetic::Dense { width: 4, layers: 1 };
    let accepted = |bits: &u32| {
        let mut options = Options::default();
        set(&mut options, *bits);
        proveil_frontend::compile(&family.onnx(), &[], &options).is_ok()
    };
    let all: Vec<u32> = (1..=32).filter(accepted).collect();
    match (all.first(), all.last()) {
        (Some(a), Some(b)) if (b - a) as usize + 1 == all.len() => Ok(format!("{a} to {b}")),
        _ => Err(format!("widths that are accepted have holes: {all:?}")),
    }
}

fn limits() -> Result<String, String> {
    let (front, key) = (Limits::default(), proveil_relation::check::Limits::default());
    let power = |n: u64| format!("2^{}", n.ilog2());
    let rows = [
        ("File with its external data", format!("{} bytes", power(front.bytes))),
        ("Nodes, loops unrolled", front.nodes.to_string()),
        ("Cells of a tensor, of all that is computed from constants", power(front.cells)),
        ("Cells that an inference computes", power(front.inference)),
        ("Bits of weights", widths(|o, b| o.weight_bits = Some(b))?),
        ("Bits of activations", widths(|o, b| o.activation_bits = Some(b))?),
        ("Looked-up cells with rows of tables, of all inferences in a proof", power(key.fractions)),
        ("Rows of all tables", power(key.table_rows)),
        ("Columns that a key commits to", power(key.columns)),
        ("Rows of a column", format!("2^{}", key.log_height)),
    ];
    let mut out = String::from("| What | At most |\n| --- | --- |\n");
    rows.iter().for_each(|(what, most)| out += &format!("| {what} | {most} |\n"));
    Ok(out)
}
