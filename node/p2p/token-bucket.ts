/** Rates per peer, in bounded memory. Times in milliseconds. */
import type { Rate } from "./limits.ts";

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

  #refill(nowMs: number): number {
    const { perSecond, burst } = this.#rate;
    // A clock that was set back gives nothing and takes nothing.
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs * perSecond) / 1_000);
    this.#atMs = nowMs;
    return this.#tokens;
  }
}

/** A map with at most `size` entries: a new one takes the place of the one that was used longest ago. */
export class RecentMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): IterableIterator<[K, V]> {
    return this.#entries.entries();
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#size) this.#entries.delete(this.#entries.keys().next().value as K);
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  getOrMake(key: K, make: () => V): V {
    const found = this.get(key);
    if (found !== undefined) return found;
    const made = make();
    this.set(key, made);
    return made;
  }
}

/** One bucket a peer. They outlive the connection: reconnecting fills none. */
export class PeerBuckets {
  readonly #rate: Rate;
  readonly #buckets: RecentMap<string, TokenBucket>;

  constructor(rate: Rate, maxPeers: number) {
    this.#rate = rate;
    this.#buckets = new RecentMap(maxPeers);
  }

  take(peer: string, count: number, nowMs: number): boolean {
    return this.#of(peer, nowMs).take(count, nowMs);
  }

  charge(peer: string, count: number, nowMs: number): void {
    this.#of(peer, nowMs).charge(count, nowMs);
  }

  #of(peer: string, nowMs: number): TokenBucket {
    return this.#buckets.getOrMake(peer, () => new TokenBucket(this.#rate, nowMs));
  }
}
