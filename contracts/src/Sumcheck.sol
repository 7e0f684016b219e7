// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";

/// @title Sumcheck rounds
/// @notice A round's polynomial of degree 2 or 3 is sent as its values at 0, 2 (and 3); its value at 1 follows from the
/// running claim. Both functions check that all messages are reduced, draw each round's challenge, and return the claim
/// that is left.
/// @dev `point` is the memory address of `rounds` words that take the challenges.
library Sumcheck {
    uint256 private constant HALF = 0x183227397098d014dc2822db40c0ac2e9419f4243cdcb848a1f0fac9f8000001;
    uint256 private constant INV120 = 0x12f4163142de1a76bd85d7099d63ba136b7abafa40bdf6c16dc991405799999a;
    uint256 private constant THIRD = 0x2042def740cbc01bd03583cf0100e59370229adafbd0f5b62d414e62a0000001;
    uint256 private constant SIXTH = 0x285396b510feb022c442e4c2c1411ef84c2b4191bac53323b891a1fb48000001;

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

    /// Degree 5: five words a round, values at 0, 2, 3, 4, 5. `s(0) + s(1)` is the claim.
    /// @dev 120 s(x) = 5 (L1 s1 - L4 s4) + 10 (L3 s3 - L2 s2) + L5 s5 - L0 s0, `L_i` the product of all other `x - j`.
    function degree5(uint256 offset, uint256 t, uint256 rounds, uint256 claim, uint256 point)
        internal
        pure
        returns (uint256, uint256)
    {
        uint256 order = Field.modulus();
        bool ok = true;
        assembly ("memory-safe") {
            for { let end := add(point, shl(5, rounds)) } lt(point, end) { point := add(point, 32) } {
                let x := keccak256(sub(t, 32), 192)
                t := add(t, 160)
                mstore(sub(t, 32), x)
                x := mod(x, order)
                mstore(point, x)
                // Products of pairs: x (x - 1), (x - 2) (x - 3), (x - 4) (x - 5).
                let p01 := mulmod(x, add(x, sub(order, 1)), order)
                let p23 := mulmod(add(x, sub(order, 2)), add(x, sub(order, 3)), order)
                let p45 := mulmod(add(x, sub(order, 4)), add(x, sub(order, 5)), order)
                let s := calldataload(offset)
                ok := and(ok, lt(s, order))
                let s1 := addmod(claim, sub(order, s), order)
                // 5 x s1 - (x - 1) s0, times (x - 2) .. (x - 5)
                let a := add(mulmod(mul(x, 5), s1, order), mulmod(add(x, sub(order, 1)), sub(order, s), order))
                claim := mulmod(a, mulmod(p23, p45, order), order)
                // (x - 2) s3 - (x - 3) s2, times 10 x (x - 1) (x - 4) (x - 5)
                s := calldataload(add(offset, 32))
                ok := and(ok, lt(s, order))
                a := mulmod(add(x, sub(order, 3)), sub(order, s), order)
                s := calldataload(add(offset, 64))
                ok := and(ok, lt(s, order))
                a := add(a, mulmod(add(x, sub(order, 2)), s, order))
                claim := add(claim, mulmod(mulmod(a, 10, order), mulmod(p01, p45, order), order))
                // (x - 4) s5 - 5 (x - 5) s4, times x .. (x - 3)
                s := calldataload(add(offset, 96))
                ok := and(ok, lt(s, order))
                a := mulmod(mulmod(add(x, sub(order, 5)), 5, order), sub(order, s), order)
                s := calldataload(add(offset, 128))
                ok := and(ok, lt(s, order))
                a := add(a, mulmod(add(x, sub(order, 4)), s, order))
                claim := add(claim, mulmod(a, mulmod(p01, p23, order), order))
                claim := mulmod(claim, INV120, order)
                offset := add(offset, 160)
            }
        }
        if (!ok) revert Field.NonCanonicalScalar();
        return (claim, t);
    }

    /// Degree 3 with the factor `eq(weights, .)` taken out: three words a round. With `w` the round's weight, `s(0) (1 -
    /// w) + s(1) w` is the claim; `inverses` are those of the weights.
    function weighted3(
        uint256 offset,
        uint256 t,
        uint256 rounds,
        uint256 claim,
        uint256 weights,
        uint256 inverses,
        uint256 point
    ) internal pure returns (uint256, uint256) {
        uint256 order = Field.modulus();
        bool ok = true;
        assembly ("memory-safe") {
            for { let end := add(point, shl(5, rounds)) } lt(point, end) { point := add(point, 32) } {
                let x := keccak256(sub(t, 32), 128)
                t := add(t, 96)
                mstore(sub(t, 32), x)
                x := mod(x, order)
                mstore(point, x)
                let s0 := calldataload(offset)
                let s2 := calldataload(add(offset, 32))
                let s3 := calldataload(add(offset, 64))
                ok := and(ok, and(lt(s0, order), and(lt(s2, order), lt(s3, order))))
                let s1 := add(claim, sub(order, mulmod(s0, add(1, sub(order, mload(weights))), order)))
                s1 := mulmod(s1, mload(inverses), order)
                // Newton: s = s0 + x (d1 + (x - 1) (d2 + (x - 2) d3)).
                let d2 := mulmod(add(add(s2, s0), shl(1, sub(order, s1))), HALF, order)
                // Third difference: s3 - 3 s2 + 3 s1 - s0.
                let third := add(add(s3, sub(order, s0)), mulmod(3, add(s1, sub(order, s2)), order))
                let inner := add(d2, mulmod(add(x, sub(order, 2)), mulmod(third, SIXTH, order), order))
                inner := add(add(s1, sub(order, s0)), mulmod(add(x, sub(order, 1)), inner, order))
                claim := addmod(s0, mulmod(x, inner, order), order)
                offset := add(offset, 96)
                weights := add(weights, 32)
                inverses := add(inverses, 32)
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

    /// The same for {weighted3}; three words a round.
    /// @dev `L1 claim / w + (L0 - L1 (1 - w) / w) s(0) + L2 s(2) + L3 s(3)`. With `q = x (x - 1) / 2` and `a = q (x - 3)`:
    /// `L1 = a - q + x`, `L2 = -a`, `L3 = (a + q) / 3`, `L0 = 1 + q - x - L3`.
    function coefficients3(
        uint256 point,
        uint256 inverses,
        uint256 rounds,
        uint256 scale,
        uint256 out
    ) internal pure returns (uint256) {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            let p := add(out, mul(96, rounds))
            for { let i := shl(5, rounds) } i {} {
                i := sub(i, 32)
                p := sub(p, 96)
                let x := mload(add(point, i))
                let q := mulmod(x, mulmod(add(x, sub(order, 1)), HALF, order), order)
                let a := mulmod(q, add(x, sub(order, 3)), order)
                let l3 := mulmod(add(a, q), THIRD, order)
                let l1 := add(add(a, x), sub(order, q))
                let l1w := mulmod(l1, mload(add(inverses, i)), order)
                // L0 + L1 - L1 / w = 1 + a - L3 - L1 / w
                mstore(p, mulmod(add(add(a, 1), sub(shl(1, order), add(l3, l1w))), scale, order))
                mstore(add(p, 32), mulmod(sub(order, a), scale, order))
                mstore(add(p, 64), mulmod(l3, scale, order))
                scale := mulmod(scale, l1w, order)
            }
        }
        return scale;
    }
}
