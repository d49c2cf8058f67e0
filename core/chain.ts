/**
 * The chain's data as every part sees it. Plain data, no behaviour.
 * Addresses are 20 bytes, hashes 32 bytes; amounts are wei as bigint; block times are Unix seconds.
 */

/** Ethereum header fields in RLP order (Prague and later: 21 fields). */
export interface Header {
  readonly parentHash: Uint8Array;
  readonly uncleHash: Uint8Array;
  readonly coinbase: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly transactionsRoot: Uint8Array;
  readonly receiptsRoot: Uint8Array;
  readonly logsBloom: Uint8Array;
  readonly difficulty: bigint;
  readonly number: bigint;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  readonly timestamp: bigint;
  readonly extraData: Uint8Array;
  readonly prevRandao: Uint8Array;
  readonly nonce: Uint8Array;
  readonly baseFeePerGas: bigint;
  readonly withdrawalsRoot: Uint8Array;
  readonly blobGasUsed: bigint;
  readonly excessBlobGas: bigint;
  readonly parentBeaconBlockRoot: Uint8Array;
  readonly requestsHash: Uint8Array;
  /** EIP-7928 and EIP-7843: present on a foreign chain from Amsterdam on, both. */
  readonly blockAccessListHash?: Uint8Array;
  readonly slotNumber?: bigint;
  /** How many of the first 21 a header from before Prague has, on a foreign chain; the others are 0. Absent: all. */
  readonly fieldCount?: 15 | 16 | 17 | 20;
}

export interface AccessListEntry {
  readonly address: Uint8Array;
  readonly storageKeys: readonly Uint8Array[];
}

/** EIP-7702 authorization as signed. */
export interface Authorization {
  readonly chainId: bigint;
  readonly address: Uint8Array;
  readonly nonce: bigint;
  readonly yParity: bigint;
  readonly r: bigint;
  readonly s: bigint;
}

/** What only a deposit has: a transaction that L1 demands, which the chain mints for and nobody signs (OP Stack). */
export interface DepositOrigin {
  /** 32 bytes: which event on L1, so that no two deposits hash equally. */
  readonly sourceHash: Uint8Array;
  /** Credited to the sender before anything else, and kept when the rest fails. */
  readonly mintWei: bigint;
  /** Always false in a valid block; part of the encoding. */
  readonly isSystem: boolean;
}

/** What only a transaction with blobs has (EIP-4844). */
export interface Blobs {
  readonly maxFeePerBlobGas: bigint;
  readonly versionedHashes: readonly Uint8Array[];
}

/**
 * A decoded transaction with its sender: recovered from the signature for types 0 to 4, of which type 3 is on foreign
 * chains only. A deposit (type 0x7e) has no signature and names its sender; its nonce, fees, v, r and s are 0, its
 * chainId absent, its lists empty.
 */
export interface Transaction {
  readonly type: 0 | 1 | 2 | 3 | 4 | 0x7e;
  /** EIP-2718 envelope as it travels and as it is hashed. */
  readonly raw: Uint8Array;
  readonly hash: Uint8Array;
  readonly from: Uint8Array;
  /** Absent for a contract creation. */
  readonly to: Uint8Array | undefined;
  readonly nonce: bigint;
  readonly gasLimit: bigint;
  /** Types 0 and 1: gasPrice in both. */
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly value: bigint;
  readonly data: Uint8Array;
  /** Absent for a deposit and for a type 0 transaction without EIP-155 protection. */
  readonly chainId: bigint | undefined;
  readonly accessList: readonly AccessListEntry[];
  readonly authorizationList: readonly Authorization[];
  /** Type 0: the signed v. Others: 0 or 1. */
  readonly v: bigint;
  readonly r: bigint;
  readonly s: bigint;
  /** Present exactly for type 0x7e. */
  readonly deposit?: DepositOrigin;
  /** Present exactly for type 3. */
  readonly blobs?: Blobs;
}

export interface Log {
  readonly address: Uint8Array;
  readonly topics: readonly Uint8Array[];
  readonly data: Uint8Array;
}

export interface Receipt {
  readonly type: number;
  readonly status: 0 | 1;
  readonly gasUsed: bigint;
  readonly cumulativeGasUsed: bigint;
  readonly effectiveGasPrice: bigint;
  readonly contractAddress: Uint8Array | undefined;
  readonly logsBloom: Uint8Array;
  readonly logs: readonly Log[];
  /** The sender's nonce before the deposit. Present exactly for type 0x7e. */
  readonly depositNonce?: bigint;
  /** Wei paid for the transaction's data on L1, on top of gas. Present for the other types on a chain with an L1. */
  readonly l1Fee?: bigint;
  /** State root after the transaction, in place of `status`, which is 1 then: before Byzantium, on a foreign chain. */
  readonly postState?: Uint8Array;
}

/** EIP-4895: what the beacon chain pays out. */
export interface Withdrawal {
  readonly index: bigint;
  readonly validatorIndex: bigint;
  readonly address: Uint8Array;
  readonly amountGwei: bigint;
}

/** What only blocks of a foreign chain have: another Ethereum chain that has been imported. */
export interface ForeignParts {
  readonly uncles: readonly Header[];
  /** Empty before Shanghai. */
  readonly withdrawals: readonly Withdrawal[];
  /** Wei a unit of blob gas; 0 before Cancun. */
  readonly blobBaseFee: bigint;
  /** Blob gas that fits into the block; 0 before Cancun. */
  readonly maxBlobGas: bigint;
}

/** A block with everything its execution produced; `receipts[i]` belongs to `transactions[i]`. */
export interface ExecutedBlock {
  readonly hash: Uint8Array;
  readonly header: Header;
  readonly transactions: readonly Transaction[];
  readonly receipts: readonly Receipt[];
  readonly foreign?: ForeignParts;
}

/**
 * What followers (indexer, subscriptions) read. Events wake, cursors move: `onCommit` only says that the head
 * advanced; a follower reads every block from its own durable cursor.
 */
export interface ChainSource {
  readonly head: { readonly number: bigint; readonly hash: Uint8Array };
  /** Numbers of the blocks that are safe and final on L1. Absent without an L1: then every block is both. */
  readonly tags?: { readonly safe: bigint; readonly finalized: bigint } | undefined;
  /** Undefined when the number is above the head. */
  block(number: bigint): ExecutedBlock | undefined;
  /** Returns the function that unsubscribes. */
  onCommit(listener: (head: { number: bigint; hash: Uint8Array }) => void): () => void;
}
