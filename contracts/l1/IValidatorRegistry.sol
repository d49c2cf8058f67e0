// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {StoredSet} from "./lib/ValidatorSets.sol";

/// What the output oracle needs of the validator registry.
interface IValidatorRegistry {
    /// `count` is 0 when no snapshot has this hash.
    function setOf(bytes32 setHash) external view returns (StoredSet memory);

    /// The least number from `atLeast` on of a snapshot with this hash, if there is one.
    function numberOf(bytes32 setHash, uint64 atLeast) external view returns (bool exists, uint64 number);
}
