// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;


import {Field} from "./Field.sol";
import {Key} from "./Key.sol";

/// @title Public data of a statement
/// @notice Hash of the context, committed inputs and outputs as points, then the values of public ones, each as its
/// distance from the least value of its range in as many bytes as the range needs. Lengths follow from the key.
library PublicData {
    /// The scalars' modulus, as in {Field}, for assembly.
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

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

    /// `sum_x eq(rho, x) out[x]`: values are put at their addresses, then one variable after the other is bound.
    function _atPoint(uint256 form, uint256 pos, uint256 rho, uint256 count) private pure returns (uint256 value) {
        unchecked {
            uint256 order = Field.modulus();
            uint256 variables = 0;
            while (1 << variables < _lines(form) * _padded(form)) ++variables;
            uint256 table = _values(form, pos, 1 << variables);
            bool known = variables <= count;
            assembly ("memory-safe") {
                let end := add(rho, shl(5, count))
                for { let n := shl(variables, 1) } gt(n, 1) {} {
                    n := shr(1, n)
                    let r := mload(rho)
                    let to := table
                    for { let from := table } lt(to, add(table, shl(5, n))) { to := add(to, 32) } {
                        let a := mload(from)
                        mstore(to, addmod(a, mulmod(r, addmod(mload(add(from, 32)), sub(order, a), order), order), order))
                        from := add(from, 64)
                    }
                    rho := add(rho, 32)
                }
                value := mload(table)
                for {} lt(rho, end) { rho := add(rho, 32) } {
                    value := mulmod(value, add(1, sub(order, mload(rho))), order)
                }
            }
            // A key with fewer coordinates than its outputs have addresses makes no sense.
            if (!known) revert Key.WrongKey();
        }
    }

    /// Values at their addresses in memory, zeros elsewhere.
    function _values(uint256 form, uint256 pos, uint256 room) private pure returns (uint256 table) {
        uint256 lines = _lines(form);
        uint256 padded = _padded(form);
        bool ok = true;
        assembly ("memory-safe") {
            let width := byte(1, form)
            let cells := and(shr(160, form), 0xffffffff)
            // The least value, of which the highest bit is the sign, as a scalar; the range's length.
            let low := signextend(7, shr(64, form))
            low := add(low, mul(R, shr(255, low)))
            let span := and(form, 0xffffffffffffffff)
            table := mload(0x40)
            let size := shl(5, room)
            mstore(0x40, add(table, size))
            // Bytes behind the end of calldata are zeros.
            calldatacopy(table, calldatasize(), size)
            let shift := sub(256, shl(3, width))
            let line := table
            for {} lines { lines := sub(lines, 1) } {
                let to := line
                for { let end := add(line, shl(5, cells)) } lt(to, end) { to := add(to, 32) } {
                    let v := shr(shift, calldataload(pos))
                    ok := and(ok, iszero(gt(v, span)))
                    mstore(to, addmod(v, low, R))
                    pos := add(pos, width)
                }
                line := add(line, shl(5, padded))
            }
        }
        if (!ok) revert ValueOutOfRange();
    }
}
