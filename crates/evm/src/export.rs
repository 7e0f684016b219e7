//! What goes on a chain: the account that holds a model's key, and the bytes that a verifier is called with.

use proveil_protocol::transcript::keccak256;

use crate::abi::{Abi, encode};
use crate::artifact::{Artifact, ArtifactError};

/// The compiled verifier: the one for production, or the one that takes keys of development set-ups too and says so in
/// its name.
///
/// # Errors
/// `Field` if the artifact is not what the compile script makes.
pub fn verifier(insecure: bool) -> Result<Artifact, ArtifactError> {
    Artifact::parse(verifier_file(insecure))
}

/// The file that [`verifier`] is read from.
#[must_use]
pub fn verifier_file(insecure: bool) -> &'static str {
    if insecure {
        include_str!("../../../contracts/out/InsecureDevelopmentVerifier.json")
    } else {
        include_str!("../../../contracts/out/ProveilVerifier.json")
    }
}

/// The compiled contract that checks several proofs in one call; its constructor takes the address of a verifier.
///
/// # Errors
/// As [`verifier`].
pub fn batch_verifier() -> Result<Artifact, ArtifactError> {
    Artifact::parse(BATCH_VERIFIER)
}

/// The file that [`batch_verifier`] is read from.
pub const BATCH_VERIFIER: &str = include_str!("../../../contracts/out/BatchVerifier.json");

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
    let (label, protocol) = (b"protocol", b"proveil/succinct/2");
    let [a, b, c, d, ..] = keccak256(&[&(label.len() as u64).to_be_bytes(), label, protocol]);
    [a, b, c, d]
}

/// A proof as a contract takes it: the version, the account of the key, the public data, the messages.
#[must_use]
pub fn proof(key: [u8; 20], public_data: &[u8], messages: &[u8]) -> Vec<u8> {
    [&version_bytes()[..], &key, public_data, messages].concat()
}

/// What `verify(bytes,bytes32,bytes32)` is called with, from the function's name on.
#[must_use]
pub fn verify_call(proof: &[u8], model_id: [u8; 32], public_digest: [u8; 32]) -> Vec<u8> {
    let [a, b, c, d, ..] = keccak256(&[b"verify(bytes,bytes32,bytes32)"]);
    let arguments = [Abi::Bytes(proof.to_vec()), Abi::Word(model_id), Abi::Word(public_digest)];
    [&[a, b, c, d][..], &encode(&arguments)].concat()
}

/// What `verifyBatch(bytes[],bytes32[],bytes32[])` is called with, from the function's name on: proofs with their model ids and
/// hashes of public data.
#[must_use]
pub fn verify_batch_call(items: &[(&[u8], [u8; 32], [u8; 32])]) -> Vec<u8> {
    let [a, b, c, d, ..] = keccak256(&[b"verifyBatch(bytes[],bytes32[],bytes32[])"]);
    let proofs = items.iter().map(|i| Abi::Bytes(i.0.to_vec())).collect();
    let ids = items.iter().map(|i| Abi::Word(i.1)).collect();
    let digests = items.iter().map(|i| Abi::Word(i.2)).collect();
    let arguments = [Abi::List(proofs), Abi::List(ids), Abi::List(digests)];
    [&[a, b, c, d][..], &encode(&arguments)].concat()
}

/// The context that `ProofConsumer` binds a proof to: chain, contract, sender and a number of the sender's.
#[must_use]
pub fn context(chain: u64, contract: [u8; 20], sender: [u8; 20], nonce: [u8; 32]) -> Vec<u8> {
    let address = |a: [u8; 20]| {
        let mut w = [0; 32];
        w.iter_mut().skip(12).zip(a).for_each(|(w, b)| *w = b);
        Abi::Word(w)
    };
    encode(&[Abi::uint(chain), address(contract), address(sender), Abi::Word(nonce)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_reference_of_a_call() {
        let call = verify_call(&[7; 33], [1; 32], [2; 32]);
        assert_eq!(call.len(), 4 + 4 * 32 + 64);
        assert_eq!((&call[4 + 32..4 + 64], &call[4 + 64..4 + 96]), (&[1; 32][..], &[2; 32][..]));
        assert_eq!((call[35], call[4 + 96 + 31], call[4 + 128 + 32], call[4 + 128 + 33]), (96, 33, 7, 0));
    }

    #[test]
    fn matches_reference_of_a_batch_call() {
        let call = verify_batch_call(&[(&[7; 33], [1; 32], [2; 32]), (&[8; 1], [3; 32], [4; 32])]);
        let word = |i: usize| &call[4 + 32 * i..4 + 32 * (i + 1)];
        // Three places of lists; two byte strings behind their places; ids; digests.
        let low: Vec<u8> = [0, 1, 2, 3, 4, 5, 6, 9, 11, 14].map(|i| word(i)[31]).into();
        assert_eq!(low, [96, 11 * 32, 14 * 32, 2, 64, 160, 33, 1, 2, 2].map(|n: i32| n as u8));
        assert_eq!((word(12), word(13), word(15), word(16)), (&[1; 32][..], &[3; 32][..], &[2; 32][..], &[4; 32][..]));
        assert_eq!(call.len(), 4 + 17 * 32);
        let artifact = batch_verifier().unwrap();
        assert_eq!(call[..4], artifact.function("verifyBatch").unwrap());
    }

    #[test]
    fn matches_reference_of_a_context() {
        let c = context(31_337, [0xaa; 20], [0xbb; 20], [3; 32]);
        assert_eq!((c.len(), &c[..30]), (128, &[0; 30][..]));
        assert_eq!((&c[30..32], &c[32..44], c[44], c[63], c[76]), (&[0x7a, 0x69][..], &[0; 12][..], 0xaa, 0xaa, 0xbb));
        assert_eq!(c[96..], [3; 32]);
    }
}
