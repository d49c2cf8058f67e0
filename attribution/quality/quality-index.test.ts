import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { loadQualityIndex, saveQualityIndex } from "./index-file.ts";
import { QualityIndex, QualityIndexError } from "./quality-index.ts";
import { similarity, sketchOf } from "./sketch.ts";
import { wordsOf } from "./words.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const sketch = (text: string) => sketchOf(wordsOf(utf8(text)));
const root = (text: string): Hex => bytesToHex(contentRoot(utf8(text)));

/** Numbered words: no shingle twice. */
const passage = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`);
const indexOf = (texts: readonly string[]) => {
  const index = new QualityIndex();
  for (const [i, text] of texts.entries()) index.add({ id: `${i + 1}`, contentRoot: root(text) }, sketch(text));
  return index;
};
const compare = (index: QualityIndex, text: string) => index.compare(root(text), sketch(text));

describe("words", () => {
  const count = (text: string) => wordsOf(utf8(text)).hashes.length;
  it("are runs of letters in scripts that write words apart, characters in others", () => {
    expect(
      ["one two", "It's x_1", "größer, naïve", "Привет мир", "東京都", "a東b", "“quoted” — dash…", "日本 go"].map(
        count,
      ),
    ).toEqual([2, 2, 2, 2, 3, 3, 2, 3]);
  });
  it("do not depend on case, spacing and punctuation", () => {
    expect(wordsOf(utf8("The cat,\n\n* sat!")).hashes).toEqual(wordsOf(utf8("the CAT sat")).hashes);
  });
  it("are found in any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => wordsOf(bytes).hashes.length * 2 <= bytes.length + 1),
    );
  });
});

describe("the signature", () => {
  it("estimates the Jaccard similarity of the shingles", () => {
    const common = passage("c", 4_000);
    for (const [shared, expected] of [
      [4_000, 1],
      [3_600, 0.818],
      [2_668, 0.5],
      [0, 0],
    ] as const) {
      const other = [...common.slice(0, shared), ...passage("d", 4_000 - shared)];
      const estimate = similarity(sketch(common.join(" ")).signature, sketch(other.join(" ")).signature);
      // Five standard deviations; the texts never change, so neither does the estimate.
      expect(Math.abs(estimate - expected)).toBeLessThan(5 * Math.sqrt((expected * (1 - expected)) / 255) + 0.001);
    }
  });
  it("is defined for texts of a few words, and equals nothing without one", () => {
    expect(similarity(sketch("a b c").signature, sketch("A  B, c").signature)).toBe(1);
    expect(similarity(sketch("...").signature, sketch("!").signature)).toBe(0);
    expect(compare(indexOf(["...", "!"]), "?").near).toEqual([]);
  });
});

describe("the index", () => {
  const texts = Array.from({ length: 60 }, (_, i) => passage(`t${i}x`, 300).join(" "));
  const index = indexOf(texts);

  it("finds exact copies, near-duplicates, the earliest first, and nothing of the unrelated", () => {
    const [text] = texts as [string];
    expect(compare(index, text)).toMatchObject({ exact: "1", near: [{ id: "1", jaccard: 1 }] });
    const edited = text.replace("t0x100 ", "changed ");
    expect(compare(index, edited).exact).toBeUndefined();
    expect(compare(index, edited).near.map(({ id }) => id)).toEqual(["1"]);
    expect(compare(index, passage("other", 300).join(" ")).near).toEqual([]);
  });

  it("copies of one text are answered by the first", () => {
    const copies = indexOf(Array.from({ length: 3_000 }, () => "one text that is here three thousand times over"));
    expect(compare(copies, "one text that is here three thousand times over").near).toEqual([{ id: "1", jaccard: 1 }]);
  });

  it("every common run of at least 12 words is seen; what is not common never counts", () => {
    fc.assert(
      fc.property(
        fc.nat(59),
        fc.nat(288),
        fc.integer({ min: 12, max: 300 }),
        fc.nat(40),
        (source, start, length, before) => {
          const run = texts[source]!.split(" ").slice(start, start + length);
          fc.pre(run.length >= 12);
          const text = [...passage("new", before), ...run, ...passage("end", 9)].join(" ");
          const { covered, sources } = compare(index, text).coverage;
          expect(covered).toBeGreaterThanOrEqual(Math.max(5, run.length - 14));
          expect(covered).toBeLessThanOrEqual(run.length);
          expect(sources).toEqual([{ id: `${source + 1}`, words: covered }]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("tells what many hold", () => {
    const header = passage("header", 100).join(" ");
    const many = indexOf(Array.from({ length: 5 }, (_, i) => `${header} ${passage(`own${i}w`, 50).join(" ")}`));
    const { covered, common } = compare(many, `${header} ${passage("mine", 50).join(" ")}`).coverage;
    expect(common).toBeGreaterThan(80);
    expect(common).toBeLessThanOrEqual(covered);
  });
});

describe("saved", () => {
  const texts = ["", "a b c d e f g h i j", "東京都は日本の首都です。", passage("w", 500).join(" ")].map(
    (text) => text || ".",
  );

  it("answers as before, goes on growing, and is the same for the same contents", () => {
    const index = indexOf(texts);
    const read = QualityIndex.decode(index.encode());
    expect(read.encode()).toEqual(index.encode());
    expect(indexOf(texts).encode()).toEqual(index.encode());
    for (const text of texts) expect(compare(read, text)).toEqual(compare(index, text));
    read.add({ id: "9", contentRoot: root("new") }, sketch(passage("w", 400).join(" ")));
    expect(compare(read, passage("w", 400).join(" ")).near.map(({ id }) => id)).toEqual(["9", "4"]);
  });

  it("notices any damaged byte and other versions", () => {
    const bytes = indexOf(texts.slice(0, 2)).encode();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const damaged = bytes.slice();
        damaged[at] = damaged[at]! ^ difference;
        expect(() => QualityIndex.decode(damaged)).toThrow(QualityIndexError);
      }),
      { numRuns: 100 },
    );
    for (const length of [0, 3, 20, bytes.length - 1]) {
      expect(() => QualityIndex.decode(bytes.subarray(0, length))).toThrow(QualityIndexError);
    }
  });

  it("in a file, where a damaged one counts as none", async () => {
    const directory = await mkdtemp(join(tmpdir(), "quality-"));
    try {
      const file = join(directory, "folder", "1.index");
      expect(await loadQualityIndex(file)).toBeUndefined();
      await saveQualityIndex(file, indexOf(texts));
      expect((await loadQualityIndex(file))?.contents).toEqual(indexOf(texts).contents);
      await writeFile(file, (await readFile(file)).subarray(0, -1));
      expect(await loadQualityIndex(file)).toBeUndefined();
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
