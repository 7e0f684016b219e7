//! Writes the table of operators.
//!
//!     cargo run --release -p proveil-frontend --example operators > docs/operators.md

fn main() {
    print!("{}", proveil_frontend::operators_markdown());
}
