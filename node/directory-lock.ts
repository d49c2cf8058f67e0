/**
 * One process at a time works in a directory from which somebody signs. The lock is SQLite's exclusive lock on the file `lock`: byte-range locks
 * of the operating system, which Node offers no other way to take. The system releases them when the process ends,
 * however it ends, and they hold across containers that share a volume, where a process id or a socket's name would
 * mean nothing. Nothing is ever written to the file.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DataError, OperationError } from "./errors.ts";

export interface DirectoryLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** A database that nothing refers to any more is closed by the garbage collector, and its lock is gone. */
const held = new Set<DatabaseSync>();

/** Throws DataError when another process, or another part of this one, holds it. */
export function lockDirectory(dir: string): DirectoryLock {
  const path = join(dir, "lock");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    // Whoever only looks whether it is held, holds it for a moment.
    database.exec("PRAGMA busy_timeout = 300; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    const locked = database;
    held.add(locked);
    return {
      release() {
        if (held.delete(locked)) locked.close();
      },
    };
  } catch (cause) {
    database?.close();
    if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new DataError(`${dir} is in use by another process; stop it first`, { cause });
    }
    throw new OperationError(`${path} cannot be locked: ${(cause as Error).message}`, { cause });
  }
}

/** Whether somebody holds the lock of this directory, which must exist. Throws OperationError. */
export function isDirectoryLocked(dir: string): boolean {
  try {
    lockDirectory(dir).release();
    return false;
  } catch (error) {
    if (error instanceof DataError) return true;
    throw error;
  }
}
