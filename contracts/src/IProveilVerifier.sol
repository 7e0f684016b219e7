// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What consumers of proofs call
interface IProveilVerifier {
    /// The proof is of another protocol version.
    error WrongSelector();
    /// The public data in the proof do not have the hash that the caller gave.
    error WrongPublicData();

    /// @notice What is left of a proof once everything else is checked: one equation between points,
    ///
    ///     e(left + list [list0] + model [model0] - generator G - blinding H, G_2)  =  e(right, setUp).
    ///
    /// The factors of points that many proofs have in common stand apart, so that equations are added up cheaply.
    struct Equation {
        /// State of the proof's transcript behind its last message: the hash of everything that the equation is made from.
        bytes32 transcript;
        uint256 leftX;
        uint256 leftY;
        uint256 rightX;
        uint256 rightY;
        uint256 generator;
        uint256 blinding;
        /// Factors of two points of the model's key; if it has no weights the second one is zero and its point means nothing.
        uint256 list;
        uint256 model;
        uint256 listX;
        uint256 listY;
        uint256 modelX;
        uint256 modelY;
        /// The set-up's point in the second group, as EIP-197 orders coordinates.
        uint256 setUpX1;
        uint256 setUpX0;
        uint256 setUpY1;
        uint256 setUpY0;
    }

    /// @notice Four bytes that lead every proof; they name the version of the protocol.
    function SELECTOR() external view returns (bytes4);

    /// @notice Reverts, with an error that names the check, unless `proof` shows that the model named by `modelId`
    /// computes the public data whose keccak256 is `publicDigest`.
    function verify(bytes calldata proof, bytes32 modelId, bytes32 publicDigest) external view;

    /// @notice All of {verify} but the pairing. What it returns shows nothing by itself: the proof is to be accepted only by who
    /// checks the equation, as {BatchVerifier} does for several proofs at once.
    function reduce(bytes calldata proof, bytes32 modelId, bytes32 publicDigest)
        external
        view
        returns (Equation memory);
}
