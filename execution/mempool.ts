/**
 * Transactions that wait for a block. Pure: time and state are passed in.
 *
 * A sender's transactions are pending (nonces without a gap from the account's) or queued (after a gap). Capacity is
 * counted in slots of 32 KiB; when it is used up, the transaction worth least to a proposer leaves. A block costs work
 * for the senders it can have touched only. Rules and texts are those of geth's legacypool but where README.md says so.
 */
import { bytesToHex } from "../core/bytes.ts";
import type { ExecutedBlock, Transaction } from "../core/chain.ts";
import { Candidates } from "./mempool/candidates.ts";
import { authoritiesOf, checkAuthorities, checkDelegatedSender } from "./mempool/delegation.ts";
import { Places } from "./mempool/places.ts";
import { findRoom } from "./mempool/room.ts";
import {
  checkAccount,
  checkExpenditure,
  checkForm,
  costOf,
  DEFAULT_MEMPOOL_LIMITS,
  isSufficientBump,
  type MempoolLimits,
  type Refusal,
  refuse,
  slotsOf,
} from "./mempool/rules.ts";
import { type PoolEntry, SenderTransactions } from "./mempool/sender.ts";
import { type ChainRules, DEFAULT_RULES } from "./rules.ts";
import type { AccountState, StateReader } from "./state/types.ts";
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
  readonly rules?: Pick<ChainRules, "hardfork" | "messages">;
}

export interface SenderContent {
  readonly address: Uint8Array;
  /** Rising nonces. */
  readonly pending: readonly Transaction[];
  readonly queued: readonly Transaction[];
}

export class Mempool {
  readonly limits: MempoolLimits;
  readonly #rules: Pick<ChainRules, "hardfork" | "messages">;
  #next: NextBlock;
  #sequence = 0;
  readonly #places: Places;
  #includableSinceMs: number | undefined;
  /** One of the senders whose first transaction the next block can take; undefined while there is none. */
  #includable: SenderTransactions | undefined;
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

    const sender = this.#senderOf(tx, account, nowMs);
    const old = sender.at(tx.nonce);
    const inPending = old?.place === "pending" ? old : undefined;
    const unfit =
      checkExpenditure(sender.balance, sender.pendingCostWei, costWei, inPending) ??
      checkDelegatedSender(tx, sender, this.#places);
    if (unfit !== undefined) return unfit;
    if (old !== undefined && !isSufficientBump(tx, old.tx, this.limits.priceBumpPercent)) {
      return refuse("replacement-underpriced", "replacement transaction underpriced");
    }
    // Last of the checks on the transaction itself: signatures cost the most.
    const authorities = authoritiesOf(tx);
    const reserved = checkAuthorities(authorities, this.#places);
    if (reserved !== undefined) return reserved;

    const place = { slots: slotsOf(tx), costWei, sequence: this.#sequence++, place: "gone" as const };
    const entry: PoolEntry = { ...priced, key, sender, authorities, ...place };
    const leaving = findRoom(this.#places, entry, old, this.#next.baseFeePerGas);
    if ("ok" in leaving) return leaving;
    for (const victim of leaving) this.#places.drop(victim, nowMs);

    this.#places.admit(sender);
    // It may have left with what had to: it was queued behind that.
    if (old !== undefined && old.place !== "gone") this.#places.replace(old, entry, nowMs);
    else if (tx.nonce === sender.nextNonce) {
      this.#places.appendPending(entry, nowMs);
      this.#places.promote(sender, nowMs);
    } else this.#places.queue(entry, nowMs);
    if (entry.place === "pending") this.#noteIncludable(sender, nowMs);
    if (leaving.length > 0) this.#loseIncludable(nowMs);
    return { ok: true, pending: entry.place === "pending", replaced: old?.tx.hash };
  }

  /** In line with its account; not kept yet when the pool holds nothing of it. */
  #senderOf(tx: Transaction, account: AccountState | undefined, nowMs: number): SenderTransactions {
    const key = bytesToHex(tx.from);
    const known = this.#places.senders.get(key);
    if (known !== undefined && this.#places.settle(known, account, nowMs)) this.#findIncludable(nowMs);
    if (known !== undefined && known.count > 0) return known;
    const sender = new SenderTransactions(tx.from, key);
    this.#places.settle(sender, account, nowMs);
    return sender;
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
   * After a block was committed: drops what it holds, looks again at every sender whose account it can have changed to
   * the worse, and takes the next block's base fee, gas limit and price of L1 data. `state` is the state after the
   * block.
   */
  removeMined(block: Pick<ExecutedBlock, "transactions">, state: StateReader, next: NextBlock, nowMs: number): void {
    const isRepriced = (next.l1FeePrice ?? 0n) !== (this.#next.l1FeePrice ?? 0n);
    this.#next = next;
    if (isRepriced) this.#places.reprice(next.l1FeePrice ?? 0n, nowMs);
    if (this.#places.senders.size > 0) {
      for (const key of this.#touchedBy(block)) this.#revalidate(key, state, nowMs);
    }
    this.#findIncludable(nowMs);
  }

  /**
   * Only its own transactions, deposits in its name and authorizations take nonces or money from an account that has no
   * code; from a delegated one anybody can take both.
   */
  #touchedBy({ transactions }: Pick<ExecutedBlock, "transactions">): Set<string> {
    const touched = new Set<string>();
    for (const tx of transactions) {
      touched.add(bytesToHex(tx.from));
      if (tx.authorizationList.length === 0) continue;
      const own = this.#places.entries.get(bytesToHex(tx.hash));
      for (const key of own?.authorities ?? authoritiesOf(tx)) touched.add(key);
    }
    for (const key of this.#places.delegated.keys()) touched.add(key);
    return touched;
  }

  /** Looks again at accounts that turned out not to be as the pool believed. */
  revalidate(addresses: Iterable<Uint8Array>, state: StateReader, nowMs: number): void {
    for (const address of addresses) this.#revalidate(bytesToHex(address), state, nowMs);
    this.#findIncludable(nowMs);
  }

  /** Drops one transaction, as the proposer does with one that turned out invalid. Later ones of its sender queue. */
  drop(hash: Uint8Array, nowMs: number): boolean {
    const entry = this.#places.entries.get(bytesToHex(hash));
    if (entry === undefined) return false;
    this.#places.drop(entry, nowMs);
    this.#loseIncludable(nowMs);
    return true;
  }

  /** Drops the queued transactions of senders of whom nothing became pending for the lifetime. Returns how many. */
  expire(nowMs: number): number {
    let dropped = 0;
    for (;;) {
      const sender = this.#places.idlest;
      if (sender === undefined || nowMs - sender.heartbeatMs < this.limits.lifetimeMs) return dropped;
      for (const entry of [...sender.queued.values()]) {
        this.#places.drop(entry, nowMs);
        dropped++;
      }
    }
  }

  #revalidate(senderKey: string, state: StateReader, nowMs: number): void {
    const sender = this.#places.senders.get(senderKey);
    if (sender !== undefined) this.#places.settle(sender, state.account(sender.address), nowMs);
  }

  // Includability

  #isIncludable(sender: SenderTransactions): boolean {
    const first = sender.pending[0];
    return first !== undefined && effectiveTip(first.tx, this.#next.baseFeePerGas) >= 0n;
  }

  #noteIncludable(sender: SenderTransactions, nowMs: number): void {
    if (this.#includable !== undefined || !this.#isIncludable(sender)) return;
    this.#includable = sender;
    if (this.#includableSinceMs !== undefined) return;
    this.#includableSinceMs = nowMs;
    for (const listener of this.#includableListeners) listener(nowMs);
  }

  /** After accounts or the base fee changed: stops at the first includable sender. */
  #findIncludable(nowMs: number): void {
    this.#includable = undefined;
    for (const sender of this.#places.senders.values()) {
      this.#noteIncludable(sender, nowMs);
      if (this.#includable !== undefined) return;
    }
    this.#includableSinceMs = undefined;
  }

  /** After transactions left, which makes no other includable. */
  #loseIncludable(nowMs: number): void {
    if (this.#includable !== undefined && !this.#isIncludable(this.#includable)) this.#findIncludable(nowMs);
  }
}
