// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

struct ResourceConfig {
    /// L2 gas that the deposits of one L1 block may demand together.
    uint32 maxResourceLimit;
    /// The target is maxResourceLimit / elasticityMultiplier.
    uint8 elasticityMultiplier;
    uint8 baseFeeMaxChangeDenominator;
    /// Wei of L1 for a unit of L2 gas.
    uint32 minimumBaseFee;
    /// Gas of the L1 attributes in each L2 block.
    uint32 systemTxMaxGas;
    uint128 maximumBaseFee;
}

/// @title A market for the L2 gas of deposits
/// @notice As OP's ResourceMetering (MIT): L2 gas has a base fee that moves like EIP-1559's, and is paid by burning L1
/// gas of that worth. Storage: slot 0.
abstract contract ResourceMetering {
    struct ResourceParams {
        uint128 prevBaseFee;
        uint64 prevBoughtGas;
        uint64 prevBlockNum;
    }

    ResourceParams public params;

    /// The L1 block has no more L2 gas to sell.
    error OutOfGas();

    /// What the function itself burns of L1 gas counts as paid.
    modifier metered(uint64 amount) {
        uint256 initialGas = gasleft();
        _;
        _meter(amount, initialGas);
    }

    function _resourceConfig() internal view virtual returns (ResourceConfig memory);

    function _initializeMetering() internal {
        params = ResourceParams(_resourceConfig().minimumBaseFee, 0, uint64(block.number));
    }

    function _meter(uint64 amount, uint256 initialGas) private {
        ResourceParams memory present = params;
        ResourceConfig memory config = _resourceConfig();
        uint256 blocks = block.number - present.prevBlockNum;
        if (blocks > 0) present = ResourceParams(_nextBaseFee(present, config, blocks), 0, uint64(block.number));
        // The limit has 32 bits: what is above would overflow 64 only if it were not refused here.
        if (uint256(present.prevBoughtGas) + amount > config.maxResourceLimit) revert OutOfGas();
        present.prevBoughtGas += amount;
        params = present;
        // OP's floor of 1 gwei: on an L1 that is nearly free, deposits do not burn whole blocks.
        uint256 gasCost = (uint256(amount) * present.prevBaseFee) / Math.max(block.basefee, 1 gwei);
        uint256 usedGas = initialGas - gasleft();
        if (gasCost > usedGas) _burnGas(gasCost - usedGas);
    }

    /// The step that the last block with a deposit caused, then one down for each block without any.
    function _nextBaseFee(
        ResourceParams memory present,
        ResourceConfig memory config,
        uint256 blocks
    ) private pure returns (uint128) {
        uint256 target = config.maxResourceLimit / config.elasticityMultiplier;
        uint256 fee = present.prevBaseFee;
        uint256 bought = present.prevBoughtGas;
        uint256 divisor = target * config.baseFeeMaxChangeDenominator;
        // Below 2^128 · 2^32: no overflow.
        if (bought > target) fee += (fee * (bought - target)) / divisor;
        else fee -= (fee * (target - bought)) / divisor;
        fee = _clamp(fee, config);
        if (blocks > 1) fee = _clamp(_decayed(fee, blocks - 1, config.baseFeeMaxChangeDenominator), config);
        return uint128(fee);
    }

    /// fee · (1 − 1/denominator)^blocks, by squaring, with 18 decimals.
    function _decayed(uint256 fee, uint256 blocks, uint256 denominator) private pure returns (uint256) {
        uint256 base = 1e18 - 1e18 / denominator;
        uint256 factor = 1e18;
        for (; blocks > 0 && factor > 0; blocks >>= 1) {
            if (blocks & 1 == 1) factor = (factor * base) / 1e18;
            base = (base * base) / 1e18;
        }
        return (fee * factor) / 1e18;
    }

    function _clamp(uint256 fee, ResourceConfig memory config) private pure returns (uint256) {
        return Math.min(Math.max(fee, config.minimumBaseFee), config.maximumBaseFee);
    }

    function _burnGas(uint256 amount) private view {
        uint256 initialGas = gasleft();
        uint256 i = 0;
        while (initialGas - gasleft() < amount) i++;
    }
}
