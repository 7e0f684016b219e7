// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Curve} from "./Curve.sol";
import {Field} from "./Field.sol";
import {Transcript} from "./Transcript.sol";

/// @title Mercury
/// @notice Checks values of committed multilinear polynomials at points, and inner products of committed polynomials
/// with public vectors, all in one opening. The steps, names and orders are those of the specification
/// (`spec/succinct.md`), which a second implementation follows.
///
/// Messages, `n` polynomials with values and `j` inner products, points of 64 bytes and scalars of 32:
///
///     h x n | alpha | g x n | gamma | q, S, D | zeta |
///     n x (g(zeta), g(1/zeta), h(zeta), h(1/zeta), h(alpha)), j x (p(zeta), p(1/zeta)), S(zeta), H |
///     eta | W | z | W' | merge
library Mercury {
    uint256 private constant R = Field.R;

    /// A committed polynomial, blind taken off, its point (lowest variable first) and its value there.
    struct Evaluation {
        uint256 x;
        uint256 y;
        uint256[] point;
        uint256 value;
    }

    /// A committed polynomial, a vector, and their inner product.
    struct Inner {
        uint256 x;
        uint256 y;
        uint256[] weights;
        uint256 value;
    }

    /// Where the messages are in calldata, and the challenges.
    struct Run {
        uint256 h;
        uint256 g;
        uint256 q;
        uint256 values;
        uint256 inner;
        uint256 last;
        uint256 alpha;
        uint256 gamma;
        uint256 zeta;
        uint256 inverse;
        /// `zeta^b`.
        uint256 power;
        uint256 eta;
        uint256 z;
        uint256 merge;
        uint256 low;
        /// Inverses of `zeta - 1/zeta`, `zeta - alpha`, `1/zeta - alpha`.
        uint256 xy;
        uint256 xa;
        uint256 ya;
        /// The generator's factor, negated, without `merge`.
        uint256 constant1;
        uint256 constant2;
    }

    /// Bytes of an opening.
    function size(uint256 evaluations, uint256 inner) internal pure returns (uint256) {
        return (2 * evaluations + 6) * 64 + (5 * evaluations + 2 * inner + 1) * 32;
    }

    /// Reverts unless the opening at calldata offset `offset`, in memory at transcript `t`, shows all claims.
    /// @param low Variables of a row: half of those of the longest point, rounded up.
    /// @param tau Four words of memory: tau in the second group.
    function verify(
        uint256 offset,
        uint256 t,
        uint256 low,
        Evaluation[] memory claims,
        Inner[] memory inner,
        uint256 tau
    ) internal view returns (uint256 next) {
        Run memory r;
        r.low = low;
        next = _challenges(r, offset, t, claims.length, inner.length);
        _inverses(r);
        uint256 left = Curve.begin();
        uint256 atS = _division(r, left, claims, inner);
        _batch(r, left, claims, inner, atS);
        // The generator takes all constants; its factor is what was summed up, negated.
        uint256 k = addmod(r.constant1, mulmod(r.merge, r.constant2, R), R);
        Curve.add(left, 1, 2, R - k);
        uint256 right = Curve.begin();
        Curve.addCalldata(right, r.last + 128, r.merge);
        (uint256 x, uint256 y) = _point(r.last);
        Curve.add(right, x, y);
        Curve.check(left, right, tau);
    }

    function _point(uint256 offset) private pure returns (uint256 x, uint256 y) {
        assembly ("memory-safe") {
            x := calldataload(offset)
            y := calldataload(add(offset, 32))
        }
    }

    function _word(uint256 offset) private pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := calldataload(offset)
        }
    }

    /// Reads through all messages. `last` is where `H`, `W`, `W'` lie.
    function _challenges(Run memory r, uint256 offset, uint256 t, uint256 n, uint256 j)
        private
        pure
        returns (uint256)
    {
        r.h = offset;
        r.g = r.h + 64 * n;
        r.q = r.g + 64 * n;
        r.values = r.q + 192;
        r.inner = r.values + 160 * n;
        r.last = r.inner + 64 * j + 32;
        (r.alpha, t) = Transcript.draw(t, 64 * n);
        (r.gamma, t) = Transcript.draw(t, 64 * n);
        (r.zeta, t) = Transcript.draw(t, 192);
        Field.canonical(r.values, 5 * n + 2 * j + 1);
        (r.eta, t) = Transcript.draw(t, r.last + 64 - r.values);
        (r.z, t) = Transcript.draw(t, 64);
        (r.merge, t) = Transcript.draw(t, 64);
        return t;
    }

    /// With `x = zeta`, `y = 1/x`, `a = alpha`: `1/(x - y) = x / (x^2 - 1)` and `1/(y - a) = x / (1 - a x)`, so that one
    /// inversion of `x (x^2 - 1) (x - a) (1 - a x)` gives all four.
    function _inverses(Run memory r) private view {
        uint256 x = r.zeta;
        uint256 a = r.alpha;
        uint256 d1 = addmod(mulmod(x, x, R), R - 1, R);
        uint256 d2 = addmod(x, R - a, R);
        uint256 d3 = addmod(1, R - mulmod(a, x, R), R);
        uint256 d01 = mulmod(x, d1, R);
        uint256 d23 = mulmod(d2, d3, R);
        uint256 all = Field.inverse(mulmod(d01, d23, R));
        uint256 i01 = mulmod(all, d23, R);
        uint256 i23 = mulmod(all, d01, R);
        r.inverse = mulmod(i01, d1, R);
        r.xy = mulmod(mulmod(i01, x, R), x, R);
        r.xa = mulmod(i23, d3, R);
        r.ya = mulmod(mulmod(i23, d2, R), x, R);
        uint256 p = x;
        for (uint256 i = 0; i < r.low; ++i) {
            p = mulmod(p, p, R);
        }
        r.power = p;
    }

    /// The division at `zeta`: adds `sum_k gamma^k f_k - (zeta^b - alpha) q + zeta H` and keeps `sum_k gamma^k g_k(zeta)`.
    /// On the way, `S(1/zeta)` from the identity of all inner products.
    function _division(Run memory r, uint256 left, Evaluation[] memory claims, Inner[] memory inner)
        private
        view
        returns (uint256 atS)
    {
        uint256 sum = R - mulmod(r.zeta, _word(r.last - 32), R);
        uint256 weight = 1;
        uint256 batched = 1;
        for (uint256 k = 0; k < claims.length; ++k) {
            Evaluation memory e = claims[k];
            uint256 v = r.values + 160 * k;
            if (k == 0) Curve.add(left, e.x, e.y);
            else Curve.add(left, e.x, e.y, batched);
            r.constant1 = addmod(r.constant1, mulmod(batched, _word(v), R), R);
            batched = mulmod(batched, r.gamma, R);
            uint256 first = e.point.length < r.low ? e.point.length : r.low;
            uint256 u;
            {
                uint256[] memory list = e.point;
                assembly ("memory-safe") {
                    u := add(list, 32)
                }
            }
            sum = addmod(
                sum,
                mulmod(weight, _product(r, v, u, first, _word(v + 128)), R),
                R
            );
            weight = mulmod(weight, r.gamma, R);
            sum = addmod(
                sum,
                mulmod(weight, _product(r, v + 64, u + 32 * first, e.point.length - first, e.value), R),
                R
            );
            weight = mulmod(weight, r.gamma, R);
        }
        for (uint256 i = 0; i < inner.length; ++i) {
            uint256[] memory w = inner[i].weights;
            uint256 c;
            assembly ("memory-safe") {
                c := add(w, 32)
            }
            uint256 v = r.inner + 64 * i;
            uint256 term = mulmod(_word(v), Field.horner(c, w.length, r.inverse), R);
            term = addmod(term, mulmod(_word(v + 32), Field.horner(c, w.length, r.zeta), R), R);
            uint256 t = inner[i].value;
            term = addmod(term, R - addmod(t, t, R), R);
            sum = addmod(sum, mulmod(weight, term, R), R);
            weight = mulmod(weight, r.gamma, R);
        }
        Curve.addCalldata(left, r.q, addmod(r.alpha, R - r.power, R));
        Curve.addCalldata(left, r.last, r.zeta);
        return mulmod(r.zeta, sum, R);
    }

    /// `a(zeta) P(1/zeta) + a(1/zeta) P(zeta) - 2 product`, `a`'s values at `v` and `P` the polynomial of a point.
    function _product(Run memory r, uint256 v, uint256 u, uint256 count, uint256 product)
        private
        pure
        returns (uint256 s)
    {
        s = mulmod(_word(v), Field.eqPolynomial(u, count, r.inverse), R);
        s = addmod(s, mulmod(_word(v + 32), Field.eqPolynomial(u, count, r.zeta), R), R);
        s = addmod(s, R - addmod(product, product, R), R);
    }

    /// The batch of values: adds `merge` times `sum_i eta^i m_i [p_i] - Z W + z W'` and keeps `sum_i eta^i m_i r_i(z)`.
    function _batch(Run memory r, uint256 left, Evaluation[] memory claims, Inner[] memory inner, uint256 atS)
        private
        view
    {
        uint256 gx = addmod(r.z, R - r.zeta, R);
        uint256 gy = addmod(r.z, R - r.inverse, R);
        uint256 ga = addmod(r.z, R - r.alpha, R);
        // Lagrange weights of two points.
        uint256 l0 = mulmod(gy, r.xy, R);
        uint256 l1 = R - mulmod(gx, r.xy, R);
        uint256 weight = 1;
        for (uint256 k = 0; k < claims.length; ++k) {
            uint256 v = r.values + 160 * k;
            _opened(r, left, r.g + 64 * k, mulmod(weight, ga, R), _line(l0, l1, v));
            weight = mulmod(weight, r.eta, R);
        }
        {
            uint256 p0 = mulmod(mulmod(l0, ga, R), r.xa, R);
            uint256 p1 = mulmod(mulmod(l1, ga, R), r.ya, R);
            uint256 p2 = mulmod(mulmod(gx, gy, R), mulmod(r.xa, r.ya, R), R);
            for (uint256 k = 0; k < claims.length; ++k) {
                uint256 v = r.values + 160 * k + 64;
                uint256 v0 = addmod(_line(p0, p1, v), mulmod(p2, _word(v + 64), R), R);
                _opened(r, left, r.h + 64 * k, weight, v0);
                weight = mulmod(weight, r.eta, R);
            }
        }
        for (uint256 i = 0; i < inner.length; ++i) {
            uint256 m = mulmod(weight, ga, R);
            r.constant2 = addmod(r.constant2, mulmod(m, _line(l0, l1, r.inner + 64 * i), R), R);
            Curve.add(left, inner[i].x, inner[i].y, mulmod(r.merge, m, R));
            weight = mulmod(weight, r.eta, R);
        }
        uint256 s = addmod(mulmod(l0, _word(r.last - 32), R), mulmod(l1, atS, R), R);
        _opened(r, left, r.q + 64, mulmod(weight, ga, R), s);
        weight = mulmod(weight, r.eta, R);
        _opened(r, left, r.q + 128, mulmod(weight, mulmod(gy, ga, R), R), _degree(r, claims.length));
        uint256 vanishing = mulmod(mulmod(gx, gy, R), ga, R);
        Curve.addCalldata(left, r.last + 64, R - mulmod(r.merge, vanishing, R));
        Curve.addCalldata(left, r.last + 128, mulmod(r.merge, r.z, R));
    }

    function _line(uint256 l0, uint256 l1, uint256 v) private pure returns (uint256) {
        return addmod(mulmod(l0, _word(v), R), mulmod(l1, _word(v + 32), R), R);
    }

    /// One polynomial of the batch: commitment at `offset`, its factor without `merge`, its interpolation at `z`.
    function _opened(Run memory r, uint256 left, uint256 offset, uint256 m, uint256 value) private view {
        r.constant2 = addmod(r.constant2, mulmod(m, value, R), R);
        Curve.addCalldata(left, offset, mulmod(r.merge, m, R));
    }

    /// `D(zeta) = zeta^(b - 1) sum_k gamma^k g_k(1/zeta)`.
    function _degree(Run memory r, uint256 n) private pure returns (uint256 d) {
        for (uint256 k = n; k > 0; --k) {
            d = addmod(mulmod(d, r.gamma, R), _word(r.values + 160 * (k - 1) + 32), R);
        }
        d = mulmod(d, mulmod(r.power, r.inverse, R), R);
    }
}
