// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// What outputs and epochs need of an L2 block's header.
struct L2Header {
    bytes32 hash;
    bytes32 parentHash;
    bytes32 stateRoot;
    bytes32 withdrawalsRoot; // storage root of the message passer
    uint64 number;
    bytes32 extraData; // 0 unless it has 32 bytes
}

/// @title Headers of L2 blocks
/// @notice Ethereum's 21 fields since Prague, in canonical RLP and with nothing after them.
library L2Headers {
    /// The bytes are not the canonical RLP of 21 fields of the right sizes, or there are more of them.
    error InvalidHeader();

    /// A cursor that runs past the end reads what follows in calldata, and is caught by the comparison at the end: it
    /// only ever moves forward.
    function parse(bytes calldata header) internal pure returns (L2Header memory parsed) {
        // A list whose length takes two bytes: the fields of fixed size alone are more than 255 and the largest header
        // is below 1 KiB.
        if (header.length < 259 || uint256(_word(header, 0)) >> 232 != (0xf9 << 16) + header.length - 3) {
            revert InvalidHeader();
        }
        uint256 at = 3;
        (parsed.parentHash, at) = _hash(header, at);
        (, at) = _hash(header, at); // uncleHash
        at = _skip(header, at, 0x94, 20); // coinbase
        (parsed.stateRoot, at) = _hash(header, at);
        (, at) = _hash(header, at); // transactionsRoot
        (, at) = _hash(header, at); // receiptsRoot
        // logsBloom: a string whose length takes two bytes
        if (uint256(_word(header, at)) >> 232 != 0xb90100) revert InvalidHeader();
        at += 3 + 256;
        (, at) = _integer(header, at, 32); // difficulty
        uint256 number;
        (number, at) = _integer(header, at, 8);
        parsed.number = uint64(number);
        (, at) = _integer(header, at, 8); // gasLimit
        (, at) = _integer(header, at, 8); // gasUsed
        (, at) = _integer(header, at, 8); // timestamp
        (parsed.extraData, at) = _extraData(header, at);
        (, at) = _hash(header, at); // prevRandao
        at = _skip(header, at, 0x88, 8); // nonce
        (, at) = _integer(header, at, 32); // baseFeePerGas
        (parsed.withdrawalsRoot, at) = _hash(header, at);
        (, at) = _integer(header, at, 8); // blobGasUsed
        (, at) = _integer(header, at, 8); // excessBlobGas
        (, at) = _hash(header, at); // parentBeaconBlockRoot
        (, at) = _hash(header, at); // requestsHash
        if (at != header.length) revert InvalidHeader();
        parsed.hash = keccak256(header);
    }

    function _hash(bytes calldata header, uint256 at) private pure returns (bytes32 value, uint256 next) {
        next = _skip(header, at, 0xa0, 32);
        value = _word(header, at + 1);
    }

    /// A field of `length` bytes, whose prefix is known.
    function _skip(bytes calldata header, uint256 at, uint256 prefix, uint256 length) private pure returns (uint256) {
        if (_byte(header, at) != prefix) revert InvalidHeader();
        return at + 1 + length;
    }

    /// Big-endian, without leading zeros, of at most `maximum` bytes.
    function _integer(bytes calldata header, uint256 at, uint256 maximum)
        private
        pure
        returns (uint256 value, uint256 next)
    {
        uint256 prefix = _byte(header, at);
        if (prefix < 0x80) {
            // Zero is the empty string.
            if (prefix == 0) revert InvalidHeader();
            return (prefix, at + 1);
        }
        uint256 length = prefix - 0x80;
        if (length > maximum) revert InvalidHeader();
        if (length == 0) return (0, at + 1);
        value = uint256(_word(header, at + 1)) >> (256 - 8 * length);
        // Neither a leading zero nor a prefix for a byte that is its own encoding.
        if (value >> (8 * (length - 1)) == 0 || value < 0x80) revert InvalidHeader();
        next = at + 1 + length;
    }

    /// Up to 32 bytes of any kind.
    function _extraData(bytes calldata header, uint256 at) private pure returns (bytes32 value, uint256 next) {
        uint256 prefix = _byte(header, at);
        if (prefix < 0x80) return (0, at + 1);
        if (prefix > 0xa0) revert InvalidHeader();
        uint256 length = prefix - 0x80;
        if (length == 1 && _byte(header, at + 1) < 0x80) revert InvalidHeader();
        if (length == 32) value = _word(header, at + 1);
        next = at + 1 + length;
    }

    function _byte(bytes calldata header, uint256 at) private pure returns (uint256) {
        return uint256(_word(header, at)) >> 248;
    }

    /// The 32 bytes from `at` on.
    function _word(bytes calldata header, uint256 at) private pure returns (bytes32 word) {
        assembly {
            word := calldataload(add(header.offset, at))
        }
    }
}
