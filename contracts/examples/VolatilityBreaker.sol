// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Form} from "../src/Form.sol";
import {IProveilVerifier} from "../src/IProveilVerifier.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";
import {Real} from "../src/Real.sol";

/// @title An oracle of statistics that stops a market in a storm
/// @notice The story. An exchange commits to the prices of each window of time and signs the commitment; the prices are
/// its own and stay so. Anybody who has them from it proves what the model computes: the mean price, and how far highest and
/// lowest lie apart. The mean becomes the price that the market uses. Is the range too large for the mean, the breaker trips:
/// the market stands still until somebody with {RESUME_ROLE} has looked.
///
/// The model has one committed input and three public outputs of one value each: mean, return, range.
contract VolatilityBreaker is ProofConsumer, EIP712, AccessControl, Pausable {
    /// The exchange did not sign this commitment for this window.
    error NotSigned();
    /// A report of this window or a later one was accepted before.
    error OldWindow(uint64 window, uint64 latest);
    /// No report was accepted yet.
    error NoPrice();

    /// Who may end a stop.
    bytes32 public constant RESUME_ROLE = keccak256("RESUME_ROLE");
    bytes32 private constant WINDOW = keccak256("Window(uint64 window,bytes32 point)");

    bytes32 public immutable MODEL;
    Form public immutable MEAN;
    Form public immutable RETURN;
    Form public immutable RANGE;
    /// Signs commitments.
    address public immutable EXCHANGE;
    /// The range at which the breaker trips, in percent of the mean.
    uint8 public immutable LIMIT;

    /// The latest window that was reported, and its mean price.
    uint64 public latest;
    Real public mean;

    event Reported(uint64 indexed window, Real mean, Real range);
    event Tripped(uint64 indexed window, Real mean, Real range);

    constructor(
        IProveilVerifier verifier,
        bytes32 model,
        Form[3] memory outputs,
        address exchange,
        uint8 limit,
        address admin
    ) ProofConsumer(verifier) EIP712("VolatilityBreaker", "1") {
        MODEL = model;
        (MEAN, RETURN, RANGE) = (outputs[0], outputs[1], outputs[2]);
        EXCHANGE = exchange;
        LIMIT = limit;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(RESUME_ROLE, admin);
    }

    /// @notice What the exchange signs: the window and the hash of the commitment to its prices.
    function digestOf(uint64 window, bytes32 point) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(WINDOW, window, point)));
    }

    /// @notice Reports the statistics of a window.
    /// @param signature The exchange's over {digestOf}.
    function report(bytes calldata proof, uint256 nonce, uint64 window, bytes calldata signature) external {
        if (window <= latest) revert OldWindow(window, latest);
        uint256 behind = POINT + MEAN.size() + RETURN.size();
        bytes calldata shown = _accept(MODEL, proof, nonce, behind + RANGE.size());
        bytes32 digest = digestOf(window, keccak256(shown[:POINT]));
        if (ECDSA.recoverCalldata(digest, signature) != EXCHANGE) revert NotSigned();
        latest = window;
        mean = MEAN.realAt(shown, POINT, 0);
        Real range = RANGE.realAt(shown, behind, 0);
        emit Reported(window, mean, range);
        if (range.times(100) > mean.times(int256(uint256(LIMIT)))) {
            emit Tripped(window, mean, range);
            if (!paused()) _pause();
        }
    }

    /// @notice Ends a stop.
    function resume() external onlyRole(RESUME_ROLE) {
        _unpause();
    }

    /// @notice The price that a market uses, with 18 decimal places; none while the breaker is tripped.
    function price() external view whenNotPaused returns (int256) {
        if (latest == 0) revert NoPrice();
        return mean.toWad();
    }
}
