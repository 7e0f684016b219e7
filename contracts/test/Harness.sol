// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Curve} from "../src/Curve.sol";
import {Field} from "../src/Field.sol";
import {Mercury} from "../src/Mercury.sol";
import {Prefix} from "../src/Prefix.sol";
import {Sumcheck} from "../src/Sumcheck.sol";
import {Transcript} from "../src/Transcript.sol";

/// @title Pieces of the verifier behind functions of their own, for tests
contract Harness {
    /// There are bytes behind the last message, or too few.
    error ProofLength();

    /// The value of a committed polynomial at a point.
    struct Evaluation {
        uint256 x;
        uint256 y;
        uint256[] point;
        uint256 value;
    }

    /// The inner product of a committed polynomial with a vector.
    struct Inner {
        uint256 x;
        uint256 y;
        uint256[] weights;
        uint256 value;
    }

    /// Reverts unless the opening shows all claims; returns the state of the transcript behind it.
    function open(
        bytes calldata proof,
        uint256 state,
        Evaluation[] memory claims,
        Inner[] memory inner,
        uint256[4] memory tau
    ) external view returns (uint256 end) {
        Field.begin();
        if (proof.length != Mercury.size(claims.length, inner.length)) revert ProofLength();
        Mercury.Evaluation[] memory e = new Mercury.Evaluation[](claims.length);
        Mercury.Inner[] memory p = new Mercury.Inner[](inner.length);
        uint256 longest = 0;
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256[] memory list = claims[i].point;
            e[i] = Mercury.Evaluation(_words(list), list.length, claims[i].value);
            if (list.length > longest) longest = list.length;
        }
        for (uint256 i = 0; i < inner.length; ++i) {
            p[i] = Mercury.Inner(_words(inner[i].weights), inner[i].weights.length, inner[i].value);
        }
        uint256 offset;
        uint256 key;
        assembly ("memory-safe") {
            offset := proof.offset
            key := tau
        }
        Mercury.Run memory r;
        (r, end) = Mercury.read(offset, Transcript.begin(state, proof), 0, (longest + 1) / 2, e.length, p.length);
        Mercury.sum(r, Field.inverse(mulmod(r.d01, r.d23, Field.R)), e, p);
        (, end) = Transcript.draw(end, 64);
        uint256 k = 1;
        for (uint256 i = 0; i < claims.length; ++i) {
            Curve.add(r.left, claims[i].x, claims[i].y, k);
            k = mulmod(k, r.gamma, Field.R);
        }
        k = r.inner0;
        for (uint256 i = 0; i < inner.length; ++i) {
            Curve.add(r.left, inner[i].x, inner[i].y, k);
            k = mulmod(k, r.eta, Field.R);
        }
        Mercury.finish(r.left, r.constants, r.last + 64, key);
        assembly ("memory-safe") {
            end := mload(sub(end, 32))
        }
    }

    function _words(uint256[] memory list) private pure returns (uint256 pos) {
        assembly ("memory-safe") {
            pos := add(list, 32)
        }
    }

    /// Sumchecks of degree 2, and weighted ones of degree 3: claim left, then challenges.
    function rounds(bytes calldata proof, uint256 state, uint256 claim, uint256[] memory weights, uint256 count)
        external
        view
        returns (uint256 left, uint256[] memory point)
    {
        Field.begin();
        uint256 t = Transcript.begin(state, proof);
        point = new uint256[](count);
        uint256 offset;
        assembly ("memory-safe") {
            offset := proof.offset
        }
        if (weights.length == 0) {
            (left,) = Sumcheck.degree2(offset, t, 0, count, claim, _words(point));
        } else {
            uint256[] memory scales = new uint256[](count + 1);
            (left,) = Sumcheck.weighted3(offset, t, count, claim, _words(weights), _words(scales), _words(point));
            left = mulmod(left, Field.inverse(scales[count]), Field.R);
        }
    }

    /// Sumchecks of degree 4, as coefficients: claim left, then challenges.
    function coefficientRounds(bytes calldata proof, uint256 state, uint256 claim, uint256 count)
        external
        pure
        returns (uint256 left, uint256[] memory point)
    {
        Field.begin();
        point = new uint256[](count);
        uint256 offset;
        assembly ("memory-safe") {
            offset := proof.offset
        }
        (left,) = Sumcheck.degree4(offset, Transcript.begin(state, proof), count, claim, _words(point));
    }

    /// How much messages count in the claim that is left; how much the first claim does, last.
    function coefficients(uint256[] memory point, uint256[] memory weights, uint256 scale)
        external
        view
        returns (uint256[] memory list)
    {
        Field.begin();
        uint256 count = point.length;
        if (weights.length == 0) {
            list = new uint256[](2 * count + 1);
            list[2 * count] = Sumcheck.coefficients2(_words(point), count, scale, _words(list));
            return list;
        }
        list = new uint256[](3 * count + 1);
        uint256[] memory scales = new uint256[](count + 1);
        scales[0] = 1;
        for (uint256 i = 0; i < count; ++i) {
            scales[i + 1] = mulmod(scales[i], weights[i], Field.R);
        }
        scale = mulmod(scale, Field.inverse(scales[count]), Field.R);
        list[3 * count] = Sumcheck.coefficients3(_words(point), _words(scales), count, scale, _words(list));
    }

    /// Sums over the first `n` addresses: of equality factors, and of their products at two points.
    function prefixes(uint256 n, uint256[] memory rho, uint256[] memory tau)
        external
        pure
        returns (uint256 sum, uint256 products)
    {
        Field.begin();
        uint256 a;
        uint256 b;
        assembly ("memory-safe") {
            a := add(rho, 32)
            b := add(tau, 32)
        }
        sum = Prefix.sum(n, b, tau.length);
        products = Prefix.products(n, a, b, tau.length);
    }
}
