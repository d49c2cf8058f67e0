import fc from "fast-check";
import { expect, it } from "vitest";
import { sketchOf } from "./sketch.ts";
import { spamScore } from "./spam.ts";
import { wordsOf } from "./words.ts";

const score = (content: Uint8Array) => {
  const words = wordsOf(content);
  return spamScore(content, words, sketchOf(words));
};
const values = (text: string) => score(new TextEncoder().encode(text)).values;

it("counts invalid UTF-8 as the decoder of the platform does: no character, no byte of one", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      let isValid = true;
      try {
        decoder.decode(bytes);
      } catch {
        isValid = false;
      }
      expect(score(bytes).values.invalidUtf8 === 0).toBe(isValid);
    }),
    { numRuns: 300 },
  );
  expect(score(Uint8Array.of(0x61, 0xff, 0xc3, 0xa9)).values.invalidUtf8).toBe(0.25);
});

it("tells repetition, and its absence", () => {
  const repeated = values("all work and no play makes a dull text\n".repeat(200));
  expect(repeated.compressedRatio).toBeLessThan(0.02);
  expect(repeated.repeatedShingles).toBeGreaterThan(0.99);
  expect(repeated.repeatedLines).toBeGreaterThan(0.9);
  const single = values(Array.from({ length: 500 }, (_, i) => `w${(i * 7919) % 500}`).join(" "));
  expect([single.repeatedShingles, single.repeatedLines, single.distinctWords]).toEqual([0, 0, 1]);
});

it("measures form: symbols, words, control bytes", () => {
  expect(values("a, b. c!")).toMatchObject({ words: 3, symbolsPerWord: 1, meanWordBytes: 1, controlBytes: 0 });
  expect(values("one\u0000two")).toMatchObject({ words: 2, controlBytes: 0.1429 });
  expect(values("spam spam spam egg").topWord).toBe(0.75);
});
