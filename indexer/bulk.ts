/** Many rows at once, as each store takes them fastest. Every function runs in the caller's transaction. */
import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import { CompiledQuery, type Kysely, type Transaction } from "kysely";
import { bytesToHex } from "../core/bytes.ts";
import { type Database, type TableName, tableShape } from "./tables.ts";

export type Executor = Kysely<Database> | Transaction<Database>;
export type Value = number | bigint | string | Uint8Array | null;
export type AnyRow = Record<string, Value>;

export interface Closing {
  readonly key: readonly Value[];
  /** Block from which on the current state is no longer valid. */
  readonly validTo: number;
}

export interface Bulk {
  /** The rows have the same columns. */
  insert(db: Executor, table: TableName, rows: readonly AnyRow[]): Promise<void>;
  /** Current states of an entity's keys, in any order. */
  loadCurrent(db: Executor, table: TableName, keys: readonly (readonly Value[])[]): Promise<AnyRow[]>;
  closeCurrent(db: Executor, table: TableName, closings: readonly Closing[]): Promise<void>;
}

const quoted = (names: readonly string[], separator = ", ", suffix = ""): string =>
  names.map((name) => `"${name}"${suffix}`).join(separator);

async function run(db: Executor, query: string, parameters: readonly Value[]): Promise<AnyRow[]> {
  const { rows } = await db.executeQuery<AnyRow>(CompiledQuery.raw(query, [...parameters]));
  return rows as AnyRow[];
}

/** Rows of one statement: few sizes, so that the statements stay prepared. */
const CHUNKS = [32, 4, 1];
/** SQLite works on this thread: after so long others have their turn. */
const TURN_MS = 5;

export const sqliteBulk: Bulk = {
  async insert(db, table, rows) {
    const turn = turns();
    const columns = Object.keys(rows[0] ?? {});
    const one = `(${columns.map(() => "?").join(", ")})`;
    const into = `INSERT INTO "${table}" (${quoted(columns)}) VALUES `;
    for (let at = 0; at < rows.length; ) {
      const size = CHUNKS.find((chunk) => chunk <= rows.length - at) ?? 1;
      const values = rows.slice(at, at + size).flatMap((row) => columns.map((column) => row[column] as Value));
      await run(db, into + Array<string>(size).fill(one).join(", "), values);
      at += size;
      await turn();
    }
  },
  async loadCurrent(db, table, keys) {
    const turn = turns();
    const { key, columns } = tableShape(table);
    const select = `SELECT ${quoted(Object.keys(columns))} FROM "${table}" WHERE ${quoted(key, " AND ", " = ?")} AND "valid_to" IS NULL`;
    const found: AnyRow[] = [];
    for (const values of keys) {
      found.push(...(await run(db, select, values)));
      await turn();
    }
    return found;
  },
  async closeCurrent(db, table, closings) {
    const turn = turns();
    const { key } = tableShape(table);
    const update = `UPDATE "${table}" SET "valid_to" = ? WHERE ${quoted(key, " AND ", " = ?")} AND "valid_to" IS NULL`;
    for (const closing of closings) {
      await run(db, update, [closing.validTo, ...closing.key]);
      await turn();
    }
  },
};

/** Yields to the event loop whenever it has been held for too long. */
function turns(): () => Promise<void> {
  let endsMs = performance.now() + TURN_MS;
  return async () => {
    if (performance.now() < endsMs) return;
    await yieldToEventLoop();
    endsMs = performance.now() + TURN_MS;
  };
}

/** One statement and one parameter, however many the rows: JSON, which the server turns into rows of the table. */
export const postgresBulk: Bulk = {
  async insert(db, table, rows) {
    const columns = quoted(Object.keys(rows[0] ?? {}));
    const insert = `INSERT INTO "${table}" (${columns}) SELECT ${columns} FROM json_populate_recordset(NULL::"${table}", $1::json)`;
    await run(db, insert, [jsonOf(rows)]);
  },
  async loadCurrent(db, table, keys) {
    const { key, columns } = tableShape(table);
    const select = Object.keys(columns)
      .map((column) => `t."${column}"`)
      .join(", ");
    const same = key.map((column) => `t."${column}" = k."${column}"`).join(" AND ");
    const wanted = keys.map((values) => Object.fromEntries(key.map((column, i) => [column, values[i] as Value])));
    const from = `FROM json_populate_recordset(NULL::"${table}", $1::json) k JOIN "${table}" t ON ${same}`;
    return await run(db, `SELECT ${select} ${from} WHERE t."valid_to" IS NULL`, [jsonOf(wanted)]);
  },
  async closeCurrent(db, table, closings) {
    const { key } = tableShape(table);
    const same = key.map((column) => `t."${column}" = k."${column}"`).join(" AND ");
    const rows = closings.map((closing) => ({
      ...Object.fromEntries(key.map((column, i) => [column, closing.key[i] as Value])),
      valid_to: closing.validTo,
    }));
    const from = `FROM json_populate_recordset(NULL::"${table}", $1::json) k`;
    const update = `UPDATE "${table}" t SET "valid_to" = k."valid_to" ${from} WHERE ${same} AND t."valid_to" IS NULL`;
    await run(db, update, [jsonOf(rows)]);
  },
};

/** bytea's hex form has a backslash before it. */
const jsonOf = (rows: readonly AnyRow[]): string =>
  JSON.stringify(rows, (_, value: unknown) => {
    if (value instanceof Uint8Array) return `\\${bytesToHex(value).slice(1)}`;
    return typeof value === "bigint" ? value.toString() : value;
  });
