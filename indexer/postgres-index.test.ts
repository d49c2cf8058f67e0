import pg from "pg";
import { afterEach, expect, test } from "vitest";
import { parsePostgresUrl } from "./postgres-index.ts";
import { createIndexer, type Indexer } from "./store.ts";
import { standardChain } from "./testing/histories.ts";
import { dumpIndex, freshIndex } from "./testing/rows.ts";
import { POSTGRES, SQLITE } from "./testing/stores.ts";

const running: Indexer[] = [];
afterEach(async () => {
  for (const indexer of running.splice(0)) await indexer.stop();
});

async function start(...[options]: Parameters<typeof createIndexer>): Promise<Indexer> {
  const indexer = createIndexer(options);
  running.push(indexer);
  await indexer.start();
  return indexer;
}

const schemaOf = (location: string): string => parsePostgresUrl(location).schema;

async function query(location: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: parsePostgresUrl(location).connectionString });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

test("holds the same rows as the file does", async () => {
  const { chain } = standardChain();
  expect(await freshIndex(chain, await POSTGRES.newLocation())).toEqual(
    await freshIndex(chain, await SQLITE.newLocation()),
  );
});

test("a connection that is cut is taken up again, and nothing counts twice", async () => {
  const { chain } = standardChain();
  const source = chain.fork(5);
  const location = await POSTGRES.newLocation();
  const warnings: string[] = [];
  const log = { info: () => {}, warn: (_: object, message: string) => void warnings.push(message), error: () => {} };
  const indexer = await start({ source, location, log });
  await indexer.caughtUp();
  await query(location, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
  for (const block of chain.blocks.slice(5)) source.commit(block);
  await indexer.caughtUp();
  expect(await dumpIndex(location)).toEqual(await freshIndex(chain, await SQLITE.newLocation()));
});

test("a second writer is refused; a checkpoint that somebody moved is where the index goes on from", async () => {
  const { chain } = standardChain();
  const location = await POSTGRES.newLocation();
  const first = await start({ source: chain, location });
  await first.caughtUp();
  await expect(start({ source: chain, location, lockWaitMs: 300 })).rejects.toThrow(/written by another process/);
  // As when a rebuilt index, which is a few blocks behind, takes the place of this one.
  const behind = await POSTGRES.newLocation();
  await freshIndex(chain.fork(7), behind);
  await query(
    location,
    `DROP SCHEMA ${schemaOf(location)} CASCADE; ALTER SCHEMA ${schemaOf(behind)} RENAME TO ${schemaOf(location)}`,
  );
  chain.append([]);
  await first.caughtUp();
  expect(await dumpIndex(location)).toEqual(await freshIndex(chain, await SQLITE.newLocation()));
});

test.each([
  [
    "a newer schema",
    `openledger index 99 ${"a".repeat(64)}`,
    /version 99, this program knows \d+: run the newer program/,
  ],
  ["somebody else's schema", "our tables", /is no index of this program: name another by \?schema=/],
])("%s is refused", async (_, comment, message) => {
  const { chain } = standardChain();
  const location = await POSTGRES.newLocation();
  await query(location, `CREATE SCHEMA ${schemaOf(location)}; COMMENT ON SCHEMA ${schemaOf(location)} IS '${comment}'`);
  await expect(start({ source: chain, location })).rejects.toThrow(message);
});

test("an older schema is renamed, reported and rebuilt", async () => {
  const { chain } = standardChain();
  const location = await POSTGRES.newLocation();
  const expected = await freshIndex(chain, location);
  await query(location, `COMMENT ON SCHEMA ${schemaOf(location)} IS 'openledger index 1 ${"a".repeat(64)}'`);
  const warnings: object[] = [];
  const log = { info: () => {}, warn: (fields: object) => void warnings.push(fields), error: () => {} };
  expect(await freshIndex(chain, location, log)).toEqual(expected);
  expect(warnings).toMatchObject([{ reason: "older-schema", movedTo: `${schemaOf(location)}_older_schema` }]);
});

test("two indexes share a database", async () => {
  const { chain } = standardChain();
  const location = await POSTGRES.newLocation();
  const expected = await freshIndex(chain, location);
  expect(await freshIndex(chain, location.replace("schema=", "schema=another_"))).toEqual(expected);
  expect(() => parsePostgresUrl("postgres://localhost/db?schema=Robert'); DROP")).toThrow(/lower-case letters/);
});
