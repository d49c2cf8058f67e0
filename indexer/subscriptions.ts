/**
 * Subscriptions: one feed a server follows the index and executes each subscriber's selection on every block, in order,
 * in the snapshot of that block. It polls the checkpoint, because a replica of PostgreSQL offers nothing better.
 *
 * A subscriber gets the events of every block after the one at which it was admitted, or from the one that it named, each
 * exactly once: a block's results are handed out together, and only then the cursor moves. Who named a block of the past
 * gets the blocks up to the cursor first, as fast as it reads them, and then goes on with all others. What cannot be kept
 * ends the subscription with an error: a client that does not read, and an index that has gone back to before what was
 * delivered.
 */
import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
} from "graphql/index.js";
import type { Kysely, Transaction } from "kysely";
import { equalsBytes } from "../core/bytes.ts";
import { isUnreachable } from "./database.ts";
import { Reader } from "./loaders.ts";
import { badInput } from "./scalars.ts";
import { unavailable } from "./server-errors.ts";
import type { IndexerLog } from "./store.ts";
import { Selection, type Topic, type TopicEvent } from "./subscription-topics.ts";
import type { Database } from "./tables.ts";
import { blockHash, readCheckpoint } from "./writer.ts";

export interface FeedOptions {
  readonly readers: Kysely<Database>;
  /** Most that the selections of one block may take. */
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly maxSubscribers: number;
  /** Results of earlier blocks that a client may leave unread. */
  readonly maxUnread: number;
  /** Blocks of the past that a subscriber may ask for. */
  readonly maxReplayBlocks: number;
  /** After a failure, such as a database that is away. */
  readonly retryMs: number;
  readonly log: IndexerLog | undefined;
}

/** Blocks that are delivered from one snapshot. */
const BLOCKS_A_STEP = 64;

interface Cursor {
  readonly block: number;
  /** Undefined of an index that was empty. */
  readonly hash: Uint8Array | undefined;
}

export class EventFeed {
  readonly #options: FeedOptions;
  readonly #subscribers = new Set<Subscriber>();
  /** Those that want blocks before the cursor. */
  readonly #replaying = new Set<Subscriber>();
  /** Admitted by the next step, which knows the checkpoint. */
  readonly #joining = new Set<Subscriber>();
  readonly #running: Promise<void>;
  #cursor: Cursor | undefined;
  #isClosed = false;
  #isFailing = false;
  #wake: () => void = () => {};

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  get subscribers(): number {
    return this.#subscribers.size + this.#replaying.size + this.#joining.size;
  }

  /** GraphQL's `subscribe`: resolves once events count for the subscriber. */
  async subscribe(args: ExecutionArgs): Promise<ExecutionResult | AsyncGenerator<ExecutionResult>> {
    const { maxSubscribers, maxUnread } = this.#options;
    const source = await sourceOf(args);
    if (!(source instanceof Selection)) return source as ExecutionResult;
    if (this.#isClosed) return failure("the server is stopping", "STOPPING");
    if (this.subscribers >= maxSubscribers) {
      return failure(
        `the server has ${maxSubscribers} subscribers, which is its limit: try later`,
        "TOO_MANY_SUBSCRIBERS",
      );
    }
    const subscriber = new Subscriber(args, source, maxUnread, {
      onRead: () => this.#replaying.has(subscriber) && this.#wake(),
      onEnd: () => this.#leave(subscriber),
    });
    this.#joining.add(subscriber);
    this.#wake();
    const problem = await subscriber.admitted;
    return problem === undefined ? subscriber.results : { errors: [problem] };
  }

  /** Looks for new blocks now rather than at the next poll. */
  wake(): void {
    this.#wake();
  }

  /** Ends all subscriptions. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endAll(undefined);
    this.#wake();
    await this.#running;
  }

  #leave(subscriber: Subscriber): void {
    for (const set of [this.#subscribers, this.#replaying, this.#joining]) set.delete(subscriber);
  }

  #endAll(problem: GraphQLError | undefined): void {
    const all = [...this.#subscribers, ...this.#replaying, ...this.#joining];
    for (const subscriber of all) subscriber.end(problem);
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      // Taken before looking: a subscriber that comes between the look and the wait still wakes.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.subscribers === 0) {
        this.#cursor = undefined;
        await woken;
        continue;
      }
      const waitMs = await this.#step().catch((error: unknown) => this.#fail(error));
      const timer = setTimeout(this.#wake, waitMs);
      if (waitMs > 0) await woken;
      else await yieldToEventLoop();
      clearTimeout(timer);
    }
  }

  #fail(error: unknown): number {
    if (!this.#isFailing) this.#options.log?.error({ err: error }, "subscriptions wait: the index cannot be read");
    this.#isFailing = true;
    for (const subscriber of this.#joining) subscriber.end(unavailable());
    return this.#options.retryMs;
  }

  /** Admits those who wait, and delivers what is new. Returns the time until it makes sense to look again. */
  async #step(): Promise<number> {
    const snapshot = await this.#options.readers.startTransaction().execute();
    try {
      const checkpoint = await readCheckpoint(snapshot);
      const head = checkpoint?.block ?? -1;
      this.#cursor ??= { block: head, hash: checkpoint?.hash };
      await this.#refuseRewind(snapshot, head);
      const first = this.#cursor.block;
      // A replica may lag behind what was delivered already: those blocks came before the subscription.
      for (const subscriber of this.#joining) this.#admit(subscriber, first, Math.max(head, first));
      const last = Math.min(head, first + BLOCKS_A_STEP);
      for (let block = first + 1; block <= last && this.subscribers > 0 && !this.#isClosed; block++) {
        const listening = [...this.#subscribers].filter(({ passed }) => block > passed);
        this.#cursor = { block, hash: await this.#deliver(snapshot, block, listening) };
      }
      const isReplaying = await this.#replay(snapshot, head);
      this.#isFailing = false;
      return last < head || isReplaying ? 0 : this.#options.pollMs;
    } finally {
      await snapshot.rollback().execute();
    }
  }

  /** `delivered`: the cursor's block, up to which all others have everything. */
  #admit(subscriber: Subscriber, delivered: number, head: number): void {
    this.#joining.delete(subscriber);
    const { maxReplayBlocks } = this.#options;
    const { fromBlock = head + 1 } = subscriber.selection;
    if (head - fromBlock >= maxReplayBlocks) {
      const message = `fromBlock ${fromBlock} is more than ${maxReplayBlocks} blocks before ${head}, the last one: ask for what is older with a query`;
      subscriber.end(badInput(message));
      return;
    }
    (fromBlock <= delivered ? this.#replaying : this.#subscribers).add(subscriber);
    subscriber.admit(fromBlock - 1);
  }

  /**
   * Delivers blocks of the past to those who read them, the oldest first, so that they go on together. Returns whether
   * there is more that could be delivered.
   */
  async #replay(snapshot: Transaction<Database>, head: number): Promise<boolean> {
    for (const subscriber of this.#replaying) {
      if (head - subscriber.passed > 2 * this.#options.maxReplayBlocks) subscriber.dropAsSlow();
    }
    for (let i = 0; i < BLOCKS_A_STEP && !this.#isClosed; i++) {
      const reading = [...this.#replaying].filter(({ reads }) => reads);
      const block = Math.min(...reading.map(({ passed }) => passed)) + 1;
      // Nobody reads, or the index is that of a replica that lags.
      if (block > head) return false;
      const listening = reading.filter(({ passed }) => passed === block - 1);
      await this.#deliver(snapshot, block, listening);
      for (const subscriber of listening) {
        subscriber.passed = block;
        if (block < (this.#cursor?.block ?? 0)) continue;
        // Unless it has left meanwhile.
        if (this.#replaying.delete(subscriber)) this.#subscribers.add(subscriber);
      }
    }
    return true;
  }

  /** An index that has another block in the cursor's place was rewound. Below the cursor it may just lag: wait for more. */
  async #refuseRewind(snapshot: Transaction<Database>, head: number): Promise<void> {
    const cursor = this.#cursor;
    if (cursor?.hash === undefined || head < cursor.block) return;
    const hash = await blockHash(snapshot, cursor.block);
    if (hash !== undefined && equalsBytes(hash, cursor.hash)) return;
    this.#options.log?.warn(
      { block: cursor.block, subscribers: this.subscribers },
      "index was rewound: subscriptions end",
    );
    this.#endAll(
      new GraphQLError(
        `block ${cursor.block} was replaced after its events were delivered: read again, then subscribe`,
        {
          extensions: { code: "REWOUND" },
        },
      ),
    );
    this.#cursor = { block: head, hash: (await readCheckpoint(snapshot))?.hash };
  }

  /** Returns the block's hash. */
  async #deliver(
    snapshot: Transaction<Database>,
    block: number,
    listening: readonly Subscriber[],
  ): Promise<Uint8Array> {
    const reader = new Reader(snapshot, this.#options.timeoutMs, block);
    const hash = await blockHash(snapshot, block);
    if (hash === undefined) throw new Error(`the index has no block ${block} below its checkpoint`);
    const events = new Map<Topic<unknown>, readonly TopicEvent<unknown>[]>();
    for (const { topic } of new Set(listening.map(({ selection }) => selection))) {
      if (!events.has(topic)) events.set(topic, await topic.read(reader, block));
    }
    const results = await Promise.all(
      listening.map(async (subscriber) => ({
        subscriber,
        results: await subscriber.execute(events.get(subscriber.selection.topic) ?? [], reader, block),
      })),
    );
    for (const { subscriber, results: own } of results) subscriber.push(own);
    // The results leave before the next block's are made.
    await yieldToEventLoop();
    return hash;
  }
}

class Subscriber {
  readonly selection: Selection<unknown>;
  readonly admitted: Promise<GraphQLError | undefined>;
  readonly results: AsyncGenerator<ExecutionResult>;
  /** It gets nothing of this block and those before it, or has got it. */
  passed = Number.POSITIVE_INFINITY;
  readonly #args: ExecutionArgs;
  readonly #maxUnread: number;
  readonly #onRead: () => void;
  readonly #onEnd: () => void;
  #settleAdmission: (problem: GraphQLError | undefined) => void = () => {};
  #unread: ExecutionResult[] = [];
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor(
    args: ExecutionArgs,
    selection: Selection<unknown>,
    maxUnread: number,
    { onRead, onEnd }: { readonly onRead: () => void; readonly onEnd: () => void },
  ) {
    this.#args = args;
    this.selection = selection;
    this.#maxUnread = maxUnread;
    this.#onRead = onRead;
    this.#onEnd = onEnd;
    this.admitted = new Promise((resolve) => {
      this.#settleAdmission = resolve;
    });
    this.results = this.#iterate();
  }

  admit(passed: number): void {
    this.passed = passed;
    this.#settleAdmission(undefined);
  }

  /** Whether it is near to what it has been given. */
  get reads(): boolean {
    return this.#unread.length <= this.#maxUnread / 2;
  }

  /** Throws when the database went away meanwhile: the block is to be tried again. */
  async execute(events: readonly TopicEvent<unknown>[], reader: Reader, block: number): Promise<ExecutionResult[]> {
    const contextValue = { ...(this.#args.contextValue as object), reader };
    const results = await Promise.all(
      events
        .filter((event) => this.selection.matches(event))
        .map(async ({ value }) => settled(await execute({ ...this.#args, rootValue: value, contextValue }))),
    );
    const causes = results.flatMap(({ errors }) => errors ?? []).map(({ originalError }) => originalError);
    const lost = causes.find((cause) => isUnreachable(cause));
    if (lost !== undefined) throw lost;
    return results.map((result) => ({ ...result, extensions: { ...result.extensions, block } }));
  }

  push(results: readonly ExecutionResult[]): void {
    if (this.#hasEnded || results.length === 0) return;
    if (this.#unread.length > this.#maxUnread) {
      this.dropAsSlow();
      return;
    }
    this.#unread.push(...results);
    this.#wake();
  }

  dropAsSlow(): void {
    const message = `the client left ${this.#unread.length} events unread: read faster or select less`;
    this.#unread = [];
    this.end(new GraphQLError(message, { extensions: { code: "SLOW_CONSUMER" } }));
  }

  /** What was pushed is still delivered, then the problem, if there is one. */
  end(problem: GraphQLError | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (problem !== undefined) this.#unread.push({ errors: [problem] });
    this.#settleAdmission(problem);
    this.#onEnd();
    this.#wake();
  }

  /** A generator cannot be ended while it waits, so this is none. */
  #iterate(): AsyncGenerator<ExecutionResult> {
    const next = async (): Promise<IteratorResult<ExecutionResult, undefined>> => {
      while (this.#unread.length === 0 && !this.#hasEnded) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const value = this.#unread.shift();
      this.#onRead();
      return value === undefined ? { done: true, value: undefined } : { done: false, value };
    };
    const stop = async (): Promise<IteratorResult<ExecutionResult, undefined>> => {
      this.#unread = [];
      this.end(undefined);
      return { done: true, value: undefined };
    };
    const iterator = {
      next,
      return: stop,
      throw: stop,
      [Symbol.asyncIterator]: () => iterator,
      [Symbol.asyncDispose]: async () => void (await stop()),
    };
    return iterator as AsyncGenerator<ExecutionResult>;
  }
}

/** A subscription whose only field is skipped is valid, and GraphQL's own code trips over it. */
async function sourceOf(args: ExecutionArgs): Promise<AsyncIterable<unknown> | ExecutionResult> {
  try {
    return await createSourceEventStream(args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const extensions = { code: "BAD_USER_INPUT", http: { status: 400 } };
    return { errors: [new GraphQLError("the subscription selects no field", { extensions })] };
  }
}

/**
 * Where one field's error makes the whole answer null, others may still run: what they add to the list of errors, when
 * the snapshot has ended, is no part of the answer.
 */
export function settled(result: ExecutionResult): ExecutionResult {
  return result.errors === undefined ? result : { ...result, errors: [...result.errors] };
}

const failure = (message: string, code: string): ExecutionResult => ({
  errors: [new GraphQLError(message, { extensions: { code, http: { status: 503 } } })],
});
