import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import { createIndexer } from "./store.ts";
import { openAsker } from "./testing/ask.ts";
import { FakeChain, testAddress } from "./testing/fake-chain.ts";
import { bridgedChain, chainOf, STEP_KINDS, type Step } from "./testing/histories.ts";
import { freshIndex } from "./testing/rows.ts";
import { STORES } from "./testing/stores.ts";

/** Asks for nearly everything that the schema has. */
const EVERYTHING = `query ($block: BlockSelector) {
  _meta(block: $block) { block { number hash } schemaVersion }
  datanets(block: $block, order: NEWEST) { totalCount nodes {
    nodeId acceptedCount versionCount versions { totalCount nodes { nodeId root } } grants { totalCount nodes { account { address } changedBlock { number } } }
    contributions(orderBy: EARNED, orderDirection: DESC) { edges { cursor node { id earned } } }
  } }
  contributions(block: $block) { totalCount edges { cursor node {
    id status consent earned rewardCount score leafIndex decidedBlock { number } history { status block { number } } withdrawnUpstream { id }
    parents { id } bondMovements { amount } rewards { totalCount } attributions { totalCount nodes { weight weightPpm paid inference { state } } }
    rewardSeries(interval: HOUR, from: 1699999000, to: 1700009000) { start amount count }
  } } }
  models(block: $block) { nodes { id requestPrice outputPrice hosts { nodes { active url changedBlock { number } } } inferences { totalCount } } }
  inferences(block: $block) { totalCount nodes {
    id state fee refund settleAfter batch { root } fault committed { block { number } } closed { block { number } }
    spans { length } attributions { weightPpm paid } demands { chunk state } auditors { auditor { address } allowed } rewards { id amount }
  } }
  outputs(block: $block, last: 2) { nodes { id } pageInfo { hasPreviousPage } }
  rewards(block: $block) { totalCount nodes { nodeId amount time } }
  claims(block: $block) { nodes { amount } }
  stakes(block: $block) { nodes { kind total } }
  deposits(block: $block) { nodes { mint } }
  withdrawals(block: $block) { nodes { nonce } }
  account(block: $block, address: "${testAddress(1)}") { accrued claimed claimable stake rewardCount rewardTotals { kind amount count } rewards(last: 3) { nodes { id } } }
  topContributors(block: $block) { account { address accrued } amount count }
  ofData: topContributors(block: $block, datanet: 1) { account { address } amount count }
  lineage(block: $block, output: 1) { truncated asOf { number } nodes { id depth weight } edges { from to weightPpm } }
  down: lineage(block: $block, of: "datanet:1", direction: DOWNSTREAM) { nodes { id depth weight } edges { from to kind } }
  lineagePath(block: $block, from: "output:1", to: "datanet:1") { nodes { id } }
  impact(block: $block, of: "datanet:1") { paid weight outputs { output { id } weight paid } models { id } contributions { id earned } }
  search(block: $block, text: "model") { nodes { __typename } truncated }
}`;

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ kind: fc.nat(STEP_KINDS - 1), a: fc.nat(40), b: fc.nat(40), seal: fc.boolean() }),
  { minLength: 30, maxLength: 60 },
);

/** Blocks of a chain that are asked for. */
const SAMPLES = 6;

describe.each(STORES)("$name", ({ newLocation, runs }) => {
  test("an answer at a block is the answer that the index gave when it ended there", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const whole = chainOf(history);
        const growing = new FakeChain();
        const location = await newLocation();
        const indexer = createIndexer({ source: growing, location });
        await indexer.start();
        await indexer.caughtUp();
        const asker = openAsker(location);
        const then = new Map<number, unknown>();
        const every = Math.ceil(whole.blocks.length / SAMPLES);
        for (const [number, block] of whole.blocks.entries()) {
          if (number > 0) growing.commit(block);
          if (number % every !== 0) continue;
          await indexer.caughtUp();
          then.set(number, await asker.data(EVERYTHING));
        }
        for (const [number, answer] of then) {
          expect(await asker.data(EVERYTHING, { block: { number } })).toEqual(answer);
        }
        await asker.close();
        await indexer.stop();
      }),
      { numRuns: Math.ceil(runs / 4) },
    );
  });

  test("each root field is of its own block, and a block is named in four ways", async () => {
    const { chain } = bridgedChain();
    const location = await newLocation();
    await freshIndex(chain, location);
    const asker = openAsker(location);
    const hash = bytesToHex(chain.blocks[10]!.hash);
    const head = chain.blocks.length - 1;
    const answer = await asker.data(`{
      early: inference(id: 1, block: {number: 8}) { state closed { tx } }
      later: inference(id: 1, block: {hash: "${hash}"}) { state host { accrued } }
      same: inference(id: 1, block: {number: "10"}) { host { accrued } }
      now: inference(id: 1) { state }
      none: inference(id: 1, block: {number: 3}) { state }
      atLeast: _meta(block: {number_gte: 5}) { block { number } }
      latest: _meta(block: {tag: LATEST}) { block { number } safe { number } finalized { number } chainHead }
    }`);
    expect(answer).toMatchObject({
      early: { state: "REQUESTED", closed: null },
      later: { state: "SETTLED", host: answer.same.host },
      now: { state: "SETTLED" },
      none: null,
      atLeast: { block: { number: String(head) } },
      latest: { block: { number: String(head) }, chainHead: String(head) },
    });
    expect(BigInt(answer.later.host.accrued)).toBeGreaterThan(0n);
    await asker.close();
  });

  test("a block that the index does not have is refused with its end", async () => {
    const { chain } = bridgedChain();
    const location = await newLocation();
    await freshIndex(chain, location);
    const asker = openAsker(location);
    const head = chain.blocks.length - 1;
    const failure = (block: string) => asker.failure(`{ datanets(block: ${block}) { totalCount } }`);
    expect(await failure(`{number: ${head + 1}}`)).toBe(
      `block ${head + 1} is not in the index, which ends at block ${head}`,
    );
    expect(await failure(`{number_gte: ${head + 1}}`)).toBe(
      `block ${head + 1} is not in the index yet, which ends at block ${head}`,
    );
    expect(await failure(`{hash: "0x${"ab".repeat(32)}"}`)).toBe(`no block of the index has hash 0x${"ab".repeat(32)}`);
    expect(await failure("{number: 1, tag: SAFE}")).toMatch(/exactly one/i);
    expect(await failure("{}")).toMatch(/exactly one/i);
    await asker.close();
  });

  test("tags are what the chain says, as far as the index has come", async () => {
    const { chain } = bridgedChain();
    const tags = { safe: 9n, finalized: 4n };
    const source = Object.assign(chain, { tags });
    const location = await newLocation();
    await freshIndex(source, location);
    const asker = openAsker(location);
    expect(
      await asker.data(`{
        safe: inferences(block: {tag: SAFE}) { nodes { state } }
        finalized: contributions(block: {tag: FINALIZED}) { nodes { status } }
        _meta(block: {tag: FINALIZED}) { block { number } safe { number } finalized { number } }
      }`),
    ).toEqual({
      safe: { nodes: ["COMMITTED", "REQUESTED", "REQUESTED"].map((state) => ({ state })) },
      finalized: {
        nodes: ["ACCEPTED", "ACCEPTED", "ACCEPTED", "ACCEPTED", "PENDING", "PENDING", "PENDING"].map((status) => ({
          status,
        })),
      },
      _meta: { block: { number: "4" }, safe: { number: "9" }, finalized: { number: "4" } },
    });
    await asker.close();
  });
});
