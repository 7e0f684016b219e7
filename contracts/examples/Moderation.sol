// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Form} from "../src/Form.sol";
import {IProveilVerifier} from "../src/IProveilVerifier.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";
import {Real} from "../src/Real.sol";

/// @title A board whose posts were looked at by a model
/// @notice The story. The author of a picture commits to it, runs the board's model on it and proves the scores of all classes. If
/// the greatest score is that of a banned class, the post is refused; if a banned class comes close, people decide; otherwise
/// the post is published. The picture is named by its commitment and never on the chain: who shows it shows the opening
/// of the commitment with it, so that nobody can publish one picture and show another.
///
/// The model has one committed input and one public output, a line of scores.
contract Moderation is ProofConsumer, AccessControl {
    /// There is a decision about the post.
    error Decided(bytes32 post);
    /// The model sees a banned class.
    error Banned(uint256 class_);
    /// The post does not wait for people.
    error NotWaiting(bytes32 post);

    /// People who decide what the model leaves open.
    bytes32 public constant MODERATOR_ROLE = keccak256("MODERATOR_ROLE");

    enum Status {
        Unknown,
        Waiting,
        Published,
        Refused
    }

    bytes32 public immutable MODEL;
    Form public immutable SCORES;
    /// By how much the greatest score must be above every banned one.
    Real public immutable MARGIN;
    /// Bit `c` is set if class `c` is banned.
    uint256 public banned;

    mapping(bytes32 post => Status) public status;
    mapping(bytes32 post => address) public author;

    event Posted(bytes32 indexed post, address indexed author, Status status);
    event BannedSet(uint256 classes);

    constructor(IProveilVerifier verifier, bytes32 model, Form scores, Real margin, uint256 classes, address admin)
        ProofConsumer(verifier)
    {
        MODEL = model;
        SCORES = scores;
        MARGIN = margin;
        banned = classes;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(MODERATOR_ROLE, admin);
    }

    /// @notice Posts a picture; the hash of the commitment to it names the post.
    function post(bytes calldata proof, uint256 nonce) external returns (bytes32 id) {
        bytes calldata shown = _accept(MODEL, proof, nonce, POINT + SCORES.size());
        id = keccak256(shown[:POINT]);
        if (status[id] != Status.Unknown) revert Decided(id);
        uint256 top = SCORES.greatest(shown, POINT, 0);
        if ((banned >> top) & 1 != 0) revert Banned(top);
        author[id] = msg.sender;
        _set(id, _close(shown, top) ? Status.Waiting : Status.Published);
    }

    /// @notice Decides about a post that waits.
    function decide(bytes32 id, bool publish) external onlyRole(MODERATOR_ROLE) {
        if (status[id] != Status.Waiting) revert NotWaiting(id);
        _set(id, publish ? Status.Published : Status.Refused);
    }

    /// @notice Sets the banned classes; posts that are published stay.
    function setBanned(uint256 classes) external onlyRole(DEFAULT_ADMIN_ROLE) {
        banned = classes;
        emit BannedSet(classes);
    }

    /// Whether a banned class has a score within the margin of the greatest one.
    function _close(bytes calldata shown, uint256 top) private view returns (bool) {
        Real score = SCORES.realAt(shown, POINT, top);
        for (uint256 c = 0; c < SCORES.cells(); ++c) {
            if ((banned >> c) & 1 != 0 && score - SCORES.realAt(shown, POINT, c) < MARGIN) return true;
        }
        return false;
    }

    function _set(bytes32 id, Status s) private {
        status[id] = s;
        emit Posted(id, author[id], s);
    }
}
