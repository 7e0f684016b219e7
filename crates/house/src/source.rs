//! Files of the repository and their text.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the repository.
#[derive(Clone, Debug)]
pub struct File {
    /// Path from the repository root, with forward slashes.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// Number of lines.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Documentation comments of a Rust file, with their line numbers from 1.
    pub fn doc_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(i, l)| (i + 1, l.trim_start()));
        numbered.filter(|(_, l)| l.starts_with("//!") || l.starts_with("///"))
    }
}

/// The repository root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Text of one file.
///
/// # Panics
/// When the file is missing or is not text: every caller names a file that must be there.
#[must_use]
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// All files below the root whose names end as given, in order of their paths; build outputs and version control are
/// left out, and so is what is not text.
#[must_use]
pub fn files(endings: &[&str]) -> Vec<File> {
    let mut out = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !["target", ".git", "node_modules", "__pycache__"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|e| name.ends_with(e)) {
                let relative = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                out.extend(fs::read_to_string(&path).ok().map(|text| File { path: relative, text }));
            }
        }
    }
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// Text before the first `#[cfg(test)]`: what is shipped.
#[must_use]
pub fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}
