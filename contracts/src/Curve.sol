// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Sums of points of BN254, and the pairing equation
/// @notice The precompiles refuse coordinates that are not reduced and points off the curve; every return is checked.
library Curve {
    /// A precompile refused a point: coordinates too large, off the curve, or out of gas.
    error InvalidPoint();
    /// The pairing equation does not hold.
    error OpeningRejected();

    /// The second group's generator, as EIP-197 orders coordinates.
    uint256 internal constant G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 internal constant G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 internal constant G2_Y1 = 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b;
    uint256 internal constant G2_Y0 = 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa;
    /// The base of blinds.
    uint256 internal constant H_X = 0x0b1f440e0c7f7afb30750b2cabb1cc6d3f8b0554148d34ac34888ad543ee861f;
    uint256 internal constant H_Y = 0x2a2bcd39fbff785158a6613373f5e4e3987f2d686958a0b22aa238d1dc151182;
    /// Modulus of coordinates.
    uint256 internal constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

    /// A running sum: five words of memory, the sum, then room for one point and its factor.
    function begin() internal pure returns (uint256 s) {
        assembly ("memory-safe") {
            s := mload(0x40)
            mstore(0x40, add(s, 0xa0))
            mstore(s, 0)
            mstore(add(s, 0x20), 0)
        }
    }

    /// Adds `k` times the point in two words of calldata.
    function addCalldata(uint256 s, uint256 offset, uint256 k) internal view {
        assembly ("memory-safe") {
            calldatacopy(add(s, 0x40), offset, 0x40)
        }
        _mulAdd(s, k);
    }

    /// Adds the point in two words of calldata once.
    function addCalldata(uint256 s, uint256 offset) internal view {
        assembly ("memory-safe") {
            calldatacopy(add(s, 0x40), offset, 0x40)
        }
        _add(s);
    }

    /// Adds the point in two words of memory once.
    function addMemory(uint256 s, uint256 pos) internal view {
        assembly ("memory-safe") {
            mcopy(add(s, 0x40), pos, 0x40)
        }
        _add(s);
    }

    /// Adds `k` times the point in two words of memory.
    function addMemory(uint256 s, uint256 pos, uint256 k) internal view {
        assembly ("memory-safe") {
            mcopy(add(s, 0x40), pos, 0x40)
        }
        _mulAdd(s, k);
    }

    /// Adds the point `(x, y)` `k` times.
    function add(uint256 s, uint256 x, uint256 y, uint256 k) internal view {
        assembly ("memory-safe") {
            mstore(add(s, 0x40), x)
            mstore(add(s, 0x60), y)
        }
        _mulAdd(s, k);
    }

    function _add(uint256 s) private view {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 0x06, s, 0x80, s, 0x40)
            ok := and(eq(returndatasize(), 0x40), ok)
        }
        if (!ok) revert InvalidPoint();
    }

    function _mulAdd(uint256 s, uint256 k) private view {
        bool ok;
        assembly ("memory-safe") {
            let p := add(s, 0x40)
            mstore(add(s, 0x80), k)
            ok := staticcall(gas(), 0x07, p, 0x60, p, 0x40)
            ok := and(ok, eq(returndatasize(), 0x40))
            ok := and(ok, staticcall(gas(), 0x06, s, 0x80, s, 0x40))
            ok := and(ok, eq(returndatasize(), 0x40))
        }
        if (!ok) revert InvalidPoint();
    }

    /// Whether `e(left, generator) = e(right, tau)`: sums of points, two words of memory each; `tau` is four words of memory.
    function equal(uint256 left, uint256 right, uint256 tau) internal view returns (bool ok) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mcopy(m, left, 0x40)
            mstore(add(m, 0x40), G2_X1)
            mstore(add(m, 0x60), G2_X0)
            mstore(add(m, 0x80), G2_Y1)
            mstore(add(m, 0xa0), G2_Y0)
            mstore(add(m, 0xc0), mload(right))
            // The negative of a point, and infinity for infinity. Coordinates of sums are reduced.
            mstore(add(m, 0xe0), mod(sub(P, mload(add(right, 0x20))), P))
            mcopy(add(m, 0x100), tau, 0x80)
            ok := staticcall(gas(), 0x08, m, 0x180, m, 0x20)
            ok := and(ok, eq(returndatasize(), 0x20))
            ok := and(ok, eq(mload(m), 1))
        }
    }

    /// Reverts unless the pairing equation holds, `right` being two words of calldata that have been in a sum.
    function check(uint256 left, uint256 right, uint256 tau) internal view {
        assembly ("memory-safe") {
            calldatacopy(add(left, 0x40), right, 0x40)
        }
        if (!equal(left, left + 0x40, tau)) revert OpeningRejected();
    }
}
