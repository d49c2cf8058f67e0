import type { Transaction } from "../../core/chain.ts";
import { effectiveTip } from "../tx/derive.ts";
import { Heap } from "./heap.ts";

import type { PoolEntry, SenderTransactions } from "./sender.ts";

interface Cursor {
  readonly sender: SenderTransactions;
  entry: PoolEntry;
  tip: bigint;
}

/**
 * Pending transactions for one block: best effective tip first, in nonce order within a sender, of equal tips the
 * earlier one first. Reads the pool live, so it stays valid while transactions arrive or are replaced; senders that
 * arrive later are not included. One heap element a sender: O(senders) to begin, O(log senders) a transaction.
 */
export class Candidates implements Iterable<Transaction> {
  readonly #baseFeePerGas: bigint;
  readonly #heap: Heap<Cursor>;
  #current: Cursor | undefined;

  constructor(senders: Iterable<SenderTransactions>, baseFeePerGas: bigint) {
    this.#baseFeePerGas = baseFeePerGas;
    const cursors: Cursor[] = [];
    for (const sender of senders) {
      const entry = sender.pending[0];
      const tip = entry === undefined ? -1n : effectiveTip(entry.tx, baseFeePerGas);
      if (entry !== undefined && tip >= 0n) cursors.push({ sender, entry, tip });
    }
    this.#heap = new Heap<Cursor>(
      (a, b) => a.tip > b.tip || (a.tip === b.tip && a.entry.sequence < b.entry.sequence),
      cursors,
    );
  }

  /** The next transaction, or undefined at the end. */
  next(): Transaction | undefined {
    this.#advance();
    for (;;) {
      const cursor = this.#heap.top;
      if (cursor === undefined) return undefined;
      // What was dropped or replaced since the cursor stood here: look again at the same nonce.
      if (cursor.entry.place !== "pending") {
        this.#moveTo(cursor, cursor.entry.tx.nonce);
        continue;
      }
      this.#current = cursor;
      return cursor.entry.tx;
    }
  }

  /** Leaves out what the sender of the last transaction still has: that one did not fit or was invalid. */
  skipSender(): void {
    if (this.#current === undefined) return;
    this.#current = undefined;
    this.#heap.pop();
  }

  *[Symbol.iterator](): Iterator<Transaction> {
    for (let tx = this.next(); tx !== undefined; tx = this.next()) yield tx;
  }

  #advance(): void {
    const cursor = this.#current;
    this.#current = undefined;
    if (cursor !== undefined) this.#moveTo(cursor, cursor.entry.tx.nonce + 1n);
  }

  /** Precondition: `cursor` is the top. */
  #moveTo(cursor: Cursor, nonce: bigint): void {
    const entry = cursor.sender.pendingAt(nonce);
    const tip = entry === undefined ? -1n : effectiveTip(entry.tx, this.#baseFeePerGas);
    if (entry === undefined || tip < 0n) {
      this.#heap.pop();
      return;
    }
    cursor.entry = entry;
    cursor.tip = tip;
    this.#heap.settleTop();
  }
}
