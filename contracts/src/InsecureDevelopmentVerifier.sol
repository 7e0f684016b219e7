// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProveilVerifier} from "./ProveilVerifier.sol";

/// @title The verifier for tests and demonstrations
/// @notice Takes keys of development set-ups too, whose secret everybody can compute: anybody can forge any proof under
/// them. Never for anything of value.
contract InsecureDevelopmentVerifier is ProveilVerifier {
    function _acceptsInsecure() internal pure override returns (bool) {
        return true;
    }
}
