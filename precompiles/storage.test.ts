import * as fc from "fast-check";
import { encodeAbiParameters, keccak256 as viemKeccak } from "viem";
import { expect, test } from "vitest";
import { bytesToHex, hexToBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { mapSlot, packedSlot, rootSlot, slotAt, wordOf, wordToInteger } from "./storage.ts";

const context = { keccak: keccak256 } as unknown as PrecompileContext;
const word = fc.bigInt(0n, 2n ** 256n - 1n);

test("words are 32 bytes big-endian, both ways", () => {
  fc.assert(fc.property(word, (value) => void expect(wordToInteger(wordOf(value))).toBe(value)));
  expect(bytesToHex(wordOf(258n))).toBe(`0x${"00".repeat(30)}0102`);
  expect(() => wordOf(2n ** 256n)).toThrow(RangeError);
  expect(() => wordOf(-1n)).toThrow(RangeError);
});

test("slotAt adds with carry, modulo 2^256", () => {
  fc.assert(
    fc.property(word, fc.nat(2 ** 31), (slot, offset) => {
      expect(wordToInteger(slotAt(wordOf(slot), offset))).toBe((slot + BigInt(offset)) % 2n ** 256n);
    }),
  );
});

test("a mapping's entry lies where Solidity puts it", () => {
  const account = "0x00000000000000000000000000000000000000aa";
  const expected = viemKeccak(encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [account, 3n]));
  expect(bytesToHex(mapSlot(context, rootSlot(3), hexToBytes(account)))).toBe(expected);
});

test("packed fields come back; the first is in the lowest bits", () => {
  const slot = packedSlot({ a: "uint8", owner: "address", b: "uint64", c: "uint24" });
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.nat(2 ** 24 - 1),
      (a, owner, b, c) => void expect(slot.unpack(slot.pack({ a, owner, b, c }))).toEqual({ a, owner, b, c }),
    ),
  );
  expect(slot.pack({ a: 1, owner: new Uint8Array(20), b: 0n, c: 0 })).toBe(1n);
  expect(() => slot.pack({ a: 256, owner: new Uint8Array(20), b: 0n, c: 0 })).toThrow(RangeError);
  expect(() => slot.pack({ a: 0, owner: new Uint8Array(20), b: 2n ** 64n, c: 0 })).toThrow(RangeError);
  expect(() => packedSlot({ a: "uint128", b: "uint128", c: "uint8" })).toThrow(/264 bits/);
});
