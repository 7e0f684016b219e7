// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The short key
/// @notice What the verifier knows of a model: sizes, the set-up, commitments, the form of public data. Its hash is the
/// model id, so that it needs no other protection. Keys are stored as the code of an account, behind one zero byte.
library Key {
    /// The key is not the one that the model id names, or is none of this version.
    error WrongKey();
    /// Proofs under the key are not zero-knowledge; they are checked off chain only.
    error KeyNotHiding();

    /// Kinds of trees.
    uint256 internal constant MODEL = 0;
    uint256 internal constant INPUT = 1;
    uint256 internal constant OUTPUT = 2;
    uint256 internal constant MASK = 3;
    uint256 internal constant TRACE = 4;
    uint256 internal constant HELPER = 5;

    /// Visibilities.
    uint256 internal constant PUBLIC = 0;
    uint256 internal constant COMMITTED = 2;

    /// First part of the head: the mark of the format.
    uint256 private constant MAGIC = 0x50565332;
    /// Bytes before the trees: head, digest, set-up, list.
    uint256 private constant TREES = 320;

    /// A key in memory. Names are those of the specification.
    struct Parsed {
        uint256 nv;
        uint256 nRho;
        uint256 nk;
        uint256 l;
        uint256 q;
        uint256 d;
        uint256 m;
        uint256 y;
        uint256 trees;
        uint256 inputs;
        uint256 outputs;
        uint256 monomials;
        uint256 lows;
        uint256 pads;
        /// Geometries that are opened; masks; columns, and those of them that are committed.
        uint256 geometries;
        uint256 masks;
        uint256 columns;
        uint256 committed;
        /// Made with a set-up whose secret is known.
        bool insecure;
        /// Memory addresses of the parts.
        uint256 tau;
        uint256 list;
        uint256 tree;
        uint256 model;
        uint256 io;
        uint256 monomial;
        uint256 low;
        /// Memory address of the trees, a word each; of the height of each geometry.
        uint256 forest;
        uint256 heights;
    }

    /// Loads the key from the code of `account` and checks that it is the one `modelId` names.
    function load(address account, bytes32 modelId) internal view returns (Parsed memory k) {
        unchecked {
            uint256 pos;
            uint256 size;
            bytes32 hash;
            assembly ("memory-safe") {
                pos := mload(0x40)
                size := extcodesize(account)
                size := mul(sub(size, 1), gt(size, 0))
                extcodecopy(account, pos, 1, size)
                hash := keccak256(pos, size)
                mstore(0x40, and(add(add(pos, size), 31), not(31)))
            }
            if (hash != modelId || size < TREES) revert WrongKey();
            _head(k, pos);
            k.tau = pos + 64;
            k.list = pos + 192;
            k.tree = pos + TREES;
            bool model = _trees(k);
            uint256 next = k.tree + _padded(8 * k.trees);
            k.model = next;
            if (model) next += 64;
            k.io = next;
            k.monomial = next + 32 * (k.inputs + k.outputs);
            k.low = k.monomial + _padded(8 * k.monomials);
            if (k.low + _padded(2 * k.lows) != pos + size) revert WrongKey();
        }
    }

    function _padded(uint256 size) private pure returns (uint256) {
        unchecked {
            return (size + 31) & ~uint256(31);
        }
    }

    function _head(Parsed memory k, uint256 pos) private pure {
        uint256 head;
        assembly ("memory-safe") {
            head := mload(pos)
        }
        if (head >> 224 != MAGIC) revert WrongKey();
        uint256 flags = _byte(head, 4);
        if (flags & 1 == 0) revert KeyNotHiding();
        k.insecure = flags & 2 != 0;
        k.nv = _byte(head, 5);
        k.nRho = _byte(head, 6);
        k.nk = _byte(head, 7);
        k.l = _byte(head, 8);
        k.q = _byte(head, 9);
        k.d = _byte(head, 10);
        k.m = _byte(head, 11);
        k.y = _byte(head, 12);
        k.trees = _byte(head, 13);
        k.inputs = _byte(head, 14);
        k.outputs = _byte(head, 15);
        k.monomials = (head >> 112) & 0xffff;
        k.lows = (head >> 96) & 0xffff;
        k.pads = (head >> 80) & 0xffff;
    }

    function _byte(uint256 word, uint256 i) private pure returns (uint256 b) {
        assembly ("memory-safe") {
            b := byte(i, word)
        }
    }

    /// Unpacks the trees and counts geometries, masks and columns; says whether there is a tree of the model. Geometries
    /// that hold public columns only are not opened; the others are numbered anew, in order.
    function _trees(Parsed memory k) private pure returns (bool model) {
        unchecked {
            uint256 count = k.trees;
            uint256 from = k.tree;
            uint256 to;
            uint256 masks;
            uint256 columns;
            uint256 committed;
            uint256 seen;
            assembly ("memory-safe") {
                to := mload(0x40)
                mstore(0x40, add(to, shl(5, count)))
                let p := to
                for { let end := add(from, shl(3, count)) } lt(from, end) { from := add(from, 8) } {
                    let word := mload(from)
                    let own := iszero(byte(6, word))
                    let column := and(byte(4, word), 1)
                    if iszero(byte(0, word)) { model := 1 }
                    if byte(5, word) { masks := add(masks, 1) }
                    columns := add(columns, column)
                    if own {
                        committed := add(committed, column)
                        seen := or(seen, shl(byte(2, word), 1))
                    }
                    mstore(p, word)
                    p := add(p, 32)
                }
                // The number of a geometry is how many lower ones there are: it takes the place of the eighth byte.
                for { let end := p p := to } lt(p, end) { p := add(p, 32) } {
                    let word := mload(p)
                    let rest := and(seen, sub(shl(byte(2, word), 1), 1))
                    let lower := 0
                    for {} rest { rest := and(rest, sub(rest, 1)) } { lower := add(lower, 1) }
                    mstore(p, or(and(word, shl(200, 0xffffffffffffff)), shl(192, lower)))
                }
            }
            k.forest = to;
            k.masks = masks;
            k.columns = columns;
            k.committed = committed;
            uint256 heights;
            for (; seen != 0; seen &= seen - 1) ++k.geometries;
            assembly ("memory-safe") {
                // All trees of a geometry have its height; a public column has none of the numbers.
                heights := mload(0x40)
                let end := add(to, shl(5, count))
                mstore(0x40, add(heights, shl(5, add(count, 1))))
                for { let p := to } lt(p, end) { p := add(p, 32) } {
                    let word := mload(p)
                    if iszero(byte(6, word)) { mstore(add(heights, shl(5, byte(7, word))), byte(3, word)) }
                }
            }
            k.heights = heights;
        }
    }

    /// Tree number `i`: a word whose bytes {kind} and its neighbours read.
    function tree(Parsed memory k, uint256 i) internal pure returns (uint256 word) {
        uint256 forest = k.forest;
        assembly ("memory-safe") {
            word := mload(add(forest, shl(5, i)))
        }
    }

    /// One of the kinds.
    function kind(uint256 word) internal pure returns (uint256) {
        return word >> 248;
    }

    /// Number of the input or output.
    function ioNumber(uint256 word) internal pure returns (uint256) {
        return (word >> 240) & 0xff;
    }

    /// Variables of the column.
    function height(uint256 word) internal pure returns (uint256) {
        return (word >> 224) & 0xff;
    }

    /// Whether there is a column.
    function hasColumn(uint256 word) internal pure returns (bool) {
        return (word >> 216) & 1 != 0;
    }

    /// Whether it is a mask.
    function isMask(uint256 word) internal pure returns (bool) {
        return (word >> 208) & 0xff != 0;
    }

    /// Whether its column is public.
    function isPublic(uint256 word) internal pure returns (bool) {
        return (word >> 200) & 0xff != 0;
    }

    /// Number among the geometries that are opened.
    function slot(uint256 word) internal pure returns (uint256) {
        return (word >> 192) & 0xff;
    }
}
