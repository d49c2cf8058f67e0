/**
 * The GraphQL server on a thread of its own, so that the chain never waits for a query. A thread that dies (out of
 * memory, say) is started anew; one that does not answer is ended and started anew. What cannot be ended is one SQL
 * statement of SQLite: then the thread ends with the statement, and the chain goes on meanwhile.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type GraphqlServer, type GraphqlServerOptions, TIMEOUT_MS } from "./server-options.ts";
import type { IndexerLog } from "./store.ts";

export type ToThread = "ping" | "close";
export type FromThread =
  | "pong"
  | { readonly listening: { readonly url: string; readonly port: number } }
  | { readonly failed: { readonly message: string; readonly code: string | undefined } }
  | { readonly level: keyof IndexerLog; readonly fields: object; readonly message: string };

/** What a thread is given: everything but functions. */
type ThreadData = Omit<GraphqlServerOptions, "log">;

export interface Supervision {
  /** The module that the thread runs; it speaks as server-worker.ts does. */
  readonly script: URL;
  readonly pingMs: number;
  /** A thread that has said nothing for so long is ended. */
  readonly silentMs: number;
  /** Until another is started; doubled each time, up to 30 s. */
  readonly restartMs: number;
}

const PING_MS = 1_000;
/** Beyond the longest query, which lets others have their turns all the while. */
const SILENT_MS = 5_000;
const RESTART_MS = 1_000;
const MAX_RESTART_MS = 30_000;
const CLOSE_MS = 5_000;
/** A thread that needs more ends, not the node. */
const MAX_HEAP_MB = 1_024;

/** Rejects like createGraphqlServer when the server cannot be started the first time; later trouble is logged. */
export function startGraphqlThread({ log, ...data }: GraphqlServerOptions): Promise<GraphqlServer> {
  return superviseThread(data, log, {
    script: new URL("./server-worker.ts", import.meta.url),
    pingMs: PING_MS,
    silentMs: Math.max(0, data.timeoutMs ?? TIMEOUT_MS) + SILENT_MS,
    restartMs: RESTART_MS,
  });
}

export async function superviseThread(
  data: ThreadData,
  log: IndexerLog | undefined,
  supervision: Supervision,
): Promise<GraphqlServer> {
  const closing = new AbortController();
  let thread = await startThread(data, log, supervision);
  const { url, port } = thread;

  /** Until it is closed: each time that the thread ends, another one, on the same port. */
  async function keep(): Promise<void> {
    let waitMs = supervision.restartMs;
    for (;;) {
      const startedMs = Date.now();
      await thread.ended;
      // One that has served for a while begins a new count.
      if (Date.now() - startedMs > MAX_RESTART_MS) waitMs = supervision.restartMs;
      for (let isServing = false; !isServing; ) {
        if (closing.signal.aborted) return;
        log?.error({ port, waitMs }, "the GraphQL thread has ended: another one is started");
        await delay(waitMs, undefined, { signal: closing.signal }).catch(() => {});
        if (closing.signal.aborted) return;
        waitMs = Math.min(2 * waitMs, MAX_RESTART_MS);
        try {
          thread = await startThread({ ...data, port }, log, supervision);
          isServing = true;
        } catch (err) {
          log?.error({ err, port }, "the GraphQL thread cannot be started");
        }
      }
    }
  }
  const kept = keep();

  return {
    url,
    port,
    async close() {
      closing.abort();
      const { worker } = thread;
      worker.postMessage("close" satisfies ToThread);
      const forced = setTimeout(() => void worker.terminate(), CLOSE_MS);
      // One that is inside a statement ends with it, and does not hold up what else has to be closed.
      await Promise.race([kept, delay(2 * CLOSE_MS, undefined, { ref: false })]);
      clearTimeout(forced);
    },
  };
}

interface Thread {
  readonly worker: Worker;
  readonly url: string;
  readonly port: number;
  readonly ended: Promise<void>;
}

async function startThread(
  data: ThreadData,
  log: IndexerLog | undefined,
  { script, pingMs, silentMs }: Supervision,
): Promise<Thread> {
  const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MB };
  const worker = new Worker(script, { name: "graphql", workerData: data, resourceLimits });
  const { promise, resolve, reject } = Promise.withResolvers<{ url: string; port: number }>();
  // Counted, not timed: a machine that slept has not been without an answer all the while.
  let unanswered = 0;
  const pings = setInterval(() => {
    if (unanswered * pingMs <= silentMs) {
      unanswered += 1;
      return worker.postMessage("ping" satisfies ToThread);
    }
    clearInterval(pings);
    log?.error({ silentMs }, "the GraphQL thread does not answer: ending it");
    void worker.terminate();
  }, pingMs);
  pings.unref();
  worker.on("message", (message: FromThread) => {
    unanswered = 0;
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
      reject(new Error(`the GraphQL thread ended with exit code ${code} before it served`));
      done();
    });
  });
  return { worker, ended, ...(await promise) };
}
