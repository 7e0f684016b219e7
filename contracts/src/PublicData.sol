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

    /// An input or output, as the key describes it.
    struct Form {
        uint256 visibility;
        uint256 width;
        uint256 lines;
        uint256 cells;
        uint256 padded;
        /// The least value as a scalar, and the range's length.
        uint256 low;
        uint256 span;
    }

    /// Where public data are, in calldata.
    struct Place {
        /// Points of committed inputs and outputs.
        uint256 points;
        /// Values of public inputs, then outputs.
        uint256 values;
        /// Bytes of all of it.
        uint256 size;
    }

    /// The form of input or output `i`, outputs behind inputs.
    function form(Key.Parsed memory k, uint256 i) internal pure returns (Form memory f) {
        unchecked {
            uint256 word;
            uint256 pos = k.io + 32 * i;
            assembly ("memory-safe") {
                word := mload(pos)
            }
            f.visibility = word >> 248;
            f.width = (word >> 240) & 0xff;
            f.lines = (word >> 192) & 0xffffffff;
            f.cells = (word >> 160) & 0xffffffff;
            f.padded = (word >> 128) & 0xffffffff;
            uint256 low = (word >> 64) & 0xffffffffffffffff;
            f.low = low >> 63 == 0 ? low : R - ((1 << 64) - low);
            f.span = word & 0xffffffffffffffff;
        }
    }

    /// Where the parts of public data at calldata offset `at` are.
    function place(Key.Parsed memory k, uint256 pos) internal pure returns (Place memory p) {
        unchecked {
            uint256 points = 0;
            uint256 values = 0;
            uint256 count = k.inputs + k.outputs;
            for (uint256 i = 0; i < count; ++i) {
                Form memory f = form(k, i);
                if (f.visibility == Key.COMMITTED) {
                    points += 64;
                } else if (f.visibility == Key.PUBLIC) {
                    values += f.width * f.lines * f.cells;
                }
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
                if (form(k, j).visibility == Key.COMMITTED) pos += 64;
            }
        }
    }

    /// The column of public input `i` at a point of `count` coordinates.
    function input(Key.Parsed memory k, Place memory p, uint256 i, uint256 point_, uint256 count)
        internal
        pure
        returns (uint256)
    {
        return _atPoint(form(k, i), _valuesOf(k, p, i), point_, count);
    }

    /// Where the values of input `i` start, outputs behind inputs.
    function _valuesOf(Key.Parsed memory k, Place memory p, uint256 i) private pure returns (uint256 pos) {
        unchecked {
            pos = p.values;
            for (uint256 j = 0; j < i; ++j) {
                Form memory f = form(k, j);
                if (f.visibility == Key.PUBLIC) pos += f.width * f.lines * f.cells;
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
                Form memory f = form(k, k.inputs + o);
                if (f.visibility == Key.PUBLIC) {
                    sum = addmod(sum, mulmod(weight, _atPoint(f, pos, rho, k.nRho), order), order);
                    pos += f.width * f.lines * f.cells;
                }
                weight = mulmod(weight, delta, order);
            }
        }
    }

    /// `sum_x eq(rho, x) out[x]`: values are put at their addresses, then one variable after the other is bound.
    function _atPoint(Form memory f, uint256 pos, uint256 rho, uint256 count) private pure returns (uint256 value) {
        unchecked {
            uint256 order = Field.modulus();
            uint256 variables = 0;
            while (1 << variables < f.lines * f.padded) ++variables;
            uint256 table = _values(f, pos, 1 << variables);
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
    function _values(Form memory f, uint256 pos, uint256 room) private pure returns (uint256 table) {
        uint256 lines = f.lines;
        uint256 cells = f.cells;
        uint256 padded = f.padded;
        uint256 width = f.width;
        uint256 low = f.low;
        uint256 span = f.span;
        bool ok = true;
        assembly ("memory-safe") {
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
