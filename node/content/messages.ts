/**
 * What nodes ask each other about contents. Each protocol has one request and an answer of one chunk:
 *
 *   content-have   rlp [root.. ≤ 256]                  -> a bit for each root, from the lowest bit of the first byte:
 *                                                         1 when the peer holds it and gives it away
 *   content-range  rlp [root, first, count ≤ 1024]     -> rlp [length, data, [sibling.. ≤ 128]]: chunks first to
 *                                                         first + count - 1, or to the last one, of the content of
 *                                                         `length` bytes, with their range proof (docs/spec.md)
 *
 * A peer that does not have the content breaks its answer off. Decoding is strict and throws ContentMessageError.
 */
import type { ContentRange } from "../../core/content.ts";
import { CHUNK_BYTES } from "../../core/content.ts";
import { RlpError, type RlpItem, rlpDecode, rlpEncode, rlpFixed, rlpList, rlpString, rlpUint } from "../../core/rlp.ts";

export const MAX_ROOTS = 256;
export const MAX_CHUNKS = 1_024;
const MAX_SIBLINGS = 128;
const MAX_DATA_BYTES = MAX_CHUNKS * CHUNK_BYTES;

/** What came is not what the protocol says. */
export class ContentMessageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ContentMessageError";
  }
}

export const encodeHaveRequest = (roots: readonly Uint8Array[]): Uint8Array => rlpEncode(roots);

export function decodeHaveRequest(bytes: Uint8Array): readonly Uint8Array[] {
  return strictly(() => {
    const items = rlpList(rlpDecode(bytes), "roots");
    if (items.length === 0 || items.length > MAX_ROOTS) throw new ContentMessageError(`${items.length} roots`);
    return items.map((item) => rlpFixed(item, 32, "root"));
  });
}

export function encodeHave(held: readonly boolean[]): Uint8Array {
  const bits = new Uint8Array(Math.ceil(held.length / 8));
  for (const [i, isHeld] of held.entries()) if (isHeld) bits[i >> 3]! |= 1 << (i & 7);
  return bits;
}

/** Of `count` roots. Bits beyond them are zero. */
export function decodeHave(bytes: Uint8Array, count: number): readonly boolean[] {
  if (bytes.length !== Math.ceil(count / 8)) throw new ContentMessageError(`${bytes.length} bytes for ${count} roots`);
  const held = Array.from({ length: count }, (_, i) => ((bytes[i >> 3]! >> (i & 7)) & 1) === 1);
  if (count % 8 !== 0 && bytes.at(-1)! >> (count % 8) !== 0) throw new ContentMessageError("bits of no root");
  return held;
}

export interface RangeRequest {
  readonly root: Uint8Array;
  /** Chunks. */
  readonly first: number;
  readonly count: number;
}

export const encodeRangeRequest = ({ root, first, count }: RangeRequest): Uint8Array =>
  rlpEncode([root, BigInt(first), BigInt(count)]);

export function decodeRangeRequest(bytes: Uint8Array): RangeRequest {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 3);
    const count = safe(items[2], "count");
    if (count < 1 || count > MAX_CHUNKS) throw new ContentMessageError(`${count} chunks`);
    return { root: rlpFixed(items[0], 32, "root"), first: safe(items[1], "first"), count };
  });
}

export interface RangeAnswer extends ContentRange {
  /** Of the whole content, bytes. */
  readonly length: number;
}

export const encodeRange = ({ length, data, siblings }: Omit<RangeAnswer, "first">): Uint8Array =>
  rlpEncode([BigInt(length), data, siblings]);

/** Whether it proves anything is for core/content.ts to say. */
export function decodeRange(bytes: Uint8Array, { first, count }: RangeRequest): RangeAnswer {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 3);
    const length = safe(items[0], "length");
    const data = rlpString(items[1], MAX_DATA_BYTES, "data");
    const siblings = rlpList(items[2], "siblings");
    if (siblings.length > MAX_SIBLINGS) throw new ContentMessageError(`${siblings.length} siblings`);
    const expected = Math.min(count * CHUNK_BYTES, length - first * CHUNK_BYTES);
    if (data.length !== expected || expected <= 0) throw new ContentMessageError(`${data.length} bytes of ${expected}`);
    return { length, first, data, siblings: siblings.map((sibling) => rlpFixed(sibling, 32, "sibling")) };
  });
}

function fields(item: RlpItem, count: number): readonly RlpItem[] {
  const items = rlpList(item, "message");
  if (items.length !== count) throw new ContentMessageError(`${items.length} fields instead of ${count}`);
  return items;
}

function safe(item: RlpItem | undefined, field: string): number {
  const value = Number(rlpUint(item, 7, field));
  if (!Number.isSafeInteger(value)) throw new ContentMessageError(`${field} is too large`);
  return value;
}

function strictly<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RlpError) throw new ContentMessageError(error.message, { cause: error });
    throw error;
  }
}
