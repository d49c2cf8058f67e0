import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToHex, concatBytes, hexToBytes } from "../core/bytes.ts";
import vectors from "../test/vectors/batches.json" with { type: "json" };
import {
  BatchError,
  type BatchPayload,
  decodePart,
  decodePayload,
  encodeParts,
  encodePayload,
  MAX_BATCH_BLOCKS,
  MAX_PARTS,
  MAX_PAYLOAD_BYTES,
} from "./batch.ts";
import { BLOB_BYTES, BLOB_CAPACITY, packBlob, unpackBlob } from "./blob.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const payloads: fc.Arbitrary<BatchPayload> = fc.record({
  first: uint64,
  parentHash: bytes(32),
  blocks: fc.array(
    fc.record({
      timestamp: uint64,
      coinbase: bytes(20),
      originNumber: uint64,
      originHash: bytes(32),
      transactions: fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  certificate: fc.uint8Array({ maxLength: 300 }),
});

test("payloads read back as they were written", () => {
  fc.assert(
    fc.property(payloads, (payload) => {
      expect(decodePayload(encodePayload(payload))).toEqual(payload);
    }),
  );
});

test("whatever decodes encodes to the same bytes, and all else is a BatchError", () => {
  const mutated = fc.tuple(payloads, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([payload, at, value]) => {
    const encoded = encodePayload(payload);
    encoded[at % encoded.length] = value;
    return encoded;
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (input) => {
      let payload: BatchPayload;
      try {
        payload = decodePayload(input);
      } catch (error) {
        expect(error).toBeInstanceOf(BatchError);
        return;
      }
      expect(encodePayload(payload)).toEqual(input);
    }),
    { numRuns: 1_000 },
  );
});

test("bounds", () => {
  const [sample] = fc.sample(payloads, 1) as [BatchPayload];
  const block = { ...sample.blocks[0]!, transactions: [] };
  const many = { ...sample, blocks: Array.from({ length: MAX_BATCH_BLOCKS + 1 }, () => block) };
  expect(() => encodePayload(many)).toThrow(BatchError);
  expect(decodePayload(encodePayload({ ...many, blocks: many.blocks.slice(1) })).blocks.length).toBe(MAX_BATCH_BLOCKS);
  expect(() => encodePayload({ ...sample, blocks: [] })).toThrow(BatchError);
  const huge = { ...block, transactions: [new Uint8Array(MAX_PAYLOAD_BYTES)] };
  expect(() => encodePayload({ ...sample, blocks: [huge] })).toThrow(BatchError);
  expect(() => decodePayload(new Uint8Array(MAX_PAYLOAD_BYTES + 1))).toThrow("uncompressed");
});

test("parts put together give what was cut", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), fc.integer({ min: 12, max: 600 }), (whole, max) => {
      const parts = encodeParts(whole, max);
      expect(parts.every((part) => part.length <= max)).toBe(true);
      const read = parts.map(decodePart);
      expect(read.map(({ index, count }) => [index, count])).toEqual(parts.map((_, i) => [i, parts.length]));
      expect(concatBytes(...read.map(({ slice }) => slice))).toEqual(whole);
    }),
  );
  expect(() => encodeParts(new Uint8Array(MAX_PARTS + 1), 4)).toThrow(BatchError);
  for (const wrong of [[], [0, 0, 1], [1, 0, 1, 9], [0, 1, 1, 9], [0, 0, 0, 9], [0, 0, MAX_PARTS + 1, 9]]) {
    expect(() => decodePart(Uint8Array.from(wrong))).toThrow(BatchError);
  }
});

test("blobs: data read back, field elements are below 2^254, and only what is packed unpacks", () => {
  expect(BLOB_CAPACITY).toBe(130_044);
  const lengths = fc.oneof(
    fc.constantFrom(0, 1, 26, 27, 28, 58, 59, 122, 123, 124, BLOB_CAPACITY - 1, BLOB_CAPACITY),
    fc.nat(BLOB_CAPACITY),
  );
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 255 }), fc.nat(), (length, seed, at) => {
      const data = Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8) + 1) & 0xff);
      const blob = packBlob(data);
      expect(blob.length).toBe(BLOB_BYTES);
      for (let i = 0; i < BLOB_BYTES; i += 32) if (blob[i]! >= 0x40) throw new Error(`element ${i / 32} is too large`);
      expect(unpackBlob(blob)).toEqual(data);
      blob[at % BLOB_BYTES]! ^= seed;
      const other = unpackBlob(blob);
      if (other !== undefined) expect(packBlob(other)).toEqual(blob);
    }),
    { numRuns: 40 },
  );
  expect(() => packBlob(new Uint8Array(BLOB_CAPACITY + 1))).toThrow(RangeError);
  expect(unpackBlob(new Uint8Array(BLOB_BYTES - 1))).toBeUndefined();
});

test("blobs are the OP Stack's: version and length, then 27 bytes, and the spare bits as it spreads them", () => {
  const data = Uint8Array.from({ length: 123 }, (_, i) => i + 1);
  const blob = packBlob(data);
  expect([...blob.subarray(1, 6)]).toEqual([0, 0, 0, 123, 1]);
  const [x, y, z] = [28, 60, 92]; // after 27, 31 and 31 bytes
  expect(blob[0]).toBe(x & 0x3f);
  expect(blob[32]).toBe((y & 0x0f) | ((x & 0xc0) >> 2));
  expect(blob[64]).toBe(z & 0x3f);
  expect(blob[96]).toBe(((z & 0xc0) >> 2) | ((y & 0xf0) >> 4));
});

test("vectors", () => {
  for (const { payload, encoded, parts, maxPartBytes } of vectors) {
    const value: BatchPayload = {
      first: BigInt(payload.first),
      parentHash: hexToBytes(payload.parentHash as "0x"),
      blocks: payload.blocks.map((block) => ({
        timestamp: BigInt(block.timestamp),
        coinbase: hexToBytes(block.coinbase as "0x"),
        originNumber: BigInt(block.originNumber),
        originHash: hexToBytes(block.originHash as "0x"),
        transactions: block.transactions.map((raw) => hexToBytes(raw as "0x")),
      })),
      certificate: hexToBytes(payload.certificate as "0x"),
    };
    expect(bytesToHex(encodePayload(value))).toBe(encoded);
    // Cut uncompressed: what Brotli makes of it may change from version to version.
    expect(encodeParts(encodePayload(value), maxPartBytes).map(bytesToHex)).toEqual(parts);
  }
});
