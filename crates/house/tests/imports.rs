//! Who may import whom, and what the verifier is made of.

use std::collections::BTreeSet;

use proveil_house::{closure, packages, read};

/// Crates of the argument, and the crates of the workspace that each links in a normal build.
const IMPORTS: [(&str, &[&str]); 12] = [
    ("algebra", &[]),
    ("protocol", &["algebra"]),
    ("relation", &["algebra", "protocol"]),
    ("verifier", &["algebra", "protocol", "relation"]),
    ("kzg", &["algebra", "protocol"]),
    ("succinct", &["algebra", "protocol", "kzg", "relation", "verifier", "prover"]),
    ("evm", &["algebra", "kzg", "protocol"]),
    ("graph", &[]),
    ("frontend", &["graph"]),
    ("compiler", &["algebra", "protocol", "relation", "graph"]),
    ("prover", &["algebra", "protocol", "relation", "verifier"]),
    (
        "proveil",
        &[
            "algebra", "protocol", "kzg", "relation", "verifier", "succinct", "evm", "graph", "frontend", "compiler",
            "prover",
        ],
    ),
];

/// Packages that verifying code must not link: threads, system randomness, allocators of its own, clocks, ONNX.
const BANNED: [&str; 10] =
    ["rayon", "rayon-core", "getrandom", "rand_chacha", "tokio", "num_cpus", "chrono", "libc", "tract-onnx", "prost"];

fn full(folder: &str) -> String {
    if folder == "proveil" { folder.into() } else { format!("proveil-{folder}") }
}

fn ours(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().filter(|n| *n == "proveil" || n.starts_with("proveil-")).cloned().collect()
}

#[test]
fn accepts_imports_of_the_table_only() {
    let all = packages();
    for (folder, allowed) in IMPORTS {
        let package = all.get(&full(folder)).unwrap_or_else(|| panic!("no package {}", full(folder)));
        assert_eq!(package.folder, folder);
        let allowed: BTreeSet<String> = allowed.iter().map(|a| full(a)).collect();
        let extra: Vec<_> = ours(&package.normal).difference(&allowed).cloned().collect();
        assert!(extra.is_empty(), "crates/{folder} must not import {extra:?}");
        assert!(package.build.is_empty(), "crates/{folder} must not have build dependencies");
    }
}

#[test]
fn accepts_no_facade_below_the_facade() {
    for (name, package) in packages() {
        let lends = ours(&package.normal);
        assert!(!lends.contains("proveil-house"), "{name} imports the house rules");
        assert!(!lends.contains("proveil-fuzz"), "{name} imports the fuzz targets");
    }
}

#[test]
fn matches_the_listed_closure_of_the_verifier() {
    let tree = closure("proveil-verifier");
    let (own, external): (BTreeSet<String>, BTreeSet<String>) =
        tree.keys().cloned().partition(|n| n.starts_with("proveil"));
    let expected: BTreeSet<String> = ["algebra", "protocol", "relation", "verifier"].map(full).into();
    assert_eq!(own, expected, "crates of this workspace behind the verifier");
    let listed: BTreeSet<String> = read("crates/house/allowed/verifier.txt")
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let new: Vec<_> = external.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&external).collect();
    assert!(new.is_empty(), "new packages behind the verifier: {new:?}; review them, then list them");
    assert!(gone.is_empty(), "no longer behind the verifier, strike out: {gone:?}");
}

/// The verifier's half of the commitments on the curve: what it links beyond the verifier itself is a list of its own,
/// so that it grows no more quietly.
#[test]
fn matches_the_listed_closure_of_the_curve() {
    let tree = closure("proveil-kzg");
    let lines = |path: &str| -> BTreeSet<String> {
        let text = read(path);
        let names = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        names.map(str::to_owned).collect()
    };
    let external: BTreeSet<String> = tree.keys().filter(|n| !n.starts_with("proveil")).cloned().collect();
    let (shared, listed) = (lines("crates/house/allowed/verifier.txt"), lines("crates/house/allowed/kzg.txt"));
    let own: BTreeSet<String> = external.difference(&shared).cloned().collect();
    assert_eq!(own, listed, "packages behind the verifier's half of proveil-kzg; review them, then list them");
    for name in ["rayon", "rayon-core", "getrandom", "libc", "tokio", "num_cpus", "chrono"] {
        assert!(!tree.contains_key(name), "the verifier's half of proveil-kzg links {name}");
    }
}

#[test]
fn rejects_threads_clocks_and_system_randomness_behind_the_verifier() {
    let tree = closure("proveil-verifier");
    for name in BANNED {
        assert!(!tree.contains_key(name), "the verifier links {name}");
    }
    // Build scripts and proc-macros run on the machine that compiles; they may use the standard library.
    let at_compile_time = ["cc", "shlex", "find-msvc-tools", "autocfg", "syn", "quote", "proc-macro2"];
    for (name, features) in tree.iter().filter(|(n, _)| !at_compile_time.contains(&n.as_str())) {
        for f in ["std", "parallel", "rayon", "thread_rng", "sys_rng", "os_rng", "backtrace"] {
            assert!(!features.contains(f), "the verifier links {name} with feature {f}");
        }
    }
    let all = packages();
    for folder in ["algebra", "protocol", "relation", "verifier"] {
        let direct = &all[&full(folder)].normal;
        assert!(!direct.contains("rand") && !direct.contains("rayon"), "crates/{folder} imports rand or rayon");
    }
}
