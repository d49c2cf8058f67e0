/**
 * The index at a million rewards, on SQLite and PostgreSQL (of the registry's package), side by side on the same chain:
 * rows a second in a backfill and what a block adds to a live index; then what auditors and contributors ask, over HTTP
 * from the server that users get, one after the other; and subscribers.
 * Prints `name value unit goal`, a line a figure.
 * `node bench/index.ts [--stores sqlite,postgres] [--contributions 100000] [--inferences 125000] [--subscribers 1000]`
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sql } from "kysely";
import { openReader } from "../indexer/database.ts";
import { createIndexer } from "../indexer/store.ts";
import { TABLE_NAMES } from "../indexer/tables.ts";
import { startPostgres, type TestPostgres } from "../indexer/testing/postgres.ts";
import { BenchChain, type ChainSize, GrowingChain } from "./index-chain.ts";
import { print } from "./index-print.ts";
import { measureQueries } from "./index-queries.ts";
import { measureSubscriptions } from "./index-subscriptions.ts";
import { quantile } from "./quantile.ts";

const { values } = parseArgs({
  options: {
    stores: { type: "string", default: "sqlite,postgres" },
    contributions: { type: "string", default: "100000" },
    inferences: { type: "string", default: "125000" },
    subscribers: { type: "string", default: "1000" },
  },
});
/** Blocks that are added one by one. */
const LIVE_BLOCKS = 500;
/** Those that subscribers wait for. */
const WATCHED_BLOCKS = 30;
const size: ChainSize = {
  contributions: Number(values.contributions),
  inferences: Number(values.inferences),
  single: LIVE_BLOCKS + WATCHED_BLOCKS,
};
const GOALS = { sqlite: ">20000", postgres: ">40000" } as const;
type StoreName = keyof typeof GOALS;

const directory = mkdtempSync(join(tmpdir(), "openledger-index-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));

for (const store of values.stores.split(",") as StoreName[]) {
  const postgres =
    store === "postgres" ? await startPostgres({ shared_buffers: "1GB", max_wal_size: "4GB" }) : undefined;
  await measure(store, locationOf(store, postgres));
  await postgres?.stop();
}

function locationOf(store: StoreName, postgres: TestPostgres | undefined): string {
  return postgres?.url ?? join(directory, `${store}.sqlite`);
}

async function measure(store: StoreName, location: string): Promise<void> {
  const whole = new BenchChain(size);
  const backfilled = Number(whole.head.number) - LIVE_BLOCKS - WATCHED_BLOCKS;
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  await indexUpTo(location, new BenchChain(size, backfilled));
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const rows = await countRows(location);
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  for (const table of ["rewards", "edges", "contributions"] as const)
    print(`${store}.${table}`, rows[table] ?? 0, "rows");
  print(`${store}.rows`, total, "rows");
  print(`${store}.backfill.time`, seconds, "s");
  print(`${store}.backfill.rate`, total / seconds, "rows/s", GOALS[store]);
  print(`${store}.backfill.cpu`, (user + system) / 1e6, "CPU-s of the node");
  await measureLive(store, location, whole, backfilled);
  await measureQueries(store, location, {
    inferences: size.inferences,
    head: backfilled + LIVE_BLOCKS,
  });
  await measureSubscriptions(store, location, whole, backfilled + LIVE_BLOCKS, Number(values.subscribers));
}

async function indexUpTo(location: string, source: BenchChain): Promise<void> {
  const indexer = createIndexer({ source, location });
  await indexer.start();
  await indexer.caughtUp();
  await indexer.stop();
}

/** One block a transaction, as a node that follows does it. */
async function measureLive(store: StoreName, location: string, whole: BenchChain, from: number): Promise<void> {
  const before = await countRows(location);
  const source = new GrowingChain(whole, from);
  const indexer = createIndexer({ source, location });
  await indexer.start();
  await indexer.caughtUp();
  const times: number[] = [];
  for (let i = 0; i < LIVE_BLOCKS; i++) {
    const startMs = performance.now();
    source.grow();
    await indexer.caughtUp();
    times.push(performance.now() - startMs);
    source.prepare();
  }
  await indexer.stop();
  const after = await countRows(location);
  const added = Object.keys(after).reduce((sum, table) => sum + (after[table] ?? 0) - (before[table] ?? 0), 0);
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  print(`${store}.block.rows`, added / LIVE_BLOCKS, "rows");
  print(`${store}.block.p50`, quantile(times, 0.5), "ms");
  print(`${store}.block.p99`, quantile(times, 0.99), "ms");
  print(`${store}.block.per-20-rows`, (mean * 20 * LIVE_BLOCKS) / added, "ms", "<1");
}

async function countRows(location: string): Promise<Record<string, number>> {
  const db = openReader(location, { connections: 1 });
  const counts: Record<string, number> = {};
  for (const table of TABLE_NAMES) {
    const row = await db
      .selectFrom(table as "blocks")
      .select(sql<number>`count(*)`.as("count"))
      .executeTakeFirstOrThrow();
    counts[table] = row.count;
  }
  await db.destroy();
  return counts;
}
