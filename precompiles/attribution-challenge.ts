/**
 * Challenges of a committed answer (docs/spec.md "Challenges"): each shows bytes of the output, and of a contribution,
 * with proofs. One that shows a fault voids the claim; any other reverts and says why it shows none.
 */
import { equalsBytes, ZERO_32 } from "../core/bytes.ts";
import { CHUNK_BYTES, contentRangeRoot } from "../core/content.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { findOmissionFault, isBoundary, isWithinWindow, type Span, WINDOW_BYTES, windowOf } from "../core/span-rule.ts";
import { requireSignature } from "./attribution-answer.ts";
import { type Claim, type Committed, requireChallengeable, requireClaim } from "./attribution-claim.ts";
import { error, FAULT, type Handler, type Inputs } from "./attribution-interface.ts";
import { type ContentOf, loadClaimedContent, loadLive, loadModelData, loadRootOf } from "./attribution-live.ts";
import { loadRequestRoot, requireInference } from "./attribution-state.ts";
import { voidClaim } from "./attribution-void.ts";
import { loadOrigin } from "./datanet-state.ts";
import { hashOf } from "./storage.ts";

type Context = PrecompileContext;
type Chunks = Inputs<"proveBoundary">["output"];

/** A look at one claimed span: docs/precompiles.md "Gas". */
const SPAN_GAS = 50n;

export const proveMismatch: Handler<"proveMismatch"> = (context, { claim, spanIndex, at, output, content }) => {
  const committed = requireOpenClaim(context, claim);
  const span = requireSpan(claim, spanIndex);
  if (at >= span.length) throw error("IndexOutOfRange", { index: BigInt(at), length: BigInt(span.length) });
  const contribution = loadClaimedContent(context, span.contribution);
  const claimed = contentBytes(context, contribution, content, span.contentOffset + BigInt(at), 1);
  const actual = outputBytes(context, claim, output, span.outputStart + at, 1);
  if (claimed[0] === actual[0]) throw error("SpanHolds", { spanIndex });
  voidClaim(context, committed, { fault: FAULT.mismatch, ...byCaller(context) });
};

export const proveBoundary: Handler<"proveBoundary"> = (context, { claim, spanIndex, output }) => {
  const committed = requireOpenClaim(context, claim);
  const { outputStart, length } = requireSpan(claim, spanIndex);
  const window = requireWindow(context, claim, output, outputStart);
  if (window.isBoundary(outputStart) && window.isBoundary(outputStart + length))
    throw error("SpanHolds", { spanIndex });
  voidClaim(context, committed, { fault: FAULT.boundary, ...byCaller(context) });
};

export const proveOmission: Handler<"proveOmission"> = (context, args) => {
  const { claim, start, length, contributionId, contentOffset, output, content } = args;
  const committed = requireOpenClaim(context, claim);
  const end = start + length;
  if (length === 0 || end > claim.outputBytes || !isWithinWindow(start, end)) {
    throw error("RangeNotInWindow", { start: BigInt(start), end: BigInt(end) });
  }
  const minimum = committed.head.minSpan;
  if (length < minimum) throw error("RangeTooShort", { length: BigInt(length), minimum: BigInt(minimum) });
  context.useGas(SPAN_GAS * BigInt(claim.spans.length));
  requireOmitted(claim.spans, start, length);

  const contribution = requireLive(context, committed, contributionId);
  const window = requireWindow(context, claim, output, start);
  for (const position of [start, end]) {
    if (!window.isBoundary(position)) throw error("RangeNotAtWord", { position: BigInt(position) });
  }
  const found = contentBytes(context, contribution, content, contentOffset, length);
  requireEqual(window.bytes(start, length), found);
  voidClaim(context, committed, {
    fault: FAULT.omission,
    challenger: context.caller,
    contributionId,
    leftOut: loadOrigin(context, contribution.slot).contributor,
  });
};

export const proveEarlierHolder: Handler<"proveEarlierHolder"> = (context, args) => {
  const { claim, spanIndex, contributionId, contentOffset, output, content } = args;
  const committed = requireOpenClaim(context, claim);
  const { outputStart, length, contribution: claimed } = requireSpan(claim, spanIndex);
  if (contributionId >= claimed) throw error("NotEarlier", { contributionId, claimed });
  const contribution = requireLive(context, committed, contributionId);
  const actual = outputBytes(context, claim, output, outputStart, length);
  requireEqual(actual, contentBytes(context, contribution, content, contentOffset, length));
  voidClaim(context, committed, {
    fault: FAULT.earlierHolder,
    challenger: context.caller,
    contributionId,
    leftOut: loadOrigin(context, contribution.slot).contributor,
  });
};

export const proveContradiction: Handler<"proveContradiction"> = (context, args) => {
  const { claim, outputRoot, outputBytes, spansHash, signature } = args;
  const committed = requireOpenClaim(context, claim);
  const same =
    outputBytes === claim.outputBytes &&
    equalsBytes(outputRoot, claim.outputRoot) &&
    equalsBytes(spansHash, committed.spansHash);
  if (same) throw error("SameAnswer", {});
  const { inferenceId, slot, served } = committed;
  const requestRoot = loadRequestRoot(context, slot);
  const other = { inferenceId, requestRoot, outputRoot, outputBytes, spansHash };
  requireSignature(context, other, signature, served.host);
  voidClaim(context, committed, { fault: FAULT.contradiction, ...byCaller(context) });
};

const byCaller = (context: Context) => ({
  challenger: context.caller,
  contributionId: 0n,
  leftOut: undefined,
});

function requireOpenClaim(context: Context, claim: Claim): Committed {
  const found = requireInference(context, claim.inferenceId);
  requireChallengeable(context, found);
  return requireClaim(context, found, claim);
}

function requireSpan({ spans }: Claim, spanIndex: bigint): Span {
  const span = spanIndex < BigInt(spans.length) ? spans[Number(spanIndex)] : undefined;
  if (span === undefined) throw error("IndexOutOfRange", { index: spanIndex, length: BigInt(spans.length) });
  return span;
}

function requireLive(context: Context, { head, served }: Committed, contributionId: bigint): ContentOf {
  const live = loadLive(context, contributionId, loadModelData(context, head.modelId), served.requestedAt);
  if (live === undefined) throw error("ContributionNotInModel", { index: 0n, contributionId });
  return live;
}

function requireOmitted(spans: readonly Span[], start: number, length: number): void {
  const fault = findOmissionFault(spans, start, length);
  if (fault === undefined) return;
  if (fault.kind === "covered") throw error("RangeCovered", { spanIndex: BigInt(fault.index) });
  throw error("RangeNotLongest", { length: BigInt(length), shortest: BigInt(fault.shortest) });
}

function requireEqual(expected: Uint8Array, found: Uint8Array): void {
  for (let i = 0; i < expected.length; i++) {
    if (expected[i] !== found[i]) throw error("ContentDiffers", { at: BigInt(i) });
  }
}

const outputBytes = (context: Context, claim: Claim, chunks: Chunks, start: number, length: number): Uint8Array =>
  provenBytes(context, claim.outputRoot, claim.outputBytes, chunks, start, length);

/** A size or offset above 2^53 is no content that anybody holds; as a number it leads to no root. */
const contentBytes = (
  context: Context,
  contribution: ContentOf,
  chunks: Chunks,
  offset: bigint,
  length: number,
): Uint8Array =>
  provenBytes(context, loadRootOf(context, contribution), Number(contribution.size), chunks, Number(offset), length);

interface Window {
  bytes(start: number, length: number): Uint8Array;
  isBoundary(position: number): boolean;
}

/** The window of the output that holds the byte at `position`. Its edges are boundaries, so it decides about all within. */
function requireWindow(context: Context, claim: Claim, chunks: Chunks, position: number): Window {
  const from = windowOf(position) * WINDOW_BYTES;
  const bytes = outputBytes(context, claim, chunks, from, Math.min(WINDOW_BYTES, claim.outputBytes - from));
  return {
    bytes: (start, length) => bytes.subarray(start - from, start - from + length),
    isBoundary: (at) => isBoundary(bytes, at - from),
  };
}

/** Bytes [start, start + length) of a content of `size` bytes, out of chunks that lead to its root. */
export function provenBytes(
  context: Context,
  root: Uint8Array,
  size: number,
  { first, data, siblings }: Chunks,
  start: number,
  length: number,
): Uint8Array {
  const from = Number(first) * CHUNK_BYTES;
  if (start < from || start + length > from + data.length) {
    throw error("ChunksMissing", { start: BigInt(start), end: BigInt(start + length) });
  }
  const computed = contentRangeRoot(size, { first: Number(first), data, siblings }, hashOf(context));
  if (computed === undefined || !equalsBytes(computed, root)) {
    throw error("InvalidProof", { computed: computed ?? ZERO_32, root });
  }
  return data.subarray(start - from, start - from + length);
}
