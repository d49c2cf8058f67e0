/**
 * Where precompiles keep their state, in Solidity's terms, so that anyone can read it with eth_getProof
 * (docs/precompiles.md has every layout): a mapping's entry lies at keccak(key ‖ slot of the mapping), a struct takes
 * consecutive slots from there, and small fields share a slot, the first one in the lowest bits.
 */
import { bigIntToFixed, padTo32 } from "../core/bytes.ts";
import type { PrecompileContext } from "../core/precompile.ts";

/** The context's hash, which pays for itself, for functions of core/ that take one. */
export const hashOf =
  (context: PrecompileContext) =>
  (...parts: readonly Uint8Array[]): Uint8Array =>
    context.keccak(...parts);

const WORD_BYTES = 32;
const MAX_WORD = 2n ** 256n - 1n;

/** Slot `number` of the account. */
export const rootSlot = (number: number): Uint8Array => bigIntToFixed(BigInt(number), 32);

/** Entry of the mapping at `slot`. Pays for one hash. */
export function mapSlot(context: PrecompileContext, slot: Uint8Array, key: bigint | Uint8Array): Uint8Array {
  return context.keccak(typeof key === "bigint" ? wordOf(key) : padTo32(key), slot);
}

/** `offset` slots further on. */
export function slotAt(slot: Uint8Array, offset: number): Uint8Array {
  if (offset === 0) return slot;
  const out = slot.slice();
  let carry = offset;
  for (let i = 31; i >= 0 && carry > 0; i--) {
    carry += out[i]!;
    out[i] = carry & 0xff;
    carry = Math.floor(carry / 256);
  }
  return out;
}

/** Stays off V8's heap: asking a short array for a DataView moves it there, which costs several times the conversion. */
const scratch = new Uint8Array(WORD_BYTES);
const scratchView = new DataView(scratch.buffer);

/** 32 bytes big-endian. Throws RangeError above 256 bits. */
export function wordOf(value: bigint): Uint8Array {
  if (value < 0n || value > MAX_WORD) throw new RangeError(`${value} is not an unsigned 256-bit integer`);
  let rest = value;
  for (let at = 24; at >= 0; at -= 8) {
    scratchView.setBigUint64(at, rest); // keeps the low 64 bits
    if (rest !== 0n) rest >>= 64n;
  }
  return scratch.slice();
}

export function wordToInteger(word: Uint8Array): bigint {
  scratch.set(word.length === WORD_BYTES ? word : word.subarray(0, WORD_BYTES));
  const high = (scratchView.getBigUint64(0) << 64n) | scratchView.getBigUint64(8);
  const low = (scratchView.getBigUint64(16) << 64n) | scratchView.getBigUint64(24);
  return high === 0n ? low : (high << 128n) | low;
}

interface FieldTypes {
  uint8: number;
  uint16: number;
  uint24: number;
  uint32: number;
  uint40: bigint;
  uint48: bigint;
  uint64: bigint;
  uint128: bigint;
  address: Uint8Array;
}

type Layout = Readonly<Record<string, keyof FieldTypes>>;
export type Packed<L extends Layout> = { readonly [Name in keyof L]: FieldTypes[L[Name]] };

export interface PackedSlot<L extends Layout> {
  pack(fields: Packed<L>): bigint;
  unpack(word: bigint): Packed<L>;
}

/** Several fields in one slot, the first in the lowest bits. Packing throws RangeError when a value does not fit. */
export function packedSlot<const L extends Layout>(layout: L): PackedSlot<L> {
  let offset = 0n;
  const fields = Object.entries(layout).map(([name, type]) => {
    const bits = type === "address" ? 160n : BigInt(type.slice(4));
    const field = { name, type, bits, offset, mask: (1n << bits) - 1n };
    offset += bits;
    return field;
  });
  if (offset > 256n) throw new Error(`layout of ${offset} bits`);
  return {
    pack(values) {
      let word = 0n;
      for (const { name, type, bits, offset } of fields) {
        const value = (values as Record<string, number | bigint | Uint8Array>)[name]!;
        const integer = type === "address" ? wordToInteger(padTo32(value as Uint8Array)) : BigInt(value as bigint);
        if (integer < 0n || integer >> bits !== 0n) throw new RangeError(`${name} ${integer} does not fit ${type}`);
        word |= integer << offset;
      }
      return word;
    },
    unpack(word) {
      const values: Record<string, number | bigint | Uint8Array> = {};
      for (const { name, type, bits, offset, mask } of fields) {
        const integer = (word >> offset) & mask;
        values[name] = type === "address" ? wordOf(integer).subarray(12) : bits <= 32n ? Number(integer) : integer;
      }
      return values as Packed<L>;
    },
  };
}
