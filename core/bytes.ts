/**
 * Byte vocabulary. Integers are big-endian throughout. Hex strings are lower case with a 0x prefix.
 * Generic helpers come from @ethereumjs/util; only what it lacks, or does too slowly, is written here.
 */
import { bytesToHex as toHexString } from "@ethereumjs/util";

export {
  bytesToBigInt,
  concatBytes,
  equalsBytes,
  hexToBytes,
} from "@ethereumjs/util";

export type Hex = `0x${string}`;

export const bytesToHex: (bytes: Uint8Array) => Hex = toHexString;
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
