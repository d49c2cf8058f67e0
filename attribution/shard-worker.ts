/** Builds shards' files on a thread of their own and publishes them: the thread that serves is not held up. */
import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Shard } from "./shard.ts";
import { buildShard, type ShardSource } from "./shard-build.ts";
import { openShard } from "./shard-file.ts";
import { ShardDamagedError } from "./shard-layout.ts";

export interface BuildJob {
  readonly name: Uint8Array;
  readonly documents: ShardSource["documents"];
  /** Where each document's bytes are: in a file of bytes, or in a shard. */
  readonly places: readonly (
    | { readonly file: string; readonly at: number }
    | { readonly shard: string; readonly file: string; readonly position: number }
  )[];
  /** Written first, then renamed. */
  readonly temporary: string;
  readonly target: string;
}

type Reply = "loaded" | { readonly done: true } | { readonly message: string; readonly damaged?: string };

/**
 * A thread that builds shards, one at a time. It is started before it is needed and does not keep the process alive
 * while it has nothing to do.
 */
export class ShardBuilder {
  #worker: Worker | undefined;
  #loaded: Promise<unknown> | undefined;

  constructor() {
    this.#start();
  }

  /**
   * Resolves when the shard is published. Rejects with ShardDamagedError when it was to be read from a damaged one.
   * Precondition: the build before has ended.
   */
  build(job: BuildJob): Promise<void> {
    const worker = this.#worker ?? this.#start();
    worker.ref();
    return new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        worker.off("message", onReply).off("error", onError).off("exit", onExit).unref();
        settle();
      };
      const onError = (error: Error) => end(() => reject(error));
      const onExit = (code: number) => onError(new Error(`the thread that builds shards ended with ${code}`));
      const onReply = (reply: Reply) => {
        if (reply === "loaded") return;
        end(() => {
          if ("done" in reply) resolve();
          else if (reply.damaged === undefined) reject(new Error(reply.message));
          else reject(new ShardDamagedError(reply.damaged, "found while another was built"));
        });
      };
      worker.on("message", onReply).on("error", onError).on("exit", onExit);
      worker.postMessage(job);
    });
  }

  /** V8 aborts the process when a thread is ended while it evaluates modules that await (nodejs/node#62114). */
  async close(): Promise<void> {
    this.#worker?.ref();
    await this.#loaded;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL(import.meta.url), { name: "shards" });
    // Of a thread that has nothing to do: the next build starts another.
    worker.on("error", () => {});
    worker.once("exit", () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    this.#loaded = new Promise((resolve) => worker.once("message", resolve).once("exit", resolve));
    worker.unref();
    this.#worker = worker;
    return worker;
  }
}

async function run({ name, documents, places, temporary, target }: BuildJob): Promise<void> {
  const bytes = new Map<string, number>();
  const shards = new Map<string, { readonly shard: Shard; readonly handle: FileHandle }>();
  for (const place of places) {
    if (!("shard" in place)) bytes.set(place.file, bytes.get(place.file) ?? openSync(place.file, "r"));
    else if (!shards.has(place.file)) {
      const handle = await open(place.file);
      const parts = await openShard(place.shard, handle, { inMemory: false, cachePages: 1 });
      // The handle is kept with it: one that is collected closes its file.
      shards.set(place.file, { shard: new Shard(parts), handle });
    }
  }
  const file = openSync(temporary, "wx");
  try {
    const read = (i: number, content: Uint8Array) => {
      const place = places[i]!;
      if ("shard" in place) content.set(shards.get(place.file)!.shard.read(place.position, content.length));
      else readWhole(bytes.get(place.file)!, content, place.at);
    };
    buildShard(
      { name, documents, read },
      { resize: (size) => ftruncateSync(file, size), write: (at, data) => writeWhole(file, data, at) },
    );
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, target);
    syncFolder(dirname(target));
    for (const { handle } of shards.values()) await handle.close();
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function readWhole(file: number, target: Uint8Array, at: number): void {
  for (let done = 0; done < target.length; ) {
    const read = readSync(file, target, done, target.length - done, at + done);
    if (read === 0) throw new Error("the contents to be indexed end too early");
    done += read;
  }
}

function writeWhole(file: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done);
}

/** Makes a rename durable. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return; // cannot be opened there
  const handle = openSync(folder, "r");
  fsyncSync(handle);
  closeSync(handle);
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  port.on("message", (job: BuildJob) => {
    run(job).then(
      () => port.postMessage({ done: true } satisfies Reply),
      (error: unknown) => {
        const damaged = error instanceof ShardDamagedError ? { damaged: error.shard } : {};
        port.postMessage({ message: (error as Error).message, ...damaged } satisfies Reply);
      },
    );
  });
  port.postMessage("loaded" satisfies Reply);
}
