//! What goes on a chain: the account that holds a model's key, and the bytes that a verifier is called with.

use proveil_protocol::transcript::keccak256;

/// Code that deploys an account whose code is one zero byte, so that nothing in it runs, and the key.
///
/// # Shapes
/// Keys of up to 24,575 bytes, the largest that chains take.
#[must_use]
pub fn key_account(key: &[u8]) -> Vec<u8> {
    // PUSH2 size, DUP1, PUSH1 11 (where the code begins), RETURNDATASIZE (zero), CODECOPY, RETURNDATASIZE, RETURN.
    let [.., a, b] = (key.len() + 1).to_be_bytes();
    [&[0x61, a, b, 0x80, 0x60, 0x0a, 0x3d, 0x39, 0x3d, 0xf3, 0][..], key].concat()
}

/// Four bytes that lead every proof: the first ones of what a transcript under the protocol's name absorbs.
#[must_use]
pub fn version_bytes() -> [u8; 4] {
    let (label, protocol) = (b"protocol", b"proveil/succinct/1");
    let [a, b, c, d, ..] = keccak256(&[&(label.len() as u64).to_be_bytes(), label, protocol]);
    [a, b, c, d]
}

/// A proof as a contract takes it: the version, the account of the key, the public data, the messages.
#[must_use]
pub fn proof(key: [u8; 20], public_data: &[u8], messages: &[u8]) -> Vec<u8> {
    [&version_bytes()[..], &key, public_data, messages].concat()
}
