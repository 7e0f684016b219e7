// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";
import {Key} from "./Key.sol";
import {PublicData} from "./PublicData.sol";
import {Sumcheck} from "./Sumcheck.sol";
import {Transcript} from "./Transcript.sol";

/// @title The phases: look-ups, products, claims
/// @notice Windows 1 to 9 of the specification. Every message carries a pad, so nothing can be checked here: what the
/// phases leave is put together by {InnerClaim}, whose one equation says that all checks hold.
library Phases {
    uint256 private constant R = Field.R;

    /// A proof being read, and what is known of it so far.
    struct Run {
        /// Calldata offset of the next message.
        uint256 pos;
        /// The transcript, and bytes of messages behind it that are not hashed yet.
        uint256 t;
        uint256 pending;
        /// Calldata offsets of messages.
        uint256 first;
        uint256 helper;
        uint256 phase1;
        uint256 six;
        uint256 phase2;
        uint256 operands;
        uint256 phase3;
        uint256 columns;
        /// Memory addresses: the zerocheck's point, products of its first coordinates, the points of the phases, the
        /// combination's coefficient of each column, values of functionals.
        uint256 rho0;
        uint256 scales;
        uint256 rho;
        uint256 kappa;
        uint256 tau;
        uint256 combination;
        uint256 values;
        /// Challenges.
        uint256 alpha;
        uint256 beta;
        uint256 delta;
        uint256 gamma;
        /// What the sumchecks leave; the first, scaled by the last of `scales`, whose inverse is known later.
        uint256 left1;
        uint256 left2;
        uint256 left3;
        uint256 unscale;
    }

    /// Starts reading messages at calldata offset `at`.
    function begin(Run memory r, Key.Parsed memory k, uint256 pos, uint256 t, uint256 pending) internal pure {
        unchecked {
            r.pos = pos;
            r.t = t;
            r.pending = pending;
            r.rho0 = words(k.nv);
            r.scales = words(k.nv + 1);
            r.rho = words(k.nRho);
            // The points lie one behind the other, for {Lists}.
            r.kappa = words(k.nk);
            r.tau = words(k.l);
            r.combination = words(k.committed);
            r.values = words(2 + k.columns);
        }
    }

    /// Room for `count` words of memory, not cleared.
    function words(uint256 count) internal pure returns (uint256 pos) {
        assembly ("memory-safe") {
            pos := mload(0x40)
            mstore(0x40, add(pos, shl(5, count)))
        }
    }

    /// The offset of the next `size` bytes of messages.
    function take(Run memory r, uint256 size) internal pure returns (uint256 pos) {
        unchecked {
            pos = r.pos;
            r.pos = pos + size;
            r.pending += size;
        }
    }

    /// The offset of the next `count` scalars, all of them reduced.
    function scalars(Run memory r, uint256 count) internal pure returns (uint256 pos) {
        unchecked {
            pos = take(r, 32 * count);
            Field.canonical(pos, count);
        }
    }

    /// A challenge from all messages up to here.
    function draw(Run memory r) internal pure returns (uint256 challenge) {
        (challenge, r.t) = Transcript.draw(r.t, r.pending);
        r.pending = 0;
    }

    /// `count` challenges, to memory from `to`.
    function draws(Run memory r, uint256 count, uint256 to) internal pure {
        unchecked {
            if (count == 0) return;
            store(to, draw(r));
            uint256 t = r.t - 32;
            uint256 order = Field.modulus();
            assembly ("memory-safe") {
                // As in {Transcript.draw}, with no messages between.
                let state := mload(t)
                for { let end := add(to, shl(5, count)) } 1 {} {
                    to := add(to, 32)
                    if eq(to, end) { break }
                    mstore(t, state)
                    state := keccak256(t, 32)
                    mstore(to, mod(state, order))
                }
                mstore(t, state)
            }
        }
    }

    function word(uint256 offset) internal pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := calldataload(offset)
        }
    }

    function load(uint256 pos) internal pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := mload(pos)
        }
    }

    function store(uint256 pos, uint256 x) internal pure {
        assembly ("memory-safe") {
            mstore(pos, x)
        }
    }

    /// The rounds of a sumcheck of degree 2.
    function _rounds(Run memory r, uint256 count, uint256 claim, uint256 point) private pure returns (uint256 left) {
        unchecked {
            (left, r.t) = Sumcheck.degree2(r.pos, r.t, r.pending, count, claim, point);
            r.pos += 64 * count;
            if (count != 0) r.pending = 0;
        }
    }

    /// Reads the value of a functional into the `i`-th place.
    function functional(Run memory r, uint256 i) internal pure returns (uint256 value) {
        unchecked {
            value = word(scalars(r, 1));
            store(r.values + 32 * i, value);
        }
    }

    /// Phase 1. `sum eq(rho0, x) (h D0 D1 - N0 D1 - N1 D0) = 0`.
    function lookups(Run memory r, Key.Parsed memory k) internal pure {
        unchecked {
            // The pads' mask, masks, trace, pads.
            r.first = take(r, 64 * (3 + k.masks));
            r.alpha = draw(r);
            r.beta = draw(r);
            r.helper = take(r, 64);
            draws(r, k.nv, r.rho0);
            r.phase1 = r.pos;
            (r.left1, r.t) = Sumcheck.weighted3(r.pos, r.t, k.nv, 0, r.rho0, r.scales, r.rho);
            r.pos += 96 * k.nv;
            r.six = scalars(r, 6);
            // Coordinates that only outputs need.
            draws(r, k.nRho - k.nv, r.rho + 32 * k.nv);
            r.delta = draw(r);
        }
    }

    /// Phase 2: the products of all layers, and public outputs.
    function products(Run memory r, Key.Parsed memory k, PublicData.Place memory p) internal pure {
        unchecked {
            uint256 order = Field.modulus();
            uint256 d = r.delta;
            uint256 claim = mulmod(r.alpha, 1 + d, order);
            claim = addmod(claim, order - addmod(word(r.six + 32), mulmod(d, word(r.six + 64), order), order), order);
            claim = addmod(claim, order - functional(r, 0), order);
            claim = addmod(claim, mulmod(mulmod(d, d, order), PublicData.outputs(k, p, r.rho, d), order), order);
            r.phase2 = r.pos;
            r.left2 = _rounds(r, k.nk, claim, r.kappa);
            r.operands = scalars(r, 2);
            r.gamma = draw(r);
        }
    }

    /// Phase 3: all claims at one point; then the values of columns and masks there.
    function claims(Run memory r, Key.Parsed memory k) internal pure {
        unchecked {
            uint256 order = Field.modulus();
            uint256 g = r.gamma;
            // h + gamma^2 n0 + gamma^3 n1 + gamma^4 a + gamma^5 b
            uint256 claim = addmod(mulmod(g, word(r.operands + 32), order), word(r.operands), order);
            claim = addmod(mulmod(g, claim, order), word(r.six + 128), order);
            claim = addmod(mulmod(g, claim, order), word(r.six + 96), order);
            claim = addmod(mulmod(mulmod(g, g, order), claim, order), word(r.six), order);
            claim = addmod(claim, order - functional(r, 1), order);
            r.phase3 = r.pos;
            r.left3 = _rounds(r, k.l, claim, r.tau);
            for (uint256 i = 0; i < k.columns; ++i) {
                functional(r, 2 + i);
            }
            r.columns = scalars(r, k.committed + k.masks);
            draws(r, k.committed, r.combination);
        }
    }
}
