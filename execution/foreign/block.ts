/** Blocks of foreign chains: bytes -> ethereumjs's objects, which execute, and -> our own, which are stored and served. */
import {
  Block,
  type BlockHeader,
  type BlockHeaderBytes,
  createBlockHeaderFromBytesArray,
  paramsBlock,
} from "@ethereumjs/block";
import { createTxFromBlockBodyData, type TypedTransaction } from "@ethereumjs/tx";
import { createWithdrawal, type WithdrawalBytes } from "@ethereumjs/util";
import { bytesToBigInt, equalsBytes, hexToBytes, ZERO_32 } from "../../core/bytes.ts";
import type { AccessListEntry, Authorization, Header, Transaction } from "../../core/chain.ts";
import { RlpError, type RlpItem, rlpDecode, rlpList, rlpUint } from "../../core/rlp.ts";
import type { BlockDecoding, DecodedBlock } from "../block/block-codec.ts";
import type { Forks } from "./forks.ts";
import { blobTerms } from "./header-rules.ts";

/** What @ethereumjs/vm executes, with the fork whose rules it obeys. */
export interface ForeignBlock {
  readonly fork: string;
  readonly block: Block;
}

/** Throws RlpError or what ethereumjs throws for bytes that are no block of the chain. */
export function foreignBlockFromRaw(raw: Uint8Array, forks: Forks): ForeignBlock {
  const [headerItem, transactions, uncles, withdrawals, ...rest] = rlpList(rlpDecode(raw), "block");
  if (rest.length > 0) throw new RlpError(`block has ${4 + rest.length} parts, at most 4 are known`);
  const { header, fork } = headerFrom(headerItem, forks);
  const common = forks.common(fork);
  const txs = rlpList(transactions, "transactions").map((item) =>
    createTxFromBlockBodyData(item as Uint8Array | Uint8Array[], { common }),
  );
  const uncleHeaders = rlpList(uncles, "uncles").map((item) => headerFrom(item, forks).header);
  const paid =
    withdrawals === undefined
      ? undefined
      : rlpList(withdrawals, "withdrawals").map((item) => {
          const [index, validatorIndex, address, amount] = rlpList(item, "withdrawal") as unknown as WithdrawalBytes;
          return createWithdrawal({ index, validatorIndex, address, amount });
        });
  const block = new Block(header, txs, uncleHeaders, paid, { common, ...BLOCK_OPTIONS });
  if (!equalsBytes(block.serialize(), raw)) throw new RlpError("block is not encoded as its fields are");
  return { fork, block };
}

const BLOCK_OPTIONS = { params: paramsBlock, skipConsensusFormatValidation: true } as const;

/** Each header by the rules of its own fork: an uncle may be older than a fork that its nephew is after. */
function headerFrom(item: RlpItem | undefined, forks: Forks): { readonly header: BlockHeader; readonly fork: string } {
  const fields = rlpList(item, "header");
  if (fields.length < 15) throw new RlpError(`header has ${fields.length} fields, at least 15 are needed`);
  const fork = forks.forkOf({
    difficulty: rlpUint(fields[7], 32, "difficulty"),
    number: rlpUint(fields[8], 8, "number"),
    timestamp: rlpUint(fields[11], 8, "timestamp"),
  });
  const options = { common: forks.common(fork), ...BLOCK_OPTIONS };
  return { header: createBlockHeaderFromBytesArray(fields as BlockHeaderBytes, options), fork };
}

/** As blocks are stored and served. `senderAt` saves the recovery of senders where a trusted store remembers them. */
export function decodeForeignBlock(
  raw: Uint8Array,
  forks: Forks,
  senderAt?: (index: number) => Uint8Array,
): BlockDecoding {
  try {
    return { ok: true, block: decodedBlock(foreignBlockFromRaw(raw, forks), senderAt) };
  } catch (error) {
    // ethereumjs throws plain errors, about fields that do not fit the fork for one.
    return { ok: false, reason: (error as Error).message };
  }
}

export function decodedBlock({ block }: ForeignBlock, senderAt?: (index: number) => Uint8Array): DecodedBlock {
  const header = headerOf(block.header);
  return {
    hash: block.hash(),
    header,
    transactions: block.transactions.map((tx, index) => transactionOf(tx, senderAt?.(index))),
    foreign: {
      uncles: block.uncleHeaders.map(headerOf),
      withdrawals: (block.withdrawals ?? []).map(({ index, validatorIndex, address, amount }) => ({
        index,
        validatorIndex,
        address: address.bytes,
        amountGwei: amount,
      })),
      ...blobTerms(header, block.common),
    },
  };
}

export function headerOf(header: BlockHeader): Header {
  const count = header.raw().length;
  return {
    parentHash: header.parentHash,
    uncleHash: header.uncleHash,
    coinbase: header.coinbase.bytes,
    stateRoot: header.stateRoot,
    transactionsRoot: header.transactionsTrie,
    receiptsRoot: header.receiptTrie,
    logsBloom: header.logsBloom,
    difficulty: header.difficulty,
    number: header.number,
    gasLimit: header.gasLimit,
    gasUsed: header.gasUsed,
    timestamp: header.timestamp,
    extraData: header.extraData,
    prevRandao: header.mixHash,
    nonce: header.nonce,
    baseFeePerGas: header.baseFeePerGas ?? 0n,
    withdrawalsRoot: header.withdrawalsRoot ?? ZERO_32,
    blobGasUsed: header.blobGasUsed ?? 0n,
    excessBlobGas: header.excessBlobGas ?? 0n,
    parentBeaconBlockRoot: header.parentBeaconBlockRoot ?? ZERO_32,
    requestsHash: header.requestsHash ?? ZERO_32,
    ...(header.blockAccessListHash && {
      blockAccessListHash: header.blockAccessListHash,
      slotNumber: header.slotNumber ?? 0n,
    }),
    ...(count < 21 && { fieldCount: count as NonNullable<Header["fieldCount"]> }),
  };
}

function transactionOf(tx: TypedTransaction, sender: Uint8Array | undefined): Transaction {
  const isDynamic = "maxFeePerGas" in tx;
  const maxFeePerGas = isDynamic ? tx.maxFeePerGas : tx.gasPrice;
  return {
    type: tx.type as Transaction["type"],
    raw: tx.serialize(),
    hash: tx.hash(),
    from: sender ?? tx.getSenderAddress().bytes,
    to: tx.to?.bytes,
    nonce: tx.nonce,
    gasLimit: tx.gasLimit,
    maxFeePerGas,
    maxPriorityFeePerGas: isDynamic ? tx.maxPriorityFeePerGas : maxFeePerGas,
    value: tx.value,
    data: tx.data,
    chainId: tx.type === 0 ? legacyChainId(tx.v!) : tx.common.chainId(),
    accessList: "accessList" in tx ? tx.accessList.map(accessListEntry) : [],
    authorizationList: "authorizationList" in tx ? tx.authorizationList.map(authorization) : [],
    v: tx.v!,
    r: tx.r!,
    s: tx.s!,
    ...("blobVersionedHashes" in tx && {
      blobs: { maxFeePerBlobGas: tx.maxFeePerBlobGas, versionedHashes: tx.blobVersionedHashes.map(hexToBytes) },
    }),
  };
}

/** EIP-155. */
const legacyChainId = (v: bigint): bigint | undefined => (v >= 35n ? (v - 35n) / 2n : undefined);

const accessListEntry = ([address, storageKeys]: readonly [Uint8Array, readonly Uint8Array[]]): AccessListEntry => ({
  address,
  storageKeys,
});

const authorization = ([chainId, address, nonce, yParity, r, s]: readonly [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
]): Authorization => ({
  chainId: bytesToBigInt(chainId),
  address,
  nonce: bytesToBigInt(nonce),
  yParity: bytesToBigInt(yParity),
  r: bytesToBigInt(r),
  s: bytesToBigInt(s),
});
