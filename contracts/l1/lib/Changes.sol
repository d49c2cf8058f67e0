// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ValidatorSets} from "./ValidatorSets.sol";

/// What the registry knows of a validator.
struct Member {
    // One slot.
    address account;
    uint64 outSince; // 1 + number of the snapshot from which on no set has it; 0 while one may
    bool isLeaving; // for good
    bool isSlashed;
    bool isGone; // its stake has left
    uint128 stake; // wei
    bytes32[3] key; // 96 bytes
}

/// @title From the validator set that is, to the one that is wanted
/// @notice Lists of weights (wei) are along the registry's list of validators, which is in the order of registration and
/// has all whom any set that may still come has.
library Changes {
    /// The sum of changes is at most one part in so many of the stake that is.
    uint256 private constant SHARE = 3;

    /// A set without validators could never be followed by another.
    error NobodyLeft();

    function stakes(mapping(bytes32 => Member) storage members, bytes32[] storage order)
        internal
        view
        returns (uint256[] memory weights)
    {
        weights = new uint256[](order.length);
        for (uint256 i = 0; i < weights.length; i++) weights[i] = members[order[i]].stake;
    }

    /// The weights that follow those of `base`, an encoded set.
    function bounded(mapping(bytes32 => Member) storage members, bytes32[] storage order, bytes memory base)
        internal
        view
        returns (uint256[] memory weights)
    {
        uint256 budget;
        (weights, budget) = _weightsIn(order, base);
        budget /= SHARE;
        uint256[] memory wanted = new uint256[](weights.length);
        for (uint256 i = 0; i < weights.length; i++) {
            Member storage member = members[order[i]];
            if (member.isSlashed) {
                budget -= weights[i] < budget ? weights[i] : budget;
                weights[i] = 0;
            }
            if (!member.isLeaving) wanted[i] = member.stake;
        }
        for (uint256 i = 0; i < weights.length; i++) {
            if (wanted[i] >= weights[i]) continue;
            uint256 step = weights[i] - wanted[i];
            if (step > budget) step = budget;
            weights[i] -= step;
            budget -= step;
        }
        for (uint256 i = 0; i < weights.length; i++) {
            if (wanted[i] <= weights[i]) continue;
            uint256 step = wanted[i] - weights[i];
            if (step > budget) step = budget;
            weights[i] += step;
            budget -= step;
        }
    }

    /// The set of those with a weight, and its stake. At least one must have some.
    function encode(mapping(bytes32 => Member) storage members, bytes32[] storage order, uint256[] memory weights)
        internal
        view
        returns (bytes memory encoded, uint256 total)
    {
        encoded = new bytes(weights.length * ValidatorSets.VALIDATOR_BYTES);
        uint256 at = 0;
        for (uint256 i = 0; i < weights.length; i++) {
            if (weights[i] == 0) continue;
            Member storage member = members[order[i]];
            ValidatorSets.write(encoded, at, member.account, uint128(weights[i]), member.key);
            at += ValidatorSets.VALIDATOR_BYTES;
            total += weights[i];
        }
        if (at == 0) revert NobodyLeft();
        assembly ("memory-safe") {
            mstore(encoded, at)
        }
    }

    /// Who leaves and has no weight in snapshot `number` is out from then on, unless a later one has it again: when an
    /// epoch's set is not known yet, the changes of the one before it are counted anew.
    function noteWhoIsOut(
        mapping(bytes32 => Member) storage members,
        bytes32[] storage order,
        uint256[] memory weights,
        uint64 number
    ) internal {
        for (uint256 i = 0; i < weights.length; i++) {
            Member storage member = members[order[i]];
            if (weights[i] > 0) {
                if (member.outSince != 0) member.outSince = 0;
            } else if (member.isLeaving && member.outSince == 0) {
                member.outSince = number + 1;
            }
        }
    }

    /// What those in the list weigh in `base`, and its stake.
    function _weightsIn(bytes32[] storage order, bytes memory base)
        private
        view
        returns (uint256[] memory weights, uint256 total)
    {
        weights = new uint256[](order.length);
        uint256 at = 0;
        for (uint256 i = 0; i < weights.length && at < base.length; i++) {
            if (ValidatorSets.keyHashAt(base, at) != order[i]) continue;
            weights[i] = ValidatorSets.stakeAt(base, at);
            total += weights[i];
            at += ValidatorSets.VALIDATOR_BYTES;
        }
        assert(at == base.length);
    }
}
