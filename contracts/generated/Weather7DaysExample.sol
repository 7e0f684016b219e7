// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProveilVerifier} from "../src/IProveilVerifier.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";
import {Real} from "../src/Real.sol";
import {Weather7DaysModel} from "./Weather7DaysModel.sol";

/// @title A contract to start from
/// @notice Takes proofs of the model `weather, 7 days`, each once and for its sender only, and emits what they show. Put what your
/// contract does with a result where the event is.
contract Weather7DaysExample is Weather7DaysModel {
    event Proven(address indexed sender, Real[] outputWind, int256 output7DayClass, bool outputStorm, Real outputNumber6);

    constructor(IProveilVerifier verifier) ProofConsumer(verifier) {}

    /// @notice Submits a proof that was made for this contract, the sender and the number.
    function submit(bytes calldata proof, uint256 nonce) external {
        bytes calldata shown = _acceptProof(proof, nonce);
        emit Proven(msg.sender, _allOutputWind(shown), _valueOutput7DayClass(shown, 0), _valueOutputStorm(shown, 0), _valueOutputNumber6(shown, 0));
    }
}
