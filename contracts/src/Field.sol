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

    /// Puts the modulus where {modulus} reads it: into the second word of scratch space, which nothing else here uses and
    /// the compiler only on the way to a revert. As a constant it would be thirty-three bytes of code at every use.
    function begin() internal pure {
        assembly ("memory-safe") {
            mstore(0x20, R)
        }
    }

    /// The modulus, once {begin} has run.
    function modulus() internal pure returns (uint256 order) {
        assembly ("memory-safe") {
            order := mload(0x20)
        }
    }

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
        uint256 order = modulus();
        if (x == 0) revert DegenerateChallenge();
        bool ok;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, 32)
            mstore(add(m, 0x20), 32)
            mstore(add(m, 0x40), 32)
            mstore(add(m, 0x60), x)
            mstore(add(m, 0x80), sub(order, 2))
            mstore(add(m, 0xa0), order)
            ok := and(eq(returndatasize(), 32), staticcall(gas(), 0x05, m, 0xc0, m, 0x20))
            y := mload(m)
        }
        // The product shows that the precompile did its work.
        if (!ok || mulmod(x, y, order) != 1) revert DegenerateChallenge();
    }

    /// `prod_k (1 - u_k + u_k x^(2^k))` over `count` words of memory from `u`, the polynomial whose coefficients are the
    /// weights of a multilinear evaluation at `u`; at two points.
    function eqPolynomials(uint256 u, uint256 count, uint256 x, uint256 y)
        internal
        pure
        returns (uint256 atX, uint256 atY)
    {
        uint256 order = modulus();
        assembly ("memory-safe") {
            atX := 1
            atY := 1
            for { let end := add(u, shl(5, count)) } lt(u, end) { u := add(u, 32) } {
                // 1 + u (x - 1)
                let c := mload(u)
                atX := mulmod(atX, add(1, mulmod(c, add(x, sub(order, 1)), order)), order)
                atY := mulmod(atY, add(1, mulmod(c, add(y, sub(order, 1)), order)), order)
                x := mulmod(x, x, order)
                y := mulmod(y, y, order)
            }
        }
    }

    /// The polynomial with `count` coefficients in memory from `c`, constant first, at two points.
    function horner2(uint256 c, uint256 count, uint256 x, uint256 y)
        internal
        pure
        returns (uint256 atX, uint256 atY)
    {
        uint256 order = modulus();
        assembly ("memory-safe") {
            // Sums stay below three times the modulus, which multiplication reduces.
            let p := add(c, shl(5, count))
            // The ones above a multiple of four, then four at a time.
            for { let end := add(c, shl(7, shr(2, count))) } gt(p, end) {} {
                p := sub(p, 32)
                let k := mload(p)
                atX := add(mulmod(atX, x, order), k)
                atY := add(mulmod(atY, y, order), k)
            }
            for {} gt(p, c) {} {
                let k := mload(sub(p, 32))
                atX := add(mulmod(atX, x, order), k)
                atY := add(mulmod(atY, y, order), k)
                k := mload(sub(p, 64))
                atX := add(mulmod(atX, x, order), k)
                atY := add(mulmod(atY, y, order), k)
                k := mload(sub(p, 96))
                atX := add(mulmod(atX, x, order), k)
                atY := add(mulmod(atY, y, order), k)
                p := sub(p, 128)
                k := mload(p)
                atX := add(mulmod(atX, x, order), k)
                atY := add(mulmod(atY, y, order), k)
            }
            atX := mod(atX, order)
            atY := mod(atY, order)
        }
    }

    /// The polynomial with `count` coefficients in memory from `c`, constant first, at `x`.
    function horner(uint256 c, uint256 count, uint256 x) internal pure returns (uint256 y) {
        uint256 order = modulus();
        assembly ("memory-safe") {
            for { let p := add(c, shl(5, count)) } gt(p, c) {} {
                p := sub(p, 32)
                y := add(mulmod(y, x, order), mload(p))
            }
            y := mod(y, order)
        }
    }

    /// `prod_k (x_k y_k + (1 - x_k) (1 - y_k))` over `count` words of memory from `x` and from `y`.
    function eq(uint256 x, uint256 y, uint256 count) internal pure returns (uint256 value) {
        uint256 order = modulus();
        assembly ("memory-safe") {
            value := 1
            for { let end := add(x, shl(5, count)) } lt(x, end) { x := add(x, 32) } {
                let a := mload(x)
                let b := mload(y)
                // 1 - a - b + 2 a b
                value := mulmod(value, add(shl(1, mulmod(a, b, order)), add(1, sub(shl(1, order), add(a, b)))), order)
                y := add(y, 32)
            }
        }
    }
}
