import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildCorpusIndex, count, earliest, findInterval, indexBytes, locate, longestMatch } from "./corpus-index.ts";
import { buildRangeMinimum, rangeMinimum } from "./range-minimum.ts";

const bytes = (limits: { minLength?: number; maxLength: number }) =>
  fc.array(fc.constantFrom(0, 1, 0x61, 0xff), { ...limits, size: "max" }).map((list) => Uint8Array.from(list));
const corpus = fc
  .array(bytes({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 })
  .map((contents) => contents.map((content, i) => ({ id: BigInt(3 * i + 1), bytes: content })));

/** Every occurrence of `part`, document by document. */
function occurrences(documents: readonly { id: bigint; bytes: Uint8Array }[], part: Uint8Array) {
  return documents.flatMap(({ id, bytes }) => {
    const offsets: { id: bigint; offset: number }[] = [];
    for (let at = Buffer.from(bytes).indexOf(part); at >= 0; at = Buffer.from(bytes).indexOf(part, at + 1)) {
      offsets.push({ id, offset: at });
    }
    return offsets;
  });
}

describe("corpus index", () => {
  it("counts, finds the earliest holder and every location, as a scan does", () => {
    fc.assert(
      fc.property(corpus, bytes({ minLength: 1, maxLength: 6 }), (documents, part) => {
        const index = buildCorpusIndex(documents);
        const expected = occurrences(documents, part);
        const interval = findInterval(index, part, 0, part.length);
        expect(count(interval)).toBe(expected.length);
        if (expected.length === 0) return;
        expect(earliest(index, interval)).toMatchObject(expected[0]!);
        const located = Array.from(index.suffixes.subarray(interval.from, interval.to))
          .sort((a, b) => a - b)
          .map((position) => locate(index, position))
          .map(({ id, offset }) => ({ id, offset }));
        expect(located).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it("finds the longest match of every query suffix, never across two contributions", () => {
    fc.assert(
      fc.property(corpus, bytes({ maxLength: 40 }), (documents, query) => {
        const index = buildCorpusIndex(documents);
        for (let from = 0; from <= query.length; from++) {
          let longest = 0;
          while (
            from + longest < query.length &&
            occurrences(documents, query.subarray(from, from + longest + 1)).length > 0
          ) {
            longest++;
          }
          expect(longestMatch(index, query, from, query.length)).toBe(longest);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("refuses empty contents and ids that do not rise", () => {
    const one = Uint8Array.of(1);
    expect(() => buildCorpusIndex([{ id: 1n, bytes: new Uint8Array(0) }])).toThrow("contribution 1 is empty");
    expect(() =>
      buildCorpusIndex([
        { id: 2n, bytes: one },
        { id: 2n, bytes: one },
      ]),
    ).toThrow("out of order");
  });

  it("holds about 6 bytes a byte of data", () => {
    const index = buildCorpusIndex([{ id: 1n, bytes: new Uint8Array(10_000).fill(7) }]);
    expect(indexBytes(index)).toBeLessThan(65_000);
  });
});

it("rangeMinimum equals the smallest entry of every range", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 1_500, size: "max" }),
      fc.nat(),
      fc.nat(),
      (list, a, b) => {
        const from = a % list.length;
        const to = from + 1 + (b % (list.length - from));
        const minimum = buildRangeMinimum(Int32Array.from(list));
        expect(rangeMinimum(minimum, from, to)).toBe(Math.min(...list.slice(from, to)));
      },
    ),
    { numRuns: 500 },
  );
});
