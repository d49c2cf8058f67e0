/**
 * A block of L1 as far as L2 needs it, taken from a header and receipts that were verified. Plain data; its encoding is
 * how a node keeps it.
 */
import { EMPTY_BYTES } from "../core/bytes.ts";
import type { Log } from "../core/chain.ts";
import {
  RlpError,
  type RlpInput,
  type RlpItem,
  rlpDecode,
  rlpEncode,
  rlpFixed,
  rlpList,
  rlpString,
  rlpUint,
} from "../core/rlp.ts";

/** A log and where it stands. */
export interface L1Log extends Log {
  /** In its block. */
  readonly logIndex: number;
  /** Of its transaction in the block. */
  readonly transactionIndex: number;
}

export interface L1Block {
  readonly number: bigint;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  /** Unix seconds. */
  readonly timestamp: bigint;
  readonly baseFeeWei: bigint;
  readonly blobBaseFeeWei: bigint;
  readonly prevRandao: Uint8Array;
  readonly parentBeaconBlockRoot: Uint8Array;
  /** The portal's TransactionDeposited, in order. */
  readonly deposits: readonly L1Log[];
  /** The batch inbox's BatchPosted and the oracle's OutputProposed, in order. */
  readonly posts: readonly L1Log[];
}

/** rlp([number, hash, parentHash, timestamp, baseFee, blobBaseFee, prevRandao, parentBeaconBlockRoot, deposits, posts]) */
export function encodeL1Block(block: L1Block): Uint8Array {
  return rlpEncode([
    block.number,
    block.hash,
    block.parentHash,
    block.timestamp,
    block.baseFeeWei,
    block.blobBaseFeeWei,
    block.prevRandao,
    block.parentBeaconBlockRoot,
    block.deposits.map(logFields),
    block.posts.map(logFields),
  ]);
}

/** Throws RlpError. */
export function decodeL1Block(bytes: Uint8Array): L1Block {
  const fields = rlpList(rlpDecode(bytes), "L1 block");
  if (fields.length !== 10) throw new RlpError(`L1 block has ${fields.length} fields instead of 10`);
  return {
    number: rlpUint(fields[0], 8, "number"),
    hash: rlpFixed(fields[1], 32, "hash"),
    parentHash: rlpFixed(fields[2], 32, "parentHash"),
    timestamp: rlpUint(fields[3], 8, "timestamp"),
    baseFeeWei: rlpUint(fields[4], 32, "baseFee"),
    blobBaseFeeWei: rlpUint(fields[5], 32, "blobBaseFee"),
    prevRandao: rlpFixed(fields[6], 32, "prevRandao"),
    parentBeaconBlockRoot: rlpFixed(fields[7], 32, "parentBeaconBlockRoot"),
    deposits: rlpList(fields[8], "deposits").map(logOf),
    posts: rlpList(fields[9], "posts").map(logOf),
  };
}

const logFields = ({ address, topics, data, logIndex, transactionIndex }: L1Log): RlpInput => [
  address,
  topics,
  data,
  BigInt(logIndex),
  BigInt(transactionIndex),
];

function logOf(item: RlpItem): L1Log {
  const [address, topics, data, logIndex, transactionIndex] = rlpList(item, "log");
  return {
    address: rlpFixed(address, 20, "address"),
    topics: rlpList(topics, "topics").map((topic) => rlpFixed(topic, 32, "topic")),
    data: rlpString(data ?? EMPTY_BYTES, Number.MAX_SAFE_INTEGER, "data"),
    logIndex: Number(rlpUint(logIndex, 4, "log index")),
    transactionIndex: Number(rlpUint(transactionIndex, 4, "transaction index")),
  };
}
