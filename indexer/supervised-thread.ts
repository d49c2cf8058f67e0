/**
 * A server on a thread of its own, so that whoever starts it never waits for a request. A thread that dies (out of
 * memory, say) is started anew on the same port; one that does not answer is ended and started anew.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parentPort, Worker } from "node:worker_threads";
import type { IndexerLog } from "./store.ts";

/** `Told` is what else the two sides say to each other: plain data. */
export type ToThread<Told = never> = "ping" | "close" | { readonly told: Told };
export type FromThread<Told = never> =
  | "pong"
  | { readonly listening: { readonly url: string; readonly port: number } }
  | { readonly failed: { readonly message: string; readonly code: string | undefined } }
  | { readonly level: keyof IndexerLog; readonly fields: object; readonly message: string }
  | { readonly told: Told };

export interface Supervision {
  /** The module that the thread runs; it begins with `serveInThread`. */
  readonly script: URL;
  readonly pingMs: number;
  /** A thread that has said nothing for so long is ended. */
  readonly silentMs: number;
  /** Until another is started; doubled each time, up to 30 s. */
  readonly restartMs: number;
}

export interface SupervisedThread<To> {
  readonly url: string;
  readonly port: number;
  /** Lost when there is no thread at the moment. */
  tell(told: To): void;
  close(): Promise<void>;
}

interface ThreadOptions<Data, From, To> {
  /** "GraphQL": of the server, as it is called in logs. */
  readonly name: string;
  /** What a thread is given: no functions. */
  readonly data: Data;
  readonly log: IndexerLog | undefined;
  readonly supervision: Supervision;
  /** `reply` goes to the thread that told. */
  readonly onTold?: (told: From, reply: (told: To) => void) => void;
  /** Before a thread is started, each time. */
  readonly onStart?: () => void;
}

export const PING_MS = 1_000;
export const RESTART_MS = 1_000;
const MAX_RESTART_MS = 30_000;
const CLOSE_MS = 5_000;
/** Until it serves: it loads its modules meanwhile. */
const START_MS = 60_000;
/** A thread that needs more ends, not the node. */
const MAX_HEAP_MB = 1_024;

/** Rejects with what keeps the server from starting the first time; later trouble is logged. */
export async function superviseThread<Data extends { readonly port: number }, From = never, To = never>(
  options: ThreadOptions<Data, From, To>,
): Promise<SupervisedThread<To>> {
  const { name, data, log, supervision } = options;
  const closing = new AbortController();
  let thread = await startThread(options);
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
        log?.error({ port, waitMs }, `the ${name} thread has ended: another one is started`);
        await delay(waitMs, undefined, { signal: closing.signal }).catch(() => {});
        if (closing.signal.aborted) return;
        waitMs = Math.min(2 * waitMs, MAX_RESTART_MS);
        try {
          thread = await startThread({ ...options, data: { ...data, port } });
          isServing = true;
          if (closing.signal.aborted) thread.worker.postMessage("close" satisfies ToThread);
        } catch (err) {
          log?.error({ err, port }, `the ${name} thread cannot be started`);
        }
      }
    }
  }
  const kept = keep();

  return {
    url,
    port,
    tell: (told) => thread.worker.postMessage({ told } satisfies ToThread<To>),
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

async function startThread<Data, From, To>(options: ThreadOptions<Data, From, To>): Promise<Thread> {
  const { name, data, log, supervision, onTold } = options;
  options.onStart?.();
  const { script, pingMs, silentMs } = supervision;
  const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MB };
  const worker = new Worker(script, { name: name.toLowerCase(), workerData: data, resourceLimits });
  const { promise, resolve, reject } = Promise.withResolvers<{ url: string; port: number }>();
  // Counted, not timed: a machine that slept has not been without an answer all the while.
  let unanswered = 0;
  let isServing = false;
  const pings = setInterval(() => {
    if (unanswered * pingMs <= (isServing ? silentMs : START_MS)) {
      unanswered += 1;
      return worker.postMessage("ping" satisfies ToThread);
    }
    clearInterval(pings);
    log?.error({ silentMs }, `the ${name} thread does not answer: ending it`);
    void worker.terminate();
  }, pingMs);
  pings.unref();
  const reply = (told: To) => worker.postMessage({ told } satisfies ToThread<To>);
  worker.on("message", (message: FromThread<From>) => {
    unanswered = 0;
    if (message === "pong") return;
    if ("told" in message) onTold?.(message.told, reply);
    else if ("listening" in message) {
      isServing = true;
      resolve(message.listening);
    } else if ("failed" in message) {
      reject(Object.assign(new Error(message.failed.message), { code: message.failed.code }));
    } else log?.[message.level](message.fields, message.message);
  });
  worker.on("error", (err) => {
    log?.error({ err }, `the ${name} thread failed`);
    reject(err);
  });
  const ended = new Promise<void>((done) => {
    worker.once("exit", (code) => {
      clearInterval(pings);
      reject(new Error(`the ${name} thread ended with exit code ${code} before it served`));
      done();
    });
  });
  return { worker, ended, ...(await promise) };
}

interface ThreadSide<From, To> {
  readonly log: IndexerLog;
  readonly tell: (told: From) => void;
  readonly onTold: (listener: (told: To) => void) => void;
}

/** The other side: starts the server in the thread, and says so. */
export async function serveInThread<From = never, To = never>(
  start: (side: ThreadSide<From, To>) => Promise<{ readonly url: string; readonly port: number; close(): unknown }>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("this module runs in a thread: use superviseThread");
  const send = (message: FromThread<From>): void => port.postMessage(message);
  let listener: (told: To) => void = () => {};
  let close: () => unknown = () => {};
  port.on("message", async (message: ToThread<To>) => {
    if (message === "ping") return send("pong");
    if (message !== "close") return listener(message.told);
    await close();
    port.close();
  });
  try {
    const server = await start({
      log: { info: forward(send, "info"), warn: forward(send, "warn"), error: forward(send, "error") },
      tell: (told) => send({ told }),
      onTold(given) {
        listener = given;
      },
    });
    close = () => server.close();
    send({ listening: { url: server.url, port: server.port } });
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    send({ failed: { message, code } });
    port.close();
  }
}

/** What cannot travel between threads is said in words. */
function forward(send: (message: FromThread) => void, level: keyof IndexerLog) {
  return (fields: object, message: string): void => {
    try {
      send({ level, fields, message });
    } catch {
      const said = Object.entries(fields).map(([name, value]) => [
        name,
        value instanceof Error ? value.stack : `${value}`,
      ]);
      send({ level, fields: Object.fromEntries(said), message });
    }
  };
}
