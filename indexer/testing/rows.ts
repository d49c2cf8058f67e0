/** Whole indexes: built at once, written by hand, and read row by row. */
import { sql } from "kysely";
import { bytesToHex } from "../../core/bytes.ts";
import type { ChainSource } from "../../core/chain.ts";
import type { Change } from "../changes.ts";
import { openIndex, openReader } from "../database.ts";
import { createIndexer, type IndexerLog } from "../store.ts";
import { TABLE_NAMES, tableShape } from "../tables.ts";
import { applyBlocks } from "../writer.ts";

/** Every row of the index, by table, in key order. */
export async function dumpIndex(location: string): Promise<Record<string, unknown[]>> {
  const db = openReader(location, { connections: 1 });
  const dump: Record<string, unknown[]> = {};
  for (const table of TABLE_NAMES) {
    const { kind, columns, key } = tableShape(table);
    const all = kind === "entity" ? [...Object.keys(columns), "valid_from", "valid_to"] : Object.keys(columns);
    const order = kind === "entity" ? [...key, "valid_from"] : key;
    // The tables differ only in names here, so one of them stands for all in kysely's types.
    let query = db.selectFrom(table as "blocks").select(all.map((column) => sql.ref(column).as(column)));
    for (const column of order) query = query.orderBy(sql.ref(column));
    dump[table] = (await query.execute()).map(plain);
  }
  dump.checkpoint = (await db.selectFrom("checkpoint").selectAll().execute()).map(plain);
  await db.destroy();
  return dump;
}

/** Alike from every store: bytes as hex. */
const plain = (row: object): unknown =>
  Object.fromEntries(Object.entries(row).map(([name, v]) => [name, v instanceof Uint8Array ? bytesToHex(v) : v]));

/** A new index that has these rows, with all its secondary indexes. */
export async function writeRows(location: string, changes: readonly Change[]): Promise<void> {
  const { db, bulk, missingIndexes, createIndexes } = await openIndex(location);
  await createIndexes([...(await missingIndexes()).values()]);
  await db.transaction().execute((transaction) => applyBlocks(transaction, bulk, [{ number: 0, changes }]));
  await db.destroy();
}

/** Index of the whole chain, built at once by a new indexer. */
export async function freshIndex(
  source: ChainSource,
  location: string,
  log?: IndexerLog,
): Promise<Record<string, unknown[]>> {
  const indexer = createIndexer({ source, location, ...(log && { log }) });
  await indexer.start();
  await indexer.caughtUp();
  await indexer.stop();
  return await dumpIndex(location);
}
