//! Writes the starting points of the present proof format into `crates/fuzz/corpus`. They are additions to those that
//! the tests make afresh, so they need not be valid for ever.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use proveil_relation::key::IoVisibility;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, zero_knowledge, input) in
        [("plain", false, IoVisibility::Public), ("hiding", true, IoVisibility::Private)]
    {
        let s = support::subject(zero_knowledge, input);
        fs::write(folder.join("key").join(name), s.key.key.encode())?;
        fs::write(folder.join("statement").join(name), s.statement.encode())?;
        fs::write(folder.join("proof").join(name), s.proof)?;
    }
    Ok(())
}
