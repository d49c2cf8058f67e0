/** The mempool as RPC sees it, which may be in another thread. */
import type { Transaction } from "../../core/chain.ts";
import type { AddResult, Mempool, SenderContent } from "../../execution/mempool.ts";

export interface Pool {
  /** Wei a unit of gas; a transaction with less is not taken. */
  readonly minTipWei: bigint;
  submit(tx: Transaction): Promise<AddResult>;
  get(hash: Uint8Array): Promise<Transaction | undefined>;
  /** The sender's next nonce after its pending transactions; undefined when nothing of it waits. */
  pendingNonce(address: Uint8Array): Promise<bigint | undefined>;
  counts(): Promise<PoolCounts>;
  /** One sender's transactions, or everybody's. Undefined when these have more bytes than `maxBytes`. */
  content(address: Uint8Array | undefined, maxBytes: number): Promise<readonly SenderContent[] | undefined>;
  /** What a block with that base fee would take, the best first, within the gas and `maxBytes`. */
  best(baseFeePerGas: bigint, gasLimit: bigint, maxBytes: number): Promise<readonly Transaction[]>;
  /** Called for each transaction that becomes pending. Returns the unsubscriber. */
  onPending(listener: (tx: Transaction) => void): () => void;
}

export interface PoolCounts {
  readonly pending: number;
  readonly queued: number;
}

/** A mempool of this thread. */
export class LocalPool implements Pool {
  readonly minTipWei: bigint;
  readonly #mempool: Mempool;
  readonly #submit: (tx: Transaction) => AddResult | Promise<AddResult>;

  constructor(mempool: Mempool, submit: (tx: Transaction) => AddResult | Promise<AddResult>) {
    this.#mempool = mempool;
    this.#submit = submit;
    this.minTipWei = mempool.limits.minTipWei;
  }

  async submit(tx: Transaction): Promise<AddResult> {
    return this.#submit(tx);
  }

  async get(hash: Uint8Array): Promise<Transaction | undefined> {
    return this.#mempool.get(hash);
  }

  async pendingNonce(address: Uint8Array): Promise<bigint | undefined> {
    return this.#mempool.pendingNonce(address);
  }

  async counts(): Promise<PoolCounts> {
    const { pending, queued } = this.#mempool.counts;
    return { pending, queued };
  }

  async content(address: Uint8Array | undefined, maxBytes: number): Promise<readonly SenderContent[] | undefined> {
    const content = this.#mempool.content(address);
    let bytes = 0;
    for (const { pending, queued } of content) {
      for (const tx of [...pending, ...queued]) bytes += tx.raw.length;
    }
    return bytes > maxBytes ? undefined : content;
  }

  async best(baseFeePerGas: bigint, gasLimit: bigint, maxBytes: number): Promise<readonly Transaction[]> {
    const chosen: Transaction[] = [];
    let gas = 0n;
    let bytes = 0;
    const candidates = this.#mempool.candidates(baseFeePerGas);
    for (let tx = candidates.next(); tx !== undefined; tx = candidates.next()) {
      if (gas + tx.gasLimit > gasLimit || bytes + tx.raw.length > maxBytes) {
        candidates.skipSender();
        continue;
      }
      gas += tx.gasLimit;
      bytes += tx.raw.length;
      chosen.push(tx);
    }
    return chosen;
  }

  onPending(listener: (tx: Transaction) => void): () => void {
    return this.#mempool.onPending(listener);
  }
}
