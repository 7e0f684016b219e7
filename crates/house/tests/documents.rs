//! What the documents promise is what the repository does.

use std::collections::BTreeSet;

use proveil_house::{files, packages, read};

/// Documents that the root must hold.
const ROOT: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "GLOSSARY.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

/// The lines of the first fenced block of a document.
fn first_block(text: &str) -> Vec<String> {
    let inside = text.lines().skip_while(|l| !l.starts_with("```")).skip(1);
    inside.take_while(|l| !l.starts_with("```")).map(str::to_owned).collect()
}

/// Words in bold of the last column of the glossary's tables, in lower case.
fn banned() -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for line in read("GLOSSARY.md").lines().filter(|l| l.starts_with("| ") && !l.starts_with("| Word")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        if let [_, _, instead] = cells.as_slice() {
            out.extend(
                instead.split(',').map(|w| w.trim().to_lowercase()).filter(|w| w.chars().any(char::is_alphabetic)),
            );
        }
    }
    out
}

fn holds_word(line: &str, word: &str) -> bool {
    let line = line.to_lowercase();
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(word).any(|(i, w)| {
        let after = line[i + w.len()..].trim_start_matches('s');
        edge(line[..i].chars().next_back()) && edge(after.chars().next())
    })
}

#[test]
fn accepts_the_documents_of_the_root() {
    for path in ROOT {
        assert!(read(path).len() > 500, "{path} is too short to say anything");
    }
}

#[test]
fn matches_the_commands_of_the_readme() {
    let commands = first_block(&read("README.md"));
    assert_eq!(commands.len(), 2, "the first block of README.md holds two commands");
    let ci = read(".ci/run");
    for c in commands {
        assert!(ci.lines().any(|l| l.trim_end().ends_with(&c)), ".ci/run does not run `{c}`");
    }
}

#[test]
fn matches_the_crates_of_the_architecture() {
    let text = read("ARCHITECTURE.md");
    for package in packages().into_values() {
        assert!(text.contains(&format!("`crates/{}`", package.folder)), "ARCHITECTURE.md lacks {}", package.folder);
    }
}

#[test]
fn rejects_links_to_nothing() {
    for f in files(&[".md"]) {
        let folder = f.path.rsplit_once('/').map_or(String::new(), |(d, _)| format!("{d}/"));
        for link in f.text.split("](").skip(1).filter_map(|s| s.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let at = proveil_house::root().join(format!("{folder}{path}"));
            assert!(at.exists(), "{}: the link {link} leads nowhere", f.path);
        }
    }
}

#[test]
fn rejects_banned_synonyms() {
    let banned = banned();
    assert!(banned.len() >= 20, "the glossary bans {} words only", banned.len());
    let mut found = Vec::new();
    let mut look = |place: String, line: &str| {
        for word in banned.iter().filter(|w| holds_word(line, w)) {
            found.push(format!("{place}: '{word}' has another name, see GLOSSARY.md"));
        }
    };
    for f in files(&[".md"]).iter().filter(|f| f.path != "GLOSSARY.md") {
        f.text.lines().enumerate().for_each(|(i, l)| look(format!("{}:{}", f.path, i + 1), l));
    }
    for f in files(&[".rs"]) {
        f.doc_lines().for_each(|(i, l)| look(format!("{}:{i}", f.path), l));
    }
    assert!(found.is_empty(), "{found:#?}");
}
