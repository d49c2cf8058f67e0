/**
 * Rule span-v1 word by word from docs/spec.md, with no index and no cleverness: the oracle of the tests, the maker of
 * test/vectors/span-v1.json and the baseline of bench/attribution.ts. Quadratic in the output; not for serving.
 */
import type { Span } from "../core/span-rule.ts";
import type { CorpusDocument } from "./span-index.ts";

interface Range {
  readonly start: number;
  readonly end: number;
}

export function traceByDefinition(live: readonly CorpusDocument[], output: Uint8Array, m: number): Span[] {
  const documents = live.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const boundaries: number[] = [];
  for (let p = 0; p <= output.length; p++) if (boundary(output, p)) boundaries.push(p);

  // 1 and 2. The longest match at each boundary within its window; the shorter ones there are contained in it. What
  // begins with absent bytes is absent, so the ends that match come first and the last of them is found by halving.
  const occurs = (start: number, end: number) =>
    documents.some(({ bytes }) => offsetIn(bytes, output.subarray(start, end)) >= 0);
  const matches: Range[] = [];
  for (const start of boundaries) {
    const windowEnd = (Math.floor(start / 1024) + 1) * 1024;
    const ends = boundaries.filter((end) => end > start && end <= windowEnd && end - start >= m);
    let matching = 0;
    for (let unknown = ends.length; matching < unknown; ) {
      const middle = (matching + unknown) >> 1;
      if (occurs(start, ends[middle]!)) matching = middle + 1;
      else unknown = middle;
    }
    if (matching > 0) matches.push({ start, end: ends[matching - 1]! });
  }

  // 3. Those contained in no other match.
  const maximal = matches.filter((a) => !matches.some((b) => a !== b && contains(b, a)));

  // 4. The 64 longest.
  const chosen = maximal
    .toSorted((a, b) => b.end - b.start - (a.end - a.start) || a.start - b.start)
    .slice(0, 64)
    .sort((a, b) => a.start - b.start);

  // 5. Lowest id, lowest offset.
  return chosen.map(({ start, end }) => {
    for (const { id, bytes } of documents) {
      const offset = offsetIn(bytes, output.subarray(start, end));
      if (offset >= 0) {
        return { outputStart: start, length: end - start, contribution: id, contentOffset: BigInt(offset) };
      }
    }
    throw new Error("a match without a holder");
  });
}

const contains = (outer: Range, inner: Range) => outer.start <= inner.start && inner.end <= outer.end;

/** Lowest offset, -1 when absent. */
const offsetIn = (content: Uint8Array, part: Uint8Array) =>
  Buffer.from(content.buffer, content.byteOffset, content.length).indexOf(part);

// Written out again rather than imported: the oracle shares no code with the engine.
const word = (b: number | undefined) => b !== undefined && /^[0-9A-Za-z_']$/.test(String.fromCharCode(b));
const continues = (b: number | undefined) => b !== undefined && b >= 0x80 && b <= 0xbf;
const boundary = (out: Uint8Array, p: number) =>
  p % 1024 === 0 || p === out.length || !(continues(out[p]) || (word(out[p - 1]) && word(out[p])));
