// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {L1Block} from "./L1Block.sol";

/// @title What a transaction costs beside L2 gas
/// @notice Predeploy at 0x420000000000000000000000000000000000000F, with the interface of OP's. The L1 data fee follows
/// Ecotone's formula:
///
///   fee = calldataGas · (16 · l1BaseFee · baseFeeScalar + blobBaseFee · blobBaseFeeScalar) / (16 · 10^6)
///
/// where calldataGas is 4 for a zero byte and 16 for another, over the signed transaction. Wallets ask before they sign:
/// the functions take the transaction without its signature and add 68 bytes for that.
contract GasPriceOracle {
    L1Block private constant L1_BLOCK = L1Block(0x4200000000000000000000000000000000000015);
    uint256 private constant SIGNATURE_BYTES = 68;

    uint256 public constant DECIMALS = 6;
    string public constant version = "1.3.1";
    bool public constant isEcotone = true;
    /// No formula of Fjord's: a fee that follows from the bytes alone can be checked with pencil and paper.
    bool public constant isFjord = false;

    /// Wei of OPEN.
    function getL1Fee(bytes memory _data) external view returns (uint256) {
        uint256 scaled = 16 * l1BaseFee() * baseFeeScalar() + blobBaseFee() * blobBaseFeeScalar();
        return (getL1GasUsed(_data) * scaled) / (16 * 10 ** DECIMALS);
    }

    function getL1GasUsed(bytes memory _data) public pure returns (uint256 gas) {
        gas = SIGNATURE_BYTES * 16;
        for (uint256 i = 0; i < _data.length; i++) gas += _data[i] == 0 ? 4 : 16;
    }

    /// Wei of OPEN; as Isthmus has it.
    function getOperatorFee(uint256 _gasUsed) external view returns (uint256) {
        return (_gasUsed * L1_BLOCK.operatorFeeScalar()) / 10 ** DECIMALS + L1_BLOCK.operatorFeeConstant();
    }

    function gasPrice() external view returns (uint256) {
        return block.basefee;
    }

    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    function l1BaseFee() public view returns (uint256) {
        return L1_BLOCK.basefee();
    }

    function blobBaseFee() public view returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    function baseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    function blobBaseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    function decimals() external pure returns (uint256) {
        return DECIMALS;
    }
}
