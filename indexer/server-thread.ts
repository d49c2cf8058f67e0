/**
 * The GraphQL server on a thread of its own, so that the chain never waits for a query. A thread that dies (out of
 * memory, say) is started anew; one that does not answer is ended and started anew. What cannot be ended is one SQL
 * statement of SQLite: then the thread ends with the statement, and the chain goes on meanwhile.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type GraphqlServer, type GraphqlServerOptions, TIMEOUT_MS } from "./server-options.ts";
import type { IndexerLog } from "./store.ts";

export interface GraphqlThreadOptions extends Omit<GraphqlServerOptions, "log"> {
  readonly log?: IndexerLog | undefined;
  /** Beyond a query's own time: a thread that says nothing for so long does not answer. */
  readonly hangMs?: number | undefined;
}

export type ToThread = "ping" | "close";
export type FromThread =
  | "pong"
  | { readonly listening: { readonly url: string; readonly port: number } }
  | { readonly failed: { readonly message: string; readonly code: string | undefined } }
  | { readonly level: keyof IndexerLog; readonly fields: object; readonly message: string };

const PING_MS = 1_000;
const HANG_MS = 5_000;
const CLOSE_MS = 5_000;
const RESTART_MS = 1_000;
const MAX_RESTART_MS = 30_000;
/** A thread that needs more ends, not the node. */
const MAX_HEAP_MB = 1_024;

interface Thread {
  readonly worker: Worker;
  readonly url: string;
  readonly port: number;
  readonly ended: Promise<void>;
}

/** Rejects like createGraphqlServer when the server cannot be started the first time; later trouble is logged. */
export async function startGraphqlThread(options: GraphqlThreadOptions): Promise<GraphqlServer> {
  const { log, hangMs = HANG_MS, ...data } = options;
  const silentMs = Math.max(0, data.timeoutMs ?? TIMEOUT_MS) + hangMs;
  const closing = new AbortController();
  let thread = await startThread(data, log, silentMs);
  const { url, port } = thread;

  /** Until it is closed: each time that the thread ends, another one, on the same port. */
  async function keep(): Promise<void> {
    let waitMs = RESTART_MS;
    for (;;) {
      const startedMs = Date.now();
      await thread.ended;
      if (closing.signal.aborted) return;
      // One that has served for a while begins a new count.
      if (Date.now() - startedMs > MAX_RESTART_MS) waitMs = RESTART_MS;
      log?.error({ port, waitMs }, "the GraphQL thread has ended: starting another");
      for (let started: Thread | undefined; started === undefined; ) {
        await delay(waitMs, undefined, { signal: closing.signal }).catch(() => {});
        if (closing.signal.aborted) return;
        waitMs = Math.min(2 * waitMs, MAX_RESTART_MS);
        started = await startThread({ ...data, port }, log, silentMs).catch((err: unknown) => {
          log?.error({ err, port, waitMs }, "the GraphQL thread cannot be started: trying again");
          return undefined;
        });
        if (started !== undefined) thread = started;
      }
    }
  }
  const kept = keep();

  return {
    url,
    port,
    async close() {
      closing.abort();
      thread.worker.postMessage("close" satisfies ToThread);
      const timer = setTimeout(() => void thread.worker.terminate(), CLOSE_MS);
      await Promise.race([thread.ended.then(() => kept), delay(2 * CLOSE_MS, undefined, { ref: false })]);
      clearTimeout(timer);
    },
  };
}

async function startThread(
  data: Omit<GraphqlServerOptions, "log">,
  log: IndexerLog | undefined,
  silentMs: number,
): Promise<Thread> {
  const worker = new Worker(new URL("./server-worker.ts", import.meta.url), {
    name: "graphql",
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ url: string; port: number }>();
  let heardMs = Date.now();
  const pings = setInterval(() => {
    if (Date.now() - heardMs > silentMs) {
      clearInterval(pings);
      log?.error({ silentMs }, "the GraphQL thread does not answer: ending it");
      void worker.terminate();
    } else worker.postMessage("ping" satisfies ToThread);
  }, PING_MS);
  pings.unref();
  worker.on("message", (message: FromThread) => {
    heardMs = Date.now();
    if (message === "pong") return;
    if ("listening" in message) resolve(message.listening);
    else if ("failed" in message)
      reject(Object.assign(new Error(message.failed.message), { code: message.failed.code }));
    else log?.[message.level](message.fields, message.message);
  });
  worker.on("error", (err) => {
    log?.error({ err }, "the GraphQL thread failed");
    reject(err);
  });
  const ended = new Promise<void>((done) => {
    worker.once("exit", (code) => {
      clearInterval(pings);
      reject(new Error(`the GraphQL thread ended with ${code} before it served`));
      done();
    });
  });
  return { worker, ended, ...(await promise) };
}
