/** Every block from now on, in order and without a gap, to whoever listens. Commits wake it; its cursor moves. */
import type { ExecutedBlock } from "../../core/chain.ts";
import type { ChainApi } from "../chain-api.ts";

type Listener = (block: ExecutedBlock) => void;

export class BlockFeed {
  readonly #chain: ChainApi;
  readonly #onError: (error: unknown) => void;
  readonly #listeners = new Set<Listener>();
  readonly #unsubscribe: () => void;
  #cursor: bigint;
  #scheduled: NodeJS.Immediate | undefined;

  constructor(chain: ChainApi, onError: (error: unknown) => void) {
    this.#chain = chain;
    this.#onError = onError;
    this.#cursor = chain.head.number;
    this.#unsubscribe = chain.onCommit(() => this.#wake());
  }

  /** Returns the function that unsubscribes. */
  listen(listener: Listener): () => void {
    if (this.#listeners.size === 0) this.#cursor = this.#chain.head.number;
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#unsubscribe();
    this.#listeners.clear();
    clearImmediate(this.#scheduled);
  }

  #wake(): void {
    if (this.#listeners.size > 0) this.#scheduled ??= setImmediate(() => this.#deliver());
  }

  /**
   * One block a turn of the event loop, so that a long catch-up does not hold it. A block that cannot be read is
   * reported and asked for again at the next commit: a gap would be worse than silence.
   */
  #deliver(): void {
    this.#scheduled = undefined;
    let block: ExecutedBlock | undefined;
    try {
      block = this.#chain.block(this.#cursor + 1n);
    } catch (error) {
      this.#onError(error);
    }
    if (block === undefined) return;
    this.#cursor++;
    for (const listener of this.#listeners) {
      try {
        listener(block);
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#wake();
  }
}
