/** Bounds on work: how much at once, and how long. */
import type { Clock } from "../ports.ts";

/** Time is up. */
export class TimeUp extends Error {}

/** Something that ends: by itself after a time, or before. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #cancel: () => void;

  constructor(clock: Clock, ms: number) {
    this.#cancel = clock.at(clock.nowMs() + ms, () => this.end(new TimeUp(`more than ${ms} ms`)));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(reason: Error): void {
    this.#controller.abort(reason);
  }

  clear(): void {
    this.#cancel();
  }
}

/** Places for so many at once, and so many a peer. */
export class Places {
  readonly #limits: { readonly peer: number; readonly all: number };
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(limits: { readonly peer: number; readonly all: number }) {
    this.#limits = limits;
  }

  take(peer: string): boolean {
    const taken = this.#taken.get(peer) ?? 0;
    if (taken >= this.#limits.peer || this.#all >= this.#limits.all) return false;
    this.#taken.set(peer, taken + 1);
    this.#all++;
    return true;
  }

  giveBack(peer: string): void {
    const taken = this.#taken.get(peer)! - 1;
    if (taken === 0) this.#taken.delete(peer);
    else this.#taken.set(peer, taken);
    this.#all--;
  }
}
