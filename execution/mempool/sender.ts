import type { Transaction } from "../../core/chain.ts";

export interface PoolEntry {
  readonly tx: Transaction;
  /** Transaction hash as lower-case hex. */
  readonly key: string;
  readonly sender: SenderTransactions;
  /** Units of 32 KiB, as the pool's capacity is counted. */
  readonly slots: number;
  /** Of its bytes on L1 (tx/l1-fee.ts); undefined while they have been free. */
  dataGas: bigint | undefined;
  /** The most the sender can be charged: gas limit × fee cap + value + L1 fee at the pool's price of it. */
  costWei: bigint;
  /** Order of arrival; breaks ties. */
  readonly sequence: number;
  place: "pending" | "queued" | "gone";
}

/**
 * One sender's transactions by nonce. `pending` runs without a gap from the account's nonce; `queued` holds what comes
 * after a gap, so every queued nonce is above `nextNonce`.
 */
export class SenderTransactions {
  readonly address: Uint8Array;
  readonly key: string;
  /** The account as of the last look at the state. */
  accountNonce = 0n;
  balance = 0n;
  readonly pending: PoolEntry[] = [];
  readonly queued = new Map<bigint, PoolEntry>();
  pendingCostWei = 0n;
  /** When a transaction was last queued here. */
  queuedAtMs = 0;

  constructor(address: Uint8Array, key: string) {
    this.address = address;
    this.key = key;
  }

  get isEmpty(): boolean {
    return this.pending.length === 0 && this.queued.size === 0;
  }

  /** The first nonce that no pending transaction holds. */
  get nextNonce(): bigint {
    return this.accountNonce + BigInt(this.pending.length);
  }

  pendingAt(nonce: bigint): PoolEntry | undefined {
    const index = nonce - this.accountNonce;
    return index < 0n || index >= BigInt(this.pending.length) ? undefined : this.pending[Number(index)];
  }

  at(nonce: bigint): PoolEntry | undefined {
    return this.pendingAt(nonce) ?? this.queued.get(nonce);
  }

  lastQueued(): PoolEntry | undefined {
    let last: PoolEntry | undefined;
    for (const entry of this.queued.values()) {
      if (last === undefined || entry.tx.nonce > last.tx.nonce) last = entry;
    }
    return last;
  }
}
