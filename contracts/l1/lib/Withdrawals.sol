// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

/// What L2ToL1MessagePasser's event MessagePassed says.
struct WithdrawalTransaction {
    uint256 nonce;
    address sender;
    address target;
    uint256 value; // wei of OPEN
    uint256 gasLimit;
    bytes data;
}

/// The parts of an output root of version 0.
struct OutputRootProof {
    bytes32 version;
    bytes32 stateRoot;
    bytes32 messagePasserStorageRoot;
    bytes32 latestBlockhash;
}

/// @title Hashes and proofs of withdrawals
/// @notice OP Stack, specs/protocol/withdrawals.md and specs/protocol/proposals.md.
library Withdrawals {
    function hash(WithdrawalTransaction calldata withdrawal) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    withdrawal.nonce,
                    withdrawal.sender,
                    withdrawal.target,
                    withdrawal.value,
                    withdrawal.gasLimit,
                    withdrawal.data
                )
            );
    }

    function outputRoot(OutputRootProof calldata proof) internal pure returns (bytes32) {
        return keccak256(abi.encode(proof));
    }

    /// `storageRoot` is the message passer's, whose mapping `sentMessages` lies at slot 0. Reverts, or gives false, for
    /// a proof that is none.
    function isIncluded(bytes32 withdrawal, bytes32 storageRoot, bytes[] calldata proof) internal pure returns (bool) {
        bytes32 slot = keccak256(abi.encode(withdrawal, uint256(0)));
        // A trie's keys are hashed; true is RLP's 0x01.
        return TrieProof.verify(hex"01", storageRoot, abi.encode(keccak256(abi.encode(slot))), proof);
    }
}
