/**
 * The index in a PostgreSQL database: in a schema of its own, written by whoever holds its advisory lock, read by anyone.
 * Names, types and queries are those of the SQLite file.
 */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { hexToBytes } from "../core/bytes.ts";
import { postgresBulk } from "./bulk.ts";
import { SCHEMA_HASH, SCHEMA_VERSION, schemaSql } from "./ddl.ts";
import { IndexError } from "./errors.ts";
import { missingOf, type OpenedIndex, type OpenOptions, printableLocation, type ReaderOptions } from "./location.ts";
import type { Database } from "./tables.ts";
import { readCheckpoint } from "./writer.ts";

const DEFAULT_SCHEMA = "openledger";
const CONNECT_TIMEOUT_MS = 10_000;
const LOCK_WAIT_MS = 10_000;
const LOCK_POLL_MS = 250;
/** Of the server, while it makes an index: the default has it sort on disk. */
const SORT_MEMORY = "256MB";

/** A location without what only this program knows of it. */
export interface PostgresLocation {
  readonly connectionString: string;
  readonly schema: string;
}

/** `postgres://...?schema=NAME`; what else is in the query string is libpq's. Throws IndexError BAD_LOCATION. */
export function parsePostgresUrl(location: string): PostgresLocation {
  const url = URL.parse(location);
  if (url === null) throw new IndexError("BAD_LOCATION", `${printableLocation(location)} is no postgres:// URL`);
  const schema = url.searchParams.get("schema") ?? DEFAULT_SCHEMA;
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(schema)) {
    throw new IndexError("BAD_LOCATION", `schema "${schema}": lower-case letters, digits and _, at most 40`);
  }
  url.searchParams.delete("schema");
  return { connectionString: url.href, schema };
}

/**
 * Opens the index for writing and creates it where there is none; one of an older schema is renamed to
 * `<schema>_older_schema`. Throws IndexError INDEX_NEWER, INDEX_LOCKED, BAD_LOCATION.
 */
export async function openPostgresIndex(location: string, options: OpenOptions): Promise<OpenedIndex> {
  const { connectionString, schema } = parsePostgresUrl(location);
  const db = kysely({ connectionString, max: 1, ...options }, async (client) => {
    await takeLock(client, location, schema, options.lockWaitMs ?? LOCK_WAIT_MS);
    await client.query(`SET search_path = "${schema}"`);
    await client.query("SET synchronous_commit = off"); // what is lost is replayed from the chain
  });
  try {
    const rebuilt = await prepareSchema(db, schema);
    const close = () => db.destroy();
    return { db, bulk: postgresBulk, rebuilt, missingIndexes, createIndexes, written: () => {}, close };
  } catch (error) {
    await db.destroy();
    throw error;
  }

  async function missingIndexes(): Promise<ReadonlyMap<string, string>> {
    const { rows } = await sql<{ name: string }>`
      SELECT indexname AS name FROM pg_indexes WHERE schemaname = ${schema}`.execute(db);
    return missingOf("postgres", new Set(rows.map(({ name }) => name)));
  }

  async function createIndexes(statements: readonly string[]): Promise<void> {
    await db.transaction().execute(async (transaction) => {
      const sorting = `SET LOCAL maintenance_work_mem = '${SORT_MEMORY}'`;
      await sql.raw([sorting, ...statements].join(";\n")).execute(transaction);
    });
    // Of many rows at once: the server's own statistics come too late for the first queries.
    if ((await readCheckpoint(db)) !== undefined) await sql`ANALYZE`.execute(db);
  }
}

export function openPostgresReader(location: string, options: ReaderOptions): Kysely<Database> {
  const { connectionString, schema } = parsePostgresUrl(location);
  const { connections, statementTimeoutMs, beforeStatement } = options;
  const pool = { connectionString, max: connections, ...(beforeStatement && { beforeStatement }) };
  return kysely(pool, async (client) => {
    await client.query(`SET search_path = "${schema}"`);
    await client.query("SET default_transaction_isolation = 'repeatable read'"); // one snapshot a request
    await client.query("SET default_transaction_read_only = on");
    if (statementTimeoutMs !== undefined) await client.query(`SET statement_timeout = ${statementTimeoutMs}`);
  });
}

interface PoolOptions extends OpenOptions {
  readonly connectionString: string;
  readonly max: number;
}

function kysely(
  { connectionString, max, beforeStatement }: PoolOptions,
  onConnect: (client: pg.ClientBase) => Promise<void>,
): Kysely<Database> {
  const pool = new pg.Pool({
    connectionString,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: "openledger index",
    types: { getTypeParser },
    onConnect,
  });
  // A connection that breaks fails the query that it is used for; one that breaks while idle is replaced.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const dialect = new PostgresDialect({
    pool,
    async onCreateConnection(connection) {
      if (beforeStatement === undefined) return;
      const execute = connection.executeQuery.bind(connection);
      connection.executeQuery = async (query, ...rest) => {
        await beforeStatement(query.sql);
        return await execute(query, ...rest);
      };
    },
  });
  return new Kysely<Database>({ dialect });
}

const INT8 = 20;
const BYTEA = 17;
const NUMERIC = 1700;

/** As the SQLite dialect answers: int as number, uint as bigint, bytes as Uint8Array. */
function getTypeParser(oid: number): (value: string) => unknown {
  switch (oid) {
    case INT8:
      return Number;
    case NUMERIC:
      return BigInt;
    case BYTEA:
      return (value) => hexToBytes(`0x${value.slice(2)}`);
    default:
      return pg.types.getTypeParser(oid) as (value: string) => unknown;
  }
}

/** The lock lives as long as the connection does. */
async function takeLock(client: pg.ClientBase, location: string, schema: string, waitMs: number): Promise<void> {
  const key = createHash("sha256").update(`openledger index ${schema}`).digest().readBigInt64BE();
  const until = Date.now() + waitMs;
  for (;;) {
    const { rows } = await client.query<{ held: boolean }>("SELECT pg_try_advisory_lock($1::bigint) AS held", [key]);
    if (rows[0]?.held === true) return;
    if (Date.now() > until) {
      throw new IndexError(
        "INDEX_LOCKED",
        `index ${printableLocation(location)} is written by another process: stop that one, or give this one another ?schema=`,
      );
    }
    await delay(LOCK_POLL_MS);
  }
}

async function prepareSchema(db: Kysely<Database>, schema: string): Promise<OpenedIndex["rebuilt"]> {
  const found = await readSchema(db, schema);
  if (found === undefined) {
    await createSchema(db, schema);
    return undefined;
  }
  if (found.version > SCHEMA_VERSION) {
    throw new IndexError(
      "INDEX_NEWER",
      `schema "${schema}" has version ${found.version}, this program knows ${SCHEMA_VERSION}: run the newer program, or drop the schema to rebuild it from the chain`,
    );
  }
  if (found.version === SCHEMA_VERSION && found.hash === SCHEMA_HASH) return undefined;
  const movedTo = `${schema}_older_schema`;
  await db.transaction().execute(async (transaction) => {
    await sql`DROP SCHEMA IF EXISTS ${sql.id(movedTo)} CASCADE`.execute(transaction);
    await sql`ALTER SCHEMA ${sql.id(schema)} RENAME TO ${sql.id(movedTo)}`.execute(transaction);
  });
  await createSchema(db, schema);
  return { reason: "older-schema", movedTo, detail: `schema version ${found.version} ${found.hash}` };
}

/** The schema's comment says what it is: `openledger index VERSION HASH`. */
async function readSchema(
  db: Kysely<Database>,
  schema: string,
): Promise<{ version: number; hash: string } | undefined> {
  const { rows } = await sql<{ comment: string | null }>`
    SELECT obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = ${schema}`.execute(db);
  if (rows[0] === undefined) return undefined;
  const [, version, hash] = /^openledger index (\d+) ([0-9a-f]{64})$/.exec(rows[0].comment ?? "") ?? [];
  if (version === undefined || hash === undefined) {
    throw new IndexError("BAD_LOCATION", `schema "${schema}" is no index of this program: name another by ?schema=`);
  }
  return { version: Number(version), hash };
}

async function createSchema(db: Kysely<Database>, schema: string): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`CREATE SCHEMA ${sql.id(schema)}`.execute(transaction);
    const aggregate = "CREATE AGGREGATE uint_sum(numeric) (sfunc = numeric_add, stype = numeric, initcond = '0')";
    await sql.raw([...schemaSql("postgres").tables, aggregate].join(";\n")).execute(transaction);
    const comment = `openledger index ${SCHEMA_VERSION} ${SCHEMA_HASH}`;
    await sql`COMMENT ON SCHEMA ${sql.id(schema)} IS ${sql.lit(comment)}`.execute(transaction);
  });
}

const REBUILDING = "_rebuilding";

export async function besidePostgresIndex(location: string): Promise<string> {
  const { connectionString, schema } = parsePostgresUrl(location);
  await withClient(connectionString, (client) =>
    client.query(`DROP SCHEMA IF EXISTS "${schema}${REBUILDING}" CASCADE`),
  );
  const url = new URL(location);
  url.searchParams.set("schema", schema + REBUILDING);
  return url.href;
}

export async function replacePostgresIndex(location: string): Promise<"now"> {
  const { connectionString, schema } = parsePostgresUrl(location);
  await withClient(connectionString, async (client) => {
    await client.query(`DROP SCHEMA IF EXISTS "${schema}_replaced" CASCADE`);
    // One statement string is one transaction: nobody sees the name missing.
    await client.query(
      `ALTER SCHEMA "${schema}" RENAME TO "${schema}_replaced"; ALTER SCHEMA "${schema}${REBUILDING}" RENAME TO "${schema}"`,
    );
    await client.query(`DROP SCHEMA "${schema}_replaced" CASCADE`);
  });
  return "now";
}

async function withClient(connectionString: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** Connection failures (class 08), shutdowns and crashes of the server (57P), too many connections, and the socket's own. */
export function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  if (/^(08|57P0[1-3]|53300|25P03)/.test(code)) return true;
  if (["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOENT", "ENOTFOUND"].includes(code))
    return "syscall" in error;
  return /^(Connection terminated|timeout exceeded when trying to connect)/.test(error.message);
}
