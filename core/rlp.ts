/**
 * RLP (Ethereum yellow paper, appendix B), canonical form only. Decoding shares memory with its input and cuts raw
 * slices, which transaction hashing needs and @ethereumjs/rlp does not give.
 */

export type RlpInput = Uint8Array | bigint | readonly RlpInput[];
export type RlpItem = Uint8Array | readonly RlpItem[];

/** The bytes are not one canonical RLP item. */
export class RlpError extends Error {
  constructor(message: string) {
    super(`rlp: ${message}`);
    this.name = "RlpError";
  }
}

/** No encoding of ours nests deeper; random bytes must not exhaust the stack. */
const MAX_DEPTH = 16;

/** Position of one item: header at `start`, payload in [payload, end). */
export interface RlpSpan {
  readonly isList: boolean;
  readonly start: number;
  readonly payload: number;
  readonly end: number;
}

/** Reads the item that begins at `start` and must end at or before `limit`. Throws RlpError. */
export function rlpSpanAt(bytes: Uint8Array, start: number, limit: number): RlpSpan {
  if (start >= limit) throw new RlpError("unexpected end of input");
  const prefix = bytes[start]!;
  if (prefix < 0x80) return { isList: false, start, payload: start, end: start + 1 };
  const isList = prefix >= 0xc0;
  const short = prefix - (isList ? 0xc0 : 0x80);
  let payload = start + 1;
  let length = short;
  if (short > 55) {
    const lengthBytes = short - 55;
    payload += lengthBytes;
    if (payload > limit) throw new RlpError("unexpected end of input");
    // Nothing of ours reaches 2^32 bytes, and this keeps the arithmetic exact.
    if (lengthBytes > 4) throw new RlpError("size does not fit 32 bits");
    if (bytes[start + 1] === 0) throw new RlpError("size has a leading zero");
    length = 0;
    for (let i = start + 1; i < payload; i++) length = length * 256 + bytes[i]!;
    if (length <= 55) throw new RlpError("size is not in its shortest form");
  }
  const end = payload + length;
  if (end > limit) throw new RlpError("item is larger than its container");
  if (!isList && short === 1 && bytes[payload]! < 0x80) throw new RlpError("single byte is not in its shortest form");
  return { isList, start, payload, end };
}

/** The spans of a list's items. Throws RlpError. */
export function rlpChildren(bytes: Uint8Array, list: RlpSpan): RlpSpan[] {
  if (!list.isList) throw new RlpError("expected a list");
  const children: RlpSpan[] = [];
  for (let at = list.payload; at < list.end; ) {
    const child = rlpSpanAt(bytes, at, list.end);
    children.push(child);
    at = child.end;
  }
  return children;
}

/** The one item that `bytes` from `start` on consists of. Throws RlpError, also on trailing bytes. */
export function rlpWhole(bytes: Uint8Array, start = 0): RlpSpan {
  const span = rlpSpanAt(bytes, start, bytes.length);
  if (span.end !== bytes.length) throw new RlpError("trailing bytes");
  return span;
}

/** Throws RlpError. */
export function rlpDecode(bytes: Uint8Array, start = 0): RlpItem {
  return rlpValue(bytes, rlpWhole(bytes, start));
}

export function rlpValue(bytes: Uint8Array, span: RlpSpan, depth = 0): RlpItem {
  if (!span.isList) return bytes.subarray(span.payload, span.end);
  if (depth === MAX_DEPTH) throw new RlpError("lists nest too deeply");
  const items: RlpItem[] = [];
  for (let at = span.payload; at < span.end; ) {
    const child = rlpSpanAt(bytes, at, span.end);
    items.push(rlpValue(bytes, child, depth + 1));
    at = child.end;
  }
  return items;
}

/** A byte string of exactly `length` bytes. Throws RlpError naming the field. */
export function rlpFixed(item: RlpItem | undefined, length: number, field: string): Uint8Array {
  const bytes = rlpString(item, length, field);
  if (bytes.length !== length) throw new RlpError(`${field} has ${bytes.length} bytes instead of ${length}`);
  return bytes;
}

/** A byte string of at most `maxLength` bytes. Throws RlpError naming the field. */
export function rlpString(item: RlpItem | undefined, maxLength: number, field: string): Uint8Array {
  if (!(item instanceof Uint8Array)) throw new RlpError(`${field} is not a byte string`);
  if (item.length > maxLength)
    throw new RlpError(`${field} has ${item.length} bytes, at most ${maxLength} are allowed`);
  return item;
}

/** An unsigned integer without leading zeros of at most `maxLength` bytes. Throws RlpError naming the field. */
export function rlpUint(item: RlpItem | undefined, maxLength: number, field: string): bigint {
  const bytes = rlpString(item, maxLength, field);
  if (bytes.length === 0) return 0n;
  if (bytes[0] === 0) throw new RlpError(`${field} has a leading zero`);
  return unsigned(bytes);
}

export function rlpList(item: RlpItem | undefined, field: string): readonly RlpItem[] {
  if (item === undefined || item instanceof Uint8Array) throw new RlpError(`${field} is not a list`);
  return item;
}

/** Big-endian, at most 32 bytes: faster than going through a hex string. */
function unsigned(bytes: Uint8Array): bigint {
  let value = 0n;
  let i = 0;
  for (; i + 6 <= bytes.length; i += 6) {
    let chunk = 0;
    for (let j = i; j < i + 6; j++) chunk = chunk * 256 + bytes[j]!;
    value = (value << 48n) | BigInt(chunk);
  }
  for (; i < bytes.length; i++) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

/** Integers encode without leading zeros, zero as the empty string. Negative integers throw RangeError. */
export function rlpEncode(input: RlpInput): Uint8Array {
  const sizes: number[] = [];
  const out = new Uint8Array(measure(input, sizes));
  write(input, out, 0, sizes, { next: 0 });
  return out;
}

/** A list whose items are already encoded. */
export function rlpListOf(encodedItems: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const item of encodedItems) length += item.length;
  const out = new Uint8Array(headerSize(length) + length);
  let at = writeHeader(out, 0, 0xc0, length);
  for (const item of encodedItems) {
    out.set(item, at);
    at += item.length;
  }
  return out;
}

/** Header of a list with a payload of `length` bytes. */
export function rlpListHeader(length: number): Uint8Array {
  const out = new Uint8Array(headerSize(length));
  writeHeader(out, 0, 0xc0, length);
  return out;
}

/** Size of the encoding of a byte string. */
export function rlpStringSize(bytes: Uint8Array): number {
  return bytes.length === 1 && bytes[0]! < 0x80 ? 1 : headerSize(bytes.length) + bytes.length;
}

/** Size of `input`'s encoding; payload lengths of lists are pushed in pre-order for `write`. */
function measure(input: RlpInput, sizes: number[]): number {
  if (input instanceof Uint8Array) return rlpStringSize(input);
  if (typeof input === "bigint") return input < 0x80n ? 1 : 1 + byteLength(input);
  const slot = sizes.push(0) - 1;
  let length = 0;
  for (const item of input) length += measure(item, sizes);
  sizes[slot] = length;
  return headerSize(length) + length;
}

function write(
  input: RlpInput,
  out: Uint8Array,
  at: number,
  sizes: readonly number[],
  cursor: { next: number },
): number {
  if (input instanceof Uint8Array) {
    if (input.length === 1 && input[0]! < 0x80) {
      out[at] = input[0]!;
      return at + 1;
    }
    const start = writeHeader(out, at, 0x80, input.length);
    out.set(input, start);
    return start + input.length;
  }
  if (typeof input === "bigint") return writeUint(input, out, at);
  let position = writeHeader(out, at, 0xc0, sizes[cursor.next++]!);
  for (const item of input) position = write(item, out, position, sizes, cursor);
  return position;
}

function writeUint(value: bigint, out: Uint8Array, at: number): number {
  if (value < 0n) throw new RangeError(`negative integer ${value}`);
  if (value === 0n) {
    out[at] = 0x80;
    return at + 1;
  }
  if (value < 0x80n) {
    out[at] = Number(value);
    return at + 1;
  }
  const length = byteLength(value);
  if (length > 55) throw new RangeError("integer of more than 55 bytes");
  out[at] = 0x80 + length;
  let rest = value;
  for (let i = at + length; i > at; i--) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return at + 1 + length;
}

function byteLength(value: bigint): number {
  let length = 0;
  for (let rest = value; rest > 0n; rest >>= 8n) length++;
  return length;
}

function headerSize(length: number): number {
  if (length <= 55) return 1;
  return 1 + (length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4);
}

function writeHeader(out: Uint8Array, at: number, base: 0x80 | 0xc0, length: number): number {
  if (length <= 55) {
    out[at] = base + length;
    return at + 1;
  }
  const lengthBytes = headerSize(length) - 1;
  out[at] = base + 55 + lengthBytes;
  for (let i = 0; i < lengthBytes; i++) out[at + 1 + i] = Math.floor(length / 256 ** (lengthBytes - 1 - i)) & 0xff;
  return at + 1 + lengthBytes;
}
