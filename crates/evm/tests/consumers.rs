//! Contracts that act on proofs, in a real machine with real proofs of bundled models.
#![forbid(unsafe_code)]

mod machine;
#[macro_use]
mod world;

#[path = "consumers/adapters.rs"]
mod adapters;
#[path = "consumers/anti_cheat.rs"]
mod anti_cheat;
#[path = "consumers/bounty.rs"]
mod bounty;
#[path = "consumers/breaker.rs"]
mod breaker;
#[path = "consumers/lending.rs"]
mod lending;
#[path = "consumers/moderation.rs"]
mod moderation;
#[path = "consumers/registry.rs"]
mod registry;
