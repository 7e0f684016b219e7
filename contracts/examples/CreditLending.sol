// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProveilVerifier} from "../src/IProveilVerifier.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";

/// @title Loans for who proves a low risk
/// @notice The story. A data signer (a bank, a bureau) looks at somebody's finances, commits to them and publishes the
/// commitment here, a point that says nothing. The model's owner has committed to the model, whose id this contract
/// trusts. The borrower runs the model on the committed data and proves what comes out: a risk score. Below the
/// threshold the loan is paid. Nobody on the chain sees the data or the model.
///
/// The model has one committed input and one public output, whose first value is the score.
contract CreditLending is ProofConsumer {
    /// Only the data signer publishes commitments.
    error NotSigner();
    /// The borrower's data were not committed to by the signer, or are too old.
    error UnknownData();
    /// The score is above the threshold.
    error RiskTooHigh(int256 risk, int256 threshold);
    /// There is a loan already, or not enough money.
    error NoLoan();

    /// How the output's values are packed: bytes of each, and the least value of the declared range.
    uint256 public immutable WIDTH;
    int256 public immutable LEAST;
    int256 public immutable THRESHOLD;
    address public immutable SIGNER;
    uint256 public immutable AMOUNT;

    /// Commitments by borrower: hash of the point.
    mapping(address borrower => bytes32) public data;
    mapping(address borrower => uint256) public debt;

    event Committed(address indexed borrower, bytes32 data);
    event Lent(address indexed borrower, int256 risk, uint256 amount);

    constructor(
        IProveilVerifier verifier,
        bytes32 model,
        uint256 width,
        int256 least,
        int256 threshold,
        address signer,
        uint256 amount
    ) payable ProofConsumer(verifier, model) {
        WIDTH = width;
        LEAST = least;
        THRESHOLD = threshold;
        SIGNER = signer;
        AMOUNT = amount;
    }

    /// @notice The signer publishes the commitment to a borrower's data.
    function commitTo(address borrower, bytes calldata point) external {
        if (msg.sender != SIGNER) revert NotSigner();
        data[borrower] = keccak256(point);
        emit Committed(borrower, keccak256(point));
    }

    /// @notice Pays a loan to the sender, whose committed data the model gives a low risk.
    /// @param point The commitment that the signer published.
    /// @param values The output's values as they are packed in the proof.
    function borrow(bytes calldata proof, uint256 nonce, bytes calldata point, bytes calldata values) external {
        if (data[msg.sender] == 0 || keccak256(point) != data[msg.sender]) revert UnknownData();
        if (debt[msg.sender] != 0 || address(this).balance < AMOUNT) revert NoLoan();
        _accept(proof, nonce, point, values);
        int256 risk = _value(values, 0, WIDTH, LEAST);
        if (risk > THRESHOLD) revert RiskTooHigh(risk, THRESHOLD);
        debt[msg.sender] = AMOUNT;
        emit Lent(msg.sender, risk, AMOUNT);
        (bool paid,) = msg.sender.call{value: AMOUNT}("");
        if (!paid) revert NoLoan();
    }

    /// @notice Pays a loan back.
    function repay() external payable {
        if (msg.value != debt[msg.sender]) revert NoLoan();
        debt[msg.sender] = 0;
    }
}
