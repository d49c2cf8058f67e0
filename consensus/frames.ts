/**
 * Framing of files that only grow and must tell a write that a crash cut short from damage: the write-ahead log and the
 * signer guard. Integers are big-endian; a checksum is the first 4 bytes of keccak256.
 *
 *   file     header ‖ frame…
 *   header   magic 8 ‖ version u32 ‖ network 32 ‖ salt 16 ‖ checksum(all before)                        64 bytes
 *   frame    length u32 ‖ checksum(salt ‖ offset u64 ‖ length) ‖ checksum(salt ‖ offset ‖ length ‖ payload) ‖ payload
 *
 * The writer makes one frame durable before it writes the next, so that only the last one can be incomplete, whatever
 * order the disk writes its pages in: a frame after a wrong one is damage. `offset` is where the frame begins in the
 * file and the salt is random for each file, so that no bytes inside a block's payload pass for a frame, and no frame
 * of an earlier file does.
 */
import { bigIntToFixed, bytesToBigInt, concatBytes, equalsBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";

export const HEADER_BYTES = 64;
export const FRAME_HEAD_BYTES = 12;
export const SALT_BYTES = 16;
/** Largest payload. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** Checksums that a search for frames after a wrong one computes at most; what needs more counts as damage. */
const SEARCH_LIMIT = 300_000;

const uint32 = (value: number): Uint8Array => bigIntToFixed(BigInt(value), 4);
const uint64 = (value: number): Uint8Array => bigIntToFixed(BigInt(value), 8);
const checksum = (...parts: readonly Uint8Array[]): Uint8Array => keccak256(...parts).subarray(0, 4);

export interface FileKind {
  /** 8 ASCII characters. */
  readonly magic: string;
  /** A file of a newer version is refused. */
  readonly version: number;
}

export interface FileHeader {
  /** 32 bytes. */
  readonly network: Uint8Array;
  /** 16 random bytes. */
  readonly salt: Uint8Array;
}

/** 64 bytes. */
export function encodeHeader({ magic, version }: FileKind, { network, salt }: FileHeader): Uint8Array {
  const head = concatBytes(new TextEncoder().encode(magic), uint32(version), network, salt);
  return concatBytes(head, checksum(head));
}

export type HeaderReading =
  | ({ readonly type: "header" } & FileHeader)
  | { readonly type: "damaged"; readonly detail: string }
  /** Another program's to read: never to be written over. */
  | { readonly type: "newer"; readonly version: number };

/** Never throws. */
export function decodeHeader(bytes: Uint8Array, { magic, version }: FileKind): HeaderReading {
  if (bytes.length < HEADER_BYTES)
    return { type: "damaged", detail: `has ${bytes.length} bytes, less than its header` };
  if (!equalsBytes(bytes.subarray(0, 8), new TextEncoder().encode(magic))) {
    return { type: "damaged", detail: "does not begin as such a file does" };
  }
  const found = Number(bytesToBigInt(bytes.subarray(8, 12)));
  if (found > version) return { type: "newer", version: found };
  if (found !== version || !equalsBytes(checksum(bytes.subarray(0, 60)), bytes.subarray(60, HEADER_BYTES))) {
    return { type: "damaged", detail: "has a header with a wrong checksum" };
  }
  return { type: "header", network: bytes.slice(12, 44), salt: bytes.slice(44, 60) };
}

/** `offset`: where in the file the frame will begin. Throws RangeError when the payload is empty or too large. */
export function encodeFrame(salt: Uint8Array, offset: number, payload: Uint8Array): Uint8Array {
  if (payload.length === 0 || payload.length > MAX_FRAME_BYTES) {
    throw new RangeError(`a frame of ${payload.length} bytes`);
  }
  const [at, length] = [uint64(offset), uint32(payload.length)];
  return concatBytes(length, checksum(salt, at, length), checksum(salt, at, length, payload), payload);
}

/** Length of the payload of the frame whose head is at `at`; undefined when no head of a whole frame is there. */
function headAt(bytes: Uint8Array, at: number, salt: Uint8Array): number | undefined {
  const length = plausibleLength(bytes, at);
  if (length === undefined) return undefined;
  const head = bytes.subarray(at, at + 8);
  return equalsBytes(checksum(salt, uint64(at), head.subarray(0, 4)), head.subarray(4)) ? length : undefined;
}

function plausibleLength(bytes: Uint8Array, at: number): number | undefined {
  const room = bytes.length - at - FRAME_HEAD_BYTES;
  if (room < 1) return undefined;
  let length = 0;
  for (let i = at; i < at + 4; i++) length = length * 256 + (bytes[i] as number);
  return length > 0 && length <= Math.min(room, MAX_FRAME_BYTES) ? length : undefined;
}

function payloadAt(bytes: Uint8Array, at: number, salt: Uint8Array): Uint8Array | undefined {
  const length = headAt(bytes, at, salt);
  if (length === undefined) return undefined;
  const payload = bytes.subarray(at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + length);
  const expected = checksum(salt, uint64(at), bytes.subarray(at, at + 4), payload);
  return equalsBytes(expected, bytes.subarray(at + 8, at + FRAME_HEAD_BYTES)) ? payload : undefined;
}

export interface Frames {
  /** Views into the bytes that were given. */
  readonly payloads: readonly { readonly offset: number; readonly payload: Uint8Array }[];
  /** Where the next frame begins. */
  readonly end: number;
  /** Why what follows `end` is more than one incomplete write. */
  readonly damage?: string;
}

/**
 * All frames up to the first that is not whole. Precondition: the header has been read. Never throws. Time: one pass,
 * and after a wrong frame a bounded search for a later one.
 */
export function decodeFrames(bytes: Uint8Array, salt: Uint8Array): Frames {
  const payloads: { offset: number; payload: Uint8Array }[] = [];
  let end = HEADER_BYTES;
  for (;;) {
    const payload = payloadAt(bytes, end, salt);
    if (payload === undefined) break;
    payloads.push({ offset: end, payload });
    end += FRAME_HEAD_BYTES + payload.length;
  }
  // A frame has no head of zeros, which is what a file that was made larger in advance ends with.
  let last = bytes.length - 1;
  while (last > end && bytes[last] === 0) last--;
  let checked = 0;
  for (let at = end + 1; at <= last; at++) {
    if (plausibleLength(bytes, at) === undefined) continue;
    if (++checked > SEARCH_LIMIT) return { payloads, end, damage: `is unreadable after byte ${end}` };
    if (headAt(bytes, at, salt) === undefined) continue;
    return { payloads, end, damage: `is wrong at byte ${end}, and has a further record at byte ${at}` };
  }
  return { payloads, end };
}
