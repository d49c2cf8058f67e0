/**
 * Challenges of a committed answer (docs/spec.md "Challenges"): what is wrong with a list of spans, and the call of the
 * attribution precompile that proves it. Pure: outputs and contents are given.
 */
import { bytesToHex, type Hex } from "../core/bytes.ts";
import { CHUNK_BYTES, ContentTree } from "../core/content.ts";
import { findOmissionFault, isBoundary, type Span, WINDOW_BYTES, windowOf } from "../core/span-rule.ts";

/** IAttribution.Claim */
export interface Claim {
  readonly inferenceId: bigint;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
  readonly proof: readonly Hex[];
}

export type Challenge =
  | { readonly kind: "mismatch"; readonly spanIndex: number; readonly at: number; readonly contribution: bigint }
  | { readonly kind: "boundary"; readonly spanIndex: number }
  | {
      readonly kind: "omission";
      readonly start: number;
      readonly length: number;
      readonly contribution: bigint;
      readonly contentOffset: bigint;
    }
  | {
      readonly kind: "earlier-holder";
      readonly spanIndex: number;
      readonly contribution: bigint;
      readonly contentOffset: bigint;
    };

export interface Judgement {
  /** The claimed spans, as a commitment admits them: rising, each within a window. */
  readonly spans: readonly Span[];
  readonly output: Uint8Array;
  /** The spans that rule span-v1 gives (attribution/trace.ts) over the live contributions. */
  readonly expected: readonly Span[];
  /** Lowest live contribution that holds output[start..end), and an offset there. */
  readonly earliest: (start: number, end: number) => { readonly id: bigint; readonly offset: number } | undefined;
  /** Content of a claimed contribution. */
  readonly content: (contribution: bigint) => Uint8Array;
}

/** A challenge that the precompile upholds; undefined exactly when the claim is right, content offsets aside. */
export function findChallenge({ spans, output, expected, earliest, content }: Judgement): Challenge | undefined {
  for (const [spanIndex, span] of spans.entries()) {
    const at = firstDifference(span, output, content(span.contribution));
    if (at !== undefined) return { kind: "mismatch", spanIndex, at, contribution: span.contribution };
    const end = span.outputStart + span.length;
    if (!isBoundary(output, span.outputStart) || !isBoundary(output, end)) return { kind: "boundary", spanIndex };
    const holder = earliest(span.outputStart, end);
    if (holder !== undefined && holder.id < span.contribution) {
      const contentOffset = BigInt(holder.offset);
      return { kind: "earlier-holder", spanIndex, contribution: holder.id, contentOffset };
    }
  }
  for (const { outputStart: start, length, contribution, contentOffset } of expected) {
    if (findOmissionFault(spans, start, length) !== undefined) continue;
    return { kind: "omission", start, length, contribution, contentOffset };
  }
  return undefined;
}

function firstDifference(
  { outputStart, length, contentOffset }: Span,
  output: Uint8Array,
  content: Uint8Array,
): number | undefined {
  const offset = Number(contentOffset);
  for (let i = 0; i < length; i++) if (output[outputStart + i] !== content[offset + i]) return i;
  return undefined;
}

/** IAttribution.Chunks */
export interface Chunks {
  readonly first: bigint;
  readonly data: Hex;
  readonly siblings: readonly Hex[];
}

/** The chunks that hold bytes [start, end), with their proof. */
export function chunksOf(bytes: Uint8Array, start: number, end: number, tree = new ContentTree(bytes)): Chunks {
  const first = Math.floor(start / CHUNK_BYTES);
  const last = Math.floor((end - 1) / CHUNK_BYTES);
  return {
    first: BigInt(first),
    data: bytesToHex(bytes.subarray(first * CHUNK_BYTES, (last + 1) * CHUNK_BYTES)),
    siblings: tree.rangeProof(first, last).map(bytesToHex),
  };
}

/** The window of an output that holds the byte at `position`. */
function windowChunks(output: Uint8Array, position: number): Chunks {
  const from = windowOf(position) * WINDOW_BYTES;
  return chunksOf(output, from, Math.min(from + WINDOW_BYTES, output.length));
}

/** Function and arguments that prove the challenge. `content`: of the contribution that it names, if it names one. */
export function challengeCall(challenge: Challenge, claim: Claim, output: Uint8Array, content: Uint8Array | undefined) {
  switch (challenge.kind) {
    case "mismatch": {
      const { spanIndex, at } = challenge;
      const { outputStart, contentOffset } = claim.spans[spanIndex]!;
      const inContent = Number(contentOffset) + at;
      const shown = chunksOf(output, outputStart + at, outputStart + at + 1);
      const args = [claim, BigInt(spanIndex), at, shown, chunksOf(needed(content), inContent, inContent + 1)] as const;
      return { functionName: "proveMismatch", args } as const;
    }
    case "boundary": {
      const { spanIndex } = challenge;
      const window = windowChunks(output, claim.spans[spanIndex]!.outputStart);
      return { functionName: "proveBoundary", args: [claim, BigInt(spanIndex), window] } as const;
    }
    case "omission": {
      const { start, length, contribution, contentOffset } = challenge;
      const offset = Number(contentOffset);
      const held = chunksOf(needed(content), offset, offset + length);
      const window = windowChunks(output, start);
      const args = [claim, start, length, contribution, contentOffset, window, held] as const;
      return { functionName: "proveOmission", args } as const;
    }
    case "earlier-holder": {
      const { spanIndex, contribution, contentOffset } = challenge;
      const { outputStart, length } = claim.spans[spanIndex]!;
      const offset = Number(contentOffset);
      const held = chunksOf(needed(content), offset, offset + length);
      const shown = chunksOf(output, outputStart, outputStart + length);
      const args = [claim, BigInt(spanIndex), contribution, contentOffset, shown, held] as const;
      return { functionName: "proveEarlierHolder", args } as const;
    }
  }
}

function needed(content: Uint8Array | undefined): Uint8Array {
  if (content === undefined) throw new TypeError("this challenge needs the content of the contribution that it names");
  return content;
}
