/**
 * Shards on disk, and views over exactly the documents that somebody asks for. Shards are immutable and named by their
 * documents: when a document comes, it gets a shard of its own, which is merged with others later; when one leaves, the
 * rest of its shard is built anew; models with different versions of a Datanet share what they have in common.
 *
 * A file appears by a rename when it is whole and on disk. What is damaged is removed when it is met, and built again.
 * Several processes may use a directory.
 */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, open, readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { bytesToHex, hexToBytes } from "../core/bytes.ts";
import { readShardList } from "./shard-file.ts";
import { ShardDamagedError } from "./shard-layout.ts";
import { ShardMemory, type StoredShard } from "./shard-memory.ts";
import { type IndexedDocument, planMerge, planView, sameRoot, shardName } from "./shard-plan.ts";
import { type BuildJob, ShardBuilder } from "./shard-worker.ts";
import { joinShards, type SpanIndex } from "./span-index.ts";

export type { IndexedDocument } from "./shard-plan.ts";

export interface ShardStoreLimits {
  /** Of contents in a shard; building takes six times as much memory. A larger content has a shard of its own. */
  readonly maxShardBytes: number;
  /** For shards held in memory; those beyond are read from disk, of which a quarter of their contents is in memory. */
  readonly memoryBytes: number;
  /** Files of shards that no open view uses are removed above this, those that were not used longest first. */
  readonly diskBytes: number;
  /** Pages of 4,096 bytes that are kept of each shard read from disk: so many of its text and of its leaves. */
  readonly cachePages: number;
}

export const SHARD_STORE_LIMITS: ShardStoreLimits = {
  maxShardBytes: 256_000_000,
  memoryBytes: 1024 ** 3,
  diskBytes: 64 * 1024 ** 3,
  cachePages: 2048,
};

export type ReadDocument = (document: IndexedDocument) => Promise<Uint8Array>;

const SUFFIX = ".shard";
const TEMPORARY = /^tmp-(\d+)-/;
/** Builds above this do not hold up those below. */
const LARGE_BYTES = 16_000_000;

export class ShardStore {
  readonly #directory: string;
  readonly #limits: ShardStoreLimits;
  readonly #memory: ShardMemory;
  readonly #shards = new Map<string, StoredShard>();
  /** By name: two views that lack the same shard wait for one build. */
  readonly #building = new Map<string, Promise<StoredShard>>();
  /** Each builds one at a time: what a view waits for does not wait for a merge, and small shards not for large ones. */
  readonly #lanes = { small: new Lane(true), large: new Lane(false), merge: new Lane(false) };

  private constructor(directory: string, limits: ShardStoreLimits) {
    this.#directory = directory;
    this.#limits = limits;
    this.#memory = new ShardMemory(limits.memoryBytes, limits.cachePages);
  }

  /** Reads what shards there are; removes damaged ones and what an ended process left half-written. */
  static async open(directory: string, limits: Partial<ShardStoreLimits> = {}): Promise<ShardStore> {
    const store = new ShardStore(directory, { ...SHARD_STORE_LIMITS, ...limits });
    store.#lanes.small.warm();
    await mkdir(directory, { recursive: true });
    for (const file of await readdir(directory)) {
      const path = join(directory, file);
      const writer = TEMPORARY.exec(file)?.[1];
      if (writer !== undefined && !isRunning(Number(writer))) await rm(path, { force: true });
      if (!file.endsWith(SUFFIX) || writer !== undefined) continue;
      await store.#register(file.slice(0, -SUFFIX.length)).catch(async (error: unknown) => {
        if (!(error instanceof ShardDamagedError)) throw error;
        await rm(path, { force: true });
      });
    }
    return store;
  }

  /** Files of shards, and bytes of their contents; those that views have outgrown included. */
  get shards(): readonly { readonly name: string; readonly bytes: number; readonly documents: number }[] {
    return [...this.#shards.values()].map(({ name, bytes, ids }) => ({ name, bytes, documents: ids.length }));
  }

  /**
   * An index over exactly these documents. Precondition: ids rise; `read` gives contents that are those of the content
   * root. Documents that some shard holds are not read again. Rejects with what `read` rejects with, and with RangeError
   * when a content has another size. The view must be closed.
   */
  async view(documents: readonly IndexedDocument[], read: ReadDocument): Promise<SpanIndex> {
    for (let attempt = 0; ; attempt++) {
      const held: StoredShard[] = [];
      const release = () => {
        for (const shard of held) {
          shard.users--;
          if (shard.damaged && shard.users === 0) this.#memory.drop(shard);
        }
      };
      try {
        const index = await this.#assemble(documents, read, held);
        const released = () => {
          release();
          this.#tidy();
        };
        return joinShards(index, released);
      } catch (error) {
        release();
        // Each time one damaged shard less is there; when they do not end, the disk is broken.
        if (!(error instanceof ShardDamagedError) || attempt > this.#shards.size + 2) throw error;
        this.#discard(error.shard);
      }
    }
  }

  /** Resolves when no merge is under way any more. */
  async settled(): Promise<void> {
    await this.#lanes.merge.idle();
  }

  /** Waits for merges and gives memory and files back. Views must be closed before. */
  async close(): Promise<void> {
    await this.settled();
    for (const shard of this.#shards.values()) this.#memory.drop(shard);
    for (const lane of Object.values(this.#lanes)) await lane.close();
  }

  async #assemble(documents: readonly IndexedDocument[], read: ReadDocument, held: StoredShard[]) {
    const hold = (shard: StoredShard) => {
      shard.users++;
      shard.usedMs = Date.now();
      held.push(shard);
    };
    // A view found out while it was searched.
    for (const { name, damaged } of this.#shards.values()) if (damaged) this.#discard(name);
    const { use, build } = planView(documents, [...this.#shards.values()], this.#limits.maxShardBytes);
    for (const shard of use) {
      hold(shard);
      utimes(shard.path, new Date(), new Date()).catch(() => {}); // only the order of removal rests on it
    }
    for (const list of build) hold(await this.#built(list, read));
    const shards = await Promise.all(held.map((shard) => this.#memory.open(shard)));
    this.#mergeLater(held);
    this.#tidy();
    return shards;
  }

  /** The shard of these documents, built unless it is there or under way. */
  #built(documents: readonly IndexedDocument[], read: ReadDocument): Promise<StoredShard> {
    const name = bytesToHex(shardName(documents)).slice(2);
    const there = this.#shards.get(name);
    if (there !== undefined) return Promise.resolve(there);
    const underWay = this.#building.get(name);
    if (underWay !== undefined) return underWay;
    const bytes = documents.reduce((sum, { size }) => sum + size, 0);
    return this.#enqueue(bytes > LARGE_BYTES ? this.#lanes.large : this.#lanes.small, name, documents, read);
  }

  #enqueue(lane: Lane, name: string, documents: readonly IndexedDocument[], read: ReadDocument): Promise<StoredShard> {
    const building = lane
      .run((builder) => this.#build(builder, name, documents, read))
      .finally(() => this.#building.delete(name));
    this.#building.set(name, building);
    return building;
  }

  async #build(
    builder: ShardBuilder,
    name: string,
    documents: readonly IndexedDocument[],
    read: ReadDocument,
  ): Promise<StoredShard> {
    const temporary = join(this.#directory, `tmp-${process.pid}-${randomUUID()}`);
    const contents = `${temporary}.bytes`;
    const sources: StoredShard[] = [];
    try {
      const places = await this.#gather(documents, read, contents, sources);
      await builder.build({
        name: hexToBytes(`0x${name}`),
        documents: documents.map(({ id, contentRoot, size }) => ({ id, root: hexToBytes(contentRoot), size })),
        places,
        temporary,
        target: this.#path(name),
      });
      return await this.#register(name);
    } finally {
      for (const shard of sources) shard.users--;
      await rm(contents, { force: true });
    }
  }

  /** Where the contents are: in shards that hold them (kept by `sources`), otherwise read into the file `contents`. */
  async #gather(
    documents: readonly IndexedDocument[],
    read: ReadDocument,
    contents: string,
    sources: StoredShard[],
  ): Promise<BuildJob["places"]> {
    const indexed = this.#indexed(documents);
    for (const { shard } of indexed.values()) {
      if (sources.includes(shard)) continue;
      shard.users++;
      sources.push(shard);
    }
    const file = await open(contents, "wx");
    try {
      const places: BuildJob["places"][number][] = [];
      let at = 0;
      for (const document of documents) {
        const found = indexed.get(document.id);
        if (found !== undefined) {
          const { shard, position } = found;
          places.push({ shard: shard.name, file: shard.path, position });
          continue;
        }
        const bytes = await read(document);
        if (bytes.length !== document.size) {
          throw new RangeError(`contribution ${document.id} has ${bytes.length} bytes, not ${document.size}`);
        }
        await file.writeFile(bytes);
        places.push({ file: contents, at });
        at += bytes.length;
      }
      return places;
    } finally {
      await file.close();
    }
  }

  /** Text positions of those documents that a shard holds. */
  #indexed(documents: readonly IndexedDocument[]): Map<bigint, { shard: StoredShard; position: number }> {
    const roots = new Map(documents.map(({ id, contentRoot }) => [id, hexToBytes(contentRoot)]));
    const found = new Map<bigint, { shard: StoredShard; position: number }>();
    for (const shard of this.#shards.values()) {
      for (const [i, id] of shard.ids.entries()) {
        const root = roots.get(id);
        if (root === undefined || !sameRoot(shard.roots, i, root)) continue;
        found.set(id, { shard, position: shard.starts[i]! });
      }
    }
    return found;
  }

  /** In the background; the next view takes the result. */
  #mergeLater(shards: readonly StoredShard[]): void {
    const group = planMerge(shards, this.#limits.maxShardBytes);
    if (group === undefined) return;
    const documents = group
      .flatMap(({ ids, roots, starts }) =>
        Array.from(ids, (id, i) => ({
          id,
          contentRoot: bytesToHex(roots.subarray(32 * i, 32 * i + 32)),
          size: starts[i + 1]! - starts[i]! - 1,
        })),
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const name = bytesToHex(shardName(documents)).slice(2);
    if (this.#shards.has(name) || this.#building.has(name)) return;
    const merging = this.#enqueue(this.#lanes.merge, name, documents, () =>
      Promise.reject(new Error("a shard is gone")),
    );
    // When it fails, the shards that there are still serve, and the next view plans again.
    merging.then(
      () => this.#tidy(),
      (error: unknown) => {
        if (error instanceof ShardDamagedError) this.#discard(error.shard);
      },
    );
  }

  async #register(name: string): Promise<StoredShard> {
    const path = this.#path(name);
    const file = await open(path);
    try {
      const { ids, roots, starts, header } = await readShardList(name, file);
      if (bytesToHex(header.name) !== `0x${name}`) throw new ShardDamagedError(name, "it has another name");
      const { size, mtimeMs } = await stat(path);
      const shard: StoredShard = {
        name,
        path,
        ids,
        roots,
        starts,
        bytes: header.symbols - header.documents,
        fileBytes: size,
        usedMs: mtimeMs,
        users: 0,
        damaged: false,
      };
      this.#shards.set(name, shard);
      return shard;
    } finally {
      await file.close();
    }
  }

  /** Takes a damaged shard out of use and removes its file at once: its name is to be published again. */
  #discard(name: string): void {
    const shard = this.#shards.get(name);
    if (shard === undefined) return;
    shard.damaged = true;
    this.#shards.delete(name);
    rmSync(shard.path, { force: true });
    if (shard.users === 0) this.#memory.drop(shard);
  }

  /** Removes files beyond the budget that nobody uses. */
  #tidy(): void {
    const unused = [...this.#shards.values()].filter(({ users }) => users === 0).sort((a, b) => a.usedMs - b.usedMs);
    let total = 0;
    for (const { fileBytes } of this.#shards.values()) total += fileBytes;
    for (const shard of unused) {
      if (total <= this.#limits.diskBytes) return;
      this.#shards.delete(shard.name);
      this.#memory.drop(shard);
      total -= shard.fileBytes;
      rmSync(shard.path, { force: true });
    }
  }

  #path(name: string): string {
    return join(this.#directory, name + SUFFIX);
  }
}

/** Builds one after the other, on a thread that stays where that is wanted, otherwise each on its own. */
class Lane {
  readonly #stays: boolean;
  #builder: ShardBuilder | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(stays: boolean) {
    this.#stays = stays;
  }

  run<T>(build: (builder: ShardBuilder) => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      this.#builder ??= new ShardBuilder();
      try {
        return await build(this.#builder);
      } finally {
        // Its memory, several times the shard, goes with the thread.
        if (!this.#stays) await this.#end();
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** Starts the thread, so that the first build does not wait for it. */
  warm(): void {
    this.#builder ??= new ShardBuilder();
  }

  async idle(): Promise<void> {
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
  }

  async close(): Promise<void> {
    await this.idle();
    await this.#end();
  }

  async #end(): Promise<void> {
    const builder = this.#builder;
    this.#builder = undefined;
    await builder?.close();
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
