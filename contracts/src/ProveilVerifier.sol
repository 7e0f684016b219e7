// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";
import {IProveilVerifier} from "./IProveilVerifier.sol";
import {Key} from "./Key.sol";
import {Proof} from "./Proof.sol";
import {PublicData} from "./PublicData.sol";

/// @title The verifier
/// @notice Checks zero-knowledge proofs that a committed model computes public data. It has no owner, no storage and no
/// way to be changed; what differs between models is in their keys.
///
/// A proof is one byte string: {SELECTOR}; the account whose code holds the model's key, 20 bytes; the public data; the
/// messages. The key account need not be trusted: the key's hash is the model id. Public data are in the proof because
/// the verifier evaluates them; the caller names them by their hash.
contract ProveilVerifier is IProveilVerifier {
    /// The key was made with a set-up whose secret is known: anybody can forge proofs under it.
    error InsecureSetUp();

    /// @inheritdoc IProveilVerifier
    bytes4 public constant SELECTOR = bytes4(Proof.PROTOCOL);

    /// @inheritdoc IProveilVerifier
    function verify(bytes calldata proof, bytes32 modelId, bytes32 publicDigest) external view {
        _run(proof, modelId, publicDigest, true);
    }

    /// @inheritdoc IProveilVerifier
    function reduce(bytes calldata proof, bytes32 modelId, bytes32 publicDigest)
        external
        view
        returns (Equation memory e)
    {
        _run(proof, modelId, publicDigest, false);
        // Not reached: the equation is on its way.
        return e;
    }

    /// Checks everything; or all but the pairing equation, which it returns from the call.
    function _run(bytes calldata proof, bytes32 modelId, bytes32 publicDigest, bool whole) private view {
        unchecked {
            if (proof.length < 24 || bytes4(proof[:4]) != SELECTOR) revert WrongSelector();
            Field.begin();
            Key.Parsed memory k = Key.load(address(bytes20(proof[4:24])), modelId);
            if (k.insecure && !_acceptsInsecure()) revert InsecureSetUp();
            Proof.Statement memory s;
            s.model = modelId;
            s.digest = publicDigest;
            uint256 from;
            assembly ("memory-safe") {
                from := add(proof.offset, 24)
            }
            s.place = PublicData.place(k, from);
            if (proof.length < 24 + s.place.size) revert Proof.ProofLength();
            if (keccak256(proof[24:24 + s.place.size]) != publicDigest) revert WrongPublicData();
            Proof.Opening memory o;
            Proof.check(o, k, s, proof[24 + s.place.size:]);
            if (!whole) Proof.give(o, k);
            Proof.finish(o, k);
        }
    }

    /// Whether keys of insecure set-ups are taken.
    function _acceptsInsecure() internal pure virtual returns (bool) {
        return false;
    }
}
