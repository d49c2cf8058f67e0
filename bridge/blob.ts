/**
 * Bytes in an EIP-4844 blob: 4,096 field elements of 32 bytes whose upper two bits are zero. The OP Stack's encoding 0
 * (specs/protocol/derivation.md, blob encoding): 31 whole bytes a field element, and of each group of four elements the
 * four times 6 spare bits make 3 more bytes:
 *
 *   element 4r    = x[0..5]                        ‖ 31 bytes     (of r = 0: version 0 ‖ length u24 ‖ 27 bytes)
 *   element 4r+1  = x[6..7] << 4 | y[0..3]         ‖ 31 bytes
 *   element 4r+2  = z[0..5]                        ‖ 31 bytes
 *   element 4r+3  = z[6..7] << 4 | y[4..7]         ‖ 31 bytes
 *
 * The data's order in a group: 31 bytes, x, 31 bytes, y, 31 bytes, z, 31 bytes. What is not used is zero.
 */

export const BLOB_BYTES = 4_096 * 32;
const GROUPS = 1_024;
const GROUP_BYTES = 4 * 31 + 3;
/** Version and length. */
const HEADER_BYTES = 4;
/** 130,044. */
export const BLOB_CAPACITY = GROUPS * GROUP_BYTES - HEADER_BYTES;

/** Throws RangeError when the data do not fit one blob. */
export function packBlob(data: Uint8Array): Uint8Array {
  if (data.length > BLOB_CAPACITY) throw new RangeError(`${data.length} bytes, a blob holds ${BLOB_CAPACITY}`);
  const source = new Uint8Array(GROUPS * GROUP_BYTES);
  source.set([0, data.length >> 16, (data.length >> 8) & 0xff, data.length & 0xff]);
  source.set(data, HEADER_BYTES);
  const blob = new Uint8Array(BLOB_BYTES);
  for (let group = 0; group < GROUPS; group++) {
    const from = group * GROUP_BYTES;
    const to = group * 128;
    for (let i = 0; i < 4; i++) blob.set(source.subarray(from + 32 * i, from + 32 * i + 31), to + 32 * i + 1);
    const [x, y, z] = [source[from + 31]!, source[from + 63]!, source[from + 95]!];
    blob[to] = x & 0x3f;
    blob[to + 32] = (y & 0x0f) | ((x & 0xc0) >> 2);
    blob[to + 64] = z & 0x3f;
    blob[to + 96] = ((z & 0xc0) >> 2) | (y >> 4);
  }
  return blob;
}

/** Undefined for what packBlob does not make. */
export function unpackBlob(blob: Uint8Array): Uint8Array | undefined {
  if (blob.length !== BLOB_BYTES) return undefined;
  const source = new Uint8Array(GROUPS * GROUP_BYTES);
  for (let group = 0; group < GROUPS; group++) {
    const from = group * 128;
    const to = group * GROUP_BYTES;
    const [a, b, c, d] = [blob[from]!, blob[from + 32]!, blob[from + 64]!, blob[from + 96]!];
    if ((a | b | c | d) & 0xc0) return undefined;
    for (let i = 0; i < 4; i++) source.set(blob.subarray(from + 32 * i + 1, from + 32 * i + 32), to + 32 * i);
    source[to + 31] = a | ((b & 0x30) << 2);
    source[to + 63] = (b & 0x0f) | ((d & 0x0f) << 4);
    source[to + 95] = c | ((d & 0x30) << 2);
  }
  const length = (source[1]! << 16) | (source[2]! << 8) | source[3]!;
  if (source[0] !== 0 || length > BLOB_CAPACITY) return undefined;
  const end = HEADER_BYTES + length;
  for (let i = end; i < source.length; i++) if (source[i] !== 0) return undefined;
  return source.slice(HEADER_BYTES, end);
}
