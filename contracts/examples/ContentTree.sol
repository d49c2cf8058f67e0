// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {IAttribution} from "../../precompiles/interfaces/IAttribution.sol";

/// @title The content tree: one hash for a byte string, and proofs of its parts
/// @notice docs/spec.md "Content tree". Outputs and contributions are known on chain by these roots; with them a contract
/// can tell whether bytes that somebody brings are theirs.
library ContentTree {
    uint256 internal constant CHUNK_BYTES = 256;

    /// Only a non-empty byte string has a root.
    error EmptyContent();

    /// @notice Content root of bytes that are known whole.
    function root(bytes calldata content) internal pure returns (bytes32) {
        if (content.length == 0) revert EmptyContent();
        bytes32[] calldata none;
        assembly ("memory-safe") {
            none.offset := 0
            none.length := 0
        }
        return rangeRoot(uint64(content.length), 0, content, none);
    }

    /// @notice Whether the chunks are those of the content of `length` bytes under `contentRoot`. Any input has an answer.
    function isProven(bytes32 contentRoot, uint64 length, IAttribution.Chunks calldata chunks) internal pure returns (bool) {
        bytes32 computed = rangeRoot(length, chunks.first, chunks.data, chunks.siblings);
        return computed != 0 && computed == contentRoot;
    }

    /// @notice Content root that consecutive chunks lead to.
    /// @param length bytes of the whole content
    /// @param first chunk that `data` begins with
    /// @param data whole chunks of 256 bytes; the content's last one is as long as it is
    /// @param siblings lowest level first, left before right; a node that moves up unpaired has none
    /// @return zero when this is no range of a content of that length
    function rangeRoot(uint64 length, uint64 first, bytes calldata data, bytes32[] calldata siblings) internal pure returns (bytes32) {
        uint256 end = uint256(first) * CHUNK_BYTES + data.length;
        if (data.length == 0 || end > length) return 0;
        if (end < length && data.length % CHUNK_BYTES != 0) return 0;

        // Known nodes of a level are those from `a` on; each level is written over the one below.
        bytes32[] memory nodes = _leaves(data);
        uint256 known = nodes.length;
        uint256 a = first;
        uint256 used = 0;
        for (uint256 width = _chunks(length); width > 1; width = (width + 1) / 2) {
            uint256 b = a + known - 1;
            uint256 from = 0;
            uint256 to = 0;
            if (a % 2 == 1) {
                if (used == siblings.length) return 0;
                nodes[to++] = node(siblings[used++], nodes[from++]);
            }
            for (; from + 1 < known; from += 2) nodes[to++] = node(nodes[from], nodes[from + 1]);
            if (from < known) {
                if (b + 1 == width) {
                    nodes[to++] = nodes[from];
                } else {
                    if (used == siblings.length) return 0;
                    nodes[to++] = node(nodes[from], siblings[used++]);
                }
            }
            known = to;
            a /= 2;
        }
        return used == siblings.length ? seal(length, nodes[0]) : bytes32(0);
    }

    /// @notice Content root of a tree root: what a private output's commitment brings instead of its bytes.
    function seal(uint64 length, bytes32 treeRoot) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x02), length, treeRoot));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore8(at, 0x01)
            mstore(add(at, 1), left)
            mstore(add(at, 33), right)
            hash := keccak256(at, 65)
        }
    }

    function _chunks(uint256 length) private pure returns (uint256) {
        return (length + CHUNK_BYTES - 1) / CHUNK_BYTES;
    }

    function _leaves(bytes calldata data) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](_chunks(data.length));
        for (uint256 i = 0; i < nodes.length; i++) {
            uint256 start = i * CHUNK_BYTES;
            uint256 size = data.length - start < CHUNK_BYTES ? data.length - start : CHUNK_BYTES;
            bytes32 hash;
            assembly ("memory-safe") {
                let at := mload(0x40)
                mstore8(at, 0x00)
                calldatacopy(add(at, 1), add(data.offset, start), size)
                hash := keccak256(at, add(size, 1))
            }
            nodes[i] = hash;
        }
    }
}
