// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

interface IL2Sender {
    function l2Sender() external view returns (address);
}

/// Calls back whoever calls it, with what it was told, and keeps how that ended.
contract Reentrant {
    bytes[] private _calls;
    bytes[] public answers;
    address public sender;

    function prepare(bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; i++) _calls.push(calls[i]);
    }

    fallback() external {
        sender = IL2Sender(msg.sender).l2Sender();
        for (uint256 i = 0; i < _calls.length; i++) {
            (bool success, bytes memory data) = msg.sender.call(_calls[i]);
            answers.push(success ? bytes("") : data);
        }
    }
}
