/** Against @ethereumjs/util and viem. */
import * as util from "@ethereumjs/util";
import fc from "fast-check";
import { getAddress } from "viem";
import { describe, expect, test } from "vitest";
import { checksummed } from "./addresses.ts";
import {
  bigIntMax,
  bigIntMin,
  bytesToBigInt,
  bytesToHex,
  concatBytes,
  equalsBytes,
  type Hex,
  hexToBytes,
} from "./bytes.ts";

const bytes = fc.uint8Array({ maxLength: 80 });

describe("bytes", () => {
  test("and hex", () => {
    fc.assert(
      fc.property(bytes, fc.boolean(), fc.boolean(), (given, isUpper, isOdd) => {
        const hex = bytesToHex(given);
        expect(hex).toBe(util.bytesToHex(given));
        expect(bytesToHex(Buffer.from(given))).toBe(hex);
        const digits = isOdd ? hex.slice(3) : hex.slice(2);
        const written: Hex = `0x${isUpper ? digits.toUpperCase() : digits}`;
        expect(hexToBytes(written)).toEqual(util.hexToBytes(written));
        expect(hexToBytes(hex)).toEqual(given);
      }),
    );
    for (const bad of ["", "00", "0xg0", "0x0x", "0x 0", "0X00", "0x00 "]) expect(() => hexToBytes(bad)).toThrow(Error);
  });

  test("as integers", () => {
    fc.assert(
      fc.property(bytes, (given) => {
        expect(bytesToBigInt(given)).toBe(util.bytesToBigInt(given));
      }),
    );
    for (let length = 0; length < 10; length++) {
      const most = new Uint8Array(length).fill(255);
      expect(bytesToBigInt(most)).toBe(2n ** BigInt(8 * length) - 1n);
    }
  });

  test("together and compared", () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), bytes, (parts, other) => {
        const joined = concatBytes(...parts);
        expect(joined).toEqual(Uint8Array.from(parts.flatMap((part) => [...part])));
        expect(equalsBytes(joined, joined.slice())).toBe(true);
        expect(equalsBytes(joined, other)).toBe(bytesToHex(joined) === bytesToHex(other));
        if (joined.length === 0) return;
        const changed = joined.slice();
        changed[other.length % changed.length]! ^= 1;
        expect(equalsBytes(joined, changed)).toBe(false);
      }),
    );
  });
});

test("least and greatest", () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.array(fc.bigInt()), (first, others) => {
      expect(bigIntMin(first, ...others)).toBe(util.bigIntMin(first, ...others));
      expect(bigIntMax(first, others[0] ?? 0n)).toBe(util.bigIntMax(first, others[0] ?? 0n));
    }),
  );
});

test("addresses with checksum are viem's", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (address) => {
      expect(checksummed(address)).toBe(getAddress(bytesToHex(address)));
    }),
  );
});
