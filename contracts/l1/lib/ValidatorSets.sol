// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Bls} from "./Bls.sol";

/// Where the bytes of a validator set lie, and what is often asked of them.
struct StoredSet {
    // One slot.
    uint16 count; // 0: there is no such set
    uint136 totalStake; // wei of OPEN
    address[2] parts; // zero where there is none
}

/// @title Validator sets as code
/// @notice A set is its validators one after another, each address (20 bytes) ‖ stake as uint128 (16) ‖ public key (96,
/// an uncompressed point of BLS12-381's G1). Its hash is keccak256 of that. This is the encoding of the L2's ValidatorSet
/// predeploy and of the signed messages; the place of a validator is the index of its signatures.
///
/// The bytes lie in the code of accounts that are made with CREATE2 and salt 0: 0x00 (STOP) and then up to 186 whole
/// validators, so that the largest set takes two.
library ValidatorSets {
    uint256 internal constant MAX_VALIDATORS = 256;
    uint256 internal constant VALIDATOR_BYTES = 132;
    uint256 private constant VALIDATORS_A_PART = 186;
    uint256 private constant KEY_OFFSET = 36;

    /// Not ceil(validators / 8) bytes, or with a bit where there is no validator.
    error InvalidBitmap();
    error PartNotCreated();

    /// Precondition: at least one whole validator, at most MAX_VALIDATORS.
    function store(bytes memory encoded, uint256 totalStake) internal returns (StoredSet memory stored) {
        uint256 split = VALIDATORS_A_PART * VALIDATOR_BYTES;
        stored.count = uint16(encoded.length / VALIDATOR_BYTES);
        stored.totalStake = uint136(totalStake); // 256 stakes below 2^128
        stored.parts[0] = _store(encoded, 0, encoded.length < split ? encoded.length : split);
        if (encoded.length > split) stored.parts[1] = _store(encoded, split, encoded.length - split);
    }

    function load(StoredSet memory stored) internal view returns (bytes memory encoded) {
        uint256 length = stored.count * VALIDATOR_BYTES;
        uint256 split = VALIDATORS_A_PART * VALIDATOR_BYTES;
        uint256 first = length < split ? length : split;
        (address one, address two) = (stored.parts[0], stored.parts[1]);
        encoded = new bytes(length);
        assembly ("memory-safe") {
            extcodecopy(one, add(encoded, 32), 1, first)
            if lt(first, length) { extcodecopy(two, add(add(encoded, 32), first), 1, sub(length, first)) }
        }
    }

    /// The key of validator `i`, 96 bytes. Precondition: i < count.
    function keyOf(StoredSet memory stored, uint256 i) internal view returns (bytes memory key) {
        address part = stored.parts[i / VALIDATORS_A_PART];
        uint256 offset = 1 + (i % VALIDATORS_A_PART) * VALIDATOR_BYTES + KEY_OFFSET;
        key = new bytes(Bls.KEY_BYTES);
        assembly ("memory-safe") {
            extcodecopy(part, add(key, 32), offset, 96)
        }
    }

    /// Who signed: bit i of the bitmap (byte i >> 3, bit i & 7, the lowest first) is validator i. Gives their stake
    /// together, wei, and the sum of their keys, a G1 point as in Bls.sol: infinity for none.
    function aggregate(bytes memory encoded, bytes calldata bitmap)
        internal
        view
        returns (uint256 stake, bytes memory key)
    {
        uint256 count = encoded.length / VALIDATOR_BYTES;
        if (bitmap.length != (count + 7) / 8) revert InvalidBitmap();
        uint256 spare = bitmap.length * 8 - count;
        if (spare > 0 && uint8(bitmap[bitmap.length - 1]) >> (8 - spare) != 0) revert InvalidBitmap();
        // The sum and, after it, the next key with the zeros that the precompile wants: one input of two points, whose
        // first half the output goes into.
        key = new bytes(256);
        address add_ = Bls.G1ADD;
        bool ok = true;
        // In assembly, because this is what an output costs more for each validator.
        assembly ("memory-safe") {
            let points := add(key, 32)
            let record := add(encoded, 32)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                if and(shr(and(i, 7), byte(0, calldataload(add(bitmap.offset, shr(3, i))))), 1) {
                    stake := add(stake, shr(128, mload(add(record, 20))))
                    mcopy(add(points, 144), add(record, KEY_OFFSET), 48)
                    mcopy(add(points, 208), add(record, 84), 48)
                    ok := and(ok, staticcall(gas(), add_, points, 256, points, 128))
                }
                record := add(record, VALIDATOR_BYTES)
            }
            mstore(key, 128)
        }
        if (!ok) revert Bls.PrecompileFailed(add_);
    }

    /// Writes a validator's bytes at `at`. Precondition: there is room.
    function write(bytes memory encoded, uint256 at, address account, uint128 stake, bytes32[3] memory key)
        internal
        pure
    {
        assembly ("memory-safe") {
            let record := add(add(encoded, 32), at)
            // Each word is overwritten where the next one begins.
            mstore(record, shl(96, account))
            mstore(add(record, 20), shl(128, stake))
            mcopy(add(record, 36), key, 96)
        }
    }

    /// The stake of the validator whose bytes begin at `at`. Precondition: there is one.
    function stakeAt(bytes memory encoded, uint256 at) internal pure returns (uint128 stake) {
        assembly ("memory-safe") {
            stake := shr(128, mload(add(add(encoded, 52), at)))
        }
    }

    /// keccak256 of the key of the validator whose bytes begin at `at`. Precondition: there is one.
    function keyHashAt(bytes memory encoded, uint256 at) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(add(add(encoded, 68), at), 96)
        }
    }

    /// The account whose code is 0x00 and then these bytes; created unless an earlier set had the same part.
    function _store(bytes memory encoded, uint256 from, uint256 length) private returns (address part) {
        // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN; then the code.
        bytes memory init = abi.encodePacked(hex"61", uint16(length + 1), hex"80600a3d393df300", new bytes(length));
        assembly ("memory-safe") {
            mcopy(add(init, 43), add(add(encoded, 32), from), length)
        }
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(init)));
        part = address(uint160(uint256(hash)));
        if (part.code.length > 0) return part;
        address created;
        assembly ("memory-safe") {
            created := create2(0, add(init, 32), mload(init), 0)
        }
        if (created != part) revert PartNotCreated();
    }
}
