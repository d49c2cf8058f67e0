/**
 * A request is one libp2p stream. Integers are big-endian.
 *
 *   asker     payload length u32 ‖ payload, and closes its end
 *   answerer  status u8, and when it is OK: (chunk length u32 ‖ chunk)… ‖ trailer u32, and closes its end
 *
 * No chunk is as long as a trailer is high. An answer without a trailer was cut off.
 */
export const STATUS = {
  ok: 0,
  /** Ask later. */
  busy: 1,
  /** This node does not answer this. */
  refused: 2,
} as const;

export const TRAILER = {
  complete: 0xffff_ffff,
  /** What came before is fine, the rest failed. */
  failed: 0xffff_fffe,
} as const;

export function frame(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + bytes.length);
  new DataView(framed.buffer).setUint32(0, bytes.length);
  framed.set(bytes, 4);
  return framed;
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export const readU32 = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
