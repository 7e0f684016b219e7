// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Form} from "../src/Form.sol";
import {IProveilVerifier} from "../src/IProveilVerifier.sol";
import {ProofConsumer} from "../src/ProofConsumer.sol";
import {Real} from "../src/Real.sol";

/// @title Stakes in a game, judged by a model that nobody can train against
/// @notice The story. Players stake money. While they play, the game's server commits to what each of them does, here,
/// before anybody knows the verdict. Afterwards the studio runs its hidden model on what was recorded and proves the verdict: how
/// strange the play was, and whether that counts as cheating. A clean player takes the stake back; a cheater's goes to
/// the studio. The studio cannot judge by another model or by other recordings, and a player without a verdict in time is
/// clean.
///
/// The model has one committed input and two public outputs of one value each: an error, and a flag, 1 for a cheater.
contract AntiCheat is ProofConsumer, AccessControl, ReentrancyGuard {
    /// The player has no stake, or another one already.
    error NoStake();
    /// Nothing was recorded of the player, or there is a record already.
    error NoRecord();
    /// It is too early or too late for that.
    error WrongTime();
    /// The player was found to cheat, or is not judged yet.
    error NotClean();
    /// The flag contradicts what was agreed: a cheater's error is at least {LEAST_ERROR}.
    error DoubtfulVerdict(Real error_);

    /// The game's server.
    bytes32 public constant SERVER_ROLE = keccak256("SERVER_ROLE");

    enum Verdict {
        None,
        Clean,
        Cheat
    }

    bytes32 public immutable MODEL;
    Form public immutable ERROR;
    Form public immutable FLAG;
    /// No verdict against a player below this error, whatever the flag says.
    Real public immutable LEAST_ERROR;
    address public immutable STUDIO;
    uint256 public immutable STAKE;
    /// Verdicts are given until then.
    uint64 public immutable DEADLINE;

    mapping(address player => uint256) public stakes;
    /// Hash of the commitment to what the player did.
    mapping(address player => bytes32) public records;
    mapping(address player => Verdict) public verdicts;

    event Recorded(address indexed player, bytes32 point);
    event Judged(address indexed player, Verdict verdict, Real error_);

    constructor(
        IProveilVerifier verifier,
        bytes32 model,
        Form[2] memory outputs,
        Real leastError,
        address[2] memory studioAndServer,
        uint256 stake,
        uint64 deadline
    ) ProofConsumer(verifier) {
        MODEL = model;
        (ERROR, FLAG) = (outputs[0], outputs[1]);
        LEAST_ERROR = leastError;
        STUDIO = studioAndServer[0];
        STAKE = stake;
        DEADLINE = deadline;
        _grantRole(DEFAULT_ADMIN_ROLE, studioAndServer[0]);
        _grantRole(SERVER_ROLE, studioAndServer[1]);
    }

    /// @notice Enters the game.
    function enter() external payable {
        if (msg.value != STAKE || stakes[msg.sender] != 0 || verdicts[msg.sender] != Verdict.None) revert NoStake();
        if (block.timestamp > DEADLINE) revert WrongTime();
        stakes[msg.sender] = msg.value;
    }

    /// @notice The server publishes the commitment to what a player did, once.
    function record(address player, bytes calldata point) external onlyRole(SERVER_ROLE) {
        if (stakes[player] == 0) revert NoStake();
        if (records[player] != 0) revert NoRecord();
        records[player] = keccak256(point);
        emit Recorded(player, keccak256(point));
    }

    /// @notice Judges a player.
    function judge(bytes calldata proof, uint256 nonce, address player) external {
        if (block.timestamp > DEADLINE) revert WrongTime();
        if (verdicts[player] != Verdict.None) revert NoStake();
        uint256 behind = POINT + ERROR.size();
        bytes calldata shown = _accept(MODEL, proof, nonce, behind + FLAG.size());
        // The record is never zero: nobody is judged without one.
        if (records[player] != keccak256(shown[:POINT])) revert NoRecord();
        Real error_ = ERROR.realAt(shown, POINT, 0);
        bool cheat = FLAG.integerAt(shown, behind, 0) == 1;
        if (cheat && error_ < LEAST_ERROR) revert DoubtfulVerdict(error_);
        verdicts[player] = cheat ? Verdict.Cheat : Verdict.Clean;
        emit Judged(player, verdicts[player], error_);
    }

    /// @notice Takes a clean player's stake back.
    function withdraw() external nonReentrant {
        Verdict v = verdicts[msg.sender];
        if (v == Verdict.Cheat || (v == Verdict.None && block.timestamp <= DEADLINE)) revert NotClean();
        _pay(msg.sender, msg.sender);
    }

    /// @notice Gives a cheater's stake to the studio.
    function forfeit(address player) external nonReentrant {
        if (verdicts[player] != Verdict.Cheat) revert NotClean();
        _pay(player, STUDIO);
    }

    function _pay(address player, address to) private {
        uint256 stake = stakes[player];
        if (stake == 0) revert NoStake();
        stakes[player] = 0;
        Address.sendValue(payable(to), stake);
    }
}
