/** Whether the node syncs, to whoever listens: when it begins and when it is over. Looks only while somebody listens. */
import type { RpcContext, SyncStatus } from "./context.ts";

/** Undefined: in sync. */
type Listener = (status: SyncStatus | undefined) => void;

const LOOK_MS = 1_000;

export class SyncFeed {
  readonly #status: RpcContext["syncStatus"];
  readonly #lookMs: number;
  readonly #listeners = new Set<Listener>();
  #timer: NodeJS.Timeout | undefined;
  #wasSyncing = false;

  constructor(status: RpcContext["syncStatus"], lookMs = LOOK_MS) {
    this.#status = status;
    this.#lookMs = lookMs;
  }

  /** A listener that comes while the node syncs is told at once. Returns the function that unsubscribes. */
  listen(listener: Listener): () => void {
    if (this.#listeners.size === 0) {
      this.#wasSyncing = this.#status() !== undefined;
      this.#timer = setInterval(() => this.#look(), this.#lookMs);
      this.#timer.unref();
    }
    this.#listeners.add(listener);
    const now = this.#status();
    if (now !== undefined && this.#wasSyncing) setImmediate(() => this.#listeners.has(listener) && listener(now));
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearInterval(this.#timer);
    };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  #look(): void {
    const status = this.#status();
    const isSyncing = status !== undefined;
    if (isSyncing === this.#wasSyncing) return;
    this.#wasSyncing = isSyncing;
    for (const listener of this.#listeners) listener(status);
  }
}
