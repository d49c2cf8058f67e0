/** Where an index gets its blocks: the chain of its node, or another node's by RPC. */
import type { ChainSource, Header, Receipt, Transaction } from "../core/chain.ts";

/** What the projection reads of a block. */
export interface SourceBlock {
  readonly hash: Uint8Array;
  readonly header: Pick<Header, "number" | "parentHash" | "timestamp" | "gasUsed">;
  readonly transactions: readonly Pick<Transaction, "hash" | "from" | "to" | "value" | "deposit">[];
  /** One a transaction. */
  readonly receipts: readonly Pick<Receipt, "status" | "logs">[];
}

/** As core/chain.ts ChainSource, but a block may take its time. */
export interface BlockSource extends Pick<ChainSource, "head" | "tags" | "onCommit"> {
  /** Undefined when the number is above the head. */
  block(number: bigint): SourceBlock | undefined | Promise<SourceBlock | undefined>;
}
