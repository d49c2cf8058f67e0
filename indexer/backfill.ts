/**
 * The way to a head that is far: secondary indexes, which reads need and writes do not, are made when it has been
 * reached; meanwhile the log says how far it is.
 */
import type { OpenedIndex } from "./location.ts";
import type { IndexerLog } from "./store.ts";

/** Behind by more than this, an index does without them until it has caught up. */
const DEFER_BLOCKS = 1_000;
const REPORT_MS = 10_000;

export class Backfill {
  readonly #index: OpenedIndex;
  readonly #log: IndexerLog | undefined;
  readonly #startMs = Date.now();
  #deferred: ReadonlyMap<string, string>;
  #first: number | undefined;
  #events = 0;
  #reportedMs = Date.now();

  private constructor(index: OpenedIndex, deferred: ReadonlyMap<string, string>, log: IndexerLog | undefined) {
    this.#index = index;
    this.#deferred = deferred;
    this.#log = log;
  }

  /** `behind`: blocks that the index lacks. */
  static async begin(index: OpenedIndex, behind: number, log: IndexerLog | undefined): Promise<Backfill> {
    const backfill = new Backfill(index, await index.missingIndexes(), log);
    if (behind <= DEFER_BLOCKS) await backfill.#createIndexes();
    return backfill;
  }

  /** Whether everything is there that reads need. */
  get isComplete(): boolean {
    return this.#deferred.size === 0;
  }

  /** After each batch: `block` is the last in the index, `events` are those of the batch. */
  report(block: number, head: number, events: number): void {
    this.#first ??= block;
    this.#events += events;
    const nowMs = Date.now();
    if (nowMs - this.#reportedMs < REPORT_MS) return;
    this.#reportedMs = nowMs;
    const seconds = (nowMs - this.#startMs) / 1000;
    const blocksPerSecond = (block - this.#first) / seconds;
    this.#log?.info(
      {
        block,
        head,
        blocksPerSecond: Math.round(blocksPerSecond),
        eventsPerSecond: Math.round(this.#events / seconds),
        etaSeconds: blocksPerSecond > 0 ? Math.ceil((head - block) / blocksPerSecond) : undefined,
      },
      "indexing",
    );
  }

  /** When the head has been reached. */
  async finish(): Promise<void> {
    if (this.#deferred.size > 0) this.#log?.info({ indexes: this.#deferred.size }, "making the indexes for reading");
    await this.#createIndexes();
  }

  async #createIndexes(): Promise<void> {
    if (this.#deferred.size > 0) await this.#index.createIndexes([...this.#deferred.values()]);
    this.#deferred = new Map();
  }
}
