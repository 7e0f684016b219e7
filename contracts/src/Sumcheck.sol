// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";
import {Transcript} from "./Transcript.sol";

/// @title Sumcheck rounds
/// @notice A round's polynomial of degree 2 or 3 is sent as its values at 0, 2 (and 3); its value at 1 follows from the
/// running claim. Both functions check that all messages are reduced, draw each round's challenge, and return the claim
/// that is left.
/// @dev `point` is the memory address of `rounds` words that take the challenges.
library Sumcheck {
    /// The scalars' modulus, as in {Field}, for assembly.
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 private constant HALF = 0x183227397098d014dc2822db40c0ac2e9419f4243cdcb848a1f0fac9f8000001;
    uint256 private constant SIXTH = 0x285396b510feb022c442e4c2c1411ef84c2b4191bac53323b891a1fb48000001;

    /// Degree 2: two words a round. `s(0) + s(1)` is the claim.
    function degree2(uint256 offset, uint256 t, uint256 rounds, uint256 claim, uint256 point)
        internal
        pure
        returns (uint256, uint256)
    {
        Field.canonical(offset, 2 * rounds);
        for (uint256 i = 0; i < rounds; ++i) {
            uint256 x;
            (x, t) = Transcript.draw(t, 64);
            assembly ("memory-safe") {
                mstore(add(point, shl(5, i)), x)
                let s0 := calldataload(offset)
                let s2 := calldataload(add(offset, 32))
                let s1 := addmod(claim, sub(R, s0), R)
                // s = s0 + x (d + (x - 1) e), d = s1 - s0, e = (s2 - 2 s1 + s0) / 2
                let d := addmod(s1, sub(R, s0), R)
                let e := mulmod(add(add(s2, s0), shl(1, sub(R, s1))), HALF, R)
                claim := addmod(s0, mulmod(x, add(d, mulmod(add(x, sub(R, 1)), e, R)), R), R)
                offset := add(offset, 64)
            }
        }
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
        Field.canonical(offset, 3 * rounds);
        for (uint256 i = 0; i < rounds; ++i) {
            uint256 x;
            (x, t) = Transcript.draw(t, 96);
            assembly ("memory-safe") {
                let word := shl(5, i)
                mstore(add(point, word), x)
                let s0 := calldataload(offset)
                let s2 := calldataload(add(offset, 32))
                let s3 := calldataload(add(offset, 64))
                let w := mload(add(weights, word))
                let s1 := add(claim, sub(R, mulmod(s0, add(1, sub(R, w)), R)))
                s1 := mulmod(s1, mload(add(inverses, word)), R)
                // Newton: s = s0 + x (d1 + (x - 1) (d2 + (x - 2) d3)).
                let d1 := addmod(s1, sub(R, s0), R)
                let twice := add(add(s2, s0), shl(1, sub(R, s1)))
                let d2 := mulmod(twice, HALF, R)
                // Third difference: s3 - 3 s2 + 3 s1 - s0.
                let third := add(add(s3, sub(R, s0)), mulmod(3, add(s1, sub(R, s2)), R))
                let d3 := mulmod(third, SIXTH, R)
                let inner := add(d2, mulmod(add(x, sub(R, 2)), d3, R))
                inner := add(d1, mulmod(add(x, sub(R, 1)), inner, R))
                claim := addmod(s0, mulmod(x, inner, R), R)
                offset := add(offset, 96)
            }
        }
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
        assembly ("memory-safe") {
            for { let i := rounds } i {} {
                i := sub(i, 1)
                let x := mload(add(point, shl(5, i)))
                // L0 = (x - 1) (x - 2) / 2, L1 = x (2 - x), L2 = x (x - 1) / 2.
                let y := mulmod(add(x, sub(R, 1)), HALF, R)
                let l0 := mulmod(y, add(x, sub(R, 2)), R)
                let l1 := mulmod(x, add(2, sub(R, x)), R)
                let p := add(out, shl(6, i))
                mstore(p, mulmod(scale, add(l0, sub(R, l1)), R))
                mstore(add(p, 32), mulmod(scale, mulmod(x, y, R), R))
                scale := mulmod(scale, l1, R)
            }
        }
        return scale;
    }

    /// The same for {weighted3}; three words a round.
    /// @dev `L1 claim / w + (L0 - L1 (1 - w) / w) s(0) + L2 s(2) + L3 s(3)`.
    function coefficients3(
        uint256 point,
        uint256 weights,
        uint256 inverses,
        uint256 rounds,
        uint256 scale,
        uint256 out
    ) internal pure returns (uint256) {
        assembly ("memory-safe") {
            for { let i := rounds } i {} {
                i := sub(i, 1)
                let word := shl(5, i)
                let x := mload(add(point, word))
                let x1 := add(x, sub(R, 1))
                let x2 := add(x, sub(R, 2))
                let x3 := add(x, sub(R, 3))
                // L0 = -(x-1)(x-2)(x-3)/6, L1 = x(x-2)(x-3)/2, L2 = -x(x-1)(x-3)/2, L3 = x(x-1)(x-2)/6.
                let low := mulmod(x, x1, R)
                let high := mulmod(x2, x3, R)
                let l1 := mulmod(mulmod(x, HALF, R), high, R)
                l1 := mulmod(l1, mload(add(inverses, word)), R)
                let p := add(out, mul(96, i))
                let first := add(mulmod(l1, add(1, sub(R, mload(add(weights, word)))), R), mulmod(mulmod(x1, SIXTH, R), high, R))
                mstore(p, mulmod(sub(shl(1, R), first), scale, R))
                mstore(add(p, 32), mulmod(sub(R, mulmod(mulmod(low, HALF, R), x3, R)), scale, R))
                mstore(add(p, 64), mulmod(mulmod(mulmod(low, SIXTH, R), x2, R), scale, R))
                scale := mulmod(scale, l1, R)
            }
        }
        return scale;
    }
}
