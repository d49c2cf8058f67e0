/** The index file: opening, checking, moving aside. The index holds nothing that the chain does not, so a bad one goes. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { SCHEMA_HASH, SCHEMA_SQL, SCHEMA_VERSION } from "./ddl.ts";
import { IndexError } from "./errors.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";
import type { Database } from "./tables.ts";

/** Why an existing file was moved aside and a new one begun. */
export type RebuildReason = "damaged" | "older-schema";

export interface OpenedIndex {
  readonly db: Kysely<Database>;
  readonly rebuilt: { readonly reason: RebuildReason; readonly movedTo: string; readonly detail: string } | undefined;
}

/** Time that a statement waits for another connection's lock. */
const BUSY_TIMEOUT_MS = 5_000;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

export interface OpenOptions {
  readonly beforeStatement?: (sql: string) => Promise<void> | void;
}

/**
 * Opens the index at `path` for writing, creates it where there is none, and replaces one that is damaged or has an
 * older schema; the old file stays beside it as `<path>.<reason>` (one of each reason is kept).
 * Throws IndexError INDEX_NEWER.
 */
export async function openIndex(path: string, options: OpenOptions = {}): Promise<OpenedIndex> {
  mkdirSync(dirname(path), { recursive: true });
  const problem = existsSync(path) ? inspect(path) : undefined;
  let rebuilt: OpenedIndex["rebuilt"];
  if (problem !== undefined) {
    const movedTo = `${path}.${problem.reason}`;
    moveAside(path, movedTo);
    rebuilt = { ...problem, movedTo };
  }
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  // After a power cut the last commits may be missing, never half of one: the chain has them and they are replayed.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF");
  if (userVersion(database) === 0) createSchema(database);
  const db = new Kysely<Database>({ dialect: sqliteDialect({ open: () => database, connections: 1, ...options }) });
  return { db, rebuilt };
}

/** Read-only connections to an index that a writer has created. */
export function openReader(path: string, options: OpenOptions & { readonly connections: number }): Kysely<Database> {
  const open = (): DatabaseSync => new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  return new Kysely<Database>({ dialect: sqliteDialect({ open, ...options }) });
}

/** Whether SQLite says that the file itself is bad. */
export function isDamage(error: unknown): boolean {
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
    if (isDamage(error) || isMissingTable(error)) return { reason: "damaged", detail: String(error) };
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
  database.exec(["BEGIN IMMEDIATE", ...SCHEMA_SQL, `PRAGMA user_version = ${SCHEMA_VERSION}`, "COMMIT"].join(";\n"));
}

function moveAside(path: string, target: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    rmSync(target + suffix, { force: true });
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  }
}
