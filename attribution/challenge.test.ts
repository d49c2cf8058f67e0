import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findOmissionFault, findSpanFault, isBoundary, MAX_SPANS, type Span, WINDOW_BYTES } from "../core/span-rule.ts";
import { findChallenge } from "./challenge.ts";
import { traceByDefinition } from "./trace-reference.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Few words, so that texts share much, in an order that matches rarely as a whole. */
const text = (maxLength: number) =>
  fc
    .array(fc.constantFrom("a", "bb", "cc", "d", "."), { minLength: 3, maxLength })
    .map((words) => utf8(words.join(" ")));

interface Document {
  readonly id: bigint;
  readonly bytes: Uint8Array;
}

const documents = fc
  .array(text(14), { minLength: 1, maxLength: 5 })
  .map((all): Document[] => all.map((bytes, i) => ({ id: BigInt(i + 1), bytes })));

const indexOf = (bytes: Uint8Array, part: Uint8Array): number => Buffer.from(bytes).indexOf(part);

function judge(all: readonly Document[], output: Uint8Array, m: number, spans: readonly Span[]) {
  return findChallenge({
    spans,
    output,
    expected: traceByDefinition(all, output, m),
    content: (id) => all.find((one) => one.id === id)!.bytes,
    earliest(start, end) {
      const part = output.subarray(start, end);
      const holder = all.find(({ bytes }) => indexOf(bytes, part) >= 0);
      return holder && { id: holder.id, offset: indexOf(holder.bytes, part) };
    },
  });
}

const withoutOffsets = (spans: readonly Span[]) => spans.map(({ contentOffset: _, ...span }) => span);

describe("exactly the wrong claims can be refuted", () => {
  const M = 4;
  /** Changes of a right list: each gives another list that a commitment would admit, or is skipped. */
  const lie = fc.record({
    kind: fc.constantFrom("shift", "foreign", "shorten", "lengthen", "omit", "add", "offset"),
    pick: fc.nat(20),
    amount: fc.integer({ min: -6, max: 6 }),
  });

  function tell(
    spans: readonly Span[],
    all: readonly Document[],
    { kind, pick, amount }: { kind: string; pick: number; amount: number },
  ): Span[] {
    if (kind === "add") {
      const added = { outputStart: pick, length: M + Math.abs(amount), contribution: all[0]!.id, contentOffset: 0n };
      return [...spans, added].sort((a, b) => a.outputStart - b.outputStart);
    }
    const i = pick % Math.max(1, spans.length);
    const span = spans[i];
    if (span === undefined) return [...spans];
    if (kind === "omit") return spans.filter((one) => one !== span);
    const foreign = all[Math.abs(amount) % all.length]!.id;
    const changed: Record<string, Span> = {
      shift: { ...span, outputStart: span.outputStart + amount },
      foreign: { ...span, contribution: foreign },
      shorten: { ...span, length: span.length - Math.abs(amount) },
      lengthen: { ...span, length: span.length + Math.abs(amount) },
      offset: { ...span, contentOffset: span.contentOffset + BigInt(amount) },
    };
    return spans.map((one) => (one === span ? changed[kind]! : one));
  }

  test("the rule's spans survive; any other admissible list does not", () => {
    const seen = { lies: 0 };
    fc.assert(
      fc.property(documents, text(30), fc.array(lie, { maxLength: 3 }), (all, output, lies) => {
        const right = traceByDefinition(all, output, M);
        expect(judge(all, output, M, right)).toBeUndefined();

        const claimed = lies.reduce((spans: readonly Span[], one) => tell(spans, all, one), right);
        const inContent = claimed.every(
          ({ contribution, contentOffset, length }) =>
            contentOffset >= 0n &&
            contentOffset + BigInt(length) <= BigInt(all.find(({ id }) => id === contribution)!.bytes.length),
        );
        // A private output's commitment: boundaries are not checked.
        const negative = claimed.some(({ outputStart, length }) => outputStart < 0 || length < 1);
        if (!inContent || negative || findSpanFault(claimed, output.length, M, undefined) !== undefined) return;
        const challenge = judge(all, output, M, claimed);
        const bytesHold = claimed.every(({ outputStart, length, contribution, contentOffset }) => {
          const held = all.find(({ id }) => id === contribution)!.bytes;
          const at = Number(contentOffset);
          return (
            Buffer.compare(held.subarray(at, at + length), output.subarray(outputStart, outputStart + length)) === 0
          );
        });
        const isRight =
          bytesHold && JSON.stringify(withoutOffsets(claimed), print) === JSON.stringify(withoutOffsets(right), print);
        expect(challenge === undefined).toBe(isRight);
        if (!isRight) seen.lies++;
      }),
      { numRuns: 1_500 },
    );
    expect(seen.lies).toBeGreaterThan(300);
  });

  const print = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);

  test("with 64 spans a match refutes exactly when it is among the 64 longest", () => {
    // Distinct words, each in a contribution of its own, so that every word is a maximal match.
    const lengths = fc.array(fc.integer({ min: 5, max: 9 }), { minLength: MAX_SPANS + 1, maxLength: 80 });
    fc.assert(
      fc.property(lengths, fc.nat(63), (all, dropped) => {
        const words = all.map((length, i) => `${String.fromCharCode(97 + (i % 26))}${i}`.padEnd(length, "x"));
        const contents = words.map((word, i) => ({ id: BigInt(i + 1), bytes: utf8(word) }));
        const output = utf8(words.join(" / ").slice(0, WINDOW_BYTES));
        const right = traceByDefinition(contents, output, 5);
        expect(judge(contents, output, 5, right)).toBeUndefined();
        const loser = contents.find(
          ({ bytes }, i) =>
            right.length === MAX_SPANS &&
            !right.some(({ contribution }) => contribution === BigInt(i + 1)) &&
            indexOf(output, bytes) >= 0,
        );
        if (loser === undefined) return;
        const start = indexOf(output, loser.bytes);
        if (!isBoundary(output, start) || !isBoundary(output, start + loser.bytes.length)) return;
        expect(findOmissionFault(right, start, loser.bytes.length)).toBeDefined();
        // The loser in the place of one that counts: that one is missing.
        const instead = { outputStart: start, length: loser.bytes.length, contribution: loser.id, contentOffset: 0n };
        const wrong = [...right.filter((_, i) => i !== dropped % right.length), instead];
        wrong.sort((a, b) => a.outputStart - b.outputStart);
        expect(judge(contents, output, 5, wrong)).toMatchObject({ kind: "omission" });
      }),
      { numRuns: 8 },
    );
  });
});
