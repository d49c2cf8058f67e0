/**
 * Byte vocabulary. Integers are big-endian throughout. Hex strings are lower case with a 0x prefix. Every thread of the
 * program loads this, so it loads nothing.
 */

export type Hex = `0x${string}`;

export const bytesToHex = (bytes: Uint8Array): Hex => `0x${bytes.toHex()}`;

/** Upper case and an odd number of digits are taken, too. Throws an Error on anything but digits after 0x. */
export function hexToBytes(hex: string): Uint8Array {
  if (!hex.startsWith("0x")) throw new Error("a hex string has to begin with 0x");
  const digits = hex.slice(2);
  return Uint8Array.fromHex(digits.length % 2 === 0 ? digits : `0${digits}`);
}

/** No bytes are 0. */
export function bytesToBigInt(bytes: Uint8Array): bigint {
  if (bytes.length > 6) return BigInt(bytesToHex(bytes));
  // Exact up to 2^53.
  let value = 0;
  for (let i = 0; i < bytes.length; i++) value = value * 256 + bytes[i]!;
  return BigInt(value);
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Not in constant time. */
export function equalsBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export const bigIntMin = (first: bigint, ...others: readonly bigint[]): bigint =>
  others.reduce((least, each) => (each < least ? each : least), first);
export const bigIntMax = (a: bigint, b: bigint): bigint => (a > b ? a : b);

export const EMPTY_BYTES = new Uint8Array(0);
export const ZERO_32 = new Uint8Array(32);

/** Negative, 0 or positive, as byte by byte and then by length. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Unsigned big-endian, left-padded to `length` bytes. Throws RangeError when it does not fit. */
export function bigIntToFixed(value: bigint, length: number): Uint8Array {
  if (value < 0n) throw new RangeError(`negative integer ${value}`);
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  let rest = value;
  let end = length;
  for (; end >= 8 && rest > 0n; end -= 8) {
    view.setBigUint64(end - 8, rest); // the lowest 64 bits of it
    rest >>= 64n;
  }
  for (; end > 0 && rest > 0n; end--) {
    out[end - 1] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest > 0n) throw new RangeError(`integer does not fit ${length} bytes`);
  return out;
}

/** The same number without leading zero bytes; zero is empty. Shares memory with `bytes`. */
export function trimLeadingZeros(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  return start === 0 ? bytes : bytes.subarray(start);
}

/** Left-pads to 32 bytes. Precondition: at most 32 bytes. */
export function padTo32(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 32) return bytes;
  const out = new Uint8Array(32);
  out.set(bytes, 32 - bytes.length);
  return out;
}
