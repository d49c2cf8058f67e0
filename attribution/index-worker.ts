/** Builds an index in memory on a thread of its own: seconds of work that must not hold up the thread that serves. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Shard } from "./shard.ts";
import { shardInMemory } from "./shard-file.ts";
import { type CorpusDocument, joinShards, type SpanIndex, shardFile } from "./span-index.ts";

export type BuildIndex = (documents: readonly CorpusDocument[]) => Promise<SpanIndex>;

/** One thread a build, ended with it. Rejects with what buildSpanIndex throws, or when memory runs out. */
export const buildIndexInWorker: BuildIndex = (documents) =>
  new Promise((resolve, reject) => {
    if (documents.length === 0) {
      resolve(joinShards([]));
      return;
    }
    const worker = new Worker(new URL(import.meta.url), { name: "corpus-index" });
    worker.once("message", (reply: { file: Uint8Array<ArrayBuffer> } | { message: string }) => {
      if ("file" in reply) resolve(joinShards([new Shard(shardInMemory("in memory", reply.file))]));
      else reject(new RangeError(reply.message));
    });
    worker.once("error", reject);
    // After a reply this has no effect.
    worker.once("exit", (code) => reject(new Error(`the index worker ended with ${code}`)));
    worker.postMessage(documents);
  });

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  port.once("message", (documents: CorpusDocument[]) => {
    try {
      const file = shardFile(documents);
      port.postMessage({ file }, [file.buffer]);
    } catch (error) {
      port.postMessage({ message: (error as Error).message });
    }
  });
}
