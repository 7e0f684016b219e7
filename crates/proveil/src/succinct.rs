//! Proofs for contracts: the succinct backend on the same packages, graphs and witnesses.
//!
//! The path: [`add_keys`] gives a [`crate::Package`] its keys for contracts; [`Engine::load`] prepares it with a set-up;
//! [`Engine::prove`] runs the model and proves the result; [`KeyFile::verify`] checks a proof with the short key alone, as a
//! contract does. [`FullKey`] is what the short key is made from: who has it and the set-up can make the short one again.

mod engine;
mod estimate;
mod export;
mod folder;
mod full;
mod key;
mod registration;
mod security;
mod set_up;

pub use engine::{Engine, Proved, add_keys, add_keys_from};
pub use estimate::OnChain;
pub use export::{Call, batch_calldata};
pub use full::{FULL_KEY_MAGIC, FullKey};
pub use key::{KeyFile, SHORT_KEY_MAGIC, verify_batch};
pub use security::{BITS, SecurityRow, security_rows};
pub use set_up::SetUp;

use proveil_kzg::Point;
use proveil_kzg::commit::Committed;
use proveil_protocol::merkle::Commitment;
use proveil_protocol::sample::Sampled;
use proveil_protocol::transcript::Digest;

/// Keys for contracts inside a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractKeys {
    /// Seed of the model commitment's blind. Secret.
    pub seed: [u8; 32],
    /// The short key; it holds the model's commitment and names the set-up.
    pub short: proveil_succinct::ShortKey,
    /// Hash of the short key's points and of what they commit to (list, model's cells and blind), as it was when they were
    /// made: a prover of the same code need not commit again, one of other code refuses the package.
    pub behind: Digest,
}

/// A point as statements hold it: its coordinates in place of a root and a nonce.
#[must_use]
pub fn as_commitment(point: &Point) -> Commitment {
    let bytes = point.to_bytes();
    let (x, y) = bytes.split_at(32);
    Commitment { root: x.try_into().unwrap_or_default(), nonce: y.try_into().unwrap_or_default() }
}

/// The commitment of a committed column.
fn commitment(c: &Committed) -> Sampled {
    Sampled::binding(as_commitment(&c.point))
}
