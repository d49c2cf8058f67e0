import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { ContentTree, chunkCount, verifyContentRange } from "../../core/content.ts";
import { rlpEncode } from "../../core/rlp.ts";
import { PROTOCOL_LIMITS } from "../p2p/limits.ts";
import {
  ContentMessageError,
  decodeHave,
  decodeHaveRequest,
  decodeRange,
  decodeRangeRequest,
  encodeHave,
  encodeHaveRequest,
  encodeRange,
  encodeRangeRequest,
  MAX_CHUNKS,
  MAX_ROOTS,
} from "./messages.ts";

const root = fc.uint8Array({ minLength: 32, maxLength: 32 });
const broken = expect.objectContaining({ name: "ContentMessageError" }) as ContentMessageError;

describe("messages about contents", () => {
  it("say on the wire what was said", () => {
    expect(bytesToHex(encodeHave([true, false, false, true, false, false, false, false, true]))).toBe("0x0901");
    fc.assert(
      fc.property(fc.array(fc.tuple(root, fc.boolean()), { minLength: 1, maxLength: 40 }), (items) => {
        const roots = items.map(([bytes]) => bytes);
        const held = items.map(([, isHeld]) => isHeld);
        expect(decodeHaveRequest(encodeHaveRequest(roots))).toEqual(roots);
        expect(decodeHave(encodeHave(held), held.length)).toEqual(held);
      }),
    );
    const count = fc.integer({ min: 1, max: MAX_CHUNKS });
    fc.assert(
      fc.property(root, fc.maxSafeNat(), count, (bytes, first, chunks) => {
        const request = { root: bytes, first, count: chunks };
        expect(decodeRangeRequest(encodeRangeRequest(request))).toEqual(request);
      }),
    );
  });

  it("bring ranges that can be proven, in frames that the network allows", () => {
    const content = new Uint8Array(MAX_CHUNKS * 256 + 1_000).fill(7);
    const tree = new ContentTree(content);
    for (const [first, count] of [
      [0, MAX_CHUNKS],
      [4, MAX_CHUNKS],
      [3, 1],
    ] as const) {
      const last = Math.min(first + count, chunkCount(content.length)) - 1;
      const data = content.subarray(first * 256, (last + 1) * 256);
      const encoded = encodeRange({ length: content.length, data, siblings: tree.rangeProof(first, last) });
      expect(encoded.length).toBeLessThanOrEqual(PROTOCOL_LIMITS["content-range"].chunkBytes);
      const range = decodeRange(encoded, { root: tree.root, first, count });
      expect(verifyContentRange(tree.root, range.length, range)).toBe(true);
    }
    expect(MAX_ROOTS / 8).toBeLessThanOrEqual(PROTOCOL_LIMITS["content-have"].chunkBytes);
  });

  it("are refused beyond their bounds", () => {
    const root0 = new Uint8Array(32);
    expect(() => decodeHaveRequest(rlpEncode([]))).toThrow(broken);
    expect(() => decodeHaveRequest(encodeHaveRequest(Array(MAX_ROOTS + 1).fill(root0)))).toThrow(broken);
    expect(() => decodeHaveRequest(encodeHaveRequest([new Uint8Array(31)]))).toThrow(broken);
    expect(() => decodeHave(Uint8Array.of(0x10), 4)).toThrow(broken);
    expect(() => decodeHave(Uint8Array.of(1, 0), 4)).toThrow(broken);
    for (const [first, count] of [
      [0, 0],
      [0, MAX_CHUNKS + 1],
    ] as const) {
      expect(() => decodeRangeRequest(encodeRangeRequest({ root: root0, first, count }))).toThrow(broken);
    }
    expect(() => decodeRangeRequest(rlpEncode([root0, 2n ** 55n, 1n]))).toThrow(broken);
    const request = { root: root0, first: 2, count: 2 };
    for (const [length, bytes] of [
      [2_000, 511],
      [2_000, 513],
      [600, 512],
      [512, 0],
      [100, 0],
    ] as const) {
      const answer = encodeRange({ length, data: new Uint8Array(bytes), siblings: [] });
      expect(() => decodeRange(answer, request)).toThrow(broken);
    }
    const siblings = Array<Uint8Array>(129).fill(root0);
    expect(() => decodeRange(encodeRange({ length: 2_000, data: new Uint8Array(512), siblings }), request)).toThrow(
      broken,
    );
  });

  it("made of random bytes never do more than fail", () => {
    const only = (decode: () => unknown) => {
      try {
        decode();
      } catch (error) {
        expect(error).toBeInstanceOf(ContentMessageError);
      }
    };
    const shaped = fc
      .array(fc.oneof(root, fc.uint8Array({ maxLength: 9 })), { maxLength: 4 })
      .map((item) => rlpEncode(item));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), shaped), (bytes) => {
        only(() => decodeHaveRequest(bytes));
        only(() => decodeHave(bytes, 9));
        only(() => decodeRangeRequest(bytes));
        only(() => decodeRange(bytes, { root: new Uint8Array(32), first: 0, count: 1 }));
      }),
      { numRuns: 500 },
    );
  });
});
