/**
 * The indexer: follows the chain from its own durable checkpoint. Events wake, cursors move. Blocks, their rows and the
 * checkpoint are written in one SQL transaction, and the chain commits first, so that each block counts exactly once
 * wherever the process dies.
 */
import { setTimeout as delay, setImmediate as yieldToEventLoop } from "node:timers/promises";
import type { Kysely } from "kysely";
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import { Backfill } from "./backfill.ts";
import { isDamage, isUnreachable, openIndex } from "./database.ts";
import { decodeBlock } from "./decode.ts";
import { IndexError } from "./errors.ts";
import { type OpenedIndex, type OpenOptions, printableLocation } from "./location.ts";
import { project } from "./project.ts";
import type { BlockSource, SourceBlock } from "./source.ts";
import type { Checkpoint, Database, Progress } from "./tables.ts";
import {
  applyBlocks,
  type BlockChanges,
  blockHash,
  readCheckpoint,
  rewindTo,
  writeCheckpoint,
  writeProgress,
} from "./writer.ts";

/** What pino offers and this needs. */
export interface IndexerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface IndexerOptions extends OpenOptions {
  readonly source: BlockSource;
  /** Of the index: a file, or a postgres:// URL. */
  readonly location: string;
  readonly log?: IndexerLog;
  /** Most blocks in one SQL transaction while catching up. Each block's work yields to the event loop. */
  readonly batchBlocks?: number;
}

export interface IndexerStatus {
  readonly state: "stopped" | "catching-up" | "following" | "halted";
  /** The last block in the index. */
  readonly indexed: { readonly number: bigint; readonly hash: Uint8Array } | undefined;
  readonly head: bigint;
  /** Why it halted. */
  readonly error: Error | undefined;
}

export interface Indexer {
  readonly location: string;
  /**
   * Opens the index and begins to follow. Throws IndexError INDEX_NEWER, INDEX_LOCKED, BAD_LOCATION; other trouble shows in
   * status(), and a database that cannot be reached is waited for.
   */
  start(): Promise<void>;
  /** Finishes the transaction in hand and closes the file. */
  stop(): Promise<void>;
  /** Resolves when the index holds the block that is the head now, and what reads need; rejects when the indexer halts or stops before. */
  caughtUp(): Promise<void>;
  status(): IndexerStatus;
}

const BATCH_BLOCKS = 256;
/** A batch ends earlier when it has taken this many log events, so that a transaction's memory stays bounded. */
const BATCH_EVENTS = 10_000;
/** Between attempts to reach a database that is away: the first, and the longest. */
const RETRY_MS = [500, 30_000] as const;

interface Batch {
  readonly blocks: readonly BlockChanges[];
  /** The last of them, or the block that they were to follow. */
  readonly last: Pick<Checkpoint, "block" | "hash"> | undefined;
  readonly events: number;
  /** Why the block after them cannot be indexed. */
  readonly failure: unknown;
}

interface Waiter {
  readonly number: number;
  resolve(): void;
  reject(error: Error): void;
}

export function createIndexer(options: IndexerOptions): Indexer {
  const { source, location, log, batchBlocks = BATCH_BLOCKS } = options;
  let index: OpenedIndex | undefined;
  let checkpoint: Pick<Checkpoint, "block" | "hash"> | undefined;
  let ahead: Promise<Batch> | undefined;
  let backfill: Backfill | undefined;
  let state: IndexerStatus["state"] = "stopped";
  let error: Error | undefined;
  let stopping = new AbortController();
  let wake: () => void = () => {};
  let unsubscribe: () => void = () => {};
  let following: Promise<void> = Promise.resolve();
  let waiters: Waiter[] = [];

  async function start(): Promise<void> {
    if (state !== "stopped") throw new Error("the indexer runs already");
    stopping = new AbortController();
    error = undefined;
    checkpoint = undefined;
    backfill = undefined;
    try {
      index = await openIndex(location, options);
    } catch (cause) {
      if (!isUnreachable(cause)) throw cause;
      log?.warn({ err: cause, location: printableLocation(location) }, "the index's database is away");
    }
    state = "catching-up";
    unsubscribe = source.onCommit(() => wake());
    following = run().catch(halt);
  }

  async function run(): Promise<void> {
    index ??= await patiently(() => openIndex(location, options));
    if (index === undefined) return; // stopped before it could be reached
    const opened = index;
    reportRebuild(opened);
    await patiently(() => resume(opened.db));
    const behind = headNumber() - (checkpoint?.block ?? -1);
    backfill = await patiently(() => Backfill.begin(opened, behind, log));
    settleWaiters();
    if (backfill !== undefined) await follow(opened, backfill);
  }

  async function stop(): Promise<void> {
    stopping.abort();
    wake();
    unsubscribe();
    await following;
    await index?.close();
    index = undefined;
    state = "stopped";
    settleWaiters(new Error("the indexer was stopped"));
  }

  /** Finds where the index stands, and that this is on the chain. */
  async function resume(db: Kysely<Database>): Promise<void> {
    ahead = undefined;
    checkpoint = await readCheckpoint(db);
    await rewindToChain(db);
    await writeProgress(db, progress(null));
  }

  async function follow(opened: OpenedIndex, backfill: Backfill): Promise<void> {
    while (!stopping.signal.aborted) {
      // Taken before looking: a commit that comes between the look and the wait still wakes.
      const committed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (nextNumber() <= headNumber()) {
        const events = await patiently(() => indexBatch(opened));
        if (state === "catching-up") backfill.report(checkpoint?.block ?? -1, headNumber(), events ?? 0);
        continue;
      }
      if (state === "catching-up") {
        await backfill.finish();
        log?.info({ block: checkpoint?.block }, "index caught up");
        state = "following";
        settleWaiters();
      }
      if (!stopping.signal.aborted) await committed;
    }
  }

  /** A database that is away may come back, and a rebuilt index takes the place of this one: goes on from where it stands. */
  async function patiently<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (let waitMs: number = RETRY_MS[0]; !stopping.signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS[1])) {
      try {
        if (waitMs > RETRY_MS[0] && index !== undefined) await resume(index.db);
        return await work();
      } catch (cause) {
        const isMoved = cause instanceof IndexError && cause.code === "CHECKPOINT_MOVED";
        if (!isUnreachable(cause) && !isMoved) throw cause;
        log?.warn({ err: cause, retryMs: waitMs }, isMoved ? "the index was replaced" : "the index's database is away");
        await delay(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
    return undefined;
  }

  /**
   * Blocks in one transaction; nothing in memory changes until it has been committed. Returns the number of events. What
   * comes before a block that cannot be indexed is kept.
   */
  async function indexBatch({ db, bulk, written }: OpenedIndex): Promise<number> {
    const { blocks, last, events, failure } = await (ahead ?? projectBatch(checkpoint));
    // While the database works on this batch, the next one is made.
    ahead = last !== undefined && failure === undefined && last.block < headNumber() ? projectBatch(last) : undefined;
    if (last !== undefined && blocks.length > 0) {
      const rows = await db.transaction().execute(async (transaction) => {
        const count = await applyBlocks(transaction, bulk, blocks);
        await writeCheckpoint(transaction, checkpoint?.block, last.block, last.hash);
        await writeProgress(transaction, progress(null));
        return count;
      });
      written(rows);
      checkpoint = last;
      settleWaiters();
    }
    if (failure !== undefined) throw failure;
    return events;
  }

  /** The blocks after one, as changes. The event loop turns between them. Never rejects. */
  async function projectBatch(after: typeof checkpoint): Promise<Batch> {
    const blocks: BlockChanges[] = [];
    let last = after;
    let events = 0;
    let failure: unknown;
    while (blocks.length < batchBlocks && events < BATCH_EVENTS && !stopping.signal.aborted) {
      const number = (last?.block ?? -1) + 1;
      if (number > headNumber()) break;
      try {
        const block = await chainBlock(number, last);
        const placed = decodeBlock(block);
        blocks.push({ number, changes: project(block, placed) });
        events += placed.length;
        last = { block: number, hash: block.hash };
      } catch (error) {
        failure = error;
        break;
      }
      await yieldToEventLoop();
    }
    return { blocks, last, events, failure };
  }

  /** The index may be ahead of the chain, or on another one: goes back to the last block that both have. */
  async function rewindToChain(db: Kysely<Database>): Promise<void> {
    if (checkpoint === undefined) return;
    const indexed = checkpoint.block;
    let shared = Math.min(indexed, headNumber());
    // One read of each side per block: a whole other chain has another genesis, which one look settles.
    if (!(await onChain(db, 0))) shared = -1;
    while (shared >= 0 && !(await onChain(db, shared))) shared -= 1;
    if (shared === indexed) return;
    log?.warn({ indexed, shared, head: headNumber() }, "the index is not on this chain: rewinding");
    await db.transaction().execute((transaction) => rewindTo(transaction, shared));
    checkpoint = await readCheckpoint(db);
  }

  async function onChain(db: Kysely<Database>, number: number): Promise<boolean> {
    const indexed = await blockHash(db, number);
    const block = await source.block(BigInt(number));
    return indexed !== undefined && block !== undefined && equalsBytes(indexed, block.hash);
  }

  async function chainBlock(number: number, parent: typeof checkpoint): Promise<SourceBlock> {
    const block = await source.block(BigInt(number));
    if (block === undefined) {
      throw new IndexError("CHAIN_INCOMPLETE", `the chain's head is ${headNumber()}, but it has no block ${number}`);
    }
    if (parent === undefined || equalsBytes(block.header.parentHash, parent.hash)) return block;
    throw new IndexError(
      "CHAIN_INCOMPLETE",
      `block ${number} has parent ${bytesToHex(block.header.parentHash)}, the index ends with ${bytesToHex(parent.hash)}: restart to rewind the index`,
    );
  }

  function nextNumber(): number {
    return (checkpoint?.block ?? -1) + 1;
  }

  function headNumber(): number {
    return Number(source.head.number);
  }

  /** The node lives on: whoever reads the index sees the error in status() and `_meta.hasIndexingErrors`. */
  async function halt(cause: unknown): Promise<void> {
    error = cause instanceof Error ? cause : new Error(String(cause));
    state = "halted";
    const remedy = isDamage(cause) ? "restart: the damaged index will be rebuilt" : "the chain is not affected";
    log?.error({ err: error, block: nextNumber(), remedy }, "indexing halted");
    // Servers in other processes see it there; when the index cannot be written, they see that it stays behind.
    if (index !== undefined) await writeProgress(index.db, progress(error.message)).catch(() => {});
    settleWaiters(error);
  }

  function progress(failure: string | null): Omit<Progress, "id"> {
    const { safe, finalized } = source.tags ?? { safe: source.head.number, finalized: source.head.number };
    return { head: headNumber(), safe: Number(safe), finalized: Number(finalized), error: failure };
  }

  function settleWaiters(failure?: Error): void {
    const pending = waiters.filter(({ number }) => !holds(number));
    for (const waiter of waiters) {
      if (holds(waiter.number)) waiter.resolve();
      else if (failure !== undefined) waiter.reject(failure);
    }
    waiters = failure === undefined ? pending : [];
  }

  const holds = (number: number): boolean => number < nextNumber() && backfill?.isComplete === true;

  function caughtUp(): Promise<void> {
    const number = headNumber();
    if (holds(number)) return Promise.resolve();
    if (state === "halted" || state === "stopped") {
      return Promise.reject(error ?? new Error("the indexer does not run"));
    }
    return new Promise((resolve, reject) => {
      waiters.push({ number, resolve, reject });
    });
  }

  function status(): IndexerStatus {
    const indexed = checkpoint === undefined ? undefined : { number: BigInt(checkpoint.block), hash: checkpoint.hash };
    return { state, indexed, head: source.head.number, error };
  }

  function reportRebuild({ rebuilt }: OpenedIndex): void {
    if (rebuilt === undefined) return;
    log?.warn(
      { location: printableLocation(location), ...rebuilt },
      "index moved aside: building a new one from the chain",
    );
  }

  return { location, start, stop, caughtUp, status };
}
