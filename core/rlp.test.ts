import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes, hexToBytes } from "./bytes.ts";
import {
  RlpError,
  type RlpInput,
  rlpDecode,
  rlpEncode,
  rlpListHeader,
  rlpListOf,
  rlpStringSize,
  rlpUint,
} from "./rlp.ts";

type Nested = Uint8Array | Nested[];
const { tree } = fc.letrec<{ tree: Nested }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    fc.uint8Array({ maxLength: 70 }),
    fc.uint8Array({ minLength: 250, maxLength: 300 }),
    fc.array(tie("tree"), { maxLength: 6 }),
  ),
}));

test("encodes as @ethereumjs/rlp and decodes its own encoding", () => {
  fc.assert(
    fc.property(tree, (input) => {
      const encoded = rlpEncode(input);
      expect(encoded).toEqual(RLP.encode(input));
      expect(rlpDecode(encoded)).toEqual(input);
      if (input instanceof Uint8Array) expect(rlpStringSize(input)).toBe(encoded.length);
    }),
  );
});

test("integers encode as @ethereumjs/rlp does and read back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), fc.integer({ min: 0, max: 256 }), (wide, shift) => {
      const value = wide >> BigInt(shift);
      const encoded = rlpEncode([value] as RlpInput);
      expect(encoded).toEqual(RLP.encode([value]));
      expect(rlpUint((rlpDecode(encoded) as Uint8Array[])[0], 32, "value")).toBe(value);
    }),
  );
});

test("lists of encoded items equal the encoded list, at every size of the length field", () => {
  for (const length of [0, 1, 54, 55, 56, 255, 256, 65_535, 65_536, 70_000]) {
    const item = new Uint8Array(length).fill(0xaa);
    const encoded = rlpEncode([item]);
    expect(rlpListOf([rlpEncode(item)])).toEqual(encoded);
    expect(concatBytes(rlpListHeader(rlpStringSize(item)), rlpEncode(item))).toEqual(encoded);
    expect(encoded).toEqual(RLP.encode([item]));
  }
});

test("accepts exactly what is canonical: whatever decodes encodes to the same bytes", () => {
  const lengths = fc.constantFrom(
    0x7f,
    0x80,
    0x81,
    0xb7,
    0xb8,
    0xb9,
    0xbf,
    0xc0,
    0xc1,
    0xc2,
    0xf7,
    0xf8,
    0xf9,
    0xff,
    0,
  );
  const soup = fc.array(fc.oneof(lengths, fc.integer({ min: 0, max: 255 })), { maxLength: 80 });
  fc.assert(
    fc.property(soup, (numbers) => {
      const bytes = Uint8Array.from(numbers);
      let item: RlpInput;
      try {
        item = rlpDecode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RlpError);
        return;
      }
      expect(rlpEncode(item)).toEqual(bytes);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ["0x", "unexpected end of input"],
  ["0x8101", "single byte is not in its shortest form"],
  ["0xb801ff", "size is not in its shortest form"],
  ["0xb9003fff", "size has a leading zero"],
  ["0xbb", "unexpected end of input"],
  ["0xbcffffffffff", "size does not fit 32 bits"],
  ["0x83ffff", "item is larger than its container"],
  ["0xc283ff", "item is larger than its container"],
  ["0xc001", "trailing bytes"],
] as const)("refuses %s", (hex, message) => {
  expect(() => rlpDecode(hexToBytes(hex))).toThrow(message);
});

test("deep nesting is refused, not followed", () => {
  let bytes: Uint8Array = new Uint8Array([0xc0]);
  for (let i = 0; i < 2000; i++) bytes = rlpListOf([bytes]);
  expect(() => rlpDecode(bytes)).toThrow("lists nest too deeply");
});
