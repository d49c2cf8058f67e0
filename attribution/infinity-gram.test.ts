import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentRoot } from "../core/content.ts";
import { coveredBytes } from "../core/span-rule.ts";
import { continueText } from "./infinity-gram.ts";
import { buildSpanIndex } from "./span-index.ts";
import { traceSpans } from "./trace.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const corpusOf = (...contents: string[]) =>
  buildSpanIndex(contents.map((content, i) => ({ id: BigInt(i + 1), bytes: utf8(content) })));
const ask = (prompt: string, words: number, maxBytes = 16_384) => ({
  prompt: utf8(prompt),
  words,
  maxBytes,
  seed: contentRoot(utf8(`${prompt}.`)),
});

describe("continueText", () => {
  it("continues a context with what follows it in the corpus", () => {
    const index = corpusOf("the licence grants rights to users. the end of it");
    expect(text(continueText(index, ask("the licence", 3)).output)).toBe("grants rights to");
  });

  it("draws each continuation as often as it occurs", () => {
    const index = corpusOf(`${"we say yes. ".repeat(3)}we say no. `.repeat(5));
    let yes = 0;
    for (let i = 0; i < 400; i++) {
      const seed = contentRoot(utf8(`seed ${i}`));
      const { output } = continueText(index, { prompt: utf8("we say"), words: 1, maxBytes: 100, seed });
      if (text(output) === "yes.") yes++;
      else expect(text(output)).toBe("no.");
    }
    // Three of four; the seeds are fixed, so this never flickers.
    expect(yes / 400).toBeCloseTo(0.75, 1);
  });

  it("draws only among the occurrences that go on", () => {
    const endings = Array.from({ length: 9 }, (_, i) => `ending ${i} they say `);
    const index = corpusOf(...endings, "and they say more");
    for (let i = 0; i < 20; i++) {
      const seed = contentRoot(utf8(`seed ${i}`));
      const answer = continueText(index, { prompt: utf8("they say"), words: 1, maxBytes: 100, seed });
      expect(text(answer.output)).toBe("more");
    }
  });

  it("does not take the end of a longer word for a context", () => {
    const index = corpusOf("metadata flows. a river runs. metadata flows. metadata flows.");
    expect(text(continueText(index, ask("a", 1)).output)).toBe("river");
  });

  it("begins a contribution when nothing is known to follow, and after the end of one", () => {
    const { output, words } = continueText(corpusOf("one", "two"), ask("§", 20));
    expect(words).toBe(20);
    expect(text(output)).toMatch(/^((one|two)\n){19}(one|two)$/);
  });

  it("gives the same bytes for the same seed and others for another", () => {
    const index = corpusOf("a b c d e f g h a c e g b d f h a d g c f b e h ".repeat(5));
    const first = continueText(index, ask("a", 50));
    expect(continueText(index, ask("a", 50))).toEqual(first);
    const seed = contentRoot(utf8("other"));
    expect(continueText(index, { ...ask("a", 50), seed }).output).not.toEqual(first.output);
  });

  it("never exceeds words or bytes, and ends, on any corpus and prompt", () => {
    const bytes = fc.array(fc.constantFrom(0, 0x61, 0x62, 0x20, 0x0a, 0xc3, 0xa9, 0xff), {
      maxLength: 60,
      size: "max",
    });
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 1, maxLength: 4 }),
        bytes,
        fc.nat(30),
        fc.nat(200),
        (contents, prompt, words, maxBytes) => {
          const index = buildSpanIndex(
            contents.map((list, i) => ({ id: BigInt(i + 1), bytes: Uint8Array.from([0x61, ...list]) })),
          );
          const seed = new Uint8Array(32);
          const answer = continueText(index, { prompt: Uint8Array.from(prompt), words, maxBytes, seed });
          expect(answer.words).toBeLessThanOrEqual(words);
          expect(answer.output.length).toBeLessThanOrEqual(maxBytes);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("refuses an empty corpus", () => {
    expect(() => continueText(buildSpanIndex([]), ask("a", 1))).toThrow(RangeError);
  });
});

it("draws 200 words of real documentation from at least 3 contributions, nearly all of it traced", () => {
  const modules = new URL("../node_modules/", import.meta.url);
  const documents = readdirSync(modules)
    .flatMap((name) => ["README.md", "LICENSE"].map((file) => new URL(`${name}/${file}`, modules)))
    .flatMap((file) => {
      try {
        return [new Uint8Array(readFileSync(file))];
      } catch {
        return [];
      }
    })
    .filter((bytes) => bytes.length > 0)
    .slice(0, 60)
    .map((bytes, i) => ({ id: BigInt(i + 1), bytes }));
  const index = buildSpanIndex(documents);
  for (const prompt of ["How do I install it", "Permission is hereby granted", "", "returns a promise", "例"]) {
    const { output, words } = continueText(index, ask(prompt, 200));
    const spans = traceSpans(index, output, 24);
    expect(words).toBe(200);
    expect(new Set(spans.map(({ contribution }) => contribution)).size).toBeGreaterThanOrEqual(3);
    expect(coveredBytes(spans)).toBeGreaterThan(0.7 * output.length);
  }
});
