/** The Solidity libraries of contracts/examples/ pass every vector, and agree with core/ on random spans. */
import * as fc from "fast-check";
import { decodeFunctionResult, encodeFunctionData, type Hex } from "viem";
import { beforeAll, describe, expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { CHUNK_BYTES } from "../../core/content.ts";
import { feeWei } from "../../core/settlement.ts";
import {
  coveredBytes,
  findSpanFault,
  MAX_SPANS,
  type Span,
  type SpanFault,
  spanWeights,
} from "../../core/span-rule.ts";
import { createdAddress } from "../../execution/tx/derive.ts";
import { patternContent } from "../definitions/content-tree.ts";
import { type Claim, request } from "../helpers/precompile-story.ts";
import { actor, ETHER, World } from "../helpers/precompile-world.ts";
import { compileSolidity } from "../helpers/solidity.ts";
import { commitVectorBatch, openVectorWorld, spansOf, vectorClaims } from "../helpers/vector-world.ts";
import batchVectors from "../vectors/attribution-batch.json" with { type: "json" };
import contentVectors from "../vectors/content-tree.json" with { type: "json" };
import settlementVectors from "../vectors/settlement.json" with { type: "json" };
import spanVectors from "../vectors/span-v1.json" with { type: "json" };
import wordVectors from "../vectors/words.json" with { type: "json" };

const { abi, bytecode } = compileSolidity("test/contracts/AttributionLibraries.sol", "AttributionLibraries");
const developer = actor("developer");
const libraries = createdAddress(developer.address, 0n);
let world: World;

beforeAll(async () => {
  world = await World.create();
  await world.fund(developer.address);
  expect(await world.raw(developer.address, undefined, hexToBytes(bytecode))).toMatchObject({ ok: true });
});

/** IAttribution.State */
const [NONE, COMMITTED, SETTLED] = [0, 2, 3];

const call = <T>(functionName: string, ...args: readonly unknown[]): Promise<T> => callIn(world, functionName, ...args);

async function callIn<T>(world: World, functionName: string, ...args: readonly unknown[]): Promise<T> {
  const data = hexToBytes(encodeFunctionData({ abi, functionName, args }));
  const outcome = await world.raw(developer.address, libraries, data, { isStatic: true, gas: 1_000_000_000n });
  if (!outcome.ok) throw new Error(`${functionName}: ${outcome.halt} ${outcome.output}`);
  return decodeFunctionResult({ abi, functionName, data: outcome.output }) as T;
}

describe("content tree", () => {
  const damaged = (text: Hex, at: number): Hex => {
    const bytes = hexToBytes(text);
    bytes[at % bytes.length]! ^= 1;
    return bytesToHex(bytes);
  };

  test.each(contentVectors.content)("of $length bytes", async ({ length, root, proofs, ranges }) => {
    const content = patternContent(length);
    expect(await call("contentRoot", bytesToHex(content))).toBe(root);
    const all = [...proofs.map(({ index, siblings }) => ({ first: index, last: index, siblings })), ...ranges];
    for (const { first, last, siblings } of all) {
      const data = bytesToHex(content.subarray(first * CHUNK_BYTES, (last + 1) * CHUNK_BYTES));
      const chunks = { first: BigInt(first), data, siblings: siblings as Hex[] };
      const isProven = (change: Partial<typeof chunks>, size = length) =>
        call<boolean>("isProven", root, BigInt(size), { ...chunks, ...change });
      expect(await isProven({})).toBe(true);
      if (first === 0 && last > 0) continue; // long data, and nothing that the others do not show
      expect(await isProven({ data: damaged(data, 77 * length) })).toBe(false);
      expect(await isProven({ first: chunks.first + 1n })).toBe(false);
      expect(await isProven({ siblings: [...chunks.siblings, root as Hex] })).toBe(false);
      expect(await isProven({}, length + 1)).toBe(false);
      if (siblings.length > 0) expect(await isProven({ siblings: chunks.siblings.slice(1) })).toBe(false);
    }
  });

  test("what is no range of a content is proven for no root", async () => {
    const zero = `0x${"00".repeat(32)}`;
    for (const [length, first, data] of [
      [0n, 0n, "0x"],
      [1n, 0n, "0x"],
      [1n, 2n ** 64n - 1n, "0x00"],
      [600n, 0n, `0x${"00".repeat(300)}`],
      [2n ** 64n - 1n, 0n, `0x${"00".repeat(256)}`],
    ] as const) {
      expect(await call("isProven", zero, length, { first, data, siblings: [] })).toBe(false);
    }
    await expect(call("contentRoot", "0x")).rejects.toThrow("revert");
  });
});

describe("words", () => {
  test.each(wordVectors.cases)("$name", async ({ output, boundaries }) => {
    const flags = hexToBytes(await call<Hex>("boundaries", output));
    expect([...flags.keys()].filter((p) => flags[p] === 1)).toEqual(boundaries);
  });
});

const FAULTS = [undefined, "too-many", "too-short", "out-of-output", "across-windows", "not-rising", "not-at-word"];
interface SolidityFault {
  readonly kind: number;
  readonly index: bigint;
  readonly position: bigint;
}
/** A fault of core/ as the library writes it. */
function asSolidity(fault: SpanFault | undefined): SolidityFault {
  const kind = FAULTS.indexOf(fault?.kind);
  if (fault === undefined) return { kind, index: 0n, position: 0n };
  const index = BigInt(fault.kind === "too-many" ? fault.count : fault.index);
  return { kind, index, position: fault.kind === "not-at-word" ? BigInt(fault.position) : 0n };
}
const NO_FAULT = asSolidity(undefined);

type Measures = readonly [weights: readonly bigint[], coveredBytes: bigint, spansHash: Hex, encoded: Hex];

describe("spans", () => {
  test.each(spanVectors.cases)("$name", async (vector) => {
    const { output, minSpanBytes } = vector;
    const spans = spansOf(vector.spans);
    expect(await call("faultOfPublic", spans, minSpanBytes, output)).toEqual(NO_FAULT);
    expect(await call("faultOfPrivate", spans, minSpanBytes, output.length / 2 - 1)).toEqual(NO_FAULT);
    const [weights, covered, spansHash, encoded] = await call<Measures>("measures", spans);
    expect(weights.map(Number)).toEqual(vector.weights);
    expect(Number(covered)).toBe(vector.coveredBytes);
    expect([spansHash, encoded]).toEqual([vector.spansHash, vector.spansHash]);
  });

  /** Mostly without a fault, with each kind of fault now and then. */
  const lists = fc
    .array(
      fc.record({
        gap: fc.integer({ min: -1, max: 30 }),
        length: fc.integer({ min: 3, max: 90 }),
        contribution: fc.bigInt(1n, 4n),
      }),
      { maxLength: 66, size: "max" },
    )
    .map((steps) => {
      let start = 0;
      return steps.map(({ gap, length, contribution }): Span => {
        start = Math.max(0, start + gap);
        return { outputStart: start, length, contribution, contentOffset: 7n };
      });
    });
  /** The spans before the first fault. */
  function soundPart(list: readonly Span[], outputBytes: number): readonly Span[] {
    const possible = list.slice(0, MAX_SPANS);
    const fault = findSpanFault(possible, outputBytes, 4, undefined);
    return fault !== undefined && "index" in fault ? possible.slice(0, fault.index) : possible;
  }
  const word = fc.constantFrom("a", "bc", " ", " ", "-", "é", "東");

  test("random lists have the faults, weights and covered bytes that core/ finds", async () => {
    const kinds = new Set<string | undefined>();
    const property = fc.asyncProperty(lists, fc.array(word, { minLength: 1, maxLength: 700, size: "max" }), check);
    await fc.assert(property, { numRuns: 60, seed: 5, endOnFailure: true });
    async function check(list: readonly Span[], words: readonly string[]) {
      const output = new TextEncoder().encode(words.join(""));
      const known = findSpanFault(list, output.length, 4, output);
      const unknown = findSpanFault(list, output.length, 4, undefined);
      kinds.add(known?.kind);
      expect(await call("faultOfPublic", list, 4, bytesToHex(output))).toEqual(asSolidity(known));
      expect(await call("faultOfPrivate", list, 4, output.length)).toEqual(asSolidity(unknown));
      const sound = soundPart(list, output.length);
      const [weights, covered, spansHash, encoded] = await call<Measures>("measures", sound);
      expect(weights.map(Number)).toEqual(spanWeights(sound));
      expect(Number(covered)).toBe(coveredBytes(sound));
      expect(spansHash).toBe(encoded);
    }
    expect(kinds.size).toBeGreaterThanOrEqual(5);
  });
});

describe("batches", () => {
  test.each(batchVectors.batches)(
    "from inference $firstInference on",
    async ({ firstInference, leaves, root, proofs }) => {
      for (const { index } of proofs) {
        const { outputRoot, outputBytes, spansHash } = batchVectors.answers[index % batchVectors.answers.length]!;
        const leaf = await call("leaf", BigInt(firstInference + index), outputRoot, outputBytes, spansHash);
        expect(leaf).toBe(leaves[index]);
      }
      expect(await call("batchRoot", leaves)).toBe(root);
      for (const { index, siblings } of proofs) {
        expect(await call("batchProof", leaves, BigInt(index))).toEqual(siblings);
        expect(await call("batchRootFrom", leaves[index], siblings)).toBe(root);
        expect(await call("batchRootFrom", root, [leaves[index], ...siblings])).not.toBe(root);
      }
    },
  );

  test("nothing has no root, and no proof without a leaf", async () => {
    await expect(call("batchRoot", [])).rejects.toThrow("revert");
    await expect(call("batchProof", [`0x${"11".repeat(32)}`], 1n)).rejects.toThrow("revert");
  });
});

describe("claims on what the precompile committed", () => {
  test("are known with their proofs; others are not", async () => {
    const market = await openVectorWorld(batchVectors.contributions.map((content) => hexToBytes(content as Hex)));
    await market.world.raw(developer.address, undefined, hexToBytes(bytecode));
    const stateOf = (claim: Claim) => callIn<number>(market.world, "stateOf", claim);
    for (const batch of batchVectors.batches.slice(0, 6)) {
      await commitVectorBatch(market, batchVectors, batch);
      for (const claim of vectorClaims(batchVectors, batch)) {
        expect(await stateOf(claim)).toBe(COMMITTED);
        expect(await stateOf({ ...claim, outputBytes: claim.outputBytes + 1 })).toBe(NONE);
        expect(await stateOf({ ...claim, proof: [...claim.proof, claim.outputRoot] })).toBe(NONE);
      }
    }
    const { world, payer, host, modelId } = market;
    const [claim] = vectorClaims(batchVectors, batchVectors.batches[0]!) as [Claim];
    const inferenceId = await request(world, payer, host, modelId, ETHER);
    expect(await stateOf({ ...claim, inferenceId })).toBe(NONE);
    await expect(stateOf({ ...claim, inferenceId: inferenceId + 1n })).rejects.toThrow("revert");
    world.advance(30n);
    await world.must(payer, "attribution", "settle", [[claim]]);
    expect(await stateOf(claim)).toBe(SETTLED);
  });
});

describe("settlement", () => {
  test.each(settlementVectors.vectors)("$name", async ({ terms, expected }) => {
    const { feeWei: fee, platformFeeWei: platformFee, spans, ...rest } = terms;
    const split = await call<Record<string, unknown>>("split", { ...rest, fee, platformFee }, spansOf(spans));
    const printed = JSON.parse(
      JSON.stringify(split, (_key, value) => (typeof value === "bigint" ? `${value}` : value)),
    );
    expect(printed).toEqual({
      contributors: expected.contributors.map(({ amountWei, ...share }) => ({ ...share, amount: amountWei })),
      contributorsPaid: expected.contributorsWei,
      modelOwner: expected.modelOwnerWei,
      host: expected.hostWei,
      royalties: expected.royaltiesWei,
      stakers: expected.stakersWei,
      modelPaid: expected.modelWei,
      treasury: expected.treasuryWei,
    });
  });

  test("the fee is rounded down once", async () => {
    const prices = { platformFeeWei: 7n, requestPrice: 1n, outputPrice: 3n };
    for (const [requestBytes, outputBytes] of [
      [999, 0],
      [500, 167],
      [1_000, 1_000],
    ] as const) {
      const fee = await call("feeOf", 7n, 1n, 3n, BigInt(requestBytes), BigInt(outputBytes));
      expect(fee).toBe(feeWei(prices, requestBytes, outputBytes));
    }
  });
});
