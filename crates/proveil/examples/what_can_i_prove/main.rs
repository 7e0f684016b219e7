//! Writes the book's chapter of what can be proved: every line of its tables is tried before it is written.
//!
//!     cargo build --release --workspace --bin proveil --examples
//!     target/release/examples/what_can_i_prove > docs/what-can-i-prove.md

mod page;

fn main() -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let built = own.ancestors().nth(2).ok_or("the example lies in no folder of builds")?;
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
    print!("{}", page::page(&built.join("proveil"), models.as_ref())?);
    Ok(())
}
