/**
 * What a node keeps of L1. Tables (first key byte), integers big-endian:
 *
 *   0x20 number u64 -> uint32 crc32(value) ‖ the block, bridge/l1-block.ts
 *   0x21            -> uint32 crc32(value) ‖ number u64 of the newest block ‖ number u64 of the newest final one
 *   0x22, 0x23      -> the watcher's followers: safe-head.ts, posting-store.ts
 */
import { crc32 } from "node:zlib";
import { decodeL1Block, encodeL1Block, type L1Block } from "../../bridge/l1-block.ts";
import { bigIntToFixed, bytesToBigInt, concatBytes } from "../../core/bytes.ts";
import { RlpError } from "../../core/rlp.ts";
import type { LevelStore } from "../../execution/state/level-store.ts";
import type { BatchWriter, KeyValueReader } from "../../execution/state/types.ts";
import { damagedData } from "../chain-store.ts";

const BLOCK = 0x20;
const PROGRESS_KEY = Uint8Array.of(0x21);
/** Deletions in one write. */
const PRUNED_AT_ONCE = 1_024;

const key = (number: bigint): Uint8Array => concatBytes(Uint8Array.of(BLOCK), bigIntToFixed(number, 8));

export interface L1Progress {
  /** Newest block that is here. */
  readonly tip: bigint;
  /** Newest of these that is final. */
  readonly final: bigint;
}

export function stageL1Block(batch: BatchWriter, block: L1Block): void {
  batch.put(key(block.number), summed(encodeL1Block(block)));
}

export const stageWithoutL1Block = (batch: BatchWriter, number: bigint): void => batch.del(key(number));

/** Throws DataError. */
export function readL1Block(reader: KeyValueReader, number: bigint): L1Block | undefined {
  const stored = reader.get(key(number));
  if (stored === undefined) return undefined;
  const what = `L1 block ${number}`;
  try {
    return decodeL1Block(checked(stored, what));
  } catch (error) {
    if (error instanceof RlpError) throw damagedData(`${what} cannot be decoded`, error);
    throw error;
  }
}

export function stageL1Progress(batch: BatchWriter, { tip, final }: L1Progress): void {
  batch.put(PROGRESS_KEY, summed(concatBytes(bigIntToFixed(tip, 8), bigIntToFixed(final, 8))));
}

/** Throws DataError. */
export function readL1Progress(reader: KeyValueReader): L1Progress | undefined {
  const stored = reader.get(PROGRESS_KEY);
  if (stored === undefined) return undefined;
  const value = checked(stored, "the progress on L1");
  return { tip: bytesToBigInt(value.subarray(0, 8)), final: bytesToBigInt(value.subarray(8)) };
}

/** Stages the deletion of some of the blocks below `number`, the lowest first. */
export async function stagePruning(batch: BatchWriter, store: LevelStore, number: bigint): Promise<void> {
  const range = { start: Uint8Array.of(BLOCK), end: key(number), limit: PRUNED_AT_ONCE };
  for await (const [at] of store.iterate(range)) batch.del(at);
}

/** uint32 crc32(value) ‖ value. */
export const summed = (value: Uint8Array): Uint8Array => concatBytes(bigIntToFixed(BigInt(crc32(value)), 4), value);

/** Throws DataError when the checksum is not the value's. */
export function checked(stored: Uint8Array, what: string): Uint8Array {
  const value = stored.slice(4);
  if (stored.length < 4 || bytesToBigInt(stored.subarray(0, 4)) !== BigInt(crc32(value))) {
    throw damagedData(`${what} does not match its checksum`);
  }
  return value;
}
