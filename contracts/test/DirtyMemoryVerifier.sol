// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProveilVerifier} from "../src/ProveilVerifier.sol";

/// @title The verifier with garbage in all memory that it has not yet taken
/// @notice Functions that take memory and count on zeros in it go wrong here. The garbage comes once the key is loaded, before
/// everything that is done for a proof.
contract DirtyMemoryVerifier is ProveilVerifier {
    /// Fills 64 KiB behind what is taken, and the scratch space that holds nothing.
    function _acceptsInsecure() internal pure override returns (bool) {
        assembly ("memory-safe") {
            let from := mload(0x40)
            for { let p := from } lt(p, add(from, 0x10000)) { p := add(p, 32) } { mstore(p, not(mul(p, 0x9e3779b97f4a7c15))) }
            mstore(0, not(0))
        }
        return true;
    }
}
