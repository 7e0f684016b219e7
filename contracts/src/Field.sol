// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Scalars of BN254
/// @notice Values are kept reduced; whatever comes from calldata is checked by {canonical} before it is used.
library Field {
    /// The number of points of the curve: modulus of scalars.
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    /// A scalar in the proof is not below the modulus.
    error NonCanonicalScalar();
    /// A challenge has no inverse: a proof for it does not exist, prove again.
    error DegenerateChallenge();

    /// Reverts unless `count` consecutive words of calldata from `offset` are below the modulus.
    function canonical(uint256 offset, uint256 count) internal pure {
        bool ok = true;
        assembly ("memory-safe") {
            for { let end := add(offset, shl(5, count)) } lt(offset, end) { offset := add(offset, 32) } {
                ok := and(ok, lt(calldataload(offset), R))
            }
        }
        if (!ok) revert NonCanonicalScalar();
    }

    /// The inverse of `x`, by the precompile for modular exponentiation.
    function inverse(uint256 x) internal view returns (uint256 y) {
        if (x == 0) revert DegenerateChallenge();
        bool ok;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, 32)
            mstore(add(m, 0x20), 32)
            mstore(add(m, 0x40), 32)
            mstore(add(m, 0x60), x)
            mstore(add(m, 0x80), sub(R, 2))
            mstore(add(m, 0xa0), R)
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 0x05, m, 0xc0, m, 0x20))
            y := mload(m)
        }
        // The product shows that the precompile did its work.
        if (!ok || mulmod(x, y, R) != 1) revert DegenerateChallenge();
    }

    /// `prod_k (1 - u_k + u_k x^(2^k))` over `count` words of memory from `u`: the polynomial whose coefficients are the
    /// weights of a multilinear evaluation at `u`.
    function eqPolynomial(uint256 u, uint256 count, uint256 x) internal pure returns (uint256 y) {
        assembly ("memory-safe") {
            y := 1
            for { let end := add(u, shl(5, count)) } lt(u, end) { u := add(u, 32) } {
                // 1 + u (x - 1)
                y := mulmod(y, add(1, mulmod(mload(u), add(x, sub(R, 1)), R)), R)
                x := mulmod(x, x, R)
            }
        }
    }

    /// The polynomial with `count` coefficients in memory from `c`, constant first, at `x`.
    function horner(uint256 c, uint256 count, uint256 x) internal pure returns (uint256 y) {
        assembly ("memory-safe") {
            for { let p := add(c, shl(5, count)) } gt(p, c) {} {
                p := sub(p, 32)
                y := addmod(mulmod(y, x, R), mload(p), R)
            }
        }
    }
}
