// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice An ordinary ERC-20, for benchmarks and tool tests.
contract Token is ERC20 {
    constructor(uint256 supply) ERC20("Example", "EX") {
        _mint(msg.sender, supply);
    }

    /// Gives every account of a benchmark something to transfer.
    function mint(address[] calldata holders, uint256 amount) external {
        for (uint256 i = 0; i < holders.length; i++) _mint(holders[i], amount);
    }
}
