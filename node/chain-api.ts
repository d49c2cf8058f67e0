/** What the chain offers to RPC, driver and followers. Implemented by node/chain.ts. */
import type { ChainSource, ExecutedBlock, Receipt, Transaction } from "../core/chain.ts";
import type { StateReader } from "../execution/state/types.ts";
import type { BlockLogs } from "./block-logs.ts";

export type BlockTag = "latest" | "safe" | "finalized" | "earliest" | "pending";
export type BlockSelector = { readonly number: bigint } | { readonly hash: Uint8Array } | { readonly tag: BlockTag };

export interface TransactionLocation {
  readonly block: ExecutedBlock;
  readonly index: number;
  readonly transaction: Transaction;
  readonly receipt: Receipt;
}

export interface ChainApi extends ChainSource {
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  /** Undefined for a block that is not there. "pending" answers as "latest" here; RPC builds the pending view. */
  find(selector: BlockSelector): ExecutedBlock | undefined;
  /** As `block`, only its logs. */
  logs(number: bigint): BlockLogs | undefined;
  transaction(hash: Uint8Array): TransactionLocation | undefined;
  /** State after the block. Undefined when it has been pruned. */
  state(block: ExecutedBlock): StateReader | undefined;
  /** Base fee that the block after `head` will have (EIP-1559). */
  nextBaseFee(): bigint;
  /**
   * What the next block would be without transactions: the head's state in the environment of number + 1, for calls and
   * estimates of what is about to be sent. It has no hash of its own.
   */
  next(timestamp: bigint): ExecutedBlock;
}
