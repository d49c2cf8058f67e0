import { readFileSync } from "node:fs";
import { keccak_256 } from "@noble/hashes/sha3.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, concatBytes, type Hex, hexToBytes } from "./bytes.ts";
import { CHUNK_BYTES, ContentHasher, ContentTree, chunkCount, contentRoot, verifyContentRange } from "./content.ts";

/** RFC 6962's own recursive definition, on another hash implementation. */
function treeRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return keccak_256(concatBytes(Uint8Array.of(1), treeRoot(leaves.slice(0, split)), treeRoot(leaves.slice(split))));
}

function referenceRoot(content: Uint8Array): Uint8Array {
  const leaves: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += 256) {
    leaves.push(keccak_256(concatBytes(Uint8Array.of(0), content.subarray(at, at + 256))));
  }
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(content.length));
  return keccak_256(concatBytes(Uint8Array.of(2), length, treeRoot(leaves)));
}

/** Byte i is i modulo 251. */
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251);

interface Vector {
  readonly length: number;
  readonly root: string;
  readonly proofs: readonly { readonly index: number; readonly siblings: readonly string[] }[];
  readonly ranges: readonly { readonly first: number; readonly last: number; readonly siblings: readonly string[] }[];
}
const vectors = JSON.parse(readFileSync(new URL("../test/vectors/content-tree.json", import.meta.url), "utf8")) as {
  readonly content: readonly Vector[];
};

describe("vectors", () => {
  test.each(vectors.content.map((vector) => [vector.length, vector] as const))("%i bytes", (length, vector) => {
    const content = pattern(length);
    expect(bytesToHex(contentRoot(content))).toBe(vector.root);
    expect(bytesToHex(referenceRoot(content))).toBe(vector.root);
    const tree = new ContentTree(content);
    for (const { index, siblings } of vector.proofs) expect(tree.proof(index).map(bytesToHex)).toEqual(siblings);
    for (const { first, last, siblings } of vector.ranges) {
      expect(tree.rangeProof(first, last).map(bytesToHex)).toEqual(siblings);
      const data = content.subarray(first * CHUNK_BYTES, (last + 1) * CHUNK_BYTES);
      const range = { first, data, siblings: siblings.map((sibling) => hexToBytes(sibling as Hex)) };
      expect(verifyContentRange(tree.root, length, range)).toBe(true);
    }
  });

  test("cover one chunk, whole chunks, and unpaired nodes", () => {
    expect(vectors.content.length).toBeGreaterThanOrEqual(10);
    expect(vectors.content.flatMap(({ ranges }) => ranges).length).toBeGreaterThanOrEqual(50);
  });
});

test("streaming, tree and reference agree however the content is cut", () => {
  fc.assert(
    fc.property(fc.nat(6_000), fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 20 }), (size, pieces) => {
      const content = pattern(size + 1);
      const expected = bytesToHex(referenceRoot(content));
      const hasher = new ContentHasher();
      let at = 0;
      for (const piece of pieces) {
        hasher.update(content.subarray(at, at + piece));
        at = Math.min(content.length, at + piece);
      }
      expect(bytesToHex(hasher.update(content.subarray(at)).root())).toBe(expected);
      expect(hasher.length).toBe(content.length);
      expect(bytesToHex(new ContentTree(content).root)).toBe(expected);
    }),
    { numRuns: 60 },
  );
});

test("every range of chunks proves itself, and nothing else does", () => {
  const wrong = fc.record({ first: fc.nat(30), length: fc.nat(8_000), flip: fc.nat(255), level: fc.nat(10) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.nat(30), fc.nat(6), wrong, (length, pick, more, other) => {
      const content = pattern(length);
      const { root, ...tree } = proofsOf(content);
      const first = pick % chunkCount(length);
      const last = Math.min(first + more, chunkCount(length) - 1);
      const range = tree.range(first, last);
      expect(verifyContentRange(root, length, range)).toBe(true);

      const { data, siblings } = range;
      const changed = data.slice();
      changed[other.flip % data.length]! ^= 1;
      expect(verifyContentRange(root, length, { ...range, data: changed })).toBe(false);
      expect(verifyContentRange(root, length, { ...range, data: data.subarray(1) })).toBe(false);
      if (other.length !== length) expect(verifyContentRange(root, other.length, range)).toBe(false);
      if (other.first !== first) expect(verifyContentRange(root, length, { ...range, first: other.first })).toBe(false);
      expect(verifyContentRange(root, length, { ...range, siblings: [...siblings, root] })).toBe(false);
      if (siblings.length > 0) {
        expect(verifyContentRange(root, length, { ...range, siblings: siblings.slice(1) })).toBe(false);
        const mutated = siblings.map((one) => one.slice());
        mutated[other.level % siblings.length]![other.flip % 32]! ^= 1;
        expect(verifyContentRange(root, length, { ...range, siblings: mutated })).toBe(false);
      }
    }),
    { numRuns: 150 },
  );
});

function proofsOf(content: Uint8Array) {
  const tree = new ContentTree(content);
  const range = (first: number, last: number) => ({
    first,
    data: content.subarray(first * CHUNK_BYTES, (last + 1) * CHUNK_BYTES),
    siblings: tree.rangeProof(first, last),
  });
  return { root: tree.root, range };
}

test("odd inputs get an answer", () => {
  expect(() => contentRoot(new Uint8Array(0))).toThrow(RangeError);
  expect(() => new ContentTree(new Uint8Array(0))).toThrow(RangeError);
  const tree = new ContentTree(Uint8Array.of(1));
  for (const [first, last] of [
    [1, 1],
    [0, 1],
    [-1, 0],
    [0.5, 0.5],
  ] as const) {
    expect(() => tree.rangeProof(first, last)).toThrow(RangeError);
  }
  const range = { first: 0, data: Uint8Array.of(1), siblings: [] };
  expect(verifyContentRange(tree.root, 1, range)).toBe(true);
  for (const length of [0, -1, Number.NaN, 2 ** 60]) expect(verifyContentRange(tree.root, length, range)).toBe(false);
  for (const first of [-1, 1, 0.5]) expect(verifyContentRange(tree.root, 1, { ...range, first })).toBe(false);
});
