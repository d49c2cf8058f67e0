// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {ResourceConfig} from "./lib/ResourceMetering.sol";

/// @title What the L1 contracts share
/// @notice Pause, limits, and the answers that OP's messenger and bridge ask of a SystemConfig and a SuperchainConfig:
/// this contract is both of them. The owner is a timelock.
contract SystemConfig is Initializable {
    /// What one L1 block demands and the L1 attributes take at most one part in so many of an L2 block.
    uint256 private constant SHARE_OF_L2_BLOCK = 2;

    address public immutable token;

    address public owner;
    /// May stop withdrawals, and nothing else here.
    address public guardian;
    bool public paused;
    /// Of an L2 block.
    uint64 public gasLimit;
    uint128 private _limit; // wei
    uint64 private _window; // seconds
    ResourceConfig private _resources;

    event Paused(string identifier);
    event Unpaused();
    event GuardianChanged(address guardian);
    event ReleaseLimitChanged(uint256 limit, uint256 window);

    error NotGuardian(address caller);
    error NotOwner(address caller);
    error InvalidGuardian();
    error InvalidReleaseLimit();
    /// One L1 block could demand half of an L2 block or more, or the target does not divide the limit.
    error InvalidResourceConfig();

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyGuardian() {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        _;
    }

    constructor(address token_) {
        token = token_;
        _disableInitializers();
    }

    /// `limit` wei of OPEN may be released in `window` seconds.
    function initialize(
        address owner_,
        address guardian_,
        uint64 l2GasLimit,
        ResourceConfig calldata resources,
        uint128 limit,
        uint64 window
    ) external initializer {
        owner = owner_;
        gasLimit = l2GasLimit;
        uint256 target = resources.elasticityMultiplier == 0 ? 0 : resources.maxResourceLimit / resources.elasticityMultiplier;
        if (
            target == 0 ||
            target * resources.elasticityMultiplier != resources.maxResourceLimit ||
            resources.baseFeeMaxChangeDenominator < 2 ||
            resources.minimumBaseFee > resources.maximumBaseFee ||
            (uint256(resources.maxResourceLimit) + resources.systemTxMaxGas) * SHARE_OF_L2_BLOCK > l2GasLimit
        ) revert InvalidResourceConfig();
        _resources = resources;
        _setGuardian(guardian_);
        _setReleaseLimit(limit, window);
    }

    /// Withdrawals, of OPEN and through OP's bridge, can neither be proven nor finalized until `unpause`. Deposits go on.
    function pause(string calldata identifier) external onlyGuardian {
        paused = true;
        emit Paused(identifier);
    }

    function unpause() external onlyGuardian {
        paused = false;
        emit Unpaused();
    }

    function setGuardian(address guardian_) external onlyOwner {
        _setGuardian(guardian_);
    }

    function setReleaseLimit(uint128 limit, uint64 window) external onlyOwner {
        _setReleaseLimit(limit, window);
    }

    function releaseLimit() external view returns (uint256 limit, uint256 window) {
        return (_limit, _window);
    }

    function resourceConfig() external view returns (ResourceConfig memory) {
        return _resources;
    }

    // What OP's contracts ask.

    function superchainConfig() external view returns (address) {
        return address(this);
    }

    function gasPayingToken() external view returns (address, uint8) {
        return (token, 18);
    }

    function gasPayingTokenName() external pure returns (string memory) {
        return "OpenLedger";
    }

    function gasPayingTokenSymbol() external pure returns (string memory) {
        return "OPEN";
    }

    function isCustomGasToken() external pure returns (bool) {
        return true;
    }

    function _setGuardian(address guardian_) private {
        if (guardian_ == address(0)) revert InvalidGuardian();
        guardian = guardian_;
        emit GuardianChanged(guardian_);
    }

    function _setReleaseLimit(uint128 limit, uint64 window) private {
        if (limit == 0 || window == 0) revert InvalidReleaseLimit();
        (_limit, _window) = (limit, window);
        emit ReleaseLimitChanged(limit, window);
    }
}
