//! The contracts' sources, for those who put them into projects of their own.

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../contracts/src/", $name)))),*]
    };
}

/// Files of `contracts/src` by name, but for those that need parts of others.
pub const SOURCES: &[(&str, &str)] = sources![
    "BatchConsumer.sol",
    "BatchVerifier.sol",
    "BooleanVerifier.sol",
    "Curve.sol",
    "Evaluation.sol",
    "Field.sol",
    "Form.sol",
    "IProveilVerifier.sol",
    "InnerClaim.sol",
    "InsecureDevelopmentVerifier.sol",
    "Key.sol",
    "Lists.sol",
    "Mercury.sol",
    "ModelKey.sol",
    "Phases.sol",
    "Prefix.sol",
    "Proof.sol",
    "ProofConsumer.sol",
    "ProveilVerifier.sol",
    "PublicData.sol",
    "Real.sol",
    "Sumcheck.sol",
    "Transcript.sol",
];

/// Paths in a source's import lines.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|l| l.starts_with("import "));
    lines.filter_map(|l| l.rsplit_once(" from \"")?.1.strip_suffix("\";"))
}

/// Those files that the named ones need, themselves included, in order of their names.
#[must_use]
pub fn needed(roots: &[&str]) -> Vec<(&'static str, &'static str)> {
    let mut open: Vec<String> = roots.iter().map(|n| (*n).to_owned()).collect();
    let mut found: Vec<(&str, &str)> = Vec::new();
    while let Some(name) = open.pop() {
        let known = |(n, _): &&(&str, &str)| *n == name;
        if found.iter().find(known).is_some() {
            continue;
        }
        if let Some(file) = SOURCES.iter().find(known) {
            found.push(*file);
            open.extend(imports(file.1).filter_map(|p| p.strip_prefix("./")).map(str::to_owned));
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_folder_of_sources() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/src");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| {
                let text = std::fs::read_to_string(format!("{folder}/{n}")).unwrap();
                n.ends_with(".sol") && imports(&text).all(|p| p.starts_with("./"))
            })
            .collect();
        names.sort();
        assert_eq!(SOURCES.iter().map(|s| s.0).collect::<Vec<_>>(), names);
    }

    #[test]
    fn accepts_a_verifier_with_all_it_imports() {
        let files = needed(&["InsecureDevelopmentVerifier.sol"]);
        let has = |name: &str| files.iter().any(|f| f.0 == name);
        assert!(has("ProveilVerifier.sol") && has("Mercury.sol") && !has("BooleanVerifier.sol"));
        for (name, text) in &files {
            for path in imports(text) {
                assert!(has(path.trim_start_matches("./")), "{name} imports {path}");
            }
        }
    }
}
