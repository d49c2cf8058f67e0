import type { Transaction } from "../../core/chain.ts";
import type { AccountState } from "../state/types.ts";
import { hasCode } from "../tx/validate.ts";
import { Heap } from "./heap.ts";
import { costOf, leavesBefore, type MempoolLimits } from "./rules.ts";
import type { PoolEntry, SenderTransactions } from "./sender.ts";

/**
 * Where every transaction of the pool is. Moves between pending, queued and gone keep all counts and indexes right;
 * who may come in and who must leave is decided in mempool.ts.
 */
export class Places {
  readonly limits: MempoolLimits;
  readonly #onPending: (tx: Transaction) => void;
  slots = 0;
  pendingCount = 0;
  queuedCount = 0;
  /** By transaction hash. */
  readonly entries = new Map<string, PoolEntry>();
  /** By address; only those that have transactions here. */
  readonly senders = new Map<string, SenderTransactions>();
  /** Senders whose balance and nonce others can move, by address. */
  readonly delegated = new Map<string, SenderTransactions>();
  /** How many transactions here carry an authorization of the address. */
  readonly #authorities = new Map<string, number>();
  /** Senders with queued transactions, the one that was idle longest first. */
  readonly #queuedSenders = new Set<SenderTransactions>();
  /** Senders above their guaranteed number of pending transactions. */
  readonly #heavySenders = new Set<SenderTransactions>();
  /** Built when the pool is full, then kept with dead entries until they outweigh the live. */
  #cheapest: Heap<PoolEntry> | undefined;
  #cheapestAt = 0n;

  constructor(limits: MempoolLimits, onPending: (tx: Transaction) => void) {
    this.limits = limits;
    this.#onPending = onPending;
  }

  /** Of the senders with queued transactions, the one that was idle longest. */
  get idlest(): SenderTransactions | undefined {
    const [sender] = this.#queuedSenders;
    return sender;
  }

  /** Whether a transaction here would delegate the account. */
  isAuthority(key: string): boolean {
    return this.#authorities.has(key);
  }

  /** Cheapest on top; may hold entries that are gone. */
  cheapestFirst(baseFee: bigint): Heap<PoolEntry> {
    if (this.#cheapest === undefined || this.#cheapestAt !== baseFee) {
      this.#cheapestAt = baseFee;
      this.#cheapest = new Heap<PoolEntry>((a, b) => leavesBefore(a, b, baseFee), [...this.entries.values()]);
    }
    return this.#cheapest;
  }

  /**
   * The last transaction of the sender with the most pending ones, if any has more than its guaranteed number; of
   * several such senders the one whose last came latest.
   */
  lastOfHeaviest(): PoolEntry | undefined {
    let found: PoolEntry | undefined;
    for (const { pending } of this.#heavySenders) {
      const last = pending.at(-1)!;
      const lead = pending.length - (found?.sender.pending.length ?? 0);
      if (found === undefined || lead > 0 || (lead === 0 && last.sequence > found.sequence)) found = last;
    }
    return found;
  }

  #enter(entry: PoolEntry): void {
    this.entries.set(entry.key, entry);
    this.slots += entry.slots;
    for (const key of entry.authorities) this.#authorities.set(key, (this.#authorities.get(key) ?? 0) + 1);
    // Dead entries stay in it, so it must not outgrow what lives.
    if (this.#cheapest !== undefined && this.#cheapest.size > 2 * this.entries.size + 64) this.#cheapest = undefined;
    this.#cheapest?.push(entry);
  }

  #leave(entry: PoolEntry): void {
    entry.place = "gone";
    this.entries.delete(entry.key);
    this.slots -= entry.slots;
    for (const key of entry.authorities) {
      const count = this.#authorities.get(key)!;
      if (count === 1) this.#authorities.delete(key);
      else this.#authorities.set(key, count - 1);
    }
  }

  /** Begins to keep a sender that is about to have a transaction here. */
  admit(sender: SenderTransactions): void {
    this.senders.set(sender.key, sender);
    if (sender.isDelegated) this.delegated.set(sender.key, sender);
  }

  /** Precondition: its nonce is the sender's next. */
  appendPending(entry: PoolEntry, nowMs: number): void {
    const { sender } = entry;
    if (entry.place === "gone") this.#enter(entry);
    entry.place = "pending";
    sender.pending.push(entry);
    sender.pendingCostWei += entry.costWei;
    this.pendingCount++;
    this.#weigh(sender);
    this.#beat(sender, nowMs);
    this.#onPending(entry.tx);
  }

  /** Precondition: its nonce is above the sender's next. */
  queue(entry: PoolEntry, nowMs: number): void {
    const { sender } = entry;
    if (entry.place === "gone") this.#enter(entry);
    entry.place = "queued";
    sender.queued.set(entry.tx.nonce, entry);
    this.queuedCount++;
    if (this.#queuedSenders.has(sender)) return;
    this.#queuedSenders.add(sender);
    sender.heartbeatMs = nowMs;
  }

  /** Only what becomes pending keeps a queue alive: else whoever adds to it could do so for ever. */
  #beat(sender: SenderTransactions, nowMs: number): void {
    if (!this.#queuedSenders.delete(sender)) return;
    this.#queuedSenders.add(sender);
    sender.heartbeatMs = nowMs;
  }

  #unqueue(entry: PoolEntry): void {
    entry.sender.queued.delete(entry.tx.nonce);
    this.queuedCount--;
    if (entry.sender.queued.size === 0) this.#queuedSenders.delete(entry.sender);
  }

  /** Same sender and nonce. */
  replace(old: PoolEntry, entry: PoolEntry, nowMs: number): void {
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
    this.#beat(sender, nowMs);
    this.#onPending(entry.tx);
  }

  /** Moves what follows the pending ones without a gap out of the queue. */
  promote(sender: SenderTransactions, nowMs: number): void {
    for (;;) {
      const entry = sender.queued.get(sender.nextNonce);
      if (entry === undefined) return;
      const tooMany =
        this.pendingCount >= this.limits.pendingSlots && sender.pending.length >= this.limits.senderPending;
      this.#unqueue(entry);
      if (tooMany || entry.costWei > sender.balance) {
        this.#leave(entry);
        return;
      }
      this.appendPending(entry, nowMs);
    }
  }

  /** Puts what is no longer pending into the queue, within its bounds. */
  #requeue(sender: SenderTransactions, entries: readonly PoolEntry[], nowMs: number): void {
    for (const entry of entries) this.queue(entry, nowMs);
    while (sender.queued.size > this.limits.senderQueued) this.#dropQueued(sender.lastQueued()!);
    while (this.queuedCount > this.limits.queuedSlots) this.#dropQueued(this.idlest!.lastQueued()!);
  }

  #cutPending(sender: SenderTransactions, index: number): PoolEntry[] {
    const cut = sender.pending.splice(index);
    for (const entry of cut) sender.pendingCostWei -= entry.costWei;
    this.pendingCount -= cut.length;
    this.#weigh(sender);
    return cut;
  }

  #dropQueued(entry: PoolEntry): void {
    this.#unqueue(entry);
    this.#leave(entry);
    this.#forgetIfEmpty(entry.sender);
  }

  /** What is behind it in pending goes to the queue. */
  drop(entry: PoolEntry, nowMs: number): void {
    if (entry.place === "gone") return;
    if (entry.place === "queued") {
      this.#dropQueued(entry);
      return;
    }
    const { sender } = entry;
    const [first, ...behind] = this.#cutPending(sender, Number(entry.tx.nonce - sender.accountNonce));
    this.#leave(first!);
    this.#requeue(sender, behind, nowMs);
    this.#forgetIfEmpty(sender);
  }

  /**
   * Brings a sender in line with its account: used nonces leave, what it cannot pay leaves, gaps queue or close. False
   * when the account is as it was.
   */
  settle(sender: SenderTransactions, account: AccountState | undefined, nowMs: number): boolean {
    const [nonce, balance] = [account?.nonce ?? 0n, account?.balance ?? 0n];
    const isDelegated = account !== undefined && hasCode(account);
    if (sender.accountNonce === nonce && sender.balance === balance && sender.isDelegated === isDelegated) return false;
    sender.isDelegated = isDelegated;
    if (!isDelegated) this.delegated.delete(sender.key);
    else if (this.senders.get(sender.key) === sender) this.delegated.set(sender.key, sender);
    this.#settle(sender, nonce, balance, nowMs);
    return true;
  }

  #settle(sender: SenderTransactions, accountNonce: bigint, balance: bigint, nowMs: number): void {
    if (accountNonce < sender.accountNonce) this.#requeue(sender, this.#cutPending(sender, 0), nowMs);
    const used = Number(accountNonce - sender.accountNonce);
    for (const entry of used > 0 ? sender.pending.splice(0, used) : []) {
      sender.pendingCostWei -= entry.costWei;
      this.pendingCount--;
      this.#leave(entry);
    }
    sender.balance = balance;
    sender.accountNonce = accountNonce;
    this.#weigh(sender);
    for (const entry of [...sender.queued.values()]) {
      if (entry.tx.nonce < accountNonce || entry.costWei > balance) this.#dropQueued(entry);
    }
    const unpaid = sender.pending.findIndex((entry) => entry.costWei > balance);
    const cut = unpaid < 0 ? [] : this.#cutPending(sender, unpaid);
    for (const entry of cut) if (entry.costWei > balance) this.#leave(entry);
    this.#requeue(
      sender,
      cut.filter(({ place }) => place !== "gone"),
      nowMs,
    );
    this.promote(sender, nowMs);
    this.#forgetIfEmpty(sender);
  }

  /** L1 data has another price, and every transaction another cost: what its sender cannot pay any more leaves. */
  reprice(l1FeePrice: bigint, nowMs: number): void {
    for (const entry of this.entries.values()) {
      const costWei = costOf(entry, l1FeePrice);
      if (entry.place === "pending") entry.sender.pendingCostWei += costWei - entry.costWei;
      entry.costWei = costWei;
    }
    for (const sender of [...this.senders.values()]) this.#settle(sender, sender.accountNonce, sender.balance, nowMs);
  }

  #weigh(sender: SenderTransactions): void {
    if (sender.pending.length > this.limits.senderPending) this.#heavySenders.add(sender);
    else this.#heavySenders.delete(sender);
  }

  #forgetIfEmpty(sender: SenderTransactions): void {
    if (sender.count > 0 || this.senders.get(sender.key) !== sender) return;
    this.senders.delete(sender.key);
    this.delegated.delete(sender.key);
  }
}
