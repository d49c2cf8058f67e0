/** Where an index is: the path of a SQLite file, or a postgres:// URL. What both stores offer, and nothing of either. */
import type { Kysely } from "kysely";
import type { Bulk } from "./bulk.ts";
import { type StoreKind, schemaSql } from "./ddl.ts";
import type { Database } from "./tables.ts";

/** Why an existing index was moved aside and a new one begun. */
export type RebuildReason = "damaged" | "older-schema";

export interface OpenedIndex {
  /** One connection. */
  readonly db: Kysely<Database>;
  readonly bulk: Bulk;
  readonly rebuilt: { readonly reason: RebuildReason; readonly movedTo: string; readonly detail: string } | undefined;
  /** The secondary indexes that are not there: name and statement. */
  missingIndexes(): Promise<ReadonlyMap<string, string>>;
  /** In one transaction. The caller does not write meanwhile. */
  createIndexes(statements: readonly string[]): Promise<void>;
  /** To be called after each transaction with the number of rows that it wrote. */
  written(rows: number): void;
  /** Ends what goes on in the background, and the connection. */
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Called before each statement; what it throws fails the statement. */
  readonly beforeStatement?: (sql: string) => Promise<void> | void;
  /** How long to wait for another writer to end (PostgreSQL): its server may not have noticed yet. */
  readonly lockWaitMs?: number;
}

export interface ReaderOptions extends OpenOptions {
  readonly connections: number;
  /** Most that one statement may take where the store can end it (PostgreSQL). */
  readonly statementTimeoutMs?: number;
}

export const isPostgresUrl = (location: string): boolean => /^postgres(ql)?:\/\//.test(location);

/** For logs: without the password. */
export function printableLocation(location: string): string {
  if (!isPostgresUrl(location)) return location;
  const url = URL.parse(location);
  if (url === null) return "postgres://(malformed)";
  if (url.password !== "") url.password = "***";
  return url.href;
}

/** Secondary indexes but those that are there. */
export function missingOf(store: StoreKind, there: ReadonlySet<string>): ReadonlyMap<string, string> {
  return new Map([...schemaSql(store).indexes].filter(([name]) => !there.has(name)));
}
