//! What the packages of the workspace depend on, by cargo's own account.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::source::root;

/// A package of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Folder under `crates/`.
    pub folder: String,
    /// Names of normal dependencies.
    pub normal: BTreeSet<String>,
    /// Names of dependencies of tests and examples.
    pub dev: BTreeSet<String>,
    /// Names of dependencies of build scripts.
    pub build: BTreeSet<String>,
    /// Source files that crates start from, but for tests, examples and benchmarks.
    pub roots: Vec<String>,
}

/// Packages of a build, by name, with the features that are on.
pub type Tree = BTreeMap<String, BTreeSet<String>>;

fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let out = Command::new(cargo).args(args).current_dir(root()).output();
    let out = out.unwrap_or_else(|e| panic!("cargo {}: {e}", args.join(" ")));
    assert!(out.status.success(), "cargo {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The packages of the workspace by name.
///
/// # Panics
/// When cargo does not answer.
#[must_use]
pub fn packages() -> BTreeMap<String, Package> {
    let text = cargo(&["metadata", "--format-version", "1", "--offline", "--no-deps"]);
    let all: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut out = BTreeMap::new();
    for p in list(&all["packages"]) {
        let manifest = word(&p["manifest_path"]);
        let mut package = Package { folder: part(&manifest, "crates/"), ..Package::default() };
        for d in list(&p["dependencies"]) {
            let set = match d["kind"].as_str() {
                None => &mut package.normal,
                Some("dev") => &mut package.dev,
                Some(_) => &mut package.build,
            };
            set.insert(word(&d["name"]));
        }
        for t in list(&p["targets"]) {
            let kinds = list(&t["kind"]);
            if !kinds.iter().any(|k| ["test", "example", "bench"].contains(&k.as_str().unwrap_or_default())) {
                let at = word(&t["src_path"]);
                package.roots.push(at.split_once("crates/").map_or(at.clone(), |(_, rest)| format!("crates/{rest}")));
            }
        }
        out.insert(word(&p["name"]), package);
    }
    out
}

fn part(path: &str, after: &str) -> String {
    let rest = path.split_once(after).map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// Everything that a build of one package without default features links or runs, itself included; proc-macros and
/// build dependencies too.
///
/// # Panics
/// When cargo does not answer.
#[must_use]
pub fn closure(package: &str) -> Tree {
    let args = ["tree", "-p", package, "-e", "normal,build", "--no-default-features", "--offline", "--prefix", "none"];
    let text = cargo(&[&args[..], &["--format", "{p}|{f}"]].concat());
    let mut out = Tree::new();
    for line in text.lines() {
        let (name, features) = line.split_once('|').unwrap_or((line, ""));
        let name = name.split(' ').next().unwrap_or_default().to_owned();
        let features = features.trim_end_matches("(*)").trim();
        out.entry(name).or_default().extend(features.split(',').filter(|f| !f.is_empty()).map(str::to_owned));
    }
    out
}
