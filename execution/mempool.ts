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
import { Heap } from "./mempool/heap.ts";
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
  #slots = 0;
  #pendingCount = 0;
  #queuedCount = 0;
  readonly #entries = new Map<string, PoolEntry>();
  readonly #senders = new Map<string, SenderTransactions>();
  /** Senders with queued transactions, the one that was idle longest first. */
  readonly #queuedSenders = new Set<SenderTransactions>();
  /** Senders above their guaranteed number of pending transactions. */
  readonly #heavySenders = new Set<SenderTransactions>();
  /** Cheapest on top; built when the pool is full, then kept with dead entries until they outweigh the live. */
  #cheapest: Heap<PoolEntry> | undefined;
  #includableSinceMs: number | undefined;
  readonly #includableListeners = new Set<(sinceMs: number) => void>();
  readonly #pendingListeners = new Set<(tx: Transaction) => void>();

  constructor(options: MempoolOptions) {
    this.limits = { ...DEFAULT_MEMPOOL_LIMITS, ...options.limits };
    this.#rules = options.rules ?? DEFAULT_RULES;
    this.#next = options.next;
  }

  get counts(): { readonly pending: number; readonly queued: number; readonly slots: number } {
    return { pending: this.#pendingCount, queued: this.#queuedCount, slots: this.#slots };
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
    if (this.#entries.has(key)) return refuse("already-known", "already known");
    const account = state.account(tx.from);
    const refusal = checkForm(tx, this.limits, this.#next.gasLimit, this.#rules) ?? checkAccount(tx, account, state);
    if (refusal !== undefined) return refusal;

    const senderKey = bytesToHex(tx.from);
    let sender = this.#senders.get(senderKey);
    if (sender !== undefined && (sender.accountNonce !== account?.nonce || sender.balance !== account.balance)) {
      this.#settle(sender, account?.nonce ?? 0n, account?.balance ?? 0n, nowMs);
      this.#findIncludable(nowMs);
      sender = this.#senders.get(senderKey);
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
    const costWei = costOf(tx);
    const spentWei = sender.pendingCostWei - (old?.place === "pending" ? old.costWei : 0n);
    if (sender.balance < spentWei + costWei) {
      return refuse(
        "insufficient-funds",
        `insufficient funds for gas * price + value: balance ${sender.balance}, queued cost ${spentWei}, tx cost ${costWei}, overshot ${spentWei + costWei - sender.balance}`,
      );
    }

    const sequence = this.#sequence++;
    const entry: PoolEntry = { tx, key, sender, slots: slotsOf(tx), costWei, sequence, place: "gone" };
    const full = this.#makeRoom(entry, old, nowMs);
    if (full !== undefined) return full;

    this.#senders.set(senderKey, sender);
    if (old !== undefined && old.place !== "gone") this.#replace(old, entry);
    else if (tx.nonce === sender.nextNonce) {
      this.#appendPending(entry);
      this.#promote(sender);
    } else this.#queue(entry, nowMs);
    if (entry.place === "pending") this.#noteIncludable(sender, nowMs);
    return { ok: true, pending: entry.place === "pending", replaced: old?.tx.hash };
  }

  get(hash: Uint8Array): Transaction | undefined {
    return this.#entries.get(bytesToHex(hash))?.tx;
  }

  /** The sender's next nonce after its pending transactions; undefined when the pool holds nothing of it. */
  pendingNonce(address: Uint8Array): bigint | undefined {
    return this.#senders.get(bytesToHex(address))?.nextNonce;
  }

  candidates(baseFeePerGas: bigint): Candidates {
    return new Candidates(this.#senders.values(), baseFeePerGas);
  }

  /** One sender's transactions, or everybody's. Copies: not for the block path. */
  content(address?: Uint8Array): SenderContent[] {
    const one = address === undefined ? undefined : this.#senders.get(bytesToHex(address));
    const senders = address === undefined ? [...this.#senders.values()] : one === undefined ? [] : [one];
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
   * next block's base fee and gas limit. `state` is the state after the block.
   */
  removeMined(block: Pick<ExecutedBlock, "transactions">, state: StateReader, next: NextBlock, nowMs: number): void {
    if (next.baseFeePerGas !== this.#next.baseFeePerGas) this.#cheapest = undefined;
    this.#next = next;
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
    const entry = this.#entries.get(bytesToHex(hash));
    if (entry === undefined) return false;
    this.#drop(entry, nowMs);
    this.#findIncludable(nowMs);
    return true;
  }

  /** Drops the queued transactions of senders that were idle for the lifetime. Returns how many. */
  expire(nowMs: number): number {
    let dropped = 0;
    for (const sender of this.#queuedSenders) {
      if (nowMs - sender.queuedAtMs < this.limits.lifetimeMs) break;
      for (const entry of [...sender.queued.values()]) {
        this.#drop(entry, nowMs);
        dropped++;
      }
    }
    return dropped;
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
      } else if (this.#queuedCount >= this.limits.queuedSlots) {
        const [idle] = this.#queuedSenders;
        if (idle === undefined || idle === sender) return FULL;
        evicted.push(idle.lastQueued()!);
      }
    } else if (old === undefined && this.#pendingCount >= this.limits.pendingSlots) {
      const heaviest = this.#heaviest();
      const own = sender.pending.length;
      if (own >= this.limits.senderPending && own + 1 > (heaviest?.pending.length ?? 0)) return FULL;
      const last = heaviest?.pending.at(-1);
      if (last !== undefined) evicted.push(last);
    }

    const capacity = this.limits.pendingSlots + this.limits.queuedSlots;
    let excess = this.#slots + entry.slots - (old?.slots ?? 0) - capacity;
    for (const victim of evicted) excess -= victim.slots;
    if (excess > 0) {
      const refusal = this.#chooseCheapest(entry, old, queues, excess, evicted);
      if (refusal !== undefined) return refusal;
    }
    for (const victim of evicted) this.#drop(victim, nowMs);
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
    const heap = this.#cheapestFirst();
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

  #cheapestFirst(): Heap<PoolEntry> {
    if (this.#cheapest === undefined || this.#cheapest.size > 2 * this.#entries.size + 64) {
      const baseFee = this.#next.baseFeePerGas;
      this.#cheapest = new Heap<PoolEntry>((a, b) => isCheaper(a, b, baseFee), [...this.#entries.values()]);
    }
    return this.#cheapest;
  }

  #heaviest(): SenderTransactions | undefined {
    let heaviest: SenderTransactions | undefined;
    for (const sender of this.#heavySenders) {
      if (heaviest === undefined || sender.pending.length > heaviest.pending.length) heaviest = sender;
    }
    return heaviest;
  }

  // Moves between places; each keeps every count and index right

  #enter(entry: PoolEntry): void {
    this.#entries.set(entry.key, entry);
    this.#slots += entry.slots;
    this.#cheapest?.push(entry);
  }

  #leave(entry: PoolEntry): void {
    entry.place = "gone";
    this.#entries.delete(entry.key);
    this.#slots -= entry.slots;
  }

  #appendPending(entry: PoolEntry): void {
    const { sender } = entry;
    if (entry.place === "gone") this.#enter(entry);
    entry.place = "pending";
    sender.pending.push(entry);
    sender.pendingCostWei += entry.costWei;
    this.#pendingCount++;
    this.#weigh(sender);
    for (const listener of this.#pendingListeners) listener(entry.tx);
  }

  #queue(entry: PoolEntry, nowMs: number): void {
    const { sender } = entry;
    if (entry.place === "gone") this.#enter(entry);
    entry.place = "queued";
    sender.queued.set(entry.tx.nonce, entry);
    this.#queuedCount++;
    sender.queuedAtMs = nowMs;
    this.#queuedSenders.delete(sender);
    this.#queuedSenders.add(sender);
  }

  #unqueue(entry: PoolEntry): void {
    entry.sender.queued.delete(entry.tx.nonce);
    this.#queuedCount--;
    if (entry.sender.queued.size === 0) this.#queuedSenders.delete(entry.sender);
  }

  #replace(old: PoolEntry, entry: PoolEntry): void {
    const { sender } = entry;
    const place = old.place;
    this.#leave(old);
    this.#enter(entry);
    entry.place = place;
    if (place === "queued") {
      sender.queued.set(entry.tx.nonce, entry);
      return;
    }
    sender.pending[Number(entry.tx.nonce - sender.accountNonce)] = entry;
    sender.pendingCostWei += entry.costWei - old.costWei;
    for (const listener of this.#pendingListeners) listener(entry.tx);
  }

  /** Moves what follows the pending ones without a gap out of the queue. */
  #promote(sender: SenderTransactions): void {
    for (;;) {
      const entry = sender.queued.get(sender.nextNonce);
      if (entry === undefined) return;
      const tooMany =
        this.#pendingCount >= this.limits.pendingSlots && sender.pending.length >= this.limits.senderPending;
      this.#unqueue(entry);
      if (tooMany || entry.costWei > sender.balance) {
        this.#leave(entry);
        return;
      }
      this.#appendPending(entry);
    }
  }

  /** Cuts pending from `index` on; the rest behind it goes to the queue, within the queue's bounds. */
  #demoteFrom(sender: SenderTransactions, index: number, nowMs: number): void {
    const moved = this.#cutPending(sender, index);
    for (const entry of moved) this.#queue(entry, nowMs);
    while (sender.queued.size > this.limits.senderQueued) this.#dropQueued(sender.lastQueued()!);
    while (this.#queuedCount > this.limits.queuedSlots) {
      const [idle] = this.#queuedSenders;
      this.#dropQueued(idle!.lastQueued()!);
    }
  }

  #cutPending(sender: SenderTransactions, index: number): PoolEntry[] {
    const cut = sender.pending.splice(index);
    for (const entry of cut) sender.pendingCostWei -= entry.costWei;
    this.#pendingCount -= cut.length;
    this.#weigh(sender);
    return cut;
  }

  #dropQueued(entry: PoolEntry): void {
    this.#unqueue(entry);
    this.#leave(entry);
    this.#forgetIfEmpty(entry.sender);
  }

  #drop(entry: PoolEntry, nowMs: number): void {
    if (entry.place === "gone") return;
    if (entry.place === "queued") {
      this.#dropQueued(entry);
      return;
    }
    const { sender } = entry;
    const index = Number(entry.tx.nonce - sender.accountNonce);
    this.#demoteFrom(sender, index + 1, nowMs);
    this.#cutPending(sender, index);
    this.#leave(entry);
    this.#forgetIfEmpty(sender);
  }

  #revalidate(senderKey: string, state: StateReader, nowMs: number): void {
    const sender = this.#senders.get(senderKey);
    if (sender === undefined) return;
    const account = state.account(sender.address);
    this.#settle(sender, account?.nonce ?? 0n, account?.balance ?? 0n, nowMs);
  }

  /** Brings a sender in line with its account: used nonces leave, what it cannot pay leaves, gaps queue or close. */
  #settle(sender: SenderTransactions, accountNonce: bigint, balance: bigint, nowMs: number): void {
    sender.balance = balance;
    if (accountNonce < sender.accountNonce) this.#demoteFrom(sender, 0, nowMs);
    const used = Number(accountNonce - sender.accountNonce);
    for (const entry of used > 0 ? sender.pending.splice(0, used) : []) {
      sender.pendingCostWei -= entry.costWei;
      this.#pendingCount--;
      this.#leave(entry);
    }
    sender.accountNonce = accountNonce;
    this.#weigh(sender);
    for (const entry of [...sender.queued.values()]) {
      if (entry.tx.nonce < accountNonce || entry.costWei > balance) this.#dropQueued(entry);
    }
    const unpaid = sender.pending.findIndex((entry) => entry.costWei > balance);
    if (unpaid >= 0) this.#drop(sender.pending[unpaid]!, nowMs);
    for (const entry of [...sender.queued.values()]) if (entry.costWei > balance) this.#dropQueued(entry);
    this.#promote(sender);
    this.#forgetIfEmpty(sender);
  }

  #weigh(sender: SenderTransactions): void {
    if (sender.pending.length > this.limits.senderPending) this.#heavySenders.add(sender);
    else this.#heavySenders.delete(sender);
  }

  #forgetIfEmpty(sender: SenderTransactions): void {
    if (sender.isEmpty && this.#senders.get(sender.key) === sender) this.#senders.delete(sender.key);
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
    for (const sender of this.#senders.values()) {
      if (this.#isIncludable(sender)) {
        this.#noteIncludable(sender, nowMs);
        return;
      }
    }
    this.#includableSinceMs = undefined;
  }
}
