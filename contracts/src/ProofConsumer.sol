// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProveilVerifier} from "./IProveilVerifier.sol";

/// @title What contracts that act on proofs start from
/// @notice A proof counts once, on one chain, for one contract, one sender and one number. It is bound to them by the
/// context of its statement, so that nobody else can use it first and nobody twice. What is remembered is the number, never
/// the proof's hash: a proof can be made again for the same statement.
abstract contract ProofConsumer {
    /// The sender has used the number before.
    error NonceUsed(address sender, uint256 nonce);
    /// The proof was made for another chain, contract, sender or number.
    error WrongContext();
    /// The proof is too short for the public data.
    error NoPublicData();

    /// Where the public data begin in a proof, behind selector and account of the key; they begin with the context's hash.
    uint256 private constant CONTEXT = 24;
    uint256 internal constant DATA = 56;
    /// Bytes of the commitment to an input or output.
    uint256 internal constant POINT = 64;

    /// The verifier that this contract trusts, for good.
    IProveilVerifier public immutable VERIFIER;

    /// Used numbers, 256 to a word.
    mapping(address sender => mapping(uint256 word => uint256 bits)) private _used;

    constructor(IProveilVerifier verifier) {
        VERIFIER = verifier;
    }

    /// @notice The context that a prover puts into the statement: these bytes.
    function contextOf(address sender, uint256 nonce) public view returns (bytes memory) {
        return abi.encode(block.chainid, address(this), sender, nonce);
    }

    /// @notice Whether a sender has used a number.
    function used(address sender, uint256 nonce) public view returns (bool) {
        return (_used[sender][nonce >> 8] >> (nonce & 0xff)) & 1 != 0;
    }

    /// Checks a proof for the sender, uses up the number, and returns the public data that `model` was proved to compute: points
    /// of committed inputs and outputs, {POINT} bytes each, then values of public ones, as forms pack them.
    /// @param size Bytes of that, as forms say. With another size no proof is accepted.
    function _accept(bytes32 model, bytes calldata proof, uint256 nonce, uint256 size)
        internal
        returns (bytes calldata data)
    {
        bytes32 digest;
        (data, digest) = _use(proof, nonce, size);
        VERIFIER.verify(proof, model, digest);
    }

    /// The part of {_accept} in front of the verifier: uses up the number, and returns the public data with their hash. They are
    /// worth nothing before a verifier has accepted the proof with this hash.
    function _use(bytes calldata proof, uint256 nonce, uint256 size)
        internal
        returns (bytes calldata data, bytes32 digest)
    {
        if (used(msg.sender, nonce)) revert NonceUsed(msg.sender, nonce);
        _used[msg.sender][nonce >> 8] |= 1 << (nonce & 0xff);
        if (proof.length < DATA || size > proof.length - DATA) revert NoPublicData();
        if (bytes32(proof[CONTEXT:DATA]) != keccak256(contextOf(msg.sender, nonce))) revert WrongContext();
        data = proof[DATA:DATA + size];
        digest = keccak256(proof[CONTEXT:DATA + size]);
    }
}
