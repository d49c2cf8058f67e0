/** Rates per peer, in bounded memory. */
import { RecentMap } from "../../core/recent-map.ts";
import { type Rate, TokenBucket } from "../../core/token-bucket.ts";

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
