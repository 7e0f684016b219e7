// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Form} from "../src/Form.sol";
import {IProveilVerifier} from "../src/IProveilVerifier.sol";
import {ModelKey} from "../src/ModelKey.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";

/// @title A prize for the model that predicts best, whose weights nobody sees
/// @notice The story, by the clock:
///
/// 1. The organiser pays the prize in and fixes the test by a hash, which says nothing: inputs and labels.
/// 2. Until {Test.enterUntil}, everybody enters models: a model id fixes the weights, and a registration shows that they are in
///    range. Nobody has seen the test, and nobody changes a model after.
/// 3. Until {Test.revealUntil}, the organiser approves entries, then reveals the test. An entry is approved if its full key,
///    which its owner publishes, is the compilation of a model: what it claims is public, only the weights are hidden. A key
///    could as well claim nothing.
/// 4. Until {Test.proveUntil}, entrants prove what their models predict on the revealed inputs, all of them in one proof. The
///    contract compares with the labels and counts.
/// 5. The best takes the prize, the first one of equals. If the organiser revealed nothing, all entries share it.
contract PredictionBounty is ProofConsumer, ReentrancyGuard {
    using ModelKey for ModelKey.Facts;

    /// It is too early or too late for that.
    error WrongTime();
    /// Only the organiser may do this.
    error NotOrganiser();
    /// The sender has an entry already, or none, or it is not approved, or it proved already.
    error NoEntry();
    /// The key does not take the test's inputs in public, or shows no predictions.
    error UnfitKey();
    /// This is not the test that was fixed, or not what the proof is about.
    error OtherTest();
    /// There is nothing to pay.
    error NothingToPay();

    /// The test, fixed before anybody enters.
    struct Test {
        /// keccak256 of salt (32 bytes), labels (a byte each) and inputs (packed).
        bytes32 hash;
        /// What the inputs look like: their number, their range. Lines may be cut otherwise.
        Form inputs;
        /// How many labels there are.
        uint32 rows;
        uint64 enterUntil;
        uint64 revealUntil;
        uint64 proveUntil;
    }

    /// A model in the competition.
    struct Entry {
        bytes32 model;
        /// Its first output: a label for each row, or a line of scores.
        Form predictions;
        /// Bytes of all its public data.
        uint32 size;
        bool approved;
        bool proved;
        uint32 correct;
    }

    address public immutable ORGANISER;
    Test public test;
    /// Hash of the revealed inputs, and the labels.
    bytes32 public inputs;
    bytes public labels;
    mapping(address entrant => Entry) public entries;
    address[] public entrants;
    /// The best so far.
    address public best;
    bool public paid;
    mapping(address entrant => bool) public shared;
    /// Shares that are not paid yet, once the first one was.
    uint256 private _shares;

    event Entered(address indexed entrant, bytes32 model, bytes32 registration);
    event Approved(address indexed entrant);
    event Revealed(bytes labels, bytes inputs);
    event Counted(address indexed entrant, uint256 correct, uint256 outOf);
    event Paid(address indexed to, uint256 amount);

    constructor(IProveilVerifier verifier, Test memory t) payable ProofConsumer(verifier) {
        if (block.timestamp > t.enterUntil || t.enterUntil >= t.revealUntil || t.revealUntil >= t.proveUntil) {
            revert WrongTime();
        }
        ORGANISER = msg.sender;
        test = t;
    }

    modifier onlyOrganiser() {
        if (msg.sender != ORGANISER) revert NotOrganiser();
        _;
    }

    /// @notice Enters a model.
    /// @param key The account that holds its key.
    /// @param registration The proof that its weights are in range.
    function enter(bytes32 model, address key, bytes32 registrationId, bytes calldata registration) external {
        if (block.timestamp > test.enterUntil) revert WrongTime();
        if (entries[msg.sender].model != 0) revert NoEntry();
        ModelKey.Facts memory f = ModelKey.read(key, model);
        Entry storage e = entries[msg.sender];
        e.model = model;
        (e.predictions, e.size) = _fit(f);
        f.checkRegistration(VERIFIER, registrationId, registration);
        entrants.push(msg.sender);
        emit Entered(msg.sender, model, registrationId);
    }

    /// @notice Approves an entry, whose full key the organiser has read.
    function approve(address entrant) external onlyOrganiser {
        if (inputs != 0 || block.timestamp > test.revealUntil) revert WrongTime();
        if (entries[entrant].model == 0) revert NoEntry();
        entries[entrant].approved = true;
        emit Approved(entrant);
    }

    /// @notice Reveals the test.
    function reveal(bytes32 salt, bytes calldata labels_, bytes calldata inputs_) external onlyOrganiser {
        if (block.timestamp <= test.enterUntil || block.timestamp > test.revealUntil) revert WrongTime();
        bool whole = labels_.length == test.rows && inputs_.length == test.inputs.size();
        if (!whole || keccak256(bytes.concat(salt, labels_, inputs_)) != test.hash) revert OtherTest();
        labels = labels_;
        inputs = keccak256(inputs_);
        emit Revealed(labels_, inputs_);
    }

    /// @notice Proves what the sender's model predicts on the test's inputs.
    function prove(bytes calldata proof, uint256 nonce) external {
        Entry storage e = entries[msg.sender];
        if (inputs == 0 || block.timestamp > test.proveUntil) revert WrongTime();
        if (!e.approved || e.proved) revert NoEntry();
        bytes calldata shown = _accept(e.model, proof, nonce, e.size);
        uint256 behind = test.inputs.size();
        if (keccak256(shown[:behind]) != inputs) revert OtherTest();
        e.proved = true;
        e.correct = _count(e.predictions, shown, behind);
        emit Counted(msg.sender, e.correct, test.rows);
        if (best == address(0) || e.correct > entries[best].correct) best = msg.sender;
    }

    /// @notice Pays the prize; back to the organiser if nobody proved anything.
    function pay() external nonReentrant {
        if (block.timestamp <= test.proveUntil) revert WrongTime();
        if (inputs == 0 || paid) revert NothingToPay();
        paid = true;
        _send(best == address(0) ? ORGANISER : best, address(this).balance);
    }

    /// @notice Pays the sender's share of a prize whose test was never revealed.
    function share() external nonReentrant {
        if (block.timestamp <= test.revealUntil || inputs != 0) revert WrongTime();
        if (entries[msg.sender].model == 0 || shared[msg.sender]) revert NothingToPay();
        shared[msg.sender] = true;
        if (_shares == 0) _shares = entrants.length;
        _send(msg.sender, address(this).balance / _shares--);
    }

    /// The form of a model's predictions, its first output, and the size of its public data. It has one input, a public one, of as many
    /// values of the same range as the test: then equal bytes are equal values.
    function _fit(ModelKey.Facts memory f) private view returns (Form predictions, uint32 size) {
        if (f.inputs != 1 || f.forms.length < 2) revert UnfitKey();
        Form own = Form.wrap(uint256(f.forms[0]));
        Form form = test.inputs;
        bool same = own.least() == form.least() && own.span() == form.span() && own.count() == form.count();
        predictions = Form.wrap(uint256(f.forms[1]));
        bool rows = predictions.count() == test.rows || predictions.lines() == test.rows;
        if (!same || !own.isPublic() || !predictions.isPublic() || !rows) revert UnfitKey();
        for (uint256 i = 0; i < f.forms.length; ++i) {
            Form shown = Form.wrap(uint256(f.forms[i]));
            // Points would come before values.
            if (shown.isCommitted()) revert UnfitKey();
            size += uint32(shown.size());
        }
    }

    function _count(Form predictions, bytes calldata shown, uint256 from) private view returns (uint32 correct) {
        bytes memory known = labels;
        bool scores = predictions.count() != known.length;
        for (uint256 i = 0; i < known.length; ++i) {
            int256 predicted =
                scores ? int256(predictions.greatest(shown, from, i)) : predictions.integerAt(shown, from, i);
            if (predicted == int256(uint256(uint8(known[i])))) ++correct;
        }
    }

    function _send(address to, uint256 amount) private {
        emit Paid(to, amount);
        Address.sendValue(payable(to), amount);
    }
}
