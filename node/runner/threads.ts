/**
 * Calls, estimates, proofs and traces in threads of their own: whatever they do, the thread that makes blocks goes on. A
 * thread that runs out of memory ends alone, one that does not answer is ended; what it was given is tried once more in
 * another.
 */
import { Worker } from "node:worker_threads";
import { compact } from "../../core/compact.ts";
import type { Answered, Asked, Everything, FromThread, Question, RunnerData, ToThread } from "./protocol.ts";
import { type Environment, NotRunError } from "./types.ts";

export interface RunnerThreadsOptions extends RunnerData {
  /** At most so many; each is started when all others are busy with something long. */
  readonly threads: number;
  readonly log: { error(fields: object, message: string): void };
  readonly supervision?: Partial<Supervision>;
}

export interface Supervision {
  readonly script: URL;
  readonly pingMs: number;
  /** One that has something to do and says nothing for so long is ended: work gives way to other work every 10 ms. */
  readonly silentMs: number;
  readonly heapBytes: number;
}

const CALLS_SILENT_MS = 5_000;
const HEAP_BYTES = 1_024 * 1_024 * 1_024;

const DEFAULT_SUPERVISION: Supervision = {
  script: new URL("./worker.ts", import.meta.url),
  pingMs: 500,
  silentMs: CALLS_SILENT_MS,
  heapBytes: HEAP_BYTES,
};
/** To start another takes two seconds of a processor, which is nothing to do for calls of a millisecond. */
const SLOW_MS = 20;
/** Until it serves for the first time: it loads the EVM. */
const START_MS = 60_000;
const ATTEMPTS = 2;

interface Job {
  readonly question: Question;
  readonly args: readonly unknown[];
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
  attempts: number;
}

export class RunnerThreads implements Everything {
  readonly #options: RunnerThreadsOptions;
  readonly #threads = new Set<Thread>();
  #isClosed = false;
  /** The one that was last asked for, mostly the head's: as it was given, and as it goes to threads. */
  #environment: { readonly given: Environment; readonly sent: Environment } | undefined;

  constructor(options: RunnerThreadsOptions) {
    this.#options = options;
  }

  /** Starts a thread ahead of the first question. */
  warmUp(): void {
    if (this.#threads.size === 0) this.#start();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }

  readonly call: Everything["call"] = (request, environment, overrides) =>
    this.#ask("call", [request, this.#sent(environment), overrides]);
  readonly accessList: Everything["accessList"] = (...args) => this.#ask("accessList", args);
  readonly estimateGas: Everything["estimateGas"] = (...args) => this.#ask("estimateGas", args);
  readonly simulate: Everything["simulate"] = (...args) => this.#ask("simulate", args);
  readonly prove: Everything["prove"] = (...args) => this.#ask("prove", args);
  readonly traceTransaction: Everything["traceTransaction"] = (...args) => this.#ask("traceTransaction", args);
  readonly traceBlock: Everything["traceBlock"] = (...args) => this.#ask("traceBlock", args);
  readonly traceEncodedBlock: Everything["traceEncodedBlock"] = (...args) => this.#ask("traceEncodedBlock", args);
  readonly traceCall: Everything["traceCall"] = (...args) => this.#ask("traceCall", args);

  /** The same object for the same one: what is in a message twice travels once. */
  #sent(given: Environment): Environment {
    if (this.#environment?.given !== given) this.#environment = { given, sent: compact(given) };
    return this.#environment.sent;
  }

  #ask<Q extends Question>(question: Q, args: Parameters<Everything[Q]>): ReturnType<Everything[Q]> {
    const answer = new Promise((resolve, reject) => {
      this.#give({ question, args: args.map((arg) => compact(arg)), resolve, reject, attempts: 0 });
    });
    // The thread answers with what the method of this name gives.
    return answer as ReturnType<Everything[Q]>;
  }

  #give(job: Job): void {
    if (this.#isClosed) {
      job.reject(new NotRunError("the node is stopping"));
      return;
    }
    let idlest: Thread | undefined;
    for (const thread of this.#threads) if (idlest === undefined || thread.load < idlest.load) idlest = thread;
    const isMoreWanted = idlest === undefined || (idlest.isSlow && this.#threads.size < this.#options.threads);
    (isMoreWanted ? this.#start() : idlest!).give(job);
  }

  #start(): Thread {
    const { directory, chain, callMs, log } = this.#options;
    const supervision = { ...DEFAULT_SUPERVISION, ...this.#options.supervision };
    const thread = new Thread({ directory, chain, callMs }, supervision, log, (lost) => {
      this.#threads.delete(thread);
      for (const job of lost) this.#again(job);
    });
    this.#threads.add(thread);
    return thread;
  }

  #again(job: Job): void {
    if (job.attempts < ATTEMPTS) this.#give(job);
    else job.reject(new NotRunError("it could not be run: it took too much memory, or did not let go"));
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #log: RunnerThreadsOptions["log"];
  readonly #jobs = new Map<number, Job>();
  readonly #pings: NodeJS.Timeout;
  readonly #ended: Promise<void>;
  readonly #loaded = Promise.withResolvers<void>();
  #asked: Asked[] = [];
  #nextId = 0;
  /** Pings since it last said anything: counted, not timed, as a machine may sleep. */
  #unanswered = 0;
  #isReady = false;
  /** When it was last done with something, or began after having had nothing to do. */
  #progressAtMs = 0;

  constructor(
    data: RunnerData,
    { script, pingMs, silentMs, heapBytes }: Supervision,
    log: RunnerThreadsOptions["log"],
    onEnd: (lost: readonly Job[]) => void,
  ) {
    this.#log = log;
    const resourceLimits = { maxOldGenerationSizeMb: heapBytes / 2 ** 20 };
    this.#worker = new Worker(script, { name: "calls", workerData: data, resourceLimits });
    this.#worker.on("message", (message: FromThread) => this.#hear(message));
    this.#worker.on("error", (err) => log.error({ err }, "a thread that runs calls failed"));
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        clearInterval(this.#pings);
        onEnd([...this.#jobs.values()]);
        this.#loaded.resolve();
        resolve();
      });
    });
    this.#pings = setInterval(() => {
      if (this.#jobs.size === 0) return;
      if (this.#unanswered * pingMs > (this.#isReady ? silentMs : START_MS)) {
        clearInterval(this.#pings);
        log.error({ silentMs, jobs: this.#jobs.size }, "a thread that runs calls does not answer: ending it");
        void this.#worker.terminate();
        return;
      }
      this.#unanswered++;
      this.#send("ping");
    }, pingMs);
    // What asks keeps the process alive, not who answers.
    this.#pings.unref();
    this.#worker.unref();
  }

  get load(): number {
    return this.#jobs.size;
  }

  /** It has something to do, and has not been done with anything for a while. */
  get isSlow(): boolean {
    return this.#jobs.size > 0 && performance.now() - this.#progressAtMs > SLOW_MS;
  }

  give(job: Job): void {
    if (this.#jobs.size === 0) {
      this.#unanswered = 0;
      this.#progressAtMs = performance.now();
    }
    job.attempts++;
    const id = this.#nextId++;
    this.#jobs.set(id, job);
    const asked = { id, question: job.question, args: job.args };
    // What was with something that ended a thread is not put together with it again.
    if (job.attempts > 1) this.#send([asked]);
    else if (this.#asked.push(asked) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const asked = this.#asked;
    this.#asked = [];
    this.#send(asked);
  }

  /** V8 aborts the process when a thread is ended while it evaluates modules that await (nodejs/node#62114). */
  async close(): Promise<void> {
    this.#send("close");
    this.#worker.ref();
    await this.#loaded.promise;
    const forced = setTimeout(() => void this.#worker.terminate(), 1_000);
    await this.#ended;
    clearTimeout(forced);
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #hear(message: FromThread): void {
    this.#unanswered = 0;
    if (message === "pong") return;
    if (message === "ready") {
      this.#isReady = true;
      this.#loaded.resolve();
      return;
    }
    this.#progressAtMs = performance.now();
    for (const answered of message) this.#settle(answered);
  }

  #settle(answered: Answered): void {
    const job = this.#jobs.get(answered.id);
    this.#jobs.delete(answered.id);
    if ("answer" in answered) job?.resolve(answered.answer);
    else {
      this.#log.error({ question: job?.question, failure: answered.failure }, "a call failed for no reason of its own");
      job?.reject(new Error(answered.failure));
    }
  }
}
