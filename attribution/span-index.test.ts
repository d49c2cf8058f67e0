import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Shard } from "./shard.ts";
import { shardInMemory } from "./shard-file.ts";
import { growMinimumTree, minimumOfBlocks } from "./shard-minimum.ts";
import { buildSpanIndex, type CorpusDocument, joinShards, type SpanIndex, shardFile } from "./span-index.ts";

const bytes = (limits: { minLength?: number; maxLength: number }, symbols = [0, 1, 0x61, 0xff]) =>
  fc.array(fc.constantFrom(...symbols), { ...limits, size: "max" }).map((list) => Uint8Array.from(list));
const corpus = fc
  .array(bytes({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 6 })
  .map((contents) => contents.map((content, i) => ({ id: BigInt(3 * i + 1), bytes: content })));

/** All byte values: symbols of two bytes. Its id is above the others'. */
const ALL_VALUES = { id: 1_000n, bytes: Uint8Array.from({ length: 256 }, (_, i) => 255 - i) };

/** Document k in shard assignment[k]; ids rise within each. */
function sharded(documents: readonly CorpusDocument[], shards: number): SpanIndex {
  const parts = Array.from({ length: shards }, (_, k) => documents.filter((_, i) => i % shards === k));
  return joinShards(
    parts.filter((part) => part.length > 0).map((part) => new Shard(shardInMemory("test", shardFile(part)))),
  );
}

/** Every occurrence of `part`, document by document. */
function occurrences(documents: readonly CorpusDocument[], part: Uint8Array) {
  return documents.flatMap(({ id, bytes }) => {
    const offsets: { id: bigint; offset: number }[] = [];
    for (let at = Buffer.from(bytes).indexOf(part); at >= 0; at = Buffer.from(bytes).indexOf(part, at + 1)) {
      offsets.push({ id, offset: at });
    }
    return offsets;
  });
}

/** All that an index says of query[from..to), beside a scan. */
function expectAsScanned(index: SpanIndex, documents: readonly CorpusDocument[], query: Uint8Array) {
  const occurs = (from: number, to: number) => occurrences(documents, query.subarray(from, to)).length > 0;
  for (let from = 0; from <= query.length; from++) {
    let to = from;
    while (to < query.length && occurs(from, to + 1)) to++;
    expect(index.longestMatch(query, from, query.length)).toBe(to - from);
    if (from < query.length) {
      const end = query.length - from;
      let start = end;
      while (start > 0 && occurs(start - 1, end)) start--;
      for (const least of [1, 2, 24]) {
        expect(index.longestMatchBefore(query, 0, end, least)).toBe(end - start < least ? 0 : end - start);
      }
    }
    if (to === from) continue;
    const found = occurrences(documents, query.subarray(from, to));
    expect(index.count(query, from, to)).toBe(found.length);
    expect(index.earliest(query, from, to)).toEqual(found[0]);
    expect(index.locations(query, from, to, found.length + 1)).toEqual(found);
    expect(index.locations(query, from, to, 1)).toHaveLength(1);
    if (to < query.length) {
      expect(index.count(query, from, to + 1)).toBe(0);
      expect(index.earliest(query, from, to + 1)).toBeUndefined();
    }
    const continued = index.continuations(query, from, to);
    const after = found.flatMap(({ id, offset }) => {
      const { bytes } = documents.find((document) => document.id === id)!;
      const next = bytes.subarray(offset + to - from, offset + to - from + 5);
      return next.length > 0 ? [next.join()] : [];
    });
    const read = Array.from({ length: continued.count }, (_, k) => continued.read(k, 5).join());
    expect(read.toSorted()).toEqual(after.toSorted());
  }
}

describe("span index", () => {
  it("says what a scan says, of one shard or several, of symbols of one byte or two", () => {
    fc.assert(
      fc.property(
        corpus,
        bytes({ minLength: 1, maxLength: 14 }),
        fc.constantFrom(1, 2, 3),
        fc.boolean(),
        (documents, query, shards, wide) => {
          const all = wide ? [...documents, ALL_VALUES] : documents;
          expectAsScanned(sharded(all, shards), all, query);
        },
      ),
      { numRuns: 250 },
    );
  });

  it("says so too where many leaves and groups begin alike", () => {
    const texts = [
      ["abracadabra ", 400],
      ["a", 5_000],
      ["ab", 1_000],
      [`${"x".repeat(300)}y`, 40],
    ] as const;
    const fibonacci = [Uint8Array.of(0), Uint8Array.of(1)];
    while (fibonacci.at(-1)!.length < 5_000) {
      fibonacci.push(Uint8Array.from([...fibonacci.at(-1)!, ...fibonacci.at(-2)!]));
    }
    const documents = [...texts.map(([unit, count]) => Buffer.from(unit.repeat(count))), fibonacci.at(-1)!].map(
      (content, i) => ({ id: BigInt(i), bytes: new Uint8Array(content) }),
    );
    const pieces = [...documents, ALL_VALUES];
    const cut = fc.record({ document: fc.nat(5), start: fc.nat(5_000), length: fc.integer({ min: 1, max: 70 }) });
    for (const index of [sharded(documents, 1), sharded(pieces, 1), sharded(pieces, 3)]) {
      const all = index.contributions === documents.length ? documents : pieces;
      fc.assert(
        fc.property(fc.array(cut, { minLength: 1, maxLength: 2 }), (cuts) => {
          const query = Buffer.concat(
            cuts.map(({ document, start, length }) => {
              const source = pieces[document]!.bytes;
              return source.subarray(start % source.length).subarray(0, length);
            }),
          );
          for (const [from, to] of [
            [0, query.length],
            [query.length >> 1, query.length],
          ] as const) {
            const found = occurrences(all, query.subarray(from, to));
            expect(index.count(query, from, to)).toBe(found.length);
            expect(index.earliest(query, from, to)).toEqual(found[0]);
            const longest = index.longestMatch(query, from, to);
            if (longest > 0) expect(index.count(query, from, from + longest)).toBeGreaterThan(0);
            if (from + longest < to) expect(index.count(query, from, from + longest + 1)).toBe(0);
            const before = index.longestMatchBefore(query, from, to, 1);
            if (before > 0) expect(index.count(query, to - before, to)).toBeGreaterThan(0);
            if (before < to - from) expect(index.count(query, to - before - 1, to)).toBe(0);
          }
        }),
        { numRuns: 20 },
      );
    }
  });

  it("begins each contribution once", () => {
    const documents = ["one", "two", "three", "four"].map((text, i) => ({ id: BigInt(i), bytes: Buffer.from(text) }));
    const index = sharded(documents, 3);
    const beginnings = [0, 1, 2, 3].map((n) => Buffer.from(index.beginning(n, 4)).toString());
    expect(beginnings.toSorted()).toEqual(["four", "one", "thre", "two"]);
    expect(index.contributions).toBe(4);
    expect(index.bytes).toBe(15);
    expect(() => index.beginning(4, 1)).toThrow(RangeError);
  });

  it("answers of no contribution that nothing occurs", () => {
    const index = buildSpanIndex([]);
    expect(index.longestMatch(Uint8Array.of(1), 0, 1)).toBe(0);
    expect(index.longestMatchBefore(Uint8Array.of(1), 0, 1, 1)).toBe(0);
    expect(index.earliest(Uint8Array.of(1), 0, 1)).toBeUndefined();
  });

  it("refuses empty contents and ids that do not rise", () => {
    const one = Uint8Array.of(1);
    expect(() => buildSpanIndex([{ id: 1n, bytes: new Uint8Array(0) }])).toThrow("contribution 1 is empty");
    expect(() =>
      buildSpanIndex([
        { id: 2n, bytes: one },
        { id: 2n, bytes: one },
      ]),
    ).toThrow("out of order");
  });
});

it("the minimum tree gives the smallest entry of every range", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 300, size: "max" }),
      fc.nat(),
      fc.nat(),
      (list, a, b) => {
        const from = a % list.length;
        const to = from + 1 + (b % (list.length - from));
        const tree = Int32Array.from([...list.map(() => 0), ...list]);
        growMinimumTree(tree);
        expect(minimumOfBlocks(tree, from, to)).toBe(Math.min(...list.slice(from, to)));
      },
    ),
    { numRuns: 300 },
  );
});
