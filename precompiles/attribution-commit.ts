/** The host's answer goes on chain: output, spans and signature are checked, the fee is fixed, stake is locked. */
import { equalsBytes } from "../core/bytes.ts";
import { chunkCount, contentRoot } from "../core/content.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { feeWei } from "../core/settlement.ts";
import { coveredBytes, encodeSpans, findSpanFault, MAX_SPAN_BYTES, MAX_SPANS, type Span } from "../core/span-rule.ts";
import { requireSignature } from "./attribution-answer.ts";
import { AUDIENCE, emit, error, type Handler, STATE } from "./attribution-interface.ts";
import {
  loadEscrow,
  loadHost,
  loadPrices,
  loadRequestRoot,
  loadStake,
  loadTerms,
  requireState,
  type Stake,
  storeHead,
  storeResult,
  storeStake,
} from "./attribution-state.ts";
import { contributionSlot, loadExtent, loadOrigin, STATUS } from "./datanet-state.ts";
import { LIMITS } from "./limits.ts";
import { loadData, loadModelHead, modelSlot } from "./models-state.ts";

type Context = PrecompileContext;

/** docs/precompiles.md "Gas". */
const SPAN_GAS = 50n;
const CHUNK_GAS = 130n;

export const commitOutput: Handler<"commitOutput"> = (context, args) => {
  const { inferenceId, outputRoot, outputBytes, output, spans, signature } = args;
  const { slot, head } = requireState(context, inferenceId, STATE.requested);
  const { escrow, commitDeadline } = loadEscrow(context, slot);
  if (context.timestamp > commitDeadline) throw error("DeadlinePassed", { inferenceId, deadline: commitDeadline });

  const isPublic = head.audience === AUDIENCE.public;
  requireOutput(context, isPublic, outputRoot, outputBytes, output);
  requireSpans(context, spans, outputBytes, head.minSpan, isPublic ? output : undefined);
  const { host, requestBytes, requestedAt } = loadHost(context, slot);
  requireLiveData(context, head.modelId, requestedAt, spans);

  const terms = loadTerms(context, slot);
  const fee = feeWei({ ...loadPrices(context, slot), platformFeeWei: terms.platformFee }, requestBytes, outputBytes);
  if (fee > escrow) throw error("FeeExceedsEscrow", { fee, escrow });
  const stakeLocked = fee * BigInt(terms.stakeMultiple);
  const stake = requireFreeStake(context, host, stakeLocked);

  // The dearest check last.
  const spansHash = context.keccak(encodeSpans(spans));
  const requestRoot = loadRequestRoot(context, slot);
  requireSignature(context, { inferenceId, requestRoot, outputRoot, outputBytes, spansHash }, signature, host);

  const covered = coveredBytes(spans);
  const settleAfter = context.timestamp + BigInt(terms.settleWindowSeconds);
  storeHead(context, slot, { ...head, state: STATE.committed });
  storeResult(context, slot, outputRoot, spansHash, { fee, outputBytes, coveredBytes: covered, settleAfter });
  storeStake(context, host, { ...stake, locked: stake.locked + stakeLocked });
  emit(context, "OutputCommitted", {
    inferenceId,
    modelId: head.modelId,
    host,
    outputRoot,
    outputBytes,
    coveredBytes: covered,
    fee,
    stakeLocked,
    settleAfter,
    spans,
  });
};

function requireOutput(
  context: Context,
  isPublic: boolean,
  outputRoot: Uint8Array,
  outputBytes: number,
  output: Uint8Array,
): void {
  if (outputBytes === 0) throw error("EmptyOutput", {});
  const limit = isPublic ? LIMITS.publicOutputBytes : LIMITS.privateOutputBytes;
  if (outputBytes > limit) throw error("OutputTooLong", { length: BigInt(outputBytes), limit: BigInt(limit) });
  if (!isPublic) {
    if (output.length > 0) throw error("OutputNotExpected", {});
    return;
  }
  if (output.length !== outputBytes) {
    throw error("OutputLengthMismatch", { given: BigInt(output.length), claimed: BigInt(outputBytes) });
  }
  // A leaf (84) and a node (48) at the price of the KECCAK256 opcode, for every chunk.
  context.useGas(CHUNK_GAS * BigInt(chunkCount(outputBytes) + 1));
  const computed = contentRoot(output);
  if (!equalsBytes(computed, outputRoot)) throw error("OutputMismatch", { computed, claimed: outputRoot });
}

function requireSpans(
  context: Context,
  spans: readonly Span[],
  outputBytes: number,
  minimum: number,
  output: Uint8Array | undefined,
): void {
  context.useGas(SPAN_GAS * BigInt(spans.length));
  const fault = findSpanFault(spans, outputBytes, minimum, output);
  switch (fault?.kind) {
    case undefined:
      return;
    case "too-many":
      throw error("TooManySpans", { count: BigInt(fault.count), limit: BigInt(MAX_SPANS) });
    case "too-short": {
      const length = BigInt(spans[fault.index]!.length);
      throw error("SpanTooShort", { index: BigInt(fault.index), length, minimum: BigInt(minimum) });
    }
    case "too-long": {
      const length = BigInt(spans[fault.index]!.length);
      throw error("SpanTooLong", { index: BigInt(fault.index), length, limit: BigInt(MAX_SPAN_BYTES) });
    }
    case "out-of-output":
      throw error("SpanOutOfOutput", { index: BigInt(fault.index) });
    case "not-rising":
      throw error("SpansNotRising", { index: BigInt(fault.index) });
    case "not-at-word":
      throw error("SpanNotAtWord", { index: BigInt(fault.index), position: BigInt(fault.position) });
  }
}

/** Each named contribution was live for the request (docs/spec.md "span-v1") and is long enough for its span. */
function requireLiveData(context: Context, modelId: bigint, requestedAt: bigint, spans: readonly Span[]): void {
  if (spans.length === 0) return;
  const model = modelSlot(context, modelId);
  const head = loadModelHead(context, model);
  if (head === undefined) throw new Error(`inference on model ${modelId}, which does not exist`);
  const counts = new Map(
    loadData(context, model, head.dataCount).map(({ datanetId, count }) => [datanetId, count] as const),
  );
  const sizes = new Map<bigint, bigint>();
  for (let i = 0; i < spans.length; i++) {
    const { contribution, contentOffset, length } = spans[i]!;
    let size = sizes.get(contribution);
    if (size === undefined) {
      size = liveSize(context, contribution, counts, requestedAt);
      if (size === undefined) {
        throw error("ContributionNotInModel", { index: BigInt(i), contributionId: contribution });
      }
      sizes.set(contribution, size);
    }
    if (contentOffset + BigInt(length) > size) throw error("SpanOutOfContent", { index: BigInt(i) });
  }
}

/** Size in bytes; undefined when the contribution was not live for a request in that block. */
function liveSize(
  context: Context,
  contributionId: bigint,
  counts: ReadonlyMap<bigint, number>,
  requestedAt: bigint,
): bigint | undefined {
  const slot = contributionSlot(context, contributionId);
  const origin = loadOrigin(context, slot);
  if (origin?.status !== STATUS.accepted) return undefined;
  const count = counts.get(origin.datanetId);
  if (count === undefined) return undefined;
  const { leafIndex, withdrawnAt, size } = loadExtent(context, slot);
  const consented = withdrawnAt === 0n || withdrawnAt > requestedAt;
  return leafIndex < count && consented ? size : undefined;
}

function requireFreeStake(context: Context, host: Uint8Array, required: bigint): Stake {
  const stake = loadStake(context, host);
  const free = stake.total - stake.locked;
  if (free < required) throw error("InsufficientStake", { free, required });
  return stake;
}
