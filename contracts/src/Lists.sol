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
    }

    /// `T(sigma)` and `id(sigma)`.
    function tables(Phases.Run memory r, Key.Parsed memory k, uint256 chi, uint256 sigma)
        internal
        view
        returns (uint256 table, uint256 row)
    {
        uint256 order = Field.modulus();
        unchecked {
            uint256 first = _first(r, k, chi, sigma);
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
    function _first(Phases.Run memory r, Key.Parsed memory k, uint256 chi, uint256 sigma)
        private
        view
        returns (uint256)
    {
        unchecked {
            Parts memory p;
            _prefixes(p.rho, r.rho, k.nRho);
            _prefixes(p.kappa, r.kappa, k.nk);
            _prefixes(p.tau, r.tau, k.l);
            _inverses(p, r, k);
            p.chi = _powers(chi, 2 + k.columns);
            p.gamma = _powers(r.gamma, 6);
            p.delta = _powers(r.delta, 2 + k.outputs);
            p.beta = _powers(r.beta, BETAS);
            uint256 monomials = _fold(_monomials(p, k), k.m, sigma);
            return mulmod(monomials, _fold(_lows(p, r, k), k.y, sigma + 32 * k.m), R);
        }
    }

    function _prefixes(Prefixes memory p, uint256 point, uint256 count) private pure {
        uint256 order = Field.modulus();
        unchecked {
            uint256 to = Phases.words(count + 1);
            p.products = to;
            p.inverses = Phases.words(count + 1);
            assembly ("memory-safe") {
                let value := 1
                mstore(to, 1)
                for { let end := add(point, shl(5, count)) } lt(point, end) { point := add(point, 32) } {
                    to := add(to, 32)
                    value := mulmod(value, add(1, sub(order, mload(point))), order)
                    mstore(to, value)
                }
            }
        }
    }

    /// Inverses of all products by one inversion.
    function _inverses(Parts memory p, Phases.Run memory r, Key.Parsed memory k) private view {
        uint256 order = Field.modulus();
        unchecked {
            uint256 rho = Phases.load(p.rho.products + 32 * k.nRho);
            uint256 kappa = Phases.load(p.kappa.products + 32 * k.nk);
            uint256 tau = Phases.load(p.tau.products + 32 * k.l);
            uint256 product = mulmod(rho, kappa, order);
            uint256 inverse = Field.inverse(mulmod(product, tau, order));
            _backwards(p.tau, r.tau, k.l, mulmod(inverse, product, order));
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

    /// Values of all monomials, `2^m` words of memory: a row has exponents of `chi`, `gamma`, `delta`, `beta`, the address
    /// bits that are read, and which other points are not.
    function _monomials(Parts memory p, Key.Parsed memory k) private pure returns (uint256 table) {
        uint256 order = Field.modulus();
        unchecked {
            table = _zeros(k.m);
            if (k.monomials > 1 << k.m) revert Key.WrongKey();
            uint256 from = k.monomial;
            uint256 end = table + 32 * k.monomials;
            // A row that reads behind the powers and products makes no sense.
            uint256 limit = _limits(k);
            bool ok = true;
            for (uint256 to = table; to < end; to += 32) {
                uint256 row = Phases.load(from) >> 192;
                from += 8;
                uint256 v = mulmod(_power(p.chi, row >> 56), _power(p.gamma, row >> 48), order);
                v = mulmod(v, mulmod(_power(p.delta, row >> 40), _power(p.beta, row >> 32), order), order);
                uint256 f = mulmod(_power(p.rho.inverses, row >> 24), _power(p.rho.products, row >> 16), order);
                v = mulmod(v, mulmod(f, p.rho.all, order), order);
                if (row & 0x100 != 0) v = mulmod(v, p.kappa.all, order);
                if (row & 0x200 != 0) v = mulmod(v, p.tau.all, order);
                Phases.store(to, v);
                // Byte by byte, no borrow from the next one: bytes are below 128 in a key that is right.
                ok = ok && (row | (limit - row)) & 0x8080808080800000 == 0;
            }
            if (!ok) revert Key.WrongKey();
        }
    }

    /// The largest bytes that a monomial's row may have, the last two whatever they are.
    function _limits(Key.Parsed memory k) private pure returns (uint256) {
        unchecked {
            uint256 limit = (1 + k.columns) << 56;
            limit |= 5 << 48;
            limit |= (1 + k.outputs) << 40;
            limit |= (BETAS - 1) << 32;
            return limit | (k.nRho << 24) | (k.nRho << 16) | 0xffff;
        }
    }

    function _power(uint256 table, uint256 i) private pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := mload(add(table, shl(5, and(i, 0xff))))
        }
    }

    /// Values of all sums over cubes, `2^y` words of memory. Rows ascend, so that each goes on from the one before.
    function _lows(Parts memory p, Phases.Run memory r, Key.Parsed memory k) private pure returns (uint256 table) {
        unchecked {
            table = _zeros(k.y);
            if (k.lows > 1 << k.y) revert Key.WrongKey();
            uint256 last = 6;
            uint256 g = 0;
            uint256 value = 1;
            for (uint256 i = 0; i < k.lows; ++i) {
                uint256 row = Phases.load(k.low + 2 * i) >> 240;
                uint256 kind = row >> 8;
                uint256 bits = row & 0xff;
                if (kind != last) {
                    (last, g, value) = (kind, 0, kind == 1 ? 0 : 1);
                }
                if (kind > 5 || bits < g || !_reads(k, kind, bits)) revert Key.WrongKey();
                value = _step(r, kind, g, bits, value);
                g = bits;
                Phases.store(table + 32 * i, mulmod(value, _scale(p, kind, bits), R));
            }
        }
    }

    /// Whether the points that a kind names have so many coordinates.
    function _reads(Key.Parsed memory k, uint256 kind, uint256 bits) private pure returns (bool) {
        bool rho = kind == 2 || kind == 4 || bits <= k.nRho;
        bool kappa = kind < 4 || bits <= k.nk;
        return rho && kappa && (kind < 2 || bits <= k.l);
    }

    /// Products of inverses that belong to a kind.
    function _scale(Parts memory p, uint256 kind, uint256 bits) private pure returns (uint256 f) {
        uint256 order = Field.modulus();
        f = 1;
        if (kind != 2 && kind != 4) f = _power(p.rho.inverses, bits);
        if (kind > 3) f = mulmod(f, _power(p.kappa.inverses, bits), order);
        if (kind > 1) f = mulmod(f, _power(p.tau.inverses, bits), order);
    }

    /// Takes the sum over `2^g` to that over `2^bits`.
    function _step(Phases.Run memory r, uint256 kind, uint256 g, uint256 bits, uint256 value)
        private
        pure
        returns (uint256)
    {
        uint256 order = Field.modulus();
        unchecked {
            for (; g < bits; ++g) {
                uint256 x = Phases.load((kind == 4 ? r.kappa : r.rho) + 32 * g);
                if (kind == 1) {
                    value = addmod(value, mulmod(1 << g, x, order), order);
                } else if (kind > 2) {
                    uint256 y = Phases.load(r.tau + 32 * g);
                    uint256 both = mulmod(x, y, order);
                    uint256 none = mulmod(order + 1 - x, order + 1 - y, order);
                    if (kind == 5) {
                        x = Phases.load(r.kappa + 32 * g);
                        both = mulmod(both, x, order);
                        none = mulmod(none, order + 1 - x, order);
                    }
                    value = mulmod(value, both + none, order);
                }
            }
            return value;
        }
    }

    /// `2^bits` words of memory, cleared.
    function _zeros(uint256 bits) private pure returns (uint256 table) {
        unchecked {
            table = Phases.words(1 << bits);
            assembly ("memory-safe") {
                // Bytes behind the end of calldata are zeros.
                calldatacopy(table, calldatasize(), shl(5, shl(bits, 1)))
            }
        }
    }

    /// The multilinear polynomial with `2^bits` values at a point, lowest variable first; values are overwritten.
    function _fold(uint256 table, uint256 bits, uint256 point) private pure returns (uint256) {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            for { let n := shl(bits, 1) } gt(n, 1) {} {
                n := shr(1, n)
                let x := mload(point)
                let from := table
                for { let to := table } lt(to, add(table, shl(5, n))) { to := add(to, 32) } {
                    let a := mload(from)
                    mstore(to, addmod(a, mulmod(x, add(mload(add(from, 32)), sub(order, a)), order), order))
                    from := add(from, 64)
                }
                point := add(point, 32)
            }
        }
        return Phases.load(table);
    }
}
