// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title OPEN as an ERC-20 on L2
/// @notice Predeploy at 0x4200000000000000000000000000000000000006, with WETH9's interface and events: one wei of OPEN in
/// here for one of WOPEN.
contract WrappedOpen is ERC20 {
    event Deposit(address indexed dst, uint256 wad);
    event Withdrawal(address indexed src, uint256 wad);

    error TransferFailed(address recipient);

    /// Genesis has the code and no storage: the constructor never runs there.
    constructor() ERC20("", "") {}

    receive() external payable {
        deposit();
    }

    function deposit() public payable {
        _mint(msg.sender, msg.value);
        emit Deposit(msg.sender, msg.value);
    }

    function withdraw(uint256 wad) external {
        _burn(msg.sender, wad);
        emit Withdrawal(msg.sender, wad);
        (bool success, ) = msg.sender.call{value: wad}("");
        if (!success) revert TransferFailed(msg.sender);
    }

    function name() public pure override returns (string memory) {
        return "Wrapped OPEN";
    }

    function symbol() public pure override returns (string memory) {
        return "WOPEN";
    }
}
