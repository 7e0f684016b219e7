// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";

/// @title Sumcheck rounds
/// @notice A round's polynomial of degree 2 or 3 is sent as its values at 0, 2 (and 3); its value at 1 follows from the
/// running claim. Functions that read rounds check that all messages are reduced, draw each round's challenge, and return
/// the claim that is left.
/// @dev `point` is the memory address of `rounds` words that take the challenges.
library Sumcheck {
    uint256 private constant HALF = 0x183227397098d014dc2822db40c0ac2e9419f4243cdcb848a1f0fac9f8000001;
    uint256 private constant THIRD = 0x2042def740cbc01bd03583cf0100e59370229adafbd0f5b62d414e62a0000001;

    /// Degree 2: two words a round. `s(0) + s(1)` is the claim. The first draw hashes `pending` bytes of messages before
    /// the rounds as well.
    function degree2(uint256 offset, uint256 t, uint256 pending, uint256 rounds, uint256 claim, uint256 point)
        internal
        pure
        returns (uint256, uint256)
    {
        uint256 order = Field.modulus();
        bool ok = true;
        assembly ("memory-safe") {
            let size := add(pending, 64)
            for { let end := add(point, shl(5, rounds)) } lt(point, end) { point := add(point, 32) } {
                // As in {Transcript.draw}.
                let x := keccak256(sub(t, 32), add(size, 32))
                t := add(t, size)
                mstore(sub(t, 32), x)
                size := 64
                x := mod(x, order)
                mstore(point, x)
                let s0 := calldataload(offset)
                let s2 := calldataload(add(offset, 32))
                ok := and(ok, and(lt(s0, order), lt(s2, order)))
                let s1 := addmod(claim, sub(order, s0), order)
                // s = s0 + x (d + (x - 1) e), d = s1 - s0, e = (s2 - 2 s1 + s0) / 2
                let e := mulmod(add(add(s2, s0), shl(1, sub(order, s1))), HALF, order)
                let d := add(add(s1, sub(order, s0)), mulmod(add(x, sub(order, 1)), e, order))
                claim := addmod(s0, mulmod(x, d, order), order)
                offset := add(offset, 64)
            }
        }
        if (!ok) revert Field.NonCanonicalScalar();
        return (claim, t);
    }

    /// Degree 4, as coefficients: four words a round, all but the linear one. `s(0) + s(1)` is the claim.
    function degree4(uint256 offset, uint256 t, uint256 rounds, uint256 claim, uint256 point)
        internal
        pure
        returns (uint256, uint256)
    {
        uint256 order = Field.modulus();
        bool ok = true;
        assembly ("memory-safe") {
            let orders := mul(5, order)
            for { let end := add(point, shl(5, rounds)) } lt(point, end) { point := add(point, 32) } {
                // As in {Transcript.draw}.
                let x := keccak256(sub(t, 32), 160)
                t := add(t, 128)
                mstore(sub(t, 32), x)
                x := mod(x, order)
                mstore(point, x)
                let c := calldataload(add(offset, 96))
                ok := and(ok, lt(c, order))
                let sum := c
                let s := mulmod(c, x, order)
                c := calldataload(add(offset, 64))
                ok := and(ok, lt(c, order))
                sum := add(sum, c)
                s := mulmod(add(s, c), x, order)
                c := calldataload(add(offset, 32))
                ok := and(ok, lt(c, order))
                sum := add(sum, c)
                s := mulmod(add(s, c), x, order)
                c := calldataload(offset)
                ok := and(ok, lt(c, order))
                // The linear coefficient is the claim less twice the constant one and all others.
                s := add(s, addmod(claim, sub(orders, add(sum, shl(1, c))), order))
                claim := addmod(c, mulmod(s, x, order), order)
                offset := add(offset, 128)
            }
        }
        if (!ok) revert Field.NonCanonicalScalar();
        return (claim, t);
    }

    /// Degree 3 with the factor `eq(weights, .)` taken out: three words a round. With `w` the round's weight, `s(0) (1 -
    /// w) + s(1) w` is the claim. To divide by no weight, everything is scaled by the product of the weights so far:
    /// `rounds + 1` words from `scales` take the products, and the claim that is left is scaled by the last one.
    function weighted3(
        uint256 offset,
        uint256 t,
        uint256 rounds,
        uint256 claim,
        uint256 weights,
        uint256 scales,
        uint256 point
    ) internal pure returns (uint256, uint256) {
        uint256 order = Field.modulus();
        bool ok = true;
        assembly ("memory-safe") {
            let scale := 1
            mstore(scales, 1)
            for { let end := add(point, shl(5, rounds)) } lt(point, end) { point := add(point, 32) } {
                let x := keccak256(sub(t, 32), 128)
                t := add(t, 96)
                mstore(sub(t, 32), x)
                x := mod(x, order)
                mstore(point, x)
                let s := calldataload(offset)
                ok := and(ok, lt(s, order))
                // s(0) and s(1), scaled.
                let s1 := mulmod(scale, s, order)
                let w := mload(weights)
                let s0 := mulmod(s1, w, order)
                s1 := addmod(claim, add(sub(order, s1), s0), order)
                scale := mulmod(scale, w, order)
                scales := add(scales, 32)
                mstore(scales, scale)
                weights := add(weights, 32)
                // Lagrange's factors as in {coefficients3}.
                let q := mulmod(x, mulmod(add(x, sub(order, 1)), HALF, order), order)
                let a := mulmod(q, add(x, sub(order, 3)), order)
                s := calldataload(add(offset, 64))
                ok := and(ok, lt(s, order))
                let third := mulmod(add(a, q), THIRD, order)
                let high := mulmod(third, s, order)
                s := calldataload(add(offset, 32))
                ok := and(ok, lt(s, order))
                high := mulmod(scale, add(high, mulmod(sub(order, a), s, order)), order)
                s0 := mulmod(s0, add(add(q, 1), sub(shl(1, order), add(x, third))), order)
                claim := addmod(add(high, s0), mulmod(s1, add(add(a, x), sub(order, q)), order), order)
                offset := add(offset, 96)
            }
        }
        if (!ok) revert Field.NonCanonicalScalar();
        return (claim, t);
    }

    /// How much each message of {degree2} counts in the claim that is left, times `scale`: where messages carry pads,
    /// these are the pads' coefficients, negated. Two words a round go to `out`; returns how much the first claim counts.
    /// @dev With `L` the Lagrange weights of 0, 1, 2 at the round's challenge, a round makes of claim and messages
    /// `L1 claim + (L0 - L1) s(0) + L2 s(2)`.
    function coefficients2(uint256 point, uint256 rounds, uint256 scale, uint256 out)
        internal
        pure
        returns (uint256)
    {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            let p := add(out, shl(6, rounds))
            for { let q := add(point, shl(5, rounds)) } gt(q, point) {} {
                q := sub(q, 32)
                p := sub(p, 64)
                let x := mload(q)
                // L2 = x (x - 1) / 2, L0 = L2 + 1 - x, L1 = x - 2 L2.
                let l2 := mulmod(x, mulmod(add(x, sub(order, 1)), HALF, order), order)
                mstore(p, mulmod(scale, add(add(mul(3, l2), 1), shl(1, sub(order, x))), order))
                mstore(add(p, 32), mulmod(scale, l2, order))
                scale := mulmod(scale, add(x, shl(1, sub(order, l2))), order)
            }
        }
        return scale;
    }

    /// The same for {weighted3}, whose factors `scales` are; three words a round. `scale` is what the claim that is left
    /// counts, over the last of `scales`.
    /// @dev With `u` the product of weights before a round and `v` the one behind it, the scaled claim becomes `L1 claim +
    /// (v L0 - (u - v) L1) s(0) + v L2 s(2) + v L3 s(3)`. With `q = x (x - 1) / 2` and `a = q (x - 3)`: `L1 = a - q + x`,
    /// `L2 = -a`, `L3 = (a + q) / 3`, `L0 = 1 + q - x - L3`; `L0 + L1 = 1 + a - L3`.
    function coefficients3(uint256 point, uint256 scales, uint256 rounds, uint256 scale, uint256 out)
        internal
        pure
        returns (uint256)
    {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            let p := add(out, mul(96, rounds))
            let v := mload(add(scales, shl(5, rounds)))
            for { let i := shl(5, rounds) } i {} {
                i := sub(i, 32)
                p := sub(p, 96)
                let x := mload(add(point, i))
                let q := mulmod(x, mulmod(add(x, sub(order, 1)), HALF, order), order)
                let a := mulmod(q, add(x, sub(order, 3)), order)
                let l3 := mulmod(add(a, q), THIRD, order)
                let l1 := mulmod(scale, add(add(a, x), sub(order, q)), order)
                // v (L0 + L1) - u L1
                let u := mload(add(scales, i))
                v := mulmod(scale, v, order)
                let first := mulmod(v, add(add(a, 1), sub(order, l3)), order)
                mstore(p, addmod(first, mulmod(sub(order, u), l1, order), order))
                mstore(add(p, 32), mulmod(sub(order, a), v, order))
                mstore(add(p, 64), mulmod(l3, v, order))
                scale := l1
                v := u
            }
        }
        return scale;
    }
}
