//! The book's chapter of what can be proved is what the command does now.
#![forbid(unsafe_code)]

#[path = "../examples/what_can_i_prove/page.rs"]
mod page;

use std::path::Path;

#[test]
fn matches_what_is_compiled_proved_and_verified() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = page::page(Path::new(env!("CARGO_BIN_EXE_proveil")), &root.join("models")).expect("everything holds");
    let book = std::fs::read_to_string(root.join("docs/what-can-i-prove.md")).expect("the chapter");
    assert!(page == book, "write docs/what-can-i-prove.md anew: see the example `what_can_i_prove`");
}
