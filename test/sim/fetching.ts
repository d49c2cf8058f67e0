/** Work that waits for blocks: what is missing is asked for, again and again, until it is here or not needed any more. */
import type { SimChain } from "./chain.ts";

/** What waits is looked at again this often. */
const RETRY_MS = 150;
/** Proposals and builds that may wait at a time; the oldest go first. */
const MAX_WAITING = 64;

interface Waiting {
  readonly view: number;
  readonly parentKey: string;
  readonly run: (hasAncestry: boolean) => void;
}

export interface FetchingParts {
  readonly chain: SimChain;
  /** Asks peers for the block with this key. */
  readonly ask: (key: string) => void;
  /** Commits what can be committed; returns the key of a block that is missing for that. */
  readonly commit: () => string | undefined;
  /** Runs after `delayMs`, if the process lives. */
  readonly later: (delayMs: number, action: () => void) => void;
}

export class Fetching {
  readonly #parts: FetchingParts;
  #waiting: Waiting[] = [];
  #isPlanned = false;

  constructor(parts: FetchingParts) {
    this.#parts = parts;
  }

  /** The process ends. */
  clear(): void {
    this.#waiting = [];
    this.#isPlanned = false;
  }

  /** Runs once all ancestors are here, or with false when they do not lead to the committed chain. */
  withAncestry(view: number, finalView: number, parentKey: string, run: (hasAncestry: boolean) => void): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.view > finalView).slice(1 - MAX_WAITING);
    this.#waiting.push({ view, parentKey, run });
    this.retry();
  }

  retry(): void {
    const { chain, ask, commit, later } = this.#parts;
    const ready: Waiting[] = [];
    const missing = new Set<string>();
    this.#waiting = this.#waiting.filter((waiting) => {
      const state = chain.missing(waiting.parentKey);
      if (typeof state === "string") missing.add(state);
      else ready.push(waiting);
      return typeof state === "string";
    });
    for (const { parentKey, run } of ready) run(chain.missing(parentKey) === true);
    const needed = commit();
    if (needed !== undefined) missing.add(needed);
    for (const key of missing) ask(key);
    if (missing.size === 0 || this.#isPlanned) return;
    this.#isPlanned = true;
    later(RETRY_MS, () => {
      this.#isPlanned = false;
      this.retry();
    });
  }
}
