/** The clock as consensus sees it: its time never goes back. */
import type { Clock } from "../ports.ts";

/**
 * Consensus compares moments. Were it shown a clock that was set back, everything would wait until the clock had caught
 * up; so time stands still at that moment and goes on from there, ahead of the clock by what it was set back.
 */
export class SteadyClock implements Clock {
  readonly #clock: Clock;
  #aheadMs = 0;
  #lastMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.nowMs();
  }

  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    this.#aheadMs = Math.max(this.#aheadMs, this.#lastMs - nowMs);
    this.#lastMs = nowMs + this.#aheadMs;
    return this.#lastMs;
  }

  at(atMs: number, callback: () => void): () => void {
    this.nowMs();
    return this.#clock.at(atMs - this.#aheadMs, callback);
  }
}
