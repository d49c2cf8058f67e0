// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Bls} from "contracts/l1/lib/Bls.sol";
import {L2Header, L2Headers} from "contracts/l1/lib/L2Headers.sol";
import {StoredSet, ValidatorSets} from "contracts/l1/lib/ValidatorSets.sol";
import {Subject, Votes} from "contracts/l1/lib/Votes.sol";

/// Makes the L1 contracts' libraries callable from tests.
contract L1Libraries {
    function hashToG2(bytes32 message) external view returns (bytes memory) {
        return Bls.hashToG2(message);
    }

    function point(bytes calldata key) external pure returns (bytes memory) {
        return Bls.point(key);
    }

    /// Sum of those keys of an encoded set that the bitmap names, and their stake.
    function sum(bytes calldata encoded, bytes calldata bitmap) external view returns (uint256 stake, bytes memory key) {
        return ValidatorSets.aggregate(encoded, bitmap);
    }

    function requireSignature(bytes calldata key, bytes32 message, bytes calldata signature) external view {
        Bls.requireSignature(key, message, signature);
    }

    function parse(bytes calldata header) external pure returns (L2Header memory) {
        return L2Headers.parse(header);
    }

    function digest(uint256 chainId, address oracle, bytes32 setHash, Subject calldata subject)
        external
        pure
        returns (bytes32)
    {
        return Votes.digest(chainId, oracle, setHash, subject);
    }

    function areConflicting(Subject calldata a, Subject calldata b) external pure returns (bool) {
        return Votes.areConflicting(a, b);
    }

    /// Stores a set as code and gives what reads back.
    function stored(bytes calldata encoded, uint256 signer)
        external
        returns (StoredSet memory set, bytes memory loaded, bytes memory key)
    {
        set = ValidatorSets.store(encoded, 1);
        return (set, ValidatorSets.load(set), ValidatorSets.keyOf(set, signer));
    }
}
