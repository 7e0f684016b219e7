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
    uint256 private constant MAGIC = 0x50565331;
    /// Bytes before the trees: head, digest, set-up, list.
    uint256 private constant TREES = 576;

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
        /// Memory address of the trees, one {Tree} behind the other.
        Tree[] forest;
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
    /// that hold public columns only are not opened; the others are numbered anew.
    function _trees(Parsed memory k) private pure returns (bool model) {
        unchecked {
            Tree[] memory list = new Tree[](k.trees);
            for (uint256 i = 0; i < list.length; ++i) {
                Tree memory t = list[i];
                uint256 word;
                uint256 pos = k.tree + 8 * i;
                assembly ("memory-safe") {
                    word := mload(pos)
                }
                t.kind = _byte(word, 0);
                t.number = _byte(word, 1);
                t.geometry = _byte(word, 2);
                t.height = _byte(word, 3);
                t.columns = _byte(word, 4) & 1;
                t.mask = _byte(word, 5) != 0;
                t.isPublic = _byte(word, 6) != 0;
                if (t.kind == MODEL) model = true;
                if (t.mask) ++k.masks;
                k.columns += t.columns;
                if (!t.isPublic) k.committed += t.columns;
            }
            // Every geometry that has a mask is opened, and no other: masks are in the order of geometries.
            for (uint256 g = 0; g < 256 && k.geometries < k.masks; ++g) {
                bool found = false;
                for (uint256 i = 0; i < list.length; ++i) {
                    if (list[i].geometry == g && !list[i].isPublic) {
                        found = true;
                        list[i].slot = k.geometries;
                    }
                }
                if (found) ++k.geometries;
            }
            k.forest = list;
        }
    }

    /// One tree of commitments, or a public column.
    struct Tree {
        uint256 kind;
        uint256 number;
        uint256 geometry;
        uint256 height;
        uint256 columns;
        bool mask;
        bool isPublic;
        /// Number among the geometries that are opened.
        uint256 slot;
    }
}
