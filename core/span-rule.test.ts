import * as fc from "fast-check";
import { encodeAbiParameters } from "viem";
import { describe, expect, test } from "vitest";
import wordVectors from "../test/vectors/words.json" with { type: "json" };
import { bytesToHex, type Hex, hexToBytes } from "./bytes.ts";
import {
  coveredBytes,
  encodeSpans,
  findSpanFault,
  isBoundary,
  isWithinWindow,
  isWordByte,
  MAX_SPANS,
  type Span,
  spanWeights,
} from "./span-rule.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const span = (outputStart: number, length: number): Span => ({
  outputStart,
  length,
  contribution: 1n,
  contentOffset: 0n,
});

describe("words", () => {
  test("the word bytes are 0-9 A-Z a-z _ and the apostrophe", () => {
    for (let byte = 0; byte < 256; byte++) {
      expect(isWordByte(byte)).toBe(byte < 128 && /[0-9A-Za-z_']/.test(String.fromCharCode(byte)));
    }
  });

  const boundariesOf = (bytes: Uint8Array): number[] =>
    Array.from({ length: bytes.length + 1 }, (_, p) => p).filter((p) => isBoundary(bytes, p));
  const boundaries = (text: string): number[] => boundariesOf(utf8(text));

  test.each(wordVectors.cases)("vector: $name", ({ output, boundaries }) => {
    expect(boundariesOf(hexToBytes(output as Hex))).toEqual(boundaries);
  });

  test("inside a word there is none, around every other ASCII byte there is one", () => {
    expect(boundaries("don't stop")).toEqual([0, 5, 6, 10]);
    expect(boundaries("a, b")).toEqual([0, 1, 2, 3, 4]);
    expect(boundaries("x--y")).toEqual([0, 1, 2, 3, 4]);
  });

  test("each non-ASCII character is a word of its own", () => {
    expect(boundaries("naïve")).toEqual([0, 2, 4, 6]);
    expect(boundaries("日本")).toEqual([0, 3, 6]);
    expect(boundaries("a😀b")).toEqual([0, 1, 5, 6]);
  });

  test("outside the output there is none", () => {
    expect(isBoundary(utf8("ab"), -1)).toBe(false);
    expect(isBoundary(utf8("ab"), 3)).toBe(false);
  });
});

/** Byte by byte, as docs/spec.md says it. */
function weightsByDefinition(spans: readonly Span[]): number[] {
  const owned = spans.map(() => 0);
  const end = spans.reduce((farthest, one) => Math.max(farthest, one.outputStart + one.length), 0);
  for (let byte = 0; byte < end; byte++) {
    const cover = [...spans.keys()].filter((i) => {
      const { outputStart, length } = spans[i]!;
      return outputStart <= byte && byte < outputStart + length;
    });
    if (cover.length === 0) continue;
    const lowest = cover.reduce((best, i) => (spans[i]!.contribution < spans[best]!.contribution ? i : best));
    owned[lowest]! += 1;
  }
  return owned;
}

/** Spans with rising starts and ends, overlapping or not. */
const rising = fc
  .array(fc.record({ gap: fc.nat(30), length: fc.integer({ min: 8, max: 40 }) }), { maxLength: MAX_SPANS })
  .map((steps) => {
    const spans: Span[] = [];
    let start = -1;
    let end = 0;
    for (const { gap, length } of steps) {
      const from: number = start + 1 + gap;
      const to: number = Math.max(from + length, end + 1);
      if (!isWithinWindow(from, to)) break;
      spans.push(span(from, to - from));
      start = from;
      end = to;
    }
    return spans;
  });

test("weights: each byte belongs to the lowest contribution that covers it", () => {
  fc.assert(
    fc.property(rising, fc.array(fc.bigInt(1n, 5n), { minLength: 64, maxLength: 64 }), (list, ids) => {
      const spans = list.map((one, i) => ({ ...one, contribution: ids[i]! }));
      expect(spanWeights(spans)).toEqual(weightsByDefinition(spans));
      expect(spanWeights(spans).reduce((sum, weight) => sum + weight, 0)).toBe(coveredBytes(spans));
    }),
  );
});

test("covered bytes are the size of the union", () => {
  fc.assert(
    fc.property(rising, (spans) => {
      const covered = new Set<number>();
      for (const { outputStart, length } of spans) {
        for (let i = 0; i < length; i++) covered.add(outputStart + i);
      }
      expect(coveredBytes(spans)).toBe(covered.size);
      expect(findSpanFault(spans, 100_000, 8, undefined)).toBeUndefined();
    }),
  );
});

describe("faults", () => {
  const output = utf8("alpha beta gamma delta");
  test.each([
    ["too-short", [span(0, 4)], { index: 0 }],
    ["out-of-output", [span(17, 6)], { index: 0 }],
    ["not-rising", [span(0, 10), span(0, 10)], { index: 1 }],
    ["not-rising", [span(0, 10), span(3, 7)], { index: 1 }],
    ["not-rising", [span(11, 5), span(0, 5)], { index: 1 }],
    ["not-at-word", [span(1, 9)], { index: 0, position: 1 }],
    ["not-at-word", [span(0, 5), span(6, 8)], { index: 1, position: 14 }],
  ] as const)("%s", (kind, spans, detail) => {
    expect(findSpanFault(spans, output.length, 5, output)).toEqual({ kind, ...detail });
  });

  test("across windows", () => {
    const long = utf8("a ".repeat(1_100));
    const fault = { kind: "across-windows", index: 0 };
    expect(findSpanFault([span(1_020, 8)], long.length, 5, long)).toEqual(fault);
    expect(findSpanFault([span(0, 1_025)], long.length, 5, undefined)).toEqual(fault);
    expect(findSpanFault([span(0, 1_024), span(1_024, 1_024)], long.length, 5, long)).toBeUndefined();
  });

  test("too many", () => {
    const spans = Array.from({ length: MAX_SPANS + 1 }, (_, i) => span(i, 10));
    expect(findSpanFault(spans, 1_000, 5, undefined)).toEqual({ kind: "too-many", count: MAX_SPANS + 1 });
    expect(findSpanFault(spans.slice(1), 1_000, 5, undefined)).toBeUndefined();
  });

  test("word boundaries are not known where the output is private", () => {
    expect(findSpanFault([span(1, 9)], output.length, 5, undefined)).toBeUndefined();
    expect(findSpanFault([span(0, 10), span(6, 10)], output.length, 5, output)).toBeUndefined();
  });
});

test("spans are encoded as abi.encode(Span[])", () => {
  const big = fc.bigInt(0n, 2n ** 64n - 1n);
  const any = fc.record({
    outputStart: fc.nat(2 ** 32 - 1),
    length: fc.nat(2 ** 32 - 1),
    contribution: big,
    contentOffset: big,
  });
  const type = {
    type: "tuple[]",
    components: [
      { name: "outputStart", type: "uint32" },
      { name: "length", type: "uint32" },
      { name: "contribution", type: "uint64" },
      { name: "contentOffset", type: "uint64" },
    ],
  } as const;
  fc.assert(
    fc.property(fc.array(any, { maxLength: 8 }), (spans) => {
      expect(bytesToHex(encodeSpans(spans))).toBe(encodeAbiParameters([type], [spans]));
    }),
  );
});
