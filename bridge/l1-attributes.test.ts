import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import vectors from "../test/vectors/deposits.json" with { type: "json" };
import { type Deposit, decodeDeposit, encodeDeposit } from "./deposit.ts";
import { attributesDeposit, decodeAttributes, type L1Attributes } from "./l1-attributes.ts";

const uint = (bits: number) => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyAttributes: fc.Arbitrary<L1Attributes> = fc.record({
  number: uint(64),
  hash: bytes(32),
  timestamp: uint(64),
  baseFeeWei: uint(256),
  blobBaseFeeWei: uint(256),
  sequenceNumber: uint(64),
  baseFeeScalar: uint(32),
  blobBaseFeeScalar: uint(32),
});

test("reads back what was written", () => {
  fc.assert(
    fc.property(anyAttributes, (attributes) => {
      const deposit = decodeDeposit(encodeDeposit(attributesDeposit(attributes)));
      expect(decodeAttributes(deposit)).toEqual({ ok: true, attributes });
    }),
  );
});

test("what it accepts is what would have been written", () => {
  const changed = fc.tuple(
    fc.nat(175),
    fc.integer({ min: 1, max: 255 }),
    fc.constantFrom<"data" | "from" | "to" | "sourceHash">("data", "data", "from", "to", "sourceHash"),
  );
  fc.assert(
    fc.property(anyAttributes, changed, (attributes, [at, flip, field]) => {
      const deposit = attributesDeposit(attributes);
      const old = deposit[field]!;
      const mutated: Deposit = { ...deposit, [field]: old.with(at % old.length, old[at % old.length]! ^ flip) };
      const decoded = decodeAttributes(mutated);
      if (decoded.ok) expect(attributesDeposit(decoded.attributes)).toEqual(mutated);
      // Hash and sequence number are in the source hash; the sender, the recipient and the unused bytes are fixed.
      const isBound = field !== "data" || at < 4 || (at >= 12 && at < 20) || at >= 100;
      expect(decoded.ok).toBe(!isBound);
    }),
    { numRuns: 300 },
  );
});

test("whatever differs from the one form is refused by name", () => {
  const [vector] = vectors.attributes;
  const deposit = decodeDeposit(hexToBytes(vector!.raw as Hex));
  const reason = (fields: Partial<Deposit>) => {
    const decoded = decodeAttributes({ ...deposit, ...fields });
    return decoded.ok ? undefined : decoded.reason;
  };
  expect(reason({})).toBeUndefined();
  expect(reason({ to: undefined })).toMatch(/not from the depositor account to the L1Block/);
  for (const fields of [{ mintWei: 1n }, { valueWei: 1n }, { isSystem: true }, { gasLimit: 1_000_001n }]) {
    expect(reason(fields)).toMatch(/mint, send value, are a system transaction or have another gas limit than 1000000/);
  }
  expect(reason({ data: deposit.data.subarray(0, 175) })).toMatch(/not 176 bytes of the Isthmus layout/);
  expect(reason({ data: deposit.data.with(0, 1) })).toMatch(/not 176 bytes of the Isthmus layout/);
  expect(reason({ data: deposit.data.with(132, 1) })).toMatch(/batcher hash or operator fee is not zero/);
  expect(reason({ data: deposit.data.with(175, 1) })).toMatch(/batcher hash or operator fee is not zero/);
  expect(reason({ sourceHash: new Uint8Array(32) })).toMatch(/source hash does not follow/);
});

test("a value that does not fit its field is a RangeError", () => {
  const { attributes } = decodeAttributes(decodeDeposit(hexToBytes(vectors.attributes[0]!.raw as Hex))) as {
    attributes: L1Attributes;
  };
  expect(() => attributesDeposit({ ...attributes, baseFeeScalar: 2n ** 32n })).toThrow(RangeError);
});

test("the vectors", () => {
  for (const { raw, transactionHash, hash, ...numbers } of vectors.attributes) {
    const fields = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, BigInt(value)]));
    const attributes = { ...fields, hash: hexToBytes(hash as Hex) } as unknown as L1Attributes;
    expect(bytesToHex(encodeDeposit(attributesDeposit(attributes)))).toBe(raw);
    expect(bytesToHex(keccak256(hexToBytes(raw as Hex)))).toBe(transactionHash);
    expect(decodeAttributes(decodeDeposit(hexToBytes(raw as Hex)))).toEqual({ ok: true, attributes });
  }
});
