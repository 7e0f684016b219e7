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
///     n x (g(zeta), g(1/zeta), h(zeta), h(1/zeta), h(alpha)), j x (p(zeta), p(1/zeta)), S(zeta) |
///     eta | W | z | W'
library Mercury {
    uint256 private constant R = Field.R;

    /// The value of a committed polynomial at a point: `length` words of memory, lowest variable first.
    struct Evaluation {
        uint256 point;
        uint256 length;
        uint256 value;
    }

    /// The inner product of a committed polynomial's first coefficients with `length` words of memory.
    struct Inner {
        uint256 weights;
        uint256 length;
        uint256 value;
    }

    /// Where the messages are in calldata, and the challenges. `last` is where `W` and `W'` lie.
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
        uint256 low;
        /// What is to be inverted: products of `zeta`, `zeta^2 - 1` and of `zeta - alpha`, `1 - alpha zeta`.
        uint256 d01;
        uint256 d23;
        /// Inverses of `zeta - 1/zeta`, `zeta - alpha`, `1/zeta - alpha`.
        uint256 xy;
        uint256 xa;
        uint256 ya;
        /// What is taken off the left side: so many times the generator.
        uint256 constants;
        /// A side of the pairing equation, a running sum; the other one is `W'`.
        uint256 left;
        /// The factor of the first inner product's commitment; those of the others are this one's times powers of `eta`.
        uint256 inner0;
    }

    /// Bytes of an opening.
    function size(uint256 evaluations, uint256 inner) internal pure returns (uint256) {
        unchecked {
            return (2 * evaluations + 5) * 64 + (5 * evaluations + 2 * inner + 1) * 32;
        }
    }

    /// Reads the opening at calldata offset `offset`, whose transcript at `t` has `pending` bytes that are not hashed yet.
    /// Then comes {sum}, with the inverse of `d01 d23`. `W'` is left to be hashed.
    /// @param low Variables of a row: half of those of the longest point, rounded up.
    function read(uint256 offset, uint256 t, uint256 pending, uint256 low, uint256 n, uint256 j)
        internal
        pure
        returns (Run memory r, uint256 next)
    {
        unchecked {
            r.low = low;
            next = _challenges(r, offset, t, pending, n, j);
            uint256 order = Field.modulus();
            uint256 x = r.zeta;
            uint256 a = r.alpha;
            r.d01 = mulmod(x, addmod(mulmod(x, x, order), order - 1, order), order);
            r.d23 = mulmod(addmod(x, order - a, order), addmod(1, order - mulmod(a, x, order), order), order);
        }
    }

    /// Sums up all terms of the pairing equation but the generator's and those of the claims' own commitments. The caller adds
    /// these to `left`, blinds taken off: that of evaluation `k` with the factor `gamma^k`, that of inner product `i` with
    /// `inner0 eta^i`. Then comes {finish}.
    function sum(Run memory r, uint256 inverse, Evaluation[] memory claims, Inner[] memory inner) internal view {
        unchecked {
            _inverses(r, inverse);
            r.left = Curve.begin();
            _batch(r, claims.length, inner.length, _products(r, claims, inner));
        }
    }

    /// Reverts unless the pairing equation holds: `left` is the sum without the generator, which takes all `constants`, `right`
    /// where `W'` is, `tau` four words of memory: tau in the second group.
    function finish(uint256 left, uint256 constants, uint256 right, uint256 tau) internal view {
        unchecked {
            Curve.add(left, 1, 2, Field.modulus() - constants);
        }
        Curve.check(left, right, tau);
    }

    function _word(uint256 offset) private pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := calldataload(offset)
        }
    }

    /// Reads through all messages.
    function _challenges(Run memory r, uint256 offset, uint256 t, uint256 pending, uint256 n, uint256 j)
        private
        pure
        returns (uint256)
    {
        unchecked {
            r.h = offset;
            r.g = r.h + 64 * n;
            r.q = r.g + 64 * n;
            r.values = r.q + 192;
            r.inner = r.values + 160 * n;
            r.last = r.inner + 64 * j + 32;
            (r.alpha, t) = Transcript.draw(t, pending + 64 * n);
            (r.gamma, t) = Transcript.draw(t, 64 * n);
            (r.zeta, t) = Transcript.draw(t, 192);
            Field.canonical(r.values, 5 * n + 2 * j + 1);
            (r.eta, t) = Transcript.draw(t, r.last - r.values);
            (r.z, t) = Transcript.draw(t, 64);
            return t;
        }
    }

    /// With `x = zeta`, `y = 1/x`, `a = alpha`: `1/(x - y) = x / (x^2 - 1)` and `1/(y - a) = x / (1 - a x)`.
    function _inverses(Run memory r, uint256 inverse) private pure {
        unchecked {
            uint256 order = Field.modulus();
            uint256 x = r.zeta;
            uint256 a = r.alpha;
            uint256 i01 = mulmod(inverse, r.d23, order);
            uint256 i23 = mulmod(inverse, r.d01, order);
            r.inverse = mulmod(i01, addmod(mulmod(x, x, order), order - 1, order), order);
            r.xy = mulmod(mulmod(i01, x, order), x, order);
            r.xa = mulmod(i23, addmod(1, order - mulmod(a, x, order), order), order);
            r.ya = mulmod(mulmod(i23, addmod(x, order - a, order), order), x, order);
            uint256 p = x;
            for (uint256 i = 0; i < r.low; ++i) {
                p = mulmod(p, p, order);
            }
            r.power = p;
        }
    }

    /// `S(1/zeta)` from the identity of all inner products.
    function _products(Run memory r, Evaluation[] memory claims, Inner[] memory inner)
        private
        pure
        returns (uint256)
    {
        unchecked {
            uint256 order = Field.modulus();
            uint256 sum_ = order - mulmod(r.zeta, _word(r.last - 32), order);
            uint256 weight = 1;
            uint256 v = r.values;
            for (uint256 k = 0; k < claims.length; ++k) {
                Evaluation memory e = claims[k];
                uint256 first = e.length < r.low ? e.length : r.low;
                uint256 term = _product(r, v, e.point, first, _word(v + 128));
                sum_ = addmod(sum_, mulmod(weight, term, order), order);
                weight = mulmod(weight, r.gamma, order);
                term = _product(r, v + 64, e.point + 32 * first, e.length - first, e.value);
                sum_ = addmod(sum_, mulmod(weight, term, order), order);
                weight = mulmod(weight, r.gamma, order);
                v += 160;
            }
            for (uint256 i = 0; i < inner.length; ++i) {
                Inner memory p = inner[i];
                (uint256 atZeta, uint256 atInverse) = Field.horner2(p.weights, p.length, r.zeta, r.inverse);
                uint256 term = addmod(mulmod(_word(v), atInverse, order), mulmod(_word(v + 32), atZeta, order), order);
                term = addmod(term, 2 * (order - p.value), order);
                sum_ = addmod(sum_, mulmod(weight, term, order), order);
                weight = mulmod(weight, r.gamma, order);
                v += 64;
            }
            return mulmod(r.zeta, sum_, order);
        }
    }

    /// `a(zeta) P(1/zeta) + a(1/zeta) P(zeta) - 2 product`, `a`'s values at `v` and `P` the polynomial of a point.
    function _product(Run memory r, uint256 v, uint256 u, uint256 count, uint256 product)
        private
        pure
        returns (uint256 s)
    {
        unchecked {
            uint256 order = Field.modulus();
            (uint256 atZeta, uint256 atInverse) = Field.eqPolynomials(u, count, r.zeta, r.inverse);
            s = mulmod(_word(v), atInverse, order) + mulmod(_word(v + 32), atZeta, order);
            s = addmod(s, 2 * (order - product), order);
        }
    }

    /// The batch of values: adds `sum_i eta^(1 + i) m_i [p_i] - Z W + z W'`, and what commitments other than the claims'
    /// own count in the division at `z`; keeps `sum_i eta^(1 + i) m_i r_i(z)`.
    function _batch(Run memory r, uint256 n, uint256 j, uint256 atS) private view {
        unchecked {
            uint256 order = Field.modulus();
            uint256 gx = addmod(r.z, order - r.zeta, order);
            uint256 gy = addmod(r.z, order - r.inverse, order);
            uint256 ga = addmod(r.z, order - r.alpha, order);
            // Lagrange weights of two points.
            uint256 l0 = mulmod(gy, r.xy, order);
            uint256 l1 = order - mulmod(gx, r.xy, order);
            uint256 weight = r.eta;
            uint256 divided = order - 1;
            for (uint256 k = 0; k < n; ++k) {
                uint256 m = mulmod(weight, ga, order);
                r.constants = addmod(r.constants, mulmod(m, _line(l0, l1, r.values + 160 * k), order), order);
                Curve.addCalldata(r.left, r.g + 64 * k, addmod(m, divided, order));
                divided = mulmod(divided, r.gamma, order);
                weight = mulmod(weight, r.eta, order);
            }
            {
                uint256 p0 = mulmod(mulmod(l0, ga, order), r.xa, order);
                uint256 p1 = mulmod(mulmod(l1, ga, order), r.ya, order);
                uint256 p2 = mulmod(mulmod(gx, gy, order), mulmod(r.xa, r.ya, order), order);
                for (uint256 k = 0; k < n; ++k) {
                    uint256 v = r.values + 160 * k + 64;
                    uint256 v0 = addmod(_line(p0, p1, v), mulmod(p2, _word(v + 64), order), order);
                    _opened(r, r.h + 64 * k, weight, v0);
                    weight = mulmod(weight, r.eta, order);
                }
            }
            r.inner0 = mulmod(weight, ga, order);
            for (uint256 i = 0; i < j; ++i) {
                uint256 m = mulmod(weight, ga, order);
                r.constants = addmod(r.constants, mulmod(m, _line(l0, l1, r.inner + 64 * i), order), order);
                weight = mulmod(weight, r.eta, order);
            }
            uint256 s = addmod(mulmod(l0, _word(r.last - 32), order), mulmod(l1, atS, order), order);
            _opened(r, r.q + 64, mulmod(weight, ga, order), s);
            weight = mulmod(weight, r.eta, order);
            _opened(r, r.q + 128, mulmod(weight, mulmod(gy, ga, order), order), _degree(r, n));
            Curve.addCalldata(r.left, r.last, order - mulmod(mulmod(gx, gy, order), ga, order));
            Curve.addCalldata(r.left, r.last + 64, r.z);
            uint256 power = r.z;
            for (uint256 i = 0; i < r.low; ++i) {
                power = mulmod(power, power, order);
            }
            Curve.addCalldata(r.left, r.q, addmod(r.alpha, order - power, order));
        }
    }

    function _line(uint256 l0, uint256 l1, uint256 v) private pure returns (uint256) {
        unchecked {
            uint256 order = Field.modulus();
            return addmod(mulmod(l0, _word(v), order), mulmod(l1, _word(v + 32), order), order);
        }
    }

    /// One polynomial of the batch: commitment at `offset`, its factor, its interpolation at `z`.
    function _opened(Run memory r, uint256 offset, uint256 m, uint256 value) private view {
        uint256 order = Field.modulus();
        r.constants = addmod(r.constants, mulmod(m, value, order), order);
        Curve.addCalldata(r.left, offset, m);
    }

    /// `D(zeta) = zeta^(b - 1) sum_k gamma^k g_k(1/zeta)`.
    function _degree(Run memory r, uint256 n) private pure returns (uint256 d) {
        unchecked {
            uint256 order = Field.modulus();
            for (uint256 k = n; k > 0; --k) {
                d = addmod(mulmod(d, r.gamma, order), _word(r.values + 160 * (k - 1) + 32), order);
            }
            d = mulmod(d, mulmod(r.power, r.inverse, order), order);
        }
    }
}
