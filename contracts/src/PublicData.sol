// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";
import {Key} from "./Key.sol";

/// @title Public data of a statement
/// @notice Hash of the context, committed inputs and outputs as points, then the values of public ones, each as its
/// distance from the least value of its range in as many bytes as the range needs. Lengths follow from the key.
library PublicData {
    /// A public value is not in its declared range.
    error ValueOutOfRange();

    /// Where public data are, in calldata.
    struct Place {
        /// Points of committed inputs and outputs.
        uint256 points;
        /// Values of public inputs, then outputs.
        uint256 values;
        /// Bytes of all of it.
        uint256 size;
    }

    /// What the key says of input or output `i`, outputs behind inputs: see {Form}.
    function _form(Key.Parsed memory k, uint256 i) private pure returns (uint256 form) {
        unchecked {
            uint256 pos = k.io + 32 * i;
            assembly ("memory-safe") {
                form := mload(pos)
            }
        }
    }

    function _visibility(uint256 form) private pure returns (uint256) {
        return form >> 248;
    }

    function _lines(uint256 form) private pure returns (uint256) {
        return (form >> 192) & 0xffffffff;
    }

    function _padded(uint256 form) private pure returns (uint256) {
        return (form >> 128) & 0xffffffff;
    }

    /// Bytes of all values, none if they are not public.
    function _size(uint256 form) private pure returns (uint256) {
        unchecked {
            if (_visibility(form) != Key.PUBLIC) return 0;
            return ((form >> 240) & 0xff) * _lines(form) * ((form >> 160) & 0xffffffff);
        }
    }

    /// Where the parts of public data at calldata offset `at` are.
    function place(Key.Parsed memory k, uint256 pos) internal pure returns (Place memory p) {
        unchecked {
            uint256 points = 0;
            uint256 values = 0;
            uint256 count = k.inputs + k.outputs;
            for (uint256 i = 0; i < count; ++i) {
                uint256 form = _form(k, i);
                if (_visibility(form) == Key.COMMITTED) points += 64;
                values += _size(form);
            }
            p.points = pos + 32;
            p.values = p.points + points;
            p.size = 32 + points + values;
        }
    }

    /// The calldata offset of the point of a committed input or output, outputs behind inputs.
    function point(Key.Parsed memory k, Place memory p, uint256 i) internal pure returns (uint256 pos) {
        unchecked {
            pos = p.points;
            for (uint256 j = 0; j < i; ++j) {
                if (_visibility(_form(k, j)) == Key.COMMITTED) pos += 64;
            }
        }
    }

    /// The column of public input `i` at a point of `count` coordinates.
    function input(Key.Parsed memory k, Place memory p, uint256 i, uint256 point_, uint256 count)
        internal
        pure
        returns (uint256)
    {
        return _atPoint(_form(k, i), _valuesOf(k, p, i), point_, count);
    }

    /// Where the values of input `i` start, outputs behind inputs.
    function _valuesOf(Key.Parsed memory k, Place memory p, uint256 i) private pure returns (uint256 pos) {
        unchecked {
            pos = p.values;
            for (uint256 j = 0; j < i; ++j) {
                pos += _size(_form(k, j));
            }
        }
    }

    /// `sum_o delta^o sum_x eq(rho, x) out_o[x]` over public outputs `o`; `rho` are `k.nRho` words of memory.
    function outputs(Key.Parsed memory k, Place memory p, uint256 rho, uint256 delta)
        internal
        pure
        returns (uint256 sum)
    {
        unchecked {
            uint256 order = Field.modulus();
            uint256 weight = 1;
            uint256 pos = _valuesOf(k, p, k.inputs);
            for (uint256 o = 0; o < k.outputs; ++o) {
                uint256 form = _form(k, k.inputs + o);
                if (_visibility(form) == Key.PUBLIC) {
                    sum = addmod(sum, mulmod(weight, _atPoint(form, pos, rho, k.nRho), order), order);
                    pos += _size(form);
                }
                weight = mulmod(weight, delta, order);
            }
        }
    }

    /// `sum_x eq(rho, x) out[x]`, `eq(rho, x)` being a factor of the lower half of `rho` and one of the upper half: from line to
    /// line and, in a line, from one upper factor to the next.
    function _atPoint(uint256 form, uint256 pos, uint256 rho, uint256 count) private pure returns (uint256 value) {
        unchecked {
            uint256 order = Field.modulus();
            uint256 variables = 0;
            while (1 << variables < _lines(form) * _padded(form)) ++variables;
            // A key with fewer coordinates than its outputs have addresses makes no sense.
            if (variables > count) revert Key.WrongKey();
            uint256 half = (variables + 1) >> 1;
            uint256 low = _factors(rho, half);
            uint256 high = _factors(rho + 32 * half, variables - half);
            uint256 end = _lines(form) * _padded(form);
            for (uint256 line = 0; line < end; line += _padded(form)) {
                uint256 stop = line + ((form >> 160) & 0xffffffff);
                for (uint256 from = line; from < stop;) {
                    uint256 to = ((from >> half) + 1) << half;
                    if (to > stop) to = stop;
                    uint256 sum = _sum(form, pos, low + 32 * (from & ((1 << half) - 1)), to - from);
                    pos += ((form >> 240) & 0xff) * (to - from);
                    assembly ("memory-safe") {
                        sum := mulmod(sum, mload(add(high, shl(5, shr(half, from)))), order)
                    }
                    value = addmod(value, sum, order);
                    from = to;
                }
            }
            for (uint256 i = variables; i < count; ++i) {
                assembly ("memory-safe") {
                    value := mulmod(value, add(1, sub(order, mload(add(rho, shl(5, i))))), order)
                }
            }
        }
    }

    /// `eq(point, .)` in memory, `point` being the `count` words at `z`.
    function _factors(uint256 z, uint256 count) private pure returns (uint256 table) {
        uint256 order = Field.modulus();
        assembly ("memory-safe") {
            table := mload(0x40)
            mstore(0x40, add(table, shl(add(count, 5), 1)))
            mstore(table, 1)
            let end := add(table, 32)
            for { let last := add(z, shl(5, count)) } lt(z, last) { z := add(z, 32) } {
                let x := mload(z)
                let to := end
                for { let from := table } lt(from, end) { from := add(from, 32) } {
                    let c := mload(from)
                    let one := mulmod(c, x, order)
                    mstore(to, one)
                    mstore(from, addmod(c, sub(order, one), order))
                    to := add(to, 32)
                }
                end := to
            }
        }
    }

    /// The sum of `count` values, each times a word of memory from `factor`.
    function _sum(uint256 form, uint256 pos, uint256 factor, uint256 count) private pure returns (uint256 sum) {
        uint256 order = Field.modulus();
        bool above = false;
        assembly ("memory-safe") {
            let width := byte(1, form)
            // The least value, of which the highest bit is the sign, as a scalar; the range's length.
            let least := signextend(7, shr(64, form))
            least := add(least, mul(order, shr(255, least)))
            let span := and(form, 0xffffffffffffffff)
            let shift := sub(256, shl(3, width))
            for { let end := add(factor, shl(5, count)) } lt(factor, end) { factor := add(factor, 32) } {
                let v := shr(shift, calldataload(pos))
                above := or(above, gt(v, span))
                sum := addmod(sum, mulmod(add(v, least), mload(factor), order), order)
                pos := add(pos, width)
            }
        }
        if (above) revert ValueOutOfRange();
    }
}
