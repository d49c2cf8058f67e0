// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {AnswerBatch} from "contracts/examples/AnswerBatch.sol";
import {ContentTree} from "contracts/examples/ContentTree.sol";
import {Settlement} from "contracts/examples/Settlement.sol";
import {SpanRule} from "contracts/examples/SpanRule.sol";
import {IAttribution} from "precompiles/interfaces/IAttribution.sol";

/// Makes the libraries of contracts/examples callable from tests.
contract AttributionLibraries {
    function contentRoot(bytes calldata content) external pure returns (bytes32) {
        return ContentTree.root(content);
    }

    function isProven(bytes32 root, uint64 length, IAttribution.Chunks calldata chunks) external pure returns (bool) {
        return ContentTree.isProven(root, length, chunks);
    }

    /// Byte p is 1 where position p, 0 to output.length + 1, is a boundary.
    function boundaries(bytes calldata output) external pure returns (bytes memory flags) {
        flags = new bytes(output.length + 2);
        for (uint256 p = 0; p < flags.length; p++) if (SpanRule.isBoundary(output, p)) flags[p] = 0x01;
    }

    function faultOfPublic(IAttribution.Span[] calldata spans, uint256 minSpanBytes, bytes calldata output) external pure returns (SpanRule.Fault memory) {
        return SpanRule.findFault(spans, minSpanBytes, output);
    }

    function faultOfPrivate(IAttribution.Span[] calldata spans, uint256 minSpanBytes, uint256 outputBytes) external pure returns (SpanRule.Fault memory) {
        return SpanRule.findFault(spans, minSpanBytes, outputBytes);
    }

    function measures(IAttribution.Span[] calldata spans) external pure returns (uint256[] memory weights, uint256 coveredBytes, bytes32 spansHash, bytes32 encoded) {
        return (SpanRule.weights(spans), SpanRule.coveredBytes(spans), SpanRule.spansHash(spans), keccak256(abi.encode(spans)));
    }

    function leaf(uint256 inferenceId, bytes32 outputRoot, uint32 outputBytes, bytes32 spansHash) external pure returns (bytes32) {
        return AnswerBatch.leaf(inferenceId, outputRoot, outputBytes, spansHash);
    }

    function batchRoot(bytes32[] calldata leaves) external pure returns (bytes32) {
        return AnswerBatch.root(leaves);
    }

    function batchProof(bytes32[] calldata leaves, uint256 index) external pure returns (bytes32[] memory) {
        return AnswerBatch.proof(leaves, index);
    }

    function batchRootFrom(bytes32 from, bytes32[] calldata siblings) external pure returns (bytes32) {
        return AnswerBatch.rootFrom(from, siblings);
    }

    function stateOf(IAttribution.Claim calldata claim) external view returns (IAttribution.State) {
        return AnswerBatch.stateOf(claim);
    }

    function feeOf(uint256 platformFee, uint256 requestPrice, uint256 outputPrice, uint256 requestBytes, uint256 outputBytes) external pure returns (uint256) {
        return Settlement.feeOf(platformFee, requestPrice, outputPrice, requestBytes, outputBytes);
    }

    function split(Settlement.Terms calldata terms, IAttribution.Span[] calldata spans) external pure returns (Settlement.Split memory) {
        return Settlement.split(terms, spans);
    }
}
