/** Applies blocks' changes to the tables, and takes blocks back. Every function runs inside the caller's transaction. */
import { sql } from "kysely";
import { bytesToHex } from "../core/bytes.ts";
import type { AnyRow, Bulk, Closing, Executor, Value } from "./bulk.ts";
import type { Change } from "./changes.ts";
import { SCHEMA_HASH } from "./ddl.ts";
import { IndexError } from "./errors.ts";
import { type Checkpoint, type Progress, TABLE_NAMES, type TableName, tableShape } from "./tables.ts";

/** A block's changes, in order. */
export interface BlockChanges {
  readonly number: number;
  readonly changes: readonly Change[];
}

/** An entity as the batch has it so far. */
interface Entity {
  readonly table: TableName;
  readonly key: readonly Value[];
  /** Whether the table holds a current state that the first new one replaces. */
  stored: boolean;
  /** The current state. */
  row: AnyRow | undefined;
  /** Those that the batch adds, each valid until the next. */
  readonly states: AnyRow[];
}

/**
 * Applies the changes of consecutive blocks. What they touch is read at once, changed in memory, and written at once: an
 * entity that changes in a hundred blocks is read once, and an entity that changes several times in a block gets one
 * state. Resolves to the number of rows written. Throws IndexError where an entity is missing.
 */
export async function applyBlocks(db: Executor, bulk: Bulk, blocks: readonly BlockChanges[]): Promise<number> {
  const entities = await loadEntities(db, bulk, blocks);
  const facts = new Map<TableName, AnyRow[]>();
  for (const { number, changes } of blocks) {
    for (const change of changes) {
      if (change.op === "insert" && tableShape(change.table).kind === "fact") {
        rowsOf(facts, change.table).push(change.row as AnyRow);
      } else applyToEntity(entities, number, change);
    }
  }
  for (const [table, closings] of closingsOf(entities.values())) await bulk.closeCurrent(db, table, closings);
  const states = new Map<TableName, AnyRow[]>();
  for (const { table, states: added } of entities.values()) if (added.length > 0) rowsOf(states, table).push(...added);
  let written = 0;
  for (const [table, rows] of [...facts, ...states]) {
    await bulk.insert(db, table, rows);
    written += rows.length;
  }
  return written;
}

async function loadEntities(db: Executor, bulk: Bulk, blocks: readonly BlockChanges[]): Promise<Map<string, Entity>> {
  const entities = new Map<string, Entity>();
  const wanted = new Map<TableName, (readonly Value[])[]>();
  for (const change of blocks.flatMap(({ changes }) => changes)) {
    const { kind } = tableShape(change.table);
    if (kind === "fact") continue;
    const key = keyOf(change);
    const name = entityName(change.table, key);
    if (entities.has(name)) continue;
    entities.set(name, { table: change.table, key, stored: false, row: undefined, states: [] });
    // What an event brings into being is not there, or the index is inconsistent, which the unique key tells.
    rowsOf(wanted, change.table).push(key);
  }
  for (const [table, keys] of wanted) {
    const { key } = tableShape(table);
    for (const row of await bulk.loadCurrent(db, table, keys)) {
      const name = entityName(
        table,
        key.map((column) => row[column] as Value),
      );
      const entity = entities.get(name) as Entity;
      entity.stored = true;
      entity.row = row;
    }
  }
  return entities;
}

function applyToEntity(entities: ReadonlyMap<string, Entity>, number: number, change: Change): void {
  const name = entityName(change.table, keyOf(change));
  const entity = entities.get(name) as Entity;
  if (change.op === "insert") {
    if (entity.row !== undefined) throw new IndexError("INDEX_INCONSISTENT", `block ${number}: ${name} exists already`);
    addState(entity, number, change.row as AnyRow);
    return;
  }
  const before = entity.row ?? (change.create as AnyRow | undefined);
  if (before === undefined) throw new IndexError("INDEX_INCONSISTENT", `block ${number}: ${name} is unknown`);
  if (!holds(before, change.when as AnyRow)) return;
  addState(entity, number, merge(before, change.set as AnyRow, change.add as AnyRow));
}

function addState(entity: Entity, number: number, row: AnyRow): void {
  const state = { ...row, valid_from: number, valid_to: null };
  const last = entity.states.at(-1);
  if (last?.valid_from === number) entity.states[entity.states.length - 1] = state;
  else {
    if (last !== undefined) last.valid_to = number;
    entity.states.push(state);
  }
  entity.row = row;
}

function closingsOf(entities: Iterable<Entity>): Map<TableName, Closing[]> {
  const closings = new Map<TableName, Closing[]>();
  for (const { table, key, stored, states } of entities) {
    const [first] = states;
    if (stored && first !== undefined) rowsOf(closings, table).push({ key, validTo: first.valid_from as number });
  }
  return closings;
}

function rowsOf<K, R>(groups: Map<K, R[]>, key: K): R[] {
  const known = groups.get(key);
  if (known !== undefined) return known;
  const rows: R[] = [];
  groups.set(key, rows);
  return rows;
}

function keyOf(change: Change): readonly Value[] {
  const row = (change.op === "insert" ? change.row : change.key) as AnyRow;
  return tableShape(change.table).key.map((column) => row[column] as Value);
}

const entityName = (table: TableName, key: readonly Value[]): string =>
  `${table} ${key.map((value) => (value instanceof Uint8Array ? bytesToHex(value) : String(value))).join(" ")}`;

/** Conditions are on plain columns; compared as the database would. */
function holds(row: AnyRow, when: AnyRow): boolean {
  return Object.entries(when).every(([column, value]) => row[column] === value);
}

function merge(before: AnyRow, set: AnyRow, add: AnyRow): AnyRow {
  const after = { ...before, ...set };
  for (const [column, amount] of Object.entries(add)) {
    const value = after[column];
    after[column] = typeof amount === "bigint" ? (value as bigint) + amount : (value as number) + (amount as number);
  }
  return after;
}

/** Takes back everything after block `number` (-1: everything): what remains equals an index that ended there. */
export async function rewindTo(db: Executor, number: number): Promise<void> {
  for (const table of TABLE_NAMES) {
    if (tableShape(table).kind === "fact") {
      await sql`DELETE FROM ${sql.table(table)} WHERE "block" > ${number}`.execute(db);
    } else {
      await sql`DELETE FROM ${sql.table(table)} WHERE "valid_from" > ${number}`.execute(db);
      await sql`UPDATE ${sql.table(table)} SET "valid_to" = NULL WHERE "valid_to" > ${number}`.execute(db);
    }
  }
  const last = await db.selectFrom("blocks").select(["block", "hash"]).where("block", "=", number).executeTakeFirst();
  if (last === undefined) await db.deleteFrom("checkpoint").execute();
  else await db.updateTable("checkpoint").set({ block: last.block, hash: last.hash }).execute();
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

/**
 * Moves the checkpoint from block `before` (undefined: there is none) to another one. Throws IndexError CHECKPOINT_MOVED
 * when it is elsewhere: then another index has taken the place of this one. Precondition: block 0 is in the index.
 */
export async function writeCheckpoint(
  db: Executor,
  before: number | undefined,
  block: number,
  hash: Uint8Array,
): Promise<void> {
  if (before !== undefined) {
    const moved = await db
      .updateTable("checkpoint")
      .set({ block, hash })
      .where("block", "=", before)
      .executeTakeFirst();
    if (moved.numUpdatedRows === 1n) return;
    throw new IndexError(
      "CHECKPOINT_MOVED",
      `the index no longer ends with block ${before}: another has taken its place`,
    );
  }
  await db
    .insertInto("checkpoint")
    .values({
      id: 1,
      block,
      hash,
      genesis_hash: sql<Uint8Array>`(SELECT "hash" FROM "blocks" WHERE "block" = 0)`,
      schema_hash: SCHEMA_HASH,
    })
    .execute();
}

export async function blockHash(db: Executor, number: number): Promise<Uint8Array | undefined> {
  const row = await db.selectFrom("blocks").select("hash").where("block", "=", number).executeTakeFirst();
  return row?.hash;
}
