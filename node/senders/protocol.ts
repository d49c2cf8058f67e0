/** What goes to and from a thread that recovers senders: bytes in one buffer each way, which is moved, not copied. */

export interface SendersData {
  readonly chainId: bigint;
}

export interface ToThread {
  readonly id: number;
  /** `packEnvelopes` of those to recover. */
  readonly packed: Uint8Array;
}

export type FromThread =
  /** It has loaded what it needs. */
  | "ready"
  | {
      readonly id: number;
      /** `hash (32) ‖ sender (20)` of each envelope, in order, up to the first that is no valid transaction. */
      readonly found: Uint8Array;
    };

export const FOUND_BYTES = 52;

/** `length (4, big-endian) ‖ bytes` of each, in a buffer of its own. */
export function packEnvelopes(envelopes: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(envelopes.reduce((size, { length }) => size + 4 + length, 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const envelope of envelopes) {
    view.setUint32(at, envelope.length);
    packed.set(envelope, at + 4);
    at += 4 + envelope.length;
  }
  return packed;
}

/** Views of what was packed. */
export function* unpackEnvelopes(packed: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  for (let at = 0; at < packed.length; ) {
    const end = at + 4 + view.getUint32(at);
    yield packed.subarray(at + 4, end);
    at = end;
  }
}
