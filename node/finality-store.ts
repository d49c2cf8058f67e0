/**
 * What makes blocks final, on disk. Tables (first key byte), integers big-endian:
 *
 *   0x16 block number u64 -> uint32 crc32(value) ‖ certificate that names the block, consensus/codec.ts
 *   0x17 epoch u64        -> uint32 crc32(value) ‖ the epoch's validators, core/validators.ts
 *
 * Not every block has a certificate: what stands below one is final with it. Epoch 0's set is written with the genesis
 * block, the next ones with the last block of the epoch before.
 */
import { crc32 } from "node:zlib";
import { bigIntToFixed, bytesToBigInt, concatBytes } from "../core/bytes.ts";
import { decodeValidators, encodeValidators, type ValidatorSet } from "../core/validators.ts";
import type { LevelStore } from "../execution/state/level-store.ts";
import type { BatchWriter, KeyValueReader } from "../execution/state/types.ts";
import { damagedData } from "./chain-store.ts";

const CERTIFICATE = 0x16;
const VALIDATORS = 0x17;

const key = (table: number, number: bigint): Uint8Array => concatBytes(Uint8Array.of(table), bigIntToFixed(number, 8));

export interface NumberedCertificate {
  readonly number: bigint;
  readonly certificate: Uint8Array;
}

export function stageCertificate(batch: BatchWriter, number: bigint, certificate: Uint8Array): void {
  batch.put(key(CERTIFICATE, number), summed(certificate));
}

/** Throws DataError. */
export function readCertificate(reader: KeyValueReader, number: bigint): Uint8Array | undefined {
  const value = reader.get(key(CERTIFICATE, number));
  return value && checked(value, `the certificate of block ${number}`);
}

/** Of the highest block that has one. Rejects with DataError. */
export async function lastCertificate(store: LevelStore): Promise<NumberedCertificate | undefined> {
  return firstOf(store, { start: Uint8Array.of(CERTIFICATE), end: Uint8Array.of(CERTIFICATE + 1), reverse: true });
}

/** Of the lowest block at or above the number that has one. Rejects with DataError. */
export async function certificateFrom(
  store: Pick<LevelStore, "iterate">,
  number: bigint,
): Promise<NumberedCertificate | undefined> {
  return firstOf(store, { start: key(CERTIFICATE, number), end: Uint8Array.of(CERTIFICATE + 1) });
}

/** Of every block that has one, in order. Throws DataError. */
export async function* certificates(store: LevelStore): AsyncGenerator<NumberedCertificate> {
  for await (const [at, value] of store.iterate({
    start: Uint8Array.of(CERTIFICATE),
    end: Uint8Array.of(CERTIFICATE + 1),
  })) {
    const number = bytesToBigInt(at.subarray(1));
    yield { number, certificate: checked(value, `the certificate of block ${number}`) };
  }
}

/** Deletes the certificates of blocks above the number, and the validators of epochs that only those make known. */
export async function stageWithoutFinalityAbove(
  batch: BatchWriter,
  store: LevelStore,
  number: bigint,
  epochBlocks: bigint,
): Promise<void> {
  const firstUnknown = (number + 1n) / epochBlocks + 1n;
  for (const range of [
    { start: key(CERTIFICATE, number + 1n), end: Uint8Array.of(CERTIFICATE + 1) },
    { start: key(VALIDATORS, firstUnknown), end: Uint8Array.of(VALIDATORS + 1) },
  ]) {
    for await (const [at] of store.iterate(range)) batch.del(at);
  }
}

async function firstOf(
  store: Pick<LevelStore, "iterate">,
  range: Parameters<LevelStore["iterate"]>[0],
): Promise<NumberedCertificate | undefined> {
  for await (const [at, value] of store.iterate({ ...range, limit: 1 })) {
    const number = bytesToBigInt(at.subarray(1));
    return { number, certificate: checked(value, `the certificate of block ${number}`) };
  }
  return undefined;
}

export function stageValidatorSet(batch: BatchWriter, epoch: bigint, set: ValidatorSet): void {
  batch.put(key(VALIDATORS, epoch), summed(encodeValidators(set.validators)));
}

/** Throws DataError. */
export function readEpochValidators(reader: KeyValueReader, epoch: bigint): ValidatorSet | undefined {
  const value = reader.get(key(VALIDATORS, epoch));
  if (value === undefined) return undefined;
  const what = `the validator set of epoch ${epoch}`;
  try {
    return decodeValidators(checked(value, what));
  } catch (error) {
    if (error instanceof RangeError) throw damagedData(`${what} cannot be decoded`, error);
    throw error;
  }
}

const summed = (value: Uint8Array): Uint8Array => concatBytes(bigIntToFixed(BigInt(crc32(value)), 4), value);

function checked(stored: Uint8Array, what: string): Uint8Array {
  const value = stored.slice(4);
  if (stored.length < 4 || bytesToBigInt(stored.subarray(0, 4)) !== BigInt(crc32(value))) {
    throw damagedData(`${what} does not match its checksum`);
  }
  return value;
}
