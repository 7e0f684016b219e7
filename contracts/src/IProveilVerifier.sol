// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What consumers of proofs call
interface IProveilVerifier {
    /// The proof is of another protocol version.
    error WrongSelector();
    /// The public data in the proof do not have the hash that the caller gave.
    error WrongPublicData();

    /// @notice Four bytes that lead every proof; they name the version of the protocol.
    function SELECTOR() external view returns (bytes4);

    /// @notice Reverts, with an error that names the check, unless `proof` shows that the model named by `modelId`
    /// computes the public data whose keccak256 is `publicDigest`.
    function verify(bytes calldata proof, bytes32 modelId, bytes32 publicDigest) external view;
}
