/** Time that moves from timer to timer: whatever runs on it runs the same way each time, and as fast as it can. */
import type { Clock } from "../ports.ts";

interface Timer {
  atMs: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #nowMs: number;
  /** Works during which no time passes. */
  #held = 0;
  /** In the order in which they are due; equal times in the order in which they were set. */
  readonly #timers: Timer[] = [];

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  get timers(): number {
    return this.#timers.length;
  }

  at(atMs: number, callback: () => void): () => void {
    const timer: Timer = { atMs, callback };
    let low = 0;
    for (let high = this.#timers.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.#timers[middle]!.atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index !== -1) this.#timers.splice(index, 1);
    };
  }

  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.at(this.#nowMs + ms, resolve));
  }

  /** No time passes while the work runs: what is executed by turns of the event loop takes none. */
  hold<T>(work: Promise<T>): Promise<T> {
    this.#held++;
    const release = () => {
      this.#held--;
    };
    work.then(release, release);
    return work;
  }

  /** As an operator sets a clock, forwards or back. A timer is due after as long as before, as those of a process are. */
  setMs(nowMs: number): void {
    const byMs = nowMs - this.#nowMs;
    this.#nowMs = nowMs;
    for (const timer of this.#timers) timer.atMs += byMs;
  }

  /** Moves to the next timer and calls it. False when there is none. */
  step(): boolean {
    const timer = this.#timers.shift();
    if (timer === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    timer.callback();
    return true;
  }

  /**
   * Lets time pass until `work` has settled. Precondition: what it waits for is timers of this clock and promises that
   * need no input or output. Throws when it waits for nothing, or for longer than `limitMs`.
   */
  async run<T>(work: Promise<T>, limitMs = 3_600_000): Promise<T> {
    const untilMs = this.#nowMs + limitMs;
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    work.then(settle, settle);
    for (;;) {
      await this.#settle();
      if (isSettled) return work;
      if (!this.step()) throw new Error("the work waits, and no timer is set");
      if (this.#nowMs > untilMs) throw new Error(`the work takes longer than ${limitMs} ms`);
    }
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    await this.run(this.sleep(ms));
    await this.#settle();
  }

  async #settle(): Promise<void> {
    await idle();
    while (this.#held > 0) {
      while (this.#held > 0) await idle();
      await idle(); // what follows from it
    }
  }
}

/**
 * Resolves when nothing can go on without time passing: promises settle before the event loop's next turn, and what gives
 * way to others with setImmediate has its turns first.
 */
async function idle(): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (process.getActiveResourcesInfo().includes("Immediate"));
}
