/**
 * The L1 that a network is anchored to: section `l1` of its file. A network without it has no deposits, no withdrawals
 * and a zero origin in every block.
 */
import { bigIntToFixed, concatBytes, padTo32 } from "../core/bytes.ts";
import type { Json, Reader } from "./reader.ts";

export interface L1Parameters {
  /** Of L1. */
  readonly chainId: bigint;
  /** 20 bytes each: contracts on L1, proxies where they can be upgraded. */
  readonly portal: Uint8Array;
  /** Also the contract that votes name (consensus/scheme.ts, Domain). */
  readonly oracle: Uint8Array;
  readonly inbox: Uint8Array;
  readonly registry: Uint8Array;
  readonly token: Uint8Array;
  readonly systemConfig: Uint8Array;
  readonly l1StandardBridge: Uint8Array;
  readonly l1Messenger: Uint8Array;
  /** The genesis block's L1 origin. Deposits of later L1 blocks reach L2. */
  readonly origin: L1Origin;
  /** From when on an L1 block counts. */
  readonly finality: L1Finality;
  /** When a block's time is more than this after its origin's, the origin has to advance. */
  readonly maxDriftSeconds: number;
}

export interface L1Origin {
  readonly number: bigint;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** Unix seconds. */
  readonly timestamp: bigint;
}

/** L1's own tag, or this many blocks on top of it. */
export type L1Finality = "finalized" | { readonly depth: number };

/** Of anvil and other chains for development: blocks are cheap there, and nothing is worth anything. */
export const DEV_L1_CHAIN_ID = 31_337n;

const ADDRESSES = [
  "portal",
  "oracle",
  "inbox",
  "registry",
  "token",
  "systemConfig",
  "l1StandardBridge",
  "l1Messenger",
] as const;
const FIELDS = ["chainId", ...ADDRESSES, "origin", "finality", "maxDriftSeconds"];
const ORIGIN_FIELDS = ["number", "hash", "timestamp"];

const MAX_DEPTH = 100_000;
/** Thirty days: with a longer one nobody could say that deposits are forced. */
const MAX_DRIFT_SECONDS = 30 * 86_400;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Adds to the reader's problems. `time`: of the genesis block, Unix seconds. */
export function parseL1(reader: Reader, value: Json, time: bigint): L1Parameters {
  const fields = reader.object(value, "l1", FIELDS);
  const address = (name: (typeof ADDRESSES)[number]): Uint8Array => reader.bytes(fields[name], `l1.${name}`, 20);
  const { number, hash, timestamp } = reader.object(fields.origin, "l1.origin", ORIGIN_FIELDS);
  const l1: L1Parameters = {
    chainId: reader.integer(fields.chainId, "l1.chainId"),
    portal: address("portal"),
    oracle: address("oracle"),
    inbox: address("inbox"),
    registry: address("registry"),
    token: address("token"),
    systemConfig: address("systemConfig"),
    l1StandardBridge: address("l1StandardBridge"),
    l1Messenger: address("l1Messenger"),
    origin: {
      number: reader.integer(number, "l1.origin.number"),
      hash: reader.bytes(hash, "l1.origin.hash", 32),
      timestamp: reader.integer(timestamp, "l1.origin.timestamp"),
    },
    finality: parseFinality(reader, fields.finality),
    maxDriftSeconds: bounded(reader, fields.maxDriftSeconds, "l1.maxDriftSeconds", 1, MAX_DRIFT_SECONDS),
  };
  if (l1.chainId === 0n) reader.problems.push("l1.chainId must not be 0");
  if (l1.origin.number > MAX_UINT64) reader.problems.push("l1.origin.number must be at most 64 bits");
  if (l1.origin.timestamp > time) reader.problems.push("l1.origin.timestamp must not be after the genesis block's");
  for (const name of ADDRESSES) {
    if (l1[name].every((byte) => byte === 0)) reader.problems.push(`l1.${name} must not be the zero address`);
  }
  return l1;
}

function parseFinality(reader: Reader, value: Json): L1Finality {
  if (value === "finalized") return value;
  const { depth } = reader.object(value, 'l1.finality (or "finalized")', ["depth"]);
  return { depth: bounded(reader, depth, "l1.finality.depth", 0, MAX_DEPTH) };
}

function bounded(reader: Reader, value: Json, path: string, min: number, max: number): number {
  const parsed = reader.integer(value, path);
  if (parsed >= BigInt(min) && parsed <= BigInt(max)) return Number(parsed);
  reader.problems.push(`${path} must be from ${min} to ${max}`);
  return min;
}

/** What the portal sells of L2 gas in an L1 block has 32 bits, and is below half of this. */
const MAX_GAS_LIMIT = 2n ** 32n;
/** A snapshot of 256 validators is a deposit of 9.6 million, and has to be below half. */
const MIN_GAS_LIMIT = 22_000_000n;
/** A deposit's byte costs 40 at the least, so deposits of half of the gas are at most a 80th of it in bytes. */
const GAS_A_BYTE = 32n;

/** The deposits of one L1 block take at most half of an L2 block, in gas as in bytes: so it has room for all of them. */
export function requireRoomForDeposits(
  reader: Reader,
  limits: { readonly gasLimit: bigint; readonly blockBytes: number },
) {
  const { gasLimit, blockBytes } = limits;
  if (gasLimit < MIN_GAS_LIMIT || gasLimit > MAX_GAS_LIMIT) {
    reader.problems.push(`gasLimit must be from ${MIN_GAS_LIMIT} to ${MAX_GAS_LIMIT} with an L1`);
  }
  if (BigInt(blockBytes) * GAS_A_BYTE < gasLimit) {
    reader.problems.push(`blockBytes must be at least a ${GAS_A_BYTE}nd of gasLimit with an L1`);
  }
}

/**
 * What the hash of a network's rules covers of its L1, in 32-byte words: 1 ‖ chainId ‖ the eight addresses in the order
 * of the interface ‖ origin's number, hash, timestamp ‖ depth + 1, or 0 for "finalized" ‖ maxDriftSeconds.
 */
export function l1Rules(l1: L1Parameters): Uint8Array {
  const word = (value: bigint | number): Uint8Array => bigIntToFixed(BigInt(value), 32);
  return concatBytes(
    word(1),
    word(l1.chainId),
    ...ADDRESSES.map((name) => padTo32(l1[name])),
    word(l1.origin.number),
    l1.origin.hash,
    word(l1.origin.timestamp),
    word(l1.finality === "finalized" ? 0 : l1.finality.depth + 1),
    word(l1.maxDriftSeconds),
  );
}
