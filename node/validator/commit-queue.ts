/**
 * Group commit: what arrives while a write is on its way to the disk waits and shares the next one. One write at a time,
 * in the order of arrival. The first failure is final: after a failed fsync nobody knows what is on the disk, and trying
 * again would report success for pages that the system has dropped (fsyncgate).
 */

interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class CommitQueue<T> {
  readonly #commit: (items: readonly T[]) => Promise<void>;
  readonly #batchLength: (items: readonly T[]) => number;
  #waiting: Waiting<T>[] = [];
  #running: Promise<void> | undefined;
  #failure: Error | undefined;

  /** `commit` makes the items durable; `batchLength` says how many of those waiting (1 or more) go together. */
  constructor(commit: (items: readonly T[]) => Promise<void>, batchLength: (items: readonly T[]) => number) {
    this.#commit = commit;
    this.#batchLength = batchLength;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Resolves when the item is durable. Rejects with the failure, also for all that come after it. */
  push(item: T): Promise<void> {
    const done = this.#enqueue(item);
    this.#start();
    return done;
  }

  /** Goes with the next write that something else causes. */
  pushLazy(item: T): void {
    // Nobody waits for it: its failure is that of the queue.
    this.#enqueue(item).catch(() => {});
  }

  /** Resolves when all that was pushed is durable. Rejects with the failure. */
  async flush(): Promise<void> {
    this.#start();
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  #enqueue(item: T): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiting.push({ item, resolve, reject }));
  }

  #start(): void {
    if (this.#running !== undefined || this.#waiting.length === 0) return;
    this.#running = this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const length = this.#batchLength(this.#waiting.map(({ item }) => item));
      const batch = this.#waiting.splice(0, length);
      try {
        await this.#commit(batch.map(({ item }) => item));
      } catch (cause) {
        this.#failure = cause instanceof Error ? cause : new Error(String(cause));
        const lost = [...batch, ...this.#waiting];
        this.#waiting = [];
        for (const { reject } of lost) reject(this.#failure);
        break;
      }
      for (const { resolve } of batch) resolve();
    }
    // In the same step that saw the queue empty: whoever comes next starts it again.
    this.#running = undefined;
  }
}
