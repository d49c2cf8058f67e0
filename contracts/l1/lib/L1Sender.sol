// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title Who an L1 sender is on L2
library L1Sender {
    /// OP Stack: a contract's address may belong to somebody else on L2, so there it is another one.
    uint160 private constant ALIAS_OFFSET = uint160(0x1111000000000000000000000000000000001111);

    /// `msg.sender`, aliased unless it is an account with a key. Such an account can send for itself, or have delegated
    /// to a contract (EIP-7702): then its code is 0xef0100 ‖ address, as no contract's can be (EIP-3541).
    function onL2() internal view returns (address) {
        if (msg.sender == tx.origin || _isDelegated(msg.sender)) return msg.sender;
        unchecked {
            return address(uint160(msg.sender) + ALIAS_OFFSET);
        }
    }

    function _isDelegated(address account) private view returns (bool) {
        return account.code.length == 23 && bytes3(account.code) == 0xef0100;
    }
}
