// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProveilVerifier} from "./IProveilVerifier.sol";

/// @title What contracts that act on proofs start from
/// @notice A proof counts once, on one chain, for one contract, one sender and one number. It is bound to them by the
/// context of its statement, so that nobody else can use it first and nobody twice. What is remembered is the number, never
/// the proof's hash: a proof can be made again for the same statement.
abstract contract ProofConsumer {
    /// The sender has used the number before.
    error NonceUsed(address sender, uint256 nonce);

    /// The verifier that this contract trusts, for good.
    IProveilVerifier public immutable VERIFIER;
    /// The model that it trusts.
    bytes32 public immutable MODEL;

    /// Used numbers, 256 to a word.
    mapping(address sender => mapping(uint256 word => uint256 bits)) private _used;

    constructor(IProveilVerifier verifier, bytes32 model) {
        VERIFIER = verifier;
        MODEL = model;
    }

    /// @notice The context that a prover puts into the statement: these bytes.
    function contextOf(address sender, uint256 nonce) public view returns (bytes memory) {
        return abi.encode(block.chainid, address(this), sender, nonce);
    }

    /// @notice Whether a sender has used a number.
    function used(address sender, uint256 nonce) public view returns (bool) {
        return (_used[sender][nonce >> 8] >> (nonce & 0xff)) & 1 != 0;
    }

    /// Checks a proof of `points` (committed inputs and outputs) and `values` (public ones, packed as the key says), and
    /// uses up the sender's number.
    function _accept(bytes calldata proof, uint256 nonce, bytes memory points, bytes memory values) internal {
        if (used(msg.sender, nonce)) revert NonceUsed(msg.sender, nonce);
        _used[msg.sender][nonce >> 8] |= 1 << (nonce & 0xff);
        bytes32 context = keccak256(contextOf(msg.sender, nonce));
        VERIFIER.verify(proof, MODEL, keccak256(abi.encodePacked(context, points, values)));
    }

    /// The value that `width` bytes from `offset` stand for: its distance from the least value of the declared range.
    function _value(bytes memory values, uint256 offset, uint256 width, int256 least) internal pure returns (int256) {
        uint256 word = 0;
        for (uint256 i = 0; i < width; ++i) {
            word = (word << 8) | uint8(values[offset + i]);
        }
        return least + int256(word);
    }
}
