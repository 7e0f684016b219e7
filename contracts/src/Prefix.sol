// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";

/// @title Sums over the first addresses
/// @notice Functionals on consecutive cells in closed form: the first `n` of `2^count` addresses, lowest bit first. From
/// the lowest variable on, `s` is the sum over addresses below the low bits of `n` and `full` the one over all of them;
/// a further variable with factors `z` for 0 and `o` for 1 makes of `s`, where its bit of `n` is 1, `z full + o s`, and
/// else `z s`.
library Prefix {
    /// There are fewer addresses than the sum is over.
    error PrefixTooLong();

    /// `sum_(i < n) eq(tau, i)`; `tau` is the memory address of `count` words.
    function sum(uint256 n, uint256 tau, uint256 count) internal pure returns (uint256 s) {
        uint256 order = Field.modulus();
        if (n > 1 << count) revert PrefixTooLong();
        if (n == 1 << count) return 1;
        assembly ("memory-safe") {
            for { let end := add(tau, shl(5, count)) } lt(tau, end) { tau := add(tau, 32) } {
                let o := mload(tau)
                let z := add(1, sub(order, o))
                switch and(n, 1)
                // The sum of all equality factors is 1.
                case 1 { s := addmod(z, mulmod(o, s, order), order) }
                default { s := mulmod(z, s, order) }
                n := shr(1, n)
            }
        }
    }

    /// `sum_(i < n) eq(rho, i) eq(tau, i)`.
    function products(uint256 n, uint256 rho, uint256 tau, uint256 count) internal pure returns (uint256 s) {
        uint256 order = Field.modulus();
        if (n > 1 << count) revert PrefixTooLong();
        uint256 full = 1;
        assembly ("memory-safe") {
            let rest := n
            for { let end := add(tau, shl(5, count)) } lt(tau, end) { tau := add(tau, 32) } {
                let a := mload(rho)
                let b := mload(tau)
                let o := mulmod(a, b, order)
                // (1 - a) (1 - b)
                let z := addmod(sub(shl(1, order), add(a, b)), add(1, o), order)
                switch and(rest, 1)
                case 1 { s := addmod(mulmod(z, full, order), mulmod(o, s, order), order) }
                default { s := mulmod(z, s, order) }
                full := mulmod(full, add(z, o), order)
                rest := shr(1, rest)
                rho := add(rho, 32)
            }
        }
        if (n == 1 << count) return full;
    }
}
