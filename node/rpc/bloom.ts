/** The 2048-bit filter of a header or receipt (yellow paper, section 4.3.1): three bits an address or topic. */
import { keccak256 } from "../../core/crypto.ts";

/** Positions as byte index and mask. */
export type BloomBits = readonly { readonly index: number; readonly mask: number }[];

export function bloomBits(value: Uint8Array): BloomBits {
  const digest = keccak256(value);
  return [0, 2, 4].map((at) => {
    const bit = ((digest[at]! << 8) | digest[at + 1]!) & 2047;
    return { index: 255 - (bit >> 3), mask: 1 << (bit & 7) };
  });
}

/** False only when the value is certainly absent. */
export function mayContain(bloom: Uint8Array, bits: BloomBits): boolean {
  return bits.every(({ index, mask }) => (bloom[index]! & mask) !== 0);
}
