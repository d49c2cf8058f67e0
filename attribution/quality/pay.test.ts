/**
 * What cutting, copying and submitting again does to pay under span-v1 and its settlement: the statements of
 * docs/quality.md "Pay", each as a property, and each of their limits as a named case.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contributorShares } from "../../core/settlement.ts";
import { coveredBytes, isBoundary, isWithinWindow, MAX_SPANS, type Span } from "../../core/span-rule.ts";
import { buildSpanIndex } from "../span-index.ts";
import { traceSpans } from "../trace.ts";

const DATA_WEI = 10n ** 18n;
const utf8 = (text: string) => new TextEncoder().encode(text);

interface Entry {
  readonly id: number;
  readonly owner: "adversary" | "other";
  readonly text: string;
}

const entry = (id: number, owner: Entry["owner"], text: string): Entry => ({ id, owner, text });

function trace(entries: readonly Entry[], output: string, m: number): Span[] {
  const documents = entries
    .filter(({ text }) => text.length > 0)
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, text }) => ({ id: BigInt(id), bytes: utf8(text) }));
  return traceSpans(buildSpanIndex(documents), utf8(output), m);
}

/** Wei of the data's part that each owner gets. */
function pay(entries: readonly Entry[], output: string, m: number) {
  const spans = trace(entries, output, m);
  const shares = contributorShares(DATA_WEI, utf8(output).length, spans);
  const of = (owner: Entry["owner"]) => {
    const ids = new Set(entries.filter((item) => item.owner === owner).map(({ id }) => BigInt(id)));
    return shares.reduce((sum, share) => (ids.has(share.contribution) ? sum + share.amountWei : sum), 0n);
  };
  return { adversary: of("adversary"), other: of("other"), spans };
}

/** Bytes of the output in matches of at least m bytes with any of the texts, by the definition of a match. */
function matchedBytes(texts: readonly string[], output: string, m: number): number {
  const bytes = utf8(output);
  const held = texts.map((text) => Buffer.from(text));
  const matched = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start++) {
    if (!isBoundary(bytes, start)) continue;
    for (let end = bytes.length; end - start >= m; end--) {
      if (!isBoundary(bytes, end) || !isWithinWindow(start, end)) continue;
      if (!held.some((text) => text.includes(bytes.subarray(start, end)))) continue;
      matched.fill(1, start, end);
      break;
    }
  }
  return matched.reduce((sum, bit) => sum + bit, 0);
}

const vocabulary = ["a", "to", "the", "of", "data", "paid", "model", "chain", "words", "it's", "é", "x1", "span", "by"];
const textOf = (minLength: number, maxLength: number) =>
  fc
    .array(fc.constantFrom(...vocabulary), { minLength, maxLength, size: "max" })
    .map((words) => words.join(" "))
    .filter((text) => text.length > 0);

/** Adversary's text, texts of others with ids on both sides of it, an output that draws on all. */
const scene = fc
  .record({
    m: fc.integer({ min: 3, max: 12 }),
    own: textOf(5, 40),
    others: fc.array(fc.tuple(textOf(3, 30), fc.boolean()), { maxLength: 4 }),
    draws: fc.array(fc.record({ source: fc.nat(4), start: fc.nat(150), length: fc.integer({ min: 4, max: 90 }) }), {
      minLength: 1,
      maxLength: 6,
    }),
    glue: fc.constantFrom("", " ", " and ", ". "),
  })
  .map(({ m, own, others, draws, glue }) => {
    const entries = [
      entry(500, "adversary", own),
      ...others.map(([text, isEarlier], i) => entry(isEarlier ? 100 + i : 900 + i, "other", text)),
    ];
    const output = draws
      .map(({ source, start, length }) => {
        const { text } = entries[source % entries.length]!;
        const from = start % text.length;
        return text.slice(from, from + length);
      })
      .join(glue);
    return { m, entries, output: output === "" ? "x" : output };
  });

const withoutOwn = (entries: readonly Entry[]) => entries.filter(({ owner }) => owner === "other");

describe("copies", () => {
  it("of any part of an earlier live contribution, own or foreign, change no span and no pay", () => {
    const copies = fc.array(fc.tuple(fc.nat(4), fc.nat(200), fc.integer({ min: 1, max: 200 })), { maxLength: 4 });
    fc.assert(
      fc.property(scene, copies, ({ m, entries, output }, pieces) => {
        const copied = pieces.map(([source, start, length], i) => {
          const { text } = entries[source % entries.length]!;
          const from = start % text.length;
          return entry(1_000 + i, "adversary", text.slice(from, from + length));
        });
        expect(trace([...entries, ...copied], output, m)).toEqual(trace(entries, output, m));
      }),
      { numRuns: 150 },
    );
  });

  it("that were altered where the output has something else change nothing either, while the original is live", () => {
    const parts = fc.array(fc.tuple(fc.nat(4), fc.nat(200), fc.integer({ min: 1, max: 60 })), { maxLength: 8 });
    fc.assert(
      fc.property(scene, parts, ({ m, entries, output }, pieces) => {
        const altered = pieces
          .map(([source, start, length]) => {
            const { text } = entries[source % entries.length]!;
            return text.slice(start % text.length, (start % text.length) + length);
          })
          .join("#");
        expect(trace([...entries, entry(2_000, "adversary", altered)], output, m)).toEqual(trace(entries, output, m));
      }),
      { numRuns: 150 },
    );
  });

  it("whoever is named for a span, nobody earlier holds those bytes", () => {
    fc.assert(
      fc.property(scene, ({ m, entries, output }) => {
        const bytes = Buffer.from(output);
        for (const span of trace(entries, output, m)) {
          const part = bytes.subarray(span.outputStart, span.outputStart + span.length);
          const holders = entries.filter(({ text }) => Buffer.from(text).includes(part)).map(({ id }) => BigInt(id));
          expect(span.contribution).toBe(holders.toSorted((a, b) => (a < b ? -1 : 1))[0]);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("cutting", () => {
  /** Any pieces of a text: disjoint or overlapping, some of it left out, in any order, some of them twice. */
  const ranges = fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 300 }), fc.boolean()), { maxLength: 8 });

  it("and submitting the pieces instead, however they overlap, at once or later, never raises pay", () => {
    fc.assert(
      fc.property(scene, ranges, ({ m, entries, output }, cuts) => {
        const [own] = entries as [Entry];
        const pieces = cuts.map(([start, length, isLater], i) => {
          const from = start % own.text.length;
          return entry((isLater ? 2_000 : own.id) + i, "adversary", own.text.slice(from, from + length));
        });
        const before = pay(entries, output, m);
        const after = pay([...withoutOwn(entries), ...pieces], output, m);
        fc.pre(before.spans.length < MAX_SPANS && after.spans.length < MAX_SPANS);
        expect(after.adversary).toBeLessThanOrEqual(before.adversary);
        expect(coveredBytes(after.spans)).toBeLessThanOrEqual(coveredBytes(before.spans));
      }),
      { numRuns: 400 },
    );
  });

  it("into two parts everywhere a text can be cut never raises pay", () => {
    fc.assert(
      fc.property(scene, ({ m, entries, output }) => {
        const [own] = entries as [Entry];
        const before = pay(entries, output, m).adversary;
        for (let place = 1; place < own.text.length; place += 3) {
          const parts = [own.text.slice(0, place), own.text.slice(place)].map((text, i) =>
            entry(500 + i, "adversary", text),
          );
          expect(pay([...withoutOwn(entries), ...parts], output, m).adversary).toBeLessThanOrEqual(before);
        }
      }),
      { numRuns: 15 },
    );
  });
});

it("whatever anybody submits, pay is at most for the bytes of the output that its texts match", () => {
  const texts = fc.array(textOf(2, 30), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(scene, texts, ({ m, entries, output }, submitted) => {
      const own = submitted.map((text, i) => entry(i % 2 === 0 ? 600 + i : i, "adversary", text));
      const { adversary, other, spans } = pay([...withoutOwn(entries), ...own], output, m);
      const bytes = BigInt(utf8(output).length);
      expect(adversary * bytes).toBeLessThanOrEqual(DATA_WEI * BigInt(matchedBytes(submitted, output, m)));
      expect((adversary + other) * bytes).toBeLessThanOrEqual(DATA_WEI * BigInt(coveredBytes(spans)));
    }),
    { numRuns: 100 },
  );
});

describe("limits of the rule (docs/quality.md)", () => {
  const list = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${100 + i}`);
  const own = list("a", 96);
  const foreign = list("b", 96).join(" ");
  const output = `${own.join(" ")} | ${foreign}`;
  const percent = (wei: bigint) => Number((wei * 1_000n) / DATA_WEI) / 10;
  const shifted = (words: readonly string[], count: number, step = 1) =>
    words
      .map((_, i) => words.slice(i, i + count))
      .filter((piece, i) => piece.length === count && i % step === 0)
      .map((piece, i) => entry(200 + i, "adversary", piece.join(" ")));

  it("pieces that overlap share what the whole gets: the case that made the rule count each byte once", () => {
    const others = [entry(1, "other", foreign)];
    const whole = pay([...others, entry(200, "adversary", own.join(" "))], output, 24);
    const pieces = pay([...others, ...shifted(own, 48)], output, 24);
    expect([percent(whole.adversary), percent(whole.other)]).toEqual([49.8, 49.8]);
    expect([percent(pieces.adversary), percent(pieces.other)]).toEqual([49.8, 49.8]);
  });

  it("pieces that fill all 64 spans push a shorter span of an earlier one out, and own what both hold", () => {
    // The other's span begins in the adversary's text and goes on after it.
    const words = own.slice(0, 79);
    const other = entry(1, "other", [...words.slice(-6), "c100"].join(" "));
    const shown = [...words, "c100"].join(" ");
    const whole = pay([other, entry(200, "adversary", words.join(" "))], shown, 24);
    const pieces = pay([other, ...shifted(words, 16)], shown, 24);
    expect(pieces.spans).toHaveLength(MAX_SPANS);
    expect([percent(whole.adversary), percent(whole.other)]).toEqual([91.4, 8.5]);
    expect([percent(pieces.adversary), percent(pieces.other)]).toEqual([98.7, 0]);
  });

  it("a copy with one more word that the output goes on with takes the whole span from the original", () => {
    const original = entry(1, "other", own.join(" "));
    expect(percent(pay([original], output, 24).other)).toBe(49.8);
    const extended = entry(2, "adversary", `${own.join(" ")} | b100`);
    const { adversary, other } = pay([original, extended], output, 24);
    expect([percent(adversary), percent(other)]).toEqual([50.5, 0]);
  });
});
