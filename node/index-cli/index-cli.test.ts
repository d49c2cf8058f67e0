/** Verification and rebuilding of an index against a node over HTTP, on every store. */
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { besideIndex, openIndex } from "../../indexer/database.ts";
import { createIndexer } from "../../indexer/store.ts";
import { dumpIndex } from "../../indexer/testing/rows.ts";
import { STORES } from "../../indexer/testing/stores.ts";
import { LineageWorld } from "../lineage-cli/testing/lineage-world.ts";
import { createLog } from "../log.ts";
import { rebuildIndex } from "./rebuild.ts";
import { rpcSource } from "./rpc-source.ts";
import { verifyIndex } from "./verify.ts";

const log = createLog("silent", "json");
let world: LineageWorld;
let rpc: string;

beforeAll(async () => {
  world = await LineageWorld.open();
  await world.tell();
  rpc = await world.serveRpc();
}, 60_000);
afterAll(() => world.close());

async function indexed(location: string): Promise<void> {
  const indexer = createIndexer({ source: await rpcSource(rpc), location });
  await indexer.start();
  await indexer.caughtUp();
  await indexer.stop();
}

/** What differs, by check. */
async function differences(location: string): Promise<Record<string, readonly string[]>> {
  const failed: Record<string, readonly string[]> = {};
  for await (const { name, failures } of verifyIndex({ location, rpc, sample: 0 })) {
    if (failures.length > 0) failed[name] = failures;
  }
  return failed;
}

async function change(location: string, statement: string): Promise<void> {
  const { db } = await openIndex(location);
  await sql.raw(statement).execute(db);
  await db.destroy();
}

describe.each(STORES)("an index on $name", ({ newLocation }) => {
  test("is not verified against what does not answer, and the error says where that is", async () => {
    const location = await newLocation();
    await indexed(location);
    const nobody = "http://127.0.0.1:1/secret";
    const verifying = verifyIndex({ location, rpc: nobody, sample: 1 }).next();
    await expect(verifying).rejects.toThrow(/^127\.0\.0\.1:1 does not answer as a node does: .*see --rpc$/);
  });

  test("that is right passes every check, with something to compare in each", async () => {
    const location = await newLocation();
    await indexed(location);
    for await (const { name, compared, failures } of verifyIndex({ location, rpc, sample: 0 })) {
      expect([name, failures]).toEqual([name, []]);
      if (!name.includes("claims")) expect([name, compared > 0]).toEqual([name, true]);
    }
  });

  test("that is wrong is told what differs", async () => {
    const location = await newLocation();
    await indexed(location);
    await change(location, "UPDATE rewards SET inference = 2 WHERE inference = 1");
    await change(location, "UPDATE contributions SET licence = 3 WHERE id = 2");
    await change(location, "UPDATE inferences SET state = 4 WHERE id = 2 AND valid_to IS NULL");
    await change(location, "DELETE FROM blocks WHERE block = 2");
    await change(location, "UPDATE accounts SET claimed = accrued WHERE valid_to IS NULL");
    const found = await differences(location);
    expect(found).toMatchObject({
      blocks: [expect.stringMatching(/^\d+ blocks up to block \d+$/)],
      contributions: [expect.stringMatching(/^contribution 2 licence: 3 in the index, \d+ on the chain$/)],
      inferences: [expect.stringMatching(/^inference 2 state: 4 in the index, \d on the chain$/)],
      "fees are paid out whole": [expect.stringContaining("the rewards of inference 1 are not its fee")],
    });
    expect(found["roots of versions"]?.[0]).toMatch(/root of its contributions: 0x[0-9a-f]{64} in the index, 0x/);
    expect(found.accounts?.[0]).toMatch(
      /^0x[0-9a-f]{40} accrued and not claimed: 0 in the index, [1-9]\d* on the chain$/,
    );
    expect(found["accounts add up to their claims"]?.[0]).toMatch(
      /claimed of 0x[0-9a-f]{40} is not the sum of its claims/,
    );
  });

  test("is rebuilt beside the old one, which it replaces whole", async () => {
    const location = await newLocation();
    await indexed(location);
    const expected = await dumpIndex(location);
    await change(location, "DELETE FROM rewards");
    // What an earlier attempt has left is no part of it.
    const beside = await besideIndex(location);
    await indexed(beside);
    await change(beside, "DELETE FROM blocks");
    expect(await rebuildIndex(location, rpc, log)).toMatch(/ is rebuilt up to block \d+: /);
    await (await openIndex(location)).db.destroy();
    expect(await dumpIndex(location)).toEqual(expected);
    expect(await differences(location)).toEqual({});
  });
});

test("a node that does not answer is named", async () => {
  await expect(rpcSource("http://127.0.0.1:9")).rejects.toThrow(/127\.0\.0\.1:9 does not answer eth_getBlockByNumber/);
});
