/**
 * Whom to dial, and when. Static peers always; the others while there are fewer peers than wanted. Whoever does not
 * answer, or hangs up at once, is tried again later and later, with jitter, so that neither a dead peer nor one that
 * hangs up keeps the node busy. Time and chance come from outside.
 */
import type { Clock } from "../ports.ts";
import { MAX_KNOWN_PEERS, MAX_LEARNED_PEERS, MAX_PEER_ADDRESSES } from "./limits.ts";
import type { PeerId } from "./types.ts";

/** Configured to be there; an entry to the network; met before; only heard of. In the order in which they are dialled. */
export type PeerKind = "static" | "boot" | "known" | "learned";
const ORDER: readonly PeerKind[] = ["static", "boot", "known", "learned"];

interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
  /** After so many failures the peer is forgotten. */
  readonly attempts: number;
}

const BACKOFF: Readonly<Record<PeerKind, Backoff>> = {
  static: { firstMs: 500, longestMs: 5_000, attempts: Number.POSITIVE_INFINITY },
  boot: { firstMs: 2_000, longestMs: 300_000, attempts: Number.POSITIVE_INFINITY },
  known: { firstMs: 5_000, longestMs: 600_000, attempts: 10 },
  learned: { firstMs: 10_000, longestMs: 600_000, attempts: 3 },
};

/** A connection that lived as long was a good one. */
const GOOD_AFTER_MS = 10_000;
const MAX_DIALS = 8;

interface Target {
  readonly id: PeerId;
  kind: PeerKind;
  addresses: readonly string[];
  failures: number;
  notBeforeMs: number;
  isDialling: boolean;
  connectedMs: number | undefined;
}

export interface DialerOptions {
  readonly clock: Clock;
  /** At least 0, less than 1. */
  readonly random: () => number;
  /** Peers of its own choice that the node strives for. */
  readonly wantedPeers: number;
  /** Peers that this node dialled: those that dial it are the choice of others. */
  readonly dialledPeers: () => number;
  readonly mayDial: (id: PeerId) => boolean;
  /** Rejects when the peer cannot be reached. */
  readonly dial: (id: PeerId, addresses: readonly string[]) => Promise<void>;
  readonly onForgotten: (id: PeerId) => void;
}

export class Dialer {
  readonly #options: DialerOptions;
  readonly #targets = new Map<PeerId, Target>();
  #dials = 0;

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  get wantsPeers(): boolean {
    return this.#options.dialledPeers() < this.#options.wantedPeers;
  }

  isStatic(id: PeerId): boolean {
    return this.#targets.get(id)?.kind === "static";
  }

  /** A peer of a better kind stays it. False when there is no room for more of its kind. */
  add(kind: PeerKind, id: PeerId, addresses: readonly string[]): boolean {
    const target = this.#targets.get(id);
    if (target === undefined) {
      if (!this.#makeRoom(kind)) return false;
      this.#targets.set(id, {
        id,
        kind,
        addresses: addresses.slice(0, MAX_PEER_ADDRESSES),
        failures: 0,
        notBeforeMs: 0,
        isDialling: false,
        connectedMs: undefined,
      });
      return true;
    }
    const isBetter = ORDER.indexOf(kind) <= ORDER.indexOf(target.kind);
    if (isBetter) target.kind = kind;
    const [first, second] = isBetter ? [addresses, target.addresses] : [target.addresses, addresses];
    target.addresses = [...new Set([...first, ...second])].slice(0, MAX_PEER_ADDRESSES);
    return true;
  }

  #makeRoom(kind: PeerKind): boolean {
    if (kind === "static" || kind === "boot") return true;
    const limit = kind === "known" ? MAX_KNOWN_PEERS : MAX_LEARNED_PEERS;
    const others = [...this.#targets.values()].filter((target) => target.kind === kind);
    if (others.length < limit) return true;
    const worst = others
      .filter(({ isDialling, connectedMs }) => !isDialling && connectedMs === undefined)
      .sort((a, b) => b.failures - a.failures)[0];
    // What is only heard of does not push out what was heard before, unless that failed.
    if (worst === undefined || (kind === "learned" && worst.failures === 0)) return false;
    this.#forget(worst.id);
    return true;
  }

  connected(id: PeerId): void {
    const target = this.#targets.get(id);
    if (target !== undefined) target.connectedMs = this.#options.clock.nowMs();
  }

  disconnected(id: PeerId): void {
    const target = this.#targets.get(id);
    if (target?.connectedMs === undefined) return;
    const livedMs = this.#options.clock.nowMs() - target.connectedMs;
    target.connectedMs = undefined;
    if (livedMs < GOOD_AFTER_MS) {
      this.#failed(target);
      return;
    }
    target.failures = 0;
    target.notBeforeMs = this.#options.clock.nowMs() + this.#jitter(BACKOFF[target.kind].firstMs);
  }

  /** The peer is of no use, whatever its address: it is not of this network. */
  useless(id: PeerId): void {
    const target = this.#targets.get(id);
    if (target === undefined) return;
    target.connectedMs = undefined;
    if (target.kind === "known" || target.kind === "learned") this.#forget(id);
    else target.notBeforeMs = this.#options.clock.nowMs() + this.#jitter(BACKOFF[target.kind].longestMs);
  }

  /** The link was cut on purpose, to have a new one: the peer is dialled at the next tick. */
  redial(id: PeerId, addresses: readonly string[]): void {
    if (!this.#targets.has(id) && addresses.length > 0) this.add("known", id, addresses);
    const target = this.#targets.get(id);
    if (target === undefined) return;
    target.connectedMs = undefined;
    target.notBeforeMs = 0;
    target.failures = Math.max(target.failures, 1);
  }

  /** To be called about once a second. */
  tick(): void {
    const { clock, dialledPeers, wantedPeers, mayDial } = this.#options;
    const nowMs = clock.nowMs();
    const due = [...this.#targets.values()]
      .filter(({ connectedMs, isDialling, notBeforeMs }) => {
        return connectedMs === undefined && !isDialling && notBeforeMs <= nowMs;
      })
      .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.failures - b.failures);
    let room = wantedPeers - dialledPeers() - this.#dials;
    for (const target of due) {
      if (this.#dials >= MAX_DIALS) return;
      if (!mayDial(target.id)) continue;
      if (target.kind !== "static" && room <= 0) continue;
      room--;
      void this.#dial(target);
    }
  }

  async #dial(target: Target): Promise<void> {
    this.#dials++;
    target.isDialling = true;
    try {
      await this.#options.dial(target.id, target.addresses);
    } catch {
      // Whoever called in the meantime is there.
      if (target.connectedMs === undefined) this.#failed(target);
    } finally {
      this.#dials--;
      target.isDialling = false;
    }
  }

  #failed(target: Target): void {
    const { firstMs, longestMs, attempts } = BACKOFF[target.kind];
    target.failures++;
    if (target.failures >= attempts) {
      this.#forget(target.id);
      return;
    }
    const delayMs = Math.min(longestMs, firstMs * 2 ** Math.min(target.failures - 1, 30));
    target.notBeforeMs = this.#options.clock.nowMs() + this.#jitter(delayMs);
  }

  /** Half to one and a half of it. */
  #jitter(ms: number): number {
    return ms * (0.5 + this.#options.random());
  }

  #forget(id: PeerId): void {
    this.#targets.delete(id);
    this.#options.onForgotten(id);
  }
}
