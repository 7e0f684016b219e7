//! What can be wrong with a file.

use std::path::PathBuf;

/// Why a file cannot be read, written or understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The operating system refused to read.
    #[error("{path}: {source}; check the path and its permissions", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The operating system refused to write. Nothing was left behind.
    #[error("{path}: cannot write: {source}; choose another place or free some space", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is larger than the command reads.
    #[error("{path}: {bytes} bytes, at most {limit} are read; split the file", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The content is not in the expected format.
    #[error("{path}: {place}: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Array, field or byte.
        place: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The file lacks an input.
    #[error("{path}: no values for input '{input}'; the file has {found}", path = path.display())]
    MissingInput {
        /// The file.
        path: PathBuf,
        /// Name in the model.
        input: String,
        /// What is there instead.
        found: String,
    },
    /// An input has the wrong shape.
    #[error("{path}: input '{input}': expected shape {expected:?}, got {got:?}; reshape the array", path = path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Name in the model.
        input: String,
        /// Shape in the model.
        expected: Vec<usize>,
        /// Shape in the file.
        got: Vec<usize>,
    },
    /// An input has the wrong element type.
    #[error("{path}: input '{input}': expected {expected}, got {got}; convert the array", path = path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// Name in the model.
        input: String,
        /// Type in the model.
        expected: String,
        /// Type in the file.
        got: String,
    },
    /// A value cannot be encoded.
    #[error("{path}: {source}", path = path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Input, cell and reason.
        source: proveil_frontend::FrontendError,
    },
}
