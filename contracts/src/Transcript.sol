// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";

/// @title The keccak transcript
/// @notice The proof lies in memory in one piece behind one word that holds the state. A challenge hashes state and all
/// messages since the last challenge, and the new state is written over the last word of what was hashed: nothing is
/// copied. Values of messages are therefore read from calldata, never from this copy.
/// @dev A transcript is the memory address of its first message that is not hashed; the state is in the word before.
library Transcript {
    /// Copies `proof` behind a state.
    function begin(uint256 state, bytes calldata proof) internal pure returns (uint256 t) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, state)
            t := add(m, 32)
            calldatacopy(t, proof.offset, proof.length)
            mstore(0x40, and(add(add(t, proof.length), 63), not(31)))
        }
    }

    /// Copies `proof` behind the first state and three words that are hashed first: what a proof is bound to.
    function begin(bytes32 protocol, bytes32 model, bytes32 statement, bytes calldata proof)
        internal
        pure
        returns (uint256 t)
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, 0)
            mstore(add(m, 32), protocol)
            mstore(add(m, 64), model)
            mstore(add(m, 96), statement)
            t := add(m, 32)
            calldatacopy(add(m, 128), proof.offset, proof.length)
            mstore(0x40, and(add(add(m, proof.length), 191), not(31)))
        }
    }

    /// Hashes the next `bytes_` bytes of messages; returns the challenge and the transcript behind them.
    function draw(uint256 t, uint256 bytes_) internal pure returns (uint256 challenge, uint256 next) {
        uint256 modulus = Field.R;
        assembly ("memory-safe") {
            next := add(t, bytes_)
            let state := keccak256(sub(t, 32), add(bytes_, 32))
            mstore(sub(next, 32), state)
            challenge := mod(state, modulus)
        }
    }
}
