//! Operator families against values worked out in the tests, on small files.

mod classic;
#[path = "../common/mod.rs"]
mod common;
mod external;
mod file;
mod flow;
mod fused;
mod gather;
mod loss;
mod masks;
mod missing;
mod near;
mod power;
mod quantised;
mod recurrent;
mod text;
mod trees;
