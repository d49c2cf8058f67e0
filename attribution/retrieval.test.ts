import fc from "fast-check";
import { expect, it } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import type { CorpusEntry } from "./corpus.ts";
import { PassageIndex } from "./retrieval.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

function corpus(texts: readonly string[]) {
  const contents = texts.map(utf8);
  const entries = contents.map((bytes, i) => ({
    id: BigInt(i + 1),
    contentRoot: bytesToHex(contentRoot(bytes)),
    size: bytes.length,
  }));
  return { entries, read: async ({ id }: CorpusEntry) => contents[Number(id) - 1]!, contents };
}

const build = (texts: readonly string[]) => {
  const { entries, read } = corpus(texts);
  return PassageIndex.build(entries, read);
};

it("finds the passage that answers, and says where it lies", async () => {
  const filler = `${"Nothing of interest is said in this line.\n".repeat(100)}`;
  const texts = [filler, `${filler}The Zebra sleeps under a baobab tree at noon.\n${filler}`, "zebra"];
  const { contents, ...parts } = corpus(texts);
  const index = await PassageIndex.build(parts.entries, parts.read);
  expect(index.passages).toBeGreaterThan(8);
  const [best, second] = index.search("where does the ZEBRA sleep, under a baobab?", 2);
  expect([best!.contribution, second!.contribution]).toEqual([2n, 3n]);
  const { offset, length } = best!;
  const text = new TextDecoder().decode(contents[1]!.subarray(offset, offset + length));
  expect(text).toContain("under a baobab tree");
  expect(text).toMatch(/\n$/);
  expect(index.search("xylophone", 5)).toEqual([]);
});

it("ranks as BM25 by definition does", async () => {
  const word = fc.constantFrom("sun", "moon", "star", "sky", "über", "cloud");
  const text = fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(" "));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 8 }), text, async (texts, query) => {
      // Short texts are one passage each.
      const tokens = (item: string): readonly string[] => item.match(/[a-z]+|ü/g) ?? [];
      const all = texts.map(tokens);
      const average = all.reduce((sum, words) => sum + words.length, 0) / all.length;
      const scores = all.map((words) =>
        [...new Set(tokens(query))].reduce((sum, term) => {
          const holders = all.filter((other) => other.includes(term)).length;
          const count = words.filter((other) => other === term).length;
          const idf = Math.log(1 + (all.length - holders + 0.5) / (holders + 0.5));
          return sum + (idf * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * words.length) / average));
        }, 0),
      );
      const expected = scores
        .map((score, i) => ({ score, contribution: BigInt(i + 1) }))
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score);
      const found = (await build(texts)).search(query, texts.length);
      expect(found.map(({ score }) => score)).toEqual(expected.map(({ score }) => expect.closeTo(score, 9)));
      for (const { contribution, score } of found) expect(score).toBeCloseTo(scores[Number(contribution) - 1]!, 9);
    }),
    { numRuns: 200 },
  );
});

it("cuts every content into passages without a gap, none within a character", async () => {
  const text = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 50 }),
    fc.constantFrom("€".repeat(900), "x".repeat(3_000)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 6 }), async (parts) => {
      const content = `word ${parts.join(" word ")}`;
      const bytes = utf8(content);
      const found = (await build([content])).search("word x €", 1_000).sort((a, b) => a.offset - b.offset);
      const decoder = new TextDecoder("utf-8", { fatal: true });
      for (const { offset, length } of found) {
        expect(length).toBeLessThanOrEqual(1_200);
        expect(() => decoder.decode(bytes.subarray(offset, offset + length))).not.toThrow();
      }
      expect(found[0]!.offset).toBe(0);
    }),
    { numRuns: 100 },
  );
});

it("refuses more than its limit before it reads anything", async () => {
  const { entries } = corpus(["ten bytes!", "ten bytes?"]);
  const read = () => Promise.reject(new Error("read"));
  await expect(PassageIndex.build(entries, read, { maxBytes: 19 })).rejects.toThrow(RangeError);
});
