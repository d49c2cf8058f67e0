// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// Makes several calls of the portal in one transaction; fails when one of them fails.
contract Depositor {
    address private immutable portal;

    constructor(IERC20 token, address portal_) {
        portal = portal_;
        token.approve(portal_, type(uint256).max);
    }

    function run(bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; i++) {
            (bool success,) = portal.call(calls[i]);
            require(success, "Depositor: refused");
        }
    }
}

/// Takes no call.
contract Rejecting {
    fallback() external payable {
        revert("Rejecting");
    }
}

/// Called by the portal, calls the portal with what it got, and does not mind how that ends.
contract CallingBack {
    address private immutable portal;

    constructor(IERC20 token, address portal_) {
        portal = portal_;
        token.approve(portal_, type(uint256).max);
    }

    fallback() external {
        (bool success,) = portal.call(msg.data);
        success;
    }
}
