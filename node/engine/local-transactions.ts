/**
 * What was submitted to this node is kept until it is mined or can never be: it survives a restart in the journal, and
 * goes into the pool again when it fell out of it. What peers sent is theirs to keep.
 */
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { AddResult, Mempool } from "../../execution/mempool.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import type { Chain } from "../chain.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { lineBytes, openJournal, type TransactionJournal } from "./transaction-journal.ts";

/** Between looks at what is kept. */
const CHECK_EVERY_MS = 60_000;
/** Attempts to get one back into the pool: a day of them. */
const MOST_ATTEMPTS = 1_440;
/** The journal may have this much of what is not kept any more, besides as much as of what is. */
const SLACK_BYTES = 16 * 1024 * 1024;

/** Refusals that say nothing for ever: the pool or the account may be otherwise later. */
const TEMPORARY: ReadonlySet<string> = new Set([
  "already-known",
  "insufficient-funds",
  "underpriced",
  "replacement-underpriced",
  "sender-limit",
  "future-replaces-pending",
  "full",
  "delegated-gap",
  "delegated-limit",
  "authority-reserved",
]);

export interface LocalParts {
  readonly chain: Pick<Chain, "chainId" | "genesisHash" | "headState" | "block" | "onCommit">;
  readonly mempool: Mempool;
  readonly clock: Clock;
  readonly log: Logger;
  /** Longest time between two journals without what is not kept any more. */
  readonly rejournalMs: number;
  /** Into the pool, and to the peers. */
  readonly submit: (tx: Transaction) => AddResult;
}

interface Kept {
  readonly tx: Transaction;
  attempts: number;
}

/** Puts what the journal has into the pool again. Throws as openJournal does. */
export async function openLocalTransactions(path: string, parts: LocalParts): Promise<LocalTransactions> {
  const { journal, raws } = await openJournal(path, parts.chain.genesisHash, parts.log);
  const locals = new LocalTransactions(journal, parts);
  await locals.load(raws);
  return locals;
}

export class LocalTransactions {
  readonly #parts: LocalParts;
  readonly #journal: TransactionJournal;
  /** By hash, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  #lineBytes = 0;
  #rejournalAtMs: number;
  #isRewriting = false;
  readonly #unfollow: () => void;
  #cancel: () => void;

  /** `journal` is closed at the end. */
  constructor(journal: TransactionJournal, parts: LocalParts) {
    const { chain, clock, rejournalMs } = parts;
    this.#parts = parts;
    this.#journal = journal;
    this.#rejournalAtMs = clock.nowMs() + rejournalMs;
    this.#unfollow = chain.onCommit(({ number }) => {
      if (this.#kept.size > 0) for (const tx of chain.block(number)?.transactions ?? []) this.#forget(keyOf(tx));
    });
    this.#cancel = this.#checkLater();
  }

  get count(): number {
    return this.#kept.size;
  }

  /** What the journal had goes into the pool again, in its order; then the journal has only what is kept. */
  async load(raws: readonly Uint8Array[]): Promise<void> {
    if (raws.length === 0) return;
    const { chain, log } = this.#parts;
    for (const raw of raws) {
      const decoded = decodeTransaction(raw, chain.chainId);
      if (decoded.ok) this.#offer(this.#keep(decoded.tx));
    }
    log.info({ transactions: this.#kept.size, dropped: raws.length - this.#kept.size }, "local transactions loaded");
    await this.#rejournal();
  }

  /** Once the answer says that the pool took it, the journal has it. */
  submit(tx: Transaction): AddResult {
    const result = this.#parts.submit(tx);
    if (!result.ok) return result;
    if (result.replaced !== undefined) this.#forget(bytesToHex(result.replaced));
    this.#keep(tx);
    this.#journal.append(tx.raw);
    if (this.#journal.sizeBytes > 2 * this.#lineBytes + SLACK_BYTES) void this.#rejournal();
    return result;
  }

  /** Forgets what is stale, and offers to the pool what it lost. */
  check(): void {
    const { chain, mempool, clock, log } = this.#parts;
    const state = chain.headState;
    let lost = 0;
    for (const [key, kept] of this.#kept) {
      if (mempool.get(kept.tx.hash) !== undefined) continue;
      if (kept.tx.nonce < (state.account(kept.tx.from)?.nonce ?? 0n)) this.#forget(key);
      else {
        lost++;
        this.#offer(kept);
      }
    }
    if (lost > 0) log.debug({ lost, kept: this.#kept.size }, "local transactions offered to the pool again");
    if (clock.nowMs() >= this.#rejournalAtMs) void this.#rejournal();
  }

  async stop(): Promise<void> {
    this.#cancel();
    this.#unfollow();
    await this.#journal.close();
  }

  #checkLater(): () => void {
    const { clock } = this.#parts;
    return clock.at(clock.nowMs() + CHECK_EVERY_MS, () => {
      this.check();
      this.#cancel = this.#checkLater();
    });
  }

  #offer(kept: Kept): void {
    const { log, submit } = this.#parts;
    const result = submit(kept.tx);
    kept.attempts++;
    if (result.ok && result.replaced !== undefined) this.#forget(bytesToHex(result.replaced));
    const isHopeless = (!result.ok && !TEMPORARY.has(result.code)) || kept.attempts > MOST_ATTEMPTS;
    if (!isHopeless) return;
    const hash = bytesToHex(kept.tx.hash);
    this.#forget(hash);
    log.debug({ hash, reason: result.ok ? "the pool loses it again and again" : result.message }, "given up");
  }

  #keep(tx: Transaction): Kept {
    const kept = { tx, attempts: 0 };
    this.#forget(keyOf(tx));
    this.#kept.set(keyOf(tx), kept);
    this.#lineBytes += lineBytes(tx.raw);
    this.#shed();
    return kept;
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#lineBytes -= lineBytes(kept.tx.raw);
  }

  /**
   * Keeps at most twice what the pool holds, so that what is in the pool is always kept: the oldest that is not goes
   * first. Sheds a quarter at a time.
   */
  #shed(): void {
    const { mempool } = this.#parts;
    const most = 2 * (mempool.limits.pendingSlots + mempool.limits.queuedSlots);
    if (this.#kept.size <= most) return;
    for (const [key, { tx }] of this.#kept) {
      if (this.#kept.size <= (most * 3) / 4) return;
      if (mempool.get(tx.hash) === undefined) this.#forget(key);
    }
  }

  /** Never rejects: until it has been written anew the journal goes on as it is. */
  async #rejournal(): Promise<void> {
    const { clock, log, rejournalMs } = this.#parts;
    if (this.#isRewriting) return;
    this.#isRewriting = true;
    this.#rejournalAtMs = clock.nowMs() + rejournalMs;
    try {
      await this.#journal.rewrite(() => [...this.#kept.values()].map(({ tx }) => tx.raw));
    } catch (err) {
      log.warn({ err }, "the journal of local transactions could not be written anew");
    }
    this.#isRewriting = false;
  }
}

const keyOf = (tx: Transaction): string => bytesToHex(tx.hash);
