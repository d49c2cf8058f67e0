// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IAttribution} from "../../precompiles/interfaces/IAttribution.sol";

/// @title Rule span-v1: what a list of spans must be, and what each span counts for
/// @notice docs/spec.md "Words" and "span-v1", as far as it goes without the contents. Roots and proofs of contents are in
/// ContentTree.sol, committed answers in AnswerBatch.sol, what is paid in Settlement.sol.
library SpanRule {
    /// A span lies within one window of the output: window k begins at k times this.
    uint256 internal constant WINDOW_BYTES = 1024;
    uint256 internal constant MAX_SPANS = 64;

    /// Bit b is set for the bytes of words: 0-9 A-Z a-z _ '
    uint256 private constant WORD_BYTES = 0x07fffffe87fffffe03ff008000000000;

    /// In the order in which the precompile looks for them.
    enum FaultKind { None, TooMany, TooShort, OutOfOutput, AcrossWindows, NotRising, NotAtWord }

    struct Fault {
        FaultKind kind;
        uint256 index; // of the span; of TooMany the number of spans
        uint256 position; // of NotAtWord: in the output
    }

    function isWordByte(bytes1 b) internal pure returns (bool) {
        return (WORD_BYTES >> uint8(b)) & 1 == 1;
    }

    /// @notice Whether a span may begin or end at position `p`: a window's edge, or neither inside a word nor inside a
    /// UTF-8 character. False outside 0 to output.length.
    function isBoundary(bytes calldata output, uint256 p) internal pure returns (bool) {
        if (p >= output.length) return p == output.length;
        if (p % WINDOW_BYTES == 0) return true;
        bytes1 b = output[p];
        if (b & 0xc0 == 0x80) return false;
        return !isWordByte(b) || !isWordByte(output[p - 1]);
    }

    /// @notice First fault of a list whose output is known: a public audience.
    function findFault(IAttribution.Span[] calldata spans, uint256 minSpanBytes, bytes calldata output) internal pure returns (Fault memory) {
        return _findFault(spans, minSpanBytes, output.length, output, true);
    }

    /// @notice First fault of a list of which only the output's length is known: a private audience. Word boundaries are
    /// not looked at.
    function findFault(IAttribution.Span[] calldata spans, uint256 minSpanBytes, uint256 outputBytes) internal pure returns (Fault memory) {
        return _findFault(spans, minSpanBytes, outputBytes, msg.data[0:0], false);
    }

    function _findFault(
        IAttribution.Span[] calldata spans,
        uint256 minSpanBytes,
        uint256 outputBytes,
        bytes calldata output,
        bool isKnown
    ) private pure returns (Fault memory) {
        if (spans.length > MAX_SPANS) return Fault(FaultKind.TooMany, spans.length, 0);
        uint256 previousStart = 0;
        uint256 previousEnd = 0;
        for (uint256 i = 0; i < spans.length; i++) {
            uint256 start = spans[i].outputStart;
            uint256 length = spans[i].length;
            uint256 end = start + length;
            if (length < minSpanBytes || length == 0) return Fault(FaultKind.TooShort, i, 0);
            if (end > outputBytes) return Fault(FaultKind.OutOfOutput, i, 0);
            if (start / WINDOW_BYTES != (end - 1) / WINDOW_BYTES) return Fault(FaultKind.AcrossWindows, i, 0);
            if (i > 0 && (start <= previousStart || end <= previousEnd)) return Fault(FaultKind.NotRising, i, 0);
            if (isKnown) {
                if (!isBoundary(output, start)) return Fault(FaultKind.NotAtWord, i, start);
                if (!isBoundary(output, end)) return Fault(FaultKind.NotAtWord, i, end);
            }
            previousStart = start;
            previousEnd = end;
        }
        return Fault(FaultKind.None, 0, 0);
    }

    /// @notice What each span weighs: the bytes that it owns. A byte that several spans cover belongs to the one of the
    /// lowest contribution, of equal ones to the first. The weights sum to coveredBytes.
    /// @dev Precondition: no fault. Linear: the spans that cover a byte are a window of the list that only moves to the
    /// right, and `queue` holds those of them that may still own something, the owner first.
    function weights(IAttribution.Span[] calldata spans) internal pure returns (uint256[] memory owned) {
        owned = new uint256[](spans.length);
        uint256[] memory queue = new uint256[](spans.length);
        uint256 head = 0;
        uint256 tail = 0;
        uint256 position = 0;
        uint256 begun = 0;
        for (uint256 ended = 0; ended < spans.length; ) {
            uint256 end = _end(spans[ended]);
            bool begins = begun < spans.length && spans[begun].outputStart < end;
            uint256 edge = begins ? spans[begun].outputStart : end;
            if (head < tail) owned[queue[head]] += edge - position;
            position = edge;
            if (begins) {
                uint64 contribution = spans[begun].contribution;
                while (head < tail && spans[queue[tail - 1]].contribution > contribution) tail--;
                queue[tail++] = begun++;
            } else {
                if (head < tail && queue[head] == ended) head++;
                ended++;
            }
        }
    }

    /// @notice Size of the union of the spans' ranges. Precondition: no fault.
    function coveredBytes(IAttribution.Span[] calldata spans) internal pure returns (uint256 covered) {
        uint256 previousEnd = 0;
        for (uint256 i = 0; i < spans.length; i++) {
            uint256 start = spans[i].outputStart;
            uint256 end = _end(spans[i]);
            covered += end - (start > previousEnd ? start : previousEnd);
            previousEnd = end;
        }
    }

    /// @notice keccak256(abi.encode(spans)): what a signed answer commits to.
    /// @dev Calldata hold a span in the same four words as abi.encode. Bits beyond a field's width would make it another
    /// hash than any of valid spans.
    function spansHash(IAttribution.Span[] calldata spans) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let at := mload(0x40)
            let size := mul(spans.length, 0x80)
            mstore(at, 0x20)
            mstore(add(at, 0x20), spans.length)
            calldatacopy(add(at, 0x40), spans.offset, size)
            hash := keccak256(at, add(size, 0x40))
        }
    }

    function _end(IAttribution.Span calldata span) private pure returns (uint256) {
        return uint256(span.outputStart) + span.length;
    }
}
