/** 256-bit words of the EVM between bigints, bytes and map keys. Big-endian. */

/** Stays off V8's heap: asking a short array for a DataView moves it there, which costs several times the conversion. */
const scratch = new Uint8Array(32);
const scratchView = new DataView(scratch.buffer);

/** The 32 bytes at `at`. */
export function readWord(view: DataView, at: number): bigint {
  const high = view.getBigUint64(at);
  const upper = view.getBigUint64(at + 8);
  const low = (view.getBigUint64(at + 16) << 64n) | view.getBigUint64(at + 24);
  if (high === 0n) return upper === 0n ? low : (upper << 128n) | low;
  return (high << 192n) | (upper << 128n) | low;
}

/** Writes the 32 bytes at `at`. */
export function writeWord(view: DataView, at: number, value: bigint): void {
  let rest = value;
  for (let end = at + 24; end >= at; end -= 8) {
    view.setBigUint64(end, rest); // keeps the low 64 bits
    if (rest !== 0n) rest >>= 64n;
  }
}

/** At most 32 bytes as an integer. */
export function integerOf(bytes: Uint8Array): bigint {
  if (bytes.length < 32) scratch.fill(0, 0, 32 - bytes.length);
  scratch.set(bytes, 32 - bytes.length);
  return readWord(scratchView, 0);
}

/** 32 bytes. */
export function wordBytes(value: bigint): Uint8Array {
  writeWord(scratchView, 0, value);
  return scratch.slice();
}

/** The 32 bytes from `offset` on, zeros beyond the end. */
export function readPadded(bytes: Uint8Array, offset: bigint): bigint {
  if (offset >= BigInt(bytes.length)) return 0n;
  const at = Number(offset);
  for (let i = 0; i < 32; i++) scratch[i] = bytes[at + i] ?? 0;
  return readWord(scratchView, 0);
}

/** Copies `length` bytes of `from`, from `offset` on, to `to` at `at`; zeros beyond the end. */
export function copyTo(to: Uint8Array, at: number, from: Uint8Array, offset: bigint, length: number): void {
  const start = offset > BigInt(from.length) ? from.length : Number(offset);
  const there = Math.min(from.length - start, length);
  to.set(from.subarray(start, start + there), at);
  to.fill(0, at + there, at + length);
}
