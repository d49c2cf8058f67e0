// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IAttribution} from "../../precompiles/interfaces/IAttribution.sol";
import {SpanRule} from "./SpanRule.sol";

/// @title Committed answers: the tree over a batch, and whether a claim is what was committed
/// @notice docs/spec.md "Batch". The chain keeps one hash of a batch, so whoever tells a contract about an answer brings
/// the whole claim, and the contract checks it.
library AnswerBatch {
    IAttribution internal constant ATTRIBUTION = IAttribution(0x0000000000000000000000000000000000000903);

    error EmptyBatch();
    error IndexOutOfRange(uint256 index, uint256 length);

    /// @notice What became of the committed answer that the claim brings: Committed, Settled or Void; None when the claim
    /// is not what was committed.
    /// @dev Reverts with UnknownInference when there is no such inference.
    function stateOf(IAttribution.Claim calldata claim) internal view returns (IAttribution.State) {
        IAttribution.Inference memory inference = ATTRIBUTION.inference(claim.inferenceId);
        if (inference.batchId == 0) return IAttribution.State.None;
        bool isCommitted = rootFrom(leafOf(claim), claim.proof) == ATTRIBUTION.batchRoot(inference.batchId);
        return isCommitted ? inference.state : IAttribution.State.None;
    }

    function leafOf(IAttribution.Claim calldata claim) internal pure returns (bytes32) {
        return leaf(claim.inferenceId, claim.outputRoot, claim.outputBytes, SpanRule.spansHash(claim.spans));
    }

    function leaf(uint256 inferenceId, bytes32 outputRoot, uint32 outputBytes, bytes32 spansHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x05), inferenceId, outputRoot, outputBytes, spansHash));
    }

    /// @notice Root over leaves in the order of the batch.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        if (leaves.length == 0) revert EmptyBatch();
        bytes32[] memory level = leaves;
        while (level.length > 1) level = _above(level);
        return level[0];
    }

    /// @notice Siblings of leaf `index` from the leaf up.
    function proof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory siblings) {
        if (index >= leaves.length) revert IndexOutOfRange(index, leaves.length);
        siblings = new bytes32[](32); // memory holds no deeper tree
        uint256 count = 0;
        for (bytes32[] memory level = leaves; level.length > 1; level = _above(level)) {
            uint256 sibling = index ^ 1;
            if (sibling < level.length) siblings[count++] = level[sibling];
            index /= 2;
        }
        assembly ("memory-safe") {
            mstore(siblings, count)
        }
    }

    /// @notice Root that a leaf and its siblings lead to. A pair is sorted, so the position is not needed.
    function rootFrom(bytes32 from, bytes32[] calldata siblings) internal pure returns (bytes32 at) {
        at = from;
        for (uint256 i = 0; i < siblings.length; i++) at = node(at, siblings[i]);
    }

    function node(bytes32 a, bytes32 b) internal pure returns (bytes32 hash) {
        (bytes32 low, bytes32 high) = a < b ? (a, b) : (b, a);
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore8(at, 0x06)
            mstore(add(at, 1), low)
            mstore(add(at, 33), high)
            hash := keccak256(at, 65)
        }
    }

    /// An unpaired last node moves up unchanged.
    function _above(bytes32[] memory level) private pure returns (bytes32[] memory above) {
        above = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < above.length; i++) {
            uint256 right = 2 * i + 1;
            above[i] = right < level.length ? node(level[2 * i], level[right]) : level[2 * i];
        }
    }
}
