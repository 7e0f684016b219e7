// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;


import {Field} from "./Field.sol";
import {Key} from "./Key.sol";
import {Phases} from "./Phases.sol";
import {PublicData} from "./PublicData.sol";
import {Sumcheck} from "./Sumcheck.sol";

/// @title All equations as one claim about the pads
/// @notice A message is what was sent minus its pad, so that every equation is affine in the pads `p`. Weighted by powers
/// of a challenge they are one inner product `<c, p> = target`. This library makes `c` and `target` (windows 15 to 17).
///
/// Pads are numbered in the order of use: rounds of phase 1 (three each), the six values `h d0 d1 n0 n1 dd`, four of each
/// of the products `d0 d1`, `h dd`, `n0 d1`, `n1 d0`; rounds of phase 2 (two each), operands `a b`, four of the product
/// `a b`; rounds of phase 3 (two each), then columns and masks in the order of messages. The four pads of a product of
/// `a` and `b` are `ab` (the product of theirs) and a triple `x, y, z` with `x y = z`.
library InnerClaim {
    /// The scalars' modulus, as in {Field}, for assembly.
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    /// What the claim needs besides the phases.
    struct Claim {
        /// Memory address of `c`, and the target.
        uint256 c;
        uint256 target;
        /// `<c, m>`, then `<c, m> + epsilon target`, the inner product that is opened; `epsilon`.
        uint256 value;
        uint256 epsilon;
        /// Calldata offsets: `F(tau)` and its blind for each geometry; the reveals; the blind of the pads.
        uint256 combined;
        uint256 reveals;
        uint256 blind;
        /// Memory addresses of `c` behind the rounds of each phase.
        uint256 c1;
        uint256 c2;
        uint256 c3;
        /// Challenges: of the triples, of the equations.
        uint256 e;
        uint256 zeta;
        /// Weight of the next equation.
        uint256 weight;
    }

    /// Number of pads under a key.
    function pads(Key.Parsed memory k) internal pure returns (uint256) {
        unchecked {
            return 3 * k.nv + 2 * k.nk + 2 * k.l + k.committed + k.masks + 28;
        }
    }

    /// Reads windows 15 to 17; `combined` is where `F(tau)` and its blind lie for each geometry.
    function read(Phases.Run memory r, uint256 combined) internal pure returns (Claim memory v) {
        v.combined = combined;
        v.e = Phases.draw(r);
        v.reveals = Phases.scalars(r, 10);
        v.zeta = Phases.draw(r);
        v.value = Phases.word(Phases.scalars(r, 1));
        v.epsilon = Phases.draw(r);
        v.blind = Phases.scalars(r, 1);
    }

    /// Makes the claim.
    function make(Claim memory v, Phases.Run memory r, Key.Parsed memory k, PublicData.Place memory p) internal pure {
        unchecked {
            uint256 size = pads(k);
            v.c = Phases.words(size);
            v.c1 = v.c + 96 * k.nv;
            v.c2 = v.c1 + 32 * (22 + 2 * k.nk);
            v.c3 = v.c2 + 32 * (6 + 2 * k.l);
            v.weight = 1;
            _lookups(r, k, v);
            _products(r, k, v);
            _claims(r, k, v);
            _combinations(r, k, v, p);
            _triples(v);
            v.value = addmod(v.value, mulmod(v.epsilon, v.target, R), R);
        }
    }

    /// Adds `x` to the coefficient of a pad.
    function _add(uint256 pos, uint256 x) private pure {
        assembly ("memory-safe") {
            mstore(pos, addmod(mload(pos), x, R))
        }
    }

    /// `x` less what was sent counts with the present weight: the target takes it.
    function _known(Claim memory v, uint256 x) private pure {
        unchecked {
            uint256 order = Field.modulus();
            v.target = addmod(v.target, mulmod(v.weight, order - x, order), order);
        }
    }

    function _next(Claim memory v) private pure {
        v.weight = mulmod(v.weight, v.zeta, R);
    }

    /// `d0 d1 = dd`, and `h dd - n0 d1 - n1 d0` is what phase 1's rounds leave.
    function _lookups(Phases.Run memory r, Key.Parsed memory k, Claim memory v) private pure {
        uint256 order = Field.modulus();
        uint256 z = v.zeta;
        uint256 c = v.c1;
        uint256 six = r.six;
        uint256 second = mulmod(r.left1, r.unscale, order);
        uint256 target;
        Sumcheck.coefficients3(r.rho, r.scales, k.nv, mulmod(z, r.unscale, order), v.c);
        assembly ("memory-safe") {
            let h := calldataload(six)
            let d0 := calldataload(add(six, 0x20))
            let d1 := calldataload(add(six, 0x40))
            let n0 := calldataload(add(six, 0x60))
            let n1 := calldataload(add(six, 0x80))
            let dd := calldataload(add(six, 0xa0))
            let minus := sub(order, z)
            // Pads of h, d0, d1, n0, n1, dd.
            mstore(c, mulmod(minus, dd, order))
            mstore(add(c, 0x20), addmod(sub(order, d1), mulmod(z, n1, order), order))
            mstore(add(c, 0x40), addmod(sub(order, d0), mulmod(z, n0, order), order))
            mstore(add(c, 0x60), mulmod(z, d1, order))
            mstore(add(c, 0x80), mulmod(z, d0, order))
            mstore(add(c, 0xa0), addmod(1, mulmod(minus, h, order), order))
            // The pads' products in d0 d1, h dd, n0 d1, n1 d0; triples take the other places.
            mstore(add(c, 0xc0), 1)
            mstore(add(c, 0x140), z)
            mstore(add(c, 0x1c0), minus)
            mstore(add(c, 0x240), minus)
            // What was sent.
            second := add(second, add(mulmod(n0, d1, order), mulmod(n1, d0, order)))
            target := addmod(dd, sub(order, mulmod(d0, d1, order)), order)
            target := addmod(target, mulmod(z, add(second, sub(order, mulmod(h, dd, order))), order), order)
        }
        v.target = target;
        v.weight = mulmod(z, z, order);
    }

    /// `a b` is what phase 2's rounds leave of a claim with `- d0 - delta d1`.
    function _products(Phases.Run memory r, Key.Parsed memory k, Claim memory v) private pure {
        unchecked {
            uint256 order = Field.modulus();
            uint256 w = v.weight;
            uint256 first = Sumcheck.coefficients2(r.kappa, k.nk, w, v.c1 + 704);
            // The first claim counts `first`: its pads are + d0 + delta d1, and what it leaves is subtracted.
            _add(v.c1 + 32, order - first);
            _add(v.c1 + 64, order - mulmod(first, r.delta, order));
            uint256 a = Phases.word(r.operands);
            uint256 b = Phases.word(r.operands + 32);
            uint256 c = v.c2;
            Phases.store(c, mulmod(w, order - b, order));
            Phases.store(c + 32, mulmod(w, order - a, order));
            Phases.store(c + 64, w);
            _known(v, addmod(mulmod(a, b, order), order - r.left2, order));
            _next(v);
        }
    }

    /// The columns' values times their weights are what phase 3's rounds leave.
    function _claims(Phases.Run memory r, Key.Parsed memory k, Claim memory v) private pure {
        unchecked {
            uint256 order = Field.modulus();
            uint256 w = v.weight;
            uint256 f = Sumcheck.coefficients2(r.tau, k.l, w, v.c2 + 192);
            // The first claim is h + gamma^2 n0 + gamma^3 n1 + gamma^4 a + gamma^5 b; what it leaves is subtracted.
            uint256 g = mulmod(r.gamma, r.gamma, order);
            _add(v.c1, f);
            f = mulmod(f, g, order);
            _add(v.c1 + 96, f);
            f = mulmod(f, r.gamma, order);
            _add(v.c1 + 128, f);
            f = mulmod(f, r.gamma, order);
            _add(v.c2, f);
            _add(v.c2 + 32, mulmod(f, r.gamma, order));
            _known(v, order - r.left3);
        }
    }

    /// With the claims at the common point: for each geometry, `F(tau)` is the combination of its columns and its mask.
    function _combinations(Phases.Run memory r, Key.Parsed memory k, Claim memory v, PublicData.Place memory p)
        private
        pure
    {
        unchecked {
            uint256 order = Field.modulus();
            uint256 claims = v.weight;
            uint256 weights = Phases.words(k.geometries);
            for (uint256 g = 0; g < k.geometries; ++g) {
                _next(v);
                Phases.store(weights + 32 * g, v.weight);
                _known(v, order - Phases.word(v.combined + 64 * g));
            }
            uint256 sent = r.columns;
            uint256 c = v.c3;
            uint256 value = r.values + 64;
            uint256 combination = r.combination;
            uint256 known = 0;
            for (uint256 i = 0; i < k.trees; ++i) {
                uint256 t = Key.tree(k, i);
                uint256 w = Phases.load(weights + 32 * Key.slot(t));
                if (Key.hasColumn(t)) {
                    uint256 x = mulmod(claims, Phases.load(value), order);
                    value += 32;
                    if (Key.isPublic(t)) {
                        uint256 column = PublicData.input(k, p, Key.ioNumber(t), r.tau, Key.height(t));
                        known = addmod(known, mulmod(x, column, order), order);
                    } else {
                        x = addmod(x, mulmod(w, Phases.load(combination), order), order);
                        combination += 32;
                        Phases.store(c, order - x);
                        known = addmod(known, mulmod(x, Phases.word(sent), order), order);
                        c += 32;
                        sent += 32;
                    }
                }
                if (Key.isMask(t)) {
                    Phases.store(c, order - w);
                    known = addmod(known, mulmod(w, Phases.word(sent), order), order);
                    c += 32;
                    sent += 32;
                }
            }
            v.target = addmod(v.target, order - known, order);
            _next(v);
        }
    }

    /// Three equations for each product of messages with pads `pa`, `pb`: `e pa - x = d1`, `pb - y = d2`, `e ab - z - d2 x
    /// - d1 y = d1 d2`.
    function _triples(Claim memory v) private pure {
        unchecked {
            uint256 c = v.c1;
            _triple(v, 0, c + 32, c + 64, c + 192);
            _triple(v, 64, c, c + 160, c + 320);
            _triple(v, 128, c + 96, c + 64, c + 448);
            _triple(v, 192, c + 128, c + 32, c + 576);
            c = v.c2;
            _triple(v, 256, c, c + 32, c + 64);
        }
    }

    function _triple(Claim memory v, uint256 i, uint256 pa, uint256 pb, uint256 ab) private pure {
        unchecked {
            uint256 order = Field.modulus();
            uint256 d1 = Phases.word(v.reveals + i);
            uint256 d2 = Phases.word(v.reveals + i + 32);
            uint256 e = v.e;
            uint256 w1 = v.weight;
            uint256 w2 = mulmod(w1, v.zeta, order);
            uint256 w3 = mulmod(w2, v.zeta, order);
            _add(pa, mulmod(w1, e, order));
            _add(pb, w2);
            _add(ab, mulmod(w3, e, order));
            // The triple's own pads occur here only.
            Phases.store(ab + 32, order - addmod(w1, mulmod(w3, d2, order), order));
            Phases.store(ab + 64, order - addmod(w2, mulmod(w3, d1, order), order));
            Phases.store(ab + 96, order - w3);
            uint256 t = mulmod(w1, d1, order) + mulmod(w2, d2, order) + mulmod(w3, mulmod(d1, d2, order), order);
            v.target = addmod(v.target, t, order);
            v.weight = mulmod(w3, v.zeta, order);
        }
    }
}
