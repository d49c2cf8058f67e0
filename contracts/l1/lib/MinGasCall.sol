// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title A call that gets at least the gas that it was promised, or does not happen
/// @notice As OP's SafeCall.callWithMinGas (MIT).
library MinGasCall {
    /// The dynamic cost of CALL at its worst, and what happens between the check and the call.
    uint256 private constant OVERHEAD = 40_000;

    /// Nothing of what the target returns is copied, so it cannot make the caller pay for memory. Reverts when 63/64 of
    /// what is left (EIP-150) is less than `minGas`.
    function callWithMinGas(address target, uint256 minGas, bytes memory data) internal returns (bool success) {
        // No block has that much gas; above it the sum could overflow.
        bool isPossible = minGas <= type(uint64).max;
        require(isPossible && gasleft() * 63 >= minGas * 64 + OVERHEAD * 63, "SafeCall: Not enough gas");
        assembly ("memory-safe") {
            success := call(gas(), target, 0, add(data, 32), mload(data), 0, 0)
        }
    }
}
