// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Curve} from "./Curve.sol";
import {Field} from "./Field.sol";
import {Key} from "./Key.sol";
import {Lists} from "./Lists.sol";
import {Phases} from "./Phases.sol";
import {Sumcheck} from "./Sumcheck.sol";

/// @title The evaluation argument
/// @notice That the values of functionals, which the phases took from the proof, are those of the list that the key
/// commits to (windows 10 to 14; the specification's section 7). Nothing in it is hidden.
library Evaluation {
    /// The rounds of the evaluation argument do not end in the values that were sent.
    error FunctionalsRejected();

    /// The argument, read; then what is left for the opening: all stacks and the combination of each geometry, combined by
    /// powers of `xi`, have `value` at `sigma`.
    struct Claim {
        /// Calldata offset of `F(tau)` and its blind for each geometry.
        uint256 combined;
        /// Calldata offsets of the stacks of values read and of helpers.
        uint256 reads;
        uint256 helpers;
        /// Memory address of the point: where the rounds end, then two coordinates in a stack.
        uint256 sigma;
        uint256 xi;
        uint256 value;
        /// Challenges that only this argument has, what the rounds leave, the place of the values.
        uint256 chi;
        uint256 x;
        uint256 y;
        uint256 s;
        uint256 omega;
        uint256 left;
        uint256 values;
        /// Words of values for combinations.
        uint256 blocks;
    }

    /// Reads the windows and follows the rounds.
    function read(Phases.Run memory r, Key.Parsed memory k) internal pure returns (Claim memory v) {
        unchecked {
            uint256 d = k.d;
            v.combined = Phases.scalars(r, 2 * k.geometries);
            v.chi = Phases.draw(r);
            v.reads = Phases.take(r, 64);
            v.x = Phases.draw(r);
            v.y = Phases.draw(r);
            v.helpers = Phases.take(r, 64);
            // The point that is drawn first, `omega` behind it.
            v.s = Phases.words(d + 1);
            Phases.draws(r, d + 1, v.s);
            v.omega = Phases.load(v.s + 32 * d);
            v.sigma = Phases.words(d + 3);
            uint256 claim = _claimed(k, v, Field.horner(r.values, 2 + k.columns, v.chi));
            (v.left, r.t) = Sumcheck.degree4(r.pos, r.t, d, claim, v.sigma);
            r.pos += 128 * d;
            v.blocks = blocks(k);
            v.values = Phases.scalars(r, 14 + v.blocks);
            Phases.draws(r, 3, v.sigma + 32 * d);
            v.xi = Phases.load(v.sigma + 32 * d + 64);
        }
    }

    /// Values of combinations: one for each block of `2^d` cells.
    function blocks(Key.Parsed memory k) internal pure returns (uint256 count) {
        unchecked {
            for (uint256 g = 0; g < k.geometries; ++g) {
                count += 1 << _above(k, g);
            }
        }
    }

    /// Coordinates of a geometry's point above the argument's.
    function _above(Key.Parsed memory k, uint256 g) private pure returns (uint256) {
        unchecked {
            uint256 height = Phases.load(k.heights + 32 * g);
            return height > k.d ? height - k.d : 0;
        }
    }

    /// Checks the end of the rounds, and combines the values; `inverse` is that of what {Lists} has to invert.
    function check(
        Claim memory v,
        Phases.Run memory r,
        Key.Parsed memory k,
        Lists.Parts memory p,
        uint256 inverse
    ) internal pure {
        (uint256 table, uint256 number) = Lists.tables(p, inverse, r, k, v.chi, v.sigma);
        uint256 sum = _summand(k, v, table, number);
        if (v.left != _combinations(r, k, v, sum)) revert FunctionalsRejected();
    }

    /// `sum + sum_g omega^(6 + g) F_g(tau)`.
    function _claimed(Key.Parsed memory k, Claim memory v, uint256 sum) private pure returns (uint256) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 omega = v.omega;
            uint256 weight = _first(omega);
            uint256 combined = v.combined;
            for (uint256 end = combined + 64 * k.geometries; combined < end; combined += 64) {
                sum = addmod(sum, mulmod(weight, Phases.word(combined), order), order);
                weight = mulmod(weight, omega, order);
            }
            return sum;
        }
    }

    /// `omega^6`.
    function _first(uint256 omega) private pure returns (uint256) {
        uint256 order = Field.modulus();
        uint256 square = mulmod(omega, omega, order);
        return mulmod(mulmod(square, square, order), square, order);
    }

    /// `sum + sum_g omega^(6 + g) eq(tau_g, sigma) F_g(sigma)`, `tau_g` being `tau` cut to the height of a geometry, by blocks.
    /// The values, with those of the stacks, are combined on the way.
    function _combinations(Phases.Run memory r, Key.Parsed memory k, Claim memory v, uint256 sum)
        private
        pure
        returns (uint256)
    {
        uint256 order = Field.modulus();
        unchecked {
            uint256 corner = _table(v.sigma + 32 * k.d, 2);
            uint256 pos = v.values;
            uint256 xi = v.xi;
            // Stacks of four, two, four, four columns.
            uint256 value = mulmod(xi, _dot(corner, pos + 320, 4), order) + _dot(corner, pos + 192, 4);
            value = mulmod(xi, value, order) + _dot(corner, pos + 128, 2);
            v.value = addmod(mulmod(xi, value, order), _dot(corner, pos, 4), order);
            pos += 448;
            uint256 weight = _first(v.omega);
            uint256 power = mulmod(xi, xi, order);
            power = mulmod(power, power, order);
            for (uint256 g = 0; g < k.geometries; ++g) {
                uint256 count = 1 << _above(k, g);
                uint256 eq = mulmod(weight, _eq(r, k, v.sigma, g), order);
                eq = mulmod(eq, _dot(_table(r.tau + 32 * k.d, _above(k, g)), pos, count), order);
                sum = addmod(sum, eq, order);
                weight = mulmod(weight, v.omega, order);
                v.value = addmod(v.value, mulmod(power, _dot(corner, pos, count), order), order);
                power = mulmod(power, xi, order);
                pos += 32 * count;
            }
            return sum;
        }
    }

    /// `eq(tau_g, .)` at `sigma`, without the coordinates above it.
    function _eq(Phases.Run memory r, Key.Parsed memory k, uint256 sigma, uint256 g) private pure returns (uint256 eq) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 height = Phases.load(k.heights + 32 * g);
            eq = Field.eq(r.tau, sigma, height < k.d ? height : k.d);
            for (uint256 i = height; i < k.d; ++i) {
                eq = mulmod(eq, 1 + order - Phases.load(sigma + 32 * i), order);
            }
        }
    }

    /// `eq(point, .)` for up to two coordinates, in memory.
    function _table(uint256 point, uint256 count) private pure returns (uint256 table) {
        unchecked {
            uint256 order = Field.modulus();
            table = Phases.words(4);
            uint256 x = count > 0 ? Phases.load(point) : 0;
            uint256 y = count > 1 ? Phases.load(point + 32) : 0;
            uint256 both = mulmod(x, y, order);
            Phases.store(table, addmod(1 + both, 2 * order - x - y, order));
            Phases.store(table + 32, addmod(x, order - both, order));
            Phases.store(table + 64, addmod(y, order - both, order));
            Phases.store(table + 96, both);
        }
    }

    /// The inner product of words of memory with words of calldata.
    function _dot(uint256 table, uint256 offset, uint256 count) private pure returns (uint256 sum) {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            for { let end := add(table, shl(5, count)) } lt(table, end) { table := add(table, 32) } {
                sum := addmod(sum, mulmod(mload(table), calldataload(offset), order), order)
                offset := add(offset, 32)
            }
        }
    }

    /// The summand of the argument's sumcheck at `sigma`. Values are `a_0 .. a_3, w, m, e_0 .. e_3, A, B, C, P`.
    function _summand(Key.Parsed memory k, Claim memory v, uint256 table, uint256 number)
        private
        pure
        returns (uint256 sum)
    {
        uint256 order = Field.modulus();
        unchecked {
            uint256 from = v.values;
            uint256 omega = v.omega;
            uint256 product = Phases.word(from + 416);
            // omega^2 (A D0 D1 - D0 - D1) + omega^3 (B D2 D3 - D2 - D3) + omega^4 (C DT - m) + omega^5 (P - e0 e1), from the last.
            uint256 equation = product + order - mulmod(Phases.word(from + 192), Phases.word(from + 224), order);
            uint256 d0 = addmod(v.x, 2 * order - number - mulmod(v.y, table, order), order);
            d0 = mulmod(Phases.word(from + 384), d0, order) + order - Phases.word(from + 160);
            equation = mulmod(omega, equation, order) + d0;
            d0 = _denominator(v, 2);
            uint256 d1 = _denominator(v, 3);
            d0 = mulmod(Phases.word(from + 352), mulmod(d0, d1, order), order) + 2 * order - d0 - d1;
            equation = mulmod(omega, equation, order) + d0;
            d0 = _denominator(v, 0);
            d1 = _denominator(v, 1);
            d0 = mulmod(Phases.word(from + 320), mulmod(d0, d1, order), order) + 2 * order - d0 - d1;
            equation = mulmod(omega, addmod(mulmod(omega, equation, order), d0, order), order);
            // With the sum of all fractions.
            sum = mulmod(equation, Field.eq(v.s, v.sigma, k.d), order);
            sum = addmod(sum + Phases.word(from + 320), Phases.word(from + 352) + order - Phases.word(from + 384), order);
            sum = mulmod(omega, sum, order);
            // w P e2 e3
            product = mulmod(product, Phases.word(from + 128), order);
            product = mulmod(product, mulmod(Phases.word(from + 256), Phases.word(from + 288), order), order);
            sum = addmod(sum, product, order);
        }
    }

    /// `x - a_j - y e_j`.
    function _denominator(Claim memory v, uint256 j) private pure returns (uint256) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 a = Phases.word(v.values + 32 * j);
            uint256 e = Phases.word(v.values + 192 + 32 * j);
            return addmod(v.x, 2 * order - a - mulmod(v.y, e, order), order);
        }
    }

    /// Adds the stacks' commitments to the opening, all but the key's second one, whose factor is `xi`; returns the factor of the
    /// next one, `xi^4`.
    function open(Claim memory v, Key.Parsed memory k, uint256 sum) internal view returns (uint256 weight) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 xi = v.xi;
            Curve.addMemory(sum, k.list);
            weight = mulmod(xi, xi, order);
            Curve.addCalldata(sum, v.reads, weight);
            weight = mulmod(weight, xi, order);
            Curve.addCalldata(sum, v.helpers, weight);
            weight = mulmod(weight, xi, order);
        }
    }
}
