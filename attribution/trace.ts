/** Rule span-v1 (docs/spec.md): which ranges of an output repeat which contributions. */
import { isBoundary, MAX_SPANS, type Span, WINDOW_BYTES } from "../core/span-rule.ts";
import type { SpanIndex } from "./span-index.ts";

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The spans of `output` against the contributions in `index`, in the order of their starts.
 * Precondition: 1 <= minSpanBytes. Cost: two queries for each maximal match, one for each word or so outside of matches,
 * one for each span.
 */
export function traceSpans(index: SpanIndex, output: Uint8Array, minSpanBytes: number): Span[] {
  const matches: Range[] = [];
  // A match lies within one window, so windows know nothing of each other.
  for (let start = 0; start < output.length; start += WINDOW_BYTES) {
    const boundaries = wordBoundaries(output, start, Math.min(start + WINDOW_BYTES, output.length));
    findMaximalMatches(index, output, boundaries, minSpanBytes, matches);
  }
  return longest(matches).map(({ start, end }) => {
    const holder = index.earliest(output, start, end)!; // rule 5: a match occurs
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
 * earlier starts. So a start only counts when it reaches `goal`: the first boundary beyond all that was reached and far
 * enough for the minimum. Starts from which the goal cannot be reached are passed over at once: how far back the bytes
 * up to the goal occur, one query tells; when not even the minimum does, only starts nearer to the goal are left, which
 * have goals of their own. What is passed over is too short or not maximal, for goals rise with starts.
 */
function findMaximalMatches(
  index: SpanIndex,
  output: Uint8Array,
  boundaries: Int32Array,
  minimum: number,
  matches: Range[],
): void {
  const last = boundaries.length - 1;
  const windowEnd = boundaries[last]!;
  let reached = 0;
  let known = -1; // the goal that the start at hand is known to reach
  let isSliding = false; // repetition: the last start that was asked for was the next one
  for (let at = 0; at < last; ) {
    const start = boundaries[at]!;
    const goal = Math.max(reached + 1, firstAtLeast(boundaries, start + minimum));
    if (goal > last) return;
    const end = boundaries[goal]!;
    let length = 0;
    if (goal === known || isSliding) length = index.longestMatch(output, start, windowEnd);
    if (start + length < end) {
      if (goal === known)
        throw new Error("the index contradicts itself: what occurs backwards does not occur forwards");
      const back = index.longestMatchBefore(output, start, end, minimum);
      const first = firstAtLeast(boundaries, end - (back > 0 ? back : minimum - 1));
      isSliding = first === at;
      if (back > 0) known = goal;
      at = first;
      continue;
    }
    reached = firstAtLeast(boundaries, start + length + 1) - 1;
    matches.push({ start, end: boundaries[reached]! });
    at++;
  }
}

/** Rule 4. */
function longest(matches: readonly Range[]): readonly Range[] {
  if (matches.length <= MAX_SPANS) return matches;
  return matches
    .toSorted((a, b) => b.end - b.start - (a.end - a.start) || a.start - b.start)
    .slice(0, MAX_SPANS)
    .sort((a, b) => a.start - b.start);
}

/** Index of the first boundary that is at least `position`, their number when there is none. */
function firstAtLeast(boundaries: Int32Array, position: number): number {
  let low = 0;
  let high = boundaries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (boundaries[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
