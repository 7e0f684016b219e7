// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProveilVerifier} from "./IProveilVerifier.sol";
import {Form} from "./Form.sol";
import {Key} from "./Key.sol";

/// @title What other contracts may know of a model
/// @notice A model id is the hash of a short key, which lies as code in an account that nobody needs to trust. Here is
/// read what a short key says to contracts that do not verify themselves: what inputs and outputs look like, which model
/// is committed to.
library ModelKey {
    /// The input or output is not what the contract expects.
    error UnexpectedForm(uint256 index);
    /// The registration is of another model, made with another set-up, or shows inputs or outputs.
    error OtherRegistration();

    /// What a short key says.
    struct Facts {
        /// Hash of the commitment to the weights; zero if the model has none.
        bytes32 model;
        /// Hash of the set-up's point.
        bytes32 setUp;
        /// The words of inputs, then outputs: forms without scales.
        bytes32[] forms;
        /// How many of them are inputs.
        uint256 inputs;
    }

    /// Reads the key that `account` holds; reverts unless it is the one that `modelId` names.
    function read(address account, bytes32 modelId) internal view returns (Facts memory f) {
        Key.Parsed memory k = Key.load(account, modelId);
        f.inputs = k.inputs;
        f.forms = new bytes32[](k.inputs + k.outputs);
        for (uint256 i = 0; i < f.forms.length; ++i) {
            f.forms[i] = _word(k.io + 32 * i);
        }
        bytes32 setUp;
        uint256 tau = k.tau;
        assembly ("memory-safe") {
            setUp := keccak256(tau, 128)
        }
        f.setUp = setUp;
        if (k.io != k.model) {
            bytes32 model;
            uint256 point = k.model;
            assembly ("memory-safe") {
                model := keccak256(point, 64)
            }
            f.model = model;
        }
    }

    /// Reverts unless input or output number `i`, outputs behind inputs, looks like `form`.
    function expect(Facts memory f, uint256 i, Form form) internal pure {
        if (i >= f.forms.length || f.forms[i] != form.keyWord()) revert UnexpectedForm(i);
    }

    /// Reverts unless `proof` registers the model of `f`: it shows, under the key that `registrationId` names, that every weight
    /// behind the same commitment lies in its declared range. A model without weights needs no registration, and has none.
    ///
    /// That `registrationId` is the registration of this compilation is for people to check, from both full keys, as is
    /// everything else that a model id stands for.
    function checkRegistration(
        Facts memory f,
        IProveilVerifier verifier,
        bytes32 registrationId,
        bytes calldata proof
    ) internal view {
        if (f.model == 0) {
            if (registrationId != 0 || proof.length != 0) revert OtherRegistration();
            return;
        }
        if (proof.length < 24) revert OtherRegistration();
        Facts memory r = read(address(bytes20(proof[4:24])), registrationId);
        if (r.model != f.model || r.setUp != f.setUp || r.forms.length != 0) revert OtherRegistration();
        // The public data of a statement that shows nothing: the hash of an empty context.
        verifier.verify(proof, registrationId, keccak256(abi.encode(keccak256(""))));
    }

    function _word(uint256 pos) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(pos)
        }
    }
}
