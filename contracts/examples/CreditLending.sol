// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Form} from "../src/Form.sol";
import {IProveilVerifier} from "../src/IProveilVerifier.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";
import {Real} from "../src/Real.sol";

/// @title Loans for who proves a low risk
/// @notice The story. A data signer (a bank, a bureau) looks at somebody's finances, commits to them and publishes the
/// commitment here, a point that says nothing. The model's owner has committed to the model, whose id this contract
/// trusts. The borrower runs the model on the committed data and proves what comes out: a risk. Up to the threshold the
/// loan is paid. Nobody on the chain sees the data or the model.
///
/// The model has one committed input and one public output, whose first value is the risk.
contract CreditLending is ProofConsumer, ReentrancyGuard {
    /// Only the data signer publishes commitments.
    error NotSigner();
    /// The borrower's data were not committed to by the signer, or are too old.
    error UnknownData();
    /// The risk is above the threshold.
    error RiskTooHigh(Real risk, Real threshold);
    /// There is a loan already, or not enough money.
    error NoLoan();

    /// What the signer vouches for.
    struct Data {
        /// Hash of the commitment.
        bytes32 point;
        /// Until when the data count.
        uint64 until;
    }

    bytes32 public immutable MODEL;
    /// The output, as `proveil export solidity` writes it.
    Form public immutable RISK;
    Real public immutable THRESHOLD;
    address public immutable SIGNER;
    uint256 public immutable AMOUNT;

    mapping(address borrower => Data) public data;
    mapping(address borrower => uint256) public debt;

    event Committed(address indexed borrower, bytes32 point, uint64 until);
    event Lent(address indexed borrower, Real risk, uint256 amount);

    constructor(IProveilVerifier verifier, bytes32 model, Form risk, Real threshold, address signer, uint256 amount)
        payable
        ProofConsumer(verifier)
    {
        MODEL = model;
        RISK = risk;
        THRESHOLD = threshold;
        SIGNER = signer;
        AMOUNT = amount;
    }

    /// @notice The signer publishes the commitment to a borrower's data.
    function commitTo(address borrower, bytes calldata point, uint64 until) external {
        if (msg.sender != SIGNER) revert NotSigner();
        data[borrower] = Data(keccak256(point), until);
        emit Committed(borrower, keccak256(point), until);
    }

    /// @notice Pays a loan to the sender, whose committed data the model gives a low risk.
    function borrow(bytes calldata proof, uint256 nonce) external nonReentrant {
        if (debt[msg.sender] != 0 || address(this).balance < AMOUNT) revert NoLoan();
        // The proof: this model, on the data behind this point, gives these values; for this sender, once.
        bytes calldata shown = _accept(MODEL, proof, nonce, POINT + RISK.size());
        Data memory known = data[msg.sender];
        if (keccak256(shown[:POINT]) != known.point || block.timestamp > known.until) revert UnknownData();
        Real risk = RISK.realAt(shown, POINT, 0);
        if (risk > THRESHOLD) revert RiskTooHigh(risk, THRESHOLD);
        debt[msg.sender] = AMOUNT;
        emit Lent(msg.sender, risk, AMOUNT);
        Address.sendValue(payable(msg.sender), AMOUNT);
    }

    /// @notice Pays a loan back.
    function repay() external payable {
        if (msg.value != debt[msg.sender]) revert NoLoan();
        debt[msg.sender] = 0;
    }
}
