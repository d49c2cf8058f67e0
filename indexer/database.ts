/** Opens an index in whichever store it is. */
import type { Kysely } from "kysely";
import { isPostgresUrl, type OpenedIndex, type OpenOptions, type ReaderOptions } from "./location.ts";
import {
  besidePostgresIndex,
  isLostConnection,
  openPostgresIndex,
  openPostgresReader,
  replacePostgresIndex,
} from "./postgres-index.ts";
import {
  besideSqliteIndex,
  isSqliteDamage,
  openSqliteIndex,
  openSqliteReader,
  replaceSqliteIndex,
} from "./sqlite-index.ts";
import type { Database } from "./tables.ts";

/**
 * Opens the index for writing, creates it where there is none, and replaces one that is damaged (a file) or has an older
 * schema. Throws IndexError INDEX_NEWER, INDEX_LOCKED where another process writes it, and what the store throws when it
 * cannot be reached.
 */
export async function openIndex(location: string, options: OpenOptions = {}): Promise<OpenedIndex> {
  return isPostgresUrl(location) ? await openPostgresIndex(location, options) : openSqliteIndex(location, options);
}

/** Read-only connections to an index that a writer has created. */
export function openReader(location: string, options: ReaderOptions): Kysely<Database> {
  return isPostgresUrl(location) ? openPostgresReader(location, options) : openSqliteReader(location, options);
}

/** Where a new index is built that shall take the place of the one at `location`; what was left there is deleted. */
export async function besideIndex(location: string): Promise<string> {
  return isPostgresUrl(location) ? await besidePostgresIndex(location) : besideSqliteIndex(location);
}

/**
 * Puts the index that was built beside the one at `location` in its place. "now": at once, readers and the writer go on
 * with it. "at-start": the writer takes it when it opens the file the next time.
 */
export async function replaceIndex(location: string): Promise<"now" | "at-start"> {
  return isPostgresUrl(location) ? await replacePostgresIndex(location) : replaceSqliteIndex(location);
}

/** Whether the store says that what it holds is bad: a new index heals that. */
export const isDamage = (error: unknown): boolean => isSqliteDamage(error);

/** Whether the store cannot be reached now: the same may succeed later. */
export const isUnreachable = (error: unknown): boolean => isLostConnection(error);
