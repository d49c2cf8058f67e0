/** Opened shards, shared by views: whole in memory while that has room, read from their files otherwise. */
import { type FileHandle, open } from "node:fs/promises";
import { Shard } from "./shard.ts";
import { openShard } from "./shard-file.ts";
import { PAGE_BYTES } from "./shard-layout.ts";
import type { ShardContents } from "./shard-plan.ts";

/** A file of a shard store. */
export interface StoredShard extends ShardContents {
  readonly name: string;
  readonly path: string;
  readonly starts: Uint32Array;
  readonly fileBytes: number;
  /** When a view last took it, milliseconds since 1970. */
  usedMs: number;
  /** Views and builds that need the file. */
  users: number;
  /** To be used no more. */
  damaged: boolean;
}

interface Opened {
  readonly shard: Promise<Shard>;
  readonly bytes: number;
  file: FileHandle | undefined;
}

export class ShardMemory {
  readonly #maxBytes: number;
  readonly #cachePages: number;
  readonly #opened = new Map<StoredShard, Opened>();
  #bytes = 0;

  constructor(maxBytes: number, cachePages: number) {
    this.#maxBytes = maxBytes;
    this.#cachePages = cachePages;
  }

  /** Precondition: the caller counts among its users. Rejects with ShardDamagedError. */
  async open(stored: StoredShard): Promise<Shard> {
    const there = this.#opened.get(stored);
    if (there !== undefined) return there.shard;
    this.#makeRoom(stored.fileBytes);
    const inMemory = this.#bytes + stored.fileBytes <= this.#maxBytes;
    // What stays in memory of one on disk: directory, checksums, caches of text and leaves.
    const bytes = inMemory ? stored.fileBytes : Math.ceil(stored.bytes / 4) + 2 * PAGE_BYTES * this.#cachePages;
    let opened: Opened | undefined;
    const load = async () => {
      const file = await open(stored.path);
      try {
        const options = {
          inMemory,
          cachePages: this.#cachePages,
          onDamage: () => {
            stored.damaged = true;
          },
        };
        const shard = new Shard(await openShard(stored.name, file, options));
        if (inMemory || opened === undefined) await file.close();
        else opened.file = file;
        return shard;
      } catch (error) {
        await file.close();
        throw error;
      }
    };
    // The turn between makes `opened` known to `load`.
    opened = { shard: Promise.resolve().then(load), bytes, file: undefined };
    this.#opened.set(stored, opened);
    this.#bytes += bytes;
    try {
      return await opened.shard;
    } catch (error) {
      this.drop(stored);
      throw error;
    }
  }

  /** Precondition: nobody uses it. */
  drop(stored: StoredShard): void {
    const opened = this.#opened.get(stored);
    if (opened === undefined) return;
    this.#opened.delete(stored);
    this.#bytes -= opened.bytes;
    opened.shard.then(
      () => opened.file?.close(),
      () => {},
    );
  }

  /** Those that nobody uses leave, least recently used first, until `bytes` more fit. */
  #makeRoom(bytes: number): void {
    const unused = [...this.#opened.keys()].filter(({ users }) => users === 0).sort((a, b) => a.usedMs - b.usedMs);
    for (const stored of unused) {
      if (this.#bytes + bytes <= this.#maxBytes) return;
      this.drop(stored);
    }
  }
}
