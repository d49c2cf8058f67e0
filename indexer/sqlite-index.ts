/** The index as a SQLite file: opening, checking, moving aside. It holds nothing that the chain does not, so a bad one goes. */
import { once } from "node:events";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { type AggregateOptions, DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { Kysely } from "kysely";
import { bigIntToFixed, bytesToBigInt } from "../core/bytes.ts";
import { sqliteBulk } from "./bulk.ts";
import { SCHEMA_HASH, SCHEMA_VERSION, schemaSql } from "./ddl.ts";
import { IndexError } from "./errors.ts";
import { missingOf, type OpenedIndex, type OpenOptions, type ReaderOptions, type RebuildReason } from "./location.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";
import type { Database } from "./tables.ts";

/** Time that a statement waits for another connection's lock. */
const BUSY_TIMEOUT_MS = 5_000;
/** Of the writer: inner pages and what a batch touches. */
const CACHE_KIB = 64 * 1024;
/** 32 MiB: pages that change in many blocks are written back once. In a backfill commits do that themselves. */
const WAL_PAGES = 8 * 1024;
/** Some 4,000 pages. */
const CHECKPOINT_ROWS = 3_000;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens the index at `path` for writing, creates it where there is none, and replaces one that is damaged or has an
 * older schema; the old file stays beside it as `<path>.<reason>` (one of each reason is kept). A file that was rebuilt
 * beside it takes its place first.
 * Throws IndexError INDEX_NEWER.
 */
export function openSqliteIndex(path: string, options: OpenOptions): OpenedIndex {
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path + REBUILT)) moveFile(path + REBUILT, path);
  const problem = existsSync(path) ? inspect(path) : undefined;
  let rebuilt: OpenedIndex["rebuilt"];
  if (problem !== undefined) {
    const movedTo = `${path}.${problem.reason}`;
    moveFile(path, movedTo);
    rebuilt = { ...problem, movedTo };
  }
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  // After a power cut the last commits may be missing, never half of one: the chain has them and they are replayed.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF");
  database.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${WAL_PAGES}`);
  if (userVersion(database) === 0) createSchema(database);
  const db = new Kysely<Database>({ dialect: sqliteDialect({ open: () => database, connections: 1, ...options }) });
  let sinceCheckpoint = 0;
  let checkpointing: Promise<void> | undefined;
  return { db, bulk: sqliteBulk, createIndexes, missingIndexes, written, close, rebuilt };

  async function missingIndexes(): Promise<ReadonlyMap<string, string>> {
    const there = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'index'").all();
    return missingOf("sqlite", new Set(there.map(({ name }) => name as string)));
  }

  async function createIndexes(statements: readonly string[]): Promise<void> {
    const sql = ["BEGIN IMMEDIATE", ...statements, "COMMIT"].join(";\n");
    const isEmpty = database.prepare('SELECT 1 FROM "blocks" LIMIT 1').get() === undefined;
    if (isEmpty) database.exec(sql);
    // The log has all of it now, which nobody should have to carry over with his next commit.
    else await execInThread(path, `${sql}; PRAGMA wal_checkpoint(TRUNCATE)`);
  }

  /** Carries the log over into the file before a commit has to do that on this thread. */
  function written(rows: number): void {
    sinceCheckpoint += rows;
    if (sinceCheckpoint < CHECKPOINT_ROWS || checkpointing !== undefined) return;
    sinceCheckpoint = 0;
    checkpointing = execInThread(path, "PRAGMA wal_checkpoint(PASSIVE)")
      .catch(() => {}) // a commit does it instead
      .finally(() => {
        checkpointing = undefined;
      });
  }

  async function close(): Promise<void> {
    await checkpointing;
    await db.destroy();
  }
}

/** Read-only connections to an index that a writer has created. */
export function openSqliteReader(path: string, options: ReaderOptions): Kysely<Database> {
  const open = (): DatabaseSync => {
    const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    database.aggregate("uint_sum", {
      deterministic: true,
      start: 0n,
      step: (sum: bigint, value) => (value instanceof Uint8Array ? sum + bytesToBigInt(value) : sum),
      result: (sum: bigint) => bigIntToFixed(BigInt.asUintN(256, sum), 32),
    } as AggregateOptions);
    return database;
  };
  return new Kysely<Database>({ dialect: sqliteDialect({ open, ...options }) });
}

/** What takes seconds is done by a thread with a connection of its own, while this one goes on. */
async function execInThread(path: string, sql: string): Promise<void> {
  const worker = new Worker(EXEC, { eval: true, workerData: { path, sql, timeout: BUSY_TIMEOUT_MS } });
  await once(worker, "exit"); // an error rejects before
}

const EXEC = `
const { DatabaseSync } = require("node:sqlite");
const { workerData } = require("node:worker_threads");
const database = new DatabaseSync(workerData.path, { timeout: workerData.timeout });
database.exec("PRAGMA cache_size = -262144; PRAGMA temp_store = MEMORY; PRAGMA threads = 2");
database.exec(workerData.sql);
database.close();
`;

const REBUILDING = ".rebuilding";
/** Complete. */
const REBUILT = ".rebuilt";

export function besideSqliteIndex(path: string): string {
  const beside = path + REBUILDING;
  for (const suffix of FILES) rmSync(beside + suffix, { force: true });
  return beside;
}

export function replaceSqliteIndex(path: string): "at-start" {
  moveFile(path + REBUILDING, path + REBUILT);
  return "at-start";
}

/** Whether SQLite says that the file itself is bad. */
export function isSqliteDamage(error: unknown): boolean {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return false;
  const primary = Number(error.errcode) & 0xff;
  return primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB;
}

function inspect(path: string): { reason: RebuildReason; detail: string } | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    const version = userVersion(database);
    if (version > SCHEMA_VERSION) {
      throw new IndexError(
        "INDEX_NEWER",
        `index ${path} has schema version ${version}, this program knows ${SCHEMA_VERSION}: run the newer program, or delete the file to rebuild it from the chain`,
      );
    }
    const check = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (check.quick_check !== "ok") return { reason: "damaged", detail: check.quick_check };
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    if (version === 0) return tables.length === 0 ? undefined : { reason: "damaged", detail: "not an index" };
    if (version < SCHEMA_VERSION) return { reason: "older-schema", detail: `schema version ${version}` };
    const checkpoint = database.prepare("SELECT schema_hash FROM checkpoint").get() as
      | { schema_hash: string }
      | undefined;
    if (checkpoint !== undefined && checkpoint.schema_hash !== SCHEMA_HASH) {
      return { reason: "older-schema", detail: `schema ${checkpoint.schema_hash}` };
    }
    return undefined;
  } catch (error) {
    if (isSqliteDamage(error) || isMissingTable(error)) return { reason: "damaged", detail: String(error) };
    throw error;
  } finally {
    database?.close();
  }
}

function isMissingTable(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("no such table");
}

function userVersion(database: DatabaseSync): number {
  return (database.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
}

function createSchema(database: DatabaseSync): void {
  database.exec(
    ["BEGIN IMMEDIATE", ...schemaSql("sqlite").tables, `PRAGMA user_version = ${SCHEMA_VERSION}`, "COMMIT"].join(";\n"),
  );
}

/** A database in WAL mode. */
const FILES = ["", "-wal", "-shm"];

/** With its log: together they are the database. */
function moveFile(path: string, target: string): void {
  for (const suffix of FILES) {
    rmSync(target + suffix, { force: true });
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  }
}
