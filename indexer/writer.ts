/** Applies a block's changes to the tables, and takes blocks back. Every function runs inside the caller's transaction. */
import { CompiledQuery, type Kysely, sql, type Transaction } from "kysely";
import { bytesToHex } from "../core/bytes.ts";
import type { Change } from "./changes.ts";
import { SCHEMA_HASH } from "./ddl.ts";
import { IndexError } from "./errors.ts";
import { type Checkpoint, type Database, type Progress, TABLE_NAMES, type TableName, tableShape } from "./tables.ts";

type Executor = Kysely<Database> | Transaction<Database>;
type Value = number | bigint | string | Uint8Array | null;
type AnyRow = Record<string, Value>;

const quote = (names: readonly string[], separator = ", ", suffix = ""): string =>
  names.map((name) => `"${name}"${suffix}`).join(separator);

function run(db: Executor, query: string, parameters: readonly Value[]): Promise<{ rows: AnyRow[] }> {
  return db.executeQuery<AnyRow>(CompiledQuery.raw(query, [...parameters])) as Promise<{ rows: AnyRow[] }>;
}

/** Applies the changes of block `number` in order. Throws IndexError where an entity is missing. */
export async function applyChanges(db: Executor, number: number, changes: readonly Change[]): Promise<void> {
  // An entity that changes several times in a block gets one row, written after the last change.
  const touched = new Map<string, Entity>();
  for (const change of changes) {
    const { kind, key } = tableShape(change.table);
    if (change.op === "insert" && kind === "fact") {
      await insertRow(db, change.table, change.row as AnyRow);
      continue;
    }
    const keyRow = (change.op === "insert" ? change.row : change.key) as AnyRow;
    const keyValues = key.map((column) => keyRow[column] as Value);
    const name = `${change.table} ${keyValues.map(printable).join(" ")}`;
    let entity = touched.get(name);
    if (entity === undefined) {
      entity = await loadEntity(db, change.table, keyValues);
      touched.set(name, entity);
    }
    if (change.op === "insert") {
      if (entity.row !== undefined)
        throw new IndexError("INDEX_INCONSISTENT", `block ${number}: ${name} exists already`);
      entity.row = change.row as AnyRow;
      entity.changed = true;
    } else {
      const before = entity.row ?? (change.create as AnyRow | undefined);
      if (before === undefined) throw new IndexError("INDEX_INCONSISTENT", `block ${number}: ${name} is unknown`);
      if (!holds(before, change.when as AnyRow)) continue;
      entity.row = merge(before, change.set as AnyRow, change.add as AnyRow);
      entity.changed = true;
    }
  }
  for (const entity of touched.values()) {
    if (entity.changed) await writeEntity(db, number, entity);
  }
}

interface Entity {
  readonly table: TableName;
  readonly keyValues: readonly Value[];
  /** Whether the table holds a current state that the new one replaces. */
  readonly stored: boolean;
  row: AnyRow | undefined;
  changed: boolean;
}

async function loadEntity(db: Executor, table: TableName, keyValues: readonly Value[]): Promise<Entity> {
  const { key, columns } = tableShape(table);
  const select = `SELECT ${quote(Object.keys(columns))} FROM "${table}" WHERE ${quote(key, " AND ", " = ?")} AND "valid_to" IS NULL`;
  const found = (await run(db, select, keyValues)).rows[0];
  return { table, keyValues, stored: found !== undefined, row: found, changed: false };
}

/** Conditions are on plain columns; compared as the database would. */
function holds(row: AnyRow, when: AnyRow): boolean {
  return Object.entries(when).every(([column, value]) => row[column] === value);
}

function merge(before: AnyRow, set: AnyRow, add: AnyRow): AnyRow {
  const after = { ...before, ...set };
  for (const [column, amount] of Object.entries(add)) {
    const value = after[column];
    if (typeof amount === "bigint") {
      after[column] = (value as bigint) + amount;
    } else {
      after[column] = (value as number) + (amount as number);
    }
  }
  return after;
}

async function writeEntity(db: Executor, number: number, { table, keyValues, stored, row }: Entity): Promise<void> {
  if (stored) {
    const { key } = tableShape(table);
    const close = `UPDATE "${table}" SET "valid_to" = ? WHERE ${quote(key, " AND ", " = ?")} AND "valid_to" IS NULL`;
    await run(db, close, [number, ...keyValues]);
  }
  await insertRow(db, table, { ...row, valid_from: number, valid_to: null });
}

async function insertRow(db: Executor, table: TableName, row: AnyRow): Promise<void> {
  const columns = Object.keys(row);
  const query = `INSERT INTO "${table}" (${quote(columns)}) VALUES (${columns.map(() => "?").join(", ")})`;
  await run(db, query, Object.values(row));
}

const printable = (value: Value): string => (value instanceof Uint8Array ? bytesToHex(value) : String(value));

/** Takes back everything after block `number` (-1: everything): what remains equals an index that ended there. */
export async function rewindTo(db: Executor, number: number): Promise<void> {
  for (const table of TABLE_NAMES) {
    if (tableShape(table).kind === "fact") {
      await run(db, `DELETE FROM "${table}" WHERE "block" > ?`, [number]);
    } else {
      await run(db, `DELETE FROM "${table}" WHERE "valid_from" > ?`, [number]);
      await run(db, `UPDATE "${table}" SET "valid_to" = NULL WHERE "valid_to" > ?`, [number]);
    }
  }
  const last = await db.selectFrom("blocks").select(["block", "hash"]).where("block", "=", number).executeTakeFirst();
  if (last === undefined) await db.deleteFrom("checkpoint").execute();
  else await writeCheckpoint(db, last.block, last.hash);
}

export async function readCheckpoint(db: Executor): Promise<Checkpoint | undefined> {
  return await db.selectFrom("checkpoint").selectAll().executeTakeFirst();
}

export async function writeProgress(db: Executor, progress: Omit<Progress, "id">): Promise<void> {
  await db
    .insertInto("progress")
    .values({ id: 1, ...progress })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(progress))
    .execute();
}

/** Precondition: block 0 is in the index. */
export async function writeCheckpoint(db: Executor, block: number, hash: Uint8Array): Promise<void> {
  await db
    .insertInto("checkpoint")
    .values({
      id: 1,
      block,
      hash,
      genesis_hash: sql<Uint8Array>`(SELECT "hash" FROM "blocks" WHERE "block" = 0)`,
      schema_hash: SCHEMA_HASH,
    })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ block, hash }))
    .execute();
}

export async function blockHash(db: Executor, number: number): Promise<Uint8Array | undefined> {
  const row = await db.selectFrom("blocks").select("hash").where("block", "=", number).executeTakeFirst();
  return row?.hash;
}
