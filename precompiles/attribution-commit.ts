/** Hosts' answers go on chain: output, spans and signature are checked, the fee is fixed, stake is locked. */
import { answerLeaf, batchRoot } from "../core/answer-batch.ts";
import { equalsBytes } from "../core/bytes.ts";
import { chunkCount, contentRoot, sealContentRoot } from "../core/content.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { coveredBytes, encodeSpans, findSpanFault, MAX_SPANS, type Span } from "../core/span-rule.ts";
import { requireSignature } from "./attribution-answer.ts";
import { AUDIENCE, emit, error, type Handler, type Inputs, STATE } from "./attribution-interface.ts";
import { loadLive, loadModelData } from "./attribution-live.ts";
import {
  type Found,
  feeOf,
  loadCounters,
  loadHost,
  loadRequestRoot,
  loadStake,
  loadTerms,
  requireInference,
  type Stake,
  settleAfter,
  storeBatchRoot,
  storeCounters,
  storeEscrow,
  storeStake,
  wrongState,
} from "./attribution-state.ts";
import { LIMITS } from "./limits.ts";
import { hashOf } from "./storage.ts";

type Context = PrecompileContext;

/** docs/precompiles.md "Gas". */
const SPAN_GAS = 50n;
const CHUNK_GAS = 130n;
const TREE_ROOT_BYTES = 32;

type Answer = Inputs<"commitOutputs">["answers"][number];

export const commitOutputs: Handler<"commitOutputs"> = (context, { answers }) => {
  requireItems(answers.length);
  const counters = loadCounters(context);
  const batchId = counters.batches + 1n;
  const leaves: Uint8Array[] = [];
  let closed: Found | undefined;
  for (const answer of answers) {
    const found = requireInference(context, answer.inferenceId);
    // Somebody else was quicker with this one: the others stand all the same.
    if (found.state !== STATE.requested) closed ??= found;
    else leaves.push(commitAnswer(context, found, answer, batchId, leaves.length));
  }
  if (leaves.length === 0) throw wrongState(closed!);

  const root = batchRoot(leaves, hashOf(context));
  storeCounters(context, { ...counters, batches: batchId });
  storeBatchRoot(context, batchId, root);
  emit(context, "BatchCommitted", { batchId, root, count: leaves.length });
  return batchId;
};

/** Reverts with EmptyBatch or TooManyItems. */
export function requireItems(count: number): void {
  if (count === 0) throw error("EmptyBatch", {});
  if (count > LIMITS.batchItems)
    throw error("TooManyItems", { count: BigInt(count), limit: BigInt(LIMITS.batchItems) });
}

/** Checks the answer, locks the stake, and returns the answer's leaf. */
function commitAnswer(context: Context, found: Found, answer: Answer, batchId: bigint, index: number): Uint8Array {
  const { inferenceId, outputRoot, outputBytes, output, spans, signature } = answer;
  const { slot, head, escrow } = found;
  const { commitDeadline } = escrow;
  if (context.timestamp > commitDeadline) throw error("DeadlinePassed", { inferenceId, deadline: commitDeadline });

  const isPublic = head.audience === AUDIENCE.public;
  // A contract's input is nowhere to be read: a host could lie where nobody sees the output.
  if (isPublic && !context.isTopLevel) throw error("NotDirect", { inferenceId });
  requireOutput(context, isPublic, outputRoot, outputBytes, output);
  requireSpans(context, spans, outputBytes, head.minSpan, isPublic ? output : undefined);
  const served = loadHost(context, slot);
  const { host, requestBytes, requestedAt } = served;
  requireLiveData(context, head.modelId, requestedAt, spans);

  const terms = loadTerms(context, served);
  const fee = feeOf(terms, requestBytes, outputBytes);
  if (fee > escrow.escrow) throw error("FeeExceedsEscrow", { fee, escrow: escrow.escrow });
  const stakeLocked = fee * BigInt(terms.stakeMultiple);
  const stake = requireFreeStake(context, host, stakeLocked);

  // The dearest check last.
  const spansHash = context.keccak(encodeSpans(spans));
  const requestRoot = loadRequestRoot(context, slot);
  requireSignature(context, { inferenceId, requestRoot, outputRoot, outputBytes, spansHash }, signature, host);

  const committed = { ...escrow, committedAt: context.timestamp, batchId };
  storeEscrow(context, slot, committed);
  if (stakeLocked !== 0n) storeStake(context, host, { ...stake, locked: stake.locked + stakeLocked });
  emit(context, "OutputCommitted", {
    inferenceId,
    modelId: head.modelId,
    host,
    batchId,
    index,
    outputRoot,
    outputBytes,
    coveredBytes: coveredBytes(spans),
    fee,
    stakeLocked,
    settleAfter: settleAfter({ ...found, state: STATE.committed, escrow: committed }, terms),
    spans,
  });
  return answerLeaf({ inferenceId, outputRoot, outputBytes, spansHash }, hashOf(context));
}

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
  const expected = isPublic ? outputBytes : TREE_ROOT_BYTES;
  if (output.length !== expected) {
    throw error("OutputLengthMismatch", { given: BigInt(output.length), expected: BigInt(expected) });
  }
  // A leaf (84) and a node (48) at the price of the KECCAK256 opcode, for every chunk.
  context.useGas(CHUNK_GAS * BigInt((isPublic ? chunkCount(outputBytes) : 0) + 1));
  const computed = isPublic ? contentRoot(output) : sealContentRoot(outputBytes, output);
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
    case "out-of-output":
      throw error("SpanOutOfOutput", { index: BigInt(fault.index) });
    case "across-windows":
      throw error("SpanAcrossWindows", { index: BigInt(fault.index) });
    case "not-rising":
      throw error("SpansNotRising", { index: BigInt(fault.index) });
    case "not-at-word":
      throw error("SpanNotAtWord", { index: BigInt(fault.index), position: BigInt(fault.position) });
  }
}

/** Each named contribution was live for the request and is long enough for its span. */
function requireLiveData(context: Context, modelId: bigint, requestedAt: bigint, spans: readonly Span[]): void {
  if (spans.length === 0) return;
  const data = loadModelData(context, modelId);
  const sizes = new Map<bigint, bigint>();
  for (let i = 0; i < spans.length; i++) {
    const { contribution, contentOffset, length } = spans[i]!;
    let size = sizes.get(contribution);
    if (size === undefined) {
      size = loadLive(context, contribution, data, requestedAt)?.size;
      if (size === undefined) {
        throw error("ContributionNotInModel", { index: BigInt(i), contributionId: contribution });
      }
      sizes.set(contribution, size);
    }
    if (contentOffset + BigInt(length) > size) throw error("SpanOutOfContent", { index: BigInt(i) });
  }
}

function requireFreeStake(context: Context, host: Uint8Array, required: bigint): Stake {
  const stake = loadStake(context, host);
  const free = stake.total - stake.locked;
  if (free < required) throw error("InsufficientStake", { free, required });
  return stake;
}
