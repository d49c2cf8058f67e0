// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

/// @title Proof of Attribution: which contributions shaped an output, and who is paid for it
/// @notice Stateful precompile at 0x0000000000000000000000000000000000000903.
/// Life of an inference: requested -> committed -> (window) -> settled, or requested -> expired.
interface IAttribution {
    enum Audience { Public, Private }
    enum State { None, Requested, Committed, Settled, Expired }

    /// One claimed match of rule span-v1: output[outputStart .. outputStart+length) equals the content of
    /// `contribution` at contentOffset. Starts and ends are strictly rising over the list.
    struct Span {
        uint32 outputStart;
        uint32 length;
        uint64 contribution;
        uint64 contentOffset;
    }

    struct Inference {
        State state;
        Audience audience;
        uint64 modelId;
        address payer;
        address host;
        uint64 requestedAt; // block number that fixes parameters, data set and consent
        uint64 commitDeadline; // block timestamp, seconds; after it the request can expire
        uint64 settleAfter; // block timestamp, seconds; set by the commitment
        uint32 requestBytes;
        uint32 outputBytes;
        uint32 coveredBytes; // union of the spans
        uint16 minSpan; // m of span-v1, fixed by the request
        uint128 escrow;
        uint128 fee; // set by the commitment, at most escrow
        bytes32 requestRoot;
        bytes32 outputRoot;
        bytes32 spansHash; // keccak256(abi.encode(spans))
    }

    enum RewardKind { Contributor, ModelOwner, Royalty, Host, Stakers, Treasury }

    event InferenceRequested(uint256 indexed inferenceId, uint256 indexed modelId, address indexed payer, address host, bytes32 requestRoot, uint32 requestBytes, Audience audience, uint256 escrow, uint64 commitDeadline, uint16 minSpan, uint128 requestPrice, uint128 outputPrice, uint256 platformFee);
    event OutputCommitted(uint256 indexed inferenceId, uint256 indexed modelId, address indexed host, bytes32 outputRoot, uint32 outputBytes, uint32 coveredBytes, uint256 fee, uint256 stakeLocked, uint64 settleAfter, Span[] spans);
    /// fee + refund = escrow. platformFee is contained in fee.
    event InferenceSettled(uint256 indexed inferenceId, uint256 indexed modelId, uint256 fee, uint256 refund, uint256 platformFee, uint256 contributorsPaid, uint256 modelPaid, uint256 stakersPaid, uint256 treasuryPaid);
    event InferenceExpired(uint256 indexed inferenceId, address indexed payer, uint256 refund);
    /// One for each share of a settlement; their sum is the fee. source: contribution id for Contributor,
    /// model id for ModelOwner, Royalty and Host, 0 otherwise. weight: span weight for Contributor, 0 otherwise.
    event RewardAccrued(uint256 indexed inferenceId, address indexed account, RewardKind indexed kind, uint256 source, uint256 weight, uint256 amount);
    event RewardClaimed(address indexed account, address indexed caller, uint256 amount);
    event StakeDeposited(address indexed host, uint256 amount, uint256 total);
    event StakeWithdrawn(address indexed host, uint256 amount, uint256 total);

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
    error BadSignature(address recovered, address host);
    error OutputTooLong(uint256 length, uint256 limit);
    /// Public audience: the bytes must hash to outputRoot. Private audience: no bytes may be given.
    error OutputMismatch(bytes32 computed, bytes32 claimed);
    error OutputNotExpected();
    /// Public audience: as many bytes must be given as are claimed.
    error OutputLengthMismatch(uint256 given, uint256 claimed);
    error TooManySpans(uint256 count, uint256 limit);
    error SpanTooShort(uint256 index, uint256 length, uint256 minimum);
    error SpanTooLong(uint256 index, uint256 length, uint256 limit);
    error SpanOutOfOutput(uint256 index);
    error SpansNotRising(uint256 index);
    error SpanNotAtWord(uint256 index, uint256 position);
    error SpanOutOfContent(uint256 index);
    /// Not accepted data of the model as of the request, or its consent was withdrawn before.
    error ContributionNotInModel(uint256 index, uint256 contributionId);
    error SpansMismatch(bytes32 computed, bytes32 committed);
    error InsufficientStake(uint256 free, uint256 required);
    error NothingToClaim(address account);
    error ZeroAmount();

    /// msg.value is the escrow, the most that the payer may be charged. host must have joined the model.
    /// The commit deadline is block.timestamp + the governed commit window.
    function requestInference(uint256 modelId, address host, bytes32 requestRoot, uint32 requestBytes, Audience audience) external payable returns (uint256 inferenceId);
    /// signature: 65 bytes r,s,v by the host over answerDigest(...). Anyone may submit it, so a client that holds
    /// the signed answer need not rely on the host. Locks the host's stake: governed multiple of the fee.
    /// outputBytes: length of the output; `output` are its bytes for a public audience, empty for a private one.
    function commitOutput(uint256 inferenceId, bytes32 outputRoot, uint32 outputBytes, bytes calldata output, Span[] calldata spans, bytes calldata signature) external;
    /// After the window, by anyone, with the committed spans again. Pays every share, refunds the rest, unlocks stake.
    function settle(uint256 inferenceId, Span[] calldata spans) external;
    /// After the commit deadline, by anyone, when no output was committed: the payer gets the whole escrow back.
    function expire(uint256 inferenceId) external;
    /// Moves all that `account` has accrued to its balance, without calling it. Anyone may pay the gas.
    function claim(address account) external returns (uint256 amount);
    function depositStake() external payable;
    function withdrawStake(uint256 amount) external;

    function inferenceCount() external view returns (uint256);
    function inference(uint256 inferenceId) external view returns (Inference memory);
    function accrued(address account) external view returns (uint256);
    function stakeOf(address host) external view returns (uint256 total, uint256 locked);
    /// EIP-712 digest that the host signs: docs/spec.md "Signed answer".
    function answerDigest(uint256 inferenceId, bytes32 requestRoot, bytes32 outputRoot, uint32 outputBytes, bytes32 spansHash) external view returns (bytes32);
}
