// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Form} from "../src/Form.sol";
import {Real, Reals} from "../src/Real.sol";

/// @title Typed values behind functions, for tests
contract TypedHarness {
    function integerAt(Form f, bytes calldata values, uint256 from, uint256 i) external pure returns (int256) {
        return f.integerAt(values, from, i);
    }

    function realAt(Form f, bytes calldata values, uint256 from, uint256 i) external pure returns (Real) {
        return f.realAt(values, from, i);
    }

    function greatest(Form f, bytes calldata values, uint256 from, uint256 line) external pure returns (uint256) {
        return f.greatest(values, from, line);
    }

    function nearest(Form f, Real x) external pure returns (int256) {
        return f.nearest(x);
    }

    function pack(Form f, int256[] memory integers) external pure returns (bytes memory) {
        return f.pack(integers);
    }

    function packReals(Form f, Real[] memory numbers) external pure returns (bytes memory) {
        return f.packReals(numbers);
    }

    function ofWad(int256 x) external pure returns (Real) {
        return Reals.ofWad(x);
    }

    function toWad(Real x) external pure returns (int256) {
        return x.toWad();
    }

    function ratio(int256 a, int256 b) external pure returns (Real) {
        return Reals.ratio(a, b);
    }

    function floor(Real x) external pure returns (int256) {
        return x.floor();
    }

    /// Bits: below, at most, above, at least, equal; and the sum less the second number.
    function compare(Real a, Real b) external pure returns (uint256 bits, Real same) {
        bits = (a < b ? 1 : 0) | (a <= b ? 2 : 0) | (a > b ? 4 : 0) | (a >= b ? 8 : 0) | (a == b ? 16 : 0);
        if (a != b) bits |= 32;
        same = a + b - b;
    }
}
