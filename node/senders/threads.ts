/**
 * Recovers the senders of transactions ahead of their decoding, in threads: the recovery is most of what a transaction
 * costs. What a thread finds is remembered by hash (execution/tx/decode.ts), so that decoding in this thread finds it
 * there; what it does not find is recovered by decoding, as it is without threads. So nothing depends on a thread: while
 * none is ready, when one fails, and when too much waits, everything is as if there were none.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { isSenderKnown, MAX_TRANSACTION_BYTES, rememberSender } from "../../execution/tx/decode.ts";
import { envelopesOfBlock } from "./block-envelopes.ts";
import { FOUND_BYTES, type FromThread, packEnvelopes, type ToThread } from "./protocol.ts";

export interface SenderThreadsOptions {
  readonly chainId: bigint;
  readonly log: { error(fields: object, message: string): void };
  readonly supervision?: Partial<Supervision>;
}

export interface Supervision {
  readonly script: URL;
  readonly threads: number;
  /** One that has something to do and answers nothing for so long is ended. */
  readonly silentMs: number;
  /** After a thread failed, none is started for so long. */
  readonly restartMs: number;
}

const SILENT_MS = 2_000;

const DEFAULT_SUPERVISION: Supervision = {
  script: new URL("./worker.ts", import.meta.url),
  // The processor of the thread that asks is not theirs.
  threads: Math.min(2, Math.max(1, availableParallelism() - 1)),
  silentMs: SILENT_MS,
  restartMs: 5_000,
};
const HEAP_MB = 128;

/** Fewer are recovered here sooner than a thread is asked. */
const FEWEST = 8;
/** A thread is given so many at a time, so that what is urgent never waits long. */
const JOB_ENVELOPES = 64;
const JOB_BYTES = 256 * 1024;
/** A thread has its next job before it ends the last one. */
const JOBS_AHEAD = 2;
/** Bytes of envelopes that wait. Beyond it what is not urgent is recovered here. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;
const MOST_URGENT_BYTES = 32 * 1024 * 1024;

interface Job {
  readonly packed: Uint8Array;
  readonly done: () => void;
}

export class SenderThreads {
  readonly #options: SenderThreadsOptions;
  readonly #supervision: Supervision;
  readonly #threads = new Set<Thread>();
  readonly #urgent: Job[] = [];
  readonly #others: Job[] = [];
  #waitingBytes = 0;
  #mayStartAtMs = 0;
  #isClosed = false;

  constructor(options: SenderThreadsOptions) {
    this.#options = options;
    this.#supervision = { ...DEFAULT_SUPERVISION, ...options.supervision };
  }

  /** Starts the threads ahead of the first use; resolves when one is ready, or none can be. */
  async warmUp(): Promise<void> {
    this.#startThreads();
    if (this.#threads.size > 0) await Promise.race([...this.#threads].map(({ ready }) => ready));
  }

  /**
   * Of transactions that will be decoded in this order. Resolves when decoding needs no more recoveries than it has to do
   * itself; undefined when that is already so. Never rejects. Keeps nothing of what it is given.
   */
  recover(envelopes: readonly Uint8Array[], isUrgent = false): Promise<void> | undefined {
    if (envelopes.length < FEWEST || this.#isClosed) return undefined;
    if (this.#waitingBytes >= (isUrgent ? MOST_URGENT_BYTES : MOST_WAITING_BYTES)) return undefined;
    const unknown: Uint8Array[] = [];
    for (const envelope of envelopes) {
      if (envelope.length > MAX_TRANSACTION_BYTES) break; // decoding ends here
      if (!isSenderKnown(envelope)) unknown.push(envelope);
    }
    if (unknown.length < FEWEST) return undefined;
    this.#startThreads();
    if (!this.#isAnyReady) return undefined;
    const queue = isUrgent ? this.#urgent : this.#others;
    const ends: Promise<void>[] = [];
    for (const part of parts(unknown)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const packed = packEnvelopes(part);
      this.#waitingBytes += packed.length;
      queue.push({ packed, done: resolve });
      ends.push(promise);
    }
    this.#dispatch();
    return Promise.all(ends).then(() => {});
  }

  /** As above, of a block that will be verified: it comes before what is not in a block. */
  recoverBlock(raw: Uint8Array): Promise<void> | undefined {
    return this.recover(envelopesOfBlock(raw), true);
  }

  /** What waits is left to whoever decodes it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#threads].map((thread) => thread.end()));
    this.#giveUpAll();
  }

  get #isAnyReady(): boolean {
    return [...this.#threads].some(({ isReady }) => isReady);
  }

  #startThreads(): void {
    const { threads, restartMs } = this.#supervision;
    if (this.#isClosed || this.#threads.size >= threads || performance.now() < this.#mayStartAtMs) return;
    while (this.#threads.size < threads) {
      const thread = new Thread(this.#options, this.#supervision, {
        free: () => this.#dispatch(),
        ended: () => {
          this.#threads.delete(thread);
          this.#mayStartAtMs = performance.now() + restartMs;
          if (!this.#isAnyReady) this.#giveUpAll();
        },
      });
      this.#threads.add(thread);
    }
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      while (thread.isFree) {
        const job = this.#urgent.shift() ?? this.#others.shift();
        if (job === undefined) return;
        this.#waitingBytes -= job.packed.length;
        thread.give(job);
      }
    }
  }

  #giveUpAll(): void {
    for (const { done } of [...this.#urgent.splice(0), ...this.#others.splice(0)]) done();
    this.#waitingBytes = 0;
  }
}

function* parts(envelopes: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let part: Uint8Array[] = [];
  let bytes = 0;
  for (const envelope of envelopes) {
    if (part.length > 0 && (part.length === JOB_ENVELOPES || bytes + envelope.length > JOB_BYTES)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(envelope);
    bytes += envelope.length;
  }
  if (part.length > 0) yield part;
}

class Thread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  readonly #silence: () => void;
  readonly #silentMs: number;
  readonly #onFree: () => void;
  /** When it is ready, or has ended. */
  readonly ready: Promise<void>;
  isReady = false;
  #markReady!: () => void;
  /** Referenced, as the worker is not: whoever waits for an answer keeps the process alive. */
  #timer: NodeJS.Timeout | undefined;
  #nextId = 0;

  constructor(
    { chainId, log }: SenderThreadsOptions,
    { script, silentMs }: Supervision,
    on: { readonly free: () => void; readonly ended: () => void },
  ) {
    this.#silentMs = silentMs;
    this.#onFree = on.free;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#markReady = resolve;
    this.#worker = new Worker(script, {
      name: "senders",
      workerData: { chainId },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    this.#worker.on("message", (message: FromThread) => this.#hear(message));
    this.#worker.on("error", (err) => log.error({ err }, "a thread that recovers senders failed"));
    this.#worker.once("exit", () => {
      this.isReady = false;
      clearTimeout(this.#timer);
      on.ended();
      for (const { done } of this.#jobs.values()) done();
      resolve();
    });
    this.#silence = () => {
      log.error({ silentMs, jobs: this.#jobs.size }, "a thread that recovers senders does not answer: ending it");
      void this.end();
    };
  }

  get isFree(): boolean {
    return this.isReady && this.#jobs.size < JOBS_AHEAD;
  }

  give(job: Job): void {
    const id = this.#nextId++;
    this.#jobs.set(id, job);
    this.#timer ??= setTimeout(this.#silence, this.#silentMs);
    this.#worker.postMessage({ id, packed: job.packed } satisfies ToThread, [job.packed.buffer as ArrayBuffer]);
  }

  /** V8 aborts the process when a thread is ended while it evaluates modules that await (nodejs/node#62114). */
  async end(): Promise<void> {
    await this.ready;
    this.isReady = false;
    await this.#worker.terminate();
  }

  #hear(message: FromThread): void {
    if (message === "ready") {
      this.isReady = true;
      this.#worker.unref();
      this.#markReady();
      this.#onFree();
      return;
    }
    const { id, found } = message;
    for (let at = 0; at < found.length; at += FOUND_BYTES) {
      rememberSender(found.subarray(at, at + 32), found.slice(at + 32, at + FOUND_BYTES));
    }
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (this.#jobs.size > 0) this.#timer?.refresh();
    else {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#onFree();
    job?.done();
  }
}
