//! Reads the repository for the checks in this crate's tests: what each crate may import, what a file may hold, what
//! the documents promise.
//!
//! Linked by nothing; imports no other crate of the workspace.
#![forbid(unsafe_code)]

mod manifests;
mod source;

pub use manifests::{Package, Tree, closure, packages};
pub use source::{File, files, read, root, without_tests};
