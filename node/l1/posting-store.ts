/**
 * What a node that posts must remember so that it posts nothing twice. Table 0x23, each value after its uint32 crc32:
 *
 *   0x23 0 -> the transaction that is under way: rlp([label, nonce, to, data, gas limit, max fee, max priority fee,
 *             blob fee, [blob…], sent at ms, [raw transaction…]])
 *   0x23 1 -> the batch that is under way: rlp([first, last, last hash, next part, [part…]])
 */
import { concatBytes } from "../../core/bytes.ts";
import { RlpError, rlpDecode, rlpEncode, rlpFixed, rlpList, rlpString, rlpUint } from "../../core/rlp.ts";
import type { Batch } from "../../execution/state/level-store.ts";
import type { KeyValueReader } from "../../execution/state/types.ts";
import { damagedData } from "../chain-store.ts";
import { checked, summed } from "./l1-store.ts";

const SENDING_KEY = Uint8Array.of(0x23, 0);
const PLAN_KEY = Uint8Array.of(0x23, 1);
const ANY = Number.MAX_SAFE_INTEGER;

export interface Sending {
  /** What it is for, in the words of who sent it. */
  readonly label: string;
  readonly nonce: bigint;
  readonly to: Uint8Array;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  /** 0 without blobs. */
  readonly maxFeePerBlobGas: bigint;
  /** As they are packed (bridge/blob.ts). */
  readonly blobs: readonly Uint8Array[];
  /** Unix milliseconds of the newest of these. */
  readonly sentAtMs: number;
  /** Signed, of one nonce, each dearer than the one before: at most one of them can be mined. */
  readonly raws: readonly Uint8Array[];
}

export interface Plan {
  readonly first: bigint;
  readonly last: bigint;
  readonly lastHash: Uint8Array;
  /** Index of the part to be sent next. */
  readonly next: number;
  readonly parts: readonly Uint8Array[];
}

export function stageSending(batch: Batch, sending: Sending | undefined): void {
  if (sending === undefined) {
    batch.del(SENDING_KEY);
    return;
  }
  const { label, nonce, to, data, gasLimit, maxFeePerGas, maxPriorityFeePerGas, maxFeePerBlobGas } = sending;
  const fields = [nonce, to, data, gasLimit, maxFeePerGas, maxPriorityFeePerGas, maxFeePerBlobGas, sending.blobs];
  const encoded = rlpEncode([new TextEncoder().encode(label), ...fields, BigInt(sending.sentAtMs), sending.raws]);
  batch.put(SENDING_KEY, summed(encoded));
}

/** Throws DataError. */
export function readSending(reader: KeyValueReader): Sending | undefined {
  return readFields(reader, SENDING_KEY, "the transaction under way to L1", (fields) => ({
    label: new TextDecoder().decode(rlpString(fields[0], 100, "label")),
    nonce: rlpUint(fields[1], 8, "nonce"),
    to: rlpFixed(fields[2], 20, "to"),
    data: rlpString(fields[3], ANY, "data"),
    gasLimit: rlpUint(fields[4], 8, "gas limit"),
    maxFeePerGas: rlpUint(fields[5], 32, "max fee"),
    maxPriorityFeePerGas: rlpUint(fields[6], 32, "max priority fee"),
    maxFeePerBlobGas: rlpUint(fields[7], 32, "blob fee"),
    blobs: rlpList(fields[8], "blobs").map((blob) => rlpString(blob, ANY, "blob")),
    sentAtMs: Number(rlpUint(fields[9], 7, "time")),
    raws: rlpList(fields[10], "raws").map((raw) => rlpString(raw, ANY, "raw transaction")),
  }));
}

export function stagePlan(batch: Batch, plan: Plan | undefined): void {
  if (plan === undefined) {
    batch.del(PLAN_KEY);
    return;
  }
  const { first, last, lastHash, next, parts } = plan;
  batch.put(PLAN_KEY, summed(rlpEncode([first, last, lastHash, BigInt(next), parts])));
}

/** Throws DataError. */
export function readPlan(reader: KeyValueReader): Plan | undefined {
  return readFields(reader, PLAN_KEY, "the batch under way to L1", (fields) => ({
    first: rlpUint(fields[0], 8, "first"),
    last: rlpUint(fields[1], 8, "last"),
    lastHash: rlpFixed(fields[2], 32, "last hash"),
    next: Number(rlpUint(fields[3], 2, "next")),
    parts: rlpList(fields[4], "parts").map((part) => rlpString(part, ANY, "part")),
  }));
}

function readFields<T>(
  reader: KeyValueReader,
  key: Uint8Array,
  what: string,
  read: (fields: ReturnType<typeof rlpList>) => T,
): T | undefined {
  const stored = reader.get(key);
  if (stored === undefined) return undefined;
  try {
    // Its parts share memory with what is decoded.
    return read(rlpList(rlpDecode(concatBytes(checked(stored, what))), what));
  } catch (error) {
    if (error instanceof RlpError) throw damagedData(`${what} cannot be decoded`, error);
    throw error;
  }
}
