// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProveilVerifier} from "./IProveilVerifier.sol";

/// @title Yes or no, and several proofs at once
/// @notice For callers that expect a truth value where {IProveilVerifier} reverts. Whoever does not look at it accepts
/// everything: prefer the verifier itself.
contract BooleanVerifier {
    /// The lists have different lengths.
    error LengthMismatch();

    IProveilVerifier public immutable VERIFIER;

    constructor(IProveilVerifier verifier) {
        VERIFIER = verifier;
    }

    /// @notice Whether the proof is accepted. A call that runs out of gas counts as not accepted.
    function isValid(bytes calldata proof, bytes32 modelId, bytes32 publicDigest) public view returns (bool) {
        try VERIFIER.verify(proof, modelId, publicDigest) {
            return true;
        } catch {
            return false;
        }
    }

    /// @notice Reverts unless all proofs are accepted; saves what transactions cost in themselves.
    function verifyAll(bytes[] calldata proofs, bytes32[] calldata modelIds, bytes32[] calldata publicDigests)
        external
        view
    {
        if (proofs.length != modelIds.length || proofs.length != publicDigests.length) revert LengthMismatch();
        for (uint256 i = 0; i < proofs.length; ++i) {
            VERIFIER.verify(proofs[i], modelIds[i], publicDigests[i]);
        }
    }
}
