// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Mercury} from "../src/Mercury.sol";
import {Prefix} from "../src/Prefix.sol";
import {Sumcheck} from "../src/Sumcheck.sol";
import {Transcript} from "../src/Transcript.sol";

/// @title Pieces of the verifier behind functions of their own, for tests
contract Harness {
    /// There are bytes behind the last message, or too few.
    error ProofLength();

    /// Reverts unless the opening shows all claims; returns the state of the transcript behind it.
    function open(
        bytes calldata proof,
        uint256 state,
        Mercury.Evaluation[] memory claims,
        Mercury.Inner[] memory inner,
        uint256[4] memory tau
    ) external view returns (uint256 end) {
        if (proof.length != Mercury.size(claims.length, inner.length)) revert ProofLength();
        uint256 longest = 0;
        for (uint256 i = 0; i < claims.length; ++i) {
            if (claims[i].point.length > longest) longest = claims[i].point.length;
        }
        uint256 t = Transcript.begin(state, proof);
        uint256 offset;
        uint256 key;
        assembly ("memory-safe") {
            offset := proof.offset
            key := tau
        }
        t = Mercury.verify(offset, t, (longest + 1) / 2, claims, inner, key);
        assembly ("memory-safe") {
            end := mload(sub(t, 32))
        }
    }

    /// Both kinds of sumcheck: claim left, then challenges.
    function rounds(
        bytes calldata proof,
        uint256 state,
        uint256 claim,
        uint256[] memory weights,
        uint256[] memory inverses,
        uint256 count
    ) external pure returns (uint256 left, uint256[] memory point) {
        uint256 t = Transcript.begin(state, proof);
        point = new uint256[](count);
        uint256 offset;
        uint256 words;
        uint256 w;
        uint256 inv;
        assembly ("memory-safe") {
            offset := proof.offset
            words := add(point, 32)
            w := add(weights, 32)
            inv := add(inverses, 32)
        }
        if (weights.length == 0) (left,) = Sumcheck.degree2(offset, t, count, claim, words);
        else (left,) = Sumcheck.weighted3(offset, t, count, claim, w, inv, words);
    }

    /// How much messages count in the claim that is left; how much the first claim does, last.
    function coefficients(
        uint256[] memory point,
        uint256[] memory weights,
        uint256[] memory inverses,
        uint256 scale
    ) external pure returns (uint256[] memory list) {
        uint256 count = point.length;
        bool weighted = weights.length != 0;
        list = new uint256[]((weighted ? 3 : 2) * count + 1);
        uint256 p;
        uint256 w;
        uint256 inv;
        uint256 out;
        assembly ("memory-safe") {
            p := add(point, 32)
            w := add(weights, 32)
            inv := add(inverses, 32)
            out := add(list, 32)
        }
        list[list.length - 1] = weighted
            ? Sumcheck.coefficients3(p, w, inv, count, scale, out)
            : Sumcheck.coefficients2(p, count, scale, out);
    }

    /// Sums over the first `n` addresses: of equality factors, and of their products at two points.
    function prefixes(uint256 n, uint256[] memory rho, uint256[] memory tau)
        external
        pure
        returns (uint256 sum, uint256 products)
    {
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
