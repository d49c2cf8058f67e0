// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title OPEN on L1
/// @notice 1,000,000,000 with 18 decimals, all of it from the first moment: nobody can mint more. What circulates on L2
/// lies in the portal.
contract OpenToken is ERC20, ERC20Permit {
    uint256 private constant SUPPLY = 1_000_000_000 ether;

    constructor(address holder) ERC20("OpenLedger", "OPEN") ERC20Permit("OpenLedger") {
        _mint(holder, SUPPLY);
    }
}
