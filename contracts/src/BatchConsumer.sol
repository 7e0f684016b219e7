// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BatchVerifier} from "./BatchVerifier.sol";
import {ProofConsumer} from "./ProofConsumer.sol";

/// @title What contracts that act on several proofs at once start from
/// @notice As {ProofConsumer}, each proof with its own number, but with one call of a {BatchVerifier} for all of them.
abstract contract BatchConsumer is ProofConsumer {
    /// There are not as many numbers as proofs.
    error NonceMissing(uint256 proofs, uint256 nonces);

    /// What checks several proofs, for good. It is trusted as the verifier behind it is, which this contract uses too.
    BatchVerifier public immutable BATCH;

    constructor(BatchVerifier batch) ProofConsumer(batch.VERIFIER()) {
        BATCH = batch;
    }

    /// Checks proofs of one model for the sender and uses up their numbers; bytes {DATA} to `DATA + size` of each are
    /// what it shows, as {_accept} returns them.
    /// @param size Bytes of public data of each proof, as forms say. With another size no proof is accepted.
    function _acceptAll(bytes32 model, bytes[] calldata proofs, uint256[] calldata nonces, uint256 size) internal {
        uint256 count = proofs.length;
        if (count != nonces.length) revert NonceMissing(count, nonces.length);
        bytes32[] memory models = new bytes32[](count);
        bytes32[] memory digests = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            models[i] = model;
            (, digests[i]) = _use(proofs[i], nonces[i], size);
        }
        BATCH.verifyBatch(proofs, models, digests);
    }
}
