// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// A real number: the integer divided by `2^64`. Integers of a model, which stand for `integer * 2^-scale`, have exactly
/// one such number for every scale from -128 to 64.
type Real is int256;

using Reals for Real global;
using {add as +, sub as -, equal as ==, differs as !=, below as <, above as >, atMost as <=, atLeast as >=} for Real global;

function add(Real a, Real b) pure returns (Real) {
    return Real.wrap(Real.unwrap(a) + Real.unwrap(b));
}

function sub(Real a, Real b) pure returns (Real) {
    return Real.wrap(Real.unwrap(a) - Real.unwrap(b));
}

function equal(Real a, Real b) pure returns (bool) {
    return Real.unwrap(a) == Real.unwrap(b);
}

function differs(Real a, Real b) pure returns (bool) {
    return Real.unwrap(a) != Real.unwrap(b);
}

function below(Real a, Real b) pure returns (bool) {
    return Real.unwrap(a) < Real.unwrap(b);
}

function above(Real a, Real b) pure returns (bool) {
    return Real.unwrap(a) > Real.unwrap(b);
}

function atMost(Real a, Real b) pure returns (bool) {
    return Real.unwrap(a) <= Real.unwrap(b);
}

function atLeast(Real a, Real b) pure returns (bool) {
    return Real.unwrap(a) >= Real.unwrap(b);
}

/// @title Real numbers: where they come from and where they go
library Reals {
    int256 private constant ONE = 1 << 64;
    int256 private constant WAD = 1e18;

    /// A whole number.
    function whole(int256 x) internal pure returns (Real) {
        return Real.wrap(x * ONE);
    }

    /// `numerator / denominator`, rounded down.
    function ratio(int256 numerator, int256 denominator) internal pure returns (Real) {
        return Real.wrap(_floorDiv(numerator * ONE, denominator));
    }

    /// A number with 18 decimal places, as tokens have them, rounded down.
    function ofWad(int256 x) internal pure returns (Real) {
        return Real.wrap(_floorDiv(x * ONE, WAD));
    }

    /// With 18 decimal places, rounded down.
    function toWad(Real x) internal pure returns (int256) {
        return (Real.unwrap(x) * WAD) >> 64;
    }

    /// A multiple.
    function times(Real x, int256 n) internal pure returns (Real) {
        return Real.wrap(Real.unwrap(x) * n);
    }

    /// The largest whole number that is not above it.
    function floor(Real x) internal pure returns (int256) {
        return Real.unwrap(x) >> 64;
    }

    function _floorDiv(int256 a, int256 b) private pure returns (int256 q) {
        q = a / b;
        if (a % b != 0 && (a < 0) != (b < 0)) --q;
    }
}
