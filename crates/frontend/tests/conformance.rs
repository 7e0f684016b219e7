//! The bundled sample of the standard's node tests.

#[path = "common/node_case.rs"]
mod node_case;

use std::path::PathBuf;

use node_case::{Case, Outcome, judge};

#[test]
fn matches_reference_outputs_of_the_standard() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let entries = std::fs::read_dir(&root).expect("the sample is bundled").map(|e| e.expect("readable").path());
    let folders: Vec<PathBuf> = entries.filter(|p| p.is_dir()).collect();
    assert!(folders.len() >= 48, "{} cases are left of the sample", folders.len());
    let mut bad = Vec::new();
    for folder in folders {
        let case = Case::read(&folder).expect("the case is readable");
        match judge(&case) {
            Outcome::Passed(note) => println!("{}: passed {note}", case.operator),
            Outcome::Failed(why) | Outcome::Unsupported(why) | Outcome::Skipped(why) => {
                bad.push(format!("{} ({}): {why}", folder.display(), case.operator));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
