/**
 * The tree over the answers of one commitment (docs/spec.md "Batch"). The chain keeps its root; a settlement or a
 * challenge brings an answer again with the siblings that lead there.
 *
 *   leaf       = keccak(0x05 ‖ uint256(inferenceId) ‖ outputRoot ‖ uint32(outputBytes) ‖ spansHash)
 *   node(a, b) = keccak(0x06 ‖ min(a, b) ‖ max(a, b))
 */
import { bigIntToFixed, compareBytes } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

type Hash = (...parts: readonly Uint8Array[]) => Uint8Array;

const LEAF = Uint8Array.of(5);
const NODE = Uint8Array.of(6);

/** What an answer commits to, as its batch keeps it. */
export interface AnswerLeaf {
  readonly inferenceId: bigint;
  readonly outputRoot: Uint8Array;
  readonly outputBytes: number;
  readonly spansHash: Uint8Array;
}

export const answerLeaf = (
  { inferenceId, outputRoot, outputBytes, spansHash }: AnswerLeaf,
  hash: Hash = keccak256,
): Uint8Array =>
  hash(LEAF, bigIntToFixed(inferenceId, 32), outputRoot, bigIntToFixed(BigInt(outputBytes), 4), spansHash);

const node = (a: Uint8Array, b: Uint8Array, hash: Hash): Uint8Array =>
  compareBytes(a, b) <= 0 ? hash(NODE, a, b) : hash(NODE, b, a);

/** Throws RangeError when there are no leaves. */
export function batchRoot(leaves: readonly Uint8Array[], hash: Hash = keccak256): Uint8Array {
  if (leaves.length === 0) throw new RangeError("an empty batch has no root");
  let level = leaves;
  while (level.length > 1) level = levelAbove(level, hash);
  return level[0]!;
}

/** Siblings of leaf `index` from the leaf up. Throws RangeError when there is no such leaf. */
export function batchProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) {
    throw new RangeError(`answer ${index} of ${leaves.length}`);
  }
  const siblings: Uint8Array[] = [];
  let at = index;
  for (let level = leaves; level.length > 1; level = levelAbove(level, keccak256)) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) siblings.push(sibling);
    at >>>= 1;
  }
  return siblings;
}

/** Root that a leaf and its siblings lead to. */
export const batchRootFrom = (leaf: Uint8Array, siblings: readonly Uint8Array[], hash: Hash = keccak256): Uint8Array =>
  siblings.reduce((at, sibling) => node(at, sibling, hash), leaf);

function levelAbove(level: readonly Uint8Array[], hash: Hash): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const right = level[i + 1];
    above.push(right === undefined ? level[i]! : node(level[i]!, right, hash));
  }
  return above;
}
