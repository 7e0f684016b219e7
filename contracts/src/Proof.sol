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
    /// The base of blinds.
    uint256 private constant H_X = 0x0b1f440e0c7f7afb30750b2cabb1cc6d3f8b0554148d34ac34888ad543ee861f;
    uint256 private constant H_Y = 0x2a2bcd39fbff785158a6613373f5e4e3987f2d686958a0b22aa238d1dc151182;

    /// There are bytes missing, or too many.
    error ProofLength();

    /// What is checked.
    struct Statement {
        bytes32 model;
        bytes32 digest;
        PublicData.Place place;
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

    /// Reverts unless the messages prove the statement.
    function check(Key.Parsed memory k, Statement memory s, bytes calldata messages) internal view {
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
        _open(r, k, s, v, e);
    }

    /// All challenges are known: one inversion for everything, then the argument's check, the inner claim, and the opening of
    /// all columns at the argument's point and of the masked pads.
    function _open(
        Phases.Run memory r,
        Key.Parsed memory k,
        Statement memory s,
        InnerClaim.Claim memory v,
        Evaluation.Claim memory e
    ) private view {
        unchecked {
            (Mercury.Run memory m,) = Mercury.read(r.pos, r.t, r.pending, (k.d + 3) / 2, 1, 1);
            uint256 inverse = _invert(r, k, m, e);
            InnerClaim.make(v, r, k, s.place);
            Mercury.Evaluation[] memory claims = new Mercury.Evaluation[](1);
            claims[0] = Mercury.Evaluation(e.sigma, k.d + 2, e.value);
            Mercury.Inner[] memory inner = new Mercury.Inner[](1);
            inner[0] = Mercury.Inner(v.c, InnerClaim.pads(k), v.value);
            Mercury.sum(m, inverse, claims, inner);
            uint256 order = Field.modulus();
            uint256 blind = _columns(r, k, s, e, m.left, Evaluation.open(e, k, m.left));
            Curve.addCalldata(m.left, r.first, m.inner0);
            Curve.addCalldata(m.left, r.first + 64 * (2 + k.masks), mulmod(m.inner0, v.epsilon, order));
            blind = addmod(blind, mulmod(m.inner0, Phases.word(v.blind), order), order);
            Curve.add(m.left, H_X, H_Y, order - blind);
            Mercury.finish(m, k.tau);
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

    /// Adds every column's commitment, those of the first geometry with the factor `w`; returns the multiple of the
    /// blinding base that is to be taken off.
    function _columns(
        Phases.Run memory r,
        Key.Parsed memory k,
        Statement memory s,
        Evaluation.Claim memory e,
        uint256 sum,
        uint256 w
    ) private view returns (uint256 blind) {
        unchecked {
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
                    Curve.addMemory(sum, k.model, w);
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
