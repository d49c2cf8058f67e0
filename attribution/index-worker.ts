/** Builds corpus indexes on a thread of their own: seconds of work that must not hold up the thread that serves. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { buildCorpusIndex, type CorpusDocument, type CorpusIndex } from "./corpus-index.ts";

export type BuildIndex = (documents: readonly CorpusDocument[]) => Promise<CorpusIndex>;

/** One thread a build, ended with it. Rejects with what buildCorpusIndex throws, or when memory runs out. */
export const buildIndexInWorker: BuildIndex = (documents) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { name: "corpus-index" });
    worker.once("message", (reply: { index: CorpusIndex } | { message: string }) => {
      if ("index" in reply) resolve(reply.index);
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
      const index = buildCorpusIndex(documents);
      const { starts, text, suffixes, minimum } = index;
      port.postMessage({ index }, [starts.buffer, text.buffer, suffixes.buffer, minimum.tree.buffer] as ArrayBuffer[]);
    } catch (error) {
      port.postMessage({ message: (error as Error).message });
    }
  });
}
