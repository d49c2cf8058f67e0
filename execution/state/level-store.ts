/**
 * The one store of a node on disk, shared by the state (tables 0x01..0x0f) and the chain (0x10..0x2f). LevelDB under
 * `level`: ordered byte keys, one process at a time, atomic batches.
 */
import { resolve } from "node:path";
import { Level } from "level";
import { StoreError } from "./errors.ts";
import type { BatchWriter, KeyValueReader } from "./types.ts";

/** Collects writes; later ones of the same key win. Keys and values must not change until the batch is written. */
export class Batch implements BatchWriter {
  /** In order; undefined deletes. */
  readonly operations: { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[] = [];

  put(key: Uint8Array, value: Uint8Array): void {
    this.operations.push({ key, value });
  }

  del(key: Uint8Array): void {
    this.operations.push({ key, value: undefined });
  }
}

/** Keys with start <= key < end. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
  /** From the end backwards. */
  readonly reverse?: boolean;
  readonly limit?: number;
}

export interface LevelStore {
  readonly reader: KeyValueReader;
  /** Atomic. With `sync` it survives power loss once resolved, otherwise only the end of the process. */
  write(batch: Batch, options?: { readonly sync?: boolean }): Promise<void>;
  /** In key order, as of the first step. */
  iterate(range: KeyRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>;
  /** Deletes everything, under the lock that is held anyway. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** The store that another thread of this process has opened, read from this one. */
export interface ReadStore extends Pick<LevelStore, "iterate"> {
  /** What is there now: for entries that never change once they are written. */
  readonly reader: KeyValueReader;
  /** What is there now, unchanged until it is closed. */
  snapshot(): StoreSnapshot;
  close(): Promise<void>;
}

export interface StoreSnapshot {
  readonly reader: KeyValueReader;
  close(): void;
}

export interface LevelStoreOptions {
  /** Bytes of uncompressed blocks in memory. */
  readonly cacheBytes?: number;
  /** Bytes collected in memory before a table is written. */
  readonly writeBufferBytes?: number;
}

/**
 * Twice this is in memory at most. Keys of trie nodes are random, so each table that is written overlaps all others: with
 * a quarter of it LevelDB writes everything twice as often while it merges them.
 */
const DEFAULT_WRITE_BUFFER_BYTES = 64 * 1024 * 1024;

/** Throws a StoreError: LOCKED, DAMAGED, or FAILED for what the operating system refuses. */
export async function openLevelStore(directory: string, options: LevelStoreOptions = {}): Promise<LevelStore> {
  const path = resolve(directory);
  // LevelDB would let this process share what it has open.
  if (openHere.has(path)) throw locked(directory);
  openHere.add(path);
  const db: Database = new Level(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    cacheSize: options.cacheBytes ?? 64 * 1024 * 1024,
    writeBufferSize: options.writeBufferBytes ?? DEFAULT_WRITE_BUFFER_BYTES,
    multithreading: true,
  });
  try {
    await db.open();
  } catch (error) {
    openHere.delete(path);
    throw storeError(directory, error);
  }
  return {
    reader: readerOf(db, directory),
    iterate: iterateIn(db, directory),
    async write(batch, { sync = false } = {}) {
      try {
        // A chained batch copies each entry at once, which takes two thirds of the array form's time.
        const chain = db.batch();
        for (const { key, value } of batch.operations) {
          if (value === undefined) chain.del(offHeap(key));
          else chain.put(offHeap(key), offHeap(value));
        }
        await chain.write({ sync });
      } catch (error) {
        throw storeError(directory, error);
      }
    },
    async clear() {
      try {
        await db.clear();
      } catch (error) {
        throw storeError(directory, error);
      }
    },
    async close() {
      await db.close();
      openHere.delete(path);
    },
  };
}

/** Of this thread, for writing. */
const openHere = new Set<string>();

/** Precondition: another thread has it open as a LevelStore. Throws a StoreError. */
export async function openReadStore(directory: string): Promise<ReadStore> {
  const db: Database = new Level(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    createIfMissing: false,
    multithreading: true,
  });
  try {
    await db.open();
  } catch (error) {
    throw storeError(directory, error);
  }
  return {
    reader: readerOf(db, directory),
    iterate: iterateIn(db, directory),
    snapshot() {
      const snapshot = db.snapshot();
      return { reader: readerOf(db, directory, { ...VIEW, snapshot }), close: () => void snapshot.close() };
    },
    close: () => db.close(),
  };
}

type Database = Level<Uint8Array, Uint8Array>;

/** What `getSync` needs to be told beside a snapshot, so that it copies nothing. */
const VIEW = { keyEncoding: "view", valueEncoding: "view" } as const;

function readerOf(db: Database, directory: string, options?: Parameters<Database["getSync"]>[1]): KeyValueReader {
  return {
    get(key) {
      try {
        const value = options === undefined ? db.getSync(offHeap(key)) : db.getSync(offHeap(key), options as never);
        return value && plain(value);
      } catch (error) {
        throw storeError(directory, error);
      }
    },
  };
}

const iterateIn = (db: Database, directory: string): LevelStore["iterate"] =>
  async function* ({ start, end, reverse = false, limit = -1 }) {
    try {
      for await (const [key, value] of db.iterator({ gte: start, lt: end, reverse, limit })) {
        yield [plain(key), plain(value)] as const;
      }
    } catch (error) {
      throw storeError(directory, error);
    }
  };

/**
 * V8 keeps short typed arrays on its own heap. LevelDB needs their buffers, and to ask for one moves the array out,
 * which takes several times as long as a copy into Node's pool.
 */
const offHeap = (bytes: Uint8Array): Uint8Array => (bytes.length <= MAX_ON_HEAP_BYTES ? Buffer.from(bytes) : bytes);
const MAX_ON_HEAP_BYTES = 64;

/** LevelDB gives Buffers, whose `slice` shares memory where that of a Uint8Array copies. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function locked(directory: string, cause?: unknown): StoreError {
  const message = `${directory} is in use by another process; stop it, or use another data directory`;
  return new StoreError("LOCKED", message, { cause });
}

function storeError(directory: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const outer = error as { code?: unknown; cause?: unknown };
  const cause = (outer.code === "LEVEL_DATABASE_NOT_OPEN" && outer.cause) || error;
  const { code, message } = cause as { code?: unknown; message?: string };
  if (code === "LEVEL_LOCKED") {
    return locked(directory, cause);
  }
  // LevelDB calls it an IO error when a file that its manifest names is gone, and an invalid argument when the manifest
  // itself does not parse.
  const missingFile = /no such file/i.test(message ?? "") || /invalid argument/i.test(message ?? "");
  if (code === "LEVEL_CORRUPTION" || missingFile) {
    const remedy = "restore the directory from a backup, or remove it and sync again";
    return new StoreError("DAMAGED", `${directory} is damaged (${message}); ${remedy}`, { cause });
  }
  return new StoreError("FAILED", `${directory}: ${message ?? String(cause)}`, { cause });
}
