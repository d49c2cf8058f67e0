// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// Calls whatever it is told to, and fails as that fails.
contract Relay {
    function call(address target, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory result) = target.call{value: msg.value}(data);
        if (ok) return result;
        assembly ("memory-safe") {
            revert(add(result, 32), mload(result))
        }
    }
}
