/**
 * What cutting, copying and submitting again does to pay under span-v1 and its settlement: the statements of
 * docs/quality.md "Pay", each as a property, and each of their limits as a named counterexample.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contributorShares } from "../../core/settlement.ts";
import { coveredBytes, MAX_SPANS, type Span } from "../../core/span-rule.ts";
import { buildCorpusIndex } from "../corpus-index.ts";
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
  return traceSpans(buildCorpusIndex(documents), utf8(output), m);
}

/** Wei of the data's part that each owner gets. */
function pay(entries: readonly Entry[], output: string, m: number) {
  const spans = trace(entries, output, m);
  const shares = contributorShares(DATA_WEI, utf8(output).length, m, spans);
  const of = (owner: Entry["owner"]) => {
    const ids = new Set(entries.filter((item) => item.owner === owner).map(({ id }) => BigInt(id)));
    return shares.reduce((sum, share) => (ids.has(share.contribution) ? sum + share.amountWei : sum), 0n);
  };
  return { adversary: of("adversary"), other: of("other"), spans };
}

/** No m bytes occur twice in it: what makes disjoint pieces stay disjoint in every output. */
function isFreeOfRepeats(text: string, m: number): boolean {
  const bytes = Buffer.from(text).toString("latin1");
  const seen = new Set<string>();
  for (let i = 0; i + m <= bytes.length; i++) {
    const part = bytes.slice(i, i + m);
    if (seen.has(part)) return false;
    seen.add(part);
  }
  return true;
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

const cutAt = (text: string, places: readonly number[]): string[] => {
  const cuts = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...cuts].map((from, i) => text.slice(from, cuts[i] ?? text.length)).filter((piece) => piece !== "");
};

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
      { numRuns: 400 },
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
      { numRuns: 400 },
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
      { numRuns: 200 },
    );
  });
});

describe("cutting", () => {
  it("into disjoint pieces never raises the pay of a text that has no m bytes twice, nor lowers others' weight", () => {
    let checked = 0;
    fc.assert(
      fc.property(
        scene,
        fc.array(fc.nat(300), { maxLength: 5 }),
        fc.boolean(),
        ({ m, entries, output }, places, leavesOut) => {
          const [own] = entries as [Entry];
          fc.pre(isFreeOfRepeats(own.text, m));
          // Every second piece may be left out, or altered so that the output no longer has it.
          const pieces = cutAt(own.text, places)
            .filter((_, i) => !leavesOut || i % 2 === 0)
            .map((text, i) => entry(own.id + i, "adversary", text));
          const before = pay(entries, output, m);
          const after = pay([...withoutOwn(entries), ...pieces], output, m);
          fc.pre(before.spans.length < MAX_SPANS && after.spans.length < MAX_SPANS);
          expect(after.adversary).toBeLessThanOrEqual(before.adversary);
          expect(coveredBytes(after.spans)).toBeLessThanOrEqual(coveredBytes(before.spans));
          checked++;
        },
      ),
      { numRuns: 1_500 },
    );
    expect(checked).toBeGreaterThan(100);
  });

  it("never raises what an output pays for data as a whole, however the pieces overlap", () => {
    const ranges = fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 200 })), { maxLength: 6 });
    fc.assert(
      fc.property(scene, ranges, ({ m, entries, output }, cuts) => {
        const [own] = entries as [Entry];
        const pieces = cuts.map(([start, length], i) => {
          const from = start % own.text.length;
          return entry(own.id + i, "adversary", own.text.slice(from, from + length));
        });
        const before = trace(entries, output, m);
        const after = trace([...withoutOwn(entries), ...pieces], output, m);
        fc.pre(before.length < MAX_SPANS && after.length < MAX_SPANS);
        expect(coveredBytes(after)).toBeLessThanOrEqual(coveredBytes(before));
      }),
      { numRuns: 500 },
    );
  });
});

describe("limits of the rule: what does raise pay (docs/quality.md)", () => {
  const list = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${100 + i}`);
  const own = list("a", 96);
  const foreign = list("b", 96).join(" ");
  const output = `${own.join(" ")} | ${foreign}`;
  const percent = (wei: bigint) => Number((wei * 1_000n) / DATA_WEI) / 10;
  const against = (pieces: readonly string[]) =>
    pay([entry(1, "other", foreign), ...pieces.map((text, i) => entry(2 + i, "adversary", text))], output, 24);
  const shifted = (words: number, step: number) =>
    own
      .map((_, i) => own.slice(i, i + words))
      .filter((piece, i) => piece.length === words && i % step === 0)
      .map((piece) => piece.join(" "));

  it("a text in one piece shares the output with another of its length", () => {
    const { adversary, other } = against([own.join(" ")]);
    expect([percent(adversary), percent(other)]).toEqual([49.8, 49.8]);
  });

  it("the same text in 49 pieces that overlap takes 96 of 100", () => {
    const { adversary, other } = against(shifted(48, 1));
    expect([percent(adversary), percent(other)]).toEqual([95.5, 4.1]);
  });

  it("two pieces that overlap by more than m bytes are enough to gain", () => {
    const { adversary, other } = against([own.slice(0, 64).join(" "), own.slice(32).join(" ")]);
    expect(adversary).toBeGreaterThan(other);
  });

  it("disjoint pieces gain when the text repeats itself", () => {
    const passages = [own.slice(0, 60).join(" "), own.slice(30).join(" ")];
    const whole = against([[...passages, own.join(" ")].join("\n")]);
    const pieces = against([...passages, own.slice(0, 48).join(" "), own.slice(48).join(" ")]);
    expect([percent(whole.adversary), percent(pieces.adversary)]).toEqual([49.8, 55.8]);
  });

  it("pieces that fill all 64 spans push shorter spans of others out of the list", () => {
    const apart = `${own.join(" ")} | ${list("b", 8).join(" ")}`;
    const others = [entry(1, "other", list("b", 8).join(" "))];
    const owned = (texts: readonly string[]) => texts.map((text, i) => entry(2 + i, "adversary", text));
    expect(pay([...others, ...owned([own.join(" ")])], apart, 24).other).toBeGreaterThan(0n);
    expect(pay([...others, ...owned(shifted(16, 1))], apart, 24).other).toBe(0n);
  });

  it("a copy with one more word that the output goes on with takes the whole span from the original", () => {
    const extended = `${own.join(" ")} | b100`;
    const original = entry(1, "other", own.join(" "));
    expect(percent(pay([original], output, 24).other)).toBe(49.8);
    const { adversary, other } = pay([original, entry(2, "adversary", extended)], output, 24);
    expect([percent(adversary), percent(other)]).toEqual([50.5, 0]);
  });

  it("whatever is submitted, all data together get at most the covered part", () => {
    for (const pieces of [shifted(48, 1), shifted(10, 1), shifted(64, 3)]) {
      const { adversary, other, spans } = against(pieces);
      expect(adversary + other).toBeLessThanOrEqual((DATA_WEI * BigInt(coveredBytes(spans))) / BigInt(output.length));
    }
  });
});
