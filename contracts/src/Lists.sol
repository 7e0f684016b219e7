// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";
import {Key} from "./Key.sol";
import {Phases} from "./Phases.sol";

/// @title The tables that the list of functionals reads, at a point
/// @notice Monomials, lows and the four tables of the specification's section 6, as multilinear polynomials.
library Lists {
    /// The scalars' modulus, as in {Field}, for assembly.
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// Powers of `beta` that keys may use: one for each column of a table, of which there are 17 at most.
    uint256 private constant BETAS = 18;

    /// Products over the lowest coordinates of a point and their inverses.
    struct Prefixes {
        /// Memory addresses of `prod_(i < g) (1 - z_i)` for `g = 0, 1, ..`, of their inverses.
        uint256 products;
        uint256 inverses;
        /// The inverse of the whole product.
        uint256 all;
    }

    /// Everything that monomials and lows are made of.
    struct Parts {
        Prefixes rho;
        Prefixes kappa;
        Prefixes tau;
        /// Memory addresses of powers of challenges.
        uint256 chi;
        uint256 gamma;
        uint256 delta;
        uint256 beta;
        /// Product of `1 - z` over all coordinates of the points.
        uint256 product;
    }

    /// What is to be inverted.
    function begin(Phases.Run memory r, Key.Parsed memory k) internal pure returns (Parts memory p) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 rho = _prefixes(p.rho, r.rho, k.nRho);
            uint256 kappa = _prefixes(p.kappa, r.kappa, k.nk);
            uint256 tau = _prefixes(p.tau, r.tau, k.l);
            p.product = mulmod(mulmod(rho, kappa, order), tau, order);
        }
    }

    /// `T(sigma)` and `id(sigma)`; `inverse` is that of the product.
    function tables(
        Parts memory p,
        uint256 inverse,
        Phases.Run memory r,
        Key.Parsed memory k,
        uint256 chi,
        uint256 sigma
    ) internal pure returns (uint256 table, uint256 row) {
        uint256 order = Field.modulus();
        unchecked {
            _inverses(p, inverse, r, k);
            uint256 first = _first(p, r, k, chi, sigma);
            uint256 q = k.q;
            uint256 d = k.d;
            uint256 low = k.m + k.y;
            uint256 all = low + k.nRho + k.nk + k.l;
            uint256 z = r.rho;
            assembly ("memory-safe") {
                // Bit `b` of a number belongs to coordinate `b - low` of the three points, one behind the other.
                let value := first
                let s := add(sigma, shl(5, low))
                let bit := low
                let end := q
                for { let j := 0 } lt(j, 4) { j := add(j, 1) } {
                    let upTo := end
                    if gt(upTo, all) { upTo := all }
                    for {} lt(bit, upTo) { bit := add(bit, 1) } {
                        let c := mload(s)
                        let x := mload(z)
                        // 1 - c - x + 2 c x
                        let f := add(shl(1, mulmod(c, x, order)), add(1, sub(shl(1, order), add(c, x))))
                        value := mulmod(value, f, order)
                        z := add(z, 32)
                        s := add(s, 32)
                    }
                    let low0 := mload(add(sigma, shl(5, q)))
                    let high := mload(add(sigma, shl(5, add(q, 1))))
                    if iszero(and(j, 1)) { low0 := add(1, sub(order, low0)) }
                    if lt(j, 2) { high := add(1, sub(order, high)) }
                    table := addmod(table, mulmod(value, mulmod(low0, high, order), order), order)
                    value := 1
                    s := sigma
                    end := add(end, q)
                }
                for { let i := add(q, 2) } lt(i, d) { i := add(i, 1) } {
                    table := mulmod(table, add(1, sub(order, mload(add(sigma, shl(5, i))))), order)
                }
                for { let i := d } i {} {
                    i := sub(i, 1)
                    row := addmod(shl(1, row), mload(add(sigma, shl(5, i))), order)
                }
            }
        }
    }

    /// `M~ L~`, the part of the first table whose rows are monomials and lows.
    function _first(Parts memory p, Phases.Run memory r, Key.Parsed memory k, uint256 chi, uint256 sigma)
        private
        pure
        returns (uint256)
    {
        unchecked {
            p.chi = _powers(chi, 2 + k.columns);
            p.gamma = _powers(r.gamma, 6);
            p.delta = _powers(r.delta, 2 + k.outputs);
            p.beta = _powers(r.beta, BETAS);
            uint256 monomials = _fold(_monomials(p, k), k.monomials, k.m, sigma);
            return mulmod(monomials, _fold(_lows(p, r, k), k.lows, k.y, sigma + 32 * k.m), R);
        }
    }

    function _prefixes(Prefixes memory p, uint256 point, uint256 count) private pure returns (uint256 value) {
        uint256 order = Field.modulus();
        unchecked {
            uint256 to = Phases.words(2 * count + 2);
            p.products = to;
            p.inverses = to + 32 * (count + 1);
            assembly ("memory-safe") {
                value := 1
                mstore(to, 1)
                for { let end := add(point, shl(5, count)) } lt(point, end) { point := add(point, 32) } {
                    to := add(to, 32)
                    value := mulmod(value, add(1, sub(order, mload(point))), order)
                    mstore(to, value)
                }
            }
        }
    }

    /// Inverses of all products from that of the whole one.
    function _inverses(Parts memory p, uint256 inverse, Phases.Run memory r, Key.Parsed memory k) private pure {
        uint256 order = Field.modulus();
        unchecked {
            uint256 rho = Phases.load(p.rho.products + 32 * k.nRho);
            uint256 kappa = Phases.load(p.kappa.products + 32 * k.nk);
            uint256 tau = Phases.load(p.tau.products + 32 * k.l);
            _backwards(p.tau, r.tau, k.l, mulmod(inverse, mulmod(rho, kappa, order), order));
            inverse = mulmod(inverse, tau, order);
            _backwards(p.kappa, r.kappa, k.nk, mulmod(inverse, rho, order));
            _backwards(p.rho, r.rho, k.nRho, mulmod(inverse, kappa, order));
        }
    }

    /// Inverses of shorter products from that of the whole one.
    function _backwards(Prefixes memory p, uint256 point, uint256 count, uint256 all) private pure {
        uint256 order = Field.modulus();
        p.all = all;
        uint256 inverses = p.inverses;
        assembly ("memory-safe") {
            let to := add(inverses, shl(5, count))
            mstore(to, all)
            for { let from := add(point, shl(5, count)) } gt(from, point) {} {
                from := sub(from, 32)
                to := sub(to, 32)
                all := mulmod(all, add(1, sub(order, mload(from))), order)
                mstore(to, all)
            }
        }
    }

    function _powers(uint256 x, uint256 count) private pure returns (uint256 powers) {
        powers = Phases.words(count);
        assembly ("memory-safe") {
            let value := 1
            for { let to := powers } lt(to, add(powers, shl(5, count))) { to := add(to, 32) } {
                mstore(to, value)
                value := mulmod(value, x, R)
            }
        }
    }

    /// Values of all monomials, in memory: a row has exponents of `chi`, `gamma`, `delta`, `beta`, the address bits that
    /// are read, and which other points are not.
    function _monomials(Parts memory p, Key.Parsed memory k) private pure returns (uint256 table) {
        unchecked {
            uint256 order = Field.modulus();
            if (k.monomials > 1 << k.m) revert Key.WrongKey();
            table = Phases.words(k.monomials + 1);
            // By what is not read, with the inverse of all factors of `rho`: nothing, the index, the cell, both.
            uint256 off = Phases.words(4);
            Phases.store(off, p.rho.all);
            Phases.store(off + 32, mulmod(p.rho.all, p.kappa.all, order));
            Phases.store(off + 64, mulmod(p.rho.all, p.tau.all, order));
            Phases.store(off + 96, mulmod(Phases.load(off + 32), p.tau.all, order));
            uint256 chi = p.chi;
            uint256 gamma = p.gamma;
            uint256 delta = p.delta;
            uint256 beta = p.beta;
            uint256 inverses = p.rho.inverses;
            uint256 products = p.rho.products;
            uint256 from = k.monomial;
            uint256 end = from + 8 * k.monomials;
            uint256 to = table;
            assembly ("memory-safe") {
                for {} lt(from, end) { from := add(from, 8) } {
                    let row := mload(from)
                    let v := mulmod(mload(add(chi, shl(5, byte(0, row)))), mload(add(gamma, shl(5, byte(1, row)))), order)
                    let f := mulmod(mload(add(delta, shl(5, byte(2, row)))), mload(add(beta, shl(5, byte(3, row)))), order)
                    v := mulmod(v, f, order)
                    f := mulmod(mload(add(inverses, shl(5, byte(4, row)))), mload(add(products, shl(5, byte(5, row)))), order)
                    v := mulmod(v, f, order)
                    mstore(to, mulmod(v, mload(add(off, shl(5, byte(6, row)))), order))
                    to := add(to, 32)
                }
            }
            _limits(k);
        }
    }

    /// Reverts unless every row reads powers and products that there are. Bytes of a row are subtracted from the largest
    /// ones, four rows at a time; where there is no borrow no difference has its highest bit.
    function _limits(Key.Parsed memory k) private pure {
        unchecked {
            uint256 limit = (1 + k.columns) << 56;
            limit |= 5 << 48;
            limit |= (1 + k.outputs) << 40;
            limit |= (BETAS - 1) << 32;
            limit |= (k.nRho << 24) | (k.nRho << 16) | 0x300;
            uint256 from = k.monomial;
            uint256 end = from + 8 * k.monomials;
            uint256 seen;
            assembly ("memory-safe") {
                limit := or(limit, shl(64, limit))
                limit := or(limit, shl(128, limit))
                // Rows behind the last are zeros up to the end of the word.
                for {} lt(from, end) { from := add(from, 32) } {
                    let rows := mload(from)
                    seen := or(seen, or(rows, sub(limit, rows)))
                }
            }
            if (seen & 0x8080808080808080808080808080808080808080808080808080808080808080 != 0) revert Key.WrongKey();
        }
    }

    /// Values of all sums over cubes, in memory. Rows ascend, so that each goes on from the one before.
    function _lows(Parts memory p, Phases.Run memory r, Key.Parsed memory k) private pure returns (uint256 table) {
        unchecked {
            if (k.lows > 1 << k.y) revert Key.WrongKey();
            table = Phases.words(k.lows + 1);
            uint256 from = k.low;
            uint256 end = from + 2 * k.lows;
            uint256 to = table;
            while (from < end) {
                uint256 kind = Phases.load(from) >> 248;
                (from, to) = kind < 3 ? _simple(p, r, k, from, to, kind) : _steps(p, r, k, from, to, kind);
            }
        }
    }

    /// Sums of kind 0 to 2: addresses or cells that nothing else steps with.
    function _simple(
        Parts memory p,
        Phases.Run memory r,
        Key.Parsed memory k,
        uint256 from,
        uint256 to,
        uint256 kind
    ) private pure returns (uint256, uint256) {
        unchecked {
            uint256 order = Field.modulus();
            uint256 end = k.low + 2 * k.lows;
            uint256 inverses = kind == 2 ? p.tau.inverses : p.rho.inverses;
            uint256 most = kind == 2 ? k.l : k.nRho;
            uint256 rho = r.rho;
            bool ok = true;
            assembly ("memory-safe") {
                let g := 0
                let ramp := 0
                for {} lt(from, end) { from := add(from, 2) } {
                    let row := mload(from)
                    if iszero(eq(byte(0, row), kind)) { break }
                    let bits := byte(1, row)
                    ok := and(ok, iszero(gt(bits, most)))
                    let v := mload(add(inverses, shl(5, bits)))
                    if eq(kind, 1) {
                        for {} lt(g, bits) { g := add(g, 1) } {
                            ramp := addmod(ramp, mulmod(shl(g, 1), mload(add(rho, shl(5, g))), order), order)
                        }
                        v := mulmod(v, ramp, order)
                    }
                    mstore(to, v)
                    to := add(to, 32)
                }
            }
            if (!ok) revert Key.WrongKey();
            return (from, to);
        }
    }

    /// Sums of kind 3 to 5: two or all of addresses, indices and cells in step.
    function _steps(
        Parts memory p,
        Phases.Run memory r,
        Key.Parsed memory k,
        uint256 from,
        uint256 to,
        uint256 kind
    ) private pure returns (uint256, uint256) {
        unchecked {
            uint256 order = Field.modulus();
            uint256 end = k.low + 2 * k.lows;
            uint256 first = kind == 4 ? r.kappa : r.rho;
            uint256 tau = r.tau - first;
            uint256 kappa = r.kappa - first;
            uint256 inverses = kind == 4 ? p.kappa.inverses : p.rho.inverses;
            uint256 inverses2 = p.tau.inverses - inverses;
            uint256 inverses3 = p.kappa.inverses - inverses;
            uint256 most = k.l;
            if (kind != 4 && k.nRho < most) most = k.nRho;
            if (kind != 3 && k.nk < most) most = k.nk;
            if (kind > 5) most = 0;
            bool ok = true;
            assembly ("memory-safe") {
                let g := 0
                let value := 1
                for {} lt(from, end) { from := add(from, 2) } {
                    let row := mload(from)
                    if iszero(eq(byte(0, row), kind)) { break }
                    let bits := shl(5, byte(1, row))
                    ok := and(ok, iszero(gt(bits, shl(5, most))))
                    for {} lt(g, bits) { g := add(g, 32) } {
                        let z := add(first, g)
                        let x := mload(z)
                        let y := mload(add(z, tau))
                        let both := mulmod(x, y, order)
                        // (1 - x) (1 - y)
                        let none := add(add(both, 1), sub(shl(1, order), add(x, y)))
                        if eq(kind, 5) {
                            x := mload(add(z, kappa))
                            both := mulmod(both, x, order)
                            none := mulmod(none, add(1, sub(order, x)), order)
                        }
                        value := mulmod(value, add(both, none), order)
                    }
                    let i := add(inverses, bits)
                    let v := mulmod(value, mulmod(mload(i), mload(add(i, inverses2)), order), order)
                    if eq(kind, 5) { v := mulmod(v, mload(add(i, inverses3)), order) }
                    mstore(to, v)
                    to := add(to, 32)
                }
            }
            if (!ok || kind > 5) revert Key.WrongKey();
            return (from, to);
        }
    }

    /// The multilinear polynomial at a point, lowest variable first, whose first `count` values are in memory, with room for
    /// one more, and whose others are 0; values are overwritten.
    function _fold(uint256 table, uint256 count, uint256 bits, uint256 point) private pure returns (uint256) {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            for { let end := add(point, shl(5, bits)) } lt(point, end) { point := add(point, 32) } {
                mstore(add(table, shl(5, count)), 0)
                count := shr(1, add(count, 1))
                let x := mload(point)
                let from := table
                for { let to := table } lt(to, add(table, shl(5, count))) { to := add(to, 32) } {
                    let c := mload(from)
                    mstore(to, addmod(c, mulmod(x, add(mload(add(from, 32)), sub(order, c)), order), order))
                    from := add(from, 64)
                }
            }
        }
        return Phases.load(table);
    }
}
