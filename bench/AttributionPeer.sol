// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {AnswerBatch} from "contracts/examples/AnswerBatch.sol";
import {ContentTree} from "contracts/examples/ContentTree.sol";
import {Settlement} from "contracts/examples/Settlement.sol";
import {SpanRule} from "contracts/examples/SpanRule.sol";
import {IAttribution} from "precompiles/interfaces/IAttribution.sol";

/// @title Requests and commitments of the attribution precompile, as Solidity: the peer of bench/attribution.ts
/// @notice The same calls, checks, errors and events, and the same storage: four slots a request, one of them written
/// again by its commitment, one hash a batch. What Datanets and models would know is registered beforehand; of a contribution
/// all that a commitment asks lies in one slot. Where it saves gas the code is assembly: hashes, and the event with the spans.
contract AttributionPeer {
    /// That of the precompile, so that both take the same signatures and the same calldata.
    address constant VERIFYING_CONTRACT = 0x0000000000000000000000000000000000000903;
    bytes32 constant DOMAIN_TYPE = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 constant ANSWER_TYPE = keccak256("Answer(uint256 inferenceId,bytes32 requestRoot,bytes32 outputRoot,uint32 outputBytes,bytes32 spansHash)");
    uint256 constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    uint256 constant MAX_ITEMS = 256;
    uint256 constant MAX_REQUEST_BYTES = 1 << 20;
    uint256 constant MAX_PUBLIC_OUTPUT_BYTES = 16_384;
    uint256 constant MAX_PRIVATE_OUTPUT_BYTES = 1 << 20;

    struct Inference {
        uint8 state; // Requested with a batch id means Committed
        uint8 audience;
        uint16 minSpan;
        uint48 modelId;
        address payer;
        address host; // slot 1
        uint24 requestBytes;
        uint40 requestedAt;
        uint32 termsId;
        uint128 escrow; // slot 2
        uint40 commitDeadline;
        uint40 committedAt;
        uint48 batchId;
        bytes32 requestRoot; // slot 3
    }

    struct Terms {
        uint128 requestPrice;
        uint128 outputPrice;
        uint128 platformFee; // slot 1
        uint24 modelPpm;
        uint24 stakersPpm;
        uint24 contributorsPpm;
        uint24 settleWindowSeconds;
        uint32 stakeMultiple;
    }

    struct Stake {
        uint128 total;
        uint128 locked;
    }

    struct Contribution {
        uint48 datanetId;
        uint32 leafIndex;
        uint40 withdrawnAt;
        uint64 size;
        bool isAccepted;
    }

    struct Model {
        uint128 requestPrice;
        uint128 outputPrice;
        bool isRegistered;
    }

    struct Parameters {
        Terms terms; // without prices
        uint16 minSpanBytes;
        uint40 commitWindowSeconds;
    }

    /// What a commitment has found out about an answer.
    struct Accepted {
        uint256 batchId;
        uint256 index;
        bytes32 outputRoot;
        uint256 outputBytes;
        uint256 coveredBytes;
        uint256 fee;
        uint256 stakeLocked;
        uint256 settleAfter;
    }

    uint64 inferenceCount;
    uint64 batchCount;
    uint32 termsCount;
    mapping(uint256 inferenceId => Inference) inferences;
    mapping(address host => Stake) stakes;
    mapping(uint256 batchId => bytes32) public batches;
    mapping(bytes32 => uint256 termsId) termsIds;
    mapping(uint256 termsId => Terms) terms;
    mapping(uint256 contributionId => Contribution) contributions;
    mapping(uint256 modelId => Model) models;
    mapping(uint256 modelId => mapping(uint256 datanetId => uint256 count)) data;
    mapping(uint256 modelId => mapping(address host => bool)) hosts;
    Parameters parameters;

    constructor(Parameters memory given) {
        parameters = given;
    }

    function registerModel(uint256 modelId, Model calldata model, uint256 datanetId, uint256 count) external {
        models[modelId] = model;
        data[modelId][datanetId] = count;
    }

    function registerContribution(uint256 contributionId, Contribution calldata contribution) external {
        contributions[contributionId] = contribution;
    }

    function joinAsHost(uint256 modelId) external {
        hosts[modelId][msg.sender] = true;
    }

    function depositStake() external payable {
        stakes[msg.sender].total += uint128(msg.value);
    }

    function requestInference(uint256 modelId, address host, bytes32 requestRoot, uint32 requestBytes, IAttribution.Audience audience)
        external
        payable
        returns (uint256 inferenceId)
    {
        if (requestBytes == 0) revert IAttribution.EmptyRequest();
        if (requestBytes > MAX_REQUEST_BYTES) revert IAttribution.RequestTooLong(requestBytes, MAX_REQUEST_BYTES);
        if (msg.value > type(uint128).max) revert IAttribution.EscrowTooLarge(msg.value);
        Model memory model = models[modelId];
        if (!model.isRegistered) revert IAttribution.UnknownModel(modelId);
        if (!hosts[modelId][host]) revert IAttribution.NotHost(modelId, host);
        Parameters memory now_ = parameters;
        now_.terms.requestPrice = model.requestPrice;
        now_.terms.outputPrice = model.outputPrice;
        uint256 required = feeOf(now_.terms, requestBytes, 0);
        if (msg.value < required) revert IAttribution.EscrowTooSmall(msg.value, required);

        inferenceId = ++inferenceCount;
        Inference storage inference = inferences[inferenceId];
        inference.state = uint8(IAttribution.State.Requested);
        inference.audience = uint8(audience);
        inference.minSpan = now_.minSpanBytes;
        inference.modelId = uint48(modelId);
        inference.payer = msg.sender;
        inference.host = host;
        inference.requestBytes = uint24(requestBytes);
        inference.requestedAt = uint40(block.number);
        inference.termsId = shareTerms(now_.terms);
        inference.escrow = uint128(msg.value);
        inference.commitDeadline = uint40(block.timestamp) + now_.commitWindowSeconds;
        inference.requestRoot = requestRoot;
        emitRequested(inferenceId, inference, now_.terms);
    }

    function commitOutputs(IAttribution.Answer[] calldata answers) external returns (uint256 batchId) {
        if (answers.length == 0) revert IAttribution.EmptyBatch();
        if (answers.length > MAX_ITEMS) revert IAttribution.TooManyItems(answers.length, MAX_ITEMS);
        batchId = ++batchCount;
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE, keccak256("OpenLedger Attribution"), keccak256("1"), block.chainid, VERIFYING_CONTRACT));
        bytes32[] memory leaves = new bytes32[](answers.length);
        uint256 count = 0;
        for (uint256 i = 0; i < answers.length; i++) {
            Inference memory inference = inferences[answers[i].inferenceId];
            if (inference.state == 0) revert IAttribution.UnknownInference(answers[i].inferenceId);
            if (inference.state != uint8(IAttribution.State.Requested) || inference.batchId != 0) continue;
            leaves[count] = commitAnswer(answers[i], inference, domain, batchId, count);
            count++;
        }
        if (count == 0) revertWithState(answers[0].inferenceId);
        assembly ("memory-safe") {
            mstore(leaves, count)
        }
        bytes32 root = AnswerBatch.root(leaves);
        batches[batchId] = root;
        emit IAttribution.BatchCommitted(batchId, root, uint32(count));
    }

    /// Checks the answer, locks the stake, and returns the answer's leaf.
    function commitAnswer(IAttribution.Answer calldata answer, Inference memory inference, bytes32 domain, uint256 batchId, uint256 index)
        private
        returns (bytes32)
    {
        if (block.timestamp > inference.commitDeadline) revert IAttribution.DeadlinePassed(answer.inferenceId, inference.commitDeadline);
        requireOutput(answer, inference.audience);
        requireSpans(answer, inference.audience, inference.minSpan);
        requireLiveData(answer.spans, inference.modelId, inference.requestedAt);

        Accepted memory accepted;
        Terms memory fixedTerms = terms[inference.termsId];
        accepted.batchId = batchId;
        accepted.index = index;
        accepted.outputRoot = answer.outputRoot;
        accepted.outputBytes = answer.outputBytes;
        accepted.coveredBytes = SpanRule.coveredBytes(answer.spans);
        accepted.fee = feeOf(fixedTerms, inference.requestBytes, answer.outputBytes);
        accepted.stakeLocked = accepted.fee * fixedTerms.stakeMultiple;
        accepted.settleAfter = block.timestamp + fixedTerms.settleWindowSeconds;
        if (accepted.fee > inference.escrow) revert IAttribution.FeeExceedsEscrow(accepted.fee, inference.escrow);
        lockStake(inference.host, accepted.stakeLocked);

        bytes32 spansHash = SpanRule.spansHash(answer.spans);
        requireSignature(answer, inference, domain, spansHash);

        Inference storage stored = inferences[answer.inferenceId];
        stored.committedAt = uint40(block.timestamp);
        stored.batchId = uint48(batchId);
        keepRecord(answer.inferenceId, accepted, spansHash);
        emitCommitted(answer.inferenceId, inference.modelId, inference.host, accepted, answer.spans);
        return AnswerBatch.leaf(answer.inferenceId, answer.outputRoot, answer.outputBytes, spansHash);
    }

    /// Nothing: the batch has it.
    function keepRecord(uint256 inferenceId, Accepted memory accepted, bytes32 spansHash) internal virtual {}

    function requireOutput(IAttribution.Answer calldata answer, uint8 audience) private pure {
        uint256 length = answer.outputBytes;
        if (length == 0) revert IAttribution.EmptyOutput();
        bool isPublic = audience == uint8(IAttribution.Audience.Public);
        uint256 limit = isPublic ? MAX_PUBLIC_OUTPUT_BYTES : MAX_PRIVATE_OUTPUT_BYTES;
        if (length > limit) revert IAttribution.OutputTooLong(length, limit);
        uint256 expected = isPublic ? length : 32;
        if (answer.output.length != expected) revert IAttribution.OutputLengthMismatch(answer.output.length, expected);
        bytes32 computed = isPublic ? ContentTree.root(answer.output) : ContentTree.seal(uint64(length), bytes32(answer.output));
        if (computed != answer.outputRoot) revert IAttribution.OutputMismatch(computed, answer.outputRoot);
    }

    function requireSpans(IAttribution.Answer calldata answer, uint8 audience, uint256 minimum) private pure {
        SpanRule.Fault memory fault = audience == uint8(IAttribution.Audience.Public)
            ? SpanRule.findFault(answer.spans, minimum, answer.output)
            : SpanRule.findFault(answer.spans, minimum, answer.outputBytes);
        SpanRule.FaultKind kind = fault.kind;
        if (kind == SpanRule.FaultKind.None) return;
        if (kind == SpanRule.FaultKind.TooMany) revert IAttribution.TooManySpans(fault.index, SpanRule.MAX_SPANS);
        if (kind == SpanRule.FaultKind.TooShort) revert IAttribution.SpanTooShort(fault.index, answer.spans[fault.index].length, minimum);
        if (kind == SpanRule.FaultKind.OutOfOutput) revert IAttribution.SpanOutOfOutput(fault.index);
        if (kind == SpanRule.FaultKind.AcrossWindows) revert IAttribution.SpanAcrossWindows(fault.index);
        if (kind == SpanRule.FaultKind.NotRising) revert IAttribution.SpansNotRising(fault.index);
        revert IAttribution.SpanNotAtWord(fault.index, fault.position);
    }

    function requireLiveData(IAttribution.Span[] calldata spans, uint256 modelId, uint256 requestedAt) private view {
        for (uint256 i = 0; i < spans.length; i++) {
            Contribution memory contribution = contributions[spans[i].contribution];
            bool isLive = contribution.isAccepted && contribution.leafIndex < data[modelId][contribution.datanetId]
                && (contribution.withdrawnAt == 0 || contribution.withdrawnAt > requestedAt);
            if (!isLive) revert IAttribution.ContributionNotInModel(i, spans[i].contribution);
            if (uint256(spans[i].contentOffset) + spans[i].length > contribution.size) revert IAttribution.SpanOutOfContent(i);
        }
    }

    function lockStake(address host, uint256 required) private {
        Stake memory stake = stakes[host];
        uint256 free = stake.total - stake.locked;
        if (free < required) revert IAttribution.InsufficientStake(free, required);
        if (required != 0) stakes[host].locked = uint128(stake.locked + required);
    }

    function requireSignature(IAttribution.Answer calldata answer, Inference memory inference, bytes32 domain, bytes32 spansHash) private pure {
        bytes32 message = keccak256(abi.encode(ANSWER_TYPE, answer.inferenceId, inference.requestRoot, answer.outputRoot, answer.outputBytes, spansHash));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, message));
        address recovered = address(0);
        bytes calldata signature = answer.signature;
        if (signature.length == 65 && uint256(bytes32(signature[32:64])) <= HALF_ORDER) {
            recovered = ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        }
        if (recovered == address(0) || recovered != inference.host) revert IAttribution.BadSignature(recovered, inference.host);
    }

    /// Id of these terms; equal ones are stored once, whatever requests them.
    function shareTerms(Terms memory given) private returns (uint32) {
        bytes32 key = keccak256(abi.encode(given));
        uint256 known = termsIds[key];
        if (known != 0) return uint32(known);
        uint32 termsId = ++termsCount;
        termsIds[key] = termsId;
        terms[termsId] = given;
        return termsId;
    }

    function feeOf(Terms memory given, uint256 requestBytes, uint256 outputBytes) private pure returns (uint256) {
        return Settlement.feeOf(given.platformFee, given.requestPrice, given.outputPrice, requestBytes, outputBytes);
    }

    function revertWithState(uint256 inferenceId) private view {
        Inference memory inference = inferences[inferenceId];
        bool isCommitted = inference.state == uint8(IAttribution.State.Requested) && inference.batchId != 0;
        revert IAttribution.WrongState(inferenceId, isCommitted ? IAttribution.State.Committed : IAttribution.State(inference.state));
    }

    function emitRequested(uint256 inferenceId, Inference memory inference, Terms memory given) private {
        bytes memory encoded = abi.encode(inference.host, inference.requestRoot, inference.requestBytes, inference.audience, inference.escrow);
        encoded = bytes.concat(
            encoded,
            abi.encode(inference.commitDeadline, inference.minSpan, given.requestPrice, given.outputPrice, given.platformFee)
        );
        bytes32 topic = IAttribution.InferenceRequested.selector;
        uint256 modelId = inference.modelId;
        address payer = inference.payer;
        assembly ("memory-safe") {
            log4(add(encoded, 0x20), mload(encoded), topic, inferenceId, modelId, payer)
        }
    }

    /// The event's data are the eight words of `accepted`, then the spans as calldata have them: every field has been
    /// read before, so none has bits beyond its width.
    function emitCommitted(uint256 inferenceId, uint256 modelId, address host, Accepted memory accepted, IAttribution.Span[] calldata spans) private {
        bytes32 topic = IAttribution.OutputCommitted.selector;
        assembly ("memory-safe") {
            let at := mload(0x40)
            let size := mul(spans.length, 0x80)
            mcopy(at, accepted, 0x100)
            mstore(add(at, 0x100), 0x120)
            mstore(add(at, 0x120), spans.length)
            calldatacopy(add(at, 0x140), spans.offset, size)
            log4(at, add(size, 0x140), topic, inferenceId, modelId, host)
        }
    }
}

/// @title The same, with each record in storage of its own, as contracts usually keep what they are asked for later
contract AttributionRecordPeer is AttributionPeer {
    struct Record {
        bytes32 outputRoot;
        bytes32 spansHash;
        uint128 fee;
        uint32 outputBytes;
        uint32 coveredBytes;
        uint64 settleAfter;
    }

    mapping(uint256 inferenceId => Record) public records;

    constructor(Parameters memory given) AttributionPeer(given) {}

    function keepRecord(uint256 inferenceId, Accepted memory accepted, bytes32 spansHash) internal override {
        records[inferenceId] = Record({
            outputRoot: accepted.outputRoot,
            spansHash: spansHash,
            fee: uint128(accepted.fee),
            outputBytes: uint32(accepted.outputBytes),
            coveredBytes: uint32(accepted.coveredBytes),
            settleAfter: uint64(accepted.settleAfter)
        });
    }
}
