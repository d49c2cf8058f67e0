/**
 * What is on disk of a chain that did not begin with its genesis block but with the state of a later, certified one.
 * Tables (first key byte), integers big-endian:
 *
 *   0x18           -> uint32 crc32(value) ‖ value = phase u8 (0 unfinished, 1 complete) ‖ first u64 ‖ number u64 ‖ hash
 *                     32: the checkpoint's block, and the lowest block that is here besides the genesis block
 *   0x19 epoch u64 -> uint32 crc32(value) ‖ the epoch's end as it travels (sync/messages.ts), of epochs whose blocks are
 *                     not here
 *
 * Without 0x18 all blocks are here. While it says unfinished, nothing else in the store counts.
 */
import { crc32 } from "node:zlib";
import { bigIntToFixed, bytesToBigInt, concatBytes } from "../core/bytes.ts";
import type { LevelStore } from "../execution/state/level-store.ts";
import type { BatchWriter, KeyValueReader } from "../execution/state/types.ts";
import { damagedData } from "./chain-store.ts";
import { DataError, START_ANEW } from "./errors.ts";

const CHECKPOINT_KEY = Uint8Array.of(0x18);
const EPOCH_ENDS = 0x19;
const VALUE_BYTES = 1 + 8 + 8 + 32;

export interface Checkpoint {
  readonly isComplete: boolean;
  readonly first: bigint;
  readonly number: bigint;
  readonly hash: Uint8Array;
}

export function stageCheckpoint(batch: BatchWriter, { isComplete, first, number, hash }: Checkpoint): void {
  const phase = Uint8Array.of(isComplete ? 1 : 0);
  batch.put(CHECKPOINT_KEY, summed(concatBytes(phase, bigIntToFixed(first, 8), bigIntToFixed(number, 8), hash)));
}

/** Throws DataError. */
export function readCheckpoint(reader: KeyValueReader): Checkpoint | undefined {
  const stored = reader.get(CHECKPOINT_KEY);
  if (stored === undefined) return undefined;
  const value = checked(stored, "the record of its checkpoint");
  if (value.length !== VALUE_BYTES || value[0]! > 1) throw damagedData("the record of its checkpoint is malformed");
  return {
    isComplete: value[0] === 1,
    first: bytesToBigInt(value.subarray(1, 9)),
    number: bytesToBigInt(value.subarray(9, 17)),
    hash: value.slice(17),
  };
}

/** The lowest block that is here besides the genesis block. Throws DataError when the store is not to be used yet. */
export function readFirstBlock(reader: KeyValueReader): bigint {
  const checkpoint = readCheckpoint(reader);
  if (checkpoint?.isComplete === false) {
    throw new DataError(
      `the data directory has the state of block ${checkpoint.number} in part only; go on with --sync checkpoint, or ${START_ANEW}`,
    );
  }
  return checkpoint?.first ?? 0n;
}

const endKey = (epoch: number): Uint8Array => concatBytes(Uint8Array.of(EPOCH_ENDS), bigIntToFixed(BigInt(epoch), 8));

export function stageEpochEnd(batch: BatchWriter, epoch: number, end: Uint8Array): void {
  batch.put(endKey(epoch), summed(end));
}

/** Throws DataError. */
export function readEpochEnd(reader: KeyValueReader, epoch: number): Uint8Array | undefined {
  const stored = reader.get(endKey(epoch));
  return stored && checked(stored, `the end of epoch ${epoch}`);
}

/** The highest epoch whose end is here. */
export async function lastEpochEnd(store: LevelStore): Promise<number | undefined> {
  const range = { start: Uint8Array.of(EPOCH_ENDS), end: Uint8Array.of(EPOCH_ENDS + 1), reverse: true, limit: 1 };
  for await (const [key] of store.iterate(range)) return Number(bytesToBigInt(key.subarray(1)));
  return undefined;
}

const summed = (value: Uint8Array): Uint8Array => concatBytes(bigIntToFixed(BigInt(crc32(value)), 4), value);

function checked(stored: Uint8Array, what: string): Uint8Array {
  const value = stored.slice(4);
  if (stored.length < 4 || bytesToBigInt(stored.subarray(0, 4)) !== BigInt(crc32(value))) {
    throw damagedData(`${what} does not match its checksum`);
  }
  return value;
}
