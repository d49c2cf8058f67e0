/** Rule span-v1 (docs/spec.md): which ranges of an output repeat which contributions. */
import { isBoundary, MAX_SPAN_BYTES, MAX_SPANS, type Span } from "../core/span-rule.ts";
import { type CorpusIndex, earliest, findInterval, longestMatch } from "./corpus-index.ts";

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The spans of `output` against the contributions in `index`, in the order of their starts.
 * Precondition: 1 <= minSpanBytes. Cost: a longest-match query for each word outside matches, a few for each maximal
 * match, one interval query for each span.
 */
export function traceSpans(index: CorpusIndex, output: Uint8Array, minSpanBytes: number): Span[] {
  const boundaries = wordBoundaries(output);
  const pieces = maximalMatches(index, output, boundaries, minSpanBytes) // rules 1 and 2
    .flatMap((match) => cut(match, boundaries)) // rule 3
    .filter(({ start, end }) => end - start >= minSpanBytes);
  return longest(withoutContained(pieces)).map(({ start, end }) => {
    const holder = earliest(index, findInterval(index, output, start, end)); // rule 6
    return {
      outputStart: start,
      length: end - start,
      contribution: holder.id,
      contentOffset: BigInt(holder.offset),
    };
  });
}

function wordBoundaries(output: Uint8Array): Int32Array {
  const positions = new Int32Array(output.length + 1);
  let found = 0;
  for (let p = 0; p <= output.length; p++) if (isBoundary(output, p)) positions[found++] = p;
  return positions.slice(0, found);
}

/**
 * Rules 1 and 2. Dropping bytes from the left of a match leaves a match, so the farthest end that a start reaches never
 * falls as starts rise, and a start's longest match is maximal exactly when it ends beyond those of all earlier starts.
 * After a match that ends at boundary b, the next start that can reach farther is found by halving: it is the first
 * from which the bytes up to the boundary after b occur.
 */
function maximalMatches(index: CorpusIndex, output: Uint8Array, boundaries: Int32Array, minimum: number): Range[] {
  const matches: Range[] = [];
  const last = boundaries.length - 1;
  for (let at = 0; at < last && output.length - boundaries[at]! >= minimum; ) {
    const start = boundaries[at]!;
    const reached = lastAtMost(boundaries, start + longestMatch(index, output, start, output.length));
    const end = boundaries[reached]!;
    if (end - start < minimum) {
      at++;
      continue;
    }
    matches.push({ start, end });
    if (reached === last) break;
    at = firstReaching(index, output, boundaries, at + 1, reached + 1);
  }
  return matches;
}

/** First boundary index in [from, target] from which the output up to boundary `target` occurs; at itself, nothing is left. */
function firstReaching(
  index: CorpusIndex,
  output: Uint8Array,
  boundaries: Int32Array,
  from: number,
  target: number,
): number {
  const end = boundaries[target]!;
  let low = from;
  let high = target;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const start = boundaries[middle]!;
    if (longestMatch(index, output, start, end) === end - start) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Rule 3: pieces of at most 1,024 bytes from the left, each ending at the last boundary that fits. */
function cut({ start, end }: Range, boundaries: Int32Array): Range[] {
  const pieces: Range[] = [];
  let from = start;
  while (end - from > MAX_SPAN_BYTES) {
    const last = lastAtMost(boundaries, from + MAX_SPAN_BYTES);
    const to = boundaries[last]!;
    if (to > from) pieces.push({ start: from, end: to });
    // A single word or a run of continuation bytes fills the piece: it stays uncovered.
    from = to > from ? to : boundaries[last + 1]!;
  }
  if (end > from) pieces.push({ start: from, end });
  return pieces;
}

/** Rule 4. Sorted by start and, of equal starts, longest first, a piece is contained when its end is not a new one. */
function withoutContained(pieces: readonly Range[]): Range[] {
  const sorted = pieces.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const kept: Range[] = [];
  let reached = -1;
  for (const piece of sorted) {
    if (piece.end <= reached) continue;
    kept.push(piece);
    reached = piece.end;
  }
  return kept;
}

/** Rule 5. */
function longest(pieces: readonly Range[]): Range[] {
  if (pieces.length <= MAX_SPANS) return [...pieces];
  return pieces
    .toSorted((a, b) => b.end - b.start - (a.end - a.start) || a.start - b.start)
    .slice(0, MAX_SPANS)
    .sort((a, b) => a.start - b.start);
}

/** Index of the largest boundary that is at most `position`. Boundary 0 always exists. */
function lastAtMost(boundaries: Int32Array, position: number): number {
  let low = 0;
  let high = boundaries.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (boundaries[middle]! <= position) low = middle;
    else high = middle;
  }
  return low;
}
