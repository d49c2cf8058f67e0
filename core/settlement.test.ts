import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contributorShares, feeWei, royalties, type SettlementTerms, settlement } from "./settlement.ts";
import { coveredBytes, type Span } from "./span-rule.ts";

/** Integers are decimal strings in the file. */
interface Vector {
  readonly name: string;
  readonly terms: Record<string, string | number | readonly string[]> & { readonly spans: readonly RawSpan[] };
  readonly expected: Record<string, unknown>;
}
interface RawSpan {
  readonly outputStart: number;
  readonly length: number;
  readonly contribution: string;
  readonly contentOffset: string;
}
const { vectors } = JSON.parse(readFileSync(new URL("../test/vectors/settlement.json", import.meta.url), "utf8")) as {
  readonly vectors: readonly Vector[];
};

function parse({ terms }: Vector): SettlementTerms {
  const integer = (name: string): bigint => BigInt(terms[name] as string);
  return {
    feeWei: integer("feeWei"),
    platformFeeWei: integer("platformFeeWei"),
    modelPpm: integer("modelPpm"),
    stakersPpm: integer("stakersPpm"),
    contributorsPpm: integer("contributorsPpm"),
    outputBytes: Number(terms.outputBytes),
    hostPpm: integer("hostPpm"),
    royaltyPpm: (terms.royaltyPpm as readonly string[]).map(BigInt),
    spans: terms.spans.map((one) => ({
      ...one,
      contribution: BigInt(one.contribution),
      contentOffset: BigInt(one.contentOffset),
    })),
  };
}

const printed = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, inner) => (typeof inner === "bigint" ? `${inner}` : inner)));

describe("vectors", () => {
  test.each(vectors.map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
    expect(printed(settlement(parse(vector)))).toEqual(vector.expected);
  });
});

const wei = fc.bigInt(0n, 2n ** 128n - 1n);
const spans = fc
  .array(fc.record({ length: fc.integer({ min: 8, max: 200 }), contribution: fc.bigInt(1n, 6n) }), { maxLength: 64 })
  .map((parts) => {
    let at = 0;
    return parts.map(({ length, contribution }): Span => {
      const one = { outputStart: at, length, contribution, contentOffset: 0n };
      at += length;
      return one;
    });
  });
const terms = fc
  .record({
    net: wei,
    platformFeeWei: wei,
    split: fc.tuple(fc.nat(1_000_000), fc.nat(1_000_000), fc.nat(1_000_000)),
    hostPpm: fc.bigInt(0n, 1_000_000n),
    royaltyPpm: fc.array(fc.bigInt(0n, 500_000n), { maxLength: 8 }),
    spans,
    uncovered: fc.nat(5_000),
  })
  .map(({ net, platformFeeWei, split, uncovered, ...rest }): SettlementTerms => {
    const [a, b, c] = split.sort((x, y) => x - y) as [number, number, number];
    return {
      ...rest,
      feeWei: net + platformFeeWei,
      platformFeeWei,
      modelPpm: BigInt(a),
      stakersPpm: BigInt(b - a),
      contributorsPpm: BigInt(c - b),
      outputBytes: coveredBytes(rest.spans) + uncovered + 1,
    };
  });

test("the shares sum to the fee, none is negative, and the platform fee goes whole to the treasury", () => {
  fc.assert(
    fc.property(terms, (given) => {
      const result = settlement(given);
      const all = [
        ...result.contributors.map((share) => share.amountWei),
        result.modelOwnerWei,
        result.hostWei,
        ...result.royaltiesWei,
        result.stakersWei,
        result.treasuryWei,
      ];
      expect(all.every((amount) => amount >= 0n)).toBe(true);
      expect(all.reduce((sum, amount) => sum + amount, 0n)).toBe(given.feeWei);
      expect(result.treasuryWei).toBeGreaterThanOrEqual(given.platformFeeWei);
      const modelSum = result.modelOwnerWei + result.hostWei + result.royaltiesWei.reduce((a, b) => a + b, 0n);
      expect(modelSum).toBe(result.modelWei);
    }),
    { numRuns: 300 },
  );
});

test("a contribution named twice is paid once, for the sum of its weights", () => {
  fc.assert(
    fc.property(wei, spans, (dataWei, list) => {
      const outputBytes = coveredBytes(list) + 1;
      const shares = contributorShares(dataWei, outputBytes, list);
      expect(new Set(shares.map((share) => share.contribution)).size).toBe(shares.length);
      const weight = shares.reduce((sum, share) => sum + share.weight, 0n);
      expect(weight).toBe(BigInt(coveredBytes(list)));
    }),
  );
});

test("royalties move up from what each child received", () => {
  expect(royalties(1_000n, [])).toEqual({ own: 1_000n, keeps: [] });
  expect(royalties(1_000n, [100_000n])).toEqual({ own: 900n, keeps: [100n] });
  // 10 % of 1,000 to the parent, 50 % of its 100 to the grandparent, 1 % of its 50 to the next: rounds down to 0.
  expect(royalties(1_000n, [100_000n, 500_000n, 10_000n])).toEqual({ own: 900n, keeps: [50n, 50n, 0n] });
});

test("the fee is rounded down once", () => {
  expect(feeWei({ platformFeeWei: 7n, requestPrice: 1n, outputPrice: 1n }, 999, 1)).toBe(8n);
  expect(feeWei({ platformFeeWei: 7n, requestPrice: 1n, outputPrice: 1n }, 500, 499)).toBe(7n);
  expect(() => settlement({ feeWei: 1n, platformFeeWei: 2n } as SettlementTerms)).toThrow(RangeError);
});
