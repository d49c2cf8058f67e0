/** The peer of the benchmarks of tracing: what one writes without an index. */
import type { CorpusDocument } from "../attribution/span-index.ts";
import { isBoundary, isWithinWindow, MAX_SPANS, type Span } from "../core/span-rule.ts";

/** For each word Buffer.indexOf over every contribution, resumed where the shorter match was found. */
export function traceByScan(corpus: readonly CorpusDocument[], text: Uint8Array, minSpan: number): Span[] {
  const buffers = corpus.map(({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  const boundaries = Array.from({ length: text.length + 1 }, (_, p) => p).filter((p) => isBoundary(text, p));
  const found: Span[] = [];
  let reached = 0;
  for (const start of boundaries) {
    const ends = boundaries.filter((end) => end > reached && end - start >= minSpan && isWithinWindow(start, end));
    let span: Span | undefined;
    for (const [i, buffer] of buffers.entries()) {
      let offset = 0;
      // A longer match lies at or after the first place of the shorter one; only longer ones than so far count.
      while (ends.length > 0) {
        offset = buffer.indexOf(text.subarray(start, ends[0]), offset);
        if (offset < 0) break;
        const length = ends.shift()! - start;
        span = { outputStart: start, length, contribution: corpus[i]!.id, contentOffset: BigInt(offset) };
      }
    }
    if (span === undefined) continue;
    found.push(span);
    reached = start + span.length;
  }
  return found
    .toSorted((a, b) => b.length - a.length || a.outputStart - b.outputStart)
    .slice(0, MAX_SPANS)
    .sort((a, b) => a.outputStart - b.outputStart);
}
