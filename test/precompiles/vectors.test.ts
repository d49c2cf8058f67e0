/** The precompiles pass the vectors that core/ and the Solidity libraries pass, as far as they say something on chain. */
import { beforeAll, describe, expect, test } from "vitest";
import { answerLeaf } from "../../core/answer-batch.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { CHUNK_BYTES } from "../../core/content.ts";
import { findSpanFault, MAX_SPANS, type Span } from "../../core/span-rule.ts";
import { patternContent } from "../definitions/content-tree.ts";
import { claimOf, commit, request } from "../helpers/precompile-story.ts";
import { type DecodedLog, ETHER } from "../helpers/precompile-world.ts";
import {
  commitVectorBatch,
  openVectorWorld,
  spansOf,
  type VectorWorld,
  vectorClaims,
} from "../helpers/vector-world.ts";
import batchVectors from "../vectors/attribution-batch.json" with { type: "json" };
import contentVectors from "../vectors/content-tree.json" with { type: "json" };
import settlementVectors from "../vectors/settlement.json" with { type: "json" };
import spanVectors from "../vectors/span-v1.json" with { type: "json" };
import wordVectors from "../vectors/words.json" with { type: "json" };

const REWARD = ["contributor", "modelOwner", "royalty", "host", "stakers", "treasury"] as const;
type Reward = (typeof REWARD)[number];
interface Accrued {
  readonly kind: Reward;
  readonly source: bigint;
  readonly weight: bigint;
  readonly amount: bigint;
}
const accruedIn = (logs: readonly DecodedLog[]): Accrued[] =>
  logs
    .filter(({ name }) => name === "RewardAccrued")
    .map(({ args }) => ({ ...(args as unknown as Accrued), kind: REWARD[args.kind as number] as Reward }));

describe("attribution-batch.json", () => {
  let market: VectorWorld;
  beforeAll(async () => {
    market = await openVectorWorld(batchVectors.contributions.map((content) => hexToBytes(content as Hex)));
  });

  test.each(batchVectors.batches)("batch from inference $firstInference on", async (batch) => {
    const { world, payer } = market;
    const committed = await commitVectorBatch(market, batchVectors, batch);
    expect(await world.view("attribution", "batchRoot", [committed.result])).toBe(batch.root);

    world.advance(30n);
    const claims = vectorClaims(batchVectors, batch);
    if (claims.length > 1) {
      const [first, second] = claims as [(typeof claims)[0], (typeof claims)[0]];
      const swapped = [{ ...first, proof: second.proof }];
      expect(await world.call(payer, "attribution", "settle", [swapped])).toMatchObject({ error: "ClaimMismatch" });
    }
    const { logs } = await world.must(payer, "attribution", "settle", [claims]);
    expect(logs.filter(({ name }) => name === "InferenceSettled")).toHaveLength(claims.length);
  });
});

describe("content-tree.json", () => {
  const contents = contentVectors.content.map(({ length }) => patternContent(length));
  let market: VectorWorld;
  beforeAll(async () => {
    market = await openVectorWorld(contents);
  });

  /** A span a chunk: the content is output and contribution in one. */
  const chunkSpans = (length: number, contribution: bigint): Span[] =>
    Array.from({ length: Math.ceil(length / CHUNK_BYTES) }, (_, chunk) => {
      const outputStart = chunk * CHUNK_BYTES;
      const size = Math.min(CHUNK_BYTES, length - outputStart);
      return { outputStart, length: size, contribution, contentOffset: BigInt(outputStart) };
    });

  test.each([...contentVectors.content.entries()])("vector %i", async (i, { length, root, proofs, ranges }) => {
    const { world, modelId, host, payer } = market;
    const content = contents[i]!;
    const shown = await request(world, payer, host, modelId, ETHER);
    const open = await commit(world, host, shown, content, [], { outputRoot: root as Hex });
    expect(open).toMatchObject({ ok: true });

    const inferenceId = await request(world, payer, host, modelId, ETHER, { audience: 1 });
    const spans = chunkSpans(length, BigInt(i + 1));
    const options = { isPrivate: true, outputRoot: root as Hex };
    expect(await commit(world, host, inferenceId, content, spans, options)).toMatchObject({ ok: true });
    const claim = claimOf(inferenceId, content, spans);
    const all = [...proofs.map(({ index, siblings }) => ({ first: index, last: index, siblings })), ...ranges];
    for (const { first, last, siblings } of all) {
      const data = bytesToHex(content.subarray(first * CHUNK_BYTES, (last + 1) * CHUNK_BYTES));
      const chunks = { first: BigInt(first), data, siblings };
      const prove = (of: typeof chunks) =>
        world.call(payer, "attribution", "proveMismatch", [claim, BigInt(first), 0, chunks, of]);
      // The proofs of output and content are accepted, and show that nothing differs.
      expect(await prove(chunks)).toMatchObject({ error: "SpanHolds" });
      const more = { ...chunks, siblings: [...siblings, root] };
      expect(await prove(more)).toMatchObject({ error: "InvalidProof" });
    }
  });
});

describe("words.json", () => {
  let market: VectorWorld;
  let inferenceId: bigint;
  beforeAll(async () => {
    market = await openVectorWorld([]);
    inferenceId = await request(market.world, market.payer, market.host, market.modelId, ETHER);
  });

  /** Of a contribution that does not exist: the next thing to be found out once the boundaries are right. */
  const span = (start: number, end: number): Span => ({
    outputStart: start,
    length: end - start,
    contribution: 99n,
    contentOffset: 0n,
  });
  const AT_WORDS = { error: "ContributionNotInModel" };

  test.each(wordVectors.cases)("$name", async ({ output, boundaries }) => {
    const bytes = hexToBytes(output as Hex);
    const tryCommit = (spans: readonly Span[]) =>
      commit(market.world, market.host, inferenceId, bytes, spans, { signature: "0x" });
    const between = boundaries.slice(1).map((end, i) => span(boundaries[i]!, end));
    for (let i = 0; i < between.length; i += MAX_SPANS) {
      expect(await tryCommit(between.slice(i, i + MAX_SPANS))).toMatchObject(AT_WORDS);
    }
    for (const { outputStart, length } of between) {
      const end = outputStart + length;
      // Next to a boundary is where a wrong rule would differ.
      for (const position of new Set([outputStart + 1, end - 1])) {
        if (position <= outputStart || position >= end) continue;
        const refused = { error: "SpanNotAtWord", args: [0n, BigInt(position)] };
        expect(await tryCommit([span(outputStart, position)])).toMatchObject(refused);
        expect(await tryCommit([span(position, end)])).toMatchObject(refused);
      }
    }
  });
});

describe("span-v1.json", () => {
  test.each(spanVectors.cases)("$name", async (vector) => {
    const contents = vector.contributions.map(({ content }) => hexToBytes(content as Hex));
    const market = await openVectorWorld(contents, { parameters: { minSpanBytes: BigInt(vector.minSpanBytes) } });
    const { world, modelId, contributor, host, payer } = market;
    for (const { id, live } of vector.contributions) {
      if (!live) await world.must(contributor, "datanet", "withdrawConsent", [BigInt(id)]);
    }
    const output = hexToBytes(vector.output as Hex);
    const spans = spansOf(vector.spans);
    const inferenceId = await request(world, payer, host, modelId, ETHER);
    const committed = await commit(world, host, inferenceId, output, spans);
    expect(committed).toMatchObject({ ok: true });
    if (!committed.ok) return;
    const claim = claimOf(inferenceId, output, spans);
    const { outputRoot, outputBytes } = claim;
    const spansHash = hexToBytes(vector.spansHash as Hex);
    const leaf = answerLeaf({ inferenceId, outputRoot: hexToBytes(outputRoot), outputBytes, spansHash });
    const [noted, batch] = committed.logs;
    expect(noted!.args.coveredBytes).toBe(vector.coveredBytes);
    expect(batch!.args.root).toBe(bytesToHex(leaf));

    world.advance(30n);
    const settled = await world.must(payer, "attribution", "settle", [[claim]]);
    const weights = new Map<bigint, bigint>();
    for (const [i, weight] of vector.weights.entries()) {
      const { contribution } = spans[i]!;
      weights.set(contribution, (weights.get(contribution) ?? 0n) + BigInt(weight));
    }
    const paid = accruedIn(settled.logs).filter(({ kind }) => kind === "contributor");
    expect(paid.map(({ source, weight }) => [source, weight])).toEqual(
      [...weights].filter(([, weight]) => weight > 0n),
    );
  });
});

describe("settlement.json", () => {
  /** Prices have 128 bits, and spans lie within a window: what else the vectors have is arithmetic only. */
  const onChain = settlementVectors.vectors.filter(
    ({ terms }) =>
      BigInt(terms.feeWei) * 1_000n < 2n ** 128n &&
      findSpanFault(spansOf(terms.spans), terms.outputBytes, 1, undefined) === undefined,
  );

  test("most vectors can be on chain", () => {
    expect(onChain.length).toBeGreaterThanOrEqual(8);
  });

  test.each(onChain)("$name", async ({ terms, expected }) => {
    const fee = BigInt(terms.feeWei);
    const platformFee = BigInt(terms.platformFeeWei);
    const [modelPpm, stakersPpm, contributorsPpm] = [terms.modelPpm, terms.stakersPpm, terms.contributorsPpm].map(
      BigInt,
    ) as [bigint, bigint, bigint];
    const last = Math.max(0, ...terms.spans.map(({ contribution }) => Number(contribution)));
    const contents = Array.from({ length: last }, (_, i) => patternContent(1_025 + i));
    // The request is one byte, so its price is the fee but for the platform's.
    const prices = { requestPrice: (fee - platformFee) * 1_000n, outputPrice: 0n };
    const ancestors = terms.royaltyPpm.map((ppm) => ({ royaltyPpm: Number(ppm) })).reverse();
    const { world, modelId, host, payer } = await openVectorWorld(contents, {
      parameters: { platformFeeWei: platformFee, modelPpm, stakersPpm, contributorsPpm, stakeMultiple: 0n },
      lineage: [...ancestors, { ...prices, hostPpm: Number(terms.hostPpm) }],
    });
    const options = { audience: 1, requestBytes: 1 } as const;
    const inferenceId = await request(world, payer, host, modelId, fee, options);
    const output = patternContent(terms.outputBytes);
    const spans = spansOf(terms.spans);
    expect(await commit(world, host, inferenceId, output, spans, { isPrivate: true })).toMatchObject({ ok: true });
    world.advance(30n);
    const { logs } = await world.must(payer, "attribution", "settle", [[claimOf(inferenceId, output, spans)]]);

    const accrued = accruedIn(logs);
    const of = (kind: Reward, source?: bigint): string =>
      `${accrued.filter((one) => one.kind === kind && one.source === (source ?? one.source)).reduce((sum, { amount }) => sum + amount, 0n)}`;
    expect({
      contributors: accrued
        .filter(({ kind }) => kind === "contributor")
        .map(({ source, weight, amount }) => ({
          contribution: `${source}`,
          weight: `${weight}`,
          amountWei: `${amount}`,
        })),
      modelOwnerWei: of("modelOwner"),
      hostWei: of("host"),
      royaltiesWei: terms.royaltyPpm.map((_, i) => of("royalty", modelId - BigInt(i + 1))),
      stakersWei: of("stakers"),
      treasuryWei: of("treasury"),
    }).toEqual({
      contributors: expected.contributors.filter(({ amountWei }) => amountWei !== "0"),
      modelOwnerWei: expected.modelOwnerWei,
      hostWei: expected.hostWei,
      royaltiesWei: expected.royaltiesWei,
      stakersWei: expected.stakersWei,
      treasuryWei: expected.treasuryWei,
    });
  });
});
