// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Curve} from "./Curve.sol";
import {Field} from "./Field.sol";
import {IProveilVerifier} from "./IProveilVerifier.sol";

/// @title Several proofs in one call
/// @notice Accepts the proofs that the verifier behind it accepts one by one, for less: of each of them the verifier leaves one
/// equation between points, and all equations are checked by one pairing. They are added up with powers of a challenge that
/// is drawn from the transcripts of all proofs, so that errors do not cancel (`spec/succinct.md`, section 9).
///
/// Proofs may be of different models, as long as all keys were made with the same set-up. A proof may be there twice: to
/// count it once is for the caller, as it is with proofs in different calls. Each proof is read in a call frame of its own, so
/// none sees the memory of another one.
contract BatchVerifier {
    /// There is no code where the verifier should be.
    error NoVerifier();
    /// There is nothing to check.
    error EmptyBatch();
    /// The lists have different lengths.
    error LengthMismatch();
    /// The proof of this number is refused; `reason` is what the verifier reverted with: the error that names the check.
    error ProofRejected(uint256 index, bytes reason);
    /// The key of this proof was made with another set-up than the first one's: they belong into different batches.
    error OtherSetUp(uint256 index);
    /// The opening of at least one of several proofs is false. Whose it is the verifier says of each proof alone.
    error BatchRejected();

    /// What is hashed in front of all transcripts: keccak256 of the label `protocol`, behind its length, and `proveil/batch/1`.
    uint256 private constant PROTOCOL = 0xff31fa71ce758ca86922485682211b60bd3a85b982470ce9b8ebc96f99f4fee3;
    /// Bytes of an equation, and where its fields are.
    uint256 private constant SIZE = 0x220;
    uint256 private constant LEFT = 0x20;
    uint256 private constant RIGHT = 0x60;
    uint256 private constant GENERATOR = 0xa0;
    uint256 private constant BLINDING = 0xc0;
    uint256 private constant LIST = 0xe0;
    uint256 private constant MODEL = 0x100;
    uint256 private constant LIST_POINT = 0x120;
    uint256 private constant MODEL_POINT = 0x160;
    uint256 private constant SET_UP = 0x1a0;

    /// The verifier that decides, for good.
    IProveilVerifier public immutable VERIFIER;

    /// Sums over all proofs.
    struct Sums {
        /// Running sums.
        uint256 left;
        uint256 right;
        /// Factors of the points that all proofs have in common, and of those of the present model.
        uint256 generator;
        uint256 blinding;
        uint256 list;
        uint256 model;
    }

    constructor(IProveilVerifier verifier) {
        if (address(verifier).code.length == 0) revert NoVerifier();
        VERIFIER = verifier;
    }

    /// @notice Reverts unless the verifier accepts every proof with the model id and the hash of public data of the same number.
    /// Costs least where proofs of one model stand next to each other.
    function verifyBatch(bytes[] calldata proofs, bytes32[] calldata modelIds, bytes32[] calldata publicDigests)
        external
        view
    {
        uint256 count = proofs.length;
        if (count == 0) revert EmptyBatch();
        if (count != modelIds.length || count != publicDigests.length) revert LengthMismatch();
        (uint256 hashed, uint256 first) = _room(count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 e = first + i * SIZE;
            _reduce(i, proofs[i], modelIds[i], publicDigests[i], e);
            if (_hash(e + SET_UP, 0x80) != _hash(first + SET_UP, 0x80)) revert OtherSetUp(i);
            _store(hashed + 0x40 + 32 * i, _load(e));
        }
        Field.begin();
        Sums memory s = _sum(first, modelIds, uint256(_hash(hashed, 0x40 + 32 * count)) % Field.R);
        if (Curve.equal(s.left, s.right, first + SET_UP)) return;
        if (count > 1) revert BatchRejected();
        revert ProofRejected(0, abi.encodeWithSelector(Curve.OpeningRejected.selector));
    }

    /// Memory for what is hashed, its first two words written, and for the equations.
    function _room(uint256 count) private pure returns (uint256 hashed, uint256 first) {
        assembly ("memory-safe") {
            hashed := mload(0x40)
            mstore(hashed, 0)
            mstore(add(hashed, 0x20), PROTOCOL)
            first := add(hashed, add(0x40, shl(5, count)))
            mstore(0x40, add(first, mul(count, SIZE)))
        }
    }

    /// Writes the equation that the verifier leaves of a proof.
    function _reduce(uint256 i, bytes calldata proof, bytes32 modelId, bytes32 publicDigest, uint256 to) private view {
        uint256 free = _load(0x40);
        bytes memory call = abi.encodeCall(IProveilVerifier.reduce, (proof, modelId, publicDigest));
        (bool ok, bytes memory result) = address(VERIFIER).staticcall(call);
        if (!ok || result.length != SIZE) revert ProofRejected(i, result);
        assembly ("memory-safe") {
            mcopy(to, add(result, 0x20), SIZE)
            // Call and result are not needed any more: the next ones take their place.
            mstore(0x40, free)
        }
    }

    /// All equations, that of number `i` times `rho^i`.
    function _sum(uint256 e, bytes32[] calldata modelIds, uint256 rho) private view returns (Sums memory s) {
        (s.left, s.right) = (Curve.begin(), Curve.begin());
        uint256 weight = 1;
        for (uint256 i = 0; i < modelIds.length; ++i) {
            if (i == 0) {
                Curve.addMemory(s.left, e + LEFT);
                Curve.addMemory(s.right, e + RIGHT);
            } else {
                Curve.addMemory(s.left, e + LEFT, weight);
                Curve.addMemory(s.right, e + RIGHT, weight);
            }
            s.generator = addmod(s.generator, mulmod(weight, _load(e + GENERATOR), Field.R), Field.R);
            s.blinding = addmod(s.blinding, mulmod(weight, _load(e + BLINDING), Field.R), Field.R);
            s.list = addmod(s.list, mulmod(weight, _load(e + LIST), Field.R), Field.R);
            s.model = addmod(s.model, mulmod(weight, _load(e + MODEL), Field.R), Field.R);
            // The points of a model are added once for all proofs next to each other.
            if (i + 1 == modelIds.length || modelIds[i + 1] != modelIds[i]) {
                Curve.addMemory(s.left, e + LIST_POINT, s.list);
                if (s.model != 0) Curve.addMemory(s.left, e + MODEL_POINT, s.model);
                (s.list, s.model) = (0, 0);
            }
            weight = mulmod(weight, rho, Field.R);
            e += SIZE;
        }
        Curve.add(s.left, 1, 2, Field.R - s.generator);
        Curve.add(s.left, Curve.H_X, Curve.H_Y, Field.R - s.blinding);
    }

    function _hash(uint256 pos, uint256 size) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(pos, size)
        }
    }

    function _load(uint256 pos) private pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := mload(pos)
        }
    }

    function _store(uint256 pos, uint256 x) private pure {
        assembly ("memory-safe") {
            mstore(pos, x)
        }
    }
}
