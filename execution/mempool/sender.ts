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
  /** Keys of the addresses that signed its authorizations (EIP-7702), each once. */
  readonly authorities: readonly string[];
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
  /** Whether it has code, as only a delegated account that sends has: others can then move its balance and nonce. */
  isDelegated = false;
  readonly pending: PoolEntry[] = [];
  readonly queued = new Map<bigint, PoolEntry>();
  pendingCostWei = 0n;
  /** When the queue began, or a transaction became pending since. */
  heartbeatMs = 0;

  constructor(address: Uint8Array, key: string) {
    this.address = address;
    this.key = key;
  }

  get count(): number {
    return this.pending.length + this.queued.size;
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
