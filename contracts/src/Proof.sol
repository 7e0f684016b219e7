// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Curve} from "./Curve.sol";
import {Evaluation} from "./Evaluation.sol";
import {Field} from "./Field.sol";
import {InnerClaim} from "./InnerClaim.sol";
import {Key} from "./Key.sol";
import {Lists} from "./Lists.sol";
import {Mercury} from "./Mercury.sol";
import {Phases} from "./Phases.sol";
import {PublicData} from "./PublicData.sol";
import {Transcript} from "./Transcript.sol";

/// @title A whole proof
/// @notice Walks the windows of the specification (`spec/succinct.md`, section 8): phases, evaluation argument, inner
/// claim, opening. The opening's pairing equation is what holds or does not: it says that commitments have the values
/// that everything before came down to.
library Proof {
    uint256 private constant R = Field.R;

    /// What a transcript absorbs first: keccak256 of the label `protocol`, behind its length, and `proveil/succinct/2`.
    bytes32 internal constant PROTOCOL = 0x17b353ff66dc4ba5fba9adb6f70db372a2e9c3ece2d5d3ab19344c1f605afdb5;

    /// There are bytes missing, or too many.
    error ProofLength();

    /// What is checked.
    struct Statement {
        bytes32 model;
        bytes32 digest;
        PublicData.Place place;
    }

    /// The pairing equation that everything came down to, and what is still to be added to its left side.
    struct Opening {
        /// The left side, a running sum; calldata offset of the right one.
        uint256 left;
        uint256 right;
        /// The transcript behind the last challenge: state, then the last message.
        uint256 t;
        /// Factors: of the generator and of the blinding base, to be taken off; of the key's second point, of the model's.
        uint256 constants;
        uint256 blind;
        uint256 list;
        uint256 model;
    }

    /// Bytes of messages of every proof under a key.
    function size(Key.Parsed memory k) internal pure returns (uint256) {
        unchecked {
            // Rounds, values at points, functionals, columns and masks; the argument; combinations, reveals, inner claim.
            uint256 words = 3 * k.nv + 6 + 2 * k.nk + 2 + 2 * k.l + 2 + k.columns + k.committed + k.masks;
            words += 4 * k.d + 14 + 2 * k.geometries + Evaluation.blocks(k) + 12;
            return 64 * (6 + k.masks) + 32 * words + Mercury.size(1, 1);
        }
    }

    /// Reverts unless the messages prove the statement, given that the equation holds that is left in `o`: see {finish}.
    function check(Opening memory o, Key.Parsed memory k, Statement memory s, bytes calldata messages) internal view {
        if (messages.length != size(k)) revert ProofLength();
        Phases.Run memory r;
        uint256 pos;
        assembly ("memory-safe") {
            pos := messages.offset
        }
        Phases.begin(r, k, pos, Transcript.begin(PROTOCOL, s.model, s.digest, messages), 96);
        Phases.lookups(r, k);
        Phases.products(r, k, s.place);
        Phases.claims(r, k);
        Evaluation.Claim memory e = Evaluation.read(r, k);
        InnerClaim.Claim memory v = InnerClaim.read(r, e.combined);
        _open(o, r, k, s, v, e);
    }

    /// All challenges are known: one inversion for everything, then the argument's check, the inner claim, and the opening of
    /// all columns at the argument's point and of the masked pads.
    function _open(
        Opening memory o,
        Phases.Run memory r,
        Key.Parsed memory k,
        Statement memory s,
        InnerClaim.Claim memory v,
        Evaluation.Claim memory e
    ) private view {
        unchecked {
            (Mercury.Run memory m, uint256 t) = Mercury.read(r.pos, r.t, r.pending, (k.d + 3) / 2, 1, 1);
            o.t = t;
            uint256 inverse = _invert(r, k, m, e);
            InnerClaim.make(v, r, k, s.place);
            Mercury.Evaluation[] memory claims = new Mercury.Evaluation[](1);
            claims[0] = Mercury.Evaluation(e.sigma, k.d + 2, e.value);
            Mercury.Inner[] memory inner = new Mercury.Inner[](1);
            inner[0] = Mercury.Inner(v.c, InnerClaim.pads(k), v.value);
            Mercury.sum(m, inverse, claims, inner);
            uint256 order = Field.modulus();
            o.left = m.left;
            o.right = m.last + 64;
            o.constants = m.constants;
            o.list = e.xi;
            uint256 blind = _columns(o, r, k, s, e, Evaluation.open(e, k, m.left));
            Curve.addCalldata(m.left, r.first, m.inner0);
            Curve.addCalldata(m.left, r.first + 64 * (2 + k.masks), mulmod(m.inner0, v.epsilon, order));
            o.blind = addmod(blind, mulmod(m.inner0, Phases.word(v.blind), order), order);
        }
    }

    /// Reverts unless the equation holds.
    function finish(Opening memory o, Key.Parsed memory k) internal view {
        uint256 left = o.left;
        Curve.addMemory(left, k.list + 64, o.list);
        if (o.model != 0) Curve.addMemory(left, k.model, o.model);
        unchecked {
            Curve.add(left, Curve.H_X, Curve.H_Y, Field.modulus() - o.blind);
        }
        Mercury.finish(left, o.constants, o.right, k.tau);
    }

    /// Ends the call and returns the equation, an {IProveilVerifier-Equation}, for others to check.
    function give(Opening memory o, Key.Parsed memory k) internal pure {
        uint256 list = k.list + 64;
        uint256 model = k.model;
        uint256 tau = k.tau;
        assembly ("memory-safe") {
            let to := mload(0x40)
            // As in {Transcript.draw}, behind the last message.
            mstore(to, keccak256(sub(mload(add(o, 0x40)), 0x20), 0x60))
            mcopy(add(to, 0x20), mload(o), 0x40)
            calldatacopy(add(to, 0x60), mload(add(o, 0x20)), 0x40)
            mcopy(add(to, 0xa0), add(o, 0x60), 0x80)
            mcopy(add(to, 0x120), list, 0x40)
            mcopy(add(to, 0x160), model, 0x40)
            mcopy(add(to, 0x1a0), tau, 0x80)
            return(to, 0x220)
        }
    }

    /// The inverse that the opening needs; those of the phases and of the argument's tables are used here, and the argument
    /// is checked.
    function _invert(Phases.Run memory r, Key.Parsed memory k, Mercury.Run memory m, Evaluation.Claim memory e)
        private
        view
        returns (uint256 inverse)
    {
        unchecked {
            uint256 order = Field.modulus();
            Lists.Parts memory p = Lists.begin(r, k);
            uint256 scale = Phases.load(r.scales + 32 * k.nv);
            uint256 opening = mulmod(m.d01, m.d23, order);
            uint256 both = mulmod(scale, opening, order);
            inverse = Field.inverse(mulmod(both, p.product, order));
            Evaluation.check(e, r, k, p, mulmod(inverse, both, order));
            inverse = mulmod(inverse, p.product, order);
            r.unscale = mulmod(inverse, opening, order);
            inverse = mulmod(inverse, scale, order);
        }
    }

    /// Adds every column's commitment but the model's, those of the first geometry with the factor `w`; returns the multiple of
    /// the blinding base that is to be taken off.
    function _columns(
        Opening memory o,
        Phases.Run memory r,
        Key.Parsed memory k,
        Statement memory s,
        Evaluation.Claim memory e,
        uint256 w
    ) private view returns (uint256 blind) {
        unchecked {
            uint256 sum = o.left;
            uint256 order = Field.modulus();
            uint256 weights = Phases.words(k.geometries);
            for (uint256 g = 0; g < k.geometries; ++g) {
                Phases.store(weights + 32 * g, w);
                blind = addmod(blind, mulmod(w, Phases.word(e.combined + 64 * g + 32), order), order);
                w = mulmod(w, e.xi, order);
            }
            uint256 mask = r.first + 64;
            uint256 column = r.combination;
            for (uint256 i = 0; i < k.trees; ++i) {
                uint256 t = Key.tree(k, i);
                w = Phases.load(weights + 32 * Key.slot(t));
                if (Key.kind(t) == Key.MASK) {
                    Curve.addCalldata(sum, mask, w);
                    mask += 64;
                }
                if (!Key.hasColumn(t) || Key.isPublic(t)) continue;
                w = mulmod(w, Phases.load(column), order);
                column += 32;
                if (Key.kind(t) == Key.MODEL) {
                    o.model = w;
                } else {
                    uint256 pos = r.helper;
                    if (Key.kind(t) == Key.TRACE) pos = r.first + 64 * (1 + k.masks);
                    else if (Key.kind(t) == Key.INPUT) pos = PublicData.point(k, s.place, Key.ioNumber(t));
                    else if (Key.kind(t) == Key.OUTPUT) pos = PublicData.point(k, s.place, k.inputs + Key.ioNumber(t));
                    Curve.addCalldata(sum, pos, w);
                }
            }
        }
    }
}
