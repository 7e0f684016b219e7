// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BatchConsumer} from "../src/BatchConsumer.sol";
import {BatchVerifier} from "../src/BatchVerifier.sol";
import {Form} from "../src/Form.sol";
import {Real} from "../src/Real.sol";

/// @title Several verdicts in one call
/// @notice The example of `docs/contracts.md`: somebody settles many cases at once, each with a proof of its own.
contract Verdicts is BatchConsumer {
    bytes32 public immutable MODEL;
    /// The model's outputs: the first value of the first one is the verdict.
    Form public immutable VERDICT;
    /// Bytes of all public data.
    uint256 public immutable SIZE;

    /// Verdicts by case, which is the number that its proof is bound to.
    mapping(address sender => mapping(uint256 case_ => Real)) public verdicts;

    constructor(BatchVerifier batch, bytes32 model, Form verdict, uint256 size) BatchConsumer(batch) {
        MODEL = model;
        VERDICT = verdict;
        SIZE = size;
    }

    /// @notice Settles one case.
    function settle(bytes calldata proof, uint256 case_) external {
        verdicts[msg.sender][case_] = VERDICT.realAt(_accept(MODEL, proof, case_, SIZE), 0, 0);
    }

    /// @notice Settles several cases, or none of them.
    function settleAll(bytes[] calldata proofs, uint256[] calldata cases) external {
        _acceptAll(MODEL, proofs, cases, SIZE);
        for (uint256 i = 0; i < proofs.length; ++i) {
            verdicts[msg.sender][cases[i]] = VERDICT.realAt(proofs[i][DATA:], 0, 0);
        }
    }
}
