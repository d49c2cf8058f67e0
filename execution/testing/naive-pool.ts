/**
 * The rules of the pool, written down as plainly as they can be: one list of transactions, everything else looked up in
 * it each time. The real one is held against it.
 */
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { type MempoolLimits, slotsOf } from "../mempool/rules.ts";
import type { AccountState } from "../state/types.ts";
import { effectiveTip } from "../tx/derive.ts";

export interface NaiveEntry {
  readonly tx: Transaction;
  readonly from: string;
  readonly authorities: readonly string[];
  readonly order: number;
  isPending: boolean;
}

/** As the pool saw it last. */
interface Seen {
  nonce: bigint;
  balance: bigint;
  isDelegated: boolean;
  heartbeatMs: number;
}

export class NaivePool {
  readonly limits: MempoolLimits;
  readonly #costOf: (tx: Transaction) => bigint;
  entries: NaiveEntry[] = [];
  /** Of all senders with transactions, in the order in which they got their first. */
  readonly seen = new Map<string, Seen>();
  /** Senders with something queued, by their heartbeats. */
  #idle: string[] = [];
  #delegated: string[] = [];
  #order = 0;

  constructor(limits: MempoolLimits, costOf: (tx: Transaction) => bigint) {
    this.limits = limits;
    this.#costOf = costOf;
  }

  pending(from?: string): NaiveEntry[] {
    return this.#of(from).filter((entry) => entry.isPending);
  }

  queued(from?: string): NaiveEntry[] {
    return this.#of(from).filter((entry) => !entry.isPending);
  }

  /** By nonce within a sender. */
  #of(from?: string): NaiveEntry[] {
    const found = from === undefined ? this.entries : this.entries.filter((entry) => entry.from === from);
    return found.toSorted((a, b) => Number(a.tx.nonce - b.tx.nonce));
  }

  /** "pending", "queued", or why not: the code of the refusal. Precondition: the form is right. */
  add(tx: Transaction, authorities: readonly string[], account: AccountState, baseFee: bigint, nowMs: number): string {
    const { limits } = this;
    const from = bytesToHex(tx.from);
    const cost = this.#costOf(tx);
    if (tx.nonce < account.nonce) return "nonce-too-low";
    if (cost > account.balance) return "insufficient-funds";
    this.look(from, account, nowMs);

    const pending = this.pending(from);
    const next = account.nonce + BigInt(pending.length);
    const old = this.#of(from).find((entry) => entry.tx.nonce === tx.nonce);
    const others = pending.filter((entry) => entry !== old);
    if (others.reduce((sum, entry) => sum + this.#costOf(entry.tx), cost) > account.balance) {
      return "insufficient-funds";
    }
    if (isDelegated(account) || this.entries.some((entry) => entry.authorities.includes(from))) {
      if (pending.length === 0 && tx.nonce > account.nonce) return "delegated-gap";
      if (pending.length > 0 && old?.isPending !== true) return "delegated-limit";
    }
    if (old !== undefined) {
      const isBumped = (now: bigint, before: bigint) =>
        now > before && now >= (before * (100n + limits.priceBumpPercent)) / 100n;
      if (
        !isBumped(tx.maxFeePerGas, old.tx.maxFeePerGas) ||
        !isBumped(tx.maxPriorityFeePerGas, old.tx.maxPriorityFeePerGas)
      ) {
        return "replacement-underpriced";
      }
    }
    if (authorities.some((key) => this.#of(key).length > 1)) return "authority-reserved";

    const entry = { tx, from, authorities, order: this.#order++, isPending: false };
    const leaving = this.#room(entry, old, tx.nonce > next, baseFee);
    if (typeof leaving === "string") return leaving;
    for (const victim of leaving) this.drop(victim, nowMs);

    const place = old !== undefined && this.entries.includes(old) ? old : undefined;
    if (place !== undefined) this.entries = this.entries.filter((other) => other !== place);
    this.#enter(entry, account);
    if (place?.isPending === true) {
      entry.isPending = true;
      this.#beat(from, nowMs);
    } else {
      if (place === undefined && this.queued(from).length === 1) this.#startQueue(from, nowMs);
      this.#promote(from, nowMs, entry);
    }
    return entry.isPending ? "pending" : "queued";
  }

  #enter(entry: NaiveEntry, account: AccountState): void {
    this.entries.push(entry);
    if (this.seen.has(entry.from)) return;
    const { nonce, balance } = account;
    this.seen.set(entry.from, { nonce, balance, isDelegated: isDelegated(account), heartbeatMs: 0 });
    if (isDelegated(account)) this.#delegated.push(entry.from);
  }

  #room(
    entry: NaiveEntry,
    old: NaiveEntry | undefined,
    queues: boolean,
    baseFee: bigint,
  ): readonly NaiveEntry[] | "full" | "sender-limit" | "underpriced" | "future-replaces-pending" {
    const { limits } = this;
    const { from, tx } = entry;
    let leaving: NaiveEntry[] = [];
    if (old === undefined && queues) {
      const own = this.queued(from);
      if (own.length >= limits.senderQueued) {
        if (tx.nonce > own.at(-1)!.tx.nonce) return "sender-limit";
        leaving = [own.at(-1)!];
      } else if (this.queued().length >= limits.queuedSlots) {
        const [idlest] = this.#idle;
        if (idlest === from) return "full";
        leaving = [this.queued(idlest).at(-1)!];
      }
    } else if (old === undefined && this.pending().length >= limits.pendingSlots) {
      const lasts = [...this.seen.keys()].flatMap((key) => this.pending(key).slice(limits.senderPending).slice(-1));
      const size = (last: NaiveEntry) => this.pending(last.from).length;
      const [last] = lasts.toSorted((a, b) => size(b) - size(a) || b.order - a.order);
      const own = this.pending(from).length;
      if (own >= limits.senderPending && (last === undefined || own + 1 > size(last))) return "full";
      leaving = last === undefined ? [] : [last];
    }
    const slots = (list: readonly NaiveEntry[]) => list.reduce((sum, each) => sum + slotsOf(each.tx), 0);
    const staying = this.entries.filter((other) => !leaving.includes(other) && other !== old);
    const capacity = limits.pendingSlots + limits.queuedSlots;
    const cheap: NaiveEntry[] = [];
    for (const victim of staying.toSorted((a, b) => comparePlace(a, b, baseFee))) {
      if (slots(staying) - slots(cheap) + slotsOf(tx) <= capacity) break;
      cheap.push(victim);
    }
    if (slots(staying) - slots(cheap) + slotsOf(tx) > capacity) return "full";
    if (cheap.some((victim) => comparePrice(victim.tx, tx, baseFee) >= 0)) return "underpriced";
    if (cheap.some((victim) => victim.from === from)) return "full";
    if (queues && cheap.some((victim) => victim.isPending)) return "future-replaces-pending";
    return [...leaving, ...cheap];
  }

  drop(entry: NaiveEntry, nowMs: number): void {
    if (!this.entries.includes(entry)) return;
    const behind = entry.isPending ? this.pending(entry.from).filter(({ tx }) => tx.nonce > entry.tx.nonce) : [];
    this.#remove([entry]);
    this.#requeue(entry.from, behind, nowMs);
  }

  #remove(gone: readonly NaiveEntry[]): void {
    this.entries = this.entries.filter((entry) => !gone.includes(entry));
  }

  #requeue(from: string, moved: readonly NaiveEntry[], nowMs: number): void {
    if (moved.length > 0 && this.queued(from).length === 0) this.#startQueue(from, nowMs);
    for (const entry of moved) entry.isPending = false;
    while (this.queued(from).length > this.limits.senderQueued) this.#remove(this.queued(from).slice(-1));
    this.#tidy();
    while (this.queued().length > this.limits.queuedSlots) {
      this.#remove(this.queued(this.#idle[0]).slice(-1));
      this.#tidy();
    }
  }

  /** Forgets what is known of senders that have nothing here, or nothing queued. */
  #tidy(): void {
    for (const key of this.seen.keys()) if (this.#of(key).length === 0) this.seen.delete(key);
    this.#idle = this.#idle.filter((key) => this.queued(key).length > 0);
    this.#delegated = this.#delegated.filter((key) => this.seen.get(key)?.isDelegated === true);
  }

  #startQueue(from: string, nowMs: number): void {
    this.#idle.push(from);
    this.seen.get(from)!.heartbeatMs = nowMs;
  }

  #beat(from: string, nowMs: number): void {
    if (!this.#idle.includes(from)) return;
    this.#idle = this.#idle.filter((key) => key !== from);
    this.#startQueue(from, nowMs);
  }

  /** `arrived`: room has been made for it already. */
  #promote(from: string, nowMs: number, arrived?: NaiveEntry): void {
    for (;;) {
      const own = this.pending(from).length;
      const next = this.seen.get(from)!.nonce + BigInt(own);
      const entry = this.queued(from).find(({ tx }) => tx.nonce === next);
      if (entry === undefined) break;
      const { pendingSlots, senderPending } = this.limits;
      if (entry !== arrived && this.pending().length >= pendingSlots && own >= senderPending) {
        this.#remove([entry]);
        break;
      }
      entry.isPending = true;
      this.#beat(from, nowMs);
    }
    this.#tidy();
  }

  /** At a sender's account as it is now. */
  look(from: string, account: AccountState, nowMs: number): void {
    const seen = this.seen.get(from);
    if (seen === undefined) return;
    const { nonce, balance } = account;
    const delegated = isDelegated(account);
    if (delegated && !this.#delegated.includes(from)) this.#delegated.push(from);
    Object.assign(seen, { nonce, balance, isDelegated: delegated });
    this.settle(from, nowMs);
  }

  settle(from: string, nowMs: number): void {
    const { nonce, balance } = this.seen.get(from)!;
    const isUnpaid = ({ tx }: NaiveEntry) => this.#costOf(tx) > balance;
    this.#remove(this.#of(from).filter(({ tx }) => tx.nonce < nonce));
    const first = this.pending(from).find(isUnpaid);
    const cut = first && this.pending(from).filter(({ tx }) => tx.nonce >= first.tx.nonce);
    this.#remove(this.#of(from).filter(isUnpaid));
    this.#tidy();
    if (cut !== undefined) {
      this.#requeue(
        from,
        cut.filter((entry) => this.entries.includes(entry)),
        nowMs,
      );
    }
    if (this.seen.has(from)) this.#promote(from, nowMs);
  }

  /** `touched`: senders and authorities of the block. */
  mined(touched: readonly string[], accountOf: (key: string) => AccountState, nowMs: number): void {
    for (const key of new Set([...touched, ...this.#delegated])) this.look(key, accountOf(key), nowMs);
  }

  /** Costs have changed. */
  reprice(nowMs: number): void {
    for (const key of [...this.seen.keys()]) if (this.seen.has(key)) this.settle(key, nowMs);
  }

  expire(nowMs: number): void {
    while (this.#idle.length > 0 && nowMs - this.seen.get(this.#idle[0]!)!.heartbeatMs >= this.limits.lifetimeMs) {
      this.#remove(this.queued(this.#idle[0]));
      this.#tidy();
    }
  }
}

const isDelegated = ({ codeHash }: AccountState): boolean => bytesToHex(codeHash) !== bytesToHex(KECCAK_EMPTY);

function comparePrice(a: Transaction, b: Transaction, baseFee: bigint): number {
  const differences = [
    effectiveTip(a, baseFee) - effectiveTip(b, baseFee),
    a.maxFeePerGas - b.maxFeePerGas,
    a.maxPriorityFeePerGas - b.maxPriorityFeePerGas,
  ];
  return Number(differences.find((difference) => difference !== 0n) ?? 0n);
}

const comparePlace = (a: NaiveEntry, b: NaiveEntry, baseFee: bigint): number =>
  comparePrice(a.tx, b.tx, baseFee) || Number(b.tx.nonce - a.tx.nonce) || b.order - a.order;
