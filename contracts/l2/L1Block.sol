// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title What L2 knows of L1
/// @notice Predeploy at 0x4200000000000000000000000000000000000015: the L1 origin of the block, written by its first
/// transaction. Layout and interface are those of OP's L1Block since Isthmus; the node reads the slots directly. Genesis
/// writes the origin of block 0, and the token.
///
///   slot 0   timestamp u64 ‖ number u64, the last in the lowest bytes
///   slot 1   basefee                    slot 2   hash
///   slot 3   baseFeeScalar u32 ‖ blobBaseFeeScalar u32 ‖ sequenceNumber u64
///   slot 4   batcherHash                slots 5, 6   not used
///   slot 7   blobBaseFee                slot 8   operatorFeeScalar u32 ‖ operatorFeeConstant u64
contract L1Block {
    uint64 public number;
    /// Seconds.
    uint64 public timestamp;
    /// Wei.
    uint256 public basefee;
    bytes32 public hash;
    /// How many L2 blocks before this one have the same origin.
    uint64 public sequenceNumber;
    uint32 public blobBaseFeeScalar;
    uint32 public baseFeeScalar;
    bytes32 public batcherHash;
    uint256[2] private _unused;
    /// Wei.
    uint256 public blobBaseFee;
    uint64 public operatorFeeConstant;
    uint32 public operatorFeeScalar;

    string public constant version = "1.6.0";

    address public constant DEPOSITOR_ACCOUNT = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;

    /// decimals u8 ‖ address of OPEN on L1.
    bytes32 private constant GAS_PAYING_TOKEN_SLOT = bytes32(uint256(keccak256("opstack.gaspayingtoken")) - 1);

    error NotDepositor();
    error InvalidLength(uint256 length);

    /// Calldata is packed, 176 bytes with the selector: baseFeeScalar u32 ‖ blobBaseFeeScalar u32 ‖ sequenceNumber u64 ‖
    /// timestamp u64 ‖ number u64 ‖ basefee u256 ‖ blobBaseFee u256 ‖ hash ‖ batcherHash ‖ operatorFeeScalar u32 ‖
    /// operatorFeeConstant u64.
    function setL1BlockValuesIsthmus() external {
        if (msg.sender != DEPOSITOR_ACCOUNT) revert NotDepositor();
        if (msg.data.length != 176) revert InvalidLength(msg.data.length);
        assembly ("memory-safe") {
            sstore(number.slot, shr(128, calldataload(20)))
            sstore(basefee.slot, calldataload(36))
            sstore(hash.slot, calldataload(100))
            sstore(sequenceNumber.slot, shr(128, calldataload(4)))
            sstore(batcherHash.slot, calldataload(132))
            sstore(blobBaseFee.slot, calldataload(68))
            sstore(operatorFeeConstant.slot, shr(160, calldataload(164)))
        }
    }

    /// OPEN on L1: L2's own coin.
    function gasPayingToken() external view returns (address token, uint8 decimals) {
        bytes32 slot = GAS_PAYING_TOKEN_SLOT;
        uint256 word;
        assembly ("memory-safe") {
            word := sload(slot)
        }
        return (address(uint160(word)), uint8(word >> 160));
    }

    function gasPayingTokenName() external pure returns (string memory) {
        return "OpenLedger";
    }

    function gasPayingTokenSymbol() external pure returns (string memory) {
        return "OPEN";
    }

    function isCustomGasToken() external pure returns (bool) {
        return true;
    }
}
