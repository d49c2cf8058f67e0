/** A token bucket: `burst` at once, and `perSecond` in the long run. Times in milliseconds, of the caller's clock. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** False, and nothing is taken, when there are not enough. */
  take(count: number, nowMs: number): boolean {
    if (this.#refill(nowMs) < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Takes even what is not there: for work whose size is known only afterwards. */
  charge(count: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens -= count;
  }

  /** Until there are `count`; 0 when there are now. */
  waitMs(count: number, nowMs: number): number {
    return Math.max(0, ((count - this.#refill(nowMs)) * 1_000) / this.#rate.perSecond);
  }

  #refill(nowMs: number): number {
    const { perSecond, burst } = this.#rate;
    // A clock that was set back gives nothing and takes nothing.
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs * perSecond) / 1_000);
    this.#atMs = nowMs;
    return this.#tokens;
  }
}
