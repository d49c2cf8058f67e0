/**
 * The indexer: follows the chain from its own durable checkpoint. Events wake, cursors move. Blocks, their rows and the
 * checkpoint are written in one SQL transaction, and the chain commits first, so that each block counts exactly once
 * wherever the process dies.
 */
import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import type { Kysely, Transaction } from "kysely";
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import type { ChainSource, ExecutedBlock } from "../core/chain.ts";
import { isDamage, type OpenedIndex, type OpenOptions, openIndex } from "./database.ts";
import { decodeBlock } from "./decode.ts";
import { IndexError } from "./errors.ts";
import { project } from "./project.ts";
import type { Checkpoint, Database, Progress } from "./tables.ts";
import { applyChanges, blockHash, readCheckpoint, rewindTo, writeCheckpoint, writeProgress } from "./writer.ts";

/** What pino offers and this needs. */
export interface IndexerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface IndexerOptions extends OpenOptions {
  readonly source: ChainSource;
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
  /** Opens the index and begins to follow. Throws IndexError INDEX_NEWER; other trouble shows in status(). */
  start(): Promise<void>;
  /** Finishes the transaction in hand and closes the file. */
  stop(): Promise<void>;
  /** Resolves when the index holds the block that is the head now; rejects when the indexer halts or stops before. */
  caughtUp(): Promise<void>;
  status(): IndexerStatus;
}

const BATCH_BLOCKS = 256;
/** A batch ends earlier when it has taken this many log events, so that a transaction's memory stays bounded. */
const BATCH_EVENTS = 10_000;

interface Waiter {
  readonly number: number;
  resolve(): void;
  reject(error: Error): void;
}

export function createIndexer(options: IndexerOptions): Indexer {
  const { source, location, log, batchBlocks = BATCH_BLOCKS } = options;
  let db: Kysely<Database> | undefined;
  let checkpoint: Pick<Checkpoint, "block" | "hash"> | undefined;
  let state: IndexerStatus["state"] = "stopped";
  let error: Error | undefined;
  let stopping = false;
  let wake: () => void = () => {};
  let unsubscribe: () => void = () => {};
  let following: Promise<void> = Promise.resolve();
  let waiters: Waiter[] = [];

  async function start(): Promise<void> {
    if (db !== undefined) throw new Error("the indexer runs already");
    const opened = await openIndex(location, options);
    reportRebuild(opened);
    db = opened.db;
    stopping = false;
    error = undefined;
    state = "catching-up";
    unsubscribe = source.onCommit(() => wake());
    const running = db;
    try {
      checkpoint = await readCheckpoint(running);
      await rewindToChain(running);
      await writeProgress(running, progress(null));
    } catch (cause) {
      await halt(cause);
      return;
    }
    following = follow(running).catch(halt);
  }

  async function stop(): Promise<void> {
    stopping = true;
    wake();
    unsubscribe();
    await following;
    await db?.destroy();
    db = undefined;
    state = "stopped";
    settleWaiters(new Error("the indexer was stopped"));
  }

  async function follow(running: Kysely<Database>): Promise<void> {
    while (!stopping) {
      // Taken before looking: a commit that comes between the look and the wait still wakes.
      const committed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (nextNumber() <= headNumber()) {
        await indexBatch(running);
      } else {
        if (state === "catching-up") log?.info({ block: checkpoint?.block }, "index caught up");
        state = "following";
        if (!stopping) await committed;
      }
    }
  }

  /** Everything in one transaction; nothing in memory changes until it has been committed. */
  async function indexBatch(running: Kysely<Database>): Promise<void> {
    let last = checkpoint;
    let events = 0;
    await running.transaction().execute(async (transaction) => {
      for (let i = 0; i < batchBlocks && events < BATCH_EVENTS && !stopping; i++) {
        const number = (last?.block ?? -1) + 1;
        if (number > headNumber()) break;
        const block = chainBlock(number);
        if (last !== undefined && !equalsBytes(block.header.parentHash, last.hash)) {
          throw new IndexError(
            "CHAIN_INCOMPLETE",
            `block ${number} has parent ${bytesToHex(block.header.parentHash)}, the index ends with ${bytesToHex(last.hash)}: restart to rewind the index`,
          );
        }
        events += await indexBlock(transaction, block);
        last = { block: number, hash: block.hash };
        await yieldToEventLoop();
      }
      if (last !== undefined && last !== checkpoint) await writeCheckpoint(transaction, last.block, last.hash);
      await writeProgress(transaction, progress(null));
    });
    checkpoint = last;
    settleWaiters();
  }

  /** The index may be ahead of the chain, or on another one: goes back to the last block that both have. */
  async function rewindToChain(running: Kysely<Database>): Promise<void> {
    if (checkpoint === undefined) return;
    const indexed = checkpoint.block;
    let shared = Math.min(indexed, headNumber());
    // One read of each side per block: a whole other chain has another genesis, which one look settles.
    if (!(await onChain(running, 0))) shared = -1;
    while (shared >= 0 && !(await onChain(running, shared))) shared -= 1;
    if (shared === indexed) return;
    log?.warn({ indexed, shared, head: headNumber() }, "the index is not on this chain: rewinding");
    await running.transaction().execute((transaction) => rewindTo(transaction, shared));
    checkpoint = await readCheckpoint(running);
  }

  async function onChain(running: Kysely<Database>, number: number): Promise<boolean> {
    const indexed = await blockHash(running, number);
    const block = source.block(BigInt(number));
    return indexed !== undefined && block !== undefined && equalsBytes(indexed, block.hash);
  }

  function chainBlock(number: number): ExecutedBlock {
    const block = source.block(BigInt(number));
    if (block !== undefined) return block;
    throw new IndexError("CHAIN_INCOMPLETE", `the chain's head is ${headNumber()}, but it has no block ${number}`);
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
    if (db !== undefined) await writeProgress(db, progress(error.message)).catch(() => {});
    settleWaiters(error);
  }

  function progress(failure: string | null): Omit<Progress, "id"> {
    const { safe, finalized } = source.tags ?? { safe: source.head.number, finalized: source.head.number };
    return { head: headNumber(), safe: Number(safe), finalized: Number(finalized), error: failure };
  }

  function settleWaiters(failure?: Error): void {
    const pending = waiters.filter(({ number }) => number >= nextNumber());
    for (const waiter of waiters) {
      if (waiter.number < nextNumber()) waiter.resolve();
      else if (failure !== undefined) waiter.reject(failure);
    }
    waiters = failure === undefined ? pending : [];
  }

  function caughtUp(): Promise<void> {
    const number = headNumber();
    if (number < nextNumber()) return Promise.resolve();
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
    log?.warn({ location, ...rebuilt }, "index moved aside: building a new one from the chain");
  }

  return { location, start, stop, caughtUp, status };
}

/** Writes one block's rows and returns the number of its events. */
async function indexBlock(transaction: Transaction<Database>, block: ExecutedBlock): Promise<number> {
  const events = decodeBlock(block);
  await applyChanges(transaction, Number(block.header.number), project(block, events));
  return events.length;
}
