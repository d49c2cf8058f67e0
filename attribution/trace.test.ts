import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hexToBytes } from "../core/bytes.ts";
import { coveredBytes, findSpanFault } from "../core/span-rule.ts";
import { buildSpanIndex } from "./span-index.ts";
import { traceSpans } from "./trace.ts";
import { traceByDefinition } from "./trace-reference.ts";
import { type SpanVector, spanVectors } from "./trace-vectors.ts";

const VECTORS = new URL("../test/vectors/span-v1.json", import.meta.url);
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Both implementations, and what the chain checks of every span list. */
function expectSame(contents: readonly Uint8Array[], output: Uint8Array, minSpan: number) {
  const documents = contents.map((bytes, i) => ({ id: BigInt(i + 1), bytes }));
  const spans = traceSpans(buildSpanIndex(documents), output, minSpan);
  expect(spans).toEqual(traceByDefinition(documents, output, minSpan));
  expect(findSpanFault(spans, output.length, minSpan, output)).toBeUndefined();
}

const bytesOf = (symbols: readonly number[], limits: { minLength?: number; maxLength: number }) =>
  fc.array(fc.constantFrom(...symbols), { ...limits, size: "max" }).map((list) => Uint8Array.from(list));

describe("span-v1 vectors", () => {
  it("are what the reference says", async () => {
    const text = `${JSON.stringify(spanVectors(), undefined, 1)}\n`;
    await expect(text).toMatchFileSnapshot(VECTORS.pathname);
  });

  const { cases } = JSON.parse(readFileSync(VECTORS, "utf8")) as { cases: SpanVector[] };
  it.each(cases)("$name", (vector) => {
    const documents = vector.contributions
      .filter(({ live }) => live)
      .map(({ id, content }) => ({ id: BigInt(id), bytes: hexToBytes(content) }));
    const spans = traceSpans(buildSpanIndex(documents), hexToBytes(vector.output), vector.minSpanBytes);
    expect(
      spans.map((span) => ({
        outputStart: span.outputStart,
        length: span.length,
        contribution: Number(span.contribution),
        contentOffset: Number(span.contentOffset),
      })),
    ).toEqual(vector.spans);
    expect(coveredBytes(spans)).toBe(vector.coveredBytes);
  });

  /** [outputStart, length, contribution, contentOffset], worked out by hand from docs/spec.md. */
  const BY_HAND: Record<string, number[][]> = {
    "a match ends at the last word boundary, not at the last equal byte": [[0, 8, 1, 0]],
    "exactly the minimum": [[0, 7, 1, 0]],
    "one below the minimum": [],
    "overlapping matches of two contributions": [
      [0, 22, 1, 0],
      [11, 24, 2, 0],
    ],
    "the earlier holder is named, at its lowest offset": [[0, 10, 1, 3]],
    "a withdrawn contribution is not named": [[0, 10, 2, 4]],
    "no match crosses two contributions": [[3, 4, 2, 0]],
    "each non-ASCII character is a word, its bytes are not cut": [
      [0, 6, 1, 0],
      [9, 9, 1, 9],
      [19, 4, 2, 0],
      [25, 10, 2, 7],
    ],
    "a match across windows is cut at their edges, be it inside a word": [
      [0, 1024, 1, 0],
      [1024, 1024, 1, 1024],
      [2048, 351, 1, 2048],
    ],
    "a piece shorter than the minimum is lost at a window's edge": [[0, 1024, 1, 0]],
    "a word longer than a window is matched window by window": [
      [0, 1024, 1, 0],
      [1024, 1024, 1, 11],
      [2048, 489, 1, 2048],
    ],
    "a character across a window's edge is cut": [
      [0, 1024, 1, 0],
      [1024, 176, 1, 1],
    ],
    "a match may begin at a window's edge inside a word of the output": [[1024, 26, 1, 0]],
    "what ends inside a word after a window's edge ends at the edge": [[992, 32, 1, 0]],
    "a match in one window is named by an earlier holder than in the next": [
      [0, 1024, 1, 0],
      [1024, 1024, 2, 1024],
      [2048, 351, 2, 2048],
    ],
    "overlapping matches of two contributions across windows": [
      [0, 1024, 1, 0],
      [1024, 1024, 2, 520],
      [2048, 951, 2, 1544],
    ],
  };
  it.each(Object.entries(BY_HAND))("by hand: %s", (name, expected) => {
    const vector = cases.find((entry) => entry.name === name)!;
    expect(vector.spans.map((s) => [s.outputStart, s.length, s.contribution, s.contentOffset])).toEqual(expected);
  });
});

describe("traceSpans equals the definition", () => {
  it("on texts over a small alphabet with words, spaces and non-ASCII bytes", () => {
    const text = (maxLength: number) =>
      bytesOf([0x61, 0x62, 0x20, 0x2e, 0xc3, 0xa9, 0x27], { minLength: 1, maxLength });
    fc.assert(
      fc.property(
        fc.array(text(60), { maxLength: 5 }),
        text(80),
        fc.integer({ min: 1, max: 6 }),
        (contents, output, minSpan) => expectSame(contents, output, minSpan),
      ),
      { numRuns: 500 },
    );
  });

  it("on outputs stitched from pieces of the contributions", () => {
    const word = fc.constantFrom("the", "a", "licence", "granted", "free", "of", "charge", "Ünïcode", "東京", "it's");
    const sentence = fc.array(word, { minLength: 1, maxLength: 40, size: "max" }).map((words) => words.join(" "));
    const cut = fc.record({ document: fc.nat(5), start: fc.nat(120), length: fc.nat(60) });
    fc.assert(
      fc.property(
        fc.array(sentence, { minLength: 1, maxLength: 6 }),
        fc.array(cut, { maxLength: 8, size: "max" }),
        fc.integer({ min: 1, max: 24 }),
        (sentences, cuts, minSpan) => {
          const contents = sentences.map(utf8);
          const output = Buffer.concat(
            cuts.map(({ document, start, length }) =>
              contents[document % contents.length]!.subarray(start, start + length),
            ),
          );
          expectSame(contents, new Uint8Array(output), minSpan);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("on long repeats, where matches cross windows", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("ab ", "a", "x y z, ", "é", "long_word_without_end", ". "),
        fc.integer({ min: 1, max: 2500 }),
        fc.integer({ min: 1, max: 2500 }),
        fc.constantFrom(1, 8, 24, 1024),
        (unit, held, shown, minSpan) => {
          const size = (count: number) => utf8(unit.repeat(Math.ceil(count / unit.length)));
          expectSame([size(held), utf8(`${unit}!${unit}`)], size(shown), minSpan);
        },
      ),
      { numRuns: 20 },
    );
    expectSame([utf8("ab ".repeat(700))], utf8(`- ${"ab ".repeat(800)}`), 24);
  });

  it("on outputs of several windows, put together from long pieces of the contributions", () => {
    const sources = ["w", "x", "é", "東"].map((letter) =>
      utf8(Array.from({ length: 500 }, (_, i) => `${letter}${i % 7 === 0 ? "" : i % 40}`).join(" ")),
    );
    const piece = fc.record({ source: fc.nat(3), start: fc.nat(1_500), length: fc.integer({ min: 1, max: 1_400 }) });
    const cut = ({ source, start, length }: { source: number; start: number; length: number }) =>
      sources[source]!.subarray(start % sources[source]!.length).subarray(0, length);
    const pieces = (count: number) => fc.array(piece, { minLength: 1, maxLength: count, size: "max" });
    fc.assert(
      fc.property(pieces(6), pieces(6), fc.constantFrom(1, 8, 24, 200), (held, shown, minSpan) => {
        expectSame(held.map(cut), new Uint8Array(Buffer.concat(shown.map(cut)).subarray(0, 4_500)), minSpan);
      }),
      { numRuns: 25 },
    );
  });

  it("on more than 64 matches", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 2, max: 6 }), { minLength: 60, maxLength: 90, size: "max" }),
        (lengths) => {
          const contents = lengths.map((length, i) => utf8("v ".repeat(length) + i));
          expectSame(contents, utf8(lengths.map((length, i) => `${"v ".repeat(length)}${i}`).join(" | ")), 4);
        },
      ),
      { numRuns: 5 },
    );
  });
});

it("answers an empty output and an empty corpus with no spans", () => {
  expect(traceSpans(buildSpanIndex([]), utf8("text"), 1)).toEqual([]);
  expect(traceSpans(buildSpanIndex([{ id: 1n, bytes: utf8("text") }]), new Uint8Array(0), 1)).toEqual([]);
});
