/**
 * Brings the contents of open Datanets that this node is to hold from its peers: one question for many roots, a few
 * downloads at a time, longer and longer pauses for what nobody has.
 */

import type { ContentStore } from "../../attribution/content-store.ts";
import type { Hex } from "../../core/bytes.ts";
import { TokenBucket } from "../../core/token-bucket.ts";
import type { Logger } from "../log.ts";
import type { Network, PeerId } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import type { Catalog } from "./catalog.ts";
import { MAX_ROOTS } from "./messages.ts";
import { contentFrom, NotObtained, type Wanted, WrongSize, whichHas } from "./peers.ts";

export interface ReplicationLimits {
  /** Contents that are looked for at a time; the catalog keeps the others. */
  readonly wanted: number;
  readonly downloads: number;
  /** Peers asked in one round what they have. */
  readonly peersAsked: number;
  /** Of all downloads together, bytes. */
  readonly rate: { readonly perSecond: number; readonly burst: number };
  /** Until what nobody gave is looked for again, twice as long each time. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
}

export const REPLICATION_LIMITS: ReplicationLimits = {
  wanted: 4_096,
  downloads: 4,
  peersAsked: 8,
  rate: { perSecond: 8 * 1024 * 1024, burst: 8 * 1024 * 1024 },
  firstRetryMs: 1_000,
  lastRetryMs: 600_000,
};

export interface ReplicatorParts {
  readonly catalog: Catalog;
  readonly store: ContentStore;
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Logger;
  /** Which Datanets' contents to hold. */
  readonly datanets: "all" | readonly bigint[];
  readonly limits?: Partial<ReplicationLimits>;
}

/** Entries of the catalog looked at in one go. */
const PAGE = 256;
/** Between looks whether the rate allows more. */
const PACE_MS = 100;

interface Want extends Wanted {
  tries: number;
  notBeforeMs: number;
}

class Stopped extends Error {}

/** So often without success, and others may take its place until the catalog is looked through again. */
const TRIES_FOR_A_PLACE = 5;

export class Replicator {
  readonly #parts: ReplicatorParts;
  readonly #limits: ReplicationLimits;
  readonly #wants = new Map<Hex, Want>();
  /** How far the catalog was looked through, for each Datanet or for all. */
  readonly #places: Map<bigint | undefined, number>;
  readonly #bucket: TokenBucket;
  /** Pauses that end when something changes, and those that end only with everything. */
  readonly #resting = new Set<() => void>();
  readonly #sleeping = new Set<() => void>();
  #hasChanged = false;
  /** When the catalog is looked through from its beginning, for what had to make room. */
  #againAtMs: number | undefined;
  #unsubscribe: () => void = () => {};
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Since the start. */
  fetched = 0;

  constructor(parts: ReplicatorParts) {
    this.#parts = parts;
    this.#limits = { ...REPLICATION_LIMITS, ...parts.limits };
    this.#places = new Map((parts.datanets === "all" ? [undefined] : parts.datanets).map((id) => [id, 0]));
    this.#bucket = new TokenBucket(this.#limits.rate, parts.clock.nowMs());
  }

  /** Contents that are looked for. */
  get wanted(): number {
    return this.#wants.size;
  }

  start(): void {
    // Somebody new may have what nobody had.
    this.#unsubscribe = this.#parts.network.onPeer(() => {
      for (const want of this.#wants.values()) want.notBeforeMs = 0;
      this.wake();
    });
    this.#running = this.#run().catch((err: unknown) => {
      if (!(err instanceof Stopped))
        this.#parts.log.error({ err }, "contents are no longer replicated: restart the node");
    });
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** The catalog has changed. */
  wake(): void {
    this.#hasChanged = true;
    for (const end of [...this.#resting]) end();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Stopped());
    this.#unsubscribe();
    for (const end of [...this.#resting, ...this.#sleeping]) end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      this.#hasChanged = false;
      const isMore = await this.#look();
      const due = this.#parts.network.peers.length === 0 ? [] : this.#due();
      if (due.length > 0) await this.#round(due);
      else if (!isMore && !this.#hasChanged) await this.#pause(this.#nextMs(), this.#resting);
    }
  }

  /** New entries of the catalog become wants. True when there may be more of them at once. */
  async #look(): Promise<boolean> {
    const { catalog, store, clock } = this.#parts;
    if (this.#againAtMs !== undefined && this.#againAtMs <= clock.nowMs()) {
      for (const datanetId of this.#places.keys()) this.#places.set(datanetId, 0);
      this.#againAtMs = undefined;
    }
    for (const [datanetId, from] of this.#places) {
      const room = Math.min(PAGE, this.#room());
      const found = room === 0 ? [] : catalog.accepted(from, room, datanetId);
      for (const { root, size } of found) {
        if (this.#isStopping) throw new Stopped();
        const isTakeable = size > 0 && size <= store.limits.maxItemBytes && catalog.isPublic(root);
        if (!isTakeable || this.#wants.has(root) || (await store.size(root)) !== undefined) continue;
        this.#wants.set(root, { root, size, tries: 0, notBeforeMs: 0 });
      }
      const last = found.at(-1);
      if (last === undefined) continue;
      this.#places.set(datanetId, last.place);
      return true;
    }
    return false;
  }

  #room(): number {
    const { wanted, lastRetryMs } = this.#limits;
    if (this.#wants.size >= wanted) {
      for (const { root, tries } of this.#wants.values()) if (tries >= TRIES_FOR_A_PLACE) this.#wants.delete(root);
      this.#againAtMs ??= this.#parts.clock.nowMs() + lastRetryMs;
    }
    return Math.max(0, wanted - this.#wants.size);
  }

  #due(): Want[] {
    const nowMs = this.#parts.clock.nowMs();
    return [...this.#wants.values()].filter(({ notBeforeMs }) => notBeforeMs <= nowMs).slice(0, MAX_ROOTS);
  }

  /** When there is something to do again by itself; without peers nothing is. */
  #nextMs(): number | undefined {
    if (this.#parts.network.peers.length === 0) return undefined;
    const times = [...this.#wants.values()].map(({ notBeforeMs }) => notBeforeMs);
    if (this.#againAtMs !== undefined) times.push(this.#againAtMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async #round(due: readonly Want[]): Promise<void> {
    const { network } = this.#parts;
    const peers = shuffled(network.peers.map(({ id }) => id)).slice(0, this.#limits.peersAsked);
    const roots = due.map(({ root }) => root);
    const holders = new Map<Hex, PeerId[]>(roots.map((root) => [root, []]));
    await Promise.all(
      peers.map(async (peer) => {
        for (const root of await whichHas(network, peer, roots, this.#stopping.signal)) holders.get(root)?.push(peer);
      }),
    );
    const pending = due.values();
    const worker = async () => {
      for (const want of pending) {
        if (this.#isStopping) return;
        if (await this.#download(want, holders.get(want.root)!)) this.#wants.delete(want.root);
        else this.#postpone(want);
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#limits.downloads, due.length) }, worker));
  }

  /** True when nothing is left to do about it. */
  async #download(want: Want, peers: readonly PeerId[]): Promise<boolean> {
    if (peers.length === 0) return false;
    const { network, store, log } = this.#parts;
    const { root, size } = want;
    const parts = {
      network,
      pace: (bytes: number) => this.#pace(bytes),
      wait: (ms: number) => this.#sleep(ms),
      signal: this.#stopping.signal,
    };
    try {
      await store.putStream(contentFrom(parts, want, peers), { root, size });
    } catch (error) {
      if (error instanceof WrongSize) {
        log.warn({ root, size }, "a content is of another size than its contributor says");
        return true;
      }
      if (!(error instanceof Stopped || error instanceof NotObtained))
        log.warn({ err: error, root }, "content not kept");
      return false;
    }
    this.fetched++;
    log.debug({ root, size }, "content fetched from peers");
    return true;
  }

  #postpone(want: Want): void {
    const { firstRetryMs, lastRetryMs } = this.#limits;
    want.notBeforeMs = this.#parts.clock.nowMs() + Math.min(lastRetryMs, firstRetryMs * 2 ** want.tries);
    want.tries = Math.min(want.tries + 1, 30);
  }

  async #pace(bytes: number): Promise<void> {
    while (!this.#bucket.take(0, this.#parts.clock.nowMs())) await this.#sleep(PACE_MS);
    this.#bucket.charge(bytes, this.#parts.clock.nowMs());
  }

  /** Throws Stopped. */
  async #sleep(ms: number): Promise<void> {
    await this.#pause(this.#parts.clock.nowMs() + ms, this.#sleeping);
    if (this.#isStopping) throw new Stopped();
  }

  /** Until then, or until it is ended; undefined: only that. */
  async #pause(untilMs: number | undefined, pauses: Set<() => void>): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      let cancel = () => {};
      const end = () => {
        cancel();
        pauses.delete(end);
        resolve();
      };
      pauses.add(end);
      if (untilMs !== undefined) cancel = this.#parts.clock.at(untilMs, end);
    });
  }
}

function shuffled<T>(items: readonly T[]): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
  }
  return mixed;
}
