/**
 * Blocks on disk. Tables (first key byte), numbers as uint64, all big-endian:
 *
 *   0x10 number          -> the block as it travels: rlp([header, transactions, [], []])
 *   0x11 number          -> uint32 crc32(block ‖ record) ‖ record,
 *                           record = rlp([senders, [[status, cumulativeGasUsed, [[address, [topic..], data]..]]..]]),
 *                           a deposit's with depositNonce at the end; on a foreign chain before Byzantium the state root
 *                           is in the place of status
 *   0x12 block hash      -> number
 *   0x13 transaction hash -> number ‖ uint32 index
 *   0x14                 -> head: number ‖ hash
 *   0x15                 -> uint32 schema version ‖ genesis hash
 *   0x16, 0x17           -> what makes blocks final: finality-store.ts
 *   0x18, 0x19           -> where a chain began that did not begin with genesis: checkpoint-store.ts
 *
 * What follows from the block is not stored: blooms, gas used, prices, L1 fees and created addresses of receipts. Senders are,
 * because recovering them is the dearest part of reading a block. The checksum is ours because LevelDB reads its tables
 * without looking at its own.
 */
import { crc32 } from "node:zlib";
import { bigIntToFixed, bytesToBigInt, bytesToHex, concatBytes, equalsBytes } from "../core/bytes.ts";
import type { ExecutedBlock, Header, Log, Transaction } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import {
  RlpError,
  type RlpItem,
  rlpChildren,
  rlpDecode,
  rlpEncode,
  rlpFixed,
  rlpList,
  rlpString,
  rlpUint,
  rlpWhole,
} from "../core/rlp.ts";
import { type BlockDecoding, decodeBlock } from "../execution/block/block-codec.ts";
import { logsBloom } from "../execution/block/bloom.ts";
import { headerFromRlp } from "../execution/block/header.ts";
import { completeReceipts, type ExecutedReceipt } from "../execution/block/receipts.ts";
import type { LevelStore } from "../execution/state/level-store.ts";
import type { BatchWriter, KeyValueReader } from "../execution/state/types.ts";
import { DataError, START_ANEW } from "./errors.ts";

export const SCHEMA_VERSION = 3;

const BLOCK = 0x10;
const RECORD = 0x11;
const NUMBER_BY_HASH = 0x12;
const TRANSACTION = 0x13;
const HEAD_KEY = new Uint8Array([0x14]);
const SCHEMA_KEY = new Uint8Array([0x15]);

const key = (table: number, rest: Uint8Array): Uint8Array => concatBytes(new Uint8Array([table]), rest);
const uint64 = (value: bigint): Uint8Array => bigIntToFixed(value, 8);
const uint32 = (value: number): Uint8Array => bigIntToFixed(BigInt(value), 4);

export interface Head {
  readonly number: bigint;
  readonly hash: Uint8Array;
}

export function stageBlock(batch: BatchWriter, block: ExecutedBlock, raw: Uint8Array): void {
  const number = uint64(block.header.number);
  const record = encodeRecord(block);
  batch.put(key(BLOCK, number), raw);
  batch.put(key(RECORD, number), concatBytes(uint32(checksum(raw, record)), record));
  batch.put(key(NUMBER_BY_HASH, block.hash), number);
  block.transactions.forEach((tx, index) => {
    batch.put(key(TRANSACTION, tx.hash), concatBytes(number, uint32(index)));
  });
  stageHead(batch, { number: block.header.number, hash: block.hash });
}

/**
 * Deletes the blocks above the number and whatever leads to them, and makes the one at the number the head. Everything
 * that names a block is looked at, so that nothing depends on what those blocks are. Throws DataError.
 */
export async function stageWithoutBlocksAbove(batch: BatchWriter, store: LevelStore, number: bigint): Promise<void> {
  const hash = readBlockHash(store.reader, number);
  if (hash === undefined) throw damagedBlock(number, "is missing");
  for (const table of [BLOCK, RECORD]) {
    const range = { start: key(table, uint64(number + 1n)), end: Uint8Array.of(table + 1) };
    for await (const [at] of store.iterate(range)) batch.del(at);
  }
  for (const table of [NUMBER_BY_HASH, TRANSACTION]) {
    const range = { start: Uint8Array.of(table), end: Uint8Array.of(table + 1) };
    for await (const [at, value] of store.iterate(range)) {
      if (bytesToBigInt(value.subarray(0, 8)) > number) batch.del(at);
    }
  }
  stageHead(batch, { number, hash });
}

/** How many entries of the indexes name blocks and transactions: as many as there are of these. */
export async function countIndexed(store: LevelStore): Promise<{ blocks: number; transactions: number }> {
  const count = async (table: number): Promise<number> => {
    let entries = 0;
    for await (const _ of store.iterate({ start: Uint8Array.of(table), end: Uint8Array.of(table + 1) })) entries++;
    return entries;
  };
  return { blocks: await count(NUMBER_BY_HASH), transactions: await count(TRANSACTION) };
}

export function stageHead(batch: BatchWriter, { number, hash }: Head): void {
  batch.put(HEAD_KEY, concatBytes(uint64(number), hash));
}

const checksum = (raw: Uint8Array, record: Uint8Array): number => crc32(record, crc32(raw));

export function stageSchema(batch: BatchWriter, genesisHash: Uint8Array): void {
  batch.put(SCHEMA_KEY, concatBytes(uint32(SCHEMA_VERSION), genesisHash));
}

/**
 * The genesis hash that the directory was made with; undefined when it is empty.
 * Throws DataError when another version of the program wrote it.
 */
export function readSchema(reader: KeyValueReader): Uint8Array | undefined {
  const value = reader.get(SCHEMA_KEY);
  if (value === undefined) return undefined;
  if (value.length !== 36) throw damagedData("its schema record is malformed");
  const version = bytesToBigInt(value.subarray(0, 4));
  if (version !== BigInt(SCHEMA_VERSION)) {
    throw new DataError(
      `the data directory has schema ${version}, this program knows ${SCHEMA_VERSION}; use the program that wrote it, or ${START_ANEW}`,
    );
  }
  return value.subarray(4);
}

/** Throws DataError. */
export function readHead(reader: KeyValueReader): Head | undefined {
  const value = reader.get(HEAD_KEY);
  if (value === undefined) return undefined;
  if (value.length !== 40) throw damagedData("its head record is malformed");
  return { number: bytesToBigInt(value.subarray(0, 8)), hash: value.subarray(8) };
}

/** Throws DataError. */
export function readNumber(reader: KeyValueReader, blockHash: Uint8Array): bigint | undefined {
  const value = reader.get(key(NUMBER_BY_HASH, blockHash));
  if (value === undefined) return undefined;
  if (value.length !== 8) throw damagedData(`the number of block ${bytesToHex(blockHash)} is malformed`);
  return bytesToBigInt(value);
}

/** Throws DataError. */
export function readTransactionPlace(
  reader: KeyValueReader,
  transactionHash: Uint8Array,
): { readonly number: bigint; readonly index: number } | undefined {
  const value = reader.get(key(TRANSACTION, transactionHash));
  if (value === undefined) return undefined;
  if (value.length !== 12) throw damagedData(`the place of transaction ${bytesToHex(transactionHash)} is malformed`);
  return { number: bytesToBigInt(value.subarray(0, 8)), index: Number(bytesToBigInt(value.subarray(8))) };
}

/** Without decoding the block. Undefined when it is not there. Throws DataError. */
export function readBlockHash(reader: KeyValueReader, number: bigint): Uint8Array | undefined {
  const raw = reader.get(key(BLOCK, uint64(number)));
  if (raw === undefined) return undefined;
  const hash = readable(number, "cannot be decoded", () => {
    const header = rlpChildren(raw, rlpWhole(raw))[0];
    return header && keccak256(raw.subarray(header.start, header.end));
  });
  // The hash of damaged bytes is in no index.
  if (hash === undefined || readNumber(reader, hash) !== number) throw damagedBlock(number, "does not match its hash");
  return hash;
}

/** Without decoding the rest of the block. Throws DataError. */
export function readHeader(reader: KeyValueReader, number: bigint): Header | undefined {
  const raw = reader.get(key(BLOCK, uint64(number)));
  if (raw === undefined) return undefined;
  return readable(number, "cannot be decoded", () => {
    const { start, end } = rlpChildren(raw, rlpWhole(raw))[0] ?? { start: 0, end: 0 };
    return headerFromRlp(rlpDecode(raw.subarray(start, end)));
  });
}

/** The block as it travels. Throws DataError. */
export function readRaw(reader: KeyValueReader, number: bigint): Uint8Array | undefined {
  return readChecked(reader, number)?.raw;
}

/** The stored bytes of a block, whatever they are. */
export const readRawUnchecked = (reader: KeyValueReader, number: bigint): Uint8Array | undefined =>
  reader.get(key(BLOCK, uint64(number)));

/** Throws DataError when they are not what was stored. */
export function readChecked(reader: KeyValueReader, number: bigint) {
  const raw = reader.get(key(BLOCK, uint64(number)));
  const summed = reader.get(key(RECORD, uint64(number)));
  if (raw === undefined && summed === undefined) return undefined;
  if (raw === undefined || summed === undefined) throw damagedBlock(number, "is half there");
  const record = summed.subarray(4);
  if (bytesToBigInt(summed.subarray(0, 4)) !== BigInt(checksum(raw, record))) {
    throw damagedBlock(number, "does not match its checksum");
  }
  return { raw, record };
}

/** Makes a block of its stored bytes and the senders that are stored with it, 20 bytes each. */
export type BlockDecoder = (raw: Uint8Array, senderAt: (index: number) => Uint8Array) => BlockDecoding;

export const blockDecoder =
  (chainId: bigint): BlockDecoder =>
  (raw, senderAt) =>
    decodeBlock(raw, chainId, senderAt);

/** Throws DataError when the stored bytes do not make the block: the directory is damaged. */
export function readBlock(reader: KeyValueReader, number: bigint, decode: BlockDecoder): ExecutedBlock | undefined {
  const checked = readChecked(reader, number);
  if (checked === undefined) return undefined;
  const { raw, record } = checked;
  const { senders, entries } = readable(number, "has unreadable receipts", () => {
    const items = rlpList(rlpDecode(record), "record");
    return { senders: rlpString(items[0], record.length, "senders"), entries: rlpList(items[1], "receipts") };
  });
  const decoded = decode(raw, (index) => senders.slice(20 * index, 20 * index + 20));
  if (!decoded.ok) throw damagedBlock(number, `cannot be decoded: ${decoded.reason}`);
  const { header, transactions } = decoded.block;
  if (header.number !== number) throw damagedBlock(number, `has the header of block ${header.number}`);
  if (entries.length !== transactions.length || senders.length !== 20 * transactions.length) {
    throw damagedBlock(number, "has another number of receipts than transactions");
  }
  const executed = readable(number, "has unreadable receipts", () =>
    entries.map((entry, index) => decodeReceipt(entry, transactions[index]!)),
  );
  return { ...decoded.block, receipts: completeReceipts(header, transactions, executed) };
}

export const damagedData = (what: string, cause?: unknown): DataError =>
  new DataError(`the data directory is damaged: ${what}; restore a backup or ${START_ANEW}`, { cause });

/** One line for what cannot be read of a block that must be there. */
export const damagedBlock = (number: bigint, why: string, cause?: unknown): DataError =>
  damagedData(`block ${number} ${why}`, cause);

/** Throws DataError in place of RlpError. */
export function readable<T>(number: bigint, otherwise: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RlpError) throw damagedBlock(number, otherwise, error);
    throw error;
  }
}

function encodeRecord(block: ExecutedBlock): Uint8Array {
  const receipts = block.receipts.map(
    (receipt) =>
      [
        receipt.postState ?? BigInt(receipt.status),
        receipt.cumulativeGasUsed,
        receipt.logs.map((log) => [log.address, log.topics, log.data] as const),
        ...(receipt.depositNonce === undefined ? [] : [receipt.depositNonce]),
      ] as const,
  );
  return rlpEncode([concatBytes(...block.transactions.map((tx) => tx.from)), receipts]);
}

function decodeLog(item: RlpItem): Log {
  const [address, topics, data] = rlpList(item, "log");
  return {
    address: rlpFixed(address, 20, "log address"),
    topics: rlpList(topics, "topics").map((topic) => rlpFixed(topic, 32, "topic")),
    data: rlpString(data, Number.MAX_SAFE_INTEGER, "log data"),
  };
}

function decodeReceipt(item: RlpItem, tx: Transaction): ExecutedReceipt {
  const [status, cumulative, logItems, depositNonce] = rlpList(item, "receipt");
  const logs = rlpList(logItems, "logs").map(decodeLog);
  const isPostState = status instanceof Uint8Array && status.length === 32;
  return {
    status: isPostState || rlpUint(status, 1, "status") === 1n ? 1 : 0,
    ...(isPostState && { postState: status }),
    cumulativeGasUsed: rlpUint(cumulative, 8, "cumulativeGasUsed"),
    logsBloom: logsBloom(logs),
    logs,
    ...(tx.deposit !== undefined && { depositNonce: rlpUint(depositNonce, 8, "depositNonce") }),
  };
}

/** Refuses a directory of another network with a line that names both. */
export function requireGenesis(found: Uint8Array, expected: Uint8Array): void {
  if (equalsBytes(found, expected)) return;
  throw new DataError(
    `the data directory belongs to a chain with genesis ${bytesToHex(found)}, not ${bytesToHex(expected)}; choose another --datadir or ${START_ANEW}`,
  );
}
