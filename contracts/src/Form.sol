// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Real} from "./Real.sol";

/// What an input or output of a model looks like: the word of the model's short key about it (`spec/succinct.md`,
/// section 8), with the scale in the third byte. From the most significant byte: visibility (0 public, 1 private, 2
/// committed), bytes of a value, scale (signed), 0; lines (4 bytes), values in a line (4), the same with padding (4); the
/// least value, signed (8); the greatest less the least (8).
type Form is uint256;

using Forms for Form global;

/// @title Public values: packed bytes on one side, integers and real numbers on the other
/// @notice Values of public inputs, then outputs, are one byte string: each value as its distance from the least one of its
/// range, most significant byte first, in {width} bytes. `from` is where the values of one input or output begin there.
///
/// What is read from bytes is worth what the bytes are worth: act on it only after the verifier has accepted them.
library Forms {
    /// The value of this number is not in the declared range.
    error OutOfForm(uint256 index, int256 value);
    /// There are not as many values as the form says.
    error WrongCount(uint256 expected, uint256 got);

    /// Whether everybody sees the values.
    function isPublic(Form f) internal pure returns (bool) {
        return Form.unwrap(f) >> 248 == 0;
    }

    /// Whether there is a commitment to the values.
    function isCommitted(Form f) internal pure returns (bool) {
        return Form.unwrap(f) >> 248 == 2;
    }

    /// Bytes of a value.
    function width(Form f) internal pure returns (uint256) {
        return (Form.unwrap(f) >> 240) & 0xff;
    }

    /// A value stands for `value * 2^-scale`.
    function scale(Form f) internal pure returns (int256) {
        return int8(uint8(Form.unwrap(f) >> 232));
    }

    /// Lines: all axes but the last one.
    function lines(Form f) internal pure returns (uint256) {
        return (Form.unwrap(f) >> 192) & 0xffffffff;
    }

    /// Values in a line: the last axis.
    function cells(Form f) internal pure returns (uint256) {
        return (Form.unwrap(f) >> 160) & 0xffffffff;
    }

    /// Values in a line, with padding.
    function padded(Form f) internal pure returns (uint256) {
        return (Form.unwrap(f) >> 128) & 0xffffffff;
    }

    /// The least value of the declared range.
    function least(Form f) internal pure returns (int256) {
        return int64(uint64(Form.unwrap(f) >> 64));
    }

    /// The greatest value less the least one.
    function span(Form f) internal pure returns (uint256) {
        return uint64(Form.unwrap(f));
    }

    /// Number of values.
    function count(Form f) internal pure returns (uint256) {
        return f.lines() * f.cells();
    }

    /// Bytes of all values, packed; none if they are not public.
    function size(Form f) internal pure returns (uint256) {
        return f.isPublic() ? f.width() * f.count() : 0;
    }

    /// The word of the short key: the form without its scale, which keys do not have.
    function keyWord(Form f) internal pure returns (bytes32) {
        return bytes32(Form.unwrap(f) & ~(uint256(0xff) << 232));
    }

    /// Value number `i` as an integer.
    function integerAt(Form f, bytes calldata values, uint256 from, uint256 i) internal pure returns (int256) {
        uint256 n = f.width();
        uint256 start = from + i * n;
        // A slice is checked: it reverts behind the end.
        uint256 above = n == 0 ? 0 : uint256(bytes32(values[start:start + n])) >> (256 - 8 * n);
        return f.least() + int256(above);
    }

    /// Value number `i` in real units.
    function realAt(Form f, bytes calldata values, uint256 from, uint256 i) internal pure returns (Real) {
        return f.real(f.integerAt(values, from, i));
    }

    /// Where the greatest value of a line is; the first of equals.
    function greatest(Form f, bytes calldata values, uint256 from, uint256 line) internal pure returns (uint256 index) {
        uint256 n = f.cells();
        int256 best = f.integerAt(values, from, line * n);
        for (uint256 i = 1; i < n; ++i) {
            int256 v = f.integerAt(values, from, line * n + i);
            if (v > best) (best, index) = (v, i);
        }
    }

    /// What an integer of the model stands for; below the 64th binary place it is rounded down.
    function real(Form f, int256 integer) internal pure returns (Real) {
        int256 shift = 64 - f.scale();
        if (shift < 0) return Real.wrap(integer >> uint256(-shift));
        return Real.wrap(integer * int256(uint256(1) << uint256(shift)));
    }

    /// The integer of the declared range that is nearest to a real number, halves away from zero: as the compiler takes
    /// real inputs. Numbers beyond the range become its ends.
    function nearest(Form f, Real x) internal pure returns (int256 integer) {
        int256 shift = 64 - f.scale();
        int256 v = Real.unwrap(x);
        if (shift <= 0) {
            integer = v * int256(uint256(1) << uint256(-shift));
        } else {
            int256 half = int256(1) << uint256(shift - 1);
            integer = v >= 0 ? (v + half) >> uint256(shift) : -((half - v) >> uint256(shift));
        }
        int256 lo = f.least();
        int256 hi = lo + int256(f.span());
        if (integer < lo) return lo;
        if (integer > hi) return hi;
    }

    /// Integers as a proof has them.
    function pack(Form f, int256[] memory integers) internal pure returns (bytes memory values) {
        uint256 n = f.width();
        if (integers.length != f.count()) revert WrongCount(f.count(), integers.length);
        values = new bytes(n * integers.length);
        for (uint256 i = 0; i < integers.length; ++i) {
            int256 above = integers[i] - f.least();
            if (above < 0 || uint256(above) > f.span()) revert OutOfForm(i, integers[i]);
            for (uint256 j = 0; j < n; ++j) {
                values[i * n + j] = bytes1(uint8(uint256(above) >> (8 * (n - 1 - j))));
            }
        }
    }

    /// Real numbers as a proof has them, each as its {nearest} integer.
    function packReals(Form f, Real[] memory numbers) internal pure returns (bytes memory) {
        int256[] memory integers = new int256[](numbers.length);
        for (uint256 i = 0; i < numbers.length; ++i) {
            integers[i] = f.nearest(numbers[i]);
        }
        return f.pack(integers);
    }
}
