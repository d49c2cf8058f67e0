import { keccak_256 } from "@noble/hashes/sha3.js";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import vectors from "../test/vectors/attribution-batch.json" with { type: "json" };
import { answerLeaf, batchProof, batchRoot, batchRootFrom } from "./answer-batch.ts";
import { bytesToHex, compareBytes, concatBytes, type Hex, hexToBytes } from "./bytes.ts";

test("vectors: leaves, roots and proofs", () => {
  for (const { firstInference, leaves, root, proofs } of vectors.batches) {
    const computed = leaves.map((_, i) => {
      const { outputRoot, outputBytes, spansHash } = vectors.answers[i % vectors.answers.length]!;
      return answerLeaf({
        inferenceId: BigInt(firstInference + i),
        outputRoot: hexToBytes(outputRoot as Hex),
        outputBytes,
        spansHash: hexToBytes(spansHash as Hex),
      });
    });
    expect(computed.map(bytesToHex)).toEqual(leaves);
    expect(bytesToHex(batchRoot(computed))).toBe(root);
    for (const { index, siblings } of proofs) {
      expect(batchProof(computed, index).map(bytesToHex)).toEqual(siblings);
      const given = siblings.map((sibling) => hexToBytes(sibling as Hex));
      expect(bytesToHex(batchRootFrom(computed[index]!, given))).toBe(root);
    }
  }
  expect(vectors.batches.map(({ leaves }) => leaves.length)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 256]);
});

const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
const leaves = fc.array(word, { minLength: 1, maxLength: 40 });

/** By the definition: the left part of n > 1 leaves holds the largest power of two below n. */
function definition(nodes: readonly Uint8Array[]): Uint8Array {
  if (nodes.length === 1) return nodes[0]!;
  let split = 1;
  while (split * 2 < nodes.length) split *= 2;
  const pair = [definition(nodes.slice(0, split)), definition(nodes.slice(split))];
  pair.sort((a, b) => Buffer.compare(a, b));
  return keccak_256(concatBytes(Uint8Array.of(6), ...pair));
}

test("root and proofs follow the definition; a changed leaf or sibling leads elsewhere", () => {
  fc.assert(
    fc.property(leaves, fc.nat(), fc.nat(), (all, pick, flip) => {
      const root = batchRoot(all);
      expect(bytesToHex(root)).toBe(bytesToHex(definition(all)));
      const index = pick % all.length;
      const siblings = batchProof(all, index);
      expect(bytesToHex(batchRootFrom(all[index]!, siblings))).toBe(bytesToHex(root));

      const other = all[index]!.slice();
      other[flip % 32]! ^= 1;
      expect(bytesToHex(batchRootFrom(other, siblings))).not.toBe(bytesToHex(root));
      if (siblings.length > 0) {
        expect(bytesToHex(batchRootFrom(all[index]!, siblings.slice(1)))).not.toBe(bytesToHex(root));
      }
    }),
    { numRuns: 60 },
  );
});

test("a leaf is keccak over tag, id, root, length and spans hash", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n), word, fc.nat(2 ** 32 - 1), word, (inferenceId, outputRoot, bytes, spans) => {
      const packed = Buffer.concat([
        Buffer.of(5),
        Buffer.from(inferenceId.toString(16).padStart(64, "0"), "hex"),
        outputRoot,
        Buffer.from(bytes.toString(16).padStart(8, "0"), "hex"),
        spans,
      ]);
      const leaf = answerLeaf({ inferenceId, outputRoot, outputBytes: bytes, spansHash: spans });
      expect(bytesToHex(leaf)).toBe(bytesToHex(keccak_256(packed)));
    }),
    { numRuns: 30 },
  );
});

test("nothing has no root, and no proof without a leaf", () => {
  expect(() => batchRoot([])).toThrow(RangeError);
  for (const index of [-1, 1, 0.5]) expect(() => batchProof([new Uint8Array(32)], index)).toThrow(RangeError);
});

test("bytes compare as Buffer does", () => {
  const bytes = fc.uint8Array({ maxLength: 4 });
  fc.assert(fc.property(bytes, bytes, (a, b) => Math.sign(compareBytes(a, b)) === Buffer.compare(a, b)));
});
