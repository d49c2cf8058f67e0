// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

/// @title Where batches of L2 blocks are posted
/// @notice A batch is in the calldata of the transaction that posts it, or in its blobs. Here is only recorded that there
/// was one; whether a batch is what it says is decided by those who derive the chain from it, and an invalid one is
/// skipped. The output oracle asks that a certified block was recorded before.
///
/// Anybody may post, and a block may be posted again: who records a block with an invalid batch keeps nobody from
/// posting the valid one. Derivation reads transactions to this contract, so posting from within another contract
/// records a block and gives it no data.
contract BatchInbox is Initializable {
    string public constant version = "1.0.0";

    /// L1 block in which the L2 block of this hash, the last of a batch, was first posted; 0 while it was not.
    mapping(bytes32 blockHash => uint256 l1Block) public recordedAt;

    /// `blobs`: their versioned hashes (EIP-4844); none when the batch is in calldata.
    event BatchPosted(uint64 indexed lastNumber, bytes32 indexed lastHash, address indexed poster, bytes32[] blobs);

    error EmptyBatch();
    /// The batch would be in the input of another contract's call, where nobody looks for it.
    error NotFromAccount();
    /// The transaction has another number of blobs.
    error WrongBlobs(uint256 expected);

    constructor() {
        _disableInitializers();
    }

    /// Nothing is to be set; a proxy asks for a call with which it begins.
    function initialize() external initializer {}

    /// A batch in calldata. `lastNumber` and `lastHash` name its last block, which its certificate finalizes.
    function post(uint64 lastNumber, bytes32 lastHash, bytes calldata batch) external {
        if (batch.length == 0) revert EmptyBatch();
        _record(lastNumber, lastHash, new bytes32[](0));
    }

    /// A batch in all `blobs` blobs of this transaction, in their order.
    function postBlobs(uint64 lastNumber, bytes32 lastHash, uint256 blobs) external {
        if (blobs == 0) revert EmptyBatch();
        // The hash of a blob that is not there is zero, and a real one never is. Checked before memory is taken for them.
        if (blobhash(blobs - 1) == 0 || blobhash(blobs) != 0) revert WrongBlobs(blobs);
        bytes32[] memory hashes = new bytes32[](blobs);
        for (uint256 i = 0; i < blobs; i++) hashes[i] = blobhash(i);
        _record(lastNumber, lastHash, hashes);
    }

    function _record(uint64 lastNumber, bytes32 lastHash, bytes32[] memory blobs) private {
        if (msg.sender != tx.origin) revert NotFromAccount();
        if (recordedAt[lastHash] == 0) recordedAt[lastHash] = block.number;
        emit BatchPosted(lastNumber, lastHash, msg.sender, blobs);
    }
}
