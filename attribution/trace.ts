/** Rule span-v1 (docs/spec.md): which ranges of an output repeat which contributions. */
import { isBoundary, MAX_SPANS, type Span, WINDOW_BYTES } from "../core/span-rule.ts";
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
  const matches: Range[] = [];
  // A match lies within one window, so windows know nothing of each other.
  for (let start = 0; start < output.length; start += WINDOW_BYTES) {
    const boundaries = wordBoundaries(output, start, Math.min(start + WINDOW_BYTES, output.length));
    findMaximalMatches(index, output, boundaries, minSpanBytes, matches);
  }
  return longest(matches).map(({ start, end }) => {
    const holder = earliest(index, findInterval(index, output, start, end)); // rule 5
    return {
      outputStart: start,
      length: end - start,
      contribution: holder.id,
      contentOffset: BigInt(holder.offset),
    };
  });
}

/** Those in [from, to], both of which are boundaries. */
function wordBoundaries(output: Uint8Array, from: number, to: number): Int32Array {
  const positions = new Int32Array(to - from + 1);
  let found = 0;
  for (let p = from; p <= to; p++) if (isBoundary(output, p)) positions[found++] = p;
  return positions.subarray(0, found);
}

/**
 * Rules 2 and 3 in one window. Dropping bytes from the left of a match leaves a match, so the farthest end that a start
 * reaches never falls as starts rise, and a start's longest match is maximal exactly when it ends beyond those of all
 * earlier starts. After a match that ends at boundary b, the next start that can reach farther is found by halving: it
 * is the first from which the bytes up to the boundary after b occur.
 */
function findMaximalMatches(
  index: CorpusIndex,
  output: Uint8Array,
  boundaries: Int32Array,
  minimum: number,
  matches: Range[],
): void {
  const last = boundaries.length - 1;
  const windowEnd = boundaries[last]!;
  for (let at = 0; at < last && windowEnd - boundaries[at]! >= minimum; ) {
    const start = boundaries[at]!;
    const reached = lastAtMost(boundaries, start + longestMatch(index, output, start, windowEnd));
    const end = boundaries[reached]!;
    if (end - start < minimum) {
      at++;
      continue;
    }
    matches.push({ start, end });
    if (reached === last) break;
    at = firstReaching(index, output, boundaries, at + 1, reached + 1);
  }
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

/** Rule 4. */
function longest(matches: readonly Range[]): readonly Range[] {
  if (matches.length <= MAX_SPANS) return matches;
  return matches
    .toSorted((a, b) => b.end - b.start - (a.end - a.start) || a.start - b.start)
    .slice(0, MAX_SPANS)
    .sort((a, b) => a.start - b.start);
}

/** Index of the largest boundary that is at most `position`. Precondition: the first one is. */
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
