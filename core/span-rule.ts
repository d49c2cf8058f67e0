/**
 * Rule span-v1 as arithmetic (docs/spec.md "Words", "span-v1"): what the tracing engine, the attribution precompile
 * and any checker must compute alike. core/settlement.ts holds what the spans are paid.
 */
import { keccak256 } from "./crypto.ts";

/** A span lies within one window of the output: window k begins at k times this. */
export const WINDOW_BYTES = 1024;
export const MAX_SPANS = 64;

/** One claimed match. `contribution` and `contentOffset` are uint64, the others uint32. */
export interface Span {
  readonly outputStart: number;
  readonly length: number;
  readonly contribution: bigint;
  readonly contentOffset: bigint;
}

/** 1 for 0-9 A-Z a-z _ ' */
const WORD = new Uint8Array(256);
for (const character of "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_'") {
  WORD[character.charCodeAt(0)] = 1;
}

export const isWordByte = (byte: number): boolean => WORD[byte] === 1;

/**
 * Whether position `p`, 0 to `output.length`, lies at a window's edge, or neither inside a word nor inside a UTF-8
 * character.
 */
export function isBoundary(output: Uint8Array, p: number): boolean {
  if (p % WINDOW_BYTES === 0 || p >= output.length) return p >= 0 && p <= output.length;
  const byte = output[p]!;
  if (byte >= 0x80 && byte <= 0xbf) return false;
  return WORD[byte] === 0 || WORD[output[p - 1]!] === 0;
}

export const windowOf = (position: number): number => Math.floor(position / WINDOW_BYTES);

/** Precondition: start < end. */
export const isWithinWindow = (start: number, end: number): boolean => windowOf(start) === windowOf(end - 1);

/**
 * What each span weighs: the bytes that it owns. A byte that several spans cover belongs to the one of the lowest
 * contribution, of equal ones to the first. The weights sum to coveredBytes.
 * Precondition: starts and ends strictly rising. Cost: for each span the spans that overlap it.
 */
export function spanWeights(spans: readonly Span[]): number[] {
  const owned = new Array<number>(spans.length).fill(0);
  const edges = [...new Set(spans.flatMap(({ outputStart, length }) => [outputStart, outputStart + length]))];
  edges.sort((a, b) => a - b);
  let first = 0;
  for (let i = 0; i + 1 < edges.length; i++) {
    const from = edges[i]!;
    while (first < spans.length && spans[first]!.outputStart + spans[first]!.length <= from) first++;
    let owner = -1;
    for (let k = first; k < spans.length && spans[k]!.outputStart <= from; k++) {
      if (owner < 0 || spans[k]!.contribution < spans[owner]!.contribution) owner = k;
    }
    if (owner >= 0) owned[owner]! += edges[i + 1]! - from;
  }
  return owned;
}

/** Size of the union. Precondition: starts and ends strictly rising. */
export function coveredBytes(spans: readonly Pick<Span, "outputStart" | "length">[]): number {
  let covered = 0;
  let end = 0;
  for (const span of spans) {
    const spanEnd = span.outputStart + span.length;
    covered += spanEnd - Math.max(span.outputStart, end);
    end = spanEnd;
  }
  return covered;
}

/** The first fault of a span list, in the order in which the precompile reports it. */
export type SpanFault =
  | { readonly kind: "too-many"; readonly count: number }
  | { readonly kind: "too-short"; readonly index: number }
  | { readonly kind: "out-of-output"; readonly index: number }
  | { readonly kind: "across-windows"; readonly index: number }
  | { readonly kind: "not-rising"; readonly index: number }
  | { readonly kind: "not-at-word"; readonly index: number; readonly position: number };

/**
 * Checks everything that needs no contribution: count, lengths, range, order and, where the output is known,
 * word boundaries. `output` is undefined for a private audience.
 */
export function findSpanFault(
  spans: readonly Span[],
  outputBytes: number,
  minSpanBytes: number,
  output: Uint8Array | undefined,
): SpanFault | undefined {
  if (spans.length > MAX_SPANS) return { kind: "too-many", count: spans.length };
  let previousStart = -1;
  let previousEnd = -1;
  for (let index = 0; index < spans.length; index++) {
    const { outputStart: start, length } = spans[index]!;
    const end = start + length;
    if (length < minSpanBytes || length === 0) return { kind: "too-short", index };
    if (end > outputBytes) return { kind: "out-of-output", index };
    if (!isWithinWindow(start, end)) return { kind: "across-windows", index };
    if (start <= previousStart || end <= previousEnd) return { kind: "not-rising", index };
    if (output !== undefined) {
      if (!isBoundary(output, start)) return { kind: "not-at-word", index, position: start };
      if (!isBoundary(output, end)) return { kind: "not-at-word", index, position: end };
    }
    previousStart = start;
    previousEnd = end;
  }
  return undefined;
}

/** Why a match at [start, start + length) is no omission from a list. */
export type OmissionFault =
  | { readonly kind: "covered"; readonly index: number }
  | { readonly kind: "not-longest"; readonly shortest: number };

/**
 * Undefined when the match refutes the list: no span contains it and, where all 64 places are taken, it goes before the
 * span that would have to make room. That one is, of the shortest, the one that starts last.
 */
export function findOmissionFault(spans: readonly Span[], start: number, length: number): OmissionFault | undefined {
  const end = start + length;
  const index = spans.findIndex((span) => span.outputStart <= start && end <= span.outputStart + span.length);
  if (index >= 0) return { kind: "covered", index };
  if (spans.length < MAX_SPANS) return undefined;
  const last = spans.reduce((worst, span) => (span.length <= worst.length ? span : worst));
  const goesBefore = length > last.length || (length === last.length && start < last.outputStart);
  return goesBefore ? undefined : { kind: "not-longest", shortest: last.length };
}

/** abi.encode(Span[]): 32 ‖ count ‖ four 32-byte words a span. */
export function encodeSpans(spans: readonly Span[]): Uint8Array {
  const bytes = new Uint8Array(64 + spans.length * 128);
  const view = new DataView(bytes.buffer);
  view.setUint32(28, 32);
  view.setUint32(60, spans.length);
  let at = 64;
  for (const span of spans) {
    view.setUint32(at + 28, span.outputStart);
    view.setUint32(at + 60, span.length);
    view.setBigUint64(at + 88, span.contribution);
    view.setBigUint64(at + 120, span.contentOffset);
    at += 128;
  }
  return bytes;
}

/** What a signed answer and the chain commit to: keccak256(abi.encode(spans)). */
export const spansHash = (spans: readonly Span[]): Uint8Array => keccak256(encodeSpans(spans));
