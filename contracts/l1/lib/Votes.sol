// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Bls} from "./Bls.sol";
import {StoredSet, ValidatorSets} from "./ValidatorSets.sol";

/// Signatures of more than two thirds of an epoch's stake that a block is final.
struct Certificate {
    uint64 epoch;
    uint64 viewNumber;
    uint64 parentView; // where the parent was notarized
    bytes bitmap; // who signed: bit i & 7 of byte i >> 3 is validator i
    bytes signature; // their sum, 256 bytes, a G2 point as in Bls.sol
}

/// What a validator signs in consensus.
struct Subject {
    uint8 kind; // NOTARIZE, NULLIFY or FINALIZE
    uint64 epoch;
    uint64 viewNumber;
    uint64 parentView; // 0 when it nullifies
    bytes32 block; // 0 when it nullifies
}

/// @title Votes of the L2's consensus
library Votes {
    uint8 internal constant NOTARIZE = 1;
    uint8 internal constant NULLIFY = 2;
    uint8 internal constant FINALIZE = 3;

    bytes32 private constant DOMAIN = keccak256("OpenLedger vote v1");

    error ViewOutsideEpoch(uint64 viewNumber, uint64 epoch);
    /// More than two thirds of the stake must sign.
    error NoQuorum(uint256 stake, uint256 totalStake);

    /// What is signed. `chainId` is the L2's, `oracle` the contract that accepts certificates: no vote of one network is
    /// valid in another.
    function digest(uint256 chainId, address oracle, bytes32 setHash, Subject memory subject)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                DOMAIN,
                chainId,
                oracle,
                subject.epoch,
                setHash,
                subject.kind,
                subject.viewNumber,
                subject.parentView,
                subject.block
            )
        );
    }

    /// Epoch e owns the views from e · 2^32 on: the first is that of what it stands on, and votes are of later ones.
    function requireView(uint64 epoch, uint64 viewNumber, uint64 parentView) internal pure {
        if (viewNumber >> 32 != epoch || parentView >> 32 != epoch || parentView >= viewNumber) {
            revert ViewOutsideEpoch(viewNumber, epoch);
        }
    }

    /// Reverts unless the certificate shows that `block_` is final. Precondition: `stored` is the set of its epoch, and
    /// `setHash` its hash.
    function requireFinal(
        uint256 chainId,
        address oracle,
        bytes32 setHash,
        StoredSet memory stored,
        bytes32 block_,
        Certificate calldata certificate
    ) internal view {
        requireView(certificate.epoch, certificate.viewNumber, certificate.parentView);
        bytes memory encoded = ValidatorSets.load(stored);
        (uint256 stake, bytes memory key) = ValidatorSets.aggregate(encoded, certificate.bitmap);
        if (3 * stake <= 2 * uint256(stored.totalStake)) revert NoQuorum(stake, stored.totalStake);
        Subject memory subject =
            Subject(FINALIZE, certificate.epoch, certificate.viewNumber, certificate.parentView, block_);
        bytes32 message = digest(chainId, oracle, setHash, subject);
        Bls.requireSignature(key, message, certificate.signature);
    }

    /// Whether no honest validator signs both. Giving up a view after having notarized a block in it is honest; giving it
    /// up and finalizing a block in it is not.
    function areConflicting(Subject memory a, Subject memory b) internal pure returns (bool) {
        if (a.epoch != b.epoch || a.viewNumber != b.viewNumber) return false;
        if (a.kind > b.kind) return areConflicting(b, a);
        bool isSame = a.parentView == b.parentView && a.block == b.block;
        if (a.kind == b.kind) return !isSame;
        return b.kind == FINALIZE && (a.kind == NULLIFY || !isSame);
    }

    /// Of its kind, and of its epoch's views.
    function isWellFormed(Subject memory subject) internal pure returns (bool) {
        if (subject.kind < NOTARIZE || subject.kind > FINALIZE || subject.viewNumber >> 32 != subject.epoch) return false;
        return subject.kind != NULLIFY || (subject.parentView == 0 && subject.block == 0);
    }
}
