/**
 * Keeps the chain with the network: asks peers what they have, decides whether it is behind, and catches up with one
 * certified block after another. Consensus says what it learns of by itself through `hint` and `ensure`.
 */
import type { Domain, Scheme } from "../../consensus/scheme.ts";
import { type Certificate, KIND } from "../../consensus/types.ts";
import type { Logger } from "../log.ts";
import type { Network, PeerId } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import { CatchUp, type CatchUpParts, type Target } from "./catch-up.ts";
import { type Found, fetchBlocks, fetchViews } from "./lookup.ts";
import { Peers } from "./peers.ts";
import { type Progress, Speedometer } from "./progress.ts";
import type { SyncChain, Synced } from "./types.ts";

const POLL_MS = 5_000;
const HINT_MS = 500;
const RETRY_MS = 2_000;
const LOG_EVERY_MS = 5_000;
/** Consensus follows a lead this small by itself, unless the head has not moved for two polls. */
const SLACK_BLOCKS = 16n;
/** Certificates that wait for their blocks; consensus has one or two. */
const MAX_WAITING = 16;

export interface SyncParts extends Pick<CatchUpParts, "exclusive"> {
  readonly chain: SyncChain;
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Logger;
  readonly epochBlocks: number;
  readonly domain: Domain;
  readonly scheme: Scheme;
  /** The chain moved to a certified block without consensus. Called outside of `exclusive`. */
  readonly onSynced: (synced: Synced) => void;
  /** The chain has what the peers that could be asked had: at the start, and after each time that it was behind. */
  readonly onInStep?: () => void;
  /** What a peer sent that was asked about views. */
  readonly onFound: (event: Found) => void;
  /** Called once; sync is over then. SyncHalt, a store that failed, or a defect. */
  readonly onHalt: (error: Error) => void;
}

interface Waiting {
  readonly certificate: Certificate;
  readonly resolve: (isCommitted: boolean) => void;
}

export class Sync {
  readonly #parts: SyncParts;
  readonly #peers: Peers;
  readonly #catchUp: CatchUp;
  readonly #speed: Speedometer;
  readonly #waiting: Waiting[] = [];
  #work: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  #unsubscribe: () => void = () => {};
  #cancelPoll: () => void = () => {};
  #cancelRetry: () => void = () => {};
  #isStopped = false;
  #isSyncing = false;
  /** Any lead is worth following: at the start, and on a hint. */
  #isEager = true;
  #polledHead = -1n;
  #pollsWithoutMove = 0;
  #retryAtMs = 0;
  #hintedAtMs = 0;
  #loggedAtMs = 0;

  constructor(parts: SyncParts) {
    const { chain, network, clock, log, epochBlocks, domain, scheme, exclusive } = parts;
    this.#parts = parts;
    this.#peers = new Peers({ network, clock, log, genesisHash: chain.genesisHash, epochBlocks });
    this.#speed = new Speedometer(clock);
    const onProgress = () => this.#progressed();
    const rules = { domain, scheme, epochBlocks };
    this.#catchUp = new CatchUp({ chain, peers: this.#peers, clock, rules, exclusive, onProgress });
  }

  start(): void {
    this.#unsubscribe = this.#parts.network.onPeer((peer) => this.#refresh(peer));
    this.#poll();
    this.#work = this.#run().catch((error: unknown) => this.#halt(error as Error));
  }

  /** Resolves when nothing of sync runs any more. What is committed stays. */
  async stop(): Promise<void> {
    this.#end();
    await this.#work;
  }

  /** Consensus heard of something that it cannot place, as of a later epoch; from `peer`. */
  hint(peer?: PeerId): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#isEager = true;
    if (nowMs >= this.#hintedAtMs && nowMs - this.#hintedAtMs < HINT_MS) return;
    this.#hintedAtMs = nowMs;
    this.#refresh(peer);
  }

  /**
   * Brings the chain to the block of this verified finalize certificate. False when nobody could give what is missing;
   * then sync goes on trying by itself. Throws RangeError for another kind.
   */
  ensure(certificate: Certificate): Promise<boolean> {
    if (certificate.kind !== KIND.finalize) throw new RangeError("only a finalize certificate says what is final");
    if (this.#isStopped) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ certificate, resolve });
      if (this.#waiting.length > MAX_WAITING) this.#waiting.shift()!.resolve(false);
      this.#wake();
    });
  }

  /** Blocks by their hashes, from whoever has them; those that nobody gave are missing. Not executed. */
  blocks(hashes: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    return fetchBlocks(this.#peers, hashes);
  }

  /** Asks what peers know of these views; it comes through `onFound`. Resolves when no more will. */
  views(epoch: number, views: readonly number[]): Promise<void> {
    return fetchViews(this.#peers, epoch, views, this.#parts.onFound);
  }

  get progress(): Progress {
    const { number } = this.#parts.chain.head;
    const target = this.#claims()[0]?.number ?? number;
    return this.#speed.read(this.#isSyncing, number, target);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const waiting = this.#newestWaiting();
      const target: Target | undefined =
        waiting === undefined ? this.#claimedTarget() : { certificate: waiting.certificate, isVerified: true };
      if (target === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      let isReached = false;
      try {
        isReached = await this.#pursue(target);
      } finally {
        waiting?.resolve(isReached);
      }
      if (this.#isStopped) return;
      const peer = target.claim?.peer;
      if (peer !== undefined) this.#peers[isReached ? "trust" : "doubt"](peer);
      if (!isReached) this.#retryLater();
    }
  }

  async #pursue(target: Target): Promise<boolean> {
    const { chain, log, onSynced } = this.#parts;
    const from = chain.head.number;
    this.#speed.reset(from);
    this.#isSyncing = true;
    const before = this.#catchUp.reached;
    const isReached = await this.#catchUp.bring(target);
    this.#isSyncing = false;
    const { reached } = this.#catchUp;
    if (reached !== undefined && reached !== before) onSynced(reached);
    const { number } = chain.head;
    if (number > from) log.info({ height: Number(number), blocks: Number(number - from) }, "synced");
    if (isReached) {
      this.#settle();
      // Meanwhile the network went on.
      if (number - from > SLACK_BLOCKS) await this.#peers.refresh();
    }
    return isReached;
  }

  /** Nothing more is known that would have to be caught up with. */
  #settle(): void {
    if (this.#isEager) this.#parts.onInStep?.();
    this.#isEager = false;
  }

  #newestWaiting(): Waiting | undefined {
    let newest = 0;
    for (const [index, { certificate }] of this.#waiting.entries()) {
      if (certificate.view > this.#waiting[newest]!.certificate.view) newest = index;
    }
    return this.#waiting.splice(newest, 1)[0];
  }

  /** What peers say is final, the highest first. */
  #claims(): { readonly peer: PeerId; readonly certificate: Certificate; readonly number: bigint }[] {
    const claims = this.#peers.statuses.flatMap(({ id, status: { certified } }) =>
      certified === undefined ? [] : [{ peer: id, ...certified }],
    );
    return claims.sort((a, b) => (a.number < b.number ? 1 : a.number > b.number ? -1 : 0));
  }

  #claimedTarget(): Target | undefined {
    if (this.#parts.clock.nowMs() < this.#retryAtMs) return undefined;
    const claim = this.#claims()[0];
    if (claim === undefined) {
      if (this.#peers.statuses.length > 0) this.#settle(); // all of them are at genesis
      return undefined;
    }
    const lead = claim.number - this.#parts.chain.head.number;
    if (lead <= 0n) {
      this.#settle();
      return undefined;
    }
    const isBehind = this.#isEager || lead > SLACK_BLOCKS || this.#pollsWithoutMove >= 2;
    return isBehind ? { certificate: claim.certificate, isVerified: false, claim } : undefined;
  }

  #retryLater(): void {
    const { clock } = this.#parts;
    this.#retryAtMs = clock.nowMs() + RETRY_MS;
    this.#cancelRetry();
    this.#cancelRetry = clock.at(this.#retryAtMs, () => this.#wake());
  }

  #poll(): void {
    const { chain, clock } = this.#parts;
    this.#pollsWithoutMove = chain.head.number === this.#polledHead ? this.#pollsWithoutMove + 1 : 0;
    this.#polledHead = chain.head.number;
    this.#refresh();
    this.#cancelPoll = clock.at(clock.nowMs() + POLL_MS, () => this.#poll());
  }

  #refresh(peer?: PeerId): void {
    this.#peers.refresh(peer).then(
      () => this.#wake(),
      (error: unknown) => this.#halt(error as Error),
    );
  }

  #progressed(): void {
    const { chain, clock, log } = this.#parts;
    this.#speed.record(chain.head.number);
    const nowMs = clock.nowMs();
    if (nowMs >= this.#loggedAtMs && nowMs - this.#loggedAtMs < LOG_EVERY_MS) return;
    this.#loggedAtMs = nowMs;
    const { head, target, blocksPerSecond, etaSeconds } = this.progress;
    log.info(
      {
        height: Number(head),
        target: Number(target),
        blocksPerSecond: Math.round(blocksPerSecond),
        ...(etaSeconds === undefined ? {} : { etaSeconds: Math.round(etaSeconds) }),
      },
      "syncing",
    );
  }

  #halt(error: Error): void {
    if (this.#isStopped) this.#parts.log.error({ err: error }, "sync failed while stopping");
    else this.#end();
    this.#parts.onHalt(error);
  }

  #end(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelPoll();
    this.#cancelRetry();
    this.#peers.stop();
    this.#catchUp.stop();
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
    this.#wake();
  }
}
