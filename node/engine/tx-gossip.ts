/**
 * Transactions between pools. What was submitted here is gathered for a moment and published once; what comes from
 * others is added to the pool, and gossip carries it on when it was new. Nothing is sent back to where it came from.
 */
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { AddResult, Mempool } from "../../execution/mempool.ts";
import type { StateReader } from "../../execution/state/types.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import type { Logger } from "../log.ts";
import type { Network, Verdict } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import type { SenderThreads } from "../senders/threads.ts";
import { decodeTransactions, encodeTransactions } from "./messages.ts";

/** A message carries this much at most, unless one transaction alone is larger. */
const BATCH_BYTES = 128 * 1024;
/** Submitted transactions wait this long for others to travel with. */
const GATHER_MS = 10;
/** Own transactions that are told again to peers who come later. */
const OWN_KEPT = 1_024;
/** Transactions of one message; each costs a signature recovery. */
const MOST_IN_MESSAGE = 2_048;
/** Messages that wait for their senders, or for those before them. */
const MOST_WAITING = 256;

export interface TxGossipParts {
  readonly network: Network;
  readonly mempool: Mempool;
  readonly chainId: bigint;
  readonly headState: () => StateReader;
  readonly clock: Clock;
  readonly log: Logger;
  /** Recover the senders of large messages; without them this thread does. */
  readonly senders?: Pick<SenderThreads, "recover"> | undefined;
}

export class TxGossip {
  readonly #parts: TxGossipParts;
  #waiting: Uint8Array[] = [];
  /** By hash, the oldest first. */
  readonly #own = new Map<string, Transaction>();
  #cancel: (() => void) | undefined;
  #isStopped = false;
  /** The last message that waits, and how many do. */
  #received: Promise<void> | undefined;
  #receivedWaiting = 0;

  constructor(parts: TxGossipParts) {
    this.#parts = parts;
    parts.network.handleTopic("tx", (data) => this.#receive(data));
    parts.network.onPeer(() => this.#tellAgain());
  }

  /** Adds what was submitted here, and tells others of it when the pool takes it. */
  submit(tx: Transaction): AddResult {
    const { mempool, clock, headState } = this.#parts;
    const result = mempool.add(tx, headState(), clock.nowMs());
    if (result.ok) {
      this.#own.set(bytesToHex(tx.hash), tx);
      for (const oldest of this.#own.keys()) {
        if (this.#own.size <= OWN_KEPT) break;
        this.#own.delete(oldest);
      }
      this.#gather(tx.raw);
    }
    return result;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  #gather(raw: Uint8Array): void {
    if (this.#isStopped) return;
    this.#waiting.push(raw);
    this.#arm();
  }

  #arm(): void {
    if (this.#isStopped || this.#cancel !== undefined) return;
    const { clock } = this.#parts;
    this.#cancel = clock.at(clock.nowMs() + GATHER_MS, () => this.#flush());
  }

  #flush(): void {
    this.#cancel = undefined;
    let batch: Uint8Array[] = [];
    let bytes = 0;
    for (const raw of this.#waiting.splice(0)) {
      if (batch.length > 0 && (bytes + raw.length > BATCH_BYTES || batch.length === MOST_IN_MESSAGE)) {
        this.#publish(batch);
        batch = [];
        bytes = 0;
      }
      batch.push(raw);
      bytes += raw.length + 4;
    }
    if (batch.length > 0) this.#publish(batch);
  }

  #publish(batch: readonly Uint8Array[]): void {
    const { network, clock, log } = this.#parts;
    network.publish("tx", encodeTransactions(batch, clock.nowMs())).catch((err: unknown) => {
      log.warn({ err }, "transactions could not be published");
    });
  }

  /** A peer that was not there when a transaction came may be the next leader. */
  #tellAgain(): void {
    const { mempool } = this.#parts;
    for (const [key, tx] of this.#own) {
      if (mempool.get(tx.hash) === undefined) this.#own.delete(key);
      else this.#waiting.push(tx.raw);
    }
    if (this.#waiting.length > 0) this.#arm();
  }

  #receive(data: Uint8Array): Verdict | Promise<Verdict> {
    let raws: Uint8Array[];
    try {
      raws = decodeTransactions(data);
    } catch {
      return "reject";
    }
    if (raws.length > MOST_IN_MESSAGE) return "reject";
    if (this.#receivedWaiting >= MOST_WAITING) return this.#take(raws);
    const recovering = this.#parts.senders?.recover(raws);
    if (recovering === undefined && this.#receivedWaiting === 0) return this.#take(raws);
    return this.#takeLater(raws, recovering);
  }

  /** In the order in which messages came: a sender's transactions may be in several of them. */
  async #takeLater(raws: readonly Uint8Array[], recovering: Promise<void> | undefined): Promise<Verdict> {
    const before = this.#received;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#received = promise;
    this.#receivedWaiting++;
    try {
      await before;
      await recovering;
      return this.#isStopped ? "ignore" : this.#take(raws);
    } finally {
      this.#receivedWaiting--;
      resolve();
    }
  }

  #take(raws: readonly Uint8Array[]): Verdict {
    const { mempool, chainId, clock, headState } = this.#parts;
    let isNews = false;
    for (const raw of raws) {
      // Copied: the pool keeps it for longer than the message.
      const decoded = decodeTransaction(raw.slice(), chainId);
      if (!decoded.ok) return "reject";
      if (mempool.get(decoded.tx.hash) !== undefined) continue;
      if (mempool.add(decoded.tx, headState(), clock.nowMs()).ok) isNews = true;
    }
    return isNews ? "accept" : "ignore";
  }
}
