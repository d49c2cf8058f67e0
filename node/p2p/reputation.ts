/**
 * What the node itself holds against peers, next to what gossipsub counts: points that halve every two minutes, and bans
 * that end. Both outlive the connection, both are bounded.
 */
import { RecentMap } from "../../core/recent-map.ts";
import type { Clock } from "../ports.ts";
import { MAX_REMEMBERED } from "./limits.ts";
import type { PeerId } from "./types.ts";

/** Points for what no honest node does; for what one may do by accident, few. */
export const PENALTY = {
  /** Anything that another part of the node reports. */
  reported: 25,
  /** Bytes that no node of ours writes. */
  garbage: 20,
  /** A message that was rejected. gossipsub counts each topic by itself; a dozen on all of them are enough here. */
  invalid: 8,
  /** More than the rate, for each message. */
  rate: 1,
  /** A request that never arrives. */
  slow: 10,
} as const;

/** At this score a peer is banned: four reports in short order, of which time has taken its part. */
export const BAN_SCORE = -90;

const HALF_LIFE_MS = 120_000;

interface Held {
  readonly points: number;
  readonly atMs: number;
}

export interface ReputationOptions {
  readonly clock: Clock;
  readonly banMs: (peer: PeerId) => number;
}

export class Reputation {
  /** Since the start. */
  bans = 0;
  readonly #clock: Clock;
  readonly #banMs: (peer: PeerId) => number;
  readonly #held = new RecentMap<PeerId, Held>(MAX_REMEMBERED);
  readonly #bannedUntilMs = new RecentMap<PeerId, number>(MAX_REMEMBERED);

  constructor({ clock, banMs }: ReputationOptions) {
    this.#clock = clock;
    this.#banMs = banMs;
  }

  /** At most 0. */
  score(peer: PeerId): number {
    const points = this.#points(peer);
    return points < 1 ? 0 : -points;
  }

  #points(peer: PeerId): number {
    const held = this.#held.get(peer);
    return held === undefined ? 0 : held.points * 2 ** -((this.#clock.nowMs() - held.atMs) / HALF_LIFE_MS);
  }

  /** True when that was enough for a ban. Less than a point counts too: single points a moment apart have to add up. */
  penalize(peer: PeerId, points: number): boolean {
    const held = this.#points(peer) + points;
    this.#held.set(peer, { points: held, atMs: this.#clock.nowMs() });
    if (-held > BAN_SCORE) return false;
    this.ban(peer);
    return true;
  }

  ban(peer: PeerId): void {
    if (!this.isBanned(peer)) this.bans++;
    this.#bannedUntilMs.set(peer, this.#clock.nowMs() + this.#banMs(peer));
    // The ban is the price: afterwards the peer starts anew.
    this.#held.delete(peer);
  }

  isBanned(peer: PeerId): boolean {
    const untilMs = this.#bannedUntilMs.get(peer);
    if (untilMs === undefined) return false;
    if (untilMs > this.#clock.nowMs()) return true;
    this.#bannedUntilMs.delete(peer);
    return false;
  }

  get bannedNow(): number {
    const nowMs = this.#clock.nowMs();
    return [...this.#bannedUntilMs.entries()].filter(([, untilMs]) => untilMs > nowMs).length;
  }
}
