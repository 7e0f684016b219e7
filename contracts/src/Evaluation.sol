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
/// commits to (windows 10 to 13; the specification's section 7). Nothing in it is hidden.
library Evaluation {
    /// The rounds of the evaluation argument do not end in the values that were sent.
    error FunctionalsRejected();

    /// What is left for the opening: twelve columns and the combination of each geometry, combined by powers of `xi`, have
    /// `value` at `sigma`.
    struct Claim {
        /// Calldata offset of `F(tau)` and its blind for each geometry.
        uint256 combined;
        /// Calldata offsets of `e_0 .. e_3` and of `A, B`.
        uint256 reads;
        uint256 helpers;
        /// Memory address of the point.
        uint256 sigma;
        uint256 xi;
        uint256 value;
    }

    /// Challenges that only this argument has, and the place of the twelve values.
    struct Round {
        uint256 chi;
        uint256 x;
        uint256 y;
        uint256 s;
        uint256 omega;
        uint256 left;
        uint256 values;
    }

    /// Reads the windows and checks the rounds.
    function check(Phases.Run memory r, Key.Parsed memory k) internal view returns (Claim memory v) {
        unchecked {
            Round memory e;
            v.combined = Phases.scalars(r, 2 * k.geometries);
            e.chi = Phases.draw(r);
            uint256 claim = Field.horner(r.values, 2 + k.columns, e.chi);
            v.reads = Phases.take(r, 256);
            e.x = Phases.draw(r);
            e.y = Phases.draw(r);
            v.helpers = Phases.take(r, 128);
            e.s = Phases.words(k.d);
            Phases.draws(r, k.d, e.s);
            e.omega = Phases.draw(r);
            claim = _claimed(k, v.combined, e.omega, claim);
            v.sigma = Phases.words(k.d);
            (e.left, r.t) = Sumcheck.degree5(r.pos, r.t, k.d, claim, v.sigma);
            r.pos += 160 * k.d;
            e.values = Phases.scalars(r, 12 + k.geometries);
            v.xi = Phases.draw(r);
            (uint256 table, uint256 number) = Lists.tables(r, k, e.chi, v.sigma);
            uint256 sum = _summand(k, e, v.sigma, table, number);
            if (e.left != _combinations(r, k, e, v.sigma, sum)) revert FunctionalsRejected();
            v.value = _combined(e.values, 12 + k.geometries, v.xi);
        }
    }

    /// `sum + sum_g omega^(4 + g) F_g(tau)`.
    function _claimed(Key.Parsed memory k, uint256 combined, uint256 omega, uint256 sum)
        private
        pure
        returns (uint256)
    {
        uint256 order = Field.modulus();
        unchecked {
            uint256 weight = mulmod(omega, omega, order);
            weight = mulmod(weight, weight, order);
            for (uint256 end = combined + 64 * k.geometries; combined < end; combined += 64) {
                sum = addmod(sum, mulmod(weight, Phases.word(combined), order), order);
                weight = mulmod(weight, omega, order);
            }
            return sum;
        }
    }

    /// `sum + sum_g omega^(4 + g) eq(tau_g, sigma) F_g(sigma)`, `tau_g` being `tau` cut to the height of a geometry.
    function _combinations(Phases.Run memory r, Key.Parsed memory k, Round memory e, uint256 sigma, uint256 sum)
        private
        pure
        returns (uint256)
    {
        uint256 order = Field.modulus();
        unchecked {
            uint256 omega = e.omega;
            uint256 heights = Phases.words(k.geometries);
            for (uint256 i = 0; i < k.trees; ++i) {
                uint256 t = Key.tree(k, i);
                if (!Key.isPublic(t)) Phases.store(heights + 32 * Key.slot(t), Key.height(t));
            }
            uint256 weight = mulmod(omega, omega, order);
            weight = mulmod(weight, weight, order);
            for (uint256 g = 0; g < k.geometries; ++g) {
                uint256 height = Phases.load(heights + 32 * g);
                uint256 eq = Field.eq(r.tau, sigma, height);
                for (uint256 i = height; i < k.d; ++i) {
                    eq = mulmod(eq, 1 + order - Phases.load(sigma + 32 * i), order);
                }
                uint256 value = mulmod(eq, Phases.word(e.values + 384 + 32 * g), order);
                sum = addmod(sum, mulmod(weight, value, order), order);
                weight = mulmod(weight, omega, order);
            }
            return sum;
        }
    }

    /// The summand of the argument's sumcheck at `sigma`.
    function _summand(Key.Parsed memory k, Round memory e, uint256 sigma, uint256 table, uint256 number)
        private
        pure
        returns (uint256 sum)
    {
        uint256 order = Field.modulus();
        unchecked {
            uint256 at0 = e.values;
            uint256 x = e.x;
            uint256 y = e.y;
            uint256 omega = e.omega;
            uint256 d0 = _denominator(x, y, at0, 0);
            uint256 d1 = _denominator(x, y, at0, 1);
            uint256 d2 = _denominator(x, y, at0, 2);
            uint256 d3 = _denominator(x, y, at0, 3);
            uint256 dT = addmod(x, 2 * order - number - mulmod(y, table, order), order);
            uint256 a = Phases.word(at0 + 320);
            uint256 b = Phases.word(at0 + 352);
            // A D0 D1 D2 - D1 D2 - D0 D2 - D0 D1
            uint256 first = mulmod(a, mulmod(d0, mulmod(d1, d2, order), order), order);
            first = addmod(first, 2 * order - mulmod(d2, d0 + d1, order) - mulmod(d0, d1, order), order);
            // B D3 DT - DT + m D3
            uint256 second = mulmod(d3, mulmod(b, dT, order) + Phases.word(at0 + 160), order) + order - dT;
            // omega^2 (first + omega second) eq(s, sigma) + omega (A + B)
            sum = mulmod(omega, addmod(first, mulmod(omega, second, order), order), order);
            sum = mulmod(sum, Field.eq(e.s, sigma, k.d), order) + a + b;
            sum = mulmod(omega, sum, order);
            // w e0 e1 e2 e3
            uint256 product = mulmod(Phases.word(at0), Phases.word(at0 + 192), order);
            product = mulmod(product, Phases.word(at0 + 224), order);
            product = mulmod(product, Phases.word(at0 + 256), order);
            sum = addmod(sum, mulmod(product, Phases.word(at0 + 288), order), order);
        }
    }

    /// `x - a_j - y e_j`.
    function _denominator(uint256 x, uint256 y, uint256 values, uint256 j) private pure returns (uint256) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 a = Phases.word(values + 32 * (1 + j));
            uint256 e = Phases.word(values + 32 * (6 + j));
            return addmod(x, 2 * order - a - mulmod(y, e, order), order);
        }
    }

    /// All values by powers of `xi`.
    function _combined(uint256 values, uint256 count, uint256 xi) private pure returns (uint256 sum) {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            for { let p := add(values, shl(5, count)) } gt(p, values) {} {
                p := sub(p, 32)
                sum := add(mulmod(sum, xi, order), calldataload(p))
            }
            sum := mod(sum, order)
        }
    }

    /// Adds the twelve commitments to the opening; returns the factor of the next one, `xi^12`.
    function open(Claim memory v, Key.Parsed memory k, uint256 sum) internal view returns (uint256 weight) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 xi = v.xi;
            weight = 1;
            for (uint256 p = k.list; p < k.list + 384; p += 64) {
                Curve.addMemory(sum, p, weight);
                weight = mulmod(weight, xi, order);
            }
            for (uint256 p = v.reads; p < v.reads + 256; p += 64) {
                Curve.addCalldata(sum, p, weight);
                weight = mulmod(weight, xi, order);
            }
            for (uint256 p = v.helpers; p < v.helpers + 128; p += 64) {
                Curve.addCalldata(sum, p, weight);
                weight = mulmod(weight, xi, order);
            }
        }
    }
}
