//! Rules for single files: length, unsafe code, unfinished work, tests that refuse.

use proveil_house::{File, files, packages, read};

/// Lines that no file may reach; [`SOFT`] is what a file should stay under.
const HARD: usize = 1000;
const SOFT: usize = 600;
/// Files that may be longer, with the reason.
const LONG: [(&str, &str); 0] = [];
/// Crates whose roots may allow unsafe code.
const UNSAFE: [&str; 0] = [];
/// Least number of tests that show a refusal.
const REFUSALS: usize = 157;

fn sources() -> Vec<File> {
    files(&[".rs"]).into_iter().filter(|f| f.path.starts_with("crates/")).collect()
}

/// Words of unfinished work and of one machine's paths; spelled in halves, since this file is read too.
fn unfinished() -> Vec<String> {
    [("/wor", "k/"), ("todo", "!("), ("unimple", "mented!("), ("#[ign", "ore"), ("FIX", "ME"), ("XX", "X ")]
        .map(|(a, b)| format!("{a}{b}"))
        .into()
}

#[test]
fn rejects_long_files() {
    let mut long = Vec::new();
    for f in sources() {
        let n = f.lines();
        if n >= HARD && !LONG.iter().any(|(p, _)| *p == f.path) {
            long.push(format!("{} has {n} lines", f.path));
        } else if n >= SOFT {
            println!("{}: {n} lines, split it soon", f.path);
        }
    }
    assert!(long.is_empty(), "{long:#?}");
    for (path, reason) in LONG {
        assert!(!reason.is_empty() && read(path).lines().count() >= HARD, "{path} needs no exception");
    }
}

#[test]
fn rejects_unsafe_code() {
    let mut open = Vec::new();
    for (name, package) in packages() {
        if UNSAFE.contains(&package.folder.as_str()) {
            continue;
        }
        for root in package.roots {
            if !read(&root).contains("#![forbid(unsafe_code)]") {
                open.push(format!("{name}: {root} lacks #![forbid(unsafe_code)]"));
            }
        }
    }
    assert!(open.is_empty(), "{open:#?}");
}

#[test]
fn rejects_unfinished_work() {
    let endings = [".rs", ".md", ".toml", ".yml", ".yaml", ".sh", ".sol", ".py", ".js", ".ts", ".json", "run"];
    let mut found = Vec::new();
    for f in files(&endings) {
        for (i, line) in f.text.lines().enumerate() {
            for word in unfinished().iter().filter(|w| line.contains(w.as_str())) {
                found.push(format!("{}:{}: {word}", f.path, i + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn rejects_crates_without_the_workspace_lints() {
    for package in packages().into_values() {
        let manifest = read(&format!("crates/{}/Cargo.toml", package.folder));
        assert!(manifest.contains("[lints]\nworkspace = true"), "crates/{}: inherit the lints", package.folder);
    }
}

/// Every function whose name starts like this one's is a live test: it has a test attribute, and something in it.
#[test]
fn rejects_empty_refusals() {
    let mut count = 0;
    let mut dead = Vec::new();
    for f in sources() {
        let lines: Vec<&str> = f.text.lines().map(str::trim).collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.starts_with("fn rejects_")) {
            count += 1;
            let attributes: Vec<&&str> = lines[..i].iter().rev().take_while(|l| l.starts_with(['#', '/'])).collect();
            let live = attributes.iter().any(|a| a.starts_with("#[test]"))
                && !attributes.iter().any(|a| a.starts_with("#[cfg("));
            let empty = line.ends_with("{}") || lines.get(i + 1).is_some_and(|l| *l == "}");
            if !live || empty {
                dead.push(format!("{}:{}: {line}", f.path, i + 1));
            }
        }
    }
    println!("{count} tests show a refusal");
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(count >= REFUSALS, "{count} tests show a refusal, at least {REFUSALS} did");
}
