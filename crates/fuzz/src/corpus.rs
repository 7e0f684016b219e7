//! Checked-in inputs: starting points, and whatever once went wrong.

use std::fs;
use std::io;
use std::path::Path;

/// All files of one target's corpus, in order of their names.
///
/// # Errors
/// When the folder `corpus/<target>` of this crate cannot be read.
pub fn corpus(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().filter(|p| p.is_file()).map(fs::read).collect()
}
