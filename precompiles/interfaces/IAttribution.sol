// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title Proof of Attribution: which contributions shaped an output, and who is paid for it
/// @notice Stateful precompile at 0x0000000000000000000000000000000000000903.
/// Life of an inference: requested -> committed -> (window) -> settled; requested -> expired; committed -> void, when a
/// challenge is proven. Rules and encodings: docs/spec.md.
interface IAttribution {
    enum Audience { Public, Private }
    enum State { None, Requested, Committed, Settled, Expired, Void }
    /// What a proven challenge has shown: a claimed byte differs; a span begins or ends inside a word; a match was left
    /// out; an earlier contribution has the same bytes; the host signed another answer; demanded data was not shown.
    enum Fault { Mismatch, Boundary, Omission, EarlierHolder, Contradiction, Unavailable }

    /// One claimed match of rule span-v1: output[outputStart .. outputStart+length) equals the content of
    /// `contribution` at contentOffset. Starts and ends are strictly rising over the list.
    struct Span {
        uint32 outputStart;
        uint32 length;
        uint64 contribution;
        uint64 contentOffset;
    }

    /// What a host signs and anyone may commit. output: for a public audience the bytes, for a private one the 32 bytes of
    /// the output's tree root, which together with outputBytes give outputRoot. signature: 65 bytes r,s,v by the host over
    /// answerDigest(...).
    struct Answer {
        uint256 inferenceId;
        bytes32 outputRoot;
        uint32 outputBytes;
        bytes output;
        Span[] spans;
        bytes signature;
    }

    /// A committed answer, brought again: the chain keeps one hash for a whole batch. proof: siblings from the answer's
    /// leaf to the batch root (docs/spec.md "Batch"), empty for a batch of one.
    struct Claim {
        uint256 inferenceId;
        bytes32 outputRoot;
        uint32 outputBytes;
        Span[] spans;
        bytes32[] proof;
    }

    /// Consecutive 256-byte chunks of an output or a content from chunk `first` on, with the siblings that lead to its root
    /// (docs/spec.md "Content tree").
    struct Chunks {
        uint64 first;
        bytes data;
        bytes32[] siblings;
    }

    struct Inference {
        State state;
        Audience audience;
        uint64 modelId;
        address payer;
        address host;
        uint64 requestedAt; // block number that fixes parameters, data set and consent
        uint64 commitDeadline; // block timestamp, seconds; after it the request can expire
        uint64 committedAt; // block timestamp, seconds; 0 before
        uint64 settleAfter; // block timestamp, seconds; 0 before the commitment; later by each extension
        uint32 requestBytes;
        uint16 minSpan; // m of span-v1, fixed by the request
        uint8 openDemands; // demanded chunks not shown yet
        uint8 extensions; // of the window, by answered demands
        uint128 escrow;
        uint128 requestPrice; // wei per 1,000 bytes, fixed by the request
        uint128 outputPrice;
        uint128 platformFee;
        uint64 batchId; // 0 before the commitment
        bytes32 requestRoot;
    }

    enum RewardKind { Contributor, ModelOwner, Royalty, Host, Stakers, Treasury, Challenger, LeftOut }

    event InferenceRequested(uint256 indexed inferenceId, uint256 indexed modelId, address indexed payer, address host, bytes32 requestRoot, uint32 requestBytes, Audience audience, uint256 escrow, uint64 commitDeadline, uint16 minSpan, uint128 requestPrice, uint128 outputPrice, uint256 platformFee);
    /// index: the answer's place in its batch.
    event OutputCommitted(uint256 indexed inferenceId, uint256 indexed modelId, address indexed host, uint256 batchId, uint32 index, bytes32 outputRoot, uint32 outputBytes, uint32 coveredBytes, uint256 fee, uint256 stakeLocked, uint64 settleAfter, Span[] spans);
    event BatchCommitted(uint256 indexed batchId, bytes32 root, uint32 count);
    /// fee + refund = escrow. platformFee is contained in fee.
    event InferenceSettled(uint256 indexed inferenceId, uint256 indexed modelId, uint256 fee, uint256 refund, uint256 platformFee, uint256 contributorsPaid, uint256 modelPaid, uint256 stakersPaid, uint256 treasuryPaid);
    event InferenceExpired(uint256 indexed inferenceId, address indexed payer, uint256 refund);
    /// refund = escrow. contributionId: the one left out (Omission, EarlierHolder) or not shown (Unavailable), 0 otherwise.
    event InferenceVoided(uint256 indexed inferenceId, uint256 indexed modelId, address indexed host, Fault fault, address challenger, uint256 contributionId, uint256 refund, uint256 slashed);
    /// One for each share of a settlement, their sum is the fee; and of a slashing, their sum is what was slashed. source:
    /// contribution id for Contributor and LeftOut, model id for ModelOwner, Royalty and Host, 0 otherwise. weight: span
    /// weight for Contributor, 0 otherwise.
    event RewardAccrued(uint256 indexed inferenceId, address indexed account, RewardKind indexed kind, uint256 source, uint256 weight, uint256 amount);
    event RewardClaimed(address indexed account, address indexed caller, uint256 amount);
    event StakeDeposited(address indexed host, uint256 amount, uint256 total);
    event StakeWithdrawn(address indexed host, uint256 amount, uint256 total);
    event StakeSlashed(address indexed host, uint256 indexed inferenceId, uint256 amount, uint256 total);
    event AuditorSet(uint256 indexed inferenceId, address indexed auditor, bool allowed);
    event ChunkDemanded(uint256 indexed inferenceId, uint256 indexed contributionId, address indexed demander, uint64 chunk, uint64 deadline, uint256 bond);
    event ChunkShown(uint256 indexed inferenceId, uint256 indexed contributionId, address indexed by, uint64 chunk, uint64 settleAfter);
    event DemandReturned(uint256 indexed inferenceId, uint256 indexed contributionId, address indexed demander, uint64 chunk, uint256 bond);

    error UnknownInference(uint256 inferenceId);
    error UnknownModel(uint256 modelId);
    error NotHost(uint256 modelId, address host);
    error WrongState(uint256 inferenceId, State state);
    error EmptyRequest();
    error EmptyOutput();
    error RequestTooLong(uint256 length, uint256 limit);
    error EscrowTooLarge(uint256 escrow);
    /// Stakes are kept in 128 bits.
    error StakeTooLarge(uint256 stake);
    /// The escrow does not even cover the platform fee and the request.
    error EscrowTooSmall(uint256 escrow, uint256 required);
    error FeeExceedsEscrow(uint256 fee, uint256 escrow);
    error DeadlinePassed(uint256 inferenceId, uint64 deadline);
    error DeadlineNotPassed(uint256 inferenceId, uint64 deadline);
    error WindowOpen(uint256 inferenceId, uint64 settleAfter);
    error WindowClosed(uint256 inferenceId, uint64 settleAfter);
    error BadSignature(address recovered, address host);
    error OutputTooLong(uint256 length, uint256 limit);
    /// The bytes (public audience), or the tree root and outputBytes (private audience), do not give outputRoot.
    error OutputMismatch(bytes32 computed, bytes32 claimed);
    /// Public audience: outputBytes bytes must be given; private audience: 32.
    error OutputLengthMismatch(uint256 given, uint256 expected);
    /// A public answer is committed by a transaction straight to the precompile: so its bytes are in the transaction.
    error NotDirect(uint256 inferenceId);
    error TooManySpans(uint256 count, uint256 limit);
    error SpanTooShort(uint256 index, uint256 length, uint256 minimum);
    error SpanOutOfOutput(uint256 index);
    /// A span lies within one 1,024-byte window of the output.
    error SpanAcrossWindows(uint256 index);
    error SpansNotRising(uint256 index);
    error SpanNotAtWord(uint256 index, uint256 position);
    error SpanOutOfContent(uint256 index);
    /// Not accepted data of the model as of the request, or its consent was withdrawn before.
    error ContributionNotInModel(uint256 index, uint256 contributionId);
    error EmptyBatch();
    error TooManyItems(uint256 count, uint256 limit);
    /// The claim is not the one that was committed.
    error ClaimMismatch(bytes32 computed, bytes32 batchRoot);
    error InsufficientStake(uint256 free, uint256 required);
    error NothingToClaim(address account);
    error ZeroAmount();

    /// Private audience: only the payer and the auditors it named may challenge.
    error NotAuditor(uint256 inferenceId, address caller);
    error NotPayer(address caller);
    error IndexOutOfRange(uint256 index, uint256 length);
    /// The chunks do not lead to the root of the output or content: not those bytes, or not enough siblings.
    error InvalidProof(bytes32 computed, bytes32 root);
    /// The chunks do not contain the bytes that the challenge is about.
    error ChunksMissing(uint256 start, uint256 end);
    /// A challenge that shows no fault.
    error SpanHolds(uint256 spanIndex);
    error RangeNotInWindow(uint256 start, uint256 end);
    error RangeTooShort(uint256 length, uint256 minimum);
    error RangeNotAtWord(uint256 position);
    error RangeCovered(uint256 spanIndex);
    /// 64 spans are claimed and none of them is shorter than this match.
    error RangeNotLongest(uint256 length, uint256 shortest);
    error ContentDiffers(uint256 at);
    error NotEarlier(uint256 contributionId, uint256 claimed);
    error SameAnswer();

    error WrongBond(uint256 sent, uint256 required);
    error TooManyDemands(uint256 limit);
    error DemandTooLate(uint256 inferenceId, uint64 until);
    error DemandExists(uint256 contributionId, uint64 chunk);
    error UnknownDemand(uint256 contributionId, uint64 chunk);
    error DemandOpen(uint256 contributionId, uint64 chunk, uint64 deadline);
    error DemandsOpen(uint256 inferenceId, uint256 count);

    /// msg.value is the escrow, the most that the payer may be charged. host must have joined the model.
    /// The commit deadline is block.timestamp + the governed commit window.
    function requestInference(uint256 modelId, address host, bytes32 requestRoot, uint32 requestBytes, Audience audience) external payable returns (uint256 inferenceId);
    /// Signed answers, by anyone, so a client that holds one need not rely on the host. At most 256; public ones only by a
    /// transaction straight to the precompile. Locks the hosts' stake:
    /// the governed multiple of each fee. Answers of inferences that are not open any more are left out; reverts with
    /// WrongState when none is left.
    function commitOutputs(Answer[] calldata answers) external returns (uint256 batchId);
    /// After their windows, by anyone. Pays every share, refunds the rest, unlocks stake. Inferences that are settled or
    /// void already are left out; reverts with WrongState when none is left.
    function settle(Claim[] calldata claims) external;
    /// After the commit deadline, by anyone, when no output was committed: the payer gets the whole escrow back.
    function expire(uint256 inferenceId) external;
    /// Moves all that `account` has accrued to its balance, without calling it. Anyone may pay the gas.
    function claim(address account) external returns (uint256 amount);
    function depositStake() external payable;
    function withdrawStake(uint256 amount) external;

    /// Private audience: lets an auditor challenge. By the payer.
    function setAuditor(uint256 inferenceId, address auditor, bool allowed) external;

    // Challenges, while the window is open. A proven one voids the inference: the payer gets the escrow back, the stake
    // that was locked for it is slashed, half to the treasury, the rest to the challenger, who shares it equally with the
    // contributor that was left out, if there is one.

    /// Byte `at` of the span differs. output and content: chunks that contain it.
    function proveMismatch(Claim calldata claim, uint256 spanIndex, uint32 at, Chunks calldata output, Chunks calldata content) external;
    /// The span begins or ends inside a word (a private output's boundaries were not checked). output: the span's window.
    function proveBoundary(Claim calldata claim, uint256 spanIndex, Chunks calldata output) external;
    /// output[start .. start+length) occurs in a live contribution at contentOffset and no claimed span contains it.
    /// output: the whole window, chunks 4k to 4k+3 as far as they exist; content: the chunks that hold the range.
    function proveOmission(Claim calldata claim, uint32 start, uint32 length, uint256 contributionId, uint64 contentOffset, Chunks calldata output, Chunks calldata content) external;
    /// A live contribution with a lower id than the claimed one has the span's bytes at contentOffset.
    function proveEarlierHolder(Claim calldata claim, uint256 spanIndex, uint256 contributionId, uint64 contentOffset, Chunks calldata output, Chunks calldata content) external;
    /// The host signed another answer for the same inference.
    function proveContradiction(Claim calldata claim, bytes32 outputRoot, uint32 outputBytes, bytes32 spansHash, bytes calldata signature) external;

    /// In the first half of the window: the host must show this chunk of a live contribution within half a window.
    /// msg.value = the governed bond, which pays whoever shows it. At most 64 a commitment, one for each chunk.
    function demandChunk(uint256 inferenceId, uint256 contributionId, uint64 chunk) external payable;
    /// Until the demand's deadline, by anyone. content: exactly that chunk. Extends the window by half, at most twice.
    function showChunk(uint256 inferenceId, uint256 contributionId, Chunks calldata content) external;
    /// After the deadline of a demand that was not answered. The demander gets the bond back. The challenger is the demander.
    function proveUnavailable(Claim calldata claim, uint256 contributionId, uint64 chunk) external;
    /// Returns the bond of a demand that another challenge made pointless.
    function returnDemand(uint256 inferenceId, uint256 contributionId, uint64 chunk) external;

    function inferenceCount() external view returns (uint256);
    function inference(uint256 inferenceId) external view returns (Inference memory);
    function batchRoot(uint256 batchId) external view returns (bytes32);
    function accrued(address account) external view returns (uint256);
    function stakeOf(address host) external view returns (uint256 total, uint256 locked);
    function isAuditor(uint256 inferenceId, address account) external view returns (bool);
    /// deadline 0: no such demand. closed: shown, proven unavailable or returned.
    function demand(uint256 inferenceId, uint256 contributionId, uint64 chunk) external view returns (address demander, uint64 deadline, bool closed, uint256 bond);
    /// EIP-712 digest that the host signs: docs/spec.md "Signed answer".
    function answerDigest(uint256 inferenceId, bytes32 requestRoot, bytes32 outputRoot, uint32 outputBytes, bytes32 spansHash) external view returns (bytes32);
}
