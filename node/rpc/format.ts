/** Domain values -> JSON shapes of the execution-apis specification, with the fields that geth adds. */
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import type {
  AccessListEntry,
  ExecutedBlock,
  Header,
  Log,
  Receipt,
  Transaction,
  Withdrawal,
} from "../../core/chain.ts";
import { rlpListHeader, rlpStringSize } from "../../core/rlp.ts";
import { encodeBlock, hasWithdrawals } from "../../execution/block/block-codec.ts";
import { encodeHeader, hashHeader } from "../../execution/block/header.ts";
import { l1AttributesOf } from "../../execution/block/receipts.ts";
import { effectiveGasPrice } from "../../execution/tx/derive.ts";
import { dataGas } from "../../execution/tx/l1-fee.ts";
import type { SyncStatus } from "./context.ts";

export function toQuantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Header fields as in blocks and in `newHeads`; without those that its fork did not have yet. */
export function formatHeader(header: Header, hash: Uint8Array): JsonObject {
  const count = header.fieldCount ?? ALL_FIELDS;
  return {
    number: toQuantity(header.number),
    hash: bytesToHex(hash),
    parentHash: bytesToHex(header.parentHash),
    nonce: bytesToHex(header.nonce),
    mixHash: bytesToHex(header.prevRandao),
    sha3Uncles: bytesToHex(header.uncleHash),
    logsBloom: bytesToHex(header.logsBloom),
    transactionsRoot: bytesToHex(header.transactionsRoot),
    stateRoot: bytesToHex(header.stateRoot),
    receiptsRoot: bytesToHex(header.receiptsRoot),
    miner: bytesToHex(header.coinbase),
    difficulty: toQuantity(header.difficulty),
    extraData: bytesToHex(header.extraData),
    gasLimit: toQuantity(header.gasLimit),
    gasUsed: toQuantity(header.gasUsed),
    timestamp: toQuantity(header.timestamp),
    ...(count >= 16 && { baseFeePerGas: toQuantity(header.baseFeePerGas) }),
    ...(count >= 17 && { withdrawalsRoot: bytesToHex(header.withdrawalsRoot) }),
    ...(count >= 20 && {
      blobGasUsed: toQuantity(header.blobGasUsed),
      excessBlobGas: toQuantity(header.excessBlobGas),
      parentBeaconBlockRoot: bytesToHex(header.parentBeaconBlockRoot),
    }),
    ...(count >= ALL_FIELDS && { requestsHash: bytesToHex(header.requestsHash) }),
    ...(header.blockAccessListHash && {
      blockAccessListHash: bytesToHex(header.blockAccessListHash),
      slotNumber: toQuantity(header.slotNumber ?? 0n),
    }),
  };
}

/** Since Prague. */
const ALL_FIELDS = 21;

export function formatBlock(block: ExecutedBlock, fullTransactions: boolean): JsonObject {
  return {
    ...formatHeader(block.header, block.hash),
    size: toQuantity(blockSize(block)),
    transactions: fullTransactions
      ? block.transactions.map((tx, index) => formatTransaction(tx, { block, index }))
      : block.transactions.map((tx) => bytesToHex(tx.hash)),
    uncles: block.foreign?.uncles.map((uncle) => bytesToHex(hashHeader(uncle))) ?? [],
    ...(hasWithdrawals(block.header) && { withdrawals: block.foreign?.withdrawals.map(formatWithdrawal) ?? [] }),
  };
}

const formatWithdrawal = ({ index, validatorIndex, address, amountGwei }: Withdrawal): JsonObject => ({
  index: toQuantity(index),
  validatorIndex: toQuantity(validatorIndex),
  address: bytesToHex(address),
  amount: toQuantity(amountGwei),
});

/** As geth: the block that the uncle's header would be alone. */
export function formatUncle(uncle: Header): JsonObject {
  const size = toQuantity(encodeBlock({ header: uncle, transactions: [] }).length);
  return { ...formatHeader(uncle, hashHeader(uncle)), size, uncles: [] };
}

/** OP Stack, Canyon. */
const DEPOSIT_RECEIPT_VERSION = "0x1";

/** `place` is absent for a pending transaction: its block fields are null and gasPrice is the fee cap. */
export function formatTransaction(
  tx: Transaction,
  place?: { readonly block: ExecutedBlock; readonly index: number },
): JsonObject {
  const header = place?.block.header;
  const common = {
    blockHash: place === undefined ? null : bytesToHex(place.block.hash),
    blockNumber: header === undefined ? null : toQuantity(header.number),
    blockTimestamp: header === undefined ? null : toQuantity(header.timestamp),
    transactionIndex: place === undefined ? null : toQuantity(place.index),
    hash: bytesToHex(tx.hash),
    type: toQuantity(tx.type),
    from: bytesToHex(tx.from),
    to: tx.to === undefined ? null : bytesToHex(tx.to),
    nonce: toQuantity(tx.nonce),
    gas: toQuantity(tx.gasLimit),
    gasPrice: toQuantity(header === undefined ? tx.maxFeePerGas : effectiveGasPrice(tx, header.baseFeePerGas)),
    value: toQuantity(tx.value),
    input: bytesToHex(tx.data),
    v: toQuantity(tx.v),
    r: toQuantity(tx.r),
    s: toQuantity(tx.s),
  };
  if (tx.deposit !== undefined) {
    const { sourceHash, mintWei, isSystem } = tx.deposit;
    const depositNonce = place?.block.receipts[place.index]?.depositNonce ?? 0n;
    return {
      ...common,
      nonce: toQuantity(depositNonce),
      sourceHash: bytesToHex(sourceHash),
      ...(mintWei > 0n && { mint: toQuantity(mintWei) }),
      ...(isSystem && { isSystemTx: true }),
      depositReceiptVersion: DEPOSIT_RECEIPT_VERSION,
    };
  }
  if (tx.type === 0) return tx.chainId === undefined ? common : { ...common, chainId: toQuantity(tx.chainId) };
  const typed = {
    ...common,
    chainId: toQuantity(tx.chainId ?? 0n),
    accessList: formatAccessList(tx.accessList),
    yParity: toQuantity(tx.v),
  };
  if (tx.type === 1) return typed;
  const dynamic = {
    ...typed,
    maxFeePerGas: toQuantity(tx.maxFeePerGas),
    maxPriorityFeePerGas: toQuantity(tx.maxPriorityFeePerGas),
  };
  if (tx.type === 2) return dynamic;
  if (tx.blobs !== undefined) {
    return {
      ...dynamic,
      maxFeePerBlobGas: toQuantity(tx.blobs.maxFeePerBlobGas),
      blobVersionedHashes: tx.blobs.versionedHashes.map((hash) => bytesToHex(hash)),
    };
  }
  return {
    ...dynamic,
    authorizationList: tx.authorizationList.map((authorization) => ({
      chainId: toQuantity(authorization.chainId),
      address: bytesToHex(authorization.address),
      nonce: toQuantity(authorization.nonce),
      yParity: toQuantity(authorization.yParity),
      r: toQuantity(authorization.r),
      s: toQuantity(authorization.s),
    })),
  };
}

export const formatAccessList = (entries: readonly AccessListEntry[]): Json =>
  entries.map(({ address, storageKeys }) => ({
    address: bytesToHex(address),
    storageKeys: storageKeys.map((key) => bytesToHex(key)),
  }));

/** `firstLogIndex` is the number of logs of the block's earlier transactions. */
export function formatReceipt(block: ExecutedBlock, index: number, firstLogIndex: number): JsonObject {
  const tx = block.transactions[index]!;
  const receipt = block.receipts[index]!;
  return {
    transactionHash: bytesToHex(tx.hash),
    transactionIndex: toQuantity(index),
    blockHash: bytesToHex(block.hash),
    blockNumber: toQuantity(block.header.number),
    from: bytesToHex(tx.from),
    to: tx.to === undefined ? null : bytesToHex(tx.to),
    cumulativeGasUsed: toQuantity(receipt.cumulativeGasUsed),
    gasUsed: toQuantity(receipt.gasUsed),
    effectiveGasPrice: toQuantity(receipt.effectiveGasPrice),
    contractAddress: receipt.contractAddress === undefined ? null : bytesToHex(receipt.contractAddress),
    logs: receipt.logs.map((log, i) => formatLog(log, block, { hash: tx.hash, index }, firstLogIndex + i)),
    logsBloom: bytesToHex(receipt.logsBloom),
    ...(receipt.postState === undefined
      ? { status: toQuantity(receipt.status) }
      : { root: bytesToHex(receipt.postState) }),
    type: toQuantity(receipt.type),
    ...(tx.blobs !== undefined && {
      blobGasUsed: toQuantity(GAS_PER_BLOB * tx.blobs.versionedHashes.length),
      blobGasPrice: toQuantity(block.foreign?.blobBaseFee ?? 0n),
    }),
    ...opStackFields(block, tx, receipt),
  };
}

/** EIP-4844. */
const GAS_PER_BLOB = 131_072;

/** What op-geth adds to a receipt on a chain with an L1. `l1FeeScalar` is of the formula before Ecotone. */
function opStackFields({ transactions }: ExecutedBlock, tx: Transaction, receipt: Receipt): JsonObject {
  const { depositNonce, l1Fee } = receipt;
  if (depositNonce !== undefined) {
    return { depositNonce: toQuantity(depositNonce), depositReceiptVersion: DEPOSIT_RECEIPT_VERSION };
  }
  const l1 = l1Fee === undefined ? undefined : l1AttributesOf(transactions);
  if (l1 === undefined || l1Fee === undefined) return {};
  return {
    l1Fee: toQuantity(l1Fee),
    l1GasUsed: toQuantity(dataGas(tx.raw)),
    l1GasPrice: toQuantity(l1.baseFeeWei),
    l1BlobBaseFee: toQuantity(l1.blobBaseFeeWei),
    l1BaseFeeScalar: toQuantity(l1.baseFeeScalar),
    l1BlobBaseFeeScalar: toQuantity(l1.blobBaseFeeScalar),
    l1FeeScalar: null,
  };
}

/** The block that a log is in. */
interface LogPlace {
  readonly hash: Uint8Array;
  readonly header: Pick<Header, "number" | "timestamp">;
}

export function formatLog(
  log: Log,
  block: LogPlace,
  transaction: { readonly hash: Uint8Array; readonly index: number },
  logIndex: number,
): JsonObject {
  return {
    address: bytesToHex(log.address),
    topics: log.topics.map((topic) => bytesToHex(topic)),
    data: bytesToHex(log.data),
    blockNumber: toQuantity(block.header.number),
    blockHash: bytesToHex(block.hash),
    blockTimestamp: toQuantity(block.header.timestamp),
    transactionHash: bytesToHex(transaction.hash),
    transactionIndex: toQuantity(transaction.index),
    logIndex: toQuantity(logIndex),
    removed: false,
  };
}

export const formatSyncStatus = ({ startingBlock, currentBlock, highestBlock }: SyncStatus): JsonObject => ({
  startingBlock: toQuantity(startingBlock),
  currentBlock: toQuantity(currentBlock),
  highestBlock: toQuantity(highestBlock),
});

export function logsBefore(receipts: readonly Receipt[], index: number): number {
  let count = 0;
  for (let i = 0; i < index; i++) count += receipts[i]!.logs.length;
  return count;
}

/** Bytes of `rlp([header, transactions, uncles, withdrawals])`; the last two are empty but on a foreign chain. */
function blockSize(block: ExecutedBlock): number {
  if (block.foreign !== undefined) return encodeBlock(block).length;
  let transactions = 0;
  for (const tx of block.transactions) transactions += tx.type === 0 ? tx.raw.length : rlpStringSize(tx.raw);
  const content = encodeHeader(block.header).length + listSize(transactions) + 2;
  return listSize(content);
}

function listSize(contentBytes: number): number {
  return rlpListHeader(contentBytes).length + contentBytes;
}
