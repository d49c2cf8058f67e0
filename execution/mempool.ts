/**
 * Transactions that wait for a block. Pure: time and state are passed in.
 *
 * A sender's transactions are pending (nonces without a gap from the account's) or queued (after a gap). Capacity is
 * counted in slots of 32 KiB; when it is used up, the transaction worth least to a proposer leaves. A block costs work
 * for the senders it touched only.
 */
import { bytesToHex } from "../core/bytes.ts";
import type { ExecutedBlock, Transaction } from "../core/chain.ts";
import { Candidates } from "./mempool/candidates.ts";
import { Places } from "./mempool/places.ts";
import {
  checkAccount,
  checkForm,
  costOf,
  DEFAULT_MEMPOOL_LIMITS,
  isCheaper,
  isSufficientBump,
  type MempoolLimits,
  type Refusal,
  refuse,
  slotsOf,
} from "./mempool/rules.ts";
import { type PoolEntry, SenderTransactions } from "./mempool/sender.ts";
import { type ChainRules, DEFAULT_RULES } from "./rules.ts";
import type { StateReader } from "./state/types.ts";
import { effectiveTip } from "./tx/derive.ts";

export type AddResult =
  /** `pending`: executable now; otherwise queued behind a nonce gap. `replaced` is the hash of what it displaced. */
  { readonly ok: true; readonly pending: boolean; readonly replaced: Uint8Array | undefined } | Refusal;

/** What the next block will have. */
export interface NextBlock {
  readonly baseFeePerGas: bigint;
  readonly gasLimit: bigint;
  /** What L1 data costs as far as is known (tx/l1-fee.ts); 0 when absent. */
  readonly l1FeePrice?: bigint;
}

export interface MempoolOptions {
  readonly next: NextBlock;
  readonly limits?: Partial<MempoolLimits>;
  readonly rules?: Pick<ChainRules, "hardfork">;
}

export interface SenderContent {
  readonly address: Uint8Array;
  /** Rising nonces. */
  readonly pending: readonly Transaction[];
  readonly queued: readonly Transaction[];
}

const FULL = refuse("full", "txpool is full");

export class Mempool {
  readonly limits: MempoolLimits;
  readonly #rules: Pick<ChainRules, "hardfork">;
  #next: NextBlock;
  #sequence = 0;
  readonly #places: Places;
  #includableSinceMs: number | undefined;
  readonly #includableListeners = new Set<(sinceMs: number) => void>();
  readonly #pendingListeners = new Set<(tx: Transaction) => void>();

  constructor(options: MempoolOptions) {
    this.limits = { ...DEFAULT_MEMPOOL_LIMITS, ...options.limits };
    this.#places = new Places(this.limits, (tx) => {
      for (const listener of this.#pendingListeners) listener(tx);
    });
    this.#rules = options.rules ?? DEFAULT_RULES;
    this.#next = options.next;
  }

  get counts(): { readonly pending: number; readonly queued: number; readonly slots: number } {
    return { pending: this.#places.pendingCount, queued: this.#places.queuedCount, slots: this.#places.slots };
  }

  /** When the transaction became includable that made the next block worth building; undefined while there is none. */
  get includableSinceMs(): number | undefined {
    return this.#includableSinceMs;
  }

  /** Called when the pool comes to hold an includable transaction after it held none. Returns the unsubscriber. */
  onIncludable(listener: (sinceMs: number) => void): () => void {
    this.#includableListeners.add(listener);
    return () => this.#includableListeners.delete(listener);
  }

  /** Called for each transaction that becomes pending; must neither throw nor call the pool. Returns the unsubscriber. */
  onPending(listener: (tx: Transaction) => void): () => void {
    this.#pendingListeners.add(listener);
    return () => this.#pendingListeners.delete(listener);
  }

  /** Precondition: `tx` decodes for this chain and its sender is recovered. `state` is that of the head. */
  add(tx: Transaction, state: StateReader, nowMs: number): AddResult {
    const key = bytesToHex(tx.hash);
    if (this.#places.entries.has(key)) return refuse("already-known", "already known");
    const account = state.account(tx.from);
    const priced = { tx, dataGas: undefined };
    const costWei = costOf(priced, this.#next.l1FeePrice ?? 0n);
    const refusal =
      checkForm(tx, this.limits, this.#next.gasLimit, this.#rules) ?? checkAccount(tx, account, state, costWei);
    if (refusal !== undefined) return refusal;

    const senderKey = bytesToHex(tx.from);
    let sender = this.#places.senders.get(senderKey);
    if (sender !== undefined && (sender.accountNonce !== account?.nonce || sender.balance !== account.balance)) {
      this.#places.settle(sender, account?.nonce ?? 0n, account?.balance ?? 0n, nowMs);
      this.#findIncludable(nowMs);
      sender = this.#places.senders.get(senderKey);
    }
    if (sender === undefined) {
      sender = new SenderTransactions(tx.from, senderKey);
      sender.accountNonce = account?.nonce ?? 0n;
      sender.balance = account?.balance ?? 0n;
    }

    const old = sender.at(tx.nonce);
    if (old !== undefined && !isSufficientBump(tx, old.tx, this.limits.priceBumpPercent)) {
      return refuse("replacement-underpriced", "replacement transaction underpriced");
    }
    const spentWei = sender.pendingCostWei - (old?.place === "pending" ? old.costWei : 0n);
    if (sender.balance < spentWei + costWei) {
      return refuse(
        "insufficient-funds",
        `insufficient funds for gas * price + value: balance ${sender.balance}, queued cost ${spentWei}, tx cost ${costWei}, overshot ${spentWei + costWei - sender.balance}`,
      );
    }

    const sequence = this.#sequence++;
    const entry: PoolEntry = { ...priced, key, sender, slots: slotsOf(tx), costWei, sequence, place: "gone" };
    const full = this.#makeRoom(entry, old, nowMs);
    if (full !== undefined) return full;

    this.#places.senders.set(senderKey, sender);
    if (old !== undefined && old.place !== "gone") this.#places.replace(old, entry);
    else if (tx.nonce === sender.nextNonce) {
      this.#places.appendPending(entry);
      this.#places.promote(sender);
    } else this.#places.queue(entry, nowMs);
    if (entry.place === "pending") this.#noteIncludable(sender, nowMs);
    return { ok: true, pending: entry.place === "pending", replaced: old?.tx.hash };
  }

  get(hash: Uint8Array): Transaction | undefined {
    return this.#places.entries.get(bytesToHex(hash))?.tx;
  }

  /** The sender's next nonce after its pending transactions; undefined when the pool holds nothing of it. */
  pendingNonce(address: Uint8Array): bigint | undefined {
    return this.#places.senders.get(bytesToHex(address))?.nextNonce;
  }

  candidates(baseFeePerGas: bigint): Candidates {
    return new Candidates(this.#places.senders.values(), baseFeePerGas);
  }

  /** One sender's transactions, or everybody's. Copies: not for the block path. */
  content(address?: Uint8Array): SenderContent[] {
    const one = address === undefined ? undefined : this.#places.senders.get(bytesToHex(address));
    const senders = address === undefined ? [...this.#places.senders.values()] : one === undefined ? [] : [one];
    return senders.map((sender) => ({
      address: sender.address,
      pending: sender.pending.map((entry) => entry.tx),
      queued: [...sender.queued.values()]
        .map((entry) => entry.tx)
        .sort((a, b) => (a.nonce < b.nonce ? -1 : a.nonce > b.nonce ? 1 : 0)),
    }));
  }

  /**
   * After a block was committed: drops what it holds, looks again at the senders of its transactions, and takes the
   * next block's base fee, gas limit and price of L1 data. `state` is the state after the block.
   */
  removeMined(block: Pick<ExecutedBlock, "transactions">, state: StateReader, next: NextBlock, nowMs: number): void {
    const isRepriced = (next.l1FeePrice ?? 0n) !== (this.#next.l1FeePrice ?? 0n);
    this.#next = next;
    if (isRepriced) this.#places.reprice(next.l1FeePrice ?? 0n, nowMs);
    const seen = new Set<string>();
    for (const tx of block.transactions) {
      const key = bytesToHex(tx.from);
      if (!seen.has(key)) {
        seen.add(key);
        this.#revalidate(key, state, nowMs);
      }
    }
    this.#findIncludable(nowMs);
  }

  /** Looks again at accounts that changed otherwise (balance moved by a call, delegated accounts). */
  revalidate(addresses: Iterable<Uint8Array>, state: StateReader, nowMs: number): void {
    for (const address of addresses) this.#revalidate(bytesToHex(address), state, nowMs);
    this.#findIncludable(nowMs);
  }

  /** Drops one transaction, as the proposer does with one that turned out invalid. Later ones of its sender queue. */
  drop(hash: Uint8Array, nowMs: number): boolean {
    const entry = this.#places.entries.get(bytesToHex(hash));
    if (entry === undefined) return false;
    this.#places.drop(entry, nowMs);
    this.#findIncludable(nowMs);
    return true;
  }

  /** Drops the queued transactions of senders that were idle for the lifetime. Returns how many. */
  expire(nowMs: number): number {
    let dropped = 0;
    for (;;) {
      const sender = this.#places.idlest;
      if (sender === undefined || nowMs - sender.queuedAtMs < this.limits.lifetimeMs) return dropped;
      for (const entry of [...sender.queued.values()]) {
        this.#places.drop(entry, nowMs);
        dropped++;
      }
    }
  }

  // Capacity

  /** Decides on everything that must leave before anything does, so that a refusal changes nothing. */
  #makeRoom(entry: PoolEntry, old: PoolEntry | undefined, nowMs: number): Refusal | undefined {
    const { sender, tx } = entry;
    const queues = tx.nonce > sender.nextNonce;
    const evicted: PoolEntry[] = [];
    if (old === undefined && queues) {
      if (sender.queued.size >= this.limits.senderQueued) {
        const last = sender.lastQueued()!;
        if (tx.nonce > last.tx.nonce) return refuse("sender-limit", "account limit exceeded");
        evicted.push(last);
      } else if (this.#places.queuedCount >= this.limits.queuedSlots) {
        const idle = this.#places.idlest;
        if (idle === undefined || idle === sender) return FULL;
        evicted.push(idle.lastQueued()!);
      }
    } else if (old === undefined && this.#places.pendingCount >= this.limits.pendingSlots) {
      const heaviest = this.#places.heaviest();
      const own = sender.pending.length;
      if (own >= this.limits.senderPending && own + 1 > (heaviest?.pending.length ?? 0)) return FULL;
      const last = heaviest?.pending.at(-1);
      if (last !== undefined) evicted.push(last);
    }

    const capacity = this.limits.pendingSlots + this.limits.queuedSlots;
    let excess = this.#places.slots + entry.slots - (old?.slots ?? 0) - capacity;
    for (const victim of evicted) excess -= victim.slots;
    if (excess > 0) {
      const refusal = this.#chooseCheapest(entry, old, queues, excess, evicted);
      if (refusal !== undefined) return refusal;
    }
    for (const victim of evicted) this.#places.drop(victim, nowMs);
    if (evicted.length > 0) this.#findIncludable(nowMs);
    return undefined;
  }

  /** Adds to `evicted` the cheapest transactions that free `excess` slots. */
  #chooseCheapest(
    entry: PoolEntry,
    old: PoolEntry | undefined,
    queues: boolean,
    excess: number,
    evicted: PoolEntry[],
  ): Refusal | undefined {
    const heap = this.#places.cheapestFirst(this.#next.baseFeePerGas);
    const chosen: PoolEntry[] = [];
    let refusal: Refusal | undefined;
    let missing = excess;
    while (missing > 0 && refusal === undefined) {
      const victim = heap.pop();
      if (victim === undefined) refusal = FULL;
      else if (victim.place !== "gone" && victim !== old && !evicted.includes(victim)) {
        chosen.push(victim);
        missing -= victim.slots;
        if (!isCheaper(victim, entry, this.#next.baseFeePerGas)) {
          refusal = refuse("underpriced", "transaction underpriced");
        } else if (victim.sender === entry.sender) {
          // Its own earlier nonce: without that one it could not run either.
          refusal = FULL;
        } else if (queues && victim.place === "pending") {
          refusal = refuse("future-replaces-pending", "future transaction tries to replace pending");
        }
      } else if (victim.place !== "gone") chosen.push(victim);
    }
    if (refusal === undefined) {
      for (const victim of chosen) {
        if (victim !== old && !evicted.includes(victim)) evicted.push(victim);
        else heap.push(victim);
      }
    } else for (const victim of chosen) heap.push(victim);
    return refusal;
  }

  #revalidate(senderKey: string, state: StateReader, nowMs: number): void {
    const sender = this.#places.senders.get(senderKey);
    if (sender === undefined) return;
    const account = state.account(sender.address);
    this.#places.settle(sender, account?.nonce ?? 0n, account?.balance ?? 0n, nowMs);
  }

  // Includability

  #isIncludable(sender: SenderTransactions): boolean {
    const first = sender.pending[0];
    return first !== undefined && effectiveTip(first.tx, this.#next.baseFeePerGas) >= 0n;
  }

  #noteIncludable(sender: SenderTransactions, nowMs: number): void {
    if (this.#includableSinceMs !== undefined || !this.#isIncludable(sender)) return;
    this.#includableSinceMs = nowMs;
    for (const listener of this.#includableListeners) listener(nowMs);
  }

  /** After something left or the base fee moved: stops at the first includable sender. */
  #findIncludable(nowMs: number): void {
    for (const sender of this.#places.senders.values()) {
      if (this.#isIncludable(sender)) {
        this.#noteIncludable(sender, nowMs);
        return;
      }
    }
    this.#includableSinceMs = undefined;
  }
}
