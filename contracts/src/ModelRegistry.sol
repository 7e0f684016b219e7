// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IProveilVerifier} from "./IProveilVerifier.sol";
import {ModelKey} from "./ModelKey.sol";

/// @title Models by name
/// @notice Which model id and which verifier stand behind a name, version after version. Verifiers have no owner; whoever
/// trusts a registry trusts its owner and guardian instead of pinning a verifier and a model id.
///
/// A proof about a model with hidden weights means integers only if each weight lies in its declared range. Proofs do not show
/// that again and again: a version is announced with its registration, which shows it once, and which the version's verifier
/// checks here. A version comes into force {DELAY} after it was announced, so that users can leave. It may be deprecated, for
/// good, at once. The guardian may pause a name at once; the owner ends the pause. Each version may have a second
/// verifier, announced with it, that takes over while the first is marked as failed.
contract ModelRegistry is Ownable2Step {
    /// No version of this number, or not yet in force.
    error NotInForce(bytes32 name, uint32 version);
    /// The version was deprecated.
    error Deprecated(bytes32 name, uint32 version);
    /// The name is paused.
    error Paused(bytes32 name);
    /// Only the guardian or the owner may do this.
    error NotGuardian();
    /// A model id or a verifier is zero, or an account without code.
    error BadVersion();

    /// What is announced.
    struct Candidate {
        bytes32 modelId;
        /// The account that holds the model's key.
        address key;
        IProveilVerifier verifier;
        /// Takes over when the first one fails; may be zero.
        IProveilVerifier second;
        /// The model id of the registration; zero for a model without weights.
        bytes32 registrationId;
    }

    /// One version of a model.
    struct Version {
        bytes32 modelId;
        IProveilVerifier verifier;
        /// From when on it counts.
        uint64 from;
        bool deprecated;
        /// The first verifier failed: the second one counts.
        bool failed;
        IProveilVerifier second;
        bytes32 registrationId;
    }

    /// Seconds between the announcement of a version and its coming into force.
    uint64 public immutable DELAY;
    /// Who may pause.
    address public guardian;
    /// Paused names.
    mapping(bytes32 name => bool) public paused;
    mapping(bytes32 name => Version[]) private _versions;

    event Announced(bytes32 indexed name, uint32 version, bytes32 modelId, address verifier, address second, uint64 from);
    event DeprecatedForGood(bytes32 indexed name, uint32 version);
    event PauseSet(bytes32 indexed name, bool paused);
    event FailOver(bytes32 indexed name, uint32 version, bool failed);
    event GuardianSet(address guardian);

    constructor(address owner, address guardian_, uint64 delay) Ownable(owner) {
        guardian = guardian_;
        DELAY = delay;
    }

    modifier onlyGuardian() {
        if (msg.sender != guardian && msg.sender != owner()) revert NotGuardian();
        _;
    }

    /// @notice Announces the next version of a model; it comes into force after {DELAY}.
    /// @param registration The proof that all weights of the model are in range; empty for a model without weights.
    function announce(bytes32 name, Candidate calldata c, bytes calldata registration)
        external
        onlyOwner
        returns (uint32 version)
    {
        bool secondIsBad = address(c.second) != address(0) && address(c.second).code.length == 0;
        if (c.modelId == 0 || address(c.verifier).code.length == 0 || secondIsBad) revert BadVersion();
        ModelKey.checkRegistration(ModelKey.read(c.key, c.modelId), c.verifier, c.registrationId, registration);
        uint64 from = uint64(block.timestamp) + DELAY;
        version = uint32(_versions[name].length);
        _versions[name].push(Version(c.modelId, c.verifier, from, false, false, c.second, c.registrationId));
        emit Announced(name, version, c.modelId, address(c.verifier), address(c.second), from);
    }

    /// @notice Ends a version for good, also one that is not yet in force.
    function deprecate(bytes32 name, uint32 version) external onlyOwner {
        _version(name, version).deprecated = true;
        emit DeprecatedForGood(name, version);
    }

    /// @notice Stops all versions of a name.
    function pause(bytes32 name) external onlyGuardian {
        paused[name] = true;
        emit PauseSet(name, true);
    }

    /// @notice Ends a pause.
    function resume(bytes32 name) external onlyOwner {
        paused[name] = false;
        emit PauseSet(name, false);
    }

    /// @notice Marks the first verifier of a version as failed, or ends that mark; without a second verifier a failed version
    /// is not in force.
    function failOver(bytes32 name, uint32 version, bool failed) external onlyGuardian {
        // The guardian takes the second verifier into use, only the owner goes back.
        if (!failed && msg.sender != owner()) revert NotGuardian();
        _version(name, version).failed = failed;
        emit FailOver(name, version, failed);
    }

    /// @notice Another guardian.
    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @notice All that is known of a version, in force or not.
    function versionOf(bytes32 name, uint32 version) external view returns (Version memory) {
        return _version(name, version);
    }

    /// @notice The newest version that is in force.
    function current(bytes32 name) external view returns (uint32) {
        for (uint256 i = _versions[name].length; i > 0; --i) {
            Version storage v = _versions[name][i - 1];
            if (!v.deprecated && v.from <= block.timestamp && (!v.failed || address(v.second) != address(0))) {
                return uint32(i - 1);
            }
        }
        revert NotInForce(name, 0);
    }

    /// @notice Reverts unless the version is in force and its verifier accepts.
    function verify(bytes32 name, uint32 version, bytes calldata proof, bytes32 publicDigest) external view {
        if (paused[name]) revert Paused(name);
        Version storage v = _version(name, version);
        if (v.deprecated) revert Deprecated(name, version);
        IProveilVerifier verifier = v.failed ? v.second : v.verifier;
        if (v.from > block.timestamp || address(verifier) == address(0)) revert NotInForce(name, version);
        verifier.verify(proof, v.modelId, publicDigest);
    }

    function _version(bytes32 name, uint32 version) private view returns (Version storage) {
        if (version >= _versions[name].length) revert NotInForce(name, version);
        return _versions[name][version];
    }
}
