import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeSpans, partsPerMillion } from "./lineage.ts";
import type { Stored } from "./tables.ts";

const weights = fc.array(fc.nat(2 ** 31), { minLength: 1, maxLength: 64 }).filter((list) => list.some((w) => w > 0));

test("shares sum to a million and are within one millionth of the exact ones", () => {
  fc.assert(
    fc.property(weights, (list) => {
      const shares = partsPerMillion(list);
      expect(shares.reduce((a, b) => a + b, 0)).toBe(1_000_000);
      const total = list.reduce((a, b) => a + BigInt(b), 0n);
      list.forEach((weight, i) => {
        const distance = BigInt(shares[i] ?? 0) * total - BigInt(weight) * 1_000_000n;
        expect(distance < total && distance > -total).toBe(true);
      });
    }),
  );
});

test("a larger weight never has the smaller share, and what weighs nothing has none", () => {
  fc.assert(
    fc.property(weights, (list) => {
      const shares = partsPerMillion(list);
      list.forEach((a, i) => {
        if (a === 0) expect(shares[i]).toBe(0);
        list.forEach((b, j) => {
          if (a > b) expect(shares[i]).toBeGreaterThanOrEqual(shares[j] ?? 0);
        });
      });
    }),
  );
});

test.each([
  [
    [1, 1, 1],
    [333_334, 333_333, 333_333],
  ],
  [
    [2, 1],
    [666_667, 333_333],
  ],
  [
    [0, 0],
    [0, 0],
  ],
  [[7], [1_000_000]],
  [[], []],
])("shares of %j are %j", (list, shares) => {
  expect(partsPerMillion(list)).toEqual(shares);
});

test("spans of one contribution merge, in the order in which they first appear", () => {
  const span = (contribution: number, weight: number): Stored<"spans"> =>
    ({ inference: 5, contribution, weight }) as Stored<"spans">;
  const merged = mergeSpans([span(9, 10), span(2, 5), span(9, 5)]);
  expect(
    merged.map(({ contribution, weight, weightPpm, spans }) => [contribution, weight, weightPpm, spans.length]),
  ).toEqual([
    [9, 15, 750_000, 2],
    [2, 5, 250_000, 1],
  ]);
  expect(merged[0]?.inference).toBe(5);
});
