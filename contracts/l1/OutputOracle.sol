// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IValidatorRegistry} from "./IValidatorRegistry.sol";
import {L2Header, L2Headers} from "./lib/L2Headers.sol";
import {StoredSet} from "./lib/ValidatorSets.sol";
import {Certificate, Votes} from "./lib/Votes.sol";

interface IRecords {
    function recordedAt(bytes32 blockHash) external view returns (uint256);
}

interface IGuarded {
    function guardian() external view returns (address);
}

/// @title What L1 knows of L2
/// @notice Keeps outputs: what the state of L2 was at a block. An output is accepted only of a block that validators with
/// more than two thirds of the epoch's stake have finalized, when a batch with that block was posted. It is final when
/// the finalization period is over; until then the guardian can delete it.
///
/// What it reads like is OP's L2OutputOracle 1.8.0, so that tools for that work here.
///
/// Epoch e is the blocks from e · epochBlocks on. Its validator set is known here once the last block of the epoch before
/// is an output: that header's extra data is the hash of the set, which must be of a snapshot that the registry made,
/// and none older than that of the epoch before. So a set whose epoch is over can have nothing accepted any more.
contract OutputOracle is Initializable {
    struct Settings {
        IValidatorRegistry registry;
        IRecords inbox;
        IGuarded systemConfig; // names the guardian
        uint256 chainId; // of L2
        uint64 epochBlocks;
        uint256 submissionInterval; // blocks of L2 between outputs, at the least
        uint256 l2BlockTime; // seconds, what is aimed at
        uint256 finalizationPeriod; // seconds
    }

    struct Proposal {
        bytes[] headers; // RLP: the output's block, each the parent of the next, and last the certified one
        Certificate certificate;
    }

    struct OutputProposal {
        bytes32 outputRoot;
        uint128 timestamp; // of L1, when it was accepted
        uint128 l2BlockNumber;
    }

    struct Epoch {
        bytes32 setHash;
        uint64 snapshot; // the registry's number of that set
        uint64 outputIndex; // of the output that named it
    }

    string public constant version = "1.0.0";

    /// A block that is final only through a descendant is at most so far from it, less one.
    uint256 private constant MAX_HEADERS = 64;

    IValidatorRegistry public immutable registry;
    IRecords public immutable inbox;
    IGuarded public immutable systemConfig;
    uint256 public immutable chainId;
    uint256 public immutable epochBlocks;
    uint256 public immutable submissionInterval;
    uint256 public immutable l2BlockTime;
    uint256 public immutable finalizationPeriodSeconds;

    uint256 public startingTimestamp;
    OutputProposal[] private _outputs;
    Epoch[] private _epochs;

    event OutputProposed(
        bytes32 indexed outputRoot, uint256 indexed l2OutputIndex, uint256 indexed l2BlockNumber, uint256 l1Timestamp
    );
    event OutputsDeleted(uint256 indexed prevNextOutputIndex, uint256 indexed newNextOutputIndex);
    /// From its first block on, `setHash` is who finalizes the blocks of this epoch.
    event EpochKnown(uint256 indexed epoch, bytes32 setHash, uint64 snapshot);

    error InvalidSettings();
    /// 1 to 64 headers.
    error InvalidPath(uint256 headers);
    /// A header is not the parent of the next one.
    error BrokenPath(uint256 index);
    /// There is such an output already, or it is too soon for one.
    error BlockTooLow(uint256 number, uint256 next);
    /// The last block of the epoch before it has not been accepted.
    error UnknownEpoch(uint256 epoch);
    /// The certificate is of another epoch than its block.
    error WrongEpoch(uint256 certificate, uint256 block_);
    /// The registry made no such snapshot, or none since that of the epoch before.
    error UnknownSet(bytes32 setHash);
    /// No batch ends with this block.
    error NotPosted(bytes32 blockHash);
    error NotGuardian(address caller);
    /// Final, or not there.
    error NotDeletable(uint256 index);

    constructor(Settings memory settings) {
        if (settings.epochBlocks < 2 || settings.submissionInterval == 0 || settings.l2BlockTime == 0) {
            revert InvalidSettings();
        }
        registry = settings.registry;
        inbox = settings.inbox;
        systemConfig = settings.systemConfig;
        chainId = settings.chainId;
        epochBlocks = settings.epochBlocks;
        submissionInterval = settings.submissionInterval;
        l2BlockTime = settings.l2BlockTime;
        finalizationPeriodSeconds = settings.finalizationPeriod;
        _disableInitializers();
    }

    /// `outputRoot` is that of L2's genesis, `timestamp` its time (seconds), `setHash` of the validator set that it
    /// names, which the registry has as number 0.
    function initialize(bytes32 outputRoot, uint256 timestamp, bytes32 setHash) external initializer {
        startingTimestamp = timestamp;
        _learn(0, setHash, 0);
        _accept(outputRoot, 0);
    }

    /// Accepts an output. Anybody may bring it: what it says is in the certificate.
    function proposeOutput(Proposal calldata proposal) external {
        (L2Header memory target, L2Header memory certified) = _parse(proposal.headers);
        uint256 index = _outputs.length;
        uint256 latest = _outputs[index - 1].l2BlockNumber;
        bool isLastOfEpoch = (uint256(target.number) + 1) % epochBlocks == 0;
        uint256 next = isLastOfEpoch ? latest + 1 : latest + submissionInterval;
        if (target.number < next) revert BlockTooLow(target.number, next);

        uint256 epoch = certified.number / epochBlocks;
        if (epoch >= _epochs.length) revert UnknownEpoch(epoch);
        if (proposal.certificate.epoch != epoch) revert WrongEpoch(proposal.certificate.epoch, epoch);
        if (inbox.recordedAt(certified.hash) == 0) revert NotPosted(certified.hash);
        bytes32 setHash = _epochs[epoch].setHash;
        StoredSet memory set = registry.setOf(setHash);
        Votes.requireFinal(chainId, address(this), setHash, set, certified.hash, proposal.certificate);

        // The target is of the same epoch: it is above the last block of the one before, which is an output.
        if (isLastOfEpoch) _learn(index, target.extraData, _epochs[epoch].snapshot);
        // Output root, version 0, of the OP Stack.
        bytes32 root = keccak256(abi.encode(bytes32(0), target.stateRoot, target.withdrawalsRoot, target.hash));
        _accept(root, target.number);
    }

    /// Deletes this output and all after it, and with them the epochs that they named. Not when it is final.
    function deleteL2Outputs(uint256 index) external {
        if (msg.sender != systemConfig.guardian()) revert NotGuardian(msg.sender);
        uint256 length = _outputs.length;
        // The first is genesis, which nobody proposed.
        if (index == 0 || index >= length || _isFinal(_outputs[index])) revert NotDeletable(index);
        while (_epochs.length > 1 && _epochs[_epochs.length - 1].outputIndex >= index) _epochs.pop();
        // Without clearing them, so that any number can be deleted at once; what is behind the length is never read.
        assembly ("memory-safe") {
            sstore(_outputs.slot, index)
        }
        emit OutputsDeleted(length, index);
    }

    function _parse(bytes[] calldata headers)
        private
        pure
        returns (L2Header memory target, L2Header memory certified)
    {
        if (headers.length == 0 || headers.length > MAX_HEADERS) revert InvalidPath(headers.length);
        target = L2Headers.parse(headers[0]);
        certified = target;
        for (uint256 i = 1; i < headers.length; i++) {
            L2Header memory child = L2Headers.parse(headers[i]);
            if (child.parentHash != certified.hash || child.number != certified.number + 1) revert BrokenPath(i);
            certified = child;
        }
    }

    function _accept(bytes32 root, uint256 number) private {
        emit OutputProposed(root, _outputs.length, number, block.timestamp);
        _outputs.push(OutputProposal(root, uint128(block.timestamp), uint128(number)));
    }

    /// The next epoch's set, named by an output: a snapshot with a number of at least `atLeast`.
    function _learn(uint256 outputIndex, bytes32 setHash, uint64 atLeast) private {
        (bool exists, uint64 snapshot) = registry.numberOf(setHash, atLeast);
        if (!exists) revert UnknownSet(setHash);
        emit EpochKnown(_epochs.length, setHash, snapshot);
        _epochs.push(Epoch(setHash, snapshot, uint64(outputIndex)));
    }

    function _isFinal(OutputProposal memory output) private view returns (bool) {
        return block.timestamp - output.timestamp >= finalizationPeriodSeconds;
    }

    // --- Epochs ---

    function epochs(uint256 epoch) external view returns (Epoch memory) {
        return _epochs[epoch];
    }

    /// How many are known: the newest is one less.
    function knownEpochs() external view returns (uint256) {
        return _epochs.length;
    }

    /// The set of the newest epoch that is known.
    function latestSetHash() external view returns (bytes32) {
        return _epochs[_epochs.length - 1].setHash;
    }

    /// The registry's number of the set that certified output `index`, and when that output is final, seconds.
    function snapshotOf(uint256 index) external view returns (uint64 snapshot, uint256 finalAt) {
        OutputProposal memory output = _outputs[index];
        return (_epochs[output.l2BlockNumber / epochBlocks].snapshot, output.timestamp + finalizationPeriodSeconds);
    }

    // --- The interface of OP's L2OutputOracle ---

    function getL2Output(uint256 index) external view returns (OutputProposal memory) {
        return _outputs[index];
    }

    /// The first output at this block or after it.
    function getL2OutputIndexAfter(uint256 number) public view returns (uint256) {
        // OP's words: viem knows by them that it has to wait.
        require(
            number <= latestBlockNumber(), "L2OutputOracle: cannot get output for a block that has not been proposed"
        );
        uint256 low = 0;
        uint256 high = _outputs.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_outputs[middle].l2BlockNumber < number) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    function getL2OutputAfter(uint256 number) external view returns (OutputProposal memory) {
        return _outputs[getL2OutputIndexAfter(number)];
    }

    function latestOutputIndex() external view returns (uint256) {
        return _outputs.length - 1;
    }

    function nextOutputIndex() external view returns (uint256) {
        return _outputs.length;
    }

    function latestBlockNumber() public view returns (uint256) {
        return _outputs[_outputs.length - 1].l2BlockNumber;
    }

    /// From here on any block may be the next output; so may the last of an epoch before that.
    function nextBlockNumber() external view returns (uint256) {
        return latestBlockNumber() + submissionInterval;
    }

    /// When the block is to be expected, seconds; L2's blocks come when there is something to put into them.
    function computeL2Timestamp(uint256 number) external view returns (uint256) {
        return startingTimestamp + number * l2BlockTime;
    }

    function startingBlockNumber() external pure returns (uint256) {
        return 0;
    }

    function SUBMISSION_INTERVAL() external view returns (uint256) {
        return submissionInterval;
    }

    function L2_BLOCK_TIME() external view returns (uint256) {
        return l2BlockTime;
    }

    function FINALIZATION_PERIOD_SECONDS() external view returns (uint256) {
        return finalizationPeriodSeconds;
    }
}
